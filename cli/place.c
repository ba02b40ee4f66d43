#include "cli/place.h"

#include "storage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void
pq_cli_place_flag(struct pq_cli_place *place, int flag, const char *value)
{
	switch (flag) {
	case PQ_PLACE_CREDENTIALS:
		place->credentials_path = value;
		break;
	case PQ_PLACE_CA:
		place->options.ca_file = value;
		break;
	case PQ_PLACE_S3_ENDPOINT:
		place->options.s3_endpoint = value;
		break;
	case PQ_PLACE_S3_REGION:
		place->options.s3_region = value;
		break;
	case PQ_PLACE_ALLOW_HTTP:
		place->options.allow_http = true;
		break;
	}
}

enum pq_status
pq_cli_place_load(struct pq_cli_place *place, struct pq_err *err)
{
	enum pq_status status = pq_credentials_load(place->credentials_path, &place->credentials, err);

	if (status == PQ_OK)
		place->options.credentials = place->credentials;
	return status;
}

void
pq_cli_place_release(struct pq_cli_place *place)
{
	pq_credentials_free(place->credentials);
}

enum pq_status
pq_cli_open_store(const char *path, struct pq_snapshot_file *ret_file, struct pq_err *err)
{
	struct pq_snapshot_file file = {.path = path};

	file.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file.fd < 0)
		return pq_fail_at(err, errno == ENOENT ? PQ_ENOTFOUND : PQ_EIO, path, 0, 0, "cannot be opened: %s",
		                  strerror(errno));
	enum pq_status status = pq_store_check_fd(file.fd, path, file.digest, &file.size, err);

	if (status != PQ_OK) {
		close(file.fd);
		return status;
	}
	*ret_file = file;
	return PQ_OK;
}

#include "fetch/push.h"

#include "fetch/files.h"
#include "fetch/place.h"
#include "storage/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct pq_fetch_options no_options;

/* A file without a name, to make a snapshot in: beside other temporaries where there are any, else in memory. */
static int
nameless_file(void)
{
	const char *folder = getenv("TMPDIR");
	int fd = open(folder != NULL ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd >= 0 ? fd : memfd_create("snapshot", MFD_CLOEXEC);
}

/* Make one snapshot and put it. */
static enum pq_status
put_snapshot(struct pq_place *place, const struct pq_push *push, const struct pq_snapshot_file *base,
             struct pq_push_stats *stats, struct pq_err *err)
{
	struct pq_snapshot_plan plan = {.store = push->store, .base = base, .level = push->level};
	struct pq_place_object object = {.path = "temporary snapshot"};
	char store[PQ_DIGEST_HEX_BYTES];
	bool was_there;

	object.fd = nameless_file();
	if (object.fd < 0)
		return pq_fail_errno(err, errno, object.path, "cannot be made");
	enum pq_status status = pq_snapshot_make(&plan, object.fd, object.path, &object.size, err);

	if (status == PQ_OK)
		status = pq_digest_fd(object.fd, object.size, object.path, object.digest, err);
	pq_digest_hex(push->store.digest, store);
	if (base != NULL)
		pq_digest_hex(base->digest, object.base);
	pq_snapshot_name(store, object.base, object.name);
	if (status == PQ_OK)
		status = place->ops->put(place, &object, &was_there, err);
	close(object.fd);
	if (status != PQ_OK)
		return status;
	*(base != NULL ? &stats->differences_bytes : &stats->whole_bytes) += object.size;
	stats->sent_bytes += was_there ? 0 : object.size;
	return PQ_OK;
}

/* Would the pointer go back? What is there and no manifest is replaced. */
static enum pq_status
check_order(struct pq_place *place, const struct pq_push *push, struct pq_err *err)
{
	char text[PQ_MANIFEST_BYTES_MAX + 1], mark[PQ_MARK_BYTES];
	struct pq_manifest there;
	bool changed = false;
	size_t len;
	struct pq_err fault = {.status = PQ_OK};
	enum pq_status status = place->ops->poll(place, "", text, &len, mark, &changed, &fault);

	if (status == PQ_ENOTFOUND || status == PQ_ECORRUPT || status == PQ_ELIMIT || status == PQ_EPARSE ||
	    status == PQ_EFORMAT)
		return PQ_OK;
	if (status != PQ_OK) {
		if (err != NULL)
			*err = fault;
		return status;
	}
	if (push->force || pq_manifest_parse(text, len, place->url.text, &there, NULL) != PQ_OK ||
	    there.sequence < push->manifest->sequence || pq_manifest_same_statement(&there, push->manifest))
		return PQ_OK;
	return pq_fail_at(err, PQ_EFAILED, place->url.text, 0, 0,
	                  "holds sequence %" PRIu64 " already; a revision with sequence %" PRIu64 " would not be taken up",
	                  there.sequence, push->manifest->sequence);
}

static enum pq_status
push_to(struct pq_place *place, const struct pq_push *push, struct pq_push_stats *stats, struct pq_err *err)
{
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	size_t len;

	if (place->ops->put == NULL)
		return pq_fail_at(
			err, PQ_EINVAL, place->url.text, 0, 0,
			"can only be read: push to file://, s3:// or oci://, and let the web server serve the folder");
	if (push->n_bases > PQ_PUSH_BASES_MAX)
		return pq_fail_at(err, PQ_EINVAL, place->url.text, 0, 0, "takes at most %u differences", PQ_PUSH_BASES_MAX);
	enum pq_status status = pq_manifest_check_store(push->manifest, push->store.fd, push->store.path, err);

	if (status == PQ_OK)
		status = pq_manifest_format(push->manifest, text, &len, err);
	if (status == PQ_OK)
		status = check_order(place, push, err);
	/* What the registry holds now was looked at for its sequence alone. */
	free(place->artifact);
	place->artifact = NULL;
	if (status == PQ_OK)
		status = put_snapshot(place, push, NULL, stats, err);
	for (size_t i = 0; i < push->n_bases && status == PQ_OK; i++)
		status = put_snapshot(place, push, &push->bases[i], stats, err);
	return status == PQ_OK ? place->ops->point(place, push->manifest, text, len, err) : status;
}

enum pq_status
pq_push(const char *url, const struct pq_fetch_options *options, const struct pq_fetch_watch *watch,
        const struct pq_push *push, struct pq_push_stats *ret_stats, struct pq_err *err)
{
	struct pq_push_stats stats = {.whole_bytes = 0};
	struct pq_place *place = malloc(sizeof(*place));

	if (place == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for a push");
	enum pq_status status = pq_place_init(place, url, options != NULL ? options : &no_options, err);

	place->watch = watch;
	if (status == PQ_OK && place->http != NULL)
		pq_http_watch(place->http, watch);
	if (status == PQ_OK)
		status = push_to(place, push, &stats, err);
	pq_place_release(place);
	free(place);
	if (status == PQ_OK && ret_stats != NULL)
		*ret_stats = stats;
	return status;
}

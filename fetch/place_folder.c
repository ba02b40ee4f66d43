/* file:///DIR: a folder, which may be mounted from elsewhere. */
#include "fetch/files.h"
#include "fetch/place.h"
#include "storage/fail.h"
#include "storage/tempfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)64 << 10)

/* Open a file of the folder to read; *ret_size in bytes. */
static enum pq_status
open_file(const struct pq_place *place, const char *name, char path[PATH_MAX], int *ret_fd, uint64_t *ret_size,
          struct pq_err *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s", place->url.path, name) >= PATH_MAX)
		return pq_fail_at(err, PQ_EINVAL, place->url.text, 0, 0, "has too long a path");
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return pq_fail_errno(err, errno, path, "cannot be opened");
	enum pq_status status = pq_file_size(fd, path, ret_size, err);

	if (status != PQ_OK) {
		close(fd);
		return status;
	}
	*ret_fd = fd;
	return PQ_OK;
}

static enum pq_status
folder_poll(struct pq_place *place, const char *known, char ret_text[PQ_MANIFEST_BYTES_MAX + 1], size_t *ret_len,
            char ret_mark[PQ_MARK_BYTES], bool *ret_changed, struct pq_err *err)
{
	char path[PATH_MAX], text[PQ_MANIFEST_BYTES_MAX + 1], mark[PQ_MARK_BYTES];
	uint64_t size;
	int fd;
	enum pq_status status = open_file(place, PQ_POINTER_NAME, path, &fd, &size, err);

	if (status != PQ_OK)
		return status;
	if (size > PQ_MANIFEST_BYTES_MAX)
		status =
			pq_fail_at(err, PQ_ELIMIT, path, 0, 0, "is too long for a manifest: %llu bytes", (unsigned long long)size);
	else
		status = pq_file_read(fd, 0, text, (size_t)size, path, err);
	close(fd);
	if (status == PQ_OK)
		status = pq_mark_of("", text, (size_t)size, mark, err);
	if (status != PQ_OK)
		return status;
	*ret_changed = strcmp(mark, known) != 0;
	if (!*ret_changed)
		return PQ_OK;
	memcpy(ret_text, text, (size_t)size);
	ret_text[size] = '\0';
	*ret_len = (size_t)size;
	strcpy(ret_mark, mark);
	return PQ_OK;
}

static enum pq_status
folder_get(struct pq_place *place, const char *store, const char *base, uint64_t from, pq_http_take_fn *take, void *ctx,
           struct pq_err *err)
{
	const struct pq_fetch_watch *watch = place->watch;
	char name[PQ_SNAPSHOT_NAME_BYTES], path[PATH_MAX], buf[COPY_BYTES];
	uint64_t size;
	int fd;

	pq_snapshot_name(store, base, name);
	enum pq_status status = open_file(place, name, path, &fd, &size, err);

	if (status != PQ_OK)
		return status;
	for (uint64_t at = from; at < size && status == PQ_OK;) {
		size_t len = size - at < sizeof(buf) ? (size_t)(size - at) : sizeof(buf);

		if (watch != NULL && watch->progress != NULL && !watch->progress(watch->ctx, at, size))
			status = pq_fail_at(err, PQ_EFAILED, path, 0, 0, "was cancelled");
		if (status == PQ_OK)
			status = pq_file_read(fd, at, buf, len, path, err);
		if (status == PQ_OK)
			status = take(ctx, at, buf, len, err);
		at += len;
	}
	close(fd);
	return status;
}

static enum pq_status
copy(const struct pq_place *place, const struct pq_place_object *object, int fd, const char *path, struct pq_err *err)
{
	const struct pq_fetch_watch *watch = place->watch;
	char buf[COPY_BYTES];
	enum pq_status status = PQ_OK;

	for (uint64_t at = 0; at < object->size && status == PQ_OK;) {
		size_t len = object->size - at < sizeof(buf) ? (size_t)(object->size - at) : sizeof(buf);

		if (watch != NULL && watch->progress != NULL && !watch->progress(watch->ctx, at, object->size))
			return pq_fail_at(err, PQ_EFAILED, path, 0, 0, "was cancelled");
		status = pq_file_read(object->fd, at, buf, len, object->path, err);
		if (status == PQ_OK)
			status = pq_file_write(fd, at, buf, len, path, err);
		at += len;
	}
	return status;
}

/* A file of the folder, whole or not at all; `object` or `text`. */
static enum pq_status
write_file(const struct pq_place *place, const char *name, const struct pq_place_object *object, const char *text,
           size_t len, struct pq_err *err)
{
	char path[PATH_MAX];
	struct pq_tempfile temp;

	if (snprintf(path, sizeof(path), "%s/%s", place->url.path, name) >= PATH_MAX)
		return pq_fail_at(err, PQ_EINVAL, place->url.text, 0, 0, "has too long a path");
	enum pq_status status = pq_tempfile_create(path, &temp, err);

	if (status != PQ_OK)
		return status;
	status = object != NULL ? copy(place, object, temp.fd, path, err) : pq_file_write(temp.fd, 0, text, len, path, err);
	/* Others are to read what is published, as far as the folder lets them. */
	if (status == PQ_OK && fchmod(temp.fd, 0644) != 0)
		status = pq_fail_errno(err, errno, path, "cannot be made readable");
	if (status != PQ_OK) {
		pq_tempfile_discard(&temp);
		return status;
	}
	return pq_tempfile_commit(&temp, path, err);
}

static enum pq_status
folder_put(struct pq_place *place, const struct pq_place_object *object, bool *ret_was_there, struct pq_err *err)
{
	char path[PATH_MAX];
	struct stat st;

	/* A file of this name and size was put by an earlier push, whole. */
	if (snprintf(path, sizeof(path), "%s/%s", place->url.path, object->name) < PATH_MAX && stat(path, &st) == 0 &&
	    S_ISREG(st.st_mode) && (uint64_t)st.st_size == object->size) {
		*ret_was_there = true;
		return PQ_OK;
	}
	*ret_was_there = false;
	return write_file(place, object->name, object, NULL, 0, err);
}

static enum pq_status
folder_point(struct pq_place *place, const struct pq_manifest *manifest, const char *text, size_t len,
             struct pq_err *err)
{
	(void)manifest;
	return write_file(place, PQ_POINTER_NAME, NULL, text, len, err);
}

const struct pq_place_ops pq_place_folder = {folder_poll, folder_get, folder_put, folder_point};

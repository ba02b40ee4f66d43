#include "server/snapshots.h"

#include "fetch/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The newest revision whole, and against the few that replicas run. */
#define KEPT 4
/* Replicas wait for it, and the link is fast: the fetch library's own choice takes ten times as long. */
#define LEVEL 3

struct pq_snapshots {
	struct pq_catalog *catalog;
	struct pq_snapshot *kept[KEPT]; /* the last used first; NULL at the end */
};

struct pq_snapshots *
pq_snapshots_new(struct pq_catalog *catalog)
{
	struct pq_snapshots *snapshots = calloc(1, sizeof(*snapshots));

	if (snapshots != NULL)
		snapshots->catalog = catalog;
	return snapshots;
}

void
pq_snapshots_free(struct pq_snapshots *snapshots)
{
	if (snapshots == NULL)
		return;
	for (size_t i = 0; i < KEPT; i++)
		pq_snapshot_release(snapshots->kept[i]);
	free(snapshots);
}

struct pq_snapshot *
pq_snapshot_hold(struct pq_snapshot *snapshot)
{
	atomic_fetch_add_explicit(&snapshot->holders, 1, memory_order_relaxed);
	return snapshot;
}

void
pq_snapshot_release(struct pq_snapshot *snapshot)
{
	if (snapshot == NULL || atomic_fetch_sub_explicit(&snapshot->holders, 1, memory_order_acq_rel) > 1)
		return;
	munmap((void *)snapshot->data, snapshot->len);
	free(snapshot);
}

/* Ownership: ret->fd is the caller's. */
static enum pq_status
open_store(struct pq_snapshots *snapshots, const uint8_t *digest, char path[PATH_MAX], struct pq_snapshot_file *ret,
           struct pq_err *err)
{
	struct stat stat;
	enum pq_status status = pq_catalog_store_path(snapshots->catalog, digest, path, err);

	if (status != PQ_OK)
		return status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return pq_fail_at(err, errno == ENOENT ? PQ_ENOTFOUND : PQ_EIO, path, 0, 0, "%s", strerror(errno));
	if (fstat(fd, &stat) != 0) {
		close(fd);
		return pq_fail_at(err, PQ_EIO, path, 0, 0, "%s", strerror(errno));
	}
	*ret = (struct pq_snapshot_file){.fd = fd, .path = path, .size = (uint64_t)stat.st_size};
	memcpy(ret->digest, digest, PQ_DIGEST_BYTES);
	return PQ_OK;
}

static enum pq_status
map(struct pq_snapshot *snapshot, const struct pq_snapshot_plan *plan, struct pq_err *err)
{
	static const char name[] = "snapshot";
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		return pq_fail(err, PQ_EIO, "no memory file for a snapshot: %s", strerror(errno));
	enum pq_status status = pq_snapshot_make(plan, fd, name, &snapshot->len, err);
	void *data = status == PQ_OK ? mmap(NULL, snapshot->len, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (status == PQ_OK && data == MAP_FAILED)
		status = pq_fail(err, PQ_ENOMEM, "a snapshot cannot be mapped: %s", strerror(errno));
	close(fd);
	if (status == PQ_OK)
		snapshot->data = data;
	return status;
}

static void
set_name(struct pq_snapshot *snapshot)
{
	for (size_t i = 0; i < 8; i++) {
		snprintf(snapshot->name + 2 * i, 3, "%02x", snapshot->digest[i]);
		snprintf(snapshot->name + 17 + 2 * i, 3, "%02x", snapshot->base[i]);
	}
	snapshot->name[16] = '-';
}

static enum pq_status
make(struct pq_snapshots *snapshots, const uint8_t *digest, const uint8_t *base, struct pq_snapshot **ret,
     struct pq_err *err)
{
	char path[PATH_MAX], base_path[PATH_MAX];
	struct pq_snapshot_plan plan = {.level = LEVEL};
	struct pq_snapshot_file base_file = {.fd = -1};
	enum pq_status status = open_store(snapshots, digest, path, &plan.store, err);

	if (status != PQ_OK)
		return status;
	if (base != NULL && open_store(snapshots, base, base_path, &base_file, &(struct pq_err){0}) == PQ_OK)
		plan.base = &base_file;
	struct pq_snapshot *snapshot = calloc(1, sizeof(*snapshot));
	if (snapshot == NULL)
		status = pq_fail(err, PQ_ENOMEM, "no memory for a snapshot");
	else
		status = map(snapshot, &plan, err);
	close(plan.store.fd);
	if (base_file.fd >= 0)
		close(base_file.fd);
	if (status != PQ_OK) {
		free(snapshot);
		return status;
	}
	atomic_init(&snapshot->holders, 1);
	memcpy(snapshot->digest, digest, PQ_DIGEST_BYTES);
	if (plan.base != NULL)
		memcpy(snapshot->base, base, PQ_DIGEST_BYTES);
	set_name(snapshot);
	*ret = snapshot;
	return PQ_OK;
}

static bool
is(const struct pq_snapshot *snapshot, const uint8_t *digest, const uint8_t *base)
{
	static const uint8_t whole[PQ_DIGEST_BYTES];

	return memcmp(snapshot->digest, digest, PQ_DIGEST_BYTES) == 0 &&
	       memcmp(snapshot->base, base != NULL ? base : whole, PQ_DIGEST_BYTES) == 0;
}

enum pq_status
pq_snapshots_get(struct pq_snapshots *snapshots, const uint8_t digest[PQ_DIGEST_BYTES], const uint8_t *base,
                 struct pq_snapshot **ret_snapshot, struct pq_err *err)
{
	struct pq_snapshot *found = NULL;
	size_t at = 0;

	if (base != NULL && !pq_catalog_has_store(snapshots->catalog, base))
		base = NULL;
	while (at < KEPT && snapshots->kept[at] != NULL && !is(snapshots->kept[at], digest, base))
		at++;
	if (at < KEPT)
		found = snapshots->kept[at];
	if (found == NULL) {
		enum pq_status status = make(snapshots, digest, base, &found, err);
		if (status != PQ_OK)
			return status;
		at = at < KEPT ? at : KEPT - 1;
		pq_snapshot_release(snapshots->kept[at]);
	}
	memmove(&snapshots->kept[1], &snapshots->kept[0], at * sizeof(snapshots->kept[0]));
	snapshots->kept[0] = found;
	*ret_snapshot = pq_snapshot_hold(found);
	return PQ_OK;
}

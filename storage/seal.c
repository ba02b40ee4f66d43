/*
 * Writing a sealed store.
 *
 * Equal input must give an equal file. LMDB builds pages in memory from malloc; it zeroes what it does not use of them
 * unless asked not to (MDB_NOMEMINIT), but leaves a reserved value to its writer, so every byte of a value is written
 * here. There is one transaction, and LMDB stores no time. A writable map (MDB_WRITEMAP) would be faster for large
 * stores, but turns each error of the disk into a SIGBUS.
 */
#include "storage/fail.h"
#include "storage/limits.h"
#include "storage/pages.h"
#include "storage/store.h"
#include "storage/tempfile.h"
#include "storage/trailer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENV_FLAGS (MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_NOSYNC)

/* Bytes that an entry takes on a leaf: offset, header, key, page number, padding to an even length. */
#define ENTRY_BYTES(key_len) (2 + 8 + (key_len) + 8 + 1)

struct plan {
	const struct pq_blob **order; /* the blobs by key */
	size_t n;
	uint32_t page_bytes;
	uint64_t map_bytes; /* enough for all pages, and a function of the blobs alone: it is written into the file */
};

static int
compare_keys(const void *a, const void *b)
{
	const struct pq_blob *const *x = a;
	const struct pq_blob *const *y = b;

	return strcmp((*x)->key, (*y)->key);
}

static enum pq_status
check_blob(const struct pq_blob *blob, const char *path, struct pq_err *err)
{
	size_t key_len = blob->key != NULL ? strlen(blob->key) : 0;

	if (key_len == 0 || key_len > PQ_BLOB_KEY_MAX)
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "cannot be sealed: a key of %zu bytes; it must have 1 to %d",
		                  key_len, PQ_BLOB_KEY_MAX);
	if (blob->len > PQ_STORE_BLOB_BYTES_MAX)
		return pq_fail_at(err, PQ_ELIMIT, path, 0, 0,
		                  "cannot be sealed: blob '%s' has %zu bytes; at most %" PRIu64 " are allowed", blob->key,
		                  blob->len, (uint64_t)PQ_STORE_BLOB_BYTES_MAX);
	return PQ_OK;
}

/* An upper bound, from sizes alone: appended leaves are more than half full, and there are fewer branches than leaves. */
static uint64_t
bound_of_map(const struct plan *plan)
{
	uint64_t values = 0;
	uint64_t entries = 0;

	for (size_t i = 0; i < plan->n; i++) {
		values += pq_value_bytes(plan->order[i]->len, plan->page_bytes) + PQ_PAGE_HEADER_BYTES;
		entries += ENTRY_BYTES(strlen(plan->order[i]->key));
	}
	uint64_t leaves = entries / (plan->page_bytes / 2 - PQ_PAGE_HEADER_BYTES) + 1;

	return values + (2 * leaves + 16) * plan->page_bytes;
}

static enum pq_status
make_plan(struct plan *plan, const struct pq_blob *blobs, size_t n, const char *path, struct pq_err *err)
{
	if (n == 0)
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "cannot be sealed: there is nothing to put in");
	if (n > PQ_STORE_BLOBS_MAX)
		return pq_fail_at(err, PQ_ELIMIT, path, 0, 0, "cannot be sealed: %zu blobs; at most %u are allowed", n,
		                  PQ_STORE_BLOBS_MAX);
	plan->order = malloc(n * sizeof(*plan->order)); /* NOLINT(bugprone-sizeof-expression): an array of pointers */
	if (plan->order == NULL)
		return pq_fail_at(err, PQ_ENOMEM, path, 0, 0, "cannot be sealed: out of memory");
	plan->n = n;
	for (size_t i = 0; i < n; i++) {
		enum pq_status status = check_blob(&blobs[i], path, err);

		if (status != PQ_OK)
			return status;
		plan->order[i] = &blobs[i];
	}
	qsort(plan->order, n, sizeof(*plan->order), compare_keys); /* NOLINT(bugprone-sizeof-expression) */
	for (size_t i = 1; i < n; i++) {
		if (strcmp(plan->order[i - 1]->key, plan->order[i]->key) == 0)
			return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "cannot be sealed: key '%s' comes twice",
			                  plan->order[i]->key);
	}
	/* LMDB makes pages of the system's size, up to its own limit. */
	long system_bytes = sysconf(_SC_PAGESIZE);

	plan->page_bytes = system_bytes < PQ_PAGE_BYTES_MAX ? (uint32_t)system_bytes : PQ_PAGE_BYTES_MAX;
	plan->map_bytes = bound_of_map(plan);
	if (plan->map_bytes > PQ_STORE_FILE_BYTES_MAX)
		return pq_fail_at(err, PQ_ELIMIT, path, 0, 0,
		                  "cannot be sealed: it would have some %" PRIu64 " bytes; at most %" PRIu64 " are allowed",
		                  plan->map_bytes, (uint64_t)PQ_STORE_FILE_BYTES_MAX);
	return PQ_OK;
}

/* All blobs in one transaction, in key order. Returns a code of LMDB. */
static int
put_all(MDB_env *env, const struct plan *plan)
{
	MDB_txn *txn = NULL;
	MDB_dbi dbi;
	int rc = mdb_txn_begin(env, NULL, 0, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, NULL, 0, &dbi);
	for (size_t i = 0; rc == 0 && i < plan->n; i++) {
		const struct pq_blob *blob = plan->order[i];
		MDB_val key = {strlen(blob->key), (void *)blob->key};
		MDB_val value = {pq_value_bytes(blob->len, plan->page_bytes), NULL};

		rc = mdb_put(txn, dbi, &key, &value, MDB_RESERVE | MDB_APPEND);
		if (rc == 0)
			pq_value_fill(value.mv_data, value.mv_size, blob->data, blob->len);
	}
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

/* Have the space before the work begins: on a full disk LMDB would only say that some write came out short. */
static enum pq_status
reserve_space(int fd, const struct plan *plan, const char *path, struct pq_err *err)
{
	int number;

	do {
		number = posix_fallocate(fd, 0, (off_t)plan->map_bytes);
	} while (number == EINTR);
	if (number == 0 || number == EOPNOTSUPP || number == EINVAL) /* the latter two: not on this file system */
		return PQ_OK;
	return pq_fail_errno(err, number, path, "cannot be sealed, its space cannot be reserved");
}

/* Let LMDB write the pages into the file, which is empty. *ret_len is what they take; the file may be longer. */
static enum pq_status
write_pages(int fd, const struct plan *plan, const char *path, uint64_t *ret_len, struct pq_err *err)
{
	enum pq_status status = PQ_OK;
	MDB_env *env = NULL;
	MDB_envinfo info;
	char proc[64];

	/* LMDB takes names only; this name means the very file that was created, whatever happens to its folder. */
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	int rc = mdb_env_create(&env);

	if (rc == 0)
		rc = mdb_env_set_mapsize(env, plan->map_bytes);
	if (rc == 0)
		rc = mdb_env_open(env, proc, ENV_FLAGS, 0644);
	/* Not before: LMDB takes a file that has bytes for one that it has written. */
	if (rc == 0)
		status = reserve_space(fd, plan, path, err);
	if (rc == 0 && status == PQ_OK)
		rc = put_all(env, plan);
	if (rc == 0 && status == PQ_OK)
		rc = mdb_env_info(env, &info);
	if (rc != 0)
		status = pq_fail_lmdb(err, rc, path, "cannot be sealed");
	if (status == PQ_OK)
		*ret_len = ((uint64_t)info.me_last_pgno + 1) * plan->page_bytes;
	mdb_env_close(env);
	return status;
}

/* A file that opening would refuse is not put in place: whatever an unforeseen LMDB wrote, it ends here. */
static enum pq_status
check_pages(int fd, uint64_t len, const char *path, struct pq_err *err)
{
	void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return pq_fail_errno(err, errno, path, "cannot be mapped");
	enum pq_status status = pq_pages_check(map, len, path, err);

	munmap(map, len);
	return status;
}

static enum pq_status
write_trailer(int fd, uint64_t len, const char *path, struct pq_trailer *ret_trailer, struct pq_err *err)
{
	struct pq_trailer trailer = {.version = PQ_STORE_FORMAT_VERSION, .length = len};
	uint8_t bytes[PQ_TRAILER_BYTES];
	enum pq_status status = pq_digest_fd(fd, len, path, trailer.digest, err);

	if (status != PQ_OK)
		return status;
	pq_trailer_encode(&trailer, bytes);
	ssize_t put = pwrite(fd, bytes, sizeof(bytes), (off_t)len);

	if (put != (ssize_t)sizeof(bytes))
		return pq_fail_errno(err, put < 0 ? errno : ENOSPC, path, "cannot be sealed, its trailer is not written");
	*ret_trailer = trailer;
	return PQ_OK;
}

static enum pq_status
write_file(int fd, const struct plan *plan, const char *path, struct pq_trailer *ret_trailer, struct pq_err *err)
{
	uint64_t len = 0;
	enum pq_status status = write_pages(fd, plan, path, &len, err);

	if (status == PQ_OK && ftruncate(fd, (off_t)len) != 0)
		status = pq_fail_errno(err, errno, path, "cannot be sealed, its end cannot be cut");
	if (status == PQ_OK)
		status = check_pages(fd, len, path, err);
	if (status == PQ_OK)
		status = write_trailer(fd, len, path, ret_trailer, err);
	return status;
}

enum pq_status
pq_store_seal(const char *path, const struct pq_blob *blobs, size_t n, uint8_t ret_digest[PQ_DIGEST_BYTES],
              struct pq_err *err)
{
	struct plan plan = {0};
	struct pq_tempfile temp;
	struct pq_trailer trailer;
	enum pq_status status = make_plan(&plan, blobs, n, path, err);

	if (status == PQ_OK)
		status = pq_tempfile_create(path, &temp, err);
	if (status != PQ_OK)
		goto out;
	status = write_file(temp.fd, &plan, path, &trailer, err);
	if (status != PQ_OK) {
		pq_tempfile_discard(&temp);
		goto out;
	}
	status = pq_tempfile_commit(&temp, path, err);
	if (status == PQ_OK && ret_digest != NULL)
		memcpy(ret_digest, trailer.digest, PQ_DIGEST_BYTES);
out:
	free(plan.order);
	return status;
}

void
pq_store_abandon_temporaries(void)
{
	pq_tempfile_abandon_all();
}

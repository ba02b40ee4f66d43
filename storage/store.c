/*
 * Opening and reading a sealed store. The order of the steps is the point: the file is opened once, and what was hashed
 * and checked through that descriptor is what LMDB maps, whatever happens to the name meanwhile.
 */
#include "storage/store.h"

#include "storage/fail.h"
#include "storage/limits.h"
#include "storage/pages.h"
#include "storage/trailer.h"
#include "storage/verified.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENV_FLAGS (MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS | MDB_NOSUBDIR)

struct pq_store {
	char *path;
	uint64_t size; /* of the file, trailer included */
	uint8_t digest[PQ_DIGEST_BYTES];
	MDB_env *env; /* owns the mapping, and so all that the table points to */
	MDB_txn *txn;
	struct pq_blob *table; /* sorted by key, as strcmp orders */
	size_t count;
	char *keys; /* the terminated copies that the table points to */
	bool known; /* a record stood for the hashing */
	const char *unrecorded;
};

/* See that an open file may be a store. */
static enum pq_status
check_file(int fd, const char *path, uint64_t *ret_size, struct pq_err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return pq_fail_errno(err, errno, path, "cannot be opened");
	if (!S_ISREG(st.st_mode))
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "is not a regular file");
	if ((uint64_t)st.st_size > PQ_STORE_FILE_BYTES_MAX)
		return pq_fail_at(err, PQ_ELIMIT, path, 0, 0, "has %" PRIu64 " bytes; a store has at most %" PRIu64,
		                  (uint64_t)st.st_size, (uint64_t)PQ_STORE_FILE_BYTES_MAX);
	*ret_size = (uint64_t)st.st_size;
	return PQ_OK;
}

static enum pq_status
check_digest(int fd, const struct pq_trailer *trailer, const char *path, struct pq_err *err)
{
	uint8_t digest[PQ_DIGEST_BYTES];
	char is[PQ_DIGEST_HEX_BYTES];
	char should[PQ_DIGEST_HEX_BYTES];
	enum pq_status status = pq_digest_fd(fd, trailer->length, path, digest, err);

	if (status != PQ_OK || memcmp(digest, trailer->digest, sizeof(digest)) == 0)
		return status;
	pq_digest_hex(digest, is);
	pq_digest_hex(trailer->digest, should);
	return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0, "is damaged: its SHA-256 is %s, but it was sealed with %s", is,
	                  should);
}

/* The digest of all bytes, or a record that it was computed before; where it has to be computed, there is a record then. */
static enum pq_status
verify(struct pq_store *store, int fd, const struct pq_trailer *trailer, struct pq_verified *verified, struct pq_err *err)
{
	struct pq_verified_file file;

	if (verified == NULL)
		return check_digest(fd, trailer, store->path, err);
	pq_verified_look(fd, trailer->digest, &file);
	store->known = pq_verified_knows(verified, &file);
	if (store->known)
		return PQ_OK;
	pq_verified_settle(fd, &file);
	enum pq_status status = check_digest(fd, trailer, store->path, err);
	if (status == PQ_OK)
		store->unrecorded = pq_verified_record(verified, fd, trailer->digest, &file);
	return status;
}

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

/* Give LMDB the file that `fd` has open, and map exactly its pages. */
static enum pq_status
open_lmdb(struct pq_store *store, int fd, uint64_t len, struct pq_err *err)
{
	char proc[64];
	int env_fd;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (access(proc, F_OK) != 0)
		return pq_fail_at(err, PQ_EIO, store->path, 0, 0, "cannot be opened safely: %s is missing; is /proc mounted?",
		                  proc);
	int rc = mdb_env_create(&store->env);

	if (rc == 0)
		rc = mdb_env_set_mapsize(store->env, len);
	if (rc == 0)
		rc = mdb_env_open(store->env, proc, ENV_FLAGS, 0);
	if (rc == 0)
		rc = mdb_env_get_fd(store->env, &env_fd);
	if (rc == 0)
		fcntl(env_fd, F_SETFD, FD_CLOEXEC); /* LMDB leaves this one to the program */
	if (rc == 0)
		rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->txn);
	return rc == 0 ? PQ_OK : pq_fail_lmdb(err, rc, store->path, "cannot be opened");
}

/* The one walk through LMDB's tree: its entries become the table. */
static enum pq_status
fill_table(struct pq_store *store, MDB_cursor *cursor, struct pq_err *err)
{
	char *key_at = store->keys;
	size_t capacity = store->count;
	MDB_val key;
	MDB_val value;
	int rc;

	store->count = 0;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		/* The pages were checked; a different answer means that the file changes under us. */
		if (store->count == capacity || key.mv_size > PQ_BLOB_KEY_MAX)
			return pq_fail_at(err, PQ_ECORRUPT, store->path, 0, 0, "changed while it was opened");
		if (((uintptr_t)value.mv_data + PQ_PAYLOAD_OFFSET) % PQ_PAYLOAD_ALIGN != 0)
			return pq_fail_at(err, PQ_EFORMAT, store->path, 0, 0, "has a blob that is not aligned to %u bytes",
			                  PQ_PAYLOAD_ALIGN);
		memcpy(key_at, key.mv_data, key.mv_size);
		key_at[key.mv_size] = '\0';
		store->table[store->count++] = (struct pq_blob){
			.key = key_at,
			.data = value.mv_data,
			.len = pq_value_blob_len(value.mv_data, value.mv_size),
		};
		key_at += key.mv_size + 1;
	}
	return rc == MDB_NOTFOUND ? PQ_OK : pq_fail_lmdb(err, rc, store->path, "cannot be read");
}

static enum pq_status
load_table(struct pq_store *store, struct pq_err *err)
{
	enum pq_status status = PQ_OK;
	MDB_cursor *cursor = NULL;
	MDB_stat stat;
	MDB_dbi dbi;
	int rc = mdb_dbi_open(store->txn, NULL, 0, &dbi);

	if (rc == 0)
		rc = mdb_stat(store->txn, dbi, &stat);
	if (rc == 0)
		rc = mdb_cursor_open(store->txn, dbi, &cursor);
	if (rc != 0)
		return pq_fail_lmdb(err, rc, store->path, "cannot be read");
	store->count = stat.ms_entries;
	store->table = calloc(store->count, sizeof(*store->table));
	store->keys = malloc(store->count * (PQ_BLOB_KEY_MAX + 1));
	if (store->table == NULL || store->keys == NULL)
		status = pq_fail_at(err, PQ_ENOMEM, store->path, 0, 0, "cannot be opened: out of memory");
	else
		status = fill_table(store, cursor, err);
	mdb_cursor_close(cursor);
	return status;
}

/* Have the pages in memory before the first decision asks for them. */
static enum pq_status
warm(struct pq_store *store, uint64_t len, unsigned flags, struct pq_err *err)
{
	MDB_stat stat;
	uint64_t number;
	int rc = mdb_env_stat(store->env, &stat);

	if (rc != 0)
		return pq_fail_lmdb(err, rc, store->path, "cannot be opened");
	/* LMDB does not say where it put its map. The header of any page does: it starts with the page's number. */
	const uint8_t *page = (const uint8_t *)store->table[0].data - PQ_PAGE_HEADER_BYTES;

	memcpy(&number, page, sizeof(number));
	void *map = (void *)(page - number * stat.ms_psize);

	(void)madvise(map, len, MADV_WILLNEED); /* advice: a refusal costs page faults and nothing else */
	if ((flags & PQ_STORE_MLOCK) != 0 && mlock(map, len) != 0)
		return pq_fail_errno(err, errno, store->path, "cannot be locked in memory (is RLIMIT_MEMLOCK too low?)");
	return PQ_OK;
}

static enum pq_status
check_want(const struct pq_trailer *trailer, const uint8_t *want, const char *path, struct pq_err *err)
{
	char is[PQ_DIGEST_HEX_BYTES];
	char should[PQ_DIGEST_HEX_BYTES];

	if (want == NULL || memcmp(trailer->digest, want, PQ_DIGEST_BYTES) == 0)
		return PQ_OK;
	pq_digest_hex(trailer->digest, is);
	pq_digest_hex(want, should);
	return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0, "is another store: its SHA-256 is %s, not %s", is, should);
}

static enum pq_status
load(struct pq_store *store, int fd, unsigned flags, const uint8_t *want, struct pq_verified *verified,
     struct pq_err *err)
{
	struct pq_trailer trailer;
	enum pq_status status = pq_trailer_read(fd, store->size, store->path, &trailer, err);

	if (status == PQ_OK)
		status = check_want(&trailer, want, store->path, err);
	if (status == PQ_OK)
		status = verify(store, fd, &trailer, verified, err);
	if (status == PQ_OK)
		status = check_pages(fd, trailer.length, store->path, err);
	if (status == PQ_OK)
		status = open_lmdb(store, fd, trailer.length, err);
	if (status == PQ_OK)
		status = load_table(store, err);
	if (status == PQ_OK)
		status = warm(store, trailer.length, flags, err);
	if (status == PQ_OK)
		memcpy(store->digest, trailer.digest, sizeof(store->digest));
	return status;
}

enum pq_status
pq_store_open_known(int fd, const char *name, unsigned flags, const uint8_t *want, struct pq_verified *verified,
                    struct pq_store **ret_store, struct pq_err *err)
{
	struct pq_store *store = calloc(1, sizeof(*store));
	enum pq_status status;

	if (store == NULL || (store->path = strdup(name)) == NULL) {
		status = pq_fail_at(err, PQ_ENOMEM, name, 0, 0, "cannot be opened: out of memory");
		goto out;
	}
	status = check_file(fd, name, &store->size, err);
	if (status == PQ_OK)
		status = load(store, fd, flags, want, verified, err);
	if (status != PQ_OK)
		goto out;
	*ret_store = store;
	store = NULL;
out:
	pq_store_free(store);
	return status;
}

enum pq_status
pq_store_open_fd(int fd, const char *name, unsigned flags, const uint8_t *want, struct pq_store **ret_store,
                 struct pq_err *err)
{
	return pq_store_open_known(fd, name, flags, want, NULL, ret_store, err);
}

enum pq_status
pq_store_open(const char *path, unsigned flags, struct pq_verified *verified, struct pq_store **ret_store,
              struct pq_err *err)
{
	/* O_NONBLOCK: a pipe in the place of a store must not stop us; files do not mind. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return pq_fail_errno(err, errno, path, "cannot be opened");
	enum pq_status status = pq_store_open_known(fd, path, flags, NULL, verified, ret_store, err);

	close(fd);
	return status;
}

enum pq_status
pq_store_check_fd(int fd, const char *name, uint8_t ret_digest[PQ_DIGEST_BYTES], uint64_t *ret_size, struct pq_err *err)
{
	struct pq_trailer trailer;
	uint64_t size = 0;
	enum pq_status status = check_file(fd, name, &size, err);

	if (status == PQ_OK)
		status = pq_trailer_read(fd, size, name, &trailer, err);
	if (status == PQ_OK)
		status = check_digest(fd, &trailer, name, err);
	if (status != PQ_OK)
		return status;
	memcpy(ret_digest, trailer.digest, PQ_DIGEST_BYTES);
	if (ret_size != NULL)
		*ret_size = size;
	return PQ_OK;
}

void
pq_store_free(struct pq_store *store)
{
	if (store == NULL)
		return;
	if (store->txn != NULL)
		mdb_txn_abort(store->txn);
	if (store->env != NULL)
		mdb_env_close(store->env); /* unmaps, and with that unlocks */
	free(store->table);
	free(store->keys);
	free(store->path);
	free(store);
}

static int
compare_key(const void *key, const void *blob)
{
	return strcmp(key, ((const struct pq_blob *)blob)->key);
}

const void *
pq_store_get(const struct pq_store *store, const char *key, size_t *ret_len)
{
	const struct pq_blob *blob = bsearch(key, store->table, store->count, sizeof(*store->table), compare_key);

	if (blob == NULL)
		return NULL;
	if (ret_len != NULL)
		*ret_len = blob->len;
	return blob->data;
}

const struct pq_blob *
pq_store_blobs(const struct pq_store *store, size_t *ret_n)
{
	*ret_n = store->count;
	return store->table;
}

const uint8_t *
pq_store_digest(const struct pq_store *store)
{
	return store->digest;
}

const char *
pq_store_path(const struct pq_store *store)
{
	return store->path;
}

uint64_t
pq_store_size(const struct pq_store *store)
{
	return store->size;
}

bool
pq_store_was_known(const struct pq_store *store)
{
	return store->known;
}

const char *
pq_store_unrecorded(const struct pq_store *store)
{
	return store->unrecorded;
}

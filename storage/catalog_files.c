/* The files of a revision directory: its lock, names, copying, sweeping. */
#include "storage/catalog_private.h"
#include "storage/fail.h"
#include "storage/tempfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)1 << 20)

void
pq_catalog_name(const uint8_t digest[PQ_DIGEST_BYTES], const char *suffix, char ret_name[PQ_CATALOG_NAME_BYTES])
{
	char hex[PQ_DIGEST_HEX_BYTES];

	pq_digest_hex(digest, hex);
	snprintf(ret_name, PQ_CATALOG_NAME_BYTES, "%s%s", hex, suffix);
}

/* ---- opening ---- */

/* Somebody else has the directory: say who. */
static enum pq_status
fail_locked(const struct pq_catalog *catalog, int fd, struct pq_err *err)
{
	char who[96];
	ssize_t got = pread(fd, who, sizeof(who) - 1, 0);
	size_t len = 0;

	/* It is text that another program wrote: only its first line, and only what can be printed. */
	while (got > 0 && len < (size_t)got && who[len] >= ' ' && who[len] <= '~')
		len++;
	return pq_fail_at(err, PQ_EFAILED, catalog->dir, 0, 0, "is in use by %.*s; one process at a time may have it open",
	                  len > 0 ? (int)len : 15, len > 0 ? who : "another process");
}

static enum pq_status
lock_dir(struct pq_catalog *catalog, struct pq_err *err)
{
	char who[96];
	int fd = openat(catalog->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return pq_fail_errno(err, errno, catalog->dir, "is not writable, its file \"lock\" cannot be opened");
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		enum pq_status status = errno == EWOULDBLOCK ? fail_locked(catalog, fd, err)
		                                             : pq_fail_errno(err, errno, catalog->dir, "cannot be locked");
		close(fd);
		return status;
	}
	snprintf(who, sizeof(who), "process %d (%.64s)\n", (int)getpid(), program_invocation_short_name);
	/* Who holds the lock is for a message alone; a full disk must not keep anybody from looking. */
	bool told = ftruncate(fd, 0) == 0 && pwrite(fd, who, strlen(who), 0) >= 0;
	(void)told;
	catalog->lock_fd = fd;
	return PQ_OK;
}

/* A new directory's name, too, must survive a loss of power. */
static void
sync_parent(int dir_fd)
{
	int fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
}

enum pq_status
pq_catalog_open_dir(struct pq_catalog *catalog, bool create, struct pq_err *err)
{
	if (create && mkdir(catalog->dir, 0755) != 0 && errno != EEXIST)
		return pq_fail_errno(err, errno, catalog->dir, "cannot be made");
	catalog->dir_fd = open(catalog->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (catalog->dir_fd < 0 && errno == ENOTDIR)
		return pq_fail_at(err, PQ_EINVAL, catalog->dir, 0, 0, "is not a directory");
	if (catalog->dir_fd < 0)
		return pq_fail_errno(err, errno, catalog->dir, "cannot be opened");
	/* Before anything is written: somebody may have named the wrong folder. */
	if (!create && faccessat(catalog->dir_fd, "catalog.mdb", F_OK, 0) != 0 && errno == ENOENT)
		return pq_fail_at(err, PQ_ENOTFOUND, catalog->dir, 0, 0, "is no revision directory: it has no catalog.mdb");
	enum pq_status status = lock_dir(catalog, err);

	if (status != PQ_OK)
		return status;
	if (create && mkdirat(catalog->dir_fd, "revisions", 0755) != 0 && errno != EEXIST)
		return pq_fail_errno(err, errno, catalog->dir, "cannot be made, its folder \"revisions\" fails");
	catalog->revisions_fd = openat(catalog->dir_fd, "revisions", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (catalog->revisions_fd < 0)
		return pq_fail_errno(err, errno, catalog->dir, "cannot be opened, its folder \"revisions\" fails");
	if (create && fsync(catalog->dir_fd) != 0)
		return pq_fail_errno(err, errno, catalog->dir, "cannot be synced to disk");
	if (create)
		sync_parent(catalog->dir_fd);
	return PQ_OK;
}

/* ---- sweeping ---- */

/* Call `visit` for each name in a folder. */
static int
each_name(int folder_fd, void (*visit)(int folder_fd, const char *name, void *ctx), void *ctx)
{
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (folder == NULL) {
		int number = errno;

		if (fd >= 0)
			close(fd);
		return number;
	}
	while ((errno = 0, entry = readdir(folder)) != NULL)
		visit(folder_fd, entry->d_name, ctx);
	int number = errno;

	closedir(folder);
	return number;
}

static bool
ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name);
	size_t suffix_len = strlen(suffix);

	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static void
sweep_temporary(int folder_fd, const char *name, void *ctx)
{
	(void)ctx;
	if (name[0] == '.' && ends_with(name, ".tmp"))
		unlinkat(folder_fd, name, 0);
}

void
pq_catalog_sweep_temporaries(struct pq_catalog *catalog)
{
	/* What cannot be deleted now is in nobody's way, and tried again at the next opening. */
	(void)each_name(catalog->dir_fd, sweep_temporary, NULL);
	(void)each_name(catalog->revisions_fd, sweep_temporary, NULL);
}

struct sweep {
	const struct pq_catalog_revision *rows;
	size_t n;
	bool parts;
	int number; /* the first error */
};

/* A name that is 64 digits and the suffix. */
static bool
read_name(const char *name, const char *suffix, uint8_t digest[PQ_DIGEST_BYTES])
{
	char hex[PQ_DIGEST_HEX_BYTES];

	if (strlen(name) != PQ_DIGEST_HEX_BYTES - 1 + strlen(suffix) || !ends_with(name, suffix))
		return false;
	snprintf(hex, sizeof(hex), "%.*s", PQ_DIGEST_HEX_BYTES - 1, name);
	return pq_digest_parse(hex, digest);
}

static bool
is_named(const struct sweep *sweep, const uint8_t digest[PQ_DIGEST_BYTES])
{
	for (size_t i = 0; i < sweep->n; i++)
		if (memcmp(sweep->rows[i].manifest.digest, digest, PQ_DIGEST_BYTES) == 0)
			return true;
	return false;
}

/* A part that somebody fetches into is locked. */
static bool
part_is_free(int folder_fd, const char *name)
{
	int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool is_free = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (fd >= 0)
		close(fd);
	return is_free;
}

static void
sweep_store(int folder_fd, const char *name, void *ctx)
{
	struct sweep *sweep = ctx;
	uint8_t digest[PQ_DIGEST_BYTES];
	bool old = read_name(name, ".mdb", digest)
	               ? !is_named(sweep, digest)
	               : sweep->parts && read_name(name, ".part", digest) && part_is_free(folder_fd, name);

	if (old && unlinkat(folder_fd, name, 0) != 0 && errno != ENOENT && sweep->number == 0)
		sweep->number = errno;
}

enum pq_status
pq_catalog_sweep_stores(struct pq_catalog *catalog, bool parts, struct pq_err *err)
{
	struct pq_catalog_revision *rows = NULL;
	struct sweep sweep = {.parts = parts};
	MDB_txn *txn;
	enum pq_status status = pq_catalog_begin(catalog, false, &txn, err);

	if (status != PQ_OK)
		return status;
	status = pq_catalog_load_rows(catalog, txn, &rows, &sweep.n, err);
	mdb_txn_abort(txn);
	if (status != PQ_OK)
		return status;
	sweep.rows = rows;
	int number = each_name(catalog->revisions_fd, sweep_store, &sweep);

	free(rows);
	if (number == 0)
		number = sweep.number;
	return number == 0 ? PQ_OK : pq_fail_errno(err, number, catalog->dir, "cannot be cleared of old revisions");
}

/* ---- stores and parts ---- */

enum pq_status
pq_catalog_store_path(const struct pq_catalog *catalog, const uint8_t digest[PQ_DIGEST_BYTES], char ret_path[PATH_MAX],
                      struct pq_err *err)
{
	char name[PQ_CATALOG_NAME_BYTES];

	pq_catalog_name(digest, ".mdb", name);
	if (strlen(catalog->dir) + sizeof("/revisions/") + sizeof(name) > PATH_MAX)
		return pq_fail_at(err, PQ_ELIMIT, catalog->dir, 0, 0, "is too long for a path");
	snprintf(ret_path, PATH_MAX, "%s/revisions/%s", catalog->dir, name);
	return PQ_OK;
}

enum pq_status
pq_catalog_open_file(struct pq_catalog *catalog, const uint8_t digest[PQ_DIGEST_BYTES], int *ret_fd, struct pq_err *err)
{
	char name[PQ_CATALOG_NAME_BYTES];

	pq_catalog_name(digest, ".mdb", name);
	int fd = openat(catalog->revisions_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return pq_fail_errno(err, errno, catalog->dir, "has no store for this revision in \"revisions\"");
	*ret_fd = fd;
	return PQ_OK;
}

bool
pq_catalog_has_store(struct pq_catalog *catalog, const uint8_t digest[PQ_DIGEST_BYTES])
{
	char name[PQ_CATALOG_NAME_BYTES];

	pq_catalog_name(digest, ".mdb", name);
	return faccessat(catalog->revisions_fd, name, R_OK, 0) == 0;
}

enum pq_status
pq_catalog_part_open(struct pq_catalog *catalog, const uint8_t digest[PQ_DIGEST_BYTES], int *ret_fd, struct pq_err *err)
{
	char name[PQ_CATALOG_NAME_BYTES];
	enum pq_status status = PQ_OK;

	pq_catalog_name(digest, ".part", name);
	/* Under the lock, so that no pruning comes between opening and locking the part. */
	pthread_mutex_lock(&catalog->lock);
	int fd = openat(catalog->revisions_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		status = pq_fail_errno(err, errno, catalog->dir, "cannot hold what is fetched");
	else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		status = pq_fail_at(err, PQ_EFAILED, catalog->dir, 0, 0, "%.16s... is being fetched already", name);
	pthread_mutex_unlock(&catalog->lock);
	if (status == PQ_OK)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	return status;
}

void
pq_catalog_part_delete(struct pq_catalog *catalog, const uint8_t digest[PQ_DIGEST_BYTES])
{
	char name[PQ_CATALOG_NAME_BYTES];

	pq_catalog_name(digest, ".part", name);
	unlinkat(catalog->revisions_fd, name, 0);
}

/* ---- copying ---- */

/* The plain way, from offset `at` on. Returns errno. */
static int
copy_bytes(int from, int to, uint64_t at, uint64_t size)
{
	char *buf = malloc(COPY_BYTES);
	int number = buf != NULL ? 0 : ENOMEM;

	while (number == 0 && at < size) {
		size_t want = size - at < COPY_BYTES ? (size_t)(size - at) : COPY_BYTES;
		ssize_t got = pread(from, buf, want, (off_t)at);
		ssize_t put = got > 0 ? pwrite(to, buf, (size_t)got, (off_t)at) : got;

		if (put < 0 && errno != EINTR)
			number = errno;
		else if (put == 0)
			number = EIO; /* it became shorter */
		else if (put > 0)
			at += (uint64_t)put;
	}
	free(buf);
	return number;
}

enum pq_status
pq_catalog_copy(int from, int to, uint64_t size, const char *name, struct pq_err *err)
{
	off_t from_at = 0;
	off_t to_at = 0;
	int number;

	/* Where the file system can, both share their bytes until one is written, which never happens. */
	if (ioctl(to, FICLONE, from) == 0)
		return PQ_OK;
	while ((uint64_t)from_at < size) {
		ssize_t got = copy_file_range(from, &from_at, to, &to_at, (size_t)(size - (uint64_t)from_at), 0);

		if (got <= 0 && !(got < 0 && errno == EINTR))
			break;
	}
	/* It fails for many reasons (another file system, an old kernel); the plain way finds out which are real. */
	number = copy_bytes(from, to, (uint64_t)to_at, size);
	return number == 0 ? PQ_OK : pq_fail_errno(err, number, name, "cannot be copied");
}

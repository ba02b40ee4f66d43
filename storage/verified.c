#include "storage/verified.h"

#include "storage/fail.h"
#include "storage/tempfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* A file must not have changed for so long before it is hashed: times of files come in steps, of 4 ms to 2 s. */
#define QUIET_SECONDS 3
#define RECORD_BYTES 640
#define OTHERS_WRITE (S_IWGRP | S_IWOTH)
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

struct pq_verified {
	int fd; /* of the folder */
	char dir[];
};

static bool
is_ours(uid_t owner, mode_t mode)
{
	return (owner == geteuid() || owner == 0) && (mode & OTHERS_WRITE) == 0;
}

/* ---- the folder ---- */

static enum pq_status
check_folder(int fd, const char *dir, struct pq_err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return pq_fail_errno(err, errno, dir, "cannot be opened");
	if (!is_ours(st.st_mode & S_IFDIR ? st.st_uid : (uid_t)-1, st.st_mode))
		return pq_fail_at(err, PQ_EINVAL, dir, 0, 0,
		                  "is no safe place for records of verified stores: it must belong to this user or root, and "
		                  "nobody else may write to it");
	return PQ_OK;
}

enum pq_status
pq_verified_open(const char *dir, struct pq_verified **ret_verified, struct pq_err *err)
{
	if (strlen(dir) >= PATH_MAX - sizeof(((struct pq_verified_file *)NULL)->name))
		return pq_fail(err, PQ_EINVAL, "the path of the folder of verified stores is too long");
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return pq_fail_errno(err, errno, dir, "cannot be made");
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return pq_fail_at(err, PQ_EINVAL, dir, 0, 0, "is not a folder");
	if (fd < 0)
		return pq_fail_errno(err, errno, dir, "cannot be opened");
	enum pq_status status = check_folder(fd, dir, err);
	struct pq_verified *verified = status == PQ_OK ? malloc(sizeof(*verified) + strlen(dir) + 1) : NULL;
	if (verified == NULL) {
		close(fd);
		return status != PQ_OK ? status : pq_fail_at(err, PQ_ENOMEM, dir, 0, 0, "cannot be opened: out of memory");
	}
	verified->fd = fd;
	memcpy(verified->dir, dir, strlen(dir) + 1);
	*ret_verified = verified;
	return PQ_OK;
}

void
pq_verified_free(struct pq_verified *verified)
{
	if (verified == NULL)
		return;
	close(verified->fd);
	free(verified);
}

/* ---- a file ---- */

/*
 * Filesystems whose times of change can be relied on: those of a disk, which move them with every write, also through
 * mappings, and the layers of containers above them. tmpfs does not see writes through mappings, network filesystems
 * show other machines' clocks, and what FUSE tells is up to a program.
 */
static bool
is_known_filesystem(const struct statfs *fs)
{
	switch ((unsigned long)fs->f_type) {
	case EXT4_SUPER_MAGIC: /* of ext2 and ext3 too */
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

static const char *
why_refused(const struct statx *st, const struct statfs *fs)
{
	const unsigned needed = STATX_BASIC_STATS;
	struct timespec now;

	if ((st->stx_mask & needed) != needed || !S_ISREG(st->stx_mode))
		return "the filesystem does not tell enough of the file";
	if (!is_ours(st->stx_uid, st->stx_mode))
		return "the file belongs to another user, or others may write to it";
	if (!is_known_filesystem(fs))
		return "the filesystem is none whose times of change are relied on";
	if (clock_gettime(CLOCK_REALTIME, &now) != 0 || st->stx_ctime.tv_sec + QUIET_SECONDS > now.tv_sec)
		return "the file was changed a moment ago, or the clock is wrong";
	return NULL;
}

void
pq_verified_look(int fd, const uint8_t digest[PQ_DIGEST_BYTES], struct pq_verified_file *ret_file)
{
	char hex[PQ_DIGEST_HEX_BYTES];
	struct statx st;
	struct statfs fs;
	uint64_t fsid = 0;

	*ret_file = (struct pq_verified_file){.refused = "the file cannot be looked at"};
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) != 0 || fstatfs(fd, &fs) != 0)
		return;
	memcpy(&fsid, &fs.f_fsid, sizeof(fs.f_fsid) < sizeof(fsid) ? sizeof(fs.f_fsid) : sizeof(fsid));
	if ((st.stx_mask & STATX_BTIME) == 0)
		st.stx_btime = (struct statx_timestamp){0};
	pq_digest_hex(digest, hex);
	ret_file->refused = why_refused(&st, &fs);
	snprintf(ret_file->name, sizeof(ret_file->name), "%x-%x-%" PRIx64 ".verified", st.stx_dev_major, st.stx_dev_minor,
	         (uint64_t)st.stx_ino);
	snprintf(ret_file->text, sizeof(ret_file->text),
	         "pratique verified 1\nsha256 %s\nfilesystem %016" PRIx64 "\ndevice %u:%u\ninode %" PRIu64 "\nsize %" PRIu64
	         "\nmodified %" PRId64 ".%09u\nchanged %" PRId64 ".%09u\nborn %" PRId64 ".%09u\n",
	         hex, fsid, st.stx_dev_major, st.stx_dev_minor, (uint64_t)st.stx_ino, (uint64_t)st.stx_size,
	         (int64_t)st.stx_mtime.tv_sec, st.stx_mtime.tv_nsec, (int64_t)st.stx_ctime.tv_sec, st.stx_ctime.tv_nsec,
	         (int64_t)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
}

void
pq_verified_settle(int fd, struct pq_verified_file *file)
{
	if (file->refused == NULL && fsync(fd) != 0)
		file->refused = "the file cannot be synced";
}

/* ---- records ---- */

static size_t
read_record(int dirfd, const char *name, char *buf, size_t size)
{
	struct stat st;
	ssize_t got = -1;
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && is_ours(st.st_uid, st.st_mode))
		got = read(fd, buf, size);
	close(fd);
	return got > 0 ? (size_t)got : 0;
}

/* The line below the file's: when it was verified, which cannot be to come. */
static bool
is_past(const char *line, size_t len)
{
	static const char word[] = "verified ";
	int64_t second = 0;
	size_t at = sizeof(word) - 1;

	if (len < sizeof(word) + 1 || memcmp(line, word, at) != 0 || line[len - 1] != '\n' || len - at > 13)
		return false;
	for (; at < len - 1; at++) {
		if (line[at] < '0' || line[at] > '9')
			return false;
		second = second * 10 + (line[at] - '0');
	}
	return second <= (int64_t)time(NULL);
}

bool
pq_verified_knows(const struct pq_verified *verified, const struct pq_verified_file *file)
{
	char record[RECORD_BYTES];
	struct stat st;
	size_t text_len = strlen(file->text);

	/* The folder may have been given away since it was opened. */
	if (file->refused != NULL || fstat(verified->fd, &st) != 0 || !is_ours(st.st_uid, st.st_mode))
		return false;
	size_t len = read_record(verified->fd, file->name, record, sizeof(record));
	return len > text_len && len < sizeof(record) && memcmp(record, file->text, text_len) == 0 &&
	       is_past(record + text_len, len - text_len);
}

const char *
pq_verified_record(struct pq_verified *verified, int fd, const uint8_t digest[PQ_DIGEST_BYTES],
                   const struct pq_verified_file *file)
{
	struct pq_verified_file after;
	struct pq_tempfile temp;
	struct pq_err err;
	char path[PATH_MAX];

	if (file->refused != NULL)
		return file->refused;
	pq_verified_look(fd, digest, &after);
	if (after.refused != NULL || strcmp(after.text, file->text) != 0)
		return "the file was changed while it was verified";
	snprintf(path, sizeof(path), "%s/%s", verified->dir, file->name);
	if (pq_tempfile_create(path, &temp, &err) != PQ_OK)
		return "the record cannot be written";
	if (fchmod(temp.fd, 0600) != 0 ||
	    dprintf(temp.fd, "%sverified %" PRId64 "\n", file->text, (int64_t)time(NULL)) < 0) {
		pq_tempfile_discard(&temp);
		return "the record cannot be written";
	}
	return pq_tempfile_commit(&temp, path, &err) == PQ_OK ? NULL : "the record cannot be written";
}

#include "server/secret_file.h"

#include "server/limits.h"
#include "storage/files.h"

#include <string.h>

struct pq_file_stamp
pq_file_stamp(const char *path)
{
	struct stat info;

	if (stat(path, &info) != 0)
		return (struct pq_file_stamp){0};
	return (struct pq_file_stamp){info.st_dev, info.st_ino, info.st_size, info.st_mtim, info.st_ctim};
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
pq_file_stamp_equal(const struct pq_file_stamp *a, const struct pq_file_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       same_time(&a->modified, &b->modified) && same_time(&a->changed, &b->changed);
}

enum pq_status
pq_secret_file_read(const char *path, mode_t forbidden, struct pq_arena *arena, const char **ret_text,
                    struct pq_err *err)
{
	struct stat info;
	const char *text;
	size_t len;

	if (stat(path, &info) == 0 && (info.st_mode & forbidden) != 0)
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "has mode %04o: %s", (unsigned)(info.st_mode & 07777),
		                  (forbidden & S_IROTH) != 0 ? "others may not read or write it (chmod o= it)"
		                                             : "only its owner may write it (chmod go-w it)");
	enum pq_status status = pq_files_read(path, PQ_SERVER_SECRET_BYTES, arena, &text, &len, err);
	if (status != PQ_OK)
		return status;
	if (strlen(text) != len)
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "holds a NUL: it is no text");
	*ret_text = text;
	return PQ_OK;
}

#include "fetch/files.h"

#include "storage/fail.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum pq_status
pq_file_read(int fd, uint64_t at, void *ret_bytes, size_t len, const char *path, struct pq_err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t got = pread(fd, (char *)ret_bytes + done, len - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return pq_fail_errno(err, errno, path, "cannot be read");
		if (got == 0)
			return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0, "ends before it should");
		done += (size_t)got;
	}
	return PQ_OK;
}

enum pq_status
pq_file_write(int fd, uint64_t at, const void *bytes, size_t len, const char *path, struct pq_err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t put = pwrite(fd, (const char *)bytes + done, len - done, (off_t)(at + done));

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return pq_fail_errno(err, errno, path, "cannot be written");
		done += (size_t)put;
	}
	return PQ_OK;
}

enum pq_status
pq_file_size(int fd, const char *path, uint64_t *ret_bytes, struct pq_err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return pq_fail_errno(err, errno, path, "cannot be read");
	if (!S_ISREG(st.st_mode))
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "is not a regular file");
	*ret_bytes = (uint64_t)st.st_size;
	return PQ_OK;
}

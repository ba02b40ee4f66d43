#include "storage/trailer.h"

#include "storage/fail.h"
#include "storage/limits.h"
#include "storage/pages.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* No store is smaller: two meta pages, a leaf, one value. */
#define FILE_BYTES_MIN (4u * PQ_PAGE_BYTES_MIN + PQ_TRAILER_BYTES)

_Static_assert(sizeof(PQ_TRAILER_MAGIC) - 1 == 8, "the magic has eight bytes");

void
pq_trailer_encode(const struct pq_trailer *trailer, uint8_t ret_bytes[PQ_TRAILER_BYTES])
{
	memset(ret_bytes, 0, PQ_TRAILER_BYTES);
	memcpy(ret_bytes, PQ_TRAILER_MAGIC, 8);
	memcpy(ret_bytes + 8, &trailer->version, 4);
	memcpy(ret_bytes + 16, &trailer->length, 8);
	memcpy(ret_bytes + 24, trailer->digest, PQ_DIGEST_BYTES);
}

static enum pq_status
read_at(int fd, void *buf, size_t len, uint64_t at, const char *path, struct pq_err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t got = pread(fd, (char *)buf + done, len - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return pq_fail_errno(err, errno, path, "cannot be read");
		if (got == 0)
			return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0, "became shorter while it was read");
		done += (size_t)got;
	}
	return PQ_OK;
}

/* The file does not end in a trailer. Say what seems to have happened to it, from what LMDB's meta pages promise. */
static enum pq_status
explain_missing(int fd, uint64_t size, const char *path, struct pq_err *err)
{
	/* The second meta page, which has the truth, starts at most one page in and tells all in its first bytes. */
	uint8_t start[PQ_PAGE_BYTES_MAX + 256];
	size_t start_len = size < sizeof(start) ? (size_t)size : sizeof(start);
	uint8_t magic[8] = {0};
	enum pq_status status = read_at(fd, start, start_len, 0, path, err);

	if (status != PQ_OK)
		return status;
	uint64_t pages = pq_pages_expected_bytes(start, start_len);

	if (pages == 0 || pages > PQ_STORE_FILE_BYTES_MAX)
		return pq_fail_at(err, PQ_EFORMAT, path, 0, 0, "is not a sealed store: it neither starts nor ends as one");
	if (size < pages + PQ_TRAILER_BYTES)
		return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0,
		                  "is cut short, or was never sealed: %" PRIu64 " of %" PRIu64 " bytes", size,
		                  pages + PQ_TRAILER_BYTES);
	status = read_at(fd, magic, sizeof(magic), pages, path, err);
	if (status != PQ_OK)
		return status;
	if (size > pages + PQ_TRAILER_BYTES && memcmp(magic, PQ_TRAILER_MAGIC, 8) == 0)
		return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0, "has %" PRIu64 " bytes of something else after its trailer",
		                  size - pages - PQ_TRAILER_BYTES);
	return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0, "has no trailer, or a damaged one, after its pages");
}

enum pq_status
pq_trailer_read(int fd, uint64_t size, const char *path, struct pq_trailer *ret_trailer, struct pq_err *err)
{
	uint8_t bytes[PQ_TRAILER_BYTES];
	struct pq_trailer trailer;
	uint32_t zero;

	if (size < PQ_TRAILER_BYTES)
		return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0, "is cut short, or no store: it has %" PRIu64 " bytes", size);
	enum pq_status status = read_at(fd, bytes, sizeof(bytes), size - PQ_TRAILER_BYTES, path, err);
	if (status != PQ_OK)
		return status;
	if (memcmp(bytes, PQ_TRAILER_MAGIC, 8) != 0)
		return explain_missing(fd, size, path, err);

	memcpy(&trailer.version, bytes + 8, 4);
	memcpy(&zero, bytes + 12, 4);
	memcpy(&trailer.length, bytes + 16, 8);
	memcpy(trailer.digest, bytes + 24, PQ_DIGEST_BYTES);
	if (trailer.version != PQ_STORE_FORMAT_VERSION)
		return pq_fail_at(err, PQ_EFORMAT, path, 0, 0,
		                  "has store format version %" PRIu32 "; this program reads version %u: compile the packs anew",
		                  trailer.version, PQ_STORE_FORMAT_VERSION);
	if (zero != 0)
		return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0, "has a damaged trailer: bytes that must be zero are not");
	if (trailer.length != size - PQ_TRAILER_BYTES)
		return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0,
		                  "has another length than it was sealed with: %" PRIu64
		                  " bytes before the trailer, which says "
		                  "%" PRIu64,
		                  size - PQ_TRAILER_BYTES, trailer.length);
	if (size < FILE_BYTES_MIN)
		return pq_fail_at(err, PQ_EFORMAT, path, 0, 0, "is too small for a sealed store: %" PRIu64 " bytes", size);
	*ret_trailer = trailer;
	return PQ_OK;
}

/**
 * The trailer of a sealed store: the last 56 bytes of its file, by which any copy proves itself. Internal to storage/.
 *
 *   offset  bytes  content (integers little-endian)
 *        0      8  "PQTRAIL1"
 *        8      4  format version of the file, now 1
 *       12      4  zero
 *       16      8  length: the bytes that precede the trailer
 *       24     32  SHA-256 of the bytes that precede the trailer
 *
 * Size, magic and the place of the version are the same in every format version, so that a program can always say
 * which version it was given. docs/store-format.md describes the whole file.
 */
#ifndef PQ_STORAGE_TRAILER_H
#define PQ_STORAGE_TRAILER_H

#include "storage/digest.h"

#define PQ_TRAILER_BYTES 56
#define PQ_TRAILER_MAGIC "PQTRAIL1"

/** The format version of the file that this program writes, and the only one that it reads. */
#define PQ_STORE_FORMAT_VERSION 1u

struct pq_trailer {
	uint32_t version;
	uint64_t length; /* bytes that precede the trailer */
	uint8_t digest[PQ_DIGEST_BYTES];
};

/** Write `trailer` as its bytes. */
void pq_trailer_encode(const struct pq_trailer *trailer, uint8_t ret_bytes[PQ_TRAILER_BYTES]);

/**
 * Read the trailer at the end of an open file of `size` bytes, and check it against the size; the digest comes later.
 *
 * Fails: PQ_ECORRUPT (cut short, a damaged trailer, bytes after it), PQ_EFORMAT (not a sealed store, or one of another
 *        format version; the message names both versions), PQ_EIO.
 */
PQ_MUST_USE enum pq_status pq_trailer_read(int fd, uint64_t size, const char *path, struct pq_trailer *ret_trailer,
                                           struct pq_err *err);

#endif

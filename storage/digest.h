/**
 * SHA-256, the name by which a revision is known.
 *
 * Threads: all functions may be called from any thread at once.
 */
#ifndef PQ_STORAGE_DIGEST_H
#define PQ_STORAGE_DIGEST_H

#include "policy/status.h"

#include <stdbool.h>
#include <stdint.h>

/** Bytes of a digest. */
#define PQ_DIGEST_BYTES 32
/** Bytes of a digest in hexadecimal, with the final NUL. */
#define PQ_DIGEST_HEX_BYTES (2 * PQ_DIGEST_BYTES + 1)

/**
 * The SHA-256 of the first `len` bytes of an open file.
 *
 * Ownership: reads `fd` with pread, so its position does not move; `path` is used in messages alone.
 * Fails:     PQ_EIO (reading), PQ_ECORRUPT (the file has fewer than `len` bytes), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_digest_fd(int fd, uint64_t len, const char *path, uint8_t ret_digest[PQ_DIGEST_BYTES],
                                        struct pq_err *err);

/** Write a digest as 64 lower-case hexadecimal digits, terminated. */
void pq_digest_hex(const uint8_t digest[PQ_DIGEST_BYTES], char ret_hex[PQ_DIGEST_HEX_BYTES]);

/** Read such a text: 64 lower-case digits and nothing else. False: it is none; *ret_digest is undefined then. */
bool pq_digest_parse(const char *text, uint8_t ret_digest[PQ_DIGEST_BYTES]);

#endif

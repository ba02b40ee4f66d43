/**
 * The header of a snapshot. Internal to fetch/. Integers are little-endian.
 *
 *   offset  bytes  content
 *        0      4  0x184D2A5C: a skippable frame of zstd
 *        4      4  bytes of its content: all below
 *        8      8  "PQSNAP01"
 *       16      4  kind: 0 a whole store, 1 differences
 *       20      4  bytes of a piece, a power of two
 *       24      8  bytes of the store's file
 *       32     32  its digest, as in the manifest
 *       64      8  bytes of the base's file; 0 for a whole store
 *       72     32  its digest; zeros for a whole store
 *      104      4  number of pieces, n
 *      108      4  zero
 *      112    36n  a piece: bytes of its frame (u32), SHA-256 of the piece
 * 112+36n      32  SHA-256 of bytes 8 to 112+36n
 */
#ifndef PQ_FETCH_SNAPSHOT_HEADER_H
#define PQ_FETCH_SNAPSHOT_HEADER_H

#include "policy/status.h"
#include "storage/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PQ_SNAPSHOT_MAGIC "PQSNAP01"
#define PQ_SNAPSHOT_FRAME_MAGIC UINT32_C(0x184D2A5C)
/** Bytes before the pieces: enough to know how long the header is. */
#define PQ_SNAPSHOT_HEAD_BYTES 112u
#define PQ_SNAPSHOT_PIECE_BYTES 36u

enum pq_snapshot_kind { PQ_SNAPSHOT_WHOLE = 0, PQ_SNAPSHOT_DIFFERENCES = 1 };

struct pq_snapshot_piece {
	uint32_t frame_bytes;
	uint8_t digest[PQ_DIGEST_BYTES];
};

struct pq_snapshot_header {
	uint32_t kind;
	uint32_t chunk_bytes;
	uint64_t size;
	uint8_t digest[PQ_DIGEST_BYTES];
	uint64_t base_size;
	uint8_t base_digest[PQ_DIGEST_BYTES];
	uint32_t n;
	struct pq_snapshot_piece *pieces; /* whoever made the header owns them */
};

/** Bytes of a header of `n` pieces. */
static inline size_t
pq_snapshot_header_bytes(uint32_t n)
{
	return PQ_SNAPSHOT_HEAD_BYTES + (size_t)PQ_SNAPSHOT_PIECE_BYTES * n + PQ_DIGEST_BYTES;
}

/** Bytes of the piece at `i`: all but the last are of one size. */
uint32_t pq_snapshot_piece_len(const struct pq_snapshot_header *header, uint32_t i);

/** The most bytes that a piece of this kind has before it is compressed. */
size_t pq_snapshot_payload_max(const struct pq_snapshot_header *header);

/** Write a header into its pq_snapshot_header_bytes(). Fails: PQ_ENOMEM (SHA-256). */
PQ_MUST_USE enum pq_status pq_snapshot_header_encode(const struct pq_snapshot_header *header, uint8_t *ret_bytes,
                                                     struct pq_err *err);

/**
 * Read the first PQ_SNAPSHOT_HEAD_BYTES; pieces are NULL then.
 * Fails: PQ_EFORMAT (no snapshot, or of another version), PQ_ECORRUPT (numbers that do not go together).
 */
PQ_MUST_USE enum pq_status pq_snapshot_head_decode(const uint8_t *bytes, const char *where,
                                                   struct pq_snapshot_header *ret_header, struct pq_err *err);

/**
 * Read all of a header whose head has been read into `header`; fills `header->pieces`, of n elements.
 * Fails: PQ_ECORRUPT (damaged; a frame that is larger than any can be), PQ_ENOMEM (SHA-256).
 */
PQ_MUST_USE enum pq_status pq_snapshot_pieces_decode(const uint8_t *bytes, const char *where,
                                                     struct pq_snapshot_header *header, struct pq_err *err);

#endif

/**
 * The difference of a piece of one store against another store. Internal to fetch/.
 *
 * Two revisions of the law differ in little, but not in few bytes: one text more shifts the offsets of all that follow,
 * and with them every record that names one. So a piece is told as runs that lie *along* a run of the older store, with
 * the difference of each 32-bit word: shifted offsets differ by one constant, and zstd makes next to nothing of it.
 *
 *   offset  bytes  content (integers little-endian)
 *        0      4  number of runs, n
 *        4    16n  a run: u64 place in the older store, u32 bytes along it, u32 bytes that are told as they are
 *    4+16n         for each run its words as differences (new - old, modulo 2^32; what is left of a word by bytes),
 *                  all of them; then for each run the bytes told as they are
 *
 * The runs follow each other without gaps and make the piece.
 */
#ifndef PQ_FETCH_DELTA_H
#define PQ_FETCH_DELTA_H

#include "fetch/limits.h"
#include "policy/status.h"

#include <stddef.h>
#include <stdint.h>

/** Bytes of a block: what runs are made of. A run ends where a piece ends, or at a multiple of this. */
#define PQ_DELTA_BLOCK_BYTES 64u
/** The most bytes that the difference of a piece of `len` bytes takes. */
#define PQ_DELTA_BOUND(len) (4 + 16 * ((size_t)(len) / PQ_DELTA_BLOCK_BYTES + 1) + (size_t)(len))

/** Where things lie in an older store. */
struct pq_delta_index;

/**
 * Index an older store, to be compared with.
 *
 * Ownership: reads `base`, which must stay as long as the index; *ret_index is the caller's.
 * Units:     `len` bytes; memory is 4 bytes for each place, at most PQ_DELTA_PLACES_MAX places.
 * Fails:     PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_delta_index_new(const uint8_t *base, uint64_t len, struct pq_delta_index **ret_index,
                                              struct pq_err *err);

/** Accepts NULL. */
void pq_delta_index_free(struct pq_delta_index *index);

/**
 * Write the difference of a piece: `len` bytes (at most PQ_CHUNK_BYTES_MAX) that stand at `at` in the new store.
 *
 * `ret_bytes` has room for PQ_DELTA_BOUND(len); returns how many were written. Equal input gives equal bytes.
 */
size_t pq_delta_encode(const struct pq_delta_index *index, uint64_t at, const uint8_t *piece, uint32_t len,
                       uint8_t *ret_bytes);

/** Reads `len` bytes at `at` of the older store, all or none. */
typedef enum pq_status pq_delta_read_fn(void *ctx, uint64_t at, uint8_t *ret_bytes, uint32_t len, struct pq_err *err);

/**
 * Make a piece of its difference, which may be anything: it comes from outside.
 *
 * Out:   the `piece_len` bytes of `ret_piece`, undefined after a failure.
 * Fails: PQ_ECORRUPT (no difference of such a piece), and as `read` does.
 */
PQ_MUST_USE enum pq_status pq_delta_decode(const uint8_t *bytes, size_t len, pq_delta_read_fn *read, void *ctx,
                                           uint64_t base_len, uint8_t *ret_piece, uint32_t piece_len,
                                           struct pq_err *err);

#endif

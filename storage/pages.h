/**
 * How values lie on LMDB's pages, and the check that a file's pages are as a seal writes them. Internal to storage/.
 *
 * A value always sits on overflow pages of its own: a page header of 16 bytes, the blob, zeros up to 8 bytes before the
 * end of the last page, and there the blob's length as a little-endian u64. So a blob starts at 16 modulo the page
 * size, and the value fills its pages to the last byte.
 */
#ifndef PQ_STORAGE_PAGES_H
#define PQ_STORAGE_PAGES_H

#include "policy/status.h"

#include <stdint.h>

/* Values are read in place, by LMDB and by the policy layer, in the byte order of the machine. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a store holds little-endian words that are read in place");

/** Bytes of a page's header: where a blob starts on its first page. */
#define PQ_PAGE_HEADER_BYTES 16u
/** Page sizes that a store may have: those of the machines that seal one, up to LMDB's own limit. */
#define PQ_PAGE_BYTES_MIN 4096u
#define PQ_PAGE_BYTES_MAX 32768u
/** The alignment that a blob's payload, 48 bytes into the blob, must have in memory. */
#define PQ_PAYLOAD_OFFSET 48u
#define PQ_PAYLOAD_ALIGN 64u

/** Bytes of the LMDB value that holds a blob of `len` bytes, for pages of `page_bytes`. */
uint64_t pq_value_bytes(uint64_t len, uint32_t page_bytes);

/** Write the blob into the value of `value_bytes` at `value`, padding and length included. */
void pq_value_fill(void *value, uint64_t value_bytes, const void *data, uint64_t len);

/** The length of the blob in the value of `value_bytes` at `value`, as stored. */
uint64_t pq_value_blob_len(const void *value, uint64_t value_bytes);

/**
 * How many bytes the LMDB part of the file that starts with these `len` bytes should have, going by its meta pages.
 *
 * For messages about files that are cut short. Returns 0 where the bytes are not the start of an LMDB file.
 */
uint64_t pq_pages_expected_bytes(const uint8_t *start, uint64_t len);

/**
 * Check every page of the LMDB part of a store before LMDB is let near it.
 *
 * LMDB trusts its pages, and a digest proves only that a file is whole, not that it is honest: a made-up page could
 * point outside the file, or in a circle. This admits only what a seal writes: one transaction, no free pages, every
 * key in order, every value on overflow pages of its own with its padding zero, every page used exactly once.
 *
 * Ownership: `base` has `len` readable bytes; nothing is kept.
 * Fails:     PQ_EFORMAT, naming the page; PQ_ENOMEM (it takes a bit a page).
 */
PQ_MUST_USE enum pq_status pq_pages_check(const uint8_t *base, uint64_t len, const char *path, struct pq_err *err);

#endif

/**
 * The sealed store of one revision: blobs by name, in one immutable file.
 *
 * The compiler seals it once; from then on it is only read, through pointers into its mapped pages. The file is an LMDB
 * file with a trailer that holds the SHA-256 of all before it (docs/store-format.md). It is replaced by rename only and
 * never written in place; who writes into the file of an opened store breaks the process that reads it.
 *
 * Trust: the digest shows that a file is whole, not who made it. A file that was made up so that its digest matches is
 * still checked page by page before LMDB reads it, so opening is safe; what the blobs say, the policy layer checks.
 *
 * Threads: an opened store does not change. Any number of threads may read one at once, without locks; only
 *          pq_store_free() must come after all of them.
 */
#ifndef PQ_STORAGE_STORE_H
#define PQ_STORAGE_STORE_H

#include "policy/blob.h"
#include "policy/status.h"
#include "storage/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pq_store;
struct pq_verified;

/** Flags of pq_store_open(). */
enum pq_store_flags {
	PQ_STORE_MLOCK = 1u << 0, /* keep the pages in memory (RLIMIT_MEMLOCK must allow it, or opening fails) */
};

/**
 * Write a store. Equal blobs, in whatever order, give an equal file, byte for byte (on machines of one page size).
 *
 * The file appears at `path` whole or not at all (storage/tempfile.h): after a failure an older file there is untouched
 * and nothing is left beside it.
 *
 * Ownership: reads `blobs`; keeps nothing.
 * Units:     `n` from 1 to PQ_STORE_BLOBS_MAX; bounds of sizes are in storage/limits.h.
 * Out:       *ret_digest is the digest in the trailer, by which the revision is known; may be NULL.
 * Threads:   may be called by several threads at once, for different paths.
 * Fails:     PQ_EINVAL (no blobs, a bad or doubled key: err names it; `path` is no place for a file), PQ_ELIMIT (too
 *            many or too large), PQ_ENOTFOUND (no such folder), PQ_EIO, PQ_ENOMEM, PQ_EFAILED (interrupted).
 * Source:    design.md, section 5.
 */
PQ_MUST_USE enum pq_status pq_store_seal(const char *path, const struct pq_blob *blobs, size_t n,
                                         uint8_t ret_digest[PQ_DIGEST_BYTES], struct pq_err *err);

/**
 * Delete the temporaries of all seals in progress: for the handler of a signal that ends the process.
 *
 * Async-signal-safe. A seal that is interrupted so fails with PQ_EFAILED if it is let run on. The full contract is at
 * pq_tempfile_abandon_all().
 */
void pq_store_abandon_temporaries(void);

/**
 * Open a store, after its digest and then each of its pages has been checked.
 *
 * With `verified` (storage/verified.h; may be NULL) a record that this very file was hashed before stands for hashing it
 * again, and a file that had to be hashed is recorded.
 *
 * Ownership: *ret_store is the caller's, to be freed by pq_store_free(). No descriptor but the mapping's stays open.
 * Fails:     PQ_ENOTFOUND; PQ_EINVAL (a folder, a device); PQ_ECORRUPT (cut short, bytes changed or added);
 *            PQ_EFORMAT (not a store, or one of another format version: err names both versions); PQ_ELIMIT (over
 *            PQ_STORE_FILE_BYTES_MAX); PQ_EIO; PQ_ENOMEM. In each case err names the file.
 */
PQ_MUST_USE enum pq_status pq_store_open(const char *path, unsigned flags, struct pq_verified *verified,
                                         struct pq_store **ret_store, struct pq_err *err);

/**
 * The same from an open file: what is checked is what is mapped, whatever happens to the name meanwhile.
 *
 * `want`, where it is not NULL, is the digest that the store must have: another is PQ_ECORRUPT before LMDB sees the
 * file.
 * Ownership: `fd` stays the caller's and may be closed afterwards; `name` is copied, for messages.
 */
PQ_MUST_USE enum pq_status pq_store_open_fd(int fd, const char *name, unsigned flags, const uint8_t *want,
                                            struct pq_store **ret_store, struct pq_err *err);
/** The same with records of what was verified, as pq_store_open() has them. */
PQ_MUST_USE enum pq_status pq_store_open_known(int fd, const char *name, unsigned flags, const uint8_t *want,
                                               struct pq_verified *verified, struct pq_store **ret_store,
                                               struct pq_err *err);

/**
 * Is the open file a whole store? Reads trailer and digest; LMDB does not see it, and pages are not checked.
 *
 * Out:   *ret_digest is the digest of its content, *ret_size the bytes of the file; ret_size may be NULL.
 * Fails: as pq_store_open().
 */
PQ_MUST_USE enum pq_status pq_store_check_fd(int fd, const char *name, uint8_t ret_digest[PQ_DIGEST_BYTES],
                                             uint64_t *ret_size, struct pq_err *err);

/** Close a store; all pointers into it end here. Accepts NULL. */
void pq_store_free(struct pq_store *store);

/**
 * The blob of a name, or NULL where there is none.
 *
 * Lifetime: until pq_store_free(). The address is 16 modulo 4096, so what lies 48 bytes in is aligned to 64.
 * Cost:     a binary search over the names. Meant for start, not for each decision: keep the pointer.
 * Out:      *ret_len in bytes; ret_len may be NULL. A blob of 0 bytes gives a pointer that must not be read.
 */
const void *pq_store_get(const struct pq_store *store, const char *key, size_t *ret_len);

/** All blobs, sorted bytewise by key, *ret_n of them; they live as long as the store. */
const struct pq_blob *pq_store_blobs(const struct pq_store *store, size_t *ret_n);

/** The digest, PQ_DIGEST_BYTES bytes; lives as long as the store. */
const uint8_t *pq_store_digest(const struct pq_store *store);

/** The path that the store was opened by, for messages; lives as long as the store. */
const char *pq_store_path(const struct pq_store *store);

/** The size of the file in bytes, trailer included. */
uint64_t pq_store_size(const struct pq_store *store);

/** Did a record stand for hashing it? */
bool pq_store_was_known(const struct pq_store *store);
/** Why there is no record of it although there is a place for one; NULL: there is one, or no place. */
const char *pq_store_unrecorded(const struct pq_store *store);

#endif

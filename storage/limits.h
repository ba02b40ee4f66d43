/**
 * The bounds of the storage layer, each with its reason.
 */
#ifndef PQ_STORAGE_LIMITS_H
#define PQ_STORAGE_LIMITS_H

#include <stdint.h>

/** Blobs in one store. LMDB holds at most 131,071 changed pages or page runs in one transaction, and a seal is one. */
#define PQ_STORE_BLOBS_MAX 65536u

/** Bytes in one blob. LMDB keeps a value's size in 32 bits; a quarter of that leaves the sums nowhere near. */
#define PQ_STORE_BLOB_BYTES_MAX (UINT64_C(1) << 30)

/** Bytes in a store's file. The US packs make some 10 MB; past this the file is not one of ours. */
#define PQ_STORE_FILE_BYTES_MAX (UINT64_C(8) << 30)

/** Temporary files that one process may have open at once; each holds a slot that a signal handler can find. */
#define PQ_TEMPFILES_MAX 32

/**
 * Bytes that a catalog may grow to. A revision takes some 3 KB, a journal record some 300 bytes: millions of either.
 */
#define PQ_CATALOG_BYTES_MAX (UINT64_C(1) << 30)

/** Bytes of a file with keys. A key takes 120; certificates of a whole system would be no trust. */
#define PQ_KEY_FILE_BYTES_MAX ((uint64_t)64 << 10)

/** Keys that may be trusted at once. Each is tried only where a signature names it. */
#define PQ_TRUST_KEYS_MAX 64u

/** Files in one pack folder. The US packs have some dozens; this stops a walk through a home directory. */
#define PQ_FILES_MAX 4096u

#endif

/**
 * A blob: one named piece of a compiled revision, as the compiler hands it to the store and as a reader finds it there.
 *
 * The policy layer makes blobs and reads them; where their bytes live is the storage layer's business. In a store that
 * was opened, `data` starts 16 bytes into a page, so what follows a blob's own 48-byte header is aligned to 64 bytes.
 */
#ifndef PQ_POLICY_BLOB_H
#define PQ_POLICY_BLOB_H

#include <stddef.h>

/** Longest key of a blob in bytes, without the final NUL. */
#define PQ_BLOB_KEY_MAX 200

struct pq_blob {
	const char *key;  /* terminated; 1 to PQ_BLOB_KEY_MAX bytes; unique within a revision */
	const void *data; /* `len` bytes; may be NULL where len is 0 */
	size_t len;       /* in bytes */
};

#endif

/**
 * Snapshots of stores as replicas are sent them, kept for the next that asks.
 *
 * Threads: pq_snapshots_get() is for one thread, the desk `supplies`; hold and release are for any.
 */
#ifndef PQ_SERVER_SNAPSHOTS_H
#define PQ_SERVER_SNAPSHOTS_H

#include "storage/catalog.h"

#include <stdatomic.h>

/** A snapshot, mapped. It does not change. */
struct pq_snapshot {
	_Atomic(unsigned) holders;
	uint8_t digest[PQ_DIGEST_BYTES], base[PQ_DIGEST_BYTES]; /* base: all zero = the whole store */
	char name[36]; /* equal for equal bytes: the first half of the digest and of the base, in hexadecimal */
	const uint8_t *data;
	uint64_t len;
};

struct pq_snapshots;

/** Borrows the catalog. NULL: no memory. */
struct pq_snapshots *pq_snapshots_new(struct pq_catalog *catalog);
/** Accepts NULL. */
void pq_snapshots_free(struct pq_snapshots *snapshots);

/**
 * The snapshot of a store of the catalog: differences against `base` where that is here too, else (or where it is NULL)
 * the whole store.
 *
 * Ownership: *ret_snapshot is held for the caller. Fails: PQ_ENOTFOUND (no such store), PQ_EIO, PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_snapshots_get(struct pq_snapshots *snapshots, const uint8_t digest[PQ_DIGEST_BYTES],
                                            const uint8_t *base, struct pq_snapshot **ret_snapshot, struct pq_err *err);

struct pq_snapshot *pq_snapshot_hold(struct pq_snapshot *snapshot);
/** NULL is allowed. */
void pq_snapshot_release(struct pq_snapshot *snapshot);

#endif

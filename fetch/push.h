/**
 * Putting a revision where others get it from: the snapshots first, then the pointer, so that no reader sees half.
 *
 * Threads: as a fetcher's.
 */
#ifndef PQ_FETCH_PUSH_H
#define PQ_FETCH_PUSH_H

#include "fetch/fetcher.h"

/** What is pushed. */
struct pq_push {
	const struct pq_manifest *manifest;
	struct pq_snapshot_file store;
	const struct pq_snapshot_file *bases; /* stores that receivers may hold: differences against each are pushed, too */
	size_t n_bases;                       /* at most PQ_PUSH_BASES_MAX */
	int level;                            /* of compression, 1 to 19; 0: PQ_SNAPSHOT_LEVEL */
	bool force; /* move the pointer though it names a higher sequence, or the same with another statement */
};

/** What a push did. */
struct pq_push_stats {
	uint64_t whole_bytes;       /* of the snapshot of the whole store */
	uint64_t differences_bytes; /* of all differences */
	uint64_t sent_bytes;        /* of those, what was not there already */
};

/**
 * Push a revision to file:///DIR (which must exist), s3:// or oci://.
 *
 * The caller has verified store and manifest; that they belong together is checked again. What an interrupted push left
 * is used by the next. Older snapshots stay in folders and buckets: receivers may be getting them.
 *
 * Out:   *ret_stats may be NULL.
 * Fails: PQ_EINVAL (the URL, or a kind of place that cannot be written; too many bases), PQ_ECORRUPT (the manifest names
 *        another store), PQ_EFAILED (a higher sequence is there; no access), PQ_EIO, PQ_ENOMEM, and as pq_snapshot_make().
 *        err names the URL and what the server said. The pointer is untouched then.
 */
PQ_MUST_USE enum pq_status pq_push(const char *url, const struct pq_fetch_options *options,
                                   const struct pq_fetch_watch *watch, const struct pq_push *push,
                                   struct pq_push_stats *ret_stats, struct pq_err *err);

#endif

/**
 * What the server counts, and what it tells Prometheus of it on --metrics-listen (docs/metrics.md).
 *
 * Calls are counted by worker: each number has one writer, so that counting takes no lock and no locked instruction; a
 * scrape sums them up. What concerns revisions is rare, and counted in one place for the whole server by whoever does it.
 *
 * Threads: a worker's numbers are written by its own thread; everything else may be called by any.
 */
#ifndef PQ_SERVER_METRICS_H
#define PQ_SERVER_METRICS_H

#include "policy/status.h"
#include "policy/terms.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct pq_server;

/** Codes of gRPC, OK to UNAUTHENTICATED. */
#define PQ_METRICS_CODES 17
/** Bounds of a histogram; the last bucket, above all of them, comes on top. */
#define PQ_METRICS_BOUNDS 15

extern const int64_t pq_metrics_bounds[PQ_METRICS_BOUNDS]; /* nanoseconds, the bucket's own top included */

struct pq_histogram {
	_Atomic(uint64_t) counts[PQ_METRICS_BOUNDS + 1]; /* of each bucket alone */
	_Atomic(uint64_t) sum_ns;
};

/** Of a method, and a worker. */
struct pq_rpc_counts {
	_Atomic(uint64_t) calls, refused;            /* messages that were handled, and those of them that were refused */
	_Atomic(uint64_t) started;                   /* calls */
	_Atomic(uint64_t) handled[PQ_METRICS_CODES]; /* calls that ended, by code */
	struct pq_histogram took;                    /* from start to end; only where there is --metrics-listen */
};

/** Add where only one thread writes, so that no locked instruction is needed. */
static inline void
pq_count_up(_Atomic(uint64_t) *count, uint64_t by)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + by, memory_order_relaxed);
}

/** Count a duration. One writer. */
void pq_histogram_add(struct pq_histogram *histogram, int64_t nanoseconds);

/* ---- revisions -------------------------------------------------------------------------------------------------- */

struct pq_metrics {
	_Atomic(uint64_t) activations, verify_failures, follow_failures;
	_Atomic(bool) reached; /* a replica: the last try to learn of revisions went well */
	struct pq_histogram swaps;
};

void pq_metrics_init(struct pq_metrics *metrics);

/** A revision was activated while serving; until it was published to the workers it took so long. One thread at a time. */
void pq_metrics_activated(struct pq_metrics *metrics, int64_t nanoseconds);
/** A revision was refused with this status: it counts where the revision is at fault, and not the disk or the caller. */
void pq_metrics_refused(struct pq_metrics *metrics, enum pq_status status);
/** A replica tried to learn of revisions, well or not. */
void pq_metrics_reached(struct pq_metrics *metrics, bool well);
/** A replica could not fetch a revision, or not put it in force. */
void pq_metrics_not_followed(struct pq_metrics *metrics);

/* ---- for server/metrics_http.c ---------------------------------------------------------------------------------- */

/** Write all metrics of the server in the text format of Prometheus, version 0.0.4. */
void pq_metrics_write(struct pq_server *server, FILE *out);

#endif

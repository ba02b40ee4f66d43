/**
 * What the server counts, and what it tells Prometheus of it on --metrics-listen (docs/metrics.md).
 *
 * Calls are counted by worker: each number has one writer, so that counting takes no lock and no locked instruction; a
 * scrape sums them up. What concerns revisions is rare and counted in one place for the whole server, by whoever does it:
 * that part is the interface for the code that publishes, activates and follows.
 *
 * Threads: a worker's numbers are written by its own thread; everything else may be called by any.
 */
#ifndef PQ_SERVER_METRICS_H
#define PQ_SERVER_METRICS_H

#include "policy/status.h"
#include "policy/terms.h"

#include <pthread.h>
#include <stdatomic.h>
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

/** How far a replica is behind. */
struct pq_replica_lag {
	char name[64];      /* as it calls itself */
	uint64_t revisions; /* that it has still to activate */
	double seconds;     /* since it last told that it is up to date */
};

/** Replicas that are known now, at most `max` of them; how many. Called by the thread of a scrape; it may lock. */
typedef size_t pq_replicas_fn(void *context, struct pq_replica_lag *ret, size_t max);

struct pq_metrics {
	_Atomic(uint64_t) activations, verify_failures;
	_Atomic(uint64_t) sequence;     /* of the revision that is served; 0 = it has none */
	_Atomic(int64_t) up_to_date_ns; /* of the monotonic clock; 0 = the server follows nobody */
	pthread_mutex_t lock;           /* of what follows */
	struct pq_histogram swaps;
	pq_replicas_fn *replicas; /* NULL = replicas are not known */
	void *replicas_context;
};

void pq_metrics_init(struct pq_metrics *metrics);
void pq_metrics_release(struct pq_metrics *metrics);

/** The sequence of the revision that is served from now on; 0 = it has none. */
void pq_metrics_set_sequence(struct pq_metrics *metrics, uint64_t sequence);
/** A revision was activated while serving; from the decision until it was published to the workers it took so long. */
void pq_metrics_activated(struct pq_metrics *metrics, int64_t nanoseconds);
/** A revision was refused: signature, digest, pages or cases. */
void pq_metrics_verify_failed(struct pq_metrics *metrics);
/** The server follows another, and knows just now that it has the newest revision. */
void pq_metrics_up_to_date(struct pq_metrics *metrics);
/** From whom a scrape learns of replicas; NULL = from nobody, also for a scrape that goes on. */
void pq_metrics_set_replicas(struct pq_metrics *metrics, pq_replicas_fn *replicas, void *context);

/* ---- for server/metrics_http.c ---------------------------------------------------------------------------------- */

/** Write all metrics of the server in the text format of Prometheus, version 0.0.4. */
void pq_metrics_write(struct pq_server *server, FILE *out);

#endif

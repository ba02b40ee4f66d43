/**
 * The requests of a batch or frame, worked off in slices: each is decided or refused on its own, in order. One that is
 * itself large takes several slices.
 *
 * A batch is answered by one revision. When the worker adopts a newer one between two slices, the batch begins anew.
 *
 * Threads: a batch belongs to its worker's thread.
 */
#ifndef PQ_SERVER_BATCH_H
#define PQ_SERVER_BATCH_H

#include "server/wire.h"
#include "server/worker.h"

/** Start with zeroes. May be used for one message after the other; pq_batch_release() at last. */
struct pq_batch {
	struct pq_bytes in;  /* the caller's, until the batch is done */
	struct pq_wire left; /* of it */
	size_t n_done;       /* requests that have a result */
	uint64_t generation; /* of the worker's view that answers */
	uint8_t *out;        /* the answer as far as it is written */
	size_t len, cap;
	bool failed; /* no memory for it */
	struct pq_large *large; /* the request that is begun and not finished */
	struct pq_cited cited;
	size_t n_counted;  /* of the cited rules */
	size_t rule_bytes; /* that those take in the answer */
};

/**
 * Begin with a message, whose bytes must stay until the batch is done. True: call pq_batch_step() until it is done.
 * False: the whole message is refused, and *ret says why.
 */
bool pq_batch_begin(struct pq_batch *batch, struct pq_worker *worker, const struct pq_bytes *in, struct pq_reply *ret);

/** Work for about PQ_SERVER_SLICE_US. True: done, *ret has the answer. Uses the worker's arena and leaves it empty. */
bool pq_batch_step(struct pq_batch *batch, struct pq_worker *worker, struct pq_reply *ret);

void pq_batch_release(struct pq_batch *batch);

#endif

/**
 * The requests of a batch or frame, worked off in slices: each is decided or refused on its own, in order. One that is
 * itself large takes several slices.
 *
 * A batch is answered under the term that it began under, whatever the worker adopts between two slices.
 *
 * Threads: a batch belongs to its worker's thread.
 */
#ifndef PQ_SERVER_BATCH_H
#define PQ_SERVER_BATCH_H

#include "server/large.h"
#include "server/wire.h"

/** Start with zeroes. May be used for one message after the other; pq_batch_release() at last. */
struct pq_batch {
	struct pq_bytes in;  /* the caller's, until the batch is done */
	struct pq_wire left; /* of it */
	size_t n_done;       /* requests that have a result */
	struct pq_demand demand;
	struct pq_stand stand; /* held; of no term until the first slice */
	uint8_t *out;          /* the answer as far as it is written */
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

/**
 * Work for about PQ_SERVER_SLICE_US. PQ_DECIDED and PQ_REFUSED: done, *ret has the answer or says why there is none.
 * PQ_BEHIND: step again when the revision of sequence *ret_sequence has come. Uses the worker's arena and leaves it empty.
 */
enum pq_progress pq_batch_step(struct pq_batch *batch, struct pq_worker *worker, uint64_t *ret_sequence,
                               struct pq_reply *ret);

/** Let go of what a batch that is not done holds but its buffer. */
void pq_batch_drop(struct pq_batch *batch);

void pq_batch_release(struct pq_batch *batch);

#endif

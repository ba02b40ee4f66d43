/**
 * One request from its bytes to its decision. A request that may have several legs is decided in slices: what does not
 * end within one is kept as a `struct pq_large`, and goes on when it is its turn among the worker's jobs.
 *
 * A request is decided under one term from its first slice to its last, whatever the worker adopts in between.
 *
 * Threads: all of it belongs to the worker's thread.
 */
#ifndef PQ_SERVER_LARGE_H
#define PQ_SERVER_LARGE_H

#include "server/stand.h"

struct pq_large;

enum pq_progress {
	PQ_DECIDED,
	PQ_REFUSED,
	PQ_UNFINISHED, /* its slice is over */
	PQ_BEHIND,     /* it waits for a revision */
};

/** When a slice that begins now is over, in microseconds of the monotonic clock. */
int64_t pq_slice_end(void);
bool pq_slice_is_over(int64_t end);

/**
 * Decide the bytes of one DecideRequest on `stand`, until `end` at the latest where it can be left. worker->arena must be
 * empty.
 *
 * Decided:    *ret_decision is in worker->arena.
 * Refused:    *ret is the refusal.
 * Unfinished: *ret_large goes on with it, or is dropped. `in` and the stand's term must stay that long.
 * Behind:     the revision of sequence *ret_sequence may come; ask again then. Nothing was begun. Not with ret_sequence
 *             NULL: the request is refused instead.
 */
enum pq_progress pq_decide_bytes(struct pq_worker *worker, const struct pq_stand *stand, const struct pq_bytes *in,
                                 int64_t end, struct pq_large **ret_large, uint64_t *ret_sequence,
                                 struct pq_decision *ret_decision, struct pq_reply *ret);

/** The next slice; as above. *large is NULL afterwards, unless it is still not finished. */
enum pq_progress pq_large_step(struct pq_large **large, int64_t end, struct pq_decision *ret_decision,
                               struct pq_reply *ret);

/** Forget what was not finished. Accepts NULL. */
void pq_large_drop(struct pq_large *large);

/** Free those that the worker keeps for the next. */
void pq_large_release_all(struct pq_worker *worker);

/** What it stands on. */
const struct pq_stand *pq_large_stand(const struct pq_large *large);

/** The answer of a call to Decide. */
void pq_decide_reply(struct pq_worker *worker, const struct pq_stand *stand, const struct pq_decision *decision,
                     struct pq_reply *ret);

#endif

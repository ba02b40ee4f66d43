/**
 * What an answer stands on: a term, and how old the knowledge was that its revision is in force when the answer was begun.
 * And whether that is new enough for who asks.
 *
 * Threads: all of it belongs to the worker's thread.
 */
#ifndef PQ_SERVER_STAND_H
#define PQ_SERVER_STAND_H

#include "server/demand.h"
#include "server/worker.h"

struct pq_stand {
	struct pq_term *term; /* NULL = none is taken */
	uint32_t age_s;
};

/** Is a stand what is asked for? */
enum pq_fit {
	PQ_FIT,
	PQ_FIT_LATER, /* it is not; another one may come, from the server that this one follows */
	PQ_FIT_NOT,
};

/**
 * Stand on the worker's newest term. False: there is no revision yet; *ret is the refusal.
 * Ownership: *ret_stand borrows the term, which lives until the worker adopts another, or is held.
 */
bool pq_stand_take(struct pq_worker *worker, struct pq_stand *ret_stand, struct pq_reply *ret);

/** The revision as the answer names it; it points into the stand's revision. */
struct pq_answerer pq_stand_answerer(const struct pq_stand *stand);

/**
 * Is the stand new enough for `demand`? PQ_FIT_LATER is answered only where the call `may_wait` and the worker has room
 * for one more that does. With PQ_FIT_NOT *ret is the refusal.
 */
enum pq_fit pq_stand_fit(struct pq_worker *worker, const struct pq_stand *stand, const struct pq_demand *demand,
                         bool may_wait, struct pq_reply *ret);

/** Refuse a call that waited for `min_revision`: `sequence` is what there is. */
void pq_stand_refuse(struct pq_worker *worker, uint64_t min_revision, uint64_t sequence, struct pq_reply *ret);

/** When a call whose deadline is `deadline` (of the monotonic clock) stops waiting that begins to wait now. */
gpr_timespec pq_stand_wait_until(gpr_timespec deadline);

#endif

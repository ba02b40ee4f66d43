/**
 * A term: what a worker answers by from one change of the revision to the next, which is the revision, an evaluator over
 * it and its rules as bytes.
 *
 * Invariant: what began under a term ends under it. New requests get the worker's newest term; older ones live as long as
 * a job holds them, so there are at most as many as jobs under work, and one.
 *
 * Threads: a term belongs to its worker's thread.
 */
#ifndef PQ_SERVER_TERM_H
#define PQ_SERVER_TERM_H

#include "server/codec.h"
#include "server/revision.h"

struct pq_term {
	struct pq_revision_view view; /* its revision is there */
	struct pq_encoder encoder;
	struct pq_revision_publisher *publisher;
	size_t holders; /* the worker, as long as it is the newest, and its jobs */
};

/**
 * The term for the next request; NULL where no revision was published yet. *newest (NULL at first) is the worker's, and
 * moves on where something new was published; pq_term_release() at last. Cheap while nothing was. Without memory for a
 * new term the old one stays.
 */
struct pq_term *pq_term_adopt(struct pq_term **newest, struct pq_revision_publisher *publisher);

struct pq_term *pq_term_hold(struct pq_term *term);
/** NULL is allowed. */
void pq_term_release(struct pq_term *term);

#endif

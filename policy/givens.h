/**
 * Room for what a request says: by slot, and most of it silent. Kept clean from one request to the next, so that a request
 * pays for what it says and not for all that could be said. Private to policy/: decide.c.
 *
 * Threads: one at a time. Memory: malloc'd, PQ_GIVENS_POOL of each scope at most; what a request needs beyond that is in
 * its arena.
 */
#ifndef PQ_POLICY_GIVENS_H
#define PQ_POLICY_GIVENS_H

#include "policy/eval.h"

#define PQ_GIVENS_POOL 16 /* of each scope: lines, parties, ... */

struct pq_givens_pool {
	struct pq_arena arena;
	struct {
		struct pq_givens at[PQ_GIVENS_POOL];
		size_t n, taken, slots;
	} scopes[PQ_SCOPE_COUNT];
};

void pq_givens_pool_init(struct pq_givens_pool *pool);
void pq_givens_pool_release(struct pq_givens_pool *pool);

/**
 * One in which nothing is said: from the pool until pq_givens_return(), or (pool NULL, or it is used up) from the arena.
 * Who puts something in a slot must note it in `said`. False: memory is out.
 */
bool pq_givens_take(struct pq_givens_pool *pool, const struct pq_image *image, enum pq_scope scope,
                    struct pq_arena *arena, struct pq_givens *ret);
/** Give back all that were taken from the pool. */
void pq_givens_return(struct pq_givens_pool *pool);

#endif

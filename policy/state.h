/**
 * The state of an evaluation, kept from one request to the next. Private to policy/: decide.c.
 *
 * Threads: one at a time. Memory: the state's own; grows with the elements of requests and is never more than its bound.
 */
#ifndef PQ_POLICY_STATE_H
#define PQ_POLICY_STATE_H

#include "policy/decide_parts.h"

struct pq_state;

/** What a request says, bound to attributes: in the arena of the request. */
struct pq_bound {
	const struct pq_request *request;
	struct pq_arena *arena;
	const struct pq_givens *lines; /* of each line of the request */
	size_t n_lines, line;
	struct pq_givens given;        /* of the leg that is decided */
	uint32_t by;                   /* the fact that told its nationality; PQ_NO_INDEX = decide it under any law */
	bool decided;                  /* result: false where the law looks at another fact than `by` */
	struct pq_element *parties, *hits, *intermediates; /* of which only the givens are made, and the owners of parties */
	size_t n_parties, n_hits, n_intermediates;
	struct pq_window *window;      /* or NULL */
	uint32_t near_tries;           /* evaluations that near misses have taken, over all legs so far */
};

/** `kept`: decisions do not outlive the state, so that their texts may be in it. Fails: PQ_ENOMEM. */
PQ_MUST_USE enum pq_status pq_state_new(const struct pq_image *image, bool kept, struct pq_state **ret,
                                        struct pq_err *err);
void pq_state_free(struct pq_state *state);

/** Are its elements so few that they are worth keeping? A larger request is decided by a state of its own. */
bool pq_state_fits(const struct pq_bound *bound);

/**
 * Decide a leg. Only what differs from the leg before is computed. Counts on in bound->near_tries.
 *
 * False: the bound on the arena or the state was met.
 */
bool pq_state_decide(struct pq_state *state, struct pq_bound *bound, struct pq_decision *ret,
                     const struct pq_p_jurisdiction **ret_jurisdiction);

#endif

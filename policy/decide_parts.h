/** The pieces of pq_decide(): one leg, and the joining of several. Private to policy/. */
#ifndef PQ_POLICY_DECIDE_PARTS_H
#define PQ_POLICY_DECIDE_PARTS_H

#include "policy/eval.h"

/**
 * Decide the leg that `ev` is set up for; sets ev->oom when the arena's bound is met. explain.c
 *
 * `by` is the fact that told its nationality, or PQ_NO_INDEX: where the law surely looks at another fact the leg is not
 * decided, and *ret_jurisdiction alone is told. False: so it is.
 */
bool pq_decide_leg(struct pq_eval *ev, uint32_t by, struct pq_decision *ret,
                   const struct pq_p_jurisdiction **ret_jurisdiction);

/**
 * The answer for a shipment of several lines or a release for several nationalities; `lines` tells which line each part
 * belongs to. join.c
 */
PQ_MUST_USE enum pq_status pq_join_parts(struct pq_decision *parts, const char **names, const size_t *lines, size_t n,
                                         struct pq_arena *arena, struct pq_decision *ret, struct pq_err *err);

/* assume.c */

struct pq_assumptions {
	bool any;
	struct pq_givens given[PQ_SCOPE_COUNT];  /* by scope and slot: what is assumed where the request is silent */
	uint16_t *source[PQ_SCOPE_COUNT];        /* profile + 1; 0 = the request's own */
	unsigned char *used[PQ_SCOPE_COUNT];
};

/** Bind what a request assumes. False: out of memory. What is wrong goes to `violations`. */
bool pq_assume_bind(struct pq_assumptions *as, const struct pq_image *image, const struct pq_request *request,
                    struct pq_arena *arena, struct pq_violation_list *violations);
/** Give the silent facts of an element what is assumed for them. */
void pq_assume_fill(struct pq_assumptions *as, const struct pq_image *image, enum pq_scope scope,
                    const struct pq_givens *givens);
/** Write into the decision which assumptions were used. False: out of memory. */
bool pq_assume_echo(const struct pq_assumptions *as, const struct pq_image *image, struct pq_arena *arena,
                    struct pq_decision *ret);

#endif

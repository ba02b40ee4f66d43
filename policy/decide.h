/**
 * Decide a request against one revision. The one entry to the evaluator.
 */
#ifndef PQ_POLICY_DECIDE_H
#define PQ_POLICY_DECIDE_H

#include "policy/arena.h"
#include "policy/decision.h"
#include "policy/facts.h"
#include "policy/image.h"
#include "policy/status.h"

/**
 * Decide one request.
 *
 * A decision is a function of (request, revision) and of nothing else: no clock, no cache, no state.
 *
 * Ownership: reads `image` and `request`; *ret_decision and *ret_violations point into `arena` and `image`.
 * Lifetime:  until pq_arena_reset(arena) or pq_image_close(image).
 * Threads:   `image` may be shared; `arena` must not.
 * Fails:     PQ_EINVAL: the request is wrong; err names the first field, *ret_violations (NULL allowed) all of them.
 *            PQ_ENOMEM: the arena's bound. Never an outcome that lets goods go.
 */
PQ_MUST_USE enum pq_status pq_decide(const struct pq_image *image, const struct pq_request *request,
                                     struct pq_arena *arena, struct pq_decision *ret_decision,
                                     const struct pq_violation **ret_violations, size_t *ret_n_violations,
                                     struct pq_err *err);

/**
 * Decides request after request against one revision, and is several times as fast as pq_decide() at it: what a request
 * has in common with the one before is not computed again. Its decisions are those of pq_decide(), whatever came before.
 *
 * Ownership: borrows `image`, which must outlive it. Ends with pq_evaluator_free().
 * Threads:   one at a time; each thread has its own.
 * Memory:    about 300 KiB for the US packs, more once requests have many parties, never more than 16 MiB.
 */
struct pq_evaluator;

/** Fails: PQ_ENOMEM, PQ_EFORMAT (the images contradict themselves). */
PQ_MUST_USE enum pq_status pq_evaluator_new(const struct pq_image *image, struct pq_evaluator **ret,
                                            struct pq_err *err);

/** Accepts NULL. */
void pq_evaluator_free(struct pq_evaluator *evaluator);

/** As pq_decide(); texts of the decision may also live in the evaluator. */
PQ_MUST_USE enum pq_status pq_evaluator_decide(struct pq_evaluator *evaluator, const struct pq_request *request,
                                               struct pq_arena *arena, struct pq_decision *ret_decision,
                                               const struct pq_violation **ret_violations, size_t *ret_n_violations,
                                               struct pq_err *err);

#endif

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

/**
 * A request in steps, for who must not be held up by one that has many lines: begin, step until done, finish, end. The
 * decision is that of pq_evaluator_decide(). A step binds one line or decides one leg (of a line, or of a nationality).
 *
 * Ownership: lives in `arena`, with the decision; borrows `request` and the evaluator. None of them may go, nor the arena
 *            be reset, before it is ended; the decision keeps to the rules of pq_evaluator_decide().
 * Threads:   the evaluator's. Between two steps the evaluator may decide other requests, and others in steps.
 */
struct pq_evaluation;

/** May this request have several legs? Cheap. Where it cannot, pq_evaluator_decide() is all that is needed. */
bool pq_request_may_have_legs(const struct pq_request *request);

/** Fails: as pq_evaluator_decide(), with nothing to end. */
PQ_MUST_USE enum pq_status pq_evaluator_begin(struct pq_evaluator *evaluator, const struct pq_request *request,
                                              struct pq_arena *arena, struct pq_evaluation **ret_evaluation,
                                              const struct pq_violation **ret_violations, size_t *ret_n_violations,
                                              struct pq_err *err);

/** Fails: as pq_evaluator_decide(); then it can only be ended. */
PQ_MUST_USE enum pq_status pq_evaluation_step(struct pq_evaluation *evaluation, bool *ret_done,
                                              const struct pq_violation **ret_violations, size_t *ret_n_violations,
                                              struct pq_err *err);

/** When it is done: join its legs, once. Fails: PQ_ENOMEM. */
PQ_MUST_USE enum pq_status pq_evaluation_finish(struct pq_evaluation *evaluation, struct pq_decision *ret_decision,
                                                struct pq_err *err);

/** At any time, finished or not; reads neither image nor evaluator, which may be gone. Accepts NULL. */
void pq_evaluation_end(struct pq_evaluation *evaluation);

#endif

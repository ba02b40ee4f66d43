/**
 * The oracle: a second evaluator, slow and obvious, that walks the model as the packs wrote it.
 *
 * It shares nothing with the evaluator in policy/ but the model, the facts and the decision that both speak of:
 * no bitmaps, no images, no compiled form. What it understands by docs/packs.md where that page is terse is written
 * down in README.md beside it.
 */
#ifndef PQ_TESTS_ORACLE_H
#define PQ_TESTS_ORACLE_H

#include "policy/arena.h"
#include "policy/decision.h"
#include "policy/facts.h"
#include "policy/model.h"
#include "policy/status.h"

/**
 * Decide one request, as pq_decide() does.
 *
 * Ownership: *ret_decision and *ret_violations point into `arena` and `model`.
 * Threads:   one call at a time in one process (its scratch memory is static).
 * Fails:     PQ_EINVAL: the request is wrong; *ret_violations names every field. Out of memory, and packs whose
 *            attributes depend on themselves, abort: this is a test.
 */
PQ_MUST_USE enum pq_status pq_oracle_decide(const struct pq_model *model, const struct pq_request *request,
                                            struct pq_arena *arena, struct pq_decision *ret_decision,
                                            const struct pq_violation **ret_violations, size_t *ret_n_violations,
                                            struct pq_err *err);

/**
 * The same, but without a search: *ret_settled is false where the outcome hangs on what is unknown, so that completions
 * would have to be tried. *ret_decision then is none; its `missing` alone is set, to all that would be tried (rows apart)
 * for the first line or nationality that needs it.
 */
PQ_MUST_USE enum pq_status pq_oracle_decide_settled(const struct pq_model *model, const struct pq_request *request,
                                                    struct pq_arena *arena, struct pq_decision *ret_decision,
                                                    bool *ret_settled, const struct pq_violation **ret_violations,
                                                    size_t *ret_n_violations, struct pq_err *err);

/**
 * How two decisions differ: a text in `arena` with a line for each field, NULL when they are equal. Lists without a
 * meaningful order are compared as sets. Where one of them is inexact, what the search found is not compared.
 */
const char *pq_decision_equal(const struct pq_decision *a, const struct pq_decision *b, struct pq_arena *arena);

#endif

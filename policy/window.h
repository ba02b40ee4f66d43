/**
 * How long an answer stands: the days around the day of a request on which all that depends on the day is the same.
 */
#ifndef PQ_POLICY_WINDOW_H
#define PQ_POLICY_WINDOW_H

#include "policy/decide.h"

#include <stdint.h>

/** Days since 1970-01-01, [from, until); open ends are PQ_DATE_MIN and PQ_DATE_MAX. */
struct pq_window {
	int32_t from, until;
};

/**
 * pq_evaluator_decide(), and the days for which its answer is the same: the same request with any day in *ret_window is decided
 * in the same way, by the same rules. Each row and each condition that asked for the day, and that could hold but for
 * the day, has narrowed it. It is sound and not always as wide as can be: beyond it the answer may still be the same.
 *
 * Ownership, threads, failures: as pq_evaluator_decide(); *ret_window is filled on success only.
 */
PQ_MUST_USE enum pq_status pq_evaluator_window(struct pq_evaluator *evaluator, const struct pq_request *request,
                                               struct pq_arena *arena, struct pq_decision *ret_decision,
                                               struct pq_window *ret_window, struct pq_err *err);

#endif

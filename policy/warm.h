/** Evaluation that keeps its state from one request to the next. Private to policy/: decide.c. */
#ifndef PQ_POLICY_WARM_H
#define PQ_POLICY_WARM_H

#include "policy/decide_parts.h"

struct pq_warm;

PQ_MUST_USE enum pq_status pq_warm_new(const struct pq_image *image, struct pq_warm **ret, struct pq_err *err);
void pq_warm_free(struct pq_warm *warm);

/**
 * Decide the leg that `cold` is bound for: its request, arena, lines, req.given and the givens of its elements; nothing
 * else of it is looked at. Only what differs from the request before is computed.
 *
 * Returns false where unknown facts matter, or the request has more elements than are kept: then nothing is decided,
 * and the leg must be decided by itself. *ret_oom: the arena's bound was met.
 */
bool pq_warm_decide_leg(struct pq_warm *warm, const struct pq_eval *cold, struct pq_decision *ret,
                        const struct pq_p_jurisdiction **ret_jurisdiction, bool *ret_oom);

#endif

/** The pieces of pq_decide(): one leg, and the joining of several. Private to policy/. */
#ifndef PQ_POLICY_DECIDE_PARTS_H
#define PQ_POLICY_DECIDE_PARTS_H

#include "policy/eval.h"

/** Decide the leg that `ev` is set up for; sets ev->oom when the arena's bound is met. explain.c */
void pq_decide_leg(struct pq_eval *ev, struct pq_decision *ret, const struct pq_p_jurisdiction **ret_jurisdiction);

/** The answer for a shipment of several lines or a release for several nationalities. join.c */
PQ_MUST_USE enum pq_status pq_join_parts(struct pq_decision *parts, const char **names, size_t n, struct pq_arena *arena,
                                         struct pq_decision *ret, struct pq_err *err);

#endif

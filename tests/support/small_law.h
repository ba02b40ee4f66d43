/**
 * A law small enough to hold in the head, compiled in memory, for tests of what the engine makes of it.
 *
 *     A machine needs a licence to FAR and FOE (reason LIST), and everything does for a military use (USE).
 *     SMALL overcomes LIST for values up to 100 to FAR, but not with a military end user.
 *     Orders from before 2026 need none for LIST. Parties on the list DPL may get nothing. A nuclear use is referred.
 *
 * The item, the destination, the type and the roles are fixed: no near misses by them. Profiles: peaceful (no military
 * end users), warlike (all are), quiet (no lists, worth 50, for civil use).
 */
#ifndef PQ_TESTS_SUPPORT_SMALL_LAW_H
#define PQ_TESTS_SUPPORT_SMALL_LAW_H

#include "policy/decide.h"
#include "policy/request.h"

/**
 * The image of the law. The caller closes it before it releases `arena`. Aborts, with the reason on the standard error,
 * where that cannot be made.
 */
struct pq_image *small_law_open(struct pq_arena *arena);

/** Read a request from JSON and decide it. Aborts where it cannot be read. The rest as pq_decide(). */
PQ_MUST_USE enum pq_status small_law_decide(const struct pq_image *image, const char *json, struct pq_arena *arena,
                                            struct pq_decision *ret_decision,
                                            const struct pq_violation **ret_violations, size_t *ret_n_violations);

#endif

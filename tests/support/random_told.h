/**
 * Random requests over packs with cases that are wholly told, or nearly: a case whose values were changed, and told what
 * its answer then hangs on, until nothing is missing. Words are those of the packs and of their cases.
 */
#ifndef PQ_TESTS_RANDOM_TOLD_H
#define PQ_TESTS_RANDOM_TOLD_H

#include "policy/decision.h"
#include "tests/support/random_request.h"

struct pq_teller;

/** Say what the answer to a request hangs on, by the names that answers have for it; 0 = nothing. In `arena`. */
typedef size_t pq_ask(void *of, const struct pq_request *request, struct pq_arena *arena,
                      const struct pq_missing **ret);

/** Read the model's cases. Lives in `arena`; borrows `form`. */
struct pq_teller *pq_teller_new(const struct pq_random_request_form *form, pq_ask *ask, void *of,
                                struct pq_arena *arena);

/**
 * True: the last question that was asked was about the request as it is.
 * Equal seeds give equal requests, and a bare pq_random_change() one in forty times. The request lives in `arena`.
 * *ret_case is the case that it was made from.
 */
bool pq_random_told(struct pq_teller *teller, uint64_t seed, struct pq_arena *arena, struct pq_request *ret,
                    const char **ret_case);

#endif

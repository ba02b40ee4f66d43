/**
 * The values that a fact could have: what the completions of a request are made from.
 *
 * Nothing here knows how either evaluator looks for values: all symbols of a domain, sets up to pairs, paths as tables
 * and conditions list them and one that nobody lists, numbers and days on, above and below each that the packs write.
 */
#ifndef PQ_TESTS_PROPERTY_VALUES_H
#define PQ_TESTS_PROPERTY_VALUES_H

#include "tests/support/random.h"
#include "tests/support/random_request.h"

/** Possible values, in the arena that was given. */
struct pq_values {
	struct pq_value *at;
	size_t n, room;
	bool enough; /* what changes an answer changes it between two of these */
};

/**
 * All values of a fact, or a choice of `most` of them. `known`: of a code the part that is given ("9A610.x", marks taken
 * off); the values are then those that begin with it. Empty: any code. `others`: numbers that this one may be added to.
 */
void pq_values_of(const struct pq_random_request_form *form, uint32_t attr, const char *known, const int64_t *others,
                  size_t n_others, size_t most, struct pq_random *random, struct pq_arena *arena,
                  struct pq_values *ret);

/** A code made whole: nothing can lie below its path. */
const char *pq_whole_code(const struct pq_attr *attr, const char *code, struct pq_arena *arena);

#endif

/**
 * Random requests in the words of a model: every fact silent, said to be unknown, or valued, numbers and dates near
 * what the packs' rules and tables compare them with.
 */
#ifndef PQ_TESTS_RANDOM_REQUEST_H
#define PQ_TESTS_RANDOM_REQUEST_H

#include "policy/arena.h"
#include "policy/facts.h"
#include "policy/model.h"
#include "tests/support/random.h"

/** How requests are made. */
struct pq_random_request_form {
	const struct pq_model *model;
	const int64_t *numbers; /* that numbers and dates are near to */
	size_t n_numbers;
	const int64_t *dates;
	size_t n_dates;
};

/** Collect the numbers and dates of the model's conditions, tables and rules. Lives in `arena`. */
void pq_random_request_form(const struct pq_model *model, struct pq_arena *arena, struct pq_random_request_form *ret);

/** Equal seeds give equal requests. The request lives in `arena` and points into the model. */
void pq_random_request(const struct pq_random_request_form *form, uint64_t seed, struct pq_arena *arena,
                       struct pq_request *ret);

/** A value for a fact. It lives in `arena` and points into the model. */
struct pq_value pq_random_value(const struct pq_random_request_form *form, uint32_t attr, struct pq_random *random,
                                struct pq_arena *arena);

/** A request like `base`, with some facts left out, said to be unknown, changed or added, on this day or another. */
void pq_random_change(const struct pq_random_request_form *form, const struct pq_request *base, uint64_t seed,
                      struct pq_arena *arena, struct pq_request *ret);

/** The same, but what is said stays said: only values change, and facts are added. */
void pq_random_change_values(const struct pq_random_request_form *form, const struct pq_request *base, uint64_t seed,
                             struct pq_arena *arena, struct pq_request *ret);

/** Is the fact said by a mark before a code? Then it is not said by itself. */
bool pq_is_mark(const struct pq_model *model, uint32_t attr);

/** The request as a text for people, in `arena`. */
const char *pq_request_text(const struct pq_request *request, struct pq_arena *arena);

#endif

/**
 * A request whose facts can be changed one by one, and in which little is unknown, or nothing.
 */
#ifndef PQ_TESTS_PROPERTY_PLACES_H
#define PQ_TESTS_PROPERTY_PLACES_H

#include "tests/support/random_request.h"

/** One fact of one element of the request: the request's own, a line's, a party's, ... */
struct pq_place {
	struct pq_fact *fact;
	uint32_t attr;
	bool by_base; /* the request had it before it was filled */
};

struct pq_open_request {
	struct pq_request request; /* points to the facts of the places */
	struct pq_place *places;
	size_t n, room;
};

/**
 * A copy of `base` in which codes have paths below which nothing lies. Of the facts that may be unknown in `base` as many
 * of a hundred as `filled` get a value, by chance and mostly a harmless one, and all of these names, as decisions give
 * them (without the element).
 *
 * Ownership: the copy lives in `arena` and points into `base` and the model.
 */
void pq_open_request(const struct pq_random_request_form *form, const struct pq_request *base, unsigned filled,
                     const struct pq_strings *names, struct pq_random *random, struct pq_arena *arena,
                     struct pq_open_request *ret);

/** Is this the name of such a fact, wherever it stands ("parties.end_user.lists")? Of a code also that of its path. */
bool pq_place_is_called(const struct pq_model *model, uint32_t attr, const char *name);

/** The name that decisions give to a missing fact of this kind, without what stands before an element's fact. */
const char *pq_place_name(const struct pq_model *model, uint32_t attr);

#endif

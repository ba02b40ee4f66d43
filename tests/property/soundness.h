/**
 * The promise about what is unknown, held against every completion of it.
 *
 * From a request some facts are taken away (said to be unknown, or a code is left without
 * its path). What is decided then must hold for every value that these facts could have:
 *
 * 1. An outcome that lets goods go is the outcome of all completions, under the same law, and an exception that is
 *    available is available in all.
 * 2. LICENSE_REQUIRED is LICENSE_REQUIRED or PROHIBITED in all, PROHIBITED is PROHIBITED in all, and none is milder than
 *    `best` or, up to REFER, worse than `worst`.
 * 3. A fact that is named missing changes the answer: two completions that differ in it alone have different outcomes,
 *    laws or exceptions. Something is missing wherever the answer is NEEDS_INFORMATION.
 */
#ifndef PQ_TESTS_PROPERTY_SOUNDNESS_H
#define PQ_TESTS_PROPERTY_SOUNDNESS_H

#include "tests/property/places.h"

#include "policy/image.h"

struct pq_soundness {
	const struct pq_image *image;
	struct pq_random_request_form form;
	size_t most;                         /* completions of one request that are tried */
	struct pq_arena opened, kept, tried; /* of the request, of its answer, of a completion's answer */

	/* What was done. */
	size_t requests, refused, inexact, completions;
	size_t whole;                        /* requests of which all completions were tried */
	size_t named, unproven;              /* missing facts; those for which the tried completions were no proof */
	size_t outcomes[PQ_OUTCOME_COUNT];   /* with facts taken away */
};

/**
 * Take facts away from a request and hold the answer against the completions. Equal seeds do the same.
 * NULL when all is kept; else what is broken, with the request, as a text that lives until the next call.
 */
const char *pq_soundness_check(struct pq_soundness *s, const struct pq_request *base, uint64_t seed);

void pq_soundness_init(struct pq_soundness *s);
void pq_soundness_release(struct pq_soundness *s);
void pq_soundness_print(const struct pq_soundness *s);

#endif

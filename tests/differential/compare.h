/**
 * Put one request to both evaluators and say how their answers differ.
 */
#ifndef PQ_TESTS_DIFFERENTIAL_COMPARE_H
#define PQ_TESTS_DIFFERENTIAL_COMPARE_H

#include "policy/arena.h"
#include "policy/decide.h"
#include "policy/facts.h"
#include "policy/image.h"
#include "policy/model.h"

/** A model and its compiled image. */
struct pq_pair {
	struct pq_model *model;
	struct pq_image *image;
	struct pq_evaluator *evaluator; /* decides in the place of pq_decide(); NULL = none */
};

/** What was compared. */
struct pq_tally {
	size_t requests, refused, inexact;
	size_t settled;  /* of them those that needed no search */
	size_t searched; /* and those that did; the two are all that were not refused */
	size_t left;     /* not compared: they need a search, and none was to be made */
	size_t outcomes[PQ_OUTCOME_COUNT];
};

/** NULL when both say the same, else how they differ, in `arena`. */
const char *pq_compare(const struct pq_pair *pair, const struct pq_request *request, struct pq_arena *arena,
                       struct pq_tally *tally);

/** What one of the two says. */
struct pq_answer {
	enum pq_status status;
	bool settled;                /* by the oracle without a search; else the decision is not there yet ... */
	struct pq_decision decision; /* ... and its `missing` is what a search would try */
	const struct pq_violation *violations;
	size_t n_violations;
	struct pq_err err;
};

/** Ask the oracle what it can say without a search. */
void pq_ask_oracle(const struct pq_pair *pair, const struct pq_request *request, struct pq_arena *arena,
                   struct pq_answer *ret);

/**
 * As pq_compare(), with what pq_ask_oracle() said of this request. Without `search` a request that needs one is not
 * compared; tally->left counts it.
 */
const char *pq_compare_with(const struct pq_pair *pair, const struct pq_request *request, struct pq_answer *oracle,
                            bool search, struct pq_arena *arena, struct pq_tally *tally);

void pq_tally_print(const struct pq_tally *tally);

/** The value of an environment variable as a number, or `otherwise`. */
unsigned long pq_env_number(const char *name, unsigned long otherwise);

#endif

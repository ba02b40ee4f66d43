/**
 * The requests that benchmarks decide: the packs' own cases, and random ones made of their parts.
 *
 * A random request is a case moved elsewhere: another destination, day and value, other parties, often the item of
 * another case, drawn from what the image itself knows. What cases leave open because it does not matter to them is
 * said (requests.c, `usual`), so that most have an answer. In a stated share of them one fact is then made unknown.
 */
#ifndef PQ_BENCH_REQUESTS_H
#define PQ_BENCH_REQUESTS_H

#include "policy/arena.h"
#include "policy/facts.h"
#include "policy/image.h"
#include "policy/status.h"

/** Percent of the random requests in which a fact is made unknown. */
#define BENCH_UNKNOWN_PERCENT 10
/** Percent that are asked for a day of the last year rather than for their case's. */
#define BENCH_RECENT_PERCENT 70
/** Percent that get the item of another case. */
#define BENCH_SWAP_PERCENT 75

struct bench_request {
	const char *name; /* "us-ear/cases/chart.jsonl:3" or "random 17 from us-ear/cases/chart.jsonl:3" */
	struct pq_request request;
	bool random;         /* made of the cases' parts */
	bool shipment;       /* of shipments.h */
	bool simple;         /* one line, and no release to a person: one evaluation if nothing is unknown */
	const char *unknown; /* random: the fact that was made unknown; NULL = none */
};

struct bench_requests {
	struct bench_request *at;
	size_t n, n_cases; /* the cases stand first */
};

/**
 * All cases of the image and `n_random` random requests. Equal seeds and images give equal requests.
 *
 * Ownership: they live in `arena` and point into the image.
 * Fails:     PQ_EINVAL (an image without cases or without destinations), PQ_ENOMEM, as pq_case_from_json().
 */
PQ_MUST_USE enum pq_status bench_requests_make(const struct pq_image *image, size_t n_random, uint64_t seed,
                                               struct pq_arena *arena, struct bench_requests *ret, struct pq_err *err);

/** One line, and no release to a person: one evaluation, if nothing is unknown. */
bool bench_is_simple(const struct pq_image *image, const struct pq_request *request);

/** The latest edition of a pack, in days since 1970-01-01; PQ_DATE_MIN for an image without packs. */
int32_t bench_latest_edition(const struct pq_image *image);

#endif

/**
 * The request form in JSON: what the command line reads, what cases are written in. docs/request.md describes it.
 */
#ifndef PQ_POLICY_REQUEST_H
#define PQ_POLICY_REQUEST_H

#include "policy/arena.h"
#include "policy/facts.h"
#include "policy/status.h"

/** Longest JSON text of one request, in bytes. */
#define PQ_REQUEST_JSON_MAX ((size_t)1 << 20)

/** Near misses of a request that asks for them without a number: as many as a person reads. */
#define PQ_NEAR_MISSES_USUAL 12

/**
 * Read a request. `json` is either the request object itself, with "as_of" in it, or an object with "as_of" and
 * "request" (a case: "id", "expected" and further members are left alone).
 *
 * Ownership: *ret_request points into `arena`.
 * Fails:     PQ_EPARSE (not JSON, duplicate key; err has line and column), PQ_EINVAL (err.where names the field:
 *            "request.parties[1].role"), PQ_ELIMIT, PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_request_from_json(const char *json, size_t len, struct pq_arena *arena,
                                                struct pq_request *ret_request, struct pq_err *err);

/** What a case expects. Strings live in the arena. */
struct pq_expected {
	enum pq_outcome outcome;
	bool has_policy; /* false: null in the case, not asserted */
	enum pq_policy policy;
	const char **available;
	size_t n_available;
	const char **barred;
	size_t n_barred;
	const char **obligations;
	size_t n_obligations;
	const char **missing;
	size_t n_missing;
};

struct pq_case_text {
	const char *id;
	struct pq_request request;
	struct pq_expected expected;
};

/** Read one case (a line of JSON Lines). Fails as pq_request_from_json(), naming "expected..." fields too. */
PQ_MUST_USE enum pq_status pq_case_from_json(const char *json, size_t len, struct pq_arena *arena,
                                             struct pq_case_text *ret_case, struct pq_err *err);

struct pq_decision;

/**
 * Hold a decision against what a case expects: docs/request.md, "How a case is judged".
 * Returns NULL when it passes, else a text in `arena` with a line for each field that differs.
 */
const char *pq_case_judge(const struct pq_expected *expected, const struct pq_decision *decision,
                          struct pq_arena *arena);

/**
 * Write a decision as a JSON object on one line (no newline), with at least the field names of a case's `expected`.
 * NULL when memory is out. The text lives in `arena`.
 */
const char *pq_decision_to_json(const struct pq_decision *decision, struct pq_arena *arena);

#endif

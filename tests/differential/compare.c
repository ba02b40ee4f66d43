#include "tests/differential/compare.h"

#include "policy/decide.h"
#include "tests/oracle/oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
has_violation(const struct pq_violation *list, size_t n, const struct pq_violation *of)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].field, of->field) == 0 && strcmp(list[i].reason, of->reason) == 0)
			return true;
	}
	return false;
}

static const char *
compare_refusals(const struct pq_violation *a, size_t n_a, const struct pq_violation *b, size_t n_b,
                 struct pq_arena *arena)
{
	for (size_t i = 0; i < n_a; i++) {
		if (!has_violation(b, n_b, &a[i]))
			return pq_arena_printf(arena, "only one refuses %s: %s", a[i].field, a[i].reason);
	}
	for (size_t i = 0; i < n_b; i++) {
		if (!has_violation(a, n_a, &b[i]))
			return pq_arena_printf(arena, "only the oracle refuses %s: %s", b[i].field, b[i].reason);
	}
	return NULL;
}

const char *
pq_compare(const struct pq_pair *pair, const struct pq_request *request, struct pq_arena *arena,
           struct pq_tally *tally)
{
	struct pq_decision own, oracle;
	const struct pq_violation *own_violations = NULL, *oracle_violations = NULL;
	size_t n_own = 0, n_oracle = 0;
	struct pq_err own_err, oracle_err;
	enum pq_status own_status =
		pq_decide(pair->image, request, arena, &own, &own_violations, &n_own, &own_err);
	enum pq_status oracle_status =
		pq_oracle_decide(pair->model, request, arena, &oracle, &oracle_violations, &n_oracle, &oracle_err);

	tally->requests++;
	if (own_status != oracle_status)
		return pq_arena_printf(arena, "status: %s (%s) against %s (%s)", pq_status_text(own_status),
		                       own_status != PQ_OK ? own_err.msg : "", pq_status_text(oracle_status),
		                       oracle_status != PQ_OK ? oracle_err.msg : "");
	if (own_status != PQ_OK) {
		tally->refused++;
		return compare_refusals(own_violations, n_own, oracle_violations, n_oracle, arena);
	}
	tally->inexact += !own.exact || !oracle.exact;
	tally->outcomes[oracle.outcome]++;
	return pq_decision_equal(&own, &oracle, arena);
}

void
pq_tally_print(const struct pq_tally *tally)
{
	printf("%zu requests: %zu refused, %zu inexact", tally->requests, tally->refused, tally->inexact);
	for (int i = 1; i < PQ_OUTCOME_COUNT; i++)
		printf(", %zu %s", tally->outcomes[i], pq_outcome_name((enum pq_outcome)i));
	printf("\n");
}

unsigned long
pq_env_number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text != NULL && text[0] != '\0' ? strtoul(text, NULL, 0) : otherwise;
}

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

static void
ask_evaluator(const struct pq_pair *pair, const struct pq_request *request, struct pq_arena *arena,
              struct pq_answer *ret)
{
	if (pair->evaluator != NULL)
		ret->status = pq_evaluator_decide(pair->evaluator, request, arena, &ret->decision, &ret->violations,
		                                  &ret->n_violations, &ret->err);
	else
		ret->status =
			pq_decide(pair->image, request, arena, &ret->decision, &ret->violations, &ret->n_violations, &ret->err);
}

static const char *
compare_answers(const struct pq_answer *own, const struct pq_answer *oracle, struct pq_arena *arena,
                struct pq_tally *tally)
{
	if (own->status != oracle->status)
		return pq_arena_printf(arena, "status: %s (%s) against %s (%s)", pq_status_text(own->status),
		                       own->status != PQ_OK ? own->err.msg : "", pq_status_text(oracle->status),
		                       oracle->status != PQ_OK ? oracle->err.msg : "");
	if (own->status != PQ_OK) {
		tally->refused++;
		return compare_refusals(own->violations, own->n_violations, oracle->violations, oracle->n_violations, arena);
	}
	tally->inexact += !own->decision.exact || !oracle->decision.exact;
	tally->outcomes[oracle->decision.outcome]++;
	return pq_decision_equal(&own->decision, &oracle->decision, arena);
}

void
pq_ask_oracle(const struct pq_pair *pair, const struct pq_request *request, struct pq_arena *arena,
              struct pq_answer *ret)
{
	*ret = (struct pq_answer){0};
	ret->status = pq_oracle_decide_settled(pair->model, request, arena, &ret->decision, &ret->settled, &ret->violations,
	                                       &ret->n_violations, &ret->err);
}

const char *
pq_compare_with(const struct pq_pair *pair, const struct pq_request *request, struct pq_answer *oracle, bool search,
                struct pq_arena *arena, struct pq_tally *tally)
{
	struct pq_answer own = {0};

	if (!oracle->settled && !search) {
		tally->left++;
		return NULL;
	}
	if (!oracle->settled)
		oracle->status = pq_oracle_decide(pair->model, request, arena, &oracle->decision, &oracle->violations,
		                                  &oracle->n_violations, &oracle->err);
	tally->requests++;
	tally->searched += !oracle->settled;
	tally->settled += oracle->settled && oracle->status == PQ_OK;
	ask_evaluator(pair, request, arena, &own);
	return compare_answers(&own, oracle, arena, tally);
}

const char *
pq_compare(const struct pq_pair *pair, const struct pq_request *request, struct pq_arena *arena, struct pq_tally *tally)
{
	struct pq_answer oracle;

	pq_ask_oracle(pair, request, arena, &oracle);
	return pq_compare_with(pair, request, &oracle, true, arena, tally);
}

void
pq_tally_print(const struct pq_tally *tally)
{
	printf("%zu requests: %zu settled without a search, %zu by one (%zu more left out), %zu refused, %zu inexact",
	       tally->requests, tally->settled, tally->searched, tally->left, tally->refused, tally->inexact);
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

/* Requests and cases in JSON, from anybody: no input may crash, and what is read obeys the bounds of policy/facts.h. */
#include "policy/decision.h"
#include "policy/request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check_facts(const struct pq_facts *facts)
{
	require(facts->n <= PQ_MAX_FACTS);
	for (size_t i = 0; i < facts->n; i++) {
		const struct pq_value *value = &facts->at[i].value;
		require(facts->at[i].name.len > 0 && facts->at[i].name.len <= PQ_MAX_STRING);
		require(value->kind != PQ_VALUE_TEXT || value->text.len <= PQ_MAX_STRING);
		require(value->kind != PQ_VALUE_TEXTS || value->n_texts <= PQ_MAX_SET);
	}
}

static void
check_request(const struct pq_request *request)
{
	require(request->n_lines <= PQ_MAX_LINES && request->n_parties <= PQ_MAX_PARTIES);
	require(request->n_hits <= PQ_MAX_HITS && request->n_intermediates <= PQ_MAX_INTERMEDIATES);
	check_facts(&request->facts);
	for (size_t i = 0; i < request->n_lines; i++)
		check_facts(&request->lines[i]);
	for (size_t i = 0; i < request->n_parties; i++) {
		check_facts(&request->parties[i].facts);
		require(request->parties[i].n_owners <= PQ_MAX_OWNERS);
		for (size_t k = 0; k < request->parties[i].n_owners; k++)
			check_facts(&request->parties[i].owners[k]);
	}
	for (size_t i = 0; i < request->n_hits; i++)
		check_facts(&request->hits[i]);
	for (size_t i = 0; i < request->n_intermediates; i++)
		check_facts(&request->intermediates[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pq_arena arena;
	struct pq_request request;
	struct pq_case_text read;
	struct pq_err err = {0};

	pq_arena_init(&arena, (size_t)64 << 20);
	if (pq_request_from_json((const char *)data, size, &arena, &request, &err) == PQ_OK)
		check_request(&request);
	else
		require(err.status != PQ_OK && err.msg[0] != '\0');
	if (pq_case_from_json((const char *)data, size, &arena, &read, &err) == PQ_OK) {
		static const char *const spares[] = {"GOV(b)(2)(i)", NULL};
		struct pq_barred barred[] = {{.name = "LVS"}, {.name = "all but GOV(b)(2)(i)", .spares = spares}};
		struct pq_decision decision = {
			.outcome = PQ_OUTCOME_REFER, .jurisdiction = "", .barred = barred, .n_barred = 2};
		check_request(&read.request);
		(void)pq_case_judge(&read.expected, &decision, &arena);
	}
	pq_arena_release(&arena);
	return 0;
}

/*
 * A tool for those who write packs: judge cases with the oracle.
 *
 *     oracle_cases rules/us rules/us-ear -- cases.jsonl [-v]
 *
 * Prints each failure with what was expected and what came, then "N passed, N failed"; -v prints every decision.
 */
#include "policy/request.h"
#include "storage/files.h"
#include "tests/oracle/oracle.h"
#include "tests/support/load_packs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((size_t)64 << 20)

static _Noreturn void
stop(const struct pq_err *err)
{
	char text[1024];

	pq_err_format(err, text, sizeof(text));
	fprintf(stderr, "%s\n", text);
	exit(2);
}

static void
print_decision(const struct pq_decision *d, struct pq_arena *arena)
{
	const char *json = pq_decision_to_json(d, arena);

	printf("    %s\n    rules:", json != NULL ? json : "");
	for (size_t i = 0; i < d->n_rules; i++)
		printf(" %s", d->rules[i]->id);
	printf("\n    moot:");
	for (size_t i = 0; i < d->n_moot; i++)
		printf(" %s", d->moot[i].name);
	printf("\n    barred:");
	for (size_t i = 0; i < d->n_barred; i++)
		printf(" %s (%s)", d->barred[i].name, d->barred[i].rule->id);
	printf("\n    best %s, worst %s%s\n", pq_outcome_name(d->best), pq_outcome_name(d->worst),
	       d->exact ? "" : ", inexact");
}

static bool
run_case(const struct pq_model *model, const char *line, size_t len, bool verbose)
{
	struct pq_arena arena;
	struct pq_case_text text;
	struct pq_decision decision;
	const struct pq_violation *violations = NULL;
	size_t n_violations = 0;
	struct pq_err err;
	const char *verdict;

	pq_arena_init(&arena, (size_t)1 << 30);
	if (pq_case_from_json(line, len, &arena, &text, &err) != PQ_OK)
		stop(&err);
	if (pq_oracle_decide(model, &text.request, &arena, &decision, &violations, &n_violations, &err) != PQ_OK) {
		printf("%s: refused\n", text.id);
		for (size_t i = 0; i < n_violations; i++)
			printf("    %s: %s\n", violations[i].field, violations[i].reason);
		pq_arena_release(&arena);
		return false;
	}
	verdict = pq_case_judge(&text.expected, &decision, &arena);
	if (verdict != NULL || verbose) {
		printf("%s: %s\n", text.id, verdict != NULL ? verdict : "passed");
		print_decision(&decision, &arena);
	}
	bool passed = verdict == NULL;
	pq_arena_release(&arena);
	return passed;
}

int
main(int argc, char **argv)
{
	struct pq_arena arena;
	struct pq_err err;
	const char *data;
	size_t len, passed = 0, failed = 0;
	int split = 1;

	while (split < argc && strcmp(argv[split], "--") != 0)
		split++;
	if (split + 1 >= argc) {
		fprintf(stderr, "usage: oracle_cases PACKDIR... -- FILE.jsonl [-v]\n");
		return 2;
	}
	bool verbose = split + 2 < argc && strcmp(argv[split + 2], "-v") == 0;
	pq_arena_init(&arena, (size_t)4 << 30);
	struct pq_model *model;
	if (pq_test_load_packs((const char *const *)argv + 1, (size_t)split - 1, &arena, &model) != PQ_OK)
		return 2;
	if (pq_files_read(argv[split + 1], MAX_FILE, &arena, &data, &len, &err) != PQ_OK)
		stop(&err);
	for (const char *line = data; line < data + len;) {
		const char *end = memchr(line, '\n', (size_t)(data + len - line));
		size_t n = end != NULL ? (size_t)(end - line) : (size_t)(data + len - line);
		if (n > 0 && strspn(line, " \t\r") < n)
			*(run_case(model, line, n, verbose) ? &passed : &failed) += 1;
		line += n + 1;
	}
	printf("%zu passed, %zu failed\n", passed, failed);
	pq_arena_release(&arena);
	return failed > 0;
}

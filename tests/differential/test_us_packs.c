/*
 * Both evaluators over the US packs and their own cases, as written and changed: in most of the random requests only
 * values, in every twentieth facts are left out and unknown, too, which costs the oracle a hundred times as much.
 * PQ_DIFF_US_REQUESTS and PQ_DIFF_SEED say how many and which; PQ_DIFF_US_SECONDS ends the run before they are done, and
 * PQ_DIFF_US_PROGRESS prints a line after so many.
 *
 * ctest: timeout=1200
 */
#include "tests/differential/compare.h"

#include "policy/compile.h"
#include "policy/request.h"
#include "tests/support/load_packs.h"
#include "tests/support/random_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* About a minute on one core: every twentieth takes the oracle much longer. */
#define DEFAULT_REQUESTS 1500
/* Of so many random requests one has facts left out and unknown. */
#define UNKNOWN_EVERY 20
#define PACKS_MAX ((size_t)4 << 30)
#define REQUESTS_MAX ((size_t)1 << 30)

static const char *const packs[] = {"rules/us", "rules/us-ear", "rules/us-itar"};

struct run {
	struct pq_arena packs, requests;
	struct pq_pair pair;
	struct pq_random_request_form form;
	struct pq_tally tally;
};

static int
set_up(void **state)
{
	struct run *run = calloc(1, sizeof(*run));
	const struct pq_blob *blobs;
	size_t n;
	struct pq_err err;

	if (run == NULL)
		return -1;
	pq_arena_init(&run->packs, PACKS_MAX);
	pq_arena_init(&run->requests, REQUESTS_MAX);
	*state = run;
	if (pq_test_load_packs(packs, sizeof(packs) / sizeof(packs[0]), &run->packs, &run->pair.model) != PQ_OK)
		return -1;
	if (pq_compile(run->pair.model, &run->packs, &blobs, &n, &err) != PQ_OK ||
	    pq_image_open(blobs, n, &run->pair.image, &err) != PQ_OK) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	pq_random_request_form(run->pair.model, &run->packs, &run->form);
	return 0;
}

static int
tear_down(void **state)
{
	struct run *run = *state;

	pq_image_close(run->pair.image);
	pq_arena_release(&run->packs);
	pq_arena_release(&run->requests);
	free(run);
	return 0;
}

static void
check(struct run *run, const struct pq_request *request, const char *id, uint64_t seed)
{
	const char *difference = pq_compare(&run->pair, request, &run->requests, &run->tally);

	if (difference == NULL)
		return;
	printf("==== case %s, seed 0x%llx ====\n%s\n==== evaluator against oracle ====\n%s\n", id, (unsigned long long)seed,
	       pq_request_text(request, &run->requests), difference);
	fail_msg("the evaluators disagree");
}

static void
read_case(struct run *run, const struct pq_case *of, struct pq_case_text *ret)
{
	struct pq_err err;

	if (pq_case_from_json(of->json, of->len, &run->requests, ret, &err) != PQ_OK)
		fail_msg("case %s cannot be read: %s", of->id, err.msg);
}

static void
test_cases_as_written(void **state)
{
	struct run *run = *state;

	for (size_t i = 0; i < run->pair.model->n_cases; i++) {
		struct pq_case_text text;
		pq_arena_reset(&run->requests);
		read_case(run, &run->pair.model->cases[i], &text);
		check(run, &text.request, text.id, 0);
	}
}

static void
test_changed_cases(void **state)
{
	struct run *run = *state;
	const struct pq_model *model = run->pair.model;
	size_t n = pq_env_number("PQ_DIFF_US_REQUESTS", DEFAULT_REQUESTS);
	uint64_t seed = pq_env_number("PQ_DIFF_SEED", 1);
	size_t seconds = pq_env_number("PQ_DIFF_US_SECONDS", 0), progress = pq_env_number("PQ_DIFF_US_PROGRESS", 0);
	time_t start = time(NULL);
	size_t done = 0;

	for (size_t i = 0; i < n && model->n_cases > 0; i++) {
		struct pq_case_text text;
		struct pq_request request;
		pq_arena_reset(&run->requests);
		if (seconds > 0 && time(NULL) - start >= (time_t)seconds)
			break;
		read_case(run, &model->cases[(seed + i) % model->n_cases], &text);
		if ((seed + i) % UNKNOWN_EVERY == 0)
			pq_random_change(&run->form, &text.request, seed + i, &run->requests, &request);
		else
			pq_random_change_values(&run->form, &text.request, seed + i, &run->requests, &request);
		check(run, &request, text.id, seed + i);
		done++;
		if (progress > 0 && (i + 1) % progress == 0) {
			printf("%zu of %zu agree, %ld s\n", i + 1, n, (long)(time(NULL) - start));
			fflush(stdout);
		}
	}
	printf("random requests: %zu\nseed %llu, US packs, ", done, (unsigned long long)seed);
	pq_tally_print(&run->tally);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases_as_written),
		cmocka_unit_test(test_changed_cases),
	};

	for (size_t i = 0; i < sizeof(packs) / sizeof(packs[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), "%s/pack.yaml", packs[i]);
		if (access(path, R_OK) != 0)
			return 77; /* no US packs here */
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/*
 * Both evaluators over the US packs and their own cases, as written and changed: most of the random requests are told
 * what their answer would miss, in one of forty facts are left out and unknown, too.
 * PQ_DIFF_US_REQUESTS and PQ_DIFF_SEED say how many and which; PQ_DIFF_US_SEARCH n: of those whose answer needs a search
 * only every n-th is compared (by its seed), as one costs the oracle as much as hundreds of others; PQ_DIFF_US_SECONDS
 * ends the run before they are done, and PQ_DIFF_US_PROGRESS prints a line after so many.
 *
 * ctest: timeout=1200
 */
#include "tests/differential/compare.h"

#include "policy/compile.h"
#include "policy/request.h"
#include "tests/support/load_packs.h"
#include "tests/support/random_told.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* About a minute on one core. */
#define DEFAULT_REQUESTS 100000
/* After so many a run ends. */
#define MAX_DISAGREEMENTS 10
#define PACKS_MAX ((size_t)4 << 30)
#define REQUESTS_MAX ((size_t)1 << 30)

static const char *const packs[] = {"rules/us", "rules/us-ear", "rules/us-itar"};

struct run {
	struct pq_arena packs, requests;
	struct pq_pair pair;
	struct pq_random_request_form form;
	struct pq_teller *teller;
	struct pq_answer answer; /* the oracle's to the last question */
	size_t disagreements;
	struct pq_tally tally;
};

/* The oracle tells at one look what the answer may hang on; to find out what it does hang on would take a search. */
static size_t
ask_oracle(void *of, const struct pq_request *request, struct pq_arena *arena, const struct pq_missing **ret)
{
	struct run *run = of;
	struct pq_answer *answer = &run->answer;

	pq_ask_oracle(&run->pair, request, arena, answer);
	*ret = answer->decision.missing;
	return answer->settled ? 0 : answer->decision.n_missing;
}

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
	    pq_image_open(blobs, n, &run->pair.image, &err) != PQ_OK ||
	    pq_evaluator_new(run->pair.image, &run->pair.evaluator, &err) != PQ_OK) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	pq_random_request_form(run->pair.model, &run->packs, &run->form);
	run->teller = pq_teller_new(&run->form, ask_oracle, run, &run->packs);
	return 0;
}

static int
tear_down(void **state)
{
	struct run *run = *state;

	pq_evaluator_free(run->pair.evaluator);
	pq_image_close(run->pair.image);
	pq_arena_release(&run->packs);
	pq_arena_release(&run->requests);
	free(run);
	return 0;
}

static void
check(struct run *run, const struct pq_request *request, const char *id, uint64_t seed, bool search)
{
	const char *difference = pq_compare_with(&run->pair, request, &run->answer, search, &run->requests, &run->tally);

	if (difference == NULL)
		return;
	run->disagreements++;
	printf("==== case %s, seed 0x%llx ====\n%s\n==== evaluator against oracle ====\n%s\n", id, (unsigned long long)seed,
	       pq_request_text(request, &run->requests), difference);
	fflush(stdout);
	if (run->disagreements == MAX_DISAGREEMENTS)
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
		pq_ask_oracle(&run->pair, &text.request, &run->requests, &run->answer);
		check(run, &text.request, text.id, 0, true);
	}
	assert_int_equal(run->disagreements, 0);
}

static void
test_changed_cases(void **state)
{
	struct run *run = *state;
	size_t n = pq_env_number("PQ_DIFF_US_REQUESTS", DEFAULT_REQUESTS), search = pq_env_number("PQ_DIFF_US_SEARCH", 1);
	size_t seconds = pq_env_number("PQ_DIFF_US_SECONDS", 0), progress = pq_env_number("PQ_DIFF_US_PROGRESS", 0);
	uint64_t seed = pq_env_number("PQ_DIFF_SEED", 1);
	time_t start = time(NULL);
	size_t done = 0;

	run->tally = (struct pq_tally){0};
	while (done < n && run->pair.model->n_cases > 0 && (seconds == 0 || time(NULL) - start < (time_t)seconds)) {
		struct pq_request request;
		const char *id;
		pq_arena_reset(&run->requests);
		if (!pq_random_told(run->teller, seed + done, &run->requests, &request, &id))
			pq_ask_oracle(&run->pair, &request, &run->requests, &run->answer);
		check(run, &request, id, seed + done, search > 0 && (seed + done) % search == 0);
		done++;
		if (progress > 0 && done % progress == 0) {
			printf("%zu of %zu agree, %zu left out, %ld s\n", done - run->tally.left, n, run->tally.left,
			       (long)(time(NULL) - start));
			fflush(stdout);
		}
	}
	printf("made: %zu\nsettled: %zu\nsearched: %zu\nleft out: %zu\nseed %llu, US packs, ", done, run->tally.settled,
	       run->tally.searched, run->tally.left, (unsigned long long)seed);
	pq_tally_print(&run->tally);
	assert_int_equal(run->disagreements, 0);
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

/*
 * A space of blocks against one of whole bitmaps (PQ_SPARSE_FROM): the same decision to the last text, and the same
 * days for which it stands, over random packs and over the US packs' cases, as written and changed.
 * PQ_SPARSE_PACKS, PQ_SPARSE_REQUESTS (of both kinds) and PQ_DIFF_SEED say how many and which.
 */
#include "tests/differential/compare.h"

#include "policy/compile.h"
#include "policy/decide.h"
#include "policy/pack.h"
#include "policy/request.h"
#include "policy/window.h"
#include "tests/support/load_packs.h"
#include "tests/support/random.h"
#include "tests/support/random_pack.h"
#include "tests/support/random_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DEFAULT_PACKS 100
#define DEFAULT_REQUESTS 10000
#define NEAR_MISSES 8
#define ARENA_MAX ((size_t)4 << 30)

static const char *const us_packs[] = {"rules/us", "rules/us-ear", "rules/us-itar"};

enum { DENSE, SPARSE, KINDS };

struct run {
	struct pq_arena packs, requests;
	struct pq_model *model;
	struct pq_image *images[KINDS];
	struct pq_evaluator *evaluators[KINDS];
	struct pq_random_request_form form;
};

static void
begin(struct run *run)
{
	static const size_t sparse_from[KINDS] = {[DENSE] = SIZE_MAX, [SPARSE] = 1};
	const struct pq_blob *blobs;
	struct pq_image_counts counts[KINDS];
	size_t n;
	struct pq_err err;

	for (int kind = 0; kind < KINDS; kind++) {
		if (pq_compile_sparse_from(run->model, sparse_from[kind], &run->packs, &blobs, &n, &err) != PQ_OK ||
		    pq_image_open(blobs, n, &run->images[kind], &err) != PQ_OK ||
		    pq_evaluator_new(run->images[kind], &run->evaluators[kind], &err) != PQ_OK)
			fail_msg("%s", err.msg);
		pq_image_counts(run->images[kind], &counts[kind]);
	}
	assert_int_equal(counts[DENSE].alternatives, counts[SPARSE].alternatives);
	pq_random_request_form(run->model, &run->packs, &run->form);
}

static void
end(struct run *run)
{
	for (int kind = 0; kind < KINDS; kind++) {
		pq_evaluator_free(run->evaluators[kind]);
		pq_image_close(run->images[kind]);
	}
	pq_arena_reset(&run->packs);
}

/* The whole answer as text, with its days where they are asked for: a decision, or what is wrong with the request. */
static const char *
answer(struct run *run, int kind, const struct pq_request *request, bool days)
{
	struct pq_decision decision;
	struct pq_window window = {0};
	const struct pq_violation *violations = NULL;
	size_t n = 0;
	struct pq_err err;
	enum pq_status status =
	    days ? pq_evaluator_window(run->evaluators[kind], request, &run->requests, &decision, &window, &err)
	         : pq_evaluator_decide(run->evaluators[kind], request, &run->requests, &decision, &violations, &n, &err);

	if (status == PQ_OK)
		return pq_arena_printf(&run->requests, "%s\n%lld to %lld", pq_decision_to_json(&decision, &run->requests),
		                       (long long)window.from, (long long)window.until);
	const char *text = pq_arena_printf(&run->requests, "status %d: %s", (int)status, err.msg);
	for (size_t i = 0; i < n; i++)
		text = pq_arena_printf(&run->requests, "%s\n%s %s", text, violations[i].field, violations[i].description);
	return text;
}

static void
check(struct run *run, const struct pq_request *request, uint64_t seed)
{
	for (int days = 0; days < 2; days++) {
		const char *dense = answer(run, DENSE, request, days), *sparse = answer(run, SPARSE, request, days);

		assert_non_null(dense);
		assert_non_null(sparse);
		if (strcmp(dense, sparse) == 0)
			continue;
		printf("==== request seed 0x%llx ====\n%s\n==== whole bitmaps ====\n%s\n==== blocks ====\n%s\n",
		       (unsigned long long)seed, pq_request_text(request, &run->requests), dense, sparse);
		fail_msg("blocks change an answer");
	}
}

static void
test_random_packs(void **state)
{
	struct run *run = *state;
	size_t packs = pq_env_number("PQ_SPARSE_PACKS", DEFAULT_PACKS);
	size_t requests = pq_env_number("PQ_SPARSE_REQUESTS", DEFAULT_REQUESTS);
	struct pq_random seeds = {pq_env_number("PQ_DIFF_SEED", 1)};

	for (size_t done = 0; done < packs;) {
		struct pq_image *image;
		uint64_t seed = pq_random_next(&seeds);
		pq_arena_reset(&run->packs);
		if (!pq_random_image(seed, &run->packs, &run->model, &image))
			continue;
		pq_image_close(image);
		begin(run);
		for (size_t i = 0; i < requests / packs; i++) {
			struct pq_request request;
			uint64_t one = seed ^ (i + 1) * 0x9e3779b97f4a7c15u;
			pq_arena_reset(&run->requests);
			pq_random_request(&run->form, one, &run->requests, &request);
			request.near_misses = i % 8 == 0 ? NEAR_MISSES : 0;
			check(run, &request, one);
		}
		end(run);
		done++;
	}
}

static void
test_us_packs(void **state)
{
	struct run *run = *state;
	size_t requests = pq_env_number("PQ_SPARSE_REQUESTS", DEFAULT_REQUESTS);
	struct pq_random random = {pq_env_number("PQ_DIFF_SEED", 1)};

	if (access("rules/us/pack.yaml", R_OK) != 0)
		skip();
	if (pq_test_load_packs(us_packs, sizeof(us_packs) / sizeof(us_packs[0]), &run->packs, &run->model) != PQ_OK)
		fail_msg("the US packs cannot be loaded");
	begin(run);
	for (size_t i = 0; i < requests; i++) {
		const struct pq_case *of = &run->model->cases[pq_random_next(&random) % run->model->n_cases];
		struct pq_case_text text;
		struct pq_request request;
		struct pq_err err;
		uint64_t seed = pq_random_next(&random);
		pq_arena_reset(&run->requests);
		assert_int_equal(pq_case_from_json(of->json, of->len, &run->requests, &text, &err), PQ_OK);
		text.request.near_misses = seed % 64 == 1 ? NEAR_MISSES : 0;
		/* Changed ones are seldom determined, and slow for that. */
		if (seed % 16 == 0)
			pq_random_change(&run->form, &text.request, seed, &run->requests, &request);
		check(run, seed % 16 == 0 ? &request : &text.request, seed);
	}
	end(run);
}

int
main(void)
{
	static struct run run;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_random_packs, &run),
		cmocka_unit_test_prestate(test_us_packs, &run),
	};

	pq_arena_init(&run.packs, ARENA_MAX);
	pq_arena_init(&run.requests, ARENA_MAX);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	pq_arena_release(&run.packs);
	pq_arena_release(&run.requests);
	return failed;
}

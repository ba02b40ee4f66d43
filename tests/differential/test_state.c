/*
 * An evaluator that keeps its state against pq_decide(): the same decision, to the last text, whatever requests came
 * before, and whatever requests come between the steps of one that is decided in steps. Over random packs, and over the US packs' cases, as written and changed, in random order.
 * PQ_STATE_PACKS, PQ_STATE_REQUESTS (of both kinds) and PQ_DIFF_SEED say how many and which.
 */
#include "tests/differential/compare.h"

#include "policy/compile.h"
#include "policy/decide.h"
#include "policy/pack.h"
#include "policy/request.h"
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

struct run {
	struct pq_arena packs, requests, between;
	size_t n_stepped;
	struct pq_model *model;
	struct pq_image *image;
	struct pq_evaluator *evaluator;
	struct pq_random_request_form form;
};

static void
begin(struct run *run)
{
	struct pq_err err;

	if (pq_evaluator_new(run->image, &run->evaluator, &err) != PQ_OK)
		fail_msg("%s", err.msg);
	pq_random_request_form(run->model, &run->packs, &run->form);
}

static void
end(struct run *run)
{
	pq_evaluator_free(run->evaluator);
	pq_image_close(run->image);
	pq_arena_reset(&run->packs);
}

enum way { COLD, KEPT, IN_STEPS };

struct told {
	struct pq_decision decision;
	const struct pq_violation *violations;
	size_t n_violations;
	struct pq_err err;
};

/* Between any two steps the evaluator decides the line that the request would be without its lines. */
static enum pq_status
decide_in_steps(struct run *run, const struct pq_request *request, struct told *told)
{
	struct pq_evaluation *evaluation = NULL;
	struct pq_request other = *request;
	bool done = false;
	enum pq_status status = pq_evaluator_begin(run->evaluator, request, &run->requests, &evaluation,
	                                           &told->violations, &told->n_violations, &told->err);

	other.n_lines = 0;
	while (status == PQ_OK && !done) {
		struct pq_decision decision;
		struct pq_err err;
		status = pq_evaluation_step(evaluation, &done, &told->violations, &told->n_violations, &told->err);
		pq_arena_reset(&run->between);
		enum pq_status unused =
		    pq_evaluator_decide(run->evaluator, &other, &run->between, &decision, NULL, NULL, &err);
		(void)unused;
	}
	if (status == PQ_OK)
		status = pq_evaluation_finish(evaluation, &told->decision, &told->err);
	pq_evaluation_end(evaluation);
	return status;
}

/* The whole answer as text: a decision, or what is wrong with the request. */
static const char *
answer(struct run *run, const struct pq_request *request, enum way way)
{
	struct told told = {0};
	enum pq_status status;

	if (way == IN_STEPS)
		status = decide_in_steps(run, request, &told);
	else if (way == KEPT)
		status = pq_evaluator_decide(run->evaluator, request, &run->requests, &told.decision, &told.violations,
		                             &told.n_violations, &told.err);
	else
		status = pq_decide(run->image, request, &run->requests, &told.decision, &told.violations,
		                   &told.n_violations, &told.err);
	if (status == PQ_OK)
		return pq_decision_to_json(&told.decision, &run->requests);
	const char *text = pq_arena_printf(&run->requests, "status %d: %s", (int)status, told.err.msg);
	for (size_t i = 0; i < told.n_violations; i++)
		text = pq_arena_printf(&run->requests, "%s\n%s %s", text, told.violations[i].field,
		                       told.violations[i].description);
	return text;
}

static void
check(struct run *run, const struct pq_request *request, uint64_t seed)
{
	const char *cold = answer(run, request, COLD);

	assert_non_null(cold);
	for (enum way way = KEPT; way <= IN_STEPS; way++) {
		/* The others have one leg, and their steps nothing in between that would matter. */
		if (way == IN_STEPS && !pq_request_may_have_legs(request))
			continue;
		run->n_stepped += way == IN_STEPS;
		const char *warm = answer(run, request, way);
		assert_non_null(warm);
		if (strcmp(cold, warm) == 0)
			continue;
		printf("==== request seed 0x%llx ====\n%s\n==== by itself ====\n%s\n==== %s ====\n%s\n",
		       (unsigned long long)seed, pq_request_text(request, &run->requests), cold,
		       way == IN_STEPS ? "in steps" : "kept state", warm);
		fail_msg("the kept state changes an answer");
	}
}

static void
test_random_packs(void **state)
{
	struct run *run = *state;
	size_t packs = pq_env_number("PQ_STATE_PACKS", DEFAULT_PACKS);
	size_t requests = pq_env_number("PQ_STATE_REQUESTS", DEFAULT_REQUESTS);
	struct pq_random seeds = {pq_env_number("PQ_DIFF_SEED", 1)};

	for (size_t done = 0; done < packs;) {
		uint64_t seed = pq_random_next(&seeds);
		pq_arena_reset(&run->packs);
		if (!pq_random_image(seed, &run->packs, &run->model, &run->image))
			continue;
		begin(run);
		for (size_t i = 0; i < requests / packs; i++) {
			struct pq_request request, changed;
			uint64_t one = seed ^ (i + 1) * 0x9e3779b97f4a7c15u;
			pq_arena_reset(&run->requests);
			pq_random_request(&run->form, one, &run->requests, &request);
			request.near_misses = i % 8 == 0 ? NEAR_MISSES : 0; /* they open and close facts of the kept state */
			check(run, &request, one);
			pq_random_change(&run->form, &request, one, &run->requests, &changed);
			check(run, &changed, one);
			check(run, &request, one);
		}
		end(run);
		done++;
	}
	assert_true(run->n_stepped > requests / 100);
}

static void
open_us_packs(struct run *run)
{
	const struct pq_blob *blobs;
	size_t n;
	struct pq_err err;

	if (pq_test_load_packs(us_packs, sizeof(us_packs) / sizeof(us_packs[0]), &run->packs, &run->model) != PQ_OK ||
	    pq_compile(run->model, &run->packs, &blobs, &n, &err) != PQ_OK ||
	    pq_image_open(blobs, n, &run->image, &err) != PQ_OK)
		fail_msg("the US packs cannot be opened");
}

static void
test_us_packs(void **state)
{
	struct run *run = *state;
	size_t requests = pq_env_number("PQ_STATE_REQUESTS", DEFAULT_REQUESTS);
	struct pq_random random = {pq_env_number("PQ_DIFF_SEED", 1)};

	if (access("rules/us/pack.yaml", R_OK) != 0)
		skip();
	open_us_packs(run);
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
		/* Changed ones are seldom determined, and slow for that; they must leave the kept state as it should be. */
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
	pq_arena_init(&run.between, ARENA_MAX);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	pq_arena_release(&run.packs);
	pq_arena_release(&run.requests);
	pq_arena_release(&run.between);
	return failed;
}

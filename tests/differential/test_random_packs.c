/*
 * Both evaluators over random packs and random requests: equal on every field.
 * PQ_DIFF_PACKS, PQ_DIFF_REQUESTS (over all packs) and PQ_DIFF_SEED say how many and which.
 *
 * ctest: timeout=1200
 */
#include "tests/differential/compare.h"

#include "policy/compile.h"
#include "policy/pack.h"
#include "tests/support/random.h"
#include "tests/support/random_pack.h"
#include "tests/support/random_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DEFAULT_PACKS 200
#define DEFAULT_REQUESTS 100000
/* Of the random packs, so many may be refused by the loader (a condition that can never hold, ...). */
#define MAX_REFUSED_PERCENT 30
#define ARENA_MAX ((size_t)1 << 30)

struct run {
	struct pq_arena packs, requests;
	struct pq_tally tally;
	size_t refused;
};

static void
print_pack(const struct pq_random_pack *pack)
{
	for (size_t i = 0; i < pack->n; i++)
		printf("==== %s ====\n%.*s\n", pack->files[i].path, (int)pack->files[i].len, pack->files[i].data);
}

/* False: the loader refuses it. */
static bool
build(struct run *run, const struct pq_random_pack *pack, struct pq_pair *ret)
{
	struct pq_findings findings = {0};
	const struct pq_blob *blobs;
	size_t n;
	struct pq_err err;
	char text[1024];

	if (pq_model_load(pack->files, pack->n, &run->packs, &ret->model, &findings, &err) != PQ_OK) {
		for (size_t i = 0; getenv("PQ_DIFF_SHOW_REFUSED") != NULL && i < findings.n; i++) {
			if (findings.at[i].severity == PQ_SEVERITY_ERROR)
				printf("refused: %s:%d: %s\n", findings.at[i].src.file, findings.at[i].src.line, findings.at[i].text);
		}
		return false;
	}
	if (pq_compile(ret->model, &run->packs, &blobs, &n, &err) != PQ_OK ||
	    pq_image_open(blobs, n, &ret->image, &err) != PQ_OK) {
		pq_err_format(&err, text, sizeof(text));
		fail_msg("a random pack cannot be compiled: %s", text);
	}
	return true;
}

static void
run_requests(struct run *run, const struct pq_random_pack *pack, const struct pq_pair *pair, uint64_t pack_seed,
             size_t n, uint64_t only)
{
	struct pq_random_request_form form;

	pq_random_request_form(pair->model, &run->packs, &form);
	for (uint64_t i = 0; i < n; i++) {
		struct pq_request request;
		uint64_t seed = only != 0 ? only : pack_seed ^ (i + 1) * 0x9e3779b97f4a7c15u;
		pq_arena_reset(&run->requests);
		pq_random_request(&form, seed, &run->requests, &request);
		const char *difference = pq_compare(pair, &request, &run->requests, &run->tally);
		if (difference == NULL)
			continue;
		if (getenv("PQ_DIFF_PACK_TEXT") == NULL || getenv("PQ_DIFF_PACK_TEXT")[0] != '0')
			print_pack(pack);
		printf("==== pack seed 0x%llx, request seed 0x%llx ====\n%s\n==== evaluator against oracle ====\n%s\n",
		       (unsigned long long)pack_seed, (unsigned long long)seed, pq_request_text(&request, &run->requests),
		       difference);
		fail_msg("the evaluators disagree");
	}
}

static void
test_random_packs(void **state)
{
	struct run *run = *state;
	size_t packs = pq_env_number("PQ_DIFF_PACKS", DEFAULT_PACKS);
	size_t requests = pq_env_number("PQ_DIFF_REQUESTS", DEFAULT_REQUESTS);
	uint64_t pack_only = strtoull(getenv("PQ_DIFF_PACK") != NULL ? getenv("PQ_DIFF_PACK") : "0", NULL, 0);
	uint64_t request_only = strtoull(getenv("PQ_DIFF_REQUEST") != NULL ? getenv("PQ_DIFF_REQUEST") : "0", NULL, 0);
	struct pq_random seeds = {pq_env_number("PQ_DIFF_SEED", 1)};
	size_t done = 0;

	while (done < packs) {
		struct pq_random_pack pack;
		struct pq_pair pair = {0};
		uint64_t seed = pack_only != 0 ? pack_only : pq_random_next(&seeds);
		pq_arena_reset(&run->packs);
		pq_random_pack(seed, &run->packs, &pack);
		if (!build(run, &pack, &pair)) {
			if (++run->refused > packs * MAX_REFUSED_PERCENT / 100 + 10)
				fail_msg("the loader refuses too many random packs");
			continue;
		}
		run_requests(run, &pack, &pair, seed, request_only != 0 ? 1 : requests / packs, request_only);
		pq_image_close(pair.image);
		done++;
	}
	printf("seed %lu, %zu packs (%zu refused by the loader), ", pq_env_number("PQ_DIFF_SEED", 1), done, run->refused);
	pq_tally_print(&run->tally);
}

int
main(void)
{
	static struct run run;
	const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_random_packs, &run)};

	pq_arena_init(&run.packs, ARENA_MAX);
	pq_arena_init(&run.requests, ARENA_MAX);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	pq_arena_release(&run.packs);
	pq_arena_release(&run.requests);
	return failed;
}

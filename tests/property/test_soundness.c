/*
 * What is decided while facts are unknown holds for every completion of them: over the US packs' cases as written and as
 * changed, and over random packs. PQ_PROPERTY_REQUESTS, PQ_PROPERTY_PACKS and PQ_PROPERTY_SEED say how many and which;
 * PQ_PROPERTY_ALL=1 goes on after what is broken, and counts.
 *
 * ctest: timeout=1200
 */
#include "tests/property/soundness.h"

#include "policy/compile.h"
#include "policy/pack.h"
#include "policy/request.h"
#include "tests/support/load_packs.h"
#include "tests/support/random_pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define DEFAULT_REQUESTS 300
#define DEFAULT_PACKS 40
#define MOST_US 150
#define MOST_RANDOM 300
#define REQUESTS_OF_A_PACK 25
#define PACKS_MAX ((size_t)4 << 30)

static const char *const us_packs[] = {"rules/us", "rules/us-ear", "rules/us-itar"};

static unsigned long
number_from(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text != NULL && text[0] != '\0' ? strtoul(text, NULL, 0) : otherwise;
}

static size_t
tell(const char *broken, const char *of, uint64_t seed, uint64_t pack_seed)
{
	if (broken == NULL)
		return 0;
	printf("==== %s, seed 0x%llx, pack seed 0x%llx ====\n%s\n", of, (unsigned long long)seed, (unsigned long long)pack_seed, broken);
	if (number_from("PQ_PROPERTY_ALL", 0) == 0)
		fail_msg("the promise is broken");
	return 1;
}

static bool
open_model(const struct pq_model *model, struct pq_arena *arena, struct pq_image **ret)
{
	const struct pq_blob *blobs;
	size_t n;
	struct pq_err err;

	if (pq_compile(model, arena, &blobs, &n, &err) == PQ_OK && pq_image_open(blobs, n, ret, &err) == PQ_OK)
		return true;
	fprintf(stderr, "%s\n", err.msg);
	return false;
}

static void
test_us_packs(void **state)
{
	struct pq_arena packs, cases;
	struct pq_model *model;
	struct pq_image *image;
	struct pq_soundness s = {.most = MOST_US};
	size_t broken = 0, n = number_from("PQ_PROPERTY_REQUESTS", DEFAULT_REQUESTS);
	uint64_t seed = number_from("PQ_PROPERTY_SEED", 1);

	(void)state;
	pq_arena_init(&packs, PACKS_MAX);
	pq_arena_init(&cases, PACKS_MAX);
	if (pq_test_load_packs(us_packs, 3, &packs, &model) != PQ_OK || !open_model(model, &packs, &image))
		fail_msg("the US packs cannot be compiled");
	pq_soundness_init(&s);
	s.image = image;
	pq_random_request_form(model, &packs, &s.form);
	for (size_t i = 0; i < n && model->n_cases > 0; i++) {
		uint64_t own = seed * 1000003 + i;
		const struct pq_case *of = &model->cases[(own * 7919) % model->n_cases];
		struct pq_case_text text;
		struct pq_request request;
		pq_arena_reset(&cases);
		if (pq_case_from_json(of->json, of->len, &cases, &text, NULL) != PQ_OK)
			fail_msg("case %s cannot be read", of->id);
		request = text.request;
		if (i % 2 == 1)
			pq_random_change(&s.form, &text.request, own, &cases, &request);
		broken += tell(pq_soundness_check(&s, &request, own), text.id, own, 0);
	}
	printf("seed %llu, US packs, ", (unsigned long long)seed);
	pq_soundness_print(&s);
	pq_soundness_release(&s);
	pq_image_close(image);
	pq_arena_release(&cases);
	pq_arena_release(&packs);
	assert_int_equal(broken, 0);
}

static size_t
check_pack(struct pq_soundness *s, const struct pq_model *model, uint64_t pack_seed, struct pq_arena *packs,
           struct pq_arena *requests)
{
	size_t broken = 0;
	uint64_t only = number_from("PQ_PROPERTY_REQUEST", 0);

	pq_random_request_form(model, packs, &s->form);
	for (uint64_t i = 0; i < (only != 0 ? 1 : REQUESTS_OF_A_PACK); i++) {
		struct pq_request request;
		uint64_t seed = only != 0 ? only : pack_seed ^ (i + 1) * 0x9e3779b97f4a7c15u;
		pq_arena_reset(requests);
		pq_random_request(&s->form, seed, requests, &request);
		broken += tell(pq_soundness_check(s, &request, seed), "random pack", seed, pack_seed);
	}
	return broken;
}

static void
test_random_packs(void **state)
{
	struct pq_arena packs, requests;
	struct pq_soundness s = {.most = MOST_RANDOM};
	struct pq_random seeds = {number_from("PQ_PROPERTY_SEED", 1)};
	uint64_t only = strtoull(getenv("PQ_PROPERTY_PACK") != NULL ? getenv("PQ_PROPERTY_PACK") : "0", NULL, 0);
	size_t done = 0, broken = 0, n = only != 0 ? 1 : number_from("PQ_PROPERTY_PACKS", DEFAULT_PACKS);

	(void)state;
	pq_arena_init(&packs, PACKS_MAX);
	pq_arena_init(&requests, PACKS_MAX);
	pq_soundness_init(&s);
	for (size_t tries = 0; done < n && tries < 3 * n + 10; tries++) {
		struct pq_model *model;
		struct pq_image *image;
		uint64_t seed = only != 0 ? only : pq_random_next(&seeds);
		pq_arena_reset(&packs);
		if (!pq_random_image(seed, &packs, &model, &image))
			continue;
		s.image = image;
		broken += check_pack(&s, model, seed, &packs, &requests);
		pq_image_close(image);
		done++;
	}
	printf("seed %lu, %zu random packs, ", number_from("PQ_PROPERTY_SEED", 1), done);
	pq_soundness_print(&s);
	pq_soundness_release(&s);
	pq_arena_release(&requests);
	pq_arena_release(&packs);
	assert_int_equal(done, n);
	assert_int_equal(broken, 0);
}

int
main(void)
{
	const struct CMUnitTest with_us[] = {cmocka_unit_test(test_us_packs), cmocka_unit_test(test_random_packs)};
	const struct CMUnitTest random_only[] = {cmocka_unit_test(test_random_packs)};

	if (access("rules/us/pack.yaml", R_OK) != 0)
		return cmocka_run_group_tests(random_only, NULL, NULL);
	return cmocka_run_group_tests(with_us, NULL, NULL);
}

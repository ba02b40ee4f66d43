/*
 * Values that the law treats alike get the same answers: in a law that can be held in the head, and over random packs,
 * where each value of a fact is put in the place of the first of its class.
 *
 * ctest: timeout=300
 */
#include "policy/classes.h"
#include "policy/compile.h"
#include "policy/decide.h"
#include "policy/image_private.h"
#include "policy/pack.h"
#include "tests/support/random.h"
#include "tests/support/random_pack.h"
#include "tests/support/random_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ARENA_MAX ((size_t)1 << 30)
#define PACKS 200
#define REQUESTS 12

static struct pq_image *
open_files(const struct pq_pack_file *files, size_t n_files, struct pq_arena *arena)
{
	struct pq_findings findings = {0};
	struct pq_model *model;
	const struct pq_blob *blobs;
	struct pq_image *image;
	struct pq_err err = {0};
	size_t n;

	if (pq_model_load(files, n_files, arena, &model, &findings, &err) != PQ_OK)
		return NULL;
	assert_int_equal(pq_compile(model, arena, &blobs, &n, &err), PQ_OK);
	assert_int_equal(pq_image_open(blobs, n, &image, &err), PQ_OK);
	return image;
}

/* ---- a law that can be held in the head ---- */

#define PACK                                                                                                   \
	"pack: p\ntitle: P\nedition: 2026-01-01\njurisdiction: L\n"                                                \
	"domains: { place: { symbols: [A, B, C, D, E, F, G, H] }, thing: { symbols: [T1, T2, T3] },\n"             \
	"  authority: { symbols: [O] }, reason: { symbols: [R] }, exception: { symbols: [X] } }\n"                 \
	"jurisdictions: [{ name: L, available: LICENSE_EXCEPTION_AVAILABLE }]\n"                                   \
	"tables: [{ name: t, file: tables/t.csv, cite: t, edition: 2026-01-01,\n"                                  \
	"    columns: { place: { type: symbol, domain: place }, note_for_people: { type: text } } },\n"            \
	"  { name: u, file: tables/u.csv, cite: u, edition: 2026-01-01,\n"                                         \
	"    columns: { thing: { type: symbol, domain: thing }, parts: { type: path } } }]\n"                      \
	"facts: [{ name: to, type: symbol, domain: place }, { name: from, type: symbol, domain: place,\n"          \
	"    silence: [{ value: H }] },\n"                                                                         \
	"  { name: thing, type: code, domain: thing, separator: '.', path: thing.part }]\n"                        \
	"attributes: [{ name: listed, type: bool, title: listed }, { name: caught, type: bool, title: caught }]\n"
#define RULES                                                                                                  \
	"- { id: p.l, kind: jurisdiction, cite: l, jurisdiction: L }\n"                                            \
	"- { id: p.d, kind: derive, cite: d, attribute: listed, lookup: { table: t, where: { place: to } } }\n"    \
	"- { id: p.u, kind: derive, cite: u, attribute: caught,\n"                                                 \
	"    lookup: { table: u, where: { thing: thing, parts: thing.part } } }\n"                                 \
	"- { id: p.r, kind: requirement, cite: r, authority: O, reason: R, when: { listed: true, caught: true } }\n" \
	"- { id: p.s, kind: prohibition, cite: s, when: { to: [E] } }\n"
#define TABLE_T                                                                                       \
	"place,note_for_people,valid_from,valid_to\nA,one,2022-01-01,\nB,two,2022-01-01,\nC,three,2023-01-01,\n" \
	"D,four,,2010-01-01\n"
#define TABLE_U "thing,parts\nT1,.a .b.1\nT2,.a .b.1\nT3,entire\n"

static void
expect_classes(const struct pq_image *image, const char *fact, const char *const *texts, size_t n, const char *expected,
               struct pq_arena *arena)
{
	struct pq_texts values = {(const char **)texts, n};
	const struct pq_fact from_g = {{"from", 4}, {.kind = PQ_VALUE_TEXT, .text = {"G", 1}}};
	const struct pq_request said = {.facts = {&from_g, 1}};
	char got[64] = "";
	size_t *classes;

	assert_int_equal(pq_image_classes_of(image, fact, &values, &said, 18993, arena, &classes, NULL), PQ_OK); /* 2022-01-01 */
	for (size_t i = 0; i < n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%zu", classes[i]);
	assert_string_equal(got, expected);
}

static void
test_known_classes(void **state)
{
	const struct pq_pack_file files[] = {{"p/pack.yaml", PACK, strlen(PACK)},
	                                     {"p/rules/r.yaml", RULES, strlen(RULES)},
	                                     {"p/tables/t.csv", TABLE_T, strlen(TABLE_T)},
	                                     {"p/tables/u.csv", TABLE_U, strlen(TABLE_U)}};
	static const char *const places[] = {"A", "B", "C", "D", "E", "F", "G", "H"};
	static const char *const things[] = {"T1", "T1.a", "T2.a", "T1.b", "T2.b", "T1.b.1", "T2", "T3", "T3.a"};
	struct pq_arena arena;

	(void)state;
	pq_arena_init(&arena, ARENA_MAX);
	struct pq_image *image = open_files(files, 4, &arena);
	assert_non_null(image);
	/* A and B have equal rows, C another day, D's row is over like F's that never was; E is in a condition, G is said
	   to be where it comes from, and H is what silence means. */
	expect_classes(image, "to", places, 8, "00234367", &arena);
	/* Equal rows; .b of T1 and of T2 may be .b.1, .b.1 is two parts long and .a one. */
	expect_classes(image, "thing", things, 9, "011335077", &arena);
	pq_image_close(image);
	pq_arena_release(&arena);
}

/* ---- random packs ---- */

struct run {
	struct pq_arena packs, requests;
	size_t compared;
};

/* What the grid records of an answer. */
static const char *
decided(const struct pq_image *image, const struct pq_request *base, const char *fact, const char *value,
        struct pq_arena *arena)
{
	struct pq_request request = *base;
	struct pq_decision d;
	struct pq_err err = {0};
	struct pq_fact *facts = pq_arena_array(arena, base->facts.n + 1, sizeof(*facts));
	size_t n = 0;

	assert_non_null(facts);
	for (size_t i = 0; i < base->facts.n; i++) {
		if (base->facts.at[i].name.len != strlen(fact) || memcmp(base->facts.at[i].name.at, fact, strlen(fact)) != 0)
			facts[n++] = base->facts.at[i];
	}
	if (value != NULL)
		facts[n++] = (struct pq_fact){{fact, strlen(fact)}, {.kind = PQ_VALUE_TEXT, .text = {value, strlen(value)}}};
	request.facts = (struct pq_facts){facts, n};
	request.near_misses = 0;
	enum pq_status status = pq_decide(image, &request, arena, &d, NULL, NULL, &err);
	if (status == PQ_EINVAL)
		return "refused";
	assert_int_equal(status, PQ_OK);
	const char *text = pq_arena_printf(arena, "%s %s %d", pq_outcome_name(d.outcome), pq_policy_name(d.policy), d.exact);
	for (size_t i = 0; i < d.n_available; i++)
		text = pq_arena_printf(arena, "%s, by %s", text, d.available[i].name);
	for (size_t i = 0; i < d.n_missing; i++)
		text = pq_arena_printf(arena, "%s, missing %s", text, d.missing[i].name);
	for (size_t i = 0; i < d.n_obligations; i++)
		text = pq_arena_printf(arena, "%s, duty %s", text, d.obligations[i].label);
	assert_non_null(text);
	return text;
}

static void
compare_values(struct run *run, const struct pq_image *image, const struct pq_p_attr *a, const struct pq_request *request,
               uint64_t seed)
{
	const char *fact = pq_string(image, a->name);
	struct pq_arena *arena = &run->requests;
	struct pq_texts values;
	size_t *classes;
	struct pq_err err = {0};

	if (a->type == PQ_TYPE_CODE)
		assert_int_equal(pq_image_codes_of(image, fact, arena, &values, &err), PQ_OK);
	else
		assert_int_equal(pq_image_symbols_of(image, fact, arena, &values, &err), PQ_OK);
	assert_int_equal(pq_image_classes_of(image, fact, &values, request, request->as_of, arena, &classes, &err), PQ_OK);
	for (size_t i = 0; i < values.n; i++) {
		if (classes[i] == i)
			continue;
		assert_true(classes[i] < i && classes[classes[i]] == classes[i]);
		const char *first = decided(image, request, fact, values.at[classes[i]], arena);
		const char *own = decided(image, request, fact, values.at[i], arena);
		if (strcmp(first, own) != 0) {
			print_error("seed 0x%llx, %s: %s and %s\n%s\n%s\n%s\n", (unsigned long long)seed, fact,
			            values.at[classes[i]], values.at[i], pq_request_text(request, arena), first, own);
			fail_msg("two values of one class have different answers");
		}
		run->compared++;
	}
}

static bool
run_pack(struct run *run, uint64_t seed)
{
	struct pq_random_request_form form;
	struct pq_model *model;
	struct pq_image *image;

	pq_arena_reset(&run->packs);
	if (!pq_random_image(seed, &run->packs, &model, &image))
		return false;
	pq_random_request_form(model, &run->packs, &form);
	for (size_t i = 0; i < REQUESTS; i++) {
		struct pq_request request;
		pq_arena_reset(&run->requests);
		pq_random_request(&form, seed + i, &run->requests, &request);
		for (size_t k = 0; k < image->p.n_attrs; k++) {
			const struct pq_p_attr *a = &image->p.attrs[k];
			if (a->is_fact && a->scope == PQ_SCOPE_REQUEST && (a->type == PQ_TYPE_SYMBOL || a->type == PQ_TYPE_CODE))
				compare_values(run, image, a, &request, seed);
		}
	}
	pq_image_close(image);
	return true;
}

static void
test_random_classes(void **state)
{
	struct run run = {0};
	struct pq_random seeds = {11};

	(void)state;
	pq_arena_init(&run.packs, ARENA_MAX);
	pq_arena_init(&run.requests, ARENA_MAX);
	size_t done = 0;
	for (size_t tries = 0; done < PACKS && tries < 2 * PACKS; tries++)
		done += run_pack(&run, pq_random_next(&seeds));
	pq_arena_release(&run.packs);
	pq_arena_release(&run.requests);
	assert_int_equal(done, PACKS);
	printf("%zu answers of values against those of the first of their class\n", run.compared);
	assert_true(run.compared > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_classes),
		cmocka_unit_test(test_random_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

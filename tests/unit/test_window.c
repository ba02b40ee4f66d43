/*
 * How long an answer stands: on every day of its window the same request is decided in the same way. Over random packs,
 * whose rules, rows, stays, amendments and doubtful dates begin and end within a few years.
 *
 * ctest: timeout=300
 */
#include "policy/compile.h"
#include "policy/pack.h"
#include "policy/request.h"
#include "policy/window.h"
#include "tests/support/random.h"
#include "tests/support/random_pack.h"
#include "tests/support/random_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ARENA_MAX ((size_t)1 << 30)
#define PACKS 40
#define REQUESTS 60
#define DAYS 4

static int32_t
day(const char *text)
{
	int32_t ret;

	assert_true(pq_date_parse(text, strlen(text), &ret));
	return ret;
}

/* ---- a law that can be held in the head ---- */

static struct pq_window
window_of(const struct pq_image *image, const char *json, struct pq_arena *arena, enum pq_outcome expected)
{
	struct pq_request request;
	struct pq_decision decision;
	struct pq_evaluator *evaluator;
	struct pq_window window;

	assert_int_equal(pq_request_from_json(json, strlen(json), arena, &request, NULL), PQ_OK);
	assert_int_equal(pq_evaluator_new(image, &evaluator, NULL), PQ_OK);
	assert_int_equal(pq_evaluator_window(evaluator, &request, arena, &decision, &window, NULL), PQ_OK);
	assert_int_equal(decision.outcome, expected);
	pq_evaluator_free(evaluator);
	return window;
}

#define PACK                                                                             \
	"pack: p\ntitle: P\nedition: 2026-01-01\njurisdiction: L\n"                          \
	"domains: { place: { symbols: [A, B, C] }, authority: { symbols: [O] },\n"              \
	"  reason: { symbols: [R] }, exception: { symbols: [X] } }\n"                        \
	"jurisdictions: [{ name: L, available: LICENSE_EXCEPTION_AVAILABLE }]\n"             \
	"tables: [{ name: t, file: tables/t.csv, cite: t, edition: 2026-01-01,\n"            \
	"  columns: { place: { type: symbol, domain: place } } }]\n"                         \
	"facts: [{ name: to, type: symbol, domain: place }, { name: big, type: bool },\n"    \
	"  { name: due, type: date, silence: none }]\n"                                     \
	"attributes: [{ name: listed, type: bool, title: listed }, { name: late, type: bool, title: late }]\n"
#define RULES                                                                                          \
	"- { id: p.l, kind: jurisdiction, cite: l, jurisdiction: L }\n"                                    \
	"- { id: p.d, kind: derive, cite: d, attribute: listed, lookup: { table: t, where: { place: to } } }\n" \
	"- { id: p.c, kind: derive, cite: c, attribute: late, when: { big: false },\n"                     \
	"    compare: { left: as_of, op: '>', right: due } }\n"                                            \
	"- { id: p.w, kind: warning, cite: w, text: late, when: { late: true } }\n"                        \
	"- { id: p.r, kind: requirement, cite: r, authority: O, reason: R, when: { listed: true } }\n"     \
	"- { id: p.b, kind: requirement, cite: b, authority: O, reason: R, from: 2024-05-01, to: 2025-05-01,\n" \
	"    stays: [{ from: 2024-07-01, to: 2024-08-01, cite: s }], when: { to: [B], big: true } }\n"      \
	"- { id: p.e, kind: requirement, cite: e, authority: O, reason: R, from: 2030-03-01,\n"            \
	"    when: { to: [C], as_of: '>= 2030-06-01' } }\n"
#define TABLE "place,valid_from,valid_to\nA,2022-01-01,2023-01-01\n"

static struct pq_image *
open_law(struct pq_arena *arena)
{
	const struct pq_pack_file files[] = {{"p/pack.yaml", PACK, strlen(PACK)},
	                                     {"p/rules/r.yaml", RULES, strlen(RULES)},
	                                     {"p/tables/t.csv", TABLE, strlen(TABLE)}};
	struct pq_findings findings = {0};
	struct pq_model *model;
	const struct pq_blob *blobs;
	struct pq_image *image;
	struct pq_err err = {0};
	size_t n;

	if (pq_model_load(files, 3, arena, &model, &findings, &err) != PQ_OK) {
		for (size_t i = 0; i < findings.n; i++)
			print_error("%s:%d: %s\n", findings.at[i].src.file, findings.at[i].src.line, findings.at[i].text);
		fail_msg("%s", err.msg);
	}
	assert_int_equal(pq_compile(model, arena, &blobs, &n, &err), PQ_OK);
	assert_int_equal(pq_image_open(blobs, n, &image, &err), PQ_OK);
	return image;
}

static void
expect(const struct pq_image *image, struct pq_arena *arena, const char *facts, const char *as_of,
       enum pq_outcome outcome, const char *from, const char *until)
{
	char json[256];

	snprintf(json, sizeof(json), "{\"as_of\": \"%s\", %s}", as_of, facts);
	struct pq_window window = window_of(image, json, arena, outcome);
	assert_int_equal(window.from, from != NULL ? day(from) : PQ_DATE_MIN);
	assert_int_equal(window.until, until != NULL ? day(until) : PQ_DATE_MAX);
}

/* A window ends where a row or rule begins or ends that speaks of the request, and not where another does. */
static void
test_known_windows(void **state)
{
	struct pq_arena arena;
	const char *a = "\"facts\": {\"to\": \"A\", \"big\": true}", *b = "\"facts\": {\"to\": \"B\", \"big\": true}";
	const char *c = "\"facts\": {\"to\": \"C\", \"big\": true}";
	const char *small = "\"facts\": {\"to\": \"B\", \"big\": false}", *open = "\"facts\": {\"big\": true}";

	(void)state;
	pq_arena_init(&arena, ARENA_MAX);
	struct pq_image *image = open_law(&arena);
	expect(image, &arena, a, "2021-12-31", PQ_OUTCOME_NO_LICENSE_REQUIRED, NULL, "2022-01-01");
	expect(image, &arena, a, "2022-01-01", PQ_OUTCOME_LICENSE_REQUIRED, "2022-01-01", "2023-01-01");
	expect(image, &arena, a, "2023-01-01", PQ_OUTCOME_NO_LICENSE_REQUIRED, "2023-01-01", NULL);
	expect(image, &arena, b, "2024-04-30", PQ_OUTCOME_NO_LICENSE_REQUIRED, NULL, "2024-05-01");
	expect(image, &arena, b, "2024-06-30", PQ_OUTCOME_LICENSE_REQUIRED, "2024-05-01", "2024-07-01");
	expect(image, &arena, b, "2024-07-01", PQ_OUTCOME_NO_LICENSE_REQUIRED, "2024-07-01", "2024-08-01");
	expect(image, &arena, b, "2024-08-01", PQ_OUTCOME_LICENSE_REQUIRED, "2024-08-01", "2025-05-01");
	expect(image, &arena, b, "2025-05-01", PQ_OUTCOME_NO_LICENSE_REQUIRED, "2025-05-01", NULL);
	/* Neither of two conditions on the day holds: none of them hides the other's. */
	expect(image, &arena, c, "2029-01-01", PQ_OUTCOME_NO_LICENSE_REQUIRED, NULL, "2030-06-01");
	expect(image, &arena, c, "2030-04-01", PQ_OUTCOME_NO_LICENSE_REQUIRED, NULL, "2030-06-01");
	/* What is computed from the day is another every day. */
	expect(image, &arena, small, "2024-06-30", PQ_OUTCOME_NO_LICENSE_REQUIRED, "2024-06-30", "2024-07-01");
	expect(image, &arena, open, "2022-06-30", PQ_OUTCOME_NEEDS_INFORMATION, "2022-01-01", "2023-01-01");
	expect(image, &arena, open, "2023-06-30", PQ_OUTCOME_NO_LICENSE_REQUIRED, "2023-01-01", "2024-05-01");
	pq_image_close(image);
	pq_arena_release(&arena);
}

/* ---- random packs ---- */

struct run {
	struct pq_arena packs, requests;
	struct pq_evaluator *evaluator; /* of the pack at hand; what is asked of it is whether windows hold */
	size_t compared, narrow;
};

/* The whole decision as text, but for the day; with an evaluator also how long it stands. */
static const char *
decided(const struct pq_image *image, struct pq_evaluator *evaluator, struct pq_request request, int32_t as_of,
        struct pq_arena *arena, struct pq_window *ret_window)
{
	struct pq_decision decision;
	struct pq_err err = {0};

	request.as_of = as_of;
	enum pq_status status = evaluator != NULL
	                            ? pq_evaluator_window(evaluator, &request, arena, &decision, ret_window, &err)
	                            : pq_decide(image, &request, arena, &decision, NULL, NULL, &err);
	if (status == PQ_EINVAL)
		return NULL;
	assert_int_equal(status, PQ_OK);
	decision.as_of = 0;
	for (size_t i = 0; i < decision.n_parts; i++)
		decision.parts[i].as_of = 0;
	const char *text = pq_decision_to_json(&decision, arena);
	assert_non_null(text);
	return text;
}

static void
compare_days(struct run *run, const struct pq_image *image, const struct pq_request *request, struct pq_random *random,
             uint64_t pack_seed)
{
	struct pq_window window;
	const char *own = decided(image, run->evaluator, *request, request->as_of, &run->requests, &window);

	if (own == NULL)
		return;
	assert_true(window.from <= request->as_of && request->as_of < window.until);
	int32_t first = window.from > request->as_of - 4000 ? window.from : request->as_of - 4000;
	int32_t last = window.until <= request->as_of + 4000 ? window.until - 1 : request->as_of + 4000;
	run->narrow += first == last;
	for (size_t i = 0; i < DAYS; i++) {
		int32_t other = i == 0   ? first
		                : i == 1 ? last
		                         : first + (int32_t)pq_random_below(random, (size_t)(last - first + 1));
		const char *text = decided(image, NULL, *request, other, &run->requests, NULL);
		assert_non_null(text);
		if (strcmp(text, own) != 0) {
			print_error("pack seed 0x%llx, day %d, window [%d, %d), other day %d\n%s\n%s\n%s\n",
			            (unsigned long long)pack_seed, request->as_of, window.from, window.until, other,
			            pq_request_text(request, &run->requests), own, text);
			fail_msg("another answer within the window");
		}
		run->compared++;
	}
	/* Asking for the window changes nothing. */
	const char *plain = decided(image, NULL, *request, request->as_of, &run->requests, NULL);
	assert_string_equal(plain, own);
}

static bool
run_pack(struct run *run, uint64_t seed)
{
	struct pq_random_request_form form;
	struct pq_random random = {seed};
	struct pq_model *model;
	struct pq_image *image;

	pq_arena_reset(&run->packs);
	if (!pq_random_image(seed, &run->packs, &model, &image))
		return false;
	assert_int_equal(pq_evaluator_new(image, &run->evaluator, NULL), PQ_OK);
	pq_random_request_form(model, &run->packs, &form);
	for (size_t i = 0; i < REQUESTS; i++) {
		struct pq_request request;
		pq_arena_reset(&run->requests);
		pq_random_request(&form, seed + i, &run->requests, &request);
		compare_days(run, image, &request, &random, seed);
	}
	pq_evaluator_free(run->evaluator);
	pq_image_close(image);
	return true;
}

static void
test_random_windows(void **state)
{
	struct run run = {0};
	struct pq_random seeds = {7};

	(void)state;
	pq_arena_init(&run.packs, ARENA_MAX);
	pq_arena_init(&run.requests, ARENA_MAX);
	size_t done = 0;
	for (size_t tries = 0; done < PACKS && tries < 2 * PACKS; tries++)
		done += run_pack(&run, pq_random_next(&seeds));
	pq_arena_release(&run.packs);
	pq_arena_release(&run.requests);
	assert_int_equal(done, PACKS);
	/* Windows of one day say nothing: most must be wider. */
	assert_true(run.compared > PACKS * REQUESTS);
	assert_true(run.narrow * DAYS < run.compared / 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_windows),
		cmocka_unit_test(test_random_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

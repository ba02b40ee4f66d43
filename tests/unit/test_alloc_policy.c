/*
 * ctest: timeout=300
 *
 * Memory that runs out while packs are read, compiled, analysed and decided with: each allocation fails in turn. It must
 * come out as an error that says so, without a crash or a leak, and the same must work afterwards.
 */
#include "tests/support/failing_alloc.h"

#include "policy/analyse.h"
#include "policy/calendar.h"
#include "policy/classes.h"
#include "policy/compile.h"
#include "policy/csv.h"
#include "policy/decide.h"
#include "policy/pack.h"
#include "policy/request.h"
#include "policy/window.h"

#define ARENA_BYTES ((size_t)256 << 20)

/* clang-format off */
static const char pack[] =
	"pack: small\n"
	"title: A small law\n"
	"edition: 2026-01-01\n"
	"covers: { from: 2020-01-01, to: 2026-12-31, grace_days: 30 }\n"
	"time_zone: UTC\n"
	"jurisdiction: LAW\n"
	"domains:\n"
	"  jurisdiction: { symbols: [LAW] }\n"
	"  authority: { symbols: [OFFICE] }\n"
	"  reason: { symbols: [LIST, USE] }\n"
	"  exception: { symbols: [SMALL] }\n"
	"  country: { symbols_of: [{ table: countries, column: code }] }\n"
	"  item: { symbols: [machine, bread] }\n"
	"  role: { symbols: [end_user, buyer] }\n"
	"  list: { symbols: [DPL, EL] }\n"
	"  use: { symbols: [civil, military, nuclear] }\n"
	"  transaction_type: { symbols: [export] }\n"
	"tables:\n"
	"  - name: countries\n"
	"    file: tables/countries.csv\n"
	"    cite: Law 9\n"
	"    edition: 2026-01-01\n"
	"    columns: { code: { type: symbol, domain: country }, friend: { type: bool } }\n"
	"facts:\n"
	"  - { name: transaction_type, type: symbol, domain: transaction_type, required: true, fixed: true }\n"
	"  - { name: destination, type: symbol, domain: country, ask: Where to? }\n"
	"  - { name: item.eccn, type: code, domain: item, separator: \".\", path: item.paragraph, fixed: true }\n"
	"  - { name: value_usd, type: number, min: 0 }\n"
	"  - { name: order_date, type: date, silence: none }\n"
	"  - { name: end_use, type: symbol, domain: use }\n"
	"  - { name: party.role, type: symbol, domain: role, required: true, fixed: true }\n"
	"  - { name: party.name, type: text }\n"
	"  - { name: party.lists, type: symbols, domain: list, report_as: screening }\n"
	"  - { name: party.military_end_user, type: bool }\n"
	"attributes:\n"
	"  - { name: destination.friend, type: bool, title: a friend }\n"
	"jurisdictions:\n"
	"  - { name: LAW, available: LICENSE_EXCEPTION_AVAILABLE }\n"
	"profiles:\n"
	"  - { name: peaceful, title: Nobody is military, assume: { party.military_end_user: false } }\n";

static const char rules[] =
	"- { id: s.law, kind: jurisdiction, cite: Law 0, jurisdiction: LAW }\n"
	"- { id: s.friend, kind: derive, cite: Law 9, attribute: destination.friend,\n"
	"    lookup: { table: countries, where: { code: destination }, take: friend } }\n"
	"- { id: s.machine, kind: requirement, cite: Law 1, authority: OFFICE, reason: LIST,\n"
	"    when: { item.eccn: machine, destination.friend: false }, review: CASE_BY_CASE }\n"
	"- { id: s.military, kind: requirement, cite: Law 2, authority: OFFICE, reason: USE, when: { end_use: military } }\n"
	"- { id: s.old, kind: exclusion, cite: Law 3, excludes: { reasons: [LIST] }, when: { order_date: \"< 2026-01-01\" } }\n"
	"- { id: s.small, kind: exception, cite: Law 4, exception: SMALL, overcomes: [LIST], considered: always,\n"
	"    when: { destination: [FAR], value_usd: \"<= 100\" } }\n"
	"- { id: s.small.military, kind: restriction, cite: Law 5, bars: [SMALL],\n"
	"    when: { any_party: { military_end_user: true } } }\n"
	"- { id: s.denied, kind: prohibition, cite: Law 6, text: A party is denied.,\n"
	"    when: { any_party: { lists: [DPL] } } }\n"
	"- { id: s.nuclear, kind: refer, cite: Law 7, text: Ask the office., when: { end_use: nuclear } }\n"
	"- { id: s.report, kind: obligation, cite: Law 8, obligation: REPORT, label: REPORT, when: { destination: FAR } }\n"
	"- { id: s.late, kind: warning, cite: Law 8, from: 2026-06-01, text: It is late., when: { destination: FOE } }\n";

static const char countries[] =
	"code,friend,valid_from,note\n"
	"NEAR,true,,\n"
	"FAR,false,2026-02-01,\"far, and \"\"away\"\"\"\n"
	"FOE,false,,\n";

/* One request that is determined; one that has to be searched; one of several lines, with near misses and a profile. */
static const char *const requests[] = {
	"{\"as_of\":\"2026-03-02\",\"transaction_type\":\"export\",\"destination\":\"FAR\","
	"\"item\":{\"eccn\":\"machine\"},\"value_usd\":50,\"end_use\":\"civil\","
	"\"parties\":[{\"role\":\"end_user\",\"name\":\"A\",\"lists\":[],\"military_end_user\":false}]}",
	"{\"as_of\":\"2026-03-02\",\"transaction_type\":\"export\",\"item\":{\"eccn\":\"machine\"},"
	"\"parties\":[{\"role\":\"end_user\",\"lists\":[]}]}",
	"{\"as_of\":\"2026-07-02\",\"transaction_type\":\"export\",\"destination\":\"FOE\",\"near_misses\":4,"
	"\"profile\":[\"peaceful\"],\"end_use\":\"civil\","
	"\"item\":{\"lines\":[{\"eccn\":\"machine\",\"value_usd\":5},{\"eccn\":\"bread\"}]},"
	"\"parties\":[{\"role\":\"end_user\",\"lists\":[\"EL\"]},{\"role\":\"buyer\"}]}",
};
static const char one_case[] =
	"{\"id\":\"a\",\"as_of\":\"2026-03-02\",\"request\":{\"transaction_type\":\"export\",\"destination\":\"FOE\","
	"\"item\":{\"eccn\":\"machine\"},\"end_use\":\"civil\",\"parties\":[{\"role\":\"end_user\",\"lists\":[\"DPL\"]}]},"
	"\"expected\":{\"outcome\":\"REFER\",\"review_policy\":null,\"exceptions_available\":[],\"exceptions_barred\":[\"SMALL\"],"
	"\"missing_facts\":[]}}";
/* clang-format on */

static const struct pq_pack_file files[] = {
	{"small/pack.yaml", pack, sizeof(pack) - 1},
	{"small/rules/rules.yaml", rules, sizeof(rules) - 1},
	{"small/tables/countries.csv", countries, sizeof(countries) - 1},
};

/* Made once, for the operations that begin with them. */
static struct pq_arena kept;
static struct pq_model *model;
static const struct pq_blob *blobs;
static size_t n_blobs;
static struct pq_image *image;
static char *answers[3]; /* to the requests, as they were given first */
static size_t asked;

static void
print_findings(const struct pq_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++)
		print_error("%s:%d: %s\n", findings->at[i].src.file, findings->at[i].src.line, findings->at[i].text);
}

static int
setup(void **state)
{
	struct pq_findings findings = {0};
	struct pq_err err = {0};

	(void)state;
	pq_arena_init(&kept, ARENA_BYTES);
	if (pq_model_load(files, 3, &kept, &model, &findings, &err) != PQ_OK ||
	    pq_compile(model, &kept, &blobs, &n_blobs, &err) != PQ_OK ||
	    pq_image_open(blobs, n_blobs, &image, &err) != PQ_OK) {
		print_findings(&findings);
		print_error("%s: %s\n", err.where, err.msg);
		return -1;
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++)
		free(answers[i]);
	pq_image_close(image);
	pq_arena_release(&kept);
	return 0;
}

static struct pq_arena arena;

static void
start_arena(void)
{
	pq_arena_init(&arena, ARENA_BYTES);
}

static void
end_arena(void)
{
	pq_arena_release(&arena);
}

/* ---- packs ---- */

static enum pq_status
load(struct pq_err *err)
{
	struct pq_model *read = NULL;
	struct pq_findings findings = {0};

	return pq_model_load(files, 3, &arena, &read, &findings, err);
}

static enum pq_status
compile(struct pq_err *err)
{
	const struct pq_blob *made;
	size_t n;

	return pq_compile(model, &arena, &made, &n, err);
}

static enum pq_status
analyse(struct pq_err *err)
{
	struct pq_analysis analysis = {0};
	struct pq_dated *dates;
	size_t n;
	enum pq_status status = pq_analyse(model, image, &arena, &analysis, err);

	return status == PQ_OK ? pq_analyse_dates(model, image, 0, PQ_DATE_MAX, &arena, &dates, &n, err) : status;
}

static enum pq_status
read_csv(struct pq_err *err)
{
	struct pq_csv csv;

	return pq_csv_parse("countries.csv", countries, sizeof(countries) - 1, &arena, &csv, err);
}

/* ---- images ---- */

static enum pq_status
open_image(struct pq_err *err)
{
	struct pq_image *opened;
	enum pq_status status = pq_image_open(blobs, n_blobs, &opened, err);

	if (status == PQ_OK)
		pq_image_close(opened);
	return status;
}

static enum pq_status
make_evaluator(struct pq_err *err)
{
	struct pq_evaluator *evaluator;
	enum pq_status status = pq_evaluator_new(image, &evaluator, err);

	if (status == PQ_OK)
		pq_evaluator_free(evaluator);
	return status;
}

static enum pq_status
tell_calendar(struct pq_err *err)
{
	struct pq_calendar calendar;
	struct pq_texts symbols, codes;
	struct pq_dates dates;
	enum pq_status status =
		pq_calendar_of(image, "destination", "FAR", PQ_DATE_MIN + 2, PQ_DATE_MAX, &arena, &calendar, err);

	if (status == PQ_OK)
		status = pq_image_symbols_of(image, "destination", &arena, &symbols, err);
	if (status == PQ_OK)
		status = pq_image_codes_of(image, "item.eccn", &arena, &codes, err);
	return status == PQ_OK ? pq_image_dates(image, 0, PQ_DATE_MAX, &arena, &dates, err) : status;
}

/* ---- requests and decisions ---- */

static enum pq_status
read_request(struct pq_err *err)
{
	struct pq_request request;

	return pq_request_from_json(requests[2], strlen(requests[2]), &arena, &request, err);
}

static enum pq_status
read_case(struct pq_err *err)
{
	struct pq_case_text read;

	return pq_case_from_json(one_case, strlen(one_case), &arena, &read, err);
}

static struct pq_request request;

static void
read_kept(size_t which)
{
	start_arena();
	asked = which;
	assert_int_equal(pq_request_from_json(requests[which], strlen(requests[which]), &arena, &request, NULL), PQ_OK);
}

static void
read_0(void)
{
	read_kept(0);
}

static void
read_1(void)
{
	read_kept(1);
}

static void
read_2(void)
{
	read_kept(2);
}

/* Whatever is answered must be the whole answer. `ret` keeps the first one. */
static enum pq_status
write_decision(const struct pq_decision *decision, char **ret, struct pq_err *err)
{
	const char *json = pq_decision_to_json(decision, &arena);

	if (json == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory to write the decision");
	counting = false;
	if (*ret == NULL)
		*ret = strdup(json);
	if (strcmp(json, *ret) != 0)
		fail_msg("answered otherwise when allocation %ld %s:\n%s\n%s", struck_at, struck ? "failed" : "did not fail",
		         json, *ret);
	return PQ_OK;
}

static enum pq_status
decide(struct pq_err *err)
{
	struct pq_decision decision;
	enum pq_status status = pq_decide(image, &request, &arena, &decision, NULL, NULL, err);

	return status == PQ_OK ? write_decision(&decision, &answers[asked], err) : status;
}

/* The way of the server's long requests. */
static enum pq_status
decide_in_steps(struct pq_err *err)
{
	struct pq_evaluator *evaluator;
	struct pq_evaluation *evaluation = NULL;
	struct pq_decision decision;
	const struct pq_violation *violations;
	size_t n;
	bool done = false;
	enum pq_status status = pq_evaluator_new(image, &evaluator, err);

	if (status != PQ_OK)
		return status;
	status = pq_evaluator_begin(evaluator, &request, &arena, &evaluation, &violations, &n, err);
	while (status == PQ_OK && !done)
		status = pq_evaluation_step(evaluation, &done, &violations, &n, err);
	if (status == PQ_OK)
		status = pq_evaluation_finish(evaluation, &decision, err);
	if (status == PQ_OK)
		status = write_decision(&decision, &answers[asked], err);
	pq_evaluation_end(evaluation);
	pq_evaluator_free(evaluator);
	return status;
}

/* One evaluator for all runs: what failed in the middle of a decision must not show in the next. */
static struct pq_evaluator *lasting;

static enum pq_status
decide_again(struct pq_err *err)
{
	struct pq_decision decision;
	enum pq_status status = pq_evaluator_decide(lasting, &request, &arena, &decision, NULL, NULL, err);

	return status == PQ_OK ? write_decision(&decision, &answers[asked], err) : status;
}

static enum pq_status
tell_window(struct pq_err *err)
{
	struct pq_evaluator *evaluator;
	struct pq_decision decision;
	struct pq_window window;
	enum pq_status status = pq_evaluator_new(image, &evaluator, err);

	if (status != PQ_OK)
		return status;
	status = pq_evaluator_window(evaluator, &request, &arena, &decision, &window, err);
	pq_evaluator_free(evaluator);
	return status;
}

static enum pq_status
tell_classes(struct pq_err *err)
{
	static const char *names[] = {"NEAR", "FAR", "FOE"};
	const struct pq_texts values = {names, 3};
	size_t *classes;

	return pq_image_classes_of(image, "destination", &values, &request, 0, &arena, &classes, err);
}

static enum pq_status
judge(struct pq_err *err)
{
	struct pq_case_text read;
	struct pq_decision decision;
	enum pq_status status = pq_case_from_json(one_case, strlen(one_case), &arena, &read, err);

	if (status == PQ_OK)
		status = pq_decide(image, &read.request, &arena, &decision, NULL, NULL, err);
	if (status != PQ_OK)
		return status;
	/* It differs, and running out of memory must not look as if it passed. */
	const char *text = pq_case_judge(&read.expected, &decision, &arena);
	assert_non_null(text);
	return strstr(text, "memory") != NULL ? pq_fail(err, PQ_ENOMEM, "%s", text) : PQ_OK;
}

static const struct operation operations[] = {
	{.name = "read a table", .prepare = start_arena, .work = read_csv, .clean = end_arena},
	{.name = "load packs", .prepare = start_arena, .work = load, .clean = end_arena},
	{.name = "compile", .prepare = start_arena, .work = compile, .clean = end_arena},
	{.name = "analyse", .prepare = start_arena, .work = analyse, .clean = end_arena},
	{.name = "open an image", .work = open_image},
	{.name = "make an evaluator", .work = make_evaluator},
	{.name = "calendar", .prepare = start_arena, .work = tell_calendar, .clean = end_arena},
	{.name = "read a request", .prepare = start_arena, .work = read_request, .clean = end_arena},
	{.name = "read a case", .prepare = start_arena, .work = read_case, .clean = end_arena},
	{.name = "decide", .prepare = read_0, .work = decide, .clean = end_arena},
	{.name = "decide, searched", .prepare = read_1, .work = decide, .clean = end_arena},
	{.name = "decide, several lines", .prepare = read_2, .work = decide, .clean = end_arena},
	{.name = "decide in steps", .prepare = read_2, .work = decide_in_steps, .clean = end_arena},
	{.name = "window", .prepare = read_0, .work = tell_window, .clean = end_arena},
	{.name = "classes", .prepare = read_0, .work = tell_classes, .clean = end_arena},
	{.name = "judge a case", .prepare = start_arena, .work = judge, .clean = end_arena},
};

static void
test_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		torture(&operations[i]);
}

static void
test_an_evaluator_that_lasts(void **state)
{
	static const struct operation again = {
		.name = "decide again", .prepare = read_2, .work = decide_again, .clean = end_arena};

	(void)state;
	assert_int_equal(pq_evaluator_new(image, &lasting, NULL), PQ_OK);
	torture(&again);
	pq_evaluator_free(lasting);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_an_evaluator_that_lasts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* Assumptions: what goes before what, what is echoed, what is refused; and lines that are wrong beside lines that are not. */
#include "tests/support/small_law.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARENA_BYTES ((size_t)64 << 20)

#define DAY "\"as_of\": \"2026-06-01\", \"transaction_type\": \"export\", \"destination\": \"FAR\""
#define MACHINE "\"item\": {\"eccn\": \"machine\"}"
#define USER "\"parties\": [{\"role\": \"end_user\"}]"
/* Everything is said but whether the end user is military. */
#define REST "\"value_usd\": 100, \"end_use\": \"civil\", \"parties\": [{\"role\": \"end_user\", \"lists\": []}]"

struct fixture {
	struct pq_arena arena;
	struct pq_image *image;
	struct pq_decision decision;
	const struct pq_violation *violations;
	size_t n_violations;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	pq_arena_init(&f->arena, ARENA_BYTES);
	f->image = small_law_open(&f->arena);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	pq_image_close(f->image);
	pq_arena_release(&f->arena);
	free(f);
	return 0;
}

static enum pq_status
ask(struct fixture *f, const char *json)
{
	f->decision = (struct pq_decision){0};
	return small_law_decide(f->image, json, &f->arena, &f->decision, &f->violations, &f->n_violations);
}

static enum pq_outcome
outcome(struct fixture *f, const char *json)
{
	assert_int_equal(ask(f, json), PQ_OK);
	return f->decision.outcome;
}

/* The one assumption that was used. */
static void
assert_echo(const struct fixture *f, const char *name, const char *value, const char *source)
{
	assert_int_equal(f->decision.n_assumed, 1);
	assert_string_equal(f->decision.assumed[0].name, name);
	assert_string_equal(f->decision.assumed[0].value, value);
	assert_string_equal(f->decision.assumed[0].source, source);
}

static void
assert_refused(struct fixture *f, const char *json, const char *field, const char *reason)
{
	assert_int_equal(ask(f, json), PQ_EINVAL);
	assert_int_equal(f->n_violations, 1);
	assert_string_equal(f->violations[0].field, field);
	assert_string_equal(f->violations[0].reason, reason);
}

static void
test_nothing_is_assumed_unasked(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(outcome(f, "{" DAY "," MACHINE "," REST "}"), PQ_OUTCOME_NEEDS_INFORMATION);
	assert_int_equal(f->decision.n_assumed, 0);
}

static void
test_the_request_assumes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(outcome(f, "{" DAY "," MACHINE "," REST ", \"assume\": {\"party.military_end_user\": false}}"),
	                 PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE);
	assert_echo(f, "party.military_end_user", "false", "");
	/* The same in the nested form. */
	assert_int_equal(
		outcome(f, "{" DAY "," MACHINE "," REST ", \"assume\": {\"party\": {\"military_end_user\": true}}}"),
		PQ_OUTCOME_LICENSE_REQUIRED);
	assert_echo(f, "party.military_end_user", "true", "");
}

static void
test_a_profile_assumes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(outcome(f, "{" DAY "," MACHINE "," REST ", \"profile\": \"peaceful\"}"),
	                 PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE);
	assert_echo(f, "party.military_end_user", "false", "peaceful");
	assert_int_equal(outcome(f, "{" DAY "," MACHINE "," USER ", \"profile\": [\"quiet\", \"peaceful\"]}"),
	                 PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE);
	assert_int_equal(f->decision.n_assumed, 4);
	/* In the order of the packs, whatever the order of the profiles. */
	assert_string_equal(f->decision.assumed[0].name, "value_usd");
	assert_string_equal(f->decision.assumed[0].value, "50");
	assert_string_equal(f->decision.assumed[0].source, "quiet");
	assert_string_equal(f->decision.assumed[3].name, "party.military_end_user");
	assert_string_equal(f->decision.assumed[3].source, "peaceful");
}

static void
test_what_goes_before_what(void **state)
{
	struct fixture *f = *state;

	/* A fact that is said goes before all, and then nothing was assumed. */
	assert_int_equal(outcome(f, "{" DAY "," MACHINE ", \"value_usd\": 100, \"end_use\": \"civil\", \"parties\": "
	                            "[{\"role\": \"end_user\", \"lists\": [], \"military_end_user\": true}],"
	                            "\"assume\": {\"party.military_end_user\": false}, \"profile\": \"peaceful\"}"),
	                 PQ_OUTCOME_LICENSE_REQUIRED);
	assert_int_equal(f->decision.n_assumed, 0);
	/* So does one that is said to be unknown. */
	assert_int_equal(outcome(f, "{" DAY "," MACHINE ", \"value_usd\": 100, \"end_use\": \"civil\", \"parties\": "
	                            "[{\"role\": \"end_user\", \"lists\": [], \"military_end_user\": null}],"
	                            "\"assume\": {\"party.military_end_user\": false}}"),
	                 PQ_OUTCOME_NEEDS_INFORMATION);
	assert_int_equal(f->decision.n_assumed, 0);
	/* What the request assumes goes before its profiles. */
	assert_int_equal(outcome(f, "{" DAY "," MACHINE "," REST ", \"assume\": {\"party.military_end_user\": true},"
	                            "\"profile\": \"peaceful\"}"),
	                 PQ_OUTCOME_LICENSE_REQUIRED);
	assert_echo(f, "party.military_end_user", "true", "");
	/* A profile goes before those after it. */
	assert_int_equal(outcome(f, "{" DAY "," MACHINE "," REST ", \"profile\": [\"warlike\", \"peaceful\"]}"),
	                 PQ_OUTCOME_LICENSE_REQUIRED);
	assert_echo(f, "party.military_end_user", "true", "warlike");
	assert_int_equal(outcome(f, "{" DAY "," MACHINE "," REST ", \"profile\": [\"peaceful\", \"warlike\"]}"),
	                 PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE);
	assert_echo(f, "party.military_end_user", "false", "peaceful");
}

/* An assumption about parties holds for each that is silent, and for those only. */
static void
test_every_party(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(outcome(f, "{" DAY "," MACHINE ", \"value_usd\": 100, \"end_use\": \"civil\", \"parties\": ["
	                            "{\"role\": \"end_user\", \"lists\": [], \"military_end_user\": true},"
	                            "{\"role\": \"buyer\", \"lists\": []}], \"profile\": \"peaceful\"}"),
	                 PQ_OUTCOME_LICENSE_REQUIRED);
	assert_echo(f, "party.military_end_user", "false", "peaceful");
	assert_int_equal(outcome(f, "{" DAY "," MACHINE ", \"value_usd\": 100, \"end_use\": \"civil\", \"parties\": ["
	                            "{\"role\": \"end_user\", \"lists\": []}, {\"role\": \"buyer\", \"lists\": []}],"
	                            "\"profile\": \"peaceful\"}"),
	                 PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE);
}

/* A line's own word goes before an assumption; the echo is of the whole. */
static void
test_lines(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		outcome(f, "{" DAY ", \"end_use\": \"civil\", \"parties\": [{\"role\": \"end_user\", \"lists\": []}],"
	               "\"item\": {\"lines\": [{\"eccn\": \"machine\"}, {\"eccn\": \"machine\", \"value_usd\": 5000}]},"
	               "\"profile\": \"peaceful\", \"assume\": {\"value_usd\": 7}}"),
		PQ_OUTCOME_LICENSE_REQUIRED);
	assert_int_equal(f->decision.n_parts, 2);
	assert_int_equal(f->decision.parts[0].outcome, PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE);
	assert_int_equal(f->decision.parts[1].outcome, PQ_OUTCOME_LICENSE_REQUIRED);
	assert_int_equal(f->decision.n_assumed, 2);
	assert_string_equal(f->decision.assumed[0].name, "value_usd");
	assert_string_equal(f->decision.assumed[0].value, "7");
}

static void
test_values_in_words(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(outcome(f, "{" DAY "," MACHINE ", \"value_usd\": 1, \"end_use\": \"civil\", \"parties\": "
	                            "[{\"role\": \"end_user\", \"military_end_user\": false}],"
	                            "\"assume\": {\"party.lists\": [\"el\", \"DPL\"]}}"),
	                 PQ_OUTCOME_PROHIBITED);
	assert_echo(f, "party.lists", "EL, DPL", "");
	assert_int_equal(outcome(f, "{" DAY "," MACHINE "," REST ", \"profile\": [\"peaceful\"],"
	                            "\"assume\": {\"order_date\": \"2025-01-01\"}}"),
	                 PQ_OUTCOME_NO_LICENSE_REQUIRED);
	assert_string_equal(f->decision.assumed[0].name, "order_date");
	assert_string_equal(f->decision.assumed[0].value, "2025-01-01");
}

static void
test_bad_assumptions(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, "{" DAY ", \"profile\": \"nobody\"}", "profile", "UNKNOWN_PROFILE");
	assert_refused(f, "{" DAY ", \"profile\": [\"peaceful\", \"peacefu\"]}", "profile", "UNKNOWN_PROFILE");
	assert_refused(f, "{" DAY ", \"assume\": {\"party.military\": true}}", "assume.party.military", "UNKNOWN_FACT");
	assert_refused(f, "{" DAY ", \"assume\": {\"military_end_user\": true}}", "assume.military_end_user",
	               "UNKNOWN_FACT");
	assert_refused(f, "{" DAY ", \"assume\": {\"party.military_end_user\": \"no\"}}", "assume.party.military_end_user",
	               "WRONG_TYPE");
	assert_refused(f, "{" DAY ", \"assume\": {\"party.military_end_user\": null}}", "assume.party.military_end_user",
	               "WRONG_TYPE");
	assert_refused(f, "{" DAY ", \"assume\": {\"end_use\": \"sport\"}}", "assume.end_use", "UNKNOWN_SYMBOL");
	assert_refused(f, "{" DAY ", \"assume\": {\"value_usd\": -1}}", "assume.value_usd", "OUT_OF_RANGE");
	assert_refused(f, "{" DAY ", \"assume\": {\"item.eccn\": \"bread\"}}", "assume.item.eccn", "WRONG_TYPE");
	assert_refused(f, "{" DAY ", \"assume\": {\"party.name\": \"X\"}}", "assume.party.name", "WRONG_TYPE");
}

/* ---- lines that are wrong ---------------------------------------------------------------------------------------- */

#define KNOWN \
	"\"end_use\": \"civil\", \"parties\": [{\"role\": \"end_user\", \"lists\": [], \"military_end_user\": false}]"

static void
test_one_bad_line_does_not_lose_the_others(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "{" DAY "," KNOWN ", \"item\": {\"lines\": ["
	                        "{\"eccn\": \"machine\", \"value_usd\": 50},"
	                        "{\"eccn\": \"cannon\", \"value_usd\": -1},"
	                        "{\"eccn\": \"bread\", \"value_usd\": 5000}]}}"),
	                 PQ_OK);
	const struct pq_decision *d = &f->decision;
	assert_int_equal(d->n_parts, 3);
	assert_int_equal(d->parts[0].outcome, PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE);
	assert_int_equal(d->parts[0].n_violations, 0);
	assert_int_equal(d->parts[1].outcome, PQ_OUTCOME_NEEDS_INFORMATION);
	assert_int_equal(d->parts[1].n_violations, 2);
	assert_string_equal(d->parts[1].violations[0].field, "lines[1].item.eccn");
	assert_string_equal(d->parts[1].violations[0].reason, "UNKNOWN_SYMBOL");
	assert_string_equal(d->parts[1].violations[1].field, "lines[1].value_usd");
	assert_int_equal(d->parts[2].outcome, PQ_OUTCOME_NO_LICENSE_REQUIRED);
	/* The shipment does not go before the line is put right. */
	assert_int_equal(d->outcome, PQ_OUTCOME_NEEDS_INFORMATION);
	assert_string_equal(d->part_names[1], "lines[1]");
}

static void
test_a_blocked_line_stays_blocked_beside_a_bad_one(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(outcome(f, "{" DAY "," KNOWN ", \"item\": {\"lines\": ["
	                            "{\"eccn\": \"machine\", \"value_usd\": 5000}, {\"eccn\": \"cannon\"}]}}"),
	                 PQ_OUTCOME_LICENSE_REQUIRED);
}

static void
test_only_bad_lines_are_a_bad_request(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		ask(f, "{" DAY "," KNOWN ", \"item\": {\"lines\": [{\"eccn\": \"cannon\"}, {\"value_usd\": -1}]}}"), PQ_EINVAL);
	assert_int_equal(f->n_violations, 2);
	assert_string_equal(f->violations[0].field, "lines[0].item.eccn");
	assert_string_equal(f->violations[1].field, "lines[1].value_usd");
	assert_refused(f, "{" DAY "," KNOWN ", \"item\": {\"lines\": [{\"eccn\": \"cannon\"}]}}", "lines[0].item.eccn",
	               "UNKNOWN_SYMBOL");
}

/* What is wrong outside of the lines is wrong for all of them. */
static void
test_a_bad_party_is_a_bad_request(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "{" DAY ", \"parties\": [{\"role\": \"end_user\", \"lists\": [\"BLACK\"]}],"
	                        "\"item\": {\"lines\": [{\"eccn\": \"machine\"}, {\"eccn\": \"bread\"}]}}"),
	                 PQ_EINVAL);
	assert_int_equal(f->n_violations, 1);
	assert_string_equal(f->violations[0].field, "parties[0].lists");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_assumed_unasked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_request_assumes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_profile_assumes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_goes_before_what, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_party, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_values_in_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_assumptions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_bad_line_does_not_lose_the_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_blocked_line_stays_blocked_beside_a_bad_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_bad_lines_are_a_bad_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_bad_party_is_a_bad_request, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Requests and decisions survive the way through messages: what the client writes the server reads, and back.
 */
#include "cli/remote_convert.h"
#include "policy/request.h"
#include "server/convert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct pq_arena arena;
	struct pq_violations violations;
	struct pq_request before, after;
	struct pq_demand demand;
	struct pq_err err;
};

static const struct pq_answerer nobody = {.digest = ""};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	pq_arena_init(&f->arena, (size_t)256 << 20);
	f->violations.arena = &f->arena;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	pq_arena_release(&f->arena);
	free(f);
	return 0;
}

static enum pq_status
over_the_wire(struct fixture *f, const char *json)
{
	Pratique__V1__DecideRequest *message;

	assert_int_equal(pq_request_from_json(json, strlen(json), &f->arena, &f->before, &f->err), PQ_OK);
	assert_int_equal(pq_request_to_message(&f->before, &f->arena, &message, &f->err), PQ_OK);
	size_t len = pratique__v1__decide_request__get_packed_size(message);
	uint8_t *bytes = malloc(len + 1);
	assert_non_null(bytes);
	pratique__v1__decide_request__pack(message, bytes);
	enum pq_status status = pq_request_decode(bytes, len, &f->arena, &f->after, &f->demand, &f->violations);
	free(bytes); /* the request must not point into it */
	return status;
}

static bool
same_text(struct pq_text a, struct pq_text b)
{
	return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

static void
assert_value(const struct pq_value *a, const struct pq_value *b)
{
	assert_int_equal(a->kind, b->kind);
	switch (a->kind) {
	case PQ_VALUE_UNKNOWN:
		break;
	case PQ_VALUE_BOOL:
		assert_int_equal(a->boolean, b->boolean);
		break;
	case PQ_VALUE_NUMBER:
		assert_true(a->number == b->number);
		break;
	case PQ_VALUE_TEXT:
		assert_true(same_text(a->text, b->text));
		break;
	case PQ_VALUE_TEXTS:
		assert_int_equal(a->n_texts, b->n_texts);
		for (size_t i = 0; i < a->n_texts; i++)
			assert_true(same_text(a->texts[i], b->texts[i]));
		break;
	}
}

/* Equal as sets: typed fields come before the rest. */
static void
assert_facts(const struct pq_facts *a, const struct pq_facts *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		size_t j = 0;
		while (j < b->n && !same_text(a->at[i].name, b->at[j].name))
			j++;
		if (j == b->n)
			fail_msg("lost: %.*s", (int)a->at[i].name.len, a->at[i].name.at);
		assert_value(&a->at[i].value, &b->at[j].value);
	}
}

static void
assert_lists(const struct pq_facts *a, size_t n_a, const struct pq_facts *b, size_t n_b)
{
	assert_int_equal(n_a, n_b);
	for (size_t i = 0; i < n_a; i++)
		assert_facts(&a[i], &b[i]);
}

static void
assert_survives(struct fixture *f, const char *json)
{
	assert_int_equal(over_the_wire(f, json), PQ_OK);
	assert_int_equal(f->before.as_of, f->after.as_of);
	assert_int_equal(f->before.jurisdiction_only, f->after.jurisdiction_only);
	assert_int_equal(f->before.near_misses, f->after.near_misses);
	assert_facts(&f->before.assume, &f->after.assume);
	assert_int_equal(f->before.n_profiles, f->after.n_profiles);
	for (size_t i = 0; i < f->before.n_profiles; i++)
		assert_true(same_text(f->before.profiles[i], f->after.profiles[i]));
	assert_facts(&f->before.facts, &f->after.facts);
	assert_lists(f->before.lines, f->before.n_lines, f->after.lines, f->after.n_lines);
	assert_lists(f->before.hits, f->before.n_hits, f->after.hits, f->after.n_hits);
	assert_lists(f->before.intermediates, f->before.n_intermediates, f->after.intermediates, f->after.n_intermediates);
	assert_int_equal(f->before.n_parties, f->after.n_parties);
	for (size_t i = 0; i < f->before.n_parties; i++) {
		const struct pq_party *a = &f->before.parties[i], *b = &f->after.parties[i];
		assert_facts(&a->facts, &b->facts);
		assert_lists(a->owners, a->n_owners, b->owners, b->n_owners);
	}
}

static void
test_least(void **state)
{
	assert_survives(*state, "{\"as_of\": \"1900-01-01\"}");
}

static void
test_every_field(void **state)
{
	assert_survives(*state,
	                "{\"as_of\": \"2025-11-07\", \"query\": \"jurisdiction_only\", \"transaction_type\": \"export\","
	                "\"regime\": \"EAR\", \"origin\": \"US\", \"destination\": \"JP\", \"end_use\": \"civil\","
	                "\"value_usd\": 1500.25, \"intermediate\": [\"SG\", {\"country\": null, \"x\": true}],"
	                "\"item\": {\"eccn\": \"1Z999.x\", \"usml\": \"XI(c)\", \"kind\": \"commodity\","
	                "           \"schedule_b\": \"12\", \"sme\": false, \"range_km\": 0.5},"
	                "\"parties\": [{\"role\": \"end_user\", \"country\": \"JP\", \"name\": \"N\\u00e4me\","
	                "   \"type\": \"individual\", \"lists\": [\"EL\", \"UVL\"], \"military_end_user\": null,"
	                "   \"military_intelligence_end_user\": false, \"in_supp8_740\": true,"
	                "   \"owners\": [{\"name\": \"O\", \"lists\": [], \"share_pct\": 50.5, \"x\": \"y\"}]},"
	                "  {\"role\": \"bank\"}],"
	                "\"screening\": {\"screened\": true, \"red_flags\": [\"a\"], \"on\": \"2025-01-01\","
	                "   \"hits\": [{\"party\": \"end_user\", \"list\": \"EL\", \"entry\": \"E\","
	                "     \"name_match\": \"partial\", \"address_match\": true, \"adjudicated\": true,"
	                "     \"same_party\": null, \"score\": 0.9}]},"
	                "\"facts\": {\"person\": {\"citizenship\": [\"CA\", \"FR\"], \"us_person\": false,"
	                "   \"most_recent_citizenship_or_pr\": \"CA\", \"visa\": null}, \"order_net_value\": -3,"
	                "   \"conveyance\": {\"type\": \"vessel\"}, \"claimed\": []}}");
}

static void
test_unknown_and_other_kinds_go_into_the_map(void **state)
{
	assert_survives(
		*state,
		"{\"as_of\": \"2025-11-07\", \"destination\": null, \"value_usd\": null, \"end_use\": [\"a\", \"b\"],"
		"\"origin\": \"\", \"parties\": [{\"role\": null, \"lists\": null, \"military_end_user\": \"perhaps\"}]}");
}

static void
test_assumptions(void **state)
{
	assert_survives(*state,
	                "{\"as_of\": \"2025-11-07\", \"near_misses\": 64, \"profile\": [\"shop\", \"bank\"],"
	                "\"assume\": {\"party.military_end_user\": false, \"destination\": \"JP\", \"value_usd\": 5,"
	                "\"item.kind\": \"commodity\", \"person.citizenship\": [\"CA\"]}}");
}

static void
test_lines(void **state)
{
	assert_survives(*state, "{\"as_of\": \"2025-11-07\", \"item\": {\"kind\": \"commodity\", \"lines\": ["
	                        "{\"eccn\": \"1Z001\", \"value_usd\": 3500, \"facts\": {\"order_net_value\": 12.3456}},"
	                        "{\"eccn\": \"1Z002\", \"sme\": null}, {}]}}");
}

static void
test_most_lines(void **state)
{
	struct fixture *f = *state;
	size_t size = 64 + 40 * (size_t)PQ_MAX_LINES;
	char *json = malloc(size);

	assert_non_null(json);
	size_t len = (size_t)snprintf(json, size, "{\"as_of\": \"2025-11-07\", \"item\": {\"lines\": [");
	for (int i = 0; i < PQ_MAX_LINES; i++)
		len += (size_t)snprintf(json + len, size - len, "%s{\"value_usd\": %d}", i > 0 ? "," : "", i);
	snprintf(json + len, size - len, "]}}");
	assert_survives(f, json);
	free(json);
}

/* ---- decisions ------------------------------------------------------------------------------------------------- */

static struct pq_rule_ref rules[] = {
	{"a.one", "One", "Law 1; Law 2", "a/rules/x.yaml", "note", "high", "a", PQ_KIND_REQUIREMENT, 3, PQ_DATE_MIN,
     PQ_DATE_MAX, 900},
	{"a.two", "", "Law 2", "a/rules/x.yaml", "", "low", "a", PQ_KIND_EXCEPTION, 9, 18000, 20000, 4},
	{"a.three", "Three", "Law 3", "a/rules/y.yaml", "", "medium", "a", PQ_KIND_WARNING, 1, 18000, PQ_DATE_MAX, 0},
};

static void
make_decision(struct pq_decision *d)
{
	static struct pq_requirement requirements[] = {{&rules[0], "OFFICE", "NS", "NS 2", true},
	                                               {&rules[0], "OFFICE", "AT", "AT 1", false}};
	static const struct pq_rule_ref *prohibitions[] = {&rules[2]};
	static struct pq_usable available[] = {{"LVS", &rules[1]}};
	static const char *const names[] = {"GOV(b)", "TMP", NULL};
	static struct pq_barred barred[] = {{"all but GOV(b), TMP", "Law 9", &rules[0], names},
	                                    {"STA", "not met: x", &rules[1], NULL}};
	static struct pq_duty duties[] = {{"EEI", "EEI(1)", &rules[2]}};
	static struct pq_missing missing[] = {{"item.paragraph", "Which?"}, {"end_use", ""}};
	static struct pq_missing moot[] = {{"region", ""}};
	static struct pq_notice warnings[] = {{"look", &rules[2], ""}, {"row", NULL, "a/tables/t.csv:12"}};
	static struct pq_assumed assumed[] = {{"party.military_end_user", "false", "shop"}, {"x", "y", ""}};
	static struct pq_near_miss near[] = {{"value_usd", "2000", "1500 or less", PQ_OUTCOME_REFER, &rules[1]},
	                                     {"end_use", "civil", "military", PQ_OUTCOME_PROHIBITED, NULL}};
	static const struct pq_violation faults[] = {{"lines[2].item.eccn", "UNKNOWN_SYMBOL", "is not known"}};
	static const struct pq_rule_ref *counted[] = {&rules[2], &rules[1], &rules[0]};

	*d = (struct pq_decision){
		.outcome = PQ_OUTCOME_LICENSE_REQUIRED,
		.best = PQ_OUTCOME_NO_LICENSE_REQUIRED,
		.worst = PQ_OUTCOME_PROHIBITED,
		.exact = false,
		.as_of = 20399,
		.jurisdiction = "EAR",
		.policy = PQ_POLICY_POLICY_OF_DENIAL,
		.policy_rule = &rules[0],
		.requirements = requirements,
		.n_requirements = 2,
		.prohibitions = prohibitions,
		.n_prohibitions = 1,
		.available = available,
		.n_available = 1,
		.barred = barred,
		.n_barred = 2,
		.obligations = duties,
		.n_obligations = 1,
		.missing = missing,
		.n_missing = 2,
		.moot = moot,
		.n_moot = 1,
		.warnings = warnings,
		.n_warnings = 2,
		.rules = counted,
		.n_rules = 3,
		.assumed = assumed,
		.n_assumed = 2,
		.near_misses = near,
		.n_near_misses = 2,
		.violations = faults,
		.n_violations = 1,
	};
}

/* Pack, unpack and read back; the JSON of both must be equal, and what it does not show is compared apart. */
static void
assert_decision_survives(struct fixture *f, const struct pq_decision *before, struct pq_decision *after)
{
	const struct pq_answerer by = {"00ff", UINT64_MAX, 1700000000, 7};
	Pratique__V1__DecideResponse *message;

	assert_int_equal(pq_decision_to_message(before, &by, &f->arena, &message), PQ_OK);
	size_t len = pratique__v1__decide_response__get_packed_size(message);
	uint8_t *bytes = malloc(len);
	assert_non_null(bytes);
	pratique__v1__decide_response__pack(message, bytes);
	message = pratique__v1__decide_response__unpack(NULL, len, bytes);
	assert_non_null(message);
	assert_string_equal(message->revision->digest, "00ff");
	assert_true(message->revision->sequence == UINT64_MAX);
	assert_int_equal(message->revision->activated_s, 1700000000);
	assert_int_equal(message->revision->age_s, 7);
	assert_int_equal(pq_decision_from_message(message, &f->arena, after, &f->err), PQ_OK);
	pratique__v1__decide_response__free_unpacked(message, NULL);
	free(bytes);
	assert_string_equal(pq_decision_to_json(before, &f->arena), pq_decision_to_json(after, &f->arena));
}

static void
test_decision(void **state)
{
	struct fixture *f = *state;
	struct pq_decision before, after;

	make_decision(&before);
	assert_decision_survives(f, &before, &after);
	assert_int_equal(after.as_of, before.as_of);
	assert_int_equal(after.policy, before.policy);
	assert_string_equal(after.policy_rule->note, "note");
	assert_int_equal(after.policy_rule->from, PQ_DATE_MIN);
	assert_int_equal(after.policy_rule->to, PQ_DATE_MAX);
	assert_int_equal(after.policy_rule->index, 900);
	assert_int_equal(after.rules[1]->from, 18000);
	assert_int_equal(after.rules[1]->to, 20000);
	assert_string_equal(after.barred[0].spares[1], "TMP");
	assert_null(after.barred[0].spares[2]);
	assert_null(after.barred[1].spares);
	assert_null(after.warnings[1].rule);
	assert_string_equal(after.warnings[1].source, "a/tables/t.csv:12");
	/* A rule is one pointer, wherever it is spoken of. */
	assert_ptr_equal(after.requirements[0].rule, after.rules[2]);
	assert_ptr_equal(after.requirements[0].rule, after.barred[0].rule);
}

static void
test_rules_are_carried_once(void **state)
{
	struct fixture *f = *state;
	struct pq_decision decision;
	Pratique__V1__DecideResponse *message;

	make_decision(&decision);
	assert_int_equal(pq_decision_to_message(&decision, &nobody, &f->arena, &message), PQ_OK);
	assert_int_equal(message->n_rules, 3);
}

static void
test_parts(void **state)
{
	static const char *names[] = {"lines[0]", "lines[1]"};
	static const char *inner_names[] = {"person.citizenship AA"};
	struct fixture *f = *state;
	struct pq_decision whole, parts[2], inner[1], after;

	make_decision(&whole);
	make_decision(&parts[0]);
	make_decision(&parts[1]);
	make_decision(&inner[0]);
	parts[0].outcome = PQ_OUTCOME_NOT_SUBJECT;
	inner[0].outcome = PQ_OUTCOME_REFER;
	parts[0].parts = inner;
	parts[0].part_names = inner_names;
	parts[0].n_parts = 1;
	whole.parts = parts;
	whole.part_names = names;
	whole.n_parts = 2;
	assert_decision_survives(f, &whole, &after);
	assert_int_equal(after.n_parts, 2);
	assert_string_equal(after.part_names[1], "lines[1]");
	assert_int_equal(after.parts[0].outcome, PQ_OUTCOME_NOT_SUBJECT);
	assert_int_equal(after.parts[0].n_parts, 1);
	assert_string_equal(after.parts[0].part_names[0], "person.citizenship AA");
	assert_int_equal(after.parts[0].parts[0].outcome, PQ_OUTCOME_REFER);
	assert_int_equal(after.parts[1].n_parts, 0);
}

static void
test_memory_bound(void **state)
{
	struct fixture *f = *state;
	struct pq_decision decision;
	struct pq_arena small;
	Pratique__V1__DecideResponse *message = NULL;

	make_decision(&decision);
	for (size_t limit = 0; limit < 6000; limit += 16) {
		pq_arena_init(&small, limit);
		enum pq_status status = pq_decision_to_message(&decision, &nobody, &small, &message);
		pq_arena_release(&small);
		if (status == PQ_OK)
			return;
		assert_int_equal(status, PQ_ENOMEM);
		assert_null(message);
	}
	(void)f;
	fail_msg("the decision did not fit into 6000 bytes");
}

static void
refuse_reply(struct fixture *f, Pratique__V1__DecideResponse *message)
{
	struct pq_decision after;

	assert_int_equal(pq_decision_from_message(message, &f->arena, &after, &f->err), PQ_EFORMAT);
}

static void
test_replies_that_make_no_sense(void **state)
{
	struct fixture *f = *state;
	struct pq_decision decision;
	Pratique__V1__DecideResponse *message;

	make_decision(&decision);
	assert_int_equal(pq_decision_to_message(&decision, &nobody, &f->arena, &message), PQ_OK);

	Pratique__V1__Decision *whole = message->decision;
	message->decision = NULL;
	refuse_reply(f, message);
	message->decision = whole;
	whole->outcome = 77;
	refuse_reply(f, message);
	whole->outcome = PRATIQUE__V1__OUTCOME__OUTCOME_REFER;
	whole->review_policy = -1;
	refuse_reply(f, message);
	whole->review_policy = 0;
	whole->counted_rules[0] = 3;
	refuse_reply(f, message);
	whole->counted_rules[0] = 0;
	whole->requirements[0]->rule = NULL;
	refuse_reply(f, message);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_least, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_field, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_and_other_kinds_go_into_the_map, setup, teardown),
		cmocka_unit_test_setup_teardown(test_assumptions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_most_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_decision, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rules_are_carried_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replies_that_make_no_sense, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

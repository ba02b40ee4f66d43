/* Near misses: found only when asked for, bounded, each of them true. */
#include "tests/support/small_law.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define ARENA_BYTES ((size_t)64 << 20)

struct fixture {
	struct pq_arena arena;
	struct pq_image *image;
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

static struct pq_decision
decide(struct fixture *f, json_t *request)
{
	struct pq_decision decision;
	const struct pq_violation *violations;
	size_t n;
	char *text = json_dumps(request, 0);

	assert_non_null(text);
	assert_int_equal(small_law_decide(f->image, text, &f->arena, &decision, &violations, &n), PQ_OK);
	free(text);
	return decision;
}

/* A request about the machine and one end user; what `more` says goes before. */
static json_t *
request_of(const char *more)
{
	json_error_t error;
	json_t *request =
		json_loads("{\"as_of\": \"2026-06-01\", \"transaction_type\": \"export\", \"destination\": \"FAR\","
	               "\"item\": {\"eccn\": \"machine\"}, \"value_usd\": 100, \"end_use\": \"civil\","
	               "\"parties\": [{\"role\": \"end_user\", \"lists\": [], \"military_end_user\": false}],"
	               "\"near_misses\": 64}",
	               0, &error);
	json_t *other = json_loads(more, 0, &error);

	assert_non_null(request);
	assert_non_null(other);
	assert_int_equal(json_object_update(request, other), 0);
	json_decref(other);
	return request;
}

/* The value of a near miss as a request says it. */
static json_t *
value_of(const char *fact, const char *words)
{
	char *end;
	double number = strtod(words, &end);

	if (strstr(fact, "lists") != NULL)
		return strcmp(words, "none") == 0 ? json_array() : json_pack("[s]", words);
	if (strcmp(words, "true") == 0 || strcmp(words, "false") == 0)
		return json_boolean(strcmp(words, "true") == 0);
	return *end == '\0' ? json_real(number) : json_string(words);
}

/* The request with the one change that the near miss speaks of. */
static json_t *
changed(json_t *request, const struct pq_near_miss *miss)
{
	static const char party[] = "parties.end_user.";
	json_t *other = json_deep_copy(request);
	json_t *at = other;
	const char *name = miss->name;

	if (strncmp(name, party, strlen(party)) == 0) {
		at = json_array_get(json_object_get(other, "parties"), 0);
		name += strlen(party);
	}
	assert_non_null(json_object_get(at, name));
	assert_int_equal(json_object_set_new(at, name, value_of(name, miss->to)), 0);
	return other;
}

static bool
is_clean(enum pq_outcome outcome)
{
	return outcome < PQ_OUTCOME_NEEDS_INFORMATION;
}

/* Every near miss of this request gives the outcome that it names, and says true of the request what it was. */
static size_t
check_all(struct fixture *f, const char *more)
{
	json_t *request = request_of(more);
	struct pq_decision decision = decide(f, request);

	for (size_t i = 0; i < decision.n_near_misses; i++) {
		const struct pq_near_miss *miss = &decision.near_misses[i];
		json_t *other = changed(request, miss);
		assert_int_equal(decide(f, other).outcome, miss->outcome);
		if (is_clean(decision.outcome))
			assert_true(miss->outcome > decision.outcome && !is_clean(miss->outcome));
		else
			assert_true(miss->outcome < decision.outcome);
		assert_true(miss->outcome != PQ_OUTCOME_NEEDS_INFORMATION);
		assert_string_not_equal(miss->from, miss->to);
		json_decref(other);
	}
	json_decref(request);
	return decision.n_near_misses;
}

static void
test_every_one_is_true(void **state)
{
	static const char *const requests[] = {
		"{}",
		"{\"value_usd\": 100.01}",
		"{\"value_usd\": 1000000}",
		"{\"destination\": \"FOE\"}",
		"{\"destination\": \"NEAR\"}",
		"{\"item\": {\"eccn\": \"bread\"}}",
		"{\"end_use\": \"military\"}",
		"{\"end_use\": \"nuclear\"}",
		"{\"order_date\": \"2025-12-31\"}",
		"{\"order_date\": \"2026-01-01\", \"value_usd\": 200}",
		"{\"parties\": [{\"role\": \"end_user\", \"lists\": [\"DPL\"], \"military_end_user\": false}]}",
		"{\"parties\": [{\"role\": \"end_user\", \"lists\": [\"EL\"], \"military_end_user\": true}]}",
	};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		n += check_all(*state, requests[i]);
	assert_true(n >= 15);
}

static const struct pq_near_miss *
find(const struct pq_decision *decision, const char *name)
{
	for (size_t i = 0; i < decision->n_near_misses; i++)
		if (strcmp(decision->near_misses[i].name, name) == 0)
			return &decision->near_misses[i];
	return NULL;
}

static void
test_a_clean_answer_and_what_would_spoil_it(void **state)
{
	json_t *request = request_of("{}");
	struct pq_decision decision = decide(*state, request);
	const struct pq_near_miss *miss;

	assert_int_equal(decision.outcome, PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE);
	/* The worst first. */
	assert_string_equal(decision.near_misses[0].name, "parties.end_user.lists");
	assert_string_equal(decision.near_misses[0].from, "none");
	assert_string_equal(decision.near_misses[0].to, "DPL");
	assert_int_equal(decision.near_misses[0].outcome, PQ_OUTCOME_PROHIBITED);
	assert_string_equal(decision.near_misses[0].rule->id, "s.denied");
	miss = find(&decision, "parties.end_user.military_end_user");
	assert_non_null(miss);
	assert_string_equal(miss->to, "true");
	assert_int_equal(miss->outcome, PQ_OUTCOME_LICENSE_REQUIRED);
	assert_string_equal(miss->rule->id, "s.small.military"); /* which closes what was open */
	miss = find(&decision, "end_use");
	assert_non_null(miss);
	assert_string_equal(miss->to, "military");
	assert_string_equal(miss->rule->id, "s.military");
	miss = find(&decision, "value_usd");
	assert_non_null(miss);
	assert_string_equal(miss->to, "100.0001");
	assert_string_equal(miss->rule->id, "s.machine");
	json_decref(request);
}

static void
test_a_blocked_answer_and_the_way_to_yes(void **state)
{
	json_t *request = request_of("{\"value_usd\": 5000}");
	struct pq_decision decision = decide(*state, request);

	assert_int_equal(decision.outcome, PQ_OUTCOME_LICENSE_REQUIRED);
	const struct pq_near_miss *miss = find(&decision, "value_usd");
	assert_non_null(miss);
	assert_string_equal(miss->from, "5000");
	assert_string_equal(miss->to, "100"); /* the nearest value that helps */
	assert_int_equal(miss->outcome, PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE);
	assert_string_equal(miss->rule->id, "s.small");
	assert_null(find(&decision, "parties.end_user.military_end_user"));
	json_decref(request);
}

/* Nobody gets a yes by being told to send another thing to another place. */
static void
test_what_is_fixed_is_left_alone(void **state)
{
	static const char *const fixed[] = {"destination", "item.eccn", "item.paragraph", "transaction_type",
	                                    "parties.end_user.role"};
	json_t *request = request_of("{\"destination\": \"FOE\"}");
	struct pq_decision decision = decide(*state, request);

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		assert_null(find(&decision, fixed[i]));
	json_decref(request);
}

static void
test_bounded(void **state)
{
	json_t *request = request_of("{}");
	struct pq_decision all = decide(*state, request);

	assert_true(all.n_near_misses > 2);
	for (json_int_t n = 0; n <= 3; n++) {
		json_object_set_new(request, "near_misses", json_integer(n));
		struct pq_decision decision = decide(*state, request);
		assert_int_equal(decision.n_near_misses, n);
		assert_int_equal(decision.outcome, all.outcome);
		for (size_t i = 0; i < decision.n_near_misses; i++)
			assert_string_equal(decision.near_misses[i].name, all.near_misses[i].name);
	}
	json_object_del(request, "near_misses");
	assert_int_equal(decide(*state, request).n_near_misses, 0);
	json_object_set_new(request, "near_misses", json_false());
	assert_int_equal(decide(*state, request).n_near_misses, 0);
	json_object_set_new(request, "near_misses", json_true());
	assert_true(decide(*state, request).n_near_misses > 0);
	json_decref(request);
}

/* Asking for them changes nothing else of a decision. */
static void
test_the_decision_is_the_same(void **state)
{
	struct fixture *f = *state;
	json_t *request = request_of("{\"value_usd\": 5000}");
	struct pq_decision with = decide(f, request);

	json_object_del(request, "near_misses");
	struct pq_decision without = decide(f, request);
	with.n_near_misses = 0;
	assert_string_equal(pq_decision_to_json(&with, &f->arena), pq_decision_to_json(&without, &f->arena));
	json_decref(request);
}

static void
test_none_while_facts_are_missing(void **state)
{
	json_t *request = request_of("{\"value_usd\": null}");
	struct pq_decision decision = decide(*state, request);

	assert_int_equal(decision.outcome, PQ_OUTCOME_NEEDS_INFORMATION);
	assert_int_equal(decision.n_near_misses, 0);
	json_decref(request);
}

static void
test_parties_of_one_role_are_told_apart(void **state)
{
	json_t *request = request_of("{\"parties\": [{\"role\": \"end_user\", \"lists\": [], \"military_end_user\": false},"
	                             "{\"role\": \"buyer\", \"lists\": [], \"military_end_user\": false},"
	                             "{\"role\": \"end_user\", \"lists\": [\"DPL\"], \"military_end_user\": false}]}");
	struct pq_decision decision = decide(*state, request);

	assert_int_equal(decision.outcome, PQ_OUTCOME_PROHIBITED);
	assert_int_equal(decision.n_near_misses, 1);
	assert_string_equal(decision.near_misses[0].name, "parties.end_user[1].lists");
	assert_string_equal(decision.near_misses[0].from, "DPL");
	assert_string_equal(decision.near_misses[0].rule->id, "s.denied"); /* which is gone then */
	json_decref(request);
}

static void
test_of_each_line(void **state)
{
	json_t *request = request_of("{\"item\": {\"lines\": [{\"eccn\": \"machine\", \"value_usd\": 500},"
	                             "{\"eccn\": \"bread\", \"value_usd\": 500}]}}");
	struct pq_decision decision = decide(*state, request);

	assert_int_equal(decision.n_parts, 2);
	assert_int_equal(decision.n_near_misses, 0);
	assert_non_null(find(&decision.parts[0], "value_usd"));
	assert_null(find(&decision.parts[1], "value_usd"));
	assert_non_null(find(&decision.parts[1], "end_use"));
	json_decref(request);
}

/* A thousand lines get an answer each, but near misses only as far as the leave for them reaches. */
static void
test_many_lines_stay_cheap(void **state)
{
	json_t *request = request_of("{}");
	json_t *lines = json_array();

	for (int i = 0; i < 1000; i++)
		json_array_append_new(lines, json_pack("{s:s,s:i}", "eccn", "machine", "value_usd", 101 + i));
	json_object_set_new(json_object_get(request, "item"), "lines", lines);
	json_object_del(json_object_get(request, "item"), "eccn");
	struct pq_decision decision = decide(*state, request);
	assert_int_equal(decision.n_parts, 1000);
	assert_non_null(find(&decision.parts[0], "value_usd"));
	assert_int_equal(decision.parts[999].outcome, PQ_OUTCOME_LICENSE_REQUIRED);
	assert_int_equal(decision.parts[999].n_near_misses, 0);
	json_decref(request);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_one_is_true, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_clean_answer_and_what_would_spoil_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_blocked_answer_and_the_way_to_yes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_fixed_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_decision_is_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none_while_facts_are_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parties_of_one_role_are_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_of_each_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_lines_stay_cheap, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

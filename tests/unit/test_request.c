#include "policy/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARENA_BYTES ((size_t)64 << 20)

struct fixture {
	struct pq_arena arena;
	struct pq_request request;
	struct pq_case_text text;
	struct pq_err err;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	pq_arena_init(&f->arena, ARENA_BYTES);
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
read_len(struct fixture *f, const char *json, size_t len)
{
	f->err = (struct pq_err){0};
	return pq_request_from_json(json, len, &f->arena, &f->request, &f->err);
}

static void
read_well(struct fixture *f, const char *json)
{
	if (read_len(f, json, strlen(json)) != PQ_OK)
		fail_msg("%s: %s: %s", json, f->err.where, f->err.msg);
}

/* The text is refused, naming `where`, in words that hold `word`. */
static void
refused(struct fixture *f, const char *json, enum pq_status status, const char *where, const char *word)
{
	struct pq_request before = {.as_of = 4711};

	f->request = before;
	enum pq_status got = read_len(f, json, strlen(json));
	if (got != status || strcmp(f->err.where, where) != 0 || strstr(f->err.msg, word) == NULL)
		fail_msg("%.200s: status %d, where \"%s\", message \"%s\"", json, got, f->err.where, f->err.msg);
	assert_int_equal(f->request.as_of, 4711);
}

static const struct pq_value *
find(const struct pq_facts *facts, const char *name)
{
	for (size_t i = 0; i < facts->n; i++)
		if (facts->at[i].name.len == strlen(name) && memcmp(facts->at[i].name.at, name, strlen(name)) == 0)
			return &facts->at[i].value;
	return NULL;
}

static const struct pq_value *
get(const struct pq_facts *facts, const char *name, enum pq_value_kind kind)
{
	const struct pq_value *value = find(facts, name);

	if (value == NULL)
		fail_msg("no fact %s", name);
	assert_int_equal(value->kind, kind);
	return value;
}

static void
has_text(const struct pq_facts *facts, const char *name, const char *text)
{
	const struct pq_value *value = get(facts, name, PQ_VALUE_TEXT);

	assert_int_equal(value->text.len, strlen(text));
	assert_memory_equal(value->text.at, text, strlen(text));
}

static void
has_number(const struct pq_facts *facts, const char *name, int64_t number)
{
	assert_int_equal(get(facts, name, PQ_VALUE_NUMBER)->number, number);
}

static void
has_bool(const struct pq_facts *facts, const char *name, bool boolean)
{
	assert_int_equal(get(facts, name, PQ_VALUE_BOOL)->boolean, boolean);
}

/* ---- the form ---------------------------------------------------------------------------------------------------- */

static const char whole[] =
	"{\"as_of\": \"2026-09-01\", \"regime\": null, \"transaction_type\": \"export\","
	" \"item\": {\"eccn\": \"3A001.a.2\", \"kind\": \"commodity\", \"sme\": false},"
	" \"origin\": \"US\", \"destination\": \"SG\", \"intermediate\": [\"MY\", null, {\"country\": \"TH\"}],"
	" \"parties\": [{\"role\": \"end_user\", \"country\": \"SG\", \"lists\": [\"EL\", \"UVL\"],"
	"   \"military_end_user\": null,"
	"   \"owners\": [{\"name\": \"Parent\", \"lists\": [], \"share_pct\": 62.5}]}, {\"role\": \"broker\"}],"
	" \"screening\": {\"screened\": true, \"red_flags\": [], \"hits\": [{\"list\": \"EL\", \"adjudicated\": false}]},"
	" \"end_use\": \"civil\", \"value_usd\": 1501.5,"
	" \"person\": {\"citizenship\": [\"CN\", \"IN\"]},"
	" \"facts\": {\"mt\": false, \"conveyance\": {\"type\": \"vessel\", \"owner_country\": \"CN\"}}}";

static void
every_member_finds_its_name(void **state)
{
	struct fixture *f = *state;

	read_well(f, whole);
	const struct pq_facts *facts = &f->request.facts;
	assert_int_equal(f->request.as_of, 20697);
	assert_false(f->request.jurisdiction_only);
	get(facts, "regime", PQ_VALUE_UNKNOWN);
	has_text(facts, "transaction_type", "export");
	has_text(facts, "item.eccn", "3A001.a.2");
	has_bool(facts, "item.sme", false);
	has_text(facts, "destination", "SG");
	has_number(facts, "value_usd", 15015000);
	has_bool(facts, "screening.screened", true);
	assert_int_equal(get(facts, "screening.red_flags", PQ_VALUE_TEXTS)->n_texts, 0);
	assert_int_equal(get(facts, "person.citizenship", PQ_VALUE_TEXTS)->n_texts, 2);
	has_text(facts, "conveyance.owner_country", "CN");
	has_bool(facts, "mt", false);
	assert_null(find(facts, "as_of"));
	assert_null(find(facts, "intermediate"));
}

static void
elements_keep_their_bare_names(void **state)
{
	struct fixture *f = *state;

	read_well(f, whole);
	assert_int_equal(f->request.n_intermediates, 3);
	has_text(&f->request.intermediates[0], "country", "MY");
	get(&f->request.intermediates[1], "country", PQ_VALUE_UNKNOWN);
	has_text(&f->request.intermediates[2], "country", "TH");
	assert_int_equal(f->request.n_parties, 2);
	const struct pq_party *party = &f->request.parties[0];
	has_text(&party->facts, "role", "end_user");
	get(&party->facts, "military_end_user", PQ_VALUE_UNKNOWN);
	assert_int_equal(get(&party->facts, "lists", PQ_VALUE_TEXTS)->n_texts, 2);
	assert_null(find(&party->facts, "owners"));
	assert_int_equal(party->n_owners, 1);
	has_number(&party->owners[0], "share_pct", 625000);
	assert_int_equal(f->request.parties[1].n_owners, 0);
	assert_int_equal(f->request.n_hits, 1);
	has_bool(&f->request.hits[0], "adjudicated", false);
}

static void
lines_hold_items_and_values(void **state)
{
	struct fixture *f = *state;

	read_well(f, "{\"as_of\": \"2026-01-01\", \"item\": {\"kind\": \"commodity\", \"lines\": ["
	             "{\"eccn\": \"1A001\", \"value_usd\": 4500}, {\"eccn\": \"2B003\", \"facts\": {\"mt\": true}}]}}");
	assert_int_equal(f->request.n_lines, 2);
	has_text(&f->request.lines[0], "item.eccn", "1A001");
	has_number(&f->request.lines[0], "value_usd", 45000000);
	has_bool(&f->request.lines[1], "mt", true);
	has_text(&f->request.facts, "item.kind", "commodity");
	refused(f, "{\"as_of\": \"2026-01-01\", \"item\": {\"lines\": [{\"lines\": []}]}}", PQ_EINVAL,
	        "item.lines[0].lines", "cannot stand");
}

static void
the_day_stands_inside_or_beside(void **state)
{
	struct fixture *f = *state;

	read_well(f, "{\"as_of\": \"1970-01-02\"}");
	assert_int_equal(f->request.as_of, 1);
	read_well(f, "{\"as_of\": \"1970-01-03\", \"id\": 7, \"request\": {}}");
	assert_int_equal(f->request.as_of, 2);
	assert_int_equal(f->request.facts.n, 0);
	read_well(f, "{\"request\": {\"as_of\": \"1970-01-04\"}}");
	assert_int_equal(f->request.as_of, 3);
	read_well(f, "{\"as_of\": \"1970-01-04\", \"request\": {\"as_of\": \"1970-01-04\"}}");
	refused(f, "{\"as_of\": \"1970-01-04\", \"request\": {\"as_of\": \"1970-01-05\"}}", PQ_EINVAL, "as_of", "differs");
	refused(f, "{}", PQ_EINVAL, "as_of", "missing");
	refused(f, "{\"request\": {}}", PQ_EINVAL, "as_of", "missing");
	refused(f, "{\"as_of\": null}", PQ_EINVAL, "as_of", "null");
	refused(f, "{\"as_of\": 20260101}", PQ_EINVAL, "as_of", "a number");
}

static void
dates_exist(void **state)
{
	static const char *const bad[] = {"2025-02-29", "2025-13-01", "2025-00-10", "2025-1-1", "25-01-01",
	                                  "2025-04-31", "1899-12-31", "",           "today",    "2025-01-01T00:00:00"};
	struct fixture *f = *state;
	char json[128];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(json, sizeof(json), "{\"request\": {\"as_of\": \"%s\"}}", bad[i]);
		refused(f, json, PQ_EINVAL, "request.as_of", "is no date");
	}
}

static void
a_query_is_no_fact(void **state)
{
	struct fixture *f = *state;

	read_well(f, "{\"as_of\": \"2026-01-01\", \"query\": \"jurisdiction_only\"}");
	assert_true(f->request.jurisdiction_only);
	assert_int_equal(f->request.facts.n, 0);
	read_well(f, "{\"as_of\": \"2026-01-01\", \"query\": null}");
	assert_false(f->request.jurisdiction_only);
	refused(f, "{\"as_of\": \"2026-01-01\", \"query\": \"all\"}", PQ_EINVAL, "query", "jurisdiction_only");
}

static void
near_misses_are_counted(void **state)
{
	struct fixture *f = *state;

	read_well(f, "{\"as_of\": \"2026-01-01\"}");
	assert_int_equal(f->request.near_misses, 0);
	read_well(f, "{\"as_of\": \"2026-01-01\", \"near_misses\": 64}");
	assert_int_equal(f->request.near_misses, 64);
	assert_int_equal(f->request.facts.n, 0);
	read_well(f, "{\"as_of\": \"2026-01-01\", \"request\": {\"near_misses\": true}}");
	assert_int_equal(f->request.near_misses, PQ_NEAR_MISSES_USUAL);
	read_well(f, "{\"as_of\": \"2026-01-01\", \"near_misses\": false}");
	assert_int_equal(f->request.near_misses, 0);
	static const char *const wrong[] = {"65", "-1", "2.0", "\"8\"", "null", "[8]", "{}"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[80];
		snprintf(text, sizeof(text), "{\"as_of\": \"2026-01-01\", \"near_misses\": %s}", wrong[i]);
		refused(f, text, PQ_EINVAL, "near_misses", "0 to 64");
	}
}

static void
assumptions_are_facts_by_full_names(void **state)
{
	struct fixture *f = *state;

	read_well(f, "{\"as_of\": \"2026-01-01\", \"value_usd\": 1, \"assume\": {\"party.military_end_user\": false,"
	             "\"party\": {\"country\": \"KH\"}, \"value_usd\": 7, \"end_use\": null}}");
	assert_int_equal(f->request.facts.n, 1);
	assert_int_equal(f->request.assume.n, 4);
	has_bool(&f->request.assume, "party.military_end_user", false);
	has_text(&f->request.assume, "party.country", "KH");
	has_number(&f->request.assume, "value_usd", 7 * PQ_NUMBER_SCALE);
	get(&f->request.assume, "end_use", PQ_VALUE_UNKNOWN); /* pq_decide() says that this is no assumption */

	refused(f, "{\"as_of\": \"2026-01-01\", \"assume\": null}", PQ_EINVAL, "assume", "null");
	refused(f, "{\"as_of\": \"2026-01-01\", \"assume\": \"civil\"}", PQ_EINVAL, "assume", "must be an object");
	refused(f, "{\"as_of\": \"2026-01-01\", \"assume\": {\"a.b\": 1, \"a\": {\"b\": 2}}}", PQ_EINVAL, "assume.a.b",
	        "a second time");
	refused(f, "{\"as_of\": \"2026-01-01\", \"request\": {\"assume\": {\"x\": [1]}}}", PQ_EINVAL, "request.assume.x[0]",
	        "string");
}

static void
a_profile_or_several(void **state)
{
	struct fixture *f = *state;

	read_well(f, "{\"as_of\": \"2026-01-01\", \"profile\": \"civil\"}");
	assert_int_equal(f->request.n_profiles, 1);
	assert_memory_equal(f->request.profiles[0].at, "civil", 5);
	read_well(f, "{\"as_of\": \"2026-01-01\", \"profile\": [\"civil\", \"us\"]}");
	assert_int_equal(f->request.n_profiles, 2);
	assert_int_equal(f->request.profiles[1].len, 2);
	assert_int_equal(f->request.facts.n, 0);
	read_well(f, "{\"as_of\": \"2026-01-01\", \"profile\": []}");
	assert_int_equal(f->request.n_profiles, 0);
	refused(f, "{\"as_of\": \"2026-01-01\", \"profile\": null}", PQ_EINVAL, "profile", "null");
	refused(f, "{\"as_of\": \"2026-01-01\", \"profile\": {}}", PQ_EINVAL, "profile", "list");
	refused(f, "{\"as_of\": \"2026-01-01\", \"profile\": [\"civil\", 1]}", PQ_EINVAL, "profile[1]", "string");
	refused(f,
	        "{\"as_of\": \"2026-01-01\", \"profile\": [\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
	        "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}",
	        PQ_ELIMIT, "profile", "16");
}

static void
numbers_are_exact(void **state)
{
	struct fixture *f = *state;

	read_well(f, "{\"as_of\": \"2026-01-01\", \"facts\": {\"a\": 0.1, \"b\": -5, \"c\": 99999999999.9999, \"d\": 1e3,"
	             " \"e\": 2500.01, \"f\": 922337203685477}}");
	has_number(&f->request.facts, "a", 1000);
	has_number(&f->request.facts, "b", -50000);
	has_number(&f->request.facts, "c", 999999999999999);
	has_number(&f->request.facts, "d", 10000000);
	has_number(&f->request.facts, "e", 25000100);
	has_number(&f->request.facts, "f", 9223372036854770000);
	refused(f, "{\"as_of\": \"2026-01-01\", \"value_usd\": 0.12345}", PQ_EINVAL, "value_usd", "4 decimals");
	refused(f, "{\"as_of\": \"2026-01-01\", \"value_usd\": 1e-9}", PQ_EINVAL, "value_usd", "4 decimals");
	refused(f, "{\"as_of\": \"2026-01-01\", \"value_usd\": 1e300}", PQ_EINVAL, "value_usd", "too large");
	refused(f, "{\"as_of\": \"2026-01-01\", \"value_usd\": 123456789012.5}", PQ_EINVAL, "value_usd", "too large");
	refused(f, "{\"as_of\": \"2026-01-01\", \"value_usd\": 922337203685478}", PQ_EINVAL, "value_usd", "out of range");
	refused(f, "{\"as_of\": \"2026-01-01\", \"value_usd\": 99999999999999999999}", PQ_EPARSE, "JSON", "integer");
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void
null_is_not_an_empty_list(void **state)
{
	struct fixture *f = *state;

	refused(f, "{\"as_of\": \"2026-01-01\", \"parties\": null}", PQ_EINVAL, "parties", "cannot be null");
	refused(f, "{\"as_of\": \"2026-01-01\", \"intermediate\": null}", PQ_EINVAL, "intermediate", "cannot be null");
	refused(f, "{\"as_of\": \"2026-01-01\", \"item\": null}", PQ_EINVAL, "item", "cannot be null");
	refused(f, "{\"as_of\": \"2026-01-01\", \"facts\": null}", PQ_EINVAL, "facts", "cannot be null");
	refused(f, "{\"as_of\": \"2026-01-01\", \"item\": {\"lines\": null}}", PQ_EINVAL, "item.lines", "cannot be null");
	refused(f, "{\"as_of\": \"2026-01-01\", \"parties\": [null]}", PQ_EINVAL, "parties[0]", "cannot be null");
}

static void
unknown_owners_and_hits_are_facts(void **state)
{
	struct fixture *f = *state;

	read_well(f, "{\"as_of\": \"2026-01-01\", \"parties\": [{\"owners\": null}], \"screening\": {\"hits\": null}}");
	assert_int_equal(f->request.parties[0].n_owners, 0);
	assert_non_null(find(&f->request.parties[0].facts, "owners"));
	assert_int_equal(f->request.n_hits, 0);
	assert_non_null(find(&f->request.facts, "screening.hits"));
}

static void
unknown_structure_names_its_field(void **state)
{
	struct fixture *f = *state;

	refused(f, "{\"as_of\": \"2026-01-01\", \"parties\": {}}", PQ_EINVAL, "parties", "must be a list");
	refused(f, "{\"as_of\": \"2026-01-01\", \"request\": []}", PQ_EINVAL, "request", "must be an object");
	refused(f, "{\"as_of\": \"2026-01-01\", \"request\": {\"parties\": [{}, 5]}}", PQ_EINVAL, "request.parties[1]",
	        "must be an object");
	refused(f, "{\"as_of\": \"2026-01-01\", \"intermediate\": [\"SG\", 5]}", PQ_EINVAL, "intermediate[1]", "object");
	refused(f, "{\"as_of\": \"2026-01-01\", \"item\": \"9A610.x\"}", PQ_EINVAL, "item", "must be an object");
	refused(f, "{\"as_of\": \"2026-01-01\", \"end_use\": \"civil\\u0000\"}", PQ_EINVAL, "end_use", "a NUL character");
	refused(f, "{\"as_of\": \"2026-01-01\", \"query\": \"jurisdiction_only\\u0000\"}", PQ_EINVAL, "query", "must be");
	refused(f, "{\"as_of\": \"2026-01-01\\u0000\"}", PQ_EINVAL, "as_of", "is no date");
	refused(f, "{\"as_of\": \"2026-01-01\", \"facts\": {\"a\": [1]}}", PQ_EINVAL, "facts.a[0]", "must be a string");
	refused(f, "{\"as_of\": \"2026-01-01\", \"facts\": {\"a\": [\"x\", null]}}", PQ_EINVAL, "facts.a[1]", "string");
	refused(f, "{\"as_of\": \"2026-01-01\", \"a\": {\"b\": {\"c\": {\"d\": {\"e\": {\"f\": 1}}}}}}", PQ_EINVAL,
	        "a.b.c.d.e", "too deeply");
	refused(f, "{\"as_of\": \"2026-01-01\", \"facts\": {\"\": 1}}", PQ_EINVAL, "facts.", "no name");
	refused(f, "{\"as_of\": \"2026-01-01\", \"origin\": \"US\", \"facts\": {\"origin\": \"DE\"}}", PQ_EINVAL,
	        "facts.origin", "second time");
	refused(f, "[]", PQ_EINVAL, "", "a request is a JSON object");
}

static void
broken_json_names_its_place(void **state)
{
	struct fixture *f = *state;

	refused(f, "", PQ_EPARSE, "JSON", "");
	refused(f, "{\"as_of\": \"2026-01-01\",}", PQ_EPARSE, "JSON", "");
	refused(f, "{\"as_of\": \"2026-01-01\"} x", PQ_EPARSE, "JSON", "end of file expected");
	refused(f, "{\n\"origin\": \"US\",\n\"origin\": \"DE\"}", PQ_EPARSE, "JSON", "duplicate object key");
	assert_int_equal(f->err.line, 3);
	assert_true(f->err.column > 0);
	refused(f, "{\"as_of\": \"2026-01-01\", \"origin\": NaN}", PQ_EPARSE, "JSON", "invalid token");
}

static void
texts_are_utf8_without_nul(void **state)
{
	static const char raw_nul[] = "{\"as_of\": \"2026-01-01\", \"origin\": \"U\0S\"}";
	struct fixture *f = *state;

	refused(f, "{\"as_of\": \"2026-01-01\", \"origin\": \"U\\u0000S\"}", PQ_EINVAL, "origin", "a NUL character");
	refused(f, "{\"as_of\": \"2026-01-01\", \"ori\\u0000gin\": \"US\"}", PQ_EPARSE, "JSON", "");
	refused(f, "{\"as_of\": \"2026-01-01\", \"origin\": \"\xff\"}", PQ_EPARSE, "JSON", "decode byte 0xff");
	refused(f, "{\"as_of\": \"2026-01-01\", \"origin\": \"\xc0\x80\"}", PQ_EPARSE, "JSON", "");
	refused(f, "{\"as_of\": \"2026-01-01\", \"origin\": \"\xed\xa0\x80\"}", PQ_EPARSE, "JSON", "");
	refused(f, "{\"as_of\": \"2026-01-01\", \"origin\": \"\\ud800\"}", PQ_EPARSE, "JSON", "");
	assert_int_equal(read_len(f, raw_nul, sizeof(raw_nul) - 1), PQ_EPARSE);
	read_well(f, "{\"as_of\": \"2026-01-01\", \"parties\": [{\"name\": \"\xc3\x9cnal\"}]}");
	has_text(&f->request.parties[0].facts, "name", "\xc3\x9cnal");
}

/* ---- bounds ------------------------------------------------------------------------------------------------------ */

/* `before`, then `n` times `element` with commas between, then `after`; the caller frees it. */
static char *
repeat(const char *before, const char *element, size_t n, const char *after)
{
	size_t size = strlen(before) + n * (strlen(element) + 1) + strlen(after) + 1;
	char *text = malloc(size), *at = text;

	assert_non_null(text);
	at += sprintf(at, "%s", before);
	for (size_t i = 0; i < n; i++)
		at += sprintf(at, "%s%s", i > 0 ? "," : "", element);
	sprintf(at, "%s", after);
	return text;
}

static void
bounded(struct fixture *f, const char *before, const char *element, size_t most, const char *after, const char *where)
{
	char *fits = repeat(before, element, most, after), *over = repeat(before, element, most + 1, after);

	read_well(f, fits);
	refused(f, over, PQ_ELIMIT, where, "");
	free(fits);
	free(over);
}

static void
lists_are_bounded(void **state)
{
	struct fixture *f = *state;

	bounded(f, "{\"as_of\": \"2026-01-01\", \"parties\": [", "{}", PQ_MAX_PARTIES, "]}", "parties");
	bounded(f, "{\"as_of\": \"2026-01-01\", \"intermediate\": [", "\"SG\"", PQ_MAX_INTERMEDIATES, "]}", "intermediate");
	bounded(f, "{\"as_of\": \"2026-01-01\", \"item\": {\"lines\": [", "{}", PQ_MAX_LINES, "]}}", "item.lines");
	bounded(f, "{\"as_of\": \"2026-01-01\", \"screening\": {\"hits\": [", "{}", PQ_MAX_HITS, "]}}", "screening.hits");
	bounded(f, "{\"as_of\": \"2026-01-01\", \"parties\": [{\"owners\": [", "{}", PQ_MAX_OWNERS, "]}]}",
	        "parties[0].owners");
	bounded(f, "{\"as_of\": \"2026-01-01\", \"facts\": {\"a\": [", "\"x\"", PQ_MAX_SET, "]}}", "facts.a");
}

static void
facts_of_one_place_are_bounded(void **state)
{
	struct fixture *f = *state;
	char json[16384], *at = json;

	at += sprintf(at, "{\"as_of\": \"2026-01-01\", \"facts\": {\"f0\": 1");
	for (int i = 1; i < PQ_MAX_FACTS; i++)
		at += sprintf(at, ", \"f%d\": 1", i);
	strcpy(at, "}}");
	read_well(f, json);
	assert_int_equal(f->request.facts.n, PQ_MAX_FACTS);
	strcpy(at, ", \"more\": 1}}");
	refused(f, json, PQ_ELIMIT, "facts.more", "too many");
}

static void
strings_are_bounded(void **state)
{
	struct fixture *f = *state;
	char text[PQ_MAX_STRING + 2], json[2 * PQ_MAX_STRING + 256];

	memset(text, 'x', PQ_MAX_STRING);
	text[PQ_MAX_STRING] = '\0';
	snprintf(json, sizeof(json), "{\"as_of\": \"2026-01-01\", \"destination\": \"%s\", \"facts\": {\"%s\": 1}}", text,
	         text);
	read_well(f, json);
	memset(text, 'y', PQ_MAX_STRING + 1);
	text[PQ_MAX_STRING + 1] = '\0';
	snprintf(json, sizeof(json), "{\"as_of\": \"2026-01-01\", \"destination\": \"%s\"}", text);
	refused(f, json, PQ_ELIMIT, "destination", "513 bytes");
	snprintf(json, sizeof(json), "{\"as_of\": \"2026-01-01\", \"%s\": 1}", text);
	assert_int_equal(read_len(f, json, strlen(json)), PQ_ELIMIT);
	assert_non_null(strstr(f->err.msg, "513 bytes"));
}

static void
the_text_is_bounded(void **state)
{
	struct fixture *f = *state;
	size_t len = PQ_REQUEST_JSON_MAX + 1;
	char *json = malloc(len);

	assert_non_null(json);
	memset(json, ' ', len);
	memcpy(json, "{\"as_of\": \"2026-01-01\"}", 23);
	assert_int_equal(read_len(f, json, len - 1), PQ_OK);
	assert_int_equal(read_len(f, json, len), PQ_ELIMIT);
	memset(json, '[', len);
	assert_int_equal(read_len(f, json, len - 1), PQ_EPARSE);
	free(json);
}

static void
a_full_arena_fails_cleanly(void **state)
{
	struct fixture *f = *state;
	struct pq_request request;

	for (size_t limit = 0; limit < 8192; limit += 48) {
		struct pq_arena small;
		struct pq_err err = {0};
		pq_arena_init(&small, limit);
		enum pq_status status = pq_request_from_json(whole, strlen(whole), &small, &request, &err);
		assert_true(status == PQ_OK || status == PQ_ENOMEM);
		pq_arena_release(&small);
	}
	read_well(f, whole);
	assert_int_equal(pq_request_from_json("{}", 2, &f->arena, &request, NULL), PQ_EINVAL);
}

/* ---- cases ------------------------------------------------------------------------------------------------------- */

static enum pq_status
read_case(struct fixture *f, const char *json)
{
	f->err = (struct pq_err){0};
	return pq_case_from_json(json, strlen(json), &f->arena, &f->text, &f->err);
}

static void
case_refused(struct fixture *f, const char *json, const char *where, const char *word)
{
	enum pq_status status = read_case(f, json);

	if (status != PQ_EINVAL || strcmp(f->err.where, where) != 0 || strstr(f->err.msg, word) == NULL)
		fail_msg("%s: status %d, where \"%s\", message \"%s\"", json, status, f->err.where, f->err.msg);
}

static void
a_case_is_read_whole(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_case(f, "{\"id\": \"A1\", \"as_of\": \"2026-01-01\", \"request\": {\"origin\": \"US\"},"
	                              " \"expected\": {\"outcome\": \"LICENSE_REQUIRED\", \"rules\": [\"x\"],"
	                              " \"exceptions_available\": [], \"exceptions_barred\": [\"LVS: value\", \"all\"],"
	                              " \"review_policy\": \"CASE_BY_CASE\", \"obligations\": [\"EEI(758.1)\"],"
	                              " \"missing_facts\": []}, \"why\": \"because\"}"),
	                 PQ_OK);
	assert_string_equal(f->text.id, "A1");
	has_text(&f->text.request.facts, "origin", "US");
	const struct pq_expected *expected = &f->text.expected;
	assert_int_equal(expected->outcome, PQ_OUTCOME_LICENSE_REQUIRED);
	assert_true(expected->has_policy);
	assert_int_equal(expected->policy, PQ_POLICY_CASE_BY_CASE);
	assert_int_equal(expected->n_available, 0);
	assert_int_equal(expected->n_barred, 2);
	assert_string_equal(expected->barred[0], "LVS: value");
	assert_string_equal(expected->obligations[0], "EEI(758.1)");

	assert_int_equal(read_case(f, "{\"id\": \"A\", \"as_of\": \"2026-01-01\", \"request\": {},"
	                              " \"expected\": {\"outcome\": \"REFER\", \"review_policy\": null}}"),
	                 PQ_OK);
	assert_false(f->text.expected.has_policy);
	assert_int_equal(f->text.expected.n_obligations, 0);
}

static void
faulty_cases_name_their_field(void **state)
{
	struct fixture *f = *state;

#define CASE(expected) "{\"id\": \"A\", \"as_of\": \"2026-01-01\", \"request\": {}, \"expected\": " expected "}"
	case_refused(f, "{\"as_of\": \"2026-01-01\"}", "id", "missing");
	case_refused(f, "{\"id\": 5, \"as_of\": \"2026-01-01\"}", "id", "a number");
	case_refused(f, "{\"id\": \"\", \"as_of\": \"2026-01-01\"}", "id", "empty");
	case_refused(f, "{\"id\": \"A\", \"as_of\": \"2026-01-01\"}", "request", "missing");
	case_refused(f, "{\"id\": \"A\", \"as_of\": \"2026-01-01\", \"request\": {}}", "expected", "missing");
	case_refused(f, "{\"id\": \"A\", \"request\": {}, \"expected\": {}}", "as_of", "missing");
	case_refused(f, CASE("{}"), "expected.outcome", "outcome");
	case_refused(f, CASE("{\"outcome\": \"MAYBE\"}"), "expected.outcome", "is no outcome");
	case_refused(f, CASE("{\"outcome\": \"REFER\", \"review_policy\": \"NICE\"}"), "expected.review_policy", "NICE");
	case_refused(f, CASE("{\"outcome\": \"REFER\", \"obligations\": null}"), "expected.obligations", "null");
	case_refused(f, CASE("{\"outcome\": \"REFER\", \"obligations\": [1]}"), "expected.obligations[0]", "a number");
	case_refused(f, CASE("{\"outcome\": \"REFER\", \"obligation\": []}"), "expected.obligation", "nothing that a case");
	case_refused(f, "[]", "", "a case is a JSON object");
#undef CASE
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_member_finds_its_name),
		TEST(elements_keep_their_bare_names),
		TEST(lines_hold_items_and_values),
		TEST(the_day_stands_inside_or_beside),
		TEST(dates_exist),
		TEST(a_query_is_no_fact),
		TEST(near_misses_are_counted),
		TEST(assumptions_are_facts_by_full_names),
		TEST(a_profile_or_several),
		TEST(numbers_are_exact),
		TEST(null_is_not_an_empty_list),
		TEST(unknown_owners_and_hits_are_facts),
		TEST(unknown_structure_names_its_field),
		TEST(broken_json_names_its_place),
		TEST(texts_are_utf8_without_nul),
		TEST(lists_are_bounded),
		TEST(facts_of_one_place_are_bounded),
		TEST(strings_are_bounded),
		TEST(the_text_is_bounded),
		TEST(a_full_arena_fails_cleanly),
		TEST(a_case_is_read_whole),
		TEST(faulty_cases_name_their_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

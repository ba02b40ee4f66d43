/*
 * What a request may not be, byte by byte. Each fault is named with its field and a reason.
 */
#include "server/convert.h"
#include "server/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Bytes of a message under construction. */
struct bytes {
	uint8_t at[1 << 16];
	size_t len;
};

struct fixture {
	struct pq_arena arena;
	struct pq_violations violations;
	struct bytes bytes;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	pq_arena_init(&f->arena, (size_t)64 << 20);
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

static void
put_varint(struct bytes *b, uint64_t value)
{
	while (value >= 0x80) {
		b->at[b->len++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	b->at[b->len++] = (uint8_t)value;
}

static void
put_bytes(struct bytes *b, unsigned field, const void *data, size_t len)
{
	put_varint(b, field << 3 | PQ_WIRE_BYTES);
	put_varint(b, len);
	memcpy(b->at + b->len, data, len);
	b->len += len;
}

static void
put_text(struct bytes *b, unsigned field, const char *text)
{
	put_bytes(b, field, text, strlen(text));
}

static void
put_message(struct bytes *b, unsigned field, const struct bytes *message)
{
	put_bytes(b, field, message->at, message->len);
}

static void
put_number(struct bytes *b, unsigned field, uint64_t value)
{
	put_varint(b, field << 3 | PQ_WIRE_VARINT);
	put_varint(b, value);
}

/* Field numbers that the tests use. */
enum {
	NEAR_MISSES = 18,
	PROFILES = 17,
	AS_OF = 1,
	QUERY = 2,
	ORIGIN = 5,
	INTERMEDIATES = 7,
	ITEM = 8,
	LINES = 9,
	PARTIES = 10,
	VALUE = 13,
	FACTS = 15
};

static enum pq_status
decode(struct fixture *f)
{
	struct pq_request request;
	struct pq_demand demand;
	/* Of exactly that size, so that reading past the end is seen. */
	uint8_t *exact = malloc(f->bytes.len > 0 ? f->bytes.len : 1);

	assert_non_null(exact);
	memcpy(exact, f->bytes.at, f->bytes.len);
	enum pq_status status = pq_request_decode(exact, f->bytes.len, &f->arena, &request, &demand, &f->violations);
	free(exact);
	return status;
}

static void
assert_refused(struct fixture *f, const char *field, const char *reason)
{
	assert_int_equal(decode(f), PQ_EINVAL);
	for (size_t i = 0; i < f->violations.n; i++) {
		const struct pq_violation *violation = &f->violations.at[i];
		if (strcmp(violation->field, field) == 0 && strcmp(violation->reason, reason) == 0) {
			assert_true(violation->description[0] != '\0');
			return;
		}
	}
	for (size_t i = 0; i < f->violations.n; i++)
		print_error("found: %s %s\n", f->violations.at[i].field, f->violations.at[i].reason);
	fail_msg("expected: %s %s", field, reason);
}

static struct fixture *
begin(void **state)
{
	struct fixture *f = *state;

	put_text(&f->bytes, AS_OF, "2025-11-07");
	return f;
}

static void
test_good(void **state)
{
	struct fixture *f = begin(state);

	put_text(&f->bytes, ORIGIN, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\xa2");
	assert_int_equal(decode(f), PQ_OK);
}

static void
test_day(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, "as_of", "MISSING");
}

static void
test_day_that_does_not_exist(void **state)
{
	struct fixture *f = *state;

	put_text(&f->bytes, AS_OF, "2025-02-29");
	assert_refused(f, "as_of", "INVALID_DATE");
}

static void
test_utf8(void **state)
{
	struct fixture *f = begin(state);
	struct bytes party = {.len = 0};

	put_text(&party, 3, "caf\xe9");
	put_message(&f->bytes, PARTIES, &(struct bytes){.len = 0});
	put_message(&f->bytes, PARTIES, &party);
	assert_refused(f, "parties[1].name", "INVALID_UTF8");
}

static void
test_nul(void **state)
{
	struct fixture *f = begin(state);

	put_bytes(&f->bytes, ORIGIN, "A\0B", 3);
	assert_refused(f, "origin", "NUL_CHARACTER");
}

static void
test_long_text(void **state)
{
	struct fixture *f = begin(state);
	char text[PQ_MAX_STRING + 1];

	memset(text, 'x', sizeof(text));
	put_bytes(&f->bytes, ORIGIN, text, PQ_MAX_STRING);
	assert_int_equal(decode(f), PQ_OK);
	put_bytes(&f->bytes, ORIGIN, text, sizeof(text));
	assert_refused(f, "origin", "TOO_LONG");
}

static void
test_enum(void **state)
{
	struct fixture *f = begin(state);
	struct bytes party = {.len = 0};

	put_number(&f->bytes, QUERY, 9);
	put_number(&party, 6, 4);
	put_message(&f->bytes, PARTIES, &party);
	assert_refused(f, "query", "UNKNOWN_ENUM_VALUE");
	f->violations.n = 0;
	assert_refused(f, "parties[0].military_end_user", "UNKNOWN_ENUM_VALUE");
}

static void
test_negative_enum(void **state)
{
	struct fixture *f = begin(state);

	put_number(&f->bytes, QUERY, (uint64_t)-1);
	assert_refused(f, "query", "UNKNOWN_ENUM_VALUE");
}

static void
put_fact(struct bytes *b, unsigned field, const char *name, const struct bytes *value)
{
	struct bytes entry = {.len = 0};

	put_text(&entry, 1, name);
	if (value != NULL)
		put_message(&entry, 2, value);
	put_message(b, field, &entry);
}

static void
test_fact_without_value(void **state)
{
	struct fixture *f = begin(state);

	put_fact(&f->bytes, FACTS, "mt", &(struct bytes){.len = 0});
	assert_refused(f, "facts[\"mt\"]", "MISSING");
}

static void
test_fact_without_name(void **state)
{
	struct fixture *f = begin(state);
	struct bytes yes = {.len = 0};

	put_number(&yes, 2, 1);
	put_fact(&f->bytes, FACTS, "", &yes);
	assert_refused(f, "facts[\"\"]", "MISSING");
}

static void
test_fact_twice(void **state)
{
	struct fixture *f = begin(state);
	struct bytes yes = {.len = 0};

	put_number(&yes, 2, 1);
	put_fact(&f->bytes, FACTS, "mt", &yes);
	put_fact(&f->bytes, FACTS, "mt", &yes);
	assert_refused(f, "mt", "DUPLICATE");
}

static void
test_fact_typed_and_by_name(void **state)
{
	struct fixture *f = begin(state);
	struct bytes text = {.len = 0}, item = {.len = 0}, line = {.len = 0};

	put_text(&text, 4, "X");
	put_text(&item, 1, "1Z001");
	put_fact(&item, 5, "eccn", &text);
	put_message(&line, 1, &item);
	put_message(&f->bytes, LINES, &line);
	assert_refused(f, "lines[0].item.eccn", "DUPLICATE");
}

static void
test_fact_below_and_at_the_top(void **state)
{
	struct fixture *f = begin(state);
	struct bytes text = {.len = 0}, item = {.len = 0};

	put_text(&text, 4, "X");
	put_text(&item, 1, "1Z001");
	put_message(&f->bytes, ITEM, &item);
	put_fact(&f->bytes, FACTS, "item.eccn", &text);
	assert_refused(f, "item.eccn", "DUPLICATE");
}

static void
test_number(void **state)
{
	static const char *const wrong[] = {"", "1e5", "0.00001", "1,5", "0x10", " 1", "nan", "99999999999999999999"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fixture *f = *state;
		struct bytes number = {.len = 0};
		f->bytes.len = 0;
		f->violations.n = 0;
		put_text(&f->bytes, AS_OF, "2025-11-07");
		put_text(&number, 1, wrong[i]);
		put_message(&f->bytes, VALUE, &number);
		assert_refused(f, "value_usd", "INVALID_NUMBER");
	}
}

static void
test_too_many(void **state)
{
	struct fixture *f = begin(state);

	for (int i = 0; i < PQ_MAX_PARTIES; i++)
		put_message(&f->bytes, PARTIES, &(struct bytes){.len = 0});
	assert_int_equal(decode(f), PQ_OK);
	put_message(&f->bytes, PARTIES, &(struct bytes){.len = 0});
	assert_refused(f, "parties", "TOO_MANY");
}

static void
test_too_many_lines(void **state)
{
	struct fixture *f = begin(state);

	for (int i = 0; i <= PQ_MAX_LINES; i++)
		put_message(&f->bytes, LINES, &(struct bytes){.len = 0});
	assert_refused(f, "lines", "TOO_MANY");
}

static void
test_too_many_values(void **state)
{
	struct fixture *f = begin(state);
	struct bytes list = {.len = 0}, party = {.len = 0};

	for (int i = 0; i <= PQ_MAX_SET; i++)
		put_text(&list, 1, "x");
	put_message(&party, 5, &list);
	put_message(&f->bytes, PARTIES, &party);
	assert_refused(f, "parties[0].lists.values", "TOO_MANY");
}

static void
test_too_many_facts(void **state)
{
	struct fixture *f = begin(state);
	struct bytes yes = {.len = 0};
	char name[16];

	put_number(&yes, 2, 1);
	for (int i = 0; i <= PQ_MAX_FACTS; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put_fact(&f->bytes, FACTS, name, &yes);
	}
	assert_refused(f, "facts", "TOO_MANY");
}

/* The bound counts what stands in one place, however it is spread over messages. */
static void
test_too_many_facts_together(void **state)
{
	struct fixture *f = begin(state);
	struct bytes yes = {.len = 0}, item = {.len = 0};
	char name[16];

	put_number(&yes, 2, 1);
	for (int i = 0; i < PQ_MAX_FACTS; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put_fact(&f->bytes, FACTS, name, &yes);
	}
	put_fact(&item, 5, "g", &yes);
	put_message(&f->bytes, ITEM, &item);
	assert_refused(f, "facts", "TOO_MANY");
}

static void
test_assumptions(void **state)
{
	struct fixture *f = begin(state);
	struct bytes yes = {.len = 0};

	put_number(&yes, 2, 1);
	put_fact(&f->bytes, 16, "mt", &(struct bytes){.len = 0});
	put_fact(&f->bytes, 16, "x", &yes);
	put_fact(&f->bytes, 16, "x", &yes);
	put_number(&f->bytes, NEAR_MISSES, PQ_MAX_NEAR_MISSES + 1);
	assert_refused(f, "assume[\"mt\"]", "MISSING");
	f->violations.n = 0;
	assert_refused(f, "assume.x", "DUPLICATE");
	f->violations.n = 0;
	assert_refused(f, "near_misses", "OUT_OF_RANGE");
	f->violations.n = 0;
	for (int i = 0; i <= PQ_MAX_PROFILES; i++)
		put_text(&f->bytes, PROFILES, "p");
	assert_refused(f, "profiles", "TOO_MANY");
}

static void
test_unknown_fields(void **state)
{
	struct fixture *f = begin(state);

	for (int i = 0; i < PQ_SERVER_UNKNOWN_FIELDS; i++)
		put_number(&f->bytes, 2000, 1);
	assert_int_equal(decode(f), PQ_OK);
	put_number(&f->bytes, 2000, 1);
	assert_refused(f, "", "TOO_MANY");
}

static void
test_malformed(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} wrong[] = {
		{"\x0a", 1}, /* a key without its length */
		{"\x0a\x05"
	     "2025",
	     6},                                                  /* a length past the end */
		{"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* a length of 2^64 - 1 */
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11}, /* an endless varint */
		{"\x0b\x0c", 2},                                      /* a group */
		{"\x0e", 1},                                          /* wire type 6 */
		{"\x00\x00", 2},                                      /* field 0 */
		{"\x0d\x00\x00", 3},                                  /* a number of 32 bits cut short */
		{"\x52\x02\x0a\x05", 4},                              /* the same inside a party */
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fixture *f = *state;
		f->violations.n = 0;
		memcpy(f->bytes.at, wrong[i].bytes, wrong[i].len);
		f->bytes.len = wrong[i].len;
		assert_int_equal(decode(f), PQ_EINVAL);
		assert_string_equal(f->violations.at[0].reason, "MALFORMED");
	}
}

static void
test_other_wire_type(void **state)
{
	struct fixture *f = begin(state);

	put_number(&f->bytes, ORIGIN, 7);
	assert_refused(f, "origin", "MALFORMED");
}

static void
test_all_faults_are_named(void **state)
{
	struct fixture *f = *state;
	struct bytes party = {.len = 0};

	put_text(&f->bytes, AS_OF, "yesterday");
	put_text(&party, 1, "end_user");
	put_fact(&party, 9, "a", &(struct bytes){.len = 0});
	put_fact(&party, 9, "b", &(struct bytes){.len = 0});
	put_message(&f->bytes, PARTIES, &party);
	assert_int_equal(decode(f), PQ_EINVAL);
	assert_int_equal(f->violations.n, 3);
}

static void
test_no_more_faults_than_the_bound(void **state)
{
	struct fixture *f = begin(state);

	for (int i = 0; i < 200; i++)
		put_bytes(&f->bytes, ORIGIN, "\xff", 1);
	assert_int_equal(decode(f), PQ_EINVAL);
	assert_int_equal(f->violations.n, PQ_SERVER_VIOLATIONS);
}

/* What a client sends does not get into texts as it is: they end in logs and on terminals. */
static void
test_texts_are_printable(void **state)
{
	struct fixture *f = begin(state);

	put_fact(&f->bytes, FACTS, "\x1b[31m\n", &(struct bytes){.len = 0});
	assert_refused(f, "facts[\"?[31m?\"]", "MISSING");
}

static void
test_memory_bound(void **state)
{
	struct fixture *f = begin(state);

	for (int i = 0; i < 500; i++)
		put_message(&f->bytes, LINES, &(struct bytes){.len = 0});
	for (size_t limit = 64; limit < 40000; limit += 1000) {
		struct pq_arena small;
		struct pq_request request;
		struct pq_demand demand;
		pq_arena_init(&small, limit);
		struct pq_violations violations = {.arena = &small};
		enum pq_status status = pq_request_decode(f->bytes.at, f->bytes.len, &small, &request, &demand, &violations);
		assert_int_equal(status, PQ_ENOMEM);
		pq_arena_release(&small);
	}
}

static void
test_utf8_table(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		bool valid;
	} rows[] = {
		{"", 0, true},
		{"\x7f", 1, true},
		{"\xc2\x80", 2, true},
		{"\xdf\xbf", 2, true},
		{"\xe0\xa0\x80", 3, true},
		{"\xed\x9f\xbf", 3, true},
		{"\xef\xbf\xbf", 3, true},
		{"\xf0\x90\x80\x80", 4, true},
		{"\xf4\x8f\xbf\xbf", 4, true},
		{"\x80", 1, false},
		{"\xc0\x80", 2, false}, /* NUL written longer */
		{"\xc1\xbf", 2, false},
		{"\xc2", 1, false},
		{"\xe0\x9f\xbf", 3, false},
		{"\xed\xa0\x80", 3, false}, /* a surrogate */
		{"\xf0\x8f\xbf\xbf", 4, false},
		{"\xf4\x90\x80\x80", 4, false}, /* past the last character */
		{"\xf5\x80\x80\x80", 4, false},
		{"\xe2\x82", 2, false},
		{"\xe2\x28\xa1", 3, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (pq_utf8_valid(rows[i].text, rows[i].len) != rows[i].valid)
			fail_msg("row %zu", i);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_good),
		TEST(test_day),
		TEST(test_day_that_does_not_exist),
		TEST(test_utf8),
		TEST(test_nul),
		TEST(test_long_text),
		TEST(test_enum),
		TEST(test_negative_enum),
		TEST(test_fact_without_value),
		TEST(test_fact_without_name),
		TEST(test_fact_twice),
		TEST(test_fact_typed_and_by_name),
		TEST(test_fact_below_and_at_the_top),
		TEST(test_number),
		TEST(test_too_many),
		TEST(test_too_many_lines),
		TEST(test_too_many_values),
		TEST(test_too_many_facts),
		TEST(test_too_many_facts_together),
		TEST(test_assumptions),
		TEST(test_unknown_fields),
		TEST(test_malformed),
		TEST(test_other_wire_type),
		TEST(test_all_faults_are_named),
		TEST(test_no_more_faults_than_the_bound),
		TEST(test_texts_are_printable),
		TEST(test_memory_bound),
		TEST(test_utf8_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* CSV: what RFC 4180 allows is read as it says, everything else is refused at its place. */
#include "policy/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct pq_arena arena;
	struct pq_csv csv;
	struct pq_err err;
};

static int
setup(void **state)
{
	static struct fixture fixture;

	memset(&fixture, 0, sizeof(fixture));
	pq_arena_init(&fixture.arena, 1 << 20);
	*state = &fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;

	pq_arena_release(&fixture->arena);
	return 0;
}

static enum pq_status
parse(struct fixture *fixture, const char *text, size_t len)
{
	return pq_csv_parse("t.csv", text, len, &fixture->arena, &fixture->csv, &fixture->err);
}

static void
assert_cell(const struct fixture *fixture, size_t row, size_t cell, const char *text, int line, int column)
{
	assert_true(row < fixture->csv.n && cell < fixture->csv.rows[row].n);
	const struct pq_csv_cell *at = &fixture->csv.rows[row].cells[cell];
	assert_string_equal(at->text, text);
	assert_int_equal(at->len, strlen(text));
	assert_int_equal(at->line, line);
	assert_int_equal(at->column, column);
}

static void
test_plain(void **state)
{
	struct fixture *fixture = *state;
	const char text[] = "a,b,c\r\n1,,3\n,,\n";

	assert_int_equal(parse(fixture, text, strlen(text)), PQ_OK);
	assert_int_equal(fixture->csv.n, 3);
	assert_cell(fixture, 0, 2, "c", 1, 5);
	assert_int_equal(fixture->csv.rows[1].n, 3);
	assert_cell(fixture, 1, 1, "", 2, 3);
	assert_cell(fixture, 1, 2, "3", 2, 4);
	assert_int_equal(fixture->csv.rows[2].n, 3);
}

static void
test_quotes(void **state)
{
	struct fixture *fixture = *state;
	const char text[] = "\"a,b\",\"say \"\"no\"\"\",\"two\nlines\",x\n\"\",y";

	assert_int_equal(parse(fixture, text, strlen(text)), PQ_OK);
	assert_int_equal(fixture->csv.n, 2);
	assert_cell(fixture, 0, 0, "a,b", 1, 1);
	assert_cell(fixture, 0, 1, "say \"no\"", 1, 7);
	assert_cell(fixture, 0, 2, "two\nlines", 1, 20);
	assert_cell(fixture, 0, 3, "x", 2, 8);
	assert_cell(fixture, 1, 0, "", 3, 1);
	assert_cell(fixture, 1, 1, "y", 3, 4);
}

static void
test_columns_count_characters(void **state)
{
	struct fixture *fixture = *state;
	const char text[] = "\xEF\xBB\xBF"
						"C\xC3\xB4te,x\n";

	assert_int_equal(parse(fixture, text, strlen(text)), PQ_OK);
	assert_cell(fixture, 0, 0, "C\xC3\xB4te", 1, 1);
	assert_cell(fixture, 0, 1, "x", 1, 6);
}

static void
test_ends(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(parse(fixture, "", 0), PQ_OK);
	assert_int_equal(fixture->csv.n, 0);
	assert_int_equal(parse(fixture, "a,", 2), PQ_OK);
	assert_int_equal(fixture->csv.rows[0].n, 2);
	assert_int_equal(parse(fixture, "a\n\nb", 4), PQ_OK);
	assert_int_equal(fixture->csv.n, 3);
	assert_int_equal(fixture->csv.rows[1].n, 1);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		int line, column;
	} refused[] = {
#define TEXT(t) t, sizeof(t) - 1
		{TEXT("a,b\nc\"d,e\n"), 2, 2}, /* a quote inside a plain cell */
		{TEXT("a,\"b\"c\n"), 1, 6},    /* text behind a closing quote */
		{TEXT("a\n\"b\nc\n"), 2, 1},   /* a quote never closed */
		{TEXT("a\rb\n"), 1, 2},        /* a lone CR */
		{TEXT("a\r"), 1, 2},
		{TEXT("a,b\0c\n"), 1, 4},         /* NUL */
		{TEXT("a,\xC3(\n"), 1, 3},        /* cut short */
		{TEXT("a,\xC0\x80\n"), 1, 3},     /* overlong */
		{TEXT("\xED\xA0\x80"), 1, 1},     /* a surrogate */
		{TEXT("\xF4\x90\x80\x80"), 1, 1}, /* beyond Unicode */
		{TEXT("\"x\xFF\""), 1, 3},
#undef TEXT
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(parse(fixture, refused[i].text, refused[i].len), PQ_EPARSE);
		assert_string_equal(fixture->err.where, "t.csv");
		assert_int_equal(fixture->err.line, refused[i].line);
		assert_int_equal(fixture->err.column, refused[i].column);
	}
}

static void
test_memory(void **state)
{
	struct fixture *fixture = *state;

	pq_arena_release(&fixture->arena);
	pq_arena_init(&fixture->arena, 64);
	assert_int_equal(parse(fixture, "a,b,c\nd,e,f\n", 12), PQ_ENOMEM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quotes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_columns_count_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

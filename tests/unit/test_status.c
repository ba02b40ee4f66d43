#include "policy/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
every_status_has_a_text(void **state)
{
	(void)state;
#define X(name, text) assert_string_equal(pq_status_text(PQ_##name), text);
	PQ_STATUS_MAP(X)
#undef X
	assert_int_equal(PQ_OK, 0);
}

static void
a_foreign_number_has_a_text_too(void **state)
{
	(void)state;
	assert_string_equal(pq_status_text((enum pq_status)9999), "unknown status");
	assert_string_equal(pq_status_text((enum pq_status) - 1), "unknown status");
}

static void
fail_returns_the_status_and_fills_everything(void **state)
{
	struct pq_err err;

	(void)state;
	memset(&err, 0x5a, sizeof(err));
	assert_int_equal(pq_fail(&err, PQ_EINVAL, "value %d is negative", -3), PQ_EINVAL);
	assert_int_equal(err.status, PQ_EINVAL);
	assert_int_equal(err.line, 0);
	assert_int_equal(err.column, 0);
	assert_string_equal(err.where, "");
	assert_string_equal(err.msg, "value -3 is negative");

	assert_int_equal(pq_fail_at(&err, PQ_EPARSE, "a.yaml", 41, 7, "no %s", "cite"), PQ_EPARSE);
	assert_int_equal(err.status, PQ_EPARSE);
	assert_int_equal(err.line, 41);
	assert_int_equal(err.column, 7);
	assert_string_equal(err.where, "a.yaml");
	assert_string_equal(err.msg, "no cite");
}

static void
the_error_may_be_left_out(void **state)
{
	(void)state;
	assert_int_equal(pq_fail(NULL, PQ_EIO, "x"), PQ_EIO);
	assert_int_equal(pq_fail_at(NULL, PQ_ENOMEM, "f", 1, 1, "x"), PQ_ENOMEM);
}

static void
no_place_is_an_empty_place(void **state)
{
	struct pq_err err;

	(void)state;
	assert_int_equal(pq_fail_at(&err, PQ_EIO, NULL, 0, 0, "x"), PQ_EIO);
	assert_string_equal(err.where, "");
}

static void
long_texts_are_cut_and_terminated(void **state)
{
	struct {
		struct pq_err err;
		unsigned char after[16];
	} guarded;
	char text[2 * PQ_ERR_MSG_MAX];

	(void)state;
	memset(&guarded, 0x5a, sizeof(guarded));
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(pq_fail_at(&guarded.err, PQ_ELIMIT, text, 1, 1, "%s", text), PQ_ELIMIT);
	assert_int_equal(strlen(guarded.err.msg), PQ_ERR_MSG_MAX - 1);
	assert_int_equal(strlen(guarded.err.where), PQ_ERR_WHERE_MAX - 1);
	for (size_t i = 0; i < sizeof(guarded.after); i++)
		assert_int_equal(guarded.after[i], 0x5a);
}

static void
an_error_can_be_wrapped_in_itself(void **state)
{
	struct pq_err err;

	(void)state;
	(void)pq_fail_at(&err, PQ_EPARSE, "rules.yaml", 3, 9, "no such symbol");
	(void)pq_fail_at(&err, err.status, err.where, err.line, err.column, "rule x: %s", err.msg);
	assert_int_equal(err.status, PQ_EPARSE);
	assert_string_equal(err.where, "rules.yaml");
	assert_string_equal(err.msg, "rule x: no such symbol");
}

static void
format_leaves_out_what_is_not_known(void **state)
{
	struct pq_err err;
	char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX + 32];

	(void)state;
	(void)pq_fail_at(&err, PQ_EPARSE, "a.csv", 12, 3, "bad cell");
	pq_err_format(&err, text, sizeof(text));
	assert_string_equal(text, "a.csv:12:3: bad cell");

	(void)pq_fail_at(&err, PQ_EPARSE, "a.csv", 12, 0, "bad row");
	pq_err_format(&err, text, sizeof(text));
	assert_string_equal(text, "a.csv:12: bad row");

	(void)pq_fail_at(&err, PQ_EINVAL, "item.eccn", 0, 0, "does not exist");
	pq_err_format(&err, text, sizeof(text));
	assert_string_equal(text, "item.eccn: does not exist");

	(void)pq_fail(&err, PQ_ENOMEM, "out of memory");
	pq_err_format(&err, text, sizeof(text));
	assert_string_equal(text, "out of memory");
}

static void
format_never_writes_past_the_buffer(void **state)
{
	struct pq_err err;
	char text[16];

	(void)state;
	(void)pq_fail_at(&err, PQ_EPARSE, "a.csv", 12, 3, "bad cell");
	memset(text, 'Z', sizeof(text));
	pq_err_format(&err, text, 8);
	assert_string_equal(text, "a.csv:1");
	assert_int_equal(text[8], 'Z');
	pq_err_format(&err, text, 1);
	assert_string_equal(text, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_a_text),
		cmocka_unit_test(a_foreign_number_has_a_text_too),
		cmocka_unit_test(fail_returns_the_status_and_fills_everything),
		cmocka_unit_test(the_error_may_be_left_out),
		cmocka_unit_test(no_place_is_an_empty_place),
		cmocka_unit_test(long_texts_are_cut_and_terminated),
		cmocka_unit_test(an_error_can_be_wrapped_in_itself),
		cmocka_unit_test(format_leaves_out_what_is_not_known),
		cmocka_unit_test(format_never_writes_past_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The codec against its reference over the US packs: every case of theirs, as it stands and with near misses asked for,
 * and damaged bytes of each. tests/fuzz/fuzz_codec.c looks further.
 *
 * ctest: timeout=300
 */
#include "cli/remote_convert.h"
#include "policy/compile.h"
#include "policy/decide.h"
#include "policy/request.h"
#include "tests/support/codec_check.h"
#include "tests/support/load_packs.h"
#include "tests/support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define DAMAGED 20 /* copies of each case's bytes */

struct fixture {
	struct pq_arena law, arena;
	struct pq_image *image;
	struct pq_evaluator *evaluator;
	struct pq_encoder encoder;
};

static int
setup(void **state)
{
	static struct fixture f;
	static const char *const packs[] = {"rules/us", "rules/us-ear", "rules/us-itar"};
	struct pq_model *model;
	const struct pq_blob *blobs;
	size_t n;
	struct pq_err err = {0};

	pq_arena_init(&f.law, (size_t)1 << 30);
	pq_arena_init(&f.arena, (size_t)256 << 20);
	assert_int_equal(pq_test_load_packs(packs, 3, &f.law, &model), PQ_OK);
	assert_int_equal(pq_compile(model, &f.law, &blobs, &n, &err), PQ_OK);
	assert_int_equal(pq_image_open(blobs, n, &f.image, &err), PQ_OK);
	assert_int_equal(pq_evaluator_new(f.image, &f.evaluator, &err), PQ_OK);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	pq_encoder_release(&f->encoder);
	pq_evaluator_free(f->evaluator);
	pq_image_close(f->image);
	pq_arena_release(&f->arena);
	pq_arena_release(&f->law);
	return 0;
}

/* The bytes of case `i`; false: a case that is meant to be refused, or has no bytes. */
static bool
bytes_of(struct fixture *f, size_t i, unsigned near_misses, const uint8_t **ret, size_t *ret_len)
{
	struct pq_case_text read;
	struct pq_err err = {0};
	Pratique__V1__DecideRequest *message;
	const char *source;
	size_t len;
	const char *json = pq_image_case(f->image, i, &len, &source);

	if (pq_case_from_json(json, len, &f->arena, &read, &err) != PQ_OK)
		fail_msg("%s: %s", source, err.msg);
	read.request.near_misses = near_misses;
	assert_int_equal(pq_request_to_message(&read.request, &f->arena, &message, &err), PQ_OK);
	/* Many with numbers that are plain, and some with those that are too long for that. */
	message->min_revision = i % 8 == 1 ? i : i % 64 == 3 ? UINT64_MAX - i : 0;
	message->max_age_s = i % 8 == 2 ? (uint32_t)i : i % 64 == 5 ? UINT32_MAX : 0;
	*ret_len = pratique__v1__decide_request__get_packed_size(message);
	uint8_t *bytes = pq_arena_alloc(&f->arena, *ret_len + 1);
	assert_non_null(bytes);
	pratique__v1__decide_request__pack(message, bytes);
	*ret = bytes;
	return true;
}

static size_t
n_cases(const struct fixture *f)
{
	struct pq_image_counts counts;

	pq_image_counts(f->image, &counts);
	assert_true(counts.cases > 1000);
	return counts.cases;
}

static void
test_cases(void **state)
{
	struct fixture *f = *state;
	size_t n = n_cases(f), n_plain = 0, n_decided = 0;

	for (size_t i = 0; i < n; i++) {
		const uint8_t *bytes;
		size_t len;
		struct pq_request request;
		struct pq_decision decision;
		struct pq_err err = {0};
		bool plain;
		pq_arena_reset(&f->arena);
		bytes_of(f, i, i % 64 == 0 ? 2 : 0, &bytes, &len);
		if (!codec_check_request(bytes, len, &f->arena, &request, &plain))
			continue;
		n_plain += plain;
		if (pq_evaluator_decide(f->evaluator, &request, &f->arena, &decision, NULL, NULL, &err) != PQ_OK)
			continue;
		n_decided++;
		codec_check_decision(&f->encoder, &decision, &f->arena);
	}
	/* The plain way is the common one, and a case has an answer, or the test would show nothing. */
	assert_true(n_plain * 100 > n * 95);
	assert_true(n_decided * 100 > n * 90);
}

/* Bytes changed, cut, doubled: the decoder takes nothing that the reference does not take alike. */
static void
test_damaged(void **state)
{
	struct fixture *f = *state;
	struct pq_random random = {1};
	size_t n = n_cases(f);

	for (size_t i = 0; i < n; i += 3) {
		const uint8_t *bytes;
		size_t len;
		pq_arena_reset(&f->arena);
		if (!bytes_of(f, i, 0, &bytes, &len) || len < 4)
			continue;
		uint8_t *copy = pq_arena_alloc(&f->arena, 2 * len);
		assert_non_null(copy);
		for (int j = 0; j < DAMAGED; j++) {
			struct pq_request request;
			bool plain;
			size_t size = len;
			memcpy(copy, bytes, len);
			switch (pq_random_below(&random, 4)) {
			case 0:
				size = pq_random_below(&random, (uint32_t)len);
				break;
			case 1:
				memcpy(copy + len, bytes, len);
				size = 2 * len;
				break;
			default:
				copy[pq_random_below(&random, (uint32_t)len)] = (uint8_t)pq_random_below(&random, 256);
			}
			codec_check_request(copy, size, &f->arena, &request, &plain);
		}
	}
}

/* What is out of the ordinary is left to the reference, though it may be right. */
static void
test_not_plain(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *bytes;
		size_t len;
		bool plain;
	} inputs[] = {
#define INPUT(bytes, plain) {bytes, sizeof(bytes) - 1, plain}
#define DAY    \
	"\x0a\x0a" \
	"2025-06-01"
		INPUT(DAY, true),
		INPUT(DAY "\x32\x02"
	              "BB",
	          true),
		INPUT("\x32\x02"
	          "BB" DAY,
	          false),          /* out of order */
		INPUT(DAY DAY, false), /* twice */
		INPUT(DAY "\x32\x82\x00"
	              "BB",
	          false), /* a padded length */
		INPUT(DAY "\x32\x02"
	              "B\0",
	          false), /* NUL */
		INPUT(DAY "\x32\x02"
	              "\xc3\xa9",
	          true), /* UTF-8 */
		INPUT(DAY "\x32\x02"
	              "\xc3"
	              "A",
	          false),
		INPUT(DAY "\x32\x09"
	              "12345678\xff",
	          false),
		INPUT(DAY "\x32\x09"
	              "1234567\x00"
	              "9",
	          false),
		INPUT(DAY "\x9a\x01\x00", false), /* field 19 */
		INPUT(DAY "\x10\x02", false),     /* no such query */
		INPUT(DAY "\x6a\x03\x0a\x01"
	              "x",
	          false),     /* no number */
		INPUT("", false), /* no day */
	};

	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		struct pq_request request;
		bool plain;
		pq_arena_reset(&f->arena);
		codec_check_request((const uint8_t *)inputs[i].bytes, inputs[i].len, &f->arena, &request, &plain);
		if (plain != inputs[i].plain)
			fail_msg("input %zu: plain is %d", i, plain);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_not_plain),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

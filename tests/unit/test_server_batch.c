/*
 * BatchDecide and StreamDecide over real sockets, and the slices in which they are worked off.
 *
 * ctest: labels=tsan timeout=120
 */
#include "cli/remote_convert.h"
#include "policy/request.h"
#include "server/batch.h"
#include "tests/support/served.h"

#include "google/rpc/status.pb-c.h"
#include "pratique/v1/batch.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BATCH "/pratique.v1.DecisionService/BatchDecide"
#define STREAM "/pratique.v1.DecisionService/StreamDecide"
#define TIMEOUT_MS 60000

typedef Pratique__V1__BatchDecideResponse Answers;

/* Different questions to the tiny law, some of them wrong. */
#define KINDS 6

static size_t
item(char *at, size_t i)
{
	static const char *const destinations[KINDS] = {"AA", "BB", "CC", "QQ", "BB", "AA"};
	size_t len = 0;

	if (i % KINDS == 5) { /* no bytes of a request */
		memcpy(at, "\xff\xff", 2);
		return 2;
	}
	len += (size_t)sprintf(at + len,
	                       "\x0a\x0a"
	                       "2025-06-%02zu",
	                       i % 28 + 1);
	len += (size_t)sprintf(at + len, "\x1a\x06"
	                                 "export");
	len += (size_t)sprintf(at + len, "\x32\x02%s", destinations[i % KINDS]);
	len += (size_t)sprintf(at + len, "\x6a\x05\x0a\x03%03zu", i % KINDS == 4 ? 50 : (size_t)101);
	return len;
}

/* A batch of the items from `first` on. */
static char *
batch(size_t first, size_t n, size_t *ret_len)
{
	char *bytes = malloc(n * 64 + 1);

	assert_non_null(bytes);
	*ret_len = 0;
	for (size_t i = 0; i < n; i++) {
		size_t len = item(bytes + *ret_len + 2, first + i);
		bytes[*ret_len] = 0x0a;
		bytes[*ret_len + 1] = (char)len;
		*ret_len += len + 2;
	}
	return bytes;
}

/* What became of a result, in the form of served_decide(). */
static const char *
result_text(struct served *served, const Answers *answers, size_t i)
{
	const Pratique__V1__DecideResult *result = answers->results[i];
	struct pq_decision decision;
	struct pq_err err = {0};

	if (result->result_case == PRATIQUE__V1__DECIDE_RESULT__RESULT_ERROR)
		return pq_arena_printf(&served->arena, "%d: %s", result->error->code, result->error->message);
	assert_int_equal(result->result_case, PRATIQUE__V1__DECIDE_RESULT__RESULT_DECIDED);
	Pratique__V1__DecideResponse one = PRATIQUE__V1__DECIDE_RESPONSE__INIT;
	one.decision = result->decided->decision;
	one.parts = result->decided->parts;
	one.n_parts = result->decided->n_parts;
	one.rules = answers->rules;
	one.n_rules = answers->n_rules;
	one.revision = answers->revision;
	if (pq_decision_from_message(&one, &served->arena, &decision, &err) != PQ_OK)
		fail_msg("%s", err.msg);
	return pq_decision_to_json(&decision, &served->arena);
}

static void
assert_answers(struct served *served, const Answers *answers, size_t first, size_t n)
{
	char bytes[64];

	assert_non_null(answers);
	assert_int_equal(answers->n_results, n);
	assert_int_equal(strlen(answers->revision->digest), 64);
	for (size_t i = 0; i < n; i++) {
		size_t len = item(bytes, first + i);
		assert_string_equal(result_text(served, answers, i), served_decide(served, &served->client, bytes, len));
	}
	for (size_t i = 0; i < answers->n_rules; i++) {
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(answers->rules[i]->id, answers->rules[j]->id);
	}
}

static Answers *
unpack(const uint8_t *bytes, size_t len)
{
	return pratique__v1__batch_decide_response__unpack(NULL, len, bytes);
}

static int
setup(void **state)
{
	struct served *served = served_prepare(2);

	served->options.max_batch_items = 200;
	served_start(served);
	*state = served;
	return 0;
}

static int
teardown(void **state)
{
	return served_free(*state);
}

/* ---- BatchDecide ------------------------------------------------------------------------------------------------- */

/* Each as if it had been asked alone, in order; every rule once. */
static void
test_batch(void **state)
{
	struct served *served = *state;
	struct raw_end end;
	size_t len;
	char *bytes = batch(3, 60, &len);

	raw_call(&served->client, BATCH, bytes, len, TIMEOUT_MS, false, &end);
	assert_int_equal(end.code, GRPC_STATUS_OK);
	Answers *answers = unpack(end.reply, end.reply_len);
	assert_answers(served, answers, 3, 60);
	assert_true(answers->n_rules >= 4);
	/* An error has the details that the call would have had. */
	const Pratique__V1__DecideResult *wrong = answers->results[0];
	assert_int_equal(wrong->result_case, PRATIQUE__V1__DECIDE_RESULT__RESULT_ERROR);
	assert_int_equal(wrong->error->code, GRPC_STATUS_INVALID_ARGUMENT);
	assert_int_equal(wrong->error->n_details, 2);
	pratique__v1__batch_decide_response__free_unpacked(answers, NULL);
	raw_end_free(&end);
	free(bytes);
}

static void
assert_refused(struct served *served, const void *data, size_t len, bool gzip, grpc_status_code code, const char *text)
{
	struct raw_end end;

	raw_call(&served->client, BATCH, data, len, TIMEOUT_MS, gzip, &end);
	if (end.code != code || strstr(end.message, text) == NULL)
		fail_msg("expected %s \"%s\", got %s \"%s\"", pq_code_name(code), text, pq_code_name(end.code), end.message);
	/* What the core refuses itself has no details. */
	assert_true(text[0] == '\0' || end.details_len > 0);
	raw_end_free(&end);
}

static void
test_batch_bounds(void **state)
{
	struct served *served = *state;
	size_t len;
	char *bytes = batch(0, 201, &len);

	assert_refused(served, "", 0, false, GRPC_STATUS_OK, "");
	assert_refused(served, bytes, len, false, GRPC_STATUS_RESOURCE_EXHAUSTED, "201 requests; 200 are allowed");
	assert_refused(served, bytes, len - 1, false, GRPC_STATUS_INVALID_ARGUMENT, "no batch");
	assert_refused(served, "\x08\x01", 2, false, GRPC_STATUS_INVALID_ARGUMENT, "no batch");
	assert_refused(served, bytes, len, true, GRPC_STATUS_UNIMPLEMENTED, "");
	free(bytes);
	bytes = calloc(1, PQ_SERVER_MESSAGE_BYTES + 1);
	assert_non_null(bytes);
	assert_refused(served, bytes, PQ_SERVER_MESSAGE_BYTES + 1, false, GRPC_STATUS_RESOURCE_EXHAUSTED, "");
	free(bytes);
}

/* Small requests with long answers: those that do not fit any more are refused, and the whole stays within its bound. */
static void
test_batch_too_long(void **state)
{
	struct served *served = *state;
	enum { ITEMS = 100, LINES = 700 };
	struct raw_end end;
	size_t one_len = 0, len = 0, n_refused = 0;
	char *one = malloc(64 + 2 * LINES), *bytes = malloc(ITEMS * (70 + 2 * LINES));

	assert_non_null(one);
	assert_non_null(bytes);
	one_len += (size_t)sprintf(one, "\x0a\x0a"
	                                "2025-06-01"
	                                "\x1a\x06"
	                                "export"
	                                "\x32\x02"
	                                "BB");
	for (int i = 0; i < LINES; i++, one_len += 2)
		memcpy(one + one_len, "\x4a", 2);
	for (int i = 0; i < ITEMS; i++, len += one_len) {
		bytes[len++] = 0x0a;
		bytes[len++] = (char)(one_len & 0x7f) | (char)0x80;
		bytes[len++] = (char)(one_len >> 7);
		memcpy(bytes + len, one, one_len);
	}
	raw_call(&served->client, BATCH, bytes, len, TIMEOUT_MS, false, &end);
	assert_int_equal(end.code, GRPC_STATUS_OK);
	assert_true(end.reply_len < ((size_t)4 << 20));
	Answers *answers = unpack(end.reply, end.reply_len);
	assert_non_null(answers);
	assert_int_equal(answers->n_results, ITEMS);
	assert_int_equal(answers->results[0]->result_case, PRATIQUE__V1__DECIDE_RESULT__RESULT_DECIDED);
	assert_int_equal(answers->results[0]->decided->n_parts, LINES);
	for (size_t i = 0; i < ITEMS; i++) {
		if (answers->results[i]->result_case != PRATIQUE__V1__DECIDE_RESULT__RESULT_ERROR)
			continue;
		n_refused++;
		assert_int_equal(answers->results[i]->error->code, GRPC_STATUS_RESOURCE_EXHAUSTED);
		assert_non_null(strstr(answers->results[i]->error->message, "smaller batches"));
	}
	assert_true(n_refused > 0);
	pratique__v1__batch_decide_response__free_unpacked(answers, NULL);
	raw_end_free(&end);
	free(one);
	free(bytes);
}

/* ---- slices ------------------------------------------------------------------------------------------------------ */

/* A batch holds its thread for no longer than its slice, and is answered by one revision although one is published. */
static void
test_slices(void **state)
{
	struct served *served = *state;
	struct pq_server *server = calloc(1, sizeof(*server));
	struct pq_worker worker = {.server = server};
	struct pq_options options = served->options;
	struct pq_batch work = {0};
	struct pq_reply reply;
	struct pq_revision *revision;
	struct pq_err err = {0};
	uint64_t sequence;
	size_t len, slices = 1, n = 20000;
	char *bytes = batch(0, n, &len);
	const struct pq_bytes in = {(const uint8_t *)bytes, len};

	assert_non_null(server);
	options.max_batch_items = n;
	server->options = &options;
	pq_arena_init(&worker.arena, (size_t)1 << 20);
	pq_revision_publisher_init(&server->revisions);
	assert_int_equal(pq_revision_open(served->store, &revision, &err), PQ_OK);
	pq_revision_publish(&server->revisions, revision);
	assert_true(pq_batch_begin(&work, &worker, &in, &reply));
	while (pq_batch_step(&work, &worker, &sequence, &reply) == PQ_UNFINISHED) {
		struct pq_stand newest = {0};
		assert_int_equal(worker.arena.used, 0);
		assert_true(work.n_done > 0 && work.n_done < n);
		assert_int_equal(work.stand.term->view.generation, 1);
		assert_true(pq_stand_take(&worker, &newest, &reply));
		assert_int_equal(newest.term->view.generation, slices == 1 ? 1 : 2);
		if (++slices == 2) {
			assert_int_equal(pq_revision_open(served->store, &revision, &err), PQ_OK);
			pq_revision_publish(&server->revisions, revision);
		}
	}
	assert_true(slices >= 5);
	assert_int_equal(reply.code, GRPC_STATUS_OK);
	Answers *answers = unpack(GRPC_SLICE_START_PTR(reply.payload), GRPC_SLICE_LENGTH(reply.payload));
	assert_non_null(answers);
	assert_int_equal(answers->n_results, n);
	pratique__v1__batch_decide_response__free_unpacked(answers, NULL);
	grpc_slice_unref(reply.payload);
	pq_batch_release(&work);
	pq_term_release(worker.term);
	pq_revision_publisher_release(&server->revisions);
	pq_arena_release(&worker.arena);
	free(bytes);
	free(server);
}

/* ---- StreamDecide ------------------------------------------------------------------------------------------------ */

static void
write_frame(struct raw_stream *stream, size_t first, size_t n)
{
	size_t len;
	char *bytes = batch(first, n, &len);

	assert_true(raw_stream_write(stream, bytes, len));
	free(bytes);
}

static void
read_frame(struct served *served, struct raw_stream *stream, size_t first, size_t n)
{
	size_t len;
	uint8_t *bytes = raw_stream_read(stream, &len);

	assert_non_null(bytes);
	Answers *answers = unpack(bytes, len);
	assert_answers(served, answers, first, n);
	pratique__v1__batch_decide_response__free_unpacked(answers, NULL);
	free(bytes);
}

static void
assert_ends(struct raw_stream *stream, grpc_status_code code)
{
	size_t len;

	assert_null(raw_stream_read(stream, &len));
	assert_int_equal(raw_stream_end(stream), code);
}

static void
test_stream(void **state)
{
	struct served *served = *state;
	struct raw_client other;
	struct raw_stream stream;

	raw_client_open(&other, served->unix_address);
	raw_stream_open(&stream, &other, STREAM, TIMEOUT_MS);
	/* One at a time, then several on their way, of different sizes; the answers keep the order. */
	for (size_t i = 0; i < 5; i++) {
		write_frame(&stream, i, i);
		read_frame(served, &stream, i, i);
	}
	for (size_t i = 0; i < 10; i++)
		write_frame(&stream, i, 7 + i);
	raw_stream_half_close(&stream);
	for (size_t i = 0; i < 10; i++)
		read_frame(served, &stream, i, 7 + i);
	assert_ends(&stream, GRPC_STATUS_OK);
	raw_client_close(&other);
}

static void
test_stream_bad_frame(void **state)
{
	struct served *served = *state;
	struct raw_client other;
	struct raw_stream stream;

	raw_client_open(&other, served->tcp);
	raw_stream_open(&stream, &other, STREAM, TIMEOUT_MS);
	write_frame(&stream, 0, 20);
	read_frame(served, &stream, 0, 20);
	write_frame(&stream, 0, 201);
	assert_ends(&stream, GRPC_STATUS_RESOURCE_EXHAUSTED);
	raw_stream_open(&stream, &other, STREAM, TIMEOUT_MS);
	assert_true(raw_stream_write(&stream, "\xff", 1));
	assert_ends(&stream, GRPC_STATUS_INVALID_ARGUMENT);
	/* No frame at all. */
	raw_stream_open(&stream, &other, STREAM, TIMEOUT_MS);
	raw_stream_half_close(&stream);
	assert_ends(&stream, GRPC_STATUS_OK);
	raw_client_close(&other);
}

static void
test_stream_cancel_and_deadline(void **state)
{
	struct served *served = *state;
	struct raw_client other;
	struct raw_stream stream;

	raw_client_open(&other, served->tcp);
	for (int i = 0; i < 20; i++) {
		raw_stream_open(&stream, &other, STREAM, TIMEOUT_MS);
		for (int j = 0; j < i % 4; j++)
			write_frame(&stream, 0, 200);
		raw_stream_cancel(&stream);
		assert_int_equal(raw_stream_end(&stream), GRPC_STATUS_CANCELLED);
	}
	raw_stream_open(&stream, &other, STREAM, 300);
	write_frame(&stream, 0, 10);
	read_frame(served, &stream, 0, 10);
	assert_ends(&stream, GRPC_STATUS_DEADLINE_EXCEEDED);
	raw_client_close(&other);
}

/* A client that sends and never reads is stopped by flow control; others are answered meanwhile. */
static void
test_stream_never_read(void **state)
{
	struct served *served = *state;
	struct raw_client other;
	struct raw_stream stream;
	size_t len, sent = 0;
	char *bytes = batch(0, 200, &len), one[64];

	raw_client_open(&other, served->tcp);
	raw_stream_open(&stream, &other, STREAM, 4000);
	while (sent < 20000 && raw_stream_write(&stream, bytes, len)) {
		sent++;
		if (sent % 50 == 0)
			assert_memory_equal(served_decide(served, &served->client, one, item(one, 0)), "{", 1);
	}
	assert_true(sent > 0 && sent < 20000);
	for (size_t i = 0; i < 50; i++)
		assert_memory_equal(served_decide(served, &served->client, one, item(one, 0)), "{", 1);
	raw_stream_end(&stream);
	raw_client_close(&other);
	free(bytes);
}

/* Frames that were read are answered at the end of the server, which says so. */
static void
test_stream_at_the_end(void **state)
{
	struct served *served = *state;
	struct raw_client other;
	struct raw_stream stream;
	size_t len;

	raw_client_open(&other, served->tcp);
	raw_stream_open(&stream, &other, STREAM, TIMEOUT_MS);
	write_frame(&stream, 0, 20);
	read_frame(served, &stream, 0, 20);
	write_frame(&stream, 0, 200);
	pq_server_end(served->server);
	served->server = NULL;
	uint8_t *bytes = raw_stream_read(&stream, &len);
	if (bytes != NULL) {
		Answers *answers = unpack(bytes, len);
		assert_non_null(answers);
		assert_int_equal(answers->n_results, 200);
		pratique__v1__batch_decide_response__free_unpacked(answers, NULL);
		assert_null(raw_stream_read(&stream, &len));
	}
	free(bytes);
	assert_int_equal(raw_stream_end(&stream), GRPC_STATUS_UNAVAILABLE);
	raw_client_close(&other);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_batch),
		TEST(test_batch_bounds),
		TEST(test_batch_too_long),
		TEST(test_slices),
		TEST(test_stream),
		TEST(test_stream_bad_frame),
		TEST(test_stream_cancel_and_deadline),
		TEST(test_stream_never_read),
		TEST(test_stream_at_the_end),
	};

	pq_log_set_level(PQ_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

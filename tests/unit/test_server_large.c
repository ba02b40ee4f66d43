/*
 * Requests of many lines: worked off in slices, in between of which others are answered.
 *
 * ctest: labels=tsan timeout=120
 */
#include "cli/remote_convert.h"
#include "policy/request.h"
#include "server/batch.h"
#include "server/large.h"
#include "tests/support/served.h"
#include "tests/support/tiny_store.h"

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

#define DECIDE "/pratique.v1.DecisionService/Decide"
#define TIMEOUT_MS 60000
#define FOR_EVER INT64_MAX
/* A slice that is over when it begins: one step. */
#define AT_ONCE 0

/* A request of `n` lines, one of ten wrong and one of ten with something missing. */
static struct pq_bytes
request(struct pq_arena *arena, size_t n)
{
	size_t cap = 128 + n * 64, len = 0;
	char *json = pq_arena_alloc(arena, cap);
	struct pq_request asked;
	Pratique__V1__DecideRequest *message;
	struct pq_err err = {0};

	assert_non_null(json);
	len += (size_t)sprintf(json, "{\"as_of\":\"2025-06-01\",\"transaction_type\":\"export\",\"destination\":\"BB\","
	                             "\"item\":{\"lines\":[");
	for (size_t i = 0; i < n; i++)
		len += (size_t)sprintf(json + len, "%s{%s%s}", i > 0 ? "," : "", i % 10 == 7 ? "\"kind\":\"ghost\"," : "",
		                       i % 10 == 3  ? "\"kind\":\"software\""
		                       : i % 2 == 0 ? "\"value_usd\":50"
		                                    : "\"value_usd\":500");
	len += (size_t)sprintf(json + len, "]}}");
	if (pq_request_from_json(json, len, arena, &asked, &err) != PQ_OK ||
	    pq_request_to_message(&asked, arena, &message, &err) != PQ_OK)
		fail_msg("%s: %s", err.where, err.msg);
	size_t size = pratique__v1__decide_request__get_packed_size(message);
	uint8_t *bytes = pq_arena_alloc(arena, size);
	assert_non_null(bytes);
	return (struct pq_bytes){bytes, pratique__v1__decide_request__pack(message, bytes)};
}

/* ---- by a worker without a thread --------------------------------------------------------------------------------- */

static void
publish(struct pq_server *server, const char *store)
{
	struct pq_revision *revision;
	struct pq_err err = {0};

	assert_int_equal(pq_revision_open(store, &revision, &err), PQ_OK);
	pq_revision_publish(&server->revisions, revision);
}

static struct pq_worker *
worker_new(struct served *served)
{
	struct pq_server *server = calloc(1, sizeof(*server));
	struct pq_worker *worker = calloc(1, sizeof(*worker));

	assert_true(server != NULL && worker != NULL);
	server->options = &served->options;
	worker->server = server;
	pq_arena_init(&worker->arena, PQ_SERVER_ARENA_BYTES);
	pq_revision_publisher_init(&server->revisions);
	publish(server, served->store);
	return worker;
}

static void
worker_free(struct pq_worker *worker)
{
	pq_large_release_all(worker);
	pq_term_release(worker->term);
	pq_revision_publisher_release(&worker->server->revisions);
	pq_arena_release(&worker->arena);
	free(worker->server);
	free(worker);
}

/* On the newest revision. */
static struct pq_stand
stand_of(struct pq_worker *worker)
{
	struct pq_stand stand = {0};
	struct pq_reply reply;

	assert_true(pq_stand_take(worker, &stand, &reply));
	return stand;
}

static struct pq_bytes
answer(struct pq_worker *worker, const struct pq_stand *stand, const struct pq_decision *decision,
       struct pq_arena *arena)
{
	struct pq_reply reply;

	pq_decide_reply(worker, stand, decision, &reply);
	assert_int_equal(reply.code, GRPC_STATUS_OK);
	struct pq_bytes bytes = {NULL, GRPC_SLICE_LENGTH(reply.payload)};
	uint8_t *copy = pq_arena_alloc(arena, bytes.len);
	assert_non_null(copy);
	memcpy(copy, GRPC_SLICE_START_PTR(reply.payload), bytes.len);
	bytes.data = copy;
	grpc_slice_unref(reply.payload);
	pq_worker_reset_arena(worker);
	return bytes;
}

static struct pq_bytes
decide_whole(struct pq_worker *worker, const struct pq_bytes *in, struct pq_arena *arena)
{
	struct pq_stand stand = stand_of(worker);
	struct pq_large *large = NULL;
	struct pq_decision decision;
	struct pq_reply reply;

	assert_int_equal(pq_decide_bytes(worker, &stand, in, FOR_EVER, &large, NULL, &decision, &reply), PQ_DECIDED);
	assert_null(large);
	return answer(worker, &stand, &decision, arena);
}

/* Each step leaves the worker free for another request, and the answer is the same. */
static void
test_steps(void **state)
{
	struct served *served = *state;
	struct pq_worker *worker = worker_new(served);
	struct pq_bytes in = request(&served->arena, 100), other = request(&served->arena, 1);
	struct pq_bytes whole = decide_whole(worker, &in, &served->arena);
	struct pq_bytes small = decide_whole(worker, &other, &served->arena);
	struct pq_stand stand = stand_of(worker);
	struct pq_large *large = NULL;
	struct pq_decision decision;
	struct pq_reply reply;
	size_t steps = 1;

	enum pq_progress progress = pq_decide_bytes(worker, &stand, &in, AT_ONCE, &large, NULL, &decision, &reply);
	for (; progress == PQ_UNFINISHED; steps++) {
		assert_non_null(large);
		assert_int_equal(worker->arena.used, 0);
		struct pq_bytes again = decide_whole(worker, &other, &served->arena);
		assert_true(again.len == small.len && memcmp(again.data, small.data, small.len) == 0);
		progress = pq_large_step(&large, AT_ONCE, &decision, &reply);
	}
	assert_int_equal(progress, PQ_DECIDED);
	assert_null(large);
	assert_int_equal(steps, 200); /* each line is bound, and each is decided */
	struct pq_bytes in_steps = answer(worker, &stand, &decision, &served->arena);
	assert_true(in_steps.len == whole.len && memcmp(in_steps.data, whole.data, whole.len) == 0);
	worker_free(worker);
}

/*
 * Another edition comes in between: the request goes on under the one that it began under, beside others under the new
 * one, and its answer is the old one's.
 */
static void
test_keeps_its_term(void **state)
{
	struct served *served = *state;
	struct pq_worker *worker = worker_new(served);
	struct pq_bytes in = request(&served->arena, 10), other = request(&served->arena, 1);
	struct pq_bytes whole = decide_whole(worker, &in, &served->arena);
	struct pq_stand stand = stand_of(worker);
	struct pq_large *large = NULL;
	struct pq_decision decision;
	struct pq_reply reply;
	char path[128];
	size_t steps = 1;

	pq_term_hold(stand.term);
	assert_int_equal(pq_decide_bytes(worker, &stand, &in, AT_ONCE, &large, NULL, &decision, &reply), PQ_UNFINISHED);
	snprintf(path, sizeof(path), "%s/second.mdb", served->folder);
	tiny_store_seal_edition(path, 2);
	publish(worker->server, path);
	unlink(path);
	struct pq_bytes newer = decide_whole(worker, &in, &served->arena);
	assert_true(newer.len != whole.len || memcmp(newer.data, whole.data, whole.len) != 0);
	assert_ptr_not_equal(worker->term, stand.term);
	for (; pq_large_step(&large, AT_ONCE, &decision, &reply) == PQ_UNFINISHED; steps++)
		decide_whole(worker, &other, &served->arena);
	assert_int_equal(steps, 19);
	struct pq_bytes older = answer(worker, &stand, &decision, &served->arena);
	assert_true(older.len == whole.len && memcmp(older.data, whole.data, whole.len) == 0);
	pq_term_release(stand.term);
	worker_free(worker);
}

/* Dropped half way, and refused at the last line that is bound: nothing is left, and the place is used again. */
static void
test_dropped_and_refused(void **state)
{
	struct served *served = *state;
	struct pq_worker *worker = worker_new(served);
	struct pq_bytes in = request(&served->arena, 10);
	/* Two lines, and of neither is said what kind of transaction it is. */
	static const uint8_t wrong[] = "\x0a\x0a"
								   "2025-06-01"
								   "\x4a\x00"
								   "\x4a\x00";
	const struct pq_bytes refused = {wrong, sizeof(wrong) - 1};
	struct pq_stand stand = stand_of(worker);
	struct pq_large *large = NULL;
	struct pq_decision decision;
	struct pq_reply reply;

	for (size_t i = 0; i < 2 * PQ_SERVER_JOBS; i++) {
		assert_int_equal(pq_decide_bytes(worker, &stand, &in, AT_ONCE, &large, NULL, &decision, &reply),
		                 PQ_UNFINISHED);
		pq_large_drop(large);
		large = NULL;
		assert_int_equal(worker->n_spare, 1);
	}
	enum pq_progress progress = pq_decide_bytes(worker, &stand, &refused, FOR_EVER, &large, NULL, &decision, &reply);
	assert_int_equal(progress, PQ_REFUSED);
	assert_null(large);
	assert_int_equal(reply.code, GRPC_STATUS_INVALID_ARGUMENT);
	grpc_slice_unref(reply.details);
	pq_worker_reset_arena(worker);
	worker_free(worker);
}

/* A batch with one request that is itself large takes a slice for each step of it. */
static void
test_in_a_batch(void **state)
{
	struct served *served = *state;
	struct pq_worker *worker = worker_new(served);
	struct pq_bytes in = request(&served->arena, 1000);
	uint8_t *bytes = pq_arena_alloc(&served->arena, in.len + 8);
	struct pq_batch work = {0};
	struct pq_reply reply;
	uint64_t sequence;
	size_t head = 0, slices = 1;

	bytes[head++] = 1 << 3 | PQ_WIRE_BYTES;
	for (size_t left = in.len; left > 0; left >>= 7)
		bytes[head++] = (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
	memcpy(bytes + head, in.data, in.len);
	const struct pq_bytes whole = {bytes, head + in.len};
	assert_true(pq_batch_begin(&work, worker, &whole, &reply));
	for (; pq_batch_step(&work, worker, &sequence, &reply) == PQ_UNFINISHED; slices++) {
		assert_int_equal(worker->arena.used, 0);
		assert_int_equal(work.n_done, 0);
		assert_non_null(work.large);
		if (slices == 1)
			publish(worker->server, served->store);
	}
	assert_true(slices >= 3);
	assert_int_equal(reply.code, GRPC_STATUS_OK);
	Pratique__V1__BatchDecideResponse *answers = pratique__v1__batch_decide_response__unpack(
		NULL, GRPC_SLICE_LENGTH(reply.payload), GRPC_SLICE_START_PTR(reply.payload));
	assert_non_null(answers);
	assert_int_equal(answers->n_results, 1);
	assert_int_equal(answers->results[0]->decided->n_parts, 1000);
	pratique__v1__batch_decide_response__free_unpacked(answers, NULL);
	grpc_slice_unref(reply.payload);
	pq_batch_release(&work);
	worker_free(worker);
}

/* ---- by a server -------------------------------------------------------------------------------------------------- */

#define MANY 60 /* more than are under work at a time */

static void
test_many_at_once(void **state)
{
	struct served *served = *state;
	struct pq_bytes in = request(&served->arena, 1000), small = request(&served->arena, 1);
	struct raw_stream streams[MANY];
	struct raw_end end;
	size_t len, expected = 0;

	raw_call(&served->client, DECIDE, in.data, in.len, TIMEOUT_MS, false, &end);
	assert_int_equal(end.code, GRPC_STATUS_OK);
	Pratique__V1__DecideResponse *response = pratique__v1__decide_response__unpack(NULL, end.reply_len, end.reply);
	assert_non_null(response);
	assert_int_equal(response->n_parts, 1000);
	pratique__v1__decide_response__free_unpacked(response, NULL);
	expected = end.reply_len;
	raw_end_free(&end);
	for (size_t i = 0; i < MANY; i++) {
		raw_stream_open(&streams[i], &served->client, DECIDE, TIMEOUT_MS);
		assert_true(raw_stream_write(&streams[i], in.data, in.len));
		raw_stream_half_close(&streams[i]);
	}
	/* Every third is given up, wherever it is by now. */
	for (size_t i = 0; i < MANY; i += 3)
		raw_stream_cancel(&streams[i]);
	raw_call(&served->client, DECIDE, small.data, small.len, TIMEOUT_MS, false, &end);
	assert_int_equal(end.code, GRPC_STATUS_OK);
	raw_end_free(&end);
	for (size_t i = 0; i < MANY; i++) {
		uint8_t *reply = i % 3 != 0 ? raw_stream_read(&streams[i], &len) : NULL;
		assert_true(i % 3 == 0 || (reply != NULL && len == expected));
		free(reply);
		grpc_status_code code = raw_stream_end(&streams[i]);
		assert_true(code == GRPC_STATUS_OK || i % 3 == 0);
	}
}

static void
test_deadline(void **state)
{
	struct served *served = *state;
	struct pq_bytes in = request(&served->arena, 1000);
	struct raw_end end;

	/* A millisecond is over before a thousand lines are; should they be done all the same, that is no fault. */
	for (size_t i = 0; i < 20; i++) {
		raw_call(&served->client, DECIDE, in.data, in.len, 1, false, &end);
		assert_true(end.code == GRPC_STATUS_DEADLINE_EXCEEDED || end.code == GRPC_STATUS_OK);
		raw_end_free(&end);
	}
	raw_call(&served->client, DECIDE, in.data, in.len, TIMEOUT_MS, false, &end);
	assert_int_equal(end.code, GRPC_STATUS_OK);
	raw_end_free(&end);
}

/* The server ends while they are under work: each is answered, and nothing is left. */
static void
test_at_the_end(void **state)
{
	struct served *served = *state;
	struct pq_bytes in = request(&served->arena, 1000);
	struct raw_stream streams[MANY];
	size_t len, answered = 0;

	for (size_t i = 0; i < MANY; i++) {
		raw_stream_open(&streams[i], &served->client, DECIDE, TIMEOUT_MS);
		assert_true(raw_stream_write(&streams[i], in.data, in.len));
		raw_stream_half_close(&streams[i]);
	}
	free(raw_stream_read(&streams[0], &len)); /* by now the others have come, on the same connection */
	pq_server_end(served->server);
	served->server = NULL;
	for (size_t i = 0; i < MANY; i++) {
		uint8_t *reply = i > 0 ? raw_stream_read(&streams[i], &len) : NULL;
		free(reply);
		grpc_status_code code = raw_stream_end(&streams[i]);
		answered += code == GRPC_STATUS_OK;
		/* What was not taken yet is refused; what was, is answered. */
		assert_true(code == GRPC_STATUS_OK ? i == 0 || reply != NULL
		                                   : code == GRPC_STATUS_UNAVAILABLE || code == GRPC_STATUS_CANCELLED);
	}
	assert_true(answered >= 1);
}

static int
setup(void **state)
{
	struct served *served = served_prepare(1);

	served_start(served);
	*state = served;
	return 0;
}

static int
teardown(void **state)
{
	return served_free(*state);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_steps),        TEST(test_keeps_its_term), TEST(test_dropped_and_refused), TEST(test_in_a_batch),
		TEST(test_many_at_once), TEST(test_deadline),    TEST(test_at_the_end),
	};

	pq_log_set_level(PQ_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

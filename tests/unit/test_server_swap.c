/*
 * Revisions change while calls are answered, and replicas follow: no call fails, each is answered by exactly one revision,
 * in all that it says, and no client goes back to an older one.
 *
 * ctest: labels=tsan timeout=300
 */
#include "server/wire.h"
#include "tests/support/nodes.h"
#include "tests/support/raw_client.h"

#include "pratique/v1/batch.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ACTIVATIONS 60
#else
#define ACTIVATIONS 500
#endif
#define REPLICAS 5
#define DECIDE "/pratique.v1.DecisionService/Decide"
#define BATCH "/pratique.v1.DecisionService/BatchDecide"
#define STREAM "/pratique.v1.DecisionService/StreamDecide"

/* ---- calls while revisions change ------------------------------------------------------------------------------- */

struct asker {
	pthread_t thread;
	const char *address;
	_Atomic(bool) *stop;
	size_t lines; /* of each request; 0 = none, and it is decided in one go */
	size_t of[2]; /* answers by the one edition and the other */
	uint64_t last;
	const char *failed; /* NULL = none did */
	char text[256];
};

static void
judge(struct asker *asker, const Pratique__V1__Revision *by, Pratique__V1__Rule **rules, size_t n_rules,
      const Pratique__V1__Decision *decision)
{
	asker->failed = nodes_judge(by, rules, n_rules, decision);
	if (asker->failed == NULL && by->sequence < asker->last)
		asker->failed = "an older revision than before on the same connection";
	if (asker->failed != NULL)
		return;
	asker->last = by->sequence;
	asker->of[by->sequence % 2]++;
}

static void
judge_all(struct asker *asker, const Pratique__V1__BatchDecideResponse *answer, size_t n)
{
	if (answer == NULL || answer->n_results != n)
		asker->failed = "a batch or frame was not answered";
	for (size_t i = 0; i < n && asker->failed == NULL; i++) {
		const Pratique__V1__DecideResult *result = answer->results[i];
		if (result->result_case != PRATIQUE__V1__DECIDE_RESULT__RESULT_DECIDED)
			asker->failed = "a request of a batch was refused";
		else
			judge(asker, answer->revision, answer->rules, answer->n_rules, result->decided->decision);
	}
}

static bool
goes_on(const struct asker *asker)
{
	return !atomic_load(asker->stop) && asker->failed == NULL;
}

static void
call(struct asker *asker, struct raw_client *client, const char *method, const uint8_t *bytes, size_t len,
     struct raw_end *end)
{
	raw_call(client, method, bytes, len, NODES_TIMEOUT_MS, false, end);
	if (end->code == GRPC_STATUS_OK)
		return;
	snprintf(asker->text, sizeof(asker->text), "%d: %.200s", (int)end->code, end->message);
	asker->failed = asker->text;
}

static void *
ask_on(void *context)
{
	struct asker *asker = context;
	struct raw_client client;
	struct raw_end end;
	size_t len;
	uint8_t *bytes = nodes_question(asker->lines, 0, 0, &len);

	raw_client_open(&client, asker->address);
	while (goes_on(asker)) {
		call(asker, &client, DECIDE, bytes, len, &end);
		Pratique__V1__DecideResponse *answer =
			asker->failed == NULL ? pratique__v1__decide_response__unpack(NULL, end.reply_len, end.reply) : NULL;
		if (answer != NULL)
			judge(asker, answer->revision, answer->rules, answer->n_rules, answer->decision);
		pratique__v1__decide_response__free_unpacked(answer, NULL);
		raw_end_free(&end);
	}
	raw_client_close(&client);
	free(bytes);
	return NULL;
}

/* A batch of `n` questions; a frame has the same form. */
static uint8_t *
many(size_t n, size_t lines, size_t *ret_len)
{
	size_t len, at = 0;
	uint8_t *one = nodes_question(lines, 0, 0, &len), *all = malloc(n * (len + 4));

	for (size_t i = 0; i < n; i++) {
		all[at++] = 1 << 3 | PQ_WIRE_BYTES;
		for (size_t left = len; left > 0; left >>= 7)
			all[at++] = (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
		memcpy(all + at, one, len);
		at += len;
	}
	free(one);
	*ret_len = at;
	return all;
}

static void *
batch_on(void *context)
{
	struct asker *asker = context;
	struct raw_client client;
	struct raw_end end;
	size_t len, n = 20;
	uint8_t *bytes = many(n, asker->lines, &len);

	raw_client_open(&client, asker->address);
	while (goes_on(asker)) {
		call(asker, &client, BATCH, bytes, len, &end);
		Pratique__V1__BatchDecideResponse *answer =
			asker->failed == NULL ? pratique__v1__batch_decide_response__unpack(NULL, end.reply_len, end.reply) : NULL;
		if (asker->failed == NULL)
			judge_all(asker, answer, n);
		pratique__v1__batch_decide_response__free_unpacked(answer, NULL);
		raw_end_free(&end);
	}
	raw_client_close(&client);
	free(bytes);
	return NULL;
}

static void *
stream_on(void *context)
{
	struct asker *asker = context;
	struct raw_client client;
	struct raw_stream stream;
	size_t len, got, n = 10;
	uint8_t *frame = many(n, asker->lines, &len);

	raw_client_open(&client, asker->address);
	raw_stream_open(&stream, &client, STREAM, 10 * NODES_TIMEOUT_MS);
	while (goes_on(asker)) {
		uint8_t *reply = raw_stream_write(&stream, frame, len) ? raw_stream_read(&stream, &got) : NULL;
		/* The answer to a frame has the form of that to a batch. */
		Pratique__V1__BatchDecideResponse *answer =
			reply != NULL ? pratique__v1__batch_decide_response__unpack(NULL, got, reply) : NULL;
		judge_all(asker, answer, n);
		pratique__v1__batch_decide_response__free_unpacked(answer, NULL);
		free(reply);
	}
	raw_stream_half_close(&stream);
	if (raw_stream_end(&stream) != GRPC_STATUS_OK && asker->failed == NULL)
		asker->failed = "the stream did not end well";
	raw_client_close(&client);
	free(frame);
	return NULL;
}

static void
test_no_call_is_lost(void **state)
{
	/* Those with many lines are decided in slices, in between of which revisions change. */
	static const struct {
		void *(*ask)(void *);
		size_t lines;
	} ways[] = {{ask_on, 0}, {ask_on, 0}, {ask_on, 300}, {batch_on, 30}, {stream_on, 0}, {stream_on, 30}};
	const size_t n = sizeof(ways) / sizeof(ways[0]);
	struct node node;
	struct pq_link *link;
	struct asker askers[sizeof(ways) / sizeof(ways[0])] = {0};
	_Atomic(bool) stop = false;
	uint64_t sequence = 1;
	struct pq_err err = {0};

	(void)state;
	node_start(&node, "lone", NULL, 0);
	assert_int_equal(pq_link_new(node.address, NULL, &link, &err), PQ_OK);
	nodes_begin(link);
	for (size_t i = 0; i < n; i++) {
		askers[i].address = node.address;
		askers[i].stop = &stop;
		askers[i].lines = ways[i].lines;
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ways[i].ask, &askers[i]), 0);
	}
	nodes_activate(link, ++sequence);
	for (int i = 0; i < ACTIVATIONS; i++)
		sequence = nodes_swap(link, sequence);
	atomic_store(&stop, true);
	for (size_t i = 0; i < n; i++) {
		pthread_join(askers[i].thread, NULL);
		assert_string_equal(askers[i].failed != NULL ? askers[i].failed : "", "");
		assert_true(askers[i].of[0] > 0 && askers[i].of[1] > 0);
		print_message("%zu answers by the one and %zu by the other\n", askers[i].of[1], askers[i].of[0]);
	}
	pq_link_free(link);
	node_end(&node);

	/* It starts with what was active. */
	node_start(&node, "lone", NULL, 0);
	assert_int_equal(pq_server_sequence(node.server), ACTIVATIONS + 2);
	node_end(&node);
}

/* ---- replicas --------------------------------------------------------------------------------------------------- */

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
test_replicas_follow(void **state)
{
	struct node publisher, replicas[REPLICAS];
	struct pq_link *link;
	struct pq_err err = {0};
	char name[16];

	(void)state;
	node_start(&publisher, "publisher", NULL, 0);
	for (size_t i = 0; i < REPLICAS; i++) {
		snprintf(name, sizeof(name), "replica%zu", i);
		node_start(&replicas[i], name, &publisher, 0);
		assert_false(pq_server_is_ready(replicas[i].server));
	}
	assert_int_equal(pq_link_new(publisher.address, NULL, &link, &err), PQ_OK);
	nodes_begin(link);
	for (size_t i = 0; i < REPLICAS; i++)
		node_wait_for(&replicas[i], 1);
	int64_t began = now_us();
	nodes_activate(link, 2);
	for (size_t i = 0; i < REPLICAS; i++)
		node_wait_for(&replicas[i], 2);
	print_message("activated to adopted by %d replicas: %lld us\n", REPLICAS, (long long)(now_us() - began));
	for (size_t i = 0; i < REPLICAS; i++)
		assert_true(pq_server_is_ready(replicas[i].server));

	/* One that is gone for a while serves what it has at its next start, and catches up. */
	node_end(&replicas[0]);
	uint64_t sequence = nodes_swap(link, 2);
	node_start(&replicas[0], "replica0", &publisher, 0);
	node_wait_for(&replicas[0], sequence);

	/* The publisher is gone: its replicas serve on. */
	pq_link_free(link);
	node_end(&publisher);
	for (size_t i = 0; i < REPLICAS; i++) {
		node_wait_for(&replicas[i], sequence);
		assert_true(pq_server_is_ready(replicas[i].server));
		node_end(&replicas[i]);
	}
	node_start(&replicas[0], "replica0", &publisher, 0);
	assert_int_equal(pq_server_sequence(replicas[0].server), sequence);
	node_end(&replicas[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_call_is_lost),
		cmocka_unit_test(test_replicas_follow),
	};

	pq_log_set_level(PQ_LOG_ERROR);
	return cmocka_run_group_tests(tests, nodes_setup, nodes_teardown);
}

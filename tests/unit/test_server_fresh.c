/*
 * How new the law is: what requests ask for and replies say, at a server with a store, at a publisher, at a replica that is
 * behind, and where knowledge is old; and health, which turns away from who has known too little for too long.
 *
 * ctest: labels=tsan timeout=300
 */
#include "server/stand.h"
#include "tests/support/nodes.h"
#include "tests/support/raw_client.h"
#include "tests/support/served.h"

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
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

#define DECIDE "/pratique.v1.DecisionService/Decide"
#define BATCH "/pratique.v1.DecisionService/BatchDecide"
#define STREAM "/pratique.v1.DecisionService/StreamDecide"
#define CHECK "/grpc.health.v1.Health/Check"
#define WATCH "/grpc.health.v1.Health/Watch"
/* Long enough for a slow machine to answer within the part of it that is kept for that. */
#define SHORT_MS 6000

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static bool
has_reason(const Google__Rpc__Status *status, const char *reason)
{
	bool has = false;

	for (size_t i = 0; status != NULL && i < status->n_details; i++) {
		const Google__Protobuf__Any *any = status->details[i];
		if (strcmp(any->type_url, "type.googleapis.com/google.rpc.ErrorInfo") != 0)
			continue;
		Google__Rpc__ErrorInfo *info = google__rpc__error_info__unpack(NULL, any->value.len, any->value.data);
		has |= info != NULL && strcmp(info->reason, reason) == 0;
		google__rpc__error_info__free_unpacked(info, NULL);
	}
	return has;
}

static void
assert_refused(const struct raw_end *end, const char *reason)
{
	Google__Rpc__Status *status = google__rpc__status__unpack(NULL, end->details_len, end->details);

	if (end->code != GRPC_STATUS_FAILED_PRECONDITION || !has_reason(status, reason))
		fail_msg("%d: %s, and not %s", (int)end->code, end->message, reason);
	google__rpc__status__free_unpacked(status, NULL);
}

static void
ask(struct raw_client *client, uint64_t min_revision, uint32_t max_age_s, int timeout_ms, struct raw_end *ret)
{
	size_t len;
	uint8_t *bytes = nodes_question(0, min_revision, max_age_s, &len);

	raw_call(client, DECIDE, bytes, len, timeout_ms, false, ret);
	free(bytes);
}

/* The sequence that the answer names, whose content it has; 0: refused, for this reason. */
static uint64_t
asked(struct raw_client *client, uint64_t min_revision, uint32_t max_age_s, const char *reason, uint32_t *ret_age_s)
{
	struct raw_end end;
	uint64_t sequence = 0;

	ask(client, min_revision, max_age_s, NODES_TIMEOUT_MS, &end);
	if (reason != NULL) {
		assert_refused(&end, reason);
	} else {
		if (end.code != GRPC_STATUS_OK)
			fail_msg("%d: %s", (int)end.code, end.message);
		Pratique__V1__DecideResponse *answer = pratique__v1__decide_response__unpack(NULL, end.reply_len, end.reply);
		assert_non_null(answer);
		assert_null(nodes_judge(answer->revision, answer->rules, answer->n_rules, answer->decision));
		sequence = answer->revision->sequence;
		*ret_age_s = answer->revision->age_s;
		pratique__v1__decide_response__free_unpacked(answer, NULL);
	}
	raw_end_free(&end);
	return sequence;
}

/* A batch of two, the second of which asks for `item_revision`; a frame has the same form. */
static uint8_t *
batch(uint64_t min_revision, uint32_t max_age_s, uint64_t item_revision, size_t *ret_len)
{
	Pratique__V1__DecideRequest items[2], *pointers[] = {&items[0], &items[1]};
	Pratique__V1__BatchDecideRequest message = PRATIQUE__V1__BATCH_DECIDE_REQUEST__INIT;
	char day[] = "2026-06-01", type[] = "export", to[] = "BB";

	for (size_t i = 0; i < 2; i++) {
		pratique__v1__decide_request__init(&items[i]);
		items[i].as_of = day;
		items[i].transaction_type = type;
		items[i].destination = to;
	}
	items[1].min_revision = item_revision;
	message.requests = pointers;
	message.n_requests = 2;
	message.min_revision = min_revision;
	message.max_age_s = max_age_s;
	uint8_t *bytes = malloc(pratique__v1__batch_decide_request__get_packed_size(&message));
	assert_non_null(bytes);
	*ret_len = pratique__v1__batch_decide_request__pack(&message, bytes);
	return bytes;
}

static void
ask_batch(struct raw_client *client, uint64_t min_revision, uint32_t max_age_s, uint64_t item_revision,
          struct raw_end *ret)
{
	size_t len;
	uint8_t *bytes = batch(min_revision, max_age_s, item_revision, &len);

	raw_call(client, BATCH, bytes, len, NODES_TIMEOUT_MS, false, ret);
	free(bytes);
}

/* ---- a store alone, a publisher ---------------------------------------------------------------------------------- */

static void
test_a_store_has_no_sequence(void **state)
{
	struct served *served = served_prepare(1);
	struct raw_end end;
	struct raw_stream stream;
	size_t len;

	(void)state;
	served_start(served);
	ask(&served->client, 0, 1, NODES_TIMEOUT_MS, &end);
	assert_int_equal(end.code, GRPC_STATUS_OK);
	Pratique__V1__DecideResponse *answer = pratique__v1__decide_response__unpack(NULL, end.reply_len, end.reply);
	assert_non_null(answer);
	assert_int_equal(strlen(answer->revision->digest), 64);
	assert_true(answer->revision->sequence == 0 && answer->revision->activated_s == 0 && answer->revision->age_s == 0);
	pratique__v1__decide_response__free_unpacked(answer, NULL);
	raw_end_free(&end);

	asked(&served->client, 1, 0, "REVISION_NOT_REACHED", NULL);
	ask_batch(&served->client, 1, 0, 0, &end);
	assert_refused(&end, "REVISION_NOT_REACHED");
	raw_end_free(&end);
	ask_batch(&served->client, 0, 0, 1, &end);
	assert_int_equal(end.code, GRPC_STATUS_OK);
	Pratique__V1__BatchDecideResponse *answers =
		pratique__v1__batch_decide_response__unpack(NULL, end.reply_len, end.reply);
	assert_non_null(answers);
	assert_int_equal(answers->results[0]->result_case, PRATIQUE__V1__DECIDE_RESULT__RESULT_DECIDED);
	assert_int_equal(answers->results[1]->result_case, PRATIQUE__V1__DECIDE_RESULT__RESULT_ERROR);
	assert_int_equal(answers->results[1]->error->code, GRPC_STATUS_FAILED_PRECONDITION);
	assert_true(has_reason(answers->results[1]->error, "REVISION_NOT_REACHED"));
	pratique__v1__batch_decide_response__free_unpacked(answers, NULL);
	raw_end_free(&end);

	uint8_t *frame = batch(1, 0, 0, &len);
	raw_stream_open(&stream, &served->client, STREAM, NODES_TIMEOUT_MS);
	assert_true(raw_stream_write(&stream, frame, len));
	assert_null(raw_stream_read(&stream, &len));
	assert_int_equal(raw_stream_end(&stream), GRPC_STATUS_FAILED_PRECONDITION);
	free(frame);
	assert_int_equal(served_free(served), 0);
}

static void
test_a_publisher_does_not_wait(void **state)
{
	struct node node;
	struct pq_link *link;
	struct raw_client client;
	struct raw_end end;
	struct pq_err err = {0};
	uint32_t age_s = 7;

	(void)state;
	node_start(&node, "alone", NULL, 0);
	raw_client_open(&client, node.address);
	ask(&client, 1, 0, NODES_TIMEOUT_MS, &end);
	assert_int_equal(end.code, GRPC_STATUS_UNAVAILABLE);
	raw_end_free(&end);
	assert_int_equal(pq_link_new(node.address, NULL, &link, &err), PQ_OK);
	nodes_begin(link);
	assert_int_equal(asked(&client, 1, 1, NULL, &age_s), 1);
	assert_int_equal(age_s, 0);
	asked(&client, 2, 0, "REVISION_NOT_REACHED", NULL);
	nodes_activate(link, 2);
	assert_int_equal(asked(&client, 2, 0, NULL, &age_s), 2);
	asked(&client, UINT64_MAX, 0, "REVISION_NOT_REACHED", NULL);
	raw_client_close(&client);
	pq_link_free(link);
	node_end(&node);
}

/* ---- a replica that is behind ------------------------------------------------------------------------------------ */

enum way { BY_CALL, BY_BATCH, BY_FRAME, BY_CALL_OF_LINES, WAYS };

struct waiter {
	pthread_t thread;
	const char *address;
	enum way way;
	uint64_t min_revision;
	grpc_status_code code;
	uint64_t sequence; /* that answered */
};

static void
note(struct waiter *waiter, const uint8_t *bytes, size_t len)
{
	/* The field of the revision differs between the two messages. */
	if (waiter->way == BY_CALL || waiter->way == BY_CALL_OF_LINES) {
		Pratique__V1__DecideResponse *answer = pratique__v1__decide_response__unpack(NULL, len, bytes);
		if (answer != NULL && nodes_judge(answer->revision, answer->rules, answer->n_rules, answer->decision) == NULL)
			waiter->sequence = answer->revision->sequence;
		pratique__v1__decide_response__free_unpacked(answer, NULL);
	} else {
		Pratique__V1__BatchDecideResponse *answer = pratique__v1__batch_decide_response__unpack(NULL, len, bytes);
		if (answer != NULL && answer->n_results == 2)
			waiter->sequence = answer->revision->sequence;
		pratique__v1__batch_decide_response__free_unpacked(answer, NULL);
	}
}

static void *
wait_on(void *context)
{
	struct waiter *waiter = context;
	struct raw_client client;
	struct raw_stream stream;
	struct raw_end end;
	size_t len, got;

	raw_client_open(&client, waiter->address);
	bool by_call = waiter->way == BY_CALL || waiter->way == BY_CALL_OF_LINES;
	uint8_t *bytes = by_call ? nodes_question(waiter->way == BY_CALL ? 0 : 200, waiter->min_revision, 0, &len)
	                         : batch(waiter->min_revision, 0, waiter->min_revision, &len);
	if (waiter->way == BY_FRAME) {
		raw_stream_open(&stream, &client, STREAM, NODES_TIMEOUT_MS);
		raw_stream_write(&stream, bytes, len);
		raw_stream_half_close(&stream);
		uint8_t *reply = raw_stream_read(&stream, &got);
		if (reply != NULL)
			note(waiter, reply, got);
		free(reply);
		waiter->code = raw_stream_end(&stream);
	} else {
		raw_call(&client, by_call ? DECIDE : BATCH, bytes, len, NODES_TIMEOUT_MS, false, &end);
		waiter->code = end.code;
		note(waiter, end.reply, end.reply_len);
		raw_end_free(&end);
	}
	free(bytes);
	raw_client_close(&client);
	return NULL;
}

static void
wait_all(struct waiter *waiters, const struct node *node, uint64_t min_revision)
{
	const struct timespec pause = {0, 300000000};

	for (size_t i = 0; i < WAYS; i++) {
		waiters[i] = (struct waiter){.address = node->address, .way = (enum way)i, .min_revision = min_revision};
		assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_on, &waiters[i]), 0);
	}
	/* Most will be waiting by then; a call that comes later is answered alike. */
	nanosleep(&pause, NULL);
}

static void
assert_all(struct waiter *waiters, grpc_status_code code, uint64_t sequence)
{
	for (size_t i = 0; i < WAYS; i++) {
		pthread_join(waiters[i].thread, NULL);
		assert_int_equal(waiters[i].code, code);
		assert_int_equal(waiters[i].sequence, sequence);
	}
}

static void
test_a_replica_waits(void **state)
{
	struct node publisher, replica;
	struct pq_link *link;
	struct raw_client client;
	struct waiter waiters[WAYS];
	struct raw_stream stream;
	struct raw_end end;
	struct pq_err err = {0};
	size_t len;

	(void)state;
	node_start(&publisher, "first", NULL, 0);
	node_start(&replica, "second", &publisher, 0);
	assert_int_equal(pq_link_new(publisher.address, NULL, &link, &err), PQ_OK);
	nodes_begin(link);
	node_wait_for(&replica, 1);

	wait_all(waiters, &replica, 2);
	nodes_activate(link, 2);
	assert_all(waiters, GRPC_STATUS_OK, 2);

	/* It does not come: refused before the deadline, and cancelled calls are forgotten. */
	raw_client_open(&client, replica.address);
	ask(&client, 3, 0, SHORT_MS, &end);
	assert_refused(&end, "REVISION_NOT_REACHED");
	raw_end_free(&end);
	raw_stream_open(&stream, &client, STREAM, NODES_TIMEOUT_MS);
	uint8_t *frame = batch(3, 0, 0, &len);
	assert_true(raw_stream_write(&stream, frame, len));
	raw_stream_cancel(&stream);
	assert_int_equal(raw_stream_end(&stream), GRPC_STATUS_CANCELLED);
	free(frame);
	raw_client_close(&client);

	/* The server ends: whoever waits hears it. */
	wait_all(waiters, &replica, 3);
	node_end(&replica);
	assert_all(waiters, GRPC_STATUS_UNAVAILABLE, 0);
	pq_link_free(link);
	node_end(&publisher);
}

/* ---- knowledge that ages ----------------------------------------------------------------------------------------- */

#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING

static int
health_of(const uint8_t *bytes, size_t len)
{
	Grpc__Health__V1__HealthCheckResponse *response = grpc__health__v1__health_check_response__unpack(NULL, len, bytes);

	assert_non_null(response);
	int status = (int)response->status;
	grpc__health__v1__health_check_response__free_unpacked(response, NULL);
	return status;
}

static int
health(struct raw_client *client, const char *service)
{
	struct raw_end end;
	char bytes[64];

	int len = snprintf(bytes, sizeof(bytes), "\x0a%c%s", (int)strlen(service), service);
	raw_call(client, CHECK, bytes, (size_t)len, NODES_TIMEOUT_MS, false, &end);
	assert_int_equal(end.code, GRPC_STATUS_OK);
	int status = health_of(end.reply, end.reply_len);
	raw_end_free(&end);
	return status;
}

static int
next_health(struct raw_stream *stream)
{
	size_t len;
	uint8_t *bytes = raw_stream_read(stream, &len);

	assert_non_null(bytes);
	int status = health_of(bytes, len);
	free(bytes);
	return status;
}

/* As of a replica that is cut off; of a server that follows none, so that only the test says how old it is. */
static void
test_old_knowledge(void **state)
{
	struct node replica;
	struct pq_link *link;
	struct raw_client client;
	struct raw_stream watch;
	struct pq_err err = {0};
	uint32_t age_s = 0;

	(void)state;
	node_start(&replica, "third", NULL, 3600);
	raw_client_open(&client, replica.address);
	assert_int_equal(health(&client, ""), NOT_SERVING); /* it has no law yet */
	assert_int_equal(health(&client, "liveness"), SERVING);
	assert_int_equal(pq_link_new(replica.address, NULL, &link, &err), PQ_OK);
	nodes_begin(link);
	pq_link_free(link);

	raw_stream_open(&watch, &client, WATCH, NODES_TIMEOUT_MS);
	assert_true(raw_stream_write(&watch, "", 0));
	raw_stream_half_close(&watch);
	assert_int_equal(next_health(&watch), SERVING);
	assert_int_equal(asked(&client, 1, 3600, NULL, &age_s), 1);
	assert_int_equal(age_s, 0);
	pq_knowledge_begin(&replica.server->knowledge, (int64_t)86400 * 1000);
	assert_int_equal(next_health(&watch), NOT_SERVING);
	assert_int_equal(health(&client, "pratique.v1.DecisionService"), NOT_SERVING);
	assert_int_equal(health(&client, "liveness"), SERVING);

	/* It still answers, says how old that is, and refuses who asks for more. */
	assert_int_equal(asked(&client, 1, 0, NULL, &age_s), 1);
	assert_true(age_s >= 86400);
	assert_int_equal(asked(&client, 0, 2 * 86400, NULL, &age_s), 1);
	asked(&client, 0, 3600, "KNOWLEDGE_TOO_OLD", NULL);
	struct raw_end end;
	ask_batch(&client, 0, 3600, 0, &end);
	assert_refused(&end, "KNOWLEDGE_TOO_OLD");
	raw_end_free(&end);

	pq_knowledge_set(&replica.server->knowledge, 0);
	assert_int_equal(next_health(&watch), SERVING);
	raw_stream_cancel(&watch);
	raw_stream_end(&watch);
	raw_client_close(&client);
	node_end(&replica);
}

/* Some of the time is kept for the answer, and nobody waits for ever. */
static void
test_how_long_a_call_waits(void **state)
{
	(void)state;
	for (int64_t ms = 0; ms < 1000000; ms = ms * 3 + 100) {
		gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
		gpr_timespec deadline = gpr_time_add(now, gpr_time_from_millis(ms, GPR_TIMESPAN));
		gpr_timespec until = pq_stand_wait_until(deadline), later = gpr_now(GPR_CLOCK_MONOTONIC);
		assert_true(gpr_time_cmp(until, deadline) <= 0);
		assert_true(ms < 1000 || gpr_time_cmp(until, deadline) < 0);
		gpr_timespec longest = gpr_time_add(later, gpr_time_from_millis(PQ_SERVER_BEHIND_MS, GPR_TIMESPAN));
		assert_true(gpr_time_cmp(until, longest) <= 0);
	}
	gpr_timespec until = pq_stand_wait_until(gpr_inf_future(GPR_CLOCK_MONOTONIC));
	gpr_timespec longest = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
	                                    gpr_time_from_millis(PQ_SERVER_BEHIND_MS, GPR_TIMESPAN));
	assert_true(gpr_time_cmp(until, longest) <= 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_store_has_no_sequence),
		cmocka_unit_test(test_a_publisher_does_not_wait),
		cmocka_unit_test(test_a_replica_waits),
		cmocka_unit_test(test_old_knowledge),
		cmocka_unit_test(test_how_long_a_call_waits),
	};

	pq_log_set_level(PQ_LOG_ERROR);
	return cmocka_run_group_tests(tests, nodes_setup, nodes_teardown);
}

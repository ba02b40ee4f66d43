/*
 * Revisions change while calls are answered, and replicas follow: no call fails, and each is answered by one revision.
 *
 * ctest: labels=tsan timeout=300
 */
#include "server/keeper.h"
#include "server/link.h"
#include "server/replicas.h"
#include "server/server.h"
#include "tests/support/raw_client.h"
#include "tests/support/tiny_store.h"

#include "pratique/v1/batch.pb-c.h"
#include "pratique/v1/decision.pb-c.h"
#include "pratique/v1/revision.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ACTIVATIONS 60
#else
#define ACTIVATIONS 500
#endif
#define ASKERS 3
#define REPLICAS 5
#define TIMEOUT_MS 60000
#define ROLLBACK "/pratique.v1.RevisionService/Rollback"
#define ACTIVATE "/pratique.v1.RevisionService/Activate"
#define DECIDE "/pratique.v1.DecisionService/Decide"
#define STREAM "/pratique.v1.DecisionService/StreamDecide"

/* A server over a revision directory, in this process. */
struct node {
	char data[96], address[PQ_ADDRESS_TEXT], follow[PQ_ADDRESS_TEXT], name[16];
	struct pq_options options;
	struct pq_keeper *keeper;
	struct pq_server *server;
};

static char folder[] = "/tmp/pratique-test-XXXXXX";
static char stores[2][96];
static char digests[2][PQ_DIGEST_HEX_BYTES];

static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "test_server_swap: %s\n", what);
	abort();
}

static int
setup(void **state)
{
	(void)state;
	must(mkdtemp(folder) != NULL, "no folder");
	for (unsigned i = 0; i < 2; i++) {
		snprintf(stores[i], sizeof(stores[i]), "%s/%u.mdb", folder, i);
		tiny_store_seal_edition(stores[i], i + 1);
	}
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void
node_start(struct node *node, const char *name, const struct node *publisher)
{
	struct pq_revision *revision;
	struct pq_err err = {0};

	*node = (struct node){0};
	snprintf(node->name, sizeof(node->name), "%s", name);
	snprintf(node->data, sizeof(node->data), "%s/%s", folder, name);
	node->options = (struct pq_options){
		.data = node->data,
		.shards = 2,
		.max_message_bytes = PQ_SERVER_MESSAGE_BYTES,
		.max_batch_items = PQ_SERVER_BATCH_ITEMS,
		.max_concurrent_streams = 100,
		.merge_replies = true,
		.admin_on_main = true,
		.grace_s = 40,
		.ready_fd = -1,
	};
	if (publisher != NULL) {
		snprintf(node->follow, sizeof(node->follow), "%s", publisher->address);
		node->options.follow = node->follow;
		node->options.replica_name = node->name;
	}
	must(pq_address_parse("127.0.0.1:0", false, "", &node->options.listen[0], &err) == PQ_OK, err.msg);
	node->options.n_listen = 1;
	must(pq_keeper_open(&node->options, &node->keeper, &revision, &err) == PQ_OK, err.msg);
	must(pq_server_start(&node->options, revision, node->keeper, &node->server, &err) == PQ_OK, err.msg);
	snprintf(node->address, sizeof(node->address), "%s", node->server->addresses[0].target);
}

static void
node_end(struct node *node)
{
	pq_server_end(node->server);
	pq_keeper_free(node->keeper);
}

/* Both stores in the catalog as sequences 1 and 2, by publishing them over the wire. */
static void
publish(struct pq_link *link, unsigned i, struct pq_manifest *ret_manifest)
{
	Pratique__V1__PublishHead head = PRATIQUE__V1__PUBLISH_HEAD__INIT;
	Pratique__V1__PublishRequest request = PRATIQUE__V1__PUBLISH_REQUEST__INIT;
	struct pq_manifest manifest = {.sequence = i + 1, .created_s = 1};
	char text[PQ_MANIFEST_BYTES_MAX + 1], actor[] = "tester";
	struct pq_link_call *call;
	ProtobufCMessage *answer;
	struct pq_err err = {0};
	uint8_t chunk[10000];
	size_t n;

	FILE *file = fopen(stores[i], "rb");
	must(file != NULL, "no store");
	must(pq_store_check_fd(fileno(file), stores[i], manifest.digest, &manifest.size, &err) == PQ_OK, err.msg);
	pq_digest_hex(manifest.digest, digests[i]);
	must(pq_manifest_format(&manifest, text, &head.manifest.len, &err) == PQ_OK, err.msg);
	head.manifest.data = (uint8_t *)text;
	head.actor = actor;
	must(pq_link_begin(link, "/pratique.v1.RevisionService/Publish", TIMEOUT_MS, NULL, &call, &err) == PQ_OK, err.msg);
	request.part_case = PRATIQUE__V1__PUBLISH_REQUEST__PART_HEAD;
	request.head = &head;
	must(pq_link_send(call, &request.base, false, &err) == PQ_OK, err.msg);
	rewind(file);
	for (uint64_t left = manifest.size; left > 0; left -= n) {
		n = fread(chunk, 1, left < sizeof(chunk) ? left : sizeof(chunk), file);
		must(n > 0, "the store is short");
		request.part_case = PRATIQUE__V1__PUBLISH_REQUEST__PART_CHUNK;
		request.chunk = (ProtobufCBinaryData){n, chunk};
		must(pq_link_send(call, &request.base, left == n, &err) == PQ_OK, err.msg);
	}
	fclose(file);
	must(pq_link_receive(call, &pratique__v1__publish_response__descriptor, 0, &answer, &err) == PQ_OK, err.msg);
	must(answer != NULL && ((Pratique__V1__PublishResponse *)answer)->added, "it was not added");
	protobuf_c_message_free_unpacked(answer, NULL);
	pq_link_call_free(call);
	*ret_manifest = manifest;
}

static void
activate(struct pq_link *link, uint64_t sequence)
{
	Pratique__V1__ActivateRequest request = PRATIQUE__V1__ACTIVATE_REQUEST__INIT;
	ProtobufCMessage *answer;
	struct pq_err err = {0};

	request.sequence = sequence;
	must(pq_link_ask(link, ACTIVATE, &request.base, &pratique__v1__activate_response__descriptor, TIMEOUT_MS, NULL,
	                 &answer, &err) == PQ_OK,
	     err.msg);
	protobuf_c_message_free_unpacked(answer, NULL);
}

/* Put the content of sequence 1 or 2 in force again. Returns the new sequence. */
static uint64_t
swap(struct pq_link *link, uint64_t content)
{
	Pratique__V1__RollbackRequest request = PRATIQUE__V1__ROLLBACK_REQUEST__INIT;
	ProtobufCMessage *answer;
	struct pq_err err = {0};

	request.sequence = content;
	must(pq_link_ask(link, ROLLBACK, &request.base, &pratique__v1__rollback_response__descriptor, TIMEOUT_MS, NULL,
	                 &answer, &err) == PQ_OK,
	     err.msg);
	uint64_t sequence = ((Pratique__V1__RollbackResponse *)answer)->revision->sequence;
	protobuf_c_message_free_unpacked(answer, NULL);
	return sequence;
}

/* ---- calls while revisions change ------------------------------------------------------------------------------- */

struct asker {
	pthread_t thread;
	const char *address;
	_Atomic(bool) *stop;
	size_t answers, of[2];
	char failed[256]; /* "" = none did */
};

static size_t
question(uint8_t *at)
{
	Pratique__V1__DecideRequest request = PRATIQUE__V1__DECIDE_REQUEST__INIT;
	char day[] = "2026-06-01", type[] = "export", to[] = "BB";

	request.as_of = day;
	request.transaction_type = type;
	request.destination = to;
	return pratique__v1__decide_request__pack(&request, at);
}

/* An answer names its revision, and every rule in it says in its source which edition of the law it is from. */
static void
judge(struct asker *asker, const Pratique__V1__Revision *revision, size_t n_rules)
{
	for (size_t i = 0; i < 2; i++) {
		if (revision != NULL && strcmp(revision->digest, digests[i]) == 0 && n_rules > 0) {
			asker->of[i]++;
			asker->answers++;
			return;
		}
	}
	snprintf(asker->failed, sizeof(asker->failed), "an answer of no revision that is known");
}

static void *
ask_on(void *context)
{
	struct asker *asker = context;
	struct raw_client client;
	uint8_t bytes[256];
	size_t len = question(bytes);

	raw_client_open(&client, asker->address);
	while (!atomic_load(asker->stop) && asker->failed[0] == '\0') {
		struct raw_end end;
		raw_call(&client, DECIDE, bytes, len, TIMEOUT_MS, false, &end);
		Pratique__V1__DecideResponse *answer =
			end.code == GRPC_STATUS_OK ? pratique__v1__decide_response__unpack(NULL, end.reply_len, end.reply) : NULL;
		if (answer == NULL)
			snprintf(asker->failed, sizeof(asker->failed), "%d: %.200s", (int)end.code, end.message);
		else
			judge(asker, answer->revision, answer->n_rules);
		pratique__v1__decide_response__free_unpacked(answer, NULL);
		raw_end_free(&end);
	}
	raw_client_close(&client);
	return NULL;
}

static void *
stream_on(void *context)
{
	struct asker *asker = context;
	struct raw_client client;
	struct raw_stream stream;
	uint8_t bytes[256], frame[4096];
	size_t len = question(bytes), n = 0;

	for (int i = 0; i < 10; i++) {
		frame[n++] = 1 << 3 | 2;
		frame[n++] = (uint8_t)len;
		memcpy(frame + n, bytes, len);
		n += len;
	}
	raw_client_open(&client, asker->address);
	raw_stream_open(&stream, &client, STREAM, 10 * TIMEOUT_MS);
	while (!atomic_load(asker->stop) && asker->failed[0] == '\0') {
		size_t got;
		uint8_t *reply = raw_stream_write(&stream, frame, n) ? raw_stream_read(&stream, &got) : NULL;
		Pratique__V1__StreamDecideResponse *answer =
			reply != NULL ? pratique__v1__stream_decide_response__unpack(NULL, got, reply) : NULL;
		if (answer == NULL || answer->n_results != 10)
			snprintf(asker->failed, sizeof(asker->failed), "a frame was not answered");
		else
			judge(asker, answer->revision, answer->n_rules);
		if (answer != NULL)
			pratique__v1__stream_decide_response__free_unpacked(answer, NULL);
		free(reply);
	}
	raw_stream_half_close(&stream);
	grpc_status_code code = raw_stream_end(&stream);
	if (code != GRPC_STATUS_OK && asker->failed[0] == '\0')
		snprintf(asker->failed, sizeof(asker->failed), "the stream ended with %d", (int)code);
	raw_client_close(&client);
	return NULL;
}

static void
test_no_call_is_lost(void **state)
{
	struct node node;
	struct pq_link *link;
	struct pq_manifest manifest;
	struct asker askers[ASKERS + 1] = {0};
	_Atomic(bool) stop = false;
	struct pq_err err = {0};

	(void)state;
	node_start(&node, "lone", NULL);
	assert_int_equal(pq_link_new(node.address, NULL, &link, &err), PQ_OK);
	publish(link, 0, &manifest);
	publish(link, 1, &manifest);
	activate(link, 1);
	for (size_t i = 0; i <= ASKERS; i++) {
		askers[i].address = node.address;
		askers[i].stop = &stop;
		assert_int_equal(pthread_create(&askers[i].thread, NULL, i < ASKERS ? ask_on : stream_on, &askers[i]), 0);
	}
	activate(link, 2);
	for (uint64_t i = 0; i < ACTIVATIONS; i++)
		assert_int_equal(swap(link, i % 2 + 1), i + 3);
	atomic_store(&stop, true);
	for (size_t i = 0; i <= ASKERS; i++) {
		pthread_join(askers[i].thread, NULL);
		assert_string_equal(askers[i].failed, "");
		assert_true(askers[i].of[0] > 0 && askers[i].of[1] > 0);
		print_message("%zu answers, %zu by the one and %zu by the other\n", askers[i].answers, askers[i].of[0],
		              askers[i].of[1]);
	}
	pq_link_free(link);
	node_end(&node);

	/* It starts with what was active. */
	node_start(&node, "lone", NULL);
	assert_int_equal(pq_server_sequence(node.server), ACTIVATIONS + 2);
	node_end(&node);
}

/* ---- replicas --------------------------------------------------------------------------------------------------- */

static void
wait_for(const struct node *node, uint64_t sequence)
{
	const struct timespec pause = {0, 1000000};

	for (int i = 0; pq_server_sequence(node->server) < sequence; i++) {
		must(i < TIMEOUT_MS, "the replica does not come to it");
		nanosleep(&pause, NULL);
	}
}

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
	struct pq_manifest manifest;
	struct pq_err err = {0};
	char name[16];

	(void)state;
	node_start(&publisher, "publisher", NULL);
	for (size_t i = 0; i < REPLICAS; i++) {
		snprintf(name, sizeof(name), "replica%zu", i);
		node_start(&replicas[i], name, &publisher);
		assert_false(pq_server_is_ready(replicas[i].server));
	}
	assert_int_equal(pq_link_new(publisher.address, NULL, &link, &err), PQ_OK);
	publish(link, 0, &manifest);
	publish(link, 1, &manifest);
	activate(link, 1);
	for (size_t i = 0; i < REPLICAS; i++)
		wait_for(&replicas[i], 1);
	int64_t began = now_us();
	activate(link, 2);
	for (size_t i = 0; i < REPLICAS; i++)
		wait_for(&replicas[i], 2);
	print_message("activated to adopted by %d replicas: %lld us\n", REPLICAS, (long long)(now_us() - began));
	for (size_t i = 0; i < REPLICAS; i++)
		assert_true(pq_server_is_ready(replicas[i].server));

	/* One that is gone for a while serves what it has at its next start, and catches up. */
	node_end(&replicas[0]);
	uint64_t sequence = swap(link, 1);
	node_start(&replicas[0], "replica0", &publisher);
	wait_for(&replicas[0], sequence);

	/* The publisher is gone: its replicas serve on. */
	pq_link_free(link);
	node_end(&publisher);
	for (size_t i = 0; i < REPLICAS; i++) {
		wait_for(&replicas[i], sequence);
		assert_true(pq_server_is_ready(replicas[i].server));
		node_end(&replicas[i]);
	}
	node_start(&replicas[0], "replica0", &publisher);
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
	return cmocka_run_group_tests(tests, setup, teardown);
}

#include "tests/support/served.h"

#include "cli/remote_convert.h"
#include "policy/request.h"
#include "tests/support/tiny_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_MS 60000

static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "served: %s\n", what);
	abort();
}

struct served *
served_prepare(unsigned workers)
{
	struct served *served = calloc(1, sizeof(*served));

	must(served != NULL, "no memory");
	snprintf(served->folder, sizeof(served->folder), "/tmp/pratique-test-XXXXXX");
	must(mkdtemp(served->folder) != NULL, "no folder");
	snprintf(served->store, sizeof(served->store), "%s/tiny.mdb", served->folder);
	snprintf(served->socket, sizeof(served->socket), "%s/pratique.sock", served->folder);
	snprintf(served->unix_address, sizeof(served->unix_address), "unix:%s", served->socket);
	tiny_store_seal(served->store);
	pq_arena_init(&served->arena, (size_t)256 << 20);
	served->options = (struct pq_options){
		.store = served->store,
		.shards = workers,
		.max_message_bytes = PQ_SERVER_MESSAGE_BYTES,
		.max_batch_items = PQ_SERVER_BATCH_ITEMS,
		.merge_replies = true,
		.max_concurrent_streams = 100,
		.handshake_timeout_s = PQ_SERVER_HANDSHAKE,
		.guard = true,
		.keepalive_s = PQ_SERVER_KEEPALIVE,
		.max_connections = PQ_SERVER_CONNECTIONS,
		.max_buffer_bytes = PQ_SERVER_BUFFER_BYTES,
		.grace_s = 40,
		.ready_fd = -1,
	};
	return served;
}

void
served_start(struct served *served)
{
	struct pq_options *options = &served->options;
	struct pq_revision *revision;
	struct pq_err err = {0};

	must(pq_address_parse(served->unix_address, false, "", &options->listen[0], &err) == PQ_OK, err.msg);
	must(pq_address_parse("127.0.0.1:0", false, "", &options->listen[1], &err) == PQ_OK, err.msg);
	options->n_listen = 2;
	must(pq_revision_open(served->store, &revision, &err) == PQ_OK, err.msg);
	must(pq_server_start(options, revision, NULL, &served->server, &err) == PQ_OK, err.msg);
	snprintf(served->tcp, sizeof(served->tcp), "%s", served->server->addresses[1].target);
	raw_client_open(&served->client, served->tcp);
}

int
served_free(struct served *served)
{
	raw_client_close(&served->client);
	if (served->server != NULL)
		pq_server_end(served->server);
	unlink(served->store);
	/* The socket is gone, or this fails. */
	int left = rmdir(served->folder);
	pq_arena_release(&served->arena);
	free(served);
	return left;
}

const char *
served_decide(struct served *served, struct raw_client *client, const void *bytes, size_t len)
{
	struct raw_end end;
	struct pq_decision decision;
	struct pq_err err = {0};
	const char *ret;

	raw_call(client, "/pratique.v1.DecisionService/Decide", bytes, len, TIMEOUT_MS, false, &end);
	if (end.code != GRPC_STATUS_OK) {
		ret = pq_arena_printf(&served->arena, "%d: %s", (int)end.code, end.message);
	} else {
		Pratique__V1__DecideResponse *message = pratique__v1__decide_response__unpack(NULL, end.reply_len, end.reply);
		must(message != NULL, "the answer is no DecideResponse");
		must(pq_decision_from_message(message, &served->arena, &decision, &err) == PQ_OK, err.msg);
		ret = pq_decision_to_json(&decision, &served->arena);
		pratique__v1__decide_response__free_unpacked(message, NULL);
	}
	raw_end_free(&end);
	return ret;
}

#include "tests/support/nodes.h"

#include "tests/support/tiny_store.h"

#include "pratique/v1/revision.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ACTIVATE "/pratique.v1.RevisionService/Activate"
#define PUBLISH "/pratique.v1.RevisionService/Publish"
#define ROLLBACK "/pratique.v1.RevisionService/Rollback"

static char folder[sizeof("/tmp/pratique-test-XXXXXX")];
static char stores[2][96];
static char digests[2][PQ_DIGEST_HEX_BYTES];

static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "nodes: %s\n", what);
	abort();
}

int
nodes_setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/pratique-test-XXXXXX");
	must(mkdtemp(folder) != NULL, "no folder");
	for (unsigned i = 0; i < 2; i++) {
		snprintf(stores[i], sizeof(stores[i]), "%s/%u.mdb", folder, i);
		tiny_store_seal_edition(stores[i], i + 1);
	}
	return 0;
}

int
nodes_teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

void
node_start(struct node *node, const char *name, const struct node *publisher, unsigned max_staleness_s)
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
		.max_staleness_s = max_staleness_s,
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

void
node_end(struct node *node)
{
	pq_server_end(node->server);
	pq_keeper_free(node->keeper);
}

static void
publish(struct pq_link *link, unsigned i)
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
	must(pq_link_begin(link, PUBLISH, NODES_TIMEOUT_MS, NULL, &call, &err) == PQ_OK, err.msg);
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
}

void
nodes_activate(struct pq_link *link, uint64_t sequence)
{
	Pratique__V1__ActivateRequest request = PRATIQUE__V1__ACTIVATE_REQUEST__INIT;
	ProtobufCMessage *answer;
	struct pq_err err = {0};

	request.sequence = sequence;
	must(pq_link_ask(link, ACTIVATE, &request.base, &pratique__v1__activate_response__descriptor, NODES_TIMEOUT_MS, NULL,
	                 &answer, &err) == PQ_OK,
	     err.msg);
	protobuf_c_message_free_unpacked(answer, NULL);
}

void
nodes_begin(struct pq_link *link)
{
	publish(link, 0);
	publish(link, 1);
	nodes_activate(link, 1);
}

uint64_t
nodes_swap(struct pq_link *link, uint64_t newest)
{
	Pratique__V1__RollbackRequest request = PRATIQUE__V1__ROLLBACK_REQUEST__INIT;
	ProtobufCMessage *answer;
	struct pq_err err = {0};

	request.sequence = newest % 2 == 0 ? 1 : 2;
	must(pq_link_ask(link, ROLLBACK, &request.base, &pratique__v1__rollback_response__descriptor, NODES_TIMEOUT_MS, NULL,
	                 &answer, &err) == PQ_OK,
	     err.msg);
	uint64_t sequence = ((Pratique__V1__RollbackResponse *)answer)->revision->sequence;
	protobuf_c_message_free_unpacked(answer, NULL);
	must(sequence == newest + 1, "the sequence is not the next");
	return sequence;
}

void
node_wait_for(const struct node *node, uint64_t sequence)
{
	const struct timespec pause = {0, 1000000};

	for (int i = 0; pq_server_sequence(node->server) < sequence; i++) {
		must(i < NODES_TIMEOUT_MS, "the replica does not come to it");
		nanosleep(&pause, NULL);
	}
}

uint8_t *
nodes_question(size_t n_lines, uint64_t min_revision, uint32_t max_age_s, size_t *ret_len)
{
	Pratique__V1__DecideRequest request = PRATIQUE__V1__DECIDE_REQUEST__INIT;
	Pratique__V1__Line line = PRATIQUE__V1__LINE__INIT;
	Pratique__V1__Decimal value = PRATIQUE__V1__DECIMAL__INIT;
	Pratique__V1__Line **lines = calloc(n_lines + 1, sizeof(Pratique__V1__Line *));
	char day[] = "2026-06-01", type[] = "export", to[] = "BB", digits[] = "500";

	must(lines != NULL, "no memory");
	for (size_t i = 0; i < n_lines; i++)
		lines[i] = &line;
	request.as_of = day;
	request.transaction_type = type;
	request.destination = to;
	value.value = digits;
	line.value_usd = &value;
	request.value_usd = n_lines == 0 ? &value : NULL;
	request.lines = lines;
	request.n_lines = n_lines;
	request.min_revision = min_revision;
	request.max_age_s = max_age_s;
	uint8_t *bytes = malloc(pratique__v1__decide_request__get_packed_size(&request));
	must(bytes != NULL, "no memory");
	*ret_len = pratique__v1__decide_request__pack(&request, bytes);
	free(lines);
	return bytes;
}

const char *
nodes_judge(const Pratique__V1__Revision *by, Pratique__V1__Rule *const *rules, size_t n_rules,
            const Pratique__V1__Decision *decision)
{
	bool law = false, bb = false;

	if (by == NULL || by->sequence == 0)
		return "an answer of no revision";
	bool second = by->sequence % 2 == 0;
	if (strcmp(by->digest, digests[second]) != 0)
		return "sequence and digest are not of one revision";
	if (by->activated_s <= 0)
		return "an answer that does not say since when its revision is in force";
	for (size_t i = 0; i < n_rules; i++) {
		law |= strcmp(rules[i]->cite, second ? "Law 1 of 2" : "Law 1 of 1") == 0;
		bb |= strcmp(rules[i]->cite, second ? "Law 2 of 2" : "Law 2 of 1") == 0;
		if (strstr(rules[i]->cite, second ? "of 1" : "of 2") != NULL)
			return "an answer with a rule of another edition than its revision's";
	}
	if (!law || !bb)
		return "an answer without the rules of its edition";
	if (decision->review_policy != (second ? PRATIQUE__V1__REVIEW_POLICY__REVIEW_POLICY_CASE_BY_CASE
	                                       : PRATIQUE__V1__REVIEW_POLICY__REVIEW_POLICY_POLICY_OF_DENIAL))
		return "an answer whose review is not its edition's";
	return NULL;
}

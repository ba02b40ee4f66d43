/*
 * Every other message of the API, as anybody may send it: the first byte says which. Requests are checked as the server
 * checks them; what is let through and unpacked must be let through again when it is packed. What a client is answered
 * is unpacked as the command line does, for a server may be anybody, too; a decision in it is read and printed, and no
 * text of it drives the terminal.
 *
 * fuzz: -max_len=8192
 */
#include "cli/html.h"
#include "cli/page.h"
#include "cli/remote_convert.h"
#include "policy/request.h"
#include "server/convert.h"
#include "server/wire.h"

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "pratique/v1/batch.pb-c.h"
#include "pratique/v1/replication.pb-c.h"
#include "pratique/v1/revision.pb-c.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARENA_BYTES ((size_t)64 << 20)

/* Of the server: what is checked before it is unpacked. */
static const ProtobufCMessageDescriptor *const requests[] = {
	&pratique__v1__publish_request__descriptor,
	&pratique__v1__activate_request__descriptor,
	&pratique__v1__schedule_activation_request__descriptor,
	&pratique__v1__cancel_activation_request__descriptor,
	&pratique__v1__rollback_request__descriptor,
	&pratique__v1__list_revisions_request__descriptor,
	&pratique__v1__get_revision_request__descriptor,
	&pratique__v1__prune_request__descriptor,
	&pratique__v1__read_journal_request__descriptor,
	&pratique__v1__watch_revisions_request__descriptor,
	&pratique__v1__fetch_snapshot_request__descriptor,
	&pratique__v1__report_request__descriptor,
	&pratique__v1__list_replicas_request__descriptor,
	&pratique__v1__batch_decide_request__descriptor,
};

/* What is unpacked as it comes. */
static const ProtobufCMessageDescriptor *const plain[] = {
	&grpc__health__v1__health_check_request__descriptor,
	&grpc__reflection__v1__server_reflection_request__descriptor,
	&google__rpc__status__descriptor,
	&google__rpc__bad_request__descriptor,
	&pratique__v1__watch_revisions_response__descriptor,
	&pratique__v1__fetch_snapshot_response__descriptor,
	&pratique__v1__report_response__descriptor,
	&pratique__v1__decide_response__descriptor,
};

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static bool
passes(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t len, struct pq_arena *arena)
{
	struct pq_violations violations = {.arena = arena};

	pq_wire_check(descriptor, data, len, NULL, 0, &violations);
	return !pq_violations_any(&violations);
}

static void
take_request(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t len, struct pq_arena *arena)
{
	ProtobufCAllocator allocator = pq_arena_allocator(arena);

	if (!passes(descriptor, data, len, arena))
		return;
	ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, len, data);
	/* protobuf-c takes no length that is written in more bytes than it needs; the handlers refuse what it leaves. */
	if (message == NULL)
		return;
	size_t packed = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = malloc(packed + 1);
	must(bytes != NULL);
	must(protobuf_c_message_pack(message, bytes) == packed);
	must(passes(descriptor, bytes, packed, arena));
	free(bytes);
}

/* Its texts were copied, and all of it can be shown. */
static void
show(const struct pq_decision *decision, struct pq_arena *arena)
{
	static const struct pq_request request;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	must(out != NULL);
	pq_page_print(&request, decision, "", true, out);
	pq_html_print(&request, decision, "", NULL, out);
	must(fclose(out) == 0);
	for (size_t i = 0; i < len; i++)
		must(((unsigned char)text[i] >= 0x20 && text[i] != 0x7f) || text[i] == '\n');
	free(text);
	pq_decision_to_json(decision, arena);
}

static void
take_plain(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t len, struct pq_arena *arena)
{
	struct pq_decision decision;
	struct pq_err err = {0};
	ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, NULL, len, data);

	if (message == NULL)
		return;
	if (descriptor == &pratique__v1__decide_response__descriptor) {
		enum pq_status status =
			pq_decision_from_message((const Pratique__V1__DecideResponse *)message, arena, &decision, &err);
		protobuf_c_message_free_unpacked(message, NULL);
		if (status == PQ_OK)
			show(&decision, arena);
		else
			must(err.msg[0] != '\0');
		return;
	}
	protobuf_c_message_free_unpacked(message, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pq_arena arena;

	if (size == 0)
		return 0;
	size_t which = data[0] % (N(requests) + N(plain));
	pq_arena_init(&arena, ARENA_BYTES);
	if (which < N(requests))
		take_request(requests[which], data + 1, size - 1, &arena);
	else
		take_plain(plain[which - N(requests)], data + 1, size - 1, &arena);
	pq_arena_release(&arena);
	return 0;
}

#include "cli/remote.h"

#include "cli/remote_convert.h"

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/support/alloc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METHOD "/pratique.v1.DecisionService/Decide"
#define DEFAULT_TIMEOUT_MS 10000
/* A request of a thousand lines has some megabytes. */
#define REQUEST_BYTES_MAX (64 * 1024 * 1024)
#define DETAILS "grpc-status-details-bin"
#define BAD_REQUEST "type.googleapis.com/google.rpc.BadRequest"

struct pq_remote {
	struct pq_channel channel;
	grpc_completion_queue *queue;
	struct pq_demand demand;
	char address[PQ_ERR_WHERE_MAX];
};

/* One call, from its start to its end. */
struct call {
	grpc_call *handle; /* metadata that was received belongs to it */
	grpc_byte_buffer *request, *reply;
	grpc_metadata_array initial, trailing;
	grpc_status_code status;
	grpc_slice message;
};

enum pq_status
pq_remote_new(const char *address, const struct pq_channel_access *access, struct pq_remote **ret_remote,
              struct pq_err *err)
{
	if (address[0] == '\0' || strlen(address) >= PQ_ERR_WHERE_MAX)
		return pq_fail(err, PQ_EINVAL, "\"%.100s\" is no address of a server", address);
	struct pq_remote *remote = calloc(1, sizeof(*remote));
	if (remote == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for a connection");
	snprintf(remote->address, sizeof(remote->address), "%s", address);

	grpc_init();
	enum pq_status status = pq_channel_open(&remote->channel, address, access, err);
	if (status != PQ_OK) {
		grpc_shutdown_blocking();
		free(remote);
		return status;
	}
	remote->queue = grpc_completion_queue_create_for_next(NULL);
	*ret_remote = remote;
	return PQ_OK;
}

void
pq_remote_demand(struct pq_remote *remote, const struct pq_demand *demand)
{
	remote->demand = *demand;
}

void
pq_remote_free(struct pq_remote *remote)
{
	if (remote == NULL)
		return;
	pq_channel_close(&remote->channel);
	grpc_completion_queue_shutdown(remote->queue);
	while (grpc_completion_queue_next(remote->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL).type !=
	       GRPC_QUEUE_SHUTDOWN)
		;
	grpc_completion_queue_destroy(remote->queue);
	free(remote);
	grpc_shutdown_blocking();
}

/* Send, and wait for the end, which the deadline brings at the latest. */
static grpc_call_error
run(struct pq_remote *remote, int timeout_ms, struct call *call)
{
	gpr_timespec timeout = gpr_time_from_millis(timeout_ms > 0 ? timeout_ms : DEFAULT_TIMEOUT_MS, GPR_TIMESPAN);
	gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), timeout);
	grpc_metadata authorization;
	call->handle = grpc_channel_create_call(remote->channel.channel, NULL, GRPC_PROPAGATE_DEFAULTS, remote->queue,
	                                        grpc_slice_from_static_string(METHOD), NULL, deadline, NULL);
	grpc_op ops[6] = {
		{.op = GRPC_OP_SEND_INITIAL_METADATA}, {.op = GRPC_OP_SEND_MESSAGE}, {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
		{.op = GRPC_OP_RECV_INITIAL_METADATA}, {.op = GRPC_OP_RECV_MESSAGE}, {.op = GRPC_OP_RECV_STATUS_ON_CLIENT},
	};
	ops[0].data.send_initial_metadata.metadata = &authorization;
	ops[0].data.send_initial_metadata.count = pq_channel_metadata(&remote->channel, &authorization);
	ops[1].data.send_message.send_message = call->request;
	ops[3].data.recv_initial_metadata.recv_initial_metadata = &call->initial;
	ops[4].data.recv_message.recv_message = &call->reply;
	ops[5].data.recv_status_on_client.trailing_metadata = &call->trailing;
	ops[5].data.recv_status_on_client.status = &call->status;
	ops[5].data.recv_status_on_client.status_details = &call->message;

	grpc_call_error error = grpc_call_start_batch(call->handle, ops, 6, call, NULL);
	if (error == GRPC_CALL_OK)
		grpc_completion_queue_next(remote->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	return error;
}

static enum pq_status
status_of(grpc_status_code code)
{
	switch (code) {
	case GRPC_STATUS_INVALID_ARGUMENT:
		return PQ_EINVAL;
	case GRPC_STATUS_RESOURCE_EXHAUSTED:
		return PQ_ELIMIT;
	case GRPC_STATUS_UNAVAILABLE:
	case GRPC_STATUS_DEADLINE_EXCEEDED:
		return PQ_EIO;
	case GRPC_STATUS_UNIMPLEMENTED:
		return PQ_EFORMAT;
	default:
		return PQ_EFAILED;
	}
}

/* The violations of a BadRequest, copied into the arena; none where it cannot be read or memory is out. */
static void
read_violations(const Google__Protobuf__Any *any, struct pq_arena *arena, struct pq_remote_reply *reply)
{
	Google__Rpc__BadRequest *bad = google__rpc__bad_request__unpack(NULL, any->value.len, any->value.data);

	if (bad == NULL)
		return;
	struct pq_violation *violations = pq_arena_array(arena, bad->n_field_violations, sizeof(*violations));
	size_t n = 0;
	for (size_t i = 0; violations != NULL && i < bad->n_field_violations; i++) {
		const Google__Rpc__BadRequest__FieldViolation *from = bad->field_violations[i];
		struct pq_violation to = {
			pq_arena_strndup(arena, from->field, strlen(from->field)),
			pq_arena_strndup(arena, from->reason, strlen(from->reason)),
			pq_arena_strndup(arena, from->description, strlen(from->description)),
		};
		if (to.field != NULL && to.reason != NULL && to.description != NULL)
			violations[n++] = to;
	}
	reply->violations = violations;
	reply->n_violations = n;
	google__rpc__bad_request__free_unpacked(bad, NULL);
}

static void
read_details(const struct call *call, struct pq_arena *arena, struct pq_remote_reply *reply)
{
	for (size_t i = 0; i < call->trailing.count; i++) {
		const grpc_metadata *entry = &call->trailing.metadata[i];
		if (!grpc_slice_eq(entry->key, grpc_slice_from_static_string(DETAILS)))
			continue;
		Google__Rpc__Status *status =
			google__rpc__status__unpack(NULL, GRPC_SLICE_LENGTH(entry->value), GRPC_SLICE_START_PTR(entry->value));
		if (status == NULL)
			return;
		for (size_t j = 0; j < status->n_details; j++) {
			if (strcmp(status->details[j]->type_url, BAD_REQUEST) == 0)
				read_violations(status->details[j], arena, reply);
		}
		google__rpc__status__free_unpacked(status, NULL);
		return;
	}
}

static enum pq_status
refused(const struct pq_remote *remote, const struct call *call, struct pq_arena *arena, struct pq_remote_reply *reply,
        struct pq_err *err)
{
	enum pq_status status = status_of(call->status);
	int len = (int)GRPC_SLICE_LENGTH(call->message);
	const char *message = (const char *)GRPC_SLICE_START_PTR(call->message);

	read_details(call, arena, reply);
	if (call->status == GRPC_STATUS_DEADLINE_EXCEEDED)
		return pq_fail_at(err, status, remote->address, 0, 0, "the server did not answer in time");
	if (status != PQ_EINVAL)
		return pq_fail_at(err, status, remote->address, 0, 0, "%.*s", len, message);
	if (reply->n_violations == 0)
		return pq_fail(err, status, "%.*s", len, message);
	if (reply->n_violations == 1)
		return pq_fail_at(err, status, reply->violations[0].field, 0, 0, "%s", reply->violations[0].description);
	return pq_fail_at(err, status, reply->violations[0].field, 0, 0, "%s (and %zu more)",
	                  reply->violations[0].description, reply->n_violations - 1);
}

static enum pq_status
answered(const struct pq_remote *remote, const struct call *call, struct pq_arena *arena,
         struct pq_decision *ret_decision, struct pq_remote_reply *reply, struct pq_err *err)
{
	grpc_byte_buffer_reader reader;

	if (call->reply == NULL || !grpc_byte_buffer_reader_init(&reader, call->reply))
		return pq_fail_at(err, PQ_EFORMAT, remote->address, 0, 0, "the server answered without a message");
	grpc_slice bytes = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	Pratique__V1__DecideResponse *message =
		pratique__v1__decide_response__unpack(NULL, GRPC_SLICE_LENGTH(bytes), GRPC_SLICE_START_PTR(bytes));
	grpc_slice_unref(bytes);
	if (message == NULL)
		return pq_fail_at(err, PQ_EFORMAT, remote->address, 0, 0, "the reply of the server cannot be read");
	if (message->revision != NULL) {
		snprintf(reply->digest, sizeof(reply->digest), "%s", message->revision->digest);
		reply->by.sequence = message->revision->sequence;
		reply->by.activated_s = message->revision->activated_s;
		reply->by.age_s = message->revision->age_s;
	}
	enum pq_status status = pq_decision_from_message(message, arena, ret_decision, err);
	pratique__v1__decide_response__free_unpacked(message, NULL);
	return status;
}

static enum pq_status
encode(const struct pq_request *request, const struct pq_demand *demand, grpc_byte_buffer **ret, struct pq_err *err)
{
	struct pq_arena scratch;
	Pratique__V1__DecideRequest *message;

	pq_arena_init(&scratch, REQUEST_BYTES_MAX);
	enum pq_status status = pq_request_to_message(request, &scratch, &message, err);
	if (status == PQ_OK) {
		message->min_revision = demand->min_revision;
		message->max_age_s = demand->max_age_s;
		grpc_slice bytes = grpc_slice_malloc(pratique__v1__decide_request__get_packed_size(message));
		pratique__v1__decide_request__pack(message, GRPC_SLICE_START_PTR(bytes));
		*ret = grpc_raw_byte_buffer_create(&bytes, 1);
		grpc_slice_unref(bytes);
	}
	pq_arena_release(&scratch);
	return status;
}

enum pq_status
pq_remote_ask(struct pq_remote *remote, const struct pq_request *request, int timeout_ms, struct pq_arena *arena,
              struct pq_decision *ret_decision, struct pq_remote_reply *ret_reply, struct pq_err *err)
{
	struct pq_remote_reply reply = {0};
	struct call call = {.message = grpc_empty_slice()};
	enum pq_status status = encode(request, &remote->demand, &call.request, err);

	if (status != PQ_OK)
		return status;
	grpc_metadata_array_init(&call.initial);
	grpc_metadata_array_init(&call.trailing);
	grpc_call_error error = run(remote, timeout_ms, &call);
	if (error != GRPC_CALL_OK)
		status = pq_fail_at(err, PQ_EFAILED, remote->address, 0, 0, "the call cannot be started (%d)", (int)error);
	else if (call.status != GRPC_STATUS_OK)
		status = refused(remote, &call, arena, &reply, err);
	else
		status = answered(remote, &call, arena, ret_decision, &reply, err);
	grpc_byte_buffer_destroy(call.request);
	if (call.reply != NULL)
		grpc_byte_buffer_destroy(call.reply);
	grpc_metadata_array_destroy(&call.initial);
	grpc_metadata_array_destroy(&call.trailing);
	grpc_slice_unref(call.message);
	grpc_call_unref(call.handle);
	if (ret_reply != NULL)
		*ret_reply = reply;
	return status;
}

enum pq_status
pq_remote_decide(const char *address, const struct pq_request *request, int timeout_ms, struct pq_arena *arena,
                 struct pq_decision *ret_decision, struct pq_err *err)
{
	struct pq_remote *remote;
	enum pq_status status = pq_remote_new(address, NULL, &remote, err);

	if (status != PQ_OK)
		return status;
	status = pq_remote_ask(remote, request, timeout_ms, arena, ret_decision, NULL, err);
	pq_remote_free(remote);
	return status;
}

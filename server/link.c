#include "server/link.h"

#include "server/link_access.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Largest answer: a list of all revisions; pieces of snapshots are smaller. */
#define ANSWER_BYTES_MAX (64 * 1024 * 1024)
/* Between two looks at whether to stop. */
#define LOOK_MS 100
/* A connection that is gone without a word is noticed after so long. */
#define KEEPALIVE_MS 10000
/* Between two tries to connect at most: those who follow have their own pauses. And how long one try may take. */
#define RECONNECT_MS 200
#define CONNECT_MS 10000

struct pq_link {
	grpc_channel *channel;
	bool borrowed;             /* the channel is the caller's */
	const char *authorization; /* NULL = none */
	char address[PQ_ERR_WHERE_MAX];
	const struct pq_link_access *access;
	struct pq_link_secrets secrets;
};

struct pq_link_call {
	struct pq_link *link;
	const _Atomic(bool) *stop;
	grpc_completion_queue *queue; /* of this call: what is left of it when it is freed touches no other */
	grpc_call *call;
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *in;
	bool receiving; /* a message is waited for */
	bool over;      /* the status has come */
	bool heard;     /* a message has come */
	bool greeted;   /* the server's initial metadata were asked for */
	grpc_status_code code;
	grpc_slice details;
};

enum tag { TAG_SENT = 1, TAG_RECEIVED, TAG_STATUS };

enum pq_status
pq_link_over(grpc_channel *channel, const char *address, const char *authorization, struct pq_link **ret_link,
             struct pq_err *err)
{
	static const struct pq_link_access plain;

	if (address[0] == '\0' || strlen(address) >= PQ_ERR_WHERE_MAX)
		return pq_fail(err, PQ_EINVAL, "\"%.100s\" is no address of a server", address);
	struct pq_link *link = calloc(1, sizeof(*link));
	if (link == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for a connection");
	*link = (struct pq_link){
		.channel = channel, .borrowed = true, .authorization = authorization, .access = &plain};
	snprintf(link->address, sizeof(link->address), "%s", address);
	grpc_init();
	*ret_link = link;
	return PQ_OK;
}

enum pq_status
pq_link_new(const char *address, const struct pq_link_access *access, struct pq_link **ret_link, struct pq_err *err)
{
	grpc_arg args[] = {
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_ENABLE_HTTP_PROXY, {.integer = 0}},
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, {.integer = ANSWER_BYTES_MAX}},
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_KEEPALIVE_TIME_MS, {.integer = KEEPALIVE_MS}},
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_KEEPALIVE_TIMEOUT_MS, {.integer = KEEPALIVE_MS}},
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, {.integer = CONNECT_MS}},
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, {.integer = RECONNECT_MS}},
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, {.integer = RECONNECT_MS}},
		/* Links are not to share connections with others in this process. */
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, {.integer = 1}},
	};
	const grpc_channel_args channel_args = {sizeof(args) / sizeof(args[0]), args};
	grpc_channel_credentials *credentials;

	struct pq_link *link;
	enum pq_status status = pq_link_over(NULL, address, NULL, &link, err);
	if (status != PQ_OK)
		return status;
	if (access != NULL)
		link->access = access;
	status = pq_link_access_read(link->access, &link->secrets, &credentials, err);
	if (status != PQ_OK) {
		pq_link_free(link);
		return status;
	}
	link->borrowed = false;
	if (link->secrets.authorization[0] != '\0')
		link->authorization = link->secrets.authorization;
	link->channel = grpc_channel_create(address, credentials, &channel_args);
	grpc_channel_credentials_release(credentials);
	*ret_link = link;
	return PQ_OK;
}

void
pq_link_free(struct pq_link *link)
{
	if (link == NULL)
		return;
	if (!link->borrowed)
		grpc_channel_destroy(link->channel);
	free(link);
	grpc_shutdown();
}

bool
pq_link_is_outdated(struct pq_link *link)
{
	if (!pq_link_access_changed(link->access, &link->secrets))
		return false;
	pq_link_access_see(link->access, &link->secrets);
	return true;
}

/* ---- calls ------------------------------------------------------------------------------------------------------ */

enum pq_status
pq_link_begin(struct pq_link *link, const char *method, int timeout_ms, const _Atomic(bool) *stop,
              struct pq_link_call **ret_call, struct pq_err *err)
{
	gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
	struct pq_link_call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for a call");
	if (timeout_ms > 0)
		deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
	call->link = link;
	call->stop = stop;
	call->details = grpc_empty_slice();
	call->queue = grpc_completion_queue_create_for_next(NULL);
	grpc_metadata_array_init(&call->initial);
	grpc_metadata_array_init(&call->trailing);
	call->call = grpc_channel_create_call(link->channel, NULL, GRPC_PROPAGATE_DEFAULTS, call->queue,
	                                      grpc_slice_from_static_string(method), NULL, deadline, NULL);
	grpc_metadata token = {.key = grpc_slice_from_static_string("authorization"),
	                       .value = grpc_slice_from_copied_string(
							   link->authorization != NULL ? link->authorization : "")};
	grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};
	op.data.send_initial_metadata.count = link->authorization != NULL;
	op.data.send_initial_metadata.metadata = &token;
	grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
	status.data.recv_status_on_client.trailing_metadata = &call->trailing;
	status.data.recv_status_on_client.status = &call->code;
	status.data.recv_status_on_client.status_details = &call->details;
	grpc_op ops[2] = {op, status};
	bool begun = grpc_call_start_batch(call->call, &ops[0], 1, NULL, NULL) == GRPC_CALL_OK &&
	             grpc_call_start_batch(call->call, &ops[1], 1, (void *)TAG_STATUS, NULL) == GRPC_CALL_OK;
	grpc_slice_unref(token.value);
	if (!begun) {
		pq_link_call_free(call);
		return pq_fail_at(err, PQ_EFAILED, link->address, 0, 0, "the call cannot be started");
	}
	*ret_call = call;
	return PQ_OK;
}

void
pq_link_call_free(struct pq_link_call *call)
{
	if (call == NULL)
		return;
	grpc_call_cancel(call->call, NULL);
	grpc_call_unref(call->call);
	grpc_completion_queue_shutdown(call->queue);
	while (grpc_completion_queue_next(call->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
	       GRPC_QUEUE_SHUTDOWN)
		;
	grpc_completion_queue_destroy(call->queue);
	if (call->in != NULL)
		grpc_byte_buffer_destroy(call->in);
	grpc_metadata_array_destroy(&call->initial);
	grpc_metadata_array_destroy(&call->trailing);
	grpc_slice_unref(call->details);
	free(call);
}

static enum pq_status
status_of(grpc_status_code code)
{
	switch (code) {
	case GRPC_STATUS_OK:
		return PQ_OK;
	case GRPC_STATUS_INVALID_ARGUMENT:
		return PQ_EINVAL;
	case GRPC_STATUS_NOT_FOUND:
		return PQ_ENOTFOUND;
	case GRPC_STATUS_RESOURCE_EXHAUSTED:
		return PQ_ELIMIT;
	case GRPC_STATUS_UNAVAILABLE:
	case GRPC_STATUS_DEADLINE_EXCEEDED:
	case GRPC_STATUS_CANCELLED:
		return PQ_EIO;
	case GRPC_STATUS_DATA_LOSS:
		return PQ_ECORRUPT;
	case GRPC_STATUS_UNIMPLEMENTED:
		return PQ_EFORMAT;
	default:
		return PQ_EFAILED;
	}
}

static enum pq_status
ended(const struct pq_link_call *call, struct pq_err *err)
{
	enum pq_status status = status_of(call->code);
	bool tls = call->link->access->paths[PQ_LINK_CA] != NULL;
	int len = (int)GRPC_SLICE_LENGTH(call->details);
	const char *text = (const char *)GRPC_SLICE_START_PTR(call->details);

	if (status == PQ_OK)
		return PQ_OK;
	if (call->code == GRPC_STATUS_DEADLINE_EXCEEDED)
		return pq_fail_at(err, status, call->link->address, 0, 0, "the server did not answer in time");
	/* By TLS 1.3 a server that does not take the client's certificate says nothing that gRPC would hand on. */
	bool silent = tls && !call->heard && memmem(text, (size_t)len, "Socket closed", strlen("Socket closed")) != NULL;
	return pq_fail_at(err, status, call->link->address, 0, 0, "%.*s%s", len, text,
	                  silent ? " (does it take our certificate, or want one?)" : "");
}

/* Wait for the event of a tag. */
static enum pq_status
wait_for(struct pq_link_call *call, enum tag tag, int wait_ms, bool *ret_good, struct pq_err *err)
{
	gpr_timespec end = wait_ms > 0 ? gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(wait_ms, GPR_TIMESPAN))
	                               : gpr_inf_future(GPR_CLOCK_MONOTONIC);

	if (tag == TAG_STATUS && call->over)
		return PQ_OK;
	for (;;) {
		gpr_timespec look = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(LOOK_MS, GPR_TIMESPAN));
		grpc_event event = grpc_completion_queue_next(call->queue, gpr_time_min(look, end), NULL);
		if (event.type == GRPC_OP_COMPLETE && event.tag == (void *)tag) {
			*ret_good = event.success != 0;
			return PQ_OK;
		}
		call->over |= event.type == GRPC_OP_COMPLETE && event.tag == (void *)TAG_STATUS;
		if (call->stop != NULL && atomic_load_explicit(call->stop, memory_order_relaxed))
			return pq_fail_at(err, PQ_EIO, call->link->address, 0, 0, "this server ends");
		if (event.type == GRPC_QUEUE_TIMEOUT && gpr_time_cmp(gpr_now(GPR_CLOCK_MONOTONIC), end) >= 0)
			return pq_fail_at(err, PQ_EIO, call->link->address, 0, 0, "nothing was heard for %d milliseconds", wait_ms);
	}
}

enum pq_status
pq_link_send(struct pq_link_call *call, const ProtobufCMessage *message, bool last, struct pq_err *err)
{
	grpc_op ops[2] = {{.op = GRPC_OP_SEND_MESSAGE}, {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}};
	grpc_slice bytes = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
	bool good;

	protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(bytes));
	grpc_byte_buffer *out = grpc_raw_byte_buffer_create(&bytes, 1);
	grpc_slice_unref(bytes);
	ops[0].data.send_message.send_message = out;
	grpc_call_error error = grpc_call_start_batch(call->call, ops, last ? 2 : 1, (void *)TAG_SENT, NULL);
	enum pq_status status = PQ_OK;
	if (error != GRPC_CALL_OK)
		status = pq_fail_at(err, PQ_EFAILED, call->link->address, 0, 0, "a message cannot be sent (%d)", (int)error);
	else
		status = wait_for(call, TAG_SENT, 0, &good, err);
	grpc_byte_buffer_destroy(out);
	/* A message that did not go out: the call has ended, and receiving tells why. */
	return status;
}

bool
pq_link_call_over(const struct pq_link_call *call)
{
	return call->over;
}

static enum pq_status
unpack(const struct pq_link_call *call, const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage **ret,
       struct pq_err *err)
{
	grpc_byte_buffer_reader reader;

	if (!grpc_byte_buffer_reader_init(&reader, call->in))
		return pq_fail_at(err, PQ_EFORMAT, call->link->address, 0, 0, "the answer cannot be read");
	grpc_slice bytes = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	*ret = protobuf_c_message_unpack(descriptor, NULL, GRPC_SLICE_LENGTH(bytes), GRPC_SLICE_START_PTR(bytes));
	grpc_slice_unref(bytes);
	if (*ret == NULL)
		return pq_fail_at(err, PQ_EFORMAT, call->link->address, 0, 0, "the answer is no %s", descriptor->short_name);
	return PQ_OK;
}

static bool
ask_for_message(struct pq_link_call *call)
{
	grpc_op ops[2] = {{.op = GRPC_OP_RECV_MESSAGE}, {.op = GRPC_OP_RECV_INITIAL_METADATA}};

	ops[0].data.recv_message.recv_message = &call->in;
	ops[1].data.recv_initial_metadata.recv_initial_metadata = &call->initial;
	call->receiving =
		grpc_call_start_batch(call->call, ops, call->greeted ? 1 : 2, (void *)TAG_RECEIVED, NULL) == GRPC_CALL_OK;
	call->greeted = true;
	return call->receiving;
}

enum pq_status
pq_link_receive(struct pq_link_call *call, const ProtobufCMessageDescriptor *descriptor, int wait_ms,
                ProtobufCMessage **ret_message, struct pq_err *err)
{
	bool good;

	if (!call->receiving && !ask_for_message(call))
		return pq_fail_at(err, PQ_EFAILED, call->link->address, 0, 0, "nothing can be received");
	enum pq_status status = wait_for(call, TAG_RECEIVED, wait_ms, &good, err);
	if (status != PQ_OK)
		return status;
	call->receiving = false;
	if (call->in != NULL) {
		call->heard = true;
		status = unpack(call, descriptor, ret_message, err);
		grpc_byte_buffer_destroy(call->in);
		call->in = NULL;
		return status;
	}
	status = wait_for(call, TAG_STATUS, 0, &good, err);
	if (status == PQ_OK)
		status = ended(call, err);
	if (status == PQ_OK)
		*ret_message = NULL;
	return status;
}

enum pq_status
pq_link_ask(struct pq_link *link, const char *method, const ProtobufCMessage *request,
            const ProtobufCMessageDescriptor *descriptor, int timeout_ms, const _Atomic(bool) *stop,
            ProtobufCMessage **ret_message, struct pq_err *err)
{
	struct pq_link_call *call;
	ProtobufCMessage *message = NULL, *more = NULL;
	enum pq_status status = pq_link_begin(link, method, timeout_ms, stop, &call, err);

	if (status != PQ_OK)
		return status;
	status = pq_link_send(call, request, true, err);
	if (status == PQ_OK)
		status = pq_link_receive(call, descriptor, 0, &message, err);
	if (status == PQ_OK && message == NULL)
		status = pq_fail_at(err, PQ_EFORMAT, link->address, 0, 0, "the server answered without a message");
	else if (status == PQ_OK)
		status = pq_link_receive(call, descriptor, 0, &more, err);
	pq_link_call_free(call);
	if (status != PQ_OK || more != NULL) {
		if (more != NULL)
			protobuf_c_message_free_unpacked(more, NULL);
		if (message != NULL)
			protobuf_c_message_free_unpacked(message, NULL);
		return status != PQ_OK ? status : pq_fail_at(err, PQ_EFORMAT, link->address, 0, 0, "it answered twice");
	}
	*ret_message = message;
	return PQ_OK;
}

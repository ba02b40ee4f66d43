#include "tests/support/raw_client.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gpr_timespec
in_ms(int timeout_ms)
{
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

void
raw_client_open(struct raw_client *client, const char *address)
{
	grpc_arg args[] = {
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_ENABLE_HTTP_PROXY, {.integer = 0}},
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, {.integer = 64 << 20}},
		/* Clients of one process would otherwise share connections, and tests count them. */
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, {.integer = 1}},
	};
	const grpc_channel_args channel_args = {sizeof(args) / sizeof(args[0]), args};
	grpc_init();
	grpc_channel_credentials *credentials = grpc_insecure_credentials_create();

	client->channel = grpc_channel_create(address, credentials, &channel_args);
	client->queue = grpc_completion_queue_create_for_next(NULL);
	grpc_channel_credentials_release(credentials);
}

void
raw_client_close(struct raw_client *client)
{
	grpc_channel_destroy(client->channel);
	grpc_completion_queue_shutdown(client->queue);
	while (grpc_completion_queue_next(client->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL).type !=
	       GRPC_QUEUE_SHUTDOWN)
		;
	grpc_completion_queue_destroy(client->queue);
	grpc_shutdown_blocking();
}

static grpc_call *
new_call(struct raw_client *client, const char *method, int timeout_ms)
{
	grpc_slice name = grpc_slice_from_copied_string(method);
	grpc_call *call = grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, client->queue, name,
	                                           NULL, in_ms(timeout_ms), NULL);

	grpc_slice_unref(name);
	return call;
}

/* Wait for one batch; every batch of a client is waited for before the next. */
static bool
wait_for(struct raw_client *client)
{
	return grpc_completion_queue_next(client->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL).success != 0;
}

static uint8_t *
bytes_of(grpc_byte_buffer *buffer, size_t *ret_len)
{
	grpc_byte_buffer_reader reader;

	if (!grpc_byte_buffer_reader_init(&reader, buffer))
		return NULL;
	grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	*ret_len = GRPC_SLICE_LENGTH(slice);
	uint8_t *copy = malloc(*ret_len + 1);
	if (copy != NULL)
		memcpy(copy, GRPC_SLICE_START_PTR(slice), *ret_len);
	grpc_slice_unref(slice);
	return copy;
}

static void
keep_details(const grpc_metadata_array *trailing, struct raw_end *ret)
{
	for (size_t i = 0; i < trailing->count; i++) {
		const grpc_metadata *entry = &trailing->metadata[i];
		if (!grpc_slice_eq(entry->key, grpc_slice_from_static_string("grpc-status-details-bin")))
			continue;
		ret->details_len = GRPC_SLICE_LENGTH(entry->value);
		ret->details = malloc(ret->details_len + 1);
		if (ret->details != NULL)
			memcpy(ret->details, GRPC_SLICE_START_PTR(entry->value), ret->details_len);
	}
}

void
raw_call(struct raw_client *client, const char *method, const void *data, size_t len, int timeout_ms, bool gzip,
         struct raw_end *ret)
{
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *reply = NULL;
	grpc_slice message = grpc_empty_slice();
	grpc_slice bytes = grpc_slice_from_copied_buffer(data, len);
	grpc_byte_buffer *request = grpc_raw_byte_buffer_create(&bytes, 1);
	grpc_metadata encoding = {
		.key = grpc_slice_from_static_string("grpc-internal-encoding-request"),
		.value = grpc_slice_from_static_string("gzip"),
	};
	grpc_call *call = new_call(client, method, timeout_ms);
	grpc_op ops[6] = {
		{.op = GRPC_OP_SEND_INITIAL_METADATA}, {.op = GRPC_OP_SEND_MESSAGE}, {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
		{.op = GRPC_OP_RECV_INITIAL_METADATA}, {.op = GRPC_OP_RECV_MESSAGE}, {.op = GRPC_OP_RECV_STATUS_ON_CLIENT},
	};

	*ret = (struct raw_end){0};
	grpc_metadata_array_init(&initial);
	grpc_metadata_array_init(&trailing);
	ops[0].data.send_initial_metadata.metadata = &encoding;
	ops[0].data.send_initial_metadata.count = gzip;
	ops[1].data.send_message.send_message = request;
	ops[3].data.recv_initial_metadata.recv_initial_metadata = &initial;
	ops[4].data.recv_message.recv_message = &reply;
	ops[5].data.recv_status_on_client.trailing_metadata = &trailing;
	ops[5].data.recv_status_on_client.status = &ret->code;
	ops[5].data.recv_status_on_client.status_details = &message;
	grpc_call_start_batch(call, ops, 6, client, NULL);
	wait_for(client);

	snprintf(ret->message, sizeof(ret->message), "%.*s", (int)GRPC_SLICE_LENGTH(message),
	         (const char *)GRPC_SLICE_START_PTR(message));
	keep_details(&trailing, ret);
	if (reply != NULL) {
		ret->reply = bytes_of(reply, &ret->reply_len);
		grpc_byte_buffer_destroy(reply);
	}
	grpc_slice_unref(message);
	grpc_slice_unref(bytes);
	grpc_byte_buffer_destroy(request);
	grpc_metadata_array_destroy(&initial);
	grpc_metadata_array_destroy(&trailing);
	grpc_call_unref(call);
}

void
raw_end_free(struct raw_end *end)
{
	free(end->details);
	free(end->reply);
	*end = (struct raw_end){0};
}

void
raw_stream_open(struct raw_stream *stream, struct raw_client *client, const char *method, int timeout_ms)
{
	grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};

	*stream = (struct raw_stream){.client = client, .message = grpc_empty_slice()};
	grpc_metadata_array_init(&stream->initial);
	grpc_metadata_array_init(&stream->trailing);
	stream->call = new_call(client, method, timeout_ms);
	grpc_call_start_batch(stream->call, &op, 1, stream, NULL);
	wait_for(client);
}

bool
raw_stream_write(struct raw_stream *stream, const void *data, size_t len)
{
	grpc_slice bytes = grpc_slice_from_copied_buffer(data, len);
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&bytes, 1);
	grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};

	op.data.send_message.send_message = buffer;
	grpc_call_start_batch(stream->call, &op, 1, stream, NULL);
	bool good = wait_for(stream->client);
	grpc_byte_buffer_destroy(buffer);
	grpc_slice_unref(bytes);
	return good;
}

void
raw_stream_half_close(struct raw_stream *stream)
{
	grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};

	grpc_call_start_batch(stream->call, &op, 1, stream, NULL);
	wait_for(stream->client);
}

uint8_t *
raw_stream_read(struct raw_stream *stream, size_t *ret_len)
{
	grpc_byte_buffer *buffer = NULL;
	grpc_op ops[2] = {{.op = GRPC_OP_RECV_MESSAGE}, {.op = GRPC_OP_RECV_INITIAL_METADATA}};

	ops[0].data.recv_message.recv_message = &buffer;
	ops[1].data.recv_initial_metadata.recv_initial_metadata = &stream->initial;
	grpc_call_start_batch(stream->call, ops, stream->greeted ? 1 : 2, stream, NULL);
	stream->greeted = true;
	wait_for(stream->client);
	if (buffer == NULL)
		return NULL;
	uint8_t *bytes = bytes_of(buffer, ret_len);
	grpc_byte_buffer_destroy(buffer);
	return bytes;
}

void
raw_stream_cancel(struct raw_stream *stream)
{
	grpc_call_cancel(stream->call, NULL);
}

grpc_status_code
raw_stream_end(struct raw_stream *stream)
{
	grpc_op op = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};

	op.data.recv_status_on_client.trailing_metadata = &stream->trailing;
	op.data.recv_status_on_client.status = &stream->code;
	op.data.recv_status_on_client.status_details = &stream->message;
	grpc_call_start_batch(stream->call, &op, 1, stream, NULL);
	wait_for(stream->client);
	grpc_slice_unref(stream->message);
	grpc_metadata_array_destroy(&stream->initial);
	grpc_metadata_array_destroy(&stream->trailing);
	grpc_call_unref(stream->call);
	return stream->code;
}

#include "bench/client/grpc.h"

#include <stdio.h>
#include <stdlib.h>

#define READY_SECONDS 10
#define REPLY_BYTES_MAX (64 << 20)

static gpr_timespec
in_seconds(int64_t seconds)
{
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(seconds, GPR_TIMESPAN));
}

static bool
wait_ready(struct channels *channels, size_t i)
{
	for (;;) {
		grpc_connectivity_state state = grpc_channel_check_connectivity_state(channels->at[i], 1);
		if (state == GRPC_CHANNEL_READY)
			return true;
		grpc_channel_watch_connectivity_state(channels->at[i], state, in_seconds(READY_SECONDS), channels->queue, NULL);
		grpc_event event = grpc_completion_queue_next(channels->queue, in_seconds(READY_SECONDS + 1), NULL);
		if (event.type != GRPC_OP_COMPLETE || !event.success)
			return false;
	}
}

bool
channels_init(struct channels *channels, const struct options *options, size_t n, const char *path)
{
	grpc_arg args[] = {
		/* Otherwise channels with one target share a connection. */
		{.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .value.integer = 1},
		{.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .value.integer = REPLY_BYTES_MAX},
	};
	grpc_channel_args all = {sizeof(args) / sizeof(args[0]), args};
	grpc_channel_credentials *credentials = grpc_insecure_credentials_create();

	*channels = (struct channels){.at = calloc(n, sizeof(*channels->at)), .methods = calloc(n, sizeof(void *))};
	channels->queue = grpc_completion_queue_create_for_next(NULL);
	bool fine = channels->at != NULL && channels->methods != NULL;
	for (size_t i = 0; fine && i < n; i++) {
		channels->at[i] = grpc_channel_create(options->address, credentials, &all);
		channels->methods[i] = grpc_channel_register_call(channels->at[i], path, NULL, NULL);
		channels->n++;
		fine = wait_ready(channels, i);
	}
	grpc_channel_credentials_release(credentials);
	if (!fine)
		fprintf(stderr, "client: no connection to %s\n", options->address);
	return fine;
}

void
channels_release(struct channels *channels)
{
	for (size_t i = 0; i < channels->n; i++)
		grpc_channel_destroy(channels->at[i]);
	grpc_completion_queue_shutdown(channels->queue);
	while (grpc_completion_queue_next(channels->queue, in_seconds(5), NULL).type == GRPC_OP_COMPLETE)
		;
	grpc_completion_queue_destroy(channels->queue);
	free(channels->at);
	free(channels->methods);
}

void
unary_init(struct unary *unary)
{
	*unary = (struct unary){0};
	grpc_metadata_array_init(&unary->initial);
	grpc_metadata_array_init(&unary->trailing);
}

bool
unary_start(struct unary *unary, struct channels *channels, size_t channel, grpc_slice body, void *tag)
{
	grpc_op ops[6] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}};

	unary->call = grpc_channel_create_registered_call(channels->at[channel], NULL, GRPC_PROPAGATE_DEFAULTS,
	                                                  channels->queue, channels->methods[channel],
	                                                  gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	unary->out = grpc_raw_byte_buffer_create(&body, 1);
	unary->in = NULL;
	ops[1].op = GRPC_OP_SEND_MESSAGE;
	ops[1].data.send_message.send_message = unary->out;
	ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	ops[3].op = GRPC_OP_RECV_INITIAL_METADATA;
	ops[3].data.recv_initial_metadata.recv_initial_metadata = &unary->initial;
	ops[4].op = GRPC_OP_RECV_MESSAGE;
	ops[4].data.recv_message.recv_message = &unary->in;
	ops[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
	ops[5].data.recv_status_on_client.trailing_metadata = &unary->trailing;
	ops[5].data.recv_status_on_client.status = &unary->code;
	ops[5].data.recv_status_on_client.status_details = &unary->details;
	return grpc_call_start_batch(unary->call, ops, 6, tag != NULL ? tag : unary, NULL) == GRPC_CALL_OK;
}

void
unary_end(struct unary *unary, size_t *ret_bytes)
{
	*ret_bytes = unary->in != NULL ? grpc_byte_buffer_length(unary->in) : 0;
	grpc_byte_buffer_destroy(unary->out);
	if (unary->in != NULL)
		grpc_byte_buffer_destroy(unary->in);
	unary->in = NULL;
	grpc_slice_unref(unary->details);
	unary->initial.count = unary->trailing.count = 0;
	grpc_call_unref(unary->call);
	unary->call = NULL;
}

void
unary_release(struct unary *unary)
{
	grpc_metadata_array_destroy(&unary->initial);
	grpc_metadata_array_destroy(&unary->trailing);
}

#include "call.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A call that found no server is tried again, within its deadline. */
static const char service_config[] =
	"{\"methodConfig\":[{\"name\":[{\"service\":\"pratique.v1.DecisionService\"}],\"retryPolicy\":{"
	"\"maxAttempts\":4,\"initialBackoff\":\"0.1s\",\"maxBackoff\":\"1s\",\"backoffMultiplier\":2,"
	"\"retryableStatusCodes\":[\"UNAVAILABLE\"]}}]}";

static char *
read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = NULL;
	long len;

	if (file != NULL && fseek(file, 0, SEEK_END) == 0 && (len = ftell(file)) >= 0) {
		rewind(file);
		text = calloc((size_t)len + 1, 1);
		if (text != NULL && fread(text, 1, (size_t)len, file) != (size_t)len) {
			free(text);
			text = NULL;
		}
	}
	if (text == NULL)
		fprintf(stderr, "%s: cannot be read\n", path);
	if (file != NULL)
		fclose(file);
	return text;
}

static grpc_channel_credentials *
make_credentials(const char *ca, const char *cert, const char *key)
{
	if (ca == NULL)
		return grpc_insecure_credentials_create();
	char *roots = read_file(ca), *chain = cert != NULL ? read_file(cert) : NULL;
	char *private_key = key != NULL ? read_file(key) : NULL;
	grpc_ssl_pem_key_cert_pair pair = {private_key, chain};
	bool complete = roots != NULL && (cert == NULL || (chain != NULL && private_key != NULL));
	grpc_channel_credentials *credentials =
		complete ? grpc_ssl_credentials_create(roots, cert != NULL ? &pair : NULL, NULL, NULL) : NULL;

	free(roots);
	free(chain);
	free(private_key);
	return credentials;
}

bool
client_open(struct client *client, const char *target, const char *ca, const char *cert, const char *key)
{
	grpc_arg args[] = {
		{GRPC_ARG_STRING, GRPC_ARG_SERVICE_CONFIG, {.string = (char *)service_config}},
		{GRPC_ARG_INTEGER, GRPC_ARG_ENABLE_RETRIES, {.integer = 1}},
	};
	grpc_channel_args channel_args = {sizeof(args) / sizeof(args[0]), args};

	grpc_init();
	grpc_channel_credentials *credentials = make_credentials(ca, cert, key);
	if (credentials == NULL) {
		grpc_shutdown();
		return false;
	}
	client->channel = grpc_channel_create(target, credentials, &channel_args);
	grpc_channel_credentials_release(credentials);
	client->queue = grpc_completion_queue_create_for_pluck(NULL);
	return true;
}

void
client_close(struct client *client)
{
	grpc_channel_destroy(client->channel);
	grpc_completion_queue_shutdown(client->queue);
	grpc_completion_queue_destroy(client->queue);
	grpc_shutdown();
}

/* Start a batch and wait for its end. */
static bool
run(struct client *client, grpc_call *call, const grpc_op *ops, size_t n)
{
	if (grpc_call_start_batch(call, ops, n, call, NULL) != GRPC_CALL_OK)
		return false;
	return grpc_completion_queue_pluck(client->queue, call, gpr_inf_future(GPR_CLOCK_REALTIME), NULL).success != 0;
}

static grpc_byte_buffer *
pack(const ProtobufCMessage *message)
{
	grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));

	protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return buffer;
}

static bool
take_answer(grpc_byte_buffer *buffer, answer_fn *answer)
{
	grpc_byte_buffer_reader reader;

	if (buffer == NULL || !grpc_byte_buffer_reader_init(&reader, buffer))
		return false;
	grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
	answer(GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice));
	grpc_slice_unref(slice);
	grpc_byte_buffer_reader_destroy(&reader);
	return true;
}

/* Send one message and take its answer. False: there is none, the status says why. */
static bool
exchange(struct client *client, grpc_call *call, const ProtobufCMessage *message, bool first, bool last,
         answer_fn *answer)
{
	grpc_metadata_array metadata;
	grpc_byte_buffer *out = pack(message), *in = NULL;
	grpc_op ops[5] = {0};
	size_t n = 0;

	grpc_metadata_array_init(&metadata);
	if (first) {
		ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
		ops[n].op = GRPC_OP_RECV_INITIAL_METADATA;
		ops[n++].data.recv_initial_metadata.recv_initial_metadata = &metadata;
	}
	ops[n].op = GRPC_OP_SEND_MESSAGE;
	ops[n++].data.send_message.send_message = out;
	if (last)
		ops[n++].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	ops[n].op = GRPC_OP_RECV_MESSAGE;
	ops[n++].data.recv_message.recv_message = &in;
	bool answered = run(client, call, ops, n) && take_answer(in, answer);
	grpc_byte_buffer_destroy(out);
	grpc_byte_buffer_destroy(in);
	grpc_metadata_array_destroy(&metadata);
	return answered;
}

static void
copy_details(const grpc_metadata_array *metadata, struct call_status *status)
{
	for (size_t i = 0; i < metadata->count; i++) {
		grpc_slice value = metadata->metadata[i].value;
		if (grpc_slice_str_cmp(metadata->metadata[i].key, "grpc-status-details-bin") != 0)
			continue;
		free(status->details);
		status->details = malloc(GRPC_SLICE_LENGTH(value) + 1);
		status->n_details = status->details != NULL ? GRPC_SLICE_LENGTH(value) : 0;
		memcpy(status->details, GRPC_SLICE_START_PTR(value), status->n_details);
	}
}

static void
take_status(struct client *client, grpc_call *call, struct call_status *status)
{
	grpc_metadata_array metadata;
	grpc_slice message = grpc_empty_slice();
	grpc_op op = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};

	grpc_metadata_array_init(&metadata);
	op.data.recv_status_on_client.trailing_metadata = &metadata;
	op.data.recv_status_on_client.status = &status->code;
	op.data.recv_status_on_client.status_details = &message;
	run(client, call, &op, 1);
	char *text = grpc_slice_to_c_string(message);
	status->message = strdup(text);
	gpr_free(text);
	copy_details(&metadata, status);
	grpc_slice_unref(message);
	grpc_metadata_array_destroy(&metadata);
}

void
client_call(struct client *client, const char *method, ProtobufCMessage *const *messages, size_t n, answer_fn *answer,
            struct call_status *status)
{
	gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
	                                     gpr_time_from_millis((int64_t)(client->seconds * 1000), GPR_TIMESPAN));
	grpc_slice path = grpc_slice_from_static_string(method);
	grpc_call *call = grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, client->queue, path,
	                                           NULL, deadline, NULL);

	*status = (struct call_status){0};
	for (size_t i = 0; i < n; i++) {
		if (!exchange(client, call, messages[i], i == 0, i + 1 == n, answer))
			break;
	}
	take_status(client, call, status);
	grpc_call_unref(call);
}

void
call_status_free(struct call_status *status)
{
	free(status->message);
	free(status->details);
}

/*
 * The plain floor: an ordinary empty gRPC server on the C core, as good as the usual way of writing one gets. A
 * registered method, its payload read with the headers, calls posted in advance, one batch for metadata, message, status
 * and close, and a constant reply. With --threads 2 both wait on the one queue.
 */
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METHOD "/pratique.v1.DecisionService/Decide"
/* As many as pratiqued posts. */
#define POSTED 64
#define THREADS_MAX 64
#define REPLY_MAX ((size_t)4 << 20)

struct call {
	grpc_call *call;
	gpr_timespec deadline;
	grpc_metadata_array metadata;
	grpc_byte_buffer *in, *out;
	int cancelled;
	bool answered;
};

static grpc_server *server;
static grpc_completion_queue *queue;
static void *method;
static grpc_slice reply;

static void
post(struct call *call)
{
	call->answered = false;
	call->in = NULL;
	call->metadata.count = 0;
	if (grpc_server_request_registered_call(server, method, &call->call, &call->deadline, &call->metadata, &call->in,
	                                        queue, queue, call) != GRPC_CALL_OK)
		abort();
}

static void
answer(struct call *call)
{
	grpc_op ops[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}};

	if (call->in != NULL)
		grpc_byte_buffer_destroy(call->in);
	call->out = grpc_raw_byte_buffer_create(&reply, 1);
	ops[1].op = GRPC_OP_SEND_MESSAGE;
	ops[1].data.send_message.send_message = call->out;
	ops[2].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	ops[2].data.send_status_from_server.status = GRPC_STATUS_OK;
	ops[3].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
	ops[3].data.recv_close_on_server.cancelled = &call->cancelled;
	call->answered = true;
	if (grpc_call_start_batch(call->call, ops, 4, call, NULL) != GRPC_CALL_OK)
		abort();
}

static void *
run(void *context)
{
	(void)context;
	for (;;) {
		grpc_event event = grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		if (event.type != GRPC_OP_COMPLETE)
			return NULL;
		struct call *call = event.tag;
		if (!call->answered) {
			if (event.success)
				answer(call);
			continue;
		}
		grpc_byte_buffer_destroy(call->out);
		grpc_call_unref(call->call);
		post(call);
	}
}

static bool
read_reply(const char *path)
{
	static char bytes[REPLY_MAX];
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		return false;
	size_t len = fread(bytes, 1, sizeof(bytes), file);
	bool whole = feof(file) && !ferror(file);
	fclose(file);
	reply = grpc_slice_from_copied_buffer(bytes, len);
	return whole;
}

static bool
start(const char *address)
{
	grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
	int port;

	server = grpc_server_create(NULL, NULL);
	method = grpc_server_register_method(server, METHOD, NULL, GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
	queue = grpc_completion_queue_create_for_next(NULL);
	grpc_server_register_completion_queue(server, queue, NULL);
	port = grpc_server_add_http2_port(server, address, credentials);
	grpc_server_credentials_release(credentials);
	if (port == 0)
		return false;
	grpc_server_start(server);
	if (strncmp(address, "unix:", 5) == 0)
		printf("%s\n", address);
	else
		printf("%.*s:%d\n", (int)(strrchr(address, ':') - address), address, port);
	return fflush(stdout) == 0;
}

int
main(int argc, char **argv)
{
	static struct call calls[POSTED];
	pthread_t threads[THREADS_MAX];
	unsigned n_threads = argc == 4 ? (unsigned)atoi(argv[3]) : 0;

	if (argc != 4 || n_threads == 0 || n_threads > THREADS_MAX || strchr(argv[1], ':') == NULL) {
		fprintf(stderr, "%s ADDRESS REPLY THREADS: answer each Decide with the bytes of the file REPLY, until killed; "
		                "prints the address once it listens\n", argv[0]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (!read_reply(argv[2])) {
		fprintf(stderr, "plain: %s cannot be read whole\n", argv[2]);
		return 1;
	}
	grpc_init();
	if (!start(argv[1])) {
		fprintf(stderr, "plain: %s cannot be listened on\n", argv[1]);
		return 1;
	}
	for (size_t i = 0; i < POSTED; i++) {
		grpc_metadata_array_init(&calls[i].metadata);
		post(&calls[i]);
	}
	for (unsigned i = 1; i < n_threads; i++)
		if (pthread_create(&threads[i], NULL, run, NULL) != 0)
			return 1;
	run(NULL);
	return 0;
}

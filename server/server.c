#include "server/server.h"

#include "proto/descriptor_set.h"
#include "server/log.h"

#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <stdlib.h>
#include <string.h>

static enum pq_status
no_memory(struct pq_err *err)
{
	return pq_fail(err, PQ_ENOMEM, "no memory for the server");
}

#define INTEGER(key, number)             \
	{                                    \
		GRPC_ARG_INTEGER, (char *)(key), \
		{                                \
			.integer = (int)(number)     \
		}                                \
	}

static void
create(struct pq_server *server)
{
	grpc_arg args[] = {
		INTEGER(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, server->options->max_message_bytes),
		INTEGER(GRPC_ARG_MAX_CONCURRENT_STREAMS, server->options->max_concurrent_streams),
		INTEGER(GRPC_ARG_MAX_METADATA_SIZE, PQ_SERVER_METADATA_BYTES),
		/* Two servers on one port would each get some of the calls. */
		INTEGER(GRPC_ARG_ALLOW_REUSEPORT, 0),
		/* The bound on messages counts compressed bytes; what they unpack to has none. */
		INTEGER(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
		INTEGER(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1u << GRPC_COMPRESS_NONE),
		INTEGER(GRPC_ARG_ENABLE_CHANNELZ, 0),
	};
	const grpc_channel_args channel_args = {sizeof(args) / sizeof(args[0]), args};

	server->grpc = grpc_server_create(&channel_args, NULL);
	for (size_t i = 0; i < PQ_RPC_COUNT; i++) {
		bool with_message = pq_rpcs[i].shape != PQ_RPC_DIALOG && pq_rpcs[i].shape != PQ_RPC_FRAMES;
		server->methods[i] = grpc_server_register_method(
			server->grpc, pq_rpcs[i].path, NULL,
			with_message ? GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER : GRPC_SRM_PAYLOAD_NONE, 0);
	}
}

static enum pq_status
listen_on(struct pq_server *server, struct pq_err *err)
{
	grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
	enum pq_status status = PQ_OK;

	for (size_t i = 0; i < server->options->n_listen && status == PQ_OK; i++) {
		struct pq_address *address = &server->addresses[server->n_addresses];
		*address = server->options->listen[i];
		if ((status = pq_address_clear(address, err)) != PQ_OK)
			break;
		int port = grpc_server_add_http2_port(server->grpc, address->target, credentials);
		if (port <= 0) {
			status = pq_fail_at(err, PQ_EIO, address->target, 0, 0, "cannot be listened on");
			break;
		}
		pq_address_bound(address, port);
		server->n_addresses++;
	}
	grpc_server_credentials_release(credentials);
	return status;
}

static enum pq_status
prepare(struct pq_server *server, struct pq_err *err)
{
	enum pq_status status = pq_descriptors_new(pq_descriptor_set, pq_descriptor_set_len, &server->descriptors, err);

	if (status != PQ_OK)
		return status;
	create(server);
	for (size_t i = 0; i < server->options->workers; i++) {
		if (!pq_worker_init(&server->workers[i], server))
			return no_memory(err);
		server->n_workers++;
		grpc_server_register_completion_queue(server->grpc, server->workers[i].queue, NULL);
	}
	return listen_on(server, err);
}

/* Wait until gRPC has let go of the server; true when it has within the time. */
static bool
wait_down(grpc_completion_queue *queue, gpr_timespec deadline)
{
	return grpc_completion_queue_next(queue, deadline, NULL).type == GRPC_OP_COMPLETE;
}

/*
 * Shut the gRPC server down: new calls are refused, those in flight have `grace`, then they are cancelled. The first `n`
 * workers have threads.
 */
static void
shut_down(struct pq_server *server, gpr_timespec grace, size_t n)
{
	grpc_completion_queue *queue = grpc_completion_queue_create_for_next(NULL);

	grpc_server_shutdown_and_notify(server->grpc, queue, server);
	for (size_t i = 0; i < n; i++)
		pq_worker_end(&server->workers[i]);
	if (!wait_down(queue, gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), grace))) {
		PQ_LOG(PQ_LOG_WARN, "cancelling", PQ_LOG_NUMBER("grace_seconds", server->options->grace_s));
		grpc_server_cancel_all_calls(server->grpc);
		wait_down(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC));
	}
	grpc_completion_queue_shutdown(queue);
	wait_down(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC));
	grpc_completion_queue_destroy(queue);
}

/* Empty the queue of a worker whose thread never ran. */
static void
discard(struct pq_worker *worker)
{
	grpc_completion_queue_shutdown(worker->queue);
	while (grpc_completion_queue_next(worker->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
	       GRPC_QUEUE_SHUTDOWN)
		;
}

static void
destroy(struct pq_server *server)
{
	if (server->grpc != NULL)
		grpc_server_destroy(server->grpc);
	for (size_t i = 0; i < server->n_workers; i++)
		pq_worker_release(&server->workers[i]);
	pq_server_unlink(server);
	pq_descriptors_free(server->descriptors);
	pq_revision_publisher_release(&server->revisions);
	free(server);
	grpc_shutdown_blocking();
}

/* Undo a start of which `n` workers have threads. */
static void
abandon(struct pq_server *server, size_t n)
{
	atomic_store_explicit(&server->ending, true, memory_order_release);
	if (server->grpc != NULL)
		shut_down(server, gpr_time_0(GPR_TIMESPAN), n);
	for (size_t i = 0; i < server->n_workers; i++) {
		if (i < n)
			pq_worker_join(&server->workers[i]);
		else
			discard(&server->workers[i]);
	}
	destroy(server);
}

enum pq_status
pq_server_start(const struct pq_options *options, struct pq_revision *revision, struct pq_server **ret_server,
                struct pq_err *err)
{
	struct pq_server *server = calloc(1, sizeof(*server));

	if (server == NULL) {
		pq_revision_release(revision);
		return no_memory(err);
	}
	grpc_init();
	server->options = options;
	pq_revision_publisher_init(&server->revisions);
	pq_revision_publish(&server->revisions, revision);
	enum pq_status status = prepare(server, err);
	if (status != PQ_OK) {
		abandon(server, 0);
		return status;
	}
	/* The first request may come before this function returns. */
	pq_server_set_serving(server, true);
	grpc_server_start(server->grpc);
	for (size_t i = 0; i < server->n_workers; i++) {
		if (!pq_worker_start(&server->workers[i])) {
			abandon(server, i);
			return pq_fail(err, PQ_ENOMEM, "no thread for worker %zu", i);
		}
	}
	*ret_server = server;
	return PQ_OK;
}

static void
log_counts(const struct pq_server *server)
{
	for (size_t i = 0; i < PQ_RPC_COUNT; i++) {
		struct pq_rpc_counts sum = {0};
		for (size_t j = 0; j < server->n_workers; j++) {
			sum.calls += server->workers[j].counts[i].calls;
			sum.refused += server->workers[j].counts[i].refused;
		}
		if (sum.calls > 0)
			PQ_LOG(PQ_LOG_INFO, "calls", PQ_LOG_TEXT("method", pq_rpcs[i].metric), PQ_LOG_NUMBER("calls", sum.calls),
			       PQ_LOG_NUMBER("refused", sum.refused));
	}
}

void
pq_server_set_serving(struct pq_server *server, bool serving)
{
	atomic_store_explicit(&server->serving, serving, memory_order_relaxed);
	atomic_fetch_add_explicit(&server->state, 1, memory_order_release);
}

int64_t
pq_server_end(struct pq_server *server)
{
	gpr_timespec began = gpr_now(GPR_CLOCK_MONOTONIC);

	pq_server_set_serving(server, false);
	gpr_sleep_until(gpr_time_add(began, gpr_time_from_seconds(server->options->drain_delay_s, GPR_TIMESPAN)));
	atomic_store_explicit(&server->ending, true, memory_order_release);
	shut_down(server, gpr_time_from_seconds(server->options->grace_s, GPR_TIMESPAN), server->n_workers);
	for (size_t i = 0; i < server->n_workers; i++)
		pq_worker_join(&server->workers[i]);
	log_counts(server);
	destroy(server);
	gpr_timespec took = gpr_time_sub(gpr_now(GPR_CLOCK_MONOTONIC), began);
	return took.tv_sec * 1000 + took.tv_nsec / 1000000;
}

void
pq_server_unlink(const struct pq_server *server)
{
	for (size_t i = 0; i < server->n_addresses; i++)
		pq_address_unlink(&server->addresses[i]);
}

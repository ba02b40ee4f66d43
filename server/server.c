#include "server/server.h"

#include "proto/descriptor_set.h"
#include "server/listen.h"
#include "server/log.h"
#include "server/metrics_http.h"

#include <assert.h>
#include <grpc/support/time.h>
#include <stdlib.h>
#include <time.h>

static enum pq_status
no_memory(struct pq_err *err)
{
	return pq_fail(err, PQ_ENOMEM, "no memory for the server");
}

static enum pq_status
add_worker(struct pq_server *server, unsigned places, struct pq_err *err)
{
	if (!pq_worker_init(&server->workers[server->n_workers], server, places))
		return no_memory(err);
	server->n_workers++;
	return PQ_OK;
}

static enum pq_status
add_workers(struct pq_server *server, struct pq_err *err)
{
	const struct pq_options *options = server->options;
	unsigned places = 1u << PQ_RPC_ON_MAIN | (options->admin_on_main ? 1u << PQ_RPC_ON_ADMIN : 0u);
	enum pq_status status = PQ_OK;

	for (size_t i = 0; i < options->shards && status == PQ_OK; i++)
		status = add_worker(server, places, err);
	server->n_shards = server->n_workers;
	if (status == PQ_OK && options->n_admin_listen > 0)
		status = add_worker(server, 1u << PQ_RPC_ON_ADMIN, err);
	return status;
}

static enum pq_status
open_files(struct pq_server *server, struct pq_err *err)
{
	const struct pq_options *options = server->options;
	enum pq_status status = pq_access_publisher_init(&server->access, options->roles, options->tokens, err);

	if (status == PQ_OK && options->tls_cert != NULL)
		status = pq_tls_open(options->tls_cert, options->tls_key, options->tls_client_ca, &server->tls, err);
	server->guarded = options->roles != NULL || options->tokens != NULL || options->tls_client_ca != NULL;
	return status;
}

static enum pq_status
prepare(struct pq_server *server, struct pq_err *err)
{
	/* A method without a role in the table would be open to everybody by mistake. */
	for (size_t i = 0; i < PQ_RPC_COUNT; i++)
		assert(pq_rpcs[i].roles != PQ_ROLES_NONE);
	enum pq_status status = open_files(server, err);
	if (status == PQ_OK)
		status = pq_descriptors_new(pq_descriptor_set, pq_descriptor_set_len, &server->descriptors, err);
	if (status == PQ_OK)
		status = add_workers(server, err);
	if (status == PQ_OK)
		status = pq_listen(server, err);
	if (status == PQ_OK)
		status = pq_metrics_http_start(server, err);
	return status;
}

/* Wait until gRPC has let go of `n` of the servers; how many it has within the time. */
static size_t
wait_down(grpc_completion_queue *queue, size_t n, gpr_timespec deadline)
{
	size_t down = 0;

	while (down < n && grpc_completion_queue_next(queue, deadline, NULL).type == GRPC_OP_COMPLETE)
		down++;
	return down;
}

/*
 * Shut the gRPC servers of all workers down: new calls are refused, those in flight have `grace`, then they are cancelled.
 * The first `n` workers have threads, and servers that were started.
 */
static void
shut_down(struct pq_server *server, gpr_timespec grace, size_t n)
{
	grpc_completion_queue *queue = grpc_completion_queue_create_for_next(NULL);
	gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), grace);

	for (size_t i = 0; i < server->n_workers; i++)
		grpc_server_shutdown_and_notify(server->workers[i].grpc, queue, server);
	for (size_t i = 0; i < n; i++)
		pq_worker_end(&server->workers[i]);
	size_t down = wait_down(queue, server->n_workers, deadline);
	if (down < server->n_workers) {
		PQ_LOG(PQ_LOG_WARN, "cancelling", PQ_LOG_NUMBER("grace_seconds", server->options->grace_s));
		for (size_t i = 0; i < server->n_workers; i++)
			grpc_server_cancel_all_calls(server->workers[i].grpc);
		wait_down(queue, server->n_workers - down, gpr_inf_future(GPR_CLOCK_MONOTONIC));
	}
	grpc_completion_queue_shutdown(queue);
	grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
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
	pq_metrics_http_stop(server);
	for (size_t i = 0; i < server->n_workers; i++)
		pq_worker_release(&server->workers[i]);
	pq_server_unlink(server);
	pq_descriptors_free(server->descriptors);
	pq_revision_publisher_release(&server->revisions);
	pq_access_publisher_release(&server->access);
	grpc_shutdown_blocking();
	pq_tls_free(server->tls);
	free(server);
}

/* Undo a start of which `n` workers have threads. */
static void
abandon(struct pq_server *server, size_t n)
{
	atomic_store_explicit(&server->ending, true, memory_order_release);
	pq_acceptor_end(&server->acceptor);
	if (server->keeper != NULL)
		pq_keeper_end(server->keeper);
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
pq_server_start(const struct pq_options *options, struct pq_revision *revision, struct pq_keeper *keeper,
                struct pq_server **ret_server, struct pq_err *err)
{
	struct pq_server *server = calloc(1, sizeof(*server));

	if (server == NULL) {
		pq_revision_release(revision);
		return no_memory(err);
	}
	grpc_init();
	server->options = options;
	server->started_s = (int64_t)time(NULL);
	pq_metrics_init(&server->metrics);
	server->keeper = keeper;
	pq_knowledge_init(&server->knowledge);
	pq_revision_publisher_init(&server->revisions);
	atomic_init(&server->sequence, revision != NULL ? pq_revision_sequence(revision) : 0);
	pq_revision_publish(&server->revisions, revision);
	enum pq_status status = prepare(server, err);
	if (status != PQ_OK) {
		abandon(server, 0);
		return status;
	}
	if (keeper != NULL && !pq_keeper_start(keeper, server)) {
		abandon(server, 0);
		return pq_fail(err, PQ_ENOMEM, "no thread for the keeper of revisions");
	}
	/* The first request may come before this function returns. */
	pq_server_set_serving(server, true);
	for (size_t i = 0; i < server->n_workers; i++) {
		if (!pq_worker_start(&server->workers[i])) {
			abandon(server, i);
			return pq_fail(err, PQ_ENOMEM, "no thread for worker %zu", i);
		}
	}
	if (!pq_acceptor_start(&server->acceptor, server)) {
		abandon(server, server->n_workers);
		return pq_fail(err, PQ_ENOMEM, "no thread that accepts");
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
pq_server_beat(struct pq_server *server)
{
	atomic_fetch_add_explicit(&server->state, 1, memory_order_release);
}

void
pq_server_publish(struct pq_server *server, struct pq_revision *revision)
{
	uint64_t sequence = pq_revision_sequence(revision);

	pq_revision_publish(&server->revisions, revision);
	atomic_store_explicit(&server->sequence, sequence, memory_order_release);
	pq_server_beat(server);
}

uint64_t
pq_server_sequence(const struct pq_server *server)
{
	return atomic_load_explicit(&server->sequence, memory_order_acquire);
}

bool
pq_server_is_ready(struct pq_server *server)
{
	unsigned max_s = server->options->max_staleness_s;

	return atomic_load_explicit(&server->serving, memory_order_acquire) &&
	       atomic_load_explicit(&server->revisions.generation, memory_order_acquire) > 0 &&
	       (max_s == 0 || pq_knowledge_age_s(&server->knowledge) <= max_s);
}

void
pq_server_set_serving(struct pq_server *server, bool serving)
{
	atomic_store_explicit(&server->serving, serving, memory_order_relaxed);
	atomic_fetch_add_explicit(&server->state, 1, memory_order_release);
}

void
pq_server_refresh(struct pq_server *server)
{
	pq_access_refresh(&server->access);
	if (server->tls != NULL)
		pq_tls_refresh(server->tls);
}

int64_t
pq_server_end(struct pq_server *server)
{
	gpr_timespec began = gpr_now(GPR_CLOCK_MONOTONIC);

	pq_server_set_serving(server, false);
	gpr_sleep_until(gpr_time_add(began, gpr_time_from_seconds(server->options->drain_delay_s, GPR_TIMESPAN)));
	atomic_store_explicit(&server->ending, true, memory_order_release);
	pq_acceptor_end(&server->acceptor);
	/* While the workers still run: they end the calls whose jobs come back. */
	if (server->keeper != NULL)
		pq_keeper_end(server->keeper);
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
	pq_address_unlink(&server->metrics_address);
}

/**
 * The server: its listening addresses, its workers, its end.
 *
 * Threads: pq_server_start() and pq_server_end() are for one thread, which is none of the workers.
 */
#ifndef PQ_SERVER_SERVER_H
#define PQ_SERVER_SERVER_H

#include "server/address.h"
#include "server/descriptors.h"
#include "server/options.h"
#include "server/worker.h"

struct pq_server {
	const struct pq_options *options;
	grpc_server *grpc;
	void *methods[PQ_RPC_COUNT];           /* as gRPC knows them */
	struct pq_worker workers[PQ_SERVER_WORKERS_MAX];
	size_t n_workers;
	struct pq_address addresses[PQ_SERVER_LISTEN_MAX];
	size_t n_addresses;                    /* that are listened on */
	struct pq_revision_publisher revisions;
	struct pq_descriptors *descriptors;
	_Atomic(bool) serving;                 /* what health says */
	_Atomic(bool) ending;                  /* post no more calls */
};

/**
 * Start to serve `revision`.
 *
 * Ownership: takes over `revision`, also on failure. `options` must outlive the server. *ret_server ends with
 *            pq_server_end().
 * Fails:     PQ_EIO (an address cannot be listened on; err names it), PQ_EINVAL (it is not allowed), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_server_start(const struct pq_options *options, struct pq_revision *revision,
                                           struct pq_server **ret_server, struct pq_err *err);

/**
 * End: health turns to NOT_SERVING, connections are told to go away, calls in flight are answered; those that are not
 * after the grace period are cancelled. Returns how many milliseconds it took.
 */
int64_t pq_server_end(struct pq_server *server);

/** Unlink the Unix sockets. Async-signal-safe: for a handler that ends the process at once. */
void pq_server_unlink(const struct pq_server *server);

#endif

/**
 * The server: its listening addresses, its workers, its end.
 *
 * Threads: pq_server_start() and pq_server_end() are for one thread, which is none of the workers.
 */
#ifndef PQ_SERVER_SERVER_H
#define PQ_SERVER_SERVER_H

#include "server/accept.h"
#include "server/address.h"
#include "server/descriptors.h"
#include "server/keeper.h"
#include "server/knowledge.h"
#include "server/options.h"
#include "server/tls.h"
#include "server/worker.h"

struct pq_server {
	const struct pq_options *options;
	struct pq_worker workers[PQ_SERVER_WORKERS_MAX + 1];
	size_t n_workers;
	size_t n_shards; /* the first of them; behind them the admin worker, if there is --admin-listen */
	struct pq_address addresses[2 * PQ_SERVER_LISTEN_MAX]; /* those of --admin-listen last */
	size_t n_addresses;                                    /* that are listened on */
	struct pq_acceptor acceptor;
	struct pq_revision_publisher revisions;
	struct pq_tls *tls; /* NULL: all connections are plain */
	struct pq_access_publisher access;
	struct pq_metrics metrics;
	struct MHD_Daemon *http; /* of --metrics-listen; NULL = none */
	struct pq_address metrics_address;
	int64_t started_s; /* since 1970-01-01 */
	bool guarded;      /* callers have to show who they are; server/admit.h */
	struct pq_knowledge knowledge;
	_Atomic(uint64_t) sequence; /* of the revision that is published; 0 = none, or of no catalog */
	struct pq_keeper *keeper; /* NULL: a store is served that does not change */
	struct pq_descriptors *descriptors;
	_Atomic(bool) serving;   /* what health says */
	_Atomic(uint64_t) state; /* grows with each change of it, so that workers tell their watches */
	_Atomic(bool) ending;    /* post no more calls */
};

/**
 * Start to serve `revision` (NULL: none yet), and what `keeper` (NULL: none) will bring.
 *
 * Ownership: takes over `revision`, also on failure. `options` and `keeper` must outlive the server. *ret_server ends with
 *            pq_server_end().
 * Fails:     PQ_EIO (an address cannot be listened on; err names it), PQ_EINVAL (a file of certificates, roles or tokens
 *            cannot be used; err names it), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_server_start(const struct pq_options *options, struct pq_revision *revision,
                                           struct pq_keeper *keeper, struct pq_server **ret_server,
                                           struct pq_err *err);

/** Answer by another revision from now on; takes over the caller's reference. Any thread. */
void pq_server_publish(struct pq_server *server, struct pq_revision *revision);

/** The sequence of the revision that was published last; 0: none, or of no catalog. Any thread. */
uint64_t pq_server_sequence(const struct pq_server *server);

/** Have the watches answer again where there is something new: the time of day counts for those on revisions. Any thread. */
void pq_server_beat(struct pq_server *server);

/** May calls be sent here? What health says. */
bool pq_server_is_ready(struct pq_server *server);

/** Look for changed files of certificates, roles and tokens, and take them; what is wrong with them is logged. One thread. */
void pq_server_refresh(struct pq_server *server);

/** Change what health says; watches hear of it within a quarter of a second. Any thread. */
void pq_server_set_serving(struct pq_server *server, bool serving);

/**
 * End: health turns to NOT_SERVING; for options->drain_delay_s calls are still taken, so that clients and balancers have
 * time to turn away; then connections are told to go away and calls in flight are answered. Those that are not after the
 * grace period are cancelled. Returns how many milliseconds it took.
 *
 * gRPC cancels a call that arrives on an open connection just when it is shut down. Decisions can be asked again, but
 * where that matters, a drain delay keeps it from happening.
 */
int64_t pq_server_end(struct pq_server *server);

/** Unlink the Unix sockets. Async-signal-safe: for a handler that ends the process at once. */
void pq_server_unlink(const struct pq_server *server);

#endif

/**
 * Takes plain connections: a thread that accepts on all addresses and gives each connection to a shard, in turn; those of
 * --admin-listen to the admin worker. Encrypted ones are gRPC's own to accept (server/listen.c).
 *
 * gRPC's own listeners would give the connections of a server to all of its queues. Here each shard has a server of its
 * own, so that nothing of a connection is shared between threads, and all shards share the addresses.
 *
 * Threads: pq_acceptor_start() and pq_acceptor_end() are for one thread, which is not the acceptor's own.
 */
#ifndef PQ_SERVER_ACCEPT_H
#define PQ_SERVER_ACCEPT_H

#include "server/handshake.h"
#include "server/limits.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct pq_server;

struct pq_acceptor {
	struct pq_server *server;
	pthread_t thread;
	bool running;
	int fds[2 * PQ_SERVER_LISTEN_MAX];    /* that are listened on */
	bool admin[2 * PQ_SERVER_LISTEN_MAX]; /* which are for administration */
	size_t n_fds;
	int wake;    /* an eventfd that ends the thread; 0 = there is none */
	size_t next; /* shard that the next connection goes to */
	struct pq_handshakes *handshakes; /* connections that no shard has got yet */
};

/** Start to accept on acceptor->fds for the shards of `server`. False: no thread, or no descriptor. */
bool pq_acceptor_start(struct pq_acceptor *acceptor, struct pq_server *server);

/** Accept no more and close what is listened on. Also without a start. */
void pq_acceptor_end(struct pq_acceptor *acceptor);

#endif

/**
 * Listening on all addresses of the server: --listen for its shards, --admin-listen for the admin worker.
 *
 * Plain connections, which are those of Unix sockets and, without --tls-cert, of TCP, are accepted by server/accept.c.
 * Encrypted ones are accepted by gRPC: each shard listens on the port by itself (SO_REUSEPORT), and the system gives each
 * connection to one of them, by its addresses and ports.
 */
#ifndef PQ_SERVER_LISTEN_H
#define PQ_SERVER_LISTEN_H

#include "policy/status.h"

struct pq_server;

/**
 * Listen. To be called after the workers are prepared and before they are started.
 * Out:   server->addresses, with their real ports. On failure those that are listened on already are there, too.
 * Fails: PQ_EIO (err names the address), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_listen(struct pq_server *server, struct pq_err *err);

#endif

/**
 * How the command line reaches a server: plain, or by TLS, with a certificate or a token of its own.
 *
 * The flags --tls-ca, --tls-cert, --tls-key and --token-file go with every --server; cli/flags.h reads them.
 */
#ifndef PQ_CLI_CHANNEL_H
#define PQ_CLI_CHANNEL_H

#include "policy/status.h"

#include <grpc/grpc.h>
#include <stddef.h>

/** Paths; NULL = not given. */
struct pq_channel_access {
	const char *tls_ca;             /* authorities that vouch for the server; without it the connection is plain */
	const char *tls_cert, *tls_key; /* this side's certificate; both or none, and only with tls_ca */
	const char *token_file;         /* its first line is sent as a bearer token */
};

/** Room for "Bearer " and a token. */
#define PQ_CHANNEL_AUTHORIZATION 4096

struct pq_channel {
	grpc_channel *channel;
	char authorization[PQ_CHANNEL_AUTHORIZATION]; /* "" = none */
};

/**
 * Do the flags go together, and with the address? `address` NULL: no server is asked, and none of them may be given.
 * Fails: PQ_EINVAL (err names the flag).
 */
PQ_MUST_USE enum pq_status pq_channel_check(const char *address, const struct pq_channel_access *access,
                                            struct pq_err *err);

/**
 * Prepare a connection; nothing is sent yet. grpc_init() must have been called.
 *
 * `access` may be NULL. A token goes over a plain connection only to this machine.
 * Ownership: pq_channel_close() ends it. Fails: PQ_EINVAL (err names the flag or the file), PQ_ENOTFOUND, PQ_EIO.
 */
PQ_MUST_USE enum pq_status pq_channel_open(struct pq_channel *channel, const char *address,
                                           const struct pq_channel_access *access, struct pq_err *err);
void pq_channel_close(struct pq_channel *channel);

/**
 * The metadata that a call over the channel begins with, into `ret`, which has room for one. How many there are.
 * Ownership: they point into the channel.
 */
size_t pq_channel_metadata(const struct pq_channel *channel, grpc_metadata *ret);

#endif

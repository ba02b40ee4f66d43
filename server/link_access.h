/**
 * What a link to another server is opened with: authorities, a certificate of its own, a token, from files.
 *
 * Threads: one at a time.
 */
#ifndef PQ_SERVER_LINK_ACCESS_H
#define PQ_SERVER_LINK_ACCESS_H

#include "policy/status.h"
#include "server/secret_file.h"

#include <grpc/grpc_security.h>
#include <stdbool.h>

enum { PQ_LINK_CA, PQ_LINK_CERT, PQ_LINK_KEY, PQ_LINK_TOKEN, PQ_LINK_FILES };

/** Room for "Bearer " and a token. */
#define PQ_LINK_AUTHORIZATION 4096

/** Paths of files, in PEM but for the token; all NULL = a plain connection. The key goes with the certificate. */
struct pq_link_access {
	const char *paths[PQ_LINK_FILES]; /* CA: authorities that vouch for the server; without, the connection is plain */
};

/** What they held when they were read. */
struct pq_link_secrets {
	struct pq_file_stamp stamps[PQ_LINK_FILES];
	char authorization[PQ_LINK_AUTHORIZATION]; /* "" = none */
};

/**
 * Read the files and check what they hold.
 *
 * Ownership: *ret_credentials is the caller's, grpc_channel_credentials_release(). grpc_init() must have been called.
 * Fails:     PQ_EINVAL (err names the file and what is wrong with it: its mode, its time), PQ_ENOTFOUND, PQ_EIO, PQ_ENOMEM.
 *            The stamps are set then, too.
 */
PQ_MUST_USE enum pq_status pq_link_access_read(const struct pq_link_access *access, struct pq_link_secrets *ret_secrets,
                                               grpc_channel_credentials **ret_credentials, struct pq_err *err);

/** Are the files other ones than those that were read? */
bool pq_link_access_changed(const struct pq_link_access *access, const struct pq_link_secrets *secrets);

/** Take the files as they are now for known, whatever they hold. */
void pq_link_access_see(const struct pq_link_access *access, struct pq_link_secrets *secrets);

#endif

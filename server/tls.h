/**
 * The server's certificate and the authorities of its clients, from PEM files that are read again when they change.
 *
 * The files are looked at with each handshake. What was changed is checked as at the start: where a file cannot be read,
 * key and certificate do not belong together or the certificate is out of date, the log says so and what was served
 * before stays. Connections that stand are not touched.
 *
 * Threads: any, after pq_tls_open().
 */
#ifndef PQ_SERVER_TLS_H
#define PQ_SERVER_TLS_H

#include "policy/status.h"

#include <grpc/grpc_security.h>
#include <stdbool.h>
#include <stdint.h>

struct pq_tls;

/**
 * Read the files. `client_ca` may be NULL: clients then need no certificate. The paths must outlive *ret_tls.
 * Fails: PQ_EINVAL (err names the file and what is wrong with it), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_tls_open(const char *cert, const char *key, const char *client_ca,
                                       struct pq_tls **ret_tls, struct pq_err *err);

/** After the servers are gone for which it made credentials. NULL is allowed. */
void pq_tls_free(struct pq_tls *tls);

/** Must clients have a certificate? */
bool pq_tls_mutual(const struct pq_tls *tls);

/**
 * Credentials for one port of one server; each port needs its own, for gRPC asks by credentials what is new.
 * Ownership: the caller's, grpc_server_credentials_release(). NULL: no memory.
 */
grpc_server_credentials *pq_tls_credentials(struct pq_tls *tls);

/** Look at the files now, and not only at the next handshake. */
void pq_tls_refresh(struct pq_tls *tls);

/** When the certificate that is served ends, in seconds since 1970-01-01. */
int64_t pq_tls_not_after(struct pq_tls *tls);

#endif

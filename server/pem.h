/**
 * Checks of certificates and keys in PEM, so that what is wrong with a file is said at the start, and not by a failed
 * handshake hours later. OpenSSL is known to pem.c and access.c alone in this folder.
 *
 * Threads: any.
 */
#ifndef PQ_SERVER_PEM_H
#define PQ_SERVER_PEM_H

#include "policy/status.h"

#include <stdint.h>

/**
 * Is `cert` a certificate (its issuers may follow) that is valid now, and `key` its key, without a passphrase?
 *
 * The paths are for err. Units: *ret_not_after, when the certificate ends, in seconds since 1970-01-01.
 * Fails: PQ_EINVAL; err names the file.
 */
PQ_MUST_USE enum pq_status pq_pem_check_pair(const char *cert_path, const char *cert, const char *key_path,
                                             const char *key, int64_t *ret_not_after, struct pq_err *err);

/** Are these certificates, of which one at least is valid now? Fails: PQ_EINVAL; err names the file. */
PQ_MUST_USE enum pq_status pq_pem_check_authorities(const char *path, const char *text, struct pq_err *err);

#endif

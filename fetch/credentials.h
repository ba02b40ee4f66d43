/**
 * Names and passwords for the places where revisions lie. They are never part of a message.
 *
 * A file of credentials is JSON, and Docker's own config.json is one:
 *
 *   {"auths": {"HOST[:PORT]": {"auth": "base64 of name:password"}},
 *    "s3": {"access_key_id": "...", "secret_access_key": "...", "session_token": "...", "region": "..."}}
 *
 * Other keys are passed over. Docker's helpers (credHelpers, credsStore) are programs, and are not run.
 *
 * Threads: credentials do not change once they are loaded.
 */
#ifndef PQ_FETCH_CREDENTIALS_H
#define PQ_FETCH_CREDENTIALS_H

#include "policy/status.h"

#include <stddef.h>

struct pq_credentials;

/** A key for S3; NULL for what is not known. */
struct pq_s3_key {
	const char *id;
	const char *secret;
	const char *token;
	const char *region;
};

/**
 * Load credentials: from `path`, or, where it is NULL, from $PRATIQUE_CREDENTIALS, else $DOCKER_CONFIG/config.json, else
 * $HOME/.docker/config.json, if there is one. For S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and
 * AWS_REGION (or AWS_DEFAULT_REGION) go before the file.
 *
 * Ownership: *ret_credentials is the caller's, to be freed by pq_credentials_free(), which wipes it.
 * Threads:   reads the environment; not while another thread changes it.
 * Fails:     PQ_ENOTFOUND (a file that was named), PQ_EPARSE, PQ_ELIMIT, PQ_EINVAL (half a key in the environment),
 *            PQ_EIO, PQ_ENOMEM. err names the file or the variable.
 */
PQ_MUST_USE enum pq_status pq_credentials_load(const char *path, struct pq_credentials **ret_credentials,
                                               struct pq_err *err);

/** Load credentials from the text of a file and nothing else; `where` names it. Fails: as above. */
PQ_MUST_USE enum pq_status pq_credentials_parse(const char *text, size_t len, const char *where,
                                                struct pq_credentials **ret_credentials, struct pq_err *err);

/** Accepts NULL. */
void pq_credentials_free(struct pq_credentials *credentials);

/**
 * "name:password" for a host (with its port, where its URL has one), or NULL. Lives as long as the credentials, which
 * may be NULL.
 */
const char *pq_credentials_for(const struct pq_credentials *credentials, const char *host);

/** The key for S3; its members live as long as the credentials, which may be NULL. */
struct pq_s3_key pq_credentials_s3(const struct pq_credentials *credentials);

#endif

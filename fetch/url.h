/**
 * Where revisions lie: file:///DIR, https://HOST/PATH, s3://BUCKET/PREFIX, oci://HOST/REPOSITORY:TAG.
 *
 * http:// and oci+http:// are for this machine alone, unless it is asked for others: what is fetched is signed, but the
 * password that goes with it would be read by anyone on the way.
 */
#ifndef PQ_FETCH_URL_H
#define PQ_FETCH_URL_H

#include "fetch/limits.h"
#include "policy/status.h"

#include <stdbool.h>

enum pq_url_kind { PQ_URL_FILE, PQ_URL_HTTP, PQ_URL_S3, PQ_URL_OCI };

struct pq_url {
	enum pq_url_kind kind;
	bool tls;                        /* HTTP, OCI */
	char text[PQ_URL_BYTES_MAX + 1]; /* as given, for messages; no slash at its end */
	char host[256];                  /* HTTP, OCI: with the port; S3: the bucket */
	char path[PQ_URL_BYTES_MAX + 1]; /* FILE: the folder; HTTP: "" or "/a/b"; S3: "" or "a/b"; OCI: the repository */
	char tag[129];                   /* OCI: "latest" where none is said */
};

/**
 * Read a URL. `allow_http` lets http:// reach other machines. Fails: PQ_EINVAL; err names the URL, but not what of it
 * could be a password.
 */
PQ_MUST_USE enum pq_status pq_url_parse(const char *text, bool allow_http, struct pq_url *ret_url, struct pq_err *err);

/** Is the host, with or without a port, this machine: localhost, 127.x.y.z, [::1]? */
bool pq_url_is_loopback(const char *host);

#endif

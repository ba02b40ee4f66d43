/**
 * One HTTP request at a time, through libcurl. Internal to fetch/; the only file that knows libcurl.
 *
 * Passwords go to the host that a request names and to no other: where it redirects to another host they stay behind.
 * A redirection never leads from https to http.
 *
 * Threads: a client belongs to one thread at a time.
 */
#ifndef PQ_FETCH_HTTP_H
#define PQ_FETCH_HTTP_H

#include "fetch/credentials.h"
#include "fetch/fetcher.h"
#include "fetch/limits.h"
#include "policy/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PQ_HTTP_HEADERS_MAX 8

struct pq_http;

/** Bytes of a body as they come; `at` is their place in the whole, which is not 0 where a range was asked for. */
typedef enum pq_status pq_http_take_fn(void *ctx, uint64_t at, const void *data, size_t len, struct pq_err *err);

struct pq_http_request {
	const char *method; /* GET, HEAD, PUT, POST */
	const char *url;
	const char *headers[PQ_HTTP_HEADERS_MAX]; /* "Name: value", up to the first NULL */
	const char *login;                        /* name:password, sent at once; NULL: none */
	const char *bearer;                       /* a token; NULL: none */
	const struct pq_s3_key *s3;               /* sign with it; NULL: do not */
	const char *s3_hash;                      /* SHA-256 of the body in hex, where it is signed; NULL: no body */
	bool redirect;                            /* follow redirections */

	uint64_t from;         /* of the body of a GET, ask for what starts here */
	pq_http_take_fn *take; /* gets the body of a 200 or 206; NULL: it is kept in the answer */
	void *ctx;

	const void *data; /* what is sent: bytes in memory, or, where it is NULL and fd >= 0, of a file */
	int fd;
	uint64_t len;
	const char *path; /* of the file, for messages */
};

struct pq_http_answer {
	long code;
	char etag[PQ_HEADER_BYTES_MAX];
	char location[PQ_HEADER_BYTES_MAX];
	char challenge[PQ_HEADER_BYTES_MAX]; /* WWW-Authenticate */
	char *body;                          /* terminated; lives until the next request of the client */
	size_t body_len;
};

/** Ownership: `options` must live as long as the client. Fails: PQ_ENOMEM, PQ_EFAILED (libcurl cannot start). */
PQ_MUST_USE enum pq_status pq_http_new(const struct pq_fetch_options *options, struct pq_http **ret_http,
                                       struct pq_err *err);

/** Accepts NULL. */
void pq_http_free(struct pq_http *http);

/** Where transfers are told and may be cancelled; NULL: nowhere. Must live until it is set anew. */
void pq_http_watch(struct pq_http *http, const struct pq_fetch_watch *watch);

/**
 * Do a request. An answer of any code is PQ_OK.
 *
 * Fails: PQ_EIO (unreachable, broken off, too slow), PQ_ELIMIT (the kept body is over PQ_ANSWER_BYTES_MAX), PQ_EFAILED
 *        (cancelled; a certificate that is not trusted), PQ_ENOMEM, and as `take` does. err names the URL.
 */
PQ_MUST_USE enum pq_status pq_http_do(struct pq_http *http, const struct pq_http_request *request,
                                      struct pq_http_answer *ret_answer, struct pq_err *err);

/** The error for an answer that was not hoped for: what was to be done, the code, and what the server said. */
enum pq_status pq_http_refused(const struct pq_http_answer *answer, const char *url, const char *what,
                               struct pq_err *err);

#endif

#include "fetch/http.h"

#include "fetch/files.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Seconds that an answer which is kept may take in all. */
#define ANSWER_S 120L
#define CONNECT_S 10L
#define LOW_SPEED_S 30L
#define LOW_SPEED_BYTES 1024L

struct pq_http {
	const struct pq_fetch_options *options;
	const struct pq_fetch_watch *watch;
	CURL *curl;
	char fault[CURL_ERROR_SIZE];
	char *body;
	size_t body_max;

	/* of the request that runs */
	const struct pq_http_request *request;
	struct pq_http_answer *answer;
	uint64_t at;           /* the place of the next byte of the body */
	uint64_t put;          /* bytes sent */
	enum pq_status status; /* of a callback that failed */
	struct pq_err *err;
	bool cancelled;
};

static pthread_once_t started = PTHREAD_ONCE_INIT;
static CURLcode start_code;

static void
start(void)
{
	start_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum pq_status
pq_http_new(const struct pq_fetch_options *options, struct pq_http **ret_http, struct pq_err *err)
{
	pthread_once(&started, start);
	if (start_code != CURLE_OK)
		return pq_fail(err, PQ_EFAILED, "libcurl cannot start: %s", curl_easy_strerror(start_code));
	struct pq_http *http = calloc(1, sizeof(*http));
	CURL *curl = curl_easy_init();

	if (http == NULL || curl == NULL) {
		free(http);
		curl_easy_cleanup(curl);
		return pq_fail(err, PQ_ENOMEM, "no memory for an HTTP client");
	}
	http->options = options;
	http->curl = curl;
	*ret_http = http;
	return PQ_OK;
}

void
pq_http_free(struct pq_http *http)
{
	if (http == NULL)
		return;
	curl_easy_cleanup(http->curl);
	free(http->body);
	free(http);
}

void
pq_http_watch(struct pq_http *http, const struct pq_fetch_watch *watch)
{
	http->watch = watch;
}

/* The value of a header line if it has this name, without blanks around it; kept whole or not at all. */
static void
take_header(const char *line, size_t len, const char *name, char ret_value[PQ_HEADER_BYTES_MAX])
{
	size_t name_len = strlen(name);

	if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
		return;
	line += name_len + 1;
	len -= name_len + 1;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len > 0 && (unsigned char)line[len - 1] <= ' ')
		len--;
	if (len >= PQ_HEADER_BYTES_MAX || memchr(line, '\0', len) != NULL)
		return;
	memcpy(ret_value, line, len);
	ret_value[len] = '\0';
}

static size_t
on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct pq_http *http = ctx;
	struct pq_http_answer *answer = http->answer;
	char range[PQ_HEADER_BYTES_MAX] = "";
	size_t len = size * count;

	/* Another answer begins: what came before was a redirection. */
	if (len >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		answer->etag[0] = answer->location[0] = answer->challenge[0] = '\0';
		http->at = 0;
		answer->body_len = 0;
	}
	take_header(line, len, "ETag", answer->etag);
	take_header(line, len, "Location", answer->location);
	/* Of several challenges a token goes before a password. */
	if (strncasecmp(answer->challenge, "Bearer", 6) != 0)
		take_header(line, len, "WWW-Authenticate", answer->challenge);
	take_header(line, len, "Content-Range", range);
	if (strncasecmp(range, "bytes ", 6) == 0)
		http->at = strtoull(range + 6, NULL, 10);
	return len;
}

static size_t
keep(struct pq_http *http, const void *data, size_t len)
{
	struct pq_http_answer *answer = http->answer;
	size_t want = answer->body_len + len + 1;

	if (want > PQ_ANSWER_BYTES_MAX) {
		http->status = pq_fail_at(http->err, PQ_ELIMIT, http->request->url, 0, 0, "answers with more than %llu bytes",
		                          (unsigned long long)PQ_ANSWER_BYTES_MAX);
		return 0;
	}
	if (want > http->body_max) {
		size_t max = want < 16384 ? 16384 : 2 * want;
		char *body = realloc(http->body, max);

		if (body == NULL) {
			http->status = pq_fail_at(http->err, PQ_ENOMEM, http->request->url, 0, 0, "cannot be read: no memory");
			return 0;
		}
		http->body = body;
		http->body_max = max;
	}
	memcpy(http->body + answer->body_len, data, len);
	answer->body_len += len;
	return len;
}

static size_t
on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct pq_http *http = ctx;
	const struct pq_http_request *request = http->request;
	size_t len = size * count;
	long code = 0;

	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &code);
	if (request->take == NULL || (code != 200 && code != 206))
		return keep(http, data, len);
	http->status = request->take(request->ctx, http->at, data, len, http->err);
	http->at += len;
	return http->status == PQ_OK ? len : 0;
}

static size_t
on_send(char *data, size_t size, size_t count, void *ctx)
{
	struct pq_http *http = ctx;
	const struct pq_http_request *request = http->request;
	uint64_t left = request->len - http->put;
	size_t len = left < size * count ? (size_t)left : size * count;

	if (request->data != NULL)
		memcpy(data, (const char *)request->data + http->put, len);
	else
		http->status = pq_file_read(request->fd, http->put, data, len, request->path, http->err);
	if (http->status != PQ_OK)
		return CURL_READFUNC_ABORT;
	http->put += len;
	return len;
}

/* libcurl asks for it where a request has to be sent once more. */
static int
on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct pq_http *http = ctx;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > http->request->len)
		return CURL_SEEKFUNC_FAIL;
	http->put = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static int
on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct pq_http *http = ctx;
	const struct pq_fetch_watch *watch = http->watch;
	bool sends = http->request->len > 0;
	uint64_t done = sends ? (uint64_t)up : (uint64_t)down + http->request->from;
	uint64_t total = sends ? (uint64_t)up_total : down_total > 0 ? (uint64_t)down_total + http->request->from : 0;

	if (watch == NULL || watch->progress == NULL || watch->progress(watch->ctx, done, total))
		return 0;
	http->cancelled = true;
	return 1;
}

/* What every request has. */
static void
set_common(struct pq_http *http)
{
	CURL *curl = http->curl;
	const struct pq_fetch_options *options = http->options;
	bool plain = strncmp(http->request->url, "https:", 6) != 0;

	curl_easy_reset(curl);
	http->fault[0] = '\0';
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->fault);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "pratique/" PQ_VERSION);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, plain ? "http,https" : "https");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, options->connect_s != 0 ? (long)options->connect_s : CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
	                 options->low_speed_s != 0 ? (long)options->low_speed_s : LOW_SPEED_S);
	if (http->request->take == NULL && http->request->len == 0)
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, ANSWER_S);
	if (options->ca_file != NULL) {
		curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, http);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, http);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

static void
set_method(struct pq_http *http)
{
	CURL *curl = http->curl;
	const struct pq_http_request *request = http->request;

	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	if (strcmp(request->method, "HEAD") == 0)
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	if (strcmp(request->method, "PUT") == 0) {
		curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->len);
		curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_send);
		curl_easy_setopt(curl, CURLOPT_READDATA, http);
		curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(curl, CURLOPT_SEEKDATA, http);
	}
	if (strcmp(request->method, "POST") == 0) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
	}
	if (request->redirect) {
		curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
		curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)PQ_REDIRECTS_MAX);
	}
	if (request->from > 0) {
		char range[32];

		snprintf(range, sizeof(range), "%" PRIu64 "-", request->from);
		curl_easy_setopt(curl, CURLOPT_RANGE, range);
	}
}

static bool
add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}

/* SHA-256 of nothing: the hash of a request without a body. */
#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static bool
set_signature(struct pq_http *http, struct curl_slist **headers)
{
	const struct pq_http_request *request = http->request;
	const struct pq_s3_key *key = request->s3;
	char way[160], line[PQ_HEADER_BYTES_MAX];

	snprintf(way, sizeof(way), "aws:amz:%.100s:s3", key->region);
	curl_easy_setopt(http->curl, CURLOPT_AWS_SIGV4, way);
	curl_easy_setopt(http->curl, CURLOPT_USERNAME, key->id);
	curl_easy_setopt(http->curl, CURLOPT_PASSWORD, key->secret);
	snprintf(line, sizeof(line), "x-amz-content-sha256: %s", request->s3_hash != NULL ? request->s3_hash : EMPTY_HASH);
	if (!add_header(headers, line))
		return false;
	if (key->token == NULL)
		return true;
	snprintf(line, sizeof(line), "x-amz-security-token: %s", key->token);
	return add_header(headers, line);
}

static bool
set_access(struct pq_http *http, struct curl_slist **headers)
{
	const struct pq_http_request *request = http->request;

	if (request->s3 != NULL && !set_signature(http, headers))
		return false;
	if (request->login != NULL) {
		curl_easy_setopt(http->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(http->curl, CURLOPT_USERPWD, request->login);
	}
	if (request->bearer != NULL) {
		curl_easy_setopt(http->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		curl_easy_setopt(http->curl, CURLOPT_XOAUTH2_BEARER, request->bearer);
	}
	/* A server that answers 100 late would cost a second each time. (libcurl would sign the header that is not sent.) */
	if (request->s3 == NULL && !add_header(headers, "Expect:"))
		return false;
	for (size_t i = 0; i < PQ_HTTP_HEADERS_MAX && request->headers[i] != NULL; i++)
		if (!add_header(headers, request->headers[i]))
			return false;
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, *headers);
	return true;
}

static enum pq_status
translate(struct pq_http *http, CURLcode code, struct pq_err *err)
{
	const char *url = http->request->url;
	const char *why = http->fault[0] != '\0' ? http->fault : curl_easy_strerror(code);

	if (http->status != PQ_OK)
		return http->status;
	if (http->cancelled)
		return pq_fail_at(err, PQ_EFAILED, url, 0, 0, "was cancelled");
	switch (code) {
	case CURLE_OK:
		return PQ_OK;
	case CURLE_OUT_OF_MEMORY:
		return pq_fail_at(err, PQ_ENOMEM, url, 0, 0, "cannot be asked for: no memory");
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return pq_fail_at(err, PQ_EFAILED, url, 0, 0, "cannot be trusted: %s", why);
	case CURLE_TOO_MANY_REDIRECTS:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return pq_fail_at(err, PQ_EFAILED, url, 0, 0, "redirects where it must not: %s", why);
	default:
		return pq_fail_at(err, PQ_EIO, url, 0, 0, "cannot be reached, or broke off: %s", why);
	}
}

enum pq_status
pq_http_do(struct pq_http *http, const struct pq_http_request *request, struct pq_http_answer *ret_answer,
           struct pq_err *err)
{
	struct curl_slist *headers = NULL;
	CURLcode code = CURLE_OUT_OF_MEMORY;

	*ret_answer = (struct pq_http_answer){.code = 0};
	http->request = request;
	http->answer = ret_answer;
	http->err = err;
	http->at = http->put = 0;
	http->status = PQ_OK;
	http->cancelled = false;
	set_common(http);
	set_method(http);
	if (set_access(http, &headers))
		code = curl_easy_perform(http->curl);
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &ret_answer->code);
	enum pq_status status = translate(http, code, err);

	if (status == PQ_OK && http->body == NULL && keep(http, "", 0) != 0)
		status = http->status;
	if (http->body != NULL)
		http->body[ret_answer->body_len] = '\0';
	ret_answer->body = http->body;
	curl_slist_free_all(headers);
	http->request = NULL;
	return status != PQ_OK ? status : http->status;
}

/* What a server said, on one line and as far as it is text; what XML begins with says nothing. */
static void
first_words(const struct pq_http_answer *answer, char *ret, size_t size)
{
	size_t n = 0, i = 0;

	if (answer->body_len > 5 && memcmp(answer->body, "<?xml", 5) == 0)
		i = strcspn(answer->body, ">") + 1;
	for (; i < answer->body_len && n + 1 < size; i++) {
		unsigned char c = (unsigned char)answer->body[i];

		if (c > 0x20 && c < 0x7f)
			ret[n++] = (char)c;
		else if (n > 0 && ret[n - 1] != ' ')
			ret[n++] = ' ';
	}
	while (n > 0 && ret[n - 1] == ' ')
		n--;
	ret[n] = '\0';
}

enum pq_status
pq_http_refused(const struct pq_http_answer *answer, const char *url, const char *what, struct pq_err *err)
{
	char words[300];
	enum pq_status status = answer->code == 404                                                 ? PQ_ENOTFOUND
	                        : answer->code == 401 || answer->code == 403                        ? PQ_EFAILED
	                        : answer->code == 408 || answer->code == 429 || answer->code >= 500 ? PQ_EIO
	                                                                                            : PQ_EFAILED;

	first_words(answer, words, sizeof(words));
	return pq_fail_at(err, status, url, 0, 0, "%s: the server answers %ld%s%s", what, answer->code,
	                  words[0] != '\0' ? ": " : "", words);
}

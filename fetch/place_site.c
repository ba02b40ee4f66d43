/* https://HOST/PATH and s3://BUCKET/PREFIX: names below a URL; the latter signed, and written to. */
#include "fetch/place.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define URL_BYTES (sizeof(((struct pq_place *)0)->site) + PQ_SNAPSHOT_NAME_BYTES + 2)

static void
begin(const struct pq_place *place, const char *method, const char *name, char url[URL_BYTES],
      struct pq_http_request *ret)
{
	snprintf(url, URL_BYTES, "%s/%s", place->site, name);
	*ret = (struct pq_http_request){.method = method, .url = url, .fd = -1};
	if (place->url.kind == PQ_URL_S3) {
		ret->s3 = place->s3.id != NULL ? &place->s3 : NULL;
	} else {
		ret->login = pq_credentials_for(place->options->credentials, place->url.host);
		ret->redirect = true;
	}
}

static enum pq_status
site_poll(struct pq_place *place, const char *known, char ret_text[PQ_MANIFEST_BYTES_MAX + 1], size_t *ret_len,
          char ret_mark[PQ_MARK_BYTES], bool *ret_changed, struct pq_err *err)
{
	const char *etag = pq_mark_etag(known);
	char url[URL_BYTES], condition[PQ_MARK_BYTES + 32], mark[PQ_MARK_BYTES];
	struct pq_http_request request;
	struct pq_http_answer answer;

	begin(place, "GET", PQ_POINTER_NAME, url, &request);
	if (etag != NULL) {
		snprintf(condition, sizeof(condition), "If-None-Match: %s", etag);
		request.headers[0] = condition;
	}
	enum pq_status status = pq_http_do(place->http, &request, &answer, err);

	if (status != PQ_OK)
		return status;
	if (answer.code == 304 && etag != NULL) {
		*ret_changed = false;
		return PQ_OK;
	}
	if (answer.code != 200)
		return pq_http_refused(&answer, url, "has no manifest for us", err);
	if (answer.body_len > PQ_MANIFEST_BYTES_MAX)
		return pq_fail_at(err, PQ_ELIMIT, url, 0, 0, "is too long for a manifest: %zu bytes", answer.body_len);
	status = pq_mark_of(answer.etag, answer.body, answer.body_len, mark, err);
	if (status != PQ_OK)
		return status;
	*ret_changed = strcmp(mark, known) != 0;
	if (!*ret_changed)
		return PQ_OK;
	memcpy(ret_text, answer.body, answer.body_len);
	ret_text[answer.body_len] = '\0';
	*ret_len = answer.body_len;
	strcpy(ret_mark, mark);
	return PQ_OK;
}

static enum pq_status
site_get(struct pq_place *place, const char *store, const char *base, uint64_t from, pq_http_take_fn *take, void *ctx,
         struct pq_err *err)
{
	char name[PQ_SNAPSHOT_NAME_BYTES], url[URL_BYTES];
	struct pq_http_request request;
	struct pq_http_answer answer;

	pq_snapshot_name(store, base, name);
	begin(place, "GET", name, url, &request);
	request.from = from;
	request.take = take;
	request.ctx = ctx;
	enum pq_status status = pq_http_do(place->http, &request, &answer, err);

	if (status == PQ_OK && answer.code != 200 && answer.code != 206)
		status = pq_http_refused(&answer, url, "cannot be got", err);
	return status;
}

/* PUT of a body whose hash is known; `request` has the body. */
static enum pq_status
put(struct pq_place *place, struct pq_http_request *request, const uint8_t digest[PQ_DIGEST_BYTES], struct pq_err *err)
{
	char hex[PQ_DIGEST_HEX_BYTES];
	struct pq_http_answer answer;

	pq_digest_hex(digest, hex);
	request->s3_hash = hex;
	enum pq_status status = pq_http_do(place->http, request, &answer, err);

	if (status == PQ_OK && answer.code != 200 && answer.code != 201 && answer.code != 204)
		status = pq_http_refused(&answer, request->url, "cannot be put", err);
	return status;
}

static enum pq_status
bucket_put(struct pq_place *place, const struct pq_place_object *object, bool *ret_was_there, struct pq_err *err)
{
	char url[URL_BYTES];
	struct pq_http_request request;

	/* What is there under this name may be of another length where libzstd changed: it is put again. */
	begin(place, "PUT", object->name, url, &request);
	request.fd = object->fd;
	request.path = object->path;
	request.len = object->size;
	*ret_was_there = false;
	return put(place, &request, object->digest, err);
}

static enum pq_status
bucket_point(struct pq_place *place, const struct pq_manifest *manifest, const char *text, size_t len,
             struct pq_err *err)
{
	uint8_t digest[PQ_DIGEST_BYTES];
	char url[URL_BYTES];
	struct pq_http_request request;

	(void)manifest;
	if (EVP_Digest(text, len, digest, NULL, EVP_sha256(), NULL) != 1)
		return pq_fail(err, PQ_ENOMEM, "SHA-256 failed");
	begin(place, "PUT", PQ_POINTER_NAME, url, &request);
	request.data = text;
	request.len = len;
	return put(place, &request, digest, err);
}

const struct pq_place_ops pq_place_site = {site_poll, site_get, NULL, NULL};
const struct pq_place_ops pq_place_bucket = {site_poll, site_get, bucket_put, bucket_point};

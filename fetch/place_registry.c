/* oci://HOST/REPOSITORY:TAG: an artifact behind a tag of a registry (the distribution specification of OCI). */
#include "fetch/place.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_BYTES (sizeof(((struct pq_place *)0)->site) + 256)
/* A location as the registry tells it, with the digest appended. */
#define LOCATION_BYTES (2 * PQ_HEADER_BYTES_MAX)
/* How tokens are asked for: realm, service and scope, escaped. */
#define TOKEN_URL_BYTES 6144

static const char *
login_of(const struct pq_place *place)
{
	return pq_credentials_for(place->options->credentials, place->url.host);
}

/* Append "NAME=VALUE" with the value escaped; false where there is no room. */
static bool
append_parameter(char *url, size_t size, const char *name, const char *value)
{
	size_t n = strlen(url);

	n += (size_t)snprintf(url + n, size - n, "%c%s=", strchr(url, '?') != NULL ? '&' : '?', name);
	for (const unsigned char *c = (const unsigned char *)value; *c != '\0'; c++) {
		if (n + 4 > size)
			return false;
		n += (size_t)snprintf(url + n, size - n,
		                      (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
		                              strchr("-._~", *c) != NULL
		                          ? "%c"
		                          : "%%%02X",
		                      *c);
	}
	return true;
}

/* A token from the realm that the registry names. It sees the password, so it must be as well encrypted as the registry. */
static enum pq_status
get_token(struct pq_place *place, const struct pq_oci_challenge *challenge, struct pq_err *err)
{
	char url[TOKEN_URL_BYTES];
	struct pq_http_request request = {.method = "GET", .url = url, .fd = -1, .login = login_of(place)};
	struct pq_http_answer answer;
	struct pq_url realm;

	if (pq_url_parse(challenge->realm, place->options->allow_http, &realm, NULL) != PQ_OK ||
	    realm.kind != PQ_URL_HTTP || (place->url.tls && !realm.tls))
		return pq_fail_at(err, PQ_EFAILED, place->url.text, 0, 0, "sends us for a token where we must not go: %.200s",
		                  challenge->realm);
	snprintf(url, sizeof(url), "%s", challenge->realm);
	if ((challenge->service[0] != '\0' && !append_parameter(url, sizeof(url), "service", challenge->service)) ||
	    (challenge->scope[0] != '\0' && !append_parameter(url, sizeof(url), "scope", challenge->scope)))
		return pq_fail_at(err, PQ_EFAILED, place->url.text, 0, 0, "asks for too long a token");
	enum pq_status status = pq_http_do(place->http, &request, &answer, err);

	if (status != PQ_OK)
		return status;
	if (answer.code != 200)
		return pq_http_refused(&answer, realm.text, "gives no token", err);
	char *token;

	status = pq_oci_token_parse(answer.body, answer.body_len, realm.text, &token, err);
	OPENSSL_cleanse(answer.body, answer.body_len);
	if (status != PQ_OK)
		return status;
	free(place->bearer);
	place->bearer = token;
	return PQ_OK;
}

static enum pq_status
log_in(struct pq_place *place, const char *text, struct pq_err *err)
{
	struct pq_oci_challenge challenge;
	enum pq_status status = pq_oci_challenge_parse(text, place->url.text, &challenge, err);

	if (status != PQ_OK)
		return status;
	if (challenge.scheme == PQ_OCI_BEARER)
		return get_token(place, &challenge, err);
	if (login_of(place) == NULL)
		return pq_fail_at(err, PQ_EFAILED, place->url.text, 0, 0,
		                  "wants a name and a password, and the credentials have none for %s", place->url.host);
	place->login = true;
	return PQ_OK;
}

/* Do a request, and once more after logging in where the registry wants that (a token may also have run out). */
static enum pq_status
ask(struct pq_place *place, struct pq_http_request *request, struct pq_http_answer *ret_answer, struct pq_err *err)
{
	for (int turn = 0;; turn++) {
		request->bearer = place->bearer;
		request->login = place->login ? login_of(place) : NULL;
		enum pq_status status = pq_http_do(place->http, request, ret_answer, err);

		if (status != PQ_OK || ret_answer->code != 401 || turn > 0 || ret_answer->challenge[0] == '\0')
			return status;
		status = log_in(place, ret_answer->challenge, err);
		if (status != PQ_OK)
			return status;
	}
}

/* The artifact behind the tag; *ret_answer is of 200 or 304. */
static enum pq_status
get_artifact(struct pq_place *place, const char *etag, struct pq_http_answer *ret_answer, struct pq_err *err)
{
	char url[URL_BYTES], condition[PQ_MARK_BYTES + 32];
	struct pq_http_request request = {
		.method = "GET", .url = url, .fd = -1, .redirect = true, .headers = {"Accept: " PQ_OCI_MANIFEST_TYPE}};

	snprintf(url, sizeof(url), "%s/manifests/%s", place->site, place->url.tag);
	if (etag != NULL) {
		snprintf(condition, sizeof(condition), "If-None-Match: %s", etag);
		request.headers[1] = condition;
	}
	enum pq_status status = ask(place, &request, ret_answer, err);

	if (status != PQ_OK || (ret_answer->code == 304 && etag != NULL))
		return status;
	if (ret_answer->code != 200)
		return pq_http_refused(ret_answer, url, "has no revision for us", err);
	if (place->artifact == NULL)
		place->artifact = calloc(1, sizeof(*place->artifact));
	if (place->artifact == NULL)
		return pq_fail_at(err, PQ_ENOMEM, url, 0, 0, "cannot be read: no memory");
	return pq_oci_artifact_parse(ret_answer->body, ret_answer->body_len, url, place->artifact, err);
}

static enum pq_status
registry_poll(struct pq_place *place, const char *known, char ret_text[PQ_MANIFEST_BYTES_MAX + 1], size_t *ret_len,
              char ret_mark[PQ_MARK_BYTES], bool *ret_changed, struct pq_err *err)
{
	struct pq_http_answer answer;
	char mark[PQ_MARK_BYTES];
	enum pq_status status = get_artifact(place, pq_mark_etag(known), &answer, err);

	if (status != PQ_OK)
		return status;
	if (answer.code == 304) {
		*ret_changed = false;
		return PQ_OK;
	}
	status = pq_mark_of(answer.etag, answer.body, answer.body_len, mark, err);
	if (status != PQ_OK)
		return status;
	*ret_changed = strcmp(mark, known) != 0;
	if (!*ret_changed)
		return PQ_OK;
	memcpy(ret_text, place->artifact->text, place->artifact->text_len + 1);
	*ret_len = place->artifact->text_len;
	strcpy(ret_mark, mark);
	return PQ_OK;
}

static const struct pq_oci_layer *
find_layer(const struct pq_oci_artifact *artifact, const char *store, const char *base)
{
	if (artifact == NULL || strcmp(artifact->store, store) != 0)
		return NULL;
	for (size_t i = 0; i < artifact->n_layers; i++)
		if (strcmp(artifact->layers[i].base, base != NULL ? base : "") == 0)
			return &artifact->layers[i];
	return NULL;
}

static enum pq_status
registry_get(struct pq_place *place, const char *store, const char *base, uint64_t from, pq_http_take_fn *take,
             void *ctx, struct pq_err *err)
{
	char url[URL_BYTES];
	struct pq_http_request request = {
		.method = "GET", .url = url, .fd = -1, .redirect = true, .from = from, .take = take, .ctx = ctx};
	struct pq_http_answer answer;
	enum pq_status status = PQ_OK;

	/* After a restart the artifact is not known, though the mark is. */
	if (place->artifact == NULL || strcmp(place->artifact->store, store) != 0)
		status = get_artifact(place, NULL, &answer, err);
	if (status != PQ_OK)
		return status;
	const struct pq_oci_layer *layer = find_layer(place->artifact, store, base);

	if (layer == NULL && strcmp(place->artifact->store, store) != 0)
		return pq_fail_at(err, PQ_ENOTFOUND, place->url.text, 0, 0, "holds the store %s now, and %s no more",
		                  place->artifact->store, store);
	if (layer == NULL)
		return pq_fail_at(err, PQ_ENOTFOUND, place->url.text, 0, 0, "has no such snapshot of the store %s", store);
	snprintf(url, sizeof(url), "%s/blobs/sha256:%s", place->site, layer->digest);
	status = ask(place, &request, &answer, err);
	if (status == PQ_OK && answer.code != 200 && answer.code != 206)
		status = pq_http_refused(&answer, url, "cannot be got", err);
	return status;
}

/* Where an upload goes on: a URL, or a path of the registry. */
static enum pq_status
upload_url(const struct pq_place *place, const char *location, const char *hex, char ret[LOCATION_BYTES],
           struct pq_err *err)
{
	const char *scheme = place->url.tls ? "https" : "http";
	int n;

	if (location[0] == '/' && location[1] != '/')
		n = snprintf(ret, LOCATION_BYTES, "%s://%s%s", scheme, place->url.host, location);
	else
		n = snprintf(ret, LOCATION_BYTES, "%s", location);
	/* The login goes along, so it may not lead anywhere else. */
	char own[300];
	int own_len = snprintf(own, sizeof(own), "%s://%s/", scheme, place->url.host);

	if (n <= 0 || strncmp(ret, own, (size_t)own_len) != 0)
		return pq_fail_at(err, PQ_EFAILED, place->url.text, 0, 0, "sends an upload to another host: %.100s", location);
	snprintf(ret + n, LOCATION_BYTES - (size_t)n, "%cdigest=sha256:%s", strchr(ret, '?') != NULL ? '&' : '?', hex);
	return PQ_OK;
}

/* Put a blob unless it is there; `body` has data, or fd, path, and len. */
static enum pq_status
put_blob(struct pq_place *place, const char *hex, const struct pq_http_request *body, bool *ret_was_there,
         struct pq_err *err)
{
	char url[URL_BYTES], location[LOCATION_BYTES];
	struct pq_http_request head = {.method = "HEAD", .url = url, .fd = -1, .redirect = true};
	struct pq_http_request post = {.method = "POST", .url = url, .fd = -1};
	struct pq_http_request put = *body;
	struct pq_http_answer answer;

	snprintf(url, sizeof(url), "%s/blobs/sha256:%s", place->site, hex);
	enum pq_status status = ask(place, &head, &answer, err);

	if (status != PQ_OK)
		return status;
	*ret_was_there = answer.code == 200;
	if (*ret_was_there)
		return PQ_OK;
	if (answer.code != 404)
		return pq_http_refused(&answer, url, "cannot be looked for", err);
	snprintf(url, sizeof(url), "%s/blobs/uploads/", place->site);
	status = ask(place, &post, &answer, err);
	if (status == PQ_OK && (answer.code != 202 || answer.location[0] == '\0'))
		status = pq_http_refused(&answer, url, "takes no upload", err);
	if (status == PQ_OK)
		status = upload_url(place, answer.location, hex, location, err);
	if (status != PQ_OK)
		return status;
	put.method = "PUT";
	put.url = location;
	put.headers[0] = "Content-Type: application/octet-stream";
	status = ask(place, &put, &answer, err);
	if (status == PQ_OK && answer.code != 201)
		status = pq_http_refused(&answer, url, "refuses the upload", err);
	return status;
}

static enum pq_status
registry_put(struct pq_place *place, const struct pq_place_object *object, bool *ret_was_there, struct pq_err *err)
{
	struct pq_http_request body = {.fd = object->fd, .path = object->path, .len = object->size};
	struct pq_oci_layer layer = {.size = object->size};

	if (place->artifact == NULL)
		place->artifact = calloc(1, sizeof(*place->artifact));
	if (place->artifact == NULL)
		return pq_fail_at(err, PQ_ENOMEM, place->url.text, 0, 0, "cannot be written: no memory");
	if (place->artifact->n_layers > PQ_PUSH_BASES_MAX)
		return pq_fail_at(err, PQ_ELIMIT, place->url.text, 0, 0, "takes at most %u differences", PQ_PUSH_BASES_MAX);
	pq_digest_hex(object->digest, layer.digest);
	strcpy(layer.base, object->base);
	enum pq_status status = put_blob(place, layer.digest, &body, ret_was_there, err);

	if (status == PQ_OK)
		place->artifact->layers[place->artifact->n_layers++] = layer;
	return status;
}

static enum pq_status
registry_point(struct pq_place *place, const struct pq_manifest *manifest, const char *text, size_t len,
               struct pq_err *err)
{
	char url[URL_BYTES], *json;
	struct pq_http_request config = {.data = PQ_OCI_CONFIG, .len = strlen(PQ_OCI_CONFIG), .fd = -1};
	struct pq_http_request put = {
		.method = "PUT", .url = url, .fd = -1, .headers = {"Content-Type: " PQ_OCI_MANIFEST_TYPE}};
	struct pq_http_answer answer;
	bool was_there;
	enum pq_status status = put_blob(place, PQ_OCI_CONFIG_HEX, &config, &was_there, err);

	if (status != PQ_OK)
		return status;
	memcpy(place->artifact->text, text, len);
	place->artifact->text[len] = '\0';
	place->artifact->text_len = len;
	pq_digest_hex(manifest->digest, place->artifact->store);
	status = pq_oci_artifact_format(place->artifact, manifest, &json, err);
	if (status != PQ_OK)
		return status;
	snprintf(url, sizeof(url), "%s/manifests/%s", place->site, place->url.tag);
	put.data = json;
	put.len = strlen(json);
	status = ask(place, &put, &answer, err);
	if (status == PQ_OK && answer.code != 201 && answer.code != 200)
		status = pq_http_refused(&answer, url, "refuses the revision", err);
	free(json);
	return status;
}

const struct pq_place_ops pq_place_registry = {registry_poll, registry_get, registry_put, registry_point};

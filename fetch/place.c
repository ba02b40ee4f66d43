#include "fetch/place.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
pq_snapshot_name(const char *store, const char *base, char ret_name[PQ_SNAPSHOT_NAME_BYTES])
{
	if (base == NULL || base[0] == '\0')
		snprintf(ret_name, PQ_SNAPSHOT_NAME_BYTES, "%s.mdb.zst", store);
	else
		snprintf(ret_name, PQ_SNAPSHOT_NAME_BYTES, "%s.from.%s.zst", store, base);
}

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* An endpoint is a URL of a host alone. */
static enum pq_status
check_endpoint(const char *endpoint, bool allow_http, struct pq_err *err)
{
	struct pq_url *url = malloc(sizeof(*url));
	enum pq_status status =
		url != NULL ? pq_url_parse(endpoint, allow_http, url, err) : pq_fail(err, PQ_ENOMEM, "no memory for a URL");

	if (status == PQ_OK && (url->kind != PQ_URL_HTTP || url->path[0] != '\0'))
		status = pq_fail(err, PQ_EINVAL, "the endpoint of S3 must be https://HOST[:PORT], not %.100s", endpoint);
	free(url);
	return status;
}

static enum pq_status
init_bucket(struct pq_place *place, struct pq_err *err)
{
	const struct pq_fetch_options *options = place->options;
	const char *endpoint = options->s3_endpoint;
	char amazon[160];

	place->s3 = pq_credentials_s3(options->credentials);
	const char *region = options->s3_region != NULL ? options->s3_region : place->s3.region;

	if (region == NULL)
		region = "us-east-1";
	if (strlen(region) >= sizeof(place->region) ||
	    region[strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] != '\0')
		return pq_fail(err, PQ_EINVAL, "\"%.40s\" is no region of S3", region);
	strcpy(place->region, region);
	place->s3.region = place->region;
	if (endpoint == NULL)
		endpoint = variable("AWS_ENDPOINT_URL_S3");
	if (endpoint == NULL)
		endpoint = variable("AWS_ENDPOINT_URL");
	if (endpoint == NULL) {
		snprintf(amazon, sizeof(amazon), "https://s3.%s.amazonaws.com", region);
		endpoint = amazon;
	}
	enum pq_status status = check_endpoint(endpoint, options->allow_http, err);

	if (status != PQ_OK)
		return status;
	size_t len = strlen(endpoint);

	if (endpoint[len - 1] == '/')
		len--;
	snprintf(place->site, sizeof(place->site), "%.*s/%s%s%s", (int)(len < 300 ? len : 300), endpoint, place->url.host,
	         place->url.path[0] != '\0' ? "/" : "", place->url.path);
	return PQ_OK;
}

enum pq_status
pq_place_init(struct pq_place *place, const char *url, const struct pq_fetch_options *options, struct pq_err *err)
{
	static const struct pq_place_ops *const ops[] = {[PQ_URL_FILE] = &pq_place_folder,
	                                                 [PQ_URL_HTTP] = &pq_place_site,
	                                                 [PQ_URL_S3] = &pq_place_bucket,
	                                                 [PQ_URL_OCI] = &pq_place_registry};

	memset(place, 0, sizeof(*place));
	place->options = options;
	enum pq_status status = pq_url_parse(url, options->allow_http, &place->url, err);

	if (status != PQ_OK)
		return status;
	place->ops = ops[place->url.kind];
	if (place->url.kind == PQ_URL_FILE)
		return PQ_OK;
	if (place->url.kind == PQ_URL_S3)
		status = init_bucket(place, err);
	else
		snprintf(place->site, sizeof(place->site), "http%s://%s%s%s", place->url.tls ? "s" : "", place->url.host,
		         place->url.kind == PQ_URL_OCI ? "/v2/" : "", place->url.path);
	return status == PQ_OK ? pq_http_new(options, &place->http, err) : status;
}

void
pq_place_release(struct pq_place *place)
{
	pq_http_free(place->http);
	free(place->artifact);
	free(place->bearer);
}

#define MARK_ETAG "etag:"
#define MARK_TEXT "text:"

enum pq_status
pq_mark_of(const char *etag, const char *text, size_t len, char ret_mark[PQ_MARK_BYTES], struct pq_err *err)
{
	uint8_t digest[PQ_DIGEST_BYTES];
	char hex[PQ_DIGEST_HEX_BYTES];

	if (etag[0] != '\0' && strlen(etag) + sizeof(MARK_ETAG) <= PQ_MARK_BYTES) {
		snprintf(ret_mark, PQ_MARK_BYTES, MARK_ETAG "%s", etag);
		return PQ_OK;
	}
	if (EVP_Digest(text, len, digest, NULL, EVP_sha256(), NULL) != 1)
		return pq_fail(err, PQ_ENOMEM, "SHA-256 failed");
	pq_digest_hex(digest, hex);
	snprintf(ret_mark, PQ_MARK_BYTES, MARK_TEXT "%s", hex);
	return PQ_OK;
}

const char *
pq_mark_etag(const char *mark)
{
	return strncmp(mark, MARK_ETAG, strlen(MARK_ETAG)) == 0 ? mark + strlen(MARK_ETAG) : NULL;
}

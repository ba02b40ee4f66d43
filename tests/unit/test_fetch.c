/* What fetching reads from outside: URLs, credentials, artifacts and challenges of registries; and how long it waits. */
#include "fetch/backoff.h"
#include "fetch/credentials.h"
#include "fetch/oci_artifact.h"
#include "fetch/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pq_err err;

static void
test_urls(void **state)
{
	static const struct {
		const char *text;
		enum pq_url_kind kind;
		bool tls;
		const char *host, *path, *tag;
	} good[] = {
		{"file:///srv/law", PQ_URL_FILE, false, "", "/srv/law", ""},
		{"file:///a b/c/", PQ_URL_FILE, false, "", "/a b/c", ""},
		{"file:///", PQ_URL_FILE, false, "", "/", ""},
		{"https://law.example", PQ_URL_HTTP, true, "law.example", "", ""},
		{"https://law.example:8443/us/v1/", PQ_URL_HTTP, true, "law.example:8443", "/us/v1", ""},
		{"http://127.0.0.1:80/x", PQ_URL_HTTP, false, "127.0.0.1:80", "/x", ""},
		{"http://[::1]:8080/x", PQ_URL_HTTP, false, "[::1]:8080", "/x", ""},
		{"http://localhost/x@y", PQ_URL_HTTP, false, "localhost", "/x@y", ""},
		{"s3://law-us", PQ_URL_S3, true, "law-us", "", ""},
		{"s3://law.us/a/b", PQ_URL_S3, true, "law.us", "a/b", ""},
		{"oci://ghcr.io/acme/law:us-7", PQ_URL_OCI, true, "ghcr.io", "acme/law", "us-7"},
		{"oci://reg:5000/law", PQ_URL_OCI, true, "reg:5000", "law", "latest"},
		{"oci+http://127.9.9.9:5000/law:x", PQ_URL_OCI, false, "127.9.9.9:5000", "law", "x"},
	};
	struct pq_url url;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(pq_url_parse(good[i].text, false, &url, &err), PQ_OK);
		assert_int_equal(url.kind, good[i].kind);
		assert_int_equal(url.tls, good[i].tls);
		assert_string_equal(url.host, good[i].host);
		assert_string_equal(url.path, good[i].path);
		assert_string_equal(url.tag, good[i].tag);
	}
}

static void
test_bad_urls(void **state)
{
	static const char *const bad[] = {
		"",
		"law",
		"ftp://host/x",
		"HTTPS://host/x",
		"file://host/x",
		"file://",
		"https://",
		"https:///x",
		"https://ho st/",
		"https://host:99999/x",
		"https://host:/x",
		"https://host:8a/x",
		"https://-h/x",
		"https://[::1/x",
		"https://host/a//b",
		"https://host/../x",
		"https://host/a/./b",
		"https://host/x?y",
		"https://host/x#y",
		"https://host/\x01",
		"https://h\xc3\xb6st/x",
		"http://192.0.2.1/x",
		"http://localhost.evil.example/x",
		"http://127.0.0.1.evil.example/x",
		"http://127.1/x",
		"s3://ab",
		"s3://Bucket",
		"s3://bucket/a b",
		"s3://bucket/%41",
		"oci://host",
		"oci://host/",
		"oci://host/Law",
		"oci://host/law:",
		"oci://host/law:.x",
		"oci://host/law:a/b",
		"oci://host/../law",
		"oci://host/law@sha256:00",
		"oci+http://192.0.2.1/law",
		"https://user:pass@host/x",
		"oci://user@host/law",
	};
	struct pq_url url;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&err, 0, sizeof(err));
		if (pq_url_parse(bad[i], false, &url, &err) != PQ_EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_null(strstr(err.msg, "pass@"));
		assert_null(strstr(err.where, "pass@"));
	}
	char *longest = malloc(PQ_URL_BYTES_MAX + 2);

	memset(longest, 'a', PQ_URL_BYTES_MAX + 1);
	memcpy(longest, "https://h/", 10);
	longest[PQ_URL_BYTES_MAX + 1] = '\0';
	assert_int_equal(pq_url_parse(longest, false, &url, &err), PQ_ELIMIT);
	longest[PQ_URL_BYTES_MAX] = '\0';
	assert_int_equal(pq_url_parse(longest, false, &url, &err), PQ_OK);
	memcpy(longest, "oci://h/aa", 10);
	assert_int_equal(pq_url_parse(longest, false, &url, &err), PQ_EINVAL);
	free(longest);
	assert_int_equal(pq_url_parse("http://192.0.2.1/x", true, &url, &err), PQ_OK);
	assert_int_equal(pq_url_parse("oci+http://192.0.2.1/law", true, &url, &err), PQ_OK);
}

static enum pq_status
parse(const char *text, struct pq_credentials **ret)
{
	memset(&err, 0, sizeof(err));
	return pq_credentials_parse(text, strlen(text), "file", ret, &err);
}

static void
test_credentials(void **state)
{
	struct pq_credentials *credentials;

	(void)state;
	assert_int_equal(
		parse("{\"auths\": {\"https://index.docker.io/v1/\": {\"auth\": \"YTpiOmM=\"}, \"h:5000\": {\"auth\": "
	          "\"dXNlcjpwYXNz\"}, \"empty\": {}}, \"credHelpers\": {\"x\": \"y\"}, \"s3\": {\"access_key_id\": "
	          "\"id\", \"secret_access_key\": \"secret\", \"region\": \"eu-1\"}}",
	          &credentials),
		PQ_OK);
	assert_string_equal(pq_credentials_for(credentials, "index.docker.io"), "a:b:c");
	assert_string_equal(pq_credentials_for(credentials, "H:5000"), "user:pass");
	assert_null(pq_credentials_for(credentials, "h"));
	assert_null(pq_credentials_for(credentials, "empty"));
	assert_null(pq_credentials_for(NULL, "h"));
	struct pq_s3_key key = pq_credentials_s3(credentials);

	assert_string_equal(key.id, "id");
	assert_string_equal(key.secret, "secret");
	assert_null(key.token);
	assert_string_equal(key.region, "eu-1");
	pq_credentials_free(credentials);
	pq_credentials_free(NULL);
	assert_null(pq_credentials_s3(NULL).id);
}

static void
test_bad_credentials(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{\"auths\": []}",
		"{\"s3\": 1}",
		"{\"auths\": {\"h\": 1}}",
		"{\"auths\": {\"h\": {\"auth\": \"secretly\"}}}",   /* base64 without a colon in it */
		"{\"auths\": {\"h\": {\"auth\": \"c2VjcmV0Og\"}}}", /* not whole */
		"{\"auths\": {\"h\": {\"auth\": \"c2VjOgoK\"}}}",   /* a newline in it */
		"{\"s3\": {\"access_key_id\": \"secret\"}}",
		"{\"s3\": {\"region\": 7}}",
		"{\"s3\": {\"access_key_id\": \"a b\", \"secret_access_key\": \"secret\"}}",
		"{\"auths\": {}, \"auths\": {}}",
		"{\"auths\": {\"h\": {\"auth\": secret}}}",
	};
	struct pq_credentials *credentials;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i], &credentials) == PQ_OK)
			fail_msg("taken: %s", bad[i]);
		assert_true(err.msg[0] != '\0');
		assert_null(strstr(err.msg, "secret\""));
		assert_null(strstr(err.msg, "c2Vj"));
	}
}

static void
test_environment(void **state)
{
	struct pq_credentials *credentials;

	(void)state;
	setenv("HOME", "/nowhere", 1);
	unsetenv("DOCKER_CONFIG");
	unsetenv("PRATIQUE_CREDENTIALS");
	setenv("AWS_ACCESS_KEY_ID", "env-id", 1);
	unsetenv("AWS_SECRET_ACCESS_KEY");
	assert_int_equal(pq_credentials_load(NULL, &credentials, &err), PQ_EINVAL);
	assert_string_equal(err.where, "AWS_SECRET_ACCESS_KEY");
	setenv("AWS_SECRET_ACCESS_KEY", "env-secret", 1);
	setenv("AWS_DEFAULT_REGION", "one", 1);
	unsetenv("AWS_REGION");
	assert_int_equal(pq_credentials_load(NULL, &credentials, &err), PQ_OK);
	assert_string_equal(pq_credentials_s3(credentials).secret, "env-secret");
	assert_string_equal(pq_credentials_s3(credentials).region, "one");
	pq_credentials_free(credentials);
	setenv("PRATIQUE_CREDENTIALS", "/nowhere/credentials.json", 1);
	assert_int_equal(pq_credentials_load(NULL, &credentials, &err), PQ_ENOTFOUND);
	assert_string_equal(err.where, "/nowhere/credentials.json");
}

#define HEX "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

static void
test_artifact(void **state)
{
	struct pq_manifest manifest = {.sequence = 7, .size = 100, .created_s = 1000, .note = "so \"it\" is"};
	struct pq_oci_artifact artifact = {.n_layers = 2}, back;
	char *json;

	(void)state;
	memset(manifest.digest, 0x5a, sizeof(manifest.digest));
	assert_int_equal(pq_manifest_format(&manifest, artifact.text, &artifact.text_len, &err), PQ_OK);
	pq_digest_hex(manifest.digest, artifact.store);
	artifact.layers[0] = (struct pq_oci_layer){.digest = HEX, .size = 12};
	artifact.layers[1] = (struct pq_oci_layer){.digest = HEX, .base = HEX, .size = UINT64_C(1) << 40};
	assert_int_equal(pq_oci_artifact_format(&artifact, &manifest, &json, &err), PQ_OK);
	assert_int_equal(pq_oci_artifact_parse(json, strlen(json), "url", &back, &err), PQ_OK);
	assert_memory_equal(&back, &artifact, sizeof(back));
	/* Every part that is damaged is told, not taken. */
	for (size_t i = 0; json[i] != '\0'; i++) {
		char kept = json[i];

		json[i] = '\x01';
		memset(&err, 0, sizeof(err));
		if (pq_oci_artifact_parse(json, strlen(json), "url", &back, &err) == PQ_OK)
			fail_msg("taken with a control character at %zu", i);
		assert_string_equal(err.where, "url");
		json[i] = kept;
	}
	for (size_t len = 0; len < strlen(json); len++)
		assert_int_equal(pq_oci_artifact_parse(json, len, "url", &back, &err), PQ_ECORRUPT);
	free(json);
}

static void
test_foreign_artifacts(void **state)
{
#define STATEMENT                                                                                    \
	"\"pratique.manifest\": \"{\\\"created\\\":\\\"2026-11-24T16:30:00Z\\\",\\\"digest\\\":\\\"" HEX \
	"\\\",\\\"note\\\":\\\"\\\",\\\"sequence\\\":1,\\\"size\\\":100,\\\"type\\\":\\\"pratique.revision.v1\\\"}\\n\""
#define LAYER "\"mediaType\": \"application/vnd.pratique.snapshot.v1+zstd\""
	static const struct {
		enum pq_status status;
		const char *json;
	} cases[] = {
		{PQ_OK,
	     "{\"layers\": [{" LAYER ", \"digest\": \"sha256:" HEX "\", \"size\": 5}], \"annotations\": {" STATEMENT "}}"},
		{PQ_ECORRUPT, "{\"layers\": [], \"annotations\": {" STATEMENT "}}"},
		{PQ_ECORRUPT, "{\"layers\": [{\"mediaType\": \"other\"}], \"annotations\": {" STATEMENT "}}"},
		{PQ_ECORRUPT,
	     "{\"layers\": [{" LAYER ", \"digest\": \"md5:" HEX "\", \"size\": 5}], \"annotations\": {" STATEMENT "}}"},
		{PQ_ECORRUPT,
	     "{\"layers\": [{" LAYER ", \"digest\": \"sha256:../../x\", \"size\": 5}], \"annotations\": {" STATEMENT "}}"},
		{PQ_ECORRUPT,
	     "{\"layers\": [{" LAYER ", \"digest\": \"sha256:" HEX "\", \"size\": -5}], \"annotations\": {" STATEMENT "}}"},
		{PQ_ECORRUPT, "{\"layers\": [{" LAYER ", \"digest\": \"sha256:" HEX "\", \"size\": 5, \"annotations\": "
	                  "{\"pratique.base\": \"x\"}}], \"annotations\": {" STATEMENT "}}"},
		{PQ_ECORRUPT, "{\"layers\": [{" LAYER ", \"digest\": \"sha256:" HEX "\", \"size\": 5}]}"},
		{PQ_EPARSE, "{\"layers\": [], \"annotations\": {\"pratique.manifest\": \"x\"}}"},
		{PQ_ECORRUPT, "{\"layers\": {}}"},
		{PQ_ECORRUPT, "[1]"},
		{PQ_ECORRUPT, "<html>"},
	};
	static struct pq_oci_artifact artifact;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (pq_oci_artifact_parse(cases[i].json, strlen(cases[i].json), "url", &artifact, &err) != cases[i].status)
			fail_msg("%s: %s", cases[i].json, err.msg);
}

static void
test_challenges(void **state)
{
	struct pq_oci_challenge challenge;
	char *token;

	(void)state;
	assert_int_equal(pq_oci_challenge_parse("Basic realm=\"x\"", "url", &challenge, &err), PQ_OK);
	assert_int_equal(challenge.scheme, PQ_OCI_BASIC);
	assert_int_equal(
		pq_oci_challenge_parse("bearer Realm=\"https://a/t\", service=reg , scope=\"repository:a\\\"b:pull,push\"",
	                           "url", &challenge, &err),
		PQ_OK);
	assert_int_equal(challenge.scheme, PQ_OCI_BEARER);
	assert_string_equal(challenge.realm, "https://a/t");
	assert_string_equal(challenge.service, "reg");
	assert_string_equal(challenge.scope, "repository:a\"b:pull,push");
	static const char *const bad[] = {"",
	                                  "Digest realm=x",
	                                  "Basically",
	                                  "Bearer ",
	                                  "Bearer service=x",
	                                  "Bearer realm=\"x",
	                                  "Bearer realm=\"x\" junk"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pq_oci_challenge_parse(bad[i], "url", &challenge, &err), PQ_EFAILED);

	assert_int_equal(pq_oci_token_parse("{\"access_token\": \"abc.d\"}", 25, "url", &token, &err), PQ_OK);
	assert_string_equal(token, "abc.d");
	free(token);
	assert_int_equal(pq_oci_token_parse("{\"token\": \"a\\nb\"}", 17, "url", &token, &err), PQ_ECORRUPT);
	assert_int_equal(pq_oci_token_parse("{}", 2, "url", &token, &err), PQ_ECORRUPT);
	assert_int_equal(pq_oci_token_parse("x", 1, "url", &token, &err), PQ_ECORRUPT);
}

static void
test_backoff(void **state)
{
	struct pq_backoff backoff = {.first_ms = 100, .longest_ms = 1500};
	static const uint32_t bounds[] = {100, 200, 400, 800, 1500, 1500, 1500};
	bool differ = false;

	(void)state;
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		uint32_t wait = pq_backoff_next(&backoff);

		assert_in_range(wait, bounds[i] / 2, bounds[i]);
	}
	backoff.failures = UINT32_MAX;
	for (uint32_t i = 0, first = pq_backoff_next(&backoff); i < 100; i++)
		differ |= pq_backoff_next(&backoff) != first;
	assert_true(differ);
	backoff = (struct pq_backoff){.first_ms = 1, .longest_ms = 1};
	assert_int_equal(pq_backoff_next(&backoff), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_bad_urls),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_bad_credentials),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_artifact),
		cmocka_unit_test(test_foreign_artifacts),
		cmocka_unit_test(test_challenges),
		cmocka_unit_test(test_backoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

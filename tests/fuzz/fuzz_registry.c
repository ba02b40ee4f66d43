/*
 * What registries and files of credentials say: arbitrary bytes as an artifact, a challenge, a token, credentials, a URL.
 * An artifact that is taken has sound digests and a manifest that reads back.
 */
#include "fetch/credentials.h"
#include "fetch/oci_artifact.h"
#include "fetch/url.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_artifact(const uint8_t *data, size_t size)
{
	static struct pq_oci_artifact artifact;
	struct pq_manifest manifest;
	char *json;

	if (pq_oci_artifact_parse((const char *)data, size, "url", &artifact, NULL) != PQ_OK)
		return;
	if (pq_manifest_parse(artifact.text, artifact.text_len, "url", &manifest, NULL) != PQ_OK)
		abort();
	for (size_t i = 0; i < artifact.n_layers; i++)
		if (strspn(artifact.layers[i].digest, "0123456789abcdef") != 2 * PQ_DIGEST_BYTES ||
		    (artifact.layers[i].base[0] != '\0' &&
		     strspn(artifact.layers[i].base, "0123456789abcdef") != 2 * PQ_DIGEST_BYTES))
			abort();
	if (pq_oci_artifact_format(&artifact, &manifest, &json, NULL) != PQ_OK)
		abort();
	if (pq_oci_artifact_parse(json, strlen(json), "url", &artifact, NULL) != PQ_OK)
		abort();
	free(json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pq_url url;
	struct pq_oci_challenge challenge;
	struct pq_credentials *credentials;
	char *token, *text = malloc(size + 1);

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	check_artifact(data, size);
	if (pq_oci_challenge_parse(text, "url", &challenge, NULL) == PQ_OK && challenge.scheme == PQ_OCI_BEARER &&
	    challenge.realm[0] == '\0')
		abort();
	if (pq_oci_token_parse(text, size, "url", &token, NULL) == PQ_OK)
		free(token);
	if (pq_credentials_parse(text, size, "file", &credentials, NULL) == PQ_OK) {
		pq_credentials_for(credentials, "host");
		pq_credentials_free(credentials);
	}
	if (pq_url_parse(text, true, &url, NULL) == PQ_OK && strstr(url.path, "/../") != NULL && url.kind != PQ_URL_FILE)
		abort();
	free(text);
	return 0;
}

#include "fetch/oci_artifact.h"

#include "policy/json_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static enum pq_status
wrong(const char *where, const char *what, struct pq_err *err)
{
	return pq_fail_at(err, PQ_ECORRUPT, where, 0, 0, "is no revision of Pratique: %s", what);
}

static bool
is_hex(const char *text)
{
	return text != NULL && strlen(text) == 2 * PQ_DIGEST_BYTES &&
	       strspn(text, "0123456789abcdef") == 2 * PQ_DIGEST_BYTES;
}

static const char *
text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static enum pq_status
read_layer(const json_t *layer, const char *where, struct pq_oci_artifact *artifact, struct pq_err *err)
{
	const char *type = text_of(layer, "mediaType"), *digest = text_of(layer, "digest");
	const char *base = text_of(json_object_get(layer, "annotations"), PQ_OCI_BASE_KEY);
	json_int_t size = json_integer_value(json_object_get(layer, "size"));

	if (type == NULL || strcmp(type, PQ_OCI_LAYER_TYPE) != 0 || artifact->n_layers > PQ_PUSH_BASES_MAX)
		return PQ_OK;
	if (digest == NULL || strncmp(digest, "sha256:", 7) != 0 || !is_hex(digest + 7))
		return wrong(where, "a layer has no digest", err);
	if (size <= 0)
		return wrong(where, "a layer has no size", err);
	if (base != NULL && !is_hex(base))
		return wrong(where, "a layer has differences against no digest", err);
	struct pq_oci_layer *made = &artifact->layers[artifact->n_layers++];

	*made = (struct pq_oci_layer){.size = (uint64_t)size};
	strcpy(made->digest, digest + 7);
	strcpy(made->base, base != NULL ? base : "");
	return PQ_OK;
}

static enum pq_status
read_artifact(const json_t *root, const char *where, struct pq_oci_artifact *artifact, struct pq_err *err)
{
	const char *text = text_of(json_object_get(root, "annotations"), PQ_OCI_MANIFEST_KEY);
	const json_t *layers = json_object_get(root, "layers"), *layer;
	struct pq_manifest manifest;
	size_t i;

	if (!json_is_object(root) || !json_is_array(layers))
		return wrong(where, "it is no image manifest", err);
	if (text == NULL)
		return wrong(where, "it has no annotation " PQ_OCI_MANIFEST_KEY, err);
	artifact->text_len = strlen(text);
	if (artifact->text_len > PQ_MANIFEST_BYTES_MAX)
		return wrong(where, "its annotation " PQ_OCI_MANIFEST_KEY " is too long", err);
	strcpy(artifact->text, text);
	enum pq_status status = pq_manifest_parse(text, artifact->text_len, where, &manifest, err);

	if (status != PQ_OK)
		return status;
	pq_digest_hex(manifest.digest, artifact->store);
	json_array_foreach(layers, i, layer)
	{
		status = read_layer(layer, where, artifact, err);
		if (status != PQ_OK)
			return status;
	}
	return artifact->n_layers > 0 ? PQ_OK : wrong(where, "it has no layer with a snapshot", err);
}

enum pq_status
pq_oci_artifact_parse(const char *json, size_t len, const char *where, struct pq_oci_artifact *ret_artifact,
                      struct pq_err *err)
{
	json_error_t fault;
	bool no_memory;
	json_t *root = pq_json_load(json, len, JSON_REJECT_DUPLICATES, &fault, &no_memory);
	struct pq_oci_artifact *artifact = calloc(1, sizeof(*artifact));
	enum pq_status status;

	if (artifact == NULL || no_memory)
		status = pq_fail_at(err, PQ_ENOMEM, where, 0, 0, "cannot be read: no memory");
	else if (root == NULL)
		status = wrong(where, "it is not JSON", err);
	else
		status = read_artifact(root, where, artifact, err);
	if (status == PQ_OK)
		*ret_artifact = *artifact;
	json_decref(root);
	free(artifact);
	return status;
}

static json_t *
descriptor(const char *type, const char *hex, uint64_t size)
{
	return json_pack("{s:s, s:s+, s:I}", "mediaType", type, "digest", "sha256:", hex, "size", (json_int_t)size);
}

static json_t *
layers_of(const struct pq_oci_artifact *artifact)
{
	json_t *layers = json_array();
	char title[2 * PQ_DIGEST_HEX_BYTES + 16];

	for (size_t i = 0; i < artifact->n_layers; i++) {
		const struct pq_oci_layer *layer = &artifact->layers[i];
		json_t *made = descriptor(PQ_OCI_LAYER_TYPE, layer->digest, layer->size);
		json_t *notes = json_object();

		/* The name that tools which unpack artifacts give to the file. */
		if (layer->base[0] == '\0')
			snprintf(title, sizeof(title), "%s.mdb.zst", artifact->store);
		else
			snprintf(title, sizeof(title), "%s.from.%s.zst", artifact->store, layer->base);
		json_object_set_new(notes, "org.opencontainers.image.title", json_string(title));
		if (layer->base[0] != '\0')
			json_object_set_new(notes, PQ_OCI_BASE_KEY, json_string(layer->base));
		json_object_set_new(made, "annotations", notes);
		json_array_append_new(layers, made);
	}
	return layers;
}

enum pq_status
pq_oci_artifact_format(const struct pq_oci_artifact *artifact, const struct pq_manifest *manifest, char **ret_json,
                       struct pq_err *err)
{
	char created[PQ_TIME_TEXT_BYTES], sequence[24];

	pq_time_format(manifest->created_s, created);
	snprintf(sequence, sizeof(sequence), "%" PRIu64, manifest->sequence);
	json_t *root = json_pack("{s:i, s:s, s:s, s:o, s:o, s:{s:s, s:s, s:s}}", "schemaVersion", 2, "mediaType",
	                         PQ_OCI_MANIFEST_TYPE, "artifactType", PQ_OCI_ARTIFACT_TYPE, "config",
	                         descriptor(PQ_OCI_CONFIG_TYPE, PQ_OCI_CONFIG_HEX, strlen(PQ_OCI_CONFIG)), "layers",
	                         layers_of(artifact), "annotations", "org.opencontainers.image.created", created,
	                         "org.opencontainers.image.version", sequence, PQ_OCI_MANIFEST_KEY, artifact->text);
	char *json = root != NULL ? pq_json_dump(root, JSON_COMPACT) : NULL;

	json_decref(root);
	if (json == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for the manifest of an image");
	*ret_json = json;
	return PQ_OK;
}

/* name=value or name="value" at *text, which goes on to the next; false where there is none, or it is too long. */
static bool
next_parameter(const char **text, char *name, size_t name_size, char *value, size_t value_size)
{
	const char *c = *text + strspn(*text, " \t,");
	size_t len = strcspn(c, "= \t,"), n = 0;

	if (len == 0 || len >= name_size || c[len] != '=')
		return false;
	memcpy(name, c, len);
	name[len] = '\0';
	c += len + 1;
	bool quoted = *c == '"';

	for (c += quoted; *c != '\0' && (quoted ? *c != '"' : *c != ',' && *c != ' '); c++) {
		if (quoted && *c == '\\' && c[1] != '\0')
			c++;
		if (n + 1 >= value_size || (unsigned char)*c < 0x20)
			return false;
		value[n++] = *c;
	}
	if (quoted && *c++ != '"')
		return false;
	value[n] = '\0';
	*text = c;
	return true;
}

enum pq_status
pq_oci_challenge_parse(const char *text, const char *where, struct pq_oci_challenge *ret_challenge, struct pq_err *err)
{
	struct pq_oci_challenge challenge = {.scheme = PQ_OCI_BASIC};
	char name[64], value[sizeof(challenge.realm)];

	if (strncasecmp(text, "Basic", 5) == 0 && (text[5] == '\0' || text[5] == ' ')) {
		*ret_challenge = challenge;
		return PQ_OK;
	}
	if (strncasecmp(text, "Bearer ", 7) != 0)
		return pq_fail_at(err, PQ_EFAILED, where, 0, 0, "wants a way of logging in that is not known here: %.60s",
		                  text);
	challenge.scheme = PQ_OCI_BEARER;
	text += 7;
	while (next_parameter(&text, name, sizeof(name), value, sizeof(value))) {
		if (strcasecmp(name, "realm") == 0)
			snprintf(challenge.realm, sizeof(challenge.realm), "%s", value);
		else if (strcasecmp(name, "service") == 0 && strlen(value) < sizeof(challenge.service))
			strcpy(challenge.service, value);
		else if (strcasecmp(name, "scope") == 0 && strlen(value) < sizeof(challenge.scope))
			strcpy(challenge.scope, value);
	}
	if (text[strspn(text, " \t,")] != '\0' || challenge.realm[0] == '\0')
		return pq_fail_at(err, PQ_EFAILED, where, 0, 0, "wants a token, and does not say soundly from where");
	*ret_challenge = challenge;
	return PQ_OK;
}

enum pq_status
pq_oci_token_parse(const char *json, size_t len, const char *where, char **ret_token, struct pq_err *err)
{
	json_error_t fault;
	bool no_memory;
	json_t *root = pq_json_load(json, len, 0, &fault, &no_memory);
	const char *token = text_of(root, "token");

	if (no_memory)
		return pq_fail_at(err, PQ_ENOMEM, where, 0, 0, "cannot be read: no memory");
	if (token == NULL || token[0] == '\0')
		token = text_of(root, "access_token");
	bool sound = token != NULL && token[0] != '\0';

	for (const char *c = token; sound && *c != '\0'; c++)
		sound = isgraph((unsigned char)*c);
	char *copy = sound ? strdup(token) : NULL;

	json_decref(root);
	if (!sound)
		return pq_fail_at(err, PQ_ECORRUPT, where, 0, 0, "gives no token");
	if (copy == NULL)
		return pq_fail_at(err, PQ_ENOMEM, where, 0, 0, "cannot be read: no memory");
	*ret_token = copy;
	return PQ_OK;
}

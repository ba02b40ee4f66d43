#include "fetch/credentials.h"

#include "fetch/limits.h"
#include "policy/arena.h"
#include "policy/json_text.h"
#include "storage/files.h"

#include <jansson.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { S3_ID, S3_SECRET, S3_TOKEN, S3_REGION, S3_WORDS };

static const char *const s3_names[S3_WORDS] = {"access_key_id", "secret_access_key", "session_token", "region"};
static const char *const s3_variables[S3_WORDS] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                                                   "AWS_REGION"};

struct login {
	struct login *next;
	char *host;
	char *words; /* name:password */
};

struct pq_credentials {
	struct login *logins;
	char *s3[S3_WORDS];
};

static void
wipe(char *text)
{
	if (text != NULL)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

void
pq_credentials_free(struct pq_credentials *credentials)
{
	if (credentials == NULL)
		return;
	for (struct login *login = credentials->logins, *next; login != NULL; login = next) {
		next = login->next;
		free(login->host);
		wipe(login->words);
		free(login);
	}
	for (size_t i = 0; i < S3_WORDS; i++)
		wipe(credentials->s3[i]);
	free(credentials);
}

/* The host of an entry: Docker writes "https://index.docker.io/v1/" as well as "localhost:5000". */
static char *
host_of(const char *entry)
{
	const char *scheme = strstr(entry, "://");
	const char *host = scheme != NULL ? scheme + 3 : entry;

	return strndup(host, strcspn(host, "/"));
}

/* base64 to text; NULL where it is none, or holds no colon, or what a header could not carry. */
static char *
decode_login(const char *auth)
{
	size_t len = strlen(auth);
	unsigned char *bytes = malloc(len / 4 * 3 + 4);
	int got =
		bytes != NULL && len > 0 && len % 4 == 0 ? EVP_DecodeBlock(bytes, (const unsigned char *)auth, (int)len) : -1;

	if (got >= 0) {
		for (size_t i = len; i > 0 && auth[i - 1] == '=' && got > 0; i--)
			got--;
		bytes[got] = '\0';
	}
	bool sound = got > 0 && strlen((char *)bytes) == (size_t)got && strchr((char *)bytes, ':') != NULL;

	for (int i = 0; sound && i < got; i++)
		sound = bytes[i] >= 0x20 && bytes[i] != 0x7f;
	if (sound)
		return (char *)bytes;
	free(bytes);
	return NULL;
}

static enum pq_status
add_login(struct pq_credentials *credentials, const char *entry, const json_t *value, const char *where,
          struct pq_err *err)
{
	const char *auth = json_string_value(json_object_get(value, "auth"));

	/* Docker leaves entries without a password where a helper has it. */
	if (json_is_object(value) && (auth == NULL || auth[0] == '\0'))
		return PQ_OK;
	char *words = auth != NULL ? decode_login(auth) : NULL;

	if (words == NULL)
		return pq_fail_at(err, PQ_EPARSE, where, 0, 0, "auths[\"%.100s\"].auth is not name:password in base64", entry);
	struct login *login = malloc(sizeof(*login));
	char *host = host_of(entry);

	if (login == NULL || host == NULL) {
		free(login);
		free(host);
		wipe(words);
		return pq_fail_at(err, PQ_ENOMEM, where, 0, 0, "cannot be read: no memory");
	}
	*login = (struct login){.next = credentials->logins, .host = host, .words = words};
	credentials->logins = login;
	return PQ_OK;
}

static enum pq_status
set_s3(struct pq_credentials *credentials, size_t i, const char *text, const char *where, struct pq_err *err)
{
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
		if (*c <= 0x20 || *c >= 0x7f)
			return pq_fail_at(err, PQ_EINVAL, where, 0, 0, "holds blanks or control characters");
	if (text[0] == '\0')
		return pq_fail_at(err, PQ_EINVAL, where, 0, 0, "is empty");
	wipe(credentials->s3[i]);
	credentials->s3[i] = strdup(text);
	return credentials->s3[i] != NULL ? PQ_OK : pq_fail_at(err, PQ_ENOMEM, where, 0, 0, "cannot be read: no memory");
}

static enum pq_status
read_json(struct pq_credentials *credentials, json_t *root, const char *where, struct pq_err *err)
{
	json_t *auths = json_object_get(root, "auths"), *s3 = json_object_get(root, "s3"), *value;
	enum pq_status status = PQ_OK;
	const char *entry;

	if (!json_is_object(root) || (auths != NULL && !json_is_object(auths)) || (s3 != NULL && !json_is_object(s3)))
		return pq_fail_at(err, PQ_EPARSE, where, 0, 0,
		                  "is no file of credentials: objects \"auths\" and \"s3\" in one");
	json_object_foreach(auths, entry, value)
	{
		status = add_login(credentials, entry, value, where, err);
		if (status != PQ_OK)
			return status;
	}
	for (size_t i = 0; i < S3_WORDS && status == PQ_OK; i++) {
		value = json_object_get(s3, s3_names[i]);
		if (value != NULL && !json_is_string(value))
			return pq_fail_at(err, PQ_EPARSE, where, 0, 0, "s3.%s is no text", s3_names[i]);
		if (value != NULL)
			status = set_s3(credentials, i, json_string_value(value), where, err);
	}
	if (status == PQ_OK && (credentials->s3[S3_ID] == NULL) != (credentials->s3[S3_SECRET] == NULL))
		status = pq_fail_at(err, PQ_EPARSE, where, 0, 0, "s3 needs both access_key_id and secret_access_key");
	return status;
}

enum pq_status
pq_credentials_parse(const char *text, size_t len, const char *where, struct pq_credentials **ret_credentials,
                     struct pq_err *err)
{
	json_error_t fault;
	struct pq_credentials *credentials = calloc(1, sizeof(*credentials));
	bool no_memory;
	json_t *root = pq_json_load(text, len, JSON_REJECT_DUPLICATES, &fault, &no_memory);
	enum pq_status status;

	/* The parser's own message may quote what it read. */
	if (credentials == NULL || no_memory)
		status = pq_fail_at(err, PQ_ENOMEM, where, 0, 0, "cannot be read: no memory");
	else if (root == NULL)
		status = pq_fail_at(err, PQ_EPARSE, where, fault.line, fault.column, "is not JSON");
	else
		status = read_json(credentials, root, where, err);
	json_decref(root);
	if (status != PQ_OK) {
		pq_credentials_free(credentials);
		return status;
	}
	*ret_credentials = credentials;
	return PQ_OK;
}

static enum pq_status
load_file(const char *path, struct pq_credentials **ret_credentials, struct pq_err *err)
{
	struct pq_arena arena;
	const char *text;
	size_t len;

	pq_arena_init(&arena, PQ_CREDENTIALS_BYTES_MAX + 4096);
	enum pq_status status = pq_files_read(path, PQ_CREDENTIALS_BYTES_MAX, &arena, &text, &len, err);

	if (status == PQ_OK) {
		status = pq_credentials_parse(text, len, path, ret_credentials, err);
		OPENSSL_cleanse((char *)text, len);
	}
	pq_arena_release(&arena);
	return status;
}

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The file that is meant where none is named; one of Docker's need not exist. */
static enum pq_status
load_usual(struct pq_credentials **ret_credentials, struct pq_err *err)
{
	static const char *const docker[][2] = {{"DOCKER_CONFIG", "/config.json"}, {"HOME", "/.docker/config.json"}};
	char path[PATH_MAX];

	if (variable("PRATIQUE_CREDENTIALS") != NULL)
		return load_file(variable("PRATIQUE_CREDENTIALS"), ret_credentials, err);
	for (size_t i = 0; i < 2; i++) {
		const char *folder = variable(docker[i][0]);
		struct pq_err missing = {.status = PQ_OK};

		if (folder == NULL || snprintf(path, sizeof(path), "%s%s", folder, docker[i][1]) >= (int)sizeof(path))
			continue;
		enum pq_status status = load_file(path, ret_credentials, &missing);

		if (status == PQ_OK)
			return PQ_OK;
		if (status != PQ_ENOTFOUND) {
			if (err != NULL)
				*err = missing;
			return status;
		}
	}
	return pq_credentials_parse("{}", 2, "", ret_credentials, err);
}

static enum pq_status
read_environment(struct pq_credentials *credentials, struct pq_err *err)
{
	const char *id = variable("AWS_ACCESS_KEY_ID"), *secret = variable("AWS_SECRET_ACCESS_KEY");
	const char *region = variable("AWS_DEFAULT_REGION");
	enum pq_status status = PQ_OK;

	if ((id == NULL) != (secret == NULL))
		return pq_fail_at(err, PQ_EINVAL, id == NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY", 0, 0,
		                  "is not set, while the other half of the key is");
	if (id != NULL) {
		wipe(credentials->s3[S3_TOKEN]); /* it would belong to another key */
		credentials->s3[S3_TOKEN] = NULL;
	}
	if (region != NULL)
		status = set_s3(credentials, S3_REGION, region, "AWS_DEFAULT_REGION", err);
	for (size_t i = 0; i < S3_WORDS && status == PQ_OK; i++)
		if (variable(s3_variables[i]) != NULL)
			status = set_s3(credentials, i, variable(s3_variables[i]), s3_variables[i], err);
	return status;
}

enum pq_status
pq_credentials_load(const char *path, struct pq_credentials **ret_credentials, struct pq_err *err)
{
	struct pq_credentials *credentials;
	enum pq_status status = path != NULL ? load_file(path, &credentials, err) : load_usual(&credentials, err);

	if (status != PQ_OK)
		return status;
	status = read_environment(credentials, err);
	if (status != PQ_OK) {
		pq_credentials_free(credentials);
		return status;
	}
	*ret_credentials = credentials;
	return PQ_OK;
}

const char *
pq_credentials_for(const struct pq_credentials *credentials, const char *host)
{
	if (credentials != NULL)
		for (const struct login *login = credentials->logins; login != NULL; login = login->next)
			if (strcasecmp(login->host, host) == 0)
				return login->words;
	return NULL;
}

struct pq_s3_key
pq_credentials_s3(const struct pq_credentials *credentials)
{
	if (credentials == NULL)
		return (struct pq_s3_key){NULL, NULL, NULL, NULL};
	return (struct pq_s3_key){credentials->s3[S3_ID], credentials->s3[S3_SECRET], credentials->s3[S3_TOKEN],
	                          credentials->s3[S3_REGION]};
}

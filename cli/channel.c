#include "cli/channel.h"

#include "policy/arena.h"
#include "storage/files.h"

#include <grpc/grpc_security.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A reply to a thousand lines has some megabytes. */
#define REPLY_BYTES_MAX (64 * 1024 * 1024)
#define FILE_BYTES_MAX ((size_t)1 << 20)
#define BEARER "Bearer "

static enum pq_status
read_file(const char *path, bool secret, struct pq_arena *arena, const char **ret, struct pq_err *err)
{
	struct stat info;
	size_t len;

	*ret = NULL;
	if (path == NULL)
		return PQ_OK;
	if (secret && stat(path, &info) == 0 && (info.st_mode & S_IRWXO) != 0)
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "others may read or write it: chmod o= it");
	return pq_files_read(path, FILE_BYTES_MAX, arena, ret, &len, err);
}

static enum pq_status
read_token(struct pq_channel *channel, const char *path, const char *text, struct pq_err *err)
{
	size_t len = strcspn(text, "\r\n");

	if (len == 0 || len >= sizeof(channel->authorization) - strlen(BEARER))
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0,
		                  len == 0 ? "its first line is no token" : "the token is too long");
	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return pq_fail_at(err, PQ_EINVAL, path, 0, 0,
			                  "its first line is no token: it has more than plain characters");
	}
	snprintf(channel->authorization, sizeof(channel->authorization), BEARER "%.*s", (int)len, text);
	return PQ_OK;
}

/* Does the address stay on this machine? */
static bool
is_local(const char *address)
{
	static const char *const starts[] = {"unix:", "127.", "localhost:", "[::1]:"};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (strncmp(address, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

enum pq_status
pq_channel_check(const char *address, const struct pq_channel_access *access, struct pq_err *err)
{
	const char *first = access->tls_ca != NULL     ? "--tls-ca"
	                    : access->tls_cert != NULL ? "--tls-cert"
	                    : access->tls_key != NULL  ? "--tls-key"
	                    : access->token_file != NULL ? "--token-file"
	                                                 : NULL;

	if (address == NULL && first != NULL)
		return pq_fail_at(err, PQ_EINVAL, first, 0, 0, "says nothing without --server");
	if (address == NULL)
		return PQ_OK;
	if (address[0] == '\0' || strlen(address) >= PQ_ERR_WHERE_MAX)
		return pq_fail_at(err, PQ_EINVAL, "--server", 0, 0, "\"%.100s\" is no address of a server", address);
	if ((access->tls_cert == NULL) != (access->tls_key == NULL))
		return pq_fail_at(err, PQ_EINVAL, access->tls_cert != NULL ? "--tls-cert" : "--tls-key", 0, 0,
		                  "certificate and key go together: --tls-cert and --tls-key");
	if (access->tls_cert != NULL && access->tls_ca == NULL)
		return pq_fail_at(err, PQ_EINVAL, "--tls-cert", 0, 0, "needs --tls-ca, the authorities of the server");
	if (access->token_file != NULL && access->tls_ca == NULL && !is_local(address))
		return pq_fail_at(err, PQ_EINVAL, "--token-file", 0, 0,
		                  "the token would go to %.100s for all to read: add --tls-ca", address);
	return PQ_OK;
}

static enum pq_status
make_credentials(struct pq_channel *channel, const struct pq_channel_access *access, struct pq_arena *arena,
                 grpc_channel_credentials **ret, struct pq_err *err)
{
	const char *ca, *cert, *key, *token;
	enum pq_status status = read_file(access->tls_ca, false, arena, &ca, err);

	if (status == PQ_OK)
		status = read_file(access->tls_cert, false, arena, &cert, err);
	if (status == PQ_OK)
		status = read_file(access->tls_key, true, arena, &key, err);
	if (status == PQ_OK)
		status = read_file(access->token_file, true, arena, &token, err);
	if (status == PQ_OK && token != NULL)
		status = read_token(channel, access->token_file, token, err);
	if (status != PQ_OK)
		return status;
	if (ca == NULL) {
		*ret = grpc_insecure_credentials_create();
		return PQ_OK;
	}
	grpc_ssl_pem_key_cert_pair pair = {key, cert};
	*ret = grpc_ssl_credentials_create_ex(ca, cert != NULL ? &pair : NULL, NULL, NULL);
	return PQ_OK;
}

enum pq_status
pq_channel_open(struct pq_channel *channel, const char *address, const struct pq_channel_access *access,
                struct pq_err *err)
{
	static const struct pq_channel_access plain;
	/* What the environment says of proxies is about the world outside, not about a server next door. */
	grpc_arg args[] = {
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_ENABLE_HTTP_PROXY, {.integer = 0}},
		{GRPC_ARG_INTEGER, (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, {.integer = REPLY_BYTES_MAX}},
	};
	const grpc_channel_args channel_args = {sizeof(args) / sizeof(args[0]), args};
	grpc_channel_credentials *credentials;
	struct pq_arena arena;

	if (access == NULL)
		access = &plain;
	enum pq_status status = pq_channel_check(address, access, err);
	if (status != PQ_OK)
		return status;
	*channel = (struct pq_channel){0};
	pq_arena_init(&arena, 8 * FILE_BYTES_MAX);
	status = make_credentials(channel, access, &arena, &credentials, err);
	pq_arena_release(&arena);
	if (status != PQ_OK)
		return status;
	channel->channel = grpc_channel_create(address, credentials, &channel_args);
	grpc_channel_credentials_release(credentials);
	return PQ_OK;
}

void
pq_channel_close(struct pq_channel *channel)
{
	grpc_channel_destroy(channel->channel);
}

size_t
pq_channel_metadata(const struct pq_channel *channel, grpc_metadata *ret)
{
	if (channel->authorization[0] == '\0')
		return 0;
	*ret = (grpc_metadata){.key = grpc_slice_from_static_string("authorization"),
	                       .value = grpc_slice_from_static_string(channel->authorization)};
	return 1;
}

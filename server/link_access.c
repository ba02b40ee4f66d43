#include "server/link_access.h"

#include "server/limits.h"
#include "server/pem.h"

#include <stdio.h>
#include <string.h>

#define BEARER "Bearer "

static enum pq_status
read_token(const char *path, const char *text, struct pq_link_secrets *secrets, struct pq_err *err)
{
	size_t len = strcspn(text, "\r\n");

	if (len == 0 || len >= sizeof(secrets->authorization) - strlen(BEARER))
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "%s",
		                  len == 0 ? "its first line is no token" : "the token is too long");
	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return pq_fail_at(err, PQ_EINVAL, path, 0, 0,
			                  "its first line is no token: it has more than plain characters");
	}
	snprintf(secrets->authorization, sizeof(secrets->authorization), BEARER "%.*s", (int)len, text);
	return PQ_OK;
}

static enum pq_status
read_all(const struct pq_link_access *access, struct pq_arena *arena, const char *ret_texts[PQ_LINK_FILES],
         struct pq_err *err)
{
	static const mode_t forbidden[PQ_LINK_FILES] = {[PQ_LINK_CA] = S_IWGRP | S_IWOTH,
	                                                [PQ_LINK_CERT] = S_IWGRP | S_IWOTH,
	                                                [PQ_LINK_KEY] = S_IRWXO,
	                                                [PQ_LINK_TOKEN] = S_IRWXO};

	for (size_t i = 0; i < PQ_LINK_FILES; i++) {
		ret_texts[i] = NULL;
		if (access->paths[i] == NULL)
			continue;
		enum pq_status status = pq_secret_file_read(access->paths[i], forbidden[i], arena, &ret_texts[i], err);
		if (status != PQ_OK)
			return status;
	}
	return PQ_OK;
}

static enum pq_status
check(const struct pq_link_access *access, const char *texts[PQ_LINK_FILES], struct pq_err *err)
{
	enum pq_status status = PQ_OK;
	int64_t not_after;

	if (texts[PQ_LINK_CA] != NULL)
		status = pq_pem_check_authorities(access->paths[PQ_LINK_CA], texts[PQ_LINK_CA], err);
	if (status == PQ_OK && texts[PQ_LINK_CERT] != NULL)
		status = pq_pem_check_pair(access->paths[PQ_LINK_CERT], texts[PQ_LINK_CERT], access->paths[PQ_LINK_KEY],
		                           texts[PQ_LINK_KEY], &not_after, err);
	return status;
}

enum pq_status
pq_link_access_read(const struct pq_link_access *access, struct pq_link_secrets *ret_secrets,
                    grpc_channel_credentials **ret_credentials, struct pq_err *err)
{
	const char *texts[PQ_LINK_FILES];
	struct pq_arena arena;

	/* Before they are read: what changes meanwhile is seen as changed. */
	pq_link_access_see(access, ret_secrets);
	ret_secrets->authorization[0] = '\0';
	pq_arena_init(&arena, PQ_LINK_FILES * (PQ_SERVER_SECRET_BYTES + 4096));
	enum pq_status status = read_all(access, &arena, texts, err);
	if (status == PQ_OK)
		status = check(access, texts, err);
	if (status == PQ_OK && texts[PQ_LINK_TOKEN] != NULL)
		status = read_token(access->paths[PQ_LINK_TOKEN], texts[PQ_LINK_TOKEN], ret_secrets, err);
	if (status == PQ_OK && texts[PQ_LINK_CA] != NULL) {
		grpc_ssl_pem_key_cert_pair pair = {texts[PQ_LINK_KEY], texts[PQ_LINK_CERT]};
		*ret_credentials =
			grpc_ssl_credentials_create_ex(texts[PQ_LINK_CA], texts[PQ_LINK_CERT] != NULL ? &pair : NULL, NULL, NULL);
	} else if (status == PQ_OK) {
		*ret_credentials = grpc_insecure_credentials_create();
	}
	pq_arena_release(&arena);
	return status;
}

bool
pq_link_access_changed(const struct pq_link_access *access, const struct pq_link_secrets *secrets)
{
	for (size_t i = 0; i < PQ_LINK_FILES; i++) {
		if (access->paths[i] == NULL)
			continue;
		struct pq_file_stamp now = pq_file_stamp(access->paths[i]);
		if (!pq_file_stamp_equal(&now, &secrets->stamps[i]))
			return true;
	}
	return false;
}

void
pq_link_access_see(const struct pq_link_access *access, struct pq_link_secrets *secrets)
{
	for (size_t i = 0; i < PQ_LINK_FILES; i++)
		secrets->stamps[i] =
			access->paths[i] != NULL ? pq_file_stamp(access->paths[i]) : (struct pq_file_stamp){0};
}

#include "server/tls.h"

#include "server/limits.h"
#include "server/log.h"
#include "server/pem.h"
#include "server/secret_file.h"

#include <pthread.h>
#include <stdlib.h>

enum { CERT, KEY, CLIENT_CA, N_FILES };

/* What a port was last given. */
struct port {
	struct pq_tls *tls;
	uint64_t seen;
	struct port *next;
};

struct pq_tls {
	pthread_mutex_t lock; /* of all below; handshakes are rare beside calls */
	const char *paths[N_FILES];
	struct pq_file_stamp stamps[N_FILES]; /* when they were last read, well or not */
	struct pq_arena arena;                /* of the texts */
	const char *texts[N_FILES];           /* that are served; NULL = none */
	uint64_t generation;                  /* of the texts */
	int64_t not_after;
	struct port *ports;
};

static enum pq_status
read_all(const struct pq_tls *tls, struct pq_arena *arena, const char *ret_texts[N_FILES], int64_t *ret_not_after,
         struct pq_err *err)
{
	static const mode_t forbidden[N_FILES] = {
		[CERT] = S_IWGRP | S_IWOTH, [KEY] = S_IRWXO, [CLIENT_CA] = S_IWGRP | S_IWOTH};

	for (size_t i = 0; i < N_FILES; i++) {
		ret_texts[i] = NULL;
		if (tls->paths[i] == NULL)
			continue;
		enum pq_status status = pq_secret_file_read(tls->paths[i], forbidden[i], arena, &ret_texts[i], err);
		if (status != PQ_OK)
			return status;
	}
	enum pq_status status =
		pq_pem_check_pair(tls->paths[CERT], ret_texts[CERT], tls->paths[KEY], ret_texts[KEY], ret_not_after, err);
	if (status == PQ_OK && ret_texts[CLIENT_CA] != NULL)
		status = pq_pem_check_authorities(tls->paths[CLIENT_CA], ret_texts[CLIENT_CA], err);
	return status;
}

/* Read the files and serve what they hold, if it is good. Under the lock, or before anybody else has it. */
static enum pq_status
load(struct pq_tls *tls, struct pq_err *err)
{
	struct pq_arena arena;
	const char *texts[N_FILES];
	int64_t not_after;

	/* Before they are read: what changes meanwhile is read again. */
	for (size_t i = 0; i < N_FILES; i++)
		tls->stamps[i] = tls->paths[i] != NULL ? pq_file_stamp(tls->paths[i]) : (struct pq_file_stamp){0};
	pq_arena_init(&arena, N_FILES * (PQ_SERVER_SECRET_BYTES + 4096));
	enum pq_status status = read_all(tls, &arena, texts, &not_after, err);
	if (status != PQ_OK) {
		pq_arena_release(&arena);
		return status;
	}
	pq_arena_release(&tls->arena);
	tls->arena = arena;
	for (size_t i = 0; i < N_FILES; i++)
		tls->texts[i] = texts[i];
	tls->not_after = not_after;
	tls->generation++;
	return PQ_OK;
}

static bool
changed(const struct pq_tls *tls)
{
	for (size_t i = 0; i < N_FILES; i++) {
		if (tls->paths[i] == NULL)
			continue;
		struct pq_file_stamp now = pq_file_stamp(tls->paths[i]);
		if (!pq_file_stamp_equal(&now, &tls->stamps[i]))
			return true;
	}
	return false;
}

/* Under the lock. */
static void
look(struct pq_tls *tls)
{
	struct pq_err err = {0};
	char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX];

	if (!changed(tls))
		return;
	if (load(tls, &err) == PQ_OK) {
		PQ_LOG(PQ_LOG_INFO, "certificates_reloaded", PQ_LOG_TEXT("certificate", tls->paths[CERT]),
		       PQ_LOG_NUMBER("not_after", tls->not_after));
		return;
	}
	pq_err_format(&err, text, sizeof(text));
	PQ_LOG(PQ_LOG_ERROR, "certificates_refused", PQ_LOG_TEXT("error", text));
}

/* gRPC asks before each handshake. */
static grpc_ssl_certificate_config_reload_status
fetch(void *context, grpc_ssl_server_certificate_config **ret)
{
	struct port *port = context;
	struct pq_tls *tls = port->tls;
	grpc_ssl_certificate_config_reload_status status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;

	pthread_mutex_lock(&tls->lock);
	look(tls);
	if (port->seen != tls->generation) {
		grpc_ssl_pem_key_cert_pair pair = {tls->texts[KEY], tls->texts[CERT]};
		/* gRPC insists on authorities also where clients are not asked for a certificate; then nothing is done with them. */
		const char *authorities = tls->texts[CLIENT_CA] != NULL ? tls->texts[CLIENT_CA] : tls->texts[CERT];
		*ret = grpc_ssl_server_certificate_config_create(authorities, &pair, 1);
		port->seen = tls->generation;
		status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
	}
	pthread_mutex_unlock(&tls->lock);
	return status;
}

enum pq_status
pq_tls_open(const char *cert, const char *key, const char *client_ca, struct pq_tls **ret_tls, struct pq_err *err)
{
	struct pq_tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for certificates");
	tls->paths[CERT] = cert;
	tls->paths[KEY] = key;
	tls->paths[CLIENT_CA] = client_ca;
	pq_arena_init(&tls->arena, 0);
	enum pq_status status = load(tls, err);
	if (status != PQ_OK) {
		free(tls);
		return status == PQ_ENOMEM ? PQ_ENOMEM : PQ_EINVAL;
	}
	pthread_mutex_init(&tls->lock, NULL);
	*ret_tls = tls;
	return PQ_OK;
}

void
pq_tls_free(struct pq_tls *tls)
{
	if (tls == NULL)
		return;
	while (tls->ports != NULL) {
		struct port *port = tls->ports;
		tls->ports = port->next;
		free(port);
	}
	pq_arena_release(&tls->arena);
	pthread_mutex_destroy(&tls->lock);
	free(tls);
}

bool
pq_tls_mutual(const struct pq_tls *tls)
{
	return tls->paths[CLIENT_CA] != NULL;
}

grpc_server_credentials *
pq_tls_credentials(struct pq_tls *tls)
{
	struct port *port = calloc(1, sizeof(*port));

	if (port == NULL)
		return NULL;
	port->tls = tls;
	pthread_mutex_lock(&tls->lock);
	port->next = tls->ports;
	tls->ports = port;
	pthread_mutex_unlock(&tls->lock);
	/* "Request and verify" alone would let clients in that show no certificate. */
	grpc_ssl_server_credentials_options *options = grpc_ssl_server_credentials_create_options_using_config_fetcher(
		pq_tls_mutual(tls) ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
						   : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
		fetch, port);
	return grpc_ssl_server_credentials_create_with_options(options);
}

void
pq_tls_refresh(struct pq_tls *tls)
{
	pthread_mutex_lock(&tls->lock);
	look(tls);
	pthread_mutex_unlock(&tls->lock);
}

int64_t
pq_tls_not_after(struct pq_tls *tls)
{
	pthread_mutex_lock(&tls->lock);
	int64_t not_after = tls->not_after;
	pthread_mutex_unlock(&tls->lock);
	return not_after;
}

/*
 * The command line and the environment of the server, without starting it. The input is cut at its zeros: arguments, and
 * after one that is empty settings of the environment (NAME=VALUE). What must hold of what is taken: no address that
 * other machines reach without what makes it safe there, and all numbers within their bounds.
 *
 * fuzz: -max_len=4096
 */
#include "server/options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *settings[WORDS_MAX];
static size_t n_settings;

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static char *
look_up(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < n_settings; i++) {
		if (strncmp(settings[i], name, len) == 0 && settings[i][len] == '=')
			return settings[i] + len + 1;
	}
	return NULL;
}

static void
check_addresses(const struct pq_options *options)
{
	bool roles = options->roles != NULL || options->tokens != NULL;
	bool proven = options->tls_client_ca != NULL || options->tokens != NULL;

	must(options->n_listen >= 1 && options->n_listen <= PQ_SERVER_LISTEN_MAX);
	must(options->n_admin_listen <= PQ_SERVER_LISTEN_MAX && options->n_metrics_listen <= 1);
	for (size_t i = 0; i < options->n_listen; i++) {
		const struct pq_address *address = &options->listen[i];
		must(address->target[0] != '\0');
		must(!address->reachable || options->insecure_public || (options->tls_cert != NULL && proven));
		must(!address->reachable || options->tokens == NULL || options->tls_cert != NULL);
		must(!address->reachable || !options->admin_on_main || (options->tls_cert != NULL && roles));
	}
	for (size_t i = 0; i < options->n_admin_listen; i++)
		must(!options->admin_listen[i].reachable || (options->tls_cert != NULL && roles));
}

static void
check(const struct pq_options *options)
{
	if (options->help || options->version || options->list_flags)
		return;
	check_addresses(options);
	must((options->store == NULL) != (options->data == NULL));
	must((options->tls_cert == NULL) == (options->tls_key == NULL));
	must(options->tls_client_ca == NULL || options->tls_cert != NULL);
	must(options->roles == NULL || options->tls_client_ca != NULL);
	must(options->n_trust <= PQ_SERVER_TRUST_MAX && (options->n_trust == 0 || options->data != NULL));
	must(options->shards >= 1 && options->shards <= PQ_SERVER_WORKERS_MAX);
	must(options->max_message_bytes <= PQ_SERVER_MESSAGE_BYTES_MAX);
	must(options->max_batch_items >= 1 && options->max_batch_items <= PQ_SERVER_BATCH_ITEMS_MAX);
	must(options->grace_s <= PQ_SERVER_GRACE_MAX && options->drain_delay_s <= PQ_SERVER_GRACE_MAX);
	must(options->ready_fd == -1 || options->ready_fd > 2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *words[WORDS_MAX + 1] = {"pratiqued"};
	int n = 1;
	struct pq_options options;
	struct pq_err err = {0};
	bool environment = false;

	must(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	n_settings = 0;
	for (char *at = text; at < text + size && n < WORDS_MAX && n_settings < WORDS_MAX; at += strlen(at) + 1) {
		if (environment)
			settings[n_settings++] = at;
		else if (at[0] == '\0')
			environment = true;
		else
			words[n++] = at;
	}
	if (pq_options_parse(n, words, look_up, &options, &err) == PQ_OK)
		check(&options);
	else
		must(err.status == PQ_EINVAL && err.where[0] != '\0' && err.msg[0] != '\0');
	free(text);
	return 0;
}

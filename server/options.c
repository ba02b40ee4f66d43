#include "server/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { TEXT, LISTEN, FILES, UNSIGNED, SIZE, SWITCH, ON_OFF, LEVEL, DESCRIPTOR };

struct option {
	const char *flag, *variable;
	enum kind kind;
	size_t offset;   /* of LISTEN: of its array of addresses */
	size_t min, max; /* UNSIGNED, SIZE; of LISTEN: the offset of how many there are, and how many may be */
};

#define MEMBER(member) offsetof(struct pq_options, member)

static const struct option options[] = {
	{"--store", "PRATIQUE_STORE", TEXT, MEMBER(store), 0, 0},
	{"--data", "PRATIQUE_DATA", TEXT, MEMBER(data), 0, 0},
	{"--verified-cache", "PRATIQUE_VERIFIED_CACHE", TEXT, MEMBER(verified_cache), 0, 0},
	{"--trust", "PRATIQUE_TRUST", FILES, MEMBER(trust), 0, 0},
	{"--follow", "PRATIQUE_FOLLOW", TEXT, MEMBER(follow), 0, 0},
	{"--follow-ca", "PRATIQUE_FOLLOW_CA", TEXT, MEMBER(follow_ca), 0, 0},
	{"--follow-cert", "PRATIQUE_FOLLOW_CERT", TEXT, MEMBER(follow_cert), 0, 0},
	{"--follow-key", "PRATIQUE_FOLLOW_KEY", TEXT, MEMBER(follow_key), 0, 0},
	{"--follow-token", "PRATIQUE_FOLLOW_TOKEN", TEXT, MEMBER(follow_token), 0, 0},
	{"--follow-credentials", "PRATIQUE_FOLLOW_CREDENTIALS", TEXT, MEMBER(follow_credentials), 0, 0},
	{"--poll-interval", "PRATIQUE_POLL_INTERVAL", UNSIGNED, MEMBER(poll_interval_s), 1, PQ_SERVER_POLL_MAX},
	{"--replica-name", "PRATIQUE_REPLICA_NAME", TEXT, MEMBER(replica_name), 0, 0},
	{"--max-staleness", "PRATIQUE_MAX_STALENESS", UNSIGNED, MEMBER(max_staleness_s), 0, PQ_SERVER_STALENESS_MAX},
	{"--insecure-public", "PRATIQUE_INSECURE_PUBLIC", SWITCH, MEMBER(insecure_public), 0, 0},
	{"--listen", "PRATIQUE_LISTEN", LISTEN, MEMBER(listen), MEMBER(n_listen), PQ_SERVER_LISTEN_MAX},
	{"--tls-cert", "PRATIQUE_TLS_CERT", TEXT, MEMBER(tls_cert), 0, 0},
	{"--tls-key", "PRATIQUE_TLS_KEY", TEXT, MEMBER(tls_key), 0, 0},
	{"--tls-client-ca", "PRATIQUE_TLS_CLIENT_CA", TEXT, MEMBER(tls_client_ca), 0, 0},
	{"--roles", "PRATIQUE_ROLES", TEXT, MEMBER(roles), 0, 0},
	{"--tokens", "PRATIQUE_TOKENS", TEXT, MEMBER(tokens), 0, 0},
	{"--admin-listen", "PRATIQUE_ADMIN_LISTEN", LISTEN, MEMBER(admin_listen), MEMBER(n_admin_listen),
     PQ_SERVER_LISTEN_MAX},
	{"--metrics-listen", "PRATIQUE_METRICS_LISTEN", LISTEN, MEMBER(metrics_listen), MEMBER(n_metrics_listen), 1},
	{"--admin-on-main", "PRATIQUE_ADMIN_ON_MAIN", SWITCH, MEMBER(admin_on_main), 0, 0},
	{"--shards", "PRATIQUE_SHARDS", UNSIGNED, MEMBER(shards), 1, PQ_SERVER_WORKERS_MAX},
	{"--merge-replies", "PRATIQUE_MERGE_REPLIES", ON_OFF, MEMBER(merge_replies), 0, 0},
	{"--max-message-bytes", "PRATIQUE_MAX_MESSAGE_BYTES", SIZE, MEMBER(max_message_bytes), 1024,
     PQ_SERVER_MESSAGE_BYTES_MAX},
	{"--max-batch-items", "PRATIQUE_MAX_BATCH_ITEMS", SIZE, MEMBER(max_batch_items), 1, PQ_SERVER_BATCH_ITEMS_MAX},
	{"--max-concurrent-streams", "PRATIQUE_MAX_CONCURRENT_STREAMS", UNSIGNED, MEMBER(max_concurrent_streams), 1,
     PQ_SERVER_STREAMS_MAX},
	{"--handshake-timeout", "PRATIQUE_HANDSHAKE_TIMEOUT", UNSIGNED, MEMBER(handshake_timeout_s), 1,
     PQ_SERVER_CONNECTION_MAX},
	{"--max-connection-idle", "PRATIQUE_MAX_CONNECTION_IDLE", UNSIGNED, MEMBER(max_idle_s), 0,
     PQ_SERVER_CONNECTION_MAX},
	{"--max-connection-age", "PRATIQUE_MAX_CONNECTION_AGE", UNSIGNED, MEMBER(max_age_s), 0, PQ_SERVER_CONNECTION_MAX},
	{"--keepalive", "PRATIQUE_KEEPALIVE", UNSIGNED, MEMBER(keepalive_s), 0, PQ_SERVER_CONNECTION_MAX},
	{"--max-connections", "PRATIQUE_MAX_CONNECTIONS", UNSIGNED, MEMBER(max_connections), 1, PQ_SERVER_CONNECTIONS_MAX},
	{"--max-buffer-bytes", "PRATIQUE_MAX_BUFFER_BYTES", SIZE, MEMBER(max_buffer_bytes), PQ_SERVER_BUFFER_BYTES_MIN,
     PQ_SERVER_BUFFER_BYTES_MAX},
	{"--guard", "PRATIQUE_GUARD", ON_OFF, MEMBER(guard), 0, 0},
	{"--drain-delay", "PRATIQUE_DRAIN_DELAY", UNSIGNED, MEMBER(drain_delay_s), 0, PQ_SERVER_GRACE_MAX},
	{"--grace", "PRATIQUE_GRACE", UNSIGNED, MEMBER(grace_s), 0, PQ_SERVER_GRACE_MAX},
	{"--log-level", "PRATIQUE_LOG_LEVEL", LEVEL, MEMBER(log_level), 0, 0},
	{"--ready-fd", "PRATIQUE_READY_FD", DESCRIPTOR, MEMBER(ready_fd), 0, 0},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

/* Texts that were given, before they are read: which addresses are allowed depends on other flags, wherever they stand. */
struct given {
	const char *value[N_OPTIONS]; /* NULL = not given */
	const char *source[N_OPTIONS];
	const char *addresses[N_OPTIONS][PQ_SERVER_LISTEN_MAX]; /* by flags; of LISTEN alone */
	size_t n_addresses[N_OPTIONS];
};

static bool
read_number(const char *text, size_t min, size_t max, size_t *ret)
{
	char *end;

	if (text[0] < '0' || text[0] > '9' || strlen(text) > 12)
		return false;
	*ret = (size_t)strtoull(text, &end, 10);
	return *end == '\0' && *ret >= min && *ret <= max;
}

static enum pq_status
read_switch(const char *text, const char *source, bool *ret, struct pq_err *err)
{
	if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0)
		*ret = true;
	else if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0 || text[0] == '\0')
		*ret = false;
	else
		return pq_fail_at(err, PQ_EINVAL, source, 0, 0, "must be 1 or 0, not \"%.40s\"", text);
	return PQ_OK;
}

static enum pq_status
set(const struct option *option, const char *text, const char *source, struct pq_options *to, struct pq_err *err)
{
	void *at = (char *)to + option->offset;
	size_t number;

	switch (option->kind) {
	case TEXT:
		if (text[0] == '\0')
			return pq_fail_at(err, PQ_EINVAL, source, 0, 0, "is empty");
		*(const char **)at = text;
		return PQ_OK;
	case UNSIGNED:
	case SIZE:
		if (!read_number(text, option->min, option->max, &number))
			return pq_fail_at(err, PQ_EINVAL, source, 0, 0, "must be a number from %zu to %zu, not \"%.40s\"",
			                  option->min, option->max, text);
		if (option->kind == SIZE)
			*(size_t *)at = number;
		else
			*(unsigned *)at = (unsigned)number;
		return PQ_OK;
	case SWITCH:
		return read_switch(text, source, at, err);
	case ON_OFF:
		if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
			return pq_fail_at(err, PQ_EINVAL, source, 0, 0, "must be on or off, not \"%.40s\"", text);
		*(bool *)at = strcmp(text, "on") == 0;
		return PQ_OK;
	case LEVEL:
		if (!pq_log_level_parse(text, at))
			return pq_fail_at(err, PQ_EINVAL, source, 0, 0, "must be debug, info, warn or error, not \"%.40s\"", text);
		return PQ_OK;
	case DESCRIPTOR:
		if (!read_number(text, 3, 1 << 20, &number))
			return pq_fail_at(err, PQ_EINVAL, source, 0, 0, "must be an open descriptor above 2, not \"%.40s\"", text);
		*(int *)at = (int)number;
		return PQ_OK;
	case LISTEN:
		return PQ_OK; /* read apart */
	case FILES: /* those of flags have been added already */
		if (to->n_trust == 0)
			to->trust[to->n_trust++] = text;
		return PQ_OK;
	}
	return PQ_OK;
}

/* Addresses that others reach must be safe there, each kind in its way. Each says by itself what it lacks. */
static enum pq_status
check_reachable(const struct option *option, const struct pq_address *address, const struct pq_options *to,
                const char *source, struct pq_err *err)
{
	bool roles = to->roles != NULL || to->tokens != NULL;

	/* Metrics tell nothing of requests, and are read from elsewhere. */
	if (!address->reachable || option->offset == MEMBER(metrics_listen))
		return PQ_OK;
	if (option->offset == MEMBER(admin_listen) && (to->tls_cert == NULL || !roles))
		return pq_fail_at(err, PQ_EINVAL, source, 0, 0,
		                  "other machines reach %s: administration needs --tls-cert, and --roles or --tokens there",
		                  address->target);
	if (option->offset == MEMBER(listen) && to->admin_on_main && (to->tls_cert == NULL || !roles))
		return pq_fail_at(err, PQ_EINVAL, "--admin-on-main", 0, 0,
		                  "other machines reach %s: administration needs --tls-cert, and --roles or --tokens there",
		                  address->target);
	if (to->tokens != NULL && to->tls_cert == NULL)
		return pq_fail_at(err, PQ_EINVAL, source, 0, 0,
		                  "other machines reach %s, and tokens would come there for all to read: add --tls-cert",
		                  address->target);
	return PQ_OK;
}

static enum pq_status
add_address(const struct option *option, const char *text, const char *source, struct pq_options *to,
            struct pq_err *err)
{
	struct pq_address *array = (struct pq_address *)(void *)((char *)to + option->offset);
	size_t *n = (size_t *)(void *)((char *)to + option->min);
	bool proven = to->tls_cert != NULL && (to->tls_client_ca != NULL || to->tokens != NULL);
	bool allowed = option->offset != MEMBER(listen) || proven || to->insecure_public;

	if (*n == option->max)
		return pq_fail_at(err, PQ_EINVAL, source, 0, 0, "at most %zu address%s", option->max,
		                  option->max > 1 ? "es" : "");
	enum pq_status status = pq_address_parse(text, allowed, source, &array[*n], err);
	if (status == PQ_OK)
		status = check_reachable(option, &array[*n], to, source, err);
	if (status == PQ_OK)
		++*n;
	return status;
}

/* A list of addresses as the environment has it. */
static enum pq_status
add_addresses(const struct option *option, const char *list, const char *source, struct pq_options *to,
              struct pq_err *err)
{
	char one[PQ_ADDRESS_TEXT + 32];

	while (*list != '\0') {
		size_t len = strcspn(list, ",");
		if (len >= sizeof(one))
			return pq_fail_at(err, PQ_EINVAL, source, 0, 0, "has an address that is too long");
		memcpy(one, list, len);
		one[len] = '\0';
		enum pq_status status = add_address(option, one, source, to, err);
		if (status != PQ_OK)
			return status;
		list += len + (list[len] == ',');
	}
	return PQ_OK;
}

static const struct option *
find(const char *argument, const char **ret_value)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		size_t len = strlen(options[i].flag);
		if (strncmp(argument, options[i].flag, len) != 0)
			continue;
		if (argument[len] == '\0' || (argument[len] == '=' && options[i].kind != SWITCH)) {
			*ret_value = argument[len] == '=' ? argument + len + 1 : NULL;
			return &options[i];
		}
	}
	return NULL;
}

static enum pq_status
read_arguments(int argc, char *const *argv, struct given *given, struct pq_options *to, struct pq_err *err)
{
	for (int i = 1; i < argc; i++) {
		const char *value;
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			to->help = true;
			return PQ_OK;
		}
		if (strcmp(argv[i], "--version") == 0) {
			to->version = true;
			return PQ_OK;
		}
		if (strcmp(argv[i], "--list-flags") == 0) {
			to->list_flags = true;
			return PQ_OK;
		}
		const struct option *option = find(argv[i], &value);
		if (option == NULL)
			return pq_fail_at(err, PQ_EINVAL, argv[i], 0, 0, "there is no such flag; see --help");
		if (option->kind == SWITCH)
			value = "1";
		else if (value == NULL && ++i < argc)
			value = argv[i];
		if (value == NULL)
			return pq_fail_at(err, PQ_EINVAL, option->flag, 0, 0, "needs a value");
		if (option->kind == LISTEN) {
			size_t *n = &given->n_addresses[option - options];
			if (*n == option->max)
				return pq_fail_at(err, PQ_EINVAL, option->flag, 0, 0, "at most %zu address%s", option->max,
				                  option->max > 1 ? "es" : "");
			given->addresses[option - options][(*n)++] = value;
		}
		if (option->kind == FILES) {
			if (to->n_trust == PQ_SERVER_TRUST_MAX)
				return pq_fail_at(err, PQ_EINVAL, option->flag, 0, 0, "at most %d files", PQ_SERVER_TRUST_MAX);
			to->trust[to->n_trust++] = value;
		}
		given->value[option - options] = value;
		given->source[option - options] = option->flag;
	}
	return PQ_OK;
}

static enum pq_status
read_addresses(const struct given *given, struct pq_options *to, struct pq_err *err)
{
	enum pq_status status = PQ_OK;

	for (size_t i = 0; i < N_OPTIONS && status == PQ_OK; i++) {
		if (options[i].kind != LISTEN)
			continue;
		if (given->value[i] != NULL && given->n_addresses[i] == 0)
			status = add_addresses(&options[i], given->value[i], given->source[i], to, err);
		for (size_t j = 0; j < given->n_addresses[i] && status == PQ_OK; j++)
			status = add_address(&options[i], given->addresses[i][j], options[i].flag, to, err);
		if (status == PQ_OK && options[i].offset == MEMBER(listen) && to->n_listen == 0)
			status = add_address(&options[i], PQ_OPTIONS_LISTEN, options[i].flag, to, err);
	}
	return status;
}

/* Where the law comes from: one place. */
static enum pq_status
check_source(const struct pq_options *from, struct pq_err *err)
{
	if (from->store == NULL && from->data == NULL)
		return pq_fail_at(err, PQ_EINVAL, "--store", 0, 0, "is missing (or PRATIQUE_STORE), and so is --data");
	if (from->store != NULL && from->data != NULL)
		return pq_fail_at(err, PQ_EINVAL, "--store", 0, 0, "and --data cannot both be given");
	if (from->data == NULL && from->follow != NULL)
		return pq_fail_at(err, PQ_EINVAL, "--follow", 0, 0, "needs --data, where it keeps what it fetched");
	if (from->data == NULL && from->n_trust > 0)
		return pq_fail_at(err, PQ_EINVAL, "--trust", 0, 0, "needs --data: a store alone has no manifest to verify");
	return PQ_OK;
}

/* Flags that make no sense without another. */
static enum pq_status
check_together(const struct pq_options *to, struct pq_err *err)
{
	if (to->tls_cert != NULL && to->tls_key == NULL)
		return pq_fail_at(err, PQ_EINVAL, "--tls-cert", 0, 0, "needs its key, --tls-key");
	if (to->tls_key != NULL && to->tls_cert == NULL)
		return pq_fail_at(err, PQ_EINVAL, "--tls-key", 0, 0, "needs its certificate, --tls-cert");
	if (to->tls_client_ca != NULL && to->tls_cert == NULL)
		return pq_fail_at(err, PQ_EINVAL, "--tls-client-ca", 0, 0, "needs --tls-cert and --tls-key");
	if (to->roles != NULL && to->tls_client_ca == NULL)
		return pq_fail_at(err, PQ_EINVAL, "--roles", 0, 0,
		                  "goes by the certificates of clients and needs --tls-client-ca");
	enum pq_status status = check_source(to, err);
	return status == PQ_OK ? pq_options_check_follow(to, err) : status;
}

static unsigned
processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > PQ_SERVER_WORKERS_MAX ? PQ_SERVER_WORKERS_MAX : (unsigned)n;
}

void
pq_options_list(FILE *out)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		fprintf(out, "%s - %s\n", options[i].flag + 2, options[i].kind == SWITCH ? "plain" : "value");
	fputs("help h plain\nversion - plain\n", out);
}

enum pq_status
pq_options_parse(int argc, char *const *argv, char *(*env)(const char *), struct pq_options *ret_options,
                 struct pq_err *err)
{
	struct given given = {0};
	struct pq_options to = {
		.shards = processors(),
		.merge_replies = true,
		.guard = true,
		.keepalive_s = PQ_SERVER_KEEPALIVE,
		.max_connections = PQ_SERVER_CONNECTIONS,
		.max_buffer_bytes = PQ_SERVER_BUFFER_BYTES,
		.max_message_bytes = PQ_SERVER_MESSAGE_BYTES,
		.max_batch_items = PQ_SERVER_BATCH_ITEMS,
		.max_concurrent_streams = PQ_SERVER_STREAMS,
		.handshake_timeout_s = PQ_SERVER_HANDSHAKE,
		.grace_s = PQ_SERVER_GRACE,
		.poll_interval_s = PQ_SERVER_POLL,
		.ready_fd = -1,
		.log_level = PQ_LOG_INFO,
	};
	enum pq_status status = read_arguments(argc, argv, &given, &to, err);
	bool asked = to.help || to.version || to.list_flags;

	for (size_t i = 0; i < N_OPTIONS && status == PQ_OK && !asked; i++) {
		if (given.value[i] == NULL) {
			given.value[i] = env(options[i].variable);
			given.source[i] = options[i].variable;
		}
		if (given.value[i] != NULL)
			status = set(&options[i], given.value[i], given.source[i], &to, err);
	}
	if (status == PQ_OK && !asked)
		status = check_together(&to, err);
	if (status == PQ_OK && !asked)
		status = read_addresses(&given, &to, err);
	if (status == PQ_OK)
		*ret_options = to;
	return status;
}

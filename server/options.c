#include "server/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_LISTEN "127.0.0.1:8300"

const char pq_options_help[] =
	"pratiqued answers export-licence questions over gRPC from a sealed store.\n"
	"\n"
	"  pratiqued --store us.mdb [--listen ADDRESS]...\n"
	"\n"
	"  --store PATH                the sealed store (PRATIQUE_STORE); required\n"
	"  --listen ADDRESS            unix:/path, 127.0.0.1:PORT or [::1]:PORT; may be repeated; port 0 = any\n"
	"                              (PRATIQUE_LISTEN, separated by commas; default " DEFAULT_LISTEN ")\n"
	"  --insecure-public           allow addresses that other machines reach, though calls are not encrypted\n"
	"                              (PRATIQUE_INSECURE_PUBLIC=1)\n"
	"  --shards N                  threads that answer, each with its own share of the connections\n"
	"                              (PRATIQUE_SHARDS; default: one a processor). With more than 300 connections a\n"
	"                              shard, set GRPC_POLL_STRATEGY=epoll1\n"
	"  --merge-replies on|off      send answers that are ready together with one system call a connection\n"
	"                              (PRATIQUE_MERGE_REPLIES; default on)\n"
	"  --max-message-bytes N       largest request (PRATIQUE_MAX_MESSAGE_BYTES; default 1048576)\n"
	"  --max-batch-items N         requests in a batch or frame (PRATIQUE_MAX_BATCH_ITEMS; default 1000)\n"
	"  --max-concurrent-streams N  calls at once on a connection (PRATIQUE_MAX_CONCURRENT_STREAMS; default 256)\n"
	"  --handshake-timeout SECONDS time in which a new connection must begin to speak HTTP/2, or it is closed\n"
	"                              (PRATIQUE_HANDSHAKE_TIMEOUT; default 10)\n"
	"  --max-connection-idle SECONDS\n"
	"                              close connections without calls for so long; 0 = never\n"
	"                              (PRATIQUE_MAX_CONNECTION_IDLE; default 0)\n"
	"  --drain-delay SECONDS       time between NOT_SERVING and the end, in which calls are still taken\n"
	"                              (PRATIQUE_DRAIN_DELAY; default 0)\n"
	"  --grace SECONDS             time that calls in flight get at the end (PRATIQUE_GRACE; default 10)\n"
	"  --log-level LEVEL           debug, info, warn or error (PRATIQUE_LOG_LEVEL; default info)\n"
	"  --ready-fd N                write the addresses to this descriptor once listening, one a line, and close it\n"
	"                              (PRATIQUE_READY_FD)\n"
	"  --help, --version\n"
	"\n"
	"A flag goes before its variable. The log goes to standard error, a JSON object a line.\n"
	"SIGTERM or SIGINT: no new calls, those in flight are answered, then exit; a second one ends at once.\n"
	"Exit: 0 ended as asked, 1 something else failed, 2 wrong flag or variable, 3 the store cannot be opened,\n"
	"      4 an address cannot be listened on, 5 ended by a second signal.\n";

enum kind { TEXT, LISTEN, UNSIGNED, SIZE, SWITCH, ON_OFF, LEVEL, DESCRIPTOR };

struct option {
	const char *flag, *variable;
	enum kind kind;
	size_t offset;
	size_t min, max; /* UNSIGNED, SIZE */
};

#define MEMBER(member) offsetof(struct pq_options, member)

static const struct option options[] = {
	{"--store", "PRATIQUE_STORE", TEXT, MEMBER(store), 0, 0},
	{"--insecure-public", "PRATIQUE_INSECURE_PUBLIC", SWITCH, MEMBER(insecure_public), 0, 0},
	{"--listen", "PRATIQUE_LISTEN", LISTEN, 0, 0, 0},
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
	{"--drain-delay", "PRATIQUE_DRAIN_DELAY", UNSIGNED, MEMBER(drain_delay_s), 0, PQ_SERVER_GRACE_MAX},
	{"--grace", "PRATIQUE_GRACE", UNSIGNED, MEMBER(grace_s), 0, PQ_SERVER_GRACE_MAX},
	{"--log-level", "PRATIQUE_LOG_LEVEL", LEVEL, MEMBER(log_level), 0, 0},
	{"--ready-fd", "PRATIQUE_READY_FD", DESCRIPTOR, MEMBER(ready_fd), 0, 0},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

/* Texts that were given, before they are read: addresses depend on --insecure-public, wherever that stands. */
struct given {
	const char *value[N_OPTIONS]; /* NULL = not given */
	const char *source[N_OPTIONS];
	const char *listen[PQ_SERVER_LISTEN_MAX];
	size_t n_listen;
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
	}
	return PQ_OK;
}

static enum pq_status
add_listen(const char *text, bool public_allowed, const char *source, struct pq_options *to, struct pq_err *err)
{
	if (to->n_listen == PQ_SERVER_LISTEN_MAX)
		return pq_fail_at(err, PQ_EINVAL, source, 0, 0, "at most %d addresses", PQ_SERVER_LISTEN_MAX);
	enum pq_status status = pq_address_parse(text, public_allowed, source, &to->listen[to->n_listen], err);
	if (status == PQ_OK)
		to->n_listen++;
	return status;
}

/* A list of addresses as the environment has it. */
static enum pq_status
add_listens(const char *list, const char *source, struct pq_options *to, struct pq_err *err)
{
	char one[PQ_ADDRESS_TEXT + 32];

	while (*list != '\0') {
		size_t len = strcspn(list, ",");
		if (len >= sizeof(one))
			return pq_fail_at(err, PQ_EINVAL, source, 0, 0, "has an address that is too long");
		memcpy(one, list, len);
		one[len] = '\0';
		enum pq_status status = add_listen(one, to->insecure_public, source, to, err);
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
			if (given->n_listen == PQ_SERVER_LISTEN_MAX)
				return pq_fail_at(err, PQ_EINVAL, option->flag, 0, 0, "at most %d addresses", PQ_SERVER_LISTEN_MAX);
			given->listen[given->n_listen++] = value;
		}
		given->value[option - options] = value;
		given->source[option - options] = option->flag;
	}
	return PQ_OK;
}

static enum pq_status
read_listen(const struct given *given, struct pq_options *to, struct pq_err *err)
{
	enum pq_status status = PQ_OK;

	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (options[i].kind == LISTEN && given->value[i] != NULL && given->n_listen == 0)
			status = add_listens(given->value[i], given->source[i], to, err);
	}
	for (size_t i = 0; i < given->n_listen && status == PQ_OK; i++)
		status = add_listen(given->listen[i], to->insecure_public, "--listen", to, err);
	if (status == PQ_OK && to->n_listen == 0)
		status = add_listen(DEFAULT_LISTEN, false, "--listen", to, err);
	return status;
}

static unsigned
processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > PQ_SERVER_WORKERS_MAX ? PQ_SERVER_WORKERS_MAX : (unsigned)n;
}

enum pq_status
pq_options_parse(int argc, char *const *argv, char *(*env)(const char *), struct pq_options *ret_options,
                 struct pq_err *err)
{
	struct given given = {0};
	struct pq_options to = {
		.shards = processors(),
		.merge_replies = true,
		.max_message_bytes = PQ_SERVER_MESSAGE_BYTES,
		.max_batch_items = PQ_SERVER_BATCH_ITEMS,
		.max_concurrent_streams = PQ_SERVER_STREAMS,
		.handshake_timeout_s = PQ_SERVER_HANDSHAKE,
		.grace_s = PQ_SERVER_GRACE,
		.ready_fd = -1,
		.log_level = PQ_LOG_INFO,
	};
	enum pq_status status = read_arguments(argc, argv, &given, &to, err);

	for (size_t i = 0; i < N_OPTIONS && status == PQ_OK && !to.help && !to.version; i++) {
		if (given.value[i] == NULL) {
			given.value[i] = env(options[i].variable);
			given.source[i] = options[i].variable;
		}
		if (given.value[i] != NULL)
			status = set(&options[i], given.value[i], given.source[i], &to, err);
	}
	if (status == PQ_OK && !to.help && !to.version) {
		status = read_listen(&given, &to, err);
		if (status == PQ_OK && to.store == NULL)
			status = pq_fail_at(err, PQ_EINVAL, "--store", 0, 0, "is missing (or PRATIQUE_STORE)");
	}
	if (status == PQ_OK)
		*ret_options = to;
	return status;
}

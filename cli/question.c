#include "cli/question.h"

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/source.h"
#include "policy/request.h"
#include "storage/files.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

enum {
	OPT_STORE,
	OPT_SERVER,
	OPT_TIMEOUT,
	OPT_MIN_REVISION,
	OPT_MAX_AGE,
	OPT_AS_OF,
	OPT_TYPE,
	OPT_ITEM,
	OPT_USML,
	OPT_KIND,
	OPT_FROM,
	OPT_TO,
	OPT_VIA,
	OPT_VALUE,
	OPT_END_USE,
	OPT_REGIME,
	OPT_PARTY,
	OPT_FACT,
	OPT_SCREENED,
	OPT_NO_SCREENED,
	OPT_QUERY,
	OPT_ASSUME,
	OPT_PROFILE,
	OPT_NEAR_MISSES,
	OPT_OWN, /* what the command itself knows */
	OPT_COUNT
};

static const struct pq_flag common[OPT_COUNT + 1] = {
	[OPT_STORE] = {"store", 0, true},
	[OPT_SERVER] = {"server", 0, true},
	[OPT_TIMEOUT] = {"timeout", 0, true},
	[OPT_MIN_REVISION] = {"min-revision", 0, true},
	[OPT_MAX_AGE] = {"max-age", 0, true},
	[OPT_AS_OF] = {"as-of", 0, true},
	[OPT_TYPE] = {"type", 0, true},
	[OPT_ITEM] = {"item", 0, true},
	[OPT_USML] = {"usml", 0, true},
	[OPT_KIND] = {"kind", 0, true},
	[OPT_FROM] = {"from", 0, true},
	[OPT_TO] = {"to", 0, true},
	[OPT_VIA] = {"via", 0, true},
	[OPT_VALUE] = {"value", 0, true},
	[OPT_END_USE] = {"end-use", 0, true},
	[OPT_REGIME] = {"regime", 0, true},
	[OPT_PARTY] = {"party", 0, true},
	[OPT_FACT] = {"fact", 0, true},
	[OPT_SCREENED] = {"screened", 0, false},
	[OPT_NO_SCREENED] = {"no-screened", 0, false},
	[OPT_QUERY] = {"query", 0, true},
	[OPT_ASSUME] = {"assume", 0, true},
	[OPT_PROFILE] = {"profile", 0, true},
	[OPT_NEAR_MISSES] = {"near-misses", 0, PQ_FLAG_MAY},
};

/* Flags whose value is a text of the fact here. */
static const char *const text_facts[OPT_COUNT] = {
	[OPT_AS_OF] = "as_of",    [OPT_TYPE] = "transaction_type", [OPT_ITEM] = "item.eccn", [OPT_USML] = "item.usml",
	[OPT_KIND] = "item.kind", [OPT_FROM] = "origin",           [OPT_TO] = "destination", [OPT_END_USE] = "end_use",
	[OPT_REGIME] = "regime",  [OPT_QUERY] = "query",
};

struct reading {
	struct pq_flag table[OPT_COUNT + 1];
	struct pq_ask ask;
	const char *store, *server;
	struct pq_flags options; /* as read last */
	int timeout_ms;
	struct pq_demand demand;
	unsigned near_misses; /* where the request does not say how many */
	struct pq_question question;
};

static enum pq_status
read_input(int fd, struct pq_arena *arena, const char **ret_data, size_t *ret_len, struct pq_err *err)
{
	char *data = pq_arena_alloc(arena, PQ_REQUEST_JSON_MAX + 1);
	size_t len = 0;

	if (data == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory");
	for (;;) {
		ssize_t n = read(fd, data + len, PQ_REQUEST_JSON_MAX + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return pq_fail_at(err, PQ_EIO, "standard input", 0, 0, "cannot be read: %s", strerror(errno));
		len += (size_t)n;
		if (n == 0)
			break;
		if (len > PQ_REQUEST_JSON_MAX)
			return pq_fail_at(err, PQ_ELIMIT, "standard input", 0, 0, "is longer than the %zu bytes of a request",
			                  PQ_REQUEST_JSON_MAX);
	}
	*ret_data = data;
	*ret_len = len;
	return PQ_OK;
}

/* The file of the request: read before the flags, which go before what it says. Returns an exit code. */
static int
read_form(struct pq_ask *ask, const char *path, struct pq_arena *arena)
{
	bool standard = strcmp(path, "-") == 0;
	const char *data;
	size_t len;
	struct pq_err err = {0};
	enum pq_status status = standard ? read_input(STDIN_FILENO, arena, &data, &len, &err)
	                                 : pq_files_read(path, PQ_REQUEST_JSON_MAX, arena, &data, &len, &err);

	if (status != PQ_OK) {
		pq_cli_fail(&err);
		return status == PQ_ELIMIT ? PQ_EXIT_INVALID : PQ_EXIT_FAILED;
	}
	if (pq_ask_read(ask, standard ? "standard input" : path, data, len, &err) != PQ_OK) {
		pq_cli_fail(&err);
		return PQ_EXIT_INVALID;
	}
	return PQ_EXIT_OK;
}

static enum pq_status
take_option(struct reading *reading, int option, const char *value, struct pq_err *err)
{
	struct pq_ask *ask = &reading->ask;
	char flag[32];

	snprintf(flag, sizeof(flag), "--%s", reading->table[option].name);
	if (text_facts[option] != NULL)
		return pq_ask_text(ask, flag, text_facts[option], value, err);
	switch (option) {
	case OPT_STORE:
		reading->store = value;
		return PQ_OK;
	case OPT_SERVER:
		reading->server = value;
		return PQ_OK;
	case OPT_TIMEOUT:
		if (!pq_flags_timeout(value, &reading->timeout_ms))
			return pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "\"%.60s\" " PQ_FLAGS_TIMEOUT, value);
		return PQ_OK;
	case OPT_MIN_REVISION:
		if (!pq_flags_sequence(value, &reading->demand.min_revision))
			return pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "\"%.60s\" is no sequence of a revision (1 or more)", value);
		return PQ_OK;
	case OPT_MAX_AGE:
		if (!pq_flags_age(value, &reading->demand.max_age_s))
			return pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "\"%.60s\" is no age: 30, 30s, 5m, 2h, 1d", value);
		return PQ_OK;
	case OPT_OWN:
		reading->question.own = value != NULL ? value : "";
		return PQ_OK;
	case OPT_VIA:
		return pq_ask_via(ask, value, err);
	case OPT_VALUE:
		return pq_ask_number(ask, flag, "value_usd", value, err);
	case OPT_PARTY:
		return pq_ask_party(ask, value, err);
	case OPT_FACT:
		return pq_ask_fact(ask, value, err);
	case OPT_ASSUME:
		return pq_ask_assume(ask, value, err);
	case OPT_PROFILE:
		return pq_ask_profile(ask, value, err);
	case OPT_NEAR_MISSES:
		return pq_ask_near_misses(ask, value, err);
	case OPT_SCREENED:
	case OPT_NO_SCREENED:
		return pq_ask_bool(ask, "screening.screened", option == OPT_SCREENED, err);
	default:
		return pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "is not known");
	}
}

/* The flags are read twice: once to find the file among them, once to write them into its form. */
static int
read_flags(struct reading *reading, int argc, char **argv, bool take)
{
	struct pq_flags options = {0};
	struct pq_err err = {0};

	optind = 0;
	for (int option; (option = pq_flags_next(&options, argc, argv, reading->table)) >= 0;) {
		if (take && take_option(reading, option, options.value, &err) != PQ_OK) {
			pq_cli_fail(&err);
			return PQ_EXIT_USAGE;
		}
	}
	reading->options = options;
	return options.stop ? options.code : -1;
}

static int
refuse(const struct pq_violation *violations, size_t n, const struct pq_err *err)
{
	for (size_t i = 0; i < n; i++)
		pq_cli_say("%s: %s (%s)", violations[i].field, violations[i].description, violations[i].reason);
	if (n == 0)
		pq_cli_fail(err);
	return PQ_EXIT_INVALID;
}

static int
answer(struct reading *reading, struct pq_source *source, struct pq_arena *arena, pq_answer_fn *print)
{
	struct pq_question *question = &reading->question;
	const struct pq_violation *violations;
	size_t n;
	struct pq_err err = {0};

	enum pq_status status = pq_ask_request(&reading->ask, arena, &question->request, &err);
	if (status != PQ_OK) {
		pq_cli_fail(&err);
		return status == PQ_ENOMEM ? PQ_EXIT_FAILED : PQ_EXIT_INVALID;
	}
	if (json_object_get(reading->ask.request, "near_misses") == NULL)
		question->request.near_misses = reading->near_misses;
	status = pq_source_decide(source, &question->request, arena, &question->decision, &violations, &n, &err);
	if (status == PQ_EINVAL)
		return refuse(violations, n, &err);
	if (status != PQ_OK)
		return pq_cli_fail(&err);
	question->digest = source->digest;
	question->by = &source->by;
	question->image = source->image;
	return print(question, arena);
}

static int
ask(struct reading *reading, int argc, char **argv, struct pq_arena *arena, pq_answer_fn *print)
{
	struct pq_source source = {0};
	struct pq_err err = {0};
	enum pq_status status;
	int code = read_flags(reading, argc, argv, false);

	if (code >= 0)
		return code;
	if (argc - optind > 1)
		return pq_cli_usage(argv[0], "one request at a time: %.200s is a second", argv[optind + 1]);
	bool file = optind < argc;
	if (file && (code = read_form(&reading->ask, argv[optind], arena)) != PQ_EXIT_OK)
		return code;
	if ((code = read_flags(reading, argc, argv, true)) >= 0)
		return code;
	if (reading->store == NULL && reading->server == NULL)
		return pq_cli_usage(argv[0], "say with --store or --server who decides");
	if (reading->store != NULL && reading->server != NULL)
		return pq_cli_usage(argv[0], "--store and --server exclude each other");
	if ((code = pq_flags_access(&reading->options, argv[0], reading->server)) != PQ_EXIT_OK)
		return code;
	if (reading->store != NULL && (reading->demand.min_revision > 0 || reading->demand.max_age_s > 0))
		return pq_cli_usage(argv[0], "--min-revision and --max-age are asked of a server: a store has no sequence or age");
	if (!file && json_object_size(reading->ask.request) == 0)
		return pq_cli_usage(argv[0], "there is no request: name a file, - or flags");

	if (reading->store != NULL)
		status = pq_source_open_store(&source, reading->store, &err);
	else
		status = pq_source_open_server(&source, reading->server, &reading->options.access, reading->timeout_ms, &err);
	if (status != PQ_OK)
		return pq_cli_fail(&err);
	if (source.remote != NULL)
		pq_remote_demand(source.remote, &reading->demand);
	code = answer(reading, &source, arena, print);
	pq_source_close(&source);
	return code;
}

int
pq_question_run(int argc, char **argv, const struct pq_flag *own, unsigned near_misses, pq_answer_fn *print)
{
	struct reading reading = {.near_misses = near_misses};
	struct pq_arena arena;
	struct pq_err err = {0};

	memcpy(reading.table, common, sizeof(common));
	reading.table[OPT_OWN] = *own;
	if (pq_ask_init(&reading.ask, &err) != PQ_OK)
		return pq_cli_fail(&err);
	pq_arena_init(&arena, PQ_CLI_DECISION_BYTES);
	int code = ask(&reading, argc, argv, &arena, print);
	pq_arena_release(&arena);
	pq_ask_release(&reading.ask);
	return code;
}

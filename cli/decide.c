#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/page.h"
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
	OPT_JSON,
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
	OPT_COUNT
};

static const struct pq_flag table[OPT_COUNT + 1] = {
	[OPT_STORE] = {"store", 0, true},
	[OPT_SERVER] = {"server", 0, true},
	[OPT_TIMEOUT] = {"timeout", 0, true},
	[OPT_JSON] = {"json", 0, false},
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
};

/* Flags whose value is a text of the fact here. */
static const char *const text_facts[OPT_COUNT] = {
	[OPT_AS_OF] = "as_of",    [OPT_TYPE] = "transaction_type", [OPT_ITEM] = "item.eccn", [OPT_USML] = "item.usml",
	[OPT_KIND] = "item.kind", [OPT_FROM] = "origin",           [OPT_TO] = "destination", [OPT_END_USE] = "end_use",
	[OPT_REGIME] = "regime",  [OPT_QUERY] = "query",
};

struct question {
	struct pq_ask ask;
	const char *store, *server;
	int timeout_ms;
	bool json;
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
take_option(struct question *question, int option, const char *value, struct pq_err *err)
{
	struct pq_ask *ask = &question->ask;
	char flag[32];

	snprintf(flag, sizeof(flag), "--%s", table[option].name);
	if (text_facts[option] != NULL)
		return pq_ask_text(ask, flag, text_facts[option], value, err);
	switch (option) {
	case OPT_STORE:
		question->store = value;
		return PQ_OK;
	case OPT_SERVER:
		question->server = value;
		return PQ_OK;
	case OPT_TIMEOUT:
		if (!pq_flags_timeout(value, &question->timeout_ms))
			return pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "\"%.60s\" " PQ_FLAGS_TIMEOUT, value);
		return PQ_OK;
	case OPT_JSON:
		question->json = true;
		return PQ_OK;
	case OPT_VIA:
		return pq_ask_via(ask, value, err);
	case OPT_VALUE:
		return pq_ask_number(ask, flag, "value_usd", value, err);
	case OPT_PARTY:
		return pq_ask_party(ask, value, err);
	case OPT_FACT:
		return pq_ask_fact(ask, value, err);
	case OPT_SCREENED:
	case OPT_NO_SCREENED:
		return pq_ask_bool(ask, "screening.screened", option == OPT_SCREENED, err);
	default:
		return pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "is not known");
	}
}

/* The flags are read twice: once to find the file among them, once to write them into its form. */
static int
read_flags(struct question *question, int argc, char **argv, bool take)
{
	struct pq_flags options = {0};
	struct pq_err err = {0};

	optind = 0;
	for (int option; (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		if (take && take_option(question, option, options.value, &err) != PQ_OK) {
			pq_cli_fail(&err);
			return PQ_EXIT_USAGE;
		}
	}
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
answer(const struct question *question, struct pq_source *source, struct pq_arena *arena)
{
	struct pq_request request;
	struct pq_decision decision;
	const struct pq_violation *violations;
	size_t n;
	struct pq_err err = {0};

	enum pq_status status = pq_ask_request(&question->ask, arena, &request, &err);
	if (status != PQ_OK) {
		pq_cli_fail(&err);
		return status == PQ_ENOMEM ? PQ_EXIT_FAILED : PQ_EXIT_INVALID;
	}
	status = pq_source_decide(source, &request, arena, &decision, &violations, &n, &err);
	if (status == PQ_EINVAL)
		return refuse(violations, n, &err);
	if (status != PQ_OK)
		return pq_cli_fail(&err);
	if (!question->json) {
		pq_page_print(&request, &decision, source->digest, stdout);
		return PQ_EXIT_OK;
	}
	const char *json = pq_decision_to_json(&decision, arena);
	if (json == NULL) {
		pq_cli_say("no memory to write the decision");
		return PQ_EXIT_FAILED;
	}
	puts(json);
	return PQ_EXIT_OK;
}

static int
decide(struct question *question, int argc, char **argv, struct pq_arena *arena)
{
	struct pq_source source = {0};
	struct pq_err err = {0};
	enum pq_status status;
	int code = read_flags(question, argc, argv, false);

	if (code >= 0)
		return code;
	if (argc - optind > 1)
		return pq_cli_usage(argv[0], "one request at a time: %.200s is a second", argv[optind + 1]);
	bool file = optind < argc;
	if (file && (code = read_form(&question->ask, argv[optind], arena)) != PQ_EXIT_OK)
		return code;
	if ((code = read_flags(question, argc, argv, true)) >= 0)
		return code;
	if (question->store == NULL && question->server == NULL)
		return pq_cli_usage(argv[0], "say with --store or --server who decides");
	if (question->store != NULL && question->server != NULL)
		return pq_cli_usage(argv[0], "--store and --server exclude each other");
	if (!file && json_object_size(question->ask.request) == 0)
		return pq_cli_usage(argv[0], "there is no request: name a file, - or flags");

	if (question->store != NULL)
		status = pq_source_open_store(&source, question->store, &err);
	else
		status = pq_source_open_server(&source, question->server, question->timeout_ms, &err);
	if (status != PQ_OK)
		return pq_cli_fail(&err);
	code = answer(question, &source, arena);
	pq_source_close(&source);
	return code;
}

int
pq_cmd_decide(int argc, char **argv)
{
	struct question question = {0};
	struct pq_arena arena;
	struct pq_err err = {0};

	if (pq_ask_init(&question.ask, &err) != PQ_OK)
		return pq_cli_fail(&err);
	pq_arena_init(&arena, PQ_CLI_DECISION_BYTES);
	int code = decide(&question, argc, argv, &arena);
	pq_arena_release(&arena);
	pq_ask_release(&question.ask);
	return code;
}

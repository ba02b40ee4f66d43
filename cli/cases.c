#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/source.h"
#include "cli/verdict.h"
#include "policy/request.h"
#include "storage/files.h"

#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A file of cases, read whole. */
#define CASES_BYTES_MAX ((size_t)256 << 20)

struct run {
	struct pq_source source;
	struct pq_arena arena; /* of one case */
	bool json;
	size_t passed, failed;
	bool stopped; /* the server is gone */
};

static json_t *
lines_of(const char *text)
{
	json_t *lines = json_array();

	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, "\n");
		/* NULL (no UTF-8) is refused by the append; the line is then left out. */
		json_array_append_new(lines, json_stringn(text, len));
		text += len + (text[len] == '\n');
	}
	return lines;
}

/* One line a case; the decision goes in as it was written, so that it is the same text everywhere. */
static void
print_json(struct run *run, const struct pq_verdict *verdict, const char *place)
{
	json_t *object = json_object();
	const char *decision = verdict->has_decision ? pq_decision_to_json(&verdict->decision, &run->arena) : NULL;

	json_object_set_new(object, "id", verdict->id != NULL ? json_string(verdict->id) : json_null());
	json_object_set_new(object, "passed", json_boolean(verdict->passed));
	json_object_set_new(object, "source", json_string(place));
	if (!verdict->passed)
		json_object_set_new(object, verdict->has_decision ? "differences" : "errors", lines_of(verdict->text));
	char *text = json_dumps(object, JSON_COMPACT);
	if (text != NULL)
		printf("%.*s,\"decision\":%s}\n", (int)strlen(text) - 1, text, decision != NULL ? decision : "null");
	else
		run->failed++;
	free(text);
	json_decref(object);
}

static void
run_case(struct run *run, const char *path, size_t line, const char *json, size_t len)
{
	struct pq_verdict verdict;
	char place[512];

	pq_arena_reset(&run->arena);
	pq_verdict_run(&run->source, json, len, &run->arena, &verdict);
	snprintf(place, sizeof(place), "%s:%zu", path, line);
	if (run->json)
		print_json(run, &verdict, place);
	else if (!verdict.passed)
		pq_verdict_print(&verdict, place, stdout);
	*(verdict.passed ? &run->passed : &run->failed) += 1;
	run->stopped = verdict.unreachable;
}

static bool
is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
			return false;
	return true;
}

/* False: the file cannot be read, and the message has been printed. */
static bool
run_file(struct run *run, const char *path)
{
	struct pq_arena arena;
	const char *data, *end;
	size_t len, line = 0;
	struct pq_err err = {0};

	pq_arena_init(&arena, CASES_BYTES_MAX + 4096);
	if (pq_files_read(path, CASES_BYTES_MAX, &arena, &data, &len, &err) != PQ_OK) {
		pq_arena_release(&arena);
		pq_cli_fail(&err);
		return false;
	}
	for (; len > 0 && !run->stopped; data = end) {
		const char *newline = memchr(data, '\n', len);
		size_t width = newline != NULL ? (size_t)(newline - data) : len;
		line++;
		if (!is_blank(data, width))
			run_case(run, path, line, data, width);
		end = data + width + (newline != NULL);
		len -= (size_t)(end - data);
	}
	pq_arena_release(&arena);
	return true;
}

static int
run_files(struct run *run, char **files, size_t n)
{
	bool whole = true;

	for (size_t i = 0; i < n && !run->stopped; i++)
		whole = run_file(run, files[i]) && whole;
	if (run->stopped)
		pq_cli_say("the server is gone; the remaining cases were not run");
	fprintf(run->json ? stderr : stdout, "%zu passed, %zu failed\n", run->passed, run->failed);
	if (whole && run->passed + run->failed == 0) {
		pq_cli_say("there is no case in these files");
		return PQ_EXIT_FAILED;
	}
	return whole && run->failed == 0 ? PQ_EXIT_OK : PQ_EXIT_FAILED;
}

int
pq_cmd_cases(int argc, char **argv)
{
	enum { STORE, SERVER, TIMEOUT, JSON };
	static const struct pq_flag table[] = {
		{"store", 0, true}, {"server", 0, true}, {"timeout", 0, true}, {"json", 0, false}, {0}};
	struct pq_flags options = {0};
	const char *store = NULL, *server = NULL;
	struct run run = {0};
	struct pq_err err = {0};
	int timeout_ms = 0;

	for (int option; (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		if (option == STORE)
			store = options.value;
		else if (option == SERVER)
			server = options.value;
		else if (option == JSON)
			run.json = true;
		else if (!pq_flags_timeout(options.value, &timeout_ms))
			return pq_cli_usage(argv[0], "--timeout: \"%.60s\" " PQ_FLAGS_TIMEOUT, options.value);
	}
	if (options.stop)
		return options.code;
	if ((store == NULL) == (server == NULL))
		return pq_cli_usage(argv[0], "say with either --store or --server who decides");
	if (optind == argc)
		return pq_cli_usage(argv[0], "name the files of the cases");
	int wrong = pq_flags_access(&options, argv[0], server);
	if (wrong != PQ_EXIT_OK)
		return wrong;

	enum pq_status status = store != NULL
	                            ? pq_source_open_store(&run.source, store, &err)
	                            : pq_source_open_server(&run.source, server, &options.access, timeout_ms, &err);
	if (status != PQ_OK)
		return pq_cli_fail(&err);
	pq_arena_init(&run.arena, PQ_CLI_DECISION_BYTES);
	int code = run_files(&run, argv + optind, (size_t)(argc - optind));
	pq_arena_release(&run.arena);
	pq_source_close(&run.source);
	return code;
}

/* pratique calendar: the dates on which a store speaks differently of one country, and what changes. */
#include "policy/calendar.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/source.h"

#include <string.h>
#include <unistd.h>

static const char *
words_of(enum pq_change_kind kind)
{
	switch (kind) {
	case PQ_CHANGE_ROW_BEGINS:
		return "row begins";
	case PQ_CHANGE_ROW_ENDS:
		return "row ends";
	case PQ_CHANGE_GAINS:
		return "now";
	case PQ_CHANGE_LOSES:
		return "no longer";
	case PQ_CHANGE_RULE_BEGINS:
		return "rule can apply";
	case PQ_CHANGE_RULE_ENDS:
		return "rule cannot apply";
	}
	return "";
}

static void
print_change(const struct pq_change *change)
{
	printf("  %-17s ", words_of(change->kind));
	pq_cli_put(stdout, change->subject);
	if (change->value[0] != '\0') {
		fputs(" = ", stdout);
		pq_cli_put(stdout, change->value);
	}
	if (change->title != NULL && change->title[0] != '\0') {
		fputs(": ", stdout);
		pq_cli_put(stdout, change->title);
	}
	if (change->cite[0] != '\0') {
		fputs("\n                    ", stdout);
		pq_cli_put(stdout, change->cite);
	}
	if (change->source[0] != '\0') {
		fputs(" [", stdout);
		pq_cli_put(stdout, change->source);
		fputs("]", stdout);
	}
	putchar('\n');
}

static void
print_calendar(const struct pq_calendar *calendar, const char *fact, const char *value)
{
	int32_t date = PQ_DATE_MIN;
	size_t n_dates = 0;

	for (size_t i = 0; i < calendar->n; i++) {
		if (calendar->at[i].date != date) {
			char text[16];
			date = calendar->at[i].date;
			pq_date_format(date, text, sizeof(text));
			printf("%s%s\n", n_dates > 0 ? "\n" : "", text);
			n_dates++;
		}
		print_change(&calendar->at[i]);
	}
	printf("%s%zu date%s on which something changes for %s ", n_dates > 0 ? "\n" : "", n_dates, n_dates == 1 ? "" : "s",
	       fact);
	pq_cli_put(stdout, value);
	puts(".");
}

struct question {
	const char *store, *fact, *value;
	int32_t from, until;
};

static int
read_date(const char *command, const char *flag, const char *text, int32_t *ret)
{
	if (pq_date_parse(text, strlen(text), ret))
		return PQ_EXIT_OK;
	return pq_cli_usage(command, "--%s: \"%s\" is no date that exists, YYYY-MM-DD", flag, text);
}

static int
answer(const struct question *q)
{
	struct pq_source source = {0};
	struct pq_calendar calendar;
	struct pq_arena arena;
	struct pq_err err = {0};

	if (pq_source_open_store(&source, q->store, &err) != PQ_OK)
		return pq_cli_fail(&err);
	pq_arena_init(&arena, PQ_CLI_PACKS_BYTES);
	int code = PQ_EXIT_OK;
	enum pq_status status = pq_calendar_of(source.image, q->fact, q->value, q->from, q->until, &arena, &calendar, &err);
	if (status == PQ_OK)
		print_calendar(&calendar, q->fact, q->value);
	else
		code = pq_cli_fail(&err) != 0 && status == PQ_EINVAL ? PQ_EXIT_INVALID : PQ_EXIT_FAILED;
	pq_arena_release(&arena);
	pq_source_close(&source);
	return code;
}

int
pq_cmd_calendar(int argc, char **argv)
{
	enum { STORE, TO, FACT, SINCE, UNTIL };
	static const struct pq_flag table[] = {{"store", 0, true}, {"to", 0, true},    {"fact", 0, true},
	                                       {"since", 0, true}, {"until", 0, true}, {0}};
	struct pq_flags options = {0};
	struct question q = {.from = PQ_DATE_MIN + 2, .until = PQ_DATE_MAX};
	static char name[128];

	for (int option; (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		int code = PQ_EXIT_OK;
		if (option == STORE)
			q.store = options.value;
		if (option == TO) {
			q.fact = "destination";
			q.value = options.value;
		}
		if (option == FACT) {
			const char *equal = strchr(options.value, '=');
			if (equal == NULL || equal == options.value || (size_t)(equal - options.value) >= sizeof(name))
				return pq_cli_usage(argv[0], "--fact wants NAME=VALUE");
			snprintf(name, sizeof(name), "%.*s", (int)(equal - options.value), options.value);
			q.fact = name;
			q.value = equal + 1;
		}
		if (option == SINCE)
			code = read_date(argv[0], "since", options.value, &q.from);
		if (option == UNTIL)
			code = read_date(argv[0], "until", options.value, &q.until);
		if (code != PQ_EXIT_OK)
			return code;
	}
	if (options.stop)
		return options.code;
	if (q.store == NULL)
		return pq_cli_usage(argv[0], "--store names the store");
	if (q.value == NULL || argc != optind)
		return pq_cli_usage(argv[0], "say for what: --to COUNTRY, or --fact NAME=VALUE");
	return answer(&q);
}

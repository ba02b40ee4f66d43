#include "cli/flags.h"

#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_MAX 32
/* Values that getopt returns for the table's entries; above every character. */
#define FIRST 1000
/* And for those of every command with --server. */
#define ACCESS 2000
#define LIST_FLAGS 3000

static int
stop(struct pq_flags *options, int code)
{
	options->stop = true;
	options->code = code;
	return -1;
}

/* getopt's own messages are silenced, to name the command and point to its help. */
static int
complain(struct pq_flags *options, char **argv, int result)
{
	const char *word = argv[optind - 1];

	if (result == ':')
		return stop(options, pq_cli_usage(argv[0], "%s needs a value", word));
	if (optopt >= FIRST)
		return stop(options, pq_cli_usage(argv[0], "%.200s takes no value", word));
	if (optopt != 0 && word[0] == '-' && word[1] != '-')
		return stop(options, pq_cli_usage(argv[0], "there is no option -%c", optopt));
	return stop(options, pq_cli_usage(argv[0], "there is no option %.200s (or it is cut too short)", word));
}

/* Options that every command with --server has; where each of them goes. */
static const struct {
	const char *name;
	size_t offset;
} access_options[] = {
	{"tls-ca", offsetof(struct pq_channel_access, tls_ca)},
	{"tls-cert", offsetof(struct pq_channel_access, tls_cert)},
	{"tls-key", offsetof(struct pq_channel_access, tls_key)},
	{"token-file", offsetof(struct pq_channel_access, token_file)},
};

#define N_ACCESS (sizeof(access_options) / sizeof(access_options[0]))

/* What getopt needs to know of a table; its letters, too. */
static size_t
describe(const struct pq_flag *table, struct option *ret_options, char *ret_letters)
{
	static const int arguments[] = {
		[PQ_FLAG_PLAIN] = no_argument, [PQ_FLAG_VALUE] = required_argument, [PQ_FLAG_MAY] = optional_argument};
	size_t n = 0, used = strlen(ret_letters);
	bool server = false;

	for (; table[n].name != NULL && n < FLAGS_MAX; n++) {
		ret_options[n] = (struct option){table[n].name, arguments[table[n].has_value], NULL, FIRST + (int)n};
		server = server || strcmp(table[n].name, "server") == 0;
		if (table[n].letter != 0) {
			ret_letters[used++] = table[n].letter;
			if (table[n].has_value == PQ_FLAG_VALUE)
				ret_letters[used++] = ':';
		}
	}
	ret_options[n] = (struct option){"help", no_argument, NULL, 'h'};
	ret_options[n + 1] = (struct option){"list-flags", no_argument, NULL, LIST_FLAGS};
	for (size_t i = 0; server && i < N_ACCESS; i++)
		ret_options[n + 2 + i] = (struct option){access_options[i].name, required_argument, NULL, ACCESS + (int)i};
	return n;
}

static bool
is_known(const struct pq_flags *options, size_t i)
{
	return options->known == 0 || (options->known & 1u << i) != 0;
}

static void
list_flags(const struct pq_flags *options, const struct pq_flag *table)
{
	static const char *const kinds[] = {[PQ_FLAG_PLAIN] = "plain", [PQ_FLAG_VALUE] = "value", [PQ_FLAG_MAY] = "may"};
	bool server = false;

	puts("help h plain");
	for (size_t i = 0; table[i].name != NULL; i++) {
		if (!is_known(options, i))
			continue;
		printf("%s %c %s\n", table[i].name, table[i].letter != 0 ? table[i].letter : '-', kinds[table[i].has_value]);
		server = server || strcmp(table[i].name, "server") == 0;
	}
	for (size_t i = 0; server && i < N_ACCESS; i++)
		printf("%s - value\n", access_options[i].name);
}

int
pq_flags_next(struct pq_flags *options, int argc, char **argv, const struct pq_flag *table)
{
	struct option long_options[FLAGS_MAX + N_ACCESS + 3] = {0};
	char letters[2 * FLAGS_MAX + 4] = ":h";
	size_t n = describe(table, long_options, letters);
	int result;

	opterr = 0;
	while ((result = getopt_long(argc, argv, letters, long_options, NULL)) >= ACCESS && result != LIST_FLAGS)
		*(const char **)(void *)((char *)&options->access + access_options[result - ACCESS].offset) = optarg;
	if (result == -1)
		return -1;
	if (result == 'h') {
		pq_cli_help(argv[0]);
		return stop(options, PQ_EXIT_OK);
	}
	if (result == LIST_FLAGS) {
		list_flags(options, table);
		return stop(options, PQ_EXIT_OK);
	}
	if (result == '?' || result == ':')
		return complain(options, argv, result);
	options->value = optarg;
	size_t found = result >= FIRST ? (size_t)(result - FIRST) : 0;
	while (result < FIRST && found < n && table[found].letter != result)
		found++;
	if (found == n)
		return stop(options, PQ_EXIT_USAGE);
	if (!is_known(options, found))
		return stop(options, pq_cli_usage(argv[0], "--%s says nothing to %s", table[found].name, argv[0]));
	return (int)found;
}

int
pq_flags_access(const struct pq_flags *options, const char *command, const char *server)
{
	struct pq_err err = {0};
	char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX];

	if (pq_channel_check(server, &options->access, &err) == PQ_OK)
		return PQ_EXIT_OK;
	pq_err_format(&err, text, sizeof(text));
	return pq_cli_usage(command, "%s", text);
}

bool
pq_flags_timeout(const char *value, int *ret_ms)
{
	char *end;

	errno = 0;
	long ms = strtol(value, &end, 10);
	if (errno != 0 || *end != '\0' || end == value || ms < 1 || ms > 3600000)
		return false;
	*ret_ms = (int)ms;
	return true;
}

bool
pq_flags_age(const char *value, uint32_t *ret_s)
{
	static const char units[] = "smhd";
	static const unsigned long seconds[] = {1, 60, 3600, 86400};
	char *end;

	errno = 0;
	unsigned long n = strtoul(value, &end, 10), each = 1;
	const char *unit = end[0] != '\0' ? strchr(units, end[0]) : NULL;
	if (unit != NULL) {
		each = seconds[unit - units];
		end++;
	}
	if (errno != 0 || value[0] < '0' || value[0] > '9' || *end != '\0' || n == 0 || n > UINT32_MAX / each)
		return false;
	*ret_s = (uint32_t)(n * each);
	return true;
}

bool
pq_flags_sequence(const char *value, uint64_t *ret)
{
	char *end;

	errno = 0;
	unsigned long long n = strtoull(value, &end, 10);
	if (errno != 0 || value[0] < '0' || value[0] > '9' || *end != '\0' || n == 0)
		return false;
	*ret = n;
	return true;
}

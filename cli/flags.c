#include "cli/flags.h"

#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_MAX 32
/* Values that getopt returns for the table's entries; above every character. */
#define FIRST 1000
/* And for those of every command with --server. */
#define ACCESS 2000

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
	for (size_t i = 0; server && i < N_ACCESS; i++)
		ret_options[n + 1 + i] = (struct option){access_options[i].name, required_argument, NULL, ACCESS + (int)i};
	return n;
}

int
pq_flags_next(struct pq_flags *options, int argc, char **argv, const struct pq_flag *table)
{
	struct option long_options[FLAGS_MAX + N_ACCESS + 2] = {0};
	char letters[2 * FLAGS_MAX + 4] = ":h";
	size_t n = describe(table, long_options, letters);
	int result;

	opterr = 0;
	while ((result = getopt_long(argc, argv, letters, long_options, NULL)) >= ACCESS)
		*(const char **)(void *)((char *)&options->access + access_options[result - ACCESS].offset) = optarg;
	if (result == -1)
		return -1;
	if (result == 'h') {
		pq_cli_help(argv[0]);
		return stop(options, PQ_EXIT_OK);
	}
	if (result == '?' || result == ':')
		return complain(options, argv, result);
	options->value = optarg;
	if (result >= FIRST)
		return result - FIRST;
	for (size_t i = 0; i < n; i++)
		if (table[i].letter == result)
			return (int)i;
	return stop(options, PQ_EXIT_USAGE);
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

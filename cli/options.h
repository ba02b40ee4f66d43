/**
 * The options of the commands: a table each, on top of getopt_long().
 */
#ifndef PQ_CLI_OPTIONS_H
#define PQ_CLI_OPTIONS_H

#include <stdbool.h>

/** One option of a command. */
struct pq_option {
	const char *name; /* without the dashes */
	char letter;      /* short form; 0 = none */
	bool has_value;
};

/** Where reading stands. Start with {0}. */
struct pq_options {
	int code;          /* exit code once pq_options_next() has returned -1 with `stop` */
	bool stop;         /* help was printed or something was wrong: return `code` */
	const char *value; /* of the option just read */
};

/**
 * The next option's index in `table` (ended by an entry without a name), or -1 at the end. Operands may stand between
 * options; after the end they are argv[optind] on. --help is known everywhere. `stop` tells why reading ended.
 */
int pq_options_next(struct pq_options *options, int argc, char **argv, const struct pq_option *table);

/** A value of --timeout: 1 to 3600000 milliseconds. False: it is none, *ret_ms is untouched. */
bool pq_options_timeout(const char *value, int *ret_ms);

/** What is said where pq_options_timeout() fails. */
#define PQ_OPTIONS_TIMEOUT "is no number of milliseconds (1 to 3600000)"

#endif

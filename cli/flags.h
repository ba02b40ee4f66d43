/**
 * The options of the commands: a table each, on top of getopt_long().
 */
#ifndef PQ_CLI_FLAGS_H
#define PQ_CLI_FLAGS_H

#include "cli/channel.h"

#include <stdbool.h>
#include <stdint.h>

/** One option of a command. */
struct pq_flag {
	const char *name; /* without the dashes */
	char letter;      /* short form; 0 = none */
	enum {
		PQ_FLAG_PLAIN = false,
		PQ_FLAG_VALUE = true,
		PQ_FLAG_MAY, /* the value may be left out; if there is one, it is written --name=VALUE */
	} has_value;
};

/** Where reading stands. Start with {0}, but for `known`. */
struct pq_flags {
	unsigned known;                  /* entries of the table that the command knows, a bit each; 0 = all of them */
	int code;                        /* exit code once pq_flags_next() has returned -1 with `stop` */
	bool stop;                       /* help was printed or something was wrong: return `code` */
	const char *value;               /* of the option just read; NULL = none was given */
	struct pq_channel_access access; /* as far as it was read */
};

/**
 * The next option's index in `table` (ended by an entry without a name), or -1 at the end. Operands may stand between
 * options; after the end they are argv[optind] on. --help is known everywhere, and those of `access` where the table has
 * --server; they are taken in here, and not returned. `stop` tells why reading ended.
 *
 * --list-flags, which no help tells of, prints the table: a line "NAME LETTER KIND" each, from which completions are made and
 * manual pages are checked.
 */
int pq_flags_next(struct pq_flags *options, int argc, char **argv, const struct pq_flag *table);

/** Do --tls-ca and so on go with --server (NULL: it was not given)? Returns 0, or the exit code; that has been said. */
int pq_flags_access(const struct pq_flags *options, const char *command, const char *server);

/** A value of --timeout: 1 to 3600000 milliseconds. False: it is none, *ret_ms is untouched. */
bool pq_flags_timeout(const char *value, int *ret_ms);

/** A value of --max-age: seconds, or a number with s, m, h or d behind it. False: it is none, *ret_s is untouched. */
bool pq_flags_age(const char *value, uint32_t *ret_s);

/** A sequence of revisions: 1 or more. False: it is none, *ret is untouched. */
bool pq_flags_sequence(const char *value, uint64_t *ret);

/** What is said where pq_flags_timeout() fails. */
#define PQ_FLAGS_TIMEOUT "is no number of milliseconds (1 to 3600000)"

#endif

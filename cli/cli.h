/**
 * What the commands of `pratique` share: exit codes, the table of commands, messages.
 *
 * The library policy/ never prints; here is where errors become lines for people. Everything that came from outside
 * (requests, servers, files) is printed without its control characters, so that no text can drive the terminal.
 *
 * Threads: one.
 */
#ifndef PQ_CLI_CLI_H
#define PQ_CLI_CLI_H

#include "policy/status.h"

#include <stdio.h>

/** Exit codes (docs/request.md, "Exit codes"). */
enum pq_exit {
	PQ_EXIT_OK = 0,
	PQ_EXIT_FAILED = 1,  /* something could not be done: unreadable, unreachable, faults found, cases failed */
	PQ_EXIT_USAGE = 2,   /* the command line is wrong */
	PQ_EXIT_INVALID = 3, /* the request is wrong: it was refused, not answered */
};

/** Bytes that one decision with its request may take; a thousand lines with all their reasons stay below. */
#define PQ_CLI_DECISION_BYTES ((size_t)256 << 20)
/** Bytes that the packs and what is compiled from them may take. The US packs take some dozens of MB, a million rules 7 GB. */
#define PQ_CLI_PACKS_BYTES ((size_t)16 << 30)

/** Run the command line; returns the exit code. */
int pq_cli_main(int argc, char **argv);

/* The commands. argv[0] is the command's name. Each returns an exit code. */
int pq_cmd_check(int argc, char **argv);
int pq_cmd_compile(int argc, char **argv);
int pq_cmd_inspect(int argc, char **argv);
int pq_cmd_decide(int argc, char **argv);
int pq_cmd_explain(int argc, char **argv);
int pq_cmd_cases(int argc, char **argv);
int pq_cmd_calendar(int argc, char **argv);
int pq_cmd_grid(int argc, char **argv);
int pq_cmd_fetch(int argc, char **argv);
int pq_cmd_push(int argc, char **argv);
int pq_cmd_keygen(int argc, char **argv);
int pq_cmd_sign(int argc, char **argv);
int pq_cmd_verify(int argc, char **argv);
int pq_cmd_revisions(int argc, char **argv);
int pq_cmd_publish(int argc, char **argv);
int pq_cmd_activate(int argc, char **argv);
int pq_cmd_schedule(int argc, char **argv);
int pq_cmd_rollback(int argc, char **argv);
int pq_cmd_prune(int argc, char **argv);
int pq_cmd_journal(int argc, char **argv);
int pq_cmd_replicas(int argc, char **argv);

/** Print a command's help to standard output, or all commands' where `name` is NULL. */
void pq_cli_help(const char *name);

/** Say what is wrong with the command line, and where help is. Returns PQ_EXIT_USAGE. */
int pq_cli_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Say on standard error what failed. Returns the exit code that fits: PQ_EXIT_FAILED. */
int pq_cli_fail(const struct pq_err *err);

/** Print "pratique: text" on standard error. */
void pq_cli_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Print a text from outside: control characters but newlines become '?'. */
void pq_cli_put(FILE *out, const char *text);
/** The same for the first `len` bytes of a text. */
void pq_cli_put_n(FILE *out, const char *text, size_t len);

#endif

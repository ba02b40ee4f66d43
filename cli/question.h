/**
 * A question on the command line: a request from a file, standard input or flags, put to a store or a server. What
 * `decide` and `explain` have in common.
 */
#ifndef PQ_CLI_QUESTION_H
#define PQ_CLI_QUESTION_H

#include "cli/flags.h"
#include "policy/arena.h"
#include "policy/decision.h"
#include "policy/facts.h"
#include "policy/image.h"
#include "server/demand.h"

/** A question and its answer. Everything lives in the arena or the source that answered, until the answer is printed. */
struct pq_question {
	struct pq_request request;
	struct pq_decision decision;
	const char *digest;           /* of the revision that answered; "" = not known */
	const struct pq_answerer *by; /* that revision, of a server; of sequence 0: it is in no order of revisions */
	const struct pq_image *image; /* of that revision; NULL with a server */
	const char *own;              /* value of the command's own option: NULL = it was not given; "" = it takes none */
};

/** Print an answer; returns an exit code. */
typedef int pq_answer_fn(const struct pq_question *question, struct pq_arena *arena);

/**
 * Read the command line, decide, print. `own` is the one option that the command has beyond the common ones.
 * `near_misses` are looked for where the request does not say how many. Returns an exit code.
 */
int pq_question_run(int argc, char **argv, const struct pq_flag *own, unsigned near_misses, pq_answer_fn *print);

#endif

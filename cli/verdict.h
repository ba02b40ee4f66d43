/**
 * Running one case: read it, decide it, judge it. Shared by the packs' own cases and by case files.
 */
#ifndef PQ_CLI_VERDICT_H
#define PQ_CLI_VERDICT_H

#include "cli/source.h"

#include <stdbool.h>
#include <stdio.h>

struct pq_verdict {
	const char *id; /* NULL: the case could not be read */
	bool passed;
	bool unreachable; /* the source itself failed; further cases will not fare better */
	bool has_decision;
	struct pq_decision decision;
	const char *text; /* of a failure: a line for each difference or wrong field */
};

/** Run the case in `json`. All texts live in `arena` (which may be reset before the next case). */
void pq_verdict_run(struct pq_source *source, const char *json, size_t len, struct pq_arena *arena,
                    struct pq_verdict *ret);

/** Print "FAIL ID (PLACE)" and the text indented below it. */
void pq_verdict_print(const struct pq_verdict *verdict, const char *place, FILE *out);

#endif

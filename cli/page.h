/**
 * A decision as a page for people: 80 columns, what the answer is first, then why, then what to do.
 */
#ifndef PQ_CLI_PAGE_H
#define PQ_CLI_PAGE_H

#include "policy/decision.h"
#include "policy/facts.h"
#include "server/demand.h"

#include <stdbool.h>
#include <stdio.h>

/**
 * Print the page. `digest` names the revision that answered; "" = not known. `full`: with the facts as they were given,
 * each part with its own reasons, and the days on which rules begin and end.
 */
void pq_page_print(const struct pq_request *request, const struct pq_decision *decision, const char *digest, bool full,
                   FILE *out);

/** Below it: which revision a server answered by, and how sure it was of that. Nothing where it is in no order. */
void pq_page_print_answerer(const struct pq_answerer *by, FILE *out);

/**
 * Print a text wrapped at 80 columns. Its first line begins with `head` padded to `indent` columns, the others with as
 * many spaces. Control characters become '?'; newlines begin a new line.
 */
void pq_page_wrap(FILE *out, const char *head, int indent, const char *text);

#endif

/**
 * A decision as one file of HTML that needs nothing else: no network, no scripts; to be read, printed and filed.
 *
 * Every text that came from a request, a server or a pack is escaped; control characters become U+FFFD, and values that
 * a request gave are isolated from the direction of the text around them.
 */
#ifndef PQ_CLI_HTML_H
#define PQ_CLI_HTML_H

#include "policy/decision.h"
#include "policy/facts.h"
#include "policy/image.h"

#include <stdio.h>

/** Write the page. `digest`: of the revision that answered, "" = not known. `image`: for the titles of facts, or NULL. */
void pq_html_print(const struct pq_request *request, const struct pq_decision *decision, const char *digest,
                   const struct pq_image *image, FILE *out);

#endif

/**
 * Writing HTML: text that is escaped, and the small pieces that the page is made of. Internal to cli/html*.c.
 */
#ifndef PQ_CLI_HTML_WRITE_H
#define PQ_CLI_HTML_WRITE_H

#include "policy/decision.h"
#include "policy/image.h"

#include <stdio.h>

struct pq_html {
	FILE *out;
	const struct pq_image *image;
	const struct pq_decision *whole; /* whose list of rules ends the page */
	int level;                       /* of headings: 2 for the whole, 3 in a part */
};

/** A text as text: escaped. */
void pq_html_text(const struct pq_html *h, const char *text);
/** The same for the first `len` bytes. */
void pq_html_text_n(const struct pq_html *h, const char *text, size_t len);

/** A section with its heading, ended by pq_html_end(). `id`: of the section, "" = none. */
void pq_html_begin(const struct pq_html *h, const char *id, const char *heading);
void pq_html_end(const struct pq_html *h);

/** The citation of a rule, where it stands in the packs and when it is in force, as a line of its own. NULL: nothing. */
void pq_html_rule(const struct pq_html *h, const struct pq_rule_ref *rule);

/** The style of the page. */
extern const char pq_html_style[];

#endif

/**
 * What is in a request and a decision, in words: shared by the page for terminals and the page for printers.
 *
 * Texts go into the caller's buffer, cut where it ends, and are always terminated. They may hold whatever a request or
 * a pack said: who prints them sees to control characters and markup.
 */
#ifndef PQ_CLI_WORDS_H
#define PQ_CLI_WORDS_H

#include "policy/decision.h"
#include "policy/facts.h"
#include "policy/image.h"

#include <stddef.h>

/** Long enough for a title with all its citations. */
#define PQ_WORDS_MAX 4096

/** The outcome: "A licence is required". */
const char *pq_words_outcome(enum pq_outcome outcome);
/** The outcome that would be: "a licence would be required". */
const char *pq_words_would(enum pq_outcome outcome);
/** The review policy: "presumption of denial"; "" = none. */
const char *pq_words_policy(enum pq_policy policy);
/** What a rule does: "licence requirement". */
const char *pq_words_kind(enum pq_kind kind);

/** `text`, or `otherwise` where that is NULL or empty. */
const char *pq_words_or(const char *text, const char *otherwise);

/** What is asked, in one line: "export of 9A610.x from US to KH on 2025-11-07". */
void pq_words_question(const struct pq_request *request, char *buf, size_t size);

/** A value as a request says it: "true", "EL, MEU", "said to be unknown", "none" for the empty set. */
void pq_words_value(const struct pq_value *value, char *buf, size_t size);

/** Is the rule of a near miss one that would not apply any more (rather than one that would)? */
bool pq_words_falls_away(const struct pq_near_miss *miss);

/** "if end_use were military instead of civil: a licence would be required (15 CFR 744.21(a)(1))" */
void pq_words_near_miss(const struct pq_near_miss *miss, char *buf, size_t size);

/** The period that a rule is in force: "from 2023-01-01 up to 2024-02-01", "" = open at both ends. */
void pq_words_period(const struct pq_rule_ref *rule, char *buf, size_t size);

/**
 * What stands at barred[i], with all that the same rule closes for the same reason: "LVS, GBS", "all but GOV(b), among
 * them LVS". False where an earlier entry has named it already.
 */
bool pq_words_barred(const struct pq_decision *decision, size_t i, char *buf, size_t size);

/** Told for each fact that a request says. `where`: "", "parties[0]", "lines[2]", "assume", ... */
typedef void pq_words_fact_fn(void *context, const char *where, const struct pq_fact *fact);

/** All facts of a request, in its order, those of one place after the other. */
void pq_words_each_fact(const struct pq_request *request, pq_words_fact_fn *tell, void *context);

/**
 * The title of a fact that stands at `place` ("end_use", "parties.end_user.lists", "parties[0].lists"), or "" where the
 * image has none or is NULL.
 */
const char *pq_words_title(const struct pq_image *image, const char *place);

#endif

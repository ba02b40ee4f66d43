/**
 * Static analysis of a revision: what its rules can never do, where they disagree, and of what they do not speak. It is
 * found by reasoning over the finite domains (boxes of values, and tables walked value by value), not by sampling.
 *
 * What is reported is proved, but for what docs/packs.md ("Analysis") says is taken as it stands; what is not reported
 * may still be so. No answer changes by it.
 */
#ifndef PQ_POLICY_ANALYSE_H
#define PQ_POLICY_ANALYSE_H

#include "policy/arena.h"
#include "policy/calendar.h"
#include "policy/image.h"
#include "policy/model.h"
#include "policy/pack.h"
#include "policy/status.h"

/* What is found: a name for people. docs/packs.md defines each, and "rank". */
#define PQ_ANALYSIS_MAP(X)            \
	X(SHADOWED, "shadowed")           \
	X(CONTRADICTION, "contradiction") \
	X(NEVER_USABLE, "never usable")   \
	X(UNSPOKEN, "nothing speaks of")

enum pq_analysis_kind {
#define X(NAME, name) PQ_ANALYSIS_##NAME,
	PQ_ANALYSIS_MAP(X)
#undef X
		PQ_ANALYSIS_COUNT
};

/** Findings of one analysis that are kept; behind them one says how many there were. */
#define PQ_ANALYSIS_MAX_FINDINGS 2000u

struct pq_analysis {
	struct pq_findings findings;      /* warnings, by kind, then in the order of the packs; n_errors is 0 */
	size_t counts[PQ_ANALYSIS_COUNT]; /* all that were found */
	size_t n_unsettled;               /* pairs that may contradict each other, of which no request was found */
	size_t n_alternatives;            /* of conditions, that were compared */
	size_t n_cells;                   /* values of facts × days, of which every derived attribute was computed */
};

/**
 * Analyse a model by the image that was compiled from it. Takes seconds for packs of a thousand alternatives.
 *
 * Ownership: the findings live in `arena`, the model and the image.
 * Threads:   model and image are only read.
 * Fails:     PQ_ENOMEM. Findings are no failure.
 */
PQ_MUST_USE enum pq_status pq_analyse(const struct pq_model *model, const struct pq_image *image,
                                      struct pq_arena *arena, struct pq_analysis *ret, struct pq_err *err);

/** What changes on a day: rows of a table, or the alternatives of a rule. */
struct pq_dated {
	int32_t date;
	enum pq_change_kind kind; /* ROW_BEGINS, ROW_ENDS, RULE_BEGINS, RULE_ENDS */
	const char *subject;      /* table, or id of the rule */
	size_t n;                 /* rows or alternatives */
	struct pq_src src;        /* the first of them */
};

/**
 * Every day in [from, to) on which a row that rules can look up, or a rule, begins or ends: the calendar of the packs.
 * Outside of these days no answer changes with the day alone, but by comparisons of the day with dates in the request.
 * Tables for the reader are left out.
 *
 * Ownership: *ret lives in `arena`, its texts in the model; by date, then kind and subject.
 * Fails:     PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_analyse_dates(const struct pq_model *model, const struct pq_image *image, int32_t from,
                                            int32_t to, struct pq_arena *arena, struct pq_dated **ret, size_t *ret_n,
                                            struct pq_err *err);

/** "shadowed", ... */
const char *pq_analysis_name(enum pq_analysis_kind kind);

#endif

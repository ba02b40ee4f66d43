/**
 * What changes when: the dates on which a revision speaks differently of one value of one fact (a destination), and the
 * finite lists that a revision is made of. For `pratique calendar`, `pratique grid` and the static analysis.
 */
#ifndef PQ_POLICY_CALENDAR_H
#define PQ_POLICY_CALENDAR_H

#include "policy/arena.h"
#include "policy/image.h"
#include "policy/status.h"

enum pq_change_kind {
	PQ_CHANGE_ROW_BEGINS,  /* a table row that names the value comes into force */
	PQ_CHANGE_ROW_ENDS,
	PQ_CHANGE_GAINS,       /* a derived attribute surely has a value more */
	PQ_CHANGE_LOSES,
	PQ_CHANGE_RULE_BEGINS, /* a rule can apply that could not the day before */
	PQ_CHANGE_RULE_ENDS,
};

struct pq_change {
	int32_t date;
	enum pq_change_kind kind;
	const char *subject;   /* table and row in words, attribute, or rule id */
	const char *value;     /* of attributes: the symbol; else "" */
	const char *cite;
	const char *source;    /* file:line; "" for attributes */
	const char *title;     /* of rules: what it says, for people; else NULL */
};

struct pq_calendar {
	struct pq_change *at;  /* by date, then in the order of the enum and of the packs */
	size_t n;
};

/**
 * Every date in [from, to) on which something changes where the fact has this value and everything else is open: said,
 * but not known. There is one party with one owner, one hit and one stop on the way; what they say of the same domain
 * is this value too, so that the calendar of a country is that of dealings with it alone. Rules count that may hold
 * for some transaction, whatever its outcome.
 *
 * Ownership: *ret lives in `arena` and the image.
 * Fails:     PQ_EINVAL (no such fact of the whole request, no such symbol; err names which), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_calendar_of(const struct pq_image *image, const char *fact, const char *value, int32_t from,
                                          int32_t to, struct pq_arena *arena, struct pq_calendar *ret, struct pq_err *err);

struct pq_texts {
	const char **at;
	size_t n;
};

/** All symbols that a fact can have, in the order of its domain. Fails: PQ_EINVAL, PQ_ENOMEM. */
PQ_MUST_USE enum pq_status pq_image_symbols_of(const struct pq_image *image, const char *fact, struct pq_arena *arena,
                                               struct pq_texts *ret, struct pq_err *err);

/**
 * All codes that a code fact can have and that some row or rule tells apart: each symbol, alone where no path of it is
 * listed anywhere, else with each path that is, and with none of them written as the symbol alone. Sorted bytewise.
 * Fails: PQ_EINVAL (not a code), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_image_codes_of(const struct pq_image *image, const char *fact, struct pq_arena *arena,
                                             struct pq_texts *ret, struct pq_err *err);

struct pq_dates {
	int32_t *at;
	size_t n;
};

/** All dates in [from, to) on which a row or a rule begins or ends, ascending, each once. Fails: PQ_ENOMEM. */
PQ_MUST_USE enum pq_status pq_image_dates(const struct pq_image *image, int32_t from, int32_t to, struct pq_arena *arena,
                                          struct pq_dates *ret, struct pq_err *err);

#endif

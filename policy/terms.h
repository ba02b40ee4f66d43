/**
 * The words of a decision: outcomes, review policies, value types, scopes and rule kinds, each as one X-macro table
 * that feeds the enum and the names.
 *
 * These are the product's own vocabulary (design: the licence algebra). No country, entry, list or citation is here:
 * those are data of the packs.
 */
#ifndef PQ_POLICY_TERMS_H
#define PQ_POLICY_TERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Outcomes in order of severity, mildest first. Of several lines or nationalities the severest counts.
 * PQ_OUTCOME_NONE is never the answer of a complete decision.
 */
#define PQ_OUTCOME_MAP(X)             \
	X(NONE)                           \
	X(NOT_SUBJECT)                    \
	X(SUBJECT_TO_EAR)                 \
	X(NO_LICENSE_REQUIRED)            \
	X(EXEMPTION_AVAILABLE)            \
	X(LICENSE_EXCEPTION_AVAILABLE)    \
	X(NEEDS_INFORMATION)              \
	X(REFER)                          \
	X(LICENSE_REQUIRED)               \
	X(PROHIBITED)

enum pq_outcome {
#define X(name) PQ_OUTCOME_##name,
	PQ_OUTCOME_MAP(X)
#undef X
	PQ_OUTCOME_COUNT
};

/* Review policies, least restrictive first; the most restrictive that is reached counts. */
#define PQ_POLICY_MAP(X)         \
	X(NONE)                      \
	X(GENERALLY_APPROVED)        \
	X(PRESUMPTION_OF_APPROVAL)   \
	X(CASE_BY_CASE)              \
	X(AS_STATED_IN_ENTRY)        \
	X(PRESUMPTION_OF_DENIAL)     \
	X(GENERALLY_DENIED)          \
	X(POLICY_OF_DENIAL)

enum pq_policy {
#define X(name) PQ_POLICY_##name,
	PQ_POLICY_MAP(X)
#undef X
	PQ_POLICY_COUNT
};

/* Types of attributes (docs/packs.md, "Types"). */
#define PQ_TYPE_MAP(X)                                                  \
	X(BOOL, "bool")                                                     \
	X(SYMBOL, "symbol")     /* one symbol of a domain, or none */       \
	X(SYMBOLS, "symbols")   /* a set of symbols of a domain */          \
	X(NUMBER, "number")     /* fixed point, PQ_NUMBER_SCALE */          \
	X(DATE, "date")         /* days since 1970-01-01 */                 \
	X(CODE, "code")         /* a symbol and, behind it, a path */       \
	X(PATH, "path")         /* the path of a code */                    \
	X(TEXT, "text")         /* carried along, never matched */

enum pq_type {
#define X(name, word) PQ_TYPE_##name,
	PQ_TYPE_MAP(X)
#undef X
	PQ_TYPE_COUNT
};

/* Where an attribute sits. The word is the prefix of the attribute's name; owners sit in parties. */
#define PQ_SCOPE_MAP(X)                          \
	X(REQUEST, "")                               \
	X(PARTY, "party")                            \
	X(OWNER, "owner")                            \
	X(HIT, "hit")                                \
	X(INTERMEDIATE, "intermediate")              \
	X(DECISION, "decision")  /* known only after the outcome */

enum pq_scope {
#define X(name, word) PQ_SCOPE_##name,
	PQ_SCOPE_MAP(X)
#undef X
	PQ_SCOPE_COUNT
};

/* Kinds of rules (docs/packs.md, "Rule kinds"). */
#define PQ_KIND_MAP(X)               \
	X(DERIVE, "derive")              \
	X(JURISDICTION, "jurisdiction")  \
	X(REQUIREMENT, "requirement")    \
	X(EXCLUSION, "exclusion")        \
	X(EXCEPTION, "exception")        \
	X(RESTRICTION, "restriction")    \
	X(PROHIBITION, "prohibition")    \
	X(REFER, "refer")                \
	X(REVIEW, "review")              \
	X(OBLIGATION, "obligation")      \
	X(WARNING, "warning")

enum pq_kind {
#define X(name, word) PQ_KIND_##name,
	PQ_KIND_MAP(X)
#undef X
	PQ_KIND_COUNT
};

/** Numbers are int64 in units of 1/10000, so that cents and percentages compare exactly. */
#define PQ_NUMBER_SCALE 10000
/** Open ends of date intervals. Real dates lie between 1900-01-01 and 2199-12-31. */
#define PQ_DATE_MIN INT32_MIN
#define PQ_DATE_MAX INT32_MAX

/** Names of the above, never NULL; PQ_OUTCOME_NONE and PQ_POLICY_NONE give "". */
const char *pq_outcome_name(enum pq_outcome outcome);
const char *pq_policy_name(enum pq_policy policy);
const char *pq_type_name(enum pq_type type);
const char *pq_scope_name(enum pq_scope scope);
const char *pq_kind_name(enum pq_kind kind);

/** The inverse; false when there is no such word (*ret untouched). */
bool pq_outcome_parse(const char *name, enum pq_outcome *ret);
bool pq_policy_parse(const char *name, enum pq_policy *ret);
bool pq_type_parse(const char *name, enum pq_type *ret);
bool pq_kind_parse(const char *name, enum pq_kind *ret);

/** Parse YYYY-MM-DD, a date that exists, 1900 to 2199, to days since 1970-01-01. False: *ret untouched. */
bool pq_date_parse(const char *text, size_t len, int32_t *ret);
/** Write YYYY-MM-DD and a NUL to buf (11 bytes or more); "" for the open ends. */
void pq_date_format(int32_t date, char *buf, size_t size);

/** Parse a decimal ("-12", "0.5", at most 4 decimals, no exponent) to fixed point. False: *ret untouched. */
bool pq_number_parse(const char *text, size_t len, int64_t *ret);
/** Write the shortest decimal to buf (32 bytes are enough). */
void pq_number_format(int64_t number, char *buf, size_t size);

#endif

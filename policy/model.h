/**
 * The model: what the packs say, checked and resolved, as plain structures.
 *
 * It is what the loader (policy/pack.h) makes from the files of the packs, what the compiler (policy/compile.h) turns
 * into the images of a store, and what the slow oracle in tests/ walks directly. Names are already resolved: attributes,
 * domains, tables and amendments are indexes into the arrays of the model, symbols are indexes into their domain.
 * docs/packs.md describes the language; the names here are the names there.
 *
 * Ownership: everything lives in the arena that the model was loaded into. Nothing changes after loading.
 * Threads:   a loaded model may be read by any number of threads.
 */
#ifndef PQ_POLICY_MODEL_H
#define PQ_POLICY_MODEL_H

#include "policy/terms.h"

/** "No such thing" for every index below. */
#define PQ_NO_INDEX UINT32_MAX

/** A place in a pack file. `file` is relative to the folder that holds the packs: "us-ear/rules/chart.yaml". */
struct pq_src {
	const char *file;
	int line;   /* 1-based */
	int column; /* 1-based; 0 = whole line */
};

struct pq_indexes {
	uint32_t *at;
	size_t n;
};

struct pq_strings {
	const char **at;
	size_t n;
};

/* ---- domains ------------------------------------------------------------------------------------------------- */

/** An accepted spelling of a symbol. Spellings and symbols are looked up without regard to ASCII case. */
struct pq_alias {
	const char *name;
	uint32_t symbol;
};

/**
 * A finite set of symbols. Domain PQ_DOMAIN_BOOL is always {"false", "true"} in this order. Every attribute of type
 * PATH has a domain of its own: the paths that conditions list, written with dots ("a.2", "h.1"), without a leading
 * one; the symbols are sorted bytewise.
 */
struct pq_domain {
	const char *name;
	const char **symbols;
	size_t n_symbols;
	struct pq_alias *aliases;
	size_t n_aliases;
	uint32_t other;      /* the symbol that stands for every text that is no symbol; PQ_NO_INDEX: such a text is refused */
	struct pq_src src;
};

enum { PQ_DOMAIN_BOOL = 0 };
enum { PQ_BOOL_FALSE = 0, PQ_BOOL_TRUE = 1 };

/* ---- conditions ---------------------------------------------------------------------------------------------- */

enum pq_op {
	PQ_OP_ANY,    /* the attribute has a value among `symbols` */
	PQ_OP_NONE,   /* it has none of them (true also of an attribute without a value) */
	PQ_OP_ALL,    /* it has every one of them */
	PQ_OP_RANGE,  /* the number or date lies in one of `ranges`; false without a value */
	PQ_OP_EXISTS, /* some element of `scope` meets `inner` */
	PQ_OP_EVERY,  /* every element of `scope` meets `inner`; true when there is none */
	PQ_OP_ABSENT, /* no element of `scope` meets `inner` */
};

/** Both ends included. Open ends are INT64_MIN and INT64_MAX. */
struct pq_range {
	int64_t lo, hi;
};

struct pq_dnf;

struct pq_cond {
	enum pq_op op;
	uint32_t attr;             /* ANY, NONE, ALL, RANGE */
	struct pq_indexes symbols; /* ANY, NONE, ALL; for a path: a listed path covers itself and all below it */
	struct pq_range *ranges;   /* RANGE: sorted, disjoint */
	size_t n_ranges;
	enum pq_scope scope;       /* EXISTS, EVERY, ABSENT: PARTY, OWNER, HIT or INTERMEDIATE */
	const struct pq_dnf *inner;
	struct pq_src src;
};

/** A conjunction; an empty one is true. */
struct pq_conj {
	struct pq_cond *conds;
	size_t n;
};

/** Alternatives of conjunctions, as `any` and `not` have been multiplied out. n = 1 with an empty conj is "always". */
struct pq_dnf {
	struct pq_conj *conjs;
	size_t n;
};

/* ---- attributes ---------------------------------------------------------------------------------------------- */

/** A value written in a pack: `type` says which member counts. */
struct pq_literal {
	enum pq_type type;
	bool none;                 /* explicitly without a value */
	struct pq_indexes symbols; /* BOOL, SYMBOL (one), SYMBOLS (any number) */
	int64_t number;            /* NUMBER, DATE */
};

/** One line of a fact's `silence`: the first whose `when` surely holds counts; possible ones leave it open. */
struct pq_silence {
	struct pq_dnf when;
	bool unknown;              /* the fact is unknown */
	struct pq_literal value;   /* otherwise this value, ... */
	uint32_t copy;             /* ... or the value of this attribute, unless PQ_NO_INDEX, ... */
	uint32_t lines_sum;        /* ... or the sum of this fact over the lines of the request ... */
	uint32_t lines_same;       /* ... that have the same value of this attribute as the line decided */
	struct pq_src src;
};

struct pq_attr {
	const char *name;    /* full: "item.series", "party.military_end_user" */
	enum pq_type type;
	enum pq_scope scope;
	uint32_t domain;     /* BOOL, SYMBOL, SYMBOLS, CODE, PATH; else PQ_NO_INDEX */
	uint32_t pack;
	const char *title;   /* for people; "" = none */
	struct pq_src src;

	struct pq_indexes said; /* BOOL attributes: true where the request has a value for one of these facts; none: derived */
	uint8_t digits;         /* SYMBOL attributes: the symbol that so many digits of the text `said` begin with; 0: derived */

	/* Facts only. */
	bool is_fact;
	bool required;       /* a request without it is refused */
	bool fixed;          /* what the request is about, not what could be otherwise: no near misses by it */
	bool recorded;       /* kept with the request for the record; no rule uses it */
	bool has_null_is;
	struct pq_literal null_is; /* what "said to be unknown" means, where it is not "unknown" */
	struct pq_silence *silence;
	size_t n_silence;    /* none, or none that holds: unknown */
	const char *ask;     /* the question for a person; "" = none */
	const char *report_as; /* its name among missing facts; NULL = the usual name */
	bool has_min, has_max;
	int64_t min, max;    /* NUMBER, DATE; both included */
	uint32_t path;       /* CODE: the attribute that gets the path; PATH: the code it belongs to */
	char separator;      /* CODE: '.' ("9A610.x") or '(' ("VIII(h)(1)"): the first one ends the symbol */
	struct pq_strings marks; /* CODE: prefixes ("FOREIGN-") that are taken off ... */
	uint32_t mark_attr;      /* ... and set this BOOL attribute (a fact of its own); PQ_NO_INDEX = none */
};

#define PQ_MAX_DIGITS 16 /* that a symbol is read from: tariff numbers have up to 12 */

/** Attributes that exist without being declared. */
enum {
	PQ_ATTR_AS_OF = 0,           /* DATE */
	PQ_ATTR_JURISDICTION,        /* SYMBOL of the domain "jurisdiction" */
	PQ_ATTR_DECISION_OUTCOME,    /* SYMBOL, domain "outcome" */
	PQ_ATTR_DECISION_AUTHORITY,  /* SYMBOLS, domain "authority": of the requirements that count */
	PQ_ATTR_DECISION_REASONS,    /* SYMBOLS, domain "reason": of the requirements that count */
	PQ_ATTR_DECISION_EXCEPTIONS, /* SYMBOLS, domain "exception": usable ones */
	PQ_ATTR_DECISION_SOLE,       /* SYMBOL "decision.sole_exception": the only usable one, else none */
	PQ_ATTR_FIRST_DECLARED
};

/* ---- tables -------------------------------------------------------------------------------------------------- */

/** Which paths a row is about. A listed path covers itself and everything below it. */
struct pq_paths {
	enum { PQ_PATHS_ALL, PQ_PATHS_LIST, PQ_PATHS_EXCEPT } mode;
	const char **at; /* written with dots, without a leading one: "a.2" */
	size_t n;
};

struct pq_cell {
	bool doubtful;             /* the cell says "?" */
	bool any;                  /* the cell says "*": meets every value (key columns) */
	struct pq_literal value;   /* none = empty cell */
	struct pq_paths paths;     /* columns of type "path" */
	const char *text;          /* as written, trimmed */
};

struct pq_column {
	const char *name;
	enum pq_type type;   /* BOOL, SYMBOL, SYMBOLS, NUMBER, DATE, PATH, TEXT */
	uint32_t domain;
	struct pq_src src;
};

/** A condition of a row's `if` cell: a BOOL attribute of request scope, plain or negated. */
struct pq_row_if {
	uint32_t attr;
	bool negated;
};

struct pq_row {
	struct pq_cell *cells;     /* one a column of the table */
	int32_t from, to;          /* [from, to); open ends PQ_DATE_MIN, PQ_DATE_MAX */
	bool from_doubtful;        /* "?": certain from `edition` on, possible before it */
	bool to_doubtful;          /* "?": certain up to `edition`, possible from the day after it */
	int32_t edition;           /* the row's own, else the table's; PQ_DATE_MIN = none */
	uint32_t amendment;        /* that brought it, or PQ_NO_INDEX */
	uint32_t ended_by;         /* that ended it, or PQ_NO_INDEX */
	struct pq_row_if *ifs;     /* all must hold */
	size_t n_ifs;
	const char *cite;          /* the row's own, else the table's */
	const char *note;
	struct pq_src src;
};

struct pq_table {
	const char *name;
	const char *title;
	const char *cite;
	int32_t edition;           /* PQ_DATE_MIN = none */
	struct pq_strings gaps;    /* what is known to be missing, in words */
	bool reference;            /* for the reader: no rule looks anything up in it */
	struct pq_column *columns;
	size_t n_columns;
	struct pq_row *rows;
	size_t n_rows;
	uint32_t pack;
	struct pq_src src;
};

/* ---- rules --------------------------------------------------------------------------------------------------- */

struct pq_amendment {
	const char *id;
	const char *title;
	const char *cite;
	int32_t effective;
	int32_t published;         /* PQ_DATE_MIN = not known */
	bool has_savings;
	struct pq_dnf savings;     /* a transaction that meets it is decided as if the amendment were not yet effective */
	const char *savings_cite;
	uint32_t saved;            /* the BOOL attribute "saved.<id>" (with a derive rule of that id), or PQ_NO_INDEX */
	struct pq_src src;
};

/*
 * When a rule or row is in force, with its own amendments A (`amendment`) and E (`ended_by`):
 *     from <= as_of  and  not saved.A  and  (as_of < to  or  saved.E)  and  as_of in no stay
 * where saved.X is false for an amendment without a savings clause. `from` and `to` already have the dates of A and E.
 */

struct pq_interval {
	int32_t from, to; /* [from, to) */
	const char *cite;
};

/** Names of exceptions in a rule: GOV(b) covers itself and GOV(b)(2)(ii): a prefix that ends before a "(". */
struct pq_bars {
	enum { PQ_BARS_NOTHING, PQ_BARS_ALL, PQ_BARS_ALL_BUT, PQ_BARS_LIST } mode;
	struct pq_strings names;
};

/** A column of a lookup: the row's cell must meet the attribute's value. */
struct pq_lookup_key {
	uint32_t column;
	uint32_t attr;
};

/** A column of a lookup that is held against symbols written in the rule. A cell "?" makes the row possible. */
struct pq_lookup_only {
	uint32_t column;
	struct pq_indexes symbols;
};

struct pq_lookup {
	uint32_t table;
	struct pq_lookup_key *keys;
	size_t n_keys;
	struct pq_lookup_only *onlys;
	size_t n_onlys;
	uint32_t take;  /* the column; PQ_NO_INDEX: the attribute is BOOL and true where a row is found */
};

struct pq_term {
	uint32_t attr;
	int64_t times;  /* a plain whole number, not fixed point */
};

enum pq_derive {
	PQ_DERIVE_SET,      /* `set` */
	PQ_DERIVE_COPY,     /* the value of `left` */
	PQ_DERIVE_LOOKUP,
	PQ_DERIVE_SUM,      /* Σ times × attribute over `terms`; none if one is without a value */
	PQ_DERIVE_COMPARE,  /* BOOL: `left` `cmp` (`right`, or `set.number`); false if one is without a value */
	PQ_DERIVE_COUNT,    /* NUMBER: elements of `scope` that meet `inner` */
	PQ_DERIVE_SAME,     /* BOOL: `left` and `right` have a symbol in common */
	PQ_DERIVE_LINES,    /* NUMBER: the sum of the fact `left` over the lines with the same value of `right` */
};

enum pq_cmp { PQ_CMP_LT, PQ_CMP_LE, PQ_CMP_GT, PQ_CMP_GE, PQ_CMP_EQ, PQ_CMP_NE };

struct pq_rule {
	const char *id;            /* unique over all packs */
	enum pq_kind kind;
	uint32_t pack;
	const char *title;
	const char *note;
	const char *confidence;    /* "high" unless said */
	struct pq_strings cites;   /* at least one */
	int32_t from, to;          /* [from, to); from and to of its amendments are worked in */
	struct pq_interval *stays; /* not in force within these */
	size_t n_stays;
	uint32_t amendment, ended_by;
	uint32_t jurisdiction;     /* symbol of the domain "jurisdiction" under which it counts; PQ_NO_INDEX = any.
	                              Not yet a condition of `when`. */
	struct pq_dnf when;
	struct pq_src src;

	/* derive, jurisdiction (attr = PQ_ATTR_JURISDICTION, PQ_DERIVE_SET) */
	uint32_t attr;
	int32_t order;             /* single-valued attributes: the lowest that applies counts; equal: earlier first */
	enum pq_derive derive;
	struct pq_literal set;
	uint32_t left, right;
	enum pq_cmp cmp;
	struct pq_lookup lookup;
	struct pq_term *terms;
	size_t n_terms;
	enum pq_scope scope;
	const struct pq_dnf *inner;

	/* requirement */
	uint32_t authority;        /* symbol of the domain "authority" */
	uint32_t reason;           /* symbol of the domain "reason" */
	const char *label;         /* requirement, obligation, restriction: as shown; "" = made from the rest */
	bool has_allows;           /* only these exceptions can overcome it, whatever they say that they overcome; */
	struct pq_strings allows;  /* it bars all others as a restriction would */
	const char *allows_label;  /* how that bar is shown; "" = "all but ..." */
	enum pq_policy policy;     /* requirement (optional), review */

	/* exclusion: the requirements that do not count while it holds */
	bool excludes_all;
	struct pq_indexes excludes_reasons;
	struct pq_strings excludes_rules; /* ids; a final "*" covers all that begin so */

	/* exception */
	uint32_t exception;        /* symbol of the domain "exception": "STA(c)(1)" */
	const char *shown_as;      /* the name in decisions; the symbol unless said */
	bool overcomes_all;
	struct pq_indexes overcomes; /* reasons */
	bool considered_always;
	struct pq_indexes claimed_by; /* facts: one that is not silent claims it */

	/* restriction */
	struct pq_bars bars;

	/* review, obligation: a condition that takes effect only if surely met; then the rule does not count */
	bool has_unless_shown;
	struct pq_dnf unless_shown;

	/* obligation */
	const char *obligation;    /* its name */

	/* warning, refer, prohibition: what to tell; "" = the title */
	const char *text;
};

/* ---- packs --------------------------------------------------------------------------------------------------- */

/** A law that a transaction may be under. The symbol is in the domain "jurisdiction". */
struct pq_jurisdiction {
	uint32_t symbol;
	enum pq_outcome fixed;      /* the outcome wherever this law is found (NOT_SUBJECT, REFER); NONE = rules decide */
	enum pq_outcome only;       /* the outcome of a question about jurisdiction alone; NONE = as `fixed` or REFER */
	enum pq_outcome available;  /* the outcome where an exception is usable */
	uint32_t release_by;        /* the country fact whose values a release to a person is decided for */
	struct pq_src src;
};

/** Assumptions that a platform states once: values for facts that a request is silent about. */
struct pq_assumption {
	uint32_t attr;
	struct pq_literal value;
	struct pq_src src;
};

struct pq_profile {
	const char *name;
	const char *title;
	struct pq_assumption *assumptions;
	size_t n;
	uint32_t pack;
	struct pq_src src;
};

struct pq_case {
	const char *id;
	const char *json;           /* the line as written: an object with id, as_of, request, expected */
	size_t len;
	uint32_t pack;
	struct pq_src src;
};

struct pq_pack {
	const char *name;
	const char *title;
	int32_t edition;
	int32_t covers_from, covers_to; /* what the pack speaks of, both included; open ends possible */
	int32_t grace_days;             /* after covers_to: a warning; after these days too: REFER */
	uint32_t jurisdiction;          /* of its rules, unless they say otherwise; PQ_NO_INDEX = any */
	const char *time_zone;
	struct pq_strings gaps;
	struct pq_src src;
};

struct pq_model {
	struct pq_pack *packs;
	size_t n_packs;
	struct pq_domain *domains;
	size_t n_domains;
	struct pq_attr *attrs;
	size_t n_attrs;
	struct pq_table *tables;
	size_t n_tables;
	struct pq_amendment *amendments;
	size_t n_amendments;
	struct pq_rule *rules;      /* in the order of packs, files (sorted by name) and position; the loader's own rules
	                               for what a pack covers come after those of the pack */
	size_t n_rules;
	struct pq_jurisdiction *jurisdictions;
	size_t n_jurisdictions;
	struct pq_profile *profiles;
	size_t n_profiles;
	struct pq_case *cases;
	size_t n_cases;

	/* Where releases to persons are told: the fact, its values, and the fact that the nationality takes the place of. */
	uint32_t release_fact;      /* PQ_NO_INDEX = the packs know no releases */
	struct pq_indexes release_values;
	uint32_t release_replaces;

	uint32_t claim_fact;        /* SYMBOLS of the domain "exception": what the exporter claims; PQ_NO_INDEX = none */

	/* Domains with a meaning of their own; PQ_NO_INDEX where no pack declares them. */
	uint32_t domain_jurisdiction, domain_outcome, domain_authority, domain_reason, domain_exception;
};

/** The attribute of that full name, or PQ_NO_INDEX. */
uint32_t pq_model_attr(const struct pq_model *model, const char *name);
/** The symbol of that name or spelling in the domain (ASCII case does not matter), or PQ_NO_INDEX. */
uint32_t pq_domain_find(const struct pq_domain *domain, const char *name, size_t len);

/** Does the name written in a rule ("GOV(b)") cover the exception ("GOV(b)(2)(ii)")? */
bool pq_exception_covers(const char *name, const char *exception);

/**
 * How a known path stands to a listed one, both written with dots. COVERS: the listed path is the known one or above
 * it. BELOW: it lies strictly below, so that a more exact path might be covered. APART: neither.
 */
enum pq_path_relation { PQ_PATH_APART, PQ_PATH_COVERS, PQ_PATH_BELOW };
enum pq_path_relation pq_path_relate(const char *listed, const char *known);

#endif

/** What the files of the oracle share. Nobody else includes this. */
#ifndef PQ_TESTS_ORACLE_INTERNAL_H
#define PQ_TESTS_ORACLE_INTERNAL_H

#include "tests/oracle/oracle.h"

/** Unknown facts and doubtful rows that one part of a request may touch; more aborts. */
#define OR_MAX_UNKNOWNS 512
/** Leaves of the search over completions. */
#define OR_MAX_LEAVES 4096

/* ---- logic (logic.c) ------------------------------------------------------------------------------------------ */

/** A set of unknowns, by their ids in the world. */
struct or_deps {
	uint64_t bits[OR_MAX_UNKNOWNS / 64];
};

void or_deps_add(struct or_deps *deps, uint32_t id);
bool or_deps_has(const struct or_deps *deps, uint32_t id);
void or_deps_join(struct or_deps *deps, const struct or_deps *more);

enum or_truth { OR_FALSE, OR_TRUE, OR_UNKNOWN };

/** A truth value; `why` = the unknowns behind OR_UNKNOWN, empty otherwise. */
struct or_verdict {
	enum or_truth is;
	struct or_deps why;
};

struct or_verdict or_known(bool is);
struct or_verdict or_unknown(const struct or_deps *why);
struct or_verdict or_not(struct or_verdict a);
/** *to = *to AND more, *to OR more. */
void or_and(struct or_verdict *to, const struct or_verdict *more);
void or_or(struct or_verdict *to, const struct or_verdict *more);

/* ---- values (values.c) ---------------------------------------------------------------------------------------- */

/** A set of symbols of one domain. */
struct or_set {
	uint64_t *bits;
	size_t n; /* symbols in the domain */
};

enum or_form {
	OR_ONE,    /* bool, symbol, code: one of `may`, or no value */
	OR_MANY,   /* symbols: `sure` is in it, `may` may be */
	OR_NUMBER, /* number, date */
	OR_PATH,
};

struct or_value {
	enum or_form form;
	struct or_set may, sure;
	bool may_none;       /* ONE, NUMBER: it may be without a value */
	int n_numbers;       /* NUMBER: possible values: none, one (`number`), many */
	int64_t number;
	const char *path;    /* PATH: what is known of it; NULL = without a value */
	bool exact;          /* PATH: there is no more of it */
	struct or_deps why;  /* the unknowns behind what is not certain */
};

struct or_world;

struct or_set or_set_new(struct or_world *w, uint32_t domain);
bool or_set_has(struct or_set set, uint32_t symbol);
void or_set_add(struct or_set set, uint32_t symbol);
void or_set_fill(struct or_set set);
void or_set_join(struct or_set set, struct or_set more);
size_t or_set_count(struct or_set set);

/** The form and domain of an attribute's values. */
enum or_form or_form_of(enum pq_type type);
/** No possible value yet: the start of a walk over possible values. */
struct or_value or_value_empty(struct or_world *w, uint32_t attr);
struct or_value or_value_none(struct or_world *w, uint32_t attr);
struct or_value or_value_anything(struct or_world *w, uint32_t attr);
struct or_value or_value_literal(struct or_world *w, uint32_t attr, const struct pq_literal *literal);
bool or_value_certain(const struct or_value *v);
/** May it have a value, must it have one? */
bool or_value_may_exist(const struct or_value *v);
/** `v` is one more of the values that *to may have. `first`: nothing was added before. */
void or_value_alternative(struct or_world *w, struct or_value *to, const struct or_value *v, bool first);
void or_add_number(struct or_value *to, int64_t number);

/** A bool as a value, and back (without a value is false). */
struct or_value or_value_of(struct or_world *w, const struct or_verdict *verdict);
struct or_verdict or_verdict_of(const struct or_value *v);

/* ---- the world: one request, one line, one assignment of the unknowns (world.c) -------------------------------- */

/** Which element of each scope is looked at; -1 = none. */
struct or_at {
	int party, owner, hit, intermediate;
};

#define OR_NOWHERE ((struct or_at){-1, -1, -1, -1})

struct or_unknown {
	bool is_row;
	uint32_t attr;        /* facts */
	struct or_at at;
	int line;             /* a fact of another line; -1 = of the line decided */
	uint32_t table, row;  /* rows */
	bool assigned;
	bool partly;           /* sets, while assigned: of some symbols it is not assumed whether they are in it */
	struct or_value value; /* facts, while assigned */
	bool present;          /* rows, while assigned */
	char key[64];          /* of the assigned value: equal keys = equal values */
	int64_t *levels;       /* numbers: the values to try; only grows */
	size_t n_levels, cap_levels;
};

/** A number attribute as a function of one unknown: zero + slope * x; slope 0 = not known. */
struct or_line {
	bool there, known;
	int64_t zero, slope;
};

/** The rows whose cell in a column may be what the attribute is: look-ups by the same attribute share them. */
struct or_rows {
	uint32_t table, column, attr;
	struct pq_indexes rows;
	struct or_rows *next;
};

struct or_memo {
	unsigned char *state; /* 0 = not yet, 1 = being computed, 2 = there */
	struct or_value *values;
	bool *held;               /* rules: `holds` is there */
	struct or_verdict *holds;
	struct or_rows *rows;     /* which rows of a table an attribute leaves */
};

struct or_world {
	const struct pq_model *model;
	const struct pq_request *request;
	int line;                       /* index in the request's lines; -1 = there are none */
	bool replaced;                  /* a release: the fact `release_replaces` is a nationality ... */
	uint32_t replaced_by;           /* ... which this fact gives */
	bool replaced_known;
	uint32_t replaced_symbol;

	struct or_unknown *unknowns;
	size_t n_unknowns;
	struct or_memo memo;
	size_t *slot_base;              /* of an attribute in the memo */
	size_t *owner_base;             /* of a party's first owner */
	size_t n_slots;

	struct pq_indexes *rules_of;    /* the rules that give an attribute its value, in order */
	struct pq_indexes of_kind[PQ_KIND_COUNT]; /* the rules of a kind; of exceptions only those that are considered */

	struct or_line *lines;          /* while the values to try for a number are collected; by attribute */

	bool decided;                   /* the attributes of the decision are known */
	bool asked_early;               /* somebody asked for them before they were */
	bool settled_only;              /* what is not settled without a search is left: ... */
	bool left;                      /* ... then this is set, there is no decision, ... */
	struct or_deps left_by;         /* ... and it would be these that are split */
	struct or_value decision[PQ_ATTR_FIRST_DECLARED];

	struct pq_arena *scratch;       /* of the node of the search that is being evaluated */
	struct pq_arena *keep;          /* as long as the part */
	struct pq_arena *out;           /* the caller's */
};

/** Memory that cannot fail: aborts. */
void *or_alloc(struct pq_arena *arena, size_t count, size_t size);
_Noreturn void or_die(const char *what);

void or_world_init(struct or_world *w, const struct pq_model *model, const struct pq_request *request, int line,
                   struct pq_arena *keep, struct pq_arena *out);
/** Forget what was computed. `scratch` takes what is computed from now on. */
void or_world_forget(struct or_world *w, struct pq_arena *scratch);

uint32_t or_unknown_fact(struct or_world *w, uint32_t attr, struct or_at at, int line);
uint32_t or_unknown_row(struct or_world *w, uint32_t table, uint32_t row);
/** The order in which unknowns are split: facts before rows, by their place in the model and the request. */
int or_unknown_compare(const struct or_unknown *a, const struct or_unknown *b);

/** The part of `at` that an attribute of that scope depends on. */
struct or_at or_at_scope(struct or_at at, enum pq_scope scope);
size_t or_count_elements(const struct or_world *w, enum pq_scope scope, struct or_at at);
struct or_at or_element(struct or_at at, enum pq_scope scope, size_t i);

/** The value of an attribute, fact or derived. The pointer is valid until or_world_forget(). */
const struct or_value *or_attr(struct or_world *w, uint32_t attr, struct or_at at);

/* ---- facts (facts.c, check.c) ---------------------------------------------------------------------------------- */

/** What the request says of a fact; NULL = it is silent. `line` -1 = the line decided. */
const struct pq_value *or_given(const struct or_world *w, uint32_t attr, struct or_at at, int line);
/** A fact that is not known: anything, or what is assumed of it. */
struct or_value or_unknown_value(struct or_world *w, uint32_t attr, struct or_at at, int line);
struct or_value or_said(struct or_world *w, uint32_t attr, struct or_at at);
struct or_value or_read(struct or_world *w, uint32_t attr, struct or_at at);
struct or_value or_fact(struct or_world *w, uint32_t attr, struct or_at at);
/** Is the fact unknown whatever other unknown facts are? (With nothing assumed.) */
bool or_is_unknown_now(struct or_world *w, const struct or_unknown *u);
/** The sum of `sum` over the lines that say the same of `same`. */
struct or_value or_lines(struct or_world *w, uint32_t result, uint32_t sum, uint32_t same, struct or_at at);

/** The symbol of a text: by itself, by a spelling, without regard to case and to spaces at its ends; else `other`. */
uint32_t or_symbol(const struct pq_model *model, uint32_t domain, struct pq_text text);

/** The parts of a code: its marks taken off, symbol and path. */
struct or_code {
	bool marked;
	uint32_t symbol;  /* PQ_NO_INDEX = not in the domain */
	const char *path; /* with dots; "" = none given */
};
struct or_code or_split_code(struct pq_arena *arena, const struct pq_model *model, uint32_t attr, struct pq_text text);

size_t or_check_request(const struct pq_model *model, const struct pq_request *request, struct pq_arena *arena,
                        const struct pq_violation **ret);

/* ---- conditions (conditions.c) --------------------------------------------------------------------------------- */

struct or_verdict or_any_of(struct or_world *w, uint32_t attr, const struct pq_indexes *symbols, struct or_at at);
struct or_verdict or_in_range(const struct or_value *v, int64_t lo, int64_t hi);
struct or_verdict or_dnf(struct or_world *w, const struct pq_dnf *dnf, struct or_at at);
struct or_verdict or_saved(struct or_world *w, uint32_t amendment);
/** In force, of the jurisdiction, and its condition holds. */
struct or_verdict or_rule_holds(struct or_world *w, const struct pq_rule *rule, struct or_at at);

/* ---- derived attributes (derive.c, lookup.c) ------------------------------------------------------------------- */

struct or_value or_derived(struct or_world *w, uint32_t attr, struct or_at at);
struct or_value or_lookup(struct or_world *w, uint32_t attr, const struct pq_rule *rule, struct or_at at);
/** How exact the listed path is by which a row meets the known one: surely, and at most, and what that hangs on. */
struct or_rank {
	int sure, may;
	struct or_deps why;
};

/** Does the row meet the lookup's columns? */
struct or_verdict or_row_holds(struct or_world *w, const struct pq_lookup *lookup, uint32_t row, struct or_at at,
                               struct or_rank *ret_rank);

/* ---- the licence algebra under one assignment (algebra.c) ------------------------------------------------------ */

struct or_exception {
	uint32_t symbol;
	struct or_verdict match, barred, usable;
};

struct or_node {
	const struct or_value *jurisdiction;
	bool fixed;                    /* the outcome follows from the jurisdiction alone */
	enum pq_outcome best, worst;
	struct or_verdict *holds;      /* of a rule; only the kinds that decide */
	struct or_verdict *counts;     /* requirements: holds and is not excluded */
	struct or_exception *exceptions; /* considered ones, each symbol once, in the order of the rules */
	size_t n_exceptions;
	struct or_deps split;          /* what the outcome may still depend on */
	struct or_deps open;           /* all that rules which decide wait for */
};

/** Is the rule an exception that this request considers? (For or_world_init(); then w->of_kind knows.) */
bool or_considered(const struct or_world *w, const struct pq_indexes *claims, const struct pq_rule *rule);
struct pq_indexes or_claims(const struct or_world *w);
void or_evaluate(struct or_world *w, struct or_node *ret);
bool or_exclusion_covers(const struct pq_rule *exclusion, const struct pq_rule *requirement);
bool or_bars(const struct pq_rule *restriction, const char *exception);
bool or_allows(const struct pq_rule *requirement, const char *exception);
const struct pq_jurisdiction *or_jurisdiction(const struct pq_model *model, uint32_t symbol);

/* ---- the search over completions (search.c, candidates.c) ------------------------------------------------------ */

struct or_candidate {
	struct or_value value;
	bool present;
	char key[64];
};

/** The values to try for an unknown. They live in w->keep. */
size_t or_candidates(struct or_world *w, uint32_t id, struct or_candidate **ret);

struct or_found {
	enum pq_outcome outcome, best, worst;
	bool exact;
	bool searched;                 /* something was split */
	bool is_root;                  /* nothing was: `root` is the evaluation that settled it, still in the world's memo */
	struct or_node root;
	struct or_set usable;          /* exceptions usable in every completion */
	bool *missing;                 /* by unknown id, facts and rows */
	bool by_row;                   /* REFER because of a doubtful row */
};

void or_search(struct or_world *w, struct or_found *ret);

/* ---- the decision (report.c, join.c) --------------------------------------------------------------------------- */

const struct pq_rule_ref *or_rule_ref(const struct pq_model *model, struct pq_arena *arena, uint32_t rule);
const char *or_unknown_name(struct or_world *w, const struct or_unknown *u);
void or_decide_part(struct or_world *w, struct pq_decision *ret);
void or_join(struct pq_arena *arena, struct pq_decision *parts, const char **names, const int *lines, size_t n,
             struct pq_decision *ret);

#endif

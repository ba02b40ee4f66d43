/**
 * The evaluator's working state: private to policy/bind.c, values.c, lookup.c, choose.c, match.c, match_sparse.c, truth.c,
 * combine.c, search*.c, state.c, explain.c, near.c, decide.c.
 *
 * One `struct pq_eval` decides one leg: one line of a request for one nationality. Evaluating it again with values
 * assumed for unknown facts (search.c) uses the same memory. Every allocation is in the request's arena; running out
 * of it ends the evaluation by longjmp-free means: `oom` is set and told at the end, and what goes on until then works
 * on memory that was there before.
 */
#ifndef PQ_POLICY_EVAL_H
#define PQ_POLICY_EVAL_H

#include "policy/arena.h"
#include "policy/decision.h"
#include "policy/facts.h"
#include "policy/image_private.h"
#include "policy/status.h"
#include "policy/wake.h"

/* Kleene's truth values, ordered so that "and" is the minimum and "or" the maximum. */
enum pq_tri { PQ_F, PQ_U, PQ_T };

static inline enum pq_tri
pq_and(enum pq_tri a, enum pq_tri b)
{
	return a < b ? a : b;
}

static inline enum pq_tri
pq_or(enum pq_tri a, enum pq_tri b)
{
	return a > b ? a : b;
}

static inline enum pq_tri
pq_not(enum pq_tri a)
{
	return (enum pq_tri)(PQ_T - a);
}

/** Unknowns that one evaluation tells apart; further ones stay unknown and make the answer inexact. */
#define PQ_MAX_VARS 256
/** Evaluations that one leg may cost in search of what is missing. */
#define PQ_MAX_LEAVES 1024
/** Values tried for one unknown number; where more would be needed the answer is inexact. */
#define PQ_MAX_SAMPLES 4096

struct pq_mask {
	uint64_t w[PQ_MAX_VARS / 64];
	bool overflow; /* also depends on unknowns that have no number */
};

/* What the request says of one fact of one element. */
struct pq_given {
	enum { PQ_SILENT, PQ_SAID_UNKNOWN, PQ_SAID } state;
	uint32_t n_symbols;
	const uint32_t *symbols;
	int64_t number;
	struct pq_text text;   /* path of a code (with dots); the text of a text fact */
	uint32_t named_by;     /* fact under whose name an unknown is asked for; 0 (never a fact) = its own */
	bool opened;           /* near.c, calendar.c: treated as unknown, whatever is said */
	bool or_none;          /* calendar.c: where it is opened it may also have no value */
};

/* What is said of the facts of one element, by slot, and a bitmap of those that are not silent. */
struct pq_givens {
	struct pq_given *at;
	uint64_t *said;
};

static inline void
pq_note_said(uint64_t *said, uint32_t slot)
{
	said[slot / 64] |= UINT64_C(1) << (slot % 64);
}

enum pq_number_state { PQ_NUMBER_NONE, PQ_NUMBER_KNOWN, PQ_NUMBER_UNKNOWN };

/* A number as a sum over unknown facts: constant + Σ factor × variable. */
#define PQ_MAX_LINEAR 4
struct pq_linear {
	int64_t constant;
	size_t n;
	struct {
		uint16_t var;
		int64_t factor;
	} terms[PQ_MAX_LINEAR];
};

struct pq_val {
	uint64_t *sure, *poss;      /* sets; single-valued attributes use poss only */
	int64_t number;
	enum pq_number_state number_state;
	bool may_none;              /* may have no value */
	bool open;                  /* an unknown fact that nobody has assumed a value for */
	bool own_unknown;           /* unknown by itself, not only if something else turns out so or so */
	bool path_complete;         /* nothing lies below the path */
	bool path_unknown;          /* the code itself is unknown */
	struct pq_text path;
	const struct pq_linear *linear; /* unknown numbers; NULL = cannot be told (or open: itself) */
	struct pq_mask deps;        /* the unknowns behind an uncertain value; not of open ones */
};

/* Alternatives of one word of a space that possibly and surely pass; what surely passes is part of what possibly does. */
struct pq_bits {
	uint64_t may, must;
};

/* Numbers of the two bitmaps of a column that a value chooses (program.h); PQ_NO_INDEX: the image has not both. */
struct pq_chosen {
	uint32_t every, some;
};

/* The value that an attribute's columns were last chosen by. */
struct pq_seen {
	bool known;                 /* of a set: the words are in seen_words */
	uint32_t sole;              /* of a single value: its one symbol; PQ_NO_INDEX = there is not just one */
};

/* The request itself, a party, an owner, a hit, an intermediate country, or the decision. */
struct pq_element {
	enum pq_scope scope;
	uint16_t index;             /* among its kind (owners: within the party) */
	uint16_t party;             /* of an owner */
	struct pq_given *given;     /* by slot */
	uint64_t *said;             /* slots of which something is said (of a request as bound, and as it was loaded) */
	struct pq_val *vals;        /* by slot */
	uint64_t *words;            /* the sets of the vals */
	uint8_t *tri;               /* conditions of the scope, by slot */
	int16_t *var;               /* by slot: number of the unknown, -1 = none yet */
	struct pq_seen *seen;       /* by slot (choose.c) */
	uint64_t *seen_words;       /* as `words`: the sets */
	struct pq_chosen *chosen;   /* by column of the scope (pq_col_view, slot) */
	struct pq_bits *cells;      /* what the values allow: those of a word side by side (image_cells.c) */
	struct pq_bits *matched;    /* by word of all spaces: what the spaces of the scope were last found to be */
	uint64_t *touched;          /* words of which a cell is not what it was when they were last matched */
	struct pq_element *owners;
	size_t n_owners;
};

struct pq_var {
	uint32_t attr;              /* the fact, or PQ_NO_INDEX for a table row */
	uint32_t row;
	struct pq_element *element;
	bool assumed;
	uint32_t symbol;            /* assumed: symbols; PQ_NO_INDEX = the empty set */
	const uint64_t *in, *out;   /* assumed of a set, instead of `symbol`: these are in it, those are not; else NULL */
	bool partly;                /* assumed of a set: there are symbols of which it is open whether they are in it */
	int64_t number;             /* assumed: numbers */
	struct pq_text path;        /* assumed: paths */
	bool present;               /* assumed: rows */
	int64_t *samples;           /* numbers: where something changes, ascending */
	size_t n_samples, cap_samples;
	bool dropped;               /* there were more than can be tried */
};

/* Where a condition is evaluated: the elements around it. */
struct pq_where {
	struct pq_element *at[PQ_SCOPE_COUNT];
};

struct pq_active {
	uint32_t rule;
	enum pq_tri tri;
};

struct pq_exception {
	uint32_t symbol;
	uint32_t rule;              /* a rule of it: the first that matches, else the first considered */
	enum pq_tri match, barred, usable;
	uint64_t *over_sure, *over_poss; /* reasons */
	uint32_t barred_by;         /* rule, or PQ_NO_INDEX */
};

/* What combine.c makes of one evaluation. */
struct pq_outcome_range {
	enum pq_outcome best, worst;
	const struct pq_p_jurisdiction *jurisdiction; /* NULL = not certain or none */
	bool no_law;         /* surely none */
	bool determined;
	uint64_t *usable;           /* exceptions that are surely usable */
};

struct pq_eval {
	const struct pq_image *image;
	const struct pq_program *p;
	const struct pq_request *request;
	struct pq_arena *arena;
	bool oom;
	bool stale;                 /* everything must be computed anew */
	struct pq_window *window;   /* to be narrowed (window.c); NULL = nobody asks how long the answer stands */
	bool quiet;                 /* unknowns are not told apart: what an uncertain value hangs on is just "something" */
	uint32_t near_tries;        /* evaluations that near misses have taken, over all legs */

	struct pq_element req, decision;
	struct pq_element *parties, *hits, *intermediates;
	size_t n_parties, n_hits, n_intermediates;
	const struct pq_givens *lines; /* the givens of each line of the request, as bound */
	size_t n_lines, line;

	struct pq_var *vars;
	size_t n_vars;
	uint32_t *row_vars;         /* numbers of the vars that are rows */
	size_t n_row_vars;

	uint64_t *scratch;          /* of choose.c and match.c: two bitmaps */
	struct pq_bits *outer;      /* by word: what the request allows of the words that are matched by element */
	uint64_t *moved;            /* of these the words that are not what they were */
	uint64_t *changed;          /* scratch of match.c: alternatives, by word of one space */
	uint64_t *main_open;        /* main rules of which the condition is not false */
	struct pq_active *active;   /* main rules that hold or may hold */
	size_t n_active;
	struct pq_active *post;     /* review, obligation and warning rules that surely hold */
	size_t n_post;

	uint64_t *considers;        /* exception rules of the image's list that are considered */
	bool considers_known;
	enum pq_tri *counts;        /* by requirement */
	uint32_t *counted;          /* the requirements of which `counts` says something */
	size_t n_counted;
	struct pq_exception *exceptions; /* considered */
	size_t n_exceptions;
	int16_t *exception_at;      /* symbol → index in exceptions, -1 */
	uint64_t *considered;       /* scratch: exceptions */

	uint64_t *dirty;            /* nodes that must be computed anew (wake.h) */
	struct pq_choice *choices;  /* by column of the image; of a sparse space only */
	uint64_t *summary;          /* scratch of match_sparse.c */
	struct pq_kept_texts *texts; /* texts made once; NULL = made for each decision */
};

/* The bitmaps of a column of a sparse space that the attribute's value chooses, by number. */
struct pq_choice {
	bool partly;                /* several symbols are possible, not all: they must be gone through */
	bool base_too;              /* or no value */
	uint32_t every, some;       /* some PQ_NO_INDEX: all alternatives may be met */
};

/* Texts that hang on the revision alone; NULL = not made yet. */
struct pq_kept_texts {
	struct pq_arena *arena;
	const char **conds;         /* by condition: that it is not met */
	const char **not_overcome;  /* by rule: that it is not overcome */
};

/* bind.c */

/** What is wrong with a request, while it is bound. */
struct pq_violation_list {
	struct pq_arena *arena;
	struct pq_violation *at;
	size_t n, cap;
	bool oom;
};

/** Bind a list of facts to the attributes of a scope. `where` names the element in violations ("parties[0]"). */
void pq_bind(const struct pq_image *image, const struct pq_facts *facts, enum pq_scope scope, const char *where,
             const struct pq_givens *givens, struct pq_arena *arena, struct pq_violation_list *violations);
/** Tell the required facts of a scope that are silent. */
void pq_bind_required(const struct pq_image *image, enum pq_scope scope, const char *where, const struct pq_given *given,
                      struct pq_violation_list *violations);
void pq_violate(struct pq_violation_list *violations, const char *where, struct pq_text name, const char *reason,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/** The symbol of that name or spelling, or PQ_NO_INDEX. */
uint32_t pq_find_symbol(const struct pq_image *image, uint32_t domain, const char *text, size_t len);

/* values.c */

/** The value of an attribute where a condition stands. */
static inline struct pq_val *
pq_val_at(const struct pq_eval *ev, const struct pq_where *where, uint32_t attr)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];

	return &where->at[a->scope]->vals[a->slot];
}

/** Give the attribute its value for one element. False: it is what it was. */
bool pq_value_compute(struct pq_eval *ev, const struct pq_where *where, uint32_t attr);
/** The unknowns behind an uncertain value. */
struct pq_mask pq_value_deps(struct pq_eval *ev, const struct pq_where *where, uint32_t attr);
/** The number of the unknown for the fact of the element (making it), or -1 when there are too many. */
int pq_var_of(struct pq_eval *ev, struct pq_element *element, uint32_t attr);
int pq_row_var(struct pq_eval *ev, uint32_t row);
/** Note where an unknown number would change something: `number` op 0 with number = linear form. */
void pq_note_threshold(struct pq_eval *ev, const struct pq_linear *linear);
void pq_note_boundaries(struct pq_eval *ev, const struct pq_where *where, uint32_t attr);
const struct pq_linear *pq_linear_of(struct pq_eval *ev, const struct pq_where *where, uint32_t attr);

static inline void
pq_mask_join(struct pq_mask *to, const struct pq_mask *from)
{
	for (size_t i = 0; i < PQ_MAX_VARS / 64; i++)
		to->w[i] |= from->w[i];
	to->overflow |= from->overflow;
}

static inline void
pq_mask_add(struct pq_mask *to, int var)
{
	if (var < 0)
		to->overflow = true;
	else
		to->w[var / 64] |= UINT64_C(1) << (var % 64);
}

/* lookup.c */

/* A value on its way: what one source (a silence line, a derive rule) would make the attribute. */
struct pq_candidate {
	uint64_t *sure, *poss;      /* as many words as the attribute's */
	enum pq_number_state number_state;
	int64_t number;
	bool may_none;
	const struct pq_linear *linear;
	struct pq_mask deps;
};

/* A value that is known. */
struct pq_known {
	uint64_t set[PQ_KNOWN_WORDS];
	int64_t number;
	bool has_number, none;
};

/**
 * The value of an attribute whose one source is a lookup that always applies, where all rows that it can meet are plain
 * (image_joins.c) and the key is known. False: the lookup must be done in full.
 */
bool pq_lookup_known(const struct pq_eval *ev, const struct pq_where *where, const struct pq_join *join,
                     const struct pq_p_attr *target, struct pq_known *ret);
void pq_lookup(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_contribution *c,
               const struct pq_p_attr *target, struct pq_candidate *out);

/* choose.c */

/** Note what the value of an attribute of the element allows of its columns in all spaces. */
void pq_choose(struct pq_eval *ev, struct pq_element *element, uint32_t attr);
/** How many of n ascending boundaries are at most the value: the interval that it is in. */
uint32_t pq_interval_of(const int64_t *boundaries, uint32_t n, int64_t value);

/* match.c */

void pq_match_space(struct pq_eval *ev, uint32_t space);

/* match_sparse.c */

/** Match a sparse space: fills ev->active. */
void pq_match_sparse(struct pq_eval *ev, const struct pq_p_space *space);
/** Note the bitmaps that the value chooses of a column of a sparse space. */
void pq_choose_sparse(struct pq_eval *ev, uint32_t index);

/* truth.c */

enum pq_tri pq_cond_truth(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_cond *cond);
enum pq_tri pq_dnf_truth(const struct pq_eval *ev, const struct pq_where *where, uint32_t dnf);
struct pq_mask pq_dnf_deps(struct pq_eval *ev, const struct pq_where *where, uint32_t dnf);
enum pq_tri pq_quantified(const struct pq_eval *ev, const struct pq_where *where, enum pq_op op, enum pq_scope scope,
                          uint32_t inner);
/** The elements of a scope that a quantifier runs over at that place. */
struct pq_element *pq_elements(const struct pq_eval *ev, const struct pq_where *where, enum pq_scope scope, size_t *ret_n);
struct pq_where pq_where_request(struct pq_eval *ev);

/* state.c */

/** Compute anew what is dirty and what hangs on it. */
void pq_settle(struct pq_eval *ev);
/** Note that something else is said of a fact (or that it is opened) than at the last evaluation. */
void pq_given_changed(struct pq_eval *ev, uint32_t attr);
/** Note that another value is assumed for an unknown than at the last evaluation. */
void pq_var_changed(struct pq_eval *ev, const struct pq_var *var);
/** Forget all unknowns, so that they are numbered anew. */
void pq_forget_unknowns(struct pq_eval *ev);
/**
 * Set up an evaluation of a request that says nothing and has no elements; the caller puts givens into ev->req.given
 * (noting them in ev->req.said), and sets ev->stale after each change. `image`, `p`, `request` and `arena` must be set. False: out of memory.
 */
bool pq_eval_alone(struct pq_eval *ev);
/** The same with one party that has one owner, one hit and one country on the way. */
bool pq_eval_one_each(struct pq_eval *ev);

/* combine.c */

/** Values, matches and the algebra, with what is assumed at the moment. */
void pq_evaluate(struct pq_eval *ev, struct pq_outcome_range *ret);
typedef void pq_open_rule_fn(struct pq_eval *ev, uint32_t rule, void *arg);
/** The rules that an undetermined outcome hangs on; for the law itself, while it is open, the number of rules. */
void pq_each_open_rule(struct pq_eval *ev, const struct pq_outcome_range *range, pq_open_rule_fn *fn, void *arg);
/** The unknowns that an undetermined outcome hangs on. */
struct pq_mask pq_outcome_deps(struct pq_eval *ev, const struct pq_outcome_range *range);
/** Match review, obligation and warning rules after the outcome: fills ev->post. */
void pq_evaluate_post(struct pq_eval *ev, enum pq_outcome outcome, const struct pq_outcome_range *range);

/* search.c */

struct pq_search_result {
	enum pq_outcome outcome, best, worst;
	bool exact;
	uint64_t *usable;           /* exceptions usable in every completion */
	struct pq_mask missing;     /* vars */
};

/** Split the unknowns until the outcome is known in every branch. */
void pq_search(struct pq_eval *ev, struct pq_search_result *ret);

/** What a value is in words, for people. */
const char *pq_value_words(struct pq_eval *ev, const struct pq_element *element, uint32_t attr);
/** The name of a fact of an element, as among missing facts. */
const char *pq_fact_name(struct pq_eval *ev, const struct pq_element *element, uint32_t attr);
/** The same by its own name, whatever name it is reported under where it is missing. */
const char *pq_fact_place(struct pq_eval *ev, const struct pq_element *element, uint32_t attr);
/** The values that search.c would try for an unknown, one after the other: false when there is no `i`-th. */
bool pq_try_choice(struct pq_eval *ev, struct pq_var *var, size_t i);

/* window.c: what has just told days apart narrows ev->window */

/** A row that meets a lookup but for its validity. */
void pq_window_row(struct pq_eval *ev, const struct pq_p_row *row);
/**
 * The conditions on the day in one space. `intervals` are the n + 1 bitmaps of the intervals between the boundaries,
 * `at` is that of the day, `may` the alternatives that may hold as far as all else goes. ev->window must be set.
 */
void pq_window_range(struct pq_eval *ev, const int64_t *boundaries, uint32_t n, const uint64_t *intervals,
                     uint32_t words, uint32_t at, const uint64_t *may);
/** The same for one block of a sparse space, whose column `col` is. */
void pq_window_blocks(struct pq_eval *ev, const struct pq_p_col *col, uint32_t at, uint32_t block, const uint64_t *may);
/** A source that an attribute was computed from. */
void pq_window_source(struct pq_eval *ev, const struct pq_p_contribution *c);
void pq_window_silence(struct pq_eval *ev, const struct pq_p_silence *s);

/* near.c */

/** Look for changes of one fact that give another outcome than `outcome`. */
void pq_find_near_misses(struct pq_eval *ev, enum pq_outcome outcome, struct pq_decision *ret);

#endif

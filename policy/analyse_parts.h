/**
 * Inside of the static analysis: what its files share. Only policy/analyse*.c include this.
 *
 * A *box* is what an alternative of a condition asks, attribute by attribute: a set of values for each attribute that is
 * asked at all, and the conditions on elements. Boxes are exact where attributes are free of each other; `cells`
 * (analyse_cells.c) know how derived attributes hang on the value of one fact and on the day, so that a box that no
 * value of that fact meets is known to be empty.
 *
 * Memory: findings and cells live in the caller's arena, boxes in `scratch`, which is emptied between two questions.
 *         Running out is remembered in `oom`; what goes on until then works on boxes that are taken as not empty and
 *         nothing as implied, so that nothing false is found.
 */
#ifndef PQ_POLICY_ANALYSE_PARTS_H
#define PQ_POLICY_ANALYSE_PARTS_H

#include "policy/analyse.h"
#include "policy/image_private.h"

/** Bytes for boxes of one question. */
#define PQ_AN_SCRATCH_BYTES ((size_t)256 << 20)
/** Pieces that a box may be cut into to see whether several alternatives together cover it. */
#define PQ_AN_MAX_PIECES 400u
/** Values of one fact that are walked: more is no finite list but a catalogue. */
#define PQ_AN_MAX_VALUES 20000u

enum pq_con_kind {
	PQ_CON_ONE,    /* at most one value: `bits` are those allowed, the last one stands for "no value" */
	PQ_CON_SET,    /* a set: `bits` are forbidden, and it has one of each of `anys` */
	PQ_CON_NUMBER, /* in one of `ranges`, or without a value if `may_none` */
};

struct pq_con {
	uint32_t attr;
	enum pq_con_kind kind;
	uint32_t words;
	uint64_t *bits;
	uint64_t **anys;
	size_t n_anys;
	struct pq_p_range *ranges;
	size_t n_ranges;
	bool may_none;
};

struct pq_box {
	struct pq_con *cons;
	size_t n, cap;
	const struct pq_p_cond **quants; /* conditions on elements, as they stand */
	size_t n_quants, cap_quants;
	bool empty;
};

/** What is surely and possibly so of one attribute where a fact has one value on some days. */
struct pq_cell_value {
	uint64_t *sure, *poss;
	bool may_none, number_known, number_none;
	int64_t number;
};

/** One run of days over which a value of a fact makes the same of every attribute. */
struct pq_cell_run {
	int32_t from, to;             /* [from, to) */
	struct pq_cell_value *values; /* by the fact's `attrs` */
	struct pq_cell_run *next;
};

struct pq_cell_fact {
	uint32_t fact;
	uint32_t *attrs; /* the fact itself, and the attributes that hang on it and the day alone */
	size_t n_attrs;
	uint32_t *at;               /* attribute to index in attrs, or PQ_NO_INDEX */
	const char **names;         /* values in words: a symbol, a code */
	struct pq_cell_run **cells; /* by value: its runs of days, in order */
	size_t n_values;
};

struct pq_an_finding {
	struct pq_finding finding;
	enum pq_analysis_kind kind;
};

struct pq_an {
	const struct pq_model *model; /* rules and attributes have the same numbers in both */
	const struct pq_image *image;
	const struct pq_program *p;
	struct pq_arena *arena;
	struct pq_arena scratch;
	bool oom;
	unsigned pieces;

	struct pq_cell_fact *facts;
	size_t n_facts;
	const int32_t *dates; /* on which anything changes, ascending */
	size_t n_dates;

	struct pq_an_finding *found;
	size_t n_found, cap_found;
	struct pq_analysis result;
};

/* ---- analyse.c ---- */

void *pq_an_alloc(struct pq_an *an, size_t count, size_t size);
void pq_an_report(struct pq_an *an, enum pq_analysis_kind kind, struct pq_src src, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/** Does the exclusion name the requirement? Both by their rules. */
bool pq_an_excludes(const struct pq_an *an, uint32_t exclusion, uint32_t requirement);
/** "from 2020-01-01 to before 2021-01-01"; "" for all days. In the arena. */
const char *pq_an_days(struct pq_an *an, int64_t lo, int64_t hi);

/* ---- analyse_box.c ---- */

/** The box of everything. */
struct pq_box pq_box_all(void);
/** A copy that can be added to without touching the original. */
struct pq_box pq_box_copy(struct pq_an *an, const struct pq_box *box);
/** Narrow the box by a condition, or by its opposite (not for conditions on elements). Sets `empty`. */
void pq_box_add(struct pq_an *an, struct pq_box *box, const struct pq_p_cond *cond, bool negated);
/** Narrow it by all conditions of an alternative. */
void pq_box_add_alt(struct pq_an *an, struct pq_box *box, uint32_t alt);
/** The constraint on an attribute, or NULL. */
const struct pq_con *pq_box_con(const struct pq_box *box, uint32_t attr);
/** Is the box surely empty: by itself, or because no value of some fact meets it? */
bool pq_box_is_empty(struct pq_an *an, const struct pq_box *box);
/** Does everything in the box surely meet one of the alternatives of the condition? */
bool pq_box_covered(struct pq_an *an, const struct pq_box *box, uint32_t dnf);
/** The same for the alternatives of several conditions together. */
bool pq_box_covered_by(struct pq_an *an, const struct pq_box *box, const uint32_t *dnfs, size_t n);
/** The days that the box leaves: the first and the last, and whether all between are in it. */
void pq_box_days(const struct pq_box *box, int64_t *ret_lo, int64_t *ret_hi);
/** The alternatives of a condition; of one that always holds (PQ_NO_INDEX) the one PQ_NO_INDEX, without conditions. */
struct pq_span pq_an_alts(const struct pq_an *an, uint32_t dnf);

struct pq_span pq_an_conds(const struct pq_an *an, uint32_t alt);

static inline bool
pq_bit(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

/* ---- analyse_cells.c ---- */

/** Walk the values of every fact that derived attributes hang on. */
void pq_an_cells(struct pq_an *an);
/** Can what the box asks of the fact's attributes be so in this cell? False is sure. */
bool pq_cell_meets(const struct pq_an *an, const struct pq_cell_fact *fact, const struct pq_cell_run *cell,
                   const struct pq_box *box);
/** Is what the box asks of the fact's attributes surely so in this cell? */
bool pq_cell_proves(const struct pq_an *an, const struct pq_cell_fact *fact, const struct pq_cell_run *cell,
                    const struct pq_box *box);

/* ---- analyse_rules.c, analyse_exceptions.c, analyse_unspoken.c ---- */

void pq_an_shadowed(struct pq_an *an);
void pq_an_contradictions(struct pq_an *an);
void pq_an_never_usable(struct pq_an *an);
void pq_an_unspoken(struct pq_an *an);

#endif

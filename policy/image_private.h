/** An open image as the evaluator sees it. Private to policy/. */
#ifndef PQ_POLICY_IMAGE_PRIVATE_H
#define PQ_POLICY_IMAGE_PRIVATE_H

#include "policy/image.h"
#include "policy/program.h"
#include "policy/wake.h"

/* A column in one word of its space. */
struct pq_cell_place {
	uint32_t at;   /* word within those of the column (pq_col_view, said) */
	uint32_t cell; /* number among the cells of the attribute's scope */
	uint32_t word; /* number among the words of all spaces */
};

/* A column as values are held against it. */
struct pq_col_view {
	const uint64_t *bits;  /* of its bitmap 0 the first word in which it says anything */
	const uint32_t *map;   /* of symbols: the number of its bitmap by symbol */
	struct pq_span said;   /* the words of its bitmaps in which it says anything */
	struct pq_span cells;
	uint32_t stride;       /* words of a bitmap; 0 in a sparse space */
	uint32_t slot;         /* its number among the columns of its scope */
	uint8_t kind;          /* enum pq_col_kind */
};

/* What one word of a space is matched by. */
struct pq_word_runs {
	struct pq_span of[PQ_SCOPE_COUNT]; /* cells of each scope, the most telling first */
	struct pq_span quants;             /* in word_quants */
};

/* A row that a lookup can meet for a symbol. */
struct pq_join_row {
	uint32_t row;
	int32_t from, to;
	bool plain; /* on a day between these it surely meets, on others surely not */
	bool found; /* it lists the symbol; otherwise any symbol may meet it */
};

/* Words of the widest set that a lookup gives the short way (lookup.c). */
#define PQ_KNOWN_WORDS 4

/* How a lookup finds its rows. */
struct pq_join {
	const struct pq_p_key *key; /* NULL: it must look at all */
	const uint32_t *starts;     /* by symbol: where its rows begin in join_rows; they end where those of the next do */
	uint32_t take;              /* the column that is taken, or PQ_NO_INDEX */
	bool simple;                /* what it takes is no more than a pq_known can hold */
};

/* Which columns of an attribute say anything of a symbol: a set of columns by symbol. */
struct pq_mentions {
	size_t first;   /* in `mention_words`, of the first symbol */
	uint32_t words; /* of a set; 0 = not told, all columns may */
};

struct pq_image {
	struct pq_program p;
	const struct pq_p_meta *meta;
	struct pq_rule_ref *rules;  /* one a rule, each made when it is first asked for: pq_image_rule() */
	_Atomic(uint8_t) *rule_made; /* by rule: enum in image.c */
	const char **texts;         /* string lists of the inspection calls: parallel to p.lists */

	/* What the evaluator would have to look for in every decision, found once (image_index.c). */
	uint32_t *main_slots;       /* by main rule: the slot of its condition; where their space is sparse nobody asks */
	uint32_t *post_slots;       /* by post rule: likewise, and of its `unless` (or PQ_NO_INDEX) */
	uint32_t *unless_slots;
	const uint32_t *exception_rules; /* main rules that are exceptions, in their order */
	size_t n_exception_rules;
	struct pq_span *main_of_slot; /* by slot of the request: its main rules, in main_of (image_rules.c); sparse: none */
	uint32_t *main_of;            /* main rules */
	uint32_t *exception_numbers;  /* by rule: its number in exception_rules */
	uint32_t consider_words;      /* of each of the bitmaps below: over exception_rules */
	uint64_t *considered_always;
	uint64_t *considered_by_claim; /* by symbol of the fact that claims exceptions */
	uint64_t *considered_by_fact;  /* by claim fact: where anything is said of it */
	uint64_t *claim_slots[PQ_SCOPE_COUNT]; /* by slot: facts by which exceptions are claimed; of the request and parties */
	uint32_t *claim_of_slot;       /* as fact_attrs: the number of the claim fact */
	uint32_t *claim_facts;
	size_t n_claim_facts;
	struct pq_col_view *columns;  /* by column of all spaces (image_cells.c) */
	uint32_t scope_cols[PQ_SCOPE_COUNT], scope_cells[PQ_SCOPE_COUNT];
	struct pq_mentions *mentions; /* by attribute (image_mentions.c) */
	uint64_t *mention_words;      /* bit i: the attribute's i-th column (wake.h, cols) */
	struct pq_cell_place *cells;
	uint32_t *space_word;       /* by space: its first word among those of all spaces */
	uint32_t n_space_words;
	struct pq_word_runs *runs;  /* by word of all spaces */
	uint32_t *word_quants;      /* quantifiers */
	struct pq_join *joins;      /* by contribution */
	const struct pq_join **sole_joins; /* by attribute: the lookup that alone makes its value, and always; or NULL */
	uint32_t *join_starts;
	struct pq_join_row *join_rows;
	size_t n_join_starts, n_join_rows;
	uint32_t *required;         /* facts that must be said, by scope: required_at[scope] to required_at[scope + 1] */
	size_t required_at[PQ_SCOPE_COUNT + 1];
	uint32_t *fact_attrs;       /* facts and paths by slot: those of a scope from fact_attrs_at[scope] on */
	size_t fact_attrs_at[PQ_SCOPE_COUNT];
	uint32_t *path_codes;       /* codes of the request that have a path */
	size_t n_path_codes;
	uint32_t *mark_codes;       /* codes of the request that marks may stand before */
	size_t n_mark_codes;
	struct pq_wake *wake;
};

/** Fill the lists above; false: out of memory. What there is already is released by pq_image_close(). */
bool pq_image_index(struct pq_image *image);
/** Likewise the cells of the columns, and pq_image_free_cells(). */
bool pq_image_index_cells(struct pq_image *image);
void pq_image_free_cells(struct pq_image *image);
/** Likewise which columns speak of a symbol, and pq_image_free_mentions(). Needs image->wake. */
bool pq_image_index_mentions(struct pq_image *image);
void pq_image_free_mentions(struct pq_image *image);
/** Likewise what is known of rules before anything is said (image_rules.c), and pq_image_free_rules(). */
bool pq_image_index_rules(struct pq_image *image);
void pq_image_free_rules(struct pq_image *image);
/** Likewise the rows of lookups, and pq_image_free_joins(). */
bool pq_image_index_joins(struct pq_image *image);
void pq_image_free_joins(struct pq_image *image);
/** The alternatives that there are in a word of a space. */
uint64_t pq_image_last_word(const struct pq_p_space *space, uint32_t word);

/** Are the rules that are matched before the outcome so many that their space is sparse? */
static inline bool
pq_image_is_sparse(const struct pq_image *image)
{
	return image->meta->main_space != PQ_NO_INDEX && image->p.spaces[image->meta->main_space].blocks > 0;
}

static inline const char *
pq_string(const struct pq_image *image, uint32_t offset)
{
	return image->p.strings + offset;
}

#endif

/**
 * The compiler's workbench: growing sections of an image. Private to policy/compile*.c.
 *
 * Running out of memory is remembered in the builder and told once, at the end: until then a failed append hands out
 * a scratch record, so that the code that fills records need not look.
 */
#ifndef PQ_POLICY_BUILD_H
#define PQ_POLICY_BUILD_H

#include "policy/arena.h"
#include "policy/blob.h"
#include "policy/model.h"
#include "policy/program.h"
#include "policy/status.h"

/** Attributes by which the rules of a sparse space are put in order, those that tell most of them apart first. */
#define PQ_CLUSTER_KEYS 3

struct pq_vec {
	void *at;
	size_t n, cap, stride;
};

/* A condition of the model that gets a place in a space. */
struct pq_node {
	const struct pq_dnf *dnf;
	const struct pq_rule *rule; /* adds the conditions of the rule's validity and jurisdiction; or NULL */
	enum pq_scope scope;
	uint32_t level;
	uint32_t index;             /* final number, by spaces */
	uint32_t owner;             /* rule index for rules, else PQ_NO_INDEX */
	uint32_t key[PQ_CLUSTER_KEYS]; /* of a sparse space: what its place among the others hangs on */
};

/* A column to be: the conditions of one kind on one attribute, one of each alternative. */
struct pq_slot {
	uint32_t attr;
	enum pq_col_kind kind;
	uint32_t occurrence; /* the how-manieth condition of that kind on the attribute within an alternative */
	uint32_t next;       /* + 1: slot of the same attribute and kind */
};

/* A space on its way. */
struct pq_space_work {
	struct pq_builder *b;
	struct pq_p_space *space;
	struct pq_slot *slots;
	size_t n_slots, cap_slots;
	uint32_t *first_slot; /* + 1, by attribute and kind */
	uint32_t *slot_of;    /* by condition of the space: its slot, or PQ_NO_INDEX for a quantifier */
	uint32_t first_cond, n_conds;
};

struct pq_builder {
	const struct pq_model *model;
	struct pq_arena *arena;
	struct pq_err *err;
	bool oom;
	struct pq_vec sections[PQ_SECTION_COUNT];
	struct pq_p_meta meta;

	uint32_t *string_slots;     /* hash of interned strings: offset + 1 */
	size_t n_string_slots, n_strings;

	struct pq_vec nodes;        /* struct pq_node */
	uint32_t *node_slots;       /* hash of nodes by (dnf, rule): index + 1 */
	size_t n_node_slots;
	uint32_t *attr_level;       /* by attribute */
	uint8_t *attr_state;        /* 0 new, 1 under way, 2 done */
	uint32_t *attr_slot;        /* within its scope */
	struct pq_indexes *attr_rules; /* derive and jurisdiction rules by attribute, in the order in which they count */
	uint64_t *depends;          /* by attribute: the attributes it depends on, itself included */
	uint32_t main_level;
	size_t sparse_from;         /* conditions of rules from which their space is sparse */
	bool sparse;                /* the rules matched before the outcome are so many */
	uint32_t *requirement_of;   /* rule → number among requirements */
};

/** Append `n` zeroed records; returns the first (never NULL) and its index. */
void *pq_build_append(struct pq_builder *b, enum pq_section section, size_t n, uint32_t *ret_first);
/** The record at an index (valid until the next append to the section). */
void *pq_build_at(struct pq_builder *b, enum pq_section section, uint32_t index);
/** Intern a string: equal strings have one offset; NULL and "" are 0. */
uint32_t pq_build_string(struct pq_builder *b, const char *text);
uint32_t pq_build_stringn(struct pq_builder *b, const char *text, size_t len);
/** A run in the lists section. */
struct pq_span pq_build_list(struct pq_builder *b, const uint32_t *at, size_t n);
struct pq_span pq_build_strings(struct pq_builder *b, const struct pq_strings *strings);
/** A zeroed run of words; its first index. */
uint32_t pq_build_words(struct pq_builder *b, size_t n);
void pq_build_set_bit(struct pq_builder *b, uint32_t first_word, size_t bit);
/** Arena memory that never is NULL to the caller's eye: on failure the builder is marked and the process goes on. */
void *pq_build_alloc(struct pq_builder *b, size_t n, size_t size);

/* compile_levels.c */
PQ_MUST_USE enum pq_status pq_build_levels(struct pq_builder *b);
/** The final number of the condition (PQ_NO_INDEX: it always holds and has no rule). */
uint32_t pq_build_dnf_index(const struct pq_builder *b, const struct pq_dnf *dnf, const struct pq_rule *rule);

/* compile_depends.c */
void pq_build_depends(struct pq_builder *b);
/** Emit the facts that an attribute, or the conditions of a space, depend on; the first word. */
uint32_t pq_build_attr_depends(struct pq_builder *b, uint32_t attr);

/* compile_cluster.c */
/** Give the conditions of main rules their keys, where there are enough of them. */
void pq_build_cluster(struct pq_builder *b);

/* compile_space.c: emits dnfs, alts, conds, spaces, columns and bitmaps. */
void pq_build_spaces(struct pq_builder *b);
/** Note the boundaries of a range as the column's, behind each other in numbers, its last included. */
void pq_build_boundary(struct pq_builder *b, struct pq_p_col *col, uint32_t range);
/** Sort the boundaries from the column's first on and drop doubles; the last of the section. */
void pq_build_boundaries(struct pq_builder *b, struct pq_p_col *col);

/* compile_sparse.c */
/** The columns and quantifiers of a sparse space, whose alternatives and slots are there. */
void pq_build_sparse(struct pq_space_work *w);

/* compile_text.c */
uint32_t pq_build_conditions_text(struct pq_builder *b, const struct pq_rule *rule);

#endif

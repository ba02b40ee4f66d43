/** The pieces of a search over what is unknown (search.c, search_*.c). Private to policy/. */
#ifndef PQ_POLICY_SEARCH_PARTS_H
#define PQ_POLICY_SEARCH_PARTS_H

#include "policy/eval.h"

/*
 * What is assumed of one unknown. `choice` tells its values apart wherever in the tree they were tried. Of a set (`in` is
 * given) the members that are in it and those that are not; of one value of many (`out` alone) those that it is not.
 */
struct pq_branch {
	uint64_t choice;
	uint16_t var;
	const uint64_t *in, *out;
};

struct pq_leaf {
	enum pq_outcome outcome;
	const struct pq_p_jurisdiction *law;
	uint64_t *usable;
	const struct pq_branch *assumptions; /* sorted by var */
	size_t n;
	struct pq_mask vars;                 /* those of the assumptions */
};

/* The values tried for one unknown. */
struct pq_choices {
	size_t n;
	const uint32_t *symbols;
	const int64_t *numbers;
	const struct pq_text *paths;
};

struct pq_search {
	struct pq_eval *ev;
	struct pq_leaf *leaves;
	size_t n_leaves, cap_leaves;
	struct pq_branch path[PQ_MAX_VARS];
	size_t depth; /* of `path`: unknowns of which something is assumed */
	size_t evaluations;
	bool exact;
	enum pq_outcome best, worst; /* before anything is assumed */
	uint64_t *common;            /* exceptions that are usable in all leaves so far */
	bool each_usable; /* leaves must tell all exceptions that are usable in them, also those that others lack */
	struct pq_group_lists *lists[PQ_MAX_VARS];
};

/* search.c */

/** Evaluate with what is assumed by now. False: the bound is reached, or memory ran out. */
bool pq_search_evaluate(struct pq_search *s, struct pq_outcome_range *range);
/** Go on from an evaluation: a leaf where the outcome is known, otherwise one unknown more is split. */
void pq_descend(struct pq_search *s, struct pq_outcome_range *range);

/* search_values.c */

/** False: none can be found, or memory ran out. */
bool pq_find_choices(struct pq_eval *ev, const struct pq_var *var, struct pq_choices *ret);
/** The symbols of the attribute's domain that are told apart, of the others one; of sets the empty one before them. */
bool pq_try_symbols(struct pq_eval *ev, const struct pq_p_attr *a, struct pq_choices *ret);
/** Assume the `i`-th. Returns what tells it apart wherever it is tried. */
uint64_t pq_assume_choice(struct pq_var *var, const struct pq_choices *choices, size_t i);

/* search_set.c */

void pq_split_set(struct pq_search *s, struct pq_var *var, struct pq_outcome_range *range);

/* search_group.c */

/** An unknown that has this many values is split by groups of them. */
#define PQ_GROUP_MIN 4
void pq_split_group(struct pq_search *s, struct pq_var *var, const struct pq_choices *choices,
                    struct pq_outcome_range *range);

/* search_lists.c */

/**
 * Tell the values of an unknown apart by the lists that open rules ask for: ret_kinds, by symbol and zero before, is the
 * same for those that are on the same lists. (Two that only seem to be, by chance, are evaluated together and parted
 * then.) False: memory ran out.
 */
bool pq_tell_apart(struct pq_search *s, const struct pq_var *var, const struct pq_outcome_range *range,
                   uint64_t *ret_kinds);

/* search_missing.c */

static inline bool
pq_lets_go_with_exception(enum pq_outcome outcome)
{
	return outcome == PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE || outcome == PQ_OUTCOME_EXEMPTION_AVAILABLE;
}

/** `range` is scratch. */
void pq_conclude(struct pq_search *s, struct pq_outcome_range *range, struct pq_search_result *ret);
/** Has every leaf an exception, but no exception is usable in all? */
bool pq_none_in_common(const struct pq_search *s);

#endif

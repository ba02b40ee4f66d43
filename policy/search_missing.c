/* What the leaves of a search say together: the outcome, and which unknowns it hangs on. */
#include "policy/search_parts.h"

#include <string.h>

/* Do the two assume something of the unknown that cannot both be? */
static bool
contradict(const struct pq_search *s, const struct pq_branch *a, const struct pq_branch *b)
{
	bool conflict = false, meet = false;

	if (a->out == NULL)
		return a->choice != b->choice;
	uint32_t words = s->ev->p->attrs[s->ev->vars[a->var].attr].words;
	for (uint32_t w = 0; w < words && a->in == NULL; w++)
		meet |= (~a->out[w] & ~b->out[w]) != 0;
	if (a->in == NULL)
		return !meet;
	for (uint32_t w = 0; w < words; w++)
		conflict |= ((a->in[w] & b->out[w]) | (a->out[w] & b->in[w])) != 0;
	return conflict;
}

/* The one fact in which two leaves contradict each other, or -1. */
static int
sole_conflict(const struct pq_search *s, const struct pq_leaf *a, const struct pq_leaf *b)
{
	int conflict = -1;

	for (size_t i = 0, k = 0; i < a->n && k < b->n;) {
		if (a->assumptions[i].var < b->assumptions[k].var) {
			i++;
		} else if (a->assumptions[i].var > b->assumptions[k].var) {
			k++;
		} else {
			if (contradict(s, &a->assumptions[i], &b->assumptions[k])) {
				if (conflict >= 0)
					return -1;
				conflict = a->assumptions[i].var;
			}
			i++;
			k++;
		}
	}
	return conflict;
}

static bool
needs_licence(enum pq_outcome outcome)
{
	return pq_lets_go_with_exception(outcome) || outcome == PQ_OUTCOME_LICENSE_REQUIRED;
}

/* Whose licence it is, is part of the answer, where the goods could go at all. */
static bool
other_law(const struct pq_leaf *a, const struct pq_leaf *b)
{
	return a->law != b->law && needs_licence(a->outcome) && needs_licence(b->outcome);
}

/* How two answers must differ so that what lies between them is asked for. */
enum difference {
	DIFFERENT_NEED, /* whether a licence is needed: while that is open, exceptions are not asked about */
	DIFFERENT_OUTCOME,
	DIFFERENT_EXCEPTIONS /* every completion has an exception, but none is usable in all */
};

static bool
differ(const struct pq_search *s, const struct pq_leaf *a, const struct pq_leaf *b, enum difference by)
{
	if (other_law(a, b))
		return true;
	/* From REFER on a person must act whichever it is. */
	if (a->outcome >= PQ_OUTCOME_REFER && b->outcome >= PQ_OUTCOME_REFER)
		return false;
	if (by == DIFFERENT_NEED && needs_licence(a->outcome) && needs_licence(b->outcome))
		return false;
	if (a->outcome != b->outcome || by != DIFFERENT_EXCEPTIONS)
		return a->outcome != b->outcome;
	return memcmp(a->usable, b->usable, s->ev->image->meta->exception_words * sizeof(uint64_t)) != 0;
}

/* Is something assumed in both leaves of an unknown that is not known to be missing yet? */
static bool
may_tell_more(const struct pq_leaf *a, const struct pq_leaf *b, const struct pq_mask *missing)
{
	uint64_t more = 0;

	for (size_t w = 0; w < PQ_MAX_VARS / 64; w++)
		more |= a->vars.w[w] & b->vars.w[w] & ~missing->w[w];
	return more != 0;
}

static bool
find_missing(const struct pq_search *s, enum difference by, struct pq_mask *missing)
{
	bool any = false;

	for (size_t i = 0; i < s->n_leaves; i++) {
		for (size_t k = i + 1; k < s->n_leaves; k++) {
			if (!may_tell_more(&s->leaves[i], &s->leaves[k], missing) ||
			    !differ(s, &s->leaves[i], &s->leaves[k], by))
				continue;
			int var = sole_conflict(s, &s->leaves[i], &s->leaves[k]);
			if (var < 0)
				continue;
			pq_mask_add(missing, var);
			any = true;
		}
	}
	return any;
}

/* May the answer still be that no licence is needed? */
static bool
need_is_open(const struct pq_search *s)
{
	for (size_t i = 0; i < s->n_leaves; i++) {
		if (s->leaves[i].outcome <= PQ_OUTCOME_NO_LICENSE_REQUIRED)
			return true;
	}
	return false;
}

static bool
laws_differ(const struct pq_search *s)
{
	const struct pq_leaf *first = NULL; /* that needs a licence: all others are held against it */

	for (size_t i = 0; i < s->n_leaves; i++) {
		if (!needs_licence(s->leaves[i].outcome))
			continue;
		if (first == NULL)
			first = &s->leaves[i];
		else if (other_law(first, &s->leaves[i]))
			return true;
	}
	return false;
}

static bool
has_row(const struct pq_eval *ev, const struct pq_mask *mask)
{
	for (size_t i = 0; i < ev->n_row_vars; i++) {
		uint32_t var = ev->row_vars[i];
		if (mask->w[var / 64] >> (var % 64) & 1)
			return true;
	}
	return false;
}

/*
 * Ask first what can be asked now: a fact that is unknown only if another unknown turns out so or so (is it food? only
 * for some destinations) is left for later, unless nothing else is missing.
 */
static void
drop_later_questions(struct pq_eval *ev, struct pq_mask *missing, struct pq_outcome_range *range)
{
	struct pq_mask now = {.overflow = missing->overflow};
	bool any = false;

	pq_evaluate(ev, range);
	for (size_t i = 0; i < ev->n_vars; i++) {
		const struct pq_var *var = &ev->vars[i];
		if (!(missing->w[i / 64] >> (i % 64) & 1))
			continue;
		if (var->attr == PQ_NO_INDEX || var->element->vals[ev->p->attrs[var->attr].slot].own_unknown) {
			pq_mask_add(&now, (int)i);
			any = true;
		}
	}
	if (any)
		*missing = now;
}

static bool
is_empty(const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (words[i] != 0)
			return false;
	}
	return true;
}

bool
pq_none_in_common(const struct pq_search *s)
{
	bool all = s->exact && s->n_leaves > 0;

	for (size_t i = 0; i < s->n_leaves; i++)
		all &= pq_lets_go_with_exception(s->leaves[i].outcome) && s->leaves[i].outcome == s->leaves[0].outcome;
	return all && is_empty(s->common, s->ev->image->meta->exception_words);
}

void
pq_conclude(struct pq_search *s, struct pq_outcome_range *range, struct pq_search_result *ret)
{
	size_t words = s->ev->image->meta->exception_words;
	bool none_in_common = false;

	ret->best = PQ_OUTCOME_PROHIBITED;
	ret->worst = PQ_OUTCOME_NOT_SUBJECT;
	for (size_t i = 0; i < s->n_leaves; i++) {
		if (s->leaves[i].outcome < ret->best)
			ret->best = s->leaves[i].outcome;
		if (s->leaves[i].outcome > ret->worst)
			ret->worst = s->leaves[i].outcome;
	}
	for (size_t w = 0; s->n_leaves > 0 && w < words; w++)
		ret->usable[w] = s->common[w];
	ret->exact = s->exact;
	if (s->n_leaves == 0 || !s->exact) {
		ret->best = s->best;
		ret->worst = s->worst;
	}
	none_in_common = ret->best == ret->worst && pq_lets_go_with_exception(ret->best) && is_empty(ret->usable, words);
	if (s->exact && s->n_leaves > 0 && !none_in_common && !laws_differ(s) &&
	    (ret->best == ret->worst || ret->best >= PQ_OUTCOME_REFER)) {
		ret->outcome = ret->best;
		return;
	}
	if (!need_is_open(s) || !find_missing(s, DIFFERENT_NEED, &ret->missing))
		find_missing(s, none_in_common ? DIFFERENT_EXCEPTIONS : DIFFERENT_OUTCOME, &ret->missing);
	drop_later_questions(s->ev, &ret->missing, range);
	ret->outcome = has_row(s->ev, &ret->missing) ? PQ_OUTCOME_REFER : PQ_OUTCOME_NEEDS_INFORMATION;
}

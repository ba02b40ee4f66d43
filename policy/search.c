/*
 * What is unknown: the outcome over all completions.
 *
 * The unknown facts behind an undetermined outcome are split one after another over the values that rules tell apart,
 * until the outcome is known in every branch. The leaves of that tree cover all completions, so two completions that
 * differ in one fact alone lie in leaves that contradict each other in that fact alone.
 */
#include "policy/search_parts.h"

#include <stdlib.h>
#include <string.h>

static int
compare_assumptions(const void *left, const void *right)
{
	return (int)((const struct pq_branch *)left)->var - (int)((const struct pq_branch *)right)->var;
}

static void
add_leaf(struct pq_search *s, enum pq_outcome outcome, const struct pq_outcome_range *range)
{
	struct pq_arena *arena = s->ev->arena;
	size_t words = s->ev->image->meta->exception_words;

	if (s->n_leaves == s->cap_leaves) {
		s->ev->oom = true; /* the bound on evaluations is below the capacity */
		return;
	}
	struct pq_leaf *leaf = &s->leaves[s->n_leaves];
	struct pq_branch *assumptions = pq_arena_array(arena, s->depth + 1, sizeof(*assumptions));
	leaf->usable = pq_arena_array(arena, words + 1, sizeof(*leaf->usable));
	if (assumptions == NULL || leaf->usable == NULL) {
		s->ev->oom = true;
		return;
	}
	memcpy(assumptions, s->path, s->depth * sizeof(*assumptions));
	qsort(assumptions, s->depth, sizeof(*assumptions), compare_assumptions);
	memcpy(leaf->usable, range->usable, words * sizeof(*leaf->usable));
	leaf->outcome = outcome;
	leaf->law = range->jurisdiction;
	leaf->assumptions = assumptions;
	leaf->n = s->depth;
	leaf->vars = (struct pq_mask){0};
	for (size_t i = 0; i < s->depth; i++)
		pq_mask_add(&leaf->vars, s->path[i].var);
	for (size_t w = 0; w < words; w++)
		s->common[w] = s->n_leaves == 0 ? leaf->usable[w] : s->common[w] & leaf->usable[w];
	s->n_leaves++;
}

static int
lowest(const struct pq_mask *mask)
{
	for (size_t w = 0; w < PQ_MAX_VARS / 64; w++) {
		if (mask->w[w] != 0)
			return (int)(w * 64) + __builtin_ctzll(mask->w[w]);
	}
	return -1;
}

bool
pq_search_evaluate(struct pq_search *s, struct pq_outcome_range *range)
{
	if (s->evaluations++ >= PQ_MAX_LEAVES) {
		s->exact = false;
		return false;
	}
	pq_evaluate(s->ev, range);
	return !s->ev->oom;
}

static void
split_value(struct pq_search *s, struct pq_var *var, const struct pq_choices *choices, struct pq_outcome_range *range)
{
	struct pq_eval *ev = s->ev;

	for (size_t i = 0; i < choices->n && !ev->oom; i++) {
		uint64_t choice = pq_assume_choice(var, choices, i);
		pq_var_changed(ev, var);
		if (!pq_search_evaluate(s, range))
			break;
		s->path[s->depth++] = (struct pq_branch){.choice = choice, .var = (uint16_t)(var - ev->vars)};
		pq_descend(s, range);
		s->depth--;
	}
	var->assumed = false;
	pq_var_changed(ev, var);
}

/* The unknowns of which something is assumed, but that have a group of values still. */
static struct pq_mask
open_groups(const struct pq_search *s)
{
	struct pq_mask groups = {0};

	for (size_t i = 0; i < s->depth; i++) {
		if (s->path[i].in == NULL && s->ev->vars[s->path[i].var].partly)
			pq_mask_add(&groups, s->path[i].var);
	}
	return groups;
}

static bool
is_open_in_common(const struct pq_search *s)
{
	const struct pq_eval *ev = s->ev;

	for (size_t i = 0; i < ev->n_exceptions; i++) {
		const struct pq_exception *e = &ev->exceptions[i];
		if (e->usable == PQ_U &&
		    (s->each_usable || s->n_leaves == 0 || s->common[e->symbol / 64] >> (e->symbol % 64) & 1))
			return true;
	}
	return false;
}

/*
 * A group of values may have one outcome and yet hide what its values tell one by one: which of the outcomes that call
 * for a person it is, and which exceptions are usable. What more of it must be split is left in `deps`.
 */
static bool
is_settled(const struct pq_search *s, const struct pq_outcome_range *range, struct pq_mask *deps)
{
	struct pq_mask groups = open_groups(s);
	uint64_t any = 0;

	if (!range->determined)
		return false;
	for (size_t w = 0; w < PQ_MAX_VARS / 64; w++)
		any |= groups.w[w];
	if (any == 0 || (range->best == range->worst && !(pq_lets_go_with_exception(range->best) && is_open_in_common(s))))
		return true;
	*deps = pq_outcome_deps(s->ev, range);
	any = 0;
	for (size_t w = 0; w < PQ_MAX_VARS / 64; w++)
		any |= deps->w[w] &= groups.w[w];
	return any == 0;
}

static void
split(struct pq_search *s, struct pq_var *var, const struct pq_choices *choices, struct pq_outcome_range *range)
{
	enum pq_type type = var->attr != PQ_NO_INDEX ? s->ev->p->attrs[var->attr].type : PQ_TYPE_BOOL;

	if (type == PQ_TYPE_SYMBOLS)
		pq_split_set(s, var, range);
	else if (choices->symbols != NULL && choices->n >= PQ_GROUP_MIN)
		pq_split_group(s, var, choices, range);
	else
		split_value(s, var, choices, range);
}

void
pq_descend(struct pq_search *s, struct pq_outcome_range *range)
{
	struct pq_eval *ev = s->ev;
	struct pq_mask deps;

	if (ev->oom)
		return;
	if (is_settled(s, range, &deps)) {
		add_leaf(s, range->best, range);
		return;
	}
	if (!range->determined)
		deps = pq_outcome_deps(ev, range);
	for (size_t i = 0; i < s->depth; i++) {
		if (!ev->vars[s->path[i].var].partly)
			deps.w[s->path[i].var / 64] &= ~(UINT64_C(1) << (s->path[i].var % 64));
	}
	int index = lowest(&deps);
	struct pq_choices choices;
	if (index < 0 || s->depth == PQ_MAX_VARS || !pq_find_choices(ev, &ev->vars[index], &choices)) {
		/* Nothing left to split: a person must look at what the packs do not know. */
		s->exact &= index >= 0 || !deps.overflow;
		add_leaf(s, PQ_OUTCOME_REFER, range);
		return;
	}
	split(s, &ev->vars[index], &choices, range);
}

/* Every rule that is open may come to matter: note where numbers would decide it before any is assumed. */
static void
note_all(struct pq_eval *ev)
{
	struct pq_where where = pq_where_request(ev);

	for (size_t i = 0; i < ev->n_active; i++) {
		if (ev->active[i].tri == PQ_U)
			(void)pq_dnf_deps(ev, &where, ev->p->rules[ev->active[i].rule].dnf);
	}
}

static size_t
count_samples(const struct pq_eval *ev)
{
	size_t n = 0;

	for (size_t i = 0; i < ev->n_vars; i++)
		n += ev->vars[i].n_samples;
	return n;
}

/* Over all completions. Where a branch finds another value of a number to try, the others must try it too, so that all
 * can be compared. */
static void
explore(struct pq_search *s, struct pq_outcome_range *range)
{
	for (int round = 0; round < 4 && !s->ev->oom; round++) {
		s->n_leaves = s->evaluations = 0;
		s->exact = true;
		memset(s->lists, 0, sizeof(s->lists));
		pq_evaluate(s->ev, range);
		s->best = range->best;
		s->worst = range->worst;
		note_all(s->ev);
		size_t before = count_samples(s->ev);
		pq_descend(s, range);
		if (count_samples(s->ev) == before)
			break;
	}
	for (size_t i = 0; i < s->ev->n_vars; i++)
		s->exact &= !s->ev->vars[i].dropped;
}

void
pq_search(struct pq_eval *ev, struct pq_search_result *ret)
{
	struct pq_search s = {.ev = ev, .exact = true, .cap_leaves = PQ_MAX_LEAVES + 1};
	struct pq_outcome_range range = {0};
	size_t words = ev->image->meta->exception_words;

	ret->usable = pq_arena_array(ev->arena, words + 1, sizeof(*ret->usable));
	range.usable = pq_arena_array(ev->arena, words + 1, sizeof(*range.usable));
	s.common = pq_arena_array(ev->arena, words + 1, sizeof(*s.common));
	s.leaves = pq_arena_array(ev->arena, s.cap_leaves, sizeof(*s.leaves));
	if (ret->usable == NULL || range.usable == NULL || s.common == NULL || s.leaves == NULL) {
		ev->oom = true;
		return;
	}
	ret->missing = (struct pq_mask){0};
	explore(&s, &range);
	if (!ev->oom && pq_none_in_common(&s)) {
		/* Then what changes the exceptions is asked for, so that each leaf must tell its own. */
		s.each_usable = true;
		explore(&s, &range);
	}
	if (!ev->oom)
		pq_conclude(&s, &range, ret);
}

/*
 * Splitting an unknown that has one value of many: a country, an entry.
 *
 * Most rules that are open ask whether it is on some list (search_lists.c). So it is not tried value by value: the values
 * that are on the same of these lists are assumed together, as "one of these", and parted again only where the outcome
 * is still open and hangs on which of them it is.
 */
#include "policy/search_parts.h"

#include <string.h>

static bool
is_empty(const uint64_t *set, uint32_t words)
{
	for (uint32_t w = 0; w < words; w++) {
		if (set[w] != 0)
			return false;
	}
	return true;
}

/* From the next evaluation on the value is one of the group. */
static void
assume_group(struct pq_search *s, struct pq_var *var, size_t at, const uint64_t *group, uint32_t words)
{
	uint64_t *sets = pq_arena_array(s->ev->arena, 2 * (size_t)words, sizeof(*sets));

	if (sets == NULL) {
		s->ev->oom = true;
		return;
	}
	for (uint32_t w = 0; w < words; w++)
		sets[words + w] = ~group[w];
	var->assumed = true;
	var->in = sets;
	var->out = sets + words;
	var->partly = false;
	for (uint32_t w = 0, any = 0; w < words; w++) {
		var->partly |= (group[w] & (group[w] - 1)) != 0 || (any && group[w] != 0);
		any |= group[w] != 0;
	}
	s->path[at] = (struct pq_branch){.var = (uint16_t)(var - s->ev->vars), .out = var->out};
	pq_var_changed(s->ev, var);
}

/* Takes out of `left` what is of one kind with its first; `alone`: only the first. */
static void
take_kind(uint64_t *left, uint32_t words, const uint64_t *kinds, bool alone, uint64_t *ret)
{
	uint32_t first = PQ_NO_INDEX;

	for (uint32_t w = 0; w < words; w++) {
		ret[w] = 0;
		for (uint64_t bits = left[w]; bits != 0; bits &= bits - 1) {
			uint32_t symbol = w * 64 + (uint32_t)__builtin_ctzll(bits);
			if (first != PQ_NO_INDEX && (alone || kinds[symbol] != kinds[first]))
				continue;
			first = first == PQ_NO_INDEX ? symbol : first;
			ret[w] |= bits & -bits;
		}
		left[w] &= ~ret[w];
	}
}

static bool
is_all(const uint64_t *a, const uint64_t *b, uint32_t words)
{
	return memcmp(a, b, words * sizeof(*a)) == 0;
}

static void
each_kind(struct pq_search *s, struct pq_var *var, size_t at, uint64_t *group, const uint64_t *kinds,
          struct pq_outcome_range *range)
{
	uint32_t words = s->ev->p->attrs[var->attr].words;
	uint64_t *whole = group + words, *kind = group + 2 * (size_t)words;
	bool alone = false;

	memcpy(whole, group, words * sizeof(*whole));
	for (uint32_t n = 0; !is_empty(group, words) && !s->ev->oom; n++) {
		take_kind(group, words, kinds, alone, kind);
		if (n == 0 && is_all(kind, whole, words)) {
			/* No list parts them: then one by one. */
			alone = true;
			memcpy(group, whole, words * sizeof(*group));
			take_kind(group, words, kinds, alone, kind);
		}
		assume_group(s, var, at, kind, words);
		if (s->ev->oom || !pq_search_evaluate(s, range))
			break;
		pq_descend(s, range);
	}
}

void
pq_split_group(struct pq_search *s, struct pq_var *var, const struct pq_choices *choices,
               struct pq_outcome_range *range)
{
	struct pq_eval *ev = s->ev;
	uint32_t words = ev->p->attrs[var->attr].words;
	uint64_t *group = pq_arena_array(ev->arena, 3 * (size_t)words, sizeof(*group));
	uint64_t *kinds = pq_arena_array(ev->arena, 64 * (size_t)words, sizeof(*kinds));
	struct pq_var before = *var;
	size_t at = 0;

	if (group == NULL || kinds == NULL || !pq_tell_apart(s, var, range, kinds)) {
		ev->oom = true;
		return;
	}
	while (at < s->depth && s->path[at].var != var - ev->vars)
		at++;
	struct pq_branch outer = s->path[at];
	for (size_t i = 0; !before.assumed && i < choices->n; i++)
		group[choices->symbols[i] / 64] |= UINT64_C(1) << (choices->symbols[i] % 64);
	for (uint32_t w = 0; before.assumed && w < words; w++)
		group[w] = ~before.out[w];
	s->depth += at == s->depth;
	each_kind(s, var, at, group, kinds, range);
	var->assumed = before.assumed;
	var->in = before.in;
	var->out = before.out;
	var->partly = before.partly;
	if (before.assumed)
		s->path[at] = outer;
	else
		s->depth--;
	pq_var_changed(ev, var);
}

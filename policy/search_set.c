/* Splitting an unknown set. */
#include "policy/search_parts.h"

#include <string.h>

/*
 * Sets are split by their members, for there are too many sets to try: "B is in it", "not B, but C", ..., "none of
 * these", each with the members that are not named left open, and split again only where the outcome hangs on them.
 */
struct half {
	struct pq_var *var;
	uint32_t words;
	uint32_t *symbols;      /* the members that rules tell apart, */
	size_t n, n_asked;      /* first those that open rules ask for */
	uint64_t *in, *out;     /* of the part of the tree that is being explored */
	struct pq_branch outer; /* the same as it was before the split */
	size_t at;              /* of the unknown in the path */
};

static bool
is_in(const uint64_t *set, uint32_t symbol)
{
	return set[symbol / 64] >> (symbol % 64) & 1;
}

static void
put_in(uint64_t *set, uint32_t symbol)
{
	set[symbol / 64] |= UINT64_C(1) << (symbol % 64);
}

/* From the next evaluation on the set is that of `half` with `member`, if there is one; `closed`: and nothing that is open. */
static void
assume_half(struct pq_search *s, const struct half *half, uint32_t member, bool closed)
{
	uint64_t *in = pq_arena_array(s->ev->arena, (size_t)half->words + 1, sizeof(*in));
	uint64_t *out = pq_arena_array(s->ev->arena, (size_t)half->words + 1, sizeof(*out));
	bool open = false;

	if (in == NULL || out == NULL) {
		s->ev->oom = true;
		return;
	}
	memcpy(in, half->in, half->words * sizeof(*in));
	memcpy(out, half->out, half->words * sizeof(*out));
	if (member != PQ_NO_INDEX)
		put_in(in, member);
	for (uint32_t w = 0; w < half->words && closed; w++)
		out[w] = ~in[w];
	for (size_t i = 0; i < half->n; i++)
		open |= !is_in(in, half->symbols[i]) && !is_in(out, half->symbols[i]);
	/* Of what nothing tells apart no more than one member is looked at: the others stay out. */
	for (uint32_t w = 0; w < half->words && !open; w++)
		out[w] = ~in[w];
	half->var->assumed = true;
	half->var->in = in;
	half->var->out = out;
	half->var->partly = open;
	s->path[half->at] = (struct pq_branch){0, (uint16_t)(half->var - s->ev->vars), in, out};
	pq_var_changed(s->ev, half->var);
}

/* Members that no open rule asks for are left open as long as they can be. */
static bool
order_members(struct pq_search *s, struct half *half, const struct pq_choices *choices,
              const struct pq_outcome_range *range)
{
	uint64_t *kinds = pq_arena_array(s->ev->arena, 64 * (size_t)half->words + 1, sizeof(*kinds));

	half->symbols = pq_arena_array(s->ev->arena, choices->n, sizeof(*half->symbols));
	if (kinds == NULL || half->symbols == NULL || !pq_tell_apart(s, half->var, range, kinds))
		return false;
	for (int asked = 1; asked >= 0; asked--) {
		for (size_t i = 1; i < choices->n; i++) { /* without the empty set */
			if ((kinds[choices->symbols[i]] != 0) == asked)
				half->symbols[half->n++] = choices->symbols[i];
		}
		half->n_asked = asked ? half->n : half->n_asked;
	}
	return true;
}

static bool
start_half(struct pq_search *s, struct pq_var *var, const struct pq_outcome_range *range, struct half *ret)
{
	const struct pq_p_attr *a = &s->ev->p->attrs[var->attr];
	struct pq_choices choices = {0};

	*ret = (struct half){.var = var, .words = a->words, .at = s->depth, .outer = {.in = NULL}};
	for (size_t i = 0; i < s->depth; i++) {
		if (s->path[i].var == var - s->ev->vars) {
			ret->at = i;
			ret->outer = s->path[i];
		}
	}
	ret->in = pq_arena_array(s->ev->arena, (size_t)a->words + 1, sizeof(*ret->in));
	ret->out = pq_arena_array(s->ev->arena, (size_t)a->words + 1, sizeof(*ret->out));
	if (ret->in == NULL || ret->out == NULL || !pq_try_symbols(s->ev, a, &choices))
		return false;
	if (ret->outer.in != NULL) {
		memcpy(ret->in, ret->outer.in, a->words * sizeof(*ret->in));
		memcpy(ret->out, ret->outer.out, a->words * sizeof(*ret->out));
	}
	if (!order_members(s, ret, &choices, range))
		return false;
	s->depth += ret->at == s->depth;
	return true;
}

static void
end_half(struct pq_search *s, struct half *half)
{
	half->var->assumed = half->outer.in != NULL;
	half->var->in = half->outer.in;
	half->var->out = half->outer.out;
	half->var->partly = half->outer.in != NULL;
	if (half->outer.in != NULL)
		s->path[half->at] = half->outer;
	else
		s->depth--;
	pq_var_changed(s->ev, half->var);
}

/* How many of the members are tried, before what is left is looked at anew: those that are asked for, or all. */
static size_t
count_tried(const struct half *half)
{
	for (size_t i = 0; i < half->n_asked; i++) {
		if (!is_in(half->in, half->symbols[i]) && !is_in(half->out, half->symbols[i]))
			return half->n_asked;
	}
	return half->n;
}

/* First the members that settle the outcome whatever else is in the set: what is left then is less to be split. */
void
pq_split_set(struct pq_search *s, struct pq_var *var, struct pq_outcome_range *range)
{
	struct half half;

	if (!start_half(s, var, range, &half)) {
		s->ev->oom = true;
		return;
	}
	size_t n = count_tried(&half);
	for (int settled = 1; settled >= 0; settled--) {
		for (size_t i = 0; i < n && !s->ev->oom; i++) {
			uint32_t member = half.symbols[i];
			if (is_in(half.in, member) || is_in(half.out, member))
				continue;
			assume_half(s, &half, member, false);
			if (s->ev->oom || !pq_search_evaluate(s, range))
				break;
			if (settled && !range->determined)
				continue;
			pq_descend(s, range);
			put_in(half.out, member);
		}
	}
	assume_half(s, &half, PQ_NO_INDEX, n == half.n);
	if (!s->ev->oom && pq_search_evaluate(s, range))
		pq_descend(s, range);
	end_half(s, &half);
}

/*
 * What is unknown: the outcome over all completions.
 *
 * The unknown facts behind an undetermined outcome are split one after another over the values that rules tell apart,
 * until the outcome is known in every branch. The leaves of that tree cover all completions, so two completions that
 * differ in one fact alone lie in leaves that contradict each other in that fact alone.
 */
#include "policy/eval.h"

#include <stdlib.h>
#include <string.h>

/* `choice` tells the values of one unknown apart wherever in the tree they were tried; of a set, see below, its halves do. */
struct assumption {
	uint64_t choice;
	uint16_t var;
	const uint64_t *in, *out;
};

struct leaf {
	enum pq_outcome outcome;
	const struct pq_p_jurisdiction *law;
	uint64_t *usable;
	const struct assumption *assumptions; /* sorted by var */
	size_t n;
};

/* The values tried for one unknown. */
struct choices {
	size_t n;
	const uint32_t *symbols;
	const int64_t *numbers;
	const struct pq_text *paths;
};

struct search {
	struct pq_eval *ev;
	struct leaf *leaves;
	size_t n_leaves, cap_leaves;
	struct assumption path[PQ_MAX_VARS];
	size_t depth; /* of `path`: unknowns of which something is assumed */
	size_t evaluations;
	bool exact;
	enum pq_outcome best, worst; /* before anything is assumed */
};

/* ---- values to try ---- */

static bool
try_symbols(struct pq_eval *ev, const struct pq_p_attr *a, struct choices *ret)
{
	uint32_t n = ev->p->domains[a->domain].symbols.n;
	uint32_t *symbols = pq_arena_array(ev->arena, (size_t)n + 1, sizeof(*symbols));
	const uint64_t *distinct = a->distinct != PQ_NO_INDEX ? ev->p->words + a->distinct : NULL;
	bool rest = false;

	if (symbols == NULL)
		return false;
	if (a->type == PQ_TYPE_SYMBOLS)
		symbols[ret->n++] = PQ_NO_INDEX;
	for (uint32_t s = 0; s < n; s++) {
		/* Of the symbols that nothing tells apart one stands for all. */
		bool apart = distinct == NULL || (distinct[s / 64] >> (s % 64) & 1);
		if (apart || !rest)
			symbols[ret->n++] = s;
		rest |= !apart;
	}
	ret->symbols = symbols;
	return true;
}

static int
compare_numbers(const void *left, const void *right)
{
	int64_t l = *(const int64_t *)left, r = *(const int64_t *)right;

	return (l > r) - (l < r);
}

static bool
try_numbers(struct pq_eval *ev, const struct pq_p_attr *a, const struct pq_var *var, struct choices *ret)
{
	int64_t lo = a->has_min ? a->min : a->type == PQ_TYPE_DATE ? -25567 : 0;
	int64_t hi = a->has_max ? a->max : a->type == PQ_TYPE_DATE ? 84005 : INT64_C(1000000000000) * PQ_NUMBER_SCALE / 10;
	int64_t *numbers = pq_arena_array(ev->arena, var->n_samples + 2, sizeof(*numbers));
	size_t n = 0;

	if (numbers == NULL)
		return false;
	numbers[n++] = lo;
	numbers[n++] = hi;
	for (size_t i = 0; i < var->n_samples; i++) {
		if (var->samples[i] >= lo && var->samples[i] <= hi)
			numbers[n++] = var->samples[i];
	}
	qsort(numbers, n, sizeof(*numbers), compare_numbers);
	for (size_t i = 0; i < n; i++) {
		if (ret->n == 0 || numbers[ret->n - 1] != numbers[i])
			numbers[ret->n++] = numbers[i];
	}
	ret->numbers = numbers;
	return true;
}

struct path_list {
	struct pq_eval *ev;
	struct pq_text known;
	struct pq_text *at;
	size_t n, cap;
	bool oom;
};

static void
add_path(struct path_list *list, const char *text)
{
	size_t len = strlen(text);

	if (len <= list->known.len || memcmp(text, list->known.at, list->known.len) != 0 ||
	    (list->known.len > 0 && text[list->known.len] != '.'))
		return;
	for (size_t i = 0; i < list->n; i++) {
		if (list->at[i].len == len && memcmp(list->at[i].at, text, len) == 0)
			return;
	}
	if (list->n == list->cap) {
		size_t cap = list->cap > 0 ? list->cap * 2 : 32;
		struct pq_text *at = pq_arena_array(list->ev->arena, cap, sizeof(*at));
		if (at == NULL) {
			list->oom = true;
			return;
		}
		if (list->n > 0)
			memcpy(at, list->at, list->n * sizeof(*at));
		list->at = at;
		list->cap = cap;
	}
	list->at[list->n++] = (struct pq_text){text, len};
}

/* Does the row's cell in the column of the code admit the code that is known? */
static bool
row_speaks_of(struct pq_eval *ev, const struct pq_p_contribution *c, const struct pq_p_row *row, uint32_t code,
              const struct pq_val *code_val)
{
	for (uint32_t k = 0; k < c->keys.n; k++) {
		const struct pq_p_key *key = &ev->p->keys[c->keys.first + k];
		const struct pq_p_cell *cell = &ev->p->cells[row->cells + key->column];
		bool admits = key->attr != code || (cell->flags & (PQ_CELL_ANY | PQ_CELL_DOUBTFUL)) != 0;
		for (uint32_t i = 0; !admits && i < cell->items.n; i++) {
			uint32_t symbol = ev->p->lists[cell->items.first + i];
			admits = code_val->poss[symbol / 64] >> (symbol % 64) & 1;
		}
		if (!admits)
			return false;
	}
	return true;
}

static void
add_row_paths(struct path_list *list, const struct pq_p_contribution *c, uint32_t attr, uint32_t code,
              const struct pq_val *code_val)
{
	struct pq_eval *ev = list->ev;
	const struct pq_p_table *table = &ev->p->tables[c->table];
	uint32_t column = PQ_NO_INDEX;

	for (uint32_t k = 0; k < c->keys.n; k++) {
		if (ev->p->keys[c->keys.first + k].attr == attr)
			column = ev->p->keys[c->keys.first + k].column;
	}
	for (uint32_t r = 0; column != PQ_NO_INDEX && r < table->rows.n; r++) {
		const struct pq_p_row *row = &ev->p->rows[table->rows.first + r];
		const struct pq_p_cell *cell = &ev->p->cells[row->cells + column];
		if (cell->items.n == 0 || !row_speaks_of(ev, c, row, code, code_val))
			continue;
		for (uint32_t i = 0; i < cell->items.n; i++)
			add_path(list, pq_string(ev->image, ev->p->lists[cell->items.first + i]));
	}
}

/* All listed paths below the known one, and "none of them". */
static bool
try_paths(struct pq_eval *ev, const struct pq_p_attr *a, const struct pq_var *var, struct choices *ret)
{
	const struct pq_val *val = &var->element->vals[a->slot];
	const struct pq_val *code_val = &var->element->vals[ev->p->attrs[a->path].slot];
	struct path_list list = {.ev = ev, .known = val->path};

	for (uint32_t i = 0; i < a->path_lookups.n; i++)
		add_row_paths(&list, &ev->p->contributions[ev->p->lists[a->path_lookups.first + i]], var->attr, a->path, code_val);
	const struct pq_p_domain *domain = &ev->p->domains[a->domain];
	for (uint32_t s = 0; s < domain->symbols.n; s++) {
		if (val->poss[s / 64] >> (s % 64) & 1)
			add_path(&list, pq_string(ev->image, ev->p->symbols[domain->symbols.first + s]));
	}
	struct pq_text *paths = pq_arena_array(ev->arena, list.n + 1, sizeof(*paths));
	if (paths == NULL || list.oom)
		return false;
	paths[ret->n++] = val->path;
	for (size_t i = 0; i < list.n; i++)
		paths[ret->n++] = list.at[i];
	ret->paths = paths;
	return true;
}

static bool
find_choices(struct pq_eval *ev, const struct pq_var *var, struct choices *ret)
{
	*ret = (struct choices){0};
	if (var->attr == PQ_NO_INDEX) {
		ret->n = 2; /* the row is there, or it is not */
		return true;
	}
	const struct pq_p_attr *a = &ev->p->attrs[var->attr];
	switch ((enum pq_type)a->type) {
	case PQ_TYPE_NUMBER:
	case PQ_TYPE_DATE:
		return try_numbers(ev, a, var, ret);
	case PQ_TYPE_PATH:
		return try_paths(ev, a, var, ret);
	case PQ_TYPE_BOOL:
	case PQ_TYPE_SYMBOL:
	case PQ_TYPE_SYMBOLS:
	case PQ_TYPE_CODE:
		return try_symbols(ev, a, ret);
	case PQ_TYPE_TEXT:
	case PQ_TYPE_COUNT:
		break;
	}
	return false;
}

static uint64_t
assume(struct pq_var *var, const struct choices *choices, size_t i)
{
	var->assumed = true;
	var->in = var->out = NULL;
	var->partly = false;
	var->present = i == 1;
	if (choices->symbols != NULL)
		return var->symbol = choices->symbols[i];
	if (choices->numbers != NULL)
		return (uint64_t)(var->number = choices->numbers[i]);
	if (choices->paths != NULL) {
		var->path = choices->paths[i];
		return pq_name_hash((uint32_t)var->path.len, var->path.at, var->path.len);
	}
	return i;
}

bool
pq_try_choice(struct pq_eval *ev, struct pq_var *var, size_t i)
{
	struct choices choices;

	/* Found anew each time: near misses are asked for seldom, and this keeps the list out of the interface. */
	if (!find_choices(ev, var, &choices) || i >= choices.n)
		return false;
	assume(var, &choices, i);
	pq_var_changed(ev, var);
	return true;
}

/* ---- the tree ---- */

static int
compare_assumptions(const void *left, const void *right)
{
	return (int)((const struct assumption *)left)->var - (int)((const struct assumption *)right)->var;
}

static void
add_leaf(struct search *s, enum pq_outcome outcome, const struct pq_outcome_range *range)
{
	struct pq_arena *arena = s->ev->arena;
	size_t words = s->ev->image->meta->exception_words;

	if (s->n_leaves == s->cap_leaves) {
		s->ev->oom = true; /* the bound on evaluations is below the capacity */
		return;
	}
	struct leaf *leaf = &s->leaves[s->n_leaves];
	struct assumption *assumptions = pq_arena_array(arena, s->depth + 1, sizeof(*assumptions));
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

static void descend(struct search *s, struct pq_outcome_range *range);

/* Evaluate with what is assumed by now. False: the bound is reached. */
static bool
evaluate(struct search *s, struct pq_outcome_range *range)
{
	if (s->evaluations++ >= PQ_MAX_LEAVES) {
		s->exact = false;
		return false;
	}
	pq_evaluate(s->ev, range);
	return !s->ev->oom;
}

/*
 * Sets are split by their members, for there are too many sets to try: "B is in it", "not B, but C", ..., "none of
 * these", each with the members that are not named left open, and split again only where the outcome hangs on them.
 */
struct half {
	struct pq_var *var;
	uint32_t words;
	const uint32_t *symbols; /* the members that rules tell apart */
	size_t n;
	uint64_t *in, *out;      /* of the part of the tree that is being explored */
	struct assumption outer; /* the same as it was before the split */
	size_t at;               /* of the unknown in the path */
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

/* From the next evaluation on the set is that of `half` with `member` (PQ_NO_INDEX: and nothing that is open). */
static void
assume_half(struct search *s, const struct half *half, uint32_t member)
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
	for (uint32_t w = 0; w < half->words && member == PQ_NO_INDEX; w++)
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
	s->path[half->at] = (struct assumption){0, (uint16_t)(half->var - s->ev->vars), in, out};
	pq_var_changed(s->ev, half->var);
}

static bool
start_half(struct search *s, struct pq_var *var, struct half *ret)
{
	const struct pq_p_attr *a = &s->ev->p->attrs[var->attr];
	struct choices choices = {0};

	*ret = (struct half){.var = var, .words = a->words, .at = s->depth, .outer = {.in = NULL}};
	for (size_t i = 0; i < s->depth; i++) {
		if (s->path[i].var == var - s->ev->vars) {
			ret->at = i;
			ret->outer = s->path[i];
		}
	}
	ret->in = pq_arena_array(s->ev->arena, (size_t)a->words + 1, sizeof(*ret->in));
	ret->out = pq_arena_array(s->ev->arena, (size_t)a->words + 1, sizeof(*ret->out));
	if (ret->in == NULL || ret->out == NULL || !try_symbols(s->ev, a, &choices))
		return false;
	if (ret->outer.in != NULL) {
		memcpy(ret->in, ret->outer.in, a->words * sizeof(*ret->in));
		memcpy(ret->out, ret->outer.out, a->words * sizeof(*ret->out));
	}
	ret->symbols = choices.symbols + 1; /* without the empty set */
	ret->n = choices.n - 1;
	s->depth += ret->at == s->depth;
	return true;
}

static void
end_half(struct search *s, struct half *half)
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

/* First the members that settle the outcome whatever else is in the set: what is left then is less to be split. */
static void
split_set(struct search *s, struct pq_var *var, struct pq_outcome_range *range)
{
	struct half half;

	if (!start_half(s, var, &half)) {
		s->ev->oom = true;
		return;
	}
	for (int settled = 1; settled >= 0; settled--) {
		for (size_t i = 0; i < half.n && !s->ev->oom; i++) {
			uint32_t member = half.symbols[i];
			if (is_in(half.in, member) || is_in(half.out, member))
				continue;
			assume_half(s, &half, member);
			if (s->ev->oom || !evaluate(s, range))
				break;
			if (settled && !range->determined)
				continue;
			descend(s, range);
			put_in(half.out, member);
		}
	}
	assume_half(s, &half, PQ_NO_INDEX);
	if (!s->ev->oom && evaluate(s, range))
		descend(s, range);
	end_half(s, &half);
}

static void
split_value(struct search *s, struct pq_var *var, const struct choices *choices, struct pq_outcome_range *range)
{
	struct pq_eval *ev = s->ev;

	for (size_t i = 0; i < choices->n && !ev->oom; i++) {
		uint64_t choice = assume(var, choices, i);
		pq_var_changed(ev, var);
		if (!evaluate(s, range))
			break;
		s->path[s->depth++] = (struct assumption){.choice = choice, .var = (uint16_t)(var - ev->vars)};
		descend(s, range);
		s->depth--;
	}
	var->assumed = false;
	pq_var_changed(ev, var);
}

static void
descend(struct search *s, struct pq_outcome_range *range)
{
	struct pq_eval *ev = s->ev;

	if (ev->oom)
		return;
	if (range->determined) {
		add_leaf(s, range->best, range);
		return;
	}
	struct pq_mask deps = pq_outcome_deps(ev, range);
	for (size_t i = 0; i < s->depth; i++) {
		if (!ev->vars[s->path[i].var].partly)
			deps.w[s->path[i].var / 64] &= ~(UINT64_C(1) << (s->path[i].var % 64));
	}
	int index = lowest(&deps);
	struct choices choices;
	if (index < 0 || s->depth == PQ_MAX_VARS || !find_choices(ev, &ev->vars[index], &choices)) {
		/* Nothing left to split: a person must look at what the packs do not know. */
		s->exact &= index >= 0 || !deps.overflow;
		add_leaf(s, PQ_OUTCOME_REFER, range);
		return;
	}
	struct pq_var *var = &ev->vars[index];
	if (var->attr != PQ_NO_INDEX && ev->p->attrs[var->attr].type == PQ_TYPE_SYMBOLS)
		split_set(s, var, range);
	else
		split_value(s, var, &choices, range);
}

/* Do the two assume something of the unknown that cannot both be? */
static bool
contradict(const struct search *s, const struct assumption *a, const struct assumption *b)
{
	bool conflict = false;

	if (a->in == NULL)
		return a->choice != b->choice;
	uint32_t words = s->ev->p->attrs[s->ev->vars[a->var].attr].words;
	for (uint32_t w = 0; w < words; w++)
		conflict |= ((a->in[w] & b->out[w]) | (a->out[w] & b->in[w])) != 0;
	return conflict;
}

/* The one fact in which two leaves contradict each other, or -1. */
static int
sole_conflict(const struct search *s, const struct leaf *a, const struct leaf *b)
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
lets_go_with_exception(enum pq_outcome outcome)
{
	return outcome == PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE || outcome == PQ_OUTCOME_EXEMPTION_AVAILABLE;
}

static bool
needs_licence(enum pq_outcome outcome)
{
	return lets_go_with_exception(outcome) || outcome == PQ_OUTCOME_LICENSE_REQUIRED;
}

/* Whose licence it is, is part of the answer, where the goods could go at all. */
static bool
other_law(const struct leaf *a, const struct leaf *b)
{
	return a->law != b->law && needs_licence(a->outcome) && needs_licence(b->outcome);
}

/* How two answers must differ so that what lies between them is asked for. */
enum difference {
	DIFFERENT_NEED,      /* whether a licence is needed: while that is open, exceptions are not asked about */
	DIFFERENT_OUTCOME,
	DIFFERENT_EXCEPTIONS /* every completion has an exception, but none is usable in all */
};

static bool
differ(const struct search *s, const struct leaf *a, const struct leaf *b, enum difference by)
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

static bool
find_missing(const struct search *s, enum difference by, struct pq_mask *missing)
{
	bool any = false;

	for (size_t i = 0; i < s->n_leaves; i++) {
		for (size_t k = i + 1; k < s->n_leaves; k++) {
			if (!differ(s, &s->leaves[i], &s->leaves[k], by))
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
need_is_open(const struct search *s)
{
	for (size_t i = 0; i < s->n_leaves; i++) {
		if (s->leaves[i].outcome <= PQ_OUTCOME_NO_LICENSE_REQUIRED)
			return true;
	}
	return false;
}

static bool
laws_differ(const struct search *s)
{
	const struct leaf *first = NULL; /* that needs a licence: all others are held against it */

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
is_empty(const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (words[i] != 0)
			return false;
	}
	return true;
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

static void
conclude(struct search *s, struct pq_outcome_range *range, struct pq_search_result *ret)
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
		for (size_t w = 0; w < words; w++)
			ret->usable[w] = i == 0 ? s->leaves[i].usable[w] : ret->usable[w] & s->leaves[i].usable[w];
	}
	ret->exact = s->exact;
	if (s->n_leaves == 0 || !s->exact) {
		ret->best = s->best;
		ret->worst = s->worst;
	}
	none_in_common = ret->best == ret->worst && lets_go_with_exception(ret->best) && is_empty(ret->usable, words);
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

void
pq_search(struct pq_eval *ev, struct pq_search_result *ret)
{
	struct search s = {.ev = ev, .exact = true, .cap_leaves = PQ_MAX_LEAVES + 1};
	struct pq_outcome_range range = {0};

	ret->usable = pq_arena_array(ev->arena, ev->image->meta->exception_words + 1, sizeof(*ret->usable));
	range.usable = pq_arena_array(ev->arena, ev->image->meta->exception_words + 1, sizeof(*range.usable));
	s.leaves = pq_arena_array(ev->arena, s.cap_leaves, sizeof(*s.leaves));
	if (ret->usable == NULL || range.usable == NULL || s.leaves == NULL) {
		ev->oom = true;
		return;
	}
	ret->missing = (struct pq_mask){0};
	/* Where a branch finds another value of a number to try, the others must try it too, so that all can be compared. */
	for (int round = 0; round < 4 && !ev->oom; round++) {
		s.n_leaves = s.evaluations = 0;
		s.exact = true;
		pq_evaluate(ev, &range);
		s.best = range.best;
		s.worst = range.worst;
		note_all(ev);
		size_t before = count_samples(ev);
		descend(&s, &range);
		if (count_samples(ev) == before)
			break;
	}
	for (size_t i = 0; i < ev->n_vars; i++)
		s.exact &= !ev->vars[i].dropped;
	if (!ev->oom)
		conclude(&s, &range, ret);
}

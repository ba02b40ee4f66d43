/* What is tried for an unknown: the values that rules tell apart. */
#include "policy/search_parts.h"

#include <stdlib.h>
#include <string.h>

bool
pq_try_symbols(struct pq_eval *ev, const struct pq_p_attr *a, struct pq_choices *ret)
{
	uint32_t n = ev->p->domains[a->domain].symbols.n;
	uint32_t *symbols = pq_arena_array(ev->arena, (size_t)n + 1, sizeof(*symbols));
	const uint64_t *distinct = a->distinct != PQ_NO_INDEX ? ev->p->words + a->distinct : NULL;
	bool rest = false;

	if (symbols == NULL) {
		ev->oom = true;
		return false;
	}
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
try_numbers(struct pq_eval *ev, const struct pq_p_attr *a, const struct pq_var *var, struct pq_choices *ret)
{
	int64_t lo = a->has_min ? a->min : a->type == PQ_TYPE_DATE ? -25567 : 0;
	int64_t hi = a->has_max ? a->max : a->type == PQ_TYPE_DATE ? 84005 : INT64_C(1000000000000) * PQ_NUMBER_SCALE / 10;
	int64_t *numbers = pq_arena_array(ev->arena, var->n_samples + 2, sizeof(*numbers));
	size_t n = 0;

	if (numbers == NULL) {
		ev->oom = true;
		return false;
	}
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
try_paths(struct pq_eval *ev, const struct pq_p_attr *a, const struct pq_var *var, struct pq_choices *ret)
{
	const struct pq_val *val = &var->element->vals[a->slot];
	const struct pq_val *code_val = &var->element->vals[ev->p->attrs[a->path].slot];
	struct path_list list = {.ev = ev, .known = val->path};

	for (uint32_t i = 0; i < a->path_lookups.n; i++)
		add_row_paths(&list, &ev->p->contributions[ev->p->lists[a->path_lookups.first + i]], var->attr, a->path,
		              code_val);
	const struct pq_p_domain *domain = &ev->p->domains[a->domain];
	for (uint32_t s = 0; s < domain->symbols.n; s++) {
		if (val->poss[s / 64] >> (s % 64) & 1)
			add_path(&list, pq_string(ev->image, ev->p->symbols[domain->symbols.first + s]));
	}
	struct pq_text *paths = pq_arena_array(ev->arena, list.n + 1, sizeof(*paths));
	if (paths == NULL || list.oom) {
		ev->oom = true;
		return false;
	}
	paths[ret->n++] = val->path;
	for (size_t i = 0; i < list.n; i++)
		paths[ret->n++] = list.at[i];
	ret->paths = paths;
	return true;
}

bool
pq_find_choices(struct pq_eval *ev, const struct pq_var *var, struct pq_choices *ret)
{
	*ret = (struct pq_choices){0};
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
		return pq_try_symbols(ev, a, ret);
	case PQ_TYPE_TEXT:
	case PQ_TYPE_COUNT:
		break;
	}
	return false;
}

uint64_t
pq_assume_choice(struct pq_var *var, const struct pq_choices *choices, size_t i)
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
	struct pq_choices choices;

	/* Found anew each time: near misses are asked for seldom, and this keeps the list out of the interface. */
	if (!pq_find_choices(ev, var, &choices) || i >= choices.n)
		return false;
	pq_assume_choice(var, &choices, i);
	pq_var_changed(ev, var);
	return true;
}

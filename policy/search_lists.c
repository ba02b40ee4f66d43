/*
 * Which values of an unknown the open rules tell apart: the lists of it that their conditions ask for, read from the
 * conditions themselves and from the tables behind them. Where a list is read wrongly (rows have days and conditions of
 * their own) more is evaluated than need be, and nothing else.
 */
#include "policy/search_parts.h"

#include <string.h>

/* Lists that are told apart for one unknown; what further ones would part is halved. */
#define MAX_LISTS 512
/* How deep attributes are followed down to the unknown. */
#define MAX_FOLLOWED 8

struct pq_group_lists {
	struct pq_eval *ev;
	const struct pq_var *var;
	uint32_t words;
	size_t n;
	uint64_t *sets[MAX_LISTS];
	bool asked[MAX_LISTS]; /* by a rule that is open now */
	uint32_t *rules;       /* by rule, and behind them the law: the first of its entries + 1; 0 = not read yet */
	struct entry {
		uint16_t list;
		bool more; /* the next entry is of the same rule */
	} * entries;
	size_t n_entries, cap_entries;
	uint64_t *scratch;
	int depth;
};

/* Which values of an attribute are asked for: symbols, or numbers; neither: any. */
struct wanted {
	struct pq_span symbols, ranges;
};

static void from_dnf(struct pq_group_lists *g, const struct pq_where *where, uint32_t dnf);
static void from_attr(struct pq_group_lists *g, const struct pq_where *where, uint32_t attr,
                      const struct wanted *wanted);

static bool
is_in(const uint64_t *set, uint32_t symbol)
{
	return set[symbol / 64] >> (symbol % 64) & 1;
}

static void
add_symbols(struct pq_group_lists *g, struct pq_span symbols)
{
	for (uint32_t i = 0; i < symbols.n; i++) {
		uint32_t symbol = g->ev->p->lists[symbols.first + i];
		g->scratch[symbol / 64] |= UINT64_C(1) << (symbol % 64);
	}
}

/* What was put together in the scratch is a list that the rule asks for. */
static void
add_list(struct pq_group_lists *g)
{
	size_t bytes = g->words * sizeof(*g->scratch), at = 0;

	while (at < g->n && memcmp(g->sets[at], g->scratch, bytes) != 0)
		at++;
	if (at == MAX_LISTS || g->n_entries == g->cap_entries)
		return;
	if (at == g->n) {
		g->sets[at] = pq_arena_alloc(g->ev->arena, bytes);
		if (g->sets[at] == NULL) {
			g->ev->oom = true;
			return;
		}
		memcpy(g->sets[at], g->scratch, bytes);
		g->n++;
	}
	g->entries[g->n_entries++] = (struct entry){(uint16_t)at, true};
}

static void
start_list(struct pq_group_lists *g)
{
	memset(g->scratch, 0, g->words * sizeof(*g->scratch));
}

static bool
is_the_unknown(const struct pq_group_lists *g, const struct pq_where *where, uint32_t attr)
{
	return attr == g->var->attr && where->at[g->ev->p->attrs[attr].scope] == g->var->element;
}

static bool
hangs_on_it(const struct pq_group_lists *g, const struct pq_where *where, uint32_t attr)
{
	size_t var = (size_t)(g->var - g->ev->vars);

	if (where->at[g->ev->p->attrs[attr].scope] == NULL)
		return false;
	struct pq_mask deps = pq_value_deps(g->ev, where, attr);
	return deps.w[var / 64] >> (var % 64) & 1;
}

/* ---- tables ---- */

static bool
cell_has(const struct pq_eval *ev, const struct pq_p_cell *cell, const struct wanted *wanted)
{
	if (cell->flags & PQ_CELL_DOUBTFUL)
		return true;
	for (uint32_t i = 0; i < wanted->ranges.n; i++) {
		const struct pq_p_range *range = &ev->p->ranges[wanted->ranges.first + i];
		if (cell->number >= range->lo && cell->number <= range->hi)
			return true;
	}
	for (uint32_t i = 0; i < wanted->symbols.n; i++) {
		for (uint32_t k = 0; k < cell->items.n; k++) {
			if (ev->p->lists[wanted->symbols.first + i] == ev->p->lists[cell->items.first + k])
				return true;
		}
	}
	return wanted->ranges.n + wanted->symbols.n == 0;
}

/* May the row be joined, as far as its other symbols go? */
static bool
may_join(const struct pq_group_lists *g, const struct pq_where *where, const struct pq_p_contribution *c,
         const struct pq_p_row *row)
{
	const struct pq_program *p = g->ev->p;

	for (uint32_t k = 0; k < c->keys.n; k++) {
		const struct pq_p_key *key = &p->keys[c->keys.first + k];
		const struct pq_p_attr *a = &p->attrs[key->attr];
		const struct pq_p_cell *cell = &p->cells[row->cells + key->column];
		bool joins = a->words == 0 || a->type == PQ_TYPE_PATH || is_the_unknown(g, where, key->attr) ||
		             (cell->flags & (PQ_CELL_ANY | PQ_CELL_DOUBTFUL)) != 0;
		const struct pq_val *val = pq_val_at(g->ev, where, key->attr);
		for (uint32_t i = 0; !joins && i < cell->items.n; i++)
			joins = is_in(val->poss, p->lists[cell->items.first + i]);
		if (!joins)
			return false;
	}
	return true;
}

static void
add_row(struct pq_group_lists *g, const struct pq_where *where, const struct pq_p_contribution *c, uint32_t column,
        const struct pq_p_row *row, const struct wanted *wanted)
{
	const struct pq_p_cell *cells = &g->ev->p->cells[row->cells];

	if (cells[column].flags & (PQ_CELL_ANY | PQ_CELL_DOUBTFUL) || !may_join(g, where, c, row))
		return;
	if (c->take == PQ_NO_INDEX || cell_has(g->ev, &cells[c->take], wanted))
		add_symbols(g, cells[column].items);
}

/* A key of which the value is known and by which the table has an index. */
static const uint32_t *
rows_by_known_key(const struct pq_group_lists *g, const struct pq_where *where, const struct pq_p_contribution *c,
                  uint32_t *ret_n)
{
	const struct pq_program *p = g->ev->p;

	for (uint32_t k = 0; k < c->keys.n; k++) {
		const struct pq_p_key *key = &p->keys[c->keys.first + k];
		const struct pq_p_column *column = &p->columns[p->tables[c->table].columns.first + key->column];
		const struct pq_p_attr *a = &p->attrs[key->attr];
		const struct pq_val *val = pq_val_at(g->ev, where, key->attr);
		uint32_t symbol = PQ_NO_INDEX, n = 0;
		if (column->index == PQ_NO_INDEX || a->words == 0 || a->type == PQ_TYPE_PATH)
			continue;
		for (uint32_t w = 0; w < a->words; w++) {
			n += (uint32_t)__builtin_popcountll(val->poss[w]);
			symbol = val->poss[w] != 0 ? w * 64 + (uint32_t)__builtin_ctzll(val->poss[w]) : symbol;
		}
		if (n != 1)
			continue;
		const uint32_t *starts = p->lists + column->index;
		*ret_n = starts[symbol + 1] - starts[symbol];
		return p->lists + column->index_rows + starts[symbol];
	}
	return NULL;
}

static void
from_lookup(struct pq_group_lists *g, const struct pq_where *where, const struct pq_p_contribution *c,
            const struct wanted *wanted)
{
	const struct pq_program *p = g->ev->p;
	const struct pq_p_table *table = &p->tables[c->table];
	struct wanted any = {{0, 0}, {0, 0}};
	uint32_t n = 0, column = PQ_NO_INDEX;

	for (uint32_t k = 0; k < c->keys.n; k++) {
		const struct pq_p_key *key = &p->keys[c->keys.first + k];
		if (is_the_unknown(g, where, key->attr))
			column = key->column;
		else if (p->attrs[key->attr].type != PQ_TYPE_PATH && hangs_on_it(g, where, key->attr))
			from_attr(g, where, key->attr, &any);
	}
	if (column == PQ_NO_INDEX)
		return;
	start_list(g);
	const uint32_t *known = rows_by_known_key(g, where, c, &n);
	for (uint32_t r = 0; known != NULL && r < n; r++)
		add_row(g, where, c, column, &p->rows[known[r]], wanted);
	for (uint32_t r = 0; known == NULL && r < table->rows.n; r++)
		add_row(g, where, c, column, &p->rows[table->rows.first + r], wanted);
	add_list(g);
}

/* ---- conditions ---- */

static void
from_source(struct pq_group_lists *g, const struct pq_where *where, const struct pq_p_contribution *c,
            const struct wanted *wanted)
{
	struct wanted any = {{0, 0}, {0, 0}};

	if (pq_dnf_truth(g->ev, where, c->dnf) == PQ_F)
		return;
	from_dnf(g, where, c->dnf);
	switch ((enum pq_derive)c->derive) {
	case PQ_DERIVE_LOOKUP:
		from_lookup(g, where, c, wanted);
		return;
	case PQ_DERIVE_COPY:
		from_attr(g, where, c->left, wanted);
		return;
	case PQ_DERIVE_COMPARE:
	case PQ_DERIVE_SAME:
		from_attr(g, where, c->left, &any);
		if (c->right != PQ_NO_INDEX)
			from_attr(g, where, c->right, &any);
		return;
	case PQ_DERIVE_SUM:
		for (uint32_t i = 0; i < c->terms.n; i++)
			from_attr(g, where, g->ev->p->terms[c->terms.first + i].attr, &any);
		return;
	case PQ_DERIVE_SET:
	case PQ_DERIVE_COUNT:
	case PQ_DERIVE_LINES:
		return;
	}
}

static void
from_attr(struct pq_group_lists *g, const struct pq_where *where, uint32_t attr, const struct wanted *wanted)
{
	const struct pq_p_attr *a = &g->ev->p->attrs[attr];

	if (is_the_unknown(g, where, attr)) {
		start_list(g);
		add_symbols(g, wanted->symbols);
		add_list(g);
		return;
	}
	if (g->depth == MAX_FOLLOWED || !hangs_on_it(g, where, attr))
		return;
	g->depth++;
	for (uint32_t i = 0; i < a->contributions.n; i++)
		from_source(g, where, &g->ev->p->contributions[a->contributions.first + i], wanted);
	for (uint32_t i = 0; i < a->silences.n; i++) {
		const struct pq_p_silence *s = &g->ev->p->silences[a->silences.first + i];
		from_dnf(g, where, s->dnf);
		if (s->copy != PQ_NO_INDEX)
			from_attr(g, where, s->copy, wanted);
	}
	g->depth--;
}

static void
from_cond(struct pq_group_lists *g, const struct pq_where *where, const struct pq_p_cond *cond)
{
	struct pq_where inside = *where;
	size_t n;

	if (cond->inner == PQ_NO_INDEX) {
		struct wanted wanted = {{0, 0}, {0, 0}};
		if (cond->op == PQ_OP_RANGE)
			wanted.ranges = cond->ranges;
		else
			wanted.symbols = cond->symbols;
		from_attr(g, where, cond->attr, &wanted);
		return;
	}
	struct pq_element *elements = pq_elements(g->ev, where, cond->scope, &n);
	for (size_t i = 0; i < n; i++) {
		inside.at[cond->scope] = &elements[i];
		from_dnf(g, &inside, cond->inner);
	}
}

/* The lists that the conditions ask for of which it is open whether they hold. */
static void
from_dnf(struct pq_group_lists *g, const struct pq_where *where, uint32_t index)
{
	const struct pq_program *p = g->ev->p;

	if (index == PQ_NO_INDEX || pq_dnf_truth(g->ev, where, index) != PQ_U)
		return;
	for (uint32_t i = 0; i < p->dnfs[index].alts.n; i++) {
		const struct pq_p_alt *alt = &p->alts[p->dnfs[index].alts.first + i];
		enum pq_tri tri = PQ_T;
		for (uint32_t c = 0; c < alt->conds.n && tri != PQ_F; c++)
			tri = pq_and(tri, pq_cond_truth(g->ev, where, &p->conds[alt->conds.first + c]));
		for (uint32_t c = 0; tri == PQ_U && c < alt->conds.n; c++) {
			const struct pq_p_cond *cond = &p->conds[alt->conds.first + c];
			if (pq_cond_truth(g->ev, where, cond) == PQ_U)
				from_cond(g, where, cond);
		}
	}
}

/* ---- which list next ---- */

static struct pq_group_lists *
lists_of(struct pq_search *s, const struct pq_var *var)
{
	size_t index = (size_t)(var - s->ev->vars);
	struct pq_group_lists *g = s->lists[index];

	if (g != NULL)
		return g;
	g = pq_arena_alloc(s->ev->arena, sizeof(*g));
	if (g == NULL)
		return NULL;
	g->ev = s->ev;
	g->var = var;
	g->words = s->ev->p->attrs[var->attr].words;
	g->cap_entries = 8 * MAX_LISTS;
	g->rules = pq_arena_array(s->ev->arena, s->ev->p->n_rules + 1, sizeof(*g->rules));
	g->entries = pq_arena_array(s->ev->arena, g->cap_entries + 1, sizeof(*g->entries));
	g->scratch = pq_arena_array(s->ev->arena, (size_t)g->words + 1, sizeof(*g->scratch));
	if (g->rules == NULL || g->entries == NULL || g->scratch == NULL)
		return NULL;
	return s->lists[index] = g;
}

/* An open rule asks for its lists. */
static void
ask_rule(struct pq_eval *ev, uint32_t rule, void *arg)
{
	struct pq_group_lists *g = arg;
	struct pq_where where = pq_where_request(ev);

	if (g->rules[rule] == 0) {
		size_t first = g->n_entries;
		if (rule < ev->p->n_rules)
			from_dnf(g, &where, ev->p->rules[rule].dnf);
		else
			from_attr(g, &where, PQ_ATTR_JURISDICTION, &(struct wanted){{0, 0}, {0, 0}});
		if (g->n_entries > first)
			g->entries[g->n_entries - 1].more = false;
		g->rules[rule] = g->n_entries > first ? (uint32_t)first + 1 : PQ_NO_INDEX;
	}
	for (size_t i = g->rules[rule]; i != PQ_NO_INDEX; i++) {
		g->asked[g->entries[i - 1].list] = true;
		if (!g->entries[i - 1].more)
			break;
	}
}

bool
pq_tell_apart(struct pq_search *s, const struct pq_var *var, const struct pq_outcome_range *range, uint64_t *ret_kinds)
{
	struct pq_group_lists *g = lists_of(s, var);

	if (g == NULL) {
		s->ev->oom = true;
		return false;
	}
	memset(g->asked, 0, sizeof(g->asked));
	pq_each_open_rule(s->ev, range, ask_rule, g);
	for (size_t i = 0; i < g->n; i++) {
		uint64_t mark = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
		mark ^= mark >> 29;
		for (uint32_t w = 0; g->asked[i] && w < g->words; w++) {
			for (uint64_t left = g->sets[i][w]; left != 0; left &= left - 1)
				ret_kinds[w * 64 + (uint32_t)__builtin_ctzll(left)] += mark * (mark | 1);
		}
	}
	return true;
}

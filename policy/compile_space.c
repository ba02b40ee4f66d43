/*
 * Spaces: conditions of one scope and level as bit vectors, one bit an alternative.
 *
 * For each attribute that the alternatives of a space mention there is a column: a bitmap for each symbol (or
 * elementary interval) that says which alternatives admit it. Source: the bit-vector scheme of packet classification
 * (Lakshman and Stiliadis, 1998).
 */
#include "policy/build.h"

#include <stdlib.h>
#include <string.h>

/* An alternative on its way: at most what the loader lets through, and what validity and jurisdiction add. */
#define MAX_EXTRA 4

static void
emit_cond(struct pq_builder *b, const struct pq_cond *cond, enum pq_op op, const uint32_t *symbols, size_t n_symbols)
{
	struct pq_p_cond *out = pq_build_append(b, PQ_SECTION_CONDS, 1, NULL);
	struct pq_p_cond record = {.op = (uint8_t)op, .attr = cond->attr, .inner = PQ_NO_INDEX};

	if (cond->inner != NULL) {
		record.attr = PQ_NO_INDEX;
		record.scope = (uint8_t)cond->scope;
		record.inner = pq_build_dnf_index(b, cond->inner, NULL);
	} else if (op == PQ_OP_RANGE) {
		struct pq_p_range *ranges = pq_build_append(b, PQ_SECTION_RANGES, cond->n_ranges, &record.ranges.first);
		record.ranges.n = (uint32_t)cond->n_ranges;
		for (size_t i = 0; ranges != NULL && !b->oom && i < cond->n_ranges; i++)
			ranges[i] = (struct pq_p_range){cond->ranges[i].lo, cond->ranges[i].hi};
	} else {
		record.symbols = pq_build_list(b, symbols, n_symbols);
	}
	*out = record;
}

static size_t
emit_model_cond(struct pq_builder *b, const struct pq_cond *cond)
{
	if (cond->op != PQ_OP_ALL) {
		emit_cond(b, cond, cond->op, cond->symbols.at, cond->symbols.n);
		return 1;
	}
	/* "all of" is one "any of" a symbol. */
	for (size_t i = 0; i < cond->symbols.n; i++)
		emit_cond(b, cond, PQ_OP_ANY, &cond->symbols.at[i], 1);
	return cond->symbols.n;
}

/* The days on which a rule is in force: [from, to) less its stays, as inclusive ranges. */
static size_t
force_ranges(const struct pq_rule *rule, int32_t to, struct pq_range *ranges, size_t max)
{
	int64_t lo = rule->from == PQ_DATE_MIN ? INT64_MIN : rule->from;
	int64_t end = to == PQ_DATE_MAX ? INT64_MAX : (int64_t)to - 1;
	size_t n = 0;

	/* Stays are few and the loader sorts none: cut them off in order of their begin. */
	for (;;) {
		const struct pq_interval *next = NULL;
		for (size_t i = 0; i < rule->n_stays; i++) {
			const struct pq_interval *stay = &rule->stays[i];
			int64_t stay_end = stay->to == PQ_DATE_MAX ? INT64_MAX : stay->to;
			if (stay_end > lo && (next == NULL || stay->from < next->from))
				next = stay;
		}
		if (next == NULL || n + 1 >= max)
			break;
		if (next->from != PQ_DATE_MIN && next->from > lo)
			ranges[n++] = (struct pq_range){lo, (int64_t)next->from - 1 < end ? (int64_t)next->from - 1 : end};
		if (next->to == PQ_DATE_MAX)
			return n;
		lo = next->to > lo ? next->to : lo;
		if (lo > end)
			return n;
	}
	if (lo <= end)
		ranges[n++] = (struct pq_range){lo, end};
	return n;
}

static size_t
emit_validity(struct pq_builder *b, const struct pq_rule *rule, int32_t to)
{
	size_t max = rule->n_stays + 2;
	struct pq_range *ranges;

	if (rule->from == PQ_DATE_MIN && to == PQ_DATE_MAX && rule->n_stays == 0)
		return 0;
	ranges = pq_build_alloc(b, max, sizeof(*ranges));
	if (ranges == NULL)
		return 0;
	struct pq_cond cond = {.op = PQ_OP_RANGE, .attr = PQ_ATTR_AS_OF, .ranges = ranges};
	cond.n_ranges = force_ranges(rule, to, ranges, max);
	emit_cond(b, &cond, PQ_OP_RANGE, NULL, 0);
	return 1;
}

static size_t
emit_symbol_cond(struct pq_builder *b, uint32_t attr, enum pq_op op, uint32_t symbol)
{
	struct pq_cond cond = {.op = op, .attr = attr};

	emit_cond(b, &cond, op, &symbol, 1);
	return 1;
}

/* saved_end: the variant for a transaction that is saved from the amendment that ended the rule. */
static void
emit_alt(struct pq_builder *b, uint32_t dnf, const struct pq_conj *conj, const struct pq_rule *rule, bool saved_end)
{
	uint32_t alt, first = (uint32_t)b->sections[PQ_SECTION_CONDS].n;
	size_t n = 0;

	pq_build_append(b, PQ_SECTION_ALTS, 1, &alt);
	for (size_t i = 0; i < conj->n; i++)
		n += emit_model_cond(b, &conj->conds[i]);
	if (rule != NULL) {
		const struct pq_model *model = b->model;
		n += emit_validity(b, rule, saved_end ? PQ_DATE_MAX : rule->to);
		if (rule->jurisdiction != PQ_NO_INDEX)
			n += emit_symbol_cond(b, PQ_ATTR_JURISDICTION, PQ_OP_ANY, rule->jurisdiction);
		if (rule->amendment != PQ_NO_INDEX && model->amendments[rule->amendment].saved != PQ_NO_INDEX)
			n += emit_symbol_cond(b, model->amendments[rule->amendment].saved, PQ_OP_NONE, PQ_BOOL_TRUE);
		if (saved_end)
			n += emit_symbol_cond(b, model->amendments[rule->ended_by].saved, PQ_OP_ANY, PQ_BOOL_TRUE);
	}
	struct pq_p_alt *out = pq_build_at(b, PQ_SECTION_ALTS, alt);
	*out = (struct pq_p_alt){.conds = {first, (uint32_t)n}, .dnf = dnf};
}

static void
emit_dnf(struct pq_builder *b, const struct pq_node *node, uint32_t space)
{
	uint32_t index, first = (uint32_t)b->sections[PQ_SECTION_ALTS].n;
	const struct pq_rule *rule = node->rule;
	bool has_saved_end = rule != NULL && rule->ended_by != PQ_NO_INDEX &&
	                     b->model->amendments[rule->ended_by].saved != PQ_NO_INDEX;

	pq_build_append(b, PQ_SECTION_DNFS, 1, &index);
	for (size_t i = 0; i < node->dnf->n; i++) {
		emit_alt(b, index, &node->dnf->conjs[i], rule, false);
		if (has_saved_end)
			emit_alt(b, index, &node->dnf->conjs[i], rule, true);
	}
	struct pq_p_dnf *out = pq_build_at(b, PQ_SECTION_DNFS, index);
	*out = (struct pq_p_dnf){
	    .alts = {first, (uint32_t)b->sections[PQ_SECTION_ALTS].n - first},
	    .space = space,
	    .slot = b->meta.scope_dnfs[node->scope]++,
	    .owner = node->owner,
	    .scope = (uint8_t)node->scope,
	};
}

/* ---- columns ---- */

static enum pq_col_kind
kind_of(enum pq_op op)
{
	return op == PQ_OP_NONE ? PQ_COL_NONE : op == PQ_OP_RANGE ? PQ_COL_RANGE : PQ_COL_ANY;
}

static uint32_t
find_slot(struct pq_space_work *w, uint32_t attr, enum pq_col_kind kind, uint32_t occurrence)
{
	uint32_t *link = &w->first_slot[attr * PQ_COL_KINDS + kind];

	for (; *link != 0; link = &w->slots[*link - 1].next) {
		if (w->slots[*link - 1].occurrence == occurrence)
			return *link - 1;
	}
	if (w->n_slots == w->cap_slots) {
		size_t cap = w->cap_slots > 0 ? w->cap_slots * 2 : 64;
		struct pq_slot *slots = pq_build_alloc(w->b, cap, sizeof(*slots));
		if (slots == NULL)
			return 0;
		if (w->n_slots > 0)
			memcpy(slots, w->slots, w->n_slots * sizeof(*slots));
		w->slots = slots;
		w->cap_slots = cap;
		return find_slot(w, attr, kind, occurrence);
	}
	*link = (uint32_t)w->n_slots + 1;
	w->slots[w->n_slots] = (struct pq_slot){attr, kind, occurrence, 0};
	return (uint32_t)w->n_slots++;
}

static void
assign_slots(struct pq_space_work *w)
{
	struct pq_builder *b = w->b;

	for (uint32_t a = 0; a < w->space->alts.n && !b->oom; a++) {
		const struct pq_p_alt *alt = pq_build_at(b, PQ_SECTION_ALTS, w->space->alts.first + a);
		for (uint32_t c = 0; c < alt->conds.n && !b->oom; c++) {
			uint32_t index = alt->conds.first + c;
			const struct pq_p_cond *cond = pq_build_at(b, PQ_SECTION_CONDS, index);
			if (cond->inner != PQ_NO_INDEX) {
				w->slot_of[index - w->first_cond] = PQ_NO_INDEX;
				continue;
			}
			uint32_t occurrence = 0;
			for (uint32_t k = 0; k < c; k++) {
				const struct pq_p_cond *before = pq_build_at(b, PQ_SECTION_CONDS, alt->conds.first + k);
				occurrence += before->inner == PQ_NO_INDEX && before->attr == cond->attr &&
				              kind_of(before->op) == kind_of(cond->op);
			}
			w->slot_of[index - w->first_cond] = find_slot(w, cond->attr, kind_of(cond->op), occurrence);
		}
	}
}

static uint64_t *
bitmap(struct pq_builder *b, const struct pq_p_col *col, const struct pq_p_space *space, uint32_t number)
{
	return pq_build_at(b, PQ_SECTION_WORDS, (uint32_t)col->bits + number * space->words);
}

/* Which alternatives have a condition in this slot, and which condition: calls back for each. */
typedef void each_fn(struct pq_space_work *w, struct pq_p_col *col, uint32_t row, const struct pq_p_cond *cond);

static void
for_each(struct pq_space_work *w, uint32_t slot, struct pq_p_col *col, each_fn *fn)
{
	struct pq_builder *b = w->b;

	for (uint32_t a = 0; a < w->space->alts.n; a++) {
		struct pq_p_alt alt = *(struct pq_p_alt *)pq_build_at(b, PQ_SECTION_ALTS, w->space->alts.first + a);
		for (uint32_t c = 0; c < alt.conds.n; c++) {
			if (w->slot_of[alt.conds.first + c - w->first_cond] == slot)
				fn(w, col, a, pq_build_at(b, PQ_SECTION_CONDS, alt.conds.first + c));
		}
	}
}

static const uint32_t *
list_at(struct pq_builder *b, uint32_t first)
{
	return pq_build_at(b, PQ_SECTION_LISTS, first);
}

static void
count_symbols(struct pq_space_work *w, struct pq_p_col *col, uint32_t row, const struct pq_p_cond *cond)
{
	uint32_t *map = pq_build_at(w->b, PQ_SECTION_LISTS, col->map);

	(void)row;
	for (uint32_t i = 0; i < cond->symbols.n; i++) {
		uint32_t symbol = list_at(w->b, cond->symbols.first)[i];
		if (map[symbol] == 0)
			map[symbol] = 3 + col->summary++; /* which counts while the column is built */
	}
}

static void
clear_base(struct pq_space_work *w, struct pq_p_col *col, uint32_t row, const struct pq_p_cond *cond)
{
	(void)cond;
	bitmap(w->b, col, w->space, 0)[row / 64] &= ~(UINT64_C(1) << (row % 64));
}

static void
mark_symbols(struct pq_space_work *w, struct pq_p_col *col, uint32_t row, const struct pq_p_cond *cond)
{
	const uint32_t *map = list_at(w->b, col->map);

	for (uint32_t i = 0; i < cond->symbols.n; i++) {
		uint32_t number = map[list_at(w->b, cond->symbols.first)[i]];
		bitmap(w->b, col, w->space, number)[row / 64] |= UINT64_C(1) << (row % 64);
	}
}

static void
fill_rows(uint64_t *words, uint32_t rows)
{
	for (uint32_t i = 0; i < rows; i++)
		words[i / 64] |= UINT64_C(1) << (i % 64);
}

static void
build_symbol_col(struct pq_space_work *w, uint32_t slot, struct pq_p_col *col)
{
	struct pq_builder *b = w->b;
	uint32_t words = w->space->words;
	size_t n_symbols = b->model->domains[b->model->attrs[col->attr].domain].n_symbols;

	pq_build_append(b, PQ_SECTION_LISTS, n_symbols, &col->map);
	if (b->oom)
		return;
	for_each(w, slot, col, count_symbols);
	uint32_t mentioned = col->summary;
	col->summary = 0;
	col->bits = pq_build_words(b, (size_t)(3 + mentioned) * words);
	if (b->oom)
		return;
	if (col->kind == PQ_COL_ANY) {
		fill_rows(bitmap(b, col, w->space, 0), w->space->alts.n);
		for_each(w, slot, col, clear_base);
		for (uint32_t i = 0; i < mentioned; i++)
			memcpy(bitmap(b, col, w->space, 3 + i), bitmap(b, col, w->space, 0), words * sizeof(uint64_t));
	}
	for_each(w, slot, col, mark_symbols);

	/* The AND and the OR over all symbols; one that is not mentioned has the base. */
	const uint64_t *base = bitmap(b, col, w->space, 0);
	uint64_t *all = bitmap(b, col, w->space, 1), *some = bitmap(b, col, w->space, 2);
	bool rest = mentioned < n_symbols;
	for (uint32_t k = 0; k < words; k++) {
		all[k] = rest ? base[k] : UINT64_MAX;
		some[k] = rest ? base[k] : 0;
		for (uint32_t i = 0; i < mentioned; i++) {
			all[k] &= bitmap(b, col, w->space, 3 + i)[k];
			some[k] |= bitmap(b, col, w->space, 3 + i)[k];
		}
	}
}

static int
compare_numbers(const void *left, const void *right)
{
	int64_t l = *(const int64_t *)left, r = *(const int64_t *)right;

	return (l > r) - (l < r);
}

void
pq_build_boundaries(struct pq_builder *b, struct pq_p_col *col)
{
	int64_t *at = pq_build_at(b, PQ_SECTION_NUMBERS, col->boundaries.first);
	uint32_t n = 0;

	qsort(at, col->boundaries.n, sizeof(*at), compare_numbers);
	for (uint32_t i = 0; i < col->boundaries.n; i++) {
		if (n == 0 || at[n - 1] != at[i])
			at[n++] = at[i];
	}
	b->sections[PQ_SECTION_NUMBERS].n -= col->boundaries.n - n;
	memset(at + n, 0, (col->boundaries.n - n) * sizeof(*at));
	col->boundaries.n = n;
}

void
pq_build_boundary(struct pq_builder *b, struct pq_p_col *col, uint32_t index)
{
	struct pq_p_range range = *(struct pq_p_range *)pq_build_at(b, PQ_SECTION_RANGES, index);
	int64_t *out;

	if (range.lo != INT64_MIN && (out = pq_build_append(b, PQ_SECTION_NUMBERS, 1, NULL)) != NULL) {
		*out = range.lo;
		col->boundaries.n++;
	}
	if (range.hi != INT64_MAX && (out = pq_build_append(b, PQ_SECTION_NUMBERS, 1, NULL)) != NULL) {
		*out = range.hi + 1;
		col->boundaries.n++;
	}
}

static void
collect_boundaries(struct pq_space_work *w, struct pq_p_col *col, uint32_t row, const struct pq_p_cond *cond)
{
	(void)row;
	for (uint32_t i = 0; i < cond->ranges.n; i++)
		pq_build_boundary(w->b, col, cond->ranges.first + i);
}

static void
mark_intervals(struct pq_space_work *w, struct pq_p_col *col, uint32_t row, const struct pq_p_cond *cond)
{
	const int64_t *boundaries = pq_build_at(w->b, PQ_SECTION_NUMBERS, col->boundaries.first);

	for (uint32_t i = 0; i <= col->boundaries.n; i++) {
		int64_t value = i == 0 ? INT64_MIN : boundaries[i - 1];
		for (uint32_t k = 0; k < cond->ranges.n; k++) {
			const struct pq_p_range *range = pq_build_at(w->b, PQ_SECTION_RANGES, cond->ranges.first + k);
			if (value >= range->lo && value <= range->hi)
				bitmap(w->b, col, w->space, 3 + i)[row / 64] |= UINT64_C(1) << (row % 64);
		}
	}
}

static void
build_range_col(struct pq_space_work *w, uint32_t slot, struct pq_p_col *col)
{
	struct pq_builder *b = w->b;
	uint32_t words = w->space->words;

	col->boundaries.first = (uint32_t)b->sections[PQ_SECTION_NUMBERS].n;
	for_each(w, slot, col, collect_boundaries);
	if (b->oom)
		return;
	pq_build_boundaries(b, col);
	uint32_t n = col->boundaries.n;
	col->bits = pq_build_words(b, (size_t)(3 + n + 1) * words);
	if (b->oom)
		return;
	fill_rows(bitmap(b, col, w->space, 0), w->space->alts.n);
	for_each(w, slot, col, clear_base);
	for (uint32_t i = 0; i <= n; i++)
		memcpy(bitmap(b, col, w->space, 3 + i), bitmap(b, col, w->space, 0), words * sizeof(uint64_t));
	for_each(w, slot, col, mark_intervals);
}

static void
build_cols(struct pq_space_work *w, struct pq_p_space *space)
{
	struct pq_builder *b = w->b;
	const struct pq_model *model = b->model;

	/* Columns of the request first: their part of the answer is the same for every element. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < w->n_slots; i++) {
			bool outer = model->attrs[w->slots[i].attr].scope == PQ_SCOPE_REQUEST;
			if (outer != (pass == 0))
				continue;
			struct pq_p_col col = {.attr = w->slots[i].attr, .kind = (uint8_t)w->slots[i].kind};
			if (col.kind == PQ_COL_RANGE)
				build_range_col(w, (uint32_t)i, &col);
			else
				build_symbol_col(w, (uint32_t)i, &col);
			*(struct pq_p_col *)pq_build_append(b, PQ_SECTION_COLS, 1, NULL) = col;
			space->cols.n++;
			space->n_request_cols += outer;
		}
	}
}

static void
build_quants(struct pq_space_work *w, struct pq_p_space *space)
{
	struct pq_builder *b = w->b;

	space->quants.first = (uint32_t)b->sections[PQ_SECTION_QUANTS].n;
	for (uint32_t a = 0; a < space->alts.n && !b->oom; a++) {
		struct pq_p_alt alt = *(struct pq_p_alt *)pq_build_at(b, PQ_SECTION_ALTS, space->alts.first + a);
		for (uint32_t c = 0; c < alt.conds.n && !b->oom; c++) {
			const struct pq_p_cond *cond = pq_build_at(b, PQ_SECTION_CONDS, alt.conds.first + c);
			if (cond->inner == PQ_NO_INDEX)
				continue;
			struct pq_p_quant *quant = NULL;
			for (uint32_t i = 0; i < space->quants.n && quant == NULL; i++) {
				struct pq_p_quant *known = pq_build_at(b, PQ_SECTION_QUANTS, space->quants.first + i);
				if (known->op == cond->op && known->inner == cond->inner)
					quant = known;
			}
			if (quant == NULL) {
				struct pq_p_quant record = {.op = cond->op, .scope = cond->scope, .inner = cond->inner};
				record.users = pq_build_words(b, space->words);
				quant = pq_build_append(b, PQ_SECTION_QUANTS, 1, NULL);
				*quant = record;
				space->quants.n++;
			}
			pq_build_set_bit(b, (uint32_t)quant->users, a);
		}
	}
}

static void
build_space(struct pq_builder *b, const struct pq_node *const *nodes, size_t n, uint32_t index)
{
	struct pq_p_space space = {.scope = (uint8_t)nodes[0]->scope, .level = nodes[0]->level};
	struct pq_space_work w = {.b = b, .space = &space};

	space.alts.first = (uint32_t)b->sections[PQ_SECTION_ALTS].n;
	w.first_cond = (uint32_t)b->sections[PQ_SECTION_CONDS].n;
	for (size_t i = 0; i < n; i++)
		emit_dnf(b, nodes[i], index);
	space.alts.n = (uint32_t)b->sections[PQ_SECTION_ALTS].n - space.alts.first;
	space.words = (space.alts.n + 63) / 64;
	w.n_conds = (uint32_t)b->sections[PQ_SECTION_CONDS].n - w.first_cond;
	w.slot_of = pq_build_alloc(b, w.n_conds, sizeof(*w.slot_of));
	w.first_slot = pq_build_alloc(b, b->model->n_attrs * PQ_COL_KINDS, sizeof(*w.first_slot));
	if (b->oom)
		return;
	assign_slots(&w);
	space.cols.first = (uint32_t)b->sections[PQ_SECTION_COLS].n;
	if (b->sparse && space.scope == PQ_SCOPE_REQUEST && space.level == b->main_level) {
		space.words = 0;
		pq_build_sparse(&w);
	} else {
		build_cols(&w, &space);
		build_quants(&w, &space);
	}
	if (space.words > b->meta.max_space_words)
		b->meta.max_space_words = space.words;
	*(struct pq_p_space *)pq_build_append(b, PQ_SECTION_SPACES, 1, NULL) = space;
}

void
pq_build_spaces(struct pq_builder *b)
{
	struct pq_node *all = b->nodes.at;
	const struct pq_node **sorted = pq_build_alloc(b, b->nodes.n, sizeof(const struct pq_node *));

	if (sorted == NULL)
		return;
	for (size_t i = 0; i < b->nodes.n; i++)
		sorted[all[i].index] = &all[i];
	b->meta.main_space = b->meta.post_space = PQ_NO_INDEX;
	for (size_t i = 0; i < b->nodes.n && !b->oom;) {
		size_t n = 1;
		while (i + n < b->nodes.n && sorted[i + n]->level == sorted[i]->level && sorted[i + n]->scope == sorted[i]->scope)
			n++;
		uint32_t index = (uint32_t)b->sections[PQ_SECTION_SPACES].n;
		if (sorted[i]->scope == PQ_SCOPE_DECISION)
			b->meta.post_space = index;
		else if (sorted[i]->scope == PQ_SCOPE_REQUEST && sorted[i]->level == b->main_level)
			b->meta.main_space = index;
		build_space(b, sorted + i, n, index);
		i += n;
	}
}

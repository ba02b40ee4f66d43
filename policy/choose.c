/*
 * From the value of an attribute to what its columns allow: of each column two bitmaps, of the alternatives that surely
 * and possibly pass. They are kept by cell, and a word is touched only where a cell of it is not what it was.
 */
#include "policy/eval.h"

#include <string.h>

/* Are all symbols of the domain in the set? */
static bool
is_everything(const uint64_t *set, uint32_t n_symbols)
{
	for (uint32_t w = 0; w < n_symbols / 64; w++) {
		if (set[w] != UINT64_MAX)
			return false;
	}
	return n_symbols % 64 == 0 || set[n_symbols / 64] == (UINT64_C(1) << (n_symbols % 64)) - 1;
}

/* What a set is like, seen once for all columns. */
struct shape {
	enum { EMPTY, SOLE, ALL, SOME } kind;
	uint32_t symbol; /* SOLE */
};

static struct shape
shape_of(const uint64_t *set, uint32_t words, uint32_t n_symbols)
{
	struct shape shape = {EMPTY, 0};

	for (uint32_t w = 0; w < words; w++) {
		if (set[w] == 0)
			continue;
		if (shape.kind != EMPTY || (set[w] & (set[w] - 1)) != 0)
			return (struct shape){n_symbols > 1 && is_everything(set, n_symbols) ? ALL : SOME, 0};
		shape = (struct shape){SOLE, w * 64 + (uint32_t)__builtin_ctzll(set[w])};
	}
	return shape;
}

/* Numbers of bitmaps in the image (program.h, pq_p_col). */
enum { BASE, EVERY, SOME_OF, FIRST_INTERVAL };

static struct pq_chosen
choose_single(const uint32_t *map, const struct pq_val *val, const struct shape *poss)
{
	switch (poss->kind) {
	case SOLE:
		return (struct pq_chosen){val->may_none ? BASE : map[poss->symbol], map[poss->symbol]};
	case ALL:
		return (struct pq_chosen){val->may_none ? BASE : EVERY, SOME_OF};
	case EMPTY:
		if (val->may_none)
			return (struct pq_chosen){BASE, BASE};
		break;
	case SOME:
		break;
	}
	return (struct pq_chosen){PQ_NO_INDEX, PQ_NO_INDEX};
}

/* The bitmap that a symbol of the set chooses, which the base is part of. */
static uint32_t
choose_one_of(const uint32_t *map, const struct shape *set)
{
	switch (set->kind) {
	case EMPTY:
		return BASE;
	case SOLE:
		return map[set->symbol];
	case ALL:
		return SOME_OF;
	case SOME:
		break;
	}
	return PQ_NO_INDEX;
}

static uint32_t
interval_of(const int64_t *boundaries, uint32_t n, int64_t value)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (boundaries[mid] <= value)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct pq_chosen
choose_range(const struct pq_eval *ev, const struct pq_p_col *col, const struct pq_val *val)
{
	if (val->number_state == PQ_NUMBER_UNKNOWN)
		return (struct pq_chosen){PQ_NO_INDEX, PQ_NO_INDEX};
	if (val->number_state == PQ_NUMBER_NONE)
		return (struct pq_chosen){BASE, BASE};
	uint32_t at = FIRST_INTERVAL + interval_of(ev->p->numbers + col->boundaries.first, col->boundaries.n, val->number);
	return (struct pq_chosen){val->may_none ? BASE : at, at};
}

/* Of its bitmaps the words in which the column says anything: `words` of them in each, `stride` apart. */
struct column {
	const uint64_t *bits;
	const uint32_t *map;
	uint32_t words, stride;
	uint32_t set_words; /* of the attribute's sets */
};

static const uint64_t *
symbol_bitmap(const struct column *c, uint32_t symbol)
{
	return c->bits + (size_t)c->map[symbol] * c->stride;
}

/* The AND (`every`) or OR of the bitmaps of the symbols in the set, into out; of none: all ones, or zeros. */
static void
fold_symbols(const struct column *c, const uint64_t *set, bool every, uint64_t *out)
{
	memset(out, every ? 0xff : 0, c->words * sizeof(*out));
	for (uint32_t w = 0; w < c->set_words; w++) {
		for (uint64_t left = set[w]; left != 0; left &= left - 1) {
			const uint64_t *bits = symbol_bitmap(c, w * 64 + (uint32_t)__builtin_ctzll(left));
			for (uint32_t i = 0; i < c->words; i++)
				out[i] = every ? out[i] & bits[i] : out[i] | bits[i];
		}
	}
}

/* The alternatives that all of the possible values meet, and those that one of them meets, where the image has them not. */
static void
fold_single(const struct column *c, const struct pq_val *val, uint64_t *every, uint64_t *some)
{
	fold_symbols(c, val->poss, true, every);
	fold_symbols(c, val->poss, false, some);
	for (uint32_t i = 0; val->may_none && i < c->words; i++) {
		every[i] &= c->bits[i];
		some[i] |= c->bits[i];
	}
}

static bool
same_words(const uint64_t *a, const uint64_t *b, uint32_t words)
{
	uint64_t differs = 0;

	for (uint32_t w = 0; w < words; w++)
		differs |= a[w] ^ b[w];
	return differs == 0;
}

static void
fold_set(const struct column *c, const struct pq_val *val, uint64_t *every, uint64_t *some)
{
	fold_symbols(c, val->poss, false, some);
	if (same_words(val->sure, val->poss, c->set_words))
		memcpy(every, some, c->words * sizeof(*every));
	else
		fold_symbols(c, val->sure, false, every);
	for (uint32_t i = 0; i < c->words; i++) {
		every[i] |= c->bits[i];
		some[i] |= c->bits[i];
	}
}

/* The bitmaps that are not in the image. */
static void
make(const struct column *c, const struct pq_p_attr *a, const struct pq_p_col *col, const struct pq_val *val,
     uint64_t *every, uint64_t *some)
{
	if (col->kind == PQ_COL_RANGE) { /* an unknown number */
		memcpy(every, c->bits, c->words * sizeof(*every));
		memset(some, 0xff, c->words * sizeof(*some));
	} else if (a->single) {
		fold_single(c, val, every, some);
	} else {
		fold_set(c, val, every, some);
	}
}

/* A NONE column allows what none of the symbols meets. */
static void
put(const struct pq_eval *ev, struct pq_element *element, uint32_t index, const uint64_t *every, const uint64_t *some)
{
	struct pq_span places = ev->image->col_cells[index];
	uint64_t turn = 0;

	if (ev->p->cols[index].kind == PQ_COL_NONE) {
		const uint64_t *swap = every;
		every = some;
		some = swap;
		turn = UINT64_MAX;
	}
	for (uint32_t i = places.first; i < places.first + places.n; i++) {
		const struct pq_cell_place *place = &ev->image->cells[i];
		struct pq_bits *cell = &element->cells[place->cell];
		uint64_t must = every[place->at] ^ turn, may = some[place->at] ^ turn;
		if (cell->must == must && cell->may == may)
			continue;
		*cell = (struct pq_bits){.may = may, .must = must};
		element->touched[place->word / 64] |= UINT64_C(1) << (place->word % 64);
	}
}

static void
choose(struct pq_eval *ev, struct pq_element *element, uint32_t index, const struct shape *sure,
       const struct shape *poss)
{
	const struct pq_p_col *col = &ev->p->cols[index];
	const struct pq_p_attr *a = &ev->p->attrs[col->attr];
	const struct pq_val *val = &element->vals[a->slot];
	const uint32_t *map = ev->p->lists + col->map;
	struct pq_chosen *kept = &element->chosen[ev->image->col_slots[index]], chosen;

	if (ev->image->col_strides[index] == 0) {
		pq_choose_sparse(ev, index);
		return;
	}
	if (col->kind == PQ_COL_RANGE)
		chosen = choose_range(ev, col, val);
	else if (a->single)
		chosen = choose_single(map, val, poss);
	else
		chosen = (struct pq_chosen){choose_one_of(map, sure), choose_one_of(map, poss)};
	bool made = chosen.every == PQ_NO_INDEX || chosen.some == PQ_NO_INDEX;
	if (!made && chosen.every == kept->every && chosen.some == kept->some)
		return;
	*kept = made ? (struct pq_chosen){PQ_NO_INDEX, PQ_NO_INDEX} : chosen;
	struct pq_span said = ev->image->col_words[index];
	uint32_t stride = ev->image->col_strides[index];
	const uint64_t *bits = ev->p->words + col->bits + said.first;
	if (!made) {
		put(ev, element, index, bits + (size_t)chosen.every * stride, bits + (size_t)chosen.some * stride);
		return;
	}
	struct column column = {bits, map, said.n, stride, a->words};
	uint64_t *every = ev->scratch, *some = every + said.n;
	make(&column, a, col, val, every, some);
	put(ev, element, index, every, some);
}

/* ---- which columns ---- */

/* Columns of one attribute that are told apart by what they mention; of more all are chosen. */
#define MAX_SET_WORDS 4

static void
add_mentioning(const struct pq_image *image, const struct pq_mentions *m, uint32_t symbol, uint64_t *columns)
{
	const uint64_t *of = image->mention_words + m->first + (size_t)symbol * m->words;

	for (uint32_t i = 0; i < m->words; i++)
		columns[i] |= of[i];
}

/*
 * From one symbol to another: columns that mention neither allow what they did. Whether that is so, or all columns must
 * be chosen.
 */
static bool
mention_single(const struct pq_eval *ev, const struct pq_mentions *m, struct pq_seen *seen, const struct pq_val *val,
               const struct shape *poss, uint64_t *columns)
{
	uint32_t before = seen->sole, now = poss->kind == SOLE && !val->may_none ? poss->symbol : PQ_NO_INDEX;

	seen->sole = now;
	if (before == PQ_NO_INDEX || now == PQ_NO_INDEX)
		return false;
	if (before != now) {
		add_mentioning(ev->image, m, before, columns);
		add_mentioning(ev->image, m, now, columns);
	}
	return true;
}

/* Of a set: columns that mention no symbol of which it is not as sure, or not as possible, as it was. */
static bool
mention_set(const struct pq_eval *ev, const struct pq_mentions *m, const struct pq_p_attr *a,
            struct pq_element *element, uint64_t *columns)
{
	const struct pq_val *val = &element->vals[a->slot];
	uint64_t *sure = element->seen_words + a->word, *poss = sure + ev->image->meta->scope_words[a->scope];
	struct pq_seen *seen = &element->seen[a->slot];
	bool known = seen->known;

	for (uint32_t w = 0; w < a->words; w++) {
		uint64_t differ = (sure[w] ^ val->sure[w]) | (poss[w] ^ val->poss[w]);
		for (; known && differ != 0; differ &= differ - 1)
			add_mentioning(ev->image, m, w * 64 + (uint32_t)__builtin_ctzll(differ), columns);
		sure[w] = val->sure[w];
		poss[w] = val->poss[w];
	}
	seen->known = true;
	return known;
}

void
pq_choose(struct pq_eval *ev, struct pq_element *element, uint32_t attr)
{
	const struct pq_wake_run *cols = &ev->image->wake->cols[attr];
	const uint32_t *list = ev->image->wake->col_list + cols->first;
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	const struct pq_val *val = &element->vals[a->slot];
	struct shape sure = {EMPTY, 0}, poss = {EMPTY, 0};
	uint64_t columns[MAX_SET_WORDS] = {0};
	bool some = false;

	if (cols->n == 0)
		return;
	const struct pq_mentions *m = &ev->image->mentions[attr];
	if (a->words > 0) {
		uint32_t n = ev->p->domains[a->domain].symbols.n;
		poss = shape_of(val->poss, a->words, n);
		if (!a->single)
			sure = shape_of(val->sure, a->words, n);
	}
	if (m->words > 0 && m->words <= MAX_SET_WORDS)
		some = a->single ? mention_single(ev, m, &element->seen[a->slot], val, &poss, columns)
		                 : mention_set(ev, m, a, element, columns);
	if (!some || ev->stale) {
		for (uint32_t i = 0; i < cols->n; i++)
			choose(ev, element, list[i], &sure, &poss);
		return;
	}
	for (uint32_t w = 0; w < m->words; w++) {
		for (; columns[w] != 0; columns[w] &= columns[w] - 1)
			choose(ev, element, list[w * 64 + (uint32_t)__builtin_ctzll(columns[w])], &sure, &poss);
	}
}

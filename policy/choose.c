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

uint32_t
pq_interval_of(const int64_t *boundaries, uint32_t n, int64_t value)
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
	uint32_t at = FIRST_INTERVAL + pq_interval_of(ev->p->numbers + col->boundaries.first, col->boundaries.n, val->number);
	return (struct pq_chosen){val->may_none ? BASE : at, at};
}

static const uint64_t *
bitmap(const struct pq_col_view *c, uint32_t number)
{
	return c->bits + (size_t)number * c->stride;
}

/* The AND (`every`) or OR of the bitmaps of the symbols in the set, into out; of none: all ones, or zeros. */
static void
fold_symbols(const struct pq_col_view *c, const uint64_t *set, uint32_t set_words, bool every, uint64_t *out)
{
	for (uint32_t i = 0; i < c->said.n; i++)
		out[i] = every ? UINT64_MAX : 0;
	for (uint32_t w = 0; w < set_words; w++) {
		for (uint64_t left = set[w]; left != 0; left &= left - 1) {
			const uint64_t *bits = bitmap(c, c->map[w * 64 + (uint32_t)__builtin_ctzll(left)]);
			for (uint32_t i = 0; i < c->said.n; i++)
				out[i] = every ? out[i] & bits[i] : out[i] | bits[i];
		}
	}
}

/* The alternatives that all of the possible values meet, and those that one of them meets, where the image has them not. */
static void
fold_single(const struct pq_col_view *c, const struct pq_val *val, uint32_t words, uint64_t *every, uint64_t *some)
{
	fold_symbols(c, val->poss, words, true, every);
	fold_symbols(c, val->poss, words, false, some);
	for (uint32_t i = 0; val->may_none && i < c->said.n; i++) {
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
fold_set(const struct pq_col_view *c, const struct pq_val *val, uint32_t words, uint64_t *every, uint64_t *some)
{
	bool known = same_words(val->sure, val->poss, words);

	fold_symbols(c, val->poss, words, false, some);
	if (!known)
		fold_symbols(c, val->sure, words, false, every);
	for (uint32_t i = 0; i < c->said.n; i++) {
		some[i] |= c->bits[i];
		every[i] = known ? some[i] : every[i] | c->bits[i];
	}
}

/* The bitmaps that are not in the image. */
static void
make(const struct pq_col_view *c, const struct pq_p_attr *a, const struct pq_val *val, uint64_t *every, uint64_t *some)
{
	if (c->kind == PQ_COL_RANGE) { /* an unknown number */
		memcpy(every, c->bits, c->said.n * sizeof(*every));
		memset(some, 0xff, c->said.n * sizeof(*some));
	} else if (a->single) {
		fold_single(c, val, a->words, every, some);
	} else {
		fold_set(c, val, a->words, every, some);
	}
}

/* A NONE column allows what none of the symbols meets. */
static void
put(const struct pq_eval *ev, struct pq_element *element, const struct pq_col_view *c, const uint64_t *every,
    const uint64_t *some)
{
	const struct pq_cell_place *place = ev->image->cells + c->cells.first, *end = place + c->cells.n;
	uint64_t turn = 0;

	if (c->kind == PQ_COL_NONE) {
		const uint64_t *swap = every;
		every = some;
		some = swap;
		turn = UINT64_MAX;
	}
	for (; place < end; place++) {
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
	const struct pq_col_view *c = &ev->image->columns[index];
	struct pq_chosen *kept = &element->chosen[c->slot], chosen;

	if (c->stride == 0) {
		pq_choose_sparse(ev, index);
		return;
	}
	if (c->kind == PQ_COL_RANGE)
		chosen = choose_range(ev, col, val);
	else if (a->single)
		chosen = choose_single(c->map, val, poss);
	else
		chosen = (struct pq_chosen){choose_one_of(c->map, sure), choose_one_of(c->map, poss)};
	bool made = chosen.every == PQ_NO_INDEX || chosen.some == PQ_NO_INDEX;
	if (!made && chosen.every == kept->every && chosen.some == kept->some)
		return;
	*kept = made ? (struct pq_chosen){PQ_NO_INDEX, PQ_NO_INDEX} : chosen;
	if (!made) {
		put(ev, element, c, bitmap(c, chosen.every), bitmap(c, chosen.some));
		return;
	}
	uint64_t *every = ev->scratch, *some = every + c->said.n;
	make(c, a, val, every, some);
	put(ev, element, c, every, some);
}

/* The value is one symbol and no other: most are. */
static void
choose_sole(struct pq_eval *ev, struct pq_element *element, uint32_t index, uint32_t symbol)
{
	const struct pq_col_view *c = &ev->image->columns[index];
	struct pq_chosen *kept = &element->chosen[c->slot];

	if (c->stride == 0) {
		pq_choose_sparse(ev, index);
		return;
	}
	uint32_t number = c->map[symbol];
	if (kept->every == number && kept->some == number)
		return;
	*kept = (struct pq_chosen){number, number};
	put(ev, element, c, bitmap(c, number), bitmap(c, number));
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

/* From one symbol to another: columns that mention neither allow what they did. */
static void
choose_other(struct pq_eval *ev, struct pq_element *element, const struct pq_mentions *m, const uint32_t *list,
             uint32_t before, uint32_t now)
{
	uint64_t columns[MAX_SET_WORDS] = {0};

	add_mentioning(ev->image, m, before, columns);
	add_mentioning(ev->image, m, now, columns);
	for (uint32_t w = 0; w < m->words; w++) {
		for (; columns[w] != 0; columns[w] &= columns[w] - 1)
			choose_sole(ev, element, list[w * 64 + (uint32_t)__builtin_ctzll(columns[w])], now);
	}
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

static void
choose_single_value(struct pq_eval *ev, struct pq_element *element, uint32_t attr)
{
	const struct pq_wake_run *cols = &ev->image->wake->cols[attr];
	const uint32_t *list = ev->image->wake->col_list + cols->first;
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	const struct pq_val *val = &element->vals[a->slot];
	const struct pq_mentions *m = &ev->image->mentions[attr];
	struct pq_seen *seen = &element->seen[a->slot];
	struct shape none = {EMPTY, 0}, poss = shape_of(val->poss, a->words, ev->p->domains[a->domain].symbols.n);
	uint32_t before = seen->sole, now = poss.kind == SOLE && !val->may_none ? poss.symbol : PQ_NO_INDEX;
	bool told = m->words > 0 && m->words <= MAX_SET_WORDS && before != PQ_NO_INDEX && now != PQ_NO_INDEX && !ev->stale;

	seen->sole = now;
	if (!told) {
		for (uint32_t i = 0; i < cols->n; i++)
			choose(ev, element, list[i], &none, &poss);
	} else if (before != now) {
		choose_other(ev, element, m, list, before, now);
	}
}

static void
choose_set(struct pq_eval *ev, struct pq_element *element, uint32_t attr)
{
	const struct pq_wake_run *cols = &ev->image->wake->cols[attr];
	const uint32_t *list = ev->image->wake->col_list + cols->first;
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	const struct pq_val *val = &element->vals[a->slot];
	const struct pq_mentions *m = &ev->image->mentions[attr];
	uint32_t n = ev->p->domains[a->domain].symbols.n;
	struct shape sure = shape_of(val->sure, a->words, n), poss = shape_of(val->poss, a->words, n);
	uint64_t columns[MAX_SET_WORDS] = {0};

	if (m->words == 0 || m->words > MAX_SET_WORDS || !mention_set(ev, m, a, element, columns) || ev->stale) {
		for (uint32_t i = 0; i < cols->n; i++)
			choose(ev, element, list[i], &sure, &poss);
		return;
	}
	for (uint32_t w = 0; w < m->words; w++) {
		for (; columns[w] != 0; columns[w] &= columns[w] - 1)
			choose(ev, element, list[w * 64 + (uint32_t)__builtin_ctzll(columns[w])], &sure, &poss);
	}
}

void
pq_choose(struct pq_eval *ev, struct pq_element *element, uint32_t attr)
{
	const struct pq_wake_run *cols = &ev->image->wake->cols[attr];
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	struct shape none = {EMPTY, 0};

	if (cols->n == 0)
		return;
	if (a->words > 0 && a->single) {
		choose_single_value(ev, element, attr);
	} else if (a->words > 0) {
		choose_set(ev, element, attr);
	} else {
		for (uint32_t i = 0; i < cols->n; i++)
			choose(ev, element, ev->image->wake->col_list[cols->first + i], &none, &none);
	}
}

/* Matching: all conditions of a space at once, by bit vectors; and single ones, where it is asked why. */
#include "policy/eval.h"

#include <string.h>

struct pq_where
pq_where_request(struct pq_eval *ev)
{
	struct pq_where where = {0};

	where.at[PQ_SCOPE_REQUEST] = &ev->req;
	where.at[PQ_SCOPE_DECISION] = &ev->decision;
	return where;
}

struct pq_element *
pq_elements(const struct pq_eval *ev, const struct pq_where *where, enum pq_scope scope, size_t *ret_n)
{
	switch (scope) {
	case PQ_SCOPE_PARTY:
		*ret_n = ev->n_parties;
		return ev->parties;
	case PQ_SCOPE_HIT:
		*ret_n = ev->n_hits;
		return ev->hits;
	case PQ_SCOPE_INTERMEDIATE:
		*ret_n = ev->n_intermediates;
		return ev->intermediates;
	case PQ_SCOPE_OWNER:
		if (where->at[PQ_SCOPE_PARTY] != NULL) {
			*ret_n = where->at[PQ_SCOPE_PARTY]->n_owners;
			return where->at[PQ_SCOPE_PARTY]->owners;
		}
		break;
	case PQ_SCOPE_REQUEST:
	case PQ_SCOPE_DECISION:
	case PQ_SCOPE_COUNT:
		break;
	}
	*ret_n = 0;
	return NULL;
}

static enum pq_tri
quantified(const struct pq_eval *ev, const struct pq_where *where, enum pq_op op, enum pq_scope scope, uint32_t inner)
{
	uint32_t slot = ev->p->dnfs[inner].slot;
	size_t n;
	const struct pq_element *elements = pq_elements(ev, where, scope, &n);
	enum pq_tri some = PQ_F, every = PQ_T;

	for (size_t i = 0; i < n; i++) {
		enum pq_tri tri = elements[i].tri[slot];
		some = pq_or(some, tri);
		every = pq_and(every, tri);
	}
	return op == PQ_OP_EXISTS ? some : op == PQ_OP_EVERY ? every : pq_not(some);
}

/* ---- columns ---- */

static inline void
and_words(uint64_t *to, const uint64_t *from, uint32_t words)
{
	for (uint32_t i = 0; i < words; i++)
		to[i] &= from[i];
}

static inline void
and_not_words(uint64_t *to, const uint64_t *from, uint32_t words)
{
	for (uint32_t i = 0; i < words; i++)
		to[i] &= ~from[i];
}

static bool
any_word(const uint64_t *words, uint32_t n)
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < n; i++)
		any |= words[i];
	return any != 0;
}

/* Of its bitmaps the words in which the column says anything: `words` of them in each, `stride` apart. */
struct column {
	const uint64_t *bits;
	const uint32_t *map;
	uint32_t words, stride;
	uint32_t set_words;  /* of the attribute's sets */
	uint32_t n_symbols;
};

static const uint64_t *
symbol_bitmap(const struct column *c, uint32_t symbol)
{
	return c->bits + (size_t)c->map[symbol] * c->stride;
}

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

/* The one symbol of a set, or PQ_NO_INDEX. */
static uint32_t
only_symbol(const uint64_t *set, uint32_t words)
{
	uint32_t found = PQ_NO_INDEX;

	for (uint32_t w = 0; w < words; w++) {
		if (set[w] == 0)
			continue;
		if (found != PQ_NO_INDEX || (set[w] & (set[w] - 1)) != 0)
			return PQ_NO_INDEX;
		found = w * 64 + (uint32_t)__builtin_ctzll(set[w]);
	}
	return found;
}

/* Two bitmaps: the alternatives that all of some symbols meet, and those that one of them meets. */
struct fold {
	const uint64_t *every, *some;
};

/* Of a single-valued attribute; in the image where it has them, else in the scratch. */
static struct fold
fold_single(const struct column *c, const struct pq_val *val, uint64_t *scratch)
{
	const uint64_t *base = c->bits;
	uint64_t *every = scratch, *some = scratch + c->words;
	uint32_t symbol = only_symbol(val->poss, c->set_words);

	if (symbol != PQ_NO_INDEX && !val->may_none)
		return (struct fold){symbol_bitmap(c, symbol), symbol_bitmap(c, symbol)};
	if (is_everything(val->poss, c->n_symbols)) {
		if (!val->may_none)
			return (struct fold){c->bits + c->stride, c->bits + 2 * (size_t)c->stride};
		memcpy(every, c->bits + c->stride, c->words * sizeof(*every));
		memcpy(some, c->bits + 2 * (size_t)c->stride, c->words * sizeof(*some));
	} else {
		fold_symbols(c, val->poss, true, every);
		fold_symbols(c, val->poss, false, some);
	}
	for (uint32_t i = 0; val->may_none && i < c->words; i++) {
		every[i] &= base[i];
		some[i] |= base[i];
	}
	return (struct fold){every, some};
}

/* What the values of an ANY column surely and possibly allow. */
static void
allow_any(const struct column *c, const struct pq_p_attr *a, const struct pq_val *val, uint64_t *must, uint64_t *may)
{
	if (a->single) {
		struct fold fold = fold_single(c, val, must); /* which may be where it ought to go */
		if (fold.every != must) {
			memcpy(must, fold.every, c->words * sizeof(*must));
			memcpy(may, fold.some, c->words * sizeof(*may));
		}
		return;
	}
	fold_symbols(c, val->sure, false, must);
	fold_symbols(c, val->poss, false, may);
	for (uint32_t i = 0; i < c->words; i++) {
		must[i] |= c->bits[i];
		may[i] |= c->bits[i];
	}
}

/* Of a NONE column: where one of the symbols is surely there, nothing is allowed. */
static void
allow_none(const struct column *c, const struct pq_p_attr *a, const struct pq_val *val, uint64_t *must, uint64_t *may)
{
	struct fold fold = {may, must};

	if (a->single) {
		fold = fold_single(c, val, must);
	} else {
		fold_symbols(c, val->poss, false, must);
		fold_symbols(c, val->sure, false, may);
	}
	for (uint32_t i = 0; i < c->words; i++) {
		uint64_t every = fold.every[i], some = fold.some[i];
		must[i] = ~some;
		may[i] = ~every;
	}
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

static void
allow_range(const struct column *c, const int64_t *boundaries, uint32_t n, const struct pq_val *val, uint64_t *must,
            uint64_t *may)
{
	const uint64_t *sure = c->bits, *poss = c->bits;

	if (val->number_state == PQ_NUMBER_KNOWN) {
		poss = c->bits + (size_t)(3 + interval_of(boundaries, n, val->number)) * c->stride;
		sure = val->may_none ? c->bits : poss;
	}
	memcpy(must, sure, c->words * sizeof(*must));
	if (val->number_state == PQ_NUMBER_UNKNOWN)
		memset(may, 0xff, c->words * sizeof(*may));
	else
		memcpy(may, poss, c->words * sizeof(*may));
}

/*
 * What the attribute's value surely and possibly allows, in the words in which the column says anything. `may` lies
 * behind `must`.
 */
static void
allow(struct pq_eval *ev, const struct pq_val *val, uint32_t stride, uint32_t index, uint64_t *must, uint64_t *may)
{
	const struct pq_p_col *col = &ev->p->cols[index];
	const struct pq_p_attr *a = &ev->p->attrs[col->attr];
	struct pq_span said = ev->image->col_words[index];
	struct column c = {.bits = ev->p->words + col->bits + said.first, .words = said.n, .stride = stride};

	if (col->kind == PQ_COL_RANGE) {
		allow_range(&c, ev->p->numbers + col->boundaries.first, col->boundaries.n, val, must, may);
		return;
	}
	c.map = ev->p->lists + col->map;
	c.set_words = a->words;
	c.n_symbols = ev->p->domains[a->domain].symbols.n;
	if (col->kind == PQ_COL_ANY)
		allow_any(&c, a, val, must, may);
	else
		allow_none(&c, a, val, must, may);
}

static void
match_col(struct pq_eval *ev, const struct pq_where *where, uint32_t stride, uint32_t index, uint64_t *must,
          uint64_t *may)
{
	struct pq_span said = ev->image->col_words[index];
	uint64_t *scratch = ev->must + 4 * (size_t)ev->image->meta->max_space_words;

	allow(ev, pq_val_at(ev, where, ev->p->cols[index].attr), stride, index, scratch, scratch + said.n);
	and_words(must + said.first, scratch, said.n);
	and_words(may + said.first, scratch + said.n, said.n);
}

/* The bitmaps where the image has those that the value chooses; NULL: they must be made. */
static struct fold
choose_from_image(const struct pq_eval *ev, const struct pq_p_col *col, const struct pq_val *val, uint32_t first,
                  uint32_t words)
{
	const struct pq_p_attr *a = &ev->p->attrs[col->attr];
	const uint64_t *bits = ev->p->words + col->bits + first, *sole;

	if (col->kind == PQ_COL_RANGE) {
		if (val->number_state == PQ_NUMBER_UNKNOWN || (val->number_state == PQ_NUMBER_KNOWN && val->may_none))
			return (struct fold){NULL, NULL};
		if (val->number_state == PQ_NUMBER_NONE)
			return (struct fold){bits, bits};
		uint32_t at = interval_of(ev->p->numbers + col->boundaries.first, col->boundaries.n, val->number);
		sole = bits + (size_t)(3 + at) * words;
		return (struct fold){sole, sole};
	}
	if (col->kind == PQ_COL_NONE)
		return (struct fold){NULL, NULL};
	uint32_t symbol = only_symbol(val->poss, a->words);
	if (symbol != PQ_NO_INDEX && (a->single ? !val->may_none : val->sure[symbol / 64] >> (symbol % 64) & 1)) {
		sole = bits + (size_t)ev->p->lists[col->map + symbol] * words;
		return (struct fold){sole, sole};
	}
	if (a->single && !val->may_none && is_everything(val->poss, ev->p->domains[a->domain].symbols.n))
		return (struct fold){bits + words, bits + 2 * (size_t)words};
	for (uint32_t i = 0; i < a->words; i++) {
		if (val->poss[i] != 0)
			return (struct fold){NULL, NULL};
	}
	return a->single ? (struct fold){NULL, NULL} : (struct fold){bits, bits};
}

void
pq_choose(struct pq_eval *ev, uint32_t index)
{
	const struct pq_p_col *col = &ev->p->cols[index];
	struct pq_choice *choice = &ev->choices[index];
	const struct pq_p_attr *a = &ev->p->attrs[col->attr];
	const struct pq_val *val = &ev->req.vals[a->slot];
	struct fold fold = choose_from_image(ev, col, val, choice->said.first, choice->stride);

	choice->must = fold.every;
	choice->may = fold.some;
	if (fold.every != NULL)
		return;
	choice->must = choice->own;
	choice->may = choice->own + choice->said.n;
	allow(ev, val, choice->stride, index, choice->own, choice->own + choice->said.n);
}

static void
fill_ones(uint64_t *words, uint32_t n_bits)
{
	uint32_t n = n_bits / 64;

	memset(words, 0xff, n * sizeof(*words));
	if (n_bits % 64 != 0)
		words[n] = (UINT64_C(1) << (n_bits % 64)) - 1;
}

static void
match_quants(const struct pq_eval *ev, const struct pq_where *where, const struct pq_p_space *space, uint64_t *must,
             uint64_t *may)
{
	for (uint32_t i = 0; i < space->quants.n; i++) {
		const struct pq_p_quant *quant = &ev->p->quants[space->quants.first + i];
		struct pq_span said = ev->image->quant_words[space->quants.first + i];
		const uint64_t *users = ev->p->words + quant->users + said.first;
		if (!any_word(may + said.first, said.n))
			continue;
		enum pq_tri tri = quantified(ev, where, quant->op, quant->scope, quant->inner);
		if (tri != PQ_T)
			and_not_words(must + said.first, users, said.n);
		if (tri == PQ_F)
			and_not_words(may + said.first, users, said.n);
	}
}

/* From alternatives to conditions: a condition is as true as its truest alternative. */
static void
spread(const struct pq_eval *ev, const struct pq_p_space *space, const uint64_t *must, const uint64_t *may,
       uint8_t *tri, uint32_t first, uint32_t n)
{
	memset(tri, PQ_F, n);
	for (uint32_t w = 0; w < space->words; w++) {
		for (uint64_t left = may[w]; left != 0; left &= left - 1) {
			uint32_t bit = (uint32_t)__builtin_ctzll(left);
			uint32_t dnf = ev->p->alts[space->alts.first + w * 64 + bit].dnf;
			uint32_t slot = ev->p->dnfs[dnf].slot - first;
			uint8_t truth = must[w] >> bit & 1 ? PQ_T : PQ_U;
			if (truth > tri[slot])
				tri[slot] = truth;
		}
	}
}

static bool
asks_day(const struct pq_p_col *col)
{
	return col->attr == PQ_ATTR_AS_OF && col->kind == PQ_COL_RANGE;
}

/* Where it is asked how long the answer stands the day comes last: only what may hold without it tells days apart. */
static void
match_day(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_space *space)
{
	for (uint32_t i = 0; i < space->n_request_cols; i++) {
		const struct pq_p_col *col = &ev->p->cols[space->cols.first + i];
		if (!asks_day(col))
			continue;
		const int64_t *boundaries = ev->p->numbers + col->boundaries.first;
		uint32_t at = interval_of(boundaries, col->boundaries.n, pq_val_at(ev, where, col->attr)->number);
		const uint64_t *intervals = ev->p->words + col->bits + 3 * (size_t)space->words;
		pq_window_range(ev, boundaries, col->boundaries.n, intervals, space->words, at, ev->may);
		match_col(ev, where, space->words, space->cols.first + i, ev->must, ev->may);
	}
}

/*
 * What hangs on the conditions that are not what they were is dirty; and on open ones, where it is told what they hang on:
 * that may be something else now.
 */
static void
wake_conditions(struct pq_eval *ev, uint32_t first_dnf, const uint8_t *old, const uint8_t *fresh, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (old[i] != fresh[i] || (fresh[i] == PQ_U && !ev->quiet))
			pq_wake_join(ev->dirty, pq_wake_of_dnf(ev->image->wake, first_dnf + i), ev->image->wake->words);
	}
}

static void
spread_to(struct pq_eval *ev, const struct pq_p_space *space, uint8_t *tri)
{
	/* The conditions of a space, and their slots, lie side by side. */
	const struct pq_p_alt *alts = ev->p->alts + space->alts.first;
	uint32_t first_dnf = alts[0].dnf, n = alts[space->alts.n - 1].dnf - first_dnf + 1;
	uint32_t first = ev->p->dnfs[first_dnf].slot;

	uint8_t *fresh = ev->tri;

	spread(ev, space, ev->must, ev->may, fresh, first, n);
	if (ev->quiet && memcmp(tri + first, fresh, n) == 0)
		return;
	wake_conditions(ev, first_dnf, tri + first, fresh, n);
	memcpy(tri + first, fresh, n);
}

static void
match_element(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_space *space,
              struct pq_element *element)
{
	size_t bytes = space->words * sizeof(uint64_t);

	memcpy(ev->must, ev->outer_must, bytes);
	memcpy(ev->may, ev->outer_may, bytes);
	for (uint32_t i = space->cols.first + space->n_request_cols; i < space->cols.first + space->cols.n; i++) {
		match_col(ev, where, space->words, i, ev->must, ev->may);
	}
	match_quants(ev, where, space, ev->must, ev->may);
	if (ev->window != NULL)
		match_day(ev, where, space);
	spread_to(ev, space, element->tri);
}

/*
 * The columns that are the same for every element, the widest first: where these leave nothing of the words of another,
 * as the law that applies leaves nothing of the rules of others, that one need not be looked at.
 */
static void
match_request(struct pq_eval *ev, const struct pq_p_space *space)
{
	const uint32_t *order = ev->image->col_order + space->cols.first;

	for (uint32_t k = 0; k < space->n_request_cols; k++) {
		uint32_t i = order[k];
		if (ev->window != NULL && asks_day(&ev->p->cols[i]))
			continue;
		const struct pq_choice *choice = &ev->choices[i];
		uint64_t *may = ev->outer_may + choice->said.first;
		if (!any_word(may, choice->said.n))
			continue;
		and_words(ev->outer_must + choice->said.first, choice->must, choice->said.n);
		and_words(may, choice->may, choice->said.n);
	}
}

void
pq_match_space(struct pq_eval *ev, uint32_t index)
{
	const struct pq_p_space *space = &ev->p->spaces[index];
	struct pq_where where = pq_where_request(ev);

	fill_ones(ev->outer_must, space->alts.n);
	fill_ones(ev->outer_may, space->alts.n);
	match_request(ev, space);

	switch ((enum pq_scope)space->scope) {
	case PQ_SCOPE_REQUEST:
		match_element(ev, &where, space, &ev->req);
		return;
	case PQ_SCOPE_DECISION:
		match_element(ev, &where, space, &ev->decision);
		return;
	case PQ_SCOPE_OWNER:
		for (size_t i = 0; i < ev->n_parties; i++) {
			where.at[PQ_SCOPE_PARTY] = &ev->parties[i];
			for (size_t k = 0; k < ev->parties[i].n_owners; k++) {
				where.at[PQ_SCOPE_OWNER] = &ev->parties[i].owners[k];
				match_element(ev, &where, space, where.at[PQ_SCOPE_OWNER]);
			}
		}
		return;
	case PQ_SCOPE_PARTY:
	case PQ_SCOPE_HIT:
	case PQ_SCOPE_INTERMEDIATE: {
		size_t n;
		struct pq_element *elements = pq_elements(ev, &where, space->scope, &n);
		for (size_t i = 0; i < n; i++) {
			where.at[space->scope] = &elements[i];
			match_element(ev, &where, space, &elements[i]);
		}
		return;
	}
	case PQ_SCOPE_COUNT:
		return;
	}
}

/* ---- single conditions ---- */

static enum pq_tri
symbols_truth(const struct pq_eval *ev, const struct pq_p_attr *a, const struct pq_val *val, struct pq_span symbols)
{
	const uint32_t *list = ev->p->lists + symbols.first;
	size_t sure = 0, poss = 0, all = 0;

	for (uint32_t i = 0; i < symbols.n; i++) {
		uint64_t bit = UINT64_C(1) << (list[i] % 64);
		poss += (val->poss[list[i] / 64] & bit) != 0;
		sure += !a->single && (val->sure[list[i] / 64] & bit) != 0;
	}
	if (poss == 0)
		return PQ_F;
	if (!a->single)
		return sure > 0 ? PQ_T : PQ_U;
	for (uint32_t w = 0; w < a->words; w++)
		all += (size_t)__builtin_popcountll(val->poss[w]);
	return !val->may_none && poss == all ? PQ_T : PQ_U;
}

static enum pq_tri
range_truth(const struct pq_eval *ev, const struct pq_val *val, struct pq_span ranges)
{
	if (val->number_state == PQ_NUMBER_UNKNOWN)
		return PQ_U;
	if (val->number_state == PQ_NUMBER_NONE)
		return PQ_F;
	for (uint32_t i = 0; i < ranges.n; i++) {
		const struct pq_p_range *range = &ev->p->ranges[ranges.first + i];
		if (val->number >= range->lo && val->number <= range->hi)
			return val->may_none ? PQ_U : PQ_T;
	}
	return PQ_F;
}

enum pq_tri
pq_cond_truth(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_cond *cond)
{
	if (cond->inner != PQ_NO_INDEX)
		return quantified(ev, where, cond->op, cond->scope, cond->inner);
	const struct pq_p_attr *a = &ev->p->attrs[cond->attr];
	const struct pq_val *val = pq_val_at(ev, where, cond->attr);
	switch ((enum pq_op)cond->op) {
	case PQ_OP_NONE:
		return pq_not(symbols_truth(ev, a, val, cond->symbols));
	case PQ_OP_RANGE:
		return range_truth(ev, val, cond->ranges);
	case PQ_OP_ANY:
	case PQ_OP_ALL:
	case PQ_OP_EXISTS:
	case PQ_OP_EVERY:
	case PQ_OP_ABSENT:
		break;
	}
	return symbols_truth(ev, a, val, cond->symbols);
}

enum pq_tri
pq_dnf_truth(const struct pq_eval *ev, const struct pq_where *where, uint32_t dnf)
{
	if (dnf == PQ_NO_INDEX)
		return PQ_T;
	return where->at[ev->p->dnfs[dnf].scope]->tri[ev->p->dnfs[dnf].slot];
}

static struct pq_mask
cond_deps(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_cond *cond)
{
	struct pq_mask deps = {0};

	if (cond->inner == PQ_NO_INDEX) {
		if (cond->op == PQ_OP_RANGE)
			pq_note_boundaries(ev, where, cond->attr);
		return pq_value_deps(ev, where, cond->attr);
	}
	size_t n;
	struct pq_element *elements = pq_elements(ev, where, cond->scope, &n);
	struct pq_where inside = *where;
	for (size_t i = 0; i < n; i++) {
		inside.at[cond->scope] = &elements[i];
		if (pq_dnf_truth(ev, &inside, cond->inner) != PQ_U)
			continue;
		struct pq_mask more = pq_dnf_deps(ev, &inside, cond->inner);
		pq_mask_join(&deps, &more);
	}
	return deps;
}

struct pq_mask
pq_dnf_deps(struct pq_eval *ev, const struct pq_where *where, uint32_t index)
{
	struct pq_mask deps = {0};

	if (index == PQ_NO_INDEX)
		return deps;
	if (ev->quiet)
		return (struct pq_mask){.overflow = true};
	const struct pq_p_dnf *dnf = &ev->p->dnfs[index];
	for (uint32_t i = 0; i < dnf->alts.n; i++) {
		const struct pq_p_alt *alt = &ev->p->alts[dnf->alts.first + i];
		enum pq_tri tri = PQ_T;
		for (uint32_t c = 0; c < alt->conds.n && tri != PQ_F; c++)
			tri = pq_and(tri, pq_cond_truth(ev, where, &ev->p->conds[alt->conds.first + c]));
		if (tri != PQ_U)
			continue;
		for (uint32_t c = 0; c < alt->conds.n; c++) {
			const struct pq_p_cond *cond = &ev->p->conds[alt->conds.first + c];
			if (pq_cond_truth(ev, where, cond) != PQ_U)
				continue;
			struct pq_mask more = cond_deps(ev, where, cond);
			pq_mask_join(&deps, &more);
		}
	}
	return deps;
}

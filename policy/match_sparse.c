/*
 * Matching a sparse space, block by block.
 *
 * The columns that say something in more than a few blocks have summaries: their AND leaves the blocks in which
 * something may hold, and only of these the bitmaps are looked at. What holds goes straight into the list of active
 * rules, for nothing else reads the conditions of rules.
 */
#include "policy/eval.h"

#include <string.h>

struct block {
	uint32_t number;
	uint64_t must[PQ_BLOCK_WORDS], may[PQ_BLOCK_WORDS];
};

static bool
asks_day(const struct pq_p_col *col)
{
	return col->attr == PQ_ATTR_AS_OF && col->kind == PQ_COL_RANGE;
}

/* ---- what the value of a column chooses ---- */

static uint32_t
count_symbols(const uint64_t *set, uint32_t words, uint32_t *ret_last)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < words; w++) {
		n += (uint32_t)__builtin_popcountll(set[w]);
		if (set[w] != 0)
			*ret_last = w * 64 + 63 - (uint32_t)__builtin_clzll(set[w]);
	}
	return n;
}

static void
choose_number(const struct pq_eval *ev, const struct pq_p_col *col, const struct pq_val *val, struct pq_choice *choice)
{
	choice->every = choice->some = 0;
	if (val->number_state == PQ_NUMBER_UNKNOWN)
		choice->some = PQ_NO_INDEX;
	if (val->number_state != PQ_NUMBER_KNOWN)
		return;
	choice->some = 3 + pq_interval_of(ev->p->numbers + col->boundaries.first, col->boundaries.n, val->number);
	choice->every = val->may_none ? 0 : choice->some;
}

static bool
is_nothing(const uint64_t *set, uint32_t words)
{
	uint64_t any = 0;

	for (uint32_t w = 0; w < words; w++)
		any |= set[w];
	return any == 0;
}

static void
choose_symbols(const struct pq_eval *ev, const struct pq_p_col *col, const struct pq_val *val, struct pq_choice *choice)
{
	const struct pq_p_attr *a = &ev->p->attrs[col->attr];
	const uint32_t *map = ev->p->lists + col->map;
	uint32_t symbol = 0, n = count_symbols(val->poss, a->words, &symbol);

	choice->base_too = a->single && val->may_none;
	if (n == 0) {
		/* A single value that is nothing at all meets every condition and none, as in other spaces. */
		choice->every = choice->some = 0;
		choice->partly = a->single && !val->may_none;
	} else if (n == 1 && (a->single || val->sure[symbol / 64] >> (symbol % 64) & 1)) {
		choice->every = choice->some = map[symbol];
	} else if (n == ev->p->domains[a->domain].symbols.n && a->single) {
		choice->every = 1;
		choice->some = 2;
	} else if (n == ev->p->domains[a->domain].symbols.n && is_nothing(val->sure, a->words)) {
		choice->every = 0;
		choice->some = 2;
	} else {
		choice->partly = true;
	}
}

void
pq_choose_sparse(struct pq_eval *ev, uint32_t index)
{
	const struct pq_p_col *col = &ev->p->cols[index];
	const struct pq_val *val = &ev->req.vals[ev->p->attrs[col->attr].slot];
	struct pq_choice *choice = &ev->choices[index];

	choice->partly = choice->base_too = false;
	if (col->kind == PQ_COL_RANGE)
		choose_number(ev, col, val, choice);
	else
		choose_symbols(ev, col, val, choice);
}

/* ---- one block ---- */

static const uint64_t *
bits_of(const struct pq_eval *ev, const struct pq_p_col *col, uint32_t number, uint32_t block)
{
	size_t at = col->bits + (size_t)number * col->said.n + (block - col->said.first);

	return ev->p->pool[ev->p->blocks[at]].words;
}

/* The AND (`every`) or OR of the bitmaps of the symbols in the set; of none: all ones, or zeros. */
static void
fold_set(const struct pq_eval *ev, const struct pq_p_col *col, const uint64_t *set, bool every, uint32_t block,
         uint64_t *out)
{
	memset(out, every ? 0xff : 0, PQ_BLOCK_WORDS * sizeof(*out));
	for (uint32_t w = 0; w < ev->p->attrs[col->attr].words; w++) {
		for (uint64_t left = set[w]; left != 0; left &= left - 1) {
			uint32_t symbol = w * 64 + (uint32_t)__builtin_ctzll(left);
			const uint64_t *bits = bits_of(ev, col, ev->p->lists[col->map + symbol], block);
			for (uint32_t i = 0; i < PQ_BLOCK_WORDS; i++)
				out[i] = every ? out[i] & bits[i] : out[i] | bits[i];
		}
	}
}

/* What all of the possible symbols have in common, and what one of them has. */
static void
fold_col(const struct pq_eval *ev, const struct pq_p_col *col, const struct pq_choice *choice, uint32_t block,
         uint64_t *every, uint64_t *some)
{
	const struct pq_p_attr *a = &ev->p->attrs[col->attr];
	const struct pq_val *val = &ev->req.vals[a->slot];
	const uint64_t *base = bits_of(ev, col, 0, block);

	if (!choice->partly) {
		memcpy(every, bits_of(ev, col, choice->every, block), sizeof(struct pq_p_block));
		memcpy(some, bits_of(ev, col, choice->some, block), sizeof(struct pq_p_block));
	} else {
		fold_set(ev, col, a->single ? val->poss : val->sure, a->single, block, every);
		fold_set(ev, col, val->poss, false, block, some);
	}
	for (uint32_t i = 0; i < PQ_BLOCK_WORDS; i++) {
		/* The base is what an alternative that does not mention the attribute has. */
		if (!a->single) {
			every[i] |= base[i];
			some[i] |= base[i];
		} else if (choice->base_too) {
			every[i] &= base[i];
			some[i] |= base[i];
		}
	}
}

static void
match_symbols(const struct pq_eval *ev, const struct pq_p_col *col, const struct pq_choice *choice, struct block *block)
{
	uint64_t every[PQ_BLOCK_WORDS], some[PQ_BLOCK_WORDS];

	fold_col(ev, col, choice, block->number, every, some);
	for (uint32_t i = 0; i < PQ_BLOCK_WORDS; i++) {
		block->must[i] &= col->kind == PQ_COL_NONE ? ~some[i] : every[i];
		block->may[i] &= col->kind == PQ_COL_NONE ? ~every[i] : some[i];
	}
}

static void
match_numbers(const struct pq_eval *ev, const struct pq_p_col *col, const struct pq_choice *choice, struct block *block)
{
	const uint64_t *sure = bits_of(ev, col, choice->every, block->number);

	for (uint32_t i = 0; i < PQ_BLOCK_WORDS; i++)
		block->must[i] &= sure[i];
	if (choice->some == PQ_NO_INDEX)
		return;
	const uint64_t *poss = bits_of(ev, col, choice->some, block->number);
	for (uint32_t i = 0; i < PQ_BLOCK_WORDS; i++)
		block->may[i] &= poss[i];
}

static void
match_quant(struct pq_eval *ev, const struct pq_p_quant *quant, struct block *block)
{
	struct pq_where where = pq_where_request(ev);
	enum pq_tri tri = pq_quantified(ev, &where, quant->op, quant->scope, quant->inner);
	const uint64_t *users = ev->p->pool[ev->p->blocks[quant->users + block->number - quant->said.first]].words;

	for (uint32_t i = 0; i < PQ_BLOCK_WORDS; i++) {
		block->must[i] &= tri != PQ_T ? ~users[i] : UINT64_MAX;
		block->may[i] &= tri == PQ_F ? ~users[i] : UINT64_MAX;
	}
}

static bool
is_empty(const struct block *block)
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < PQ_BLOCK_WORDS; i++)
		any |= block->may[i];
	return any == 0;
}

/* Where it is asked how long the answer stands the day comes last: only what may hold without it tells days apart. */
static void
match_day(struct pq_eval *ev, uint32_t index, struct block *block)
{
	const struct pq_p_col *col = &ev->p->cols[index];
	const struct pq_val *val = &ev->req.vals[ev->p->attrs[col->attr].slot];
	uint32_t at = pq_interval_of(ev->p->numbers + col->boundaries.first, col->boundaries.n, val->number);

	pq_window_blocks(ev, col, at, block->number, block->may);
	match_numbers(ev, col, &ev->choices[index], block);
}

static void
open_block(const struct pq_p_space *space, uint32_t number, struct block *block)
{
	uint32_t left = space->alts.n - number * PQ_BLOCK_ALTS;

	block->number = number;
	memset(block->must, 0xff, sizeof(block->must));
	if (left < PQ_BLOCK_ALTS) {
		memset(block->must + left / 64, 0, (PQ_BLOCK_WORDS - left / 64) * sizeof(*block->must));
		block->must[left / 64] = (UINT64_C(1) << (left % 64)) - 1;
	}
	memcpy(block->may, block->must, sizeof(block->may));
}

/* False: nothing may hold. */
static bool
match_block(struct pq_eval *ev, const struct pq_p_space *space, struct block *block)
{
	const uint32_t *starts = ev->p->lists + space->block_lists + block->number;
	bool day = false;

	for (uint32_t i = starts[0]; i < starts[1]; i++) {
		uint32_t what = ev->p->lists[i];
		if (what & PQ_BLOCK_QUANT) {
			match_quant(ev, &ev->p->quants[what & ~PQ_BLOCK_QUANT], block);
		} else if (ev->window != NULL && asks_day(&ev->p->cols[what])) {
			day = true;
			continue;
		} else if (ev->p->cols[what].kind == PQ_COL_RANGE) {
			match_numbers(ev, &ev->p->cols[what], &ev->choices[what], block);
		} else {
			match_symbols(ev, &ev->p->cols[what], &ev->choices[what], block);
		}
		if (is_empty(block))
			return false;
	}
	for (uint32_t i = starts[0]; day && i < starts[1]; i++) {
		uint32_t what = ev->p->lists[i];
		if (!(what & PQ_BLOCK_QUANT) && asks_day(&ev->p->cols[what]))
			match_day(ev, what, block);
	}
	return !is_empty(block);
}

/* ---- from alternatives to rules ---- */

static void
forget_active(struct pq_eval *ev)
{
	for (size_t i = 0; i < ev->n_active; i++)
		ev->req.tri[ev->p->dnfs[ev->p->rules[ev->active[i].rule].dnf].slot] = PQ_F;
	ev->n_active = 0;
}

/* A rule is as true as its truest alternative; its alternatives lie side by side. */
static void
collect(struct pq_eval *ev, const struct pq_p_space *space, const struct block *block)
{
	for (uint32_t w = 0; w < PQ_BLOCK_WORDS; w++) {
		for (uint64_t left = block->may[w]; left != 0; left &= left - 1) {
			uint32_t bit = (uint32_t)__builtin_ctzll(left);
			uint32_t alt = space->alts.first + block->number * PQ_BLOCK_ALTS + w * 64 + bit;
			const struct pq_p_dnf *dnf = &ev->p->dnfs[ev->p->alts[alt].dnf];
			enum pq_tri tri = block->must[w] >> bit & 1 ? PQ_T : PQ_U;
			if (ev->n_active == 0 || ev->active[ev->n_active - 1].rule != dnf->owner)
				ev->active[ev->n_active++] = (struct pq_active){dnf->owner, tri};
			else
				ev->active[ev->n_active - 1].tri = pq_or(ev->active[ev->n_active - 1].tri, tri);
			ev->req.tri[dnf->slot] = (uint8_t)ev->active[ev->n_active - 1].tri;
		}
	}
}

/* Into the order of the rules: a shell sort, for it takes no memory. */
static void
sort_active(struct pq_eval *ev)
{
	static const size_t gaps[] = {88573, 29524, 9841, 3280, 1093, 364, 121, 40, 13, 4, 1};

	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
		for (size_t i = gaps[g]; i < ev->n_active; i++) {
			struct pq_active one = ev->active[i];
			size_t at = i;
			for (; at >= gaps[g] && ev->active[at - gaps[g]].rule > one.rule; at -= gaps[g])
				ev->active[at] = ev->active[at - gaps[g]];
			ev->active[at] = one;
		}
	}
}

/* The blocks that the columns with summaries leave. */
static void
match_summaries(struct pq_eval *ev, const struct pq_p_space *space, uint64_t *left)
{
	memset(left, 0xff, space->summary_words * sizeof(*left));
	for (uint32_t i = 0; i < space->cols.n; i++) {
		const struct pq_p_col *col = &ev->p->cols[space->cols.first + i];
		const struct pq_choice *choice = &ev->choices[space->cols.first + i];
		if (col->summary == PQ_NO_INDEX || choice->partly || choice->some == PQ_NO_INDEX)
			continue;
		if (ev->window != NULL && asks_day(col))
			continue;
		const uint64_t *bits = ev->p->words + col->summary;
		const uint64_t *some = bits + (size_t)choice->some * space->summary_words;
		for (uint32_t w = 0; w < space->summary_words; w++)
			left[w] &= choice->base_too ? some[w] | bits[w] : some[w];
	}
}

void
pq_match_sparse(struct pq_eval *ev, const struct pq_p_space *space)
{
	uint64_t *left = ev->summary;
	struct block block;

	forget_active(ev);
	match_summaries(ev, space, left);
	for (uint32_t w = 0; w < space->summary_words; w++) {
		for (; left[w] != 0; left[w] &= left[w] - 1) {
			uint32_t number = w * 64 + (uint32_t)__builtin_ctzll(left[w]);
			if (number >= space->blocks)
				break;
			open_block(space, number, &block);
			if (match_block(ev, space, &block))
				collect(ev, space, &block);
		}
	}
	sort_active(ev);
}

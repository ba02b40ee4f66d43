/*
 * The columns of a sparse space: bitmaps as numbers of blocks, equal blocks stored once.
 *
 * Rules are many and each names little, so nearly every block of a symbol's bitmap is the base's, or nothing.
 */
#include "policy/build.h"

#include <stdlib.h>
#include <string.h>

/* Fewer blocks are looked at as fast as a summary, which is a bit for each block of the space in each bitmap. */
#define SUMMARY_BLOCKS 4

/* A condition of a column, or a quantifier, where it stands. */
struct entry {
	uint32_t row, cond;
};

/* A block in which a column or a quantifier says something. */
struct said {
	uint32_t block, what, weight; /* weight: alternatives that it says it of */
};

struct sparse {
	struct pq_space_work *w;
	struct pq_builder *b;
	struct pq_p_space *space;
	struct entry *entries;   /* of the space, by slot and then by row */
	uint32_t *starts;        /* by slot: its first entry; one more for the end */
	uint32_t *slots;         /* hash of the pool: block + 1 */
	size_t n_slots;
	struct said *said;
	size_t n_said, cap_said;
};

/* The bitmaps of one column within one block. */
struct marks {
	uint32_t n;              /* bitmaps */
	struct pq_p_block *own;  /* by bitmap: the alternatives that it has beside the base */
	uint32_t *touched;       /* bitmaps that have any */
	uint32_t n_touched;
	uint8_t *is_touched;
};

/* ---- the pool ---- */

static size_t
hash_of(const struct pq_p_block *block)
{
	uint64_t mixed = 0;

	for (size_t i = 0; i < PQ_BLOCK_WORDS; i++) {
		mixed = (mixed ^ block->words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		mixed ^= mixed >> 32;
	}
	return (size_t)mixed;
}

static bool
grow_slots(struct sparse *s)
{
	size_t n = s->n_slots > 0 ? s->n_slots * 2 : 4096;
	uint32_t *slots = pq_build_alloc(s->b, n, sizeof(*slots));

	for (size_t i = 0; slots != NULL && i < s->n_slots; i++) {
		if (s->slots[i] == 0)
			continue;
		size_t at = hash_of(pq_build_at(s->b, PQ_SECTION_POOL, s->slots[i] - 1)) & (n - 1);
		while (slots[at] != 0)
			at = (at + 1) & (n - 1);
		slots[at] = s->slots[i];
	}
	s->slots = slots;
	s->n_slots = slots != NULL ? n : 0;
	return slots != NULL;
}

static uint32_t
intern(struct sparse *s, const struct pq_p_block *block)
{
	uint32_t number;

	if (s->b->sections[PQ_SECTION_POOL].n * 2 >= s->n_slots && !grow_slots(s))
		return 0;
	size_t at = hash_of(block) & (s->n_slots - 1);
	for (; s->slots[at] != 0; at = (at + 1) & (s->n_slots - 1)) {
		if (memcmp(pq_build_at(s->b, PQ_SECTION_POOL, s->slots[at] - 1), block, sizeof(*block)) == 0)
			return s->slots[at] - 1;
	}
	*(struct pq_p_block *)pq_build_append(s->b, PQ_SECTION_POOL, 1, &number) = *block;
	s->slots[at] = number + 1;
	return number;
}

static bool
open_pool(struct sparse *s)
{
	struct pq_p_block block;

	memset(&block, 0, sizeof(block));
	bool first = intern(s, &block) == PQ_BLOCK_ZEROS;
	memset(&block, 0xff, sizeof(block));
	return intern(s, &block) == PQ_BLOCK_ONES && first;
}

static void
note_said(struct sparse *s, uint32_t block, uint32_t what, uint32_t weight)
{
	if (s->n_said == s->cap_said) {
		size_t cap = s->cap_said > 0 ? s->cap_said * 2 : 4096;
		struct said *said = pq_build_alloc(s->b, cap, sizeof(*said));
		if (said == NULL)
			return;
		if (s->n_said > 0)
			memcpy(said, s->said, s->n_said * sizeof(*said));
		s->said = said;
		s->cap_said = cap;
	}
	s->said[s->n_said++] = (struct said){block, what, weight};
}

/* ---- columns ---- */

static void
set_row(struct pq_p_block *block, uint32_t row)
{
	block->words[row % PQ_BLOCK_ALTS / 64] |= UINT64_C(1) << (row % 64);
}

static void
mark(struct marks *m, uint32_t number, uint32_t row)
{
	if (!m->is_touched[number]) {
		m->is_touched[number] = 1;
		m->touched[m->n_touched++] = number;
	}
	set_row(&m->own[number], row);
}

static void
forget(struct marks *m)
{
	for (uint32_t i = 0; i < m->n_touched; i++) {
		memset(&m->own[m->touched[i]], 0, sizeof(*m->own));
		m->is_touched[m->touched[i]] = 0;
	}
	m->n_touched = 0;
}

static bool
make_marks(struct sparse *s, uint32_t n, struct marks *ret)
{
	*ret = (struct marks){
	    .n = n,
	    .own = pq_build_alloc(s->b, n, sizeof(*ret->own)),
	    .touched = pq_build_alloc(s->b, n, sizeof(*ret->touched)),
	    .is_touched = pq_build_alloc(s->b, n, 1),
	};
	return !s->b->oom;
}

static uint32_t
boundary_at(const int64_t *boundaries, uint32_t n, int64_t value)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (boundaries[mid] < value)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
mark_ranges(struct sparse *s, const struct pq_p_col *col, const struct pq_p_cond *cond, uint32_t row, struct marks *m)
{
	const int64_t *boundaries = pq_build_at(s->b, PQ_SECTION_NUMBERS, col->boundaries.first);
	uint32_t n = col->boundaries.n;

	for (uint32_t k = 0; k < cond->ranges.n; k++) {
		const struct pq_p_range *range = pq_build_at(s->b, PQ_SECTION_RANGES, cond->ranges.first + k);
		uint32_t first = range->lo == INT64_MIN ? 0 : boundary_at(boundaries, n, range->lo) + 1;
		uint32_t last = range->hi == INT64_MAX ? n : boundary_at(boundaries, n, range->hi + 1);
		for (uint32_t i = first; i <= last; i++)
			mark(m, 3 + i, row);
	}
}

static void
mark_cond(struct sparse *s, const struct pq_p_col *col, const struct entry *entry, struct marks *m)
{
	const struct pq_p_cond *cond = pq_build_at(s->b, PQ_SECTION_CONDS, entry->cond);

	if (col->kind == PQ_COL_RANGE) {
		mark_ranges(s, col, cond, entry->row, m);
		return;
	}
	const uint32_t *map = pq_build_at(s->b, PQ_SECTION_LISTS, col->map);
	const uint32_t *symbols = pq_build_at(s->b, PQ_SECTION_LISTS, cond->symbols.first);
	for (uint32_t i = 0; i < cond->symbols.n; i++)
		mark(m, map[symbols[i]], entry->row);
}

static uint32_t *
number_at(struct sparse *s, const struct pq_p_col *col, uint32_t number, uint32_t block)
{
	return pq_build_at(s->b, PQ_SECTION_BLOCKS,
	                   (uint32_t)col->bits + number * col->said.n + (block - col->said.first));
}

/* The AND and the OR over all symbols: one that is not mentioned in the block has the base there. */
static void
fold_block(struct sparse *s, const struct pq_p_col *col, const struct marks *m, const struct pq_p_block *base,
           uint32_t block)
{
	size_t n_symbols = s->b->model->domains[s->b->model->attrs[col->attr].domain].n_symbols;
	struct pq_p_block every = *base, some = *base;

	for (size_t k = 0; k < PQ_BLOCK_WORDS; k++) {
		uint64_t common = UINT64_MAX;
		for (uint32_t i = 0; i < m->n_touched; i++) {
			common &= m->own[m->touched[i]].words[k];
			some.words[k] |= m->own[m->touched[i]].words[k];
		}
		if (m->n_touched == n_symbols)
			every.words[k] |= common;
	}
	*number_at(s, col, 1, block) = intern(s, &every);
	*number_at(s, col, 2, block) = intern(s, &some);
}

static void
build_block(struct sparse *s, const struct pq_p_col *col, const struct entry *entries, uint32_t n, uint32_t block,
            struct marks *m)
{
	struct pq_p_block base;

	memset(&base, 0, sizeof(base));
	for (uint32_t i = 0; i < n; i++) {
		set_row(&base, entries[i].row);
		mark_cond(s, col, &entries[i], m);
	}
	for (size_t k = 0; k < PQ_BLOCK_WORDS; k++)
		base.words[k] = col->kind == PQ_COL_NONE ? 0 : ~base.words[k];
	uint32_t number = intern(s, &base);
	for (uint32_t i = 0; i < m->n; i++)
		*number_at(s, col, i, block) = number;
	for (uint32_t i = 0; i < m->n_touched; i++) {
		struct pq_p_block own = m->own[m->touched[i]];
		for (size_t k = 0; k < PQ_BLOCK_WORDS; k++)
			own.words[k] |= base.words[k];
		*number_at(s, col, m->touched[i], block) = intern(s, &own);
	}
	if (col->kind != PQ_COL_RANGE)
		fold_block(s, col, m, &base, block);
	forget(m);
}

/* Of columns that say something in more than a few blocks: which blocks of a bitmap are worth looking at. */
static void
build_summary(struct sparse *s, struct pq_p_col *col, uint32_t n)
{
	col->summary = PQ_NO_INDEX;
	if (col->kind == PQ_COL_NONE || col->said.n < SUMMARY_BLOCKS || col->said.n < s->space->blocks / 32)
		return;
	col->summary = pq_build_words(s->b, (size_t)n * s->space->summary_words);
	for (uint32_t i = 0; i < n && !s->b->oom; i++) {
		for (uint32_t block = 0; block < s->space->blocks; block++) {
			bool said = block >= col->said.first && block < col->said.first + col->said.n;
			if (!said || *number_at(s, col, i, block) != PQ_BLOCK_ZEROS)
				pq_build_set_bit(s->b, col->summary + i * s->space->summary_words, block);
		}
	}
}

/* How many bitmaps the column has; its map, or its boundaries. */
static uint32_t
number_bitmaps(struct sparse *s, struct pq_p_col *col, const struct entry *entries, uint32_t n)
{
	struct pq_builder *b = s->b;
	uint32_t count = 3;

	if (col->kind == PQ_COL_RANGE) {
		col->boundaries.first = (uint32_t)b->sections[PQ_SECTION_NUMBERS].n;
		for (uint32_t i = 0; i < n; i++) {
			struct pq_p_cond cond = *(struct pq_p_cond *)pq_build_at(b, PQ_SECTION_CONDS, entries[i].cond);
			for (uint32_t k = 0; k < cond.ranges.n; k++)
				pq_build_boundary(b, col, cond.ranges.first + k);
		}
		pq_build_boundaries(b, col);
		return count + col->boundaries.n + 1;
	}
	uint32_t *map = pq_build_append(b, PQ_SECTION_LISTS,
	                                b->model->domains[b->model->attrs[col->attr].domain].n_symbols, &col->map);
	for (uint32_t i = 0; i < n && !b->oom; i++) {
		const struct pq_p_cond *cond = pq_build_at(b, PQ_SECTION_CONDS, entries[i].cond);
		const uint32_t *symbols = pq_build_at(b, PQ_SECTION_LISTS, cond->symbols.first);
		for (uint32_t k = 0; k < cond->symbols.n; k++) {
			if (map[symbols[k]] == 0)
				map[symbols[k]] = count++;
		}
	}
	return count;
}

static struct pq_span
blocks_of(const struct entry *entries, uint32_t n)
{
	uint32_t first = entries[0].row / PQ_BLOCK_ALTS;

	return (struct pq_span){first, entries[n - 1].row / PQ_BLOCK_ALTS - first + 1};
}

/* Where nobody of a block's alternatives has the condition, ones: or zeros, where it forbids. */
static void
fill_blocks(struct sparse *s, const struct pq_p_col *col, uint32_t n)
{
	for (uint32_t i = 0; i < n * col->said.n && !s->b->oom; i++)
		*(uint32_t *)pq_build_at(s->b, PQ_SECTION_BLOCKS, (uint32_t)col->bits + i) =
		    col->kind == PQ_COL_NONE ? PQ_BLOCK_ZEROS : PQ_BLOCK_ONES;
}

static void
build_col(struct sparse *s, uint32_t slot)
{
	const struct entry *entries = s->entries + s->starts[slot];
	uint32_t n = s->starts[slot + 1] - s->starts[slot], first;
	uint32_t index = (uint32_t)s->b->sections[PQ_SECTION_COLS].n;
	struct pq_p_col col = {.attr = s->w->slots[slot].attr, .kind = (uint8_t)s->w->slots[slot].kind};
	struct marks marks;

	col.said = blocks_of(entries, n);
	uint32_t n_bitmaps = number_bitmaps(s, &col, entries, n);
	pq_build_append(s->b, PQ_SECTION_BLOCKS, (size_t)n_bitmaps * col.said.n, &first);
	col.bits = first;
	if (s->b->oom || !make_marks(s, n_bitmaps, &marks))
		return;
	fill_blocks(s, &col, n_bitmaps);
	for (uint32_t i = 0, run; i < n && !s->b->oom; i += run) {
		uint32_t block = entries[i].row / PQ_BLOCK_ALTS;
		for (run = 1; i + run < n && entries[i + run].row / PQ_BLOCK_ALTS == block; run++)
			;
		build_block(s, &col, entries + i, run, block, &marks);
		note_said(s, block, index, run);
	}
	build_summary(s, &col, n_bitmaps);
	*(struct pq_p_col *)pq_build_append(s->b, PQ_SECTION_COLS, 1, NULL) = col;
	s->space->cols.n++;
	s->space->n_request_cols++;
}

/* ---- quantifiers ---- */

static uint32_t
find_quant(struct sparse *s, const struct pq_p_cond *cond)
{
	for (uint32_t i = 0; i < s->space->quants.n; i++) {
		const struct pq_p_quant *known = pq_build_at(s->b, PQ_SECTION_QUANTS, s->space->quants.first + i);
		if (known->op == cond->op && known->inner == cond->inner)
			return i;
	}
	struct pq_p_quant record = {.op = cond->op, .scope = cond->scope, .inner = cond->inner};
	*(struct pq_p_quant *)pq_build_append(s->b, PQ_SECTION_QUANTS, 1, NULL) = record;
	return s->space->quants.n++;
}

/* The users of one quantifier among the entries, which are by row. */
static void
build_quant(struct sparse *s, uint32_t index, const struct entry *entries, const uint32_t *quants, uint32_t n)
{
	uint32_t first = PQ_NO_INDEX, last = 0, bits;
	struct pq_p_quant *quant = pq_build_at(s->b, PQ_SECTION_QUANTS, s->space->quants.first + index);

	for (uint32_t i = 0; i < n; i++) {
		if (quants[i] != index)
			continue;
		first = first == PQ_NO_INDEX ? entries[i].row / PQ_BLOCK_ALTS : first;
		last = entries[i].row / PQ_BLOCK_ALTS;
	}
	quant->said = (struct pq_span){first, last - first + 1};
	uint32_t *numbers = pq_build_append(s->b, PQ_SECTION_BLOCKS, quant->said.n, &bits);
	quant->users = bits;
	for (uint32_t i = 0; i < n && !s->b->oom;) {
		uint32_t block = entries[i].row / PQ_BLOCK_ALTS, users = 0;
		struct pq_p_block own = {{0}};
		for (; i < n && entries[i].row / PQ_BLOCK_ALTS == block; i++) {
			if (quants[i] != index)
				continue;
			set_row(&own, entries[i].row);
			users++;
		}
		if (users == 0)
			continue;
		numbers[block - first] = intern(s, &own);
		note_said(s, block, PQ_BLOCK_QUANT | (s->space->quants.first + index), users);
	}
}

static void
build_quants(struct sparse *s)
{
	const struct entry *entries = s->entries + s->starts[s->w->n_slots];
	uint32_t n = s->starts[s->w->n_slots + 1] - s->starts[s->w->n_slots];
	uint32_t *quants = pq_build_alloc(s->b, n, sizeof(*quants));

	s->space->quants.first = (uint32_t)s->b->sections[PQ_SECTION_QUANTS].n;
	for (uint32_t i = 0; quants != NULL && i < n; i++)
		quants[i] = find_quant(s, pq_build_at(s->b, PQ_SECTION_CONDS, entries[i].cond));
	for (uint32_t i = 0; quants != NULL && i < s->space->quants.n; i++)
		build_quant(s, i, entries, quants, n);
}

/* ---- the space ---- */

/* All conditions of the space by slot, those of quantifiers last; of one slot by row. */
static bool
sort_entries(struct sparse *s)
{
	struct pq_space_work *w = s->w;
	size_t n_slots = w->n_slots + 1;

	s->entries = pq_build_alloc(s->b, w->n_conds, sizeof(*s->entries));
	s->starts = pq_build_alloc(s->b, n_slots + 2, sizeof(*s->starts));
	if (s->b->oom)
		return false;
	for (uint32_t i = 0; i < w->n_conds; i++)
		s->starts[(w->slot_of[i] != PQ_NO_INDEX ? w->slot_of[i] : w->n_slots) + 2]++;
	for (size_t i = 0; i < n_slots; i++)
		s->starts[i + 2] += s->starts[i + 1];
	for (uint32_t row = 0; row < s->space->alts.n; row++) {
		const struct pq_p_alt *alt = pq_build_at(s->b, PQ_SECTION_ALTS, s->space->alts.first + row);
		for (uint32_t c = alt->conds.first; c < alt->conds.first + alt->conds.n; c++) {
			uint32_t slot = w->slot_of[c - w->first_cond];
			s->entries[s->starts[(slot != PQ_NO_INDEX ? slot : w->n_slots) + 1]++] = (struct entry){row, c};
		}
	}
	return true;
}

/* By block; within one, what is said of most of its alternatives first, for it leaves least of them. */
static int
compare_said(const void *left, const void *right)
{
	const struct said *l = left, *r = right;

	if (l->block != r->block)
		return l->block < r->block ? -1 : 1;
	if (l->weight != r->weight)
		return l->weight > r->weight ? -1 : 1;
	return l->what < r->what ? -1 : l->what > r->what;
}

static void
emit_block_lists(struct sparse *s)
{
	uint32_t blocks = s->space->blocks, first;

	if (s->n_said > 0)
		qsort(s->said, s->n_said, sizeof(*s->said), compare_said);
	uint32_t *lists = pq_build_append(s->b, PQ_SECTION_LISTS, blocks + 1 + s->n_said, &first);
	s->space->block_lists = first;
	size_t at = 0;
	for (uint32_t block = 0; block <= blocks && !s->b->oom; block++) {
		lists[block] = first + blocks + 1 + (uint32_t)at;
		while (at < s->n_said && s->said[at].block == block)
			at++;
	}
	for (size_t i = 0; i < s->n_said && !s->b->oom; i++)
		lists[blocks + 1 + i] = s->said[i].what;
}

void
pq_build_sparse(struct pq_space_work *w)
{
	struct sparse s = {.w = w, .b = w->b, .space = w->space};

	s.space->blocks = (s.space->alts.n + PQ_BLOCK_ALTS - 1) / PQ_BLOCK_ALTS;
	s.space->summary_words = (s.space->blocks + 63) / 64;
	if (!open_pool(&s) || !sort_entries(&s))
		return;
	for (uint32_t slot = 0; slot < w->n_slots && !s.b->oom; slot++)
		build_col(&s, slot);
	if (!s.b->oom)
		build_quants(&s);
	if (!s.b->oom)
		emit_block_lists(&s);
}

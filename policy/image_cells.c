/*
 * The cells of an image: of each column one in each word of its space in which it says anything.
 *
 * Evaluation keeps what a value allows by cell, and the cells of a word side by side, so that a word is matched by one
 * run through memory, which ends where nothing is left of it. The cells that say most come first.
 */
#include "policy/image_private.h"

#include <stdlib.h>
#include <string.h>

struct cell {
	uint32_t word, col, at,
		says; /* of all spaces; the column; the word within the column's; alternatives it speaks of */
	uint8_t scope;
};

/* By scope and word, since a run is the cells of one scope in one word; then by what they say, falling. */
static int
compare(const void *left, const void *right)
{
	const struct cell *a = left, *b = right;

	if (a->scope != b->scope)
		return a->scope < b->scope ? -1 : 1;
	if (a->word != b->word)
		return a->word < b->word ? -1 : 1;
	if (a->says != b->says)
		return a->says > b->says ? -1 : 1;
	return a->col < b->col ? -1 : a->col > b->col;
}

uint64_t
pq_image_last_word(const struct pq_p_space *space, uint32_t word)
{
	return word + 1 < space->words || space->alts.n % 64 == 0 ? UINT64_MAX : (UINT64_C(1) << (space->alts.n % 64)) - 1;
}

/* The alternatives of a word that the column speaks of. */
static uint64_t
says(const struct pq_program *p, const struct pq_p_space *space, const struct pq_p_col *col, uint32_t word)
{
	const uint64_t *base = p->words + col->bits, *some = base + 2 * (size_t)space->words;

	return col->kind == PQ_COL_NONE ? some[word] : pq_image_last_word(space, word) & ~base[word];
}

static size_t
list_cells(struct pq_image *image, const struct pq_p_space *space, uint32_t first_word, struct cell *cells)
{
	const struct pq_program *p = &image->p;
	size_t n = 0;

	for (uint32_t c = space->cols.first; c < space->cols.first + space->cols.n; c++) {
		struct pq_span *said = &image->columns[c].said;
		*said = (struct pq_span){0, 0};
		image->columns[c].stride = space->words;
		for (uint32_t w = 0; w < space->words; w++) {
			uint64_t bits = says(p, space, &p->cols[c], w);
			if (bits == 0)
				continue;
			if (said->n == 0)
				said->first = w;
			said->n = w - said->first + 1;
			if (cells != NULL)
				cells[n] = (struct cell){first_word + w, c, w - said->first, (uint32_t)__builtin_popcountll(bits),
				                         p->attrs[p->cols[c].attr].scope};
			n++;
		}
	}
	return n;
}

static size_t
list_all(struct pq_image *image, struct cell *cells)
{
	size_t n = 0;

	for (size_t s = 0; s < image->p.n_spaces; s++)
		n += list_cells(image, &image->p.spaces[s], image->space_word[s], cells != NULL ? cells + n : NULL);
	return n;
}

/* `cells` in the order in which they are kept: the runs of words, and of each column its cells. */
static void
number_cells(struct pq_image *image, const struct cell *cells, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pq_span *run = &image->runs[cells[i].word].of[cells[i].scope];
		uint32_t number = image->scope_cells[cells[i].scope]++;
		if (run->n++ == 0)
			run->first = number;
		image->columns[cells[i].col].cells.n++;
	}
	uint32_t first = 0, in_scope[PQ_SCOPE_COUNT] = {0};
	for (size_t c = 0; c < image->p.n_cols; c++) {
		image->columns[c].cells.first = first;
		first += image->columns[c].cells.n;
		image->columns[c].cells.n = 0;
	}
	for (size_t i = 0; i < n; i++) {
		struct pq_span *of = &image->columns[cells[i].col].cells;
		image->cells[of->first + of->n++] =
			(struct pq_cell_place){cells[i].at, in_scope[cells[i].scope]++, cells[i].word};
	}
}

static void
place_columns(struct pq_image *image)
{
	const struct pq_program *p = &image->p;

	for (size_t c = 0; c < p->n_cols; c++) {
		struct pq_col_view *column = &image->columns[c];
		column->kind = p->cols[c].kind;
		if (column->stride > 0)
			column->bits = p->words + p->cols[c].bits + column->said.first;
		if (column->kind != PQ_COL_RANGE)
			column->map = p->lists + p->cols[c].map;
	}
}

static void
index_quants(struct pq_image *image)
{
	const struct pq_program *p = &image->p;
	uint32_t n = 0;

	for (size_t s = 0; s < p->n_spaces; s++) {
		const struct pq_p_space *space = &p->spaces[s];
		for (uint32_t w = 0; w < space->words; w++) {
			struct pq_span *of = &image->runs[image->space_word[s] + w].quants;
			of->first = n;
			for (uint32_t i = space->quants.first; i < space->quants.first + space->quants.n; i++) {
				if (p->words[p->quants[i].users + w] != 0)
					image->word_quants[n++] = i;
			}
			of->n = n - of->first;
		}
	}
}

static size_t
count_words(struct pq_image *image)
{
	size_t most_quants = 0;

	for (size_t s = 0; s < image->p.n_spaces; s++) {
		image->space_word[s] = image->n_space_words;
		image->n_space_words += image->p.spaces[s].words;
		most_quants += (size_t)image->p.spaces[s].words * image->p.spaces[s].quants.n;
	}
	return most_quants;
}

bool
pq_image_index_cells(struct pq_image *image)
{
	const struct pq_program *p = &image->p;

	image->space_word = calloc(p->n_spaces + 1, sizeof(*image->space_word));
	image->columns = calloc(p->n_cols + 1, sizeof(*image->columns));
	if (image->space_word == NULL || image->columns == NULL)
		return false;
	for (size_t c = 0; c < p->n_cols; c++)
		image->columns[c].slot = image->scope_cols[p->attrs[p->cols[c].attr].scope]++;
	image->word_quants = calloc(count_words(image) + 1, sizeof(*image->word_quants));
	image->runs = calloc((size_t)image->n_space_words + 1, sizeof(*image->runs));
	size_t n = list_all(image, NULL);
	struct cell *cells = calloc(n + 1, sizeof(*cells));
	image->cells = calloc(n + 1, sizeof(*image->cells));
	bool whole = image->word_quants != NULL && image->runs != NULL && cells != NULL && image->cells != NULL;
	if (whole) {
		list_all(image, cells);
		qsort(cells, n, sizeof(*cells), compare);
		number_cells(image, cells, n);
		place_columns(image);
		index_quants(image);
	}
	free(cells);
	return whole;
}

void
pq_image_free_cells(struct pq_image *image)
{
	free(image->space_word);
	free(image->columns);
	free(image->word_quants);
	free(image->runs);
	free(image->cells);
}

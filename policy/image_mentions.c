/*
 * Which columns of an attribute speak of a symbol: where a value goes from one symbol to another, or a set gains and loses
 * some, only these allow something else than before.
 */
#include "policy/image_private.h"

#include <stdlib.h>

/* Are all of its columns over symbols? (A number's are ranges.) */
static bool
has_symbols(const struct pq_image *image, uint32_t attr)
{
	const struct pq_wake_run *cols = &image->wake->cols[attr];
	bool all = image->p.attrs[attr].words > 0 && cols->n > 0;

	for (uint32_t i = 0; all && i < cols->n; i++)
		all = image->p.cols[image->wake->col_list[cols->first + i]].kind != PQ_COL_RANGE;
	return all;
}

static uint32_t
symbols_of(const struct pq_image *image, uint32_t attr)
{
	return image->p.domains[image->p.attrs[attr].domain].symbols.n;
}

static size_t
place_all(struct pq_image *image)
{
	size_t n = 0;

	for (uint32_t attr = 0; attr < image->p.n_attrs; attr++) {
		if (!has_symbols(image, attr))
			continue;
		image->mentions[attr] = (struct pq_mentions){n, (image->wake->cols[attr].n + 63) / 64};
		n += (size_t)symbols_of(image, attr) * image->mentions[attr].words;
	}
	return n;
}

/* A symbol that the column does not mention has the base's bitmap, which is number 0. */
static void
note_column(struct pq_image *image, uint32_t attr, uint32_t i)
{
	const struct pq_p_col *col = &image->p.cols[image->wake->col_list[image->wake->cols[attr].first + i]];
	const struct pq_mentions *m = &image->mentions[attr];

	for (uint32_t symbol = 0; symbol < symbols_of(image, attr); symbol++) {
		if (image->p.lists[col->map + symbol] != 0)
			image->mention_words[m->first + (size_t)symbol * m->words + i / 64] |= UINT64_C(1) << (i % 64);
	}
}

bool
pq_image_index_mentions(struct pq_image *image)
{
	image->mentions = calloc(image->p.n_attrs + 1, sizeof(*image->mentions));
	if (image->mentions == NULL)
		return false;
	image->mention_words = calloc(place_all(image) + 1, sizeof(*image->mention_words));
	if (image->mention_words == NULL)
		return false;
	for (uint32_t attr = 0; attr < image->p.n_attrs; attr++) {
		for (uint32_t i = 0; image->mentions[attr].words > 0 && i < image->wake->cols[attr].n; i++)
			note_column(image, attr, i);
	}
	return true;
}

void
pq_image_free_mentions(struct pq_image *image)
{
	free(image->mentions);
	free(image->mention_words);
}

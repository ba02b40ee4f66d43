/* Lists over an open image that every decision would else search for anew. */
#include "policy/image_private.h"

#include <stdlib.h>

static uint32_t
slot_of(const struct pq_program *p, uint32_t dnf)
{
	return dnf != PQ_NO_INDEX ? p->dnfs[dnf].slot : PQ_NO_INDEX;
}

static void
index_rules(struct pq_image *image)
{
	const struct pq_program *p = &image->p;

	for (size_t i = 0; i < p->n_main_rules; i++) {
		const struct pq_p_rule *rule = &p->rules[p->main_rules[i]];
		image->main_slots[i] = slot_of(p, rule->dnf);
		if (rule->kind == PQ_KIND_EXCEPTION)
			image->exception_rules[image->n_exception_rules++] = p->main_rules[i];
	}
	for (size_t i = 0; i < p->n_post_rules; i++) {
		const struct pq_p_rule *rule = &p->rules[p->post_rules[i]];
		image->post_slots[i] = slot_of(p, rule->dnf);
		image->unless_slots[i] = slot_of(p, rule->unless);
	}
}

static void
index_attrs(struct pq_image *image)
{
	const struct pq_program *p = &image->p;
	size_t n = 0;

	for (int scope = 0; scope < PQ_SCOPE_COUNT; scope++) {
		image->required_at[scope] = n;
		for (size_t i = 0; i < p->n_attrs; i++) {
			if (p->attrs[i].required && p->attrs[i].scope == scope)
				image->required[n++] = (uint32_t)i;
		}
	}
	image->required_at[PQ_SCOPE_COUNT] = n;
	n = 0;
	for (int scope = 0; scope < PQ_SCOPE_COUNT; scope++) {
		image->fact_attrs_at[scope] = n;
		n += image->meta->scope_facts[scope];
	}
	for (size_t i = 0; i < p->n_attrs; i++) {
		const struct pq_p_attr *a = &p->attrs[i];
		if (a->slot < image->meta->scope_facts[a->scope])
			image->fact_attrs[image->fact_attrs_at[a->scope] + a->slot] = (uint32_t)i;
	}
	for (size_t i = 0; i < p->n_attrs; i++) {
		const struct pq_p_attr *a = &p->attrs[i];
		if (a->type == PQ_TYPE_CODE && a->scope == PQ_SCOPE_REQUEST && a->path != PQ_NO_INDEX)
			image->path_codes[image->n_path_codes++] = (uint32_t)i;
	}
}

/*
 * Most columns are of facts that few rules look at, and the alternatives of a rule lie side by side: all but a word or
 * two of such a column is the same whatever the value, and is passed over.
 */
static struct pq_span
words_of(const struct pq_program *p, const struct pq_p_space *space, const struct pq_p_col *col)
{
	const uint64_t *base = p->words + col->bits, *some = base + 2 * (size_t)space->words;
	uint32_t first = space->words, end = 0;

	for (uint32_t w = 0; w < space->words; w++) {
		uint64_t all = w + 1 < space->words || space->alts.n % 64 == 0 ? UINT64_MAX : (UINT64_C(1) << (space->alts.n % 64)) - 1;
		uint64_t says = col->kind == PQ_COL_NONE ? some[w] : all & ~base[w];
		if (says == 0)
			continue;
		first = w < first ? w : first;
		end = w + 1;
	}
	return end > 0 ? (struct pq_span){first, end - first} : (struct pq_span){0, 0};
}

static struct pq_span
nonzero(const uint64_t *words, uint32_t n)
{
	uint32_t first = 0, end = n;

	while (first < end && words[first] == 0)
		first++;
	while (end > first && words[end - 1] == 0)
		end--;
	return (struct pq_span){first, end - first};
}

/* By the words they say something in, falling; of equal ones the first. */
static void
order_cols(struct pq_image *image, const struct pq_p_space *space)
{
	uint32_t *order = image->col_order + space->cols.first;

	for (uint32_t i = 0; i < space->n_request_cols; i++) {
		uint32_t col = space->cols.first + i, at = i;
		for (; at > 0 && image->col_words[order[at - 1]].n < image->col_words[col].n; at--)
			order[at] = order[at - 1];
		order[at] = col;
	}
}

static void
index_cols(struct pq_image *image)
{
	const struct pq_program *p = &image->p;

	for (size_t s = 0; s < p->n_spaces; s++) {
		for (uint32_t i = 0; i < p->spaces[s].cols.n; i++) {
			uint32_t col = p->spaces[s].cols.first + i;
			image->col_words[col] = words_of(p, &p->spaces[s], &p->cols[col]);
		}
		order_cols(image, &p->spaces[s]);
		for (uint32_t i = 0; i < p->spaces[s].quants.n; i++) {
			uint32_t quant = p->spaces[s].quants.first + i;
			image->quant_words[quant] = nonzero(p->words + p->quants[quant].users, p->spaces[s].words);
		}
	}
}

bool
pq_image_index(struct pq_image *image)
{
	const struct pq_program *p = &image->p;

	image->main_slots = calloc(p->n_main_rules + 1, sizeof(*image->main_slots));
	image->post_slots = calloc(p->n_post_rules + 1, sizeof(*image->post_slots));
	image->unless_slots = calloc(p->n_post_rules + 1, sizeof(*image->unless_slots));
	image->exception_rules = calloc(p->n_main_rules + 1, sizeof(*image->exception_rules));
	image->col_order = calloc(p->n_cols + 1, sizeof(*image->col_order));
	image->quant_words = calloc(p->n_quants + 1, sizeof(*image->quant_words));
	image->col_words = calloc(p->n_cols + 1, sizeof(*image->col_words));
	image->required = calloc(p->n_attrs + 1, sizeof(*image->required));
	image->fact_attrs = calloc(p->n_attrs + 1, sizeof(*image->fact_attrs));
	image->path_codes = calloc(p->n_attrs + 1, sizeof(*image->path_codes));
	if (image->main_slots == NULL || image->post_slots == NULL || image->unless_slots == NULL ||
	    image->exception_rules == NULL || image->col_order == NULL || image->quant_words == NULL ||
	    image->col_words == NULL || image->required == NULL || image->fact_attrs == NULL || image->path_codes == NULL)
		return false;
	index_rules(image);
	index_attrs(image);
	index_cols(image);
	return true;
}

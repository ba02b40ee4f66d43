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

	image->exception_rules = p->lists + image->meta->exceptions.first;
	image->n_exception_rules = image->meta->exceptions.n;
	for (size_t i = 0; i < p->n_main_rules && !pq_image_is_sparse(image); i++)
		image->main_slots[i] = slot_of(p, p->rules[p->main_rules[i]].dnf);
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
		if (a->type == PQ_TYPE_CODE && a->scope == PQ_SCOPE_REQUEST && a->mark_attr != PQ_NO_INDEX)
			image->mark_codes[image->n_mark_codes++] = (uint32_t)i;
	}
}

bool
pq_image_index(struct pq_image *image)
{
	const struct pq_program *p = &image->p;

	image->main_slots = calloc(p->n_main_rules + 1, sizeof(*image->main_slots));
	image->post_slots = calloc(p->n_post_rules + 1, sizeof(*image->post_slots));
	image->unless_slots = calloc(p->n_post_rules + 1, sizeof(*image->unless_slots));
	image->required = calloc(p->n_attrs + 1, sizeof(*image->required));
	image->fact_attrs = calloc(p->n_attrs + 1, sizeof(*image->fact_attrs));
	image->path_codes = calloc(p->n_attrs + 1, sizeof(*image->path_codes));
	image->mark_codes = calloc(p->n_attrs + 1, sizeof(*image->mark_codes));
	if (image->main_slots == NULL || image->post_slots == NULL || image->unless_slots == NULL ||
	    image->required == NULL || image->fact_attrs == NULL || image->path_codes == NULL || image->mark_codes == NULL)
		return false;
	index_rules(image);
	index_attrs(image);
	return pq_image_index_rules(image) && pq_image_index_cells(image) && pq_image_index_joins(image);
}

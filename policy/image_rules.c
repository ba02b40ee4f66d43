/*
 * Which main rules a condition decides, and which exceptions are considered because of what is said: lists and bitmaps
 * in place of a look at every rule in every decision.
 */
#include "policy/image_private.h"

#include <stdlib.h>

/* Main rules by the slot of their condition; those of a slot lie together. */
static bool
index_main(struct pq_image *image)
{
	const struct pq_program *p = &image->p;
	uint32_t n_slots = image->meta->scope_dnfs[PQ_SCOPE_REQUEST], at = 0;

	image->main_of_slot = calloc((size_t)n_slots + 1, sizeof(*image->main_of_slot));
	image->main_of = calloc(p->n_main_rules + 1, sizeof(*image->main_of));
	if (image->main_of_slot == NULL || image->main_of == NULL)
		return false;
	/* Matching a sparse space lists its rules by itself. */
	if (pq_image_is_sparse(image))
		return true;
	for (size_t i = 0; i < p->n_main_rules; i++)
		image->main_of_slot[image->main_slots[i]].n++;
	for (uint32_t slot = 0; slot < n_slots; slot++) {
		image->main_of_slot[slot].first = at;
		at += image->main_of_slot[slot].n;
		image->main_of_slot[slot].n = 0;
	}
	for (size_t i = 0; i < p->n_main_rules; i++) {
		struct pq_span *of = &image->main_of_slot[image->main_slots[i]];
		image->main_of[of->first + of->n++] = (uint32_t)i;
	}
	return true;
}

static void
add_bit(uint64_t *set, size_t bit)
{
	set[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static uint64_t *
set_of_fact(struct pq_image *image, uint32_t attr)
{
	size_t i = 0;

	while (i < image->n_claim_facts && image->claim_facts[i] != attr)
		i++;
	if (i == image->n_claim_facts)
		image->claim_facts[image->n_claim_facts++] = attr;
	return image->considered_by_fact + i * image->consider_words;
}

static void
index_exception(struct pq_image *image, size_t i, uint32_t n_claims)
{
	const struct pq_program *p = &image->p;
	const struct pq_p_rule *rule = &p->rules[image->exception_rules[i]];

	image->exception_numbers[image->exception_rules[i]] = (uint32_t)i;
	if (rule->considered_always) {
		add_bit(image->considered_always, i);
		return;
	}
	for (uint32_t s = 0; s < n_claims; s++) {
		if (p->words[rule->claims + s / 64] >> (s % 64) & 1)
			add_bit(image->considered_by_claim + (size_t)s * image->consider_words, i);
	}
	for (uint32_t k = 0; k < rule->claimed_by.n; k++)
		add_bit(set_of_fact(image, p->lists[rule->claimed_by.first + k]), i);
}

/* Where the claim facts stand. */
static bool
place_claims(struct pq_image *image)
{
	image->claim_of_slot = calloc(image->p.n_attrs + 1, sizeof(*image->claim_of_slot));
	if (image->claim_of_slot == NULL)
		return false;
	for (int scope = 0; scope < PQ_SCOPE_COUNT; scope++) {
		image->claim_slots[scope] = calloc(image->meta->scope_facts[scope] / 64 + 1, sizeof(uint64_t));
		if (image->claim_slots[scope] == NULL)
			return false;
	}
	for (size_t i = 0; i < image->n_claim_facts; i++) {
		const struct pq_p_attr *a = &image->p.attrs[image->claim_facts[i]];
		if (a->scope != PQ_SCOPE_REQUEST && a->scope != PQ_SCOPE_PARTY)
			continue;
		add_bit(image->claim_slots[a->scope], a->slot);
		image->claim_of_slot[image->fact_attrs_at[a->scope] + a->slot] = (uint32_t)i;
	}
	return true;
}

bool
pq_image_index_rules(struct pq_image *image)
{
	const struct pq_program *p = &image->p;
	uint32_t claim = image->meta->claim_fact, n_claims = 0;
	size_t words = image->n_exception_rules / 64 + 1;

	if (claim != PQ_NO_INDEX)
		n_claims = p->domains[p->attrs[claim].domain].symbols.n;
	image->consider_words = (uint32_t)words;
	image->considered_always = calloc(words, sizeof(uint64_t));
	image->considered_by_claim = calloc(((size_t)n_claims + 1) * words, sizeof(uint64_t));
	image->considered_by_fact = calloc((p->n_attrs + 1) * words, sizeof(uint64_t));
	image->exception_numbers = calloc(p->n_rules + 1, sizeof(*image->exception_numbers));
	image->claim_facts = calloc(p->n_attrs + 1, sizeof(*image->claim_facts));
	if (image->considered_always == NULL || image->considered_by_claim == NULL || image->considered_by_fact == NULL ||
	    image->claim_facts == NULL || image->exception_numbers == NULL || !index_main(image))
		return false;
	for (size_t i = 0; i < image->n_exception_rules; i++)
		index_exception(image, i, n_claims);
	return place_claims(image);
}

void
pq_image_free_rules(struct pq_image *image)
{
	free(image->main_of_slot);
	free(image->main_of);
	free(image->considered_always);
	free(image->considered_by_claim);
	free(image->considered_by_fact);
	free(image->claim_facts);
	free(image->claim_of_slot);
	for (int scope = 0; scope < PQ_SCOPE_COUNT; scope++)
		free(image->claim_slots[scope]);
	free(image->exception_numbers);
}

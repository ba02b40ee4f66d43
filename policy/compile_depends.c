/*
 * Which attributes an attribute depends on, directly or not: what the analysis of packs asks.
 */
#include "policy/build.h"

#include <string.h>

static uint64_t *
set_of(struct pq_builder *b, uint32_t attr)
{
	return b->depends + (size_t)attr * b->meta.attr_words;
}

static void
join_attr(struct pq_builder *b, uint64_t *to, uint32_t attr)
{
	if (attr == PQ_NO_INDEX)
		return;
	for (uint32_t i = 0; i < b->meta.attr_words; i++)
		to[i] |= set_of(b, attr)[i];
}

static void
join_dnf(struct pq_builder *b, uint64_t *to, const struct pq_dnf *dnf)
{
	for (size_t i = 0; i < dnf->n; i++) {
		for (size_t k = 0; k < dnf->conjs[i].n; k++) {
			const struct pq_cond *cond = &dnf->conjs[i].conds[k];
			if (cond->inner != NULL)
				join_dnf(b, to, cond->inner);
			else
				join_attr(b, to, cond->attr);
		}
	}
}

static void
join_amendment(struct pq_builder *b, uint64_t *to, uint32_t amendment)
{
	if (amendment != PQ_NO_INDEX)
		join_attr(b, to, b->model->amendments[amendment].saved);
}

static void
join_condition(struct pq_builder *b, uint64_t *to, const struct pq_dnf *dnf, const struct pq_rule *rule)
{
	join_dnf(b, to, dnf);
	if (rule == NULL)
		return;
	if (rule->jurisdiction != PQ_NO_INDEX)
		join_attr(b, to, PQ_ATTR_JURISDICTION);
	join_amendment(b, to, rule->amendment);
	join_amendment(b, to, rule->ended_by);
}

static void
join_lookup(struct pq_builder *b, uint64_t *to, const struct pq_lookup *lookup)
{
	const struct pq_table *table = &b->model->tables[lookup->table];

	for (size_t i = 0; i < lookup->n_keys; i++)
		join_attr(b, to, lookup->keys[i].attr);
	for (size_t i = 0; i < table->n_rows; i++) {
		for (size_t k = 0; k < table->rows[i].n_ifs; k++)
			join_attr(b, to, table->rows[i].ifs[k].attr);
		join_amendment(b, to, table->rows[i].amendment);
		join_amendment(b, to, table->rows[i].ended_by);
	}
}

static void
join_source(struct pq_builder *b, uint64_t *to, const struct pq_rule *rule)
{
	join_condition(b, to, &rule->when, rule);
	switch (rule->derive) {
	case PQ_DERIVE_SET:
		return;
	case PQ_DERIVE_COPY:
	case PQ_DERIVE_COMPARE:
	case PQ_DERIVE_SAME:
	case PQ_DERIVE_LINES:
		join_attr(b, to, rule->left);
		join_attr(b, to, rule->right);
		return;
	case PQ_DERIVE_LOOKUP:
		join_lookup(b, to, &rule->lookup);
		return;
	case PQ_DERIVE_SUM:
		for (size_t i = 0; i < rule->n_terms; i++)
			join_attr(b, to, rule->terms[i].attr);
		return;
	case PQ_DERIVE_COUNT:
		join_dnf(b, to, rule->inner);
		return;
	}
}

static void
fill_attr(struct pq_builder *b, uint32_t attr)
{
	const struct pq_attr *a = &b->model->attrs[attr];
	uint64_t *to = set_of(b, attr);

	to[attr / 64] |= UINT64_C(1) << (attr % 64);
	if ((a->type == PQ_TYPE_PATH || a->type == PQ_TYPE_CODE) && a->path != PQ_NO_INDEX) {
		/* A code and its path are computed together. */
		to[a->path / 64] |= UINT64_C(1) << (a->path % 64);
		join_attr(b, to, a->path);
	}
	for (size_t i = 0; i < a->n_silence; i++) {
		join_dnf(b, to, &a->silence[i].when);
		join_attr(b, to, a->silence[i].copy);
		join_attr(b, to, a->silence[i].lines_sum);
		join_attr(b, to, a->silence[i].lines_same);
	}
	for (size_t i = 0; i < b->attr_rules[attr].n; i++)
		join_source(b, to, &b->model->rules[b->attr_rules[attr].at[i]]);
}

void
pq_build_depends(struct pq_builder *b)
{
	b->meta.attr_words = (uint32_t)((b->model->n_attrs + 63) / 64);
	b->depends = pq_build_alloc(b, b->model->n_attrs * (size_t)b->meta.attr_words, sizeof(*b->depends));
	if (b->depends == NULL)
		return;
	/* By level, so that what an attribute depends on is complete before it; twice for paths, which share a level. */
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t level = 0; level <= b->main_level; level++) {
			for (uint32_t i = 0; i < b->model->n_attrs; i++) {
				if (b->attr_level[i] == level)
					fill_attr(b, i);
			}
		}
	}
}

uint32_t
pq_build_attr_depends(struct pq_builder *b, uint32_t attr)
{
	uint32_t first;
	uint64_t *out = pq_build_append(b, PQ_SECTION_WORDS, b->meta.attr_words, &first);

	if (!b->oom)
		memcpy(out, set_of(b, attr), b->meta.attr_words * sizeof(*out));
	return first;
}

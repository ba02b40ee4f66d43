/*
 * The order of the alternatives in a sparse space.
 *
 * A block is passed over when one column leaves nothing of it, so rules that name the same things ought to share blocks:
 * they are put in order by what they name, of the attributes that tell most of them apart. That order is of the bitmaps
 * alone; rules keep their own.
 */
#include "policy/build.h"

/* How much a condition tells rules apart: the bits that its choice among the symbols of the domain takes. */
static uint64_t
weight_of(const struct pq_builder *b, const struct pq_cond *cond)
{
	if (cond->inner != NULL || cond->op != PQ_OP_ANY || cond->symbols.n == 0)
		return 0;
	size_t n_symbols = b->model->domains[b->model->attrs[cond->attr].domain].n_symbols;
	int wide = 64 - __builtin_clzll(n_symbols | 1), said = 64 - __builtin_clzll(cond->symbols.n);
	return wide > said ? (uint64_t)(wide - said) : 0;
}

static bool
is_clustered(const struct pq_builder *b, const struct pq_node *node)
{
	return node->level == b->main_level && node->scope == PQ_SCOPE_REQUEST && node->dnf->n > 0;
}

static void
heaviest(const uint64_t *weights, size_t n_attrs, uint32_t attrs[PQ_CLUSTER_KEYS])
{
	for (size_t k = 0; k < PQ_CLUSTER_KEYS; k++) {
		attrs[k] = PQ_NO_INDEX;
		for (uint32_t a = 0; a < n_attrs; a++) {
			bool taken = false;
			for (size_t i = 0; i < k; i++)
				taken |= attrs[i] == a;
			if (!taken && weights[a] > (attrs[k] != PQ_NO_INDEX ? weights[attrs[k]] : 0))
				attrs[k] = a;
		}
	}
}

/* The first symbol that the first alternative names; those that name none come last. */
static uint32_t
key_of(const struct pq_node *node, uint32_t attr)
{
	const struct pq_conj *conj = &node->dnf->conjs[0];

	for (size_t i = 0; i < conj->n; i++) {
		const struct pq_cond *cond = &conj->conds[i];
		if (cond->inner == NULL && cond->op == PQ_OP_ANY && cond->attr == attr && cond->symbols.n > 0)
			return cond->symbols.at[0];
	}
	return PQ_NO_INDEX;
}

void
pq_build_cluster(struct pq_builder *b)
{
	struct pq_node *nodes = b->nodes.at;
	uint64_t *weights = pq_build_alloc(b, b->model->n_attrs, sizeof(*weights));
	uint32_t attrs[PQ_CLUSTER_KEYS];
	size_t n = 0;

	for (size_t i = 0; weights != NULL && i < b->nodes.n; i++) {
		if (!is_clustered(b, &nodes[i]))
			continue;
		n++;
		for (size_t k = 0; k < nodes[i].dnf->conjs[0].n; k++) {
			const struct pq_cond *cond = &nodes[i].dnf->conjs[0].conds[k];
			if (cond->inner == NULL)
				weights[cond->attr] += weight_of(b, cond);
		}
	}
	b->sparse = n > 0 && n >= b->sparse_from;
	if (!b->sparse || weights == NULL)
		return;
	heaviest(weights, b->model->n_attrs, attrs);
	for (size_t i = 0; i < b->nodes.n; i++) {
		for (size_t k = 0; k < PQ_CLUSTER_KEYS && is_clustered(b, &nodes[i]); k++)
			nodes[i].key[k] = key_of(&nodes[i], attrs[k]);
	}
}

#include "policy/pack_loader.h"

#include <string.h>

/** One attribute needs another, because of what stands at `src`. */
struct edge {
	uint32_t to;
	uint32_t next; /* of the same attribute; PQ_NO_INDEX = last */
	struct pq_src src;
};

enum color { WHITE, GREY, BLACK };

struct graph {
	struct pq_loader *ld;
	PQ_VEC(struct edge) edges;
	uint32_t *first; /* edge of each attribute */
	uint32_t *via;   /* the edge by which the walk is going on from a grey attribute */
	enum color *colors;
};

static void
add_edge(struct graph *graph, uint32_t from, uint32_t to, struct pq_src src)
{
	if (to == PQ_NO_INDEX)
		return;
	/* Once is enough, or a circle through a table would be told for each of its rows. */
	for (uint32_t edge = graph->first[from]; edge != PQ_NO_INDEX; edge = graph->edges.at[edge].next) {
		if (graph->edges.at[edge].to == to)
			return;
	}
	*PQ_VEC_PUSH(graph->ld, &graph->edges) = (struct edge){to, graph->first[from], src};
	graph->first[from] = (uint32_t)graph->edges.n - 1;
}

static void
add_dnf(struct graph *graph, uint32_t from, const struct pq_dnf *dnf)
{
	for (size_t i = 0; i < dnf->n; i++) {
		for (size_t j = 0; j < dnf->conjs[i].n; j++) {
			const struct pq_cond *cond = &dnf->conjs[i].conds[j];
			if (cond->op <= PQ_OP_RANGE)
				add_edge(graph, from, cond->attr, cond->src);
			else if (cond->inner != NULL)
				add_dnf(graph, from, cond->inner);
		}
	}
}

static void
add_saved(struct graph *graph, uint32_t from, uint32_t amendment, struct pq_src src)
{
	if (amendment != PQ_NO_INDEX)
		add_edge(graph, from, graph->ld->amendments.at[amendment].saved, src);
}

static void
add_lookup(struct graph *graph, const struct pq_rule *rule)
{
	const struct pq_table *table = &graph->ld->tables.at[rule->lookup.table];

	for (size_t i = 0; i < rule->lookup.n_keys; i++)
		add_edge(graph, rule->attr, rule->lookup.keys[i].attr, rule->src);
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct pq_row *row = &table->rows[i];
		for (size_t j = 0; j < row->n_ifs; j++)
			add_edge(graph, rule->attr, row->ifs[j].attr, row->src);
		add_saved(graph, rule->attr, row->amendment, row->src);
		add_saved(graph, rule->attr, row->ended_by, row->src);
	}
}

static void
add_rule(struct graph *graph, const struct pq_rule *rule)
{
	if ((rule->kind != PQ_KIND_DERIVE && rule->kind != PQ_KIND_JURISDICTION) || rule->attr == PQ_NO_INDEX)
		return;
	add_dnf(graph, rule->attr, &rule->when);
	add_saved(graph, rule->attr, rule->amendment, rule->src);
	add_saved(graph, rule->attr, rule->ended_by, rule->src);
	if (rule->jurisdiction != PQ_NO_INDEX)
		add_edge(graph, rule->attr, PQ_ATTR_JURISDICTION, rule->src);
	add_edge(graph, rule->attr, rule->left, rule->src);
	add_edge(graph, rule->attr, rule->right, rule->src);
	for (size_t i = 0; i < rule->n_terms; i++)
		add_edge(graph, rule->attr, rule->terms[i].attr, rule->src);
	if (rule->inner != NULL)
		add_dnf(graph, rule->attr, rule->inner);
	if (rule->lookup.table != PQ_NO_INDEX)
		add_lookup(graph, rule);
}

static void
add_fact(struct graph *graph, uint32_t index)
{
	const struct pq_attr *attr = &graph->ld->attrs.at[index];

	for (size_t i = 0; i < attr->n_silence; i++) {
		const struct pq_silence *silence = &attr->silence[i];
		add_dnf(graph, index, &silence->when);
		add_edge(graph, index, silence->copy, silence->src);
		add_edge(graph, index, silence->lines_sum, silence->src);
		add_edge(graph, index, silence->lines_same, silence->src);
	}
	if (attr->type == PQ_TYPE_PATH)
		add_edge(graph, index, attr->path, attr->src);
}

/** Tell the circle from `start` over the grey attributes back to it, at what closes it. */
static void
tell(struct graph *graph, uint32_t start)
{
	struct pq_loader *ld = graph->ld;
	const char *chain = ld->attrs.at[start].name;
	const struct edge *edge;
	uint32_t at = start;

	do {
		edge = &graph->edges.at[graph->via[at]];
		chain = pq_ld_printf(ld, "%s%s needs %s", chain, at == start ? "" : ", which", ld->attrs.at[edge->to].name);
		at = edge->to;
	} while (at != start);
	pq_ld_error(ld, edge->src, "an attribute that depends on itself: %s", chain);
}

/* Depth-first with its own stack: a chain of attributes may be as long as their number. */
static void
walk(struct graph *graph, uint32_t root, uint32_t *stack)
{
	size_t depth = 0;

	stack[depth++] = root;
	graph->colors[root] = GREY;
	graph->via[root] = graph->first[root];
	while (depth != 0) {
		uint32_t attr = stack[depth - 1], edge = graph->via[attr];

		if (edge == PQ_NO_INDEX) {
			graph->colors[attr] = BLACK;
			depth--;
			if (depth != 0)
				graph->via[stack[depth - 1]] = graph->edges.at[graph->via[stack[depth - 1]]].next;
			continue;
		}
		uint32_t to = graph->edges.at[edge].to;
		if (graph->colors[to] == WHITE) {
			graph->colors[to] = GREY;
			graph->via[to] = graph->first[to];
			stack[depth++] = to;
			continue;
		}
		if (graph->colors[to] == GREY)
			tell(graph, to);
		graph->via[attr] = graph->edges.at[edge].next;
	}
}

void
pq_ld_check_cycles(struct pq_loader *ld)
{
	size_t n = ld->attrs.n;
	struct graph graph = {.ld = ld};
	uint32_t *stack = pq_ld_array(ld, n, sizeof(*stack));

	graph.first = pq_ld_array(ld, n, sizeof(uint32_t));
	graph.via = pq_ld_array(ld, n, sizeof(uint32_t));
	graph.colors = pq_ld_array(ld, n, sizeof(enum color));
	memset(graph.first, 0xff, n * sizeof(uint32_t));
	for (uint32_t i = 0; i < n; i++)
		add_fact(&graph, i);
	for (size_t i = 0; i < ld->rules.n; i++)
		add_rule(&graph, &ld->rules.at[i]);
	for (uint32_t i = 0; i < n; i++) {
		if (graph.colors[i] == WHITE)
			walk(&graph, i, stack);
	}
}

/*
 * Levels: the order in which attributes and conditions can be evaluated, and the list of all conditions.
 *
 * An attribute's level is one above everything it depends on; a condition's level is the highest of the attributes and
 * quantified conditions in it. A cycle between attributes is found here.
 */
#include "policy/build.h"

#include <stdlib.h>
#include <string.h>

/* Within a level, spaces are matched in this order: a party's condition may look at its owners, a request's at all. */
static int
rank_of(enum pq_scope scope)
{
	switch (scope) {
	case PQ_SCOPE_OWNER: return 0;
	case PQ_SCOPE_HIT: return 1;
	case PQ_SCOPE_INTERMEDIATE: return 2;
	case PQ_SCOPE_PARTY: return 3;
	case PQ_SCOPE_REQUEST:
	case PQ_SCOPE_DECISION:
	case PQ_SCOPE_COUNT: break;
	}
	return 4;
}

static bool
is_always(const struct pq_dnf *dnf)
{
	return dnf->n == 1 && dnf->conjs[0].n == 0;
}

static bool
rule_adds(const struct pq_model *model, const struct pq_rule *rule)
{
	(void)model;
	return rule != NULL && (rule->from != PQ_DATE_MIN || rule->to != PQ_DATE_MAX || rule->n_stays > 0 ||
	                        rule->amendment != PQ_NO_INDEX || rule->ended_by != PQ_NO_INDEX ||
	                        rule->jurisdiction != PQ_NO_INDEX);
}

static size_t
node_hash(const struct pq_dnf *dnf, const struct pq_rule *rule)
{
	uint64_t mixed = ((uintptr_t)dnf >> 3) * 0x9e3779b97f4a7c15u ^ ((uintptr_t)rule >> 3) * 0xc2b2ae3d27d4eb4fu;

	return (size_t)(mixed ^ (mixed >> 29));
}

static uint32_t
find_node(const struct pq_builder *b, const struct pq_dnf *dnf, const struct pq_rule *rule)
{
	if (b->n_node_slots == 0)
		return PQ_NO_INDEX;
	size_t mask = b->n_node_slots - 1;
	const struct pq_node *nodes = b->nodes.at;

	for (size_t at = node_hash(dnf, rule) & mask; b->node_slots[at] != 0; at = (at + 1) & mask) {
		const struct pq_node *node = &nodes[b->node_slots[at] - 1];
		if (node->dnf == dnf && node->rule == rule)
			return b->node_slots[at] - 1;
	}
	return PQ_NO_INDEX;
}

static bool
grow_nodes(struct pq_builder *b)
{
	size_t cap = b->nodes.cap > 0 ? b->nodes.cap * 2 : 1024;
	struct pq_node *nodes = pq_arena_array(b->arena, cap, sizeof(*nodes));
	uint32_t *slots = pq_arena_array(b->arena, cap * 2, sizeof(*slots));

	if (nodes == NULL || slots == NULL) {
		b->oom = true;
		return false;
	}
	if (b->nodes.n > 0)
		memcpy(nodes, b->nodes.at, b->nodes.n * sizeof(*nodes));
	for (size_t i = 0; i < b->nodes.n; i++) {
		size_t at = node_hash(nodes[i].dnf, nodes[i].rule) & (cap * 2 - 1);
		while (slots[at] != 0)
			at = (at + 1) & (cap * 2 - 1);
		slots[at] = (uint32_t)i + 1;
	}
	b->nodes.at = nodes;
	b->nodes.cap = cap;
	b->node_slots = slots;
	b->n_node_slots = cap * 2;
	return true;
}

static void
add_node(struct pq_builder *b, struct pq_node node)
{
	if (find_node(b, node.dnf, node.rule) != PQ_NO_INDEX)
		return;
	if (b->nodes.n == b->nodes.cap && !grow_nodes(b))
		return;
	size_t mask = b->n_node_slots - 1;
	size_t at = node_hash(node.dnf, node.rule) & mask;
	while (b->node_slots[at] != 0)
		at = (at + 1) & mask;
	((struct pq_node *)b->nodes.at)[b->nodes.n] = node;
	b->node_slots[at] = (uint32_t)++b->nodes.n;
}

static enum pq_status attr_level(struct pq_builder *b, uint32_t attr, uint32_t *ret_level);

static enum pq_status
raise(struct pq_builder *b, uint32_t attr, uint32_t *level)
{
	uint32_t other;

	if (attr == PQ_NO_INDEX)
		return PQ_OK;
	enum pq_status status = attr_level(b, attr, &other);
	if (status == PQ_OK && other > *level)
		*level = other;
	return status;
}

static enum pq_status
dnf_level(struct pq_builder *b, const struct pq_dnf *dnf, enum pq_scope scope, uint32_t *level)
{
	enum pq_status status = PQ_OK;

	for (size_t i = 0; i < dnf->n; i++) {
		for (size_t k = 0; k < dnf->conjs[i].n && status == PQ_OK; k++) {
			const struct pq_cond *cond = &dnf->conjs[i].conds[k];
			if (cond->inner == NULL) {
				status = raise(b, cond->attr, level);
				continue;
			}
			uint32_t inner = 0;
			status = dnf_level(b, cond->inner, cond->scope, &inner);
			/* A condition of the same or an outer scope is matched only after this one at the same level. */
			if (rank_of(cond->scope) >= rank_of(scope))
				inner++;
			if (inner > *level)
				*level = inner;
		}
	}
	return status;
}

static enum pq_status
rule_level(struct pq_builder *b, const struct pq_rule *rule, uint32_t *level)
{
	const struct pq_model *model = b->model;
	enum pq_status status =
	    dnf_level(b, &rule->when, rule->attr != PQ_NO_INDEX ? model->attrs[rule->attr].scope : PQ_SCOPE_REQUEST, level);

	if (status == PQ_OK && rule->jurisdiction != PQ_NO_INDEX)
		status = raise(b, PQ_ATTR_JURISDICTION, level);
	if (status == PQ_OK && rule->amendment != PQ_NO_INDEX)
		status = raise(b, model->amendments[rule->amendment].saved, level);
	if (status == PQ_OK && rule->ended_by != PQ_NO_INDEX)
		status = raise(b, model->amendments[rule->ended_by].saved, level);
	return status;
}

static enum pq_status
lookup_level(struct pq_builder *b, const struct pq_lookup *lookup, uint32_t *level)
{
	const struct pq_model *model = b->model;
	const struct pq_table *table = &model->tables[lookup->table];
	enum pq_status status = PQ_OK;

	for (size_t i = 0; i < lookup->n_keys && status == PQ_OK; i++)
		status = raise(b, lookup->keys[i].attr, level);
	for (size_t i = 0; i < table->n_rows && status == PQ_OK; i++) {
		const struct pq_row *row = &table->rows[i];
		for (size_t k = 0; k < row->n_ifs && status == PQ_OK; k++)
			status = raise(b, row->ifs[k].attr, level);
		if (status == PQ_OK && row->amendment != PQ_NO_INDEX)
			status = raise(b, model->amendments[row->amendment].saved, level);
		if (status == PQ_OK && row->ended_by != PQ_NO_INDEX)
			status = raise(b, model->amendments[row->ended_by].saved, level);
	}
	return status;
}

static enum pq_status
derive_level(struct pq_builder *b, const struct pq_rule *rule, uint32_t *level)
{
	enum pq_status status = rule_level(b, rule, level);

	if (status != PQ_OK)
		return status;
	switch (rule->derive) {
	case PQ_DERIVE_COPY:
		return raise(b, rule->left, level);
	case PQ_DERIVE_LOOKUP:
		return lookup_level(b, &rule->lookup, level);
	case PQ_DERIVE_COMPARE:
	case PQ_DERIVE_SAME:
		status = raise(b, rule->left, level);
		return status == PQ_OK ? raise(b, rule->right, level) : status;
	case PQ_DERIVE_SUM:
		for (size_t i = 0; i < rule->n_terms && status == PQ_OK; i++)
			status = raise(b, rule->terms[i].attr, level);
		return status;
	case PQ_DERIVE_COUNT: {
		uint32_t inner = 0;
		status = dnf_level(b, rule->inner, rule->scope, &inner);
		if (rank_of(rule->scope) >= rank_of(b->model->attrs[rule->attr].scope))
			inner++;
		if (inner > *level)
			*level = inner;
		return status;
	}
	case PQ_DERIVE_SET:
	case PQ_DERIVE_LINES: /* reads what the lines say, not what follows from it */
		break;
	}
	return PQ_OK;
}

static bool
has_sources(const struct pq_builder *b, uint32_t attr)
{
	const struct pq_attr *a = &b->model->attrs[attr];

	for (size_t i = 0; i < a->n_silence; i++) {
		if (!is_always(&a->silence[i].when) || a->silence[i].copy != PQ_NO_INDEX)
			return true;
	}
	return b->attr_rules[attr].n > 0;
}

static enum pq_status
attr_level(struct pq_builder *b, uint32_t attr, uint32_t *ret_level)
{
	const struct pq_attr *a = &b->model->attrs[attr];
	uint32_t level = 0;
	enum pq_status status = PQ_OK;

	if (b->attr_state[attr] == 2 || a->scope == PQ_SCOPE_DECISION) {
		*ret_level = b->attr_level[attr];
		return PQ_OK;
	}
	if (b->attr_state[attr] == 1)
		return pq_fail_at(b->err, PQ_EPARSE, a->src.file, a->src.line, a->src.column, "attribute \"%s\" depends on itself",
		                  a->name);
	if (a->type == PQ_TYPE_PATH) /* comes with its code */
		return attr_level(b, a->path, ret_level);

	b->attr_state[attr] = 1;
	for (size_t i = 0; i < a->n_silence && status == PQ_OK; i++) {
		status = dnf_level(b, &a->silence[i].when, a->scope, &level);
		if (status == PQ_OK)
			status = raise(b, a->silence[i].copy, &level);
	}
	for (size_t i = 0; i < b->attr_rules[attr].n && status == PQ_OK; i++)
		status = derive_level(b, &b->model->rules[b->attr_rules[attr].at[i]], &level);
	if (status != PQ_OK)
		return status;
	b->attr_state[attr] = 2;
	b->attr_level[attr] = has_sources(b, attr) ? level + 1 : 0;
	*ret_level = b->attr_level[attr];
	return PQ_OK;
}

static void
register_dnf(struct pq_builder *b, const struct pq_dnf *dnf, const struct pq_rule *rule, enum pq_scope scope,
             uint32_t level, uint32_t owner)
{
	for (size_t i = 0; i < dnf->n; i++) {
		for (size_t k = 0; k < dnf->conjs[i].n; k++) {
			const struct pq_cond *cond = &dnf->conjs[i].conds[k];
			uint32_t inner = 0;
			/* Cycles were found before; this cannot fail any more. */
			if (cond->inner != NULL && dnf_level(b, cond->inner, cond->scope, &inner) == PQ_OK)
				register_dnf(b, cond->inner, NULL, cond->scope, inner, PQ_NO_INDEX);
		}
	}
	add_node(b, (struct pq_node){.dnf = dnf, .rule = rule, .scope = scope, .level = level, .owner = owner});
}

static void
register_attr(struct pq_builder *b, uint32_t attr)
{
	const struct pq_attr *a = &b->model->attrs[attr];

	for (size_t i = 0; i < a->n_silence; i++) {
		uint32_t level = 0;
		if (!is_always(&a->silence[i].when) && dnf_level(b, &a->silence[i].when, a->scope, &level) == PQ_OK)
			register_dnf(b, &a->silence[i].when, NULL, a->scope, level, PQ_NO_INDEX);
	}
	for (size_t i = 0; i < b->attr_rules[attr].n; i++) {
		uint32_t index = b->attr_rules[attr].at[i];
		const struct pq_rule *rule = &b->model->rules[index];
		uint32_t level = 0;
		if ((!is_always(&rule->when) || rule_adds(b->model, rule)) && rule_level(b, rule, &level) == PQ_OK)
			register_dnf(b, &rule->when, rule, a->scope, level, index);
		level = 0;
		if (rule->inner != NULL && dnf_level(b, rule->inner, rule->scope, &level) == PQ_OK)
			register_dnf(b, rule->inner, NULL, rule->scope, level, PQ_NO_INDEX);
	}
}

static bool
is_post(enum pq_kind kind)
{
	return kind == PQ_KIND_REVIEW || kind == PQ_KIND_OBLIGATION || kind == PQ_KIND_WARNING;
}

static void
register_rules(struct pq_builder *b)
{
	for (size_t i = 0; i < b->model->n_rules; i++) {
		const struct pq_rule *rule = &b->model->rules[i];
		if (rule->kind == PQ_KIND_DERIVE || rule->kind == PQ_KIND_JURISDICTION)
			continue;
		uint32_t level = b->main_level + is_post(rule->kind);
		register_dnf(b, &rule->when, rule, is_post(rule->kind) ? PQ_SCOPE_DECISION : PQ_SCOPE_REQUEST, level, (uint32_t)i);
		if (rule->has_unless_shown)
			register_dnf(b, &rule->unless_shown, NULL, PQ_SCOPE_DECISION, b->main_level + 1, PQ_NO_INDEX);
	}
}

static int
compare_nodes(const void *left, const void *right, void *context)
{
	const struct pq_node *nodes = context;
	const struct pq_node *l = &nodes[*(const uint32_t *)left], *r = &nodes[*(const uint32_t *)right];

	if (l->level != r->level)
		return l->level < r->level ? -1 : 1;
	if (rank_of(l->scope) != rank_of(r->scope))
		return rank_of(l->scope) - rank_of(r->scope);
	for (size_t i = 0; i < PQ_CLUSTER_KEYS; i++) {
		if (l->key[i] != r->key[i])
			return l->key[i] < r->key[i] ? -1 : 1;
	}
	return *(const uint32_t *)left < *(const uint32_t *)right ? -1 : 1;
}

static void
number_nodes(struct pq_builder *b)
{
	uint32_t *order = pq_build_alloc(b, b->nodes.n, sizeof(*order));
	struct pq_node *nodes = b->nodes.at;

	if (order == NULL)
		return;
	for (size_t i = 0; i < b->nodes.n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, b->nodes.n, sizeof(*order), compare_nodes, nodes);
	for (size_t i = 0; i < b->nodes.n; i++)
		nodes[order[i]].index = (uint32_t)i;
}

/* derive rules by attribute, in the order in which they count: `order`, then the order of the model. */
static void
collect_attr_rules(struct pq_builder *b)
{
	const struct pq_model *model = b->model;

	b->attr_rules = pq_build_alloc(b, model->n_attrs, sizeof(*b->attr_rules));
	if (b->attr_rules == NULL)
		return;
	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < model->n_rules; i++) {
			const struct pq_rule *rule = &model->rules[i];
			if (rule->kind != PQ_KIND_DERIVE && rule->kind != PQ_KIND_JURISDICTION)
				continue;
			struct pq_indexes *list = &b->attr_rules[rule->attr];
			if (pass == 0) {
				list->n++;
				continue;
			}
			if (list->at == NULL) {
				list->at = pq_build_alloc(b, list->n, sizeof(*list->at));
				list->n = 0;
				if (list->at == NULL)
					return;
			}
			size_t at = list->n++;
			for (; at > 0 && model->rules[list->at[at - 1]].order > rule->order; at--)
				list->at[at] = list->at[at - 1];
			list->at[at] = (uint32_t)i;
		}
	}
}

enum pq_status
pq_build_levels(struct pq_builder *b)
{
	const struct pq_model *model = b->model;
	uint32_t highest = 0;

	collect_attr_rules(b);
	b->attr_level = pq_build_alloc(b, model->n_attrs, sizeof(*b->attr_level));
	b->attr_state = pq_build_alloc(b, model->n_attrs, sizeof(*b->attr_state));
	if (b->oom)
		return pq_fail(b->err, PQ_ENOMEM, "out of memory while compiling");
	for (size_t i = 0; i < model->n_attrs; i++) {
		uint32_t level;
		enum pq_status status = attr_level(b, (uint32_t)i, &level);
		if (status != PQ_OK)
			return status;
		if (level > highest)
			highest = level;
	}
	for (size_t i = 0; i < model->n_attrs; i++) {
		if (model->attrs[i].type == PQ_TYPE_PATH)
			b->attr_level[i] = b->attr_level[model->attrs[i].path];
		register_attr(b, (uint32_t)i);
	}
	/* Conditions inside main rules can lie above every attribute, by one for each nested quantifier. */
	b->main_level = highest + 4;
	for (size_t i = 0; i < model->n_attrs; i++) {
		if (model->attrs[i].scope == PQ_SCOPE_DECISION)
			b->attr_level[i] = b->main_level + 1;
	}
	register_rules(b);
	pq_build_cluster(b);
	number_nodes(b);
	return PQ_OK;
}

uint32_t
pq_build_dnf_index(const struct pq_builder *b, const struct pq_dnf *dnf, const struct pq_rule *rule)
{
	uint32_t node = find_node(b, dnf, rule);

	return node == PQ_NO_INDEX ? PQ_NO_INDEX : ((const struct pq_node *)b->nodes.at)[node].index;
}

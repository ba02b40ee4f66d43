#include "policy/pack_loader.h"

#include <string.h>

static const char *const ways[] = {"set", "copy", "lookup", "sum", "compare", "count", "same", "lines", NULL};
static const char *const lookup_keys[] = {"table", "where", "only", "take", NULL};
static const char *const sum_keys[] = {"of", "minus", "times", NULL};
static const char *const compare_keys[] = {"left", "op", "right", NULL};
static const char *const same_keys[] = {"left", "right", NULL};

/** The scope that the rule's attributes are seen from. */
static enum pq_scope
scope_of(const struct pq_loader *ld, const struct pq_rule *rule)
{
	return ld->attrs.at[rule->attr].scope;
}

static bool
gives(struct pq_loader *ld, const struct pq_rule *rule, enum pq_type type, const struct pq_node *node, const char *what)
{
	const struct pq_attr *attr = &ld->attrs.at[rule->attr];

	if (attr->type == type)
		return true;
	pq_ld_error(ld, node->src, "%s gives a %s, and \"%s\" is of type %s", what, pq_type_name(type), attr->name,
	            pq_type_name(attr->type));
	return false;
}

static uint32_t
typed_attr(struct pq_loader *ld, const struct pq_node *node, enum pq_scope scope, enum pq_type type)
{
	uint32_t attr = pq_ld_attr_seen(ld, node, scope);

	if (attr == PQ_NO_INDEX || ld->attrs.at[attr].type == type)
		return attr;
	pq_ld_error(ld, node->src, "\"%s\" is no %s", ld->attrs.at[attr].name, pq_type_name(type));
	return PQ_NO_INDEX;
}

static void
read_set(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	const struct pq_attr *attr = &ld->attrs.at[rule->attr];

	rule->derive = PQ_DERIVE_SET;
	if (!pq_ld_literal(ld, attr->type, attr->domain, node, &rule->set))
		return;
	if (attr->type == PQ_TYPE_BOOL && rule->set.symbols.at[0] != PQ_BOOL_TRUE)
		pq_ld_error(ld, node->src, "a bool is false unless a rule makes it true: only \"true\" can be set");
	if (rule->set.none || (attr->type == PQ_TYPE_SYMBOLS && rule->set.symbols.n == 0))
		pq_ld_error(ld, node->src, "sets nothing: an attribute that no rule sets has no value");
}

static void
read_copy(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	rule->derive = PQ_DERIVE_COPY;
	rule->left = pq_ld_attr_seen(ld, node, scope_of(ld, rule));
	if (rule->left != PQ_NO_INDEX)
		(void)pq_ld_copies(ld, rule->left, rule->attr, node->src);
}

/* ---- lookups ----------------------------------------------------------------------------------------------------- */

static void
read_key(struct pq_loader *ld, const struct pq_node *column_node, const struct pq_node *attr_node, struct pq_rule *rule)
{
	struct pq_lookup *lookup = &rule->lookup;
	uint32_t column = pq_ld_column(ld, lookup->table, column_node);
	uint32_t attr = pq_ld_attr_seen(ld, attr_node, scope_of(ld, rule));

	if (column == PQ_NO_INDEX || attr == PQ_NO_INDEX)
		return;
	const struct pq_column *decl = &ld->tables.at[lookup->table].columns[column];
	const struct pq_attr *key = &ld->attrs.at[attr];
	bool symbols = decl->type == PQ_TYPE_SYMBOL || decl->type == PQ_TYPE_SYMBOLS || decl->type == PQ_TYPE_BOOL;
	if ((symbols && key->domain == decl->domain) || (decl->type == PQ_TYPE_PATH && key->type == PQ_TYPE_PATH)) {
		lookup->keys[lookup->n_keys++] = (struct pq_lookup_key){column, attr};
		return;
	}
	if (symbols || decl->type == PQ_TYPE_PATH) {
		pq_ld_error(ld, attr_node->src, "\"%s\" has another type or domain than the column \"%s\"", key->name,
		            decl->name);
	} else {
		pq_ld_error(ld, column_node->src, "a lookup cannot join by a column of type %s: symbols, bools and paths only",
		            pq_type_name(decl->type));
	}
}

static void
read_only(struct pq_loader *ld, const struct pq_node *column_node, const struct pq_node *list, struct pq_rule *rule)
{
	struct pq_lookup *lookup = &rule->lookup;
	uint32_t column = pq_ld_column(ld, lookup->table, column_node);
	struct pq_lookup_only *only = &lookup->onlys[lookup->n_onlys];

	if (column == PQ_NO_INDEX)
		return;
	const struct pq_column *decl = &ld->tables.at[lookup->table].columns[column];
	if (decl->type != PQ_TYPE_SYMBOL && decl->type != PQ_TYPE_SYMBOLS && decl->type != PQ_TYPE_BOOL) {
		pq_ld_error(ld, column_node->src,
		            "\"only\" holds columns of symbols and bools against symbols; this one is of type %s",
		            pq_type_name(decl->type));
		return;
	}
	only->column = column;
	if (decl->domain != PQ_NO_INDEX && pq_ld_symbols(ld, decl->domain, list, false, &only->symbols))
		lookup->n_onlys++;
}

static void
read_take(struct pq_loader *ld, const struct pq_node *lookup_node, struct pq_rule *rule)
{
	const struct pq_node *take = pq_node_get(lookup_node, "take");
	const struct pq_attr *attr = &ld->attrs.at[rule->attr];

	if (take == NULL) {
		(void)gives(ld, rule, PQ_TYPE_BOOL, lookup_node, "a lookup without \"take\"");
		return;
	}
	rule->lookup.take = pq_ld_column(ld, rule->lookup.table, take);
	if (rule->lookup.take == PQ_NO_INDEX)
		return;
	const struct pq_column *decl = &ld->tables.at[rule->lookup.table].columns[rule->lookup.take];
	bool same = decl->type == attr->type || (decl->type == PQ_TYPE_SYMBOL && attr->type == PQ_TYPE_SYMBOLS);
	if (!same || decl->domain != attr->domain) {
		pq_ld_error(ld, take->src, "the column \"%s\" has another type or domain than \"%s\"", decl->name, attr->name);
		rule->lookup.take = PQ_NO_INDEX;
	}
}

static void
read_lookup(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	rule->derive = PQ_DERIVE_LOOKUP;
	if (!pq_ld_keys(ld, node, "a lookup", lookup_keys))
		return;
	const struct pq_node *table = pq_node_get(node, "table"), *where = pq_node_get(node, "where");
	const struct pq_node *only = pq_node_get(node, "only");
	if (table == NULL || where == NULL || where->kind != PQ_NODE_MAP || where->n == 0) {
		pq_ld_error(ld, where != NULL ? where->src : node->src,
		            "a lookup needs \"table\" and \"where\", a mapping from columns to attributes");
		return;
	}
	if (only != NULL && only->kind != PQ_NODE_MAP) {
		pq_ld_error(ld, only->src, "\"only\" must be a mapping from columns to symbols");
		return;
	}
	rule->lookup.table = pq_ld_table(ld, table);
	if (rule->lookup.table == PQ_NO_INDEX)
		return;
	if (ld->tables.at[rule->lookup.table].reference) {
		pq_ld_error(ld, table->src, "the table \"%s\" is for the reader (reference: true): no rule looks up in it",
		            table->text);
	}
	rule->lookup.keys = pq_ld_array(ld, where->n / 2, sizeof(struct pq_lookup_key));
	for (size_t i = 0; i < where->n; i += 2)
		read_key(ld, where->items[i], where->items[i + 1], rule);
	rule->lookup.onlys = pq_ld_array(ld, only != NULL ? only->n / 2 : 0, sizeof(struct pq_lookup_only));
	for (size_t i = 0; only != NULL && i < only->n; i += 2)
		read_only(ld, only->items[i], only->items[i + 1], rule);
	read_take(ld, node, rule);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static void
add_terms(struct pq_loader *ld, const struct pq_node *node, int64_t times, struct pq_rule *rule)
{
	size_t n;
	struct pq_node *const *items = pq_ld_list(&node, &n);
	struct pq_term *terms = pq_ld_array(ld, rule->n_terms + n, sizeof(*terms));

	if (rule->n_terms != 0)
		memcpy(terms, rule->terms, rule->n_terms * sizeof(*terms));
	rule->terms = terms;
	for (size_t i = 0; i < n; i++) {
		uint32_t attr = typed_attr(ld, items[i], scope_of(ld, rule), PQ_TYPE_NUMBER);
		if (attr != PQ_NO_INDEX)
			terms[rule->n_terms++] = (struct pq_term){attr, times};
	}
}

static void
read_sum(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	rule->derive = PQ_DERIVE_SUM;
	if (!gives(ld, rule, PQ_TYPE_NUMBER, node, "a sum") || !pq_ld_keys(ld, node, "a sum", sum_keys))
		return;
	const struct pq_node *of = pq_node_get(node, "of"), *minus = pq_node_get(node, "minus");
	int64_t times = pq_ld_int_at(ld, node, "times", -1000000, 1000000, 1);
	if (of == NULL && minus == NULL)
		pq_ld_error(ld, node->src, "a sum needs \"of\" or \"minus\"");
	if (of != NULL)
		add_terms(ld, of, times, rule);
	if (minus != NULL)
		add_terms(ld, minus, -times, rule);
}

static void
read_compare(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	rule->derive = PQ_DERIVE_COMPARE;
	if (!gives(ld, rule, PQ_TYPE_BOOL, node, "a comparison") || !pq_ld_keys(ld, node, "compare", compare_keys))
		return;
	const struct pq_node *left = pq_node_get(node, "left"), *op = pq_node_get(node, "op");
	const struct pq_node *right = pq_node_get(node, "right");
	if (left == NULL || op == NULL || right == NULL) {
		pq_ld_error(ld, node->src, "compare needs \"left\", \"op\" and \"right\"");
		return;
	}
	if (op->kind != PQ_NODE_TEXT || !pq_ld_comparison(op->text, &rule->cmp))
		pq_ld_error(ld, op->src, "op must be one of \"<\", \"<=\", \">\", \">=\", \"=\", \"!=\"");
	uint32_t attr = pq_ld_attr_seen(ld, left, scope_of(ld, rule));
	if (attr == PQ_NO_INDEX)
		return;
	enum pq_type type = ld->attrs.at[attr].type;
	if (type != PQ_TYPE_NUMBER && type != PQ_TYPE_DATE) {
		pq_ld_error(ld, left->src, "\"%s\" is neither a number nor a date", ld->attrs.at[attr].name);
		return;
	}
	rule->left = attr;
	char first = right->kind == PQ_NODE_TEXT ? right->text[0] : '\0';
	if (first == '-' || (first >= '0' && first <= '9')) {
		(void)pq_ld_literal(ld, type, PQ_NO_INDEX, right, &rule->set);
		return;
	}
	rule->right = typed_attr(ld, right, scope_of(ld, rule), type);
}

static void
read_count(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	enum pq_scope scope, around;

	rule->derive = PQ_DERIVE_COUNT;
	if (!gives(ld, rule, PQ_TYPE_NUMBER, node, "a count"))
		return;
	if (node->kind != PQ_NODE_MAP || node->n != 2 || !pq_ld_element(node->items[0]->text, &scope)) {
		pq_ld_error(ld, node->src, "count needs one of party, owner, hit and intermediate with a condition");
		return;
	}
	around = scope == PQ_SCOPE_OWNER ? PQ_SCOPE_PARTY : PQ_SCOPE_REQUEST;
	if (scope_of(ld, rule) != around) {
		pq_ld_error(ld, node->items[0]->src, "the %ss cannot be counted for \"%s\"", node->items[0]->text,
		            ld->attrs.at[rule->attr].name);
		return;
	}
	struct pq_dnf *inner = pq_ld_alloc(ld, sizeof(*inner));
	struct pq_ld_place place = {.scope = scope, .inside = true};
	(void)pq_ld_condition(ld, node->items[1], place, inner);
	rule->scope = scope;
	rule->inner = inner;
}

static void
read_same(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	rule->derive = PQ_DERIVE_SAME;
	if (!gives(ld, rule, PQ_TYPE_BOOL, node, "\"same\"") || !pq_ld_keys(ld, node, "same", same_keys))
		return;
	const struct pq_node *left = pq_node_get(node, "left"), *right = pq_node_get(node, "right");
	if (left == NULL || right == NULL) {
		pq_ld_error(ld, node->src, "same needs \"left\" and \"right\"");
		return;
	}
	rule->left = pq_ld_attr_seen(ld, left, scope_of(ld, rule));
	rule->right = pq_ld_attr_seen(ld, right, scope_of(ld, rule));
	if (rule->left == PQ_NO_INDEX || rule->right == PQ_NO_INDEX)
		return;
	const struct pq_attr *a = &ld->attrs.at[rule->left], *b = &ld->attrs.at[rule->right];
	if (a->domain == PQ_NO_INDEX || a->domain != b->domain || a->type == PQ_TYPE_PATH || a->type == PQ_TYPE_BOOL)
		pq_ld_error(ld, node->src, "\"%s\" and \"%s\" have no symbols in common: they need one domain", a->name,
		            b->name);
}

static void
read_lines(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	rule->derive = PQ_DERIVE_LINES;
	if (gives(ld, rule, PQ_TYPE_NUMBER, node, "a sum over lines"))
		(void)pq_ld_lines(ld, node, scope_of(ld, rule), &rule->left, &rule->right);
}

/** The attribute that is derived; false (told): it cannot be. */
static bool
read_target(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	const struct pq_node *name = pq_node_get(node, "attribute");

	if (name == NULL) {
		pq_ld_error(ld, rule->src, "a rule of kind derive needs \"attribute\"");
		return false;
	}
	/* Deriving an attribute is no use of it. */
	uint32_t known = name->kind == PQ_NODE_TEXT ? pq_map_get(&ld->attr_names, name->text) : PQ_NO_INDEX;
	bool used = known != PQ_NO_INDEX && ld->attr_infos.at[known].used;
	uint32_t attr = pq_ld_attr(ld, name);
	if (known != PQ_NO_INDEX) {
		ld->attr_infos.at[known].used = used;
		ld->attr_infos.at[known].given = true;
	}
	if (attr == PQ_NO_INDEX)
		return false;
	if (ld->attrs.at[attr].is_fact || attr < PQ_ATTR_FIRST_DECLARED || strncmp(name->text, "saved.", 6) == 0) {
		pq_ld_error(ld, name->src, "\"%s\" cannot be derived: %s", name->text,
		            ld->attrs.at[attr].is_fact ? "it is a fact, and requests say it" : "the engine sets it");
		return false;
	}
	rule->attr = attr;
	return true;
}

void
pq_ld_rule_derive(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	static void (*const readers[])(struct pq_loader *, const struct pq_node *, struct pq_rule *) = {
		read_set, read_copy, read_lookup, read_sum, read_compare, read_count, read_same, read_lines,
	};
	size_t n_ways = 0, way = 0;

	rule->order = pq_ld_int_at(ld, node, "order", -1000000, 1000000, 0);
	if (!read_target(ld, node, rule))
		return;
	for (size_t i = 0; ways[i] != NULL; i++) {
		if (pq_node_get(node, ways[i]) != NULL) {
			n_ways++;
			way = i;
		}
	}
	if (n_ways != 1) {
		pq_ld_error(ld, rule->src,
		            "a rule of kind derive needs one of set, copy, lookup, sum, compare, count, same and lines");
		return;
	}
	readers[way](ld, pq_node_get(node, ways[way]), rule);
}

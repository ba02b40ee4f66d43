#include "policy/pack_loader.h"

#include <string.h>

static const char *const set_keys[] = {"any_of", "none_of", "all_of", NULL};

static struct pq_ld_expr *read_map(struct pq_loader *ld, const struct pq_node *node, struct pq_ld_place place);

struct pq_dnf
pq_ld_always(struct pq_loader *ld)
{
	return (struct pq_dnf){pq_ld_alloc(ld, sizeof(struct pq_conj)), 1};
}

bool
pq_ld_element(const char *word, enum pq_scope *ret)
{
	for (int scope = PQ_SCOPE_PARTY; scope <= PQ_SCOPE_INTERMEDIATE; scope++) {
		if (strcmp(pq_scope_name((enum pq_scope)scope), word) == 0) {
			*ret = (enum pq_scope)scope;
			return true;
		}
	}
	return false;
}

static struct pq_ld_expr *
new_expr(struct pq_loader *ld, enum pq_ld_expr_kind kind, struct pq_src src)
{
	struct pq_ld_expr *expr = pq_ld_alloc(ld, sizeof(*expr));

	expr->kind = kind;
	expr->src = src;
	return expr;
}

/* ---- sets of symbols and paths ----------------------------------------------------------------------------------- */

static bool
read_paths(struct pq_loader *ld, uint32_t domain, const struct pq_node *node, struct pq_indexes *ret)
{
	size_t n;
	struct pq_node *const *items = pq_ld_list(&node, &n);
	struct pq_indexes list = {pq_ld_array(ld, n, sizeof(uint32_t)), 0};

	if (n == 0) {
		pq_ld_error(ld, node->src, "an empty list: no path can be in it");
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		const char *text = pq_ld_text(ld, items[i], "a path");
		const char *path = text != NULL ? pq_ld_path(ld, text, strlen(text)) : NULL;
		if (text != NULL && path == NULL)
			pq_ld_error(ld, items[i]->src, "\"%s\" is no path: write .a.2 or (a)(2)", text);
		if (path == NULL)
			return false;
		uint32_t symbol = pq_ld_symbol_add(ld, domain, path, items[i]->src);
		for (size_t j = 0; j < list.n; j++) {
			if (list.at[j] == symbol) {
				pq_ld_error(ld, items[i]->src, "the path \"%s\" stands in this list twice", text);
				return false;
			}
		}
		list.at[list.n++] = symbol;
	}
	*PQ_VEC_PUSH(ld, &ld->path_lists) = (struct pq_ld_path_list){list, domain};
	*ret = list;
	return true;
}

/** true and false, alone or in a list. */
static bool
read_bools(struct pq_loader *ld, const struct pq_node *node, struct pq_indexes *ret)
{
	size_t n;
	struct pq_node *const *items = pq_ld_list(&node, &n);

	for (size_t i = 0; i < n; i++) {
		if (!pq_ld_is(items[i], "true") && !pq_ld_is(items[i], "false")) {
			pq_ld_error(ld, items[i]->src, "must be true or false");
			return false;
		}
	}
	return pq_ld_symbols(ld, PQ_DOMAIN_BOOL, node, false, ret);
}

static struct pq_ld_expr *
read_set(struct pq_loader *ld, uint32_t attr, enum pq_op op, const struct pq_node *node, struct pq_src src)
{
	struct pq_ld_expr *expr = new_expr(ld, PQ_EXPR_COND, src);
	enum pq_type type = ld->attrs.at[attr].type;
	uint32_t domain = ld->attrs.at[attr].domain;
	bool good;

	expr->cond = (struct pq_cond){.op = op, .attr = attr, .src = src};
	if (type == PQ_TYPE_PATH)
		good = read_paths(ld, domain, node, &expr->cond.symbols);
	else if (type == PQ_TYPE_BOOL)
		good = read_bools(ld, node, &expr->cond.symbols);
	else
		good = pq_ld_symbols(ld, domain, node, false, &expr->cond.symbols);
	return good ? expr : NULL;
}

/** A symbol, a list, or { any_of, none_of, all_of }. */
static struct pq_ld_expr *
read_sets(struct pq_loader *ld, uint32_t attr, const struct pq_node *node, struct pq_src src)
{
	static const enum pq_op ops[] = {PQ_OP_ANY, PQ_OP_NONE, PQ_OP_ALL};
	bool good = true;

	if (node->kind != PQ_NODE_MAP)
		return read_set(ld, attr, PQ_OP_ANY, node, src);
	if (!pq_ld_keys(ld, node, "a condition on symbols", set_keys))
		return NULL;
	struct pq_ld_expr *expr = new_expr(ld, PQ_EXPR_AND, src);
	for (size_t i = 0; set_keys[i] != NULL; i++) {
		const struct pq_node *list = pq_node_get(node, set_keys[i]);
		if (list == NULL)
			continue;
		struct pq_ld_expr *each = read_set(ld, attr, ops[i], list, src);
		if (each == NULL)
			good = false;
		else
			*PQ_VEC_PUSH(ld, &expr->items) = each;
	}
	if (good && expr->items.n == 0) {
		pq_ld_error(ld, node->src, "an empty condition: give any_of, none_of or all_of");
		good = false;
	}
	return good ? expr : NULL;
}

/* ---- comparisons ------------------------------------------------------------------------------------------------- */

static const struct {
	const char *word;
	enum pq_cmp cmp;
} comparisons[] = {
	{"<=", PQ_CMP_LE}, {">=", PQ_CMP_GE}, {"!=", PQ_CMP_NE}, {"==", PQ_CMP_EQ},
	{"<", PQ_CMP_LT},  {">", PQ_CMP_GT},  {"=", PQ_CMP_EQ},
};

/** The comparison that the text begins with, taken off it. */
static bool
take_comparison(const char **at, enum pq_cmp *ret)
{
	for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++) {
		size_t len = strlen(comparisons[i].word);
		if (strncmp(*at, comparisons[i].word, len) == 0) {
			*at += len;
			*ret = comparisons[i].cmp;
			return true;
		}
	}
	return false;
}

bool
pq_ld_comparison(const char *word, enum pq_cmp *ret)
{
	enum pq_cmp cmp;

	if (!take_comparison(&word, &cmp) || *word != '\0')
		return false;
	*ret = cmp;
	return true;
}

/** What is left of the ranges between `lo` and `hi`. */
static size_t
cut_ranges(struct pq_range *ranges, size_t n, int64_t lo, int64_t hi)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct pq_range range = ranges[i];
		range.lo = range.lo > lo ? range.lo : lo;
		range.hi = range.hi < hi ? range.hi : hi;
		if (range.lo <= range.hi)
			ranges[kept++] = range;
	}
	return kept;
}

/** Take one number out of the ranges; there is room for one more. Values are far from the ends of int64. */
static size_t
punch_ranges(struct pq_range *ranges, size_t n, int64_t value)
{
	for (size_t i = 0; i < n; i++) {
		if (value < ranges[i].lo || value > ranges[i].hi)
			continue;
		struct pq_range low = {ranges[i].lo, value - 1}, high = {value + 1, ranges[i].hi};
		memmove(ranges + i, ranges + i + 1, (n - i - 1) * sizeof(*ranges));
		n--;
		struct pq_range halves[2] = {low, high};
		for (size_t h = 0; h < 2; h++) {
			if (halves[h].lo > halves[h].hi)
				continue;
			memmove(ranges + i + 1, ranges + i, (n - i) * sizeof(*ranges));
			ranges[i++] = halves[h];
			n++;
		}
		break;
	}
	return n;
}

static size_t
apply(struct pq_range *ranges, size_t n, enum pq_cmp cmp, int64_t value)
{
	switch (cmp) {
	case PQ_CMP_LT:
		return cut_ranges(ranges, n, INT64_MIN, value - 1);
	case PQ_CMP_LE:
		return cut_ranges(ranges, n, INT64_MIN, value);
	case PQ_CMP_GT:
		return cut_ranges(ranges, n, value + 1, INT64_MAX);
	case PQ_CMP_GE:
		return cut_ranges(ranges, n, value, INT64_MAX);
	case PQ_CMP_EQ:
		return cut_ranges(ranges, n, value, value);
	case PQ_CMP_NE:
		return punch_ranges(ranges, n, value);
	}
	return n;
}

static bool
parse_bound(enum pq_type type, const char *text, int64_t *ret)
{
	int32_t date;

	if (type == PQ_TYPE_NUMBER) {
		/* A bound at the end of int64 would leave no room for its neighbours. */
		return pq_number_parse(text, strlen(text), ret) && *ret > INT64_MIN + 1 && *ret < INT64_MAX - 1;
	}
	if (!pq_date_parse(text, strlen(text), &date))
		return false;
	*ret = date;
	return true;
}

static struct pq_ld_expr *
read_comparisons(struct pq_loader *ld, uint32_t attr, const struct pq_node *node, struct pq_src src)
{
	enum pq_type type = ld->attrs.at[attr].type;
	struct pq_ld_expr *expr = new_expr(ld, PQ_EXPR_COND, src);
	size_t n_commas = 0;

	if (node->kind != PQ_NODE_TEXT) {
		pq_ld_error(ld, node->src, "\"%s\" is a %s: write comparisons, as \">= %s\"", ld->attrs.at[attr].name,
		            pq_type_name(type), type == PQ_TYPE_DATE ? "2026-01-01" : "5");
		return NULL;
	}
	const char *at = node->text, *piece;
	for (const char *c = at; *c != '\0'; c++)
		n_commas += *c == ',';
	struct pq_range *ranges = pq_ld_array(ld, n_commas + 3, sizeof(*ranges));
	size_t n = 1, n_pieces = 0;
	ranges[0] = (struct pq_range){INT64_MIN, INT64_MAX};
	while ((piece = pq_ld_piece(ld, &at, ',')) != NULL) {
		enum pq_cmp cmp;
		int64_t value;
		const char *rest = piece;
		if (!take_comparison(&rest, &cmp) || !parse_bound(type, pq_ld_trim(ld, rest), &value)) {
			pq_ld_error(ld, node->src, "\"%s\" is no comparison with a %s, as \">= %s\"", piece, pq_type_name(type),
			            type == PQ_TYPE_DATE ? "2026-01-01" : "5");
			return NULL;
		}
		n = apply(ranges, n, cmp, value);
		n_pieces++;
	}
	if (n == 0 || n_pieces == 0) {
		pq_ld_error(ld, node->src, n_pieces == 0 ? "an empty comparison" : "an empty range: no %s meets all of it",
		            pq_type_name(type));
		return NULL;
	}
	expr->cond = (struct pq_cond){.op = PQ_OP_RANGE, .attr = attr, .ranges = ranges, .n_ranges = n, .src = src};
	return expr;
}

/* ---- mappings ---------------------------------------------------------------------------------------------------- */

/** The attribute that a key names where it stands. */
static uint32_t
find_attr(struct pq_loader *ld, const struct pq_node *key, struct pq_ld_place place)
{
	struct pq_node name = *key;

	if (place.inside) {
		const char *full = pq_ld_printf(ld, "%s.%s", pq_scope_name(place.scope), key->text);
		if (pq_map_get(&ld->attr_names, full) != PQ_NO_INDEX)
			name.text = full;
	}
	uint32_t attr = pq_ld_attr(ld, &name);
	if (attr == PQ_NO_INDEX)
		return attr;
	enum pq_scope own = ld->attrs.at[attr].scope;
	if (own == PQ_SCOPE_DECISION) {
		if (place.after_outcome)
			return attr;
		pq_ld_error(ld, key->src,
		            "\"%s\" is known only after the outcome: review, obligation and warning rules may ask it",
		            name.text);
		return PQ_NO_INDEX;
	}
	if (own == PQ_SCOPE_REQUEST || own == place.scope || (own == PQ_SCOPE_PARTY && place.scope == PQ_SCOPE_OWNER))
		return attr;
	pq_ld_error(ld, key->src, "\"%s\" belongs to one %s: ask it inside any_%s, every_%s or no_%s", name.text,
	            pq_scope_name(own), pq_scope_name(own), pq_scope_name(own), pq_scope_name(own));
	return PQ_NO_INDEX;
}

static struct pq_ld_expr *
read_attr(struct pq_loader *ld, const struct pq_node *key, const struct pq_node *value, struct pq_ld_place place)
{
	uint32_t attr = find_attr(ld, key, place);

	if (attr == PQ_NO_INDEX)
		return NULL;
	switch (ld->attrs.at[attr].type) {
	case PQ_TYPE_NUMBER:
	case PQ_TYPE_DATE:
		return read_comparisons(ld, attr, value, key->src);
	case PQ_TYPE_TEXT:
		pq_ld_error(ld, key->src, "\"%s\" is text, which is carried along and never matched", ld->attrs.at[attr].name);
		return NULL;
	default:
		return read_sets(ld, attr, value, key->src);
	}
}

/** The word of a quantifier: "any_party". */
static bool
quantifier(const char *key, enum pq_op *ret_op, enum pq_scope *ret_scope)
{
	static const struct {
		const char *prefix;
		enum pq_op op;
	} quantifiers[] = {{"any_", PQ_OP_EXISTS}, {"every_", PQ_OP_EVERY}, {"no_", PQ_OP_ABSENT}};

	for (size_t i = 0; i < sizeof(quantifiers) / sizeof(quantifiers[0]); i++) {
		size_t len = strlen(quantifiers[i].prefix);
		if (strncmp(key, quantifiers[i].prefix, len) == 0 && pq_ld_element(key + len, ret_scope)) {
			*ret_op = quantifiers[i].op;
			return true;
		}
	}
	return false;
}

static struct pq_ld_expr *
read_quantifier(struct pq_loader *ld, const struct pq_node *key, const struct pq_node *value, struct pq_ld_place place,
                enum pq_op op, enum pq_scope scope)
{
	enum pq_scope around = scope == PQ_SCOPE_OWNER ? PQ_SCOPE_PARTY : PQ_SCOPE_REQUEST;

	if (place.scope != around) {
		pq_ld_error(ld, key->src,
		            scope == PQ_SCOPE_OWNER ? "\"%s\" can be asked only inside a party's condition"
		                                    : "\"%s\" cannot be asked inside of another element",
		            key->text);
		return NULL;
	}
	struct pq_ld_expr *expr = new_expr(ld, PQ_EXPR_COND, key->src);
	struct pq_ld_place inner = {.scope = scope, .inside = true, .after_outcome = place.after_outcome};
	expr->cond = (struct pq_cond){.op = op, .attr = PQ_NO_INDEX, .scope = scope, .src = key->src};
	expr->inner = read_map(ld, value, inner);
	return expr->inner != NULL ? expr : NULL;
}

/** `any` and `all`: a list of mappings. */
static struct pq_ld_expr *
read_list(struct pq_loader *ld, enum pq_ld_expr_kind kind, const struct pq_node *key, const struct pq_node *value,
          struct pq_ld_place place)
{
	bool good = true;

	if (value->kind != PQ_NODE_LIST || value->n == 0) {
		pq_ld_error(ld, value->src, "\"%s\" needs a list of conditions", key->text);
		return NULL;
	}
	struct pq_ld_expr *expr = new_expr(ld, kind, key->src);
	for (size_t i = 0; i < value->n; i++) {
		struct pq_ld_expr *each = read_map(ld, value->items[i], place);
		if (each == NULL)
			good = false;
		else
			*PQ_VEC_PUSH(ld, &expr->items) = each;
	}
	return good ? expr : NULL;
}

static struct pq_ld_expr *
read_pair(struct pq_loader *ld, const struct pq_node *key, const struct pq_node *value, struct pq_ld_place place)
{
	enum pq_op op;
	enum pq_scope scope;

	if (strcmp(key->text, "any") == 0)
		return read_list(ld, PQ_EXPR_OR, key, value, place);
	if (strcmp(key->text, "all") == 0)
		return read_list(ld, PQ_EXPR_AND, key, value, place);
	if (strcmp(key->text, "not") == 0) {
		struct pq_ld_expr *inner = read_map(ld, value, place);
		if (inner == NULL)
			return NULL;
		struct pq_ld_expr *expr = new_expr(ld, PQ_EXPR_NOT, key->src);
		*PQ_VEC_PUSH(ld, &expr->items) = inner;
		return expr;
	}
	if (quantifier(key->text, &op, &scope))
		return read_quantifier(ld, key, value, place, op, scope);
	return read_attr(ld, key, value, place);
}

/** A mapping: all of it. NULL (told): something in it is wrong; the rest was read all the same. */
static struct pq_ld_expr *
read_map(struct pq_loader *ld, const struct pq_node *node, struct pq_ld_place place)
{
	bool good = true;

	if (node->kind != PQ_NODE_MAP || node->n == 0) {
		pq_ld_error(ld, node->src, "a condition must be a mapping with at least one key");
		return NULL;
	}
	struct pq_ld_expr *expr = new_expr(ld, PQ_EXPR_AND, node->src);
	for (size_t i = 0; i < node->n; i += 2) {
		struct pq_ld_expr *each = read_pair(ld, node->items[i], node->items[i + 1], place);
		if (each == NULL)
			good = false;
		else
			*PQ_VEC_PUSH(ld, &expr->items) = each;
	}
	return good ? expr : NULL;
}

bool
pq_ld_condition(struct pq_loader *ld, const struct pq_node *node, struct pq_ld_place place, struct pq_dnf *ret)
{
	*ret = pq_ld_always(ld);
	if (node == NULL)
		return true;
	const struct pq_ld_expr *expr = read_map(ld, node, place);
	return expr != NULL && pq_ld_multiply(ld, expr, ret);
}

#include "policy/pack_loader.h"

#include <string.h>

/* ---- can it hold at all? ----------------------------------------------------------------------------------------- */

/*
 * A conjunction is searched for a witness, attribute by attribute: a value that meets all of its conditions on that
 * attribute. Where there is one, one is among the values that the conditions name, so only those are tried.
 */

static bool
has_symbol(const struct pq_indexes *list, uint32_t symbol)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->at[i] == symbol)
			return true;
	}
	return false;
}

static bool
names_attr(const struct pq_cond *cond, uint32_t attr)
{
	return cond->op <= PQ_OP_RANGE && cond->attr == attr;
}

/** Does a path of the list cover this one? */
static bool
covers_path(const struct pq_loader *ld, const struct pq_cond *cond, uint32_t path)
{
	const struct pq_ld_domain *info = &ld->domain_infos.at[ld->attrs.at[cond->attr].domain];

	for (size_t i = 0; i < cond->symbols.n; i++) {
		if (pq_path_relate(info->symbols.at[cond->symbols.at[i]], info->symbols.at[path]) == PQ_PATH_COVERS)
			return true;
	}
	return false;
}

/** Does an attribute that has this one value meet the condition? */
static bool
one_value_meets(const struct pq_loader *ld, const struct pq_cond *cond, uint32_t symbol)
{
	bool path = ld->attrs.at[cond->attr].type == PQ_TYPE_PATH;

	switch (cond->op) {
	case PQ_OP_ANY:
		return path ? covers_path(ld, cond, symbol) : has_symbol(&cond->symbols, symbol);
	case PQ_OP_NONE:
		return !(path ? covers_path(ld, cond, symbol) : has_symbol(&cond->symbols, symbol));
	case PQ_OP_ALL:
		for (size_t i = 0; i < cond->symbols.n; i++) {
			struct pq_cond each = {.op = PQ_OP_ANY, .attr = cond->attr, .symbols = {&cond->symbols.at[i], 1}};
			if (!one_value_meets(ld, &each, symbol))
				return false;
		}
		return true;
	default:
		return true;
	}
}

static bool
all_meet(const struct pq_loader *ld, const struct pq_conj *conj, uint32_t attr, uint32_t symbol)
{
	for (size_t i = 0; i < conj->n; i++) {
		if (names_attr(&conj->conds[i], attr) && !one_value_meets(ld, &conj->conds[i], symbol))
			return false;
	}
	return true;
}

static bool
single_can_hold(const struct pq_loader *ld, const struct pq_conj *conj, uint32_t attr)
{
	bool asked = false;

	if (ld->attrs.at[attr].type == PQ_TYPE_BOOL)
		return all_meet(ld, conj, attr, PQ_BOOL_FALSE) || all_meet(ld, conj, attr, PQ_BOOL_TRUE);
	for (size_t i = 0; i < conj->n; i++) {
		const struct pq_cond *cond = &conj->conds[i];
		if (!names_attr(cond, attr) || cond->op == PQ_OP_NONE)
			continue;
		asked = true;
		for (size_t j = 0; j < cond->symbols.n; j++) {
			if (all_meet(ld, conj, attr, cond->symbols.at[j]))
				return true;
		}
	}
	return !asked; /* without a value it meets every none_of */
}

/** Is the symbol forbidden by a none_of? */
static bool
forbidden(const struct pq_conj *conj, uint32_t attr, uint32_t symbol)
{
	for (size_t i = 0; i < conj->n; i++) {
		const struct pq_cond *cond = &conj->conds[i];
		if (names_attr(cond, attr) && cond->op == PQ_OP_NONE && has_symbol(&cond->symbols, symbol))
			return true;
	}
	return false;
}

static bool
set_can_hold(const struct pq_conj *conj, uint32_t attr)
{
	for (size_t i = 0; i < conj->n; i++) {
		const struct pq_cond *cond = &conj->conds[i];
		size_t n_forbidden = 0;

		if (!names_attr(cond, attr) || cond->op == PQ_OP_NONE)
			continue;
		for (size_t j = 0; j < cond->symbols.n; j++)
			n_forbidden += forbidden(conj, attr, cond->symbols.at[j]);
		if (n_forbidden == cond->symbols.n || (cond->op == PQ_OP_ALL && n_forbidden != 0))
			return false;
	}
	return true;
}

static bool
in_ranges(const struct pq_cond *cond, int64_t value)
{
	for (size_t i = 0; i < cond->n_ranges; i++) {
		if (value >= cond->ranges[i].lo && value <= cond->ranges[i].hi)
			return true;
	}
	return false;
}

static bool
number_meets(const struct pq_attr *bounds, const struct pq_conj *conj, uint32_t attr, int64_t value)
{
	if ((bounds->has_min && value < bounds->min) || (bounds->has_max && value > bounds->max))
		return false;
	for (size_t i = 0; i < conj->n; i++) {
		if (names_attr(&conj->conds[i], attr) && !in_ranges(&conj->conds[i], value))
			return false;
	}
	return true;
}

static bool
number_can_hold(const struct pq_loader *ld, const struct pq_conj *conj, uint32_t attr)
{
	const struct pq_attr *bounds = &ld->attrs.at[attr];

	/* The lowest number that meets all is the lower end of one of the ranges, or the lower bound. */
	if (bounds->has_min && number_meets(bounds, conj, attr, bounds->min))
		return true;
	for (size_t i = 0; i < conj->n; i++) {
		const struct pq_cond *cond = &conj->conds[i];
		for (size_t j = 0; names_attr(cond, attr) && j < cond->n_ranges; j++) {
			if (number_meets(bounds, conj, attr, cond->ranges[j].lo))
				return true;
		}
	}
	return false;
}

/** Can no request meet all of these? *ret_attr is what stands in the way. */
static bool
contradicts(const struct pq_loader *ld, const struct pq_conj *conj, uint32_t *ret_attr)
{
	for (size_t i = 0; i < conj->n; i++) {
		uint32_t attr = conj->conds[i].attr;
		bool can_hold;

		if (conj->conds[i].op > PQ_OP_RANGE)
			continue;
		switch (ld->attrs.at[attr].type) {
		case PQ_TYPE_NUMBER:
		case PQ_TYPE_DATE:
			can_hold = number_can_hold(ld, conj, attr);
			break;
		case PQ_TYPE_SYMBOLS:
			can_hold = set_can_hold(conj, attr);
			break;
		default:
			can_hold = single_can_hold(ld, conj, attr);
		}
		if (!can_hold) {
			*ret_attr = attr;
			return true;
		}
	}
	return false;
}

/* ---- multiplying out --------------------------------------------------------------------------------------------- */

struct alternatives {
	PQ_VEC(struct pq_conj) conjs;
};

static bool multiply(struct pq_loader *ld, const struct pq_ld_expr *expr, bool negated, struct alternatives *ret);

static bool
too_many(struct pq_loader *ld, const struct pq_ld_expr *expr)
{
	pq_ld_error(ld, expr->src, "more than %u alternatives when multiplied out: split the rule", PQ_LD_MAX_ALTERNATIVES);
	return false;
}

static void
add_cond(struct pq_loader *ld, struct alternatives *ret, const struct pq_cond *cond)
{
	struct pq_cond *copy = pq_ld_alloc(ld, sizeof(*copy));

	*copy = *cond;
	*PQ_VEC_PUSH(ld, &ret->conjs) = (struct pq_conj){copy, 1};
}

static void
add_conj(struct pq_loader *ld, struct alternatives *ret, const struct pq_conj *conj)
{
	struct pq_conj copy = {pq_ld_array(ld, conj->n, sizeof(struct pq_cond)), conj->n};

	if (conj->n != 0)
		memcpy(copy.conds, conj->conds, conj->n * sizeof(struct pq_cond));
	*PQ_VEC_PUSH(ld, &ret->conjs) = copy;
}

/** A quantifier or its opposite: not "one meets it" is "none does"; not "every one" is "one does not". */
static bool
multiply_quantifier(struct pq_loader *ld, const struct pq_ld_expr *expr, bool negated, struct alternatives *ret)
{
	struct pq_cond cond = expr->cond;
	struct alternatives inner = {0};
	bool inner_negated = negated && cond.op == PQ_OP_EVERY;

	if (negated)
		cond.op = cond.op == PQ_OP_EXISTS ? PQ_OP_ABSENT : PQ_OP_EXISTS;
	if (!multiply(ld, expr->inner, inner_negated, &inner))
		return false;
	struct pq_dnf *dnf = pq_ld_alloc(ld, sizeof(*dnf));
	*dnf = (struct pq_dnf){inner.conjs.at, inner.conjs.n};
	cond.inner = dnf;
	add_cond(ld, ret, &cond);
	return true;
}

static bool
multiply_cond(struct pq_loader *ld, const struct pq_ld_expr *expr, bool negated, struct alternatives *ret)
{
	struct pq_cond cond = expr->cond;

	if (cond.op > PQ_OP_RANGE)
		return multiply_quantifier(ld, expr, negated, ret);
	if (!negated) {
		add_cond(ld, ret, &cond);
		return true;
	}
	switch (cond.op) {
	case PQ_OP_ANY:
	case PQ_OP_NONE:
		cond.op = cond.op == PQ_OP_ANY ? PQ_OP_NONE : PQ_OP_ANY;
		add_cond(ld, ret, &cond);
		return true;
	case PQ_OP_ALL:
		cond.op = PQ_OP_NONE;
		for (size_t i = 0; i < expr->cond.symbols.n; i++) {
			cond.symbols = pq_ld_indexes(ld, &expr->cond.symbols.at[i], 1);
			if (ld->attrs.at[cond.attr].type == PQ_TYPE_PATH) {
				*PQ_VEC_PUSH(ld, &ld->path_lists) =
					(struct pq_ld_path_list){cond.symbols, ld->attrs.at[cond.attr].domain};
			}
			add_cond(ld, ret, &cond);
		}
		return true;
	default:
		/* The opposite of "> 5" is "<= 5, or no value at all", and no comparison says that. */
		pq_ld_error(ld, cond.src,
		            "a comparison cannot stand under \"not\", for a missing value meets neither it nor its "
		            "opposite: write the comparison that is meant");
		return false;
	}
}

static bool
multiply_or(struct pq_loader *ld, const struct pq_ld_expr *expr, bool negated, struct alternatives *ret)
{
	bool good = true;

	for (size_t i = 0; i < expr->items.n; i++) {
		good &= multiply(ld, expr->items.at[i], negated, ret);
		if (ret->conjs.n > PQ_LD_MAX_ALTERNATIVES)
			return too_many(ld, expr);
	}
	return good;
}

/** All pairs of the two lists that do not contradict themselves. */
static bool
multiply_pairs(struct pq_loader *ld, const struct pq_ld_expr *expr, const struct alternatives *left,
               const struct alternatives *right, struct alternatives *ret)
{
	size_t most_left = 0, most_right = 0;
	uint32_t attr = PQ_NO_INDEX;

	for (size_t i = 0; i < left->conjs.n; i++)
		most_left = left->conjs.at[i].n > most_left ? left->conjs.at[i].n : most_left;
	for (size_t i = 0; i < right->conjs.n; i++)
		most_right = right->conjs.at[i].n > most_right ? right->conjs.at[i].n : most_right;
	struct pq_conj both = {pq_ld_array(ld, most_left + most_right, sizeof(struct pq_cond)), 0};
	for (size_t i = 0; i < left->conjs.n; i++) {
		const struct pq_conj *a = &left->conjs.at[i];
		if (a->n != 0)
			memcpy(both.conds, a->conds, a->n * sizeof(struct pq_cond));
		for (size_t j = 0; j < right->conjs.n; j++) {
			const struct pq_conj *b = &right->conjs.at[j];
			if (b->n != 0)
				memcpy(both.conds + a->n, b->conds, b->n * sizeof(struct pq_cond));
			both.n = a->n + b->n;
			if (contradicts(ld, &both, &attr))
				continue;
			if (ret->conjs.n == PQ_LD_MAX_ALTERNATIVES)
				return too_many(ld, expr);
			add_conj(ld, ret, &both);
		}
	}
	if (ret->conjs.n == 0) {
		pq_ld_error(ld, expr->src, "this can never hold: no value of \"%s\" meets all that is asked of it",
		            ld->attrs.at[attr].name);
		return false;
	}
	return true;
}

static bool
multiply_and(struct pq_loader *ld, const struct pq_ld_expr *expr, bool negated, struct alternatives *ret)
{
	struct alternatives product = {0};

	add_conj(ld, &product, &(struct pq_conj){NULL, 0});
	for (size_t i = 0; i < expr->items.n; i++) {
		struct alternatives factor = {0}, next = {0};
		if (!multiply(ld, expr->items.at[i], negated, &factor) || !multiply_pairs(ld, expr, &product, &factor, &next))
			return false;
		product = next;
	}
	for (size_t i = 0; i < product.conjs.n; i++)
		*PQ_VEC_PUSH(ld, &ret->conjs) = product.conjs.at[i];
	return true;
}

/** Add the alternatives of an expression, or of its opposite, to *ret. */
static bool
multiply(struct pq_loader *ld, const struct pq_ld_expr *expr, bool negated, struct alternatives *ret)
{
	switch (expr->kind) {
	case PQ_EXPR_NOT:
		return multiply(ld, expr->items.at[0], !negated, ret);
	case PQ_EXPR_AND:
		return negated ? multiply_or(ld, expr, negated, ret) : multiply_and(ld, expr, negated, ret);
	case PQ_EXPR_OR:
		return negated ? multiply_and(ld, expr, negated, ret) : multiply_or(ld, expr, negated, ret);
	default:
		return multiply_cond(ld, expr, negated, ret);
	}
}

bool
pq_ld_multiply(struct pq_loader *ld, const struct pq_ld_expr *expr, struct pq_dnf *ret)
{
	struct alternatives all = {0};

	if (!multiply(ld, expr, false, &all))
		return false;
	*ret = (struct pq_dnf){all.conjs.at, all.conjs.n};
	return true;
}

/* Derived attributes: what the rules that give an attribute its value say together. */
#include "tests/oracle/internal.h"

#include <string.h>

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

static int64_t
clamp(__int128 n)
{
	return n > INT64_MAX ? INT64_MAX : n < INT64_MIN ? INT64_MIN : (int64_t)n;
}

/* Without a value as soon as one term is; known only if all are. */
static struct or_value
sum(struct or_world *w, const struct pq_rule *rule, struct or_at at)
{
	struct or_value v = {.form = OR_NUMBER};
	__int128 total = 0;
	bool many = false;

	for (size_t i = 0; i < rule->n_terms; i++) {
		const struct or_value *term = or_attr(w, rule->terms[i].attr, at);
		if (term->n_numbers == 0)
			return (struct or_value){.form = OR_NUMBER, .may_none = true};
		many |= term->n_numbers > 1;
		v.may_none |= term->may_none;
		total += (__int128)term->number * rule->terms[i].times;
		if (!or_value_certain(term))
			or_deps_join(&v.why, &term->why);
	}
	or_add_number(&v, clamp(total));
	if (many)
		v.n_numbers = 2;
	return v;
}

static bool
compares(int64_t left, enum pq_cmp cmp, int64_t right)
{
	switch (cmp) {
	case PQ_CMP_LT: return left < right;
	case PQ_CMP_LE: return left <= right;
	case PQ_CMP_GT: return left > right;
	case PQ_CMP_GE: return left >= right;
	case PQ_CMP_EQ: return left == right;
	case PQ_CMP_NE: return left != right;
	}
	return false;
}

static struct or_verdict
compare(struct or_world *w, const struct pq_rule *rule, struct or_at at)
{
	struct or_value constant = {.form = OR_NUMBER, .n_numbers = 1, .number = rule->set.number};
	const struct or_value *left = or_attr(w, rule->left, at);
	const struct or_value *right = rule->right == PQ_NO_INDEX ? &constant : or_attr(w, rule->right, at);
	struct or_deps why = {0};

	if (left->n_numbers == 0 || right->n_numbers == 0)
		return or_known(false);
	bool one = left->n_numbers == 1 && right->n_numbers == 1;
	if (one && !compares(left->number, rule->cmp, right->number))
		return or_known(false);
	if (one && !left->may_none && !right->may_none)
		return or_known(true);
	if (!or_value_certain(left))
		or_deps_join(&why, &left->why);
	if (!or_value_certain(right))
		or_deps_join(&why, &right->why);
	return or_unknown(&why);
}

static struct or_value
count(struct or_world *w, const struct pq_rule *rule, struct or_at at)
{
	struct or_value v = {.form = OR_NUMBER};
	int64_t surely = 0;
	bool possible = false;

	for (size_t i = 0; i < or_count_elements(w, rule->scope, at); i++) {
		struct or_verdict one = or_dnf(w, rule->inner, or_element(at, rule->scope, i));
		surely += one.is == OR_TRUE;
		possible |= one.is == OR_UNKNOWN;
		or_deps_join(&v.why, &one.why);
	}
	v.n_numbers = possible ? 2 : 1;
	v.number = surely * PQ_NUMBER_SCALE;
	return v;
}

/* ---- same ------------------------------------------------------------------------------------------------------- */

static bool
surely_has(const struct or_value *v, uint32_t symbol)
{
	return v->form == OR_MANY ? or_set_has(v->sure, symbol) : or_value_certain(v) && or_set_has(v->may, symbol);
}

static struct or_verdict
same(struct or_world *w, const struct pq_rule *rule, struct or_at at)
{
	const struct or_value *left = or_attr(w, rule->left, at);
	const struct or_value *right = or_attr(w, rule->right, at);
	struct or_deps why = {0};
	bool may = false;

	for (uint32_t i = 0; i < left->may.n; i++) {
		if (surely_has(left, i) && surely_has(right, i))
			return or_known(true);
		may |= or_set_has(left->may, i) && or_set_has(right->may, i);
	}
	if (!may)
		return or_known(false);
	if (!or_value_certain(left))
		or_deps_join(&why, &left->why);
	if (!or_value_certain(right))
		or_deps_join(&why, &right->why);
	return or_unknown(&why);
}

/* ---- what one rule says ----------------------------------------------------------------------------------------- */

static struct or_value
copied(struct or_world *w, uint32_t attr, uint32_t from, struct or_at at)
{
	const struct or_value *other = or_attr(w, from, at);
	struct or_value v = or_value_empty(w, attr);

	or_value_alternative(w, &v, other, true);
	v.why = other->why;
	return v;
}

static struct or_value
said_by(struct or_world *w, uint32_t attr, const struct pq_rule *rule, struct or_at at)
{
	struct or_verdict verdict;

	switch (rule->derive) {
	case PQ_DERIVE_SET: return or_value_literal(w, attr, &rule->set);
	case PQ_DERIVE_COPY: return copied(w, attr, rule->left, at);
	case PQ_DERIVE_LOOKUP: return or_lookup(w, attr, rule, at);
	case PQ_DERIVE_SUM: return sum(w, rule, at);
	case PQ_DERIVE_COUNT: return count(w, rule, at);
	case PQ_DERIVE_LINES: return or_lines(w, attr, rule->left, rule->right, at);
	case PQ_DERIVE_COMPARE: verdict = compare(w, rule, at); return or_value_of(w, &verdict);
	case PQ_DERIVE_SAME: verdict = same(w, rule, at); return or_value_of(w, &verdict);
	}
	or_die("a rule that derives nothing");
}

/* ---- what the rules say together -------------------------------------------------------------------------------- */

/* True if one of them says so. */
static struct or_value
any_true(struct or_world *w, uint32_t attr, struct or_at at)
{
	struct or_verdict any = or_known(false);

	for (size_t i = 0; i < w->rules_of[attr].n; i++) {
		const struct pq_rule *rule = &w->model->rules[w->rules_of[attr].at[i]];
		struct or_verdict when = or_rule_holds(w, rule, at);
		if (when.is == OR_FALSE)
			continue;
		struct or_value v = said_by(w, attr, rule, at);
		struct or_verdict says = or_verdict_of(&v);
		or_and(&when, &says);
		if (when.is == OR_UNKNOWN)
			or_deps_join(&when.why, &v.why);
		or_or(&any, &when);
	}
	return or_value_of(w, &any);
}

/* The union. */
static struct or_value
all_together(struct or_world *w, uint32_t attr, struct or_at at)
{
	struct or_value v = or_value_empty(w, attr);

	for (size_t i = 0; i < w->rules_of[attr].n; i++) {
		const struct pq_rule *rule = &w->model->rules[w->rules_of[attr].at[i]];
		struct or_verdict when = or_rule_holds(w, rule, at);
		if (when.is == OR_FALSE)
			continue;
		struct or_value one = said_by(w, attr, rule, at);
		or_set_join(v.may, one.may);
		if (when.is == OR_TRUE)
			or_set_join(v.sure, one.sure);
		or_deps_join(&v.why, &when.why);
		if (!or_value_certain(&one))
			or_deps_join(&v.why, &one.why);
	}
	return v;
}

/* The first that applies and has a value: a walk that ends at the first that surely does. */
static struct or_value
the_first(struct or_world *w, uint32_t attr, struct or_at at)
{
	struct or_value v = or_value_empty(w, attr);

	for (size_t i = 0; i < w->rules_of[attr].n; i++) {
		const struct pq_rule *rule = &w->model->rules[w->rules_of[attr].at[i]];
		struct or_verdict when = or_rule_holds(w, rule, at);
		if (when.is == OR_FALSE)
			continue;
		struct or_value one = said_by(w, attr, rule, at);
		or_deps_join(&v.why, &when.why);
		or_deps_join(&v.why, &one.why);
		if (!or_value_may_exist(&one))
			continue;
		bool always = !one.may_none;
		one.may_none = false;
		or_value_alternative(w, &v, &one, i == 0);
		if (when.is == OR_TRUE && always)
			return v;
	}
	v.may_none = true;
	return v;
}

struct or_value
or_derived(struct or_world *w, uint32_t attr, struct or_at at)
{
	const struct pq_attr *a = &w->model->attrs[attr];
	struct or_value v;

	if (a->type == PQ_TYPE_BOOL)
		v = any_true(w, attr, at);
	else if (or_form_of(a->type) == OR_MANY)
		v = all_together(w, attr, at);
	else
		v = the_first(w, attr, at);
	if (or_value_certain(&v))
		v.why = (struct or_deps){0};
	return v;
}

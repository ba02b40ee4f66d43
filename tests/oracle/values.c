/* What an attribute surely is and may be. */
#include "tests/oracle/internal.h"

#include <string.h>

static size_t
words(size_t n)
{
	return (n + 63) / 64;
}

struct or_set
or_set_new(struct or_world *w, uint32_t domain)
{
	size_t n = domain == PQ_NO_INDEX ? 0 : w->model->domains[domain].n_symbols;

	return (struct or_set){or_alloc(w->scratch, words(n), sizeof(uint64_t)), n};
}

bool
or_set_has(struct or_set set, uint32_t symbol)
{
	return symbol < set.n && (set.bits[symbol / 64] >> symbol % 64 & 1);
}

void
or_set_add(struct or_set set, uint32_t symbol)
{
	if (symbol < set.n)
		set.bits[symbol / 64] |= (uint64_t)1 << symbol % 64;
}

void
or_set_fill(struct or_set set)
{
	for (size_t i = 0; i < set.n; i++)
		or_set_add(set, (uint32_t)i);
}

void
or_set_join(struct or_set set, struct or_set more)
{
	for (size_t i = 0; i < words(set.n) && i < words(more.n); i++)
		set.bits[i] |= more.bits[i];
}

size_t
or_set_count(struct or_set set)
{
	size_t count = 0;

	for (size_t i = 0; i < words(set.n); i++) {
		if (set.bits[i] != 0)
			count += (size_t)__builtin_popcountll(set.bits[i]);
	}
	return count;
}

enum or_form
or_form_of(enum pq_type type)
{
	switch (type) {
	case PQ_TYPE_BOOL:
	case PQ_TYPE_SYMBOL:
	case PQ_TYPE_CODE: return OR_ONE;
	case PQ_TYPE_SYMBOLS: return OR_MANY;
	case PQ_TYPE_PATH: return OR_PATH;
	case PQ_TYPE_NUMBER:
	case PQ_TYPE_DATE:
	case PQ_TYPE_TEXT:
	case PQ_TYPE_COUNT: break;
	}
	return OR_NUMBER;
}

struct or_value
or_value_empty(struct or_world *w, uint32_t attr)
{
	const struct pq_attr *a = &w->model->attrs[attr];
	struct or_value v = {.form = or_form_of(a->type)};

	if (v.form == OR_ONE || v.form == OR_MANY)
		v.may = or_set_new(w, a->domain);
	if (v.form == OR_MANY)
		v.sure = or_set_new(w, a->domain);
	return v;
}

struct or_value
or_value_none(struct or_world *w, uint32_t attr)
{
	struct or_value v = or_value_empty(w, attr);

	v.may_none = v.form == OR_ONE || v.form == OR_NUMBER;
	return v;
}

struct or_value
or_value_anything(struct or_world *w, uint32_t attr)
{
	struct or_value v = or_value_empty(w, attr);

	if (v.form == OR_ONE || v.form == OR_MANY)
		or_set_fill(v.may);
	v.n_numbers = v.form == OR_NUMBER ? 2 : 0;
	if (v.form == OR_PATH)
		v.path = "";
	return v;
}

struct or_value
or_value_literal(struct or_world *w, uint32_t attr, const struct pq_literal *literal)
{
	struct or_value v = or_value_empty(w, attr);

	if (v.form == OR_NUMBER) {
		if (literal->none)
			v.may_none = true;
		else
			or_add_number(&v, literal->number);
		return v;
	}
	for (size_t i = 0; !literal->none && i < literal->symbols.n; i++) {
		or_set_add(v.may, literal->symbols.at[i]);
		if (v.form == OR_MANY)
			or_set_add(v.sure, literal->symbols.at[i]);
	}
	if (v.form == OR_ONE && or_set_count(v.may) == 0)
		v.may_none = true;
	return v;
}

void
or_add_number(struct or_value *to, int64_t number)
{
	if (to->n_numbers == 0) {
		to->n_numbers = 1;
		to->number = number;
	} else if (to->n_numbers == 1 && to->number != number) {
		to->n_numbers = 2;
	}
}

bool
or_value_certain(const struct or_value *v)
{
	switch (v->form) {
	case OR_ONE: return or_set_count(v->may) + v->may_none == 1;
	case OR_MANY: return or_set_count(v->may) == or_set_count(v->sure);
	case OR_NUMBER: return v->n_numbers + v->may_none == 1;
	case OR_PATH: return v->path == NULL || v->exact;
	}
	return false;
}

bool
or_value_may_exist(const struct or_value *v)
{
	switch (v->form) {
	case OR_ONE:
	case OR_MANY: return or_set_count(v->may) > 0;
	case OR_NUMBER: return v->n_numbers > 0;
	case OR_PATH: return v->path != NULL;
	}
	return false;
}

/* A single value is a set of one: what it surely is, it is alone. */
static void
as_many(struct or_world *w, const struct or_value *v, struct or_set *sure, struct or_set *may)
{
	(void)w;
	*may = v->may;
	if (v->form == OR_MANY)
		*sure = v->sure;
	else if (or_value_certain(v))
		*sure = v->may;
	else
		*sure = (struct or_set){NULL, 0};
}

void
or_value_alternative(struct or_world *w, struct or_value *to, const struct or_value *v, bool first)
{
	struct or_set sure, may;

	if (to->form == OR_NUMBER) {
		if (v->n_numbers == 1)
			or_add_number(to, v->number);
		else if (v->n_numbers > 1)
			to->n_numbers = 2;
		to->may_none |= v->may_none;
		return;
	}
	if (to->form == OR_ONE) {
		or_set_join(to->may, v->may);
		to->may_none |= v->may_none;
		return;
	}
	as_many(w, v, &sure, &may);
	or_set_join(to->may, may);
	for (uint32_t i = 0; i < to->sure.n; i++) {
		bool has = or_set_has(sure, i) && (first || or_set_has(to->sure, i));
		uint64_t bit = (uint64_t)1 << i % 64;
		to->sure.bits[i / 64] = has ? to->sure.bits[i / 64] | bit : to->sure.bits[i / 64] & ~bit;
	}
}

struct or_value
or_value_of(struct or_world *w, const struct or_verdict *verdict)
{
	struct or_value v = {.form = OR_ONE, .may = or_set_new(w, PQ_DOMAIN_BOOL), .why = verdict->why};

	if (verdict->is != OR_TRUE)
		or_set_add(v.may, PQ_BOOL_FALSE);
	if (verdict->is != OR_FALSE)
		or_set_add(v.may, PQ_BOOL_TRUE);
	return v;
}

struct or_verdict
or_verdict_of(const struct or_value *v)
{
	if (!or_set_has(v->may, PQ_BOOL_TRUE))
		return or_known(false);
	if (!or_set_has(v->may, PQ_BOOL_FALSE) && !v->may_none)
		return or_known(true);
	return or_unknown(&v->why);
}

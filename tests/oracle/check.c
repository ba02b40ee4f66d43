/* Is the request one that the packs understand? Every field that is wrong is named. */
#include "tests/oracle/internal.h"

#include <stdio.h>
#include <string.h>

/* Faults that are named; more are left out. */
#define MAX_VIOLATIONS 64

struct check {
	const struct pq_model *model;
	struct pq_arena *arena;
	struct pq_violation *found;
	size_t n;
};

static void
violation(struct check *c, const char *prefix, struct pq_text name, const char *reason)
{
	if (c->n == MAX_VIOLATIONS)
		return;
	const char *field = pq_arena_printf(c->arena, "%s%.*s", prefix, (int)name.len, name.at);
	const char *text = pq_arena_printf(c->arena, "%s: %s", field, reason);
	if (field == NULL || text == NULL)
		or_die("out of memory");
	c->found[c->n++] = (struct pq_violation){field, reason, text};
}

static struct pq_text
text_of(const char *text)
{
	return (struct pq_text){text, strlen(text)};
}

static uint32_t
find_attr(const struct pq_model *model, enum pq_scope scope, struct pq_text name)
{
	for (uint32_t i = 0; i < model->n_attrs; i++) {
		const struct pq_attr *a = &model->attrs[i];
		size_t skip = scope == PQ_SCOPE_REQUEST ? 0 : strlen(pq_scope_name(scope)) + 1;
		if (a->scope == scope && a->is_fact && a->type != PQ_TYPE_PATH && strlen(a->name) == skip + name.len &&
		    memcmp(a->name + skip, name.at, name.len) == 0)
			return i;
	}
	return PQ_NO_INDEX;
}

static const char *
check_symbol(const struct pq_model *model, uint32_t attr, struct pq_text text)
{
	return or_symbol(model, model->attrs[attr].domain, text) == PQ_NO_INDEX ? "UNKNOWN_SYMBOL" : NULL;
}

static const char *
check_bounds(const struct pq_attr *a, int64_t number)
{
	return (a->has_min && number < a->min) || (a->has_max && number > a->max) ? "OUT_OF_RANGE" : NULL;
}

static const char *
check_date(const struct pq_attr *a, const struct pq_value *value)
{
	int32_t date;

	if (value->kind != PQ_VALUE_TEXT || !pq_date_parse(value->text.at, value->text.len, &date))
		return "WRONG_TYPE";
	return check_bounds(a, date);
}

static const char *
check_symbols(const struct pq_model *model, uint32_t attr, const struct pq_value *value)
{
	if (value->kind == PQ_VALUE_TEXT)
		return check_symbol(model, attr, value->text);
	if (value->kind != PQ_VALUE_TEXTS)
		return "WRONG_TYPE";
	for (size_t i = 0; i < value->n_texts; i++) {
		if (check_symbol(model, attr, value->texts[i]) != NULL)
			return "UNKNOWN_SYMBOL";
	}
	return NULL;
}

/* NULL when it is right. */
static const char *
check_value(struct check *c, uint32_t attr, const struct pq_value *value)
{
	const struct pq_attr *a = &c->model->attrs[attr];

	if (value->kind == PQ_VALUE_UNKNOWN)
		return NULL;
	switch (a->type) {
	case PQ_TYPE_BOOL: return value->kind == PQ_VALUE_BOOL ? NULL : "WRONG_TYPE";
	case PQ_TYPE_NUMBER: return value->kind == PQ_VALUE_NUMBER ? check_bounds(a, value->number) : "WRONG_TYPE";
	case PQ_TYPE_DATE: return check_date(a, value);
	case PQ_TYPE_SYMBOLS: return check_symbols(c->model, attr, value);
	case PQ_TYPE_SYMBOL: return value->kind == PQ_VALUE_TEXT ? check_symbol(c->model, attr, value->text) : "WRONG_TYPE";
	case PQ_TYPE_TEXT: return value->kind == PQ_VALUE_TEXT ? NULL : "WRONG_TYPE";
	case PQ_TYPE_CODE:
		if (value->kind != PQ_VALUE_TEXT)
			return "WRONG_TYPE";
		return or_split_code(c->arena, c->model, attr, value->text).symbol == PQ_NO_INDEX ? "UNKNOWN_SYMBOL" : NULL;
	case PQ_TYPE_PATH:
	case PQ_TYPE_COUNT: break;
	}
	return "WRONG_TYPE";
}

static bool
same_name(struct pq_text a, struct pq_text b)
{
	return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

static void
check_facts(struct check *c, const struct pq_facts *facts, enum pq_scope scope, const char *prefix)
{
	for (size_t i = 0; i < facts->n; i++) {
		uint32_t attr = find_attr(c->model, scope, facts->at[i].name);
		const char *reason = attr == PQ_NO_INDEX ? "UNKNOWN_FACT" : check_value(c, attr, &facts->at[i].value);
		for (size_t k = 0; k < i && reason == NULL; k++) {
			if (same_name(facts->at[k].name, facts->at[i].name))
				reason = "DUPLICATE";
		}
		if (reason != NULL)
			violation(c, prefix, facts->at[i].name, reason);
	}
}

static bool
has_fact(const struct pq_facts *facts, const char *name)
{
	for (size_t i = 0; i < facts->n; i++) {
		if (same_name(facts->at[i].name, text_of(name)))
			return true;
	}
	return false;
}

static void
check_required(struct check *c, const struct pq_facts *facts, const struct pq_facts *also, enum pq_scope scope,
               const char *prefix)
{
	for (uint32_t i = 0; i < c->model->n_attrs; i++) {
		const struct pq_attr *a = &c->model->attrs[i];
		size_t skip = scope == PQ_SCOPE_REQUEST ? 0 : strlen(pq_scope_name(scope)) + 1;
		if (!a->is_fact || !a->required || a->scope != scope || has_fact(facts, a->name + skip))
			continue;
		if (also == NULL || !has_fact(also, a->name + skip))
			violation(c, prefix, text_of(a->name + skip), "MISSING");
	}
}

static const char *
element(struct check *c, const char *prefix, const char *list, size_t i)
{
	const char *text = pq_arena_printf(c->arena, "%s%s[%zu].", prefix, list, i);

	if (text == NULL)
		or_die("out of memory");
	return text;
}

static void
check_elements(struct check *c, const struct pq_facts *at, size_t n, enum pq_scope scope, const char *prefix,
               const char *list)
{
	for (size_t i = 0; i < n; i++) {
		const char *own = element(c, prefix, list, i);
		check_facts(c, &at[i], scope, own);
		check_required(c, &at[i], NULL, scope, own);
	}
}

size_t
or_check_request(const struct pq_model *model, const struct pq_request *request, struct pq_arena *arena,
                 const struct pq_violation **ret)
{
	struct check c = {.model = model, .arena = arena};

	c.found = or_alloc(arena, MAX_VIOLATIONS, sizeof(*c.found));
	check_facts(&c, &request->facts, PQ_SCOPE_REQUEST, "");
	for (size_t i = 0; i < request->n_lines; i++) {
		const char *own = element(&c, "", "lines", i);
		check_facts(&c, &request->lines[i], PQ_SCOPE_REQUEST, own);
		check_required(&c, &request->lines[i], &request->facts, PQ_SCOPE_REQUEST, own);
	}
	if (request->n_lines == 0)
		check_required(&c, &request->facts, NULL, PQ_SCOPE_REQUEST, "");
	for (size_t i = 0; i < request->n_parties; i++) {
		const char *own = element(&c, "", "parties", i);
		check_facts(&c, &request->parties[i].facts, PQ_SCOPE_PARTY, own);
		check_required(&c, &request->parties[i].facts, NULL, PQ_SCOPE_PARTY, own);
		check_elements(&c, request->parties[i].owners, request->parties[i].n_owners, PQ_SCOPE_OWNER, own, "owners");
	}
	check_elements(&c, request->hits, request->n_hits, PQ_SCOPE_HIT, "", "screening.hits");
	check_elements(&c, request->intermediates, request->n_intermediates, PQ_SCOPE_INTERMEDIATE, "", "intermediate");
	*ret = c.found;
	return c.n;
}

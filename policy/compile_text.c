/* The conditions of a rule written out for people: what `pratique inspect --rule` shows. */
#include "policy/build.h"

#include <stdio.h>
#include <string.h>

/* A growing text in the arena. */
struct text {
	struct pq_builder *b;
	char *at;
	size_t len, cap;
};

static void
put(struct text *t, const char *s)
{
	size_t n = strlen(s);

	if (t->len + n + 1 > t->cap) {
		size_t cap = (t->cap > 0 ? t->cap * 2 : 256) + n;
		char *at = pq_build_alloc(t->b, cap, 1);
		if (at == NULL)
			return;
		if (t->len > 0)
			memcpy(at, t->at, t->len);
		t->at = at;
		t->cap = cap;
	}
	memcpy(t->at + t->len, s, n + 1);
	t->len += n;
}

static void
put_value(struct text *t, const struct pq_attr *attr, int64_t value)
{
	char buf[40];

	if (attr->type == PQ_TYPE_DATE)
		pq_date_format((int32_t)value, buf, sizeof(buf));
	else
		pq_number_format(value, buf, sizeof(buf));
	put(t, buf);
}

static void
put_ranges(struct text *t, const struct pq_attr *attr, const struct pq_cond *cond)
{
	for (size_t i = 0; i < cond->n_ranges; i++) {
		const struct pq_range *range = &cond->ranges[i];
		put(t, i > 0 ? " or " : " ");
		if (range->lo == range->hi) {
			put(t, "= ");
			put_value(t, attr, range->lo);
			continue;
		}
		if (range->lo != INT64_MIN) {
			put(t, ">= ");
			put_value(t, attr, range->lo);
		}
		if (range->hi != INT64_MAX) {
			put(t, range->lo != INT64_MIN ? " and <= " : "<= ");
			put_value(t, attr, range->hi);
		}
	}
}

static void
put_symbols(struct text *t, const struct pq_attr *attr, const struct pq_cond *cond)
{
	const struct pq_domain *domain = &t->b->model->domains[attr->domain];

	put(t, cond->op == PQ_OP_NONE ? " none of [" : cond->op == PQ_OP_ALL ? " all of [" : " [");
	for (size_t i = 0; i < cond->symbols.n; i++) {
		put(t, i > 0 ? ", " : "");
		put(t, attr->type == PQ_TYPE_PATH ? "." : "");
		put(t, domain->symbols[cond->symbols.at[i]]);
	}
	put(t, "]");
}

static void put_dnf(struct text *t, const struct pq_dnf *dnf, const char *indent);

static void
put_cond(struct text *t, const struct pq_cond *cond, const char *indent)
{
	if (cond->inner != NULL) {
		char deeper[64];
		snprintf(deeper, sizeof(deeper), "%s    ", indent);
		put(t, indent);
		put(t, cond->op == PQ_OP_EXISTS ? "some " : cond->op == PQ_OP_EVERY ? "every " : "no ");
		put(t, pq_scope_name(cond->scope));
		put(t, " that meets\n");
		put_dnf(t, cond->inner, deeper);
		return;
	}
	const struct pq_attr *attr = &t->b->model->attrs[cond->attr];
	put(t, indent);
	put(t, attr->name);
	if (cond->op == PQ_OP_RANGE)
		put_ranges(t, attr, cond);
	else
		put_symbols(t, attr, cond);
	put(t, "\n");
}

static void
put_dnf(struct text *t, const struct pq_dnf *dnf, const char *indent)
{
	for (size_t i = 0; i < dnf->n; i++) {
		if (i > 0) {
			put(t, indent);
			put(t, "or\n");
		}
		if (dnf->conjs[i].n == 0) {
			put(t, indent);
			put(t, "always\n");
		}
		for (size_t k = 0; k < dnf->conjs[i].n; k++)
			put_cond(t, &dnf->conjs[i].conds[k], indent);
	}
}

uint32_t
pq_build_conditions_text(struct pq_builder *b, const struct pq_rule *rule)
{
	struct text t = {.b = b};

	put_dnf(&t, &rule->when, "");
	if (rule->has_unless_shown) {
		put(&t, "unless shown\n");
		put_dnf(&t, &rule->unless_shown, "    ");
	}
	return b->oom ? 0 : pq_build_string(b, t.at);
}

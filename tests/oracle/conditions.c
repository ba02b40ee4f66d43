/* Conditions as they are written, element by element. */
#include "tests/oracle/internal.h"

#include <string.h>

/* ---- one attribute -------------------------------------------------------------------------------------------- */

static struct or_verdict
one_any_of(const struct or_value *v, const struct pq_indexes *symbols)
{
	size_t inside = 0;

	for (size_t i = 0; i < symbols->n; i++)
		inside += or_set_has(v->may, symbols->at[i]);
	if (inside == 0)
		return or_known(false);
	return !v->may_none && inside == or_set_count(v->may) ? or_known(true) : or_unknown(&v->why);
}

static struct or_verdict
many_any_of(const struct or_value *v, const struct pq_indexes *symbols)
{
	bool may = false;

	for (size_t i = 0; i < symbols->n; i++) {
		if (or_set_has(v->sure, symbols->at[i]))
			return or_known(true);
		may |= or_set_has(v->may, symbols->at[i]);
	}
	return may ? or_unknown(&v->why) : or_known(false);
}

static struct or_verdict
path_covered(const struct or_value *v, const char *listed)
{
	if (v->path == NULL)
		return or_known(false);
	enum pq_path_relation relation = pq_path_relate(listed, v->path);
	if (relation == PQ_PATH_COVERS)
		return or_known(true);
	return relation == PQ_PATH_BELOW && !v->exact ? or_unknown(&v->why) : or_known(false);
}

static struct or_verdict
path_any_of(struct or_world *w, uint32_t attr, const struct or_value *v, const struct pq_indexes *symbols)
{
	const struct pq_domain *domain = &w->model->domains[w->model->attrs[attr].domain];
	struct or_verdict any = or_known(false);

	for (size_t i = 0; i < symbols->n; i++) {
		struct or_verdict one = path_covered(v, domain->symbols[symbols->at[i]]);
		or_or(&any, &one);
	}
	return any;
}

struct or_verdict
or_any_of(struct or_world *w, uint32_t attr, const struct pq_indexes *symbols, struct or_at at)
{
	const struct or_value *v = or_attr(w, attr, at);

	switch (v->form) {
	case OR_ONE: return one_any_of(v, symbols);
	case OR_MANY: return many_any_of(v, symbols);
	case OR_PATH: return path_any_of(w, attr, v, symbols);
	case OR_NUMBER: break;
	}
	return or_known(false);
}

/* Every one of them: each alone. A single value cannot be two symbols, which the conjunction alone would not see. */
static struct or_verdict
all_of(struct or_world *w, uint32_t attr, const struct pq_indexes *symbols, struct or_at at)
{
	struct or_verdict all = or_known(true);

	if (or_form_of(w->model->attrs[attr].type) == OR_ONE && symbols->n > 1)
		return or_known(false);
	for (size_t i = 0; i < symbols->n; i++) {
		struct or_verdict one = or_any_of(w, attr, &(struct pq_indexes){&symbols->at[i], 1}, at);
		or_and(&all, &one);
	}
	return all;
}

struct or_verdict
or_in_range(const struct or_value *v, int64_t lo, int64_t hi)
{
	if (v->n_numbers > 1)
		return or_unknown(&v->why);
	if (v->n_numbers == 0 || v->number < lo || v->number > hi)
		return or_known(false);
	return v->may_none ? or_unknown(&v->why) : or_known(true);
}

static struct or_verdict
in_ranges(const struct or_value *v, const struct pq_cond *cond)
{
	struct or_verdict any = or_known(false);

	for (size_t i = 0; i < cond->n_ranges; i++) {
		struct or_verdict one = or_in_range(v, cond->ranges[i].lo, cond->ranges[i].hi);
		or_or(&any, &one);
	}
	return any;
}

/* ---- elements ------------------------------------------------------------------------------------------------- */

static struct or_verdict
some_element(struct or_world *w, const struct pq_cond *cond, struct or_at at)
{
	struct or_verdict some = or_known(false);

	for (size_t i = 0; i < or_count_elements(w, cond->scope, at); i++) {
		struct or_verdict one = or_dnf(w, cond->inner, or_element(at, cond->scope, i));
		or_or(&some, &one);
	}
	return some;
}

static struct or_verdict
every_element(struct or_world *w, const struct pq_cond *cond, struct or_at at)
{
	struct or_verdict every = or_known(true);

	for (size_t i = 0; i < or_count_elements(w, cond->scope, at); i++) {
		struct or_verdict one = or_dnf(w, cond->inner, or_element(at, cond->scope, i));
		or_and(&every, &one);
	}
	return every;
}

/* ---- conditions, conjunctions, alternatives --------------------------------------------------------------------- */

static struct or_verdict
condition(struct or_world *w, const struct pq_cond *cond, struct or_at at)
{
	switch (cond->op) {
	case PQ_OP_ANY: return or_any_of(w, cond->attr, &cond->symbols, at);
	case PQ_OP_NONE: return or_not(or_any_of(w, cond->attr, &cond->symbols, at));
	case PQ_OP_ALL: return all_of(w, cond->attr, &cond->symbols, at);
	case PQ_OP_RANGE: return in_ranges(or_attr(w, cond->attr, at), cond);
	case PQ_OP_EXISTS: return some_element(w, cond, at);
	case PQ_OP_EVERY: return every_element(w, cond, at);
	case PQ_OP_ABSENT: return or_not(some_element(w, cond, at));
	}
	return or_known(false);
}

/* One of the alternatives, each with the same condition before it. */
static struct or_verdict
dnf_behind(struct or_world *w, const struct or_verdict *before, const struct pq_dnf *dnf, struct or_at at)
{
	struct or_verdict any = or_known(false);

	if (before->is == OR_FALSE)
		return any;
	for (size_t i = 0; i < dnf->n && any.is != OR_TRUE; i++) {
		struct or_verdict all = *before;
		for (size_t j = 0; j < dnf->conjs[i].n && all.is != OR_FALSE; j++) {
			struct or_verdict one = condition(w, &dnf->conjs[i].conds[j], at);
			or_and(&all, &one);
		}
		or_or(&any, &all);
	}
	return any;
}

struct or_verdict
or_dnf(struct or_world *w, const struct pq_dnf *dnf, struct or_at at)
{
	struct or_verdict always = or_known(true);

	return dnf_behind(w, &always, dnf, at);
}

/* ---- rules ---------------------------------------------------------------------------------------------------- */

struct or_verdict
or_saved(struct or_world *w, uint32_t amendment)
{
	if (amendment == PQ_NO_INDEX || w->model->amendments[amendment].saved == PQ_NO_INDEX)
		return or_known(false);
	return or_verdict_of(or_attr(w, w->model->amendments[amendment].saved, OR_NOWHERE));
}

/* Begun, not saved from what brought it, in no stay, and of the jurisdiction. */
static struct or_verdict
has_begun(struct or_world *w, const struct pq_rule *rule)
{
	int32_t day = w->request->as_of;

	if (day < rule->from)
		return or_known(false);
	for (size_t i = 0; i < rule->n_stays; i++) {
		if (day >= rule->stays[i].from && day < rule->stays[i].to)
			return or_known(false);
	}
	struct or_verdict begun = or_not(or_saved(w, rule->amendment));
	if (rule->kind != PQ_KIND_JURISDICTION && rule->jurisdiction != PQ_NO_INDEX) {
		uint32_t law = rule->jurisdiction;
		struct or_verdict same = or_any_of(w, PQ_ATTR_JURISDICTION, &(struct pq_indexes){&law, 1}, OR_NOWHERE);
		or_and(&begun, &same);
	}
	return begun;
}

/* Two ways: it has not ended, or the transaction is saved from what ended it. */
struct or_verdict
or_rule_holds(struct or_world *w, const struct pq_rule *rule, struct or_at at)
{
	struct or_verdict begun = has_begun(w, rule);

	if (begun.is == OR_FALSE)
		return begun;
	struct or_verdict lasts = or_known(w->request->as_of < rule->to);
	struct or_verdict saved = or_saved(w, rule->ended_by);
	or_and(&lasts, &begun);
	or_and(&saved, &begun);
	struct or_verdict holds = dnf_behind(w, &lasts, &rule->when, at);
	struct or_verdict other = dnf_behind(w, &saved, &rule->when, at);
	or_or(&holds, &other);
	return holds;
}

/* The lines of a request and the nationalities of a release, each decided on its own. */
#include "tests/oracle/internal.h"

#include <string.h>

/* The decisions of a request of many lines may be large. */
#define KEEP_MAX ((size_t)1 << 30)

static struct pq_arena keep;

static bool
is_release(struct or_world *w)
{
	const struct pq_model *model = w->model;

	if (model->release_fact == PQ_NO_INDEX)
		return false;
	return or_any_of(w, model->release_fact, &model->release_values, OR_NOWHERE).is == OR_TRUE;
}

/* The fact whose values a release is decided for; PQ_NO_INDEX if this is none or its law is not certain. */
static uint32_t
release_by(struct or_world *w)
{
	const struct or_value *j = or_attr(w, PQ_ATTR_JURISDICTION, OR_NOWHERE);

	if (!is_release(w) || !or_value_certain(j) || j->may_none)
		return PQ_NO_INDEX;
	for (uint32_t i = 0; i < j->may.n; i++) {
		const struct pq_jurisdiction *law = or_set_has(j->may, i) ? or_jurisdiction(w->model, i) : NULL;
		if (law != NULL)
			return law->release_by;
	}
	return PQ_NO_INDEX;
}

static void
decide_nationalities(struct or_world *w, uint32_t by, const struct or_set *values, struct pq_decision *ret)
{
	const struct pq_attr *a = &w->model->attrs[by];
	size_t n = or_set_count(*values), done = 0;
	struct pq_decision *parts = or_alloc(w->out, n, sizeof(*parts));
	const char **names = or_alloc(w->out, n, sizeof(*names));

	w->replaced_known = true;
	for (uint32_t i = 0; i < values->n; i++) {
		if (!or_set_has(*values, i))
			continue;
		w->replaced_symbol = i;
		w->n_unknowns = 0;
		or_decide_part(w, &parts[done]);
		names[done++] = pq_arena_printf(w->out, "%s %s", a->name, w->model->domains[a->domain].symbols[i]);
	}
	if (n == 1)
		*ret = parts[0];
	else
		or_join(w->model, w->out, parts, names, n, ret);
}

static void
decide_line(const struct pq_model *model, const struct pq_request *request, int line, struct pq_arena *out,
            struct pq_decision *ret)
{
	struct or_world w;

	pq_arena_reset(&keep);
	or_world_init(&w, model, request, line, &keep, out);
	or_world_forget(&w, &keep);
	uint32_t by = release_by(&w);
	w.replaced = by != PQ_NO_INDEX && model->release_replaces != PQ_NO_INDEX;
	w.replaced_by = by;
	if (w.replaced) {
		const struct or_value *v = or_attr(&w, by, OR_NOWHERE);
		if (or_value_certain(v) && or_set_count(v->may) > 0) {
			struct or_set values = v->may;
			decide_nationalities(&w, by, &values, ret);
			return;
		}
	}
	w.n_unknowns = 0;
	or_decide_part(&w, ret);
}

enum pq_status
pq_oracle_decide(const struct pq_model *model, const struct pq_request *request, struct pq_arena *arena,
                 struct pq_decision *ret_decision, const struct pq_violation **ret_violations,
                 size_t *ret_n_violations, struct pq_err *err)
{
	const struct pq_violation *violations;
	size_t n_violations = or_check_request(model, request, arena, &violations);

	if (keep.limit == 0)
		pq_arena_init(&keep, KEEP_MAX);
	if (n_violations > 0) {
		if (ret_violations != NULL) {
			*ret_violations = violations;
			*ret_n_violations = n_violations;
		}
		return pq_fail_at(err, PQ_EINVAL, violations[0].field, 0, 0, "%s", violations[0].description);
	}
	if (request->n_lines <= 1) {
		decide_line(model, request, request->n_lines == 1 ? 0 : -1, arena, ret_decision);
		return PQ_OK;
	}
	struct pq_decision *parts = or_alloc(arena, request->n_lines, sizeof(*parts));
	const char **names = or_alloc(arena, request->n_lines, sizeof(*names));
	for (size_t i = 0; i < request->n_lines; i++) {
		decide_line(model, request, (int)i, arena, &parts[i]);
		names[i] = pq_arena_printf(arena, "lines[%zu]", i);
	}
	or_join(model, arena, parts, names, request->n_lines, ret_decision);
	return PQ_OK;
}

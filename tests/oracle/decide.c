/*
 * The legs of a request: its lines, and of a release to a person each nationality that the law looks at. Which law it is
 * may follow from the nationality: every law's nationalities are tried, and those count that their own law looks at.
 */
#include "tests/oracle/internal.h"

#include <string.h>

/* The scratch memory of one leg. */
#define KEEP_MAX ((size_t)1 << 30)

static struct pq_arena keep;

struct leg {
	int line;          /* -1 = the request has none */
	uint32_t by;       /* the fact that gives the nationality; PQ_NO_INDEX = no release */
	uint32_t symbol;   /* PQ_NO_INDEX = not known */
	uint32_t law_by;   /* what the law found looks at */
	bool law_known;
	bool dropped;
	struct pq_decision decision;
};

struct legs {
	struct leg *at;
	size_t n, room;
	struct pq_arena *arena;
};

static void
add_leg(struct legs *legs, int line, uint32_t by, uint32_t symbol)
{
	if (legs->n == legs->room) {
		struct leg *more = or_alloc(legs->arena, legs->room = legs->room * 2 + 8, sizeof(*more));
		if (legs->n > 0)
			memcpy(more, legs->at, legs->n * sizeof(*more));
		legs->at = more;
	}
	legs->at[legs->n++] = (struct leg){.line = line, .by = by, .symbol = symbol, .law_by = PQ_NO_INDEX};
}

/* ---- which legs there are ----------------------------------------------------------------------------------------- */

static bool
says_release(const struct or_world *w)
{
	const struct pq_model *model = w->model;

	if (model->release_fact == PQ_NO_INDEX || model->release_replaces == PQ_NO_INDEX)
		return false;
	const struct pq_value *given = or_given(w, model->release_fact, OR_NOWHERE, -1);
	return given != NULL && given->kind == PQ_VALUE_TEXT;
}

static bool
is_release(struct or_world *w)
{
	const struct pq_model *model = w->model;

	return or_any_of(w, model->release_fact, &model->release_values, OR_NOWHERE).is == OR_TRUE;
}

static void
add_nationality(struct or_world *w, uint32_t by, struct pq_text text, struct legs *legs, size_t before)
{
	uint32_t symbol = or_symbol(w->model, w->model->attrs[by].domain, text);

	for (size_t i = before; i < legs->n; i++) {
		if (legs->at[i].symbol == symbol)
			return;
	}
	add_leg(legs, w->line, by, symbol);
}

/* In the order in which the request names them. */
static void
add_nationalities(struct or_world *w, uint32_t by, struct legs *legs)
{
	const struct pq_value *given = or_given(w, by, OR_NOWHERE, -1);
	size_t before = legs->n;

	if (given != NULL && given->kind == PQ_VALUE_TEXT)
		add_nationality(w, by, given->text, legs, before);
	for (size_t i = 0; given != NULL && given->kind == PQ_VALUE_TEXTS && i < given->n_texts; i++)
		add_nationality(w, by, given->texts[i], legs, before);
	if (legs->n == before)
		add_leg(legs, w->line, by, PQ_NO_INDEX);
}

static void
add_line(const struct pq_model *model, const struct pq_request *request, int line, struct legs *legs)
{
	struct or_world w;
	size_t before = legs->n;

	w = (struct or_world){.model = model, .request = request, .line = line};
	bool may_release = says_release(&w);
	if (may_release) {
		pq_arena_reset(&keep);
		or_world_init(&w, model, request, line, &keep, legs->arena);
		or_world_forget(&w, &keep);
	}
	for (size_t i = 0; i < model->n_jurisdictions && may_release && is_release(&w); i++) {
		uint32_t by = model->jurisdictions[i].release_by;
		bool done = by == PQ_NO_INDEX;
		for (size_t k = before; k < legs->n; k++)
			done |= legs->at[k].by == by;
		if (!done)
			add_nationalities(&w, by, legs);
	}
	if (legs->n == before)
		add_leg(legs, line, PQ_NO_INDEX, PQ_NO_INDEX);
}

/* ---- one leg ------------------------------------------------------------------------------------------------------ */

/* False: it needs a search, and there shall be none. */
static bool
decide_leg(const struct pq_model *model, const struct pq_request *request, struct leg *leg, bool settled_only,
           struct pq_arena *out)
{
	struct or_world w;

	pq_arena_reset(&keep);
	or_world_init(&w, model, request, leg->line, &keep, out);
	w.replaced = leg->by != PQ_NO_INDEX;
	w.replaced_by = leg->by;
	w.replaced_known = leg->symbol != PQ_NO_INDEX;
	w.replaced_symbol = leg->symbol;
	w.settled_only = settled_only;
	or_decide_part(&w, &leg->decision);
	if (w.left)
		return false;
	const struct or_value *j = or_attr(&w, PQ_ATTR_JURISDICTION, OR_NOWHERE);
	for (uint32_t i = 0; i < j->may.n && or_value_certain(j); i++) {
		const struct pq_jurisdiction *law = or_set_has(j->may, i) ? or_jurisdiction(model, i) : NULL;
		leg->law_known |= law != NULL;
		if (law != NULL)
			leg->law_by = law->release_by;
	}
	return true;
}

/* A nationality counts only under the law that looks at it; where the law looks at none, one answer is enough. */
static void
drop_legs(struct legs *legs)
{
	for (size_t i = 0; i < legs->n; i++) {
		struct leg *leg = &legs->at[i];
		if (leg->by == PQ_NO_INDEX || !leg->law_known)
			continue;
		leg->dropped = leg->law_by != PQ_NO_INDEX && leg->law_by != leg->by;
		for (size_t k = 0; k < i && leg->law_by == PQ_NO_INDEX; k++)
			leg->dropped |= legs->at[k].line == leg->line && !legs->at[k].dropped;
	}
	for (size_t i = 0; i < legs->n; i++) {
		bool kept = false;
		for (size_t k = 0; k < legs->n; k++)
			kept |= legs->at[k].line == legs->at[i].line && !legs->at[k].dropped;
		legs->at[i].dropped &= kept;
	}
}

static const char *
leg_name(const struct pq_model *model, const struct leg *leg, size_t n_lines, struct pq_arena *arena)
{
	const char *name = n_lines > 1 ? pq_arena_printf(arena, "lines[%d]", leg->line) : "";

	if (leg->by == PQ_NO_INDEX)
		return name;
	const struct pq_attr *by = &model->attrs[leg->by];
	const char *symbol = leg->symbol == PQ_NO_INDEX ? "" : model->domains[by->domain].symbols[leg->symbol];
	return pq_arena_printf(arena, "%s%s%s %s", name, name[0] != '\0' ? " " : "", by->name, symbol);
}

static bool
decide_all(const struct pq_model *model, const struct pq_request *request, struct legs *legs, bool settled_only,
           struct pq_decision *ret)
{
	struct pq_decision *parts = or_alloc(legs->arena, legs->n, sizeof(*parts));
	const char **names = or_alloc(legs->arena, legs->n, sizeof(*names));
	int *lines = or_alloc(legs->arena, legs->n, sizeof(*lines));
	size_t n = 0;

	for (size_t i = 0; i < legs->n; i++) {
		if (!decide_leg(model, request, &legs->at[i], settled_only, legs->arena)) {
			*ret = legs->at[i].decision;
			return false;
		}
	}
	drop_legs(legs);
	for (size_t i = 0; i < legs->n; i++) {
		if (legs->at[i].dropped)
			continue;
		parts[n] = legs->at[i].decision;
		lines[n] = legs->at[i].line;
		names[n++] = leg_name(model, &legs->at[i], request->n_lines, legs->arena);
	}
	if (n == 1)
		*ret = parts[0];
	else
		or_join(legs->arena, parts, names, lines, n, ret);
	return true;
}

static enum pq_status
decide(const struct pq_model *model, const struct pq_request *request, bool settled_only, struct pq_arena *arena,
       struct pq_decision *ret_decision, bool *ret_settled, const struct pq_violation **ret_violations,
       size_t *ret_n_violations, struct pq_err *err)
{
	struct legs legs = {.arena = arena};
	const struct pq_violation *violations;
	size_t n_violations = or_check_request(model, request, arena, &violations);

	if (keep.limit == 0)
		pq_arena_init(&keep, KEEP_MAX);
	if (n_violations > 0) {
		if (ret_violations != NULL && ret_n_violations != NULL) {
			*ret_violations = violations;
			*ret_n_violations = n_violations;
		}
		return pq_fail_at(err, PQ_EINVAL, violations[0].field, 0, 0, "%s", violations[0].description);
	}
	if (request->n_lines == 0)
		add_line(model, request, -1, &legs);
	for (size_t i = 0; i < request->n_lines; i++)
		add_line(model, request, (int)i, &legs);
	*ret_settled = decide_all(model, request, &legs, settled_only, ret_decision);
	return PQ_OK;
}

enum pq_status
pq_oracle_decide(const struct pq_model *model, const struct pq_request *request, struct pq_arena *arena,
                 struct pq_decision *ret_decision, const struct pq_violation **ret_violations,
                 size_t *ret_n_violations, struct pq_err *err)
{
	bool settled;

	return decide(model, request, false, arena, ret_decision, &settled, ret_violations, ret_n_violations, err);
}

enum pq_status
pq_oracle_decide_settled(const struct pq_model *model, const struct pq_request *request, struct pq_arena *arena,
                         struct pq_decision *ret_decision, bool *ret_settled,
                         const struct pq_violation **ret_violations, size_t *ret_n_violations, struct pq_err *err)
{
	*ret_settled = true;
	return decide(model, request, true, arena, ret_decision, ret_settled, ret_violations, ret_n_violations, err);
}

/* One request, one line of it, and what is assumed of its unknown facts. Every attribute is computed once. */
#include "tests/oracle/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the one part that is being decided; only the first n_unknowns mean anything. */
static struct or_unknown unknowns[OR_MAX_UNKNOWNS];

_Noreturn void
or_die(const char *what)
{
	fprintf(stderr, "oracle: %s\n", what);
	abort();
}

void *
or_alloc(struct pq_arena *arena, size_t count, size_t size)
{
	void *block = pq_arena_array(arena, count, size);

	if (block == NULL)
		or_die("out of memory");
	return block;
}

/* ---- which rules give an attribute its value ------------------------------------------------------------------ */

static bool
gives(const struct pq_rule *rule)
{
	return rule->kind == PQ_KIND_DERIVE || rule->kind == PQ_KIND_JURISDICTION;
}

/* By `order`, then by position; an insertion sort keeps equal ones where they stood. */
static void
insert_rule(const struct pq_model *model, struct pq_indexes *rules, uint32_t rule)
{
	size_t at = rules->n++;

	while (at > 0 && model->rules[rules->at[at - 1]].order > model->rules[rule].order) {
		rules->at[at] = rules->at[at - 1];
		at--;
	}
	rules->at[at] = rule;
}

static struct pq_indexes *
collect_rules(const struct pq_model *model, struct pq_arena *arena)
{
	struct pq_indexes *of = or_alloc(arena, model->n_attrs, sizeof(*of));
	size_t *counts = or_alloc(arena, model->n_attrs, sizeof(*counts));

	for (size_t r = 0; r < model->n_rules; r++) {
		if (gives(&model->rules[r]))
			counts[model->rules[r].attr]++;
	}
	for (size_t a = 0; a < model->n_attrs; a++)
		of[a].at = or_alloc(arena, counts[a], sizeof(*of[a].at));
	for (size_t r = 0; r < model->n_rules; r++) {
		if (gives(&model->rules[r]))
			insert_rule(model, &of[model->rules[r].attr], (uint32_t)r);
	}
	return of;
}

static void
sort_by_kind(struct or_world *w)
{
	struct pq_indexes claims = or_claims(w);

	for (uint32_t r = 0; r < w->model->n_rules; r++) {
		const struct pq_rule *rule = &w->model->rules[r];
		struct pq_indexes *of = &w->of_kind[rule->kind];
		if (of->at == NULL)
			of->at = or_alloc(w->keep, w->model->n_rules, sizeof(*of->at));
		if (rule->kind != PQ_KIND_EXCEPTION || or_considered(w, &claims, rule))
			of->at[of->n++] = r;
	}
}

/* ---- elements ------------------------------------------------------------------------------------------------- */

struct or_at
or_at_scope(struct or_at at, enum pq_scope scope)
{
	struct or_at ret = OR_NOWHERE;

	if (scope == PQ_SCOPE_PARTY || scope == PQ_SCOPE_OWNER)
		ret.party = at.party;
	if (scope == PQ_SCOPE_OWNER)
		ret.owner = at.owner;
	if (scope == PQ_SCOPE_HIT)
		ret.hit = at.hit;
	if (scope == PQ_SCOPE_INTERMEDIATE)
		ret.intermediate = at.intermediate;
	return ret;
}

size_t
or_count_elements(const struct or_world *w, enum pq_scope scope, struct or_at at)
{
	switch (scope) {
	case PQ_SCOPE_PARTY: return w->request->n_parties;
	case PQ_SCOPE_OWNER: return at.party < 0 ? 0 : w->request->parties[at.party].n_owners;
	case PQ_SCOPE_HIT: return w->request->n_hits;
	case PQ_SCOPE_INTERMEDIATE: return w->request->n_intermediates;
	case PQ_SCOPE_REQUEST:
	case PQ_SCOPE_DECISION:
	case PQ_SCOPE_COUNT: break;
	}
	return 0;
}

struct or_at
or_element(struct or_at at, enum pq_scope scope, size_t i)
{
	if (scope == PQ_SCOPE_PARTY) {
		at.party = (int)i;
		at.owner = -1;
	} else if (scope == PQ_SCOPE_OWNER) {
		at.owner = (int)i;
	} else if (scope == PQ_SCOPE_HIT) {
		at.hit = (int)i;
	} else if (scope == PQ_SCOPE_INTERMEDIATE) {
		at.intermediate = (int)i;
	}
	return at;
}

/* ---- the memo ------------------------------------------------------------------------------------------------- */

static size_t
slots_of(const struct or_world *w, enum pq_scope scope)
{
	if (scope == PQ_SCOPE_REQUEST || scope == PQ_SCOPE_DECISION)
		return 1;
	if (scope == PQ_SCOPE_OWNER)
		return w->owner_base[w->request->n_parties];
	return or_count_elements(w, scope, OR_NOWHERE);
}

static size_t
slot_of(const struct or_world *w, uint32_t attr, struct or_at at)
{
	size_t base = w->slot_base[attr];

	switch (w->model->attrs[attr].scope) {
	case PQ_SCOPE_PARTY: return base + (size_t)at.party;
	case PQ_SCOPE_OWNER: return base + w->owner_base[at.party] + (size_t)at.owner;
	case PQ_SCOPE_HIT: return base + (size_t)at.hit;
	case PQ_SCOPE_INTERMEDIATE: return base + (size_t)at.intermediate;
	case PQ_SCOPE_REQUEST:
	case PQ_SCOPE_DECISION:
	case PQ_SCOPE_COUNT: break;
	}
	return base;
}

static bool
is_somewhere(enum pq_scope scope, struct or_at at)
{
	switch (scope) {
	case PQ_SCOPE_PARTY: return at.party >= 0;
	case PQ_SCOPE_OWNER: return at.party >= 0 && at.owner >= 0;
	case PQ_SCOPE_HIT: return at.hit >= 0;
	case PQ_SCOPE_INTERMEDIATE: return at.intermediate >= 0;
	case PQ_SCOPE_REQUEST:
	case PQ_SCOPE_DECISION:
	case PQ_SCOPE_COUNT: break;
	}
	return true;
}

void
or_world_init(struct or_world *w, const struct pq_model *model, const struct pq_request *request, int line,
              struct pq_arena *keep, struct pq_arena *out)
{
	*w = (struct or_world){.model = model, .request = request, .line = line, .keep = keep, .out = out};
	w->unknowns = unknowns;
	w->rules_of = collect_rules(model, keep);
	w->owner_base = or_alloc(keep, request->n_parties + 1, sizeof(*w->owner_base));
	for (size_t p = 0; p < request->n_parties; p++)
		w->owner_base[p + 1] = w->owner_base[p] + request->parties[p].n_owners;
	w->slot_base = or_alloc(keep, model->n_attrs, sizeof(*w->slot_base));
	for (size_t a = 0; a < model->n_attrs; a++) {
		w->slot_base[a] = w->n_slots;
		w->n_slots += slots_of(w, model->attrs[a].scope);
	}
	sort_by_kind(w);
}

void
or_world_forget(struct or_world *w, struct pq_arena *scratch)
{
	w->scratch = scratch;
	w->memo.rows = NULL;
	w->memo.state = or_alloc(scratch, w->n_slots, sizeof(*w->memo.state));
	w->memo.values = or_alloc(scratch, w->n_slots, sizeof(*w->memo.values));
	w->memo.held = or_alloc(scratch, w->model->n_rules, sizeof(*w->memo.held));
	w->memo.holds = or_alloc(scratch, w->model->n_rules, sizeof(*w->memo.holds));
}

static struct or_value
as_of(const struct or_world *w)
{
	return (struct or_value){.form = OR_NUMBER, .n_numbers = 1, .number = w->request->as_of};
}

/* The country that a release to a person goes to; one that is not known is an unknown fact. */
static struct or_value
replacement(struct or_world *w, uint32_t attr)
{
	struct or_value v = or_value_empty(w, attr);

	if (!w->replaced_known)
		return or_unknown_value(w, attr, OR_NOWHERE, -1);
	or_set_add(v.may, w->replaced_symbol);
	return v;
}

static struct or_value
compute(struct or_world *w, uint32_t attr, struct or_at at)
{
	const struct pq_attr *a = &w->model->attrs[attr];

	if (attr == PQ_ATTR_AS_OF)
		return as_of(w);
	if (attr >= PQ_ATTR_DECISION_OUTCOME && attr < PQ_ATTR_FIRST_DECLARED) {
		w->asked_early |= !w->decided;
		return w->decided ? w->decision[attr] : or_value_anything(w, attr);
	}
	if (w->replaced && attr == w->model->release_replaces)
		return replacement(w, attr);
	if (a->digits > 0)
		return or_read(w, attr, at);
	if (a->said.n > 0)
		return or_said(w, attr, at);
	if (a->is_fact || a->type == PQ_TYPE_PATH)
		return or_fact(w, attr, at);
	return or_derived(w, attr, at);
}

const struct or_value *
or_attr(struct or_world *w, uint32_t attr, struct or_at at)
{
	enum pq_scope scope = w->model->attrs[attr].scope;

	at = or_at_scope(at, scope);
	if (!is_somewhere(scope, at))
		or_die("an element's attribute outside of its element");
	size_t slot = slot_of(w, attr, at);
	if (w->memo.state[slot] == 1)
		or_die("an attribute depends on itself");
	if (w->memo.state[slot] == 0) {
		w->memo.state[slot] = 1;
		w->memo.values[slot] = compute(w, attr, at);
		w->memo.state[slot] = 2;
	}
	return &w->memo.values[slot];
}

/* ---- unknowns ------------------------------------------------------------------------------------------------- */

int
or_unknown_compare(const struct or_unknown *a, const struct or_unknown *b)
{
	const long long pairs[][2] = {
		{a->is_row, b->is_row}, {a->table, b->table},       {a->row, b->row},       {a->attr, b->attr},
		{a->line, b->line},     {a->at.party, b->at.party}, {a->at.owner, b->at.owner}, {a->at.hit, b->at.hit},
		{a->at.intermediate, b->at.intermediate},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (pairs[i][0] != pairs[i][1])
			return pairs[i][0] < pairs[i][1] ? -1 : 1;
	}
	return 0;
}

static uint32_t
find_or_add(struct or_world *w, const struct or_unknown *u)
{
	for (size_t i = 0; i < w->n_unknowns; i++) {
		if (or_unknown_compare(&w->unknowns[i], u) == 0)
			return (uint32_t)i;
	}
	if (w->n_unknowns == OR_MAX_UNKNOWNS)
		or_die("too many unknown facts");
	w->unknowns[w->n_unknowns] = *u;
	return (uint32_t)w->n_unknowns++;
}

uint32_t
or_unknown_fact(struct or_world *w, uint32_t attr, struct or_at at, int line)
{
	struct or_unknown u = {.attr = attr, .at = or_at_scope(at, w->model->attrs[attr].scope), .line = line};

	return find_or_add(w, &u);
}

uint32_t
or_unknown_row(struct or_world *w, uint32_t table, uint32_t row)
{
	struct or_unknown u = {.is_row = true, .table = table, .row = row, .at = OR_NOWHERE, .line = -1};

	return find_or_add(w, &u);
}

#include "tests/property/places.h"

#include "tests/property/values.h"

#include <stdlib.h>
#include <string.h>

struct opener {
	const struct pq_random_request_form *form;
	unsigned filled;
	const struct pq_strings *names;
	struct pq_random *random;
	struct pq_arena *arena;
	struct pq_open_request *to;
};

static void *
must(void *block)
{
	if (block == NULL)
		abort();
	return block;
}

static size_t
prefix_of(enum pq_scope scope)
{
	return scope == PQ_SCOPE_REQUEST ? 0 : strlen(pq_scope_name(scope)) + 1;
}

static bool
is_named(const struct pq_attr *attr, struct pq_text name)
{
	const char *own = attr->name + prefix_of(attr->scope);

	return strlen(own) == name.len && memcmp(own, name.at, name.len) == 0;
}

const char *
pq_place_name(const struct pq_model *model, uint32_t attr)
{
	const struct pq_attr *a = &model->attrs[attr];

	return a->report_as != NULL ? a->report_as : a->name + prefix_of(a->scope);
}

static bool
ends_with(const char *name, const char *tail)
{
	size_t n = strlen(name), len = strlen(tail);

	return n >= len && strcmp(name + n - len, tail) == 0 && (n == len || name[n - len - 1] == '.');
}

bool
pq_place_is_called(const struct pq_model *model, uint32_t attr, const char *name)
{
	const struct pq_attr *a = &model->attrs[attr];

	if (ends_with(name, pq_place_name(model, attr)))
		return true;
	return a->type == PQ_TYPE_CODE && a->path != PQ_NO_INDEX && ends_with(name, pq_place_name(model, a->path));
}

static bool
is_wanted(const struct opener *o, uint32_t attr)
{
	for (size_t i = 0; i < o->names->n; i++) {
		if (pq_place_is_called(o->form->model, attr, o->names->at[i]))
			return true;
	}
	return false;
}

static void
add_place(struct opener *o, struct pq_fact *fact, uint32_t attr, bool by_base)
{
	struct pq_open_request *to = o->to;

	if (to->n == to->room) {
		struct pq_place *more = must(pq_arena_array(o->arena, to->room = to->room * 2 + 64, sizeof(*more)));
		if (to->n > 0)
			memcpy(more, to->places, to->n * sizeof(*more));
		to->places = more;
	}
	to->places[to->n++] = (struct pq_place){fact, attr, by_base};
}

/* Mostly what lets an ordinary transaction go: no, none, nothing. */
static struct pq_value
fill(struct opener *o, uint32_t attr)
{
	const struct pq_attr *a = &o->form->model->attrs[attr];

	if (a->type == PQ_TYPE_BOOL && pq_random_chance(o->random, 80))
		return (struct pq_value){.kind = PQ_VALUE_BOOL, .boolean = false};
	if (a->type == PQ_TYPE_SYMBOLS && pq_random_chance(o->random, 70))
		return (struct pq_value){.kind = PQ_VALUE_TEXTS};
	return pq_random_value(o->form, attr, o->random, o->arena);
}

static struct pq_value
whole(struct opener *o, uint32_t attr, struct pq_value value)
{
	const struct pq_attr *a = &o->form->model->attrs[attr];

	if (a->type != PQ_TYPE_CODE || value.kind != PQ_VALUE_TEXT)
		return value;
	const char *code = must(pq_arena_strndup(o->arena, value.text.at, value.text.len));
	code = pq_whole_code(a, code, o->arena);
	return (struct pq_value){.kind = PQ_VALUE_TEXT, .text = {code, strlen(code)}};
}

/* May the fact be unknown where the request does not say it? */
static bool
silence_may_be_unknown(const struct pq_attr *attr)
{
	const struct pq_silence *last = attr->n_silence > 0 ? &attr->silence[attr->n_silence - 1] : NULL;

	if (last == NULL || last->unknown || last->when.n != 1 || last->when.conjs[0].n > 0)
		return true;
	for (size_t i = 0; i < attr->n_silence; i++) {
		if (attr->silence[i].unknown)
			return true;
	}
	return false;
}

static struct pq_facts
open_facts(struct opener *o, enum pq_scope scope, const struct pq_facts *base, bool is_line)
{
	const struct pq_model *model = o->form->model;
	struct pq_fact *facts = must(pq_arena_array(o->arena, base->n + model->n_attrs, sizeof(*facts)));
	size_t n = 0;

	for (size_t i = 0; i < base->n; i++)
		facts[n++] = base->at[i];
	for (uint32_t a = 0; a < model->n_attrs; a++) {
		const struct pq_attr *attr = &model->attrs[a];
		size_t i = 0;
		if (!attr->is_fact || attr->scope != scope || attr->type == PQ_TYPE_PATH || attr->type == PQ_TYPE_TEXT)
			continue;
		if (attr->domain != PQ_NO_INDEX && model->domains[attr->domain].n_symbols == 0)
			continue;
		while (i < n && !is_named(attr, facts[i].name))
			i++;
		bool said = i < n;
		bool unknown = !said || facts[i].value.kind == PQ_VALUE_UNKNOWN;
		if (!said && (is_line || pq_is_mark(model, a) || !silence_may_be_unknown(attr)))
			continue;
		if (unknown && !pq_random_chance(o->random, o->filled) && !is_wanted(o, a))
			continue;
		if (!said)
			facts[n++] = (struct pq_fact){{attr->name + prefix_of(scope), strlen(attr->name + prefix_of(scope))}, fill(o, a)};
		else if (unknown)
			facts[i].value = fill(o, a);
		facts[i].value = whole(o, a, facts[i].value);
		add_place(o, &facts[i], a, said);
	}
	return (struct pq_facts){facts, n};
}

static const struct pq_facts *
open_elements(struct opener *o, enum pq_scope scope, const struct pq_facts *base, size_t n)
{
	struct pq_facts *elements = must(pq_arena_array(o->arena, n + 1, sizeof(*elements)));

	for (size_t i = 0; i < n; i++)
		elements[i] = open_facts(o, scope, &base[i], scope == PQ_SCOPE_REQUEST);
	return elements;
}

void
pq_open_request(const struct pq_random_request_form *form, const struct pq_request *base, unsigned filled,
                const struct pq_strings *names, struct pq_random *random, struct pq_arena *arena,
                struct pq_open_request *ret)
{
	struct opener o = {form, filled, names, random, arena, ret};
	struct pq_request request = *base;
	struct pq_party *parties = must(pq_arena_array(arena, base->n_parties + 1, sizeof(*parties)));

	*ret = (struct pq_open_request){0};
	request.facts = open_facts(&o, PQ_SCOPE_REQUEST, &base->facts, false);
	request.lines = open_elements(&o, PQ_SCOPE_REQUEST, base->lines, base->n_lines);
	for (size_t i = 0; i < base->n_parties; i++) {
		const struct pq_party *party = &base->parties[i];
		parties[i].facts = open_facts(&o, PQ_SCOPE_PARTY, &party->facts, false);
		parties[i].owners = open_elements(&o, PQ_SCOPE_OWNER, party->owners, party->n_owners);
		parties[i].n_owners = party->n_owners;
	}
	request.parties = parties;
	request.hits = open_elements(&o, PQ_SCOPE_HIT, base->hits, base->n_hits);
	request.intermediates = open_elements(&o, PQ_SCOPE_INTERMEDIATE, base->intermediates, base->n_intermediates);
	ret->request = request;
}

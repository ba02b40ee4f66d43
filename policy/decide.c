/*
 * The way of a request: bind, make its legs (lines × nationalities), evaluate each, search where something is unknown,
 * and write the decision.
 */
#include "policy/decide.h"

#include "policy/decide_parts.h"
#include "policy/eval.h"
#include "policy/warm.h"
#include "policy/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory of an evaluation ---- */

/* What a request says of an element ... */
static bool
make_given(struct pq_eval *ev, struct pq_element *element, enum pq_scope scope, size_t index)
{
	element->scope = scope;
	element->index = (uint16_t)index;
	element->given =
	    pq_arena_array(ev->arena, (size_t)ev->image->meta->scope_facts[scope] + 1, sizeof(*element->given));
	return element->given != NULL;
}

/* ... and what is made of it. */
static bool
make_values(struct pq_eval *ev, struct pq_element *element, enum pq_scope scope)
{
	const struct pq_p_meta *meta = ev->image->meta;
	uint32_t n = meta->scope_attrs[scope];

	element->scope = scope;
	element->vals = pq_arena_array(ev->arena, (size_t)n + 1, sizeof(*element->vals));
	element->words = pq_arena_array(ev->arena, 2 * (size_t)meta->scope_words[scope] + 1, sizeof(*element->words));
	element->tri = pq_arena_array(ev->arena, (size_t)meta->scope_dnfs[scope] + 1, sizeof(*element->tri));
	element->var = pq_arena_array(ev->arena, (size_t)n + 1, sizeof(*element->var));
	if (element->vals == NULL || element->words == NULL || element->tri == NULL || element->var == NULL)
		return false;
	memset(element->var, 0xff, n * sizeof(*element->var));
	pq_eval_wire(ev, element);
	return true;
}

void
pq_eval_wire(const struct pq_eval *ev, struct pq_element *element)
{
	for (size_t i = 0; i < ev->p->n_attrs; i++) {
		const struct pq_p_attr *a = &ev->p->attrs[i];
		if (a->scope != element->scope)
			continue;
		struct pq_val *val = &element->vals[a->slot];
		val->sure = element->words + a->word;
		val->poss = element->words + ev->image->meta->scope_words[element->scope] + a->word;
	}
}

static struct pq_element *
make_elements(struct pq_eval *ev, enum pq_scope scope, size_t n)
{
	struct pq_element *elements = pq_arena_array(ev->arena, n + 1, sizeof(*elements));

	for (size_t i = 0; elements != NULL && i < n; i++) {
		if (!make_given(ev, &elements[i], scope, i))
			return NULL;
	}
	return elements;
}

static bool
make_all_values(struct pq_eval *ev)
{
	bool made = make_values(ev, &ev->req, PQ_SCOPE_REQUEST) && make_values(ev, &ev->decision, PQ_SCOPE_DECISION);

	for (size_t i = 0; made && i < ev->n_parties; i++) {
		made = make_values(ev, &ev->parties[i], PQ_SCOPE_PARTY);
		for (size_t k = 0; made && k < ev->parties[i].n_owners; k++)
			made = make_values(ev, &ev->parties[i].owners[k], PQ_SCOPE_OWNER);
	}
	for (size_t i = 0; made && i < ev->n_hits; i++)
		made = make_values(ev, &ev->hits[i], PQ_SCOPE_HIT);
	for (size_t i = 0; made && i < ev->n_intermediates; i++)
		made = make_values(ev, &ev->intermediates[i], PQ_SCOPE_INTERMEDIATE);
	return made && pq_eval_scratch(ev);
}

static bool
make_exceptions(struct pq_eval *ev)
{
	uint32_t domain = ev->image->meta->domain_exception;
	size_t n = domain != PQ_NO_INDEX ? ev->p->domains[domain].symbols.n : 0;
	size_t words = ev->image->meta->reason_words;
	uint64_t *sets = pq_arena_array(ev->arena, 2 * n * words + 1, sizeof(*sets));

	ev->exceptions = pq_arena_array(ev->arena, n + 1, sizeof(*ev->exceptions));
	ev->exception_at = pq_arena_array(ev->arena, n + 1, sizeof(*ev->exception_at));
	if (sets == NULL || ev->exceptions == NULL || ev->exception_at == NULL)
		return false;
	memset(ev->exception_at, 0xff, n * sizeof(*ev->exception_at));
	for (size_t i = 0; i < n; i++) {
		ev->exceptions[i].over_sure = sets + 2 * i * words;
		ev->exceptions[i].over_poss = sets + (2 * i + 1) * words;
	}
	return true;
}

bool
pq_eval_scratch(struct pq_eval *ev)
{
	const struct pq_p_meta *meta = ev->image->meta;
	uint64_t *words = pq_arena_array(ev->arena, 6 * (size_t)meta->max_space_words + 1, sizeof(*words));

	ev->vars = pq_arena_array(ev->arena, PQ_MAX_VARS, sizeof(*ev->vars));
	ev->row_vars = pq_arena_array(ev->arena, PQ_MAX_VARS, sizeof(*ev->row_vars));
	ev->active = pq_arena_array(ev->arena, ev->p->n_main_rules + 1, sizeof(*ev->active));
	ev->post = pq_arena_array(ev->arena, ev->p->n_post_rules + 1, sizeof(*ev->post));
	ev->counts = pq_arena_array(ev->arena, (size_t)meta->n_requirements + 1, sizeof(*ev->counts));
	ev->changed = pq_arena_array(ev->arena, (size_t)meta->attr_words + 1, sizeof(*ev->changed));
	ev->stale = true;
	ev->considers = pq_arena_array(ev->arena, ev->image->n_exception_rules + 1, 1);
	ev->considered = pq_arena_array(ev->arena, (size_t)meta->exception_words + 1, sizeof(*ev->considered));
	if (words == NULL || ev->vars == NULL || ev->row_vars == NULL || ev->active == NULL || ev->post == NULL ||
	    ev->counts == NULL || ev->considers == NULL || ev->considered == NULL || ev->changed == NULL)
		return false;
	ev->must = words;
	ev->may = words + meta->max_space_words;
	ev->outer_must = words + 2 * (size_t)meta->max_space_words;
	ev->outer_may = words + 3 * (size_t)meta->max_space_words;
	return make_exceptions(ev);
}

/* ---- binding ---- */

struct request_binding {
	const struct pq_image *image;
	const struct pq_request *request;
	struct pq_arena *arena;
	struct pq_warm *warm;        /* or NULL */
	struct pq_violation_list violations;
	struct pq_eval *ev;          /* its elements get the givens */
	struct pq_assumptions assumptions;
	struct pq_given **lines;
	size_t n_lines;
	struct pq_violation_list *by_line; /* what is wrong with one line alone does not lose the others */
};

static bool
too_many(struct request_binding *b, size_t n, size_t max, const char *what)
{
	if (n <= max)
		return false;
	pq_violate(&b->violations, what, (struct pq_text){"", 0}, "TOO_MANY", "more than %zu", max);
	return true;
}

static void
bind_parties(struct request_binding *b)
{
	char where[64];

	for (size_t i = 0; i < b->request->n_parties; i++) {
		const struct pq_party *party = &b->request->parties[i];
		struct pq_element *element = &b->ev->parties[i];
		int len = snprintf(where, sizeof(where), "parties[%zu]", i);
		pq_bind(b->image, &party->facts, PQ_SCOPE_PARTY, where, element->given, b->arena, &b->violations);
		pq_assume_fill(&b->assumptions, b->image, PQ_SCOPE_PARTY, element->given);
		pq_bind_required(b->image, PQ_SCOPE_PARTY, where, element->given, &b->violations);
		for (size_t k = 0; k < element->n_owners; k++) {
			snprintf(where + len, sizeof(where) - (size_t)len, ".owners[%zu]", k);
			pq_bind(b->image, &party->owners[k], PQ_SCOPE_OWNER, where, element->owners[k].given, b->arena,
			        &b->violations);
			pq_assume_fill(&b->assumptions, b->image, PQ_SCOPE_OWNER, element->owners[k].given);
			pq_bind_required(b->image, PQ_SCOPE_OWNER, where, element->owners[k].given, &b->violations);
		}
	}
}

static void
bind_elements(struct request_binding *b, const struct pq_facts *facts, struct pq_element *elements, size_t n,
              enum pq_scope scope, const char *name)
{
	char where[64];

	for (size_t i = 0; i < n; i++) {
		snprintf(where, sizeof(where), "%s[%zu]", name, i);
		pq_bind(b->image, &facts[i], scope, where, elements[i].given, b->arena, &b->violations);
		pq_assume_fill(&b->assumptions, b->image, scope, elements[i].given);
		pq_bind_required(b->image, scope, where, elements[i].given, &b->violations);
	}
}

/* What the line is silent about; but a line that says its own code does not take over the mark of the request's code. */
static void
take_base(const struct pq_image *image, struct pq_given *line, const struct pq_given *base)
{
	for (size_t i = 0; i < image->p.n_attrs; i++) {
		const struct pq_p_attr *a = &image->p.attrs[i];
		if (a->scope != PQ_SCOPE_REQUEST || a->type != PQ_TYPE_CODE || a->mark_attr == PQ_NO_INDEX)
			continue;
		struct pq_given *mark = &line[image->p.attrs[a->mark_attr].slot];
		if (line[a->slot].state == PQ_SILENT || mark->state != PQ_SILENT)
			continue;
		mark->state = PQ_KEPT_SILENT;
	}
	for (uint32_t s = 0; s < image->meta->scope_facts[PQ_SCOPE_REQUEST]; s++) {
		if (line[s].state == PQ_SILENT)
			line[s] = base[s];
		else if (line[s].state == PQ_KEPT_SILENT)
			line[s].state = PQ_SILENT;
	}
}

/* What is said of a line goes before what is said of the whole request. */
static void
bind_lines(struct request_binding *b, struct pq_given *base)
{
	size_t n = b->image->meta->scope_facts[PQ_SCOPE_REQUEST];
	char where[64] = "";

	if (b->request->n_lines == 0) { /* the request is its own line */
		b->lines[0] = base;
		b->by_line[0].arena = b->arena;
		pq_assume_fill(&b->assumptions, b->image, PQ_SCOPE_REQUEST, base);
		pq_bind_required(b->image, PQ_SCOPE_REQUEST, where, base, &b->violations);
		return;
	}
	for (size_t i = 0; i < b->n_lines; i++) {
		struct pq_given *given = pq_arena_array(b->arena, n + 1, sizeof(*given));
		if (given == NULL) {
			b->violations.oom = true;
			return;
		}
		b->lines[i] = given;
		struct pq_violation_list *violations = b->n_lines > 1 ? &b->by_line[i] : &b->violations;
		violations->arena = b->arena;
		snprintf(where, sizeof(where), "lines[%zu]", i);
		pq_bind(b->image, &b->request->lines[i], PQ_SCOPE_REQUEST, where, given, b->arena, violations);
		take_base(b->image, given, base);
		pq_assume_fill(&b->assumptions, b->image, PQ_SCOPE_REQUEST, given);
		pq_bind_required(b->image, PQ_SCOPE_REQUEST, where, given, violations);
	}
}

/* Where every line is wrong there is nothing to decide: then it is the request that is refused. */
static void
judge_lines(struct request_binding *b)
{
	size_t good = 0;

	for (size_t i = 0; b->n_lines > 1 && i < b->n_lines; i++) {
		good += b->by_line[i].n == 0;
		b->violations.oom |= b->by_line[i].oom;
	}
	for (size_t i = 0; good == 0 && b->n_lines > 1 && i < b->n_lines; i++) {
		for (size_t k = 0; k < b->by_line[i].n; k++) {
			const struct pq_violation *one = &b->by_line[i].at[k];
			pq_violate(&b->violations, one->field, (struct pq_text){"", 0}, one->reason, "%s", one->description);
		}
	}
}

static bool
make_all_elements(struct pq_eval *ev, const struct pq_request *request)
{
	ev->n_parties = request->n_parties;
	ev->n_hits = request->n_hits;
	ev->n_intermediates = request->n_intermediates;
	ev->parties = make_elements(ev, PQ_SCOPE_PARTY, ev->n_parties);
	ev->hits = make_elements(ev, PQ_SCOPE_HIT, ev->n_hits);
	ev->intermediates = make_elements(ev, PQ_SCOPE_INTERMEDIATE, ev->n_intermediates);
	if (ev->parties == NULL || ev->hits == NULL || ev->intermediates == NULL)
		return false;
	for (size_t i = 0; i < ev->n_parties; i++) {
		ev->parties[i].n_owners = request->parties[i].n_owners;
		ev->parties[i].owners = make_elements(ev, PQ_SCOPE_OWNER, ev->parties[i].n_owners);
		if (ev->parties[i].owners == NULL)
			return false;
		for (size_t k = 0; k < ev->parties[i].n_owners; k++)
			ev->parties[i].owners[k].party = (uint16_t)i;
	}
	return true;
}

static enum pq_status
bind_request(struct request_binding *b, struct pq_err *err)
{
	const struct pq_request *request = b->request;
	bool over = too_many(b, request->n_lines, PQ_MAX_LINES, "lines");

	over |= too_many(b, request->n_parties, PQ_MAX_PARTIES, "parties");
	over |= too_many(b, request->n_hits, PQ_MAX_HITS, "screening.hits");
	over |= too_many(b, request->n_intermediates, PQ_MAX_INTERMEDIATES, "intermediate");
	for (size_t i = 0; !over && i < request->n_parties; i++)
		over |= too_many(b, request->parties[i].n_owners, PQ_MAX_OWNERS, "parties.owners");
	if (over)
		return PQ_EINVAL;

	struct pq_given *base =
	    pq_arena_array(b->arena, (size_t)b->image->meta->scope_facts[PQ_SCOPE_REQUEST] + 1, sizeof(*base));
	b->n_lines = request->n_lines > 0 ? request->n_lines : 1;
	b->lines = pq_arena_array(b->arena, b->n_lines, sizeof(struct pq_given *));
	b->by_line = pq_arena_array(b->arena, b->n_lines, sizeof(*b->by_line));
	if (base == NULL || b->lines == NULL || b->by_line == NULL || !make_all_elements(b->ev, request))
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	if (!pq_assume_bind(&b->assumptions, b->image, request, b->arena, &b->violations))
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	pq_bind(b->image, &request->facts, PQ_SCOPE_REQUEST, "", base, b->arena, &b->violations);
	bind_lines(b, base);
	judge_lines(b);
	bind_parties(b);
	bind_elements(b, request->hits, b->ev->hits, b->ev->n_hits, PQ_SCOPE_HIT, "screening.hits");
	bind_elements(b, request->intermediates, b->ev->intermediates, b->ev->n_intermediates, PQ_SCOPE_INTERMEDIATE,
	              "intermediate");
	if (b->violations.oom)
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	return b->violations.n > 0 ? PQ_EINVAL : PQ_OK;
}

/* ---- legs ---- */

struct leg {
	size_t line;
	uint32_t by;       /* the fact that told the nationality, or PQ_NO_INDEX */
	uint32_t symbol;   /* the nationality; PQ_NO_INDEX = unknown */
	bool silent_by;    /* the fact is not given */
	struct pq_decision decision;
	const struct pq_p_jurisdiction *jurisdiction;
	bool dropped;
};

struct legs {
	struct leg *at;
	size_t n, cap;
};

static bool
add_leg(struct legs *legs, struct pq_arena *arena, struct leg leg)
{
	if (legs->n == legs->cap) {
		size_t cap = legs->cap > 0 ? legs->cap * 2 : 4;
		struct leg *at = pq_arena_array(arena, cap, sizeof(*at));
		if (at == NULL)
			return false;
		if (legs->n > 0)
			memcpy(at, legs->at, legs->n * sizeof(*at));
		legs->at = at;
		legs->cap = cap;
	}
	legs->at[legs->n++] = leg;
	return true;
}

static bool
is_release(const struct pq_image *image, const struct pq_given *given)
{
	const struct pq_p_meta *meta = image->meta;

	if (meta->release_fact == PQ_NO_INDEX || meta->release_replaces == PQ_NO_INDEX)
		return false;
	const struct pq_given *fact = &given[image->p.attrs[meta->release_fact].slot];
	for (uint32_t i = 0; fact->state == PQ_SAID && i < meta->release_values.n; i++) {
		if (fact->n_symbols == 1 && fact->symbols[0] == image->p.lists[meta->release_values.first + i])
			return true;
	}
	return false;
}

static bool
already_by(const struct legs *legs, size_t line, uint32_t by)
{
	for (size_t i = 0; i < legs->n; i++) {
		if (legs->at[i].line == line && legs->at[i].by == by)
			return true;
	}
	return false;
}

/* A release goes to each nationality that some law looks at; which law applies is known only after the evaluation. */
static bool
add_releases(const struct pq_image *image, struct legs *legs, struct pq_arena *arena, size_t line,
             const struct pq_given *given)
{
	for (size_t j = 0; j < image->p.n_jurisdictions; j++) {
		uint32_t by = image->p.jurisdictions[j].release_by;
		if (by == PQ_NO_INDEX || already_by(legs, line, by))
			continue;
		const struct pq_given *fact = &given[image->p.attrs[by].slot];
		struct leg leg = {.line = line, .by = by, .symbol = PQ_NO_INDEX, .silent_by = fact->state == PQ_SILENT};
		if (fact->state != PQ_SAID || fact->n_symbols == 0) {
			if (!add_leg(legs, arena, leg))
				return false;
			continue;
		}
		for (uint32_t i = 0; i < fact->n_symbols; i++) {
			leg.symbol = fact->symbols[i];
			if (!add_leg(legs, arena, leg))
				return false;
		}
	}
	return true;
}

static bool
make_legs(const struct request_binding *b, struct legs *legs)
{
	for (size_t i = 0; i < b->n_lines; i++) {
		size_t before = legs->n;
		if (b->by_line[i].n == 0 && is_release(b->image, b->lines[i]) && !add_releases(b->image, legs, b->arena, i, b->lines[i]))
			return false;
		struct leg plain = {.line = i, .by = PQ_NO_INDEX};
		if (legs->n == before && !add_leg(legs, b->arena, plain))
			return false;
	}
	return true;
}

/* The nationality takes the place of the fact that it replaces. */
static void
replace_fact(const struct pq_image *image, struct pq_eval *ev, struct leg *leg, struct pq_given *given)
{
	struct pq_given *fact = &given[image->p.attrs[image->meta->release_replaces].slot];

	if (leg->symbol == PQ_NO_INDEX) {
		*fact = (struct pq_given){.state = PQ_SAID_UNKNOWN, .named_by = leg->by};
		return;
	}
	uint32_t *symbol = pq_arena_alloc(ev->arena, sizeof(*symbol));
	if (symbol == NULL) {
		ev->oom = true;
		return;
	}
	*symbol = leg->symbol;
	*fact = (struct pq_given){.state = PQ_SAID, .n_symbols = 1, .symbols = symbol};
}

/* A line that is wrong: it cannot be decided, and what has to be put right in it is what is missing. */
static enum pq_status
refuse_leg(const struct request_binding *b, struct leg *leg, struct pq_err *err)
{
	const struct pq_violation_list *violations = &b->by_line[leg->line];
	struct pq_decision *d = &leg->decision;

	*d = (struct pq_decision){
	    .outcome = PQ_OUTCOME_NEEDS_INFORMATION,
	    .best = PQ_OUTCOME_NOT_SUBJECT,
	    .worst = PQ_OUTCOME_PROHIBITED,
	    .exact = true,
	    .as_of = b->request->as_of,
	    .jurisdiction = "",
	    .violations = violations->at,
	    .n_violations = violations->n,
	};
	d->missing = pq_arena_array(b->arena, violations->n, sizeof(*d->missing));
	if (d->missing == NULL)
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	for (size_t i = 0; i < violations->n; i++)
		d->missing[d->n_missing++] = (struct pq_missing){violations->at[i].field, violations->at[i].description};
	return PQ_OK;
}

/* What is said of the line, with the nationality in the place of the fact that it replaces. */
static struct pq_given *
given_of_leg(const struct request_binding *b, struct pq_eval *ev, struct leg *leg)
{
	size_t n = b->image->meta->scope_facts[PQ_SCOPE_REQUEST];

	if (leg->by == PQ_NO_INDEX)
		return b->lines[leg->line];
	struct pq_given *given = pq_arena_array(b->arena, n + 1, sizeof(*given));
	if (given == NULL)
		return NULL;
	memcpy(given, b->lines[leg->line], n * sizeof(*given));
	replace_fact(b->image, ev, leg, given);
	return ev->oom ? NULL : given;
}

static enum pq_status
run_leg(const struct request_binding *b, struct pq_eval *ev, struct leg *leg, struct pq_err *err)
{
	if (b->by_line[leg->line].n > 0)
		return refuse_leg(b, leg, err);
	ev->req.given = given_of_leg(b, ev, leg);
	ev->line = leg->line;
	if (ev->req.given == NULL)
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	if (b->warm != NULL && pq_warm_decide_leg(b->warm, ev, &leg->decision, &leg->jurisdiction, &ev->oom))
		return PQ_OK;
	/* The memory of an evaluation by itself is made when the first leg needs it. */
	ev->oom |= ev->vars == NULL && !make_all_values(ev);
	if (!ev->oom)
		pq_decide_leg(ev, &leg->decision, &leg->jurisdiction);
	if (ev->oom)
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	return PQ_OK;
}

/* A leg of a nationality counts only under the law that looks at it. */
static void
drop_legs(struct legs *legs, const struct pq_image *image)
{
	for (size_t i = 0; i < legs->n; i++) {
		struct leg *leg = &legs->at[i];
		if (leg->by == PQ_NO_INDEX)
			continue;
		uint32_t by = leg->jurisdiction != NULL ? leg->jurisdiction->release_by : leg->by;
		leg->dropped = by != PQ_NO_INDEX && by != leg->by;
		if (by != PQ_NO_INDEX)
			continue;
		/* Where no law looks at nationalities one answer for the line is enough. */
		for (size_t k = 0; k < i && !leg->dropped; k++)
			leg->dropped = legs->at[k].line == leg->line && !legs->at[k].dropped;
	}
	/* Never drop all legs of a line. */
	for (size_t i = 0; i < legs->n; i++) {
		bool kept = false;
		for (size_t k = 0; k < legs->n; k++)
			kept |= legs->at[k].line == legs->at[i].line && !legs->at[k].dropped;
		legs->at[i].dropped &= kept;
	}
	(void)image;
}

static const char *
leg_name(const struct pq_image *image, const struct leg *leg, size_t n_lines, struct pq_arena *arena)
{
	const char *by = "", *symbol = "";

	if (leg->by != PQ_NO_INDEX) {
		const struct pq_p_attr *a = &image->p.attrs[leg->by];
		by = pq_string(image, a->name);
		if (leg->symbol != PQ_NO_INDEX)
			symbol = pq_string(image, image->p.symbols[image->p.domains[a->domain].symbols.first + leg->symbol]);
	}
	if (n_lines < 2)
		return pq_arena_printf(arena, "%s %s", by, symbol);
	if (by[0] == '\0')
		return pq_arena_printf(arena, "lines[%zu]", leg->line);
	return pq_arena_printf(arena, "lines[%zu] %s %s", leg->line, by, symbol);
}

static enum pq_status
finish(const struct request_binding *b, struct legs *legs, struct pq_decision *ret, struct pq_err *err)
{
	struct pq_decision *parts = pq_arena_array(b->arena, legs->n, sizeof(*parts));
	const char **names = pq_arena_array(b->arena, legs->n, sizeof(*names));
	size_t *lines = pq_arena_array(b->arena, legs->n, sizeof(*lines));
	size_t n = 0;

	if (parts == NULL || names == NULL || lines == NULL)
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	for (size_t i = 0; i < legs->n; i++) {
		if (legs->at[i].dropped)
			continue;
		parts[n] = legs->at[i].decision;
		lines[n] = legs->at[i].line;
		names[n] = leg_name(b->image, &legs->at[i], b->n_lines, b->arena);
		if (names[n] == NULL)
			return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
		n++;
	}
	struct pq_decision joined = parts[0];
	enum pq_status status = n > 1 ? pq_join_parts(parts, names, lines, n, b->arena, &joined, err) : PQ_OK;
	if (status != PQ_OK)
		return status;
	if (!pq_assume_echo(&b->assumptions, b->image, b->arena, &joined))
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	*ret = joined;
	return PQ_OK;
}

static enum pq_status
decide(struct request_binding *b, struct pq_eval *ev, struct pq_decision *ret, struct pq_err *err)
{
	struct legs legs = {0};

	if (!make_given(ev, &ev->decision, PQ_SCOPE_DECISION, 0) || !make_legs(b, &legs))
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	ev->lines = (struct pq_given *const *)b->lines;
	ev->n_lines = b->n_lines;
	for (size_t i = 0; i < legs.n; i++) {
		enum pq_status status = run_leg(b, ev, &legs.at[i], err);
		if (status != PQ_OK)
			return status;
	}
	drop_legs(&legs, b->image);
	return finish(b, &legs, ret, err);
}

bool
pq_eval_alone(struct pq_eval *ev)
{
	struct pq_given **line = pq_arena_alloc(ev->arena, sizeof(struct pq_given *));

	if (line == NULL || !make_all_elements(ev, ev->request) || !make_given(ev, &ev->req, PQ_SCOPE_REQUEST, 0) ||
	    !make_given(ev, &ev->decision, PQ_SCOPE_DECISION, 0) || !make_all_values(ev))
		return false;
	*line = ev->req.given;
	ev->lines = line;
	ev->n_lines = 1;
	return true;
}

static enum pq_status
bind_and_decide(const struct pq_image *image, struct pq_warm *warm, const struct pq_request *request,
                struct pq_arena *arena, struct pq_window *window, struct pq_decision *ret_decision,
                const struct pq_violation **ret_violations,
                size_t *ret_n_violations, struct pq_err *err)
{
	struct pq_eval ev = {.image = image, .p = &image->p, .request = request, .arena = arena, .window = window};
	struct request_binding b = {
	    .image = image,
	    .request = request,
	    .arena = arena,
	    .warm = warm,
	    .violations = {.arena = arena},
	    .ev = &ev,
	};

	enum pq_status status = bind_request(&b, err);
	if (status == PQ_EINVAL) {
		if (ret_violations != NULL && ret_n_violations != NULL) {
			*ret_violations = b.violations.at;
			*ret_n_violations = b.violations.n;
		}
		if (b.violations.n == 0)
			return pq_fail(err, PQ_EINVAL, "the request is wrong");
		return pq_fail_at(err, PQ_EINVAL, b.violations.at[0].field, 0, 0, "%s", b.violations.at[0].description);
	}
	if (status != PQ_OK)
		return status;
	return decide(&b, &ev, ret_decision, err);
}

enum pq_status
pq_decide(const struct pq_image *image, const struct pq_request *request, struct pq_arena *arena,
          struct pq_decision *ret_decision, const struct pq_violation **ret_violations, size_t *ret_n_violations,
          struct pq_err *err)
{
	return bind_and_decide(image, NULL, request, arena, NULL, ret_decision, ret_violations, ret_n_violations, err);
}

enum pq_status
pq_decide_window(const struct pq_image *image, const struct pq_request *request, struct pq_arena *arena,
                 struct pq_decision *ret_decision, struct pq_window *ret_window, struct pq_err *err)
{
	struct pq_window window = {PQ_DATE_MIN, PQ_DATE_MAX};

	enum pq_status status = bind_and_decide(image, NULL, request, arena, &window, ret_decision, NULL, NULL, err);
	if (status == PQ_OK)
		*ret_window = window;
	return status;
}

struct pq_evaluator {
	const struct pq_image *image;
	struct pq_warm *warm;
};

enum pq_status
pq_evaluator_new(const struct pq_image *image, struct pq_evaluator **ret, struct pq_err *err)
{
	struct pq_evaluator *evaluator = calloc(1, sizeof(*evaluator));

	if (evaluator == NULL)
		return pq_fail(err, PQ_ENOMEM, "out of memory while preparing an evaluator");
	evaluator->image = image;
	enum pq_status status = pq_warm_new(image, &evaluator->warm, err);
	if (status != PQ_OK) {
		free(evaluator);
		return status;
	}
	*ret = evaluator;
	return PQ_OK;
}

void
pq_evaluator_free(struct pq_evaluator *evaluator)
{
	if (evaluator == NULL)
		return;
	pq_warm_free(evaluator->warm);
	free(evaluator);
}

enum pq_status
pq_evaluator_decide(struct pq_evaluator *evaluator, const struct pq_request *request, struct pq_arena *arena,
                    struct pq_decision *ret_decision, const struct pq_violation **ret_violations,
                    size_t *ret_n_violations, struct pq_err *err)
{
	return bind_and_decide(evaluator->image, evaluator->warm, request, arena, NULL, ret_decision, ret_violations,
	                       ret_n_violations, err);
}

/*
 * The way of a request: bind, make its legs (lines × nationalities), evaluate each, search where something is unknown,
 * and write the decision.
 */
#include "policy/decide.h"

#include "policy/decide_parts.h"
#include "policy/givens.h"
#include "policy/state.h"
#include "policy/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- binding ---- */

/* Elements of which only the givens are made. */
static struct pq_element *
make_elements(const struct pq_image *image, struct pq_givens_pool *pool, struct pq_arena *arena, enum pq_scope scope,
              size_t n)
{
	struct pq_element *elements = pq_arena_array(arena, n + 1, sizeof(*elements));

	for (size_t i = 0; elements != NULL && i < n; i++) {
		elements[i].scope = scope;
		elements[i].index = (uint16_t)i;
		struct pq_givens givens;
		if (!pq_givens_take(pool, image, scope, arena, &givens))
			return NULL;
		elements[i].given = givens.at;
		elements[i].said = givens.said;
	}
	return elements;
}

struct request_binding {
	const struct pq_image *image;
	const struct pq_request *request;
	struct pq_arena *arena;
	struct pq_state *state;
	struct pq_violation_list violations;
	struct pq_bound bound;
	struct pq_assumptions assumptions;
	struct pq_givens_pool *pool; /* or NULL: what is said is put in the arena */
	struct pq_givens base;       /* what is said of the whole request */
	struct pq_givens *lines;
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
bind_element(struct request_binding *b, const struct pq_facts *facts, struct pq_element *element, const char *where)
{
	struct pq_givens givens = {element->given, element->said};

	pq_bind(b->image, facts, element->scope, where, &givens, b->arena, &b->violations);
	pq_assume_fill(&b->assumptions, b->image, element->scope, &givens);
	pq_bind_required(b->image, element->scope, where, givens.at, &b->violations);
}

static void
bind_parties(struct request_binding *b)
{
	char where[64];

	for (size_t i = 0; i < b->request->n_parties; i++) {
		const struct pq_party *party = &b->request->parties[i];
		struct pq_element *element = &b->bound.parties[i];
		int len = snprintf(where, sizeof(where), "parties[%zu]", i);
		bind_element(b, &party->facts, element, where);
		for (size_t k = 0; k < element->n_owners; k++) {
			snprintf(where + len, sizeof(where) - (size_t)len, ".owners[%zu]", k);
			bind_element(b, &party->owners[k], &element->owners[k], where);
		}
	}
}

static void
bind_elements(struct request_binding *b, const struct pq_facts *facts, struct pq_element *elements, size_t n,
              const char *name)
{
	char where[64];

	for (size_t i = 0; i < n; i++) {
		snprintf(where, sizeof(where), "%s[%zu]", name, i);
		bind_element(b, &facts[i], &elements[i], where);
	}
}

/* What the line is silent about; but a line that says its own code does not take over the mark of the request's code. */
static void
take_base(const struct pq_image *image, const struct pq_givens *line, const struct pq_givens *base)
{
	uint32_t n = image->meta->scope_facts[PQ_SCOPE_REQUEST];

	for (size_t k = 0; k < image->n_mark_codes; k++) {
		const struct pq_p_attr *a = &image->p.attrs[image->mark_codes[k]];
		if (line->at[a->slot].state != PQ_SILENT)
			pq_note_said(line->said, image->p.attrs[a->mark_attr].slot);
	}
	for (uint32_t w = 0; w <= n / 64; w++) {
		for (uint64_t left = base->said[w] & ~line->said[w]; left != 0; left &= left - 1) {
			uint32_t slot = w * 64 + (uint32_t)__builtin_ctzll(left);
			line->at[slot] = base->at[slot];
			pq_note_said(line->said, slot);
		}
	}
	for (size_t k = 0; k < image->n_mark_codes; k++) {
		uint32_t mark = image->p.attrs[image->p.attrs[image->mark_codes[k]].mark_attr].slot;
		if (line->at[mark].state == PQ_SILENT)
			line->said[mark / 64] &= ~(UINT64_C(1) << (mark % 64));
	}
}

/* What is said of a line goes before what is said of the whole request. */
static void
bind_line(struct request_binding *b, size_t i)
{
	char where[64] = "";
	struct pq_givens given = b->base;
	struct pq_violation_list *violations = b->n_lines > 1 ? &b->by_line[i] : &b->violations;

	b->by_line[i].arena = b->arena;
	if (b->request->n_lines > 0) { /* else the request is its own line */
		if (!pq_givens_take(b->pool, b->image, PQ_SCOPE_REQUEST, b->arena, &given)) {
			b->violations.oom = true;
			return;
		}
		snprintf(where, sizeof(where), "lines[%zu]", i);
		pq_bind(b->image, &b->request->lines[i], PQ_SCOPE_REQUEST, where, &given, b->arena, violations);
		take_base(b->image, &given, &b->base);
	}
	b->lines[i] = given;
	pq_assume_fill(&b->assumptions, b->image, PQ_SCOPE_REQUEST, &given);
	pq_bind_required(b->image, PQ_SCOPE_REQUEST, where, given.at, violations);
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
make_all_elements(struct request_binding *b)
{
	const struct pq_request *request = b->request;
	const struct pq_image *image = b->image;
	struct pq_bound *bound = &b->bound;

	bound->n_parties = request->n_parties;
	bound->n_hits = request->n_hits;
	bound->n_intermediates = request->n_intermediates;
	bound->parties = make_elements(image, b->pool, b->arena, PQ_SCOPE_PARTY, bound->n_parties);
	bound->hits = make_elements(image, b->pool, b->arena, PQ_SCOPE_HIT, bound->n_hits);
	bound->intermediates = make_elements(image, b->pool, b->arena, PQ_SCOPE_INTERMEDIATE, bound->n_intermediates);
	if (bound->parties == NULL || bound->hits == NULL || bound->intermediates == NULL)
		return false;
	for (size_t i = 0; i < bound->n_parties; i++) {
		struct pq_element *party = &bound->parties[i];
		party->n_owners = request->parties[i].n_owners;
		party->owners = make_elements(image, b->pool, b->arena, PQ_SCOPE_OWNER, party->n_owners);
		if (party->owners == NULL)
			return false;
	}
	return true;
}

/* What is said of the whole request; its lines come next, then the rest. */
static enum pq_status
bind_first(struct request_binding *b, struct pq_err *err)
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

	bool base = pq_givens_take(b->pool, b->image, PQ_SCOPE_REQUEST, b->arena, &b->base);
	b->n_lines = request->n_lines > 0 ? request->n_lines : 1;
	b->lines = pq_arena_array(b->arena, b->n_lines, sizeof(*b->lines));
	b->by_line = pq_arena_array(b->arena, b->n_lines, sizeof(*b->by_line));
	if (!base || b->lines == NULL || b->by_line == NULL || !make_all_elements(b))
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	if (!pq_assume_bind(&b->assumptions, b->image, request, b->arena, &b->violations))
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	pq_bind(b->image, &request->facts, PQ_SCOPE_REQUEST, "", &b->base, b->arena, &b->violations);
	return PQ_OK;
}

static enum pq_status
bind_rest(struct request_binding *b, struct pq_err *err)
{
	const struct pq_request *request = b->request;

	judge_lines(b);
	bind_parties(b);
	bind_elements(b, request->hits, b->bound.hits, b->bound.n_hits, "screening.hits");
	bind_elements(b, request->intermediates, b->bound.intermediates, b->bound.n_intermediates, "intermediate");
	if (b->violations.oom)
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	return b->violations.n > 0 ? PQ_EINVAL : PQ_OK;
}

static enum pq_status
bind_request(struct request_binding *b, struct pq_err *err)
{
	enum pq_status status = bind_first(b, err);

	if (status != PQ_OK)
		return status;
	for (size_t i = 0; i < b->n_lines && !b->violations.oom; i++)
		bind_line(b, i);
	return bind_rest(b, err);
}

/* ---- legs ---- */

struct leg {
	size_t line;
	uint32_t by;       /* the fact that told the nationality, or PQ_NO_INDEX */
	uint32_t symbol;   /* the nationality; PQ_NO_INDEX = unknown */
	bool silent_by;    /* the fact is not given */
	struct pq_decision decision;
	const struct pq_p_jurisdiction *jurisdiction;
	bool decided;      /* else only the law is known, which looks at another fact */
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
	for (size_t i = legs->n; i > 0 && legs->at[i - 1].line == line; i--) {
		if (legs->at[i - 1].by == by)
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
		if (b->by_line[i].n == 0 && is_release(b->image, b->lines[i].at) &&
		    !add_releases(b->image, legs, b->arena, i, b->lines[i].at))
			return false;
		struct leg plain = {.line = i, .by = PQ_NO_INDEX};
		if (legs->n == before && !add_leg(legs, b->arena, plain))
			return false;
	}
	return true;
}

/* The nationality takes the place of the fact that it replaces. */
static bool
replace_fact(const struct request_binding *b, const struct leg *leg, const struct pq_givens *givens)
{
	const struct pq_image *image = b->image;
	uint32_t slot = image->p.attrs[image->meta->release_replaces].slot;
	struct pq_given *fact = &givens->at[slot];

	pq_note_said(givens->said, slot);
	if (leg->symbol == PQ_NO_INDEX) {
		*fact = (struct pq_given){.state = PQ_SAID_UNKNOWN, .named_by = leg->by};
		return true;
	}
	uint32_t *symbol = pq_arena_alloc(b->arena, sizeof(*symbol));
	if (symbol == NULL)
		return false;
	*symbol = leg->symbol;
	*fact = (struct pq_given){.state = PQ_SAID, .n_symbols = 1, .symbols = symbol};
	return true;
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
static bool
given_of_leg(const struct request_binding *b, const struct leg *leg, struct pq_givens *ret)
{
	size_t n = b->image->meta->scope_facts[PQ_SCOPE_REQUEST];
	const struct pq_givens *line = &b->lines[leg->line];

	if (leg->by == PQ_NO_INDEX) {
		*ret = *line;
		return true;
	}
	if (!pq_givens_take(NULL, b->image, PQ_SCOPE_REQUEST, b->arena, ret))
		return false;
	memcpy(ret->at, line->at, n * sizeof(*ret->at));
	memcpy(ret->said, line->said, (n / 64 + 1) * sizeof(*ret->said));
	return replace_fact(b, leg, ret);
}

static enum pq_status
run_leg(struct request_binding *b, struct leg *leg, uint32_t by, struct pq_err *err)
{
	leg->decided = true;
	if (b->by_line[leg->line].n > 0)
		return refuse_leg(b, leg, err);
	b->bound.by = by;
	b->bound.line = leg->line;
	if (!given_of_leg(b, leg, &b->bound.given) ||
	    !pq_state_decide(b->state, &b->bound, &leg->decision, &leg->jurisdiction))
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	leg->decided = b->bound.decided;
	return PQ_OK;
}

/*
 * Legs run one after the other, and those that will be dropped are not decided. Behind the last leg of a line of which
 * none was, the first is: no line is left without an answer.
 */
static enum pq_status
run_next_leg(struct request_binding *b, struct legs *legs, size_t i, struct pq_err *err)
{
	size_t line = legs->at[i].line, first = i;
	enum pq_status status = run_leg(b, &legs->at[i], legs->at[i].by, err);
	bool decided = status != PQ_OK || legs->at[i].decided;

	if (i + 1 < legs->n && legs->at[i + 1].line == line)
		return status;
	while (!decided && first > 0 && legs->at[first - 1].line == line)
		decided = legs->at[--first].decided;
	return decided ? status : run_leg(b, &legs->at[first], PQ_NO_INDEX, err);
}

/* Of the legs [first, end), which are those of one line. */
static void
drop_legs_of_line(struct legs *legs, size_t first, size_t end)
{
	bool kept = false;

	for (size_t i = first; i < end; i++) {
		struct leg *leg = &legs->at[i];
		if (leg->by != PQ_NO_INDEX) {
			uint32_t by = leg->jurisdiction != NULL ? leg->jurisdiction->release_by : leg->by;
			/* Where no law looks at nationalities one answer for the line is enough. */
			leg->dropped = by != PQ_NO_INDEX ? by != leg->by : kept;
		}
		kept |= !leg->dropped;
	}
	/* Never drop all legs of a line: the first answers for it. */
	legs->at[first].dropped &= kept;
}

/* A leg of a nationality counts only under the law that looks at it. The legs of a line lie together. */
static void
drop_legs(struct legs *legs)
{
	for (size_t first = 0, end; first < legs->n; first = end) {
		for (end = first + 1; end < legs->n && legs->at[end].line == legs->at[first].line; end++)
			;
		drop_legs_of_line(legs, first, end);
	}
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
ready_legs(struct request_binding *b, struct legs *ret_legs, struct pq_err *err)
{
	if (!make_legs(b, ret_legs))
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	b->bound.lines = b->lines;
	b->bound.n_lines = b->n_lines;
	return PQ_OK;
}

static enum pq_status
decide(struct request_binding *b, struct pq_decision *ret, struct pq_err *err)
{
	struct legs legs = {0};
	enum pq_status status = ready_legs(b, &legs, err);

	for (size_t i = 0; status == PQ_OK && i < legs.n; i++)
		status = run_next_leg(b, &legs, i, err);
	if (status != PQ_OK)
		return status;
	drop_legs(&legs);
	return finish(b, &legs, ret, err);
}

/* By the state that is kept; a request that is too large for it, and one that nothing is kept for, by one of its own. */
static enum pq_status
decide_by(struct request_binding *b, struct pq_state *kept, struct pq_decision *ret, struct pq_err *err)
{
	b->state = kept;
	if (kept != NULL && pq_state_fits(&b->bound))
		return decide(b, ret, err);
	enum pq_status status = pq_state_new(b->image, false, &b->state, err);
	if (status != PQ_OK)
		return status;
	status = decide(b, ret, err);
	pq_state_free(b->state);
	return status;
}

static enum pq_status
tell_wrong(const struct request_binding *b, const struct pq_violation **ret_violations, size_t *ret_n_violations,
           struct pq_err *err)
{
	if (ret_violations != NULL && ret_n_violations != NULL) {
		*ret_violations = b->violations.at;
		*ret_n_violations = b->violations.n;
	}
	if (b->violations.n == 0)
		return pq_fail(err, PQ_EINVAL, "the request is wrong");
	return pq_fail_at(err, PQ_EINVAL, b->violations.at[0].field, 0, 0, "%s", b->violations.at[0].description);
}

struct pq_evaluator {
	const struct pq_image *image;
	struct pq_state *state;
	struct pq_givens_pool pool; /* of requests that are decided in one go */
};

static enum pq_status
bind_and_decide(const struct pq_image *image, struct pq_evaluator *evaluator, const struct pq_request *request,
                struct pq_arena *arena, struct pq_window *window, struct pq_decision *ret_decision,
                const struct pq_violation **ret_violations, size_t *ret_n_violations, struct pq_err *err)
{
	struct request_binding b = {
	    .image = image,
	    .request = request,
	    .arena = arena,
	    .pool = evaluator != NULL ? &evaluator->pool : NULL,
	    .violations = {.arena = arena},
	    .bound = {.request = request, .arena = arena, .window = window},
	};

	enum pq_status status = bind_request(&b, err);
	if (status == PQ_EINVAL)
		status = tell_wrong(&b, ret_violations, ret_n_violations, err);
	else if (status == PQ_OK)
		status = decide_by(&b, evaluator != NULL ? evaluator->state : NULL, ret_decision, err);
	if (evaluator != NULL)
		pq_givens_return(&evaluator->pool);
	return status;
}

enum pq_status
pq_decide(const struct pq_image *image, const struct pq_request *request, struct pq_arena *arena,
          struct pq_decision *ret_decision, const struct pq_violation **ret_violations, size_t *ret_n_violations,
          struct pq_err *err)
{
	return bind_and_decide(image, NULL, request, arena, NULL, ret_decision, ret_violations, ret_n_violations, err);
}

/* ---- request after request ---- */

enum pq_status
pq_evaluator_new(const struct pq_image *image, struct pq_evaluator **ret, struct pq_err *err)
{
	struct pq_evaluator *evaluator = calloc(1, sizeof(*evaluator));

	if (evaluator == NULL)
		return pq_fail(err, PQ_ENOMEM, "out of memory while preparing an evaluation");
	evaluator->image = image;
	pq_givens_pool_init(&evaluator->pool);
	enum pq_status status = pq_state_new(image, true, &evaluator->state, err);
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
	pq_state_free(evaluator->state);
	pq_givens_pool_release(&evaluator->pool);
	free(evaluator);
}

enum pq_status
pq_evaluator_decide(struct pq_evaluator *evaluator, const struct pq_request *request, struct pq_arena *arena,
                    struct pq_decision *ret_decision, const struct pq_violation **ret_violations,
                    size_t *ret_n_violations, struct pq_err *err)
{
	return bind_and_decide(evaluator->image, evaluator, request, arena, NULL, ret_decision, ret_violations,
	                       ret_n_violations, err);
}

enum pq_status
pq_evaluator_window(struct pq_evaluator *evaluator, const struct pq_request *request, struct pq_arena *arena,
                    struct pq_decision *ret_decision, struct pq_window *ret_window, struct pq_err *err)
{
	struct pq_window window = {PQ_DATE_MIN, PQ_DATE_MAX};

	enum pq_status status =
		bind_and_decide(evaluator->image, evaluator, request, arena, &window, ret_decision, NULL, NULL, err);
	if (status == PQ_OK)
		*ret_window = window;
	return status;
}

/* ---- leg by leg ---- */

/* Values of one fact of which each may be a nationality with a leg of its own. */
static bool
has_sets(const struct pq_facts *facts)
{
	for (size_t i = 0; i < facts->n; i++) {
		if (facts->at[i].value.kind == PQ_VALUE_TEXTS && facts->at[i].value.n_texts > 1)
			return true;
	}
	return false;
}

bool
pq_request_may_have_legs(const struct pq_request *request)
{
	return request->n_lines > 1 || has_sets(&request->facts) || (request->n_lines == 1 && has_sets(&request->lines[0]));
}

struct pq_evaluation {
	struct request_binding b;
	struct legs legs;
	struct pq_state *kept, *own;
	size_t n_bound, n_decided; /* lines; legs */
};

enum pq_status
pq_evaluator_begin(struct pq_evaluator *evaluator, const struct pq_request *request, struct pq_arena *arena,
                   struct pq_evaluation **ret, const struct pq_violation **ret_violations, size_t *ret_n_violations,
                   struct pq_err *err)
{
	struct pq_evaluation *e = pq_arena_alloc(arena, sizeof(*e));

	if (e == NULL)
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	e->kept = evaluator->state;
	e->b = (struct request_binding){
	    .image = evaluator->image,
	    .request = request,
	    .arena = arena,
	    .violations = {.arena = arena},
	    .bound = {.request = request, .arena = arena},
	};
	enum pq_status status = bind_first(&e->b, err);
	if (status == PQ_EINVAL)
		return tell_wrong(&e->b, ret_violations, ret_n_violations, err);
	if (status == PQ_OK)
		*ret = e;
	return status;
}

/* All lines are bound: the rest, and by which state it is decided. */
static enum pq_status
end_binding(struct pq_evaluation *e, struct pq_err *err)
{
	enum pq_status status = bind_rest(&e->b, err);

	if (status == PQ_OK)
		status = ready_legs(&e->b, &e->legs, err);
	if (status == PQ_OK && !pq_state_fits(&e->b.bound))
		status = pq_state_new(e->b.image, false, &e->own, err);
	e->b.state = e->own != NULL ? e->own : e->kept;
	return status;
}

enum pq_status
pq_evaluation_step(struct pq_evaluation *e, bool *ret_done, const struct pq_violation **ret_violations,
                   size_t *ret_n_violations, struct pq_err *err)
{
	enum pq_status status = PQ_OK;

	if (e->n_bound < e->b.n_lines) {
		bind_line(&e->b, e->n_bound++);
		if (e->n_bound == e->b.n_lines || e->b.violations.oom)
			status = end_binding(e, err);
		if (status == PQ_EINVAL)
			return tell_wrong(&e->b, ret_violations, ret_n_violations, err);
	} else if (e->n_decided < e->legs.n) {
		status = run_next_leg(&e->b, &e->legs, e->n_decided, err);
		e->n_decided++;
	}
	if (status == PQ_OK)
		*ret_done = e->n_bound == e->b.n_lines && e->n_decided == e->legs.n;
	return status;
}

enum pq_status
pq_evaluation_finish(struct pq_evaluation *e, struct pq_decision *ret_decision, struct pq_err *err)
{
	drop_legs(&e->legs);
	return finish(&e->b, &e->legs, ret_decision, err);
}

void
pq_evaluation_end(struct pq_evaluation *e)
{
	if (e == NULL)
		return;
	pq_state_free(e->own);
	e->own = NULL;
}

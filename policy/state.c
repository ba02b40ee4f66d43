/*
 * Evaluation that keeps its state from one request to the next.
 *
 * Requests of one sender are alike, and even those that are not share most of what is false of both. So the values of
 * all attributes, the truth of all conditions and the bitmaps that were chosen stay; of a new request only what is said
 * otherwise is dirty at first, and what a node computes anew wakes its readers only where it is not what it was.
 * A new state is one of which everything is dirty; answers are the same (tests/differential/test_state.c).
 */
#include "policy/state.h"

#include "policy/wake.h"

#include <stdlib.h>
#include <string.h>

/* Elements that are kept for the next request; one that has more is decided by a state of its own. */
#define KEPT_PARTIES 16
#define KEPT_OWNERS 8 /* of one party */
#define KEPT_HITS 16
#define KEPT_INTERMEDIATES 16

/* Bytes that a state may take: enough for the widest request over the US packs; and of revisions with very many rules
   what is kept for each rule and condition. */
#define STATE_BYTES ((size_t)64 << 20)
#define STATE_BYTES_OF_RULE 64
#define STATE_BYTES_OF_COND 16

/* Room for what is said of one fact of one element; made when it is first needed. */
struct room {
	uint32_t *symbols;
	char *text;
};

struct kept {
	struct pq_element *elements;
	struct room **rooms; /* by element, then slot */
	size_t n, cap;       /* that are made; that there is room for */
	size_t last;         /* in the request before */
};

struct pq_state {
	struct pq_arena arena;
	struct pq_eval ev;
	struct room *request_room;
	struct kept parties, hits, intermediates;
	struct kept owners[PQ_MAX_PARTIES];
	size_t last_owners;         /* of all parties in the request before */
	size_t last_lines;
	int32_t as_of;
	bool unsure;                /* memory ran out on the way: nothing that is kept can be relied on */
};

/* ---- memory ---- */

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

static size_t
summary_words(const struct pq_program *p)
{
	size_t most = 0;

	for (size_t i = 0; i < p->n_spaces; i++)
		most = p->spaces[i].summary_words > most ? p->spaces[i].summary_words : most;
	return most;
}

static bool
make_scratch(struct pq_eval *ev)
{
	const struct pq_p_meta *meta = ev->image->meta;
	size_t n_words = ev->image->n_space_words;

	ev->vars = pq_arena_array(ev->arena, PQ_MAX_VARS, sizeof(*ev->vars));
	ev->row_vars = pq_arena_array(ev->arena, PQ_MAX_VARS, sizeof(*ev->row_vars));
	ev->active = pq_arena_array(ev->arena, ev->p->n_main_rules + 1, sizeof(*ev->active));
	ev->post = pq_arena_array(ev->arena, ev->p->n_post_rules + 1, sizeof(*ev->post));
	ev->counts = pq_arena_array(ev->arena, (size_t)meta->n_requirements + 1, sizeof(*ev->counts));
	ev->counted = pq_arena_array(ev->arena, (size_t)meta->n_requirements + 1, sizeof(*ev->counted));
	ev->choices = pq_arena_array(ev->arena, ev->p->n_cols + 1, sizeof(*ev->choices));
	ev->summary = pq_arena_array(ev->arena, summary_words(ev->p) + 1, sizeof(*ev->summary));
	ev->considers = pq_arena_array(ev->arena, ev->image->consider_words, sizeof(*ev->considers));
	ev->main_open = pq_arena_array(ev->arena, ev->p->n_main_rules / 64 + 1, sizeof(*ev->main_open));
	ev->considered = pq_arena_array(ev->arena, (size_t)meta->exception_words + 1, sizeof(*ev->considered));
	ev->dirty = pq_arena_array(ev->arena, (size_t)ev->image->wake->words + 1, sizeof(*ev->dirty));
	ev->scratch = pq_arena_array(ev->arena, 2 * (size_t)meta->max_space_words + 1, sizeof(*ev->scratch));
	ev->changed = pq_arena_array(ev->arena, (size_t)meta->max_space_words + 1, sizeof(*ev->changed));
	ev->outer = pq_arena_array(ev->arena, n_words + 1, sizeof(*ev->outer));
	ev->moved = pq_arena_array(ev->arena, n_words / 64 + 1, sizeof(*ev->moved));
	if (ev->scratch == NULL || ev->changed == NULL || ev->outer == NULL || ev->moved == NULL || ev->vars == NULL ||
	    ev->row_vars == NULL || ev->main_open == NULL || ev->active == NULL || ev->post == NULL ||
	    ev->counts == NULL || ev->counted == NULL || ev->choices == NULL || ev->summary == NULL ||
	    ev->considers == NULL || ev->considered == NULL || ev->dirty == NULL)
		return false;
	ev->stale = true;
	return make_exceptions(ev);
}

/* Room for what the values of an element allow. Nothing is chosen yet, and nothing matched. */
static bool
make_cells(const struct pq_image *image, struct pq_arena *arena, struct pq_element *element)
{
	size_t n_words = image->n_space_words, n_cols = image->scope_cols[element->scope];

	size_t n_attrs = image->meta->scope_attrs[element->scope];

	element->seen = pq_arena_array(arena, n_attrs + 1, sizeof(*element->seen));
	element->seen_words =
		pq_arena_array(arena, 2 * (size_t)image->meta->scope_words[element->scope] + 1, sizeof(*element->seen_words));
	element->chosen = pq_arena_array(arena, n_cols + 1, sizeof(*element->chosen));
	element->cells = pq_arena_array(arena, (size_t)image->scope_cells[element->scope] + 1, sizeof(*element->cells));
	element->matched = pq_arena_array(arena, n_words + 1, sizeof(*element->matched));
	element->touched = pq_arena_array(arena, n_words / 64 + 1, sizeof(*element->touched));
	if (element->seen == NULL || element->seen_words == NULL || element->chosen == NULL || element->cells == NULL ||
	    element->matched == NULL || element->touched == NULL)
		return false;
	memset(element->chosen, 0xff, n_cols * sizeof(*element->chosen));
	for (size_t i = 0; i < n_attrs; i++)
		element->seen[i].sole = PQ_NO_INDEX;
	return true;
}

/* All words must be matched anew. */
static void
touch_all(const struct pq_eval *ev, struct pq_element *element)
{
	memset(element->touched, 0xff, ((size_t)ev->image->n_space_words / 64 + 1) * sizeof(*element->touched));
}

/* Let the values of an element point to their sets. */
static void
wire_sets(const struct pq_eval *ev, struct pq_element *element)
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

static bool
make_element(struct pq_eval *ev, struct pq_arena *arena, struct pq_element *element, enum pq_scope scope, size_t index)
{
	const struct pq_p_meta *meta = ev->image->meta;
	uint32_t n = meta->scope_attrs[scope];

	element->scope = scope;
	element->index = (uint16_t)index;
	element->given = pq_arena_array(arena, (size_t)meta->scope_facts[scope] + 1, sizeof(*element->given));
	element->said = pq_arena_array(arena, (size_t)meta->scope_facts[scope] / 64 + 1, sizeof(*element->said));
	element->vals = pq_arena_array(arena, (size_t)n + 1, sizeof(*element->vals));
	element->words = pq_arena_array(arena, 2 * (size_t)meta->scope_words[scope] + 1, sizeof(*element->words));
	element->tri = pq_arena_array(arena, (size_t)meta->scope_dnfs[scope] + 1, sizeof(*element->tri));
	element->var = pq_arena_array(arena, (size_t)n + 1, sizeof(*element->var));
	if (element->given == NULL || element->said == NULL || element->vals == NULL || element->words == NULL || element->tri == NULL ||
	    element->var == NULL || !make_cells(ev->image, arena, element))
		return false;
	memset(element->var, 0xff, n * sizeof(*element->var));
	wire_sets(ev, element);
	return true;
}

static struct room *
make_room(struct pq_state *s, enum pq_scope scope)
{
	return pq_arena_array(&s->arena, (size_t)s->ev.image->meta->scope_facts[scope] + 1, sizeof(struct room));
}

/* What values that nothing was computed of yet allow. (A stale state chooses everything anyway.) */
static void
choose_all(struct pq_eval *ev, struct pq_element *element)
{
	for (uint32_t attr = 0; !ev->stale && attr < ev->p->n_attrs; attr++) {
		if (ev->p->attrs[attr].scope == element->scope)
			pq_choose(ev, element, attr);
	}
}

/* Elements are made when a request first has so many. */
static bool
grow(struct pq_state *s, struct kept *kept, enum pq_scope scope, size_t n)
{
	if (n > kept->cap) {
		size_t cap = n < 4 ? 4 : 2 * n;
		struct pq_element *elements = pq_arena_array(&s->arena, cap, sizeof(*elements));
		struct room **rooms = pq_arena_array(&s->arena, cap, sizeof(struct room *));
		if (elements == NULL || rooms == NULL)
			return false;
		if (kept->n > 0) {
			memcpy(elements, kept->elements, kept->n * sizeof(*elements));
			memcpy(rooms, kept->rooms, kept->n * sizeof(struct room *));
		}
		kept->elements = elements;
		kept->rooms = rooms;
		kept->cap = cap;
	}
	for (; kept->n < n; kept->n++) {
		kept->rooms[kept->n] = make_room(s, scope);
		if (kept->rooms[kept->n] == NULL ||
		    !make_element(&s->ev, &s->arena, &kept->elements[kept->n], scope, kept->n))
			return false;
		choose_all(&s->ev, &kept->elements[kept->n]);
	}
	return true;
}

bool
pq_eval_alone(struct pq_eval *ev)
{
	struct pq_givens *line = pq_arena_alloc(ev->arena, sizeof(*line));

	if (line == NULL || !make_element(ev, ev->arena, &ev->req, PQ_SCOPE_REQUEST, 0) ||
	    !make_element(ev, ev->arena, &ev->decision, PQ_SCOPE_DECISION, 0) || !make_scratch(ev))
		return false;
	*line = (struct pq_givens){ev->req.given, ev->req.said};
	ev->lines = line;
	ev->n_lines = 1;
	return true;
}

bool
pq_eval_one_each(struct pq_eval *ev)
{
	struct pq_element *one = pq_arena_array(ev->arena, 4, sizeof(*one));

	if (one == NULL || !pq_eval_alone(ev) || !make_element(ev, ev->arena, &one[0], PQ_SCOPE_PARTY, 0) ||
	    !make_element(ev, ev->arena, &one[1], PQ_SCOPE_OWNER, 0) || !make_element(ev, ev->arena, &one[2], PQ_SCOPE_HIT, 0) ||
	    !make_element(ev, ev->arena, &one[3], PQ_SCOPE_INTERMEDIATE, 0))
		return false;
	one[0].owners = &one[1];
	one[0].n_owners = 1;
	ev->parties = &one[0];
	ev->hits = &one[2];
	ev->intermediates = &one[3];
	ev->n_parties = ev->n_hits = ev->n_intermediates = 1;
	return true;
}

/* Texts of a decision that hang on the revision alone are made once, where the state outlives the decision. */
static bool
make_texts(struct pq_state *s)
{
	struct pq_kept_texts *texts = pq_arena_alloc(&s->arena, sizeof(*texts));

	if (texts == NULL)
		return false;
	texts->arena = &s->arena;
	texts->conds = pq_arena_array(&s->arena, s->ev.p->n_conds + 1, sizeof(*texts->conds));
	texts->not_overcome = pq_arena_array(&s->arena, s->ev.p->n_rules + 1, sizeof(*texts->not_overcome));
	s->ev.texts = texts;
	return texts->conds != NULL && texts->not_overcome != NULL;
}

enum pq_status
pq_state_new(const struct pq_image *image, bool kept, struct pq_state **ret, struct pq_err *err)
{
	struct pq_state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return pq_fail(err, PQ_ENOMEM, "out of memory while preparing an evaluation");
	pq_arena_init(&s->arena, STATE_BYTES + image->p.n_rules * STATE_BYTES_OF_RULE +
	                             image->p.n_conds * STATE_BYTES_OF_COND);
	s->ev = (struct pq_eval){.image = image, .p = &image->p, .arena = &s->arena};
	s->as_of = PQ_DATE_MIN;
	s->request_room = make_room(s, PQ_SCOPE_REQUEST);
	if (s->request_room == NULL || !pq_eval_alone(&s->ev) || (kept && !make_texts(s))) {
		pq_state_free(s);
		return pq_fail(err, PQ_ENOMEM, "out of memory while preparing an evaluation");
	}
	*ret = s;
	return PQ_OK;
}

void
pq_state_free(struct pq_state *state)
{
	if (state == NULL)
		return;
	pq_arena_release(&state->arena);
	free(state);
}

/* ---- what is said ---- */

static bool
is_same(const struct pq_given *kept, const struct pq_given *given)
{
	if (kept->state != given->state || kept->named_by != given->named_by)
		return false;
	if (kept->state == PQ_SILENT)
		return true;
	return kept->n_symbols == given->n_symbols && kept->number == given->number && kept->text.len == given->text.len &&
	       (kept->n_symbols == 0 ||
	        memcmp(kept->symbols, given->symbols, kept->n_symbols * sizeof(*kept->symbols)) == 0) &&
	       (kept->text.len == 0 || memcmp(kept->text.at, given->text.at, kept->text.len) == 0);
}

/* A copy of what is said: the request goes, the state stays. */
static bool
keep(struct pq_state *s, struct pq_given *to, struct room *room, const struct pq_given *from)
{
	if (from->n_symbols > PQ_MAX_SET || from->text.len > PQ_MAX_STRING)
		return false;
	if (from->n_symbols > 0 && room->symbols == NULL)
		room->symbols = pq_arena_array(&s->arena, PQ_MAX_SET, sizeof(*room->symbols));
	if (from->text.len > 0 && room->text == NULL)
		room->text = pq_arena_alloc(&s->arena, PQ_MAX_STRING);
	if ((from->n_symbols > 0 && room->symbols == NULL) || (from->text.len > 0 && room->text == NULL))
		return false;
	if (from->n_symbols > 0)
		memcpy(room->symbols, from->symbols, from->n_symbols * sizeof(*from->symbols));
	if (from->text.len > 0)
		memcpy(room->text, from->text.at, from->text.len);
	*to = *from;
	to->symbols = room->symbols;
	to->text.at = from->text.len > 0 ? room->text : "";
	return true;
}

static bool
load_fact(struct pq_state *s, struct pq_element *element, struct room *rooms, const struct pq_givens *givens,
          uint32_t slot)
{
	const struct pq_image *image = s->ev.image;

	if (is_same(&element->given[slot], &givens->at[slot]))
		return true;
	if (!keep(s, &element->given[slot], &rooms[slot], &givens->at[slot]))
		return false;
	uint32_t attr = image->fact_attrs[image->fact_attrs_at[element->scope] + slot];
	pq_wake_by_given(s->ev.dirty, image->wake, attr);
	if (image->wake->claims[attr])
		s->ev.considers_known = false;
	return true;
}

/* Of a fact that is silent now and was silent before nothing is looked at. */
static bool
load(struct pq_state *s, struct pq_element *element, struct room *rooms, const struct pq_givens *givens)
{
	for (uint32_t w = 0; w <= s->ev.image->meta->scope_facts[element->scope] / 64; w++) {
		element->said[w] |= givens->said[w];
		for (uint64_t left = element->said[w]; left != 0; left &= left - 1) {
			if (!load_fact(s, element, rooms, givens, w * 64 + (uint32_t)__builtin_ctzll(left)))
				return false;
		}
		element->said[w] = givens->said[w];
	}
	return true;
}

static bool
load_elements(struct pq_state *s, struct kept *kept, enum pq_scope scope, const struct pq_element *from, size_t n)
{
	if (!grow(s, kept, scope, n))
		return false;
	if (n != kept->last) {
		pq_wake_join(s->ev.dirty, s->ev.image->wake->by_scope[scope], s->ev.image->wake->words);
		s->ev.considers_known = false;
		kept->last = n;
		/* Who was not there when the request was matched does not know what it allows now. */
		for (size_t i = 0; i < n; i++)
			touch_all(&s->ev, &kept->elements[i]);
	}
	for (size_t i = 0; i < n; i++) {
		struct pq_givens givens = {from[i].given, from[i].said};
		if (!load(s, &kept->elements[i], kept->rooms[i], &givens))
			return false;
	}
	return true;
}

static bool
load_parties(struct pq_state *s, const struct pq_bound *bound)
{
	size_t n_owners = 0;

	if (!load_elements(s, &s->parties, PQ_SCOPE_PARTY, bound->parties, bound->n_parties))
		return false;
	for (size_t i = 0; i < bound->n_parties; i++) {
		const struct pq_element *from = &bound->parties[i];
		struct pq_element *party = &s->parties.elements[i];
		if (!load_elements(s, &s->owners[i], PQ_SCOPE_OWNER, from->owners, from->n_owners))
			return false;
		party->owners = s->owners[i].elements;
		party->n_owners = from->n_owners;
		for (size_t k = 0; k < from->n_owners; k++) {
			party->owners[k].party = (uint16_t)i;
			touch_all(&s->ev, &party->owners[k]);
		}
		n_owners += from->n_owners;
	}
	/* Whose owners they are may have changed with nothing said otherwise of any place. */
	if (n_owners > 0 || s->last_owners > 0)
		pq_wake_join(s->ev.dirty, s->ev.image->wake->by_scope[PQ_SCOPE_OWNER], s->ev.image->wake->words);
	s->last_owners = n_owners;
	return true;
}

/* Tables that hold other rows on this day than on the day before. */
static void
load_day(struct pq_state *s)
{
	int32_t day = s->ev.request->as_of, lo = day < s->as_of ? day : s->as_of, hi = day < s->as_of ? s->as_of : day;

	if (lo == hi)
		return;
	pq_wake_by_given(s->ev.dirty, s->ev.image->wake, PQ_ATTR_AS_OF);
	for (size_t t = 0; t < s->ev.p->n_tables; t++) {
		const struct pq_wake_run *run = &s->ev.image->wake->dates[t];
		const int32_t *days = s->ev.image->wake->days + run->first;
		uint32_t at = 0, end = run->n;
		while (at < end) {
			uint32_t mid = (at + end) / 2;
			if (days[mid] <= lo)
				at = mid + 1;
			else
				end = mid;
		}
		if (at < run->n && days[at] <= hi)
			pq_wake_join(s->ev.dirty, s->ev.image->wake->by_table + t * s->ev.image->wake->words, s->ev.image->wake->words);
	}
	s->as_of = day;
}

static bool
load_request(struct pq_state *s, const struct pq_bound *bound)
{
	struct pq_eval *ev = &s->ev;

	ev->request = bound->request;
	ev->arena = bound->arena;
	ev->lines = bound->lines;
	ev->n_lines = bound->n_lines;
	ev->line = bound->line;
	ev->n_parties = bound->n_parties;
	ev->n_hits = bound->n_hits;
	ev->n_intermediates = bound->n_intermediates;
	ev->oom = false;
	ev->window = bound->window;
	/* Who asks how long the answer stands must see every step of it. */
	ev->stale |= s->unsure || ev->window != NULL;
	if (ev->stale)
		ev->considers_known = false;
	load_day(s);
	if (ev->n_lines > 1 || s->last_lines > 1)
		pq_wake_join(ev->dirty, s->ev.image->wake->by_lines, s->ev.image->wake->words);
	s->last_lines = ev->n_lines;
	bool loaded = load(s, &ev->req, s->request_room, &bound->given) && load_parties(s, bound) &&
	              load_elements(s, &s->hits, PQ_SCOPE_HIT, bound->hits, bound->n_hits) &&
	              load_elements(s, &s->intermediates, PQ_SCOPE_INTERMEDIATE, bound->intermediates,
	                            bound->n_intermediates);
	ev->parties = s->parties.elements;
	ev->hits = s->hits.elements;
	ev->intermediates = s->intermediates.elements;
	return loaded;
}

/* ---- evaluation ---- */

/* Give the attribute its value for one element. Is it another than before? */
static bool
settle_value(struct pq_eval *ev, const struct pq_where *where, uint32_t attr)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	struct pq_element *element = where->at[a->scope];

	if (!pq_value_compute(ev, where, attr) && !ev->stale)
		return false;
	pq_choose(ev, element, attr);
	if (a->type == PQ_TYPE_CODE && a->path != PQ_NO_INDEX) /* which was computed with it */
		pq_choose(ev, element, a->path);
	return true;
}

static bool
settle_owners(struct pq_eval *ev, struct pq_where *where, uint32_t attr)
{
	bool changed = false;

	for (size_t i = 0; i < ev->n_parties; i++) {
		where->at[PQ_SCOPE_PARTY] = &ev->parties[i];
		for (size_t k = 0; k < ev->parties[i].n_owners; k++) {
			where->at[PQ_SCOPE_OWNER] = &ev->parties[i].owners[k];
			changed |= settle_value(ev, where, attr);
		}
	}
	return changed;
}

static void
settle_attr(struct pq_eval *ev, uint32_t attr)
{
	struct pq_where where = pq_where_request(ev);
	enum pq_scope scope = ev->p->attrs[attr].scope;
	bool changed = false;

	if (scope == PQ_SCOPE_REQUEST) {
		changed = settle_value(ev, &where, attr);
	} else if (scope == PQ_SCOPE_OWNER) {
		changed = settle_owners(ev, &where, attr);
	} else {
		size_t n;
		struct pq_element *elements = pq_elements(ev, &where, scope, &n);
		for (size_t i = 0; i < n; i++) {
			where.at[scope] = &elements[i];
			changed |= settle_value(ev, &where, attr);
		}
	}
	if (changed)
		pq_wake_by_value(ev->dirty, ev->image->wake, attr);
}

/* Everything must be computed anew. */
static void
wake_all(struct pq_eval *ev)
{
	memset(ev->dirty, 0xff, ev->image->wake->words * sizeof(*ev->dirty));
	touch_all(ev, &ev->req);
	touch_all(ev, &ev->decision);
	for (size_t i = 0; i < ev->n_parties; i++) {
		touch_all(ev, &ev->parties[i]);
		for (size_t k = 0; k < ev->parties[i].n_owners; k++)
			touch_all(ev, &ev->parties[i].owners[k]);
	}
	for (size_t i = 0; i < ev->n_hits; i++)
		touch_all(ev, &ev->hits[i]);
	for (size_t i = 0; i < ev->n_intermediates; i++)
		touch_all(ev, &ev->intermediates[i]);
}

void
pq_settle(struct pq_eval *ev)
{
	const struct pq_wake *wake = ev->image->wake;

	if (ev->stale)
		wake_all(ev);
	for (uint32_t word = 0; word < wake->words; word++) {
		while (ev->dirty[word] != 0) {
			uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(ev->dirty[word]);
			ev->dirty[word] &= ev->dirty[word] - 1;
			if (index >= wake->n_nodes)
				continue;
			uint32_t node = wake->nodes[index];
			if (node & PQ_WAKE_SPACE)
				pq_match_space(ev, node & ~PQ_WAKE_SPACE);
			else
				settle_attr(ev, node);
		}
	}
	ev->stale = false;
}

/* ---- unknowns ---- */

/* Is there more than one value, or something that the value hangs on? */
static bool
is_uncertain(const struct pq_p_attr *a, const struct pq_val *val)
{
	uint64_t deps = 0, any = 0, several = 0;

	for (size_t i = 0; i < PQ_MAX_VARS / 64; i++)
		deps |= val->deps.w[i];
	if (val->open || val->deps.overflow || deps != 0)
		return true;
	if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE)
		return val->number_state == PQ_NUMBER_UNKNOWN || (val->may_none && val->number_state == PQ_NUMBER_KNOWN);
	for (uint32_t i = 0; i < a->words; i++) {
		if (!a->single && val->poss[i] != val->sure[i])
			return true;
		several |= (val->poss[i] & (val->poss[i] - 1)) | (any != 0 ? val->poss[i] : 0);
		any |= val->poss[i];
	}
	return a->single && (several != 0 || (any != 0 && val->may_none));
}

static void
forget_element(struct pq_eval *ev, struct pq_element *element)
{
	const struct pq_wake *wake = ev->image->wake;

	memset(element->var, 0xff, ev->image->meta->scope_attrs[element->scope] * sizeof(*element->var));
	for (uint32_t node = 0; node < wake->n_nodes; node++) {
		uint32_t attr = wake->nodes[node];
		if (attr & PQ_WAKE_SPACE || ev->p->attrs[attr].scope != element->scope)
			continue;
		const struct pq_p_attr *a = &ev->p->attrs[attr];
		bool uncertain = is_uncertain(a, &element->vals[a->slot]);
		if (a->type == PQ_TYPE_CODE && a->path != PQ_NO_INDEX)
			uncertain |= is_uncertain(&ev->p->attrs[a->path], &element->vals[ev->p->attrs[a->path].slot]);
		if (uncertain)
			ev->dirty[node / 64] |= UINT64_C(1) << (node % 64);
	}
}

void
pq_forget_unknowns(struct pq_eval *ev)
{
	ev->n_vars = ev->n_row_vars = 0;
	forget_element(ev, &ev->req);
	for (size_t i = 0; i < ev->n_parties; i++) {
		forget_element(ev, &ev->parties[i]);
		for (size_t k = 0; k < ev->parties[i].n_owners; k++)
			forget_element(ev, &ev->parties[i].owners[k]);
	}
	for (size_t i = 0; i < ev->n_hits; i++)
		forget_element(ev, &ev->hits[i]);
	for (size_t i = 0; i < ev->n_intermediates; i++)
		forget_element(ev, &ev->intermediates[i]);
}

void
pq_given_changed(struct pq_eval *ev, uint32_t attr)
{
	pq_wake_by_given(ev->dirty, ev->image->wake, attr);
}

void
pq_var_changed(struct pq_eval *ev, const struct pq_var *var)
{
	const struct pq_wake *wake = ev->image->wake;

	if (var->attr != PQ_NO_INDEX)
		pq_given_changed(ev, var->attr);
	else
		pq_wake_join(ev->dirty, wake->by_table + (size_t)ev->p->rows[var->row].table * wake->words, wake->words);
}

/* ---- one leg ---- */

bool
pq_state_fits(const struct pq_bound *bound)
{
	bool fits = bound->n_parties <= KEPT_PARTIES && bound->n_hits <= KEPT_HITS &&
	            bound->n_intermediates <= KEPT_INTERMEDIATES;

	for (size_t i = 0; fits && i < bound->n_parties; i++)
		fits = bound->parties[i].n_owners <= KEPT_OWNERS;
	return fits;
}

bool
pq_state_decide(struct pq_state *s, struct pq_bound *bound, struct pq_decision *ret,
                const struct pq_p_jurisdiction **ret_jurisdiction)
{
	bool decided = load_request(s, bound);

	s->ev.near_tries = bound->near_tries;
	if (decided)
		bound->decided = pq_decide_leg(&s->ev, bound->by, ret, ret_jurisdiction);
	bound->near_tries = s->ev.near_tries;
	/* Where memory ran out on the way some value may not be what it ought to be. */
	s->unsure = !decided || s->ev.oom;
	return !s->unsure;
}

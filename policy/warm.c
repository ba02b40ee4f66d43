/*
 * Evaluation that keeps its state from one request to the next.
 *
 * Requests of one sender are alike, and even those that are not share most of what is false of both. So the values of
 * all attributes, the truth of all conditions and the bitmaps that were chosen stay; of a new request only what is said
 * otherwise is dirty at first, and what a node computes anew wakes its readers only where it is not what it was.
 *
 * Unknowns are not told apart here (`quiet`): where the outcome hangs on one, or a fact must be named as moot, the leg
 * is decided again by itself, with all that search.c needs. The answers are the same, tests/differential/test_warm.c.
 */
#include "policy/warm.h"

#include "policy/wake.h"

#include <stdlib.h>
#include <string.h>

/* Elements that are kept; a request with more is decided by itself. */
#define KEPT_PARTIES 16
#define KEPT_OWNERS 8 /* of one party */
#define KEPT_HITS 16
#define KEPT_INTERMEDIATES 16

#define WARM_BYTES ((size_t)16 << 20)

/* Room for what is said of one fact of one element; made when it is first needed. */
struct room {
	uint32_t *symbols;
	char *text;
};

struct kept {
	struct pq_element *elements;
	struct room **rooms; /* by element, then slot */
	size_t n;            /* that are made */
	size_t last;         /* in the request before */
};

struct pq_warm {
	struct pq_arena arena;
	struct pq_wake wake;
	struct pq_eval ev;
	struct pq_kept_texts texts;
	struct room *request_room;
	struct kept parties, hits, intermediates;
	struct kept owners[KEPT_PARTIES];
	size_t last_owners;         /* of all parties in the request before */
	size_t last_lines;
	int32_t as_of;
	bool fresh;                 /* nothing that is kept can be relied on */
	bool failed;                /* memory ran out: nothing is kept any more */
};

/* ---- memory ---- */

static bool
make_element(struct pq_warm *w, struct pq_element *element, enum pq_scope scope, size_t index, struct room **ret_room)
{
	struct pq_eval *ev = &w->ev;
	const struct pq_p_meta *meta = ev->image->meta;
	uint32_t n = meta->scope_attrs[scope];

	element->scope = scope;
	element->index = (uint16_t)index;
	element->given = pq_arena_array(&w->arena, (size_t)meta->scope_facts[scope] + 1, sizeof(*element->given));
	element->vals = pq_arena_array(&w->arena, (size_t)n + 1, sizeof(*element->vals));
	element->words = pq_arena_array(&w->arena, 2 * (size_t)meta->scope_words[scope] + 1, sizeof(*element->words));
	element->tri = pq_arena_array(&w->arena, (size_t)meta->scope_dnfs[scope] + 1, sizeof(*element->tri));
	element->var = pq_arena_array(&w->arena, (size_t)n + 1, sizeof(*element->var));
	*ret_room = pq_arena_array(&w->arena, (size_t)meta->scope_facts[scope] + 1, sizeof(**ret_room));
	if (element->given == NULL || element->vals == NULL || element->words == NULL || element->tri == NULL ||
	    element->var == NULL || *ret_room == NULL)
		return false;
	memset(element->var, 0xff, n * sizeof(*element->var));
	pq_eval_wire(ev, element);
	return true;
}

static bool
make_kept(struct pq_warm *w, struct kept *kept, size_t most)
{
	kept->elements = pq_arena_array(&w->arena, most, sizeof(*kept->elements));
	kept->rooms = pq_arena_array(&w->arena, most, sizeof(struct room *));
	return kept->elements != NULL && kept->rooms != NULL;
}

/* Elements are made when a request first has so many. */
static bool
grow(struct pq_warm *w, struct kept *kept, enum pq_scope scope, size_t n)
{
	for (; kept->n < n; kept->n++) {
		if (!make_element(w, &kept->elements[kept->n], scope, kept->n, &kept->rooms[kept->n]))
			return false;
	}
	return true;
}

/* Bitmaps that are not in the image: room for two for each column of request scope. */
static bool
make_choices(struct pq_warm *w)
{
	struct pq_eval *ev = &w->ev;
	const struct pq_program *p = ev->p;

	ev->choices = pq_arena_array(&w->arena, p->n_cols + 1, sizeof(*ev->choices));
	for (size_t s = 0; ev->choices != NULL && s < p->n_spaces; s++) {
		for (uint32_t i = 0; i < p->spaces[s].n_request_cols; i++) {
			struct pq_choice *choice = &ev->choices[p->spaces[s].cols.first + i];
			choice->stride = p->spaces[s].words;
			choice->said = ev->image->col_words[p->spaces[s].cols.first + i];
			choice->own = pq_arena_array(&w->arena, 2 * (size_t)choice->said.n, sizeof(*choice->own));
			if (choice->own == NULL)
				return false;
		}
	}
	return ev->choices != NULL;
}

static bool
make_all(struct pq_warm *w)
{
	struct pq_eval *ev = &w->ev;
	struct room *unused;
	bool made = make_element(w, &ev->req, PQ_SCOPE_REQUEST, 0, &w->request_room) &&
	            make_element(w, &ev->decision, PQ_SCOPE_DECISION, 0, &unused) && pq_eval_scratch(ev) &&
	            make_choices(w) && make_kept(w, &w->parties, KEPT_PARTIES) && make_kept(w, &w->hits, KEPT_HITS) &&
	            make_kept(w, &w->intermediates, KEPT_INTERMEDIATES);

	for (size_t i = 0; made && i < KEPT_PARTIES; i++)
		made = make_kept(w, &w->owners[i], KEPT_OWNERS);
	ev->dirty = pq_arena_array(&w->arena, (size_t)w->wake.words + 1, sizeof(*ev->dirty));
	w->texts.arena = &w->arena;
	w->texts.conds = pq_arena_array(&w->arena, ev->p->n_conds + 1, sizeof(*w->texts.conds));
	w->texts.not_overcome = pq_arena_array(&w->arena, ev->p->n_rules + 1, sizeof(*w->texts.not_overcome));
	return made && ev->dirty != NULL && w->texts.conds != NULL && w->texts.not_overcome != NULL;
}

enum pq_status
pq_warm_new(const struct pq_image *image, struct pq_warm **ret, struct pq_err *err)
{
	struct pq_warm *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return pq_fail(err, PQ_ENOMEM, "out of memory while preparing an evaluator");
	pq_arena_init(&w->arena, WARM_BYTES);
	w->ev = (struct pq_eval){.image = image, .p = &image->p, .arena = &w->arena, .quiet = true, .texts = &w->texts};
	w->fresh = true;
	enum pq_status status = pq_wake_make(image, &w->arena, &w->wake, err);
	if (status == PQ_OK && !make_all(w))
		status = pq_fail(err, PQ_ENOMEM, "out of memory while preparing an evaluator");
	if (status != PQ_OK) {
		pq_warm_free(w);
		return status;
	}
	w->ev.wake = &w->wake;
	w->ev.parties = w->parties.elements;
	w->ev.hits = w->hits.elements;
	w->ev.intermediates = w->intermediates.elements;
	*ret = w;
	return PQ_OK;
}

void
pq_warm_free(struct pq_warm *warm)
{
	if (warm == NULL)
		return;
	pq_arena_release(&warm->arena);
	free(warm);
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
keep(struct pq_warm *w, struct pq_given *to, struct room *room, const struct pq_given *from)
{
	*to = *from;
	if (from->n_symbols > PQ_MAX_SET || from->text.len > PQ_MAX_STRING)
		return false;
	if (from->n_symbols > 0) {
		if (room->symbols == NULL)
			room->symbols = pq_arena_array(&w->arena, PQ_MAX_SET, sizeof(*room->symbols));
		if (room->symbols == NULL)
			return false;
		memcpy(room->symbols, from->symbols, from->n_symbols * sizeof(*from->symbols));
	}
	if (from->text.len > 0) {
		if (room->text == NULL)
			room->text = pq_arena_alloc(&w->arena, PQ_MAX_STRING);
		if (room->text == NULL)
			return false;
		memcpy(room->text, from->text.at, from->text.len);
	}
	to->symbols = room->symbols;
	to->text.at = from->text.len > 0 ? room->text : "";
	return true;
}

static bool
load(struct pq_warm *w, struct pq_element *element, struct room *rooms, const struct pq_given *given)
{
	const struct pq_image *image = w->ev.image;
	uint32_t n = image->meta->scope_facts[element->scope];
	const uint32_t *attrs = image->fact_attrs + image->fact_attrs_at[element->scope];

	for (uint32_t slot = 0; slot < n; slot++) {
		if (is_same(&element->given[slot], &given[slot]))
			continue;
		if (!keep(w, &element->given[slot], &rooms[slot], &given[slot]))
			return false;
		pq_wake_join(w->ev.dirty, pq_wake_of_given(&w->wake, attrs[slot]), w->wake.words);
		if (w->wake.claims[attrs[slot]])
			w->ev.considers_known = false;
	}
	return true;
}

static bool
load_elements(struct pq_warm *w, struct kept *kept, enum pq_scope scope, const struct pq_element *from, size_t n)
{
	if (!grow(w, kept, scope, n))
		return false;
	if (n != kept->last) {
		pq_wake_join(w->ev.dirty, w->wake.by_scope[scope], w->wake.words);
		w->ev.considers_known = false;
		kept->last = n;
	}
	for (size_t i = 0; i < n; i++) {
		if (!load(w, &kept->elements[i], kept->rooms[i], from[i].given))
			return false;
	}
	return true;
}

static bool
load_parties(struct pq_warm *w, const struct pq_eval *cold)
{
	size_t n_owners = 0;

	if (!load_elements(w, &w->parties, PQ_SCOPE_PARTY, cold->parties, cold->n_parties))
		return false;
	for (size_t i = 0; i < cold->n_parties; i++) {
		const struct pq_element *from = &cold->parties[i];
		struct pq_element *party = &w->parties.elements[i];
		if (!load_elements(w, &w->owners[i], PQ_SCOPE_OWNER, from->owners, from->n_owners))
			return false;
		party->owners = w->owners[i].elements;
		party->n_owners = from->n_owners;
		for (size_t k = 0; k < from->n_owners; k++)
			party->owners[k].party = (uint16_t)i;
		n_owners += from->n_owners;
	}
	/* Whose owners they are may have changed with nothing said otherwise of any place. */
	if (n_owners > 0 || w->last_owners > 0)
		pq_wake_join(w->ev.dirty, w->wake.by_scope[PQ_SCOPE_OWNER], w->wake.words);
	w->last_owners = n_owners;
	return true;
}

/* Tables that hold other rows on this day than on the day before. */
static void
load_day(struct pq_warm *w)
{
	int32_t day = w->ev.request->as_of, lo = day < w->as_of ? day : w->as_of, hi = day < w->as_of ? w->as_of : day;

	if (lo == hi)
		return;
	pq_wake_join(w->ev.dirty, pq_wake_of_given(&w->wake, PQ_ATTR_AS_OF), w->wake.words);
	for (size_t t = 0; t < w->ev.p->n_tables; t++) {
		const struct pq_wake_run *run = &w->wake.dates[t];
		const int32_t *days = w->wake.days + run->first;
		uint32_t at = 0, end = run->n;
		while (at < end) {
			uint32_t mid = (at + end) / 2;
			if (days[mid] <= lo)
				at = mid + 1;
			else
				end = mid;
		}
		if (at < run->n && days[at] <= hi)
			pq_wake_join(w->ev.dirty, w->wake.by_table + t * w->wake.words, w->wake.words);
	}
	w->as_of = day;
}

static bool
load_request(struct pq_warm *w, const struct pq_eval *cold)
{
	struct pq_eval *ev = &w->ev;

	ev->request = cold->request;
	ev->arena = cold->arena;
	ev->lines = cold->lines;
	ev->n_lines = cold->n_lines;
	ev->line = cold->line;
	ev->n_parties = cold->n_parties;
	ev->n_hits = cold->n_hits;
	ev->n_intermediates = cold->n_intermediates;
	ev->oom = false;
	if (w->fresh)
		memset(ev->dirty, 0xff, w->wake.words * sizeof(*ev->dirty));
	load_day(w);
	if (ev->n_lines > 1 || w->last_lines > 1)
		pq_wake_join(ev->dirty, w->wake.by_lines, w->wake.words);
	w->last_lines = ev->n_lines;
	return load(w, &ev->req, w->request_room, cold->req.given) && load_parties(w, cold) &&
	       load_elements(w, &w->hits, PQ_SCOPE_HIT, cold->hits, cold->n_hits) &&
	       load_elements(w, &w->intermediates, PQ_SCOPE_INTERMEDIATE, cold->intermediates, cold->n_intermediates);
}

/* ---- evaluation ---- */

static void
settle_attr(struct pq_eval *ev, uint32_t attr, bool fresh)
{
	const struct pq_wake *wake = ev->wake;

	if (!pq_compute_everywhere(ev, attr) && !fresh)
		return;
	pq_wake_join(ev->dirty, pq_wake_of_value(wake, attr), wake->words);
	uint32_t attrs[2] = {attr, PQ_NO_INDEX};
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	if (a->type == PQ_TYPE_CODE && a->path != PQ_NO_INDEX)
		attrs[1] = a->path;
	for (size_t k = 0; k < 2 && attrs[k] != PQ_NO_INDEX; k++) {
		const struct pq_wake_run *cols = &wake->cols[attrs[k]];
		for (uint32_t i = 0; i < cols->n; i++)
			pq_choose(ev, wake->col_list[cols->first + i]);
	}
}

void
pq_settle(struct pq_eval *ev)
{
	const struct pq_wake *wake = ev->wake;
	bool fresh = ev->stale;

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
				settle_attr(ev, node, fresh);
		}
	}
	ev->stale = false;
}

static bool
is_kept(const struct pq_warm *w, const struct pq_eval *cold)
{
	bool kept = !w->failed && cold->n_parties <= KEPT_PARTIES && cold->n_hits <= KEPT_HITS &&
	            cold->n_intermediates <= KEPT_INTERMEDIATES && cold->request->near_misses == 0;

	for (size_t i = 0; kept && i < cold->n_parties; i++)
		kept = cold->parties[i].n_owners <= KEPT_OWNERS;
	return kept;
}

bool
pq_warm_decide_leg(struct pq_warm *w, const struct pq_eval *cold, struct pq_decision *ret,
                   const struct pq_p_jurisdiction **ret_jurisdiction, bool *ret_oom)
{
	*ret_oom = false;
	if (!is_kept(w, cold))
		return false;
	if (!load_request(w, cold)) {
		w->failed = true;
		return false;
	}
	w->ev.stale = w->fresh;
	bool decided = pq_decide_quietly(&w->ev, ret, ret_jurisdiction);
	/* Where memory ran out on the way some value may not be what it ought to be. */
	w->fresh = w->ev.oom;
	*ret_oom = w->ev.oom;
	return decided;
}

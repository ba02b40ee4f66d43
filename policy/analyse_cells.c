/*
 * Cells: what hangs on one fact and the day alone. Each value of the fact is evaluated on each day on which anything
 * changes, with all else open, and equal days in a row are kept as one cell. Of a code its paths are left open.
 */
#include "policy/analyse_parts.h"
#include "policy/calendar.h"
#include "policy/decide_parts.h"

#include <string.h>

/* Bytes for the evaluation of one value on all days. */
#define EVAL_BYTES ((size_t)256 << 20)

/* ---- which attributes ---- */

static bool
dnf_asks_elements(const struct pq_program *p, uint32_t dnf)
{
	for (uint32_t i = 0; dnf != PQ_NO_INDEX && i < p->dnfs[dnf].alts.n; i++) {
		struct pq_span conds = p->alts[p->dnfs[dnf].alts.first + i].conds;
		for (uint32_t c = 0; c < conds.n; c++) {
			if (p->conds[conds.first + c].inner != PQ_NO_INDEX)
				return true;
		}
	}
	return false;
}

/** Does its value hang on elements, on other lines or on what is said at all? Then one value of a fact tells nothing. */
static bool
is_wide(const struct pq_program *p, uint32_t attr)
{
	const struct pq_p_attr *a = &p->attrs[attr];

	if (a->scope != PQ_SCOPE_REQUEST || a->said.n > 0 || (attr < PQ_ATTR_FIRST_DECLARED && attr != PQ_ATTR_AS_OF))
		return true;
	for (uint32_t i = 0; i < a->contributions.n; i++) {
		const struct pq_p_contribution *c = &p->contributions[a->contributions.first + i];
		if (c->derive == PQ_DERIVE_COUNT || c->derive == PQ_DERIVE_LINES || dnf_asks_elements(p, c->dnf))
			return true;
	}
	return false;
}

/** Does the attribute hang on nothing but this fact and the day? */
static bool
hangs_alone(const struct pq_an *an, uint32_t attr, uint32_t fact)
{
	const struct pq_program *p = an->p;
	const uint64_t *depends = p->words + p->attrs[attr].depends;

	if (p->attrs[attr].type == PQ_TYPE_TEXT)
		return false;
	for (uint32_t i = 0; i < p->n_attrs; i++) {
		if (!pq_bit(depends, i))
			continue;
		if (is_wide(p, i))
			return false;
		if (p->attrs[i].is_fact && i != fact && i != p->attrs[fact].path)
			return false;
	}
	return true;
}

/** False: nothing that is derived hangs on it alone, or it has no finite list of values. */
static bool
make_fact(struct pq_an *an, uint32_t fact, struct pq_cell_fact *ret)
{
	const struct pq_p_attr *a = &an->p->attrs[fact];
	bool derived = false;

	if (!a->is_fact || a->scope != PQ_SCOPE_REQUEST || !a->single ||
	    an->p->domains[a->domain].symbols.n > PQ_AN_MAX_VALUES)
		return false;
	*ret = (struct pq_cell_fact){.fact = fact};
	ret->attrs = pq_an_alloc(an, an->p->n_attrs, sizeof(*ret->attrs));
	ret->at = pq_an_alloc(an, an->p->n_attrs, sizeof(*ret->at));
	if (an->oom)
		return false;
	for (uint32_t i = 0; i < an->p->n_attrs; i++) {
		ret->at[i] = PQ_NO_INDEX;
		if (i < PQ_ATTR_FIRST_DECLARED || (i != fact && !hangs_alone(an, i, fact)))
			continue;
		derived |= !an->p->attrs[i].is_fact && pq_bit(an->p->words + an->p->attrs[i].depends, fact);
		ret->at[i] = (uint32_t)ret->n_attrs;
		ret->attrs[ret->n_attrs++] = i;
	}
	return derived;
}

/* ---- evaluation ---- */

static bool
same_values(const struct pq_an *an, const struct pq_cell_fact *fact, const struct pq_cell_run *cell,
            const struct pq_eval *ev)
{
	for (size_t i = 0; i < fact->n_attrs; i++) {
		const struct pq_p_attr *a = &an->p->attrs[fact->attrs[i]];
		const struct pq_val *val = &ev->req.vals[a->slot];
		const struct pq_cell_value *kept = &cell->values[i];
		if (kept->may_none != val->may_none || kept->number_known != (val->number_state == PQ_NUMBER_KNOWN) ||
		    kept->number_none != (val->number_state == PQ_NUMBER_NONE) || kept->number != val->number)
			return false;
		if (a->words > 0 && (memcmp(kept->poss, val->poss, a->words * sizeof(*val->poss)) != 0 ||
		                     (!a->single && memcmp(kept->sure, val->sure, a->words * sizeof(*val->sure)) != 0)))
			return false;
	}
	return true;
}

static void
keep_values(struct pq_an *an, const struct pq_cell_fact *fact, const struct pq_eval *ev, struct pq_cell_run *cell)
{
	cell->values = pq_an_alloc(an, fact->n_attrs, sizeof(*cell->values));
	for (size_t i = 0; i < fact->n_attrs && !an->oom; i++) {
		const struct pq_p_attr *a = &an->p->attrs[fact->attrs[i]];
		const struct pq_val *val = &ev->req.vals[a->slot];
		struct pq_cell_value *kept = &cell->values[i];
		kept->sure = pq_an_alloc(an, a->words, sizeof(*kept->sure));
		kept->poss = pq_an_alloc(an, a->words, sizeof(*kept->poss));
		if (!an->oom && a->words > 0) {
			memcpy(kept->sure, val->sure, a->words * sizeof(*kept->sure));
			memcpy(kept->poss, val->poss, a->words * sizeof(*kept->poss));
		}
		kept->may_none = val->may_none;
		kept->number_known = val->number_state == PQ_NUMBER_KNOWN;
		kept->number_none = val->number_state == PQ_NUMBER_NONE;
		kept->number = val->number;
	}
}

static enum pq_tri
dnf_truth(struct pq_eval *ev, const struct pq_where *where, uint32_t dnf)
{
	enum pq_tri truth = PQ_F;

	for (uint32_t i = 0; i < ev->p->dnfs[dnf].alts.n; i++) {
		struct pq_span conds = ev->p->alts[ev->p->dnfs[dnf].alts.first + i].conds;
		enum pq_tri all = PQ_T;
		for (uint32_t c = 0; c < conds.n && all != PQ_F; c++)
			all = pq_and(all, pq_cond_truth(ev, where, &ev->p->conds[conds.first + c]));
		truth = pq_or(truth, all);
	}
	return truth;
}

/* Only what hangs on the fact: the whole of an evaluation with everything open would take a thousand times as long. */
static void
evaluate(struct pq_eval *ev, const struct pq_cell_fact *fact)
{
	struct pq_where where = pq_where_request(ev);

	pq_value_compute(ev, &where, PQ_ATTR_AS_OF);
	for (size_t i = 0; i < ev->p->n_attr_order; i++) {
		uint32_t attr = ev->p->attr_order[i];
		if (fact->at[attr] == PQ_NO_INDEX)
			continue;
		struct pq_span sources = ev->p->attrs[attr].contributions;
		for (uint32_t k = 0; k < sources.n; k++) {
			uint32_t dnf = ev->p->contributions[sources.first + k].dnf;
			if (dnf != PQ_NO_INDEX)
				ev->req.tri[ev->p->dnfs[dnf].slot] = (uint8_t)dnf_truth(ev, &where, dnf);
		}
		pq_value_compute(ev, &where, attr);
	}
}

/** All days of one value; `symbol` PQ_NO_INDEX: the fact has none. */
static void
walk_value(struct pq_an *an, const struct pq_cell_fact *fact, uint32_t symbol, struct pq_arena *arena,
           struct pq_cell_run **ret)
{
	struct pq_request request = {0};
	struct pq_eval ev = {.image = an->image, .p = an->p, .request = &request, .arena = arena};
	struct pq_cell_run *last = NULL;

	if (!pq_eval_alone(&ev)) {
		an->oom = true;
		return;
	}
	for (uint32_t i = 0; i < an->image->meta->scope_facts[PQ_SCOPE_REQUEST]; i++)
		ev.req.given[i].opened = true;
	ev.req.given[an->p->attrs[fact->fact].slot] =
		(struct pq_given){.state = PQ_SAID, .n_symbols = symbol != PQ_NO_INDEX, .symbols = &symbol, .text = {"", 0}};
	pq_note_said(ev.req.said, an->p->attrs[fact->fact].slot);
	for (size_t d = 0; d <= an->n_dates && !an->oom; d++) {
		request.as_of = d == 0 ? (an->n_dates > 0 ? an->dates[0] - 1 : 0) : an->dates[d - 1];
		ev.stale = true;
		pq_forget_unknowns(&ev);
		evaluate(&ev, fact);
		an->oom |= ev.oom;
		an->result.n_cells++;
		if (last != NULL && same_values(an, fact, last, &ev))
			continue;
		struct pq_cell_run *cell = pq_an_alloc(an, 1, sizeof(*cell));
		if (an->oom)
			return;
		*cell = (struct pq_cell_run){.from = d == 0 ? PQ_DATE_MIN : request.as_of, .to = PQ_DATE_MAX};
		keep_values(an, fact, &ev, cell);
		if (last != NULL) {
			last->to = cell->from;
			last->next = cell;
		} else {
			*ret = cell;
		}
		last = cell;
	}
}

/** Can a request leave the fact without a value? */
static bool
can_be_none(const struct pq_p_attr *a)
{
	return a->type != PQ_TYPE_BOOL && (a->silences.n > 0 || a->has_null_is);
}

static void
walk_fact(struct pq_an *an, struct pq_cell_fact *fact, struct pq_arena *arena)
{
	const struct pq_p_attr *a = &an->p->attrs[fact->fact];
	struct pq_span symbols = an->p->domains[a->domain].symbols;

	fact->names = pq_an_alloc(an, symbols.n + 1, sizeof(*fact->names));
	fact->cells = pq_an_alloc(an, symbols.n + 1, sizeof(struct pq_cell_run *));
	for (uint32_t i = 0; i <= symbols.n && !an->oom; i++) {
		if (i == symbols.n && !can_be_none(a))
			continue;
		pq_arena_reset(arena);
		fact->names[i] = i < symbols.n ? pq_string(an->image, an->p->symbols[symbols.first + i]) : "none";
		walk_value(an, fact, i < symbols.n ? i : PQ_NO_INDEX, arena, &fact->cells[i]);
		fact->n_values++;
	}
}

void
pq_an_cells(struct pq_an *an)
{
	struct pq_arena arena;

	an->facts = pq_an_alloc(an, an->p->n_attrs, sizeof(*an->facts));
	pq_arena_init(&arena, EVAL_BYTES);
	for (uint32_t i = PQ_ATTR_FIRST_DECLARED; i < an->p->n_attrs && !an->oom; i++) {
		struct pq_cell_fact fact;
		if (!make_fact(an, i, &fact))
			continue;
		walk_fact(an, &fact, &arena);
		if (!an->oom)
			an->facts[an->n_facts++] = fact;
	}
	pq_arena_release(&arena);
}

/* ---- boxes against cells ---- */

static bool
one_meets(const struct pq_con *con, const struct pq_p_attr *a, const struct pq_cell_value *value, uint32_t n, bool all)
{
	size_t n_in = 0, n_out = 0;

	/* A path is a chain of listed ones, and what it may be is a set of them. */
	if (a->type == PQ_TYPE_PATH)
		return !all;
	for (uint32_t s = 0; s < n; s++) {
		if (pq_bit(value->poss, s))
			*(pq_bit(con->bits, s) ? &n_in : &n_out) += 1;
	}
	if (value->may_none)
		*(pq_bit(con->bits, n) ? &n_in : &n_out) += 1;
	return all ? n_out == 0 : n_in > 0;
}

static bool
set_meets(const struct pq_con *con, const struct pq_cell_value *value, uint32_t n_words, bool all)
{
	for (uint32_t w = 0; w < n_words; w++) {
		if (((all ? value->poss[w] : value->sure[w]) & con->bits[w]) != 0)
			return false;
	}
	for (size_t i = 0; i < con->n_anys; i++) {
		bool some = false;
		for (uint32_t w = 0; w < n_words; w++)
			some |= ((all ? value->sure[w] : value->poss[w] & ~con->bits[w]) & con->anys[i][w]) != 0;
		if (!some)
			return false;
	}
	return true;
}

static bool
number_meets(const struct pq_con *con, const struct pq_cell_value *value, bool all)
{
	if (value->number_none)
		return con->may_none;
	if (!value->number_known)
		return !all;
	for (size_t i = 0; i < con->n_ranges; i++) {
		if (value->number >= con->ranges[i].lo && value->number <= con->ranges[i].hi)
			return !all || !value->may_none || con->may_none;
	}
	return !all && value->may_none && con->may_none;
}

static bool
cell_meets(const struct pq_an *an, const struct pq_cell_fact *fact, const struct pq_cell_run *cell,
           const struct pq_box *box, bool all)
{
	for (size_t i = 0; i < box->n; i++) {
		const struct pq_con *con = &box->cons[i];
		uint32_t at = fact->at[con->attr];
		if (at == PQ_NO_INDEX)
			continue;
		const struct pq_p_attr *a = &an->p->attrs[con->attr];
		uint32_t n = con->kind != PQ_CON_NUMBER ? an->p->domains[a->domain].symbols.n : 0;
		bool met = con->kind == PQ_CON_NUMBER ? number_meets(con, &cell->values[at], all)
		           : con->kind == PQ_CON_ONE  ? one_meets(con, a, &cell->values[at], n, all)
		                                      : set_meets(con, &cell->values[at], a->words, all);
		if (!met)
			return false;
	}
	return true;
}

bool
pq_cell_meets(const struct pq_an *an, const struct pq_cell_fact *fact, const struct pq_cell_run *cell,
              const struct pq_box *box)
{
	return cell_meets(an, fact, cell, box, false);
}

bool
pq_cell_proves(const struct pq_an *an, const struct pq_cell_fact *fact, const struct pq_cell_run *cell,
               const struct pq_box *box)
{
	return cell_meets(an, fact, cell, box, true);
}

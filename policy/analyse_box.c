/* Boxes: sets of requests as a set of values an attribute; and whether one lies within others. */
#include "policy/analyse_parts.h"

#include <string.h>

/* ---- memory ---- */

static void *
scratch(struct pq_an *an, size_t count, size_t size)
{
	void *block = pq_arena_array(&an->scratch, count, size);

	if (block == NULL)
		an->oom = true;
	return block;
}

struct pq_box
pq_box_all(void)
{
	return (struct pq_box){0};
}

/* ---- one attribute ---- */

static bool
is_one(const struct pq_p_attr *a)
{
	/* Of a path it is told which is the longest listed path at or above it: that is one value. */
	return a->single || a->type == PQ_TYPE_PATH;
}

static uint32_t
n_symbols(const struct pq_an *an, uint32_t attr)
{
	return an->p->domains[an->p->attrs[attr].domain].symbols.n;
}

static const char *
symbol_name(const struct pq_an *an, uint32_t attr, uint32_t symbol)
{
	return pq_string(an->image, an->p->symbols[an->p->domains[an->p->attrs[attr].domain].symbols.first + symbol]);
}

/** What any value meets. False: out of memory. */
static bool
con_free(struct pq_an *an, uint32_t attr, struct pq_con *ret)
{
	const struct pq_p_attr *a = &an->p->attrs[attr];

	*ret = (struct pq_con){.attr = attr, .may_none = attr != PQ_ATTR_AS_OF};
	if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE) {
		ret->kind = PQ_CON_NUMBER;
		ret->ranges = scratch(an, 1, sizeof(*ret->ranges));
		if (ret->ranges == NULL)
			return false;
		ret->ranges[0] = (struct pq_p_range){a->has_min ? a->min : INT64_MIN, a->has_max ? a->max : INT64_MAX};
		ret->n_ranges = 1;
		return true;
	}
	uint32_t n = n_symbols(an, attr);
	ret->kind = is_one(a) ? PQ_CON_ONE : PQ_CON_SET;
	ret->words = n / 64 + 1;
	ret->bits = scratch(an, ret->words, sizeof(*ret->bits));
	for (uint32_t i = 0; ret->bits != NULL && ret->kind == PQ_CON_ONE && i <= n; i++) {
		if (i < n || a->type != PQ_TYPE_BOOL)
			ret->bits[i / 64] |= UINT64_C(1) << (i % 64);
	}
	return ret->bits != NULL;
}

/** The values that have one of the listed symbols: for a path all at or below a listed one. */
static uint64_t *
listed_bits(struct pq_an *an, const struct pq_p_cond *cond, uint32_t words)
{
	uint64_t *bits = scratch(an, words, sizeof(*bits));
	const uint32_t *list = an->p->lists + cond->symbols.first;
	bool path = an->p->attrs[cond->attr].type == PQ_TYPE_PATH;

	for (uint32_t i = 0; bits != NULL && i < cond->symbols.n; i++) {
		bits[list[i] / 64] |= UINT64_C(1) << (list[i] % 64);
		for (uint32_t s = 0; path && s < n_symbols(an, cond->attr); s++) {
			if (pq_path_relate(symbol_name(an, cond->attr, list[i]), symbol_name(an, cond->attr, s)) == PQ_PATH_COVERS)
				bits[s / 64] |= UINT64_C(1) << (s % 64);
		}
	}
	return bits;
}

static bool
con_is_empty(const struct pq_con *con)
{
	bool some = false;

	switch (con->kind) {
	case PQ_CON_NUMBER:
		return con->n_ranges == 0 && !con->may_none;
	case PQ_CON_ONE:
		for (uint32_t w = 0; w < con->words; w++)
			some |= con->bits[w] != 0;
		return !some;
	case PQ_CON_SET:
		for (size_t i = 0; i < con->n_anys; i++) {
			some = false;
			for (uint32_t w = 0; w < con->words; w++)
				some |= (con->anys[i][w] & ~con->bits[w]) != 0;
			if (!some)
				return true;
		}
		return false;
	}
	return false;
}

/** The parts of `a` that lie in one of the sorted ranges of the condition, or in none of them. */
static bool
cut_ranges(struct pq_an *an, struct pq_con *con, const struct pq_p_cond *cond, bool negated)
{
	const struct pq_p_range *by = an->p->ranges + cond->ranges.first;
	struct pq_p_range *out = scratch(an, con->n_ranges * (cond->ranges.n + 1) + 1, sizeof(*out));
	size_t n = 0;

	if (out == NULL)
		return false;
	for (size_t i = 0; i < con->n_ranges; i++) {
		int64_t lo = con->ranges[i].lo, hi = con->ranges[i].hi;
		bool ended = false;
		for (uint32_t k = 0; k < cond->ranges.n && !ended; k++) {
			int64_t first = by[k].lo > lo ? by[k].lo : lo, last = by[k].hi < hi ? by[k].hi : hi;
			if (first > last)
				continue;
			if (!negated)
				out[n++] = (struct pq_p_range){first, last};
			else if (first > lo)
				out[n++] = (struct pq_p_range){lo, first - 1};
			ended = last == INT64_MAX || last == hi;
			lo = negated && !ended ? last + 1 : lo;
		}
		if (negated && !ended && lo <= hi)
			out[n++] = (struct pq_p_range){lo, hi};
	}
	con->ranges = out;
	con->n_ranges = n;
	con->may_none = con->may_none && negated;
	return true;
}

static bool
con_narrow(struct pq_an *an, struct pq_con *con, const struct pq_p_cond *cond, bool negated)
{
	bool has = (cond->op == PQ_OP_ANY) != negated;

	if (con->kind == PQ_CON_NUMBER)
		return cut_ranges(an, con, cond, negated);
	uint64_t *listed = listed_bits(an, cond, con->words), *bits = scratch(an, con->words, sizeof(*bits));
	if (listed == NULL || bits == NULL)
		return false;
	if (con->kind == PQ_CON_SET && has) {
		uint64_t **anys = scratch(an, con->n_anys + 1, sizeof(*anys));
		if (anys == NULL)
			return false;
		if (con->n_anys > 0)
			memcpy(anys, con->anys, con->n_anys * sizeof(*anys));
		anys[con->n_anys++] = listed;
		con->anys = anys;
		return true;
	}
	for (uint32_t w = 0; w < con->words; w++) {
		bits[w] = con->kind == PQ_CON_SET ? con->bits[w] | listed[w]
		          : has                   ? con->bits[w] & listed[w]
		                                  : con->bits[w] & ~listed[w];
	}
	con->bits = bits;
	return true;
}

/* ---- boxes ---- */

const struct pq_con *
pq_box_con(const struct pq_box *box, uint32_t attr)
{
	for (size_t i = 0; i < box->n; i++) {
		if (box->cons[i].attr == attr)
			return &box->cons[i];
	}
	return NULL;
}

static bool
grow(struct pq_an *an, void **at, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	size_t more = *cap > 0 ? *cap * 2 : 16;
	void *block = scratch(an, more, size);
	if (block == NULL)
		return false;
	if (n > 0)
		memcpy(block, *at, n * size);
	*at = block;
	*cap = more;
	return true;
}

struct pq_box
pq_box_copy(struct pq_an *an, const struct pq_box *box)
{
	struct pq_box copy = *box;

	copy.cons = scratch(an, box->n + 4, sizeof(*copy.cons));
	copy.quants = scratch(an, box->n_quants + 4, sizeof(*copy.quants));
	if (copy.cons == NULL || copy.quants == NULL)
		return pq_box_all();
	if (box->n > 0)
		memcpy(copy.cons, box->cons, box->n * sizeof(*copy.cons));
	if (box->n_quants > 0)
		memcpy(copy.quants, box->quants, box->n_quants * sizeof(*copy.quants));
	copy.cap = box->n + 4;
	copy.cap_quants = box->n_quants + 4;
	return copy;
}

static bool quant_implied(struct pq_an *an, const struct pq_box *box, const struct pq_p_cond *cond);

/** Some element meets `inner`, and none meets what `inner` implies. */
static bool
quants_clash(struct pq_an *an, const struct pq_box *box, const struct pq_p_cond *cond)
{
	struct pq_p_cond opposite = *cond;

	if (cond->op == PQ_OP_EVERY)
		return false;
	opposite.op = cond->op == PQ_OP_EXISTS ? PQ_OP_ABSENT : PQ_OP_EXISTS;
	return quant_implied(an, box, &opposite);
}

void
pq_box_add(struct pq_an *an, struct pq_box *box, const struct pq_p_cond *cond, bool negated)
{
	if (box->empty || an->oom)
		return;
	if (cond->inner != PQ_NO_INDEX) {
		if (quants_clash(an, box, cond))
			box->empty = true;
		if (grow(an, (void **)&box->quants, box->n_quants, &box->cap_quants, sizeof(*box->quants)))
			box->quants[box->n_quants++] = cond;
		return;
	}
	size_t i = 0;
	while (i < box->n && box->cons[i].attr != cond->attr)
		i++;
	if (i == box->n) {
		if (!grow(an, (void **)&box->cons, box->n, &box->cap, sizeof(*box->cons)) ||
		    !con_free(an, cond->attr, &box->cons[i]))
			return;
		box->n++;
	}
	if (con_narrow(an, &box->cons[i], cond, negated))
		box->empty = con_is_empty(&box->cons[i]);
}

struct pq_span
pq_an_conds(const struct pq_an *an, uint32_t alt)
{
	return alt != PQ_NO_INDEX ? an->p->alts[alt].conds : (struct pq_span){0, 0};
}

void
pq_box_add_alt(struct pq_an *an, struct pq_box *box, uint32_t alt)
{
	struct pq_span conds = pq_an_conds(an, alt);

	for (uint32_t i = 0; i < conds.n; i++)
		pq_box_add(an, box, &an->p->conds[conds.first + i], false);
}

void
pq_box_days(const struct pq_box *box, int64_t *ret_lo, int64_t *ret_hi)
{
	const struct pq_con *days = pq_box_con(box, PQ_ATTR_AS_OF);

	*ret_lo = days != NULL && days->n_ranges > 0 ? days->ranges[0].lo : INT64_MIN;
	*ret_hi = days != NULL && days->n_ranges > 0 ? days->ranges[days->n_ranges - 1].hi : INT64_MAX;
}

static bool
days_meet(const struct pq_con *days, const struct pq_cell_run *cell)
{
	for (size_t i = 0; days != NULL && i < days->n_ranges; i++) {
		if (days->ranges[i].lo < cell->to && days->ranges[i].hi >= cell->from)
			return true;
	}
	return days == NULL;
}

/** Does no value of the fact, on any day of the box, meet what the box asks of what hangs on it? */
static bool
no_value_meets(const struct pq_an *an, const struct pq_cell_fact *fact, const struct pq_box *box)
{
	const struct pq_con *days = pq_box_con(box, PQ_ATTR_AS_OF);
	size_t n_asked = 0;
	bool derived = false;

	for (size_t i = 0; i < box->n; i++) {
		n_asked += fact->at[box->cons[i].attr] != PQ_NO_INDEX;
		derived |= fact->at[box->cons[i].attr] != PQ_NO_INDEX && box->cons[i].attr != fact->fact;
	}
	if (n_asked == 0 || !derived)
		return false;
	for (size_t v = 0; v < fact->n_values; v++) {
		for (const struct pq_cell_run *cell = fact->cells[v]; cell != NULL; cell = cell->next) {
			if (days_meet(days, cell) && pq_cell_meets(an, fact, cell, box))
				return false;
		}
	}
	return true;
}

bool
pq_box_is_empty(struct pq_an *an, const struct pq_box *box)
{
	if (box->empty)
		return !an->oom;
	for (size_t f = 0; f < an->n_facts; f++) {
		if (no_value_meets(an, &an->facts[f], box))
			return !an->oom;
	}
	return false;
}

/** The same of a box that was not empty before this attribute was narrowed. */
static bool
is_empty_by(struct pq_an *an, const struct pq_box *box, uint32_t attr)
{
	if (box->empty)
		return !an->oom;
	for (size_t f = 0; f < an->n_facts; f++) {
		if ((an->facts[f].at[attr] != PQ_NO_INDEX || attr == PQ_ATTR_AS_OF) && no_value_meets(an, &an->facts[f], box))
			return !an->oom;
	}
	return false;
}

/* ---- coverage ---- */

struct pq_span
pq_an_alts(const struct pq_an *an, uint32_t dnf)
{
	return dnf != PQ_NO_INDEX ? an->p->dnfs[dnf].alts : (struct pq_span){PQ_NO_INDEX, 1};
}

/** Does every element that meets the one condition, within the box, meet the other? */
static bool
inner_implied(struct pq_an *an, const struct pq_box *box, uint32_t from, uint32_t to)
{
	if (from == to)
		return true;
	struct pq_span alts = pq_an_alts(an, from);
	for (uint32_t i = 0; i < alts.n; i++) {
		struct pq_box inner = pq_box_copy(an, box);
		pq_box_add_alt(an, &inner, alts.first + i);
		if (an->oom || (!inner.empty && !pq_box_covered(an, &inner, to)))
			return false;
	}
	return true;
}

static bool
quant_implied(struct pq_an *an, const struct pq_box *box, const struct pq_p_cond *cond)
{
	struct pq_box outer = *box;

	/* Within an element only what is asked of the request still helps. */
	outer.n_quants = 0;
	for (size_t i = 0; i < box->n_quants; i++) {
		const struct pq_p_cond *known = box->quants[i];
		if (known->op != cond->op || known->scope != cond->scope)
			continue;
		if (known->op == PQ_OP_ABSENT ? inner_implied(an, &outer, cond->inner, known->inner)
		                              : inner_implied(an, &outer, known->inner, cond->inner))
			return true;
	}
	return false;
}

static bool
cond_implied(struct pq_an *an, const struct pq_box *box, const struct pq_p_cond *cond)
{
	if (cond->inner != PQ_NO_INDEX)
		return quant_implied(an, box, cond);
	struct pq_box rest = pq_box_copy(an, box);
	pq_box_add(an, &rest, cond, true);
	return !an->oom && is_empty_by(an, &rest, cond->attr);
}

/* The box less what the alternative covers, in pieces that do not overlap: each must be covered by the others. */
static bool
covered(struct pq_an *an, const struct pq_box *box, const uint32_t *alts, size_t n)
{
	uint32_t best = 0;
	size_t fewest = 4; /* more open conditions make too many pieces */

	if (an->pieces == 0 || an->oom)
		return false;
	an->pieces--;
	if (pq_box_is_empty(an, box))
		return true;
	for (size_t i = 0; i < n; i++) {
		struct pq_span conds = pq_an_conds(an, alts[i]);
		struct pq_box both = pq_box_copy(an, box);
		size_t n_open = 0;
		pq_box_add_alt(an, &both, alts[i]);
		if (both.empty)
			continue;
		for (uint32_t c = 0; c < conds.n && n_open < fewest; c++) {
			const struct pq_p_cond *cond = &an->p->conds[conds.first + c];
			if (!cond_implied(an, box, cond))
				n_open += cond->inner != PQ_NO_INDEX ? 4 : 1;
		}
		if (n_open == 0)
			return !an->oom;
		if (n_open < fewest) {
			fewest = n_open;
			best = alts[i];
		}
	}
	if (fewest == 4 || n < 2)
		return false;
	struct pq_box left = pq_box_copy(an, box);
	struct pq_span conds = pq_an_conds(an, best);
	for (uint32_t c = 0; c < conds.n; c++) {
		const struct pq_p_cond *cond = &an->p->conds[conds.first + c];
		if (cond_implied(an, &left, cond))
			continue;
		struct pq_box piece = pq_box_copy(an, &left);
		pq_box_add(an, &piece, cond, true);
		if (!piece.empty && !covered(an, &piece, alts, n))
			return false;
		pq_box_add(an, &left, cond, false);
	}
	return !an->oom;
}

bool
pq_box_covered_by(struct pq_an *an, const struct pq_box *box, const uint32_t *dnfs, size_t n)
{
	size_t n_alts = 0;

	for (size_t i = 0; i < n; i++)
		n_alts += pq_an_alts(an, dnfs[i]).n;
	uint32_t *alts = scratch(an, n_alts + 1, sizeof(*alts));
	size_t at = 0;
	for (size_t i = 0; alts != NULL && i < n; i++) {
		struct pq_span span = pq_an_alts(an, dnfs[i]);
		for (uint32_t k = 0; k < span.n; k++)
			alts[at++] = span.first + k;
	}
	return alts != NULL && covered(an, box, alts, n_alts);
}

bool
pq_box_covered(struct pq_an *an, const struct pq_box *box, uint32_t dnf)
{
	return pq_box_covered_by(an, box, &dnf, 1);
}

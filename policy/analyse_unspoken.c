/*
 * Combinations of a destination and a classification of which no rule speaks: no requirement and no exclusion that asks
 * for one of the two, directly or by what is derived from it, can hold.
 *
 * For each value of the one fact and each day a bit is kept for each alternative that the value does not rule out; two
 * values are unspoken of where no bit is common to both.
 */
#include "policy/analyse_parts.h"

#include <string.h>

/** Names that are listed of a set before "and N more". */
#define NAMES_SHOWN 12

struct side {
	const struct pq_cell_fact *fact;
	uint64_t *bits; /* by value and day */
};

struct speaking {
	struct pq_an *an;
	uint32_t *alts;
	size_t n_alts, words;
	const int32_t *days; /* one of each stretch on which nothing changes, that the packs cover */
	size_t n_days;
	struct side to, item;
};

static bool
asks(const struct pq_an *an, uint32_t alt, uint32_t fact)
{
	struct pq_span conds = pq_an_conds(an, alt);

	for (uint32_t i = 0; i < conds.n; i++) {
		const struct pq_p_cond *cond = &an->p->conds[conds.first + i];
		/* Which law applies hangs on everything, and says nothing about either. */
		if (cond->inner == PQ_NO_INDEX && cond->attr != PQ_ATTR_JURISDICTION &&
		    pq_bit(an->p->words + an->p->attrs[cond->attr].depends, fact))
			return true;
	}
	return false;
}

static void
find_alts(struct speaking *s)
{
	struct pq_an *an = s->an;

	s->alts = pq_an_alloc(an, an->p->n_alts, sizeof(*s->alts));
	for (uint32_t i = 0; i < an->p->n_rules && !an->oom; i++) {
		if (an->p->rules[i].kind != PQ_KIND_REQUIREMENT && an->p->rules[i].kind != PQ_KIND_EXCLUSION)
			continue;
		struct pq_span alts = pq_an_alts(an, an->p->rules[i].dnf);
		for (uint32_t k = 0; k < alts.n; k++) {
			if (asks(an, alts.first + k, s->to.fact->fact) || asks(an, alts.first + k, s->item.fact->fact))
				s->alts[s->n_alts++] = alts.first + k;
		}
	}
	s->words = s->n_alts / 64 + 1;
}

/** The days that every pack covers, one for each stretch between two changes. */
static void
find_days(struct speaking *s)
{
	struct pq_an *an = s->an;
	int32_t from = PQ_DATE_MIN, to = PQ_DATE_MAX;

	for (size_t i = 0; i < an->p->n_packs; i++) {
		const struct pq_p_pack *pack = &an->p->packs[i];
		from = pack->covers_from > from ? pack->covers_from : from;
		to = pack->covers_to < to ? pack->covers_to : to;
	}
	int32_t *days = pq_an_alloc(an, an->n_dates + 2, sizeof(*days));
	if (days == NULL)
		return;
	days[s->n_days++] = from != PQ_DATE_MIN ? from : an->n_dates > 0 ? an->dates[0] - 1 : 0;
	for (size_t i = 0; i < an->n_dates; i++) {
		if (an->dates[i] > days[s->n_days - 1] && an->dates[i] <= to)
			days[s->n_days++] = an->dates[i];
	}
	s->days = days;
}

static bool
on_day(const struct pq_con *days, int32_t day)
{
	for (size_t i = 0; days != NULL && i < days->n_ranges; i++) {
		if (day >= days->ranges[i].lo && day <= days->ranges[i].hi)
			return true;
	}
	return days == NULL;
}

static uint64_t *
bits_of(const struct speaking *s, const struct side *side, size_t value, size_t day)
{
	return side->bits + (value * s->n_days + day) * s->words;
}

/** Which alternatives the values of one side do not rule out, day by day. */
static void
fill_side(struct speaking *s, struct side *side)
{
	struct pq_an *an = s->an;
	const struct pq_cell_fact *fact = side->fact;

	side->bits = pq_an_alloc(an, fact->n_values * s->n_days * s->words, sizeof(*side->bits));
	for (size_t a = 0; a < s->n_alts && !an->oom; a++) {
		struct pq_box box = pq_box_all();
		pq_arena_reset(&an->scratch);
		an->pieces = PQ_AN_MAX_PIECES;
		pq_box_add_alt(an, &box, s->alts[a]);
		const struct pq_con *when = pq_box_con(&box, PQ_ATTR_AS_OF);
		for (size_t v = 0; v < fact->n_values && !box.empty; v++) {
			size_t day = 0;
			for (const struct pq_cell_run *cell = fact->cells[v]; cell != NULL; cell = cell->next) {
				bool met = pq_cell_meets(an, fact, cell, &box);
				for (; day < s->n_days && s->days[day] < cell->to; day++) {
					if (met && on_day(when, s->days[day]))
						bits_of(s, side, v, day)[a / 64] |= UINT64_C(1) << (a % 64);
				}
			}
		}
	}
}

/* ---- grouping ---- */

/** The destinations of which nothing speaks beside one classification: on all days, or on some. */
struct silent {
	uint64_t *always, *sometimes;
	int32_t first; /* of those days, for `sometimes` */
	bool told_always, told_sometimes;
};

static void
find_silent(const struct speaking *s, size_t item, struct silent *ret)
{
	ret->first = PQ_DATE_MAX;
	for (size_t v = 0; v < s->to.fact->n_values; v++) {
		size_t n = 0;
		int32_t first = PQ_DATE_MAX;
		for (size_t d = 0; d < s->n_days; d++) {
			const uint64_t *a = bits_of(s, &s->to, v, d), *b = bits_of(s, &s->item, item, d);
			uint64_t common = 0;
			for (size_t w = 0; w < s->words; w++)
				common |= a[w] & b[w];
			if (common != 0)
				continue;
			n++;
			first = s->days[d] < first ? s->days[d] : first;
		}
		uint64_t bit = UINT64_C(1) << (v % 64);
		if (n == s->n_days) {
			ret->always[v / 64] |= bit;
		} else if (n > 0) {
			ret->sometimes[v / 64] |= bit;
			ret->first = first < ret->first ? first : ret->first;
		}
	}
}

/** "FR, DE and 12 more", or "all", or "all but CU, IR". */
static const char *
names_of(const struct speaking *s, const struct pq_cell_fact *fact, const uint64_t *set)
{
	size_t n_in = 0, shown = 0;
	const char *text = "";

	for (size_t v = 0; v < fact->n_values; v++)
		n_in += pq_bit(set, (uint32_t)v);
	if (n_in == fact->n_values)
		return "all";
	bool others = n_in > NAMES_SHOWN && fact->n_values - n_in < n_in && fact->n_values - n_in <= NAMES_SHOWN;
	size_t n = others ? fact->n_values - n_in : n_in;
	for (size_t v = 0; v < fact->n_values && shown < NAMES_SHOWN && text != NULL; v++) {
		if (pq_bit(set, (uint32_t)v) != others)
			text = pq_arena_printf(s->an->arena, "%s%s%s", text,
			                       shown++ > 0 ? ", "
			                       : others    ? "all but "
			                                   : "",
			                       fact->names[v]);
	}
	if (text != NULL && n > shown)
		text = pq_arena_printf(s->an->arena, "%s and %zu more", text, n - shown);
	if (text == NULL)
		s->an->oom = true;
	return text != NULL ? text : "";
}

/** Tell those classifications together that have the same destinations and days. */
static void
tell_group(const struct speaking *s, struct silent *silent, size_t first, bool always)
{
	const struct pq_cell_fact *item = s->item.fact, *to = s->to.fact;
	size_t words = to->n_values / 64 + 1, n_to = 0, n_items = 0;
	const uint64_t *set = always ? silent[first].always : silent[first].sometimes;
	uint64_t *items = pq_an_alloc(s->an, item->n_values / 64 + 1, sizeof(*items));

	for (size_t v = 0; v < to->n_values; v++)
		n_to += pq_bit(set, (uint32_t)v);
	for (size_t i = first; i < item->n_values && items != NULL; i++) {
		bool *told = always ? &silent[i].told_always : &silent[i].told_sometimes;
		const uint64_t *other = always ? silent[i].always : silent[i].sometimes;
		if (*told || memcmp(other, set, words * sizeof(*set)) != 0)
			continue;
		if (!always && silent[i].first != silent[first].first)
			continue;
		*told = true;
		items[i / 64] |= UINT64_C(1) << (i % 64);
		n_items++;
	}
	if (n_to == 0 || s->an->oom)
		return;
	char first_day[16];
	pq_date_format(silent[first].first, first_day, sizeof(first_day));
	pq_an_report(s->an, PQ_ANALYSIS_UNSPOKEN, s->an->model->attrs[item->fact].src, "%s (%zu): %s; %s (%zu): %s; %s%s",
	             pq_string(s->an->image, s->an->p->attrs[item->fact].name), n_items, names_of(s, item, items),
	             pq_string(s->an->image, s->an->p->attrs[to->fact].name), n_to, names_of(s, to, set),
	             always ? "on all days that the packs cover" : "on some days, the first ", always ? "" : first_day);
}

static void
tell(const struct speaking *s)
{
	size_t n = s->item.fact->n_values, words = s->to.fact->n_values / 64 + 1;
	struct silent *silent = pq_an_alloc(s->an, n, sizeof(*silent));

	for (size_t i = 0; i < n && !s->an->oom; i++) {
		silent[i].always = pq_an_alloc(s->an, words, sizeof(uint64_t));
		silent[i].sometimes = pq_an_alloc(s->an, words, sizeof(uint64_t));
		if (!s->an->oom)
			find_silent(s, i, &silent[i]);
	}
	for (size_t i = 0; i < n && !s->an->oom; i++) {
		if (!silent[i].told_always)
			tell_group(s, silent, i, true);
		if (!silent[i].told_sometimes)
			tell_group(s, silent, i, false);
	}
}

void
pq_an_unspoken(struct pq_an *an)
{
	const struct pq_cell_fact *to = NULL;

	for (size_t f = 0; f < an->n_facts; f++) {
		if (an->facts[f].fact == an->image->meta->release_replaces)
			to = &an->facts[f];
	}
	for (size_t f = 0; f < an->n_facts && to != NULL && !an->oom; f++) {
		if (an->p->attrs[an->facts[f].fact].type != PQ_TYPE_CODE)
			continue;
		struct speaking s = {.an = an, .to = {.fact = to}, .item = {.fact = &an->facts[f]}};
		find_alts(&s);
		find_days(&s);
		if (an->oom)
			return;
		fill_side(&s, &s.to);
		fill_side(&s, &s.item);
		if (!an->oom)
			tell(&s);
	}
}

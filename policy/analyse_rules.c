/* Rules that others shadow, and rules of one rank that contradict each other. */
#include "policy/analyse_parts.h"

#include <string.h>

/* ---- what a rule does ---- */

static const struct pq_p_rule *
rule_at(const struct pq_an *an, uint32_t rule)
{
	return &an->p->rules[rule];
}

/** Is each bit of `a` in `b`? PQ_NO_INDEX = the empty set. */
static bool
within(const struct pq_an *an, uint32_t a, uint32_t b, uint32_t words)
{
	for (uint32_t w = 0; a != PQ_NO_INDEX && w < words; w++) {
		if ((an->p->words[a + w] & ~(b != PQ_NO_INDEX ? an->p->words[b + w] : 0)) != 0)
			return false;
	}
	return true;
}

/** Does every exclusion that takes `by` away take `rule` away, too? */
static bool
excluded_together(const struct pq_an *an, uint32_t rule, uint32_t by)
{
	for (uint32_t i = 0; i < an->p->n_rules; i++) {
		if (pq_an_excludes(an, i, by) && !pq_an_excludes(an, i, rule))
			return false;
	}
	return true;
}

static bool
requirement_does(const struct pq_an *an, uint32_t rule_index, uint32_t by_index)
{
	const struct pq_p_rule *rule = rule_at(an, rule_index), *by = rule_at(an, by_index);
	uint32_t words = an->image->meta->exception_words;

	if (rule->authority != by->authority || rule->reason != by->reason || rule->has_allows != by->has_allows)
		return false;
	if (rule->has_allows && !within(an, by->allows, rule->allows, words))
		return false;
	return rule->policy <= by->policy && excluded_together(an, rule_index, by_index);
}

static bool
claimed_likewise(const struct pq_an *an, const struct pq_p_rule *rule, const struct pq_p_rule *by)
{
	if (by->considered_always)
		return true;
	for (uint32_t i = 0; i < rule->claimed_by.n; i++) {
		bool found = false;
		for (uint32_t k = 0; k < by->claimed_by.n; k++)
			found |= an->p->lists[rule->claimed_by.first + i] == an->p->lists[by->claimed_by.first + k];
		if (!found)
			return false;
	}
	return !rule->considered_always;
}

static const char *
text_of(const struct pq_an *an, const struct pq_p_rule *rule)
{
	const char *text = pq_string(an->image, rule->text);

	return text[0] != '\0' ? text : pq_string(an->image, rule->title);
}

/** Does `by` do at least what `rule` does, where both hold? Of those that count by their order, `by` comes first. */
static bool
does_as_much(const struct pq_an *an, uint32_t rule_index, uint32_t by_index)
{
	const struct pq_p_rule *rule = rule_at(an, rule_index), *by = rule_at(an, by_index);
	const struct pq_p_meta *meta = an->image->meta;

	switch ((enum pq_kind)rule->kind) {
	case PQ_KIND_REQUIREMENT:
		return requirement_does(an, rule_index, by_index);
	case PQ_KIND_EXCLUSION:
		return within(an, rule->excludes, by->excludes, meta->requirement_words);
	case PQ_KIND_EXCEPTION:
		return rule->exception == by->exception && within(an, rule->overcomes, by->overcomes, meta->reason_words) &&
		       strcmp(pq_string(an->image, rule->shown_as), pq_string(an->image, by->shown_as)) == 0 &&
		       claimed_likewise(an, rule, by);
	case PQ_KIND_RESTRICTION:
		return within(an, rule->bars, by->bars, meta->exception_words);
	case PQ_KIND_PROHIBITION:
	case PQ_KIND_REFER:
	case PQ_KIND_WARNING:
		return strcmp(text_of(an, rule), text_of(an, by)) == 0;
	case PQ_KIND_REVIEW:
		return rule->policy <= by->policy && (by->unless == PQ_NO_INDEX || by->unless == rule->unless);
	case PQ_KIND_OBLIGATION:
		return strcmp(pq_string(an->image, rule->obligation), pq_string(an->image, by->obligation)) == 0 &&
		       strcmp(pq_string(an->image, rule->label), pq_string(an->image, by->label)) == 0 &&
		       (by->unless == PQ_NO_INDEX || by->unless == rule->unless);
	case PQ_KIND_DERIVE:
	case PQ_KIND_JURISDICTION:
	case PQ_KIND_COUNT:
		break;
	}
	return false;
}

/** Does whatever meets the condition meet one of the others, and is there anything that does? */
static bool
implied_by(struct pq_an *an, uint32_t dnf, const uint32_t *others, size_t n)
{
	struct pq_span alts = pq_an_alts(an, dnf);

	for (uint32_t i = 0; i < alts.n; i++) {
		struct pq_box box = pq_box_all();
		pq_arena_reset(&an->scratch);
		an->pieces = PQ_AN_MAX_PIECES;
		pq_box_add_alt(an, &box, alts.first + i);
		if (!pq_box_covered_by(an, &box, others, n))
			return false;
	}
	return true;
}

/* ---- shadowed rules ---- */

/** Two rules that say the same shadow each other: then the later one is told. */
static bool
is_shadowed(struct pq_an *an, uint32_t rule, uint32_t by)
{
	uint32_t dnf = rule_at(an, rule)->dnf, other = rule_at(an, by)->dnf;

	if (!does_as_much(an, rule, by) || !implied_by(an, dnf, &other, 1))
		return false;
	return by < rule || !does_as_much(an, by, rule) || !implied_by(an, other, &dnf, 1);
}

static void
shadowed_rule(struct pq_an *an, uint32_t rule)
{
	enum pq_kind kind = rule_at(an, rule)->kind;

	if (kind == PQ_KIND_DERIVE || kind == PQ_KIND_JURISDICTION)
		return;
	for (uint32_t by = 0; by < an->p->n_rules; by++) {
		if (by == rule || rule_at(an, by)->kind != kind || !is_shadowed(an, rule, by))
			continue;
		const struct pq_rule_ref *other = pq_image_rule(an->image, by);
		pq_an_report(an, PQ_ANALYSIS_SHADOWED, an->model->rules[rule].src,
		             "the %s \"%s\" changes no outcome: wherever it holds, \"%s\" (%s:%d) holds and does as much",
		             pq_kind_name(kind), pq_image_rule(an->image, rule)->id, other->id, other->file, other->line);
		return;
	}
}

/** Does the source always have a value, and the same sort of effect on a set or bool as the other? */
static bool
source_does(const struct pq_an *an, const struct pq_p_attr *a, const struct pq_p_contribution *rule,
            const struct pq_p_contribution *by, bool before)
{
	bool fixed = by->derive == PQ_DERIVE_SET && !by->none;

	if (a->type != PQ_TYPE_BOOL && a->type != PQ_TYPE_SYMBOLS)
		return before && fixed;
	if (!fixed || rule->derive != PQ_DERIVE_SET)
		return a->type == PQ_TYPE_BOOL && fixed;
	for (uint32_t i = 0; i < rule->symbols.n; i++) {
		bool found = false;
		for (uint32_t k = 0; k < by->symbols.n; k++)
			found |= an->p->lists[rule->symbols.first + i] == an->p->lists[by->symbols.first + k];
		if (!found)
			return false;
	}
	return true;
}

static void
shadowed_source(struct pq_an *an, uint32_t attr, uint32_t index)
{
	const struct pq_p_attr *a = &an->p->attrs[attr];
	const struct pq_p_contribution *all = an->p->contributions + a->contributions.first, *c = &all[index];

	for (uint32_t by = 0; by < a->contributions.n; by++) {
		if (by == index || !source_does(an, a, c, &all[by], by < index) || !implied_by(an, c->dnf, &all[by].dnf, 1))
			continue;
		if (by > index && source_does(an, a, &all[by], c, true) && implied_by(an, all[by].dnf, &c->dnf, 1))
			continue;
		const struct pq_rule_ref *other = pq_image_rule(an->image, all[by].rule);
		pq_an_report(an, PQ_ANALYSIS_SHADOWED, an->model->rules[c->rule].src,
		             "the rule \"%s\" gives \"%s\" nothing: wherever it holds, \"%s\" (%s:%d) %s",
		             pq_image_rule(an->image, c->rule)->id, pq_string(an->image, a->name), other->id, other->file, other->line,
		             a->type == PQ_TYPE_BOOL || a->type == PQ_TYPE_SYMBOLS ? "holds and gives as much"
		                                                                   : "holds and comes first");
		return;
	}
}

void
pq_an_shadowed(struct pq_an *an)
{
	for (uint32_t i = 0; i < an->p->n_rules && !an->oom; i++)
		shadowed_rule(an, i);
	for (uint32_t a = 0; a < an->p->n_attrs; a++) {
		for (uint32_t i = 0; i < an->p->attrs[a].contributions.n && !an->oom; i++)
			shadowed_source(an, a, i);
	}
}

/* ---- is there a request? ---- */

/** The facts of which the constraint is made: the index of a cell fact that it is of, or PQ_NO_INDEX. */
static uint32_t
cell_fact_of(const struct pq_an *an, uint32_t attr)
{
	for (uint32_t f = 0; f < an->n_facts; f++) {
		if (an->facts[f].at[attr] != PQ_NO_INDEX)
			return f;
	}
	return PQ_NO_INDEX;
}

/** Some value of the fact surely meets what the box asks of it, on that day. */
static bool
some_value(const struct pq_an *an, const struct pq_cell_fact *fact, const struct pq_box *box, int32_t day)
{
	for (size_t v = 0; v < fact->n_values; v++) {
		for (const struct pq_cell_run *cell = fact->cells[v]; cell != NULL; cell = cell->next) {
			if (day >= cell->from && day < cell->to && pq_cell_proves(an, fact, cell, box))
				return true;
		}
	}
	return false;
}

/**
 * Is there surely a request on that day in the box? Facts are free; derived attributes must each hang on one fact alone,
 * and of each such fact some value must do.
 */
static bool
has_request(const struct pq_an *an, const struct pq_box *box, int32_t day)
{
	if (box->empty || box->n_quants > 0)
		return false;
	for (size_t i = 0; i < box->n; i++) {
		uint32_t attr = box->cons[i].attr, f = cell_fact_of(an, attr);
		const struct pq_p_attr *a = &an->p->attrs[attr];
		if (attr == PQ_ATTR_AS_OF)
			continue;
		if (f == PQ_NO_INDEX && !a->is_fact)
			return false;
		/* What the analysis leaves open of a code is its path. */
		if (a->type == PQ_TYPE_PATH && pq_box_con(box, a->path) != NULL)
			return false;
		if (f != PQ_NO_INDEX && a->type != PQ_TYPE_PATH && !some_value(an, &an->facts[f], box, day))
			return false;
	}
	return true;
}

/** The first day, of those on which anything changes, on which there surely is a request; false: none was found. */
static bool
find_day(const struct pq_an *an, const struct pq_box *box, int32_t *ret)
{
	const struct pq_con *days = pq_box_con(box, PQ_ATTR_AS_OF);

	for (size_t d = 0; d <= an->n_dates; d++) {
		int32_t day = d < an->n_dates ? an->dates[d] : (an->n_dates > 0 ? an->dates[0] - 1 : 0);
		bool in = days == NULL;
		for (size_t i = 0; days != NULL && i < days->n_ranges; i++)
			in |= day >= days->ranges[i].lo && day <= days->ranges[i].hi;
		if (in && has_request(an, box, day)) {
			*ret = day;
			return true;
		}
	}
	return false;
}

/* ---- contradictions ---- */

static bool
same_value(const struct pq_an *an, const struct pq_p_contribution *a, const struct pq_p_contribution *b)
{
	return a->none == b->none && a->number == b->number && a->symbols.n == b->symbols.n &&
	       memcmp(an->p->lists + a->symbols.first, an->p->lists + b->symbols.first, a->symbols.n * sizeof(uint32_t)) ==
	           0;
}

/** Two rules give one attribute different values at the same order: then their place in the files decides. */
static void
contradicting_sources(struct pq_an *an, const struct pq_p_attr *a, const struct pq_p_contribution *first,
                      const struct pq_p_contribution *second)
{
	struct pq_span left = pq_an_alts(an, first->dnf), right = pq_an_alts(an, second->dnf);
	bool unsettled = false;

	for (uint32_t i = 0; i < left.n; i++) {
		for (uint32_t k = 0; k < right.n; k++) {
			struct pq_box box = pq_box_all();
			int32_t day;
			pq_arena_reset(&an->scratch);
			an->pieces = PQ_AN_MAX_PIECES;
			pq_box_add_alt(an, &box, left.first + i);
			pq_box_add_alt(an, &box, right.first + k);
			if (pq_box_is_empty(an, &box))
				continue;
			if (!find_day(an, &box, &day)) {
				unsettled = true;
				continue;
			}
			const struct pq_rule_ref *other = pq_image_rule(an->image, first->rule);
			pq_an_report(an, PQ_ANALYSIS_CONTRADICTION, an->model->rules[second->rule].src,
			             "\"%s\" and \"%s\" (%s:%d) give \"%s\" different values at the same order, for some requests "
			             "%s: only their place in the files decides",
			             pq_image_rule(an->image, second->rule)->id, other->id, other->file, other->line,
			             pq_string(an->image, a->name), pq_an_days(an, day, day));
			return;
		}
	}
	an->result.n_unsettled += unsettled;
}

static void
contradicting_attr(struct pq_an *an, uint32_t attr)
{
	const struct pq_p_attr *a = &an->p->attrs[attr];
	const struct pq_p_contribution *all = an->p->contributions + a->contributions.first;

	if (a->type == PQ_TYPE_BOOL || a->type == PQ_TYPE_SYMBOLS)
		return;
	for (uint32_t i = 0; i < a->contributions.n; i++) {
		for (uint32_t k = i + 1; k < a->contributions.n && !an->oom; k++) {
			if (an->model->rules[all[i].rule].order == an->model->rules[all[k].rule].order &&
			    all[i].derive == PQ_DERIVE_SET && all[k].derive == PQ_DERIVE_SET && !same_value(an, &all[i], &all[k]))
				contradicting_sources(an, a, &all[i], &all[k]);
		}
	}
}

/** The one exclusion that covers the box, or PQ_NO_INDEX: only several together do. */
static uint32_t
sole_exclusion(struct pq_an *an, const struct pq_box *box, uint32_t requirement)
{
	for (uint32_t i = 0; i < an->p->n_rules; i++) {
		an->pieces = PQ_AN_MAX_PIECES;
		if (pq_an_excludes(an, i, requirement) && pq_box_covered(an, box, rule_at(an, i)->dnf))
			return i;
	}
	return PQ_NO_INDEX;
}

/** A requirement that is excluded wherever it holds: one rule says that a licence is needed, another that it is not. */
static void
contradicting_exclusion(struct pq_an *an, uint32_t rule, uint32_t *dnfs)
{
	struct pq_span alts = pq_an_alts(an, rule_at(an, rule)->dnf);
	size_t n = 0;

	for (uint32_t i = 0; i < an->p->n_rules; i++) {
		if (pq_an_excludes(an, i, rule))
			dnfs[n++] = rule_at(an, i)->dnf;
	}
	for (uint32_t i = 0; i < alts.n && n > 0; i++) {
		struct pq_box box = pq_box_all();
		int64_t lo, hi;
		pq_arena_reset(&an->scratch);
		an->pieces = PQ_AN_MAX_PIECES;
		pq_box_add_alt(an, &box, alts.first + i);
		if (pq_box_is_empty(an, &box) || !pq_box_covered_by(an, &box, dnfs, n))
			continue;
		pq_box_days(&box, &lo, &hi);
		uint32_t sole = sole_exclusion(an, &box, rule);
		pq_an_report(an, PQ_ANALYSIS_CONTRADICTION, an->model->rules[rule].src,
		             "the requirement \"%s\"%s never counts %s: wherever it holds, %s%s%s excludes it",
		             pq_image_rule(an->image, rule)->id, alts.n > 1 ? ", in one of its alternatives," : "",
		             pq_an_days(an, lo, hi), sole != PQ_NO_INDEX ? "\"" : "",
		             sole != PQ_NO_INDEX ? pq_image_rule(an->image, sole)->id : "one of several exclusions",
		             sole != PQ_NO_INDEX ? "\"" : "");
		return;
	}
}

void
pq_an_contradictions(struct pq_an *an)
{
	uint32_t *dnfs = pq_an_alloc(an, an->p->n_rules, sizeof(*dnfs));

	for (uint32_t a = 0; a < an->p->n_attrs && !an->oom; a++)
		contradicting_attr(an, a);
	for (uint32_t i = 0; i < an->p->n_rules && !an->oom; i++) {
		if (rule_at(an, i)->kind == PQ_KIND_REQUIREMENT)
			contradicting_exclusion(an, i, dnfs);
	}
}

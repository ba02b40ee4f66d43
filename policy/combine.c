/* The licence algebra: from matched rules to an outcome, with both of its ends where something is unknown. */
#include "policy/eval.h"

#include <string.h>

/* ---- one evaluation ---- */

static void
collect_active(struct pq_eval *ev)
{
	/* Matching a sparse space has done so. */
	if (ev->image->meta->main_space != PQ_NO_INDEX && ev->p->spaces[ev->image->meta->main_space].blocks > 0)
		return;
	ev->n_active = 0;
	for (uint32_t w = 0; w <= ev->p->n_main_rules / 64; w++) {
		for (uint64_t left = ev->main_open[w]; left != 0; left &= left - 1) {
			uint32_t i = w * 64 + (uint32_t)__builtin_ctzll(left);
			enum pq_tri tri = ev->req.tri[ev->image->main_slots[i]];
			ev->active[ev->n_active++] = (struct pq_active){ev->p->main_rules[i], tri};
		}
	}
}

static bool
bit_of(const uint64_t *words, uint32_t bit)
{
	return words[bit / 64] >> (bit % 64) & 1;
}

static const uint64_t *
words_at(const struct pq_eval *ev, uint32_t first)
{
	return ev->p->words + first;
}

/* Which requirements count: they hold, and no exclusion covers them. */
static void
count_requirements(struct pq_eval *ev)
{
	for (size_t i = 0; i < ev->n_counted; i++)
		ev->counts[ev->counted[i]] = PQ_F;
	ev->n_counted = 0;
	for (size_t i = 0; i < ev->n_active; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->active[i].rule];
		if (rule->kind != PQ_KIND_REQUIREMENT)
			continue;
		ev->counts[rule->requirement] = ev->active[i].tri;
		ev->counted[ev->n_counted++] = rule->requirement;
	}
	for (size_t i = 0; i < ev->n_active; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->active[i].rule];
		if (rule->kind != PQ_KIND_EXCLUSION)
			continue;
		for (size_t k = 0; k < ev->n_counted; k++) {
			uint32_t r = ev->counted[k];
			if (bit_of(words_at(ev, rule->excludes), r))
				ev->counts[r] = pq_and(ev->counts[r], pq_not(ev->active[i].tri));
		}
	}
}

/* ---- exceptions ---- */

/* Exceptions that a fact claims of which anything is said of the element. */
static void
consider_told(struct pq_eval *ev, const struct pq_element *element)
{
	const struct pq_image *image = ev->image;
	const uint64_t *claims = image->claim_slots[element->scope];

	for (uint32_t w = 0; w <= image->meta->scope_facts[element->scope] / 64; w++) {
		for (uint64_t left = element->said[w] & claims[w]; left != 0; left &= left - 1) {
			uint32_t slot = w * 64 + (uint32_t)__builtin_ctzll(left);
			uint32_t fact = image->claim_of_slot[image->fact_attrs_at[element->scope] + slot];
			pq_wake_join(ev->considers, image->considered_by_fact + (size_t)fact * image->consider_words,
			             image->consider_words);
		}
	}
}

/* Which exceptions are considered hangs on what is said alone. */
static void
consider(struct pq_eval *ev)
{
	const struct pq_image *image = ev->image;
	uint32_t words = image->consider_words, claim = image->meta->claim_fact;

	if (ev->considers_known)
		return;
	memcpy(ev->considers, image->considered_always, words * sizeof(*ev->considers));
	if (claim != PQ_NO_INDEX) {
		const struct pq_given *given = &ev->req.given[ev->p->attrs[claim].slot];
		for (uint32_t i = 0; given->state == PQ_SAID && i < given->n_symbols; i++)
			pq_wake_join(ev->considers, image->considered_by_claim + (size_t)given->symbols[i] * words, words);
	}
	consider_told(ev, &ev->req);
	for (size_t i = 0; i < ev->n_parties; i++)
		consider_told(ev, &ev->parties[i]);
	ev->considers_known = true;
}

static bool
is_considered(const struct pq_eval *ev, uint32_t rule)
{
	return bit_of(ev->considers, ev->image->exception_numbers[rule]);
}

static struct pq_exception *
exception_for(struct pq_eval *ev, uint32_t symbol, uint32_t rule)
{
	int16_t *at = &ev->exception_at[symbol];

	if (*at >= 0)
		return &ev->exceptions[*at];
	*at = (int16_t)ev->n_exceptions;
	struct pq_exception *e = &ev->exceptions[ev->n_exceptions++];
	e->symbol = symbol;
	e->rule = rule;
	e->match = e->barred = e->usable = PQ_F;
	e->barred_by = PQ_NO_INDEX;
	memset(e->over_sure, 0, ev->image->meta->reason_words * sizeof(*e->over_sure));
	memset(e->over_poss, 0, ev->image->meta->reason_words * sizeof(*e->over_poss));
	return e;
}

static void
collect_rule(struct pq_eval *ev, uint32_t index)
{
	const struct pq_p_rule *rule = &ev->p->rules[index];
	enum pq_tri tri = ev->req.tri[ev->p->dnfs[rule->dnf].slot];
	struct pq_exception *e = exception_for(ev, rule->exception, index);

	if (tri > e->match) {
		e->match = tri;
		e->rule = index;
	}
	for (uint32_t w = 0; tri != PQ_F && w < ev->image->meta->reason_words; w++) {
		uint64_t over = words_at(ev, rule->overcomes)[w];
		e->over_sure[w] |= tri == PQ_T ? over : 0;
		e->over_poss[w] |= over;
	}
}

static void
collect_exceptions(struct pq_eval *ev)
{
	for (size_t i = 0; i < ev->n_exceptions; i++)
		ev->exception_at[ev->exceptions[i].symbol] = -1;
	ev->n_exceptions = 0;
	consider(ev);
	for (uint32_t w = 0; w < ev->image->consider_words; w++) {
		for (uint64_t left = ev->considers[w]; left != 0; left &= left - 1)
			collect_rule(ev, ev->image->exception_rules[w * 64 + (uint32_t)__builtin_ctzll(left)]);
	}
}

/* Is the rule a bar that is in effect, and how surely? */
static enum pq_tri
bar_truth(const struct pq_eval *ev, const struct pq_active *active)
{
	const struct pq_p_rule *rule = &ev->p->rules[active->rule];

	if (rule->kind == PQ_KIND_RESTRICTION)
		return active->tri;
	if (rule->kind == PQ_KIND_REQUIREMENT && rule->has_allows)
		return ev->counts[rule->requirement];
	return PQ_F;
}

static void
bar_exceptions(struct pq_eval *ev)
{
	for (size_t i = 0; i < ev->n_active; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->active[i].rule];
		enum pq_tri tri = bar_truth(ev, &ev->active[i]);
		if (tri == PQ_F || rule->bars == PQ_NO_INDEX)
			continue;
		for (size_t k = 0; k < ev->n_exceptions; k++) {
			struct pq_exception *e = &ev->exceptions[k];
			if (!bit_of(words_at(ev, rule->bars), e->symbol) || tri <= e->barred)
				continue;
			e->barred = tri;
			e->barred_by = ev->active[i].rule;
		}
	}
}

static enum pq_tri
overcomes(const struct pq_eval *ev, const struct pq_exception *e, const struct pq_p_rule *requirement)
{
	if (requirement->has_allows)
		return bit_of(words_at(ev, requirement->allows), e->symbol) ? PQ_T : PQ_F;
	if (bit_of(e->over_sure, requirement->reason))
		return PQ_T;
	return bit_of(e->over_poss, requirement->reason) ? PQ_U : PQ_F;
}

static enum pq_tri
use_exceptions(struct pq_eval *ev)
{
	enum pq_tri some = PQ_F;

	for (size_t k = 0; k < ev->n_exceptions; k++) {
		struct pq_exception *e = &ev->exceptions[k];
		e->usable = pq_and(e->match, pq_not(e->barred));
		for (size_t i = 0; i < ev->n_active && e->usable != PQ_F; i++) {
			const struct pq_p_rule *rule = &ev->p->rules[ev->active[i].rule];
			if (rule->kind != PQ_KIND_REQUIREMENT)
				continue;
			enum pq_tri counts = ev->counts[rule->requirement];
			e->usable = pq_and(e->usable, pq_or(pq_not(counts), overcomes(ev, e, rule)));
		}
		some = pq_or(some, e->usable);
	}
	return some;
}

/* ---- the outcome ---- */

struct findings {
	enum pq_tri prohibited, refer, required, usable;
	enum pq_tri refer_any; /* by rules of no law in particular: they count even where the law alone gives the answer */
};

static struct findings
find(struct pq_eval *ev)
{
	struct findings f = {PQ_F, PQ_F, PQ_F, PQ_F, PQ_F};

	count_requirements(ev);
	collect_exceptions(ev);
	bar_exceptions(ev);
	f.usable = use_exceptions(ev);
	for (size_t i = 0; i < ev->n_active; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->active[i].rule];
		if (rule->kind == PQ_KIND_PROHIBITION)
			f.prohibited = pq_or(f.prohibited, ev->active[i].tri);
		else if (rule->kind == PQ_KIND_REFER)
			f.refer = pq_or(f.refer, ev->active[i].tri);
		if (rule->kind == PQ_KIND_REFER && rule->jurisdiction == PQ_NO_INDEX)
			f.refer_any = pq_or(f.refer_any, ev->active[i].tri);
		if (rule->kind == PQ_KIND_REQUIREMENT)
			f.required = pq_or(f.required, ev->counts[rule->requirement]);
	}
	return f;
}

static enum pq_outcome
worst_of(const struct findings *f, enum pq_outcome available)
{
	if (f->prohibited != PQ_F)
		return PQ_OUTCOME_PROHIBITED;
	if (f->required != PQ_F && f->usable != PQ_T)
		return PQ_OUTCOME_LICENSE_REQUIRED;
	if (f->refer != PQ_F)
		return PQ_OUTCOME_REFER;
	return f->required != PQ_F ? available : PQ_OUTCOME_NO_LICENSE_REQUIRED;
}

static enum pq_outcome
best_of(const struct findings *f, enum pq_outcome available)
{
	if (f->prohibited == PQ_T)
		return PQ_OUTCOME_PROHIBITED;
	if (f->required == PQ_T && f->usable == PQ_F)
		return PQ_OUTCOME_LICENSE_REQUIRED;
	if (f->refer == PQ_T)
		return PQ_OUTCOME_REFER;
	return f->required == PQ_T ? available : PQ_OUTCOME_NO_LICENSE_REQUIRED;
}

/* The law that surely applies; NULL when it is open. *ret_none: surely none. */
static const struct pq_p_jurisdiction *
certain_jurisdiction(const struct pq_eval *ev, bool *ret_none)
{
	const struct pq_p_attr *a = &ev->p->attrs[PQ_ATTR_JURISDICTION];
	const struct pq_val *val = &ev->req.vals[a->slot];
	uint32_t found = 0, symbol = 0;

	for (uint32_t w = 0; w < a->words; w++) {
		found += (uint32_t)__builtin_popcountll(val->poss[w]);
		if (val->poss[w] != 0)
			symbol = w * 64 + (uint32_t)__builtin_ctzll(val->poss[w]);
	}
	*ret_none = found == 0;
	if (found != 1 || val->may_none)
		return NULL;
	for (size_t i = 0; i < ev->p->n_jurisdictions; i++) {
		if (ev->p->jurisdictions[i].symbol == symbol)
			return &ev->p->jurisdictions[i];
	}
	*ret_none = true;
	return NULL;
}

static void
fixed(struct pq_outcome_range *ret, enum pq_outcome outcome)
{
	ret->best = ret->worst = outcome;
	ret->determined = true;
}

void
pq_evaluate(struct pq_eval *ev, struct pq_outcome_range *ret)
{
	bool none;

	pq_settle(ev);
	collect_active(ev);
	struct findings f = find(ev);
	memset(ret->usable, 0, ev->image->meta->exception_words * sizeof(*ret->usable));
	ret->determined = false;
	ret->jurisdiction = certain_jurisdiction(ev, &none);
	ret->no_law = none;
	if (ret->jurisdiction == NULL) {
		/* No law at all is not a "yes": a person must look. */
		if (none) {
			fixed(ret, PQ_OUTCOME_REFER);
			return;
		}
		ret->best = PQ_OUTCOME_NOT_SUBJECT;
		ret->worst = PQ_OUTCOME_PROHIBITED;
		return;
	}
	enum pq_outcome by_law = ret->jurisdiction->fixed;
	if (by_law == PQ_OUTCOME_NONE && ev->request->jurisdiction_only)
		by_law = ret->jurisdiction->only != PQ_OUTCOME_NONE ? ret->jurisdiction->only : PQ_OUTCOME_REFER;
	if (by_law != PQ_OUTCOME_NONE) {
		/* The law alone gives the answer, unless a person must decide: on a day that the packs do not know, say. */
		ret->best = f.refer_any == PQ_T && by_law < PQ_OUTCOME_REFER ? PQ_OUTCOME_REFER : by_law;
		ret->worst = f.refer_any != PQ_F && by_law < PQ_OUTCOME_REFER ? PQ_OUTCOME_REFER : by_law;
		ret->determined = ret->best == ret->worst;
		return;
	}
	ret->best = best_of(&f, ret->jurisdiction->available);
	ret->worst = worst_of(&f, ret->jurisdiction->available);
	ret->determined = ret->best == ret->worst || ret->best >= PQ_OUTCOME_REFER;
	for (size_t k = 0; k < ev->n_exceptions; k++) {
		const struct pq_exception *e = &ev->exceptions[k];
		if (e->usable == PQ_T)
			ret->usable[e->symbol / 64] |= UINT64_C(1) << (e->symbol % 64);
	}
}

/* A requirement that may count: its own condition, and the exclusions that may cover it. */
static void
each_of_requirement(struct pq_eval *ev, const struct pq_active *active, pq_open_rule_fn *fn, void *arg)
{
	uint32_t number = ev->p->rules[active->rule].requirement;

	if (active->tri == PQ_U)
		fn(ev, active->rule, arg);
	for (size_t i = 0; i < ev->n_active; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->active[i].rule];
		if (rule->kind == PQ_KIND_EXCLUSION && ev->active[i].tri == PQ_U &&
		    bit_of(words_at(ev, rule->excludes), number))
			fn(ev, ev->active[i].rule, arg);
	}
}

/* Exceptions of which it is open whether they are usable: their conditions, and what may bar them. */
static void
each_of_exceptions(struct pq_eval *ev, pq_open_rule_fn *fn, void *arg)
{
	for (size_t i = 0; i < ev->n_active; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->active[i].rule];
		if (ev->active[i].tri != PQ_U)
			continue;
		bool matters = false;
		if (rule->kind == PQ_KIND_EXCEPTION) {
			int16_t at = ev->exception_at[rule->exception];
			matters = at >= 0 && ev->exceptions[at].usable == PQ_U && is_considered(ev, ev->active[i].rule);
		} else if (rule->kind == PQ_KIND_RESTRICTION) {
			for (size_t k = 0; k < ev->n_exceptions && !matters; k++)
				matters =
					ev->exceptions[k].usable == PQ_U && bit_of(words_at(ev, rule->bars), ev->exceptions[k].symbol);
		}
		if (matters)
			fn(ev, ev->active[i].rule, arg);
	}
}

void
pq_each_open_rule(struct pq_eval *ev, const struct pq_outcome_range *range, pq_open_rule_fn *fn, void *arg)
{
	bool required = false;

	if (range->jurisdiction == NULL) {
		fn(ev, (uint32_t)ev->p->n_rules, arg);
		return;
	}
	bool by_law = range->jurisdiction->fixed != PQ_OUTCOME_NONE || ev->request->jurisdiction_only;
	for (size_t i = 0; i < ev->n_active; i++) {
		const struct pq_active *active = &ev->active[i];
		const struct pq_p_rule *rule = &ev->p->rules[active->rule];
		if (by_law) {
			if (active->tri == PQ_U && rule->kind == PQ_KIND_REFER && rule->jurisdiction == PQ_NO_INDEX)
				fn(ev, active->rule, arg);
			continue;
		}
		if (rule->kind == PQ_KIND_REQUIREMENT && ev->counts[rule->requirement] != PQ_F) {
			required = true;
			if (ev->counts[rule->requirement] == PQ_U)
				each_of_requirement(ev, active, fn, arg);
		} else if (active->tri == PQ_U && (rule->kind == PQ_KIND_PROHIBITION || rule->kind == PQ_KIND_REFER)) {
			fn(ev, active->rule, arg);
		}
	}
	if (required)
		each_of_exceptions(ev, fn, arg);
}

static void
join_rule_deps(struct pq_eval *ev, uint32_t rule, void *arg)
{
	struct pq_where where = pq_where_request(ev);
	struct pq_mask more = rule < ev->p->n_rules ? pq_dnf_deps(ev, &where, ev->p->rules[rule].dnf)
	                                            : pq_value_deps(ev, &where, PQ_ATTR_JURISDICTION);

	pq_mask_join(arg, &more);
}

struct pq_mask
pq_outcome_deps(struct pq_eval *ev, const struct pq_outcome_range *range)
{
	struct pq_mask deps = {0};

	pq_each_open_rule(ev, range, join_rule_deps, &deps);
	return deps;
}

/* ---- after the outcome ---- */

static void
set_decision_symbol(struct pq_eval *ev, uint32_t attr, uint32_t symbol)
{
	struct pq_val *val = &ev->decision.vals[ev->p->attrs[attr].slot];

	if (symbol == PQ_NO_INDEX || val->poss == NULL || symbol / 64 >= ev->p->attrs[attr].words)
		return;
	val->poss[symbol / 64] |= UINT64_C(1) << (symbol % 64);
	val->sure[symbol / 64] |= UINT64_C(1) << (symbol % 64);
	val->may_none = false;
}

static void
clear_decision(struct pq_eval *ev)
{
	for (uint32_t attr = PQ_ATTR_DECISION_OUTCOME; attr <= PQ_ATTR_DECISION_SOLE; attr++) {
		const struct pq_p_attr *a = &ev->p->attrs[attr];
		struct pq_val *val = &ev->decision.vals[a->slot];
		memset(val->poss, 0, a->words * sizeof(*val->poss));
		memset(val->sure, 0, a->words * sizeof(*val->sure));
		val->may_none = a->single;
	}
}

static void
fill_decision(struct pq_eval *ev, enum pq_outcome outcome, const uint64_t *usable, bool by_law_alone)
{
	const char *name = pq_outcome_name(outcome);
	uint32_t n_usable = 0, sole = PQ_NO_INDEX;

	clear_decision(ev);
	set_decision_symbol(ev, PQ_ATTR_DECISION_OUTCOME,
	                    pq_find_symbol(ev->image, ev->image->meta->domain_outcome, name, strlen(name)));
	for (size_t i = 0; !by_law_alone && i < ev->n_active; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->active[i].rule];
		if (rule->kind != PQ_KIND_REQUIREMENT || ev->counts[rule->requirement] != PQ_T)
			continue;
		set_decision_symbol(ev, PQ_ATTR_DECISION_AUTHORITY, rule->authority);
		set_decision_symbol(ev, PQ_ATTR_DECISION_REASONS, rule->reason);
	}
	for (uint32_t w = 0; w < ev->image->meta->exception_words; w++) {
		for (uint64_t left = usable[w]; left != 0; left &= left - 1) {
			sole = w * 64 + (uint32_t)__builtin_ctzll(left);
			n_usable++;
			set_decision_symbol(ev, PQ_ATTR_DECISION_EXCEPTIONS, sole);
		}
	}
	if (n_usable == 1)
		set_decision_symbol(ev, PQ_ATTR_DECISION_SOLE, sole);
}

void
pq_evaluate_post(struct pq_eval *ev, enum pq_outcome outcome, const struct pq_outcome_range *range)
{
	const struct pq_program *p = ev->p;
	bool available = range->jurisdiction != NULL && outcome == range->jurisdiction->available;
	uint64_t *usable = ev->considered;

	/* Exceptions count as usable only where one is needed and available. */
	for (uint32_t w = 0; w < ev->image->meta->exception_words; w++)
		usable[w] = available ? range->usable[w] : 0;
	fill_decision(ev, outcome, usable,
	              ev->request->jurisdiction_only || range->no_law ||
	                  (range->jurisdiction != NULL && range->jurisdiction->fixed != PQ_OUTCOME_NONE));
	ev->n_post = 0;
	if (ev->image->meta->post_space == PQ_NO_INDEX)
		return;
	for (uint32_t space = 0; space < p->n_spaces; space++) {
		if (p->spaces[space].level + 1 == ev->image->meta->n_levels)
			pq_match_space(ev, space);
	}
	for (uint32_t i = 0; i < p->n_post_rules; i++) {
		uint32_t unless = ev->image->unless_slots[i];
		if (ev->decision.tri[ev->image->post_slots[i]] != PQ_T)
			continue;
		if (unless != PQ_NO_INDEX && ev->decision.tri[unless] == PQ_T)
			continue;
		ev->post[ev->n_post++] = (struct pq_active){p->post_rules[i], PQ_T};
	}
}

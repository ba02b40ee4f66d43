/* The licence algebra under one assignment of the unknowns: docs/packs.md, "How a decision is made", 2 to 4. */
#include "tests/oracle/internal.h"

#include <string.h>

/* ---- what the rules say statically ------------------------------------------------------------------------------- */

const struct pq_jurisdiction *
or_jurisdiction(const struct pq_model *model, uint32_t symbol)
{
	for (size_t i = 0; i < model->n_jurisdictions; i++) {
		if (model->jurisdictions[i].symbol == symbol)
			return &model->jurisdictions[i];
	}
	return NULL;
}

static bool
has_index(const struct pq_indexes *set, uint32_t index)
{
	for (size_t i = 0; i < set->n; i++) {
		if (set->at[i] == index)
			return true;
	}
	return false;
}

bool
or_exclusion_covers(const struct pq_rule *exclusion, const struct pq_rule *requirement)
{
	/* "all" is all of its own law: a rule of one law says nothing about requirements of another. */
	if (exclusion->excludes_all &&
	    (exclusion->jurisdiction == PQ_NO_INDEX || exclusion->jurisdiction == requirement->jurisdiction))
		return true;
	if (has_index(&exclusion->excludes_reasons, requirement->reason))
		return true;
	for (size_t i = 0; i < exclusion->excludes_rules.n; i++) {
		const char *name = exclusion->excludes_rules.at[i];
		size_t len = strlen(name);
		bool prefix = len > 0 && name[len - 1] == '*';
		if (prefix ? strncmp(name, requirement->id, len - 1) == 0 : strcmp(name, requirement->id) == 0)
			return true;
	}
	return false;
}

static bool
names_cover(const struct pq_strings *names, const char *exception)
{
	for (size_t i = 0; i < names->n; i++) {
		if (pq_exception_covers(names->at[i], exception))
			return true;
	}
	return false;
}

bool
or_bars(const struct pq_rule *restriction, const char *exception)
{
	switch (restriction->bars.mode) {
	case PQ_BARS_NOTHING: return false;
	case PQ_BARS_ALL: return true;
	case PQ_BARS_ALL_BUT: return !names_cover(&restriction->bars.names, exception);
	case PQ_BARS_LIST: return names_cover(&restriction->bars.names, exception);
	}
	return false;
}

bool
or_allows(const struct pq_rule *requirement, const char *exception)
{
	return names_cover(&requirement->allows, exception);
}

/* ---- which exceptions are considered ----------------------------------------------------------------------------- */

/* What the request claims, as symbols of the domain of exceptions. Lives in w->keep. */
struct pq_indexes
or_claims(const struct or_world *w)
{
	const struct pq_model *model = w->model;
	const struct pq_value *given = NULL;
	struct pq_indexes claims = {0};

	if (model->claim_fact != PQ_NO_INDEX)
		given = or_given(w, model->claim_fact, OR_NOWHERE, -1);
	if (given == NULL || (given->kind != PQ_VALUE_TEXTS && given->kind != PQ_VALUE_TEXT))
		return claims;
	size_t n = given->kind == PQ_VALUE_TEXT ? 1 : given->n_texts;
	claims.at = or_alloc(w->keep, n, sizeof(*claims.at));
	for (size_t i = 0; i < n; i++) {
		struct pq_text text = given->kind == PQ_VALUE_TEXT ? given->text : given->texts[i];
		uint32_t symbol = or_symbol(model, model->attrs[model->claim_fact].domain, text);
		if (symbol != PQ_NO_INDEX)
			claims.at[claims.n++] = symbol;
	}
	return claims;
}

static bool
is_claimed(const struct or_world *w, const struct pq_indexes *claims, const char *exception)
{
	for (size_t i = 0; i < claims->n; i++) {
		const char *claimed = w->model->domains[w->model->attrs[w->model->claim_fact].domain].symbols[claims->at[i]];
		if (pq_exception_covers(claimed, exception) || pq_exception_covers(exception, claimed))
			return true;
	}
	return false;
}

/* Is the fact said anywhere, in any element? */
static bool
is_said(const struct or_world *w, uint32_t attr, enum pq_scope scope)
{
	if (scope == PQ_SCOPE_REQUEST || scope == PQ_SCOPE_DECISION)
		return or_given(w, attr, OR_NOWHERE, -1) != NULL;
	enum pq_scope outer = scope == PQ_SCOPE_OWNER ? PQ_SCOPE_PARTY : scope;
	for (size_t i = 0; i < or_count_elements(w, outer, OR_NOWHERE); i++) {
		struct or_at at = or_element(OR_NOWHERE, outer, i);
		if (scope != PQ_SCOPE_OWNER && or_given(w, attr, at, -1) != NULL)
			return true;
		for (size_t j = 0; scope == PQ_SCOPE_OWNER && j < or_count_elements(w, scope, at); j++) {
			if (or_given(w, attr, or_element(at, scope, j), -1) != NULL)
				return true;
		}
	}
	return false;
}

bool
or_considered(const struct or_world *w, const struct pq_indexes *claims, const struct pq_rule *rule)
{
	if (rule->kind != PQ_KIND_EXCEPTION)
		return false;
	if (rule->considered_always)
		return true;
	if (is_claimed(w, claims, w->model->domains[w->model->domain_exception].symbols[rule->exception]))
		return true;
	for (size_t i = 0; i < rule->claimed_by.n; i++) {
		uint32_t attr = rule->claimed_by.at[i];
		if (is_said(w, attr, w->model->attrs[attr].scope))
			return true;
	}
	return false;
}

/* ---- rules -------------------------------------------------------------------------------------------------------- */

/* The kinds that decide. */
static const enum pq_kind deciding[] = {
	PQ_KIND_REQUIREMENT, PQ_KIND_EXCLUSION, PQ_KIND_EXCEPTION, PQ_KIND_RESTRICTION, PQ_KIND_PROHIBITION, PQ_KIND_REFER,
};

/* Is the requirement left, after the exclusions that cover it? */
static struct or_verdict
counts(const struct or_world *w, const struct or_node *node, uint32_t requirement)
{
	const struct pq_indexes *exclusions = &w->of_kind[PQ_KIND_EXCLUSION];
	struct or_verdict counts = node->holds[requirement];

	for (size_t i = 0; i < exclusions->n && counts.is != OR_FALSE; i++) {
		uint32_t x = exclusions->at[i];
		if (node->holds[x].is == OR_FALSE ||
		    !or_exclusion_covers(&w->model->rules[x], &w->model->rules[requirement]))
			continue;
		struct or_verdict not_excluded = or_not(node->holds[x]);
		or_and(&counts, &not_excluded);
	}
	return counts;
}

static void
evaluate_rules(struct or_world *w, struct or_node *node)
{
	const struct pq_model *model = w->model;

	node->holds = w->memo.holds;
	node->counts = or_alloc(w->scratch, model->n_rules, sizeof(*node->counts));
	for (size_t k = 0; k < sizeof(deciding) / sizeof(deciding[0]); k++) {
		const struct pq_indexes *rules = &w->of_kind[deciding[k]];
		for (size_t i = 0; i < rules->n; i++) {
			uint32_t r = rules->at[i];
			if (!w->memo.held[r])
				node->holds[r] = or_rule_holds(w, &model->rules[r], OR_NOWHERE);
			w->memo.held[r] = true;
		}
	}
	for (size_t i = 0; i < w->of_kind[PQ_KIND_REQUIREMENT].n; i++) {
		uint32_t r = w->of_kind[PQ_KIND_REQUIREMENT].at[i];
		node->counts[r] = counts(w, node, r);
	}
}

/* ---- exceptions --------------------------------------------------------------------------------------------------- */

static struct or_verdict
overcomes(struct or_world *w, const struct or_node *node, uint32_t symbol, const struct pq_rule *requirement)
{
	const struct pq_model *model = w->model;
	struct or_verdict any = or_known(false);

	if (requirement->has_allows)
		return or_known(or_allows(requirement, model->domains[model->domain_exception].symbols[symbol]));
	for (size_t i = 0; i < w->of_kind[PQ_KIND_EXCEPTION].n; i++) {
		uint32_t r = w->of_kind[PQ_KIND_EXCEPTION].at[i];
		const struct pq_rule *rule = &model->rules[r];
		if (rule->exception == symbol && node->holds[r].is != OR_FALSE &&
		    (rule->overcomes_all || has_index(&rule->overcomes, requirement->reason)))
			or_or(&any, &node->holds[r]);
	}
	return any;
}

static struct or_exception
evaluate_exception(struct or_world *w, const struct or_node *node, uint32_t symbol)
{
	const struct pq_model *model = w->model;
	const char *name = model->domains[model->domain_exception].symbols[symbol];
	const struct pq_indexes *requirements = &w->of_kind[PQ_KIND_REQUIREMENT];
	struct or_exception e = {.symbol = symbol, .match = or_known(false), .barred = or_known(false)};

	for (size_t i = 0; i < w->of_kind[PQ_KIND_EXCEPTION].n; i++) {
		uint32_t r = w->of_kind[PQ_KIND_EXCEPTION].at[i];
		if (model->rules[r].exception == symbol)
			or_or(&e.match, &node->holds[r]);
	}
	for (size_t i = 0; i < w->of_kind[PQ_KIND_RESTRICTION].n; i++) {
		uint32_t r = w->of_kind[PQ_KIND_RESTRICTION].at[i];
		if (node->holds[r].is != OR_FALSE && or_bars(&model->rules[r], name))
			or_or(&e.barred, &node->holds[r]);
	}
	for (size_t i = 0; i < requirements->n; i++) {
		const struct pq_rule *rule = &model->rules[requirements->at[i]];
		const struct or_verdict *counts = &node->counts[requirements->at[i]];
		if (counts->is != OR_FALSE && rule->has_allows && !or_allows(rule, name))
			or_or(&e.barred, counts);
	}
	e.usable = or_not(e.barred);
	or_and(&e.usable, &e.match);
	for (size_t i = 0; i < requirements->n && e.usable.is != OR_FALSE; i++) {
		uint32_t r = requirements->at[i];
		if (node->counts[r].is == OR_FALSE)
			continue;
		struct or_verdict met = or_not(node->counts[r]);
		struct or_verdict overcome = overcomes(w, node, symbol, &model->rules[r]);
		or_or(&met, &overcome);
		or_and(&e.usable, &met);
	}
	return e;
}

static void
evaluate_exceptions(struct or_world *w, struct or_node *node)
{
	const struct pq_model *model = w->model;

	const struct pq_indexes *rules = &w->of_kind[PQ_KIND_EXCEPTION];

	node->exceptions = or_alloc(w->scratch, rules->n, sizeof(*node->exceptions));
	for (size_t k = 0; k < rules->n; k++) {
		uint32_t symbol = model->rules[rules->at[k]].exception;
		bool seen = false;
		for (size_t i = 0; i < node->n_exceptions; i++)
			seen |= node->exceptions[i].symbol == symbol;
		if (!seen)
			node->exceptions[node->n_exceptions++] = evaluate_exception(w, node, symbol);
	}
}

/* ---- the ends of the outcome -------------------------------------------------------------------------------------- */

static enum pq_outcome
severer(enum pq_outcome a, enum pq_outcome b)
{
	return a > b ? a : b;
}

/* What the rules give where the jurisdiction leaves it to them; `available` is that jurisdiction's word. */
static void
outcome_by_rules(const struct or_world *w, const struct or_node *node, enum pq_outcome available,
                 enum pq_outcome *best, enum pq_outcome *worst)
{
	struct or_verdict prohibited = or_known(false), referred = or_known(false), required = or_known(false);
	bool surely_usable = false, maybe_usable = false;

	for (size_t i = 0; i < w->of_kind[PQ_KIND_PROHIBITION].n; i++)
		or_or(&prohibited, &node->holds[w->of_kind[PQ_KIND_PROHIBITION].at[i]]);
	for (size_t i = 0; i < w->of_kind[PQ_KIND_REFER].n; i++)
		or_or(&referred, &node->holds[w->of_kind[PQ_KIND_REFER].at[i]]);
	for (size_t i = 0; i < w->of_kind[PQ_KIND_REQUIREMENT].n; i++)
		or_or(&required, &node->counts[w->of_kind[PQ_KIND_REQUIREMENT].at[i]]);
	for (size_t i = 0; i < node->n_exceptions; i++) {
		surely_usable |= node->exceptions[i].usable.is == OR_TRUE;
		maybe_usable |= node->exceptions[i].usable.is != OR_FALSE;
	}
	*best = required.is != OR_TRUE ? PQ_OUTCOME_NO_LICENSE_REQUIRED : maybe_usable ? available : PQ_OUTCOME_LICENSE_REQUIRED;
	*worst = required.is == OR_FALSE ? PQ_OUTCOME_NO_LICENSE_REQUIRED : surely_usable ? available : PQ_OUTCOME_LICENSE_REQUIRED;
	if (referred.is == OR_TRUE)
		*best = severer(*best, PQ_OUTCOME_REFER);
	if (referred.is != OR_FALSE)
		*worst = severer(*worst, PQ_OUTCOME_REFER);
	if (prohibited.is == OR_TRUE)
		*best = PQ_OUTCOME_PROHIBITED;
	if (prohibited.is != OR_FALSE)
		*worst = PQ_OUTCOME_PROHIBITED;
}

static void
widen(struct or_node *node, enum pq_outcome best, enum pq_outcome worst)
{
	if (node->best == PQ_OUTCOME_NONE || best < node->best)
		node->best = best;
	if (worst > node->worst)
		node->worst = worst;
}

static enum pq_outcome
only_outcome(const struct pq_jurisdiction *law)
{
	if (law == NULL)
		return PQ_OUTCOME_REFER;
	if (law->fixed != PQ_OUTCOME_NONE)
		return law->fixed;
	return law->only != PQ_OUTCOME_NONE ? law->only : PQ_OUTCOME_REFER;
}

/*
 * What the law alone says, unless a person must decide by a rule of no law in particular: on a day that the packs do not
 * know, say.
 */
static void
add_by_law(const struct or_world *w, struct or_node *node, enum pq_outcome outcome)
{
	struct or_verdict referred = or_known(false);

	for (size_t i = 0; i < w->of_kind[PQ_KIND_REFER].n; i++) {
		uint32_t r = w->of_kind[PQ_KIND_REFER].at[i];
		if (w->model->rules[r].jurisdiction == PQ_NO_INDEX)
			or_or(&referred, &node->holds[r]);
	}
	widen(node, referred.is == OR_TRUE ? severer(outcome, PQ_OUTCOME_REFER) : outcome,
	      referred.is != OR_FALSE ? severer(outcome, PQ_OUTCOME_REFER) : outcome);
}

/* One jurisdiction that the transaction may be under; NULL = none, which is not a "yes": a person must look. */
static void
add_jurisdiction(struct or_world *w, struct or_node *node, const struct pq_jurisdiction *law)
{
	enum pq_outcome best, worst;

	if (law == NULL || law->fixed != PQ_OUTCOME_NONE || w->request->jurisdiction_only) {
		add_by_law(w, node, only_outcome(law));
		return;
	}
	outcome_by_rules(w, node, law->available, &best, &worst);
	widen(node, best, worst);
}

static bool
leaves_it_to_rules(const struct or_world *w, uint32_t law)
{
	const struct pq_jurisdiction *j = or_jurisdiction(w->model, law);

	return !w->request->jurisdiction_only && j != NULL && j->fixed == PQ_OUTCOME_NONE;
}

/* ---- what is still open ------------------------------------------------------------------------------------------- */

/* Behind an exception of which it is open whether it is usable: its rules, and what may bar it. */
static void
open_exception(struct or_world *w, const struct or_node *node, const struct or_exception *e, struct or_deps *deps)
{
	const char *name = w->model->domains[w->model->domain_exception].symbols[e->symbol];

	if (e->usable.is != OR_UNKNOWN)
		return;
	for (size_t i = 0; i < w->of_kind[PQ_KIND_EXCEPTION].n; i++) {
		uint32_t r = w->of_kind[PQ_KIND_EXCEPTION].at[i];
		if (w->model->rules[r].exception == e->symbol)
			or_deps_join(deps, &node->holds[r].why);
	}
	for (size_t i = 0; i < w->of_kind[PQ_KIND_RESTRICTION].n; i++) {
		uint32_t r = w->of_kind[PQ_KIND_RESTRICTION].at[i];
		if (node->holds[r].is == OR_UNKNOWN && or_bars(&w->model->rules[r], name))
			or_deps_join(deps, &node->holds[r].why);
	}
}

/* Where the law alone decides, only these rules may still. */
static void
collect_referrals(struct or_world *w, struct or_node *node)
{
	for (size_t i = 0; i < w->of_kind[PQ_KIND_REFER].n; i++) {
		uint32_t r = w->of_kind[PQ_KIND_REFER].at[i];
		if (w->model->rules[r].jurisdiction == PQ_NO_INDEX)
			or_deps_join(&node->open, &node->holds[r].why);
	}
	node->split = node->open;
}

/* What rules wait for that decide; and of that, what the outcome may still depend on. */
static void
collect_open(struct or_world *w, struct or_node *node)
{
	bool may_be_required = false, surely_usable = false;

	for (size_t r = 0; r < w->model->n_rules; r++) {
		enum pq_kind kind = w->model->rules[r].kind;
		const struct or_verdict *of = kind == PQ_KIND_REQUIREMENT ? &node->counts[r] : &node->holds[r];
		if (kind == PQ_KIND_PROHIBITION || kind == PQ_KIND_REFER || kind == PQ_KIND_REQUIREMENT)
			or_deps_join(&node->open, &of->why);
		may_be_required |= kind == PQ_KIND_REQUIREMENT && of->is != OR_FALSE;
	}
	node->split = node->open;
	for (size_t i = 0; i < node->n_exceptions; i++)
		surely_usable |= node->exceptions[i].usable.is == OR_TRUE;
	for (size_t i = 0; i < node->n_exceptions && may_be_required; i++) {
		open_exception(w, node, &node->exceptions[i], &node->open);
		if (!surely_usable)
			open_exception(w, node, &node->exceptions[i], &node->split);
	}
}

void
or_evaluate(struct or_world *w, struct or_node *ret)
{
	struct or_node node = {.jurisdiction = or_attr(w, PQ_ATTR_JURISDICTION, OR_NOWHERE), .fixed = true};
	const struct or_value *j = node.jurisdiction;

	for (uint32_t i = 0; i < j->may.n; i++)
		node.fixed &= !or_set_has(j->may, i) || !leaves_it_to_rules(w, i);
	node.fixed &= or_value_certain(j) || w->request->jurisdiction_only;
	evaluate_rules(w, &node);
	evaluate_exceptions(w, &node);
	for (uint32_t i = 0; i < j->may.n; i++) {
		if (or_set_has(j->may, i))
			add_jurisdiction(w, &node, or_jurisdiction(w->model, i));
	}
	if (j->may_none)
		add_jurisdiction(w, &node, NULL);
	/* Which law it is comes first. */
	if (!or_value_certain(j)) {
		node.split = node.open = j->why;
		node.best = PQ_OUTCOME_NOT_SUBJECT;
		node.worst = PQ_OUTCOME_PROHIBITED;
	} else if (node.fixed && !j->may_none) {
		collect_referrals(w, &node);
	} else if (!node.fixed) {
		collect_open(w, &node);
	}
	*ret = node;
}

/* From what was found to a decision. */
#include "tests/oracle/internal.h"

#include <stdio.h>
#include <string.h>

static const char *
copy(struct pq_arena *arena, const char *text)
{
	char *ret = pq_arena_strndup(arena, text, strlen(text));

	if (ret == NULL)
		or_die("out of memory");
	return ret;
}

static const char *
joined(struct pq_arena *arena, const struct pq_strings *strings, const char *separator)
{
	const char *text = "";

	for (size_t i = 0; i < strings->n; i++)
		text = pq_arena_printf(arena, "%s%s%s", text, i > 0 ? separator : "", strings->at[i]);
	return text;
}

static bool
is_empty(const char *text)
{
	return text == NULL || text[0] == '\0';
}

const struct pq_rule_ref *
or_rule_ref(const struct pq_model *model, struct pq_arena *arena, uint32_t index)
{
	const struct pq_rule *rule = &model->rules[index];
	struct pq_rule_ref *ref = or_alloc(arena, 1, sizeof(*ref));

	*ref = (struct pq_rule_ref){
		.id = rule->id,
		.title = rule->title != NULL ? rule->title : "",
		.cite = joined(arena, &rule->cites, "; "),
		.file = rule->src.file,
		.note = rule->note != NULL ? rule->note : "",
		.confidence = rule->confidence != NULL ? rule->confidence : "",
		.pack = model->packs[rule->pack].name,
		.kind = rule->kind,
		.line = rule->src.line,
		.from = rule->from,
		.to = rule->to,
		.index = index,
	};
	return ref;
}

/* ---- names of unknown facts ---------------------------------------------------------------------------------------- */

/* ".end_user" for each party of that role, "[0]" where the role is not known. */
static const char *
party_name(struct or_world *w, int party)
{
	uint32_t role = pq_model_attr(w->model, "party.role");
	struct or_at at = {party, -1, -1, -1};
	const struct pq_value *given = role == PQ_NO_INDEX ? NULL : or_given(w, role, at, -1);

	if (given != NULL && given->kind == PQ_VALUE_TEXT) {
		uint32_t domain = w->model->attrs[role].domain;
		uint32_t symbol = or_symbol(w->model, domain, given->text);
		if (symbol != PQ_NO_INDEX)
			return pq_arena_printf(w->out, ".%s", w->model->domains[domain].symbols[symbol]);
	}
	return pq_arena_printf(w->out, "[%d]", party);
}

const char *
or_unknown_name(struct or_world *w, const struct or_unknown *u)
{
	const struct pq_attr *a = &w->model->attrs[u->attr];
	const char *bare = a->name + (a->scope == PQ_SCOPE_REQUEST ? 0 : strlen(pq_scope_name(a->scope)) + 1);

	if (w->replaced && u->attr == w->model->release_replaces)
		a = &w->model->attrs[w->replaced_by]; /* the nationality is what is asked for */
	if (!is_empty(a->report_as))
		return a->report_as;
	switch (a->scope) {
	case PQ_SCOPE_PARTY: return pq_arena_printf(w->out, "parties%s.%s", party_name(w, u->at.party), bare);
	case PQ_SCOPE_OWNER:
		return pq_arena_printf(w->out, "parties%s.owners[%d].%s", party_name(w, u->at.party), u->at.owner, bare);
	case PQ_SCOPE_HIT: return pq_arena_printf(w->out, "screening.hits[%d].%s", u->at.hit, bare);
	case PQ_SCOPE_INTERMEDIATE: return pq_arena_printf(w->out, "intermediate[%d].%s", u->at.intermediate, bare);
	case PQ_SCOPE_REQUEST:
	case PQ_SCOPE_DECISION:
	case PQ_SCOPE_COUNT: break;
	}
	return a->name;
}

static void
add_unknown(struct or_world *w, uint32_t id, struct pq_missing *list, size_t *n)
{
	const struct pq_attr *a = &w->model->attrs[w->unknowns[id].attr];
	const char *name = or_unknown_name(w, &w->unknowns[id]);

	if (w->replaced && w->unknowns[id].attr == w->model->release_replaces)
		a = &w->model->attrs[w->replaced_by];
	for (size_t i = 0; i < *n; i++) {
		if (strcmp(list[i].name, name) == 0)
			return;
	}
	list[(*n)++] = (struct pq_missing){name, a->ask != NULL ? a->ask : ""};
}

/* ---- what holds ---------------------------------------------------------------------------------------------------- */

struct report {
	struct or_world *w;
	struct pq_decision *d;
	const struct or_node *root;
	const struct or_found *found;
	bool *counted;                   /* rules that the decision cites */
	const struct pq_rule_ref **refs;
};

static const struct pq_rule_ref *
cite(struct report *r, uint32_t rule)
{
	if (r->refs[rule] == NULL)
		r->refs[rule] = or_rule_ref(r->w->model, r->w->out, rule);
	return r->refs[rule];
}

/* A rule of a considered exception that is not considered itself. */
static bool
is_slice(const struct report *r, size_t rule)
{
	const struct pq_rule *of = &r->w->model->rules[rule];
	bool considered = false;

	for (size_t i = 0; i < r->root->n_exceptions && of->kind == PQ_KIND_EXCEPTION; i++)
		considered |= r->root->exceptions[i].symbol == of->exception;
	return considered && or_rule_holds(r->w, of, OR_NOWHERE).is == OR_TRUE;
}

/* Rules of the kinds that decide count where they surely hold; a requirement where it is not excluded. */
static void
report_decisive(struct report *r)
{
	const struct pq_model *model = r->w->model;

	for (size_t i = 0; i < model->n_rules && !r->root->fixed; i++) {
		const struct or_verdict *holds =
			model->rules[i].kind == PQ_KIND_REQUIREMENT ? &r->root->counts[i] : &r->root->holds[i];
		r->counted[i] = holds->is == OR_TRUE || is_slice(r, i);
	}
}

static const char *
symbol_name(const struct pq_model *model, uint32_t domain, uint32_t symbol)
{
	if (domain == PQ_NO_INDEX || symbol >= model->domains[domain].n_symbols)
		return "";
	return model->domains[domain].symbols[symbol];
}

/* The jurisdiction rule that decided: the first that surely applies, if the jurisdiction is certain. */
static void
report_jurisdiction(struct report *r)
{
	struct or_world *w = r->w;
	const struct pq_indexes *rules = &w->rules_of[PQ_ATTR_JURISDICTION];
	const struct or_value *j = r->root->jurisdiction;

	r->d->jurisdiction = "";
	if (!or_value_certain(j) || j->may_none)
		return;
	for (uint32_t i = 0; i < j->may.n; i++) {
		if (or_set_has(j->may, i))
			r->d->jurisdiction = symbol_name(w->model, w->model->domain_jurisdiction, i);
	}
	for (size_t i = 0; i < rules->n; i++) {
		if (or_rule_holds(w, &w->model->rules[rules->at[i]], OR_NOWHERE).is == OR_TRUE) {
			r->counted[rules->at[i]] = true;
			return;
		}
	}
}

static void
report_requirements(struct report *r)
{
	const struct pq_model *model = r->w->model;
	struct pq_decision *d = r->d;
	bool possible_too = d->outcome == PQ_OUTCOME_LICENSE_REQUIRED || d->outcome == PQ_OUTCOME_NEEDS_INFORMATION;

	d->requirements = or_alloc(r->w->out, model->n_rules, sizeof(*d->requirements));
	for (uint32_t i = 0; i < model->n_rules && !r->root->fixed; i++) {
		const struct pq_rule *rule = &model->rules[i];
		enum or_truth is = r->root->counts[i].is;
		if (rule->kind != PQ_KIND_REQUIREMENT || is == OR_FALSE || (is == OR_UNKNOWN && !possible_too))
			continue;
		d->requirements[d->n_requirements++] = (struct pq_requirement){
			.rule = cite(r, i),
			.authority = symbol_name(model, model->domain_authority, rule->authority),
			.reason = symbol_name(model, model->domain_reason, rule->reason),
			.label = rule->label != NULL ? rule->label : "",
			.certain = is == OR_TRUE,
		};
	}
}

static void
report_prohibitions(struct report *r)
{
	const struct pq_model *model = r->w->model;
	struct pq_decision *d = r->d;
	enum pq_kind kind = d->outcome == PQ_OUTCOME_PROHIBITED ? PQ_KIND_PROHIBITION : PQ_KIND_REFER;

	d->prohibitions = or_alloc(r->w->out, model->n_rules, sizeof(*d->prohibitions));
	if (d->outcome != PQ_OUTCOME_REFER && (r->root->fixed || d->outcome != PQ_OUTCOME_PROHIBITED))
		return;
	for (uint32_t i = 0; i < model->n_rules; i++) {
		if (model->rules[i].kind == kind && r->root->holds[i].is == OR_TRUE)
			d->prohibitions[d->n_prohibitions++] = cite(r, i);
	}
}

/* ---- exceptions ---------------------------------------------------------------------------------------------------- */

/* The considered rule of the exception that holds most surely; of equals the first. */
static uint32_t
rule_of_exception(const struct report *r, uint32_t symbol)
{
	static const enum or_truth order[] = {OR_TRUE, OR_UNKNOWN, OR_FALSE};
	const struct pq_indexes *rules = &r->w->of_kind[PQ_KIND_EXCEPTION];

	for (size_t o = 0; o < 3; o++) {
		for (size_t i = 0; i < rules->n; i++) {
			if (r->w->model->rules[rules->at[i]].exception == symbol && r->root->holds[rules->at[i]].is == order[o])
				return rules->at[i];
		}
	}
	or_die("an exception without a rule");
}

static const char *
shown(const struct report *r, uint32_t rule)
{
	const struct pq_model *model = r->w->model;
	const struct pq_rule *of = &model->rules[rule];

	return !is_empty(of->shown_as) ? of->shown_as : symbol_name(model, model->domain_exception, of->exception);
}

static bool
is_available(enum pq_outcome outcome)
{
	return outcome == PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE || outcome == PQ_OUTCOME_EXEMPTION_AVAILABLE;
}

static void
report_available(struct report *r)
{
	struct pq_decision *d = r->d;

	d->available = or_alloc(r->w->out, r->root->n_exceptions, sizeof(*d->available));
	for (size_t i = 0; i < r->root->n_exceptions && is_available(d->outcome); i++) {
		uint32_t symbol = r->root->exceptions[i].symbol;
		if (!or_set_has(r->found->usable, symbol))
			continue;
		uint32_t rule = rule_of_exception(r, symbol);
		bool there = false;
		for (size_t k = 0; k < d->n_available; k++)
			there |= strcmp(d->available[k].name, shown(r, rule)) == 0;
		if (!there)
			d->available[d->n_available++] = (struct pq_usable){shown(r, rule), cite(r, rule)};
	}
}

static void
add_barred(struct report *r, const char *name, const char *reason, uint32_t rule, const char *const *spares)
{
	struct pq_decision *d = r->d;

	for (size_t i = 0; i < d->n_barred; i++) {
		if (strcmp(d->barred[i].name, name) == 0)
			return;
	}
	d->barred[d->n_barred++] = (struct pq_barred){name, reason, cite(r, rule), spares};
}

/* The rule that closes a considered exception: what bars it, else itself if it is not met, else what it leaves. */
static uint32_t
closed_by(const struct report *r, const struct or_exception *e)
{
	const struct pq_model *model = r->w->model;
	const char *name = symbol_name(model, model->domain_exception, e->symbol);

	for (uint32_t i = 0; i < model->n_rules; i++) {
		const struct pq_rule *rule = &model->rules[i];
		if (rule->kind == PQ_KIND_RESTRICTION && r->root->holds[i].is == OR_TRUE && or_bars(rule, name))
			return i;
		if (rule->kind == PQ_KIND_REQUIREMENT && r->root->counts[i].is == OR_TRUE && rule->has_allows &&
		    !or_allows(rule, name))
			return i;
	}
	return rule_of_exception(r, e->symbol);
}

static const char *const *
spares_of(struct pq_arena *arena, const struct pq_strings *names)
{
	const char **spares = or_alloc(arena, names->n + 1, sizeof(*spares));

	for (size_t i = 0; i < names->n; i++)
		spares[i] = names->at[i];
	return spares;
}

static void
add_bar(struct report *r, uint32_t rule, const char *label, bool all_but, bool all, const struct pq_strings *names)
{
	struct pq_arena *arena = r->w->out;
	const char *name = label;

	if (all_but && names->n == 0 && is_empty(label))
		all = true;
	if (is_empty(name) && all)
		name = "all";
	else if (is_empty(name))
		name = pq_arena_printf(arena, "%s%s", all_but ? "all but " : "", joined(arena, names, ", "));
	add_barred(r, name, joined(arena, &r->w->model->rules[rule].cites, "; "), rule,
	           all_but ? spares_of(arena, names) : NULL);
}

static void
report_bars(struct report *r)
{
	const struct pq_model *model = r->w->model;

	for (uint32_t i = 0; i < model->n_rules; i++) {
		const struct pq_rule *rule = &model->rules[i];
		if (rule->kind == PQ_KIND_RESTRICTION && r->root->holds[i].is == OR_TRUE)
			add_bar(r, i, rule->label, rule->bars.mode == PQ_BARS_ALL_BUT, rule->bars.mode == PQ_BARS_ALL,
			        &rule->bars.names);
		if (rule->kind == PQ_KIND_REQUIREMENT && rule->has_allows && r->root->counts[i].is == OR_TRUE)
			add_bar(r, i, rule->allows_label, rule->allows.n > 0, rule->allows.n == 0, &rule->allows);
	}
}

/* Under a name that several exceptions share it is closed only if all of them are. */
static bool
name_is_open(const struct report *r, const char *name)
{
	for (size_t i = 0; i < r->root->n_exceptions; i++) {
		const struct or_exception *e = &r->root->exceptions[i];
		if (e->usable.is != OR_FALSE && strcmp(shown(r, rule_of_exception(r, e->symbol)), name) == 0)
			return true;
	}
	return false;
}

static bool
is_of_another_law(const struct report *r, uint32_t rule)
{
	uint32_t law = r->w->model->rules[rule].jurisdiction;
	const struct or_value *j = r->root->jurisdiction;

	return law != PQ_NO_INDEX && or_value_certain(j) && !or_set_has(j->may, law);
}

static void
report_barred(struct report *r)
{
	struct pq_decision *d = r->d;

	d->barred = or_alloc(r->w->out, r->w->model->n_rules * 2 + 1, sizeof(*d->barred));
	if (r->root->fixed || d->outcome == PQ_OUTCOME_NEEDS_INFORMATION)
		return;
	report_bars(r);
	for (size_t i = 0; i < r->root->n_exceptions; i++) {
		const struct or_exception *e = &r->root->exceptions[i];
		uint32_t rule = rule_of_exception(r, e->symbol);
		if (e->usable.is != OR_FALSE || name_is_open(r, shown(r, rule)) || is_of_another_law(r, rule))
			continue;
		uint32_t closer = closed_by(r, e);
		add_barred(r, shown(r, rule), joined(r->w->out, &r->w->model->rules[closer].cites, "; "), closer, NULL);
	}
}

/* ---- what is unknown ------------------------------------------------------------------------------------------------ */

static void
warn_of_row(struct report *r, uint32_t id)
{
	const struct or_unknown *u = &r->w->unknowns[id];
	const struct pq_table *table = &r->w->model->tables[u->table];
	const struct pq_row *row = &table->rows[u->row];

	r->d->warnings[r->d->n_warnings++] = (struct pq_notice){
		.text = pq_arena_printf(r->w->out, "%s: this row is not certain", table->title),
		.source = pq_arena_printf(r->w->out, "%s:%d", row->src.file, row->src.line),
	};
}

/* The unknowns in their order, one after the other. */
static uint32_t
first_after(const struct or_world *w, const struct or_unknown *last)
{
	uint32_t first = PQ_NO_INDEX;

	for (uint32_t id = 0; id < w->n_unknowns; id++) {
		if (last != NULL && or_unknown_compare(&w->unknowns[id], last) <= 0)
			continue;
		if (first == PQ_NO_INDEX || or_unknown_compare(&w->unknowns[id], &w->unknowns[first]) < 0)
			first = id;
	}
	return first;
}

static void
report_unknowns(struct report *r)
{
	struct or_world *w = r->w;
	struct pq_decision *d = r->d;
	bool needs = d->outcome == PQ_OUTCOME_NEEDS_INFORMATION ||
	             (d->outcome == PQ_OUTCOME_REFER && r->found->searched);

	d->missing = or_alloc(w->out, w->n_unknowns, sizeof(*d->missing));
	d->moot = or_alloc(w->out, w->n_unknowns, sizeof(*d->moot));
	d->warnings = or_alloc(w->out, w->model->n_rules + w->n_unknowns, sizeof(*d->warnings));
	for (uint32_t id = first_after(w, NULL); id != PQ_NO_INDEX; id = first_after(w, &w->unknowns[id])) {
		bool is_row = w->unknowns[id].is_row;
		bool missing = r->found->missing[id];
		if (is_row && missing && r->found->by_row)
			warn_of_row(r, id);
		else if (!is_row && missing && needs)
			add_unknown(w, id, d->missing, &d->n_missing);
		else if (!is_row && !needs && or_deps_has(&r->root->open, id))
			add_unknown(w, id, d->moot, &d->n_moot);
	}
}

/* ---- after the outcome ---------------------------------------------------------------------------------------------- */

static void
set_symbol(struct or_world *w, uint32_t attr, const char *name)
{
	uint32_t symbol = PQ_NO_INDEX;
	struct or_value *v = &w->decision[attr];

	if (name != NULL && w->model->attrs[attr].domain != PQ_NO_INDEX)
		symbol = pq_domain_find(&w->model->domains[w->model->attrs[attr].domain], name, strlen(name));
	or_set_add(v->may, symbol);
	if (v->form == OR_MANY)
		or_set_add(v->sure, symbol);
	if (v->form == OR_ONE)
		v->may_none = symbol == PQ_NO_INDEX;
}

/* The attributes of the decision, from here on. */
static void
set_decision(struct report *r)
{
	struct or_world *w = r->w;
	const struct pq_decision *d = r->d;
	uint32_t sole = PQ_NO_INDEX;
	size_t n = 0;

	for (uint32_t a = PQ_ATTR_DECISION_OUTCOME; a < PQ_ATTR_FIRST_DECLARED; a++)
		w->decision[a] = or_value_empty(w, a);
	set_symbol(w, PQ_ATTR_DECISION_OUTCOME, pq_outcome_name(d->outcome));
	for (size_t i = 0; i < d->n_requirements; i++) {
		if (!d->requirements[i].certain)
			continue;
		set_symbol(w, PQ_ATTR_DECISION_AUTHORITY, d->requirements[i].authority);
		set_symbol(w, PQ_ATTR_DECISION_REASONS, d->requirements[i].reason);
	}
	for (size_t i = 0; i < r->root->n_exceptions && is_available(d->outcome); i++) {
		uint32_t symbol = r->root->exceptions[i].symbol;
		if (!or_set_has(r->found->usable, symbol))
			continue;
		or_set_add(w->decision[PQ_ATTR_DECISION_EXCEPTIONS].may, symbol);
		or_set_add(w->decision[PQ_ATTR_DECISION_EXCEPTIONS].sure, symbol);
		sole = symbol;
		n++;
	}
	set_symbol(w, PQ_ATTR_DECISION_SOLE, n == 1 ? symbol_name(w->model, w->model->domain_exception, sole) : NULL);
	w->decided = true;
}

static bool
takes_effect(struct or_world *w, const struct pq_rule *rule)
{
	if (or_rule_holds(w, rule, OR_NOWHERE).is != OR_TRUE)
		return false;
	return !rule->has_unless_shown || or_dnf(w, &rule->unless_shown, OR_NOWHERE).is != OR_TRUE;
}

static void
review(struct report *r, uint32_t rule)
{
	enum pq_policy policy = r->w->model->rules[rule].policy;

	if (policy <= r->d->policy)
		return;
	r->d->policy = policy;
	r->d->policy_rule = cite(r, rule);
}

/* The most restrictive of the review rules, then of the requirements that count. */
static void
report_policy(struct report *r)
{
	const struct pq_model *model = r->w->model;

	if (r->d->outcome != PQ_OUTCOME_LICENSE_REQUIRED || r->root->fixed)
		return;
	for (uint32_t i = 0; i < model->n_rules; i++) {
		if (model->rules[i].kind == PQ_KIND_REVIEW && takes_effect(r->w, &model->rules[i]))
			review(r, i);
	}
	for (uint32_t i = 0; i < model->n_rules; i++) {
		if (model->rules[i].kind == PQ_KIND_REQUIREMENT && r->root->counts[i].is == OR_TRUE)
			review(r, i);
	}
	if (r->d->policy_rule != NULL)
		r->counted[r->d->policy_rule->index] = true;
}

/* Each obligation once, by the first rule that brings it. */
static void
oblige(struct report *r, uint32_t index)
{
	const struct pq_rule *rule = &r->w->model->rules[index];
	struct pq_decision *d = r->d;

	for (size_t i = 0; i < d->n_obligations; i++) {
		if (strcmp(d->obligations[i].name, rule->obligation) == 0)
			return;
	}
	r->counted[index] = true;
	d->obligations[d->n_obligations++] = (struct pq_duty){
		rule->obligation, is_empty(rule->label) ? rule->obligation : rule->label, cite(r, index)};
}

static void
report_after(struct report *r)
{
	struct or_world *w = r->w;
	struct pq_decision *d = r->d;

	report_policy(r);
	d->obligations = or_alloc(w->out, w->model->n_rules, sizeof(*d->obligations));
	for (uint32_t i = 0; i < w->model->n_rules; i++) {
		const struct pq_rule *rule = &w->model->rules[i];
		if (rule->kind == PQ_KIND_OBLIGATION && d->outcome != PQ_OUTCOME_NEEDS_INFORMATION && takes_effect(w, rule))
			oblige(r, i);
		if (rule->kind != PQ_KIND_WARNING || !takes_effect(w, rule))
			continue;
		r->counted[i] = true;
		d->warnings[d->n_warnings++] =
			(struct pq_notice){is_empty(rule->text) ? rule->title : rule->text, cite(r, i), ""};
	}
}

static void
report_rules(struct report *r)
{
	r->d->rules = or_alloc(r->w->out, r->w->model->n_rules, sizeof(*r->d->rules));
	for (uint32_t i = 0; i < r->w->model->n_rules; i++) {
		if (r->counted[i])
			r->d->rules[r->d->n_rules++] = cite(r, i);
	}
}

/* All that the outcome may hang on, in the place of a decision. */
static void
name_left(struct or_world *w, struct pq_decision *ret)
{
	*ret = (struct pq_decision){.missing = or_alloc(w->out, w->n_unknowns, sizeof(*ret->missing))};
	for (uint32_t id = 0; id < w->n_unknowns; id++) {
		if (!w->unknowns[id].is_row && or_deps_has(&w->left_by, id))
			add_unknown(w, id, ret->missing, &ret->n_missing);
	}
}

void
or_decide_part(struct or_world *w, struct pq_decision *ret)
{
	struct or_found found;
	struct or_node root;
	struct pq_arena *scratch = w->keep;

	or_search(w, &found);
	if (w->left) {
		name_left(w, ret);
		return;
	}
	*ret = (struct pq_decision){.outcome = found.outcome, .best = found.best, .worst = found.worst,
	                            .exact = found.exact, .as_of = w->request->as_of};
	if (found.is_root) {
		root = found.root;
	} else {
		or_world_forget(w, scratch);
		or_evaluate(w, &root);
	}
	struct report r = {.w = w, .d = ret, .root = &root, .found = &found};
	r.counted = or_alloc(w->keep, w->model->n_rules, sizeof(*r.counted));
	r.refs = or_alloc(w->keep, w->model->n_rules, sizeof(*r.refs));
	report_decisive(&r);
	report_jurisdiction(&r);
	report_requirements(&r);
	report_prohibitions(&r);
	report_available(&r);
	report_barred(&r);
	report_unknowns(&r);
	/* What was computed without the decision's attributes is what it would be with them. */
	if (w->asked_early)
		or_world_forget(w, scratch);
	set_decision(&r);
	report_after(&r);
	report_rules(&r);
	ret->jurisdiction = copy(w->out, ret->jurisdiction);
	w->decided = false;
}

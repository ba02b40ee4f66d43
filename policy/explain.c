/* Writing down a leg's decision: what counted, what is barred and by what, what is missing, what is due. */
#include "policy/decide_parts.h"

#include <stdio.h>
#include <string.h>

/* Lists of a decision grow in the arena; their bound is known before they are filled. */
static void *
list_of(struct pq_eval *ev, size_t n, size_t size)
{
	void *at = pq_arena_array(ev->arena, n > 0 ? n : 1, size);

	if (at == NULL)
		ev->oom = true;
	return at;
}

static const struct pq_rule_ref *
ref(const struct pq_eval *ev, uint32_t rule)
{
	return pq_image_rule(ev->image, rule);
}

static const char *
symbol_name(const struct pq_eval *ev, uint32_t domain, uint32_t symbol)
{
	if (domain == PQ_NO_INDEX || symbol == PQ_NO_INDEX)
		return "";
	return pq_string(ev->image, ev->p->symbols[ev->p->domains[domain].symbols.first + symbol]);
}

static bool
has_bit(const uint64_t *words, uint32_t bit)
{
	return words[bit / 64] >> (bit % 64) & 1;
}

/* ---- requirements and prohibitions ---- */

static void
fill_requirements(struct pq_eval *ev, struct pq_decision *d, bool fixed)
{
	const struct pq_p_meta *meta = ev->image->meta;
	bool show_possible = d->outcome == PQ_OUTCOME_LICENSE_REQUIRED || d->outcome == PQ_OUTCOME_NEEDS_INFORMATION;

	d->requirements = list_of(ev, ev->n_active, sizeof(*d->requirements));
	if (fixed)
		return;
	for (size_t i = 0; !ev->oom && i < ev->n_active; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->active[i].rule];
		if (rule->kind != PQ_KIND_REQUIREMENT)
			continue;
		enum pq_tri counts = ev->counts[rule->requirement];
		if (counts == PQ_F || (counts == PQ_U && !show_possible))
			continue;
		d->requirements[d->n_requirements++] = (struct pq_requirement){
		    .rule = ref(ev, ev->active[i].rule),
		    .authority = symbol_name(ev, meta->domain_authority, rule->authority),
		    .reason = symbol_name(ev, meta->domain_reason, rule->reason),
		    .label = pq_string(ev->image, rule->label),
		    .certain = counts == PQ_T,
		};
	}
}

static void
fill_prohibitions(struct pq_eval *ev, struct pq_decision *d, bool fixed)
{
	enum pq_kind kind = d->outcome == PQ_OUTCOME_PROHIBITED ? PQ_KIND_PROHIBITION : PQ_KIND_REFER;

	d->prohibitions = list_of(ev, ev->n_active, sizeof(*d->prohibitions));
	if (d->outcome != PQ_OUTCOME_PROHIBITED && d->outcome != PQ_OUTCOME_REFER)
		return;
	if (fixed && d->outcome != PQ_OUTCOME_REFER)
		return;
	for (size_t i = 0; !ev->oom && i < ev->n_active; i++) {
		if (ev->p->rules[ev->active[i].rule].kind == kind && ev->active[i].tri == PQ_T)
			d->prohibitions[d->n_prohibitions++] = ref(ev, ev->active[i].rule);
	}
}

/* ---- exceptions ---- */

static bool
already_available(const struct pq_decision *d, const char *name)
{
	for (size_t i = 0; i < d->n_available; i++) {
		if (strcmp(d->available[i].name, name) == 0)
			return true;
	}
	return false;
}

static void
fill_available(struct pq_eval *ev, struct pq_decision *d, const uint64_t *usable)
{
	d->available = list_of(ev, ev->n_exceptions, sizeof(*d->available));
	if (d->outcome != PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE && d->outcome != PQ_OUTCOME_EXEMPTION_AVAILABLE)
		return;
	for (size_t i = 0; !ev->oom && i < ev->n_exceptions; i++) {
		const struct pq_exception *e = &ev->exceptions[i];
		const char *name = pq_string(ev->image, ev->p->rules[e->rule].shown_as);
		if (has_bit(usable, e->symbol) && !already_available(d, name))
			d->available[d->n_available++] = (struct pq_usable){name, ref(ev, e->rule)};
	}
}

static const char *
attr_words(const struct pq_eval *ev, uint32_t attr)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];

	return pq_string(ev->image, a->title != 0 ? a->title : a->name);
}

/* The first condition that fails in the alternative that gets furthest. */
static const struct pq_p_cond *
failing_cond(struct pq_eval *ev, const struct pq_where *where, uint32_t dnf)
{
	const struct pq_p_dnf *d = &ev->p->dnfs[dnf];
	const struct pq_p_cond *found = NULL;
	uint32_t furthest = 0;

	for (uint32_t i = 0; i < d->alts.n; i++) {
		const struct pq_p_alt *alt = &ev->p->alts[d->alts.first + i];
		for (uint32_t c = 0; c < alt->conds.n; c++) {
			const struct pq_p_cond *cond = &ev->p->conds[alt->conds.first + c];
			if (pq_cond_truth(ev, where, cond) != PQ_F)
				continue;
			if (found == NULL || c > furthest) {
				found = cond;
				furthest = c;
			}
			break;
		}
	}
	return found;
}

static const char *
make_cond_words(struct pq_eval *ev, const struct pq_p_cond *cond, struct pq_arena *arena)
{
	char text[256];
	size_t len = 0;

	if (cond->inner != PQ_NO_INDEX)
		return pq_arena_printf(arena, "no fitting %s", pq_scope_name(cond->scope));
	const struct pq_p_attr *a = &ev->p->attrs[cond->attr];
	if (a->type == PQ_TYPE_BOOL)
		return pq_arena_printf(arena, "not met: %s%s", cond->op == PQ_OP_NONE ? "not " : "",
		                       attr_words(ev, cond->attr));
	if (cond->op == PQ_OP_RANGE)
		return pq_arena_printf(arena, "%s is outside its range", attr_words(ev, cond->attr));
	text[0] = '\0';
	for (uint32_t i = 0; i < cond->symbols.n && i < 6 && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? ", " : "",
		                        symbol_name(ev, a->domain, ev->p->lists[cond->symbols.first + i]));
	if (cond->symbols.n > 6 && len < sizeof(text))
		snprintf(text + len, sizeof(text) - len, ", ...");
	return pq_arena_printf(arena, "%s is %s %s", attr_words(ev, cond->attr),
	                       cond->op == PQ_OP_NONE ? "one of" : "none of", text);
}

static const char *
cond_words(struct pq_eval *ev, const struct pq_p_cond *cond)
{
	if (ev->texts == NULL)
		return make_cond_words(ev, cond, ev->arena);
	const char **text = &ev->texts->conds[cond - ev->p->conds];
	if (*text == NULL)
		*text = make_cond_words(ev, cond, ev->texts->arena);
	return *text;
}

static const char *
make_not_overcome_words(const struct pq_eval *ev, const struct pq_p_rule *rule, struct pq_arena *arena)
{
	const char *label = pq_string(ev->image, rule->label);
	const char *reason = symbol_name(ev, ev->image->meta->domain_reason, rule->reason);

	return pq_arena_printf(arena, "does not overcome %s", label[0] != '\0' ? label : reason);
}

static const char *
not_overcome_words(struct pq_eval *ev, uint32_t rule)
{
	if (ev->texts == NULL)
		return make_not_overcome_words(ev, &ev->p->rules[rule], ev->arena);
	const char **text = &ev->texts->not_overcome[rule];
	if (*text == NULL)
		*text = make_not_overcome_words(ev, &ev->p->rules[rule], ev->texts->arena);
	return *text;
}

/* The requirement that the exception does not overcome, in words. */
static const char *
not_overcome(struct pq_eval *ev, const struct pq_exception *e)
{
	for (size_t i = 0; i < ev->n_active; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->active[i].rule];
		if (rule->kind != PQ_KIND_REQUIREMENT || ev->counts[rule->requirement] != PQ_T || rule->has_allows ||
		    has_bit(e->over_poss, rule->reason))
			continue;
		return not_overcome_words(ev, ev->active[i].rule);
	}
	return "does not overcome every requirement";
}

static const char *
why_closed(struct pq_eval *ev, const struct pq_exception *e, const struct pq_rule_ref **ret_rule)
{
	struct pq_where where = pq_where_request(ev);

	*ret_rule = ref(ev, e->rule);
	if (e->barred == PQ_T) {
		*ret_rule = ref(ev, e->barred_by);
		return (*ret_rule)->cite;
	}
	if (e->match == PQ_F) {
		const struct pq_p_cond *cond = failing_cond(ev, &where, ev->p->rules[e->rule].dnf);
		return cond != NULL ? cond_words(ev, cond) : "its conditions are not met";
	}
	return not_overcome(ev, e);
}

static void
add_barred(struct pq_eval *ev, struct pq_decision *d, struct pq_barred barred)
{
	if (barred.reason == NULL)
		ev->oom = true;
	for (size_t i = 0; i < d->n_barred; i++) {
		if (strcmp(d->barred[i].name, barred.name) == 0)
			return;
	}
	d->barred[d->n_barred++] = barred;
}

static const char *const *
spares_of(struct pq_eval *ev, const struct pq_p_rule *rule)
{
	if (rule->bars_mode != PQ_BARS_ALL_BUT)
		return NULL;
	const char **spares = list_of(ev, (size_t)rule->spares.n + 1, sizeof(*spares));
	for (uint32_t i = 0; !ev->oom && i < rule->spares.n; i++)
		spares[i] = pq_string(ev->image, ev->p->lists[rule->spares.first + i]);
	return spares;
}

/* The bars that are surely in effect, each as the pack shows it. */
static void
fill_bars(struct pq_eval *ev, struct pq_decision *d)
{
	for (size_t i = 0; !ev->oom && i < ev->n_active; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->active[i].rule];
		bool bars = rule->kind == PQ_KIND_RESTRICTION && ev->active[i].tri == PQ_T;
		bars |= rule->kind == PQ_KIND_REQUIREMENT && rule->bars != PQ_NO_INDEX && ev->counts[rule->requirement] == PQ_T;
		if (!bars)
			continue;
		add_barred(ev, d,
		           (struct pq_barred){
		               .name = pq_string(ev->image, rule->bar_label),
		               .reason = pq_string(ev->image, rule->cite),
		               .rule = ref(ev, ev->active[i].rule),
		               .spares = spares_of(ev, rule),
		           });
	}
}

/* Under a name that several slices share (GOV) it is closed only if all of them are. */
static bool
name_is_open(const struct pq_eval *ev, const char *name)
{
	for (size_t i = 0; i < ev->n_exceptions; i++) {
		const struct pq_exception *e = &ev->exceptions[i];
		if (e->usable != PQ_F && strcmp(pq_string(ev->image, ev->p->rules[e->rule].shown_as), name) == 0)
			return true;
	}
	return false;
}

static bool
shows_barred(const struct pq_eval *ev, const struct pq_decision *d, bool fixed)
{
	return !fixed && !ev->request->jurisdiction_only && d->outcome != PQ_OUTCOME_NEEDS_INFORMATION;
}

/* An exception of another law was never in question here. */
static bool
of_another_law(const struct pq_p_rule *rule, const struct pq_p_jurisdiction *law)
{
	return rule->jurisdiction != PQ_NO_INDEX && law != NULL && rule->jurisdiction != law->symbol;
}

static void
fill_barred(struct pq_eval *ev, struct pq_decision *d, const struct pq_p_jurisdiction *law, bool fixed)
{
	d->barred = list_of(ev, ev->n_exceptions + ev->n_active, sizeof(*d->barred));
	if (ev->oom || !shows_barred(ev, d, fixed))
		return;
	fill_bars(ev, d);
	for (size_t i = 0; !ev->oom && i < ev->n_exceptions; i++) {
		const struct pq_exception *e = &ev->exceptions[i];
		const struct pq_p_rule *rule = &ev->p->rules[e->rule];
		const char *name = pq_string(ev->image, rule->shown_as);
		if (e->usable != PQ_F || name_is_open(ev, name) || of_another_law(rule, law))
			continue;
		const struct pq_rule_ref *by;
		const char *reason = why_closed(ev, e, &by);
		add_barred(ev, d, (struct pq_barred){.name = name, .reason = reason, .rule = by});
	}
}

/* ---- what is missing ---- */

static const char *
role_name(const struct pq_eval *ev, const struct pq_element *party)
{
	uint32_t role = ev->image->meta->role_attr;

	if (role == PQ_NO_INDEX)
		return NULL;
	const struct pq_given *given = &party->given[ev->p->attrs[role].slot];
	if (given->state != PQ_SAID || given->n_symbols != 1)
		return NULL;
	return symbol_name(ev, ev->p->attrs[role].domain, given->symbols[0]);
}

/* "parties.end_user" for each party of that role, or "parties[0]" for one without a role. */
static const char *
party_path(struct pq_eval *ev, const struct pq_element *party)
{
	const char *role = role_name(ev, party);
	const char *path = role != NULL ? pq_arena_printf(ev->arena, "parties.%s", role)
	                                : pq_arena_printf(ev->arena, "parties[%u]", party->index);

	ev->oom |= path == NULL;
	return path != NULL ? path : "";
}

const char *
pq_fact_name(struct pq_eval *ev, const struct pq_element *element, uint32_t attr)
{
	/* A nationality that is not known is asked for under its own name, not that of the fact it takes the place of. */
	uint32_t by = element->given[ev->p->attrs[attr].slot].named_by;
	const struct pq_p_attr *a = &ev->p->attrs[by != 0 ? by : attr];

	if (a->report_as != 0 || by != 0)
		return pq_string(ev->image, a->report_as != 0 ? a->report_as : a->name);
	return pq_fact_place(ev, element, attr);
}

const char *
pq_fact_place(struct pq_eval *ev, const struct pq_element *element, uint32_t attr)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	const char *name = pq_string(ev->image, a->name);

	switch ((enum pq_scope)a->scope) {
	case PQ_SCOPE_PARTY:
		return pq_arena_printf(ev->arena, "%s.%s", party_path(ev, element), name + strlen("party."));
	case PQ_SCOPE_OWNER:
		return pq_arena_printf(ev->arena, "%s.owners[%u].%s", party_path(ev, &ev->parties[element->party]),
		                       element->index, name + strlen("owner."));
	case PQ_SCOPE_HIT:
		return pq_arena_printf(ev->arena, "screening.hits[%u].%s", element->index, name + strlen("hit."));
	case PQ_SCOPE_INTERMEDIATE:
		return pq_arena_printf(ev->arena, "intermediate[%u].%s", element->index, name + strlen("intermediate."));
	case PQ_SCOPE_REQUEST:
	case PQ_SCOPE_DECISION:
	case PQ_SCOPE_COUNT:
		break;
	}
	return name;
}

static const char *
var_question(const struct pq_eval *ev, const struct pq_var *var)
{
	const struct pq_p_attr *a = &ev->p->attrs[var->attr];
	uint32_t by = var->element->given[a->slot].named_by;

	if (by != 0)
		a = &ev->p->attrs[by];
	return pq_string(ev->image, a->ask);
}

/* The facts of the mask in the order in which the packs declare them, then in that in which they were numbered. */
static size_t
sort_facts(const struct pq_eval *ev, const struct pq_mask *mask, const struct pq_var **ret)
{
	size_t n = 0;

	for (uint32_t i = 0; i < ev->n_vars; i++) {
		const struct pq_var *var = &ev->vars[i];
		if (!has_bit(mask->w, i) || var->attr == PQ_NO_INDEX)
			continue;
		size_t at = n++;
		for (; at > 0 && ret[at - 1]->attr > var->attr; at--)
			ret[at] = ret[at - 1];
		ret[at] = var;
	}
	return n;
}

/* Each name once. */
static void
fill_missing(struct pq_eval *ev, const struct pq_mask *mask, struct pq_missing **ret, size_t *ret_n)
{
	const struct pq_var *vars[PQ_MAX_VARS];
	size_t n = sort_facts(ev, mask, vars);

	*ret = list_of(ev, n, sizeof(**ret));
	for (size_t i = 0; !ev->oom && i < n; i++) {
		const char *name = pq_fact_name(ev, vars[i]->element, vars[i]->attr);
		bool known = name == NULL;
		for (size_t k = 0; !known && k < *ret_n; k++)
			known = strcmp((*ret)[k].name, name) == 0;
		if (!known)
			(*ret)[(*ret_n)++] = (struct pq_missing){name, var_question(ev, vars[i])};
		ev->oom |= name == NULL;
	}
}

/* ---- after the outcome ---- */

static void
fill_policy(struct pq_eval *ev, struct pq_decision *d)
{
	if (d->outcome != PQ_OUTCOME_LICENSE_REQUIRED)
		return;
	for (size_t i = 0; i < ev->n_post; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->post[i].rule];
		if (rule->kind == PQ_KIND_REVIEW && (enum pq_policy)rule->policy > d->policy) {
			d->policy = rule->policy;
			d->policy_rule = ref(ev, ev->post[i].rule);
		}
	}
	for (size_t i = 0; i < ev->n_active; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->active[i].rule];
		if (rule->kind == PQ_KIND_REQUIREMENT && ev->counts[rule->requirement] == PQ_T &&
		    (enum pq_policy)rule->policy > d->policy) {
			d->policy = rule->policy;
			d->policy_rule = ref(ev, ev->active[i].rule);
		}
	}
}

static void
fill_duties(struct pq_eval *ev, struct pq_decision *d)
{
	d->obligations = list_of(ev, ev->n_post, sizeof(*d->obligations));
	if (d->outcome == PQ_OUTCOME_NEEDS_INFORMATION)
		return;
	for (size_t i = 0; !ev->oom && i < ev->n_post; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->post[i].rule];
		const char *name = pq_string(ev->image, rule->obligation);
		bool known = rule->kind != PQ_KIND_OBLIGATION;
		for (size_t k = 0; !known && k < d->n_obligations; k++)
			known = strcmp(d->obligations[k].name, name) == 0;
		if (known)
			continue;
		const char *label = rule->label != 0 ? pq_string(ev->image, rule->label) : name;
		d->obligations[d->n_obligations++] = (struct pq_duty){name, label, ref(ev, ev->post[i].rule)};
	}
}

/* What the rows about a code say of its paragraphs. */
struct paragraphs {
	bool listed;       /* a row lists the path, one above or below it, or all but some */
	const char *first; /* a top paragraph that they list, or NULL */
	bool many;         /* they list another top paragraph too */
};

static bool
same_top(const char *a, const char *b)
{
	size_t len = strcspn(a, ".");
	return len == strcspn(b, ".") && memcmp(a, b, len) == 0;
}

static void
add_row(const struct pq_eval *ev, const struct pq_p_row *row, const struct pq_p_contribution *c,
        const struct pq_text *path, struct paragraphs *of)
{
	const struct pq_p_cell *paths = NULL;

	for (uint32_t k = 0; k < c->keys.n; k++) {
		const struct pq_p_key *key = &ev->p->keys[c->keys.first + k];
		if (ev->p->attrs[key->attr].type == PQ_TYPE_PATH)
			paths = &ev->p->cells[row->cells + key->column];
	}
	if (paths == NULL)
		return;
	of->listed |= paths->paths_mode == PQ_PATHS_EXCEPT;
	for (uint32_t i = 0; i < paths->items.n; i++) {
		const char *path_listed = pq_string(ev->image, ev->p->lists[paths->items.first + i]);
		size_t len = strlen(path_listed), common = len < path->len ? len : path->len;
		of->listed |= memcmp(path_listed, path->at, common) == 0 &&
		              (len == path->len || (len < path->len ? path->at[len] : path_listed[path->len]) == '.');
		if (of->first == NULL)
			of->first = path_listed;
		else
			of->many |= !same_top(of->first, path_listed);
	}
}

/* The rows that the lookup joins by this code, from the column's index; none where it has no index. */
static const uint32_t *
rows_of(const struct pq_eval *ev, const struct pq_p_contribution *c, uint32_t code, uint32_t symbol, uint32_t *ret_n)
{
	for (uint32_t k = 0; k < c->keys.n; k++) {
		const struct pq_p_key *key = &ev->p->keys[c->keys.first + k];
		const struct pq_p_column *column = &ev->p->columns[ev->p->tables[c->table].columns.first + key->column];
		if (key->attr != code || column->index == PQ_NO_INDEX)
			continue;
		const uint32_t *starts = ev->p->lists + column->index;
		*ret_n = starts[symbol + 1] - starts[symbol];
		return ev->p->lists + column->index_rows + starts[symbol];
	}
	return NULL;
}

/*
 * A path that no row names while rows name several others of the same code: it may be free of controls, or not exist.
 * (Where they name only one other, that one has a control of its own, and the rest of the entry is not enumerated.)
 */
static bool
path_is_strange(const struct pq_eval *ev, uint32_t code, uint32_t symbol, const struct pq_text *path)
{
	struct pq_span lookups = ev->p->attrs[ev->p->attrs[code].path].path_lookups;
	struct paragraphs of = {0};

	for (uint32_t i = 0; i < lookups.n && !of.listed; i++) {
		const struct pq_p_contribution *c = &ev->p->contributions[ev->p->lists[lookups.first + i]];
		uint32_t n = 0;
		const uint32_t *rows = rows_of(ev, c, code, symbol, &n);
		for (uint32_t r = 0; r < n && !of.listed; r++)
			add_row(ev, &ev->p->rows[rows[r]], c, path, &of);
	}
	return of.many && !of.listed;
}

static void
warn_of_strange_paths(struct pq_eval *ev, struct pq_decision *d)
{
	for (size_t k = 0; !ev->oom && k < ev->image->n_path_codes; k++) {
		uint32_t i = ev->image->path_codes[k];
		const struct pq_p_attr *a = &ev->p->attrs[i];
		const struct pq_given *given = &ev->req.given[a->slot];
		if (given->state != PQ_SAID || given->n_symbols != 1 || given->text.len == 0 ||
		    !path_is_strange(ev, i, given->symbols[0], &given->text))
			continue;
		const char *text = pq_arena_printf(ev->arena,
		                                   "%s: the tables name other paragraphs of %s, but none like %.*s: make sure that "
		                                   "it exists",
		                                   pq_string(ev->image, a->name), symbol_name(ev, a->domain, given->symbols[0]),
		                                   (int)given->text.len, given->text.at);
		ev->oom |= text == NULL;
		d->warnings[d->n_warnings++] = (struct pq_notice){text, NULL, ""};
	}
}

static void
fill_warnings(struct pq_eval *ev, struct pq_decision *d, const struct pq_mask *doubtful)
{
	d->warnings = list_of(ev, ev->n_post + ev->n_row_vars + ev->image->n_path_codes, sizeof(*d->warnings));
	warn_of_strange_paths(ev, d);
	for (size_t i = 0; !ev->oom && i < ev->n_post; i++) {
		const struct pq_p_rule *rule = &ev->p->rules[ev->post[i].rule];
		if (rule->kind != PQ_KIND_WARNING)
			continue;
		const char *text = pq_string(ev->image, rule->text != 0 ? rule->text : rule->title);
		d->warnings[d->n_warnings++] = (struct pq_notice){text, ref(ev, ev->post[i].rule), ""};
	}
	for (size_t i = 0; !ev->oom && i < ev->n_row_vars; i++) {
		uint32_t var = ev->row_vars[i];
		if (!has_bit(doubtful->w, var))
			continue;
		const struct pq_p_row *row = &ev->p->rows[ev->vars[var].row];
		const char *table = pq_string(ev->image, ev->p->tables[row->table].name);
		const char *source = pq_arena_printf(ev->arena, "%s:%d", pq_string(ev->image, row->file), row->line);
		const char *text = pq_arena_printf(ev->arena, "whether a row of table %s is in force is not known (%s): %s", table,
		                                   pq_string(ev->image, row->cite), pq_string(ev->image, row->note));
		ev->oom |= source == NULL || text == NULL;
		d->warnings[d->n_warnings++] = (struct pq_notice){text, NULL, source};
	}
}

/* ---- every rule that counted ---- */

/* The jurisdiction rule that gave the law: the first of its attribute that surely holds. */
static uint32_t
jurisdiction_rule(const struct pq_eval *ev)
{
	const struct pq_p_attr *a = &ev->p->attrs[PQ_ATTR_JURISDICTION];

	for (uint32_t i = 0; i < a->contributions.n; i++) {
		const struct pq_p_contribution *c = &ev->p->contributions[a->contributions.first + i];
		if (c->dnf == PQ_NO_INDEX || ev->req.tri[ev->p->dnfs[c->dnf].slot] == PQ_T)
			return c->rule;
	}
	return PQ_NO_INDEX;
}

/* Into the order of the rules, once; most come in that order. */
static void
put_rule(struct pq_decision *d, const struct pq_rule_ref *rule)
{
	size_t at = d->n_rules;

	if (rule == NULL)
		return;
	while (at > 0 && d->rules[at - 1]->index > rule->index)
		at--;
	if (at > 0 && d->rules[at - 1] == rule)
		return;
	memmove(d->rules + at + 1, d->rules + at, (d->n_rules - at) * sizeof(const struct pq_rule_ref *));
	d->rules[at] = rule;
	d->n_rules++;
}

/* Of the rules that are matched before the outcome those that surely hold. */
static bool
counted(const struct pq_eval *ev, const struct pq_active *active)
{
	const struct pq_p_rule *rule = &ev->p->rules[active->rule];

	if (rule->kind == PQ_KIND_REQUIREMENT)
		return ev->counts[rule->requirement] == PQ_T;
	if (rule->kind == PQ_KIND_EXCEPTION && ev->exception_at[rule->exception] < 0)
		return false;
	return active->tri == PQ_T;
}

static void
fill_rules(struct pq_eval *ev, struct pq_decision *d, bool fixed)
{
	uint32_t law = jurisdiction_rule(ev);
	size_t n = 2 + d->n_obligations + d->n_warnings;

	for (size_t i = 0; !fixed && i < ev->n_active; i++)
		n += counted(ev, &ev->active[i]);
	d->rules = list_of(ev, n, sizeof(*d->rules));
	if (ev->oom)
		return;
	for (size_t i = 0; !fixed && i < ev->n_active; i++)
		put_rule(d, counted(ev, &ev->active[i]) ? ref(ev, ev->active[i].rule) : NULL);
	put_rule(d, d->jurisdiction[0] != '\0' && law != PQ_NO_INDEX ? ref(ev, law) : NULL);
	for (size_t i = 0; i < d->n_obligations; i++)
		put_rule(d, d->obligations[i].rule);
	for (size_t i = 0; i < d->n_warnings; i++)
		put_rule(d, d->warnings[i].rule);
	put_rule(d, d->policy_rule);
}

/* ---- one leg ---- */

/* Always; bench/why.sh measures what it costs against a build that leaves the reasons out. */
#ifdef PQ_WITHOUT_REASONS
#define WITH_REASONS false
#else
#define WITH_REASONS true
#endif

static void
write_down(struct pq_eval *ev, struct pq_decision *d, struct pq_outcome_range *range,
           const struct pq_search_result *found)
{
	/* Where the law alone gives the answer, its rules are not shown. */
	bool fixed = (range->jurisdiction == NULL && found == NULL) || ev->request->jurisdiction_only ||
	             (range->jurisdiction != NULL && range->jurisdiction->fixed != PQ_OUTCOME_NONE);
	struct pq_mask nothing = {0};

	if (range->jurisdiction != NULL)
		d->jurisdiction = symbol_name(ev, ev->image->meta->domain_jurisdiction, range->jurisdiction->symbol);
	pq_evaluate_post(ev, d->outcome, range);
	fill_available(ev, d, range->usable);
	if (WITH_REASONS) {
		fill_requirements(ev, d, fixed);
		fill_prohibitions(ev, d, fixed);
		fill_barred(ev, d, range->jurisdiction, fixed);
	}
	fill_policy(ev, d);
	fill_duties(ev, d);
	fill_warnings(ev, d, found != NULL ? &found->missing : &nothing);
	if (found != NULL && (d->outcome == PQ_OUTCOME_NEEDS_INFORMATION || d->outcome == PQ_OUTCOME_REFER)) {
		fill_missing(ev, &found->missing, &d->missing, &d->n_missing);
	} else if (WITH_REASONS) {
		struct pq_mask moot = pq_outcome_deps(ev, range);
		fill_missing(ev, &moot, &d->moot, &d->n_moot);
	}
	if (WITH_REASONS)
		fill_rules(ev, d, fixed);
}

bool
pq_decide_leg(struct pq_eval *ev, uint32_t by, struct pq_decision *ret,
              const struct pq_p_jurisdiction **ret_jurisdiction)
{
	struct pq_outcome_range range = {0};
	struct pq_search_result found = {0};

	*ret = (struct pq_decision){.exact = true, .as_of = ev->request->as_of, .jurisdiction = ""};
	range.usable = list_of(ev, (size_t)ev->image->meta->exception_words + 1, sizeof(*range.usable));
	if (ev->oom)
		return true;
	/* Most often nothing unknown matters; only where it does unknowns are told apart. */
	ev->quiet = true;
	pq_evaluate(ev, &range);
	*ret_jurisdiction = range.jurisdiction;
	if (by != PQ_NO_INDEX && range.jurisdiction != NULL && range.jurisdiction->release_by != PQ_NO_INDEX &&
	    range.jurisdiction->release_by != by)
		return false;
	if (!range.determined || pq_outcome_deps(ev, &range).overflow || ev->request->near_misses > 0) {
		ev->quiet = false;
		pq_forget_unknowns(ev);
		pq_evaluate(ev, &range);
	}
	bool searched = !range.determined;
	if (searched) {
		pq_search(ev, &found);
		if (ev->oom)
			return true;
		pq_evaluate(ev, &range); /* back to what is known */
		memcpy(range.usable, found.usable, ev->image->meta->exception_words * sizeof(*range.usable));
		ret->outcome = found.outcome;
		ret->best = found.best;
		ret->worst = found.worst;
		ret->exact = found.exact;
	} else {
		ret->outcome = range.best;
		ret->best = range.best;
		ret->worst = range.worst;
	}
	write_down(ev, ret, &range, searched ? &found : NULL);
	if (ev->request->near_misses > 0 && !ev->oom)
		pq_find_near_misses(ev, ret->outcome, ret);
	return true;
}

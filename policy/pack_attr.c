#include "policy/pack_loader.h"

#include <stdlib.h>
#include <string.h>

static const char *const fact_keys[] = {"name", "type", "domain",    "required", "silence",   "null_is", "title", "ask",
                                        "min",  "max",  "report_as", "note",     "separator", "path",    "marks", "fixed",
                                        "recorded", NULL};
static const char *const attr_keys[] = {"name", "type", "domain", "title", "note", "said", "reads", NULL};
static const char *const read_keys[] = {"fact", "digits", NULL};
static const char *const silence_keys[] = {"when", "value", "copy", "lines", NULL};
static const char *const mark_keys[] = {"prefixes", "sets", NULL};
static const char *const line_keys[] = {"sum", "same", NULL};

uint32_t
pq_ld_attr_new(struct pq_loader *ld, const char *name, enum pq_type type, uint32_t domain, struct pq_src src)
{
	uint32_t index = (uint32_t)ld->attrs.n;
	struct pq_attr *attr = PQ_VEC_PUSH(ld, &ld->attrs);
	const char *dot = strchr(name, '.');

	(void)PQ_VEC_PUSH(ld, &ld->attr_infos);
	*attr = (struct pq_attr){.name = name,
	                         .type = type,
	                         .domain = domain,
	                         .pack = ld->pack,
	                         .title = "",
	                         .src = src,
	                         .ask = "",
	                         .path = PQ_NO_INDEX,
	                         .mark_attr = PQ_NO_INDEX};
	for (int scope = PQ_SCOPE_PARTY; dot != NULL && scope < PQ_SCOPE_COUNT; scope++) {
		const char *word = pq_scope_name((enum pq_scope)scope);
		if (strlen(word) == (size_t)(dot - name) && strncmp(word, name, (size_t)(dot - name)) == 0)
			attr->scope = (enum pq_scope)scope;
	}
	pq_map_put(ld, &ld->attr_names, name, index);
	return index;
}

void
pq_ld_builtin_attrs(struct pq_loader *ld)
{
	const struct pq_model *model = &ld->model;
	const struct {
		const char *name;
		enum pq_type type;
		uint32_t domain;
		const char *title;
	} builtins[PQ_ATTR_FIRST_DECLARED] = {
		[PQ_ATTR_AS_OF] = {"as_of", PQ_TYPE_DATE, PQ_NO_INDEX, "the day of the transaction"},
		[PQ_ATTR_JURISDICTION] = {"jurisdiction", PQ_TYPE_SYMBOL, model->domain_jurisdiction, "the law that applies"},
		[PQ_ATTR_DECISION_OUTCOME] = {"decision.outcome", PQ_TYPE_SYMBOL, model->domain_outcome, "the outcome"},
		[PQ_ATTR_DECISION_AUTHORITY] = {"decision.authority", PQ_TYPE_SYMBOLS, model->domain_authority,
	                                    "authorities of the requirements"},
		[PQ_ATTR_DECISION_REASONS] = {"decision.reasons", PQ_TYPE_SYMBOLS, model->domain_reason,
	                                  "reasons of the requirements"},
		[PQ_ATTR_DECISION_EXCEPTIONS] = {"decision.exceptions", PQ_TYPE_SYMBOLS, model->domain_exception,
	                                     "usable exceptions"},
		[PQ_ATTR_DECISION_SOLE] = {"decision.sole_exception", PQ_TYPE_SYMBOL, model->domain_exception,
	                               "the only usable exception"},
	};

	ld->pack = PQ_NO_INDEX;
	for (size_t i = 0; i < PQ_ATTR_FIRST_DECLARED; i++) {
		uint32_t attr =
			pq_ld_attr_new(ld, builtins[i].name, builtins[i].type, builtins[i].domain, (struct pq_src){"", 0, 0});
		ld->attrs.at[attr].title = builtins[i].title;
		ld->attr_infos.at[attr].used = ld->attr_infos.at[attr].given = true;
	}
}

/* ---- declarations ------------------------------------------------------------------------------------------------ */

/** The name of a new attribute; NULL (told): it cannot be one. */
static const char *
new_name(struct pq_loader *ld, const struct pq_node *node, const struct pq_node *decl)
{
	if (node == NULL) {
		pq_ld_error(ld, decl->src, "needs a name");
		return NULL;
	}
	const char *name = pq_ld_text(ld, node, "name");
	if (name == NULL)
		return NULL;
	if (!pq_ld_is_name(name)) {
		pq_ld_error(ld, node->src, "\"%s\" cannot be a name: letters, digits, \".\", \"-\" and \"_\"", name);
		return NULL;
	}
	if (strncmp(name, "decision.", 9) == 0 || strncmp(name, "saved.", 6) == 0) {
		pq_ld_error(ld, node->src, "names that begin with \"decision.\" or \"saved.\" are the engine's own");
		return NULL;
	}
	uint32_t other = pq_map_get(&ld->attr_names, name);
	if (other != PQ_NO_INDEX) {
		const struct pq_src *src = &ld->attrs.at[other].src;
		if (src->line == 0)
			pq_ld_error(ld, node->src, "\"%s\" exists without being declared", name);
		else
			pq_ld_error(ld, node->src, "\"%s\" is declared already, at %s:%d", name, src->file, src->line);
		return NULL;
	}
	return name;
}

/** Type and domain of a declaration. False (told): wrong. */
static bool
read_type(struct pq_loader *ld, const struct pq_node *decl, bool fact, enum pq_type *ret_type, uint32_t *ret_domain)
{
	const struct pq_node *node = pq_node_get(decl, "type"), *domain = pq_node_get(decl, "domain");
	enum pq_type type;

	if (node == NULL || node->kind != PQ_NODE_TEXT || !pq_type_parse(node->text, &type)) {
		pq_ld_error(ld, node != NULL ? node->src : decl->src, "needs a type: bool, symbol, symbols, number, date%s",
		            fact ? ", code or text" : "");
		return false;
	}
	if (type == PQ_TYPE_PATH || (!fact && (type == PQ_TYPE_CODE || type == PQ_TYPE_TEXT))) {
		pq_ld_error(ld, node->src, "%s cannot be of type %s", fact ? "a fact" : "an attribute", pq_type_name(type));
		return false;
	}
	bool wants_domain = type == PQ_TYPE_SYMBOL || type == PQ_TYPE_SYMBOLS || type == PQ_TYPE_CODE;
	*ret_type = type;
	*ret_domain = type == PQ_TYPE_BOOL ? PQ_DOMAIN_BOOL : PQ_NO_INDEX;
	if (wants_domain && domain == NULL) {
		pq_ld_error(ld, decl->src, "type %s needs a domain", pq_type_name(type));
		return false;
	}
	if (!wants_domain && domain != NULL) {
		pq_ld_error(ld, domain->src, "type %s has no domain", pq_type_name(type));
		return false;
	}
	if (wants_domain)
		*ret_domain = pq_ld_domain(ld, domain);
	return !wants_domain || *ret_domain != PQ_NO_INDEX;
}

/** Declare by name; even a broken one, so that its uses are no further errors. PQ_NO_INDEX: it has no good name. */
static uint32_t
declare(struct pq_loader *ld, const struct pq_node *decl, bool fact, const char *const *keys)
{
	enum pq_type type = PQ_TYPE_TEXT;
	uint32_t domain = PQ_NO_INDEX;

	if (!pq_ld_keys(ld, decl, fact ? "a fact" : "an attribute", keys))
		return PQ_NO_INDEX;
	const struct pq_node *name_node = pq_node_get(decl, "name");
	const char *name = new_name(ld, name_node, decl);
	bool good = read_type(ld, decl, fact, &type, &domain);
	if (name == NULL)
		return PQ_NO_INDEX;
	uint32_t index = pq_ld_attr_new(ld, name, type, domain, name_node->src);
	struct pq_attr *attr = &ld->attrs.at[index];
	attr->title = pq_ld_text_at(ld, decl, "title", "");
	attr->is_fact = fact;
	ld->attr_infos.at[index].node = decl;
	ld->attr_infos.at[index].broken = !good;
	return index;
}

/** The attribute that takes the path of a code, in a domain of its own. */
static void
declare_path(struct pq_loader *ld, uint32_t code, const struct pq_node *node, const struct pq_node *decl)
{
	const char *name = new_name(ld, node, decl);

	if (name == NULL)
		return;
	uint32_t path = pq_ld_attr_new(ld, name, PQ_TYPE_PATH, PQ_NO_INDEX, node->src);
	struct pq_attr *attr = &ld->attrs.at[path];
	attr->domain = pq_ld_domain_new(ld, pq_ld_printf(ld, "path:%s", name), node->src);
	attr->is_fact = true;
	attr->path = code;
	attr->title = ld->attrs.at[code].title;
	attr->ask = pq_ld_printf(ld, "Which paragraph? (%s)", ld->attrs.at[code].name);
	attr->recorded = ld->attrs.at[code].recorded;
	ld->attrs.at[code].path = path;
	ld->attr_infos.at[path].used = ld->attr_infos.at[path].given = true;
	if (attr->scope != ld->attrs.at[code].scope)
		pq_ld_error(ld, node->src, "\"%s\" and its code must sit in the same place", name);
}

static void
declare_code(struct pq_loader *ld, uint32_t code, const struct pq_node *decl)
{
	const struct pq_node *separator = pq_node_get(decl, "separator"), *path = pq_node_get(decl, "path");

	if (ld->attrs.at[code].type != PQ_TYPE_CODE) {
		const struct pq_node *marks = pq_node_get(decl, "marks");
		const struct pq_node *wrong = separator != NULL ? separator : path != NULL ? path : marks;
		if (wrong != NULL && !ld->attr_infos.at[code].broken)
			pq_ld_error(ld, wrong->src, "only a code has separator, path and marks");
		return;
	}
	ld->attrs.at[code].separator = '.';
	if (separator != NULL && separator->kind == PQ_NODE_TEXT &&
	    (strcmp(separator->text, ".") == 0 || strcmp(separator->text, "(") == 0))
		ld->attrs.at[code].separator = separator->text[0];
	else if (separator != NULL)
		pq_ld_error(ld, separator->src, "the separator is \".\" or \"(\"");
	if (path != NULL)
		declare_path(ld, code, path, decl);
}

static const struct pq_node *
list_or_null(struct pq_loader *ld, const struct pq_node *list, const char *what)
{
	if (list->kind == PQ_NODE_LIST)
		return list;
	pq_ld_error(ld, list->src, "%s must be a list", what);
	return NULL;
}

void
pq_ld_declare_facts(struct pq_loader *ld, const struct pq_node *list)
{
	list = list_or_null(ld, list, "facts");
	for (size_t i = 0; list != NULL && i < list->n; i++) {
		const struct pq_node *decl = list->items[i];
		uint32_t fact = declare(ld, decl, true, fact_keys);
		if (fact == PQ_NO_INDEX)
			continue;
		ld->attr_infos.at[fact].given = true;
		struct pq_attr *attr = &ld->attrs.at[fact];
		attr->ask = pq_ld_text_at(ld, decl, "ask", "");
		attr->report_as = pq_ld_text_at(ld, decl, "report_as", NULL);
		attr->required = pq_ld_bool_at(ld, decl, "required", false);
		attr->fixed = pq_ld_bool_at(ld, decl, "fixed", false);
		attr->recorded = pq_ld_bool_at(ld, decl, "recorded", false);
		declare_code(ld, fact, decl);
	}
}

void
pq_ld_declare_attrs(struct pq_loader *ld, const struct pq_node *list)
{
	list = list_or_null(ld, list, "attributes");
	for (size_t i = 0; list != NULL && i < list->n; i++)
		(void)declare(ld, list->items[i], false, attr_keys);
}

/* ---- looking up -------------------------------------------------------------------------------------------------- */

uint32_t
pq_ld_attr(struct pq_loader *ld, const struct pq_node *node)
{
	const char *name = pq_ld_text(ld, node, "the name of an attribute");

	if (name == NULL)
		return PQ_NO_INDEX;
	uint32_t index = pq_map_get(&ld->attr_names, name);
	if (index == PQ_NO_INDEX) {
		if (!ld->any_broken)
			pq_ld_error(ld, node->src, "no fact or attribute \"%s\"%s", name, pq_ld_propose_attr(ld, name));
		return PQ_NO_INDEX;
	}
	ld->attr_infos.at[index].used = true;
	if (ld->attrs.at[index].recorded)
		pq_ld_warn(ld, node->src, "the fact \"%s\" is kept for the record only, and is used here all the same", name);
	return ld->attr_infos.at[index].broken ? PQ_NO_INDEX : index;
}

uint32_t
pq_ld_attr_seen(struct pq_loader *ld, const struct pq_node *node, enum pq_scope scope)
{
	uint32_t index = pq_ld_attr(ld, node);

	if (index == PQ_NO_INDEX)
		return PQ_NO_INDEX;
	enum pq_scope own = ld->attrs.at[index].scope;
	if (own == PQ_SCOPE_REQUEST || own == scope || (own == PQ_SCOPE_PARTY && scope == PQ_SCOPE_OWNER))
		return index;
	pq_ld_error(ld, node->src, "\"%s\" belongs to one %s and cannot be asked here", ld->attrs.at[index].name,
	            pq_scope_name(own));
	return PQ_NO_INDEX;
}

bool
pq_ld_copies(struct pq_loader *ld, uint32_t from, uint32_t to, struct pq_src src)
{
	const struct pq_attr *a = &ld->attrs.at[from], *b = &ld->attrs.at[to];
	bool symbol = a->type == PQ_TYPE_SYMBOL || a->type == PQ_TYPE_CODE;
	bool types = a->type == b->type || (symbol && (b->type == PQ_TYPE_SYMBOL || b->type == PQ_TYPE_SYMBOLS));

	if (types && a->type != PQ_TYPE_PATH && a->domain == b->domain)
		return true;
	pq_ld_error(ld, src, "\"%s\" has another type or domain than \"%s\"", a->name, b->name);
	return false;
}

bool
pq_ld_lines(struct pq_loader *ld, const struct pq_node *node, enum pq_scope scope, uint32_t *ret_sum,
            uint32_t *ret_same)
{
	if (!pq_ld_keys(ld, node, "lines", line_keys))
		return false;
	const struct pq_node *sum_node = pq_node_get(node, "sum"), *same_node = pq_node_get(node, "same");
	if (sum_node == NULL || same_node == NULL) {
		pq_ld_error(ld, node->src, "lines needs \"sum\" and \"same\"");
		return false;
	}
	uint32_t sum = pq_ld_attr_seen(ld, sum_node, scope), same = pq_ld_attr_seen(ld, same_node, scope);
	if (sum == PQ_NO_INDEX || same == PQ_NO_INDEX)
		return false;
	const struct pq_attr *summed = &ld->attrs.at[sum], *key = &ld->attrs.at[same];
	if (!summed->is_fact || summed->type != PQ_TYPE_NUMBER || summed->scope != PQ_SCOPE_REQUEST) {
		pq_ld_error(ld, sum_node->src, "\"sum\" must be a fact of the request of type number");
		return false;
	}
	if (!key->is_fact || key->scope != PQ_SCOPE_REQUEST) {
		pq_ld_error(ld, same_node->src, "\"same\" must be a fact of the request");
		return false;
	}
	*ret_sum = sum;
	*ret_same = same;
	return true;
}

/* ---- what needs symbols ------------------------------------------------------------------------------------------ */

static void
link_said(struct pq_loader *ld, uint32_t index, const struct pq_node *list)
{
	size_t n;
	struct pq_node *const *items = pq_ld_list(&list, &n);
	struct pq_indexes said = {pq_ld_array(ld, n, sizeof(uint32_t)), 0};

	if (ld->attrs.at[index].type != PQ_TYPE_BOOL)
		pq_ld_error(ld, list->src, "only a bool tells what is said");
	for (size_t i = 0; i < n; i++) {
		uint32_t fact = pq_ld_attr(ld, items[i]);
		if (fact == PQ_NO_INDEX)
			continue;
		if (!ld->attrs.at[fact].is_fact || ld->attrs.at[fact].type == PQ_TYPE_PATH ||
		    ld->attrs.at[fact].scope != ld->attrs.at[index].scope)
			pq_ld_error(ld, items[i]->src, "\"said\" lists facts that sit where the attribute does");
		else
			said.at[said.n++] = fact;
	}
	ld->attrs.at[index].said = said;
	ld->attr_infos.at[index].given = true;
}

/* The symbol that a text begins with: of so many digits, whatever else stands between them. */
static void
link_reads(struct pq_loader *ld, uint32_t index, const struct pq_node *reads)
{
	struct pq_attr *attr = &ld->attrs.at[index];

	if (!pq_ld_keys(ld, reads, "reads", read_keys))
		return;
	const struct pq_node *fact_node = pq_node_get(reads, "fact"), *digits = pq_node_get(reads, "digits");
	if (fact_node == NULL || digits == NULL || digits->kind != PQ_NODE_TEXT) {
		pq_ld_error(ld, reads->src, "reads needs \"fact\" and \"digits\"");
		return;
	}
	char *end;
	long n = strtol(digits->text, &end, 10);
	if (n < 1 || n > PQ_MAX_DIGITS || *end != '\0') {
		pq_ld_error(ld, digits->src, "digits is a number from 1 to %d", PQ_MAX_DIGITS);
		return;
	}
	uint32_t fact = pq_ld_attr(ld, fact_node);
	if (fact == PQ_NO_INDEX)
		return;
	const struct pq_attr *text = &ld->attrs.at[fact];
	if (!text->is_fact || text->type != PQ_TYPE_TEXT || text->scope != attr->scope) {
		pq_ld_error(ld, fact_node->src, "\"%s\" must be a fact of type text that sits where the attribute does", text->name);
		return;
	}
	if (attr->type != PQ_TYPE_SYMBOL) {
		pq_ld_error(ld, reads->src, "only a symbol is read from a text");
		return;
	}
	attr->said = (struct pq_indexes){pq_ld_array(ld, 1, sizeof(uint32_t)), 0};
	attr->said.at[attr->said.n++] = fact;
	attr->digits = (uint8_t)n;
	ld->attr_infos.at[index].given = true;
}

void
pq_ld_link_facts(struct pq_loader *ld)
{
	for (uint32_t i = 0; i < ld->attrs.n; i++) {
		const struct pq_node *decl = ld->attr_infos.at[i].node;
		if (decl == NULL || ld->attrs.at[i].is_fact)
			continue;
		const struct pq_node *said = pq_node_get(decl, "said"), *reads = pq_node_get(decl, "reads");
		if (said != NULL && reads != NULL)
			pq_ld_error(ld, reads->src, "an attribute has \"said\" or \"reads\", not both");
		else if (said != NULL)
			link_said(ld, i, said);
		else if (reads != NULL)
			link_reads(ld, i, reads);
	}
	for (uint32_t i = 0; i < ld->attrs.n; i++) {
		const struct pq_node *decl = ld->attr_infos.at[i].node;
		const struct pq_node *marks =
			decl != NULL && ld->attrs.at[i].type == PQ_TYPE_CODE ? pq_node_get(decl, "marks") : NULL;

		if (marks == NULL || !pq_ld_keys(ld, marks, "marks", mark_keys))
			continue;
		const struct pq_node *prefixes = pq_node_get(marks, "prefixes"), *sets = pq_node_get(marks, "sets");
		if (prefixes == NULL || sets == NULL) {
			pq_ld_error(ld, marks->src, "marks needs \"prefixes\" and \"sets\"");
			continue;
		}
		uint32_t mark = pq_ld_attr(ld, sets);
		if (mark == PQ_NO_INDEX)
			continue;
		const struct pq_attr *attr = &ld->attrs.at[mark];
		if (!attr->is_fact || attr->type != PQ_TYPE_BOOL || attr->scope != ld->attrs.at[i].scope) {
			pq_ld_error(ld, sets->src, "\"%s\" must be a fact of type bool that sits where the code does", attr->name);
			continue;
		}
		ld->attrs.at[i].marks = pq_ld_strings(ld, prefixes, "a prefix");
		ld->attrs.at[i].mark_attr = mark;
	}
}

/** A value in a line of silence: unknown, or a literal. */
static bool
silence_value(struct pq_loader *ld, uint32_t fact, const struct pq_node *node, struct pq_silence *ret)
{
	const struct pq_attr *attr = &ld->attrs.at[fact];

	if (pq_ld_is(node, "unknown")) {
		ret->unknown = true;
		return true;
	}
	return pq_ld_literal(ld, attr->type, attr->domain, node, &ret->value);
}

static bool
silence_line(struct pq_loader *ld, uint32_t fact, const struct pq_node *node, struct pq_silence *ret)
{
	enum pq_scope scope = ld->attrs.at[fact].scope;

	if (!pq_ld_keys(ld, node, "a line of silence", silence_keys))
		return false;
	const struct pq_node *value = pq_node_get(node, "value"), *copy = pq_node_get(node, "copy");
	const struct pq_node *lines = pq_node_get(node, "lines");
	if ((value != NULL) + (copy != NULL) + (lines != NULL) != 1) {
		pq_ld_error(ld, node->src, "a line of silence has one of \"value\", \"copy\" and \"lines\"");
		return false;
	}
	struct pq_ld_place place = {.scope = scope};
	bool good = pq_ld_condition(ld, pq_node_get(node, "when"), place, &ret->when);
	if (value != NULL)
		return silence_value(ld, fact, value, ret) && good;
	if (lines != NULL) {
		if (ld->attrs.at[fact].type != PQ_TYPE_NUMBER) {
			pq_ld_error(ld, lines->src, "only a number can be a sum over lines");
			return false;
		}
		return pq_ld_lines(ld, lines, scope, &ret->lines_sum, &ret->lines_same) && good;
	}
	ret->copy = pq_ld_attr_seen(ld, copy, scope);
	return ret->copy != PQ_NO_INDEX && pq_ld_copies(ld, ret->copy, fact, copy->src) && good;
}

static struct pq_silence
new_silence(struct pq_loader *ld, struct pq_src src)
{
	return (struct pq_silence){.when = pq_ld_always(ld),
	                           .value = {.none = true},
	                           .copy = PQ_NO_INDEX,
	                           .lines_sum = PQ_NO_INDEX,
	                           .lines_same = PQ_NO_INDEX,
	                           .src = src};
}

static void
resolve_silence(struct pq_loader *ld, uint32_t fact, const struct pq_node *node)
{
	bool list = node->kind == PQ_NODE_LIST && node->n != 0 && node->items[0]->kind == PQ_NODE_MAP;
	struct pq_silence *silence;
	size_t n = 1, kept = 0;

	if (pq_ld_is(node, "unknown"))
		return;
	if (list || node->kind == PQ_NODE_MAP) {
		struct pq_node *const *items = pq_ld_list(&node, &n);
		silence = pq_ld_array(ld, n, sizeof(*silence));
		for (size_t i = 0; i < n; i++) {
			silence[kept] = new_silence(ld, items[i]->src);
			kept += silence_line(ld, fact, items[i], &silence[kept]);
			if (i + 1 < n && items[i]->kind == PQ_NODE_MAP && pq_node_get(items[i], "when") == NULL)
				pq_ld_error(ld, items[i + 1]->src, "never reached: the line before it always holds");
		}
	} else {
		silence = pq_ld_array(ld, 1, sizeof(*silence));
		*silence = new_silence(ld, node->src);
		kept = silence_value(ld, fact, node, silence);
	}
	ld->attrs.at[fact].silence = silence;
	ld->attrs.at[fact].n_silence = kept;
}

static void
resolve_bounds(struct pq_loader *ld, uint32_t fact, const struct pq_node *decl)
{
	struct pq_attr *attr = &ld->attrs.at[fact];
	const struct pq_node *min = pq_node_get(decl, "min"), *max = pq_node_get(decl, "max");
	struct pq_literal value;

	if (min == NULL && max == NULL)
		return;
	if (attr->type != PQ_TYPE_NUMBER && attr->type != PQ_TYPE_DATE) {
		pq_ld_error(ld, min != NULL ? min->src : max->src, "only numbers and dates have bounds");
		return;
	}
	if (min != NULL && pq_ld_literal(ld, attr->type, PQ_NO_INDEX, min, &value) && !value.none) {
		attr->has_min = true;
		attr->min = value.number;
	}
	if (max != NULL && pq_ld_literal(ld, attr->type, PQ_NO_INDEX, max, &value) && !value.none) {
		attr->has_max = true;
		attr->max = value.number;
	}
	if (attr->has_min && attr->has_max && attr->min > attr->max)
		pq_ld_error(ld, max->src, "no value lies between min and max");
}

void
pq_ld_resolve_facts(struct pq_loader *ld)
{
	/* Bounds first: conditions are held against them. */
	for (uint32_t i = 0; i < ld->attrs.n; i++) {
		if (ld->attr_infos.at[i].node != NULL && ld->attrs.at[i].is_fact && !ld->attr_infos.at[i].broken)
			resolve_bounds(ld, i, ld->attr_infos.at[i].node);
	}
	for (uint32_t i = 0; i < ld->attrs.n; i++) {
		const struct pq_node *decl = ld->attr_infos.at[i].node;
		struct pq_attr *attr = &ld->attrs.at[i];

		if (decl == NULL || !attr->is_fact || ld->attr_infos.at[i].broken)
			continue;
		const struct pq_node *null_is = pq_node_get(decl, "null_is"), *silence = pq_node_get(decl, "silence");
		if (null_is != NULL && !pq_ld_is(null_is, "unknown"))
			attr->has_null_is = pq_ld_literal(ld, attr->type, attr->domain, null_is, &attr->null_is);
		if (silence != NULL && attr->required)
			pq_ld_error(ld, silence->src, "a required fact cannot be silent");
		else if (silence != NULL)
			resolve_silence(ld, i, silence);
	}
}

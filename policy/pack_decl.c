#include "policy/json_text.h"
#include "policy/pack_loader.h"

#include <jansson.h>
#include <string.h>

static const char *const head_keys[] = {"pack",   "title",   "edition",    "covers",  "time_zone",     "jurisdiction",
                                        "needs",  "gaps",    "note",       "domains", "facts",         "attributes",
                                        "tables", "release", "amendments", "claims",  "jurisdictions", "profiles",
                                        NULL};
static const char *const covers_keys[] = {"from", "to", "grace_days", NULL};
static const char *const amendment_keys[] = {"id", "title", "effective", "published", "cite", "savings", "note", NULL};
static const char *const savings_keys[] = {"cite", "when", "note", NULL};
static const char *const jurisdiction_keys[] = {"name",      "title",      "fixed", "only",
                                                "available", "release_by", "note",  NULL};
static const char *const release_keys[] = {"fact", "values", "replaces", NULL};

/** All texts of a key as one, "; " between; "" where there is none. */
static const char *
joined_at(struct pq_loader *ld, const struct pq_node *map, const char *key)
{
	struct pq_strings strings = pq_ld_strings_at(ld, map, key);
	const char *joined = strings.n != 0 ? strings.at[0] : "";

	for (size_t i = 1; i < strings.n; i++)
		joined = pq_ld_printf(ld, "%s; %s", joined, strings.at[i]);
	return joined;
}

/* ---- pack.yaml --------------------------------------------------------------------------------------------------- */

static void
read_covers(struct pq_loader *ld, const struct pq_node *node, struct pq_pack *pack)
{
	if (!pq_ld_keys(ld, node, "covers", covers_keys))
		return;
	pack->covers_from = pq_ld_date_at(ld, node, "from", PQ_DATE_MIN);
	pack->covers_to = pq_ld_date_at(ld, node, "to", PQ_DATE_MAX);
	pack->grace_days = pq_ld_int_at(ld, node, "grace_days", 0, 36500, 0);
	if (pack->covers_from > pack->covers_to)
		pq_ld_error(ld, node->src, "covers no day: it ends before it begins");
}

static void
read_needs(struct pq_loader *ld, const struct pq_node *node)
{
	size_t n;
	struct pq_node *const *items = pq_ld_list(&node, &n);

	for (size_t i = 0; i < n; i++) {
		const char *name = pq_ld_text(ld, items[i], "the name of a pack");
		if (name != NULL && pq_map_get(&ld->pack_names, name) >= ld->pack)
			pq_ld_error(ld, items[i]->src, "the pack \"%s\" is needed and must be given before this one", name);
	}
}

void
pq_ld_pack_head(struct pq_loader *ld, struct pq_ld_pack *info)
{
	struct pq_pack *pack = &ld->packs.at[ld->pack];
	const struct pq_node *head = info->head != NULL ? info->head->root : NULL;

	if (head == NULL || !pq_ld_keys(ld, head, "pack.yaml", head_keys))
		return;
	const struct pq_node *name = pq_node_get(head, "pack"), *edition = pq_node_get(head, "edition");
	if (name == NULL || name->kind != PQ_NODE_TEXT || strcmp(name->text, pack->name) != 0) {
		pq_ld_error(ld, name != NULL ? name->src : head->src, "\"pack\" must be the name of the folder, %s",
		            pack->name);
	}
	pack->src = head->src;
	pack->title = pq_ld_text_at(ld, head, "title", "");
	pack->edition = pq_ld_date_at(ld, head, "edition", PQ_DATE_MIN);
	if (edition == NULL)
		pq_ld_error(ld, head->src, "needs an edition, the day of the newest text that the pack was made from");
	pack->time_zone = pq_ld_text_at(ld, head, "time_zone", "UTC");
	pack->gaps = pq_ld_strings_at(ld, head, "gaps");
	info->jurisdiction = pq_node_get(head, "jurisdiction");
	info->covers = pq_node_get(head, "covers");
	if (info->covers != NULL)
		read_covers(ld, info->covers, pack);
	const struct pq_node *needs = pq_node_get(head, "needs");
	if (needs != NULL)
		read_needs(ld, needs);
}

void
pq_ld_resolve_heads(struct pq_loader *ld)
{
	for (uint32_t i = 0; i < ld->packs.n; i++) {
		const struct pq_node *node = ld->pack_infos.at[i].jurisdiction;
		const char *name = node != NULL ? pq_ld_text(ld, node, "jurisdiction") : NULL;

		if (name != NULL && strcmp(name, "any") != 0)
			ld->packs.at[i].jurisdiction = pq_ld_symbol(ld, ld->model.domain_jurisdiction, name, node->src);
	}
}

/* ---- amendments -------------------------------------------------------------------------------------------------- */

static void
declare_amendment(struct pq_loader *ld, const struct pq_node *node)
{
	if (!pq_ld_keys(ld, node, "an amendment", amendment_keys))
		return;
	const struct pq_node *id = pq_node_get(node, "id"), *savings = pq_node_get(node, "savings");
	if (id == NULL || id->kind != PQ_NODE_TEXT || !pq_ld_is_name(id->text)) {
		pq_ld_error(ld, id != NULL ? id->src : node->src,
		            "an amendment needs an id: letters, digits, \".\", \"-\" and \"_\"");
		return;
	}
	uint32_t index = (uint32_t)ld->amendments.n;
	if (!pq_map_put(ld, &ld->amendment_names, id->text, index)) {
		pq_ld_error(ld, id->src, "the amendment \"%s\" is declared twice", id->text);
		return;
	}
	struct pq_amendment *amendment = PQ_VEC_PUSH(ld, &ld->amendments);
	*PQ_VEC_PUSH(ld, &ld->amendment_nodes) = node;
	*amendment = (struct pq_amendment){.id = id->text, .saved = PQ_NO_INDEX, .savings_cite = "", .src = id->src};
	amendment->title = pq_ld_text_at(ld, node, "title", "");
	amendment->cite = joined_at(ld, node, "cite");
	amendment->effective = pq_ld_date_at(ld, node, "effective", PQ_DATE_MIN);
	amendment->published = pq_ld_date_at(ld, node, "published", PQ_DATE_MIN);
	if (pq_node_get(node, "effective") == NULL)
		pq_ld_error(ld, node->src, "an amendment needs the day on which it becomes effective");
	if (amendment->cite[0] == '\0')
		pq_ld_error(ld, node->src, "no citation: an amendment needs \"cite\"");
	if (savings == NULL || !pq_ld_keys(ld, savings, "savings", savings_keys))
		return;
	amendment->has_savings = true;
	amendment->savings_cite = joined_at(ld, savings, "cite");
	if (amendment->savings_cite[0] == '\0')
		amendment->savings_cite = amendment->cite;
	amendment->saved =
		pq_ld_attr_new(ld, pq_ld_printf(ld, "saved.%s", id->text), PQ_TYPE_BOOL, PQ_DOMAIN_BOOL, savings->src);
	ld->attrs.at[amendment->saved].title = pq_ld_printf(ld, "saved from %s", amendment->cite);
	ld->attr_infos.at[amendment->saved].used = ld->attr_infos.at[amendment->saved].given = true;
}

void
pq_ld_declare_amendments(struct pq_loader *ld, const struct pq_node *list)
{
	if (list->kind != PQ_NODE_LIST) {
		pq_ld_error(ld, list->src, "amendments must be a list");
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		declare_amendment(ld, list->items[i]);
}

void
pq_ld_resolve_amendments(struct pq_loader *ld)
{
	for (size_t i = 0; i < ld->amendments.n; i++) {
		const struct pq_node *savings = pq_node_get(ld->amendment_nodes.at[i], "savings");

		ld->amendments.at[i].savings = pq_ld_always(ld);
		if (!ld->amendments.at[i].has_savings)
			continue;
		const struct pq_node *when = pq_node_get(savings, "when");
		if (when == NULL)
			pq_ld_error(ld, savings->src, "a savings clause needs \"when\"");
		(void)pq_ld_condition(ld, when, (struct pq_ld_place){.scope = PQ_SCOPE_REQUEST}, &ld->amendments.at[i].savings);
	}
}

uint32_t
pq_ld_amendment(struct pq_loader *ld, const char *id, struct pq_src src)
{
	uint32_t index = pq_map_get(&ld->amendment_names, id);

	if (index == PQ_NO_INDEX && !ld->any_broken) {
		const char **names = pq_ld_array(ld, ld->amendments.n, sizeof(char *));
		for (size_t i = 0; i < ld->amendments.n; i++)
			names[i] = ld->amendments.at[i].id;
		pq_ld_error(ld, src, "no amendment \"%s\"%s", id, pq_ld_propose(ld, id, names, ld->amendments.n));
	}
	return index;
}

/* ---- jurisdictions, releases, claims ----------------------------------------------------------------------------- */

void
pq_ld_declare_jurisdictions(struct pq_loader *ld, const struct pq_node *list)
{
	if (list->kind != PQ_NODE_LIST) {
		pq_ld_error(ld, list->src, "jurisdictions must be a list");
		return;
	}
	for (size_t i = 0; i < list->n; i++) {
		const struct pq_node *node = list->items[i];
		if (!pq_ld_keys(ld, node, "a jurisdiction", jurisdiction_keys))
			continue;
		const struct pq_node *name = pq_node_get(node, "name");
		if (name == NULL || name->kind != PQ_NODE_TEXT || name->text[0] == '\0' || strcmp(name->text, "any") == 0) {
			pq_ld_error(ld, name != NULL ? name->src : node->src, "a jurisdiction needs a name, other than \"any\"");
			continue;
		}
		uint32_t symbol = pq_ld_symbol_add(ld, ld->model.domain_jurisdiction, name->text, name->src);
		for (size_t j = 0; j < ld->jurisdictions.n; j++) {
			if (ld->jurisdictions.at[j].symbol == symbol)
				pq_ld_error(ld, name->src, "the jurisdiction \"%s\" is declared twice", name->text);
		}
		*PQ_VEC_PUSH(ld, &ld->jurisdictions) =
			(struct pq_jurisdiction){.symbol = symbol, .release_by = PQ_NO_INDEX, .src = name->src};
		*PQ_VEC_PUSH(ld, &ld->jurisdiction_nodes) = node;
	}
}

static enum pq_outcome
outcome_at(struct pq_loader *ld, const struct pq_node *map, const char *key)
{
	const struct pq_node *node = pq_node_get(map, key);
	enum pq_outcome outcome = PQ_OUTCOME_NONE;

	if (node != NULL && (node->kind != PQ_NODE_TEXT || !pq_outcome_parse(node->text, &outcome)))
		pq_ld_error(ld, node->src, "%s must be an outcome, as LICENSE_EXCEPTION_AVAILABLE", key);
	return outcome;
}

void
pq_ld_resolve_jurisdictions(struct pq_loader *ld)
{
	for (size_t i = 0; i < ld->jurisdictions.n; i++) {
		const struct pq_node *node = ld->jurisdiction_nodes.at[i], *by = pq_node_get(node, "release_by");
		struct pq_jurisdiction *jurisdiction = &ld->jurisdictions.at[i];

		jurisdiction->fixed = outcome_at(ld, node, "fixed");
		jurisdiction->only = outcome_at(ld, node, "only");
		jurisdiction->available = outcome_at(ld, node, "available");
		if (jurisdiction->fixed == PQ_OUTCOME_NONE && jurisdiction->available == PQ_OUTCOME_NONE &&
		    pq_node_get(node, "fixed") == NULL && pq_node_get(node, "available") == NULL)
			pq_ld_error(ld, node->src, "needs \"fixed\", or \"available\" for where an exception is usable");
		if (by == NULL)
			continue;
		uint32_t fact = pq_ld_attr_seen(ld, by, PQ_SCOPE_REQUEST);
		if (fact == PQ_NO_INDEX)
			continue;
		const struct pq_attr *attr = &ld->attrs.at[fact];
		if (!attr->is_fact || (attr->type != PQ_TYPE_SYMBOL && attr->type != PQ_TYPE_SYMBOLS))
			pq_ld_error(ld, by->src, "release_by must be a fact of type symbol or symbols");
		else
			jurisdiction->release_by = fact;
	}
}

static void
resolve_release(struct pq_loader *ld)
{
	const struct pq_node *node = ld->release;

	if (!pq_ld_keys(ld, node, "release", release_keys))
		return;
	const struct pq_node *fact_node = pq_node_get(node, "fact"), *values = pq_node_get(node, "values");
	const struct pq_node *replaces_node = pq_node_get(node, "replaces");
	if (fact_node == NULL || values == NULL || replaces_node == NULL) {
		pq_ld_error(ld, node->src, "release needs \"fact\", \"values\" and \"replaces\"");
		return;
	}
	uint32_t fact = pq_ld_attr_seen(ld, fact_node, PQ_SCOPE_REQUEST);
	uint32_t replaces = pq_ld_attr_seen(ld, replaces_node, PQ_SCOPE_REQUEST);
	if (fact == PQ_NO_INDEX || replaces == PQ_NO_INDEX)
		return;
	const struct pq_attr *by = &ld->attrs.at[fact], *replaced = &ld->attrs.at[replaces];
	if (!by->is_fact || by->type != PQ_TYPE_SYMBOL || !replaced->is_fact || replaced->type != PQ_TYPE_SYMBOL) {
		pq_ld_error(ld, node->src, "\"fact\" and \"replaces\" must be facts of type symbol");
		return;
	}
	for (size_t i = 0; i < ld->jurisdictions.n; i++) {
		uint32_t release_by = ld->jurisdictions.at[i].release_by;
		if (release_by != PQ_NO_INDEX && ld->attrs.at[release_by].domain != replaced->domain) {
			pq_ld_error(ld, ld->jurisdictions.at[i].src,
			            "release_by and the fact that it replaces have different domains");
			return;
		}
	}
	if (pq_ld_symbols(ld, by->domain, values, false, &ld->model.release_values)) {
		ld->model.release_fact = fact;
		ld->model.release_replaces = replaces;
	}
}

void
pq_ld_resolve_release(struct pq_loader *ld)
{
	if (ld->release != NULL)
		resolve_release(ld);
	if (ld->claims == NULL)
		return;
	uint32_t fact = pq_ld_attr_seen(ld, ld->claims, PQ_SCOPE_REQUEST);
	if (fact == PQ_NO_INDEX)
		return;
	const struct pq_attr *attr = &ld->attrs.at[fact];
	if (!attr->is_fact || attr->type != PQ_TYPE_SYMBOLS || attr->domain != ld->model.domain_exception)
		pq_ld_error(ld, ld->claims->src, "claims must name a fact of type symbols, domain exception");
	else
		ld->model.claim_fact = fact;
}

/* ---- cases ------------------------------------------------------------------------------------------------------- */

static void
read_case(struct pq_loader *ld, const char *line, size_t len, struct pq_src src)
{
	json_error_t fault;
	bool no_memory;
	json_t *json = pq_json_load(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &fault, &no_memory);

	if (no_memory)
		pq_ld_no_memory(ld);
	if (json == NULL) {
		src.column = fault.column > 0 ? fault.column : 1;
		pq_ld_error(ld, src, "not a JSON object on one line: %s", fault.text);
		return;
	}
	/* Nothing that may leave by longjmp() while the object is held: only plain copies. */
	const char *text = json_string_value(json_object_get(json, "id"));
	char id[256] = "";
	if (text != NULL && strlen(text) < sizeof(id) && strlen(text) == json_string_length(json_object_get(json, "id")))
		memcpy(id, text, strlen(text) + 1);
	bool whole = json_is_object(json_object_get(json, "request")) && json_is_object(json_object_get(json, "expected"));
	json_decref(json);
	if (id[0] == '\0') {
		pq_ld_error(ld, src, "a case needs an \"id\", a text of 1 to %zu bytes", sizeof(id) - 1);
		return;
	}
	if (!whole)
		pq_ld_error(ld, src, "the case \"%s\" needs the objects \"request\" and \"expected\"", id);
	const char *name = pq_ld_strndup(ld, id, strlen(id));
	if (!pq_map_put(ld, &ld->case_names, name, (uint32_t)ld->cases.n))
		pq_ld_error(ld, src, "the case \"%s\" is here twice", name);
	*PQ_VEC_PUSH(ld, &ld->cases) = (struct pq_case){name, pq_ld_strndup(ld, line, len), len, ld->pack, src};
}

void
pq_ld_cases(struct pq_loader *ld, const struct pq_ld_file *file)
{
	const char *at = file->file->data, *end = at + file->file->len;
	struct pq_src src = {file->path, 0, 1};

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline != NULL ? newline : end) - at);
		size_t used = len;

		while (used > 0 && (at[used - 1] == ' ' || at[used - 1] == '\t' || at[used - 1] == '\r'))
			used--;
		src.line++;
		if (used != 0)
			read_case(ld, at, used, src);
		at += len + (newline != NULL);
	}
}

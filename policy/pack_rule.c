#include "policy/pack_loader.h"

#include <stdlib.h>
#include <string.h>

static const char *const stay_keys[] = {"from", "to", "cite", "note", NULL};

struct pq_rule
pq_ld_rule_blank(struct pq_loader *ld, const char *id, enum pq_kind kind, struct pq_src src)
{
	return (struct pq_rule){
		.id = id,
		.kind = kind,
		.pack = ld->pack,
		.title = "",
		.note = "",
		.confidence = "high",
		.from = PQ_DATE_MIN,
		.to = PQ_DATE_MAX,
		.amendment = PQ_NO_INDEX,
		.ended_by = PQ_NO_INDEX,
		.jurisdiction = PQ_NO_INDEX,
		.when = pq_ld_always(ld),
		.src = src,
		.attr = PQ_NO_INDEX,
		.left = PQ_NO_INDEX,
		.right = PQ_NO_INDEX,
		.lookup = {.table = PQ_NO_INDEX, .take = PQ_NO_INDEX},
		.authority = PQ_NO_INDEX,
		.reason = PQ_NO_INDEX,
		.label = "",
		.allows_label = "",
		.exception = PQ_NO_INDEX,
		.shown_as = "",
		.unless_shown = pq_ld_always(ld),
		.obligation = "",
		.text = "",
	};
}

bool
pq_ld_rule_add(struct pq_loader *ld, const struct pq_rule *rule)
{
	uint32_t other = pq_map_get(&ld->rule_names, rule->id);

	if (other != PQ_NO_INDEX) {
		const struct pq_src *src = &ld->rules.at[other].src;
		pq_ld_error(ld, rule->src, "the id \"%s\" is taken already, at %s:%d", rule->id, src->file, src->line);
		return false;
	}
	pq_map_put(ld, &ld->rule_names, rule->id, (uint32_t)ld->rules.n);
	*PQ_VEC_PUSH(ld, &ld->rules) = *rule;
	return true;
}

/* ---- when it is in force ----------------------------------------------------------------------------------------- */

static uint32_t
amendment_at(struct pq_loader *ld, const struct pq_node *node, const char *key)
{
	const struct pq_node *id = pq_node_get(node, key);
	const char *text = id != NULL ? pq_ld_text(ld, id, key) : NULL;

	return text != NULL ? pq_ld_amendment(ld, text, id->src) : PQ_NO_INDEX;
}

static int
compare_intervals(const void *a, const void *b)
{
	const struct pq_interval *x = a, *y = b;

	return x->from != y->from ? (x->from < y->from ? -1 : 1) : x->to < y->to ? -1 : x->to > y->to;
}

static void
read_stays(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	size_t n;
	struct pq_node *const *items = pq_ld_list(&node, &n);

	rule->stays = pq_ld_array(ld, n, sizeof(*rule->stays));
	for (size_t i = 0; i < n; i++) {
		if (!pq_ld_keys(ld, items[i], "a stay", stay_keys))
			continue;
		struct pq_interval stay = {pq_ld_date_at(ld, items[i], "from", PQ_DATE_MIN),
		                           pq_ld_date_at(ld, items[i], "to", PQ_DATE_MAX),
		                           pq_ld_text_at(ld, items[i], "cite", "")};
		if (stay.from >= stay.to)
			pq_ld_error(ld, items[i]->src, "an empty stay: it ends on the day it begins, or before");
		if (stay.cite[0] == '\0')
			pq_ld_error(ld, items[i]->src, "no citation: a stay needs \"cite\"");
		rule->stays[rule->n_stays++] = stay;
	}
	if (rule->n_stays != 0)
		qsort(rule->stays, rule->n_stays, sizeof(*rule->stays), compare_intervals);
}

/** Do the stays leave a day of [from, to)? */
static bool
some_day_left(const struct pq_rule *rule)
{
	int32_t reached = rule->from;

	for (size_t i = 0; i < rule->n_stays && rule->stays[i].from <= reached; i++)
		reached = rule->stays[i].to > reached ? rule->stays[i].to : reached;
	return reached < rule->to;
}

static void
read_validity(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	const struct pq_node *stays = pq_node_get(node, "stays"), *to = pq_node_get(node, "to");
	int32_t from = PQ_DATE_MIN, until = PQ_DATE_MAX;

	rule->amendment = amendment_at(ld, node, "amendment");
	rule->ended_by = amendment_at(ld, node, "ended_by");
	if (rule->amendment != PQ_NO_INDEX)
		from = ld->amendments.at[rule->amendment].effective;
	if (rule->ended_by != PQ_NO_INDEX)
		until = ld->amendments.at[rule->ended_by].effective;
	rule->from = pq_ld_date_at(ld, node, "from", from);
	rule->to = pq_ld_date_at(ld, node, "to", until);
	if (stays != NULL)
		read_stays(ld, stays, rule);
	if (rule->from >= rule->to)
		pq_ld_error(ld, to != NULL ? to->src : rule->src, "never in force: it ends on the day it begins, or before");
	else if (!some_day_left(rule))
		pq_ld_error(ld, stays != NULL ? stays->src : rule->src, "never in force: the stays leave no day of it");
}

/* ---- one rule ---------------------------------------------------------------------------------------------------- */

static const char *
read_confidence(struct pq_loader *ld, const struct pq_node *node)
{
	const char *word = pq_ld_text_at(ld, node, "confidence", "high");

	if (strcmp(word, "high") != 0 && strcmp(word, "medium") != 0 && strcmp(word, "low") != 0)
		pq_ld_error(ld, pq_node_get(node, "confidence")->src, "confidence is high, medium or low");
	return word;
}

/** Where the rule counts. Rules of kind jurisdiction have that key for what they find. */
static uint32_t
read_jurisdiction(struct pq_loader *ld, const struct pq_node *node, enum pq_kind kind)
{
	const struct pq_node *name = pq_node_get(node, "jurisdiction");

	if (kind == PQ_KIND_JURISDICTION)
		return PQ_NO_INDEX;
	if (name == NULL)
		return kind == PQ_KIND_DERIVE || kind == PQ_KIND_WARNING ? PQ_NO_INDEX : ld->packs.at[ld->pack].jurisdiction;
	const char *text = pq_ld_text(ld, name, "jurisdiction");
	if (text == NULL || strcmp(text, "any") == 0)
		return PQ_NO_INDEX;
	return pq_ld_symbol(ld, ld->model.domain_jurisdiction, text, name->src);
}

/** The id; a made-up one (told) where there is none that can be used. */
static const char *
read_id(struct pq_loader *ld, const struct pq_node *node, struct pq_src *ret_src)
{
	const struct pq_node *id = pq_node_get(node, "id");

	*ret_src = node->src;
	if (id != NULL)
		*ret_src = id->src;
	if (id != NULL && id->kind == PQ_NODE_TEXT && pq_ld_is_name(id->text))
		return id->text;
	pq_ld_error(ld, *ret_src, "a rule needs an id: letters, digits, \".\", \"-\" and \"_\"");
	return NULL;
}

static bool
read_kind(struct pq_loader *ld, const struct pq_node *node, enum pq_kind *ret)
{
	const struct pq_node *kind = pq_node_get(node, "kind");
	const char *names[PQ_KIND_COUNT];

	if (kind != NULL && kind->kind == PQ_NODE_TEXT && pq_kind_parse(kind->text, ret))
		return true;
	for (int i = 0; i < PQ_KIND_COUNT; i++)
		names[i] = pq_kind_name((enum pq_kind)i);
	if (kind == NULL || kind->kind != PQ_NODE_TEXT)
		pq_ld_error(ld, kind != NULL ? kind->src : node->src, "a rule needs a kind");
	else
		pq_ld_error(ld, kind->src, "no kind \"%s\"%s", kind->text, pq_ld_propose(ld, kind->text, names, PQ_KIND_COUNT));
	return false;
}

/** Where the conditions of a rule stand: those of a derived attribute see its element. */
static struct pq_ld_place
place_of(const struct pq_loader *ld, const struct pq_rule *rule)
{
	struct pq_ld_place place = {.scope = PQ_SCOPE_REQUEST};

	place.after_outcome =
		rule->kind == PQ_KIND_REVIEW || rule->kind == PQ_KIND_OBLIGATION || rule->kind == PQ_KIND_WARNING;
	if (rule->kind == PQ_KIND_DERIVE && rule->attr != PQ_NO_INDEX)
		place.scope = ld->attrs.at[rule->attr].scope;
	return place;
}

static void
read_rule(struct pq_loader *ld, const struct pq_node *node)
{
	enum pq_kind kind;
	struct pq_src src;

	if (node->kind != PQ_NODE_MAP) {
		pq_ld_error(ld, node->src, "a rule must be a mapping");
		return;
	}
	const char *id = read_id(ld, node, &src);
	if (!read_kind(ld, node, &kind))
		return;
	(void)pq_ld_keys(ld, node, pq_ld_printf(ld, "a rule of kind %s", pq_kind_name(kind)), pq_ld_rule_keys(kind));
	struct pq_rule rule = pq_ld_rule_blank(ld, id, kind, src);
	rule.title = pq_ld_text_at(ld, node, "title", "");
	rule.note = pq_ld_text_at(ld, node, "note", "");
	rule.confidence = read_confidence(ld, node);
	rule.cites = pq_ld_strings_at(ld, node, "cite");
	if (rule.cites.n == 0)
		pq_ld_error(ld, src, "no citation: the rule needs \"cite\"");
	rule.jurisdiction = read_jurisdiction(ld, node, kind);
	read_validity(ld, node, &rule);
	pq_ld_rule_kind(ld, node, &rule);
	struct pq_ld_place place = place_of(ld, &rule);
	const struct pq_node *unless = pq_node_get(node, "unless_shown");
	bool attr_known = kind != PQ_KIND_DERIVE || rule.attr != PQ_NO_INDEX;
	if (attr_known)
		(void)pq_ld_condition(ld, pq_node_get(node, "when"), place, &rule.when);
	if (unless != NULL && (kind == PQ_KIND_REVIEW || kind == PQ_KIND_OBLIGATION))
		rule.has_unless_shown = pq_ld_condition(ld, unless, place, &rule.unless_shown);
	if (id != NULL)
		(void)pq_ld_rule_add(ld, &rule);
}

void
pq_ld_rules(struct pq_loader *ld, const struct pq_node *list)
{
	if (list->kind != PQ_NODE_LIST) {
		pq_ld_error(ld, list->src, "a file of rules is a list of rules");
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		read_rule(ld, list->items[i]);
}

/* ---- rules that the loader makes --------------------------------------------------------------------------------- */

static void
add_covers_rule(struct pq_loader *ld, const char *name, enum pq_kind kind, int64_t lo, int64_t hi, const char *text)
{
	const struct pq_pack *pack = &ld->packs.at[ld->pack];
	const struct pq_node *covers = ld->pack_infos.at[ld->pack].covers;
	struct pq_rule rule = pq_ld_rule_blank(ld, pq_ld_printf(ld, "%s.covers.%s", pack->name, name), kind, covers->src);
	struct pq_range *range = pq_ld_alloc(ld, sizeof(*range));
	struct pq_cond *cond = pq_ld_alloc(ld, sizeof(*cond));

	*range = (struct pq_range){lo, hi};
	*cond =
		(struct pq_cond){.op = PQ_OP_RANGE, .attr = PQ_ATTR_AS_OF, .ranges = range, .n_ranges = 1, .src = covers->src};
	rule.when.conjs[0] = (struct pq_conj){cond, 1};
	rule.cites = (struct pq_strings){pq_ld_alloc(ld, sizeof(char *)), 1};
	rule.cites.at[0] = pq_ld_printf(ld, "%s/pack.yaml, covers", pack->name);
	rule.title = rule.text = text;
	rule.jurisdiction = pack->jurisdiction;
	(void)pq_ld_rule_add(ld, &rule);
}

static void
add_covers(struct pq_loader *ld)
{
	const struct pq_pack *pack = &ld->packs.at[ld->pack];
	const char *title = pack->title[0] != '\0' ? pack->title : pack->name;
	char from[16], to[16];

	pq_date_format(pack->covers_from, from, sizeof(from));
	pq_date_format(pack->covers_to, to, sizeof(to));
	if (pack->covers_from != PQ_DATE_MIN) {
		add_covers_rule(ld, "before", PQ_KIND_REFER, INT64_MIN, (int64_t)pack->covers_from - 1,
		                pq_ld_printf(ld, "The pack \"%s\" speaks of days from %s on only.", title, from));
	}
	if (pack->covers_to == PQ_DATE_MAX)
		return;
	int64_t last = (int64_t)pack->covers_to + pack->grace_days;
	if (pack->grace_days > 0) {
		add_covers_rule(
			ld, "grace", PQ_KIND_WARNING, (int64_t)pack->covers_to + 1, last,
			pq_ld_printf(ld, "The pack \"%s\" knows the law as of %s; later changes are not in it.", title, to));
	}
	add_covers_rule(ld, "after", PQ_KIND_REFER, last + 1, INT64_MAX,
	                pq_ld_printf(ld, "The pack \"%s\" knows the law as of %s, too long before this day.", title, to));
}

static void
add_saved(struct pq_loader *ld, const struct pq_amendment *amendment)
{
	struct pq_src src = ld->attrs.at[amendment->saved].src;
	struct pq_rule rule = pq_ld_rule_blank(ld, ld->attrs.at[amendment->saved].name, PQ_KIND_DERIVE, src);
	uint32_t yes = PQ_BOOL_TRUE;

	rule.attr = amendment->saved;
	rule.derive = PQ_DERIVE_SET;
	rule.set = (struct pq_literal){.type = PQ_TYPE_BOOL, .symbols = pq_ld_indexes(ld, &yes, 1)};
	rule.title = pq_ld_printf(ld, "savings clause of %s", amendment->id);
	rule.cites = (struct pq_strings){pq_ld_alloc(ld, sizeof(char *)), 1};
	rule.cites.at[0] = amendment->savings_cite;
	rule.when = amendment->savings;
	(void)pq_ld_rule_add(ld, &rule);
}

void
pq_ld_made_rules(struct pq_loader *ld, uint32_t pack)
{
	ld->pack = pack;
	if (ld->pack_infos.at[pack].covers != NULL)
		add_covers(ld);
	for (size_t i = 0; i < ld->amendments.n; i++) {
		const struct pq_amendment *amendment = &ld->amendments.at[i];
		if (amendment->has_savings && ld->attrs.at[amendment->saved].pack == pack)
			add_saved(ld, amendment);
	}
}

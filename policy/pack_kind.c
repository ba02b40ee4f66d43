#include "policy/pack_loader.h"

#include <string.h>

#define COMMON_KEYS                                                                                      \
	"id", "kind", "cite", "title", "note", "confidence", "from", "to", "stays", "amendment", "ended_by", \
		"jurisdiction", "when"

static const char *const derive_keys[] = {COMMON_KEYS, "attribute", "set",  "copy",  "lookup", "sum",
                                          "compare",   "count",     "same", "lines", "order",  NULL};
static const char *const jurisdiction_keys[] = {COMMON_KEYS, "order", NULL};
static const char *const requirement_keys[] = {COMMON_KEYS, "authority",    "reason", "label",
                                               "allows",    "allows_label", "review", NULL};
static const char *const exclusion_keys[] = {COMMON_KEYS, "excludes", NULL};
static const char *const exception_keys[] = {COMMON_KEYS,  "exception",  "shown_as", "overcomes",
                                             "considered", "claimed_by", NULL};
static const char *const restriction_keys[] = {COMMON_KEYS, "bars", "label", NULL};
static const char *const prohibition_keys[] = {COMMON_KEYS, "text", NULL};
static const char *const review_keys[] = {COMMON_KEYS, "policy", "unless_shown", NULL};
static const char *const obligation_keys[] = {COMMON_KEYS, "obligation", "label", "unless_shown", NULL};

static const char *const excludes_keys[] = {"reasons", "rules", NULL};
static const char *const bars_keys[] = {"all_but", NULL};

const char *const *
pq_ld_rule_keys(enum pq_kind kind)
{
	static const char *const *const keys[PQ_KIND_COUNT] = {
		[PQ_KIND_DERIVE] = derive_keys,           [PQ_KIND_JURISDICTION] = jurisdiction_keys,
		[PQ_KIND_REQUIREMENT] = requirement_keys, [PQ_KIND_EXCLUSION] = exclusion_keys,
		[PQ_KIND_EXCEPTION] = exception_keys,     [PQ_KIND_RESTRICTION] = restriction_keys,
		[PQ_KIND_PROHIBITION] = prohibition_keys, [PQ_KIND_REFER] = prohibition_keys,
		[PQ_KIND_REVIEW] = review_keys,           [PQ_KIND_OBLIGATION] = obligation_keys,
		[PQ_KIND_WARNING] = prohibition_keys,
	};

	return keys[kind];
}

/** The node at a key that a rule of this kind must have; NULL (told). */
static const struct pq_node *
required(struct pq_loader *ld, const struct pq_node *node, const struct pq_rule *rule, const char *key)
{
	const struct pq_node *value = pq_node_get(node, key);

	if (value == NULL)
		pq_ld_error(ld, rule->src, "a rule of kind %s needs \"%s\"", pq_kind_name(rule->kind), key);
	return value;
}

static uint32_t
required_symbol(struct pq_loader *ld, const struct pq_node *node, const struct pq_rule *rule, const char *key,
                uint32_t domain)
{
	const struct pq_node *value = required(ld, node, rule, key);
	const char *text = value != NULL ? pq_ld_text(ld, value, key) : NULL;

	return text != NULL ? pq_ld_symbol(ld, domain, text, value->src) : PQ_NO_INDEX;
}

static enum pq_policy
read_policy(struct pq_loader *ld, const struct pq_node *node)
{
	enum pq_policy policy = PQ_POLICY_NONE;
	const char *names[PQ_POLICY_COUNT];

	if (node->kind == PQ_NODE_TEXT && pq_policy_parse(node->text, &policy))
		return policy;
	for (int i = 1; i < PQ_POLICY_COUNT; i++)
		names[i - 1] = pq_policy_name((enum pq_policy)i);
	const char *text = node->kind == PQ_NODE_TEXT ? node->text : "";
	pq_ld_error(ld, node->src, "no review policy \"%s\"%s", text, pq_ld_propose(ld, text, names, PQ_POLICY_COUNT - 1));
	return policy;
}

/** Names of exceptions as rules write them: each covers a symbol at least. */
static struct pq_strings
read_exceptions(struct pq_loader *ld, const struct pq_node *node)
{
	const struct pq_ld_domain *domain = &ld->domain_infos.at[ld->model.domain_exception];
	size_t n;
	struct pq_node *const *items = pq_ld_list(&node, &n);
	struct pq_strings names = {pq_ld_array(ld, n, sizeof(char *)), 0};

	for (size_t i = 0; i < n; i++) {
		const char *text = pq_ld_text(ld, items[i], "the name of an exception");
		bool known = domain->broken || ld->any_broken;

		if (text == NULL)
			continue;
		for (size_t s = 0; s < domain->symbols.n && !known; s++)
			known = pq_exception_covers(text, domain->symbols.at[s]);
		if (!known) {
			pq_ld_error(ld, items[i]->src, "\"%s\" is no exception and covers none%s", text,
			            pq_ld_propose(ld, text, domain->symbols.at, domain->symbols.n));
		}
		names.at[names.n++] = text;
	}
	return names;
}

/* ---- the kinds --------------------------------------------------------------------------------------------------- */

static void
read_jurisdiction(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	uint32_t symbol = required_symbol(ld, node, rule, "jurisdiction", ld->model.domain_jurisdiction);

	rule->order = pq_ld_int_at(ld, node, "order", -1000000, 1000000, 0);
	rule->attr = PQ_ATTR_JURISDICTION;
	rule->derive = PQ_DERIVE_SET;
	rule->set = (struct pq_literal){.type = PQ_TYPE_SYMBOL, .none = symbol == PQ_NO_INDEX};
	if (symbol != PQ_NO_INDEX)
		rule->set.symbols = pq_ld_indexes(ld, &symbol, 1);
}

static void
read_requirement(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	const struct pq_node *allows = pq_node_get(node, "allows"), *review = pq_node_get(node, "review");
	const struct pq_node *allows_label = pq_node_get(node, "allows_label");

	rule->authority = required_symbol(ld, node, rule, "authority", ld->model.domain_authority);
	rule->reason = required_symbol(ld, node, rule, "reason", ld->model.domain_reason);
	rule->label = pq_ld_text_at(ld, node, "label", "");
	rule->allows_label = pq_ld_text_at(ld, node, "allows_label", "");
	if (allows != NULL) {
		rule->has_allows = true;
		if (!pq_ld_is(allows, "none"))
			rule->allows = read_exceptions(ld, allows);
	} else if (allows_label != NULL) {
		pq_ld_error(ld, allows_label->src, "\"allows_label\" without \"allows\"");
	}
	if (review != NULL)
		rule->policy = read_policy(ld, review);
}

static void
read_exclusion(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	const struct pq_node *excludes = required(ld, node, rule, "excludes");

	if (excludes == NULL)
		return;
	if (pq_ld_is(excludes, "all")) {
		rule->excludes_all = true;
		return;
	}
	if (!pq_ld_keys(ld, excludes, "excludes, unless it is \"all\",", excludes_keys))
		return;
	const struct pq_node *reasons = pq_node_get(excludes, "reasons"), *rules = pq_node_get(excludes, "rules");
	if (reasons == NULL && rules == NULL)
		pq_ld_error(ld, excludes->src, "excludes nothing: give \"reasons\" or \"rules\"");
	if (reasons != NULL)
		(void)pq_ld_symbols(ld, ld->model.domain_reason, reasons, false, &rule->excludes_reasons);
	if (rules != NULL)
		rule->excludes_rules = pq_ld_strings(ld, rules, "the id of a rule");
}

static void
read_claimed_by(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	size_t n;
	struct pq_node *const *items = pq_ld_list(&node, &n);

	rule->claimed_by.at = pq_ld_array(ld, n, sizeof(uint32_t));
	for (size_t i = 0; i < n; i++) {
		uint32_t fact = pq_ld_attr_seen(ld, items[i], PQ_SCOPE_REQUEST);
		if (fact == PQ_NO_INDEX)
			continue;
		if (!ld->attrs.at[fact].is_fact)
			pq_ld_error(ld, items[i]->src, "\"%s\" is no fact: a request cannot say it", ld->attrs.at[fact].name);
		else
			rule->claimed_by.at[rule->claimed_by.n++] = fact;
	}
}

static void
read_exception(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	const struct pq_node *overcomes = pq_node_get(node, "overcomes"), *considered = pq_node_get(node, "considered");
	const struct pq_node *claimed_by = pq_node_get(node, "claimed_by");

	rule->exception = required_symbol(ld, node, rule, "exception", ld->model.domain_exception);
	const char *symbol = rule->exception != PQ_NO_INDEX
	                         ? ld->domain_infos.at[ld->model.domain_exception].symbols.at[rule->exception]
	                         : "";
	rule->shown_as = pq_ld_text_at(ld, node, "shown_as", symbol);
	if (pq_ld_is(overcomes, "all"))
		rule->overcomes_all = true;
	else if (overcomes != NULL)
		(void)pq_ld_symbols(ld, ld->model.domain_reason, overcomes, true, &rule->overcomes);
	if (considered != NULL) {
		rule->considered_always = pq_ld_is(considered, "always");
		if (!rule->considered_always)
			pq_ld_error(ld, considered->src, "considered is \"always\"; otherwise leave it out");
		if (claimed_by != NULL)
			pq_ld_error(ld, claimed_by->src, "what is always considered need not be claimed");
	} else if (claimed_by != NULL) {
		read_claimed_by(ld, claimed_by, rule);
	}
}

static void
read_restriction(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	const struct pq_node *bars = required(ld, node, rule, "bars");

	rule->label = pq_ld_text_at(ld, node, "label", "");
	if (bars == NULL)
		return;
	if (pq_ld_is(bars, "all")) {
		rule->bars.mode = PQ_BARS_ALL;
		return;
	}
	if (bars->kind != PQ_NODE_MAP) {
		rule->bars = (struct pq_bars){PQ_BARS_LIST, read_exceptions(ld, bars)};
		if (bars->kind == PQ_NODE_LIST && bars->n == 0)
			pq_ld_error(ld, bars->src, "bars nothing");
		return;
	}
	const struct pq_node *spared = pq_ld_keys(ld, bars, "bars", bars_keys) ? pq_node_get(bars, "all_but") : NULL;
	if (spared != NULL)
		rule->bars = (struct pq_bars){PQ_BARS_ALL_BUT, read_exceptions(ld, spared)};
	else
		pq_ld_error(ld, bars->src, "bars is \"all\", { all_but: [names] } or a list of names");
}

void
pq_ld_rule_kind(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule)
{
	const struct pq_node *value;

	switch (rule->kind) {
	case PQ_KIND_DERIVE:
		pq_ld_rule_derive(ld, node, rule);
		break;
	case PQ_KIND_JURISDICTION:
		read_jurisdiction(ld, node, rule);
		break;
	case PQ_KIND_REQUIREMENT:
		read_requirement(ld, node, rule);
		break;
	case PQ_KIND_EXCLUSION:
		read_exclusion(ld, node, rule);
		break;
	case PQ_KIND_EXCEPTION:
		read_exception(ld, node, rule);
		break;
	case PQ_KIND_RESTRICTION:
		read_restriction(ld, node, rule);
		break;
	case PQ_KIND_REVIEW:
		value = required(ld, node, rule, "policy");
		if (value != NULL)
			rule->policy = read_policy(ld, value);
		break;
	case PQ_KIND_OBLIGATION:
		value = required(ld, node, rule, "obligation");
		rule->obligation = value != NULL ? pq_ld_text_at(ld, node, "obligation", "") : "";
		rule->label = pq_ld_text_at(ld, node, "label", "");
		break;
	case PQ_KIND_PROHIBITION:
	case PQ_KIND_REFER:
	case PQ_KIND_WARNING:
		rule->text = pq_ld_text_at(ld, node, "text", "");
		if (rule->text[0] == '\0' && rule->title[0] == '\0')
			pq_ld_warn(ld, rule->src, "says nothing to people: give \"text\" or \"title\"");
		break;
	case PQ_KIND_COUNT:
		break;
	}
}

#include "policy/pack_loader.h"

#include <string.h>

/* ---- exceptions and exclusions ----------------------------------------------------------------------------------- */

/** Does any requirement let this exception through by name? */
static bool
allowed_somewhere(const struct pq_loader *ld, const char *exception)
{
	for (size_t i = 0; i < ld->rules.n; i++) {
		const struct pq_rule *rule = &ld->rules.at[i];
		for (size_t j = 0; j < rule->allows.n; j++) {
			if (pq_exception_covers(rule->allows.at[j], exception))
				return true;
		}
	}
	return false;
}

static bool
required_somewhere(const struct pq_loader *ld, const struct pq_rule *exception)
{
	for (size_t i = 0; i < ld->rules.n; i++) {
		const struct pq_rule *rule = &ld->rules.at[i];
		if (rule->kind != PQ_KIND_REQUIREMENT)
			continue;
		if (exception->overcomes_all)
			return true;
		for (size_t j = 0; j < exception->overcomes.n; j++) {
			if (exception->overcomes.at[j] == rule->reason)
				return true;
		}
	}
	return false;
}

static void
check_exceptions(struct pq_loader *ld)
{
	const struct pq_ld_domain *domain = &ld->domain_infos.at[ld->model.domain_exception];

	for (size_t i = 0; i < ld->rules.n; i++) {
		const struct pq_rule *rule = &ld->rules.at[i];
		if (rule->kind != PQ_KIND_EXCEPTION || rule->exception == PQ_NO_INDEX)
			continue;
		if (required_somewhere(ld, rule) || allowed_somewhere(ld, domain->symbols.at[rule->exception]))
			continue;
		if (rule->overcomes.n == 0 && !rule->overcomes_all)
			pq_ld_error(ld, rule->src, "overcomes nothing: no \"overcomes\", and no requirement allows it by name");
		else
			pq_ld_error(ld, rule->src,
			            "overcomes nothing: no requirement has a reason that it overcomes or allows it by name");
	}
}

/** Does the id, or what begins as it says, name a requirement? */
static bool
names_requirement(const struct pq_loader *ld, const char *pattern)
{
	size_t len = strlen(pattern);
	bool prefix = len != 0 && pattern[len - 1] == '*';

	for (size_t i = 0; i < ld->rules.n; i++) {
		const struct pq_rule *rule = &ld->rules.at[i];
		if (rule->kind == PQ_KIND_REQUIREMENT &&
		    (prefix ? strncmp(rule->id, pattern, len - 1) == 0 : strcmp(rule->id, pattern) == 0))
			return true;
	}
	return false;
}

static void
check_exclusions(struct pq_loader *ld)
{
	for (size_t i = 0; i < ld->rules.n; i++) {
		const struct pq_rule *rule = &ld->rules.at[i];
		for (size_t j = 0; j < rule->excludes_rules.n; j++) {
			const char *pattern = rule->excludes_rules.at[j];
			const char *star = strchr(pattern, '*');
			if (star != NULL && star[1] != '\0')
				pq_ld_error(ld, rule->src, "\"%s\": a \"*\" may only stand at the end", pattern);
			else if (!names_requirement(ld, pattern))
				pq_ld_error(ld, rule->src, "excludes nothing: \"%s\" names no requirement", pattern);
		}
	}
}

/* ---- tables for the reader ---------------------------------------------------------------------------------------- */

/** Does the id, or what begins as it says before a final "*", name a rule of any kind? */
static bool
names_rule(const struct pq_loader *ld, const char *pattern)
{
	size_t len = strlen(pattern);

	if (len < 2 || pattern[len - 1] != '*')
		return pq_map_get(&ld->rule_names, pattern) != PQ_NO_INDEX;
	for (size_t i = 0; i < ld->rules.n; i++) {
		if (strncmp(ld->rules.at[i].id, pattern, len - 1) == 0)
			return true;
	}
	return false;
}

static void
check_rules_cell(struct pq_loader *ld, const char *text, struct pq_src src)
{
	const char *part, *id;

	while ((part = pq_ld_piece(ld, &text, ';')) != NULL) {
		while ((id = pq_ld_piece(ld, &part, ' ')) != NULL) {
			if (strcmp(id, "?") != 0 && !names_rule(ld, id))
				pq_ld_error(ld, src, "no rule \"%s\"", id);
		}
	}
}

static void
check_references(struct pq_loader *ld)
{
	for (uint32_t t = 0; t < ld->tables.n; t++) {
		const struct pq_ld_table *info = &ld->table_infos.at[t];
		const struct pq_node *rules = pq_node_get(info->node, "rules");
		struct pq_src src;

		if (info->header == NULL || !ld->tables.at[t].reference || rules == NULL)
			continue;
		uint32_t column = pq_ld_column(ld, t, rules);
		if (column != PQ_NO_INDEX && ld->tables.at[t].columns[column].type != PQ_TYPE_TEXT)
			pq_ld_error(ld, rules->src, "the ids of rules stand in a column of type text");
		for (size_t row = 1; column != PQ_NO_INDEX && row < info->csv.n; row++) {
			const char *text = pq_ld_csv_cell(ld, t, column, row, &src);
			if (text != NULL)
				check_rules_cell(ld, text, src);
		}
	}
}

/* ---- what nothing uses ------------------------------------------------------------------------------------------- */

static void
warn_unused_attrs(struct pq_loader *ld)
{
	for (size_t i = PQ_ATTR_FIRST_DECLARED; i < ld->attrs.n; i++) {
		const struct pq_attr *attr = &ld->attrs.at[i];
		const struct pq_ld_attr *info = &ld->attr_infos.at[i];
		bool path_used = attr->path != PQ_NO_INDEX && ld->attr_infos.at[attr->path].used && attr->type == PQ_TYPE_CODE;

		if (info->broken || attr->type == PQ_TYPE_TEXT || attr->required || attr->type == PQ_TYPE_PATH)
			continue;
		if (!info->used && !path_used && !attr->recorded)
			pq_ld_warn(ld, attr->src, "nothing uses the %s \"%s\"", attr->is_fact ? "fact" : "attribute", attr->name);
		if (!info->given)
			pq_ld_warn(ld, attr->src, "no rule derives the attribute \"%s\"", attr->name);
	}
}

/** Rows that could not be read may use attributes in their "if". */
static bool
all_tables_whole(const struct pq_loader *ld)
{
	for (size_t i = 0; i < ld->tables.n; i++) {
		if (ld->table_infos.at[i].broken)
			return false;
	}
	return true;
}

static void
warn_unused_tables(struct pq_loader *ld)
{
	for (size_t i = 0; i < ld->tables.n; i++) {
		if (!ld->table_infos.at[i].used && !ld->tables.at[i].reference)
			pq_ld_warn(ld, ld->tables.at[i].src, "nothing uses the table \"%s\"", ld->tables.at[i].name);
	}
	for (size_t p = 0; p < ld->packs.n; p++) {
		const struct pq_ld_pack *info = &ld->pack_infos.at[p];
		for (size_t i = 0; i < info->n_files; i++) {
			const struct pq_ld_file *file = &info->files[i];
			size_t len = strlen(file->name);
			if (!file->used && len > 4 && strcmp(file->name + len - 4, ".csv") == 0)
				pq_ld_warn(ld, (struct pq_src){file->path, 1, 0}, "no table has this file");
		}
	}
}

static void
warn_time_zones(struct pq_loader *ld)
{
	for (size_t i = 1; i < ld->packs.n; i++) {
		if (strcmp(ld->packs.at[i].time_zone, ld->packs.at[0].time_zone) != 0) {
			pq_ld_warn(ld, ld->packs.at[i].src,
			           "the time zone differs from that of the pack \"%s\": a request has one day only",
			           ld->packs.at[0].name);
		}
	}
}

void
pq_ld_check(struct pq_loader *ld)
{
	pq_ld_check_overlaps(ld);
	/* What these look for may stand in what could not be read. */
	if (ld->any_broken)
		return;
	check_exceptions(ld);
	check_exclusions(ld);
	check_references(ld);
	pq_ld_check_cycles(ld);
	if (all_tables_whole(ld))
		warn_unused_attrs(ld);
	warn_unused_tables(ld);
	warn_time_zones(ld);
}

#include "policy/pack_loader.h"

#include <stdlib.h>
#include <string.h>

static const char *const domain_keys[] = {"symbols", "symbols_of", "names_of", "other", "title", "note", NULL};
static const char *const column_keys[] = {"table", "column", NULL};
static const char *const spelling_keys[] = {"table", "column", "symbol", NULL};

uint32_t
pq_ld_domain_new(struct pq_loader *ld, const char *name, struct pq_src src)
{
	uint32_t index = (uint32_t)ld->domains.n;
	struct pq_domain *domain = PQ_VEC_PUSH(ld, &ld->domains);

	(void)PQ_VEC_PUSH(ld, &ld->domain_infos);
	domain->name = name;
	domain->other = PQ_NO_INDEX;
	domain->src = src;
	pq_map_put(ld, &ld->domain_names, name, index);
	return index;
}

uint32_t
pq_ld_domain(struct pq_loader *ld, const struct pq_node *node)
{
	const char *name = pq_ld_text(ld, node, "domain");

	if (name == NULL)
		return PQ_NO_INDEX;
	uint32_t index = pq_map_get(&ld->domain_names, name);
	if (index == PQ_NO_INDEX && !ld->any_broken) {
		const char **names = pq_ld_array(ld, ld->domains.n, sizeof(char *));
		for (size_t i = 0; i < ld->domains.n; i++)
			names[i] = ld->domains.at[i].name;
		pq_ld_error(ld, node->src, "no domain \"%s\"%s", name, pq_ld_propose(ld, name, names, ld->domains.n));
	}
	return index;
}

uint32_t
pq_ld_symbol_add(struct pq_loader *ld, uint32_t domain, const char *symbol, struct pq_src src)
{
	struct pq_ld_domain *info = &ld->domain_infos.at[domain];
	uint32_t index = pq_map_get(&info->exact, symbol);

	if (index != PQ_NO_INDEX)
		return index;
	const char *folded = pq_ld_fold(ld, symbol);
	index = pq_map_get(&info->folded, folded);
	if (index != PQ_NO_INDEX) {
		pq_ld_error(ld, src, "the symbol \"%s\" differs from \"%s\" of the domain %s in case or spaces only", symbol,
		            info->symbols.at[index], ld->domains.at[domain].name);
		return index;
	}
	index = (uint32_t)info->symbols.n;
	*PQ_VEC_PUSH(ld, &info->symbols) = symbol;
	pq_map_put(ld, &info->exact, symbol, index);
	pq_map_put(ld, &info->folded, folded, index);
	return index;
}

uint32_t
pq_ld_symbol(struct pq_loader *ld, uint32_t domain, const char *symbol, struct pq_src src)
{
	struct pq_ld_domain *info = &ld->domain_infos.at[domain];
	uint32_t index = pq_map_get(&info->exact, symbol);

	if (index != PQ_NO_INDEX || info->broken)
		return index;
	const char *name = ld->domains.at[domain].name;
	uint32_t near = pq_map_get(&info->folded, pq_ld_fold(ld, symbol));
	if (near != PQ_NO_INDEX) {
		pq_ld_error(ld, src, "no symbol \"%s\" in the domain %s; write \"%s\"", symbol, name, info->symbols.at[near]);
	} else {
		pq_ld_error(ld, src, "no symbol \"%s\" in the domain %s%s", symbol, name,
		            pq_ld_propose(ld, symbol, info->symbols.at, info->symbols.n));
	}
	return PQ_NO_INDEX;
}

static int
compare_indexes(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

bool
pq_ld_symbols(struct pq_loader *ld, uint32_t domain, const struct pq_node *node, bool empty_ok, struct pq_indexes *ret)
{
	size_t n_items;
	struct pq_node *const *items = pq_ld_list(&node, &n_items);
	struct pq_indexes list = {pq_ld_array(ld, n_items, sizeof(uint32_t)), 0};
	bool good = true;

	if (n_items == 0 && !empty_ok) {
		pq_ld_error(ld, node->src, "an empty list: no symbol can be in it");
		return false;
	}
	for (size_t i = 0; i < n_items; i++) {
		const char *text = pq_ld_text(ld, items[i], "a symbol");
		uint32_t symbol = text != NULL ? pq_ld_symbol(ld, domain, text, items[i]->src) : PQ_NO_INDEX;
		if (symbol == PQ_NO_INDEX)
			good = false;
		else
			list.at[list.n++] = symbol;
	}
	if (list.n != 0)
		qsort(list.at, list.n, sizeof(uint32_t), compare_indexes);
	size_t kept = 0;
	for (size_t i = 0; i < list.n; i++) {
		if (kept == 0 || list.at[kept - 1] != list.at[i])
			list.at[kept++] = list.at[i];
	}
	if (kept != list.n)
		pq_ld_error(ld, node->src, "a symbol stands in this list twice");
	list.n = kept;
	*ret = list;
	return good;
}

static bool
read_symbol(struct pq_loader *ld, uint32_t domain, const struct pq_node *node, struct pq_literal *ret)
{
	const char *text = pq_ld_text(ld, node, "a value");
	uint32_t symbol = text != NULL ? pq_ld_symbol(ld, domain, text, node->src) : PQ_NO_INDEX;

	if (symbol == PQ_NO_INDEX)
		return false;
	ret->symbols = pq_ld_indexes(ld, &symbol, 1);
	return true;
}

static bool
read_number(struct pq_loader *ld, enum pq_type type, const struct pq_node *node, struct pq_literal *ret)
{
	const char *text = pq_ld_text(ld, node, "a value");
	int32_t date;

	if (text == NULL)
		return false;
	if (type == PQ_TYPE_NUMBER) {
		if (pq_number_parse(text, strlen(text), &ret->number))
			return true;
		pq_ld_error(ld, node->src, "\"%s\" is no number (at most 4 decimals, no exponent)", text);
		return false;
	}
	if (!pq_date_parse(text, strlen(text), &date)) {
		pq_ld_error(ld, node->src, "\"%s\" is no date that exists, YYYY-MM-DD, 1900 to 2199", text);
		return false;
	}
	ret->number = date;
	return true;
}

bool
pq_ld_literal(struct pq_loader *ld, enum pq_type type, uint32_t domain, const struct pq_node *node,
              struct pq_literal *ret)
{
	*ret = (struct pq_literal){.type = type};
	if (type != PQ_TYPE_BOOL && pq_ld_is(node, "none")) {
		ret->none = true;
		return true;
	}
	switch (type) {
	case PQ_TYPE_BOOL:
		if (pq_ld_is(node, "true") || pq_ld_is(node, "false")) {
			uint32_t symbol = node->text[0] == 't' ? PQ_BOOL_TRUE : PQ_BOOL_FALSE;
			ret->symbols = pq_ld_indexes(ld, &symbol, 1);
			return true;
		}
		pq_ld_error(ld, node->src, "must be true or false");
		return false;
	case PQ_TYPE_SYMBOL:
		return domain != PQ_NO_INDEX && read_symbol(ld, domain, node, ret);
	case PQ_TYPE_SYMBOLS:
		return domain != PQ_NO_INDEX && pq_ld_symbols(ld, domain, node, true, &ret->symbols);
	case PQ_TYPE_NUMBER:
	case PQ_TYPE_DATE:
		return read_number(ld, type, node, ret);
	default:
		pq_ld_error(ld, node->src, "a fact of type %s can be \"unknown\" or \"none\" here", pq_type_name(type));
		return false;
	}
}

/* ---- declarations ------------------------------------------------------------------------------------------------ */

void
pq_ld_builtin_domains(struct pq_loader *ld)
{
	struct pq_src src = {"", 0, 0};
	uint32_t domain = pq_ld_domain_new(ld, "bool", src);

	pq_ld_symbol_add(ld, domain, "false", src);
	pq_ld_symbol_add(ld, domain, "true", src);
	ld->model.domain_outcome = domain = pq_ld_domain_new(ld, "outcome", src);
	for (int i = PQ_OUTCOME_NONE + 1; i < PQ_OUTCOME_COUNT; i++)
		pq_ld_symbol_add(ld, domain, pq_outcome_name((enum pq_outcome)i), src);
	ld->model.domain_jurisdiction = pq_ld_domain_new(ld, "jurisdiction", src);
	ld->model.domain_authority = pq_ld_domain_new(ld, "authority", src);
	ld->model.domain_reason = pq_ld_domain_new(ld, "reason", src);
	ld->model.domain_exception = pq_ld_domain_new(ld, "exception", src);
}

static void
declare_symbols(struct pq_loader *ld, uint32_t domain, const struct pq_node *node)
{
	struct pq_map seen = {0};

	if (node->kind != PQ_NODE_LIST) {
		pq_ld_error(ld, node->src, "symbols must be a list");
		return;
	}
	for (size_t i = 0; i < node->n; i++) {
		const struct pq_node *item = node->items[i];
		const char *text = pq_ld_text(ld, item, "a symbol");
		if (text == NULL)
			continue;
		const char *trimmed = pq_ld_trim(ld, text);
		if (strcmp(trimmed, text) != 0 || strcmp(text, "?") == 0 || strcmp(text, "*") == 0 || strchr(text, ';') != NULL)
			pq_ld_error(ld, item->src, "a symbol may not be \"?\" or \"*\", hold \";\" or begin or end with a space");
		else if (!pq_map_put(ld, &seen, text, 0))
			pq_ld_error(ld, item->src, "the symbol \"%s\" stands in this list twice", text);
		else
			pq_ld_symbol_add(ld, domain, text, item->src);
	}
}

void
pq_ld_declare_domains(struct pq_loader *ld, const struct pq_node *map)
{
	if (map->kind != PQ_NODE_MAP) {
		pq_ld_error(ld, map->src, "domains must be a mapping from names to domains");
		return;
	}
	for (size_t i = 0; i < map->n; i += 2) {
		const struct pq_node *name = map->items[i], *decl = map->items[i + 1];
		uint32_t domain = pq_map_get(&ld->domain_names, name->text);

		if (!pq_ld_is_name(name->text)) {
			pq_ld_error(ld, name->src, "\"%s\" cannot be a name: letters, digits, \".\", \"-\" and \"_\"", name->text);
			continue;
		}
		if (domain == PQ_DOMAIN_BOOL || domain == ld->model.domain_outcome) {
			pq_ld_error(ld, name->src, "the domain %s is the engine's own", name->text);
			continue;
		}
		if (domain == PQ_NO_INDEX)
			domain = pq_ld_domain_new(ld, name->text, name->src);
		else if (ld->domains.at[domain].src.line == 0)
			ld->domains.at[domain].src = name->src;
		*PQ_VEC_PUSH(ld, &ld->domain_infos.at[domain].decls) = decl;
		if (!pq_ld_keys(ld, decl, "a domain", domain_keys))
			continue;
		const struct pq_node *symbols = pq_node_get(decl, "symbols");
		if (symbols != NULL)
			declare_symbols(ld, domain, symbols);
		const char *other = pq_ld_text_at(ld, decl, "other", NULL);
		if (other != NULL)
			ld->domains.at[domain].other = pq_ld_symbol_add(ld, domain, other, decl->src);
	}
}

/* ---- symbols and spellings from columns -------------------------------------------------------------------------- */

/** The table and column that a mapping names; false: told, or the table is broken. */
static bool
named_column(struct pq_loader *ld, uint32_t domain, const struct pq_node *map, const char *column_key,
             uint32_t *ret_table, uint32_t *ret_column)
{
	const struct pq_node *table_node = pq_node_get(map, "table"), *column_node = pq_node_get(map, column_key);

	if (table_node == NULL || column_node == NULL) {
		pq_ld_error(ld, map->src, "needs \"table\" and \"%s\"", column_key);
		return false;
	}
	uint32_t table = pq_ld_table(ld, table_node);
	uint32_t column = table != PQ_NO_INDEX ? pq_ld_column(ld, table, column_node) : PQ_NO_INDEX;
	if (column == PQ_NO_INDEX || ld->table_infos.at[table].broken)
		ld->domain_infos.at[domain].broken = true;
	*ret_table = table;
	*ret_column = column;
	return column != PQ_NO_INDEX;
}

static void
feed_column(struct pq_loader *ld, uint32_t domain, const struct pq_node *map)
{
	uint32_t table, column;

	if (!pq_ld_keys(ld, map, "an entry of symbols_of", column_keys) ||
	    !named_column(ld, domain, map, "column", &table, &column))
		return;
	const struct pq_column *decl = &ld->tables.at[table].columns[column];
	if ((decl->type != PQ_TYPE_SYMBOL && decl->type != PQ_TYPE_SYMBOLS) || decl->domain != domain) {
		pq_ld_error(ld, map->src, "the column %s of %s has another type or domain", decl->name,
		            ld->tables.at[table].name);
		return;
	}
	for (size_t row = 1; row < ld->table_infos.at[table].csv.n; row++) {
		struct pq_src src;
		const char *cell = pq_ld_csv_cell(ld, table, column, row, &src);
		if (cell == NULL || strcmp(cell, "?") == 0 || strcmp(cell, "*") == 0)
			continue;
		if (decl->type == PQ_TYPE_SYMBOL) {
			if (cell[0] != '\0')
				pq_ld_symbol_add(ld, domain, cell, src);
			continue;
		}
		const char *piece;
		while ((piece = pq_ld_piece(ld, &cell, ';')) != NULL)
			pq_ld_symbol_add(ld, domain, piece, src);
	}
}

void
pq_ld_feed_domains(struct pq_loader *ld)
{
	for (uint32_t domain = 0; domain < ld->domains.n; domain++) {
		/* By index: reading may add nothing here, but the vector of infos is read again each time. */
		for (size_t d = 0; d < ld->domain_infos.at[domain].decls.n; d++) {
			const struct pq_node *decl = ld->domain_infos.at[domain].decls.at[d];
			const struct pq_node *of = decl->kind == PQ_NODE_MAP ? pq_node_get(decl, "symbols_of") : NULL;
			size_t n = 0;
			struct pq_node *const *items = of != NULL ? pq_ld_list(&of, &n) : NULL;

			for (size_t i = 0; i < n; i++)
				feed_column(ld, domain, items[i]);
		}
	}
}

static void
add_spelling(struct pq_loader *ld, uint32_t domain, const char *name, uint32_t symbol, struct pq_src src)
{
	struct pq_ld_domain *info = &ld->domain_infos.at[domain];
	const char *folded = pq_ld_fold(ld, name);
	uint32_t other = pq_map_get(&info->folded, folded);

	if (other != PQ_NO_INDEX && other != symbol) {
		pq_ld_error(ld, src, "the spelling \"%s\" of %s is also one of %s", name, info->symbols.at[symbol],
		            info->symbols.at[other]);
		return;
	}
	/* Spellings are found without regard to case but with their spaces, so an equal one with other spaces is kept. */
	for (size_t i = 0; other != PQ_NO_INDEX && i < info->aliases.n; i++) {
		if (strcmp(info->aliases.at[i].name, name) == 0)
			return;
	}
	if (other != PQ_NO_INDEX && strcmp(info->symbols.at[symbol], name) == 0)
		return;
	*PQ_VEC_PUSH(ld, &info->aliases) = (struct pq_alias){name, symbol};
	pq_map_put(ld, &info->folded, folded, symbol);
}

static void
feed_spellings(struct pq_loader *ld, uint32_t domain, const struct pq_node *map)
{
	uint32_t table, names, symbols;

	if (!pq_ld_keys(ld, map, "names_of", spelling_keys) || !named_column(ld, domain, map, "column", &table, &names) ||
	    !named_column(ld, domain, map, "symbol", &table, &symbols))
		return;
	for (size_t row = 1; row < ld->table_infos.at[table].csv.n; row++) {
		struct pq_src name_src, symbol_src;
		const char *name = pq_ld_csv_cell(ld, table, names, row, &name_src);
		const char *symbol = pq_ld_csv_cell(ld, table, symbols, row, &symbol_src);
		if (name == NULL || symbol == NULL)
			continue;
		if (name[0] == '\0' || symbol[0] == '\0') {
			pq_ld_error(ld, name[0] == '\0' ? name_src : symbol_src, "a spelling needs a name and a symbol");
			continue;
		}
		uint32_t index = pq_ld_symbol(ld, domain, symbol, symbol_src);
		if (index != PQ_NO_INDEX)
			add_spelling(ld, domain, name, index, name_src);
	}
}

void
pq_ld_feed_spellings(struct pq_loader *ld)
{
	for (uint32_t domain = 0; domain < ld->domains.n; domain++) {
		for (size_t d = 0; d < ld->domain_infos.at[domain].decls.n; d++) {
			const struct pq_node *decl = ld->domain_infos.at[domain].decls.at[d];
			const struct pq_node *of = decl->kind == PQ_NODE_MAP ? pq_node_get(decl, "names_of") : NULL;
			size_t n = 0;
			struct pq_node *const *items = of != NULL ? pq_ld_list(&of, &n) : NULL;

			for (size_t i = 0; i < n; i++)
				feed_spellings(ld, domain, items[i]);
		}
	}
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

struct ranked {
	const char *symbol;
	uint32_t old;
};

static int
compare_ranked(const void *a, const void *b)
{
	return strcmp(((const struct ranked *)a)->symbol, ((const struct ranked *)b)->symbol);
}

/** Sort one domain; returns the new number of each old one. */
static uint32_t *
sort_domain(struct pq_loader *ld, uint32_t domain)
{
	struct pq_ld_domain *info = &ld->domain_infos.at[domain];
	size_t n = info->symbols.n;
	struct ranked *ranked = pq_ld_array(ld, n, sizeof(*ranked));
	uint32_t *renumbered = pq_ld_array(ld, n, sizeof(*renumbered));

	for (size_t i = 0; i < n; i++)
		ranked[i] = (struct ranked){info->symbols.at[i], (uint32_t)i};
	if (n != 0)
		qsort(ranked, n, sizeof(*ranked), compare_ranked);
	for (size_t i = 0; i < n; i++) {
		info->symbols.at[i] = ranked[i].symbol;
		renumbered[ranked[i].old] = (uint32_t)i;
	}
	return renumbered;
}

void
pq_ld_sort_paths(struct pq_loader *ld)
{
	uint32_t **renumbered = pq_ld_array(ld, ld->domains.n, sizeof(uint32_t *));

	for (size_t i = 0; i < ld->path_lists.n; i++) {
		const struct pq_ld_path_list *list = &ld->path_lists.at[i];
		if (renumbered[list->domain] == NULL)
			renumbered[list->domain] = sort_domain(ld, list->domain);
		for (size_t j = 0; j < list->symbols.n; j++)
			list->symbols.at[j] = renumbered[list->domain][list->symbols.at[j]];
		if (list->symbols.n != 0)
			qsort(list->symbols.at, list->symbols.n, sizeof(uint32_t), compare_indexes);
	}
}

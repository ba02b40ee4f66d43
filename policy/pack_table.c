#include "policy/pack_loader.h"

#include <string.h>

static const char *const table_keys[] = {"name", "file",    "title", "cite",      "edition",
                                         "gaps", "columns", "note",  "reference", "rules",   NULL};
static const char *const column_keys[] = {"type", "domain", "title", "note", NULL};

static const char *const special_names[] = {"valid_from", "valid_to", "edition", "cite", "note",
                                            "amendment",  "ended_by", "if",      NULL};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/** A copy without spaces at the ends, or the text itself where nothing is to be taken off. */
static const char *
trimmed(struct pq_loader *ld, const char *text, size_t len)
{
	size_t first = 0, all = len;

	while (first < len && is_space(text[first]))
		first++;
	while (len > first && is_space(text[len - 1]))
		len--;
	if (len == all && text[len] == '\0')
		return text + first;
	return pq_ld_strndup(ld, text + first, len - first);
}

const char *
pq_ld_trim(struct pq_loader *ld, const char *text)
{
	return trimmed(ld, text, strlen(text));
}

const char *
pq_ld_piece(struct pq_loader *ld, const char **at, char separator)
{
	while (**at != '\0') {
		const char *first = *at, *end = first;
		while (*end != '\0' && *end != separator && !(separator == ' ' && is_space(*end)))
			end++;
		*at = *end == '\0' ? end : end + 1;
		const char *piece = trimmed(ld, first, (size_t)(end - first));
		if (piece[0] != '\0')
			return piece;
	}
	return NULL;
}

/* ---- declaration: names, columns, the text of the file ----------------------------------------------------------- */

static uint32_t
special_of(const char *name)
{
	for (uint32_t i = 0; special_names[i] != NULL; i++) {
		if (strcmp(special_names[i], name) == 0)
			return PQ_SPECIAL_FROM + i;
	}
	return PQ_SPECIAL_UNKNOWN;
}

static bool
declare_column(struct pq_loader *ld, const struct pq_node *name, const struct pq_node *decl, struct pq_column *ret)
{
	*ret = (struct pq_column){name->text, PQ_TYPE_TEXT, PQ_NO_INDEX, name->src};
	if (!pq_ld_keys(ld, decl, "a column", column_keys))
		return false;
	if (special_of(name->text) != PQ_SPECIAL_UNKNOWN) {
		pq_ld_error(ld, name->src, "\"%s\" is a special column: it needs no declaration", name->text);
		return false;
	}
	const struct pq_node *type = pq_node_get(decl, "type"), *domain = pq_node_get(decl, "domain");
	if (type == NULL || type->kind != PQ_NODE_TEXT || !pq_type_parse(type->text, &ret->type) ||
	    ret->type == PQ_TYPE_CODE) {
		ret->type = PQ_TYPE_TEXT;
		pq_ld_error(ld, type != NULL ? type->src : name->src,
		            "a column needs a type: bool, symbol, symbols, number, date, path or text");
		return false;
	}
	bool wants_domain = ret->type == PQ_TYPE_SYMBOL || ret->type == PQ_TYPE_SYMBOLS;
	if (wants_domain != (domain != NULL)) {
		pq_ld_error(ld, domain != NULL ? domain->src : name->src, "type %s %s", pq_type_name(ret->type),
		            wants_domain ? "needs a domain" : "has no domain");
		return false;
	}
	if (ret->type == PQ_TYPE_BOOL)
		ret->domain = PQ_DOMAIN_BOOL;
	if (wants_domain)
		ret->domain = pq_ld_domain(ld, domain);
	return !wants_domain || ret->domain != PQ_NO_INDEX;
}

static bool
declare_columns(struct pq_loader *ld, const struct pq_node *decl, struct pq_table *table)
{
	const struct pq_node *columns = pq_node_get(decl, "columns");
	bool good = true;

	if (columns == NULL || columns->kind != PQ_NODE_MAP || columns->n == 0) {
		pq_ld_error(ld, columns != NULL ? columns->src : decl->src,
		            "a table needs columns, a mapping from their names");
		return false;
	}
	table->columns = pq_ld_array(ld, columns->n / 2, sizeof(struct pq_column));
	for (size_t i = 0; i < columns->n; i += 2)
		good &= declare_column(ld, columns->items[i], columns->items[i + 1], &table->columns[table->n_columns++]);
	return good;
}

static struct pq_ld_file *
find_file(struct pq_loader *ld, const char *name)
{
	struct pq_ld_pack *info = &ld->pack_infos.at[ld->pack];

	for (size_t i = 0; i < info->n_files; i++) {
		if (strcmp(info->files[i].name, name) == 0)
			return &info->files[i];
	}
	return NULL;
}

/** What each cell of a row is. False (told): a column is missing or not known. */
static bool
read_header(struct pq_loader *ld, const struct pq_table *table, struct pq_ld_table *info, const char *file)
{
	const struct pq_csv_row *header = &info->csv.rows[0];
	struct pq_map seen = {0};
	bool good = true;

	info->header = pq_ld_array(ld, header->n, sizeof(uint32_t));
	for (size_t i = 0; i < header->n; i++) {
		struct pq_src src = {file, header->cells[i].line, header->cells[i].column};
		const char *name = pq_ld_trim(ld, header->cells[i].text);
		info->header[i] = special_of(name);
		for (uint32_t c = 0; c < table->n_columns; c++) {
			if (strcmp(table->columns[c].name, name) == 0)
				info->header[i] = c;
		}
		if (info->header[i] == PQ_SPECIAL_UNKNOWN) {
			pq_ld_error(ld, src, "the column \"%s\" is not declared in the table %s", name, table->name);
			good = false;
		}
		if (!pq_map_put(ld, &seen, name, 0)) {
			pq_ld_error(ld, src, "the column \"%s\" is here twice", name);
			good = false;
		}
	}
	for (uint32_t c = 0; c < table->n_columns; c++) {
		if (pq_map_get(&seen, table->columns[c].name) == PQ_NO_INDEX) {
			pq_ld_error(ld, table->columns[c].src, "the file %s has no column \"%s\"", file, table->columns[c].name);
			good = false;
		}
	}
	return good;
}

static bool
read_csv(struct pq_loader *ld, const struct pq_node *decl, const struct pq_table *table, struct pq_ld_table *info)
{
	const struct pq_node *name = pq_node_get(decl, "file");
	struct pq_err err;

	if (name == NULL || name->kind != PQ_NODE_TEXT) {
		pq_ld_error(ld, decl->src, "a table needs a file");
		return false;
	}
	struct pq_ld_file *file = find_file(ld, name->text);
	if (file == NULL) {
		pq_ld_error(ld, name->src, "no file \"%s\" in this pack", name->text);
		return false;
	}
	file->used = true;
	info->file = file->path;
	enum pq_status status = pq_csv_parse(file->path, file->file->data, file->file->len, ld->arena, &info->csv, &err);
	if (status == PQ_ENOMEM)
		pq_ld_no_memory(ld);
	if (status != PQ_OK) {
		pq_ld_error(ld, (struct pq_src){file->path, err.line, err.column}, "%s", err.msg);
		return false;
	}
	if (info->csv.n == 0) {
		pq_ld_error(ld, (struct pq_src){file->path, 1, 1}, "an empty file: a table has a header at least");
		return false;
	}
	bool good = read_header(ld, table, info, file->path);
	size_t wanted = info->csv.rows[0].n;
	for (size_t i = 1; i < info->csv.n; i++) {
		struct pq_csv_row *row = &info->csv.rows[i];
		if (row->n == wanted)
			continue;
		const struct pq_csv_cell *at = &row->cells[row->n > wanted ? wanted : row->n - 1];
		pq_ld_error(ld, (struct pq_src){file->path, at->line, at->column},
		            "a row of %zu cell%s where the header has %zu", row->n, row->n == 1 ? "" : "s", wanted);
		row->n = 0; /* left out from here on */
		good = false;
	}
	return good;
}

static void
declare_table(struct pq_loader *ld, const struct pq_node *decl)
{
	if (!pq_ld_keys(ld, decl, "a table", table_keys))
		return;
	const struct pq_node *name = pq_node_get(decl, "name");
	if (name == NULL || name->kind != PQ_NODE_TEXT || !pq_ld_is_name(name->text)) {
		pq_ld_error(ld, name != NULL ? name->src : decl->src,
		            "a table needs a name: letters, digits, \".\", \"-\" and \"_\"");
		return;
	}
	uint32_t other = pq_map_get(&ld->table_names, name->text);
	if (other != PQ_NO_INDEX) {
		const struct pq_src *src = &ld->tables.at[other].src;
		pq_ld_error(ld, name->src, "the table \"%s\" is declared already, at %s:%d", name->text, src->file, src->line);
		return;
	}
	struct pq_table table = {.name = name->text, .pack = ld->pack, .src = name->src};
	struct pq_ld_table info = {.node = decl};
	table.title = pq_ld_text_at(ld, decl, "title", "");
	table.edition = pq_ld_date_at(ld, decl, "edition", PQ_DATE_MIN);
	table.gaps = pq_ld_strings_at(ld, decl, "gaps");
	table.cite = "";
	struct pq_strings cites = pq_ld_strings_at(ld, decl, "cite");
	for (size_t i = 0; i < cites.n; i++)
		table.cite = i == 0 ? cites.at[0] : pq_ld_printf(ld, "%s; %s", table.cite, cites.at[i]);
	table.reference = pq_ld_bool_at(ld, decl, "reference", false);
	const struct pq_node *rules = pq_node_get(decl, "rules");
	if (rules != NULL && !table.reference)
		pq_ld_error(ld, rules->src, "only a table with \"reference: true\" lists rules");
	info.broken = !declare_columns(ld, decl, &table);
	if (!read_csv(ld, decl, &table, &info))
		info.broken = true;
	pq_map_put(ld, &ld->table_names, table.name, (uint32_t)ld->tables.n);
	*PQ_VEC_PUSH(ld, &ld->tables) = table;
	*PQ_VEC_PUSH(ld, &ld->table_infos) = info;
}

void
pq_ld_declare_tables(struct pq_loader *ld, const struct pq_node *list)
{
	if (list->kind != PQ_NODE_LIST) {
		pq_ld_error(ld, list->src, "tables must be a list");
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		declare_table(ld, list->items[i]);
}

/* ---- looking up -------------------------------------------------------------------------------------------------- */

uint32_t
pq_ld_table(struct pq_loader *ld, const struct pq_node *node)
{
	const char *name = pq_ld_text(ld, node, "the name of a table");

	if (name == NULL)
		return PQ_NO_INDEX;
	uint32_t table = pq_map_get(&ld->table_names, name);
	if (table != PQ_NO_INDEX) {
		ld->table_infos.at[table].used = true;
	} else if (!ld->any_broken) {
		const char **names = pq_ld_array(ld, ld->tables.n, sizeof(char *));
		for (size_t i = 0; i < ld->tables.n; i++)
			names[i] = ld->tables.at[i].name;
		pq_ld_error(ld, node->src, "no table \"%s\"%s", name, pq_ld_propose(ld, name, names, ld->tables.n));
	}
	return table;
}

uint32_t
pq_ld_column(struct pq_loader *ld, uint32_t index, const struct pq_node *node)
{
	const struct pq_table *table = &ld->tables.at[index];
	const char *name = pq_ld_text(ld, node, "the name of a column");

	if (name == NULL)
		return PQ_NO_INDEX;
	const char **names = pq_ld_array(ld, table->n_columns, sizeof(char *));
	for (uint32_t i = 0; i < table->n_columns; i++) {
		if (strcmp(table->columns[i].name, name) == 0)
			return i;
		names[i] = table->columns[i].name;
	}
	pq_ld_error(ld, node->src, "the table %s has no column \"%s\"%s", table->name, name,
	            pq_ld_propose(ld, name, names, table->n_columns));
	return PQ_NO_INDEX;
}

/** The cell of a column or special column. NULL: it has none. */
static const struct pq_csv_cell *
csv_cell(const struct pq_ld_table *info, uint32_t what, size_t row)
{
	if (info->header == NULL || info->csv.rows[row].n == 0)
		return NULL;
	for (size_t i = 0; i < info->csv.rows[0].n; i++) {
		if (info->header[i] == what)
			return &info->csv.rows[row].cells[i];
	}
	return NULL;
}

const char *
pq_ld_csv_cell(struct pq_loader *ld, uint32_t table, uint32_t column, size_t row, struct pq_src *ret_src)
{
	const struct pq_ld_table *info = &ld->table_infos.at[table];
	const struct pq_csv_cell *cell = csv_cell(info, column, row);

	if (cell == NULL)
		return NULL;
	*ret_src = (struct pq_src){info->file, cell->line, cell->column};
	return trimmed(ld, cell->text, cell->len);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/** What is read of one row: the table, its file and the row's place in it. */
struct row_reader {
	struct pq_loader *ld;
	const struct pq_table *table;
	const struct pq_ld_table *info;
	size_t row;
};

/** The trimmed text of a column or special column, "" where there is none, and its place. */
static const char *
cell_text(const struct row_reader *reader, uint32_t what, struct pq_src *ret_src)
{
	const struct pq_csv_cell *cell = csv_cell(reader->info, what, reader->row);

	if (cell == NULL)
		return "";
	*ret_src = (struct pq_src){reader->info->file, cell->line, cell->column};
	return trimmed(reader->ld, cell->text, cell->len);
}

static void
read_symbols_cell(struct pq_loader *ld, uint32_t domain, const char *text, struct pq_src src, struct pq_literal *ret)
{
	PQ_VEC(uint32_t) symbols = {0};
	const char *piece;

	while ((piece = pq_ld_piece(ld, &text, ';')) != NULL) {
		uint32_t symbol = pq_ld_symbol(ld, domain, piece, src);
		size_t at = 0;
		while (at < symbols.n && symbols.at[at] < symbol)
			at++;
		if (symbol == PQ_NO_INDEX)
			continue;
		if (at < symbols.n && symbols.at[at] == symbol) {
			pq_ld_error(ld, src, "the symbol \"%s\" stands in this cell twice", piece);
			continue;
		}
		(void)PQ_VEC_PUSH(ld, &symbols);
		memmove(symbols.at + at + 1, symbols.at + at, (symbols.n - 1 - at) * sizeof(uint32_t));
		symbols.at[at] = symbol;
	}
	ret->symbols = (struct pq_indexes){symbols.at, symbols.n};
}

static void
read_value(struct pq_loader *ld, const struct pq_column *column, const char *text, struct pq_src src,
           struct pq_literal *ret)
{
	int32_t date;
	uint32_t symbol;

	ret->none = false;
	switch (column->type) {
	case PQ_TYPE_BOOL:
		symbol = strcmp(text, "true") == 0 ? PQ_BOOL_TRUE : PQ_BOOL_FALSE;
		if (symbol == PQ_BOOL_FALSE && strcmp(text, "false") != 0)
			pq_ld_error(ld, src, "\"%s\" must be true, false, ? or empty", text);
		ret->symbols = pq_ld_indexes(ld, &symbol, 1);
		return;
	case PQ_TYPE_SYMBOL:
		symbol = column->domain != PQ_NO_INDEX ? pq_ld_symbol(ld, column->domain, text, src) : PQ_NO_INDEX;
		if (symbol != PQ_NO_INDEX)
			ret->symbols = pq_ld_indexes(ld, &symbol, 1);
		return;
	case PQ_TYPE_SYMBOLS:
		if (column->domain != PQ_NO_INDEX)
			read_symbols_cell(ld, column->domain, text, src, ret);
		return;
	case PQ_TYPE_NUMBER:
		if (!pq_number_parse(text, strlen(text), &ret->number))
			pq_ld_error(ld, src, "\"%s\" is no number (at most 4 decimals, no exponent)", text);
		return;
	case PQ_TYPE_DATE:
		if (pq_date_parse(text, strlen(text), &date))
			ret->number = date;
		else
			pq_ld_error(ld, src, "\"%s\" is no date that exists, YYYY-MM-DD", text);
		return;
	default:
		return;
	}
}

static void
read_cell(const struct row_reader *reader, uint32_t index, struct pq_cell *cell)
{
	const struct pq_column *column = &reader->table->columns[index];
	struct pq_src src = {reader->info->file, 0, 0};
	bool symbol = column->type == PQ_TYPE_SYMBOL || column->type == PQ_TYPE_SYMBOLS;

	cell->text = cell_text(reader, index, &src);
	cell->value = (struct pq_literal){.type = column->type, .none = true};
	if (column->type == PQ_TYPE_TEXT)
		return;
	if (strcmp(cell->text, "?") == 0)
		cell->doubtful = true;
	else if (symbol && strcmp(cell->text, "*") == 0)
		cell->any = true;
	else if (column->type == PQ_TYPE_PATH)
		(void)pq_ld_paths_cell(reader->ld, cell->text, src, &cell->paths);
	else if (cell->text[0] != '\0')
		read_value(reader->ld, column, cell->text, src, &cell->value);
}

/** A date cell: `fallback` where empty, *ret_doubtful for "?". */
static int32_t
read_date(const struct row_reader *reader, uint32_t what, int32_t fallback, bool *ret_doubtful)
{
	struct pq_src src = {reader->info->file, 0, 0};
	const char *text = cell_text(reader, what, &src);
	int32_t date;

	if (text[0] == '\0')
		return fallback;
	if (ret_doubtful != NULL && strcmp(text, "?") == 0) {
		*ret_doubtful = true;
		return what == PQ_SPECIAL_FROM ? PQ_DATE_MIN : PQ_DATE_MAX;
	}
	if (pq_date_parse(text, strlen(text), &date))
		return date;
	pq_ld_error(reader->ld, src, "\"%s\" is no date that exists, YYYY-MM-DD", text);
	return fallback;
}

static uint32_t
read_amendment(const struct row_reader *reader, uint32_t what)
{
	struct pq_src src = {reader->info->file, 0, 0};
	const char *text = cell_text(reader, what, &src);

	return text[0] == '\0' ? PQ_NO_INDEX : pq_ld_amendment(reader->ld, text, src);
}

static void
read_dates(const struct row_reader *reader, struct pq_row *row)
{
	struct pq_loader *ld = reader->ld;
	int32_t from = PQ_DATE_MIN, to = PQ_DATE_MAX;

	row->amendment = read_amendment(reader, PQ_SPECIAL_AMENDMENT);
	row->ended_by = read_amendment(reader, PQ_SPECIAL_ENDED_BY);
	if (row->amendment != PQ_NO_INDEX)
		from = ld->amendments.at[row->amendment].effective;
	if (row->ended_by != PQ_NO_INDEX)
		to = ld->amendments.at[row->ended_by].effective;
	row->from = read_date(reader, PQ_SPECIAL_FROM, from, &row->from_doubtful);
	row->to = read_date(reader, PQ_SPECIAL_TO, to, &row->to_doubtful);
	row->edition = read_date(reader, PQ_SPECIAL_EDITION, reader->table->edition, NULL);
	if (row->from >= row->to)
		pq_ld_error(ld, row->src, "a row that is never in force: it ends on the day it begins, or before");
	if ((row->from_doubtful || row->to_doubtful) && row->edition == PQ_DATE_MIN)
		pq_ld_error(ld, row->src, "\"?\" as a date needs an edition, of the row or of its table");
}

static void
read_ifs(const struct row_reader *reader, struct pq_row *row)
{
	struct pq_loader *ld = reader->ld;
	struct pq_src src = {reader->info->file, 0, 0};
	const char *text = cell_text(reader, PQ_SPECIAL_IF, &src), *word;
	PQ_VEC(struct pq_row_if) ifs = {0};

	while ((word = pq_ld_piece(ld, &text, ' ')) != NULL) {
		bool negated = word[0] == '!';
		struct pq_node name = {.kind = PQ_NODE_TEXT, .text = word + negated, .src = src};
		uint32_t attr = pq_ld_attr_seen(ld, &name, PQ_SCOPE_REQUEST);
		if (attr == PQ_NO_INDEX)
			continue;
		if (ld->attrs.at[attr].type != PQ_TYPE_BOOL) {
			pq_ld_error(ld, src, "\"%s\" is no bool", word + negated);
			continue;
		}
		for (size_t i = 0; i < ifs.n; i++) {
			if (ifs.at[i].attr == attr)
				pq_ld_error(ld, src, "\"%s\" stands in this cell twice", word + negated);
		}
		*PQ_VEC_PUSH(ld, &ifs) = (struct pq_row_if){attr, negated};
	}
	row->ifs = ifs.at;
	row->n_ifs = ifs.n;
}

static void
read_row(const struct row_reader *reader, struct pq_row *row)
{
	const struct pq_table *table = reader->table;
	struct pq_src src;

	row->src = (struct pq_src){reader->info->file, reader->info->csv.rows[reader->row].line, 1};
	row->cells = pq_ld_array(reader->ld, table->n_columns, sizeof(struct pq_cell));
	for (uint32_t c = 0; c < table->n_columns; c++)
		read_cell(reader, c, &row->cells[c]);
	read_dates(reader, row);
	read_ifs(reader, row);
	row->cite = cell_text(reader, PQ_SPECIAL_CITE, &src);
	if (row->cite[0] == '\0')
		row->cite = table->cite;
	row->note = cell_text(reader, PQ_SPECIAL_NOTE, &src);
}

static void
resolve_table(struct pq_loader *ld, uint32_t index)
{
	struct pq_table *table = &ld->tables.at[index];
	const struct pq_ld_table *info = &ld->table_infos.at[index];
	bool uncited = false;

	if (info->header == NULL)
		return;
	table->rows = pq_ld_array(ld, info->csv.n - 1, sizeof(struct pq_row));
	for (size_t i = 1; i < info->csv.n; i++) {
		struct row_reader reader = {ld, table, info, i};
		if (info->csv.rows[i].n == 0)
			continue;
		struct pq_row *row = &table->rows[table->n_rows++];
		read_row(&reader, row);
		if (row->cite[0] == '\0' && !uncited) {
			uncited = true;
			pq_ld_error(ld, row->src, "no citation: neither this row nor the table %s has one", table->name);
		}
	}
}

void
pq_ld_resolve_tables(struct pq_loader *ld)
{
	for (uint32_t i = 0; i < ld->tables.n; i++)
		resolve_table(ld, i);
}

#include "policy/pack_loader.h"

#include <stdlib.h>
#include <string.h>

/*
 * Two rows say the same thing twice where they are equal in all but dates, amendments, cite, note and edition, and some
 * day is in the validity of both. And a lookup into an attribute with one value has two answers where two rows of
 * its table are equal in the columns that it joins by, in what it filters, in paths and in `if`, hold on the same
 * day, and differ in what is taken. Only what is certain counts: doubtful cells and dates are for REFER to tell.
 */

struct keyed_row {
	const char *key;
	int32_t from, to; /* certainly in force */
	const struct pq_row *row;
	const char *value; /* what a lookup takes; "" for the first check */
};

/** Text that grows in the arena. */
struct builder {
	struct pq_loader *ld;
	PQ_VEC(char) text;
};

static void
add_text(struct builder *builder, const char *text)
{
	for (; *text != '\0'; text++)
		*PQ_VEC_PUSH(builder->ld, &builder->text) = *text;
}

static void
add_char(struct builder *builder, char c)
{
	*PQ_VEC_PUSH(builder->ld, &builder->text) = c;
}

/** Equal cells give equal texts, however they were written. */
static void
add_cell(struct builder *builder, enum pq_type type, const struct pq_cell *cell)
{
	char number[32];

	add_char(builder, '\x1f'); /* begins a cell; no text of a table has it but to spite us */
	if (cell->doubtful || cell->any) {
		add_char(builder, cell->any ? '*' : '?');
		return;
	}
	switch (type) {
	case PQ_TYPE_PATH:
		add_char(builder, cell->paths.mode == PQ_PATHS_ALL ? '=' : cell->paths.mode == PQ_PATHS_LIST ? '+' : '-');
		for (size_t i = 0; i < cell->paths.n; i++) {
			add_char(builder, ' ');
			add_text(builder, cell->paths.at[i]);
		}
		return;
	case PQ_TYPE_NUMBER:
	case PQ_TYPE_DATE:
		pq_number_format(cell->value.number, number, sizeof(number));
		add_text(builder, cell->value.none ? "" : number);
		return;
	case PQ_TYPE_TEXT:
		add_text(builder, cell->text);
		return;
	default:
		for (size_t i = 0; i < cell->value.symbols.n; i++) {
			pq_number_format((int64_t)cell->value.symbols.at[i] * PQ_NUMBER_SCALE, number, sizeof(number));
			add_text(builder, number);
			add_char(builder, ' ');
		}
	}
}

static void
add_ifs(struct builder *builder, const struct pq_row *row)
{
	char number[32];

	add_char(builder, '\x1e');
	for (size_t i = 0; i < row->n_ifs; i++) {
		pq_number_format((int64_t)row->ifs[i].attr * PQ_NUMBER_SCALE, number, sizeof(number));
		add_char(builder, row->ifs[i].negated ? '!' : ' ');
		add_text(builder, number);
	}
	add_char(builder, '\0');
}

static struct keyed_row
keyed(const struct pq_row *row, const char *key, const char *value)
{
	struct keyed_row keyed = {key, row->from, row->to, row, value};

	if (row->from_doubtful && row->edition > keyed.from)
		keyed.from = row->edition;
	if (row->to_doubtful && row->edition < PQ_DATE_MAX - 1)
		keyed.to = row->edition + 1;
	return keyed;
}

static int
compare_keyed(const void *a, const void *b)
{
	const struct keyed_row *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	if (order != 0)
		return order;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/** Go over rows of equal keys by their first days. `told` is the text behind the place of the other row. */
static void
sweep(struct pq_loader *ld, struct keyed_row *rows, size_t n, const char *told)
{
	const struct keyed_row *last = NULL; /* of those so far, the one that is longest in force */

	if (n != 0)
		qsort(rows, n, sizeof(*rows), compare_keyed);
	for (size_t i = 0; i < n; i++) {
		const struct keyed_row *row = &rows[i];
		bool same = last != NULL && strcmp(last->key, row->key) == 0;

		if (same && row->from < last->to && row->from < row->to &&
		    (row->value[0] == '\0' || strcmp(row->value, last->value) != 0)) {
			const struct pq_row *later = row->row > last->row ? row->row : last->row;
			const struct pq_row *earlier = row->row > last->row ? last->row : row->row;
			pq_ld_error(ld, later->src, "on some days both this row and line %d are in force, and %s",
			            earlier->src.line, told);
		}
		if (!same || row->to > last->to)
			last = row;
	}
}

static void
check_table(struct pq_loader *ld, const struct pq_table *table)
{
	struct keyed_row *rows = pq_ld_array(ld, table->n_rows, sizeof(*rows));

	for (size_t i = 0; i < table->n_rows; i++) {
		struct builder key = {.ld = ld};
		for (uint32_t c = 0; c < table->n_columns; c++)
			add_cell(&key, table->columns[c].type, &table->rows[i].cells[c]);
		add_ifs(&key, &table->rows[i]);
		rows[i] = keyed(&table->rows[i], key.text.at, "");
	}
	sweep(ld, rows, table->n_rows, "they say the same");
}

/* ---- lookups with one answer ------------------------------------------------------------------------------------- */

static bool
meets_only(const struct pq_lookup_only *only, const struct pq_row *row)
{
	const struct pq_cell *cell = &row->cells[only->column];

	if (cell->doubtful)
		return false;
	for (size_t i = 0; i < only->symbols.n; i++) {
		for (size_t j = 0; j < cell->value.symbols.n; j++) {
			if (only->symbols.at[i] == cell->value.symbols.at[j])
				return true;
		}
	}
	return cell->any;
}

/** Does the lookup take something certain from the row? */
static bool
is_taken(const struct pq_lookup *lookup, const struct pq_row *row)
{
	const struct pq_cell *taken = &row->cells[lookup->take];

	if (taken->doubtful || taken->value.none)
		return false;
	for (size_t i = 0; i < lookup->n_keys; i++) {
		if (row->cells[lookup->keys[i].column].doubtful)
			return false;
	}
	for (size_t i = 0; i < lookup->n_onlys; i++) {
		if (!meets_only(&lookup->onlys[i], row))
			return false;
	}
	return true;
}

static void
check_lookup(struct pq_loader *ld, const struct pq_rule *rule)
{
	const struct pq_lookup *lookup = &rule->lookup;
	const struct pq_table *table = &ld->tables.at[lookup->table];
	struct keyed_row *rows = pq_ld_array(ld, table->n_rows, sizeof(*rows));
	size_t n = 0;

	for (size_t i = 0; i < table->n_rows; i++) {
		const struct pq_row *row = &table->rows[i];
		struct builder key = {.ld = ld}, value = {.ld = ld};

		if (!is_taken(lookup, row))
			continue;
		for (size_t k = 0; k < lookup->n_keys; k++) {
			uint32_t column = lookup->keys[k].column;
			add_cell(&key, table->columns[column].type, &row->cells[column]);
		}
		add_ifs(&key, row);
		add_cell(&value, table->columns[lookup->take].type, &row->cells[lookup->take]);
		add_char(&value, '\0');
		rows[n++] = keyed(row, key.text.at, value.text.at);
	}
	sweep(ld, rows, n,
	      pq_ld_printf(ld, "the rule \"%s\" cannot tell which \"%s\" counts", rule->id,
	                   table->columns[lookup->take].name));
}

/** Could all symbols of the table be read? Where a domain is broken, unknown symbols are left out, and rows look alike. */
static bool
is_whole(const struct pq_loader *ld, const struct pq_table *table)
{
	for (size_t i = 0; i < table->n_columns; i++) {
		if (table->columns[i].domain != PQ_NO_INDEX && ld->domain_infos.at[table->columns[i].domain].broken)
			return false;
	}
	return true;
}

void
pq_ld_check_overlaps(struct pq_loader *ld)
{
	for (size_t i = 0; i < ld->tables.n; i++) {
		if (is_whole(ld, &ld->tables.at[i]))
			check_table(ld, &ld->tables.at[i]);
	}
	for (size_t i = 0; i < ld->rules.n; i++) {
		const struct pq_rule *rule = &ld->rules.at[i];
		if (rule->kind != PQ_KIND_DERIVE || rule->derive != PQ_DERIVE_LOOKUP || rule->lookup.take == PQ_NO_INDEX)
			continue;
		enum pq_type type = ld->attrs.at[rule->attr].type;
		if (!is_whole(ld, &ld->tables.at[rule->lookup.table]))
			continue;
		if (type == PQ_TYPE_SYMBOL || type == PQ_TYPE_NUMBER || type == PQ_TYPE_DATE)
			check_lookup(ld, rule);
	}
}

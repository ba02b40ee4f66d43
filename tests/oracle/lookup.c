/* Table look-ups, row by row. */
#include "tests/oracle/internal.h"

#include <string.h>

/* What is unknown about a row itself: a "?" in a cell that matters or in its dates. */
static struct or_verdict
row_exists(struct or_world *w, uint32_t table, uint32_t row)
{
	uint32_t id = or_unknown_row(w, table, row);
	struct or_deps why = {0};

	if (w->unknowns[id].assigned)
		return or_known(w->unknowns[id].present);
	or_deps_add(&why, id);
	return or_unknown(&why);
}

/* ---- the row's validity ------------------------------------------------------------------------------------------ */

static struct or_verdict
row_in_force(struct or_world *w, const struct pq_row *row, bool *doubtful)
{
	int32_t day = w->request->as_of;
	struct or_verdict began = or_known(row->from_doubtful || day >= row->from);
	struct or_verdict lasts = or_known(row->to_doubtful || day < row->to);
	struct or_verdict saved = or_saved(w, row->ended_by);
	struct or_verdict not_yet = or_not(or_saved(w, row->amendment));

	if (row->from_doubtful && row->edition != PQ_DATE_MIN && day < row->edition)
		*doubtful = true;
	if (row->to_doubtful && day > row->edition && saved.is != OR_TRUE)
		*doubtful = true;
	or_and(&began, &not_yet);
	or_or(&lasts, &saved);
	or_and(&began, &lasts);
	return began;
}

static struct or_verdict
row_conditions(struct or_world *w, const struct pq_row *row)
{
	struct or_verdict all = or_known(true);

	for (size_t i = 0; i < row->n_ifs; i++) {
		struct or_verdict one = or_verdict_of(or_attr(w, row->ifs[i].attr, OR_NOWHERE));
		if (row->ifs[i].negated)
			one = or_not(one);
		or_and(&all, &one);
	}
	return all;
}

/* ---- the row's cells --------------------------------------------------------------------------------------------- */

static int
parts(const char *path)
{
	int n = path[0] != '\0';

	for (const char *c = path; *c != '\0'; c++)
		n += *c == '.';
	return n;
}

/*
 * The rank: parts of the longest listed path that covers the known one; one that lies below it may turn out to be the
 * longer.
 */
static struct or_verdict
path_meets(const struct or_value *v, const struct pq_paths *paths, struct or_rank *rank)
{
	bool covers = false, below = false;
	int cover_rank = 0, below_rank = 0;

	if (paths->mode == PQ_PATHS_ALL)
		return or_known(true);
	for (size_t i = 0; i < paths->n && v->path != NULL; i++) {
		enum pq_path_relation relation = pq_path_relate(paths->at[i], v->path);
		int n = parts(paths->at[i]);
		if (relation == PQ_PATH_COVERS) {
			covers = true;
			cover_rank = n > cover_rank ? n : cover_rank;
		} else if (relation == PQ_PATH_BELOW && !v->exact) {
			below = true;
			below_rank = n > below_rank ? n : below_rank;
		}
	}
	struct or_verdict meets = covers ? or_known(true) : below ? or_unknown(&v->why) : or_known(false);
	if (paths->mode == PQ_PATHS_EXCEPT)
		return or_not(meets);
	rank->sure = covers ? cover_rank : below_rank;
	rank->may = below && below_rank > rank->sure ? below_rank : rank->sure;
	rank->why = v->why;
	return meets;
}

static struct or_verdict
cell_meets(struct or_world *w, const struct pq_column *column, const struct pq_cell *cell, uint32_t attr,
           struct or_at at, struct or_rank *rank)
{
	if (column->type == PQ_TYPE_PATH)
		return path_meets(or_attr(w, attr, at), &cell->paths, rank);
	if (cell->any)
		return or_known(true);
	if (cell->value.none)
		return or_known(false);
	if (column->type == PQ_TYPE_NUMBER || column->type == PQ_TYPE_DATE)
		return or_in_range(or_attr(w, attr, at), cell->value.number, cell->value.number);
	return or_any_of(w, attr, &cell->value.symbols, at);
}

static bool
cell_has(const struct pq_cell *cell, const struct pq_indexes *symbols)
{
	if (cell->any)
		return true;
	for (size_t i = 0; !cell->value.none && i < cell->value.symbols.n; i++) {
		for (size_t j = 0; j < symbols->n; j++) {
			if (cell->value.symbols.at[i] == symbols->at[j])
				return true;
		}
	}
	return false;
}

static bool
onlys_hold(const struct pq_lookup *lookup, const struct pq_row *row, bool *doubtful)
{
	for (size_t i = 0; i < lookup->n_onlys; i++) {
		const struct pq_cell *cell = &row->cells[lookup->onlys[i].column];
		if (cell->doubtful)
			*doubtful = true;
		else if (!cell_has(cell, &lookup->onlys[i].symbols))
			return false;
	}
	return true;
}

/* Does the cell say that the row is about something else? */
static bool
cell_dismisses(const struct pq_column *column, const struct pq_cell *cell, const struct or_value *v)
{
	const struct pq_indexes *symbols = &cell->value.symbols;

	if (cell->doubtful || cell->any || cell->value.none ||
	    (column->type != PQ_TYPE_SYMBOL && column->type != PQ_TYPE_SYMBOLS) || (v->form != OR_ONE && v->form != OR_MANY))
		return false;
	for (size_t k = 0; k < symbols->n; k++) {
		if (or_set_has(v->may, symbols->at[k]))
			return false;
	}
	return true;
}

/* Nearly every row is about something else: told by one look, before anything is weighed. */
static bool
speaks_of_others(struct or_world *w, const struct pq_table *table, const struct pq_lookup *lookup,
                 const struct pq_row *row, struct or_at at)
{
	for (size_t i = 0; i < lookup->n_keys; i++) {
		const struct pq_column *column = &table->columns[lookup->keys[i].column];
		if ((column->type == PQ_TYPE_SYMBOL || column->type == PQ_TYPE_SYMBOLS) &&
		    cell_dismisses(column, &row->cells[lookup->keys[i].column], or_attr(w, lookup->keys[i].attr, at)))
			return true;
	}
	return false;
}

/* The rows that the key leaves; NULL = all. */
static struct pq_indexes
rows_left_by(struct or_world *w, const struct pq_table *table, const struct pq_lookup_key *key, struct or_at at)
{
	struct pq_indexes rows = {or_alloc(w->scratch, table->n_rows, sizeof(*rows.at)), 0};
	const struct or_value *v = key != NULL ? or_attr(w, key->attr, at) : NULL;

	for (uint32_t r = 0; r < table->n_rows; r++) {
		if (key == NULL || !cell_dismisses(&table->columns[key->column], &table->rows[r].cells[key->column], v))
			rows.at[rows.n++] = r;
	}
	return rows;
}

static const struct pq_lookup_key *
first_symbol_key(const struct pq_lookup *lookup, const struct pq_table *table)
{
	for (size_t k = 0; k < lookup->n_keys; k++) {
		if (table->columns[lookup->keys[k].column].type == PQ_TYPE_SYMBOL)
			return &lookup->keys[k];
	}
	return NULL;
}

/* The rows that the look-up's first key of symbols leaves; what an element's attribute leaves is not kept. */
static struct pq_indexes
rows_to_weigh(struct or_world *w, const struct pq_lookup *lookup, struct or_at at)
{
	const struct pq_table *table = &w->model->tables[lookup->table];
	const struct pq_lookup_key *key = first_symbol_key(lookup, table);

	if (key == NULL || w->model->attrs[key->attr].scope != PQ_SCOPE_REQUEST)
		return rows_left_by(w, table, key, at);
	for (struct or_rows *r = w->memo.rows; r != NULL; r = r->next) {
		if (r->table == lookup->table && r->column == key->column && r->attr == key->attr)
			return r->rows;
	}
	struct or_rows *made = or_alloc(w->scratch, 1, sizeof(*made));
	*made = (struct or_rows){lookup->table, key->column, key->attr, rows_left_by(w, table, key, at), NULL};
	made->next = w->memo.rows;
	w->memo.rows = made;
	return made->rows;
}

struct or_verdict
or_row_holds(struct or_world *w, const struct pq_lookup *lookup, uint32_t row_index, struct or_at at,
             struct or_rank *ret_rank)
{
	const struct pq_table *table = &w->model->tables[lookup->table];
	const struct pq_row *row = &table->rows[row_index];
	struct or_verdict holds = or_known(true);
	bool doubtful = false;

	*ret_rank = (struct or_rank){0};
	if (speaks_of_others(w, table, lookup, row, at) || !onlys_hold(lookup, row, &doubtful))
		return or_known(false);
	for (size_t i = 0; i < lookup->n_keys; i++) {
		const struct pq_cell *cell = &row->cells[lookup->keys[i].column];
		const struct pq_column *column = &table->columns[lookup->keys[i].column];
		if (cell->doubtful) {
			doubtful = true;
			continue;
		}
		struct or_verdict one = cell_meets(w, column, cell, lookup->keys[i].attr, at, ret_rank);
		or_and(&holds, &one);
		if (holds.is == OR_FALSE)
			return holds;
	}
	struct or_verdict valid = row_in_force(w, row, &doubtful);
	or_and(&holds, &valid);
	if (holds.is == OR_FALSE)
		return holds;
	struct or_verdict conditions = row_conditions(w, row);
	or_and(&holds, &conditions);
	bool open = lookup->take != PQ_NO_INDEX && row->cells[lookup->take].doubtful;
	if ((doubtful || open) && holds.is != OR_FALSE) {
		struct or_verdict exists = row_exists(w, lookup->table, row_index);
		or_and(&holds, &exists);
	}
	/* Even if the row is there, nobody knows what it gives. */
	if (open && holds.is == OR_TRUE) {
		struct or_deps why = {0};
		or_deps_add(&why, or_unknown_row(w, lookup->table, row_index));
		holds = or_unknown(&why);
	}
	return holds;
}

/* ---- what is taken from the rows --------------------------------------------------------------------------------- */

static struct or_value
cell_value(struct or_world *w, uint32_t attr, const struct pq_lookup *lookup, uint32_t row)
{
	const struct pq_cell *cell = &w->model->tables[lookup->table].rows[row].cells[lookup->take];

	if (!cell->doubtful)
		return or_value_literal(w, attr, &cell->value);
	struct or_value v = or_value_anything(w, attr);
	or_deps_add(&v.why, or_unknown_row(w, lookup->table, row));
	return v;
}

/* Is there a row? What possible rows hang on is kept even where another row is sure: it may matter to who asks. */
static struct or_value
any_row(struct or_world *w, const struct pq_lookup *lookup, struct or_at at)
{
	struct or_verdict any = or_known(false);
	struct or_deps why = {0};
	struct or_rank rank;

	struct pq_indexes rows = rows_to_weigh(w, lookup, at);
	for (size_t i = 0; i < rows.n; i++) {
		struct or_verdict one = or_row_holds(w, lookup, rows.at[i], at, &rank);
		or_or(&any, &one);
		or_deps_join(&why, &one.why);
	}
	struct or_value v = or_value_of(w, &any);
	v.why = why;
	return v;
}

static struct or_value
all_rows(struct or_world *w, uint32_t attr, const struct pq_lookup *lookup, struct or_at at)
{
	struct or_value v = or_value_empty(w, attr);
	struct or_rank rank;

	struct pq_indexes rows = rows_to_weigh(w, lookup, at);
	for (size_t i = 0; i < rows.n; i++) {
		struct or_verdict holds = or_row_holds(w, lookup, rows.at[i], at, &rank);
		if (holds.is == OR_FALSE)
			continue;
		struct or_value cell = cell_value(w, attr, lookup, rows.at[i]);
		or_set_join(v.may, cell.may);
		if (holds.is == OR_TRUE)
			or_set_join(v.sure, cell.sure);
		or_deps_join(&v.why, &holds.why);
		or_deps_join(&v.why, &cell.why);
	}
	return v;
}

struct met_row {
	struct or_verdict holds;
	struct or_rank rank;
	uint32_t row;
};

/* A row that is not the best of the sure ones: may it count instead? */
static bool
may_be_better(const struct met_row *row, const struct met_row *best)
{
	if (best == NULL || row == best)
		return row == best || row->holds.is == OR_UNKNOWN;
	if (row->holds.is == OR_TRUE && row->rank.may == row->rank.sure)
		return false;
	return row->rank.may >= best->rank.sure;
}

/*
 * One value: of the rows that surely hold, the one with the longest path counts (of equals the first); a row that may
 * hold and has as long a path may come before it. Where no row surely holds there may be no value.
 */
static struct or_value
best_row(struct or_world *w, uint32_t attr, const struct pq_lookup *lookup, struct or_at at)
{
	struct pq_indexes rows = rows_to_weigh(w, lookup, at);
	struct or_value v = or_value_empty(w, attr);
	const struct met_row *best = NULL;
	struct met_row *met = NULL;
	size_t n = 0, room = 0;
	bool first = true;

	for (size_t i = 0; i < rows.n; i++) {
		struct met_row m = {.row = rows.at[i]};
		m.holds = or_row_holds(w, lookup, m.row, at, &m.rank);
		if (m.holds.is == OR_FALSE)
			continue;
		if (n == room) {
			struct met_row *more = or_alloc(w->scratch, room = room * 2 + 8, sizeof(*more));
			if (n > 0)
				memcpy(more, met, n * sizeof(*met));
			met = more;
		}
		met[n++] = m;
	}
	for (size_t i = 0; i < n; i++) {
		if (met[i].holds.is == OR_TRUE && (best == NULL || met[i].rank.sure > best->rank.sure))
			best = &met[i];
	}
	for (size_t i = 0; i < n; i++) {
		if (!may_be_better(&met[i], best))
			continue;
		if (&met[i] != best && met[i].holds.is == OR_TRUE)
			or_deps_join(&v.why, &met[i].rank.why);
		struct or_value cell = cell_value(w, attr, lookup, met[i].row);
		or_value_alternative(w, &v, &cell, first);
		first = false;
		or_deps_join(&v.why, &met[i].holds.why);
		or_deps_join(&v.why, &cell.why);
	}
	v.may_none |= best == NULL;
	return v;
}

struct or_value
or_lookup(struct or_world *w, uint32_t attr, const struct pq_rule *rule, struct or_at at)
{
	const struct pq_lookup *lookup = &rule->lookup;

	if (lookup->take == PQ_NO_INDEX)
		return any_row(w, lookup, at);
	if (or_form_of(w->model->attrs[attr].type) == OR_MANY)
		return all_rows(w, attr, lookup, at);
	return best_row(w, attr, lookup, at);
}

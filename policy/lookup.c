/* Table joins: which rows meet the request on the day, surely or possibly, and what they give. */
#include "policy/eval.h"

#include <string.h>

struct join {
	struct pq_eval *ev;
	const struct pq_where *where;
	const struct pq_p_contribution *c;
	const struct pq_p_attr *target;
	struct pq_candidate *out;
	bool by_path;
	const struct pq_p_key *known; /* the key by which rows are found: they meet it; or NULL */
	bool one_value;         /* the attribute has one value: one row counts */
	int best_sure;          /* rank of the most exact row that surely meets; -1 = none yet */
	uint32_t best_row;      /* that row, the first of its rank */
};

struct row_truth {
	enum pq_tri tri;
	int rank;               /* parts of the longest path of the row that covers the known one */
	int rank_may;           /* or of one below it, which the path may turn out to be */
	uint32_t path_attr;     /* 0 = none */
	struct pq_mask deps;
};

static void
doubt(struct join *j, const struct pq_p_row *row, struct row_truth *t)
{
	uint32_t index = (uint32_t)(row - j->ev->p->rows);
	int var = pq_row_var(j->ev, index);

	if (var >= 0 && j->ev->vars[var].assumed) {
		if (!j->ev->vars[var].present)
			t->tri = PQ_F;
		return;
	}
	t->tri = pq_and(t->tri, PQ_U);
	pq_mask_add(&t->deps, var);
}

static int
parts(const char *path, size_t len)
{
	int n = len > 0;

	for (size_t i = 0; i < len; i++)
		n += path[i] == '.';
	return n;
}

enum relation { APART, COVERS, BELOW };

static enum relation
relate(const char *listed, const struct pq_val *path)
{
	size_t len = strlen(listed);
	size_t common = len < path->path.len ? len : path->path.len;

	if (path->path_unknown)
		return len == 0 ? COVERS : BELOW;
	if (memcmp(listed, path->path.at, common) != 0)
		return APART;
	if (len == 0 || len == path->path.len || (len < path->path.len && path->path.at[len] == '.'))
		return COVERS;
	if (!path->path_complete && len > path->path.len && (path->path.len == 0 || listed[path->path.len] == '.'))
		return BELOW;
	return APART;
}

static void
path_key(struct join *j, const struct pq_p_cell *cell, uint32_t attr, struct row_truth *t)
{
	const struct pq_val *val = pq_val_at(j->ev, j->where, attr);
	bool covered = false, below = false;
	int rank = 0, rank_below = 0;

	if (cell->paths_mode == PQ_PATHS_ALL)
		return;
	for (uint32_t i = 0; i < cell->items.n; i++) {
		const char *listed = pq_string(j->ev->image, j->ev->p->lists[cell->items.first + i]);
		enum relation relation = relate(listed, val);
		if (relation == APART)
			continue;
		int n = parts(listed, strlen(listed));
		if (relation == COVERS && n > rank)
			rank = n;
		if (relation == BELOW && n > rank_below)
			rank_below = n;
		covered |= relation == COVERS;
		below |= relation == BELOW;
	}
	enum pq_tri tri = covered ? PQ_T : below ? PQ_U : PQ_F;
	if (cell->paths_mode == PQ_PATHS_EXCEPT)
		tri = pq_not(tri);
	else
		t->rank = covered ? rank : rank_below;
	t->rank_may = cell->paths_mode != PQ_PATHS_EXCEPT && rank_below > t->rank ? rank_below : t->rank;
	t->path_attr = attr;
	if (tri == PQ_U) {
		struct pq_mask deps = pq_value_deps(j->ev, j->where, attr);
		pq_mask_join(&t->deps, &deps);
	}
	t->tri = pq_and(t->tri, tri);
}

/* How many of the value's symbols the cell lists; of a single-valued attribute whether it lists all of them. */
static enum pq_tri
symbols_meet(const struct pq_p_attr *a, const struct pq_val *val, const uint32_t *symbols, uint32_t n)
{
	bool sure = false;
	uint64_t listed[64];
	bool poss = false;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t bit = UINT64_C(1) << (symbols[i] % 64);
		poss |= (val->poss[symbols[i] / 64] & bit) != 0;
		sure |= (val->sure[symbols[i] / 64] & bit) != 0;
	}
	if (!poss)
		return PQ_F;
	if (!a->single)
		return sure ? PQ_T : PQ_U;
	if (val->may_none || a->words > 64)
		return PQ_U;
	memset(listed, 0, a->words * sizeof(*listed));
	for (uint32_t i = 0; i < n; i++)
		listed[symbols[i] / 64] |= UINT64_C(1) << (symbols[i] % 64);
	for (uint32_t i = 0; i < a->words; i++) {
		if (val->poss[i] & ~listed[i])
			return PQ_U;
	}
	return PQ_T;
}

static void
symbol_key(struct join *j, const struct pq_p_cell *cell, uint32_t attr, struct row_truth *t)
{
	const struct pq_p_attr *a = &j->ev->p->attrs[attr];
	const struct pq_val *val = pq_val_at(j->ev, j->where, attr);
	enum pq_tri tri = symbols_meet(a, val, j->ev->p->lists + cell->items.first, cell->items.n);

	t->tri = pq_and(t->tri, tri);
	if (tri != PQ_U)
		return;
	struct pq_mask deps = pq_value_deps(j->ev, j->where, attr);
	pq_mask_join(&t->deps, &deps);
}

static void
number_key(struct join *j, const struct pq_p_cell *cell, uint32_t attr, struct row_truth *t)
{
	const struct pq_val *val = pq_val_at(j->ev, j->where, attr);

	if (val->number_state == PQ_NUMBER_NONE ||
	    (val->number_state == PQ_NUMBER_KNOWN && val->number != cell->number)) {
		t->tri = PQ_F;
	} else if (val->number_state == PQ_NUMBER_UNKNOWN || val->may_none) {
		struct pq_mask deps = pq_value_deps(j->ev, j->where, attr);
		pq_mask_join(&t->deps, &deps);
		t->tri = pq_and(t->tri, PQ_U);
	}
}

static void
match_key(struct join *j, const struct pq_p_row *row, const struct pq_p_key *key, struct row_truth *t)
{
	const struct pq_p_cell *cell = &j->ev->p->cells[row->cells + key->column];
	const struct pq_p_attr *a = &j->ev->p->attrs[key->attr];

	if (cell->flags & PQ_CELL_DOUBTFUL)
		doubt(j, row, t);
	else if (cell->flags & PQ_CELL_ANY)
		return;
	else if (a->type == PQ_TYPE_PATH)
		path_key(j, cell, key->attr, t);
	else if (cell->flags & PQ_CELL_NONE)
		t->tri = PQ_F;
	else if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE)
		number_key(j, cell, key->attr, t);
	else
		symbol_key(j, cell, key->attr, t);
}

static void
match_only(struct join *j, const struct pq_p_row *row, const struct pq_p_only *only, struct row_truth *t)
{
	const struct pq_p_cell *cell = &j->ev->p->cells[row->cells + only->column];

	if (cell->flags & PQ_CELL_DOUBTFUL) {
		doubt(j, row, t);
		return;
	}
	if (cell->flags & PQ_CELL_ANY)
		return;
	for (uint32_t i = 0; i < only->symbols.n; i++) {
		for (uint32_t k = 0; k < cell->items.n; k++) {
			if (j->ev->p->lists[only->symbols.first + i] == j->ev->p->lists[cell->items.first + k])
				return;
		}
	}
	t->tri = PQ_F;
}

static enum pq_tri
bool_attr(struct join *j, uint32_t attr, struct row_truth *t)
{
	const struct pq_val *val = pq_val_at(j->ev, j->where, attr);
	bool yes = val->poss[0] >> PQ_BOOL_TRUE & 1, no = val->poss[0] >> PQ_BOOL_FALSE & 1;

	if (!yes || !no)
		return yes ? PQ_T : PQ_F;
	struct pq_mask deps = pq_value_deps(j->ev, j->where, attr);
	pq_mask_join(&t->deps, &deps);
	return PQ_U;
}

/* from <= as_of, not saved from what brought it, and as_of < to or saved from what ended it. */
static void
match_force(struct join *j, const struct pq_p_row *row, struct row_truth *t)
{
	int32_t as_of = j->ev->request->as_of;
	enum pq_tri before_end;

	pq_window_row(j->ev, row);
	if (row->from_doubtful) {
		if (row->edition == PQ_DATE_MIN || as_of < row->edition)
			doubt(j, row, t);
	} else if (as_of < row->from) {
		t->tri = PQ_F;
		return;
	}
	if (row->saved_by != PQ_NO_INDEX)
		t->tri = pq_and(t->tri, pq_not(bool_attr(j, row->saved_by, t)));
	if (row->to_doubtful) {
		if (row->edition == PQ_DATE_MIN || as_of > row->edition)
			doubt(j, row, t);
		return;
	}
	before_end = as_of < row->to ? PQ_T : PQ_F;
	if (before_end == PQ_F && row->saved_end != PQ_NO_INDEX)
		before_end = bool_attr(j, row->saved_end, t);
	t->tri = pq_and(t->tri, before_end);
}

static void
match_row(struct join *j, const struct pq_p_row *row, struct row_truth *t)
{
	const struct pq_program *p = j->ev->p;

	for (uint32_t i = 0; i < j->c->keys.n && t->tri != PQ_F; i++) {
		const struct pq_p_key *key = &p->keys[j->c->keys.first + i];
		if (key != j->known)
			match_key(j, row, key, t);
	}
	for (uint32_t i = 0; i < j->c->onlys.n && t->tri != PQ_F; i++)
		match_only(j, row, &p->onlys[j->c->onlys.first + i], t);
	for (uint32_t i = 0; i < row->ifs.n && t->tri != PQ_F; i++) {
		uint32_t code = p->lists[row->ifs.first + i];
		enum pq_tri tri = bool_attr(j, code / 2, t);
		t->tri = pq_and(t->tri, code % 2 ? pq_not(tri) : tri);
	}
	if (t->tri != PQ_F)
		match_force(j, row, t);
}

static void
take_symbols(struct join *j, const struct pq_p_cell *cell, bool sure)
{
	for (uint32_t i = 0; i < cell->items.n; i++) {
		uint32_t symbol = j->ev->p->lists[cell->items.first + i];
		uint64_t bit = UINT64_C(1) << (symbol % 64);
		j->out->poss[symbol / 64] |= bit;
		if (sure)
			j->out->sure[symbol / 64] |= bit;
	}
}

static void
take_number(struct pq_candidate *out, int64_t number)
{
	if (out->number_state == PQ_NUMBER_NONE) {
		out->number_state = PQ_NUMBER_KNOWN;
		out->number = number;
	} else if (out->number_state == PQ_NUMBER_KNOWN && out->number != number) {
		out->number_state = PQ_NUMBER_UNKNOWN;
	}
}

static void
take_everything(struct join *j)
{
	const struct pq_p_attr *a = j->target;

	if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE) {
		j->out->number_state = PQ_NUMBER_UNKNOWN;
		return;
	}
	uint32_t n = j->ev->p->domains[a->domain].symbols.n;
	for (uint32_t s = 0; s < n; s++)
		j->out->poss[s / 64] |= UINT64_C(1) << (s % 64);
}

static void
take_cell(struct join *j, const struct pq_p_row *row, enum pq_tri tri)
{
	const struct pq_p_attr *a = j->target;

	if (j->c->take == PQ_NO_INDEX) {
		j->out->poss[0] |= UINT64_C(1) << PQ_BOOL_TRUE;
		return;
	}
	const struct pq_p_cell *cell = &j->ev->p->cells[row->cells + j->c->take];
	if (cell->flags & PQ_CELL_DOUBTFUL)
		take_everything(j);
	else if (cell->flags & PQ_CELL_NONE)
		j->out->may_none = true;
	else if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE)
		take_number(j->out, cell->number);
	else
		take_symbols(j, cell, tri == PQ_T);
}

/* The cell that is taken says "?": what the row gives is not known, whatever is assumed about the row. */
static void
doubt_take(struct join *j, const struct pq_p_row *row, struct row_truth *t)
{
	if (t->tri == PQ_F || j->c->take == PQ_NO_INDEX ||
	    !(j->ev->p->cells[row->cells + j->c->take].flags & PQ_CELL_DOUBTFUL))
		return;
	doubt(j, row, t);
	if (t->tri == PQ_T) { /* assumed present */
		t->tri = PQ_U;
		t->deps.overflow = true;
	}
}

static void
visit(struct join *j, uint32_t index, int pass)
{
	const struct pq_p_row *row = &j->ev->p->rows[index];
	struct row_truth t = {.tri = PQ_T};

	match_row(j, row, &t);
	doubt_take(j, row, &t);
	if (t.tri == PQ_F)
		return;
	if (!j->one_value) {
		if (j->target->type == PQ_TYPE_BOOL && t.tri == PQ_T)
			j->best_sure = 0;
		take_cell(j, row, t.tri);
		if (t.tri == PQ_U)
			pq_mask_join(&j->out->deps, &t.deps);
		return;
	}
	/* One value: of the sure rows the most exact, the first of them; possible rows that are as exact or more. */
	if (pass == 0) {
		if (t.tri == PQ_T && (t.rank > j->best_sure || (t.rank == j->best_sure && index < j->best_row))) {
			j->best_sure = t.rank;
			j->best_row = index;
		}
		return;
	}
	if (t.tri == PQ_T && index == j->best_row) {
		take_cell(j, row, t.tri);
	} else if (t.tri == PQ_T && t.rank_may > t.rank && t.rank_may >= j->best_sure) {
		/* Not the most exact by what is known of the path, but it may turn out to be. */
		struct pq_mask deps = pq_value_deps(j->ev, j->where, t.path_attr);
		take_cell(j, row, PQ_U);
		pq_mask_join(&j->out->deps, &deps);
	} else if (t.tri == PQ_U && (t.rank_may > t.rank ? t.rank_may : t.rank) >= j->best_sure) {
		take_cell(j, row, t.tri);
		pq_mask_join(&j->out->deps, &t.deps);
	}
}

/* The one symbol of a set (PQ_NO_INDEX: it is empty), or false: there are more. */
static bool
at_most_one(const uint64_t *set, uint32_t words, uint32_t *ret_symbol)
{
	for (uint32_t w = 0; w < words; w++) {
		if (set[w] == 0)
			continue;
		if (*ret_symbol != PQ_NO_INDEX || (set[w] & (set[w] - 1)) != 0)
			return false;
		*ret_symbol = w * 64 + (uint32_t)__builtin_ctzll(set[w]);
	}
	return true;
}

/* A row that surely meets: the most exact, like every other that is not found by a path. */
static void
visit_plain(struct join *j, const struct pq_join_row *plain, int pass)
{
	if (j->ev->request->as_of < plain->from || j->ev->request->as_of >= plain->to)
		return;
	if (j->one_value && pass == 0) {
		if (j->best_sure < 0 || (j->best_sure == 0 && plain->row < j->best_row)) {
			j->best_sure = 0;
			j->best_row = plain->row;
		}
		return;
	}
	if (j->one_value && plain->row != j->best_row)
		return;
	if (j->target->type == PQ_TYPE_BOOL && !j->one_value)
		j->best_sure = 0;
	take_cell(j, &j->ev->p->rows[plain->row], PQ_T);
}

/* The rows that were listed for a symbol which is surely the key's when the image was opened. */
static void
visit_listed(struct join *j, const struct pq_join *join, uint32_t symbol, int pass)
{
	const struct pq_join_row *rows = j->ev->image->join_rows;

	for (uint32_t r = join->starts[symbol]; r < join->starts[symbol + 1]; r++) {
		/* Who asks how long the answer stands must hear of each row. */
		if (rows[r].plain && j->ev->window == NULL) {
			visit_plain(j, &rows[r], pass);
			continue;
		}
		j->known = rows[r].found ? join->key : NULL;
		visit(j, rows[r].row, pass);
	}
	j->known = NULL;
}

/* By the first key that has an index and at most one symbol. */
static bool
visit_by_index(struct join *j, const struct pq_p_key *key, int pass)
{
	const struct pq_program *p = j->ev->p;
	const struct pq_p_column *column = &p->columns[p->tables[j->c->table].columns.first + key->column];
	const struct pq_p_attr *a = &p->attrs[key->attr];
	uint32_t symbol = PQ_NO_INDEX;

	if (column->index == PQ_NO_INDEX || a->words == 0 || a->type == PQ_TYPE_PATH)
		return false;
	const struct pq_val *val = pq_val_at(j->ev, j->where, key->attr);
	if (!at_most_one(val->poss, a->words, &symbol))
		return false;
	const struct pq_join *join = &j->ev->image->joins[j->c - p->contributions];
	bool sure = symbol != PQ_NO_INDEX && (a->single ? !val->may_none : val->sure[symbol / 64] >> (symbol % 64) & 1);
	if (sure && key == join->key) {
		visit_listed(j, join, symbol, pass);
		return true;
	}
	const uint32_t *starts = p->lists + column->index, *rows = p->lists + column->index_rows;
	uint32_t n = p->domains[column->domain].symbols.n;
	j->known = sure ? key : NULL;
	for (uint32_t r = symbol != PQ_NO_INDEX ? starts[symbol] : 0; symbol != PQ_NO_INDEX && r < starts[symbol + 1]; r++)
		visit(j, rows[r], pass);
	j->known = NULL;
	for (uint32_t r = starts[n]; r < starts[n + 1]; r++)
		visit(j, rows[r], pass);
	return true;
}

static void
visit_all(struct join *j, int pass)
{
	const struct pq_p_table *table = &j->ev->p->tables[j->c->table];

	for (uint32_t i = 0; i < j->c->keys.n; i++) {
		if (visit_by_index(j, &j->ev->p->keys[j->c->keys.first + i], pass))
			return;
	}
	for (uint32_t r = 0; r < table->rows.n; r++)
		visit(j, table->rows.first + r, pass);
}

/* ---- what is known at once ---- */

static void
know_cell(const struct pq_eval *ev, const struct pq_p_attr *target, const struct pq_p_cell *cell, struct pq_known *ret)
{
	if (cell->flags & PQ_CELL_NONE)
		return;
	if (target->words == 0) {
		ret->has_number = true;
		ret->number = cell->number;
		return;
	}
	for (uint32_t i = 0; i < cell->items.n; i++) {
		uint32_t symbol = ev->p->lists[cell->items.first + i];
		ret->set[symbol / 64] |= UINT64_C(1) << (symbol % 64);
	}
}

/* The key's one symbol, where it has surely that and no other; PQ_NO_INDEX = it is not so simple. */
static uint32_t
known_key(const struct pq_eval *ev, const struct pq_where *where, uint32_t attr)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	const struct pq_val *val = pq_val_at(ev, where, attr);
	uint32_t symbol = PQ_NO_INDEX;

	if (!at_most_one(val->poss, a->words, &symbol) || symbol == PQ_NO_INDEX)
		return PQ_NO_INDEX;
	bool sure = a->single ? !val->may_none : val->sure[symbol / 64] >> (symbol % 64) & 1;
	return sure ? symbol : PQ_NO_INDEX;
}

bool
pq_lookup_known(const struct pq_eval *ev, const struct pq_where *where, const struct pq_join *join,
                const struct pq_p_attr *target, struct pq_known *ret)
{
	const struct pq_p_row *first = NULL;
	int32_t day = ev->request->as_of;
	uint32_t symbol = ev->window == NULL ? known_key(ev, where, join->key->attr) : PQ_NO_INDEX;

	if (symbol == PQ_NO_INDEX)
		return false;
	*ret = (struct pq_known){0};
	for (uint32_t r = join->starts[symbol]; r < join->starts[symbol + 1]; r++) {
		const struct pq_join_row *row = &ev->image->join_rows[r];
		if (!row->plain)
			return false;
		if (day < row->from || day >= row->to)
			continue;
		if (target->type == PQ_TYPE_SYMBOLS)
			know_cell(ev, target, &ev->p->cells[ev->p->rows[row->row].cells + join->take], ret);
		else if (first == NULL || row->row < (uint32_t)(first - ev->p->rows)) /* of one value the first row's */
			first = &ev->p->rows[row->row];
	}
	if (first != NULL && join->take != PQ_NO_INDEX)
		know_cell(ev, target, &ev->p->cells[first->cells + join->take], ret);
	if (target->type == PQ_TYPE_BOOL) {
		/* Without a column to take: is there a row? With one: is it surely true, for what has no value is false? */
		bool yes = join->take == PQ_NO_INDEX ? first != NULL
		                                     : ret->set[0] == UINT64_C(1) << PQ_BOOL_TRUE;
		ret->set[0] = UINT64_C(1) << (yes ? PQ_BOOL_TRUE : PQ_BOOL_FALSE);
	} else if (target->words == 0) {
		ret->none = !ret->has_number;
	} else if (target->single) {
		ret->none = ret->set[0] == 0 && ret->set[1] == 0 && ret->set[2] == 0 && ret->set[3] == 0;
	}
	return true;
}

/* False: it is not known at once. */
static bool
take_known(const struct pq_eval *ev, const struct pq_where *where, const struct pq_p_contribution *c,
           const struct pq_p_attr *target, struct pq_candidate *out)
{
	const struct pq_join *join = &ev->image->joins[c - ev->p->contributions];
	struct pq_known known;

	if (!join->simple || !pq_lookup_known(ev, where, join, target, &known))
		return false;
	for (uint32_t w = 0; w < target->words; w++)
		out->sure[w] = out->poss[w] = known.set[w];
	out->number_state = known.has_number ? PQ_NUMBER_KNOWN : PQ_NUMBER_NONE;
	out->number = known.number;
	out->may_none = known.none;
	return true;
}

void
pq_lookup(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_contribution *c,
          const struct pq_p_attr *target, struct pq_candidate *out)
{
	struct join j = {.ev = ev, .where = where, .c = c, .target = target, .out = out, .best_sure = -1};

	if (take_known(ev, where, c, target, out))
		return;
	j.one_value = target->type != PQ_TYPE_SYMBOLS && (target->type != PQ_TYPE_BOOL || c->take != PQ_NO_INDEX);
	if (j.one_value)
		visit_all(&j, 0);
	visit_all(&j, 1);
	if (j.one_value) {
		out->may_none |= j.best_sure < 0;
		return;
	}
	/* A bool without a column to take: is there a row? */
	if (target->type == PQ_TYPE_BOOL && j.best_sure < 0)
		out->poss[0] |= UINT64_C(1) << PQ_BOOL_FALSE;
}

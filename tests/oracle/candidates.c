/* The values to try for an unknown fact: all symbols, or the numbers and paths at which a rule may turn. */
#include "tests/oracle/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Real dates (policy/terms.h). */
#define FIRST_DAY (-25567)
#define LAST_DAY 84005
#define HUGE_NUMBER ((int64_t)1000000000000 * PQ_NUMBER_SCALE)

struct list {
	struct or_candidate *at;
	size_t n, room;
	struct pq_arena *arena;
};

static struct or_candidate *
add(struct list *list)
{
	if (list->n == list->room) {
		struct or_candidate *more = or_alloc(list->arena, list->room = list->room * 2 + 4, sizeof(*more));
		if (list->n > 0)
			memcpy(more, list->at, list->n * sizeof(*more));
		list->at = more;
	}
	return &list->at[list->n++];
}

/* ---- symbols ------------------------------------------------------------------------------------------------------ */

static void
add_symbols(struct or_world *w, uint32_t attr, struct list *list)
{
	size_t n = w->model->domains[w->model->attrs[attr].domain].n_symbols;
	struct or_value empty = or_value_empty(w, attr);

	if (empty.form == OR_MANY) {
		struct or_candidate *c = add(list);
		c->value = empty;
		snprintf(c->key, sizeof(c->key), "{}");
	}
	for (uint32_t i = 0; i < n; i++) {
		struct or_candidate *c = add(list);
		c->value = or_value_empty(w, attr);
		or_set_add(c->value.may, i);
		if (c->value.form == OR_MANY)
			or_set_add(c->value.sure, i);
		snprintf(c->key, sizeof(c->key), "%u", i);
	}
}

/* ---- paths -------------------------------------------------------------------------------------------------------- */

static void
add_path(struct list *list, const char *known, const char *path)
{
	if (pq_path_relate(path, known) != PQ_PATH_BELOW)
		return;
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->at[i].value.path, path) == 0)
			return;
	}
	struct or_candidate *c = add(list);
	c->value = (struct or_value){.form = OR_PATH, .path = path, .exact = true};
	snprintf(c->key, sizeof(c->key), "%s", path);
}

/* May the row be about the code? A path is one of its own code's, whatever else a row asks for. */
static bool
speaks_of(struct or_world *w, const struct pq_lookup *lookup, const struct pq_row *row, uint32_t code, struct or_at at)
{
	for (size_t k = 0; k < lookup->n_keys; k++) {
		const struct pq_cell *cell = &row->cells[lookup->keys[k].column];
		if (lookup->keys[k].attr == code && !cell->any && !cell->doubtful &&
		    or_any_of(w, code, &cell->value.symbols, at).is == OR_FALSE)
			return false;
	}
	return true;
}

static void
add_row_paths(struct or_world *w, uint32_t id, const struct pq_rule *rule, const char *known, struct list *list)
{
	const struct pq_lookup *lookup = &rule->lookup;
	const struct pq_table *table = &w->model->tables[lookup->table];
	uint32_t attr = w->unknowns[id].attr;

	for (size_t k = 0; k < lookup->n_keys; k++) {
		if (lookup->keys[k].attr != attr || table->columns[lookup->keys[k].column].type != PQ_TYPE_PATH)
			continue;
		for (uint32_t r = 0; r < table->n_rows; r++) {
			const struct pq_paths *paths = &table->rows[r].cells[lookup->keys[k].column].paths;
			if (!speaks_of(w, lookup, &table->rows[r], w->model->attrs[attr].path, w->unknowns[id].at))
				continue;
			for (size_t i = 0; i < paths->n; i++)
				add_path(list, known, paths->at[i]);
		}
	}
}

/* The listed paths below the known one, and one that is in no list. */
static void
add_paths(struct or_world *w, uint32_t id, struct list *list)
{
	uint32_t attr = w->unknowns[id].attr;
	const struct pq_domain *domain = &w->model->domains[w->model->attrs[attr].domain];
	const char *known = or_attr(w, attr, w->unknowns[id].at)->path;

	for (size_t i = 0; i < domain->n_symbols; i++)
		add_path(list, known, domain->symbols[i]);
	for (size_t r = 0; r < w->model->n_rules; r++) {
		const struct pq_rule *rule = &w->model->rules[r];
		if (rule->kind == PQ_KIND_DERIVE && rule->derive == PQ_DERIVE_LOOKUP)
			add_row_paths(w, id, rule, known, list);
	}
	struct or_candidate *none = add(list);
	none->value = (struct or_value){.form = OR_PATH, .path = known, .exact = true};
	snprintf(none->key, sizeof(none->key), "none of them");
}

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

static void
add_level(struct or_world *w, uint32_t id, int64_t number)
{
	struct or_unknown *u = &w->unknowns[id];
	const struct pq_attr *a = &w->model->attrs[u->attr];

	/* A number without a declared minimum is taken to be an amount: not below nothing. */
	int64_t least = a->has_min ? a->min : a->type == PQ_TYPE_DATE ? FIRST_DAY : 0;
	if (number < least || (a->has_max && number > a->max))
		return;
	if (a->type == PQ_TYPE_DATE && (number < FIRST_DAY || number > LAST_DAY))
		return;
	for (size_t i = 0; i < u->n_levels; i++) {
		if (u->levels[i] == number)
			return;
	}
	if (u->n_levels == u->cap_levels) {
		int64_t *more = or_alloc(w->keep, u->cap_levels = u->cap_levels * 2 + 8, sizeof(*more));
		if (u->n_levels > 0)
			memcpy(more, u->levels, u->n_levels * sizeof(*more));
		u->levels = more;
	}
	u->levels[u->n_levels++] = number;
}

static void
add_around(struct or_world *w, uint32_t id, int64_t number)
{
	if (number < INT64_MIN / 4 || number > INT64_MAX / 4)
		return;
	for (int64_t d = -1; d <= 1; d++)
		add_level(w, id, number + d);
}

/* Is there one number that the attribute has where the unknown is `x`? */
static bool
probe(struct or_world *w, uint32_t id, int64_t x, uint32_t attr, struct or_at at, int64_t *ret)
{
	struct or_memo own = w->memo;
	struct or_unknown *u = &w->unknowns[id];

	u->assigned = true;
	u->value = (struct or_value){.form = OR_NUMBER, .n_numbers = 1, .number = x};
	or_world_forget(w, w->scratch);
	const struct or_value *v = or_attr(w, attr, at);
	bool one = v->n_numbers == 1;
	*ret = v->number;
	w->unknowns[id].assigned = false;
	w->memo = own;
	return one;
}

/* Attributes are sums of multiples: two probes tell what they are of the unknown. */
static const struct or_line *
line_of(struct or_world *w, uint32_t id, uint32_t attr, struct or_at at)
{
	struct or_line *line = &w->lines[attr];
	int64_t at_zero, at_one;

	if (line->there)
		return line;
	line->there = true;
	if (probe(w, id, 0, attr, at, &at_zero) && probe(w, id, PQ_NUMBER_SCALE, attr, at, &at_one))
		*line = (struct or_line){true, true, at_zero, (at_one - at_zero) / PQ_NUMBER_SCALE};
	return line;
}

/* Where does the attribute, as a function of the unknown, reach the level? */
static void
solve(struct or_world *w, uint32_t id, uint32_t attr, struct or_at at, int64_t level)
{
	const struct or_line *line = line_of(w, id, attr, at);

	if (!line->known || line->slope == 0) {
		add_around(w, id, level);
		return;
	}
	add_around(w, id, (level - line->zero) / line->slope);
	if ((level - line->zero) % line->slope != 0) {
		add_around(w, id, (level - line->zero) / line->slope + 1);
		add_around(w, id, (level - line->zero) / line->slope - 1);
	}
}

static bool
depends(struct or_world *w, uint32_t attr, struct or_at at, uint32_t id)
{
	const struct pq_attr *a = &w->model->attrs[attr];

	if (or_form_of(a->type) != OR_NUMBER || a->type == PQ_TYPE_TEXT)
		return false;
	if (a->scope != PQ_SCOPE_REQUEST && a->scope != w->model->attrs[w->unknowns[id].attr].scope)
		return false;
	return or_deps_has(&or_attr(w, attr, at)->why, id);
}

static void solve_dnf(struct or_world *w, uint32_t id, struct or_at at, const struct pq_dnf *dnf);

static void
solve_cond(struct or_world *w, uint32_t id, struct or_at at, const struct pq_cond *cond)
{
	if (cond->inner != NULL)
		solve_dnf(w, id, at, cond->inner);
	if (cond->op != PQ_OP_RANGE || !depends(w, cond->attr, at, id))
		return;
	for (size_t i = 0; i < cond->n_ranges; i++) {
		if (cond->ranges[i].lo != INT64_MIN)
			solve(w, id, cond->attr, at, cond->ranges[i].lo);
		if (cond->ranges[i].hi != INT64_MAX)
			solve(w, id, cond->attr, at, cond->ranges[i].hi);
	}
}

static void
solve_dnf(struct or_world *w, uint32_t id, struct or_at at, const struct pq_dnf *dnf)
{
	for (size_t i = 0; i < dnf->n; i++) {
		for (size_t j = 0; j < dnf->conjs[i].n; j++)
			solve_cond(w, id, at, &dnf->conjs[i].conds[j]);
	}
}

/* The numbers in the cells that the attribute may have been looked up from, each also times what sums multiply by. */
static void
solve_cells(struct or_world *w, uint32_t id, struct or_at at, uint32_t attr, uint32_t from, int64_t times, int depth)
{
	enum pq_scope scope = w->model->attrs[from].scope;
	struct or_rank rank;

	if (scope != PQ_SCOPE_REQUEST && scope != w->model->attrs[w->unknowns[id].attr].scope)
		return;
	for (size_t i = 0; i < w->rules_of[from].n && depth < 8; i++) {
		const struct pq_rule *rule = &w->model->rules[w->rules_of[from].at[i]];
		if (rule->derive == PQ_DERIVE_COPY)
			solve_cells(w, id, at, attr, rule->left, times, depth + 1);
		for (size_t t = 0; rule->derive == PQ_DERIVE_SUM && t < rule->n_terms; t++)
			solve_cells(w, id, at, attr, rule->terms[t].attr, times * rule->terms[t].times, depth + 1);
		if (rule->derive == PQ_DERIVE_SET && !rule->set.none)
			solve(w, id, attr, at, times * rule->set.number);
		if (rule->derive != PQ_DERIVE_LOOKUP || rule->lookup.take == PQ_NO_INDEX)
			continue;
		const struct pq_table *table = &w->model->tables[rule->lookup.table];
		for (uint32_t r = 0; r < table->n_rows; r++) {
			const struct pq_cell *cell = &table->rows[r].cells[rule->lookup.take];
			if (!cell->doubtful && !cell->value.none && or_row_holds(w, &rule->lookup, r, at, &rank).is != OR_FALSE)
				solve(w, id, attr, at, times * cell->value.number);
		}
	}
}

/* `left` depends on the unknown: where does it meet `right`? */
static void
solve_against(struct or_world *w, uint32_t id, struct or_at at, uint32_t left, const struct pq_rule *rule,
              uint32_t right)
{
	if (right == PQ_NO_INDEX) {
		solve(w, id, left, at, rule->set.number);
		return;
	}
	const struct or_value *v = or_attr(w, right, at);
	if (v->n_numbers == 1)
		solve(w, id, left, at, v->number);
	else
		solve_cells(w, id, at, left, right, 1, 0);
}

/* Both sides depend on the unknown: where is their difference nothing? */
static void
solve_both(struct or_world *w, uint32_t id, struct or_at at, const struct pq_rule *rule)
{
	const struct or_line *left = line_of(w, id, rule->left, at);
	const struct or_line *right = line_of(w, id, rule->right, at);

	if (!left->known || !right->known || left->slope == right->slope)
		return;
	for (int64_t d = -1; d <= 1; d++)
		add_around(w, id, (right->zero - left->zero) / (left->slope - right->slope) + d);
}

static void
solve_rule(struct or_world *w, uint32_t id, struct or_at at, const struct pq_rule *rule)
{
	solve_dnf(w, id, at, &rule->when);
	if (rule->has_unless_shown)
		solve_dnf(w, id, at, &rule->unless_shown);
	if (rule->kind != PQ_KIND_DERIVE)
		return;
	if (rule->derive == PQ_DERIVE_COUNT)
		solve_dnf(w, id, at, rule->inner);
	if (rule->derive != PQ_DERIVE_COMPARE)
		return;
	enum pq_scope scope = w->model->attrs[rule->attr].scope;
	if (scope != PQ_SCOPE_REQUEST && scope != w->model->attrs[w->unknowns[id].attr].scope)
		return;
	bool left = depends(w, rule->left, at, id);
	bool right = rule->right != PQ_NO_INDEX && depends(w, rule->right, at, id);
	if (left && right)
		solve_both(w, id, at, rule);
	else if (left)
		solve_against(w, id, at, rule->left, rule, rule->right);
	else if (right)
		solve_against(w, id, at, rule->right, rule, rule->left);
}

static void
solve_table_keys(struct or_world *w, uint32_t id, struct or_at at, const struct pq_rule *rule)
{
	const struct pq_table *table = &w->model->tables[rule->lookup.table];

	for (size_t k = 0; k < rule->lookup.n_keys; k++) {
		enum pq_type type = table->columns[rule->lookup.keys[k].column].type;
		if ((type != PQ_TYPE_NUMBER && type != PQ_TYPE_DATE) || !depends(w, rule->lookup.keys[k].attr, at, id))
			continue;
		for (size_t r = 0; r < table->n_rows; r++) {
			const struct pq_cell *cell = &table->rows[r].cells[rule->lookup.keys[k].column];
			if (!cell->doubtful && !cell->value.none)
				solve(w, id, rule->lookup.keys[k].attr, at, cell->value.number);
		}
	}
}

static int
compare_numbers(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
add_numbers(struct or_world *w, uint32_t id, struct list *list)
{
	const struct pq_attr *a = &w->model->attrs[w->unknowns[id].attr];
	struct or_at at = w->unknowns[id].at;
	bool date = a->type == PQ_TYPE_DATE;

	w->lines = or_alloc(w->scratch, w->model->n_attrs, sizeof(*w->lines));
	add_level(w, id, a->has_min ? a->min : date ? FIRST_DAY : 0);
	add_level(w, id, a->has_max ? a->max : date ? LAST_DAY : HUGE_NUMBER);
	for (size_t r = 0; r < w->model->n_rules; r++) {
		solve_rule(w, id, at, &w->model->rules[r]);
		if (w->model->rules[r].kind == PQ_KIND_DERIVE && w->model->rules[r].derive == PQ_DERIVE_LOOKUP)
			solve_table_keys(w, id, at, &w->model->rules[r]);
	}
	for (size_t i = 0; i < w->model->n_attrs; i++) {
		for (size_t s = 0; s < w->model->attrs[i].n_silence; s++)
			solve_dnf(w, id, at, &w->model->attrs[i].silence[s].when);
	}
	qsort(w->unknowns[id].levels, w->unknowns[id].n_levels, sizeof(int64_t), compare_numbers);
	for (size_t i = 0; i < w->unknowns[id].n_levels; i++) {
		struct or_candidate *c = add(list);
		c->value = (struct or_value){.form = OR_NUMBER, .n_numbers = 1, .number = w->unknowns[id].levels[i]};
		snprintf(c->key, sizeof(c->key), "%lld", (long long)c->value.number);
	}
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

static void
add_row(struct list *list)
{
	for (int present = 0; present <= 1; present++) {
		struct or_candidate *c = add(list);
		c->present = present;
		snprintf(c->key, sizeof(c->key), "%s", present ? "present" : "absent");
	}
}

size_t
or_candidates(struct or_world *w, uint32_t id, struct or_candidate **ret)
{
	struct list list = {.arena = w->scratch};
	const struct or_unknown *u = &w->unknowns[id];

	if (u->is_row)
		add_row(&list);
	else if (w->model->attrs[u->attr].type == PQ_TYPE_PATH)
		add_paths(w, id, &list);
	else if (or_form_of(w->model->attrs[u->attr].type) == OR_NUMBER)
		add_numbers(w, id, &list);
	else
		add_symbols(w, u->attr, &list);
	*ret = list.at;
	return list.n;
}

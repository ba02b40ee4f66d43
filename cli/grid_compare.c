/*
 * Which cells moved between two grids, in words: cells that moved alike (the same scenario, days, destinations, old and
 * new answer) are told together.
 */
#include "cli/grid.h"
#include "policy/terms.h"

#include <stdlib.h>
#include <string.h>

/* Groups that are told on the standard output; all of them go to the list. */
#define SHOWN 12
/* Classifications that one group tells there. */
#define SHOWN_ROWS 40

static const char absent[] = "not in the grid";

struct group {
	const char **rows;
	size_t n, cap, columns;
};

/* One change of one row: from a day on, up to another, `columns` have `now` instead of `then`. */
struct change {
	int32_t from, until;
	const char *then, *now;
};

struct comparison {
	const struct pq_grid *then, *now;
	struct pq_arena arena;
	struct pq_grid_texts keys;  /* of the groups */
	struct group *groups;
	size_t cap_groups;
	struct change *changes;     /* of one row */
	uint32_t *change_of;        /* by entry: column, change */
	size_t *column_of;
	size_t n_changes, cap_changes, n_entries, cap_entries;
	size_t cells;
	bool oom;
};

/* ---- one row ---- */

static void *
grown(struct comparison *c, void *at, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return at;
	size_t more = *cap > 0 ? *cap * 2 : 64;
	void *copy = pq_arena_array(&c->arena, more, size);
	if (copy == NULL) {
		c->oom = true;
		return NULL;
	}
	if (n > 0)
		memcpy(copy, at, n * size);
	*cap = more;
	return copy;
}

static void
note(struct comparison *c, size_t column, struct change change)
{
	size_t i = 0;

	while (i < c->n_changes && (c->changes[i].from != change.from || c->changes[i].until != change.until ||
	                            strcmp(c->changes[i].then, change.then) != 0 ||
	                            strcmp(c->changes[i].now, change.now) != 0))
		i++;
	if (i == c->n_changes) {
		struct change *changes = grown(c, c->changes, c->n_changes, &c->cap_changes, sizeof(*changes));
		if (changes == NULL)
			return;
		c->changes = changes;
		c->changes[c->n_changes++] = change;
	}
	if (c->n_entries == c->cap_entries) {
		size_t cap = c->cap_entries;
		uint32_t *change_of = grown(c, c->change_of, c->n_entries, &cap, sizeof(*change_of));
		size_t *column_of = grown(c, c->column_of, c->n_entries, &c->cap_entries, sizeof(*column_of));
		if (change_of == NULL || column_of == NULL)
			return;
		c->change_of = change_of;
		c->column_of = column_of;
	}
	c->change_of[c->n_entries] = (uint32_t)i;
	c->column_of[c->n_entries++] = column;
}

static const char *
answer_on(const struct pq_grid *grid, const struct pq_grid_cell *cell, int32_t day, int32_t *ret_next)
{
	size_t i = 0;

	if (cell == NULL || cell->n == 0)
		return absent;
	while (i + 1 < cell->n && cell->at[i + 1].from <= day)
		i++;
	if (i + 1 < cell->n && cell->at[i + 1].from < *ret_next)
		*ret_next = cell->at[i + 1].from;
	return grid->answers.at[cell->at[i].answer];
}

/* Stretches of days on which the cell had one answer and now has another. */
static void
compare_cell(struct comparison *c, size_t column, const struct pq_grid_cell *then, const struct pq_grid_cell *now)
{
	bool moved = false;

	if (then == NULL || then->n == 0 || now == NULL || now->n == 0) {
		/* Come or gone as a whole: told once, with its last answer. */
		int32_t none = c->now->until;
		note(c, column, (struct change){c->now->since, none, answer_on(c->then, then, none - 1, &none),
		                                answer_on(c->now, now, none - 1, &none)});
		c->cells++;
		return;
	}
	for (int32_t day = c->now->since; day < c->now->until && !c->oom;) {
		int32_t next = c->now->until;
		const char *old = answer_on(c->then, then, day, &next), *new = answer_on(c->now, now, day, &next);
		if (strcmp(old, new) != 0) {
			note(c, column, (struct change){day, next, old, new});
			moved = true;
		}
		day = next;
	}
	c->cells += moved;
}

/* ---- groups ---- */

static const char *
days(struct comparison *c, const struct change *change)
{
	char from[16], last[16];

	pq_date_format(change->from, from, sizeof(from));
	if (change->until == PQ_DATE_MAX)
		return pq_arena_printf(&c->arena, "from %s on", from);
	pq_date_format(change->until - 1, last, sizeof(last));
	return pq_arena_printf(&c->arena, "%s to %s", from, last);
}

/* What all members of a group share is its key, and at the same time what is said of it. */
static void
put_group(struct comparison *c, const struct pq_grid_part *part, const char *row, size_t change)
{
	const struct change *one = &c->changes[change];
	const char *when = days(c, one), *columns = "";
	size_t n_columns = 0;
	uint32_t index;

	for (size_t i = 0; i < c->n_entries && columns != NULL; i++) {
		if (c->change_of[i] != change)
			continue;
		columns = pq_arena_printf(&c->arena, "%s %s", columns, part->columns[c->column_of[i]].name);
		n_columns++;
	}
	const char *key = when == NULL || columns == NULL
	                      ? NULL
	                      : pq_arena_printf(&c->arena, "%s, %s:%s\n  was %s\n  now %s\n", part->name, when, columns,
	                                        one->then, one->now);
	if (key == NULL || !pq_grid_text(&c->keys, key, strlen(key), &index)) {
		c->oom = true;
		return;
	}
	struct group *groups = grown(c, c->groups, index, &c->cap_groups, sizeof(*groups));
	if (groups == NULL)
		return;
	c->groups = groups;
	struct group *group = &groups[index];
	const char **rows = grown(c, group->rows, group->n, &group->cap, sizeof(*rows));
	if (rows == NULL)
		return;
	group->rows = rows;
	group->columns = n_columns;
	group->rows[group->n++] = row;
}

static void
end_row(struct comparison *c, const struct pq_grid_part *part, const char *row)
{
	for (size_t i = 0; i < c->n_changes && !c->oom; i++)
		put_group(c, part, row, i);
	c->n_changes = c->n_entries = 0;
}

/* ---- parts ---- */

static const struct pq_grid_part *
find_part(const struct pq_grid *grid, const char *name)
{
	for (size_t p = 0; p < grid->n_parts; p++) {
		if (strcmp(grid->parts[p].name, name) == 0)
			return &grid->parts[p];
	}
	return NULL;
}

static size_t
find_row(const struct pq_grid_part *part, const char *name, size_t near)
{
	for (size_t i = 0; i < part->rows.n; i++) {
		size_t r = (near + i) % part->rows.n;
		if (strcmp(part->rows.at[r], name) == 0)
			return r;
	}
	return SIZE_MAX;
}

static size_t
find_column(const struct pq_grid_part *part, const char *name, size_t near)
{
	for (size_t i = 0; i < part->n_columns; i++) {
		size_t k = (near + i) % part->n_columns;
		if (strcmp(part->columns[k].name, name) == 0)
			return k;
	}
	return SIZE_MAX;
}

static const struct pq_grid_cell *
cell_in(const struct pq_grid_part *part, size_t row, size_t column)
{
	return part == NULL || row == SIZE_MAX || column == SIZE_MAX ? NULL : pq_grid_at(part, row, column);
}

/* The cells of one side that are decided, against the other's of the same names. `forward`: `own` is of now. */
static void
compare_part(struct comparison *c, const struct pq_grid_part *own, const struct pq_grid_part *other, bool forward)
{
	size_t *columns = pq_arena_array(&c->arena, own->n_columns + 1, sizeof(*columns));

	if (columns == NULL) {
		c->oom = true;
		return;
	}
	for (size_t k = 0; k < own->n_columns; k++)
		columns[k] = other != NULL ? find_column(other, own->columns[k].name, k) : SIZE_MAX;
	for (size_t r = 0; r < own->rows.n && !c->oom; r++) {
		size_t row = other != NULL ? find_row(other, own->rows.at[r], r) : SIZE_MAX;
		for (size_t k = 0; k < own->n_columns; k++) {
			const struct pq_grid_cell *mine = pq_grid_at(own, r, k), *theirs = cell_in(other, row, columns[k]);
			if (mine->n == 0 || (!forward && theirs != NULL && theirs->n > 0))
				continue;
			compare_cell(c, k, forward ? theirs : mine, forward ? mine : theirs);
		}
		end_row(c, own, own->rows.at[r]);
	}
}

/* ---- telling ---- */

static void
tell(const struct comparison *c, FILE *out, size_t n_groups, size_t n_rows)
{
	for (size_t g = 0; g < c->keys.n && g < n_groups; g++) {
		const struct group *group = &c->groups[g];
		fprintf(out, "%s  %zu cell%s:", c->keys.at[g], group->n * group->columns, group->n * group->columns == 1 ? "" : "s");
		for (size_t i = 0; i < group->n && i < n_rows; i++)
			fprintf(out, " %s", group->rows[i]);
		fputs(group->n > n_rows ? " ...\n\n" : "\n\n", out);
	}
	if (c->keys.n > n_groups)
		fprintf(out, "... and %zu groups more.\n\n", c->keys.n - n_groups);
}

enum pq_status
pq_grid_compare(const struct pq_grid *then, const struct pq_grid *now, bool whole, FILE *list, struct pq_grid_moved *ret,
                struct pq_err *err)
{
	struct comparison c = {.then = then, .now = now};
	enum pq_status status = PQ_OK;

	pq_arena_init(&c.arena, PQ_GRID_BYTES);
	c.keys.arena = &c.arena;
	for (size_t p = 0; p < now->n_parts; p++)
		compare_part(&c, &now->parts[p], find_part(then, now->parts[p].name), true);
	for (size_t p = 0; whole && p < then->n_parts; p++)
		compare_part(&c, &then->parts[p], find_part(now, then->parts[p].name), false);
	if (c.oom)
		status = pq_fail(err, PQ_ENOMEM, "the comparison needs more memory than it may have");
	if (status == PQ_OK) {
		tell(&c, stdout, SHOWN, SHOWN_ROWS);
		if (list != NULL)
			tell(&c, list, SIZE_MAX, SIZE_MAX);
		if (list != NULL && ferror(list))
			status = pq_fail(err, PQ_EIO, "the list of moved cells cannot be written");
	}
	if (status == PQ_OK)
		*ret = (struct pq_grid_moved){c.cells, c.keys.n};
	pq_arena_release(&c.arena);
	return status;
}

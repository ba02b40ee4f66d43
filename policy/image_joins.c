/*
 * The rows that a lookup can meet, by the symbol that it joins by: those whose constant columns fit. Rows that nothing
 * but the symbol and the day decides of are marked plain.
 */
#include "policy/image_private.h"

#include <stdlib.h>

struct list {
	struct pq_image *image;
	const struct pq_p_contribution *c;
	struct pq_join *join;
	bool counting;
};

/* The key that lookup.c would find rows by: the first that has an index. */
static const struct pq_p_key *
key_of(const struct pq_program *p, const struct pq_p_contribution *c, const struct pq_p_column **ret_column)
{
	for (uint32_t i = 0; i < c->keys.n; i++) {
		const struct pq_p_key *key = &p->keys[c->keys.first + i];
		const struct pq_p_column *column = &p->columns[p->tables[c->table].columns.first + key->column];
		const struct pq_p_attr *a = &p->attrs[key->attr];
		if (column->index == PQ_NO_INDEX || a->words == 0 || a->type == PQ_TYPE_PATH)
			continue;
		*ret_column = column;
		return key;
	}
	return NULL;
}

static bool
lists_share(const uint32_t *lists, struct pq_span a, struct pq_span b)
{
	for (uint32_t i = 0; i < a.n; i++) {
		for (uint32_t k = 0; k < b.n; k++) {
			if (lists[a.first + i] == lists[b.first + k])
				return true;
		}
	}
	return false;
}

/* Could the constant columns fit, and is that certain? */
static bool
onlys_fit(const struct pq_program *p, const struct pq_p_contribution *c, const struct pq_p_row *row, bool *certain)
{
	for (uint32_t i = 0; i < c->onlys.n; i++) {
		const struct pq_p_only *only = &p->onlys[c->onlys.first + i];
		const struct pq_p_cell *cell = &p->cells[row->cells + only->column];
		if (cell->flags & PQ_CELL_DOUBTFUL)
			*certain = false;
		else if (!(cell->flags & PQ_CELL_ANY) && !lists_share(p->lists, only->symbols, cell->items))
			return false;
	}
	return true;
}

static bool
is_plain(const struct pq_program *p, const struct pq_p_contribution *c, const struct pq_p_row *row, uint32_t column)
{
	bool doubtful = p->cells[row->cells + column].flags & PQ_CELL_DOUBTFUL;

	if (c->take != PQ_NO_INDEX)
		doubtful |= (p->cells[row->cells + c->take].flags & PQ_CELL_DOUBTFUL) != 0;
	return !doubtful && c->keys.n == 1 && row->ifs.n == 0 && row->saved_by == PQ_NO_INDEX &&
	       row->saved_end == PQ_NO_INDEX && !row->from_doubtful && !row->to_doubtful;
}

static void
add_row(struct list *l, uint32_t index, uint32_t column, bool found)
{
	const struct pq_program *p = &l->image->p;
	const struct pq_p_row *row = &p->rows[index];
	bool certain = true;

	if (!onlys_fit(p, l->c, row, &certain))
		return;
	if (!l->counting)
		l->image->join_rows[l->image->n_join_rows] =
			(struct pq_join_row){index, row->from, row->to, certain && is_plain(p, l->c, row, column), found};
	l->image->n_join_rows++;
}

/* For each symbol its rows and those that any symbol meets, in the order in which lookup.c would visit them. */
static void
list_rows(struct list *l)
{
	struct pq_image *image = l->image;
	const struct pq_program *p = &image->p;
	const struct pq_p_column *column;
	const struct pq_p_key *key = key_of(p, l->c, &column);

	if (key == NULL)
		return;
	const uint32_t *starts = p->lists + column->index, *rows = p->lists + column->index_rows;
	uint32_t n = p->domains[column->domain].symbols.n;
	if (!l->counting) {
		l->join->key = key;
		l->join->take = l->c->take;
		l->join->starts = image->join_starts + image->n_join_starts;
	}
	for (uint32_t s = 0; s <= n; s++) {
		if (!l->counting)
			image->join_starts[image->n_join_starts] = (uint32_t)image->n_join_rows;
		image->n_join_starts++;
		for (uint32_t r = s < n ? starts[s] : 0; s < n && r < starts[s + 1]; r++)
			add_row(l, rows[r], key->column, true);
		for (uint32_t r = starts[n]; s < n && r < starts[n + 1]; r++)
			add_row(l, rows[r], key->column, false);
	}
}

static void
list_all(struct pq_image *image, bool counting)
{
	image->n_join_rows = image->n_join_starts = 0;
	for (size_t i = 0; i < image->p.n_contributions; i++) {
		struct list l = {image, &image->p.contributions[i], &image->joins[i], counting};
		if (l.c->derive == PQ_DERIVE_LOOKUP)
			list_rows(&l);
	}
}

/* Wider sets, and a cell of several symbols for one value, are left to lookup.c's long way. */
static bool
is_simple(const struct pq_program *p, const struct pq_p_attr *a, const struct pq_p_contribution *c)
{
	if (a->words > PQ_KNOWN_WORDS || a->type == PQ_TYPE_CODE || a->type == PQ_TYPE_PATH || a->type == PQ_TYPE_TEXT)
		return false;
	if (c->take == PQ_NO_INDEX)
		return a->type == PQ_TYPE_BOOL;
	const struct pq_p_table *table = &p->tables[c->table];
	for (uint32_t r = 0; a->single && r < table->rows.n; r++) {
		if (p->cells[p->rows[table->rows.first + r].cells + c->take].items.n > 1)
			return false;
	}
	return true;
}

static void
mark_simple(struct pq_image *image)
{
	for (size_t i = 0; i < image->p.n_attrs; i++) {
		const struct pq_p_attr *a = &image->p.attrs[i];
		for (uint32_t k = a->contributions.first; k < a->contributions.first + a->contributions.n; k++) {
			const struct pq_p_contribution *c = &image->p.contributions[k];
			image->joins[k].simple =
				c->derive == PQ_DERIVE_LOOKUP && image->joins[k].key != NULL && is_simple(&image->p, a, c);
			if (image->joins[k].simple && a->contributions.n == 1 && c->dnf == PQ_NO_INDEX && !a->is_fact &&
			    a->digits == 0 && a->said.n == 0)
				image->sole_joins[i] = &image->joins[k];
		}
	}
}

bool
pq_image_index_joins(struct pq_image *image)
{
	image->joins = calloc(image->p.n_contributions + 1, sizeof(*image->joins));
	image->sole_joins = calloc(image->p.n_attrs + 1, sizeof(const struct pq_join *));
	if (image->joins == NULL || image->sole_joins == NULL)
		return false;
	list_all(image, true);
	image->join_starts = calloc(image->n_join_starts + 1, sizeof(*image->join_starts));
	image->join_rows = calloc(image->n_join_rows + 1, sizeof(*image->join_rows));
	if (image->join_starts == NULL || image->join_rows == NULL)
		return false;
	list_all(image, false);
	mark_simple(image);
	return true;
}

void
pq_image_free_joins(struct pq_image *image)
{
	free(image->joins);
	free(image->sole_joins);
	free(image->join_starts);
	free(image->join_rows);
}

/* All days on which the packs begin to speak differently: rows of tables that are looked up, and rules. */
#include "policy/analyse.h"
#include "policy/image_private.h"

#include <stdlib.h>
#include <string.h>

struct dates {
	const struct pq_model *model;
	const struct pq_image *image;
	struct pq_arena *arena;
	struct pq_dated *at;
	size_t n, cap;
	int32_t from, to;
	bool oom;
};

static void
add(struct dates *d, int64_t date, enum pq_change_kind kind, const char *subject, const char *file, int32_t line)
{
	if (date < d->from || date >= d->to || date <= PQ_DATE_MIN || date >= PQ_DATE_MAX)
		return;
	if (d->n == d->cap) {
		size_t cap = d->cap > 0 ? d->cap * 2 : 1024;
		struct pq_dated *at = pq_arena_array(d->arena, cap, sizeof(*at));
		if (at == NULL) {
			d->oom = true;
			return;
		}
		if (d->n > 0)
			memcpy(at, d->at, d->n * sizeof(*at));
		d->at = at;
		d->cap = cap;
	}
	d->at[d->n++] = (struct pq_dated){(int32_t)date, kind, subject, 1, {file, line, 0}};
}

static void
add_rows(struct dates *d)
{
	for (size_t t = 0; t < d->model->n_tables; t++) {
		const struct pq_table *table = &d->model->tables[t];
		for (size_t r = 0; r < table->n_rows && !table->reference && !d->oom; r++) {
			const struct pq_row *row = &table->rows[r];
			/* A doubtful begin is certain from the edition on, a doubtful end possible from the day after it. */
			int32_t from = row->from_doubtful ? row->edition : row->from;
			int64_t to = row->to_doubtful ? (int64_t)row->edition + 1 : row->to;
			add(d, from, PQ_CHANGE_ROW_BEGINS, table->name, row->src.file, row->src.line);
			add(d, to, PQ_CHANGE_ROW_ENDS, table->name, row->src.file, row->src.line);
		}
	}
}

/** What the alternatives of rules ask of the day: their validity, their stays, and conditions on `as_of`. */
static void
add_rules(struct dates *d)
{
	const struct pq_program *p = &d->image->p;

	for (size_t a = 0; a < p->n_alts && !d->oom; a++) {
		const struct pq_p_alt *alt = &p->alts[a];
		uint32_t owner = p->dnfs[alt->dnf].owner;
		for (uint32_t c = 0; owner != PQ_NO_INDEX && c < alt->conds.n; c++) {
			const struct pq_p_cond *cond = &p->conds[alt->conds.first + c];
			if (cond->inner != PQ_NO_INDEX || cond->op != PQ_OP_RANGE || cond->attr != PQ_ATTR_AS_OF)
				continue;
			const struct pq_src *src = &d->model->rules[owner].src;
			for (uint32_t r = 0; r < cond->ranges.n; r++) {
				const struct pq_p_range *range = &p->ranges[cond->ranges.first + r];
				add(d, range->lo, PQ_CHANGE_RULE_BEGINS, d->model->rules[owner].id, src->file, src->line);
				if (range->hi < PQ_DATE_MAX)
					add(d, range->hi + 1, PQ_CHANGE_RULE_ENDS, d->model->rules[owner].id, src->file, src->line);
			}
		}
	}
}

static int
compare(const void *left, const void *right)
{
	const struct pq_dated *a = left, *b = right;
	int order = (a->date > b->date) - (a->date < b->date);

	if (order == 0)
		order = (int)a->kind - (int)b->kind;
	if (order == 0)
		order = strcmp(a->subject, b->subject);
	return order != 0 ? order : (a->src.line > b->src.line) - (a->src.line < b->src.line);
}

enum pq_status
pq_analyse_dates(const struct pq_model *model, const struct pq_image *image, int32_t from, int32_t to,
                 struct pq_arena *arena, struct pq_dated **ret, size_t *ret_n, struct pq_err *err)
{
	struct dates d = {.model = model, .image = image, .arena = arena, .from = from, .to = to};
	size_t n = 0;

	add_rows(&d);
	add_rules(&d);
	if (d.oom)
		return pq_fail(err, PQ_ENOMEM, "out of memory");
	if (d.n > 0)
		qsort(d.at, d.n, sizeof(*d.at), compare);
	for (size_t i = 0; i < d.n; i++) {
		struct pq_dated *last = n > 0 ? &d.at[n - 1] : NULL;
		if (last != NULL && last->date == d.at[i].date && last->kind == d.at[i].kind &&
		    strcmp(last->subject, d.at[i].subject) == 0)
			last->n++;
		else
			d.at[n++] = d.at[i];
	}
	*ret = d.at;
	*ret_n = n;
	return PQ_OK;
}

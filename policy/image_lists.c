/* The finite lists that a revision is made of: symbols, codes with their paths, dates. */
#include "policy/calendar.h"
#include "policy/image_private.h"

#include <stdlib.h>
#include <string.h>

static const struct pq_p_attr *
find_fact(const struct pq_image *image, const char *name)
{
	for (size_t i = 0; i < image->p.n_attrs; i++) {
		const struct pq_p_attr *a = &image->p.attrs[i];
		if (a->is_fact && strcmp(pq_string(image, a->name), name) == 0)
			return a;
	}
	return NULL;
}

enum pq_status
pq_image_symbols_of(const struct pq_image *image, const char *fact, struct pq_arena *arena, struct pq_texts *ret,
                    struct pq_err *err)
{
	const struct pq_p_attr *a = find_fact(image, fact);

	if (a == NULL || a->domain == PQ_NO_INDEX)
		return pq_fail_at(err, PQ_EINVAL, fact, 0, 0, "is no fact with a domain");
	struct pq_span symbols = image->p.domains[a->domain].symbols;
	const char **at = pq_arena_array(arena, (size_t)symbols.n + 1, sizeof(*at));
	if (at == NULL)
		return pq_fail(err, PQ_ENOMEM, "out of memory");
	for (uint32_t i = 0; i < symbols.n; i++)
		at[i] = pq_string(image, image->p.symbols[symbols.first + i]);
	*ret = (struct pq_texts){at, symbols.n};
	return PQ_OK;
}

/* ---- codes ---- */

struct codes {
	const struct pq_image *image;
	struct pq_arena *arena;
	const char **at;
	size_t n, cap;
	char separator;
	bool oom;
};

/* "a.2" behind "3B001" is "3B001.a.2", behind "VIII" "VIII(a)(2)". */
static const char *
write_code(struct codes *c, const char *symbol, const char *path)
{
	if (path[0] == '\0')
		return symbol;
	if (c->separator != '(')
		return pq_arena_printf(c->arena, "%s%c%s", symbol, c->separator, path);
	const char *text = symbol;
	while (text != NULL && path[0] != '\0') {
		int len = (int)strcspn(path, ".");
		text = pq_arena_printf(c->arena, "%s(%.*s)", text, len, path);
		path += len + (path[len] == '.');
	}
	return text;
}

static void
add_code(struct codes *c, const char *symbol, const char *path)
{
	if (c->n == c->cap) {
		size_t cap = c->cap > 0 ? c->cap * 2 : 1024;
		const char **at = pq_arena_array(c->arena, cap, sizeof(*at));
		if (at == NULL) {
			c->oom = true;
			return;
		}
		if (c->n > 0)
			memcpy(at, c->at, c->n * sizeof(*at));
		c->at = at;
		c->cap = cap;
	}
	const char *text = write_code(c, symbol, path);
	if (text == NULL)
		c->oom = true;
	else
		c->at[c->n++] = text;
}

static bool
key_column(const struct pq_image *image, const struct pq_p_contribution *c, uint32_t attr, uint32_t *ret)
{
	for (uint32_t k = 0; k < c->keys.n; k++) {
		if (image->p.keys[c->keys.first + k].attr == attr) {
			*ret = image->p.keys[c->keys.first + k].column;
			return true;
		}
	}
	return false;
}

static void
add_row(struct codes *c, const struct pq_p_row *row, uint32_t code_column, uint32_t path_column)
{
	const struct pq_program *p = &c->image->p;
	const struct pq_p_cell *codes = &p->cells[row->cells + code_column], *paths = &p->cells[row->cells + path_column];
	uint32_t domain = p->columns[p->tables[row->table].columns.first + code_column].domain;

	for (uint32_t i = 0; i < codes->items.n; i++) {
		const char *symbol =
		    pq_string(c->image, p->symbols[p->domains[domain].symbols.first + p->lists[codes->items.first + i]]);
		for (uint32_t k = 0; k < paths->items.n; k++)
			add_code(c, symbol, pq_string(c->image, p->lists[paths->items.first + k]));
	}
}

static int
compare_texts(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

enum pq_status
pq_image_codes_of(const struct pq_image *image, const char *fact, struct pq_arena *arena, struct pq_texts *ret,
                  struct pq_err *err)
{
	const struct pq_program *p = &image->p;
	const struct pq_p_attr *a = find_fact(image, fact);

	if (a == NULL || a->type != PQ_TYPE_CODE)
		return pq_fail_at(err, PQ_EINVAL, fact, 0, 0, "is no fact of type code");
	struct codes codes = {.image = image, .arena = arena, .separator = a->separator};
	struct pq_span symbols = p->domains[a->domain].symbols;
	for (uint32_t i = 0; i < symbols.n; i++)
		add_code(&codes, pq_string(image, p->symbols[symbols.first + i]), "");
	uint32_t code = (uint32_t)(a - p->attrs), code_column, path_column;
	struct pq_span lookups = a->path != PQ_NO_INDEX ? p->attrs[a->path].path_lookups : (struct pq_span){0, 0};
	for (uint32_t i = 0; i < lookups.n; i++) {
		const struct pq_p_contribution *c = &p->contributions[p->lists[lookups.first + i]];
		if (!key_column(image, c, code, &code_column) || !key_column(image, c, a->path, &path_column))
			continue;
		for (uint32_t r = 0; r < p->tables[c->table].rows.n; r++)
			add_row(&codes, &p->rows[p->tables[c->table].rows.first + r], code_column, path_column);
	}
	if (codes.oom)
		return pq_fail(err, PQ_ENOMEM, "out of memory");
	qsort(codes.at, codes.n, sizeof(*codes.at), compare_texts);
	size_t n = 0;
	for (size_t i = 0; i < codes.n; i++) {
		if (n == 0 || strcmp(codes.at[n - 1], codes.at[i]) != 0)
			codes.at[n++] = codes.at[i];
	}
	*ret = (struct pq_texts){codes.at, n};
	return PQ_OK;
}

/* ---- dates ---- */

static int
compare_dates(const void *left, const void *right)
{
	int32_t l = *(const int32_t *)left, r = *(const int32_t *)right;

	return (l > r) - (l < r);
}

enum pq_status
pq_image_dates(const struct pq_image *image, int32_t from, int32_t to, struct pq_arena *arena, struct pq_dates *ret,
               struct pq_err *err)
{
	const struct pq_program *p = &image->p;
	struct pq_span rules = p->attrs[PQ_ATTR_AS_OF].boundaries;
	int32_t *at = pq_arena_array(arena, 4 * p->n_rows + rules.n + 1, sizeof(*at));
	size_t n = 0, kept = 0;

	if (at == NULL)
		return pq_fail(err, PQ_ENOMEM, "out of memory");
	for (size_t i = 0; i < p->n_rows; i++) {
		const struct pq_p_row *row = &p->rows[i];
		at[n++] = row->from;
		at[n++] = row->to;
		/* A doubtful begin is certain from the edition on, a doubtful end until the day after it. */
		if (row->from_doubtful && row->edition != PQ_DATE_MIN)
			at[n++] = row->edition;
		if (row->to_doubtful && row->edition != PQ_DATE_MIN)
			at[n++] = row->edition + 1;
	}
	for (uint32_t i = 0; i < rules.n; i++) {
		int64_t date = p->numbers[rules.first + i];
		if (date > PQ_DATE_MIN && date < PQ_DATE_MAX)
			at[n++] = (int32_t)date;
	}
	qsort(at, n, sizeof(*at), compare_dates);
	for (size_t i = 0; i < n; i++) {
		if (at[i] < from || at[i] >= to || at[i] == PQ_DATE_MIN || at[i] == PQ_DATE_MAX)
			continue;
		if (kept == 0 || at[kept - 1] != at[i])
			at[kept++] = at[i];
	}
	*ret = (struct pq_dates){at, kept};
	return PQ_OK;
}

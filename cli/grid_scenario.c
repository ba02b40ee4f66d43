/* Scenarios of the grid: what is said of every transaction, and what its rows and columns vary. */
#include "cli/grid.h"

#include "policy/classes.h"
#include "policy/request.h"
#include "storage/files.h"

#include <jansson.h>
#include <string.h>

struct reading {
	struct pq_grid *grid;
	const struct pq_image *image;
	const char *path;
	struct pq_grid_part *part;
	struct pq_err *err;
};

static enum pq_status
no_memory(struct pq_err *err)
{
	return pq_fail(err, PQ_ENOMEM, "the grid needs more memory than it may have");
}

static enum pq_status
take_text(const struct reading *r, const json_t *root, const char *key, const char **ret)
{
	const char *text = json_string_value(json_object_get(root, key));

	if (text == NULL || text[0] == '\0' || strpbrk(text, "\n\r") != NULL)
		return pq_fail_at(r->err, PQ_EINVAL, r->path, 0, 0, "\"%s\" must be a text of one line", key);
	*ret = pq_arena_strndup(&r->grid->arena, text, strlen(text));
	return *ret != NULL ? PQ_OK : no_memory(r->err);
}

/* "tests/grid/civil.json" is the scenario "civil". */
static const char *
name_of(struct pq_arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	const char *dot = strrchr(name, '.');

	return pq_arena_strndup(arena, name, dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name));
}

/* Of the symbols those that the scenario wants: all, where it does not say. */
static enum pq_status
keep_only(const struct reading *r, const json_t *only, struct pq_texts *symbols)
{
	size_t n = 0, i;
	json_t *value;

	if (only == NULL)
		return PQ_OK;
	json_array_foreach((json_t *)only, i, value) {
		const char *wanted = json_string_value(value);
		size_t k = 0;
		while (wanted != NULL && k < symbols->n && strcmp(symbols->at[k], wanted) != 0)
			k++;
		if (wanted == NULL || k == symbols->n)
			return pq_fail_at(r->err, PQ_EINVAL, r->path, 0, 0, "\"only\": no. %zu is no value of %.80s", i + 1,
			                  r->part->column_fact);
	}
	for (size_t k = 0; k < symbols->n; k++) {
		bool keep = false;
		json_array_foreach((json_t *)only, i, value)
			keep |= strcmp(symbols->at[k], json_string_value(value)) == 0;
		if (keep)
			symbols->at[n++] = symbols->at[k];
	}
	symbols->n = n;
	return n > 0 ? PQ_OK : pq_fail_at(r->err, PQ_EINVAL, r->path, 0, 0, "\"only\" must be a list of values");
}

static enum pq_status
plain_columns(const struct reading *r, const json_t *only, size_t n_special)
{
	struct pq_arena *arena = &r->grid->arena;
	struct pq_texts symbols;

	enum pq_status status = pq_image_symbols_of(r->image, r->part->column_fact, arena, &symbols, r->err);
	if (status == PQ_OK)
		status = keep_only(r, only, &symbols);
	if (status != PQ_OK)
		return status;
	r->part->columns = pq_arena_array(arena, symbols.n + n_special + 1, sizeof(*r->part->columns));
	struct pq_fact *facts = pq_arena_array(arena, symbols.n + 1, sizeof(*facts));
	if (r->part->columns == NULL || facts == NULL)
		return no_memory(r->err);
	for (size_t i = 0; i < symbols.n; i++) {
		facts[i] = (struct pq_fact){{r->part->column_fact, strlen(r->part->column_fact)},
		                            {.kind = PQ_VALUE_TEXT, .text = {symbols.at[i], strlen(symbols.at[i])}}};
		r->part->columns[r->part->n_columns++] = (struct pq_grid_column){symbols.at[i], {&facts[i], 1}};
	}
	return PQ_OK;
}

static enum pq_status
special_column(const struct reading *r, const char *name, const json_t *values)
{
	struct pq_arena *arena = &r->grid->arena;
	struct pq_fact *facts = pq_arena_array(arena, json_object_size(values) + 1, sizeof(*facts));
	const char *key;
	json_t *value;
	size_t n = 0;

	if (facts == NULL)
		return no_memory(r->err);
	if (!json_is_object(values) || name[0] == '\0' || strpbrk(name, " :\n\r") != NULL)
		return pq_fail_at(r->err, PQ_EINVAL, r->path, 0, 0, "\"special\": a name without spaces, and its facts");
	json_object_foreach((json_t *)values, key, value) {
		const char *text = json_string_value(value);
		if (text == NULL)
			return pq_fail_at(r->err, PQ_EINVAL, r->path, 0, 0, "\"special\": %.80s is no text", key);
		const char *fact = pq_arena_strndup(arena, key, strlen(key)), *copy = pq_arena_strndup(arena, text, strlen(text));
		if (fact == NULL || copy == NULL)
			return no_memory(r->err);
		facts[n++] = (struct pq_fact){{fact, strlen(fact)}, {.kind = PQ_VALUE_TEXT, .text = {copy, strlen(copy)}}};
	}
	if (n == 0 || facts[0].name.len != strlen(r->part->column_fact) ||
	    memcmp(facts[0].name.at, r->part->column_fact, facts[0].name.len) != 0)
		return pq_fail_at(r->err, PQ_EINVAL, r->path, 0, 0, "\"special\": %.80s does not begin with %.80s", name,
		                  r->part->column_fact);
	name = pq_arena_strndup(arena, name, strlen(name));
	r->part->columns[r->part->n_columns++] = (struct pq_grid_column){name, {facts, n}};
	return name != NULL ? PQ_OK : no_memory(r->err);
}

static enum pq_status
read_columns(const struct reading *r, const json_t *root)
{
	const json_t *special = json_object_get(root, "special");
	const char *name;
	json_t *values;

	if (json_object_size(special) > PQ_GRID_SPECIALS)
		return pq_fail_at(r->err, PQ_ELIMIT, r->path, 0, 0, "more than %d special columns", PQ_GRID_SPECIALS);
	enum pq_status status = plain_columns(r, json_object_get(root, "only"), json_object_size(special));
	json_object_foreach((json_t *)special, name, values) {
		if (status == PQ_OK)
			status = special_column(r, name, values);
	}
	return status;
}

static enum pq_status
read_part(const struct reading *r, const char *data, size_t len)
{
	json_error_t where;
	json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &where);

	if (root == NULL)
		return pq_fail_at(r->err, PQ_EPARSE, r->path, where.line, where.column, "%s", where.text);
	enum pq_status status = take_text(r, root, "title", &r->part->title);
	if (status == PQ_OK)
		status = take_text(r, root, "rows", &r->part->row_fact);
	if (status == PQ_OK)
		status = take_text(r, root, "columns", &r->part->column_fact);
	if (status == PQ_OK && json_object_get(root, "parties") != NULL)
		status = take_text(r, root, "parties", &r->part->party_fact);
	if (status == PQ_OK)
		status = read_columns(r, root);
	json_decref(root);
	return status;
}

/* Special columns say more than the fact that is varied: each is a class of its own. */
static enum pq_status
find_classes(struct pq_grid_part *part, const struct pq_image *image, int32_t since, struct pq_arena *arena,
             struct pq_err *err)
{
	struct pq_texts plain = {.at = pq_arena_array(arena, part->n_columns + 1, sizeof(*plain.at))};
	size_t *columns, *all = pq_arena_array(arena, part->n_columns + 1, sizeof(*all));

	if (plain.at == NULL || all == NULL)
		return no_memory(err);
	while (plain.n < part->n_columns && part->columns[plain.n].facts.n == 1) {
		plain.at[plain.n] = part->columns[plain.n].name;
		plain.n++;
	}
	enum pq_status status =
	    pq_image_classes_of(image, part->row_fact, &part->rows, &part->base, since, arena, &part->row_class, err);
	if (status == PQ_OK)
		status = pq_image_classes_of(image, part->column_fact, &plain, &part->base, since, arena, &columns, err);
	if (status != PQ_OK)
		return status;
	for (size_t c = 0; c < part->n_columns; c++)
		all[c] = c < plain.n ? columns[c] : c;
	part->column_class = all;
	return PQ_OK;
}

enum pq_status
pq_grid_scenario(struct pq_grid *grid, const struct pq_image *image, const char *path, struct pq_err *err)
{
	struct pq_grid_part part = {.name = name_of(&grid->arena, path)};
	struct reading r = {grid, image, path, &part, err};
	const char *data;
	size_t len;

	if (grid->n_parts == PQ_GRID_PARTS)
		return pq_fail_at(err, PQ_ELIMIT, path, 0, 0, "more than %d scenarios", PQ_GRID_PARTS);
	enum pq_status status = pq_files_read(path, PQ_REQUEST_JSON_MAX, &grid->arena, &data, &len, err);
	if (status == PQ_OK)
		status = pq_request_from_json(data, len, &grid->arena, &part.base, err);
	if (status == PQ_OK)
		status = read_part(&r, data, len);
	if (status == PQ_OK)
		status = pq_image_codes_of(image, part.row_fact, &grid->arena, &part.rows, err);
	if (status == PQ_OK)
		status = find_classes(&part, image, grid->since, &grid->arena, err);
	if (status != PQ_OK)
		return status;
	part.cells = pq_arena_array(&grid->arena, part.rows.n * part.n_columns + 1, sizeof(*part.cells));
	if (part.cells == NULL || part.name == NULL)
		return no_memory(err);
	grid->parts[grid->n_parts++] = part;
	return PQ_OK;
}

/* Reading the record of a grid back: numbered texts first, then the scenarios, whose cells are made of them. */
#include "cli/grid.h"
#include "policy/terms.h"
#include "storage/files.h"

#include <string.h>

/* A numbered text: found by its number. */
struct names {
	struct pq_grid_texts numbers;
	struct pq_text *texts; /* by the number's place among `numbers` */
	size_t cap;
};

struct reader {
	struct pq_grid *grid;
	const char *path;
	struct pq_err *err;
	int line;
	struct pq_text rest;     /* of the line */
	struct names answers, sets, rows, histories;
	struct pq_grid_texts columns; /* of the scenario that is read */
	uint32_t *row;           /* answers on one day, by column */
	uint32_t *before;
	struct pq_grid_step **steps;
	size_t *n_steps;
	size_t cap_rows;
};

static enum pq_status
wrong(const struct reader *r, const char *what)
{
	return pq_fail_at(r->err, PQ_EPARSE, r->path, r->line, 0, "%s", what);
}

static enum pq_status
no_memory(const struct reader *r)
{
	return pq_fail_at(r->err, PQ_ENOMEM, r->path, r->line, 0, "the record needs more memory than it may have");
}

/* The next word of a text; empty at its end. */
static struct pq_text
word(struct pq_text *text)
{
	const char *space = text->len > 0 ? memchr(text->at, ' ', text->len) : NULL;
	size_t len = space != NULL ? (size_t)(space - text->at) : text->len;
	struct pq_text ret = {text->at, len};

	text->at += len + (space != NULL);
	text->len -= len + (space != NULL);
	return ret;
}

/* "left:right" at the first separator. False: there is none. */
static bool
halves(struct pq_text text, char separator, struct pq_text *left, struct pq_text *right)
{
	const char *at = text.len > 0 ? memchr(text.at, separator, text.len) : NULL;

	if (at == NULL)
		return false;
	*left = (struct pq_text){text.at, (size_t)(at - text.at)};
	*right = (struct pq_text){at + 1, text.len - left->len - 1};
	return true;
}

static enum pq_status
add_name(struct reader *r, struct names *names)
{
	struct pq_text number = word(&r->rest);
	uint32_t i;

	names->numbers.arena = &r->grid->arena;
	if (number.len == 0)
		return wrong(r, "a number is missing");
	if (!pq_grid_text(&names->numbers, number.at, number.len, &i))
		return no_memory(r);
	if (names->cap < names->numbers.cap) {
		struct pq_text *texts = pq_arena_array(&r->grid->arena, names->numbers.cap, sizeof(*texts));
		if (texts == NULL)
			return no_memory(r);
		if (names->cap > 0)
			memcpy(texts, names->texts, names->cap * sizeof(*texts));
		names->texts = texts;
		names->cap = names->numbers.cap;
	}
	if (names->texts[i].at != NULL)
		return wrong(r, "the number is used twice");
	names->texts[i] = r->rest;
	return PQ_OK;
}

static bool
find_name(struct names *names, struct pq_text number, struct pq_text *ret)
{
	size_t n = names->numbers.n;
	uint32_t i;

	if (n == 0 || !pq_grid_text(&names->numbers, number.at, number.len, &i) || i >= n)
		return false;
	*ret = names->texts[i];
	return true;
}

/* ---- scenarios ---- */

static struct pq_grid_part *
current(const struct reader *r)
{
	return r->grid->n_parts > 0 ? &r->grid->parts[r->grid->n_parts - 1] : NULL;
}

static enum pq_status
read_scenario(struct reader *r)
{
	struct pq_text name = word(&r->rest);

	if (r->grid->n_parts == PQ_GRID_PARTS)
		return wrong(r, "more scenarios than there may be");
	struct pq_grid_part part = {.name = pq_arena_strndup(&r->grid->arena, name.at, name.len),
	                            .title = pq_arena_strndup(&r->grid->arena, r->rest.at, r->rest.len)};
	if (part.name == NULL || part.title == NULL)
		return no_memory(r);
	r->columns = (struct pq_grid_texts){.arena = &r->grid->arena};
	r->cap_rows = 0;
	r->grid->parts[r->grid->n_parts++] = part;
	return PQ_OK;
}

static enum pq_status
read_columns(struct reader *r)
{
	struct pq_grid_part *part = current(r);

	if (part == NULL || part->n_columns > 0)
		return wrong(r, "columns without a scenario");
	while (r->rest.len > 0) {
		struct pq_text name = word(&r->rest);
		uint32_t i;
		if (!pq_grid_text(&r->columns, name.at, name.len, &i))
			return no_memory(r);
	}
	size_t n = part->n_columns = r->columns.n;
	part->columns = pq_arena_array(&r->grid->arena, n + 1, sizeof(*part->columns));
	r->row = pq_arena_array(&r->grid->arena, n + 1, sizeof(*r->row));
	r->before = pq_arena_array(&r->grid->arena, n + 1, sizeof(*r->before));
	r->steps = pq_arena_array(&r->grid->arena, n + 1, sizeof(struct pq_grid_step *));
	r->n_steps = pq_arena_array(&r->grid->arena, n + 1, sizeof(*r->n_steps));
	if (part->columns == NULL || r->row == NULL || r->before == NULL || r->steps == NULL || r->n_steps == NULL)
		return no_memory(r);
	for (size_t c = 0; c < n; c++)
		part->columns[c].name = r->columns.at[c];
	return PQ_OK;
}

static enum pq_status
fill_set(struct reader *r, struct pq_text set, uint32_t answer)
{
	size_t n = r->columns.n;

	while (set.len > 0) {
		struct pq_text name = word(&set);
		uint32_t c;
		if (!pq_grid_text(&r->columns, name.at, name.len, &c))
			return no_memory(r);
		if (c >= n)
			return wrong(r, "a set names what is no column");
		r->row[c] = answer;
	}
	return PQ_OK;
}

/* The answers of a row into r->row: first what is in no set, then the sets. */
static enum pq_status
fill_row(struct reader *r, struct pq_text row)
{
	for (int pass = 0; pass < 2; pass++) {
		for (struct pq_text left = row; left.len > 0;) {
			struct pq_text answer, set, text, names = {"", 0};
			uint32_t number;
			if (!halves(word(&left), ':', &answer, &set) || !find_name(&r->answers, answer, &text))
				return wrong(r, "its row is not answer:set ...");
			bool rest = set.len == 4 && memcmp(set.at, "rest", 4) == 0;
			if (!rest && !find_name(&r->sets, set, &names))
				return wrong(r, "its row has a set that is not there");
			if (!pq_grid_text(&r->grid->answers, text.at, text.len, &number))
				return no_memory(r);
			for (size_t c = 0; rest && pass == 0 && c < r->columns.n; c++)
				r->row[c] = number;
			enum pq_status status = !rest && pass == 1 ? fill_set(r, names, number) : PQ_OK;
			if (status != PQ_OK)
				return status;
		}
	}
	return PQ_OK;
}

static enum pq_status
fill_cells(struct reader *r, struct pq_text history)
{
	struct pq_grid_part *part = current(r);
	size_t days = 0, n = part->n_columns;

	for (size_t i = 0; i < history.len; i++)
		days += history.at[i] == '=';
	struct pq_grid_step *steps = pq_arena_array(&r->grid->arena, n * days + 1, sizeof(*steps));
	if (steps == NULL)
		return no_memory(r);
	for (size_t c = 0; c < n; c++) {
		r->steps[c] = steps + c * days;
		r->n_steps[c] = 0;
	}
	for (size_t day = 0; history.len > 0; day++) {
		struct pq_text date, number, row;
		int32_t from;
		if (!halves(word(&history), '=', &date, &number) || !pq_date_parse(date.at, date.len, &from) ||
		    !find_name(&r->rows, number, &row) || day >= days)
			return wrong(r, "its history is not day=row ...");
		enum pq_status status = fill_row(r, row);
		if (status != PQ_OK)
			return status;
		for (size_t c = 0; c < n; c++) {
			if (day == 0 || r->before[c] != r->row[c])
				r->steps[c][r->n_steps[c]++] = (struct pq_grid_step){from, r->row[c]};
			r->before[c] = r->row[c];
		}
	}
	for (size_t c = 0; c < n; c++)
		*pq_grid_at(part, part->rows.n, c) = (struct pq_grid_cell){r->steps[c], r->n_steps[c]};
	return PQ_OK;
}

static enum pq_status
read_at(struct reader *r)
{
	struct pq_grid_part *part = current(r);
	struct pq_text code = word(&r->rest), history;

	if (part == NULL || part->n_columns == 0 || code.len == 0 || !find_name(&r->histories, r->rest, &history))
		return wrong(r, "a classification and its history are expected, in a scenario with columns");
	if (part->rows.n == r->cap_rows) {
		size_t cap = r->cap_rows > 0 ? 2 * r->cap_rows : 512;
		const char **at = pq_arena_array(&r->grid->arena, cap, sizeof(*at));
		struct pq_grid_cell *cells = pq_arena_array(&r->grid->arena, cap * part->n_columns, sizeof(*cells));
		if (at == NULL || cells == NULL)
			return no_memory(r);
		if (part->rows.n > 0) {
			memcpy(at, part->rows.at, part->rows.n * sizeof(*at));
			memcpy(cells, part->cells, part->rows.n * part->n_columns * sizeof(*cells));
		}
		part->rows.at = at;
		part->cells = cells;
		r->cap_rows = cap;
	}
	part->rows.at[part->rows.n] = pq_arena_strndup(&r->grid->arena, code.at, code.len);
	enum pq_status status = part->rows.at[part->rows.n] != NULL ? fill_cells(r, history) : no_memory(r);
	part->rows.n += status == PQ_OK;
	return status;
}

/* ---- lines ---- */

static enum pq_status
read_day(struct reader *r, int32_t *ret)
{
	if (r->rest.len == 4 && memcmp(r->rest.at, "open", 4) == 0 && ret == &r->grid->until)
		*ret = PQ_DATE_MAX;
	else if (!pq_date_parse(r->rest.at, r->rest.len, ret))
		return wrong(r, "a date is expected, YYYY-MM-DD");
	return PQ_OK;
}

static bool
is(struct pq_text text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

static enum pq_status
read_line(struct reader *r)
{
	struct pq_text what = word(&r->rest);

	if (is(what, "answer"))
		return add_name(r, &r->answers);
	if (is(what, "set"))
		return add_name(r, &r->sets);
	if (is(what, "row"))
		return add_name(r, &r->rows);
	if (is(what, "history"))
		return add_name(r, &r->histories);
	if (is(what, "since"))
		return read_day(r, &r->grid->since);
	if (is(what, "until"))
		return read_day(r, &r->grid->until);
	if (is(what, "scenario"))
		return read_scenario(r);
	if (is(what, "columns"))
		return read_columns(r);
	if (is(what, "at"))
		return read_at(r);
	if (is(what, "moves"))
		return PQ_OK;
	return is(what, "grid") && is(r->rest, "1") ? PQ_OK : wrong(r, "is no line of a record of this version");
}

enum pq_status
pq_grid_read(struct pq_grid *grid, const char *path, struct pq_err *err)
{
	struct reader r = {.grid = grid, .path = path, .err = err};
	const char *data;
	size_t len;

	enum pq_status status = pq_files_read(path, PQ_GRID_RECORD_MAX, &grid->arena, &data, &len, err);
	grid->answers.arena = &grid->arena;
	grid->since = grid->until = PQ_DATE_MAX;
	while (status == PQ_OK && len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t n = end != NULL ? (size_t)(end - data) : len;
		r.line++;
		r.rest = (struct pq_text){data, n};
		if (n > 0 && data[0] != '#')
			status = read_line(&r);
		data += n + (end != NULL);
		len -= n + (end != NULL);
	}
	if (status == PQ_OK && (grid->since == PQ_DATE_MAX || grid->n_parts == 0))
		return pq_fail_at(err, PQ_EPARSE, path, 0, 0, "is no record of a grid");
	return status;
}

/*
 * The record of a grid. Whatever is said more than once is said once, under a number made from its own content: so a
 * change moves the lines of what it changes and no others, and equal grids give equal bytes.
 */
#include "cli/grid.h"
#include "policy/terms.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char head[] =
    "# What the packs answer to each scenario (tests/grid/*.json) for every classification, every destination and every\n"
    "# day on which something in the law changes. Written by ./dev grid --update, compared by ./dev grid, which says in\n"
    "# words which cells moved. The numbers of answers, sets, rows and histories are made from what they stand for.\n"
    "#\n"
    "#   answer   outcome; review policy; exceptions (by); missing facts; duties\n"
    "#   set      destinations\n"
    "#   row      answer:set, for each answer of a classification on a day; rest: all destinations in no other set\n"
    "#   history  day=row: from this day on this row\n"
    "#   moves    a day, and how many cells of the scenario have another answer from it on\n"
    "#   at       a classification and its history\n";

/* Kinds of numbered texts. */
enum kind { ANSWER, SET, ROW, HISTORY, N_KINDS };
static const char *const kind_names[N_KINDS] = {"answer", "set", "row", "history"};

struct buffer {
	struct pq_arena *arena;
	char *at;
	size_t len, cap;
	bool oom;
};

struct writer {
	const struct pq_grid *grid;
	struct pq_arena arena;
	struct pq_grid_texts texts[N_KINDS];
	struct buffer row, set, history;
	uint32_t *answers;       /* of one row on one day, by column */
	uint32_t *distinct;
	size_t *steps;           /* by column: where its steps stand */
	const char **members;    /* a row's answer:set texts */
	uint32_t **histories;    /* by part and row */
	size_t **moves;          /* by part and day */
	FILE *out;
};

static void
append(struct buffer *b, const char *text)
{
	size_t len = strlen(text);

	if (b->len + len + 1 > b->cap) {
		size_t cap = 2 * (b->cap + len + 1);
		char *at = pq_arena_alloc(b->arena, cap);
		if (at == NULL) {
			b->oom = true;
			return;
		}
		if (b->len > 0)
			memcpy(at, b->at, b->len);
		b->at = at;
		b->cap = cap;
	}
	memcpy(b->at + b->len, text, len + 1);
	b->len += len;
}

static void
clear(struct buffer *b)
{
	b->len = 0;
	append(b, "");
}

/* Ten digits of the hash: among some ten thousand texts two agree once in twenty thousand records, and then it fails. */
#define NUMBER_BYTES 11

static void
number_text(uint64_t hash, char text[NUMBER_BYTES])
{
	snprintf(text, NUMBER_BYTES, "%010" PRIx64, hash >> 24);
}

static bool
intern(struct writer *w, enum kind kind, const struct buffer *b, char number[NUMBER_BYTES], uint32_t *ret)
{
	uint32_t index;

	if (b->oom || !pq_grid_text(&w->texts[kind], b->at, b->len, &index))
		return false;
	if (number != NULL)
		number_text(w->texts[kind].hashes[index], number);
	if (ret != NULL)
		*ret = index;
	return true;
}

/* ---- a row on a day ---- */

static int
compare_texts(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The distinct answers of the row into w->distinct; *ret_most is the one of the most columns, the first in words. */
static size_t
find_distinct(struct writer *w, size_t n_columns, uint32_t *ret_most)
{
	size_t n = 0, most = 0;

	for (size_t c = 0; c < n_columns; c++) {
		size_t i = 0, count = 0;
		while (i < n && w->distinct[i] != w->answers[c])
			i++;
		if (i < n)
			continue;
		w->distinct[n++] = w->answers[c];
		for (size_t k = c; k < n_columns; k++)
			count += w->answers[k] == w->answers[c];
		const char *const *texts = w->grid->answers.at;
		if (count > most || (count == most && strcmp(texts[w->answers[c]], texts[*ret_most]) < 0)) {
			most = count;
			*ret_most = w->answers[c];
		}
	}
	return n;
}

static bool
put_row(struct writer *w, const struct pq_grid_part *part, char number[NUMBER_BYTES])
{
	uint32_t most = 0;
	size_t n = find_distinct(w, part->n_columns, &most);

	for (size_t i = 0; i < n; i++) {
		char answer[NUMBER_BYTES], set[NUMBER_BYTES] = "rest";
		number_text(w->grid->answers.hashes[w->distinct[i]], answer);
		clear(&w->set);
		for (size_t c = 0; c < part->n_columns && w->distinct[i] != most; c++) {
			if (w->answers[c] != w->distinct[i])
				continue;
			append(&w->set, w->set.len > 0 ? " " : "");
			append(&w->set, part->columns[c].name);
		}
		if (w->distinct[i] != most && !intern(w, SET, &w->set, set, NULL))
			return false;
		w->members[i] = pq_arena_printf(&w->arena, "%s:%s", answer, set);
		if (w->members[i] == NULL)
			return false;
	}
	qsort(w->members, n, sizeof(*w->members), compare_texts);
	clear(&w->row);
	for (size_t i = 0; i < n; i++) {
		append(&w->row, i > 0 ? " " : "");
		append(&w->row, w->members[i]);
	}
	return intern(w, ROW, &w->row, number, NULL);
}

/* ---- histories ---- */

/* The answers of the row on the day; returns how many columns have another than on the day before. */
static size_t
advance(struct writer *w, const struct pq_grid_part *part, size_t row, int32_t day)
{
	size_t moved = 0;

	for (size_t c = 0; c < part->n_columns; c++) {
		const struct pq_grid_cell *cell = pq_grid_at(part, row, c);
		size_t before = w->steps[c];
		while (w->steps[c] < cell->n && cell->at[w->steps[c]].from <= day)
			w->steps[c]++;
		moved += w->steps[c] != before;
		w->answers[c] = cell->at[w->steps[c] - 1].answer;
	}
	return moved;
}

static bool
put_history(struct writer *w, size_t p, size_t row)
{
	const struct pq_grid_part *part = &w->grid->parts[p];
	char number[NUMBER_BYTES], day[16];

	memset(w->steps, 0, part->n_columns * sizeof(*w->steps));
	clear(&w->history);
	for (size_t i = 0; i < w->grid->dates.n; i++) {
		size_t moved = advance(w, part, row, w->grid->dates.at[i]);
		w->moves[p][i] += moved;
		if (moved == 0)
			continue;
		if (!put_row(w, part, number))
			return false;
		pq_date_format(w->grid->dates.at[i], day, sizeof(day));
		append(&w->history, w->history.len > 0 ? " " : "");
		append(&w->history, day);
		append(&w->history, "=");
		append(&w->history, number);
	}
	return intern(w, HISTORY, &w->history, NULL, &w->histories[p][row]);
}

static bool
prepare(struct writer *w)
{
	const struct pq_grid *grid = w->grid;
	size_t widest = 0;

	w->row.arena = w->set.arena = w->history.arena = &w->arena;
	for (size_t kind = 0; kind < N_KINDS; kind++)
		w->texts[kind].arena = &w->arena;
	w->histories = pq_arena_array(&w->arena, PQ_GRID_PARTS, sizeof(uint32_t *));
	w->moves = pq_arena_array(&w->arena, PQ_GRID_PARTS, sizeof(size_t *));
	for (size_t p = 0; w->histories != NULL && w->moves != NULL && p < grid->n_parts; p++) {
		widest = grid->parts[p].n_columns > widest ? grid->parts[p].n_columns : widest;
		w->histories[p] = pq_arena_array(&w->arena, grid->parts[p].rows.n + 1, sizeof(uint32_t));
		w->moves[p] = pq_arena_array(&w->arena, grid->dates.n + 1, sizeof(size_t));
		if (w->histories[p] == NULL || w->moves[p] == NULL)
			return false;
	}
	w->answers = pq_arena_array(&w->arena, widest + 1, sizeof(*w->answers));
	w->distinct = pq_arena_array(&w->arena, widest + 1, sizeof(*w->distinct));
	w->steps = pq_arena_array(&w->arena, widest + 1, sizeof(*w->steps));
	w->members = pq_arena_array(&w->arena, widest + 1, sizeof(*w->members));
	return w->histories != NULL && w->moves != NULL && w->answers != NULL && w->distinct != NULL && w->steps != NULL &&
	       w->members != NULL;
}

/* ---- writing ---- */

struct line {
	const char *text;
	uint64_t hash;
};

static int
compare_lines(const void *left, const void *right)
{
	uint64_t l = ((const struct line *)left)->hash, r = ((const struct line *)right)->hash;

	return (l > r) - (l < r);
}

static enum pq_status
write_texts(struct writer *w, enum kind kind, struct pq_err *err)
{
	const struct pq_grid_texts *texts = kind == ANSWER ? &w->grid->answers : &w->texts[kind];
	struct line *lines = pq_arena_array(&w->arena, texts->n + 1, sizeof(*lines));

	if (lines == NULL)
		return pq_fail(err, PQ_ENOMEM, "the record needs more memory than it may have");
	for (size_t i = 0; i < texts->n; i++)
		lines[i] = (struct line){texts->at[i], texts->hashes[i]};
	qsort(lines, texts->n, sizeof(*lines), compare_lines);
	fputc('\n', w->out);
	for (size_t i = 0; i < texts->n; i++) {
		char number[NUMBER_BYTES];
		if (i > 0 && lines[i].hash >> 24 == lines[i - 1].hash >> 24)
			return pq_fail(err, PQ_EFAILED, "two texts have one number: \"%.100s\" and \"%.100s\"", lines[i - 1].text,
			               lines[i].text);
		number_text(lines[i].hash, number);
		fprintf(w->out, "%s %s %s\n", kind_names[kind], number, lines[i].text);
	}
	return PQ_OK;
}

static void
write_part(const struct writer *w, size_t p)
{
	const struct pq_grid_part *part = &w->grid->parts[p];
	char text[16];

	fprintf(w->out, "\nscenario %s %s\ncolumns", part->name, part->title);
	for (size_t c = 0; c < part->n_columns; c++)
		fprintf(w->out, " %s", part->columns[c].name);
	fputc('\n', w->out);
	for (size_t i = 1; i < w->grid->dates.n; i++) {
		if (w->moves[p][i] == 0)
			continue;
		pq_date_format(w->grid->dates.at[i], text, sizeof(text));
		fprintf(w->out, "moves %s %zu\n", text, w->moves[p][i]);
	}
	for (size_t r = 0; r < part->rows.n; r++) {
		number_text(w->texts[HISTORY].hashes[w->histories[p][r]], text);
		fprintf(w->out, "at %s %s\n", part->rows.at[r], text);
	}
}

static enum pq_status
write_all(struct writer *w, struct pq_err *err)
{
	char since[16], until[16] = "open";

	pq_date_format(w->grid->since, since, sizeof(since));
	if (w->grid->until != PQ_DATE_MAX)
		pq_date_format(w->grid->until, until, sizeof(until));
	fprintf(w->out, "%sgrid 1\nsince %s\nuntil %s\n", head, since, until);
	for (size_t kind = 0; kind < N_KINDS; kind++) {
		enum pq_status status = write_texts(w, kind, err);
		if (status != PQ_OK)
			return status;
	}
	for (size_t p = 0; p < w->grid->n_parts; p++)
		write_part(w, p);
	return fflush(w->out) == 0 && !ferror(w->out) ? PQ_OK : pq_fail(err, PQ_EIO, "the record cannot be written");
}

enum pq_status
pq_grid_write(const struct pq_grid *grid, FILE *out, struct pq_err *err)
{
	struct writer w = {.grid = grid, .out = out};

	pq_arena_init(&w.arena, PQ_GRID_BYTES);
	bool ok = prepare(&w);
	for (size_t p = 0; p < grid->n_parts; p++) {
		for (size_t r = 0; ok && r < grid->parts[p].rows.n; r++)
			ok = put_history(&w, p, r);
	}
	enum pq_status status =
	    ok ? write_all(&w, err) : pq_fail(err, PQ_ENOMEM, "the record needs more memory than it may have");
	pq_arena_release(&w.arena);
	return status;
}

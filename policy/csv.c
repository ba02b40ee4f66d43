#include "policy/csv.h"

#include <stdint.h>
#include <string.h>

/**
 * The reader goes over the text twice with the same code: once to prove it and to count, once, with places to write to,
 * to keep. So the arrays have their exact size, and the second round cannot fail.
 */
struct reader {
	const char *file;
	const unsigned char *at, *end;
	int line, column;
	size_t n_rows, n_cells, n_bytes; /* counted; bytes with a NUL a cell */
	struct pq_csv_row *rows;         /* NULL in the first round */
	struct pq_csv_cell *cells;
	char *bytes;
	struct pq_err *err;
};

static enum pq_status
fail(const struct reader *reader, const char *msg)
{
	return pq_fail_at(reader->err, PQ_EPARSE, reader->file, reader->line, reader->column, "%s", msg);
}

/** Length of the well-formed UTF-8 sequence at `at`, 0 where there is none (RFC 3629: no surrogates, no overlong). */
static size_t
utf8_len(const unsigned char *at, const unsigned char *end)
{
	size_t left = (size_t)(end - at);
	unsigned char c = at[0];

	if (c < 0x80)
		return 1;
	size_t len = c >= 0xC2 && c <= 0xDF ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
	if (len == 0 || left < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((at[i] & 0xC0) != 0x80)
			return 0;
	}
	if ((c == 0xE0 && at[1] < 0xA0) || (c == 0xED && at[1] > 0x9F) || (c == 0xF0 && at[1] < 0x90) ||
	    (c == 0xF4 && at[1] > 0x8F))
		return 0;
	return len;
}

/** Take one character into the cell. */
static enum pq_status
take(struct reader *reader)
{
	size_t len = utf8_len(reader->at, reader->end);

	if (len == 0)
		return fail(reader, "not UTF-8");
	if (reader->at[0] == '\0')
		return fail(reader, "a NUL character");
	if (reader->bytes != NULL)
		memcpy(reader->bytes + reader->n_bytes, reader->at, len);
	reader->n_bytes += len;
	if (reader->at[0] == '\n') {
		reader->line++;
		reader->column = 1;
	} else {
		reader->column++;
	}
	reader->at += len;
	return PQ_OK;
}

/** Is here the end of a line (LF, CRLF or the end of the text)? */
static bool
at_line_end(const struct reader *reader)
{
	const unsigned char *at = reader->at;

	return at == reader->end || at[0] == '\n' || (at[0] == '\r' && reader->end - at > 1 && at[1] == '\n');
}

static enum pq_status
read_quoted(struct reader *reader)
{
	struct reader opened = *reader;

	reader->at++;
	reader->column++;
	for (;;) {
		if (reader->at == reader->end)
			return fail(&opened, "a quote that is never closed");
		if (reader->at[0] == '"') {
			reader->at++;
			reader->column++;
			if (reader->at == reader->end || reader->at[0] != '"')
				break;
		}
		enum pq_status status = take(reader);
		if (status != PQ_OK)
			return status;
	}
	if (!at_line_end(reader) && reader->at[0] != ',')
		return fail(reader, "text behind a closing quote");
	return PQ_OK;
}

static enum pq_status
read_plain(struct reader *reader)
{
	while (!at_line_end(reader) && reader->at[0] != ',') {
		if (reader->at[0] == '"')
			return fail(reader, "a quote inside a cell that does not begin with one");
		if (reader->at[0] == '\r')
			return fail(reader, "a CR without LF");
		enum pq_status status = take(reader);
		if (status != PQ_OK)
			return status;
	}
	return PQ_OK;
}

static enum pq_status
read_cell(struct reader *reader)
{
	size_t first = reader->n_bytes;
	int line = reader->line, column = reader->column;
	bool quoted = reader->at != reader->end && reader->at[0] == '"';
	enum pq_status status = quoted ? read_quoted(reader) : read_plain(reader);

	if (status != PQ_OK)
		return status;
	if (reader->cells != NULL) {
		reader->cells[reader->n_cells] =
			(struct pq_csv_cell){reader->bytes + first, reader->n_bytes - first, line, column};
		reader->bytes[reader->n_bytes] = '\0';
	}
	reader->n_bytes++;
	if (++reader->n_cells > PQ_CSV_MAX_CELLS)
		return pq_fail_at(reader->err, PQ_ELIMIT, reader->file, line, column, "too many cells in one file");
	return PQ_OK;
}

static enum pq_status
read_row(struct reader *reader)
{
	size_t first = reader->n_cells;
	int line = reader->line;

	for (;;) {
		enum pq_status status = read_cell(reader);
		if (status != PQ_OK)
			return status;
		if (at_line_end(reader))
			break;
		reader->at++; /* the comma */
		reader->column++;
	}
	if (reader->at != reader->end)
		reader->at += reader->at[0] == '\r' ? 2 : 1;
	reader->line++;
	reader->column = 1;
	if (reader->rows != NULL)
		reader->rows[reader->n_rows] = (struct pq_csv_row){reader->cells + first, reader->n_cells - first, line};
	reader->n_rows++;
	return PQ_OK;
}

static enum pq_status
read_all(struct reader *reader, const char *data, size_t len)
{
	reader->at = (const unsigned char *)data;
	reader->end = reader->at + len;
	reader->line = reader->column = 1;
	reader->n_rows = reader->n_cells = reader->n_bytes = 0;
	if (len >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0)
		reader->at += 3;
	while (reader->at != reader->end) {
		enum pq_status status = read_row(reader);
		if (status != PQ_OK)
			return status;
	}
	return PQ_OK;
}

enum pq_status
pq_csv_parse(const char *file, const char *data, size_t len, struct pq_arena *arena, struct pq_csv *ret_csv,
             struct pq_err *err)
{
	struct reader reader = {.file = file, .err = err};

	if (len > PQ_CSV_MAX_BYTES)
		return pq_fail_at(err, PQ_ELIMIT, file, 0, 0, "larger than %zu bytes", PQ_CSV_MAX_BYTES);
	enum pq_status status = read_all(&reader, data, len);
	if (status != PQ_OK)
		return status;
	reader.rows = pq_arena_array(arena, reader.n_rows, sizeof(*reader.rows));
	reader.cells = pq_arena_array(arena, reader.n_cells, sizeof(*reader.cells));
	reader.bytes = pq_arena_alloc(arena, reader.n_bytes);
	if (reader.rows == NULL || reader.cells == NULL || reader.bytes == NULL)
		return pq_fail(err, PQ_ENOMEM, "%s: out of memory", file);
	status = read_all(&reader, data, len);
	if (status != PQ_OK)
		return status;
	*ret_csv = (struct pq_csv){reader.rows, reader.n_rows};
	return PQ_OK;
}

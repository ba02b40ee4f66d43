/**
 * A strict reader of CSV as RFC 4180 has it: commas, quotes doubled within quotes, lines ended by LF or CRLF.
 *
 * What a spreadsheet would quietly repair is refused: a quote inside a cell without quotes, text behind a closing
 * quote, a lone CR, NUL, anything that is not UTF-8. A byte order mark at the start is skipped, for spreadsheets
 * write one. Rows are not held against each other here: whoever knows the header counts the cells.
 */
#ifndef PQ_POLICY_CSV_H
#define PQ_POLICY_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/arena.h"
#include "policy/status.h"

/** Bounds of one file: a table of law has some thousand rows. */
#define PQ_CSV_MAX_BYTES ((size_t)64 << 20)
#define PQ_CSV_MAX_CELLS ((size_t)8 << 20)

struct pq_csv_cell {
	const char *text; /* terminated, without the quotes */
	size_t len;       /* in bytes */
	int line, column; /* of its first character, 1-based; columns count characters, not bytes */
};

struct pq_csv_row {
	struct pq_csv_cell *cells;
	size_t n;
	int line;
};

struct pq_csv {
	struct pq_csv_row *rows; /* the header too; an empty line is a row of one empty cell */
	size_t n;
};

/**
 * Read a file from memory.
 *
 * Ownership: *ret_csv lives in `arena`; `data` may go afterwards.
 * Fails:     PQ_EPARSE with the line and column of the first fault (err.where = file), PQ_ELIMIT, PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_csv_parse(const char *file, const char *data, size_t len, struct pq_arena *arena,
                                        struct pq_csv *ret_csv, struct pq_err *err);

#endif

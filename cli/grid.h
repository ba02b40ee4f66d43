/**
 * The grid: a request decided for every classification (rows), every destination (columns) and every day on which the
 * law changes; and the record of it, a text to be kept beside the law, that says on a later change which cells moved.
 *
 * Ownership: all of a grid lives in its arenas.
 * Threads:   pq_grid_decide() starts its own and joins them; all else is one thread's.
 */
#ifndef PQ_CLI_GRID_H
#define PQ_CLI_GRID_H

#include "policy/arena.h"
#include "policy/calendar.h"
#include "policy/facts.h"
#include "policy/image.h"
#include "policy/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/** Bytes that a grid may take; that of the US packs takes some 200 MB. */
#define PQ_GRID_BYTES ((size_t)4 << 30)
/** Longest record that is read. */
#define PQ_GRID_RECORD_MAX ((size_t)64 << 20)
/** Scenarios in one grid, and special columns of one: far above what anybody would read. */
#define PQ_GRID_PARTS 16
#define PQ_GRID_SPECIALS 64
/** Threads that decide. */
#define PQ_GRID_THREADS 64

/** Texts, each once, with a number in the order in which they came. */
struct pq_grid_texts {
	struct pq_arena *arena;
	const char **at;
	uint64_t *hashes;
	uint32_t *slots;     /* number + 1 */
	size_t n, cap, n_slots;
};

/** The number of the text, which is copied where it is new. False: out of memory. */
bool pq_grid_text(struct pq_grid_texts *texts, const char *text, size_t len, uint32_t *ret);

/** From this day on the cell has this answer. */
struct pq_grid_step {
	int32_t from;
	uint32_t answer;     /* among the grid's answers */
};

struct pq_grid_cell {
	const struct pq_grid_step *at;
	size_t n;            /* 0: not decided */
};

/** A value of the fact that the columns vary, or a special one with facts of its own. */
struct pq_grid_column {
	const char *name;
	struct pq_facts facts;
};

/** One scenario. */
struct pq_grid_part {
	const char *name, *title;
	const char *row_fact, *column_fact;
	const char *party_fact; /* of each party, which has the column's value, too; NULL = none */
	struct pq_request base;
	struct pq_texts rows;
	size_t *row_class, *column_class; /* the first row or column that the law treats like it (policy/classes.h) */
	struct pq_grid_column *columns;
	size_t n_columns;
	struct pq_grid_cell *cells; /* row by row */
};

/** Start with {0} and pq_arena_init(&grid.arena, PQ_GRID_BYTES); end with pq_grid_release(). */
struct pq_grid {
	struct pq_arena arena;
	int32_t since, until;
	struct pq_dates dates;      /* since, and each later day before `until` on which something begins or ends */
	struct pq_grid_part parts[PQ_GRID_PARTS];
	size_t n_parts;
	struct pq_grid_texts answers;
	struct pq_arena kept[PQ_GRID_THREADS]; /* the steps, as the threads found them */
	size_t n_kept;
};

/** Give back all memory of a grid. */
void pq_grid_release(struct pq_grid *grid);

static inline struct pq_grid_cell *
pq_grid_at(const struct pq_grid_part *part, size_t row, size_t column)
{
	return &part->cells[row * part->n_columns + column];
}

/* grid_scenario.c */

/**
 * Read a scenario into grid->parts: a case file's "as_of" and "request", with "title", "rows" (a code fact), "columns"
 * (a fact of symbols), and as wanted "only" (some of its values), "parties" (a fact of each party that has the column's
 * value, too) and "special" (more columns: name → facts, that of the columns first). Fails: as pq_request_from_json(); PQ_ELIMIT.
 */
PQ_MUST_USE enum pq_status pq_grid_scenario(struct pq_grid *grid, const struct pq_image *image, const char *path,
                                            struct pq_err *err);

/* grid_decide.c */

struct pq_grid_work {
	const struct pq_image *image;
	size_t threads;
	size_t every;        /* decide each so many-th cell alone; 1 = all */
	size_t check;        /* of each so many-th cell every day is decided, and must be as found; 0 = of none */
	size_t cells, decisions, checked; /* out: cells × days, decisions that they took, and those of the check */
};

/**
 * Decide the cells: on the first day, and again on each day on which what the answer rests on changes.
 * Fails: PQ_EFAILED: the check found a day that was taken for unchanged and is not; PQ_ENOMEM; PQ_EIO (no threads).
 */
PQ_MUST_USE enum pq_status pq_grid_decide(struct pq_grid *grid, struct pq_grid_work *work, struct pq_err *err);

/* grid_write.c */

/** Write the record; docs in the text itself. Fails: PQ_EIO, PQ_ENOMEM, PQ_EFAILED (two texts with one number). */
PQ_MUST_USE enum pq_status pq_grid_write(const struct pq_grid *grid, FILE *out, struct pq_err *err);

/* grid_read.c */

/** Read a record into an empty grid that has been initialised. Fails: PQ_EPARSE with the line, and as reading a file. */
PQ_MUST_USE enum pq_status pq_grid_read(struct pq_grid *grid, const char *path, struct pq_err *err);

/* grid_compare.c */

struct pq_grid_moved {
	size_t cells;        /* that have another answer on some day */
	size_t groups;       /* of cells that moved alike */
};

/**
 * Say which cells of `now` have other answers than in `then`: all into `list` (NULL allowed), the first groups to
 * standard output. With `whole`, what `now` has no more counts as moved, too. Fails: PQ_ENOMEM, PQ_EIO.
 */
PQ_MUST_USE enum pq_status pq_grid_compare(const struct pq_grid *then, const struct pq_grid *now, bool whole,
                                           FILE *list, struct pq_grid_moved *ret, struct pq_err *err);

#endif

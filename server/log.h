/**
 * The server's log: one JSON object a line on standard error.
 *
 * What the parties of a transaction are called never goes into it, nor does any other value of a request: only names of
 * fields, counts and codes.
 *
 * Threads: any; a line is written whole.
 */
#ifndef PQ_SERVER_LOG_H
#define PQ_SERVER_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define PQ_LOG_LEVEL_MAP(X) \
	X(DEBUG, "debug")       \
	X(INFO, "info")         \
	X(WARN, "warn")         \
	X(ERROR, "error")

enum pq_log_level {
#define X(name, word) PQ_LOG_##name,
	PQ_LOG_LEVEL_MAP(X)
#undef X
};

/** A field of a line. A list of them ends with one whose name is NULL. */
struct pq_log_field {
	const char *name;
	const char *text; /* NULL: `number` counts */
	int64_t number;
};

#define PQ_LOG_TEXT(field_name, value) \
	{                                  \
		(field_name), (value), 0       \
	}
#define PQ_LOG_NUMBER(field_name, value)  \
	{                                     \
		(field_name), 0, (int64_t)(value) \
	}
#define PQ_LOG_END \
	{              \
		0, 0, 0    \
	}

/** Write nothing below this level. Before the first thread only. */
void pq_log_set_level(enum pq_log_level level);

/** False: *ret untouched. */
bool pq_log_level_parse(const char *word, enum pq_log_level *ret);

bool pq_log_enabled(enum pq_log_level level);

/** Write a line: time, level, event, and the fields. Longer ones than 4 KB are cut at a field. */
void pq_log(enum pq_log_level level, const char *event, const struct pq_log_field *fields);

#define PQ_LOG(level, event, ...) pq_log((level), (event), (const struct pq_log_field[]){__VA_ARGS__, PQ_LOG_END})

#endif

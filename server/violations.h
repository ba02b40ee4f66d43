/**
 * The fields of a request that are wrong, collected while it is checked.
 *
 * Ownership: entries and texts live in the arena.
 * Threads:   one at a time.
 */
#ifndef PQ_SERVER_VIOLATIONS_H
#define PQ_SERVER_VIOLATIONS_H

#include "policy/arena.h"
#include "policy/facts.h"
#include "policy/status.h"
#include "server/limits.h"

struct pq_violations {
	struct pq_arena *arena;
	struct pq_violation at[PQ_SERVER_VIOLATIONS];
	size_t n;
	bool no_memory; /* an entry was lost: the request is refused all the same */
};

/** A place in a request, from the inside out: path nodes live on the stack of whoever walks. */
struct pq_path {
	const struct pq_path *up; /* NULL = the request itself */
	const char *name;
	long index;      /* of a repeated field; -1 = not repeated */
	const char *key; /* of a map; NULL = no map */
	size_t key_len;
};

/** Note a field: `path`, and `name` below it (NULL = the path itself). No more than PQ_SERVER_VIOLATIONS are kept. */
void pq_violations_add(struct pq_violations *violations, const struct pq_path *path, const char *name,
                       const char *reason, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static inline bool
pq_violations_full(const struct pq_violations *violations)
{
	return violations->no_memory || violations->n == PQ_SERVER_VIOLATIONS;
}

static inline bool
pq_violations_any(const struct pq_violations *violations)
{
	return violations->no_memory || violations->n > 0;
}

/** Write the path as text ("parties[0].facts[\"x\"].number") into buf, cut to size, always terminated. */
void pq_path_format(const struct pq_path *path, const char *name, char *buf, size_t size);

#endif

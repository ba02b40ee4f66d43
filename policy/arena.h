/**
 * A bounded bump allocator for one request or one compile.
 *
 * Ownership: everything handed out lives until pq_arena_reset() or pq_arena_release(); nothing is freed singly.
 * Threads:   an arena belongs to one thread at a time.
 * Alignment: every block is aligned to 16 bytes.
 */
#ifndef PQ_POLICY_ARENA_H
#define PQ_POLICY_ARENA_H

#include <stddef.h>

struct pq_arena_chunk;

struct pq_arena {
	struct pq_arena_chunk *first;  /* kept over a reset, so that a warm arena does not allocate */
	struct pq_arena_chunk *current;
	size_t used;                   /* bytes handed out since the last reset */
	size_t limit;                  /* `used` may not pass it */
};

/** Start an empty arena. `limit` in bytes; nothing is allocated before the first block. */
void pq_arena_init(struct pq_arena *arena, size_t limit);

/** Give all memory back to the system. Accepts an arena that was only initialised. */
void pq_arena_release(struct pq_arena *arena);

/** Forget all blocks but keep the chunks for the next round. */
void pq_arena_reset(struct pq_arena *arena);

/** A block of `size` bytes, zeroed; NULL when the limit is reached or memory is out. */
void *pq_arena_alloc(struct pq_arena *arena, size_t size);

/** An array of `count` × `size` bytes, zeroed; NULL also where the product overflows. */
void *pq_arena_array(struct pq_arena *arena, size_t count, size_t size);

/** A terminated copy of the `len` bytes at `text`; NULL as above. */
char *pq_arena_strndup(struct pq_arena *arena, const char *text, size_t len);

/** printf into the arena; NULL as above. */
char *pq_arena_printf(struct pq_arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

#include "policy/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Large enough that a usual decision with all of its reasons stays in one chunk. */
#define CHUNK_MIN ((size_t)64 * 1024)
#define ALIGN 16u

struct pq_arena_chunk {
	struct pq_arena_chunk *next;
	size_t size;
	size_t used;
	size_t dirty; /* what lies behind it is zero, for nobody had it yet; the fourth word keeps data[] aligned to 16 */
	unsigned char data[];
};

void
pq_arena_init(struct pq_arena *arena, size_t limit)
{
	*arena = (struct pq_arena){.limit = limit};
}

void
pq_arena_release(struct pq_arena *arena)
{
	struct pq_arena_chunk *chunk = arena->first;

	while (chunk != NULL) {
		struct pq_arena_chunk *next = chunk->next;
		free(chunk);
		chunk = next;
	}
	*arena = (struct pq_arena){.limit = arena->limit};
}

void
pq_arena_reset(struct pq_arena *arena)
{
	for (struct pq_arena_chunk *chunk = arena->first; chunk != NULL; chunk = chunk->next)
		chunk->used = 0;
	arena->current = arena->first;
	arena->used = 0;
}

static struct pq_arena_chunk *
chunk_for(struct pq_arena *arena, size_t size)
{
	struct pq_arena_chunk *last = arena->current;

	while (last != NULL && last->size - last->used < size) {
		if (last->next == NULL)
			break;
		last = last->next;
	}
	if (last != NULL && last->size - last->used >= size)
		return arena->current = last;

	size_t want = size > CHUNK_MIN ? size : CHUNK_MIN;
	/* Zeroed by the kernel where it is large: pages of it that nobody touches cost nothing. */
	struct pq_arena_chunk *chunk = calloc(1, sizeof(*chunk) + want);
	if (chunk == NULL)
		return NULL;
	chunk->size = want;
	if (last != NULL)
		last->next = chunk;
	else
		arena->first = chunk;
	return arena->current = chunk;
}

void *
pq_arena_alloc(struct pq_arena *arena, size_t size)
{
	if (size > SIZE_MAX - ALIGN - sizeof(struct pq_arena_chunk))
		return NULL;
	size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (size == 0)
		size = ALIGN;
	if (size > arena->limit - arena->used)
		return NULL;

	struct pq_arena_chunk *chunk = chunk_for(arena, size);
	if (chunk == NULL)
		return NULL;
	void *block = chunk->data + chunk->used;
	if (chunk->used < chunk->dirty)
		memset(block, 0, size < chunk->dirty - chunk->used ? size : chunk->dirty - chunk->used);
	chunk->used += size;
	if (chunk->dirty < chunk->used)
		chunk->dirty = chunk->used;
	arena->used += size;
	return block;
}

void *
pq_arena_array(struct pq_arena *arena, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return pq_arena_alloc(arena, bytes);
}

char *
pq_arena_strndup(struct pq_arena *arena, const char *text, size_t len)
{
	if (len == SIZE_MAX)
		return NULL;
	char *copy = pq_arena_alloc(arena, len + 1);
	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}

char *
pq_arena_printf(struct pq_arena *arena, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		return NULL;
	char *text = pq_arena_alloc(arena, (size_t)len + 1);
	if (text == NULL)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(text, (size_t)len + 1, fmt, ap);
	va_end(ap);
	return text;
}

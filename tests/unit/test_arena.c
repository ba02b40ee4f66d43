#include "policy/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((size_t)1024 * 1024)

static void
assert_zeroed(const unsigned char *block, size_t size)
{
	for (size_t i = 0; i < size; i++)
		assert_int_equal(block[i], 0);
}

static void
blocks_are_aligned_zeroed_and_apart(void **state)
{
	struct pq_arena arena;
	unsigned char *blocks[64];

	(void)state;
	pq_arena_init(&arena, MIB);
	for (size_t i = 0; i < 64; i++) {
		blocks[i] = pq_arena_alloc(&arena, i);
		assert_non_null(blocks[i]);
		assert_int_equal((uintptr_t)blocks[i] % 16, 0);
		assert_zeroed(blocks[i], i);
		memset(blocks[i], (int)i, i);
	}
	/* Had two blocks shared a byte, a later one would have overwritten it. */
	for (size_t i = 0; i < 64; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_equal(blocks[i][k], i);
	pq_arena_release(&arena);
}

static void
empty_blocks_are_distinct(void **state)
{
	struct pq_arena arena;

	(void)state;
	pq_arena_init(&arena, MIB);
	void *first = pq_arena_alloc(&arena, 0);
	void *second = pq_arena_alloc(&arena, 0);
	assert_non_null(first);
	assert_ptr_not_equal(first, second);
	pq_arena_release(&arena);
}

static void
the_limit_holds_to_the_byte(void **state)
{
	struct pq_arena arena;

	(void)state;
	pq_arena_init(&arena, 64);
	assert_null(pq_arena_alloc(&arena, 65));
	assert_non_null(pq_arena_alloc(&arena, 48));
	assert_null(pq_arena_alloc(&arena, 17));
	assert_non_null(pq_arena_alloc(&arena, 16));
	assert_int_equal(arena.used, 64);
	assert_null(pq_arena_alloc(&arena, 1));
	assert_null(pq_arena_alloc(&arena, 0));
	assert_int_equal(arena.used, 64);
	pq_arena_release(&arena);

	pq_arena_init(&arena, 0);
	assert_null(pq_arena_alloc(&arena, 1));
	assert_null(arena.first);
	pq_arena_release(&arena);
}

static void
sizes_that_overflow_are_refused(void **state)
{
	struct pq_arena arena;

	(void)state;
	pq_arena_init(&arena, MIB);
	assert_null(pq_arena_alloc(&arena, SIZE_MAX));
	assert_null(pq_arena_alloc(&arena, SIZE_MAX - 15));
	assert_null(pq_arena_alloc(&arena, SIZE_MAX - 16));
	assert_null(pq_arena_array(&arena, SIZE_MAX, 2));
	assert_null(pq_arena_array(&arena, SIZE_MAX / 16 + 2, 16));
	assert_null(pq_arena_strndup(&arena, "x", SIZE_MAX));
	assert_int_equal(arena.used, 0);
	assert_non_null(pq_arena_array(&arena, 3, 5));
	assert_int_equal(arena.used, 16);
	pq_arena_release(&arena);
}

static void
large_blocks_get_their_own_chunk(void **state)
{
	struct pq_arena arena;

	(void)state;
	pq_arena_init(&arena, 4 * MIB);
	unsigned char *small = pq_arena_alloc(&arena, 100);
	unsigned char *large = pq_arena_alloc(&arena, MIB);
	unsigned char *next = pq_arena_alloc(&arena, 100);
	assert_non_null(small);
	assert_non_null(large);
	assert_non_null(next);
	memset(large, 0xff, MIB);
	assert_zeroed(small, 100);
	assert_zeroed(next, 100);
	pq_arena_release(&arena);
}

/* A request's worth of blocks, over several chunks, small and large mixed. */
static void
fill(struct pq_arena *arena, void **blocks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t size = i % 7 == 0 ? 90 * 1024 : i * 100;

		blocks[i] = pq_arena_alloc(arena, size);
		assert_non_null(blocks[i]);
		assert_zeroed(blocks[i], size);
		memset(blocks[i], 0xff, size);
	}
}

static void
a_reset_arena_uses_the_same_memory_again(void **state)
{
	struct pq_arena arena;
	void *before[40];
	void *after[40];

	(void)state;
	pq_arena_init(&arena, 4 * MIB);
	fill(&arena, before, 40);
	size_t used = arena.used;
	for (int round = 0; round < 3; round++) {
		pq_arena_reset(&arena);
		assert_int_equal(arena.used, 0);
		fill(&arena, after, 40);
		/* The same addresses in the same order: no chunk was added, so nothing was allocated. */
		assert_memory_equal(before, after, sizeof(before));
		assert_int_equal(arena.used, used);
	}
	pq_arena_release(&arena);
}

static void
the_limit_starts_anew_after_a_reset(void **state)
{
	struct pq_arena arena;

	(void)state;
	pq_arena_init(&arena, 1024);
	for (int round = 0; round < 5; round++) {
		assert_non_null(pq_arena_alloc(&arena, 1024));
		assert_null(pq_arena_alloc(&arena, 1));
		pq_arena_reset(&arena);
	}
	pq_arena_release(&arena);
}

static void
release_leaves_an_arena_that_works(void **state)
{
	struct pq_arena arena;

	(void)state;
	pq_arena_init(&arena, 1024);
	pq_arena_release(&arena);
	pq_arena_reset(&arena);
	assert_non_null(pq_arena_alloc(&arena, 1024));
	pq_arena_release(&arena);
	assert_null(arena.first);
	assert_int_equal(arena.used, 0);
	assert_int_equal(arena.limit, 1024);
	assert_non_null(pq_arena_alloc(&arena, 1024));
	pq_arena_release(&arena);
}

static void
texts_are_copied_and_terminated(void **state)
{
	struct pq_arena arena;

	(void)state;
	pq_arena_init(&arena, 1024);
	assert_string_equal(pq_arena_strndup(&arena, "Cambodia", 4), "Camb");
	assert_string_equal(pq_arena_strndup(&arena, "", 0), "");

	char *copy = pq_arena_strndup(&arena, "a\0b", 3);
	assert_memory_equal(copy, "a\0b", 4);

	assert_string_equal(pq_arena_printf(&arena, "%s:%d", "x.yaml", 41), "x.yaml:41");
	assert_string_equal(pq_arena_printf(&arena, "%s", ""), "");
	pq_arena_release(&arena);
}

static void
texts_that_do_not_fit_are_refused_whole(void **state)
{
	struct pq_arena arena;

	(void)state;
	pq_arena_init(&arena, 16);
	/* Sixteen bytes of text need a seventeenth for the end. */
	assert_null(pq_arena_printf(&arena, "%016d", 1));
	assert_null(pq_arena_strndup(&arena, "0123456789abcdef", 16));
	assert_int_equal(arena.used, 0);
	assert_string_equal(pq_arena_printf(&arena, "%015d", 1), "000000000000001");
	pq_arena_release(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_aligned_zeroed_and_apart),
		cmocka_unit_test(empty_blocks_are_distinct),
		cmocka_unit_test(the_limit_holds_to_the_byte),
		cmocka_unit_test(sizes_that_overflow_are_refused),
		cmocka_unit_test(large_blocks_get_their_own_chunk),
		cmocka_unit_test(a_reset_arena_uses_the_same_memory_again),
		cmocka_unit_test(the_limit_starts_anew_after_a_reset),
		cmocka_unit_test(release_leaves_an_arena_that_works),
		cmocka_unit_test(texts_are_copied_and_terminated),
		cmocka_unit_test(texts_that_do_not_fit_are_refused_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

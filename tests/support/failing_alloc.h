/*
 * Every allocation of an operation failed in turn, for unit/alloc_policy and unit/alloc_storage. To be included by one
 * source file of a program: it defines malloc() and its like, so that our code and every library call them here (LMDB,
 * OpenSSL, libyaml, jansson, zstd, the C library), and mmap(). Arenas are replaced by ones in which each block is an
 * allocation of its own, so that each of them can fail, and AddressSanitizer sees what reads past one.
 *
 * What is failed is sampled where an operation makes more than TORTURE_POINTS allocations; the program says so.
 * PQ_TORTURE_ALL=1 fails all of them; PQ_TORTURE_AT=N prints, under a sanitizer, who makes allocation N of each.
 */
#ifndef PQ_TESTS_SUPPORT_FAILING_ALLOC_H
#define PQ_TESTS_SUPPORT_FAILING_ALLOC_H

#include "policy/arena.h"
#include "policy/status.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* Points of one operation in an ordinary run: seconds for a program under AddressSanitizer. */
#define TORTURE_POINTS 150

static bool counting;       /* an operation runs */
static bool goes_on;        /* what follows the struck allocation fails, too */
static long n_allocations;  /* of the operation so far */
static long struck_at = -1; /* the allocation that fails; -1: none */
static bool struck;         /* it did */

static long shown = -1; /* the allocation whose maker is printed */

void __sanitizer_print_stack_trace(void) __attribute__((weak));

static void
show(void)
{
	counting = false;
	if (__sanitizer_print_stack_trace != NULL)
		__sanitizer_print_stack_trace();
	counting = true;
}

static bool
fails(void)
{
	if (!counting)
		return false;
	long n = n_allocations++;
	if (n == shown)
		show();
	if (struck_at < 0 || n < struck_at || (n > struck_at && !goes_on))
		return false;
	struck = true;
	errno = ENOMEM;
	return true;
}

/* ---- allocation ------------------------------------------------------------------------------------------------- */

/* A sanitizer's own, where there is one; else the C library's. */
#define TORTURE_REAL(type, name, parameters)                    \
	type __interceptor_##name parameters __attribute__((weak)); \
	type __libc_##name parameters

TORTURE_REAL(void *, malloc, (size_t size));
TORTURE_REAL(void *, calloc, (size_t n, size_t size));
TORTURE_REAL(void *, realloc, (void *block, size_t size));

#define TORTURE_CALL(name, ...) \
	(__interceptor_##name != NULL ? __interceptor_##name(__VA_ARGS__) : __libc_##name(__VA_ARGS__))

void *
malloc(size_t size)
{
	return fails() ? NULL : TORTURE_CALL(malloc, size);
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : TORTURE_CALL(calloc, n, size);
}

void *
realloc(void *block, size_t size)
{
	return size > 0 && fails() ? NULL : TORTURE_CALL(realloc, block, size);
}

char *
strndup(const char *text, size_t max)
{
	size_t len = strnlen(text, max);
	char *copy = malloc(len + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *
strdup(const char *text)
{
	return strndup(text, strlen(text));
}

void *
mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
	if (fails())
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}

void *
mmap64(void *at, size_t len, int protection, int flags, int fd, off64_t offset)
{
	return mmap(at, len, protection, flags, fd, offset);
}

/* ---- arenas: policy/arena.h, a chunk a block -------------------------------------------------------------------- */

struct pq_arena_chunk {
	struct pq_arena_chunk *next;
	size_t pad; /* keeps data[] aligned to 16 */
	unsigned char data[];
};

void
pq_arena_init(struct pq_arena *arena, size_t limit)
{
	*arena = (struct pq_arena){.limit = limit};
}

void
pq_arena_reset(struct pq_arena *arena)
{
	for (struct pq_arena_chunk *chunk = arena->first, *next; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	pq_arena_init(arena, arena->limit);
}

void
pq_arena_release(struct pq_arena *arena)
{
	pq_arena_reset(arena);
}

void *
pq_arena_alloc(struct pq_arena *arena, size_t size)
{
	if (size > arena->limit - arena->used)
		return NULL;
	struct pq_arena_chunk *chunk = calloc(1, sizeof(*chunk) + size);
	if (chunk == NULL)
		return NULL;
	chunk->next = arena->first;
	arena->first = chunk;
	arena->used += size;
	return chunk->data;
}

void *
pq_arena_array(struct pq_arena *arena, size_t count, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(count, size, &bytes) ? NULL : pq_arena_alloc(arena, bytes);
}

char *
pq_arena_strndup(struct pq_arena *arena, const char *text, size_t len)
{
	char *copy = len == SIZE_MAX ? NULL : pq_arena_alloc(arena, len + 1);

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}

char *
pq_arena_printf(struct pq_arena *arena, const char *fmt, ...)
{
	va_list ap, again;
	char *text = NULL;

	va_start(ap, fmt);
	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, ap);
	if (len >= 0)
		text = pq_arena_alloc(arena, (size_t)len + 1);
	if (text != NULL)
		vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return text;
}

/* ---- operations ------------------------------------------------------------------------------------------------- */

struct operation {
	const char *name;
	void (*prepare)(void);                   /* before each run, without failures; may be NULL */
	enum pq_status (*work)(struct pq_err *); /* what is struck; gives back all that it took */
	void (*check)(bool done); /* after each run: what must be so if it was done, or if not; may be NULL */
	void (*clean)(void);      /* after each run; may be NULL */
	bool vague;               /* OpenSSL does not always say that memory ran out: to be refused will do */
};

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/* One run; *ret_status says how it ended. Returns how many allocations it made. */
static long
run_struck(const struct operation *operation, long at, bool on, enum pq_status *ret_status, struct pq_err *ret_err)
{
	n_allocations = 0;
	struck_at = at;
	goes_on = on;
	struck = false;
	counting = true;
	*ret_status = operation->work(ret_err);
	counting = false;
	return n_allocations;
}

static void
check_run(const struct operation *operation, bool done)
{
	if (operation->check != NULL)
		operation->check(done);
}

/* Without failures it must be done: before all others, and after each that failed. */
static long
run_whole(const struct operation *operation, long after)
{
	enum pq_status status;
	struct pq_err err = {0};
	long n = run_struck(operation, -1, false, &status, &err);

	if (status != PQ_OK)
		fail_msg("%s, after allocation %ld had failed: %s: %s", operation->name, after, err.where, err.msg);
	check_run(operation, true);
	return n;
}

static void
begin(const struct operation *operation)
{
	if (operation->prepare != NULL)
		operation->prepare();
}

static void
end(const struct operation *operation)
{
	if (operation->clean != NULL)
		operation->clean();
}

/* False: it was not struck, or did without the memory. */
static bool
strike(const struct operation *operation, long at, bool on)
{
	enum pq_status status;
	struct pq_err err = {0};

	begin(operation);
	run_struck(operation, at, on, &status, &err);
	check_run(operation, status == PQ_OK);
	if (status == PQ_OK) {
		end(operation);
		return false;
	}
	if (err.status != status || err.msg[0] == '\0')
		fail_msg("%s, allocation %ld: %s without a message", operation->name, at, pq_status_text(status));
	bool refused = operation->vague && (status == PQ_EFAILED || status == PQ_EPARSE);
	if (!refused && (status != PQ_ENOMEM || strstr(err.msg, "memory") == NULL))
		fail_msg("%s, allocation %ld: %s: %s: %s", operation->name, at, pq_status_text(status), err.where, err.msg);
	run_whole(operation, at);
	end(operation);
	return true;
}

/* Fail each allocation, or as many as an ordinary run has time for, spread over all of them. */
static void
torture(const struct operation *operation)
{
	bool all = getenv("PQ_TORTURE_ALL") != NULL;
	const char *at_text = getenv("PQ_TORTURE_AT");
	long failed = 0, tried = 0;

	/* Libraries set themselves up at the first use, and what they keep is not the operation's. */
	for (int i = 0; i < 2; i++) {
		begin(operation);
		run_whole(operation, -1);
		end(operation);
	}
	begin(operation);
	shown = at_text != NULL ? atol(at_text) : -1;
	long n = run_whole(operation, -1), step = all || n <= TORTURE_POINTS ? 1 : n / TORTURE_POINTS + 1;
	shown = -1;
	end(operation);
	assert_true(n > 0);
	for (long at = 0; at < n; at += step, tried++) {
		failed += strike(operation, at, tried % 4 == 3);
		if (all)
			failed += strike(operation, at, true);
	}
	print_message("%-22s %6ld allocations, %5ld failed in turn%s, %ld of them to an error\n", operation->name, n, tried,
	              step > 1 ? " (a sample)" : "", failed);
	assert_true(failed > 0);
	if (__lsan_do_recoverable_leak_check != NULL && __lsan_do_recoverable_leak_check() != 0)
		fail_msg("%s leaks", operation->name);
}

#endif

/*
 * Counts allocations by standing before glibc's allocator. Linked only to benchmarks; sanitizers bring an allocator of
 * their own that must not be stood before, and there nothing is counted.
 */
#include "bench/support/stats.h"

#include <stdatomic.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COUNTS 0
#endif
#endif
#if !defined(COUNTS) && defined(__GLIBC__)
#define COUNTS 1
#endif

#if COUNTS

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static _Atomic int64_t mallocs;

void *
malloc(size_t size)
{
	atomic_fetch_add_explicit(&mallocs, 1, memory_order_relaxed);
	return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	atomic_fetch_add_explicit(&mallocs, 1, memory_order_relaxed);
	return __libc_calloc(n, size);
}

void *
realloc(void *old, size_t size)
{
	atomic_fetch_add_explicit(&mallocs, 1, memory_order_relaxed);
	return __libc_realloc(old, size);
}

int64_t
bench_mallocs(void)
{
	return atomic_load_explicit(&mallocs, memory_order_relaxed);
}

#else

int64_t
bench_mallocs(void)
{
	return -1;
}

#endif

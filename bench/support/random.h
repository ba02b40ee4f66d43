/**
 * A small seeded source of chance for benchmarks: splitmix64. Equal seeds give equal sequences on every machine.
 */
#ifndef PQ_BENCH_RANDOM_H
#define PQ_BENCH_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_random {
	uint64_t state;
};

static inline uint64_t
bench_random_next(struct bench_random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/** Evenly from 0 to n - 1; 0 for n = 0. */
static inline size_t
bench_random_below(struct bench_random *r, size_t n)
{
	return n == 0 ? 0 : (size_t)(bench_random_next(r) % n);
}

/** True in `percent` of 100 cases. */
static inline bool
bench_random_chance(struct bench_random *r, unsigned percent)
{
	return bench_random_below(r, 100) < percent;
}

#endif

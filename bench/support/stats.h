/** Order statistics of a benchmark's samples. */
#ifndef PQ_BENCH_STATS_H
#define PQ_BENCH_STATS_H

#include <stddef.h>
#include <stdint.h>

struct bench_stats {
	size_t n;
	double min, p10, median, p90, p99, max, mean;
};

/** Sorts `samples` in place. All zero for n = 0. Percentiles are samples (nearest rank), never interpolated. */
struct bench_stats bench_stats_of(double *samples, size_t n);

/** Nanoseconds of CLOCK_MONOTONIC, and of the processor time of this thread. */
int64_t bench_now(void);
int64_t bench_cpu(void);

/**
 * What reading the clocks adds to a sample, in nanoseconds, each the median of many: *ret_now of a pair of bench_now()
 * around what is measured, *ret_cpu of a pair of bench_cpu() around such a pair.
 */
void bench_clock_costs(int64_t *ret_now, int64_t *ret_cpu);

/** Calls of malloc, calloc and realloc of this process so far; -1 where the build cannot count (sanitizers). */
int64_t bench_mallocs(void);

#endif

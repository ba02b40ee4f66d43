#include "bench/support/stats.h"

#include <stdlib.h>
#include <time.h>

static int
compare(const void *left, const void *right)
{
	double l = *(const double *)left, r = *(const double *)right;

	return (l > r) - (l < r);
}

static double
rank(const double *sorted, size_t n, unsigned percent)
{
	size_t at = (n * percent + 99) / 100;

	return sorted[at > 0 ? at - 1 : 0];
}

struct bench_stats
bench_stats_of(double *samples, size_t n)
{
	struct bench_stats stats = {.n = n};

	if (n == 0)
		return stats;
	qsort(samples, n, sizeof(*samples), compare);
	for (size_t i = 0; i < n; i++)
		stats.mean += samples[i] / (double)n;
	stats.min = samples[0];
	stats.p10 = rank(samples, n, 10);
	stats.median = rank(samples, n, 50);
	stats.p90 = rank(samples, n, 90);
	stats.p99 = rank(samples, n, 99);
	stats.max = samples[n - 1];
	return stats;
}

static int64_t
clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t
bench_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t
bench_cpu(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void
bench_clock_costs(int64_t *ret_now, int64_t *ret_cpu)
{
	enum { SAMPLES = 20001 };
	static double now[SAMPLES], cpu[SAMPLES];

	for (size_t i = 0; i < SAMPLES; i++) {
		int64_t cpu_start = bench_cpu(), start = bench_now();
		now[i] = (double)(bench_now() - start);
		cpu[i] = (double)(bench_cpu() - cpu_start);
	}
	*ret_now = (int64_t)bench_stats_of(now, SAMPLES).median;
	*ret_cpu = (int64_t)bench_stats_of(cpu, SAMPLES).median;
}

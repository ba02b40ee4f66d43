#include "server/metrics.h"

#include <time.h>

/* Upper bounds in nanoseconds: a decision takes tens of microseconds, a stream may stand for long. */
const int64_t pq_metrics_bounds[PQ_METRICS_BOUNDS] = {
	10000,   25000,    50000,    100000,    250000,     500000,      1000000,      2500000,
	5000000, 10000000, 25000000, 100000000, 1000000000, 10000000000, 100000000000,
};

static int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void
pq_histogram_add(struct pq_histogram *histogram, int64_t nanoseconds)
{
	size_t i = 0;

	if (nanoseconds < 0)
		nanoseconds = 0;
	while (i < PQ_METRICS_BOUNDS && nanoseconds > pq_metrics_bounds[i])
		i++;
	pq_count_up(&histogram->counts[i], 1);
	pq_count_up(&histogram->sum_ns, (uint64_t)nanoseconds);
}

void
pq_metrics_init(struct pq_metrics *metrics)
{
	*metrics = (struct pq_metrics){0};
	pthread_mutex_init(&metrics->lock, NULL);
}

void
pq_metrics_release(struct pq_metrics *metrics)
{
	pthread_mutex_destroy(&metrics->lock);
}

void
pq_metrics_set_sequence(struct pq_metrics *metrics, uint64_t sequence)
{
	atomic_store_explicit(&metrics->sequence, sequence, memory_order_relaxed);
}

void
pq_metrics_activated(struct pq_metrics *metrics, int64_t nanoseconds)
{
	atomic_fetch_add_explicit(&metrics->activations, 1, memory_order_relaxed);
	pthread_mutex_lock(&metrics->lock);
	pq_histogram_add(&metrics->swaps, nanoseconds);
	pthread_mutex_unlock(&metrics->lock);
}

void
pq_metrics_verify_failed(struct pq_metrics *metrics)
{
	atomic_fetch_add_explicit(&metrics->verify_failures, 1, memory_order_relaxed);
}

void
pq_metrics_up_to_date(struct pq_metrics *metrics)
{
	atomic_store_explicit(&metrics->up_to_date_ns, now_ns(), memory_order_relaxed);
}

void
pq_metrics_set_replicas(struct pq_metrics *metrics, pq_replicas_fn *replicas, void *context)
{
	pthread_mutex_lock(&metrics->lock);
	metrics->replicas = replicas;
	metrics->replicas_context = context;
	pthread_mutex_unlock(&metrics->lock);
}

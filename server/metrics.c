#include "server/metrics.h"

/* Upper bounds in nanoseconds: a decision takes tens of microseconds, a stream may stand for long. */
const int64_t pq_metrics_bounds[PQ_METRICS_BOUNDS] = {
	10000,   25000,    50000,    100000,    250000,     500000,      1000000,      2500000,
	5000000, 10000000, 25000000, 100000000, 1000000000, 10000000000, 100000000000,
};

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
}

void
pq_metrics_activated(struct pq_metrics *metrics, int64_t nanoseconds)
{
	pq_count_up(&metrics->activations, 1);
	pq_histogram_add(&metrics->swaps, nanoseconds);
}

void
pq_metrics_refused(struct pq_metrics *metrics, enum pq_status status)
{
	if (status == PQ_EFAILED || status == PQ_ECORRUPT || status == PQ_EFORMAT)
		atomic_fetch_add_explicit(&metrics->verify_failures, 1, memory_order_relaxed);
}

void
pq_metrics_reached(struct pq_metrics *metrics, bool well)
{
	atomic_store_explicit(&metrics->reached, well, memory_order_relaxed);
	if (!well)
		pq_metrics_not_followed(metrics);
}

void
pq_metrics_not_followed(struct pq_metrics *metrics)
{
	atomic_fetch_add_explicit(&metrics->follow_failures, 1, memory_order_relaxed);
}

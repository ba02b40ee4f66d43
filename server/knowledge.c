#include "server/knowledge.h"

#include <time.h>

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
pq_knowledge_init(struct pq_knowledge *knowledge)
{
	atomic_init(&knowledge->known_ms, INT64_MAX);
}

void
pq_knowledge_begin(struct pq_knowledge *knowledge, int64_t age_ms)
{
	atomic_store_explicit(&knowledge->known_ms, now_ms() - age_ms, memory_order_relaxed);
}

void
pq_knowledge_set(struct pq_knowledge *knowledge, int64_t age_ms)
{
	int64_t known_ms = now_ms() - age_ms;

	/* One thread sets it. */
	if (known_ms > atomic_load_explicit(&knowledge->known_ms, memory_order_relaxed))
		atomic_store_explicit(&knowledge->known_ms, known_ms, memory_order_release);
}

int64_t
pq_knowledge_age_ms(const struct pq_knowledge *knowledge)
{
	/* Whoever sees that a revision is known to be in force sees that revision, too. */
	int64_t known_ms = atomic_load_explicit(&knowledge->known_ms, memory_order_acquire);

	if (known_ms == INT64_MAX)
		return 0;
	int64_t age_ms = now_ms() - known_ms;
	return age_ms > 0 ? age_ms : 0;
}

uint32_t
pq_knowledge_age_s(const struct pq_knowledge *knowledge)
{
	int64_t age_s = pq_knowledge_age_ms(knowledge) / 1000;

	return age_s > UINT32_MAX ? UINT32_MAX : (uint32_t)age_s;
}

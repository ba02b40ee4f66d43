#include "fetch/backoff.h"

#include <sys/random.h>

uint32_t
pq_backoff_next(struct pq_backoff *backoff)
{
	uint64_t bound = backoff->first_ms;
	uint32_t random = 0;

	for (uint32_t i = 0; i < backoff->failures && bound < backoff->longest_ms; i++)
		bound *= 2;
	if (bound > backoff->longest_ms)
		bound = backoff->longest_ms;
	if (backoff->failures < UINT32_MAX)
		backoff->failures++;
	/* Without random numbers the wait is the shortest: no reason to fail. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = 0;
	return (uint32_t)(bound - bound / 2 + random % (bound / 2 + 1));
}

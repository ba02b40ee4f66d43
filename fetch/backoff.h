/**
 * How long to wait before something that failed is tried again.
 *
 * The bound doubles with each failure, and the wait lies at random between half of it and all, so that replicas whose
 * publisher came back do not all ask at once.
 */
#ifndef PQ_FETCH_BACKOFF_H
#define PQ_FETCH_BACKOFF_H

#include <stdint.h>

struct pq_backoff {
	uint32_t first_ms;   /* bound of the first wait, from 1 */
	uint32_t longest_ms; /* bound of all waits; at least first_ms */
	uint32_t failures;   /* since the last success; start with 0, and set it to 0 after a success */
};

/** Milliseconds to wait after one failure more. */
uint32_t pq_backoff_next(struct pq_backoff *backoff);

#endif

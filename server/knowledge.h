/**
 * How old this server's knowledge of what is in force is: how long ago it last knew itself up to date.
 *
 * Threads: any.
 */
#ifndef PQ_SERVER_KNOWLEDGE_H
#define PQ_SERVER_KNOWLEDGE_H

#include <stdatomic.h>
#include <stdint.h>

struct pq_knowledge {
	_Atomic(int64_t) known_ms; /* of CLOCK_BOOTTIME, so that sleep counts; INT64_MAX = always: revisions are made here */
};

/** Knowledge that does not age. */
void pq_knowledge_init(struct pq_knowledge *knowledge);
/** It was up to date `age_ms` milliseconds ago. What was known to be newer stays. */
void pq_knowledge_set(struct pq_knowledge *knowledge, int64_t age_ms);
/** From now on it ages, and was up to date `age_ms` ago. */
void pq_knowledge_begin(struct pq_knowledge *knowledge, int64_t age_ms);
/** 0: it does not age. */
int64_t pq_knowledge_age_ms(const struct pq_knowledge *knowledge);
/** In whole seconds. */
uint32_t pq_knowledge_age_s(const struct pq_knowledge *knowledge);

#endif

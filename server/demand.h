/**
 * How new the law has to be that answers a request, and how new the law is that did: what a message says of them.
 */
#ifndef PQ_SERVER_DEMAND_H
#define PQ_SERVER_DEMAND_H

#include <stdbool.h>
#include <stdint.h>

/** What a request, a batch or a frame asks for. */
struct pq_demand {
	uint64_t min_revision; /* least sequence; 0 = any */
	uint32_t max_age_s;    /* of what is known of the revision in force; 0 = any */
};

/** The revision that answered. */
struct pq_answerer {
	const char *digest;  /* of its store, in hexadecimal */
	uint64_t sequence;   /* 0 = it is of no catalog */
	int64_t activated_s; /* since 1970; 0 = it is of no catalog */
	uint32_t age_s;      /* of the knowledge that it is in force, when the answer was begun */
};

static inline bool
pq_demand_is_met(const struct pq_demand *demand, const struct pq_answerer *by)
{
	return by->sequence >= demand->min_revision && (demand->max_age_s == 0 || by->age_s <= demand->max_age_s);
}

#endif

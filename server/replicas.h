/**
 * What the replicas of this server run, in their own words, as long as they say it.
 *
 * Threads: any.
 */
#ifndef PQ_SERVER_REPLICAS_H
#define PQ_SERVER_REPLICAS_H

#include "policy/arena.h"
#include "policy/status.h"

#include "pratique/v1/replication.pb-c.h"

struct pq_replicas;

/** NULL: no memory. */
struct pq_replicas *pq_replicas_new(void);
/** Accepts NULL. */
void pq_replicas_free(struct pq_replicas *replicas);

/** Note a report; copies it, cut to the bounds. Where too many report, the one that was silent longest is forgotten. */
void pq_replicas_note(struct pq_replicas *replicas, const Pratique__V1__Replica *replica, int64_t now_s);

/** Those that reported lately, by name, in the arena. Fails: PQ_ENOMEM. */
PQ_MUST_USE enum pq_status pq_replicas_list(struct pq_replicas *replicas, int64_t now_s, struct pq_arena *arena,
                                            Pratique__V1__Replica ***ret_list, size_t *ret_n);

/** How far a replica is behind. */
struct pq_replica_lag {
	char name[129];
	uint64_t sequence;  /* that it serves; 0: none */
	uint64_t revisions; /* that it has still to activate: for pq_keeper_lags() to fill in */
	int64_t seconds;    /* since it last told that it is up to date */
};

/** The same as numbers, for at most PQ_SERVER_REPLICAS_MAX; how many there are. */
size_t pq_replicas_lags(struct pq_replicas *replicas, int64_t now_s, struct pq_replica_lag *ret);

#endif

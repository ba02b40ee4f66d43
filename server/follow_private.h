/**
 * Following, inside: what a server and a place have in common. Internal to server/follow*.c.
 *
 * A way of following learns what is in force and says so to pq_follow_take(), which does the rest.
 *
 * Threads: the follower's own.
 */
#ifndef PQ_SERVER_FOLLOW_PRIVATE_H
#define PQ_SERVER_FOLLOW_PRIVATE_H

#include "fetch/backoff.h"
#include "fetch/snapshot.h"
#include "server/follow.h"
#include "server/link_access.h"

struct pq_link;
struct pq_fetcher;

/** Get the store of a manifest into the file `fd`, as differences against `base`, or whole (NULL). */
typedef enum pq_status pq_follow_fetch_fn(struct pq_follow *follow, const struct pq_manifest *manifest,
                                          const struct pq_snapshot_file *base, int fd, struct pq_err *err);

struct pq_follow {
	struct pq_keeper *keeper;
	const char *from; /* a server's address, or the URL of a place */
	pthread_t thread;
	_Atomic(bool) stop;
	char name[PQ_ACTOR_MAX + 1]; /* of this replica */

	struct pq_backoff reach; /* after failures to learn of revisions */
	struct pq_backoff retry; /* after refusals of one sequence: */
	uint64_t refused;        /* which; 0 = none */
	bool whole;              /* without differences the next time */
	int64_t again_ms;        /* when it is tried again */
	char error[PQ_ERR_MSG_MAX]; /* why; "" = nothing is refused */
	bool news;               /* what is served, or refused, is otherwise than before */

	/* Of a server. */
	struct pq_link_access access;
	struct pq_link_secrets seen; /* the files at the last try */
	struct pq_link *link, *renewed; /* renewed: the next one, with files that changed; NULL = none */
	int64_t reported_ms;

	/* Of a place. */
	struct pq_fetcher *fetcher;
};

/** Milliseconds of the monotonic clock. */
int64_t pq_follow_now_ms(void);
bool pq_follow_stops(const struct pq_follow *follow);
/** Less, where the follower is to stop. */
void pq_follow_sleep(const struct pq_follow *follow, int64_t ms);

/** The publisher was reached, and said something. */
void pq_follow_reached(struct pq_follow *follow);

/**
 * This is in force at the publisher: if it is newer than what is served here, fetch it, verify it and put it in force.
 *
 * True: it is what is served here now. False: it was refused, now or before; it is logged, counted, and in
 * follow->error; the next time that matters is follow->again_ms.
 */
bool pq_follow_take(struct pq_follow *follow, const struct pq_manifest *manifest, pq_follow_fetch_fn *fetch);

/** Follow a server, or a place, until something fails or the follower is to stop (PQ_OK). */
PQ_MUST_USE enum pq_status pq_follow_server(struct pq_follow *follow, struct pq_err *err);
PQ_MUST_USE enum pq_status pq_follow_place(struct pq_follow *follow, struct pq_err *err);

#endif

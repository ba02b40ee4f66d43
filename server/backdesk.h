/**
 * A desk: a thread that does, one after the other, what workers must not wait for.
 *
 * A job is made by a worker's thread for one of its calls, done at the desk, and handed back to that worker, whose thread
 * ends it: calls belong to their workers, and gRPC's queues cannot be woken from outside, so a worker looks for what has
 * come back every PQ_SERVER_WAIT_MS as long as it waits for anything.
 *
 * Threads: pq_backdesk_submit() may be called by any; start, end by one.
 */
#ifndef PQ_SERVER_BACKDESK_H
#define PQ_SERVER_BACKDESK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct pq_worker;

/** The first member of what is to be done. */
struct pq_job {
	struct pq_job *next;
	struct pq_worker *worker;
	void (*work)(struct pq_job *job); /* at the desk */
	void (*done)(struct pq_job *job); /* on the worker's thread; may free the job */
	bool refused; /* the desk has closed: the work was not done */
};

struct pq_backdesk {
	pthread_mutex_t lock;
	pthread_cond_t woken;
	pthread_t thread;
	struct pq_job *first, **last;
	bool running, ending;
	/* Called between jobs, and at the latest after the milliseconds that it returned last. May be NULL. */
	int (*idle)(void *context);
	void *context;
};

void pq_backdesk_init(struct pq_backdesk *desk, int (*idle)(void *context), void *context);

/** False: no thread. */
bool pq_backdesk_start(struct pq_backdesk *desk);

/** Give a job to the desk; it always comes back. The caller is the job's worker. */
void pq_backdesk_submit(struct pq_backdesk *desk, struct pq_job *job);

/** The job that is being done is finished, those that wait come back refused, and so do all later ones. */
void pq_backdesk_end(struct pq_backdesk *desk);

/** After pq_backdesk_end(), and when nobody submits any more. */
void pq_backdesk_release(struct pq_backdesk *desk);

#endif

#include "server/backdesk.h"

#include "server/worker.h"

#include <errno.h>
#include <time.h>

void
pq_backdesk_init(struct pq_backdesk *desk, int (*idle)(void *context), void *context)
{
	pthread_condattr_t attributes;

	*desk = (struct pq_backdesk){.idle = idle, .context = context};
	desk->last = &desk->first;
	pthread_mutex_init(&desk->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&desk->woken, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void
add_ms(struct timespec *time, int ms)
{
	time->tv_sec += ms / 1000;
	time->tv_nsec += (long)(ms % 1000) * 1000000;
	if (time->tv_nsec >= 1000000000) {
		time->tv_sec++;
		time->tv_nsec -= 1000000000;
	}
}

/* The next job; NULL: the time has passed, or the desk closes. */
static struct pq_job *
take(struct pq_backdesk *desk, int ms)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	add_ms(&until, ms);
	pthread_mutex_lock(&desk->lock);
	while (desk->first == NULL && !desk->ending && error != ETIMEDOUT)
		error = ms < 0 ? pthread_cond_wait(&desk->woken, &desk->lock)
		               : pthread_cond_timedwait(&desk->woken, &desk->lock, &until);
	struct pq_job *job = desk->ending ? NULL : desk->first;
	if (job != NULL) {
		desk->first = job->next;
		if (desk->first == NULL)
			desk->last = &desk->first;
	}
	pthread_mutex_unlock(&desk->lock);
	return job;
}

static bool
closes(struct pq_backdesk *desk)
{
	pthread_mutex_lock(&desk->lock);
	bool ending = desk->ending;
	pthread_mutex_unlock(&desk->lock);
	return ending;
}

static void *
run(void *context)
{
	struct pq_backdesk *desk = context;

	while (!closes(desk)) {
		struct pq_job *job = take(desk, desk->idle != NULL ? desk->idle(desk->context) : -1);
		if (job == NULL)
			continue;
		job->work(job);
		pq_worker_give_back(job);
	}
	return NULL;
}

bool
pq_backdesk_start(struct pq_backdesk *desk)
{
	desk->running = pthread_create(&desk->thread, NULL, run, desk) == 0;
	return desk->running;
}

static void
refuse(struct pq_job *job)
{
	job->refused = true;
	pq_worker_give_back(job);
}

void
pq_backdesk_submit(struct pq_backdesk *desk, struct pq_job *job)
{
	job->next = NULL;
	job->refused = false;
	job->worker->n_waiting++;
	pthread_mutex_lock(&desk->lock);
	bool closed = desk->ending || !desk->running;
	if (!closed) {
		*desk->last = job;
		desk->last = &job->next;
		pthread_cond_signal(&desk->woken);
	}
	pthread_mutex_unlock(&desk->lock);
	if (closed)
		refuse(job);
}

void
pq_backdesk_end(struct pq_backdesk *desk)
{
	pthread_mutex_lock(&desk->lock);
	desk->ending = true;
	struct pq_job *left = desk->first;
	desk->first = NULL;
	desk->last = &desk->first;
	pthread_cond_signal(&desk->woken);
	pthread_mutex_unlock(&desk->lock);
	while (left != NULL) {
		struct pq_job *next = left->next;
		refuse(left);
		left = next;
	}
	if (desk->running)
		pthread_join(desk->thread, NULL);
	pthread_mutex_lock(&desk->lock);
	desk->running = false;
	pthread_mutex_unlock(&desk->lock);
}

void
pq_backdesk_release(struct pq_backdesk *desk)
{
	pthread_cond_destroy(&desk->woken);
	pthread_mutex_destroy(&desk->lock);
}

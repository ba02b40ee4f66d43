#include "server/follow_private.h"

#include "server/log.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Pauses after failures: the first, and the longest. */
#define PAUSE_MS 100
#define PAUSE_MS_MAX 30000
/* Between two looks at files while it pauses. */
#define LOOK_MS 1000

int64_t
pq_follow_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool
pq_follow_stops(const struct pq_follow *follow)
{
	return atomic_load_explicit(&follow->stop, memory_order_relaxed);
}

void
pq_follow_sleep(const struct pq_follow *follow, int64_t ms)
{
	const struct timespec look = {0, 20 * 1000000};

	for (int64_t end = pq_follow_now_ms() + ms; !pq_follow_stops(follow) && pq_follow_now_ms() < end;)
		nanosleep(&look, NULL);
}

void
pq_follow_reached(struct pq_follow *follow)
{
	if (follow->reach.failures > 0)
		PQ_LOG(PQ_LOG_INFO, "follow", PQ_LOG_TEXT("publisher", follow->from));
	follow->reach.failures = 0;
	pq_metrics_reached(&follow->keeper->server->metrics, true);
}

bool
pq_follow_is_place(const char *from)
{
	/* What gRPC takes for an address may hold the same characters. */
	return strstr(from, "://") != NULL && strncmp(from, "dns:", 4) != 0 && strncmp(from, "unix:", 5) != 0;
}

/* Sooner where the files with which a server is reached have changed: they may be what it failed for. */
static void
wait_before_next(struct pq_follow *follow, int64_t ms)
{
	for (int64_t end = pq_follow_now_ms() + ms, left; (left = end - pq_follow_now_ms()) > 0 && !pq_follow_stops(follow);) {
		if (pq_link_access_changed(&follow->access, &follow->seen))
			break;
		pq_follow_sleep(follow, left < LOOK_MS ? left : LOOK_MS);
	}
}

static void *
run(void *context)
{
	struct pq_follow *follow = context;
	bool place = pq_follow_is_place(follow->from);
	char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX];

	while (!pq_follow_stops(follow)) {
		struct pq_err err = {0};
		pq_link_access_see(&follow->access, &follow->seen);
		enum pq_status status = place ? pq_follow_place(follow, &err) : pq_follow_server(follow, &err);
		if (pq_follow_stops(follow) || status == PQ_OK)
			break;
		uint32_t ms = pq_backoff_next(&follow->reach);
		pq_metrics_reached(&follow->keeper->server->metrics, false);
		pq_err_format(&err, text, sizeof(text));
		PQ_LOG(PQ_LOG_WARN, "follow_failed", PQ_LOG_TEXT("publisher", follow->from), PQ_LOG_TEXT("error", text),
		       PQ_LOG_NUMBER("again_in_ms", ms));
		wait_before_next(follow, ms);
	}
	return NULL;
}

static void
set_name(struct pq_follow *follow)
{
	const char *name = follow->keeper->options->replica_name;
	char host[65] = "replica";

	if (name != NULL) {
		snprintf(follow->name, sizeof(follow->name), "%s", name);
		return;
	}
	(void)gethostname(host, sizeof(host) - 1);
	snprintf(follow->name, sizeof(follow->name), "%s:%d", host, (int)getpid());
}

/* What is served was in force when it was activated, and for what came after nobody knows. */
static void
begin_knowledge(struct pq_keeper *keeper)
{
	struct pq_catalog_revision active;
	struct pq_err err = {0};
	int64_t age_s = 0;

	if (pq_catalog_active(keeper->catalog, &active, &err) == PQ_OK)
		age_s = pq_keeper_now_s() - active.activated_s;
	pq_knowledge_begin(&keeper->server->knowledge, age_s > 0 ? age_s * 1000 : 0);
}

struct pq_follow *
pq_follow_start(struct pq_keeper *keeper)
{
	const struct pq_options *options = keeper->options;
	struct pq_follow *follow = calloc(1, sizeof(*follow));

	if (follow == NULL)
		return NULL;
	follow->keeper = keeper;
	follow->from = options->follow;
	follow->access = (struct pq_link_access){
		{options->follow_ca, options->follow_cert, options->follow_key, options->follow_token}};
	follow->reach = follow->retry = (struct pq_backoff){.first_ms = PAUSE_MS, .longest_ms = PAUSE_MS_MAX};
	set_name(follow);
	begin_knowledge(keeper);
	if (pthread_create(&follow->thread, NULL, run, follow) != 0) {
		free(follow);
		return NULL;
	}
	return follow;
}

void
pq_follow_end(struct pq_follow *follow)
{
	if (follow == NULL)
		return;
	atomic_store_explicit(&follow->stop, true, memory_order_relaxed);
	pthread_join(follow->thread, NULL);
	free(follow);
}

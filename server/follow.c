#include "server/follow.h"

#include "fetch/backoff.h"
#include "server/fetch_link.h"
#include "server/log.h"
#include "server/server.h"

#include "pratique/v1/replication.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WATCH "/pratique.v1.ReplicationService/WatchRevisions"
#define REPORT "/pratique.v1.ReplicationService/Report"
/* Until the first event; after it, so many heartbeats may be missed. */
#define FIRST_EVENT_MS 10000
#define BEATS_MISSED 4
#define HEARTBEAT_MS_MAX 600000
/* Pauses after failures: the first, and the longest. */
#define PAUSE_MS 100
#define PAUSE_MS_MAX 30000
#define REPORT_EVERY_MS 10000
#define REPORT_TIMEOUT_MS 2000

struct pq_follow {
	struct pq_keeper *keeper;
	pthread_t thread;
	_Atomic(bool) stop;
	struct pq_link *link;
	char name[PQ_ACTOR_MAX + 1];
	struct pq_backoff connect; /* after failures of the watch */
	struct pq_backoff retry;   /* after refusals of one sequence: */
	uint64_t refused;          /* which; 0 = none */
	int64_t again_ms;          /* when it is tried again */
	int64_t reported_ms;       /* when; 0 = what has changed is to be reported */
	char error[PQ_ERR_MSG_MAX];
};

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool
stops(const struct pq_follow *follow)
{
	return atomic_load_explicit(&follow->stop, memory_order_relaxed);
}

static void
sleep_ms(const struct pq_follow *follow, int ms)
{
	const struct timespec look = {0, 20 * 1000000};

	for (int64_t end = now_ms() + ms; !stops(follow) && now_ms() < end;)
		nanosleep(&look, NULL);
}

/* ---- reports ---------------------------------------------------------------------------------------------------- */

static void
report(struct pq_follow *follow)
{
	Pratique__V1__ReportRequest request = PRATIQUE__V1__REPORT_REQUEST__INIT;
	Pratique__V1__Replica replica = PRATIQUE__V1__REPLICA__INIT;
	char digest[PQ_DIGEST_HEX_BYTES] = "", version[] = PQ_VERSION;
	struct pq_catalog_revision active;
	ProtobufCMessage *answer;
	struct pq_err err = {0};

	if (follow->reported_ms != 0 && now_ms() - follow->reported_ms < REPORT_EVERY_MS)
		return;
	if (pq_catalog_active(follow->keeper->catalog, &active, &err) == PQ_OK) {
		replica.sequence = active.manifest.sequence;
		pq_digest_hex(active.manifest.digest, digest);
	}
	replica.name = follow->name;
	replica.digest = digest;
	replica.error = follow->error;
	replica.version = version;
	replica.age_s = pq_knowledge_age_s(&follow->keeper->server->knowledge);
	request.replica = &replica;
	if (pq_link_ask(follow->link, REPORT, &request.base, &pratique__v1__report_response__descriptor, REPORT_TIMEOUT_MS,
	                &follow->stop, &answer, &err) == PQ_OK)
		protobuf_c_message_free_unpacked(answer, NULL);
	else
		PQ_LOG(PQ_LOG_DEBUG, "report_failed", PQ_LOG_TEXT("error", err.msg));
	follow->reported_ms = now_ms();
}

/* ---- revisions -------------------------------------------------------------------------------------------------- */

/* Add the revision to the catalog, fetched if it is not there, and put it in force. */
static enum pq_status
bring(struct pq_follow *follow, const struct pq_manifest *manifest, struct pq_err *err)
{
	struct pq_keeper *keeper = follow->keeper;
	struct pq_catalog_source source = {.from = PQ_CATALOG_HERE, .fd = -1, .name = keeper->options->follow};
	struct pq_catalog_act act = {.actor = keeper->options->follow, .time_s = pq_keeper_now_s()};
	enum pq_status status = pq_manifest_verify(manifest, keeper->trust, keeper->options->follow, NULL, err);

	if (status != PQ_OK)
		return status;
	if (!pq_catalog_has_store(keeper->catalog, manifest->digest)) {
		source.from = PQ_CATALOG_PART;
		status = pq_fetch_by_link(follow->link, keeper->catalog, manifest, follow->refused == manifest->sequence, &follow->stop,
		                          &source.fd, err);
	}
	if (status == PQ_OK)
		status = pq_catalog_add(keeper->catalog, manifest, &source, &act, NULL, NULL, err);
	if (source.fd >= 0 && status != PQ_OK && status != PQ_EIO)
		pq_catalog_part_delete(keeper->catalog, manifest->digest);
	if (source.fd >= 0)
		close(source.fd);
	return status == PQ_OK ? pq_keeper_activate(keeper, manifest->sequence, &act, NULL, err) : status;
}

static void
note_refusal(struct pq_follow *follow, uint64_t sequence, const struct pq_err *err)
{
	if (follow->refused != sequence)
		follow->retry.failures = 0;
	follow->refused = sequence;
	follow->again_ms = now_ms() + pq_backoff_next(&follow->retry);
	follow->reported_ms = 0;
	snprintf(follow->error, sizeof(follow->error), "sequence %llu: %.400s", (unsigned long long)sequence, err->msg);
	PQ_LOG(PQ_LOG_ERROR, "revision_refused", PQ_LOG_NUMBER("sequence", sequence), PQ_LOG_TEXT("where", err->where),
	       PQ_LOG_TEXT("error", err->msg));
}

/* Is what is served what the publisher says is in force? If it is newer, fetch it. */
static bool
is_current(struct pq_follow *follow, const struct pq_manifest *manifest)
{
	struct pq_catalog_revision active = {0};
	struct pq_err err = {0};

	if (pq_catalog_active(follow->keeper->catalog, &active, &err) == PQ_OK &&
	    active.manifest.sequence == manifest->sequence && pq_manifest_same_statement(&active.manifest, manifest))
		return true;
	err = (struct pq_err){0};
	if (active.manifest.sequence >= manifest->sequence)
		(void)pq_fail(&err, PQ_EFAILED, "the publisher's active sequence is %llu with another content than here, or lower "
		              "than the %llu here", (unsigned long long)manifest->sequence,
		              (unsigned long long)active.manifest.sequence);
	else if (follow->refused == manifest->sequence && now_ms() < follow->again_ms)
		return false;
	else if (bring(follow, manifest, &err) == PQ_OK)
		return true;
	if (!stops(follow) && (follow->refused != manifest->sequence || now_ms() >= follow->again_ms))
		note_refusal(follow, manifest->sequence, &err);
	return false;
}

static enum pq_status
on_event(struct pq_follow *follow, const Pratique__V1__WatchRevisionsResponse *event, struct pq_err *err)
{
	struct pq_manifest manifest;
	struct pq_knowledge *knowledge = &follow->keeper->server->knowledge;
	uint64_t refused = follow->refused;

	if (event->manifest.len > 0) {
		enum pq_status status = pq_manifest_parse((const char *)event->manifest.data, event->manifest.len,
		                                          follow->keeper->options->follow, &manifest, err);
		if (status != PQ_OK)
			return status;
		uint64_t before = pq_server_sequence(follow->keeper->server);
		if (!is_current(follow, &manifest)) {
			report(follow);
			return PQ_OK;
		}
		follow->refused = follow->retry.failures = 0;
		follow->error[0] = '\0';
		if (before != manifest.sequence || refused != 0)
			follow->reported_ms = 0;
	}
	pq_knowledge_set(knowledge, (int64_t)event->age_s * 1000);
	report(follow);
	return PQ_OK;
}

/* Watch until something fails, or this server ends. */
static enum pq_status
watch(struct pq_follow *follow, struct pq_err *err)
{
	Pratique__V1__WatchRevisionsRequest request = PRATIQUE__V1__WATCH_REVISIONS_REQUEST__INIT;
	struct pq_link_call *call;
	ProtobufCMessage *message;
	int wait_ms = FIRST_EVENT_MS;
	enum pq_status status = pq_link_begin(follow->link, WATCH, 0, &follow->stop, &call, err);

	if (status != PQ_OK)
		return status;
	request.replica = follow->name;
	status = pq_link_send(call, &request.base, true, err);
	while (status == PQ_OK && !stops(follow)) {
		status = pq_link_receive(call, &pratique__v1__watch_revisions_response__descriptor, wait_ms, &message, err);
		if (status == PQ_OK && message == NULL)
			status = pq_fail(err, PQ_EIO, "the publisher ended the watch");
		if (status != PQ_OK)
			break;
		const Pratique__V1__WatchRevisionsResponse *event = (const Pratique__V1__WatchRevisionsResponse *)message;
		if (event->heartbeat_ms > 0 && event->heartbeat_ms <= HEARTBEAT_MS_MAX)
			wait_ms = (int)event->heartbeat_ms * BEATS_MISSED;
		if (follow->connect.failures > 0)
			PQ_LOG(PQ_LOG_INFO, "follow", PQ_LOG_TEXT("publisher", follow->keeper->options->follow));
		follow->connect.failures = 0;
		status = on_event(follow, event, err);
		protobuf_c_message_free_unpacked(message, NULL);
	}
	pq_link_call_free(call);
	return status;
}

static void *
run(void *context)
{
	struct pq_follow *follow = context;

	while (!stops(follow)) {
		struct pq_err err = {0};
		enum pq_status status = pq_link_new(follow->keeper->options->follow, &follow->link, &err);
		if (status == PQ_OK)
			status = watch(follow, &err);
		pq_link_free(follow->link);
		follow->link = NULL;
		if (stops(follow) || status == PQ_OK)
			break;
		int ms = (int)pq_backoff_next(&follow->connect);
		PQ_LOG(PQ_LOG_WARN, "follow_failed", PQ_LOG_TEXT("publisher", follow->keeper->options->follow),
		       PQ_LOG_TEXT("error", err.msg), PQ_LOG_NUMBER("again_in_ms", ms));
		sleep_ms(follow, ms);
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
	struct pq_follow *follow = calloc(1, sizeof(*follow));

	if (follow == NULL)
		return NULL;
	follow->keeper = keeper;
	follow->connect = follow->retry = (struct pq_backoff){.first_ms = PAUSE_MS, .longest_ms = PAUSE_MS_MAX};
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

/* Following a server: its watch tells what is in force; it is told what runs here. */
#include "server/follow_private.h"

#include "server/fetch_link.h"
#include "server/log.h"
#include "server/server.h"

#include "pratique/v1/replication.pb-c.h"

#define WATCH "/pratique.v1.ReplicationService/WatchRevisions"
#define REPORT "/pratique.v1.ReplicationService/Report"
/* Until the first event; after it, so many heartbeats may be missed. */
#define FIRST_EVENT_MS 10000
#define BEATS_MISSED 4
#define HEARTBEAT_MS_MAX 600000
#define REPORT_EVERY_MS 10000
#define REPORT_TIMEOUT_MS 2000

static void
report(struct pq_follow *follow)
{
	Pratique__V1__ReportRequest request = PRATIQUE__V1__REPORT_REQUEST__INIT;
	Pratique__V1__Replica replica = PRATIQUE__V1__REPLICA__INIT;
	char digest[PQ_DIGEST_HEX_BYTES] = "", version[] = PQ_VERSION;
	struct pq_catalog_revision active;
	ProtobufCMessage *answer;
	struct pq_err err = {0};

	if (!follow->news && pq_follow_now_ms() - follow->reported_ms < REPORT_EVERY_MS)
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
	follow->news = false;
	follow->reported_ms = pq_follow_now_ms();
}

static enum pq_status
fetch(struct pq_follow *follow, const struct pq_manifest *manifest, const struct pq_snapshot_file *base, int fd,
      struct pq_err *err)
{
	return pq_fetch_by_link(follow->link, manifest, base, fd, &follow->stop, err);
}

static enum pq_status
on_event(struct pq_follow *follow, const Pratique__V1__WatchRevisionsResponse *event, struct pq_err *err)
{
	struct pq_manifest manifest;
	bool current = true;

	if (event->manifest.len > 0) {
		enum pq_status status = pq_manifest_parse((const char *)event->manifest.data, event->manifest.len, follow->from,
		                                          &manifest, err);
		if (status != PQ_OK)
			return status;
		current = pq_follow_take(follow, &manifest, fetch);
	}
	if (current)
		pq_knowledge_set(&follow->keeper->server->knowledge, (int64_t)event->age_s * 1000);
	report(follow);
	return PQ_OK;
}

/* Where certificate or token have changed, have the next link ready; what is wrong with them leaves this one. */
static void
look_at_files(struct pq_follow *follow)
{
	struct pq_err err = {0};
	char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX];

	if (!pq_link_is_outdated(follow->link))
		return;
	if (pq_link_new(follow->from, &follow->access, &follow->renewed, &err) == PQ_OK) {
		PQ_LOG(PQ_LOG_INFO, "follow_renewed", PQ_LOG_TEXT("publisher", follow->from));
		return;
	}
	pq_err_format(&err, text, sizeof(text));
	PQ_LOG(PQ_LOG_ERROR, "follow_files_refused", PQ_LOG_TEXT("error", text));
}

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
	while (status == PQ_OK && !pq_follow_stops(follow) && follow->renewed == NULL) {
		status = pq_link_receive(call, &pratique__v1__watch_revisions_response__descriptor, wait_ms, &message, err);
		if (status == PQ_OK && message == NULL)
			status = pq_fail(err, PQ_EIO, "the publisher ended the watch");
		if (status != PQ_OK)
			break;
		const Pratique__V1__WatchRevisionsResponse *event = (const Pratique__V1__WatchRevisionsResponse *)message;
		if (event->heartbeat_ms > 0 && event->heartbeat_ms <= HEARTBEAT_MS_MAX)
			wait_ms = (int)event->heartbeat_ms * BEATS_MISSED;
		pq_follow_reached(follow);
		status = on_event(follow, event, err);
		protobuf_c_message_free_unpacked(message, NULL);
		look_at_files(follow);
	}
	pq_link_call_free(call);
	return status;
}

enum pq_status
pq_follow_server(struct pq_follow *follow, struct pq_err *err)
{
	enum pq_status status = pq_link_new(follow->from, &follow->access, &follow->link, err);

	/* Who comes back may have been forgotten there. */
	follow->news = true;
	while (status == PQ_OK && !pq_follow_stops(follow)) {
		status = watch(follow, err);
		if (follow->renewed == NULL)
			break;
		/* A watch that failed just now is begun anew with the new files; if they do not help, that fails. */
		status = PQ_OK;
		pq_link_free(follow->link);
		follow->link = follow->renewed;
		follow->renewed = NULL;
	}
	pq_link_free(follow->link);
	follow->link = NULL;
	return status;
}

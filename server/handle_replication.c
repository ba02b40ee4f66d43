/*
 * ReplicationService but for snapshots: what is in force, and who runs what. On the worker's thread: nothing here blocks.
 */
#include "server/convert.h"
#include "server/replicas.h"
#include "server/server.h"
#include "server/wire.h"

#include <time.h>

static bool
refuse_without_catalog(struct pq_worker *worker, struct pq_reply *ret)
{
	if (worker->server->keeper != NULL)
		return false;
	pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_FAILED_PRECONDITION, PQ_REASON_NO_CATALOG, NULL, 0,
	                "this server serves a store (--store) and has no catalog of revisions (--data)");
	return true;
}

void
pq_handle_watch_revisions(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret)
{
	Pratique__V1__WatchRevisionsResponse message = PRATIQUE__V1__WATCH_REVISIONS_RESPONSE__INIT;
	struct timespec now;

	(void)in;
	(void)state;
	if (refuse_without_catalog(worker, ret))
		return;
	const struct pq_term *term = pq_term_adopt(&worker->term, &worker->server->revisions);
	clock_gettime(CLOCK_REALTIME, &now);
	message.now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	message.age_s = pq_knowledge_age_s(&worker->server->knowledge);
	message.heartbeat_ms = PQ_SERVER_BEAT_MS;
	if (term != NULL) {
		message.manifest.data = (uint8_t *)pq_revision_manifest(term->view.revision, &message.manifest.len);
		message.activated_s = pq_revision_activated_s(term->view.revision);
	}
	pq_reply_message(ret, &message.base);
}

void
pq_handle_report(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret)
{
	Pratique__V1__ReportResponse response = PRATIQUE__V1__REPORT_RESPONSE__INIT;
	struct pq_violations violations = {.arena = &worker->arena};
	ProtobufCAllocator allocator = pq_arena_allocator(&worker->arena);

	(void)state;
	if (refuse_without_catalog(worker, ret))
		return;
	pq_wire_check(&pratique__v1__report_request__descriptor, in->data, in->len, NULL, 0, &violations);
	Pratique__V1__ReportRequest *request =
		pq_violations_any(&violations) ? NULL : pratique__v1__report_request__unpack(&allocator, in->len, in->data);
	if (request == NULL || request->replica == NULL || request->replica->name[0] == '\0') {
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_INVALID_ARGUMENT, PQ_REASON_INVALID_REQUEST, violations.at,
		                violations.n, "cannot be read: it is no ReportRequest with a replica that has a name");
		return;
	}
	pq_replicas_note(worker->server->keeper->replicas, request->replica, pq_keeper_now_s());
	pq_reply_message(ret, &response.base);
}

void
pq_handle_list_replicas(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret)
{
	Pratique__V1__ListReplicasResponse response = PRATIQUE__V1__LIST_REPLICAS_RESPONSE__INIT;

	(void)in;
	(void)state;
	if (refuse_without_catalog(worker, ret))
		return;
	const struct pq_term *term = pq_term_adopt(&worker->term, &worker->server->revisions);
	response.sequence = term != NULL ? pq_revision_sequence(term->view.revision) : 0;
	if (pq_replicas_list(worker->server->keeper->replicas, pq_keeper_now_s(), &worker->arena, &response.replicas,
	                     &response.n_replicas) == PQ_OK)
		pq_reply_message(ret, &response.base);
	else
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_RESOURCE_EXHAUSTED, PQ_REASON_LIMIT_EXCEEDED, NULL, 0,
		                "no memory for the list");
}

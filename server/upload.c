/*
 * Publishing: a stream of messages, each of which is taken in at the keeper's desk before the next is read, so that no
 * worker waits for a disk and the client sends no faster than that. The answer comes after the last.
 */
#include "server/convert.h"
#include "server/convert_revision.h"
#include "server/admit.h"
#include "server/server.h"

#include "server/log.h"
#include "server/wire.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DETAILS_KEY "grpc-status-details-bin"

struct pq_upload {
	struct pq_tag on_request, on_close, on_read, on_end;
	struct pq_job job;
	struct pq_worker *worker;
	struct pq_upload *next, *previous;
	grpc_call *call; /* NULL = only posted */
	gpr_timespec deadline, began;
	grpc_metadata_array metadata;
	int cancelled;
	unsigned pending; /* batches in flight, and the job that is away */
	grpc_byte_buffer *in, *out;
	struct pq_bytes bytes; /* of `in` */
	grpc_slice copy;
	size_t bytes_taken;
	bool greeted, ended, counted;
	bool last; /* there was no message: the client is done */
	grpc_slice message;
	grpc_metadata trailer;

	/* At the desk. */
	bool begun;
	bool failed; /* `reply` is the refusal */
	struct pq_reply reply;
	struct pq_manifest manifest;
	char actor[PQ_ACTOR_MAX + 1];
	char remark[PQ_REMARK_MAX + 1];
	char signed_by[PQ_KEY_ID_BYTES]; /* "" = no signature was asked for */
	int fd;           /* of the part; -1 = the store is there already */
	uint64_t written; /* bytes of it */
};

#define UPLOAD_OF(at, member) ((struct pq_upload *)((char *)(at)-offsetof(struct pq_upload, member)))

/* ---- at the desk ------------------------------------------------------------------------------------------------ */

static enum pq_status
begin(struct pq_upload *upload, struct pq_keeper *keeper, const Pratique__V1__PublishHead *head, struct pq_err *err)
{
	enum pq_status status = pq_manifest_parse((const char *)head->manifest.data, head->manifest.len, "manifest",
	                                          &upload->manifest, err);

	if (status == PQ_OK)
		status = pq_keeper_verify(keeper, &upload->manifest, "manifest", upload->signed_by, err);
	if (status != PQ_OK)
		return status;
	upload->begun = true;
	snprintf(upload->actor, sizeof(upload->actor), "%s", head->actor);
	snprintf(upload->remark, sizeof(upload->remark), "%s", head->remark);
	if (pq_catalog_has_store(keeper->catalog, upload->manifest.digest))
		return PQ_OK;
	status = pq_catalog_part_open(keeper->catalog, upload->manifest.digest, &upload->fd, err);
	if (status == PQ_OK && ftruncate(upload->fd, 0) != 0)
		status = pq_fail(err, PQ_EIO, "the part cannot be emptied: %s", strerror(errno));
	return status;
}

static enum pq_status
take_chunk(struct pq_upload *upload, const ProtobufCBinaryData *chunk, struct pq_err *err)
{
	if (!upload->begun)
		return pq_fail_at(err, PQ_EINVAL, "chunk", 0, 0, "comes before the head");
	if (chunk->len == 0)
		return pq_fail_at(err, PQ_EINVAL, "chunk", 0, 0, "has no bytes");
	if (chunk->len > upload->manifest.size - upload->written)
		return pq_fail_at(err, PQ_EINVAL, "chunk", 0, 0, "the store is longer than its manifest says");
	for (size_t done = 0; done < chunk->len && upload->fd >= 0;) {
		ssize_t n = pwrite(upload->fd, chunk->data + done, chunk->len - done, (off_t)(upload->written + done));
		if (n < 0 && errno != EINTR)
			return pq_fail(err, PQ_EIO, "the store cannot be written: %s", strerror(errno));
		done += n > 0 ? (size_t)n : 0;
	}
	upload->written += chunk->len;
	return PQ_OK;
}

static enum pq_status
take(struct pq_upload *upload, struct pq_keeper *keeper, struct pq_err *err)
{
	struct pq_violations violations = {.arena = &keeper->arena};
	ProtobufCAllocator allocator = pq_arena_allocator(&keeper->arena);

	pq_wire_check(&pratique__v1__publish_request__descriptor, upload->bytes.data, upload->bytes.len, NULL, 0, &violations);
	Pratique__V1__PublishRequest *request =
		pq_violations_any(&violations)
			? NULL
			: pratique__v1__publish_request__unpack(&allocator, upload->bytes.len, upload->bytes.data);
	if (request == NULL)
		return pq_fail(err, PQ_EINVAL, "cannot be read: it is no PublishRequest");
	switch (request->part_case) {
	case PRATIQUE__V1__PUBLISH_REQUEST__PART_HEAD:
		if (upload->begun)
			return pq_fail_at(err, PQ_EINVAL, "head", 0, 0, "comes twice");
		return begin(upload, keeper, request->head, err);
	case PRATIQUE__V1__PUBLISH_REQUEST__PART_CHUNK:
		return take_chunk(upload, &request->chunk, err);
	default:
		return pq_fail_at(err, PQ_EINVAL, "part", 0, 0, "is missing");
	}
}

static enum pq_status
finish(struct pq_upload *upload, struct pq_keeper *keeper, struct pq_err *err)
{
	Pratique__V1__PublishResponse response = PRATIQUE__V1__PUBLISH_RESPONSE__INIT;
	struct pq_catalog_source source = {.from = upload->fd < 0 ? PQ_CATALOG_HERE : PQ_CATALOG_PART,
	                                   .fd = upload->fd, .name = "the published store"};
	struct pq_catalog_act act = {.actor = upload->actor, .time_s = pq_keeper_now_s(), .remark = upload->remark};
	struct pq_catalog_revision known;
	bool added;

	if (!upload->begun)
		return pq_fail_at(err, PQ_EINVAL, "head", 0, 0, "is missing");
	if (upload->fd >= 0 && upload->written != upload->manifest.size)
		return pq_fail(err, PQ_EINVAL, "the store was cut short: %llu of %llu bytes came",
		               (unsigned long long)upload->written, (unsigned long long)upload->manifest.size);
	enum pq_status status = pq_keeper_add(keeper, &upload->manifest, &source, &act, &known, &added, err);
	if (status == PQ_OK)
		status = pq_revision_to_message(&known, &keeper->arena, &response.revision, err);
	if (status != PQ_OK)
		return status;
	PQ_LOG(PQ_LOG_INFO, "published", PQ_LOG_NUMBER("sequence", known.manifest.sequence),
	       PQ_LOG_NUMBER("added", added));
	response.added = added;
	response.signed_by = upload->signed_by;
	pq_reply_message(&upload->reply, &response.base);
	return PQ_OK;
}

/* Where nothing has come of it, nothing of it stays. */
static void
give_up(struct pq_upload *upload)
{
	if (upload->fd < 0)
		return;
	pq_catalog_part_delete(upload->worker->server->keeper->catalog, upload->manifest.digest);
	close(upload->fd);
	upload->fd = -1;
}

static void
work(struct pq_job *job)
{
	struct pq_upload *upload = UPLOAD_OF(job, job);
	struct pq_keeper *keeper = job->worker->server->keeper;
	struct pq_err err = {0};

	if (!pq_revision_may_change(keeper, &keeper->arena, &upload->reply)) {
		upload->failed = true;
	} else {
		enum pq_status status = upload->last ? finish(upload, keeper, &err) : take(upload, keeper, &err);
		if (status != PQ_OK) {
			upload->failed = true;
			pq_revision_refuse(&upload->reply, &keeper->arena, status, &err);
			PQ_LOG(PQ_LOG_WARN, "publish_refused", PQ_LOG_NUMBER("sequence", upload->manifest.sequence),
			       PQ_LOG_TEXT("error", err.msg));
		}
	}
	if (upload->failed)
		give_up(upload);
	pq_arena_reset(&keeper->arena);
}

/* ---- the call --------------------------------------------------------------------------------------------------- */

static void on_request(struct pq_tag *tag, bool ok);
static void on_close(struct pq_tag *tag, bool ok);
static void on_read(struct pq_tag *tag, bool ok);
static void on_end(struct pq_tag *tag, bool ok);

static void
drop(struct pq_upload *upload)
{
	struct pq_worker *worker = upload->worker;

	if (upload->previous != NULL)
		upload->previous->next = upload->next;
	else
		worker->uploads = upload->next;
	if (upload->next != NULL)
		upload->next->previous = upload->previous;
	worker->n_streams--;
	give_up(upload);
	if (upload->in != NULL)
		grpc_byte_buffer_destroy(upload->in);
	if (upload->out != NULL)
		grpc_byte_buffer_destroy(upload->out);
	grpc_metadata_array_destroy(&upload->metadata);
	grpc_slice_unref(upload->copy);
	grpc_slice_unref(upload->message);
	grpc_slice_unref(upload->trailer.value);
	if (upload->call != NULL)
		grpc_call_unref(upload->call);
	free(upload);
}

static void
came_back(struct pq_upload *upload)
{
	if (--upload->pending == 0)
		drop(upload);
}

static bool
start(struct pq_upload *upload, const grpc_op *ops, size_t n, struct pq_tag *tag)
{
	if (upload->worker->down)
		return false;
	grpc_call_error error = grpc_call_start_batch(upload->call, ops, n, tag, NULL);
	if (error != GRPC_CALL_OK) {
		PQ_LOG(PQ_LOG_ERROR, "batch_failed", PQ_LOG_NUMBER("error", error));
		return false;
	}
	upload->pending++;
	return true;
}

/* Answer or refuse: what upload->reply says, whose slices go over to the call. */
static void
end(struct pq_upload *upload)
{
	struct pq_reply *reply = &upload->reply;
	grpc_op ops[3] = {0};
	size_t n = 0;

	upload->counted = true;
	pq_worker_count(upload->worker, PQ_RPC_PUBLISH, reply, upload->bytes_taken, upload->began);
	upload->trailer = (grpc_metadata){.key = grpc_slice_from_static_string(DETAILS_KEY), .value = reply->details};
	if (!upload->greeted)
		ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
	if (reply->code == GRPC_STATUS_OK) {
		upload->out = grpc_raw_byte_buffer_create(&reply->payload, 1);
		ops[n].op = GRPC_OP_SEND_MESSAGE;
		ops[n++].data.send_message.send_message = upload->out;
	}
	grpc_slice_unref(reply->payload);
	upload->message = grpc_slice_from_copied_string(reply->message);
	ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	ops[n].data.send_status_from_server.status = reply->code;
	ops[n].data.send_status_from_server.status_details = &upload->message;
	ops[n].data.send_status_from_server.trailing_metadata = &upload->trailer;
	ops[n++].data.send_status_from_server.trailing_metadata_count = !GRPC_SLICE_IS_EMPTY(reply->details);
	upload->ended = true;
	start(upload, ops, n, &upload->on_end);
}

static void
end_with(struct pq_upload *upload, grpc_status_code code, const char *reason, const char *why)
{
	pq_reply_refuse(&upload->reply, &upload->worker->arena, code, reason, NULL, 0, "%s", why);
	pq_arena_reset(&upload->worker->arena);
	end(upload);
}

static void
read_next(struct pq_upload *upload)
{
	grpc_op ops[2] = {0};
	size_t n = 0;

	if (!upload->greeted)
		ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
	upload->greeted = true;
	ops[n].op = GRPC_OP_RECV_MESSAGE;
	ops[n++].data.recv_message.recv_message = &upload->in;
	start(upload, ops, n, &upload->on_read);
}

static void
done(struct pq_job *job)
{
	struct pq_upload *upload = UPLOAD_OF(job, job);

	grpc_slice_unref(upload->copy);
	upload->copy = grpc_empty_slice();
	if (upload->in != NULL)
		grpc_byte_buffer_destroy(upload->in);
	upload->in = NULL;
	bool has_reply = upload->failed || (upload->last && !job->refused);
	if (upload->ended && has_reply) {
		grpc_slice_unref(upload->reply.payload);
		grpc_slice_unref(upload->reply.details);
	} else if (!upload->ended && has_reply) {
		end(upload);
	} else if (!upload->ended && job->refused) {
		end_with(upload, GRPC_STATUS_UNAVAILABLE, PQ_REASON_SERVER_ENDING, "the server ends");
	} else if (!upload->ended) {
		read_next(upload);
	}
	came_back(upload);
}

void
pq_upload_post(struct pq_worker *worker)
{
	struct pq_server *server = worker->server;

	if (atomic_load_explicit(&server->ending, memory_order_acquire))
		return;
	struct pq_upload *upload = calloc(1, sizeof(*upload));
	if (upload == NULL) {
		PQ_LOG(PQ_LOG_ERROR, "no_memory", PQ_LOG_TEXT("method", pq_rpcs[PQ_RPC_PUBLISH].metric));
		return;
	}
	upload->on_request.on = on_request;
	upload->on_close.on = on_close;
	upload->on_read.on = on_read;
	upload->on_end.on = on_end;
	upload->job = (struct pq_job){.worker = worker, .work = work, .done = done};
	upload->worker = worker;
	upload->fd = -1;
	upload->copy = upload->message = upload->trailer.value = grpc_empty_slice();
	grpc_metadata_array_init(&upload->metadata);
	upload->next = worker->uploads;
	if (upload->next != NULL)
		upload->next->previous = upload;
	worker->uploads = upload;
	worker->n_streams++;
	grpc_call_error error = grpc_server_request_registered_call(
		worker->grpc, worker->methods[PQ_RPC_PUBLISH], &upload->call, &upload->deadline, &upload->metadata, NULL,
		worker->queue, worker->queue, &upload->on_request);
	if (error != GRPC_CALL_OK) {
		PQ_LOG(PQ_LOG_ERROR, "post_failed", PQ_LOG_NUMBER("error", error));
		drop(upload);
	}
}

static void
on_request(struct pq_tag *tag, bool ok)
{
	struct pq_upload *upload = UPLOAD_OF(tag, on_request);
	struct pq_worker *worker = upload->worker;
	grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

	if (!ok) {
		upload->call = NULL;
		drop(upload);
		pq_worker_see_end(worker);
		return;
	}
	pq_upload_post(worker);
	pq_worker_began(upload->worker, PQ_RPC_PUBLISH);
	upload->began = gpr_now(GPR_CLOCK_MONOTONIC);
	close.data.recv_close_on_server.cancelled = &upload->cancelled;
	upload->pending++; /* of this function: nothing below frees the call */
	start(upload, &close, 1, &upload->on_close);
	if (worker->server->keeper == NULL)
		end_with(upload, GRPC_STATUS_FAILED_PRECONDITION, PQ_REASON_NO_CATALOG,
		         "this server serves a store (--store) and has no catalog of revisions (--data)");
	else if (worker->n_streams > PQ_SERVER_OPEN_STREAMS)
		end_with(upload, GRPC_STATUS_RESOURCE_EXHAUSTED, PQ_REASON_LIMIT_EXCEEDED, "too many streams are open");
	else if (!pq_admits(worker, PQ_RPC_PUBLISH, upload->call, &upload->metadata, &upload->reply))
		end(upload);
	else
		read_next(upload);
	came_back(upload);
}

static void
on_read(struct pq_tag *tag, bool ok)
{
	struct pq_upload *upload = UPLOAD_OF(tag, on_read);
	struct pq_worker *worker = upload->worker;

	if (!ok || upload->ended) { /* the client is gone */
		came_back(upload);
		return;
	}
	upload->last = upload->in == NULL;
	if (!pq_worker_read(worker, PQ_RPC_PUBLISH, upload->in, &upload->bytes, &upload->copy, &upload->reply)) {
		pq_arena_reset(&worker->arena);
		end(upload);
		came_back(upload);
		return;
	}
	upload->bytes_taken += upload->bytes.len;
	pq_backdesk_submit(&worker->server->keeper->changes, &upload->job); /* takes this event's place among the pending */
}

static void
on_close(struct pq_tag *tag, bool ok)
{
	struct pq_upload *upload = UPLOAD_OF(tag, on_close);

	(void)ok;
	if (!upload->counted)
		pq_worker_ended(upload->worker, PQ_RPC_PUBLISH, GRPC_STATUS_CANCELLED, upload->began);
	upload->counted = upload->ended = true;
	came_back(upload);
}

static void
on_end(struct pq_tag *tag, bool ok)
{
	(void)ok;
	came_back(UPLOAD_OF(tag, on_end));
}

void
pq_upload_release_all(struct pq_worker *worker)
{
	while (worker->uploads != NULL) {
		worker->uploads->call = NULL;
		drop(worker->uploads);
	}
}

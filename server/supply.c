/*
 * FetchSnapshot: the snapshot is made at the keeper's desk or found there, and then sent from where it is mapped, a piece
 * after the other as the client takes them.
 */
#include "server/convert.h"
#include "server/admit.h"
#include "server/server.h"
#include "server/snapshots.h"
#include "server/wire.h"

#include "pratique/v1/replication.pb-c.h"
#include "server/log.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define DETAILS_KEY "grpc-status-details-bin"
/* Bytes of one message: small beside the 4 MiB that clients take. */
#define PIECE_BYTES ((uint64_t)256 << 10)

struct pq_supply {
	struct pq_tag on_request, on_close, on_sent, on_end;
	struct pq_job job;
	struct pq_worker *worker;
	struct pq_supply *next, *previous;
	grpc_call *call; /* NULL = only posted */
	gpr_timespec deadline, began;
	grpc_metadata_array metadata;
	int cancelled;
	unsigned pending; /* batches in flight, and the job that is away */
	grpc_byte_buffer *in, *out;
	bool greeted, ended, counted;
	grpc_slice message;
	grpc_metadata trailer;

	uint8_t digest[PQ_DIGEST_BYTES], base[PQ_DIGEST_BYTES];
	bool has_base;
	char asked[40];      /* the snapshot that is gone on with */
	uint64_t at;         /* the next byte to send */
	struct pq_snapshot *snapshot;
	enum pq_status status; /* of the job */
	struct pq_err err;
};

#define SUPPLY_OF(at, member) ((struct pq_supply *)((char *)(at)-offsetof(struct pq_supply, member)))

static void on_request(struct pq_tag *tag, bool ok);
static void on_close(struct pq_tag *tag, bool ok);
static void on_sent(struct pq_tag *tag, bool ok);
static void on_end(struct pq_tag *tag, bool ok);

static void
drop(struct pq_supply *supply)
{
	struct pq_worker *worker = supply->worker;

	if (supply->previous != NULL)
		supply->previous->next = supply->next;
	else
		worker->supplies = supply->next;
	if (supply->next != NULL)
		supply->next->previous = supply->previous;
	worker->n_streams--;
	if (supply->in != NULL)
		grpc_byte_buffer_destroy(supply->in);
	if (supply->out != NULL)
		grpc_byte_buffer_destroy(supply->out);
	pq_snapshot_release(supply->snapshot);
	grpc_metadata_array_destroy(&supply->metadata);
	grpc_slice_unref(supply->message);
	grpc_slice_unref(supply->trailer.value);
	if (supply->call != NULL)
		grpc_call_unref(supply->call);
	free(supply);
}

static void
came_back(struct pq_supply *supply)
{
	if (--supply->pending == 0)
		drop(supply);
}

static bool
start(struct pq_supply *supply, const grpc_op *ops, size_t n, struct pq_tag *tag)
{
	if (supply->worker->down)
		return false;
	grpc_call_error error = grpc_call_start_batch(supply->call, ops, n, tag, NULL);
	if (error != GRPC_CALL_OK) {
		PQ_LOG(PQ_LOG_ERROR, "batch_failed", PQ_LOG_NUMBER("error", error));
		return false;
	}
	supply->pending++;
	return true;
}

static size_t
greet(struct pq_supply *supply, grpc_op *ops)
{
	size_t n = !supply->greeted;

	if (n > 0)
		ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
	supply->greeted = true;
	return n;
}

/* End with what `reply` says; its slices go over to the call. */
static void
end(struct pq_supply *supply, struct pq_reply *reply)
{
	grpc_op ops[2] = {0};
	size_t n = greet(supply, ops);

	supply->counted = true;
	pq_worker_count(supply->worker, PQ_RPC_FETCH_SNAPSHOT, reply, 0, supply->began);
	supply->trailer = (grpc_metadata){.key = grpc_slice_from_static_string(DETAILS_KEY), .value = reply->details};
	supply->message = grpc_slice_from_copied_string(reply->message);
	grpc_slice_unref(reply->payload);
	ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	ops[n].data.send_status_from_server.status = reply->code;
	ops[n].data.send_status_from_server.status_details = &supply->message;
	ops[n].data.send_status_from_server.trailing_metadata = &supply->trailer;
	ops[n++].data.send_status_from_server.trailing_metadata_count = !GRPC_SLICE_IS_EMPTY(reply->details);
	supply->ended = true;
	start(supply, ops, n, &supply->on_end);
}

static void
end_with(struct pq_supply *supply, grpc_status_code code, const char *reason, const char *why)
{
	struct pq_reply reply;

	pq_reply_refuse(&reply, &supply->worker->arena, code, reason, NULL, 0, "%s", why);
	pq_arena_reset(&supply->worker->arena);
	end(supply, &reply);
}

/* ---- pieces ----------------------------------------------------------------------------------------------------- */

static void
release_mapped(void *snapshot)
{
	pq_snapshot_release(snapshot);
}

/* The message but for its data, which follow in a slice of their own and are not copied. */
static grpc_slice
head_of(const struct pq_supply *supply, uint64_t len)
{
	Pratique__V1__FetchSnapshotResponse message = PRATIQUE__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
	uint8_t head[128];

	message.offset = supply->at;
	message.total_bytes = supply->snapshot->len;
	message.snapshot = supply->snapshot->name;
	size_t n = pratique__v1__fetch_snapshot_response__pack(&message, head);
	head[n++] = 4 << 3 | PQ_WIRE_BYTES;
	for (; len >= 0x80; len >>= 7)
		head[n++] = (uint8_t)(len | 0x80);
	head[n++] = (uint8_t)len;
	return grpc_slice_from_copied_buffer((const char *)head, n);
}

static void
send_piece(struct pq_supply *supply)
{
	struct pq_snapshot *snapshot = supply->snapshot;
	struct pq_reply good = {.code = GRPC_STATUS_OK};
	uint64_t len = snapshot->len - supply->at < PIECE_BYTES ? snapshot->len - supply->at : PIECE_BYTES;
	grpc_op ops[2] = {0};

	if (len == 0) {
		good.details = good.payload = grpc_empty_slice();
		end(supply, &good);
		return;
	}
	grpc_slice slices[2] = {head_of(supply, len),
	                        grpc_slice_new_with_user_data((void *)(snapshot->data + supply->at), len, release_mapped,
	                                                      pq_snapshot_hold(snapshot))};
	supply->out = grpc_raw_byte_buffer_create(slices, 2);
	grpc_slice_unref(slices[0]);
	grpc_slice_unref(slices[1]);
	supply->at += len;
	size_t n = greet(supply, ops);
	ops[n].op = GRPC_OP_SEND_MESSAGE;
	ops[n++].data.send_message.send_message = supply->out;
	start(supply, ops, n, &supply->on_sent);
}

/* ---- at the desk ------------------------------------------------------------------------------------------------ */

static void
work(struct pq_job *job)
{
	struct pq_supply *supply = SUPPLY_OF(job, job);

	supply->status = pq_snapshots_get(job->worker->server->keeper->snapshots, supply->digest,
	                                  supply->has_base ? supply->base : NULL, &supply->snapshot, &supply->err);
}

static void
done(struct pq_job *job)
{
	struct pq_supply *supply = SUPPLY_OF(job, job);
	struct pq_reply reply;

	if (supply->ended) {
		;
	} else if (job->refused) {
		end_with(supply, GRPC_STATUS_UNAVAILABLE, PQ_REASON_SERVER_ENDING, "the server ends");
	} else if (supply->status != PQ_OK) {
		pq_reply_refuse(&reply, &supply->worker->arena, pq_code_of(supply->status), PQ_REASON_REFUSED, NULL, 0, "%s",
		                supply->err.msg);
		pq_arena_reset(&supply->worker->arena);
		end(supply, &reply);
	} else if (supply->at > 0 && (strcmp(supply->asked, supply->snapshot->name) != 0 ||
	                              supply->at > supply->snapshot->len)) {
		end_with(supply, GRPC_STATUS_NOT_FOUND, PQ_REASON_REFUSED, "there is no such transfer: begin anew");
	} else {
		send_piece(supply);
	}
	came_back(supply);
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

/* What is asked for. False: the message is wrong. */
static bool
read_request(struct pq_supply *supply, const struct pq_bytes *bytes)
{
	struct pq_arena *arena = &supply->worker->arena;
	struct pq_violations violations = {.arena = arena};
	ProtobufCAllocator allocator = pq_arena_allocator(arena);

	pq_wire_check(&pratique__v1__fetch_snapshot_request__descriptor, bytes->data, bytes->len, NULL, 0, &violations);
	Pratique__V1__FetchSnapshotRequest *request =
		pq_violations_any(&violations)
			? NULL
			: pratique__v1__fetch_snapshot_request__unpack(&allocator, bytes->len, bytes->data);
	bool good = request != NULL && pq_digest_parse(request->digest, supply->digest) &&
	            strlen(request->snapshot) < sizeof(supply->asked);
	if (good && request->have[0] != '\0')
		good = supply->has_base = pq_digest_parse(request->have, supply->base);
	if (good) {
		supply->at = request->offset;
		memcpy(supply->asked, request->snapshot, strlen(request->snapshot) + 1);
	}
	pq_arena_reset(arena);
	return good;
}

void
pq_supply_post(struct pq_worker *worker)
{
	struct pq_server *server = worker->server;

	if (atomic_load_explicit(&server->ending, memory_order_acquire))
		return;
	struct pq_supply *supply = calloc(1, sizeof(*supply));
	if (supply == NULL) {
		PQ_LOG(PQ_LOG_ERROR, "no_memory", PQ_LOG_TEXT("method", pq_rpcs[PQ_RPC_FETCH_SNAPSHOT].metric));
		return;
	}
	supply->on_request.on = on_request;
	supply->on_close.on = on_close;
	supply->on_sent.on = on_sent;
	supply->on_end.on = on_end;
	supply->job = (struct pq_job){.worker = worker, .work = work, .done = done};
	supply->worker = worker;
	supply->message = supply->trailer.value = grpc_empty_slice();
	grpc_metadata_array_init(&supply->metadata);
	supply->next = worker->supplies;
	if (supply->next != NULL)
		supply->next->previous = supply;
	worker->supplies = supply;
	worker->n_streams++;
	grpc_call_error error = grpc_server_request_registered_call(
		worker->grpc, worker->methods[PQ_RPC_FETCH_SNAPSHOT], &supply->call, &supply->deadline, &supply->metadata,
		&supply->in, worker->queue, worker->queue, &supply->on_request);
	if (error != GRPC_CALL_OK) {
		PQ_LOG(PQ_LOG_ERROR, "post_failed", PQ_LOG_NUMBER("error", error));
		drop(supply);
	}
}

static void
begin(struct pq_supply *supply)
{
	struct pq_worker *worker = supply->worker;
	struct pq_bytes bytes;
	struct pq_reply reply;
	grpc_slice copy;

	if (worker->server->keeper == NULL) {
		end_with(supply, GRPC_STATUS_FAILED_PRECONDITION, PQ_REASON_NO_CATALOG,
		         "this server serves a store (--store) and has no catalog of revisions (--data)");
		return;
	}
	if (worker->n_streams > PQ_SERVER_OPEN_STREAMS) {
		end_with(supply, GRPC_STATUS_RESOURCE_EXHAUSTED, PQ_REASON_LIMIT_EXCEEDED, "too many streams are open");
		return;
	}
	if (!pq_admits(worker, PQ_RPC_FETCH_SNAPSHOT, supply->call, &supply->metadata, &reply)) {
		end(supply, &reply);
		return;
	}
	if (!pq_worker_read(worker, PQ_RPC_FETCH_SNAPSHOT, supply->in, &bytes, &copy, &reply)) {
		pq_arena_reset(&worker->arena);
		end(supply, &reply);
	} else if (!read_request(supply, &bytes)) {
		end_with(supply, GRPC_STATUS_INVALID_ARGUMENT, PQ_REASON_INVALID_REQUEST,
		         "cannot be read: it is no FetchSnapshotRequest");
	} else {
		supply->pending++;
		pq_backdesk_submit(&worker->server->keeper->supplies, &supply->job);
	}
	grpc_slice_unref(copy);
}

static void
on_request(struct pq_tag *tag, bool ok)
{
	struct pq_supply *supply = SUPPLY_OF(tag, on_request);
	grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

	if (!ok) {
		struct pq_worker *worker = supply->worker;
		supply->call = NULL;
		drop(supply);
		pq_worker_see_end(worker);
		return;
	}
	pq_supply_post(supply->worker);
	pq_worker_began(supply->worker, PQ_RPC_FETCH_SNAPSHOT);
	supply->began = gpr_now(GPR_CLOCK_MONOTONIC);
	close.data.recv_close_on_server.cancelled = &supply->cancelled;
	supply->pending++; /* of this function: nothing below frees the call */
	start(supply, &close, 1, &supply->on_close);
	begin(supply);
	came_back(supply);
}

static void
on_sent(struct pq_tag *tag, bool ok)
{
	struct pq_supply *supply = SUPPLY_OF(tag, on_sent);

	grpc_byte_buffer_destroy(supply->out);
	supply->out = NULL;
	if (ok && !supply->ended && supply->worker->ending)
		end_with(supply, GRPC_STATUS_UNAVAILABLE, PQ_REASON_SERVER_ENDING, "the server ends");
	else if (ok && !supply->ended)
		send_piece(supply);
	came_back(supply);
}

static void
on_close(struct pq_tag *tag, bool ok)
{
	struct pq_supply *supply = SUPPLY_OF(tag, on_close);

	(void)ok;
	if (!supply->counted)
		pq_worker_ended(supply->worker, PQ_RPC_FETCH_SNAPSHOT, GRPC_STATUS_CANCELLED, supply->began);
	supply->counted = supply->ended = true;
	came_back(supply);
}

static void
on_end(struct pq_tag *tag, bool ok)
{
	(void)ok;
	came_back(SUPPLY_OF(tag, on_end));
}

void
pq_supply_release_all(struct pq_worker *worker)
{
	while (worker->supplies != NULL) {
		worker->supplies->call = NULL;
		drop(worker->supplies);
	}
}

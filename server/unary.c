/*
 * Unary calls: posted, taken, answered and posted again. One batch carries initial metadata, message, status and the
 * close, for each batch costs as much as the whole rest of a call.
 */
#include "server/admit.h"
#include "server/log.h"
#include "server/server.h"

#include <grpc/grpc.h>
#include <stddef.h>
#include <stdlib.h>

#define DETAILS_KEY "grpc-status-details-bin"
/* Calls of methods that do not exist which a worker has posted. Without them such calls would hang. */
#define CATCH_ALL_POSTED 4

struct pq_unary {
	struct pq_tag tag;
	struct pq_worker *worker;
	enum pq_rpc_index index; /* PQ_RPC_COUNT: of no method */
	grpc_call *call;
	gpr_timespec deadline;
	grpc_metadata_array metadata; /* its elements belong to the call */
	grpc_call_details asked;      /* only without a method */
	grpc_byte_buffer *in, *out;
	grpc_metadata trailer; /* until the batch is done */
	grpc_slice message;
	int cancelled;

	struct pq_job job; /* of PQ_RPC_DESK, on these: */
	struct pq_bytes bytes;
	grpc_slice copy;
	gpr_timespec began;
	struct pq_reply reply;
};

#define UNARY_OF(job_at) ((struct pq_unary *)((char *)(job_at)-offsetof(struct pq_unary, job)))

static void on_request(struct pq_tag *tag, bool ok);
static void on_sent(struct pq_tag *tag, bool ok);

static void
post(struct pq_unary *unary)
{
	struct pq_worker *worker = unary->worker;
	struct pq_server *server = worker->server;
	grpc_call_error error;

	if (atomic_load_explicit(&server->ending, memory_order_acquire))
		return;
	unary->tag.on = on_request;
	unary->call = NULL;
	unary->in = NULL;
	unary->metadata.count = 0;
	if (unary->index == PQ_RPC_COUNT) {
		grpc_call_details_init(&unary->asked);
		error = grpc_server_request_call(worker->grpc, &unary->call, &unary->asked, &unary->metadata, worker->queue,
		                                 worker->queue, unary);
	} else {
		error = grpc_server_request_registered_call(worker->grpc, worker->methods[unary->index], &unary->call,
		                                            &unary->deadline, &unary->metadata, &unary->in, worker->queue,
		                                            worker->queue, unary);
	}
	if (error != GRPC_CALL_OK)
		PQ_LOG(PQ_LOG_ERROR, "post_failed", PQ_LOG_NUMBER("error", error));
}

/* Send what the reply says; `reply` and its slices go over to the call. */
static void
send(struct pq_unary *unary, struct pq_reply *reply)
{
	grpc_op ops[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}};
	size_t n = 1;

	unary->out = NULL;
	unary->message = grpc_empty_slice();
	unary->trailer = (grpc_metadata){.key = grpc_slice_from_static_string(DETAILS_KEY), .value = reply->details};
	if (reply->code == GRPC_STATUS_OK) {
		unary->out = grpc_raw_byte_buffer_create(&reply->payload, 1);
		ops[n].op = GRPC_OP_SEND_MESSAGE;
		ops[n++].data.send_message.send_message = unary->out;
	} else {
		unary->message = grpc_slice_from_copied_string(reply->message);
	}
	grpc_slice_unref(reply->payload);
	ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	ops[n].data.send_status_from_server.status = reply->code;
	ops[n].data.send_status_from_server.status_details = reply->code != GRPC_STATUS_OK ? &unary->message : NULL;
	ops[n].data.send_status_from_server.trailing_metadata = &unary->trailer;
	ops[n++].data.send_status_from_server.trailing_metadata_count = !GRPC_SLICE_IS_EMPTY(reply->details);
	ops[n].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
	ops[n++].data.recv_close_on_server.cancelled = &unary->cancelled;

	unary->tag.on = on_sent;
	/* On a queue that is down nobody waits for the answer any more. */
	grpc_call_error error = GRPC_CALL_OK;
	if (!unary->worker->down)
		error = grpc_call_start_batch(unary->call, ops, n, unary, NULL);
	if (error != GRPC_CALL_OK)
		PQ_LOG(PQ_LOG_ERROR, "batch_failed", PQ_LOG_NUMBER("error", error));
	if (unary->worker->down || error != GRPC_CALL_OK)
		on_sent(&unary->tag, false);
}

static void
refuse_unknown(struct pq_unary *unary)
{
	struct pq_reply reply = {.code = GRPC_STATUS_UNIMPLEMENTED, .message = "there is no such method"};

	reply.details = grpc_empty_slice();
	reply.payload = grpc_empty_slice();
	pq_count_up(&unary->worker->unimplemented, 1);
	send(unary, &reply);
}

/* ---- at the desk ------------------------------------------------------------------------------------------------ */

static void
work(struct pq_job *job)
{
	struct pq_unary *unary = UNARY_OF(job);
	struct pq_keeper *keeper = unary->worker->server->keeper;

	pq_rpcs[unary->index].work(keeper, &unary->bytes, &unary->reply);
	pq_arena_reset(&keeper->arena);
}

static void
done(struct pq_job *job)
{
	struct pq_unary *unary = UNARY_OF(job);
	struct pq_worker *worker = unary->worker;

	if (job->refused)
		pq_reply_refuse(&unary->reply, &worker->arena, GRPC_STATUS_UNAVAILABLE, PQ_REASON_SERVER_ENDING, NULL, 0,
		                "the server ends");
	worker->asked = &unary->metadata;
	pq_worker_count(worker, unary->index, &unary->reply, unary->bytes.len, unary->began);
	pq_arena_reset(&worker->arena);
	grpc_slice_unref(unary->copy);
	if (unary->in != NULL)
		grpc_byte_buffer_destroy(unary->in);
	unary->in = NULL;
	send(unary, &unary->reply);
}

static void
give_to_desk(struct pq_unary *unary)
{
	struct pq_worker *worker = unary->worker;
	struct pq_keeper *keeper = worker->server->keeper;

	unary->job = (struct pq_job){.worker = worker, .work = work, .done = done};
	unary->began = gpr_now(GPR_CLOCK_MONOTONIC);
	bool good = pq_worker_read(worker, unary->index, unary->in, &unary->bytes, &unary->copy, &unary->reply);
	if (good && keeper == NULL) {
		pq_reply_refuse(&unary->reply, &worker->arena, GRPC_STATUS_FAILED_PRECONDITION, PQ_REASON_NO_CATALOG, NULL, 0,
		                "this server serves a store (--store) and has no catalog of revisions (--data)");
		good = false;
	}
	if (good)
		pq_backdesk_submit(&keeper->changes, &unary->job);
	else
		done(&unary->job);
}

static void
on_request(struct pq_tag *tag, bool ok)
{
	struct pq_unary *unary = (struct pq_unary *)tag;
	struct pq_reply reply;
	struct pq_later later;

	if (!ok) {
		/* The server ends; what was posted comes back. */
		if (unary->index == PQ_RPC_COUNT)
			grpc_call_details_destroy(&unary->asked);
		pq_worker_see_end(unary->worker);
		return;
	}
	if (unary->index == PQ_RPC_COUNT) {
		refuse_unknown(unary);
		return;
	}
	pq_worker_began(unary->worker, unary->index);
	unary->worker->asked = &unary->metadata;
	bool admitted = pq_admits(unary->worker, unary->index, unary->call, &unary->metadata, &reply);
	if (admitted && pq_rpcs[unary->index].shape == PQ_RPC_DESK) {
		unary->worker->asked = NULL;
		give_to_desk(unary);
		return;
	}
	if (!admitted) {
		pq_worker_count_refused(unary->worker, unary->index, &reply);
	} else if (!pq_worker_handle(unary->worker, unary->index, unary->in, unary->deadline, NULL, &reply, &later)) {
		pq_frames_adopt(unary->worker, unary->index, unary->call, unary->in, &unary->metadata, &later);
		post(unary);
		return;
	}
	if (unary->in != NULL)
		grpc_byte_buffer_destroy(unary->in);
	unary->in = NULL;
	send(unary, &reply);
}

static void
on_sent(struct pq_tag *tag, bool ok)
{
	struct pq_unary *unary = (struct pq_unary *)tag;

	(void)ok; /* the client went away: nobody is left to tell */
	if (unary->out != NULL)
		grpc_byte_buffer_destroy(unary->out);
	grpc_slice_unref(unary->trailer.value);
	grpc_slice_unref(unary->message);
	grpc_call_unref(unary->call);
	if (unary->index == PQ_RPC_COUNT)
		grpc_call_details_destroy(&unary->asked);
	post(unary);
}

bool
pq_unary_init_all(struct pq_worker *worker)
{
	size_t n = CATCH_ALL_POSTED;

	for (size_t i = 0; i < PQ_RPC_COUNT; i++)
		n += pq_worker_answers(worker, (enum pq_rpc_index)i) ? pq_rpcs[i].posted : 0;
	worker->unaries = calloc(n, sizeof(*worker->unaries));
	if (worker->unaries == NULL)
		return false;
	for (size_t i = 0; i <= PQ_RPC_COUNT; i++) {
		unsigned posted = i < PQ_RPC_COUNT ? pq_rpcs[i].posted : CATCH_ALL_POSTED;
		if (i < PQ_RPC_COUNT && !pq_worker_answers(worker, (enum pq_rpc_index)i))
			continue;
		for (unsigned j = 0; j < posted; j++) {
			struct pq_unary *unary = &worker->unaries[worker->n_unaries++];
			unary->worker = worker;
			unary->index = (enum pq_rpc_index)i;
			grpc_metadata_array_init(&unary->metadata);
		}
	}
	return true;
}

void
pq_unary_post_all(struct pq_worker *worker)
{
	for (size_t i = 0; i < worker->n_unaries; i++)
		post(&worker->unaries[i]);
}

void
pq_unary_release_all(struct pq_worker *worker)
{
	for (size_t i = 0; i < worker->n_unaries; i++)
		grpc_metadata_array_destroy(&worker->unaries[i].metadata);
	free(worker->unaries);
}

/*
 * Calls of batches and frames. A call reads frames ahead, up to PQ_SERVER_FRAMES whose answers the client has not taken;
 * works them off one after the other, a slice at a time, as the worker lets it; and has at most one answer on its way and
 * one ready. A batch is such a call with one frame, which comes with it; a unary call whose request is large comes with
 * what was done of it.
 *
 * It is freed when the last of its batches has come back and it is not in the worker's list of jobs.
 */
#include "server/admit.h"
#include "server/batch.h"
#include "server/large.h"
#include "server/log.h"
#include "server/server.h"

#include <stddef.h>
#include <stdlib.h>

#define DETAILS_KEY "grpc-status-details-bin"

struct pq_frames {
	struct pq_tag on_request, on_close, on_read, on_write, on_end;
	struct pq_worker *worker;
	enum pq_rpc_index index;
	struct pq_frames *next, *previous;
	struct pq_frames *next_job;
	grpc_call *call;
	gpr_timespec deadline, started;
	grpc_status_code code; /* that it ended with; CANCELLED until then */
	grpc_metadata_array metadata;
	int cancelled;
	unsigned pending; /* batches in flight, and the place among the jobs */

	grpc_byte_buffer *reading;                  /* what a read brings */
	grpc_byte_buffer *frames[PQ_SERVER_FRAMES]; /* read and not begun, from `first` on, in a ring */
	unsigned first, n_frames;
	bool read_pending, no_more; /* a read is in flight; none will be any more */

	bool working; /* the batch, or the large request, is under work, on these: */
	struct pq_batch batch;
	struct pq_large *large; /* of a unary call; NULL = to begin */
	struct pq_stand stand;  /* that it stands on, held; of no term while it is to begin */
	grpc_byte_buffer *in;
	grpc_slice copy;
	struct pq_bytes bytes;
	gpr_timespec began;
	uint64_t behind; /* sequence of the revision that it waits for, and until when */
	gpr_timespec behind_until;

	bool has_ready; /* the answer to the frame before waits for the one on its way */
	grpc_slice ready;
	grpc_byte_buffer *out; /* on its way; NULL = none */
	size_t out_bytes;

	bool begun;   /* on_request has come; before, gRPC may set `call` at any time */
	bool greeted; /* initial metadata are on their way */
	bool counted; /* its end is, as that of a message */
	bool ended;   /* the status is on its way, or nobody waits for it */
	grpc_slice message;
	grpc_metadata trailer;
};

#define FRAMES_OF(tag, member) ((struct pq_frames *)((char *)(tag)-offsetof(struct pq_frames, member)))

static void on_request(struct pq_tag *tag, bool ok);
static void on_close(struct pq_tag *tag, bool ok);
static void on_read(struct pq_tag *tag, bool ok);
static void on_write(struct pq_tag *tag, bool ok);
static void on_end(struct pq_tag *tag, bool ok);
static void go_on(struct pq_frames *call);

/* ---- what a call holds ------------------------------------------------------------------------------------------ */

static void
give_back(struct pq_frames *call, grpc_byte_buffer *buffer)
{
	if (buffer == NULL)
		return;
	call->worker->frame_bytes -= grpc_byte_buffer_length(buffer);
	grpc_byte_buffer_destroy(buffer);
}

static void
leave_large(struct pq_frames *call)
{
	pq_large_drop(call->large);
	call->large = NULL;
	pq_term_release(call->stand.term);
	call->stand.term = NULL;
}

static void
leave_work(struct pq_frames *call)
{
	leave_large(call);
	pq_batch_drop(&call->batch);
	give_back(call, call->in);
	grpc_slice_unref(call->copy);
	call->in = NULL;
	call->copy = grpc_empty_slice();
	call->working = false;
}

/* What nobody will ask for any more. What is in flight stays until it has come back. */
static void
let_go(struct pq_frames *call)
{
	leave_work(call);
	for (; call->n_frames > 0; call->n_frames--) {
		give_back(call, call->frames[call->first]);
		call->first = (call->first + 1) % PQ_SERVER_FRAMES;
	}
	if (call->has_ready) {
		call->worker->frame_bytes -= GRPC_SLICE_LENGTH(call->ready);
		grpc_slice_unref(call->ready);
	}
	call->has_ready = false;
}

static void
drop(struct pq_frames *call)
{
	struct pq_worker *worker = call->worker;

	if (call->previous != NULL)
		call->previous->next = call->next;
	else
		worker->frames = call->next;
	if (call->next != NULL)
		call->next->previous = call->previous;
	worker->n_streams--;
	let_go(call);
	pq_batch_release(&call->batch);
	if (call->reading != NULL)
		grpc_byte_buffer_destroy(call->reading);
	worker->frame_bytes -= call->out_bytes;
	if (call->out != NULL)
		grpc_byte_buffer_destroy(call->out);
	grpc_metadata_array_destroy(&call->metadata);
	grpc_slice_unref(call->message);
	grpc_slice_unref(call->trailer.value);
	if (call->call != NULL) {
		if (!call->counted)
			pq_worker_ended(worker, call->index, call->code, call->started);
		grpc_call_unref(call->call);
	}
	free(call);
}

static void
came_back(struct pq_frames *call)
{
	if (--call->pending == 0)
		drop(call);
}

/* ---- jobs ------------------------------------------------------------------------------------------------------- */

void
pq_jobs_init(struct pq_jobs *jobs)
{
	*jobs = (struct pq_jobs){.end = &jobs->first};
}

static void
add_job(struct pq_jobs *jobs, struct pq_frames *call)
{
	call->next_job = NULL;
	*jobs->end = call;
	jobs->end = &call->next_job;
	jobs->n++;
}

static struct pq_frames *
next_job(struct pq_jobs *jobs)
{
	struct pq_frames *call = jobs->first;

	jobs->first = call->next_job;
	if (jobs->first == NULL)
		jobs->end = &jobs->first;
	jobs->n--;
	return call;
}

/* Its place among the jobs keeps a call from being freed. */
static void
queue_job(struct pq_frames *call)
{
	struct pq_worker *worker = call->worker;

	call->pending++;
	add_job(worker->jobs.n < PQ_SERVER_JOBS ? &worker->jobs : &worker->waiting, call);
}

/* Its place among those that wait keeps a call from being freed, too. */
static void
wait_for(struct pq_frames *call, uint64_t sequence)
{
	call->behind = sequence;
	call->behind_until = pq_stand_wait_until(gpr_convert_clock_type(call->deadline, GPR_CLOCK_MONOTONIC));
	call->worker->n_waiting++;
	add_job(&call->worker->behind, call);
}

/* ---- batches of the core ---------------------------------------------------------------------------------------- */

static bool
start(struct pq_frames *call, const grpc_op *ops, size_t n, struct pq_tag *tag)
{
	if (call->worker->down)
		return false;
	grpc_call_error error = grpc_call_start_batch(call->call, ops, n, tag, NULL);
	if (error != GRPC_CALL_OK) {
		PQ_LOG(PQ_LOG_ERROR, "batch_failed", PQ_LOG_NUMBER("error", error));
		return false;
	}
	call->pending++;
	return true;
}

static size_t
greet(struct pq_frames *call, grpc_op *ops, size_t n)
{
	if (!call->greeted)
		ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
	call->greeted = true;
	return n;
}

/* The status. `reply` may be NULL: all is well. Its slices go over to the call. */
static size_t
add_status(struct pq_frames *call, grpc_op *ops, size_t n, struct pq_reply *reply)
{
	call->trailer = (grpc_metadata){.key = grpc_slice_from_static_string(DETAILS_KEY), .value = grpc_empty_slice()};
	if (reply != NULL) {
		call->message = grpc_slice_from_copied_string(reply->message);
		call->trailer.value = reply->details;
		grpc_slice_unref(reply->payload);
	}
	call->code = reply != NULL ? reply->code : GRPC_STATUS_OK;
	ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	ops[n].data.send_status_from_server.status = call->code;
	ops[n].data.send_status_from_server.status_details = reply != NULL ? &call->message : NULL;
	ops[n].data.send_status_from_server.trailing_metadata = &call->trailer;
	ops[n].data.send_status_from_server.trailing_metadata_count = !GRPC_SLICE_IS_EMPTY(call->trailer.value);
	return n + 1;
}

static void
end(struct pq_frames *call, struct pq_reply *reply)
{
	grpc_op ops[2] = {0};

	call->ended = true;
	size_t n = add_status(call, ops, greet(call, ops, 0), reply);
	start(call, ops, n, &call->on_end);
	let_go(call);
}

static void
end_with(struct pq_frames *call, grpc_status_code code, const char *reason, const char *why)
{
	struct pq_reply reply;

	pq_reply_refuse(&reply, &call->worker->arena, code, reason, NULL, 0, "%s", why);
	end(call, &reply);
	pq_arena_reset(&call->worker->arena);
}

/* Send what is ready. The answer to a batch or a unary call takes the status with it: one batch of the core less. */
static void
write_ready(struct pq_frames *call)
{
	grpc_op ops[3] = {0};
	size_t n = greet(call, ops, 0);

	call->out_bytes = GRPC_SLICE_LENGTH(call->ready);
	call->out = grpc_raw_byte_buffer_create(&call->ready, 1);
	grpc_slice_unref(call->ready);
	call->has_ready = false;
	ops[n].op = GRPC_OP_SEND_MESSAGE;
	ops[n++].data.send_message.send_message = call->out;
	if (pq_rpcs[call->index].shape != PQ_RPC_FRAMES) {
		call->ended = true;
		n = add_status(call, ops, n, NULL);
	}
	start(call, ops, n, &call->on_write);
}

static void
read_next(struct pq_frames *call)
{
	grpc_op ops[2] = {0};
	size_t n = greet(call, ops, 0);

	ops[n].op = GRPC_OP_RECV_MESSAGE;
	ops[n++].data.recv_message.recv_message = &call->reading;
	call->read_pending = start(call, ops, n, &call->on_read);
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

/* Take what was read. False: it is over the worker's bound, and the call ends. */
static bool
take(struct pq_frames *call, grpc_byte_buffer *frame)
{
	call->frames[(call->first + call->n_frames++) % PQ_SERVER_FRAMES] = frame;
	call->worker->frame_bytes += grpc_byte_buffer_length(frame);
	if (call->worker->frame_bytes <= PQ_SERVER_FRAME_BYTES)
		return true;
	end_with(call, GRPC_STATUS_RESOURCE_EXHAUSTED, PQ_REASON_LIMIT_EXCEEDED, "too much waits to be answered or taken");
	return false;
}

static void
begin_frame(struct pq_frames *call)
{
	struct pq_worker *worker = call->worker;
	struct pq_reply reply;

	call->in = call->frames[call->first];
	call->first = (call->first + 1) % PQ_SERVER_FRAMES;
	call->n_frames--;
	call->began = gpr_now(GPR_CLOCK_MONOTONIC);
	bool good = pq_worker_bytes(call->in, &call->bytes, &call->copy);
	if (!good)
		pq_reply_refuse(&reply, &worker->arena, GRPC_STATUS_UNIMPLEMENTED, PQ_REASON_INVALID_REQUEST, NULL, 0,
		                "compressed messages are not taken");
	if (good && pq_batch_begin(&call->batch, worker, &call->bytes, &reply)) {
		call->working = true;
		queue_job(call);
		return;
	}
	worker->asked = &call->metadata;
	pq_worker_count(worker, call->index, &reply, grpc_byte_buffer_length(call->in), call->began);
	end(call, &reply);
}

static void
end_well(struct pq_frames *call)
{
	if (call->worker->ending)
		end_with(call, GRPC_STATUS_UNAVAILABLE, PQ_REASON_SERVER_ENDING, "the server ends");
	else
		end(call, NULL);
}

/* Do what can be done now: send, begin, read, end. */
static void
go_on(struct pq_frames *call)
{
	if (!call->ended && call->has_ready && call->out == NULL)
		write_ready(call);
	if (!call->ended && !call->working && !call->has_ready && call->n_frames > 0)
		begin_frame(call);
	if (call->ended)
		return;
	unsigned in_flight = call->n_frames + call->working + call->has_ready + (call->out != NULL);
	if (call->no_more && in_flight == 0)
		end_well(call);
	else if (!call->no_more && !call->read_pending && in_flight < PQ_SERVER_FRAMES)
		read_next(call);
}

static enum pq_progress
step_large(struct pq_frames *call, uint64_t *ret_sequence, struct pq_reply *ret)
{
	struct pq_worker *worker = call->worker;
	struct pq_decision decision;
	enum pq_progress progress;
	int64_t end = pq_slice_end();

	if (call->large != NULL) {
		progress = pq_large_step(&call->large, end, &decision, ret);
	} else if (pq_stand_take(worker, &call->stand, ret)) {
		pq_term_hold(call->stand.term);
		progress = pq_decide_bytes(worker, &call->stand, &call->bytes, end, &call->large, ret_sequence, &decision, ret);
	} else {
		progress = PQ_REFUSED;
	}
	if (progress == PQ_UNFINISHED)
		return progress;
	if (progress == PQ_DECIDED)
		pq_decide_reply(worker, &call->stand, &decision, ret);
	leave_large(call);
	pq_worker_reset_arena(worker);
	return progress;
}

static enum pq_progress
step(struct pq_frames *call, uint64_t *ret_sequence, struct pq_reply *ret)
{
	if (pq_rpcs[call->index].shape == PQ_RPC_UNARY)
		return step_large(call, ret_sequence, ret);
	return pq_batch_step(&call->batch, call->worker, ret_sequence, ret);
}

static void
end_work(struct pq_frames *call, struct pq_reply *reply)
{
	struct pq_worker *worker = call->worker;

	worker->asked = &call->metadata;
	pq_worker_count(worker, call->index, reply, call->bytes.len, call->began);
	call->counted = pq_rpcs[call->index].shape == PQ_RPC_UNARY;
	leave_work(call);
	if (reply->code != GRPC_STATUS_OK) {
		end(call, reply);
		return;
	}
	call->has_ready = true;
	call->ready = reply->payload;
	worker->frame_bytes += GRPC_SLICE_LENGTH(reply->payload);
	go_on(call);
}

/* False: the call keeps its place, among the jobs or among those that wait. */
static bool
work(struct pq_frames *call)
{
	struct pq_worker *worker = call->worker;
	struct pq_reply reply;
	uint64_t sequence;

	/* What nobody waits for any more is not worked on. */
	if (call->ended || !call->working)
		return true;
	switch (step(call, &sequence, &reply)) {
	case PQ_UNFINISHED:
		add_job(&worker->jobs, call);
		return false;
	case PQ_BEHIND:
		wait_for(call, sequence);
		return false;
	case PQ_DECIDED:
	case PQ_REFUSED:
		end_work(call, &reply);
	}
	return true;
}

void
pq_frames_work(struct pq_worker *worker)
{
	struct pq_frames *call = next_job(&worker->jobs);

	if (work(call))
		came_back(call);
	if (worker->jobs.n < PQ_SERVER_JOBS && worker->waiting.n > 0)
		add_job(&worker->jobs, next_job(&worker->waiting));
}

/* Its revision has come, or will not any more. */
static void
wait_no_more(struct pq_frames *call, uint64_t sequence)
{
	struct pq_worker *worker = call->worker;
	struct pq_reply reply;

	worker->n_waiting--;
	if (call->ended || !call->working) {
		came_back(call);
		return;
	}
	if (call->behind <= sequence) {
		add_job(worker->jobs.n < PQ_SERVER_JOBS ? &worker->jobs : &worker->waiting, call);
		return;
	}
	if (worker->ending)
		pq_reply_refuse(&reply, &worker->arena, GRPC_STATUS_UNAVAILABLE, PQ_REASON_SERVER_ENDING, NULL, 0,
		                "the server ends");
	else
		pq_stand_refuse(worker, call->behind, sequence, &reply);
	end_work(call, &reply);
	pq_worker_reset_arena(worker);
	came_back(call);
}

void
pq_frames_look(struct pq_worker *worker)
{
	uint64_t sequence = pq_server_sequence(worker->server);
	gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);

	for (size_t n = worker->behind.n; n > 0; n--) {
		struct pq_frames *call = next_job(&worker->behind);
		if (!call->ended && !worker->ending && call->behind > sequence && gpr_time_cmp(now, call->behind_until) < 0)
			add_job(&worker->behind, call);
		else
			wait_no_more(call, sequence);
	}
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static struct pq_frames *
new_call(struct pq_worker *worker, enum pq_rpc_index index)
{
	struct pq_frames *call = calloc(1, sizeof(*call));

	if (call == NULL) {
		PQ_LOG(PQ_LOG_ERROR, "no_memory", PQ_LOG_TEXT("method", pq_rpcs[index].metric));
		return NULL;
	}
	call->on_request.on = on_request;
	call->on_close.on = on_close;
	call->on_read.on = on_read;
	call->on_write.on = on_write;
	call->on_end.on = on_end;
	call->worker = worker;
	call->index = index;
	call->copy = call->message = call->trailer.value = grpc_empty_slice();
	grpc_metadata_array_init(&call->metadata);
	call->next = worker->frames;
	if (call->next != NULL)
		call->next->previous = call;
	worker->frames = call;
	worker->n_streams++;
	return call;
}

void
pq_frames_post(struct pq_worker *worker, enum pq_rpc_index index)
{
	struct pq_server *server = worker->server;

	if (atomic_load_explicit(&server->ending, memory_order_acquire))
		return;
	struct pq_frames *call = new_call(worker, index);
	if (call == NULL)
		return;
	grpc_byte_buffer **payload = pq_rpcs[index].shape == PQ_RPC_BATCH ? &call->reading : NULL;
	grpc_call_error error =
		grpc_server_request_registered_call(worker->grpc, worker->methods[index], &call->call, &call->deadline,
	                                        &call->metadata, payload, worker->queue, worker->queue, &call->on_request);
	if (error != GRPC_CALL_OK) {
		PQ_LOG(PQ_LOG_ERROR, "post_failed", PQ_LOG_NUMBER("error", error));
		drop(call);
	}
}

/* Hear of its end, from now on. */
static void
watch_close(struct pq_frames *call)
{
	grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

	close.data.recv_close_on_server.cancelled = &call->cancelled;
	start(call, &close, 1, &call->on_close);
}

void
pq_frames_adopt(struct pq_worker *worker, enum pq_rpc_index index, grpc_call *grpc, grpc_byte_buffer *in,
                grpc_metadata_array *metadata, const struct pq_later *later)
{
	struct pq_frames *call = new_call(worker, index);
	grpc_metadata_array none;

	if (call == NULL) {
		pq_large_drop(later->large);
		grpc_slice_unref(later->copy);
		grpc_byte_buffer_destroy(in);
		grpc_call_cancel_with_status(grpc, GRPC_STATUS_RESOURCE_EXHAUSTED, "no memory", NULL);
		grpc_call_unref(grpc);
		return;
	}
	call->call = grpc;
	none = call->metadata;
	call->metadata = *metadata;
	*metadata = none;
	call->started = later->began;
	call->code = GRPC_STATUS_CANCELLED;
	call->no_more = true;
	call->working = true;
	call->in = in;
	call->copy = later->copy;
	call->bytes = later->bytes;
	call->began = later->began;
	call->large = later->large;
	call->deadline = later->deadline;
	if (call->large != NULL) {
		call->stand = *pq_large_stand(call->large);
		pq_term_hold(call->stand.term);
	}
	worker->frame_bytes += grpc_byte_buffer_length(in);
	call->pending++; /* of this function: nothing below frees the call */
	watch_close(call);
	if (worker->n_streams > PQ_SERVER_OPEN_STREAMS || worker->frame_bytes > PQ_SERVER_FRAME_BYTES) {
		end_with(call, GRPC_STATUS_RESOURCE_EXHAUSTED, PQ_REASON_LIMIT_EXCEEDED, "too much waits to be answered");
	} else if (later->behind > 0) {
		call->pending++;
		wait_for(call, later->behind);
	} else {
		/* What waits for its turn does so with its bytes alone, and begins anew. */
		if (worker->jobs.n >= PQ_SERVER_JOBS)
			leave_large(call);
		queue_job(call);
	}
	came_back(call);
}

/* Whether the call may go on; it is ended otherwise. */
static bool
admit(struct pq_frames *call)
{
	struct pq_reply reply;

	if (pq_admits(call->worker, call->index, call->call, &call->metadata, &reply))
		return true;
	call->worker->asked = &call->metadata;
	pq_worker_count_refused(call->worker, call->index, &reply);
	end(call, &reply);
	return false;
}

static void
on_request(struct pq_tag *tag, bool ok)
{
	struct pq_frames *call = FRAMES_OF(tag, on_request);
	struct pq_worker *worker = call->worker;

	if (!ok) {
		call->call = NULL;
		drop(call);
		pq_worker_see_end(worker);
		return;
	}
	call->begun = true;
	pq_frames_post(worker, call->index);
	pq_worker_began(worker, call->index);
	call->started = gpr_now(GPR_CLOCK_MONOTONIC);
	call->code = GRPC_STATUS_CANCELLED;
	call->pending++; /* of this function: nothing below frees the call */
	watch_close(call);
	call->no_more = worker->ending || pq_rpcs[call->index].shape == PQ_RPC_BATCH;
	if (worker->n_streams > PQ_SERVER_OPEN_STREAMS) {
		end_with(call, GRPC_STATUS_RESOURCE_EXHAUSTED, PQ_REASON_LIMIT_EXCEEDED, "too many streams are open");
	} else if (!admit(call)) {
		call->no_more = true;
	} else if (pq_rpcs[call->index].shape == PQ_RPC_BATCH) {
		grpc_byte_buffer *frame = call->reading != NULL ? call->reading : grpc_raw_byte_buffer_create(NULL, 0);
		call->reading = NULL;
		if (take(call, frame))
			go_on(call);
	} else {
		go_on(call);
	}
	came_back(call);
}

static void
on_read(struct pq_tag *tag, bool ok)
{
	struct pq_frames *call = FRAMES_OF(tag, on_read);
	grpc_byte_buffer *frame = call->reading;

	call->read_pending = false;
	call->reading = NULL;
	if (!ok || frame == NULL)
		call->no_more = true;
	if (frame != NULL && (call->ended || call->no_more))
		grpc_byte_buffer_destroy(frame);
	else if (frame != NULL && !take(call, frame))
		frame = NULL;
	go_on(call);
	came_back(call);
}

static void
on_write(struct pq_tag *tag, bool ok)
{
	struct pq_frames *call = FRAMES_OF(tag, on_write);

	(void)ok; /* the client went away: on_close says so too */
	grpc_byte_buffer_destroy(call->out);
	call->out = NULL;
	call->worker->frame_bytes -= call->out_bytes;
	call->out_bytes = 0;
	go_on(call);
	came_back(call);
}

/* The call is over: cancelled, past its deadline, or its status is sent. */
static void
on_close(struct pq_tag *tag, bool ok)
{
	struct pq_frames *call = FRAMES_OF(tag, on_close);

	(void)ok;
	call->ended = true;
	let_go(call);
	came_back(call);
}

static void
on_end(struct pq_tag *tag, bool ok)
{
	(void)ok;
	came_back(FRAMES_OF(tag, on_end));
}

void
pq_frames_end_all(struct pq_worker *worker)
{
	struct pq_frames *next;

	for (struct pq_frames *call = worker->frames; call != NULL; call = next) {
		next = call->next;
		if (!call->begun || pq_rpcs[call->index].shape != PQ_RPC_FRAMES || call->ended)
			continue;
		call->no_more = true;
		go_on(call);
	}
}

void
pq_frames_release_all(struct pq_worker *worker)
{
	while (worker->frames != NULL) {
		worker->frames->call = NULL;
		drop(worker->frames);
	}
}

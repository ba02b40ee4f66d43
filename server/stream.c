/*
 * Streams: health watches and reflection. A stream has at most one send or receive in flight (its step) beside the batch
 * that reports its end, so that its state needs no queue. It is freed when the last of its batches has come back.
 */
#include "server/admit.h"
#include "server/log.h"
#include "server/server.h"

#include <stddef.h>
#include <stdlib.h>

#define DETAILS_KEY "grpc-status-details-bin"

enum step { STEP_NONE, STEP_READ, STEP_WRITE };

struct pq_stream {
	struct pq_tag on_request, on_close, on_step, on_end;
	struct pq_worker *worker;
	enum pq_rpc_index index;
	struct pq_stream *next, *previous;
	grpc_call *call; /* gRPC sets it on a thread of its own, before on_request says so: `begun` first */
	gpr_timespec deadline, began;
	grpc_status_code code; /* that it ended with; CANCELLED until then */
	grpc_metadata_array metadata;
	grpc_byte_buffer *in, *out;
	int cancelled;
	unsigned pending; /* batches in flight */
	enum step step;
	bool begun;            /* on_request has come; until then it is only posted */
	bool greeted;          /* initial metadata are on their way */
	bool ended;            /* the status is on its way */
	bool changed;          /* a change is still to be told */
	int state;             /* of the handler */
	grpc_metadata trailer; /* with the status */
	grpc_slice last;       /* what a watch was told last: it is not told the same again */
};

#define STREAM_OF(tag, member) ((struct pq_stream *)((char *)(tag)-offsetof(struct pq_stream, member)))

static void on_request(struct pq_tag *tag, bool ok);
static void on_close(struct pq_tag *tag, bool ok);
static void on_step(struct pq_tag *tag, bool ok);
static void on_end(struct pq_tag *tag, bool ok);

static void
drop(struct pq_stream *stream)
{
	struct pq_worker *worker = stream->worker;

	if (stream->previous != NULL)
		stream->previous->next = stream->next;
	else
		worker->streams = stream->next;
	if (stream->next != NULL)
		stream->next->previous = stream->previous;
	worker->n_streams--;
	worker->n_waiting -= stream->call != NULL && pq_rpcs[stream->index].prompt;
	if (stream->in != NULL)
		grpc_byte_buffer_destroy(stream->in);
	if (stream->out != NULL)
		grpc_byte_buffer_destroy(stream->out);
	grpc_metadata_array_destroy(&stream->metadata);
	grpc_slice_unref(stream->last);
	grpc_slice_unref(stream->trailer.value);
	if (stream->call != NULL) {
		pq_worker_ended(worker, stream->index, stream->code, stream->began);
		grpc_call_unref(stream->call);
	}
	free(stream);
}

void
pq_stream_post(struct pq_worker *worker, enum pq_rpc_index index)
{
	struct pq_server *server = worker->server;

	if (atomic_load_explicit(&server->ending, memory_order_acquire))
		return;
	struct pq_stream *stream = calloc(1, sizeof(*stream));
	if (stream == NULL) {
		PQ_LOG(PQ_LOG_ERROR, "no_memory", PQ_LOG_TEXT("method", pq_rpcs[index].metric));
		return;
	}
	stream->on_request.on = on_request;
	stream->on_close.on = on_close;
	stream->on_step.on = on_step;
	stream->on_end.on = on_end;
	stream->worker = worker;
	stream->index = index;
	stream->last = stream->trailer.value = grpc_empty_slice();
	grpc_metadata_array_init(&stream->metadata);
	stream->next = worker->streams;
	if (stream->next != NULL)
		stream->next->previous = stream;
	worker->streams = stream;
	worker->n_streams++;

	grpc_byte_buffer **payload = pq_rpcs[index].shape == PQ_RPC_WATCH ? &stream->in : NULL;
	grpc_call_error error = grpc_server_request_registered_call(worker->grpc, worker->methods[index], &stream->call,
	                                                            &stream->deadline, &stream->metadata, payload,
	                                                            worker->queue, worker->queue, &stream->on_request);
	if (error != GRPC_CALL_OK) {
		PQ_LOG(PQ_LOG_ERROR, "post_failed", PQ_LOG_NUMBER("error", error));
		drop(stream);
	}
}

/* Start a batch. One that the core refuses counts as come back: the call is then ended by its close alone. */
static bool
start(struct pq_stream *stream, const grpc_op *ops, size_t n, struct pq_tag *tag)
{
	if (stream->worker->down)
		return false;
	grpc_call_error error = grpc_call_start_batch(stream->call, ops, n, tag, NULL);
	if (error != GRPC_CALL_OK) {
		PQ_LOG(PQ_LOG_ERROR, "batch_failed", PQ_LOG_NUMBER("error", error));
		return false;
	}
	stream->pending++;
	return true;
}

static void
greet(struct pq_stream *stream, grpc_op *ops, size_t *n)
{
	if (!stream->greeted)
		ops[(*n)++].op = GRPC_OP_SEND_INITIAL_METADATA;
	stream->greeted = true;
}

/* The status, in a batch of its own so that a read may still be in flight. `details` may be empty, and stay the caller's. */
static void
end_with(struct pq_stream *stream, grpc_status_code code, const char *message, grpc_slice details)
{
	grpc_op ops[2] = {0};
	size_t n = 0;
	grpc_slice text = grpc_slice_from_copied_string(message);

	if (!stream->ended) {
		stream->ended = true;
		stream->code = code;
		stream->trailer = (grpc_metadata){.key = grpc_slice_from_static_string(DETAILS_KEY)};
		stream->trailer.value = grpc_slice_ref(details);
		greet(stream, ops, &n);
		ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
		ops[n].data.send_status_from_server.status = code;
		ops[n].data.send_status_from_server.trailing_metadata = &stream->trailer;
		ops[n].data.send_status_from_server.trailing_metadata_count = !GRPC_SLICE_IS_EMPTY(details);
		ops[n++].data.send_status_from_server.status_details = &text;
		start(stream, ops, n, &stream->on_end);
	}
	grpc_slice_unref(text);
}

static void
end(struct pq_stream *stream, grpc_status_code code, const char *message)
{
	end_with(stream, code, message, grpc_empty_slice());
}

static void
read_next(struct pq_stream *stream)
{
	grpc_op ops[2] = {0};
	size_t n = 0;

	greet(stream, ops, &n);
	ops[n].op = GRPC_OP_RECV_MESSAGE;
	ops[n++].data.recv_message.recv_message = &stream->in;
	if (start(stream, ops, n, &stream->on_step))
		stream->step = STEP_READ;
}

/* Have what came handled (NULL: a change) and send the answer. */
static void
answer(struct pq_stream *stream)
{
	struct pq_reply reply;
	struct pq_later later;
	grpc_op ops[2] = {0};
	size_t n = 0;

	stream->worker->asked = &stream->metadata;
	/* Its handlers finish what they begin. */
	(void)pq_worker_handle(stream->worker, stream->index, stream->in, stream->deadline, &stream->state, &reply, &later);
	if (stream->in != NULL)
		grpc_byte_buffer_destroy(stream->in);
	stream->in = NULL;
	if (reply.code == GRPC_STATUS_OK && stream->greeted && pq_rpcs[stream->index].shape == PQ_RPC_WATCH &&
	    grpc_slice_eq(reply.payload, stream->last)) {
		if (stream->worker->ending)
			end(stream, GRPC_STATUS_UNAVAILABLE, "the server ends");
	} else if (reply.code == GRPC_STATUS_OK) {
		grpc_slice_unref(stream->last);
		stream->last = grpc_slice_ref(reply.payload);
		stream->out = grpc_raw_byte_buffer_create(&reply.payload, 1);
		greet(stream, ops, &n);
		ops[n].op = GRPC_OP_SEND_MESSAGE;
		ops[n++].data.send_message.send_message = stream->out;
		if (start(stream, ops, n, &stream->on_step))
			stream->step = STEP_WRITE;
	} else {
		end_with(stream, reply.code, reply.message, reply.details);
	}
	grpc_slice_unref(reply.payload);
	grpc_slice_unref(reply.details);
}

static void
change(struct pq_stream *stream)
{
	stream->changed = true;
	if (!stream->begun || stream->ended || stream->step == STEP_WRITE)
		return; /* told when the write has come back */
	stream->changed = false;
	if (pq_rpcs[stream->index].shape == PQ_RPC_WATCH)
		answer(stream);
	else if (stream->worker->ending)
		end(stream, GRPC_STATUS_UNAVAILABLE, "the server ends");
}

/* Whether the call may go on; it is ended otherwise. */
static bool
admit(struct pq_stream *stream)
{
	struct pq_reply reply;

	if (pq_admits(stream->worker, stream->index, stream->call, &stream->metadata, &reply))
		return true;
	stream->worker->asked = &stream->metadata;
	pq_worker_count_refused(stream->worker, stream->index, &reply);
	end_with(stream, reply.code, reply.message, reply.details);
	grpc_slice_unref(reply.payload);
	grpc_slice_unref(reply.details);
	return false;
}

static void
on_request(struct pq_tag *tag, bool ok)
{
	struct pq_stream *stream = STREAM_OF(tag, on_request);
	struct pq_worker *worker = stream->worker;
	grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

	if (!ok) {
		stream->call = NULL;
		drop(stream);
		pq_worker_see_end(worker);
		return;
	}
	stream->begun = true;
	pq_stream_post(worker, stream->index);
	pq_worker_began(worker, stream->index);
	stream->began = gpr_now(GPR_CLOCK_MONOTONIC);
	stream->code = GRPC_STATUS_CANCELLED;
	worker->n_waiting += pq_rpcs[stream->index].prompt;
	close.data.recv_close_on_server.cancelled = &stream->cancelled;
	start(stream, &close, 1, &stream->on_close);
	if (worker->n_streams > PQ_SERVER_OPEN_STREAMS)
		end(stream, GRPC_STATUS_RESOURCE_EXHAUSTED, "too many streams are open");
	else if (!admit(stream))
		return;
	else if (pq_rpcs[stream->index].shape == PQ_RPC_WATCH)
		answer(stream);
	else
		read_next(stream);
	if (worker->ending)
		change(stream);
}

static void
after_write(struct pq_stream *stream)
{
	grpc_byte_buffer_destroy(stream->out);
	stream->out = NULL;
	if (stream->ended || stream->cancelled)
		return;
	if (pq_rpcs[stream->index].shape == PQ_RPC_DIALOG) {
		if (stream->worker->ending)
			end(stream, GRPC_STATUS_UNAVAILABLE, "the server ends");
		else
			read_next(stream);
	} else if (stream->changed) {
		change(stream);
	} else if (stream->worker->ending) {
		/* The last word has been said: NOT_SERVING. */
		end(stream, GRPC_STATUS_UNAVAILABLE, "the server ends");
	}
}

static void
after_read(struct pq_stream *stream, bool ok)
{
	if (stream->ended)
		return;
	if (!ok || stream->in == NULL)
		end(stream, GRPC_STATUS_OK, "");
	else
		answer(stream);
}

static void
came_back(struct pq_stream *stream)
{
	if (--stream->pending == 0)
		drop(stream);
}

static void
on_step(struct pq_tag *tag, bool ok)
{
	struct pq_stream *stream = STREAM_OF(tag, on_step);
	enum step step = stream->step;

	stream->step = STEP_NONE;
	if (step == STEP_WRITE)
		after_write(stream);
	else
		after_read(stream, ok);
	came_back(stream);
}

static void
on_close(struct pq_tag *tag, bool ok)
{
	struct pq_stream *stream = STREAM_OF(tag, on_close);

	(void)ok;
	/* After this nothing that is sent arrives, and nothing has to be. */
	stream->ended = true;
	came_back(stream);
}

static void
on_end(struct pq_tag *tag, bool ok)
{
	(void)ok;
	came_back(STREAM_OF(tag, on_end));
}

void
pq_stream_change_all(struct pq_worker *worker)
{
	struct pq_stream *next;

	for (struct pq_stream *stream = worker->streams; stream != NULL; stream = next) {
		next = stream->next;
		change(stream);
	}
}

void
pq_stream_release_all(struct pq_worker *worker)
{
	while (worker->streams != NULL) {
		worker->streams->call = NULL;
		drop(worker->streams);
	}
}

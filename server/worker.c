#include "server/worker.h"

#include "server/large.h"
#include "server/log.h"
#include "server/server.h"

#include <grpc/byte_buffer_reader.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
pq_worker_see_end(struct pq_worker *worker)
{
	if (worker->ending)
		return;
	worker->ending = true;
	pq_stream_change_all(worker);
	pq_frames_end_all(worker);
}

/* Of W3C trace context: version, trace, parent and flags. */
#define TRACEPARENT_LEN 55
/* Of "x-request-id": a UUID has 36. */
#define REQUEST_ID_MAX 64

/* How long a worker that has nothing to do may take to see a change of the server's state. */
#define TICK_MS 250

static void
on_down(struct pq_tag *tag, bool ok)
{
	struct pq_worker *worker = (struct pq_worker *)((char *)tag - offsetof(struct pq_worker, on_down));

	(void)ok;
	worker->down = true;
	grpc_completion_queue_shutdown(worker->queue);
}

struct args {
	grpc_arg at[16];
	size_t n;
};

static void
add(struct args *args, const char *key, size_t number)
{
	args->at[args->n++] =
		(grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = number < INT_MAX ? (int)number : INT_MAX};
}

/* What is asked for or not: 0 = not, which gRPC would take for "at once". */
static void
add_wanted(struct args *args, const char *key, size_t number)
{
	if (number > 0)
		add(args, key, number);
}

static void
add_times(struct args *args, const struct pq_options *options)
{
	/* Of TLS; plain connections have begun to speak when gRPC gets them. */
	add_wanted(args, GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, (size_t)options->handshake_timeout_s * 1000);
	add_wanted(args, GRPC_ARG_MAX_CONNECTION_IDLE_MS, (size_t)options->max_idle_s * 1000);
	add_wanted(args, GRPC_ARG_MAX_CONNECTION_AGE_MS, (size_t)options->max_age_s * 1000);
	add_wanted(args, GRPC_ARG_KEEPALIVE_TIME_MS, (size_t)options->keepalive_s * 1000);
	add(args, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, PQ_SERVER_KEEPALIVE_ANSWER * 1000);
	/* A connection without calls holds a descriptor as well; and two silences without an answer are not the last. */
	add(args, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
	add(args, GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
}

static void
create(struct pq_worker *worker)
{
	const struct pq_options *options = worker->server->options;
	struct args args = {.n = 0};

	add(&args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, options->max_message_bytes);
	add(&args, GRPC_ARG_MAX_CONCURRENT_STREAMS, options->max_concurrent_streams);
	add(&args, GRPC_ARG_MAX_METADATA_SIZE, PQ_SERVER_METADATA_BYTES);
	/* The bound on messages counts compressed bytes; what they unpack to has none. */
	add(&args, GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
	add(&args, GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1u << GRPC_COMPRESS_NONE);
	add(&args, GRPC_ARG_ENABLE_CHANNELZ, 0);
	add_times(&args, options);
	/* What gRPC holds for connections is counted anyway; without a size it may be any amount. */
	grpc_resource_quota *quota = grpc_resource_quota_create(NULL);
	if (options->max_buffer_bytes > 0)
		grpc_resource_quota_resize(quota, 2 * options->max_buffer_bytes + PQ_SERVER_QUOTA_BYTES);
	args.at[args.n++] = (grpc_arg){.type = GRPC_ARG_POINTER,
	                               .key = (char *)GRPC_ARG_RESOURCE_QUOTA,
	                               .value.pointer = {quota, grpc_resource_quota_arg_vtable()}};
	const grpc_channel_args channel_args = {args.n, args.at};

	worker->grpc = grpc_server_create(&channel_args, NULL);
	grpc_resource_quota_unref(quota);
	for (size_t i = 0; i < PQ_RPC_COUNT; i++) {
		if (!pq_worker_answers(worker, (enum pq_rpc_index)i))
			continue;
		enum pq_rpc_shape shape = pq_rpcs[i].shape;
		bool with_message = shape != PQ_RPC_DIALOG && shape != PQ_RPC_FRAMES && shape != PQ_RPC_UPLOAD;
		worker->methods[i] = grpc_server_register_method(
			worker->grpc, pq_rpcs[i].path, NULL,
			with_message ? GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER : GRPC_SRM_PAYLOAD_NONE, 0);
	}
	grpc_server_register_completion_queue(worker->grpc, worker->queue, NULL);
}

bool
pq_worker_answers(const struct pq_worker *worker, enum pq_rpc_index index)
{
	return (worker->places | 1u << PQ_RPC_EVERYWHERE) & 1u << pq_rpcs[index].place;
}

bool
pq_worker_init(struct pq_worker *worker, struct pq_server *server, unsigned places)
{
	*worker = (struct pq_worker){.server = server, .places = places, .on_down = {on_down}};
	pq_jobs_init(&worker->jobs);
	pq_jobs_init(&worker->waiting);
	pq_jobs_init(&worker->behind);
	pq_arena_init(&worker->arena, PQ_SERVER_ARENA_BYTES);
	if (!pq_unary_init_all(worker))
		return false;
	worker->queue = grpc_completion_queue_create_for_next(NULL);
	create(worker);
	return true;
}

void
pq_worker_give_back(struct pq_job *job)
{
	struct pq_job *_Atomic *finished = &job->worker->finished;

	job->next = atomic_load_explicit(finished, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(finished, &job->next, job, memory_order_release,
	                                              memory_order_relaxed))
		;
}

static void
take_finished(struct pq_worker *worker)
{
	struct pq_job *job = atomic_exchange_explicit(&worker->finished, NULL, memory_order_acquire), *in_order = NULL;

	while (job != NULL) {
		struct pq_job *next = job->next;
		job->next = in_order;
		in_order = job;
		job = next;
	}
	while (in_order != NULL) {
		job = in_order;
		in_order = job->next;
		worker->n_waiting--;
		job->done(job);
	}
}

/*
 * The queue has no way to be woken from outside, so what other threads have done is looked at now and then. A worker that
 * is asked nothing leaves an old revision all the same.
 */
static void
see_state(struct pq_worker *worker)
{
	uint64_t state = atomic_load_explicit(&worker->server->state, memory_order_acquire);

	if (atomic_load_explicit(&worker->finished, memory_order_relaxed) != NULL)
		take_finished(worker);
	if (state == worker->state)
		return;
	worker->state = state;
	pq_term_adopt(&worker->term, &worker->server->revisions);
	pq_stream_change_all(worker);
}

static void
post_all(struct pq_worker *worker)
{
	pq_unary_post_all(worker);
	for (size_t i = 0; i < PQ_RPC_COUNT; i++) {
		if (!pq_worker_answers(worker, (enum pq_rpc_index)i))
			continue;
		switch (pq_rpcs[i].shape) {
		case PQ_RPC_UNARY:
		case PQ_RPC_DESK:
			break;
		case PQ_RPC_WATCH:
		case PQ_RPC_DIALOG:
			pq_stream_post(worker, (enum pq_rpc_index)i);
			break;
		case PQ_RPC_UPLOAD:
			pq_upload_post(worker);
			break;
		case PQ_RPC_SUPPLY:
			pq_supply_post(worker);
			break;
		case PQ_RPC_BATCH:
		case PQ_RPC_FRAMES:
			pq_frames_post(worker, (enum pq_rpc_index)i);
			break;
		}
	}
}

/* From the end on answers are sent as they come: connections are closed at any time. */
static bool
collects(const struct pq_worker *worker)
{
	return worker->server->options->merge_replies && worker->events > PQ_SERVER_EVENTS_AT_ONCE && !worker->ending;
}

static void
handle_event(struct pq_worker *worker, const grpc_event *event)
{
	struct pq_tag *tag = event->tag;

	worker->events++;
	worker->unsent++;
	worker->unworked++;
	if (collects(worker))
		pq_merge_collect(&worker->merge);
	tag->on(tag, event->success != 0);
	pq_merge_pause();
}

static void
send_collected(struct pq_worker *worker)
{
	if (worker->merge.n > 0 || worker->merge.n_stuck > 0)
		pq_merge_flush(&worker->merge);
	worker->unsent = 0;
}

/* Nothing is ready: send what was collected, work on batches, or wait for the next event. */
static grpc_event
go_idle(struct pq_worker *worker)
{
	send_collected(worker);
	if (worker->behind.n > 0)
		pq_frames_look(worker);
	if (worker->jobs.n > 0) {
		pq_frames_work(worker);
		worker->unworked = 0;
		return (grpc_event){.type = GRPC_QUEUE_TIMEOUT};
	}
	worker->events = 0;
	int ms = worker->merge.n_stuck > 0 ? PQ_SERVER_STUCK_MS : worker->n_waiting > 0 ? PQ_SERVER_WAIT_MS : TICK_MS;
	gpr_timespec tick = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
	return grpc_completion_queue_next(worker->queue, tick, NULL);
}

static void *
run(void *context)
{
	struct pq_worker *worker = context;

	post_all(worker);
	for (;;) {
		grpc_event event = grpc_completion_queue_next(worker->queue, gpr_inf_past(GPR_CLOCK_MONOTONIC), NULL);
		if (event.type == GRPC_QUEUE_TIMEOUT)
			event = go_idle(worker);
		if (event.type == GRPC_QUEUE_SHUTDOWN)
			break;
		if (event.type == GRPC_OP_COMPLETE)
			handle_event(worker, &event);
		if (worker->unsent >= PQ_SERVER_EVENTS_A_FLUSH)
			send_collected(worker);
		if (worker->unworked >= PQ_SERVER_EVENTS_A_SLICE) {
			if (worker->behind.n > 0)
				pq_frames_look(worker);
			if (worker->jobs.n > 0)
				pq_frames_work(worker);
			worker->unworked = 0;
		}
		see_state(worker);
	}
	take_finished(worker);
	pq_merge_release(&worker->merge);
	pq_term_release(worker->term);
	pq_access_view_release(&worker->access);
	return NULL;
}

bool
pq_worker_start(struct pq_worker *worker)
{
	grpc_server_start(worker->grpc);
	return pthread_create(&worker->thread, NULL, run, worker) == 0;
}

void
pq_worker_end(struct pq_worker *worker)
{
	grpc_server_shutdown_and_notify(worker->grpc, worker->queue, &worker->on_down);
}

void
pq_worker_join(struct pq_worker *worker)
{
	pthread_join(worker->thread, NULL);
}

void
pq_worker_release(struct pq_worker *worker)
{
	grpc_server_destroy(worker->grpc);
	grpc_completion_queue_destroy(worker->queue);
	pq_unary_release_all(worker);
	pq_stream_release_all(worker);
	pq_frames_release_all(worker);
	pq_large_release_all(worker);
	pq_upload_release_all(worker);
	pq_supply_release_all(worker);
	pq_arena_release(&worker->arena);
}

/* ---- handling one message --------------------------------------------------------------------------------------- */

bool
pq_worker_bytes(grpc_byte_buffer *in, struct pq_bytes *ret, grpc_slice *ret_copy)
{
	*ret_copy = grpc_empty_slice();
	*ret = (struct pq_bytes){(const uint8_t *)"", 0};
	if (in == NULL)
		return true;
	if (in->type != GRPC_BB_RAW || in->data.raw.compression != GRPC_COMPRESS_NONE)
		return false;
	if (in->data.raw.slice_buffer.count == 1) {
		grpc_slice *slice = &in->data.raw.slice_buffer.slices[0];
		*ret = (struct pq_bytes){GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice)};
	} else if (in->data.raw.slice_buffer.count > 1) {
		grpc_byte_buffer_reader reader;
		if (!grpc_byte_buffer_reader_init(&reader, in))
			return false;
		*ret_copy = grpc_byte_buffer_reader_readall(&reader);
		grpc_byte_buffer_reader_destroy(&reader);
		*ret = (struct pq_bytes){GRPC_SLICE_START_PTR(*ret_copy), GRPC_SLICE_LENGTH(*ret_copy)};
	}
	return true;
}

bool
pq_worker_read(struct pq_worker *worker, enum pq_rpc_index index, grpc_byte_buffer *in, struct pq_bytes *ret_bytes,
               grpc_slice *ret_copy, struct pq_reply *ret)
{
	const struct pq_rpc *rpc = &pq_rpcs[index];
	size_t limit = rpc->message_bytes != 0 ? rpc->message_bytes : worker->server->options->max_message_bytes;

	if (!pq_worker_bytes(in, ret_bytes, ret_copy))
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_UNIMPLEMENTED, PQ_REASON_INVALID_REQUEST, NULL, 0,
		                "compressed messages are not taken");
	else if (ret_bytes->len > limit)
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_RESOURCE_EXHAUSTED, PQ_REASON_LIMIT_EXCEEDED, NULL, 0,
		                "the message has %zu bytes; %zu are allowed", ret_bytes->len, limit);
	else
		return true;
	return false;
}

static void
dispatch(struct pq_worker *worker, const struct pq_rpc *rpc, grpc_byte_buffer *in, gpr_timespec deadline, int *state,
         struct pq_reply *ret, struct pq_later *later)
{
	struct pq_bytes bytes;

	deadline = gpr_convert_clock_type(deadline, GPR_CLOCK_MONOTONIC);
	if (!pq_worker_read(worker, (enum pq_rpc_index)(rpc - pq_rpcs), in, &bytes, &later->copy, ret))
		;
	else if (gpr_time_cmp(gpr_now(GPR_CLOCK_MONOTONIC), deadline) >= 0)
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_DEADLINE_EXCEEDED, PQ_REASON_DEADLINE_EXCEEDED, NULL, 0,
		                "the deadline passed before the request was looked at");
	else
		rpc->handler(worker, in != NULL || rpc->shape == PQ_RPC_UNARY ? &bytes : NULL, state, ret);
	later->bytes = bytes;
	later->deadline = deadline;
	later->large = worker->large;
	later->behind = worker->asked_sequence;
	worker->large = NULL;
	worker->asked_sequence = 0;
	if (later->large == NULL && later->behind == 0)
		grpc_slice_unref(later->copy);
}

/* An id for the log, as far as a client may choose it: digits and hyphens cannot name a party. */
static bool
is_plain_id(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (strchr("0123456789abcdefABCDEF-", text[i]) == NULL || text[i] == '\0')
			return false;
	}
	return len > 0;
}

/* The value of a key of the call's metadata, if it is an id of at most size - 1 digits; "" otherwise. */
static void
read_id(const struct pq_worker *worker, const char *key, char *ret, size_t size)
{
	ret[0] = '\0';
	for (size_t i = 0; worker->asked != NULL && i < worker->asked->count; i++) {
		const grpc_metadata *entry = &worker->asked->metadata[i];
		size_t len = GRPC_SLICE_LENGTH(entry->value);
		const char *value = (const char *)GRPC_SLICE_START_PTR(entry->value);
		if (grpc_slice_str_cmp(entry->key, key) != 0)
			continue;
		if (len < size && is_plain_id(value, len))
			snprintf(ret, size, "%.*s", (int)len, value);
		return;
	}
}

static void
log_call(const struct pq_worker *worker, enum pq_rpc_index index, const struct pq_reply *reply, size_t bytes,
         gpr_timespec began)
{
	bool fault = reply->code == GRPC_STATUS_INTERNAL || reply->code == GRPC_STATUS_DATA_LOSS;
	enum pq_log_level level = fault ? PQ_LOG_ERROR : PQ_LOG_DEBUG;
	char call[48], trace[TRACEPARENT_LEN + 1], request[REQUEST_ID_MAX + 1];

	if (!pq_log_enabled(level))
		return;
	gpr_timespec took = gpr_time_sub(gpr_now(GPR_CLOCK_MONOTONIC), began);
	snprintf(call, sizeof(call), "%zu-%llu", (size_t)(worker - worker->server->workers),
	         (unsigned long long)atomic_load_explicit(&worker->counts[index].calls, memory_order_relaxed));
	read_id(worker, "traceparent", trace, sizeof(trace));
	read_id(worker, "x-request-id", request, sizeof(request));
	/* The message may quote the request, so it is shown only where the server is at fault. */
	PQ_LOG(level, "call", PQ_LOG_TEXT("method", pq_rpcs[index].metric), PQ_LOG_TEXT("call", call),
	       PQ_LOG_TEXT("code", pq_code_name(reply->code)), PQ_LOG_TEXT("traceparent", trace),
	       PQ_LOG_TEXT("request_id", request), PQ_LOG_NUMBER("request_bytes", bytes),
	       PQ_LOG_NUMBER("reply_bytes", GRPC_SLICE_LENGTH(reply->payload)),
	       PQ_LOG_NUMBER("microseconds", took.tv_sec * 1000000 + took.tv_nsec / 1000),
	       PQ_LOG_TEXT("error", fault ? reply->message : ""));
}

/* Is a call of this shape over with its one message? */
static bool
is_single(enum pq_rpc_shape shape)
{
	/* No default: a new shape must be thought of here. */
	switch (shape) {
	case PQ_RPC_UNARY:
	case PQ_RPC_DESK:
	case PQ_RPC_UPLOAD: /* counted once, at their end */
	case PQ_RPC_SUPPLY:
		return true;
	case PQ_RPC_WATCH:
	case PQ_RPC_DIALOG:
	case PQ_RPC_BATCH:
	case PQ_RPC_FRAMES:
		return false;
	}
	return false;
}

void
pq_worker_began(struct pq_worker *worker, enum pq_rpc_index index)
{
	pq_count_up(&worker->counts[index].started, 1);
}

void
pq_worker_ended(struct pq_worker *worker, enum pq_rpc_index index, grpc_status_code code, gpr_timespec began)
{
	struct pq_rpc_counts *counts = &worker->counts[index];

	pq_count_up(&counts->handled[(size_t)code < PQ_METRICS_CODES ? (size_t)code : (size_t)GRPC_STATUS_UNKNOWN], 1);
	/* Looking at the clock costs more than all the counting, and is for a scrape alone. */
	if (worker->server->http == NULL)
		return;
	gpr_timespec took = gpr_time_sub(gpr_now(GPR_CLOCK_MONOTONIC), began);
	pq_histogram_add(&counts->took, took.tv_sec * 1000000000 + took.tv_nsec);
}

void
pq_worker_count(struct pq_worker *worker, enum pq_rpc_index index, const struct pq_reply *reply, size_t bytes,
                gpr_timespec began)
{
	pq_count_up(&worker->counts[index].calls, 1);
	pq_count_up(&worker->counts[index].refused, reply->code != GRPC_STATUS_OK);
	if (is_single(pq_rpcs[index].shape))
		pq_worker_ended(worker, index, reply->code, began);
	log_call(worker, index, reply, bytes, began);
	worker->asked = NULL;
}

void
pq_worker_count_refused(struct pq_worker *worker, enum pq_rpc_index index, const struct pq_reply *reply)
{
	pq_worker_count(worker, index, reply, 0, gpr_now(GPR_CLOCK_MONOTONIC));
}

bool
pq_worker_handle(struct pq_worker *worker, enum pq_rpc_index index, grpc_byte_buffer *in, gpr_timespec deadline,
                 int *state, struct pq_reply *ret, struct pq_later *later)
{
	later->began = pq_log_enabled(PQ_LOG_ERROR) ? gpr_now(GPR_CLOCK_MONOTONIC) : gpr_time_0(GPR_CLOCK_MONOTONIC);
	dispatch(worker, &pq_rpcs[index], in, deadline, state, ret, later);
	bool done = later->large == NULL && later->behind == 0;
	if (done)
		pq_worker_count(worker, index, ret, later->bytes.len, later->began);
	pq_worker_reset_arena(worker);
	return done;
}

void
pq_worker_reset_arena(struct pq_worker *worker)
{
	if (worker->arena.used > PQ_SERVER_ARENA_KEEP)
		pq_arena_release(&worker->arena);
	else
		pq_arena_reset(&worker->arena);
}

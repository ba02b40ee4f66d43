/*
 * Many requests in a message: BatchDecide calls, or frames of StreamDecide, in a closed loop. The client is an ordinary
 * one: gRPC C core, messages of protobuf-c that are packed for each call anew. Every reply's results are counted; those
 * of each `unpack`-th are unpacked as well (1 = all), for unpacking a thousand decisions costs a client on one core
 * more than making them costs the server.
 */
#include "bench/client/grpc.h"
#include "bench/support/stats.h"

#include "pratique/v1/batch.pb-c.h"

#include <grpc/byte_buffer_reader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH "/pratique.v1.DecisionService/BatchDecide"
#define STREAM "/pratique.v1.DecisionService/StreamDecide"
/* Frames that a stream has sent and that are not answered: the next is on its way while one is being worked at. */
#define AHEAD 2

struct frames;
struct flow;

struct step {
	void (*on)(struct flow *flow, bool ok);
	struct flow *flow;
};

/* A stream, or a place for one batch call after the other. */
struct flow {
	struct frames *frames;
	size_t channel;
	struct unary unary; /* of a stream: its call, metadata, status */
	struct step wrote, read, ended;
	int64_t begun[AHEAD];
	size_t sent, answered; /* frames */
	bool writing, closing, done;
};

struct frames {
	const struct options *options;
	struct channels channels;
	Pratique__V1__DecideRequest **requests, **window; /* window: `items` of them, in a row */
	size_t n, next;
	struct flow *flows;
	size_t n_flows, running;
	int64_t begin, end, last; /* last: when the last reply came */
	struct samples samples;
	size_t replies, decided, refused, bytes, failed; /* from `begin` on */
	size_t results; /* warm-up included */
	grpc_status_code worst;
};

/* ---- messages ---- */

static bool
unpack_bodies(struct frames *frames)
{
	const struct bodies *bodies = &frames->options->bodies;

	frames->n = bodies->n;
	frames->requests = calloc(frames->n + 1, sizeof(void *));
	frames->window = calloc(frames->options->items + 1, sizeof(void *));
	for (size_t i = 0; frames->requests != NULL && i < frames->n; i++) {
		frames->requests[i] = pratique__v1__decide_request__unpack(NULL, bodies->at[i].len - BODY_HEAD,
		                                                           bodies->at[i].frame + BODY_HEAD);
		if (frames->requests[i] == NULL)
			return false;
	}
	return frames->requests != NULL && frames->window != NULL;
}

/* The next `items` requests in a message; both kinds of message are alike. */
static grpc_slice
next_message(struct frames *frames)
{
	Pratique__V1__BatchDecideRequest message = PRATIQUE__V1__BATCH_DECIDE_REQUEST__INIT;

	for (size_t i = 0; i < frames->options->items; i++)
		frames->window[i] = frames->requests[frames->next++ % frames->n];
	message.requests = frames->window;
	message.n_requests = frames->options->items;
	size_t len = pratique__v1__batch_decide_request__get_packed_size(&message);
	grpc_slice slice = grpc_slice_malloc(len);
	pratique__v1__batch_decide_request__pack(&message, GRPC_SLICE_START_PTR(slice));
	return slice;
}

static bool
varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	*ret = 0;
	for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
		uint8_t byte = *(*at)++;
		*ret |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return true;
	}
	return false;
}

/* Count the results of a reply: field 1, in it a decision as field 1 or an error as field 2. */
static bool
count(const uint8_t *at, size_t len, size_t *ret_decided, size_t *ret_refused)
{
	const uint8_t *end = at + len;
	uint64_t tag, size;

	while (at < end) {
		if (!varint(&at, end, &tag) || (tag & 7) != 2 || !varint(&at, end, &size) || size > (size_t)(end - at))
			return false;
		if (tag >> 3 == 1 && size > 0) {
			*ret_decided += at[0] == (1 << 3 | 2);
			*ret_refused += at[0] == (2 << 3 | 2);
		}
		at += size;
	}
	return true;
}

static bool
unpacks(const uint8_t *at, size_t len, size_t n)
{
	Pratique__V1__BatchDecideResponse *message = pratique__v1__batch_decide_response__unpack(NULL, len, at);
	bool fine = message != NULL && message->n_results == n;

	for (size_t i = 0; fine && i < n; i++)
		if (message->results[i]->result_case == PRATIQUE__V1__DECIDE_RESULT__RESULT_DECIDED)
			fine = message->results[i]->decided->decision->outcome != PRATIQUE__V1__OUTCOME__OUTCOME_UNSPECIFIED;
	if (message != NULL)
		pratique__v1__batch_decide_response__free_unpacked(message, NULL);
	return fine;
}

static void
take_reply(struct frames *frames, grpc_byte_buffer *buffer, int64_t begun)
{
	int64_t now = bench_now();
	size_t decided = 0, refused = 0, n = frames->options->items;
	grpc_byte_buffer_reader reader;

	if (buffer == NULL || !grpc_byte_buffer_reader_init(&reader, buffer)) {
		frames->failed++;
		return;
	}
	grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
	bool fine = count(GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all), &decided, &refused) && decided + refused == n;
	if (fine && frames->options->unpack > 0 && frames->replies % frames->options->unpack == 0)
		fine = unpacks(GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all), n);
	frames->failed += !fine;
	frames->results += decided + refused;
	frames->last = now;
	/* What was begun in the measured time counts to its end, and the time does too: a frame may take a long part of it. */
	if (now >= frames->begin) {
		frames->replies++;
		frames->decided += decided;
		frames->refused += refused;
		frames->bytes += GRPC_SLICE_LENGTH(all);
		samples_add(&frames->samples, now - begun);
	}
	grpc_slice_unref(all);
	grpc_byte_buffer_reader_destroy(&reader);
}

static bool
time_is_up(const struct frames *frames)
{
	return bench_now() >= frames->end;
}

/* ---- batches ---- */

static void
start_batch(struct flow *flow)
{
	struct frames *frames = flow->frames;
	grpc_slice message = next_message(frames);

	flow->begun[0] = bench_now();
	if (!unary_start(&flow->unary, &frames->channels, flow->channel, message, &flow->ended))
		abort();
	grpc_slice_unref(message);
}

static void
on_batch(struct flow *flow, bool ok)
{
	struct frames *frames = flow->frames;
	size_t bytes;

	(void)ok;
	if (flow->unary.code != GRPC_STATUS_OK)
		frames->worst = flow->unary.code;
	take_reply(frames, flow->unary.in, flow->begun[0]);
	unary_end(&flow->unary, &bytes);
	if (time_is_up(frames))
		frames->running--;
	else
		start_batch(flow);
}

/* ---- streams ---- */

static void
start_op(struct flow *flow, const grpc_op *ops, size_t n, struct step *step)
{
	if (grpc_call_start_batch(flow->unary.call, ops, n, step, NULL) != GRPC_CALL_OK)
		abort();
}

static void
write_frame(struct flow *flow)
{
	grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};

	if (flow->writing || flow->closing || flow->sent - flow->answered >= AHEAD)
		return;
	flow->writing = true;
	if (time_is_up(flow->frames)) {
		flow->closing = true;
		op.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	} else {
		grpc_slice message = next_message(flow->frames);
		flow->unary.out = grpc_raw_byte_buffer_create(&message, 1);
		grpc_slice_unref(message);
		op.data.send_message.send_message = flow->unary.out;
		flow->begun[flow->sent++ % AHEAD] = bench_now();
	}
	start_op(flow, &op, 1, &flow->wrote);
}

static void
on_wrote(struct flow *flow, bool ok)
{
	flow->writing = false;
	if (flow->unary.out != NULL)
		grpc_byte_buffer_destroy(flow->unary.out);
	flow->unary.out = NULL;
	if (ok)
		write_frame(flow);
}

static void
read_frame(struct flow *flow)
{
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

	op.data.recv_message.recv_message = &flow->unary.in;
	start_op(flow, &op, 1, &flow->read);
}

static void
on_read(struct flow *flow, bool ok)
{
	if (!ok || flow->unary.in == NULL)
		return; /* the status comes by itself */
	take_reply(flow->frames, flow->unary.in, flow->begun[flow->answered++ % AHEAD]);
	grpc_byte_buffer_destroy(flow->unary.in);
	flow->unary.in = NULL;
	write_frame(flow);
	read_frame(flow);
}

static void
on_ended(struct flow *flow, bool ok)
{
	struct frames *frames = flow->frames;

	(void)ok;
	if (flow->unary.code != GRPC_STATUS_OK || flow->sent != flow->answered) {
		frames->worst = flow->unary.code;
		frames->failed++;
	}
	frames->running--;
}

static void
start_stream(struct flow *flow)
{
	static struct step nothing;
	struct channels *channels = &flow->frames->channels;
	struct unary *unary = &flow->unary;
	grpc_op begin[2] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}, {.op = GRPC_OP_RECV_INITIAL_METADATA}};
	grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};

	unary->call = grpc_channel_create_registered_call(channels->at[flow->channel], NULL, GRPC_PROPAGATE_DEFAULTS,
	                                                  channels->queue, channels->methods[flow->channel],
	                                                  gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	begin[1].data.recv_initial_metadata.recv_initial_metadata = &unary->initial;
	status.data.recv_status_on_client.trailing_metadata = &unary->trailing;
	status.data.recv_status_on_client.status = &unary->code;
	status.data.recv_status_on_client.status_details = &unary->details;
	start_op(flow, &begin[0], 1, &flow->wrote);
	flow->writing = true;
	start_op(flow, &begin[1], 1, &nothing);
	start_op(flow, &status, 1, &flow->ended);
	read_frame(flow);
}

/* ---- both ---- */

static bool
prepare(struct frames *frames, bool stream)
{
	const struct options *options = frames->options;

	frames->n_flows = options->connections * options->streams;
	frames->flows = calloc(frames->n_flows + 1, sizeof(*frames->flows));
	if (frames->flows == NULL || options->items == 0 || frames->n_flows == 0 || !unpack_bodies(frames) ||
	    !samples_init(&frames->samples, (size_t)(options->seconds * 20000) + 1000))
		return false;
	for (size_t i = 0; i < frames->n_flows; i++) {
		struct flow *flow = &frames->flows[i];
		flow->frames = frames;
		flow->channel = i % options->connections;
		unary_init(&flow->unary);
		flow->wrote = (struct step){on_wrote, flow};
		flow->read = (struct step){on_read, flow};
		flow->ended = (struct step){stream ? on_ended : on_batch, flow};
	}
	return true;
}

static bool
run(struct frames *frames, bool stream)
{
	frames->running = frames->n_flows;
	for (size_t i = 0; i < frames->n_flows; i++) {
		if (stream)
			start_stream(&frames->flows[i]);
		else
			start_batch(&frames->flows[i]);
	}
	while (frames->running > 0) {
		gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(20, GPR_TIMESPAN));
		grpc_event event = grpc_completion_queue_next(frames->channels.queue, deadline, NULL);
		if (event.type != GRPC_OP_COMPLETE) {
			fprintf(stderr, "client: a frame is not answered within 20 seconds\n");
			return false;
		}
		struct step *step = event.tag;
		if (step->on != NULL)
			step->on(step->flow, event.success != 0);
	}
	return true;
}

json_t *
client_frames(const struct options *options)
{
	struct frames frames = {.options = options};
	bool stream = options->kind != NULL && strcmp(options->kind, "stream") == 0;

	grpc_init();
	if ((!stream && (options->kind == NULL || strcmp(options->kind, "batch") != 0)) || !prepare(&frames, stream)) {
		fprintf(stderr, "client: frames needs kind=batch or kind=stream, items, connections and streams\n");
		return NULL;
	}
	if (!channels_init(&frames.channels, options, options->connections, stream ? STREAM : BATCH))
		return NULL;
	frames.begin = bench_now() + (int64_t)(options->warm * 1e9);
	frames.end = frames.begin + (int64_t)(options->seconds * 1e9);
	if (!run(&frames, stream))
		return NULL;
	size_t results = frames.decided + frames.refused;
	double seconds = (double)(frames.last - frames.begin) / 1e9;
	/* The process ends here; calls, channels and messages end with it. */
	return json_pack("{s:s,s:s,s:f,s:f,s:I,s:I,s:I,s:I,s:I,s:i,s:f,s:o}", "mode", "frames", "kind", options->kind, "per_second",
	                 results > 0 ? (double)results / seconds : 0.0, "elapsed_s", seconds + options->warm, "results",
	                 (json_int_t)frames.results, "replies", (json_int_t)frames.replies, "decided",
	                 (json_int_t)frames.decided, "refused", (json_int_t)frames.refused, "failed",
	                 (json_int_t)frames.failed, "status", (int)frames.worst, "reply_bytes_each",
	                 results > 0 ? (double)frames.bytes / (double)results : 0.0, "us", samples_json(&frames.samples));
}

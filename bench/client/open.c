/*
 * Open loop: calls begin at the times of a Poisson process, whether or not earlier ones have been answered, and a latency
 * counts from the time that was scheduled. So a stall of the server shows in every call that it delays, not in one.
 *
 * The client spins on its own processor between two calls: an epoll of the core sleeps in whole milliseconds.
 */
#include "bench/client/grpc.h"
#include "bench/support/random.h"
#include "bench/support/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Calls that are sent, and answers that are taken, before it looks at the other again. */
#define AT_ONCE 32
/* Calls in flight; when the server is that far behind, calls wait here, and are late. */
#define IN_FLIGHT_MAX 20000

struct open {
	const struct options *options;
	struct channels channels;
	struct unary *slots, *free;
	grpc_slice *bodies;
	struct bench_random random;
	struct samples samples, lags; /* lags: of sending, behind the schedule; the client's own fault */
	int64_t begin, end; /* of what is measured */
	int64_t due;        /* of the next call */
	size_t sent, in_flight, refused, answered, reply_bytes;
	size_t most_in_flight, held; /* held: calls that had to wait for a slot */
};

static void
schedule(struct open *open)
{
	double uniform = (double)((bench_random_next(&open->random) >> 11) + 1) * 0x1p-53;

	open->due += (int64_t)(-log(uniform) * 1e9 / open->options->rate);
}

static void
send_due(struct open *open)
{
	for (int i = 0; i < AT_ONCE && open->due < open->end && bench_now() >= open->due; i++) {
		struct unary *unary = open->free;
		if (unary == NULL) {
			open->held++;
			return;
		}
		open->free = unary->next;
		unary->due = open->due;
		if (open->due >= open->begin)
			samples_add(&open->lags, bench_now() - open->due);
		size_t body = bench_random_below(&open->random, open->options->bodies.n);
		unary_start(unary, &open->channels, open->sent % open->channels.n, open->bodies[body], NULL);
		open->sent++;
		if (++open->in_flight > open->most_in_flight)
			open->most_in_flight = open->in_flight;
		schedule(open);
	}
}

static void
come_back(struct open *open, struct unary *unary)
{
	int64_t now = bench_now();
	bool fine = unary->code == GRPC_STATUS_OK;
	size_t bytes;

	unary_end(unary, &bytes);
	open->in_flight--;
	open->answered++;
	open->refused += !fine;
	open->reply_bytes += bytes;
	if (unary->due >= open->begin)
		samples_add(&open->samples, now - unary->due);
	unary->next = open->free;
	open->free = unary;
}

/* Until all that was sent came back, or a second after the last was due: a server that is that far behind is overloaded. */
static void
run(struct open *open)
{
	const struct timespec nap = {.tv_nsec = (long)(open->options->nap_us * 1000)};

	while (bench_now() < open->end || (open->in_flight > 0 && bench_now() < open->end + 1000000000)) {
		send_due(open);
		grpc_event event = {.type = GRPC_OP_COMPLETE};
		for (int i = 0; i < AT_ONCE && event.type == GRPC_OP_COMPLETE; i++) {
			event = grpc_completion_queue_next(open->channels.queue, gpr_inf_past(GPR_CLOCK_REALTIME), NULL);
			if (event.type == GRPC_OP_COMPLETE)
				come_back(open, event.tag);
		}
		if (nap.tv_nsec > 0)
			nanosleep(&nap, NULL);
	}
}

/* A call that is not answered has waited until now at least: left out, an overloaded server would look fast. */
static void
count_unanswered(struct open *open)
{
	int64_t now = bench_now();

	for (size_t i = 0; i < IN_FLIGHT_MAX; i++)
		if (open->slots[i].call != NULL && open->slots[i].due >= open->begin)
			samples_add(&open->samples, now - open->slots[i].due);
}

static bool
prepare(struct open *open)
{
	const struct options *options = open->options;

	open->slots = calloc(IN_FLIGHT_MAX, sizeof(*open->slots));
	open->bodies = calloc(options->bodies.n, sizeof(*open->bodies));
	if (open->slots == NULL || open->bodies == NULL ||
	    !samples_init(&open->samples, (size_t)(options->rate * options->seconds * 1.5) + 10000) ||
	    !samples_init(&open->lags, open->samples.max))
		return false;
	for (size_t i = 0; i < IN_FLIGHT_MAX; i++) {
		unary_init(&open->slots[i]);
		open->slots[i].next = open->free;
		open->free = &open->slots[i];
	}
	for (size_t i = 0; i < options->bodies.n; i++)
		open->bodies[i] = grpc_slice_from_static_buffer(options->bodies.at[i].frame + BODY_HEAD,
		                                                options->bodies.at[i].len - BODY_HEAD);
	return true;
}

json_t *
client_open(const struct options *options)
{
	struct open open = {.options = options, .random = {options->seed}};
	json_t *result = NULL;

	grpc_init();
	if (!(options->rate > 0) || options->connections == 0 || !prepare(&open)) {
		fprintf(stderr, "client: rate and connections must not be 0\n");
		return NULL;
	}
	if (channels_init(&open.channels, options, options->connections, options->path)) {
		open.due = bench_now();
		open.begin = open.due + (int64_t)(options->warm * 1e9);
		open.end = open.begin + (int64_t)(options->seconds * 1e9);
		run(&open);
		count_unanswered(&open);
		result = json_pack("{s:s,s:f,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:o,s:o}", "mode", "open", "rate", options->rate, "sent",
		                   (json_int_t)open.sent, "answered", (json_int_t)open.answered, "refused",
		                   (json_int_t)open.refused, "unanswered", (json_int_t)open.in_flight, "held",
		                   (json_int_t)open.held, "most_in_flight", (json_int_t)open.most_in_flight, "reply_bytes",
		                   open.answered > 0 ? (double)open.reply_bytes / (double)open.answered : 0.0, "us",
		                   samples_json(&open.samples), "lag_us", samples_json(&open.lags));
	}
	/* Calls that never came back are left to the end of the process. */
	if (result != NULL && open.in_flight == 0) {
		channels_release(&open.channels);
		for (size_t i = 0; i < IN_FLIGHT_MAX; i++)
			unary_release(&open.slots[i]);
		grpc_shutdown();
	}
	samples_release(&open.samples);
	samples_release(&open.lags);
	free(open.slots);
	free(open.bodies);
	return result;
}

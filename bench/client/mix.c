/*
 * A closed loop over all bodies in turn, which h2load, that sends one body, cannot do: `connections` with `streams` calls
 * on each. What the answers to one read allow is asked again in one write.
 */
#include "bench/client/h2.h"
#include "bench/support/stats.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define CONNECTIONS_MAX 1024

struct mix {
	const struct options *options;
	struct h2 *connections;
	size_t next_body;
	int64_t begin;
	size_t ended[H2_RESET + 1], reply_bytes;
	struct samples samples;
};

static void
on_end(struct h2 *h2, const struct h2_stream *stream, enum h2_end end)
{
	struct mix *mix = h2->context;
	int64_t now = bench_now();

	if (now < mix->begin)
		return;
	mix->ended[end]++;
	mix->reply_bytes += stream->bytes;
	samples_add(&mix->samples, now - stream->begun);
}

static void
fill(struct mix *mix, struct h2 *h2)
{
	while (h2->open < mix->options->streams) {
		const struct body *body = &mix->options->bodies.at[mix->next_body];
		if (h2_begin(h2, body->frame, body->len, true) == 0)
			break;
		mix->next_body = (mix->next_body + 1) % mix->options->bodies.n;
	}
	h2_flush(h2);
}

static bool
run(struct mix *mix, int64_t end)
{
	size_t n = mix->options->connections;
	struct pollfd waits[CONNECTIONS_MAX];

	for (size_t i = 0; i < n; i++)
		fill(mix, &mix->connections[i]);
	while (bench_now() < end) {
		for (size_t i = 0; i < n; i++) {
			struct h2 *h2 = &mix->connections[i];
			if (h2->gone) {
				fprintf(stderr, "client: the server closed a connection\n");
				return false;
			}
			waits[i] = (struct pollfd){.fd = h2->fd, .events = (short)(POLLIN | (h2->out_len > 0 ? POLLOUT : 0))};
		}
		poll(waits, n, 100);
		for (size_t i = 0; i < n; i++) {
			if (waits[i].revents == 0)
				continue;
			h2_read(&mix->connections[i]);
			fill(mix, &mix->connections[i]);
		}
	}
	return true;
}

json_t *
client_mix(const struct options *options)
{
	struct mix mix = {.options = options};
	json_t *result = NULL;
	bool fine = options->connections > 0 && options->connections <= CONNECTIONS_MAX &&
	            options->streams <= H2_STREAMS_MAX && samples_init(&mix.samples, (size_t)(options->seconds * 500000) + 1);

	mix.connections = calloc(options->connections + 1, sizeof(*mix.connections));
	for (size_t i = 0; fine && i < options->connections; i++) {
		mix.connections[i].on_end = on_end;
		mix.connections[i].context = &mix;
		fine = h2_connect(&mix.connections[i], options->address, options->path, 0x7fffffff, 0);
	}
	if (!fine) {
		fprintf(stderr, "client: no %zu connections to %s\n", options->connections, options->address);
		return NULL;
	}
	mix.begin = bench_now() + (int64_t)(options->warm * 1e9);
	if (run(&mix, mix.begin + (int64_t)(options->seconds * 1e9))) {
		size_t n = mix.ended[H2_ANSWERED] + mix.ended[H2_REFUSED] + mix.ended[H2_RESET];
		result = json_pack("{s:s,s:f,s:I,s:I,s:I,s:f,s:o}", "mode", "mix", "per_second",
		                   (double)mix.ended[H2_ANSWERED] / options->seconds, "answered",
		                   (json_int_t)mix.ended[H2_ANSWERED], "refused", (json_int_t)mix.ended[H2_REFUSED], "reset",
		                   (json_int_t)mix.ended[H2_RESET], "reply_bytes",
		                   n > 0 ? (double)mix.reply_bytes / (double)n : 0.0, "us", samples_json(&mix.samples));
	}
	for (size_t i = 0; i < options->connections; i++)
		h2_close(&mix.connections[i]);
	free(mix.connections);
	samples_release(&mix.samples);
	return result;
}

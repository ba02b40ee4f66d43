/*
 * Clients with bad manners, each at a given rate of calls, and one that only holds connections and streams open.
 *
 *   never_read    asks and never reads; the socket's buffer is as small as the kernel allows
 *   half_message  opens calls, sends half of the message and no more
 *   reset         asks and resets each stream at once
 *   largest       the first body, however large, again and again
 *
 * A connection that has a hundred streams pending is left as it is and another is opened; of 32 the oldest is closed.
 */
#include "bench/client/h2.h"
#include "bench/support/stats.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 32
#define STREAMS_OF_ONE 100
#define SMALL_BUFFER 2048
#define HELD_MAX 20000

struct manners {
	const char *name;
	bool reads;    /* the socket, and so the server's updates of windows */
	bool whole;    /* the message is sent to its end */
	bool resets;
	bool first;    /* the first body alone */
};

static const struct manners all[] = {
	{"never_read", false, true, false, false},
	{"half_message", true, false, false, false},
	{"reset", true, true, true, false},
	{"largest", true, true, false, true},
};

struct abuse {
	const struct options *options;
	const struct manners *manners;
	struct h2 connections[CONNECTIONS];
	size_t current, opened, sent, kept_back, answered, next_body;
};

static void
on_end(struct h2 *h2, const struct h2_stream *stream, enum h2_end end)
{
	(void)stream;
	((struct abuse *)h2->context)->answered += end == H2_ANSWERED;
}

static bool
renew(struct abuse *abuse)
{
	abuse->current = (abuse->current + 1) % CONNECTIONS;
	struct h2 *h2 = &abuse->connections[abuse->current];
	if (h2->in != NULL)
		h2_close(h2);
	h2->on_end = on_end;
	h2->context = abuse;
	abuse->opened++;
	return h2_connect(h2, abuse->options->address, abuse->options->path, 0x7fffffff,
	                  abuse->manners->reads ? 0 : SMALL_BUFFER);
}

static bool
one_call(struct abuse *abuse)
{
	const struct manners *manners = abuse->manners;
	const struct bodies *bodies = &abuse->options->bodies;
	struct h2 *h2 = &abuse->connections[abuse->current];
	const struct body *body = &bodies->at[manners->first ? 0 : abuse->next_body++ % bodies->n];

	if (h2->gone || h2->open >= STREAMS_OF_ONE || (!manners->reads && h2->window < 32768)) {
		if (!renew(abuse))
			return false;
		h2 = &abuse->connections[abuse->current];
	}
	if (manners->first && h2->open > 0) {
		abuse->kept_back++; /* one at a time, so that the rate is what was asked for and no queue builds up */
		return true;
	}
	uint32_t id = h2_begin(h2, body->frame, manners->whole ? body->len : body->len / 2, manners->whole);
	if (id == 0)
		abuse->kept_back++;
	else
		abuse->sent++;
	if (id != 0 && manners->resets)
		h2_reset(h2, id);
	h2_flush(h2);
	return true;
}

static void
read_all(struct abuse *abuse)
{
	for (size_t i = 0; i < CONNECTIONS; i++) {
		struct h2 *h2 = &abuse->connections[i];
		if (h2->in == NULL || h2->gone)
			continue;
		if (abuse->manners->reads)
			h2_read(h2);
		h2_flush(h2);
	}
}

json_t *
client_abuse(const struct options *options)
{
	static struct abuse abuse;
	int64_t due = bench_now(), end = due + (int64_t)((options->warm + options->seconds) * 1e9);

	abuse.options = options;
	for (size_t i = 0; options->kind != NULL && i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i].name, options->kind) == 0)
			abuse.manners = &all[i];
	if (abuse.manners == NULL || !(options->rate > 0) || !renew(&abuse)) {
		fprintf(stderr, "client: abuse needs a kind, a rate and a server at %s\n", options->address);
		return NULL;
	}
	while (bench_now() < end) {
		const struct timespec nap = {.tv_nsec = 500000};
		while (bench_now() >= due) {
			due += (int64_t)(1e9 / options->rate);
			if (!one_call(&abuse)) {
				fprintf(stderr, "client: the server takes no more connections\n");
				return NULL;
			}
		}
		read_all(&abuse);
		nanosleep(&nap, NULL);
	}
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (abuse.connections[i].in != NULL)
			h2_close(&abuse.connections[i]);
	return json_pack("{s:s,s:s,s:f,s:I,s:I,s:I,s:I}", "mode", "abuse", "kind", options->kind, "rate", options->rate,
	                 "sent", (json_int_t)abuse.sent, "kept_back", (json_int_t)abuse.kept_back, "answered",
	                 (json_int_t)abuse.answered, "connections", (json_int_t)abuse.opened);
}

/* ---- holding ---- */

/* Let what was begun be answered, for a while. */
static void
settle(struct h2 *connections, size_t n, double seconds)
{
	for (int64_t end = bench_now() + (int64_t)(seconds * 1e9); bench_now() < end;) {
		const struct timespec nap = {.tv_nsec = 5000000};
		for (size_t i = 0; i < n; i++) {
			h2_read(&connections[i]);
			h2_flush(&connections[i]);
		}
		nanosleep(&nap, NULL);
	}
}

json_t *
client_hold(const struct options *options)
{
	size_t n = options->connections, gone = 0, held = 0;
	struct h2 *connections = calloc(n + 1, sizeof(*connections));
	bool streams = options->kind != NULL && strcmp(options->kind, "stream") == 0;
	char byte;

	for (size_t i = 0; connections != NULL && n <= HELD_MAX && i < n; i++) {
		if (!h2_connect(&connections[i], options->address, options->path, 0x7fffffff, 0)) {
			fprintf(stderr, "client: connection %zu of %zu failed\n", i + 1, n);
			return NULL;
		}
		/* A connection that was used once; or streams that stay open with nothing sent. */
		const struct body *body = &options->bodies.at[i % options->bodies.n];
		for (size_t s = 0; streams && s < options->streams; s++)
			h2_begin(&connections[i], body->frame, 0, false);
		if (!streams)
			h2_begin(&connections[i], body->frame, body->len, true);
		h2_flush(&connections[i]);
	}
	settle(connections, n, 0.5);
	for (size_t i = 0; i < n; i++) {
		gone += connections[i].gone;
		held += connections[i].open;
	}
	/* Whoever measures reads this line, measures, and closes our standard input. */
	printf("{\"connections\": %zu, \"gone\": %zu, \"streams\": %zu}\n", n, gone, held);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	for (size_t i = 0; i < n; i++)
		h2_close(&connections[i]);
	free(connections);
	return json_pack("{s:s}", "mode", "hold");
}

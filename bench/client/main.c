#include "bench/client/client.h"

#include "bench/support/stats.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define BODIES_BYTES_MAX ((size_t)256 << 20)

static const char usage[] =
	"client MODE ADDRESS BODIES [NAME=VALUE...]: one kind of load on a server, then a line of JSON\n"
	"  open    unary calls on a Poisson schedule of `rate` a second; latency from the scheduled time\n"
	"  sizes   each body once, one after the other: sizes of replies, failures; save=FILE: the reply of median size\n"
	"  frames  kind=batch or kind=stream: messages of `items` requests, `streams` of them in flight a connection\n"
	"  mix     unary calls in a closed loop on bare HTTP/2, the bodies in turn: `connections` x `streams`\n"
	"  abuse   kind=never_read, half_message, reset, largest: `rate` a second, by a client with bad manners\n"
	"  hold    kind=connection or stream: open `connections` (and `streams` on each), then wait for standard input to end\n"
	"  names: rate (1000), seconds (2), warm (0.5), connections (8), streams (32), items (1000), unpack (1: replies of\n"
	"         frames, each so-many-th), seed (1), path, kind, save, nap_us\n"
	"BODIES is a file of gRPC frames, as tools/bodies writes them.\n";

static const struct mode {
	const char *name;
	json_t *(*run)(const struct options *options);
} modes[] = {
	{"open", client_open},     {"sizes", client_sizes}, {"frames", client_frames},
	{"mix", client_mix},       {"abuse", client_abuse}, {"hold", client_hold},
};

/* ---- samples ---- */

bool
samples_init(struct samples *samples, size_t max)
{
	*samples = (struct samples){.at = malloc((max + 1) * sizeof(*samples->at)), .max = max};
	return samples->at != NULL;
}

void
samples_add(struct samples *samples, int64_t ns)
{
	if (samples->n < samples->max)
		samples->at[samples->n++] = (double)ns;
	else
		samples->lost++;
}

void
samples_release(struct samples *samples)
{
	free(samples->at);
	*samples = (struct samples){0};
}

static double
at_percent(const struct samples *samples, double percent)
{
	size_t rank = (size_t)((double)samples->n * percent / 100);

	return samples->n == 0 ? 0 : samples->at[rank < samples->n ? rank : samples->n - 1] / 1000;
}

json_t *
samples_json(struct samples *samples)
{
	static const double percents[] = {1, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99};
	struct bench_stats stats = bench_stats_of(samples->at, samples->n);
	json_t *curve = json_array();

	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
		json_array_append_new(curve, json_pack("[f,f]", percents[i], at_percent(samples, percents[i])));
	return json_pack("{s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:o}", "n", (json_int_t)samples->n, "lost",
	                 (json_int_t)samples->lost, "mean", stats.mean / 1000, "p50", at_percent(samples, 50), "p90",
	                 at_percent(samples, 90), "p99", at_percent(samples, 99), "p999", at_percent(samples, 99.9), "max",
	                 stats.max / 1000, "curve", curve);
}

/* ---- bodies ---- */

static size_t
frame_len(const uint8_t *head)
{
	return BODY_HEAD + ((size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4]);
}

static bool
split(struct bodies *bodies, size_t len)
{
	for (size_t at = 0; at < len; at += frame_len(bodies->bytes + at)) {
		if (len - at < BODY_HEAD || frame_len(bodies->bytes + at) > len - at)
			return false;
		if ((bodies->n & (bodies->n + 1)) == 0) {
			struct body *more = realloc(bodies->at, (2 * bodies->n + 2) * sizeof(*more));
			if (more == NULL)
				return false;
			bodies->at = more;
		}
		bodies->at[bodies->n++] = (struct body){bodies->bytes + at, frame_len(bodies->bytes + at)};
	}
	return bodies->n > 0;
}

static bool
read_bodies(const char *path, struct bodies *ret)
{
	FILE *file = fopen(path, "rb");
	size_t len = 0;

	*ret = (struct bodies){.bytes = malloc(BODIES_BYTES_MAX)};
	if (file != NULL && ret->bytes != NULL)
		len = fread(ret->bytes, 1, BODIES_BYTES_MAX, file);
	if (file != NULL)
		fclose(file);
	return ret->bytes != NULL && split(ret, len);
}

/* ---- the command line ---- */

static bool
take(struct options *options, const char *argument)
{
	const char *value = strchr(argument, '=');
	size_t len = value != NULL ? (size_t)(value - argument) : 0;
	char *end;

#define NAMED(text) (len == strlen(text) && strncmp(argument, text, len) == 0)
	if (value == NULL)
		return false;
	value++;
	if (NAMED("kind"))
		return (options->kind = value) != NULL;
	if (NAMED("path"))
		return (options->path = value) != NULL;
	if (NAMED("save"))
		return (options->save = value) != NULL;
	double number = strtod(value, &end);
	if (end == value || *end != '\0' || !(number >= 0) || number > 1e9)
		return false;
	if (NAMED("rate"))
		options->rate = number;
	else if (NAMED("seconds"))
		options->seconds = number;
	else if (NAMED("warm"))
		options->warm = number;
	else if (NAMED("connections"))
		options->connections = (size_t)number;
	else if (NAMED("streams"))
		options->streams = (size_t)number;
	else if (NAMED("items"))
		options->items = (size_t)number;
	else if (NAMED("unpack"))
		options->unpack = (size_t)number;
	else if (NAMED("seed"))
		options->seed = (uint64_t)number;
	else if (NAMED("nap_us"))
		options->nap_us = number;
	else
		return false;
#undef NAMED
	return true;
}

/* Processor time of this process: what the client itself costs, to see when it is the client that is measured. */
static double
used(void)
{
	struct rusage all;

	getrusage(RUSAGE_SELF, &all);
	return (double)(all.ru_utime.tv_sec + all.ru_stime.tv_sec) +
	       (double)(all.ru_utime.tv_usec + all.ru_stime.tv_usec) / 1e6;
}

int
main(int argc, char **argv)
{
	struct options options = {
		.path = "/pratique.v1.DecisionService/Decide",
		.rate = 1000,
		.seconds = 2,
		.warm = 0.5,
		.connections = 8,
		.streams = 32,
		.items = 1000,
		.unpack = 1,
		.seed = 1,
	};
	const struct mode *mode = NULL;

	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			mode = &modes[i];
	bool fine = mode != NULL && argc >= 4;
	for (int i = 4; fine && i < argc; i++)
		fine = take(&options, argv[i]);
	if (!fine) {
		fputs(usage, stderr);
		return 2;
	}
	options.address = argv[2];
	if (!read_bodies(argv[3], &options.bodies)) {
		fprintf(stderr, "client: %s is no file of gRPC frames\n", argv[3]);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	json_t *result = mode->run(&options);
	free(options.bodies.at);
	free(options.bodies.bytes);
	if (result == NULL)
		return 1;
	json_object_set_new(result, "client_cpu_s", json_real(used()));
	json_dumpf(result, stdout, JSON_REAL_PRECISION(7));
	putchar('\n');
	json_decref(result);
	return fflush(stdout) == 0 ? 0 : 1;
}

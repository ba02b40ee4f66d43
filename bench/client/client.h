/**
 * The load client: `bench_client MODE ADDRESS BODIES [NAME=NUMBER...]`. Each mode is a file; it prints one line of JSON.
 *
 * One thread. Latencies are in nanoseconds inside and in microseconds in what is printed.
 */
#ifndef PQ_BENCH_CLIENT_H
#define PQ_BENCH_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bodies that can be sent: a file of gRPC frames (five bytes of head, the message), one after the other. */
struct bodies {
	struct body {
		const uint8_t *frame; /* with its head */
		size_t len;           /* of the frame */
	} *at;
	size_t n;
	uint8_t *bytes;
};

enum { BODY_HEAD = 5 };

/** What the command line says. Numbers that a mode does not look at are ignored. */
struct options {
	const char *address; /* "127.0.0.1:8300" or, for the modes on gRPC, "unix:/path" */
	const char *path;    /* of the method */
	struct bodies bodies;
	double rate;                  /* calls a second; of the modes with a schedule */
	double seconds, warm;         /* measured, and before that */
	size_t connections, streams;  /* streams: in flight on each connection */
	size_t items;                 /* of a batch or a frame */
	size_t unpack;                /* `frames`: each so-many-th reply is unpacked; 0 = none */
	uint64_t seed;
	const char *kind; /* of abuse, of frames */
	const char *save; /* `sizes`: where the reply of median size goes */
	double nap_us;    /* `open`: sleep so long between two looks instead of spinning; 0 = spin */
};

/** The modes. Each returns the JSON to print, or NULL after a message to standard error. */
json_t *client_open(const struct options *options);
json_t *client_sizes(const struct options *options);
json_t *client_frames(const struct options *options);
json_t *client_mix(const struct options *options);
json_t *client_abuse(const struct options *options);
json_t *client_hold(const struct options *options);

/** Samples of latency, in nanoseconds; what does not fit is counted in `lost`. */
struct samples {
	double *at;
	size_t n, max, lost;
};

bool samples_init(struct samples *samples, size_t max);
void samples_add(struct samples *samples, int64_t ns);
void samples_release(struct samples *samples);
/** {"n", "mean", "p50", "p90", "p99", "p999", "max"} in microseconds, and "curve": [[percent, microseconds], ...]. Sorts. */
json_t *samples_json(struct samples *samples);

#endif

/*
 * Each body once, one call at a time: how large the replies are and how many are refused. The reply whose size is the
 * median one can be kept for the floor servers.
 */
#include "bench/client/grpc.h"
#include "bench/support/stats.h"

#include <grpc/byte_buffer_reader.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool
ask(struct channels *channels, struct unary *unary, const struct body *body)
{
	grpc_slice slice = grpc_slice_from_static_buffer(body->frame + BODY_HEAD, body->len - BODY_HEAD);

	if (!unary_start(unary, channels, 0, slice, NULL))
		return false;
	gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(10, GPR_TIMESPAN));
	return grpc_completion_queue_next(channels->queue, deadline, NULL).type == GRPC_OP_COMPLETE;
}

/* The first body whose reply is as long as the median: its reply again, into the file. Returns the body, -1 = failed. */
static long
save(struct channels *channels, struct unary *unary, const struct options *options, const double *sizes, double median)
{
	size_t best = 0, bytes;

	for (size_t i = 1; i < options->bodies.n; i++)
		if (fabs(sizes[i] - median) < fabs(sizes[best] - median))
			best = i;
	if (!ask(channels, unary, &options->bodies.at[best]))
		return -1;
	grpc_byte_buffer_reader reader;
	FILE *file = fopen(options->save, "wb");
	bool fine = file != NULL && unary->in != NULL && grpc_byte_buffer_reader_init(&reader, unary->in);
	if (fine) {
		grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
		fine = fwrite(GRPC_SLICE_START_PTR(all), 1, GRPC_SLICE_LENGTH(all), file) == GRPC_SLICE_LENGTH(all);
		grpc_slice_unref(all);
		grpc_byte_buffer_reader_destroy(&reader);
	}
	if (file != NULL && fclose(file) != 0)
		fine = false;
	unary_end(unary, &bytes);
	return fine ? (long)best : -1;
}

json_t *
client_sizes(const struct options *options)
{
	struct channels channels;
	struct unary unary;
	size_t n = options->bodies.n, refused = 0, bytes;
	double *sizes = calloc(n, sizeof(*sizes)), *sorted = calloc(n, sizeof(*sorted));
	json_t *each = json_array();

	grpc_init();
	unary_init(&unary);
	if (sizes == NULL || sorted == NULL || !channels_init(&channels, options, 1, options->path))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (!ask(&channels, &unary, &options->bodies.at[i])) {
			fprintf(stderr, "client: body %zu is not answered\n", i);
			return NULL;
		}
		refused += unary.code != GRPC_STATUS_OK;
		unary_end(&unary, &bytes);
		sizes[i] = sorted[i] = (double)bytes;
		json_array_append_new(each, json_integer((json_int_t)bytes));
	}
	struct bench_stats stats = bench_stats_of(sorted, n);
	long kept = options->save != NULL ? save(&channels, &unary, options, sizes, stats.median) : 0;
	if (kept < 0)
		fprintf(stderr, "client: %s could not be written\n", options->save);
	unary_release(&unary);
	channels_release(&channels);
	grpc_shutdown();
	free(sizes);
	free(sorted);
	return kept < 0 ? NULL
	                : json_pack("{s:s,s:I,s:I,s:f,s:f,s:f,s:f,s:I,s:o}", "mode", "sizes", "n", (json_int_t)n, "refused",
	                            (json_int_t)refused, "median", stats.median, "mean", stats.mean, "p99", stats.p99, "max",
	                            stats.max, "saved", (json_int_t)kept, "each", each);
}

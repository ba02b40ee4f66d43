/**
 * A gRPC client for tests that sends whatever bytes it is told to.
 *
 * Threads: a client belongs to one thread at a time.
 */
#ifndef PQ_TESTS_RAW_CLIENT_H
#define PQ_TESTS_RAW_CLIENT_H

#include <grpc/grpc.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct raw_client {
	grpc_channel *channel;
	grpc_completion_queue *queue;
};

/** How a call ended. */
struct raw_end {
	grpc_status_code code;
	char message[1024];
	uint8_t *details; /* of grpc-status-details-bin; NULL = none */
	size_t details_len;
	uint8_t *reply; /* of a unary call; NULL = none */
	size_t reply_len;
};

void raw_client_open(struct raw_client *client, const char *address);
void raw_client_close(struct raw_client *client);

/** One unary call. *ret ends with raw_end_free(). `gzip` compresses the request. */
void raw_call(struct raw_client *client, const char *method, const void *data, size_t len, int timeout_ms, bool gzip,
              struct raw_end *ret);
void raw_end_free(struct raw_end *end);

/** A stream that this side writes to and reads from. */
struct raw_stream {
	struct raw_client *client;
	grpc_call *call;
	grpc_metadata_array initial, trailing;
	bool greeted; /* the initial metadata have been asked for */
	grpc_status_code code;
	grpc_slice message;
};

void raw_stream_open(struct raw_stream *stream, struct raw_client *client, const char *method, int timeout_ms);
/** False: the stream is broken. */
bool raw_stream_write(struct raw_stream *stream, const void *data, size_t len);
void raw_stream_half_close(struct raw_stream *stream);
/** The next message, to be freed by free(); NULL = there is none any more. */
uint8_t *raw_stream_read(struct raw_stream *stream, size_t *ret_len);
void raw_stream_cancel(struct raw_stream *stream);
/** Wait for the end; the stream is gone after it. */
grpc_status_code raw_stream_end(struct raw_stream *stream);

#endif

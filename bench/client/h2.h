/**
 * Just enough HTTP/2 to put gRPC calls on a socket and to see them end: for loads that a library would make too dear, and
 * for manners that no library has. Headers are written without Huffman codes or a table; those received are not read.
 * So a call that ends without a message counts as refused, and what its status is, is not known.
 */
#ifndef PQ_BENCH_CLIENT_H2_H
#define PQ_BENCH_CLIENT_H2_H

#include "bench/client/client.h"

/** Streams that may be open at once on a connection; a power of two. */
#define H2_STREAMS_MAX 1024

struct h2_stream {
	int64_t begun;
	size_t bytes; /* of messages received */
};

enum h2_end { H2_ANSWERED, H2_REFUSED, H2_RESET };

struct h2 {
	int fd; /* -1: closed */
	uint8_t *in, *out;
	size_t in_len, out_len, out_at, out_max;
	uint32_t next_id;
	int64_t window;   /* bytes that the peer takes on the connection now */
	int64_t received; /* since the peer was last given more */
	size_t open;      /* streams that were begun and have not ended */
	bool gone;        /* the peer closed, or told us to go away */
	uint8_t headers[512];
	size_t headers_len;
	struct h2_stream streams[H2_STREAMS_MAX];
	void (*on_end)(struct h2 *h2, const struct h2_stream *stream, enum h2_end end);
	void *context;
};

/** Connect (TCP, "host:port" with a numeric host) and greet. `stream_window`: what the peer may send on a stream. */
bool h2_connect(struct h2 *h2, const char *address, const char *path, uint32_t stream_window, int receive_buffer);
void h2_close(struct h2 *h2);

/** Begin a stream; `end`: nothing follows `len` bytes of `frame`. Returns its id, 0 = no room now. */
uint32_t h2_begin(struct h2 *h2, const uint8_t *frame, size_t len, bool end);
/** Reset a stream (CANCEL). */
void h2_reset(struct h2 *h2, uint32_t id);
/** Write what is buffered, as far as the socket takes it. */
void h2_flush(struct h2 *h2);
/** Read what has come, as long as there is something, and answer what HTTP/2 wants answered. */
void h2_read(struct h2 *h2);

#endif

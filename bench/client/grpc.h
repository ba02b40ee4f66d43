/** The part that is on gRPC C core: channels and unary calls of whole messages. One thread, one completion queue. */
#ifndef PQ_BENCH_CLIENT_GRPC_H
#define PQ_BENCH_CLIENT_GRPC_H

#include "bench/client/client.h"

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

struct channels {
	grpc_channel **at;
	void **methods; /* registered, one a channel */
	size_t n;
	grpc_completion_queue *queue;
};

/** Connect n channels, each a connection of its own, and wait until they are ready. False after a message. */
bool channels_init(struct channels *channels, const struct options *options, size_t n, const char *path);
void channels_release(struct channels *channels);

/** A unary call; its slots are used again. */
struct unary {
	grpc_call *call;
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *in, *out;
	grpc_status_code code;
	grpc_slice details;
	int64_t due; /* when it should have been sent */
	size_t body;
	struct unary *next; /* free */
};

void unary_init(struct unary *unary);
/** `tag` comes back on the queue, or for NULL the call itself. `body` stays the caller's. */
bool unary_start(struct unary *unary, struct channels *channels, size_t channel, grpc_slice body, void *tag);
/** After its tag came back: gives back what the call held. `*ret_bytes` is the reply's length. */
void unary_end(struct unary *unary, size_t *ret_bytes);
void unary_release(struct unary *unary);

#endif

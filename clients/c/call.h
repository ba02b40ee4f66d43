/* Calls over gRPC C core, one at a time, answered before they return. */
#ifndef CALL_H
#define CALL_H

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct client {
	grpc_channel *channel;
	grpc_completion_queue *queue;
	double seconds; /* each call's deadline from its start */
};

/** How a call ended. Its members are freed by call_status_free(). */
struct call_status {
	grpc_status_code code;
	char *message;
	unsigned char *details; /* google.rpc.Status, `n_details` bytes; NULL = none came */
	size_t n_details;
};

/** `ca` NULL: not encrypted. `cert` and `key` for mTLS, or NULL. Each is a path. False: a file cannot be read. */
bool client_open(struct client *client, const char *target, const char *ca, const char *cert, const char *key);
void client_close(struct client *client);

/** Gets the bytes of an answer; they end with the call to it. */
typedef void answer_fn(const unsigned char *bytes, size_t len);

/**
 * Send `n` messages, one after the other, and take an answer to each: one is a unary call, several are a stream.
 * `status` is filled in any case.
 */
void client_call(struct client *client, const char *method, ProtobufCMessage *const *messages, size_t n,
                 answer_fn *answer, struct call_status *status);
void call_status_free(struct call_status *status);

#endif

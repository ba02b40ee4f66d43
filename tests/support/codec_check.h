/**
 * Holds the codec against its reference: convert.h and protobuf-c. Where they differ it says how, and aborts.
 */
#ifndef PQ_TESTS_SUPPORT_CODEC_CHECK_H
#define PQ_TESTS_SUPPORT_CODEC_CHECK_H

#include "policy/decision.h"
#include "server/codec.h"

/**
 * Decode the bytes both ways: what the plain decoder takes, the reference takes too, and both have the same request.
 * True: the reference takes them; *ret_request is its request and lives in `arena`. *ret_plain: so does the plain decoder.
 */
bool codec_check_request(const uint8_t *data, size_t len, struct pq_arena *arena, struct pq_request *ret_request,
                         bool *ret_plain);

/** Encode the decision both ways, as an answer of its own and as a result of a batch: the same bytes. */
void codec_check_decision(struct pq_encoder *encoder, const struct pq_decision *decision, struct pq_arena *arena);

#endif

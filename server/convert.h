/**
 * Between messages and the structures of policy/.
 *
 * Ownership: results live in the arena; a request also points into its bytes' unpacked message, which lives there too.
 */
#ifndef PQ_SERVER_CONVERT_H
#define PQ_SERVER_CONVERT_H

#include "policy/arena.h"
#include "policy/decision.h"
#include "policy/facts.h"
#include "server/demand.h"
#include "server/violations.h"

#include "pratique/v1/decision.pb-c.h"

/** An allocator for protobuf-c that takes from `arena` and never gives back. */
ProtobufCAllocator pq_arena_allocator(struct pq_arena *arena);

/**
 * Check and read the bytes of a DecideRequest.
 *
 * Fails: PQ_EINVAL (`violations` has every field), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_request_decode(const void *data, size_t len, struct pq_arena *arena,
                                             struct pq_request *ret_request, struct pq_demand *ret_demand,
                                             struct pq_violations *violations);

/** The facts of an unpacked message whose texts have been checked. Fails as above. */
PQ_MUST_USE enum pq_status pq_request_from_message(const Pratique__V1__DecideRequest *message, struct pq_arena *arena,
                                                   struct pq_request *ret_request, struct pq_violations *violations);

/**
 * The reply's message for a decision.
 * Ownership: *ret_message points into `arena` and into what `decision` and `by` point to. Fails: PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_decision_to_message(const struct pq_decision *decision, const struct pq_answerer *by,
                                                  struct pq_arena *arena, Pratique__V1__DecideResponse **ret_message);

#endif

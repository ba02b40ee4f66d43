/**
 * Between the structures of policy/ and messages, as a client needs it.
 *
 * Ownership: results live in the arena; a request's message also points into the request.
 */
#ifndef PQ_CLI_REMOTE_CONVERT_H
#define PQ_CLI_REMOTE_CONVERT_H

#include "policy/arena.h"
#include "policy/decision.h"
#include "policy/facts.h"
#include "policy/status.h"

#include "pratique/v1/decision.pb-c.h"

/** The message for a request. Fails: PQ_ENOMEM. */
PQ_MUST_USE enum pq_status pq_request_to_message(const struct pq_request *request, struct pq_arena *arena,
                                                 Pratique__V1__DecideRequest **ret_message, struct pq_err *err);

/**
 * The decision in a reply. Texts are copied, so that the message may go.
 * Fails: PQ_EFORMAT (outcomes that this program does not know, references to rules that are not there), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_decision_from_message(const Pratique__V1__DecideResponse *message, struct pq_arena *arena,
                                                    struct pq_decision *ret_decision, struct pq_err *err);

#endif

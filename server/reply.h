/**
 * What a handler answers: a message, or a refusal with what clients need to mend it.
 */
#ifndef PQ_SERVER_REPLY_H
#define PQ_SERVER_REPLY_H

#include "policy/arena.h"
#include "policy/facts.h"
#include "policy/status.h"
#include "server/limits.h"

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>

/** Causes of refusals, for programs: ErrorInfo.reason of domain "pratique". */
#define PQ_REASON_INVALID_REQUEST "INVALID_REQUEST"     /* fields are wrong; BadRequest names them */
#define PQ_REASON_LIMIT_EXCEEDED "LIMIT_EXCEEDED"       /* of size, or of what an answer may cost */
#define PQ_REASON_DEADLINE_EXCEEDED "DEADLINE_EXCEEDED" /* passed before the request was looked at */
#define PQ_REASON_UNKNOWN_SERVICE "UNKNOWN_SERVICE"     /* asked of health */
#define PQ_REASON_SERVER_ENDING "SERVER_ENDING"
#define PQ_REASON_UNAUTHENTICATED "UNAUTHENTICATED" /* who asks is not known */
#define PQ_REASON_ROLE_MISSING "ROLE_MISSING"       /* who asks may not do this */
#define PQ_REASON_NO_REVISION "NO_REVISION"             /* none is active yet */
#define PQ_REASON_NO_CATALOG "NO_CATALOG"               /* the server has a store and no catalog */
#define PQ_REASON_FOLLOWS_ANOTHER "FOLLOWS_ANOTHER"     /* its catalog is another server's to change */
#define PQ_REASON_REVISION_NOT_REACHED "REVISION_NOT_REACHED" /* what is in force is older than min_revision */
#define PQ_REASON_KNOWLEDGE_TOO_OLD "KNOWLEDGE_TOO_OLD"       /* what is known of it is older than max_age_s */
#define PQ_REASON_REFUSED "REFUSED"                     /* by the catalog: the message says why */
#define PQ_REASON_INTERNAL "INTERNAL"

struct pq_reply {
	grpc_status_code code;
	char message[PQ_SERVER_MESSAGE_TEXT]; /* with other codes than OK */
	grpc_slice details;                   /* google.rpc.Status; empty = none */
	grpc_slice payload;                   /* with OK: the message */
};

/**
 * Answer with a message. It is packed at once and may go.
 * Ownership: the slices of a reply belong to whoever passes it on.
 */
void pq_reply_message(struct pq_reply *ret, const ProtobufCMessage *message);

/** Answer with the bytes of a message. They are copied. */
void pq_reply_bytes(struct pq_reply *ret, const void *bytes, size_t len);

/** Refuse. `violations` (n of them, 0 allowed) become a BadRequest, as many as fit. Scratch memory is in `arena`. */
void pq_reply_refuse(struct pq_reply *ret, struct pq_arena *arena, grpc_status_code code, const char *reason,
                     const struct pq_violation *violations, size_t n, const char *fmt, ...)
	__attribute__((format(printf, 7, 8)));

/** The code for a failure of the layers below. */
grpc_status_code pq_code_of(enum pq_status status);

/** "INVALID_ARGUMENT", for logs. */
const char *pq_code_name(grpc_status_code code);

#endif

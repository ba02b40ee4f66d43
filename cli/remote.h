/**
 * The client's side of DecisionService: a request goes to a server, the decision comes back as the evaluator would have
 * given it in process.
 *
 * Addresses are gRPC targets: "unix:/run/pratique/pratique.sock", "127.0.0.1:8300", "pratique.example:8300". No proxy is
 * asked. cli/channel.h says how the connection is encrypted, and who asks.
 *
 * Threads: a handle belongs to one thread at a time; different handles may be used at once.
 * Fails:   err carries the server's words: its message in `msg`, the first field that it refuses in `where`.
 *              PQ_EINVAL    it refuses the request (INVALID_ARGUMENT), or the address is none
 *              PQ_ELIMIT    the request or the reply is over a bound (RESOURCE_EXHAUSTED)
 *              PQ_EIO       it cannot be reached, or did not answer in time (UNAVAILABLE, DEADLINE_EXCEEDED)
 *              PQ_EFORMAT   what answers does not speak this API
 *              PQ_EFAILED   any other refusal
 *              PQ_ENOMEM
 */
#ifndef PQ_CLI_REMOTE_H
#define PQ_CLI_REMOTE_H

#include "cli/channel.h"
#include "policy/arena.h"
#include "policy/decision.h"
#include "policy/facts.h"
#include "policy/status.h"
#include "server/demand.h"

/** Hexadecimal digits of a revision's digest, with the final NUL. */
#define PQ_REMOTE_DIGEST_TEXT 65

struct pq_remote;

/** What else a reply says. */
struct pq_remote_reply {
	char digest[PQ_REMOTE_DIGEST_TEXT]; /* of the revision that answered, lower-case hexadecimal */
	struct pq_answerer by;              /* that revision but for its digest, which is NULL here */
	/* With PQ_EINVAL from the server: every field that it refuses. They live in the arena. */
	const struct pq_violation *violations;
	size_t n_violations;
};

/**
 * Prepare a connection; nothing is sent yet. `access` may be NULL: plain, and without a token.
 * Ownership: *ret_remote is the caller's, pq_remote_free() ends it.
 */
PQ_MUST_USE enum pq_status pq_remote_new(const char *address, const struct pq_channel_access *access,
                                         struct pq_remote **ret_remote, struct pq_err *err);

/** Ask for law that is as new as this, from the next question on. */
void pq_remote_demand(struct pq_remote *remote, const struct pq_demand *demand);

/** NULL is allowed. */
void pq_remote_free(struct pq_remote *remote);

/**
 * Ask for one decision.
 *
 * Ownership: reads `request`; *ret_decision lives in `arena`, wholly (no image behind it).
 * Units:     timeout_ms counts from now, connecting included; 0 or less = 10 seconds.
 * Out:       *ret_reply (NULL allowed) is filled on success, and on failure as far as the server said.
 */
PQ_MUST_USE enum pq_status pq_remote_ask(struct pq_remote *remote, const struct pq_request *request, int timeout_ms,
                                         struct pq_arena *arena, struct pq_decision *ret_decision,
                                         struct pq_remote_reply *ret_reply, struct pq_err *err);

/** pq_remote_new(), without access, pq_remote_ask() and pq_remote_free() in one. */
PQ_MUST_USE enum pq_status pq_remote_decide(const char *address, const struct pq_request *request, int timeout_ms,
                                            struct pq_arena *arena, struct pq_decision *ret_decision,
                                            struct pq_err *err);

#endif

/**
 * The methods that the server answers: one table, from which they are registered, dispatched, bounded and counted.
 */
#ifndef PQ_SERVER_RPC_H
#define PQ_SERVER_RPC_H

#include "server/access.h"
#include "server/reply.h"

#include <stdint.h>

struct pq_keeper;
struct pq_worker;

/** A message as it came, in one piece. Lives until the handler returns. */
struct pq_bytes {
	const uint8_t *data;
	size_t len;
};

enum pq_rpc_shape {
	PQ_RPC_UNARY,  /* a message, an answer */
	PQ_RPC_DESK,   /* the same, made at the keeper's desk */
	PQ_RPC_WATCH,  /* a message, then an answer now and with each change of the server's state */
	PQ_RPC_DIALOG, /* answers as messages come, until the client is done */
	PQ_RPC_UPLOAD, /* messages, then an answer: server/upload.c */
	PQ_RPC_SUPPLY, /* a message, then many answers: server/supply.c */
	PQ_RPC_BATCH,  /* a message of many requests, an answer; worked off in slices */
	PQ_RPC_FRAMES, /* such messages, as they come */
};

/**
 * A handler. It runs on a worker's thread, may use worker->arena as scratch (it is reset afterwards), must not block, and
 * always fills *ret.
 *
 * `state` is a number that belongs to the stream (0 at first): what a watch remembers of its question. NULL for unary
 * methods. `in` is NULL when a watch is asked to answer again because the server's state changed.
 *
 * What a handler of a unary method cannot finish within a slice it leaves in worker->large; *ret is not filled then.
 *
 * Batches and frames have no handler: server/frames.c takes them, server/batch.c works them off.
 */
typedef void (*pq_rpc_handler)(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret);

/** On which listeners a method is answered. */
enum pq_rpc_place {
	PQ_RPC_EVERYWHERE,
	PQ_RPC_ON_MAIN,  /* --listen */
	PQ_RPC_ON_ADMIN, /* --admin-listen; with --admin-on-main also there */
};
/** What is done for a method at the keeper's desk; it may block. Always fills *ret; scratch memory is keeper->arena. */
typedef void (*pq_rpc_work)(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret);

struct pq_rpc {
	const char *path; /* "/package.Service/Method" */
	enum pq_rpc_shape shape;
	pq_rpc_handler handler;
	unsigned roles; /* enum pq_roles, one of which is needed; NONE is a mistake, which keeps the server from starting */
	enum pq_rpc_place place;
	pq_rpc_work work; /* of PQ_RPC_DESK */
	size_t message_bytes; /* of a request; 0 = the server's bound (--max-message-bytes) */
	bool prompt;          /* of a watch: changes are told at once, and not within a quarter of a second */
	unsigned posted;      /* calls that a worker has posted; of streams one, whatever stands here */
	const char *metric;   /* name in counts and logs */
};

enum pq_rpc_index {
	PQ_RPC_DECIDE,
	PQ_RPC_BATCH_DECIDE,
	PQ_RPC_STREAM_DECIDE,
	PQ_RPC_HEALTH_CHECK,
	PQ_RPC_HEALTH_WATCH,
	PQ_RPC_REFLECTION_V1,
	PQ_RPC_REFLECTION_V1ALPHA,
	PQ_RPC_PUBLISH,
	PQ_RPC_ACTIVATE,
	PQ_RPC_SCHEDULE,
	PQ_RPC_CANCEL,
	PQ_RPC_ROLLBACK,
	PQ_RPC_LIST_REVISIONS,
	PQ_RPC_GET_REVISION,
	PQ_RPC_PRUNE,
	PQ_RPC_READ_JOURNAL,
	PQ_RPC_WATCH_REVISIONS,
	PQ_RPC_FETCH_SNAPSHOT,
	PQ_RPC_REPORT,
	PQ_RPC_LIST_REPLICAS,
	PQ_RPC_COUNT
};

extern const struct pq_rpc pq_rpcs[PQ_RPC_COUNT];

/* The handlers, each in a file of its own. */
void pq_handle_decide(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret);
void pq_handle_health_check(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret);
void pq_handle_health_watch(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret);
void pq_handle_reflection(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret);
void pq_handle_watch_revisions(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret);
void pq_handle_report(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret);
void pq_handle_list_replicas(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret);

#endif

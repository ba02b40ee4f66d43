/**
 * Whether a caller may do what it asks for: the method's roles (server/rpc.c) against what the caller shows.
 *
 * Threads: those of the worker.
 */
#ifndef PQ_SERVER_ADMIT_H
#define PQ_SERVER_ADMIT_H

#include "server/server.h"

/**
 * The slow part of pq_admits(). False: *ret is the refusal; scratch memory is in worker->arena, which is empty again
 * afterwards.
 */
bool pq_admit_look(struct pq_worker *worker, enum pq_rpc_index index, grpc_call *call,
                   const grpc_metadata_array *metadata, struct pq_reply *ret);

/** May the call be handled? A server that asks for neither certificates nor roles pays one comparison for it. */
static inline bool
pq_admits(struct pq_worker *worker, enum pq_rpc_index index, grpc_call *call, const grpc_metadata_array *metadata,
          struct pq_reply *ret)
{
	return !worker->server->guarded || pq_admit_look(worker, index, call, metadata, ret);
}

#endif

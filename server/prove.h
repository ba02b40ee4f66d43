/**
 * A store's own cases, run before it may answer.
 *
 * Threads: any number at once.
 */
#ifndef PQ_SERVER_PROVE_H
#define PQ_SERVER_PROVE_H

#include "policy/status.h"
#include "storage/store.h"

/**
 * Run all cases of an open store; a prover of catalogs (storage/catalog.h). `context` is not used.
 * Fails: PQ_EFAILED (cases fail: err says how many and which comes first), PQ_EFORMAT, PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_prove(void *context, const struct pq_store *store, struct pq_err *err);

#endif

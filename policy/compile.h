/**
 * The compiler: from a model to the images of a revision (docs/store-format.md).
 */
#ifndef PQ_POLICY_COMPILE_H
#define PQ_POLICY_COMPILE_H

#include "policy/arena.h"
#include "policy/image.h"
#include "policy/model.h"
#include "policy/status.h"

/**
 * Compile a model. Equal models give equal bytes.
 *
 * Ownership: *ret_blobs and what it points to live in `arena`; the model may go afterwards.
 * Fails:     PQ_EPARSE (a cycle between attributes; err has the place), PQ_ELIMIT, PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_compile(const struct pq_model *model, struct pq_arena *arena,
                                      const struct pq_blob **ret_blobs, size_t *ret_n, struct pq_err *err);

/** Rules from which on their space is block-sparse (docs/store-format.md): below, whole bitmaps are smaller and faster. */
#define PQ_SPARSE_FROM 8192

/** The same with another bound than PQ_SPARSE_FROM, for tests: answers are the same whatever it is. */
PQ_MUST_USE enum pq_status pq_compile_sparse_from(const struct pq_model *model, size_t sparse_from,
                                                  struct pq_arena *arena, const struct pq_blob **ret_blobs,
                                                  size_t *ret_n, struct pq_err *err);

#endif

/** The store that benchmarks measure on. */
#ifndef PQ_BENCH_STORE_H
#define PQ_BENCH_STORE_H

#include "policy/image.h"
#include "policy/status.h"
#include "storage/store.h"

/** An opened revision. Ends with bench_store_close(). */
struct bench_store {
	struct pq_store *store;
	struct pq_image *image;
	char digest[PQ_DIGEST_HEX_BYTES];
};

/**
 * Open the sealed store at `path` as the server does; where `path` is NULL, first seal the US packs of rules/ (from the
 * root of the repository, where ./dev stands) into build/bench/us.mdb.
 *
 * Fails: as pq_build_load(), pq_build_compile(), pq_store_seal(), pq_store_open(), pq_image_open(). What the packs'
 *        loader finds goes to standard error.
 */
PQ_MUST_USE enum pq_status bench_store_open(const char *path, struct bench_store *ret, struct pq_err *err);

void bench_store_close(struct bench_store *store);

#endif

/**
 * Packs on their way to a revision: folders read, model loaded, images compiled, the packs' own cases run.
 */
#ifndef PQ_CLI_PACKS_H
#define PQ_CLI_PACKS_H

#include "policy/arena.h"
#include "policy/image.h"
#include "policy/pack.h"
#include "policy/status.h"
#include "storage/store.h"

#include <stdio.h>

/** What has become of the packs so far. Everything points into `arena`, but the image, which is the build's own. */
struct pq_build {
	struct pq_arena arena;
	struct pq_model *model;
	struct pq_findings findings;
	const struct pq_blob *blobs;
	size_t n_blobs;
	struct pq_image *image;
};

/** Start a build that holds nothing; pq_build_release() ends it, after failures too. */
void pq_build_init(struct pq_build *build);
void pq_build_release(struct pq_build *build);

/**
 * Read the folders and load their packs. Findings are printed to `out`, a line each, with paths as the folders were
 * given ("rules/us/pack.yaml:3:1: error: ...").
 *
 * Fails: as pq_files_read() and pq_model_load(); with PQ_EPARSE the findings have been printed, and say it all.
 *        PQ_EINVAL: two folders of one name.
 */
PQ_MUST_USE enum pq_status pq_build_load(struct pq_build *build, char *const *dirs, size_t n_dirs, FILE *out,
                                         struct pq_err *err);

/** Print findings, likewise. */
void pq_build_print_findings(const struct pq_findings *findings, char *const *dirs, size_t n_dirs, FILE *out);

/** Compile the model and open the image, in memory. */
PQ_MUST_USE enum pq_status pq_build_compile(struct pq_build *build, struct pq_err *err);

/**
 * Run the cases that the image holds. Each failure is printed to `out`: where the case stands, its id, what was
 * expected and what came. Returns the number of failures; *ret_n is the number of cases.
 */
size_t pq_build_cases(const struct pq_build *build, FILE *out, size_t *ret_n);

/**
 * Run the cases of an open store; a prover of catalogs (storage/catalog.h). `ctx` is a FILE for the failures.
 * Fails: PQ_EFAILED (cases fail: err says how many), and as pq_image_open().
 */
PQ_MUST_USE enum pq_status pq_packs_prove(void *ctx, const struct pq_store *store, struct pq_err *err);

#endif

/**
 * The loader: from the files of packs to a model, with every fault of a run reported at its file, line and column.
 */
#ifndef PQ_POLICY_PACK_H
#define PQ_POLICY_PACK_H

#include "policy/arena.h"
#include "policy/model.h"
#include "policy/status.h"

/** A file of a pack, in memory. `path` is relative to the folder that holds the packs: "us-ear/rules/chart.yaml". */
struct pq_pack_file {
	const char *path;
	const char *data;
	size_t len;
};

enum pq_severity { PQ_SEVERITY_ERROR, PQ_SEVERITY_WARNING };

struct pq_finding {
	enum pq_severity severity;
	struct pq_src src;
	const char *text;
};

/** All findings of a run, in the order of files and lines. */
struct pq_findings {
	struct pq_finding *at;
	size_t n;
	size_t n_errors;   /* all that were found, also where not all are in the list */
	size_t n_warnings; /* likewise */
};

/**
 * Load packs. `files` holds all files of all packs, grouped by pack in the order in which the packs are given; a pack
 * may use what an earlier one declares.
 *
 * Ownership: the model and the findings live in `arena`; `files` may go afterwards.
 * Fails:     PQ_EPARSE when there is any finding of severity ERROR (err has the first, *ret_findings all; the model is
 *            untouched), PQ_ENOMEM, PQ_ELIMIT. Warnings alone do not fail.
 */
PQ_MUST_USE enum pq_status pq_model_load(const struct pq_pack_file *files, size_t n_files, struct pq_arena *arena,
                                         struct pq_model **ret_model, struct pq_findings *ret_findings,
                                         struct pq_err *err);

#endif

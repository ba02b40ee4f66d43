/**
 * Where decisions come from: a sealed store that is opened here, a server, or an image in memory.
 *
 * Threads: a source belongs to one thread.
 */
#ifndef PQ_CLI_SOURCE_H
#define PQ_CLI_SOURCE_H

#include "cli/remote.h"
#include "policy/arena.h"
#include "policy/decide.h"
#include "policy/image.h"
#include "policy/status.h"
#include "storage/store.h"

struct pq_source {
	struct pq_store *store;             /* with a store; owns what `image` points into */
	const struct pq_image *image;       /* with a store, or alone (the caller's) */
	struct pq_evaluator *evaluator;     /* of `image`; made by the first question */
	struct pq_image *opened;            /* the image that pq_source_close() closes */
	struct pq_remote *remote;           /* with a server */
	int timeout_ms;                     /* for each question to a server */
	char digest[PQ_REMOTE_DIGEST_TEXT]; /* of the revision that answers; "" = none is known yet */
	struct pq_answerer by;              /* the one that a server answered by; zero: a store */
};

/** Open a store file and the images in it. Fails: as pq_store_open() and pq_image_open(). */
PQ_MUST_USE enum pq_status pq_source_open_store(struct pq_source *source, const char *path, struct pq_err *err);

/** Prepare to ask a server. Fails: as pq_remote_new(). */
PQ_MUST_USE enum pq_status pq_source_open_server(struct pq_source *source, const char *address,
                                                 const struct pq_channel_access *access, int timeout_ms,
                                                 struct pq_err *err);

/** Use an image that is open already and stays the caller's. */
void pq_source_use_image(struct pq_source *source, const struct pq_image *image);

/** End a source that was opened, or is all zero. */
void pq_source_close(struct pq_source *source);

/**
 * Decide. As pq_decide(), wherever the answer is made; PQ_EINVAL is the request's fault (see the violations), all else
 * the source's. The decision lives until pq_source_close() at the longest.
 */
PQ_MUST_USE enum pq_status pq_source_decide(struct pq_source *source, const struct pq_request *request,
                                            struct pq_arena *arena, struct pq_decision *ret_decision,
                                            const struct pq_violation **ret_violations, size_t *ret_n_violations,
                                            struct pq_err *err);

#endif

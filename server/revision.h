/**
 * A revision that is open for answering, and the place where the current one is published.
 *
 * Invariant: a request is answered by one revision from its first byte to its last. Each worker holds a reference of its
 * own and adopts what was published between two requests; the store is unmapped when the last holder lets go.
 *
 * Threads: a revision does not change. hold and release may be called by any thread; the publisher's functions too.
 *          A worker's own `struct pq_revision_view` belongs to its thread.
 */
#ifndef PQ_SERVER_REVISION_H
#define PQ_SERVER_REVISION_H

#include "policy/decide.h"
#include "policy/image.h"
#include "policy/status.h"
#include "server/limits.h"
#include "storage/catalog.h"
#include "storage/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct pq_revision;

/**
 * Open the sealed store at `path`.
 * Ownership: *ret_revision has one holder, the caller. Fails: as pq_store_open() and pq_image_open().
 */
PQ_MUST_USE enum pq_status pq_revision_open(const char *path, struct pq_revision **ret_revision, struct pq_err *err);
/** The same with the folder of what was verified before, or NULL. Fails also as pq_verified_open(). */
PQ_MUST_USE enum pq_status pq_revision_open_known(const char *path, const char *verified_cache,
                                                  struct pq_revision **ret_revision, struct pq_err *err);

/**
 * The same over a store that is open, as `known` in a catalog.
 * Ownership: takes over `store`, also on failure. Fails: as pq_image_open(), PQ_EINVAL (the manifest).
 */
PQ_MUST_USE enum pq_status pq_revision_of(struct pq_store *store, const struct pq_catalog_revision *known,
                                          struct pq_revision **ret_revision, struct pq_err *err);

/**
 * Make evaluators for `n` workers (at most PQ_SERVER_WORKERS_MAX), which take one each when they adopt the revision, so
 * that no request waits for one to be made. Before it is published, by one thread. Fails: as pq_evaluator_new().
 */
PQ_MUST_USE enum pq_status pq_revision_prepare(struct pq_revision *revision, size_t n, struct pq_err *err);

struct pq_revision *pq_revision_hold(struct pq_revision *revision);
/** NULL is allowed. */
void pq_revision_release(struct pq_revision *revision);

const struct pq_image *pq_revision_image(const struct pq_revision *revision);
/** 64 hexadecimal digits; lives as long as the revision. */
const char *pq_revision_digest(const struct pq_revision *revision);
uint64_t pq_revision_size(const struct pq_revision *revision);
/** How its store was found whole, for the log: "by record", "in full", or "in full, not recorded: " and why. */
const char *pq_revision_verified(const struct pq_revision *revision);
/** Its place in the order of revisions; 0: it is of no catalog. */
uint64_t pq_revision_sequence(const struct pq_revision *revision);
/** Since when it is active, in seconds since 1970; 0: it is of no catalog. */
int64_t pq_revision_activated_s(const struct pq_revision *revision);
/** The manifest as text; lives as long as the revision. Empty: it is of no catalog. */
const char *pq_revision_manifest(const struct pq_revision *revision, size_t *ret_len);

/** What workers left behind when they moved on: freeing it takes longer than a request may wait. */
struct pq_revision_left {
	struct pq_revision *revision;
	struct pq_evaluator *evaluator;
};

/** Where the current revision is published. */
struct pq_revision_publisher {
	pthread_mutex_t lock;
	struct pq_revision *current;  /* NULL = none yet; under the lock: to load a pointer and then count it would be a race */
	_Atomic(uint64_t) generation; /* grows with each publication, so that workers need no lock to see none */
	struct pq_revision_left left[PQ_SERVER_LEFT_MAX]; /* under the lock */
	size_t n_left;
};

/** A worker's own reference, and its evaluator over that revision. Start with zeroes. */
struct pq_revision_view {
	struct pq_revision *revision;
	struct pq_evaluator *evaluator; /* NULL: none was prepared, and none is made yet */
	uint64_t generation;
};

void pq_revision_publisher_init(struct pq_revision_publisher *publisher);
/** Lets go of the current one. No worker may adopt any more. */
void pq_revision_publisher_release(struct pq_revision_publisher *publisher);

/** Publish: takes over the caller's reference; what was current is let go. NULL changes nothing. */
void pq_revision_publish(struct pq_revision_publisher *publisher, struct pq_revision *revision);

/** The current revision, held once more for the caller; NULL before the first is published. */
struct pq_revision *pq_revision_current(struct pq_revision_publisher *publisher);

/** Free what workers left behind. Any thread, best none that answers; publishing does it too. */
void pq_revision_reap(struct pq_revision_publisher *publisher);

/**
 * The revision for the next request, NULL where none was published yet; owned by the view. Cheap while nothing new was
 * published. A view that moves on to another revision takes an evaluator that was prepared for it, and leaves its own.
 */
const struct pq_revision *pq_revision_adopt(struct pq_revision_publisher *publisher, struct pq_revision_view *view);

/**
 * The evaluator of the view over the revision that it adopted, made when there is none yet.
 * Ownership: *ret_evaluator is the view's, until it adopts another revision. Fails: as pq_evaluator_new().
 */
PQ_MUST_USE enum pq_status pq_revision_evaluator(struct pq_revision_view *view, struct pq_evaluator **ret_evaluator,
                                                 struct pq_err *err);

void pq_revision_view_release(struct pq_revision_view *view);

/** The same, where it takes too long for the caller's thread: it is left to pq_revision_reap(), if there is room. */
void pq_revision_leave(struct pq_revision_publisher *publisher, struct pq_revision_view *view);

#endif

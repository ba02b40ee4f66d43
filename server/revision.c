#include "server/revision.h"

#include "storage/verified.h"

#include <stdio.h>
#include <stdlib.h>

struct pq_revision {
	_Atomic(unsigned) holders;
	struct pq_store *store;
	struct pq_image *image;
	char digest[PQ_DIGEST_HEX_BYTES];
	char verified[128];
	uint64_t sequence;
	int64_t activated_s;
	char manifest[PQ_MANIFEST_BYTES_MAX + 1];
	size_t manifest_len;
	struct pq_evaluator *spare[PQ_SERVER_WORKERS_MAX]; /* under the publisher's lock once it is published */
	size_t n_spare;
};

static enum pq_status
open_images(struct pq_store *store, struct pq_revision **ret_revision, struct pq_err *err)
{
	struct pq_revision *revision = calloc(1, sizeof(*revision));
	size_t n_blobs;

	if (revision == NULL) {
		pq_store_free(store);
		return pq_fail(err, PQ_ENOMEM, "no memory for a revision");
	}
	revision->store = store;
	atomic_init(&revision->holders, 1);
	pq_digest_hex(pq_store_digest(store), revision->digest);
	const char *unrecorded = pq_store_unrecorded(store);
	snprintf(revision->verified, sizeof(revision->verified), "%s%s%s", pq_store_was_known(store) ? "by record" : "in full",
	         unrecorded != NULL ? ", not recorded: " : "", unrecorded != NULL ? unrecorded : "");
	const struct pq_blob *blobs = pq_store_blobs(store, &n_blobs);
	enum pq_status status = pq_image_open(blobs, n_blobs, &revision->image, err);
	if (status != PQ_OK) {
		pq_revision_release(revision);
		return status;
	}
	*ret_revision = revision;
	return PQ_OK;
}

enum pq_status
pq_revision_open_known(const char *path, const char *verified_cache, struct pq_revision **ret_revision,
                       struct pq_err *err)
{
	struct pq_verified *verified = NULL;
	struct pq_store *store;
	enum pq_status status = verified_cache != NULL ? pq_verified_open(verified_cache, &verified, err) : PQ_OK;

	if (status != PQ_OK)
		return status;
	status = pq_store_open(path, 0, verified, &store, err);
	pq_verified_free(verified);
	return status == PQ_OK ? open_images(store, ret_revision, err) : status;
}

enum pq_status
pq_revision_open(const char *path, struct pq_revision **ret_revision, struct pq_err *err)
{
	return pq_revision_open_known(path, NULL, ret_revision, err);
}

enum pq_status
pq_revision_of(struct pq_store *store, const struct pq_catalog_revision *known, struct pq_revision **ret_revision,
               struct pq_err *err)
{
	struct pq_revision *revision;
	enum pq_status status = open_images(store, &revision, err);

	if (status != PQ_OK)
		return status;
	status = pq_manifest_format(&known->manifest, revision->manifest, &revision->manifest_len, err);
	if (status != PQ_OK) {
		pq_revision_release(revision);
		return status;
	}
	revision->sequence = known->manifest.sequence;
	revision->activated_s = known->activated_s;
	*ret_revision = revision;
	return PQ_OK;
}

enum pq_status
pq_revision_prepare(struct pq_revision *revision, size_t n, struct pq_err *err)
{
	enum pq_status status = PQ_OK;

	while (revision->n_spare < n && status == PQ_OK) {
		status = pq_evaluator_new(revision->image, &revision->spare[revision->n_spare], err);
		revision->n_spare += status == PQ_OK;
	}
	return status;
}

struct pq_revision *
pq_revision_hold(struct pq_revision *revision)
{
	atomic_fetch_add_explicit(&revision->holders, 1, memory_order_relaxed);
	return revision;
}

void
pq_revision_release(struct pq_revision *revision)
{
	if (revision == NULL || atomic_fetch_sub_explicit(&revision->holders, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < revision->n_spare; i++)
		pq_evaluator_free(revision->spare[i]);
	pq_image_close(revision->image);
	pq_store_free(revision->store);
	free(revision);
}

const struct pq_image *
pq_revision_image(const struct pq_revision *revision)
{
	return revision->image;
}

const char *
pq_revision_digest(const struct pq_revision *revision)
{
	return revision->digest;
}

uint64_t
pq_revision_size(const struct pq_revision *revision)
{
	return pq_store_size(revision->store);
}

const char *
pq_revision_verified(const struct pq_revision *revision)
{
	return revision->verified;
}

uint64_t
pq_revision_sequence(const struct pq_revision *revision)
{
	return revision->sequence;
}

int64_t
pq_revision_activated_s(const struct pq_revision *revision)
{
	return revision->activated_s;
}

const char *
pq_revision_manifest(const struct pq_revision *revision, size_t *ret_len)
{
	*ret_len = revision->manifest_len;
	return revision->manifest;
}

void
pq_revision_publisher_init(struct pq_revision_publisher *publisher)
{
	pthread_mutex_init(&publisher->lock, NULL);
	publisher->current = NULL;
	publisher->n_left = 0;
	atomic_init(&publisher->generation, 0);
}

void
pq_revision_publisher_release(struct pq_revision_publisher *publisher)
{
	pq_revision_reap(publisher);
	pq_revision_release(publisher->current);
	publisher->current = NULL;
	pthread_mutex_destroy(&publisher->lock);
}

static void
leave(struct pq_revision_left *left)
{
	/* The evaluator borrows the revision's image. */
	pq_evaluator_free(left->evaluator);
	pq_revision_release(left->revision);
}

void
pq_revision_reap(struct pq_revision_publisher *publisher)
{
	struct pq_revision_left left[PQ_SERVER_LEFT_MAX];

	pthread_mutex_lock(&publisher->lock);
	size_t n = publisher->n_left;
	for (size_t i = 0; i < n; i++)
		left[i] = publisher->left[i];
	publisher->n_left = 0;
	pthread_mutex_unlock(&publisher->lock);
	for (size_t i = 0; i < n; i++)
		leave(&left[i]);
}

void
pq_revision_publish(struct pq_revision_publisher *publisher, struct pq_revision *revision)
{
	if (revision == NULL)
		return;
	pthread_mutex_lock(&publisher->lock);
	struct pq_revision *before = publisher->current;
	publisher->current = revision;
	atomic_fetch_add_explicit(&publisher->generation, 1, memory_order_release);
	pthread_mutex_unlock(&publisher->lock);
	pq_revision_release(before);
	pq_revision_reap(publisher);
}

struct pq_revision *
pq_revision_current(struct pq_revision_publisher *publisher)
{
	pthread_mutex_lock(&publisher->lock);
	struct pq_revision *revision = publisher->current != NULL ? pq_revision_hold(publisher->current) : NULL;
	pthread_mutex_unlock(&publisher->lock);
	return revision;
}

const struct pq_revision *
pq_revision_adopt(struct pq_revision_publisher *publisher, struct pq_revision_view *view)
{
	if (atomic_load_explicit(&publisher->generation, memory_order_acquire) == view->generation)
		return view->revision;

	struct pq_revision_left before = {view->revision, view->evaluator};
	bool kept = false;
	pthread_mutex_lock(&publisher->lock);
	struct pq_revision *now = pq_revision_hold(publisher->current);
	view->revision = now;
	view->evaluator = now->n_spare > 0 ? now->spare[--now->n_spare] : NULL;
	view->generation = atomic_load_explicit(&publisher->generation, memory_order_relaxed);
	if (publisher->n_left < PQ_SERVER_LEFT_MAX && before.revision != NULL) {
		publisher->left[publisher->n_left++] = before;
		kept = true;
	}
	pthread_mutex_unlock(&publisher->lock);
	if (!kept)
		leave(&before);
	return view->revision;
}

enum pq_status
pq_revision_evaluator(struct pq_revision_view *view, struct pq_evaluator **ret_evaluator, struct pq_err *err)
{
	if (view->evaluator == NULL) {
		enum pq_status status = pq_evaluator_new(pq_revision_image(view->revision), &view->evaluator, err);
		if (status != PQ_OK)
			return status;
	}
	*ret_evaluator = view->evaluator;
	return PQ_OK;
}

void
pq_revision_view_release(struct pq_revision_view *view)
{
	pq_evaluator_free(view->evaluator);
	pq_revision_release(view->revision);
	*view = (struct pq_revision_view){0};
}

void
pq_revision_leave(struct pq_revision_publisher *publisher, struct pq_revision_view *view)
{
	pthread_mutex_lock(&publisher->lock);
	bool kept = publisher->n_left < PQ_SERVER_LEFT_MAX;
	if (kept)
		publisher->left[publisher->n_left++] = (struct pq_revision_left){view->revision, view->evaluator};
	pthread_mutex_unlock(&publisher->lock);
	if (!kept)
		pq_revision_view_release(view);
	*view = (struct pq_revision_view){0};
}

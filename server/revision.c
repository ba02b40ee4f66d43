#include "server/revision.h"

#include <stdlib.h>

struct pq_revision {
	_Atomic(unsigned) holders;
	struct pq_store *store;
	struct pq_image *image;
	char digest[PQ_DIGEST_HEX_BYTES];
};

enum pq_status
pq_revision_open(const char *path, struct pq_revision **ret_revision, struct pq_err *err)
{
	struct pq_revision *revision = calloc(1, sizeof(*revision));
	size_t n_blobs;

	if (revision == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for a revision");
	enum pq_status status = pq_store_open(path, 0, &revision->store, err);
	if (status != PQ_OK)
		goto out;
	const struct pq_blob *blobs = pq_store_blobs(revision->store, &n_blobs);
	status = pq_image_open(blobs, n_blobs, &revision->image, err);
	if (status != PQ_OK)
		goto out;
	pq_digest_hex(pq_store_digest(revision->store), revision->digest);
	atomic_init(&revision->holders, 1);
	*ret_revision = revision;
	return PQ_OK;
out:
	pq_store_free(revision->store);
	free(revision);
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

void
pq_revision_publisher_init(struct pq_revision_publisher *publisher)
{
	pthread_mutex_init(&publisher->lock, NULL);
	publisher->current = NULL;
	atomic_init(&publisher->generation, 0);
}

void
pq_revision_publisher_release(struct pq_revision_publisher *publisher)
{
	pq_revision_release(publisher->current);
	publisher->current = NULL;
	pthread_mutex_destroy(&publisher->lock);
}

void
pq_revision_publish(struct pq_revision_publisher *publisher, struct pq_revision *revision)
{
	pthread_mutex_lock(&publisher->lock);
	struct pq_revision *before = publisher->current;
	publisher->current = revision;
	atomic_fetch_add_explicit(&publisher->generation, 1, memory_order_release);
	pthread_mutex_unlock(&publisher->lock);
	pq_revision_release(before);
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

	struct pq_revision *before = view->revision;
	/* It borrows the image of the revision that is let go below. */
	pq_evaluator_free(view->evaluator);
	view->evaluator = NULL;
	pthread_mutex_lock(&publisher->lock);
	view->revision = pq_revision_hold(publisher->current);
	view->generation = atomic_load_explicit(&publisher->generation, memory_order_relaxed);
	pthread_mutex_unlock(&publisher->lock);
	pq_revision_release(before);
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

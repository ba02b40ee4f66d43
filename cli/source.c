#include "cli/source.h"

#include <stdio.h>
#include <string.h>

enum pq_status
pq_source_open_store(struct pq_source *source, const char *path, struct pq_err *err)
{
	struct pq_source opened = {0};
	size_t n;
	enum pq_status status = pq_store_open(path, 0, NULL, &opened.store, err);

	if (status != PQ_OK)
		return status;
	const struct pq_blob *blobs = pq_store_blobs(opened.store, &n);
	status = pq_image_open(blobs, n, &opened.opened, err);
	if (status != PQ_OK) {
		pq_store_free(opened.store);
		if (err != NULL && err->where[0] == '\0')
			pq_fail_at(err, status, path, 0, 0, "%s", err->msg);
		return status;
	}
	opened.image = opened.opened;
	pq_digest_hex(pq_store_digest(opened.store), opened.digest);
	*source = opened;
	return PQ_OK;
}

enum pq_status
pq_source_open_server(struct pq_source *source, const char *address, const struct pq_channel_access *access,
                      int timeout_ms, struct pq_err *err)
{
	struct pq_source opened = {.timeout_ms = timeout_ms};
	enum pq_status status = pq_remote_new(address, access, &opened.remote, err);

	if (status == PQ_OK)
		*source = opened;
	return status;
}

void
pq_source_use_image(struct pq_source *source, const struct pq_image *image)
{
	*source = (struct pq_source){.image = image};
}

void
pq_source_close(struct pq_source *source)
{
	pq_remote_free(source->remote);
	pq_evaluator_free(source->evaluator);
	pq_image_close(source->opened);
	pq_store_free(source->store);
	*source = (struct pq_source){0};
}

static enum pq_status
ask_server(struct pq_source *source, const struct pq_request *request, struct pq_arena *arena,
           struct pq_decision *ret_decision, const struct pq_violation **ret_violations, size_t *ret_n_violations,
           struct pq_err *err)
{
	struct pq_remote_reply reply = {0};
	enum pq_status status =
		pq_remote_ask(source->remote, request, source->timeout_ms, arena, ret_decision, &reply, err);

	if (reply.digest[0] != '\0')
		snprintf(source->digest, sizeof(source->digest), "%s", reply.digest);
	source->by = reply.by;
	source->by.digest = source->digest;
	*ret_violations = reply.violations;
	*ret_n_violations = reply.n_violations;
	return status;
}

enum pq_status
pq_source_decide(struct pq_source *source, const struct pq_request *request, struct pq_arena *arena,
                 struct pq_decision *ret_decision, const struct pq_violation **ret_violations, size_t *ret_n_violations,
                 struct pq_err *err)
{
	*ret_violations = NULL;
	*ret_n_violations = 0;
	if (source->remote != NULL)
		return ask_server(source, request, arena, ret_decision, ret_violations, ret_n_violations, err);
	if (source->evaluator == NULL) {
		enum pq_status status = pq_evaluator_new(source->image, &source->evaluator, err);
		if (status != PQ_OK)
			return status;
	}
	return pq_evaluator_decide(source->evaluator, request, arena, ret_decision, ret_violations, ret_n_violations, err);
}

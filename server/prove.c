#include "server/prove.h"

#include "policy/decide.h"
#include "policy/request.h"
#include "server/limits.h"

#include <stdio.h>

/* The first case that fails, and how many do. */
struct failed {
	size_t n;
	char where[PQ_ERR_WHERE_MAX];
	char id[128];
};

/* NULL: the case holds; else why not, in the arena or in `err`. */
static const char *
run_case(struct pq_evaluator *evaluator, const char *json, size_t len, struct pq_arena *arena, const char **ret_id,
         struct pq_err *err)
{
	struct pq_case_text read;
	struct pq_decision decision;

	*ret_id = "";
	if (pq_case_from_json(json, len, arena, &read, err) != PQ_OK)
		return err->msg;
	*ret_id = read.id;
	if (pq_evaluator_decide(evaluator, &read.request, arena, &decision, NULL, NULL, err) != PQ_OK)
		return err->msg;
	return pq_case_judge(&read.expected, &decision, arena);
}

static void
run_cases(const struct pq_image *image, struct pq_evaluator *evaluator, struct pq_arena *arena, struct failed *failed)
{
	struct pq_image_counts counts;

	pq_image_counts(image, &counts);
	for (size_t i = 0; i < counts.cases; i++) {
		struct pq_err err = {0};
		const char *place, *id;
		size_t len;
		const char *json = pq_image_case(image, i, &len, &place);
		if (run_case(evaluator, json, len, arena, &id, &err) != NULL && failed->n++ == 0) {
			snprintf(failed->where, sizeof(failed->where), "%s", place);
			snprintf(failed->id, sizeof(failed->id), "%s", id);
		}
		pq_arena_reset(arena);
	}
}

enum pq_status
pq_prove(void *context, const struct pq_store *store, struct pq_err *err)
{
	struct pq_image *image;
	struct pq_evaluator *evaluator;
	struct pq_arena arena;
	struct failed failed = {0};
	size_t n_blobs;
	const struct pq_blob *blobs = pq_store_blobs(store, &n_blobs);

	(void)context;
	enum pq_status status = pq_image_open(blobs, n_blobs, &image, err);
	if (status != PQ_OK)
		return status;
	status = pq_evaluator_new(image, &evaluator, err);
	if (status == PQ_OK) {
		pq_arena_init(&arena, PQ_SERVER_ARENA_BYTES);
		run_cases(image, evaluator, &arena, &failed);
		pq_arena_release(&arena);
		pq_evaluator_free(evaluator);
	}
	pq_image_close(image);
	if (status == PQ_OK && failed.n > 0)
		return pq_fail_at(err, PQ_EFAILED, failed.where, 0, 0, "%zu of the store's own cases fail, first %s", failed.n,
		                  failed.id);
	return status;
}

#include "server/large.h"

#include "server/convert.h"
#include "server/server.h"

#include <stdlib.h>
#include <time.h>

struct pq_large {
	struct pq_large *next; /* among the worker's spare ones */
	struct pq_worker *worker;
	struct pq_arena arena; /* the worker's, while it is under work; the worker has this one's instead */
	struct pq_request request;
	struct pq_evaluation *evaluation; /* NULL = to begin */
	struct pq_stand stand;            /* whose term somebody else holds */
};

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
pq_slice_end(void)
{
	return now_us() + PQ_SERVER_SLICE_US;
}

bool
pq_slice_is_over(int64_t end)
{
	return now_us() >= end;
}

/* ---- refusals --------------------------------------------------------------------------------------------------- */

static void
refuse_fields(struct pq_reply *ret, struct pq_arena *arena, const struct pq_violation *at, size_t n,
              const struct pq_err *err)
{
	if (n == 0)
		pq_reply_refuse(ret, arena, GRPC_STATUS_INVALID_ARGUMENT, PQ_REASON_INVALID_REQUEST, NULL, 0, "%s%s%s",
		                err->where, err->where[0] != '\0' ? ": " : "", err->msg);
	else if (n == 1)
		pq_reply_refuse(ret, arena, GRPC_STATUS_INVALID_ARGUMENT, PQ_REASON_INVALID_REQUEST, at, n, "%s%s%s",
		                at[0].field, at[0].field[0] != '\0' ? ": " : "", at[0].description);
	else
		pq_reply_refuse(ret, arena, GRPC_STATUS_INVALID_ARGUMENT, PQ_REASON_INVALID_REQUEST, at, n,
		                "%s%s%s (and %zu more)", at[0].field, at[0].field[0] != '\0' ? ": " : "", at[0].description,
		                n - 1);
}

static void
refuse_status(struct pq_reply *ret, struct pq_arena *arena, enum pq_status status, const struct pq_err *err)
{
	grpc_status_code code = pq_code_of(status);

	if (status == PQ_ENOMEM || status == PQ_ELIMIT)
		pq_reply_refuse(ret, arena, code, PQ_REASON_LIMIT_EXCEEDED, NULL, 0,
		                "the request takes more memory than one may: %s",
		                err != NULL && err->msg[0] != '\0' ? err->msg : pq_status_text(status));
	else
		pq_reply_refuse(ret, arena, code, PQ_REASON_INTERNAL, NULL, 0, "%s",
		                err != NULL && err->msg[0] != '\0' ? err->msg : pq_status_text(status));
}

static enum pq_progress
progress_of(struct pq_worker *worker, enum pq_status status, const struct pq_violation *found, size_t n_found,
            const struct pq_err *err, const struct pq_decision *decision, struct pq_reply *ret)
{
	if (status == PQ_OK) {
		pq_count_up(&worker->outcomes[decision->outcome], 1);
		return PQ_DECIDED;
	}
	if (status == PQ_EINVAL)
		refuse_fields(ret, &worker->arena, found, n_found, err);
	else
		refuse_status(ret, &worker->arena, status, err);
	return PQ_REFUSED;
}

/* ---- in slices -------------------------------------------------------------------------------------------------- */

static void
swap_arenas(struct pq_large *large)
{
	struct pq_arena arena = large->arena;

	large->arena = large->worker->arena;
	large->worker->arena = arena;
}

/* Goes on with a request that is in worker->arena. NULL: no memory. */
static struct pq_large *
take_over(struct pq_worker *worker, const struct pq_stand *stand, const struct pq_request *request)
{
	struct pq_large *large = worker->spare;

	if (large != NULL) {
		worker->spare = large->next;
		worker->n_spare--;
	} else {
		large = calloc(1, sizeof(*large));
		if (large == NULL)
			return NULL;
		large->worker = worker;
		pq_arena_init(&large->arena, PQ_SERVER_ARENA_BYTES);
	}
	large->request = *request;
	large->stand = *stand;
	swap_arenas(large);
	return large;
}

void
pq_large_drop(struct pq_large *large)
{
	if (large == NULL)
		return;
	struct pq_worker *worker = large->worker;

	pq_evaluation_end(large->evaluation);
	large->evaluation = NULL;
	if (large->arena.used > PQ_SERVER_SPARE_BYTES)
		pq_arena_release(&large->arena);
	else
		pq_arena_reset(&large->arena);
	if (worker->n_spare == PQ_SERVER_JOBS) {
		pq_arena_release(&large->arena);
		free(large);
		return;
	}
	large->next = worker->spare;
	worker->spare = large;
	worker->n_spare++;
}

void
pq_large_release_all(struct pq_worker *worker)
{
	struct pq_large *next;

	for (struct pq_large *large = worker->spare; large != NULL; large = next) {
		next = large->next;
		pq_arena_release(&large->arena);
		free(large);
	}
	worker->spare = NULL;
	worker->n_spare = 0;
}

struct found {
	const struct pq_violation *at;
	size_t n;
	struct pq_err err;
};

static enum pq_status
begin(struct pq_large *large, struct found *found)
{
	struct pq_evaluator *evaluator;
	enum pq_status status = pq_revision_evaluator(&large->stand.term->view, &evaluator, &found->err);

	if (status != PQ_OK)
		return status;
	return pq_evaluator_begin(evaluator, &large->request, &large->arena, &large->evaluation, &found->at, &found->n,
	                          &found->err);
}

enum pq_progress
pq_large_step(struct pq_large **at, int64_t end, struct pq_decision *ret_decision, struct pq_reply *ret)
{
	struct pq_large *large = *at;
	struct pq_worker *worker = large->worker;
	struct found found = {0};
	enum pq_status status = PQ_OK;
	bool done = false;

	if (large->evaluation == NULL)
		status = begin(large, &found);
	while (status == PQ_OK && !done) {
		status = pq_evaluation_step(large->evaluation, &done, &found.at, &found.n, &found.err);
		if (status == PQ_OK && !done && pq_slice_is_over(end))
			return PQ_UNFINISHED;
	}
	if (status == PQ_OK)
		status = pq_evaluation_finish(large->evaluation, ret_decision, &found.err);
	/* What was decided is read as that of any other request. */
	swap_arenas(large);
	enum pq_progress progress = progress_of(worker, status, found.at, found.n, &found.err, ret_decision, ret);
	pq_large_drop(large);
	*at = NULL;
	return progress;
}

/* ---- a request -------------------------------------------------------------------------------------------------- */

const struct pq_stand *
pq_large_stand(const struct pq_large *large)
{
	return &large->stand;
}

/* Is the stand new enough? PQ_DECIDED: yes. */
static enum pq_progress
stand_is_new(struct pq_worker *worker, const struct pq_stand *stand, const struct pq_demand *demand,
             uint64_t *ret_sequence, struct pq_reply *ret)
{
	switch (pq_stand_fit(worker, stand, demand, ret_sequence != NULL, ret)) {
	case PQ_FIT:
		return PQ_DECIDED;
	case PQ_FIT_LATER:
		*ret_sequence = demand->min_revision;
		return PQ_BEHIND;
	case PQ_FIT_NOT:
		return PQ_REFUSED;
	}
	return PQ_REFUSED;
}

enum pq_progress
pq_decide_bytes(struct pq_worker *worker, const struct pq_stand *stand, const struct pq_bytes *in, int64_t end,
                struct pq_large **ret_large, uint64_t *ret_sequence, struct pq_decision *ret_decision,
                struct pq_reply *ret)
{
	struct pq_arena *arena = &worker->arena;
	struct pq_violations violations = {.arena = arena};
	struct found found = {0};
	struct pq_request request;
	struct pq_demand demand;
	struct pq_evaluator *evaluator;
	enum pq_status status = PQ_OK;

	if (!pq_request_decode_plain(in->data, in->len, arena, &request, &demand))
		status = pq_request_decode(in->data, in->len, arena, &request, &demand, &violations);
	if (status == PQ_EINVAL)
		return progress_of(worker, status, violations.at, violations.n, &found.err, ret_decision, ret);
	enum pq_progress fits =
		status == PQ_OK ? stand_is_new(worker, stand, &demand, ret_sequence, ret) : PQ_DECIDED;
	if (fits != PQ_DECIDED)
		return fits;
	if (status == PQ_OK && pq_request_may_have_legs(&request)) {
		*ret_large = take_over(worker, stand, &request);
		if (*ret_large != NULL)
			return pq_large_step(ret_large, end, ret_decision, ret);
		status = PQ_ENOMEM;
	}
	if (status == PQ_OK)
		status = pq_revision_evaluator(&stand->term->view, &evaluator, &found.err);
	if (status == PQ_OK)
		status = pq_evaluator_decide(evaluator, &request, arena, ret_decision, &found.at, &found.n, &found.err);
	return progress_of(worker, status, found.at, found.n, &found.err, ret_decision, ret);
}

void
pq_decide_reply(struct pq_worker *worker, const struct pq_stand *stand, const struct pq_decision *decision,
                struct pq_reply *ret)
{
	struct pq_answerer by = pq_stand_answerer(stand);
	const uint8_t *answer;
	size_t len;

	enum pq_status status = pq_encode_response(&stand->term->encoder, decision, &by, &answer, &len);
	if (status == PQ_OK)
		pq_reply_bytes(ret, answer, len);
	else
		refuse_status(ret, &worker->arena, status, NULL);
}

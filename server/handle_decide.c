#include "server/codec.h"
#include "server/convert.h"
#include "server/server.h"

#include "policy/decide.h"

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

bool
pq_decide_bytes(struct pq_worker *worker, const struct pq_bytes *in, struct pq_decision *ret_decision,
                struct pq_reply *ret)
{
	struct pq_arena *arena = &worker->arena;
	struct pq_violations violations;
	const struct pq_violation *found = NULL;
	size_t n_found = 0;
	struct pq_request request;
	struct pq_evaluator *evaluator;
	struct pq_err err = {0};
	enum pq_status status = PQ_OK;

	if (!pq_request_decode_plain(in->data, in->len, arena, &request)) {
		violations = (struct pq_violations){.arena = arena};
		status = pq_request_decode(in->data, in->len, arena, &request, &violations);
	}
	if (status == PQ_EINVAL) {
		refuse_fields(ret, arena, violations.at, violations.n, &err);
		return false;
	}
	if (status == PQ_OK)
		status = pq_revision_evaluator(&worker->view, &evaluator, &err);
	if (status == PQ_OK)
		status = pq_evaluator_decide(evaluator, &request, arena, ret_decision, &found, &n_found, &err);
	if (status == PQ_EINVAL)
		refuse_fields(ret, arena, found, n_found, &err);
	else if (status != PQ_OK)
		refuse_status(ret, arena, status, &err);
	else
		pq_count_up(&worker->outcomes[ret_decision->outcome], 1);
	return status == PQ_OK;
}

void
pq_handle_decide(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret)
{
	const struct pq_revision *revision = pq_revision_adopt(&worker->server->revisions, &worker->view);
	struct pq_decision decision;
	const uint8_t *answer;
	size_t len;

	(void)state;
	if (!pq_decide_bytes(worker, in, &decision, ret))
		return;
	enum pq_status status =
		pq_encode_response(pq_worker_encoder(worker), &decision, pq_revision_digest(revision), &answer, &len);
	if (status == PQ_OK)
		pq_reply_bytes(ret, answer, len);
	else
		refuse_status(ret, &worker->arena, status, NULL);
}

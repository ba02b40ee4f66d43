#include "server/large.h"
#include "server/server.h"

void
pq_refuse_without_revision(struct pq_worker *worker, struct pq_reply *ret)
{
	pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_UNAVAILABLE, PQ_REASON_NO_REVISION, NULL, 0,
	                "no revision of the law is active yet");
}

/* What takes longer than a slice is left in worker->large, and the call goes on in server/frames.c. */
void
pq_handle_decide(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret)
{
	struct pq_decision decision;

	(void)state;
	if (pq_revision_adopt(&worker->server->revisions, &worker->view) == NULL)
		pq_refuse_without_revision(worker, ret);
	else if (pq_decide_bytes(worker, in, pq_slice_end(), &worker->large, &decision, ret) == PQ_DECIDED)
		pq_decide_reply(worker, &decision, ret);
}

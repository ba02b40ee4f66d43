#include "server/large.h"
#include "server/server.h"

/* What takes longer than a slice is left in worker->large, and the call goes on in server/frames.c. */
void
pq_handle_decide(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret)
{
	struct pq_decision decision;

	(void)state;
	pq_revision_adopt(&worker->server->revisions, &worker->view);
	if (pq_decide_bytes(worker, in, pq_slice_end(), &worker->large, &decision, ret) == PQ_DECIDED)
		pq_decide_reply(worker, &decision, ret);
}

#include "server/large.h"
#include "server/server.h"

/*
 * What takes longer than a slice is left in worker->large, what has to wait for its revision in worker->asked_sequence, and
 * the call goes on in server/frames.c.
 */
void
pq_handle_decide(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret)
{
	struct pq_decision decision;
	struct pq_stand stand;

	(void)state;
	if (pq_stand_take(worker, &stand, ret) &&
	    pq_decide_bytes(worker, &stand, in, pq_slice_end(), &worker->large, &worker->asked_sequence, &decision, ret) ==
	        PQ_DECIDED)
		pq_decide_reply(worker, &stand, &decision, ret);
}

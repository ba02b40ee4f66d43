#include "server/stand.h"

#include "server/server.h"

/* A call that waits for a revision is refused this part of its time before its deadline, so that the client hears why. */
#define ANSWER_PART 8
#define ANSWER_MS_MAX 1000

bool
pq_stand_take(struct pq_worker *worker, struct pq_stand *ret_stand, struct pq_reply *ret)
{
	struct pq_server *server = worker->server;
	/* Before the term: what is published and known later only makes the answer newer than it says. */
	uint32_t age_s = pq_knowledge_age_s(&server->knowledge);
	struct pq_term *term = pq_term_adopt(&worker->term, &server->revisions);

	if (term == NULL) {
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_UNAVAILABLE, PQ_REASON_NO_REVISION, NULL, 0,
		                "no revision of the law is active yet");
		return false;
	}
	*ret_stand = (struct pq_stand){term, age_s};
	return true;
}

struct pq_answerer
pq_stand_answerer(const struct pq_stand *stand)
{
	const struct pq_revision *revision = stand->term->view.revision;

	return (struct pq_answerer){
		.digest = pq_revision_digest(revision),
		.sequence = pq_revision_sequence(revision),
		.activated_s = pq_revision_activated_s(revision),
		.age_s = stand->age_s,
	};
}

void
pq_stand_refuse(struct pq_worker *worker, uint64_t min_revision, uint64_t sequence, struct pq_reply *ret)
{
	if (sequence == 0)
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_FAILED_PRECONDITION, PQ_REASON_REVISION_NOT_REACHED, NULL, 0,
		                "min_revision: revision %llu is asked for, and this server has a store (--store) that is in no "
		                "order of revisions",
		                (unsigned long long)min_revision);
	else
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_FAILED_PRECONDITION, PQ_REASON_REVISION_NOT_REACHED, NULL, 0,
		                "min_revision: revision %llu is asked for, and this server has %llu",
		                (unsigned long long)min_revision, (unsigned long long)sequence);
}

enum pq_fit
pq_stand_fit(struct pq_worker *worker, const struct pq_stand *stand, const struct pq_demand *demand, bool may_wait,
             struct pq_reply *ret)
{
	struct pq_answerer by = pq_stand_answerer(stand);

	if (pq_demand_is_met(demand, &by))
		return PQ_FIT;
	if (by.sequence >= demand->min_revision) {
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_FAILED_PRECONDITION, PQ_REASON_KNOWLEDGE_TOO_OLD, NULL, 0,
		                "max_age_s: what this server knows of the revision in force is %u seconds old; %u are allowed",
		                (unsigned)by.age_s, (unsigned)demand->max_age_s);
		return PQ_FIT_NOT;
	}
	if (may_wait && worker->server->options->follow != NULL && !worker->ending && worker->behind.n < PQ_SERVER_BEHIND)
		return PQ_FIT_LATER;
	pq_stand_refuse(worker, demand->min_revision, by.sequence, ret);
	return PQ_FIT_NOT;
}

gpr_timespec
pq_stand_wait_until(gpr_timespec deadline)
{
	gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
	gpr_timespec longest = gpr_time_from_millis(PQ_SERVER_BEHIND_MS, GPR_TIMESPAN);
	gpr_timespec left = gpr_time_sub(deadline, now);

	if (gpr_time_cmp(left, longest) > 0)
		return gpr_time_add(now, longest);
	int64_t left_ms = gpr_time_to_millis(left), answer_ms = left_ms / ANSWER_PART;
	if (answer_ms > ANSWER_MS_MAX)
		answer_ms = ANSWER_MS_MAX;
	return gpr_time_add(now, gpr_time_from_millis(left_ms - answer_ms, GPR_TIMESPAN));
}

/*
 * grpc.health.v1. Whether calls should be sent here is one state for the whole server, under its own name "" and under
 * that of each service that depends on the store. "liveness" is another question: whether the process should be left
 * alone; it is as long as it answers.
 */
#include "server/convert.h"
#include "server/server.h"

#include "grpc/health/v1/health.pb-c.h"

#include <string.h>

static const char *const services[] = {"", "pratique.v1.DecisionService", "pratique.v1.RevisionService",
                                      "pratique.v1.ReplicationService"};
static const char liveness[] = "liveness";

/* What is asked; a watch remembers it. */
enum { NOT_ASKED, READINESS, LIVENESS, NOT_KNOWN };

static int
question(const char *service)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		if (strcmp(service, services[i]) == 0)
			return READINESS;
	}
	return strcmp(service, liveness) == 0 ? LIVENESS : NOT_KNOWN;
}

/* Which service is asked about; NULL: the message cannot be read. */
static const char *
service_of(struct pq_worker *worker, const struct pq_bytes *in)
{
	ProtobufCAllocator allocator = pq_arena_allocator(&worker->arena);
	Grpc__Health__V1__HealthCheckRequest *request =
		grpc__health__v1__health_check_request__unpack(&allocator, in->len, in->data);

	return request != NULL ? request->service : NULL;
}

static void
answer(struct pq_worker *worker, int asked, struct pq_reply *ret)
{
	Grpc__Health__V1__HealthCheckResponse message = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	if (asked == NOT_KNOWN)
		message.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
	else if (asked == LIVENESS || pq_server_is_ready(worker->server))
		message.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	else
		message.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
	pq_reply_message(ret, &message.base);
}

static void
refuse_malformed(struct pq_worker *worker, struct pq_reply *ret)
{
	pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_INVALID_ARGUMENT, PQ_REASON_INVALID_REQUEST, NULL, 0,
	                "cannot be read: it is no HealthCheckRequest");
}

void
pq_handle_health_check(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret)
{
	const char *service = service_of(worker, in);

	(void)state;
	if (service == NULL)
		refuse_malformed(worker, ret);
	else if (question(service) == NOT_KNOWN)
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_NOT_FOUND, PQ_REASON_UNKNOWN_SERVICE, NULL, 0,
		                "there is no such service");
	else
		answer(worker, question(service), ret);
}

void
pq_handle_health_watch(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret)
{
	if (in != NULL) {
		const char *service = service_of(worker, in);
		if (service == NULL) {
			refuse_malformed(worker, ret);
			return;
		}
		*state = question(service);
	}
	answer(worker, *state, ret);
}

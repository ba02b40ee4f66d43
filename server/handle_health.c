/*
 * grpc.health.v1: one state for the whole server, under its own name "" and under that of each service that depends on
 * the store.
 */
#include "server/convert.h"
#include "server/server.h"

#include "grpc/health/v1/health.pb-c.h"

#include <string.h>

static const char *const services[] = {"", "pratique.v1.DecisionService", "pratique.v1.RevisionService",
                                      "pratique.v1.ReplicationService"};

/* What a watch remembers of its question. */
enum { NOT_ASKED, KNOWN, NOT_KNOWN };

static bool
known(const char *service)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		if (strcmp(service, services[i]) == 0)
			return true;
	}
	return false;
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
answer(struct pq_worker *worker, bool service_known, struct pq_reply *ret)
{
	Grpc__Health__V1__HealthCheckResponse message = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	if (!service_known)
		message.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
	else if (pq_server_is_ready(worker->server))
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
	else if (!known(service))
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_NOT_FOUND, PQ_REASON_UNKNOWN_SERVICE, NULL, 0,
		                "there is no such service");
	else
		answer(worker, true, ret);
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
		*state = known(service) ? KNOWN : NOT_KNOWN;
	}
	answer(worker, *state != NOT_KNOWN, ret);
}

#include "server/rpc.h"

const struct pq_rpc pq_rpcs[PQ_RPC_COUNT] = {
	[PQ_RPC_DECIDE] =
		{
			.path = "/pratique.v1.DecisionService/Decide",
			.shape = PQ_RPC_UNARY,
			.handler = pq_handle_decide,
			.roles = PQ_ROLE_DECIDE,
			.place = PQ_RPC_ON_MAIN,
			.posted = PQ_SERVER_POSTED,
			.metric = "decide",
		},
	[PQ_RPC_BATCH_DECIDE] =
		{
			.path = "/pratique.v1.DecisionService/BatchDecide",
			.shape = PQ_RPC_BATCH,
			.roles = PQ_ROLE_DECIDE,
			.place = PQ_RPC_ON_MAIN,
			.metric = "batch_decide",
		},
	[PQ_RPC_STREAM_DECIDE] =
		{
			.path = "/pratique.v1.DecisionService/StreamDecide",
			.shape = PQ_RPC_FRAMES,
			.roles = PQ_ROLE_DECIDE,
			.place = PQ_RPC_ON_MAIN,
			.metric = "stream_decide",
		},
	[PQ_RPC_HEALTH_CHECK] =
		{
			.path = "/grpc.health.v1.Health/Check",
			.shape = PQ_RPC_UNARY,
			.handler = pq_handle_health_check,
			.roles = PQ_ROLES_EVERYBODY,
			.message_bytes = 4096,
			.posted = 4,
			.metric = "health_check",
		},
	[PQ_RPC_HEALTH_WATCH] =
		{
			.path = "/grpc.health.v1.Health/Watch",
			.shape = PQ_RPC_WATCH,
			.handler = pq_handle_health_watch,
			.roles = PQ_ROLES_EVERYBODY,
			.message_bytes = 4096,
			.metric = "health_watch",
		},
	[PQ_RPC_REFLECTION_V1] =
		{
			.path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
			.shape = PQ_RPC_DIALOG,
			.handler = pq_handle_reflection,
			.roles = PQ_ROLES_ANY,
			.message_bytes = 4096,
			.metric = "reflection",
		},
	/* The same messages under an older name, which many clients still ask first. */
	[PQ_RPC_REFLECTION_V1ALPHA] =
		{
			.path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
			.shape = PQ_RPC_DIALOG,
			.handler = pq_handle_reflection,
			.roles = PQ_ROLES_ANY,
			.message_bytes = 4096,
			.metric = "reflection_v1alpha",
		},
};

#include "server/rpc.h"

#include "server/keeper.h"

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
	[PQ_RPC_ACTIVATE] =
		{
			.path = "/pratique.v1.RevisionService/Activate",
			.shape = PQ_RPC_DESK,
			.work = pq_work_activate,
			.message_bytes = 4096,
			.posted = 1,
			.roles = PQ_ROLE_ADMIN,
			.place = PQ_RPC_ON_ADMIN,
			.metric = "activate",
		},
	[PQ_RPC_SCHEDULE] =
		{
			.path = "/pratique.v1.RevisionService/ScheduleActivation",
			.shape = PQ_RPC_DESK,
			.work = pq_work_schedule,
			.message_bytes = 4096,
			.posted = 1,
			.roles = PQ_ROLE_ADMIN,
			.place = PQ_RPC_ON_ADMIN,
			.metric = "schedule_activation",
		},
	[PQ_RPC_CANCEL] =
		{
			.path = "/pratique.v1.RevisionService/CancelActivation",
			.shape = PQ_RPC_DESK,
			.work = pq_work_cancel,
			.message_bytes = 4096,
			.posted = 1,
			.roles = PQ_ROLE_ADMIN,
			.place = PQ_RPC_ON_ADMIN,
			.metric = "cancel_activation",
		},
	[PQ_RPC_ROLLBACK] =
		{
			.path = "/pratique.v1.RevisionService/Rollback",
			.shape = PQ_RPC_DESK,
			.work = pq_work_rollback,
			.message_bytes = 4096,
			.posted = 1,
			.roles = PQ_ROLE_ADMIN,
			.place = PQ_RPC_ON_ADMIN,
			.metric = "rollback",
		},
	[PQ_RPC_LIST_REVISIONS] =
		{
			.path = "/pratique.v1.RevisionService/ListRevisions",
			.shape = PQ_RPC_DESK,
			.work = pq_work_list,
			.message_bytes = 4096,
			.posted = 1,
			.roles = PQ_ROLE_PUBLISH | PQ_ROLE_ADMIN,
			.place = PQ_RPC_ON_ADMIN,
			.metric = "list_revisions",
		},
	[PQ_RPC_GET_REVISION] =
		{
			.path = "/pratique.v1.RevisionService/GetRevision",
			.shape = PQ_RPC_DESK,
			.work = pq_work_get,
			.message_bytes = 4096,
			.posted = 1,
			.roles = PQ_ROLE_PUBLISH | PQ_ROLE_ADMIN,
			.place = PQ_RPC_ON_ADMIN,
			.metric = "get_revision",
		},
	[PQ_RPC_PRUNE] =
		{
			.path = "/pratique.v1.RevisionService/Prune",
			.shape = PQ_RPC_DESK,
			.work = pq_work_prune,
			.message_bytes = 4096,
			.posted = 1,
			.roles = PQ_ROLE_ADMIN,
			.place = PQ_RPC_ON_ADMIN,
			.metric = "prune",
		},
	[PQ_RPC_READ_JOURNAL] =
		{
			.path = "/pratique.v1.RevisionService/ReadJournal",
			.shape = PQ_RPC_DESK,
			.work = pq_work_journal,
			.message_bytes = 4096,
			.posted = 1,
			.roles = PQ_ROLE_PUBLISH | PQ_ROLE_ADMIN,
			.place = PQ_RPC_ON_ADMIN,
			.metric = "read_journal",
		},
	[PQ_RPC_PUBLISH] =
		{
			.path = "/pratique.v1.RevisionService/Publish",
			.shape = PQ_RPC_UPLOAD,
			.roles = PQ_ROLE_PUBLISH,
			.place = PQ_RPC_ON_ADMIN,
			.metric = "publish",
		},
	[PQ_RPC_WATCH_REVISIONS] =
		{
			.path = "/pratique.v1.ReplicationService/WatchRevisions",
			.shape = PQ_RPC_WATCH,
			.handler = pq_handle_watch_revisions,
			.message_bytes = 4096,
			.prompt = true,
			.roles = PQ_ROLE_REPLICATE,
			.metric = "watch_revisions",
		},
	[PQ_RPC_FETCH_SNAPSHOT] =
		{
			.path = "/pratique.v1.ReplicationService/FetchSnapshot",
			.shape = PQ_RPC_SUPPLY,
			.message_bytes = 4096,
			.roles = PQ_ROLE_REPLICATE,
			.metric = "fetch_snapshot",
		},
	[PQ_RPC_REPORT] =
		{
			.path = "/pratique.v1.ReplicationService/Report",
			.shape = PQ_RPC_UNARY,
			.handler = pq_handle_report,
			.message_bytes = 4096,
			.posted = 2,
			.roles = PQ_ROLE_REPLICATE,
			.metric = "report",
		},
	[PQ_RPC_LIST_REPLICAS] =
		{
			.path = "/pratique.v1.ReplicationService/ListReplicas",
			.shape = PQ_RPC_UNARY,
			.handler = pq_handle_list_replicas,
			.message_bytes = 4096,
			.posted = 1,
			.roles = PQ_ROLE_REPLICATE | PQ_ROLE_ADMIN,
			.metric = "list_replicas",
		},
};

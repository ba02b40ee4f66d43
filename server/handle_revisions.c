/*
 * RevisionService but for publishing, at the keeper's desk: unpack, ask the catalog, answer.
 */
#include "server/convert.h"
#include "server/convert_revision.h"
#include "server/keeper.h"
#include "server/rpc.h"
#include "server/wire.h"

#include "pratique/v1/revision.pb-c.h"

#define JOURNAL_MAX 1000

/* The message, unpacked into the arena; NULL: *ret is the refusal. */
static void *
unpack(struct pq_arena *arena, const ProtobufCMessageDescriptor *descriptor, const struct pq_bytes *in,
       struct pq_reply *ret)
{
	struct pq_violations violations = {.arena = arena};
	ProtobufCAllocator allocator = pq_arena_allocator(arena);

	pq_wire_check(descriptor, in->data, in->len, NULL, 0, &violations);
	void *message =
		pq_violations_any(&violations) ? NULL : protobuf_c_message_unpack(descriptor, &allocator, in->len, in->data);
	if (message == NULL)
		pq_reply_refuse(ret, arena, GRPC_STATUS_INVALID_ARGUMENT, PQ_REASON_INVALID_REQUEST, violations.at, violations.n,
		                "cannot be read: it is no %s", descriptor->short_name);
	return message;
}

#define UNPACK(keeper, name, in, ret) unpack(&(keeper)->arena, &pratique__v1__##name##__descriptor, (in), (ret))

void
pq_revision_refuse(struct pq_reply *ret, struct pq_arena *arena, enum pq_status status, const struct pq_err *err)
{
	const char *reason = status == PQ_EINVAL || status == PQ_EPARSE ? PQ_REASON_INVALID_REQUEST : PQ_REASON_REFUSED;

	pq_reply_refuse(ret, arena, pq_code_of(status), reason, NULL, 0, "%s%s%s", err->where,
	                err->where[0] != '\0' ? ": " : "", err->msg);
}

bool
pq_revision_may_change(const struct pq_keeper *keeper, struct pq_arena *arena, struct pq_reply *ret)
{
	if (!pq_keeper_follows(keeper))
		return true;
	pq_reply_refuse(ret, arena, GRPC_STATUS_FAILED_PRECONDITION, PQ_REASON_FOLLOWS_ANOTHER, NULL, 0,
	                "this server follows %s: revisions are published and activated there", keeper->options->follow);
	return false;
}

static bool
refuse_where(struct pq_keeper *keeper, enum pq_status status, const struct pq_err *err, struct pq_reply *ret)
{
	if (status == PQ_OK)
		return false;
	pq_revision_refuse(ret, &keeper->arena, status, err);
	return true;
}

/* The revision of a sequence as a message; NULL: *ret is the refusal. */
static Pratique__V1__CatalogRevision *
revision_of(struct pq_keeper *keeper, uint64_t sequence, struct pq_reply *ret)
{
	struct pq_catalog_revision known;
	struct pq_err err = {0};
	Pratique__V1__CatalogRevision *message = NULL;
	enum pq_status status = pq_catalog_get(keeper->catalog, sequence, &known, &err);

	if (status == PQ_OK)
		status = pq_revision_to_message(&known, &keeper->arena, &message, &err);
	return refuse_where(keeper, status, &err, ret) ? NULL : message;
}

static struct pq_catalog_act
act_of(const char *actor, const char *remark)
{
	return (struct pq_catalog_act){.actor = actor, .time_s = pq_keeper_now_s(), .remark = remark};
}

void
pq_work_activate(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret)
{
	Pratique__V1__ActivateRequest *request = UNPACK(keeper, activate_request, in, ret);
	Pratique__V1__ActivateResponse response = PRATIQUE__V1__ACTIVATE_RESPONSE__INIT;
	struct pq_err err = {0};
	bool changed;

	if (request == NULL || !pq_revision_may_change(keeper, &keeper->arena, ret))
		return;
	struct pq_catalog_act act = act_of(request->actor, request->remark);
	enum pq_status status = pq_keeper_activate(keeper, request->sequence, &act, &changed, &err);
	if (refuse_where(keeper, status, &err, ret))
		return;
	response.changed = changed;
	response.revision = revision_of(keeper, request->sequence, ret);
	if (response.revision != NULL)
		pq_reply_message(ret, &response.base);
}

void
pq_work_schedule(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret)
{
	Pratique__V1__ScheduleActivationRequest *request = UNPACK(keeper, schedule_activation_request, in, ret);
	Pratique__V1__ScheduleActivationResponse response = PRATIQUE__V1__SCHEDULE_ACTIVATION_RESPONSE__INIT;
	struct pq_err err = {0};

	if (request == NULL || !pq_revision_may_change(keeper, &keeper->arena, ret))
		return;
	struct pq_catalog_act act = act_of(request->actor, request->remark);
	enum pq_status status = pq_catalog_schedule(keeper->catalog, request->sequence, request->at_s, &act, &err);
	if (refuse_where(keeper, status, &err, ret))
		return;
	response.revision = revision_of(keeper, request->sequence, ret);
	if (response.revision != NULL)
		pq_reply_message(ret, &response.base);
}

void
pq_work_cancel(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret)
{
	Pratique__V1__CancelActivationRequest *request = UNPACK(keeper, cancel_activation_request, in, ret);
	Pratique__V1__CancelActivationResponse response = PRATIQUE__V1__CANCEL_ACTIVATION_RESPONSE__INIT;
	struct pq_err err = {0};

	if (request == NULL || !pq_revision_may_change(keeper, &keeper->arena, ret))
		return;
	struct pq_catalog_act act = act_of(request->actor, request->remark);
	enum pq_status status = pq_catalog_cancel(keeper->catalog, request->sequence, &act, &err);
	if (refuse_where(keeper, status, &err, ret))
		return;
	response.revision = revision_of(keeper, request->sequence, ret);
	if (response.revision != NULL)
		pq_reply_message(ret, &response.base);
}

/* Record the drafted manifest and put it in force. */
static enum pq_status
roll_back(struct pq_keeper *keeper, const struct pq_manifest *manifest, const Pratique__V1__RollbackRequest *request,
          struct pq_err *err)
{
	const struct pq_catalog_source here = {.from = PQ_CATALOG_HERE};
	struct pq_catalog_act act = act_of(request->actor, request->note[0] != '\0' ? request->note : "rollback");

	if (keeper->trust != NULL)
		return pq_fail(err, PQ_EFAILED,
		               "a rollback is a new revision and must be signed: ask for its draft (draft_only), sign that, publish "
		               "it without bytes, and activate it");
	enum pq_status status = pq_keeper_add(keeper, manifest, &here, &act, NULL, NULL, err);

	return status == PQ_OK ? pq_keeper_activate(keeper, manifest->sequence, &act, NULL, err) : status;
}

void
pq_work_rollback(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret)
{
	Pratique__V1__RollbackRequest *request = UNPACK(keeper, rollback_request, in, ret);
	Pratique__V1__RollbackResponse response = PRATIQUE__V1__ROLLBACK_RESPONSE__INIT;
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	struct pq_manifest manifest;
	struct pq_err err = {0};

	if (request == NULL || !pq_revision_may_change(keeper, &keeper->arena, ret))
		return;
	enum pq_status status = pq_catalog_draft_rollback(keeper->catalog, request->sequence, pq_keeper_now_s(),
	                                                  request->note, &manifest, &err);
	if (status == PQ_OK)
		status = pq_manifest_format(&manifest, text, &response.manifest.len, &err);
	response.manifest.data = (uint8_t *)text;
	if (status == PQ_OK && !request->draft_only)
		status = roll_back(keeper, &manifest, request, &err);
	if (refuse_where(keeper, status, &err, ret))
		return;
	if (!request->draft_only) {
		response.revision = revision_of(keeper, manifest.sequence, ret);
		if (response.revision == NULL)
			return;
	}
	pq_reply_message(ret, &response.base);
}

void
pq_work_list(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret)
{
	Pratique__V1__ListRevisionsResponse response = PRATIQUE__V1__LIST_REVISIONS_RESPONSE__INIT;
	const struct pq_catalog_revision *revisions;
	struct pq_err err = {0};
	size_t n;

	if (UNPACK(keeper, list_revisions_request, in, ret) == NULL)
		return;
	enum pq_status status = pq_catalog_list(keeper->catalog, &keeper->arena, &revisions, &n, &err);
	if (refuse_where(keeper, status, &err, ret))
		return;
	Pratique__V1__CatalogRevision **messages = pq_arena_array(&keeper->arena, n, sizeof(*messages));
	if (messages == NULL)
		status = pq_fail(&err, PQ_ENOMEM, "no memory for the list");
	for (size_t i = 0; i < n && status == PQ_OK; i++)
		status = pq_revision_to_message(&revisions[i], &keeper->arena, &messages[i], &err);
	if (refuse_where(keeper, status, &err, ret))
		return;
	response.revisions = messages;
	response.n_revisions = n;
	/* Where no number is left there is none to tell. */
	status = pq_catalog_next_sequence(keeper->catalog, &response.next_sequence, &err);
	if (status != PQ_ELIMIT && refuse_where(keeper, status, &err, ret))
		return;
	pq_reply_message(ret, &response.base);
}

void
pq_work_get(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret)
{
	Pratique__V1__GetRevisionRequest *request = UNPACK(keeper, get_revision_request, in, ret);
	Pratique__V1__GetRevisionResponse response = PRATIQUE__V1__GET_REVISION_RESPONSE__INIT;
	struct pq_catalog_revision active;
	struct pq_err err = {0};

	if (request == NULL)
		return;
	uint64_t sequence = request->sequence;
	if (sequence == 0) {
		enum pq_status status = pq_catalog_active(keeper->catalog, &active, &err);
		if (refuse_where(keeper, status, &err, ret))
			return;
		sequence = active.manifest.sequence;
	}
	response.revision = revision_of(keeper, sequence, ret);
	if (response.revision != NULL)
		pq_reply_message(ret, &response.base);
}

void
pq_work_prune(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret)
{
	Pratique__V1__PruneRequest *request = UNPACK(keeper, prune_request, in, ret);
	Pratique__V1__PruneResponse response = PRATIQUE__V1__PRUNE_RESPONSE__INIT;
	struct pq_err err = {0};
	size_t pruned;

	if (request == NULL)
		return;
	struct pq_catalog_act act = act_of(request->actor, "");
	enum pq_status status = request->keep > 0
	                            ? pq_catalog_prune(keeper->catalog, request->keep, &act, &pruned, &err)
	                            : pq_fail_at(&err, PQ_EINVAL, "keep", 0, 0, "must be 1 or more");
	if (refuse_where(keeper, status, &err, ret))
		return;
	response.pruned = (uint32_t)pruned;
	pq_reply_message(ret, &response.base);
}

static Pratique__V1__JournalRecord *
record_of(const struct pq_journal_record *record, struct pq_arena *arena)
{
	Pratique__V1__JournalRecord *message = pq_arena_alloc(arena, sizeof(*message));
	char *digest = pq_arena_alloc(arena, PQ_DIGEST_HEX_BYTES);

	if (message == NULL || digest == NULL)
		return NULL;
	pratique__v1__journal_record__init(message);
	pq_digest_hex(record->digest, digest);
	message->id = record->id;
	message->action = (char *)pq_journal_action_text(record->action);
	message->time_s = record->time_s;
	message->sequence = record->sequence;
	message->digest = digest;
	message->actor = (char *)record->actor;
	message->remark = (char *)record->remark;
	return message;
}

void
pq_work_journal(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret)
{
	Pratique__V1__ReadJournalRequest *request = UNPACK(keeper, read_journal_request, in, ret);
	Pratique__V1__ReadJournalResponse response = PRATIQUE__V1__READ_JOURNAL_RESPONSE__INIT;
	const struct pq_journal_record *records;
	struct pq_err err = {0};
	size_t n = 0;

	if (request == NULL)
		return;
	size_t max = request->max == 0 || request->max > JOURNAL_MAX ? JOURNAL_MAX : request->max;
	enum pq_status status =
		pq_catalog_journal(keeper->catalog, request->after, max, &keeper->arena, &records, &n, &err);
	if (refuse_where(keeper, status, &err, ret))
		return;
	response.records = pq_arena_array(&keeper->arena, n, sizeof(*response.records));
	for (size_t i = 0; i < n && response.records != NULL; i++) {
		response.records[i] = record_of(&records[i], &keeper->arena);
		if (response.records[i] == NULL)
			response.records = NULL;
	}
	if (response.records == NULL) {
		status = pq_fail(&err, PQ_ENOMEM, "no memory for the journal");
		refuse_where(keeper, status, &err, ret);
		return;
	}
	response.n_records = n;
	pq_reply_message(ret, &response.base);
}

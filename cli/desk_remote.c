/* A server as the place where revisions are kept: RevisionService, as a client. */
#include "cli/desk.h"
#include "server/link.h"

#include "pratique/v1/revision.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVICE "/pratique.v1.RevisionService/"
/* For answers that the server has at hand, and for those before which it verifies a revision and runs its cases. */
#define LOOK_MS 30000
#define VERIFY_MS 600000
/* Bytes of a store that go in one message; the server takes a megabyte unless it is told otherwise. */
#define CHUNK_BYTES ((size_t)256 << 10)

struct remote {
	struct pq_channel channel;
	struct pq_link *link;
	int timeout_ms; /* 0 = as the method asks for */
};

#define TIMEOUT(remote, otherwise_ms) ((remote)->timeout_ms > 0 ? (remote)->timeout_ms : (otherwise_ms))

/* What a status does not say by itself. */
static enum pq_status
explain(enum pq_status status, struct pq_err *err)
{
	if (status == PQ_EFORMAT && strstr(err->msg, "no such method") != NULL)
		return pq_fail_at(err, status, err->where, 0, 0,
		                  "%s: revisions are administered at the server's --admin-listen address", err->msg);
	return status;
}

static enum pq_status
ask(struct pq_desk *desk, const char *method, int timeout_ms, const ProtobufCMessage *request,
    const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage **ret_answer, struct pq_err *err)
{
	struct remote *remote = desk->at;

	return explain(pq_link_ask(remote->link, method, request, descriptor, TIMEOUT(remote, timeout_ms), NULL, ret_answer, err),
	               err);
}

/* Ask by a method of the service; NAME is that of its messages. */
#define ASK(desk, method, name, timeout_ms, request, ret_answer, err)                                      \
	ask((desk), SERVICE method, (timeout_ms), &(request)->base, &pratique__v1__##name##_response__descriptor, \
	    (ret_answer), (err))

static enum pq_status
cannot_be_read(const struct pq_desk *desk, const char *what, struct pq_err *err)
{
	return pq_fail_at(err, PQ_EFORMAT, desk->place, 0, 0, "%s in the server's answer cannot be read", what);
}

/* ---- revisions ---- */

static enum pq_status
read_revision(const struct pq_desk *desk, const Pratique__V1__CatalogRevision *message,
              struct pq_catalog_revision *ret_revision, struct pq_err *err)
{
	struct pq_catalog_revision revision = {
		.added_s = message->added_s,
		.active = message->active,
		.activated_s = message->activated_s,
		.scheduled = message->scheduled_s != 0,
		.scheduled_s = message->scheduled_s,
	};
	enum pq_status status = pq_manifest_parse((const char *)message->manifest.data, message->manifest.len, desk->place,
	                                          &revision.manifest, err);

	if (status != PQ_OK)
		return status;
	snprintf(revision.added_by, sizeof(revision.added_by), "%s", message->added_by);
	snprintf(revision.proved_by, sizeof(revision.proved_by), "%s", message->proved_by);
	*ret_revision = revision;
	return PQ_OK;
}

static enum pq_status
remote_list(struct pq_desk *desk, struct pq_arena *arena, const struct pq_catalog_revision **ret_revisions,
            size_t *ret_n, struct pq_err *err)
{
	Pratique__V1__ListRevisionsRequest request = PRATIQUE__V1__LIST_REVISIONS_REQUEST__INIT;
	ProtobufCMessage *answer;
	enum pq_status status = ASK(desk, "ListRevisions", list_revisions, LOOK_MS, &request, &answer, err);

	if (status != PQ_OK)
		return status;
	const Pratique__V1__ListRevisionsResponse *list = (const Pratique__V1__ListRevisionsResponse *)answer;
	struct pq_catalog_revision *revisions = pq_arena_array(arena, list->n_revisions, sizeof(*revisions));
	if (revisions == NULL)
		status = pq_fail(err, PQ_ENOMEM, "no memory for the list");
	for (size_t i = 0; i < list->n_revisions && status == PQ_OK; i++)
		status = read_revision(desk, list->revisions[i], &revisions[i], err);
	if (status == PQ_OK) {
		*ret_revisions = revisions;
		*ret_n = list->n_revisions;
	}
	protobuf_c_message_free_unpacked(answer, NULL);
	return status;
}

static enum pq_status
remote_next_sequence(struct pq_desk *desk, uint64_t *ret_sequence, struct pq_err *err)
{
	Pratique__V1__ListRevisionsRequest request = PRATIQUE__V1__LIST_REVISIONS_REQUEST__INIT;
	ProtobufCMessage *answer;
	enum pq_status status = ASK(desk, "ListRevisions", list_revisions, LOOK_MS, &request, &answer, err);

	if (status != PQ_OK)
		return status;
	uint64_t next = ((const Pratique__V1__ListRevisionsResponse *)answer)->next_sequence;
	protobuf_c_message_free_unpacked(answer, NULL);
	if (next == 0 || next > PQ_SEQUENCE_MAX)
		return pq_fail_at(err, PQ_ELIMIT, desk->place, 0, 0, "the server has no sequence left");
	*ret_sequence = next;
	return PQ_OK;
}

/* ---- publishing ---- */

/* Send the store's bytes. `last` ends the request, so there is at least one chunk: a store is never empty. */
static enum pq_status
send_store(struct pq_link_call *call, const struct pq_catalog_source *source, uint64_t size, struct pq_err *err)
{
	Pratique__V1__PublishRequest request = PRATIQUE__V1__PUBLISH_REQUEST__INIT;
	uint8_t *chunk = malloc(CHUNK_BYTES);
	enum pq_status status = chunk != NULL ? PQ_OK : pq_fail(err, PQ_ENOMEM, "no memory for a piece of the store");

	request.part_case = PRATIQUE__V1__PUBLISH_REQUEST__PART_CHUNK;
	for (uint64_t done = 0; done < size && status == PQ_OK;) {
		size_t want = size - done < CHUNK_BYTES ? (size_t)(size - done) : CHUNK_BYTES;
		ssize_t n = pread(source->fd, chunk, want, (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			status = pq_fail_at(err, PQ_EIO, source->name, 0, 0, "cannot be read: %s",
			                    n < 0 ? strerror(errno) : "it became shorter");
			break;
		}
		done += (uint64_t)n;
		request.chunk = (ProtobufCBinaryData){(size_t)n, chunk};
		status = pq_link_send(call, &request.base, done == size, err);
		if (pq_link_call_over(call))
			break; /* the server has refused already; the answer says why */
	}
	free(chunk);
	return status;
}

/* A store of which the manifest does not speak is not sent. */
static enum pq_status
check_source(const struct pq_manifest *manifest, const struct pq_catalog_source *source, struct pq_err *err)
{
	return source != NULL ? pq_manifest_check_store(manifest, source->fd, source->name, err) : PQ_OK;
}

static enum pq_status
send_all(struct pq_desk *desk, const struct pq_manifest *manifest, const struct pq_catalog_source *source,
         const struct pq_catalog_act *act, struct pq_link_call *call, struct pq_err *err)
{
	Pratique__V1__PublishHead head = PRATIQUE__V1__PUBLISH_HEAD__INIT;
	Pratique__V1__PublishRequest request = PRATIQUE__V1__PUBLISH_REQUEST__INIT;
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	enum pq_status status = pq_manifest_format(manifest, text, &head.manifest.len, err);

	(void)desk;
	if (status != PQ_OK)
		return status;
	head.manifest.data = (uint8_t *)text;
	head.actor = (char *)act->actor;
	head.remark = (char *)(act->remark != NULL ? act->remark : "");
	request.part_case = PRATIQUE__V1__PUBLISH_REQUEST__PART_HEAD;
	request.head = &head;
	status = pq_link_send(call, &request.base, source == NULL, err);
	if (status == PQ_OK && source != NULL && !pq_link_call_over(call))
		status = send_store(call, source, manifest->size, err);
	return status;
}

static enum pq_status
remote_add(struct pq_desk *desk, const struct pq_manifest *manifest, const struct pq_catalog_source *source,
           const struct pq_catalog_act *act, struct pq_desk_added *ret_added, struct pq_err *err)
{
	struct remote *remote = desk->at;
	struct pq_link_call *call;
	ProtobufCMessage *answer = NULL;
	enum pq_status status = check_source(manifest, source, err);

	if (status == PQ_OK)
		status = pq_link_begin(remote->link, SERVICE "Publish", TIMEOUT(remote, VERIFY_MS), NULL, &call, err);
	if (status != PQ_OK)
		return status;
	status = send_all(desk, manifest, source, act, call, err);
	if (status == PQ_OK)
		status = pq_link_receive(call, &pratique__v1__publish_response__descriptor, 0, &answer, err);
	pq_link_call_free(call);
	if (status != PQ_OK)
		return explain(status, err);
	if (answer == NULL)
		return pq_fail_at(err, PQ_EFORMAT, desk->place, 0, 0, "the server answered without a message");
	const Pratique__V1__PublishResponse *published = (const Pratique__V1__PublishResponse *)answer;
	ret_added->added = published->added;
	snprintf(ret_added->signed_by, sizeof(ret_added->signed_by), "%s", published->signed_by);
	protobuf_c_message_free_unpacked(answer, NULL);
	return PQ_OK;
}

/* ---- changes ---- */

static enum pq_status
remote_activate(struct pq_desk *desk, uint64_t sequence, const struct pq_catalog_act *act, bool *ret_changed,
                struct pq_err *err)
{
	Pratique__V1__ActivateRequest request = PRATIQUE__V1__ACTIVATE_REQUEST__INIT;
	ProtobufCMessage *answer;

	request.sequence = sequence;
	request.actor = (char *)act->actor;
	request.remark = (char *)(act->remark != NULL ? act->remark : "");
	enum pq_status status = ASK(desk, "Activate", activate, VERIFY_MS, &request, &answer, err);
	if (status != PQ_OK)
		return status;
	*ret_changed = ((const Pratique__V1__ActivateResponse *)answer)->changed;
	protobuf_c_message_free_unpacked(answer, NULL);
	return PQ_OK;
}

static enum pq_status
remote_schedule(struct pq_desk *desk, uint64_t sequence, int64_t at_s, const struct pq_catalog_act *act,
                struct pq_err *err)
{
	Pratique__V1__ScheduleActivationRequest request = PRATIQUE__V1__SCHEDULE_ACTIVATION_REQUEST__INIT;
	ProtobufCMessage *answer;

	request.sequence = sequence;
	request.at_s = at_s;
	request.actor = (char *)act->actor;
	request.remark = (char *)(act->remark != NULL ? act->remark : "");
	enum pq_status status = ASK(desk, "ScheduleActivation", schedule_activation, LOOK_MS, &request, &answer, err);
	if (status == PQ_OK)
		protobuf_c_message_free_unpacked(answer, NULL);
	return status;
}

static enum pq_status
remote_cancel(struct pq_desk *desk, uint64_t sequence, const struct pq_catalog_act *act, struct pq_err *err)
{
	Pratique__V1__CancelActivationRequest request = PRATIQUE__V1__CANCEL_ACTIVATION_REQUEST__INIT;
	ProtobufCMessage *answer;

	request.sequence = sequence;
	request.actor = (char *)act->actor;
	request.remark = (char *)(act->remark != NULL ? act->remark : "");
	enum pq_status status = ASK(desk, "CancelActivation", cancel_activation, LOOK_MS, &request, &answer, err);
	if (status == PQ_OK)
		protobuf_c_message_free_unpacked(answer, NULL);
	return status;
}

static enum pq_status
roll_back(struct pq_desk *desk, uint64_t sequence, const char *note, const char *actor, bool draft_only,
          struct pq_manifest *ret_manifest, struct pq_err *err)
{
	Pratique__V1__RollbackRequest request = PRATIQUE__V1__ROLLBACK_REQUEST__INIT;
	ProtobufCMessage *answer;

	request.sequence = sequence;
	request.note = (char *)note;
	request.actor = (char *)actor;
	request.draft_only = draft_only;
	enum pq_status status = ASK(desk, "Rollback", rollback, VERIFY_MS, &request, &answer, err);
	if (status != PQ_OK)
		return status;
	const ProtobufCBinaryData *text = &((const Pratique__V1__RollbackResponse *)answer)->manifest;
	status = pq_manifest_parse((const char *)text->data, text->len, desk->place, ret_manifest, err);
	protobuf_c_message_free_unpacked(answer, NULL);
	return status;
}

static enum pq_status
remote_draft_rollback(struct pq_desk *desk, uint64_t sequence, int64_t created_s, const char *note,
                      struct pq_manifest *ret_manifest, struct pq_err *err)
{
	(void)created_s; /* the server's clock says */
	return roll_back(desk, sequence, note, "", true, ret_manifest, err);
}

static enum pq_status
remote_rollback(struct pq_desk *desk, uint64_t sequence, const char *note, const struct pq_catalog_act *act,
                struct pq_manifest *ret_manifest, struct pq_err *err)
{
	return roll_back(desk, sequence, note, act->actor, false, ret_manifest, err);
}

static enum pq_status
remote_prune(struct pq_desk *desk, size_t keep, const struct pq_catalog_act *act, size_t *ret_pruned,
             struct pq_err *err)
{
	Pratique__V1__PruneRequest request = PRATIQUE__V1__PRUNE_REQUEST__INIT;
	ProtobufCMessage *answer;

	request.keep = (uint32_t)keep;
	request.actor = (char *)act->actor;
	enum pq_status status = ASK(desk, "Prune", prune, LOOK_MS, &request, &answer, err);
	if (status != PQ_OK)
		return status;
	*ret_pruned = ((const Pratique__V1__PruneResponse *)answer)->pruned;
	protobuf_c_message_free_unpacked(answer, NULL);
	return PQ_OK;
}

/* ---- the journal ---- */

static bool
read_action(const char *text, enum pq_journal_action *ret)
{
#define X(name, word)                      \
	if (strcmp(text, word) == 0) {         \
		*ret = PQ_JOURNAL_##name;          \
		return true;                       \
	}
	PQ_JOURNAL_MAP(X)
#undef X
	return false;
}

static enum pq_status
read_record(const struct pq_desk *desk, const Pratique__V1__JournalRecord *message, struct pq_arena *arena,
            struct pq_journal_record *ret_record, struct pq_err *err)
{
	struct pq_journal_record record = {
		.id = message->id,
		.time_s = message->time_s,
		.sequence = message->sequence,
		.actor = pq_arena_strndup(arena, message->actor, strlen(message->actor)),
		.remark = pq_arena_strndup(arena, message->remark, strlen(message->remark)),
	};

	if (record.actor == NULL || record.remark == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for the journal");
	if (!read_action(message->action, &record.action))
		return cannot_be_read(desk, "an action of the journal", err);
	if (!pq_digest_parse(message->digest, record.digest))
		return cannot_be_read(desk, "a digest of the journal", err);
	*ret_record = record;
	return PQ_OK;
}

static enum pq_status
remote_journal(struct pq_desk *desk, uint64_t after, size_t max, struct pq_arena *arena,
               const struct pq_journal_record **ret_records, size_t *ret_n, struct pq_err *err)
{
	Pratique__V1__ReadJournalRequest request = PRATIQUE__V1__READ_JOURNAL_REQUEST__INIT;
	ProtobufCMessage *answer;

	request.after = after;
	request.max = (uint32_t)max;
	enum pq_status status = ASK(desk, "ReadJournal", read_journal, LOOK_MS, &request, &answer, err);
	if (status != PQ_OK)
		return status;
	const Pratique__V1__ReadJournalResponse *journal = (const Pratique__V1__ReadJournalResponse *)answer;
	size_t n = journal->n_records < max ? journal->n_records : max;
	struct pq_journal_record *records = pq_arena_array(arena, n, sizeof(*records));
	if (records == NULL)
		status = pq_fail(err, PQ_ENOMEM, "no memory for the journal");
	for (size_t i = 0; i < n && status == PQ_OK; i++)
		status = read_record(desk, journal->records[i], arena, &records[i], err);
	/* Whoever asks goes on behind the last: ids that do not rise would have no end. */
	if (status == PQ_OK && n > 0 && records[n - 1].id <= after)
		status = cannot_be_read(desk, "the order of the journal", err);
	if (status == PQ_OK) {
		*ret_records = records;
		*ret_n = n;
	}
	protobuf_c_message_free_unpacked(answer, NULL);
	return status;
}

/* ---- opening and closing ---- */

static void
remote_close(struct pq_desk *desk)
{
	struct remote *remote = desk->at;

	pq_link_free(remote->link);
	pq_channel_close(&remote->channel);
	free(remote);
	grpc_shutdown_blocking();
}

enum pq_status
pq_desk_open_server(struct pq_desk *desk, const char *address, const struct pq_channel_access *access, int timeout_ms,
                    struct pq_err *err)
{
	static const struct pq_desk_ops ops = {
		.list = remote_list,
		.next_sequence = remote_next_sequence,
		.add = remote_add,
		.activate = remote_activate,
		.schedule = remote_schedule,
		.cancel = remote_cancel,
		.draft_rollback = remote_draft_rollback,
		.rollback = remote_rollback,
		.prune = remote_prune,
		.journal = remote_journal,
		.close = remote_close,
	};
	struct remote *remote = calloc(1, sizeof(*remote));

	if (remote == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for a connection");
	remote->timeout_ms = timeout_ms;
	grpc_init();
	enum pq_status status = pq_channel_open(&remote->channel, address, access, err);
	if (status == PQ_OK) {
		const char *authorization = remote->channel.authorization;
		status = pq_link_over(remote->channel.channel, address, authorization[0] != '\0' ? authorization : NULL,
		                      &remote->link, err);
		if (status != PQ_OK)
			pq_channel_close(&remote->channel);
	}
	if (status != PQ_OK) {
		grpc_shutdown_blocking();
		free(remote);
		return status;
	}
	*desk = (struct pq_desk){.ops = &ops, .place = address, .remote = true, .at = remote};
	return PQ_OK;
}

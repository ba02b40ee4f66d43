#include "server/fetch_link.h"

#include "server/log.h"

#include "pratique/v1/replication.pb-c.h"

#include <stdio.h>

#define FETCH "/pratique.v1.ReplicationService/FetchSnapshot"
/* A publisher that sends nothing for so long is gone; it may have to make the snapshot first. */
#define SILENCE_MS 60000

struct fetch {
	struct pq_link *link;
	const _Atomic(bool) *stop;
	struct pq_snapshot_reader *reader;
	char digest[PQ_DIGEST_HEX_BYTES], have[PQ_DIGEST_HEX_BYTES];
	char snapshot[64]; /* the name of the transfer; "" = not begun */
};

/* Take in what one call brings. */
static enum pq_status
receive(struct fetch *fetch, struct pq_link_call *call, struct pq_err *err)
{
	enum pq_status status = PQ_OK;

	while (status == PQ_OK && !pq_snapshot_reader_complete(fetch->reader)) {
		ProtobufCMessage *message;
		status = pq_link_receive(call, &pratique__v1__fetch_snapshot_response__descriptor, SILENCE_MS, &message, err);
		if (status != PQ_OK)
			break;
		if (message == NULL)
			return pq_fail(err, PQ_EIO, "the snapshot ended too early");
		const Pratique__V1__FetchSnapshotResponse *piece = (const Pratique__V1__FetchSnapshotResponse *)message;
		snprintf(fetch->snapshot, sizeof(fetch->snapshot), "%s", piece->snapshot);
		status = pq_snapshot_reader_feed(fetch->reader, piece->offset, piece->data.data, piece->data.len, err);
		protobuf_c_message_free_unpacked(message, NULL);
	}
	return status;
}

static enum pq_status
fetch_once(struct fetch *fetch, struct pq_err *err)
{
	Pratique__V1__FetchSnapshotRequest request = PRATIQUE__V1__FETCH_SNAPSHOT_REQUEST__INIT;
	struct pq_link_call *call;
	enum pq_status status = pq_link_begin(fetch->link, FETCH, 0, fetch->stop, &call, err);

	if (status != PQ_OK)
		return status;
	request.digest = fetch->digest;
	request.have = fetch->have;
	request.offset = fetch->snapshot[0] != '\0' ? pq_snapshot_reader_next(fetch->reader) : 0;
	request.snapshot = fetch->snapshot;
	status = pq_link_send(call, &request.base, true, err);
	if (status == PQ_OK)
		status = receive(fetch, call, err);
	pq_link_call_free(call);
	pq_snapshot_reader_rewind(fetch->reader);
	return status;
}

/* Until it is whole, or a try brought nothing. */
static enum pq_status
fetch_all(struct fetch *fetch, struct pq_err *err)
{
	enum pq_status status;
	uint64_t before;

	for (int tries = 0;; tries++) {
		struct pq_err why = {0};
		before = pq_snapshot_reader_next(fetch->reader);
		status = fetch_once(fetch, &why);
		if (status == PQ_OK)
			return pq_snapshot_reader_finish(fetch->reader, err);
		bool brought = pq_snapshot_reader_next(fetch->reader) > before;
		if (status != PQ_EIO || !brought || tries == PQ_RESUMES_MAX) {
			*err = why;
			return status;
		}
		PQ_LOG(PQ_LOG_INFO, "fetch_resumed", PQ_LOG_NUMBER("at", pq_snapshot_reader_next(fetch->reader)),
		       PQ_LOG_TEXT("error", why.msg));
	}
}

enum pq_status
pq_fetch_by_link(struct pq_link *link, const struct pq_manifest *manifest, const struct pq_snapshot_file *base, int fd,
                 const _Atomic(bool) *stop, struct pq_err *err)
{
	struct fetch fetch = {.link = link, .stop = stop};
	enum pq_status status =
		pq_snapshot_reader_new(manifest, base, fd, "the part of a store", "the snapshot", &fetch.reader, err);

	if (status != PQ_OK)
		return status;
	pq_digest_hex(manifest->digest, fetch.digest);
	if (base != NULL)
		pq_digest_hex(base->digest, fetch.have);
	status = fetch_all(&fetch, err);
	pq_snapshot_reader_free(fetch.reader);
	return status;
}

#include "server/convert_revision.h"

#include <string.h>

enum pq_status
pq_revision_to_message(const struct pq_catalog_revision *known, struct pq_arena *arena,
                       Pratique__V1__CatalogRevision **ret_message, struct pq_err *err)
{
	Pratique__V1__CatalogRevision *message = pq_arena_alloc(arena, sizeof(*message));
	char *digest = pq_arena_alloc(arena, PQ_DIGEST_HEX_BYTES);
	char *manifest = pq_arena_alloc(arena, PQ_MANIFEST_BYTES_MAX + 1);
	char *note = pq_arena_strndup(arena, known->manifest.note, strlen(known->manifest.note));
	char *added_by = pq_arena_strndup(arena, known->added_by, strlen(known->added_by));
	char *proved_by = pq_arena_strndup(arena, known->proved_by, strlen(known->proved_by));
	size_t len;

	if (message == NULL || digest == NULL || manifest == NULL || note == NULL || added_by == NULL ||
	    proved_by == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for a revision");
	enum pq_status status = pq_manifest_format(&known->manifest, manifest, &len, err);
	if (status != PQ_OK)
		return status;
	pratique__v1__catalog_revision__init(message);
	pq_digest_hex(known->manifest.digest, digest);
	message->sequence = known->manifest.sequence;
	message->digest = digest;
	message->size_bytes = known->manifest.size;
	message->created_s = known->manifest.created_s;
	message->note = note;
	message->manifest = (ProtobufCBinaryData){len, (uint8_t *)manifest};
	message->added_s = known->added_s;
	message->added_by = added_by;
	message->active = known->active;
	message->activated_s = known->active ? known->activated_s : 0;
	message->scheduled_s = known->scheduled ? known->scheduled_s : 0;
	message->proved_by = proved_by;
	*ret_message = message;
	return PQ_OK;
}

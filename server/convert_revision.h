/**
 * Between the catalog and the messages of RevisionService.
 */
#ifndef PQ_SERVER_CONVERT_REVISION_H
#define PQ_SERVER_CONVERT_REVISION_H

#include "server/keeper.h"

#include "pratique/v1/revision.pb-c.h"

/** A revision as a message, in the arena. Fails: PQ_ENOMEM, and as pq_manifest_format(). */
PQ_MUST_USE enum pq_status pq_revision_to_message(const struct pq_catalog_revision *known, struct pq_arena *arena,
                                                  Pratique__V1__CatalogRevision **ret_message, struct pq_err *err);

/** Refuse with what the catalog said. */
void pq_revision_refuse(struct pq_reply *ret, struct pq_arena *arena, enum pq_status status, const struct pq_err *err);

/** False: the catalog is not for callers to change, for the server follows another; *ret is the refusal. */
bool pq_revision_may_change(const struct pq_keeper *keeper, struct pq_arena *arena, struct pq_reply *ret);

#endif

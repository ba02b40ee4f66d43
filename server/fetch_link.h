/**
 * Fetching a store from another server: ReplicationService.FetchSnapshot into the part of a catalog.
 */
#ifndef PQ_SERVER_FETCH_LINK_H
#define PQ_SERVER_FETCH_LINK_H

#include "server/link.h"
#include "storage/catalog.h"

/**
 * Fetch the store of a manifest, as differences against the active revision's where there is one, or the whole of it
 * (`whole`). A transfer that breaks is gone on with as long as each try brings something.
 *
 * Ownership: *ret_fd is of pq_catalog_part_open(), the caller's. On failure what was fetched stays in the part for the next
 *            try, unless it is damaged.
 * Fails:     as server/link.h, fetch/snapshot.h and pq_catalog_part_open().
 */
PQ_MUST_USE enum pq_status pq_fetch_by_link(struct pq_link *link, struct pq_catalog *catalog,
                                            const struct pq_manifest *manifest, bool whole, const _Atomic(bool) *stop,
                                            int *ret_fd, struct pq_err *err);

#endif

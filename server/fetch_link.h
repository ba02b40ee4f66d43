/**
 * Fetching a store from another server, by ReplicationService.FetchSnapshot.
 */
#ifndef PQ_SERVER_FETCH_LINK_H
#define PQ_SERVER_FETCH_LINK_H

#include "fetch/snapshot.h"
#include "server/link.h"

/**
 * Fetch the store of a manifest into `fd`, as differences against `base`, or the whole of it (NULL). What the file holds
 * already is used. A transfer that breaks is gone on with as long as each try brings something.
 *
 * Fails: as server/link.h and fetch/snapshot.h.
 */
PQ_MUST_USE enum pq_status pq_fetch_by_link(struct pq_link *link, const struct pq_manifest *manifest,
                                            const struct pq_snapshot_file *base, int fd, const _Atomic(bool) *stop,
                                            struct pq_err *err);

#endif

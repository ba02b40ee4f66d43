/**
 * Where revisions are kept: a directory, or a server. Behind the commands that publish and activate them; one table of
 * functions for each kind of place, so that the commands have the same words for all of them.
 *
 * Threads: a desk belongs to one thread.
 */
#ifndef PQ_CLI_DESK_H
#define PQ_CLI_DESK_H

#include "cli/channel.h"
#include "storage/catalog.h"

struct pq_desk;

/** What became of a revision that was added. */
struct pq_desk_added {
	bool added;                      /* false: it was there already */
	char signed_by[PQ_KEY_ID_BYTES]; /* whose signature the place verified; "" = it trusts nobody and verifies none */
};

/** What a place can do; each function is the one of the same name in storage/catalog.h, with its contract. */
struct pq_desk_ops {
	enum pq_status (*list)(struct pq_desk *desk, struct pq_arena *arena,
	                       const struct pq_catalog_revision **ret_revisions, size_t *ret_n, struct pq_err *err);
	enum pq_status (*next_sequence)(struct pq_desk *desk, uint64_t *ret_sequence, struct pq_err *err);
	/** `source` NULL: the store is there already. */
	enum pq_status (*add)(struct pq_desk *desk, const struct pq_manifest *manifest,
	                      const struct pq_catalog_source *source, const struct pq_catalog_act *act,
	                      struct pq_desk_added *ret_added, struct pq_err *err);
	enum pq_status (*activate)(struct pq_desk *desk, uint64_t sequence, const struct pq_catalog_act *act,
	                           bool *ret_changed, struct pq_err *err);
	enum pq_status (*schedule)(struct pq_desk *desk, uint64_t sequence, int64_t at_s, const struct pq_catalog_act *act,
	                           struct pq_err *err);
	enum pq_status (*cancel)(struct pq_desk *desk, uint64_t sequence, const struct pq_catalog_act *act,
	                         struct pq_err *err);
	/** NULL where plans are carried out without being asked. */
	enum pq_status (*next_plan)(struct pq_desk *desk, uint64_t *ret_sequence, int64_t *ret_at_s, struct pq_err *err);
	enum pq_status (*draft_rollback)(struct pq_desk *desk, uint64_t sequence, int64_t created_s, const char *note,
	                                 struct pq_manifest *ret_manifest, struct pq_err *err);
	/** Draft, add and activate in one, without a signature. `act` has the note as its remark. */
	enum pq_status (*rollback)(struct pq_desk *desk, uint64_t sequence, const char *note,
	                           const struct pq_catalog_act *act, struct pq_manifest *ret_manifest, struct pq_err *err);
	enum pq_status (*prune)(struct pq_desk *desk, size_t keep, const struct pq_catalog_act *act, size_t *ret_pruned,
	                        struct pq_err *err);
	enum pq_status (*journal)(struct pq_desk *desk, uint64_t after, size_t max, struct pq_arena *arena,
	                          const struct pq_journal_record **ret_records, size_t *ret_n, struct pq_err *err);
	void (*close)(struct pq_desk *desk);
};

struct pq_desk {
	const struct pq_desk_ops *ops; /* NULL: not open */
	const char *place;             /* for messages; the caller's */
	bool remote;                   /* a server */
	const struct pq_trust *trust;  /* of a directory; a server has its own */
	void *at;                      /* the kind's own */
};

/**
 * Open a revision directory. `trust` NULL: unsigned manifests are taken; else it is borrowed until pq_desk_close().
 * With `create`, a directory that is not there is made. Failing cases are printed to standard error.
 * Fails: as pq_catalog_open().
 */
PQ_MUST_USE enum pq_status pq_desk_open_dir(struct pq_desk *desk, const char *dir, const struct pq_trust *trust,
                                            bool create, struct pq_err *err);

/**
 * Prepare to ask a server, which has a catalog (--data); nothing is sent yet.
 *
 * `timeout_ms` is for each answer; 0: half a minute, and ten minutes for what makes the server verify a revision.
 * Ownership: `address` and `access` are borrowed until pq_desk_close().
 * Fails:     as pq_channel_open(). The operations: as those of a directory, with the server's words, and PQ_EIO where it
 *            cannot be reached or does not answer in time, PQ_EFAILED where who asks lacks the role, PQ_EFORMAT where it
 *            has no such method on this listener or speaks otherwise. `act` has no time there: the server's clock counts.
 */
PQ_MUST_USE enum pq_status pq_desk_open_server(struct pq_desk *desk, const char *address,
                                               const struct pq_channel_access *access, int timeout_ms,
                                               struct pq_err *err);

/** Close a desk that was opened, or is all zero. */
void pq_desk_close(struct pq_desk *desk);

#endif

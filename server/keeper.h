/**
 * The keeper of a revision directory (--data): changes its catalog, puts revisions in force, carries out plans.
 *
 * Threads: one at the desk `changes`, where everything is done that alters the catalog, and one at `supplies`, which makes
 *          snapshots for replicas. Workers give them jobs. pq_keeper_activate() may be called by any thread.
 */
#ifndef PQ_SERVER_KEEPER_H
#define PQ_SERVER_KEEPER_H

#include "server/backdesk.h"
#include "server/options.h"
#include "server/reply.h"
#include "server/revision.h"
#include "storage/catalog.h"

struct pq_server;
struct pq_bytes;
struct pq_snapshots;
struct pq_replicas;
struct pq_replica_lag;
struct pq_follow;

struct pq_keeper {
	const struct pq_options *options;
	struct pq_server *server; /* NULL until it starts */
	struct pq_trust *trust;   /* NULL: unsigned manifests are taken */
	struct pq_verified *verified; /* NULL: stores are hashed each time they are opened */
	struct pq_catalog *catalog;
	struct pq_backdesk changes, supplies;
	struct pq_arena arena;      /* of the desk `changes` */
	pthread_mutex_t activating; /* what the catalog says and what is served change together */
	struct pq_snapshots *snapshots;
	struct pq_replicas *replicas;
	struct pq_follow *follow; /* NULL: revisions are published here */
};

/**
 * Open the directory as the options say, and the revision that is active there.
 *
 * Ownership: *ret_keeper is the caller's; *ret_revision too, and is NULL where none is active. `options` is borrowed.
 * Fails:     as pq_trust_load(), pq_catalog_open() and pq_catalog_activate().
 */
PQ_MUST_USE enum pq_status pq_keeper_open(const struct pq_options *options, struct pq_keeper **ret_keeper,
                                          struct pq_revision **ret_revision, struct pq_err *err);

/** Begin to work for a server. False: no thread. */
bool pq_keeper_start(struct pq_keeper *keeper, struct pq_server *server);

/** Take no more jobs; those that wait come back refused. The workers must still run. */
void pq_keeper_end(struct pq_keeper *keeper);

/** After the server has ended. Accepts NULL. */
void pq_keeper_free(struct pq_keeper *keeper);

/**
 * Put a revision in force, in the catalog and for all workers.
 *
 * Out:   *ret_changed, which may be NULL: false, it was in force already.
 * Fails: as pq_catalog_activate(), pq_revision_of(). What was in force stays so.
 */
PQ_MUST_USE enum pq_status pq_keeper_activate(struct pq_keeper *keeper, uint64_t sequence,
                                              const struct pq_catalog_act *act, bool *ret_changed, struct pq_err *err);

/** pq_catalog_add(), with refusals counted. Any thread. */
PQ_MUST_USE enum pq_status pq_keeper_add(struct pq_keeper *keeper, const struct pq_manifest *manifest,
                                         const struct pq_catalog_source *source, const struct pq_catalog_act *act,
                                         struct pq_catalog_revision *ret_revision, bool *ret_added, struct pq_err *err);

/** pq_manifest_verify() against the keeper's keys, with refusals counted. Any thread. */
PQ_MUST_USE enum pq_status pq_keeper_verify(struct pq_keeper *keeper, const struct pq_manifest *manifest,
                                            const char *name, char *ret_key, struct pq_err *err);

/** How far each replica is behind, for at most PQ_SERVER_REPLICAS_MAX; how many there are. Any thread. */
size_t pq_keeper_lags(struct pq_keeper *keeper, struct pq_replica_lag *ret);

/** Does this server follow another, so that its catalog is not for callers to change? */
bool pq_keeper_follows(const struct pq_keeper *keeper);

/** Seconds since 1970, now. */
int64_t pq_keeper_now_s(void);

/* What is done at the desk for a method; server/rpc.c names them. They use keeper->arena, which is reset afterwards. */
void pq_work_activate(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret);
void pq_work_schedule(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret);
void pq_work_cancel(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret);
void pq_work_rollback(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret);
void pq_work_list(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret);
void pq_work_get(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret);
void pq_work_prune(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret);
void pq_work_journal(struct pq_keeper *keeper, const struct pq_bytes *in, struct pq_reply *ret);

#endif

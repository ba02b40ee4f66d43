/**
 * The catalog of a revision directory: which revisions are here, which one is active, what is planned, who did what.
 *
 *   DIR/lock                   held as long as the directory is open; says who holds it
 *   DIR/catalog.mdb            the one mutable LMDB environment: revisions, state, schedule, journal
 *   DIR/revisions/HEX.mdb      sealed stores, by digest; never written in place
 *   DIR/revisions/HEX.part     a store that is being fetched, kept over restarts so that the fetch can resume
 *   DIR/revisions/.*.tmp       a store that is being copied; what is found at opening is deleted
 *
 * A revision is known by its sequence; several revisions may have one digest (a rollback does). Activating takes a
 * sequence that is higher than the active one: an old manifest, replayed, cannot bring old law back.
 *
 * Crashes: files are synced and renamed before one transaction of the catalog names them, and are unlinked after one
 *          has forgotten them. Killed at any instant, the directory holds the old or the new state; opening it deletes
 *          what belongs to neither.
 * Trust:   the manifest's signature is verified against the configured keys, then size and digest of the file, then its
 *          pages, each time before LMDB opens a store. DIR itself is trusted: who may write into it is the operator.
 * Threads: all functions may be called from any thread; one lock orders them. pq_catalog_free() must come after all.
 *          The slow part of pq_catalog_add() and _activate() (copying, hashing, proving) runs outside of that lock.
 */
#ifndef PQ_STORAGE_CATALOG_H
#define PQ_STORAGE_CATALOG_H

#include "policy/arena.h"
#include "policy/status.h"
#include "storage/manifest.h"
#include "storage/store.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes of an actor's name and of a remark in the journal, without NUL; longer ones are cut. */
#define PQ_ACTOR_MAX 128
#define PQ_REMARK_MAX 512
/** Bytes of a prover's name, without NUL. */
#define PQ_PROVER_MAX 64

struct pq_catalog;

/**
 * Run a store's own cases. PQ_OK: all passed. Called outside of the catalog's lock, possibly by several threads at
 * once; it must not call the catalog.
 */
typedef enum pq_status pq_catalog_prove_fn(void *ctx, const struct pq_store *store, struct pq_err *err);

/** How a catalog is opened. */
struct pq_catalog_options {
	const struct pq_trust *trust; /* NULL: unsigned manifests are taken. Borrowed; see pq_catalog_set_trust() */
	pq_catalog_prove_fn *prove;   /* NULL: nothing can be added or activated that was not proved before */
	void *prove_ctx;
	struct pq_verified *verified; /* records of stores that were hashed before; NULL: none are kept. Borrowed */
	const char *prover; /* who proves, e.g. the program's version: what another proved is proved again */
	bool create;        /* make the directory (its parent must exist) and what is in it */
};

/** Who does something, when, and why: what the journal says of it. */
struct pq_catalog_act {
	const char *actor;  /* "alice", "spiffe://..."; NULL = "" */
	int64_t time_s;     /* now, in seconds since 1970 */
	const char *remark; /* NULL = "" */
};

/** A revision in the catalog. A value without pointers. */
struct pq_catalog_revision {
	struct pq_manifest manifest;
	int64_t added_s;
	char added_by[PQ_ACTOR_MAX + 1];
	char proved_by[PQ_PROVER_MAX + 1]; /* the prover under which its cases passed; "" = none yet */
	bool active;
	bool scheduled;
	int64_t activated_s; /* where active: since when */
	int64_t scheduled_s; /* where scheduled: for when */
};

/** What a journal record tells of. */
#define PQ_JOURNAL_MAP(X)                                                                               \
	X(PUBLISHED, "published")                                                                           \
	X(ACTIVATED, "activated")                                                                           \
	X(SCHEDULED, "scheduled")                                                                           \
	X(CANCELLED, "cancelled") /* a schedule: by somebody, or because a higher sequence became active */ \
	X(REFUSED, "refused")     /* a revision that could not be activated; the remark says why */         \
	X(PRUNED, "pruned")

enum pq_journal_action {
#define X(name, text) PQ_JOURNAL_##name,
	PQ_JOURNAL_MAP(X)
#undef X
};

struct pq_journal_record {
	uint64_t id; /* 1, 2, 3, ... without gaps */
	enum pq_journal_action action;
	int64_t time_s;
	uint64_t sequence;
	uint8_t digest[PQ_DIGEST_BYTES];
	const char *actor;
	const char *remark;
};

/** "published" and so on, never NULL. */
const char *pq_journal_action_text(enum pq_journal_action action);

/**
 * Open a revision directory, and delete what an interrupted process left: temporaries, stores that no revision names.
 *
 * Ownership: *ret_catalog is the caller's, to be freed by pq_catalog_free(). `options` is copied, what it points to is
 *            borrowed until then.
 * Fails:     PQ_EFAILED (another process has it open: err says which), PQ_ENOTFOUND (no such directory, or no catalog
 *            in it, and not `create`), PQ_EINVAL (not a directory), PQ_EFORMAT (of another version), PQ_ECORRUPT,
 *            PQ_EIO (not readable, not writable, full), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_catalog_open(const char *dir, const struct pq_catalog_options *options,
                                           struct pq_catalog **ret_catalog, struct pq_err *err);

/** Close the directory and unlock it. Stores that were opened from it stay open. Accepts NULL. */
void pq_catalog_free(struct pq_catalog *catalog);

/** The directory as it was given; lives as long as the catalog. */
const char *pq_catalog_dir(const struct pq_catalog *catalog);

/** Put other keys in the place of the trusted ones; the old ones may be freed when this returns. NULL: unsigned. */
void pq_catalog_set_trust(struct pq_catalog *catalog, const struct pq_trust *trust);

/** The path of the store of a digest, whether it is there or not. Fails: PQ_ELIMIT (too long). */
PQ_MUST_USE enum pq_status pq_catalog_store_path(const struct pq_catalog *catalog,
                                                 const uint8_t digest[PQ_DIGEST_BYTES], char ret_path[PATH_MAX],
                                                 struct pq_err *err);

/** Is the store of this digest here? (Its bytes are verified when it is opened.) */
bool pq_catalog_has_store(struct pq_catalog *catalog, const uint8_t digest[PQ_DIGEST_BYTES]);

/**
 * Open (and create) the file into which a store is fetched. What is there already stays: its size says where to resume.
 *
 * Ownership: *ret_fd is the caller's: write through it, hand it to pq_catalog_add(), close it. While it is open the
 *            part survives pruning, and nobody else can open it.
 * Fails:     PQ_EFAILED (it is being fetched already), PQ_EIO.
 */
PQ_MUST_USE enum pq_status pq_catalog_part_open(struct pq_catalog *catalog, const uint8_t digest[PQ_DIGEST_BYTES],
                                                int *ret_fd, struct pq_err *err);

/** Delete the part of a digest, as after a fetch that came out wrong. What is not there is not missed. */
void pq_catalog_part_delete(struct pq_catalog *catalog, const uint8_t digest[PQ_DIGEST_BYTES]);

/** Where the store comes from that is added. */
struct pq_catalog_source {
	enum {
		PQ_CATALOG_HERE, /* it is here already (a rollback, a revision of equal content) */
		PQ_CATALOG_COPY, /* it is copied (a reflink where the file system can) from `fd`, which stays as it is */
		PQ_CATALOG_PART, /* `fd` is of pq_catalog_part_open() for this digest, complete: it is moved into place */
	} from;
	int fd;           /* open for reading; its position does not matter */
	const char *name; /* the path or URL of `fd`, for messages */
};

/**
 * Add a revision: verify the signature, copy, verify size and digest, run the cases, put the file in place, record it.
 *
 * A revision that is here already with the same statement is no error: *ret_added is false, nothing is written, but
 * signatures that are new are kept. If the store is already here and not damaged, `source` is not read; NULL is
 * PQ_CATALOG_HERE.
 *
 * Out:   *ret_revision and *ret_added; each may be NULL.
 * Fails: PQ_EFAILED (not signed as the trust asks; the sequence is not higher than the active one; it is known with
 *        another statement; the cases failed; nothing to prove with), PQ_EINVAL (a field of the manifest), PQ_ENOTFOUND
 *        (PQ_CATALOG_HERE, and it is not here), PQ_ECORRUPT (size or digest), PQ_EFORMAT, PQ_ELIMIT, PQ_EIO (a full
 *        disk), PQ_ENOMEM. After a failure the directory is as it was, but for a part, which stays.
 */
PQ_MUST_USE enum pq_status pq_catalog_add(struct pq_catalog *catalog, const struct pq_manifest *manifest,
                                          const struct pq_catalog_source *source, const struct pq_catalog_act *act,
                                          struct pq_catalog_revision *ret_revision, bool *ret_added,
                                          struct pq_err *err);

/**
 * Make a revision the active one. It is verified and, unless this prover has done so, proved again before.
 *
 * Plans for lower sequences, and its own, are cancelled with it. To activate the active revision is no error and
 * changes nothing, but it is verified and proved likewise: what a server does at its start. *ret_changed, which may be
 * NULL, is false then.
 *
 * Ownership: *ret_store, which may be NULL, is the opened store, the caller's; it is set in either case.
 * Fails:     PQ_ENOTFOUND (no such sequence, or its file is gone), PQ_EFAILED (the sequence is not higher than the
 *            active one; not signed as the trust asks; the cases failed), PQ_ECORRUPT, PQ_EIO, PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_catalog_activate(struct pq_catalog *catalog, uint64_t sequence,
                                               const struct pq_catalog_act *act, struct pq_store **ret_store,
                                               bool *ret_changed, struct pq_err *err);

/**
 * Plan an activation; a plan of the same sequence is replaced. It is carried out by whoever asks pq_catalog_due().
 * Fails: PQ_ENOTFOUND, PQ_EFAILED (the sequence is not higher than the active one), PQ_EIO.
 */
PQ_MUST_USE enum pq_status pq_catalog_schedule(struct pq_catalog *catalog, uint64_t sequence, int64_t at_s,
                                               const struct pq_catalog_act *act, struct pq_err *err);

/** Take a plan back. Fails: PQ_ENOTFOUND (there is none), PQ_EIO. */
PQ_MUST_USE enum pq_status pq_catalog_cancel(struct pq_catalog *catalog, uint64_t sequence,
                                             const struct pq_catalog_act *act, struct pq_err *err);

/** Take a plan back because it could not be carried out: as pq_catalog_cancel(), journalled as refused. */
PQ_MUST_USE enum pq_status pq_catalog_refuse(struct pq_catalog *catalog, uint64_t sequence,
                                             const struct pq_catalog_act *act, struct pq_err *err);

/**
 * The plan that comes first: the earliest, and of one time the lowest sequence. It is due once *ret_at_s <= now.
 * Fails: PQ_ENOTFOUND (no plans), PQ_EIO.
 */
PQ_MUST_USE enum pq_status pq_catalog_next_plan(struct pq_catalog *catalog, uint64_t *ret_sequence, int64_t *ret_at_s,
                                                struct pq_err *err);

/**
 * Prepare a rollback: the statement that puts the content of `sequence` behind a new sequence, one above the highest
 * known. It is not added: sign it (pq_manifest_sign()) where trust is configured, then pq_catalog_add() it with
 * PQ_CATALOG_HERE and activate it. Where the signer is elsewhere, it signs such a manifest there.
 * Fails: PQ_ENOTFOUND (no such sequence), PQ_ELIMIT (no sequence left), PQ_EIO.
 */
PQ_MUST_USE enum pq_status pq_catalog_draft_rollback(struct pq_catalog *catalog, uint64_t sequence, int64_t created_s,
                                                     const char *note, struct pq_manifest *ret_manifest,
                                                     struct pq_err *err);

/**
 * The sequence after the highest that was ever known here, pruned ones included.
 * Fails: PQ_ELIMIT (PQ_SEQUENCE_MAX is taken), PQ_EIO.
 */
PQ_MUST_USE enum pq_status pq_catalog_next_sequence(struct pq_catalog *catalog, uint64_t *ret_sequence,
                                                    struct pq_err *err);

/** The active revision. Fails: PQ_ENOTFOUND (none is), PQ_EIO. */
PQ_MUST_USE enum pq_status pq_catalog_active(struct pq_catalog *catalog, struct pq_catalog_revision *ret_revision,
                                             struct pq_err *err);

/** The revision of a sequence. Fails: PQ_ENOTFOUND, PQ_EIO. */
PQ_MUST_USE enum pq_status pq_catalog_get(struct pq_catalog *catalog, uint64_t sequence,
                                          struct pq_catalog_revision *ret_revision, struct pq_err *err);

/** All revisions by sequence, ascending; *ret_revisions lives in `arena`. Fails: PQ_EIO, PQ_ENOMEM. */
PQ_MUST_USE enum pq_status pq_catalog_list(struct pq_catalog *catalog, struct pq_arena *arena,
                                           const struct pq_catalog_revision **ret_revisions, size_t *ret_n,
                                           struct pq_err *err);

/**
 * Open the store of a revision as it may be served: signature, digest and pages are verified first; cases are not run.
 * Ownership: *ret_store is the caller's and may outlive the catalog. Fails: as pq_catalog_activate() before proving.
 */
PQ_MUST_USE enum pq_status pq_catalog_open_store(struct pq_catalog *catalog, uint64_t sequence, unsigned store_flags,
                                                 struct pq_store **ret_store, struct pq_err *err);

/**
 * Forget all but the `keep` highest sequences, the active one and the planned ones, and delete files that no revision
 * names any more, parts that nobody has open included. A store that is mapped stays readable for who has it.
 *
 * Out:   *ret_pruned, which may be NULL, is the number of revisions forgotten.
 * Fails: PQ_EIO: what could not be deleted is tried again at the next opening or pruning.
 */
PQ_MUST_USE enum pq_status pq_catalog_prune(struct pq_catalog *catalog, size_t keep, const struct pq_catalog_act *act,
                                            size_t *ret_pruned, struct pq_err *err);

/**
 * Journal records with ids above `after` (0: from the first), ascending, at most `max`; texts live in `arena`.
 * Fails: PQ_EIO, PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_catalog_journal(struct pq_catalog *catalog, uint64_t after, size_t max,
                                              struct pq_arena *arena, const struct pq_journal_record **ret_records,
                                              size_t *ret_n, struct pq_err *err);

#endif

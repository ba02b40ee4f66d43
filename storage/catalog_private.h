/**
 * The insides of the catalog, for storage/catalog*.c.
 *
 * Databases in catalog.mdb, values in JSON so that mdb_dump shows what is there:
 *   state      "format" -> 1, "highest" -> the highest sequence ever known, "active" -> {sequence, since}
 *   revisions  sequence, big-endian -> {manifest, added, by, proved}
 *   schedule   sequence, big-endian -> {at}
 *   journal    id, big-endian -> {action, time, sequence, digest, by, remark}
 *
 * Functions that take a transaction are called under the catalog's lock.
 */
#ifndef PQ_STORAGE_CATALOG_PRIVATE_H
#define PQ_STORAGE_CATALOG_PRIVATE_H

#include "storage/catalog.h"

#include <jansson.h>
#include <lmdb.h>
#include <pthread.h>

/** The version of the directory's layout. */
#define PQ_CATALOG_FORMAT 1

struct pq_catalog {
	char *dir;
	char *path; /* of catalog.mdb, for messages */
	int dir_fd;
	int revisions_fd;
	int lock_fd; /* locked by flock() as long as it is open */
	pthread_mutex_t lock;
	MDB_env *env;
	MDB_dbi state;
	MDB_dbi revisions;
	MDB_dbi schedule;
	MDB_dbi journal;
	const struct pq_trust *trust; /* under the lock */
	pq_catalog_prove_fn *prove;
	void *prove_ctx;
	struct pq_verified *verified;
	char prover[PQ_PROVER_MAX + 1];
};

/** The active sequence and since when; sequence 0: none. */
struct pq_catalog_active {
	uint64_t sequence;
	int64_t since_s;
};

/* ---- catalog_records.c ---- */

/** Begin a transaction, to write or only to read. Ended by pq_catalog_end(). */
PQ_MUST_USE enum pq_status pq_catalog_begin(struct pq_catalog *catalog, bool write, MDB_txn **ret_txn,
                                            struct pq_err *err);

/** Commit where `status` is PQ_OK, else abort. Returns `status`, or what went wrong with the commit. */
PQ_MUST_USE enum pq_status pq_catalog_end(struct pq_catalog *catalog, MDB_txn *txn, enum pq_status status,
                                          struct pq_err *err);

PQ_MUST_USE enum pq_status pq_catalog_load_active(struct pq_catalog *catalog, MDB_txn *txn,
                                                  struct pq_catalog_active *ret_active, struct pq_err *err);
PQ_MUST_USE enum pq_status pq_catalog_store_active(struct pq_catalog *catalog, MDB_txn *txn,
                                                   const struct pq_catalog_active *active, struct pq_err *err);

/** The highest sequence ever known; 0: none. Storing a lower one changes nothing. */
PQ_MUST_USE enum pq_status pq_catalog_load_highest(struct pq_catalog *catalog, MDB_txn *txn, uint64_t *ret_sequence,
                                                   struct pq_err *err);
PQ_MUST_USE enum pq_status pq_catalog_store_highest(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence,
                                                    struct pq_err *err);

/** PQ_ENOTFOUND where there is no such sequence. */
PQ_MUST_USE enum pq_status pq_catalog_load_row(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence,
                                               struct pq_catalog_revision *ret_revision, struct pq_err *err);
/** Stores manifest, added_*, proved_by. */
PQ_MUST_USE enum pq_status pq_catalog_store_row(struct pq_catalog *catalog, MDB_txn *txn,
                                                const struct pq_catalog_revision *revision, struct pq_err *err);

/** All rows, ascending. Ownership: *ret_rows is to be freed by free(). */
PQ_MUST_USE enum pq_status pq_catalog_load_rows(struct pq_catalog *catalog, MDB_txn *txn,
                                                struct pq_catalog_revision **ret_rows, size_t *ret_n,
                                                struct pq_err *err);

/** The time of a plan; PQ_ENOTFOUND where there is none. */
PQ_MUST_USE enum pq_status pq_catalog_load_plan(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence,
                                                int64_t *ret_at_s, struct pq_err *err);
PQ_MUST_USE enum pq_status pq_catalog_store_plan(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence,
                                                 int64_t at_s, struct pq_err *err);

/** Delete what stands under a sequence; what is not there is not missed. */
PQ_MUST_USE enum pq_status pq_catalog_delete(struct pq_catalog *catalog, MDB_txn *txn, MDB_dbi dbi, uint64_t sequence,
                                             struct pq_err *err);

/** Append to the journal. `remark` NULL: the act's own. */
PQ_MUST_USE enum pq_status pq_catalog_log(struct pq_catalog *catalog, MDB_txn *txn, enum pq_journal_action action,
                                          const struct pq_catalog_revision *revision, const struct pq_catalog_act *act,
                                          const char *remark, struct pq_err *err);

/** The key of a sequence or id. Ownership: `ret_bytes` is the caller's and holds the key. */
MDB_val pq_catalog_key(uint64_t number, uint8_t ret_bytes[8]);
uint64_t pq_catalog_key_number(const MDB_val *key);

/** Read a value that this catalog wrote. PQ_ECORRUPT where it is none. Ownership: the caller's, json_decref(). */
PQ_MUST_USE enum pq_status pq_catalog_read_json(const struct pq_catalog *catalog, const MDB_val *value,
                                                json_t **ret_object, struct pq_err *err);
/** PQ_ECORRUPT, naming the catalog: a value is not what this program writes. */
PQ_MUST_USE enum pq_status pq_catalog_corrupt(const struct pq_catalog *catalog, const char *what, struct pq_err *err);

/** Copy a text, cut where a character ends, with '?' for what is no UTF-8 and for control characters. NULL = "". */
void pq_catalog_text(char *to, size_t size, const char *from);

/* ---- catalog_files.c ---- */

/** "HEX.mdb" or "HEX.part": a name in DIR/revisions. */
#define PQ_CATALOG_NAME_BYTES (PQ_DIGEST_HEX_BYTES + 5)
void pq_catalog_name(const uint8_t digest[PQ_DIGEST_BYTES], const char *suffix, char ret_name[PQ_CATALOG_NAME_BYTES]);

/** Open the directory, make it where asked, and lock it. Fills dir_fd, revisions_fd, lock_fd. */
PQ_MUST_USE enum pq_status pq_catalog_open_dir(struct pq_catalog *catalog, bool create, struct pq_err *err);

/** Delete the temporaries of processes that are gone. Only right after locking: nobody else is writing then. */
void pq_catalog_sweep_temporaries(struct pq_catalog *catalog);

/** Delete stores that no revision names; with `parts`, also parts that nobody has open. Under the lock. */
PQ_MUST_USE enum pq_status pq_catalog_sweep_stores(struct pq_catalog *catalog, bool parts, struct pq_err *err);

/** Open the store of a digest for reading. Fails: PQ_ENOTFOUND (it is not here), PQ_EIO. */
PQ_MUST_USE enum pq_status pq_catalog_open_file(struct pq_catalog *catalog, const uint8_t digest[PQ_DIGEST_BYTES],
                                                int *ret_fd, struct pq_err *err);

/** Copy the first `size` bytes of `from` to `to`, which is empty. `name` is that of `from`. */
PQ_MUST_USE enum pq_status pq_catalog_copy(int from, int to, uint64_t size, const char *name, struct pq_err *err);

/* ---- catalog.c ---- */

/** Mark which is active and planned. */
PQ_MUST_USE enum pq_status pq_catalog_mark(struct pq_catalog *catalog, MDB_txn *txn,
                                           struct pq_catalog_revision *revision, struct pq_err *err);

/** Open the file of a revision as a store, after its digest was checked. */
PQ_MUST_USE enum pq_status pq_catalog_open_verified(struct pq_catalog *catalog,
                                                    const struct pq_catalog_revision *revision, int fd, unsigned flags,
                                                    struct pq_store **ret_store, struct pq_err *err);

/** Run the cases of a store. `where` names it in messages. */
PQ_MUST_USE enum pq_status pq_catalog_prove(struct pq_catalog *catalog, const struct pq_store *store, const char *where,
                                            struct pq_err *err);

#endif

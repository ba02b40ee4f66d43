/* Activating, planning to, and forgetting revisions. */
#include "storage/catalog_private.h"
#include "storage/fail.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Is the sequence above the active one, or the active one itself where that is allowed? */
static enum pq_status
check_order(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence, bool *ret_active, struct pq_err *err)
{
	struct pq_catalog_active active;
	enum pq_status status = pq_catalog_load_active(catalog, txn, &active, err);

	if (status != PQ_OK)
		return status;
	if (sequence < active.sequence || (sequence == active.sequence && ret_active == NULL))
		return pq_fail_at(err, PQ_EFAILED, catalog->dir, 0, 0,
		                  "the sequence %" PRIu64 " is not higher than the active one, %" PRIu64
		                  ": the law does not go back; a rollback is a new sequence",
		                  sequence, active.sequence);
	if (ret_active != NULL)
		*ret_active = sequence == active.sequence;
	return PQ_OK;
}

/* ---- activating ---- */

/* Under the lock: find the revision, see that it may be activated, and open its file. */
static enum pq_status
find_candidate(struct pq_catalog *catalog, uint64_t sequence, struct pq_catalog_revision *revision, int *ret_fd,
               struct pq_err *err)
{
	MDB_txn *txn;
	bool active;
	enum pq_status status = pq_catalog_begin(catalog, false, &txn, err);

	if (status != PQ_OK)
		return status;
	status = pq_catalog_load_row(catalog, txn, sequence, revision, err);
	if (status == PQ_OK)
		status = check_order(catalog, txn, sequence, &active, err);
	if (status == PQ_OK)
		status = pq_manifest_verify(&revision->manifest, catalog->trust, catalog->dir, NULL, err);
	if (status == PQ_OK)
		status = pq_catalog_open_file(catalog, revision->manifest.digest, ret_fd, err);
	mdb_txn_abort(txn);
	return status;
}

/* Cancel the plans that an activation has overtaken: those of its own and lower sequences. */
static enum pq_status
cancel_overtaken(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence, const struct pq_catalog_act *act,
                 struct pq_err *err)
{
	enum pq_status status = PQ_OK;
	MDB_cursor *cursor;
	MDB_val key;
	MDB_val value;
	char remark[80];
	int rc = mdb_cursor_open(txn, catalog->schedule, &cursor);

	if (rc != 0)
		return pq_fail_lmdb(err, rc, catalog->path, "cannot be read");
	snprintf(remark, sizeof(remark), "overtaken by the sequence %" PRIu64, sequence);
	while (status == PQ_OK && (rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST)) == 0) {
		struct pq_catalog_revision revision;
		uint64_t planned = pq_catalog_key_number(&key);

		if (planned > sequence)
			break;
		if (planned < sequence) /* its own plan was not cancelled but carried out */
			status = pq_catalog_load_row(catalog, txn, planned, &revision, err);
		if (status == PQ_OK && planned < sequence)
			status = pq_catalog_log(catalog, txn, PQ_JOURNAL_CANCELLED, &revision, act, remark, err);
		if (status == PQ_OK && (rc = mdb_cursor_del(cursor, 0)) != 0)
			status = pq_fail_lmdb(err, rc, catalog->path, "cannot be written");
	}
	if (status == PQ_OK && rc != 0 && rc != MDB_NOTFOUND)
		status = pq_fail_lmdb(err, rc, catalog->path, "cannot be read");
	mdb_cursor_close(cursor);
	return status;
}

/* In one transaction: the pointer, the plans, the proof, the journal. */
static enum pq_status
record_active(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence, const struct pq_catalog_act *act,
              bool *ret_changed, struct pq_err *err)
{
	struct pq_catalog_active active = {.sequence = sequence, .since_s = act->time_s};
	struct pq_catalog_revision revision;
	bool was_active = false;
	enum pq_status status = pq_catalog_load_row(catalog, txn, sequence, &revision, err);

	if (status == PQ_OK)
		status = check_order(catalog, txn, sequence, &was_active, err);
	if (status == PQ_OK)
		status = pq_manifest_verify(&revision.manifest, catalog->trust, catalog->dir, NULL, err);
	if (status == PQ_OK && strcmp(revision.proved_by, catalog->prover) != 0 && catalog->prove != NULL) {
		memcpy(revision.proved_by, catalog->prover, sizeof(revision.proved_by));
		status = pq_catalog_store_row(catalog, txn, &revision, err);
	}
	if (status == PQ_OK)
		*ret_changed = !was_active;
	if (status != PQ_OK || was_active)
		return status;
	status = pq_catalog_store_active(catalog, txn, &active, err);
	if (status == PQ_OK)
		status = pq_catalog_log(catalog, txn, PQ_JOURNAL_ACTIVATED, &revision, act, NULL, err);
	return status == PQ_OK ? cancel_overtaken(catalog, txn, sequence, act, err) : status;
}

/* Does somebody have to run the cases before this revision may be activated here? */
static bool
wants_proof(const struct pq_catalog *catalog, const struct pq_catalog_revision *revision)
{
	if (revision->proved_by[0] == '\0')
		return true;
	return catalog->prove != NULL && strcmp(revision->proved_by, catalog->prover) != 0;
}

enum pq_status
pq_catalog_activate(struct pq_catalog *catalog, uint64_t sequence, const struct pq_catalog_act *act,
                    struct pq_store **ret_store, bool *ret_changed, struct pq_err *err)
{
	struct pq_catalog_revision revision;
	struct pq_store *store = NULL;
	MDB_txn *txn;
	bool changed = false;
	int fd = -1;

	pthread_mutex_lock(&catalog->lock);
	enum pq_status status = find_candidate(catalog, sequence, &revision, &fd, err);

	pthread_mutex_unlock(&catalog->lock);
	if (status == PQ_OK)
		status = pq_catalog_open_verified(catalog, &revision, fd, 0, &store, err);
	if (status == PQ_OK && wants_proof(catalog, &revision))
		status = pq_catalog_prove(catalog, store, pq_store_path(store), err);
	if (status == PQ_OK) {
		pthread_mutex_lock(&catalog->lock);
		status = pq_catalog_begin(catalog, true, &txn, err);
		if (status == PQ_OK)
			status = pq_catalog_end(catalog, txn, record_active(catalog, txn, sequence, act, &changed, err), err);
		pthread_mutex_unlock(&catalog->lock);
	}
	if (fd >= 0)
		close(fd);
	if (status == PQ_OK && ret_store != NULL)
		*ret_store = store;
	else
		pq_store_free(store);
	if (status == PQ_OK && ret_changed != NULL)
		*ret_changed = changed;
	return status;
}

/* ---- plans ---- */

static enum pq_status
record_plan(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence, int64_t at_s, const struct pq_catalog_act *act,
            struct pq_err *err)
{
	struct pq_catalog_revision revision;
	char at[PQ_TIME_TEXT_BYTES];
	char remark[PQ_REMARK_MAX + 1];
	enum pq_status status = pq_catalog_load_row(catalog, txn, sequence, &revision, err);

	pq_time_format(at_s, at);
	if (status == PQ_OK && at[0] == '\0')
		status = pq_fail_at(err, PQ_EINVAL, "time", 0, 0, "must lie in the years 1970 to 9999");
	if (status == PQ_OK)
		status = check_order(catalog, txn, sequence, NULL, err);
	if (status == PQ_OK)
		status = pq_catalog_store_plan(catalog, txn, sequence, at_s, err);
	snprintf(remark, sizeof(remark), "for %s%s%s", at, act->remark != NULL && act->remark[0] != '\0' ? ": " : "",
	         act->remark != NULL ? act->remark : "");
	if (status == PQ_OK)
		status = pq_catalog_log(catalog, txn, PQ_JOURNAL_SCHEDULED, &revision, act, remark, err);
	return status;
}

enum pq_status
pq_catalog_schedule(struct pq_catalog *catalog, uint64_t sequence, int64_t at_s, const struct pq_catalog_act *act,
                    struct pq_err *err)
{
	MDB_txn *txn;

	pthread_mutex_lock(&catalog->lock);
	enum pq_status status = pq_catalog_begin(catalog, true, &txn, err);

	if (status == PQ_OK)
		status = pq_catalog_end(catalog, txn, record_plan(catalog, txn, sequence, at_s, act, err), err);
	pthread_mutex_unlock(&catalog->lock);
	return status;
}

static enum pq_status
take_back(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence, enum pq_journal_action action,
          const struct pq_catalog_act *act, struct pq_err *err)
{
	struct pq_catalog_revision revision;
	int64_t at_s;
	enum pq_status status = pq_catalog_load_plan(catalog, txn, sequence, &at_s, err);

	if (status == PQ_OK)
		status = pq_catalog_load_row(catalog, txn, sequence, &revision, err);
	if (status == PQ_OK)
		status = pq_catalog_delete(catalog, txn, catalog->schedule, sequence, err);
	if (status == PQ_OK)
		status = pq_catalog_log(catalog, txn, action, &revision, act, NULL, err);
	return status;
}

static enum pq_status
end_plan(struct pq_catalog *catalog, uint64_t sequence, enum pq_journal_action action, const struct pq_catalog_act *act,
         struct pq_err *err)
{
	MDB_txn *txn;

	pthread_mutex_lock(&catalog->lock);
	enum pq_status status = pq_catalog_begin(catalog, true, &txn, err);

	if (status == PQ_OK)
		status = pq_catalog_end(catalog, txn, take_back(catalog, txn, sequence, action, act, err), err);
	pthread_mutex_unlock(&catalog->lock);
	return status;
}

enum pq_status
pq_catalog_cancel(struct pq_catalog *catalog, uint64_t sequence, const struct pq_catalog_act *act, struct pq_err *err)
{
	return end_plan(catalog, sequence, PQ_JOURNAL_CANCELLED, act, err);
}

enum pq_status
pq_catalog_refuse(struct pq_catalog *catalog, uint64_t sequence, const struct pq_catalog_act *act, struct pq_err *err)
{
	return end_plan(catalog, sequence, PQ_JOURNAL_REFUSED, act, err);
}

static enum pq_status
first_plan(struct pq_catalog *catalog, MDB_txn *txn, uint64_t *ret_sequence, int64_t *ret_at_s, struct pq_err *err)
{
	enum pq_status status = PQ_OK;
	uint64_t first = 0;
	int64_t first_s = 0;
	MDB_cursor *cursor;
	MDB_val key;
	MDB_val value;
	int rc = mdb_cursor_open(txn, catalog->schedule, &cursor);

	if (rc != 0)
		return pq_fail_lmdb(err, rc, catalog->path, "cannot be read");
	while (status == PQ_OK && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		int64_t at_s;
		uint64_t sequence = pq_catalog_key_number(&key);

		status = pq_catalog_load_plan(catalog, txn, sequence, &at_s, err);
		if (status == PQ_OK && (first == 0 || at_s < first_s)) {
			first = sequence;
			first_s = at_s;
		}
	}
	if (status == PQ_OK && rc != 0 && rc != MDB_NOTFOUND)
		status = pq_fail_lmdb(err, rc, catalog->path, "cannot be read");
	mdb_cursor_close(cursor);
	if (status == PQ_OK && first == 0)
		status = pq_fail_at(err, PQ_ENOTFOUND, catalog->dir, 0, 0, "has no plans");
	if (status == PQ_OK) {
		*ret_sequence = first;
		*ret_at_s = first_s;
	}
	return status;
}

enum pq_status
pq_catalog_next_plan(struct pq_catalog *catalog, uint64_t *ret_sequence, int64_t *ret_at_s, struct pq_err *err)
{
	MDB_txn *txn;

	pthread_mutex_lock(&catalog->lock);
	enum pq_status status = pq_catalog_begin(catalog, false, &txn, err);

	if (status == PQ_OK) {
		status = first_plan(catalog, txn, ret_sequence, ret_at_s, err);
		mdb_txn_abort(txn);
	}
	pthread_mutex_unlock(&catalog->lock);
	return status;
}

/* ---- forgetting ---- */

/* Delete all rows but the `keep` highest, the active one, and the planned ones. */
static enum pq_status
forget(struct pq_catalog *catalog, MDB_txn *txn, size_t keep, const struct pq_catalog_act *act, size_t *ret_pruned,
       struct pq_err *err)
{
	struct pq_catalog_revision *rows;
	size_t n;
	size_t pruned = 0;
	enum pq_status status = pq_catalog_load_rows(catalog, txn, &rows, &n, err);

	if (status != PQ_OK)
		return status;
	for (size_t i = 0; status == PQ_OK && keep < n && i < n - keep; i++) {
		status = pq_catalog_mark(catalog, txn, &rows[i], err);
		if (status != PQ_OK || rows[i].active || rows[i].scheduled)
			continue;
		status = pq_catalog_delete(catalog, txn, catalog->revisions, rows[i].manifest.sequence, err);
		if (status == PQ_OK)
			status = pq_catalog_log(catalog, txn, PQ_JOURNAL_PRUNED, &rows[i], act, NULL, err);
		pruned++;
	}
	free(rows);
	if (status == PQ_OK)
		*ret_pruned = pruned;
	return status;
}

enum pq_status
pq_catalog_prune(struct pq_catalog *catalog, size_t keep, const struct pq_catalog_act *act, size_t *ret_pruned,
                 struct pq_err *err)
{
	size_t pruned = 0;
	MDB_txn *txn;

	pthread_mutex_lock(&catalog->lock);
	enum pq_status status = pq_catalog_begin(catalog, true, &txn, err);

	if (status == PQ_OK)
		status = pq_catalog_end(catalog, txn, forget(catalog, txn, keep, act, &pruned, err), err);
	/* Files go after the rows that name them: a kill between leaves files that the next opening deletes. */
	if (status == PQ_OK)
		status = pq_catalog_sweep_stores(catalog, true, err);
	pthread_mutex_unlock(&catalog->lock);
	if (status == PQ_OK && ret_pruned != NULL)
		*ret_pruned = pruned;
	return status;
}

/* Opening a catalog, and what can be asked of it. */
#include "storage/catalog_private.h"
#include "storage/fail.h"
#include "storage/limits.h"
#include "storage/tempfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One process has it open, and one lock of ours orders its threads: LMDB's own locks would only be left behind. */
#define ENV_FLAGS (MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS)

/* ---- opening ---- */

/* Returns a code of LMDB. */
static int
open_env(const char *path, MDB_env **ret_env)
{
	MDB_env *env = NULL;
	int rc = mdb_env_create(&env);
	int fd;

	if (rc == 0)
		rc = mdb_env_set_mapsize(env, PQ_CATALOG_BYTES_MAX);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(env, 4);
	if (rc == 0)
		rc = mdb_env_open(env, path, ENV_FLAGS, 0644);
	if (rc == 0)
		rc = mdb_env_get_fd(env, &fd);
	if (rc == 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC); /* LMDB leaves this one to the program */
	if (rc != 0) {
		mdb_env_close(env);
		return rc;
	}
	*ret_env = env;
	return 0;
}

/* Returns a code of LMDB. */
static int
open_tables(struct pq_catalog *catalog, MDB_txn *txn, unsigned flags)
{
	int rc = mdb_dbi_open(txn, "state", flags, &catalog->state);

	if (rc == 0)
		rc = mdb_dbi_open(txn, "revisions", flags, &catalog->revisions);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "schedule", flags, &catalog->schedule);
	return rc == 0 ? mdb_dbi_open(txn, "journal", flags, &catalog->journal) : rc;
}

/* An empty catalog in the file that is open as `fd`. Returns a code of LMDB. */
static int
fill_new(struct pq_catalog *catalog, int fd)
{
	char proc[64];
	char format[16];
	MDB_env *env;
	MDB_txn *txn = NULL;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	snprintf(format, sizeof(format), "%d", PQ_CATALOG_FORMAT);
	int rc = open_env(proc, &env);

	if (rc != 0)
		return rc;
	MDB_val key = {strlen("format"), (void *)"format"};
	MDB_val value = {strlen(format), format};

	rc = mdb_txn_begin(env, NULL, 0, &txn);
	if (rc == 0)
		rc = open_tables(catalog, txn, MDB_CREATE);
	if (rc == 0)
		rc = mdb_put(txn, catalog->state, &key, &value, 0);
	if (rc == 0)
		rc = mdb_txn_commit(txn);
	else if (txn != NULL)
		mdb_txn_abort(txn);
	mdb_env_close(env);
	return rc;
}

/* A new catalog appears whole or not at all, like every other file. */
static enum pq_status
make_env(struct pq_catalog *catalog, struct pq_err *err)
{
	struct pq_tempfile temp;
	enum pq_status status = pq_tempfile_create(catalog->path, &temp, err);

	if (status != PQ_OK)
		return status;
	int rc = fill_new(catalog, temp.fd);

	if (rc != 0) {
		pq_tempfile_discard(&temp);
		return pq_fail_lmdb(err, rc, catalog->path, "cannot be made");
	}
	return pq_tempfile_commit(&temp, catalog->path, err);
}

static enum pq_status
check_format(struct pq_catalog *catalog, MDB_txn *txn, struct pq_err *err)
{
	MDB_val key = {strlen("format"), (void *)"format"};
	MDB_val value;
	json_t *format;
	int rc = mdb_get(txn, catalog->state, &key, &value);

	if (rc != 0)
		return pq_catalog_corrupt(catalog, "it does not say its format", err);
	enum pq_status status = pq_catalog_read_json(catalog, &value, &format, err);

	if (status == PQ_OK && json_integer_value(format) != PQ_CATALOG_FORMAT)
		status = pq_fail_at(err, PQ_EFORMAT, catalog->path, 0, 0, "has the format %lld; this program knows %d",
		                    (long long)json_integer_value(format), PQ_CATALOG_FORMAT);
	if (status == PQ_OK)
		json_decref(format);
	return status;
}

static enum pq_status
open_catalog(struct pq_catalog *catalog, bool create, struct pq_err *err)
{
	enum pq_status status = pq_catalog_open_dir(catalog, create, err);
	MDB_txn *txn;

	if (status != PQ_OK)
		return status;
	pq_catalog_sweep_temporaries(catalog);
	if (create && faccessat(catalog->dir_fd, "catalog.mdb", F_OK, 0) != 0)
		status = make_env(catalog, err);
	if (status != PQ_OK)
		return status;
	int rc = open_env(catalog->path, &catalog->env);

	if (rc != 0)
		return pq_fail_lmdb(err, rc, catalog->path, "cannot be opened");
	status = pq_catalog_begin(catalog, true, &txn, err);
	if (status != PQ_OK)
		return status;
	rc = open_tables(catalog, txn, 0);
	status = rc == MDB_NOTFOUND ? pq_catalog_corrupt(catalog, "a table is missing in it", err)
	         : rc != 0          ? pq_fail_lmdb(err, rc, catalog->path, "cannot be opened")
	                            : check_format(catalog, txn, err);
	status = pq_catalog_end(catalog, txn, status, err);
	return status == PQ_OK ? pq_catalog_sweep_stores(catalog, false, err) : status;
}

enum pq_status
pq_catalog_open(const char *dir, const struct pq_catalog_options *options, struct pq_catalog **ret_catalog,
                struct pq_err *err)
{
	struct pq_catalog *catalog = calloc(1, sizeof(*catalog));

	if (catalog == NULL)
		return pq_fail_at(err, PQ_ENOMEM, dir, 0, 0, "cannot be opened: out of memory");
	catalog->dir_fd = catalog->revisions_fd = catalog->lock_fd = -1;
	pthread_mutex_init(&catalog->lock, NULL);
	catalog->trust = options->trust;
	catalog->prove = options->prove;
	catalog->prove_ctx = options->prove_ctx;
	catalog->verified = options->verified;
	pq_catalog_text(catalog->prover, sizeof(catalog->prover), options->prover);
	catalog->dir = strdup(dir);
	enum pq_status status = PQ_OK;

	if (catalog->dir == NULL || asprintf(&catalog->path, "%s/catalog.mdb", dir) < 0) {
		catalog->path = NULL;
		status = pq_fail_at(err, PQ_ENOMEM, dir, 0, 0, "cannot be opened: out of memory");
	}
	if (status == PQ_OK)
		status = open_catalog(catalog, options->create, err);
	if (status != PQ_OK) {
		pq_catalog_free(catalog);
		return status;
	}
	*ret_catalog = catalog;
	return PQ_OK;
}

void
pq_catalog_free(struct pq_catalog *catalog)
{
	if (catalog == NULL)
		return;
	if (catalog->env != NULL)
		mdb_env_close(catalog->env);
	if (catalog->revisions_fd >= 0)
		close(catalog->revisions_fd);
	if (catalog->dir_fd >= 0)
		close(catalog->dir_fd);
	if (catalog->lock_fd >= 0)
		close(catalog->lock_fd); /* last: it unlocks */
	pthread_mutex_destroy(&catalog->lock);
	free(catalog->path);
	free(catalog->dir);
	free(catalog);
}

const char *
pq_catalog_dir(const struct pq_catalog *catalog)
{
	return catalog->dir;
}

void
pq_catalog_set_trust(struct pq_catalog *catalog, const struct pq_trust *trust)
{
	pthread_mutex_lock(&catalog->lock);
	catalog->trust = trust;
	pthread_mutex_unlock(&catalog->lock);
}

/* ---- asking ---- */

enum pq_status
pq_catalog_mark(struct pq_catalog *catalog, MDB_txn *txn, struct pq_catalog_revision *revision, struct pq_err *err)
{
	struct pq_catalog_active active;
	enum pq_status status = pq_catalog_load_active(catalog, txn, &active, err);

	if (status != PQ_OK)
		return status;
	revision->active = active.sequence == revision->manifest.sequence;
	revision->activated_s = revision->active ? active.since_s : 0;
	status = pq_catalog_load_plan(catalog, txn, revision->manifest.sequence, &revision->scheduled_s, err);
	if (status != PQ_OK && status != PQ_ENOTFOUND)
		return status;
	revision->scheduled = status == PQ_OK;
	return PQ_OK;
}

/* Begin to ask: lock and read. */
static enum pq_status
begin_asking(struct pq_catalog *catalog, MDB_txn **ret_txn, struct pq_err *err)
{
	pthread_mutex_lock(&catalog->lock);
	enum pq_status status = pq_catalog_begin(catalog, false, ret_txn, err);

	if (status != PQ_OK)
		pthread_mutex_unlock(&catalog->lock);
	return status;
}

static void
end_asking(struct pq_catalog *catalog, MDB_txn *txn)
{
	mdb_txn_abort(txn);
	pthread_mutex_unlock(&catalog->lock);
}

static enum pq_status
load_marked(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence, struct pq_catalog_revision *ret_revision,
            struct pq_err *err)
{
	struct pq_catalog_revision revision;
	enum pq_status status = pq_catalog_load_row(catalog, txn, sequence, &revision, err);

	if (status == PQ_OK)
		status = pq_catalog_mark(catalog, txn, &revision, err);
	if (status == PQ_OK)
		*ret_revision = revision;
	return status;
}

enum pq_status
pq_catalog_get(struct pq_catalog *catalog, uint64_t sequence, struct pq_catalog_revision *ret_revision,
               struct pq_err *err)
{
	MDB_txn *txn;
	enum pq_status status = begin_asking(catalog, &txn, err);

	if (status != PQ_OK)
		return status;
	status = load_marked(catalog, txn, sequence, ret_revision, err);
	end_asking(catalog, txn);
	return status;
}

enum pq_status
pq_catalog_active(struct pq_catalog *catalog, struct pq_catalog_revision *ret_revision, struct pq_err *err)
{
	struct pq_catalog_active active;
	MDB_txn *txn;
	enum pq_status status = begin_asking(catalog, &txn, err);

	if (status != PQ_OK)
		return status;
	status = pq_catalog_load_active(catalog, txn, &active, err);
	if (status == PQ_OK && active.sequence == 0)
		status = pq_fail_at(err, PQ_ENOTFOUND, catalog->dir, 0, 0, "has no active revision");
	if (status == PQ_OK && load_marked(catalog, txn, active.sequence, ret_revision, err) != PQ_OK)
		status = pq_catalog_corrupt(catalog, "its active revision cannot be read", err);
	end_asking(catalog, txn);
	return status;
}

enum pq_status
pq_catalog_list(struct pq_catalog *catalog, struct pq_arena *arena, const struct pq_catalog_revision **ret_revisions,
                size_t *ret_n, struct pq_err *err)
{
	struct pq_catalog_revision *rows = NULL;
	struct pq_catalog_revision *copies = NULL;
	MDB_txn *txn;
	size_t n = 0;
	enum pq_status status = begin_asking(catalog, &txn, err);

	if (status != PQ_OK)
		return status;
	status = pq_catalog_load_rows(catalog, txn, &rows, &n, err);
	for (size_t i = 0; status == PQ_OK && i < n; i++)
		status = pq_catalog_mark(catalog, txn, &rows[i], err);
	end_asking(catalog, txn);
	if (status == PQ_OK && (copies = pq_arena_array(arena, n + 1, sizeof(*copies))) == NULL)
		status = pq_fail_at(err, PQ_ENOMEM, catalog->dir, 0, 0, "cannot be listed: out of memory");
	if (status == PQ_OK) {
		memcpy(copies, rows, n * sizeof(*copies));
		*ret_revisions = copies;
		*ret_n = n;
	}
	free(rows);
	return status;
}

static enum pq_status
next_sequence(struct pq_catalog *catalog, MDB_txn *txn, uint64_t *ret_sequence, struct pq_err *err)
{
	uint64_t highest;
	enum pq_status status = pq_catalog_load_highest(catalog, txn, &highest, err);

	if (status != PQ_OK)
		return status;
	if (highest >= PQ_SEQUENCE_MAX)
		return pq_fail_at(err, PQ_ELIMIT, catalog->dir, 0, 0, "has no sequence left: the highest is taken");
	*ret_sequence = highest + 1;
	return PQ_OK;
}

enum pq_status
pq_catalog_next_sequence(struct pq_catalog *catalog, uint64_t *ret_sequence, struct pq_err *err)
{
	MDB_txn *txn;
	enum pq_status status = begin_asking(catalog, &txn, err);

	if (status != PQ_OK)
		return status;
	status = next_sequence(catalog, txn, ret_sequence, err);
	end_asking(catalog, txn);
	return status;
}

enum pq_status
pq_catalog_draft_rollback(struct pq_catalog *catalog, uint64_t sequence, int64_t created_s, const char *note,
                          struct pq_manifest *ret_manifest, struct pq_err *err)
{
	struct pq_catalog_revision revision;
	struct pq_manifest draft = {.created_s = created_s};
	MDB_txn *txn;
	enum pq_status status = begin_asking(catalog, &txn, err);

	if (status != PQ_OK)
		return status;
	status = pq_catalog_load_row(catalog, txn, sequence, &revision, err);
	if (status == PQ_OK)
		status = next_sequence(catalog, txn, &draft.sequence, err);
	end_asking(catalog, txn);
	if (status != PQ_OK)
		return status;
	memcpy(draft.digest, revision.manifest.digest, sizeof(draft.digest));
	draft.size = revision.manifest.size;
	pq_catalog_text(draft.note, sizeof(draft.note), note);
	*ret_manifest = draft;
	return PQ_OK;
}

/* ---- stores ---- */

enum pq_status
pq_catalog_open_verified(struct pq_catalog *catalog, const struct pq_catalog_revision *revision, int fd, unsigned flags,
                         struct pq_store **ret_store, struct pq_err *err)
{
	char path[PATH_MAX];
	struct pq_store *store;
	enum pq_status status = pq_catalog_store_path(catalog, revision->manifest.digest, path, err);

	if (status == PQ_OK)
		status = pq_store_open_known(fd, path, flags, revision->manifest.digest, catalog->verified, &store, err);
	if (status != PQ_OK)
		return status;
	/* The trailer says the size, too, and it has been checked: this is about a manifest that says another. */
	if (pq_store_size(store) != revision->manifest.size) {
		pq_store_free(store);
		return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0, "has another size than its manifest says");
	}
	*ret_store = store;
	return PQ_OK;
}

enum pq_status
pq_catalog_prove(struct pq_catalog *catalog, const struct pq_store *store, const char *where, struct pq_err *err)
{
	if (catalog->prove == NULL)
		return pq_fail_at(err, PQ_EFAILED, where, 0, 0, "has not been proved: its own cases were not run");
	return catalog->prove(catalog->prove_ctx, store, err);
}

enum pq_status
pq_catalog_open_store(struct pq_catalog *catalog, uint64_t sequence, unsigned store_flags, struct pq_store **ret_store,
                      struct pq_err *err)
{
	struct pq_catalog_revision revision;
	MDB_txn *txn;
	int fd = -1;
	enum pq_status status = begin_asking(catalog, &txn, err);

	if (status != PQ_OK)
		return status;
	status = pq_catalog_load_row(catalog, txn, sequence, &revision, err);
	if (status == PQ_OK)
		status = pq_manifest_verify(&revision.manifest, catalog->trust, catalog->dir, NULL, err);
	if (status == PQ_OK)
		status = pq_catalog_open_file(catalog, revision.manifest.digest, &fd, err);
	end_asking(catalog, txn);
	if (status == PQ_OK)
		status = pq_catalog_open_verified(catalog, &revision, fd, store_flags, ret_store, err);
	if (fd >= 0)
		close(fd);
	return status;
}

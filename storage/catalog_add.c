/*
 * Adding a revision. What is slow (copying, hashing, proving) happens to a temporary, outside of the lock; then, under
 * the lock, the file gets its name and one transaction records it. Between these two it is a file that nobody names:
 * harmless, and deleted at the next opening if the process ends there.
 */
#include "storage/catalog_private.h"
#include "storage/fail.h"
#include "storage/tempfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An adding in progress. */
struct adding {
	struct pq_catalog *catalog;
	const struct pq_manifest *manifest;
	const struct pq_catalog_source *source;
	enum { FILE_NONE, FILE_HERE, FILE_TEMP, FILE_PART } file;
	int fd; /* of the verified bytes; ours where FILE_HERE */
	struct pq_tempfile temp;
	bool proved; /* by this prover, under another sequence or now */
};

/* What the catalog knows of the sequence. */
enum known { KNOWN_NOT, KNOWN_SAME };

static enum pq_status
fail_sequence(const struct pq_catalog *catalog, const struct pq_manifest *manifest, uint64_t active, struct pq_err *err)
{
	return pq_fail_at(err, PQ_EFAILED, catalog->dir, 0, 0,
	                  "the sequence %" PRIu64 " is not higher than the active one, %" PRIu64
	                  ": the law does not go back; a rollback is a new sequence",
	                  manifest->sequence, active);
}

/* May this manifest be added? *ret_revision is filled where it is known. */
static enum pq_status
check_place(struct adding *adding, MDB_txn *txn, enum known *ret_known, struct pq_catalog_revision *ret_revision,
            struct pq_err *err)
{
	struct pq_catalog *catalog = adding->catalog;
	struct pq_catalog_revision revision;
	struct pq_catalog_active active;
	enum pq_status status = pq_catalog_load_row(catalog, txn, adding->manifest->sequence, &revision, err);

	if (status == PQ_OK) {
		if (!pq_manifest_same_statement(&revision.manifest, adding->manifest))
			return pq_fail_at(err, PQ_EFAILED, catalog->dir, 0, 0,
			                  "the sequence %" PRIu64 " is known already, and states something else",
			                  adding->manifest->sequence);
		*ret_known = KNOWN_SAME;
		*ret_revision = revision;
		return PQ_OK;
	}
	if (status != PQ_ENOTFOUND)
		return status;
	status = pq_catalog_load_active(catalog, txn, &active, err);
	if (status == PQ_OK && adding->manifest->sequence <= active.sequence)
		return fail_sequence(catalog, adding->manifest, active.sequence, err);
	if (status == PQ_OK)
		*ret_known = KNOWN_NOT;
	return status;
}

/* Was this content proved under another sequence? */
static enum pq_status
check_proved(struct adding *adding, MDB_txn *txn, struct pq_err *err)
{
	struct pq_catalog *catalog = adding->catalog;
	struct pq_catalog_revision *rows;
	size_t n;
	enum pq_status status = pq_catalog_load_rows(catalog, txn, &rows, &n, err);

	if (status != PQ_OK)
		return status;
	for (size_t i = 0; i < n; i++)
		if (memcmp(rows[i].manifest.digest, adding->manifest->digest, PQ_DIGEST_BYTES) == 0 &&
		    rows[i].proved_by[0] != '\0' && strcmp(rows[i].proved_by, catalog->prover) == 0)
			adding->proved = true;
	free(rows);
	return PQ_OK;
}

/* ---- the file ---- */

static enum pq_status
copy_source(struct adding *adding, struct pq_err *err)
{
	const struct pq_catalog_source *source = adding->source;
	char path[PATH_MAX];
	struct stat st;
	enum pq_status status = pq_catalog_store_path(adding->catalog, adding->manifest->digest, path, err);

	if (status != PQ_OK)
		return status;
	if (fstat(source->fd, &st) != 0)
		return pq_fail_errno(err, errno, source->name, "cannot be read");
	if (!S_ISREG(st.st_mode))
		return pq_fail_at(err, PQ_EINVAL, source->name, 0, 0, "is not a regular file");
	if ((uint64_t)st.st_size != adding->manifest->size)
		return pq_fail_at(err, PQ_ECORRUPT, source->name, 0, 0,
		                  "is not the store of the manifest: it has %jd bytes, by the manifest %" PRIu64,
		                  (intmax_t)st.st_size, adding->manifest->size);
	status = pq_tempfile_create(path, &adding->temp, err);
	if (status != PQ_OK)
		return status;
	adding->file = FILE_TEMP;
	adding->fd = adding->temp.fd;
	return pq_catalog_copy(source->fd, adding->temp.fd, adding->manifest->size, source->name, err);
}

/* Have verified bytes in adding->fd: those that are here, else those of the source. */
static enum pq_status
find_bytes(struct adding *adding, struct pq_err *err)
{
	const struct pq_catalog_source *source = adding->source;
	bool only_here = source == NULL || source->from == PQ_CATALOG_HERE;
	enum pq_status status = pq_catalog_open_file(adding->catalog, adding->manifest->digest, &adding->fd, err);

	if (status == PQ_OK) {
		adding->file = FILE_HERE;
		status = pq_manifest_check_store(adding->manifest, adding->fd, adding->catalog->dir, err);
		/* What is damaged here is replaced where there is something to replace it with. */
		if (status == PQ_OK || only_here)
			return status;
		close(adding->fd);
		adding->file = FILE_NONE;
	} else if (only_here || status != PQ_ENOTFOUND) {
		return status;
	}
	if (source->from == PQ_CATALOG_PART) {
		adding->file = FILE_PART;
		adding->fd = source->fd;
		status = PQ_OK;
	} else {
		status = copy_source(adding, err);
	}
	return status == PQ_OK ? pq_manifest_check_store(adding->manifest, adding->fd, source->name, err) : status;
}

static enum pq_status
prove(struct adding *adding, struct pq_err *err)
{
	const char *name =
		adding->source != NULL && adding->source->name != NULL ? adding->source->name : adding->catalog->dir;
	struct pq_store *store;
	enum pq_status status = pq_store_open_fd(adding->fd, name, 0, adding->manifest->digest, &store, err);

	if (status != PQ_OK)
		return status;
	if (!adding->proved)
		status = pq_catalog_prove(adding->catalog, store, name, err);
	adding->proved = status == PQ_OK;
	pq_store_free(store);
	return status;
}

static enum pq_status
place_part(struct adding *adding, struct pq_err *err)
{
	char part[PQ_CATALOG_NAME_BYTES];
	char name[PQ_CATALOG_NAME_BYTES];
	struct stat named;
	struct stat open;
	int folder = adding->catalog->revisions_fd;

	pq_catalog_name(adding->manifest->digest, ".part", part);
	pq_catalog_name(adding->manifest->digest, ".mdb", name);
	if (fstatat(folder, part, &named, AT_SYMLINK_NOFOLLOW) != 0 || fstat(adding->fd, &open) != 0)
		return pq_fail_errno(err, errno, adding->source->name, "is gone from where it was fetched to");
	if (named.st_ino != open.st_ino || named.st_dev != open.st_dev)
		return pq_fail_at(err, PQ_EFAILED, adding->source->name, 0, 0, "is not the part of this revision any more");
	if (fsync(adding->fd) != 0)
		return pq_fail_errno(err, errno, adding->source->name, "cannot be synced to disk");
	if (renameat(folder, part, folder, name) != 0)
		return pq_fail_errno(err, errno, adding->source->name, "cannot be put into its place");
	if (fsync(folder) != 0)
		return pq_fail_errno(err, errno, adding->catalog->dir, "cannot be synced to disk");
	return PQ_OK;
}

/* Give the file its name. */
static enum pq_status
place(struct adding *adding, struct pq_err *err)
{
	char path[PATH_MAX];
	enum pq_status status;

	switch (adding->file) {
	case FILE_PART:
		return place_part(adding, err);
	case FILE_TEMP:
		status = pq_catalog_store_path(adding->catalog, adding->manifest->digest, path, err);
		if (status != PQ_OK)
			return status;
		adding->file = FILE_NONE; /* committing closes it, whatever comes of it */
		return pq_tempfile_commit(&adding->temp, path, err);
	case FILE_HERE:
	case FILE_NONE:
		break;
	}
	/* It was verified outside of the lock, and may have been pruned since. */
	if (!pq_catalog_has_store(adding->catalog, adding->manifest->digest))
		return pq_fail_at(err, PQ_ENOTFOUND, adding->catalog->dir, 0, 0,
		                  "has no store for this revision any more; try again");
	return PQ_OK;
}

static void
drop_file(struct adding *adding)
{
	if (adding->file == FILE_TEMP)
		pq_tempfile_discard(&adding->temp);
	else if (adding->file == FILE_HERE)
		close(adding->fd);
	adding->file = FILE_NONE;
}

/* ---- the record ---- */

/* The sequence is known: keep signatures that are new. The transaction is open for writing. */
static enum pq_status
refresh_row(struct adding *adding, MDB_txn *txn, struct pq_catalog_revision *revision, struct pq_err *err)
{
	bool more = pq_manifest_merge(&revision->manifest, adding->manifest, adding->catalog->trust);
	enum pq_status status = more ? pq_catalog_store_row(adding->catalog, txn, revision, err) : PQ_OK;

	return status == PQ_OK ? pq_catalog_mark(adding->catalog, txn, revision, err) : status;
}

static enum pq_status
insert_row(struct adding *adding, MDB_txn *txn, const struct pq_catalog_act *act, struct pq_catalog_revision *revision,
           struct pq_err *err)
{
	struct pq_catalog *catalog = adding->catalog;

	*revision = (struct pq_catalog_revision){.manifest = *adding->manifest, .added_s = act->time_s};
	pq_catalog_text(revision->added_by, sizeof(revision->added_by), act->actor);
	if (adding->proved)
		memcpy(revision->proved_by, catalog->prover, sizeof(revision->proved_by));
	enum pq_status status = pq_catalog_store_row(catalog, txn, revision, err);

	if (status == PQ_OK)
		status = pq_catalog_store_highest(catalog, txn, revision->manifest.sequence, err);
	if (status == PQ_OK)
		status = pq_catalog_log(catalog, txn, PQ_JOURNAL_PUBLISHED, revision, act, NULL, err);
	return status;
}

/* ---- all of it ---- */

/* Under the lock, before the slow part. *ret_done: the sequence was known, and that is all. */
static enum pq_status
begin_adding(struct adding *adding, bool *ret_done, struct pq_catalog_revision *revision, struct pq_err *err)
{
	struct pq_catalog *catalog = adding->catalog;
	enum known known = KNOWN_NOT;
	MDB_txn *txn;
	enum pq_status status = pq_manifest_verify(adding->manifest, catalog->trust, catalog->dir, NULL, err);

	if (status == PQ_OK)
		status = pq_catalog_begin(catalog, true, &txn, err);
	if (status != PQ_OK)
		return status;
	status = check_place(adding, txn, &known, revision, err);
	/* A known revision whose file is gone, against the rules, gets it back. */
	bool done = known == KNOWN_SAME && pq_catalog_has_store(catalog, adding->manifest->digest);

	if (status == PQ_OK && done)
		status = refresh_row(adding, txn, revision, err);
	if (status == PQ_OK && !done)
		status = check_proved(adding, txn, err);
	status = pq_catalog_end(catalog, txn, status, err);
	*ret_done = status == PQ_OK && done;
	return status;
}

/* Under the lock, after the slow part. */
static enum pq_status
finish_adding(struct adding *adding, const struct pq_catalog_act *act, bool *ret_added,
              struct pq_catalog_revision *revision, struct pq_err *err)
{
	struct pq_catalog *catalog = adding->catalog;
	enum known known = KNOWN_NOT;
	MDB_txn *txn;
	enum pq_status status = pq_catalog_begin(catalog, true, &txn, err);

	if (status != PQ_OK)
		return status;
	/* Keys and sequences may have changed meanwhile. */
	status = pq_manifest_verify(adding->manifest, catalog->trust, catalog->dir, NULL, err);
	if (status == PQ_OK)
		status = check_place(adding, txn, &known, revision, err);
	if (status == PQ_OK)
		status = place(adding, err);
	if (status == PQ_OK)
		status =
			known == KNOWN_SAME ? refresh_row(adding, txn, revision, err) : insert_row(adding, txn, act, revision, err);
	status = pq_catalog_end(catalog, txn, status, err);
	if (status == PQ_OK)
		*ret_added = known == KNOWN_NOT;
	else if (pq_catalog_sweep_stores(catalog, false, NULL) != PQ_OK)
		return status; /* what was placed stays until the next opening; the first error is the one to tell */
	return status;
}

enum pq_status
pq_catalog_add(struct pq_catalog *catalog, const struct pq_manifest *manifest, const struct pq_catalog_source *source,
               const struct pq_catalog_act *act, struct pq_catalog_revision *ret_revision, bool *ret_added,
               struct pq_err *err)
{
	struct adding adding = {.catalog = catalog, .manifest = manifest, .source = source, .fd = -1};
	struct pq_catalog_revision revision;
	bool done = false;
	bool added = false;

	pthread_mutex_lock(&catalog->lock);
	enum pq_status status = begin_adding(&adding, &done, &revision, err);

	pthread_mutex_unlock(&catalog->lock);
	if (status == PQ_OK && !done) {
		status = find_bytes(&adding, err);
		if (status == PQ_OK)
			status = prove(&adding, err);
		pthread_mutex_lock(&catalog->lock);
		if (status == PQ_OK)
			status = finish_adding(&adding, act, &added, &revision, err);
		pthread_mutex_unlock(&catalog->lock);
		drop_file(&adding);
	}
	if (status != PQ_OK)
		return status;
	/* It was here already, or has been moved: either way nothing is to be fetched any more. */
	if (source != NULL && source->from == PQ_CATALOG_PART)
		pq_catalog_part_delete(catalog, manifest->digest);
	if (ret_revision != NULL)
		*ret_revision = revision;
	if (ret_added != NULL)
		*ret_added = added;
	return PQ_OK;
}

/* What stands in catalog.mdb, and its reading and writing. */
#include "policy/json_text.h"
#include "storage/catalog_private.h"
#include "storage/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum pq_status
pq_catalog_begin(struct pq_catalog *catalog, bool write, MDB_txn **ret_txn, struct pq_err *err)
{
	int rc = mdb_txn_begin(catalog->env, NULL, write ? 0 : MDB_RDONLY, ret_txn);

	return rc == 0 ? PQ_OK : pq_fail_lmdb(err, rc, catalog->path, write ? "cannot be written" : "cannot be read");
}

enum pq_status
pq_catalog_end(struct pq_catalog *catalog, MDB_txn *txn, enum pq_status status, struct pq_err *err)
{
	if (status != PQ_OK) {
		mdb_txn_abort(txn);
		return status;
	}
	int rc = mdb_txn_commit(txn);

	return rc == 0 ? PQ_OK : pq_fail_lmdb(err, rc, catalog->path, "cannot be written (is the disk full?)");
}

/* ---- keys, texts, JSON ---- */

MDB_val
pq_catalog_key(uint64_t number, uint8_t ret_bytes[8])
{
	for (int i = 0; i < 8; i++)
		ret_bytes[i] = (uint8_t)(number >> (56 - 8 * i));
	return (MDB_val){8, ret_bytes};
}

uint64_t
pq_catalog_key_number(const MDB_val *key)
{
	uint64_t number = 0;

	for (size_t i = 0; i < key->mv_size; i++)
		number = number << 8 | ((const uint8_t *)key->mv_data)[i];
	return number;
}

/* Bytes of the character that starts at `text`; 0: it is none. */
static size_t
character(const unsigned char *text)
{
	size_t n = text[0] < 0x80                      ? 1
	           : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
	           : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
	           : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
	                                               : 0;

	for (size_t i = 1; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return n;
}

void
pq_catalog_text(char *to, size_t size, const char *from)
{
	const unsigned char *text = (const unsigned char *)(from != NULL ? from : "");
	size_t len = 0;

	while (*text != '\0') {
		size_t n = character(text);
		bool clean = n > 0 && *text >= 0x20 && *text != 0x7f && !(text[0] == 0xc2 && text[1] < 0xa0);

		if (len + (clean ? n : 1) >= size)
			break;
		if (clean)
			memcpy(to + len, text, n);
		else
			to[len] = '?';
		len += clean ? n : 1;
		text += n > 0 ? n : 1;
	}
	to[len] = '\0';
}

enum pq_status
pq_catalog_corrupt(const struct pq_catalog *catalog, const char *what, struct pq_err *err)
{
	return pq_fail_at(err, PQ_ECORRUPT, catalog->path, 0, 0, "is damaged: %s", what);
}

enum pq_status
pq_catalog_read_json(const struct pq_catalog *catalog, const MDB_val *value, json_t **ret_object, struct pq_err *err)
{
	json_error_t at;
	bool no_memory;
	json_t *object =
		pq_json_load(value->mv_data, value->mv_size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at, &no_memory);

	if (no_memory)
		return pq_fail_at(err, PQ_ENOMEM, catalog->path, 0, 0, "cannot be read: out of memory");
	if (object == NULL)
		return pq_catalog_corrupt(catalog, at.text, err);
	*ret_object = object;
	return PQ_OK;
}

/* Takes over `object`; NULL: it could not be made. */
static enum pq_status
put_json(struct pq_catalog *catalog, MDB_txn *txn, MDB_dbi dbi, MDB_val key, json_t *object, unsigned flags,
         struct pq_err *err)
{
	char *text = object != NULL ? pq_json_dump(object, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;

	json_decref(object);
	if (text == NULL)
		return pq_fail_at(err, PQ_ENOMEM, catalog->path, 0, 0, "cannot be written: out of memory");
	MDB_val value = {strlen(text), text};
	int rc = mdb_put(txn, dbi, &key, &value, flags);

	free(text);
	return rc == 0 ? PQ_OK : pq_fail_lmdb(err, rc, catalog->path, "cannot be written");
}

/* PQ_ENOTFOUND where there is nothing under the key. */
static enum pq_status
get_json(struct pq_catalog *catalog, MDB_txn *txn, MDB_dbi dbi, MDB_val key, json_t **ret_object, struct pq_err *err)
{
	MDB_val value;
	int rc = mdb_get(txn, dbi, &key, &value);

	if (rc != 0)
		return pq_fail_lmdb(err, rc, catalog->path, "cannot be read");
	return pq_catalog_read_json(catalog, &value, ret_object, err);
}

enum pq_status
pq_catalog_delete(struct pq_catalog *catalog, MDB_txn *txn, MDB_dbi dbi, uint64_t sequence, struct pq_err *err)
{
	uint8_t bytes[8];
	MDB_val key = pq_catalog_key(sequence, bytes);
	int rc = mdb_del(txn, dbi, &key, NULL);

	return rc == 0 || rc == MDB_NOTFOUND ? PQ_OK : pq_fail_lmdb(err, rc, catalog->path, "cannot be written");
}

static json_t *
json_time(int64_t time_s)
{
	char text[PQ_TIME_TEXT_BYTES];

	pq_time_format(time_s, text);
	return json_string(text);
}

static bool
time_of(const char *text, int64_t *ret_time_s)
{
	/* A time outside of the years 1970 to 9999 is stored as none. */
	if (text[0] == '\0') {
		*ret_time_s = 0;
		return true;
	}
	return pq_time_parse(text, "", ret_time_s, NULL) == PQ_OK;
}

/* ---- state ---- */

static MDB_val
name_key(const char *name)
{
	return (MDB_val){strlen(name), (void *)name};
}

enum pq_status
pq_catalog_load_active(struct pq_catalog *catalog, MDB_txn *txn, struct pq_catalog_active *ret_active,
                       struct pq_err *err)
{
	json_t *object;
	json_int_t sequence;
	const char *since;
	struct pq_catalog_active active = {0};
	enum pq_status status = get_json(catalog, txn, catalog->state, name_key("active"), &object, err);

	if (status == PQ_ENOTFOUND) {
		*ret_active = active;
		return PQ_OK;
	}
	if (status != PQ_OK)
		return status;
	if (json_unpack(object, "{s:I, s:s}", "sequence", &sequence, "since", &since) != 0 || sequence < 1 ||
	    !time_of(since, &active.since_s)) {
		status = pq_catalog_corrupt(catalog, "its active revision cannot be read", err);
	} else {
		active.sequence = (uint64_t)sequence;
		*ret_active = active;
	}
	json_decref(object);
	return status;
}

enum pq_status
pq_catalog_store_active(struct pq_catalog *catalog, MDB_txn *txn, const struct pq_catalog_active *active,
                        struct pq_err *err)
{
	json_t *object =
		json_pack("{s:I, s:o}", "sequence", (json_int_t)active->sequence, "since", json_time(active->since_s));

	return put_json(catalog, txn, catalog->state, name_key("active"), object, 0, err);
}

enum pq_status
pq_catalog_load_highest(struct pq_catalog *catalog, MDB_txn *txn, uint64_t *ret_sequence, struct pq_err *err)
{
	json_t *number;
	enum pq_status status = get_json(catalog, txn, catalog->state, name_key("highest"), &number, err);

	if (status == PQ_ENOTFOUND) {
		*ret_sequence = 0;
		return PQ_OK;
	}
	if (status != PQ_OK)
		return status;
	if (!json_is_integer(number) || json_integer_value(number) < 1)
		status = pq_catalog_corrupt(catalog, "its highest sequence cannot be read", err);
	else
		*ret_sequence = (uint64_t)json_integer_value(number);
	json_decref(number);
	return status;
}

enum pq_status
pq_catalog_store_highest(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence, struct pq_err *err)
{
	uint64_t highest;
	enum pq_status status = pq_catalog_load_highest(catalog, txn, &highest, err);

	if (status != PQ_OK || sequence <= highest)
		return status;
	return put_json(catalog, txn, catalog->state, name_key("highest"), json_integer((json_int_t)sequence), 0, err);
}

/* ---- revisions ---- */

static enum pq_status
read_row(struct pq_catalog *catalog, const MDB_val *key, const MDB_val *value, struct pq_catalog_revision *ret_revision,
         struct pq_err *err)
{
	struct pq_catalog_revision revision = {0};
	json_t *object;
	const char *manifest;
	const char *added;
	const char *by;
	const char *proved;
	enum pq_status status = pq_catalog_read_json(catalog, value, &object, err);

	if (status != PQ_OK)
		return status;
	struct pq_err why = {0};
	if (json_unpack(object, "{s:s, s:s, s:s, s:s}", "manifest", &manifest, "added", &added, "by", &by, "proved",
	                &proved) != 0 ||
	    !time_of(added, &revision.added_s) ||
	    pq_manifest_parse(manifest, strlen(manifest), catalog->path, &revision.manifest, &why) != PQ_OK ||
	    revision.manifest.sequence != pq_catalog_key_number(key)) {
		status = why.status == PQ_ENOMEM
		             ? pq_fail_at(err, PQ_ENOMEM, catalog->path, 0, 0, "cannot be read: out of memory")
		             : pq_catalog_corrupt(catalog, "a revision in it cannot be read", err);
	} else {
		pq_catalog_text(revision.added_by, sizeof(revision.added_by), by);
		pq_catalog_text(revision.proved_by, sizeof(revision.proved_by), proved);
		*ret_revision = revision;
	}
	json_decref(object);
	return status;
}

enum pq_status
pq_catalog_load_row(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence,
                    struct pq_catalog_revision *ret_revision, struct pq_err *err)
{
	uint8_t bytes[8];
	MDB_val key = pq_catalog_key(sequence, bytes);
	MDB_val value;
	int rc = mdb_get(txn, catalog->revisions, &key, &value);

	if (rc == MDB_NOTFOUND)
		return pq_fail_at(err, PQ_ENOTFOUND, catalog->dir, 0, 0, "has no revision with the sequence %llu",
		                  (unsigned long long)sequence);
	if (rc != 0)
		return pq_fail_lmdb(err, rc, catalog->path, "cannot be read");
	return read_row(catalog, &key, &value, ret_revision, err);
}

enum pq_status
pq_catalog_store_row(struct pq_catalog *catalog, MDB_txn *txn, const struct pq_catalog_revision *revision,
                     struct pq_err *err)
{
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	uint8_t bytes[8];
	enum pq_status status = pq_manifest_format(&revision->manifest, text, NULL, err);

	if (status != PQ_OK)
		return status;
	json_t *object = json_pack("{s:s, s:o, s:s, s:s}", "manifest", text, "added", json_time(revision->added_s), "by",
	                           revision->added_by, "proved", revision->proved_by);

	return put_json(catalog, txn, catalog->revisions, pq_catalog_key(revision->manifest.sequence, bytes), object, 0,
	                err);
}

enum pq_status
pq_catalog_load_rows(struct pq_catalog *catalog, MDB_txn *txn, struct pq_catalog_revision **ret_rows, size_t *ret_n,
                     struct pq_err *err)
{
	struct pq_catalog_revision *rows = NULL;
	enum pq_status status = PQ_OK;
	MDB_cursor *cursor = NULL;
	MDB_stat stat;
	MDB_val key;
	MDB_val value;
	size_t n = 0;
	int rc = mdb_stat(txn, catalog->revisions, &stat);

	if (rc == 0)
		rc = mdb_cursor_open(txn, catalog->revisions, &cursor);
	if (rc != 0)
		return pq_fail_lmdb(err, rc, catalog->path, "cannot be read");
	rows = calloc(stat.ms_entries + 1, sizeof(*rows));
	if (rows == NULL)
		status = pq_fail_at(err, PQ_ENOMEM, catalog->path, 0, 0, "cannot be read: out of memory");
	while (status == PQ_OK && n < stat.ms_entries && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
		status = read_row(catalog, &key, &value, &rows[n++], err);
	if (status == PQ_OK && rc != 0 && rc != MDB_NOTFOUND)
		status = pq_fail_lmdb(err, rc, catalog->path, "cannot be read");
	mdb_cursor_close(cursor);
	if (status != PQ_OK) {
		free(rows);
		return status;
	}
	*ret_rows = rows;
	*ret_n = n;
	return PQ_OK;
}

/* ---- plans ---- */

enum pq_status
pq_catalog_load_plan(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence, int64_t *ret_at_s, struct pq_err *err)
{
	uint8_t bytes[8];
	const char *at;
	int64_t at_s;
	json_t *object;
	enum pq_status status = get_json(catalog, txn, catalog->schedule, pq_catalog_key(sequence, bytes), &object, err);

	if (status == PQ_ENOTFOUND)
		return pq_fail_at(err, PQ_ENOTFOUND, catalog->dir, 0, 0, "has no plan for the sequence %llu",
		                  (unsigned long long)sequence);
	if (status != PQ_OK)
		return status;
	if (json_unpack(object, "{s:s}", "at", &at) != 0 || !time_of(at, &at_s))
		status = pq_catalog_corrupt(catalog, "a plan in it cannot be read", err);
	else
		*ret_at_s = at_s;
	json_decref(object);
	return status;
}

enum pq_status
pq_catalog_store_plan(struct pq_catalog *catalog, MDB_txn *txn, uint64_t sequence, int64_t at_s, struct pq_err *err)
{
	uint8_t bytes[8];

	return put_json(catalog, txn, catalog->schedule, pq_catalog_key(sequence, bytes),
	                json_pack("{s:o}", "at", json_time(at_s)), 0, err);
}

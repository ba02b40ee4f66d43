/* The journal: who did what, when. Records are appended in the transaction that does it, and never changed. */
#include "policy/json_text.h"
#include "storage/catalog_private.h"
#include "storage/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const action_texts[] = {
#define X(name, text) [PQ_JOURNAL_##name] = text,
	PQ_JOURNAL_MAP(X)
#undef X
};

#define N_ACTIONS (sizeof(action_texts) / sizeof(action_texts[0]))

const char *
pq_journal_action_text(enum pq_journal_action action)
{
	return (size_t)action < N_ACTIONS ? action_texts[action] : "unknown";
}

static enum pq_status
next_id(struct pq_catalog *catalog, MDB_txn *txn, uint64_t *ret_id, struct pq_err *err)
{
	MDB_cursor *cursor;
	MDB_val key;
	MDB_val value;
	int rc = mdb_cursor_open(txn, catalog->journal, &cursor);

	if (rc != 0)
		return pq_fail_lmdb(err, rc, catalog->path, "cannot be read");
	rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	if (rc == 0)
		*ret_id = pq_catalog_key_number(&key) + 1;
	else if (rc == MDB_NOTFOUND)
		*ret_id = 1;
	mdb_cursor_close(cursor);
	return rc == 0 || rc == MDB_NOTFOUND ? PQ_OK : pq_fail_lmdb(err, rc, catalog->path, "cannot be read");
}

enum pq_status
pq_catalog_log(struct pq_catalog *catalog, MDB_txn *txn, enum pq_journal_action action,
               const struct pq_catalog_revision *revision, const struct pq_catalog_act *act, const char *remark,
               struct pq_err *err)
{
	char actor[PQ_ACTOR_MAX + 1];
	char why[PQ_REMARK_MAX + 1];
	char digest[PQ_DIGEST_HEX_BYTES];
	char time[PQ_TIME_TEXT_BYTES];
	uint8_t bytes[8];
	uint64_t id = 0;
	enum pq_status status = next_id(catalog, txn, &id, err);

	if (status != PQ_OK)
		return status;
	pq_catalog_text(actor, sizeof(actor), act->actor);
	pq_catalog_text(why, sizeof(why), remark != NULL ? remark : act->remark);
	pq_digest_hex(revision->manifest.digest, digest);
	pq_time_format(act->time_s, time);
	json_t *object =
		json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "action", pq_journal_action_text(action), "time", time, "sequence",
	              (json_int_t)revision->manifest.sequence, "digest", digest, "by", actor, "remark", why);
	char *text = object != NULL ? pq_json_dump(object, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	json_decref(object);
	if (text == NULL)
		return pq_fail_at(err, PQ_ENOMEM, catalog->path, 0, 0, "cannot be written: out of memory");
	MDB_val key = pq_catalog_key(id, bytes);
	MDB_val value = {strlen(text), text};
	int rc = mdb_put(txn, catalog->journal, &key, &value, MDB_APPEND);

	free(text);
	return rc == 0 ? PQ_OK : pq_fail_lmdb(err, rc, catalog->path, "cannot be written");
}

static bool
read_action(const char *text, enum pq_journal_action *ret_action)
{
	for (size_t i = 0; i < N_ACTIONS; i++) {
		if (strcmp(action_texts[i], text) == 0) {
			*ret_action = (enum pq_journal_action)i;
			return true;
		}
	}
	return false;
}

static enum pq_status
read_record(struct pq_catalog *catalog, const MDB_val *key, const MDB_val *value, struct pq_arena *arena,
            struct pq_journal_record *ret_record, struct pq_err *err)
{
	struct pq_journal_record record = {.id = pq_catalog_key_number(key)};
	const char *action;
	const char *time;
	const char *digest;
	const char *actor;
	const char *remark;
	json_int_t sequence;
	json_t *object;
	enum pq_status status = pq_catalog_read_json(catalog, value, &object, err);

	if (status != PQ_OK)
		return status;
	if (json_unpack(object, "{s:s, s:s, s:I, s:s, s:s, s:s}", "action", &action, "time", &time, "sequence", &sequence,
	                "digest", &digest, "by", &actor, "remark", &remark) != 0 ||
	    !read_action(action, &record.action) || !pq_digest_parse(digest, record.digest) ||
	    (time[0] != '\0' && pq_time_parse(time, "", &record.time_s, NULL) != PQ_OK)) {
		status = pq_catalog_corrupt(catalog, "a record of the journal cannot be read", err);
		goto out;
	}
	record.sequence = (uint64_t)sequence;
	record.actor = pq_arena_strndup(arena, actor, strlen(actor));
	record.remark = pq_arena_strndup(arena, remark, strlen(remark));
	if (record.actor == NULL || record.remark == NULL)
		status = pq_fail_at(err, PQ_ENOMEM, catalog->path, 0, 0, "cannot be read: out of memory");
	else
		*ret_record = record;
out:
	json_decref(object);
	return status;
}

static enum pq_status
read_records(struct pq_catalog *catalog, MDB_txn *txn, uint64_t after, size_t max, struct pq_arena *arena,
             const struct pq_journal_record **ret_records, size_t *ret_n, struct pq_err *err)
{
	struct pq_journal_record *records = NULL;
	enum pq_status status = PQ_OK;
	MDB_cursor *cursor;
	MDB_stat stat;
	MDB_val value;
	uint8_t bytes[8];
	MDB_val key = pq_catalog_key(after < UINT64_MAX ? after + 1 : after, bytes);
	size_t n = 0;
	int rc = mdb_stat(txn, catalog->journal, &stat);

	if (rc == 0)
		rc = mdb_cursor_open(txn, catalog->journal, &cursor);
	if (rc != 0)
		return pq_fail_lmdb(err, rc, catalog->path, "cannot be read");
	if (max > stat.ms_entries)
		max = stat.ms_entries;
	records = pq_arena_array(arena, max + 1, sizeof(*records));
	if (records == NULL)
		status = pq_fail_at(err, PQ_ENOMEM, catalog->path, 0, 0, "cannot be read: out of memory");
	if (status == PQ_OK && max > 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (status == PQ_OK && rc == 0 && n < max) {
		status = read_record(catalog, &key, &value, arena, &records[n], err);
		n++;
		rc = n < max ? mdb_cursor_get(cursor, &key, &value, MDB_NEXT) : 0;
	}
	if (status == PQ_OK && rc != 0 && rc != MDB_NOTFOUND)
		status = pq_fail_lmdb(err, rc, catalog->path, "cannot be read");
	mdb_cursor_close(cursor);
	if (status != PQ_OK)
		return status;
	*ret_records = records;
	*ret_n = n;
	return PQ_OK;
}

enum pq_status
pq_catalog_journal(struct pq_catalog *catalog, uint64_t after, size_t max, struct pq_arena *arena,
                   const struct pq_journal_record **ret_records, size_t *ret_n, struct pq_err *err)
{
	MDB_txn *txn;

	pthread_mutex_lock(&catalog->lock);
	enum pq_status status = pq_catalog_begin(catalog, false, &txn, err);

	if (status == PQ_OK) {
		status = read_records(catalog, txn, after, max, arena, ret_records, ret_n, err);
		mdb_txn_abort(txn);
	}
	pthread_mutex_unlock(&catalog->lock);
	return status;
}

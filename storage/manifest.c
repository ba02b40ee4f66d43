#include "storage/manifest.h"

#include "policy/json_text.h"
#include "storage/fail.h"
#include "storage/files.h"
#include "storage/store.h"
#include "storage/tempfile.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* It is signed with the rest, so that a signature made for something else can never pass for one of a manifest. */
#define TYPE "pratique.revision.v1"
#define TYPE_ANY "pratique.revision."

#define TIME_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* 64 bytes in base64, and a line of a signature: id, blank, base64. */
#define BASE64_CHARS 88
#define LINE_CHARS (PQ_KEY_ID_BYTES - 1 + 1 + BASE64_CHARS)

/* ---- times ---- */

void
pq_time_format(int64_t time_s, char ret_text[PQ_TIME_TEXT_BYTES])
{
	time_t time = (time_t)time_s;
	struct tm tm;

	ret_text[0] = '\0';
	if (time_s >= 0 && time_s <= TIME_MAX && gmtime_r(&time, &tm) != NULL)
		strftime(ret_text, PQ_TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

enum pq_status
pq_time_parse(const char *text, const char *where, int64_t *ret_time_s, struct pq_err *err)
{
	char again[PQ_TIME_TEXT_BYTES];
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	int64_t time_s = end != NULL && *end == '\0' ? (int64_t)timegm(&tm) : -1;

	/* strptime() takes " 7" for "07", and timegm() the 31st of April for the 1st of May. */
	pq_time_format(time_s, again);
	if (time_s < 0 || strcmp(again, text) != 0)
		return pq_fail_at(err, PQ_EPARSE, where, 0, 0, "\"%.40s\" is no time in UTC like 2026-11-24T16:30:00Z", text);
	*ret_time_s = time_s;
	return PQ_OK;
}

/* ---- writing ---- */

static bool
note_is_clean(const char *note)
{
	for (const unsigned char *c = (const unsigned char *)note; *c != '\0'; c++)
		if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f))
			return false;
	return true;
}

static enum pq_status
check_fields(const struct pq_manifest *manifest, struct pq_err *err)
{
	if (manifest->sequence == 0 || manifest->sequence > PQ_SEQUENCE_MAX)
		return pq_fail_at(err, PQ_EINVAL, "sequence", 0, 0, "must be from 1 to %" PRIu64, (uint64_t)PQ_SEQUENCE_MAX);
	if (manifest->size == 0 || manifest->size > INT64_MAX)
		return pq_fail_at(err, PQ_EINVAL, "size", 0, 0, "must be more than 0");
	if (manifest->created_s < 0 || manifest->created_s > TIME_MAX)
		return pq_fail_at(err, PQ_EINVAL, "created", 0, 0, "must lie in the years 1970 to 9999");
	if (memchr(manifest->note, '\0', sizeof(manifest->note)) == NULL)
		return pq_fail_at(err, PQ_EINVAL, "note", 0, 0, "has more than %d bytes", PQ_MANIFEST_NOTE_MAX);
	if (!note_is_clean(manifest->note))
		return pq_fail_at(err, PQ_EINVAL, "note", 0, 0, "holds control characters or more than one line");
	if (manifest->n_signatures > PQ_MANIFEST_SIGNATURES_MAX)
		return pq_fail_at(err, PQ_EINVAL, "signatures", 0, 0, "are more than %d", PQ_MANIFEST_SIGNATURES_MAX);
	return PQ_OK;
}

/* The statement with its newline: what is signed. Jansson sorts the keys, and escapes only what must be. */
static enum pq_status
format_statement(const struct pq_manifest *manifest, char *text, size_t size, size_t *ret_len, struct pq_err *err)
{
	char digest[PQ_DIGEST_HEX_BYTES];
	char created[PQ_TIME_TEXT_BYTES];
	enum pq_status status = check_fields(manifest, err);

	if (status != PQ_OK)
		return status;
	pq_digest_hex(manifest->digest, digest);
	pq_time_format(manifest->created_s, created);
	json_t *note = json_string(manifest->note);

	if (note == NULL)
		return pq_fail_at(err, PQ_EINVAL, "note", 0, 0, "is not UTF-8");
	json_t *object =
		json_pack("{s:s, s:s, s:o, s:I, s:I, s:s}", "created", created, "digest", digest, "note", note, "sequence",
	              (json_int_t)manifest->sequence, "size", (json_int_t)manifest->size, "type", TYPE);
	size_t len = object != NULL ? json_dumpb(object, text, size - 2, JSON_COMPACT | JSON_SORT_KEYS) : 0;

	json_decref(object);
	if (len == 0 || len > size - 2)
		return pq_fail(err, PQ_ENOMEM, "a manifest cannot be written: out of memory");
	text[len++] = '\n';
	text[len] = '\0';
	*ret_len = len;
	return PQ_OK;
}

enum pq_status
pq_manifest_format(const struct pq_manifest *manifest, char ret_text[PQ_MANIFEST_BYTES_MAX + 1], size_t *ret_len,
                   struct pq_err *err)
{
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	size_t len = 0;
	enum pq_status status = format_statement(manifest, text, sizeof(text), &len, err);

	if (status != PQ_OK)
		return status;
	for (size_t i = 0; i < manifest->n_signatures; i++) {
		const struct pq_signature *signature = &manifest->signatures[i];
		unsigned char base64[BASE64_CHARS + 1];

		EVP_EncodeBlock(base64, signature->bytes, PQ_SIGNATURE_BYTES);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %s\n", signature->key_id, (const char *)base64);
	}
	memcpy(ret_text, text, len + 1);
	if (ret_len != NULL)
		*ret_len = len;
	return PQ_OK;
}

_Static_assert(6 * PQ_MANIFEST_NOTE_MAX + 300 + PQ_MANIFEST_SIGNATURES_MAX * (LINE_CHARS + 1) < PQ_MANIFEST_BYTES_MAX,
               "the longest statement with all signatures fits");

enum pq_status
pq_manifest_write(const struct pq_manifest *manifest, const char *path, struct pq_err *err)
{
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	struct pq_tempfile temp;
	size_t len = 0;
	enum pq_status status = pq_manifest_format(manifest, text, &len, err);

	if (status == PQ_OK)
		status = pq_tempfile_create(path, &temp, err);
	if (status != PQ_OK)
		return status;
	ssize_t put = write(temp.fd, text, len);

	if (put != (ssize_t)len) {
		status = pq_fail_errno(err, put < 0 ? errno : ENOSPC, path, "cannot be written");
		pq_tempfile_discard(&temp);
		return status;
	}
	return pq_tempfile_commit(&temp, path, err);
}

/* ---- reading ---- */

static enum pq_status
read_object(json_t *object, const char *where, struct pq_manifest *manifest, struct pq_err *err)
{
	const char *created;
	const char *digest;
	const char *note;
	const char *type = json_string_value(json_object_get(object, "type"));
	json_int_t sequence;
	json_int_t size;
	json_error_t at;

	if (type != NULL && strcmp(type, TYPE) != 0 && strncmp(type, TYPE_ANY, strlen(TYPE_ANY)) == 0)
		return pq_fail_at(err, PQ_EFORMAT, where, 1, 0, "is of the type \"%.40s\"; this program reads \"%s\"", type,
		                  TYPE);
	if (type == NULL || strcmp(type, TYPE) != 0)
		return pq_fail_at(err, PQ_EPARSE, where, 1, 0, "is not a manifest: its \"type\" is not \"%s\"", TYPE);
	if (json_unpack_ex(object, &at, 0, "{s:s, s:s, s:s, s:I, s:I, s:s !}", "created", &created, "digest", &digest,
	                   "note", &note, "sequence", &sequence, "size", &size, "type", &type) != 0)
		return pq_fail_at(err, PQ_EPARSE, where, 1, 0, "is not a manifest: %s", at.text);
	if (!pq_digest_parse(digest, manifest->digest))
		return pq_fail_at(err, PQ_EPARSE, where, 1, 0, "\"digest\" must be 64 lower-case hexadecimal digits");
	if (strlen(note) > PQ_MANIFEST_NOTE_MAX || !note_is_clean(note))
		return pq_fail_at(err, PQ_EPARSE, where, 1, 0, "\"note\" must be one line of at most %d bytes",
		                  PQ_MANIFEST_NOTE_MAX);
	if (sequence < 1 || size < 1)
		return pq_fail_at(err, PQ_EPARSE, where, 1, 0, "\"%s\" must be more than 0",
		                  sequence < 1 ? "sequence" : "size");
	enum pq_status status = pq_time_parse(created, where, &manifest->created_s, err);

	if (status != PQ_OK)
		return status;
	manifest->sequence = (uint64_t)sequence;
	manifest->size = (uint64_t)size;
	snprintf(manifest->note, sizeof(manifest->note), "%s", note);
	return PQ_OK;
}

static enum pq_status
parse_statement(const char *line, size_t len, const char *where, struct pq_manifest *manifest, struct pq_err *err)
{
	char again[PQ_MANIFEST_BYTES_MAX + 1];
	size_t again_len;
	json_error_t at;
	bool no_memory;
	json_t *object = pq_json_load(line, len, JSON_REJECT_DUPLICATES, &at, &no_memory);

	if (no_memory)
		return pq_fail_at(err, PQ_ENOMEM, where, 0, 0, "cannot be read: out of memory");
	if (object == NULL)
		return pq_fail_at(err, PQ_EPARSE, where, 1, at.column > 0 ? at.column : 0, "is not a manifest: %s", at.text);
	enum pq_status status = read_object(object, where, manifest, err);

	json_decref(object);
	if (status == PQ_OK)
		status = format_statement(manifest, again, sizeof(again), &again_len, err);
	if (status == PQ_OK && (again_len != len || memcmp(again, line, len) != 0))
		status = pq_fail_at(err, PQ_EPARSE, where, 1, 0, "is not written in the one way a manifest is written");
	return status;
}

static enum pq_status
parse_signature(const char *line, size_t len, int number, const char *where, struct pq_manifest *manifest,
                struct pq_err *err)
{
	struct pq_signature signature = {0};
	unsigned char base64[BASE64_CHARS + 1] = {0};
	unsigned char bytes[BASE64_CHARS / 4 * 3];
	unsigned char again[BASE64_CHARS + 1];

	if (manifest->n_signatures == PQ_MANIFEST_SIGNATURES_MAX)
		return pq_fail_at(err, PQ_ELIMIT, where, number, 0, "has more than %d signatures", PQ_MANIFEST_SIGNATURES_MAX);
	if (len != LINE_CHARS || line[PQ_KEY_ID_BYTES - 1] != ' ')
		return pq_fail_at(err, PQ_EPARSE, where, number, 0, "is no signature: a key's id, a blank, 64 bytes in base64");
	memcpy(signature.key_id, line, PQ_KEY_ID_BYTES - 1);
	if (strspn(signature.key_id, "0123456789abcdef") != PQ_KEY_ID_BYTES - 1)
		return pq_fail_at(err, PQ_EPARSE, where, number, 0, "does not start with a key's id of 16 hexadecimal digits");
	memcpy(base64, line + PQ_KEY_ID_BYTES, BASE64_CHARS);
	if (EVP_DecodeBlock(bytes, base64, BASE64_CHARS) != (int)sizeof(bytes))
		return pq_fail_at(err, PQ_EPARSE, where, number, 0, "holds no signature of 64 bytes in base64");
	memcpy(signature.bytes, bytes, sizeof(signature.bytes));
	EVP_EncodeBlock(again, signature.bytes, PQ_SIGNATURE_BYTES);
	if (memcmp(again, base64, BASE64_CHARS) != 0)
		return pq_fail_at(err, PQ_EPARSE, where, number, 0, "holds no signature of 64 bytes in base64");
	for (size_t i = 0; i < manifest->n_signatures; i++)
		if (strcmp(manifest->signatures[i].key_id, signature.key_id) == 0)
			return pq_fail_at(err, PQ_EPARSE, where, number, 0, "is a second signature of the key %s",
			                  signature.key_id);
	manifest->signatures[manifest->n_signatures++] = signature;
	return PQ_OK;
}

enum pq_status
pq_manifest_parse(const char *text, size_t len, const char *where, struct pq_manifest *ret_manifest, struct pq_err *err)
{
	struct pq_manifest manifest = {0};
	enum pq_status status = PQ_OK;
	size_t at = 0;

	if (len > PQ_MANIFEST_BYTES_MAX)
		return pq_fail_at(err, PQ_ELIMIT, where, 0, 0, "has %zu bytes; a manifest has at most %d", len,
		                  PQ_MANIFEST_BYTES_MAX);
	if (len == 0)
		return pq_fail_at(err, PQ_EPARSE, where, 0, 0, "is empty, not a manifest");
	for (int number = 1; status == PQ_OK && at < len; number++) {
		const char *newline = memchr(text + at, '\n', len - at);

		if (newline == NULL)
			return pq_fail_at(err, PQ_EPARSE, where, number, 0, "is cut short: the line does not end");
		size_t line_len = (size_t)(newline - (text + at)); /* without the newline */

		status = number == 1 ? parse_statement(text + at, line_len + 1, where, &manifest, err)
		                     : parse_signature(text + at, line_len, number, where, &manifest, err);
		at += line_len + 1;
	}
	if (status == PQ_OK)
		*ret_manifest = manifest;
	return status;
}

enum pq_status
pq_manifest_read(const char *path, struct pq_manifest *ret_manifest, struct pq_err *err)
{
	struct pq_arena arena;
	const char *text;
	size_t len;

	pq_arena_init(&arena, (size_t)4 * PQ_MANIFEST_BYTES_MAX);
	enum pq_status status = pq_files_read(path, PQ_MANIFEST_BYTES_MAX, &arena, &text, &len, err);

	if (status == PQ_OK)
		status = pq_manifest_parse(text, len, path, ret_manifest, err);
	pq_arena_release(&arena);
	return status;
}

/* ---- signatures ---- */

enum pq_status
pq_manifest_sign(struct pq_manifest *manifest, const struct pq_key *key, struct pq_err *err)
{
	char statement[PQ_MANIFEST_BYTES_MAX + 1];
	struct pq_signature signature = {0};
	size_t len;
	size_t i = 0;
	enum pq_status status = format_statement(manifest, statement, sizeof(statement), &len, err);

	if (status == PQ_OK)
		status = pq_key_sign(key, statement, len, signature.bytes, err);
	if (status != PQ_OK)
		return status;
	snprintf(signature.key_id, sizeof(signature.key_id), "%s", pq_key_id(key));
	while (i < manifest->n_signatures && strcmp(manifest->signatures[i].key_id, signature.key_id) != 0)
		i++;
	if (i == PQ_MANIFEST_SIGNATURES_MAX)
		return pq_fail(err, PQ_ELIMIT, "the manifest has %d signatures already", PQ_MANIFEST_SIGNATURES_MAX);
	manifest->signatures[i] = signature;
	if (i == manifest->n_signatures)
		manifest->n_signatures++;
	return PQ_OK;
}

static enum pq_status
fail_signatures(const struct pq_manifest *manifest, const char *wrong, const char *where, struct pq_err *err)
{
	char ids[PQ_MANIFEST_SIGNATURES_MAX * (PQ_KEY_ID_BYTES + 1) + 1] = "";
	size_t len = 0;

	if (wrong != NULL)
		return pq_fail_at(err, PQ_EFAILED, where, 0, 0,
		                  "has a wrong signature: the key %s did not sign this statement (sequence %" PRIu64 ")", wrong,
		                  manifest->sequence);
	if (manifest->n_signatures == 0)
		return pq_fail_at(err, PQ_EFAILED, where, 0, 0,
		                  "is not signed (sequence %" PRIu64 "), and trusted keys are configured", manifest->sequence);
	for (size_t i = 0; i < manifest->n_signatures; i++)
		len +=
			(size_t)snprintf(ids + len, sizeof(ids) - len, "%s%s", i > 0 ? ", " : "", manifest->signatures[i].key_id);
	return pq_fail_at(err, PQ_EFAILED, where, 0, 0, "is signed by no trusted key (sequence %" PRIu64 "), but by: %s",
	                  manifest->sequence, ids);
}

enum pq_status
pq_manifest_verify(const struct pq_manifest *manifest, const struct pq_trust *trust, const char *where,
                   char ret_key_id[PQ_KEY_ID_BYTES], struct pq_err *err)
{
	char statement[PQ_MANIFEST_BYTES_MAX + 1];
	const struct pq_signature *good = NULL;
	const char *wrong = NULL;
	size_t len;
	enum pq_status status = format_statement(manifest, statement, sizeof(statement), &len, err);

	if (status != PQ_OK)
		return status;
	for (size_t i = 0; trust != NULL && good == NULL && i < manifest->n_signatures; i++) {
		const struct pq_signature *signature = &manifest->signatures[i];
		bool known;

		if (pq_trust_verify(trust, signature->key_id, statement, len, signature->bytes, &known))
			good = signature;
		else if (known)
			wrong = signature->key_id;
	}
	if (trust != NULL && good == NULL)
		return fail_signatures(manifest, wrong, where, err);
	if (ret_key_id != NULL)
		snprintf(ret_key_id, PQ_KEY_ID_BYTES, "%s", good != NULL ? good->key_id : "");
	return PQ_OK;
}

/* Where a signature of the key stands, else where one may be put; PQ_MANIFEST_SIGNATURES_MAX: nowhere. */
static size_t
place_for(const struct pq_manifest *manifest, const char *key_id, const struct pq_trust *trust, const char *statement,
          size_t len)
{
	for (size_t i = 0; i < manifest->n_signatures; i++)
		if (strcmp(manifest->signatures[i].key_id, key_id) == 0)
			return i;
	if (manifest->n_signatures < PQ_MANIFEST_SIGNATURES_MAX || trust == NULL)
		return manifest->n_signatures;
	for (size_t i = 0; i < manifest->n_signatures; i++) {
		const struct pq_signature *signature = &manifest->signatures[i];

		if (!pq_trust_verify(trust, signature->key_id, statement, len, signature->bytes, NULL))
			return i;
	}
	return PQ_MANIFEST_SIGNATURES_MAX;
}

bool
pq_manifest_merge(struct pq_manifest *into, const struct pq_manifest *from, const struct pq_trust *trust)
{
	char statement[PQ_MANIFEST_BYTES_MAX + 1];
	bool changed = false;
	size_t len;

	if (!pq_manifest_same_statement(into, from) ||
	    format_statement(from, statement, sizeof(statement), &len, NULL) != PQ_OK)
		return false;
	for (size_t i = 0; i < from->n_signatures; i++) {
		const struct pq_signature *signature = &from->signatures[i];

		if (trust != NULL && !pq_trust_verify(trust, signature->key_id, statement, len, signature->bytes, NULL))
			continue;
		size_t at = place_for(into, signature->key_id, trust, statement, len);
		bool known = at < into->n_signatures && memcmp(&into->signatures[at], signature, sizeof(*signature)) == 0;

		if (at == PQ_MANIFEST_SIGNATURES_MAX || known)
			continue;
		/* Without trust nothing tells which of two signatures of one key is right: the first stays. */
		if (trust == NULL && at < into->n_signatures)
			continue;
		into->signatures[at] = *signature;
		if (at == into->n_signatures)
			into->n_signatures++;
		changed = true;
	}
	return changed;
}

/* ---- comparing ---- */

enum pq_status
pq_manifest_check_store(const struct pq_manifest *manifest, int fd, const char *path, struct pq_err *err)
{
	uint8_t digest[PQ_DIGEST_BYTES];
	char is[PQ_DIGEST_HEX_BYTES];
	char should[PQ_DIGEST_HEX_BYTES];
	uint64_t size;
	enum pq_status status = pq_store_check_fd(fd, path, digest, &size, err);

	if (status != PQ_OK)
		return status;
	pq_digest_hex(digest, is);
	pq_digest_hex(manifest->digest, should);
	if (memcmp(digest, manifest->digest, sizeof(digest)) != 0)
		return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0,
		                  "is not the store of the manifest: its SHA-256 is %s, the manifest's %s", is, should);
	if (size != manifest->size)
		return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0,
		                  "is not the store of the manifest: it has %" PRIu64 " bytes, by the manifest %" PRIu64, size,
		                  manifest->size);
	return PQ_OK;
}

bool
pq_manifest_same_statement(const struct pq_manifest *a, const struct pq_manifest *b)
{
	return a->sequence == b->sequence && memcmp(a->digest, b->digest, sizeof(a->digest)) == 0 && a->size == b->size &&
	       a->created_s == b->created_s && strcmp(a->note, b->note) == 0;
}

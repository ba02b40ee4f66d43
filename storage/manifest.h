/**
 * The manifest of a revision: a small statement that puts a sealed store into the order of revisions, and signatures.
 *
 * As a file (docs/revisions.md), a manifest is text: the statement as one line of canonical JSON,
 *
 *   {"created":"2026-11-24T16:30:00Z","digest":"13a3...","note":"Cambodia","sequence":7,"size":6561848,"type":"..."}
 *
 * and below it a line for each signature: key id, blank, 64 bytes in base64. What is signed is the first line, its
 * newline included. Equal statements give equal bytes: a manifest whose first line is written in any other way is
 * refused.
 *
 * The digest is the name of the revision: the SHA-256 of all of the store's file but its trailer (storage/trailer.h),
 * which with the size determines every byte of the file. A sequence is given out once. The highest activated one is in
 * force, so a rollback is a new sequence with an old digest.
 *
 * Ownership: a manifest is a value without pointers; copy it as you like.
 * Threads:   all functions may be called from any thread at once.
 */
#ifndef PQ_STORAGE_MANIFEST_H
#define PQ_STORAGE_MANIFEST_H

#include "policy/status.h"
#include "storage/digest.h"
#include "storage/keys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The highest sequence: JSON numbers are signed 64-bit ones here. */
#define PQ_SEQUENCE_MAX UINT64_C(0x7fffffffffffffff)
/** Bytes of a note without its NUL: a sentence for people. */
#define PQ_MANIFEST_NOTE_MAX 256
/** Signatures of one manifest: old and new key while keys change, of a few signers each. */
#define PQ_MANIFEST_SIGNATURES_MAX 8
/**
 * Bytes of a manifest as text, without NUL. The longest that can be written is shorter: a note in escapes is 1.5 KB.
 */
#define PQ_MANIFEST_BYTES_MAX 4096
/** Bytes of a time as text ("2026-11-24T16:30:00Z"), with the final NUL. */
#define PQ_TIME_TEXT_BYTES 21

struct pq_signature {
	char key_id[PQ_KEY_ID_BYTES];
	uint8_t bytes[PQ_SIGNATURE_BYTES];
};

struct pq_manifest {
	uint64_t sequence; /* 1 to PQ_SEQUENCE_MAX */
	uint8_t digest[PQ_DIGEST_BYTES];
	uint64_t size;                       /* bytes of the store's file, trailer included */
	int64_t created_s;                   /* seconds since 1970-01-01T00:00:00Z; years 1970 to 9999 */
	char note[PQ_MANIFEST_NOTE_MAX + 1]; /* UTF-8 without control characters; may be empty */
	size_t n_signatures;                 /* 0 = unsigned */
	struct pq_signature signatures[PQ_MANIFEST_SIGNATURES_MAX]; /* no two of one key */
};

/**
 * Read a manifest from its text. Signatures are not verified here.
 *
 * `where` names the text in messages (a path, a URL). Fails: PQ_EPARSE (not a manifest, cut short, not canonical, a
 * wrong field: err names it; two signatures of one key), PQ_EFORMAT (of another version), PQ_ELIMIT (too long, too many
 * signatures).
 */
PQ_MUST_USE enum pq_status pq_manifest_parse(const char *text, size_t len, const char *where,
                                             struct pq_manifest *ret_manifest, struct pq_err *err);

/**
 * Write a manifest as its text, terminated; *ret_len does not count the NUL and may be NULL.
 * Fails: PQ_EINVAL (a field out of its bounds: err names it).
 */
PQ_MUST_USE enum pq_status pq_manifest_format(const struct pq_manifest *manifest,
                                              char ret_text[PQ_MANIFEST_BYTES_MAX + 1], size_t *ret_len,
                                              struct pq_err *err);

/** Read a manifest file. Fails: PQ_ENOTFOUND, PQ_EINVAL (not a regular file), PQ_EIO, and as pq_manifest_parse(). */
PQ_MUST_USE enum pq_status pq_manifest_read(const char *path, struct pq_manifest *ret_manifest, struct pq_err *err);

/** Write a manifest file, whole or not at all. Fails: as pq_manifest_format() and storage/tempfile.h. */
PQ_MUST_USE enum pq_status pq_manifest_write(const struct pq_manifest *manifest, const char *path, struct pq_err *err);

/**
 * Add a signature; one of the same key is replaced.
 * Fails: PQ_EINVAL (as pq_manifest_format()), PQ_ELIMIT (PQ_MANIFEST_SIGNATURES_MAX), and as pq_key_sign(). On failure
 *        the manifest is untouched.
 */
PQ_MUST_USE enum pq_status pq_manifest_sign(struct pq_manifest *manifest, const struct pq_key *key, struct pq_err *err);

/**
 * Is the manifest signed by a trusted key? One good signature is enough: others may be of keys that are yet to come.
 *
 * `trust` NULL means that no trust is configured: then every manifest passes, with an empty id. Say so in the log.
 *
 * Out:   *ret_key_id is the id of the key whose signature was good; may be NULL.
 * Fails: PQ_EFAILED: unsigned, by unknown keys only (err names them), or a wrong signature of a trusted key.
 */
PQ_MUST_USE enum pq_status pq_manifest_verify(const struct pq_manifest *manifest, const struct pq_trust *trust,
                                              const char *where, char ret_key_id[PQ_KEY_ID_BYTES], struct pq_err *err);

/**
 * Is the open file the store that the manifest speaks of: same size, same digest, digest right? LMDB does not see it.
 * Fails: PQ_ECORRUPT (another size or digest, damaged), PQ_EFORMAT (not a store), PQ_EIO, PQ_ENOMEM. err names `path`.
 */
PQ_MUST_USE enum pq_status pq_manifest_check_store(const struct pq_manifest *manifest, int fd, const char *path,
                                                   struct pq_err *err);

/**
 * Take over the signatures of another manifest of the same statement. Where trust is configured, only good ones of
 * trusted keys are taken, and they go before those that are not: nobody can crowd out a signature with made-up ones.
 * Returns whether anything changed.
 */
bool pq_manifest_merge(struct pq_manifest *into, const struct pq_manifest *from, const struct pq_trust *trust);

/** Do both state the same, whoever signed them? */
bool pq_manifest_same_statement(const struct pq_manifest *a, const struct pq_manifest *b);

/** Write a time as "2026-11-24T16:30:00Z"; one outside of the years 1970 to 9999 as an empty text. */
void pq_time_format(int64_t time_s, char ret_text[PQ_TIME_TEXT_BYTES]);

/** Read such a text, in this form alone. Fails: PQ_EPARSE, naming `where`. */
PQ_MUST_USE enum pq_status pq_time_parse(const char *text, const char *where, int64_t *ret_time_s, struct pq_err *err);

#endif

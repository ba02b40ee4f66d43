/**
 * Ed25519 keys: one that signs manifests, and those whose signatures are trusted.
 *
 * Keys are PEM files as `openssl genpkey -algorithm ed25519` makes them: PKCS #8 for a private key,
 * SubjectPublicKeyInfo for a public one. A key is known by its id, the first 16 hexadecimal digits of the SHA-256 of
 * its 32 raw bytes. The id says which key to try and is trusted for nothing else.
 *
 * Threads: a key and a trust do not change once they are loaded; any number of threads may use one at once.
 */
#ifndef PQ_STORAGE_KEYS_H
#define PQ_STORAGE_KEYS_H

#include "policy/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes of a signature, and of a raw public key. */
#define PQ_SIGNATURE_BYTES 64
#define PQ_PUBLIC_KEY_BYTES 32
/** Bytes of a key's id, with the final NUL. */
#define PQ_KEY_ID_BYTES 17

/** A private key. */
struct pq_key;
/** A set of public keys. */
struct pq_trust;

/**
 * Make a new key pair: `private_path` with the mode 0600, `public_path` with 0644.
 *
 * Neither file may exist: a key that is replaced by mistake cannot be got back. If one of the two cannot be written,
 * neither is there afterwards.
 *
 * Out:   *ret_id is the id of the new key.
 * Fails: PQ_EINVAL (a file exists), PQ_ENOTFOUND (no such folder), PQ_EIO, PQ_ENOMEM, PQ_EFAILED (no random numbers).
 */
PQ_MUST_USE enum pq_status pq_key_generate(const char *private_path, const char *public_path,
                                           char ret_id[PQ_KEY_ID_BYTES], struct pq_err *err);

/**
 * Read a private key.
 *
 * Ownership: *ret_key is the caller's, to be freed by pq_key_free(), which wipes it.
 * Fails:     PQ_ENOTFOUND; PQ_EPARSE (no PEM, one with a passphrase, a public key, a key of another kind); PQ_EINVAL
 *            (not a regular file; a file that everybody may read); PQ_ELIMIT; PQ_EIO; PQ_ENOMEM. err names
 *            the file.
 */
PQ_MUST_USE enum pq_status pq_key_load(const char *path, struct pq_key **ret_key, struct pq_err *err);

/** Accepts NULL. */
void pq_key_free(struct pq_key *key);

/** The id, PQ_KEY_ID_BYTES with its NUL; lives as long as the key. */
const char *pq_key_id(const struct pq_key *key);

/** Sign `len` bytes. Fails: PQ_ENOMEM, PQ_EFAILED (the library refuses). */
PQ_MUST_USE enum pq_status pq_key_sign(const struct pq_key *key, const void *data, size_t len,
                                       uint8_t ret_signature[PQ_SIGNATURE_BYTES], struct pq_err *err);

/**
 * Read the public keys of `n` files (1 or more); a file may hold several, one PEM after the other.
 *
 * Ownership: *ret_trust is the caller's, to be freed by pq_trust_free().
 * Fails:     PQ_EINVAL (no file; not a regular file; a private key where a public one should be); PQ_ENOTFOUND;
 *            PQ_EPARSE (no key in a file, or one of another kind); PQ_ELIMIT (over PQ_TRUST_KEYS_MAX); PQ_EIO;
 *            PQ_ENOMEM. err names the file.
 */
PQ_MUST_USE enum pq_status pq_trust_load(const char *const *paths, size_t n, struct pq_trust **ret_trust,
                                         struct pq_err *err);

/** Accepts NULL. */
void pq_trust_free(struct pq_trust *trust);

/** How many different keys it holds: at least 1. */
size_t pq_trust_count(const struct pq_trust *trust);

/** The id of the key at `i` (< pq_trust_count()), in the order of the files; lives as long as the trust. */
const char *pq_trust_id(const struct pq_trust *trust, size_t i);

/**
 * Does a trusted key of this id say so? True only if there is one and the signature over the `len` bytes is its own.
 * *ret_known, which may be NULL, tells an unknown key (false) from a wrong signature (true).
 */
PQ_MUST_USE bool pq_trust_verify(const struct pq_trust *trust, const char *key_id, const void *data, size_t len,
                                 const uint8_t signature[PQ_SIGNATURE_BYTES], bool *ret_known);

#endif

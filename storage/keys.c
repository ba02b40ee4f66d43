#include "storage/keys.h"

#include "storage/digest.h"
#include "storage/fail.h"
#include "storage/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pq_key {
	EVP_PKEY *pkey;
	char id[PQ_KEY_ID_BYTES];
};

struct pq_trust {
	size_t n;
	struct pq_key keys[PQ_TRUST_KEYS_MAX];
};

/* The id of a key, public or private. False: it is no Ed25519 key. */
static bool
name_key(const EVP_PKEY *pkey, char ret_id[PQ_KEY_ID_BYTES])
{
	uint8_t raw[PQ_PUBLIC_KEY_BYTES];
	uint8_t digest[PQ_DIGEST_BYTES];
	char hex[PQ_DIGEST_HEX_BYTES];
	size_t len = sizeof(raw);

	if (EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519 || EVP_PKEY_get_raw_public_key(pkey, raw, &len) != 1 ||
	    len != sizeof(raw) || EVP_Digest(raw, len, digest, NULL, EVP_sha256(), NULL) != 1)
		return false;
	pq_digest_hex(digest, hex);
	snprintf(ret_id, PQ_KEY_ID_BYTES, "%.16s", hex);
	return true;
}

/* Did OpenSSL refuse for want of memory? It notes so in most places. Empties what it noted. */
static bool
no_memory(void)
{
	bool found = false;

	for (unsigned long code; (code = ERR_get_error()) != 0;)
		found |= ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
	return found;
}

/* ---- reading ---- */

/* The file's bytes in a BIO of their own. The caller frees it; the memory is wiped with it. */
static enum pq_status
read_pem(const char *path, bool secret, BIO **ret_bio, struct pq_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	enum pq_status status = PQ_OK;
	BIO *bio = NULL;
	char *bytes = NULL;
	struct stat st;

	if (fd < 0)
		return pq_fail_errno(err, errno, path, "cannot be opened");
	if (fstat(fd, &st) != 0)
		status = pq_fail_errno(err, errno, path, "cannot be read");
	else if (!S_ISREG(st.st_mode))
		status = pq_fail_at(err, PQ_EINVAL, path, 0, 0, "is not a regular file");
	else if (secret && (st.st_mode & S_IRWXO) != 0)
		status = pq_fail_at(err, PQ_EINVAL, path, 0, 0, "is a private key that everybody may read: chmod 600 it first");
	else if ((uint64_t)st.st_size > PQ_KEY_FILE_BYTES_MAX)
		status = pq_fail_at(err, PQ_ELIMIT, path, 0, 0, "has %jd bytes; a file with keys has at most %ju",
		                    (intmax_t)st.st_size, (uintmax_t)PQ_KEY_FILE_BYTES_MAX);
	if (status != PQ_OK)
		goto out;
	bytes = OPENSSL_zalloc((size_t)st.st_size + 1);
	bio = BIO_new(BIO_s_secmem());
	ssize_t got = bytes != NULL ? pread(fd, bytes, (size_t)st.st_size, 0) : -1;
	if (bytes == NULL || bio == NULL)
		status = pq_fail_at(err, PQ_ENOMEM, path, 0, 0, "cannot be read: out of memory");
	else if (got < 0)
		status = pq_fail_errno(err, errno, path, "cannot be read");
	else if (got > 0 && BIO_write(bio, bytes, (int)got) != got)
		status = pq_fail_at(err, PQ_ENOMEM, path, 0, 0, "cannot be read: out of memory");
out:
	OPENSSL_clear_free(bytes, bytes != NULL ? (size_t)st.st_size + 1 : 0);
	close(fd);
	if (status != PQ_OK)
		BIO_free(bio);
	else
		*ret_bio = bio;
	return status;
}

/* There is nobody to ask: a key with a passphrase is refused. */
static int
no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

enum pq_status
pq_key_load(const char *path, struct pq_key **ret_key, struct pq_err *err)
{
	BIO *bio = NULL;
	struct pq_key *key = NULL;
	enum pq_status status = read_pem(path, true, &bio, err);

	if (status != PQ_OK)
		return status;
	key = calloc(1, sizeof(*key));
	if (key == NULL) {
		status = pq_fail_at(err, PQ_ENOMEM, path, 0, 0, "cannot be read: out of memory");
		goto out;
	}
	key->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	bool named = key->pkey != NULL && name_key(key->pkey, key->id);
	if (!named && no_memory())
		status = pq_fail_at(err, PQ_ENOMEM, path, 0, 0, "cannot be read: out of memory");
	else if (key->pkey == NULL)
		status = pq_fail_at(err, PQ_EPARSE, path, 0, 0, "holds no private key in PEM without a passphrase");
	else if (!named)
		status = pq_fail_at(err, PQ_EPARSE, path, 0, 0, "holds a key that is not Ed25519");
	if (status == PQ_OK) {
		*ret_key = key;
		key = NULL;
	}
out:
	ERR_clear_error();
	pq_key_free(key);
	BIO_free(bio);
	return status;
}

void
pq_key_free(struct pq_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

const char *
pq_key_id(const struct pq_key *key)
{
	return key->id;
}

/* ---- making ---- */

/* Write what is in the BIO to a file that does not exist yet. */
static enum pq_status
write_new(BIO *bio, const char *path, mode_t mode, struct pq_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);

	if (fd < 0 && errno == EEXIST)
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "exists already and will not be replaced");
	if (fd < 0)
		return pq_fail_errno(err, errno, path, "cannot be written");
	ssize_t put = write(fd, bytes, (size_t)len);
	int number = put < 0 ? errno : put != len ? ENOSPC : fsync(fd) != 0 ? errno : 0;

	if (close(fd) != 0 && number == 0)
		number = errno;
	if (number == 0)
		return PQ_OK;
	unlink(path);
	return pq_fail_errno(err, number, path, "cannot be written");
}

enum pq_status
pq_key_generate(const char *private_path, const char *public_path, char ret_id[PQ_KEY_ID_BYTES], struct pq_err *err)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *private_bio = BIO_new(BIO_s_secmem());
	BIO *public_bio = BIO_new(BIO_s_mem());
	char id[PQ_KEY_ID_BYTES];
	enum pq_status status = PQ_OK;

	if (pkey == NULL || private_bio == NULL || public_bio == NULL || !name_key(pkey, id) ||
	    PEM_write_bio_PrivateKey(private_bio, pkey, NULL, NULL, 0, NULL, NULL) != 1 ||
	    PEM_write_bio_PUBKEY(public_bio, pkey) != 1)
		status = no_memory()
		             ? pq_fail_at(err, PQ_ENOMEM, private_path, 0, 0, "cannot be made: out of memory")
		             : pq_fail_at(err, PQ_EFAILED, private_path, 0, 0, "cannot be made: OpenSSL refuses");
	if (status == PQ_OK)
		status = write_new(private_bio, private_path, 0600, err);
	if (status == PQ_OK) {
		status = write_new(public_bio, public_path, 0644, err);
		if (status != PQ_OK)
			unlink(private_path);
	}
	if (status == PQ_OK)
		memcpy(ret_id, id, sizeof(id));
	ERR_clear_error();
	BIO_free(private_bio);
	BIO_free(public_bio);
	EVP_PKEY_free(pkey);
	return status;
}

/* ---- signing and verifying ---- */

enum pq_status
pq_key_sign(const struct pq_key *key, const void *data, size_t len, uint8_t ret_signature[PQ_SIGNATURE_BYTES],
            struct pq_err *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[PQ_SIGNATURE_BYTES];
	size_t signature_len = sizeof(signature);
	enum pq_status status = PQ_OK;

	if (ctx == NULL)
		return pq_fail(err, PQ_ENOMEM, "cannot sign: out of memory");
	if (EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) != 1 ||
	    EVP_DigestSign(ctx, signature, &signature_len, data, len) != 1 || signature_len != sizeof(signature))
		status = no_memory() ? pq_fail(err, PQ_ENOMEM, "cannot sign with the key %s: out of memory", key->id)
		                     : pq_fail(err, PQ_EFAILED, "cannot sign with the key %s: OpenSSL refuses", key->id);
	else
		memcpy(ret_signature, signature, sizeof(signature));
	ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	return status;
}

bool
pq_trust_verify(const struct pq_trust *trust, const char *key_id, const void *data, size_t len,
                const uint8_t signature[PQ_SIGNATURE_BYTES], bool *ret_known)
{
	bool known = false;
	bool good = false;

	/* The id has 64 bits only: should two keys share one, either may be meant. */
	for (size_t i = 0; i < trust->n && !good; i++) {
		if (strcmp(trust->keys[i].id, key_id) != 0)
			continue;
		known = true;
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();

		good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, trust->keys[i].pkey) == 1 &&
		       EVP_DigestVerify(ctx, signature, PQ_SIGNATURE_BYTES, data, len) == 1;
		EVP_MD_CTX_free(ctx);
	}
	ERR_clear_error();
	if (ret_known != NULL)
		*ret_known = known;
	return good;
}

/* ---- trust ---- */

static bool
holds(const struct pq_trust *trust, const EVP_PKEY *pkey)
{
	for (size_t i = 0; i < trust->n; i++)
		if (EVP_PKEY_eq(trust->keys[i].pkey, pkey) == 1)
			return true;
	return false;
}

/* Take over one PEM block. The key is the trust's, or freed. */
static enum pq_status
add_block(struct pq_trust *trust, const char *type, const unsigned char *der, long len, const char *path,
          struct pq_err *err)
{
	char id[PQ_KEY_ID_BYTES];
	EVP_PKEY *pkey = NULL;
	enum pq_status status = PQ_OK;

	if (strstr(type, "PRIVATE KEY") != NULL)
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "holds a private key; name the file with the public one");
	if (strcmp(type, PEM_STRING_PUBLIC) == 0)
		pkey = d2i_PUBKEY(NULL, &der, len);
	bool named = pkey != NULL && name_key(pkey, id);
	if (!named && no_memory())
		status = pq_fail_at(err, PQ_ENOMEM, path, 0, 0, "cannot be read: out of memory");
	else if (!named)
		status = pq_fail_at(err, PQ_EPARSE, path, 0, 0, "holds a \"%.40s\" that is no public Ed25519 key", type);
	else if (!holds(trust, pkey) && trust->n == PQ_TRUST_KEYS_MAX)
		status = pq_fail_at(err, PQ_ELIMIT, path, 0, 0, "more than %u trusted keys", PQ_TRUST_KEYS_MAX);
	if (status == PQ_OK && !holds(trust, pkey)) {
		struct pq_key *key = &trust->keys[trust->n++];

		key->pkey = pkey;
		memcpy(key->id, id, sizeof(id));
		return PQ_OK;
	}
	EVP_PKEY_free(pkey);
	return status;
}

static enum pq_status
add_file(struct pq_trust *trust, const char *path, struct pq_err *err)
{
	BIO *bio = NULL;
	enum pq_status status = read_pem(path, false, &bio, err);
	size_t n = 0;

	if (status != PQ_OK)
		return status;
	while (status == PQ_OK) {
		char *type = NULL;
		char *header = NULL;
		unsigned char *der = NULL;
		long len;

		if (PEM_read_bio(bio, &type, &header, &der, &len) != 1)
			break;
		status = add_block(trust, type, der, len, path, err);
		n++;
		OPENSSL_free(type);
		OPENSSL_free(header);
		OPENSSL_free(der);
	}
	/* The end is known by there being no further block; all else is one that is broken. */
	bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	if (status == PQ_OK && no_memory())
		status = pq_fail_at(err, PQ_ENOMEM, path, 0, 0, "cannot be read: out of memory");
	else if (status == PQ_OK && (n == 0 || !ended))
		status = pq_fail_at(err, PQ_EPARSE, path, 0, 0,
		                    n == 0 ? "holds no public key in PEM" : "holds a damaged key after the first %zu", n);
	ERR_clear_error();
	BIO_free(bio);
	return status;
}

enum pq_status
pq_trust_load(const char *const *paths, size_t n, struct pq_trust **ret_trust, struct pq_err *err)
{
	struct pq_trust *trust;
	enum pq_status status = PQ_OK;

	if (n == 0)
		return pq_fail(err, PQ_EINVAL, "no file with trusted keys is named");
	trust = calloc(1, sizeof(*trust));
	if (trust == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for trusted keys");
	ERR_clear_error();
	for (size_t i = 0; status == PQ_OK && i < n; i++)
		status = add_file(trust, paths[i], err);
	if (status != PQ_OK) {
		pq_trust_free(trust);
		return status;
	}
	*ret_trust = trust;
	return PQ_OK;
}

void
pq_trust_free(struct pq_trust *trust)
{
	if (trust == NULL)
		return;
	for (size_t i = 0; i < trust->n; i++)
		EVP_PKEY_free(trust->keys[i].pkey);
	free(trust);
}

size_t
pq_trust_count(const struct pq_trust *trust)
{
	return trust->n;
}

const char *
pq_trust_id(const struct pq_trust *trust, size_t i)
{
	return trust->keys[i].id;
}

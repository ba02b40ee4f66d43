#include "storage/digest.h"

#include "storage/fail.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Large enough that the calls cost nothing beside the hashing, small enough to stay in the second-level cache. */
#define READ_BYTES ((size_t)256 * 1024)

static enum pq_status
hash_file(EVP_MD_CTX *ctx, uint8_t *buf, int fd, uint64_t len, const char *path, struct pq_err *err)
{
	uint64_t at = 0;

	while (at < len) {
		size_t want = len - at < READ_BYTES ? (size_t)(len - at) : READ_BYTES;
		ssize_t got = pread(fd, buf, want, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return pq_fail_errno(err, errno, path, "cannot be read");
		if (got == 0)
			return pq_fail_at(err, PQ_ECORRUPT, path, 0, 0, "became shorter while it was read");
		if (EVP_DigestUpdate(ctx, buf, (size_t)got) != 1)
			return pq_fail_at(err, PQ_ENOMEM, path, 0, 0, "SHA-256 failed");
		at += (uint64_t)got;
	}
	return PQ_OK;
}

enum pq_status
pq_digest_fd(int fd, uint64_t len, const char *path, uint8_t ret_digest[PQ_DIGEST_BYTES], struct pq_err *err)
{
	enum pq_status status;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *buf = malloc(READ_BYTES);

	if (ctx == NULL || buf == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
		status = pq_fail_at(err, PQ_ENOMEM, path, 0, 0, "no memory for SHA-256");
		goto out;
	}
	status = hash_file(ctx, buf, fd, len, path, err);
	if (status == PQ_OK && EVP_DigestFinal_ex(ctx, ret_digest, NULL) != 1)
		status = pq_fail_at(err, PQ_ENOMEM, path, 0, 0, "SHA-256 failed");
out:
	free(buf);
	EVP_MD_CTX_free(ctx);
	return status;
}

void
pq_digest_hex(const uint8_t digest[PQ_DIGEST_BYTES], char ret_hex[PQ_DIGEST_HEX_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < PQ_DIGEST_BYTES; i++) {
		ret_hex[2 * i] = digits[digest[i] >> 4];
		ret_hex[2 * i + 1] = digits[digest[i] & 15];
	}
	ret_hex[PQ_DIGEST_HEX_BYTES - 1] = '\0';
}

bool
pq_digest_parse(const char *text, uint8_t ret_digest[PQ_DIGEST_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(text) != PQ_DIGEST_HEX_BYTES - 1)
		return false;
	for (size_t i = 0; i < PQ_DIGEST_HEX_BYTES - 1; i++) {
		const char *digit = strchr(digits, text[i]);

		if (digit == NULL)
			return false;
		ret_digest[i / 2] = (uint8_t)(ret_digest[i / 2] << 4 | (digit - digits));
	}
	return true;
}

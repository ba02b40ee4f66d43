/*
 * Receiving a snapshot from arbitrary bytes: as they are, and with a header whose digest was made to fit, so that what
 * the fuzzer makes of the pieces gets past it. The manifest and the base are those that the header names. Differences
 * are also decoded by themselves.
 */
#include "fetch/delta.h"
#include "fetch/snapshot.h"
#include "fetch/snapshot_header.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger ones only take time. */
#define SIZE_MAX_TRIED ((uint64_t)1 << 20)
#define BASE_BYTES 65536u

static uint8_t base[BASE_BYTES];

static int
file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	return fd;
}

static void
receive(const uint8_t *data, size_t size)
{
	struct pq_manifest manifest = {.sequence = 1, .size = 100000};
	struct pq_snapshot_file held = {.path = "base", .size = BASE_BYTES};
	struct pq_snapshot_reader *reader;
	struct pq_err err = {.status = PQ_OK};
	enum pq_status status = PQ_OK;

	if (size >= PQ_SNAPSHOT_HEAD_BYTES) {
		memcpy(&manifest.size, data + 24, 8);
		memcpy(manifest.digest, data + 32, PQ_DIGEST_BYTES);
		memcpy(held.digest, data + 72, PQ_DIGEST_BYTES);
	}
	if (manifest.size == 0 || manifest.size > SIZE_MAX_TRIED)
		return;
	int out = file_of("", 0);

	held.fd = file_of(base, BASE_BYTES);
	if (pq_snapshot_reader_new(&manifest, &held, out, "out", "url", &reader, &err) != PQ_OK)
		abort();
	for (uint64_t at; status == PQ_OK && (at = pq_snapshot_reader_next(reader)) < size;) {
		size_t len = size - at < 1000 ? (size_t)(size - at) : 1000;

		status = pq_snapshot_reader_feed(reader, at, data + at, len, &err);
		if (status == PQ_OK && pq_snapshot_reader_complete(reader))
			break;
	}
	if (status != PQ_OK && (err.status != status || err.msg[0] == '\0'))
		abort();
	if (pq_snapshot_reader_complete(reader))
		status = pq_snapshot_reader_finish(reader, &err);
	pq_snapshot_reader_free(reader);
	close(out);
	close(held.fd);
}

static void
forge(const uint8_t *data, size_t size)
{
	uint32_t n = 0;

	if (size >= PQ_SNAPSHOT_HEAD_BYTES)
		memcpy(&n, data + 104, 4);
	if (n == 0 || n > 16 || size < pq_snapshot_header_bytes(n))
		return;
	size_t digested = pq_snapshot_header_bytes(n) - PQ_DIGEST_BYTES;
	uint8_t *copy = malloc(size);

	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	if (EVP_Digest(copy + 8, digested - 8, copy + digested, NULL, EVP_sha256(), NULL) != 1)
		abort();
	receive(copy, size);
	free(copy);
}

static enum pq_status
read_base(void *ctx, uint64_t at, uint8_t *ret, uint32_t len, struct pq_err *err)
{
	(void)ctx;
	(void)err;
	if (at > BASE_BYTES || BASE_BYTES - at < len)
		abort();
	memcpy(ret, base + at, len);
	return PQ_OK;
}

static void
decode(const uint8_t *data, size_t size)
{
	uint32_t n = 0;

	if (size >= 4)
		memcpy(&n, data, 4);
	for (uint32_t head = 0; head <= 32; head += 16) {
		size_t len = size > 4 + head ? size - 4 - head : 0;
		uint8_t *piece = malloc(len + 1);

		if (piece == NULL)
			abort();
		if (pq_delta_decode(data, size, read_base, NULL, BASE_BYTES, piece, (uint32_t)len, NULL) == PQ_OK && n > size)
			abort();
		free(piece);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (uint32_t i = 0; base[1] == 0 && i < BASE_BYTES; i++)
		base[i] = (uint8_t)(1 + i * 2654435761u / 65536);
	if (size > SIZE_MAX_TRIED)
		return 0;
	receive(data, size);
	forge(data, size);
	decode(data, size);
	return 0;
}

/*
 * Receiving a snapshot from arbitrary bytes: as they are, and with a header whose digest was made to fit, so that what
 * the fuzzer makes of the pieces gets past it. The manifest and the base are those that the header names. Differences
 * are also decoded by themselves; those that make a piece are put into a snapshot with the digests that fit, which must
 * be received whole; and any bytes must come out of their own differences.
 */
#include "fetch/delta.h"
#include "fetch/snapshot.h"
#include "fetch/snapshot_header.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger ones only take time. */
#define SIZE_MAX_TRIED ((uint64_t)1 << 18)
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

/* The base, made once. */
static int
base_file(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = file_of(base, BASE_BYTES);
	return fd;
}

static void
receive(const uint8_t *data, size_t size)
{
	struct pq_manifest manifest = {.sequence = 1, .size = 100000};
	struct pq_snapshot_file held = {.path = "base", .size = BASE_BYTES, .fd = base_file()};
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

/* A snapshot of one piece, whose frame holds these bytes; false: they make no such piece. */
static uint8_t *
seal(const uint8_t *data, size_t size, uint8_t *piece, uint32_t len, size_t *ret_size, struct pq_manifest *ret_manifest,
     struct pq_snapshot_file *ret_held)
{
	struct pq_snapshot_piece one;
	struct pq_snapshot_header header = {.kind = PQ_SNAPSHOT_DIFFERENCES,
	                                    .chunk_bytes = PQ_CHUNK_BYTES_MIN,
	                                    .size = len,
	                                    .base_size = BASE_BYTES,
	                                    .n = 1,
	                                    .pieces = &one};
	size_t head = pq_snapshot_header_bytes(1), room = ZSTD_compressBound(size);
	uint8_t *made = malloc(head + room);

	if (made == NULL || EVP_Digest(piece, len, one.digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
	size_t frame = ZSTD_compress(made + head, room, data, size, 1);
	if (ZSTD_isError(frame))
		abort();
	one.frame_bytes = (uint32_t)frame;
	if (pq_snapshot_header_encode(&header, made, NULL) != PQ_OK)
		abort();
	*ret_size = head + frame;
	*ret_manifest = (struct pq_manifest){.sequence = 1, .size = len};
	*ret_held = (struct pq_snapshot_file){.path = "base", .size = BASE_BYTES, .fd = base_file()};
	return made;
}

static void
receive_sealed(const uint8_t *data, size_t size)
{
	static uint8_t piece[PQ_CHUNK_BYTES_MIN], got[PQ_CHUNK_BYTES_MIN];
	struct pq_manifest manifest;
	struct pq_snapshot_file held;
	struct pq_snapshot_reader *reader;
	struct pq_err err = {.status = PQ_OK};

	if (size < 6)
		return;
	uint32_t len = 1u + data[0] + 256u * data[1];
	data += 2;
	size -= 2;
	if (len > PQ_CHUNK_BYTES_MIN || size > PQ_DELTA_BOUND(len) ||
	    pq_delta_decode(data, size, read_base, NULL, BASE_BYTES, piece, len, NULL) != PQ_OK)
		return;
	uint8_t *made = seal(data, size, piece, len, &size, &manifest, &held);
	int out = file_of("", 0);
	if (pq_snapshot_reader_new(&manifest, &held, out, "out", "url", &reader, &err) != PQ_OK ||
	    pq_snapshot_reader_feed(reader, 0, made, size, &err) != PQ_OK || !pq_snapshot_reader_complete(reader) ||
	    pread(out, got, len, 0) != (ssize_t)len || memcmp(got, piece, len) != 0)
		abort();
	/* It is no store, and is not taken for one. */
	if (pq_snapshot_reader_finish(reader, &err) == PQ_OK)
		abort();
	pq_snapshot_reader_free(reader);
	close(out);
	free(made);
}

static void
there_and_back(const uint8_t *data, size_t size)
{
	static struct pq_delta_index *index;
	static uint8_t told[PQ_DELTA_BOUND(PQ_CHUNK_BYTES_MIN)], back[PQ_CHUNK_BYTES_MIN];

	if (size < 2 || size - 2 > PQ_CHUNK_BYTES_MIN)
		return;
	if (index == NULL && pq_delta_index_new(base, BASE_BYTES, &index, NULL) != PQ_OK)
		abort();
	size_t len = pq_delta_encode(index, (data[0] + 256u * data[1]) % BASE_BYTES, data + 2, (uint32_t)size - 2, told);
	if (len > PQ_DELTA_BOUND(size - 2) ||
	    pq_delta_decode(told, len, read_base, NULL, BASE_BYTES, back, (uint32_t)size - 2, NULL) != PQ_OK ||
	    memcmp(back, data + 2, size - 2) != 0)
		abort();
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
	receive_sealed(data, size);
	there_and_back(data, size);
	return 0;
}

#include "fetch/snapshot_header.h"

#include "fetch/delta.h"
#include "fetch/limits.h"
#include "storage/limits.h"

#include <openssl/evp.h>
#include <string.h>
#include <zstd.h>

/* Where the numbers of the head stand. */
enum {
	AT_FRAME = 0,
	AT_LENGTH = 4,
	AT_MAGIC = 8,
	AT_KIND = 16,
	AT_CHUNK = 20,
	AT_SIZE = 24,
	AT_DIGEST = 32,
	AT_BASE_SIZE = 64,
	AT_BASE_DIGEST = 72,
	AT_COUNT = 104,
	AT_ZERO = 108,
};

uint32_t
pq_snapshot_piece_len(const struct pq_snapshot_header *header, uint32_t i)
{
	uint64_t left = header->size - (uint64_t)i * header->chunk_bytes;

	return left < header->chunk_bytes ? (uint32_t)left : header->chunk_bytes;
}

size_t
pq_snapshot_payload_max(const struct pq_snapshot_header *header)
{
	return header->kind == PQ_SNAPSHOT_WHOLE ? header->chunk_bytes : PQ_DELTA_BOUND(header->chunk_bytes);
}

enum pq_status
pq_snapshot_header_encode(const struct pq_snapshot_header *header, uint8_t *ret_bytes, struct pq_err *err)
{
	uint32_t frame = PQ_SNAPSHOT_FRAME_MAGIC;
	uint32_t length = (uint32_t)pq_snapshot_header_bytes(header->n) - AT_MAGIC;
	uint8_t *piece = ret_bytes + PQ_SNAPSHOT_HEAD_BYTES;

	memset(ret_bytes, 0, PQ_SNAPSHOT_HEAD_BYTES);
	memcpy(ret_bytes + AT_FRAME, &frame, 4);
	memcpy(ret_bytes + AT_LENGTH, &length, 4);
	memcpy(ret_bytes + AT_MAGIC, PQ_SNAPSHOT_MAGIC, 8);
	memcpy(ret_bytes + AT_KIND, &header->kind, 4);
	memcpy(ret_bytes + AT_CHUNK, &header->chunk_bytes, 4);
	memcpy(ret_bytes + AT_SIZE, &header->size, 8);
	memcpy(ret_bytes + AT_DIGEST, header->digest, PQ_DIGEST_BYTES);
	memcpy(ret_bytes + AT_BASE_SIZE, &header->base_size, 8);
	memcpy(ret_bytes + AT_BASE_DIGEST, header->base_digest, PQ_DIGEST_BYTES);
	memcpy(ret_bytes + AT_COUNT, &header->n, 4);
	for (uint32_t i = 0; i < header->n; i++, piece += PQ_SNAPSHOT_PIECE_BYTES) {
		memcpy(piece, &header->pieces[i].frame_bytes, 4);
		memcpy(piece + 4, header->pieces[i].digest, PQ_DIGEST_BYTES);
	}
	if (EVP_Digest(ret_bytes + AT_MAGIC, (size_t)(piece - ret_bytes) - AT_MAGIC, piece, NULL, EVP_sha256(), NULL) != 1)
		return pq_fail(err, PQ_ENOMEM, "SHA-256 failed");
	return PQ_OK;
}

/* Do the numbers of a head go together? They are from outside. */
static bool
is_sound(const struct pq_snapshot_header *header, uint32_t length)
{
	uint32_t chunk = header->chunk_bytes;

	if (chunk < PQ_CHUNK_BYTES_MIN || chunk > PQ_CHUNK_BYTES_MAX || (chunk & (chunk - 1)) != 0)
		return false;
	if (header->size == 0 || header->size > PQ_STORE_FILE_BYTES_MAX || header->base_size > PQ_STORE_FILE_BYTES_MAX)
		return false;
	if ((header->kind == PQ_SNAPSHOT_DIFFERENCES) != (header->base_size > 0))
		return false;
	return header->n == (header->size + chunk - 1) / chunk && length == pq_snapshot_header_bytes(header->n) - AT_MAGIC;
}

enum pq_status
pq_snapshot_head_decode(const uint8_t *bytes, const char *where, struct pq_snapshot_header *ret_header,
                        struct pq_err *err)
{
	struct pq_snapshot_header header = {.pieces = NULL};
	uint32_t frame, length, zero;

	memcpy(&frame, bytes + AT_FRAME, 4);
	memcpy(&length, bytes + AT_LENGTH, 4);
	memcpy(&zero, bytes + AT_ZERO, 4);
	if (frame != PQ_SNAPSHOT_FRAME_MAGIC || memcmp(bytes + AT_MAGIC, PQ_SNAPSHOT_MAGIC, 6) != 0)
		return pq_fail_at(err, PQ_EFORMAT, where, 0, 0, "is not a snapshot of a store");
	if (memcmp(bytes + AT_MAGIC, PQ_SNAPSHOT_MAGIC, 8) != 0)
		return pq_fail_at(err, PQ_EFORMAT, where, 0, 0, "is a snapshot of version %.2s; this program reads version %s",
		                  (const char *)bytes + AT_MAGIC + 6, &PQ_SNAPSHOT_MAGIC[6]);
	memcpy(&header.kind, bytes + AT_KIND, 4);
	memcpy(&header.chunk_bytes, bytes + AT_CHUNK, 4);
	memcpy(&header.size, bytes + AT_SIZE, 8);
	memcpy(header.digest, bytes + AT_DIGEST, PQ_DIGEST_BYTES);
	memcpy(&header.base_size, bytes + AT_BASE_SIZE, 8);
	memcpy(header.base_digest, bytes + AT_BASE_DIGEST, PQ_DIGEST_BYTES);
	memcpy(&header.n, bytes + AT_COUNT, 4);
	if (header.kind > PQ_SNAPSHOT_DIFFERENCES || zero != 0 || !is_sound(&header, length))
		return pq_fail_at(err, PQ_ECORRUPT, where, 0, 0, "has a damaged header: its numbers do not go together");
	*ret_header = header;
	return PQ_OK;
}

enum pq_status
pq_snapshot_pieces_decode(const uint8_t *bytes, const char *where, struct pq_snapshot_header *header,
                          struct pq_err *err)
{
	size_t len = pq_snapshot_header_bytes(header->n);
	size_t frame_max = ZSTD_compressBound(pq_snapshot_payload_max(header));
	const uint8_t *piece = bytes + PQ_SNAPSHOT_HEAD_BYTES;
	uint8_t digest[PQ_DIGEST_BYTES];

	if (EVP_Digest(bytes + AT_MAGIC, len - PQ_DIGEST_BYTES - AT_MAGIC, digest, NULL, EVP_sha256(), NULL) != 1)
		return pq_fail_at(err, PQ_ENOMEM, where, 0, 0, "SHA-256 failed");
	if (memcmp(digest, bytes + len - PQ_DIGEST_BYTES, PQ_DIGEST_BYTES) != 0)
		return pq_fail_at(err, PQ_ECORRUPT, where, 0, 0, "has a damaged header: its digest does not fit");
	for (uint32_t i = 0; i < header->n; i++, piece += PQ_SNAPSHOT_PIECE_BYTES) {
		memcpy(&header->pieces[i].frame_bytes, piece, 4);
		memcpy(header->pieces[i].digest, piece + 4, PQ_DIGEST_BYTES);
		if (header->pieces[i].frame_bytes == 0 || header->pieces[i].frame_bytes > frame_max)
			return pq_fail_at(err, PQ_ECORRUPT, where, 0, 0, "has a damaged header: piece %u cannot take %u bytes", i,
			                  header->pieces[i].frame_bytes);
	}
	return PQ_OK;
}

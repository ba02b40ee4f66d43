#include "fetch/snapshot.h"

#include "fetch/delta.h"
#include "fetch/files.h"
#include "fetch/snapshot_header.h"
#include "storage/fail.h"
#include "storage/limits.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zstd.h>

/* What making a snapshot holds on to. */
struct maker {
	const struct pq_snapshot_plan *plan;
	struct pq_snapshot_header header;
	int out_fd;
	const char *out_path;
	ZSTD_CCtx *zstd;
	uint8_t *piece;      /* of the store */
	uint8_t *difference; /* NULL for a whole store */
	uint8_t *frame;
	size_t frame_max;
	void *base_map; /* MAP_FAILED: none */
	struct pq_delta_index *index;
};

static enum pq_status
check_plan(const struct pq_snapshot_plan *plan, uint32_t chunk, struct pq_err *err)
{
	if (chunk < PQ_CHUNK_BYTES_MIN || chunk > PQ_CHUNK_BYTES_MAX || (chunk & (chunk - 1)) != 0)
		return pq_fail(err, PQ_EINVAL, "pieces have 64 KiB to 4 MiB, and a power of two: not %u bytes", chunk);
	if (plan->level < 0 || plan->level > 19)
		return pq_fail(err, PQ_EINVAL, "levels of compression are 1 to 19: not %d", plan->level);
	if (plan->store.size == 0 || (plan->base != NULL && plan->base->size == 0))
		return pq_fail(err, PQ_EINVAL, "a store has bytes");
	if (plan->store.size > PQ_STORE_FILE_BYTES_MAX ||
	    (plan->base != NULL && plan->base->size > PQ_STORE_FILE_BYTES_MAX))
		return pq_fail(err, PQ_ELIMIT, "a store of more than %llu bytes is none of ours",
		               (unsigned long long)PQ_STORE_FILE_BYTES_MAX);
	return PQ_OK;
}

static enum pq_status
map_base(struct maker *maker, const struct pq_snapshot_file *base, struct pq_err *err)
{
	uint64_t has;
	enum pq_status status = pq_file_size(base->fd, base->path, &has, err);

	if (status != PQ_OK)
		return status;
	if (has < base->size)
		return pq_fail_at(err, PQ_EINVAL, base->path, 0, 0, "is shorter than said");
	maker->base_map = mmap(NULL, base->size, PROT_READ, MAP_SHARED, base->fd, 0);
	if (maker->base_map == MAP_FAILED)
		return pq_fail_errno(err, errno, base->path, "cannot be mapped");
	maker->header.base_size = base->size;
	memcpy(maker->header.base_digest, base->digest, PQ_DIGEST_BYTES);
	return pq_delta_index_new(maker->base_map, base->size, &maker->index, err);
}

static enum pq_status
prepare(struct maker *maker, struct pq_err *err)
{
	const struct pq_snapshot_plan *plan = maker->plan;
	struct pq_snapshot_header *header = &maker->header;
	int level = plan->level != 0 ? plan->level : PQ_SNAPSHOT_LEVEL;

	header->kind = plan->base != NULL ? PQ_SNAPSHOT_DIFFERENCES : PQ_SNAPSHOT_WHOLE;
	header->size = plan->store.size;
	memcpy(header->digest, plan->store.digest, PQ_DIGEST_BYTES);
	header->n = (uint32_t)((header->size + header->chunk_bytes - 1) / header->chunk_bytes);
	header->pieces = calloc(header->n, sizeof(*header->pieces));
	maker->frame_max = ZSTD_compressBound(pq_snapshot_payload_max(header));
	maker->zstd = ZSTD_createCCtx();
	maker->piece = malloc(header->chunk_bytes);
	maker->frame = malloc(maker->frame_max);
	if (plan->base != NULL)
		maker->difference = malloc(pq_snapshot_payload_max(header));
	if (header->pieces == NULL || maker->zstd == NULL || maker->piece == NULL || maker->frame == NULL ||
	    (plan->base != NULL && maker->difference == NULL) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(maker->zstd, ZSTD_c_compressionLevel, level)))
		return pq_fail(err, PQ_ENOMEM, "no memory for a snapshot in pieces of %u bytes", header->chunk_bytes);
	return plan->base != NULL ? map_base(maker, plan->base, err) : PQ_OK;
}

static enum pq_status
make_piece(struct maker *maker, uint32_t i, uint64_t at, struct pq_err *err)
{
	const struct pq_snapshot_file *store = &maker->plan->store;
	struct pq_snapshot_piece *piece = &maker->header.pieces[i];
	uint64_t from = (uint64_t)i * maker->header.chunk_bytes;
	uint32_t len = pq_snapshot_piece_len(&maker->header, i);
	const uint8_t *payload = maker->piece;
	size_t payload_len = len;

	enum pq_status status = pq_file_read(store->fd, from, maker->piece, len, store->path, err);
	if (status != PQ_OK)
		return status;
	if (EVP_Digest(maker->piece, len, piece->digest, NULL, EVP_sha256(), NULL) != 1)
		return pq_fail(err, PQ_ENOMEM, "SHA-256 failed");
	if (maker->index != NULL) {
		payload_len = pq_delta_encode(maker->index, from, maker->piece, len, maker->difference);
		payload = maker->difference;
	}
	size_t got = ZSTD_compress2(maker->zstd, maker->frame, maker->frame_max, payload, payload_len);

	if (ZSTD_isError(got))
		return pq_fail(err, PQ_ENOMEM, "cannot be compressed: %s", ZSTD_getErrorName(got));
	piece->frame_bytes = (uint32_t)got;
	return pq_file_write(maker->out_fd, at, maker->frame, got, maker->out_path, err);
}

static enum pq_status
write_header(const struct maker *maker, struct pq_err *err)
{
	size_t len = pq_snapshot_header_bytes(maker->header.n);
	uint8_t *bytes = malloc(len);

	if (bytes == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for the header of a snapshot");
	enum pq_status status = pq_snapshot_header_encode(&maker->header, bytes, err);

	if (status == PQ_OK)
		status = pq_file_write(maker->out_fd, 0, bytes, len, maker->out_path, err);
	free(bytes);
	return status;
}

static enum pq_status
make(struct maker *maker, uint64_t *ret_bytes, struct pq_err *err)
{
	enum pq_status status = prepare(maker, err);
	uint64_t at = pq_snapshot_header_bytes(maker->header.n);

	for (uint32_t i = 0; i < maker->header.n && status == PQ_OK; i++) {
		status = make_piece(maker, i, at, err);
		at += maker->header.pieces[i].frame_bytes;
	}
	if (status == PQ_OK)
		status = write_header(maker, err);
	if (status == PQ_OK && ret_bytes != NULL)
		*ret_bytes = at;
	return status;
}

enum pq_status
pq_snapshot_make(const struct pq_snapshot_plan *plan, int out_fd, const char *out_path, uint64_t *ret_bytes,
                 struct pq_err *err)
{
	struct maker maker = {.plan = plan, .out_fd = out_fd, .out_path = out_path, .base_map = MAP_FAILED};

	maker.header.chunk_bytes = plan->chunk_bytes != 0 ? plan->chunk_bytes : PQ_CHUNK_BYTES;
	enum pq_status status = check_plan(plan, maker.header.chunk_bytes, err);

	if (status == PQ_OK)
		status = make(&maker, ret_bytes, err);
	pq_delta_index_free(maker.index);
	if (maker.base_map != MAP_FAILED)
		munmap(maker.base_map, plan->base->size);
	ZSTD_freeCCtx(maker.zstd);
	free(maker.header.pieces);
	free(maker.piece);
	free(maker.difference);
	free(maker.frame);
	return status;
}

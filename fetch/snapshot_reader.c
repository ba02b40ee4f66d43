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
#include <unistd.h>
#include <zstd.h>

struct pq_snapshot_reader {
	struct pq_manifest manifest;
	const struct pq_snapshot_file *base;
	int out_fd;
	const char *out_path;
	const char *where;

	struct pq_snapshot_header header; /* n = 0: its head is still to come */
	bool *there;                      /* for each piece; NULL: the header is still to come */
	uint32_t piece;                   /* the one that is wanted; n: all are there */
	uint64_t start;                   /* where the header or the wanted frame starts in the snapshot */
	uint64_t total;                   /* bytes of the snapshot */

	uint8_t *buf; /* what has come of the header or the frame */
	size_t buf_max;
	size_t len;
	uint8_t *payload;
	uint8_t *bytes; /* a piece of the store; of a whole one it is the payload */
	ZSTD_DCtx *zstd;
};

enum pq_status
pq_snapshot_reader_new(const struct pq_manifest *manifest, const struct pq_snapshot_file *base, int out_fd,
                       const char *out_path, const char *where, struct pq_snapshot_reader **ret_reader,
                       struct pq_err *err)
{
	if (manifest->size == 0)
		return pq_fail_at(err, PQ_EINVAL, where, 0, 0, "cannot be a store of no bytes");
	if (manifest->size > PQ_STORE_FILE_BYTES_MAX)
		return pq_fail_at(err, PQ_ELIMIT, where, 0, 0, "is too large: a store of %llu bytes; at most %llu are taken",
		                  (unsigned long long)manifest->size, (unsigned long long)PQ_STORE_FILE_BYTES_MAX);
	struct pq_snapshot_reader *reader = calloc(1, sizeof(*reader));
	uint8_t *buf = malloc(PQ_SNAPSHOT_HEAD_BYTES);
	ZSTD_DCtx *zstd = ZSTD_createDCtx();

	if (reader == NULL || buf == NULL || zstd == NULL) {
		free(reader);
		free(buf);
		ZSTD_freeDCtx(zstd);
		return pq_fail_at(err, PQ_ENOMEM, where, 0, 0, "cannot be received: no memory");
	}
	*reader = (struct pq_snapshot_reader){.manifest = *manifest,
	                                      .base = base,
	                                      .out_fd = out_fd,
	                                      .out_path = out_path,
	                                      .where = where,
	                                      .buf = buf,
	                                      .buf_max = PQ_SNAPSHOT_HEAD_BYTES,
	                                      .zstd = zstd};
	*ret_reader = reader;
	return PQ_OK;
}

/* The header is read again from its start: the other side may have another one next time. */
static void
forget_header(struct pq_snapshot_reader *reader)
{
	if (reader->bytes != reader->payload)
		free(reader->bytes);
	free(reader->payload);
	free(reader->there);
	free(reader->header.pieces);
	reader->bytes = NULL;
	reader->payload = NULL;
	reader->there = NULL;
	reader->header = (struct pq_snapshot_header){.n = 0};
}

void
pq_snapshot_reader_free(struct pq_snapshot_reader *reader)
{
	if (reader == NULL)
		return;
	forget_header(reader);
	free(reader->buf);
	ZSTD_freeDCtx(reader->zstd);
	free(reader);
}

uint64_t
pq_snapshot_reader_next(const struct pq_snapshot_reader *reader)
{
	return reader->start + reader->len;
}

uint64_t
pq_snapshot_reader_total(const struct pq_snapshot_reader *reader)
{
	return reader->total;
}

bool
pq_snapshot_reader_complete(const struct pq_snapshot_reader *reader)
{
	return reader->there != NULL && reader->piece == reader->header.n;
}

void
pq_snapshot_reader_rewind(struct pq_snapshot_reader *reader)
{
	reader->len = 0;
	if (reader->there == NULL)
		forget_header(reader);
}

static enum pq_status
no_memory(const struct pq_snapshot_reader *reader, struct pq_err *err)
{
	return pq_fail_at(err, PQ_ENOMEM, reader->where, 0, 0, "cannot be received: no memory");
}

/* Is it a snapshot of the store that is wanted, and against the base that is here? */
static enum pq_status
check_head(const struct pq_snapshot_reader *reader, const struct pq_snapshot_header *header, struct pq_err *err)
{
	const struct pq_snapshot_file *base = reader->base;
	char hex[PQ_DIGEST_HEX_BYTES];

	if (header->size != reader->manifest.size ||
	    memcmp(header->digest, reader->manifest.digest, PQ_DIGEST_BYTES) != 0) {
		pq_digest_hex(header->digest, hex);
		return pq_fail_at(err, PQ_ECORRUPT, reader->where, 0, 0,
		                  "is a snapshot of another store, %s of %llu bytes, than the manifest names", hex,
		                  (unsigned long long)header->size);
	}
	if (header->kind == PQ_SNAPSHOT_WHOLE)
		return PQ_OK;
	if (base == NULL || base->size != header->base_size ||
	    memcmp(base->digest, header->base_digest, PQ_DIGEST_BYTES) != 0) {
		pq_digest_hex(header->base_digest, hex);
		return pq_fail_at(err, PQ_EFAILED, reader->where, 0, 0,
		                  "has differences against the store %s, which is not here", hex);
	}
	return PQ_OK;
}

/* Make `buf` hold `bytes`, what is in it kept. */
static enum pq_status
grow_buf(struct pq_snapshot_reader *reader, size_t bytes, struct pq_err *err)
{
	if (bytes <= reader->buf_max)
		return PQ_OK;
	uint8_t *buf = realloc(reader->buf, bytes);

	if (buf == NULL)
		return no_memory(reader, err);
	reader->buf = buf;
	reader->buf_max = bytes;
	return PQ_OK;
}

static enum pq_status
take_head(struct pq_snapshot_reader *reader, struct pq_err *err)
{
	struct pq_snapshot_header header;
	enum pq_status status = pq_snapshot_head_decode(reader->buf, reader->where, &header, err);

	if (status == PQ_OK)
		status = check_head(reader, &header, err);
	if (status == PQ_OK)
		status = grow_buf(reader, pq_snapshot_header_bytes(header.n), err);
	if (status != PQ_OK)
		return status;
	header.pieces = calloc(header.n, sizeof(*header.pieces));
	if (header.pieces == NULL)
		return no_memory(reader, err);
	reader->header = header;
	return PQ_OK;
}

/* Go on to the first piece from here that is not there. */
static void
skip_present(struct pq_snapshot_reader *reader)
{
	while (reader->piece < reader->header.n && reader->there[reader->piece])
		reader->start += reader->header.pieces[reader->piece++].frame_bytes;
}

static bool
is_piece(const uint8_t *bytes, uint32_t len, const struct pq_snapshot_piece *piece)
{
	uint8_t digest[PQ_DIGEST_BYTES];

	return EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL) == 1 &&
	       memcmp(digest, piece->digest, PQ_DIGEST_BYTES) == 0;
}

/* Find the pieces that are in the file already: an earlier transfer, or an earlier process, left them. */
static enum pq_status
find_present(struct pq_snapshot_reader *reader, struct pq_err *err)
{
	const struct pq_snapshot_header *header = &reader->header;
	uint64_t has;
	enum pq_status status = pq_file_size(reader->out_fd, reader->out_path, &has, err);

	for (uint32_t i = 0; i < header->n && status == PQ_OK; i++) {
		uint32_t len = pq_snapshot_piece_len(header, i);
		uint64_t at = (uint64_t)i * header->chunk_bytes;

		if (has < at + len)
			break;
		status = pq_file_read(reader->out_fd, at, reader->bytes, len, reader->out_path, err);
		reader->there[i] = status == PQ_OK && is_piece(reader->bytes, len, &header->pieces[i]);
	}
	return status;
}

/* The memory for frames and pieces, now that their sizes are known. */
static enum pq_status
make_room(struct pq_snapshot_reader *reader, struct pq_err *err)
{
	const struct pq_snapshot_header *header = &reader->header;
	size_t payload_max = pq_snapshot_payload_max(header);

	reader->payload = malloc(payload_max);
	reader->bytes = header->kind == PQ_SNAPSHOT_WHOLE ? reader->payload : malloc(header->chunk_bytes);
	if (reader->payload == NULL || reader->bytes == NULL)
		return no_memory(reader, err);
	return grow_buf(reader, ZSTD_compressBound(payload_max), err);
}

static enum pq_status
take_pieces(struct pq_snapshot_reader *reader, struct pq_err *err)
{
	struct pq_snapshot_header *header = &reader->header;
	uint64_t total = pq_snapshot_header_bytes(header->n);
	enum pq_status status = pq_snapshot_pieces_decode(reader->buf, reader->where, header, err);

	if (status == PQ_OK)
		status = make_room(reader, err);
	if (status != PQ_OK)
		return status;
	reader->there = calloc(header->n, sizeof(*reader->there));
	if (reader->there == NULL)
		return no_memory(reader, err);
	status = find_present(reader, err);
	if (status != PQ_OK) {
		free(reader->there);
		reader->there = NULL;
		return status;
	}
	reader->start = total;
	for (uint32_t i = 0; i < header->n; i++)
		total += header->pieces[i].frame_bytes;
	reader->total = total;
	reader->len = 0;
	skip_present(reader);
	return PQ_OK;
}

static enum pq_status
read_base(void *ctx, uint64_t at, uint8_t *ret_bytes, uint32_t len, struct pq_err *err)
{
	const struct pq_snapshot_file *base = ctx;

	return pq_file_read(base->fd, at, ret_bytes, len, base->path, err);
}

static enum pq_status
damaged(const struct pq_snapshot_reader *reader, const char *how, struct pq_err *err)
{
	return pq_fail_at(err, PQ_ECORRUPT, reader->where, 0, 0, "is damaged in piece %u of %u: %s", reader->piece + 1,
	                  reader->header.n, how);
}

/* The differences in the payload become the piece. */
static enum pq_status
apply(struct pq_snapshot_reader *reader, size_t payload_len, uint32_t len, struct pq_err *err)
{
	struct pq_snapshot_file base = *reader->base;
	struct pq_err inner = {.status = PQ_OK};
	enum pq_status status =
		pq_delta_decode(reader->payload, payload_len, read_base, &base, base.size, reader->bytes, len, &inner);

	if (status == PQ_ECORRUPT)
		return damaged(reader, inner.msg, err);
	if (status != PQ_OK && err != NULL)
		*err = inner;
	return status;
}

static enum pq_status
take_frame(struct pq_snapshot_reader *reader, struct pq_err *err)
{
	const struct pq_snapshot_header *header = &reader->header;
	const struct pq_snapshot_piece *piece = &header->pieces[reader->piece];
	uint32_t len = pq_snapshot_piece_len(header, reader->piece);
	enum pq_status status = PQ_OK;
	size_t got = ZSTD_decompressDCtx(reader->zstd, reader->payload, pq_snapshot_payload_max(header), reader->buf,
	                                 piece->frame_bytes);

	if (ZSTD_isError(got))
		return damaged(reader, ZSTD_getErrorName(got), err);
	if (header->kind == PQ_SNAPSHOT_DIFFERENCES)
		status = apply(reader, got, len, err);
	else if (got != len)
		status = damaged(reader, "it has another length", err);
	if (status != PQ_OK)
		return status;
	if (!is_piece(reader->bytes, len, piece))
		return damaged(reader, "its digest does not fit", err);
	status = pq_file_write(reader->out_fd, (uint64_t)reader->piece * header->chunk_bytes, reader->bytes, len,
	                       reader->out_path, err);
	if (status != PQ_OK)
		return status;
	reader->there[reader->piece] = true;
	reader->len = 0;
	skip_present(reader);
	return PQ_OK;
}

/* How many bytes the head, the header or the frame that is being received has. */
static size_t
part_len(const struct pq_snapshot_reader *reader)
{
	if (reader->there != NULL)
		return reader->header.pieces[reader->piece].frame_bytes;
	return reader->header.n == 0 ? PQ_SNAPSHOT_HEAD_BYTES : pq_snapshot_header_bytes(reader->header.n);
}

static enum pq_status
take_part(struct pq_snapshot_reader *reader, struct pq_err *err)
{
	enum pq_status status;

	if (reader->there != NULL)
		status = take_frame(reader, err);
	else if (reader->header.n == 0)
		status = take_head(reader, err);
	else
		status = take_pieces(reader, err);
	if (status == PQ_OK)
		return PQ_OK;
	pq_snapshot_reader_rewind(reader);
	return status;
}

enum pq_status
pq_snapshot_reader_feed(struct pq_snapshot_reader *reader, uint64_t at, const void *data, size_t len,
                        struct pq_err *err)
{
	const uint8_t *bytes = data;

	while (len > 0) {
		uint64_t next = pq_snapshot_reader_next(reader);

		if (reader->total > 0 && at + len > reader->total)
			return pq_fail_at(err, PQ_ELIMIT, reader->where, 0, 0, "goes on after the %llu bytes that its header says",
			                  (unsigned long long)reader->total);
		if (at > next)
			return pq_fail_at(err, PQ_EINVAL, reader->where, 0, 0, "continues at byte %llu instead of %llu",
			                  (unsigned long long)at, (unsigned long long)next);
		uint64_t skip = next - at < len ? next - at : len;

		if (skip > 0 || pq_snapshot_reader_complete(reader)) {
			bytes += skip;
			at += skip;
			len -= (size_t)skip;
			continue;
		}
		size_t want = part_len(reader) - reader->len;
		size_t n = len < want ? len : want;

		memcpy(reader->buf + reader->len, bytes, n);
		reader->len += n;
		bytes += n;
		at += n;
		len -= n;
		enum pq_status status = n == want ? take_part(reader, err) : PQ_OK;

		if (status != PQ_OK)
			return status;
	}
	return PQ_OK;
}

enum pq_status
pq_snapshot_reader_finish(struct pq_snapshot_reader *reader, struct pq_err *err)
{
	if (!pq_snapshot_reader_complete(reader))
		return pq_fail_at(err, PQ_EFAILED, reader->where, 0, 0, "is not complete: %llu of %llu bytes",
		                  (unsigned long long)pq_snapshot_reader_next(reader), (unsigned long long)reader->total);
	if (ftruncate(reader->out_fd, (off_t)reader->manifest.size) != 0)
		return pq_fail_errno(err, errno, reader->out_path, "cannot be cut to its size");
	return pq_manifest_check_store(&reader->manifest, reader->out_fd, reader->out_path, err);
}

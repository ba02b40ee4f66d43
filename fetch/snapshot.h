/**
 * A store on its way: compressed piece by piece, or as its differences against a store that the receiver holds.
 *
 * A snapshot (docs/distribution.md has its bytes) is a header and one zstd frame for each piece of the store. The header
 * stands in a skippable frame of zstd, so that `zstd -d` makes the store of a whole snapshot; it says where each frame
 * ends and the SHA-256 of each piece. So a transfer that broke goes on at the next piece, what an interrupted process
 * left is checked and used, and a damaged piece is found before it is written.
 *
 * Trust: nothing in a snapshot is believed. Frames are decompressed into bounded memory, pieces are checked against the
 *        header, and pq_snapshot_reader_finish() checks all of it against the manifest, whose signature the caller verifies.
 * Threads: a reader belongs to one thread at a time; different ones are independent.
 */
#ifndef PQ_FETCH_SNAPSHOT_H
#define PQ_FETCH_SNAPSHOT_H

#include "fetch/limits.h"
#include "storage/manifest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The compression level of pq_snapshot_make() where none is asked for. */
#define PQ_SNAPSHOT_LEVEL 12

/** A store's file, open for reading; it must not change meanwhile (stores are replaced by rename). */
struct pq_snapshot_file {
	int fd;
	const char *path; /* for messages */
	uint8_t digest[PQ_DIGEST_BYTES];
	uint64_t size; /* bytes, trailer included */
};

/** How a snapshot is made. */
struct pq_snapshot_plan {
	struct pq_snapshot_file store;
	const struct pq_snapshot_file *base; /* differences against this one; NULL: the whole store */
	uint32_t chunk_bytes;                /* a power of two, PQ_CHUNK_BYTES_MIN to _MAX; 0: PQ_CHUNK_BYTES */
	int level;                           /* of zstd, 1 to 19; 0: PQ_SNAPSHOT_LEVEL */
};

/**
 * Write the snapshot of a store into an empty file that can be written at any place (a temporary, a memfd).
 *
 * Equal plans give equal bytes, with one version of libzstd: who serves parts of a snapshot keeps the file.
 *
 * Memory:  some 3 pieces; with a base also its map and up to 16 MiB.
 * Out:     *ret_bytes is the snapshot's length; may be NULL.
 * Fails:   PQ_EINVAL (the plan; a file shorter than its size), PQ_ELIMIT (over PQ_STORE_FILE_BYTES_MAX), PQ_EIO (full),
 *          PQ_ENOMEM. The stores are not verified: whoever has them did.
 */
PQ_MUST_USE enum pq_status pq_snapshot_make(const struct pq_snapshot_plan *plan, int out_fd, const char *out_path,
                                            uint64_t *ret_bytes, struct pq_err *err);

struct pq_snapshot_reader;

/**
 * Receive a snapshot.
 *
 * `out_fd` is open for reading and writing. Pieces of the store that are in it already are found when the header has
 * been read, and are not asked for again.
 *
 * Ownership: `manifest` is copied. The descriptors stay the caller's, `base` (NULL: only a whole snapshot will do),
 *            `where` (names the snapshot in messages, a URL) and `out_path` must live as long as the reader.
 *            *ret_reader is the caller's, to be freed.
 * Fails:     PQ_ELIMIT (a store over PQ_STORE_FILE_BYTES_MAX), PQ_EINVAL (of no bytes), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_snapshot_reader_new(const struct pq_manifest *manifest,
                                                  const struct pq_snapshot_file *base, int out_fd, const char *out_path,
                                                  const char *where, struct pq_snapshot_reader **ret_reader,
                                                  struct pq_err *err);

/** Accepts NULL. The file is left as it is. */
void pq_snapshot_reader_free(struct pq_snapshot_reader *reader);

/** The place in the snapshot of the next byte that is wanted. Grows, over pieces that are there already, too. */
uint64_t pq_snapshot_reader_next(const struct pq_snapshot_reader *reader);

/** Bytes of the whole snapshot; 0 until the header has been read. */
uint64_t pq_snapshot_reader_total(const struct pq_snapshot_reader *reader);

/** Are all pieces there? */
bool pq_snapshot_reader_complete(const struct pq_snapshot_reader *reader);

/**
 * Take bytes of the snapshot that stand at `at`, in portions as they come; what lies before the next wanted one is
 * passed over.
 *
 * After a failure the reader waits for the piece at which it failed; what was begun of it is dropped, and the file holds
 * no part of it.
 *
 * Fails: PQ_EINVAL (a gap: `at` is past the next wanted byte), PQ_EFORMAT (no snapshot, or of another version),
 *        PQ_ECORRUPT (of another store, damaged), PQ_EFAILED (differences against a store that is not `base`), PQ_ELIMIT
 *        (more bytes than the snapshot has), PQ_EIO (full), PQ_ENOMEM. err names `where`, or the file.
 */
PQ_MUST_USE enum pq_status pq_snapshot_reader_feed(struct pq_snapshot_reader *reader, uint64_t at, const void *data,
                                                   size_t len, struct pq_err *err);

/**
 * The transfer ended, for whatever reason: drop what was begun of a piece, so that it is asked for from its start.
 * (Not needed where the next bytes will continue at pq_snapshot_reader_next().)
 */
void pq_snapshot_reader_rewind(struct pq_snapshot_reader *reader);

/**
 * Check the received store as a whole: cut the file to its size and hold it against the manifest. Not synced.
 *
 * Fails: PQ_EFAILED (pieces are missing), PQ_ECORRUPT (it is not the store of the manifest), PQ_EIO.
 */
PQ_MUST_USE enum pq_status pq_snapshot_reader_finish(struct pq_snapshot_reader *reader, struct pq_err *err);

#endif

/**
 * Files that say who may do what: certificates, keys, roles, tokens. They are read whole, looked after for changes, and
 * not taken where others could read a secret or write a right.
 */
#ifndef PQ_SERVER_SECRET_FILE_H
#define PQ_SERVER_SECRET_FILE_H

#include "policy/arena.h"
#include "policy/status.h"

#include <stdbool.h>
#include <sys/stat.h>

/** What tells one state of a file from the next: also a link that was moved to another file. */
struct pq_file_stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

/** The stamp of the file, through links; zeroes when there is none. */
struct pq_file_stamp pq_file_stamp(const char *path);
bool pq_file_stamp_equal(const struct pq_file_stamp *a, const struct pq_file_stamp *b);

/**
 * Read a file of at most PQ_SERVER_SECRET_BYTES.
 *
 * `forbidden` are mode bits that it may not have (S_IRWXO: others may do nothing; S_IWGRP | S_IWOTH: only its owner
 * writes it).
 * Ownership: *ret_text, NUL-terminated, lives in `arena`. Fails: PQ_EINVAL (mode, a NUL in it), and as pq_files_read().
 */
PQ_MUST_USE enum pq_status pq_secret_file_read(const char *path, mode_t forbidden, struct pq_arena *arena,
                                               const char **ret_text, struct pq_err *err);

#endif

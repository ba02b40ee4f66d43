/**
 * Reading and writing at a place of an open file, all or an error. Internal to fetch/.
 */
#ifndef PQ_FETCH_FILES_H
#define PQ_FETCH_FILES_H

#include "policy/status.h"

#include <stddef.h>
#include <stdint.h>

/** Fails: PQ_EIO; PQ_ECORRUPT (the file ends before). err names `path`. */
PQ_MUST_USE enum pq_status pq_file_read(int fd, uint64_t at, void *ret_bytes, size_t len, const char *path,
                                        struct pq_err *err);

/** Fails: PQ_EIO (also where the disk is full, or a bound on file sizes is reached). err names `path`. */
PQ_MUST_USE enum pq_status pq_file_write(int fd, uint64_t at, const void *bytes, size_t len, const char *path,
                                         struct pq_err *err);

/** The size of a regular file. Fails: PQ_EINVAL (not a regular file), PQ_EIO. */
PQ_MUST_USE enum pq_status pq_file_size(int fd, const char *path, uint64_t *ret_bytes, struct pq_err *err);

#endif

/**
 * Reading pack folders for the compiler. The policy layer parses from memory and does no input of its own.
 */
#ifndef PQ_STORAGE_FILES_H
#define PQ_STORAGE_FILES_H

#include "policy/arena.h"
#include "policy/status.h"

#include <stddef.h>

/**
 * Read a whole file.
 *
 * Ownership: *ret_data points into `arena` and is followed by a NUL, which *ret_len (bytes) does not count. The content
 *            may hold NULs of its own: judging it is the parser's.
 * Units:     a file of more than `max_bytes` is refused.
 * Threads:   `arena` belongs to the caller.
 * Fails:     PQ_ENOTFOUND; PQ_EINVAL (a folder, a device, a pipe); PQ_ELIMIT (over `max_bytes`); PQ_EIO (unreadable, or
 *            it changed meanwhile); PQ_ENOMEM (the arena's bound). In each case err names the file.
 */
PQ_MUST_USE enum pq_status pq_files_read(const char *path, size_t max_bytes, struct pq_arena *arena,
                                         const char **ret_data, size_t *ret_len, struct pq_err *err);

/**
 * List the files of a pack folder and of the folders in it, one level deep: "pack.yaml", "tables/chart.csv".
 *
 * The order is bytewise by the whole name, so that it is the same on every machine. Left out are names that start with
 * a dot or end with '~', folders that are symbolic links, and whatever is neither file nor folder. A symbolic link to a
 * file counts as that file (volumes of Kubernetes are made of such links).
 *
 * Ownership: *ret_names, an array of *ret_n names relative to `dir`, lives in `arena`.
 * Fails:     PQ_ENOTFOUND (no such folder, or a link to nothing in it); PQ_EINVAL (not a folder; a folder two levels
 *            down, which a pack cannot have); PQ_ELIMIT (more than PQ_FILES_MAX); PQ_EIO; PQ_ENOMEM. err names where.
 */
PQ_MUST_USE enum pq_status pq_files_list(const char *dir, struct pq_arena *arena, const char *const **ret_names,
                                         size_t *ret_n, struct pq_err *err);

#endif

/**
 * Errors of the system and of LMDB, translated once. Internal to storage/ and fetch/.
 */
#ifndef PQ_STORAGE_FAIL_H
#define PQ_STORAGE_FAIL_H

#include "policy/status.h"

/**
 * Fill *err from a value of errno: "path: cannot open: No such file or directory".
 *
 * `what` is the sentence without its reason. A missing file is PQ_ENOTFOUND, lack of memory PQ_ENOMEM, all else PQ_EIO.
 */
enum pq_status pq_fail_errno(struct pq_err *err, int number, const char *path, const char *what);

/** The same from a code of LMDB, which is either one of its own (negative) or a value of errno. */
enum pq_status pq_fail_lmdb(struct pq_err *err, int code, const char *path, const char *what);

#endif

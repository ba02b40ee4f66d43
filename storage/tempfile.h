/**
 * A file that appears under its name whole or not at all.
 *
 * It is written under a random name beside its destination, then synced and renamed over it. Whatever fails or
 * interrupts the writing, the destination is as it was and the temporary is gone. Only a kill that cannot be caught, or
 * a loss of power, can leave a temporary behind; its name is ".NAME.<13 letters>.tmp" and it may be deleted.
 *
 * Threads: different files may be written by different threads at once, PQ_TEMPFILES_MAX in all.
 */
#ifndef PQ_STORAGE_TEMPFILE_H
#define PQ_STORAGE_TEMPFILE_H

#include "policy/status.h"

#include <limits.h>

struct pq_tempfile {
	int fd;                  /* open for reading and writing; write here */
	int dirfd;               /* the folder of both names, so that renaming a folder above does not matter */
	unsigned slot;           /* where pq_tempfile_abandon_all() finds it */
	char name[NAME_MAX + 1]; /* of the temporary, in the folder */
	char dest[NAME_MAX + 1]; /* of the destination, in the folder */
};

/**
 * Create the temporary for a destination.
 *
 * Ownership: *ret_temp is the caller's until it hands it to exactly one of pq_tempfile_commit() and _discard().
 * Fails:     PQ_EINVAL (the destination is a folder, a device or the like, or no name at all), PQ_ENOTFOUND (no such
 *            folder), PQ_EIO (not writable), PQ_ELIMIT (too many at once). Nothing is left open or lying about.
 */
PQ_MUST_USE enum pq_status pq_tempfile_create(const char *path, struct pq_tempfile *ret_temp, struct pq_err *err);

/**
 * Make the temporary the destination: sync the file, rename it, sync the folder; then close all.
 *
 * A destination that is a symbolic link is replaced, not followed. After a failure the temporary is gone and the
 * destination untouched, with one exception: where only the folder could not be synced (PQ_EIO, and the message says
 * so), the new file is in place and whole, but a loss of power might bring the old one back.
 * Fails: PQ_EIO; PQ_EFAILED when pq_tempfile_abandon_all() came first.
 */
PQ_MUST_USE enum pq_status pq_tempfile_commit(struct pq_tempfile *temp, const char *path, struct pq_err *err);

/** Delete the temporary and close all. The destination is untouched. */
void pq_tempfile_discard(struct pq_tempfile *temp);

/**
 * Delete every temporary of this process, for a handler of SIGINT or SIGTERM that ends the process next.
 *
 * Async-signal-safe, and may run at any moment of the other functions: a temporary is known from before it exists until
 * after it has been renamed, and a commit that comes later fails. Destinations are never touched. In a process of
 * several threads, a thread that is creating its temporary at this very moment deletes it itself a moment later: let it
 * run on until then, or block the signal in all threads but the one that writes.
 */
void pq_tempfile_abandon_all(void);

#endif

/**
 * Stores that this machine has verified before: records that spare a start the hashing of a large file.
 *
 * A record is made only after the SHA-256 of a whole file was computed and found right, and it names the file as the
 * kernel knows it: filesystem, device, inode, size, times of modification, change and birth. It is believed only while
 * all of that is what it was. Whoever writes to a file, cuts it, or sets its times back moves its time of change, which
 * no program can set.
 *
 * Trust: the record, its folder and the store's file must belong to the user of this process or to root, and nobody
 *        else may write to them. Whoever could forge a record could as well change this process. What a record does not see
 *        is a disk that gives other bytes than were written, and whoever writes past the filesystem.
 * Threads: any number may use one folder of records at once, also of several processes.
 */
#ifndef PQ_STORAGE_VERIFIED_H
#define PQ_STORAGE_VERIFIED_H

#include "policy/status.h"
#include "storage/digest.h"

#include <stdbool.h>

struct pq_verified;

/** A file as it was before it was hashed. */
struct pq_verified_file {
	char text[512];      /* what a record of it says, but for when it was verified */
	char name[64];       /* of its record */
	const char *refused; /* why no record of it counts; NULL: one may */
};

/**
 * Open the folder of records; it is made (for the user alone) where only it is missing.
 *
 * Ownership: *ret_verified is the caller's, to be freed by pq_verified_free().
 * Fails:     PQ_EINVAL (no folder, or one that others own or may write to), PQ_ENOTFOUND, PQ_EIO, PQ_ENOMEM. err names
 *            the folder.
 */
PQ_MUST_USE enum pq_status pq_verified_open(const char *dir, struct pq_verified **ret_verified, struct pq_err *err);

/** NULL is allowed. */
void pq_verified_free(struct pq_verified *verified);

/** Look at an open file that says of itself that it has this digest. Before it is hashed. */
void pq_verified_look(int fd, const uint8_t digest[PQ_DIGEST_BYTES], struct pq_verified_file *ret_file);

/** Is there a record of the file that counts? */
bool pq_verified_knows(const struct pq_verified *verified, const struct pq_verified_file *file);

/** What there is of the file has to be on the disk before it is hashed, or later writes might not move its times. */
void pq_verified_settle(int fd, struct pq_verified_file *file);

/**
 * Record that the file, looked at and settled before it was hashed, has the digest.
 *
 * Nothing is recorded of a file that was changed meanwhile, or so lately that a second change might bear the same time.
 * A record that cannot be written is no error: the next start verifies again.
 * Out: why there is none; NULL: there is one.
 */
const char *pq_verified_record(struct pq_verified *verified, int fd, const uint8_t digest[PQ_DIGEST_BYTES],
                               const struct pq_verified_file *file);

#endif

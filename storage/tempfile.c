#include "storage/tempfile.h"

#include "storage/fail.h"
#include "storage/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANDOM_LETTERS 13 /* of 32 each: 65 bits, so that two processes never meet */
#define CREATE_TRIES 8

/*
 * What the signal handler can see. A slot goes FREE -> CLAIMED (being filled) -> ARMED (the handler may delete the
 * file) -> FREE. The handler moves ARMED to ABANDONED before it reads the name, and an abandoned slot is never used
 * again: the process is about to end, and so no thread can refill a slot under the handler's eyes.
 */
enum { SLOT_FREE, SLOT_CLAIMED, SLOT_ARMED, SLOT_ABANDONED };

static struct slot {
	atomic_int state;
	int dirfd;
	char name[NAME_MAX + 1];
} slots[PQ_TEMPFILES_MAX];

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a signal handler may only use atomics without a lock");

static bool
slot_move(struct slot *slot, int from, int to)
{
	return atomic_compare_exchange_strong(&slot->state, &from, to);
}

static bool
slot_claim(unsigned *ret_slot)
{
	for (unsigned i = 0; i < PQ_TEMPFILES_MAX; i++) {
		if (slot_move(&slots[i], SLOT_FREE, SLOT_CLAIMED)) {
			*ret_slot = i;
			return true;
		}
	}
	return false;
}

static void
slot_free(unsigned slot)
{
	if (!slot_move(&slots[slot], SLOT_ARMED, SLOT_FREE))
		slot_move(&slots[slot], SLOT_CLAIMED, SLOT_FREE);
}

void
pq_tempfile_abandon_all(void)
{
	int saved = errno;

	for (unsigned i = 0; i < PQ_TEMPFILES_MAX; i++) {
		if (slot_move(&slots[i], SLOT_ARMED, SLOT_ABANDONED))
			unlinkat(slots[i].dirfd, slots[i].name, 0);
	}
	errno = saved;
}

/* Split the path, open its folder, and see that the destination is something that may be replaced by a file. */
static enum pq_status
open_folder(const char *path, struct pq_tempfile *temp, struct pq_err *err)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash != NULL ? slash + 1 : path;
	size_t folder_len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
	char folder[PATH_MAX];
	struct stat st;

	if (base[0] == '\0' || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "is not the name of a file to write");
	if (folder_len >= sizeof(folder) || strlen(base) > NAME_MAX)
		return pq_fail_errno(err, ENAMETOOLONG, path, "cannot be written");
	snprintf(folder, sizeof(folder), "%.*s", folder_len > 0 ? (int)folder_len : 1, folder_len > 0 ? path : ".");
	snprintf(temp->dest, sizeof(temp->dest), "%s", base);
	temp->dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (temp->dirfd < 0)
		return pq_fail_errno(err, errno, path, "cannot be written, its folder does not open");
	if (fstatat(temp->dirfd, base, &st, 0) == 0 && !S_ISREG(st.st_mode)) {
		close(temp->dirfd);
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "exists and is not a regular file; it will not be replaced");
	}
	return PQ_OK;
}

static bool
make_name(struct pq_tempfile *temp)
{
	static const char letters[32] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char random[RANDOM_LETTERS];
	char suffix[RANDOM_LETTERS + 1] = {0};

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return false;
	for (size_t i = 0; i < RANDOM_LETTERS; i++)
		suffix[i] = letters[random[i] & 31];
	/* Long names are cut so that the temporary's fits into NAME_MAX too. */
	snprintf(temp->name, sizeof(temp->name), ".%.200s.%s.tmp", temp->dest, suffix);
	return true;
}

/* The slot is armed before the file exists, so that there is no instant at which a signal would miss it. */
static int
create_once(struct pq_tempfile *temp)
{
	struct slot *slot = &slots[temp->slot];

	if (!make_name(temp))
		return errno;
	slot->dirfd = temp->dirfd;
	memcpy(slot->name, temp->name, sizeof(slot->name));
	atomic_store(&slot->state, SLOT_ARMED);
	temp->fd = openat(temp->dirfd, temp->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	int number = temp->fd < 0 ? errno : 0;

	if (atomic_load(&slot->state) == SLOT_ABANDONED) {
		/* Another thread's handler may have looked for the file before it was there. */
		if (temp->fd >= 0) {
			unlinkat(temp->dirfd, temp->name, 0);
			close(temp->fd);
		}
		return ECANCELED;
	}
	if (number != 0)
		slot_move(slot, SLOT_ARMED, SLOT_CLAIMED);
	return number;
}

enum pq_status
pq_tempfile_create(const char *path, struct pq_tempfile *ret_temp, struct pq_err *err)
{
	struct pq_tempfile temp = {.fd = -1, .dirfd = -1};
	enum pq_status status = open_folder(path, &temp, err);

	if (status != PQ_OK)
		return status;
	if (!slot_claim(&temp.slot)) {
		close(temp.dirfd);
		return pq_fail_at(err, PQ_ELIMIT, path, 0, 0, "cannot be written: %d files are being written already",
		                  PQ_TEMPFILES_MAX);
	}
	int number = EEXIST;

	for (int i = 0; i < CREATE_TRIES && number == EEXIST; i++)
		number = create_once(&temp);
	if (number != 0) {
		slot_free(temp.slot);
		close(temp.dirfd);
		return number == ECANCELED ? pq_fail_at(err, PQ_EFAILED, path, 0, 0, "was not written: interrupted")
		                           : pq_fail_errno(err, number, path, "cannot be written");
	}
	*ret_temp = temp;
	return PQ_OK;
}

static void
close_all(struct pq_tempfile *temp)
{
	slot_free(temp->slot);
	close(temp->fd);
	close(temp->dirfd);
	temp->fd = -1;
	temp->dirfd = -1;
}

void
pq_tempfile_discard(struct pq_tempfile *temp)
{
	unlinkat(temp->dirfd, temp->name, 0);
	close_all(temp);
}

enum pq_status
pq_tempfile_commit(struct pq_tempfile *temp, const char *path, struct pq_err *err)
{
	enum pq_status status = PQ_OK;

	if (fsync(temp->fd) != 0) {
		status = pq_fail_errno(err, errno, path, "cannot be synced to disk");
	} else if (renameat(temp->dirfd, temp->name, temp->dirfd, temp->dest) != 0) {
		int number = errno;

		status = atomic_load(&slots[temp->slot].state) == SLOT_ABANDONED
		             ? pq_fail_at(err, PQ_EFAILED, path, 0, 0, "was not written: interrupted")
		             : pq_fail_errno(err, number, path, "cannot be replaced");
	}
	if (status != PQ_OK) {
		pq_tempfile_discard(temp);
		return status;
	}
	if (fsync(temp->dirfd) != 0)
		status = pq_fail_errno(err, errno, path, "is written, but its folder cannot be synced to disk");
	close_all(temp);
	return status;
}

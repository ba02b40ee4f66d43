#include "storage/files.h"

#include "storage/fail.h"
#include "storage/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Read until `want` bytes or the end of the file, whichever comes first; -1 with errno. */
static ssize_t
read_up_to(int fd, char *buf, size_t want)
{
	size_t done = 0;

	while (done < want) {
		ssize_t got = read(fd, buf + done, want - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static enum pq_status
read_open_file(int fd, const char *path, size_t max_bytes, struct pq_arena *arena, const char **ret_data,
               size_t *ret_len, struct pq_err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return pq_fail_errno(err, errno, path, "cannot be read");
	if (!S_ISREG(st.st_mode))
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "is not a regular file");
	if ((uint64_t)st.st_size > max_bytes)
		return pq_fail_at(err, PQ_ELIMIT, path, 0, 0, "has %lld bytes; at most %zu are allowed", (long long)st.st_size,
		                  max_bytes);
	size_t len = (size_t)st.st_size;
	char *data = pq_arena_alloc(arena, len + 1);

	if (data == NULL)
		return pq_fail_at(err, PQ_ENOMEM, path, 0, 0, "cannot be read: no memory for %zu bytes", len);
	/* Ask for one byte more than there should be: a file that is just being written must not be taken for whole. */
	ssize_t got = read_up_to(fd, data, len + 1);

	if (got < 0)
		return pq_fail_errno(err, errno, path, "cannot be read");
	if ((size_t)got != len)
		return pq_fail_at(err, PQ_EIO, path, 0, 0, "changed while it was read");
	data[len] = '\0';
	*ret_data = data;
	*ret_len = len;
	return PQ_OK;
}

enum pq_status
pq_files_read(const char *path, size_t max_bytes, struct pq_arena *arena, const char **ret_data, size_t *ret_len,
              struct pq_err *err)
{
	/* O_NONBLOCK: a pipe in the place of a file must not stop us; files do not mind. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return pq_fail_errno(err, errno, path, "cannot be opened");
	enum pq_status status = read_open_file(fd, path, max_bytes, arena, ret_data, ret_len, err);

	close(fd);
	return status;
}

struct name {
	struct name *next;
	const char *text;
};

struct listing {
	const char *dir; /* as the caller gave it */
	struct pq_arena *arena;
	struct name *names; /* in the order of discovery, last first */
	size_t count;
};

enum entry { ENTRY_IGNORED, ENTRY_FILE, ENTRY_FOLDER, ENTRY_FAILED };

/* What an entry of a folder counts as; ENTRY_FAILED with errno. */
static enum entry
entry_kind(int dirfd, const char *name)
{
	struct stat st;

	if (name[0] == '.' || name[strlen(name) - 1] == '~')
		return ENTRY_IGNORED;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return ENTRY_FAILED;
	if (S_ISDIR(st.st_mode))
		return ENTRY_FOLDER;
	if (S_ISLNK(st.st_mode) && fstatat(dirfd, name, &st, 0) != 0)
		return ENTRY_FAILED;
	return S_ISREG(st.st_mode) ? ENTRY_FILE : ENTRY_IGNORED;
}

static enum pq_status
add_file(struct listing *listing, const char *where, const char *relative, struct pq_err *err)
{
	if (listing->count == PQ_FILES_MAX)
		return pq_fail_at(err, PQ_ELIMIT, listing->dir, 0, 0, "has more than %u files: is it a pack?", PQ_FILES_MAX);
	struct name *name = pq_arena_alloc(listing->arena, sizeof(*name));
	const char *text = pq_arena_strndup(listing->arena, relative, strlen(relative));

	if (name == NULL || text == NULL)
		return pq_fail_at(err, PQ_ENOMEM, where, 0, 0, "cannot be listed: out of memory");
	*name = (struct name){.next = listing->names, .text = text};
	listing->names = name;
	listing->count++;
	return PQ_OK;
}

static enum pq_status list_folder(struct listing *listing, int parent, const char *folder, struct pq_err *err);

/* One entry of the folder that `dirfd` has open; `folder` is its name in the pack, "" at the top. */
static enum pq_status
list_entry(struct listing *listing, int dirfd, const char *folder, const char *name, struct pq_err *err)
{
	char relative[2 * NAME_MAX + 2];
	char where[PQ_ERR_WHERE_MAX];

	snprintf(relative, sizeof(relative), "%s%s%s", folder, folder[0] != '\0' ? "/" : "", name);
	snprintf(where, sizeof(where), "%s/%.200s", listing->dir, relative);
	switch (entry_kind(dirfd, name)) {
	case ENTRY_IGNORED:
		return PQ_OK;
	case ENTRY_FILE:
		return add_file(listing, where, relative, err);
	case ENTRY_FOLDER:
		if (folder[0] != '\0')
			return pq_fail_at(err, PQ_EINVAL, where, 0, 0, "is a folder two levels down; a pack has one level");
		return list_folder(listing, dirfd, name, err);
	case ENTRY_FAILED:
		break;
	}
	return pq_fail_errno(err, errno, where, "cannot be listed");
}

static enum pq_status
list_entries(struct listing *listing, DIR *stream, const char *folder, struct pq_err *err)
{
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(stream);

		if (entry == NULL && errno != 0)
			return pq_fail_errno(err, errno, listing->dir, "cannot be listed");
		if (entry == NULL)
			return PQ_OK;
		enum pq_status status = list_entry(listing, dirfd(stream), folder, entry->d_name, err);

		if (status != PQ_OK)
			return status;
	}
}

/* All of one folder, which lies in `parent` under the name `folder`; "" is the pack itself. */
static enum pq_status
list_folder(struct listing *listing, int parent, const char *folder, struct pq_err *err)
{
	bool top = folder[0] == '\0';
	char where[PQ_ERR_WHERE_MAX];

	snprintf(where, sizeof(where), "%s%s%.200s", listing->dir, top ? "" : "/", folder);
	/* Below the top a link may have taken the folder's place since it was looked at. */
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (top ? 0 : O_NOFOLLOW);
	int fd = openat(parent, top ? listing->dir : folder, flags);

	if (fd < 0 && errno == ENOTDIR)
		return pq_fail_at(err, PQ_EINVAL, where, 0, 0, "is not a folder");
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (stream == NULL) {
		int number = errno;

		if (fd >= 0)
			close(fd);
		return pq_fail_errno(err, number, where, "cannot be listed");
	}
	enum pq_status status = list_entries(listing, stream, folder, err);

	closedir(stream);
	return status;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum pq_status
pq_files_list(const char *dir, struct pq_arena *arena, const char *const **ret_names, size_t *ret_n, struct pq_err *err)
{
	struct listing listing = {.dir = dir, .arena = arena};
	enum pq_status status = list_folder(&listing, AT_FDCWD, "", err);

	if (status != PQ_OK)
		return status;
	const char **names = pq_arena_array(arena, listing.count + 1, sizeof(*names));

	if (names == NULL)
		return pq_fail_at(err, PQ_ENOMEM, dir, 0, 0, "cannot be listed: out of memory");
	size_t n = 0;

	for (const struct name *name = listing.names; name != NULL; name = name->next)
		names[n++] = name->text;
	qsort(names, n, sizeof(*names), compare_names); /* strcmp compares bytes as unsigned, whatever the locale */
	*ret_names = names;
	*ret_n = n;
	return PQ_OK;
}

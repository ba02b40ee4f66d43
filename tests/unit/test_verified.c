/* Records of verified stores: which of them count, and that nothing else stands for hashing a file. */
#include "storage/store.h"
#include "storage/verified.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TMPFS 0x01021994
#define STRANGER 4711

static char folder[PATH_MAX / 2];
static struct pq_err err;

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* A path in the test's folder; valid until the fourth call from here. */
static const char *
in_folder(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return path;
}

static void
seal(const char *name)
{
	static const char text[] = "what a store might hold";
	const struct pq_blob blobs[] = {{"one", text, sizeof(text)}, {"two", text, 5}};

	assert_int_equal(pq_store_seal(in_folder(name), blobs, 2, NULL, &err), PQ_OK);
}

/* Until the file has been left alone for as long as a record asks. */
static void
let_rest(const char *name)
{
	const struct timespec step = {0, 100 * 1000 * 1000};
	struct stat st;

	assert_int_equal(stat(in_folder(name), &st), 0);
	while (st.st_ctime + 4 > time(NULL))
		nanosleep(&step, NULL);
}

static int
setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(folder, sizeof(folder), "%s/pq-verified.XXXXXX", tmp != NULL ? tmp : "/tmp");
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Records are kept on filesystems of disks alone. */
static void
skip_where_none(void)
{
	struct statfs fs;

	assert_int_equal(statfs(folder, &fs), 0);
	if (fs.f_type == TMPFS)
		skip();
}

enum found { DAMAGED, IN_FULL, BY_RECORD };

/* Open a store with the records in the folder "records"; *ret_why: why there is no record afterwards. */
static enum found
open_why(const char *name, const char **ret_why)
{
	struct pq_verified *verified;
	struct pq_store *store;

	assert_int_equal(pq_verified_open(in_folder("records"), &verified, &err), PQ_OK);
	enum pq_status status = pq_store_open(in_folder(name), 0, verified, &store, &err);
	pq_verified_free(verified);
	if (status == PQ_ECORRUPT)
		return DAMAGED;
	assert_int_equal(status, PQ_OK);
	size_t len;
	assert_string_equal(pq_store_get(store, "one", &len), "what a store might hold");
	enum found found = pq_store_was_known(store) ? BY_RECORD : IN_FULL;
	*ret_why = pq_store_unrecorded(store);
	pq_store_free(store);
	return found;
}

static enum found
open_known(const char *name)
{
	const char *why;

	return open_why(name, &why);
}

static void
has_record_of(const char *name)
{
	seal(name);
	let_rest(name);
	assert_int_equal(open_known(name), IN_FULL);
	assert_int_equal(open_known(name), BY_RECORD);
}

/* The one record there is. */
static const char *
record(void)
{
	static char path[PATH_MAX];
	DIR *stream = opendir(in_folder("records"));
	unsigned n = 0;

	assert_non_null(stream);
	for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/records/%s", folder, entry->d_name);
		n++;
	}
	closedir(stream);
	assert_int_equal(n, 1);
	return path;
}

static char *
read_record(size_t *ret_len)
{
	static char text[1024];
	FILE *file = fopen(record(), "r");

	assert_non_null(file);
	*ret_len = fread(text, 1, sizeof(text) - 1, file);
	text[*ret_len] = '\0';
	fclose(file);
	return text;
}

static void
write_record(const char *text, size_t len)
{
	FILE *file = fopen(record(), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* Where the second blob, "what ", begins: behind the first, which begins alike. */
static off_t
second_blob(int fd, size_t size)
{
	static char bytes[1 << 16];

	assert_true(size <= sizeof(bytes));
	assert_int_equal(pread(fd, bytes, size, 0), size);
	const char *first = memmem(bytes, size, "what ", 5);
	assert_non_null(first);
	const char *second = memmem(first + 1, size - (size_t)(first + 1 - bytes), "what ", 5);
	assert_non_null(second);
	return second - bytes;
}

/* Turn a byte of a blob, and give the file the times that it had. */
static void
change_byte(const char *name)
{
	int fd = open(in_folder(name), O_RDWR);
	struct stat st;
	char byte;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	off_t at = second_blob(fd, (size_t)st.st_size);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	assert_int_equal(futimens(fd, (struct timespec[]){st.st_atim, st.st_mtim}), 0);
	struct stat now;
	assert_int_equal(fstat(fd, &now), 0);
	assert_memory_equal(&now.st_mtim, &st.st_mtim, sizeof(now.st_mtim));
	close(fd);
}

static void
test_second_start(void **state)
{
	(void)state;
	skip_where_none();
	has_record_of("s.mdb");
	assert_int_equal(open_known("s.mdb"), BY_RECORD);
}

static void
test_changed_byte(void **state)
{
	(void)state;
	skip_where_none();
	has_record_of("s.mdb");
	change_byte("s.mdb");
	assert_int_equal(open_known("s.mdb"), DAMAGED);
	/* And once more: what was refused has left no record. */
	let_rest("s.mdb");
	assert_int_equal(open_known("s.mdb"), DAMAGED);
}

/* A record stands for the hash alone, so that one that somebody made shows what else it must be to be believed. */
static void
test_record_stands_for_hash(void **state)
{
	size_t len;

	(void)state;
	skip_where_none();
	has_record_of("s.mdb");
	char kept[1024];
	memcpy(kept, read_record(&len), 1024);
	change_byte("s.mdb");
	/* A record that somebody who may write it makes for the damaged file: its time of change is taken over. */
	struct stat st;
	assert_int_equal(stat(in_folder("s.mdb"), &st), 0);
	char *at = strstr(kept, "changed ");
	assert_non_null(at);
	char changed[64];
	snprintf(changed, sizeof(changed), "changed %lld.%09ld", (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	char made[2048];
	snprintf(made, sizeof(made), "%.*s%s%s", (int)(at - kept), kept, changed, strchr(at, '\n'));
	write_record(made, strlen(made));
	let_rest("s.mdb");
	assert_int_equal(open_known("s.mdb"), BY_RECORD);
	/* The same record, given to or open to others. */
	assert_int_equal(chmod(record(), 0620), 0);
	assert_int_equal(open_known("s.mdb"), DAMAGED);
	assert_int_equal(chmod(record(), 0602), 0);
	assert_int_equal(open_known("s.mdb"), DAMAGED);
	assert_int_equal(chmod(record(), 0600), 0);
	assert_int_equal(open_known("s.mdb"), BY_RECORD);
	if (geteuid() == 0) {
		assert_int_equal(chown(record(), STRANGER, STRANGER), 0);
		assert_int_equal(open_known("s.mdb"), DAMAGED);
		assert_int_equal(chown(record(), 0, 0), 0);
		assert_int_equal(open_known("s.mdb"), BY_RECORD);
	}
	/* Another name of it somewhere else, or a link to it. */
	assert_int_equal(link(record(), in_folder("elsewhere")), 0);
	assert_int_equal(open_known("s.mdb"), DAMAGED);
	assert_int_equal(unlink(record()), 0);
	seal("other.mdb");
	let_rest("other.mdb");
	assert_int_equal(open_known("other.mdb"), IN_FULL);
	assert_int_equal(open_known("s.mdb"), DAMAGED);
}

static void
test_damaged_record(void **state)
{
	size_t len;

	(void)state;
	skip_where_none();
	has_record_of("s.mdb");
	char kept[1024];
	memcpy(kept, read_record(&len), 1024);
	for (size_t cut = 0; cut < len; cut += 9) {
		write_record(kept, cut);
		assert_int_equal(open_known("s.mdb"), IN_FULL); /* and writes it anew */
		assert_int_equal(open_known("s.mdb"), BY_RECORD);
	}
	char *at = strstr(kept, "\nverified ");
	assert_non_null(at);
	for (char *turned = kept; turned < at; turned += 5) {
		char was = *turned;
		*turned = was == '0' ? '1' : '0';
		write_record(kept, len);
		assert_int_equal(open_known("s.mdb"), IN_FULL);
		*turned = was;
	}
	/* Verified on a day to come: one of the clocks is wrong. */
	char late[1100];
	snprintf(late, sizeof(late), "%.*s\nverified %lld\n", (int)(at - kept), kept, (long long)time(NULL) + 86400);
	write_record(late, strlen(late));
	assert_int_equal(open_known("s.mdb"), IN_FULL);
}

static void
test_copy(void **state)
{
	(void)state;
	skip_where_none();
	has_record_of("s.mdb");
	seal("copy.mdb");
	struct stat st;
	assert_int_equal(stat(in_folder("s.mdb"), &st), 0);
	assert_int_equal(utimensat(AT_FDCWD, in_folder("copy.mdb"), (struct timespec[]){st.st_atim, st.st_mtim}, 0), 0);
	let_rest("copy.mdb");
	assert_int_equal(open_known("copy.mdb"), IN_FULL);
	assert_int_equal(open_known("s.mdb"), BY_RECORD);
	/* Under the name of the first, it is still the copy. */
	assert_int_equal(rename(in_folder("copy.mdb"), in_folder("s.mdb")), 0);
	assert_int_equal(open_known("s.mdb"), IN_FULL);
}

static void
test_fresh_file(void **state)
{
	const char *why = NULL;

	(void)state;
	skip_where_none();
	seal("s.mdb");
	assert_int_equal(open_why("s.mdb", &why), IN_FULL);
	/* Of a file that is no longer fresh, on a machine that dawdles here, there may be a record. */
	struct stat st;
	assert_int_equal(stat(in_folder("s.mdb"), &st), 0);
	if (why == NULL)
		assert_true(st.st_ctime + 3 <= time(NULL));
	else
		assert_non_null(strstr(why, "a moment ago"));
}

static void
test_store_of_others(void **state)
{
	const char *why = NULL;

	(void)state;
	skip_where_none();
	has_record_of("s.mdb");
	assert_int_equal(chmod(in_folder("s.mdb"), 0664), 0);
	let_rest("s.mdb");
	assert_int_equal(open_why("s.mdb", &why), IN_FULL);
	assert_non_null(strstr(why, "others may write"));
	assert_int_equal(open_why("s.mdb", &why), IN_FULL);
	assert_int_equal(chmod(in_folder("s.mdb"), 0644), 0);
	let_rest("s.mdb");
	assert_int_equal(open_why("s.mdb", &why), IN_FULL);
	assert_null(why);
	assert_int_equal(open_known("s.mdb"), BY_RECORD);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(in_folder("s.mdb"), STRANGER, STRANGER), 0);
	let_rest("s.mdb");
	assert_int_equal(open_why("s.mdb", &why), IN_FULL);
	assert_non_null(strstr(why, "another user"));
}

static void
test_unsafe_folder(void **state)
{
	struct pq_verified *verified;

	(void)state;
	assert_int_equal(mkdir(in_folder("open"), 0700), 0);
	assert_int_equal(chmod(in_folder("open"), 0777), 0);
	assert_int_equal(pq_verified_open(in_folder("open"), &verified, &err), PQ_EINVAL);
	assert_int_equal(chmod(in_folder("open"), 0770), 0);
	assert_int_equal(pq_verified_open(in_folder("open"), &verified, &err), PQ_EINVAL);
	assert_string_equal(err.where, in_folder("open"));
	if (geteuid() == 0) {
		assert_int_equal(chmod(in_folder("open"), 0700), 0);
		assert_int_equal(chown(in_folder("open"), STRANGER, STRANGER), 0);
		assert_int_equal(pq_verified_open(in_folder("open"), &verified, &err), PQ_EINVAL);
	}
	seal("file");
	assert_int_equal(pq_verified_open(in_folder("file"), &verified, &err), PQ_EINVAL);
	assert_int_equal(symlink("open", in_folder("link")), 0);
	assert_int_equal(pq_verified_open(in_folder("link"), &verified, &err), PQ_EINVAL);
	assert_int_equal(pq_verified_open(in_folder("no/such"), &verified, &err), PQ_ENOTFOUND);
}

/* The folder is opened up while the server has it. */
static void
test_folder_given_away(void **state)
{
	struct pq_verified *verified;
	struct pq_store *store;

	(void)state;
	skip_where_none();
	has_record_of("s.mdb");
	assert_int_equal(pq_verified_open(in_folder("records"), &verified, &err), PQ_OK);
	assert_int_equal(chmod(in_folder("records"), 0777), 0);
	assert_int_equal(pq_store_open(in_folder("s.mdb"), 0, verified, &store, &err), PQ_OK);
	assert_false(pq_store_was_known(store));
	pq_store_free(store);
	pq_verified_free(verified);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_second_start, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changed_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_record_stands_for_hash, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_record, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fresh_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_of_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unsafe_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder_given_away, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

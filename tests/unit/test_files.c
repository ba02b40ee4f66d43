/* Reading pack folders: storage/files.h. */
#include "storage/files.h"

#include "storage/limits.h"

#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT 1000

static char folder[PATH_MAX / 2];
static struct pq_arena arena;
static struct pq_err err;

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(folder, sizeof(folder), "%s/pq-files.XXXXXX", tmp != NULL ? tmp : "/tmp");
	pq_arena_init(&arena, (size_t)4 << 20);
	memset(&err, 0, sizeof(err));
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	pq_arena_release(&arena);
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
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
put(const char *name, const void *data, size_t len)
{
	FILE *file = fopen(in_folder(name), "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void
expect_read_fails(const char *name, enum pq_status status, const char *text)
{
	const char *data = "untouched";
	size_t len = 7;

	assert_int_equal(pq_files_read(in_folder(name), LIMIT, &arena, &data, &len, &err), status);
	assert_int_equal(err.status, status);
	assert_string_equal(err.where, in_folder(name));
	assert_non_null(strstr(err.msg, text));
	assert_string_equal(data, "untouched");
	assert_int_equal(len, 7);
}

static void
test_reads_whole_files(void **state)
{
	const char with_nul[] = {'a', '\0', 'b', '\n'};
	char full[LIMIT];
	const char *data;
	size_t len;

	(void)state;
	put("a", with_nul, sizeof(with_nul));
	assert_int_equal(pq_files_read(in_folder("a"), LIMIT, &arena, &data, &len, &err), PQ_OK);
	assert_int_equal(len, sizeof(with_nul));
	assert_memory_equal(data, with_nul, sizeof(with_nul));
	assert_int_equal(data[len], '\0');

	put("empty", "", 0);
	assert_int_equal(pq_files_read(in_folder("empty"), LIMIT, &arena, &data, &len, &err), PQ_OK);
	assert_int_equal(len, 0);
	assert_string_equal(data, "");

	memset(full, 'x', sizeof(full));
	put("full", full, sizeof(full));
	assert_int_equal(pq_files_read(in_folder("full"), LIMIT, &arena, &data, &len, &err), PQ_OK);
	assert_int_equal(len, LIMIT);
	assert_int_equal(err.status, PQ_OK); /* untouched by all of these */
}

static void
test_refuses_what_is_no_file(void **state)
{
	char over[LIMIT + 1] = {0};

	(void)state;
	expect_read_fails("missing", PQ_ENOTFOUND, "No such file");
	expect_read_fails(".", PQ_EINVAL, "not a regular file");
	assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
	expect_read_fails("pipe", PQ_EINVAL, "not a regular file");
	assert_int_equal(symlink("/dev/zero", in_folder("device")), 0);
	expect_read_fails("device", PQ_EINVAL, "not a regular file");
	put("over", over, sizeof(over));
	expect_read_fails("over", PQ_ELIMIT, "1001 bytes; at most 1000");
}

static void
test_refuses_over_the_arena(void **state)
{
	struct pq_arena small;
	char bytes[LIMIT] = {0};
	const char *data = NULL;
	size_t len;

	(void)state;
	put("a", bytes, sizeof(bytes));
	pq_arena_init(&small, 100);
	assert_int_equal(pq_files_read(in_folder("a"), LIMIT, &small, &data, &len, &err), PQ_ENOMEM);
	assert_null(data);
	pq_arena_release(&small);
}

/* /proc gives files that say they are empty and are not, like a file that grows while it is read. */
static void
test_refuses_a_file_that_changes(void **state)
{
	const char *data;
	size_t len;

	(void)state;
	assert_int_equal(pq_files_read("/proc/self/status", LIMIT, &arena, &data, &len, &err), PQ_EIO);
	assert_non_null(strstr(err.msg, "changed while"));
}

static void
test_lists_in_byte_order(void **state)
{
	/* '-' sorts before '/': the order is that of the bytes, not of folders. */
	static const char *const expected[] = {
		"Z.csv",        "a.csv",        "linked.csv",          "pack.yaml", "rules-x.yaml",
		"rules/a.yaml", "tables/b.csv", "tables/\xc3\xa9.csv", "z.csv",
	};
	const char *const *names;
	size_t n;

	(void)state;
	assert_int_equal(mkdir(in_folder("tables"), 0755), 0);
	assert_int_equal(mkdir(in_folder("rules"), 0755), 0);
	assert_int_equal(mkdir(in_folder("empty"), 0755), 0);
	assert_int_equal(mkdir(in_folder(".git"), 0755), 0);
	put(".git/config", "", 0);
	put(".hidden", "", 0);
	put("pack.yaml~", "", 0);
	put("tables/.b.csv.swp", "", 0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		if (strcmp(expected[i], "linked.csv") != 0)
			put(expected[i], "", 0);
	}
	assert_int_equal(symlink("z.csv", in_folder("linked.csv")), 0);
	assert_int_equal(symlink("tables", in_folder("linked-folder")), 0);
	assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);

	assert_int_equal(pq_files_list(folder, &arena, &names, &n, &err), PQ_OK);
	assert_int_equal(n, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < n; i++)
		assert_string_equal(names[i], expected[i]);
}

static void
test_lists_an_empty_folder(void **state)
{
	const char *const *names;
	size_t n = 7;

	(void)state;
	assert_int_equal(pq_files_list(folder, &arena, &names, &n, &err), PQ_OK);
	assert_int_equal(n, 0);
}

static void
expect_list_fails(const char *name, enum pq_status status, const char *where, const char *text)
{
	const char *const *names = NULL;
	size_t n = 7;

	assert_int_equal(pq_files_list(in_folder(name), &arena, &names, &n, &err), status);
	assert_int_equal(err.status, status);
	assert_string_equal(err.where, in_folder(where));
	assert_non_null(strstr(err.msg, text));
	assert_null(names);
	assert_int_equal(n, 7);
}

static void
test_refuses_what_is_no_pack_folder(void **state)
{
	(void)state;
	expect_list_fails("missing", PQ_ENOTFOUND, "missing", "No such file");
	put("file", "", 0);
	expect_list_fails("file", PQ_EINVAL, "file", "not a folder");

	assert_int_equal(mkdir(in_folder("deep"), 0755), 0);
	assert_int_equal(mkdir(in_folder("deep/one"), 0755), 0);
	assert_int_equal(mkdir(in_folder("deep/one/two"), 0755), 0);
	expect_list_fails("deep", PQ_EINVAL, "deep/one/two", "two levels down");

	assert_int_equal(mkdir(in_folder("dangling"), 0755), 0);
	assert_int_equal(symlink("nowhere", in_folder("dangling/x.csv")), 0);
	expect_list_fails("dangling", PQ_ENOTFOUND, "dangling/x.csv", "No such file");
}

static void
test_refuses_too_many_files(void **state)
{
	char name[64];

	(void)state;
	assert_int_equal(mkdir(in_folder("many"), 0755), 0);
	for (unsigned i = 0; i <= PQ_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "many/%u", i);
		put(name, "", 0);
	}
	expect_list_fails("many", PQ_ELIMIT, "many", "more than 4096 files");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reads_whole_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_what_is_no_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_over_the_arena, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_a_file_that_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists_in_byte_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists_an_empty_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_what_is_no_pack_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_too_many_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

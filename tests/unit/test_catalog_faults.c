/*
 * ctest: timeout=300
 *
 * What happens when a step of publishing is the last one, or fails. This program defines the system calls that change
 * files, so that its own code and LMDB call them here; each is told to fail, or to end the process, in turn. After each
 * the directory is opened again and must hold the old state or the new one.
 */
#include "storage/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static long countdown = -1; /* calls until the one that is struck; below 0: none is */
static bool ends;           /* the struck call ends the process, as kill -9 would; else it fails with ENOSPC */
static long n_calls;

/* Is this call the one? */
static bool
struck(void)
{
	n_calls++;
	if (countdown < 0 || countdown-- > 0)
		return false;
	if (ends)
		_exit(42);
	errno = ENOSPC;
	return true;
}

int
fsync(int fd)
{
	return struck() ? -1 : (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return struck() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

ssize_t
write(int fd, const void *data, size_t len)
{
	return struck() ? -1 : syscall(SYS_write, fd, data, len);
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t at)
{
	return struck() ? -1 : syscall(SYS_pwrite64, fd, data, len, at);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	return struck() ? -1 : syscall(SYS_pwrite64, fd, data, len, at);
}

ssize_t
pwritev(int fd, const struct iovec *parts, int n, off_t at)
{
	return struck() ? -1 : syscall(SYS_pwritev, fd, parts, n, at, 0);
}

ssize_t
writev(int fd, const struct iovec *parts, int n)
{
	return struck() ? -1 : syscall(SYS_writev, fd, parts, n);
}

ssize_t
copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t len, unsigned flags)
{
	return struck() ? -1 : syscall(SYS_copy_file_range, from, from_at, to, to_at, len, flags);
}

int
renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	return struck() ? -1 : (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
}

int
unlinkat(int folder, const char *name, int flags)
{
	return struck() ? -1 : (int)syscall(SYS_unlinkat, folder, name, flags);
}

int
mkdirat(int folder, const char *name, mode_t mode)
{
	return struck() ? -1 : (int)syscall(SYS_mkdirat, folder, name, mode);
}

int
ftruncate(int fd, off_t len)
{
	return struck() ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

/* ---- the work ---- */

static char root[64];
static char dir[96];
static struct pq_err err;
static struct pq_manifest manifests[4]; /* by sequence */
static char files[4][96];

static const struct pq_catalog_act act = {.actor = "alice", .time_s = 1800000000};

static enum pq_status
prove(void *ctx, const struct pq_store *store, struct pq_err *ret_err)
{
	(void)ctx;
	(void)store;
	(void)ret_err;
	return PQ_OK;
}

static enum pq_status
open_catalog(struct pq_catalog **ret_catalog)
{
	struct pq_catalog_options options = {.prove = prove, .prover = "1", .create = true};

	return pq_catalog_open(dir, &options, ret_catalog, &err);
}

static enum pq_status
add(struct pq_catalog *catalog, uint64_t sequence)
{
	int fd = open(files[sequence], O_RDONLY);
	struct pq_catalog_source source = {.from = PQ_CATALOG_COPY, .fd = fd, .name = files[sequence]};
	enum pq_status status = pq_catalog_add(catalog, &manifests[sequence], &source, &act, NULL, NULL, &err);

	close(fd);
	return status;
}

/* Publish 2 over the active 1, activate it; plan 3; forget 1. Goes on as a clumsy operator would where a step fails. */
static void
work(void)
{
	struct pq_catalog *catalog;

	if (open_catalog(&catalog) != PQ_OK)
		return;
	(void)!add(catalog, 2);
	(void)!pq_catalog_activate(catalog, 2, &act, NULL, NULL, &err);
	(void)!add(catalog, 3);
	(void)!pq_catalog_schedule(catalog, 3, act.time_s + 60, &act, &err);
	(void)!pq_catalog_prune(catalog, 0, &act, NULL, &err);
	pq_catalog_free(catalog);
}

/* Begin anew: nothing, or a directory in which 1 is active. */
static void
reset(bool with_one)
{
	struct pq_catalog *catalog;
	char command[160];
	long before = countdown;

	countdown = -1;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
	if (with_one) {
		assert_int_equal(open_catalog(&catalog), PQ_OK);
		assert_int_equal(add(catalog, 1), PQ_OK);
		assert_int_equal(pq_catalog_activate(catalog, 1, &act, NULL, NULL, &err), PQ_OK);
		pq_catalog_free(catalog);
	}
	countdown = before;
}

static int
count_files(const char *folder)
{
	char command[160];
	int n = -1;

	snprintf(command, sizeof(command), "ls -A '%s' | wc -l", folder);
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%d", &n), 1);
	pclose(pipe);
	return n;
}

/* Whatever was struck: all that is listed is whole, one is active, the journal says how, and nothing lies about. */
static void
check(bool with_one, long at)
{
	const struct pq_catalog_revision *revisions;
	const struct pq_journal_record *records;
	struct pq_catalog_revision active;
	struct pq_catalog *catalog;
	struct pq_arena arena;
	char folder[128];
	uint64_t told = 0;
	size_t n;

	countdown = -1;
	pq_arena_init(&arena, (size_t)16 << 20);
	if (open_catalog(&catalog) != PQ_OK)
		fail_msg("call %ld: %s: %s", at, err.where, err.msg);
	assert_int_equal(pq_catalog_list(catalog, &arena, &revisions, &n, &err), PQ_OK);
	for (size_t i = 0; i < n; i++) {
		struct pq_store *store;

		if (pq_catalog_open_store(catalog, revisions[i].manifest.sequence, 0, &store, &err) != PQ_OK)
			fail_msg("call %ld: sequence %d: %s", at, (int)revisions[i].manifest.sequence, err.msg);
		pq_store_free(store);
	}
	/* One digest a sequence here: the stores are those that are listed. */
	snprintf(folder, sizeof(folder), "%s/revisions", dir);
	assert_int_equal(count_files(folder), n);
	assert_int_equal(count_files(dir), 3); /* lock, catalog.mdb, revisions */
	enum pq_status status = pq_catalog_active(catalog, &active, &err);
	assert_true(status == PQ_OK || (!with_one && status == PQ_ENOTFOUND));
	assert_int_equal(pq_catalog_journal(catalog, 0, 100, &arena, &records, &n, &err), PQ_OK);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(records[i].id, i + 1);
		if (records[i].action == PQ_JOURNAL_ACTIVATED)
			told = records[i].sequence;
	}
	assert_int_equal(told, status == PQ_OK ? active.manifest.sequence : 0);
	/* And the work can be done now. */
	assert_int_equal(add(catalog, 3), PQ_OK);
	assert_int_equal(pq_catalog_activate(catalog, 3, &act, NULL, NULL, &err), PQ_OK);
	assert_int_equal(pq_catalog_prune(catalog, 0, &act, NULL, &err), PQ_OK);
	assert_int_equal(count_files(folder), 1);
	pq_catalog_free(catalog);
	pq_arena_release(&arena);
}

static long
count_calls(bool with_one)
{
	reset(with_one);
	n_calls = 0;
	work();
	return n_calls;
}

static void
strike_each(bool with_one)
{
	long n = count_calls(with_one);

	assert_true(n > 20);
	for (long i = 0; i < n; i++) {
		int status;

		reset(with_one);
		pid_t child = fork();
		if (child == 0) {
			countdown = i;
			work();
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		/* A failing call may save later ones; a process that is ended has always come to its call. */
		assert_true(WIFEXITED(status));
		if (ends)
			assert_int_equal(WEXITSTATUS(status), 42);
		check(with_one, i);
	}
	print_message("%ld calls %s, each in turn\n", n, ends ? "ended the process" : "failed");
}

static void
test_each_call_is_the_last(void **state)
{
	(void)state;
	ends = true;
	strike_each(true);
	strike_each(false);
}

static void
test_each_call_fails(void **state)
{
	(void)state;
	ends = false;
	strike_each(true);
	strike_each(false);
}

static int
setup(void **state)
{
	(void)state;
	/* In memory where there is such a folder: syncing is struck here, not waited for. */
	snprintf(root, sizeof(root), "%s/pq-faults-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(dir, sizeof(dir), "%s/data", root);
	for (unsigned i = 1; i < 4; i++) {
		struct pq_blob blob = {.key = "n", .data = &i, .len = sizeof(i)};

		snprintf(files[i], sizeof(files[i]), "%s/%u.mdb", root, i);
		manifests[i].sequence = i;
		if (pq_store_seal(files[i], &blob, 1, NULL, &err) != PQ_OK)
			return -1;
		int fd = open(files[i], O_RDONLY);
		if (pq_store_check_fd(fd, files[i], manifests[i].digest, &manifests[i].size, &err) != PQ_OK)
			return -1;
		close(fd);
	}
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_call_is_the_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_call_fails, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

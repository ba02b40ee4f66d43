/*
 * ctest: timeout=900
 *
 * A process publishes, activates, plans, rolls back and forgets without end, and is killed at random instants. After
 * each kill the directory must open, hold whole revisions and nothing else, and have forgotten nothing that was
 * acknowledged. PQ_CRASH_ROUNDS kills (200), PQ_CRASH_SEED repeats a run's choices (not its instants).
 */
#include "storage/catalog.h"
#include "tests/support/random.h"
#include "tests/support/tiny_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define N_STORES 5
#define NOW INT64_C(1800000000)
/* The longest a process lives, in microseconds of processor time, so that a busy machine changes nothing. */
#define LIFE_US 30000

static char root[64];
static char dir[96];
static struct pq_err err;
static struct pq_manifest stores[N_STORES]; /* digest and size */
static char files[N_STORES][96];
static struct pq_random chance;

/* What the killed process had been told is done; it shares this page with its parent. */
static struct acknowledged {
	_Atomic(uint64_t) active;
	_Atomic(uint64_t) added;
	_Atomic(uint64_t) steps;
} * acknowledged;

static const struct pq_catalog_act act = {.actor = "alice", .time_s = NOW, .remark = "in a hurry"};

static uint64_t
draw(uint64_t below)
{
	return pq_random_below(&chance, below);
}

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

/* ---- the process that is killed ---- */

static void
must(enum pq_status status, const char *what)
{
	if (status == PQ_OK)
		return;
	fprintf(stderr, "%s: %s: %s\n", what, err.where, err.msg);
	_exit(3);
}

/* As a fetcher brings it: in two pieces into the part, which may have something of an earlier life. */
static void
add_part(struct pq_catalog *catalog, struct pq_manifest *manifest, const char *path)
{
	struct pq_catalog_source source = {.from = PQ_CATALOG_PART, .name = path};
	static char bytes[1 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, bytes, sizeof(bytes));

	close(fd);
	must(pq_catalog_part_open(catalog, manifest->digest, &source.fd, &err), "part");
	for (off_t at = lseek(source.fd, 0, SEEK_END); at < len;) {
		ssize_t put = pwrite(source.fd, bytes + at, len - at > 9000 ? 9000 : (size_t)(len - at), at);

		if (put <= 0)
			_exit(4);
		at += put;
	}
	must(pq_catalog_add(catalog, manifest, &source, &act, NULL, NULL, &err), "add a part");
	close(source.fd);
}

static void
add(struct pq_catalog *catalog)
{
	unsigned i = (unsigned)draw(N_STORES);
	struct pq_manifest manifest = stores[i];
	struct pq_catalog_source source = {.from = PQ_CATALOG_COPY, .name = files[i]};

	must(pq_catalog_next_sequence(catalog, &manifest.sequence, &err), "next");
	if (draw(3) == 0) {
		add_part(catalog, &manifest, files[i]);
	} else {
		source.fd = open(files[i], O_RDONLY);
		must(pq_catalog_add(catalog, &manifest, &source, &act, NULL, NULL, &err), "add");
		close(source.fd);
	}
	atomic_store(&acknowledged->added, manifest.sequence);
	if (draw(3) == 0)
		must(pq_catalog_schedule(catalog, manifest.sequence, NOW + (int64_t)draw(100), &act, &err), "schedule");
	if (draw(3) > 0) {
		must(pq_catalog_activate(catalog, manifest.sequence, &act, NULL, NULL, &err), "activate");
		atomic_store(&acknowledged->active, manifest.sequence);
	}
}

static void
roll_back(struct pq_catalog *catalog)
{
	struct pq_catalog_revision active;
	struct pq_manifest draft;

	if (pq_catalog_active(catalog, &active, &err) != PQ_OK)
		return;
	must(pq_catalog_draft_rollback(catalog, active.manifest.sequence, NOW, "back", &draft, &err), "draft");
	must(pq_catalog_add(catalog, &draft, NULL, &act, NULL, NULL, &err), "roll back");
	must(pq_catalog_activate(catalog, draft.sequence, &act, NULL, NULL, &err), "activate the rollback");
	atomic_store(&acknowledged->active, draft.sequence);
}

/* Be killed by the kernel, with the signal that nobody can catch, after so much processor time. */
static void
doom(uint64_t life_us)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	struct itimerspec at = {.it_value.tv_nsec = (long)(life_us + 1) * 1000};
	timer_t timer;

	if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) != 0 || timer_settime(timer, 0, &at, NULL) != 0)
		_exit(5);
}

static _Noreturn void
live(uint64_t life_us)
{
	struct pq_catalog *catalog;

	doom(life_us);

	for (;;) {
		must(open_catalog(&catalog), "open");
		for (uint64_t n = 1 + draw(8); n > 0; n--) {
			uint64_t what = draw(8);

			if (what < 5)
				add(catalog);
			else if (what == 5)
				roll_back(catalog);
			else
				must(pq_catalog_prune(catalog, draw(4), &act, NULL, &err), "prune");
			atomic_fetch_add(&acknowledged->steps, 1);
		}
		pq_catalog_free(catalog);
	}
}

/* ---- what is left ---- */

static bool
is_named(const struct pq_catalog_revision *revisions, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		char hex[PQ_DIGEST_HEX_BYTES];

		pq_digest_hex(revisions[i].manifest.digest, hex);
		if (strncmp(name, hex, sizeof(hex) - 1) == 0 && strcmp(name + sizeof(hex) - 1, ".mdb") == 0)
			return true;
	}
	return false;
}

/* Nothing but what is known: in the directory three names, in revisions/ the stores that revisions name. */
static void
check_files(const struct pq_catalog_revision *revisions, size_t n)
{
	const char *folders[] = {dir, NULL};
	char inner[128];
	unsigned n_stores = 0;

	snprintf(inner, sizeof(inner), "%s/revisions", dir);
	folders[1] = inner;
	for (int i = 0; i < 2; i++) {
		DIR *folder = opendir(folders[i]);
		const struct dirent *entry;

		assert_non_null(folder);
		while ((entry = readdir(folder)) != NULL) {
			const char *name = entry->d_name;

			if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
				continue;
			bool known =
				i == 0 ? strcmp(name, "lock") == 0 || strcmp(name, "catalog.mdb") == 0 || strcmp(name, "revisions") == 0
					   : is_named(revisions, n, name);
			if (!known)
				fail_msg("%s/%s is left", folders[i], name);
			n_stores += i == 1;
		}
		closedir(folder);
	}
	assert_true(n_stores <= N_STORES);
}

/* The journal's last word about what is active. */
static uint64_t
told_active(struct pq_catalog *catalog, struct pq_arena *arena)
{
	const struct pq_journal_record *records;
	uint64_t last = 0, told = 0;
	size_t n = 1;

	while (n > 0) {
		assert_int_equal(pq_catalog_journal(catalog, last, 1000, arena, &records, &n, &err), PQ_OK);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(records[i].id, last + i + 1);
			if (records[i].action == PQ_JOURNAL_ACTIVATED) {
				assert_true(records[i].sequence > told);
				told = records[i].sequence;
			}
		}
		last += n;
	}
	return told;
}

static void
check(unsigned round)
{
	const struct pq_catalog_revision *revisions;
	struct pq_catalog_revision active = {0};
	struct pq_catalog *catalog;
	struct pq_arena arena;
	uint64_t next;
	size_t n;

	pq_arena_init(&arena, (size_t)256 << 20);
	if (open_catalog(&catalog) != PQ_OK)
		fail_msg("round %u: %s: %s", round, err.where, err.msg);
	enum pq_status status = pq_catalog_active(catalog, &active, &err);
	assert_true(status == PQ_OK || status == PQ_ENOTFOUND);
	assert_int_equal(told_active(catalog, &arena), active.manifest.sequence);
	assert_true(active.manifest.sequence >= atomic_load(&acknowledged->active));
	assert_int_equal(pq_catalog_next_sequence(catalog, &next, &err), PQ_OK);
	assert_true(next > atomic_load(&acknowledged->added));
	/* Pruning leaves parts of nobody no longer; what is left is whole. */
	assert_int_equal(pq_catalog_prune(catalog, 6, &act, NULL, &err), PQ_OK);
	assert_int_equal(pq_catalog_list(catalog, &arena, &revisions, &n, &err), PQ_OK);
	for (size_t i = 0; i < n; i++) {
		struct pq_store *store;

		if (pq_catalog_open_store(catalog, revisions[i].manifest.sequence, 0, &store, &err) != PQ_OK)
			fail_msg("round %u: sequence %d: %s", round, (int)revisions[i].manifest.sequence, err.msg);
		pq_store_free(store);
	}
	check_files(revisions, n);
	pq_catalog_free(catalog);
	pq_arena_release(&arena);
}

static void
test_kills(void **state)
{
	const char *rounds_text = getenv("PQ_CRASH_ROUNDS");
	const char *seed_text = getenv("PQ_CRASH_SEED");
	unsigned rounds = rounds_text != NULL ? (unsigned)strtoul(rounds_text, NULL, 10) : 200;

	(void)state;
	chance.state = seed_text != NULL ? strtoull(seed_text, NULL, 10) : (uint64_t)getpid();
	print_message("PQ_CRASH_SEED=%llu PQ_CRASH_ROUNDS=%u\n", (unsigned long long)chance.state, rounds);
	for (unsigned i = 0; i < rounds; i++) {
		int status;
		uint64_t life_us = draw(LIFE_US);
		pid_t child;

		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			live(life_us);
		assert_int_equal(waitpid(child, &status, 0), child);
		/* Killed, and not ended by itself over something that failed. */
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		check(i);
	}
	print_message("%u kills survived, %llu steps done between them, up to the sequence %llu\n", rounds,
	              (unsigned long long)atomic_load(&acknowledged->steps),
	              (unsigned long long)atomic_load(&acknowledged->added));
	assert_true(rounds < 100 || atomic_load(&acknowledged->steps) > rounds / 10);
}

static int
setup(void **state)
{
	(void)state;
	/* In memory where there is such a folder: a kill does not lose what was written, so that syncing only takes time. */
	snprintf(root, sizeof(root), "%s/pq-crash-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(dir, sizeof(dir), "%s/data", root);
	acknowledged = mmap(NULL, sizeof(*acknowledged), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (acknowledged == MAP_FAILED)
		return -1;
	for (unsigned i = 0; i < N_STORES; i++) {
		snprintf(files[i], sizeof(files[i]), "%s/%u.mdb", root, i);
		tiny_store_seal_edition(files[i], i + 1);
		int fd = open(files[i], O_RDONLY);
		if (pq_store_check_fd(fd, files[i], stores[i].digest, &stores[i].size, &err) != PQ_OK)
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
		cmocka_unit_test_setup_teardown(test_kills, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

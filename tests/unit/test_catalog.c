/* The catalog of revisions: storage/catalog.h. What happens when a step of it fails or is the last is in
 * test_catalog_faults.c. */
#include "storage/catalog.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW INT64_C(1800000000)

static char root[64];
static char dir[96];
static struct pq_err err;
static struct pq_arena arena;
static unsigned n_proofs;

/* Stores for these tests hold one blob; its text says whether its cases pass. */
static enum pq_status
prove(void *ctx, const struct pq_store *store, struct pq_err *ret_err)
{
	const char *text = pq_store_get(store, "cases", NULL);

	(void)ctx;
	n_proofs++;
	if (strstr(text, "fail") != NULL)
		return pq_fail(ret_err, PQ_EFAILED, "1 of 1 cases failed");
	return PQ_OK;
}

static const struct pq_catalog_act act = {.actor = "alice", .time_s = NOW, .remark = "because"};

static int
setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/pq-catalog-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(dir, sizeof(dir), "%s/data", root);
	memset(&err, 0, sizeof(err));
	pq_arena_init(&arena, (size_t)16 << 20);
	n_proofs = 0;
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	pq_arena_release(&arena);
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static const char *
in_root(const char *name)
{
	static char paths[4][160];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
	return path;
}

static struct pq_catalog *
open_with(const struct pq_trust *trust, const char *prover)
{
	struct pq_catalog_options options = {.trust = trust, .prove = prove, .prover = prover, .create = true};
	struct pq_catalog *catalog = NULL;

	if (pq_catalog_open(dir, &options, &catalog, &err) != PQ_OK)
		fail_msg("%s: %s", err.where, err.msg);
	return catalog;
}

static struct pq_catalog *
open_plain(void)
{
	return open_with(NULL, "1");
}

/* Seal a store with this text, and state it. The file is store.mdb in the root. */
static struct pq_manifest
make_store(const char *text, uint64_t sequence)
{
	struct pq_blob blob = {.key = "cases", .data = text, .len = strlen(text) + 1};
	struct pq_manifest manifest = {.sequence = sequence, .created_s = NOW};
	const char *path = in_root("store.mdb");

	assert_int_equal(pq_store_seal(path, &blob, 1, NULL, &err), PQ_OK);
	int fd = open(path, O_RDONLY);
	assert_int_equal(pq_store_check_fd(fd, path, manifest.digest, &manifest.size, &err), PQ_OK);
	close(fd);
	snprintf(manifest.note, sizeof(manifest.note), "%.200s", text);
	return manifest;
}

static enum pq_status
add_file(struct pq_catalog *catalog, const struct pq_manifest *manifest, const char *path)
{
	int fd = open(path, O_RDONLY);
	struct pq_catalog_source source = {.from = PQ_CATALOG_COPY, .fd = fd, .name = path};
	enum pq_status status = pq_catalog_add(catalog, manifest, &source, &act, NULL, NULL, &err);

	close(fd);
	return status;
}

static enum pq_status
add(struct pq_catalog *catalog, const char *text, uint64_t sequence)
{
	struct pq_manifest manifest = make_store(text, sequence);

	return add_file(catalog, &manifest, in_root("store.mdb"));
}

static enum pq_status
activate(struct pq_catalog *catalog, uint64_t sequence)
{
	return pq_catalog_activate(catalog, sequence, &act, NULL, NULL, &err);
}

/* Files in revisions/, as `ls -A` counts them. */
static int
count_files(void)
{
	char command[160];
	int n = -1;

	snprintf(command, sizeof(command), "ls -A '%s/revisions' | wc -l", dir);
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%d", &n), 1);
	pclose(pipe);
	return n;
}

static uint64_t
active(struct pq_catalog *catalog)
{
	struct pq_catalog_revision revision;

	return pq_catalog_active(catalog, &revision, &err) == PQ_OK ? revision.manifest.sequence : 0;
}

#define assert_says(text)                           \
	do {                                            \
		if (strstr(err.msg, text) == NULL)          \
			fail_msg("%s: %s", err.where, err.msg); \
	} while (0)

/* ---- the ordinary way ---- */

static void
test_publish_activate(void **state)
{
	struct pq_catalog *catalog = open_plain();
	struct pq_catalog_revision revision;
	const struct pq_catalog_revision *list;
	struct pq_store *store = NULL;
	bool changed = false;
	size_t n;

	(void)state;
	assert_int_equal(active(catalog), 0);
	assert_says("has no active revision");
	assert_int_equal(add(catalog, "one", 1), PQ_OK);
	assert_int_equal(add(catalog, "two", 5), PQ_OK);
	assert_int_equal(active(catalog), 0);
	assert_int_equal(pq_catalog_activate(catalog, 1, &act, &store, &changed, &err), PQ_OK);
	assert_true(changed);
	assert_string_equal(pq_store_get(store, "cases", NULL), "one");
	pq_store_free(store);
	assert_int_equal(pq_catalog_active(catalog, &revision, &err), PQ_OK);
	assert_int_equal(revision.manifest.sequence, 1);
	assert_int_equal(revision.activated_s, NOW);
	assert_string_equal(revision.added_by, "alice");
	assert_string_equal(revision.proved_by, "1");
	/* Once more changes nothing. */
	assert_int_equal(pq_catalog_activate(catalog, 1, &act, &store, &changed, &err), PQ_OK);
	assert_false(changed);
	pq_store_free(store);
	assert_int_equal(activate(catalog, 5), PQ_OK);
	assert_int_equal(activate(catalog, 1), PQ_EFAILED);
	assert_says("not higher than the active one, 5");
	assert_int_equal(activate(catalog, 7), PQ_ENOTFOUND);
	assert_says("no revision with the sequence 7");
	pq_catalog_free(catalog);

	catalog = open_plain();
	assert_int_equal(active(catalog), 5);
	assert_int_equal(pq_catalog_list(catalog, &arena, &list, &n, &err), PQ_OK);
	assert_int_equal(n, 2);
	assert_false(list[0].active);
	assert_true(list[1].active);
	assert_string_equal(list[1].manifest.note, "two");
	assert_int_equal(n_proofs, 2);
	pq_catalog_free(catalog);
}

static void
test_opened_store_outlives(void **state)
{
	struct pq_catalog *catalog = open_plain();
	struct pq_store *store = NULL;

	(void)state;
	assert_int_equal(add(catalog, "one", 1), PQ_OK);
	assert_int_equal(pq_catalog_open_store(catalog, 1, 0, &store, &err), PQ_OK);
	assert_int_equal(pq_catalog_prune(catalog, 0, &act, NULL, &err), PQ_OK);
	pq_catalog_free(catalog);
	assert_int_equal(count_files(), 0);
	assert_string_equal(pq_store_get(store, "cases", NULL), "one");
	pq_store_free(store);
}

static void
test_same_again(void **state)
{
	struct pq_catalog *catalog = open_plain();
	struct pq_manifest manifest = make_store("one", 1);
	struct pq_catalog_revision revision;
	bool added = true;

	(void)state;
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_OK);
	assert_int_equal(pq_catalog_add(catalog, &manifest, NULL, &act, &revision, &added, &err), PQ_OK);
	assert_false(added);
	assert_int_equal(revision.manifest.sequence, 1);
	strcpy(manifest.note, "another note");
	assert_int_equal(pq_catalog_add(catalog, &manifest, NULL, &act, NULL, NULL, &err), PQ_EFAILED);
	assert_says("is known already, and states something else");
	/* Equal content under another sequence needs no file, and is not proved again. */
	manifest.sequence = 2;
	assert_int_equal(pq_catalog_add(catalog, &manifest, NULL, &act, NULL, &added, &err), PQ_OK);
	assert_true(added);
	assert_int_equal(n_proofs, 1);
	assert_int_equal(count_files(), 1);
	pq_catalog_free(catalog);
}

static void
test_rollback(void **state)
{
	struct pq_catalog *catalog = open_plain();
	struct pq_manifest draft;
	struct pq_store *store;
	uint64_t next;

	(void)state;
	assert_int_equal(add(catalog, "one", 1), PQ_OK);
	assert_int_equal(add(catalog, "two", 2), PQ_OK);
	assert_int_equal(activate(catalog, 2), PQ_OK);
	assert_int_equal(pq_catalog_draft_rollback(catalog, 1, NOW, "back to one", &draft, &err), PQ_OK);
	assert_int_equal(draft.sequence, 3);
	assert_string_equal(draft.note, "back to one");
	assert_int_equal(pq_catalog_add(catalog, &draft, NULL, &act, NULL, NULL, &err), PQ_OK);
	assert_int_equal(pq_catalog_activate(catalog, 3, &act, &store, NULL, &err), PQ_OK);
	assert_string_equal(pq_store_get(store, "cases", NULL), "one");
	pq_store_free(store);
	/* The number of a pruned revision is not given out again. */
	assert_int_equal(add(catalog, "nine", 9), PQ_OK);
	assert_int_equal(pq_catalog_prune(catalog, 0, &act, NULL, &err), PQ_OK);
	assert_int_equal(pq_catalog_next_sequence(catalog, &next, &err), PQ_OK);
	assert_int_equal(next, 10);
	assert_int_equal(pq_catalog_draft_rollback(catalog, 9, NOW, "", &draft, &err), PQ_ENOTFOUND);
	assert_int_equal(add(catalog, "last", PQ_SEQUENCE_MAX), PQ_OK);
	assert_int_equal(pq_catalog_next_sequence(catalog, &next, &err), PQ_ELIMIT);
	assert_says("no sequence left");
	pq_catalog_free(catalog);
}

static void
test_plans(void **state)
{
	struct pq_catalog *catalog = open_plain();
	struct pq_catalog_revision revision;
	const struct pq_journal_record *records;
	uint64_t sequence;
	int64_t at;
	size_t n;

	(void)state;
	for (uint64_t i = 1; i <= 4; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%d", (int)i);
		assert_int_equal(add(catalog, text, i), PQ_OK);
	}
	assert_int_equal(pq_catalog_next_plan(catalog, &sequence, &at, &err), PQ_ENOTFOUND);
	assert_int_equal(pq_catalog_schedule(catalog, 9, NOW, &act, &err), PQ_ENOTFOUND);
	assert_int_equal(pq_catalog_schedule(catalog, 4, NOW + 300, &act, &err), PQ_OK);
	assert_int_equal(pq_catalog_schedule(catalog, 3, NOW + 100, &act, &err), PQ_OK);
	assert_int_equal(pq_catalog_schedule(catalog, 2, NOW + 200, &act, &err), PQ_OK);
	assert_int_equal(pq_catalog_next_plan(catalog, &sequence, &at, &err), PQ_OK);
	assert_int_equal(sequence, 3);
	assert_int_equal(at, NOW + 100);
	assert_int_equal(pq_catalog_get(catalog, 4, &revision, &err), PQ_OK);
	assert_true(revision.scheduled);
	assert_int_equal(revision.scheduled_s, NOW + 300);
	/* Pruning leaves what is planned. */
	assert_int_equal(pq_catalog_prune(catalog, 0, &act, &n, &err), PQ_OK);
	assert_int_equal(n, 1);
	/* Carrying one out cancels what it overtakes. */
	assert_int_equal(activate(catalog, 3), PQ_OK);
	assert_int_equal(pq_catalog_next_plan(catalog, &sequence, &at, &err), PQ_OK);
	assert_int_equal(sequence, 4);
	assert_int_equal(pq_catalog_schedule(catalog, 2, NOW, &act, &err), PQ_EFAILED);
	assert_int_equal(pq_catalog_cancel(catalog, 4, &act, &err), PQ_OK);
	assert_int_equal(pq_catalog_cancel(catalog, 4, &act, &err), PQ_ENOTFOUND);
	assert_int_equal(pq_catalog_schedule(catalog, 4, NOW, &act, &err), PQ_OK);
	assert_int_equal(pq_catalog_schedule(catalog, 4, INT64_MAX, &act, &err), PQ_EINVAL);
	assert_int_equal(pq_catalog_refuse(catalog, 4, &act, &err), PQ_OK);
	assert_int_equal(pq_catalog_journal(catalog, 0, 1000, &arena, &records, &n, &err), PQ_OK);
	assert_int_equal(n, 13);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(records[i].id, i + 1);
	assert_int_equal(records[7].action, PQ_JOURNAL_PRUNED);
	assert_int_equal(records[8].action, PQ_JOURNAL_ACTIVATED);
	assert_int_equal(records[9].action, PQ_JOURNAL_CANCELLED);
	assert_int_equal(records[9].sequence, 2);
	assert_string_equal(records[9].remark, "overtaken by the sequence 3");
	assert_int_equal(records[10].action, PQ_JOURNAL_CANCELLED);
	assert_int_equal(records[11].action, PQ_JOURNAL_SCHEDULED);
	assert_int_equal(records[12].action, PQ_JOURNAL_REFUSED);
	assert_string_equal(records[12].remark, "because");
	assert_string_equal(records[12].actor, "alice");
	/* In pieces. */
	assert_int_equal(pq_catalog_journal(catalog, 11, 1, &arena, &records, &n, &err), PQ_OK);
	assert_int_equal(n, 1);
	assert_int_equal(records[0].id, 12);
	assert_int_equal(pq_catalog_journal(catalog, 13, 9, &arena, &records, &n, &err), PQ_OK);
	assert_int_equal(n, 0);
	assert_int_equal(pq_catalog_journal(catalog, UINT64_MAX, 9, &arena, &records, &n, &err), PQ_OK);
	assert_int_equal(n, 0);
	pq_catalog_free(catalog);
}

static void
test_texts_are_cleaned(void **state)
{
	struct pq_catalog *catalog = open_plain();
	struct pq_catalog_act wild = {.actor = "a\x1b[1m\xff\xc3\xa4", .time_s = -5, .remark = NULL};
	struct pq_manifest manifest = make_store("one", 1);
	const struct pq_journal_record *records;
	size_t n;

	(void)state;
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_OK);
	assert_int_equal(pq_catalog_activate(catalog, 1, &wild, NULL, NULL, &err), PQ_OK);
	assert_int_equal(pq_catalog_journal(catalog, 1, 9, &arena, &records, &n, &err), PQ_OK);
	assert_string_equal(records[0].actor, "a?[1m?\xc3\xa4");
	assert_string_equal(records[0].remark, "");
	assert_int_equal(records[0].time_s, 0);
	pq_catalog_free(catalog);
}

/* ---- refused ---- */

static void
test_cases_fail(void **state)
{
	struct pq_catalog *catalog = open_plain();
	struct pq_catalog_revision revision;

	(void)state;
	assert_int_equal(add(catalog, "these fail", 1), PQ_EFAILED);
	assert_says("cases failed");
	assert_int_equal(pq_catalog_get(catalog, 1, &revision, &err), PQ_ENOTFOUND);
	assert_int_equal(count_files(), 0);
	pq_catalog_free(catalog);
}

/* What another program proved is proved again before this one activates it; without a prover nothing new comes in. */
static void
test_prover_changes(void **state)
{
	struct pq_catalog *catalog = open_plain();
	struct pq_catalog_options bare = {.prover = ""};
	struct pq_manifest manifest;

	(void)state;
	assert_int_equal(add(catalog, "one", 1), PQ_OK);
	pq_catalog_free(catalog);
	catalog = open_with(NULL, "2");
	assert_int_equal(n_proofs, 1);
	assert_int_equal(activate(catalog, 1), PQ_OK);
	assert_int_equal(n_proofs, 2);
	assert_int_equal(activate(catalog, 1), PQ_OK);
	assert_int_equal(n_proofs, 2);
	pq_catalog_free(catalog);
	catalog = NULL;
	assert_int_equal(pq_catalog_open(dir, &bare, &catalog, &err), PQ_OK);
	manifest = make_store("two", 2);
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_EFAILED);
	assert_says("has not been proved");
	assert_int_equal(activate(catalog, 1), PQ_OK);
	assert_int_equal(count_files(), 1);
	pq_catalog_free(catalog);
}

static void
test_wrong_files(void **state)
{
	struct pq_catalog *catalog = open_plain();
	struct pq_manifest manifest = make_store("one", 1);
	char command[512];

	(void)state;
	snprintf(command, sizeof(command),
	         "cd %s && cp store.mdb damaged && printf X | dd of=damaged bs=1 seek=9000 conv=notrunc 2>/dev/null && "
	         "head -c 100 store.mdb >short && cp store.mdb long && echo >>long",
	         root);
	assert_int_equal(system(command), 0);
	assert_int_equal(add_file(catalog, &manifest, in_root("damaged")), PQ_ECORRUPT);
	assert_says("is damaged");
	assert_int_equal(add_file(catalog, &manifest, in_root("short")), PQ_ECORRUPT);
	assert_says("100 bytes, by the manifest");
	assert_int_equal(add_file(catalog, &manifest, in_root("long")), PQ_ECORRUPT);
	assert_int_equal(add_file(catalog, &manifest, root), PQ_EINVAL);
	assert_says("is not a regular file");
	assert_int_equal(pq_catalog_add(catalog, &manifest, NULL, &act, NULL, NULL, &err), PQ_ENOTFOUND);
	manifest.digest[0] ^= 1;
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_ECORRUPT);
	assert_says("is not the store of the manifest");
	manifest.sequence = 0;
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_EINVAL);
	assert_string_equal(err.where, "sequence");
	assert_int_equal(count_files(), 0);
	pq_catalog_free(catalog);
}

/* A store that rots in its place is not activated, and is replaced when it is added again. */
static void
test_rot(void **state)
{
	struct pq_catalog *catalog = open_plain();
	struct pq_manifest manifest = make_store("one", 1);
	struct pq_store *store = NULL;
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_OK);
	assert_int_equal(pq_catalog_store_path(catalog, manifest.digest, path, &err), PQ_OK);
	int fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "rot", 3, 9000), 3);
	close(fd);
	assert_int_equal(activate(catalog, 1), PQ_ECORRUPT);
	assert_int_equal(active(catalog), 0);
	assert_int_equal(pq_catalog_open_store(catalog, 1, 0, &store, &err), PQ_ECORRUPT);
	assert_null(store);
	manifest.sequence = 2;
	assert_int_equal(pq_catalog_add(catalog, &manifest, NULL, &act, NULL, NULL, &err), PQ_ECORRUPT);
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_OK);
	assert_int_equal(activate(catalog, 1), PQ_OK);
	/* And one that is gone comes back. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(activate(catalog, 2), PQ_ENOTFOUND);
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_OK);
	assert_int_equal(activate(catalog, 2), PQ_OK);
	pq_catalog_free(catalog);
}

static struct pq_key *
new_key(const char *name, struct pq_trust **ret_trust)
{
	char id[PQ_KEY_ID_BYTES];
	char public_name[32];
	struct pq_key *key;

	snprintf(public_name, sizeof(public_name), "%s.pub", name);
	const char *public_path = in_root(public_name);
	assert_int_equal(pq_key_generate(in_root(name), public_path, id, &err), PQ_OK);
	assert_int_equal(pq_key_load(in_root(name), &key, &err), PQ_OK);
	assert_int_equal(pq_trust_load(&public_path, 1, ret_trust, &err), PQ_OK);
	return key;
}

static void
test_signatures(void **state)
{
	struct pq_trust *trust;
	struct pq_trust *trust_new;
	struct pq_key *key = new_key("old", &trust);
	struct pq_key *key_new = new_key("new", &trust_new);
	struct pq_catalog *catalog = open_with(trust, "1");
	struct pq_manifest manifest = make_store("one", 1);
	struct pq_store *store = NULL;

	(void)state;
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_EFAILED);
	assert_says("is not signed");
	assert_int_equal(pq_manifest_sign(&manifest, key_new, &err), PQ_OK);
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_EFAILED);
	assert_says("by no trusted key");
	assert_int_equal(count_files(), 0);
	assert_int_equal(pq_manifest_sign(&manifest, key, &err), PQ_OK);
	manifest.n_signatures = 1; /* the new key's alone again */
	manifest.signatures[0] = manifest.signatures[1];
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_OK);
	assert_int_equal(activate(catalog, 1), PQ_OK);

	/* The keys change: what only the old one signed is not served any more, until the new one has signed it, too. */
	pq_catalog_set_trust(catalog, trust_new);
	assert_int_equal(pq_catalog_open_store(catalog, 1, 0, &store, &err), PQ_EFAILED);
	assert_says("by no trusted key");
	assert_int_equal(activate(catalog, 1), PQ_EFAILED);
	assert_int_equal(pq_manifest_sign(&manifest, key_new, &err), PQ_OK);
	assert_int_equal(pq_catalog_add(catalog, &manifest, NULL, &act, NULL, NULL, &err), PQ_OK);
	assert_int_equal(pq_catalog_open_store(catalog, 1, 0, &store, &err), PQ_OK);
	pq_store_free(store);
	pq_catalog_free(catalog);
	pq_trust_free(trust);
	pq_trust_free(trust_new);
	pq_key_free(key);
	pq_key_free(key_new);
}

/* Signatures that nobody trusts cannot take the places of those that count. */
static void
test_crowded_out(void **state)
{
	struct pq_trust *trust;
	struct pq_trust *trust_new;
	struct pq_key *key = new_key("old", &trust);
	struct pq_key *key_new = new_key("new", &trust_new);
	struct pq_catalog *catalog = open_with(trust, "1");
	struct pq_manifest manifest = make_store("one", 1);
	struct pq_store *store = NULL;

	(void)state;
	assert_int_equal(pq_manifest_sign(&manifest, key, &err), PQ_OK);
	for (size_t i = 1; i < PQ_MANIFEST_SIGNATURES_MAX; i++)
		snprintf(manifest.signatures[i].key_id, PQ_KEY_ID_BYTES, "%016x", (unsigned)i);
	strcpy(manifest.signatures[3].key_id, pq_key_id(key_new));
	manifest.n_signatures = PQ_MANIFEST_SIGNATURES_MAX;
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_OK);
	manifest.n_signatures = 0;
	assert_int_equal(pq_manifest_sign(&manifest, key_new, &err), PQ_OK);
	pq_catalog_set_trust(catalog, trust_new);
	assert_int_equal(pq_catalog_open_store(catalog, 1, 0, &store, &err), PQ_EFAILED);
	assert_int_equal(pq_catalog_add(catalog, &manifest, NULL, &act, NULL, NULL, &err), PQ_OK);
	assert_int_equal(pq_catalog_open_store(catalog, 1, 0, &store, &err), PQ_OK);
	pq_store_free(store);
	pq_catalog_free(catalog);
	pq_trust_free(trust);
	pq_trust_free(trust_new);
	pq_key_free(key);
	pq_key_free(key_new);
}

static void
test_replay(void **state)
{
	struct pq_trust *trust;
	struct pq_key *key = new_key("key", &trust);
	struct pq_catalog *catalog = open_with(trust, "1");
	struct pq_manifest old = make_store("old law", 1);
	struct pq_manifest manifest;

	(void)state;
	assert_int_equal(pq_manifest_sign(&old, key, &err), PQ_OK);
	manifest = make_store("new law", 2);
	assert_int_equal(pq_manifest_sign(&manifest, key, &err), PQ_OK);
	assert_int_equal(add_file(catalog, &manifest, in_root("store.mdb")), PQ_OK);
	assert_int_equal(activate(catalog, 2), PQ_OK);
	/* Properly signed, and late. */
	make_store("old law", 1);
	assert_int_equal(add_file(catalog, &old, in_root("store.mdb")), PQ_EFAILED);
	assert_says("a rollback is a new sequence");
	/* The same with its number changed is not signed any more. */
	old.sequence = 3;
	assert_int_equal(add_file(catalog, &old, in_root("store.mdb")), PQ_EFAILED);
	assert_says("wrong signature");
	assert_int_equal(active(catalog), 2);
	assert_int_equal(count_files(), 1);
	pq_catalog_free(catalog);
	pq_trust_free(trust);
	pq_key_free(key);
}

/* ---- parts ---- */

static void
test_parts(void **state)
{
	struct pq_catalog *catalog = open_plain();
	struct pq_manifest manifest = make_store("one", 1);
	struct pq_catalog_source source = {.from = PQ_CATALOG_PART, .name = "https://example.org/one"};
	char bytes[65536];
	int second = -1;

	(void)state;
	int from = open(in_root("store.mdb"), O_RDONLY);
	ssize_t len = read(from, bytes, sizeof(bytes));
	close(from);
	assert_int_equal(len, manifest.size);
	assert_int_equal(pq_catalog_part_open(catalog, manifest.digest, &source.fd, &err), PQ_OK);
	assert_int_equal(pq_catalog_part_open(catalog, manifest.digest, &second, &err), PQ_EFAILED);
	assert_says("is being fetched already");
	assert_int_equal(pwrite(source.fd, bytes, 5000, 0), 5000);
	assert_int_equal(pq_catalog_add(catalog, &manifest, &source, &act, NULL, NULL, &err), PQ_ECORRUPT);
	assert_string_equal(err.where, source.name);
	/* It survives pruning while it is open, and restarts. */
	assert_int_equal(pq_catalog_prune(catalog, 9, &act, NULL, &err), PQ_OK);
	assert_int_equal(count_files(), 1);
	close(source.fd);
	pq_catalog_free(catalog);
	catalog = open_plain();
	assert_int_equal(count_files(), 1);
	assert_int_equal(pq_catalog_part_open(catalog, manifest.digest, &source.fd, &err), PQ_OK);
	assert_int_equal(lseek(source.fd, 0, SEEK_END), 5000);
	assert_int_equal(pwrite(source.fd, bytes + 5000, (size_t)len - 5000, 5000), len - 5000);
	assert_int_equal(pq_catalog_add(catalog, &manifest, &source, &act, NULL, NULL, &err), PQ_OK);
	close(source.fd);
	assert_int_equal(count_files(), 1);
	assert_true(pq_catalog_has_store(catalog, manifest.digest));
	assert_int_equal(activate(catalog, 1), PQ_OK);
	/* Nobody's part goes with pruning. */
	manifest.digest[0] ^= 1;
	assert_int_equal(pq_catalog_part_open(catalog, manifest.digest, &second, &err), PQ_OK);
	close(second);
	assert_int_equal(count_files(), 2);
	assert_int_equal(pq_catalog_prune(catalog, 9, &act, NULL, &err), PQ_OK);
	assert_int_equal(count_files(), 1);
	pq_catalog_free(catalog);
}

/* ---- directories ---- */

static void
test_one_at_a_time(void **state)
{
	struct pq_catalog *catalog = open_plain();
	struct pq_catalog_options options = {.create = true};
	struct pq_catalog *second = NULL;
	char who[64];

	(void)state;
	assert_int_equal(pq_catalog_open(dir, &options, &second, &err), PQ_EFAILED);
	snprintf(who, sizeof(who), "is in use by process %d (test_catalog)", (int)getpid());
	assert_says(who);
	assert_null(second);
	pq_catalog_free(catalog);
	assert_int_equal(pq_catalog_open(dir, &options, &second, &err), PQ_OK);
	pq_catalog_free(second);
}

static void
test_wrong_dirs(void **state)
{
	struct pq_catalog_options options = {.prove = prove};
	struct pq_catalog *catalog = NULL;
	char command[256];

	(void)state;
	assert_int_equal(pq_catalog_open(dir, &options, &catalog, &err), PQ_ENOTFOUND);
	assert_int_equal(pq_catalog_open(root, &options, &catalog, &err), PQ_ENOTFOUND);
	assert_says("is no revision directory");
	assert_int_equal(access(in_root("lock"), F_OK), -1); /* nothing is left in a folder that was named by mistake */
	assert_int_equal(pq_catalog_open("/dev/null", &options, &catalog, &err), PQ_EINVAL);
	options.create = true;
	assert_int_equal(pq_catalog_open(in_root("no/such"), &options, &catalog, &err), PQ_ENOTFOUND);
	pq_catalog_free(open_plain());
	snprintf(command, sizeof(command), "printf 'no catalog' >'%s/catalog.mdb'", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(pq_catalog_open(dir, &options, &catalog, &err), PQ_ECORRUPT);
	assert_non_null(strstr(err.where, "catalog.mdb"));
	snprintf(command, sizeof(command), "head -c 40000 /dev/urandom >'%s/catalog.mdb'", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(pq_catalog_open(dir, &options, &catalog, &err), PQ_ECORRUPT);
	assert_null(catalog);
}

static void
test_leftovers(void **state)
{
	struct pq_catalog *catalog = open_plain();
	char command[512];

	(void)state;
	assert_int_equal(add(catalog, "one", 1), PQ_OK);
	pq_catalog_free(catalog);
	snprintf(command, sizeof(command),
	         "cd %s && touch .catalog.mdb.abcdefghijklm.tmp revisions/.x.mdb.abcdefghijklm.tmp "
	         "revisions/$(printf %%064d 7).mdb revisions/somebodys-notes",
	         dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(count_files(), 4);
	catalog = open_plain();
	/* What is not ours is not touched. */
	assert_int_equal(count_files(), 2);
	snprintf(command, sizeof(command), "cd %s && test -e revisions/somebodys-notes && test ! -e .catalog.mdb.*.tmp",
	         dir);
	assert_int_equal(system(command), 0);
	pq_catalog_free(catalog);
}

/* Run `body` in a process whose only writable place is a file system of 128 KB, or a read-only one. 77: not permitted. */
static int
in_small_world(int (*body)(void), const char *options)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (mount("none", root, "tmpfs", 0, options) != 0)
			_exit(77);
		int code = body();
		umount2(root, MNT_DETACH);
		_exit(code);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Fill the disk by adding revisions; the one that does not fit leaves nothing, and the active one stays. */
static int
fill_disk(void)
{
	struct pq_catalog_options options = {.prove = prove, .prover = "1", .create = true};
	struct pq_catalog *catalog;
	static char text[20000];
	enum pq_status status = pq_catalog_open(dir, &options, &catalog, &err);

	if (status != PQ_OK)
		return 1;
	memset(text, 'x', sizeof(text) - 1);
	for (uint64_t i = 1; i < 100; i++) {
		struct pq_blob blob = {.key = "cases", .data = text, .len = sizeof(text)};
		struct pq_manifest manifest = {.sequence = i};

		text[0] = (char)i;
		if (pq_store_seal("/tmp/pq-catalog-fill.mdb", &blob, 1, NULL, &err) != PQ_OK)
			return 2;
		int fd = open("/tmp/pq-catalog-fill.mdb", O_RDONLY);
		struct pq_catalog_source source = {.from = PQ_CATALOG_COPY, .fd = fd, .name = "fill.mdb"};
		if (pq_store_check_fd(fd, "fill", manifest.digest, &manifest.size, &err) != PQ_OK)
			return 3;
		status = pq_catalog_add(catalog, &manifest, &source, &act, NULL, NULL, &err);
		close(fd);
		unlink("/tmp/pq-catalog-fill.mdb");
		bool added = status == PQ_OK;

		if (added)
			status = activate(catalog, i);
		if (status == PQ_OK)
			continue;
		/* Whichever of the two it was: what was active is. */
		bool says = strstr(err.msg, "No space left on device") != NULL || strstr(err.msg, "disk full") != NULL;
		bool kept = i > 2 && active(catalog) == i - 1 && count_files() == (int)(added ? i : i - 1);

		pq_catalog_free(catalog);
		if (pq_catalog_open(dir, &options, &catalog, &err) != PQ_OK || active(catalog) != i - 1)
			return 4;
		pq_catalog_free(catalog);
		return says && kept ? 0 : 5;
	}
	return 7;
}

static void
test_full_disk(void **state)
{
	(void)state;
	int code = in_small_world(fill_disk, "size=512k");

	if (code == 77)
		skip();
	assert_int_equal(code, 0);
}

static int
read_only(void)
{
	struct pq_catalog_options options = {.prove = prove, .prover = "1", .create = true};
	struct pq_catalog *catalog = NULL;

	if (pq_catalog_open(dir, &options, &catalog, &err) != PQ_OK)
		return 1;
	pq_catalog_free(catalog);
	if (mount("none", root, "tmpfs", MS_REMOUNT | MS_RDONLY, "") != 0)
		return 2;
	if (pq_catalog_open(dir, &options, &catalog, &err) != PQ_EIO)
		return 3;
	return strstr(err.msg, "is not writable") != NULL && strstr(err.msg, "Read-only") != NULL ? 0 : 4;
}

static void
test_read_only(void **state)
{
	(void)state;
	int code = in_small_world(read_only, "size=512k");

	if (code == 77)
		skip();
	assert_int_equal(code, 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_publish_activate),
		T(test_opened_store_outlives),
		T(test_same_again),
		T(test_rollback),
		T(test_plans),
		T(test_texts_are_cleaned),
		T(test_cases_fail),
		T(test_prover_changes),
		T(test_wrong_files),
		T(test_rot),
		T(test_signatures),
		T(test_crowded_out),
		T(test_replay),
		T(test_parts),
		T(test_wrong_dirs),
		T(test_one_at_a_time),
		T(test_leftovers),
		T(test_full_disk),
		T(test_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

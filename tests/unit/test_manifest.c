#include "policy/status.h"
#include "storage/manifest.h"
#include "storage/store.h"
#include "tests/support/tiny_store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define STATEMENT                                                                                            \
	"{\"created\":\"2026-11-24T16:30:00Z\","                                                                 \
	"\"digest\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\",\"note\":\"Cambodia\"," \
	"\"sequence\":7,\"size\":6561848,\"type\":\"pratique.revision.v1\"}\n"

static char dir[64];

static const char *
at(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static int
make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/pq-manifest-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static void
put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
}

static struct pq_manifest
sample(void)
{
	struct pq_manifest manifest = {.sequence = 7, .size = 6561848, .note = "Cambodia"};

	for (uint8_t i = 0; i < PQ_DIGEST_BYTES; i++)
		manifest.digest[i] = i;
	assert_int_equal(pq_time_parse("2026-11-24T16:30:00Z", "t", &manifest.created_s, NULL), PQ_OK);
	return manifest;
}

static struct pq_key *
new_key(const char *name)
{
	char private_name[64];
	char public_name[64];
	char id[PQ_KEY_ID_BYTES];
	struct pq_key *key;
	struct pq_err err;

	snprintf(private_name, sizeof(private_name), "%s.key", name);
	snprintf(public_name, sizeof(public_name), "%s.pub", name);
	if (access(at(private_name), F_OK) != 0)
		assert_int_equal(pq_key_generate(at(private_name), at(public_name), id, &err), PQ_OK);
	assert_int_equal(pq_key_load(at(private_name), &key, &err), PQ_OK);
	return key;
}

static struct pq_trust *
trust_of(const char *name)
{
	const char *path = at(name);
	struct pq_trust *trust;

	assert_int_equal(pq_trust_load(&path, 1, &trust, NULL), PQ_OK);
	return trust;
}

/* ---- text ---- */

static void
test_text_is_one(void **state)
{
	struct pq_manifest manifest = sample();
	struct pq_manifest again;
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	size_t len;
	struct pq_err err;

	(void)state;
	assert_int_equal(pq_manifest_format(&manifest, text, &len, &err), PQ_OK);
	assert_string_equal(text, STATEMENT);
	assert_int_equal(pq_manifest_parse(text, len, "m", &again, &err), PQ_OK);
	assert_true(pq_manifest_same_statement(&manifest, &again));
}

static void
test_largest_fits(void **state)
{
	struct pq_manifest manifest = sample();
	struct pq_manifest again;
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	size_t len;

	(void)state;
	memset(manifest.note, '"', PQ_MANIFEST_NOTE_MAX);
	manifest.sequence = PQ_SEQUENCE_MAX;
	manifest.size = INT64_MAX;
	for (int i = 0; i < PQ_MANIFEST_SIGNATURES_MAX; i++) {
		snprintf(manifest.signatures[i].key_id, PQ_KEY_ID_BYTES, "%016x", (unsigned)i);
		memset(manifest.signatures[i].bytes, 200 + i, PQ_SIGNATURE_BYTES);
	}
	manifest.n_signatures = PQ_MANIFEST_SIGNATURES_MAX;
	assert_int_equal(pq_manifest_format(&manifest, text, &len, NULL), PQ_OK);
	assert_int_equal(pq_manifest_parse(text, len, "m", &again, NULL), PQ_OK);
	assert_true(pq_manifest_same_statement(&manifest, &again));
	assert_int_equal(again.n_signatures, PQ_MANIFEST_SIGNATURES_MAX);
	assert_memory_equal(again.signatures[7].bytes, manifest.signatures[7].bytes, PQ_SIGNATURE_BYTES);
}

/* Nothing that is cut short is taken, unless it is cut behind a line: then it is a manifest with fewer signatures. */
static void
test_truncated(void **state)
{
	struct pq_manifest manifest = sample();
	struct pq_manifest ret = {0};
	struct pq_key *key = new_key("cut");
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	size_t len;
	struct pq_err err;

	(void)state;
	assert_int_equal(pq_manifest_sign(&manifest, key, &err), PQ_OK);
	assert_int_equal(pq_manifest_format(&manifest, text, &len, &err), PQ_OK);
	for (size_t i = 0; i < len; i++) {
		enum pq_status status = pq_manifest_parse(text, i, "m", &ret, &err);

		if (i > 0 && text[i - 1] == '\n')
			assert_int_equal(status, PQ_OK);
		else
			assert_int_equal(status, PQ_EPARSE);
	}
	assert_int_equal(pq_manifest_parse(text, 0, "m", &ret, &err), PQ_EPARSE);
	assert_string_equal(err.msg, "is empty, not a manifest");
	assert_int_equal(pq_manifest_parse(text, len - 1, "m", &ret, &err), PQ_EPARSE);
	assert_non_null(strstr(err.msg, "is cut short"));
	assert_int_equal(err.line, 2);
	pq_key_free(key);
}

/* One bit of the statement, anywhere, and it is no manifest or its signature is wrong. */
static void
test_any_bit(void **state)
{
	struct pq_manifest manifest = sample();
	struct pq_key *key = new_key("bit");
	struct pq_trust *trust = trust_of("bit.pub");
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	size_t len;
	unsigned refused = 0;

	(void)state;
	assert_int_equal(pq_manifest_sign(&manifest, key, NULL), PQ_OK);
	assert_int_equal(pq_manifest_format(&manifest, text, &len, NULL), PQ_OK);
	for (size_t bit = 0; bit < len * 8; bit++) {
		struct pq_manifest ret;

		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
		if (pq_manifest_parse(text, len, "m", &ret, NULL) != PQ_OK ||
		    pq_manifest_verify(&ret, trust, "m", NULL, NULL) != PQ_OK)
			refused++;
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
	}
	assert_int_equal(refused, len * 8);
	pq_trust_free(trust);
	pq_key_free(key);
}

static void
test_wrong_texts(void **state)
{
	static const struct {
		const char *from, *to; /* in STATEMENT */
		enum pq_status status;
		const char *says;
	} table[] = {
		{"\"sequence\":7", "\"sequence\":0", PQ_EPARSE, "\"sequence\" must be more than 0"},
		{"\"sequence\":7", "\"sequence\":-7", PQ_EPARSE, "\"sequence\" must be more than 0"},
		{"\"sequence\":7", "\"sequence\":7.0", PQ_EPARSE, "is not a manifest"},
		{"\"sequence\":7", "\"sequence\":99999999999999999999", PQ_EPARSE, "too big integer"},
		{"\"sequence\":7", "\"sequence\":7,\"sequence\":8", PQ_EPARSE, "duplicate"},
		{"\"sequence\":7,", "", PQ_EPARSE, "sequence"},
		{"\"size\":", "\"more\":1,\"size\":", PQ_EPARSE, "more"},
		{"\"size\":6561848", "\"size\":0", PQ_EPARSE, "\"size\" must be more than 0"},
		{"\"sequence\":7", "\"sequence\": 7", PQ_EPARSE, "in the one way"},
		{"Cambodia", "\\u0043ambodia", PQ_EPARSE, "in the one way"},
		{"Cambodia", "Cam\\nbodia", PQ_EPARSE, "\"note\" must be one line"},
		{"Cambodia", "Cam\xff", PQ_EPARSE, "unable to decode"},
		{"0001020", "000102G", PQ_EPARSE, "\"digest\" must be 64"},
		{"0001020", "00010", PQ_EPARSE, "\"digest\" must be 64"},
		{"2026-11-24T", "2026-11-31T", PQ_EPARSE, "is no time in UTC"},
		{"2026-11-24T", "2026-11-24 ", PQ_EPARSE, "is no time in UTC"},
		{"revision.v1", "revision.v2", PQ_EFORMAT, "pratique.revision.v1"},
		{"pratique.revision.v1", "something", PQ_EPARSE, "is not a manifest"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[1024];
		struct pq_manifest ret;
		struct pq_err err = {0};
		const char *found = strstr(STATEMENT, table[i].from);

		snprintf(text, sizeof(text), "%.*s%s%s", (int)(found - STATEMENT), STATEMENT, table[i].to,
		         found + strlen(table[i].from));
		assert_int_equal(pq_manifest_parse(text, strlen(text), "m", &ret, &err), table[i].status);
		if (strstr(err.msg, table[i].says) == NULL)
			fail_msg("%s: %s", table[i].to, err.msg);
		assert_string_equal(err.where, "m");
	}
}

static void
test_wrong_signature_lines(void **state)
{
	struct pq_manifest manifest = sample();
	struct pq_key *key = new_key("lines");
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	char twice[2 * PQ_MANIFEST_BYTES_MAX];
	size_t len;
	struct pq_manifest ret;
	struct pq_err err;

	(void)state;
	assert_int_equal(pq_manifest_sign(&manifest, key, NULL), PQ_OK);
	assert_int_equal(pq_manifest_format(&manifest, text, &len, NULL), PQ_OK);
	snprintf(twice, sizeof(twice), "%s%s", text, strchr(text, '\n') + 1);
	assert_int_equal(pq_manifest_parse(twice, strlen(twice), "m", &ret, &err), PQ_EPARSE);
	assert_non_null(strstr(err.msg, "second signature"));
	snprintf(twice, sizeof(twice), "%snonsense\n", text);
	assert_int_equal(pq_manifest_parse(twice, strlen(twice), "m", &ret, &err), PQ_EPARSE);
	assert_int_equal(err.line, 3);
	/* Another last letter before the padding gives the same bytes: such a text is not canonical. */
	text[len - 4]++;
	assert_int_equal(pq_manifest_parse(text, len, "m", &ret, &err), PQ_EPARSE);
	pq_key_free(key);
}

static void
test_wrong_fields(void **state)
{
	struct pq_manifest manifest = sample();
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	struct pq_err err;

	(void)state;
	manifest.sequence = 0;
	assert_int_equal(pq_manifest_format(&manifest, text, NULL, &err), PQ_EINVAL);
	assert_string_equal(err.where, "sequence");
	manifest = sample();
	manifest.sequence = PQ_SEQUENCE_MAX + 1;
	assert_int_equal(pq_manifest_format(&manifest, text, NULL, &err), PQ_EINVAL);
	manifest = sample();
	strcpy(manifest.note, "two\nlines");
	assert_int_equal(pq_manifest_format(&manifest, text, NULL, &err), PQ_EINVAL);
	assert_string_equal(err.where, "note");
	strcpy(manifest.note, "\xff");
	assert_int_equal(pq_manifest_format(&manifest, text, NULL, &err), PQ_EINVAL);
	manifest = sample();
	manifest.created_s = -1;
	assert_int_equal(pq_manifest_format(&manifest, text, NULL, &err), PQ_EINVAL);
	assert_string_equal(err.where, "created");
}

/* ---- signatures ---- */

static void
test_trust(void **state)
{
	struct pq_manifest manifest = sample();
	struct pq_key *one = new_key("one");
	struct pq_key *two = new_key("two");
	struct pq_trust *trust = trust_of("one.pub");
	char id[PQ_KEY_ID_BYTES] = "?";
	struct pq_err err;

	(void)state;
	assert_int_equal(pq_manifest_verify(&manifest, NULL, "m", id, &err), PQ_OK);
	assert_string_equal(id, "");
	assert_int_equal(pq_manifest_verify(&manifest, trust, "m", id, &err), PQ_EFAILED);
	assert_non_null(strstr(err.msg, "is not signed"));
	assert_int_equal(pq_manifest_sign(&manifest, two, &err), PQ_OK);
	assert_int_equal(pq_manifest_verify(&manifest, trust, "m", id, &err), PQ_EFAILED);
	assert_non_null(strstr(err.msg, pq_key_id(two)));
	assert_int_equal(pq_manifest_sign(&manifest, one, &err), PQ_OK);
	assert_int_equal(pq_manifest_verify(&manifest, trust, "m", id, &err), PQ_OK);
	assert_string_equal(id, pq_key_id(one));
	assert_int_equal(manifest.n_signatures, 2);
	assert_int_equal(pq_manifest_sign(&manifest, one, &err), PQ_OK);
	assert_int_equal(manifest.n_signatures, 2);
	manifest.sequence = 8;
	assert_int_equal(pq_manifest_verify(&manifest, trust, "m", id, &err), PQ_EFAILED);
	assert_non_null(strstr(err.msg, "wrong signature"));
	pq_trust_free(trust);
	pq_key_free(one);
	pq_key_free(two);
}

/* A signature that claims the id of a trusted key but was made by another. */
static void
test_borrowed_id(void **state)
{
	struct pq_manifest manifest = sample();
	struct pq_key *one = new_key("one");
	struct pq_key *two = new_key("two");
	struct pq_trust *trust = trust_of("one.pub");
	struct pq_err err;

	(void)state;
	assert_int_equal(pq_manifest_sign(&manifest, two, NULL), PQ_OK);
	strcpy(manifest.signatures[0].key_id, pq_key_id(one));
	assert_int_equal(pq_manifest_verify(&manifest, trust, "m", NULL, &err), PQ_EFAILED);
	assert_non_null(strstr(err.msg, "wrong signature"));
	pq_trust_free(trust);
	pq_key_free(one);
	pq_key_free(two);
}

static void
test_key_files(void **state)
{
	char id[PQ_KEY_ID_BYTES];
	struct pq_key *key = NULL;
	struct stat st;
	struct pq_err err;

	(void)state;
	assert_int_equal(pq_key_generate(at("k.key"), at("k.pub"), id, &err), PQ_OK);
	assert_int_equal(stat(at("k.key"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(pq_key_generate(at("k.key"), at("other.pub"), id, &err), PQ_EINVAL);
	assert_int_equal(access(at("other.pub"), F_OK), -1);
	/* Neither is left where one cannot be. */
	assert_int_equal(pq_key_generate(at("new.key"), at("k.pub"), id, &err), PQ_EINVAL);
	assert_int_equal(access(at("new.key"), F_OK), -1);
	assert_int_equal(pq_key_generate(at("no/k.key"), at("no/k.pub"), id, &err), PQ_ENOTFOUND);

	assert_int_equal(pq_key_load(at("k.pub"), &key, &err), PQ_EINVAL); /* 0644, as no private key should be */
	assert_int_equal(chmod(at("k.pub"), 0600), 0);
	assert_int_equal(pq_key_load(at("k.pub"), &key, &err), PQ_EPARSE);
	assert_int_equal(chmod(at("k.key"), 0644), 0);
	assert_int_equal(pq_key_load(at("k.key"), &key, &err), PQ_EINVAL);
	assert_non_null(strstr(err.msg, "everybody"));
	assert_int_equal(pq_key_load(at("none"), &key, &err), PQ_ENOTFOUND);
	assert_int_equal(pq_key_load(dir, &key, &err), PQ_EINVAL);
	assert_null(key);
}

static void
test_trust_files(void **state)
{
	const char *paths[3];
	struct pq_trust *trust = NULL;
	struct pq_key *one = new_key("one");
	struct pq_key *two = new_key("two");
	char command[512];
	struct pq_err err;

	(void)state;
	assert_int_equal(pq_trust_load(paths, 0, &trust, &err), PQ_EINVAL);
	/* Several keys in one file, several files, one key twice. */
	snprintf(command, sizeof(command),
	         "cd %s && cat one.pub two.pub >both.pub && head -c 60 two.pub >half && "
	         "cat one.pub half >damaged.pub && openssl genpkey -algorithm rsa -out rsa.key 2>/dev/null && "
	         "chmod 600 rsa.key && openssl pkey -in rsa.key -pubout -out rsa.pub",
	         dir);
	assert_int_equal(system(command), 0);
	paths[0] = at("one.pub");
	paths[1] = at("both.pub");
	assert_int_equal(pq_trust_load(paths, 2, &trust, &err), PQ_OK);
	assert_int_equal(pq_trust_count(trust), 2);
	assert_string_equal(pq_trust_id(trust, 0), pq_key_id(one));
	assert_string_equal(pq_trust_id(trust, 1), pq_key_id(two));
	pq_trust_free(trust);
	trust = NULL;
	paths[0] = at("damaged.pub");
	assert_int_equal(pq_trust_load(paths, 1, &trust, &err), PQ_EPARSE);
	assert_non_null(strstr(err.msg, "damaged"));
	paths[0] = at("one.key");
	assert_int_equal(pq_trust_load(paths, 1, &trust, &err), PQ_EINVAL);
	assert_non_null(strstr(err.msg, "private key"));
	paths[0] = at("rsa.pub");
	assert_int_equal(pq_trust_load(paths, 1, &trust, &err), PQ_EPARSE);
	put(at("empty"), "");
	paths[0] = at("empty");
	assert_int_equal(pq_trust_load(paths, 1, &trust, &err), PQ_EPARSE);
	assert_non_null(strstr(err.msg, "no public key"));
	assert_null(trust);
	pq_key_free(one);
	assert_int_equal(pq_key_load(at("rsa.key"), &one, &err), PQ_EPARSE);
	assert_non_null(strstr(err.msg, "Ed25519"));
	pq_key_free(two);
}

/* docs/revisions.md says how to verify by hand: the signature is one that OpenSSL's own program accepts. */
static void
test_openssl_agrees(void **state)
{
	struct pq_manifest manifest = sample();
	struct pq_key *key = new_key("one");
	char command[512];

	(void)state;
	assert_int_equal(pq_manifest_sign(&manifest, key, NULL), PQ_OK);
	assert_int_equal(pq_manifest_write(&manifest, at("by-hand"), NULL), PQ_OK);
	snprintf(command, sizeof(command),
	         "cd %s && head -n 1 by-hand >statement && "
	         "sed -n 2p by-hand | cut -d' ' -f2 | base64 -d >signature && "
	         "openssl pkeyutl -verify -pubin -inkey one.pub -rawin -in statement -sigfile signature >/dev/null",
	         dir);
	assert_int_equal(system(command), 0);
	pq_key_free(key);
}

/* ---- files and stores ---- */

static void
test_files(void **state)
{
	struct pq_manifest manifest = sample();
	struct pq_manifest ret = {0};
	struct pq_err err;

	(void)state;
	assert_int_equal(pq_manifest_write(&manifest, at("m"), &err), PQ_OK);
	assert_int_equal(pq_manifest_read(at("m"), &ret, &err), PQ_OK);
	assert_true(pq_manifest_same_statement(&manifest, &ret));
	assert_int_equal(pq_manifest_read(at("none"), &ret, &err), PQ_ENOTFOUND);
	assert_int_equal(pq_manifest_read(dir, &ret, &err), PQ_EINVAL);
	put(at("not"), "hello\n");
	assert_int_equal(pq_manifest_read(at("not"), &ret, &err), PQ_EPARSE);
	assert_non_null(strstr(err.where, "/not"));
}

static void
test_store(void **state)
{
	struct pq_manifest manifest = sample();
	struct pq_store *store = NULL;
	struct pq_err err;
	char damaged;

	(void)state;
	tiny_store_seal(at("tiny.mdb"));
	int fd = open(at("tiny.mdb"), O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pq_manifest_check_store(&manifest, fd, "tiny", &err), PQ_ECORRUPT);
	assert_non_null(strstr(err.msg, "is not the store of the manifest: its SHA-256"));
	assert_int_equal(pq_store_open_fd(fd, "tiny", 0, manifest.digest, &store, &err), PQ_ECORRUPT);
	assert_non_null(strstr(err.msg, "is another store"));
	assert_int_equal(pq_store_check_fd(fd, "tiny", manifest.digest, &manifest.size, &err), PQ_OK);
	assert_int_equal(pq_manifest_check_store(&manifest, fd, "tiny", &err), PQ_OK);
	assert_int_equal(pq_store_open_fd(fd, "tiny", 0, manifest.digest, &store, &err), PQ_OK);
	assert_memory_equal(pq_store_digest(store), manifest.digest, PQ_DIGEST_BYTES);
	assert_int_equal(pq_store_size(store), manifest.size);
	pq_store_free(store);
	manifest.size++;
	assert_int_equal(pq_manifest_check_store(&manifest, fd, "tiny", &err), PQ_ECORRUPT);
	assert_non_null(strstr(err.msg, "bytes, by the manifest"));
	manifest.size--;
	assert_int_equal(pread(fd, &damaged, 1, 9000), 1);
	damaged = (char)(damaged ^ 1);
	assert_int_equal(pwrite(fd, &damaged, 1, 9000), 1);
	assert_int_equal(pq_manifest_check_store(&manifest, fd, "tiny", &err), PQ_ECORRUPT);
	assert_non_null(strstr(err.msg, "is damaged"));
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_is_one),  cmocka_unit_test(test_largest_fits),
		cmocka_unit_test(test_truncated),    cmocka_unit_test(test_any_bit),
		cmocka_unit_test(test_wrong_texts),  cmocka_unit_test(test_wrong_signature_lines),
		cmocka_unit_test(test_wrong_fields), cmocka_unit_test(test_trust),
		cmocka_unit_test(test_borrowed_id),  cmocka_unit_test(test_key_files),
		cmocka_unit_test(test_trust_files),  cmocka_unit_test(test_openssl_agrees),
		cmocka_unit_test(test_files),        cmocka_unit_test(test_store),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

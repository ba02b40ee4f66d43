/*
 * The sealed store: sealing, opening, reading, and every way in which a file can be no store.
 * ctest: labels=tsan
 */
#include "storage/limits.h"
#include "storage/pages.h"
#include "storage/store.h"
#include "storage/tempfile.h"
#include "storage/trailer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 600 /* enough for several leaves and a branch above them */
#define BIG ((size_t)5 << 20)
#define TOUCHED 0x5a

static char folder[PATH_MAX / 2];
static struct pq_err err;

/* ---- fixtures ---- */

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
	snprintf(folder, sizeof(folder), "%s/pq-store.XXXXXX", tmp != NULL ? tmp : "/tmp");
	memset(&err, 0, sizeof(err));
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
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

static unsigned
count_entries(const char *path)
{
	DIR *stream = opendir(path);
	unsigned n = 0;

	assert_non_null(stream);
	while (readdir(stream) != NULL)
		n++;
	closedir(stream);
	return n;
}

static unsigned
files_in_folder(void)
{
	return count_entries(folder) - 2;
}

struct bytes {
	uint8_t *data;
	size_t len;
};

static struct bytes
slurp(const char *path)
{
	struct bytes bytes;
	struct stat st;
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	bytes.len = (size_t)st.st_size;
	bytes.data = malloc(bytes.len + 1);
	assert_non_null(bytes.data);
	assert_int_equal(fread(bytes.data, 1, bytes.len, file), bytes.len);
	fclose(file);
	return bytes;
}

static void
spit(const char *path, const void *data, size_t len)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* Give changed bytes a trailer that fits, as a hostile writer would; `len` counts the trailer. */
static void
forge(uint8_t *data, size_t len, uint32_t version)
{
	struct pq_trailer trailer = {.version = version, .length = len - PQ_TRAILER_BYTES};
	unsigned digest_len = 0;

	assert_int_equal(EVP_Digest(data, trailer.length, trailer.digest, &digest_len, EVP_sha256(), NULL), 1);
	pq_trailer_encode(&trailer, data + trailer.length);
}

/* ---- blobs ---- */

struct sample {
	struct pq_blob blobs[MANY];
	char keys[MANY][PQ_BLOB_KEY_MAX + 1];
	size_t n;
};

static size_t
sample_len(size_t i)
{
	/* All lengths around the end of a page, an empty one, and a big one. */
	if (i == 0)
		return 0;
	if (i == 1)
		return BIG;
	return i < 100 ? i : 4000 + i % 200;
}

/* Keys of 1 to 200 bytes, not in order; contents differ from blob to blob. */
static struct sample *
make_sample(size_t n)
{
	struct sample *sample = calloc(1, sizeof(*sample));

	assert_non_null(sample);
	sample->n = n;
	for (size_t i = 0; i < n; i++) {
		size_t len = sample_len(i);
		uint8_t *data = malloc(len + 1);
		size_t key_len = (size_t)snprintf(sample->keys[i], sizeof(sample->keys[i]), "%zu/", i * 7919 % 10007);

		assert_non_null(data);
		for (size_t at = 0; at < len; at++)
			data[at] = (uint8_t)(at * 31 + i + (at >> 8));
		memset(sample->keys[i] + key_len, 'k', i % (PQ_BLOB_KEY_MAX - key_len + 1));
		sample->blobs[i] = (struct pq_blob){.key = sample->keys[i], .data = data, .len = len};
	}
	memset(sample->keys[0], 0, sizeof(sample->keys[0]));
	memcpy(sample->keys[0], "\xff", 2); /* one byte, and sorted after all others */
	return sample;
}

static void
free_sample(struct sample *sample)
{
	for (size_t i = 0; i < sample->n; i++)
		free((void *)(uintptr_t)sample->blobs[i].data);
	free(sample);
}

static void
seal(const char *path, const struct pq_blob *blobs, size_t n, uint8_t *ret_digest)
{
	if (pq_store_seal(path, blobs, n, ret_digest, &err) != PQ_OK)
		fail_msg("%s: %s", err.where, err.msg);
}

static struct pq_store *
open_store(const char *path)
{
	struct pq_store *store = NULL;

	if (pq_store_open(path, 0, NULL, &store, &err) != PQ_OK)
		fail_msg("%s: %s", err.where, err.msg);
	return store;
}

static const struct pq_blob two_blobs[] = {
	{.key = "b", .data = "second", .len = 6},
	{.key = "a", .data = "first", .len = 5},
};

/* A small valid store: two meta pages, a leaf, two values. */
static struct bytes
two_blobs_file(void)
{
	seal(in_folder("two.mdb"), two_blobs, 2, NULL);
	return slurp(in_folder("two.mdb"));
}

static void
expect_open_fails(const char *path, enum pq_status status, const char *text)
{
	struct pq_store *store = (void *)&err;
	unsigned descriptors = count_entries("/proc/self/fd");

	memset(&err, 0, sizeof(err));
	enum pq_status got = pq_store_open(path, 0, NULL, &store, &err);

	if (got != status || strstr(err.msg, text) == NULL)
		fail_msg("expected %s with '%s', got %s: %s", pq_status_text(status), text, pq_status_text(got), err.msg);
	assert_int_equal(err.status, status);
	assert_string_equal(err.where, path);
	assert_ptr_equal(store, &err);
	assert_int_equal(count_entries("/proc/self/fd"), descriptors);
}

static void
expect_bytes_fail(const uint8_t *data, size_t len, enum pq_status status, const char *text)
{
	spit(in_folder("bad.mdb"), data, len);
	expect_open_fails(in_folder("bad.mdb"), status, text);
}

/* ---- round trip ---- */

static void
check_sample(const struct pq_store *store, const struct sample *sample)
{
	size_t n;
	const struct pq_blob *blobs = pq_store_blobs(store, &n);

	assert_int_equal(n, sample->n);
	for (size_t i = 1; i < n; i++)
		assert_true(strcmp(blobs[i - 1].key, blobs[i].key) < 0);
	for (size_t i = 0; i < n; i++) {
		size_t len = 0;
		const void *data = pq_store_get(store, sample->blobs[i].key, &len);

		assert_non_null(data);
		assert_int_equal(len, sample->blobs[i].len);
		assert_memory_equal(data, sample->blobs[i].data, len);
		assert_int_equal(((uintptr_t)data + PQ_PAYLOAD_OFFSET) % PQ_PAYLOAD_ALIGN, 0);
	}
}

static void
test_round_trip(void **state)
{
	struct sample *sample = make_sample(MANY);
	uint8_t digest[PQ_DIGEST_BYTES];
	struct stat st;

	(void)state;
	seal(in_folder("s.mdb"), sample->blobs, sample->n, digest);
	struct pq_store *store = open_store(in_folder("s.mdb"));

	check_sample(store, sample);
	assert_null(pq_store_get(store, "no such key", NULL));
	assert_null(pq_store_get(store, "", NULL));
	assert_non_null(pq_store_get(store, sample->blobs[1].key, NULL));
	assert_memory_equal(pq_store_digest(store), digest, sizeof(digest));
	assert_string_equal(pq_store_path(store), in_folder("s.mdb"));
	assert_int_equal(stat(in_folder("s.mdb"), &st), 0);
	assert_int_equal(pq_store_size(store), st.st_size);
	assert_int_equal(st.st_mode & 0600, 0600);
	pq_store_free(store);
	pq_store_free(NULL);
	free_sample(sample);
	assert_int_equal(files_in_folder(), 1); /* no lock file, no temporary */
	assert_int_equal(err.status, PQ_OK);
}

static void
test_every_length_around_a_page(void **state)
{
	struct pq_blob blob = {.key = "k"};
	uint8_t data[3 * 4096];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i % 251 + 1);
	blob.data = data;
	for (blob.len = 4096 - 40; blob.len < 4096 + 8; blob.len++) {
		seal(in_folder("s.mdb"), &blob, 1, NULL);
		struct pq_store *store = open_store(in_folder("s.mdb"));
		const void *got = pq_store_get(store, "k", &len);

		assert_int_equal(len, blob.len);
		assert_memory_equal(got, data, len);
		/* A blob that leaves no room for its length moves to a second page. */
		if (sysconf(_SC_PAGESIZE) == 4096)
			assert_int_equal(pq_store_size(store), (blob.len <= 4072 ? 4 : 5) * 4096 + PQ_TRAILER_BYTES);
		pq_store_free(store);
	}
}

/* The commands of docs/store-format.md: what sha256sum says of all but the trailer is what the trailer says. */
static void
test_trailer_bytes(void **state)
{
	struct bytes file = two_blobs_file();
	const uint8_t *trailer = file.data + file.len - PQ_TRAILER_BYTES;
	uint8_t digest[PQ_DIGEST_BYTES];
	char hex[PQ_DIGEST_HEX_BYTES];
	uint64_t length;

	(void)state;
	assert_memory_equal(trailer, "PQTRAIL1\1\0\0\0\0\0\0\0", 16);
	memcpy(&length, trailer + 16, 8);
	assert_int_equal(length, file.len - 56);
	assert_int_equal(EVP_Digest(file.data, length, digest, NULL, EVP_sha256(), NULL), 1);
	assert_memory_equal(trailer + 24, digest, sizeof(digest));
	free(file.data);

	memset(digest, 0, sizeof(digest));
	digest[0] = 0x0f;
	digest[31] = 0xa0;
	pq_digest_hex(digest, hex);
	assert_string_equal(hex, "0f000000000000000000000000000000000000000000000000000000000000a0");
}

/* ---- equal input, equal file ---- */

/* Leave freed blocks of all sizes that LMDB may ask for, full of a pattern. */
static void
litter_heap(int pattern)
{
	void *blocks[2000];

	for (size_t i = 0; i < 2000; i++) {
		size_t len = 16 + i * 13 % 20000;

		blocks[i] = malloc(len);
		if (blocks[i] != NULL)
			memset(blocks[i], pattern, len);
	}
	for (size_t i = 0; i < 2000; i++)
		free(blocks[i]);
}

static void
test_equal_input_equal_file(void **state)
{
	struct sample *sample = make_sample(MANY);
	struct pq_blob *reversed = calloc(MANY, sizeof(*reversed));
	uint8_t digests[2][PQ_DIGEST_BYTES];

	(void)state;
	assert_non_null(reversed);
	for (size_t i = 0; i < MANY; i++)
		reversed[i] = sample->blobs[MANY - 1 - i];
	litter_heap(0xaa);
	seal(in_folder("one.mdb"), sample->blobs, MANY, digests[0]);
	litter_heap(0x55);
	seal(in_folder("two.mdb"), reversed, MANY, digests[1]);
	struct bytes one = slurp(in_folder("one.mdb"));
	struct bytes two = slurp(in_folder("two.mdb"));

	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.data, two.data, one.len);
	assert_memory_equal(digests[0], digests[1], PQ_DIGEST_BYTES);
	free(one.data);
	free(two.data);
	free(reversed);
	free_sample(sample);
}

/* ---- files that are no store ---- */

static void
test_refuses_every_flipped_byte(void **state)
{
	struct bytes file = two_blobs_file();

	(void)state;
	/* Every byte of what LMDB and the trailer use, and a sample of the rest. */
	for (size_t i = 0; i < file.len; i += i % 4096 < 160 || i >= file.len - PQ_TRAILER_BYTES ? 1 : 37) {
		struct pq_store *store = NULL;

		file.data[i] ^= (uint8_t)(1u << i % 8);
		spit(in_folder("bad.mdb"), file.data, file.len);
		enum pq_status status = pq_store_open(in_folder("bad.mdb"), 0, NULL, &store, &err);

		if (status != PQ_ECORRUPT && status != PQ_EFORMAT)
			fail_msg("byte %zu flipped: %s", i, pq_status_text(status));
		assert_string_equal(err.where, in_folder("bad.mdb"));
		file.data[i] ^= (uint8_t)(1u << i % 8);
	}
	free(file.data);
}

static void
test_says_what_was_flipped(void **state)
{
	struct bytes file = two_blobs_file();
	size_t trailer = file.len - PQ_TRAILER_BYTES;
	const struct {
		size_t at;
		enum pq_status status;
		const char *text;
	} flips[] = {
		{0, PQ_ECORRUPT, "is damaged: its SHA-256 is "},
		{trailer - 1, PQ_ECORRUPT, "is damaged: its SHA-256 is "},
		{trailer, PQ_ECORRUPT, "no trailer, or a damaged one"},
		{trailer + 8, PQ_EFORMAT, "format version 0; this program reads version 1"},
		{trailer + 12, PQ_ECORRUPT, "bytes that must be zero"},
		{trailer + 16, PQ_ECORRUPT, "another length"},
		{trailer + 24, PQ_ECORRUPT, "is damaged: its SHA-256 is "},
		{trailer + 55, PQ_ECORRUPT, "is damaged: its SHA-256 is "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++) {
		file.data[flips[i].at] ^= 1;
		expect_bytes_fail(file.data, file.len, flips[i].status, flips[i].text);
		file.data[flips[i].at] ^= 1;
	}
	free(file.data);
}

static void
test_refuses_every_truncation(void **state)
{
	struct bytes file = two_blobs_file();

	(void)state;
	expect_bytes_fail(file.data, 0, PQ_ECORRUPT, "it has 0 bytes");
	expect_bytes_fail(file.data, 55, PQ_ECORRUPT, "it has 55 bytes");
	expect_bytes_fail(file.data, 100, PQ_EFORMAT, "is not a sealed store");
	expect_bytes_fail(file.data, 4096, PQ_ECORRUPT, "is cut short");
	for (size_t len = 152; len < file.len; len += len < 400 || len > file.len - 200 ? 1 : 509)
		expect_bytes_fail(file.data, len, PQ_ECORRUPT, "is cut short");
	/* Cut in the middle, where the trailer is still there. */
	memmove(file.data + 8192, file.data + 12288, file.len - 12288);
	expect_bytes_fail(file.data, file.len - 4096, PQ_ECORRUPT, "another length");
	free(file.data);
}

static void
test_refuses_what_follows_the_trailer(void **state)
{
	struct bytes file = two_blobs_file();
	uint8_t *longer = calloc(1, 3 * file.len);

	(void)state;
	assert_non_null(longer);
	memcpy(longer, file.data, file.len);
	expect_bytes_fail(longer, file.len + 1, PQ_ECORRUPT, "1 bytes of something else after its trailer");
	expect_bytes_fail(longer, file.len + 9000, PQ_ECORRUPT, "9000 bytes of something else after its trailer");
	/* Two stores in one file, and a second trailer after the first. */
	memcpy(longer + file.len, file.data, file.len);
	expect_bytes_fail(longer, 2 * file.len, PQ_ECORRUPT, "another length");
	memcpy(longer + file.len, file.data + file.len - PQ_TRAILER_BYTES, PQ_TRAILER_BYTES);
	expect_bytes_fail(longer, file.len + PQ_TRAILER_BYTES, PQ_ECORRUPT, "another length");
	free(longer);
	free(file.data);
}

static void
test_refuses_other_versions(void **state)
{
	struct bytes file = two_blobs_file();

	(void)state;
	forge(file.data, file.len, 2);
	expect_bytes_fail(file.data, file.len, PQ_EFORMAT, "has store format version 2; this program reads version 1");
	forge(file.data, file.len, 0);
	expect_bytes_fail(file.data, file.len, PQ_EFORMAT, "has store format version 0; this program reads version 1");
	forge(file.data, file.len, 1);
	spit(in_folder("good.mdb"), file.data, file.len);
	pq_store_free(open_store(in_folder("good.mdb")));
	free(file.data);
}

static void
test_refuses_what_is_no_store(void **state)
{
	uint8_t junk[20000];
	uint8_t only_trailer[PQ_TRAILER_BYTES];

	(void)state;
	memset(junk, 'x', sizeof(junk));
	expect_bytes_fail(junk, sizeof(junk), PQ_EFORMAT, "is not a sealed store");
	forge(junk, sizeof(junk), 1);
	expect_bytes_fail(junk, sizeof(junk), PQ_EFORMAT, "it is not a meta page of LMDB");
	forge(only_trailer, sizeof(only_trailer), 1);
	expect_bytes_fail(only_trailer, sizeof(only_trailer), PQ_EFORMAT, "too small for a sealed store");
	expect_open_fails(in_folder("missing.mdb"), PQ_ENOTFOUND, "No such file");
	expect_open_fails(folder, PQ_EINVAL, "is not a regular file");
	assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
	expect_open_fails(in_folder("pipe"), PQ_EINVAL, "is not a regular file");

	/* Larger than any store: refused by its size, not read. The file is sparse. */
	spit(in_folder("huge.mdb"), "", 0);
	assert_int_equal(truncate(in_folder("huge.mdb"), (off_t)PQ_STORE_FILE_BYTES_MAX + 1), 0);
	expect_open_fails(in_folder("huge.mdb"), PQ_ELIMIT, "a store has at most");
}

/* An LMDB file that was never sealed is cut where its trailer should be. */
static void
test_refuses_a_file_without_trailer(void **state)
{
	struct bytes file = two_blobs_file();

	(void)state;
	expect_bytes_fail(file.data, file.len - PQ_TRAILER_BYTES, PQ_ECORRUPT, "was never sealed");
	memset(file.data + file.len - PQ_TRAILER_BYTES, 0, PQ_TRAILER_BYTES);
	expect_bytes_fail(file.data, file.len, PQ_ECORRUPT, "no trailer, or a damaged one");
	free(file.data);
}

/* ---- made-up files whose digest matches ---- */

/* Where things are in the file of two_blobs_file(), with pages of 4096 bytes: leaf 2, values 3 and 4. */
enum {
	META1 = 4096 + 16,
	MAIN_DB = META1 + 24 + 48,
	LEAF = 2 * 4096,
	VALUE_A = 3 * 4096,
};

struct tampering {
	size_t at;
	size_t len;
	uint64_t value;
	const char *text;
};

static const struct tampering tamperings[] = {
	{0, 8, 7, "page 0: it is not a meta page"},
	{16 + 4, 4, 999, "page 0: it is of another version"},
	{16 + 24, 4, 512, "page size"},
	{16 + 24, 4, 5000, "page size"},
	{16 + 24, 4, 8192, "page 0: the file is not made of whole pages"},
	{META1 - 16 + 10, 2, 2, "page 1: it is not a meta page"},
	{META1 + 128, 8, 3, "more than one transaction"},
	{16 + 128, 8, 2, "more than one transaction"},
	{META1 + 24 + 40, 8, 3, "has free pages"},
	{MAIN_DB + 4, 2, 4, "of a kind that no seal makes"}, /* MDB_DUPSORT */
	{MAIN_DB + 6, 2, 0, "of a kind that no seal makes"}, /* depth */
	{MAIN_DB + 6, 2, 31, "of a kind that no seal makes"},
	{MAIN_DB + 6, 2, 2, "page 2: it is of another kind"},
	{MAIN_DB + 32, 8, 3, "page 1: it counts other pages or entries"}, /* entries */
	{MAIN_DB + 40, 8, 1, "page 1: the tree points outside"},          /* root */
	{MAIN_DB + 40, 8, 3, "page 3: it is of another kind"},
	{MAIN_DB + 40, 8, 1u << 30, "the tree points outside"},
	{META1 + 120, 8, 3, "more or fewer pages"},
	{META1 + 120, 8, UINT64_MAX, "more or fewer pages"},
	{LEAF, 8, 3, "page 2: it is of another kind"},
	{LEAF + 10, 2, 1, "page 2: it is of another kind"},    /* a branch */
	{LEAF + 10, 2, 0x22, "page 2: it is of another kind"}, /* P_LEAF2 */
	{LEAF + 12, 2, 16, "too few entries"},
	{LEAF + 12, 2, 17, "free space is out of bounds"},
	{LEAF + 12, 2, 0xfff0, "free space is out of bounds"},
	{LEAF + 14, 2, 0xffff, "free space is out of bounds"},
	{LEAF + 16, 2, 0, "lies in its free space"},
	{LEAF + 16, 2, 0xfffe, "outside of its page"},
	{LEAF + 16, 2, 4090, "outside of its page"},
	{LEAF + 16, 2, 4086, "beyond its page"},
	{VALUE_A, 8, 9, "page 3: a value lies on a page of another kind"},
	{VALUE_A + 10, 2, 2, "page 3: a value lies on a page of another kind"},
	{VALUE_A + 12, 4, 0, "reaches beyond the file"},
	{VALUE_A + 12, 4, 3, "reaches beyond the file"},
	{VALUE_A + 12, 4, 2, "does not fill its pages"},
	{VALUE_A + 4088, 8, 4, "padding is not zero"},
	{VALUE_A + 4088, 8, 4073, "length does not fit"},
	{VALUE_A + 4088, 8, UINT64_MAX, "length does not fit"},
	{VALUE_A + 16 + 5, 1, 1, "padding is not zero"},
};

/* The two entries of the leaf: the offset of each is in the page. */
static size_t
entry_at(const struct bytes *file, size_t i)
{
	uint16_t offset;

	memcpy(&offset, file->data + LEAF + 16 + 2 * i, 2);
	return LEAF + offset;
}

static void
expect_tampered(const struct bytes *file, const struct tampering *change)
{
	uint8_t *copy = malloc(file->len);

	assert_non_null(copy);
	memcpy(copy, file->data, file->len);
	memcpy(copy + change->at, &change->value, change->len);
	forge(copy, file->len, 1);
	expect_bytes_fail(copy, file->len, PQ_EFORMAT, change->text);
	free(copy);
}

static void
test_refuses_made_up_pages(void **state)
{
	struct bytes file = two_blobs_file();

	(void)state;
	if (sysconf(_SC_PAGESIZE) != 4096) {
		free(file.data);
		skip();
	}
	for (size_t i = 0; i < sizeof(tamperings) / sizeof(tamperings[0]); i++)
		expect_tampered(&file, &tamperings[i]);

	/* Entry: low, high, flags, key length; the key of one byte; the page number. */
	const struct tampering of_entries[] = {
		{entry_at(&file, 0), 2, 4000, "does not fill its pages"},
		{entry_at(&file, 0) + 4, 2, 0, "not on pages of its own"},
		{entry_at(&file, 0) + 6, 2, 0, "a key is empty"},
		{entry_at(&file, 0) + 6, 2, 0xffff, "beyond its page"},
		{entry_at(&file, 0) + 8, 1, 0, "has a zero byte"},
		{entry_at(&file, 0) + 8, 1, 'c', "not in order"},
		{entry_at(&file, 0) + 8, 1, 'b', "not in order"},
		{entry_at(&file, 0) + 9, 8, 1, "outside of the file"},
		{entry_at(&file, 0) + 9, 8, 5, "outside of the file"},
		{entry_at(&file, 0) + 9, 8, 2, "page of another kind"},
		{entry_at(&file, 0) + 9, 8, UINT64_MAX, "outside of the file"},
		{entry_at(&file, 0) + 9, 8, 4, "pages that are in use"},
	};

	for (size_t i = 0; i < sizeof(of_entries) / sizeof(of_entries[0]); i++)
		expect_tampered(&file, &of_entries[i]);
	free(file.data);
}

/* The key length of the first entry on any leaf whose key is as long as keys may be. */
static size_t
longest_key_at(const struct bytes *file)
{
	for (size_t page = 2 * 4096; page < file->len - PQ_TRAILER_BYTES; page += 4096) {
		uint16_t flags;
		uint16_t lower;

		memcpy(&flags, file->data + page + 10, 2);
		memcpy(&lower, file->data + page + 12, 2);
		if (flags != 2)
			continue;
		for (size_t at = page + 16; at < page + lower; at += 2) {
			uint16_t offset;
			uint16_t key_len;

			memcpy(&offset, file->data + at, 2);
			memcpy(&key_len, file->data + page + offset + 6, 2);
			if (key_len == PQ_BLOB_KEY_MAX)
				return page + offset + 6;
		}
	}
	fail_msg("no key of %d bytes", PQ_BLOB_KEY_MAX);
	return 0;
}

/* A branch page that has itself, or one child twice, below it. */
static void
test_refuses_circles(void **state)
{
	struct sample *sample = make_sample(MANY);
	uint64_t root;
	uint64_t child = 0;
	uint16_t first;
	uint16_t second;

	(void)state;
	seal(in_folder("many.mdb"), sample->blobs, sample->n, NULL);
	free_sample(sample);
	struct bytes file = slurp(in_folder("many.mdb"));

	memcpy(&root, file.data + MAIN_DB + 40, 8);
	if (sysconf(_SC_PAGESIZE) != 4096) {
		free(file.data);
		skip();
	}
	uint8_t *page = file.data + root * 4096;

	memcpy(&first, page + 16, 2);
	memcpy(&second, page + 18, 2);
	memcpy(&child, page + first, 4);
	const struct tampering tampered[] = {
		{root * 4096 + first, 4, root, "reaches it twice"},
		{root * 4096 + second, 4, child, "reaches it twice"},
		{root * 4096 + 12, 2, 18, "too few entries"},
		{longest_key_at(&file), 2, PQ_BLOB_KEY_MAX + 1, "a key is empty, too long"},
	};

	for (size_t i = 0; i < sizeof(tampered) / sizeof(tampered[0]); i++)
		expect_tampered(&file, &tampered[i]);
	free(file.data);
}

/* Whatever one byte of the structure says: refused, or opened and readable. */
static void
test_survives_any_forged_byte(void **state)
{
	static const uint8_t masks[] = {0x01, 0x80, 0xff};
	struct bytes file = two_blobs_file();

	(void)state;
	for (size_t at = 0; at < file.len - PQ_TRAILER_BYTES; at += at % 4096 < 160 || at % 4096 > 4050 ? 1 : 97) {
		for (size_t m = 0; m < sizeof(masks); m++) {
			struct pq_store *store = NULL;
			size_t n;

			file.data[at] ^= masks[m];
			forge(file.data, file.len, 1);
			spit(in_folder("forged.mdb"), file.data, file.len);
			if (pq_store_open(in_folder("forged.mdb"), 0, NULL, &store, &err) == PQ_OK) {
				const struct pq_blob *blobs = pq_store_blobs(store, &n);

				assert_int_equal(n, 2);
				assert_in_range(blobs[0].len, 0, 4072);
			} else {
				assert_int_equal(err.status, PQ_EFORMAT);
			}
			pq_store_free(store);
			file.data[at] ^= masks[m];
		}
	}
	free(file.data);
}

/* ---- seals that fail ---- */

static void
expect_seal_fails(const char *path, const struct pq_blob *blobs, size_t n, enum pq_status status, const char *text)
{
	uint8_t digest[PQ_DIGEST_BYTES];
	unsigned descriptors = count_entries("/proc/self/fd");
	unsigned files = files_in_folder();

	memset(digest, TOUCHED, sizeof(digest));
	memset(&err, 0, sizeof(err));
	enum pq_status got = pq_store_seal(path, blobs, n, digest, &err);

	if (got != status || strstr(err.msg, text) == NULL)
		fail_msg("expected %s with '%s', got %s: %s", pq_status_text(status), text, pq_status_text(got), err.msg);
	assert_int_equal(err.status, status);
	assert_string_equal(err.where, path);
	for (size_t i = 0; i < sizeof(digest); i++)
		assert_int_equal(digest[i], TOUCHED);
	assert_int_equal(count_entries("/proc/self/fd"), descriptors);
	assert_int_equal(files_in_folder(), files);
}

static void
test_refuses_bad_blobs(void **state)
{
	char long_key[PQ_BLOB_KEY_MAX + 2];
	const struct pq_blob doubled[] = {{"a", "1", 1}, {"b", "2", 1}, {"a", "3", 1}};
	const struct pq_blob empty_key = {"", "1", 1};
	const struct pq_blob no_key = {NULL, "1", 1};
	const struct pq_blob too_long = {long_key, "1", 1};
	const struct pq_blob too_large = {"large", "1", PQ_STORE_BLOB_BYTES_MAX + 1};
	struct pq_blob *many = calloc(9, sizeof(*many));

	(void)state;
	memset(long_key, 'k', sizeof(long_key));
	long_key[sizeof(long_key) - 1] = '\0';
	expect_seal_fails(in_folder("s.mdb"), doubled, 3, PQ_EINVAL, "key 'a' comes twice");
	expect_seal_fails(in_folder("s.mdb"), doubled, 0, PQ_EINVAL, "nothing to put in");
	expect_seal_fails(in_folder("s.mdb"), &empty_key, 1, PQ_EINVAL, "a key of 0 bytes");
	expect_seal_fails(in_folder("s.mdb"), &no_key, 1, PQ_EINVAL, "a key of 0 bytes");
	expect_seal_fails(in_folder("s.mdb"), &too_long, 1, PQ_EINVAL, "a key of 201 bytes; it must have 1 to 200");
	expect_seal_fails(in_folder("s.mdb"), &too_large, 1, PQ_ELIMIT, "blob 'large' has 1073741825 bytes");
	expect_seal_fails(in_folder("s.mdb"), doubled, PQ_STORE_BLOBS_MAX + 1, PQ_ELIMIT, "65537 blobs");
	/* Each allowed, too much together; refused by the sum, before anything is read or written. */
	static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};

	assert_non_null(many);
	for (size_t i = 0; i < 9; i++)
		many[i] = (struct pq_blob){keys[i], "", PQ_STORE_BLOB_BYTES_MAX};
	expect_seal_fails(in_folder("s.mdb"), many, 9, PQ_ELIMIT, "at most 8589934592");
	free(many);
}

static void
test_refuses_bad_places(void **state)
{
	(void)state;
	expect_seal_fails(in_folder("no/such/folder/s.mdb"), two_blobs, 2, PQ_ENOTFOUND, "its folder does not open");
	expect_seal_fails("/proc/self/s.mdb", two_blobs, 2, PQ_ENOTFOUND, "cannot be written");
	expect_seal_fails(folder, two_blobs, 2, PQ_EINVAL, "not a regular file");
	expect_seal_fails(in_folder(""), two_blobs, 2, PQ_EINVAL, "not the name of a file");
	expect_seal_fails("", two_blobs, 2, PQ_EINVAL, "not the name of a file");
	expect_seal_fails("/dev/null", two_blobs, 2, PQ_EINVAL, "it will not be replaced");
	if (geteuid() != 0) { /* root may write everywhere */
		assert_int_equal(mkdir(in_folder("locked"), 0555), 0);
		expect_seal_fails(in_folder("locked/s.mdb"), two_blobs, 2, PQ_EIO, "Permission denied");
	}
}

static void
test_long_names_and_the_current_folder(void **state)
{
	char name[NAME_MAX + 1];
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = '\0';
	assert_true(here >= 0);
	assert_int_equal(chdir(folder), 0);
	enum pq_status status = pq_store_seal(name, two_blobs, 2, NULL, &err);

	assert_int_equal(fchdir(here), 0);
	close(here);
	assert_int_equal(status, PQ_OK);
	pq_store_free(open_store(in_folder(name)));
}

/* The child cannot write a file of that size, as on a full disk; what it prints is not looked at, its status is. */
static int
seal_with_limit(const char *path, const struct sample *sample)
{
	const struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 1;
	if (pq_store_seal(path, sample->blobs, sample->n, NULL, &err) != PQ_EIO)
		return 2;
	return strstr(err.msg, "too large") != NULL ? 0 : 3;
}

static int
wait_for(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
test_a_failed_seal_leaves_the_old_file(void **state)
{
	struct sample *sample = make_sample(MANY);
	struct bytes before = two_blobs_file();

	(void)state;
	fflush(NULL);
	pid_t child = fork();

	if (child == 0)
		_exit(seal_with_limit(in_folder("two.mdb"), sample));
	assert_int_equal(wait_for(child), 0);
	struct bytes after = slurp(in_folder("two.mdb"));

	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.data, before.data, before.len);
	assert_int_equal(files_in_folder(), 1);
	free(before.data);
	free(after.data);
	free_sample(sample);
}

static void
test_a_seal_replaces_while_open(void **state)
{
	const struct pq_blob other = {"c", "third", 5};
	size_t len;

	(void)state;
	seal(in_folder("s.mdb"), two_blobs, 2, NULL);
	struct pq_store *old = open_store(in_folder("s.mdb"));

	seal(in_folder("s.mdb"), &other, 1, NULL);
	struct pq_store *new = open_store(in_folder("s.mdb"));

	assert_memory_equal(pq_store_get(old, "a", &len), "first", 5);
	assert_null(pq_store_get(old, "c", NULL));
	assert_memory_equal(pq_store_get(new, "c", &len), "third", 5);
	assert_null(pq_store_get(new, "a", NULL));
	assert_memory_not_equal(pq_store_digest(old), pq_store_digest(new), PQ_DIGEST_BYTES);
	pq_store_free(new);
	assert_memory_equal(pq_store_get(old, "b", &len), "second", 6);
	pq_store_free(old);
}

/* ---- interruption ---- */

static void
test_abandoned_temporaries(void **state)
{
	struct pq_tempfile first;
	struct pq_tempfile second;

	(void)state;
	spit(in_folder("dest"), "old", 3);
	assert_int_equal(pq_tempfile_create(in_folder("dest"), &first, &err), PQ_OK);
	assert_int_equal(pq_tempfile_create(in_folder("dest"), &second, &err), PQ_OK);
	assert_int_equal(files_in_folder(), 3);
	pq_store_abandon_temporaries();
	assert_int_equal(files_in_folder(), 1);
	assert_int_equal(pq_tempfile_commit(&first, in_folder("dest"), &err), PQ_EFAILED);
	pq_tempfile_discard(&second);
	struct bytes dest = slurp(in_folder("dest"));

	assert_int_equal(dest.len, 3);
	free(dest.data);
	/* A process that goes on may write again. */
	seal(in_folder("dest"), two_blobs, 2, NULL);
	assert_int_equal(files_in_folder(), 1);
}

static void
test_too_many_temporaries(void **state)
{
	struct pq_tempfile temps[PQ_TEMPFILES_MAX];
	struct pq_tempfile one_more;
	unsigned made = 0;

	(void)state;
	while (made < PQ_TEMPFILES_MAX && pq_tempfile_create(in_folder("dest"), &temps[made], &err) == PQ_OK)
		made++;
	assert_int_equal(pq_tempfile_create(in_folder("dest"), &one_more, &err), PQ_ELIMIT);
	for (unsigned i = 0; i < made; i++)
		pq_tempfile_discard(&temps[i]);
	assert_int_equal(files_in_folder(), 0);
	assert_int_equal(pq_tempfile_create(in_folder("dest"), &one_more, &err), PQ_OK);
	pq_tempfile_discard(&one_more);
}

static void
on_term(int number)
{
	(void)number;
	pq_store_abandon_temporaries();
	_exit(0);
}

static void
seal_for_ever(const char *path, const struct sample *sample)
{
	signal(SIGTERM, on_term);
	for (;;) {
		if (pq_store_seal(path, sample->blobs, sample->n, NULL, NULL) != PQ_OK)
			_exit(1);
	}
}

/* Whenever the signal comes, the destination is a whole store or not there, and nothing is beside it. */
static void
test_interrupted_seals_leave_nothing(void **state)
{
	struct sample *sample = make_sample(50);
	unsigned whole = 0;

	(void)state;
	fflush(NULL);
	for (unsigned round = 0; round < 40; round++) {
		pid_t child = fork();

		if (child == 0)
			seal_for_ever(in_folder("s.mdb"), sample);
		usleep(2000 + round * 997);
		assert_int_equal(kill(child, SIGTERM), 0);
		int status = wait_for(child);

		/* Before the handler is set, the signal simply ends the child. */
		assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) || WIFSIGNALED(status));
		if (access(in_folder("s.mdb"), F_OK) == 0) {
			pq_store_free(open_store(in_folder("s.mdb")));
			whole++;
		}
		assert_int_equal(files_in_folder(), whole > 0 ? 1 : 0);
	}
	free_sample(sample);
}

/* ---- reading ---- */

static void
test_locked_in_memory(void **state)
{
	struct pq_store *store = NULL;

	(void)state;
	seal(in_folder("s.mdb"), two_blobs, 2, NULL);
	enum pq_status status = pq_store_open(in_folder("s.mdb"), PQ_STORE_MLOCK, NULL, &store, &err);

	/* What the machine allows is not ours to say; both answers must be clean. */
	if (status == PQ_OK)
		assert_memory_equal(pq_store_get(store, "a", NULL), "first", 5);
	else
		assert_non_null(strstr(err.msg, "RLIMIT_MEMLOCK"));
	pq_store_free(store);
}

struct reader {
	const struct pq_store *store;
	const struct sample *sample;
	unsigned wrong;
};

static void *
read_all(void *arg)
{
	struct reader *reader = arg;

	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < reader->sample->n; i++) {
			size_t len = 0;
			const void *data = pq_store_get(reader->store, reader->sample->blobs[i].key, &len);

			if (data == NULL || len != reader->sample->blobs[i].len ||
			    memcmp(data, reader->sample->blobs[i].data, len) != 0)
				reader->wrong++;
		}
	}
	return NULL;
}

static void
test_threads_share_a_store(void **state)
{
	struct sample *sample = make_sample(MANY);
	struct reader readers[8];
	pthread_t threads[8];

	(void)state;
	seal(in_folder("s.mdb"), sample->blobs, sample->n, NULL);
	struct pq_store *store = open_store(in_folder("s.mdb"));

	for (size_t i = 0; i < 8; i++) {
		readers[i] = (struct reader){.store = store, .sample = sample};
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
	}
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(readers[i].wrong, 0);
	}
	pq_store_free(store);
	free_sample(sample);
}

struct sealer {
	char path[PATH_MAX];
	const struct sample *sample;
	enum pq_status status;
	uint8_t digest[PQ_DIGEST_BYTES];
};

static void *
seal_one(void *arg)
{
	struct sealer *sealer = arg;

	sealer->status = pq_store_seal(sealer->path, sealer->sample->blobs, sealer->sample->n, sealer->digest, NULL);
	return NULL;
}

static void
test_threads_seal_at_once(void **state)
{
	struct sample *sample = make_sample(100);
	static struct sealer sealers[8];
	pthread_t threads[8];

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		sealers[i].sample = sample;
		snprintf(sealers[i].path, sizeof(sealers[i].path), "%s/%zu.mdb", folder, i);
		assert_int_equal(pthread_create(&threads[i], NULL, seal_one, &sealers[i]), 0);
	}
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(sealers[i].status, PQ_OK);
		assert_memory_equal(sealers[i].digest, sealers[0].digest, PQ_DIGEST_BYTES);
	}
	assert_int_equal(files_in_folder(), 8);
	free_sample(sample);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_every_length_around_a_page),
		TEST(test_trailer_bytes),
		TEST(test_equal_input_equal_file),
		TEST(test_refuses_every_flipped_byte),
		TEST(test_says_what_was_flipped),
		TEST(test_refuses_every_truncation),
		TEST(test_refuses_what_follows_the_trailer),
		TEST(test_refuses_other_versions),
		TEST(test_refuses_what_is_no_store),
		TEST(test_refuses_a_file_without_trailer),
		TEST(test_refuses_made_up_pages),
		TEST(test_refuses_circles),
		TEST(test_survives_any_forged_byte),
		TEST(test_refuses_bad_blobs),
		TEST(test_refuses_bad_places),
		TEST(test_long_names_and_the_current_folder),
		TEST(test_a_failed_seal_leaves_the_old_file),
		TEST(test_a_seal_replaces_while_open),
		TEST(test_abandoned_temporaries),
		TEST(test_too_many_temporaries),
		TEST(test_interrupted_seals_leave_nothing),
		TEST(test_locked_in_memory),
		TEST(test_threads_share_a_store),
		TEST(test_threads_seal_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

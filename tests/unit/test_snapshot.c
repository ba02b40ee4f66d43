/* Snapshots and differences: fetch/snapshot.h, fetch/delta.h. */
#include "fetch/snapshot.h"

#include "fetch/delta.h"
#include "fetch/snapshot_header.h"
#include "storage/limits.h"
#include "storage/store.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

#define CHUNK PQ_CHUNK_BYTES_MIN

static struct pq_err err;

/* A sealed store in memory, as a file. */
struct sealed {
	struct pq_snapshot_file file;
	struct pq_manifest manifest;
	uint8_t *bytes;
};

static struct sealed old_store, new_store;

static uint8_t *
read_all(int fd, size_t *ret_len)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	uint8_t *bytes = malloc((size_t)st.st_size + 1);

	assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
	*ret_len = (size_t)st.st_size;
	return bytes;
}

/* Records that refer to texts, as a store's do: one text more in the middle shifts the references behind it. */
static void
seal(struct sealed *ret, bool more)
{
	enum { RECORDS = 60000, TEXTS = 4000 };
	uint32_t *records = calloc(RECORDS * 4, sizeof(*records));
	char *texts = calloc(TEXTS + 1, 40);
	uint32_t offsets[TEXTS];
	size_t len = 0;
	char path[] = "/tmp/pq-snapshot.XXXXXX";
	int made = mkstemp(path);

	for (uint32_t i = 0; i < TEXTS; i++) {
		if (more && i == TEXTS / 2)
			len += (size_t)sprintf(texts + len, "one more") + 1;
		offsets[i] = (uint32_t)len;
		len += (size_t)sprintf(texts + len, "text %u of the law, %08x", i, i * 2654435761u) + 1;
	}
	for (uint32_t i = 0; i < RECORDS; i++) {
		records[4 * i] = offsets[i * 7919u % TEXTS];
		records[4 * i + 1] = i;
		records[4 * i + 2] = i * 2246822519u >> 20;
	}
	struct pq_blob blobs[] = {{.key = "a.records", .data = records, .len = RECORDS * 16},
	                          {.key = "b.texts", .data = texts, .len = len}};
	assert_true(made >= 0);
	close(made);
	assert_int_equal(pq_store_seal(path, blobs, 2, ret->file.digest, NULL), PQ_OK);
	ret->file.fd = open(path, O_RDONLY | O_CLOEXEC);
	ret->file.path = more ? "new.mdb" : "old.mdb";
	size_t size;

	ret->bytes = read_all(ret->file.fd, &size);
	ret->file.size = size;
	ret->manifest = (struct pq_manifest){.sequence = 1, .size = size};
	memcpy(ret->manifest.digest, ret->file.digest, PQ_DIGEST_BYTES);
	unlink(path);
	free(records);
	free(texts);
}

static int
setup(void **state)
{
	(void)state;
	seal(&old_store, false);
	seal(&new_store, true);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(old_store.bytes);
	free(new_store.bytes);
	return close(old_store.file.fd) | close(new_store.file.fd);
}

/* The snapshot of the new store; free() it. */
static uint8_t *
make(const struct pq_snapshot_file *base, size_t *ret_len)
{
	struct pq_snapshot_plan plan = {.store = new_store.file, .base = base, .chunk_bytes = CHUNK};
	int fd = memfd_create("snapshot", MFD_CLOEXEC);
	uint64_t bytes;

	assert_int_equal(pq_snapshot_make(&plan, fd, "snapshot", &bytes, &err), PQ_OK);
	uint8_t *all = read_all(fd, ret_len);

	assert_int_equal(*ret_len, bytes);
	close(fd);
	return all;
}

static struct pq_snapshot_reader *
reader_of(const struct pq_snapshot_file *base, int out)
{
	struct pq_snapshot_reader *reader;

	assert_int_equal(pq_snapshot_reader_new(&new_store.manifest, base, out, "out", "url", &reader, &err), PQ_OK);
	return reader;
}

/* Feed from where the reader stands up to `end`, in portions. */
static enum pq_status
feed(struct pq_snapshot_reader *reader, const uint8_t *bytes, size_t end, size_t portion)
{
	enum pq_status status = PQ_OK;

	for (uint64_t at;
	     status == PQ_OK && (at = pq_snapshot_reader_next(reader)) < end && !pq_snapshot_reader_complete(reader);) {
		size_t len = end - at < portion ? end - (size_t)at : portion;

		status = pq_snapshot_reader_feed(reader, at, bytes + at, len, &err);
	}
	return status;
}

static void
assert_received(int out)
{
	size_t len;
	uint8_t *bytes = read_all(out, &len);

	assert_int_equal(len, new_store.file.size);
	assert_memory_equal(bytes, new_store.bytes, len);
	free(bytes);
}

static void
round_trip(const struct pq_snapshot_file *base, size_t portion)
{
	size_t len;
	uint8_t *bytes = make(base, &len);
	int out = memfd_create("out", MFD_CLOEXEC);
	struct pq_snapshot_reader *reader = reader_of(base, out);

	assert_int_equal(pq_snapshot_reader_finish(reader, &err), PQ_EFAILED);
	assert_int_equal(feed(reader, bytes, len, portion), PQ_OK);
	assert_true(pq_snapshot_reader_complete(reader));
	assert_int_equal(pq_snapshot_reader_total(reader), len);
	assert_int_equal(pq_snapshot_reader_next(reader), len);
	assert_int_equal(pq_snapshot_reader_finish(reader, &err), PQ_OK);
	assert_received(out);
	pq_snapshot_reader_free(reader);
	close(out);
	free(bytes);
}

static void
test_round_trip(void **state)
{
	(void)state;
	round_trip(NULL, 1 << 20);
	round_trip(NULL, 4096);
	round_trip(NULL, 1);
	round_trip(&old_store.file, 1 << 20);
	round_trip(&old_store.file, 7);
	round_trip(&new_store.file, 1000); /* no difference at all */
}

/* What plain zstd makes of a whole snapshot is the store. */
static void
test_plain_zstd(void **state)
{
	size_t len;
	uint8_t *bytes = make(NULL, &len);
	uint8_t *store = malloc(new_store.file.size);

	(void)state;
	assert_int_equal(ZSTD_decompress(store, new_store.file.size, bytes, len), new_store.file.size);
	assert_memory_equal(store, new_store.bytes, new_store.file.size);
	free(store);
	free(bytes);
}

static void
test_differences_are_small(void **state)
{
	size_t whole, differences, none;

	(void)state;
	free(make(NULL, &whole));
	free(make(&old_store.file, &differences));
	free(make(&new_store.file, &none));
	/* Half of 60,000 references are shifted, and the whole second half of the texts. */
	assert_true(differences < whole / 10);
	assert_true(none < differences);
}

/* Broken off at any piece, and taken up by another reader with the file that the first left. */
static void
resume(const struct pq_snapshot_file *base)
{
	size_t len;
	uint8_t *bytes = make(base, &len);
	int out = memfd_create("out", MFD_CLOEXEC);
	uint64_t stood = 0;

	for (size_t end = len / 7; end < len; end += len / 7) {
		struct pq_snapshot_reader *reader = reader_of(base, out);

		assert_int_equal(feed(reader, bytes, end, 1000), PQ_OK);
		pq_snapshot_reader_rewind(reader);
		assert_true(pq_snapshot_reader_next(reader) >= stood);
		stood = pq_snapshot_reader_next(reader);
		pq_snapshot_reader_free(reader);
	}
	assert_true(stood > len / 2);
	struct pq_snapshot_reader *reader = reader_of(base, out);

	assert_int_equal(feed(reader, bytes, len, 1000), PQ_OK);
	assert_int_equal(pq_snapshot_reader_finish(reader, &err), PQ_OK);
	assert_received(out);
	pq_snapshot_reader_free(reader);
	close(out);
	free(bytes);
}

static void
test_resume(void **state)
{
	(void)state;
	resume(NULL);
	resume(&old_store.file);
}

/* After the header a reader asks for nothing that is there: here for one piece in the middle that is wrong. */
static void
test_present_pieces(void **state)
{
	size_t len;
	uint8_t *bytes = make(NULL, &len);
	int out = memfd_create("out", MFD_CLOEXEC);
	uint8_t wrong = (uint8_t)~new_store.bytes[3 * CHUNK + 5];
	struct pq_snapshot_reader *reader = reader_of(NULL, out);

	(void)state;
	assert_int_equal(pwrite(out, new_store.bytes, new_store.file.size, 0), new_store.file.size);
	assert_int_equal(pwrite(out, &wrong, 1, 3 * CHUNK + 5), 1);
	assert_int_equal(pwrite(out, "more", 4, (off_t)new_store.file.size), 4);
	assert_int_equal(pq_snapshot_reader_feed(reader, 0, bytes, PQ_SNAPSHOT_HEAD_BYTES + 10, &err), PQ_OK);
	assert_int_equal(pq_snapshot_reader_next(reader), PQ_SNAPSHOT_HEAD_BYTES + 10);
	while (pq_snapshot_reader_total(reader) == 0) {
		uint64_t at = pq_snapshot_reader_next(reader);
		assert_int_equal(pq_snapshot_reader_feed(reader, at, bytes + at, 1, &err), PQ_OK);
	}
	uint64_t at = pq_snapshot_reader_next(reader);

	assert_true(at > PQ_SNAPSHOT_HEAD_BYTES + 36 * 3);
	/* One that cannot be moved sends the pieces before it, too: they are passed over. */
	assert_int_equal(pq_snapshot_reader_feed(reader, at - 100, bytes + at - 100, len - (size_t)at + 100, &err), PQ_OK);
	assert_int_equal(pq_snapshot_reader_finish(reader, &err), PQ_OK);
	assert_received(out);
	pq_snapshot_reader_free(reader);
	close(out);
	free(bytes);
}

/* A changed byte anywhere is an error that names the URL, and the piece is got again. */
static void
damage(const struct pq_snapshot_file *base, size_t step)
{
	size_t len;
	uint8_t *bytes = make(base, &len);

	for (size_t at = 0; at < len; at += step) {
		int out = memfd_create("out", MFD_CLOEXEC);
		struct pq_snapshot_reader *reader = reader_of(base, out);

		bytes[at] ^= 0x40;
		memset(&err, 0, sizeof(err));
		enum pq_status status = feed(reader, bytes, len, len);

		assert_true(status == PQ_ECORRUPT || status == PQ_EFORMAT || status == PQ_EFAILED);
		assert_string_equal(err.where, "url");
		assert_true(pq_snapshot_reader_next(reader) <= at);
		bytes[at] ^= 0x40;
		assert_int_equal(feed(reader, bytes, len, len), PQ_OK);
		assert_int_equal(pq_snapshot_reader_finish(reader, &err), PQ_OK);
		pq_snapshot_reader_free(reader);
		close(out);
	}
	free(bytes);
}

static void
test_damage(void **state)
{
	(void)state;
	damage(NULL, 4999);
	damage(&old_store.file, 211);
}

static void
test_wrong_snapshot(void **state)
{
	size_t len;
	uint8_t *bytes = make(&old_store.file, &len);
	int out = memfd_create("out", MFD_CLOEXEC);
	struct pq_manifest other = new_store.manifest;
	struct pq_snapshot_reader *reader;

	(void)state;
	/* No base, or another one. */
	reader = reader_of(NULL, out);
	assert_int_equal(feed(reader, bytes, len, len), PQ_EFAILED);
	assert_non_null(strstr(err.msg, "which is not here"));
	pq_snapshot_reader_free(reader);
	reader = reader_of(&new_store.file, out);
	assert_int_equal(feed(reader, bytes, len, len), PQ_EFAILED);
	pq_snapshot_reader_free(reader);

	/* The manifest names another store. */
	other.digest[31] ^= 1;
	assert_int_equal(pq_snapshot_reader_new(&other, &old_store.file, out, "out", "url", &reader, &err), PQ_OK);
	assert_int_equal(feed(reader, bytes, len, len), PQ_ECORRUPT);
	assert_non_null(strstr(err.msg, "of another store"));
	pq_snapshot_reader_free(reader);

	/* A gap; more than there is; a size beyond all stores. */
	reader = reader_of(&old_store.file, out);
	assert_int_equal(pq_snapshot_reader_feed(reader, 1, bytes, 1, &err), PQ_EINVAL);
	assert_int_equal(feed(reader, bytes, len, len), PQ_OK);
	assert_int_equal(pq_snapshot_reader_feed(reader, len, bytes, 1, &err), PQ_ELIMIT);
	pq_snapshot_reader_free(reader);
	other.size = PQ_STORE_FILE_BYTES_MAX + 1;
	assert_int_equal(pq_snapshot_reader_new(&other, NULL, out, "out", "url", &reader, &err), PQ_ELIMIT);
	close(out);
	free(bytes);
}

/* A header whose numbers were made up, with a digest that fits. */
static void
test_made_up_header(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} changes[] = {{16, 2},        {16, 1},  {20, 4096}, {20, 100000},    {64, 1},      {104, 1},
	               {104, 4000000}, {108, 1}, {112, 0},   {112, 1u << 30}, {4, 1u << 31}};
	size_t len;
	uint8_t *bytes = make(NULL, &len);
	uint32_t n;

	(void)state;
	memcpy(&n, bytes + 104, 4);
	size_t header = pq_snapshot_header_bytes(n);
	uint8_t *copy = malloc(len);

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		int out = memfd_create("out", MFD_CLOEXEC);
		struct pq_snapshot_reader *reader = reader_of(&old_store.file, out);

		memcpy(copy, bytes, len);
		memcpy(copy + changes[i].at, &changes[i].value, 4);
		EVP_Digest(copy + 8, header - 32 - 8, copy + header - 32, NULL, EVP_sha256(), NULL);
		enum pq_status status = feed(reader, copy, len, len);

		assert_true(status == PQ_ECORRUPT || status == PQ_EFORMAT || status == PQ_EFAILED);
		pq_snapshot_reader_free(reader);
		close(out);
	}
	free(copy);
	free(bytes);
}

/* The disk is full: said, and the same reader goes on when there is room again. */
static void
test_full_disk(void **state)
{
	size_t len;
	uint8_t *bytes = make(NULL, &len);
	char path[] = "/tmp/pq-snapshot.XXXXXX";
	int out = mkstemp(path);
	struct rlimit before, small;

	(void)state;
	unlink(path);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 2 * CHUNK + 100;
	struct pq_snapshot_reader *reader = reader_of(NULL, out);

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	enum pq_status status = feed(reader, bytes, len, len);

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(status, PQ_EIO);
	assert_string_equal(err.where, "out");
	assert_int_equal(feed(reader, bytes, len, len), PQ_OK);
	assert_int_equal(pq_snapshot_reader_finish(reader, &err), PQ_OK);
	assert_received(out);
	pq_snapshot_reader_free(reader);
	close(out);
	free(bytes);
}

static void
test_bad_plans(void **state)
{
	struct pq_snapshot_file longer = old_store.file;
	struct pq_snapshot_plan plan = {.store = new_store.file, .chunk_bytes = 100000};
	int fd = memfd_create("snapshot", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(pq_snapshot_make(&plan, fd, "snapshot", NULL, &err), PQ_EINVAL);
	plan.chunk_bytes = 0;
	plan.level = 30;
	assert_int_equal(pq_snapshot_make(&plan, fd, "snapshot", NULL, &err), PQ_EINVAL);
	plan.level = 0;
	longer.size++;
	plan.base = &longer;
	assert_int_equal(pq_snapshot_make(&plan, fd, "snapshot", NULL, &err), PQ_EINVAL);
	plan.base = NULL;
	plan.store.size++;
	assert_int_equal(pq_snapshot_make(&plan, fd, "snapshot", NULL, &err), PQ_ECORRUPT);
	close(fd);
}

/* ---- differences by themselves ---- */

static enum pq_status
read_old(void *ctx, uint64_t at, uint8_t *ret, uint32_t len, struct pq_err *e)
{
	(void)ctx;
	(void)e;
	memcpy(ret, old_store.bytes + at, len);
	return PQ_OK;
}

/* Pieces of any length, at any place, of anything. */
static void
test_delta_round_trip(void **state)
{
	static uint8_t piece[3 * 4096 + 64], back[sizeof(piece)], bytes[PQ_DELTA_BOUND(sizeof(piece))];
	struct pq_delta_index *index;

	(void)state;
	assert_int_equal(pq_delta_index_new(old_store.bytes, old_store.file.size, &index, &err), PQ_OK);
	for (uint32_t len = 0; len < sizeof(piece); len += len < 200 ? 1 : 997) {
		uint64_t at = (uint64_t)len * 37 % (new_store.file.size - sizeof(piece));

		memcpy(piece, new_store.bytes + at, len);
		if (len % 3 == 0) /* something new in it, and what follows shifted by an odd number of bytes */
			for (uint32_t i = len; i-- > len / 2;)
				piece[i] = i < len / 2 + 13 ? (uint8_t)(i * 31) : piece[i - 13];
		size_t got = pq_delta_encode(index, at, piece, len, bytes);

		assert_true(got <= PQ_DELTA_BOUND(len));
		assert_int_equal(pq_delta_decode(bytes, got, read_old, NULL, old_store.file.size, back, len, &err), PQ_OK);
		assert_memory_equal(back, piece, len);
		assert_int_equal(pq_delta_decode(bytes, got, read_old, NULL, old_store.file.size, back, len + 1, &err),
		                 PQ_ECORRUPT);
	}
	pq_delta_index_free(index);

	/* A base shorter than what is looked for in it. */
	assert_int_equal(pq_delta_index_new(old_store.bytes, 5, &index, &err), PQ_OK);
	size_t got = pq_delta_encode(index, 0, new_store.bytes, 1000, bytes);

	assert_int_equal(pq_delta_decode(bytes, got, read_old, NULL, 5, back, 1000, &err), PQ_OK);
	assert_memory_equal(back, new_store.bytes, 1000);
	pq_delta_index_free(index);
	pq_delta_index_free(NULL);
}

static size_t
put_runs(uint8_t *bytes, uint32_t n, uint64_t from, uint32_t along, uint32_t plain)
{
	memcpy(bytes, &n, 4);
	memcpy(bytes + 4, &from, 8);
	memcpy(bytes + 12, &along, 4);
	memcpy(bytes + 16, &plain, 4);
	memset(bytes + 20, 0, 100);
	return 20;
}

static enum pq_status
decode_100(const uint8_t *bytes, size_t len)
{
	uint8_t piece[100];

	return pq_delta_decode(bytes, len, read_old, NULL, 1000, piece, 100, &err);
}

static void
test_delta_from_outside(void **state)
{
	uint8_t bytes[120];
	size_t len = put_runs(bytes, 1, 900, 100, 0);

	(void)state;
	assert_int_equal(decode_100(bytes, len + 100), PQ_OK);
	assert_int_equal(decode_100(bytes, len + 99), PQ_ECORRUPT);
	assert_int_equal(decode_100(bytes, 3), PQ_ECORRUPT);
	assert_int_equal(decode_100(bytes, 10), PQ_ECORRUPT);
	put_runs(bytes, 1, 901, 100, 0); /* past the base's end */
	assert_int_equal(decode_100(bytes, len + 100), PQ_ECORRUPT);
	put_runs(bytes, 1, UINT64_MAX - 10, 100, 0);
	assert_int_equal(decode_100(bytes, len + 100), PQ_ECORRUPT);
	put_runs(bytes, 1, 0, 50, 51); /* another length than the piece */
	assert_int_equal(decode_100(bytes, len + 100), PQ_ECORRUPT);
	put_runs(bytes, 1, 0, UINT32_MAX, 101); /* sums that wrap around in 32 bits */
	assert_int_equal(decode_100(bytes, len + 100), PQ_ECORRUPT);
	put_runs(bytes, UINT32_MAX, 0, 100, 0);
	assert_int_equal(decode_100(bytes, len + 100), PQ_ECORRUPT);
	put_runs(bytes, 1, 0, 0, 100);
	assert_int_equal(decode_100(bytes, len + 100), PQ_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_plain_zstd),
		cmocka_unit_test(test_differences_are_small),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_present_pieces),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_wrong_snapshot),
		cmocka_unit_test(test_made_up_header),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_bad_plans),
		cmocka_unit_test(test_delta_round_trip),
		cmocka_unit_test(test_delta_from_outside),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

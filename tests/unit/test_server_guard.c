/* What connections send, and whether they are broken off for it. */
#include "server/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
enum { DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, AWAY, WINDOW, CONTINUATION };
#define END_STREAM 1

struct sent {
	uint8_t bytes[200000];
	size_t len;
};

static struct pq_guard_frames frames;
static struct sent sent;

static int
begin(void **state)
{
	(void)state;
	pq_guard_frames_release(&frames);
	memcpy(sent.bytes, PREFACE, sizeof(PREFACE) - 1);
	sent.len = sizeof(PREFACE) - 1;
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pq_guard_frames_release(&frames);
	return 0;
}

/* A frame whose content is `len` bytes, of which the first `n` are told. */
static void
put(uint8_t type, uint8_t flags, uint8_t stream, size_t len, const void *bytes, size_t n)
{
	uint8_t head[9] = {(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, type, flags, 0, 0, 0, stream};

	memcpy(sent.bytes + sent.len, head, sizeof(head));
	memset(sent.bytes + sent.len + sizeof(head), 0, len);
	if (n > 0)
		memcpy(sent.bytes + sent.len + sizeof(head), bytes, n);
	sent.len += sizeof(head) + len;
}

/* What was put, `piece` bytes at a time. */
static enum pq_guard_verdict
follow(size_t piece, int64_t now_ms)
{
	enum pq_guard_verdict verdict = PQ_GUARD_GOOD;

	for (size_t at = 0; at < sent.len && verdict == PQ_GUARD_GOOD; at += piece)
		verdict = pq_guard_follow(&frames, sent.bytes + at, sent.len - at < piece ? sent.len - at : piece, now_ms);
	sent.len = 0;
	return verdict;
}

static void
test_calls_are_good(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++) {
		put(HEADERS, 4, 1, 60, NULL, 0);
		put(DATA, END_STREAM, 1, 105, "\0\0\0\0\144", 5);
		put(WINDOW, 0, 0, 4, "\0\0\1\0", 4);
		if (i % 3 == 0)
			put(PING, 0, 0, 8, NULL, 0);
		assert_int_equal(follow(1000, 5), PQ_GUARD_GOOD);
	}
	assert_int_equal(frames.unfinished, 0);
}

static void
test_pieces_are_no_matter(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 40; piece++) {
		begin(NULL);
		put(SETTINGS, 0, 0, 6, NULL, 0);
		put(HEADERS, 4, 1, 50, NULL, 0);
		put(DATA, 0, 1, 30, "\0\0\0\0\144", 5); /* 25 of 100 bytes */
		assert_int_equal(follow(piece, 0), PQ_GUARD_GOOD);
		assert_int_equal(frames.unfinished, 30);
		put(DATA, 0, 1, 75 + 7, NULL, 0); /* its end, an empty message, two bytes of a third */
		assert_int_equal(follow(piece, 0), PQ_GUARD_GOOD);
		assert_int_equal(frames.unfinished, 2);
		assert_int_equal(frames.n_messages, 1);
		put(DATA, END_STREAM, 1, 0, NULL, 0);
		assert_int_equal(follow(piece, 0), PQ_GUARD_GOOD);
		assert_int_equal(frames.n_messages, 0);
		assert_int_equal(frames.unfinished, 0);
	}
}

static void
test_headers_have_an_end(void **state)
{
	(void)state;
	put(HEADERS, 0, 1, 16384, NULL, 0);
	for (int i = 0; i < 3; i++)
		put(CONTINUATION, 0, 1, 16384, NULL, 0);
	assert_int_equal(follow(5000, 0), PQ_GUARD_GOOD); /* 64 KiB */
	put(HEADERS, 0, 3, 16384, NULL, 0);               /* of another call: counted anew */
	assert_int_equal(follow(5000, 0), PQ_GUARD_GOOD);
	for (int i = 0; i < 3; i++)
		put(CONTINUATION, 0, 3, 16384, NULL, 0);
	put(CONTINUATION, 4, 3, 1, NULL, 0);
	assert_int_equal(follow(5000, 0), PQ_GUARD_HEADERS);
}

/* How many of them a connection may send at once. */
static unsigned
how_many(uint8_t type, bool calls, int64_t now_ms)
{
	for (unsigned n = 0; n < 100000; n++) {
		if (calls) {
			put(HEADERS, 4, 1, 60, NULL, 0);
			put(DATA, END_STREAM, 1, 10, NULL, 0);
		}
		put(type, 0, 1, type == RESET ? 4 : 0, NULL, 0);
		if (follow(100, now_ms) != PQ_GUARD_GOOD)
			return n;
	}
	return 100000;
}

static void
test_burdens_are_paid_for(void **state)
{
	(void)state;
	assert_int_equal(how_many(SETTINGS, false, 0), PQ_GUARD_CREDIT);
	begin(NULL);
	assert_int_equal(how_many(PRIORITY, false, 0), PQ_GUARD_CREDIT);
	begin(NULL);
	assert_int_equal(how_many(DATA, false, 0), PQ_GUARD_CREDIT);
	begin(NULL);
	/* The first call has nothing to pay for yet. */
	assert_int_equal(how_many(RESET, true, 0), (PQ_GUARD_CREDIT - PQ_GUARD_RESET) / (PQ_GUARD_RESET - 2) + 1);
	begin(NULL);
	assert_int_equal(how_many(PING, true, 0), 100000);
}

static void
test_time_pays(void **state)
{
	(void)state;
	for (int64_t second = 1; second <= 20; second++) {
		for (int i = 0; i < PQ_GUARD_CREDIT_A_SECOND / PQ_GUARD_PING; i++)
			put(PING, 0, 0, 8, NULL, 0);
		assert_int_equal(follow(4096, second * 1000), PQ_GUARD_GOOD);
	}
	assert_true(frames.spent <= PQ_GUARD_CREDIT_A_SECOND);
	/* However long it was silent, there is no more than all of it. */
	assert_int_equal(how_many(PING, false, 1000000000), PQ_GUARD_CREDIT / PQ_GUARD_PING);
}

/* ---- descriptors ------------------------------------------------------------------------------------------------ */

static ssize_t
receive(int fd)
{
	static uint8_t bytes[sizeof(sent.bytes)];
	struct iovec parts[2] = {{bytes, 10}, {bytes + 10, sizeof(bytes) - 10}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	return recvmsg(fd, &message, MSG_DONTWAIT);
}

static void
send_all(int fd)
{
	assert_int_equal(send(fd, sent.bytes, sent.len, 0), sent.len);
	sent.len = 0;
}

static void
test_only_what_was_added(void **state)
{
	int pair[2];
	struct pq_guard_counts before = pq_guard_counts();

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	memset(sent.bytes, 4, 1000); /* no HTTP/2 at all */
	sent.len = 1000;
	send_all(pair[0]);
	assert_int_equal(receive(pair[1]), 1000);
	assert_int_equal(pq_guard_open(), 0);
	assert_true(pq_guard_add(pair[1]));
	assert_int_equal(pq_guard_open(), 1);
	begin(NULL);
	put(HEADERS, 0, 1, PQ_GUARD_HEADER_BYTES + 1, NULL, 0);
	send_all(pair[0]);
	assert_int_equal(receive(pair[1]), -1);
	assert_int_equal(receive(pair[1]), -1);
	assert_int_equal(pq_guard_counts().headers, before.headers + 1);
	pq_guard_forget(pair[1]);
	close(pair[1]);
	close(pair[0]);
	assert_int_equal(pq_guard_open(), 0);
	assert_false(pq_guard_add(-1));
	assert_false(pq_guard_add(PQ_GUARD_DESCRIPTORS));
}

static void
test_who_holds_most_goes(void **state)
{
	int small[2], large[2];
	char byte;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, small), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, large), 0);
	assert_true(pq_guard_add(small[1]) && pq_guard_add(large[1]));
	pq_guard_set_room(20000);
	put(DATA, 0, 1, 15000, "\0\0\1\0\0", 5);
	send_all(large[0]);
	assert_true(receive(large[1]) > 15000);
	begin(NULL);
	put(DATA, 0, 1, 4000, "\0\0\1\0\0", 5);
	send_all(small[0]);
	assert_true(receive(small[1]) > 4000); /* 19,000 */
	put(DATA, 0, 1, 4000, NULL, 0);
	send_all(small[0]);
	assert_true(receive(small[1]) > 4000); /* 23,000: it is the other that goes */
	assert_int_equal(receive(large[1]), -1);
	assert_int_equal(recv(large[0], &byte, 1, 0), 0);
	put(DATA, 0, 1, 9000, NULL, 0);
	send_all(small[0]);
	assert_true(receive(small[1]) > 9000); /* there is room again */
	pq_guard_set_room(SIZE_MAX);
	for (int i = 0; i < 2; i++) {
		pq_guard_forget(small[i]);
		pq_guard_forget(large[i]);
		close(small[i]);
		close(large[i]);
	}
	assert_int_equal(pq_guard_open(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_calls_are_good, begin, end),
		cmocka_unit_test_setup_teardown(test_pieces_are_no_matter, begin, end),
		cmocka_unit_test_setup_teardown(test_headers_have_an_end, begin, end),
		cmocka_unit_test_setup_teardown(test_burdens_are_paid_for, begin, end),
		cmocka_unit_test_setup_teardown(test_time_pays, begin, end),
		cmocka_unit_test_setup_teardown(test_only_what_was_added, begin, end),
		cmocka_unit_test_setup_teardown(test_who_holds_most_goes, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Sending together: what a socket gets, in which order, when it is full, closed or another's.
 *
 * The functions under test are the program's own sendmsg(), close() and shutdown(), as libgrpc calls them.
 *
 * ctest: labels=tsan timeout=60
 */
#include "server/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
	int ours, theirs; /* both do not block */
};

static struct pair
open_pair(bool add)
{
	int fds[2];
	int small = 4096;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	if (add)
		assert_true(pq_merge_add(fds[0]));
	return (struct pair){fds[0], fds[1]};
}

/* In two pieces, as gRPC sends. */
static ssize_t
send_text(int fd, const char *text)
{
	size_t len = strlen(text);
	struct iovec pieces[2] = {{(char *)text, len / 2}, {(char *)text + len / 2, len - len / 2}};
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};

	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void
assert_gets(int fd, const char *expected)
{
	char got[256] = "";
	ssize_t n = read(fd, got, sizeof(got) - 1);

	if (expected == NULL)
		assert_true(n < 0 && errno == EAGAIN);
	else
		assert_string_equal(n >= 0 ? got : "", expected);
}

static void
assert_closed(int fd)
{
	char byte;

	assert_int_equal(read(fd, &byte, 1), 0);
}

static void
test_together(void **state)
{
	struct pq_merge merge = {0};
	struct pair a = open_pair(true), b = open_pair(true), other = open_pair(false);

	(void)state;
	assert_int_equal(send_text(a.ours, "at once "), 8);
	assert_gets(a.theirs, "at once ");
	pq_merge_collect(&merge);
	assert_int_equal(send_text(a.ours, "one "), 4);
	assert_int_equal(send_text(b.ours, "other "), 6);
	assert_int_equal(send_text(a.ours, "two "), 4);
	assert_int_equal(send_text(other.ours, "not added"), 9);
	pq_merge_pause();
	assert_gets(a.theirs, NULL);
	assert_gets(b.theirs, NULL);
	assert_gets(other.theirs, "not added");
	pq_merge_flush(&merge);
	assert_gets(a.theirs, "one two ");
	assert_gets(b.theirs, "other ");
	assert_int_equal(merge.n, 0);
	/* What is sent outside goes behind what waits. */
	pq_merge_collect(&merge);
	send_text(a.ours, "first ");
	pq_merge_pause();
	send_text(a.ours, "second");
	assert_gets(a.theirs, "first second");
	pq_merge_release(&merge);
	close(a.ours), close(a.theirs), close(b.ours), close(b.theirs), close(other.ours), close(other.theirs);
}

/* Numbers, so that a lost, doubled or moved byte shows. */
static size_t
send_numbers(int fd, uint32_t *next, size_t n)
{
	uint32_t numbers[16];
	size_t sent = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < 16; j++)
			numbers[j] = *next + (uint32_t)j;
		struct iovec piece = {numbers, sizeof(numbers)};
		struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
		ssize_t got = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (got < 0) {
			assert_int_equal(errno, EAGAIN);
			break;
		}
		assert_int_equal(got % 4, 0);
		*next += (uint32_t)got / 4;
		sent += (size_t)got;
		if (got < (ssize_t)sizeof(numbers))
			break;
	}
	return sent;
}

static void
read_numbers(int fd, uint32_t *expected)
{
	static uint8_t left[4];
	static size_t n_left;
	uint8_t bytes[4096];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			uint32_t number;
			left[n_left++] = bytes[i];
			if (n_left < 4)
				continue;
			memcpy(&number, left, 4);
			assert_int_equal(number, *expected);
			++*expected;
			n_left = 0;
		}
	}
}

/* The socket takes part of what was collected; nothing is lost, doubled or out of order. */
static void
test_full(void **state)
{
	struct pq_merge merge = {0};
	struct pair a = open_pair(true);
	uint32_t next = 0, expected = 0;

	(void)state;
	pq_merge_collect(&merge);
	assert_int_equal(send_numbers(a.ours, &next, 900), 900 * 64);
	pq_merge_pause();
	pq_merge_flush(&merge);
	assert_int_equal(merge.n_stuck, 1);
	/* Nothing more is taken, collecting or not, until what waits is gone. */
	assert_int_equal(send_numbers(a.ours, &next, 1), 0);
	pq_merge_collect(&merge);
	assert_int_equal(send_numbers(a.ours, &next, 1), 0);
	pq_merge_pause();
	pq_merge_flush(&merge);
	assert_int_equal(merge.n_stuck, 1);
	for (int i = 0; i < 1000 && merge.n_stuck > 0; i++) {
		read_numbers(a.theirs, &expected);
		pq_merge_flush(&merge);
	}
	assert_int_equal(merge.n_stuck, 0);
	read_numbers(a.theirs, &expected);
	assert_int_equal(expected, 900 * 16);
	/* Stuck again and again between flushes, it stands in the list once. */
	for (int i = 0; i < 20; i++) {
		pq_merge_collect(&merge);
		send_numbers(a.ours, &next, 900);
		pq_merge_pause();
		pq_merge_flush(&merge);
		assert_int_equal(merge.n_stuck, 1);
		for (int j = 0; j < 1000 && send_numbers(a.ours, &next, 1) == 0; j++)
			read_numbers(a.theirs, &expected);
	}
	/* More than fits into a buffer, with a reader that keeps up now and then. */
	for (int i = 0; i < 200; i++) {
		pq_merge_collect(&merge);
		send_numbers(a.ours, &next, 300);
		pq_merge_pause();
		if (i % 3 == 0)
			read_numbers(a.theirs, &expected);
		pq_merge_flush(&merge);
	}
	for (int i = 0; i < 1000 && (merge.n_stuck > 0 || i == 0); i++) {
		read_numbers(a.theirs, &expected);
		pq_merge_flush(&merge);
	}
	read_numbers(a.theirs, &expected);
	assert_int_equal(expected, next);
	pq_merge_release(&merge);
	close(a.ours), close(a.theirs);
}

static void
test_closed_while_collected(void **state)
{
	struct pq_merge merge = {0};
	struct pair a = open_pair(true), b = open_pair(true);

	(void)state;
	pq_merge_collect(&merge);
	send_text(a.ours, "last words");
	send_text(b.ours, "end of it");
	close(a.ours);
	shutdown(b.ours, SHUT_WR);
	pq_merge_pause();
	assert_gets(a.theirs, "last words");
	assert_closed(a.theirs);
	assert_gets(b.theirs, "end of it");
	assert_closed(b.theirs);
	pq_merge_release(&merge);
	close(a.theirs), close(b.ours), close(b.theirs);
}

/* A number that is another's gets nothing of what was there before, merged or not. */
static void
test_descriptor_reused(void **state)
{
	struct pq_merge merge = {0};
	uint32_t next = 0;

	(void)state;
	for (int added = 0; added < 2; added++) {
		struct pair a = open_pair(true);
		pq_merge_collect(&merge);
		send_numbers(a.ours, &next, 900);
		pq_merge_pause();
		if (added == 1)
			pq_merge_flush(&merge); /* stuck, not only collected */
		close(a.ours);
		struct pair b = open_pair(added == 1);
		assert_int_equal(b.ours, a.ours);
		send_text(b.ours, "new");
		pq_merge_flush(&merge);
		assert_gets(b.theirs, "new");
		assert_gets(b.theirs, NULL);
		assert_int_equal(merge.n_stuck, 0);
		close(a.theirs), close(b.ours), close(b.theirs);
	}
	pq_merge_release(&merge);
}

/* The peer is gone: no signal, and the next message says so. */
static void
test_broken(void **state)
{
	struct pq_merge merge = {0};
	struct pair a = open_pair(true);

	(void)state;
	close(a.theirs);
	pq_merge_collect(&merge);
	assert_int_equal(send_text(a.ours, "nobody"), 6);
	pq_merge_pause();
	pq_merge_flush(&merge);
	assert_int_equal(merge.n_stuck, 0);
	assert_int_equal(send_text(a.ours, "nobody"), -1);
	assert_int_equal(errno, EPIPE);
	close(a.ours);
	pq_merge_release(&merge);
}

static void *
send_from_elsewhere(void *context)
{
	const struct pair *pair = context;

	return send_text(pair->ours, "b") == 1 ? context : NULL;
}

/* gRPC may move a write to another thread: the order stays. */
static void
test_other_thread(void **state)
{
	struct pq_merge merge = {0};
	struct pair a = open_pair(true);
	pthread_t thread;
	void *result;

	(void)state;
	for (int i = 0; i < 100; i++) {
		char got[4] = "";
		pq_merge_collect(&merge);
		send_text(a.ours, "a");
		assert_int_equal(pthread_create(&thread, NULL, send_from_elsewhere, &a), 0);
		pq_merge_pause();
		pthread_join(thread, &result);
		pq_merge_flush(&merge);
		assert_ptr_equal(result, &a);
		assert_int_equal(read(a.theirs, got, 3), 2);
		assert_string_equal(got, "ab");
	}
	pq_merge_release(&merge);
	close(a.ours), close(a.theirs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_closed_while_collected),
		cmocka_unit_test(test_descriptor_reused),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_other_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

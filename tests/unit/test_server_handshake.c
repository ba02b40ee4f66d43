/*
 * Connections that are opened and not used: closed after their time, while others are answered.
 *
 * ctest: labels=tsan timeout=120
 */
#include "tests/support/served.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define TIMEOUT_MS 60000
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define EMPTY_SETTINGS "\0\0\0\4\0\0\0\0\0"
#define BEGIN PREFACE EMPTY_SETTINGS
#define BEGIN_BYTES (sizeof(BEGIN) - 1)

static int
connect_tcp(const struct served *served)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons((uint16_t)atoi(strrchr(served->tcp, ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static int
connect_unix(const struct served *served)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(to.sun_path, served->socket, strlen(served->socket) + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void
say(int fd, const char *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

/* The server speaks. */
static void
assert_greeted(int fd)
{
	struct pollfd poll_fd = {fd, POLLIN, 0};
	char byte;

	assert_int_equal(poll(&poll_fd, 1, TIMEOUT_MS), 1);
	assert_int_equal(recv(fd, &byte, 1, MSG_PEEK), 1);
}

/* The server closes, having said nothing (`silent`) or something. */
static void
assert_closed(int fd, bool silent)
{
	struct pollfd poll_fd = {fd, POLLIN, 0};
	char bytes[256];
	ssize_t n;

	do {
		assert_int_equal(poll(&poll_fd, 1, TIMEOUT_MS), 1);
		n = recv(fd, bytes, sizeof(bytes), 0);
		assert_true(n <= 0 || !silent);
	} while (n > 0);
	close(fd);
}

static void
assert_answered(struct served *served)
{
	static const char bytes[] = "\x0a\x0a"
								"2025-06-01"
								"\x1a\x06"
								"export"
								"\x32\x02"
								"AA";
	struct raw_client client;

	raw_client_open(&client, served->tcp);
	assert_non_null(strstr(served_decide(served, &client, bytes, sizeof(bytes) - 1), "outcome"));
	raw_client_close(&client);
}

static void
test_closed_after_a_time(void **state)
{
	struct served *served = *state;
	int fds[2 + BEGIN_BYTES];
	size_t n = 0;

	fds[n++] = connect_tcp(served);
	fds[n++] = connect_unix(served);
	for (size_t len = 1; len < BEGIN_BYTES; len++) {
		fds[n] = len % 2 == 0 ? connect_tcp(served) : connect_unix(served);
		say(fds[n++], BEGIN, len);
	}
	assert_answered(served);
	for (size_t i = 0; i < n; i++)
		assert_closed(fds[i], true);
	assert_answered(served);
}

/* Byte by byte, but in time. */
static void
test_in_parts(void **state)
{
	struct served *served = *state;
	int fd = connect_tcp(served);

	for (size_t i = 0; i < BEGIN_BYTES; i++)
		say(fd, BEGIN + i, 1);
	assert_greeted(fd);
	close(fd);
}

static void
test_no_http2(void **state)
{
	struct served *served = *state;
	static const char other[] = PREFACE "\0\0\0\1\0\0\0\0\0", huge[] = PREFACE "\xff\0\0\4\0\0\0\0\0";
	int fds[] = {connect_tcp(served), connect_unix(served), connect_tcp(served)};

	say(fds[0], "GET / HTTP/1.1\r\n\r\n", 18);
	say(fds[1], other, sizeof(other) - 1);
	say(fds[2], huge, sizeof(huge) - 1);
	for (size_t i = 0; i < 3; i++)
		assert_closed(fds[i], true);
}

/* More than are waited for: the oldest go, at once, for these have a minute each. */
static void
test_too_many(void **state)
{
	struct served *served = *state;
	int fds[PQ_SERVER_HANDSHAKES + 8];
	struct rlimit limit;

	/* Both ends of each are in this process. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max < 3 * PQ_SERVER_HANDSHAKES || setrlimit(RLIMIT_NOFILE, &limit) != 0)
		skip();
	for (size_t i = 0; i < PQ_SERVER_HANDSHAKES + 8; i++)
		fds[i] = connect_unix(served);
	for (size_t i = 0; i < 8; i++)
		assert_closed(fds[i], true);
	assert_answered(served);
	say(fds[PQ_SERVER_HANDSHAKES], BEGIN, BEGIN_BYTES);
	assert_greeted(fds[PQ_SERVER_HANDSHAKES]);
	for (size_t i = 8; i < PQ_SERVER_HANDSHAKES + 8; i++)
		close(fds[i]);
}

static void
test_idle(void **state)
{
	struct served *served = *state;
	int fd = connect_tcp(served);

	say(fd, BEGIN, BEGIN_BYTES);
	assert_greeted(fd);
	assert_closed(fd, false);
	assert_answered(served);
}

static int
setup_with(void **state, unsigned handshake_s, unsigned idle_s)
{
	struct served *served = served_prepare(1);

	served->options.handshake_timeout_s = handshake_s;
	served->options.max_idle_s = idle_s;
	served_start(served);
	*state = served;
	return 0;
}

static int
setup(void **state)
{
	return setup_with(state, 1, 0);
}

static int
setup_slow(void **state)
{
	return setup_with(state, 3600, 0);
}

static int
setup_idle(void **state)
{
	return setup_with(state, 3600, 1);
}

static int
teardown(void **state)
{
	return served_free(*state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_closed_after_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_parts, setup_slow, teardown),
		cmocka_unit_test_setup_teardown(test_no_http2, setup_slow, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup_slow, teardown),
		cmocka_unit_test_setup_teardown(test_idle, setup_idle, teardown),
	};

	pq_log_set_level(PQ_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Flags, variables and addresses of the server.
 */
#include "server/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* The environment of a test: pairs of name and value. */
static const char *const *environment;

static char *
look_up(const char *name)
{
	for (const char *const *pair = environment; pair != NULL && pair[0] != NULL; pair += 2) {
		if (strcmp(pair[0], name) == 0)
			return (char *)pair[1];
	}
	return NULL;
}

#define ARGUMENTS_MAX 40

static enum pq_status
parse(const char *line, const char *const *env, struct pq_options *ret, struct pq_err *err)
{
	static char copy[4096];
	char *argv[ARGUMENTS_MAX] = {(char *)"pratiqued"};
	int argc = 1;

	environment = env;
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word != NULL && argc < ARGUMENTS_MAX; word = strtok(NULL, " "))
		argv[argc++] = word;
	return pq_options_parse(argc, argv, look_up, ret, err);
}

static void
assert_refused(const char *line, const char *const *env, const char *where)
{
	struct pq_options options;
	struct pq_err err = {0};

	memset(&options, 0x5a, sizeof(options));
	struct pq_options untouched = options;
	if (parse(line, env, &options, &err) != PQ_EINVAL)
		fail_msg("accepted: %s", line);
	if (strcmp(err.where, where) != 0)
		fail_msg("%s: expected %s, got %s: %s", line, where, err.where, err.msg);
	assert_true(err.msg[0] != '\0');
	assert_memory_equal(&options, &untouched, sizeof(options));
}

static void
test_defaults(void **state)
{
	struct pq_options options;
	struct pq_err err = {0};

	(void)state;
	assert_int_equal(parse("--store a.mdb", NULL, &options, &err), PQ_OK);
	assert_string_equal(options.store, "a.mdb");
	assert_int_equal(options.n_listen, 1);
	assert_string_equal(options.listen[0].target, "127.0.0.1:8300");
	assert_true(options.shards >= 1);
	assert_true(options.merge_replies);
	assert_int_equal(options.max_batch_items, 1000);
	assert_int_equal(parse("--store a --merge-replies off --max-batch-items 7", NULL, &options, &err), PQ_OK);
	assert_false(options.merge_replies);
	assert_int_equal(options.max_batch_items, 7);
	assert_int_equal(options.max_message_bytes, PQ_SERVER_MESSAGE_BYTES);
	assert_int_equal(options.grace_s, PQ_SERVER_GRACE);
	assert_int_equal(options.drain_delay_s, 0);
	assert_int_equal(options.ready_fd, -1);
	assert_false(options.insecure_public);
}

static void
test_flags(void **state)
{
	struct pq_options options;
	struct pq_err err = {0};

	(void)state;
	assert_int_equal(parse("--listen=unix:/a --shards=3 --store b --listen [::1]:0 --grace 0 --drain-delay 7"
	                       " --max-message-bytes 4096 --max-concurrent-streams 5 --log-level warn --ready-fd 9",
	                       NULL, &options, &err),
	                 PQ_OK);
	assert_int_equal(options.shards, 3);
	assert_int_equal(options.n_listen, 2);
	assert_string_equal(options.listen[0].path, "/a");
	assert_string_equal(options.listen[1].target, "[::1]:0");
	assert_int_equal(options.grace_s, 0);
	assert_int_equal(options.drain_delay_s, 7);
	assert_int_equal(options.max_message_bytes, 4096);
	assert_int_equal(options.max_concurrent_streams, 5);
	assert_int_equal(options.log_level, PQ_LOG_WARN);
	assert_int_equal(options.ready_fd, 9);
}

static void
test_environment(void **state)
{
	static const char *const env[] = {
		"PRATIQUE_STORE",
		"e.mdb",
		"PRATIQUE_LISTEN",
		"unix:/a,127.0.0.1:1",
		"PRATIQUE_SHARDS",
		"2",
		"PRATIQUE_GRACE",
		"9",
		"PRATIQUE_INSECURE_PUBLIC",
		"0",
		NULL,
	};
	struct pq_options options;
	struct pq_err err = {0};

	(void)state;
	assert_int_equal(parse("", env, &options, &err), PQ_OK);
	assert_string_equal(options.store, "e.mdb");
	assert_int_equal(options.n_listen, 2);
	assert_int_equal(options.shards, 2);
	assert_int_equal(options.grace_s, 9);
	/* A flag takes the place of its variable, addresses included, even of one that is wrong. */
	assert_int_equal(parse("--listen 127.0.0.1:5 --shards 4", env, &options, &err), PQ_OK);
	assert_int_equal(options.n_listen, 1);
	assert_int_equal(options.shards, 4);
}

static void
test_wrong(void **state)
{
	static const char *const public_env[] = {"PRATIQUE_LISTEN", "0.0.0.0:1", NULL};
	static const char *const switch_env[] = {"PRATIQUE_INSECURE_PUBLIC", "maybe", NULL};
	static const char *const store_env[] = {"PRATIQUE_STORE", "", NULL};
	static const struct {
		const char *line;
		const char *where;
	} rows[] = {
		{"", "--store"},
		{"--store", "--store"},
		{"--store a extra", "extra"},
		{"--store a --worker 1", "--worker"},
		{"--store a --insecure-public=1", "--insecure-public=1"},
		{"--store a --merge-replies yes", "--merge-replies"},
		{"--store a --max-batch-items 0", "--max-batch-items"},
		{"--store a --shards 0", "--shards"},
		{"--store a --shards 65", "--shards"},
		{"--store a --shards 3x", "--shards"},
		{"--store a --shards 18446744073709551617", "--shards"},
		{"--store a --grace 3601", "--grace"},
		{"--store a --max-message-bytes 1023", "--max-message-bytes"},
		{"--store a --log-level INFO", "--log-level"},
		{"--store a --ready-fd 2", "--ready-fd"},
		{"--store a --listen 127.0.0.1", "--listen"},
		{"--store a --listen 127.0.0.1:", "--listen"},
		{"--store a --listen 127.0.0.1:65536", "--listen"},
		{"--store a --listen 127.0.0.1:+1", "--listen"},
		{"--store a --listen 1.2.3:1", "--listen"},
		{"--store a --listen [::1:1", "--listen"},
		{"--store a --listen example.org:1", "--listen"},
		{"--store a --listen 10.0.0.1:1", "--listen"},
		{"--store a --listen [2001:db8::1]:1", "--listen"},
		{"--store a --listen unix:", "--listen"},
		{"--store a --tls-cert x", "--tls-cert"},
		{"--store a --tls-key x", "--tls-key"},
		{"--store a --tls-client-ca x", "--tls-client-ca"},
		{"--store a --roles x", "--roles"},
		{"--store a --tls-cert x --tls-key y --roles x", "--roles"},
		{"--store a --listen 0.0.0.0:1 --tls-cert x --tls-key y", "--listen"},
		{"--store a --listen 0.0.0.0:1 --tokens x", "--listen"},
		{"--store a --listen 0.0.0.0:1 --insecure-public --tokens x", "--listen"},
		{"--store a --admin-listen 0.0.0.0:1", "--admin-listen"},
		{"--store a --admin-listen 0.0.0.0:1 --insecure-public", "--admin-listen"},
		{"--store a --admin-listen [::]:1 --tls-cert x --tls-key y --tls-client-ca z", "--admin-listen"},
		{"--store a --listen 0.0.0.0:1 --insecure-public --admin-on-main", "--admin-on-main"},
		{"--store a --metrics-listen 127.0.0.1", "--metrics-listen"},
		{"--store a --metrics-listen 127.0.0.1:1 --metrics-listen 127.0.0.1:2", "--metrics-listen"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_refused(rows[i].line, NULL, rows[i].where);
	assert_refused("--data d --follow ://", NULL, "--follow");
	assert_refused("--data d --follow https://", NULL, "--follow");
	assert_refused("--store a", public_env, "PRATIQUE_LISTEN");
	assert_refused("--store a", switch_env, "PRATIQUE_INSECURE_PUBLIC");
	assert_refused("", store_env, "PRATIQUE_STORE");
}

static void
test_too_many_addresses(void **state)
{
	char line[1024] = "--store a";

	(void)state;
	for (int i = 0; i <= PQ_SERVER_LISTEN_MAX; i++)
		strcat(line, " --listen 127.0.0.1:0");
	struct pq_options options;
	struct pq_err err = {0};
	assert_int_equal(parse(line, NULL, &options, &err), PQ_EINVAL);
	assert_string_equal(err.where, "--listen");
}

static void
test_public_when_asked(void **state)
{
	struct pq_options options;
	struct pq_err err = {0};

	(void)state;
	/* Wherever the switch stands. */
	assert_int_equal(parse("--store a --listen 0.0.0.0:1 --insecure-public", NULL, &options, &err), PQ_OK);
	assert_true(options.listen[0].reachable);
	/* Encrypted and authenticated, wherever the flags stand. */
	assert_int_equal(
		parse("--store a --listen 0.0.0.0:1 --tls-cert x --tls-key y --tls-client-ca z", NULL, &options, &err), PQ_OK);
	assert_int_equal(
		parse("--store a --listen 0.0.0.0:1 --tls-cert x --tls-key y --tokens z --admin-on-main", NULL, &options, &err),
		PQ_OK);
	assert_true(options.admin_on_main);
	assert_int_equal(parse("--store a --admin-listen 0.0.0.0:1 --admin-listen unix:/a --tls-cert x --tls-key y "
	                       "--tls-client-ca z --roles r",
	                       NULL, &options, &err),
	                 PQ_OK);
	assert_int_equal(options.n_admin_listen, 2);
	assert_string_equal(options.roles, "r");
	assert_int_equal(parse("--store a --metrics-listen 0.0.0.0:9464", NULL, &options, &err), PQ_OK);
	assert_string_equal(options.metrics_listen.target, "0.0.0.0:9464");
	assert_int_equal(parse("--store a --listen localhost:1 --listen 127.9.9.9:2", NULL, &options, &err), PQ_OK);
	assert_string_equal(options.listen[0].target, "127.0.0.1:1");
}

static void
test_help_and_version(void **state)
{
	struct pq_options options;
	struct pq_err err = {0};

	(void)state;
	assert_int_equal(parse("--shards x --help", NULL, &options, &err), PQ_OK);
	assert_true(options.help);
	assert_int_equal(parse("--version", NULL, &options, &err), PQ_OK);
	assert_true(options.version);
}

/* ---- sockets on disk --------------------------------------------------------------------------------------------- */

static void
test_sockets(void **state)
{
	char folder[] = "/tmp/pratique-test-XXXXXX", path[64], text[80];
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct pq_address address;
	struct pq_err err = {0};
	struct stat info;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(text, sizeof(text), "unix:%s", path);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	assert_int_equal(pq_address_parse(text, false, "", &address, &err), PQ_OK);
	assert_int_equal(pq_address_clear(&address, &err), PQ_OK);

	/* Somebody listens: it stays. */
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(pq_address_clear(&address, &err), PQ_EIO);
	assert_int_equal(stat(path, &info), 0);

	/* Nobody does any more: it goes. */
	close(fd);
	assert_int_equal(pq_address_clear(&address, &err), PQ_OK);
	assert_int_equal(stat(path, &info), -1);

	/* At the end only the socket that was made is unlinked, not one that took its place. */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	pq_address_bound(&address, 1);
	struct pq_address other = address;
	other.inode++;
	pq_address_unlink(&other);
	assert_int_equal(stat(path, &info), 0);
	pq_address_unlink(&address);
	assert_int_equal(stat(path, &info), -1);
	close(fd);
	assert_int_equal(rmdir(folder), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),           cmocka_unit_test(test_flags),
		cmocka_unit_test(test_environment),        cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_too_many_addresses), cmocka_unit_test(test_public_when_asked),
		cmocka_unit_test(test_help_and_version),   cmocka_unit_test(test_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Eight shards under everything at once: single calls, batches, streams, watches on health, scrapes of the metrics,
 * connections that come and go, while revisions change. Each answer is there, whole, and by one of both revisions.
 *
 * ctest: labels=tsan timeout=120
 */
#include "tests/support/served.h"
#include "tests/support/tiny_store.h"

#include "pratique/v1/batch.pb-c.h"
#include "pratique/v1/decision.pb-c.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SWAPS 40
#else
#define SWAPS 200
#endif
#define SHARDS 8
#define ITEMS 20
#define TIMEOUT_MS 60000
#define SERVICE "/pratique.v1.DecisionService/"
#define WATCH "/grpc.health.v1.Health/Watch"

struct storm {
	struct served *served;
	char digests[2][PQ_DIGEST_HEX_BYTES];
	_Atomic(bool) stop;
};

struct guest {
	pthread_t thread;
	struct storm *storm;
	_Atomic(size_t) done;
	char failed[256]; /* "" = nothing did */
};

static bool
goes_on(const struct guest *guest)
{
	return guest->failed[0] == '\0' && !atomic_load(&guest->storm->stop);
}

static void
fail_guest(struct guest *guest, const char *what, int code)
{
	if (guest->failed[0] == '\0')
		snprintf(guest->failed, sizeof(guest->failed), "%s (%d)", what, code);
}

static size_t
question(uint8_t *at)
{
	Pratique__V1__DecideRequest request = PRATIQUE__V1__DECIDE_REQUEST__INIT;
	char day[] = "2026-06-01", type[] = "export", to[] = "BB";

	request.as_of = day;
	request.transaction_type = type;
	request.destination = to;
	return pratique__v1__decide_request__pack(&request, at);
}

/* The question, so many times in a batch or a frame. */
static size_t
many(uint8_t *at)
{
	uint8_t one[128];
	size_t len = question(one), n = 0;

	for (size_t i = 0; i < ITEMS; i++) {
		at[n++] = 1 << 3 | 2;
		at[n++] = (uint8_t)len;
		memcpy(at + n, one, len);
		n += len;
	}
	return n;
}

static void
judge(struct guest *guest, const Pratique__V1__Revision *revision, Pratique__V1__Outcome outcome)
{
	struct storm *storm = guest->storm;
	bool known = revision != NULL && (strcmp(revision->digest, storm->digests[0]) == 0 ||
	                                  strcmp(revision->digest, storm->digests[1]) == 0);

	if (!known || outcome != PRATIQUE__V1__OUTCOME__OUTCOME_NEEDS_INFORMATION)
		fail_guest(guest, "a wrong answer", (int)outcome);
	atomic_fetch_add(&guest->done, 1);
}

static void
judge_all(struct guest *guest, const Pratique__V1__Revision *revision, Pratique__V1__DecideResult **results, size_t n)
{
	if (n != ITEMS)
		fail_guest(guest, "answers are missing", (int)n);
	for (size_t i = 0; i < n; i++) {
		if (results[i]->result_case != PRATIQUE__V1__DECIDE_RESULT__RESULT_DECIDED)
			fail_guest(guest, "an item was refused", (int)i);
		else
			judge(guest, revision, results[i]->decided->decision->outcome);
	}
}

static void
ask_once(struct guest *guest, struct raw_client *client)
{
	uint8_t bytes[128];
	struct raw_end end;

	raw_call(client, SERVICE "Decide", bytes, question(bytes), TIMEOUT_MS, false, &end);
	Pratique__V1__DecideResponse *answer =
		end.code == GRPC_STATUS_OK ? pratique__v1__decide_response__unpack(NULL, end.reply_len, end.reply) : NULL;
	if (answer == NULL)
		fail_guest(guest, "a call failed", (int)end.code);
	else
		judge(guest, answer->revision, answer->decision->outcome);
	if (answer != NULL)
		pratique__v1__decide_response__free_unpacked(answer, NULL);
	raw_end_free(&end);
}

static void *
ask(void *context)
{
	struct guest *guest = context;
	struct raw_client client;

	raw_client_open(&client, guest->storm->served->tcp);
	while (goes_on(guest))
		ask_once(guest, &client);
	raw_client_close(&client);
	return NULL;
}

/* By a new connection each time. */
static void *
come_and_go(void *context)
{
	struct guest *guest = context;

	while (goes_on(guest)) {
		struct raw_client client;
		raw_client_open(&client, guest->storm->served->unix_address);
		ask_once(guest, &client);
		raw_client_close(&client);
	}
	return NULL;
}

static void *
ask_many(void *context)
{
	struct guest *guest = context;
	struct raw_client client;
	uint8_t bytes[4096];
	size_t len = many(bytes);

	raw_client_open(&client, guest->storm->served->tcp);
	while (goes_on(guest)) {
		struct raw_end end;
		raw_call(&client, SERVICE "BatchDecide", bytes, len, TIMEOUT_MS, false, &end);
		Pratique__V1__BatchDecideResponse *answer =
			end.code == GRPC_STATUS_OK ? pratique__v1__batch_decide_response__unpack(NULL, end.reply_len, end.reply) : NULL;
		if (answer == NULL)
			fail_guest(guest, "a batch failed", (int)end.code);
		else
			judge_all(guest, answer->revision, answer->results, answer->n_results);
		if (answer != NULL)
			pratique__v1__batch_decide_response__free_unpacked(answer, NULL);
		raw_end_free(&end);
	}
	raw_client_close(&client);
	return NULL;
}

static void *
stream(void *context)
{
	struct guest *guest = context;
	struct raw_client client;
	struct raw_stream frames;
	uint8_t bytes[4096];
	size_t len = many(bytes);

	raw_client_open(&client, guest->storm->served->tcp);
	raw_stream_open(&frames, &client, SERVICE "StreamDecide", 10 * TIMEOUT_MS);
	while (goes_on(guest)) {
		size_t got;
		uint8_t *reply = raw_stream_write(&frames, bytes, len) ? raw_stream_read(&frames, &got) : NULL;
		Pratique__V1__StreamDecideResponse *answer =
			reply != NULL ? pratique__v1__stream_decide_response__unpack(NULL, got, reply) : NULL;
		if (answer == NULL)
			fail_guest(guest, "a frame was not answered", 0);
		else
			judge_all(guest, answer->revision, answer->results, answer->n_results);
		if (answer != NULL)
			pratique__v1__stream_decide_response__free_unpacked(answer, NULL);
		free(reply);
	}
	raw_stream_half_close(&frames);
	grpc_status_code code = raw_stream_end(&frames);
	if (code != GRPC_STATUS_OK)
		fail_guest(guest, "the stream ended", (int)code);
	raw_client_close(&client);
	return NULL;
}

/* Watches that are told SERVING and cancelled. */
static void *
watch(void *context)
{
	struct guest *guest = context;
	struct raw_client client;

	raw_client_open(&client, guest->storm->served->tcp);
	while (goes_on(guest)) {
		struct raw_stream health;
		size_t len = 0;
		raw_stream_open(&health, &client, WATCH, TIMEOUT_MS);
		raw_stream_write(&health, "", 0);
		raw_stream_half_close(&health);
		uint8_t *told = raw_stream_read(&health, &len);
		if (told == NULL || len != 2 || told[1] != 1)
			fail_guest(guest, "a watch was not told SERVING", (int)len);
		free(told);
		raw_stream_cancel(&health);
		raw_stream_end(&health);
		atomic_fetch_add(&guest->done, 1);
	}
	raw_client_close(&client);
	return NULL;
}

static void *
scrape(void *context)
{
	struct guest *guest = context;
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	const char *target = guest->storm->served->server->metrics_address.target;

	to.sin_port = htons((uint16_t)atoi(strrchr(target, ':') + 1));
	while (goes_on(guest)) {
		char page[4096] = {0};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
		    send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0 || recv(fd, page, sizeof(page) - 1, MSG_WAITALL) <= 0 ||
		    strstr(page, "grpc_server_started_total") == NULL)
			fail_guest(guest, "a scrape failed", 0);
		close(fd);
		atomic_fetch_add(&guest->done, 1);
	}
	return NULL;
}

static const struct kind {
	const char *name;
	void *(*run)(void *);
	size_t least; /* that it must have done before the storm is over */
} kinds[] = {
	{"asks", ask, 20},         {"asks too", ask, 20},       {"asks many", ask_many, ITEMS}, {"streams", stream, ITEMS},
	{"streams", stream, ITEMS}, {"comes and goes", come_and_go, 5}, {"watches", watch, 5},  {"scrapes", scrape, 5},
};
#define GUESTS (sizeof(kinds) / sizeof(kinds[0]))

/* Have all done something? */
static bool
all_were_there(struct guest *guests)
{
	for (size_t i = 0; i < GUESTS; i++)
		if (guests[i].failed[0] == '\0' && atomic_load(&guests[i].done) < kinds[i].least)
			return false;
	return true;
}

static void
test_storm(void **state)
{
	const struct timespec pause = {0, 5000000};
	struct served *served = served_prepare(SHARDS);
	struct storm storm = {.served = served};
	struct guest guests[GUESTS] = {0};
	struct pq_revision *revision;
	struct pq_err err = {0};
	char other[112];

	(void)state;
	assert_int_equal(pq_address_parse("127.0.0.1:0", false, "", &served->options.metrics_listen, &err), PQ_OK);
	served->options.n_metrics_listen = 1;
	served_start(served);
	snprintf(other, sizeof(other), "%s/other.mdb", served->folder);
	tiny_store_seal_edition(other, 2);
	const char *stores[] = {served->store, other};
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pq_revision_open(stores[i], &revision, &err), PQ_OK);
		snprintf(storm.digests[i], sizeof(storm.digests[i]), "%s", pq_revision_digest(revision));
		pq_revision_release(revision);
	}
	assert_string_not_equal(storm.digests[0], storm.digests[1]);
	for (size_t i = 0; i < GUESTS; i++) {
		guests[i].storm = &storm;
		assert_int_equal(pthread_create(&guests[i].thread, NULL, kinds[i].run, &guests[i]), 0);
	}
	for (size_t i = 0; i < SWAPS || !all_were_there(guests); i++) {
		assert_int_equal(pq_revision_open(stores[i % 2], &revision, &err), PQ_OK);
		pq_server_publish(served->server, revision);
		nanosleep(&pause, NULL);
	}
	atomic_store(&storm.stop, true);
	for (size_t i = 0; i < GUESTS; i++)
		pthread_join(guests[i].thread, NULL);
	for (size_t i = 0; i < GUESTS; i++) {
		print_message("%s: %zu\n", kinds[i].name, atomic_load(&guests[i].done));
		assert_string_equal(guests[i].failed, "");
	}
	unlink(other);
	assert_int_equal(served_free(served), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storm),
	};

	pq_log_set_level(PQ_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

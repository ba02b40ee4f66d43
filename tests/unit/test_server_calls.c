/*
 * A whole server in this process, asked over real sockets.
 *
 * ctest: labels=tsan timeout=120
 */
#include "cli/remote.h"
#include "policy/request.h"
#include "server/server.h"
#include "tests/support/raw_client.h"
#include "tests/support/tiny_store.h"

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DECIDE "/pratique.v1.DecisionService/Decide"
#define CHECK "/grpc.health.v1.Health/Check"
#define WATCH "/grpc.health.v1.Health/Watch"
#define REFLECTION_V1 "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define REFLECTION_V1ALPHA "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
#define TIMEOUT_MS 60000
/* Far more than any end takes, on a slow machine too: an end that takes as long was held up. */
#define GRACE_S 40

struct fixture {
	char folder[64], store[96], socket[96], tcp[PQ_ADDRESS_TEXT];
	struct pq_options options;
	struct pq_server *server;
	struct pq_arena arena;
	struct raw_client client;
	bool with_admin; /* it has --admin-listen */
};

static void
start(struct fixture *f, unsigned workers)
{
	struct pq_revision *revision;
	struct pq_err err = {0};
	char unix_address[128];

	snprintf(unix_address, sizeof(unix_address), "unix:%s", f->socket);
	f->options = (struct pq_options){
		.store = f->store,
		.shards = workers,
		.max_message_bytes = 65536,
		.max_batch_items = PQ_SERVER_BATCH_ITEMS,
		.merge_replies = true,
		.max_concurrent_streams = 100,
		.handshake_timeout_s = PQ_SERVER_HANDSHAKE,
		.grace_s = GRACE_S,
		.ready_fd = -1,
	};
	assert_int_equal(pq_address_parse(unix_address, false, "", &f->options.listen[0], &err), PQ_OK);
	assert_int_equal(pq_address_parse("127.0.0.1:0", false, "", &f->options.listen[1], &err), PQ_OK);
	f->options.n_listen = 2;
	if (f->with_admin) {
		assert_int_equal(pq_address_parse("127.0.0.1:0", false, "", &f->options.admin_listen[0], &err), PQ_OK);
		f->options.n_admin_listen = 1;
	}
	assert_int_equal(pq_revision_open(f->store, &revision, &err), PQ_OK);
	if (pq_server_start(&f->options, revision, NULL, &f->server, &err) != PQ_OK)
		fail_msg("%s: %s", err.where, err.msg);
	snprintf(f->tcp, sizeof(f->tcp), "%s", f->server->addresses[1].target);
	raw_client_open(&f->client, f->tcp);
}

static int
setup_with(void **state, unsigned workers, bool with_admin)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	snprintf(f->folder, sizeof(f->folder), "/tmp/pratique-test-XXXXXX");
	if (mkdtemp(f->folder) == NULL)
		return -1;
	snprintf(f->store, sizeof(f->store), "%s/tiny.mdb", f->folder);
	snprintf(f->socket, sizeof(f->socket), "%s/pratique.sock", f->folder);
	tiny_store_seal(f->store);
	pq_arena_init(&f->arena, (size_t)64 << 20);
	*state = f;
	f->with_admin = with_admin;
	start(f, workers);
	return 0;
}

static int
setup(void **state)
{
	return setup_with(state, 2, false);
}

static int
setup_admin(void **state)
{
	return setup_with(state, 1, true);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	raw_client_close(&f->client);
	if (f->server != NULL)
		pq_server_end(f->server);
	unlink(f->store);
	/* The socket is gone, or this fails. */
	int left = rmdir(f->folder);
	pq_arena_release(&f->arena);
	free(f);
	return left;
}

static enum pq_status
ask(struct fixture *f, const char *address, const char *json, struct pq_decision *ret,
    struct pq_remote_reply *ret_reply, struct pq_err *err)
{
	struct pq_request request;
	struct pq_remote *remote;

	assert_int_equal(pq_request_from_json(json, strlen(json), &f->arena, &request, err), PQ_OK);
	assert_int_equal(pq_remote_new(address, NULL, &remote, err), PQ_OK);
	enum pq_status status = pq_remote_ask(remote, &request, TIMEOUT_MS, &f->arena, ret, ret_reply, err);
	pq_remote_free(remote);
	return status;
}

static void
assert_code(struct fixture *f, const char *method, const void *data, size_t len, grpc_status_code code,
            const char *in_message)
{
	struct raw_end end;

	raw_call(&f->client, method, data, len, TIMEOUT_MS, false, &end);
	if (end.code != code || strstr(end.message, in_message) == NULL)
		fail_msg("expected %s \"%s\", got %s \"%s\"", pq_code_name(code), in_message, pq_code_name(end.code),
		         end.message);
	raw_end_free(&end);
}

/* The server is still there and right. */
static void
assert_lives(struct fixture *f)
{
	struct pq_decision decision;
	struct pq_err err = {0};
	static const char json[] = "{\"as_of\": \"2025-06-01\", \"transaction_type\": \"export\", \"destination\": \"AA\"}";

	if (ask(f, f->tcp, json, &decision, NULL, &err) != PQ_OK)
		fail_msg("%s: %s", err.where, err.msg);
	assert_int_equal(decision.outcome, PQ_OUTCOME_NO_LICENSE_REQUIRED);
}

/* ---- Decide ------------------------------------------------------------------------------------------------------ */

static const char licence_required[] =
	"{\"as_of\": \"2025-06-01\", \"transaction_type\": \"export\", \"destination\": \"BB\", \"value_usd\": 101,"
	" \"parties\": [{\"role\": \"end_user\", \"country\": \"BB\"}]}";

static void
assert_licence_required(struct fixture *f, const char *address)
{
	struct pq_decision decision;
	struct pq_remote_reply reply;
	struct pq_err err = {0};

	if (ask(f, address, licence_required, &decision, &reply, &err) != PQ_OK)
		fail_msg("%s: %s", err.where, err.msg);
	assert_int_equal(decision.outcome, PQ_OUTCOME_LICENSE_REQUIRED);
	assert_int_equal(decision.policy, PQ_POLICY_CASE_BY_CASE);
	assert_int_equal(decision.n_requirements, 1);
	assert_string_equal(decision.requirements[0].rule->id, "tiny.bb");
	assert_string_equal(decision.requirements[0].rule->file, "tiny/rules/rules.yaml");
	assert_int_equal(decision.n_obligations, 1);
	assert_string_equal(decision.obligations[0].name, "REPORT");
	assert_int_equal(strlen(reply.digest), 64);
}

static void
test_decide_over_unix(void **state)
{
	struct fixture *f = *state;
	char address[128];

	snprintf(address, sizeof(address), "unix:%s", f->socket);
	assert_licence_required(f, address);
}

static void
test_decide_over_tcp(void **state)
{
	struct fixture *f = *state;

	assert_licence_required(f, f->tcp);
}

static void
test_lines_come_back_as_parts(void **state)
{
	struct fixture *f = *state;
	struct pq_decision decision;
	struct pq_err err = {0};
	static const char json[] =
		"{\"as_of\": \"2025-06-01\", \"transaction_type\": \"export\", \"destination\": \"BB\", \"item\": {\"lines\": ["
		"{\"value_usd\": 50}, {\"value_usd\": 500}]}}";

	assert_int_equal(ask(f, f->tcp, json, &decision, NULL, &err), PQ_OK);
	assert_int_equal(decision.outcome, PQ_OUTCOME_LICENSE_REQUIRED);
	assert_int_equal(decision.n_parts, 2);
	assert_int_equal(decision.parts[0].outcome, PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE);
	assert_string_equal(decision.parts[0].available[0].name, "SMALL");
}

static void
test_missing_facts_come_with_questions(void **state)
{
	struct fixture *f = *state;
	struct pq_decision decision;
	struct pq_err err = {0};
	static const char json[] = "{\"as_of\": \"2025-06-01\", \"transaction_type\": \"export\"}";

	assert_int_equal(ask(f, f->tcp, json, &decision, NULL, &err), PQ_OK);
	assert_int_equal(decision.outcome, PQ_OUTCOME_NEEDS_INFORMATION);
	assert_true(decision.n_missing >= 1);
	assert_string_equal(decision.missing[0].name, "destination");
	assert_string_equal(decision.missing[0].question, "To which country does it go?");
}

static void
test_unknown_country(void **state)
{
	struct fixture *f = *state;
	struct pq_decision decision;
	struct pq_remote_reply reply;
	struct pq_err err = {0};
	static const char json[] =
		"{\"as_of\": \"2025-06-01\", \"transaction_type\": \"export\", \"destination\": \"Atlantis\","
		" \"parties\": [{\"role\": \"end_user\", \"country\": \"QQ\"}], \"facts\": {\"no_such_fact\": true}}";

	assert_int_equal(ask(f, f->tcp, json, &decision, &reply, &err), PQ_EINVAL);
	assert_int_equal(reply.n_violations, 3);
	bool destination = false, country = false, fact = false;
	for (size_t i = 0; i < reply.n_violations; i++) {
		destination |= strcmp(reply.violations[i].field, "destination") == 0;
		country |= strcmp(reply.violations[i].field, "parties[0].country") == 0;
		fact |= strstr(reply.violations[i].field, "no_such_fact") != NULL;
	}
	assert_true(destination && country && fact);
}

/* ErrorInfo and BadRequest are where every other client looks for them. */
static void
test_rich_errors(void **state)
{
	struct fixture *f = *state;
	struct raw_end end;

	raw_call(&f->client, DECIDE, "\x2a\x01\xff", 3, TIMEOUT_MS, false, &end);
	assert_int_equal(end.code, GRPC_STATUS_INVALID_ARGUMENT);
	assert_non_null(end.details);
	Google__Rpc__Status *status = google__rpc__status__unpack(NULL, end.details_len, end.details);
	assert_non_null(status);
	assert_int_equal(status->code, GRPC_STATUS_INVALID_ARGUMENT);
	assert_string_equal(status->message, end.message);
	assert_int_equal(status->n_details, 2);
	assert_string_equal(status->details[0]->type_url, "type.googleapis.com/google.rpc.ErrorInfo");
	Google__Rpc__ErrorInfo *info =
		google__rpc__error_info__unpack(NULL, status->details[0]->value.len, status->details[0]->value.data);
	assert_string_equal(info->reason, "INVALID_REQUEST");
	assert_string_equal(info->domain, "pratique");
	google__rpc__error_info__free_unpacked(info, NULL);
	assert_string_equal(status->details[1]->type_url, "type.googleapis.com/google.rpc.BadRequest");
	Google__Rpc__BadRequest *bad =
		google__rpc__bad_request__unpack(NULL, status->details[1]->value.len, status->details[1]->value.data);
	assert_int_equal(bad->n_field_violations, 1);
	assert_string_equal(bad->field_violations[0]->field, "origin");
	assert_string_equal(bad->field_violations[0]->reason, "INVALID_UTF8");
	google__rpc__bad_request__free_unpacked(bad, NULL);
	google__rpc__status__free_unpacked(status, NULL);
	raw_end_free(&end);
	assert_lives(f);
}

/* Many faults with long names still fit into the metadata that clients accept. */
static void
test_many_violations_fit(void **state)
{
	struct fixture *f = *state;
	struct raw_end end;
	char bytes[64 * 210];
	size_t len = 0;

	for (int i = 0; i < 60; i++) {
		/* facts { key: 200 characters } */
		bytes[len++] = 0x7a, bytes[len++] = (char)0xcb, bytes[len++] = 1;
		bytes[len++] = 0x0a, bytes[len++] = (char)0xc8, bytes[len++] = 1;
		memset(bytes + len, 'a' + i % 26, 200);
		len += 200;
	}
	raw_call(&f->client, DECIDE, bytes, len, TIMEOUT_MS, false, &end);
	assert_int_equal(end.code, GRPC_STATUS_INVALID_ARGUMENT);
	assert_true(end.details_len > 1000 && end.details_len <= PQ_SERVER_DETAILS_BYTES);
	raw_end_free(&end);
	assert_lives(f);
}

static void
test_bytes_that_are_no_request(void **state)
{
	struct fixture *f = *state;

	assert_code(f, DECIDE, "\xff\xff\xff\xff", 4, GRPC_STATUS_INVALID_ARGUMENT, "no DecideRequest");
	assert_code(f, DECIDE, "", 0, GRPC_STATUS_INVALID_ARGUMENT, "as_of");
	assert_code(f, DECIDE,
	            "\x2a\x03"
	            "A\0B",
	            5, GRPC_STATUS_INVALID_ARGUMENT, "NUL");
	assert_code(f, DECIDE, "\x10\x63", 2, GRPC_STATUS_INVALID_ARGUMENT, "99 is no value of Query");
	assert_lives(f);
}

static void
test_too_large(void **state)
{
	struct fixture *f = *state;
	char *bytes = calloc(1, 65537);

	assert_non_null(bytes);
	assert_code(f, DECIDE, bytes, 65537, GRPC_STATUS_RESOURCE_EXHAUSTED, "");
	assert_code(f, DECIDE, bytes, 65536, GRPC_STATUS_INVALID_ARGUMENT, "");
	/* Health takes much less. */
	assert_code(f, CHECK, bytes, 4097, GRPC_STATUS_RESOURCE_EXHAUSTED, "4096");
	free(bytes);
	assert_lives(f);
}

static void
test_compressed(void **state)
{
	struct fixture *f = *state;
	struct raw_end end;
	char *bytes = calloc(1, 60000);

	assert_non_null(bytes);
	raw_call(&f->client, DECIDE, bytes, 60000, TIMEOUT_MS, true, &end);
	assert_int_equal(end.code, GRPC_STATUS_UNIMPLEMENTED);
	raw_end_free(&end);
	free(bytes);
	assert_lives(f);
}

static void
test_unknown_methods(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		assert_code(f, "/pratique.v1.DecisionService/Undecide", "", 0, GRPC_STATUS_UNIMPLEMENTED, "no such method");
		assert_code(f, "/no.Such/Service", "xyz", 3, GRPC_STATUS_UNIMPLEMENTED, "no such method");
	}
	assert_lives(f);
}

/* A request whose time is up is not decided. Straight into the worker: over a socket the answer may come first. */
static void
test_deadline(void **state)
{
	struct fixture *f = *state;
	struct pq_server *server = calloc(1, sizeof(*server));
	struct pq_worker worker = {.server = server};
	struct pq_reply reply;
	struct pq_later later;
	gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);

	assert_non_null(server);
	server->options = &f->options;
	pq_arena_init(&worker.arena, 65536);
	assert_true(pq_worker_handle(&worker, PQ_RPC_DECIDE, NULL,
	                             gpr_time_sub(now, gpr_time_from_millis(1, GPR_TIMESPAN)), NULL, &reply, &later));
	assert_int_equal(reply.code, GRPC_STATUS_DEADLINE_EXCEEDED);
	assert_int_equal(worker.counts[PQ_RPC_DECIDE].calls, 1);
	assert_int_equal(worker.counts[PQ_RPC_DECIDE].refused, 1);
	assert_int_equal(worker.arena.used, 0);
	grpc_slice_unref(reply.details);
	pq_arena_release(&worker.arena);
	free(server);
}

/* ---- health ------------------------------------------------------------------------------------------------------ */

static Grpc__Health__V1__HealthCheckResponse__ServingStatus
health_of(const uint8_t *bytes, size_t len)
{
	Grpc__Health__V1__HealthCheckResponse *response = grpc__health__v1__health_check_response__unpack(NULL, len, bytes);

	assert_non_null(response);
	Grpc__Health__V1__HealthCheckResponse__ServingStatus status = response->status;
	grpc__health__v1__health_check_response__free_unpacked(response, NULL);
	return status;
}

#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

static const char our_service[] = "\x0a\x1bpratique.v1.DecisionService";

static void
test_health_check(void **state)
{
	struct fixture *f = *state;
	struct raw_end end;

	raw_call(&f->client, CHECK, "", 0, TIMEOUT_MS, false, &end);
	assert_int_equal(end.code, GRPC_STATUS_OK);
	assert_int_equal(health_of(end.reply, end.reply_len), SERVING);
	raw_end_free(&end);
	raw_call(&f->client, CHECK, our_service, sizeof(our_service) - 1, TIMEOUT_MS, false, &end);
	assert_int_equal(end.code, GRPC_STATUS_OK);
	assert_int_equal(health_of(end.reply, end.reply_len), SERVING);
	raw_end_free(&end);
	raw_call(&f->client, CHECK, "\x0a\x08liveness", 10, TIMEOUT_MS, false, &end);
	assert_int_equal(end.code, GRPC_STATUS_OK);
	assert_int_equal(health_of(end.reply, end.reply_len), SERVING);
	raw_end_free(&end);
	assert_code(f, CHECK, "\x0a\x01x", 3, GRPC_STATUS_NOT_FOUND, "");
	assert_code(f, CHECK, "\x0a\x05x", 3, GRPC_STATUS_INVALID_ARGUMENT, "");
}

static Grpc__Health__V1__HealthCheckResponse__ServingStatus
next_health(struct raw_stream *stream)
{
	size_t len;
	uint8_t *bytes = raw_stream_read(stream, &len);

	assert_non_null(bytes);
	Grpc__Health__V1__HealthCheckResponse__ServingStatus status = health_of(bytes, len);
	free(bytes);
	return status;
}

static void
watch(struct raw_stream *stream, struct raw_client *client, const void *data, size_t len)
{
	raw_stream_open(stream, client, WATCH, TIMEOUT_MS);
	assert_true(raw_stream_write(stream, data, len));
	raw_stream_half_close(stream);
}

static void
test_health_watch_until_cancelled(void **state)
{
	struct fixture *f = *state;
	struct raw_stream stream;

	for (int i = 0; i < 10; i++) {
		watch(&stream, &f->client, our_service, sizeof(our_service) - 1);
		assert_int_equal(next_health(&stream), SERVING);
		raw_stream_cancel(&stream);
		assert_int_equal(raw_stream_end(&stream), GRPC_STATUS_CANCELLED);
	}
	watch(&stream, &f->client, "\x0a\x01x", 3);
	assert_int_equal(next_health(&stream), SERVICE_UNKNOWN);
	raw_stream_cancel(&stream);
	raw_stream_end(&stream);
	assert_lives(f);
}

static void
test_health_watch_deadline(void **state)
{
	struct fixture *f = *state;
	struct raw_stream stream;

	raw_stream_open(&stream, &f->client, WATCH, 300);
	raw_stream_write(&stream, "", 0);
	raw_stream_half_close(&stream);
	assert_int_equal(next_health(&stream), SERVING);
	size_t len;
	assert_null(raw_stream_read(&stream, &len));
	assert_int_equal(raw_stream_end(&stream), GRPC_STATUS_DEADLINE_EXCEEDED);
	assert_lives(f);
}

/* ---- reflection -------------------------------------------------------------------------------------------------- */

typedef Grpc__Reflection__V1__ServerReflectionRequest ReflectionRequest;
typedef Grpc__Reflection__V1__ServerReflectionResponse ReflectionResponse;

static ReflectionResponse *
reflect(struct raw_stream *stream, const ReflectionRequest *request)
{
	uint8_t bytes[512];
	size_t len = grpc__reflection__v1__server_reflection_request__get_packed_size(request);

	assert_true(len <= sizeof(bytes));
	grpc__reflection__v1__server_reflection_request__pack(request, bytes);
	assert_true(raw_stream_write(stream, bytes, len));
	uint8_t *answer = raw_stream_read(stream, &len);
	assert_non_null(answer);
	ReflectionResponse *response = grpc__reflection__v1__server_reflection_response__unpack(NULL, len, answer);
	free(answer);
	assert_non_null(response);
	assert_non_null(response->original_request);
	return response;
}

static size_t
files_of(struct raw_stream *stream, const ReflectionRequest *request)
{
	ReflectionResponse *response = reflect(stream, request);
	size_t n = 0;

	if (response->message_response_case ==
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE)
		n = response->file_descriptor_response->n_file_descriptor_proto;
	else
		assert_int_equal(response->error_response->error_code, GRPC_STATUS_NOT_FOUND);
	grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
	return n;
}

#define CASE(member) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##member

static ReflectionRequest
by_name(const char *name)
{
	ReflectionRequest request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;

	request.message_request_case = CASE(FILE_BY_FILENAME);
	request.file_by_filename = (char *)name;
	return request;
}

static ReflectionRequest
by_symbol(const char *name)
{
	ReflectionRequest request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;

	request.message_request_case = CASE(FILE_CONTAINING_SYMBOL);
	request.file_containing_symbol = (char *)name;
	return request;
}

/* Reflection lists what the listener answers: "revisions" are administration, "decisions" are not asked there. */
static void
assert_services(struct raw_client *client, const char *method, bool decisions, bool revisions)
{
	const char *services[] = {
		"grpc.health.v1.Health",
		"grpc.reflection.v1.ServerReflection",
		"grpc.reflection.v1alpha.ServerReflection",
		decisions ? "pratique.v1.DecisionService" : NULL,
		"pratique.v1.ReplicationService",
		revisions ? "pratique.v1.RevisionService" : NULL,
	};
	ReflectionRequest request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
	struct raw_stream stream;
	size_t n = 0;

	raw_stream_open(&stream, client, method, TIMEOUT_MS);
	request.message_request_case = CASE(LIST_SERVICES);
	request.list_services = (char *)"";
	ReflectionResponse *response = reflect(&stream, &request);
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		if (services[i] == NULL)
			continue;
		assert_true(n < response->list_services_response->n_service);
		assert_string_equal(response->list_services_response->service[n]->name, services[i]);
		n++;
	}
	assert_int_equal(response->list_services_response->n_service, n);
	grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
	raw_stream_half_close(&stream);
	assert_int_equal(raw_stream_end(&stream), GRPC_STATUS_OK);
}

static void
ask_everything(struct fixture *f, const char *method)
{
	static const char *const symbols[] = {
		"pratique.v1.DecisionService",
		"pratique.v1.DecisionService.Decide",
		"pratique.v1.DecisionService.StreamDecide",
		"pratique.v1.DecideResult.error",
		"pratique.v1.Item",
		"pratique.v1.Item.eccn",
		"pratique.v1.FLAG_TRUE",
		"pratique.v1.FactValue.kind",
		"google.rpc.BadRequest.FieldViolation",
	};
	struct raw_stream stream;

	raw_stream_open(&stream, &f->client, method, TIMEOUT_MS);
	ReflectionRequest request = by_name("pratique/v1/decision_service.proto");
	assert_int_equal(files_of(&stream, &request), 6);
	request = by_name("pratique/v1/facts.proto");
	assert_int_equal(files_of(&stream, &request), 1);
	request = by_name("google/rpc/status.proto");
	assert_int_equal(files_of(&stream, &request), 2);
	request = by_name("no/such.proto");
	assert_int_equal(files_of(&stream, &request), 0);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		request = by_symbol(symbols[i]);
		if (files_of(&stream, &request) == 0)
			fail_msg("%s is not found", symbols[i]);
	}
	request = by_symbol("pratique.v1.Nothing");
	assert_int_equal(files_of(&stream, &request), 0);

	Grpc__Reflection__V1__ExtensionRequest extension = GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
	extension.containing_type = (char *)"pratique.v1.Item";
	extension.extension_number = 1;
	request = (ReflectionRequest)GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
	request.message_request_case = CASE(FILE_CONTAINING_EXTENSION);
	request.file_containing_extension = &extension;
	assert_int_equal(files_of(&stream, &request), 0);

	raw_stream_half_close(&stream);
	size_t len;
	assert_null(raw_stream_read(&stream, &len));
	assert_int_equal(raw_stream_end(&stream), GRPC_STATUS_OK);
}

static void
test_reflection(void **state)
{
	ask_everything(*state, REFLECTION_V1);
	ask_everything(*state, REFLECTION_V1ALPHA);
}

static void
test_reflection_by_listener(void **state)
{
	struct fixture *f = *state;
	struct raw_client admin;

	assert_services(&f->client, REFLECTION_V1, true, false);
	assert_services(&f->client, REFLECTION_V1ALPHA, true, false);
	raw_client_open(&admin, f->server->addresses[2].target);
	assert_services(&admin, REFLECTION_V1, false, true);
	assert_services(&admin, REFLECTION_V1ALPHA, false, true);
	raw_client_close(&admin);
}

static void
test_reflection_abandoned(void **state)
{
	struct fixture *f = *state;
	struct raw_stream stream;

	raw_stream_open(&stream, &f->client, REFLECTION_V1, TIMEOUT_MS);
	raw_stream_cancel(&stream);
	raw_stream_end(&stream);
	raw_stream_open(&stream, &f->client, REFLECTION_V1, TIMEOUT_MS);
	assert_true(raw_stream_write(&stream, "\xff", 1));
	size_t len;
	assert_null(raw_stream_read(&stream, &len));
	assert_int_equal(raw_stream_end(&stream), GRPC_STATUS_INVALID_ARGUMENT);
	assert_lives(f);
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static void
assert_start_fails(struct fixture *f, const char *listen, const char *expected)
{
	struct pq_options options = f->options;
	struct pq_revision *revision;
	struct pq_server *server;
	struct pq_err err = {0};

	assert_int_equal(pq_address_parse(listen, false, "", &options.listen[0], &err), PQ_OK);
	options.n_listen = 1;
	assert_int_equal(pq_revision_open(f->store, &revision, &err), PQ_OK);
	assert_int_equal(pq_server_start(&options, revision, NULL, &server, &err), PQ_EIO);
	assert_non_null(strstr(err.msg, expected));
}

static void
test_addresses_in_use(void **state)
{
	struct fixture *f = *state;
	char address[128];

	snprintf(address, sizeof(address), "unix:%s", f->socket);
	assert_start_fails(f, address, "another process listens");
	assert_start_fails(f, f->tcp, "cannot be listened on");
	snprintf(address, sizeof(address), "unix:%s", f->store);
	assert_start_fails(f, address, "no socket");
	snprintf(address, sizeof(address), "unix:%s/no/such/folder", f->folder);
	assert_start_fails(f, address, "cannot be listened on");
	assert_lives(f);
	struct stat info;
	assert_int_equal(stat(f->socket, &info), 0);
}

/* ---- many at once, and the end ----------------------------------------------------------------------------------- */

struct asker {
	pthread_t thread;
	const char *address;
	_Atomic(bool) *stop; /* NULL: `calls` of them */
	int calls;
	_Atomic(size_t) answered;
	size_t refused, wrong;
};

static void *
keep_asking(void *context)
{
	struct asker *asker = context;
	struct raw_client client;
	struct raw_end end;
	/* as_of: "2025-06-01", transaction_type: "export", destination: "BB", value_usd { "101" } */
	static const char bytes[] = "\x0a\x0a"
								"2025-06-01"
								"\x1a\x06"
								"export"
								"\x32\x02"
								"BB"
								"\x6a\x05\x0a\x03"
								"101";

	raw_client_open(&client, asker->address);
	for (int i = 0; asker->stop != NULL ? !atomic_load(asker->stop) : i < asker->calls; i++) {
		raw_call(&client, DECIDE, bytes, sizeof(bytes) - 1, TIMEOUT_MS, false, &end);
		if (end.code == GRPC_STATUS_OK && end.reply_len > 100)
			asker->answered++;
		else if (asker->stop != NULL && (end.code == GRPC_STATUS_UNAVAILABLE || end.code == GRPC_STATUS_CANCELLED))
			asker->refused++; /* not taken any more; see pq_server_end() */
		else {
			print_error("%s: %s\n", pq_code_name(end.code), end.message);
			asker->wrong++;
		}
		bool ended = end.code != GRPC_STATUS_OK;
		raw_end_free(&end);
		if (ended)
			break;
	}
	raw_client_close(&client);
	return NULL;
}

#define ASKERS 16

static int
setup_eight(void **state)
{
	return setup_with(state, 8, false);
}

static void
test_eight_workers(void **state)
{
	struct fixture *f = *state;
	struct asker askers[ASKERS] = {0};
	char address[128];

	snprintf(address, sizeof(address), "unix:%s", f->socket);
	for (size_t i = 0; i < ASKERS; i++) {
		askers[i].address = i % 2 == 0 ? address : f->tcp;
		askers[i].calls = 200;
		assert_int_equal(pthread_create(&askers[i].thread, NULL, keep_asking, &askers[i]), 0);
	}
	for (size_t i = 0; i < ASKERS; i++) {
		pthread_join(askers[i].thread, NULL);
		assert_int_equal(askers[i].answered, askers[i].calls);
		assert_int_equal(askers[i].wrong, 0);
	}
	/* Each shard has had its share of the connections. */
	uint64_t calls[8];
	struct pq_server *server = f->server;
	for (size_t i = 0; i < 8; i++)
		calls[i] = atomic_load_explicit(&server->workers[i].counts[PQ_RPC_DECIDE].calls, memory_order_relaxed);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(calls[i], ASKERS / 8 * 200);
}

/* While revisions change under the workers, every request is answered. */
static void
test_revisions_change(void **state)
{
	struct fixture *f = *state;
	struct asker askers[4] = {0};
	struct pq_err err = {0};

	for (size_t i = 0; i < 4; i++) {
		askers[i].address = f->tcp;
		askers[i].calls = 200;
		assert_int_equal(pthread_create(&askers[i].thread, NULL, keep_asking, &askers[i]), 0);
	}
	for (int i = 0; i < 50; i++) {
		struct pq_revision *revision;
		assert_int_equal(pq_revision_open(f->store, &revision, &err), PQ_OK);
		pq_revision_publish(&f->server->revisions, revision);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(askers[i].thread, NULL);
		assert_int_equal(askers[i].answered, askers[i].calls);
		assert_int_equal(askers[i].wrong, 0);
	}
}

/* At the end every call is answered or told that the server is gone; none hangs, none is lost. */
static void
test_end_under_load(void **state)
{
	struct fixture *f = *state;
	struct asker askers[ASKERS] = {0};
	_Atomic(bool) stop = false;

	for (size_t i = 0; i < ASKERS; i++) {
		askers[i].address = f->tcp;
		askers[i].stop = &stop;
		assert_int_equal(pthread_create(&askers[i].thread, NULL, keep_asking, &askers[i]), 0);
	}
	/* Every one is at it. */
	for (size_t i = 0; i < ASKERS; i++) {
		while (atomic_load(&askers[i].answered) < 3)
			usleep(1000);
	}
	int64_t took = pq_server_end(f->server);
	f->server = NULL;
	atomic_store(&stop, true);
	for (size_t i = 0; i < ASKERS; i++) {
		pthread_join(askers[i].thread, NULL);
		assert_int_equal(askers[i].wrong, 0);
	}
	assert_true(took < GRACE_S * 1000);
}

static void *
end_server(void *server)
{
	pq_server_end(server);
	return NULL;
}

/* The server stays and says that it is going: nobody is refused until then. */
static void
test_drain_delay(void **state)
{
	struct fixture *f = *state;
	struct raw_stream health;
	struct asker asker = {.address = f->tcp, .calls = 3};
	size_t len;

	f->options.drain_delay_s = 3;
	watch(&health, &f->client, "", 0);
	assert_int_equal(next_health(&health), SERVING);
	pthread_t ender;
	assert_int_equal(pthread_create(&ender, NULL, end_server, f->server), 0);
	f->server = NULL;
	assert_int_equal(next_health(&health), NOT_SERVING);
	assert_int_equal(pthread_create(&asker.thread, NULL, keep_asking, &asker), 0);
	pthread_join(asker.thread, NULL);
	assert_int_equal(asker.answered, 3);
	assert_null(raw_stream_read(&health, &len));
	assert_int_equal(raw_stream_end(&health), GRPC_STATUS_UNAVAILABLE);
	pthread_join(ender, NULL);
}

/* Watches hear of the end, and streams that wait do not hold it up. */
static void
test_end_with_open_streams(void **state)
{
	struct fixture *f = *state;
	struct raw_client other;
	struct raw_stream health, reflection;
	size_t len;

	raw_client_open(&other, f->tcp);
	watch(&health, &f->client, "", 0);
	assert_int_equal(next_health(&health), SERVING);
	raw_stream_open(&reflection, &other, REFLECTION_V1, TIMEOUT_MS);
	ReflectionRequest request = by_name("pratique/v1/facts.proto");
	assert_int_equal(files_of(&reflection, &request), 1);

	int64_t took = pq_server_end(f->server);
	f->server = NULL;
	assert_true(took < GRACE_S * 1000);
	assert_int_equal(next_health(&health), NOT_SERVING);
	assert_null(raw_stream_read(&health, &len));
	assert_int_equal(raw_stream_end(&health), GRPC_STATUS_UNAVAILABLE);
	assert_null(raw_stream_read(&reflection, &len));
	assert_int_equal(raw_stream_end(&reflection), GRPC_STATUS_UNAVAILABLE);
	raw_client_close(&other);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_decide_over_unix),
		TEST(test_decide_over_tcp),
		TEST(test_lines_come_back_as_parts),
		TEST(test_missing_facts_come_with_questions),
		TEST(test_unknown_country),
		TEST(test_rich_errors),
		TEST(test_many_violations_fit),
		TEST(test_bytes_that_are_no_request),
		TEST(test_too_large),
		TEST(test_compressed),
		TEST(test_unknown_methods),
		TEST(test_deadline),
		TEST(test_health_check),
		TEST(test_health_watch_until_cancelled),
		TEST(test_health_watch_deadline),
		TEST(test_reflection),
		TEST(test_reflection_abandoned),
		cmocka_unit_test_setup_teardown(test_reflection_by_listener, setup_admin, teardown),
		TEST(test_addresses_in_use),
		cmocka_unit_test_setup_teardown(test_eight_workers, setup_eight, teardown),
		TEST(test_revisions_change),
		cmocka_unit_test_setup_teardown(test_end_under_load, setup_eight, teardown),
		TEST(test_drain_delay),
		TEST(test_end_with_open_streams),
	};

	pq_log_set_level(PQ_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Refusals, codes, the log, and the index of descriptors on input that is not ours.
 */
#include "server/descriptors.h"
#include "server/log.h"
#include "server/reply.h"

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void
test_codes(void **state)
{
	(void)state;
	assert_int_equal(pq_code_of(PQ_OK), GRPC_STATUS_OK);
	assert_int_equal(pq_code_of(PQ_EINVAL), GRPC_STATUS_INVALID_ARGUMENT);
	assert_int_equal(pq_code_of(PQ_ENOMEM), GRPC_STATUS_RESOURCE_EXHAUSTED);
	assert_int_equal(pq_code_of(PQ_ELIMIT), GRPC_STATUS_RESOURCE_EXHAUSTED);
	assert_int_equal(pq_code_of(PQ_ECORRUPT), GRPC_STATUS_DATA_LOSS);
	assert_int_equal(pq_code_of(PQ_EIO), GRPC_STATUS_INTERNAL);
	assert_string_equal(pq_code_name(GRPC_STATUS_OK), "OK");
	assert_string_equal(pq_code_name(GRPC_STATUS_UNAUTHENTICATED), "UNAUTHENTICATED");
	assert_string_equal(pq_code_name(77), "UNKNOWN");
}

static void
free_reply(struct pq_reply *reply)
{
	grpc_slice_unref(reply->details);
	grpc_slice_unref(reply->payload);
}

static Google__Rpc__Status *
status_of(const struct pq_reply *reply)
{
	Google__Rpc__Status *status =
		google__rpc__status__unpack(NULL, GRPC_SLICE_LENGTH(reply->details), GRPC_SLICE_START_PTR(reply->details));

	assert_non_null(status);
	return status;
}

static void
test_without_fields(void **state)
{
	struct pq_arena arena;
	struct pq_reply reply;

	(void)state;
	pq_arena_init(&arena, 65536);
	pq_reply_refuse(&reply, &arena, GRPC_STATUS_NOT_FOUND, PQ_REASON_UNKNOWN_SERVICE, NULL, 0, "no %s", "such");
	assert_int_equal(reply.code, GRPC_STATUS_NOT_FOUND);
	assert_string_equal(reply.message, "no such");
	Google__Rpc__Status *status = status_of(&reply);
	assert_int_equal(status->n_details, 1);
	google__rpc__status__free_unpacked(status, NULL);
	free_reply(&reply);
	pq_arena_release(&arena);
}

/* What does not fit is counted. */
static void
test_too_many_fields(void **state)
{
	struct pq_violation violations[PQ_SERVER_VIOLATIONS];
	struct pq_arena arena;
	struct pq_reply reply;
	char text[300];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[299] = '\0';
	for (size_t i = 0; i < PQ_SERVER_VIOLATIONS; i++)
		violations[i] = (struct pq_violation){"field", "REASON", text};
	pq_arena_init(&arena, 1 << 20);
	pq_reply_refuse(&reply, &arena, GRPC_STATUS_INVALID_ARGUMENT, PQ_REASON_INVALID_REQUEST, violations,
	                PQ_SERVER_VIOLATIONS, "%s", text);
	assert_true(GRPC_SLICE_LENGTH(reply.details) <= PQ_SERVER_DETAILS_BYTES);
	Google__Rpc__Status *status = status_of(&reply);
	Google__Rpc__ErrorInfo *info =
		google__rpc__error_info__unpack(NULL, status->details[0]->value.len, status->details[0]->value.data);
	Google__Rpc__BadRequest *bad =
		google__rpc__bad_request__unpack(NULL, status->details[1]->value.len, status->details[1]->value.data);
	assert_int_equal(info->n_metadata, 1);
	assert_int_equal(bad->n_field_violations + (size_t)atoi(info->metadata[0]->value), PQ_SERVER_VIOLATIONS);
	assert_true(bad->n_field_violations >= 5);
	google__rpc__error_info__free_unpacked(info, NULL);
	google__rpc__bad_request__free_unpacked(bad, NULL);
	google__rpc__status__free_unpacked(status, NULL);
	free_reply(&reply);
	pq_arena_release(&arena);
}

/* Without memory the code and the message still go out. */
static void
test_without_memory(void **state)
{
	const struct pq_violation violation = {"field", "REASON", "text"};
	struct pq_arena arena;
	struct pq_reply reply;

	(void)state;
	pq_arena_init(&arena, 0);
	pq_reply_refuse(&reply, &arena, GRPC_STATUS_INVALID_ARGUMENT, PQ_REASON_INVALID_REQUEST, &violation, 1, "wrong");
	assert_int_equal(reply.code, GRPC_STATUS_INVALID_ARGUMENT);
	assert_string_equal(reply.message, "wrong");
	assert_int_equal(GRPC_SLICE_LENGTH(reply.details), 0);
	free_reply(&reply);
	pq_arena_release(&arena);
}

static void
test_descriptors_of_others(void **state)
{
	static const uint8_t cut[] = {0x0a, 0x10, 0x0a, 0x01, 'x'};
	/* A file "f" that imports itself and "g", which is not there. */
	static const uint8_t circle[] = {0x0a, 0x09, 0x0a, 0x01, 'f', 0x1a, 0x01, 'f', 0x1a, 0x01, 'g'};
	struct pq_descriptors *descriptors;
	struct pq_descriptor_file files[1];
	struct pq_err err = {0};
	size_t n;

	(void)state;
	assert_int_equal(pq_descriptors_new(cut, sizeof(cut), &descriptors, &err), PQ_EFORMAT);
	assert_int_equal(pq_descriptors_new(circle, sizeof(circle), &descriptors, &err), PQ_OK);
	assert_int_equal(pq_descriptors_file(descriptors, "f"), 0);
	assert_int_equal(pq_descriptors_file(descriptors, "g"), -1);
	assert_int_equal(pq_descriptors_symbol(descriptors, "f"), -1);
	assert_int_equal(pq_descriptors_closure(descriptors, 0, files), 1);
	pq_descriptors_services(descriptors, &n);
	assert_int_equal(n, 0);
	pq_descriptors_free(descriptors);
	assert_int_equal(pq_descriptors_new(circle, 0, &descriptors, &err), PQ_OK);
	pq_descriptors_free(descriptors);
	pq_descriptors_free(NULL);
}

/* What a line of the log becomes, whatever stands in its texts. */
static void
test_log(void **state)
{
	char line[8192], long_text[6000];
	int ends[2], before = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_not_equal(dup2(ends[1], STDERR_FILENO), -1);
	pq_log_set_level(PQ_LOG_INFO);
	PQ_LOG(PQ_LOG_DEBUG, "unseen", PQ_LOG_NUMBER("n", 1));
	PQ_LOG(PQ_LOG_WARN, "seen", PQ_LOG_TEXT("text", "a\"b\\c\n\x7f"), PQ_LOG_NUMBER("n", -5));
	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	PQ_LOG(PQ_LOG_INFO, "cut", PQ_LOG_NUMBER("n", 1), PQ_LOG_TEXT("text", long_text), PQ_LOG_NUMBER("m", 2));
	dup2(before, STDERR_FILENO);
	close(before);
	close(ends[1]);
	ssize_t len = read(ends[0], line, sizeof(line) - 1);
	close(ends[0]);
	assert_true(len > 0);
	line[len] = '\0';
	assert_null(strstr(line, "unseen"));
	assert_non_null(
		strstr(line, "\"level\":\"warn\",\"event\":\"seen\",\"text\":\"a\\\"b\\\\c\\u000a\\u007f\",\"n\":-5}\n"));
	assert_non_null(strstr(line, "\"event\":\"cut\",\"n\":1}\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_without_fields),
		cmocka_unit_test(test_too_many_fields),
		cmocka_unit_test(test_without_memory),
		cmocka_unit_test(test_descriptors_of_others),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

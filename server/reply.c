#include "server/reply.h"

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TYPE_PREFIX "type.googleapis.com/"

grpc_status_code
pq_code_of(enum pq_status status)
{
	/* No default: a new status must be thought of here. */
	switch (status) {
	case PQ_OK:
		return GRPC_STATUS_OK;
	case PQ_EINVAL:
	case PQ_EPARSE:
		return GRPC_STATUS_INVALID_ARGUMENT;
	case PQ_ENOMEM: /* the arena's bound: the request costs too much */
	case PQ_ELIMIT:
		return GRPC_STATUS_RESOURCE_EXHAUSTED;
	case PQ_ENOTFOUND:
		return GRPC_STATUS_NOT_FOUND;
	case PQ_EFAILED:
		return GRPC_STATUS_FAILED_PRECONDITION;
	case PQ_ECORRUPT:
		return GRPC_STATUS_DATA_LOSS;
	case PQ_EIO:
	case PQ_EFORMAT:
		return GRPC_STATUS_INTERNAL;
	}
	return GRPC_STATUS_INTERNAL;
}

const char *
pq_code_name(grpc_status_code code)
{
	static const char *const names[] = {
		"OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
		"NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
		"ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
		"DATA_LOSS", "UNAUTHENTICATED",
	};

	return (size_t)code < sizeof(names) / sizeof(names[0]) ? names[code] : "UNKNOWN";
}

static grpc_slice
packed(const ProtobufCMessage *message)
{
	grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));

	protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
	return slice;
}

void
pq_reply_bytes(struct pq_reply *ret, const void *bytes, size_t len)
{
	ret->code = GRPC_STATUS_OK;
	ret->message[0] = '\0';
	ret->details = grpc_empty_slice();
	ret->payload = grpc_slice_from_copied_buffer(bytes, len);
}

void
pq_reply_message(struct pq_reply *ret, const ProtobufCMessage *message)
{
	ret->code = GRPC_STATUS_OK;
	ret->message[0] = '\0';
	ret->details = grpc_empty_slice();
	ret->payload = packed(message);
}

/* A message in an Any; false when memory is out. */
static bool
wrap(const ProtobufCMessage *message, const char *type_url, struct pq_arena *arena, Google__Protobuf__Any *ret)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = pq_arena_alloc(arena, len);

	if (bytes == NULL)
		return false;
	protobuf_c_message_pack(message, bytes);
	google__protobuf__any__init(ret);
	ret->type_url = (char *)type_url;
	ret->value.data = bytes;
	ret->value.len = len;
	return true;
}

/* As many of the violations as the bytes allow; how many is returned. */
static size_t
fit(const struct pq_violation *violations, size_t n, Google__Rpc__BadRequest__FieldViolation *fields)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		google__rpc__bad_request__field_violation__init(&fields[i]);
		fields[i].field = (char *)violations[i].field;
		fields[i].description = (char *)violations[i].description;
		fields[i].reason = (char *)violations[i].reason;
		bytes += protobuf_c_message_get_packed_size(&fields[i].base) + 4;
		if (bytes > PQ_SERVER_DETAILS_BYTES - 1024)
			return i;
	}
	return n;
}

/* The google.rpc.Status of a refusal; an empty slice when memory is out: the code and the message still go out. */
static grpc_slice
details_of(const struct pq_reply *reply, struct pq_arena *arena, const char *reason,
           const struct pq_violation *violations, size_t n)
{
	Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
	Google__Rpc__ErrorInfo__MetadataEntry omitted = GOOGLE__RPC__ERROR_INFO__METADATA_ENTRY__INIT;
	Google__Rpc__ErrorInfo__MetadataEntry *metadata[] = {&omitted};
	Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
	Google__Protobuf__Any anys[2], *details[] = {&anys[0], &anys[1]};
	char number[24];

	Google__Rpc__BadRequest__FieldViolation *fields = pq_arena_array(arena, n, sizeof(*fields));
	Google__Rpc__BadRequest__FieldViolation **pointers = pq_arena_array(arena, n, sizeof(*pointers));
	if (fields == NULL || pointers == NULL)
		return grpc_empty_slice();
	size_t shown = fit(violations, n, fields);
	for (size_t i = 0; i < shown; i++)
		pointers[i] = &fields[i];

	info.reason = (char *)reason;
	info.domain = (char *)"pratique";
	if (shown < n) {
		snprintf(number, sizeof(number), "%zu", n - shown);
		omitted.key = (char *)"omitted_field_violations";
		omitted.value = number;
		info.metadata = metadata;
		info.n_metadata = 1;
	}
	bad.field_violations = pointers;
	bad.n_field_violations = shown;
	status.code = (int32_t)reply->code;
	status.message = (char *)reply->message;
	status.details = details;
	if (!wrap(&info.base, TYPE_PREFIX "google.rpc.ErrorInfo", arena, &anys[0]))
		return grpc_empty_slice();
	status.n_details = 1;
	if (n > 0 && !wrap(&bad.base, TYPE_PREFIX "google.rpc.BadRequest", arena, &anys[1]))
		return grpc_empty_slice();
	status.n_details += n > 0;
	return packed(&status.base);
}

void
pq_reply_refuse(struct pq_reply *ret, struct pq_arena *arena, grpc_status_code code, const char *reason,
                const struct pq_violation *violations, size_t n, const char *fmt, ...)
{
	va_list ap;

	ret->code = code;
	va_start(ap, fmt);
	vsnprintf(ret->message, sizeof(ret->message), fmt, ap);
	va_end(ap);
	ret->payload = grpc_empty_slice();
	ret->details = details_of(ret, arena, reason, violations, n);
}

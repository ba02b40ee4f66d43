/*
 * grpc.reflection: what services there are and what their messages look like, from the embedded descriptor set. v1 and
 * v1alpha have the same messages.
 */
#include "server/convert.h"
#include "server/server.h"

#include "grpc/reflection/v1/reflection.pb-c.h"

#include <string.h>

typedef Grpc__Reflection__V1__ServerReflectionRequest Request;
typedef Grpc__Reflection__V1__ServerReflectionResponse Response;

static void
set_error(struct pq_arena *arena, Response *response, grpc_status_code code, const char *message)
{
	Grpc__Reflection__V1__ErrorResponse *error = pq_arena_alloc(arena, sizeof(*error));

	if (error == NULL)
		return;
	grpc__reflection__v1__error_response__init(error);
	error->error_code = (int32_t)code;
	error->error_message = (char *)message;
	response->error_response = error;
	response->message_response_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
}

static void
set_files(struct pq_arena *arena, const struct pq_descriptors *descriptors, int file, Response *response)
{
	if (file < 0) {
		set_error(arena, response, GRPC_STATUS_NOT_FOUND, "there is no such file or symbol");
		return;
	}
	size_t room = pq_descriptors_n_files(descriptors);
	struct pq_descriptor_file *files = pq_arena_array(arena, room, sizeof(*files));
	ProtobufCBinaryData *bytes = pq_arena_array(arena, room, sizeof(*bytes));
	Grpc__Reflection__V1__FileDescriptorResponse *answer = pq_arena_alloc(arena, sizeof(*answer));
	if (files == NULL || bytes == NULL || answer == NULL)
		return;
	grpc__reflection__v1__file_descriptor_response__init(answer);
	answer->n_file_descriptor_proto = pq_descriptors_closure(descriptors, file, files);
	answer->file_descriptor_proto = bytes;
	for (size_t i = 0; i < answer->n_file_descriptor_proto; i++)
		bytes[i] = (ProtobufCBinaryData){files[i].len, (uint8_t *)files[i].data};
	response->file_descriptor_response = answer;
	response->message_response_case =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
}

/* Is a method of the service answered on this listener? */
static bool
is_offered(const struct pq_worker *worker, const char *service)
{
	size_t len = strlen(service);

	for (size_t i = 0; i < PQ_RPC_COUNT; i++) {
		const char *name = pq_rpcs[i].path + 1;
		if (strncmp(name, service, len) == 0 && name[len] == '/' && pq_worker_answers(worker, (enum pq_rpc_index)i))
			return true;
	}
	return false;
}

static void
set_services(const struct pq_worker *worker, struct pq_arena *arena, Response *response)
{
	size_t n, n_offered = 0;
	const char *const *names = pq_descriptors_services(worker->server->descriptors, &n);
	Grpc__Reflection__V1__ListServiceResponse *answer = pq_arena_alloc(arena, sizeof(*answer));
	Grpc__Reflection__V1__ServiceResponse *services = pq_arena_array(arena, n, sizeof(*services));
	Grpc__Reflection__V1__ServiceResponse **pointers = pq_arena_array(arena, n, sizeof(*pointers));

	if (answer == NULL || services == NULL || pointers == NULL)
		return;
	grpc__reflection__v1__list_service_response__init(answer);
	for (size_t i = 0; i < n; i++) {
		if (!is_offered(worker, names[i]))
			continue;
		grpc__reflection__v1__service_response__init(&services[n_offered]);
		services[n_offered].name = (char *)names[i];
		pointers[n_offered] = &services[n_offered];
		n_offered++;
	}
	answer->service = pointers;
	answer->n_service = n_offered;
	response->list_services_response = answer;
	response->message_response_case =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
}

/* proto3 messages have no extensions: the type is known and has none, or it is not known. */
static void
set_extension_numbers(struct pq_arena *arena, const struct pq_descriptors *descriptors, char *type, Response *response)
{
	Grpc__Reflection__V1__ExtensionNumberResponse *answer = pq_arena_alloc(arena, sizeof(*answer));

	if (answer == NULL)
		return;
	if (!pq_descriptors_is_message(descriptors, type)) {
		set_error(arena, response, GRPC_STATUS_NOT_FOUND, "there is no such message type");
		return;
	}
	grpc__reflection__v1__extension_number_response__init(answer);
	answer->base_type_name = type;
	response->all_extension_numbers_response = answer;
	response->message_response_case =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
}

static void
set_answer(const struct pq_worker *worker, struct pq_arena *arena, Request *request, Response *response)
{
	const struct pq_descriptors *descriptors = worker->server->descriptors;

	switch (request->message_request_case) {
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
		set_files(arena, descriptors, pq_descriptors_file(descriptors, request->file_by_filename), response);
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
		set_files(arena, descriptors, pq_descriptors_symbol(descriptors, request->file_containing_symbol), response);
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
		set_error(arena, response, GRPC_STATUS_NOT_FOUND, "there is no such extension");
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
		set_extension_numbers(arena, descriptors, request->all_extension_numbers_of_type, response);
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
		set_services(worker, arena, response);
		break;
	default:
		set_error(arena, response, GRPC_STATUS_INVALID_ARGUMENT, "nothing is asked");
		break;
	}
}

void
pq_handle_reflection(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret)
{
	struct pq_arena *arena = &worker->arena;
	ProtobufCAllocator allocator = pq_arena_allocator(arena);
	Request *request = grpc__reflection__v1__server_reflection_request__unpack(&allocator, in->len, in->data);
	Response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;

	(void)state;
	if (request == NULL) {
		pq_reply_refuse(ret, arena, GRPC_STATUS_INVALID_ARGUMENT, PQ_REASON_INVALID_REQUEST, NULL, 0,
		                "cannot be read: it is no ServerReflectionRequest");
		return;
	}
	response.valid_host = request->host;
	response.original_request = request;
	set_answer(worker, arena, request, &response);
	pq_reply_message(ret, &response.base);
}

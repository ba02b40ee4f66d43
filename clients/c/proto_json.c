#include "proto_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
refuse(const ProtobufCFieldDescriptor *field, const char *why)
{
	fprintf(stderr, "%s: %s\n", field->name, why);
	return false;
}

/* One value into `to`, which has the size of one member of a message of this field's type. */
static bool
read_value(const ProtobufCFieldDescriptor *field, const json_t *from, void *to)
{
	const ProtobufCEnumValue *value;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		if (!json_is_string(from))
			return refuse(field, "must be a string");
		*(char **)to = strdup(json_string_value(from));
		return *(char **)to != NULL;
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_is_boolean(from))
			return refuse(field, "must be true or false");
		*(protobuf_c_boolean *)to = json_is_true(from);
		return true;
	case PROTOBUF_C_TYPE_UINT32:
		if (!json_is_integer(from) || json_integer_value(from) < 0 || json_integer_value(from) > UINT32_MAX)
			return refuse(field, "must be a whole number");
		*(uint32_t *)to = (uint32_t)json_integer_value(from);
		return true;
	case PROTOBUF_C_TYPE_UINT64:
		if (!json_is_integer(from) || json_integer_value(from) < 0)
			return refuse(field, "must be a whole number");
		*(uint64_t *)to = (uint64_t)json_integer_value(from);
		return true;
	case PROTOBUF_C_TYPE_ENUM:
		value = json_is_string(from)
		            ? protobuf_c_enum_descriptor_get_value_by_name(field->descriptor, json_string_value(from))
		            : NULL;
		if (value == NULL)
			return refuse(field, "no such value");
		*(int *)to = value->value;
		return true;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)to = proto_json_read(field->descriptor, from);
		return *(ProtobufCMessage **)to != NULL;
	default:
		return refuse(field, "a type that no request has");
	}
}

static size_t
size_of(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_UINT32: return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_UINT64: return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_ENUM: return sizeof(int);
	default: return sizeof(void *);
	}
}

/* A map is a list of messages with a key and a value. */
static bool
read_entry(const ProtobufCFieldDescriptor *field, const char *key, json_t *value, void *to)
{
	json_t *entry = json_pack("{s:s,s:O}", "key", key, "value", value);
	bool done = entry != NULL && read_value(field, entry, to);

	json_decref(entry);
	return done;
}

static bool
read_repeated(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, json_t *from)
{
	size_t *n = (size_t *)((char *)message + field->quantifier_offset), size = size_of(field), i;
	char **list = (char **)((char *)message + field->offset);
	bool is_map = json_is_object(from);
	const char *key;
	json_t *value;

	size_t len = is_map ? json_object_size(from) : json_array_size(from);
	if (len == 0)
		return true;
	*list = calloc(len, size);
	if (*list == NULL)
		return false;
	if (is_map) {
		json_object_foreach(from, key, value) {
			if (!read_entry(field, key, value, *list + *n * size))
				return false;
			++*n;
		}
		return true;
	}
	json_array_foreach(from, i, value) {
		if (!read_value(field, value, *list + *n * size))
			return false;
		++*n;
	}
	return true;
}

static bool
read_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, json_t *from)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return read_repeated(message, field, from);
	if (!read_value(field, from, (char *)message + field->offset))
		return false;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		*(uint32_t *)((char *)message + field->quantifier_offset) = field->id;
	return true;
}

ProtobufCMessage *
proto_json_read(const ProtobufCMessageDescriptor *descriptor, const json_t *from)
{
	ProtobufCMessage *message = malloc(descriptor->sizeof_message);
	const char *key;
	json_t *value;

	if (message == NULL)
		return NULL;
	protobuf_c_message_init(descriptor, message);
	json_object_foreach((json_t *)from, key, value) {
		const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(descriptor, key);
		if (field == NULL)
			fprintf(stderr, "%s has no member %s\n", descriptor->name, key);
		if (field == NULL || !read_field(message, field, value)) {
			protobuf_c_message_free_unpacked(message, NULL);
			return NULL;
		}
	}
	return message;
}

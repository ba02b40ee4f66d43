#include "server/wire.h"

#include <string.h>

/* Fields of one message that the check can count. */
#define FIELDS_MAX 32
/* Nesting of the types of requests is 6; this only guards against a type that became recursive. */
#define DEPTH_MAX 16

static bool
read_varint(struct pq_wire *wire, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (wire->at == wire->end)
			return false;
		uint8_t byte = *wire->at++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret = value;
			return true;
		}
	}
	return false;
}

static bool
read_fixed(struct pq_wire *wire, unsigned bytes, uint64_t *ret)
{
	if ((size_t)(wire->end - wire->at) < bytes)
		return false;
	*ret = 0;
	for (unsigned i = 0; i < bytes; i++)
		*ret |= (uint64_t)wire->at[i] << (8 * i);
	wire->at += bytes;
	return true;
}

enum pq_wire_result
pq_wire_next(struct pq_wire *wire, struct pq_wire_field *ret)
{
	uint64_t key, len;
	bool good = false;

	if (wire->at == wire->end)
		return PQ_WIRE_END;
	if (!read_varint(wire, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff)
		return PQ_WIRE_MALFORMED;
	*ret = (struct pq_wire_field){.number = (uint32_t)(key >> 3), .type = (enum pq_wire_type)(key & 7)};
	switch (ret->type) {
	case PQ_WIRE_VARINT:
		good = read_varint(wire, &ret->value);
		break;
	case PQ_WIRE_64:
		good = read_fixed(wire, 8, &ret->value);
		break;
	case PQ_WIRE_32:
		good = read_fixed(wire, 4, &ret->value);
		break;
	case PQ_WIRE_BYTES:
		if (!read_varint(wire, &len) || len > (uint64_t)(wire->end - wire->at))
			break;
		ret->data = wire->at;
		ret->len = (size_t)len;
		wire->at += len;
		good = true;
		break;
	}
	return good ? PQ_WIRE_FIELD : PQ_WIRE_MALFORMED;
}

/* Length of the UTF-8 sequence at `p`, 0 if it is none: the table of well-formed byte sequences of the standard. */
static size_t
sequence(const uint8_t *p, size_t left)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	}
	return len;
}

bool
pq_utf8_valid(const void *text, size_t len)
{
	const uint8_t *p = text;

	for (size_t i = 0; i < len;) {
		size_t n = sequence(p + i, len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

struct checker {
	const struct pq_wire_limit *limits;
	size_t n_limits;
	size_t n_unknown;
	struct pq_violations *violations;
};

static unsigned
limit_of(const struct checker *c, const ProtobufCMessageDescriptor *message, const char *field)
{
	for (size_t i = 0; i < c->n_limits; i++) {
		if (c->limits[i].message == message && strcmp(c->limits[i].field, field) == 0)
			return c->limits[i].max;
	}
	return PQ_SERVER_REPEATED;
}

static void
check_text(struct checker *c, const struct pq_path *path, const struct pq_wire_field *value)
{
	if (value->len > PQ_MAX_STRING)
		pq_violations_add(c->violations, path, NULL, "TOO_LONG", "has %zu bytes; it may have %d", value->len,
		                  PQ_MAX_STRING);
	else if (!pq_utf8_valid(value->data, value->len))
		pq_violations_add(c->violations, path, NULL, "INVALID_UTF8", "is not UTF-8");
	else if (memchr(value->data, '\0', value->len) != NULL)
		pq_violations_add(c->violations, path, NULL, "NUL_CHARACTER", "holds a NUL character");
}

static enum pq_wire_type
wire_type(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return PQ_WIRE_32;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return PQ_WIRE_64;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return PQ_WIRE_BYTES;
	default:
		return PQ_WIRE_VARINT;
	}
}

static bool
is_map(const ProtobufCMessageDescriptor *message)
{
	/* The entries of a map `facts` are messages that only the generator can name so. */
	size_t len = strlen(message->short_name);

	return len > 5 && strcmp(message->short_name + len - 5, "Entry") == 0;
}

/* The key of a map's entry, for the path; an entry without one has the key "". */
static void
find_key(struct pq_path *path, const struct pq_wire_field *entry)
{
	struct pq_wire wire = {entry->data, entry->data + entry->len};
	struct pq_wire_field field;

	path->key = "";
	while (pq_wire_next(&wire, &field) == PQ_WIRE_FIELD) {
		if (field.number == 1 && field.type == PQ_WIRE_BYTES) {
			path->key = (const char *)field.data;
			path->key_len = field.len;
		}
	}
}

static void check_message(struct checker *c, const ProtobufCMessageDescriptor *message, struct pq_wire wire,
                          const struct pq_path *path, unsigned depth);

static void
check_field(struct checker *c, const ProtobufCFieldDescriptor *field, const struct pq_wire_field *value,
            struct pq_path *path, unsigned depth)
{
	struct pq_wire inner;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		check_text(c, path, value);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		if (protobuf_c_enum_descriptor_get_value(field->descriptor, (int)(int32_t)value->value) == NULL)
			pq_violations_add(c->violations, path, NULL, "UNKNOWN_ENUM_VALUE", "%d is no value of %s",
			                  (int)(int32_t)value->value,
			                  ((const ProtobufCEnumDescriptor *)field->descriptor)->short_name);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		if (is_map(field->descriptor)) {
			path->index = -1;
			find_key(path, value);
		}
		inner = (struct pq_wire){value->data, value->data + value->len};
		check_message(c, field->descriptor, inner, path, depth + 1);
		break;
	default:
		break;
	}
}

static void
check_message(struct checker *c, const ProtobufCMessageDescriptor *message, struct pq_wire wire,
              const struct pq_path *path, unsigned depth)
{
	unsigned counts[FIELDS_MAX] = {0};
	struct pq_wire_field value;
	enum pq_wire_result result;

	if (depth > DEPTH_MAX || message->n_fields > FIELDS_MAX) {
		pq_violations_add(c->violations, path, NULL, "MALFORMED", "is nested too deeply");
		return;
	}
	while ((result = pq_wire_next(&wire, &value)) == PQ_WIRE_FIELD && !pq_violations_full(c->violations)) {
		const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(message, value.number);
		if (field == NULL) {
			if (++c->n_unknown > PQ_SERVER_UNKNOWN_FIELDS) {
				pq_violations_add(c->violations, path, NULL, "TOO_MANY", "has too many fields that are not known");
				return;
			}
			continue;
		}
		bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
		unsigned *count = &counts[field - message->fields];
		struct pq_path inner = {path, field->name, repeated ? (long)*count : -1, NULL, 0};
		if (value.type != wire_type(field->type)) {
			pq_violations_add(c->violations, &inner, NULL, "MALFORMED", "has another type on the wire");
			return;
		}
		if (repeated && ++*count > limit_of(c, message, field->name)) {
			inner.index = -1;
			pq_violations_add(c->violations, &inner, NULL, "TOO_MANY", "has more than %u elements", *count - 1);
			return;
		}
		check_field(c, field, &value, &inner, depth);
	}
	if (result == PQ_WIRE_MALFORMED)
		pq_violations_add(c->violations, path, NULL, "MALFORMED", "cannot be read: it is no %s", message->short_name);
}

void
pq_wire_check(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t len,
              const struct pq_wire_limit *limits, size_t n_limits, struct pq_violations *violations)
{
	struct checker c = {limits, n_limits, 0, violations};
	struct pq_wire wire = {data, len > 0 ? (const uint8_t *)data + len : data};

	check_message(&c, descriptor, wire, NULL, 0);
}

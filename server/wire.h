/**
 * Protocol buffers on the wire: reading field by field, and checking a message before it is unpacked.
 *
 * protobuf-c accepts texts that are not UTF-8 or hold a NUL (and hides what follows it), numbers that an enum does not
 * have, and any number of elements. So the bytes are walked once, by the generated descriptors, before protobuf-c sees
 * them.
 */
#ifndef PQ_SERVER_WIRE_H
#define PQ_SERVER_WIRE_H

#include "server/violations.h"

#include <protobuf-c/protobuf-c.h>

/** What is left to read of a message. */
struct pq_wire {
	const uint8_t *at, *end;
};

enum pq_wire_type { PQ_WIRE_VARINT = 0, PQ_WIRE_64 = 1, PQ_WIRE_BYTES = 2, PQ_WIRE_32 = 5 };

struct pq_wire_field {
	uint32_t number;
	enum pq_wire_type type;
	uint64_t value;      /* VARINT, 64, 32 */
	const uint8_t *data; /* BYTES: `len` of them, within the message */
	size_t len;
};

enum pq_wire_result { PQ_WIRE_FIELD, PQ_WIRE_END, PQ_WIRE_MALFORMED };

/** The next field. Groups are malformed: no message of ours has them. */
enum pq_wire_result pq_wire_next(struct pq_wire *wire, struct pq_wire_field *ret);

/** Most elements of one repeated field. */
struct pq_wire_limit {
	const ProtobufCMessageDescriptor *message;
	const char *field;
	unsigned max;
};

/**
 * Check a message: well-formed, texts UTF-8 without NUL and at most PQ_MAX_STRING bytes, numbers of enums known, no more
 * elements than `limits` allow (PQ_SERVER_REPEATED where they say nothing), few unknown fields. All faults are noted, up
 * to the bound of `violations`.
 *
 * Limits:    the message types below `descriptor` must not be recursive.
 * Ownership: reads `data` only.
 */
void pq_wire_check(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t len,
                   const struct pq_wire_limit *limits, size_t n_limits, struct pq_violations *violations);

/** Is it UTF-8 (no surrogates, no overlong forms, at most U+10FFFF)? */
bool pq_utf8_valid(const void *text, size_t len);

#endif

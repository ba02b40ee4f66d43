/* Messages of protobuf-c from JSON objects, by their descriptors. */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

/**
 * A message of the kind that `descriptor` tells, with what `from` says: members by the names of the .proto file, enum
 * values by name. NULL where a member or value does not fit, after a line on standard error.
 *
 * Ownership: the caller's, ended by protobuf_c_message_free_unpacked(message, NULL).
 */
ProtobufCMessage *proto_json_read(const ProtobufCMessageDescriptor *descriptor, const json_t *from);

#endif

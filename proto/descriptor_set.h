/**
 * The FileDescriptorSet of every .proto file that the server serves (imports included, without source info), for
 * server reflection. The bytes are generated at build time; they are constant and live as long as the program.
 */
#ifndef PQ_PROTO_DESCRIPTOR_SET_H
#define PQ_PROTO_DESCRIPTOR_SET_H

#include <stddef.h>

extern const unsigned char pq_descriptor_set[];
extern const size_t pq_descriptor_set_len;

#endif

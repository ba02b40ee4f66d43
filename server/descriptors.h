/**
 * The embedded descriptor set, indexed for server reflection.
 *
 * Threads: does not change once it is made.
 */
#ifndef PQ_SERVER_DESCRIPTORS_H
#define PQ_SERVER_DESCRIPTORS_H

#include "policy/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pq_descriptors;

/** A FileDescriptorProto as it stands in the set. */
struct pq_descriptor_file {
	const uint8_t *data;
	size_t len;
};

/**
 * Index a serialized FileDescriptorSet that holds every import.
 * Ownership: `set` must outlive the index; pq_descriptors_free() ends it. Fails: PQ_EFORMAT, PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_descriptors_new(const uint8_t *set, size_t len, struct pq_descriptors **ret,
                                              struct pq_err *err);

/** NULL is allowed. */
void pq_descriptors_free(struct pq_descriptors *descriptors);

/** Number of a file by its name ("pratique/v1/facts.proto"), -1 = none. */
int pq_descriptors_file(const struct pq_descriptors *descriptors, const char *name);

/** Number of the file that defines a symbol by its full name ("pratique.v1.Item.eccn"), -1 = none. */
int pq_descriptors_symbol(const struct pq_descriptors *descriptors, const char *name);

/** Is it a message type of the set? */
bool pq_descriptors_is_message(const struct pq_descriptors *descriptors, const char *name);

/**
 * A file and all that it imports, itself first, each once.
 * Out: up to pq_descriptors_n_files() entries; how many is returned.
 */
size_t pq_descriptors_closure(const struct pq_descriptors *descriptors, int file, struct pq_descriptor_file *ret);

size_t pq_descriptors_n_files(const struct pq_descriptors *descriptors);

/** Full names of the services, sorted. */
const char *const *pq_descriptors_services(const struct pq_descriptors *descriptors, size_t *ret_n);

#endif

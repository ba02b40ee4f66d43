/**
 * Where facts stand in the messages: for each message that says facts, its typed fields with the facts that they are
 * short for, and its map of further facts. Read by the server (message to facts) and by the client (facts to message).
 */
#ifndef PQ_SERVER_PLACES_H
#define PQ_SERVER_PLACES_H

#include "pratique/v1/decision.pb-c.h"

#include <stdbool.h>
#include <stddef.h>

enum pq_place_kind {
	PQ_PLACE_TEXT,    /* char *; "" = silent */
	PQ_PLACE_FLAG,    /* Pratique__V1__Flag */
	PQ_PLACE_DECIMAL, /* Pratique__V1__Decimal *; NULL = silent */
	PQ_PLACE_TEXTS,   /* Pratique__V1__TextList *; NULL = silent */
};

struct pq_place_field {
	const char *fact; /* name of the fact, with the prefix of the place */
	enum pq_place_kind kind;
	size_t offset;
};

/** What every generated map entry with FactValue looks like. */
struct pq_place_entry {
	ProtobufCMessage base;
	char *key;
	Pratique__V1__FactValue *value;
};

struct pq_place {
	const char *prefix; /* of its facts' names: "item."; "" = none */
	const struct pq_place_field *fields;
	size_t n_fields;
	const char *map; /* its map, as the messages call it */
	size_t n_facts;  /* offsets of the map */
	size_t facts;
	const ProtobufCMessageDescriptor *entry; /* of the map */
};

extern const struct pq_place pq_place_request, pq_place_item, pq_place_line, pq_place_party, pq_place_owner,
	pq_place_intermediate, pq_place_hit, pq_place_person, pq_place_screening, pq_place_assume;

static inline const void *
pq_place_at(const ProtobufCMessage *message, size_t offset)
{
	return (const char *)message + offset;
}

#endif

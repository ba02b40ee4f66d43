/**
 * Reading the JSON of requests and cases: places for messages, and members as facts. Internal to policy/request*.c.
 */
#ifndef PQ_POLICY_REQUEST_JSON_H
#define PQ_POLICY_REQUEST_JSON_H

#include "policy/arena.h"
#include "policy/request.h"

#include <jansson.h>

/** Where a JSON value stands, as a list from the inside out; lives on the stack of the functions that go down. */
struct pq_json_place {
	const struct pq_json_place *up;
	const char *name; /* of a member; NULL: an element of a list, ... */
	size_t index;     /* ... at this index */
};

struct pq_json_reader {
	struct pq_arena *arena;
	struct pq_err *err;
};

/** Write "request.parties[1].role"; cut where `size` ends. */
void pq_json_where(const struct pq_json_place *place, char *buf, size_t size);

/** Fail, naming the place. */
enum pq_status pq_json_fail(const struct pq_json_reader *r, enum pq_status status, const struct pq_json_place *place,
                            const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/** What a JSON value is, for messages: "a number", "null", ... */
const char *pq_json_kind(const json_t *value);

/** A NUL in a text is let through by the parser, so that pq_json_text() can refuse it by the name of its field. */
#define PQ_JSON_FLAGS (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

/** Parse a whole text. *ret is the caller's, to be given to json_decref(). Fails: PQ_EPARSE with line and column,
 *  PQ_ELIMIT. */
PQ_MUST_USE enum pq_status pq_json_parse(const char *json, size_t len, json_t **ret, struct pq_err *err);

/** A string as a text in the arena, PQ_MAX_STRING bytes at most and without NUL. */
PQ_MUST_USE enum pq_status pq_json_text(const struct pq_json_reader *r, const struct pq_json_place *place,
                                        const json_t *value, struct pq_text *ret);

/** Facts of one place while they are gathered. Start with {0}. */
struct pq_json_facts {
	struct pq_fact *at;
	size_t n, size;
};

/**
 * Add the fact `prefix.key` (or `key` where prefix is NULL) with this value. An object adds one fact for each of its
 * members, `prefix.key.member`.
 */
PQ_MUST_USE enum pq_status pq_json_add(const struct pq_json_reader *r, const struct pq_json_place *place,
                                       struct pq_json_facts *facts, const char *prefix, const char *key,
                                       const json_t *value);

/** Refuse what is not an object, `null` above all: that a whole group is unknown is said by its members. */
PQ_MUST_USE enum pq_status pq_json_check_object(const struct pq_json_reader *r, const struct pq_json_place *place,
                                                const json_t *object);

/** Read the request that `root` is or holds: pq_request_from_json() behind the parser. */
PQ_MUST_USE enum pq_status pq_json_request(const struct pq_json_reader *r, json_t *root, struct pq_request *ret);

#endif

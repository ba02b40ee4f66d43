/**
 * The question of `pratique decide`: a request form from a file, changed by flags.
 *
 * Flags are written into the form, and the form is then read as any other, so that there is one reader of requests.
 */
#ifndef PQ_CLI_ASK_H
#define PQ_CLI_ASK_H

#include "policy/arena.h"
#include "policy/request.h"
#include "policy/status.h"

#include <jansson.h>
#include <stdbool.h>

struct pq_ask {
	json_t *root;    /* the form as a whole */
	json_t *request; /* the request object in it, or the form itself; borrowed */
	bool fresh_via;  /* --via, --party and --profile put aside what the file says, once */
	bool fresh_party;
	bool fresh_profile;
};

/** Start with an empty request. Fails: PQ_ENOMEM. */
PQ_MUST_USE enum pq_status pq_ask_init(struct pq_ask *ask, struct pq_err *err);

/** Take the form in this text instead of the empty one; `name` stands for it in messages. Fails: PQ_EPARSE,
 *  PQ_EINVAL. */
PQ_MUST_USE enum pq_status pq_ask_read(struct pq_ask *ask, const char *name, const char *json, size_t len,
                                       struct pq_err *err);

void pq_ask_release(struct pq_ask *ask);

/* Each flag's value into the form. Fails: PQ_EINVAL naming the flag; PQ_ENOMEM. */

/** A fact that is a text ("destination", "item.eccn"). */
PQ_MUST_USE enum pq_status pq_ask_text(struct pq_ask *ask, const char *flag, const char *fact, const char *value,
                                       struct pq_err *err);
/** A fact that is a number. */
PQ_MUST_USE enum pq_status pq_ask_number(struct pq_ask *ask, const char *flag, const char *fact, const char *value,
                                         struct pq_err *err);
/** A fact that is true or false. */
PQ_MUST_USE enum pq_status pq_ask_bool(struct pq_ask *ask, const char *fact, bool value, struct pq_err *err);
/** --fact NAME=VALUE. */
PQ_MUST_USE enum pq_status pq_ask_fact(struct pq_ask *ask, const char *assignment, struct pq_err *err);
/** --party NAME=VALUE,NAME=VALUE... */
PQ_MUST_USE enum pq_status pq_ask_party(struct pq_ask *ask, const char *assignments, struct pq_err *err);
/** --via COUNTRY. */
PQ_MUST_USE enum pq_status pq_ask_via(struct pq_ask *ask, const char *country, struct pq_err *err);

/** --assume NAME=VALUE: what holds wherever the fact is silent; goes before what the file assumes for it. */
PQ_MUST_USE enum pq_status pq_ask_assume(struct pq_ask *ask, const char *assignment, struct pq_err *err);
/** --profile NAME, instead of the file's profiles. */
PQ_MUST_USE enum pq_status pq_ask_profile(struct pq_ask *ask, const char *name, struct pq_err *err);
/** --near-misses[=N]; NULL: as many as usual. */
PQ_MUST_USE enum pq_status pq_ask_near_misses(struct pq_ask *ask, const char *number, struct pq_err *err);

/** Read the form. *ret_request points into `arena`. Fails: as pq_request_from_json(). */
PQ_MUST_USE enum pq_status pq_ask_request(const struct pq_ask *ask, struct pq_arena *arena,
                                          struct pq_request *ret_request, struct pq_err *err);

#endif

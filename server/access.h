/**
 * Who has which role, by the name in a client's certificate or by a token. Two files say it:
 *
 *   roles    "ROLE NAME" a line, NAME being dns:NAME or uri:URI (of the certificate's subject alternative names), cn:NAME,
 *            or * for everybody who reaches the server
 *   tokens   "ROLE SHA-256" a line: the digest of the token in 64 hexadecimal digits, so that the file gives none away
 *
 * Blanks around and lines that begin with # do not count. A name or token with several roles has several lines.
 *
 * Threads: a table does not change; hold and release may be called by any thread. A publisher may be used by any; a
 *          worker's view belongs to its thread.
 */
#ifndef PQ_SERVER_ACCESS_H
#define PQ_SERVER_ACCESS_H

#include "policy/status.h"
#include "server/secret_file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PQ_ROLE_MAP(X)        \
	X(DECIDE, "decide")       \
	X(PUBLISH, "publish")     \
	X(REPLICATE, "replicate") \
	X(ADMIN, "admin")

enum pq_role_number {
#define X(name, word) PQ_ROLE_NUMBER_##name,
	PQ_ROLE_MAP(X)
#undef X
		PQ_ROLE_COUNT
};

/** Sets of roles are or-ed. None of them includes another. */
enum pq_roles {
	PQ_ROLES_NONE = 0,
#define X(name, word) PQ_ROLE_##name = 1 << PQ_ROLE_NUMBER_##name,
	PQ_ROLE_MAP(X)
#undef X
		PQ_ROLES_ANY = (1 << PQ_ROLE_COUNT) - 1,
	PQ_ROLES_EVERYBODY = 1 << PQ_ROLE_COUNT, /* of a method: no role is asked for, nor who it is */
};

/** The words of a set, separated by " or ", into a buffer of PQ_ROLES_TEXT bytes. */
#define PQ_ROLES_TEXT 64
void pq_roles_format(unsigned roles, char *ret, size_t size);

enum pq_name_kind { PQ_NAME_DNS, PQ_NAME_URI, PQ_NAME_CN };

struct pq_access;

/**
 * Read the files; either may be NULL.
 * Ownership: *ret_access has one holder, the caller. Fails: PQ_EINVAL (err names file and line), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_access_open(const char *roles, const char *tokens, struct pq_access **ret_access,
                                          struct pq_err *err);
struct pq_access *pq_access_hold(struct pq_access *access);
/** NULL is allowed. */
void pq_access_release(struct pq_access *access);

/** The roles that everybody has. */
unsigned pq_access_of_everybody(const struct pq_access *access);
/** The roles of a name; NONE where it has no line. */
unsigned pq_access_of_name(const struct pq_access *access, enum pq_name_kind kind, const char *name, size_t len);
/** Does it know any token? Where it does not, what calls say of tokens is for somebody else. */
bool pq_access_has_tokens(const struct pq_access *access);
/** The roles of a token; NONE where there is no such token. How long it takes does not tell how near it was. */
unsigned pq_access_of_token(const struct pq_access *access, const char *token, size_t len);

/** The table that holds now, and the files that it is from. */
struct pq_access_publisher {
	const char *roles, *tokens; /* paths; NULL = none */
	pthread_mutex_t lock;
	struct pq_access *current;      /* NULL: there are no roles */
	struct pq_file_stamp stamps[2]; /* of the files when they were last read, well or not */
	_Atomic(uint64_t) generation;   /* of `current` */
};

/** A worker's own reference. Start with zeroes. */
struct pq_access_view {
	struct pq_access *access;
	uint64_t generation;
};

/** Read the files for the first time; both may be NULL. Fails: as pq_access_open(). */
PQ_MUST_USE enum pq_status pq_access_publisher_init(struct pq_access_publisher *publisher, const char *roles,
                                                    const char *tokens, struct pq_err *err);
void pq_access_publisher_release(struct pq_access_publisher *publisher);

/** Read the files again if they changed. What is wrong goes to the log, and the table from before stays. */
void pq_access_refresh(struct pq_access_publisher *publisher);

/** The table for the next call; owned by the view. NULL: there are no roles. */
const struct pq_access *pq_access_adopt(struct pq_access_publisher *publisher, struct pq_access_view *view);
void pq_access_view_release(struct pq_access_view *view);

#endif

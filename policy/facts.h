/**
 * What the caller said: the facts of one request, by name, before they are held against a revision.
 *
 * The names are those of the packs (docs/request.md lists those of the US packs). A fact that is not here is silent;
 * one of kind UNKNOWN was said to be unknown. Names, types and symbols are checked by pq_decide(), which names every
 * field that is wrong.
 *
 * Ownership: the caller's; pq_decide() only reads. Strings need not be terminated: all have a length. They must be
 *            UTF-8 without NUL (the server and the JSON reader see to that).
 */
#ifndef PQ_POLICY_FACTS_H
#define PQ_POLICY_FACTS_H

#include "policy/terms.h"

/* Bounds of one request, each for the same reason: no request may cost more than a few milliseconds. */
#define PQ_MAX_LINES 1000
#define PQ_MAX_PARTIES 64
#define PQ_MAX_OWNERS 32       /* of one party */
#define PQ_MAX_HITS 256
#define PQ_MAX_INTERMEDIATES 32
#define PQ_MAX_FACTS 256       /* in one place: the request, an item, a party, ... */
#define PQ_MAX_SET 64          /* values of one fact */
#define PQ_MAX_PROFILES 16
#define PQ_MAX_NEAR_MISSES 64
#define PQ_MAX_STRING 512      /* bytes of a name or value */

struct pq_text {
	const char *at;
	size_t len;
};

enum pq_value_kind {
	PQ_VALUE_UNKNOWN, /* said to be unknown */
	PQ_VALUE_BOOL,
	PQ_VALUE_NUMBER,
	PQ_VALUE_TEXT,    /* a symbol, code, date or text: the declared type decides */
	PQ_VALUE_TEXTS,   /* a set of them */
};

struct pq_value {
	enum pq_value_kind kind;
	bool boolean;
	int64_t number;          /* fixed point, PQ_NUMBER_SCALE */
	struct pq_text text;
	const struct pq_text *texts;
	size_t n_texts;
};

struct pq_fact {
	struct pq_text name;     /* full name in the packs without the prefix of its element: in a party "country", in an
	                            item "item.eccn", else "destination", "person.citizenship", ... */
	struct pq_value value;
};

struct pq_facts {
	const struct pq_fact *at;
	size_t n;
};

struct pq_party {
	struct pq_facts facts;
	const struct pq_facts *owners;
	size_t n_owners;
};

struct pq_request {
	int32_t as_of;                      /* days since 1970-01-01 in the packs' time zone */
	bool jurisdiction_only;             /* answer only which law applies */
	struct pq_facts facts;              /* of the whole request */
	const struct pq_facts *lines;       /* what each line says of its item (and value); they go before `facts` */
	size_t n_lines;                     /* 0 = one line, described by `facts` alone */
	const struct pq_party *parties;
	size_t n_parties;
	const struct pq_facts *hits;
	size_t n_hits;
	const struct pq_facts *intermediates;
	size_t n_intermediates;
	struct pq_facts assume;             /* full names ("party.military_end_user"): what holds wherever the fact is silent */
	const struct pq_text *profiles;     /* named sets of assumptions of the packs; `assume` goes before them */
	size_t n_profiles;
	unsigned near_misses;               /* at most so many near misses are looked for; 0 = none, and no cost */
};

/** One field of a request that is wrong. */
struct pq_violation {
	const char *field;       /* "parties[0].country", "lines[2].item.eccn" */
	const char *reason;      /* UPPER_SNAKE: UNKNOWN_FACT, WRONG_TYPE, UNKNOWN_SYMBOL, OUT_OF_RANGE, MISSING, DUPLICATE, TOO_MANY,
	                            TOO_LONG, UNKNOWN_PROFILE */
	const char *description; /* for people */
};

#endif

/**
 * What the commands about revisions share: their flags, the desk they work at, who signs.
 */
#ifndef PQ_CLI_REVISIONS_H
#define PQ_CLI_REVISIONS_H

#include "cli/desk.h"
#include "cli/flags.h"

/** Files that may be named with --trust. */
#define PQ_CLI_TRUST_MAX 16

/** The common flags, as read. Start with zeroes. */
struct pq_revision_flags {
	const char *data;   /* a directory; NULL = `server` */
	const char *server; /* an address */
	int timeout_ms;     /* 0 = as long as what is asked may take */
	const char *by;
	const char *note;
	const char *key;
	const char *manifest;
	const char *trust[PQ_CLI_TRUST_MAX];
	size_t n_trust;
	struct pq_trust *trusted; /* loaded by pq_revisions_open() */
	struct pq_desk desk;      /* likewise */
};

/* The common entries of the commands' tables, and their places. */
#define PQ_REVISION_FLAGS                                                                                        \
	{"data", 0, PQ_FLAG_VALUE}, {"server", 0, PQ_FLAG_VALUE}, {"timeout", 0, PQ_FLAG_VALUE}, {"by", 0, PQ_FLAG_VALUE}, {"note", 0, PQ_FLAG_VALUE}, {"key", 0, PQ_FLAG_VALUE}, \
		{"manifest", 0, PQ_FLAG_VALUE},                                                                          \
	{                                                                                                            \
		"trust", 0, PQ_FLAG_VALUE                                                                                \
	}
enum {
	PQ_FLAG_DATA,
	PQ_FLAG_SERVER,
	PQ_FLAG_TIMEOUT,
	PQ_FLAG_BY,
	PQ_FLAG_NOTE,
	PQ_FLAG_KEY,
	PQ_FLAG_MANIFEST,
	PQ_FLAG_TRUST,
	PQ_REVISION_FLAGS_N
};

#define PQ_FLAG_BIT(option) (1u << (option))
/* Where the revisions are: what every command knows. */
#define PQ_FLAGS_WHERE (PQ_FLAG_BIT(PQ_FLAG_DATA) | PQ_FLAG_BIT(PQ_FLAG_SERVER) | PQ_FLAG_BIT(PQ_FLAG_TIMEOUT))

/** Take a common flag. Returns 0, or the exit code where it was wrong. */
int pq_revision_flag(struct pq_revision_flags *flags, const char *command, int option, const char *value);

/**
 * Read the trusted keys and open the desk. `options` has how a server is reached, and is borrowed until
 * pq_revision_close(). Returns 0, or the exit code; what failed has been said.
 */
int pq_revisions_open(struct pq_revision_flags *flags, const struct pq_flags *options, const char *command, bool create);

/** Accepts flags that were not opened. */
void pq_revision_close(struct pq_revision_flags *flags);

/** Who acts now: --by, else the user's name; --note as the remark. */
struct pq_catalog_act pq_revision_act(const struct pq_revision_flags *flags);

/** Sign with --key, where it was given. */
PQ_MUST_USE enum pq_status pq_revision_sign(const struct pq_revision_flags *flags, struct pq_manifest *manifest,
                                            struct pq_err *err);

/** A sequence as text: 1 to PQ_SEQUENCE_MAX. */
bool pq_revision_sequence(const char *text, uint64_t *ret_sequence);
/** A count as text: 0 to 1000000000. */
bool pq_revision_count(const char *text, size_t *ret_count);

/** Say what became of a manifest that was added, and activate or plan it where asked. Returns the exit code. */
int pq_revision_added(struct pq_revision_flags *flags, const struct pq_manifest *manifest,
                      const struct pq_desk_added *added, bool activate, const int64_t *at_s);

#endif

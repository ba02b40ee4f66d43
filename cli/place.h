/**
 * The options by which `pratique fetch` and `pratique push` reach a place where revisions lie.
 */
#ifndef PQ_CLI_PLACE_H
#define PQ_CLI_PLACE_H

#include "cli/flags.h"
#include "fetch/fetcher.h"

/* The entries of a table of flags, and what they are numbered by: they stand first in it. */
enum {
	PQ_PLACE_CREDENTIALS,
	PQ_PLACE_CA,
	PQ_PLACE_S3_ENDPOINT,
	PQ_PLACE_S3_REGION,
	PQ_PLACE_ALLOW_HTTP,
	PQ_PLACE_FLAGS,
};
/* clang-format off */
#define PQ_PLACE_FLAG_TABLE \
	{"credentials", 0, PQ_FLAG_VALUE}, {"ca", 0, PQ_FLAG_VALUE}, {"s3-endpoint", 0, PQ_FLAG_VALUE}, \
	{"s3-region", 0, PQ_FLAG_VALUE}, {"allow-http", 0, PQ_FLAG_PLAIN}
/* clang-format on */

/** Start with {0}; release it with pq_cli_place_release(). */
struct pq_cli_place {
	const char *credentials_path;
	struct pq_credentials *credentials;
	struct pq_fetch_options options; /* ready after pq_cli_place_load() */
};

/** Take one of the options above. */
void pq_cli_place_flag(struct pq_cli_place *place, int flag, const char *value);

/** Load the credentials. Fails: as pq_credentials_load(). */
PQ_MUST_USE enum pq_status pq_cli_place_load(struct pq_cli_place *place, struct pq_err *err);

void pq_cli_place_release(struct pq_cli_place *place);

/** Open a store that is held as a base of differences, and check that it is whole; close ret_file->fd afterwards. */
PQ_MUST_USE enum pq_status pq_cli_open_store(const char *path, struct pq_snapshot_file *ret_file, struct pq_err *err);

#endif

/**
 * Getting revisions from where they lie: a folder, a web server, an S3 bucket, an OCI registry.
 *
 * A place holds the newest manifest behind one name (the *pointer*), and snapshots behind names made of digests. A
 * fetcher polls the pointer and gets snapshots. docs/distribution.md has URLs, layouts and what is trusted: nothing of what
 * a place says is. The caller verifies the manifest's signature and compares its sequence; the store is checked here
 * against the manifest.
 *
 * Threads: a fetcher belongs to one thread at a time; different ones are independent. Calls block; `watch` can end them.
 */
#ifndef PQ_FETCH_FETCHER_H
#define PQ_FETCH_FETCHER_H

#include "fetch/credentials.h"
#include "fetch/snapshot.h"
#include "policy/status.h"
#include "storage/manifest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes of a mark, with the final NUL. */
#define PQ_MARK_BYTES 512

/** How a place is reached. All zeros are sensible. The fetcher keeps the pointer, not what it points to. */
struct pq_fetch_options {
	const struct pq_credentials *credentials; /* NULL: none */
	const char *ca_file;                      /* PEM: trusted instead of the system's authorities; NULL: the system's */
	const char *s3_endpoint; /* "https://HOST[:PORT]"; NULL: $AWS_ENDPOINT_URL_S3, $AWS_ENDPOINT_URL, or Amazon's */
	const char *s3_region;   /* NULL: that of the credentials, or us-east-1 */
	bool allow_http;         /* without TLS to other machines, too */
	uint32_t connect_s;      /* seconds to connect in; 0: 10 */
	uint32_t low_speed_s;    /* a transfer that is slower than 1 KB/s for as many seconds is broken off; 0: 30 */
	uint64_t max_bytes;      /* of a store; 0: PQ_STORE_FILE_BYTES_MAX */
};

/** Where a transfer is told. */
struct pq_fetch_watch {
	/**
	 * Called once a second or more often, from within the call that transfers: bytes of the snapshot that are here or
	 * sent, and all (0: not known yet). False cancels.
	 */
	bool (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

/** What getting a snapshot took. */
struct pq_fetch_stats {
	uint64_t moved;   /* bytes that came over the wire */
	uint64_t total;   /* bytes of the snapshot */
	bool differences; /* against the base */
	uint32_t resumed; /* times that the transfer went on after it had broken */
};

struct pq_fetcher;

/**
 * Make a fetcher. Nothing is asked yet.
 *
 * Ownership: *ret_fetcher is the caller's, to be freed; `options` (NULL: all zeros) must live as long as it.
 * Fails:     PQ_EINVAL (the URL, the endpoint), PQ_ENOMEM, PQ_EFAILED (libcurl cannot start).
 */
PQ_MUST_USE enum pq_status pq_fetcher_open(const char *url, const struct pq_fetch_options *options,
                                           struct pq_fetcher **ret_fetcher, struct pq_err *err);

/** Accepts NULL. */
void pq_fetcher_free(struct pq_fetcher *fetcher);

/** The URL, for messages; lives as long as the fetcher. */
const char *pq_fetcher_url(const struct pq_fetcher *fetcher);

/** Where the calls that follow tell their progress and may be cancelled; NULL: nowhere. */
void pq_fetcher_watch(struct pq_fetcher *fetcher, const struct pq_fetch_watch *watch);

/**
 * Ask for the newest manifest: its text, for pq_manifest_parse().
 *
 * *ret_changed is false, and the rest untouched, where the pointer is the one that was last accepted. One that was not
 * accepted (the snapshot could not be got) is told again by the next poll.
 *
 * Fails: PQ_ENOTFOUND (no such place, nothing in it), PQ_EIO (unreachable: try again later), PQ_EFAILED (no access, no
 *        trust in its certificate, cancelled), PQ_ECORRUPT (not what a place holds), PQ_ELIMIT (too much). err names the
 *        URL and what the server said.
 */
PQ_MUST_USE enum pq_status pq_fetcher_poll(struct pq_fetcher *fetcher, char ret_text[PQ_MANIFEST_BYTES_MAX + 1],
                                           size_t *ret_len, bool *ret_changed, struct pq_err *err);

/** What the last poll told has been dealt with, for good or ill: do not tell it again. */
void pq_fetcher_accept(struct pq_fetcher *fetcher);

/** The mark of what was accepted last, to be kept over restarts; "" where nothing was. Lives until the next call. */
const char *pq_fetcher_mark(const struct pq_fetcher *fetcher);

/** Take up a mark that was kept. One that does not fit (empty, too long, with control characters) is passed over. */
void pq_fetcher_set_mark(struct pq_fetcher *fetcher, const char *mark);

/**
 * Get the store of a manifest into a file: as differences against `base`, where it is given and the place has them, else
 * whole. What the file holds already of the store is used; after a failure it is left for the next time.
 *
 * A transfer that breaks goes on by itself as long as each turn brings something; waiting is the caller's
 * (fetch/backoff.h).
 *
 * Ownership: `out_fd` is open for reading and writing and stays the caller's; it is not synced. `out_path` names it.
 * Out:       *ret_stats may be NULL.
 * Fails:     PQ_ENOTFOUND (the place has no such snapshot), PQ_ELIMIT (the store is over max_bytes), PQ_ECORRUPT (it is
 *            not the store of the manifest), PQ_EIO (the network, or the disk is full: err names the URL or the file),
 *            PQ_EFAILED (no access, cancelled), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_fetcher_get(struct pq_fetcher *fetcher, const struct pq_manifest *manifest,
                                          const struct pq_snapshot_file *base, int out_fd, const char *out_path,
                                          struct pq_fetch_stats *ret_stats, struct pq_err *err);

#endif

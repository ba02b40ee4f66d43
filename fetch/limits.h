/**
 * The bounds of the fetching layer, each with its reason.
 */
#ifndef PQ_FETCH_LIMITS_H
#define PQ_FETCH_LIMITS_H

#include <stdint.h>

/** Bytes of a store that a frame of a snapshot holds: what is lost when a transfer breaks, and what memory it takes. */
#define PQ_CHUNK_BYTES_MIN ((uint32_t)64 << 10)
#define PQ_CHUNK_BYTES_MAX ((uint32_t)4 << 20)
/** What pq_snapshot_make() takes: smaller ones compress worse, larger ones resume worse. */
#define PQ_CHUNK_BYTES ((uint32_t)1 << 20)

/** Places of the older store that pq_delta_index() remembers: 16 MiB of numbers, one for 16 bytes of 64 MB. */
#define PQ_DELTA_PLACES_MAX ((uint32_t)1 << 22)

/** Differences that one revision may be pushed with: to the few revisions that replicas may still hold. */
#define PQ_PUSH_BASES_MAX 8u

/** Bytes of a URL without NUL. Redirections to signed URLs of object stores take some 2 KB. */
#define PQ_URL_BYTES_MAX 4096u

/** Bytes of an answer that is read as a whole: a registry's manifest, a token. A registry may not send more than 4 MiB
 *  as a manifest; ours has some 4 KB. */
#define PQ_ANSWER_BYTES_MAX ((uint64_t)1 << 20)

/** Bytes of a header that is remembered: ETag, Location, WWW-Authenticate. */
#define PQ_HEADER_BYTES_MAX 4096u

/** Bytes of a file with credentials. Docker's own have some hundreds. */
#define PQ_CREDENTIALS_BYTES_MAX ((uint64_t)1 << 20)

/** Redirections that one request follows. */
#define PQ_REDIRECTS_MAX 5

/** Times that one snapshot is asked for again where the transfer broke, as long as each brought something. */
#define PQ_RESUMES_MAX 64

#endif

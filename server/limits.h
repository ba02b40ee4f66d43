/**
 * The bounds of the server, each with its reason. Those of one request's contents are in policy/facts.h.
 */
#ifndef PQ_SERVER_LIMITS_H
#define PQ_SERVER_LIMITS_H

#include <stddef.h>

/** Bytes of one request message. A thousand lines with a dozen facts each take about half of it. */
#define PQ_SERVER_MESSAGE_BYTES ((size_t)1 << 20)
#define PQ_SERVER_MESSAGE_BYTES_MAX ((size_t)64 << 20)

/** Calls at once on one connection; gRPC itself sets no bound. */
#define PQ_SERVER_STREAMS 256
#define PQ_SERVER_STREAMS_MAX 100000

/** Bytes of a call's metadata: room for tokens and traces, and what most clients accept too. */
#define PQ_SERVER_METADATA_BYTES 8192

/** Memory for one request from its bytes to its reply; a worker has one such arena. */
#define PQ_SERVER_ARENA_BYTES ((size_t)256 << 20)
/** An arena that grew beyond this is given back after the call. */
#define PQ_SERVER_ARENA_KEEP ((size_t)4 << 20)

/** Calls of a unary method that a worker has posted; more wait in the core. From 16 to 512 measured the same. */
#define PQ_SERVER_POSTED 64

/** Streams (health watches, reflection) that a worker holds open. */
#define PQ_SERVER_OPEN_STREAMS 1024

/** Requests in a batch or frame: some milliseconds of work. */
#define PQ_SERVER_BATCH_ITEMS 1000
#define PQ_SERVER_BATCH_ITEMS_MAX 100000

/** Bytes of the answer to a batch or frame: clients take 4 MiB unless told otherwise. */
#define PQ_SERVER_BATCH_BYTES ((size_t)4000000)

/**
 * Microseconds that a batch or a request of several legs may hold its thread in one go, so that other calls wait no
 * longer than that for it; one leg is not left in the middle.
 */
#define PQ_SERVER_SLICE_US 200

/** Batches and large requests that a worker has under work at a time, in turns; others wait with their bytes alone. */
#define PQ_SERVER_JOBS 16
/** Memory of a large request that is kept for the next one. */
#define PQ_SERVER_SPARE_BYTES ((size_t)256 << 10)

/** Events that may go before a batch's next slice: no batch waits for ever on a busy thread. */
#define PQ_SERVER_EVENTS_A_SLICE 16

/** Events whose answers go out together at most; a drain that is longer is sent in parts. */
#define PQ_SERVER_EVENTS_A_FLUSH 64
/** The first events after a wait, whose answers are sent at once: a lone call is not held up. */
#define PQ_SERVER_EVENTS_AT_ONCE 2
/** Milliseconds between two tries at a connection that took only part of its answers. */
#define PQ_SERVER_STUCK_MS 5

/** Frames of a stream that were read and whose answers the client has not taken. */
#define PQ_SERVER_FRAMES 4

/** Bytes of all frames and of their answers that a worker holds; streams above it are refused. */
#define PQ_SERVER_FRAME_BYTES ((size_t)256 << 20)

/** Seconds in which a new connection must begin to speak HTTP/2. */
#define PQ_SERVER_HANDSHAKE 10
/** Connections that are waited for at a time; when another one comes the oldest is closed. */
#define PQ_SERVER_HANDSHAKES 1024

#define PQ_SERVER_WORKERS_MAX 64

/** Views that workers left and that are not freed yet; the rest the workers free themselves. Two swaps of all of them. */
#define PQ_SERVER_LEFT_MAX (2 * PQ_SERVER_WORKERS_MAX)

/** Milliseconds between heartbeats of a watch on revisions, and the least that a plan may be late. */
#define PQ_SERVER_BEAT_MS 1000

/** Replicas whose reports are kept, and for how many seconds after the last. */
#define PQ_SERVER_REPLICAS_MAX 1000
#define PQ_SERVER_REPLICA_S 600

/** Seconds of staleness that may be allowed: ten years. */
#define PQ_SERVER_STALENESS_MAX 315360000

/** Seconds between two looks at a place that is followed, and the most that may be asked for: a day. */
#define PQ_SERVER_POLL 30
#define PQ_SERVER_POLL_MAX 86400

/** Files with trusted keys. */
#define PQ_SERVER_TRUST_MAX 16

/**
 * Calls that a worker lets wait for a revision (min_revision), and for how many milliseconds at most: a replica that is
 * further behind is not about to come to it. More are refused at once.
 */
#define PQ_SERVER_BEHIND 256
#define PQ_SERVER_BEHIND_MS 30000

/** Milliseconds after which a worker looks for what other threads have done for its calls, while any waits for that. */
#define PQ_SERVER_WAIT_MS 5

/** Plain connections at once, so that descriptors are left for others; each takes some 30 KiB. */
#define PQ_SERVER_CONNECTIONS 4096
#define PQ_SERVER_CONNECTIONS_MAX 60000

/**
 * Bytes that messages may hold that have begun to come and are not whole, of all connections together: beyond it, the
 * connection that holds most is broken off. A hundred of the largest messages at once.
 */
#define PQ_SERVER_BUFFER_BYTES ((size_t)128 << 20)
/**
 * What gRPC may take for the connections of a shard beside twice that, whatever it is for. Near it, it reads less at a
 * time, and beyond it breaks off calls, anybody's: it is for what the bounds above do not see, as on TLS ports.
 */
#define PQ_SERVER_QUOTA_BYTES ((size_t)64 << 20)
#define PQ_SERVER_BUFFER_BYTES_MIN ((size_t)8 << 20)
#define PQ_SERVER_BUFFER_BYTES_MAX ((size_t)64 << 30)

/** Seconds of silence after which a client is asked whether it is there, and those in which it must answer. */
#define PQ_SERVER_KEEPALIVE 300
#define PQ_SERVER_KEEPALIVE_ANSWER 20

#define PQ_SERVER_LISTEN_MAX 16

/** Seconds that calls in flight get at the end; the bound is of the drain delay too. */
#define PQ_SERVER_GRACE 10
#define PQ_SERVER_GRACE_MAX 3600
/** Seconds, of what is about a connection. */
#define PQ_SERVER_CONNECTION_MAX 86400

/** Bytes of a file of certificates, keys, roles or tokens: a bundle of all public authorities takes a quarter of it. */
#define PQ_SERVER_SECRET_BYTES ((size_t)1 << 20)
/** Names in a file of roles, and tokens in one: all tokens are compared with each call that shows one. */
#define PQ_SERVER_ACCESS_ENTRIES 1000

/** Fields that one error names: its text must fit into the metadata that clients accept. */
#define PQ_SERVER_VIOLATIONS 64
/** Bytes of `grpc-status-details-bin`, before base64, and of `grpc-message`. */
#define PQ_SERVER_DETAILS_BYTES 4096
#define PQ_SERVER_MESSAGE_TEXT 512

/** Fields of a request that this version does not know. A newer client has a few; thousands only cost memory. */
#define PQ_SERVER_UNKNOWN_FIELDS 256

/** Elements of any repeated field without a bound of its own. */
#define PQ_SERVER_REPEATED 1000

#endif

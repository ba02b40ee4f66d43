/**
 * Looks at what comes in on a connection before gRPC does, and breaks off connections that cost without asking.
 *
 * gRPC 1.51 reads a header whose value never ends into memory, over and over from its beginning; and a call that is reset
 * at once frees its place on the connection before anything of it has been worked on. Newer versions have bounds for both.
 * guard.c defines recvmsg(), which libgrpc then calls in place of the C library's. It reads as that does, and follows the
 * heads of the frames (RFC 9113, section 4.1):
 *
 *   headers     HEADERS and CONTINUATION of one call have at most PQ_GUARD_HEADER_BYTES
 *   burden      frames that ask for no answer or take one back are paid for: by calls and data, and by time
 *   unfinished  messages that have begun to come and are not whole hold memory. When those of all connections hold more
 *               than pq_guard_set_room() allows, the connection that holds most is broken off
 *
 * A connection that does otherwise looks to gRPC as if its client had reset it. For descriptors that were not given to
 * pq_guard_add() recvmsg() is the plain system call: TLS ports are gRPC's own, and what is encrypted has no frames.
 *
 * Threads: any. Each descriptor has a lock, which two threads hardly ever want at the same time.
 */
#ifndef PQ_SERVER_GUARD_H
#define PQ_SERVER_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Descriptors above are not guarded. */
#define PQ_GUARD_DESCRIPTORS 65536

/** Bytes of the headers of a call, as they come. Up to here gRPC says itself that there is too much (8 KiB, unpacked). */
#define PQ_GUARD_HEADER_BYTES ((size_t)64 << 10)

/** What a connection may cost in advance, and how much of that comes back a second. */
#define PQ_GUARD_CREDIT 8000
#define PQ_GUARD_CREDIT_A_SECOND 1000
/**
 * A reset costs the work of a call, and a ping an answer; any other burden costs 1. A call and each piece of its data pay
 * 1: so a client may ping once a call, as some do to measure the way.
 */
#define PQ_GUARD_RESET 12
#define PQ_GUARD_PING 2

/** Why connections were broken off since the start. */
struct pq_guard_counts {
	uint64_t headers, burden, unfinished;
};

/** Bytes that messages which are not whole may hold, of all connections together; at the start any number. */
void pq_guard_set_room(size_t bytes);

/** Guard this connected stream socket until it is closed. False: no memory, or too high a number. */
bool pq_guard_add(int fd);

/** Connections that are guarded now. */
size_t pq_guard_open(void);

struct pq_guard_counts pq_guard_counts(void);

/** The descriptor is closed next. For close(), which server/merge.c defines. */
void pq_guard_forget(int fd);

/** A message of a call, on its way. */
struct pq_guard_message {
	uint32_t stream; /* 0 = free */
	uint32_t left;   /* bytes still to come */
	uint8_t n_head;  /* of its five bytes of head, which have come */
	size_t bytes;    /* that have come */
};

/** Calls of a connection whose message may be on its way; more are not counted, and no connection has more by default. */
#define PQ_GUARD_MESSAGES 256

/** What is known of the frames of one connection. Starts with zeroes. */
struct pq_guard_frames {
	uint8_t head[9];
	uint8_t n_head;  /* of which have come */
	uint8_t preface; /* bytes of the preface that have come */
	uint32_t left;   /* bytes of the frame's content still to come */
	size_t headers;  /* bytes of the headers of the call that is being begun */
	int64_t spent;   /* at most PQ_GUARD_CREDIT */
	int64_t paid_ms; /* when time last paid */

	struct pq_guard_message *messages; /* PQ_GUARD_MESSAGES; NULL = none has been on its way */
	struct pq_guard_message *message;  /* of the frame that is coming; NULL = none */
	size_t n_messages;                 /* in use */
	size_t unfinished;                 /* bytes of them */
};

enum pq_guard_verdict { PQ_GUARD_GOOD, PQ_GUARD_HEADERS, PQ_GUARD_BURDEN };

/** Follow the next bytes of a connection, which came at `now_ms`. Once it is not good it must not be asked again. */
enum pq_guard_verdict pq_guard_follow(struct pq_guard_frames *frames, const uint8_t *bytes, size_t len, int64_t now_ms);

void pq_guard_frames_release(struct pq_guard_frames *frames);

#endif

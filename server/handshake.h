/**
 * Connections that have not begun to speak HTTP/2 yet. gRPC sets no bound on how long a connection given to it may take
 * to begin, so it gets one only when the client's preface and first SETTINGS frame have come whole.
 *
 * Threads: the acceptor's.
 */
#ifndef PQ_SERVER_HANDSHAKE_H
#define PQ_SERVER_HANDSHAKE_H

#include "server/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pq_handshake {
	struct pq_handshake *next, *previous;
	int fd;
	bool admin;    /* it is of an address for administration */
	int64_t until; /* milliseconds of the monotonic clock */
};

struct pq_handshakes {
	int epoll;                            /* the caller's; a connection's event carries its pq_handshake */
	unsigned timeout_ms;                  /* 0 = none */
	struct pq_handshake *oldest, *newest; /* all have the same time, so the oldest is over first */
	struct pq_handshake *spare;
	size_t n;
	struct pq_handshake all[PQ_SERVER_HANDSHAKES];
};

enum pq_preface { PQ_PREFACE_WHOLE, PQ_PREFACE_PARTIAL, PQ_PREFACE_WRONG };

/** What has come of a connection's begin; nothing is taken from it. WRONG: it is closed, or no HTTP/2. */
enum pq_preface pq_preface_of(int fd);

void pq_handshakes_init(struct pq_handshakes *handshakes, int epoll, unsigned timeout_ms);

/** Watch a connection whose preface is not whole. Where too many are watched the oldest is closed. Takes over `fd`. */
void pq_handshakes_add(struct pq_handshakes *handshakes, int fd, bool admin);

/** Something came. True: the preface is whole and *ret_fd is the caller's again. Else it waits on, or was closed. */
bool pq_handshakes_see(struct pq_handshakes *handshakes, struct pq_handshake *handshake, int *ret_fd, bool *ret_admin);

/** Close those whose time is over. Returns the milliseconds until the next; -1 = there is none. */
int pq_handshakes_expire(struct pq_handshakes *handshakes);

void pq_handshakes_close_all(struct pq_handshakes *handshakes);

#endif

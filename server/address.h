/**
 * Where the server listens: a Unix socket or a TCP address.
 *
 * An address that others than this machine can reach is refused unless the caller allows it: because calls are encrypted
 * and authenticated there, or because it was asked for.
 */
#ifndef PQ_SERVER_ADDRESS_H
#define PQ_SERVER_ADDRESS_H

#include "policy/status.h"

#include <stdbool.h>
#include <sys/types.h>

/** "unix:" with the longest path that a socket takes, or "[address]:port". */
#define PQ_ADDRESS_TEXT 128

struct pq_address {
	char target[PQ_ADDRESS_TEXT]; /* as gRPC takes it; after listening with the real port */
	char path[PQ_ADDRESS_TEXT];   /* of a Unix socket; "" = TCP */
	bool reachable;               /* by other machines */
	dev_t device;                 /* of the socket that was made, so that another's is not unlinked */
	ino_t inode;
};

/**
 * Read "unix:/path", "127.0.0.1:8300", "[::1]:8300", "localhost:8300". Port 0 lets the system choose.
 * `flag` is what the text was given by, for err. Fails: PQ_EINVAL.
 */
PQ_MUST_USE enum pq_status pq_address_parse(const char *text, bool public_allowed, const char *flag,
                                            struct pq_address *ret, struct pq_err *err);

/**
 * Make room for a Unix socket: a socket that nobody listens on is removed. Nothing to do for TCP.
 * Fails: PQ_EIO (somebody listens on it, it is no socket, or it cannot be removed; err names it).
 */
PQ_MUST_USE enum pq_status pq_address_clear(const struct pq_address *address, struct pq_err *err);

/**
 * Listen. The address remembers its real port, or which socket it made.
 * Ownership: *ret_fd, which does not block, is the caller's. Fails: PQ_EIO (err names the address).
 */
PQ_MUST_USE enum pq_status pq_address_listen(struct pq_address *address, int *ret_fd, struct pq_err *err);

/** After listening: remember the port, or which socket it is. */
void pq_address_bound(struct pq_address *address, int port);

/** Unlink the Unix socket if it is still the one that was made. Async-signal-safe. */
void pq_address_unlink(const struct pq_address *address);

#endif

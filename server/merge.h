/**
 * Sends the answers of one drain of a queue together: gRPC makes a system call for each answer, which costs as much as
 * all the rest of it.
 *
 * merge.c defines sendmsg(), close() and shutdown(), which libgrpc then calls in place of the C library's. For any
 * descriptor that was not given to pq_merge_add() they are the plain system calls. For those that were:
 *
 *   sendmsg()   while the calling thread collects, small messages are copied and said to be sent; they go out with the
 *               flush. Otherwise what waits goes first, and if the socket does not take all of it, the answer is EAGAIN
 *               as of a full socket: gRPC then waits until it can be written to.
 *   flush       what the socket does not take stays, nothing more is collected for that descriptor, and the flushes that
 *               follow try again. So a client that does not read costs its own connection alone.
 *   close(), shutdown()   what waits is offered to the socket before; what it does not take is gone with the connection.
 *               After a close the number may belong to another connection: nothing of the old one is left.
 *
 * Threads: a `struct pq_merge` belongs to one thread. Descriptors may be used by any: each has a lock, which is taken by
 *          two threads at once only where gRPC moves a write to another thread.
 */
#ifndef PQ_SERVER_MERGE_H
#define PQ_SERVER_MERGE_H

#include <stdbool.h>
#include <stddef.h>

/** Descriptors above are not merged. */
#define PQ_MERGE_DESCRIPTORS 65536
/** Bytes collected for one descriptor; more go out in between. As much as one write to a socket usefully takes. */
#define PQ_MERGE_BYTES ((size_t)64 << 10)
/** Descriptors of one drain: it has no more events. */
#define PQ_MERGE_DRAIN 64

/** Start with zeroes. */
struct pq_merge {
	int fds[PQ_MERGE_DRAIN]; /* for which something was collected */
	size_t n;
	int *stuck; /* that did not take all */
	size_t n_stuck, stuck_size;
	void *spare[PQ_MERGE_DRAIN]; /* buffers of PQ_MERGE_BYTES */
	size_t n_spare;
};

/** Merge what is sent on this connected stream socket from now on, until it is closed. False: no memory, or too high. */
bool pq_merge_add(int fd);

/** Collect what this thread sends, until pq_merge_pause(). */
void pq_merge_collect(struct pq_merge *merge);
void pq_merge_pause(void);

/** Send what was collected, and try what is stuck. Not while the thread collects. */
void pq_merge_flush(struct pq_merge *merge);

/** Flush, and give back memory. What is stuck stays with its descriptors, until they are closed. */
void pq_merge_release(struct pq_merge *merge);

#endif

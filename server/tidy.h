/**
 * Gives memory back to the system when a rush is over. The C library keeps what was freed below anything that is still in
 * use, so one long connection could hold all that thousands have left.
 *
 * Threads: one, and any others may allocate meanwhile.
 */
#ifndef PQ_SERVER_TIDY_H
#define PQ_SERVER_TIDY_H

#include <stdbool.h>
#include <stddef.h>

/** Bytes above the least that was needed, from which on it is worth the while. */
#define PQ_TIDY_BYTES ((size_t)8 << 20)
/** Looks between two tries that gained little, at most. */
#define PQ_TIDY_LOOKS_MAX 600

/** Starts with zeroes. The first look says what is needed at rest: make it before there are calls. */
struct pq_tidy {
	size_t least, before;   /* bytes: after a try, and at the last look; 0 = not known */
	unsigned wait, pause;   /* looks until the next try, and after one that gained little */
};

/** To be called now and then, about each second. True: a try was made. */
bool pq_tidy_look(struct pq_tidy *tidy);

#endif

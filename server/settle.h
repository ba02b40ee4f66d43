/**
 * Memory that only the start needed.
 *
 * Threads: once, by the main thread, when the server is ready. Others may run meanwhile.
 */
#ifndef PQ_SERVER_SETTLE_H
#define PQ_SERVER_SETTLE_H

/**
 * Give it back: what was freed, and the pages of libraries that were read to link and to begin.
 *
 * Nothing is lost: pages of files that nobody wrote to are read again from the page cache when they are asked for.
 */
void pq_settle_memory(void);

#endif

/**
 * Following another server or a place (--follow): what is in force there is fetched, verified, proved and put in force here.
 *
 * Whatever fails is logged and reported, the last good revision goes on serving, and the next try comes after a pause that
 * grows.
 *
 * Threads: one of its own, between start and end.
 */
#ifndef PQ_SERVER_FOLLOW_H
#define PQ_SERVER_FOLLOW_H

#include "server/keeper.h"

struct pq_follow;

/** Is this the URL of a place, and not the address of a server? */
bool pq_follow_is_place(const char *from);

/** Begin to follow keeper->options->follow. NULL: no memory, no thread. */
struct pq_follow *pq_follow_start(struct pq_keeper *keeper);

/** What is under way is dropped; a part that was fetched stays for the next start. Accepts NULL. */
void pq_follow_end(struct pq_follow *follow);

#endif

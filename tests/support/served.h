/**
 * A server over the tiny store, in this process, for tests.
 */
#ifndef PQ_TESTS_SUPPORT_SERVED_H
#define PQ_TESTS_SUPPORT_SERVED_H

#include "server/server.h"
#include "tests/support/raw_client.h"

struct served {
	char folder[64], store[96], socket[96], unix_address[128], tcp[PQ_ADDRESS_TEXT];
	struct pq_options options; /* may be changed between served_prepare() and served_start() */
	struct pq_server *server;  /* NULL: a test has ended it */
	struct pq_arena arena;
	struct raw_client client; /* over TCP */
};

/** A sealed store in a folder of its own, and options. Aborts the test program when that fails. */
struct served *served_prepare(unsigned workers);
/** Listen on a Unix socket and on TCP. Aborts when that fails. */
void served_start(struct served *served);
/** End the server and remove everything. Not 0: something was left in the folder. */
int served_free(struct served *served);

/** Decide the bytes of a request over `client`; the answer as JSON in the arena, or "CODE: message". */
const char *served_decide(struct served *served, struct raw_client *client, const void *bytes, size_t len);

#endif

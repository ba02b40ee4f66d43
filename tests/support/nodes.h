/**
 * Servers over revision directories, in this process: a publisher, and replicas that follow it. They serve two editions of
 * the tiny law: sequence 1 is the first, 2 the second, and what is put in force after that is each in turn, so that an odd
 * sequence is the first edition and an even one the second.
 *
 * Everything here aborts the test program, with a message, when it fails.
 */
#ifndef PQ_TESTS_NODES_H
#define PQ_TESTS_NODES_H

#include "server/keeper.h"
#include "server/link.h"
#include "server/server.h"

#include "pratique/v1/decision.pb-c.h"

#define NODES_TIMEOUT_MS 60000

struct node {
	char data[96], address[PQ_ADDRESS_TEXT], follow[PQ_ADDRESS_TEXT], name[16];
	struct pq_options options;
	struct pq_keeper *keeper;
	struct pq_server *server;
};

/** The folder of all nodes, and the two stores in it. nodes_teardown() removes it; both are fixtures of cmocka. */
int nodes_setup(void **state);
int nodes_teardown(void **state);

/** Start a node. `publisher` NULL: it publishes itself. `max_staleness_s` 0: none. It keeps its directory for another start. */
void node_start(struct node *node, const char *name, const struct node *publisher, unsigned max_staleness_s);
void node_end(struct node *node);

/** Publish both editions at the server behind `link`, and put the first in force. */
void nodes_begin(struct pq_link *link);
void nodes_activate(struct pq_link *link, uint64_t sequence);
/** After `newest`, which is in force, put the other edition in force. Returns its sequence, which is the next. */
uint64_t nodes_swap(struct pq_link *link, uint64_t newest);
/** Until the node serves `sequence`. */
void node_wait_for(const struct node *node, uint64_t sequence);

/** A plain question, whose answer cites tiny.law and tiny.bb; `lines` of it if not 0. Bytes for free(). */
uint8_t *nodes_question(size_t lines, uint64_t min_revision, uint32_t max_age_s, size_t *ret_len);

/** Is all that an answer says of the edition that its sequence means? NULL: it is; else what is wrong. */
const char *nodes_judge(const Pratique__V1__Revision *by, Pratique__V1__Rule *const *rules, size_t n_rules,
                        const Pratique__V1__Decision *decision);

#endif

/**
 * What the server is told: flags, and the environment for what no flag says.
 */
#ifndef PQ_SERVER_OPTIONS_H
#define PQ_SERVER_OPTIONS_H

#include "policy/status.h"
#include "server/address.h"
#include "server/limits.h"
#include "server/log.h"

#include <stddef.h>
#include <stdio.h>

/** Where the server listens unless it is told. */
#define PQ_OPTIONS_LISTEN "127.0.0.1:8300"

struct pq_options {
	const char *store; /* path of the sealed store; NULL = `data` */
	const char *data;  /* path of the revision directory; NULL = `store` */
	const char *verified_cache; /* folder of records of verified stores; NULL = each start verifies */
	const char *trust[PQ_SERVER_TRUST_MAX]; /* files of public keys */
	size_t n_trust;                         /* 0 = manifests need no signature */
	const char *follow;       /* where revisions come from; NULL = callers publish them here */
	const char *follow_ca, *follow_cert, *follow_key; /* paths of PEM files, to reach it by TLS; NULL = none */
	const char *follow_token;                         /* path, of a server; NULL = none */
	const char *follow_credentials;                   /* path, of a place; NULL = where they are by default */
	unsigned poll_interval_s;                         /* between two looks at a place */
	const char *replica_name; /* as reports give it; NULL = host and process */
	unsigned max_staleness_s; /* knowledge that is older makes a replica unready; 0 = any will do */
	struct pq_address listen[PQ_SERVER_LISTEN_MAX];
	size_t n_listen; /* at least one */
	struct pq_address admin_listen[PQ_SERVER_LISTEN_MAX];
	size_t n_admin_listen;
	bool admin_on_main;             /* methods of administration are answered on `listen`, too */
	const char *tls_cert, *tls_key; /* paths of PEM files; NULL = plain connections */
	const char *tls_client_ca;      /* NULL = clients need no certificate */
	const char *roles, *tokens;     /* paths; NULL = none */
	struct pq_address metrics_listen;
	size_t n_metrics_listen;         /* 0 or 1 */
	unsigned shards;                 /* threads that answer */
	size_t max_message_bytes;        /* of a request */
	size_t max_batch_items;          /* requests in a batch or frame */
	unsigned max_concurrent_streams; /* of a connection */
	unsigned handshake_timeout_s;    /* until a connection must have begun to speak; 0 = for ever */
	unsigned max_idle_s;             /* that a connection may be without calls; 0 = for ever */
	unsigned max_age_s;              /* after which a connection is asked to come anew; 0 = never */
	unsigned keepalive_s;            /* of silence, after which a client must show that it is there; 0 = never */
	unsigned max_connections;        /* plain ones to `listen` at once; 0 = any number */
	size_t max_buffer_bytes;         /* of messages that are not whole, of all connections; 0 = any number */
	bool guard;                      /* frames of plain connections are looked at: server/guard.h */
	unsigned drain_delay_s;          /* between NOT_SERVING and the end */
	unsigned grace_s;                /* for calls in flight at the end */
	bool merge_replies;              /* answers of one drain of a queue are sent together */
	bool insecure_public;            /* addresses that other machines reach are allowed */
	int ready_fd;                    /* to tell addresses on, once listening; -1 = none */
	enum pq_log_level log_level;
	bool help, version, list_flags; /* nothing else is looked at then */
};

/**
 * Read the arguments (argv[0] is skipped) and the environment through `env` (getenv, or a test's own).
 *
 * Ownership: *ret_options points into argv and the environment.
 * Fails:     PQ_EINVAL; err.where names the flag or the variable.
 */
PQ_MUST_USE enum pq_status pq_options_parse(int argc, char *const *argv, char *(*env)(const char *),
                                            struct pq_options *ret_options, struct pq_err *err);

/** Part of the above: are the flags about following good together? */
PQ_MUST_USE enum pq_status pq_options_check_follow(const struct pq_options *options, struct pq_err *err);

/** Print the table of flags, a line "NAME LETTER KIND" each, as commands of `pratique` do. */
void pq_options_list(FILE *out);

/** The help text. */
extern const char pq_options_help[];

#endif

/**
 * The HTTP server of --metrics-listen: /metrics for Prometheus, /livez and /readyz for whoever restarts and balances. It
 * tells nothing of requests, takes no input but the path, and is the only part that knows libmicrohttpd.
 *
 * Threads: one of its own. Start and stop are for the thread that starts and ends the server.
 */
#ifndef PQ_SERVER_METRICS_HTTP_H
#define PQ_SERVER_METRICS_HTTP_H

#include "policy/status.h"

struct pq_server;

/** Listen and answer; nothing to do without --metrics-listen. Fails: PQ_EIO (err names the address), PQ_ENOMEM. */
PQ_MUST_USE enum pq_status pq_metrics_http_start(struct pq_server *server, struct pq_err *err);
/** Also without a start. */
void pq_metrics_http_stop(struct pq_server *server);

#endif

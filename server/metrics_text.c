/*
 * The metrics as text: families with HELP and TYPE, in the order of docs/metrics.md.
 */
#include "server/guard.h"
#include "server/replicas.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t
get(const _Atomic(uint64_t) *count)
{
	return atomic_load_explicit((_Atomic(uint64_t) *)count, memory_order_relaxed);
}

static void
family(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- calls ------------------------------------------------------------------------------------------------------ */

/* The labels of a method: "/package.Service/Method" in two parts. */
static void
put_method(FILE *out, const char *path)
{
	const char *method = strrchr(path, '/');

	fprintf(out, "grpc_service=\"%.*s\",grpc_method=\"%s\"", (int)(method - path - 1), path + 1, method + 1);
}

static bool
offered(const struct pq_server *server, size_t index)
{
	for (size_t i = 0; i < server->n_workers; i++) {
		if (pq_worker_answers(&server->workers[i], (enum pq_rpc_index)index))
			return true;
	}
	return false;
}

static void
put_started(const struct pq_server *server, FILE *out)
{
	uint64_t unknown = 0;

	family(out, "grpc_server_started_total", "counter", "Calls that were begun.");
	for (size_t i = 0; i < PQ_RPC_COUNT; i++) {
		uint64_t sum = 0;
		if (!offered(server, i))
			continue;
		for (size_t j = 0; j < server->n_workers; j++)
			sum += get(&server->workers[j].counts[i].started);
		fputs("grpc_server_started_total{", out);
		put_method(out, pq_rpcs[i].path);
		fprintf(out, "} %" PRIu64 "\n", sum);
	}
	for (size_t j = 0; j < server->n_workers; j++)
		unknown += get(&server->workers[j].unimplemented);
	fprintf(out, "grpc_server_started_total{grpc_service=\"unknown\",grpc_method=\"unknown\"} %" PRIu64 "\n", unknown);
}

/* Codes that never were are left out, but for OK: a rate needs a value to start from. */
static void
put_handled(const struct pq_server *server, FILE *out)
{
	uint64_t unknown = 0;

	family(out, "grpc_server_handled_total", "counter", "Calls that ended, by code.");
	for (size_t i = 0; i < PQ_RPC_COUNT; i++) {
		for (size_t code = 0; code < PQ_METRICS_CODES && offered(server, i); code++) {
			uint64_t sum = 0;
			for (size_t j = 0; j < server->n_workers; j++)
				sum += get(&server->workers[j].counts[i].handled[code]);
			if (sum == 0 && code != GRPC_STATUS_OK)
				continue;
			fputs("grpc_server_handled_total{", out);
			put_method(out, pq_rpcs[i].path);
			fprintf(out, ",grpc_code=\"%s\"} %" PRIu64 "\n", pq_code_name((grpc_status_code)code), sum);
		}
	}
	for (size_t j = 0; j < server->n_workers; j++)
		unknown += get(&server->workers[j].unimplemented);
	fprintf(out,
	        "grpc_server_handled_total{grpc_service=\"unknown\",grpc_method=\"unknown\",grpc_code=\"UNIMPLEMENTED\"} "
	        "%" PRIu64 "\n",
	        unknown);
}

/* A histogram summed over `n`; `labels` may be "" or end without a comma. */
static void
put_histogram(FILE *out, const char *name, const char *labels, const struct pq_histogram *const *histograms, size_t n)
{
	const char *comma = labels[0] != '\0' ? "," : "";
	const char *open = labels[0] != '\0' ? "{" : "", *close = labels[0] != '\0' ? "}" : "";
	uint64_t below = 0, sum_ns = 0;

	for (size_t i = 0; i <= PQ_METRICS_BOUNDS; i++) {
		for (size_t j = 0; j < n; j++)
			below += get(&histograms[j]->counts[i]);
		if (i < PQ_METRICS_BOUNDS)
			fprintf(out, "%s_bucket{%s%sle=\"%.9g\"} %" PRIu64 "\n", name, labels, comma,
			        (double)pq_metrics_bounds[i] / 1e9, below);
		else
			fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma, below);
	}
	for (size_t j = 0; j < n; j++)
		sum_ns += get(&histograms[j]->sum_ns);
	fprintf(out, "%s_sum%s%s%s %.9f\n", name, open, labels, close, (double)sum_ns / 1e9);
	fprintf(out, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, below);
}

static void
put_handling(const struct pq_server *server, FILE *out)
{
	const struct pq_histogram *histograms[PQ_SERVER_WORKERS_MAX + 1];

	family(out, "grpc_server_handling_seconds", "histogram",
	       "Time from the start of a call until its answer is handed to gRPC; of streams, until they end.");
	for (size_t i = 0; i < PQ_RPC_COUNT; i++) {
		char *labels = NULL;
		size_t len;
		FILE *text = offered(server, i) ? open_memstream(&labels, &len) : NULL;
		if (text == NULL)
			continue;
		put_method(text, pq_rpcs[i].path);
		fclose(text);
		for (size_t j = 0; j < server->n_workers; j++)
			histograms[j] = &server->workers[j].counts[i].took;
		put_histogram(out, "grpc_server_handling_seconds", labels, histograms, server->n_workers);
		free(labels);
	}
}

static void
put_decisions(const struct pq_server *server, FILE *out)
{
	family(out, "pratique_decisions_total", "counter", "Decisions that were made, by outcome.");
	for (size_t i = PQ_OUTCOME_NONE + 1; i < PQ_OUTCOME_COUNT; i++) {
		uint64_t sum = 0;
		for (size_t j = 0; j < server->n_workers; j++)
			sum += get(&server->workers[j].outcomes[i]);
		fprintf(out, "pratique_decisions_total{outcome=\"%s\"} %" PRIu64 "\n", pq_outcome_name((enum pq_outcome)i),
		        sum);
	}
}

/* ---- revisions -------------------------------------------------------------------------------------------------- */

static void
put_revision(struct pq_server *server, FILE *out)
{
	struct pq_metrics *metrics = &server->metrics;
	struct pq_revision *revision = pq_revision_current(&server->revisions);
	const struct pq_histogram *swaps = &metrics->swaps;

	family(out, "pratique_revision_info", "gauge", "The revision that is served, by the SHA-256 of its content.");
	if (revision != NULL)
		fprintf(out, "pratique_revision_info{digest=\"%s\"} 1\n", pq_revision_digest(revision));
	pq_revision_release(revision);
	family(out, "pratique_revision_sequence", "gauge", "Its sequence; 0 where it has none.");
	fprintf(out, "pratique_revision_sequence %" PRIu64 "\n", pq_server_sequence(server));
	family(out, "pratique_revision_age_seconds", "gauge",
	       "Time since the server last knew that it has the newest revision; 0 where it follows nobody.");
	fprintf(out, "pratique_revision_age_seconds %.3f\n", (double)pq_knowledge_age_ms(&server->knowledge) / 1e3);
	family(out, "pratique_activations_total", "counter", "Revisions that were activated since the start.");
	fprintf(out, "pratique_activations_total %" PRIu64 "\n", get(&metrics->activations));
	family(out, "pratique_verify_failures_total", "counter",
	       "Revisions that were refused: signature, digest, pages, cases or order.");
	fprintf(out, "pratique_verify_failures_total %" PRIu64 "\n", get(&metrics->verify_failures));
	family(out, "pratique_swap_duration_seconds", "histogram",
	       "Time from the decision to activate a revision until it was given to the workers.");
	put_histogram(out, "pratique_swap_duration_seconds", "", &swaps, 1);
}

/* A label's value: names of replicas are their own to choose. */
static void
put_value(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"')
			fputc('\\', out);
		if (*text == '\n')
			fputs("\\n", out);
		else
			fputc(*text, out);
	}
}

static void
put_follow(struct pq_server *server, FILE *out)
{
	if (server->options->follow == NULL)
		return;
	family(out, "pratique_follow_reached", "gauge", "Did the last try to learn of revisions go well? 1 yes, 0 no.");
	fprintf(out, "pratique_follow_reached %d\n", atomic_load_explicit(&server->metrics.reached, memory_order_relaxed));
	family(out, "pratique_follow_failures_total", "counter",
	       "Tries to learn of revisions, to fetch one or to put it in force that failed.");
	fprintf(out, "pratique_follow_failures_total %" PRIu64 "\n", get(&server->metrics.follow_failures));
}

static void
put_replicas(struct pq_server *server, FILE *out)
{
	struct pq_replica_lag *lags = calloc(PQ_SERVER_REPLICAS_MAX, sizeof(*lags));
	size_t n = server->keeper != NULL && lags != NULL ? pq_keeper_lags(server->keeper, lags) : 0;

	family(out, "pratique_replicas", "gauge", "Replicas that report to this server.");
	fprintf(out, "pratique_replicas %zu\n", n);
	family(out, "pratique_replica_lag_revisions", "gauge", "Revisions that a replica has still to activate.");
	for (size_t i = 0; i < n; i++) {
		fputs("pratique_replica_lag_revisions{replica=\"", out);
		put_value(out, lags[i].name);
		fprintf(out, "\"} %" PRIu64 "\n", lags[i].revisions);
	}
	family(out, "pratique_replica_lag_seconds", "gauge", "Time since a replica last told that it is up to date.");
	for (size_t i = 0; i < n; i++) {
		fputs("pratique_replica_lag_seconds{replica=\"", out);
		put_value(out, lags[i].name);
		fprintf(out, "\"} %" PRId64 "\n", lags[i].seconds);
	}
	free(lags);
}

/* ---- the server and its process --------------------------------------------------------------------------------- */

static void
put_server(struct pq_server *server, FILE *out)
{
	family(out, "pratique_build_info", "gauge", "The version of the server.");
	fputs("pratique_build_info{version=\"" PQ_VERSION "\"} 1\n", out);
	family(out, "pratique_serving", "gauge", "What health says: 1 serving, 0 not.");
	fprintf(out, "pratique_serving %d\n", pq_server_is_ready(server));
	family(out, "pratique_shards", "gauge", "Threads that answer.");
	fprintf(out, "pratique_shards %zu\n", server->n_shards);
	if (server->tls == NULL)
		return;
	family(out, "pratique_certificate_not_after_seconds", "gauge",
	       "When the certificate that is served ends, in seconds since 1970-01-01.");
	fprintf(out, "pratique_certificate_not_after_seconds %" PRId64 "\n", pq_tls_not_after(server->tls));
}

static void
put_connections(FILE *out)
{
	struct pq_guard_counts counts = pq_guard_counts();

	family(out, "pratique_connections", "gauge", "Plain connections that gRPC has now.");
	fprintf(out, "pratique_connections %zu\n", pq_guard_open());
	family(out, "pratique_connections_broken_off_total", "counter", "Plain connections that were broken off, by reason.");
	fprintf(out, "pratique_connections_broken_off_total{reason=\"headers\"} %" PRIu64 "\n", counts.headers);
	fprintf(out, "pratique_connections_broken_off_total{reason=\"burden\"} %" PRIu64 "\n", counts.burden);
	fprintf(out, "pratique_connections_broken_off_total{reason=\"unfinished\"} %" PRIu64 "\n", counts.unfinished);
}

/* Pages of the process; 0 where the system does not tell. */
static unsigned long long
resident_pages(void)
{
	unsigned long long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident;
}

static void
put_process(const struct pq_server *server, FILE *out)
{
	struct timespec cpu = {0};

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	family(out, "process_start_time_seconds", "gauge", "When the server started, in seconds since 1970-01-01.");
	fprintf(out, "process_start_time_seconds %" PRId64 "\n", server->started_s);
	family(out, "process_resident_memory_bytes", "gauge", "Memory of the process, with the pages of the store in use.");
	fprintf(out, "process_resident_memory_bytes %llu\n", resident_pages() * (unsigned long long)sysconf(_SC_PAGESIZE));
	family(out, "process_cpu_seconds_total", "counter", "Processor time of the process.");
	fprintf(out, "process_cpu_seconds_total %.3f\n", (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
}

void
pq_metrics_write(struct pq_server *server, FILE *out)
{
	put_started(server, out);
	put_handled(server, out);
	put_handling(server, out);
	put_decisions(server, out);
	put_revision(server, out);
	put_follow(server, out);
	put_replicas(server, out);
	put_server(server, out);
	put_connections(out);
	put_process(server, out);
}

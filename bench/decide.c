/*
 * Decisions per second in process, on one core, over the sealed US store: the packs' own cases, random requests made of
 * them (support/requests.h), and shipments as a platform sends them (support/shipments.h), each decided once a round.
 * `usage` says what can be asked for.
 */
#include "policy/decide.h"
#include "bench/support/random.h"
#include "bench/support/requests.h"
#include "bench/support/shipments.h"
#include "bench/support/stats.h"
#include "bench/support/store.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char usage[] =
	"decide [STORE]: measure pq_evaluator_decide() over a sealed store; without one over the US packs of rules/\n"
	"  BENCH_ROUNDS   rounds after the warm-up (default 11)\n"
	"  BENCH_RANDOM   random requests made of the cases' parts (default 10000)\n"
	"  BENCH_SHIPMENTS  realistic shipments (default 10000)\n"
	"  BENCH_SEED     of both (default 1)\n"
	"  BENCH_SECONDS  after so many seconds no further round begins, from the third on (default 300)\n"
	"  BENCH_ONLY     one part of the table, to be profiled: cases, random, simple, certain, searched, inexact,\n"
	"                 shipments, public (cases and shipments)\n"
	"The table goes to standard output and as JSON to build/bench/decide.json.\n";

#define ROUNDS_MAX 1001
#define REQUESTS_BYTES ((size_t)1 << 30)
#define DECISION_BYTES ((size_t)256 << 20)
#define SLOWEST 5
#define JSON_FILE "build/bench/decide.json"

struct options {
	const char *store;
	size_t rounds, random, shipments, seed, seconds;
	const char *only;
};

/* What is known of a request after the warm-up, and its times. */
struct known {
	enum pq_status status;
	enum pq_outcome outcome;
	bool searched, inexact, selected;
	size_t arena_bytes;
	int64_t mallocs;
	float *cpu, *wall;   /* nanoseconds, one a round, the clock's cost taken off */
	double median, best; /* of `cpu` */
};

struct run {
	struct options options;
	struct bench_store store;
	struct pq_evaluator *evaluator;
	struct bench_requests requests;
	struct known *known;
	size_t *order; /* in which they are decided, n_order of them */
	size_t n_order;
	size_t rounds;                            /* that were run */
	double wall[ROUNDS_MAX], cpu[ROUNDS_MAX]; /* decisions per second of a round */
	int64_t clock_ns;     /* what a pair of readings of the wall clock adds to what lies between them, ... */
	int64_t cpu_clock_ns; /* ... and a pair of the processor clock around those */
	struct pq_arena arena;
	uint64_t sum; /* of outcomes: keeps the work from being thrown away, and must be the same each round */
};

static enum pq_status
decide(struct run *run, size_t i, struct pq_decision *decision, struct pq_err *err)
{
	return pq_evaluator_decide(run->evaluator, &run->requests.at[i].request, &run->arena, decision, NULL, NULL, err);
}

/* ---- parts ---- */

enum part { ALL, CASES, RANDOM, SIMPLE, CERTAIN, SEARCHED, INEXACT, SHIPMENTS, SHIPMENTS_SEARCHED, PUBLIC, PARTS };

static const char *const part_names[PARTS] = {
	"cases and random",
	"packs' own cases",
	"random, of the cases' parts",
	"nothing unknown, one answer", /* neither several lines nor a release to a person */
	"nothing unknown",
	"something unknown (search)",
	"search at its bound",
	"realistic shipments",
	"shipments that are searched",
	"cases and shipments",
};
static const char *const part_keys[PARTS] = {
	"all", "cases", "random", "simple", "certain", "searched", "inexact", "shipments", "shipments_searched", "public",
};

static bool
belongs(const struct run *run, size_t i, enum part part)
{
	const struct known *known = &run->known[i];
	const struct bench_request *request = &run->requests.at[i];

	switch (part) {
	case ALL:
		return !request->shipment;
	case CASES:
		return i < run->requests.n_cases;
	case RANDOM:
		return request->random;
	case SIMPLE:
		return !request->shipment && !known->searched && request->simple;
	case CERTAIN:
		return !request->shipment && !known->searched;
	case SEARCHED:
		return !request->shipment && known->searched;
	case INEXACT:
		return known->inexact;
	case SHIPMENTS:
		return request->shipment;
	case SHIPMENTS_SEARCHED:
		return request->shipment && known->searched;
	case PUBLIC:
		return !request->random;
	case PARTS:
		break;
	}
	return false;
}

/* ---- rounds ---- */

/* Twice: the first lets the arena grow to its size, the second counts. */
static void
warm_up(struct run *run, bool count)
{
	for (size_t k = 0; k < run->n_order; k++) {
		size_t i = run->order[k];
		struct known *known = &run->known[i];
		struct pq_decision decision = {0};
		struct pq_err err = {0};
		pq_arena_reset(&run->arena);
		int64_t before = bench_mallocs();
		known->status = decide(run, i, &decision, &err);
		if (!count)
			continue;
		known->mallocs = bench_mallocs() - before;
		known->arena_bytes = run->arena.used;
		known->outcome = decision.outcome;
		known->inexact = !decision.exact;
		known->searched =
			decision.n_missing + decision.n_moot > 0 || decision.best != decision.worst || !decision.exact;
		if (known->status != PQ_OK)
			fprintf(stderr, "refused: %s: %s: %s\n", run->requests.at[i].name, err.where, err.msg);
	}
}

/* Leaves the requests of one part in the order, and what their outcomes sum up to. False: there is no such part. */
static bool
select_part(struct run *run)
{
	enum part part = ALL;
	size_t n = 0;

	while (part < PARTS && run->options.only != NULL && strcmp(run->options.only, part_keys[part]) != 0)
		part++;
	if (part == PARTS)
		return false;
	for (size_t k = 0; k < run->n_order; k++) {
		size_t i = run->order[k];
		run->known[i].selected = run->options.only == NULL || belongs(run, i, part);
		if (!run->known[i].selected)
			continue;
		run->order[n++] = i;
		run->sum += run->known[i].outcome;
	}
	run->n_order = n;
	return n > 0;
}

static bool
one_round(struct run *run, size_t round)
{
	uint64_t sum = 0;
	int64_t cpu = bench_cpu(), wall = bench_now();

	for (size_t k = 0; k < run->n_order; k++) {
		size_t i = run->order[k];
		struct pq_decision decision = {0};
		pq_arena_reset(&run->arena);
		int64_t cpu_start = bench_cpu(), start = bench_now();
		enum pq_status status = decide(run, i, &decision, NULL);
		int64_t end = bench_now(), cpu_end = bench_cpu();
		run->known[i].wall[round] = (float)(end - start - run->clock_ns);
		run->known[i].cpu[round] = (float)(cpu_end - cpu_start - run->cpu_clock_ns);
		sum += status == PQ_OK ? decision.outcome : 0;
	}
	double n = (double)run->n_order, clocks = (double)(2 * (run->cpu_clock_ns - run->clock_ns)) * n;
	run->wall[round] = n * 1e9 / ((double)(bench_now() - wall) - clocks);
	run->cpu[round] = n * 1e9 / ((double)(bench_cpu() - cpu) - clocks);
	return sum == run->sum;
}

static bool
measure(struct run *run)
{
	int64_t start = bench_now();

	warm_up(run, false);
	warm_up(run, true);
	if (!select_part(run)) {
		fprintf(stderr, "decide: BENCH_ONLY: there are no such requests\n");
		return false;
	}
	bench_clock_costs(&run->clock_ns, &run->cpu_clock_ns);
	while (run->rounds < run->options.rounds) {
		if (!one_round(run, run->rounds++)) {
			fprintf(stderr, "decide: a round gave other outcomes than the one before\n");
			return false;
		}
		if (run->rounds >= 3 && bench_now() - start > (int64_t)run->options.seconds * 1000000000)
			break;
	}
	double samples[ROUNDS_MAX];
	for (size_t i = 0; i < run->requests.n; i++) {
		for (size_t r = 0; r < run->rounds; r++)
			samples[r] = run->known[i].cpu[r];
		struct bench_stats stats = bench_stats_of(samples, run->rounds);
		run->known[i].median = stats.median;
		run->known[i].best = stats.min;
	}
	return true;
}

/* ---- what is printed ---- */

static json_t *
json_stats(struct bench_stats s)
{
	return json_pack("{s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "n", (json_int_t)s.n, "min", s.min, "p10", s.p10, "median",
	                 s.median, "p90", s.p90, "p99", s.p99, "max", s.max, "mean", s.mean);
}

static bool
known_in(const struct run *run, size_t i, enum part part)
{
	return run->known[i].selected && belongs(run, i, part);
}

static double
best_us(const struct known *known)
{
	return known->best / 1000;
}

static double
median_us(const struct known *known)
{
	return known->median / 1000;
}

static double
arena_bytes(const struct known *known)
{
	return (double)known->arena_bytes;
}

static double
mallocs_of(const struct known *known)
{
	return (double)known->mallocs;
}

static struct bench_stats
stats_of(const struct run *run, enum part part, double (*what)(const struct known *known), double *scratch)
{
	size_t n = 0;

	for (size_t i = 0; i < run->requests.n; i++)
		if (known_in(run, i, part))
			scratch[n++] = what(&run->known[i]);
	return bench_stats_of(scratch, n);
}

static json_t *
print_part(const struct run *run, enum part part, double *scratch)
{
	struct bench_stats best = stats_of(run, part, best_us, scratch);
	struct bench_stats times = stats_of(run, part, median_us, scratch);
	struct bench_stats bytes = stats_of(run, part, arena_bytes, scratch);
	struct bench_stats mallocs = stats_of(run, part, mallocs_of, scratch);

	printf("%-29s %6zu %9.0f %8.1f %8.1f %8.1f %8.1f %9.1f %9.0f %9.0f %9.0f %6.2f\n", part_names[part], times.n,
	       times.mean > 0 ? 1e6 / times.mean : 0, best.mean, times.mean, times.median, times.p99, times.max,
	       bytes.median / 1024, bytes.p99 / 1024, bytes.max / 1024, mallocs.mean);
	return json_pack("{s:o,s:o,s:o,s:o}", "microseconds", json_stats(times), "best_microseconds", json_stats(best),
	                 "arena_bytes", json_stats(bytes), "mallocs", json_stats(mallocs));
}

static json_t *
print_rates(const char *name, const double *rates, size_t n)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, rates, n * sizeof(*sorted));
	struct bench_stats s = bench_stats_of(sorted, n);
	printf("%-29s %9.0f %9.0f %9.0f %9.0f %9.0f\n", name, s.median, s.min, s.p10, s.p90, s.max);
	return json_stats(s);
}

static json_t *
print_samples(const struct run *run)
{
	size_t n = run->n_order * run->rounds, at = 0;
	double *samples = malloc(n * sizeof(*samples));

	if (samples == NULL)
		return json_null();
	for (size_t k = 0; k < run->n_order; k++)
		for (size_t r = 0; r < run->rounds; r++)
			samples[at++] = run->known[run->order[k]].wall[r] / 1000;
	struct bench_stats s = bench_stats_of(samples, n);
	printf("\nOne decision, all %zu samples, wall clock (what else the machine does included): median %.1f us, p90 "
	       "%.1f us, "
	       "p99 %.1f us, max %.1f us\n",
	       s.n, s.median, s.p90, s.p99, s.max);
	free(samples);
	return json_stats(s);
}

static json_t *
print_outcomes(const struct run *run)
{
	size_t counts[PQ_OUTCOME_COUNT][3] = {{0}};
	json_t *object = json_object();

	for (size_t i = 0; i < run->requests.n; i++)
		if (run->known[i].selected)
			counts[run->known[i].outcome][run->requests.at[i].shipment ? 2 : run->requests.at[i].random]++;
	printf("\n%-29s %6s %6s %9s\n", "outcome", "cases", "random", "shipments");
	for (size_t o = 0; o < PQ_OUTCOME_COUNT; o++) {
		size_t n = counts[o][0] + counts[o][1] + counts[o][2];
		if (n == 0)
			continue;
		const char *name = o != PQ_OUTCOME_NONE ? pq_outcome_name((enum pq_outcome)o) : "(refused)";
		printf("%-29s %6zu %6zu %9zu\n", name, counts[o][0], counts[o][1], counts[o][2]);
		json_object_set_new(object, name, json_integer((json_int_t)n));
	}
	return object;
}

static json_t *
print_slowest(const struct run *run, enum part part, size_t most)
{
	bool *told = calloc(run->requests.n, sizeof(*told));
	json_t *list = json_array();

	printf("\nslowest (%s)\n", part_names[part]);
	for (size_t k = 0; told != NULL && k < most; k++) {
		size_t worst = SIZE_MAX;
		for (size_t i = 0; i < run->requests.n; i++)
			if (known_in(run, i, part) && !told[i] &&
			    (worst == SIZE_MAX || run->known[i].median > run->known[worst].median))
				worst = i;
		if (worst == SIZE_MAX)
			break;
		told[worst] = true;
		const struct known *known = &run->known[worst];
		const struct bench_request *request = &run->requests.at[worst];
		printf("  %9.1f us %7zu KiB  %s%s%s: %s%s\n", known->median / 1000, known->arena_bytes / 1024, request->name,
		       request->unknown != NULL ? ", unknown " : "", request->unknown != NULL ? request->unknown : "",
		       pq_outcome_name(known->outcome), known->inexact ? ", inexact" : "");
		json_array_append_new(list, json_pack("{s:s,s:f,s:I}", "name", request->name, "microseconds",
		                                      known->median / 1000, "arena_bytes", (json_int_t)known->arena_bytes));
	}
	free(told);
	return list;
}

static void
print_target(const char *what, const char *of, double value, double bound)
{
	printf("%-12s %s, %s: %.3g, wanted <= %.3g\n", value <= bound ? "reached" : "NOT REACHED", what, of, value, bound);
}

/* The bounds that the project set itself: medians of each request's rounds. */
static void
print_targets(const struct run *run, double *scratch)
{
	static const double median_us_bound = 1.0, p99_us_bound = 3.0;
	static const enum part judged[] = {SHIPMENTS, PUBLIC};

	printf("\n");
	for (size_t i = 0; i < sizeof(judged) / sizeof(judged[0]); i++) {
		const char *of = part_names[judged[i]];
		struct bench_stats times = stats_of(run, judged[i], median_us, scratch);
		print_target("median of a decision in us (aim 0.3)", of, times.median, median_us_bound);
		print_target("p99 of a decision in us", of, times.p99, p99_us_bound);
		print_target("allocations of a decision at most", of, stats_of(run, judged[i], mallocs_of, scratch).max, 0);
	}
}

static int
report(const struct run *run)
{
	double *scratch = malloc((run->requests.n + 1) * sizeof(*scratch));
	json_t *root = json_object(), *parts = json_object();
	double load[3] = {0};
	size_t made_unknown = 0;

	if (scratch == NULL)
		return 1;
	for (size_t i = 0; i < run->requests.n; i++)
		made_unknown += run->requests.at[i].unknown != NULL;
	getloadavg(load, 3);
	printf("store %s, %" PRIu64 " bytes\n", run->store.digest, pq_store_size(run->store.store));
	printf("%zu requests a round, of %zu cases, %zu random ones (%zu with a fact made unknown) and %zu shipments, seed "
	       "%zu\n",
	       run->n_order, run->requests.n_cases, run->options.random, made_unknown, run->options.shipments,
	       run->options.seed);
	printf("%zu rounds; the clocks' %" PRId64 " ns are taken off; load average %.1f\n", run->rounds, run->cpu_clock_ns,
	       load[0]);
	printf("\n%-29s %9s %9s %9s %9s %9s\n", "decisions per second", "median", "min", "p10", "p90", "max");
	json_object_set_new(root, "per_second_cpu", print_rates("of processor time", run->cpu, run->rounds));
	json_object_set_new(root, "per_second_wall", print_rates("of wall clock", run->wall, run->rounds));
	json_object_set_new(root, "samples_microseconds", print_samples(run));
	printf("\nProcessor time of a decision, each request at the median of its rounds (\"best\": mean at the best of "
	       "them):\n");
	printf("%-29s %6s %9s %8s %8s %8s %8s %9s %9s %9s %9s %6s\n", "", "n", "per sec", "best us", "mean us", "p50 us",
	       "p99 us", "max us", "KiB p50", "KiB p99", "KiB max", "malloc");
	for (enum part part = ALL; part < PARTS; part++)
		json_object_set_new(parts, part_keys[part], print_part(run, part, scratch));
	json_object_set_new(root, "parts", parts);
	print_targets(run, scratch);
	json_object_set_new(root, "outcomes", print_outcomes(run));
	json_object_set_new(root, "slowest", print_slowest(run, ALL, SLOWEST));
	json_object_set_new(root, "slowest_certain", print_slowest(run, CERTAIN, SLOWEST));
	json_object_set_new(root, "slowest_simple", print_slowest(run, SIMPLE, SLOWEST));
	json_object_set_new(root, "slowest_shipments", print_slowest(run, SHIPMENTS, SLOWEST));
	json_object_set_new(root, "store", json_string(run->store.digest));
	json_object_set_new(root, "store_bytes", json_integer((json_int_t)pq_store_size(run->store.store)));
	json_object_set_new(root, "rounds", json_integer((json_int_t)run->rounds));
	json_object_set_new(root, "clock_ns", json_integer(run->clock_ns));
	json_object_set_new(root, "load_average", json_real(load[0]));
	free(scratch);
	mkdir("build", 0777);
	mkdir("build/bench", 0777);
	int failed = json_dump_file(root, JSON_FILE, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	printf("\n%s %s\n", failed ? "could not write" : "written:", JSON_FILE);
	json_decref(root);
	return failed ? 1 : 0;
}

/* ---- setting up ---- */

static size_t
number_from(const char *name, size_t otherwise, size_t max)
{
	const char *text = getenv(name);
	char *end;

	if (text == NULL)
		return otherwise;
	unsigned long long number = strtoull(text, &end, 10);
	if (end == text || *end != '\0' || number > max) {
		fprintf(stderr, "decide: %s must be a number up to %zu\n", name, max);
		exit(2);
	}
	return (size_t)number;
}

/* Cases and random requests in one shuffled order, as traffic would have them. */
static bool
prepare(struct run *run)
{
	size_t n = run->requests.n;
	struct bench_random random = {run->options.seed};
	float *ns = calloc(2 * n * run->options.rounds + 1, sizeof(*ns));

	run->known = calloc(n + 1, sizeof(*run->known));
	run->order = calloc(n + 1, sizeof(*run->order));
	if (ns == NULL || run->known == NULL || run->order == NULL) {
		free(ns);
		return false;
	}
	run->n_order = n;
	for (size_t i = 0; i < n; i++) {
		run->known[i].cpu = ns + 2 * i * run->options.rounds;
		run->known[i].wall = run->known[i].cpu + run->options.rounds;
		size_t other = bench_random_below(&random, i + 1);
		run->order[i] = run->order[other];
		run->order[other] = i;
	}
	return true;
}

/* The processor where the scheduler put us; another benchmark may be told another by taskset. */
static void
stay_on_one_core(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	if (cpu >= 0) {
		CPU_SET((size_t)cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
}

static int
fail(const struct pq_err *err)
{
	char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX];

	pq_err_format(err, text, sizeof(text));
	fprintf(stderr, "decide: %s\n", text);
	return 1;
}

int
main(int argc, char **argv)
{
	static struct run run;
	struct pq_arena arena;
	struct pq_err err = {0};

	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fputs(usage, stderr);
		return 2;
	}
	run.options.store = argc == 2 ? argv[1] : NULL;
	run.options.rounds = number_from("BENCH_ROUNDS", 11, ROUNDS_MAX);
	run.options.random = number_from("BENCH_RANDOM", 10000, 1000000);
	run.options.shipments = number_from("BENCH_SHIPMENTS", 10000, 1000000);
	run.options.seed = number_from("BENCH_SEED", 1, SIZE_MAX / 2);
	run.options.seconds = number_from("BENCH_SECONDS", 300, 86400);
	run.options.only = getenv("BENCH_ONLY");
	if (bench_store_open(run.options.store, &run.store, &err) != PQ_OK)
		return fail(&err);
	pq_arena_init(&arena, REQUESTS_BYTES);
	pq_arena_init(&run.arena, DECISION_BYTES);
	int code = 1;
	if (bench_requests_make(run.store.image, run.options.random, run.options.seed, &arena, &run.requests, &err) !=
	        PQ_OK ||
	    bench_shipments_add(run.store.image, BENCH_SHIPMENTS, run.options.shipments, run.options.seed, &arena,
	                        &run.requests, &err) != PQ_OK ||
	    pq_evaluator_new(run.store.image, &run.evaluator, &err) != PQ_OK) {
		fail(&err);
	} else if (!prepare(&run)) {
		fprintf(stderr, "decide: no memory\n");
	} else {
		stay_on_one_core();
		if (measure(&run))
			code = report(&run);
	}
	if (run.known != NULL)
		free(run.known[0].cpu);
	free(run.known);
	free(run.order);
	pq_arena_release(&run.arena);
	pq_arena_release(&arena);
	pq_evaluator_free(run.evaluator);
	bench_store_close(&run.store);
	return code;
}

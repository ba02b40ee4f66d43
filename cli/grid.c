/*
 * pratique grid: decide scenarios for every classification, destination and day on which the law changes; write the
 * record, or say which cells moved since one was written.
 */
#include "cli/grid.h"

#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct order {
	const char *store, *output, *against, *moved;
	char **scenarios;
	size_t n_scenarios;
	int32_t since, until;
	bool since_said;
	struct pq_grid_work work;
};

static double
seconds_since(const struct timespec *begin)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	return (double)(end.tv_sec - begin->tv_sec) + (double)(end.tv_nsec - begin->tv_nsec) / 1e9;
}

static enum pq_status
prepare(struct pq_grid *grid, const struct order *order, const struct pq_image *image, struct pq_err *err)
{
	struct pq_dates later;

	for (size_t i = 0; i < order->n_scenarios; i++) {
		enum pq_status status = pq_grid_scenario(grid, image, order->scenarios[i], err);
		if (status != PQ_OK)
			return status;
	}
	enum pq_status status = pq_image_dates(image, grid->since + 1, grid->until, &grid->arena, &later, err);
	if (status != PQ_OK)
		return status;
	grid->dates.at = pq_arena_array(&grid->arena, later.n + 1, sizeof(*grid->dates.at));
	if (grid->dates.at == NULL)
		return pq_fail(err, PQ_ENOMEM, "the grid needs more memory than it may have");
	grid->dates.at[grid->dates.n++] = grid->since;
	for (size_t i = 0; i < later.n; i++)
		grid->dates.at[grid->dates.n++] = later.at[i];
	return PQ_OK;
}

static size_t
classes(const size_t *of, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += of[i] == i;
	return found;
}

static void
report(const struct pq_grid *grid, const struct order *order, double seconds)
{
	const struct pq_grid_work *work = &order->work;

	for (size_t p = 0; p < grid->n_parts; p++)
		fprintf(stderr,
		        "%s: %zu classifications x %zu destinations x %zu days; the law tells %zu x %zu of them apart\n",
		        grid->parts[p].name, grid->parts[p].rows.n, grid->parts[p].n_columns, grid->dates.n,
		        classes(grid->parts[p].row_class, grid->parts[p].rows.n),
		        classes(grid->parts[p].column_class, grid->parts[p].n_columns));
	fprintf(stderr, "%zu cells, found by %zu decisions", work->cells, work->decisions);
	if (work->every > 1)
		fprintf(stderr, " (a sample: each %zuth)", work->every);
	fprintf(stderr, "; %zu more to check on single days; %zu different answers; %.1f s with %zu threads\n",
	        work->checked, grid->answers.n, seconds, work->threads);
}

static enum pq_status
write_record(const struct pq_grid *grid, const char *path, struct pq_err *err)
{
	FILE *out = path != NULL ? fopen(path, "w") : stdout;

	if (out == NULL)
		return pq_fail_at(err, PQ_EIO, path, 0, 0, "%s", strerror(errno));
	enum pq_status status = pq_grid_write(grid, out, err);
	if (path != NULL && fclose(out) != 0 && status == PQ_OK)
		status = pq_fail_at(err, PQ_EIO, path, 0, 0, "%s", strerror(errno));
	return status;
}

static enum pq_status
compare(const struct pq_grid *then, const struct pq_grid *now, const struct order *order, struct pq_err *err)
{
	FILE *list = order->moved != NULL ? fopen(order->moved, "w") : NULL;
	struct pq_grid_moved moved = {0};

	if (order->moved != NULL && list == NULL)
		return pq_fail_at(err, PQ_EIO, order->moved, 0, 0, "%s", strerror(errno));
	enum pq_status status = pq_grid_compare(then, now, order->work.every == 1, list, &moved, err);
	if (list != NULL && fclose(list) != 0 && status == PQ_OK)
		status = pq_fail_at(err, PQ_EIO, order->moved, 0, 0, "%s", strerror(errno));
	if (status != PQ_OK)
		return status;
	if (moved.cells == 0) {
		printf("No cell moved.\n");
		return PQ_OK;
	}
	printf("%zu cells moved, in %zu groups of cells that moved alike.\n", moved.cells, moved.groups);
	return pq_fail(err, PQ_EFAILED, "the answers are not those of %s", order->against);
}

static enum pq_status
run(struct pq_grid *then, struct pq_grid *now, struct order *order, const struct pq_image *image, struct pq_err *err)
{
	struct timespec begin;
	enum pq_status status = PQ_OK;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	now->since = order->since;
	now->until = order->until;
	if (order->against != NULL) {
		status = pq_grid_read(then, order->against, err);
		now->since = then->since;
		now->until = then->until;
	}
	if (status == PQ_OK)
		status = prepare(now, order, image, err);
	if (status == PQ_OK)
		status = pq_grid_decide(now, &order->work, err);
	if (status != PQ_OK)
		return status;
	report(now, order, seconds_since(&begin));
	if (order->output != NULL || order->against == NULL)
		status = write_record(now, order->output, err);
	if (status == PQ_OK && order->against != NULL)
		status = compare(then, now, order, err);
	return status;
}

static int
answer(struct order *order)
{
	struct pq_source source = {0};
	struct pq_grid then = {0}, now = {0};
	struct pq_err err = {0};

	if (pq_source_open_store(&source, order->store, &err) != PQ_OK)
		return pq_cli_fail(&err);
	order->work.image = source.image;
	pq_arena_init(&then.arena, PQ_GRID_BYTES);
	pq_arena_init(&now.arena, PQ_GRID_BYTES);
	int code = PQ_EXIT_OK;
	if (run(&then, &now, order, source.image, &err) != PQ_OK)
		code = pq_cli_fail(&err);
	pq_grid_release(&then);
	pq_grid_release(&now);
	pq_source_close(&source);
	return code;
}

static size_t
processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > PQ_GRID_THREADS ? PQ_GRID_THREADS : (size_t)n;
}

static bool
read_number(const char *text, size_t min, size_t max, size_t *ret)
{
	char *end;

	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || n < min || n > max)
		return false;
	*ret = (size_t)n;
	return true;
}

enum { STORE, OUT, SINCE, UNTIL, AGAINST, MOVED, EVERY, CHECK, THREADS };

/* PQ_EXIT_OK: the option is read. */
static int
take_option(struct order *order, const char *command, int option, const char *value)
{
	const char **text = option == STORE     ? &order->store
	                    : option == OUT     ? &order->output
	                    : option == AGAINST ? &order->against
	                    : option == MOVED   ? &order->moved
	                                        : NULL;
	int32_t *date = option == SINCE ? &order->since : option == UNTIL ? &order->until : NULL;
	size_t max = option == THREADS ? PQ_GRID_THREADS : 1000000000;

	if (text != NULL) {
		*text = value;
		return PQ_EXIT_OK;
	}
	if (date != NULL) {
		order->since_said |= option == SINCE;
		if (pq_date_parse(value, strlen(value), date))
			return PQ_EXIT_OK;
		return pq_cli_usage(command, "\"%s\" is no date that exists, YYYY-MM-DD", value);
	}
	size_t *number = option == EVERY ? &order->work.every : option == CHECK ? &order->work.check : &order->work.threads;
	if (read_number(value, option == CHECK ? 0 : 1, max, number))
		return PQ_EXIT_OK;
	return pq_cli_usage(command, "\"%s\" is no number from %d to %zu", value, option == CHECK ? 0 : 1, max);
}

int
pq_cmd_grid(int argc, char **argv)
{
	static const struct pq_flag table[] = {
	    {"store", 0, true}, {"output", 'o', true}, {"since", 0, true}, {"until", 0, true},   {"against", 0, true},
	    {"moved", 0, true}, {"every", 0, true},    {"check", 0, true}, {"threads", 0, true}, {0}};
	struct pq_flags options = {0};
	struct order order = {.until = PQ_DATE_MAX, .work = {.every = 1, .check = 997, .threads = processors()}};

	for (int option; (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		int code = take_option(&order, argv[0], option, options.value);
		if (code != PQ_EXIT_OK)
			return code;
	}
	if (options.stop)
		return options.code;
	if (order.store == NULL || argc == optind)
		return pq_cli_usage(argv[0], "name the store and a scenario: --store FILE SCENARIO.json");
	if ((order.against != NULL) == order.since_said)
		return pq_cli_usage(argv[0], "give the first day, --since DATE, or the record to compare with, --against FILE");
	if (order.work.every > 1 && (order.output != NULL || order.against == NULL))
		return pq_cli_usage(argv[0], "a sample (--every) makes no record; it can be compared with one (--against)");
	order.scenarios = argv + optind;
	order.n_scenarios = (size_t)(argc - optind);
	return answer(&order);
}

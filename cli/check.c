#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/packs.h"
#include "policy/analyse.h"

#include <getopt.h>

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void
print_counts(const struct pq_model *model)
{
	size_t rows = 0;

	for (size_t i = 0; i < model->n_tables; i++)
		rows += model->tables[i].n_rows;
	printf("%zu pack%s: %zu facts and attributes, %zu tables with %zu rows, %zu rules, %zu cases\n", model->n_packs,
	       plural(model->n_packs), model->n_attrs, model->n_tables, rows, model->n_rules, model->n_cases);
}

/* Cases are part of what a pack says, so that a pack whose cases fail is at fault. */
static int
run_cases(struct pq_build *build)
{
	size_t n;
	size_t failed = pq_build_cases(build, stdout, &n);
	printf("%zu passed, %zu failed\n", n - failed, failed);
	return failed == 0 ? PQ_EXIT_OK : PQ_EXIT_FAILED;
}

struct wanted {
	bool cases, analysis, dates, strict;
};

static int
analyse(struct pq_build *build, char **dirs, size_t n_dirs, bool strict)
{
	struct pq_analysis analysis;
	struct pq_err err = {0};
	size_t total = 0;

	if (pq_analyse(build->model, build->image, &build->arena, &analysis, &err) != PQ_OK)
		return pq_cli_fail(&err);
	pq_build_print_findings(&analysis.findings, dirs, n_dirs, stdout);
	printf("analysed %zu alternatives, and %zu values of facts by the day:", analysis.n_alternatives, analysis.n_cells);
	for (int kind = 0; kind < PQ_ANALYSIS_COUNT; kind++) {
		printf("%s %zu %s", kind > 0 ? "," : "", analysis.counts[kind], pq_analysis_name((enum pq_analysis_kind)kind));
		total += analysis.counts[kind];
	}
	printf("; %zu pair%s not settled\n", analysis.n_unsettled, plural(analysis.n_unsettled));
	return strict && total > 0 ? PQ_EXIT_FAILED : PQ_EXIT_OK;
}

static int
print_dates(struct pq_build *build)
{
	static const char *const words[] = {[PQ_CHANGE_ROW_BEGINS] = "rows begin",
	                                    [PQ_CHANGE_ROW_ENDS] = "rows end",
	                                    [PQ_CHANGE_RULE_BEGINS] = "rule begins",
	                                    [PQ_CHANGE_RULE_ENDS] = "rule ends"};
	struct pq_dated *dated;
	struct pq_err err = {0};
	size_t n, n_days = 0;

	if (pq_analyse_dates(build->model, build->image, PQ_DATE_MIN, PQ_DATE_MAX, &build->arena, &dated, &n, &err) != PQ_OK)
		return pq_cli_fail(&err);
	for (size_t i = 0; i < n; i++) {
		char day[16];
		if (i == 0 || dated[i].date != dated[i - 1].date) {
			pq_date_format(dated[i].date, day, sizeof(day));
			printf("%s\n", day);
			n_days++;
		}
		printf("  %-11s  ", words[dated[i].kind]);
		pq_cli_put(stdout, dated[i].subject);
		if (dated[i].n > 1)
			printf(" (%zu)", dated[i].n);
		fputs(" [", stdout);
		pq_cli_put(stdout, dated[i].src.file);
		printf(":%d]\n", dated[i].src.line);
	}
	printf("%zu day%s on which something begins or ends\n", n_days, plural(n_days));
	return PQ_EXIT_OK;
}

static int
check(struct pq_build *build, char **dirs, size_t n_dirs, const struct wanted *wanted)
{
	struct pq_err err = {0};
	enum pq_status status = pq_build_load(build, dirs, n_dirs, stdout, &err);

	if (status != PQ_OK && build->findings.n_errors == 0)
		return pq_cli_fail(&err);
	size_t errors = build->findings.n_errors, warnings = build->findings.n_warnings;
	if (errors == 0)
		print_counts(build->model);
	printf("%zu error%s, %zu warning%s\n", errors, plural(errors), warnings, plural(warnings));
	if (errors > 0)
		return PQ_EXIT_FAILED;
	if ((wanted->cases || wanted->analysis || wanted->dates) && pq_build_compile(build, &err) != PQ_OK)
		return pq_cli_fail(&err);
	int code = wanted->cases ? run_cases(build) : PQ_EXIT_OK;
	if (wanted->dates) {
		int more = print_dates(build);
		code = code == PQ_EXIT_OK ? more : code;
	}
	if (wanted->analysis) {
		int more = analyse(build, dirs, n_dirs, wanted->strict);
		code = code == PQ_EXIT_OK ? more : code;
	}
	return code == PQ_EXIT_OK && wanted->strict && warnings > 0 ? PQ_EXIT_FAILED : code;
}

int
pq_cmd_check(int argc, char **argv)
{
	enum { NO_CASES, CASES, ANALYSE, STRICT, DATES };
	static const struct pq_flag table[] = {
		{"no-cases", 0, false}, {"cases", 0, false}, {"analyse", 0, false}, {"strict", 0, false}, {"dates", 0, false}, {0}};
	struct pq_flags options = {0};
	struct wanted wanted = {.cases = true};

	for (int option; (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		if (option == NO_CASES || option == CASES)
			wanted.cases = option == CASES;
		wanted.analysis |= option == ANALYSE;
		wanted.strict |= option == STRICT;
		wanted.dates |= option == DATES;
	}
	if (options.stop)
		return options.code;
	if (optind == argc)
		return pq_cli_usage(argv[0], "name the folders of the packs");

	struct pq_build build;
	pq_build_init(&build);
	int code = check(&build, argv + optind, (size_t)(argc - optind), &wanted);
	pq_build_release(&build);
	return code;
}

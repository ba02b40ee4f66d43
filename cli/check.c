#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/packs.h"

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
	struct pq_err err = {0};
	size_t n;

	if (pq_build_compile(build, &err) != PQ_OK)
		return pq_cli_fail(&err);
	size_t failed = pq_build_cases(build, stdout, &n);
	printf("%zu passed, %zu failed\n", n - failed, failed);
	return failed == 0 ? PQ_EXIT_OK : PQ_EXIT_FAILED;
}

static int
check(struct pq_build *build, char **dirs, size_t n_dirs, bool cases)
{
	struct pq_err err = {0};
	enum pq_status status = pq_build_load(build, dirs, n_dirs, stdout, &err);

	if (status != PQ_OK && build->findings.n_errors == 0)
		return pq_cli_fail(&err);
	size_t errors = build->findings.n_errors, warnings = build->findings.n - errors;
	if (errors == 0)
		print_counts(build->model);
	printf("%zu error%s, %zu warning%s\n", errors, plural(errors), warnings, plural(warnings));
	if (errors > 0)
		return PQ_EXIT_FAILED;
	return cases ? run_cases(build) : PQ_EXIT_OK;
}

int
pq_cmd_check(int argc, char **argv)
{
	static const struct pq_flag table[] = {{"no-cases", 0, false}, {"cases", 0, false}, {0}};
	struct pq_flags options = {0};
	bool cases = true;

	for (int option; (option = pq_flags_next(&options, argc, argv, table)) >= 0;)
		cases = option == 1;
	if (options.stop)
		return options.code;
	if (optind == argc)
		return pq_cli_usage(argv[0], "name the folders of the packs");

	struct pq_build build;
	pq_build_init(&build);
	int code = check(&build, argv + optind, (size_t)(argc - optind), cases);
	pq_build_release(&build);
	return code;
}

#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/packs.h"
#include "storage/store.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <sys/stat.h>

/* Remove what is half written, then end as the signal would have ended us. */
static void
interrupted(int number)
{
	pq_store_abandon_temporaries();
	signal(number, SIG_DFL);
	raise(number);
}

static void
catch_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction old;
		struct sigaction action = {.sa_handler = interrupted};
		sigfillset(&action.sa_mask);
		/* What the parent had ignored (nohup) stays ignored. */
		if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
}

static void
print_sealed(const struct pq_build *build, const char *path, const uint8_t *digest)
{
	struct pq_image_counts counts;
	struct stat status;
	char hex[PQ_DIGEST_HEX_BYTES];

	pq_image_counts(build->image, &counts);
	pq_digest_hex(digest, hex);
	printf("%s: sealed\n", path);
	/* Not that of the whole file: the trailer behind what is digested holds it. docs/store-format.md */
	printf("  content sha256  %s\n", hex);
	if (stat(path, &status) == 0)
		printf("  size    %jd bytes\n", (intmax_t)status.st_size);
	printf("  packs   %zu\n", counts.packs);
	printf("  rules   %zu, with %zu alternatives\n", counts.rules, counts.alternatives);
	printf("  tables  %zu, with %zu rows\n", counts.tables, counts.rows);
	printf("  facts   %zu, of %zu attributes\n", counts.facts, counts.attrs);
	printf("  cases   %zu, all passed\n", counts.cases);
}

static int
compile(struct pq_build *build, char **dirs, size_t n_dirs, const char *output)
{
	uint8_t digest[PQ_DIGEST_BYTES];
	struct pq_err err = {0};
	size_t n_cases;

	enum pq_status status = pq_build_load(build, dirs, n_dirs, stderr, &err);
	if (status != PQ_OK && build->findings.n_errors > 0) {
		pq_cli_say("%zu error%s in the packs; %s is not written", build->findings.n_errors,
		           build->findings.n_errors == 1 ? "" : "s", output);
		return PQ_EXIT_FAILED;
	}
	if (status != PQ_OK || pq_build_compile(build, &err) != PQ_OK)
		return pq_cli_fail(&err);
	size_t failed = pq_build_cases(build, stderr, &n_cases);
	if (failed > 0) {
		pq_cli_say("%zu of the packs' %zu cases failed; %s is not written", failed, n_cases, output);
		return PQ_EXIT_FAILED;
	}
	catch_signals();
	if (pq_store_seal(output, build->blobs, build->n_blobs, digest, &err) != PQ_OK)
		return pq_cli_fail(&err);
	print_sealed(build, output, digest);
	return PQ_EXIT_OK;
}

int
pq_cmd_compile(int argc, char **argv)
{
	static const struct pq_flag table[] = {{"output", 'o', true}, {0}};
	struct pq_flags options = {0};
	const char *output = NULL;

	while (pq_flags_next(&options, argc, argv, table) >= 0) {
		if (output != NULL)
			return pq_cli_usage(argv[0], "-o was given twice");
		output = options.value;
	}
	if (options.stop)
		return options.code;
	if (output == NULL)
		return pq_cli_usage(argv[0], "say with -o which file to write");
	if (optind == argc)
		return pq_cli_usage(argv[0], "name the folders of the packs");

	struct pq_build build;
	pq_build_init(&build);
	int code = compile(&build, argv + optind, (size_t)(argc - optind), output);
	pq_build_release(&build);
	return code;
}

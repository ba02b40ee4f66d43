#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/place.h"
#include "storage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRUST_MAX 16

struct wanted {
	const char *url, *output, *manifest, *base, *mark;
	const char *trust[TRUST_MAX];
	size_t n_trust;
	uint64_t after; /* sequences up to this one are refused */
};

static enum pq_status
failed(const char *path, const char *what, struct pq_err *err)
{
	return pq_fail_at(err, PQ_EIO, path, 0, 0, "%s: %s", what, strerror(errno));
}

/* The mark that an earlier run left; none is no error. */
static void
take_mark(struct pq_fetcher *fetcher, const char *path)
{
	char mark[PQ_MARK_BYTES];
	FILE *file = path != NULL ? fopen(path, "r") : NULL;

	if (file == NULL)
		return;
	if (fgets(mark, sizeof(mark), file) != NULL) {
		mark[strcspn(mark, "\n")] = '\0';
		pq_fetcher_set_mark(fetcher, mark);
	}
	fclose(file);
}

static enum pq_status
leave_mark(const struct pq_fetcher *fetcher, const char *path, struct pq_err *err)
{
	FILE *file = path != NULL ? fopen(path, "w") : NULL;

	if (path == NULL)
		return PQ_OK;
	if (file == NULL)
		return failed(path, "cannot be written", err);
	bool written = fprintf(file, "%s\n", pq_fetcher_mark(fetcher)) > 0;

	return fclose(file) == 0 && written ? PQ_OK : failed(path, "cannot be written", err);
}

/* Put what was received into its place: synced, then renamed. */
static enum pq_status
settle(int fd, const char *part, const char *output, struct pq_err *err)
{
	char folder[PATH_MAX];

	if (fsync(fd) != 0)
		return failed(part, "cannot be synced to disk", err);
	if (rename(part, output) != 0)
		return failed(output, "cannot be replaced", err);
	snprintf(folder, sizeof(folder), "%s", output);
	int dir = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir >= 0) {
		fsync(dir);
		close(dir);
	}
	return PQ_OK;
}

/* Get the store beside its destination; what an interrupted run left there is used. */
static enum pq_status
get_store(const struct wanted *wanted, struct pq_fetcher *fetcher, const struct pq_manifest *manifest,
          struct pq_fetch_stats *ret_stats, struct pq_err *err)
{
	char part[PATH_MAX];
	struct pq_snapshot_file base;
	const char *held = wanted->base != NULL ? wanted->base : wanted->output;
	bool has_base = pq_cli_open_store(held, &base, err) == PQ_OK;

	if (!has_base && wanted->base != NULL)
		return err->status;
	if (snprintf(part, sizeof(part), "%s.part", wanted->output) >= (int)sizeof(part))
		return pq_fail(err, PQ_EINVAL, "the name of the output is too long");
	int fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
	enum pq_status status = fd < 0 ? failed(part, "cannot be written", err) : PQ_OK;

	if (status == PQ_OK)
		status = pq_fetcher_get(fetcher, manifest, has_base ? &base : NULL, fd, part, ret_stats, err);
	if (status == PQ_OK)
		status = settle(fd, part, wanted->output, err);
	if (fd >= 0)
		close(fd);
	if (has_base)
		close(base.fd);
	return status;
}

static enum pq_status
check_manifest(const struct wanted *wanted, const struct pq_trust *trust, const struct pq_manifest *manifest,
               struct pq_err *err)
{
	char key[PQ_KEY_ID_BYTES];
	enum pq_status status = pq_manifest_verify(manifest, trust, wanted->url, key, err);

	if (status == PQ_OK && trust == NULL)
		pq_cli_say("%s: signatures are not verified: no --trust", wanted->url);
	if (status == PQ_OK && manifest->sequence <= wanted->after)
		status = pq_fail_at(err, PQ_EFAILED, wanted->url, 0, 0,
		                    "points back to sequence %" PRIu64 "; only what comes after %" PRIu64 " is taken",
		                    manifest->sequence, wanted->after);
	return status;
}

static void
print_fetched(const struct wanted *wanted, const struct pq_manifest *manifest, const struct pq_fetch_stats *stats)
{
	char hex[PQ_DIGEST_HEX_BYTES];

	pq_digest_hex(manifest->digest, hex);
	printf("%s: sequence %" PRIu64 "\n", wanted->output, manifest->sequence);
	printf("  content sha256  %s\n", hex);
	printf("  size            %" PRIu64 " bytes\n", manifest->size);
	printf("  moved           %" PRIu64 " bytes%s\n", stats->moved, stats->differences ? ", as differences" : "");
	if (stats->resumed > 0)
		printf("  resumed         %" PRIu32 " times\n", stats->resumed);
}

static enum pq_status
fetch_from(const struct wanted *wanted, struct pq_fetcher *fetcher, const struct pq_trust *trust, struct pq_err *err)
{
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	struct pq_manifest manifest;
	struct pq_fetch_stats stats;
	bool changed;
	size_t len;

	take_mark(fetcher, wanted->mark);
	enum pq_status status = pq_fetcher_poll(fetcher, text, &len, &changed, err);

	if (status == PQ_OK && !changed) {
		printf("%s: unchanged\n", wanted->url);
		return PQ_OK;
	}
	if (status == PQ_OK)
		status = pq_manifest_parse(text, len, wanted->url, &manifest, err);
	if (status == PQ_OK)
		status = check_manifest(wanted, trust, &manifest, err);
	if (status == PQ_OK)
		status = get_store(wanted, fetcher, &manifest, &stats, err);
	if (status == PQ_OK && wanted->manifest != NULL)
		status = pq_manifest_write(&manifest, wanted->manifest, err);
	if (status != PQ_OK)
		return status;
	pq_fetcher_accept(fetcher);
	print_fetched(wanted, &manifest, &stats);
	return leave_mark(fetcher, wanted->mark, err);
}

static int
fetch(const struct wanted *wanted, struct pq_cli_place *place)
{
	struct pq_fetcher *fetcher = NULL;
	struct pq_trust *trust = NULL;
	struct pq_err err = {0};
	enum pq_status status = pq_cli_place_load(place, &err);

	if (status == PQ_OK && wanted->n_trust > 0)
		status = pq_trust_load(wanted->trust, wanted->n_trust, &trust, &err);
	if (status == PQ_OK)
		status = pq_fetcher_open(wanted->url, &place->options, &fetcher, &err);
	if (status == PQ_OK)
		status = fetch_from(wanted, fetcher, trust, &err);
	pq_fetcher_free(fetcher);
	pq_trust_free(trust);
	return status == PQ_OK ? PQ_EXIT_OK : pq_cli_fail(&err);
}

int
pq_cmd_fetch(int argc, char **argv)
{
	enum { OUTPUT = PQ_PLACE_FLAGS, MANIFEST, TRUST, BASE, MARK, AFTER };
	static const struct pq_flag table[] = {PQ_PLACE_FLAG_TABLE,
	                                       {"output", 'o', PQ_FLAG_VALUE},
	                                       {"manifest", 0, PQ_FLAG_VALUE},
	                                       {"trust", 0, PQ_FLAG_VALUE},
	                                       {"base", 0, PQ_FLAG_VALUE},
	                                       {"mark", 0, PQ_FLAG_VALUE},
	                                       {"after", 0, PQ_FLAG_VALUE},
	                                       {0}};
	struct pq_flags options = {0};
	struct pq_cli_place place = {0};
	struct wanted wanted = {0};

	for (int option; (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		char *end = NULL;

		if (option < PQ_PLACE_FLAGS)
			pq_cli_place_flag(&place, option, options.value);
		else if (option == OUTPUT)
			wanted.output = options.value;
		else if (option == MANIFEST)
			wanted.manifest = options.value;
		else if (option == BASE)
			wanted.base = options.value;
		else if (option == MARK)
			wanted.mark = options.value;
		else if (option == AFTER)
			wanted.after = strtoull(options.value, &end, 10);
		else if (wanted.n_trust == TRUST_MAX)
			return pq_cli_usage(argv[0], "--trust may be given %d times", TRUST_MAX);
		else
			wanted.trust[wanted.n_trust++] = options.value;
		if (option == AFTER && (*end != '\0' || options.value[0] < '0' || options.value[0] > '9'))
			return pq_cli_usage(argv[0], "--after %s is no sequence", options.value);
	}
	if (options.stop)
		return options.code;
	if (argc - optind != 1)
		return pq_cli_usage(argv[0], "name the place to fetch from");
	if (wanted.output == NULL)
		return pq_cli_usage(argv[0], "say with -o which file to write");
	wanted.url = argv[optind];
	signal(SIGPIPE, SIG_IGN);
	int code = fetch(&wanted, &place);

	pq_cli_place_release(&place);
	return code;
}

#include "fetch/push.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/place.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct wanted {
	const char *url, *store, *manifest;
	const char *bases[PQ_PUSH_BASES_MAX];
	size_t n_bases;
	int level;
	bool force;
};

static int
push_opened(const struct wanted *wanted, const struct pq_cli_place *place, struct pq_push *push)
{
	struct pq_push_stats stats;
	struct pq_err err = {0};

	if (pq_push(wanted->url, &place->options, NULL, push, &stats, &err) != PQ_OK)
		return pq_cli_fail(&err);
	printf("%s: sequence %" PRIu64 " pushed\n", wanted->url, push->manifest->sequence);
	printf("  store        %" PRIu64 " bytes, as a snapshot %" PRIu64 "\n", push->store.size, stats.whole_bytes);
	if (push->n_bases > 0)
		printf("  differences  %" PRIu64 " bytes, against %zu store%s\n", stats.differences_bytes, push->n_bases,
		       push->n_bases == 1 ? "" : "s");
	printf("  sent         %" PRIu64 " bytes\n", stats.sent_bytes);
	return PQ_EXIT_OK;
}

static int
push_revision(const struct wanted *wanted, struct pq_cli_place *place)
{
	struct pq_manifest manifest;
	struct pq_snapshot_file bases[PQ_PUSH_BASES_MAX];
	struct pq_push push = {.manifest = &manifest, .bases = bases, .level = wanted->level, .force = wanted->force};
	struct pq_err err = {0};
	enum pq_status status = pq_cli_place_load(place, &err);

	if (status == PQ_OK)
		status = pq_manifest_read(wanted->manifest, &manifest, &err);
	if (status == PQ_OK)
		status = pq_cli_open_store(wanted->store, &push.store, &err);
	if (status != PQ_OK)
		return pq_cli_fail(&err);
	while (status == PQ_OK && push.n_bases < wanted->n_bases) {
		status = pq_cli_open_store(wanted->bases[push.n_bases], &bases[push.n_bases], &err);
		push.n_bases += status == PQ_OK;
	}
	int code = status == PQ_OK ? push_opened(wanted, place, &push) : pq_cli_fail(&err);

	for (size_t i = 0; i < push.n_bases; i++)
		close(bases[i].fd);
	close(push.store.fd);
	return code;
}

int
pq_cmd_push(int argc, char **argv)
{
	enum { BASE = PQ_PLACE_FLAGS, LEVEL, FORCE };
	static const struct pq_flag table[] = {
		PQ_PLACE_FLAG_TABLE, {"base", 0, PQ_FLAG_VALUE}, {"level", 0, PQ_FLAG_VALUE}, {"force", 0, PQ_FLAG_PLAIN}, {0}};
	struct pq_flags options = {0};
	struct pq_cli_place place = {0};
	struct wanted wanted = {0};

	for (int option; (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		if (option < PQ_PLACE_FLAGS)
			pq_cli_place_flag(&place, option, options.value);
		if (option == BASE && wanted.n_bases == PQ_PUSH_BASES_MAX)
			return pq_cli_usage(argv[0], "--base may be given %u times", PQ_PUSH_BASES_MAX);
		if (option == BASE)
			wanted.bases[wanted.n_bases++] = options.value;
		wanted.force |= option == FORCE;
		if (option == LEVEL) {
			char *end;
			long level = strtol(options.value, &end, 10);

			if (*end != '\0' || level < 1 || level > 19)
				return pq_cli_usage(argv[0], "--level %s is no level of compression (1 to 19)", options.value);
			wanted.level = (int)level;
		}
	}
	if (options.stop)
		return options.code;
	if (argc - optind != 3)
		return pq_cli_usage(argv[0], "name the target, the store and its manifest");
	wanted.url = argv[optind];
	wanted.store = argv[optind + 1];
	wanted.manifest = argv[optind + 2];
	/* A connection that the other side closed is an error to tell, not one to die of. */
	signal(SIGPIPE, SIG_IGN);
	int code = push_revision(&wanted, &place);

	pq_cli_place_release(&place);
	return code;
}

/* Publishing a revision: a sealed store, or packs that are compiled and sealed first. */
#include "cli/cli.h"
#include "cli/packs.h"
#include "cli/revisions.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What is to be published. */
struct publication {
	struct pq_revision_flags flags;
	char **operands;
	size_t n_operands;
	uint64_t sequence; /* 0: the next */
	bool activate;
	bool planned;
	int64_t at_s;
};

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Compile the packs and seal them at `path`. Their cases are run when the store is added. */
static int
seal_packs(const struct publication *publication, const char *path)
{
	struct pq_build build;
	struct pq_err err = {0};

	pq_build_init(&build);
	enum pq_status status = pq_build_load(&build, publication->operands, publication->n_operands, stderr, &err);
	bool findings = status != PQ_OK && build.findings.n_errors > 0;

	if (status == PQ_OK)
		status = pq_build_compile(&build, &err);
	if (status == PQ_OK)
		status = pq_store_seal(path, build.blobs, build.n_blobs, NULL, &err);
	if (findings)
		pq_cli_say("%zu error%s in the packs; nothing is published", build.findings.n_errors,
		           build.findings.n_errors == 1 ? "" : "s");
	else if (status != PQ_OK)
		pq_cli_fail(&err);
	pq_build_release(&build);
	return status == PQ_OK ? PQ_EXIT_OK : PQ_EXIT_FAILED;
}

/* The manifest: as it was given, or made for this store. */
static enum pq_status
state(const struct publication *publication, int fd, const char *name, struct pq_manifest *ret, struct pq_err *err)
{
	const struct pq_revision_flags *flags = &publication->flags;
	struct pq_manifest manifest = {.sequence = publication->sequence, .created_s = (int64_t)time(NULL)};

	if (flags->manifest != NULL)
		return pq_manifest_read(flags->manifest, ret, err);
	enum pq_status status = pq_store_check_fd(fd, name, manifest.digest, &manifest.size, err);

	if (status == PQ_OK && manifest.sequence == 0)
		status = flags->desk.ops->next_sequence((struct pq_desk *)&flags->desk, &manifest.sequence, err);
	if (status != PQ_OK)
		return status;
	snprintf(manifest.note, sizeof(manifest.note), "%s", flags->note != NULL ? flags->note : "");
	status = pq_revision_sign(flags, &manifest, err);
	if (status == PQ_OK)
		*ret = manifest;
	return status;
}

static int
publish_store(struct publication *publication, const char *path, const char *name)
{
	struct pq_revision_flags *flags = &publication->flags;
	struct pq_catalog_act act = pq_revision_act(flags);
	struct pq_catalog_source source = {.from = PQ_CATALOG_COPY, .name = name};
	struct pq_desk_added added;
	struct pq_manifest manifest;
	struct pq_err err = {0};

	source.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (source.fd < 0) {
		pq_cli_say("%s: cannot be opened: %s", name, strerror(errno));
		return PQ_EXIT_FAILED;
	}
	enum pq_status status = state(publication, source.fd, name, &manifest, &err);

	if (status == PQ_OK)
		status = flags->desk.ops->add(&flags->desk, &manifest, &source, &act, &added, &err);
	close(source.fd);
	if (status != PQ_OK)
		return pq_cli_fail(&err);
	return pq_revision_added(flags, &manifest, &added, publication->activate,
	                         publication->planned ? &publication->at_s : NULL);
}

static int
publish_packs(struct publication *publication, const char *path)
{
	int code = seal_packs(publication, path);

	if (code == PQ_EXIT_OK)
		code = publish_store(publication, path, "the packs");
	unlink(path);
	return code;
}

static int
publish(struct publication *publication)
{
	const char *temporary = getenv("TMPDIR");
	char folder[3900], path[4096];

	if (!is_folder(publication->operands[0]))
		return publish_store(publication, publication->operands[0], publication->operands[0]);
	if (!publication->flags.desk.remote) {
		/* A name of temporaries: what a kill leaves of it is deleted when the directory is opened again. */
		snprintf(path, sizeof(path), "%.3900s/.packs.%d.tmp", publication->flags.data, (int)getpid());
		return publish_packs(publication, path);
	}
	snprintf(folder, sizeof(folder), "%.3800s/pratique.XXXXXX", temporary != NULL ? temporary : "/tmp");
	if (mkdtemp(folder) == NULL) {
		pq_cli_say("%s: cannot be made: %s", folder, strerror(errno));
		return PQ_EXIT_FAILED;
	}
	snprintf(path, sizeof(path), "%s/packs.mdb", folder);
	int code = publish_packs(publication, path);
	rmdir(folder);
	return code;
}

static int
read_flags(struct publication *publication, int argc, char **argv, struct pq_flags *options)
{
	enum { SEQUENCE = PQ_REVISION_FLAGS_N, ACTIVATE, AT };
	static const struct pq_flag table[] = {PQ_REVISION_FLAGS,
	                                       {"sequence", 0, PQ_FLAG_VALUE},
	                                       {"activate", 0, PQ_FLAG_PLAIN},
	                                       {"at", 0, PQ_FLAG_VALUE},
	                                       {0}};
	int code = PQ_EXIT_OK;

	for (int option; code == PQ_EXIT_OK && (option = pq_flags_next(options, argc, argv, table)) >= 0;) {
		if (option < PQ_REVISION_FLAGS_N)
			code = pq_revision_flag(&publication->flags, argv[0], option, options->value);
		else if (option == ACTIVATE)
			publication->activate = true;
		else if (option == SEQUENCE && !pq_revision_sequence(options->value, &publication->sequence))
			code = pq_cli_usage(argv[0], "--sequence: \"%.60s\" is no number from 1 on", options->value);
		else if (option == AT) {
			publication->planned = true;
			if (pq_time_parse(options->value, "--at", &publication->at_s, NULL) != PQ_OK)
				code = pq_cli_usage(argv[0], "--at: \"%.60s\" is no time in UTC like 2026-11-24T16:30:00Z",
				                    options->value);
		}
	}
	return options->stop ? options->code : code;
}

int
pq_cmd_publish(int argc, char **argv)
{
	struct publication publication = {0};
	struct pq_revision_flags *flags = &publication.flags;
	struct pq_flags options = {0};
	int code = read_flags(&publication, argc, argv, &options);

	if (options.stop || code != PQ_EXIT_OK)
		return code;
	publication.operands = argv + optind;
	publication.n_operands = (size_t)(argc - optind);
	if (publication.n_operands == 0)
		return pq_cli_usage(argv[0], "name a sealed store, or the folders of the packs");
	if (publication.n_operands > 1 && !is_folder(publication.operands[0]))
		return pq_cli_usage(argv[0], "one store is published at a time");
	if (flags->manifest != NULL && (publication.sequence != 0 || flags->key != NULL))
		return pq_cli_usage(argv[0], "--manifest excludes --sequence and --key: it says and is signed already");
	if (publication.activate && publication.planned)
		return pq_cli_usage(argv[0], "--activate and --at exclude each other");
	code = pq_revisions_open(flags, &options, argv[0], true);
	if (code == PQ_EXIT_OK)
		code = publish(&publication);
	pq_revision_close(flags);
	return code;
}

/* Keys and signatures: keygen, sign, verify. */
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/revisions.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int
pq_cmd_keygen(int argc, char **argv)
{
	static const struct pq_flag table[] = {{"output", 'o', PQ_FLAG_VALUE}, {0}};
	struct pq_flags options = {0};
	const char *prefix = NULL;
	char private_path[PATH_MAX];
	char public_path[PATH_MAX];
	char id[PQ_KEY_ID_BYTES];
	struct pq_err err = {0};

	while (pq_flags_next(&options, argc, argv, table) >= 0)
		prefix = options.value;
	if (options.stop)
		return options.code;
	if (prefix == NULL || prefix[0] == '\0' || optind < argc)
		return pq_cli_usage(argv[0], "say with -o how the two files are to be called, without .key and .pub");
	if (strlen(prefix) + sizeof(".key") > PATH_MAX)
		return pq_cli_usage(argv[0], "-o: the name is too long");
	snprintf(private_path, sizeof(private_path), "%.*s.key", PATH_MAX - 5, prefix);
	snprintf(public_path, sizeof(public_path), "%.*s.pub", PATH_MAX - 5, prefix);
	if (pq_key_generate(private_path, public_path, id, &err) != PQ_OK)
		return pq_cli_fail(&err);
	printf("%s: the private key, for signing; keep it\n", private_path);
	printf("%s: the public key, to be trusted\n", public_path);
	printf("  key id  %s\n", id);
	return PQ_EXIT_OK;
}

/* ---- sign ---- */

struct signing {
	struct pq_revision_flags flags; /* key, note, manifest */
	uint64_t sequence;
	const char *store;
	const char *output;
};

static enum pq_status
state_store(const struct signing *signing, struct pq_manifest *ret, struct pq_err *err)
{
	struct pq_manifest manifest = {.sequence = signing->sequence, .created_s = (int64_t)time(NULL)};
	int fd = open(signing->store, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return pq_fail_at(err, PQ_EIO, signing->store, 0, 0, "cannot be opened: %s", strerror(errno));
	enum pq_status status = pq_store_check_fd(fd, signing->store, manifest.digest, &manifest.size, err);

	close(fd);
	snprintf(manifest.note, sizeof(manifest.note), "%s", signing->flags.note != NULL ? signing->flags.note : "");
	if (status == PQ_OK)
		*ret = manifest;
	return status;
}

static int
sign(const struct signing *signing)
{
	struct pq_manifest manifest;
	struct pq_err err = {0};
	enum pq_status status = signing->store != NULL ? state_store(signing, &manifest, &err)
	                                               : pq_manifest_read(signing->flags.manifest, &manifest, &err);

	if (status == PQ_OK)
		status = pq_revision_sign(&signing->flags, &manifest, &err);
	if (status == PQ_OK)
		status = pq_manifest_write(&manifest, signing->output, &err);
	if (status != PQ_OK)
		return pq_cli_fail(&err);
	printf("%s: sequence %" PRIu64 ", %zu signature%s, by\n", signing->output, manifest.sequence, manifest.n_signatures,
	       manifest.n_signatures == 1 ? "" : "s");
	for (size_t i = 0; i < manifest.n_signatures; i++)
		printf("  %s\n", manifest.signatures[i].key_id);
	return PQ_EXIT_OK;
}

int
pq_cmd_sign(int argc, char **argv)
{
	enum { KEY, SEQUENCE, NOTE, MANIFEST, OUTPUT };
	static const struct pq_flag table[] = {{"key", 0, PQ_FLAG_VALUE},      {"sequence", 0, PQ_FLAG_VALUE},
	                                       {"note", 0, PQ_FLAG_VALUE},     {"manifest", 0, PQ_FLAG_VALUE},
	                                       {"output", 'o', PQ_FLAG_VALUE}, {0}};
	struct signing signing = {0};
	struct pq_flags options = {0};

	for (int option; (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		if (option == KEY)
			signing.flags.key = options.value;
		else if (option == NOTE)
			signing.flags.note = options.value;
		else if (option == MANIFEST)
			signing.flags.manifest = options.value;
		else if (option == OUTPUT)
			signing.output = options.value;
		else if (!pq_revision_sequence(options.value, &signing.sequence))
			return pq_cli_usage(argv[0], "--sequence: \"%.60s\" is no number from 1 on", options.value);
	}
	if (options.stop)
		return options.code;
	if (argc - optind > 1)
		return pq_cli_usage(argv[0], "one store is signed at a time; \"%.60s\" is too much", argv[optind + 1]);
	signing.store = optind < argc ? argv[optind] : NULL;
	if (signing.flags.key == NULL)
		return pq_cli_usage(argv[0], "say with --key who signs");
	if ((signing.store == NULL) == (signing.flags.manifest == NULL))
		return pq_cli_usage(argv[0], "name a store, or a --manifest that is to get one more signature");
	if (signing.store != NULL && signing.sequence == 0)
		return pq_cli_usage(argv[0], "say with --sequence which place the store takes");
	if (signing.store == NULL && (signing.sequence != 0 || signing.flags.note != NULL))
		return pq_cli_usage(argv[0], "--sequence and --note are stated in the manifest already");
	if (signing.output == NULL && signing.store != NULL)
		return pq_cli_usage(argv[0], "say with -o which file to write");
	if (signing.flags.note != NULL && strlen(signing.flags.note) > PQ_MANIFEST_NOTE_MAX)
		return pq_cli_usage(argv[0], "--note: more than %d bytes", PQ_MANIFEST_NOTE_MAX);
	if (signing.output == NULL)
		signing.output = signing.flags.manifest;
	return sign(&signing);
}

/* ---- verify ---- */

static enum pq_status
verify_store(const struct pq_manifest *manifest, const char *path, struct pq_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return pq_fail_at(err, PQ_EIO, path, 0, 0, "cannot be opened: %s", strerror(errno));
	enum pq_status status = pq_manifest_check_store(manifest, fd, path, err);

	close(fd);
	return status;
}

static int
verify(const struct pq_revision_flags *flags, const char *path, const char *store)
{
	struct pq_trust *trust = NULL;
	struct pq_manifest manifest;
	char key_id[PQ_KEY_ID_BYTES];
	char digest[PQ_DIGEST_HEX_BYTES];
	struct pq_err err = {0};
	enum pq_status status = pq_trust_load(flags->trust, flags->n_trust, &trust, &err);

	if (status == PQ_OK)
		status = pq_manifest_read(path, &manifest, &err);
	if (status == PQ_OK)
		status = pq_manifest_verify(&manifest, trust, path, key_id, &err);
	if (status == PQ_OK && store != NULL)
		status = verify_store(&manifest, store, &err);
	pq_trust_free(trust);
	if (status != PQ_OK)
		return pq_cli_fail(&err);
	pq_digest_hex(manifest.digest, digest);
	printf("%s: sequence %" PRIu64 ", signed by %s\n", path, manifest.sequence, key_id);
	printf("  content sha256  %s%s\n", digest, store != NULL ? ", as the store's" : "");
	return PQ_EXIT_OK;
}

int
pq_cmd_verify(int argc, char **argv)
{
	static const struct pq_flag table[] = {{"trust", 0, PQ_FLAG_VALUE}, {0}};
	struct pq_revision_flags flags = {0};
	struct pq_flags options = {0};
	int code = PQ_EXIT_OK;

	while (code == PQ_EXIT_OK && pq_flags_next(&options, argc, argv, table) >= 0)
		code = pq_revision_flag(&flags, argv[0], PQ_FLAG_TRUST, options.value);
	if (options.stop || code != PQ_EXIT_OK)
		return options.stop ? options.code : code;
	if (flags.n_trust == 0)
		return pq_cli_usage(argv[0], "say with --trust whose signature counts");
	if (optind == argc || argc - optind > 2)
		return pq_cli_usage(argv[0], "name a manifest, and the store if you have it");
	return verify(&flags, argv[optind], optind + 1 < argc ? argv[optind + 1] : NULL);
}

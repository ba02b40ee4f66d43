#include "cli/revisions.h"

#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LIST_BYTES ((size_t)256 << 20)

/* ---- what the commands share ---- */

int
pq_revision_flag(struct pq_revision_flags *flags, const char *command, int option, const char *value)
{
	const char **to = option == PQ_FLAG_DATA       ? &flags->data
	                  : option == PQ_FLAG_SERVER   ? &flags->server
	                  : option == PQ_FLAG_BY       ? &flags->by
	                  : option == PQ_FLAG_NOTE     ? &flags->note
	                  : option == PQ_FLAG_KEY      ? &flags->key
	                  : option == PQ_FLAG_MANIFEST ? &flags->manifest
	                                               : NULL;

	if (option == PQ_FLAG_TIMEOUT)
		return pq_flags_timeout(value, &flags->timeout_ms)
		           ? PQ_EXIT_OK
		           : pq_cli_usage(command, "--timeout: \"%.60s\" " PQ_FLAGS_TIMEOUT, value);
	if (to == NULL && flags->n_trust == PQ_CLI_TRUST_MAX)
		return pq_cli_usage(command, "--trust was given more than %d times", PQ_CLI_TRUST_MAX);
	if (to == NULL)
		to = &flags->trust[flags->n_trust++];
	*to = value;
	return PQ_EXIT_OK;
}

/* One place, and nothing that is of the other kind. */
static int
check_place(const struct pq_revision_flags *flags, const struct pq_flags *options, const char *command)
{
	if (flags->data == NULL && flags->server == NULL)
		return pq_cli_usage(command, "say with --data which revision directory is meant, or with --server which server");
	if (flags->data != NULL && flags->server != NULL)
		return pq_cli_usage(command, "--data and --server exclude each other");
	if (flags->server != NULL && flags->n_trust > 0)
		return pq_cli_usage(command, "--trust is for a directory: a server trusts the keys that it was started with");
	if (flags->server == NULL && flags->timeout_ms > 0)
		return pq_cli_usage(command, "--timeout says nothing without --server");
	return pq_flags_access(options, command, flags->server);
}

int
pq_revisions_open(struct pq_revision_flags *flags, const struct pq_flags *options, const char *command, bool create)
{
	struct pq_err err = {0};
	int code = check_place(flags, options, command);

	if (code != PQ_EXIT_OK)
		return code;
	if (flags->note != NULL && strlen(flags->note) > PQ_MANIFEST_NOTE_MAX)
		return pq_cli_usage(command, "--note: more than %d bytes", PQ_MANIFEST_NOTE_MAX);
	if (flags->n_trust > 0 && pq_trust_load(flags->trust, flags->n_trust, &flags->trusted, &err) != PQ_OK)
		return pq_cli_fail(&err);
	enum pq_status status =
		flags->server != NULL
			? pq_desk_open_server(&flags->desk, flags->server, &options->access, flags->timeout_ms, &err)
			: pq_desk_open_dir(&flags->desk, flags->data, flags->trusted, create, &err);
	return status == PQ_OK ? PQ_EXIT_OK : pq_cli_fail(&err);
}

void
pq_revision_close(struct pq_revision_flags *flags)
{
	pq_desk_close(&flags->desk);
	pq_trust_free(flags->trusted);
	flags->trusted = NULL;
}

struct pq_catalog_act
pq_revision_act(const struct pq_revision_flags *flags)
{
	const char *by = flags->by;

	if (by == NULL) {
		const struct passwd *user = getpwuid(getuid());

		by = user != NULL ? user->pw_name : "unknown";
	}
	return (struct pq_catalog_act){.actor = by, .time_s = (int64_t)time(NULL), .remark = flags->note};
}

enum pq_status
pq_revision_sign(const struct pq_revision_flags *flags, struct pq_manifest *manifest, struct pq_err *err)
{
	struct pq_key *key;

	if (flags->key == NULL)
		return PQ_OK;
	enum pq_status status = pq_key_load(flags->key, &key, err);

	if (status != PQ_OK)
		return status;
	status = pq_manifest_sign(manifest, key, err);
	pq_key_free(key);
	return status;
}

static bool
read_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	char *end;

	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || errno != 0 || *end != '\0' || number < min || number > max)
		return false;
	*ret = number;
	return true;
}

bool
pq_revision_sequence(const char *text, uint64_t *ret_sequence)
{
	return read_number(text, 1, PQ_SEQUENCE_MAX, ret_sequence);
}

bool
pq_revision_count(const char *text, size_t *ret_count)
{
	uint64_t count;

	if (!read_number(text, 0, 1000000000, &count))
		return false;
	*ret_count = (size_t)count;
	return true;
}

int
pq_revision_added(struct pq_revision_flags *flags, const struct pq_manifest *manifest,
                  const struct pq_desk_added *added, bool activate, const int64_t *at_s)
{
	struct pq_catalog_act act = pq_revision_act(flags);
	char digest[PQ_DIGEST_HEX_BYTES];
	char at[PQ_TIME_TEXT_BYTES];
	struct pq_err err = {0};
	bool changed = false;

	pq_digest_hex(manifest->digest, digest);
	printf("%s: sequence %" PRIu64 " %s\n", flags->desk.place, manifest->sequence,
	       added->added ? "published" : "was published before");
	printf("  content sha256  %s\n", digest);
	if (added->signed_by[0] == '\0')
		printf("  signatures      %zu, not verified: %s\n", manifest->n_signatures,
		       flags->desk.remote ? "the server has no --trust" : "no --trust was given");
	else
		printf("  signed by       %s\n", added->signed_by);
	act.remark = NULL; /* the note was told with the publication */
	if (at_s != NULL) {
		if (flags->desk.ops->schedule(&flags->desk, manifest->sequence, *at_s, &act, &err) != PQ_OK)
			return pq_cli_fail(&err);
		pq_time_format(*at_s, at);
		printf("  to be activated %s\n", at);
	}
	if (activate) {
		if (flags->desk.ops->activate(&flags->desk, manifest->sequence, &act, &changed, &err) != PQ_OK)
			return pq_cli_fail(&err);
		printf("  %s\n", changed ? "activated" : "is active already");
	}
	return PQ_EXIT_OK;
}

/* ---- revisions ---- */

static json_t *
time_json(bool is, int64_t time_s)
{
	char text[PQ_TIME_TEXT_BYTES];

	pq_time_format(time_s, text);
	return is ? json_string(text) : json_null();
}

static void
print_json(json_t *object)
{
	char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;

	puts(text != NULL ? text : "{}");
	free(text);
	json_decref(object);
}

static void
print_revision_json(const struct pq_catalog_revision *revision)
{
	const struct pq_manifest *manifest = &revision->manifest;
	json_t *keys = json_array();
	char digest[PQ_DIGEST_HEX_BYTES];

	pq_digest_hex(manifest->digest, digest);
	for (size_t i = 0; i < manifest->n_signatures; i++)
		json_array_append_new(keys, json_string(manifest->signatures[i].key_id));
	print_json(json_pack("{s:I, s:s, s:I, s:o, s:s, s:o, s:o, s:s, s:s, s:b, s:o, s:o}", "sequence",
	                     (json_int_t)manifest->sequence, "digest", digest, "size", (json_int_t)manifest->size,
	                     "created", time_json(true, manifest->created_s), "note", manifest->note, "signatures", keys,
	                     "added", time_json(true, revision->added_s), "added_by", revision->added_by, "proved_by",
	                     revision->proved_by, "active", revision->active, "active_since",
	                     time_json(revision->active, revision->activated_s), "scheduled_for",
	                     time_json(revision->scheduled, revision->scheduled_s)));
}

static void
print_revision(const struct pq_catalog_revision *revision)
{
	const struct pq_manifest *manifest = &revision->manifest;
	char digest[PQ_DIGEST_HEX_BYTES];
	char created[PQ_TIME_TEXT_BYTES];
	char state[64] = "";
	char at[PQ_TIME_TEXT_BYTES];

	pq_digest_hex(manifest->digest, digest);
	pq_time_format(manifest->created_s, created);
	pq_time_format(revision->active ? revision->activated_s : revision->scheduled_s, at);
	if (revision->active || revision->scheduled)
		snprintf(state, sizeof(state), "  %s %s", revision->active ? "active since" : "planned for", at);
	printf("%8" PRIu64 "  %.16s  %s  %zu signature%s%s%s", manifest->sequence, digest, created, manifest->n_signatures,
	       manifest->n_signatures == 1 ? "" : "s", state, manifest->note[0] != '\0' ? "  " : "");
	pq_cli_put(stdout, manifest->note);
	putchar('\n');
}

static int
list(struct pq_revision_flags *flags, bool json)
{
	const struct pq_catalog_revision *revisions;
	struct pq_arena arena;
	struct pq_err err = {0};
	size_t n;

	pq_arena_init(&arena, LIST_BYTES);
	if (flags->desk.ops->list(&flags->desk, &arena, &revisions, &n, &err) != PQ_OK) {
		pq_arena_release(&arena);
		return pq_cli_fail(&err);
	}
	for (size_t i = 0; i < n; i++) {
		if (json)
			print_revision_json(&revisions[i]);
		else
			print_revision(&revisions[i]);
	}
	if (n == 0 && !json)
		puts("no revisions");
	pq_arena_release(&arena);
	return PQ_EXIT_OK;
}

int
pq_cmd_revisions(int argc, char **argv)
{
	enum { JSON = PQ_REVISION_FLAGS_N };
	static const struct pq_flag table[] = {PQ_REVISION_FLAGS, {"json", 0, PQ_FLAG_PLAIN}, {0}};
	struct pq_flags options = {.known = PQ_FLAGS_WHERE | PQ_FLAG_BIT(JSON)};
	struct pq_revision_flags flags = {0};
	bool json = false;
	int code = PQ_EXIT_OK;

	for (int option; code == PQ_EXIT_OK && (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		if (option == JSON)
			json = true;
		else
			code = pq_revision_flag(&flags, argv[0], option, options.value);
	}
	if (options.stop || code != PQ_EXIT_OK)
		return options.stop ? options.code : code;
	code = pq_revisions_open(&flags, &options, argv[0], false);
	if (code == PQ_EXIT_OK)
		code = list(&flags, json);
	pq_revision_close(&flags);
	return code;
}

/* ---- journal ---- */

static void
print_record(const struct pq_journal_record *record, bool json)
{
	char digest[PQ_DIGEST_HEX_BYTES];
	char time[PQ_TIME_TEXT_BYTES];

	pq_digest_hex(record->digest, digest);
	pq_time_format(record->time_s, time);
	if (json) {
		print_json(json_pack("{s:I, s:s, s:s, s:I, s:s, s:s, s:s}", "id", (json_int_t)record->id, "time", time,
		                     "action", pq_journal_action_text(record->action), "sequence", (json_int_t)record->sequence,
		                     "digest", digest, "by", record->actor, "remark", record->remark));
		return;
	}
	printf("%6" PRIu64 "  %s  %-9s  %8" PRIu64 "  %.16s  ", record->id, time, pq_journal_action_text(record->action),
	       record->sequence, digest);
	pq_cli_put(stdout, record->actor);
	if (record->remark[0] != '\0') {
		fputs(": ", stdout);
		pq_cli_put(stdout, record->remark);
	}
	putchar('\n');
}

static int
journal(struct pq_revision_flags *flags, size_t after, size_t max, bool json)
{
	const size_t at_once = 1000;
	struct pq_arena arena;
	struct pq_err err = {0};
	uint64_t last = after;
	size_t n = 1;

	pq_arena_init(&arena, LIST_BYTES);
	while (n > 0 && max > 0) {
		const struct pq_journal_record *records;

		pq_arena_reset(&arena);
		if (flags->desk.ops->journal(&flags->desk, last, max < at_once ? max : at_once, &arena, &records, &n, &err) !=
		    PQ_OK) {
			pq_arena_release(&arena);
			return pq_cli_fail(&err);
		}
		for (size_t i = 0; i < n; i++)
			print_record(&records[i], json);
		if (n > 0)
			last = records[n - 1].id;
		max -= n;
	}
	pq_arena_release(&arena);
	return PQ_EXIT_OK;
}

int
pq_cmd_journal(int argc, char **argv)
{
	enum { AFTER = PQ_REVISION_FLAGS_N, MAX, JSON };
	static const struct pq_flag table[] = {
		PQ_REVISION_FLAGS, {"after", 0, PQ_FLAG_VALUE}, {"max", 0, PQ_FLAG_VALUE}, {"json", 0, PQ_FLAG_PLAIN}, {0}};
	struct pq_flags options = {.known = PQ_FLAGS_WHERE | PQ_FLAG_BIT(AFTER) | PQ_FLAG_BIT(MAX) | PQ_FLAG_BIT(JSON)};
	struct pq_revision_flags flags = {0};
	size_t after = 0, max = SIZE_MAX;
	bool json = false;
	int code = PQ_EXIT_OK;

	for (int option; code == PQ_EXIT_OK && (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		if (option == JSON)
			json = true;
		else if (option < PQ_REVISION_FLAGS_N)
			code = pq_revision_flag(&flags, argv[0], option, options.value);
		else if (!pq_revision_count(options.value, option == AFTER ? &after : &max))
			code =
				pq_cli_usage(argv[0], "--%s: \"%.60s\" is no number", option == AFTER ? "after" : "max", options.value);
	}
	if (options.stop || code != PQ_EXIT_OK)
		return options.stop ? options.code : code;
	code = pq_revisions_open(&flags, &options, argv[0], false);
	if (code == PQ_EXIT_OK)
		code = journal(&flags, after, max, json);
	pq_revision_close(&flags);
	return code;
}

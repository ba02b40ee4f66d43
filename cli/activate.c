/* Activating revisions, now or later; rolling back; forgetting old ones. */
#include "cli/cli.h"
#include "cli/revisions.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

/* The flags of the commands here; each takes those that it knows. */
struct intent {
	struct pq_flags options;
	struct pq_revision_flags flags;
	uint64_t sequence;
	int64_t at_s;
	size_t keep;
	bool has_at, has_keep, cancel, due, no_activate;
	const char *draft;
};

/* What most of the commands know. */
#define WHO_AND_WHERE \
	(PQ_FLAGS_WHERE | PQ_FLAG_BIT(PQ_FLAG_BY) | PQ_FLAG_BIT(PQ_FLAG_NOTE) | PQ_FLAG_BIT(PQ_FLAG_TRUST))

enum { AT = PQ_REVISION_FLAGS_N, KEEP, CANCEL, DUE, NO_ACTIVATE, DRAFT };

static int
take_flag(struct intent *intent, const char *command, int option, const char *value)
{
	switch (option) {
	case AT:
		intent->has_at = true;
		if (pq_time_parse(value, "--at", &intent->at_s, NULL) != PQ_OK)
			return pq_cli_usage(command, "--at: \"%.60s\" is no time in UTC like 2026-11-24T16:30:00Z", value);
		return PQ_EXIT_OK;
	case KEEP:
		intent->has_keep = true;
		if (!pq_revision_count(value, &intent->keep))
			return pq_cli_usage(command, "--keep: \"%.60s\" is no number", value);
		return PQ_EXIT_OK;
	case CANCEL:
		intent->cancel = true;
		return PQ_EXIT_OK;
	case DUE:
		intent->due = true;
		return PQ_EXIT_OK;
	case NO_ACTIVATE:
		intent->no_activate = true;
		return PQ_EXIT_OK;
	case DRAFT:
		intent->draft = value;
		return PQ_EXIT_OK;
	default:
		return pq_revision_flag(&intent->flags, command, option, value);
	}
}

/* Read the command line; *ret_stop: there is nothing more to do. The operand is a sequence, where there is one. */
static int
read_intent(struct intent *intent, int argc, char **argv, bool *ret_stop)
{
	static const struct pq_flag table[] = {PQ_REVISION_FLAGS,           {"at", 0, PQ_FLAG_VALUE},
	                                       {"keep", 0, PQ_FLAG_VALUE},  {"cancel", 0, PQ_FLAG_PLAIN},
	                                       {"due", 0, PQ_FLAG_PLAIN},   {"no-activate", 0, PQ_FLAG_PLAIN},
	                                       {"draft", 0, PQ_FLAG_VALUE}, {0}};
	struct pq_flags *options = &intent->options;
	int code = PQ_EXIT_OK;

	for (int option; code == PQ_EXIT_OK && (option = pq_flags_next(options, argc, argv, table)) >= 0;)
		code = take_flag(intent, argv[0], option, options->value);
	*ret_stop = options->stop || code != PQ_EXIT_OK;
	if (*ret_stop)
		return options->stop ? options->code : code;
	if (argc - optind > 1)
		code = pq_cli_usage(argv[0], "one sequence is expected; \"%.60s\" is too much", argv[optind + 1]);
	else if (optind < argc && !pq_revision_sequence(argv[optind], &intent->sequence))
		code = pq_cli_usage(argv[0], "\"%.60s\" is no sequence: a number from 1 on", argv[optind]);
	*ret_stop = code != PQ_EXIT_OK;
	return code;
}

/* ---- activate ---- */

static int
activate_one(struct intent *intent, uint64_t sequence)
{
	struct pq_desk *desk = &intent->flags.desk;
	struct pq_catalog_act act = pq_revision_act(&intent->flags);
	struct pq_err err = {0};
	bool changed;

	if (desk->ops->activate(desk, sequence, &act, &changed, &err) != PQ_OK)
		return pq_cli_fail(&err);
	printf("%s: sequence %" PRIu64 " %s\n", desk->place, sequence, changed ? "is active now" : "is active already");
	return PQ_EXIT_OK;
}

/* Carry out the plans whose time has come: what a server does by itself. */
static int
activate_due(struct intent *intent)
{
	struct pq_desk *desk = &intent->flags.desk;
	int64_t now = (int64_t)time(NULL);
	struct pq_err err = {0};
	int code = PQ_EXIT_OK;

	while (code == PQ_EXIT_OK) {
		uint64_t sequence;
		int64_t at_s;
		enum pq_status status = desk->ops->next_plan(desk, &sequence, &at_s, &err);

		if (status == PQ_ENOTFOUND || (status == PQ_OK && at_s > now))
			return PQ_EXIT_OK;
		code = status == PQ_OK ? activate_one(intent, sequence) : pq_cli_fail(&err);
	}
	return code;
}

int
pq_cmd_activate(int argc, char **argv)
{
	struct intent intent = {.options.known = WHO_AND_WHERE | PQ_FLAG_BIT(DUE)};
	bool stop;
	int code = read_intent(&intent, argc, argv, &stop);

	if (stop)
		return code;
	if ((intent.sequence == 0) != intent.due)
		return pq_cli_usage(argv[0], "name a sequence, or say --due");
	if (intent.due && intent.flags.server != NULL)
		return pq_cli_usage(argv[0], "--due is for a directory: a server carries out its plans by itself");
	code = pq_revisions_open(&intent.flags, &intent.options, argv[0], false);
	if (code == PQ_EXIT_OK)
		code = intent.due ? activate_due(&intent) : activate_one(&intent, intent.sequence);
	pq_revision_close(&intent.flags);
	return code;
}

/* ---- schedule ---- */

int
pq_cmd_schedule(int argc, char **argv)
{
	struct intent intent = {.options.known = WHO_AND_WHERE | PQ_FLAG_BIT(AT) | PQ_FLAG_BIT(CANCEL)};
	struct pq_desk *desk = &intent.flags.desk;
	struct pq_err err = {0};
	char at[PQ_TIME_TEXT_BYTES];
	bool stop;
	int code = read_intent(&intent, argc, argv, &stop);

	if (stop)
		return code;
	if (intent.sequence == 0)
		return pq_cli_usage(argv[0], "name a sequence");
	if (intent.has_at == intent.cancel)
		return pq_cli_usage(argv[0], "say with --at when it is to be activated, or --cancel");
	code = pq_revisions_open(&intent.flags, &intent.options, argv[0], false);
	if (code == PQ_EXIT_OK) {
		struct pq_catalog_act act = pq_revision_act(&intent.flags);
		enum pq_status status = intent.cancel ? desk->ops->cancel(desk, intent.sequence, &act, &err)
		                                      : desk->ops->schedule(desk, intent.sequence, intent.at_s, &act, &err);

		pq_time_format(intent.at_s, at);
		if (status != PQ_OK)
			code = pq_cli_fail(&err);
		else if (intent.cancel)
			printf("%s: sequence %" PRIu64 " is not planned any more\n", desk->place, intent.sequence);
		else
			printf("%s: sequence %" PRIu64 " is to be activated %s\n", desk->place, intent.sequence, at);
	}
	pq_revision_close(&intent.flags);
	return code;
}

/* ---- rollback ---- */

/* At once, and without a signature. */
static int
roll_back_plainly(struct intent *intent, const char *note)
{
	struct pq_revision_flags *flags = &intent->flags;
	const struct pq_desk_added added = {.added = true};
	struct pq_catalog_act act = pq_revision_act(flags);
	struct pq_manifest manifest;
	struct pq_err err = {0};

	act.remark = note;
	if (flags->desk.ops->rollback(&flags->desk, intent->sequence, note, &act, &manifest, &err) != PQ_OK)
		return pq_cli_fail(&err);
	int code = pq_revision_added(flags, &manifest, &added, false, NULL);
	puts("  activated");
	return code;
}

static int
write_draft(const struct intent *intent, const struct pq_manifest *manifest)
{
	struct pq_err err = {0};

	if (pq_manifest_write(manifest, intent->draft, &err) != PQ_OK)
		return pq_cli_fail(&err);
	printf("%s: written, for the sequence %" PRIu64 "; nothing is changed yet\n", intent->draft, manifest->sequence);
	return PQ_EXIT_OK;
}

/* A rollback is a new sequence with an old digest, and is signed like any other. */
static int
roll_back(struct intent *intent)
{
	struct pq_revision_flags *flags = &intent->flags;
	struct pq_desk *desk = &flags->desk;
	struct pq_catalog_act act = pq_revision_act(flags);
	struct pq_desk_added added;
	struct pq_manifest manifest;
	struct pq_err err = {0};
	char note[PQ_MANIFEST_NOTE_MAX + 1];
	enum pq_status status;

	snprintf(note, sizeof(note), "Rollback to the sequence %" PRIu64, intent->sequence);
	if (flags->note != NULL)
		snprintf(note, sizeof(note), "%s", flags->note);
	if (flags->manifest == NULL && flags->key == NULL && intent->draft == NULL && !intent->no_activate)
		return roll_back_plainly(intent, note);
	if (flags->manifest != NULL)
		status = pq_manifest_read(flags->manifest, &manifest, &err);
	else
		status = desk->ops->draft_rollback(desk, intent->sequence, act.time_s, note, &manifest, &err);
	if (status == PQ_OK && flags->key != NULL)
		status = pq_revision_sign(flags, &manifest, &err);
	if (status == PQ_OK && intent->draft != NULL)
		return write_draft(intent, &manifest);
	if (status == PQ_OK)
		status = desk->ops->add(desk, &manifest, NULL, &act, &added, &err);
	if (status != PQ_OK)
		return pq_cli_fail(&err);
	return pq_revision_added(flags, &manifest, &added, !intent->no_activate, NULL);
}

int
pq_cmd_rollback(int argc, char **argv)
{
	struct intent intent = {.options.known = WHO_AND_WHERE | PQ_FLAG_BIT(PQ_FLAG_KEY) | PQ_FLAG_BIT(PQ_FLAG_MANIFEST) |
	                                       PQ_FLAG_BIT(NO_ACTIVATE) | PQ_FLAG_BIT(DRAFT)};
	bool stop;
	int code = read_intent(&intent, argc, argv, &stop);

	if (stop)
		return code;
	if ((intent.sequence == 0) == (intent.flags.manifest == NULL))
		return pq_cli_usage(argv[0], "name the sequence to go back to, or the --manifest that does so");
	code = pq_revisions_open(&intent.flags, &intent.options, argv[0], false);
	if (code == PQ_EXIT_OK)
		code = roll_back(&intent);
	pq_revision_close(&intent.flags);
	return code;
}

/* ---- prune ---- */

int
pq_cmd_prune(int argc, char **argv)
{
	struct intent intent = {.options.known = PQ_FLAGS_WHERE | PQ_FLAG_BIT(PQ_FLAG_BY) | PQ_FLAG_BIT(KEEP)};
	struct pq_desk *desk = &intent.flags.desk;
	struct pq_err err = {0};
	size_t pruned;
	bool stop;
	int code = read_intent(&intent, argc, argv, &stop);

	if (stop)
		return code;
	if (!intent.has_keep || intent.sequence != 0)
		return pq_cli_usage(argv[0], "say with --keep how many revisions stay");
	if (intent.keep == 0 && intent.flags.server != NULL)
		return pq_cli_usage(argv[0], "--keep: a server keeps one revision or more");
	code = pq_revisions_open(&intent.flags, &intent.options, argv[0], false);
	if (code == PQ_EXIT_OK) {
		struct pq_catalog_act act = pq_revision_act(&intent.flags);

		if (desk->ops->prune(desk, intent.keep, &act, &pruned, &err) != PQ_OK)
			code = pq_cli_fail(&err);
		else
			printf("%s: %zu revision%s forgotten\n", desk->place, pruned, pruned == 1 ? "" : "s");
	}
	pq_revision_close(&intent.flags);
	return code;
}

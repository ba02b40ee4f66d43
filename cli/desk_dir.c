/* A revision directory as the place where revisions are kept: no server runs on it meanwhile. */
#include "cli/desk.h"
#include "cli/packs.h"

#include <stdio.h>

static enum pq_status
dir_list(struct pq_desk *desk, struct pq_arena *arena, const struct pq_catalog_revision **ret_revisions, size_t *ret_n,
         struct pq_err *err)
{
	return pq_catalog_list(desk->at, arena, ret_revisions, ret_n, err);
}

static enum pq_status
dir_next_sequence(struct pq_desk *desk, uint64_t *ret_sequence, struct pq_err *err)
{
	return pq_catalog_next_sequence(desk->at, ret_sequence, err);
}

static enum pq_status
dir_add(struct pq_desk *desk, const struct pq_manifest *manifest, const struct pq_catalog_source *source,
        const struct pq_catalog_act *act, struct pq_desk_added *ret_added, struct pq_err *err)
{
	struct pq_desk_added added = {0};
	enum pq_status status = pq_catalog_add(desk->at, manifest, source, act, NULL, &added.added, err);

	if (status == PQ_OK)
		status = pq_manifest_verify(manifest, desk->trust, desk->place, added.signed_by, err);
	if (status == PQ_OK)
		*ret_added = added;
	return status;
}

static enum pq_status
dir_activate(struct pq_desk *desk, uint64_t sequence, const struct pq_catalog_act *act, bool *ret_changed,
             struct pq_err *err)
{
	return pq_catalog_activate(desk->at, sequence, act, NULL, ret_changed, err);
}

static enum pq_status
dir_schedule(struct pq_desk *desk, uint64_t sequence, int64_t at_s, const struct pq_catalog_act *act,
             struct pq_err *err)
{
	return pq_catalog_schedule(desk->at, sequence, at_s, act, err);
}

static enum pq_status
dir_cancel(struct pq_desk *desk, uint64_t sequence, const struct pq_catalog_act *act, struct pq_err *err)
{
	return pq_catalog_cancel(desk->at, sequence, act, err);
}

static enum pq_status
dir_next_plan(struct pq_desk *desk, uint64_t *ret_sequence, int64_t *ret_at_s, struct pq_err *err)
{
	return pq_catalog_next_plan(desk->at, ret_sequence, ret_at_s, err);
}

static enum pq_status
dir_draft_rollback(struct pq_desk *desk, uint64_t sequence, int64_t created_s, const char *note,
                   struct pq_manifest *ret_manifest, struct pq_err *err)
{
	return pq_catalog_draft_rollback(desk->at, sequence, created_s, note, ret_manifest, err);
}

static enum pq_status
dir_rollback(struct pq_desk *desk, uint64_t sequence, const char *note, const struct pq_catalog_act *act,
             struct pq_manifest *ret_manifest, struct pq_err *err)
{
	struct pq_manifest manifest;

	if (desk->trust != NULL)
		return pq_fail(err, PQ_EFAILED,
		               "a rollback is a new revision and must be signed: name the --key; or write it with --draft FILE, have "
		               "it signed (pratique sign), and come back with --manifest FILE");
	enum pq_status status = pq_catalog_draft_rollback(desk->at, sequence, act->time_s, note, &manifest, err);
	if (status == PQ_OK)
		status = pq_catalog_add(desk->at, &manifest, NULL, act, NULL, NULL, err);
	if (status == PQ_OK)
		status = pq_catalog_activate(desk->at, manifest.sequence, act, NULL, NULL, err);
	if (status == PQ_OK)
		*ret_manifest = manifest;
	return status;
}

static enum pq_status
dir_prune(struct pq_desk *desk, size_t keep, const struct pq_catalog_act *act, size_t *ret_pruned, struct pq_err *err)
{
	return pq_catalog_prune(desk->at, keep, act, ret_pruned, err);
}

static enum pq_status
dir_journal(struct pq_desk *desk, uint64_t after, size_t max, struct pq_arena *arena,
            const struct pq_journal_record **ret_records, size_t *ret_n, struct pq_err *err)
{
	return pq_catalog_journal(desk->at, after, max, arena, ret_records, ret_n, err);
}

static void
dir_close(struct pq_desk *desk)
{
	pq_catalog_free(desk->at);
}

enum pq_status
pq_desk_open_dir(struct pq_desk *desk, const char *dir, const struct pq_trust *trust, bool create, struct pq_err *err)
{
	static const struct pq_desk_ops ops = {
		.list = dir_list,
		.next_sequence = dir_next_sequence,
		.add = dir_add,
		.activate = dir_activate,
		.schedule = dir_schedule,
		.cancel = dir_cancel,
		.next_plan = dir_next_plan,
		.draft_rollback = dir_draft_rollback,
		.rollback = dir_rollback,
		.prune = dir_prune,
		.journal = dir_journal,
		.close = dir_close,
	};
	const struct pq_catalog_options options = {
		.trust = trust,
		.prove = pq_packs_prove,
		.prove_ctx = stderr,
		.prover = "pratique " PQ_VERSION,
		.create = create,
	};
	struct pq_catalog *catalog;
	enum pq_status status = pq_catalog_open(dir, &options, &catalog, err);

	if (status == PQ_OK)
		*desk = (struct pq_desk){.ops = &ops, .place = dir, .trust = trust, .at = catalog};
	return status;
}

void
pq_desk_close(struct pq_desk *desk)
{
	if (desk->ops != NULL)
		desk->ops->close(desk);
	*desk = (struct pq_desk){0};
}

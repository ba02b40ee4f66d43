#include "server/keeper.h"

#include "server/follow.h"
#include "server/log.h"
#include "server/prove.h"
#include "server/replicas.h"
#include "server/server.h"
#include "server/snapshots.h"
#include "storage/verified.h"

#include <stdlib.h>
#include <time.h>

/* What a scheduled activation is journalled as. */
#define SCHEDULE "schedule"

int64_t
pq_keeper_now_s(void)
{
	return (int64_t)time(NULL);
}

bool
pq_keeper_follows(const struct pq_keeper *keeper)
{
	return keeper->options->follow != NULL;
}

/* ---- putting in force ------------------------------------------------------------------------------------------- */

static void
log_activated(const struct pq_revision *revision)
{
	PQ_LOG(PQ_LOG_INFO, "revision", PQ_LOG_NUMBER("sequence", pq_revision_sequence(revision)),
	       PQ_LOG_TEXT("digest", pq_revision_digest(revision)), PQ_LOG_NUMBER("bytes", pq_revision_size(revision)),
	       PQ_LOG_TEXT("verified", pq_revision_verified(revision)));
}

/* Activate in the catalog, and open what is active then. */
static enum pq_status
activate(struct pq_keeper *keeper, uint64_t sequence, const struct pq_catalog_act *act, bool *ret_changed,
         struct pq_revision **ret_revision, struct pq_err *err)
{
	struct pq_catalog_revision known;
	struct pq_store *store;
	bool changed;
	enum pq_status status = pq_catalog_activate(keeper->catalog, sequence, act, &store, &changed, err);

	if (status != PQ_OK)
		return status;
	status = pq_catalog_get(keeper->catalog, sequence, &known, err);
	if (status != PQ_OK) {
		pq_store_free(store);
		return status;
	}
	status = pq_revision_of(store, &known, ret_revision, err);
	if (status != PQ_OK)
		return status;
	status = pq_revision_prepare(*ret_revision, keeper->options->shards, err);
	if (status != PQ_OK) {
		pq_revision_release(*ret_revision);
		return status;
	}
	log_activated(*ret_revision);
	*ret_changed = changed;
	return PQ_OK;
}

static int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

enum pq_status
pq_keeper_activate(struct pq_keeper *keeper, uint64_t sequence, const struct pq_catalog_act *act, bool *ret_changed,
                   struct pq_err *err)
{
	struct pq_revision *revision;
	bool changed;
	int64_t began_ns = now_ns();

	pthread_mutex_lock(&keeper->activating);
	enum pq_status status = activate(keeper, sequence, act, &changed, &revision, err);
	if (status == PQ_OK && changed) {
		pq_server_publish(keeper->server, revision);
		pq_metrics_activated(&keeper->server->metrics, now_ns() - began_ns);
	} else if (status == PQ_OK) {
		pq_revision_release(revision);
	}
	pthread_mutex_unlock(&keeper->activating);
	pq_metrics_refused(&keeper->server->metrics, status);
	if (status == PQ_OK && ret_changed != NULL)
		*ret_changed = changed;
	return status;
}

enum pq_status
pq_keeper_add(struct pq_keeper *keeper, const struct pq_manifest *manifest, const struct pq_catalog_source *source,
              const struct pq_catalog_act *act, struct pq_catalog_revision *ret_revision, bool *ret_added,
              struct pq_err *err)
{
	enum pq_status status = pq_catalog_add(keeper->catalog, manifest, source, act, ret_revision, ret_added, err);

	pq_metrics_refused(&keeper->server->metrics, status);
	return status;
}

enum pq_status
pq_keeper_verify(struct pq_keeper *keeper, const struct pq_manifest *manifest, const char *name, char *ret_key,
                 struct pq_err *err)
{
	enum pq_status status = pq_manifest_verify(manifest, keeper->trust, name, ret_key, err);

	pq_metrics_refused(&keeper->server->metrics, status);
	return status;
}

/* ---- replicas --------------------------------------------------------------------------------------------------- */

size_t
pq_keeper_lags(struct pq_keeper *keeper, struct pq_replica_lag *ret)
{
	const struct pq_catalog_revision *known;
	uint64_t active = pq_server_sequence(keeper->server);
	struct pq_err err = {0};
	struct pq_arena arena;
	size_t n_known = 0;
	size_t n = pq_replicas_lags(keeper->replicas, pq_keeper_now_s(), ret);

	if (n == 0)
		return 0;
	pq_arena_init(&arena, PQ_SERVER_ARENA_BYTES);
	if (pq_catalog_list(keeper->catalog, &arena, &known, &n_known, &err) != PQ_OK)
		n_known = 0;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n_known; j++)
			ret[i].revisions += known[j].manifest.sequence > ret[i].sequence && known[j].manifest.sequence <= active;
		/* What is between may have been pruned here. */
		if (ret[i].revisions == 0 && ret[i].sequence < active)
			ret[i].revisions = 1;
	}
	pq_arena_release(&arena);
	return n;
}

/* ---- plans ------------------------------------------------------------------------------------------------------ */

static void
carry_out(struct pq_keeper *keeper, uint64_t sequence)
{
	struct pq_err err = {0}, again = {0};
	struct pq_catalog_act act = {.actor = SCHEDULE, .time_s = pq_keeper_now_s()};

	if (pq_keeper_activate(keeper, sequence, &act, NULL, &err) == PQ_OK)
		return;
	PQ_LOG(PQ_LOG_ERROR, "activation_failed", PQ_LOG_NUMBER("sequence", sequence), PQ_LOG_TEXT("where", err.where),
	       PQ_LOG_TEXT("error", err.msg));
	act.remark = err.msg;
	if (pq_catalog_refuse(keeper->catalog, sequence, &act, &again) != PQ_OK)
		PQ_LOG(PQ_LOG_ERROR, "plan_not_refused", PQ_LOG_NUMBER("sequence", sequence), PQ_LOG_TEXT("error", again.msg));
}

/* Between jobs: carry out a plan that is due, free old revisions, give watches a heartbeat. */
static int
on_idle(void *context)
{
	struct pq_keeper *keeper = context;
	struct pq_err err = {0};
	uint64_t sequence;
	int64_t at_s;

	pq_revision_reap(&keeper->server->revisions);
	if (!pq_keeper_follows(keeper) &&
	    pq_catalog_next_plan(keeper->catalog, &sequence, &at_s, &err) == PQ_OK && at_s <= pq_keeper_now_s())
		carry_out(keeper, sequence);
	pq_server_beat(keeper->server);
	return PQ_SERVER_BEAT_MS;
}

/* ---- lifecycle -------------------------------------------------------------------------------------------------- */

static enum pq_status
open_active(struct pq_keeper *keeper, struct pq_revision **ret_revision, struct pq_err *err)
{
	struct pq_catalog_act act = {.actor = "start", .time_s = pq_keeper_now_s()};
	struct pq_catalog_revision active;
	struct pq_err none = {0};
	bool changed;
	enum pq_status status = pq_catalog_active(keeper->catalog, &active, &none);

	if (status == PQ_ENOTFOUND) {
		*ret_revision = NULL;
		return PQ_OK;
	}
	if (status != PQ_OK) {
		*err = none;
		return status;
	}
	return activate(keeper, active.manifest.sequence, &act, &changed, ret_revision, err);
}

static enum pq_status
open_catalog(struct pq_keeper *keeper, struct pq_revision **ret_revision, struct pq_err *err)
{
	const struct pq_options *options = keeper->options;
	enum pq_status status = PQ_OK;

	if (options->n_trust > 0)
		status = pq_trust_load(options->trust, options->n_trust, &keeper->trust, err);
	else
		PQ_LOG(PQ_LOG_WARN, "unsigned", PQ_LOG_TEXT("warning", "no --trust: manifests are taken without signatures"));
	if (status != PQ_OK)
		return status;
	if (options->verified_cache != NULL)
		status = pq_verified_open(options->verified_cache, &keeper->verified, err);
	if (status != PQ_OK)
		return status;
	struct pq_catalog_options how = {
		.trust = keeper->trust, .verified = keeper->verified, .prove = pq_prove, .prover = "pratiqued " PQ_VERSION, .create = true};
	status = pq_catalog_open(options->data, &how, &keeper->catalog, err);
	if (status != PQ_OK)
		return status;
	keeper->snapshots = pq_snapshots_new(keeper->catalog);
	if (keeper->snapshots == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for snapshots");
	return open_active(keeper, ret_revision, err);
}

enum pq_status
pq_keeper_open(const struct pq_options *options, struct pq_keeper **ret_keeper, struct pq_revision **ret_revision,
               struct pq_err *err)
{
	struct pq_keeper *keeper = calloc(1, sizeof(*keeper));

	if (keeper == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for the keeper of revisions");
	keeper->options = options;
	pthread_mutex_init(&keeper->activating, NULL);
	pq_arena_init(&keeper->arena, PQ_SERVER_ARENA_BYTES);
	pq_backdesk_init(&keeper->changes, on_idle, keeper);
	pq_backdesk_init(&keeper->supplies, NULL, NULL);
	keeper->replicas = pq_replicas_new();
	enum pq_status status = keeper->replicas != NULL ? open_catalog(keeper, ret_revision, err)
	                                                 : pq_fail(err, PQ_ENOMEM, "no memory for the list of replicas");
	if (status != PQ_OK) {
		pq_keeper_free(keeper);
		return status;
	}
	*ret_keeper = keeper;
	return PQ_OK;
}

bool
pq_keeper_start(struct pq_keeper *keeper, struct pq_server *server)
{
	keeper->server = server;
	if (!pq_backdesk_start(&keeper->changes) || !pq_backdesk_start(&keeper->supplies))
		return false;
	if (keeper->options->follow == NULL)
		return true;
	keeper->follow = pq_follow_start(keeper);
	return keeper->follow != NULL;
}

void
pq_keeper_end(struct pq_keeper *keeper)
{
	pq_follow_end(keeper->follow);
	keeper->follow = NULL;
	pq_backdesk_end(&keeper->changes);
	pq_backdesk_end(&keeper->supplies);
}

void
pq_keeper_free(struct pq_keeper *keeper)
{
	if (keeper == NULL)
		return;
	pq_snapshots_free(keeper->snapshots);
	pq_replicas_free(keeper->replicas);
	pq_catalog_free(keeper->catalog);
	pq_verified_free(keeper->verified);
	pq_trust_free(keeper->trust);
	pq_backdesk_release(&keeper->changes);
	pq_backdesk_release(&keeper->supplies);
	pq_arena_release(&keeper->arena);
	pthread_mutex_destroy(&keeper->activating);
	free(keeper);
}

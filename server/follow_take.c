/*
 * What is in force elsewhere is put in force here. The order: signature, then bytes, size and digest, pages, cases; only
 * what has passed all of it is activated.
 */
#include "server/follow_private.h"

#include "server/log.h"
#include "server/server.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The store of the active revision, to apply differences to. Ownership: ret->fd is the caller's. False: there is none. */
static bool
open_base(struct pq_catalog *catalog, char path[PATH_MAX], struct pq_snapshot_file *ret)
{
	struct pq_catalog_revision active;
	struct pq_err err = {0};

	if (pq_catalog_active(catalog, &active, &err) != PQ_OK ||
	    pq_catalog_store_path(catalog, active.manifest.digest, path, &err) != PQ_OK)
		return false;
	*ret = (struct pq_snapshot_file){.fd = open(path, O_RDONLY | O_CLOEXEC), .path = path, .size = active.manifest.size};
	memcpy(ret->digest, active.manifest.digest, PQ_DIGEST_BYTES);
	return ret->fd >= 0;
}

/* What breaks off is gone on with the next time; what came out wrong is not. */
static bool
part_is_good(const struct pq_follow *follow, enum pq_status status)
{
	return status == PQ_OK || status == PQ_EIO || pq_follow_stops(follow);
}

static enum pq_status
fetch_part(struct pq_follow *follow, const struct pq_manifest *manifest, pq_follow_fetch_fn *fetch, int *ret_fd,
           struct pq_err *err)
{
	struct pq_catalog *catalog = follow->keeper->catalog;
	struct pq_snapshot_file base = {.fd = -1};
	char path[PATH_MAX];
	int fd;
	enum pq_status status = pq_catalog_part_open(catalog, manifest->digest, &fd, err);

	if (status != PQ_OK)
		return status;
	bool has_base = !follow->whole && open_base(catalog, path, &base);
	status = fetch(follow, manifest, has_base ? &base : NULL, fd, err);
	if (base.fd >= 0)
		close(base.fd);
	if (status == PQ_OK) {
		*ret_fd = fd;
		return PQ_OK;
	}
	/* Access that is denied says nothing of the revision. */
	if (status != PQ_EFAILED)
		pq_metrics_refused(&follow->keeper->server->metrics, status);
	if (!part_is_good(follow, status))
		pq_catalog_part_delete(catalog, manifest->digest);
	close(fd);
	return status;
}

/* Add the revision to the catalog, fetched if it is not there, and put it in force. */
static enum pq_status
bring(struct pq_follow *follow, const struct pq_manifest *manifest, pq_follow_fetch_fn *fetch, struct pq_err *err)
{
	struct pq_keeper *keeper = follow->keeper;
	struct pq_catalog_source source = {.from = PQ_CATALOG_HERE, .fd = -1, .name = follow->from};
	struct pq_catalog_act act = {.actor = follow->from, .time_s = pq_keeper_now_s()};
	enum pq_status status = pq_keeper_verify(keeper, manifest, follow->from, NULL, err);

	if (status == PQ_OK && !pq_catalog_has_store(keeper->catalog, manifest->digest)) {
		source.from = PQ_CATALOG_PART;
		status = fetch_part(follow, manifest, fetch, &source.fd, err);
	}
	if (status == PQ_OK)
		status = pq_keeper_add(keeper, manifest, &source, &act, NULL, NULL, err);
	if (source.fd >= 0 && !part_is_good(follow, status))
		pq_catalog_part_delete(keeper->catalog, manifest->digest);
	if (source.fd >= 0)
		close(source.fd);
	return status == PQ_OK ? pq_keeper_activate(keeper, manifest->sequence, &act, NULL, err) : status;
}

static enum pq_status
refuse_order(struct pq_follow *follow, const struct pq_manifest *manifest, uint64_t active, struct pq_err *err)
{
	enum pq_status status;

	if (manifest->sequence == active)
		status = pq_fail_at(err, PQ_EFAILED, follow->from, 0, 0,
		                    "states something else under sequence %llu than what is served here",
		                    (unsigned long long)active);
	else
		status = pq_fail_at(err, PQ_EFAILED, follow->from, 0, 0,
		                    "points back to sequence %llu; %llu is served here, and the law does not go back",
		                    (unsigned long long)manifest->sequence, (unsigned long long)active);
	pq_metrics_refused(&follow->keeper->server->metrics, status);
	return status;
}

static void
note_refusal(struct pq_follow *follow, uint64_t sequence, enum pq_status status, const struct pq_err *err)
{
	if (follow->refused != sequence)
		follow->retry.failures = 0;
	follow->refused = sequence;
	follow->whole = status != PQ_EIO;
	follow->again_ms = pq_follow_now_ms() + pq_backoff_next(&follow->retry);
	follow->news = true;
	snprintf(follow->error, sizeof(follow->error), "sequence %llu: %.400s", (unsigned long long)sequence, err->msg);
	pq_metrics_not_followed(&follow->keeper->server->metrics);
	PQ_LOG(PQ_LOG_ERROR, "revision_refused", PQ_LOG_NUMBER("sequence", sequence), PQ_LOG_TEXT("where", err->where),
	       PQ_LOG_TEXT("error", err->msg),
	       PQ_LOG_NUMBER("again_in_ms", follow->again_ms - pq_follow_now_ms()));
}

static bool
accept(struct pq_follow *follow)
{
	follow->news |= follow->refused != 0;
	follow->refused = follow->retry.failures = 0;
	follow->whole = false;
	follow->error[0] = '\0';
	return true;
}

bool
pq_follow_take(struct pq_follow *follow, const struct pq_manifest *manifest, pq_follow_fetch_fn *fetch)
{
	struct pq_catalog_revision active = {0};
	struct pq_err err = {0};
	enum pq_status status = pq_catalog_active(follow->keeper->catalog, &active, &err);
	bool waits = follow->refused == manifest->sequence && pq_follow_now_ms() < follow->again_ms;

	if (status == PQ_OK && pq_manifest_same_statement(&active.manifest, manifest))
		return accept(follow);
	if (waits)
		return false;
	err = (struct pq_err){0};
	if (active.manifest.sequence >= manifest->sequence)
		status = refuse_order(follow, manifest, active.manifest.sequence, &err);
	else
		status = bring(follow, manifest, fetch, &err);
	if (status == PQ_OK) {
		follow->news = true;
		return accept(follow);
	}
	if (!pq_follow_stops(follow))
		note_refusal(follow, manifest->sequence, status, &err);
	return false;
}

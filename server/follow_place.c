/* Following a place, by asking it from time to time: a folder, a web server, a bucket, a registry. */
#include "server/follow_private.h"

#include "fetch/fetcher.h"
#include "server/log.h"
#include "server/server.h"

static enum pq_status
fetch(struct pq_follow *follow, const struct pq_manifest *manifest, const struct pq_snapshot_file *base, int fd,
      struct pq_err *err)
{
	struct pq_fetch_stats stats;
	enum pq_status status =
		pq_fetcher_get(follow->fetcher, manifest, base, fd, "the part of a store", &stats, err);

	if (status == PQ_OK)
		PQ_LOG(PQ_LOG_INFO, "fetched", PQ_LOG_NUMBER("sequence", manifest->sequence),
		       PQ_LOG_NUMBER("bytes", stats.moved), PQ_LOG_NUMBER("differences", stats.differences),
		       PQ_LOG_NUMBER("resumed", stats.resumed));
	return status;
}

/* Called while something is transferred. */
static bool
goes_on(void *context, uint64_t done, uint64_t total)
{
	(void)done;
	(void)total;
	return !pq_follow_stops(context);
}

/* Ask once, and deal with what is told. */
static enum pq_status
look(struct pq_follow *follow, struct pq_err *err)
{
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	struct pq_manifest manifest;
	size_t len;
	bool changed;
	int64_t asked_ms = pq_follow_now_ms();
	enum pq_status status = pq_fetcher_poll(follow->fetcher, text, &len, &changed, err);

	if (status == PQ_OK && changed)
		status = pq_manifest_parse(text, len, follow->from, &manifest, err);
	if (status != PQ_OK)
		return status;
	pq_follow_reached(follow);
	/* What was refused is told again, for it is not accepted; so an unchanged place is one whose revision is served. */
	if (changed && !pq_follow_take(follow, &manifest, fetch))
		return PQ_OK;
	pq_fetcher_accept(follow->fetcher);
	pq_knowledge_set(&follow->keeper->server->knowledge, pq_follow_now_ms() - asked_ms);
	return PQ_OK;
}

/* At random between half of the interval and all of it, so that replicas spread; sooner where something was refused. */
static int64_t
pause_ms(const struct pq_follow *follow)
{
	uint32_t interval_ms = follow->keeper->options->poll_interval_s * 1000;
	struct pq_backoff spread = {.first_ms = interval_ms, .longest_ms = interval_ms};
	int64_t left_ms = follow->again_ms - pq_follow_now_ms();

	return follow->refused == 0 ? pq_backoff_next(&spread) : left_ms > 0 ? left_ms : 0;
}

/* Credentials and authorities are read anew after each failure, for they may be its reason. */
enum pq_status
pq_follow_place(struct pq_follow *follow, struct pq_err *err)
{
	const struct pq_options *options = follow->keeper->options;
	const struct pq_fetch_watch watch = {.progress = goes_on, .ctx = follow};
	struct pq_fetch_options how = {.ca_file = options->follow_ca};
	struct pq_credentials *credentials;
	enum pq_status status = pq_credentials_load(options->follow_credentials, &credentials, err);

	if (status != PQ_OK)
		return status;
	how.credentials = credentials;
	status = pq_fetcher_open(follow->from, &how, &follow->fetcher, err);
	if (status == PQ_OK)
		pq_fetcher_watch(follow->fetcher, &watch);
	while (status == PQ_OK && !pq_follow_stops(follow)) {
		status = look(follow, err);
		if (status == PQ_OK)
			pq_follow_sleep(follow, pause_ms(follow));
	}
	pq_fetcher_free(follow->fetcher);
	follow->fetcher = NULL;
	pq_credentials_free(credentials);
	return status;
}

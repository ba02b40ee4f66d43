#include "fetch/fetcher.h"

#include "fetch/place.h"
#include "storage/limits.h"

#include <stdlib.h>
#include <string.h>

/* Where a reader wants to go on this much further than the transfer stands, the range is asked for anew. */
#define JUMP_BYTES ((uint64_t)256 << 10)

static const struct pq_fetch_options no_options;

struct pq_fetcher {
	struct pq_place place;
	char mark[PQ_MARK_BYTES];   /* of what was accepted */
	char polled[PQ_MARK_BYTES]; /* of what was told last */
};

enum pq_status
pq_fetcher_open(const char *url, const struct pq_fetch_options *options, struct pq_fetcher **ret_fetcher,
                struct pq_err *err)
{
	struct pq_fetcher *fetcher = calloc(1, sizeof(*fetcher));

	if (fetcher == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for a fetcher");
	enum pq_status status = pq_place_init(&fetcher->place, url, options != NULL ? options : &no_options, err);

	if (status != PQ_OK) {
		pq_fetcher_free(fetcher);
		return status;
	}
	*ret_fetcher = fetcher;
	return PQ_OK;
}

void
pq_fetcher_free(struct pq_fetcher *fetcher)
{
	if (fetcher == NULL)
		return;
	pq_place_release(&fetcher->place);
	free(fetcher);
}

const char *
pq_fetcher_url(const struct pq_fetcher *fetcher)
{
	return fetcher->place.url.text;
}

void
pq_fetcher_watch(struct pq_fetcher *fetcher, const struct pq_fetch_watch *watch)
{
	fetcher->place.watch = watch;
	if (fetcher->place.http != NULL)
		pq_http_watch(fetcher->place.http, watch);
}

enum pq_status
pq_fetcher_poll(struct pq_fetcher *fetcher, char ret_text[PQ_MANIFEST_BYTES_MAX + 1], size_t *ret_len,
                bool *ret_changed, struct pq_err *err)
{
	bool changed;
	enum pq_status status =
		fetcher->place.ops->poll(&fetcher->place, fetcher->mark, ret_text, ret_len, fetcher->polled, &changed, err);

	if (status != PQ_OK)
		return status;
	if (!changed)
		strcpy(fetcher->polled, fetcher->mark);
	*ret_changed = changed;
	return PQ_OK;
}

void
pq_fetcher_accept(struct pq_fetcher *fetcher)
{
	strcpy(fetcher->mark, fetcher->polled);
}

const char *
pq_fetcher_mark(const struct pq_fetcher *fetcher)
{
	return fetcher->mark;
}

void
pq_fetcher_set_mark(struct pq_fetcher *fetcher, const char *mark)
{
	size_t len = strlen(mark);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)mark[i] < 0x20 || mark[i] == 0x7f)
			return;
	if (len > 0 && len < sizeof(fetcher->mark))
		memcpy(fetcher->mark, mark, len + 1);
}

/* A snapshot that is being got. */
struct getting {
	struct pq_fetcher *fetcher;
	struct pq_snapshot_reader *reader;
	struct pq_fetch_stats *stats;
	bool jumped;  /* the transfer was ended to go on further behind */
	bool refused; /* the reader did not take what came: trying once more does not help */
};

static enum pq_status
take(void *ctx, uint64_t at, const void *data, size_t len, struct pq_err *err)
{
	struct getting *getting = ctx;
	enum pq_status status = pq_snapshot_reader_feed(getting->reader, at, data, len, err);

	getting->stats->moved += len;
	if (status != PQ_OK) {
		getting->refused = true;
		return status;
	}
	bool complete = pq_snapshot_reader_complete(getting->reader);
	uint64_t next = pq_snapshot_reader_next(getting->reader);

	if (next <= at + len || (!complete && next - at - len < JUMP_BYTES))
		return PQ_OK;
	getting->jumped = true;
	return pq_fail(err, PQ_EFAILED, "has enough");
}

/* Get one snapshot, in as many turns as it takes. */
static enum pq_status
get_snapshot(struct getting *getting, const char *store, const char *base, struct pq_err *err)
{
	struct pq_place *place = &getting->fetcher->place;
	struct pq_snapshot_reader *reader = getting->reader;
	int breaks = 0;

	while (!pq_snapshot_reader_complete(reader)) {
		struct pq_err fault = {.status = PQ_OK};
		uint64_t stood = pq_snapshot_reader_next(reader);

		getting->jumped = getting->refused = false;
		enum pq_status status = place->ops->get(place, store, base, stood, take, getting, &fault);

		if (getting->jumped)
			continue;
		if (status == PQ_OK && !pq_snapshot_reader_complete(reader))
			status = pq_fail_at(&fault, PQ_EIO, place->url.text, 0, 0, "ends after %llu bytes of a snapshot",
			                    (unsigned long long)pq_snapshot_reader_next(reader));
		if (status == PQ_OK)
			break;
		/* Bytes of a piece that was begun are good: the next turn goes on behind them, and digests watch over it. */
		bool goes_on = status == PQ_EIO && !getting->refused && pq_snapshot_reader_next(reader) > stood;

		if (!goes_on || ++breaks > PQ_RESUMES_MAX) {
			if (err != NULL)
				*err = fault;
			return status;
		}
		getting->stats->resumed++;
	}
	getting->stats->total = pq_snapshot_reader_total(reader);
	return pq_snapshot_reader_finish(reader, err);
}

/* Into the file, from a snapshot of one kind. */
static enum pq_status
get_kind(struct pq_fetcher *fetcher, const struct pq_manifest *manifest, const struct pq_snapshot_file *base,
         int out_fd, const char *out_path, struct pq_fetch_stats *stats, struct pq_err *err)
{
	struct getting getting = {.fetcher = fetcher, .stats = stats};
	char store[PQ_DIGEST_HEX_BYTES], from[PQ_DIGEST_HEX_BYTES] = "";
	enum pq_status status =
		pq_snapshot_reader_new(manifest, base, out_fd, out_path, fetcher->place.url.text, &getting.reader, err);

	if (status != PQ_OK)
		return status;
	pq_digest_hex(manifest->digest, store);
	if (base != NULL)
		pq_digest_hex(base->digest, from);
	status = get_snapshot(&getting, store, from, err);
	stats->differences = base != NULL;
	/* Differences against another store than their name says: as good as damaged. */
	if (status == PQ_EFAILED && base != NULL && getting.refused)
		status = PQ_ECORRUPT;
	pq_snapshot_reader_free(getting.reader);
	return status;
}

enum pq_status
pq_fetcher_get(struct pq_fetcher *fetcher, const struct pq_manifest *manifest, const struct pq_snapshot_file *base,
               int out_fd, const char *out_path, struct pq_fetch_stats *ret_stats, struct pq_err *err)
{
	uint64_t max = fetcher->place.options->max_bytes;
	struct pq_fetch_stats stats = {.moved = 0};
	struct pq_err fault = {.status = PQ_OK};
	enum pq_status status = PQ_ENOTFOUND;

	if (manifest->size > (max != 0 ? max : PQ_STORE_FILE_BYTES_MAX))
		return pq_fail_at(err, PQ_ELIMIT, fetcher->place.url.text, 0, 0,
		                  "offers a store of %llu bytes; at most %llu are taken", (unsigned long long)manifest->size,
		                  (unsigned long long)(max != 0 ? max : PQ_STORE_FILE_BYTES_MAX));
	if (base != NULL)
		status = get_kind(fetcher, manifest, base, out_fd, out_path, &stats, &fault);
	/* Differences that are not there, or not sound, only cost the way; what they brought is used. */
	if (status == PQ_ENOTFOUND || status == PQ_ECORRUPT || status == PQ_EFORMAT || status == PQ_ELIMIT)
		status = get_kind(fetcher, manifest, NULL, out_fd, out_path, &stats, &fault);
	if (status != PQ_OK) {
		if (err != NULL)
			*err = fault;
		return status;
	}
	if (ret_stats != NULL)
		*ret_stats = stats;
	return PQ_OK;
}

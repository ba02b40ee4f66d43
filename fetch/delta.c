#include "fetch/delta.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that two places must have in common for one to be found by the other. */
#define SEED_BYTES 24u
/* Bytes over which two ways along the older store are compared. */
#define LOOK_BYTES 256u
/* How far beside the present way another is looked for: an inserted record shifts what follows by its size. */
#define BESIDE_BYTES 1024
/* Of a block's bytes: fewer that agree, and it is told as it is; as many fewer than before, and the way is looked for. */
#define AGREE_MIN 12u
#define AGREE_DROP 10u
#define AGREE_POOR 40u
/* Blocks until a way that does not improve is looked for again: each time twice as many, up to this. */
#define PATIENCE_MAX 64u
#define NOWHERE UINT32_MAX

struct pq_delta_index {
	const uint8_t *base;
	uint64_t len;
	uint64_t step;   /* bytes between indexed places */
	uint32_t bits;   /* the table has 2^bits slots */
	uint32_t *slots; /* number of an indexed place, or NOWHERE */
};

static uint32_t
seed_hash(const uint8_t *at, uint32_t bits)
{
	uint64_t words[SEED_BYTES / 8];
	uint64_t hash = 0;

	memcpy(words, at, SEED_BYTES);
	for (size_t i = 0; i < SEED_BYTES / 8; i++)
		hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)((hash ^ hash >> 29) * UINT64_C(0xbf58476d1ce4e5b9) >> (64 - bits));
}

/* A run of one byte is found everywhere and says nothing. */
static bool
says_nothing(const uint8_t *at)
{
	return memcmp(at, at + 1, SEED_BYTES - 1) == 0;
}

enum pq_status
pq_delta_index_new(const uint8_t *base, uint64_t len, struct pq_delta_index **ret_index, struct pq_err *err)
{
	struct pq_delta_index *index = malloc(sizeof(*index));
	uint64_t step = 16;

	while (len / step > PQ_DELTA_PLACES_MAX)
		step *= 2;
	uint64_t places = len >= SEED_BYTES ? (len - SEED_BYTES) / step + 1 : 0;
	uint32_t bits = 4;

	while ((UINT64_C(1) << bits) < places)
		bits++;
	uint32_t *slots = index != NULL ? malloc(sizeof(*slots) << bits) : NULL;

	if (slots == NULL) {
		free(index);
		return pq_fail(err, PQ_ENOMEM, "no memory to compare two stores");
	}
	memset(slots, 0xff, sizeof(*slots) << bits);
	for (uint64_t i = 0; i < places; i++) {
		const uint8_t *at = base + i * step;
		uint32_t *slot = &slots[seed_hash(at, bits)];

		if (*slot == NOWHERE && !says_nothing(at))
			*slot = (uint32_t)i;
	}
	*index = (struct pq_delta_index){.base = base, .len = len, .step = step, .bits = bits, .slots = slots};
	*ret_index = index;
	return PQ_OK;
}

void
pq_delta_index_free(struct pq_delta_index *index)
{
	if (index == NULL)
		return;
	free(index->slots);
	free(index);
}

/* How many of the `len` bytes agree where the older store is followed at `from`; none where it does not reach. */
static uint32_t
agreeing(const struct pq_delta_index *index, int64_t from, const uint8_t *piece, uint32_t len)
{
	uint32_t count = 0;

	if (from < 0 || (uint64_t)from > index->len || index->len - (uint64_t)from < len)
		return 0;
	const uint8_t *old = index->base + from;

	for (uint32_t i = 0; i < len; i++)
		count += old[i] == piece[i];
	return count;
}

/* The search for the way along the older store: what is added to a place in the new store to get one in the old. */
struct way {
	const struct pq_delta_index *index;
	uint64_t at; /* of the piece in the new store */
	const uint8_t *piece;
	uint32_t len;
	int64_t shift;
	uint32_t last;     /* bytes of the last block that agreed */
	uint32_t wait;     /* blocks until the way is looked for again though nothing dropped */
	uint32_t patience; /* how many they will be next time */
};

struct best {
	int64_t shift;
	uint32_t count;
};

static void
try_shift(const struct way *way, uint32_t pos, int64_t shift, struct best *best)
{
	uint32_t look = way->len - pos < LOOK_BYTES ? way->len - pos : LOOK_BYTES;
	uint32_t count = agreeing(way->index, (int64_t)(way->at + pos) + shift, way->piece + pos, look);

	if (count > best->count)
		*best = (struct best){shift, count};
}

static void
try_seeds(const struct way *way, uint32_t pos, struct best *best)
{
	const struct pq_delta_index *index = way->index;
	int64_t tried = way->shift;

	for (uint32_t i = pos; i < pos + PQ_DELTA_BLOCK_BYTES && way->len - i >= SEED_BYTES; i++) {
		uint32_t place = index->slots[seed_hash(way->piece + i, index->bits)];
		int64_t shift = (int64_t)(place * index->step) - (int64_t)(way->at + i);

		if (place == NOWHERE || shift == tried)
			continue;
		try_shift(way, pos, shift, best);
		tried = shift;
	}
}

/* Take another way if one agrees clearly better over what follows; true if so. */
static bool
look_around(struct way *way, uint32_t pos)
{
	struct best best = {way->shift, 0};

	try_shift(way, pos, way->shift, &best);
	uint32_t enough = best.count + LOOK_BYTES / 16;

	try_seeds(way, pos, &best);
	for (int64_t beside = 4; beside <= BESIDE_BYTES; beside += 4) {
		try_shift(way, pos, way->shift + beside, &best);
		try_shift(way, pos, way->shift - beside, &best);
	}
	if (best.count <= enough)
		return false;
	way->shift = best.shift;
	return true;
}

/* How many bytes of the block at `pos` agree along the way, which may be another one afterwards. */
static uint32_t
follow(struct way *way, uint32_t pos, uint32_t len)
{
	uint32_t count = agreeing(way->index, (int64_t)(way->at + pos) + way->shift, way->piece + pos, len);
	bool poor = count < AGREE_POOR && count < len;

	if (poor && way->wait > 0)
		way->wait--;
	if (count + AGREE_DROP <= way->last || (poor && way->wait == 0)) {
		if (look_around(way, pos)) {
			count = agreeing(way->index, (int64_t)(way->at + pos) + way->shift, way->piece + pos, len);
			way->patience = 1;
		} else {
			way->patience = way->patience < PATIENCE_MAX ? 2 * way->patience : PATIENCE_MAX;
		}
		way->wait = way->patience;
	}
	way->last = count;
	return count;
}

struct run {
	uint64_t from;
	uint32_t along;
	uint32_t plain;
};

static void
put_run(uint8_t *bytes, uint32_t i, const struct run *run)
{
	memcpy(bytes + 4 + 16 * (size_t)i, &run->from, 8);
	memcpy(bytes + 4 + 16 * (size_t)i + 8, &run->along, 4);
	memcpy(bytes + 4 + 16 * (size_t)i + 12, &run->plain, 4);
}

static struct run
get_run(const uint8_t *bytes, uint32_t i)
{
	struct run run;

	memcpy(&run.from, bytes + 4 + 16 * (size_t)i, 8);
	memcpy(&run.along, bytes + 4 + 16 * (size_t)i + 8, 4);
	memcpy(&run.plain, bytes + 4 + 16 * (size_t)i + 12, 4);
	return run;
}

/* The runs of a piece, into `bytes`; returns their number. */
static uint32_t
find_runs(struct way *way, uint8_t *bytes)
{
	struct run run = {0, 0, 0};
	uint32_t n = 0;

	for (uint32_t pos = 0, block; pos < way->len; pos += block) {
		block = way->len - pos < PQ_DELTA_BLOCK_BYTES ? way->len - pos : PQ_DELTA_BLOCK_BYTES;
		bool along = follow(way, pos, block) >= AGREE_MIN;
		uint64_t from = (uint64_t)((int64_t)(way->at + pos) + way->shift);

		if (along && (run.plain > 0 || (run.along > 0 && run.from + run.along != from))) {
			put_run(bytes, n++, &run);
			run = (struct run){0, 0, 0};
		}
		if (along && run.along == 0)
			run.from = from;
		if (along)
			run.along += block;
		else
			run.plain += block;
	}
	if (way->len > 0)
		put_run(bytes, n++, &run);
	return n;
}

static void
subtract(uint8_t *ret, const uint8_t *piece, const uint8_t *old, uint32_t len)
{
	uint32_t i = 0;

	for (; i + 4 <= len; i += 4) {
		uint32_t a, b;

		memcpy(&a, piece + i, 4);
		memcpy(&b, old + i, 4);
		a -= b;
		memcpy(ret + i, &a, 4);
	}
	for (; i < len; i++)
		ret[i] = (uint8_t)(piece[i] - old[i]);
}

static void
add(uint8_t *piece, const uint8_t *difference, uint32_t len)
{
	uint32_t i = 0;

	for (; i + 4 <= len; i += 4) {
		uint32_t a, b;

		memcpy(&a, piece + i, 4);
		memcpy(&b, difference + i, 4);
		a += b;
		memcpy(piece + i, &a, 4);
	}
	for (; i < len; i++)
		piece[i] = (uint8_t)(piece[i] + difference[i]);
}

size_t
pq_delta_encode(const struct pq_delta_index *index, uint64_t at, const uint8_t *piece, uint32_t len, uint8_t *ret_bytes)
{
	struct way way = {.index = index, .at = at, .piece = piece, .len = len, .wait = 1, .patience = 1};
	uint32_t n = find_runs(&way, ret_bytes);
	size_t end = 4 + 16 * (size_t)n;
	uint32_t pos = 0;

	memcpy(ret_bytes, &n, 4);
	for (uint32_t i = 0; i < n; i++) {
		struct run run = get_run(ret_bytes, i);

		subtract(ret_bytes + end, piece + pos, index->base + run.from, run.along);
		end += run.along;
		pos += run.along + run.plain;
	}
	pos = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct run run = get_run(ret_bytes, i);

		memcpy(ret_bytes + end, piece + pos + run.along, run.plain);
		end += run.plain;
		pos += run.along + run.plain;
	}
	return end;
}

/* Do the runs make a piece of this length, out of an older store of that length, and are all their bytes there? */
static bool
runs_fit(const uint8_t *bytes, size_t len, uint32_t n, uint64_t base_len, uint32_t piece_len, size_t *ret_along)
{
	uint64_t along = 0, plain = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct run run = get_run(bytes, i);

		if (run.along > 0 && (run.from > base_len || base_len - run.from < run.along))
			return false;
		along += run.along;
		plain += run.plain;
	}
	*ret_along = (size_t)along;
	return along + plain == piece_len && 4 + 16 * (uint64_t)n + piece_len == len;
}

enum pq_status
pq_delta_decode(const uint8_t *bytes, size_t len, pq_delta_read_fn *read, void *ctx, uint64_t base_len,
                uint8_t *ret_piece, uint32_t piece_len, struct pq_err *err)
{
	uint32_t n = 0;
	size_t along;

	if (len >= 4)
		memcpy(&n, bytes, 4);
	if (len < 4 || n > (len - 4) / 16 || !runs_fit(bytes, len, n, base_len, piece_len, &along))
		return pq_fail(err, PQ_ECORRUPT, "is no difference of %u bytes", piece_len);
	const uint8_t *difference = bytes + 4 + 16 * (size_t)n;
	const uint8_t *plain = difference + along;

	for (uint32_t i = 0; i < n; i++) {
		struct run run = get_run(bytes, i);

		if (run.along > 0) {
			enum pq_status status = read(ctx, run.from, ret_piece, run.along, err);

			if (status != PQ_OK)
				return status;
			add(ret_piece, difference, run.along);
		}
		memcpy(ret_piece + run.along, plain, run.plain);
		difference += run.along;
		plain += run.plain;
		ret_piece += run.along + run.plain;
	}
	return PQ_OK;
}

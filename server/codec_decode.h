/*
 * What the files of the plain decoder share: a message's bytes as they are walked, and the facts of a place. codec.h says
 * what plain is for; whatever is not plain ends with `plain` false, and nothing that was read counts then.
 */
#ifndef PQ_SERVER_CODEC_DECODE_H
#define PQ_SERVER_CODEC_DECODE_H

#include "policy/arena.h"
#include "policy/facts.h"
#include "server/wire.h"

/* Numbers of DecideRequest's fields are below this. */
#define PQ_DECODE_FIELDS 21

struct pq_view {
	const uint8_t *at, *end;
};

struct pq_decoder {
	struct pq_arena *arena;
	bool plain;
	struct pq_fact facts[PQ_MAX_FACTS + 1]; /* of the place that is read */
	size_t n;
	size_t from_map; /* of them; only they can repeat another */
};

/* Which typed fields of a message are short for which facts, and which is its map. */
struct pq_decode_place;

extern const struct pq_decode_place pq_decode_request, pq_decode_item, pq_decode_line, pq_decode_party, pq_decode_owner,
	pq_decode_intermediate, pq_decode_person, pq_decode_hit, pq_decode_screening;

/* ---- the wire --------------------------------------------------------------------------------------------------- */

static inline void
pq_decode_stop(struct pq_decoder *d)
{
	d->plain = false;
}

/* A varint of at most three bytes, without padding: lengths and numbers of a plain request have no more. */
static inline uint32_t
pq_decode_varint(struct pq_decoder *d, struct pq_view *view)
{
	uint32_t value = 0;

	for (unsigned shift = 0; shift < 21; shift += 7) {
		if (view->at == view->end)
			break;
		uint8_t byte = *view->at++;
		value |= (uint32_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			if (byte == 0 && shift > 0)
				break;
			return value;
		}
	}
	pq_decode_stop(d);
	return 0;
}

static inline struct pq_view
pq_decode_inside(struct pq_decoder *d, struct pq_view *view)
{
	uint32_t len = pq_decode_varint(d, view);

	if (!d->plain || len > (size_t)(view->end - view->at)) {
		pq_decode_stop(d);
		return (struct pq_view){view->at, view->at};
	}
	struct pq_view ret = {view->at, view->at + len};
	view->at += len;
	return ret;
}

/*
 * The key of the next field: its number goes up, or stays for a repeated one. False: the message ends, or is not plain.
 */
static inline bool
pq_decode_next(struct pq_decoder *d, struct pq_view *view, uint32_t repeated, uint32_t *number, uint32_t *wire)
{
	if (!d->plain || view->at == view->end)
		return false;
	uint32_t key = pq_decode_varint(d, view), before = *number;
	*number = key >> 3;
	*wire = key & 7;
	if (*number == 0 || *number >= PQ_DECODE_FIELDS || *number < before || (*number == before && (repeated >> before & 1) == 0))
		pq_decode_stop(d);
	return d->plain;
}

static inline bool
pq_decode_expect(struct pq_decoder *d, uint32_t wire, uint32_t expected)
{
	if (wire != expected)
		pq_decode_stop(d);
	return d->plain;
}

/** A text within its bound, UTF-8 and without NUL. */
struct pq_text pq_decode_text(struct pq_decoder *d, struct pq_view *view);

/* ---- facts of a place ------------------------------------------------------------------------------------------- */

/** Read a field of the place's table; a field that is in none is not plain. */
void pq_decode_fact(struct pq_decoder *d, struct pq_view *view, const struct pq_decode_place *place, uint32_t number,
                    uint32_t wire);

/** Read an entry of a map of facts, whose names get `prefix`. */
void pq_decode_entry(struct pq_decoder *d, struct pq_view *view, const char *prefix);

/** Read a message of nothing but facts, whose map is field `map`. */
void pq_decode_facts(struct pq_decoder *d, struct pq_view in, const struct pq_decode_place *place, uint32_t map);

/** The facts that were read since the last time, in the arena. */
struct pq_facts pq_decode_keep(struct pq_decoder *d);

#endif

/*
 * A plain DecideRequest as facts: see codec.h. Whatever is out of the ordinary ends with `plain` false, and the caller asks
 * the reference, so there is one place that says what is wrong.
 *
 * Plain is: fields in the order of their numbers, single ones once, none unknown; lengths and numbers without padding;
 * texts within their bound and UTF-8; all that convert_request.c would note absent.
 */
#include "server/codec.h"

#include "server/codec_decode.h"

#include <string.h>

static void
read_party(struct pq_decoder *d, struct pq_view in, struct pq_party *ret)
{
	uint32_t number = 0, wire;
	struct pq_facts *owners = NULL;
	struct pq_view at[PQ_MAX_OWNERS];
	size_t n = 0;

	while (pq_decode_next(d, &in, 1u << 8 | 1u << 9, &number, &wire)) {
		if (number != 8) {
			pq_decode_fact(d, &in, &pq_decode_party, number, wire);
		} else if (pq_decode_expect(d, wire, PQ_WIRE_BYTES) && n < PQ_MAX_OWNERS) {
			at[n++] = pq_decode_inside(d, &in);
		} else {
			pq_decode_stop(d);
		}
	}
	ret->facts = pq_decode_keep(d);
	if (n > 0 && (owners = pq_arena_array(d->arena, n, sizeof(*owners))) == NULL)
		pq_decode_stop(d);
	for (size_t i = 0; i < n && d->plain; i++) {
		pq_decode_facts(d, at[i], &pq_decode_owner, 4);
		owners[i] = pq_decode_keep(d);
	}
	ret->owners = owners;
	ret->n_owners = n;
}

static void
read_line(struct pq_decoder *d, struct pq_view in, struct pq_facts *ret)
{
	uint32_t number = 0, wire;

	while (pq_decode_next(d, &in, 1u << 3, &number, &wire)) {
		if (number == 1 && pq_decode_expect(d, wire, PQ_WIRE_BYTES))
			pq_decode_facts(d, pq_decode_inside(d, &in), &pq_decode_item, 5);
		else
			pq_decode_fact(d, &in, &pq_decode_line, number, wire);
	}
	*ret = pq_decode_keep(d);
}

static void
read_screening(struct pq_decoder *d, struct pq_view in, struct pq_view hits[PQ_MAX_HITS], size_t *n_hits)
{
	uint32_t number = 0, wire;

	while (pq_decode_next(d, &in, 1u << 2 | 1u << 4, &number, &wire)) {
		if (number != 2) {
			pq_decode_fact(d, &in, &pq_decode_screening, number, wire);
		} else if (pq_decode_expect(d, wire, PQ_WIRE_BYTES) && *n_hits < PQ_MAX_HITS) {
			hits[(*n_hits)++] = pq_decode_inside(d, &in);
		} else {
			pq_decode_stop(d);
		}
	}
}

/* Messages within the request that are read after its own facts, in the order of the reference. */
struct spans {
	struct pq_view item, person, screening;
	struct pq_view lines, parties, intermediates, assume; /* from the length of the first to the last one's end */
	size_t n_lines, n_parties, n_intermediates, n_assume;
};

static void
note(struct pq_decoder *d, struct pq_view *in, struct pq_view *span, size_t *n)
{
	const uint8_t *from = in->at;

	pq_decode_inside(d, in);
	if ((*n)++ == 0)
		span->at = from;
	span->end = in->at;
}

/* The next of the messages in a span; keys stand between them. */
static struct pq_view
next_in(struct pq_decoder *d, struct pq_view *span)
{
	struct pq_view ret = pq_decode_inside(d, span);

	if (span->at < span->end)
		span->at++; /* the key, of one byte, which was looked at before */
	return ret;
}

static void
read_as_of(struct pq_decoder *d, struct pq_view *in, struct pq_request *ret)
{
	struct pq_text day = pq_decode_text(d, in);

	if (!d->plain || !pq_date_parse(day.at, day.len, &ret->as_of))
		pq_decode_stop(d);
}

static void
read_profile(struct pq_decoder *d, struct pq_view *in, struct pq_text *profiles, struct pq_request *ret)
{
	if (ret->n_profiles == PQ_MAX_PROFILES)
		pq_decode_stop(d);
	else
		profiles[ret->n_profiles++] = pq_decode_text(d, in);
}

/* What stands in the request itself; the rest is only noted. */
static void
read_top(struct pq_decoder *d, struct pq_view in, struct spans *spans, struct pq_text *profiles, struct pq_request *ret,
         struct pq_demand *ret_demand)
{
	const uint32_t repeated = 1u << 7 | 1u << 9 | 1u << 10 | 1u << 15 | 1u << 16 | 1u << 17;
	const uint32_t varints = 1u << 2 | 1u << 18 | 1u << 19 | 1u << 20;
	uint32_t number = 0, wire, query;
	bool dated = false;

	while (pq_decode_next(d, &in, repeated, &number, &wire) &&
	       pq_decode_expect(d, wire, varints >> number & 1 ? PQ_WIRE_VARINT : PQ_WIRE_BYTES)) {
		switch (number) {
		case 1:
			read_as_of(d, &in, ret);
			dated = true;
			break;
		case 2:
			query = pq_decode_varint(d, &in);
			ret->jurisdiction_only = query == 1;
			if (query > 1)
				pq_decode_stop(d);
			break;
		case 7:
			note(d, &in, &spans->intermediates, &spans->n_intermediates);
			break;
		case 8:
			spans->item = pq_decode_inside(d, &in);
			break;
		case 9:
			note(d, &in, &spans->lines, &spans->n_lines);
			break;
		case 10:
			note(d, &in, &spans->parties, &spans->n_parties);
			break;
		case 11:
			spans->person = pq_decode_inside(d, &in);
			break;
		case 14:
			spans->screening = pq_decode_inside(d, &in);
			break;
		case 16:
			note(d, &in, &spans->assume, &spans->n_assume);
			break;
		case 17:
			read_profile(d, &in, profiles, ret);
			break;
		case 18:
			ret->near_misses = pq_decode_varint(d, &in);
			break;
		case 19:
			ret_demand->min_revision = pq_decode_varint(d, &in);
			break;
		case 20:
			ret_demand->max_age_s = pq_decode_varint(d, &in);
			break;
		default:
			pq_decode_fact(d, &in, &pq_decode_request, number, wire);
		}
	}
	if (!dated || ret->near_misses > PQ_MAX_NEAR_MISSES || spans->n_lines > PQ_MAX_LINES ||
	    spans->n_parties > PQ_MAX_PARTIES || spans->n_intermediates > PQ_MAX_INTERMEDIATES ||
	    spans->n_assume > PQ_MAX_FACTS)
		pq_decode_stop(d);
}

#define ARRAY(d, n, type) ((type *)array(d, n, sizeof(type)))

static void *
array(struct pq_decoder *d, size_t n, size_t size)
{
	void *block = pq_arena_array(d->arena, n, size);

	if (block == NULL)
		pq_decode_stop(d);
	return block;
}

static void
read_lists(struct pq_decoder *d, struct spans *spans, struct pq_request *ret)
{
	struct pq_facts *lines = ARRAY(d, spans->n_lines, struct pq_facts);
	struct pq_party *parties = ARRAY(d, spans->n_parties, struct pq_party);
	struct pq_facts *countries = ARRAY(d, spans->n_intermediates, struct pq_facts);

	for (size_t i = 0; i < spans->n_lines && d->plain; i++)
		read_line(d, next_in(d, &spans->lines), &lines[i]);
	for (size_t i = 0; i < spans->n_parties && d->plain; i++)
		read_party(d, next_in(d, &spans->parties), &parties[i]);
	for (size_t i = 0; i < spans->n_intermediates && d->plain; i++) {
		pq_decode_facts(d, next_in(d, &spans->intermediates), &pq_decode_intermediate, 2);
		countries[i] = pq_decode_keep(d);
	}
	ret->lines = lines;
	ret->n_lines = spans->n_lines;
	ret->parties = parties;
	ret->n_parties = spans->n_parties;
	ret->intermediates = countries;
	ret->n_intermediates = spans->n_intermediates;
}

static void
read_rest(struct pq_decoder *d, struct spans *spans, struct pq_request *ret)
{
	struct pq_view hits_at[PQ_MAX_HITS];
	size_t n_hits = 0;

	pq_decode_facts(d, spans->item, &pq_decode_item, 5);
	pq_decode_facts(d, spans->person, &pq_decode_person, 6);
	read_screening(d, spans->screening, hits_at, &n_hits);
	ret->facts = pq_decode_keep(d);
	struct pq_facts *hits = ARRAY(d, n_hits, struct pq_facts);
	for (size_t i = 0; i < n_hits && d->plain; i++) {
		pq_decode_facts(d, hits_at[i], &pq_decode_hit, 8);
		hits[i] = pq_decode_keep(d);
	}
	ret->hits = hits;
	ret->n_hits = n_hits;
	for (size_t i = 0; i < spans->n_assume && d->plain; i++) {
		pq_decode_entry(d, &spans->assume, "");
		if (spans->assume.at < spans->assume.end)
			spans->assume.at += 2; /* the key of the next one: field 16 takes two bytes */
	}
	ret->assume = pq_decode_keep(d);
}

bool
pq_request_decode_plain(const uint8_t *data, size_t len, struct pq_arena *arena, struct pq_request *ret_request,
                        struct pq_demand *ret_demand)
{
	struct pq_decoder d;
	struct spans spans = {0};
	struct pq_request request = {0};
	struct pq_demand demand = {0};
	struct pq_text profiles[PQ_MAX_PROFILES];

	d.arena = arena;
	d.plain = true;
	d.n = d.from_map = 0;
	read_top(&d, (struct pq_view){data, data + len}, &spans, profiles, &request, &demand);
	if (d.plain)
		read_rest(&d, &spans, &request);
	if (d.plain)
		read_lists(&d, &spans, &request);
	struct pq_text *kept = d.plain ? ARRAY(&d, request.n_profiles, struct pq_text) : NULL;
	if (!d.plain)
		return false;
	memcpy(kept, profiles, request.n_profiles * sizeof(*kept));
	request.profiles = kept;
	*ret_request = request;
	*ret_demand = demand;
	return true;
}

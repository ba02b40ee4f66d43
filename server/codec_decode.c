/*
 * A plain DecideRequest as facts: see codec.h. Whatever is out of the ordinary ends with `plain` false, and the caller asks
 * the reference, so there is one place that says what is wrong.
 *
 * Plain is: fields in the order of their numbers, single ones once, none unknown; lengths and numbers without padding;
 * texts within their bound and UTF-8; all that convert_request.c would note absent.
 */
#include "server/codec.h"

#include "server/wire.h"

#include <string.h>

/* Numbers of DecideRequest's fields are below this. */
#define FIELDS 19

enum kind {
	OTHER, /* of this message alone; its reader knows it */
	TEXT,
	FLAG,
	DECIMAL,
	TEXTS,
	MAP, /* of facts */
};

struct field {
	enum kind kind;
	const char *fact;
	size_t len;
};

struct place {
	const char *prefix; /* of the names in the map */
	struct field fields[FIELDS];
};

#define FACT(kind, name)             \
	{                                \
		kind, name, sizeof(name) - 1 \
	}
#define FACTS      \
	{              \
		MAP, "", 0 \
	}

static const struct place request_place = {
	"",
	{[3] = FACT(TEXT, "transaction_type"),
     [4] = FACT(TEXT, "regime"),
     [5] = FACT(TEXT, "origin"),
     [6] = FACT(TEXT, "destination"),
     [12] = FACT(TEXT, "end_use"),
     [13] = FACT(DECIMAL, "value_usd"),
     [15] = FACTS},
};
static const struct place item_place = {
	"item.",
	{[1] = FACT(TEXT, "item.eccn"),
     [2] = FACT(TEXT, "item.usml"),
     [3] = FACT(TEXT, "item.kind"),
     [4] = FACT(TEXT, "item.schedule_b"),
     [5] = FACTS},
};
static const struct place line_place = {"", {[2] = FACT(DECIMAL, "value_usd"), [3] = FACTS}};
static const struct place party_place = {
	"",
	{[1] = FACT(TEXT, "role"),
     [2] = FACT(TEXT, "country"),
     [3] = FACT(TEXT, "name"),
     [4] = FACT(TEXT, "type"),
     [5] = FACT(TEXTS, "lists"),
     [6] = FACT(FLAG, "military_end_user"),
     [7] = FACT(FLAG, "military_intelligence_end_user"),
     [9] = FACTS},
};
static const struct place owner_place = {
	"", {[1] = FACT(TEXT, "name"), [2] = FACT(TEXTS, "lists"), [3] = FACT(DECIMAL, "share_pct"), [4] = FACTS}};
static const struct place intermediate_place = {"", {[1] = FACT(TEXT, "country"), [2] = FACTS}};
static const struct place person_place = {
	"person.",
	{[1] = FACT(TEXTS, "person.citizenship"),
     [2] = FACT(TEXT, "person.most_recent_citizenship_or_pr"),
     [3] = FACT(FLAG, "person.us_person"),
     [4] = FACT(FLAG, "person.us_permanent_resident"),
     [5] = FACT(FLAG, "person.protected_person"),
     [6] = FACTS},
};
static const struct place hit_place = {
	"",
	{[1] = FACT(TEXT, "party"),
     [2] = FACT(TEXT, "list"),
     [3] = FACT(TEXT, "entry"),
     [4] = FACT(TEXT, "name_match"),
     [5] = FACT(FLAG, "address_match"),
     [6] = FACT(FLAG, "adjudicated"),
     [7] = FACT(FLAG, "same_party"),
     [8] = FACTS},
};
static const struct place screening_place = {
	"screening.",
	{[1] = FACT(FLAG, "screening.screened"), [3] = FACT(TEXTS, "screening.red_flags"), [4] = FACTS},
};

struct view {
	const uint8_t *at, *end;
};

struct decoder {
	struct pq_arena *arena;
	bool plain;
	struct pq_fact facts[PQ_MAX_FACTS + 1]; /* of the place that is read */
	size_t n;
	size_t from_map; /* of them; only they can repeat another */
};

static inline void
stop(struct decoder *d)
{
	d->plain = false;
}

/* ---- the wire --------------------------------------------------------------------------------------------------- */

/* A varint of at most three bytes, without padding: lengths and numbers of a plain request have no more. */
static inline uint32_t
varint(struct decoder *d, struct view *view)
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
	stop(d);
	return 0;
}

static inline struct view
inside(struct decoder *d, struct view *view)
{
	uint32_t len = varint(d, view);

	if (!d->plain || len > (size_t)(view->end - view->at)) {
		stop(d);
		return (struct view){view->at, view->at};
	}
	struct view ret = {view->at, view->at + len};
	view->at += len;
	return ret;
}

/*
 * The key of the next field: its number goes up, or stays for a repeated one. False: the message ends, or is not plain.
 */
static inline bool
next(struct decoder *d, struct view *view, uint32_t repeated, uint32_t *number, uint32_t *wire)
{
	if (!d->plain || view->at == view->end)
		return false;
	uint32_t key = varint(d, view), before = *number;
	*number = key >> 3;
	*wire = key & 7;
	if (*number == 0 || *number >= FIELDS || *number < before || (*number == before && (repeated >> before & 1) == 0))
		stop(d);
	return d->plain;
}

static inline bool
expect(struct decoder *d, uint32_t wire, uint32_t expected)
{
	if (wire != expected)
		stop(d);
	return d->plain;
}

/* Letters, digits and what else is ASCII and no NUL pass eight at a time; the rest is looked at properly. */
static bool
good_text(const uint8_t *at, size_t len)
{
	size_t i = 0;

	for (; i + 8 <= len; i += 8) {
		uint64_t word;
		memcpy(&word, at + i, 8);
		/* A byte is above 0x7f, or it is zero: then the subtraction borrows into its top bit. */
		if (((word | (word - 0x0101010101010101u)) & 0x8080808080808080u) != 0)
			break;
	}
	for (; i < len && at[i] - 1u < 0x7fu; i++)
		;
	return i == len || (memchr(at, '\0', len) == NULL && pq_utf8_valid(at, len));
}

static inline struct pq_text
text(struct decoder *d, struct view *view)
{
	struct view at = inside(d, view);
	size_t len = (size_t)(at.end - at.at);

	if (len > PQ_MAX_STRING || !good_text(at.at, len))
		stop(d);
	return (struct pq_text){(const char *)at.at, len};
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static bool
read_flag(struct decoder *d, struct view *view, struct pq_value *ret)
{
	switch (varint(d, view)) {
	case 0:
		return false;
	case 1:
		*ret = (struct pq_value){.kind = PQ_VALUE_UNKNOWN};
		return true;
	case 2:
		*ret = (struct pq_value){.kind = PQ_VALUE_BOOL};
		return true;
	case 3:
		*ret = (struct pq_value){.kind = PQ_VALUE_BOOL, .boolean = true};
		return true;
	default:
		stop(d);
		return false;
	}
}

static void
read_decimal(struct decoder *d, struct view *view, struct pq_value *ret)
{
	struct view in = inside(d, view);
	uint32_t number = 0, wire;

	*ret = (struct pq_value){.kind = PQ_VALUE_NUMBER};
	if (!next(d, &in, 0, &number, &wire) || number != 1 || wire != PQ_WIRE_BYTES) {
		stop(d);
		return;
	}
	struct pq_text digits = text(d, &in);
	if (in.at != in.end || !d->plain || !pq_number_parse(digits.at, digits.len, &ret->number))
		stop(d);
}

static void
read_texts(struct decoder *d, struct view *view, struct pq_value *ret)
{
	struct view in = inside(d, view);
	struct pq_text texts[PQ_MAX_SET];
	uint32_t number = 0, wire;
	size_t n = 0;

	while (next(d, &in, 1u << 1, &number, &wire)) {
		if (n == PQ_MAX_SET || number != 1 || wire != PQ_WIRE_BYTES)
			stop(d);
		else
			texts[n++] = text(d, &in);
	}
	struct pq_text *kept = d->plain ? pq_arena_array(d->arena, n, sizeof(*kept)) : NULL;
	if (kept == NULL) {
		stop(d);
		return;
	}
	memcpy(kept, texts, n * sizeof(*kept));
	*ret = (struct pq_value){.kind = PQ_VALUE_TEXTS, .texts = kept, .n_texts = n};
}

static void
read_value(struct decoder *d, struct view *view, struct pq_value *ret)
{
	struct view in = inside(d, view), empty;
	uint32_t number = 0, wire, boolean;

	*ret = (struct pq_value){0};
	if (!next(d, &in, 0, &number, &wire) || wire != (number == 2 ? PQ_WIRE_VARINT : PQ_WIRE_BYTES)) {
		stop(d);
		return;
	}
	switch (number) {
	case 1:
		ret->kind = PQ_VALUE_UNKNOWN;
		empty = inside(d, &in);
		if (empty.at != empty.end)
			stop(d);
		break;
	case 2:
		ret->kind = PQ_VALUE_BOOL;
		boolean = varint(d, &in);
		ret->boolean = boolean == 1;
		if (boolean > 1)
			stop(d);
		break;
	case 3:
		read_decimal(d, &in, ret);
		break;
	case 4:
		*ret = (struct pq_value){.kind = PQ_VALUE_TEXT, .text = text(d, &in)};
		break;
	case 5:
		read_texts(d, &in, ret);
		break;
	default:
		stop(d);
	}
	if (in.at != in.end)
		stop(d);
}

/* ---- facts of a place ------------------------------------------------------------------------------------------- */

static struct pq_fact *
new_fact(struct decoder *d)
{
	if (d->n == PQ_MAX_FACTS) {
		stop(d);
		return &d->facts[PQ_MAX_FACTS];
	}
	return &d->facts[d->n++];
}

static void
read_entry(struct decoder *d, struct view *view, const char *prefix)
{
	struct view in = inside(d, view);
	uint32_t number = 0, wire;
	size_t before = strlen(prefix);

	if (!next(d, &in, 0, &number, &wire) || number != 1 || !expect(d, wire, PQ_WIRE_BYTES)) {
		stop(d);
		return;
	}
	struct pq_text name = text(d, &in);
	if (name.len == 0 || !next(d, &in, 0, &number, &wire) || number != 2 || !expect(d, wire, PQ_WIRE_BYTES)) {
		stop(d);
		return;
	}
	struct pq_fact *fact = new_fact(d);
	read_value(d, &in, &fact->value);
	if (in.at != in.end)
		stop(d);
	if (before > 0 && d->plain) {
		char *full = pq_arena_alloc(d->arena, before + name.len + 1);
		if (full == NULL) {
			stop(d);
			return;
		}
		memcpy(full, prefix, before);
		memcpy(full + before, name.at, name.len);
		name = (struct pq_text){full, before + name.len};
	}
	fact->name = name;
	d->from_map++;
}

/* A field of the place's table; one of kind OTHER is none of them. */
static void
read_fact(struct decoder *d, struct view *view, const struct place *place, uint32_t number, uint32_t wire)
{
	const struct field *field = &place->fields[number];
	struct pq_value value;
	bool said = true;

	if (!expect(d, wire, field->kind == FLAG ? PQ_WIRE_VARINT : PQ_WIRE_BYTES))
		return;
	switch (field->kind) {
	case OTHER:
		stop(d);
		return;
	case MAP:
		read_entry(d, view, place->prefix);
		return;
	case TEXT:
		value = (struct pq_value){.kind = PQ_VALUE_TEXT, .text = text(d, view)};
		said = value.text.len > 0;
		break;
	case FLAG:
		said = read_flag(d, view, &value);
		break;
	case DECIMAL:
		read_decimal(d, view, &value);
		break;
	case TEXTS:
		read_texts(d, view, &value);
		break;
	}
	if (said && d->plain)
		*new_fact(d) = (struct pq_fact){{field->fact, field->len}, value};
}

/* Is none of them said twice? Facts of typed fields are apart from each other. */
static bool
all_differ(const struct pq_fact *facts, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (facts[i].name.len == facts[j].name.len &&
			    memcmp(facts[i].name.at, facts[j].name.at, facts[i].name.len) == 0)
				return false;
		}
	}
	return true;
}

/* Many facts in one place would be compared for too long here; the reference sorts them. */
#define COMPARED 48

static struct pq_facts
keep_facts(struct decoder *d)
{
	struct pq_fact *kept = pq_arena_array(d->arena, d->n, sizeof(*kept));
	struct pq_facts ret = {kept, d->n};

	if (kept == NULL || (d->from_map > 0 && (d->n > COMPARED || !all_differ(d->facts, d->n)))) {
		stop(d);
		return (struct pq_facts){NULL, 0};
	}
	memcpy(kept, d->facts, d->n * sizeof(*kept));
	d->n = 0;
	d->from_map = 0;
	return ret;
}

/* A message of nothing but facts. */
static void
read_place(struct decoder *d, struct view in, const struct place *place, uint32_t map)
{
	uint32_t number = 0, wire;

	while (next(d, &in, 1u << map, &number, &wire))
		read_fact(d, &in, place, number, wire);
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

static void
read_party(struct decoder *d, struct view in, struct pq_party *ret)
{
	uint32_t number = 0, wire;
	struct pq_facts *owners = NULL;
	struct view at[PQ_MAX_OWNERS];
	size_t n = 0;

	while (next(d, &in, 1u << 8 | 1u << 9, &number, &wire)) {
		if (number != 8) {
			read_fact(d, &in, &party_place, number, wire);
		} else if (expect(d, wire, PQ_WIRE_BYTES) && n < PQ_MAX_OWNERS) {
			at[n++] = inside(d, &in);
		} else {
			stop(d);
		}
	}
	ret->facts = keep_facts(d);
	if (n > 0 && (owners = pq_arena_array(d->arena, n, sizeof(*owners))) == NULL)
		stop(d);
	for (size_t i = 0; i < n && d->plain; i++) {
		read_place(d, at[i], &owner_place, 4);
		owners[i] = keep_facts(d);
	}
	ret->owners = owners;
	ret->n_owners = n;
}

static void
read_line(struct decoder *d, struct view in, struct pq_facts *ret)
{
	uint32_t number = 0, wire;

	while (next(d, &in, 1u << 3, &number, &wire)) {
		if (number == 1 && expect(d, wire, PQ_WIRE_BYTES))
			read_place(d, inside(d, &in), &item_place, 5);
		else
			read_fact(d, &in, &line_place, number, wire);
	}
	*ret = keep_facts(d);
}

static void
read_screening(struct decoder *d, struct view in, struct view hits[PQ_MAX_HITS], size_t *n_hits)
{
	uint32_t number = 0, wire;

	while (next(d, &in, 1u << 2 | 1u << 4, &number, &wire)) {
		if (number != 2) {
			read_fact(d, &in, &screening_place, number, wire);
		} else if (expect(d, wire, PQ_WIRE_BYTES) && *n_hits < PQ_MAX_HITS) {
			hits[(*n_hits)++] = inside(d, &in);
		} else {
			stop(d);
		}
	}
}

/* Messages within the request that are read after its own facts, in the order of the reference. */
struct spans {
	struct view item, person, screening;
	struct view lines, parties, intermediates, assume; /* from the length of the first to the last one's end */
	size_t n_lines, n_parties, n_intermediates, n_assume;
};

static void
note(struct decoder *d, struct view *in, struct view *span, size_t *n)
{
	const uint8_t *from = in->at;

	inside(d, in);
	if ((*n)++ == 0)
		span->at = from;
	span->end = in->at;
}

/* The next of the messages in a span; keys stand between them. */
static struct view
next_in(struct decoder *d, struct view *span)
{
	struct view ret = inside(d, span);

	if (span->at < span->end)
		span->at++; /* the key, of one byte, which was looked at before */
	return ret;
}

static void
read_as_of(struct decoder *d, struct view *in, struct pq_request *ret)
{
	struct pq_text day = text(d, in);

	if (!d->plain || !pq_date_parse(day.at, day.len, &ret->as_of))
		stop(d);
}

static void
read_profile(struct decoder *d, struct view *in, struct pq_text *profiles, struct pq_request *ret)
{
	if (ret->n_profiles == PQ_MAX_PROFILES)
		stop(d);
	else
		profiles[ret->n_profiles++] = text(d, in);
}

/* What stands in the request itself; the rest is only noted. */
static void
read_top(struct decoder *d, struct view in, struct spans *spans, struct pq_text *profiles, struct pq_request *ret)
{
	const uint32_t repeated = 1u << 7 | 1u << 9 | 1u << 10 | 1u << 15 | 1u << 16 | 1u << 17;
	const uint32_t varints = 1u << 2 | 1u << 18;
	uint32_t number = 0, wire, query;
	bool dated = false;

	while (next(d, &in, repeated, &number, &wire) &&
	       expect(d, wire, varints >> number & 1 ? PQ_WIRE_VARINT : PQ_WIRE_BYTES)) {
		switch (number) {
		case 1:
			read_as_of(d, &in, ret);
			dated = true;
			break;
		case 2:
			query = varint(d, &in);
			ret->jurisdiction_only = query == 1;
			if (query > 1)
				stop(d);
			break;
		case 7:
			note(d, &in, &spans->intermediates, &spans->n_intermediates);
			break;
		case 8:
			spans->item = inside(d, &in);
			break;
		case 9:
			note(d, &in, &spans->lines, &spans->n_lines);
			break;
		case 10:
			note(d, &in, &spans->parties, &spans->n_parties);
			break;
		case 11:
			spans->person = inside(d, &in);
			break;
		case 14:
			spans->screening = inside(d, &in);
			break;
		case 16:
			note(d, &in, &spans->assume, &spans->n_assume);
			break;
		case 17:
			read_profile(d, &in, profiles, ret);
			break;
		case 18:
			ret->near_misses = varint(d, &in);
			break;
		default:
			read_fact(d, &in, &request_place, number, wire);
		}
	}
	if (!dated || ret->near_misses > PQ_MAX_NEAR_MISSES || spans->n_lines > PQ_MAX_LINES ||
	    spans->n_parties > PQ_MAX_PARTIES || spans->n_intermediates > PQ_MAX_INTERMEDIATES ||
	    spans->n_assume > PQ_MAX_FACTS)
		stop(d);
}

#define ARRAY(d, n, type) ((type *)array(d, n, sizeof(type)))

static void *
array(struct decoder *d, size_t n, size_t size)
{
	void *block = pq_arena_array(d->arena, n, size);

	if (block == NULL)
		stop(d);
	return block;
}

static void
read_lists(struct decoder *d, struct spans *spans, struct pq_request *ret)
{
	struct pq_facts *lines = ARRAY(d, spans->n_lines, struct pq_facts);
	struct pq_party *parties = ARRAY(d, spans->n_parties, struct pq_party);
	struct pq_facts *countries = ARRAY(d, spans->n_intermediates, struct pq_facts);

	for (size_t i = 0; i < spans->n_lines && d->plain; i++)
		read_line(d, next_in(d, &spans->lines), &lines[i]);
	for (size_t i = 0; i < spans->n_parties && d->plain; i++)
		read_party(d, next_in(d, &spans->parties), &parties[i]);
	for (size_t i = 0; i < spans->n_intermediates && d->plain; i++) {
		read_place(d, next_in(d, &spans->intermediates), &intermediate_place, 2);
		countries[i] = keep_facts(d);
	}
	ret->lines = lines;
	ret->n_lines = spans->n_lines;
	ret->parties = parties;
	ret->n_parties = spans->n_parties;
	ret->intermediates = countries;
	ret->n_intermediates = spans->n_intermediates;
}

static void
read_rest(struct decoder *d, struct spans *spans, struct pq_request *ret)
{
	struct view hits_at[PQ_MAX_HITS];
	size_t n_hits = 0;

	read_place(d, spans->item, &item_place, 5);
	read_place(d, spans->person, &person_place, 6);
	read_screening(d, spans->screening, hits_at, &n_hits);
	ret->facts = keep_facts(d);
	struct pq_facts *hits = ARRAY(d, n_hits, struct pq_facts);
	for (size_t i = 0; i < n_hits && d->plain; i++) {
		read_place(d, hits_at[i], &hit_place, 8);
		hits[i] = keep_facts(d);
	}
	ret->hits = hits;
	ret->n_hits = n_hits;
	for (size_t i = 0; i < spans->n_assume && d->plain; i++) {
		read_entry(d, &spans->assume, "");
		if (spans->assume.at < spans->assume.end)
			spans->assume.at += 2; /* the key of the next one: field 16 takes two bytes */
	}
	ret->assume = keep_facts(d);
}

bool
pq_request_decode_plain(const uint8_t *data, size_t len, struct pq_arena *arena, struct pq_request *ret_request)
{
	struct decoder d;
	struct spans spans = {0};
	struct pq_request request = {0};
	struct pq_text profiles[PQ_MAX_PROFILES];

	d.arena = arena;
	d.plain = true;
	d.n = d.from_map = 0;
	read_top(&d, (struct view){data, data + len}, &spans, profiles, &request);
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
	return true;
}

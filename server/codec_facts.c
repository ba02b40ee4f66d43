/* Values and facts of a plain request, and where they stand in its messages. */
#include "server/codec_decode.h"

#include <string.h>

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

struct pq_decode_place {
	const char *prefix; /* of the names in the map */
	struct field fields[PQ_DECODE_FIELDS];
};

#define FACT(kind, name)             \
	{                                \
		kind, name, sizeof(name) - 1 \
	}
#define FACTS      \
	{              \
		MAP, "", 0 \
	}

const struct pq_decode_place pq_decode_request = {
	"",
	{[3] = FACT(TEXT, "transaction_type"),
     [4] = FACT(TEXT, "regime"),
     [5] = FACT(TEXT, "origin"),
     [6] = FACT(TEXT, "destination"),
     [12] = FACT(TEXT, "end_use"),
     [13] = FACT(DECIMAL, "value_usd"),
     [15] = FACTS},
};
const struct pq_decode_place pq_decode_item = {
	"item.",
	{[1] = FACT(TEXT, "item.eccn"),
     [2] = FACT(TEXT, "item.usml"),
     [3] = FACT(TEXT, "item.kind"),
     [4] = FACT(TEXT, "item.schedule_b"),
     [5] = FACTS},
};
const struct pq_decode_place pq_decode_line = {"", {[2] = FACT(DECIMAL, "value_usd"), [3] = FACTS}};
const struct pq_decode_place pq_decode_party = {
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
const struct pq_decode_place pq_decode_owner = {
	"", {[1] = FACT(TEXT, "name"), [2] = FACT(TEXTS, "lists"), [3] = FACT(DECIMAL, "share_pct"), [4] = FACTS}};
const struct pq_decode_place pq_decode_intermediate = {"", {[1] = FACT(TEXT, "country"), [2] = FACTS}};
const struct pq_decode_place pq_decode_person = {
	"person.",
	{[1] = FACT(TEXTS, "person.citizenship"),
     [2] = FACT(TEXT, "person.most_recent_citizenship_or_pr"),
     [3] = FACT(FLAG, "person.us_person"),
     [4] = FACT(FLAG, "person.us_permanent_resident"),
     [5] = FACT(FLAG, "person.protected_person"),
     [6] = FACTS},
};
const struct pq_decode_place pq_decode_hit = {
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
const struct pq_decode_place pq_decode_screening = {
	"screening.",
	{[1] = FACT(FLAG, "screening.screened"), [3] = FACT(TEXTS, "screening.red_flags"), [4] = FACTS},
};

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

struct pq_text
pq_decode_text(struct pq_decoder *d, struct pq_view *view)
{
	struct pq_view at = pq_decode_inside(d, view);
	size_t len = (size_t)(at.end - at.at);

	if (len > PQ_MAX_STRING || !good_text(at.at, len))
		pq_decode_stop(d);
	return (struct pq_text){(const char *)at.at, len};
}
/* ---- values ----------------------------------------------------------------------------------------------------- */

static bool
read_flag(struct pq_decoder *d, struct pq_view *view, struct pq_value *ret)
{
	switch (pq_decode_varint(d, view)) {
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
		pq_decode_stop(d);
		return false;
	}
}

static void
read_decimal(struct pq_decoder *d, struct pq_view *view, struct pq_value *ret)
{
	struct pq_view in = pq_decode_inside(d, view);
	uint32_t number = 0, wire;

	*ret = (struct pq_value){.kind = PQ_VALUE_NUMBER};
	if (!pq_decode_next(d, &in, 0, &number, &wire) || number != 1 || wire != PQ_WIRE_BYTES) {
		pq_decode_stop(d);
		return;
	}
	struct pq_text digits = pq_decode_text(d, &in);
	if (in.at != in.end || !d->plain || !pq_number_parse(digits.at, digits.len, &ret->number))
		pq_decode_stop(d);
}

static void
read_texts(struct pq_decoder *d, struct pq_view *view, struct pq_value *ret)
{
	struct pq_view in = pq_decode_inside(d, view);
	struct pq_text texts[PQ_MAX_SET];
	uint32_t number = 0, wire;
	size_t n = 0;

	while (pq_decode_next(d, &in, 1u << 1, &number, &wire)) {
		if (n == PQ_MAX_SET || number != 1 || wire != PQ_WIRE_BYTES)
			pq_decode_stop(d);
		else
			texts[n++] = pq_decode_text(d, &in);
	}
	struct pq_text *kept = d->plain ? pq_arena_array(d->arena, n, sizeof(*kept)) : NULL;
	if (kept == NULL) {
		pq_decode_stop(d);
		return;
	}
	memcpy(kept, texts, n * sizeof(*kept));
	*ret = (struct pq_value){.kind = PQ_VALUE_TEXTS, .texts = kept, .n_texts = n};
}

static void
read_value(struct pq_decoder *d, struct pq_view *view, struct pq_value *ret)
{
	struct pq_view in = pq_decode_inside(d, view), empty;
	uint32_t number = 0, wire, boolean;

	*ret = (struct pq_value){0};
	if (!pq_decode_next(d, &in, 0, &number, &wire) || wire != (number == 2 ? PQ_WIRE_VARINT : PQ_WIRE_BYTES)) {
		pq_decode_stop(d);
		return;
	}
	switch (number) {
	case 1:
		ret->kind = PQ_VALUE_UNKNOWN;
		empty = pq_decode_inside(d, &in);
		if (empty.at != empty.end)
			pq_decode_stop(d);
		break;
	case 2:
		ret->kind = PQ_VALUE_BOOL;
		boolean = pq_decode_varint(d, &in);
		ret->boolean = boolean == 1;
		if (boolean > 1)
			pq_decode_stop(d);
		break;
	case 3:
		read_decimal(d, &in, ret);
		break;
	case 4:
		*ret = (struct pq_value){.kind = PQ_VALUE_TEXT, .text = pq_decode_text(d, &in)};
		break;
	case 5:
		read_texts(d, &in, ret);
		break;
	default:
		pq_decode_stop(d);
	}
	if (in.at != in.end)
		pq_decode_stop(d);
}

/* ---- facts of a place ------------------------------------------------------------------------------------------- */

static struct pq_fact *
new_fact(struct pq_decoder *d)
{
	if (d->n == PQ_MAX_FACTS) {
		pq_decode_stop(d);
		return &d->facts[PQ_MAX_FACTS];
	}
	return &d->facts[d->n++];
}

void
pq_decode_entry(struct pq_decoder *d, struct pq_view *view, const char *prefix)
{
	struct pq_view in = pq_decode_inside(d, view);
	uint32_t number = 0, wire;
	size_t before = strlen(prefix);

	if (!pq_decode_next(d, &in, 0, &number, &wire) || number != 1 || !pq_decode_expect(d, wire, PQ_WIRE_BYTES)) {
		pq_decode_stop(d);
		return;
	}
	struct pq_text name = pq_decode_text(d, &in);
	if (name.len == 0 || !pq_decode_next(d, &in, 0, &number, &wire) || number != 2 || !pq_decode_expect(d, wire, PQ_WIRE_BYTES)) {
		pq_decode_stop(d);
		return;
	}
	struct pq_fact *fact = new_fact(d);
	read_value(d, &in, &fact->value);
	if (in.at != in.end)
		pq_decode_stop(d);
	if (before > 0 && d->plain) {
		char *full = pq_arena_alloc(d->arena, before + name.len + 1);
		if (full == NULL) {
			pq_decode_stop(d);
			return;
		}
		memcpy(full, prefix, before);
		memcpy(full + before, name.at, name.len);
		name = (struct pq_text){full, before + name.len};
	}
	fact->name = name;
	d->from_map++;
}

void
pq_decode_fact(struct pq_decoder *d, struct pq_view *view, const struct pq_decode_place *place, uint32_t number, uint32_t wire)
{
	const struct field *field = &place->fields[number];
	struct pq_value value;
	bool said = true;

	if (!pq_decode_expect(d, wire, field->kind == FLAG ? PQ_WIRE_VARINT : PQ_WIRE_BYTES))
		return;
	switch (field->kind) {
	case OTHER:
		pq_decode_stop(d);
		return;
	case MAP:
		pq_decode_entry(d, view, place->prefix);
		return;
	case TEXT:
		value = (struct pq_value){.kind = PQ_VALUE_TEXT, .text = pq_decode_text(d, view)};
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

struct pq_facts
pq_decode_keep(struct pq_decoder *d)
{
	struct pq_fact *kept = pq_arena_array(d->arena, d->n, sizeof(*kept));
	struct pq_facts ret = {kept, d->n};

	if (kept == NULL || (d->from_map > 0 && (d->n > COMPARED || !all_differ(d->facts, d->n)))) {
		pq_decode_stop(d);
		return (struct pq_facts){NULL, 0};
	}
	memcpy(kept, d->facts, d->n * sizeof(*kept));
	d->n = 0;
	d->from_map = 0;
	return ret;
}

void
pq_decode_facts(struct pq_decoder *d, struct pq_view in, const struct pq_decode_place *place, uint32_t map)
{
	uint32_t number = 0, wire;

	while (pq_decode_next(d, &in, 1u << map, &number, &wire))
		pq_decode_fact(d, &in, place, number, wire);
}

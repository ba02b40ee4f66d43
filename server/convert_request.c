#include "server/convert.h"

#include "server/places.h"
#include "server/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
allocate(void *data, size_t size)
{
	return pq_arena_alloc(data, size);
}

/* An allocator that remembers that it had to refuse: protobuf-c answers NULL for that as for malformed bytes. */
struct watched {
	struct pq_arena *arena;
	bool no_memory;
};

static void *
allocate_watched(void *data, size_t size)
{
	struct watched *watched = data;
	void *block = pq_arena_alloc(watched->arena, size);

	watched->no_memory |= block == NULL;
	return block;
}

static void
forget(void *data, void *block)
{
	(void)data;
	(void)block;
}

ProtobufCAllocator
pq_arena_allocator(struct pq_arena *arena)
{
	return (ProtobufCAllocator){allocate, forget, arena};
}

struct reader {
	struct pq_arena *arena;
	struct pq_violations *violations;
	bool no_memory;
};

/* The facts of one scope while they are gathered. Typed fields come from several messages (request, item, person). */
struct gathering {
	struct pq_fact *at;
	size_t n;
	bool from_map; /* only what stands in a map can be said twice */
};

static struct pq_text
text_of(const char *text)
{
	return (struct pq_text){text, strlen(text)};
}

static size_t
map_size(const struct pq_place *place, const ProtobufCMessage *message)
{
	return *(const size_t *)pq_place_at(message, place->n_facts);
}

/* Room that a message's facts need at most; NULL = the message is absent. */
static size_t
room(const struct pq_place *place, const ProtobufCMessage *message)
{
	return message != NULL ? place->n_fields + map_size(place, message) : 0;
}

static struct gathering
gather(struct reader *r, size_t n)
{
	struct gathering facts = {pq_arena_array(r->arena, n, sizeof(struct pq_fact)), 0, false};

	r->no_memory |= facts.at == NULL;
	return facts;
}

static bool
read_decimal(struct reader *r, const struct pq_path *path, const char *name, const char *text, struct pq_value *ret)
{
	*ret = (struct pq_value){.kind = PQ_VALUE_NUMBER};
	if (pq_number_parse(text, strlen(text), &ret->number))
		return true;
	pq_violations_add(r->violations, path, name, "INVALID_NUMBER", "\"%.40s\" is no decimal with at most four places",
	                  text);
	return false;
}

static bool
read_texts(struct reader *r, const Pratique__V1__TextList *list, struct pq_value *ret)
{
	struct pq_text *texts = pq_arena_array(r->arena, list->n_values, sizeof(*texts));

	if (texts == NULL) {
		r->no_memory = true;
		return false;
	}
	for (size_t i = 0; i < list->n_values; i++)
		texts[i] = text_of(list->values[i]);
	*ret = (struct pq_value){.kind = PQ_VALUE_TEXTS, .texts = texts, .n_texts = list->n_values};
	return true;
}

static bool
read_flag(Pratique__V1__Flag flag, struct pq_value *ret)
{
	switch (flag) {
	case PRATIQUE__V1__FLAG__FLAG_UNKNOWN:
		*ret = (struct pq_value){.kind = PQ_VALUE_UNKNOWN};
		return true;
	case PRATIQUE__V1__FLAG__FLAG_FALSE:
	case PRATIQUE__V1__FLAG__FLAG_TRUE:
		*ret = (struct pq_value){.kind = PQ_VALUE_BOOL, .boolean = flag == PRATIQUE__V1__FLAG__FLAG_TRUE};
		return true;
	default:
		return false;
	}
}

/* A typed field; false when it is silent or wrong. */
static bool
read_field(struct reader *r, const struct pq_path *path, const char *name, const struct pq_place_field *field,
           const ProtobufCMessage *message, struct pq_value *ret)
{
	const void *at = pq_place_at(message, field->offset);

	switch (field->kind) {
	case PQ_PLACE_TEXT: {
		const char *text = *(char *const *)at;
		*ret = (struct pq_value){.kind = PQ_VALUE_TEXT, .text = text_of(text)};
		return text[0] != '\0';
	}
	case PQ_PLACE_FLAG:
		return read_flag(*(const Pratique__V1__Flag *)at, ret);
	case PQ_PLACE_DECIMAL: {
		const Pratique__V1__Decimal *decimal = *(Pratique__V1__Decimal *const *)at;
		return decimal != NULL && read_decimal(r, path, name, decimal->value, ret);
	}
	case PQ_PLACE_TEXTS: {
		const Pratique__V1__TextList *list = *(Pratique__V1__TextList *const *)at;
		return list != NULL && read_texts(r, list, ret);
	}
	}
	return false;
}

static bool
read_value(struct reader *r, const struct pq_path *path, const Pratique__V1__FactValue *value, struct pq_value *ret)
{
	switch (value != NULL ? value->kind_case : PRATIQUE__V1__FACT_VALUE__KIND__NOT_SET) {
	case PRATIQUE__V1__FACT_VALUE__KIND_UNKNOWN:
		*ret = (struct pq_value){.kind = PQ_VALUE_UNKNOWN};
		return true;
	case PRATIQUE__V1__FACT_VALUE__KIND_BOOLEAN:
		*ret = (struct pq_value){.kind = PQ_VALUE_BOOL, .boolean = value->boolean};
		return true;
	case PRATIQUE__V1__FACT_VALUE__KIND_NUMBER:
		return read_decimal(r, path, NULL, value->number->value, ret);
	case PRATIQUE__V1__FACT_VALUE__KIND_TEXT:
		*ret = (struct pq_value){.kind = PQ_VALUE_TEXT, .text = text_of(value->text)};
		return true;
	case PRATIQUE__V1__FACT_VALUE__KIND_TEXTS:
		return read_texts(r, value->texts, ret);
	default:
		pq_violations_add(r->violations, path, NULL, "MISSING",
		                  "has no value; say that it is unknown, or leave the fact out");
		return false;
	}
}

static struct pq_text
full_name(struct reader *r, const char *prefix, const char *name)
{
	if (prefix[0] == '\0')
		return text_of(name);
	char *full = pq_arena_printf(r->arena, "%s%s", prefix, name);
	r->no_memory |= full == NULL;
	return text_of(full != NULL ? full : "");
}

/* Add what a message says. The caller made room for it. */
static void
add(struct reader *r, const struct pq_path *path, const struct pq_place *place, const ProtobufCMessage *message,
    struct gathering *facts)
{
	size_t skip = strlen(place->prefix);

	if (message == NULL || r->no_memory)
		return;
	for (size_t i = 0; i < place->n_fields; i++) {
		const struct pq_place_field *field = &place->fields[i];
		struct pq_fact *fact = &facts->at[facts->n];
		if (read_field(r, path, field->fact + skip, field, message, &fact->value)) {
			fact->name = text_of(field->fact);
			facts->n++;
		}
	}

	struct pq_place_entry *const *entries = *(struct pq_place_entry *const *const *)pq_place_at(message, place->facts);
	for (size_t i = 0; i < map_size(place, message); i++) {
		struct pq_path at = {path, place->map, -1, entries[i]->key, strlen(entries[i]->key)};
		struct pq_fact *fact = &facts->at[facts->n];
		if (at.key_len == 0) {
			pq_violations_add(r->violations, &at, NULL, "MISSING", "a fact must have a name");
		} else if (read_value(r, &at, entries[i]->value, &fact->value)) {
			fact->name = full_name(r, place->prefix, entries[i]->key);
			facts->n++;
			facts->from_map = true;
		}
	}
}

static int
by_name(const void *left, const void *right)
{
	const struct pq_text *a = left, *b = right;
	int order = memcmp(a->at, b->at, a->len < b->len ? a->len : b->len);

	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static void
refuse_twice(struct reader *r, const struct pq_path *path, const struct gathering *facts)
{
	struct pq_text *names = pq_arena_array(r->arena, facts->n, sizeof(*names));

	if (names == NULL) {
		r->no_memory = true;
		return;
	}
	for (size_t i = 0; i < facts->n; i++)
		names[i] = facts->at[i].name;
	qsort(names, facts->n, sizeof(*names), by_name);
	for (size_t i = 1; i < facts->n; i++) {
		if (by_name(&names[i - 1], &names[i]) == 0)
			pq_violations_add(r->violations, path, names[i].at, "DUPLICATE", "is said more than once");
	}
}

static struct pq_facts
finish(struct reader *r, const struct pq_path *path, const struct gathering *facts)
{
	if (facts->n > PQ_MAX_FACTS)
		pq_violations_add(r->violations, path, "facts", "TOO_MANY", "there are %zu facts in one place; %d may be",
		                  facts->n, PQ_MAX_FACTS);
	if (facts->from_map && facts->n > 1 && !r->no_memory)
		refuse_twice(r, path, facts);
	return (struct pq_facts){facts->at, facts->n};
}

/* A message that stands for itself: a party, an owner, a hit, an intermediate country. */
static struct pq_facts
read_element(struct reader *r, const struct pq_path *path, const struct pq_place *place,
             const ProtobufCMessage *message)
{
	struct gathering facts = gather(r, room(place, message));

	add(r, path, place, message, &facts);
	return finish(r, path, &facts);
}

#define ELEMENTS(r, n, type) ((type *)elements(r, n, sizeof(type)))

static void *
elements(struct reader *r, size_t n, size_t size)
{
	void *array = pq_arena_array(r->arena, n, size);

	r->no_memory |= array == NULL;
	return array;
}

static void
read_parties(struct reader *r, const Pratique__V1__DecideRequest *message, struct pq_request *ret)
{
	struct pq_party *parties = ELEMENTS(r, message->n_parties, struct pq_party);

	for (size_t i = 0; i < message->n_parties && !r->no_memory; i++) {
		const Pratique__V1__Party *party = message->parties[i];
		struct pq_path path = {NULL, "parties", (long)i, NULL, 0};
		parties[i].facts = read_element(r, &path, &pq_place_party, &party->base);

		struct pq_facts *owners = ELEMENTS(r, party->n_owners, struct pq_facts);
		for (size_t j = 0; j < party->n_owners && !r->no_memory; j++) {
			struct pq_path at = {&path, "owners", (long)j, NULL, 0};
			owners[j] = read_element(r, &at, &pq_place_owner, &party->owners[j]->base);
		}
		parties[i].owners = owners;
		parties[i].n_owners = party->n_owners;
	}
	ret->parties = parties;
	ret->n_parties = message->n_parties;
}

static void
read_lines(struct reader *r, const Pratique__V1__DecideRequest *message, struct pq_request *ret)
{
	struct pq_facts *lines = ELEMENTS(r, message->n_lines, struct pq_facts);

	for (size_t i = 0; i < message->n_lines && !r->no_memory; i++) {
		const Pratique__V1__Line *line = message->lines[i];
		const ProtobufCMessage *item = line->item != NULL ? &line->item->base : NULL;
		struct pq_path path = {NULL, "lines", (long)i, NULL, 0};
		struct pq_path item_path = {&path, "item", -1, NULL, 0};
		struct gathering facts = gather(r, room(&pq_place_line, &line->base) + room(&pq_place_item, item));
		add(r, &item_path, &pq_place_item, item, &facts);
		add(r, &path, &pq_place_line, &line->base, &facts);
		lines[i] = finish(r, &path, &facts);
	}
	ret->lines = lines;
	ret->n_lines = message->n_lines;
}

static void
read_intermediates(struct reader *r, const Pratique__V1__DecideRequest *message, struct pq_request *ret)
{
	struct pq_facts *countries = ELEMENTS(r, message->n_intermediates, struct pq_facts);

	for (size_t i = 0; i < message->n_intermediates && !r->no_memory; i++) {
		struct pq_path path = {NULL, "intermediates", (long)i, NULL, 0};
		countries[i] = read_element(r, &path, &pq_place_intermediate, &message->intermediates[i]->base);
	}
	ret->intermediates = countries;
	ret->n_intermediates = message->n_intermediates;
}

static void
read_hits(struct reader *r, const Pratique__V1__Screening *screening, struct pq_request *ret)
{
	struct pq_path up = {NULL, "screening", -1, NULL, 0};

	if (screening == NULL)
		return;
	struct pq_facts *hits = ELEMENTS(r, screening->n_hits, struct pq_facts);
	for (size_t i = 0; i < screening->n_hits && !r->no_memory; i++) {
		struct pq_path path = {&up, "hits", (long)i, NULL, 0};
		hits[i] = read_element(r, &path, &pq_place_hit, &screening->hits[i]->base);
	}
	ret->hits = hits;
	ret->n_hits = screening->n_hits;
}

static void
read_assumptions(struct reader *r, const Pratique__V1__DecideRequest *message, struct pq_request *ret)
{
	struct pq_path path = {NULL, "assume", -1, NULL, 0};
	struct pq_text *profiles = ELEMENTS(r, message->n_profiles, struct pq_text);
	struct gathering assume = gather(r, message->n_assume);

	for (size_t i = 0; i < message->n_profiles && !r->no_memory; i++)
		profiles[i] = text_of(message->profiles[i]);
	ret->profiles = profiles;
	ret->n_profiles = message->n_profiles;
	add(r, NULL, &pq_place_assume, &message->base, &assume);
	ret->assume = finish(r, &path, &assume);
}

static void
read_whole(struct reader *r, const Pratique__V1__DecideRequest *message, struct pq_request *ret)
{
	const ProtobufCMessage *item = message->item != NULL ? &message->item->base : NULL;
	const ProtobufCMessage *person = message->person != NULL ? &message->person->base : NULL;
	const ProtobufCMessage *screening = message->screening != NULL ? &message->screening->base : NULL;
	struct pq_path item_path = {NULL, "item", -1, NULL, 0};
	struct pq_path person_path = {NULL, "person", -1, NULL, 0};
	struct pq_path screening_path = {NULL, "screening", -1, NULL, 0};
	struct gathering facts = gather(r, room(&pq_place_request, &message->base) + room(&pq_place_item, item) +
	                                       room(&pq_place_person, person) + room(&pq_place_screening, screening));

	add(r, NULL, &pq_place_request, &message->base, &facts);
	add(r, &item_path, &pq_place_item, item, &facts);
	add(r, &person_path, &pq_place_person, person, &facts);
	add(r, &screening_path, &pq_place_screening, screening, &facts);
	ret->facts = finish(r, NULL, &facts);
}

enum pq_status
pq_request_from_message(const Pratique__V1__DecideRequest *message, struct pq_arena *arena,
                        struct pq_request *ret_request, struct pq_violations *violations)
{
	struct reader r = {arena, violations, false};
	struct pq_request request = {
		.jurisdiction_only = message->query == PRATIQUE__V1__QUERY__QUERY_JURISDICTION_ONLY,
	};

	if (message->as_of[0] == '\0')
		pq_violations_add(violations, NULL, "as_of", "MISSING", "is missing: there is no answer without the day");
	else if (!pq_date_parse(message->as_of, strlen(message->as_of), &request.as_of))
		pq_violations_add(violations, NULL, "as_of", "INVALID_DATE",
		                  "\"%.40s\" is no date between 1900-01-01 and 2199-12-31 (YYYY-MM-DD)", message->as_of);
	if (message->near_misses > PQ_MAX_NEAR_MISSES)
		pq_violations_add(violations, NULL, "near_misses", "OUT_OF_RANGE", "at most %d may be asked for",
		                  PQ_MAX_NEAR_MISSES);
	request.near_misses = message->near_misses;
	read_assumptions(&r, message, &request);
	read_whole(&r, message, &request);
	read_lines(&r, message, &request);
	read_parties(&r, message, &request);
	read_hits(&r, message->screening, &request);
	read_intermediates(&r, message, &request);
	if (r.no_memory || violations->no_memory)
		return PQ_ENOMEM;
	if (violations->n > 0)
		return PQ_EINVAL;
	*ret_request = request;
	return PQ_OK;
}

enum pq_status
pq_request_decode(const void *data, size_t len, struct pq_arena *arena, struct pq_request *ret_request,
                  struct pq_demand *ret_demand, struct pq_violations *violations)
{
	static const struct pq_wire_limit limits[] = {
		{&pratique__v1__decide_request__descriptor, "lines", PQ_MAX_LINES},
		{&pratique__v1__decide_request__descriptor, "parties", PQ_MAX_PARTIES},
		{&pratique__v1__decide_request__descriptor, "intermediates", PQ_MAX_INTERMEDIATES},
		{&pratique__v1__decide_request__descriptor, "facts", PQ_MAX_FACTS},
		{&pratique__v1__decide_request__descriptor, "assume", PQ_MAX_FACTS},
		{&pratique__v1__decide_request__descriptor, "profiles", PQ_MAX_PROFILES},
		{&pratique__v1__item__descriptor, "facts", PQ_MAX_FACTS},
		{&pratique__v1__line__descriptor, "facts", PQ_MAX_FACTS},
		{&pratique__v1__party__descriptor, "facts", PQ_MAX_FACTS},
		{&pratique__v1__party__descriptor, "owners", PQ_MAX_OWNERS},
		{&pratique__v1__owner__descriptor, "facts", PQ_MAX_FACTS},
		{&pratique__v1__intermediate__descriptor, "facts", PQ_MAX_FACTS},
		{&pratique__v1__person__descriptor, "facts", PQ_MAX_FACTS},
		{&pratique__v1__screening__descriptor, "facts", PQ_MAX_FACTS},
		{&pratique__v1__screening__descriptor, "hits", PQ_MAX_HITS},
		{&pratique__v1__hit__descriptor, "facts", PQ_MAX_FACTS},
		{&pratique__v1__text_list__descriptor, "values", PQ_MAX_SET},
	};

	pq_wire_check(&pratique__v1__decide_request__descriptor, data, len, limits, sizeof(limits) / sizeof(limits[0]),
	              violations);
	if (violations->no_memory)
		return PQ_ENOMEM;
	if (violations->n > 0)
		return PQ_EINVAL;

	struct watched watched = {arena, false};
	ProtobufCAllocator allocator = {allocate_watched, forget, &watched};
	Pratique__V1__DecideRequest *message = pratique__v1__decide_request__unpack(&allocator, len, data);
	if (message == NULL) {
		if (watched.no_memory)
			return PQ_ENOMEM;
		pq_violations_add(violations, NULL, NULL, "MALFORMED", "cannot be read: it is no DecideRequest");
		return PQ_EINVAL;
	}
	enum pq_status status = pq_request_from_message(message, arena, ret_request, violations);
	if (status == PQ_OK)
		*ret_demand = (struct pq_demand){message->min_revision, message->max_age_s};
	return status;
}

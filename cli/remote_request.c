#include "cli/remote_convert.h"

#include "server/places.h"

#include <string.h>

struct writer {
	struct pq_arena *arena;
	bool no_memory;
};

static void *
take(struct writer *w, size_t n, size_t size)
{
	void *block = pq_arena_array(w->arena, n, size);

	w->no_memory |= block == NULL;
	return block;
}

/* A zeroed message with its descriptor in it; defaults of ours are all zero but for texts, which `init` sets. */
static void *
message(struct writer *w, const ProtobufCMessageDescriptor *descriptor)
{
	ProtobufCMessage *new = take(w, 1, descriptor->sizeof_message);

	if (new != NULL)
		descriptor->message_init(new);
	return new;
}

static char *
text(struct writer *w, struct pq_text from)
{
	char *copy = pq_arena_strndup(w->arena, from.at != NULL ? from.at : "", from.len);

	w->no_memory |= copy == NULL;
	return copy != NULL ? copy : (char *)protobuf_c_empty_string;
}

static Pratique__V1__Decimal *
decimal(struct writer *w, int64_t number)
{
	Pratique__V1__Decimal *to = message(w, &pratique__v1__decimal__descriptor);
	char *digits = take(w, 1, 32);

	if (w->no_memory)
		return NULL;
	pq_number_format(number, digits, 32);
	to->value = digits;
	return to;
}

static Pratique__V1__TextList *
texts(struct writer *w, const struct pq_value *value)
{
	Pratique__V1__TextList *to = message(w, &pratique__v1__text_list__descriptor);
	char **values = take(w, value->n_texts, sizeof(*values));

	if (w->no_memory)
		return NULL;
	for (size_t i = 0; i < value->n_texts; i++)
		values[i] = text(w, value->texts[i]);
	to->values = values;
	to->n_values = value->n_texts;
	return to;
}

static Pratique__V1__FactValue *
fact_value(struct writer *w, const struct pq_value *value)
{
	Pratique__V1__FactValue *to = message(w, &pratique__v1__fact_value__descriptor);

	if (to == NULL)
		return NULL;
	switch (value->kind) {
	case PQ_VALUE_UNKNOWN:
		to->kind_case = PRATIQUE__V1__FACT_VALUE__KIND_UNKNOWN;
		to->unknown = message(w, &pratique__v1__unknown__descriptor);
		break;
	case PQ_VALUE_BOOL:
		to->kind_case = PRATIQUE__V1__FACT_VALUE__KIND_BOOLEAN;
		to->boolean = value->boolean;
		break;
	case PQ_VALUE_NUMBER:
		to->kind_case = PRATIQUE__V1__FACT_VALUE__KIND_NUMBER;
		to->number = decimal(w, value->number);
		break;
	case PQ_VALUE_TEXT:
		to->kind_case = PRATIQUE__V1__FACT_VALUE__KIND_TEXT;
		to->text = text(w, value->text);
		break;
	case PQ_VALUE_TEXTS:
		to->kind_case = PRATIQUE__V1__FACT_VALUE__KIND_TEXTS;
		to->texts = texts(w, value);
		break;
	}
	return to;
}

/* Into a typed field, if it is still free and can say that value; everything else goes into the map. */
static bool
set_field(struct writer *w, const struct pq_place_field *field, ProtobufCMessage *to, const struct pq_value *value)
{
	void *at = (char *)to + field->offset;

	switch (field->kind) {
	case PQ_PLACE_TEXT:
		if (value->kind != PQ_VALUE_TEXT || value->text.len == 0 || (*(char **)at)[0] != '\0')
			return false;
		*(char **)at = text(w, value->text);
		return true;
	case PQ_PLACE_FLAG:
		if ((value->kind != PQ_VALUE_BOOL && value->kind != PQ_VALUE_UNKNOWN) ||
		    *(Pratique__V1__Flag *)at != PRATIQUE__V1__FLAG__FLAG_UNSPECIFIED)
			return false;
		*(Pratique__V1__Flag *)at = value->kind == PQ_VALUE_UNKNOWN ? PRATIQUE__V1__FLAG__FLAG_UNKNOWN
		                            : value->boolean                ? PRATIQUE__V1__FLAG__FLAG_TRUE
		                                                            : PRATIQUE__V1__FLAG__FLAG_FALSE;
		return true;
	case PQ_PLACE_DECIMAL:
		if (value->kind != PQ_VALUE_NUMBER || *(Pratique__V1__Decimal **)at != NULL)
			return false;
		*(Pratique__V1__Decimal **)at = decimal(w, value->number);
		return true;
	case PQ_PLACE_TEXTS:
		if (value->kind != PQ_VALUE_TEXTS || *(Pratique__V1__TextList **)at != NULL)
			return false;
		*(Pratique__V1__TextList **)at = texts(w, value);
		return true;
	}
	return false;
}

static bool
is_name(struct pq_text name, const char *of)
{
	return strlen(of) == name.len && memcmp(of, name.at, name.len) == 0;
}

static void
put(struct writer *w, const struct pq_place *place, ProtobufCMessage *to, const struct pq_fact *fact, size_t room)
{
	size_t *n = (size_t *)((char *)to + place->n_facts);
	struct pq_place_entry ***entries = (struct pq_place_entry ***)((char *)to + place->facts);
	size_t skip = strlen(place->prefix);

	for (size_t i = 0; i < place->n_fields; i++) {
		if (is_name(fact->name, place->fields[i].fact) && set_field(w, &place->fields[i], to, &fact->value))
			return;
	}
	if (*entries == NULL)
		*entries = take(w, room, sizeof(**entries));
	struct pq_place_entry *entry = message(w, place->entry);
	if (w->no_memory)
		return;
	entry->key = text(w, (struct pq_text){fact->name.at + skip, fact->name.len - skip});
	entry->value = fact_value(w, &fact->value);
	(*entries)[(*n)++] = entry;
}

/* A message below another that takes the facts of its prefix. */
struct below {
	const struct pq_place *place;
	const ProtobufCMessageDescriptor *descriptor;
	ProtobufCMessage **at;
};

static void
put_all(struct writer *w, const struct pq_facts *facts, const struct pq_place *place, ProtobufCMessage *to,
        const struct below *below, size_t n_below)
{
	for (size_t i = 0; i < facts->n && !w->no_memory; i++) {
		const struct pq_fact *fact = &facts->at[i];
		size_t j = 0;
		while (j < n_below && (fact->name.len <= strlen(below[j].place->prefix) ||
		                       memcmp(fact->name.at, below[j].place->prefix, strlen(below[j].place->prefix)) != 0))
			j++;
		if (j == n_below) {
			put(w, place, to, fact, facts->n);
			continue;
		}
		if (*below[j].at == NULL)
			*below[j].at = message(w, below[j].descriptor);
		if (!w->no_memory)
			put(w, below[j].place, *below[j].at, fact, facts->n);
	}
}

/* The elements of a repeated field that are nothing but facts. */
static void *
elements(struct writer *w, const struct pq_facts *facts, size_t n, const struct pq_place *place,
         const ProtobufCMessageDescriptor *descriptor)
{
	ProtobufCMessage **messages = take(w, n, sizeof(*messages));

	for (size_t i = 0; i < n && !w->no_memory; i++) {
		messages[i] = message(w, descriptor);
		if (messages[i] != NULL)
			put_all(w, &facts[i], place, messages[i], NULL, 0);
	}
	return messages;
}

static void
write_parties(struct writer *w, const struct pq_request *request, Pratique__V1__DecideRequest *to)
{
	to->parties = take(w, request->n_parties, sizeof(*to->parties));
	to->n_parties = request->n_parties;
	for (size_t i = 0; i < request->n_parties && !w->no_memory; i++) {
		const struct pq_party *from = &request->parties[i];
		Pratique__V1__Party *party = message(w, &pratique__v1__party__descriptor);
		if (party == NULL)
			return;
		put_all(w, &from->facts, &pq_place_party, &party->base, NULL, 0);
		party->owners = elements(w, from->owners, from->n_owners, &pq_place_owner, &pratique__v1__owner__descriptor);
		party->n_owners = from->n_owners;
		to->parties[i] = party;
	}
}

static void
write_lines(struct writer *w, const struct pq_request *request, Pratique__V1__DecideRequest *to)
{
	to->lines = take(w, request->n_lines, sizeof(*to->lines));
	to->n_lines = request->n_lines;
	for (size_t i = 0; i < request->n_lines && !w->no_memory; i++) {
		Pratique__V1__Line *line = message(w, &pratique__v1__line__descriptor);
		if (line == NULL)
			return;
		struct below item = {&pq_place_item, &pratique__v1__item__descriptor, (ProtobufCMessage **)&line->item};
		put_all(w, &request->lines[i], &pq_place_line, &line->base, &item, 1);
		to->lines[i] = line;
	}
}

static void
write_hits(struct writer *w, const struct pq_request *request, Pratique__V1__DecideRequest *to)
{
	if (request->n_hits == 0)
		return;
	if (to->screening == NULL)
		to->screening = message(w, &pratique__v1__screening__descriptor);
	if (w->no_memory)
		return;
	to->screening->hits = elements(w, request->hits, request->n_hits, &pq_place_hit, &pratique__v1__hit__descriptor);
	to->screening->n_hits = request->n_hits;
}

static void
write_assumptions(struct writer *w, const struct pq_request *request, Pratique__V1__DecideRequest *to)
{
	put_all(w, &request->assume, &pq_place_assume, &to->base, NULL, 0);
	to->profiles = take(w, request->n_profiles, sizeof(*to->profiles));
	for (size_t i = 0; i < request->n_profiles && !w->no_memory; i++)
		to->profiles[to->n_profiles++] = text(w, request->profiles[i]);
	to->near_misses = request->near_misses;
}

enum pq_status
pq_request_to_message(const struct pq_request *request, struct pq_arena *arena,
                      Pratique__V1__DecideRequest **ret_message, struct pq_err *err)
{
	struct writer w = {arena, false};
	Pratique__V1__DecideRequest *to = message(&w, &pratique__v1__decide_request__descriptor);
	char *as_of = take(&w, 1, 16);

	if (w.no_memory)
		return pq_fail(err, PQ_ENOMEM, "no memory for the request");
	pq_date_format(request->as_of, as_of, 16);
	to->as_of = as_of;
	if (request->jurisdiction_only)
		to->query = PRATIQUE__V1__QUERY__QUERY_JURISDICTION_ONLY;
	const struct below below[] = {
		{&pq_place_item, &pratique__v1__item__descriptor, (ProtobufCMessage **)&to->item},
		{&pq_place_person, &pratique__v1__person__descriptor, (ProtobufCMessage **)&to->person},
		{&pq_place_screening, &pratique__v1__screening__descriptor, (ProtobufCMessage **)&to->screening},
	};
	put_all(&w, &request->facts, &pq_place_request, &to->base, below, sizeof(below) / sizeof(below[0]));
	write_assumptions(&w, request, to);
	write_lines(&w, request, to);
	write_parties(&w, request, to);
	write_hits(&w, request, to);
	to->intermediates = elements(&w, request->intermediates, request->n_intermediates, &pq_place_intermediate,
	                             &pratique__v1__intermediate__descriptor);
	to->n_intermediates = request->n_intermediates;
	if (w.no_memory)
		return pq_fail(err, PQ_ENOMEM, "no memory for the request");
	*ret_message = to;
	return PQ_OK;
}

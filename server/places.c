#include "server/places.h"

#include <assert.h>

#define FIELD(message, member, fact, kind)                               \
	{                                                                    \
		fact, PQ_PLACE_##kind, offsetof(Pratique__V1__##message, member) \
	}
#define PLACE(name, message, prefix, entry)                                                                           \
	const struct pq_place pq_place_##name = {                                                                         \
		prefix,                                                                                                       \
		name##_fields,                                                                                                \
		sizeof(name##_fields) / sizeof(name##_fields[0]),                                                             \
		"facts",                                                                                                      \
		offsetof(Pratique__V1__##message, n_facts),                                                                   \
		offsetof(Pratique__V1__##message, facts),                                                                     \
		&pratique__v1__##entry##__facts_entry__descriptor,                                                            \
	};                                                                                                                \
	static_assert(sizeof(Pratique__V1__##message##__FactsEntry) == sizeof(struct pq_place_entry) &&                   \
	                  offsetof(Pratique__V1__##message##__FactsEntry, key) == offsetof(struct pq_place_entry, key) && \
	                  offsetof(Pratique__V1__##message##__FactsEntry, value) ==                                       \
	                      offsetof(struct pq_place_entry, value),                                                     \
	              "all maps of facts are read alike")

static const struct pq_place_field request_fields[] = {
	FIELD(DecideRequest, transaction_type, "transaction_type", TEXT),
	FIELD(DecideRequest, regime, "regime", TEXT),
	FIELD(DecideRequest, origin, "origin", TEXT),
	FIELD(DecideRequest, destination, "destination", TEXT),
	FIELD(DecideRequest, end_use, "end_use", TEXT),
	FIELD(DecideRequest, value_usd, "value_usd", DECIMAL),
};
PLACE(request, DecideRequest, "", decide_request);

static const struct pq_place_field item_fields[] = {
	FIELD(Item, eccn, "item.eccn", TEXT),
	FIELD(Item, usml, "item.usml", TEXT),
	FIELD(Item, kind, "item.kind", TEXT),
	FIELD(Item, schedule_b, "item.schedule_b", TEXT),
};
PLACE(item, Item, "item.", item);

static const struct pq_place_field line_fields[] = {
	FIELD(Line, value_usd, "value_usd", DECIMAL),
};
PLACE(line, Line, "", line);

static const struct pq_place_field party_fields[] = {
	FIELD(Party, role, "role", TEXT),
	FIELD(Party, country, "country", TEXT),
	FIELD(Party, name, "name", TEXT),
	FIELD(Party, type, "type", TEXT),
	FIELD(Party, lists, "lists", TEXTS),
	FIELD(Party, military_end_user, "military_end_user", FLAG),
	FIELD(Party, military_intelligence_end_user, "military_intelligence_end_user", FLAG),
};
PLACE(party, Party, "", party);

static const struct pq_place_field owner_fields[] = {
	FIELD(Owner, name, "name", TEXT),
	FIELD(Owner, lists, "lists", TEXTS),
	FIELD(Owner, share_pct, "share_pct", DECIMAL),
};
PLACE(owner, Owner, "", owner);

static const struct pq_place_field intermediate_fields[] = {
	FIELD(Intermediate, country, "country", TEXT),
};
PLACE(intermediate, Intermediate, "", intermediate);

static const struct pq_place_field hit_fields[] = {
	FIELD(Hit, party, "party", TEXT),
	FIELD(Hit, list, "list", TEXT),
	FIELD(Hit, entry, "entry", TEXT),
	FIELD(Hit, name_match, "name_match", TEXT),
	FIELD(Hit, address_match, "address_match", FLAG),
	FIELD(Hit, adjudicated, "adjudicated", FLAG),
	FIELD(Hit, same_party, "same_party", FLAG),
};
PLACE(hit, Hit, "", hit);

static const struct pq_place_field person_fields[] = {
	FIELD(Person, citizenship, "person.citizenship", TEXTS),
	FIELD(Person, most_recent_citizenship_or_pr, "person.most_recent_citizenship_or_pr", TEXT),
	FIELD(Person, us_person, "person.us_person", FLAG),
	FIELD(Person, us_permanent_resident, "person.us_permanent_resident", FLAG),
	FIELD(Person, protected_person, "person.protected_person", FLAG),
};
PLACE(person, Person, "person.", person);

static const struct pq_place_field screening_fields[] = {
	FIELD(Screening, screened, "screening.screened", FLAG),
	FIELD(Screening, red_flags, "screening.red_flags", TEXTS),
};
PLACE(screening, Screening, "screening.", screening);

/* The same message once more: what is assumed where its facts are silent. */
const struct pq_place pq_place_assume = {
	"",
	NULL,
	0,
	"assume",
	offsetof(Pratique__V1__DecideRequest, n_assume),
	offsetof(Pratique__V1__DecideRequest, assume),
	&pratique__v1__decide_request__assume_entry__descriptor,
};
static_assert(sizeof(Pratique__V1__DecideRequest__AssumeEntry) == sizeof(struct pq_place_entry) &&
                  offsetof(Pratique__V1__DecideRequest__AssumeEntry, key) == offsetof(struct pq_place_entry, key) &&
                  offsetof(Pratique__V1__DecideRequest__AssumeEntry, value) == offsetof(struct pq_place_entry, value),
              "all maps of facts are read alike");

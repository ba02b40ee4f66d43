#include "bench/support/requests.h"

#include "bench/support/random.h"
#include "policy/image_private.h"
#include "policy/request.h"

#include <string.h>

#define TEXT(literal)                \
	{                                \
		literal, sizeof(literal) - 1 \
	}

#define SAYS(literal, ...) \
	{                      \
		TEXT(literal),     \
		{                  \
			__VA_ARGS__    \
		}                  \
	}
#define NO .kind = PQ_VALUE_BOOL, .boolean = false
#define YES .kind = PQ_VALUE_BOOL, .boolean = true
#define ZERO .kind = PQ_VALUE_NUMBER, .number = 0

/* What a platform would say as a matter of course; said where the case did not and the packs know the fact. */
static const struct pq_fact usual[] = {
	SAYS("foreign_made", NO),
	SAYS("mt", NO),
	SAYS("hq_in_macau_or_d5", NO),
	SAYS("ytd_same_consignee_same_eccn", ZERO),
	SAYS("exporter_registered", YES),
	SAYS("shipments_this_year", ZERO),
	SAYS("supports_previously_authorized_article", NO),
	SAYS("recipient_is_previously_approved_end_user", NO),
	SAYS("enhances_capability", NO),
};
static const struct pq_fact usual_of_party[] = {
	SAYS("military_end_user", NO),
	SAYS("military_intelligence_end_user", NO),
};
enum { USUAL = sizeof(usual) / sizeof(usual[0]), USUAL_OF_PARTY = sizeof(usual_of_party) / sizeof(usual_of_party[0]) };

struct maker {
	const struct pq_image *image;
	struct pq_arena *arena;
	struct bench_random random;
	struct bench_requests made;
	size_t *bases; /* the cases that random requests are made from */
	size_t n_bases;
	const uint32_t *countries; /* strings of the image */
	size_t n_countries;
	struct pq_fact usual[USUAL], usual_of_party[USUAL_OF_PARTY]; /* those that the packs know */
	size_t n_usual, n_usual_of_party;
	int32_t today; /* the latest edition of a pack */
	bool oom;
};

/* A list of facts under construction. */
struct list {
	struct pq_fact *at;
	size_t n;
};

static bool
is_named(const struct pq_fact *fact, const char *name)
{
	return fact->name.len == strlen(name) && memcmp(fact->name.at, name, fact->name.len) == 0;
}

static bool
is_of_item(const struct pq_fact *fact)
{
	return fact->name.len > 5 && memcmp(fact->name.at, "item.", 5) == 0;
}

/* The fact's attribute, or NULL. `scope` is the prefix of names in its element: "party.". */
static const struct pq_p_attr *
attr_of(const struct pq_image *image, const char *scope, const struct pq_fact *fact)
{
	size_t prefix = strlen(scope);

	for (size_t i = 0; i < image->p.n_attrs; i++) {
		const char *name = pq_string(image, image->p.attrs[i].name);
		if (strncmp(name, scope, prefix) == 0 && is_named(fact, name + prefix))
			return &image->p.attrs[i];
	}
	return NULL;
}

static bool
same_text(struct pq_text a, struct pq_text b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static const struct pq_fact *
find(struct pq_facts facts, const char *name)
{
	for (size_t i = 0; i < facts.n; i++) {
		if (is_named(&facts.at[i], name))
			return &facts.at[i];
	}
	return NULL;
}

static struct list
list_for(struct maker *m, size_t n)
{
	struct list list = {pq_arena_array(m->arena, n + 1, sizeof(struct pq_fact)), 0};

	m->oom |= list.at == NULL;
	return list;
}

static struct pq_facts
done(struct list list)
{
	return (struct pq_facts){list.at, list.n};
}

static void
add_usual(struct list *list, const struct pq_fact *facts, size_t n)
{
	size_t before = list->n;

	for (size_t i = 0; i < n; i++) {
		bool said = false;
		for (size_t k = 0; k < before; k++)
			said |= same_text(list->at[k].name, facts[i].name);
		if (!said)
			list->at[list->n++] = facts[i];
	}
}

static struct pq_value
country(struct maker *m)
{
	const char *name = pq_string(m->image, m->countries[bench_random_below(&m->random, m->n_countries)]);

	return (struct pq_value){.kind = PQ_VALUE_TEXT, .text = {name, strlen(name)}};
}

/* From some dollars to some millions, each order of magnitude as often as the next. */
static struct pq_value
value_usd(struct maker *m)
{
	int64_t number = 1 + (int64_t)bench_random_below(&m->random, 9);

	for (size_t zeros = 1 + bench_random_below(&m->random, 6); zeros > 0; zeros--)
		number = number * 10 + (int64_t)bench_random_below(&m->random, 10);
	return (struct pq_value){.kind = PQ_VALUE_NUMBER, .number = number * PQ_NUMBER_SCALE};
}

static const struct pq_request *
any_base(struct maker *m)
{
	return &m->made.at[m->bases[bench_random_below(&m->random, m->n_bases)]].request;
}

/* A case whose item goes together with what the request says of its regime. */
static const struct pq_request *
other_of_regime(struct maker *m, const struct pq_request *base)
{
	const struct pq_fact *regime = find(base->facts, "regime");

	for (int tries = 0; regime != NULL && tries < 16; tries++) {
		const struct pq_request *other = any_base(m);
		const struct pq_fact *its = find(other->facts, "regime");
		if (other->n_lines == 0 && its != NULL && same_text(its->value.text, regime->value.text))
			return other;
	}
	return base;
}

static struct pq_facts
facts_of(struct maker *m, const struct pq_request *base)
{
	bool swap = base->n_lines == 0 && bench_random_chance(&m->random, BENCH_SWAP_PERCENT);
	const struct pq_request *other = swap ? other_of_regime(m, base) : base;
	struct list list = list_for(m, base->facts.n + other->facts.n + m->n_usual);

	if (m->oom)
		return (struct pq_facts){0};
	for (size_t i = 0; i < base->facts.n; i++) {
		struct pq_fact fact = base->facts.at[i];
		if (other != base && is_of_item(&fact))
			continue;
		if (is_named(&fact, "destination"))
			fact.value = country(m);
		else if (is_named(&fact, "value_usd"))
			fact.value = value_usd(m);
		list.at[list.n++] = fact;
	}
	for (size_t i = 0; other != base && i < other->facts.n; i++) {
		if (is_of_item(&other->facts.at[i]))
			list.at[list.n++] = other->facts.at[i];
	}
	add_usual(&list, m->usual, m->n_usual);
	return done(list);
}

/* The parties of cases, most of them where the goods go. */
static void
make_parties(struct maker *m, struct pq_request *request)
{
	size_t n = bench_random_chance(&m->random, 70) ? 1 : 2 + bench_random_below(&m->random, 2);
	struct pq_party *parties = pq_arena_array(m->arena, n, sizeof(*parties));
	const struct pq_fact *destination = find(request->facts, "destination");

	if ((m->oom |= parties == NULL))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct pq_request *base = any_base(m);
		const struct pq_party *from = &base->parties[bench_random_below(&m->random, base->n_parties)];
		struct list list = list_for(m, from->facts.n + m->n_usual_of_party);
		bool abroad = destination == NULL || bench_random_chance(&m->random, 20);
		if (m->oom)
			return;
		for (size_t k = 0; k < from->facts.n; k++) {
			struct pq_fact fact = from->facts.at[k];
			if (is_named(&fact, "country"))
				fact.value = abroad ? country(m) : destination->value;
			list.at[list.n++] = fact;
		}
		add_usual(&list, m->usual_of_party, m->n_usual_of_party);
		parties[i] = (struct pq_party){done(list), from->owners, from->n_owners};
	}
	request->parties = parties;
	request->n_parties = n;
}

static bool
is_required(const struct maker *m, const char *scope, const struct pq_fact *fact)
{
	const struct pq_p_attr *attr = attr_of(m->image, scope, fact);

	return attr != NULL && attr->required;
}

/* The classification without its paragraph, where it has one; any other fact as said to be unknown. */
static void
forget(struct pq_fact *fact)
{
	const char *dot = fact->value.kind == PQ_VALUE_TEXT && is_of_item(fact)
	                      ? memchr(fact->value.text.at, '.', fact->value.text.len)
	                      : NULL;

	if (dot != NULL)
		fact->value.text.len = (size_t)(dot - fact->value.text.at);
	else
		fact->value = (struct pq_value){.kind = PQ_VALUE_UNKNOWN};
}

/* The lists were made for this request, so their facts may be written to. */
static const char *
make_unknown(struct maker *m, struct pq_request *request)
{
	struct pq_facts party = request->parties[bench_random_below(&m->random, request->n_parties)].facts;

	for (int tries = 0; tries < 16; tries++) {
		size_t at = bench_random_below(&m->random, request->facts.n + party.n);
		bool of_party = at >= request->facts.n;
		const struct pq_fact *fact = of_party ? &party.at[at - request->facts.n] : &request->facts.at[at];
		if (is_required(m, of_party ? "party." : "", fact))
			continue;
		forget((struct pq_fact *)fact);
		return pq_arena_printf(m->arena, "%s%.*s", of_party ? "party." : "", (int)fact->name.len, fact->name.at);
	}
	return NULL;
}

static void
make_random(struct maker *m, size_t number, struct bench_request *ret)
{
	size_t at = m->bases[bench_random_below(&m->random, m->n_bases)];
	const struct bench_request *base = &m->made.at[at];

	*ret = (struct bench_request){.random = true, .request = base->request};
	ret->name = pq_arena_printf(m->arena, "random %zu from %s", number, base->name);
	if (bench_random_chance(&m->random, BENCH_RECENT_PERCENT))
		ret->request.as_of = m->today - (int32_t)bench_random_below(&m->random, 365);
	ret->request.facts = facts_of(m, &base->request);
	if (!m->oom)
		make_parties(m, &ret->request);
	if (!m->oom && bench_random_chance(&m->random, BENCH_UNKNOWN_PERCENT))
		ret->unknown = make_unknown(m, &ret->request);
	m->oom |= ret->name == NULL;
}

static bool
is_release(const struct pq_image *image, const struct pq_request *request)
{
	const struct pq_p_meta *meta = image->meta;
	const struct pq_p_attr *attr = meta->release_fact != PQ_NO_INDEX ? &image->p.attrs[meta->release_fact] : NULL;
	const struct pq_fact *fact = attr != NULL ? find(request->facts, pq_string(image, attr->name)) : NULL;

	for (uint32_t i = 0; fact != NULL && i < meta->release_values.n; i++) {
		uint32_t symbol = image->p.lists[meta->release_values.first + i];
		const char *name = pq_string(image, image->p.symbols[image->p.domains[attr->domain].symbols.first + symbol]);
		if (same_text(fact->value.text, (struct pq_text){name, strlen(name)}))
			return true;
	}
	return false;
}

static enum pq_status
read_cases(struct maker *m, struct pq_err *err)
{
	for (size_t i = 0; i < m->image->p.n_cases; i++) {
		const char *source;
		size_t len;
		struct pq_case_text read;
		struct bench_request *made = &m->made.at[m->made.n];
		const char *json = pq_image_case(m->image, i, &len, &source);
		enum pq_status status = pq_case_from_json(json, len, m->arena, &read, err);
		if (status != PQ_OK)
			return status;
		*made = (struct bench_request){.name = source, .request = read.request};
		if (!read.request.jurisdiction_only && read.request.n_parties > 0)
			m->bases[m->n_bases++] = m->made.n;
		m->made.n++;
	}
	m->made.n_cases = m->made.n;
	return PQ_OK;
}

static void
find_usual(struct maker *m)
{
	for (size_t i = 0; i < USUAL; i++) {
		if (attr_of(m->image, "", &usual[i]) != NULL)
			m->usual[m->n_usual++] = usual[i];
	}
	for (size_t i = 0; i < USUAL_OF_PARTY; i++) {
		if (attr_of(m->image, "party.", &usual_of_party[i]) != NULL)
			m->usual_of_party[m->n_usual_of_party++] = usual_of_party[i];
	}
}

static void
find_countries(struct maker *m)
{
	const struct pq_program *p = &m->image->p;

	for (size_t i = 0; i < p->n_attrs; i++) {
		if (strcmp(pq_string(m->image, p->attrs[i].name), "destination") != 0 || p->attrs[i].domain == PQ_NO_INDEX)
			continue;
		struct pq_span symbols = p->domains[p->attrs[i].domain].symbols;
		m->countries = p->symbols + symbols.first;
		m->n_countries = symbols.n;
	}
	m->today = bench_latest_edition(m->image);
}

int32_t
bench_latest_edition(const struct pq_image *image)
{
	int32_t latest = PQ_DATE_MIN;

	for (size_t i = 0; i < image->p.n_packs; i++) {
		if (image->p.packs[i].edition > latest)
			latest = image->p.packs[i].edition;
	}
	return latest;
}

bool
bench_is_simple(const struct pq_image *image, const struct pq_request *request)
{
	return request->n_lines < 2 && !is_release(image, request);
}

enum pq_status
bench_requests_make(const struct pq_image *image, size_t n_random, uint64_t seed, struct pq_arena *arena,
                    struct bench_requests *ret, struct pq_err *err)
{
	struct maker m = {.image = image, .arena = arena, .random = {seed}};
	size_t n_cases = image->p.n_cases;

	m.made.at = pq_arena_array(arena, n_cases + n_random + 1, sizeof(*m.made.at));
	m.bases = pq_arena_array(arena, n_cases + 1, sizeof(*m.bases));
	if (m.made.at == NULL || m.bases == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for the requests");
	enum pq_status status = read_cases(&m, err);
	if (status != PQ_OK)
		return status;
	find_countries(&m);
	find_usual(&m);
	if (m.n_bases == 0 || m.n_countries == 0 || m.today == PQ_DATE_MIN)
		return pq_fail(err, PQ_EINVAL, "the store has no cases, destinations or editions to make requests from");
	for (size_t i = 0; i < n_random; i++)
		make_random(&m, i, &m.made.at[m.made.n++]);
	if (m.oom)
		return pq_fail(err, PQ_ENOMEM, "no memory for the requests");
	for (size_t i = 0; i < m.made.n; i++)
		m.made.at[i].simple = bench_is_simple(image, &m.made.at[i].request);
	*ret = m.made;
	return PQ_OK;
}

#include "tests/support/random_told.h"

#include "policy/request.h"

#include <stdlib.h>
#include <string.h>

/* Of so many requests one is not told what is missing, and has facts left out and unknown. */
#define UNTOLD_EVERY 40
/* Times that a request is told what is missing. */
#define MAX_ROUNDS 6
/* Changed requests from which is learned what a case is asked for, so that few need to be asked again. */
#define LESSONS 2

/* The values that the cases have of a fact. */
struct words {
	const struct pq_value **at;
	size_t n, room;
};

struct pq_teller {
	const struct pq_random_request_form *form;
	pq_ask *ask;
	void *ask_of;
	struct pq_case_text *cases;
	size_t n_cases;
	struct words *words; /* by attribute */
	bool *learned;       /* by case: what it is asked for is known ... */
	bool *asked;         /* ... by case and attribute */
};

static void *
must(void *block)
{
	if (block == NULL)
		abort();
	return block;
}

/* ---- the words of the cases ----------------------------------------------------------------------------------------- */

static const char *
bare_name(const struct pq_attr *attr)
{
	return attr->name + (attr->scope == PQ_SCOPE_REQUEST ? 0 : strlen(pq_scope_name(attr->scope)) + 1);
}

static bool
is_name(struct pq_text text, const char *name)
{
	return strlen(name) == text.len && memcmp(name, text.at, text.len) == 0;
}

static void
read_words(struct pq_teller *t, enum pq_scope scope, const struct pq_facts *facts, struct pq_arena *arena)
{
	const struct pq_model *model = t->form->model;

	for (size_t i = 0; i < facts->n; i++) {
		for (size_t a = 0; a < model->n_attrs; a++) {
			struct words *words = &t->words[a];
			if (!model->attrs[a].is_fact || model->attrs[a].scope != scope ||
			    facts->at[i].value.kind == PQ_VALUE_UNKNOWN || !is_name(facts->at[i].name, bare_name(&model->attrs[a])))
				continue;
			if (words->n == words->room) {
				const struct pq_value **more =
					must(pq_arena_array(arena, words->room = words->room * 2 + 8, sizeof(*more)));
				if (words->n > 0)
					memcpy(more, words->at, words->n * sizeof(*more));
				words->at = more;
			}
			words->at[words->n++] = &facts->at[i].value;
		}
	}
}

static void
read_case(struct pq_teller *t, const struct pq_request *request, struct pq_arena *arena)
{
	read_words(t, PQ_SCOPE_REQUEST, &request->facts, arena);
	for (size_t i = 0; i < request->n_lines; i++)
		read_words(t, PQ_SCOPE_REQUEST, &request->lines[i], arena);
	for (size_t i = 0; i < request->n_parties; i++) {
		read_words(t, PQ_SCOPE_PARTY, &request->parties[i].facts, arena);
		for (size_t k = 0; k < request->parties[i].n_owners; k++)
			read_words(t, PQ_SCOPE_OWNER, &request->parties[i].owners[k], arena);
	}
	for (size_t i = 0; i < request->n_hits; i++)
		read_words(t, PQ_SCOPE_HIT, &request->hits[i], arena);
	for (size_t i = 0; i < request->n_intermediates; i++)
		read_words(t, PQ_SCOPE_INTERMEDIATE, &request->intermediates[i], arena);
}

struct pq_teller *
pq_teller_new(const struct pq_random_request_form *form, pq_ask *ask, void *of, struct pq_arena *arena)
{
	const struct pq_model *model = form->model;
	struct pq_teller *t = must(pq_arena_alloc(arena, sizeof(*t)));

	*t = (struct pq_teller){.form = form, .ask = ask, .ask_of = of, .n_cases = model->n_cases};
	t->cases = must(pq_arena_array(arena, model->n_cases, sizeof(*t->cases)));
	t->learned = must(pq_arena_array(arena, model->n_cases, sizeof(*t->learned)));
	t->asked = must(pq_arena_array(arena, model->n_cases * model->n_attrs, sizeof(*t->asked)));
	t->words = must(pq_arena_array(arena, model->n_attrs, sizeof(*t->words)));
	for (size_t i = 0; i < model->n_cases; i++) {
		struct pq_err err;
		if (pq_case_from_json(model->cases[i].json, model->cases[i].len, arena, &t->cases[i], &err) != PQ_OK)
			abort();
		read_case(t, &t->cases[i].request, arena);
	}
	return t;
}

/* ---- telling -------------------------------------------------------------------------------------------------------- */

/* A request that is being told more: its facts have room. */
struct telling {
	struct pq_teller *t;
	struct pq_random random;
	struct pq_arena *arena;
	struct pq_request *request;
	bool told;   /* something was, since this was last cleared */
	bool *asked; /* by attribute: what is asked is noted here; NULL = nowhere */
};

static struct pq_value
word(struct telling *m, uint32_t attr)
{
	const struct words *words = &m->t->words[attr];

	if (words->n > 0 && pq_random_chance(&m->random, 70))
		return *words->at[pq_random_below(&m->random, words->n)];
	return pq_random_value(m->t->form, attr, &m->random, m->arena);
}

static size_t
find(const struct pq_facts *facts, const char *name)
{
	for (size_t i = 0; i < facts->n; i++) {
		if (is_name(facts->at[i].name, name))
			return i;
	}
	return facts->n;
}

/* Say it where it is silent (`add`) or was said to be unknown, or (`again`) say something else. */
static void
tell(struct telling *m, const struct pq_facts *in, uint32_t attr, bool add, bool again)
{
	struct pq_facts *facts = (struct pq_facts *)in; /* every place is the teller's own copy */
	const char *name = bare_name(&m->t->form->model->attrs[attr]);
	size_t i = find(facts, name);

	if (i < facts->n ? !again && facts->at[i].value.kind != PQ_VALUE_UNKNOWN : !add)
		return;
	struct pq_fact *more = must(pq_arena_array(m->arena, facts->n + 1, sizeof(*more)));
	if (facts->n > 0)
		memcpy(more, facts->at, facts->n * sizeof(*more));
	more[i] = (struct pq_fact){{name, strlen(name)}, word(m, attr)};
	facts->n += i == facts->n;
	facts->at = more;
	m->told = true;
}

static void
tell_everywhere(struct telling *m, uint32_t attr, bool again)
{
	struct pq_request *r = m->request;
	enum pq_scope scope = m->t->form->model->attrs[attr].scope;

	if (scope == PQ_SCOPE_REQUEST)
		tell(m, &r->facts, attr, true, again);
	for (size_t i = 0; scope == PQ_SCOPE_REQUEST && i < r->n_lines; i++)
		tell(m, &r->lines[i], attr, false, again);
	for (size_t i = 0; i < r->n_parties; i++) {
		if (scope == PQ_SCOPE_PARTY)
			tell(m, &r->parties[i].facts, attr, true, again);
		for (size_t k = 0; scope == PQ_SCOPE_OWNER && k < r->parties[i].n_owners; k++)
			tell(m, &r->parties[i].owners[k], attr, true, again);
	}
	for (size_t i = 0; scope == PQ_SCOPE_HIT && i < r->n_hits; i++)
		tell(m, &r->hits[i], attr, true, again);
	for (size_t i = 0; scope == PQ_SCOPE_INTERMEDIATE && i < r->n_intermediates; i++)
		tell(m, &r->intermediates[i], attr, true, again);
}

/* The name under which an answer asks for the fact: "item.eccn", "parties.end_user.lists", "screening.hits[0].scope". */
static bool
is_asked(const struct pq_attr *attr, const char *name)
{
	const char *bare = bare_name(attr);
	size_t len = strlen(name), end = strlen(bare);

	if (attr->report_as != NULL && attr->report_as[0] != '\0')
		return strcmp(attr->report_as, name) == 0;
	if (attr->scope == PQ_SCOPE_REQUEST)
		return strcmp(attr->name, name) == 0;
	const char *place = attr->scope == PQ_SCOPE_HIT            ? "screening.hits["
	                    : attr->scope == PQ_SCOPE_INTERMEDIATE ? "intermediate["
	                                                           : "parties";
	return strncmp(name, place, strlen(place)) == 0 && len > end && strcmp(name + len - end, bare) == 0 &&
	       name[len - end - 1] == '.' && (strstr(name, ".owners[") != NULL) == (attr->scope == PQ_SCOPE_OWNER);
}

/* A path is told with its code. */
static void
tell_asked(struct telling *m, const char *name)
{
	const struct pq_model *model = m->t->form->model;

	for (uint32_t a = 0; a < model->n_attrs; a++) {
		const struct pq_attr *attr = &model->attrs[a];
		if ((!attr->is_fact && attr->type != PQ_TYPE_PATH) || !is_asked(attr, name))
			continue;
		if (attr->type == PQ_TYPE_PATH)
			tell_everywhere(m, attr->path, true);
		else
			tell_everywhere(m, a, false);
		if (m->asked != NULL && attr->type != PQ_TYPE_PATH)
			m->asked[a] = true;
	}
}

/* False: nothing is missing, or nothing that can be told. */
static bool
tell_missing(struct telling *m)
{
	const struct pq_missing *missing = NULL;
	size_t n = m->t->ask(m->t->ask_of, m->request, m->arena, &missing);

	m->told = false;
	for (size_t i = 0; i < n; i++)
		tell_asked(m, missing[i].name);
	return m->told;
}

/* ---- requests ------------------------------------------------------------------------------------------------------- */

/* One more party, as another case has it. */
static void
add_party(struct telling *m)
{
	const struct pq_request *other = &m->t->cases[pq_random_below(&m->random, m->t->n_cases)].request;
	struct pq_request *r = m->request;

	if (other->n_parties == 0 || r->n_parties == PQ_MAX_PARTIES)
		return;
	struct pq_party *more = must(pq_arena_array(m->arena, r->n_parties + 1, sizeof(*more)));
	if (r->n_parties > 0)
		memcpy(more, r->parties, r->n_parties * sizeof(*more));
	struct pq_party *party = &more[r->n_parties++];
	*party = other->parties[pq_random_below(&m->random, other->n_parties)];
	if (party->n_owners > 0) {
		struct pq_facts *owners = must(pq_arena_array(m->arena, party->n_owners, sizeof(*owners)));
		memcpy(owners, party->owners, party->n_owners * sizeof(*owners));
		party->owners = owners;
	}
	r->parties = more;
}

/* Some facts of the whole request, said or not, get another word of the packs. */
static void
change_words(struct telling *m)
{
	const struct pq_model *model = m->t->form->model;
	size_t n = pq_random_below(&m->random, 8);

	for (size_t tries = 0; n > 0 && tries < 1000; tries++) {
		uint32_t a = (uint32_t)pq_random_below(&m->random, model->n_attrs);
		const struct pq_attr *attr = &model->attrs[a];
		if (!attr->is_fact || attr->scope != PQ_SCOPE_REQUEST || m->t->words[a].n == 0)
			continue;
		/* Facts that most cases have matter most. */
		if (!pq_random_chance(&m->random, m->t->words[a].n * 2 > m->t->n_cases ? 100 : 10))
			continue;
		tell(m, &m->request->facts, a, true, true);
		n--;
	}
}

static void
change(struct telling *m, const struct pq_case_text *of)
{
	pq_random_change_values(m->t->form, &of->request, pq_random_next(&m->random), m->arena, m->request);
	if (pq_random_chance(&m->random, 15))
		add_party(m);
	change_words(m);
}

/* False: after the last round there may be more. */
static bool
tell_all_missing(struct telling *m)
{
	for (int round = 0; round < MAX_ROUNDS; round++) {
		if (!tell_missing(m))
			return true;
	}
	return false;
}

/* The same lessons whenever they are taken: a request hangs on its seed alone. */
static const bool *
asked_of(struct pq_teller *t, size_t of, struct pq_arena *arena)
{
	bool *asked = &t->asked[of * t->form->model->n_attrs];

	for (uint64_t lesson = 0; lesson < LESSONS && !t->learned[of]; lesson++) {
		struct pq_request request;
		struct telling m = {t, {of * LESSONS + lesson}, arena, &request, false, asked};
		change(&m, &t->cases[of]);
		tell_all_missing(&m);
	}
	t->learned[of] = true;
	return asked;
}

bool
pq_random_told(struct pq_teller *teller, uint64_t seed, struct pq_arena *arena, struct pq_request *ret,
               const char **ret_case)
{
	struct telling m = {teller, {seed}, arena, ret, false, NULL};
	size_t of = pq_random_below(&m.random, teller->n_cases);
	const bool *asked;

	*ret_case = teller->cases[of].id;
	if (pq_random_below(&m.random, UNTOLD_EVERY) == 0) {
		pq_random_change(teller->form, &teller->cases[of].request, pq_random_next(&m.random), arena, ret);
		return false;
	}
	asked = asked_of(teller, of, arena);
	change(&m, &teller->cases[of]);
	for (uint32_t a = 0; a < teller->form->model->n_attrs; a++) {
		if (asked[a])
			tell_everywhere(&m, a, false);
	}
	return tell_all_missing(&m);
}

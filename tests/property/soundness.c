#include "tests/property/soundness.h"

#include "tests/property/values.h"

#include "policy/decide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_AXES 4
/* Where the search stopped at its bound each completion may take as long: so many times fewer are tried. */
#define MANY_INEXACT 10
/* Times that what a decision asks for is filled in. */
#define MAX_ROUNDS 5
#define ARENA_MAX ((size_t)1 << 30)

/* A fact that was taken away. */
struct axis {
	const struct pq_place *place;
	struct pq_value taken; /* what is said instead: unknown, or a code without (all of) its path */
	struct pq_values values;
};

struct answer {
	enum pq_outcome outcome; /* NONE: refused */
	uint64_t law, available; /* hashes */
};

struct check {
	struct pq_soundness *s;
	struct pq_random random;
	struct pq_open_request open;
	struct axis axes[MAX_AXES];
	size_t n_axes;
	struct pq_decision decision;
	bool undecided;        /* some completion still asks for something, or hangs on a doubtful row */
	const char *broken;
};

/* ---- taking facts away ------------------------------------------------------------------------------------------------ */

static bool
can_be_taken(const struct pq_model *model, const struct pq_place *place)
{
	const struct pq_attr *attr = &model->attrs[place->attr];

	/* What is claimed is what the caller asks for: unknown, it is no claim. `null_is` says that null is a value. */
	if (attr->required || attr->recorded || attr->has_null_is || place->attr == model->claim_fact)
		return false;
	/* Where a rule asks whether a fact is said, saying that it is unknown is an answer of its own. */
	for (size_t a = 0; a < model->n_attrs; a++) {
		for (size_t i = 0; i < model->attrs[a].said.n; i++) {
			if (model->attrs[a].said.at[i] == place->attr)
				return false;
		}
	}
	return true;
}

static bool
is_taken(const struct check *c, const struct pq_place *place)
{
	for (size_t i = 0; i < c->n_axes; i++) {
		if (c->axes[i].place == place)
			return true;
	}
	return false;
}

/* A code is kept without its path, or with the first part of it. */
static const char *
shorten(struct check *c, const struct pq_place *place)
{
	const struct pq_attr *attr = &c->s->form.model->attrs[place->attr];
	const struct pq_text code = place->fact->value.text;
	size_t len = 0;

	while (len < code.len && code.at[len] != attr->separator)
		len++;
	if (len < code.len && pq_random_chance(&c->random, 30)) {
		for (len++; len < code.len && code.at[len] != '.' && code.at[len] != '('; len++)
			;
	}
	const char *known = pq_arena_strndup(&c->s->opened, code.at, len);
	if (known == NULL)
		abort();
	return known;
}

static size_t
other_numbers(const struct check *c, int64_t *ret, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < c->open.n && n < most; i++) {
		const struct pq_place *place = &c->open.places[i];
		if (place->by_base && place->fact->value.kind == PQ_VALUE_NUMBER && place->fact->value.number != 0)
			ret[n++] = place->fact->value.number;
	}
	return n;
}

static void
take(struct check *c, const struct pq_place *place)
{
	struct pq_soundness *s = c->s;
	struct axis *axis = &c->axes[c->n_axes];
	const struct pq_attr *attr = &s->form.model->attrs[place->attr];
	const char *known = "";
	int64_t others[4];

	*axis = (struct axis){.place = place, .taken = {.kind = PQ_VALUE_UNKNOWN}};
	if (attr->type == PQ_TYPE_CODE && attr->path != PQ_NO_INDEX && pq_random_chance(&c->random, 80)) {
		known = shorten(c, place);
		axis->taken = (struct pq_value){.kind = PQ_VALUE_TEXT, .text = {known, strlen(known)}};
		if (known[0] == '\0')
			return;
	}
	if (!can_be_taken(s->form.model, place) && axis->taken.kind == PQ_VALUE_UNKNOWN)
		return;
	pq_values_of(&s->form, place->attr, known, others, other_numbers(c, others, 4), s->most, &c->random, &s->opened,
	             &axis->values);
	c->n_axes += axis->values.n > 1;
}

static void
take_some(struct check *c)
{
	size_t n = 1 + pq_random_below(&c->random, MAX_AXES);

	for (size_t tries = 0; tries < 200 && c->n_axes < n && c->open.n > 0; tries++) {
		const struct pq_place *place = &c->open.places[pq_random_below(&c->random, c->open.n)];
		if ((place->by_base || pq_random_chance(&c->random, 10)) && !is_taken(c, place))
			take(c, place);
	}
	for (size_t i = 0; i < c->n_axes; i++)
		c->axes[i].place->fact->value = c->axes[i].taken;
}

static void
add_names(struct pq_strings *names, const struct pq_missing *at, size_t n, struct pq_arena *arena)
{
	const char **more = pq_arena_array(arena, names->n + n + 1, sizeof(*more));

	if (more == NULL)
		abort();
	for (size_t i = 0; i < names->n + n; i++) {
		const char *name = i < names->n ? names->at[i] : at[i - names->n].name;
		more[i] = pq_arena_strndup(arena, name, strlen(name));
	}
	*names = (struct pq_strings){more, names->n + n};
}

/* Fill what is asked for until nothing is, or a few times; sometimes as much as there is besides, sometimes nothing. */
static void
open_request(struct check *c, const struct pq_request *base)
{
	struct pq_soundness *s = c->s;
	struct pq_strings names = {0};
	unsigned filled = pq_random_chance(&c->random, 80) ? 0 : pq_random_chance(&c->random, 50) ? 10 : 100;
	size_t rounds = pq_random_chance(&c->random, 90) ? MAX_ROUNDS : 0;

	for (size_t round = 0; round <= rounds; round++) {
		struct pq_random random = c->random;
		struct pq_decision d;
		pq_open_request(&s->form, base, filled, &names, &random, &s->opened, &c->open);
		pq_arena_reset(&s->tried);
		if (round == rounds || pq_decide(s->image, &c->open.request, &s->tried, &d, NULL, NULL, NULL) != PQ_OK ||
		    d.n_missing + d.n_moot == 0)
			break;
		add_names(&names, d.missing, d.n_missing, &s->opened);
		add_names(&names, d.moot, d.n_moot, &s->opened);
	}
	pq_random_next(&c->random);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

static uint64_t
hash(uint64_t h, const char *text)
{
	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return h;
}

static bool
lets_go(enum pq_outcome outcome)
{
	return outcome == PQ_OUTCOME_NOT_SUBJECT || outcome == PQ_OUTCOME_SUBJECT_TO_EAR ||
	       outcome == PQ_OUTCOME_NO_LICENSE_REQUIRED || outcome == PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE ||
	       outcome == PQ_OUTCOME_EXEMPTION_AVAILABLE;
}

/* By its symbol: rules of one exception may show it under different names. */
static bool
has_available(const struct pq_model *model, const struct pq_decision *d, const struct pq_usable *of)
{
	for (size_t i = 0; i < d->n_available; i++) {
		const struct pq_rule_ref *a = d->available[i].rule, *b = of->rule;
		if (a != NULL && b != NULL && model->rules[a->index].exception == model->rules[b->index].exception)
			return true;
		if (strcmp(d->available[i].name, of->name) == 0)
			return true;
	}
	return false;
}

/* A doubtful table row, not the facts, made it REFER: then `best` says what would be without the doubt. */
static bool
is_by_row(const struct pq_decision *d)
{
	return d->outcome == PQ_OUTCOME_REFER && d->best < PQ_OUTCOME_REFER;
}

/* A line of it is wrong. */
static bool
is_refused(const struct pq_decision *d)
{
	size_t n = d->n_violations;

	for (size_t i = 0; i < d->n_parts; i++)
		n += d->parts[i].n_violations;
	return n > 0;
}

static const char *
compare(const struct pq_model *model, const struct pq_decision *d, const struct pq_decision *full)
{
	if (lets_go(d->outcome) && full->outcome != d->outcome)
		return "an outcome that lets goods go is not that of every completion";
	/* While something is unknown in the completion, too, it may name fewer: it stops at one that is usable. */
	for (size_t i = 0; i < d->n_available && full->n_moot == 0; i++) {
		if (!has_available(model, full, &d->available[i]))
			return "an exception that is available is not available in every completion";
	}
	if (d->outcome == PQ_OUTCOME_LICENSE_REQUIRED && full->outcome < PQ_OUTCOME_LICENSE_REQUIRED)
		return "a licence is required, but not in every completion";
	if (d->outcome == PQ_OUTCOME_PROHIBITED && full->outcome != PQ_OUTCOME_PROHIBITED)
		return "prohibited, but not in every completion";
	if (d->n_parts == 0 && full->n_parts == 0 && d->jurisdiction[0] != '\0' && full->jurisdiction[0] != '\0' &&
	    strcmp(d->jurisdiction, full->jurisdiction) != 0)
		return "the law is said to be certain, but another applies in a completion";
	if (full->outcome == PQ_OUTCOME_NEEDS_INFORMATION || is_by_row(full) || d->n_parts != full->n_parts)
		return NULL;
	if (full->outcome < d->best)
		return "a completion is milder than the best that is said to be possible";
	if (full->outcome > d->worst && d->worst < PQ_OUTCOME_REFER)
		return "a completion is worse than the worst that is said to be possible";
	return NULL;
}

/* Missing facts and available exceptions, in words. */
static const char *
names_of(const struct pq_decision *d, struct pq_arena *arena)
{
	const char *all = "missing:";

	for (size_t i = 0; i < d->n_missing; i++)
		all = pq_arena_printf(arena, "%s %s", all, d->missing[i].name);
	all = pq_arena_printf(arena, "%s, moot:", all);
	for (size_t i = 0; i < d->n_moot; i++)
		all = pq_arena_printf(arena, "%s %s", all, d->moot[i].name);
	all = pq_arena_printf(arena, "%s, available:", all);
	for (size_t i = 0; i < d->n_available; i++)
		all = pq_arena_printf(arena, "%s %s", all, d->available[i].name);
	return all;
}

static const char *
describe(struct check *c, const char *what, const struct pq_decision *full, const char *completed)
{
	struct pq_arena *arena = &c->s->kept;
	const char *taken = "";

	for (size_t i = 0; i < c->n_axes; i++) {
		const struct pq_place *place = c->axes[i].place;
		place->fact->value = c->axes[i].taken;
		taken = pq_arena_printf(arena, "%s%s%.*s", taken, i > 0 ? ", " : "", (int)place->fact->name.len, place->fact->name.at);
	}
	const struct pq_decision *d = &c->decision;
	const char *text = pq_arena_printf(arena, "%s\ntaken away: %s\nanswer: %s (best %s, worst %s), law %s, %s\n", what, taken,
	                                   pq_outcome_name(d->outcome), pq_outcome_name(d->best), pq_outcome_name(d->worst),
	                                   d->jurisdiction, names_of(d, arena));
	if (full != NULL)
		text = pq_arena_printf(arena, "%scompletion:%s\ncompleted: %s, law %s, %s\n", text, completed,
		                       pq_outcome_name(full->outcome), full->jurisdiction, names_of(full, arena));
	return pq_arena_printf(arena, "%srequest: %s\n", text, pq_request_text(&c->open.request, arena));
}

/* The values that the axes have now. */
static const char *
completed_text(struct check *c)
{
	const char *all = "";

	for (size_t i = 0; i < c->n_axes; i++) {
		struct pq_fact fact = *c->axes[i].place->fact;
		struct pq_request one = {.facts = {&fact, 1}};
		const char *line = pq_request_text(&one, &c->s->kept);
		const char *at = strstr(line, "facts ");
		all = pq_arena_printf(&c->s->kept, "%s %s", all, at != NULL ? at + strlen("facts ") : "");
	}
	return all;
}

static struct answer
try_completion(struct check *c)
{
	struct pq_soundness *s = c->s;
	struct pq_decision full;
	struct answer answer = {PQ_OUTCOME_NONE, 0, 0};

	pq_arena_reset(&s->tried);
	if (pq_decide(s->image, &c->open.request, &s->tried, &full, NULL, NULL, NULL) != PQ_OK || is_refused(&full))
		return answer;
	s->completions++;
	answer.outcome = full.outcome;
	c->undecided |= full.outcome == PQ_OUTCOME_NEEDS_INFORMATION || is_by_row(&full);
	answer.law = hash(0, full.jurisdiction);
	for (size_t i = 0; i < full.n_available; i++)
		answer.available += hash(0xcbf29ce484222325u, full.available[i].name);
	const char *broken = c->broken == NULL ? compare(s->form.model, &c->decision, &full) : NULL;
	if (broken != NULL)
		c->broken = describe(c, broken, &full, completed_text(c));
	return answer;
}

static bool
differ(struct answer a, struct answer b)
{
	if (a.outcome == PQ_OUTCOME_NONE || b.outcome == PQ_OUTCOME_NONE)
		return false;
	return a.outcome != b.outcome || a.law != b.law || a.available != b.available;
}

static void
set(struct check *c, size_t axis, size_t value)
{
	c->axes[axis].place->fact->value = c->axes[axis].values.at[value];
}

/* ---- all completions, or some of them --------------------------------------------------------------------------------- */

static size_t
count_completions(const struct check *c)
{
	size_t n = 1;

	for (size_t i = 0; i < c->n_axes; i++)
		n = n > c->s->most ? n : n * c->axes[i].values.n;
	return n;
}

/* Fill proven[]: along which axes answers differ. */
static void
try_all(struct check *c, size_t n, bool *proven)
{
	struct answer *answers = pq_arena_array(&c->s->opened, n, sizeof(*answers));

	if (answers == NULL)
		abort();
	for (size_t k = 0; k < n && c->broken == NULL; k++) {
		for (size_t i = 0, rest = k; i < c->n_axes; rest /= c->axes[i++].values.n)
			set(c, i, rest % c->axes[i].values.n);
		answers[k] = try_completion(c);
	}
	for (size_t i = 0, stride = 1; c->broken == NULL && i < c->n_axes; stride *= c->axes[i++].values.n) {
		for (size_t k = 0; k < n && !proven[i]; k++) {
			size_t first = k - k / stride % c->axes[i].values.n * stride;
			proven[i] = differ(answers[first], answers[k]);
		}
	}
}

/* From completions here and there along each axis. */
static void
try_some(struct check *c, bool *proven)
{
	size_t left = c->decision.exact ? c->s->most : c->s->most / MANY_INEXACT;

	while (left > 0 && c->broken == NULL) {
		size_t axis = pq_random_below(&c->random, c->n_axes);
		for (size_t i = 0; i < c->n_axes; i++)
			set(c, i, pq_random_below(&c->random, c->axes[i].values.n));
		struct answer first = try_completion(c);
		left--;
		for (size_t v = 0; v < c->axes[axis].values.n && left > 0 && c->broken == NULL; v++, left--) {
			set(c, axis, v);
			proven[axis] |= differ(first, try_completion(c));
		}
	}
}

/* ---- what is said to be missing ----------------------------------------------------------------------------------------- */

static void
judge_missing(struct check *c, const bool *proven, bool whole)
{
	struct pq_soundness *s = c->s;

	if (c->decision.outcome == PQ_OUTCOME_NEEDS_INFORMATION && c->decision.n_missing == 0)
		c->broken = describe(c, "information is needed, but none is named", NULL, "");
	for (size_t m = 0; m < c->decision.n_missing && c->broken == NULL; m++) {
		const char *name = c->decision.missing[m].name;
		bool called = false, shown = false, enough = true;
		for (size_t i = 0; i < c->n_axes; i++) {
			enough &= c->axes[i].values.enough;
			called |= pq_place_is_called(s->form.model, c->axes[i].place->attr, name);
			shown |= proven[i] && pq_place_is_called(s->form.model, c->axes[i].place->attr, name);
		}
		s->named++;
		if (called && !shown && whole && enough && !c->undecided)
			c->broken = describe(c, pq_arena_printf(&s->kept, "%s is missing, but changes nothing", name), NULL, "");
		s->unproven += !shown;
	}
}

/* ---- one request -------------------------------------------------------------------------------------------------------- */

const char *
pq_soundness_check(struct pq_soundness *s, const struct pq_request *base, uint64_t seed)
{
	struct check c = {.s = s, .random = {seed}};
	bool proven[MAX_AXES] = {false};

	pq_arena_reset(&s->opened);
	pq_arena_reset(&s->kept);
	open_request(&c, base);
	take_some(&c);
	if (c.n_axes == 0)
		return NULL;
	s->requests++;
	struct pq_err err;
	if (pq_decide(s->image, &c.open.request, &s->kept, &c.decision, NULL, NULL, &err) != PQ_OK) {
		s->refused++;
		if (getenv("PQ_PROPERTY_SHOW_REFUSED") != NULL)
			printf("refused: %s: %s\n", err.where, err.msg);
		return NULL;
	}
	s->inexact += !c.decision.exact;
	s->outcomes[c.decision.outcome]++;
	size_t n = count_completions(&c);
	bool whole = n <= s->most && (c.decision.exact || n <= s->most / MANY_INEXACT);
	s->whole += whole;
	if (whole)
		try_all(&c, n, proven);
	else
		try_some(&c, proven);
	if (c.broken == NULL && c.decision.exact && c.decision.n_parts == 0)
		judge_missing(&c, proven, whole);
	return c.broken;
}

void
pq_soundness_init(struct pq_soundness *s)
{
	pq_arena_init(&s->opened, ARENA_MAX);
	pq_arena_init(&s->kept, ARENA_MAX);
	pq_arena_init(&s->tried, ARENA_MAX);
}

void
pq_soundness_release(struct pq_soundness *s)
{
	pq_arena_release(&s->opened);
	pq_arena_release(&s->kept);
	pq_arena_release(&s->tried);
}

void
pq_soundness_print(const struct pq_soundness *s)
{
	printf("%zu requests (%zu refused, %zu inexact), %zu completions, all of them for %zu requests; "
	       "%zu missing facts, %zu not proven by what was tried",
	       s->requests, s->refused, s->inexact, s->completions, s->whole, s->named, s->unproven);
	for (int i = 1; i < PQ_OUTCOME_COUNT; i++)
		printf(", %zu %s", s->outcomes[i], pq_outcome_name((enum pq_outcome)i));
	printf("\n");
}

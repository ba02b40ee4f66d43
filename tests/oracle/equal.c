/* How two decisions differ. */
#include "tests/oracle/oracle.h"

#include <stdlib.h>
#include <string.h>

struct diff {
	struct pq_arena *arena;
	const char *text;
	const char *where; /* "" or "lines[0]: " */
};

static void
differ(struct diff *d, const char *field, const char *a, const char *b)
{
	d->text = pq_arena_printf(d->arena, "%s%s%s: [%s] against [%s]\n", d->text != NULL ? d->text : "", d->where, field, a, b);
	if (d->text == NULL)
		abort();
}

static const char *
text(const char *t)
{
	return t != NULL ? t : "";
}

static void
compare_texts(struct diff *d, const char *field, const char *a, const char *b)
{
	if (strcmp(text(a), text(b)) != 0)
		differ(d, field, text(a), text(b));
}

static void
compare_flags(struct diff *d, const char *field, bool a, bool b)
{
	compare_texts(d, field, a ? "yes" : "no", b ? "yes" : "no");
}

/* ---- lists as sets of lines of text ---------------------------------------------------------------------------------- */

struct lines {
	const char **at;
	size_t n;
};

static struct lines
room(struct diff *d, size_t n)
{
	struct lines lines = {pq_arena_array(d->arena, n + 1, sizeof(char *)), 0};

	if (lines.at == NULL)
		abort();
	return lines;
}

static void
add(struct lines *lines, const char *line)
{
	if (line == NULL)
		abort();
	lines->at[lines->n++] = line;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *
sorted(struct diff *d, struct lines *lines)
{
	const char *all = "";

	qsort(lines->at, lines->n, sizeof(*lines->at), by_text);
	for (size_t i = 0; i < lines->n; i++) {
		all = pq_arena_printf(d->arena, "%s%s%s", all, i > 0 ? "; " : "", lines->at[i]);
		if (all == NULL)
			abort();
	}
	return all;
}

static void
compare_lines(struct diff *d, const char *field, struct lines a, struct lines b)
{
	compare_texts(d, field, sorted(d, &a), sorted(d, &b));
}

/*
 * Both ask, or neither does, and they share a question. Equal sets are what is wanted and what is found nearly always;
 * where a path, a code and a number hang on each other one of the two may still name a fact more (README.md).
 */
static void
compare_missing(struct diff *d, struct lines a, struct lines b)
{
	size_t found = 0;

	for (size_t i = 0; i < a.n; i++) {
		for (size_t k = 0; k < b.n; k++) {
			if (strcmp(a.at[i], b.at[k]) == 0) {
				found++;
				break;
			}
		}
	}
	if ((found == 0 && a.n > 0) || (a.n == 0) != (b.n == 0))
		compare_lines(d, "missing", a, b);
}

static const char *
rule_text(struct diff *d, const struct pq_rule_ref *r)
{
	if (r == NULL)
		return "no rule";
	return pq_arena_printf(d->arena, "%s (%s|%s|%s:%d|%s|%s|%s|%s|%d..%d|#%u)", r->id, text(r->title), text(r->cite),
	                       text(r->file), r->line, text(r->note), text(r->confidence), text(r->pack),
	                       pq_kind_name(r->kind), r->from, r->to, r->index);
}

static const char *
id_of(const struct pq_rule_ref *r)
{
	return r != NULL ? r->id : "no rule";
}

/* ---- the fields ------------------------------------------------------------------------------------------------------- */

static struct lines
requirements(struct diff *d, const struct pq_decision *of)
{
	struct lines lines = room(d, of->n_requirements);

	for (size_t i = 0; i < of->n_requirements; i++) {
		const struct pq_requirement *r = &of->requirements[i];
		add(&lines, pq_arena_printf(d->arena, "%s %s %s '%s'%s", id_of(r->rule), text(r->authority), text(r->reason),
		                            text(r->label), r->certain ? "" : " possible"));
	}
	return lines;
}

static struct lines
rules(struct diff *d, const struct pq_rule_ref **at, size_t n)
{
	struct lines lines = room(d, n);

	for (size_t i = 0; i < n; i++)
		add(&lines, rule_text(d, at[i]));
	return lines;
}

static struct lines
available(struct diff *d, const struct pq_decision *of)
{
	struct lines lines = room(d, of->n_available);

	for (size_t i = 0; i < of->n_available; i++)
		add(&lines, pq_arena_printf(d->arena, "%s by %s", of->available[i].name, id_of(of->available[i].rule)));
	return lines;
}

/* The reason is prose for people; what it is made from is the rule. */
static struct lines
barred(struct diff *d, const struct pq_decision *of)
{
	struct lines lines = room(d, of->n_barred);

	for (size_t i = 0; i < of->n_barred; i++) {
		const struct pq_barred *b = &of->barred[i];
		const char *line = pq_arena_printf(d->arena, "%s by %s", b->name, id_of(b->rule));
		for (size_t k = 0; b->spares != NULL && b->spares[k] != NULL; k++)
			line = pq_arena_printf(d->arena, "%s spares %s", line, b->spares[k]);
		add(&lines, line);
	}
	return lines;
}

static struct lines
obligations(struct diff *d, const struct pq_decision *of)
{
	struct lines lines = room(d, of->n_obligations);

	for (size_t i = 0; i < of->n_obligations; i++) {
		const struct pq_duty *o = &of->obligations[i];
		add(&lines, pq_arena_printf(d->arena, "%s '%s' by %s", o->name, text(o->label), id_of(o->rule)));
	}
	return lines;
}

static struct lines
missing(struct diff *d, const struct pq_missing *at, size_t n)
{
	struct lines lines = room(d, n);

	for (size_t i = 0; i < n; i++)
		add(&lines, pq_arena_printf(d->arena, "%s '%s'", at[i].name, text(at[i].question)));
	return lines;
}

static struct lines
warnings(struct diff *d, const struct pq_decision *of)
{
	struct lines lines = room(d, of->n_warnings);

	for (size_t i = 0; i < of->n_warnings; i++) {
		const struct pq_notice *w = &of->warnings[i];
		if (w->rule != NULL)
			add(&lines, pq_arena_printf(d->arena, "%s: %s", w->rule->id, text(w->text)));
		else if (text(w->source)[0] != '\0') /* a paragraph that no table names: the oracle does not look for it */
			add(&lines, pq_arena_printf(d->arena, "row %s", text(w->source)));
	}
	return lines;
}

/* A branch that is REFER or worse is not searched further: how bad it may be depends on what was split before. */
static void
compare_ends(struct diff *d, const char *field, enum pq_outcome a, enum pq_outcome b)
{
	if (a < PQ_OUTCOME_REFER || b < PQ_OUTCOME_REFER)
		compare_texts(d, field, pq_outcome_name(a), pq_outcome_name(b));
}

/*
 * Where all completions are REFER or worse, what the answer is can hang on what was split first too, for a branch that is
 * REFER or worse is left as it is: that it is at least REFER is what both must say.
 */
static bool
are_severe(const struct pq_decision *a, const struct pq_decision *b)
{
	bool searched = a->worst > a->best || b->worst > b->best || a->outcome != a->best || b->outcome != b->best;

	return a->best >= PQ_OUTCOME_REFER && b->best >= PQ_OUTCOME_REFER && a->outcome != b->outcome && searched;
}

static void
compare_found(struct diff *d, const struct pq_decision *a, const struct pq_decision *b)
{
	if (are_severe(a, b))
		return;
	compare_texts(d, "outcome", pq_outcome_name(a->outcome), pq_outcome_name(b->outcome));
	compare_ends(d, "best", a->best, b->best);
	compare_ends(d, "worst", a->worst, b->worst);
	compare_texts(d, "policy", pq_policy_name(a->policy), pq_policy_name(b->policy));
	compare_texts(d, "policy rule", id_of(a->policy_rule), id_of(b->policy_rule));
	compare_lines(d, "requirements", requirements(d, a), requirements(d, b));
	compare_lines(d, "prohibitions", rules(d, a->prohibitions, a->n_prohibitions), rules(d, b->prohibitions, b->n_prohibitions));
	compare_lines(d, "available", available(d, a), available(d, b));
	compare_lines(d, "barred", barred(d, a), barred(d, b));
	compare_lines(d, "obligations", obligations(d, a), obligations(d, b));
	if (a->outcome == PQ_OUTCOME_NEEDS_INFORMATION && a->exact && b->exact)
		compare_missing(d, missing(d, a->missing, a->n_missing), missing(d, b->missing, b->n_missing));
	compare_lines(d, "moot", missing(d, a->moot, a->n_moot), missing(d, b->moot, b->n_moot));
	compare_lines(d, "warnings", warnings(d, a), warnings(d, b));
	compare_lines(d, "rules", rules(d, a->rules, a->n_rules), rules(d, b->rules, b->n_rules));
}

static void
compare(struct diff *d, const struct pq_decision *a, const struct pq_decision *b)
{
	const char *where = d->where;

	compare_texts(d, "jurisdiction", a->jurisdiction, b->jurisdiction);
	compare_flags(d, "same day", true, a->as_of == b->as_of);
	if (a->exact && b->exact)
		compare_found(d, a, b);
	if (a->n_parts != b->n_parts) {
		differ(d, "parts", a->n_parts > 0 ? "some" : "none", b->n_parts > 0 ? "others" : "none");
		return;
	}
	for (size_t i = 0; i < a->n_parts; i++) {
		d->where = where;
		compare_texts(d, "name of a part", a->part_names[i], b->part_names[i]);
		d->where = pq_arena_printf(d->arena, "%s%s: ", where, a->part_names[i]);
		compare(d, &a->parts[i], &b->parts[i]);
	}
	d->where = where;
}

const char *
pq_decision_equal(const struct pq_decision *a, const struct pq_decision *b, struct pq_arena *arena)
{
	struct diff d = {.arena = arena, .where = ""};

	compare(&d, a, b);
	return d.text;
}

#include "tests/support/random_words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- text -------------------------------------------------------------------------------------------------------- */

void
put(struct maker *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(m->text + m->len, m->room - m->len, fmt, ap);
	va_end(ap);
	if (n < 0 || m->len + (size_t)n >= m->room)
		abort();
	m->len += (size_t)n;
}

size_t
below(struct maker *m, size_t n)
{
	return pq_random_below(&m->random, n);
}

bool
chance(struct maker *m, unsigned percent)
{
	return pq_random_chance(&m->random, percent);
}

/* ---- the vocabulary ------------------------------------------------------------------------------------------------ */

const char *const countries[] = {"AA", "BB", "CC", "DD", "EE", NULL};
const char *const groups[] = {"G1", "G2", "G3", "G4", NULL};
const char *const kinds[] = {"goods", "soft", "tech", NULL};
const char *const lists[] = {"L1", "L2", "L3", NULL};
const char *const entries[] = {"E1", "E2", "E3", NULL};
const char *const controls[] = {"NS", "MT", "AT", "CB", NULL};
const char *const statuses[] = {"new", "old", "lost", NULL};
const char *const roles[] = {"end_user", "broker", "bank", NULL};
const char *const deals[] = {"sell", "lend", "release", NULL};
const char *const paths[] = {".a", ".b", ".a.1", ".a.2", ".a.1.x", ".b.1", ".c", NULL};
const char *const exceptions[] = {"EXA", "EXB", "EXB(1)", "EXB(1)(a)", "EXC", NULL};
const char *const reasons[] = {"NS", "MT", "AT", NULL};
const char *const authorities[] = {"BIS", "DDTC", NULL};
const char *const laws[] = {"EAR", "ITAR", "NONE", "OTHER", NULL};
const char *const outcomes[] = {"NOT_SUBJECT", "NO_LICENSE_REQUIRED", "LICENSE_EXCEPTION_AVAILABLE",
                                       "LICENSE_REQUIRED", "PROHIBITED", "REFER", NULL};
const char *const policies[] = {"GENERALLY_APPROVED", "CASE_BY_CASE", "PRESUMPTION_OF_DENIAL",
                                       "POLICY_OF_DENIAL", NULL};
const char *const days[] = {"2024-01-01", "2024-06-01", "2025-01-01", "2025-06-01", "2026-01-01", NULL};
const char *const amounts[] = {"0", "5", "10", "10.5", "20", "40", NULL};

static size_t
length(const char *const *words)
{
	size_t n = 0;

	while (words[n] != NULL)
		n++;
	return n;
}

const char *
pick(struct maker *m, const char *const *words)
{
	return words[below(m, length(words))];
}

void
put_some(struct maker *m, const char *const *words)
{
	size_t n = length(words), first = below(m, n);
	const char *separator = "";

	put(m, "[");
	for (size_t i = 0; i < n; i++) {
		if (i != first && !chance(m, 25))
			continue;
		put(m, "%s\"%s\"", separator, words[i]);
		separator = ", ";
	}
	put(m, "]");
}

/* What can be asked in a condition. `level`: attributes may only rest on lower ones. */
struct word {
	const char *name;
	char type; /* b bool, s symbol, m symbols, n number, d date, p path */
	const char *const *values;
	char scope; /* r request, p party, o owner, h hit, i intermediate */
	int level;
};

static const struct word words[] = {
	{"deal", 's', deals, 'r', 0},
	{"origin", 's', countries, 'r', 1},
	{"destination", 's', countries, 'r', 2},
	{"kind", 's', kinds, 'r', 3},
	{"flag_a", 'b', NULL, 'r', 4},
	{"flag_b", 'b', NULL, 'r', 5},
	{"flag_c", 'b', NULL, 'r', 6},
	{"value", 'n', amounts, 'r', 7},
	{"extra", 'n', amounts, 'r', 8},
	{"total", 'n', amounts, 'r', 9},
	{"since", 'd', days, 'r', 10},
	{"lists", 'm', lists, 'r', 11},
	{"item.code", 's', entries, 'r', 12},
	{"item.part", 'p', paths, 'r', 13},
	{"item.foreign", 'b', NULL, 'r', 13},
	{"party.role", 's', roles, 'p', 14},
	{"party.country", 's', countries, 'p', 15},
	{"party.flag", 'b', NULL, 'p', 16},
	{"party.lists", 'm', lists, 'p', 17},
	{"party.size", 'n', amounts, 'p', 18},
	{"owner.country", 's', countries, 'o', 19},
	{"owner.share", 'n', amounts, 'o', 20},
	{"hit.done", 'b', NULL, 'h', 20},
	{"intermediate.country", 's', countries, 'i', 20},
	{"as_of", 'd', days, 'r', 0},
	/* derived */
	{"party.groups", 'm', groups, 'p', 21},
	{"party.risky", 'b', NULL, 'p', 22},
	{"saved.a2", 'b', NULL, 'r', 22},
	{"groups", 'm', groups, 'r', 23},
	{"controls", 'm', controls, 'r', 24},
	{"limit", 'n', amounts, 'r', 25},
	{"listed", 'b', NULL, 'r', 26},
	{"noted", 'b', NULL, 'r', 27},
	{"status", 's', statuses, 'r', 28},
	{"sum", 'n', amounts, 'r', 29},
	{"over", 'b', NULL, 'r', 30},
	{"n_risky", 'n', amounts, 'r', 31},
	{"home", 'b', NULL, 'r', 32},
	{"day", 'd', days, 'r', 33},
	{"mark", 'b', NULL, 'r', 34},
	{"more", 'b', NULL, 'r', 35},
	{"all_lines", 'n', amounts, 'r', 36},
	{"jurisdiction", 's', laws, 'r', AFTER_JURISDICTION},
	{"late", 'b', NULL, 'r', AFTER_JURISDICTION + 1},
	{"decision.outcome", 's', outcomes, 'r', AFTER_DECISION},
	{"decision.authority", 'm', authorities, 'r', AFTER_DECISION},
	{"decision.reasons", 'm', reasons, 'r', AFTER_DECISION},
	{"decision.exceptions", 'm', exceptions, 'r', AFTER_DECISION},
	{"decision.sole_exception", 's', exceptions, 'r', AFTER_DECISION},
};

/* ---- conditions ----------------------------------------------------------------------------------------------------- */

/* "2024-06-01" is a date where it stands; a comparison is text. */
static void
put_comparison(struct maker *m, const struct word *w)
{
	static const char *const operators[] = {"<", "<=", ">", ">=", "=", "!="};
	size_t n = length(w->values), low = below(m, n);

	if (chance(m, 25) && low + 1 < n)
		put(m, "\">= %s, < %s\"", w->values[low], w->values[low + 1 + below(m, n - low - 1)]);
	else if (low == 0 && w->type == 'n')
		put(m, "\">%s %s\"", chance(m, 50) ? "=" : "", w->values[1 + below(m, n - 1)]);
	else
		put(m, "\"%s %s\"", operators[below(m, COUNT(operators))], w->values[low]);
}

static void
put_symbols(struct maker *m, const struct word *w)
{
	if (chance(m, 70) || w->type == 'p') {
		put_some(m, w->values);
	} else if (chance(m, 50)) {
		put(m, "{ none_of: ");
		put_some(m, w->values);
		put(m, " }");
	} else if (w->type == 'm') {
		put(m, "{ all_of: ");
		put_some(m, w->values);
		put(m, " }");
	} else {
		put(m, "{ none_of: [\"%s\"] }", pick(m, w->values));
	}
}

static void
put_test(struct maker *m, const struct word *w)
{
	if (w->type == 'b')
		put(m, "%s", chance(m, 70) ? "true" : "false");
	else if (w->type == 'n' || w->type == 'd')
		put_comparison(m, w);
	else
		put_symbols(m, w);
}

static bool
is_seen(const struct word *w, char scope, int level)
{
	if (w->level >= level)
		return false;
	return w->scope == 'r' || w->scope == scope || (scope == 'o' && w->scope == 'p');
}

/* One attribute against a value; attributes in `used` are left out. False: none was left. */
static bool
put_attribute(struct maker *m, char scope, int level, uint64_t *used, const char *separator)
{
	for (int tries = 0; tries < 40; tries++) {
		size_t i = below(m, COUNT(words));
		if (!is_seen(&words[i], scope, level) || (*used >> i & 1))
			continue;
		if (m->symbols_only && (words[i].type == 'n' || words[i].type == 'd'))
			continue;
		/* Within an element, most conditions are on the element. */
		if (scope != 'r' && words[i].scope == 'r' && chance(m, 70))
			continue;
		*used |= (uint64_t)1 << i;
		put(m, "%s%s: ", separator, words[i].name);
		put_test(m, &words[i]);
		return true;
	}
	return false;
}

static bool
put_quantifier(struct maker *m, char scope, int level, int depth, unsigned *used)
{
	static const struct {
		char scope;
		const char *name;
	} kinds_of[] = {{'p', "party"}, {'p', "party"}, {'o', "owner"}, {'h', "hit"}, {'i', "intermediate"}};
	static const char *const quantifiers[] = {"any", "any", "every", "no"};
	size_t k = below(m, COUNT(kinds_of)), q = below(m, COUNT(quantifiers));
	unsigned bit = 1u << ((q == 0 ? 1 : q) * 5 + (k == 0 ? 1 : k));

	if (depth <= 0 || level <= 20 || (kinds_of[k].scope == 'o') != (scope == 'p') || scope == 'o' || (*used & bit))
		return false;
	if (scope != 'r' && scope != 'p')
		return false;
	*used |= bit;
	put(m, "%s_%s: ", quantifiers[q], kinds_of[k].name);
	put_condition(m, kinds_of[k].scope, level, 0);
	return true;
}

static void
put_list(struct maker *m, const char *key, char scope, int level, int depth)
{
	size_t n = 2 + below(m, 2);

	put(m, "%s: [ ", key);
	for (size_t i = 0; i < n; i++) {
		put(m, "%s", i > 0 ? ", " : "");
		put_condition(m, scope, level, depth - 1);
	}
	put(m, " ]");
}

void
put_condition(struct maker *m, char scope, int level, int depth)
{
	size_t n = 1 + below(m, depth > 0 ? 3 : 2);
	uint64_t used = 0;
	unsigned quantified = 0;
	bool any = false;

	put(m, "{ ");
	for (size_t i = 0; i < n; i++) {
		const char *separator = any ? ", " : "";
		size_t len = m->len;
		if (depth > 0 && chance(m, 25)) {
			put(m, "%s", separator);
			if (put_quantifier(m, scope, level, depth, &quantified)) {
				any = true;
				continue;
			}
			m->len = len;
		}
		any |= put_attribute(m, scope, level, &used, separator);
	}
	if (depth > 0 && chance(m, 12)) {
		put(m, "%s", any ? ", " : "");
		put_list(m, chance(m, 80) ? "any" : "all", scope, level, depth);
		any = true;
	}
	if (!any)
		put(m, "as_of: \">= %s\"", pick(m, days));
	if (depth > 0 && chance(m, 10)) {
		put(m, ", not: ");
		m->symbols_only = true;
		put_condition(m, scope, level, 0);
		m->symbols_only = false;
	}
	put(m, " }");
}

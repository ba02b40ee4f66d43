#include "tests/support/random_pack.h"

#include "tests/support/random.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- text -------------------------------------------------------------------------------------------------------- */

struct maker {
	struct pq_random random;
	struct pq_arena *arena;
	char *text;
	size_t len, room;
	int n_rules;
	int next_path_rule;
};

static void put(struct maker *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
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

static void
begin_file(struct maker *m)
{
	m->room = 1 << 16;
	m->len = 0;
	m->text = pq_arena_alloc(m->arena, m->room);
	if (m->text == NULL)
		abort();
}

static void
end_file(struct maker *m, struct pq_random_pack *pack, const char *path)
{
	pack->files[pack->n++] = (struct pq_pack_file){path, m->text, m->len};
}

static size_t
below(struct maker *m, size_t n)
{
	return pq_random_below(&m->random, n);
}

static bool
chance(struct maker *m, unsigned percent)
{
	return pq_random_chance(&m->random, percent);
}

/* ---- the vocabulary ------------------------------------------------------------------------------------------------ */

static const char *const countries[] = {"AA", "BB", "CC", "DD", "EE", NULL};
static const char *const groups[] = {"G1", "G2", "G3", "G4", NULL};
static const char *const kinds[] = {"goods", "soft", "tech", NULL};
static const char *const lists[] = {"L1", "L2", "L3", NULL};
static const char *const entries[] = {"E1", "E2", "E3", NULL};
static const char *const controls[] = {"NS", "MT", "AT", "CB", NULL};
static const char *const statuses[] = {"new", "old", "lost", NULL};
static const char *const roles[] = {"end_user", "broker", "bank", NULL};
static const char *const deals[] = {"sell", "lend", "release", NULL};
static const char *const paths[] = {".a", ".b", ".a.1", ".a.2", ".a.1.x", ".b.1", ".c", NULL};
static const char *const exceptions[] = {"EXA", "EXB", "EXB(1)", "EXB(1)(a)", "EXC", NULL};
static const char *const reasons[] = {"NS", "MT", "AT", NULL};
static const char *const authorities[] = {"BIS", "DDTC", NULL};
static const char *const laws[] = {"EAR", "ITAR", "NONE", "OTHER", NULL};
static const char *const outcomes[] = {"NOT_SUBJECT", "NO_LICENSE_REQUIRED", "LICENSE_EXCEPTION_AVAILABLE",
                                       "LICENSE_REQUIRED", "PROHIBITED", "REFER", NULL};
static const char *const policies[] = {"GENERALLY_APPROVED", "CASE_BY_CASE", "PRESUMPTION_OF_DENIAL",
                                       "POLICY_OF_DENIAL", NULL};
static const char *const days[] = {"2024-01-01", "2024-06-01", "2025-01-01", "2025-06-01", "2026-01-01", NULL};
static const char *const amounts[] = {"0", "5", "10", "10.5", "20", "40", NULL};

static size_t
length(const char *const *words)
{
	size_t n = 0;

	while (words[n] != NULL)
		n++;
	return n;
}

static const char *
pick(struct maker *m, const char *const *words)
{
	return words[below(m, length(words))];
}

/* "[a, b]": some of the words, at least one and each once. */
static void
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

enum { AFTER_JURISDICTION = 50, AFTER_DECISION = 60 };

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
	{"risky", 'n', amounts, 'r', 31},
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

static void put_condition(struct maker *m, char scope, int level, int depth);

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

static void
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
	if (depth > 0 && chance(m, 10)) {
		put(m, "%snot: ", any ? ", " : "");
		put_condition(m, scope, level, 0);
	}
	put(m, " }");
}

/* ---- pack.yaml ------------------------------------------------------------------------------------------------------ */

static void
put_domain(struct maker *m, const char *name, const char *const *symbols)
{
	put(m, "  %s: { symbols: [", name);
	for (size_t i = 0; symbols[i] != NULL; i++)
		put(m, "%s\"%s\"", i > 0 ? ", " : "", symbols[i]);
	put(m, "] }\n");
}

static void
put_domains(struct maker *m)
{
	put(m, "domains:\n");
	put_domain(m, "country", countries);
	put_domain(m, "group", groups);
	put_domain(m, "kind", kinds);
	put_domain(m, "list", lists);
	put_domain(m, "entry", entries);
	put_domain(m, "control", controls);
	put_domain(m, "status", statuses);
	put_domain(m, "role", roles);
	put_domain(m, "deal", deals);
	put_domain(m, "exception", exceptions);
	put_domain(m, "reason", reasons);
	put_domain(m, "authority", authorities);
	put_domain(m, "jurisdiction", laws);
}

static void
put_literal(struct maker *m, char type, const char *const *values)
{
	if (type == 'b')
		put(m, "%s", chance(m, 70) ? "false" : "true");
	else if (type == 'm' && chance(m, 60))
		put(m, "[]");
	else if (type == 'm')
		put_some(m, values);
	else if (chance(m, 30))
		put(m, "none");
	else if (type == 'n')
		put(m, "%s", pick(m, values));
	else
		put(m, "\"%s\"", pick(m, values));
}

/* What silence means: a value, unknown, or lines. */
static void
put_silence(struct maker *m, char type, const char *const *values, char scope, int level, unsigned open)
{
	if (chance(m, 10)) {
		put(m, ", silence: [ { when: ");
		put_condition(m, scope, level, 0);
		put(m, ", value: ");
		if (chance(m, 20))
			put(m, "unknown");
		else
			put_literal(m, type, values);
		put(m, " }");
		if (chance(m, 70)) {
			put(m, ", { value: ");
			if (chance(m, open))
				put(m, "unknown");
			else
				put_literal(m, type, values);
			put(m, " }");
		}
		put(m, " ]");
	} else if (!chance(m, open)) {
		put(m, ", silence: ");
		put_literal(m, type, values);
	} else if (chance(m, 50)) {
		put(m, ", silence: unknown");
	}
}

static const char *
type_name(char type)
{
	switch (type) {
	case 'b': return "bool";
	case 's': return "symbol";
	case 'm': return "symbols";
	case 'n': return "number";
	case 'd': return "date";
	default: return "text";
	}
}

/* `open`: how often silence is unknown, in percent. */
static void
put_fact(struct maker *m, const char *name, char type, const char *domain, const char *const *values, char scope,
         int level, unsigned open)
{
	put(m, "  - { name: %s, type: %s", name, type_name(type));
	if (domain != NULL)
		put(m, ", domain: %s", domain);
	put_silence(m, type, values, scope, level, open);
	if (chance(m, 15)) {
		put(m, ", null_is: ");
		put_literal(m, type, values);
	}
	if (type == 'n' && chance(m, 60))
		put(m, ", min: 0");
	if (type == 'n' && chance(m, 20))
		put(m, ", max: 100");
	if (chance(m, 10))
		put(m, ", report_as: some_%c", type);
	if (chance(m, 30))
		put(m, ", ask: \"What is %s?\"", name);
	put(m, " }\n");
}

static void
put_facts(struct maker *m)
{
	put(m, "facts:\n");
	put(m, "  - { name: deal, type: symbol, domain: deal, required: true }\n");
	put_fact(m, "origin", 's', "country", countries, 'r', 1, 60);
	put_fact(m, "destination", 's', "country", countries, 'r', 2, 80);
	put_fact(m, "kind", 's', "kind", kinds, 'r', 3, 60);
	put_fact(m, "flag_a", 'b', NULL, NULL, 'r', 4, 70);
	put_fact(m, "flag_b", 'b', NULL, NULL, 'r', 5, 50);
	put_fact(m, "flag_c", 'b', NULL, NULL, 'r', 6, 50);
	put_fact(m, "value", 'n', NULL, amounts, 'r', 7, 60);
	if (chance(m, 50))
		put(m, "  - { name: extra, type: number, silence: [ { copy: value } ] }\n");
	else
		put_fact(m, "extra", 'n', NULL, amounts, 'r', 8, 50);
	put(m, "  - { name: lot, type: %s }\n", chance(m, 50) ? "text" : "symbol, domain: kind");
	put(m, "  - { name: total, type: number, silence: [ { lines: { sum: value, same: lot } } ] }\n");
	put_fact(m, "since", 'd', NULL, days, 'r', 10, 50);
	put_fact(m, "lists", 'm', "list", lists, 'r', 11, 40);
	put(m, "  - { name: item.code, type: code, domain: entry, separator: \"%s\", path: item.part", chance(m, 50) ? "." : "(");
	if (chance(m, 50))
		put(m, ", marks: { prefixes: [\"X-\"], sets: item.foreign }");
	if (chance(m, 50))
		put(m, ", silence: %s", chance(m, 30) ? "none" : "\"E1\"");
	put(m, " }\n");
	put_fact(m, "item.foreign", 'b', NULL, NULL, 'r', 12, 30);
	put(m, "  - { name: claimed, type: symbols, domain: exception, silence: [] }\n");
	put_fact(m, "residence", 's', "country", countries, 'r', 2, 70);
	put_fact(m, "nationality", 'm', "country", countries, 'r', 2, 70);
	put(m, "  - { name: party.role, type: symbol, domain: role, required: true }\n");
	put_fact(m, "party.country", 's', "country", countries, 'p', 15, 60);
	put_fact(m, "party.flag", 'b', NULL, NULL, 'p', 16, 40);
	put_fact(m, "party.lists", 'm', "list", lists, 'p', 17, 30);
	put_fact(m, "party.size", 'n', NULL, amounts, 'p', 18, 40);
	put_fact(m, "owner.country", 's', "country", countries, 'o', 19, 40);
	put_fact(m, "owner.share", 'n', NULL, amounts, 'o', 20, 40);
	put_fact(m, "hit.done", 'b', NULL, NULL, 'h', 20, 50);
	put_fact(m, "intermediate.country", 's', "country", countries, 'i', 20, 50);
}

static void
put_attributes(struct maker *m)
{
	put(m, "attributes:\n");
	put(m, "  - { name: party.groups, type: symbols, domain: group }\n");
	put(m, "  - { name: party.risky, type: bool, title: a risky party }\n");
	put(m, "  - { name: groups, type: symbols, domain: group, title: groups }\n");
	put(m, "  - { name: controls, type: symbols, domain: control }\n");
	put(m, "  - { name: limit, type: number }\n");
	put(m, "  - { name: listed, type: bool, title: the item is listed }\n");
	put(m, "  - { name: noted, type: bool, title: the item is noted }\n");
	put(m, "  - { name: status, type: symbol, domain: status }\n");
	put(m, "  - { name: sum, type: number }\n");
	put(m, "  - { name: over, type: bool, title: over the limit }\n");
	put(m, "  - { name: risky, type: number }\n");
	put(m, "  - { name: home, type: bool }\n");
	put(m, "  - { name: day, type: date }\n");
	put(m, "  - { name: mark, type: bool }\n");
	put(m, "  - { name: more, type: bool }\n");
	put(m, "  - { name: all_lines, type: number }\n");
	put(m, "  - { name: late, type: bool }\n");
}

static void
put_tables(struct maker *m)
{
	put(m, "tables:\n");
	put(m, "  - name: groups\n    file: tables/groups.csv\n    title: Groups\n    cite: 1 ABC 1\n    edition: %s\n", pick(m, days));
	put(m, "    columns:\n      country: { type: symbol, domain: country }\n");
	put(m, "      group: { type: symbols, domain: group }\n");
	put(m, "  - name: items\n    file: tables/items.csv\n    title: Items\n    cite: 1 ABC 2\n    edition: %s\n", pick(m, days));
	put(m, "    columns:\n      entry: { type: symbol, domain: entry }\n      paths: { type: path }\n");
	put(m, "      control: { type: symbol, domain: control }\n      limit: { type: number }\n");
	put(m, "      note_flag: { type: bool }\n      status: { type: symbol, domain: status }\n");
}

static void
put_amendments(struct maker *m)
{
	put(m, "amendments:\n");
	put(m, "  - { id: a1, effective: %s, cite: 90 FR 1 }\n", pick(m, days));
	put(m, "  - id: a2\n    effective: %s\n    cite: 90 FR 2\n    savings:\n      cite: 90 FR 3\n      when: ", pick(m, days));
	put_condition(m, 'r', 21, 0);
	put(m, "\n");
}

static void
put_pack(struct maker *m)
{
	put(m, "pack: rnd\ntitle: A random pack\nedition: 2025-06-01\n");
	put(m, "covers: { from: 2023-12-31, to: %s, grace_days: 100 }\n", chance(m, 80) ? "2026-03-01" : "2025-03-01");
	put(m, "time_zone: UTC\njurisdiction: EAR\n");
	put_domains(m);
	put_facts(m);
	put_attributes(m);
	put_tables(m);
	put_amendments(m);
	put(m, "jurisdictions:\n");
	put(m, "  - { name: EAR, only: SUBJECT_TO_EAR, available: LICENSE_EXCEPTION_AVAILABLE, release_by: residence }\n");
	put(m, "  - { name: ITAR, available: EXEMPTION_AVAILABLE, release_by: nationality }\n");
	put(m, "  - { name: NONE, fixed: NOT_SUBJECT }\n  - { name: OTHER, fixed: REFER }\n");
	put(m, "release: { fact: deal, values: [release], replaces: destination }\nclaims: claimed\n");
}

/* ---- tables --------------------------------------------------------------------------------------------------------- */

/* valid_from, valid_to, amendment, ended_by, if: mostly empty. */
static void
put_validity(struct maker *m)
{
	size_t from = below(m, 3);
	bool begins = chance(m, 15), ends = chance(m, 15);
	const char *brought = chance(m, 6) ? "a2" : chance(m, 4) ? "a1" : "";
	const char *ended = brought[0] == '\0' && chance(m, 8) ? "a2" : "";

	if (brought[0] != '\0' || ended[0] != '\0')
		begins = ends = false;
	put(m, ",%s", begins ? chance(m, 20) ? "?" : days[from] : "");
	put(m, ",%s", ends ? chance(m, 20) ? "?" : days[from + 1 + below(m, 2)] : "");
	put(m, ",%s,%s,%s\n", brought, ended, chance(m, 10) ? chance(m, 50) ? "flag_c" : "!flag_c" : "");
}

static void
put_group_rows(struct maker *m)
{
	put(m, "country,group,valid_from,valid_to,amendment,ended_by,if\n");
	for (size_t c = 0; countries[c] != NULL; c++) {
		if (chance(m, 15))
			continue;
		size_t first = below(m, 4);
		put(m, "%s,", chance(m, 3) ? "?" : countries[c]);
		if (chance(m, 3)) {
			put(m, "?");
		} else {
			put(m, "%s", groups[first]);
			for (size_t g = 0; groups[g] != NULL; g++) {
				if (g != first && chance(m, 20))
					put(m, ";%s", groups[g]);
			}
		}
		put_validity(m);
	}
}

static void
put_cell_paths(struct maker *m, int row)
{
	static const char *const forms[] = {"entire", "", ".a", ".b", ".a.1", ".a.1 .b", ".a.1-.a.2", ".a .a.1.x", "except .a.1",
	                                    "except .b .c", ".b.1 .c", ".a.2"};

	put(m, "%s", forms[((size_t)row + below(m, 3)) % COUNT(forms)]);
}

static void
put_item_rows(struct maker *m)
{
	int n = 4 + (int)below(m, 8), at = (int)below(m, 12);

	put(m, "entry,paths,control,limit,note_flag,status,valid_from,valid_to,amendment,ended_by,if\n");
	for (int i = 0; i < n; i++) {
		put(m, "%s,", chance(m, 6) ? "*" : chance(m, 3) ? "?" : entries[i % 3]);
		put_cell_paths(m, at + i * 3);
		put(m, ",%s", chance(m, 3) ? "?" : controls[below(m, 4)]);
		put(m, ",%s", chance(m, 4) ? "?" : chance(m, 15) ? "" : pick(m, amounts));
		put(m, ",%s", chance(m, 3) ? "?" : chance(m, 15) ? "" : chance(m, 60) ? "true" : "false");
		put(m, ",%s", chance(m, 3) ? "?" : chance(m, 15) ? "" : pick(m, statuses));
		put_validity(m);
	}
}

/* ---- rules ---------------------------------------------------------------------------------------------------------- */

static void
begin_rule(struct maker *m, const char *kind)
{
	put(m, "- { id: r%d, kind: %s, cite: \"%d CFR %d\"", m->n_rules, kind, 15 + (int)below(m, 2), m->n_rules);
	m->n_rules++;
	if (chance(m, 8)) {
		size_t from = below(m, 3);
		put(m, ", from: %s", days[from]);
		if (chance(m, 50))
			put(m, ", to: %s", days[from + 1 + below(m, 2)]);
	} else if (chance(m, 5)) {
		put(m, ", amendment: %s", chance(m, 70) ? "a2" : "a1");
	} else if (chance(m, 5)) {
		put(m, ", ended_by: %s", chance(m, 70) ? "a2" : "a1");
	}
	if (chance(m, 5)) {
		size_t from = below(m, 4);
		put(m, ", stays: [ { from: %s, to: %s, cite: 90 FR 9 } ]", days[from], days[from + 1]);
	}
	if (chance(m, 30))
		put(m, ", title: \"rule %d\"", m->n_rules - 1);
}

static void
end_rule(struct maker *m, int level, unsigned always)
{
	if (!chance(m, always)) {
		put(m, ", when: ");
		put_condition(m, 'r', level, 1);
	}
	put(m, " }\n");
}

static void
put_jurisdiction_of(struct maker *m)
{
	if (chance(m, 15))
		put(m, ", jurisdiction: ITAR");
	else if (chance(m, 15))
		put(m, ", jurisdiction: any");
}

static void
derive(struct maker *m, const char *attr)
{
	begin_rule(m, "derive");
	put(m, ", attribute: %s", attr);
	if (chance(m, 20))
		put(m, ", order: %d", (int)below(m, 3) - 1);
}

static const char *
lookup_paths(struct maker *m)
{
	return chance(m, 80) ? ", paths: item.part" : "";
}

static void
put_only(struct maker *m)
{
	if (!chance(m, 30))
		return;
	put(m, ", only: { ");
	if (chance(m, 70)) {
		put(m, "control: ");
		put_some(m, controls);
	} else {
		put(m, "note_flag: [true]");
	}
	put(m, " }");
}

static void
derive_lookup(struct maker *m, const char *attr, const char *take, int level)
{
	derive(m, attr);
	put(m, ", lookup: { table: items, where: { entry: item.code%s }", lookup_paths(m));
	put_only(m);
	if (take != NULL)
		put(m, ", take: %s", take);
	put(m, " }");
	end_rule(m, level, 70);
}

static void
derive_set(struct maker *m, const char *attr, char type, const char *const *values, char scope, int level)
{
	derive(m, attr);
	put(m, ", set: ");
	if (type == 'b')
		put(m, "true");
	else if (type == 'm')
		put_some(m, values);
	else if (type == 'n')
		put(m, "%s", pick(m, values));
	else
		put(m, "\"%s\"", pick(m, values));
	put(m, ", when: ");
	put_condition(m, scope, level, 1);
	put(m, " }\n");
}

static void
derive_numbers(struct maker *m)
{
	static const char *const comparisons[] = {"<", "<=", ">", ">=", "=", "!="};
	static const char *const numbers[] = {"value", "extra", "total", "limit", "sum", NULL};

	derive_lookup(m, "limit", "limit", 25);
	if (chance(m, 50))
		derive_set(m, "limit", 'n', amounts, 'r', 25);
	derive(m, "sum");
	put(m, ", sum: { of: [value%s]", chance(m, 60) ? ", extra" : "");
	if (chance(m, 30))
		put(m, ", minus: [%s]", chance(m, 50) ? "limit" : "total");
	if (chance(m, 40))
		put(m, ", times: %d", 2 + (int)below(m, 3));
	put(m, " }");
	end_rule(m, 29, 70);
	for (size_t n = 1 + below(m, 2); n > 0; n--) {
		derive(m, "over");
		put(m, ", compare: { left: %s, op: \"%s\", right: %s }", pick(m, numbers), pick(m, comparisons),
		    chance(m, 60) ? "limit" : chance(m, 50) ? pick(m, numbers) : pick(m, amounts));
		end_rule(m, 30, 60);
	}
	derive(m, "risky");
	put(m, ", count: { party: ");
	put_condition(m, 'p', 31, 0);
	put(m, " }");
	end_rule(m, 31, 80);
	derive(m, "all_lines");
	put(m, ", lines: { sum: value, same: lot }");
	end_rule(m, 36, 80);
}

static void
derive_rules(struct maker *m)
{
	derive(m, "party.groups");
	put(m, ", lookup: { table: groups, where: { country: party.country }, take: group } }\n");
	derive_set(m, "party.risky", 'b', NULL, 'p', 22);
	derive(m, "groups");
	put(m, ", lookup: { table: groups, where: { country: destination }, take: group }");
	end_rule(m, 23, 85);
	if (chance(m, 40))
		derive_set(m, "groups", 'm', groups, 'r', 23);
	derive_lookup(m, "controls", "control", 24);
	derive_numbers(m);
	derive_lookup(m, "listed", NULL, 26);
	derive_lookup(m, "noted", "note_flag", 27);
	derive_lookup(m, "status", "status", 28);
	for (size_t n = below(m, 3); n > 0; n--)
		derive_set(m, "status", 's', statuses, 'r', 28);
	derive(m, "home");
	put(m, ", same: { left: origin, right: %s }", chance(m, 50) ? "destination" : "nationality");
	end_rule(m, 32, 80);
	derive(m, "day");
	put(m, ", copy: since");
	end_rule(m, 33, 60);
	if (chance(m, 50)) {
		derive(m, "day");
		put(m, ", set: %s, when: ", pick(m, days));
		put_condition(m, 'r', 33, 0);
		put(m, " }\n");
	}
	derive_set(m, "mark", 'b', NULL, 'r', 34);
	if (chance(m, 50)) {
		derive(m, "mark");
		put(m, ", copy: flag_a");
		end_rule(m, 34, 50);
	}
	derive_set(m, "more", 'b', NULL, 'r', 35);
	derive_set(m, "late", 'b', NULL, 'r', AFTER_JURISDICTION + 1);
}

static void
law_rules(struct maker *m)
{
	for (size_t n = below(m, 3); n > 0; n--) {
		begin_rule(m, "jurisdiction");
		put(m, ", jurisdiction: %s, order: %d", pick(m, laws), (int)below(m, 2));
		end_rule(m, AFTER_JURISDICTION, 0);
	}
	if (chance(m, 95)) {
		begin_rule(m, "jurisdiction");
		put(m, ", jurisdiction: %s, order: 9", chance(m, 85) ? "EAR" : "ITAR");
		end_rule(m, AFTER_JURISDICTION, 97);
	}
}

static void
requirement_rule(struct maker *m)
{
	begin_rule(m, "requirement");
	put_jurisdiction_of(m);
	put(m, ", authority: %s, reason: %s", pick(m, authorities), pick(m, reasons));
	if (chance(m, 40))
		put(m, ", label: \"column %d\"", m->n_rules);
	if (chance(m, 12)) {
		put(m, ", allows: ");
		if (chance(m, 50))
			put(m, "none");
		else
			put_some(m, exceptions);
		if (chance(m, 30))
			put(m, ", allows_label: \"few\"");
	}
	if (chance(m, 30))
		put(m, ", review: %s", pick(m, policies));
	end_rule(m, AFTER_DECISION, 5);
}

static void
exclusion_rule(struct maker *m)
{
	begin_rule(m, "exclusion");
	put_jurisdiction_of(m);
	if (chance(m, 30)) {
		put(m, ", excludes: all");
	} else if (chance(m, 50)) {
		put(m, ", excludes: { reasons: ");
		put_some(m, reasons);
		put(m, " }");
	} else {
		put(m, ", excludes: { rules: [\"r%s\"] }", chance(m, 50) ? "5*" : "6*");
	}
	end_rule(m, AFTER_DECISION, 0);
}

static void
exception_rule(struct maker *m)
{
	begin_rule(m, "exception");
	put_jurisdiction_of(m);
	put(m, ", exception: \"%s\", overcomes: ", pick(m, exceptions));
	if (chance(m, 40))
		put(m, "all");
	else
		put_some(m, reasons);
	if (chance(m, 15))
		put(m, ", shown_as: \"SHOWN%d\"", (int)below(m, 2));
	if (chance(m, 70))
		put(m, ", considered: always");
	else
		put(m, ", claimed_by: [%s]", chance(m, 50) ? "flag_b" : "flag_a, party.flag");
	end_rule(m, AFTER_DECISION, 20);
}

static void
restriction_rule(struct maker *m)
{
	begin_rule(m, "restriction");
	put_jurisdiction_of(m);
	if (chance(m, 30)) {
		put(m, ", bars: all");
	} else if (chance(m, 50)) {
		put(m, ", bars: { all_but: ");
		put_some(m, exceptions);
		put(m, " }");
	} else {
		put(m, ", bars: ");
		put_some(m, exceptions);
	}
	if (chance(m, 30))
		put(m, ", label: \"bar %d\"", m->n_rules);
	end_rule(m, AFTER_DECISION, 0);
}

static void
said_rule(struct maker *m, const char *kind)
{
	begin_rule(m, kind);
	put_jurisdiction_of(m);
	if (chance(m, 70))
		put(m, ", text: \"said by %d\"", m->n_rules);
	end_rule(m, AFTER_DECISION, 0);
}

static void
put_unless(struct maker *m)
{
	if (!chance(m, 30))
		return;
	put(m, ", unless_shown: ");
	put_condition(m, 'r', AFTER_DECISION, 0);
}

static void
after_rules(struct maker *m)
{
	for (size_t n = 1 + below(m, 3); n > 0; n--) {
		begin_rule(m, "review");
		put_jurisdiction_of(m);
		put(m, ", policy: %s", pick(m, policies));
		put_unless(m);
		end_rule(m, AFTER_DECISION + 1, 20);
	}
	for (size_t n = 1 + below(m, 3); n > 0; n--) {
		begin_rule(m, "obligation");
		put_jurisdiction_of(m);
		put(m, ", obligation: DUTY%d", (int)below(m, 3));
		if (chance(m, 50))
			put(m, ", label: \"DUTY(%d)\"", m->n_rules);
		put_unless(m);
		end_rule(m, AFTER_DECISION + 1, 20);
	}
	for (size_t n = below(m, 3); n > 0; n--) {
		begin_rule(m, "warning");
		put(m, ", text: \"warned by %d\"", m->n_rules);
		end_rule(m, AFTER_DECISION + 1, 0);
	}
}

static void
put_rules(struct maker *m)
{
	derive_rules(m);
	law_rules(m);
	m->n_rules = 50;
	for (size_t n = 2 + below(m, 4); n > 0; n--)
		requirement_rule(m);
	for (size_t n = below(m, 3); n > 0; n--)
		exclusion_rule(m);
	m->n_rules = 70;
	for (size_t n = 2 + below(m, 4); n > 0; n--)
		exception_rule(m);
	for (size_t n = below(m, 4); n > 0; n--)
		restriction_rule(m);
	for (size_t n = below(m, 3); n > 0; n--)
		said_rule(m, "prohibition");
	if (chance(m, 40))
		said_rule(m, "refer");
	after_rules(m);
}

void
pq_random_pack(uint64_t seed, struct pq_arena *arena, struct pq_random_pack *ret)
{
	struct maker m = {.random = {seed}, .arena = arena};

	*ret = (struct pq_random_pack){0};
	begin_file(&m);
	put_pack(&m);
	end_file(&m, ret, "rnd/pack.yaml");
	begin_file(&m);
	put_rules(&m);
	end_file(&m, ret, "rnd/rules/rules.yaml");
	begin_file(&m);
	put_group_rows(&m);
	end_file(&m, ret, "rnd/tables/groups.csv");
	begin_file(&m);
	put_item_rows(&m);
	end_file(&m, ret, "rnd/tables/items.csv");
}

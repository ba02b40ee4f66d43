/* The rules of a random pack. */
#include "tests/support/random_words.h"

#include <string.h>

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
	bool many = take == NULL || strcmp(take, "control") == 0;
	put(m, ", lookup: { table: items, where: { entry: item.code%s }", many && chance(m, 30) ? "" : ", paths: item.part");
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
	static const char *const comparisons[] = {"<", "<=", ">", ">=", "=", "!=", NULL};
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
	derive(m, "n_risky");
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
	bool first = m->n_rules == 50; /* the one that exceptions may always overcome */
	const char *reason = first ? reasons[0] : pick(m, reasons);
	begin_rule(m, "requirement");
	put_jurisdiction_of(m);
	put(m, ", authority: %s, reason: %s", pick(m, authorities), reason);
	if (chance(m, 40))
		put(m, ", label: \"column %d\"", m->n_rules);
	if (!first && chance(m, 12)) {
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
		put(m, ", excludes: { rules: [\"r%s\"] }", chance(m, 30) ? "5*" : chance(m, 50) ? "50" : "51");
	}
	end_rule(m, AFTER_DECISION, 0);
}

static void
exception_rule(struct maker *m)
{
	begin_rule(m, "exception");
	put_jurisdiction_of(m);
	put(m, ", exception: \"%s\", overcomes: ", pick(m, exceptions));
	if (chance(m, 50))
		put(m, "all");
	else
		put(m, "[NS%s]", chance(m, 40) ? ", MT" : chance(m, 50) ? ", AT" : "");
	if (chance(m, 15))
		put(m, ", shown_as: \"SHOWN%d\"", (int)below(m, 2));
	if (chance(m, 70))
		put(m, ", considered: always");
	else
		put(m, ", claimed_by: [%s]", chance(m, 50) ? "flag_b" : "flag_a, lists");
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

void
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

/* Several lines or nationalities: docs/packs.md, "How a decision is made", 7. */
#include "tests/oracle/internal.h"

#include <string.h>

/* Room for what all parts have in a list. */
#define JOIN(arena, list, n, parts, n_parts)                  \
	do {                                                      \
		size_t total = 0;                                     \
		for (size_t part = 0; part < (n_parts); part++)       \
			total += (parts)[part].n;                         \
		list = or_alloc(arena, total, sizeof(*(list)));       \
	} while (0)


static void
join_outcomes(struct pq_decision *parts, size_t n, struct pq_decision *ret)
{
	ret->exact = true;
	ret->as_of = parts[0].as_of;
	ret->jurisdiction = parts[0].jurisdiction;
	for (size_t i = 0; i < n; i++) {
		ret->outcome = parts[i].outcome > ret->outcome ? parts[i].outcome : ret->outcome;
		ret->best = parts[i].best > ret->best ? parts[i].best : ret->best;
		ret->worst = parts[i].worst > ret->worst ? parts[i].worst : ret->worst;
		ret->exact &= parts[i].exact;
		if (strcmp(parts[i].jurisdiction, ret->jurisdiction) != 0)
			ret->jurisdiction = "";
		if (parts[i].policy > ret->policy) {
			ret->policy = parts[i].policy;
			ret->policy_rule = parts[i].policy_rule;
		}
	}
	if (ret->outcome != PQ_OUTCOME_LICENSE_REQUIRED) {
		ret->policy = PQ_POLICY_NONE;
		ret->policy_rule = NULL;
	}
}

static void
join_requirements(const struct pq_decision *part, struct pq_decision *ret)
{
	for (size_t i = 0; i < part->n_requirements; i++) {
		size_t k = 0;
		while (k < ret->n_requirements && ret->requirements[k].rule->index != part->requirements[i].rule->index)
			k++;
		if (k == ret->n_requirements)
			ret->requirements[ret->n_requirements++] = part->requirements[i];
		else
			ret->requirements[k].certain |= part->requirements[i].certain;
	}
}

static void
join_refs(const struct pq_rule_ref **from, size_t n_from, const struct pq_rule_ref **to, size_t *n_to)
{
	for (size_t i = 0; i < n_from; i++) {
		size_t k = 0;
		while (k < *n_to && to[k]->index != from[i]->index)
			k++;
		if (k == *n_to)
			to[(*n_to)++] = from[i];
	}
}

static void
join_barred(const struct pq_decision *part, struct pq_decision *ret)
{
	for (size_t i = 0; i < part->n_barred; i++) {
		size_t k = 0;
		while (k < ret->n_barred && (strcmp(ret->barred[k].name, part->barred[i].name) != 0 ||
		                             ret->barred[k].rule->index != part->barred[i].rule->index))
			k++;
		if (k == ret->n_barred)
			ret->barred[ret->n_barred++] = part->barred[i];
	}
}

static void
join_duties(const struct pq_decision *part, struct pq_decision *ret)
{
	for (size_t i = 0; i < part->n_obligations; i++) {
		size_t k = 0;
		while (k < ret->n_obligations && strcmp(ret->obligations[k].name, part->obligations[i].name) != 0)
			k++;
		if (k == ret->n_obligations)
			ret->obligations[ret->n_obligations++] = part->obligations[i];
	}
}

/* Of the nationalities of one line the severest answer brings the line's obligations. */
static bool
speaks_for_line(const struct pq_decision *parts, const int *lines, size_t n, size_t part)
{
	for (size_t i = 0; i < n; i++) {
		if (lines[i] == lines[part] && parts[i].outcome > parts[part].outcome)
			return false;
	}
	return true;
}

static void
join_missing(const struct pq_missing *from, size_t n_from, struct pq_missing *to, size_t *n_to)
{
	for (size_t i = 0; i < n_from; i++) {
		size_t k = 0;
		while (k < *n_to && strcmp(to[k].name, from[i].name) != 0)
			k++;
		if (k == *n_to)
			to[(*n_to)++] = from[i];
	}
}

static void
join_warnings(const struct pq_decision *part, struct pq_decision *ret)
{
	for (size_t i = 0; i < part->n_warnings; i++) {
		const struct pq_notice *own = &part->warnings[i];
		size_t k = 0;
		for (; k < ret->n_warnings; k++) {
			const struct pq_notice *there = &ret->warnings[k];
			bool same_rule = own->rule != NULL && there->rule != NULL && own->rule->index == there->rule->index;
			if (same_rule || (own->rule == NULL && there->rule == NULL && strcmp(own->source, there->source) == 0))
				break;
		}
		if (k == ret->n_warnings)
			ret->warnings[ret->n_warnings++] = *own;
	}
}

static bool
is_available(enum pq_outcome outcome)
{
	return outcome == PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE || outcome == PQ_OUTCOME_EXEMPTION_AVAILABLE;
}

/* What every part that needs an exception may use. */
static void
join_available(const struct pq_decision *parts, size_t n, struct pq_decision *ret)
{
	const struct pq_decision *first = NULL;

	for (size_t i = 0; i < n && first == NULL && is_available(ret->outcome); i++)
		first = is_available(parts[i].outcome) ? &parts[i] : NULL;
	for (size_t i = 0; first != NULL && i < first->n_available; i++) {
		bool all = true;
		for (size_t p = 0; p < n; p++) {
			bool has = !is_available(parts[p].outcome);
			for (size_t k = 0; k < parts[p].n_available; k++)
				has |= strcmp(parts[p].available[k].name, first->available[i].name) == 0;
			all &= has;
		}
		if (all)
			ret->available[ret->n_available++] = first->available[i];
	}
}

static int
by_index(const struct pq_rule_ref *a, const struct pq_rule_ref *b)
{
	return (a->index > b->index) - (a->index < b->index);
}

static void
sort_rules(const struct pq_rule_ref **rules, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct pq_rule_ref *own = rules[i];
		size_t at = i;
		for (; at > 0 && by_index(rules[at - 1], own) > 0; at--)
			rules[at] = rules[at - 1];
		rules[at] = own;
	}
}

void
or_join(struct pq_arena *arena, struct pq_decision *parts, const char **names, const int *lines, size_t n,
        struct pq_decision *ret)
{
	struct pq_decision d = {.parts = parts, .part_names = names, .n_parts = n};

	join_outcomes(parts, n, &d);
	JOIN(arena, d.requirements, n_requirements, parts, n);
	JOIN(arena, d.prohibitions, n_prohibitions, parts, n);
	JOIN(arena, d.available, n_available, parts, n);
	JOIN(arena, d.barred, n_barred, parts, n);
	JOIN(arena, d.obligations, n_obligations, parts, n);
	JOIN(arena, d.missing, n_missing, parts, n);
	JOIN(arena, d.moot, n_moot, parts, n);
	JOIN(arena, d.warnings, n_warnings, parts, n);
	JOIN(arena, d.rules, n_rules, parts, n);
	bool needs = d.outcome == PQ_OUTCOME_NEEDS_INFORMATION;
	for (size_t i = 0; i < n; i++) {
		join_requirements(&parts[i], &d);
		if (parts[i].outcome == d.outcome)
			join_refs(parts[i].prohibitions, parts[i].n_prohibitions, d.prohibitions, &d.n_prohibitions);
		if (!needs)
			join_barred(&parts[i], &d);
		if (!needs && speaks_for_line(parts, lines, n, i))
			join_duties(&parts[i], &d);
		join_missing(parts[i].missing, parts[i].n_missing, d.missing, &d.n_missing);
		join_missing(parts[i].moot, parts[i].n_moot, d.moot, &d.n_moot);
		join_warnings(&parts[i], &d);
		join_refs(parts[i].rules, parts[i].n_rules, d.rules, &d.n_rules);
	}
	join_available(parts, n, &d);
	sort_rules(d.rules, d.n_rules);
	*ret = d;
}

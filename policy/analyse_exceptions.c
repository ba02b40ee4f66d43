/* Exceptions that no request can ever use. */
#include "policy/analyse_parts.h"

#include <string.h>

static bool
may_be_excluded(const struct pq_an *an, uint32_t requirement)
{
	for (uint32_t i = 0; i < an->p->n_rules; i++) {
		if (pq_an_excludes(an, i, requirement))
			return true;
	}
	return false;
}

/** Does the rule, wherever it holds, keep the exception from being used? */
static bool
bars(const struct pq_an *an, uint32_t index, uint32_t exception)
{
	const struct pq_p_rule *rule = &an->p->rules[index];

	if (rule->kind == PQ_KIND_PROHIBITION)
		return true;
	if (rule->kind == PQ_KIND_REQUIREMENT && (!rule->has_allows || may_be_excluded(an, index)))
		return false;
	return (rule->kind == PQ_KIND_REQUIREMENT || rule->kind == PQ_KIND_RESTRICTION) && rule->bars != PQ_NO_INDEX &&
	       pq_bit(an->p->words + rule->bars, exception);
}

/** Can the exception overcome the requirement? */
static bool
overcomes(const struct pq_an *an, const struct pq_p_rule *exception, const struct pq_p_rule *requirement)
{
	if (requirement->kind != PQ_KIND_REQUIREMENT)
		return false;
	if (requirement->has_allows)
		return pq_bit(an->p->words + requirement->allows, exception->exception);
	return pq_bit(an->p->words + exception->overcomes, requirement->reason);
}

/** Is there a requirement that it overcomes and that can arise in the box? */
static bool
can_help(struct pq_an *an, const struct pq_p_rule *exception, const struct pq_box *box)
{
	for (uint32_t i = 0; i < an->p->n_rules; i++) {
		if (!overcomes(an, exception, &an->p->rules[i]))
			continue;
		struct pq_span alts = pq_an_alts(an, an->p->rules[i].dnf);
		for (uint32_t k = 0; k < alts.n; k++) {
			struct pq_box both = pq_box_copy(an, box);
			an->pieces = PQ_AN_MAX_PIECES;
			pq_box_add_alt(an, &both, alts.first + k);
			if (an->oom || !pq_box_is_empty(an, &both))
				return true;
		}
	}
	return false;
}

/** Why one alternative of the exception is of no use; NULL: it may be. */
static const char *
useless(struct pq_an *an, const struct pq_p_rule *exception, uint32_t alt, const uint32_t *barriers, size_t n)
{
	struct pq_box box = pq_box_all();

	pq_arena_reset(&an->scratch);
	an->pieces = PQ_AN_MAX_PIECES;
	pq_box_add_alt(an, &box, alt);
	if (pq_box_is_empty(an, &box))
		return "its condition is never met";
	if (n > 0 && pq_box_covered_by(an, &box, barriers, n))
		return "wherever it is open, something bars it";
	if (!can_help(an, exception, &box))
		return "no requirement that it overcomes ever arises where it is open";
	return NULL;
}

/** The rule that alone bars it in all of its alternatives, for the message; "" where it takes several. */
static const char *
named_barrier(struct pq_an *an, const struct pq_p_rule *exception)
{
	struct pq_span alts = pq_an_alts(an, exception->dnf);

	for (uint32_t i = 0; i < an->p->n_rules; i++) {
		bool all = bars(an, i, exception->exception);
		for (uint32_t k = 0; k < alts.n && all; k++) {
			struct pq_box box = pq_box_all();
			pq_arena_reset(&an->scratch);
			an->pieces = PQ_AN_MAX_PIECES;
			pq_box_add_alt(an, &box, alts.first + k);
			all = pq_box_covered(an, &box, an->p->rules[i].dnf);
		}
		if (!all)
			continue;
		const struct pq_rule_ref *rule = pq_image_rule(an->image, i);
		const char *text = pq_arena_printf(an->arena, " (\"%s\", %s:%d)", rule->id, rule->file, rule->line);
		return text != NULL ? text : "";
	}
	return "";
}

static void
never_usable(struct pq_an *an, uint32_t index, uint32_t *barriers)
{
	const struct pq_p_rule *exception = &an->p->rules[index];
	struct pq_span alts = pq_an_alts(an, exception->dnf);
	const char *why = NULL;
	size_t n = 0;

	for (uint32_t i = 0; i < an->p->n_rules; i++) {
		if (bars(an, i, exception->exception))
			barriers[n++] = an->p->rules[i].dnf;
	}
	for (uint32_t i = 0; i < alts.n; i++) {
		const char *each = useless(an, exception, alts.first + i, barriers, n);
		if (each == NULL)
			return;
		why = why == NULL || strcmp(why, each) == 0 ? each : "in each of its alternatives it is barred, or of no help";
	}
	if (why == NULL)
		return;
	bool barred = strncmp(why, "wherever", 8) == 0;
	const char *barrier = barred ? named_barrier(an, exception) : "";
	pq_an_report(an, PQ_ANALYSIS_NEVER_USABLE, an->model->rules[index].src, "the exception \"%s\": %s%s",
	             pq_image_rule(an->image, index)->id, why, barrier);
}

void
pq_an_never_usable(struct pq_an *an)
{
	uint32_t *barriers = pq_an_alloc(an, an->p->n_rules, sizeof(*barriers));

	for (uint32_t i = 0; i < an->p->n_rules && !an->oom; i++) {
		if (an->p->rules[i].kind == PQ_KIND_EXCEPTION)
			never_usable(an, i, barriers);
	}
}

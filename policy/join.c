/* Several lines, or several nationalities of one person: the answer to all of them together. */
#include "policy/decide_parts.h"

#include <string.h>

struct joint {
	struct pq_arena *arena;
	struct pq_decision *parts;
	const char **names;
	const size_t *lines;
	size_t n;
	bool oom;
};

static void *
list_of(struct joint *j, size_t n, size_t size)
{
	void *at = pq_arena_array(j->arena, n > 0 ? n : 1, size);

	if (at == NULL)
		j->oom = true;
	return at;
}

static bool
lets_go_with_exception(enum pq_outcome outcome)
{
	return outcome == PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE || outcome == PQ_OUTCOME_EXEMPTION_AVAILABLE;
}

static void
join_outcome(const struct joint *j, struct pq_decision *ret)
{
	for (size_t i = 0; i < j->n; i++) {
		const struct pq_decision *part = &j->parts[i];
		if (part->outcome > ret->outcome)
			ret->outcome = part->outcome;
		if (part->best > ret->best)
			ret->best = part->best;
		if (part->worst > ret->worst)
			ret->worst = part->worst;
		ret->exact &= part->exact;
		if (part->policy > ret->policy) {
			ret->policy = part->policy;
			ret->policy_rule = part->policy_rule;
		}
		if (i == 0)
			ret->jurisdiction = part->jurisdiction;
		else if (strcmp(ret->jurisdiction, part->jurisdiction) != 0)
			ret->jurisdiction = "";
	}
	ret->as_of = j->parts[0].as_of;
	if (ret->outcome != PQ_OUTCOME_LICENSE_REQUIRED) {
		ret->policy = PQ_POLICY_NONE;
		ret->policy_rule = NULL;
	}
}

static bool
part_offers(const struct pq_decision *part, const char *name)
{
	for (size_t i = 0; i < part->n_available; i++) {
		if (strcmp(part->available[i].name, name) == 0)
			return true;
	}
	return false;
}

/* What every part that needs an exception may use. */
static void
join_available(struct joint *j, struct pq_decision *ret)
{
	const struct pq_decision *first = NULL;

	for (size_t i = 0; i < j->n && first == NULL; i++)
		first = lets_go_with_exception(j->parts[i].outcome) ? &j->parts[i] : NULL;
	ret->available = list_of(j, first != NULL ? first->n_available : 0, sizeof(*ret->available));
	if (j->oom || first == NULL || !lets_go_with_exception(ret->outcome))
		return;
	for (size_t i = 0; i < first->n_available; i++) {
		bool all = true;
		for (size_t k = 0; k < j->n; k++)
			all &= !lets_go_with_exception(j->parts[k].outcome) || part_offers(&j->parts[k], first->available[i].name);
		if (all)
			ret->available[ret->n_available++] = first->available[i];
	}
}

static void
join_requirements(struct joint *j, struct pq_decision *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++)
		n += j->parts[i].n_requirements;
	ret->requirements = list_of(j, n, sizeof(*ret->requirements));
	for (size_t i = 0; !j->oom && i < j->n; i++) {
		for (size_t k = 0; k < j->parts[i].n_requirements; k++) {
			const struct pq_requirement *one = &j->parts[i].requirements[k];
			size_t at = 0;
			while (at < ret->n_requirements && ret->requirements[at].rule != one->rule)
				at++;
			if (at == ret->n_requirements)
				ret->requirements[ret->n_requirements++] = *one;
			ret->requirements[at].certain |= one->certain;
		}
	}
}

static void
join_prohibitions(struct joint *j, struct pq_decision *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++)
		n += j->parts[i].n_prohibitions;
	ret->prohibitions = list_of(j, n, sizeof(*ret->prohibitions));
	for (size_t i = 0; !j->oom && i < j->n; i++) {
		for (size_t k = 0; k < j->parts[i].n_prohibitions; k++) {
			bool known = j->parts[i].outcome != ret->outcome;
			for (size_t m = 0; !known && m < ret->n_prohibitions; m++)
				known = ret->prohibitions[m] == j->parts[i].prohibitions[k];
			if (!known)
				ret->prohibitions[ret->n_prohibitions++] = j->parts[i].prohibitions[k];
		}
	}
}

static void
join_barred(struct joint *j, struct pq_decision *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++)
		n += j->parts[i].n_barred;
	ret->barred = list_of(j, n, sizeof(*ret->barred));
	if (ret->outcome == PQ_OUTCOME_NEEDS_INFORMATION)
		return;
	for (size_t i = 0; !j->oom && i < j->n; i++) {
		for (size_t k = 0; k < j->parts[i].n_barred; k++) {
			const struct pq_barred *one = &j->parts[i].barred[k];
			bool known = false;
			for (size_t m = 0; !known && m < ret->n_barred; m++)
				known = strcmp(ret->barred[m].name, one->name) == 0 && ret->barred[m].rule == one->rule;
			if (!known)
				ret->barred[ret->n_barred++] = *one;
		}
	}
}

/* The severest answer among the nationalities of one line, whose parts lie together: its duties are the line's. */
static bool
speaks_for_line(const struct joint *j, size_t part)
{
	size_t i = part;

	while (i > 0 && j->lines[i - 1] == j->lines[part])
		i--;
	for (; i < j->n && j->lines[i] == j->lines[part]; i++) {
		if (j->parts[i].outcome > j->parts[part].outcome)
			return false;
	}
	return true;
}

static void
join_duties(struct joint *j, struct pq_decision *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++)
		n += j->parts[i].n_obligations;
	ret->obligations = list_of(j, n, sizeof(*ret->obligations));
	if (ret->outcome == PQ_OUTCOME_NEEDS_INFORMATION)
		return;
	for (size_t i = 0; !j->oom && i < j->n; i++) {
		size_t n_own = speaks_for_line(j, i) ? j->parts[i].n_obligations : 0;
		for (size_t k = 0; k < n_own; k++) {
			bool known = false;
			for (size_t m = 0; !known && m < ret->n_obligations; m++)
				known = strcmp(ret->obligations[m].name, j->parts[i].obligations[k].name) == 0;
			if (!known)
				ret->obligations[ret->n_obligations++] = j->parts[i].obligations[k];
		}
	}
}

/* What is missing for one line of several is asked for under the line's name, unless all lines share the fact. */
static void
join_missing(struct joint *j, bool moot, struct pq_missing **ret, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++)
		n += moot ? j->parts[i].n_moot : j->parts[i].n_missing;
	*ret = list_of(j, n, sizeof(**ret));
	for (size_t i = 0; !j->oom && i < j->n; i++) {
		const struct pq_missing *list = moot ? j->parts[i].moot : j->parts[i].missing;
		size_t n_list = moot ? j->parts[i].n_moot : j->parts[i].n_missing;
		for (size_t k = 0; k < n_list; k++) {
			bool known = false;
			for (size_t m = 0; !known && m < *ret_n; m++)
				known = strcmp((*ret)[m].name, list[k].name) == 0;
			if (!known)
				(*ret)[(*ret_n)++] = list[k];
		}
	}
}

static void
join_warnings(struct joint *j, struct pq_decision *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++)
		n += j->parts[i].n_warnings;
	ret->warnings = list_of(j, n, sizeof(*ret->warnings));
	for (size_t i = 0; !j->oom && i < j->n; i++) {
		for (size_t k = 0; k < j->parts[i].n_warnings; k++) {
			const struct pq_notice *one = &j->parts[i].warnings[k];
			bool known = false;
			for (size_t m = 0; !known && m < ret->n_warnings; m++)
				known = ret->warnings[m].rule == one->rule && strcmp(ret->warnings[m].text, one->text) == 0 &&
				        strcmp(ret->warnings[m].source, one->source) == 0;
			if (!known)
				ret->warnings[ret->n_warnings++] = *one;
		}
	}
}

static void
join_rules(struct joint *j, struct pq_decision *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++)
		n += j->parts[i].n_rules;
	ret->rules = list_of(j, n, sizeof(*ret->rules));
	/* Each part has its rules in order: merge, smallest first. */
	size_t *at = list_of(j, j->n, sizeof(*at));
	while (!j->oom) {
		const struct pq_rule_ref *next = NULL;
		for (size_t i = 0; i < j->n; i++) {
			if (at[i] < j->parts[i].n_rules && (next == NULL || j->parts[i].rules[at[i]]->index < next->index))
				next = j->parts[i].rules[at[i]];
		}
		if (next == NULL)
			return;
		for (size_t i = 0; i < j->n; i++)
			at[i] += at[i] < j->parts[i].n_rules && j->parts[i].rules[at[i]] == next;
		ret->rules[ret->n_rules++] = next;
	}
}

enum pq_status
pq_join_parts(struct pq_decision *parts, const char **names, const size_t *lines, size_t n, struct pq_arena *arena,
              struct pq_decision *ret, struct pq_err *err)
{
	struct joint j = {.arena = arena, .parts = parts, .names = names, .lines = lines, .n = n};
	struct pq_decision joined = {.exact = true, .jurisdiction = "", .parts = parts, .part_names = names, .n_parts = n};

	join_outcome(&j, &joined);
	join_available(&j, &joined);
	join_requirements(&j, &joined);
	join_prohibitions(&j, &joined);
	join_barred(&j, &joined);
	join_duties(&j, &joined);
	join_missing(&j, false, &joined.missing, &joined.n_missing);
	join_missing(&j, true, &joined.moot, &joined.n_moot);
	join_warnings(&j, &joined);
	join_rules(&j, &joined);
	if (j.oom)
		return pq_fail(err, PQ_ENOMEM, "the request needs more memory than one request may have");
	*ret = joined;
	return PQ_OK;
}

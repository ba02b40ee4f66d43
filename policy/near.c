/*
 * Near misses: the one fact that would have given another answer.
 *
 * Each fact that is known and can be changed is opened, one at a time, as if it were unknown. Matching then tells at
 * once whether the outcome can depend on it at all; only if it can are its values tried, each by a whole evaluation. So
 * nothing is shown that was not decided.
 */
#include "policy/eval.h"

#include <string.h>

/*
 * Evaluations that near misses may take, over all lines of a request: one line takes some hundreds, so that this is
 * enough for a dozen lines with many parties, and a thousand lines do not hold up a server. Later lines have none then.
 */
#define NEAR_TRIES 8192

struct near {
	struct pq_eval *ev;
	struct pq_outcome_range range;
	enum pq_outcome outcome; /* of the decision itself */
	uint32_t *counted;       /* rules that count in the decision itself, ascending */
	size_t n_counted;
	struct pq_near_miss *at;
	size_t n, cap;
};

/* The best (of a blocked answer) or worst (of a clean one) outcome that a fact can bring about, and how. */
struct change {
	bool found;
	enum pq_outcome outcome;
	const char *to;
	const struct pq_rule_ref *rule;
	uint64_t distance; /* of numbers, from the value that is known */
};

/* Evaluate, if there is leave to. */
static bool
evaluate(struct near *near)
{
	if (near->ev->near_tries >= NEAR_TRIES)
		return false;
	near->ev->near_tries++;
	pq_evaluate(near->ev, &near->range);
	return true;
}

static bool
is_clean(enum pq_outcome outcome)
{
	return outcome < PQ_OUTCOME_NEEDS_INFORMATION;
}

const char *
pq_value_words(struct pq_eval *ev, const struct pq_element *element, uint32_t attr)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	const struct pq_val *val = &element->vals[a->slot];
	char buf[40];

	if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE) {
		if (val->number_state != PQ_NUMBER_KNOWN)
			return val->number_state == PQ_NUMBER_NONE ? "none" : "unknown";
		if (a->type == PQ_TYPE_DATE)
			pq_date_format((int32_t)val->number, buf, sizeof(buf));
		else
			pq_number_format(val->number, buf, sizeof(buf));
		return pq_arena_strndup(ev->arena, buf, strlen(buf));
	}
	const char *text = "";
	uint32_t n = 0;
	for (uint32_t w = 0; w < a->words; w++) {
		for (uint64_t left = val->poss[w]; left != 0 && n < 8; left &= left - 1, n++) {
			uint32_t symbol = w * 64 + (uint32_t)__builtin_ctzll(left);
			const char *name = pq_string(ev->image, ev->p->symbols[ev->p->domains[a->domain].symbols.first + symbol]);
			text = n == 0 ? name : pq_arena_printf(ev->arena, "%s, %s", text, name);
			if (text == NULL)
				return NULL;
		}
	}
	return n > 0 ? text : "none";
}

/* Does the rule count, as things are? */
static bool
counts(const struct pq_eval *ev, const struct pq_active *active)
{
	const struct pq_p_rule *rule = &ev->p->rules[active->rule];

	return active->tri == PQ_T && (rule->kind != PQ_KIND_REQUIREMENT || ev->counts[rule->requirement] == PQ_T);
}

/* What counts before anything is changed. */
static bool
note_what_counts(struct near *near)
{
	struct pq_eval *ev = near->ev;

	near->counted = pq_arena_array(ev->arena, ev->n_active + 1, sizeof(*near->counted));
	if (near->counted == NULL)
		return false;
	for (size_t i = 0; i < ev->n_active; i++) {
		if (counts(ev, &ev->active[i]))
			near->counted[near->n_counted++] = ev->active[i].rule;
	}
	return true;
}

static bool
counted(const struct near *near, uint32_t rule)
{
	size_t lo = 0, hi = near->n_counted;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (near->counted[mid] < rule)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < near->n_counted && near->counted[lo] == rule;
}

/* The first rule of the kind that counts; `fresh`: that did not count before the change. */
static const struct pq_rule_ref *
first_of(const struct near *near, enum pq_kind kind, bool fresh)
{
	const struct pq_eval *ev = near->ev;

	for (size_t i = 0; i < ev->n_active; i++) {
		uint32_t rule = ev->active[i].rule;
		if ((enum pq_kind)ev->p->rules[rule].kind == kind && counts(ev, &ev->active[i]) &&
		    !(fresh && counted(near, rule)))
			return pq_image_rule(ev->image, rule);
	}
	return NULL;
}

/* The first rule of the kind that counted before the change and does not count after it. */
static const struct pq_rule_ref *
first_gone(const struct near *near, enum pq_kind kind)
{
	const struct pq_eval *ev = near->ev;

	for (size_t k = 0; k < near->n_counted; k++) {
		uint32_t rule = near->counted[k];
		bool gone = (enum pq_kind)ev->p->rules[rule].kind == kind;
		for (size_t i = 0; gone && i < ev->n_active; i++)
			gone = ev->active[i].rule != rule || !counts(ev, &ev->active[i]);
		if (gone)
			return pq_image_rule(ev->image, rule);
	}
	return NULL;
}

/* What makes a clean answer worse: what now forbids, requires, or closes the exception that was usable. */
static const struct pq_rule_ref *
what_spoils(const struct near *near, enum pq_outcome outcome)
{
	static const enum pq_kind kinds[PQ_OUTCOME_COUNT] = {
		[PQ_OUTCOME_PROHIBITED] = PQ_KIND_PROHIBITION,
		[PQ_OUTCOME_REFER] = PQ_KIND_REFER,
		[PQ_OUTCOME_LICENSE_REQUIRED] = PQ_KIND_REQUIREMENT,
	};
	const struct pq_rule_ref *rule = first_of(near, kinds[outcome], true);

	if (rule == NULL && outcome == PQ_OUTCOME_LICENSE_REQUIRED)
		rule = first_of(near, PQ_KIND_RESTRICTION, true);
	return rule != NULL ? rule : first_of(near, kinds[outcome], false);
}

/* What makes a blocked answer better: what does not forbid any more, the exception that now can be used, or what does
 * not require any more. */
static const struct pq_rule_ref *
what_helps(const struct near *near)
{
	const struct pq_eval *ev = near->ev;
	const struct pq_rule_ref *rule = first_gone(near, PQ_KIND_PROHIBITION);

	if (rule == NULL)
		rule = first_gone(near, PQ_KIND_REFER);
	for (size_t i = 0; rule == NULL && i < ev->n_exceptions; i++)
		if (is_clean(near->range.best) && ev->exceptions[i].usable == PQ_T)
			rule = pq_image_rule(ev->image, ev->exceptions[i].rule);
	return rule != NULL ? rule : first_gone(near, PQ_KIND_REQUIREMENT);
}

static const struct pq_rule_ref *
reason_of(const struct near *near, enum pq_outcome outcome)
{
	return is_clean(near->outcome) ? what_spoils(near, outcome) : what_helps(near);
}

static bool
is_better(const struct near *near, const struct change *best, enum pq_outcome outcome, uint64_t distance)
{
	if (is_clean(near->outcome) ? outcome <= near->outcome || is_clean(outcome) : outcome >= near->outcome)
		return false;
	if (outcome == PQ_OUTCOME_NEEDS_INFORMATION)
		return false;
	if (!best->found)
		return true;
	if (outcome != best->outcome)
		return is_clean(near->outcome) ? outcome > best->outcome : outcome < best->outcome;
	return distance < best->distance;
}

static uint64_t
distance_of(const struct pq_var *var, bool number, int64_t from)
{
	if (!number)
		return 0;
	return var->number > from ? (uint64_t)(var->number - from) : (uint64_t)(from - var->number);
}

static void
try_values(struct near *near, struct pq_var *var, int64_t from, struct change *best)
{
	struct pq_eval *ev = near->ev;
	const struct pq_p_attr *a = &ev->p->attrs[var->attr];
	bool number = a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE;

	for (size_t i = 0; i < 512 && !ev->oom && pq_try_choice(ev, var, i); i++) {
		uint64_t distance = distance_of(var, number, from);
		if (!evaluate(near))
			break;
		if (!near->range.determined || !is_better(near, best, near->range.best, distance))
			continue;
		*best = (struct change){
			.found = true,
			.outcome = near->range.best,
			.to = pq_value_words(ev, var->element, var->attr),
			.rule = reason_of(near, near->range.best),
			.distance = distance,
		};
	}
	var->assumed = false;
	pq_var_changed(ev, var);
}

static bool
is_known(const struct pq_p_attr *a, const struct pq_val *val)
{
	size_t n = 0;

	if (val->open)
		return false;
	if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE)
		return val->number_state == PQ_NUMBER_KNOWN && !val->may_none;
	for (uint32_t w = 0; w < a->words; w++)
		n += (size_t)__builtin_popcountll(val->poss[w]);
	return a->single ? n == 1 && !val->may_none : true;
}

static void
add(struct near *near, const struct pq_near_miss *miss)
{
	size_t at = near->n;
	bool clean = is_clean(near->outcome);

	/* The largest improvement first, or the worst that could come; equal ones in the order of the facts. */
	while (at > 0 && (clean ? near->at[at - 1].outcome < miss->outcome : near->at[at - 1].outcome > miss->outcome))
		at--;
	if (at == near->cap)
		return;
	if (near->n < near->cap)
		near->n++;
	for (size_t i = near->n - 1; i > at; i--)
		near->at[i] = near->at[i - 1];
	near->at[at] = *miss;
}

/* Where the fact stands; parties of one role are told apart: "parties.end_user[1].lists" is of the second end user. */
static const char *
place_of(struct near *near, const struct pq_element *element, uint32_t attr)
{
	struct pq_eval *ev = near->ev;
	const char *name = pq_fact_place(ev, element, attr);
	unsigned before = 0;

	if (name == NULL || element->scope != PQ_SCOPE_PARTY)
		return name;
	for (size_t i = 0; i < element->index; i++) {
		const char *other = pq_fact_place(ev, &ev->parties[i], attr);
		before += other != NULL && strcmp(name, other) == 0;
	}
	const char *last = strrchr(name, '.');
	return before == 0 ? name : pq_arena_printf(ev->arena, "%.*s[%u]%s", (int)(last - name), name, before, last);
}

/* Open one fact of one element, see whether the outcome can depend on it, and if so try its values. */
static void
try_fact(struct near *near, struct pq_element *element, uint32_t attr)
{
	struct pq_eval *ev = near->ev;
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	struct pq_given *given = &element->given[a->slot];
	struct change best = {0};

	pq_forget_unknowns(ev);
	if (!evaluate(near) || !is_known(a, &element->vals[a->slot]))
		return;
	int64_t from = element->vals[a->slot].number;
	const char *words = pq_value_words(ev, element, attr);
	given->opened = true;
	pq_given_changed(ev, attr);
	if (evaluate(near) && (!near->range.determined || near->range.best != near->outcome)) {
		if (!near->range.determined)
			(void)pq_outcome_deps(ev, &near->range); /* notes the thresholds of numbers */
		int var = pq_var_of(ev, element, attr);
		if (var >= 0)
			try_values(near, &ev->vars[var], from, &best);
	}
	given->opened = false;
	pq_given_changed(ev, attr);
	const char *place = best.found ? place_of(near, element, attr) : NULL;
	if (place != NULL && words != NULL && best.to != NULL)
		add(near, &(struct pq_near_miss){place, words, best.to, best.outcome, best.rule});
}

static void
try_element(struct near *near, struct pq_element *element)
{
	struct pq_eval *ev = near->ev;

	for (uint32_t i = 0; i < ev->p->n_attrs && !ev->oom; i++) {
		const struct pq_p_attr *a = &ev->p->attrs[i];
		bool can = a->is_fact && a->scope == element->scope && a->changeable && a->type != PQ_TYPE_CODE &&
		           a->type != PQ_TYPE_PATH && a->type != PQ_TYPE_TEXT;
		if (can)
			try_fact(near, element, i);
	}
}

void
pq_find_near_misses(struct pq_eval *ev, enum pq_outcome outcome, struct pq_decision *ret)
{
	struct near near = {.ev = ev, .outcome = outcome};

	near.cap = ev->request->near_misses < PQ_MAX_NEAR_MISSES ? ev->request->near_misses : PQ_MAX_NEAR_MISSES;
	near.at = pq_arena_array(ev->arena, near.cap + 1, sizeof(*near.at));
	near.range.usable = pq_arena_array(ev->arena, ev->image->meta->exception_words + 1, sizeof(*near.range.usable));
	if (near.at == NULL || near.range.usable == NULL) {
		ev->oom = true;
		return;
	}
	/* What is missing is told already; where the law alone gives the answer there is nothing near. */
	if (outcome == PQ_OUTCOME_NEEDS_INFORMATION || ev->request->jurisdiction_only)
		return;
	pq_forget_unknowns(ev);
	pq_evaluate(ev, &near.range);
	if (!note_what_counts(&near)) {
		ev->oom = true;
		return;
	}
	try_element(&near, &ev->req);
	for (size_t i = 0; i < ev->n_parties; i++)
		try_element(&near, &ev->parties[i]);
	ret->near_misses = near.at;
	ret->n_near_misses = near.n;
}

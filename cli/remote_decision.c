#include "cli/remote_convert.h"

#include <string.h>

/* While a reply is read. The first failure is remembered and ends the work at the next check. */
struct reader {
	const Pratique__V1__DecideResponse *reply;
	struct pq_arena *arena;
	const struct pq_rule_ref **rules; /* as many as the reply has */
	bool no_memory, bad;
};

static void *
take(struct reader *r, size_t n, size_t size)
{
	void *block = pq_arena_array(r->arena, n, size);

	r->no_memory |= block == NULL;
	return block;
}

static const char *
text(struct reader *r, const char *from)
{
	const char *copy = pq_arena_strndup(r->arena, from, strlen(from));

	r->no_memory |= copy == NULL;
	return copy;
}

/* A date that may be open; `open` is what "" means. */
static int32_t
date(struct reader *r, const char *from, int32_t open)
{
	int32_t day = open;

	if (from[0] != '\0' && !pq_date_parse(from, strlen(from), &day))
		r->bad = true;
	return day;
}

static const struct pq_rule_ref *
read_rule(struct reader *r, const Pratique__V1__Rule *from)
{
	struct pq_rule_ref *rule = take(r, 1, sizeof(*rule));

	if (rule == NULL)
		return NULL;
	if ((int)from->kind <= 0 || (int)from->kind > PQ_KIND_COUNT || from->line > INT32_MAX)
		r->bad = true;
	*rule = (struct pq_rule_ref){
		.id = text(r, from->id),
		.title = text(r, from->title),
		.cite = text(r, from->cite),
		.file = text(r, from->file),
		.note = text(r, from->note),
		.confidence = text(r, from->confidence),
		.pack = text(r, from->pack),
		.kind = (enum pq_kind)(from->kind - 1),
		.line = (int32_t)from->line,
		.from = date(r, from->from, PQ_DATE_MIN),
		.to = date(r, from->to, PQ_DATE_MAX),
		.index = from->index,
	};
	return rule;
}

static const struct pq_rule_ref *
rule_at(struct reader *r, uint32_t index)
{
	if (index >= r->reply->n_rules) {
		r->bad = true;
		return NULL;
	}
	return r->rules[index];
}

static const struct pq_rule_ref *
rule_of(struct reader *r, const Pratique__V1__RuleRef *reference)
{
	return reference != NULL ? rule_at(r, reference->index) : NULL;
}

/* One that must be there: whoever shows the decision does not ask. */
static const struct pq_rule_ref *
needed(struct reader *r, const Pratique__V1__RuleRef *reference)
{
	r->bad |= reference == NULL;
	return rule_of(r, reference);
}

static const struct pq_rule_ref **
rules_of(struct reader *r, const uint32_t *places, size_t n)
{
	const struct pq_rule_ref **rules = take(r, n, sizeof(const struct pq_rule_ref *));

	for (size_t i = 0; rules != NULL && i < n; i++)
		rules[i] = rule_at(r, places[i]);
	return rules;
}

static enum pq_outcome
outcome(struct reader *r, Pratique__V1__Outcome from)
{
	if ((int)from <= PQ_OUTCOME_NONE || (int)from >= PQ_OUTCOME_COUNT)
		r->bad = true;
	return (enum pq_outcome)from;
}

static void
read_requirements(struct reader *r, const Pratique__V1__Decision *from, struct pq_decision *to)
{
	to->requirements = take(r, from->n_requirements, sizeof(*to->requirements));
	to->n_requirements = from->n_requirements;
	for (size_t i = 0; i < from->n_requirements && !r->no_memory; i++) {
		const Pratique__V1__Requirement *one = from->requirements[i];
		to->requirements[i] = (struct pq_requirement){
			needed(r, one->rule), text(r, one->authority), text(r, one->reason), text(r, one->label), one->certain,
		};
	}
}

static void
read_available(struct reader *r, const Pratique__V1__Decision *from, struct pq_decision *to)
{
	to->available = take(r, from->n_available, sizeof(*to->available));
	to->n_available = from->n_available;
	for (size_t i = 0; i < from->n_available && !r->no_memory; i++)
		to->available[i] = (struct pq_usable){
			text(r, from->available[i]->name),
			needed(r, from->available[i]->rule),
		};
}

static const char *const *
spares(struct reader *r, const Pratique__V1__TextList *list)
{
	if (list == NULL)
		return NULL;
	const char **names = take(r, list->n_values + 1, sizeof(*names));
	for (size_t i = 0; names != NULL && i < list->n_values; i++)
		names[i] = text(r, list->values[i]);
	return names;
}

static void
read_barred(struct reader *r, const Pratique__V1__Decision *from, struct pq_decision *to)
{
	to->barred = take(r, from->n_barred, sizeof(*to->barred));
	to->n_barred = from->n_barred;
	for (size_t i = 0; i < from->n_barred && !r->no_memory; i++) {
		const Pratique__V1__Barred *one = from->barred[i];
		to->barred[i] = (struct pq_barred){
			text(r, one->name),
			text(r, one->reason),
			rule_of(r, one->rule),
			spares(r, one->spares),
		};
	}
}

static void
read_obligations(struct reader *r, const Pratique__V1__Decision *from, struct pq_decision *to)
{
	to->obligations = take(r, from->n_obligations, sizeof(*to->obligations));
	to->n_obligations = from->n_obligations;
	for (size_t i = 0; i < from->n_obligations && !r->no_memory; i++) {
		const Pratique__V1__Obligation *one = from->obligations[i];
		to->obligations[i] = (struct pq_duty){text(r, one->name), text(r, one->label), needed(r, one->rule)};
	}
}

static struct pq_missing *
read_missing(struct reader *r, Pratique__V1__MissingFact *const *from, size_t n)
{
	struct pq_missing *facts = take(r, n, sizeof(*facts));

	for (size_t i = 0; i < n && !r->no_memory; i++)
		facts[i] = (struct pq_missing){text(r, from[i]->name), text(r, from[i]->question)};
	return facts;
}

static void
read_warnings(struct reader *r, const Pratique__V1__Decision *from, struct pq_decision *to)
{
	to->warnings = take(r, from->n_warnings, sizeof(*to->warnings));
	to->n_warnings = from->n_warnings;
	for (size_t i = 0; i < from->n_warnings && !r->no_memory; i++) {
		const Pratique__V1__Warning *one = from->warnings[i];
		to->warnings[i] = (struct pq_notice){text(r, one->text), rule_of(r, one->rule), text(r, one->source)};
	}
}

static void
read_assumed(struct reader *r, const Pratique__V1__Decision *from, struct pq_decision *to)
{
	to->assumed = take(r, from->n_assumed, sizeof(*to->assumed));
	to->n_assumed = from->n_assumed;
	for (size_t i = 0; i < from->n_assumed && !r->no_memory; i++) {
		const Pratique__V1__Assumption *one = from->assumed[i];
		to->assumed[i] = (struct pq_assumed){text(r, one->name), text(r, one->value), text(r, one->source)};
	}
}

static void
read_near_misses(struct reader *r, const Pratique__V1__Decision *from, struct pq_decision *to)
{
	to->near_misses = take(r, from->n_near_misses, sizeof(*to->near_misses));
	to->n_near_misses = from->n_near_misses;
	for (size_t i = 0; i < from->n_near_misses && !r->no_memory; i++) {
		const Pratique__V1__NearMiss *one = from->near_misses[i];
		to->near_misses[i] = (struct pq_near_miss){
			text(r, one->name), text(r, one->from), text(r, one->to), outcome(r, one->outcome), rule_of(r, one->rule),
		};
	}
}

static void
read_faults(struct reader *r, const Pratique__V1__Decision *from, struct pq_decision *to)
{
	struct pq_violation *faults = take(r, from->n_faults, sizeof(*faults));

	for (size_t i = 0; i < from->n_faults && !r->no_memory; i++) {
		const Pratique__V1__LineFault *one = from->faults[i];
		faults[i] = (struct pq_violation){text(r, one->field), text(r, one->reason), text(r, one->description)};
	}
	to->violations = faults;
	to->n_violations = from->n_faults;
}

static void
read_decision(struct reader *r, const Pratique__V1__Decision *from, struct pq_decision *to)
{
	if (from == NULL) {
		r->bad = true;
		return;
	}
	to->outcome = outcome(r, from->outcome);
	to->best = outcome(r, from->best);
	to->worst = outcome(r, from->worst);
	to->exact = from->exact;
	r->bad |= from->as_of[0] == '\0' || (int)from->review_policy < 0 || (int)from->review_policy >= PQ_POLICY_COUNT;
	to->as_of = date(r, from->as_of, 0);
	to->jurisdiction = text(r, from->jurisdiction);
	to->policy = (enum pq_policy)from->review_policy;
	to->policy_rule = rule_of(r, from->review_rule);
	read_requirements(r, from, to);
	to->prohibitions = rules_of(r, from->prohibition_rules, from->n_prohibition_rules);
	to->n_prohibitions = from->n_prohibition_rules;
	read_available(r, from, to);
	read_barred(r, from, to);
	read_obligations(r, from, to);
	to->missing = read_missing(r, from->missing, from->n_missing);
	to->n_missing = from->n_missing;
	to->moot = read_missing(r, from->moot, from->n_moot);
	to->n_moot = from->n_moot;
	read_warnings(r, from, to);
	to->rules = rules_of(r, from->counted_rules, from->n_counted_rules);
	to->n_rules = from->n_counted_rules;
	read_assumed(r, from, to);
	read_near_misses(r, from, to);
	read_faults(r, from, to);
}

/*
 * The parts at `depth` from *next on, up to the first that is not so deep; those that are deeper belong to the part
 * before them. `depth` grows by one a call and never passes what a server sends, for deeper parts are refused.
 */
static void
read_parts(struct reader *r, size_t *next, uint32_t depth, struct pq_decision *to)
{
	const Pratique__V1__DecideResponse *reply = r->reply;
	size_t n = 0;

	for (size_t i = *next; i < reply->n_parts && reply->parts[i]->depth >= depth; i++)
		n += reply->parts[i]->depth == depth;
	to->parts = take(r, n, sizeof(*to->parts));
	to->part_names = take(r, n, sizeof(*to->part_names));
	while (*next < reply->n_parts && reply->parts[*next]->depth >= depth && !r->no_memory && !r->bad) {
		const Pratique__V1__Part *from = reply->parts[(*next)++];
		if (from->depth != depth || depth > 8) {
			r->bad = true;
			return;
		}
		to->part_names[to->n_parts] = text(r, from->name);
		struct pq_decision *part = &to->parts[to->n_parts++];
		read_decision(r, from->decision, part);
		read_parts(r, next, depth + 1, part);
	}
}

enum pq_status
pq_decision_from_message(const Pratique__V1__DecideResponse *message, struct pq_arena *arena,
                         struct pq_decision *ret_decision, struct pq_err *err)
{
	struct reader r = {.reply = message, .arena = arena};
	struct pq_decision decision = {0};
	size_t next = 0;

	r.rules = take(&r, message->n_rules, sizeof(const struct pq_rule_ref *));
	for (size_t i = 0; i < message->n_rules && !r.no_memory; i++)
		r.rules[i] = read_rule(&r, message->rules[i]);
	if (!r.no_memory)
		read_decision(&r, message->decision, &decision);
	if (!r.no_memory && !r.bad)
		read_parts(&r, &next, 1, &decision);
	if (r.no_memory)
		return pq_fail(err, PQ_ENOMEM, "no memory for the decision");
	if (r.bad || next != message->n_parts)
		return pq_fail(err, PQ_EFORMAT, "the reply of the server cannot be understood by this version");
	*ret_decision = decision;
	return PQ_OK;
}

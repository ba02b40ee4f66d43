#include "server/convert.h"

#include <assert.h>
#include <string.h>

#define SAME(ours, theirs) static_assert((int)(ours) == (int)(theirs), "numbers are shared with the messages")
SAME(PQ_OUTCOME_NOT_SUBJECT, PRATIQUE__V1__OUTCOME__OUTCOME_NOT_SUBJECT);
SAME(PQ_OUTCOME_SUBJECT_TO_EAR, PRATIQUE__V1__OUTCOME__OUTCOME_SUBJECT_TO_EAR);
SAME(PQ_OUTCOME_NO_LICENSE_REQUIRED, PRATIQUE__V1__OUTCOME__OUTCOME_NO_LICENSE_REQUIRED);
SAME(PQ_OUTCOME_EXEMPTION_AVAILABLE, PRATIQUE__V1__OUTCOME__OUTCOME_EXEMPTION_AVAILABLE);
SAME(PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE, PRATIQUE__V1__OUTCOME__OUTCOME_LICENSE_EXCEPTION_AVAILABLE);
SAME(PQ_OUTCOME_NEEDS_INFORMATION, PRATIQUE__V1__OUTCOME__OUTCOME_NEEDS_INFORMATION);
SAME(PQ_OUTCOME_REFER, PRATIQUE__V1__OUTCOME__OUTCOME_REFER);
SAME(PQ_OUTCOME_LICENSE_REQUIRED, PRATIQUE__V1__OUTCOME__OUTCOME_LICENSE_REQUIRED);
SAME(PQ_OUTCOME_PROHIBITED, PRATIQUE__V1__OUTCOME__OUTCOME_PROHIBITED);
SAME(PQ_OUTCOME_PROHIBITED + 1, PQ_OUTCOME_COUNT);
SAME(PQ_POLICY_GENERALLY_APPROVED, PRATIQUE__V1__REVIEW_POLICY__REVIEW_POLICY_GENERALLY_APPROVED);
SAME(PQ_POLICY_PRESUMPTION_OF_APPROVAL, PRATIQUE__V1__REVIEW_POLICY__REVIEW_POLICY_PRESUMPTION_OF_APPROVAL);
SAME(PQ_POLICY_CASE_BY_CASE, PRATIQUE__V1__REVIEW_POLICY__REVIEW_POLICY_CASE_BY_CASE);
SAME(PQ_POLICY_AS_STATED_IN_ENTRY, PRATIQUE__V1__REVIEW_POLICY__REVIEW_POLICY_AS_STATED_IN_ENTRY);
SAME(PQ_POLICY_PRESUMPTION_OF_DENIAL, PRATIQUE__V1__REVIEW_POLICY__REVIEW_POLICY_PRESUMPTION_OF_DENIAL);
SAME(PQ_POLICY_GENERALLY_DENIED, PRATIQUE__V1__REVIEW_POLICY__REVIEW_POLICY_GENERALLY_DENIED);
SAME(PQ_POLICY_POLICY_OF_DENIAL, PRATIQUE__V1__REVIEW_POLICY__REVIEW_POLICY_POLICY_OF_DENIAL);
SAME(PQ_POLICY_POLICY_OF_DENIAL + 1, PQ_POLICY_COUNT);
SAME(PQ_KIND_DERIVE + 1, PRATIQUE__V1__RULE_KIND__RULE_KIND_DERIVE);
SAME(PQ_KIND_WARNING + 1, PRATIQUE__V1__RULE_KIND__RULE_KIND_WARNING);
SAME(PQ_KIND_COUNT, PRATIQUE__V1__RULE_KIND__RULE_KIND_WARNING);

/* Days since 1970-01-01 as text. */
#define DATE_TEXT 16

/* While a reply is written. A failed allocation is remembered and ends the work at the next check. */
struct writer {
	struct pq_arena *arena;
	bool no_memory;
	/* Rules already in the reply: an open hash from a rule's number in its revision to its place here. */
	uint32_t *slots; /* place + 1; 0 = free */
	size_t mask;
	Pratique__V1__Rule **rules;
	size_t n_rules;
};

static void *
take(struct writer *w, size_t n, size_t size)
{
	void *block = pq_arena_array(w->arena, n, size);

	w->no_memory |= block == NULL;
	return block;
}

/* Texts of a decision are never changed; protobuf-c only has no const. */
static char *
text(const char *text_or_null)
{
	return text_or_null != NULL ? (char *)text_or_null : (char *)protobuf_c_empty_string;
}

static char *
date(struct writer *w, int32_t day)
{
	char *written = take(w, 1, DATE_TEXT);

	if (written == NULL)
		return text(NULL);
	pq_date_format(day, written, DATE_TEXT);
	return written;
}

/* The arrays of a repeated field: pointers to `n` messages that lie in one block, each a copy of `init`. */
static void *
list(struct writer *w, size_t n, const void *init, size_t size)
{
	if (n == 0 || w->no_memory)
		return NULL;
	void **pointers = take(w, n, sizeof(*pointers));
	char *block = take(w, n, size);
	if (w->no_memory)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		pointers[i] = block + i * size;
		memcpy(pointers[i], init, size);
	}
	return pointers;
}

#define LIST(w, n, init) list(w, n, &(init), sizeof(init))

static Pratique__V1__Rule *
rule_message(struct writer *w, const struct pq_rule_ref *rule)
{
	Pratique__V1__Rule *message = take(w, 1, sizeof(*message));

	if (message == NULL)
		return NULL;
	pratique__v1__rule__init(message);
	message->id = text(rule->id);
	message->kind = (Pratique__V1__RuleKind)(rule->kind + 1);
	message->title = text(rule->title);
	message->cite = text(rule->cite);
	message->pack = text(rule->pack);
	message->file = text(rule->file);
	message->line = rule->line > 0 ? (uint32_t)rule->line : 0;
	message->from = date(w, rule->from);
	message->to = date(w, rule->to);
	message->note = text(rule->note);
	message->confidence = text(rule->confidence);
	message->index = rule->index;
	return message;
}

/* The place of a rule in the reply; new ones are added. */
static uint32_t
place_of(struct writer *w, const struct pq_rule_ref *rule)
{
	if (w->no_memory)
		return 0;
	size_t slot = (rule->index * (size_t)0x9e3779b1u) & w->mask;
	while (w->slots[slot] != 0) {
		if (w->rules[w->slots[slot] - 1]->index == rule->index)
			return w->slots[slot] - 1;
		slot = (slot + 1) & w->mask;
	}
	Pratique__V1__Rule *message = rule_message(w, rule);
	if (message == NULL)
		return 0;
	w->rules[w->n_rules] = message;
	w->slots[slot] = (uint32_t)++w->n_rules;
	return (uint32_t)(w->n_rules - 1);
}

static Pratique__V1__RuleRef *
reference(struct writer *w, const struct pq_rule_ref *rule)
{
	if (rule == NULL || w->no_memory)
		return NULL;
	Pratique__V1__RuleRef *message = take(w, 1, sizeof(*message));
	if (message == NULL)
		return NULL;
	pratique__v1__rule_ref__init(message);
	message->index = place_of(w, rule);
	return message;
}

static uint32_t *
places(struct writer *w, const struct pq_rule_ref *const *rules, size_t n)
{
	uint32_t *at = n > 0 ? take(w, n, sizeof(*at)) : NULL;

	for (size_t i = 0; at != NULL && i < n; i++)
		at[i] = place_of(w, rules[i]);
	return at;
}

static void
write_requirements(struct writer *w, const struct pq_decision *decision, Pratique__V1__Decision *ret)
{
	static const Pratique__V1__Requirement init = PRATIQUE__V1__REQUIREMENT__INIT;

	ret->requirements = LIST(w, decision->n_requirements, init);
	if (ret->requirements == NULL)
		return;
	ret->n_requirements = decision->n_requirements;
	for (size_t i = 0; i < decision->n_requirements; i++) {
		const struct pq_requirement *from = &decision->requirements[i];
		Pratique__V1__Requirement *to = ret->requirements[i];
		to->rule = reference(w, from->rule);
		to->authority = text(from->authority);
		to->reason = text(from->reason);
		to->label = text(from->label);
		to->certain = from->certain;
	}
}

static void
write_available(struct writer *w, const struct pq_decision *decision, Pratique__V1__Decision *ret)
{
	static const Pratique__V1__Available init = PRATIQUE__V1__AVAILABLE__INIT;

	ret->available = LIST(w, decision->n_available, init);
	if (ret->available == NULL)
		return;
	ret->n_available = decision->n_available;
	for (size_t i = 0; i < decision->n_available; i++) {
		ret->available[i]->name = text(decision->available[i].name);
		ret->available[i]->rule = reference(w, decision->available[i].rule);
	}
}

static Pratique__V1__TextList *
spares(struct writer *w, const char *const *names)
{
	size_t n = 0;

	if (names == NULL)
		return NULL;
	while (names[n] != NULL)
		n++;
	Pratique__V1__TextList *message = take(w, 1, sizeof(*message));
	char **values = take(w, n, sizeof(*values));
	if (w->no_memory)
		return NULL;
	pratique__v1__text_list__init(message);
	for (size_t i = 0; i < n; i++)
		values[i] = text(names[i]);
	message->values = values;
	message->n_values = n;
	return message;
}

static void
write_barred(struct writer *w, const struct pq_decision *decision, Pratique__V1__Decision *ret)
{
	static const Pratique__V1__Barred init = PRATIQUE__V1__BARRED__INIT;

	ret->barred = LIST(w, decision->n_barred, init);
	if (ret->barred == NULL)
		return;
	ret->n_barred = decision->n_barred;
	for (size_t i = 0; i < decision->n_barred; i++) {
		const struct pq_barred *from = &decision->barred[i];
		ret->barred[i]->name = text(from->name);
		ret->barred[i]->reason = text(from->reason);
		ret->barred[i]->rule = reference(w, from->rule);
		ret->barred[i]->spares = spares(w, from->spares);
	}
}

static void
write_obligations(struct writer *w, const struct pq_decision *decision, Pratique__V1__Decision *ret)
{
	static const Pratique__V1__Obligation init = PRATIQUE__V1__OBLIGATION__INIT;

	ret->obligations = LIST(w, decision->n_obligations, init);
	if (ret->obligations == NULL)
		return;
	ret->n_obligations = decision->n_obligations;
	for (size_t i = 0; i < decision->n_obligations; i++) {
		ret->obligations[i]->name = text(decision->obligations[i].name);
		ret->obligations[i]->label = text(decision->obligations[i].label);
		ret->obligations[i]->rule = reference(w, decision->obligations[i].rule);
	}
}

static Pratique__V1__MissingFact **
missing(struct writer *w, const struct pq_missing *facts, size_t n, size_t *ret_n)
{
	static const Pratique__V1__MissingFact init = PRATIQUE__V1__MISSING_FACT__INIT;
	Pratique__V1__MissingFact **messages = LIST(w, n, init);

	if (messages == NULL)
		return NULL;
	*ret_n = n;
	for (size_t i = 0; i < n; i++) {
		messages[i]->name = text(facts[i].name);
		messages[i]->question = text(facts[i].question);
	}
	return messages;
}

static void
write_warnings(struct writer *w, const struct pq_decision *decision, Pratique__V1__Decision *ret)
{
	static const Pratique__V1__Warning init = PRATIQUE__V1__WARNING__INIT;

	ret->warnings = LIST(w, decision->n_warnings, init);
	if (ret->warnings == NULL)
		return;
	ret->n_warnings = decision->n_warnings;
	for (size_t i = 0; i < decision->n_warnings; i++) {
		ret->warnings[i]->text = text(decision->warnings[i].text);
		ret->warnings[i]->rule = reference(w, decision->warnings[i].rule);
		ret->warnings[i]->source = text(decision->warnings[i].source);
	}
}

static void
write_assumed(struct writer *w, const struct pq_decision *decision, Pratique__V1__Decision *ret)
{
	static const Pratique__V1__Assumption init = PRATIQUE__V1__ASSUMPTION__INIT;

	ret->assumed = LIST(w, decision->n_assumed, init);
	if (ret->assumed == NULL)
		return;
	ret->n_assumed = decision->n_assumed;
	for (size_t i = 0; i < decision->n_assumed; i++) {
		ret->assumed[i]->name = text(decision->assumed[i].name);
		ret->assumed[i]->value = text(decision->assumed[i].value);
		ret->assumed[i]->source = text(decision->assumed[i].source);
	}
}

static void
write_near_misses(struct writer *w, const struct pq_decision *decision, Pratique__V1__Decision *ret)
{
	static const Pratique__V1__NearMiss init = PRATIQUE__V1__NEAR_MISS__INIT;

	ret->near_misses = LIST(w, decision->n_near_misses, init);
	if (ret->near_misses == NULL)
		return;
	ret->n_near_misses = decision->n_near_misses;
	for (size_t i = 0; i < decision->n_near_misses; i++) {
		const struct pq_near_miss *from = &decision->near_misses[i];
		ret->near_misses[i]->name = text(from->name);
		ret->near_misses[i]->from = text(from->from);
		ret->near_misses[i]->to = text(from->to);
		ret->near_misses[i]->outcome = (Pratique__V1__Outcome)from->outcome;
		ret->near_misses[i]->rule = reference(w, from->rule);
	}
}

static void
write_faults(struct writer *w, const struct pq_decision *decision, Pratique__V1__Decision *ret)
{
	static const Pratique__V1__LineFault init = PRATIQUE__V1__LINE_FAULT__INIT;

	ret->faults = LIST(w, decision->n_violations, init);
	if (ret->faults == NULL)
		return;
	ret->n_faults = decision->n_violations;
	for (size_t i = 0; i < decision->n_violations; i++) {
		ret->faults[i]->field = text(decision->violations[i].field);
		ret->faults[i]->reason = text(decision->violations[i].reason);
		ret->faults[i]->description = text(decision->violations[i].description);
	}
}

static void
write_decision(struct writer *w, const struct pq_decision *decision, Pratique__V1__Decision *ret)
{
	ret->outcome = (Pratique__V1__Outcome)decision->outcome;
	ret->best = (Pratique__V1__Outcome)decision->best;
	ret->worst = (Pratique__V1__Outcome)decision->worst;
	ret->exact = decision->exact;
	ret->as_of = date(w, decision->as_of);
	ret->jurisdiction = text(decision->jurisdiction);
	ret->review_policy = (Pratique__V1__ReviewPolicy)decision->policy;
	ret->review_rule = reference(w, decision->policy_rule);
	write_requirements(w, decision, ret);
	ret->prohibition_rules = places(w, decision->prohibitions, decision->n_prohibitions);
	ret->n_prohibition_rules = ret->prohibition_rules != NULL ? decision->n_prohibitions : 0;
	write_available(w, decision, ret);
	write_barred(w, decision, ret);
	write_obligations(w, decision, ret);
	ret->missing = missing(w, decision->missing, decision->n_missing, &ret->n_missing);
	ret->moot = missing(w, decision->moot, decision->n_moot, &ret->n_moot);
	write_warnings(w, decision, ret);
	ret->counted_rules = places(w, decision->rules, decision->n_rules);
	ret->n_counted_rules = ret->counted_rules != NULL ? decision->n_rules : 0;
	write_assumed(w, decision, ret);
	write_near_misses(w, decision, ret);
	write_faults(w, decision, ret);
}

/* Parts below the decision, and references to rules in it and them: bounds for the arrays of the reply. */
static void
count(const struct pq_decision *decision, size_t *parts, size_t *references)
{
	*references += 1 + decision->n_requirements + decision->n_prohibitions + decision->n_available +
	               decision->n_barred + decision->n_obligations + decision->n_warnings + decision->n_rules +
	               decision->n_near_misses;
	*parts += decision->n_parts;
	for (size_t i = 0; i < decision->n_parts; i++)
		count(&decision->parts[i], parts, references);
}

static void
write_parts(struct writer *w, const struct pq_decision *decision, uint32_t depth, Pratique__V1__DecideResponse *ret)
{
	for (size_t i = 0; i < decision->n_parts && !w->no_memory; i++) {
		Pratique__V1__Part *part = ret->parts[ret->n_parts++];
		part->name = text(decision->part_names[i]);
		part->depth = depth;
		part->decision = take(w, 1, sizeof(*part->decision));
		if (part->decision == NULL)
			return;
		pratique__v1__decision__init(part->decision);
		write_decision(w, &decision->parts[i], part->decision);
		write_parts(w, &decision->parts[i], depth + 1, ret);
	}
}

static bool
start(struct writer *w, size_t n_references)
{
	size_t slots = 64;

	while (slots < n_references * 2)
		slots *= 2;
	w->slots = take(w, slots, sizeof(*w->slots));
	w->mask = slots - 1;
	w->rules = take(w, n_references, sizeof(*w->rules));
	return !w->no_memory;
}

enum pq_status
pq_decision_to_message(const struct pq_decision *decision, const struct pq_answerer *by, struct pq_arena *arena,
                       Pratique__V1__DecideResponse **ret_message)
{
	static const Pratique__V1__Part part_init = PRATIQUE__V1__PART__INIT;
	struct writer w = {.arena = arena};
	Pratique__V1__DecideResponse *message = take(&w, 1, sizeof(*message));
	Pratique__V1__Decision *whole = take(&w, 1, sizeof(*whole));
	Pratique__V1__Revision *revision = take(&w, 1, sizeof(*revision));
	size_t n_parts = 0, n_references = 0;

	count(decision, &n_parts, &n_references);
	if (w.no_memory || !start(&w, n_references))
		return PQ_ENOMEM;
	pratique__v1__decide_response__init(message);
	pratique__v1__decision__init(whole);
	pratique__v1__revision__init(revision);
	revision->digest = text(by->digest);
	revision->sequence = by->sequence;
	revision->activated_s = by->activated_s;
	revision->age_s = by->age_s;
	message->revision = revision;
	message->decision = whole;
	message->parts = LIST(&w, n_parts, part_init);
	write_decision(&w, decision, whole);
	write_parts(&w, decision, 1, message);
	if (w.no_memory)
		return PQ_ENOMEM;
	message->rules = w.rules;
	message->n_rules = w.n_rules;
	*ret_message = message;
	return PQ_OK;
}

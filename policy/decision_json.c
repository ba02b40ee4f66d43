#include "policy/decision.h"
#include "policy/json_text.h"
#include "policy/request.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/*
 * jansson's functions pass NULL and failures on: an object that could not be made makes every json_..._new() on it
 * fail, so that one flag for the whole writing is enough.
 */
struct writer {
	bool failed;
};

static void
put(struct writer *w, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) != 0)
		w->failed = true;
}

static void
push(struct writer *w, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) != 0)
		w->failed = true;
}

/* Texts of packs are UTF-8: the loader has seen to it. json_string() refuses what is not, and then so do we. */
static json_t *
string(const char *text)
{
	return json_string(text != NULL ? text : "");
}

static json_t *
string_or_null(const char *text)
{
	return text == NULL || text[0] == '\0' ? json_null() : json_string(text);
}

static json_t *
date(int32_t days)
{
	char text[16];

	pq_date_format(days, text, sizeof(text));
	return string_or_null(text);
}

static json_t *
rule_ref(struct writer *w, const struct pq_rule_ref *rule)
{
	if (rule == NULL)
		return json_null();
	json_t *object = json_object();
	put(w, object, "id", string(rule->id));
	put(w, object, "kind", string(pq_kind_name(rule->kind)));
	put(w, object, "title", string(rule->title));
	put(w, object, "cite", string(rule->cite));
	put(w, object, "pack", string(rule->pack));
	put(w, object, "file", string(rule->file));
	put(w, object, "line", json_integer(rule->line));
	put(w, object, "from", date(rule->from));
	put(w, object, "to", date(rule->to));
	put(w, object, "confidence", string(rule->confidence));
	if (rule->note != NULL && rule->note[0] != '\0')
		put(w, object, "note", string(rule->note));
	return object;
}

static json_t *
rule_id(const struct pq_rule_ref *rule)
{
	return rule != NULL ? string(rule->id) : json_null();
}

static json_t *
rules(struct writer *w, const struct pq_rule_ref *const *at, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		push(w, array, rule_ref(w, at[i]));
	return array;
}

static json_t *
available(struct writer *w, const struct pq_decision *decision)
{
	json_t *array = json_array();

	for (size_t i = 0; i < decision->n_available; i++)
		push(w, array, string(decision->available[i].name));
	return array;
}

static json_t *
barred(struct writer *w, const struct pq_decision *decision)
{
	json_t *array = json_array();

	for (size_t i = 0; i < decision->n_barred; i++) {
		const struct pq_barred *b = &decision->barred[i];
		bool reason = b->reason != NULL && b->reason[0] != '\0';
		push(w, array, json_sprintf("%s%s%s", b->name, reason ? ": " : "", reason ? b->reason : ""));
	}
	return array;
}

static json_t *
obligations(struct writer *w, const struct pq_decision *decision)
{
	json_t *array = json_array();

	for (size_t i = 0; i < decision->n_obligations; i++) {
		const struct pq_duty *duty = &decision->obligations[i];
		push(w, array, string(duty->label != NULL && duty->label[0] != '\0' ? duty->label : duty->name));
	}
	return array;
}

static json_t *
fact_names(struct writer *w, const struct pq_missing *at, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		push(w, array, string(at[i].name));
	return array;
}

static json_t *
questions(struct writer *w, const struct pq_decision *decision)
{
	json_t *array = json_array();

	for (size_t i = 0; i < decision->n_missing; i++) {
		json_t *object = json_object();
		put(w, object, "fact", string(decision->missing[i].name));
		put(w, object, "question", string_or_null(decision->missing[i].question));
		push(w, array, object);
	}
	return array;
}

static json_t *
requirements(struct writer *w, const struct pq_decision *decision)
{
	json_t *array = json_array();

	for (size_t i = 0; i < decision->n_requirements; i++) {
		const struct pq_requirement *requirement = &decision->requirements[i];
		json_t *object = json_object();
		put(w, object, "authority", string(requirement->authority));
		put(w, object, "reason", string(requirement->reason));
		put(w, object, "label", string(requirement->label));
		put(w, object, "certain", json_boolean(requirement->certain));
		put(w, object, "rule", rule_id(requirement->rule));
		put(w, object, "cite", requirement->rule != NULL ? string(requirement->rule->cite) : json_null());
		push(w, array, object);
	}
	return array;
}

static json_t *
warnings(struct writer *w, const struct pq_decision *decision)
{
	json_t *array = json_array();

	for (size_t i = 0; i < decision->n_warnings; i++) {
		const struct pq_notice *notice = &decision->warnings[i];
		json_t *object = json_object();
		put(w, object, "text", string(notice->text));
		put(w, object, "rule", rule_id(notice->rule));
		put(w, object, "cite", notice->rule != NULL ? string(notice->rule->cite) : json_null());
		put(w, object, "source", string_or_null(notice->source));
		push(w, array, object);
	}
	return array;
}

static json_t *
assumed(struct writer *w, const struct pq_decision *decision)
{
	json_t *array = json_array();

	for (size_t i = 0; i < decision->n_assumed; i++) {
		const struct pq_assumed *one = &decision->assumed[i];
		json_t *object = json_object();
		put(w, object, "fact", string(one->name));
		put(w, object, "value", string(one->value));
		put(w, object, "source", string_or_null(one->source));
		push(w, array, object);
	}
	return array;
}

static json_t *
near_misses(struct writer *w, const struct pq_decision *decision)
{
	json_t *array = json_array();

	for (size_t i = 0; i < decision->n_near_misses; i++) {
		const struct pq_near_miss *one = &decision->near_misses[i];
		json_t *object = json_object();
		put(w, object, "fact", string(one->name));
		put(w, object, "from", string(one->from));
		put(w, object, "to", string(one->to));
		put(w, object, "outcome", string(pq_outcome_name(one->outcome)));
		put(w, object, "rule", rule_id(one->rule));
		put(w, object, "cite", one->rule != NULL ? string(one->rule->cite) : json_null());
		push(w, array, object);
	}
	return array;
}

static json_t *
violations(struct writer *w, const struct pq_decision *decision)
{
	json_t *array = json_array();

	for (size_t i = 0; i < decision->n_violations; i++) {
		const struct pq_violation *one = &decision->violations[i];
		json_t *object = json_object();
		put(w, object, "field", string(one->field));
		put(w, object, "reason", string(one->reason));
		put(w, object, "description", string(one->description));
		push(w, array, object);
	}
	return array;
}

/* First what a case's `expected` has, in its order; then what the answer rests on. */
static json_t *
decision_object(struct writer *w, const struct pq_decision *decision, const char *part)
{
	json_t *object = json_object();

	if (part != NULL)
		put(w, object, "part", string(part));
	put(w, object, "outcome", string(pq_outcome_name(decision->outcome)));
	put(w, object, "exceptions_available", available(w, decision));
	put(w, object, "exceptions_barred", barred(w, decision));
	put(w, object, "review_policy", string_or_null(pq_policy_name(decision->policy)));
	put(w, object, "obligations", obligations(w, decision));
	put(w, object, "missing_facts", fact_names(w, decision->missing, decision->n_missing));
	put(w, object, "moot_facts", fact_names(w, decision->moot, decision->n_moot));
	put(w, object, "questions", questions(w, decision));
	put(w, object, "warnings", warnings(w, decision));
	put(w, object, "as_of", date(decision->as_of));
	put(w, object, "jurisdiction", string_or_null(decision->jurisdiction));
	put(w, object, "best", string_or_null(pq_outcome_name(decision->best)));
	put(w, object, "worst", string_or_null(pq_outcome_name(decision->worst)));
	put(w, object, "exact", json_boolean(decision->exact));
	put(w, object, "requirements", requirements(w, decision));
	put(w, object, "policy_rule", rule_id(decision->policy_rule));
	put(w, object, "prohibitions", rules(w, decision->prohibitions, decision->n_prohibitions));
	put(w, object, "rules", rules(w, decision->rules, decision->n_rules));
	if (part == NULL)
		put(w, object, "assumed", assumed(w, decision));
	put(w, object, "near_misses", near_misses(w, decision));
	if (decision->n_violations > 0)
		put(w, object, "violations", violations(w, decision));
	return object;
}

const char *
pq_decision_to_json(const struct pq_decision *decision, struct pq_arena *arena)
{
	struct writer w = {0};
	json_t *object = decision_object(&w, decision, NULL);

	if (decision->n_parts > 0) {
		json_t *parts = json_array();
		for (size_t i = 0; i < decision->n_parts; i++)
			push(&w, parts, decision_object(&w, &decision->parts[i], decision->part_names[i]));
		put(&w, object, "parts", parts);
	}
	char *text = w.failed ? NULL : pq_json_dump(object, JSON_COMPACT);
	json_decref(object);
	char *copy = text != NULL ? pq_arena_strndup(arena, text, strlen(text)) : NULL;
	free(text);
	return copy;
}

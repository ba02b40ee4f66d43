#include "cli/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text that grows in the caller's buffer. */
struct words {
	char *buf;
	size_t size, used;
};

static void say(struct words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
say(struct words *w, const char *fmt, ...)
{
	va_list ap;

	if (w->used + 1 >= w->size)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(w->buf + w->used, w->size - w->used, fmt, ap);
	va_end(ap);
	if (n > 0)
		w->used = w->used + (size_t)n < w->size ? w->used + (size_t)n : w->size - 1;
}

static struct words
start(char *buf, size_t size)
{
	buf[0] = '\0';
	return (struct words){buf, size, 0};
}

const char *
pq_words_outcome(enum pq_outcome outcome)
{
	static const char *const words[PQ_OUTCOME_COUNT] = {
		[PQ_OUTCOME_NONE] = "No answer",
		[PQ_OUTCOME_NOT_SUBJECT] = "Not subject to these regulations",
		[PQ_OUTCOME_SUBJECT_TO_EAR] = "Subject to the EAR",
		[PQ_OUTCOME_NO_LICENSE_REQUIRED] = "No licence is required",
		[PQ_OUTCOME_EXEMPTION_AVAILABLE] = "A licence would be required, but an exemption is available",
		[PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE] = "A licence would be required, but a licence exception is available",
		[PQ_OUTCOME_NEEDS_INFORMATION] = "Cannot be answered yet: facts are missing that decide it",
		[PQ_OUTCOME_REFER] = "A person must decide this",
		[PQ_OUTCOME_LICENSE_REQUIRED] = "A licence is required",
		[PQ_OUTCOME_PROHIBITED] = "Prohibited: this must not go ahead",
	};

	return (size_t)outcome < PQ_OUTCOME_COUNT ? words[outcome] : words[0];
}

const char *
pq_words_would(enum pq_outcome outcome)
{
	static const char *const words[PQ_OUTCOME_COUNT] = {
		[PQ_OUTCOME_NONE] = "there would be no answer",
		[PQ_OUTCOME_NOT_SUBJECT] = "it would not be subject to these regulations",
		[PQ_OUTCOME_SUBJECT_TO_EAR] = "it would be subject to the EAR",
		[PQ_OUTCOME_NO_LICENSE_REQUIRED] = "no licence would be required",
		[PQ_OUTCOME_EXEMPTION_AVAILABLE] = "an exemption would be available",
		[PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE] = "a licence exception would be available",
		[PQ_OUTCOME_NEEDS_INFORMATION] = "it could not be answered",
		[PQ_OUTCOME_REFER] = "a person would have to decide",
		[PQ_OUTCOME_LICENSE_REQUIRED] = "a licence would be required",
		[PQ_OUTCOME_PROHIBITED] = "it would be prohibited",
	};

	return (size_t)outcome < PQ_OUTCOME_COUNT ? words[outcome] : words[0];
}

const char *
pq_words_policy(enum pq_policy policy)
{
	static const char *const words[PQ_POLICY_COUNT] = {
		[PQ_POLICY_NONE] = "",
		[PQ_POLICY_GENERALLY_APPROVED] = "applications are generally approved",
		[PQ_POLICY_PRESUMPTION_OF_APPROVAL] = "presumption of approval",
		[PQ_POLICY_CASE_BY_CASE] = "case by case",
		[PQ_POLICY_AS_STATED_IN_ENTRY] = "as the list entry of the party states",
		[PQ_POLICY_PRESUMPTION_OF_DENIAL] = "presumption of denial",
		[PQ_POLICY_GENERALLY_DENIED] = "applications are generally denied",
		[PQ_POLICY_POLICY_OF_DENIAL] = "policy of denial",
	};

	return (size_t)policy < PQ_POLICY_COUNT ? words[policy] : "";
}

const char *
pq_words_kind(enum pq_kind kind)
{
	switch (kind) {
	case PQ_KIND_DERIVE:
		return "definition";
	case PQ_KIND_JURISDICTION:
		return "jurisdiction";
	case PQ_KIND_REQUIREMENT:
		return "licence requirement";
	case PQ_KIND_EXCLUSION:
		return "exclusion";
	case PQ_KIND_EXCEPTION:
		return "exception";
	case PQ_KIND_RESTRICTION:
		return "restriction";
	case PQ_KIND_PROHIBITION:
		return "prohibition";
	case PQ_KIND_REFER:
		return "referral";
	case PQ_KIND_REVIEW:
		return "review policy";
	case PQ_KIND_OBLIGATION:
		return "duty";
	case PQ_KIND_WARNING:
		return "warning";
	case PQ_KIND_COUNT:
		break;
	}
	return "rule";
}

const char *
pq_words_or(const char *text, const char *otherwise)
{
	return text != NULL && text[0] != '\0' ? text : otherwise;
}

/* ---- the request ------------------------------------------------------------------------------------------------- */

static const struct pq_value *
find(const struct pq_facts *facts, const char *name)
{
	for (size_t i = 0; i < facts->n; i++)
		if (facts->at[i].name.len == strlen(name) && memcmp(facts->at[i].name.at, name, strlen(name)) == 0)
			return &facts->at[i].value;
	return NULL;
}

void
pq_words_question(const struct pq_request *request, char *buf, size_t size)
{
	static const struct {
		const char *fact, *before;
	} parts[] = {
		{"transaction_type", ""}, {"item.eccn", "of "},   {"item.usml", "of USML "},
		{"origin", "from "},      {"destination", "to "},
	};
	struct words w = start(buf, size);
	char date[16];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const struct pq_value *value = find(&request->facts, parts[i].fact);
		if (value != NULL && value->kind == PQ_VALUE_TEXT)
			say(&w, "%s%.*s ", parts[i].before, (int)value->text.len, value->text.at);
	}
	pq_date_format(request->as_of, date, sizeof(date));
	if (request->n_lines > 0)
		say(&w, "in %zu line%s, ", request->n_lines, request->n_lines > 1 ? "s" : "");
	say(&w, "on %s", date);
}

void
pq_words_value(const struct pq_value *value, char *buf, size_t size)
{
	struct words w = start(buf, size);
	char number[40];

	switch (value->kind) {
	case PQ_VALUE_UNKNOWN:
		say(&w, "said to be unknown");
		return;
	case PQ_VALUE_BOOL:
		say(&w, "%s", value->boolean ? "true" : "false");
		return;
	case PQ_VALUE_NUMBER:
		pq_number_format(value->number, number, sizeof(number));
		say(&w, "%s", number);
		return;
	case PQ_VALUE_TEXT:
		say(&w, "%.*s", (int)value->text.len, value->text.at);
		return;
	case PQ_VALUE_TEXTS:
		for (size_t i = 0; i < value->n_texts; i++)
			say(&w, "%s%.*s", i > 0 ? ", " : "", (int)value->texts[i].len, value->texts[i].at);
		if (value->n_texts == 0)
			say(&w, "none");
		return;
	}
}

static void
each(const struct pq_facts *facts, const char *where, pq_words_fact_fn *tell, void *context)
{
	for (size_t i = 0; i < facts->n; i++)
		tell(context, where, &facts->at[i]);
}

static void
each_of(const struct pq_facts *places, size_t n, const char *name, pq_words_fact_fn *tell, void *context)
{
	char where[64];

	for (size_t i = 0; i < n; i++) {
		snprintf(where, sizeof(where), "%s[%zu]", name, i);
		each(&places[i], where, tell, context);
	}
}

void
pq_words_each_fact(const struct pq_request *request, pq_words_fact_fn *tell, void *context)
{
	char where[64];

	each(&request->facts, "", tell, context);
	each_of(request->lines, request->n_lines, "lines", tell, context);
	for (size_t i = 0; i < request->n_parties; i++) {
		snprintf(where, sizeof(where), "parties[%zu]", i);
		each(&request->parties[i].facts, where, tell, context);
		snprintf(where, sizeof(where), "parties[%zu].owners", i);
		each_of(request->parties[i].owners, request->parties[i].n_owners, where, tell, context);
	}
	each_of(request->hits, request->n_hits, "screening.hits", tell, context);
	each_of(request->intermediates, request->n_intermediates, "intermediate", tell, context);
	each(&request->assume, "assume", tell, context);
}

/* "parties.end_user.lists", "parties[0].lists", "lines[0].value_usd", ... as the packs name them. */
static void
pack_name(const char *place, char *buf, size_t size)
{
	static const struct {
		const char *group, *prefix;
	} groups[] = {
		{"parties", "party."}, {"screening.hits", "hit."}, {"intermediate", "intermediate."}, {"lines", ""},
		{"assume.", ""},
	};
	const char *last = strrchr(place, '.');

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		size_t len = strlen(groups[i].group);
		if (strncmp(place, groups[i].group, len) != 0 || last == NULL)
			continue;
		if (groups[i].prefix[0] == '\0')
			last = groups[i].group[0] == 'l' ? strchr(place, '.') : place + len - 1;
		bool owner = strstr(place, "owners[") != NULL;
		snprintf(buf, size, "%s%s", owner ? "owner." : groups[i].prefix, last + 1);
		return;
	}
	snprintf(buf, size, "%s", place);
}

const char *
pq_words_title(const struct pq_image *image, const char *place)
{
	char name[2 * PQ_MAX_STRING];
	struct pq_image_counts counts;

	if (image == NULL)
		return "";
	pack_name(place, name, sizeof(name));
	pq_image_counts(image, &counts);
	for (size_t i = 0; i < counts.attrs; i++) {
		struct pq_image_attr attr;
		pq_image_attr(image, i, &attr);
		if (attr.is_fact && strcmp(attr.name, name) == 0)
			return pq_words_or(attr.title, "");
	}
	return "";
}

/* ---- the decision ------------------------------------------------------------------------------------------------ */

bool
pq_words_falls_away(const struct pq_near_miss *miss)
{
	if (miss->rule == NULL)
		return false;
	return (miss->rule->kind == PQ_KIND_PROHIBITION && miss->outcome != PQ_OUTCOME_PROHIBITED) ||
	       (miss->rule->kind == PQ_KIND_REFER && miss->outcome != PQ_OUTCOME_REFER) ||
	       (miss->rule->kind == PQ_KIND_REQUIREMENT && miss->outcome != PQ_OUTCOME_LICENSE_REQUIRED);
}

void
pq_words_near_miss(const struct pq_near_miss *miss, char *buf, size_t size)
{
	struct words w = start(buf, size);

	say(&w, "if %s were %s instead of %s: %s", miss->name, miss->to, miss->from, pq_words_would(miss->outcome));
	if (miss->rule != NULL)
		say(&w, " (%s%s)", miss->rule->cite, pq_words_falls_away(miss) ? " would not apply" : "");
}

void
pq_words_period(const struct pq_rule_ref *rule, char *buf, size_t size)
{
	struct words w = start(buf, size);
	char date[16];

	if (rule->from != PQ_DATE_MIN) {
		pq_date_format(rule->from, date, sizeof(date));
		say(&w, "from %s", date);
	}
	if (rule->to != PQ_DATE_MAX) {
		pq_date_format(rule->to, date, sizeof(date));
		say(&w, "%sup to %s", w.used > 0 ? " " : "", date);
	}
}

static bool
closed_alike(const struct pq_barred *a, const struct pq_barred *b)
{
	return a->rule != NULL && a->rule == b->rule && strcmp(pq_words_or(a->reason, ""), pq_words_or(b->reason, "")) == 0;
}

bool
pq_words_barred(const struct pq_decision *decision, size_t i, char *buf, size_t size)
{
	const struct pq_barred *first = &decision->barred[i];
	struct words w = start(buf, size);
	size_t n = 0;

	for (size_t k = 0; k < i; k++)
		if (closed_alike(&decision->barred[k], first))
			return false;
	say(&w, "%s", first->name);
	bool all = first->spares != NULL || strncmp(first->name, "all", 3) == 0;
	for (size_t k = i + 1; k < decision->n_barred; k++) {
		if (!closed_alike(first, &decision->barred[k]))
			continue;
		say(&w, "%s%s", n++ == 0 && all ? ", among them " : ", ", decision->barred[k].name);
	}
	return true;
}

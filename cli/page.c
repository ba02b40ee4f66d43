#include "cli/page.h"

#include "cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 80
/* Long enough for a title with all its citations; what is longer is cut. */
#define TEXT_MAX 4096

/* Columns of a text: bytes that begin a character. */
static int
columns(const char *text, size_t len)
{
	int n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

void
pq_page_wrap(FILE *out, const char *head, int indent, const char *text)
{
	int at = columns(head, strlen(head));
	bool fresh = true; /* nothing on this line but head or indent */

	pq_cli_put(out, head);
	if (at > 0 && at >= indent) {
		fputc('\n', out);
		at = 0;
	}
	fprintf(out, "%*s", indent - at, "");
	at = indent;
	while (*text != '\0') {
		size_t gap = strspn(text, " ");
		text += gap;
		size_t len = strcspn(text, " \n");
		int width = columns(text, len);
		if (!fresh && at + 1 + width > WIDTH) {
			fprintf(out, "\n%*s", indent, "");
			at = indent;
			fresh = true;
		}
		if (len > 0) {
			if (!fresh)
				fputc(' ', out), at++;
			pq_cli_put_n(out, text, len);
			at += width;
			fresh = false;
		}
		text += len;
		if (*text == '\n' && text[1] != '\0') {
			fprintf(out, "\n%*s", indent, "");
			at = indent;
			fresh = true;
		}
		text += *text == '\n';
	}
	fputc('\n', out);
}

static void wrapf(FILE *out, const char *head, int indent, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void
wrapf(FILE *out, const char *head, int indent, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pq_page_wrap(out, head, indent, text);
}

const char *
pq_page_outcome(enum pq_outcome outcome)
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

static const char *
policy_words(enum pq_policy policy)
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

static const char *
nonempty(const char *text, const char *otherwise)
{
	return text != NULL && text[0] != '\0' ? text : otherwise;
}

static void
heading(FILE *out, const char *text)
{
	fprintf(out, "\n%s\n", text);
}

/* "15 CFR 742.4(a) [us-ear/rules/chart.yaml:41 chart.ns1]" */
static void
wrap_rule(FILE *out, int indent, const struct pq_rule_ref *rule)
{
	if (rule != NULL)
		wrapf(out, "", indent, "%s [%s:%d %s]", rule->cite, rule->file, rule->line, rule->id);
}

static const char *
fact_text(const struct pq_facts *facts, const char *name, char *buf, size_t size)
{
	for (size_t i = 0; i < facts->n; i++) {
		const struct pq_fact *fact = &facts->at[i];
		if (fact->name.len != strlen(name) || memcmp(fact->name.at, name, fact->name.len) != 0)
			continue;
		if (fact->value.kind != PQ_VALUE_TEXT)
			return NULL;
		snprintf(buf, size, "%.*s", (int)fact->value.text.len, fact->value.text.at);
		return buf;
	}
	return NULL;
}

static void
print_question(const struct pq_request *request, FILE *out)
{
	static const struct {
		const char *fact, *before;
	} parts[] = {
		{"transaction_type", ""}, {"item.eccn", "of "},   {"item.usml", "of USML "},
		{"origin", "from "},      {"destination", "to "},
	};
	char text[TEXT_MAX] = "", value[PQ_MAX_STRING + 1], date[16];
	size_t used = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (fact_text(&request->facts, parts[i].fact, value, sizeof(value)) != NULL)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s ", parts[i].before, value);
		if (used >= sizeof(text))
			break;
	}
	pq_date_format(request->as_of, date, sizeof(date));
	if (request->n_lines > 0)
		wrapf(out, "", 2, "%sin %zu lines, on %s", text, request->n_lines, date);
	else
		wrapf(out, "", 2, "%son %s", text, date);
}

static void
print_verdict(const struct pq_decision *decision, FILE *out)
{
	fprintf(out, "%s\n", pq_outcome_name(decision->outcome));
	if (decision->n_available == 0) {
		wrapf(out, "", 2, "%s.", pq_page_outcome(decision->outcome));
		return;
	}
	char names[1024] = "";
	size_t used = 0;
	for (size_t i = 0; i < decision->n_available && used < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i > 0 ? ", " : "",
		                         decision->available[i].name);
	wrapf(out, "", 2, "%s: %s.", pq_page_outcome(decision->outcome), names);
}

static void
print_prohibitions(const struct pq_decision *decision, FILE *out)
{
	if (decision->n_prohibitions == 0)
		return;
	heading(out, decision->outcome == PQ_OUTCOME_REFER ? "Why a person must decide"
	                                                   : "What forbids it or is to be referred");
	for (size_t i = 0; i < decision->n_prohibitions; i++) {
		const struct pq_rule_ref *rule = decision->prohibitions[i];
		pq_page_wrap(out, "  -", 4, nonempty(rule->title, rule->id));
		wrap_rule(out, 6, rule);
	}
}

static void
print_requirements(const struct pq_decision *decision, FILE *out)
{
	if (decision->n_requirements == 0)
		return;
	heading(out, "Licence requirements");
	for (size_t i = 0; i < decision->n_requirements; i++) {
		const struct pq_requirement *requirement = &decision->requirements[i];
		const char *title = requirement->rule != NULL ? requirement->rule->title : "";
		wrapf(out, "  -", 4, "%s, %s%s%s%s", requirement->authority, nonempty(requirement->label, requirement->reason),
		      title != NULL && title[0] != '\0' ? ": " : "", title != NULL ? title : "",
		      requirement->certain ? "" : " (only if an unknown fact makes it so)");
		wrap_rule(out, 6, requirement->rule);
	}
}

static void
print_exceptions(const struct pq_decision *decision, FILE *out)
{
	if (decision->n_available == 0 && decision->n_barred == 0)
		return;
	heading(out, "Exceptions and exemptions");
	for (size_t i = 0; i < decision->n_available; i++) {
		wrapf(out, "  open", 10, "%s", decision->available[i].name);
		wrap_rule(out, 12, decision->available[i].rule);
	}
	for (size_t i = 0; i < decision->n_barred; i++) {
		const struct pq_barred *barred = &decision->barred[i];
		const char *reason = nonempty(barred->reason, "");
		const char *title = barred->rule != NULL ? nonempty(barred->rule->title, "") : "";
		if (strstr(reason, title) != NULL)
			title = "";
		wrapf(out, "  barred", 10, "%s%s%s%s%s", barred->name, reason[0] != '\0' ? ": " : "", reason,
		      title[0] != '\0' ? ": " : "", title);
	}
}

static void
print_policy(const struct pq_decision *decision, FILE *out)
{
	if (decision->policy == PQ_POLICY_NONE)
		return;
	heading(out, "How an application is reviewed");
	wrapf(out, "  -", 4, "%s (%s)", policy_words(decision->policy), pq_policy_name(decision->policy));
	wrap_rule(out, 6, decision->policy_rule);
}

static void
print_duties(const struct pq_decision *decision, FILE *out)
{
	if (decision->n_obligations == 0)
		return;
	heading(out, "Duties");
	for (size_t i = 0; i < decision->n_obligations; i++) {
		const struct pq_duty *duty = &decision->obligations[i];
		const char *title = duty->rule != NULL ? duty->rule->title : "";
		wrapf(out, "  -", 4, "%s%s%s", nonempty(duty->label, duty->name), title != NULL && title[0] != '\0' ? ": " : "",
		      title != NULL ? title : "");
	}
}

static void
print_missing(const struct pq_decision *decision, FILE *out)
{
	if (decision->n_missing > 0) {
		heading(out, "What must be known");
		for (size_t i = 0; i < decision->n_missing; i++) {
			const struct pq_missing *missing = &decision->missing[i];
			pq_page_wrap(out, "  -", 4, missing->name);
			if (missing->question != NULL && missing->question[0] != '\0')
				pq_page_wrap(out, "", 6, missing->question);
		}
		wrapf(out, "", 2, "Depending on these: %s to %s%s.", pq_outcome_name(decision->best),
		      pq_outcome_name(decision->worst),
		      decision->exact ? "" : " (the search stopped at its bound; there may be more)");
	}
	if (decision->n_moot == 0)
		return;
	heading(out, "Not known, and without effect on the outcome");
	for (size_t i = 0; i < decision->n_moot; i++)
		pq_page_wrap(out, "  -", 4, decision->moot[i].name);
}

static void
print_warnings(const struct pq_decision *decision, FILE *out)
{
	if (decision->n_warnings == 0)
		return;
	heading(out, "Warnings");
	for (size_t i = 0; i < decision->n_warnings; i++) {
		const struct pq_notice *notice = &decision->warnings[i];
		pq_page_wrap(out, "  !", 4, notice->text);
		if (notice->rule != NULL)
			wrap_rule(out, 6, notice->rule);
		else if (notice->source != NULL && notice->source[0] != '\0')
			wrapf(out, "", 6, "[%s]", notice->source);
	}
}

static void
print_rules(const struct pq_decision *decision, FILE *out)
{
	if (decision->n_rules == 0)
		return;
	heading(out, "Rules that counted");
	for (size_t i = 0; i < decision->n_rules; i++) {
		const struct pq_rule_ref *rule = decision->rules[i];
		wrapf(out, "  -", 4, "%s %s: %s [%s:%d]", pq_kind_name(rule->kind), rule->id, rule->cite, rule->file,
		      rule->line);
	}
}

static void
print_parts(const struct pq_decision *decision, FILE *out)
{
	if (decision->n_parts == 0)
		return;
	heading(out, "Joined from");
	for (size_t i = 0; i < decision->n_parts; i++)
		wrapf(out, "  -", 4, "%s: %s", decision->part_names[i], pq_outcome_name(decision->parts[i].outcome));
}

void
pq_page_print(const struct pq_request *request, const struct pq_decision *decision, const char *digest, FILE *out)
{
	char date[16];

	print_verdict(decision, out);
	print_question(request, out);
	print_prohibitions(decision, out);
	print_requirements(decision, out);
	print_exceptions(decision, out);
	print_policy(decision, out);
	print_missing(decision, out);
	print_duties(decision, out);
	print_warnings(decision, out);
	print_parts(decision, out);
	print_rules(decision, out);
	pq_date_format(decision->as_of, date, sizeof(date));
	fputc('\n', out);
	wrapf(out, "", 0, "Decided as of %s%s%s%s%.16s.", date, decision->jurisdiction[0] != '\0' ? " under " : "",
	      decision->jurisdiction, digest[0] != '\0' ? ", revision " : "", digest);
}

#include "cli/page.h"

#include "cli/cli.h"
#include "cli/words.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WIDTH 80

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
	char text[PQ_WORDS_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pq_page_wrap(out, head, indent, text);
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

static void
print_fact(void *context, const char *where, const struct pq_fact *fact)
{
	char value[PQ_WORDS_MAX / 2];

	pq_words_value(&fact->value, value, sizeof(value));
	wrapf(context, "  -", 4, "%s%s%.*s: %s", where, where[0] != '\0' ? "." : "", (int)fact->name.len, fact->name.at,
	      value);
}

static void
print_facts(const struct pq_request *request, FILE *out)
{
	heading(out, "The facts as they were given");
	pq_words_each_fact(request, print_fact, out);
}

static void
print_question(const struct pq_request *request, FILE *out)
{
	char text[PQ_WORDS_MAX];

	pq_words_question(request, text, sizeof(text));
	pq_page_wrap(out, "", 2, text);
}

static void
print_verdict(const struct pq_decision *decision, FILE *out)
{
	fprintf(out, "%s\n", pq_outcome_name(decision->outcome));
	if (decision->n_available == 0) {
		wrapf(out, "", 2, "%s.", pq_words_outcome(decision->outcome));
		return;
	}
	char names[1024] = "";
	size_t used = 0;
	for (size_t i = 0; i < decision->n_available && used < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i > 0 ? ", " : "",
		                         decision->available[i].name);
	wrapf(out, "", 2, "%s: %s.", pq_words_outcome(decision->outcome), names);
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
		pq_page_wrap(out, "  -", 4, pq_words_or(rule->title, rule->id));
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
		wrapf(out, "  -", 4, "%s, %s%s%s%s", requirement->authority,
		      pq_words_or(requirement->label, requirement->reason), title != NULL && title[0] != '\0' ? ": " : "",
		      title != NULL ? title : "", requirement->certain ? "" : " (only if an unknown fact makes it so)");
		wrap_rule(out, 6, requirement->rule);
	}
}

static void
print_exceptions(const struct pq_decision *decision, FILE *out)
{
	/* Where nothing is required, what is closed is of no interest. */
	size_t n_barred = decision->n_requirements > 0 ? decision->n_barred : 0;

	if (decision->n_available == 0 && n_barred == 0)
		return;
	heading(out, "Exceptions and exemptions");
	for (size_t i = 0; i < decision->n_available; i++) {
		wrapf(out, "  open", 10, "%s", decision->available[i].name);
		wrap_rule(out, 12, decision->available[i].rule);
	}
	for (size_t i = 0; i < n_barred; i++) {
		const struct pq_barred *barred = &decision->barred[i];
		const char *reason = pq_words_or(barred->reason, "");
		const char *title = barred->rule != NULL ? pq_words_or(barred->rule->title, "") : "";
		char names[PQ_WORDS_MAX / 2];
		if (!pq_words_barred(decision, i, names, sizeof(names)))
			continue;
		if (strstr(reason, title) != NULL)
			title = "";
		wrapf(out, "  barred", 10, "%s%s%s%s%s", names, reason[0] != '\0' ? ": " : "", reason,
		      title[0] != '\0' ? ": " : "", title);
	}
}

static void
print_policy(const struct pq_decision *decision, FILE *out)
{
	if (decision->policy == PQ_POLICY_NONE)
		return;
	heading(out, "How an application is reviewed");
	wrapf(out, "  -", 4, "%s (%s)", pq_words_policy(decision->policy), pq_policy_name(decision->policy));
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
		wrapf(out, "  -", 4, "%s%s%s", pq_words_or(duty->label, duty->name),
		      title != NULL && title[0] != '\0' ? ": " : "", title != NULL ? title : "");
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
list_near_misses(const struct pq_decision *decision, int indent, FILE *out)
{
	for (size_t i = 0; i < decision->n_near_misses; i++) {
		char text[PQ_WORDS_MAX];
		pq_words_near_miss(&decision->near_misses[i], text, sizeof(text));
		pq_page_wrap(out, indent > 4 ? "     -" : "  -", indent, text);
	}
}

static void
print_near_misses(const struct pq_decision *decision, FILE *out)
{
	if (decision->n_near_misses == 0)
		return;
	heading(out, "What would change the answer");
	list_near_misses(decision, 4, out);
}

static void
print_assumed(const struct pq_decision *decision, FILE *out)
{
	if (decision->n_assumed == 0)
		return;
	heading(out, "Assumed");
	for (size_t i = 0; i < decision->n_assumed; i++) {
		const struct pq_assumed *one = &decision->assumed[i];
		bool own = one->source == NULL || one->source[0] == '\0';
		wrapf(out, "  -", 4, "%s: %s (%s%s)", one->name, one->value, own ? "by the request" : "by the profile ",
		      own ? "" : one->source);
	}
}

static void
print_rules(const struct pq_decision *decision, bool full, FILE *out)
{
	if (decision->n_rules == 0)
		return;
	heading(out, "Rules that counted");
	for (size_t i = 0; i < decision->n_rules; i++) {
		const struct pq_rule_ref *rule = decision->rules[i];
		char period[64] = "";
		if (full)
			pq_words_period(rule, period, sizeof(period));
		wrapf(out, "  -", 4, "%s %s: %s%s%s [%s:%d]", pq_kind_name(rule->kind), rule->id, rule->cite,
		      period[0] != '\0' ? ", in force " : "", period, rule->file, rule->line);
	}
}

static void
print_violations(const struct pq_decision *decision, FILE *out)
{
	for (size_t i = 0; i < decision->n_violations; i++)
		wrapf(out, "", 6, "%s: %s (%s)", decision->violations[i].field, decision->violations[i].description,
		      decision->violations[i].reason);
}

static void
print_parts(const struct pq_decision *decision, FILE *out)
{
	if (decision->n_parts == 0)
		return;
	heading(out, "Joined from");
	for (size_t i = 0; i < decision->n_parts; i++) {
		const struct pq_decision *part = &decision->parts[i];
		wrapf(out, "  -", 4, "%s: %s", decision->part_names[i],
		      part->n_violations > 0 ? "refused; put this right:" : pq_outcome_name(part->outcome));
		print_violations(part, out);
		list_near_misses(part, 7, out);
	}
}

/* Why the answer is what it is, and what to do: for a whole or for a part of it. */
static void
print_reasons(const struct pq_decision *decision, FILE *out)
{
	print_prohibitions(decision, out);
	print_requirements(decision, out);
	print_exceptions(decision, out);
	print_policy(decision, out);
	print_missing(decision, out);
	print_duties(decision, out);
	print_near_misses(decision, out);
	print_warnings(decision, out);
}

static void
print_part(const struct pq_decision *part, const char *name, FILE *out)
{
	fprintf(out, "\n\n");
	wrapf(out, "", 0, "%s: %s", name, part->n_violations > 0 ? "refused" : pq_outcome_name(part->outcome));
	if (part->n_violations > 0)
		print_violations(part, out);
	else
		print_reasons(part, out);
}

void
pq_page_print(const struct pq_request *request, const struct pq_decision *decision, const char *digest, bool full,
              FILE *out)
{
	char date[16];

	print_verdict(decision, out);
	print_question(request, out);
	print_reasons(decision, out);
	print_parts(decision, out);
	print_assumed(decision, out);
	for (size_t i = 0; full && i < decision->n_parts; i++)
		print_part(&decision->parts[i], decision->part_names[i], out);
	print_rules(decision, full, out);
	if (full)
		print_facts(request, out);
	pq_date_format(decision->as_of, date, sizeof(date));
	fputc('\n', out);
	wrapf(out, "", 0, "Decided as of %s%s%s%s%.*s.", date, decision->jurisdiction[0] != '\0' ? " under " : "",
	      decision->jurisdiction, digest[0] != '\0' ? ", revision " : "", full ? 64 : 16, digest);
}

void
pq_page_print_answerer(const struct pq_answerer *by, FILE *out)
{
	char since[32] = "";
	time_t activated = (time_t)by->activated_s;
	struct tm utc;

	if (by->sequence == 0)
		return;
	if (gmtime_r(&activated, &utc) != NULL)
		strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &utc);
	wrapf(out, "", 0, "Revision %llu, in force there since %s; known to be so %u %s before.",
	      (unsigned long long)by->sequence, since, (unsigned)by->age_s, by->age_s == 1 ? "second" : "seconds");
}

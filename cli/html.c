#include "cli/html.h"

#include "cli/html_write.h"
#include "cli/words.h"

#include <string.h>

/* ---- the head ---------------------------------------------------------------------------------------------------- */

static const char *
tone(enum pq_outcome outcome)
{
	if (outcome < PQ_OUTCOME_NEEDS_INFORMATION)
		return "go";
	if (outcome == PQ_OUTCOME_LICENSE_REQUIRED)
		return "licence";
	return outcome == PQ_OUTCOME_PROHIBITED ? "stop" : "ask";
}

static void
print_names(const struct pq_html *h, const struct pq_decision *decision)
{
	for (size_t i = 0; i < decision->n_available; i++) {
		fputs(i > 0 ? ", " : ": ", h->out);
		pq_html_text(h, decision->available[i].name);
	}
}

static void
print_meta(const struct pq_html *h, const char *name, const char *value)
{
	fprintf(h->out, "<dt>%s</dt><dd>", name);
	pq_html_text(h, value);
	fputs("</dd>\n", h->out);
}

static void
print_banner(const struct pq_html *h, const struct pq_request *request, const char *digest)
{
	const struct pq_decision *decision = h->whole;
	char text[PQ_WORDS_MAX];

	fprintf(h->out, "<header class=\"banner %s\">\n<p class=\"kicker\">Export control determination</p>\n<h1>",
	        tone(decision->outcome));
	pq_html_text(h, pq_words_outcome(decision->outcome));
	print_names(h, decision);
	fputs("</h1>\n<p><bdi>", h->out);
	pq_words_question(request, text, sizeof(text));
	text[0] = text[0] >= 'a' && text[0] <= 'z' ? (char)(text[0] - 'a' + 'A') : text[0];
	pq_html_text(h, text);
	fputs("</bdi></p>\n<dl class=\"meta\">\n", h->out);
	print_meta(h, "Outcome", pq_outcome_name(decision->outcome));
	pq_date_format(decision->as_of, text, sizeof(text));
	print_meta(h, "By the law of", text);
	if (decision->jurisdiction[0] != '\0')
		print_meta(h, "Jurisdiction", decision->jurisdiction);
	if (decision->policy != PQ_POLICY_NONE)
		print_meta(h, "Review of an application", pq_words_policy(decision->policy));
	if (digest[0] != '\0')
		fprintf(h->out, "<dt>Revision of the rules</dt><dd class=\"digest\">%.64s</dd>\n", digest);
	fputs("</dl>\n</header>\n", h->out);
}

/* ---- reasons ----------------------------------------------------------------------------------------------------- */

static void
print_prohibitions(const struct pq_html *h, const struct pq_decision *decision)
{
	if (decision->n_prohibitions == 0)
		return;
	pq_html_begin(h, "", decision->outcome == PQ_OUTCOME_REFER ? "Why a person must decide" : "What forbids it");
	fputs("<ul>\n", h->out);
	for (size_t i = 0; i < decision->n_prohibitions; i++) {
		const struct pq_rule_ref *rule = decision->prohibitions[i];
		fputs("<li>", h->out);
		pq_html_text(h, pq_words_or(rule->title, rule->id));
		pq_html_rule(h, rule);
		fputs("</li>\n", h->out);
	}
	fputs("</ul>\n", h->out);
	pq_html_end(h);
}

static void
print_missing(const struct pq_html *h, const struct pq_decision *decision)
{
	if (decision->n_missing == 0)
		return;
	pq_html_begin(h, "", "What must be known first");
	fputs("<ul>\n", h->out);
	for (size_t i = 0; i < decision->n_missing; i++) {
		const struct pq_missing *missing = &decision->missing[i];
		fputs("<li>", h->out);
		pq_html_text(h, pq_words_or(missing->question, "This fact:"));
		fputs(" <code>", h->out);
		pq_html_text(h, missing->name);
		fputs("</code></li>\n", h->out);
	}
	fputs("</ul>\n<p>Depending on the answers, anything from &ldquo;", h->out);
	pq_html_text(h, pq_words_outcome(decision->best));
	fputs("&rdquo; to &ldquo;", h->out);
	pq_html_text(h, pq_words_outcome(decision->worst));
	fputs(decision->exact ? "&rdquo;.</p>\n" : "&rdquo;. The search stopped at its bound; there may be more.</p>\n", h->out);
	pq_html_end(h);
}

static void
print_requirements(const struct pq_html *h, const struct pq_decision *decision)
{
	if (decision->n_requirements == 0)
		return;
	pq_html_begin(h, "", "Licence requirements");
	fputs("<ul>\n", h->out);
	for (size_t i = 0; i < decision->n_requirements; i++) {
		const struct pq_requirement *requirement = &decision->requirements[i];
		const char *title = requirement->rule != NULL ? pq_words_or(requirement->rule->title, "") : "";
		fputs("<li><strong>", h->out);
		pq_html_text(h, pq_words_or(requirement->label, requirement->reason));
		fputs("</strong> <span class=\"tag\">", h->out);
		pq_html_text(h, requirement->authority);
		fputs("</span>", h->out);
		if (title[0] != '\0') {
			fputs(" ", h->out);
			pq_html_text(h, title);
		}
		if (!requirement->certain)
			fputs(" <em>(only if an unknown fact makes it so)</em>", h->out);
		pq_html_rule(h, requirement->rule);
		fputs("</li>\n", h->out);
	}
	fputs("</ul>\n", h->out);
	pq_html_end(h);
}

static void
print_barred(const struct pq_html *h, const struct pq_decision *decision)
{
	for (size_t i = 0; i < decision->n_barred; i++) {
		const struct pq_barred *barred = &decision->barred[i];
		const char *title = barred->rule != NULL ? pq_words_or(barred->rule->title, "") : "";
		const char *reason = pq_words_or(barred->reason, "");
		char names[PQ_WORDS_MAX];
		if (!pq_words_barred(decision, i, names, sizeof(names)))
			continue;
		/* A restriction's reason is its citation, which stands below in any case. */
		bool restricts = barred->rule != NULL && strcmp(reason, barred->rule->cite) == 0;
		fputs("<tr><td class=\"name\"><span class=\"tag\">closed</span> ", h->out);
		pq_html_text(h, names);
		fputs("</td><td>", h->out);
		pq_html_text(h, restricts ? title : pq_words_or(reason, title));
		if (!restricts && reason[0] != '\0' && title[0] != '\0' && strstr(reason, title) == NULL) {
			fputs(" <em>(", h->out);
			pq_html_text(h, title);
			fputs(")</em>", h->out);
		}
		pq_html_rule(h, barred->rule);
		fputs("</td></tr>\n", h->out);
	}
}

static void
print_exceptions(const struct pq_html *h, const struct pq_decision *decision)
{
	/* Where nothing is required, what is closed is of no interest. */
	bool barred = decision->n_barred > 0 && decision->n_requirements > 0;

	if (decision->n_available == 0 && !barred)
		return;
	pq_html_begin(h, "", "Exceptions and exemptions");
	fputs("<table>\n<thead><tr><th>Exception</th><th>Why</th></tr></thead>\n<tbody>\n", h->out);
	for (size_t i = 0; i < decision->n_available; i++) {
		const struct pq_usable *usable = &decision->available[i];
		fputs("<tr><td class=\"name\"><span class=\"tag open\">usable</span> <strong>", h->out);
		pq_html_text(h, usable->name);
		fputs("</strong></td><td>", h->out);
		pq_html_text(h, usable->rule != NULL ? pq_words_or(usable->rule->title, "Every condition is met.") : "");
		pq_html_rule(h, usable->rule);
		fputs("</td></tr>\n", h->out);
	}
	if (barred)
		print_barred(h, decision);
	fputs("</tbody>\n</table>\n", h->out);
	pq_html_end(h);
}

static void
print_policy(const struct pq_html *h, const struct pq_decision *decision)
{
	if (decision->policy == PQ_POLICY_NONE)
		return;
	pq_html_begin(h, "", "How an application is reviewed");
	fputs("<p><strong>", h->out);
	pq_html_text(h, pq_words_policy(decision->policy));
	fputs("</strong> <code>", h->out);
	pq_html_text(h, pq_policy_name(decision->policy));
	fputs("</code></p>\n", h->out);
	pq_html_rule(h, decision->policy_rule);
	pq_html_end(h);
}

static void
print_duties(const struct pq_html *h, const struct pq_decision *decision)
{
	if (decision->n_obligations == 0)
		return;
	pq_html_begin(h, "", "Duties");
	fputs("<ul>\n", h->out);
	for (size_t i = 0; i < decision->n_obligations; i++) {
		const struct pq_duty *duty = &decision->obligations[i];
		const char *title = duty->rule != NULL ? pq_words_or(duty->rule->title, "") : "";
		fputs("<li><strong>", h->out);
		pq_html_text(h, pq_words_or(duty->label, duty->name));
		fputs("</strong>", h->out);
		if (title[0] != '\0') {
			fputs(" ", h->out);
			pq_html_text(h, title);
		}
		pq_html_rule(h, duty->rule);
		fputs("</li>\n", h->out);
	}
	fputs("</ul>\n", h->out);
	pq_html_end(h);
}

static void
print_fact_name(const struct pq_html *h, const char *place)
{
	const char *title = pq_words_title(h->image, place);

	pq_html_text(h, title);
	fputs(title[0] != '\0' ? " <code>" : "<code>", h->out);
	pq_html_text(h, place);
	fputs("</code>", h->out);
}

static void
print_near_misses(const struct pq_html *h, const struct pq_decision *decision)
{
	if (decision->n_near_misses == 0)
		return;
	pq_html_begin(h, "", "What would change the answer");
	fputs("<p>Each line was tried: that one fact changed, everything else as given.</p>\n<table "
	      "class=\"near\">\n<thead><tr><th>If"
	      "</th><th>were</th><th>instead of</th><th>then</th></tr></thead>\n<tbody>\n",
	      h->out);
	for (size_t i = 0; i < decision->n_near_misses; i++) {
		const struct pq_near_miss *miss = &decision->near_misses[i];
		fputs("<tr><td class=\"name\">", h->out);
		print_fact_name(h, miss->name);
		fputs("</td><td>", h->out);
		pq_html_text(h, miss->to);
		fputs("</td><td>", h->out);
		pq_html_text(h, miss->from);
		fputs("</td><td>", h->out);
		pq_html_text(h, pq_words_would(miss->outcome));
		fputs(pq_words_falls_away(miss) ? "; this would not apply:" : "", h->out);
		pq_html_rule(h, miss->rule);
		fputs("</td></tr>\n", h->out);
	}
	fputs("</tbody>\n</table>\n", h->out);
	pq_html_end(h);
}

static void
print_warnings(const struct pq_html *h, const struct pq_decision *decision)
{
	if (decision->n_warnings == 0)
		return;
	pq_html_begin(h, "", "Warnings");
	for (size_t i = 0; i < decision->n_warnings; i++) {
		const struct pq_notice *notice = &decision->warnings[i];
		fputs("<div class=\"warning\">", h->out);
		pq_html_text(h, notice->text);
		pq_html_rule(h, notice->rule);
		if (notice->rule == NULL && notice->source != NULL && notice->source[0] != '\0') {
			fputs(" <code>", h->out);
			pq_html_text(h, notice->source);
			fputs("</code>", h->out);
		}
		fputs("</div>\n", h->out);
	}
	pq_html_end(h);
}

static void
print_moot(const struct pq_html *h, const struct pq_decision *decision)
{
	if (decision->n_moot == 0)
		return;
	pq_html_begin(h, "", "Not known, and without effect on the outcome");
	fputs("<p>", h->out);
	for (size_t i = 0; i < decision->n_moot; i++) {
		fputs(i > 0 ? ", <code>" : "<code>", h->out);
		pq_html_text(h, decision->moot[i].name);
		fputs("</code>", h->out);
	}
	fputs("</p>\n", h->out);
	pq_html_end(h);
}

static void
print_reasons(const struct pq_html *h, const struct pq_decision *decision)
{
	print_prohibitions(h, decision);
	print_missing(h, decision);
	print_requirements(h, decision);
	print_exceptions(h, decision);
	print_policy(h, decision);
	print_duties(h, decision);
	print_warnings(h, decision);
	print_near_misses(h, decision);
	print_moot(h, decision);
}

/* ---- what was given and assumed ---------------------------------------------------------------------------------- */

struct facts {
	const struct pq_html *h;
	char where[64]; /* of the table that is open; "?" = none is */
};

/* "parties[0].owners[1]" as people count. */
static void
print_place(const struct pq_html *h, const char *where)
{
	static const struct {
		const char *place, *words;
	} words[] = {
		{"lines", "Line"},
		{"parties", "Party"},
		{"screening.hits", "Hit"},
		{"intermediate", "Country on the way"},
		{"assume", "Assumed where nothing is said"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i].place), index, owner;
		if (strncmp(where, words[i].place, len) != 0)
			continue;
		fputs(words[i].words, h->out);
		if (sscanf(where + len, "[%zu]", &index) == 1)
			fprintf(h->out, " %zu", index + 1);
		const char *owners = strstr(where, ".owners[");
		if (owners != NULL && sscanf(owners, ".owners[%zu]", &owner) == 1)
			fprintf(h->out, ", owner %zu", owner + 1);
		return;
	}
	fputs("The transaction", h->out);
}

static void
print_fact(void *context, const char *where, const struct pq_fact *fact)
{
	struct facts *facts = context;
	const struct pq_html *h = facts->h;
	char place[PQ_MAX_STRING + 80], value[PQ_WORDS_MAX];

	if (strcmp(facts->where, where) != 0) {
		fputs(facts->where[0] == '?' ? "<table>\n<caption>" : "</tbody>\n</table>\n<table>\n<caption>", h->out);
		print_place(h, where);
		fputs("</caption>\n<tbody>\n", h->out);
		snprintf(facts->where, sizeof(facts->where), "%s", where);
	}
	snprintf(place, sizeof(place), "%s%s%.*s", where, where[0] != '\0' ? "." : "", (int)fact->name.len, fact->name.at);
	const char *title = pq_words_title(h->image, place);
	fputs("<tr><td class=\"name\">", h->out);
	pq_html_text(h, title);
	fputs(" <code>", h->out);
	pq_html_text_n(h, fact->name.at, fact->name.len);
	fputs("</code></td><td><bdi>", h->out);
	pq_words_value(&fact->value, value, sizeof(value));
	pq_html_text(h, value);
	fputs("</bdi></td></tr>\n", h->out);
}

static void
print_facts(const struct pq_html *h, const struct pq_request *request)
{
	struct facts facts = {h, "?"};

	pq_html_begin(h, "facts", "The facts as they were given");
	pq_words_each_fact(request, print_fact, &facts);
	fputs(facts.where[0] == '?' ? "<p>None.</p>\n" : "</tbody>\n</table>\n", h->out);
	pq_html_end(h);
}

static void
print_assumed(const struct pq_html *h, const struct pq_decision *decision)
{
	if (decision->n_assumed == 0)
		return;
	pq_html_begin(h, "", "Assumed");
	fputs("<p>Nobody said these facts; the answer rests on what was assumed for them.</p>\n<table>\n<tbody>\n", h->out);
	for (size_t i = 0; i < decision->n_assumed; i++) {
		const struct pq_assumed *one = &decision->assumed[i];
		bool own = one->source == NULL || one->source[0] == '\0';
		fputs("<tr><td class=\"name\">", h->out);
		print_fact_name(h, one->name);
		fputs("</td><td>", h->out);
		pq_html_text(h, one->value);
		fputs(own ? "</td><td>by the request" : "</td><td>by the profile ", h->out);
		pq_html_text(h, own ? "" : one->source);
		fputs("</td></tr>\n", h->out);
	}
	fputs("</tbody>\n</table>\n", h->out);
	pq_html_end(h);
}

/* ---- parts and rules --------------------------------------------------------------------------------------------- */

/* "Line 2: 9A610.x"; the part's own name where it is no line. */
static void
print_part_name(const struct pq_html *h, const struct pq_request *request, const char *name)
{
	static const char *const items[] = {"item.eccn", "item.usml"};
	size_t index;

	if (sscanf(name, "lines[%zu]", &index) != 1 || index >= request->n_lines) {
		pq_html_text(h, name);
		return;
	}
	fprintf(h->out, "Line %zu", index + 1);
	for (size_t k = 0; k < sizeof(items) / sizeof(items[0]); k++) {
		const struct pq_facts *facts = &request->lines[index];
		for (size_t i = 0; i < facts->n; i++) {
			const struct pq_fact *fact = &facts->at[i];
			if (fact->name.len != strlen(items[k]) || memcmp(fact->name.at, items[k], fact->name.len) != 0 ||
			    fact->value.kind != PQ_VALUE_TEXT)
				continue;
			fputs(": <bdi>", h->out);
			pq_html_text_n(h, fact->value.text.at, fact->value.text.len);
			fputs("</bdi>", h->out);
		}
	}
	const char *rest = strchr(name, ' ');
	pq_html_text(h, rest != NULL ? rest : "");
}

static const char *
part_outcome(const struct pq_decision *part)
{
	return part->n_violations > 0 ? "Refused: something in it is wrong" : pq_words_outcome(part->outcome);
}

static void
print_overview(const struct pq_html *h, const struct pq_request *request)
{
	if (h->whole->n_parts == 0)
		return;
	pq_html_begin(h, "", "Joined from");
	fputs("<table>\n<tbody>\n", h->out);
	for (size_t i = 0; i < h->whole->n_parts; i++) {
		fprintf(h->out, "<tr><td class=\"name\"><a href=\"#part-%zu\">", i);
		print_part_name(h, request, h->whole->part_names[i]);
		fputs("</a></td><td>", h->out);
		pq_html_text(h, part_outcome(&h->whole->parts[i]));
		print_names(h, &h->whole->parts[i]);
		fputs("</td></tr>\n", h->out);
	}
	fputs("</tbody>\n</table>\n", h->out);
	pq_html_end(h);
}

static void
print_violations(const struct pq_html *h, const struct pq_decision *part)
{
	fputs("<ul>\n", h->out);
	for (size_t i = 0; i < part->n_violations; i++) {
		fputs("<li><code>", h->out);
		pq_html_text(h, part->violations[i].field);
		fputs("</code> ", h->out);
		pq_html_text(h, part->violations[i].description);
		fputs("</li>\n", h->out);
	}
	fputs("</ul>\n", h->out);
}

static void
print_parts(struct pq_html *h, const struct pq_request *request)
{
	for (size_t i = 0; i < h->whole->n_parts; i++) {
		const struct pq_decision *part = &h->whole->parts[i];
		fprintf(h->out, "<section class=\"part\" id=\"part-%zu\"><h2>", i);
		print_part_name(h, request, h->whole->part_names[i]);
		fprintf(h->out, "</h2>\n<p class=\"banner %s\">", tone(part->outcome));
		pq_html_text(h, part_outcome(part));
		print_names(h, part);
		fputs("</p>\n", h->out);
		h->level = 3;
		if (part->n_violations > 0)
			print_violations(h, part);
		else
			print_reasons(h, part);
		h->level = 2;
		fputs("</section>\n", h->out);
	}
}

static void
print_rules(const struct pq_html *h)
{
	char period[64];

	if (h->whole->n_rules == 0)
		return;
	pq_html_begin(h, "rules", "Every rule that counted");
	fputs("<table>\n<thead><tr><th>Citation</th><th>Rule</th><th>In force</th></tr></thead>\n<tbody>\n", h->out);
	for (size_t i = 0; i < h->whole->n_rules; i++) {
		const struct pq_rule_ref *rule = h->whole->rules[i];
		fprintf(h->out, "<tr id=\"rule-%u\"><td>", (unsigned)rule->index);
		pq_html_text(h, rule->cite);
		fputs("</td><td>", h->out);
		pq_html_text(h, pq_words_or(rule->title, pq_words_kind(rule->kind)));
		fprintf(h->out, " <span class=\"tag\">%s</span>", pq_words_kind(rule->kind));
		if (strcmp(pq_words_or(rule->confidence, "high"), "high") != 0) {
			fputs(" <span class=\"tag\">confidence: ", h->out);
			pq_html_text(h, rule->confidence);
			fputs("</span>", h->out);
		}
		if (rule->note != NULL && rule->note[0] != '\0') {
			fputs("<br><em>", h->out);
			pq_html_text(h, rule->note);
			fputs("</em>", h->out);
		}
		fputs("<br><code>", h->out);
		pq_html_text(h, rule->file);
		fprintf(h->out, ":%d ", (int)rule->line);
		pq_html_text(h, rule->id);
		fputs("</code></td><td>", h->out);
		pq_words_period(rule, period, sizeof(period));
		pq_html_text(h, pq_words_or(period, "throughout"));
		fputs("</td></tr>\n", h->out);
	}
	fputs("</tbody>\n</table>\n", h->out);
	pq_html_end(h);
}

void
pq_html_print(const struct pq_request *request, const struct pq_decision *decision, const char *digest,
              const struct pq_image *image, FILE *out)
{
	struct pq_html h = {out, image, decision, 2};
	char date[16];

	pq_date_format(decision->as_of, date, sizeof(date));
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
	      out);
	pq_html_text(&h, pq_words_outcome(decision->outcome));
	fprintf(out, " (%s)</title>\n<style>%s</style>\n</head>\n<body>\n", date, pq_html_style);
	print_banner(&h, request, digest);
	fputs("<main>\n", out);
	print_overview(&h, request);
	print_reasons(&h, decision);
	print_assumed(&h, decision);
	print_facts(&h, request);
	print_parts(&h, request);
	print_rules(&h);
	fputs("</main>\n<footer><p>", out);
	fprintf(out, "Decided by Pratique as of %s", date);
	if (digest[0] != '\0') {
		fputs(" from the rules of revision ", out);
		pq_html_text(&h, digest);
	}
	fputs(". The same facts, day and revision always give this answer.</p></footer>\n</body>\n</html>\n", out);
}

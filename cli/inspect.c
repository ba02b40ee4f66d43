#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/page.h"
#include "cli/source.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 64

struct selection {
	const char *rules[RULES_MAX];
	size_t n_rules;
	bool attrs, tables, all_rules, json;
};

static const char *
date_text(int32_t date, const char *open, char *buf, size_t size)
{
	pq_date_format(date, buf, size);
	if (buf[0] == '\0')
		snprintf(buf, size, "%s", open);
	return buf;
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

static void
print_gaps(const char *const *gaps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pq_page_wrap(stdout, "    gap:", 10, gaps[i]);
}

static void
print_packs(const struct pq_source *source, const struct pq_image_counts *counts)
{
	char from[16], to[16], edition[16], line[512];

	printf("%s\n  content sha256  %s\n  size    %" PRIu64 " bytes\n\nPacks\n", pq_store_path(source->store), source->digest,
	       pq_store_size(source->store));
	for (size_t i = 0; i < counts->packs; i++) {
		struct pq_image_pack pack;
		pq_image_pack(source->image, i, &pack);
		snprintf(line, sizeof(line), "%s, edition %s, covers %s to %s (%d days of grace), days of %s", pack.title,
		         date_text(pack.edition, "unknown", edition, sizeof(edition)),
		         date_text(pack.covers_from, "ever", from, sizeof(from)),
		         date_text(pack.covers_to, "ever", to, sizeof(to)), pack.grace_days, pack.time_zone);
		printf("  %s\n", pack.name);
		pq_page_wrap(stdout, "", 4, line);
		print_gaps(pack.gaps, pack.n_gaps);
	}
	printf("\nCounts\n  %zu packs, %zu domains with %zu symbols, %zu attributes (%zu facts)\n"
	       "  %zu tables with %zu rows, %zu rules with %zu alternatives\n"
	       "  %zu cases, %zu bytes of bitmaps\n",
	       counts->packs, counts->domains, counts->symbols, counts->attrs, counts->facts, counts->tables, counts->rows,
	       counts->rules, counts->alternatives, counts->cases, counts->bitmap_bytes);
}

static void
print_attrs(const struct pq_source *source, const struct pq_image_counts *counts)
{
	for (size_t i = 0; i < counts->attrs; i++) {
		struct pq_image_attr attr;
		char head[512];
		pq_image_attr(source->image, i, &attr);
		bool domain = attr.domain != NULL && attr.domain[0] != '\0';
		snprintf(head, sizeof(head), "%s: %s%s%s%s%s", attr.name, pq_type_name(attr.type), domain ? " of " : "",
		         domain ? attr.domain : "", attr.is_fact ? ", fact" : "", attr.required ? ", required" : "");
		pq_page_wrap(stdout, "", 0, head);
		if (attr.title != NULL && attr.title[0] != '\0')
			pq_page_wrap(stdout, "", 4, attr.title);
		if (attr.ask != NULL && attr.ask[0] != '\0')
			pq_page_wrap(stdout, "", 4, attr.ask);
	}
}

static void
print_tables(const struct pq_source *source, const struct pq_image_counts *counts)
{
	for (size_t i = 0; i < counts->tables; i++) {
		struct pq_image_table table;
		char edition[16], line[512];
		pq_image_table(source->image, i, &table);
		snprintf(line, sizeof(line), "%s (%s): %s; edition %s, %zu rows", table.name, table.pack, table.cite,
		         date_text(table.edition, "unknown", edition, sizeof(edition)), table.n_rows);
		pq_page_wrap(stdout, "", 0, line);
		if (table.title != NULL && table.title[0] != '\0')
			pq_page_wrap(stdout, "", 4, table.title);
		print_gaps(table.gaps, table.n_gaps);
	}
}

static void
print_rule_line(const struct pq_rule_ref *rule)
{
	char line[1024];

	snprintf(line, sizeof(line), "%s %s: %s [%s:%d]", pq_kind_name(rule->kind), rule->id, rule->cite, rule->file,
	         rule->line);
	pq_page_wrap(stdout, "", 0, line);
}

static void
print_rule(const struct pq_source *source, size_t i)
{
	const struct pq_rule_ref *rule = pq_image_rule(source->image, i);
	char from[16], to[16];

	printf("%s\n", rule->id);
	pq_page_wrap(stdout, "  kind", 14, pq_kind_name(rule->kind));
	if (rule->title != NULL && rule->title[0] != '\0')
		pq_page_wrap(stdout, "  title", 14, rule->title);
	pq_page_wrap(stdout, "  cite", 14, rule->cite);
	printf("  source      %s:%d\n", rule->file, rule->line);
	printf("  in force    %s to %s\n", date_text(rule->from, "ever", from, sizeof(from)),
	       date_text(rule->to, "ever", to, sizeof(to)));
	printf("  confidence  %s\n", rule->confidence);
	if (rule->note != NULL && rule->note[0] != '\0')
		pq_page_wrap(stdout, "  note", 14, rule->note);
	/* Lines as the compiler wrote them: they are indented by what they say. */
	fputs("  conditions\n", stdout);
	for (const char *text = pq_image_rule_text(source->image, i); *text != '\0';) {
		size_t len = strcspn(text, "\n");
		fputs("    ", stdout);
		pq_cli_put_n(stdout, text, len);
		fputc('\n', stdout);
		text += len + (text[len] == '\n');
	}
}

/* ---- for machines ------------------------------------------------------------------------------------------------ */

static json_t *
date_json(int32_t date)
{
	char text[16];

	pq_date_format(date, text, sizeof(text));
	return text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *
text_json(const char *text)
{
	return json_string(text != NULL ? text : "");
}

static json_t *
texts_json(const char *const *at, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, text_json(at[i]));
	return array;
}

static json_t *
packs_json(const struct pq_source *source, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		struct pq_image_pack pack;
		pq_image_pack(source->image, i, &pack);
		json_array_append_new(array, json_pack("{s:o,s:o,s:o,s:o,s:o,s:i,s:o,s:o}", "name", text_json(pack.name),
		                                       "title", text_json(pack.title), "edition", date_json(pack.edition),
		                                       "covers_from", date_json(pack.covers_from), "covers_to",
		                                       date_json(pack.covers_to), "grace_days", pack.grace_days, "time_zone",
		                                       text_json(pack.time_zone), "gaps", texts_json(pack.gaps, pack.n_gaps)));
	}
	return array;
}

static json_t *
counts_json(const struct pq_image_counts *counts)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "packs", (json_int_t)counts->packs, "domains",
	                 (json_int_t)counts->domains, "symbols", (json_int_t)counts->symbols, "attributes",
	                 (json_int_t)counts->attrs, "facts", (json_int_t)counts->facts, "tables",
	                 (json_int_t)counts->tables, "rows", (json_int_t)counts->rows, "rules", (json_int_t)counts->rules,
	                 "alternatives", (json_int_t)counts->alternatives, "cases", (json_int_t)counts->cases,
	                 "bitmap_bytes", (json_int_t)counts->bitmap_bytes);
}

static json_t *
attrs_json(const struct pq_source *source, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		struct pq_image_attr attr;
		pq_image_attr(source->image, i, &attr);
		json_array_append_new(
			array, json_pack("{s:o,s:o,s:o,s:o,s:o,s:b,s:b,s:o,s:o}", "name", text_json(attr.name), "type",
		                     text_json(pq_type_name(attr.type)), "scope", text_json(pq_scope_name(attr.scope)),
		                     "domain", text_json(attr.domain), "pack", text_json(attr.pack), "fact", attr.is_fact,
		                     "required", attr.required, "title", text_json(attr.title), "ask", text_json(attr.ask)));
	}
	return array;
}

static json_t *
tables_json(const struct pq_source *source, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		struct pq_image_table table;
		pq_image_table(source->image, i, &table);
		json_array_append_new(array, json_pack("{s:o,s:o,s:o,s:o,s:o,s:I,s:o}", "name", text_json(table.name), "title",
		                                       text_json(table.title), "cite", text_json(table.cite), "pack",
		                                       text_json(table.pack), "edition", date_json(table.edition), "rows",
		                                       (json_int_t)table.n_rows, "gaps", texts_json(table.gaps, table.n_gaps)));
	}
	return array;
}

static json_t *
rule_json(const struct pq_source *source, size_t i)
{
	const struct pq_rule_ref *rule = pq_image_rule(source->image, i);

	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:i,s:o,s:o,s:o,s:o,s:o}", "id", text_json(rule->id), "kind",
	                 text_json(pq_kind_name(rule->kind)), "title", text_json(rule->title), "cite",
	                 text_json(rule->cite), "pack", text_json(rule->pack), "file", text_json(rule->file), "line",
	                 (int)rule->line, "from", date_json(rule->from), "to", date_json(rule->to), "confidence",
	                 text_json(rule->confidence), "note", text_json(rule->note), "conditions",
	                 text_json(pq_image_rule_text(source->image, i)));
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static bool
find_rule(const struct pq_source *source, size_t n, const char *id, size_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(pq_image_rule(source->image, i)->id, id) == 0) {
			*ret = i;
			return true;
		}
	}
	pq_cli_say("%s: there is no rule %.200s", pq_store_path(source->store), id);
	return false;
}

static int
inspect_json(const struct pq_source *source, const struct selection *select, const struct pq_image_counts *counts)
{
	json_t *object = json_object();
	int code = PQ_EXIT_OK;

	json_object_set_new(object, "digest", json_string(source->digest));
	json_object_set_new(object, "size", json_integer((json_int_t)pq_store_size(source->store)));
	json_object_set_new(object, "packs", packs_json(source, counts->packs));
	json_object_set_new(object, "counts", counts_json(counts));
	if (select->attrs)
		json_object_set_new(object, "attributes", attrs_json(source, counts->attrs));
	if (select->tables)
		json_object_set_new(object, "tables", tables_json(source, counts->tables));
	if (select->n_rules > 0 || select->all_rules) {
		json_t *rules = json_array();
		for (size_t i = 0, found; i < select->n_rules; i++) {
			if (find_rule(source, counts->rules, select->rules[i], &found))
				json_array_append_new(rules, rule_json(source, found));
			else
				code = PQ_EXIT_FAILED;
		}
		for (size_t i = 0; select->all_rules && i < counts->rules; i++)
			json_array_append_new(rules, rule_json(source, i));
		json_object_set_new(object, "rules", rules);
	}
	char *text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (text == NULL) {
		pq_cli_say("no memory to write the answer");
		return PQ_EXIT_FAILED;
	}
	puts(text);
	free(text);
	return code;
}

static int
inspect(const struct pq_source *source, const struct selection *select)
{
	struct pq_image_counts counts;
	int code = PQ_EXIT_OK;

	pq_image_counts(source->image, &counts);
	if (select->json)
		return inspect_json(source, select, &counts);
	if (!select->attrs && !select->tables && !select->all_rules && select->n_rules == 0)
		print_packs(source, &counts);
	if (select->attrs)
		print_attrs(source, &counts);
	if (select->tables)
		print_tables(source, &counts);
	for (size_t i = 0; select->all_rules && i < counts.rules; i++)
		print_rule_line(pq_image_rule(source->image, i));
	for (size_t i = 0, found; i < select->n_rules; i++) {
		if (find_rule(source, counts.rules, select->rules[i], &found))
			print_rule(source, found);
		else
			code = PQ_EXIT_FAILED;
	}
	return code;
}

int
pq_cmd_inspect(int argc, char **argv)
{
	enum { RULE, ATTRS, TABLES, RULES, JSON };
	static const struct pq_flag table[] = {{"rule", 0, true},   {"attrs", 0, false}, {"tables", 0, false},
	                                       {"rules", 0, false}, {"json", 0, false},  {0}};
	struct pq_flags options = {0};
	struct selection select = {0};
	struct pq_source source = {0};
	struct pq_err err = {0};

	for (int option; (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		if (option == RULE && select.n_rules == RULES_MAX)
			return pq_cli_usage(argv[0], "more than %d rules at once", RULES_MAX);
		if (option == RULE)
			select.rules[select.n_rules++] = options.value;
		select.attrs |= option == ATTRS;
		select.tables |= option == TABLES;
		select.all_rules |= option == RULES;
		select.json |= option == JSON;
	}
	if (options.stop)
		return options.code;
	if (argc - optind != 1)
		return pq_cli_usage(argv[0], "name one store");
	if (pq_source_open_store(&source, argv[optind], &err) != PQ_OK)
		return pq_cli_fail(&err);
	int code = inspect(&source, &select);
	pq_source_close(&source);
	return code;
}

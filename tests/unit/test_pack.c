/* A small pack with every form of the language, and what the model makes of it. */
#include "tests/support/load_packs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off */
static const char pack_yaml[] =
	"pack: p\n"
	"title: A pack\n"
	"edition: 2026-09-01\n"
	"covers: { from: 2020-01-01, to: 2026-09-01, grace_days: 10 }\n"
	"time_zone: America/New_York\n"
	"jurisdiction: EAR\n"
	"domains:\n"
	"  country: { symbols: [ZZ], symbols_of: [{ table: countries, column: iso2 }],\n"
	"             names_of: { table: names, column: name, symbol: iso2 } }\n"
	"  group: { symbols_of: [{ table: countries, column: groups }] }\n"
	"  entry: { symbols: [9A610, EAR99, \"600\"] }\n"
	"  role: { symbols: [end_user, purchaser] }\n"
	"  authority: { symbols: [BIS] }\n"
	"  reason: { symbols: [NS, RS, AT] }\n"
	"  exception: { symbols: [LVS, GOV, GOV(b)(2), STA(c)(1)] }\n"
	"  type: { symbols: [export, release] }\n"
	"facts:\n"
	"  - { name: type, type: symbol, domain: type, required: true }\n"
	"  - { name: destination, type: symbol, domain: country, ask: Where to? }\n"
	"  - name: origin\n"
	"    type: symbol\n"
	"    domain: country\n"
	"    silence:\n"
	"      - { when: { type: export }, value: NO }\n"
	"      - { value: unknown }\n"
	"  - { name: value, type: number, min: 0, max: 1000000.5 }\n"
	"  - { name: order, type: number, silence: [{ copy: value }] }\n"
	"  - { name: total, type: number, silence: [{ lines: { sum: value, same: hts } }] }\n"
	"  - { name: hts, type: text }\n"
	"  - { name: since, type: date, silence: none }\n"
	"  - { name: published, type: bool, silence: false }\n"
	"  - { name: foreign_marked, type: bool, silence: false }\n"
	"  - { name: item, type: code, domain: entry, separator: \".\", path: item.paragraph,\n"
	"      marks: { prefixes: [FOREIGN-], sets: foreign_marked } }\n"
	"  - { name: claimed, type: symbols, domain: exception, silence: [] }\n"
	"  - { name: nationality, type: symbol, domain: country }\n"
	"  - { name: party.role, type: symbol, domain: role, required: true }\n"
	"  - { name: party.military, type: bool, report_as: military }\n"
	"  - { name: party.type, type: symbol, domain: role, silence: purchaser, null_is: end_user }\n"
	"  - { name: owner.share, type: number }\n"
	"attributes:\n"
	"  - { name: groups, type: symbols, domain: group, title: groups of the destination }\n"
	"  - { name: limit, type: number }\n"
	"  - { name: cheap, type: bool, title: the value is small }\n"
	"  - { name: twelve, type: number }\n"
	"  - { name: owners, type: number }\n"
	"  - { name: party.soldier, type: bool }\n"
	"  - { name: home, type: bool }\n"
	"tables:\n"
	"  - name: countries\n"
	"    file: tables/countries.csv\n"
	"    cite: Supp. 1\n"
	"    edition: 2026-09-01\n"
	"    gaps: [a gap]\n"
	"    columns:\n"
	"      iso2: { type: symbol, domain: country }\n"
	"      groups: { type: symbols, domain: group }\n"
	"  - name: names\n"
	"    file: tables/names.csv\n"
	"    cite: none\n"
	"    columns: { name: { type: text }, iso2: { type: symbol, domain: country } }\n"
	"  - name: limits\n"
	"    file: tables/limits.csv\n"
	"    cite: Supp. 2\n"
	"    columns:\n"
	"      entry: { type: symbol, domain: entry }\n"
	"      paths: { type: path }\n"
	"      limit: { type: number }\n"
	"amendments:\n"
	"  - { id: am-1, effective: 2022-04-08, published: 2022-04-14, cite: 87 FR 22130,\n"
	"      savings: { cite: the clause, when: { since: \"< 2022-04-08\" } } }\n"
	"  - { id: am-2, effective: 2024-01-01, cite: 89 FR 1 }\n"
	"jurisdictions:\n"
	"  - { name: EAR, only: SUBJECT_TO_EAR, available: LICENSE_EXCEPTION_AVAILABLE, release_by: nationality }\n"
	"  - { name: NONE, fixed: NOT_SUBJECT }\n"
	"release: { fact: type, values: [release], replaces: destination }\n"
	"claims: claimed\n";

static const char countries_csv[] =
	"iso2,groups,valid_from,valid_to,amendment,ended_by,if,note,edition\n"
	"NO,A:1;B,,,,,,,\n"
	"KH,D:5 ; B,?,,am-1,,,Why,2025-01-01\n"
	"CN,?,2021-12-09,,,am-2,published !cheap,,\n";

static const char names_csv[] = "name,iso2\nNorway,NO\nNORWAY ,NO\nCambodia,KH\n";

static const char limits_csv[] = "entry,paths,limit,cite\n"
	"9A610,entire,1500,\n"
	"9A610,.a-.c (d)(2) .h.9-.h.11,500,own cite\n"
	"*,except .x,,\n";

static const char rules_yaml[] =
	"- { id: j, kind: jurisdiction, jurisdiction: EAR, cite: a }\n"
	"- id: groups\n"
	"  kind: derive\n"
	"  cite: a\n"
	"  attribute: groups\n"
	"  lookup: { table: countries, where: { iso2: destination }, take: groups }\n"
	"- id: limit\n"
	"  kind: derive\n"
	"  cite: a\n"
	"  attribute: limit\n"
	"  order: 3\n"
	"  lookup: { table: limits, where: { entry: item, paths: item.paragraph }, only: { entry: [9A610] }, take: limit }\n"
	"- { id: twelve, kind: derive, cite: a, attribute: twelve, sum: { of: [limit, total], minus: [order], times: 12 } }\n"
	"- { id: cheap, kind: derive, cite: a, attribute: cheap, compare: { left: value, op: \"<=\", right: twelve } }\n"
	"- { id: cheap2, kind: derive, cite: a, attribute: cheap, compare: { left: since, op: \"<\", right: 2020-01-01 } }\n"
	"- { id: owners, kind: derive, cite: a, attribute: owners, count: { party: { military: true } } }\n"
	"- { id: soldier, kind: derive, cite: a, attribute: party.soldier, set: true,\n"
	"    when: { party.role: end_user, any_owner: { share: \">= 50\" } } }\n"
	"- { id: home, kind: derive, cite: a, attribute: home, same: { left: origin, right: destination } }\n"
	"- id: req\n"
	"  kind: requirement\n"
	"  cite: [15 CFR 1, 15 CFR 2]\n"
	"  title: T\n"
	"  confidence: low\n"
	"  from: 2021-01-01\n"
	"  amendment: am-1\n"
	"  ended_by: am-2\n"
	"  stays: [{ from: 2023-01-01, to: 2023-06-01, cite: s }]\n"
	"  authority: BIS\n"
	"  reason: NS\n"
	"  label: NS Column 1\n"
	"  allows: [GOV(b)]\n"
	"  allows_label: all but GOV\n"
	"  review: POLICY_OF_DENIAL\n"
	"  when:\n"
	"    groups: { any_of: [\"D:5\", B], none_of: [\"A:1\"] }\n"
	"    value: \"> 2500, != 3000\"\n"
	"    as_of: \">= 2022-01-01, < 2023-01-01\"\n"
	"    item.paragraph: [(h)(1), .a.2]\n"
	"    any_party: { role: [end_user], military: true, soldier: true, home: false }\n"
	"- id: alternatives\n"
	"  kind: requirement\n"
	"  jurisdiction: any\n"
	"  cite: a\n"
	"  authority: BIS\n"
	"  reason: RS\n"
	"  when:\n"
	"    any: [{ item: EAR99 }, { item: \"600\", published: true }]\n"
	"    all:\n"
	"      - any: [{ item: EAR99 }, { published: true }]\n"
	"      - not: { groups: { all_of: [\"D:5\", B] } }\n"
	"- { id: neg, kind: warning, cite: a, text: t, when: { not: { no_party: { role: end_user } }, decision.outcome: REFER } }\n"
	"- { id: neg2, kind: warning, cite: a, text: t, when: { not: { every_party: { military: true, role: end_user } } } }\n"
	"- { id: excl, kind: exclusion, cite: a, excludes: { reasons: [AT], rules: [re*] }, when: { home: true } }\n"
	"- { id: lvs, kind: exception, cite: a, exception: LVS, overcomes: [NS, RS], considered: always, when: { cheap: true } }\n"
	"- { id: gov, kind: exception, cite: a, exception: GOV(b)(2), shown_as: GOV, overcomes: all, claimed_by: [published] }\n"
	"- { id: bar, kind: restriction, cite: a, bars: { all_but: [STA] }, label: exceptions }\n"
	"- { id: proh, kind: prohibition, cite: a, text: no, when: { owners: \"> 0\" } }\n"
	"- { id: rev, kind: review, cite: a, policy: CASE_BY_CASE, unless_shown: { published: true } }\n"
	"- { id: duty, kind: obligation, cite: a, obligation: EEI, label: EEI(1), when: { decision.exceptions: [LVS] } }\n";

static const char cases_jsonl[] =
	"{\"id\": \"c1\", \"as_of\": \"2026-01-01\", \"request\": {}, \"expected\": {}}\n"
	"\n"
	"{\"id\": \"c2\", \"as_of\": \"2026-01-01\", \"request\": {}, \"expected\": {}}";

/* clang-format on */

#define FILE_OF(path, text)          \
	{                                \
		path, text, sizeof(text) - 1 \
	}

static const struct pq_pack_file files[] = {
	FILE_OF("p/rules/a.yaml", rules_yaml),
	FILE_OF("p/pack.yaml", pack_yaml),
	FILE_OF("p/tables/names.csv", names_csv),
	FILE_OF("p/tables/limits.csv", limits_csv),
	FILE_OF("p/tables/countries.csv", countries_csv),
	FILE_OF("p/cases/c.jsonl", cases_jsonl),
};

static struct pq_arena arena;
static struct pq_model *model;

static int
setup(void **state)
{
	struct pq_findings findings;
	struct pq_err err;

	(void)state;
	pq_arena_init(&arena, 64 << 20);
	enum pq_status status = pq_model_load(files, sizeof(files) / sizeof(files[0]), &arena, &model, &findings, &err);
	if (status == PQ_OK && findings.n == 1 && findings.at[0].severity == PQ_SEVERITY_WARNING &&
	    strcmp(findings.at[0].text, "nothing uses the fact \"party.type\"") == 0)
		return 0;
	pq_test_print_findings(&findings);
	return -1;
}

static int
teardown(void **state)
{
	(void)state;
	pq_arena_release(&arena);
	return 0;
}

static const struct pq_domain *
domain(const char *name)
{
	for (size_t i = 0; i < model->n_domains; i++) {
		if (strcmp(model->domains[i].name, name) == 0)
			return &model->domains[i];
	}
	fail_msg("no domain %s", name);
	return NULL;
}

static const struct pq_attr *
attr(const char *name)
{
	uint32_t index = pq_model_attr(model, name);

	assert_int_not_equal(index, PQ_NO_INDEX);
	return &model->attrs[index];
}

static const struct pq_rule *
rule(const char *id)
{
	for (size_t i = 0; i < model->n_rules; i++) {
		if (strcmp(model->rules[i].id, id) == 0)
			return &model->rules[i];
	}
	fail_msg("no rule %s", id);
	return NULL;
}

static const struct pq_table *
table(const char *name)
{
	for (size_t i = 0; i < model->n_tables; i++) {
		if (strcmp(model->tables[i].name, name) == 0)
			return &model->tables[i];
	}
	fail_msg("no table %s", name);
	return NULL;
}

static int32_t
date(const char *text)
{
	int32_t days;

	assert_true(pq_date_parse(text, strlen(text), &days));
	return days;
}

static uint32_t
symbol(const char *of, const char *name)
{
	uint32_t index = pq_domain_find(domain(of), name, strlen(name));

	assert_int_not_equal(index, PQ_NO_INDEX);
	return index;
}

static void
test_domains(void **state)
{
	const struct pq_domain *country = domain("country"), *group = domain("group"),
						   *path = domain("path:item.paragraph");

	(void)state;
	assert_string_equal(model->domains[PQ_DOMAIN_BOOL].symbols[PQ_BOOL_TRUE], "true");
	/* What is written out first, then what stands in columns as it appears there. */
	assert_int_equal(country->n_symbols, 4);
	assert_string_equal(country->symbols[0], "ZZ");
	assert_string_equal(country->symbols[1], "NO");
	assert_string_equal(country->symbols[3], "CN");
	assert_int_equal(group->n_symbols, 3);
	assert_string_equal(group->symbols[2], "D:5");
	assert_int_equal(symbol("country", "norway"), 1);
	assert_int_equal(symbol("country", "kh"), 2);
	assert_int_equal(pq_domain_find(country, "norwa", 5), PQ_NO_INDEX);
	/* Paths that conditions list, sorted, and the conditions follow. */
	assert_int_equal(path->n_symbols, 2);
	assert_string_equal(path->symbols[0], "a.2");
	assert_string_equal(path->symbols[1], "h.1");
	assert_string_equal(domain("outcome")->symbols[0], "NOT_SUBJECT");
	assert_ptr_equal(&model->domains[model->domain_reason], domain("reason"));
}

static void
test_facts(void **state)
{
	const struct pq_attr *origin = attr("origin"), *item = attr("item"), *paragraph = attr("item.paragraph");

	(void)state;
	assert_int_equal(pq_model_attr(model, "as_of"), PQ_ATTR_AS_OF);
	assert_int_equal(pq_model_attr(model, "decision.sole_exception"), PQ_ATTR_DECISION_SOLE);
	assert_int_equal(attr("party.soldier")->scope, PQ_SCOPE_PARTY);
	assert_false(attr("party.soldier")->is_fact);
	assert_int_equal(attr("saved.am-1")->type, PQ_TYPE_BOOL);
	assert_int_equal(origin->n_silence, 2);
	assert_int_equal(origin->silence[0].value.symbols.at[0], symbol("country", "NO"));
	assert_int_equal(origin->silence[0].when.conjs[0].conds[0].op, PQ_OP_ANY);
	assert_true(origin->silence[1].unknown);
	assert_int_equal(attr("destination")->n_silence, 0);
	assert_string_equal(attr("destination")->ask, "Where to?");
	assert_int_equal(attr("order")->silence[0].copy, pq_model_attr(model, "value"));
	assert_int_equal(attr("total")->silence[0].lines_same, pq_model_attr(model, "hts"));
	assert_true(attr("since")->silence[0].value.none);
	assert_int_equal(attr("value")->max, INT64_C(10000005000));
	assert_int_equal(attr("published")->silence[0].value.symbols.at[0], PQ_BOOL_FALSE);
	assert_string_equal(attr("party.military")->report_as, "military");
	assert_null(attr("value")->report_as);
	assert_true(attr("party.type")->has_null_is);
	assert_int_equal(item->path, pq_model_attr(model, "item.paragraph"));
	assert_int_equal(paragraph->path, pq_model_attr(model, "item"));
	assert_int_equal(paragraph->type, PQ_TYPE_PATH);
	assert_int_equal(item->mark_attr, pq_model_attr(model, "foreign_marked"));
	assert_string_equal(item->marks.at[0], "FOREIGN-");
	assert_int_equal(model->claim_fact, pq_model_attr(model, "claimed"));
	assert_int_equal(model->release_fact, pq_model_attr(model, "type"));
	assert_int_equal(model->release_values.at[0], symbol("type", "release"));
}

static void
test_tables(void **state)
{
	const struct pq_table *countries = table("countries"), *limits = table("limits");
	const struct pq_row *kh = &countries->rows[1], *cn = &countries->rows[2];

	(void)state;
	assert_int_equal(countries->n_rows, 3);
	assert_int_equal(kh->src.line, 3);
	assert_true(kh->from_doubtful);
	assert_int_equal(kh->edition, date("2025-01-01"));
	assert_int_equal(kh->cells[1].value.symbols.n, 2);
	assert_string_equal(kh->note, "Why");
	assert_string_equal(kh->cite, "Supp. 1");
	assert_string_equal(model->amendments[kh->amendment].id, "am-1");
	assert_true(cn->cells[1].doubtful);
	assert_int_equal(cn->from, date("2021-12-09"));
	assert_int_equal(cn->to, date("2024-01-01"));
	assert_int_equal(cn->n_ifs, 2);
	assert_true(cn->ifs[1].negated);
	assert_int_equal(cn->ifs[1].attr, pq_model_attr(model, "cheap"));
	assert_int_equal(limits->rows[0].cells[1].paths.mode, PQ_PATHS_ALL);
	assert_int_equal(limits->rows[0].cells[2].value.number, 1500 * PQ_NUMBER_SCALE);
	static const char *const paths[] = {"a", "b", "c", "d.2", "h.9", "h.10", "h.11"};
	assert_int_equal(limits->rows[1].cells[1].paths.n, 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(limits->rows[1].cells[1].paths.at[i], paths[i]);
	assert_string_equal(limits->rows[1].cite, "own cite");
	assert_true(limits->rows[2].cells[0].any);
	assert_int_equal(limits->rows[2].cells[1].paths.mode, PQ_PATHS_EXCEPT);
	assert_true(limits->rows[2].cells[2].value.none);
}

static void
test_derive(void **state)
{
	const struct pq_rule *limit = rule("limit"), *twelve = rule("twelve"), *cheap2 = rule("cheap2");

	(void)state;
	assert_int_equal(rule("j")->attr, PQ_ATTR_JURISDICTION);
	assert_int_equal(rule("j")->jurisdiction, PQ_NO_INDEX);
	assert_int_equal(rule("j")->set.symbols.at[0], symbol("jurisdiction", "EAR"));
	assert_int_equal(limit->derive, PQ_DERIVE_LOOKUP);
	assert_int_equal(limit->order, 3);
	assert_int_equal(limit->lookup.n_keys, 2);
	assert_int_equal(limit->lookup.n_onlys, 1);
	assert_int_equal(limit->lookup.take, 2);
	assert_int_equal(limit->jurisdiction, PQ_NO_INDEX);
	assert_int_equal(twelve->n_terms, 3);
	assert_int_equal(twelve->terms[2].times, -12);
	assert_int_equal(rule("cheap")->cmp, PQ_CMP_LE);
	assert_int_equal(cheap2->right, PQ_NO_INDEX);
	assert_int_equal(cheap2->set.number, date("2020-01-01"));
	assert_int_equal(rule("owners")->scope, PQ_SCOPE_PARTY);
	assert_int_equal(rule("owners")->inner->conjs[0].conds[0].attr, pq_model_attr(model, "party.military"));
	assert_int_equal(rule("soldier")->when.conjs[0].n, 2);
	assert_int_equal(rule("saved.am-1")->attr, pq_model_attr(model, "saved.am-1"));
	assert_string_equal(rule("saved.am-1")->cites.at[0], "the clause");
}

static void
test_requirement(void **state)
{
	const struct pq_rule *req = rule("req");
	const struct pq_conj *conj = &req->when.conjs[0];

	(void)state;
	assert_int_equal(req->cites.n, 2);
	assert_string_equal(req->confidence, "low");
	assert_int_equal(req->from, date("2021-01-01")); /* its own date goes before that of the amendment */
	assert_int_equal(req->to, date("2024-01-01"));
	assert_int_equal(req->n_stays, 1);
	assert_int_equal(req->jurisdiction, symbol("jurisdiction", "EAR"));
	assert_int_equal(req->policy, PQ_POLICY_POLICY_OF_DENIAL);
	assert_true(req->has_allows);
	assert_string_equal(req->allows.at[0], "GOV(b)");
	assert_string_equal(req->allows_label, "all but GOV");
	assert_int_equal(req->when.n, 1);
	assert_int_equal(conj->n, 6);
	assert_int_equal(conj->conds[0].op, PQ_OP_ANY);
	assert_int_equal(conj->conds[1].op, PQ_OP_NONE);
	assert_int_equal(conj->conds[2].n_ranges, 2);
	assert_int_equal(conj->conds[2].ranges[0].lo, 2500 * PQ_NUMBER_SCALE + 1);
	assert_int_equal(conj->conds[2].ranges[0].hi, 3000 * PQ_NUMBER_SCALE - 1);
	assert_true(conj->conds[2].ranges[1].hi == INT64_MAX);
	assert_int_equal(conj->conds[3].attr, PQ_ATTR_AS_OF);
	assert_int_equal(conj->conds[3].ranges[0].hi, date("2022-12-31"));
	assert_int_equal(conj->conds[4].symbols.n, 2);
	assert_int_equal(conj->conds[4].symbols.at[0], 0);
	assert_int_equal(conj->conds[5].op, PQ_OP_EXISTS);
	const struct pq_conj *inner = &conj->conds[5].inner->conjs[0];
	assert_int_equal(inner->n, 4);
	assert_int_equal(inner->conds[0].attr, pq_model_attr(model, "party.role"));
	assert_int_equal(inner->conds[3].attr, pq_model_attr(model, "home"));
}

/* (EAR99 or 600 and published) and (EAR99 or published) and (not D:5 or not B): what contradicts itself is gone. */
static void
test_alternatives(void **state)
{
	const struct pq_rule *both = rule("alternatives");
	const struct pq_cond *neg = &rule("neg")->when.conjs[0].conds[0];
	const struct pq_rule *neg2 = rule("neg2");

	(void)state;
	assert_int_equal(both->when.n, 6);
	assert_int_equal(both->when.conjs[0].conds[both->when.conjs[0].n - 1].op, PQ_OP_NONE);
	assert_int_equal(both->jurisdiction, PQ_NO_INDEX);
	assert_int_equal(neg->op, PQ_OP_EXISTS);
	assert_int_equal(neg->inner->n, 1);
	assert_int_equal(neg2->when.conjs[0].conds[0].op, PQ_OP_EXISTS);
	assert_int_equal(neg2->when.conjs[0].conds[0].inner->n, 2);
	assert_int_equal(neg2->when.conjs[0].conds[0].inner->conjs[0].conds[0].op, PQ_OP_NONE);
}

static void
test_other_kinds(void **state)
{
	(void)state;
	assert_int_equal(rule("excl")->excludes_reasons.at[0], symbol("reason", "AT"));
	assert_string_equal(rule("excl")->excludes_rules.at[0], "re*");
	assert_true(rule("lvs")->considered_always);
	assert_string_equal(rule("lvs")->shown_as, "LVS");
	assert_string_equal(rule("gov")->shown_as, "GOV");
	assert_true(rule("gov")->overcomes_all);
	assert_int_equal(rule("gov")->claimed_by.at[0], pq_model_attr(model, "published"));
	assert_int_equal(rule("bar")->bars.mode, PQ_BARS_ALL_BUT);
	assert_string_equal(rule("proh")->text, "no");
	assert_true(rule("rev")->has_unless_shown);
	assert_false(rule("duty")->has_unless_shown);
	assert_string_equal(rule("duty")->obligation, "EEI");
	assert_int_equal(model->jurisdictions[0].release_by, pq_model_attr(model, "nationality"));
	assert_int_equal(model->jurisdictions[1].fixed, PQ_OUTCOME_NOT_SUBJECT);
	assert_int_equal(model->n_cases, 2);
	assert_string_equal(model->cases[1].id, "c2");
	assert_int_equal(model->cases[1].src.line, 3);
}

static void
test_covers(void **state)
{
	const struct pq_cond *before = &rule("p.covers.before")->when.conjs[0].conds[0];
	const struct pq_cond *grace = &rule("p.covers.grace")->when.conjs[0].conds[0];
	const struct pq_cond *after = &rule("p.covers.after")->when.conjs[0].conds[0];

	(void)state;
	assert_int_equal(before->ranges[0].hi, date("2019-12-31"));
	assert_int_equal(grace->ranges[0].lo, date("2026-09-02"));
	assert_int_equal(grace->ranges[0].hi, date("2026-09-11"));
	assert_int_equal(after->ranges[0].lo, date("2026-09-12"));
	assert_int_equal(rule("p.covers.after")->kind, PQ_KIND_REFER);
	assert_int_equal(rule("p.covers.grace")->kind, PQ_KIND_WARNING);
	assert_int_equal(rule("p.covers.after")->jurisdiction, symbol("jurisdiction", "EAR"));
	assert_int_equal(rule("p.covers.after")->src.line, 4);
}

static void
test_names_and_paths(void **state)
{
	(void)state;
	assert_true(pq_exception_covers("GOV(b)", "GOV(b)"));
	assert_true(pq_exception_covers("GOV(b)", "GOV(b)(2)(ii)"));
	assert_true(pq_exception_covers("STA", "STA(c)(1)"));
	assert_false(pq_exception_covers("GOV(b)(2)", "GOV(b)"));
	assert_false(pq_exception_covers("ST", "STA(c)(1)"));
	assert_int_equal(pq_path_relate("a.2", "a.2"), PQ_PATH_COVERS);
	assert_int_equal(pq_path_relate("a", "a.2"), PQ_PATH_COVERS);
	assert_int_equal(pq_path_relate("a.2", "a"), PQ_PATH_BELOW);
	assert_int_equal(pq_path_relate("a.2", ""), PQ_PATH_BELOW);
	assert_int_equal(pq_path_relate("a.2", "a.20"), PQ_PATH_APART);
	assert_int_equal(pq_path_relate("a", "b"), PQ_PATH_APART);
}

/* Wherever memory ends, the run ends with PQ_ENOMEM and leaves what it was given untouched. */
static void
test_memory(void **state)
{
	size_t n = sizeof(files) / sizeof(files[0]), used = arena.used, failed = 0;

	(void)state;
	for (size_t limit = 0; limit < used; limit += used / 200 + 1) {
		struct pq_arena small;
		struct pq_model *none = NULL;
		struct pq_findings findings = {0};
		struct pq_err err;

		pq_arena_init(&small, limit);
		assert_int_equal(pq_model_load(files, n, &small, &none, &findings, &err), PQ_ENOMEM);
		assert_null(none);
		failed++;
		pq_arena_release(&small);
	}
	assert_true(failed > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domains),     cmocka_unit_test(test_facts),       cmocka_unit_test(test_tables),
		cmocka_unit_test(test_derive),      cmocka_unit_test(test_requirement), cmocka_unit_test(test_alternatives),
		cmocka_unit_test(test_other_kinds), cmocka_unit_test(test_covers),      cmocka_unit_test(test_names_and_paths),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

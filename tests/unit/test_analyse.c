/*
 * The static analysis: for each kind of finding a rule that is found, and beside it one that all but is and must not be.
 * Each case adds its rules to a small pack; what is expected are all findings of that kind, by the rule at fault.
 */
#include "policy/analyse.h"
#include "policy/compile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off */
static const char head[] = "pack: p\ntitle: P\nedition: 2026-01-01\ncovers: { from: 2020-01-01, to: 2026-01-01 }\n";

static const char decls[] =
	"domains:\n"
	"  country: { symbols_of: [{ table: t, column: iso }] }\n"
	"  group: { symbols: [A, B] }\n"
	"  color: { symbols: [red, green, blue] }\n"
	"  entry: { symbols: [E1, E2, E3] }\n"
	"  role: { symbols: [end_user, other] }\n"
	"  authority: { symbols: [BIS] }\n"
	"  reason: { symbols: [NS, AT] }\n"
	"  exception: { symbols: [LVS, GOV, STA] }\n"
	"tables:\n"
	"  - { name: t, file: tables/t.csv, cite: c, edition: 2026-01-01,\n"
	"      columns: { iso: { type: symbol, domain: country }, groups: { type: symbols, domain: group } } }\n"
	"  - { name: u, file: tables/u.csv, cite: c, edition: 2026-01-01,\n"
	"      columns: { entry: { type: symbol, domain: entry }, controlled: { type: bool } } }\n"
	"jurisdictions: [{ name: EAR, available: LICENSE_EXCEPTION_AVAILABLE }, { name: NO, fixed: NOT_SUBJECT }]\n"
	"release: { fact: color, values: [blue], replaces: to }\n"
	"facts:\n"
	"  - { name: to, type: symbol, domain: country }\n"
	"  - { name: color, type: symbol, domain: color }\n"
	"  - { name: value, type: number, min: 0 }\n"
	"  - { name: code, type: code, domain: entry, path: path }\n"
	"  - { name: good, type: bool }\n"
	"  - { name: party.role, type: symbol, domain: role }\n"
	"  - { name: party.bad, type: bool }\n"
	"  - { name: party.worse, type: bool }\n"
	"attributes:\n"
	"  - { name: groups, type: symbols, domain: group }\n"
	"  - { name: controlled, type: bool }\n"
	"  - { name: picked, type: symbol, domain: color }\n"
	"  - { name: both, type: bool }\n"
	"  - { name: asked, type: bool, said: [value, good] }\n";

static const char t_csv[] = "iso,groups,valid_from,valid_to\nFR,A,,\nDE,A;B,,2024-01-01\nDE,A,2024-01-01,\nRU,B,,\n";
static const char u_csv[] = "entry,controlled\nE1,true\nE2,true\nE3,false\n";

#define R(id, more) "- { id: " id ", kind: requirement, cite: c, authority: BIS, reason: NS" more " }\n"
#define X(id, more) "- { id: " id ", kind: exception, cite: c, considered: always, overcomes: [NS], exception: " more " }\n"
#define D(id, more) "- { id: " id ", kind: derive, cite: c, " more " }\n"
#define BASE \
	"- { id: law, kind: jurisdiction, cite: c, jurisdiction: EAR }\n" \
	D("g", "attribute: groups, lookup: { table: t, where: { iso: to }, take: groups }") \
	D("k", "attribute: controlled, lookup: { table: u, where: { entry: code }, take: controlled }")

struct expectation {
	const char *name;
	enum pq_analysis_kind kind;
	const char *rules;
	const char *expect; /* beginnings of the texts behind "kind: ", one a line */
};

static const struct expectation cases[] = {
	/* shadowed: a wider condition, the same reason */
	{"within", PQ_ANALYSIS_SHADOWED,
	 R("wide", ", when: { color: [red, green] }") R("narrow", ", when: { color: [red], value: \"> 5\" }"),
	 "the requirement \"narrow\" changes no outcome: wherever it holds, \"wide\" (p/rules/a.yaml:4)\n"},
	{"not within", PQ_ANALYSIS_SHADOWED,
	 R("wide", ", when: { color: [red, green], value: \"> 5\" }") R("narrow", ", when: { color: [red], value: \">= 5\" }"), ""},
	{"other effect", PQ_ANALYSIS_SHADOWED,
	 R("wide", ", allows: [GOV], when: { color: [red] }") R("narrow", ", when: { color: [red] }"), ""},
	/* dates: stays and ends count */
	{"days within", PQ_ANALYSIS_SHADOWED,
	 R("wide", ", from: 2021-01-01, when: { color: [red] }") R("narrow", ", from: 2022-01-01, when: { color: [red] }"),
	 "the requirement \"narrow\" changes no outcome\n"},
	{"days stayed", PQ_ANALYSIS_SHADOWED,
	 R("wide", ", from: 2021-01-01, stays: [{ from: 2023-01-01, to: 2023-01-02, cite: c }], when: { color: [red] }")
	 R("narrow", ", from: 2022-01-01, when: { color: [red] }"), ""},
	/* two alternatives of one rule cover it together */
	{"in pieces", PQ_ANALYSIS_SHADOWED,
	 R("pieces", ", when: { any: [{ value: \"< 10\", good: true }, { value: \">= 7\", good: true }] }")
	 R("whole", ", when: { good: true, value: \"> 1\" }"), "the requirement \"whole\" changes no outcome\n"},
	/* what is said at all is no value of a fact */
	{"what is said", PQ_ANALYSIS_SHADOWED,
	 D("q", "attribute: both, set: true, when: { asked: false, color: [red] }")
	 R("one", ", when: { both: true }") R("two", ", when: { good: true }"), ""},
	{"a gap between the pieces", PQ_ANALYSIS_SHADOWED,
	 R("pieces", ", when: { any: [{ value: \"< 7\", good: true }, { value: \"> 7\", good: true }] }")
	 R("whole", ", when: { good: true, value: \"> 1\" }"), ""},
	/* two that say the same: the later one */
	{"twins", PQ_ANALYSIS_SHADOWED, R("first", ", when: { good: true }") R("second", ", when: { good: true }"),
	 "the requirement \"second\" changes no outcome: wherever it holds, \"first\"\n"},
	/* through a table: those in A but not in B on a day are in A */
	{"by the table", PQ_ANALYSIS_SHADOWED,
	 R("groups", ", when: { groups: [A] }") R("names", ", when: { to: [FR, DE] }"),
	 "the requirement \"names\" changes no outcome\n"},
	{"by the table on all days", PQ_ANALYSIS_SHADOWED,
	 R("groups", ", when: { groups: [B] }") R("names", ", when: { to: [RU, DE] }"),
	 "the requirement \"groups\" changes no outcome\n"},
	{"by the table on those days", PQ_ANALYSIS_SHADOWED,
	 R("groups", ", when: { groups: [B] }") R("names", ", to: 2024-01-01, when: { to: [RU, DE] }"),
	 "the requirement \"names\" changes no outcome\n"},
	/* elements: one party that is both is one that is bad */
	{"parties", PQ_ANALYSIS_SHADOWED,
	 R("one", ", when: { any_party: { bad: true } }") R("two", ", when: { any_party: { bad: true, worse: true } }"),
	 "the requirement \"two\" changes no outcome\n"},
	{"other parties", PQ_ANALYSIS_SHADOWED,
	 R("one", ", when: { any_party: { bad: true, worse: true } }")
	 R("two", ", when: { all: [{ any_party: { bad: true } }, { any_party: { worse: true } }] }"),
	 "the requirement \"one\" changes no outcome\n"},
	{"no parties", PQ_ANALYSIS_SHADOWED,
	 R("one", ", when: { no_party: { bad: true, worse: true } }") R("two", ", when: { no_party: { bad: true } }"),
	 "the requirement \"two\" changes no outcome\n"},
	/* an exclusion that takes only the wider one away */
	{"excluded apart", PQ_ANALYSIS_SHADOWED,
	 R("wide", "") R("narrow", ", when: { color: [red] }")
	 "- { id: x, kind: exclusion, cite: c, excludes: { rules: [wide] }, when: { good: true } }\n", ""},
	/* sources of attributes */
	{"a source", PQ_ANALYSIS_SHADOWED,
	 D("s1", "attribute: picked, set: red, when: { good: true }") D("s2", "attribute: picked, set: blue, when: { good: true, value: \"> 1\" }"),
	 "the rule \"s2\" gives \"picked\" nothing: wherever it holds, \"s1\"\n"},
	{"a source that comes first", PQ_ANALYSIS_SHADOWED,
	 D("s1", "attribute: picked, set: red, when: { good: true }")
	 D("s2", "attribute: picked, order: -1, set: blue, when: { good: true, value: \"> 1\" }"), ""},

	/* contradictions: one order, two values, a request that meets both */
	{"one order", PQ_ANALYSIS_CONTRADICTION,
	 D("s1", "attribute: picked, set: red, when: { good: true }") D("s2", "attribute: picked, set: blue, when: { groups: [A], value: \"> 1\" }"),
	 "\"s2\" and \"s1\" (p/rules/a.yaml:4) give \"picked\" different values at the same order\n"},
	{"two orders", PQ_ANALYSIS_CONTRADICTION,
	 D("s1", "attribute: picked, set: red, when: { good: true }")
	 D("s2", "attribute: picked, order: 1, set: blue, when: { value: \"> 1\" }"), ""},
	{"apart", PQ_ANALYSIS_CONTRADICTION,
	 D("s1", "attribute: picked, set: red, when: { to: [RU] }") D("s2", "attribute: picked, set: blue, when: { groups: [A] }"), ""},
	{"apart since the row ended", PQ_ANALYSIS_CONTRADICTION,
	 D("s1", "attribute: picked, set: red, from: 2024-01-01, when: { to: [DE] }") D("s2", "attribute: picked, set: blue, when: { groups: [B] }"), ""},
	{"the day before the row ended", PQ_ANALYSIS_CONTRADICTION,
	 D("s1", "attribute: picked, set: red, from: 2023-12-31, when: { to: [DE] }") D("s2", "attribute: picked, set: blue, when: { groups: [B] }"),
	 "\"s2\" and \"s1\"\n"},
	{"laws", PQ_ANALYSIS_CONTRADICTION, "- { id: none, kind: jurisdiction, cite: c, jurisdiction: NO, when: { good: true } }\n",
	 "\"none\" and \"law\"\n"},
	/* ... and a requirement that is excluded wherever it holds */
	{"excluded", PQ_ANALYSIS_CONTRADICTION,
	 R("r", ", when: { color: [red] }") "- { id: x, kind: exclusion, cite: c, excludes: { reasons: [NS] }, when: { color: [red, blue] } }\n",
	 "the requirement \"r\" never counts on all days: wherever it holds, \"x\" excludes it\n"},
	{"excluded in part", PQ_ANALYSIS_CONTRADICTION,
	 R("r", ", when: { color: [red, green] }") "- { id: x, kind: exclusion, cite: c, excludes: { reasons: [NS] }, when: { color: [red, blue] } }\n", ""},
	{"another reason excluded", PQ_ANALYSIS_CONTRADICTION,
	 R("r", ", when: { color: [red] }") "- { id: x, kind: exclusion, cite: c, excludes: { reasons: [AT] }, when: { color: [red, blue] } }\n", ""},

	/* exceptions */
	{"barred", PQ_ANALYSIS_NEVER_USABLE,
	 R("r", "") X("e", "LVS, when: { groups: [B] }")
	 "- { id: b, kind: restriction, cite: c, bars: { all_but: [GOV] }, when: { to: [RU, DE] } }\n",
	 "the exception \"e\": wherever it is open, something bars it (\"b\", p/rules/a.yaml:6)\n"},
	{"spared", PQ_ANALYSIS_NEVER_USABLE,
	 R("r", "") X("e", "GOV, when: { groups: [B] }")
	 "- { id: b, kind: restriction, cite: c, bars: { all_but: [GOV] }, when: { to: [RU, DE] } }\n", ""},
	{"barred in part", PQ_ANALYSIS_NEVER_USABLE,
	 R("r", "") X("e", "LVS, when: { groups: [A] }")
	 "- { id: b, kind: restriction, cite: c, bars: all, when: { to: [RU, DE] } }\n", ""},
	{"barred by two", PQ_ANALYSIS_NEVER_USABLE,
	 R("r", "") X("e", "LVS")
	 "- { id: b1, kind: restriction, cite: c, bars: all, when: { good: true } }\n"
	 "- { id: b2, kind: restriction, cite: c, bars: [LVS], when: { good: false } }\n",
	 "the exception \"e\": wherever it is open, something bars it\n"},
	{"forbidden", PQ_ANALYSIS_NEVER_USABLE,
	 R("r", "") X("e", "LVS, when: { value: \"> 5\" }") "- { id: p, kind: prohibition, cite: c, text: t, when: { value: \"> 4\" } }\n",
	 "the exception \"e\": wherever it is open, something bars it (\"p\"\n"},
	{"of no help", PQ_ANALYSIS_NEVER_USABLE, R("r", ", when: { to: [RU] }") X("e", "LVS, when: { groups: [A] }"),
	 "the exception \"e\": no requirement that it overcomes ever arises where it is open\n"},
	{"of help while the row lasted", PQ_ANALYSIS_NEVER_USABLE,
	 R("r", ", when: { groups: [B] }") X("e", "LVS, when: { groups: [A] }"), ""},
	{"of help by name alone", PQ_ANALYSIS_NEVER_USABLE,
	 R("r", ", allows: [STA]") X("e", "LVS") X("f", "STA"),
	 "the exception \"e\": wherever it is open, something bars it (\"r\"\n"},

	/* combinations */
	{"nothing speaks of", PQ_ANALYSIS_UNSPOKEN,
	 R("r", ", when: { controlled: true, groups: [B] }") "- { id: w, kind: warning, cite: c, text: t, when: { code: [E3] } }\n",
	 "code (2): E1, E2; to (1): FR; on all days\n"
	 "code (2): E1, E2; to (1): DE; on some days, the first 2024-01-01\n"
	 "code (1): E3; to (3): all; on all days\n"},
	{"all is spoken of", PQ_ANALYSIS_UNSPOKEN,
	 R("r", ", when: { to: { none_of: [FR] } }") R("s", ", when: { code: [E1, E2, E3] }"), ""},
	{"said of any", PQ_ANALYSIS_UNSPOKEN, R("r", ", when: { good: true }"), "code (3): all; to (3): all; on all days\n"},
};
/* clang-format on */

static struct pq_arena arena;
static struct pq_dated *dated;
static size_t n_dated;

static bool
analyse(const char *rules, struct pq_analysis *ret)
{
	const struct pq_pack_file files[] = {
		{"p/pack.yaml", head, strlen(head)},           {"p/decls.yaml", decls, strlen(decls)},
		{"p/tables/t.csv", t_csv, strlen(t_csv)},      {"p/tables/u.csv", u_csv, strlen(u_csv)},
		{"p/rules/a.yaml", rules, strlen(rules)},
	};
	struct pq_model *model = NULL;
	struct pq_findings findings = {0};
	const struct pq_blob *blobs;
	struct pq_image *image;
	struct pq_err err = {0};
	size_t n_blobs;

	if (pq_model_load(files, sizeof(files) / sizeof(files[0]), &arena, &model, &findings, &err) != PQ_OK ||
	    pq_compile(model, &arena, &blobs, &n_blobs, &err) != PQ_OK ||
	    pq_image_open(blobs, n_blobs, &image, &err) != PQ_OK) {
		fprintf(stderr, "%s:%d: %s\n", err.where, err.line, err.msg);
		return false;
	}
	enum pq_status status = pq_analyse(model, image, &arena, ret, &err);
	if (status == PQ_OK)
		status = pq_analyse_dates(model, image, PQ_DATE_MIN, PQ_DATE_MAX, &arena, &dated, &n_dated, &err);
	pq_image_close(image);
	return status == PQ_OK;
}

/* Each expected line is the beginning of a text behind the kind's name; the findings of other kinds do not matter. */
static bool
as_expected(const struct expectation *expectation, const struct pq_analysis *analysis)
{
	const char *name = pq_analysis_name(expectation->kind), *at = expectation->expect;
	size_t n = 0, len = strlen(name);

	for (size_t i = 0; i < analysis->findings.n; i++) {
		const char *text = analysis->findings.at[i].text;
		if (strncmp(text, name, len) != 0)
			continue;
		const char *end = strchr(at, '\n');
		if (end == NULL || strncmp(text + len + 2, at, (size_t)(end - at)) != 0)
			return false;
		at = end + 1;
		n++;
	}
	return *at == '\0' && n == analysis->counts[expectation->kind];
}

static void
test_findings(void **state)
{
	size_t failed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pq_analysis analysis = {0};
		char rules[8192];
		pq_arena_reset(&arena);
		snprintf(rules, sizeof(rules), "%s%s", BASE, cases[i].rules);
		if (analyse(rules, &analysis) && as_expected(&cases[i], &analysis))
			continue;
		failed++;
		fprintf(stderr, "%s: expected\n%sgot\n", cases[i].name, cases[i].expect);
		for (size_t k = 0; k < analysis.findings.n; k++)
			fprintf(stderr, "  %s:%d: %s\n", analysis.findings.at[k].src.file, analysis.findings.at[k].src.line,
			        analysis.findings.at[k].text);
	}
	assert_int_equal(failed, 0);
}

/* What may be a contradiction, but of which no request is known, is counted and not told. */
static void
test_unsettled(void **state)
{
	struct pq_analysis analysis = {0};

	(void)state;
	pq_arena_reset(&arena);
	assert_true(analyse(BASE D("b", "attribute: both, set: true, when: { good: true, color: [red] }")
	                    D("s1", "attribute: picked, set: red, when: { both: true }")
	                    D("s2", "attribute: picked, set: blue, when: { value: \"> 1\" }"), &analysis));
	assert_int_equal(analysis.counts[PQ_ANALYSIS_CONTRADICTION], 0);
	assert_int_equal(analysis.n_unsettled, 1);
}

/* Each day once for each table and rule; ends are the first day without; a table for the reader has none. */
static void
test_dates(void **state)
{
	static const struct {
		const char *day, *subject;
		enum pq_change_kind kind;
	} expected[] = {
		{"2020-01-01", "p.covers.before", PQ_CHANGE_RULE_ENDS}, {"2021-03-01", "r", PQ_CHANGE_RULE_BEGINS},
		{"2022-01-01", "r", PQ_CHANGE_RULE_ENDS},              {"2022-01-03", "r", PQ_CHANGE_RULE_BEGINS},
		{"2024-01-01", "t", PQ_CHANGE_ROW_BEGINS},             {"2024-01-01", "t", PQ_CHANGE_ROW_ENDS},
		{"2026-01-02", "p.covers.after", PQ_CHANGE_RULE_BEGINS},
	};
	struct pq_analysis analysis = {0};

	(void)state;
	pq_arena_reset(&arena);
	assert_true(analyse(BASE R("r", ", from: 2021-03-01, stays: [{ from: 2022-01-01, to: 2022-01-03, cite: c }]"),
	                    &analysis));
	assert_int_equal(n_dated, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < n_dated; i++) {
		char day[16];
		pq_date_format(dated[i].date, day, sizeof(day));
		assert_string_equal(day, expected[i].day);
		assert_string_equal(dated[i].subject, expected[i].subject);
		assert_int_equal(dated[i].kind, expected[i].kind);
	}
}

static int
setup(void **state)
{
	(void)state;
	pq_arena_init(&arena, (size_t)64 << 20);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pq_arena_release(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_unsettled),
		cmocka_unit_test(test_dates),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/*
 * What packs can get wrong, each told at its place. A case takes a good pack and puts one text in the place of one of its
 * files, or adds a file; what is expected is the beginning of one finding, as `pratique check` prints it.
 */
#include "tests/support/load_packs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off */
#define HEAD "pack: p\ntitle: P\nedition: 2026-01-01\n"

static const struct pq_pack_file base[] = {
#define FILE_OF(path, text) {path, text, sizeof(text) - 1}
	FILE_OF("p/pack.yaml", HEAD),
	FILE_OF("p/decls.yaml",
	        "domains:\n"
	        "  country: { symbols_of: [{ table: t, column: iso }] }\n"
	        "  color: { symbols: [red, green] }\n"
	        "  authority: { symbols: [BIS] }\n"
	        "  reason: { symbols: [NS, AT] }\n"
	        "  exception: { symbols: [LVS, GOV(a)] }\n"
	        "attributes:\n"
	        "  - { name: colors, type: symbols, domain: color }\n"
	        "  - { name: flag, type: bool }\n"
	        "  - { name: limit, type: number }\n"
	        "jurisdictions: [{ name: EAR, available: LICENSE_EXCEPTION_AVAILABLE }]\n"),
	FILE_OF("p/facts.yaml",
	        "facts:\n"
	        "  - { name: to, type: symbol, domain: country }\n"
	        "  - { name: color, type: symbol, domain: color }\n"
	        "  - { name: value, type: number, min: 0 }\n"
	        "  - { name: code, type: code, domain: color, path: path }\n"
	        "  - { name: words, type: text }\n"
	        "  - { name: party.role, type: symbol, domain: color }\n"
	        "  - { name: party.bad, type: bool }\n"),
	FILE_OF("p/amendments.yaml", "amendments: [{ id: am, effective: 2024-01-01, cite: x }]\n"),
	FILE_OF("p/tables.yaml",
	        "tables:\n"
	        "  - { name: t, file: tables/t.csv, cite: c, edition: 2026-01-01,\n"
	        "      columns: { iso: { type: symbol, domain: country }, n: { type: number }, p: { type: path } } }\n"),
	FILE_OF("p/tables/t.csv", "iso,n,p,valid_from,valid_to,if\nUS,1,,,,\nNO,2,.a .b,2020-01-01,,flag\n"),
	FILE_OF("p/rules/a.yaml",
	        "- { id: l, kind: derive, cite: c, attribute: limit, lookup: { table: t, where: { iso: to }, take: n } }\n"
	        "- { id: f, kind: derive, cite: c, attribute: flag, set: true, when: { value: \"> 1\", code: red } }\n"
	        "- { id: c, kind: derive, cite: c, attribute: colors, set: red, when: { color: red, any_party: { bad: true, role: red } } }\n"
	        "- { id: r, kind: requirement, cite: c, authority: BIS, reason: NS, when: { flag: true, limit: \"> 0\", colors: red } }\n"
	        "- { id: e, kind: exception, cite: c, exception: LVS, overcomes: [NS], when: { path: .a } }\n"),
	FILE_OF("p/rules/b.yaml", "- { id: w, kind: warning, cite: c, text: t, when: { flag: true } }\n"),
};
#define N_BASE (sizeof(base) / sizeof(base[0]))

struct wrong {
	const char *file, *text;
	const char *expect;
};

#define B "p/rules/b.yaml"
#define R "- { id: x, kind: requirement, cite: c, authority: BIS, reason: NS, when: { "
#define W "- { id: x, kind: warning, cite: c, text: t, when: { "
#define D "- { id: x, kind: derive, cite: c, "

#define READER_COLUMNS(type) \
	"columns: { iso: { type: symbol, domain: country }, n: { type: " type " }, p: { type: path } } }]\n"
#define READER(rules, type) \
	"tables: [{ name: u, file: tables/t.csv, reference: true, " rules ", cite: c, " READER_COLUMNS(type)

static const struct wrong wrongs[] = {
	/* YAML and its shape */
	{B, "- { id: w\n", "p/rules/b.yaml:2:1: error: did not find expected ',' or '}'"},
	{B, "- { id: w, id: v }\n", "p/rules/b.yaml:1:12: error: the key \"id\" stands here twice"},
	{B, "id: w\n", "p/rules/b.yaml:1:1: error: a file of rules is a list of rules"},
	{B, "- word\n", "p/rules/b.yaml:1:3: error: a rule must be a mapping"},
	{"p/pack.yaml", "pack: q\nedition: 2026-01-01\n", "p/pack.yaml:1:7: error: \"pack\" must be the name of the folder, p"},
	{"p/pack.yaml", HEAD "color: red\n", "p/pack.yaml:4:1: error: pack.yaml has no key \"color\""},
	{"p/pack.yaml", "pack: p\n", "p/pack.yaml:1:1: error: needs an edition"},
	{"p/pack.yaml", HEAD "covers: { from: 2020-02-30 }\n", "p/pack.yaml:4:17: error: from must be a date that exists"},
	{"p/pack.yaml", HEAD "covers: { from: 2021-01-01, to: 2020-01-01 }\n", "p/pack.yaml:4:9: error: covers no day"},
	{"p/pack.yaml", HEAD "needs: [us]\n", "p/pack.yaml:4:9: error: the pack \"us\" is needed"},
	{"p/pack.yaml", HEAD "jurisdiction: EUR\n",
	 "p/pack.yaml:4:15: error: no symbol \"EUR\" in the domain jurisdiction; do you mean \"EAR\"?"},
	{"p/more.yaml", "pakc: p\n", "p/more.yaml:1:1: error: a file of declarations has no key \"pakc\""},

	/* domains and symbols */
	{"p/more.yaml", "domains: { color: { symbols: [Red] } }\n",
	 "p/more.yaml:1:31: error: the symbol \"Red\" differs from \"red\" of the domain color in case or spaces only"},
	{"p/more.yaml", "domains: { d: { symbols: [\"D:5\", \"D: 5\"] } }\n",
	 "p/more.yaml:1:34: error: the symbol \"D: 5\" differs from \"D:5\""},
	{"p/more.yaml", "domains: { d: { symbols: [a, a] } }\n", "p/more.yaml:1:30: error: the symbol \"a\" stands in this list twice"},
	{"p/more.yaml", "domains: { bool: { symbols: [maybe] } }\n", "p/more.yaml:1:12: error: the domain bool is the engine's own"},
	{"p/more.yaml", "domains: { d: { symbols_of: [{ table: u, column: iso }] } }\n",
	 "p/more.yaml:1:39: error: no table \"u\""},
	{"p/more.yaml", "domains: { d: { symbols_of: [{ table: t, column: x }] } }\n",
	 "p/more.yaml:1:50: error: the table t has no column \"x\""},
	{"p/more.yaml", "domains: { d: { symbols_of: [{ table: t, column: iso }] } }\n",
	 "p/more.yaml:1:30: error: the column iso of t has another type or domain"},
	{"p/tables/t.csv", "iso,n,p\nUS,1,\nus,2,\n", "p/tables/t.csv:3:1: error: the symbol \"us\" differs from \"US\""},

	/* facts and attributes */
	{"p/more.yaml", "facts: [{ name: to, type: bool }]\n", "p/more.yaml:1:17: error: \"to\" is declared already, at p/facts.yaml:2"},
	{"p/more.yaml", "facts: [{ name: as_of, type: bool }]\n", "p/more.yaml:1:17: error: \"as_of\" exists without being declared"},
	{"p/more.yaml", "facts: [{ name: x, type: boolean }]\n", "p/more.yaml:1:26: error: needs a type"},
	{"p/more.yaml", "facts: [{ name: x, type: symbol }]\n", "p/more.yaml:1:9: error: type symbol needs a domain"},
	{"p/more.yaml", "facts: [{ name: x, type: symbol, domain: colour }]\n",
	 "p/more.yaml:1:42: error: no domain \"colour\"; do you mean \"color\"?"},
	{"p/more.yaml", "facts: [{ name: x, type: bool, silence: maybe }]\n", "p/more.yaml:1:41: error: must be true or false"},
	{"p/more.yaml", "facts: [{ name: x, type: bool, silence: none }]\n", "p/more.yaml:1:41: error: must be true or false"},
	{"p/more.yaml", "facts: [{ name: x, type: number, silence: 1.23456 }]\n", "p/more.yaml:1:43: error: \"1.23456\" is no number"},
	{"p/more.yaml", "facts: [{ name: x, type: bool, silence: [{ copy: value }] }]\n",
	 "p/more.yaml:1:50: error: \"value\" has another type or domain than \"x\""},
	{"p/more.yaml", "facts: [{ name: x, type: bool, silence: [{ value: true }, { value: false }] }]\n",
	 "p/more.yaml:1:59: error: never reached"},
	{"p/more.yaml", "facts: [{ name: x, type: bool, required: true, silence: false }]\n",
	 "p/more.yaml:1:57: error: a required fact cannot be silent"},
	{"p/more.yaml", "attributes: [{ name: x, type: bool, recorded: true }]\n",
	 "p/more.yaml:1:37: error: an attribute has no key \"recorded\""},
	{"p/more.yaml", "facts: [{ name: x, type: number, min: 2, max: 1 }]\n", "p/more.yaml:1:47: error: no value lies between"},
	{"p/more.yaml", "facts: [{ name: x, type: bool, path: y }]\n", "p/more.yaml:1:38: error: only a code has separator"},
	{"p/more.yaml", "facts: [{ name: x, type: code, domain: color, marks: { prefixes: [F-], sets: value } }]\n",
	 "p/more.yaml:1:78: error: \"value\" must be a fact of type bool"},
	{"p/more.yaml", "attributes: [{ name: saved.x, type: bool }]\n", "p/more.yaml:1:22: error: names that begin with"},
	{"p/more.yaml", "attributes: [{ name: \"a b\", type: bool }]\n", "p/more.yaml:1:22: error: \"a b\" cannot be a name"},

	/* tables */
	{"p/tables/t.csv", "iso,n,p\nUS,1\n", "p/tables/t.csv:2:4: error: a row of 2 cells where the header has 3"},
	{"p/tables/t.csv", "iso,n,p\nUS,1,,4\n", "p/tables/t.csv:2:7: error: a row of 4 cells where the header has 3"},
	{"p/tables/t.csv", "iso,n,p\n\n", "p/tables/t.csv:2:1: error: a row of 1 cell where the header has 3"},
	{"p/tables/t.csv", "iso,n,p,q\n", "p/tables/t.csv:1:9: error: the column \"q\" is not declared"},
	{"p/tables/t.csv", "iso,n\n", "p/tables.yaml:3:79: error: the file p/tables/t.csv has no column \"p\""},
	{"p/tables/t.csv", "iso,n,p,n\n", "p/tables/t.csv:1:9: error: the column \"n\" is here twice"},
	{"p/tables/t.csv", "iso,n,p\nUS,x,\n", "p/tables/t.csv:2:4: error: \"x\" is no number"},
	{"p/tables/t.csv", "iso,n,p\nUS,1,a/b\n", "p/tables/t.csv:2:6: error: \"a/b\" is no path"},
	{"p/tables/t.csv", "iso,n,p\nUS,1,.c-.a\n", "p/tables/t.csv:2:6: error: \".c-.a\" is no range"},
	{"p/tables/t.csv", "iso,n,p\nUS,1,.a.1-.b.2\n", "p/tables/t.csv:2:6: error: \".a.1-.b.2\" is no range"},
	{"p/tables/t.csv", "iso,n,p\nUS,1,except\n", "p/tables/t.csv:2:6: error: \"except\" names no path"},
	{"p/tables/t.csv", "iso,n,p,valid_from,valid_to\nUS,1,,2021-01-01,2021-01-01\n",
	 "p/tables/t.csv:2:1: error: a row that is never in force"},
	{"p/tables/t.csv", "iso,n,p,valid_from\nUS,1,,2021-02-29\n", "p/tables/t.csv:2:7: error: \"2021-02-29\" is no date"},
	{"p/tables/t.csv", "iso,n,p,amendment\nUS,1,,an\n", "p/tables/t.csv:2:7: error: no amendment \"an\"; do you mean \"am\"?"},
	{"p/tables/t.csv", "iso,n,p,if\nUS,1,,value\n", "p/tables/t.csv:2:7: error: \"value\" is no bool"},
	{"p/tables/t.csv", "iso,n,p,if\nUS,1,,!party.bad\n", "p/tables/t.csv:2:7: error: \"party.bad\" belongs to one party"},
	{"p/tables/t.csv", "iso,n,p\nUS,1,\"a\n", "p/tables/t.csv:2:6: error: a quote that is never closed"},
	{"p/tables/t.csv", "iso,n,p\nUS,1,\xFF\n", "p/tables/t.csv:2:6: error: not UTF-8"},
	{"p/tables/t.csv", "", "p/tables/t.csv:1:1: error: an empty file"},
	{"p/tables/t.csv", "iso,n,p,valid_to\nUS,1,,\nUS,1,,2021-01-01\n",
	 "p/tables/t.csv:3:1: error: on some days both this row and line 2 are in force, and they say the same"},
	{"p/tables/t.csv", "iso,n,p,valid_from,valid_to\nUS,1,,2020-01-01,2021-01-02\nUS,2,,2021-01-01,\n",
	 "p/tables/t.csv:3:1: error: on some days both this row and line 2 are in force, and the rule \"l\" cannot tell which \"n\""},
	{"p/more.yaml", READER("rules: n", "text"), "p/tables/t.csv:2:4: error: no rule \"1\""},
	{"p/more.yaml", READER("rules: m", "text"), "p/more.yaml:1:65: error: the table u has no column \"m\""},
	{"p/more.yaml", READER("rules: n", "number"),
	 "p/more.yaml:1:65: error: the ids of rules stand in a column of type text"},
	{"p/more.yaml", "tables: [{ name: u, file: tables/t.csv, cite: c, rules: n, " READER_COLUMNS("text"),
	 "p/more.yaml:1:57: error: only a table with \"reference: true\" lists rules"},
	{"p/tables.yaml",
	 "tables:\n"
	 "  - { name: t, reference: true, file: tables/t.csv, cite: c, edition: 2026-01-01,\n"
	 "      columns: { iso: { type: symbol, domain: country }, n: { type: number }, p: { type: path } } }\n",
	 "p/rules/a.yaml:1:70: error: the table \"t\" is for the reader"},
	{"p/more.yaml", "tables: [{ name: u, file: tables/u.csv, columns: { a: { type: text } } }]\n",
	 "p/more.yaml:1:27: error: no file \"tables/u.csv\" in this pack"},
	{"p/zoo.yaml", "tables: [{ name: t, file: tables/t.csv, columns: { a: { type: text } } }]\n",
	 "p/zoo.yaml:1:18: error: the table \"t\" is declared already, at p/tables.yaml:2"},
	{"p/more.yaml", "tables: [{ name: u, file: tables/t.csv, columns: { cite: { type: text } } }]\n",
	 "p/more.yaml:1:52: error: \"cite\" is a special column"},
	{"p/tables.yaml",
	 "tables:\n  - { name: t, file: tables/t.csv,\n"
	 "      columns: { iso: { type: symbol, domain: country }, n: { type: number }, p: { type: path } } }\n",
	 "p/tables/t.csv:2:1: error: no citation: neither this row nor the table t has one"},

	/* amendments, jurisdictions, releases, claims */
	{"p/more.yaml", "amendments: [{ id: am, effective: 2024-01-01, cite: x }]\n",
	 "p/more.yaml:1:20: error: the amendment \"am\" is declared twice"},
	{"p/more.yaml", "amendments: [{ id: b, cite: x }]\n", "p/more.yaml:1:14: error: an amendment needs the day"},
	{"p/more.yaml", "amendments: [{ id: b, effective: 2024-01-01 }]\n", "p/more.yaml:1:14: error: no citation"},
	{"p/more.yaml", "amendments: [{ id: b, effective: 2024-01-01, cite: x, savings: { when: { nothing: true } } }]\n",
	 "p/more.yaml:1:74: error: no fact or attribute \"nothing\""},
	{"p/more.yaml", "jurisdictions: [{ name: EAR, fixed: REFER }]\n", "p/more.yaml:1:25: error: the jurisdiction \"EAR\" is declared twice"},
	{"p/more.yaml", "jurisdictions: [{ name: X }]\n", "p/more.yaml:1:17: error: needs \"fixed\""},
	{"p/more.yaml", "jurisdictions: [{ name: X, fixed: MAYBE }]\n", "p/more.yaml:1:35: error: fixed must be an outcome"},
	{"p/more.yaml", "release: { fact: value, values: [red], replaces: to }\n", "p/more.yaml:1:10: error: \"fact\" and \"replaces\""},
	{"p/more.yaml", "claims: color\n", "p/more.yaml:1:9: error: claims must name a fact of type symbols, domain exception"},
	{"p/cases/c.jsonl", "{\"id\": 1}\n", "p/cases/c.jsonl:1:1: error: a case needs an \"id\""},
	{"p/cases/c.jsonl", "{\"id\": \"a\", \"request\": {}, \"expected\": {}}\n{\"id\": \"a\", \"request\": {}, \"expected\": {}}\n",
	 "p/cases/c.jsonl:2:1: error: the case \"a\" is here twice"},
	{"p/cases/c.jsonl", "\n{\"id\": }\n", "p/cases/c.jsonl:2:8: error: not a JSON object on one line"},

	/* conditions */
	{B, W "nothing: true } }\n", "p/rules/b.yaml:1:53: error: no fact or attribute \"nothing\""},
	{B, W "bad: true } }\n", "p/rules/b.yaml:1:53: error: no fact or attribute \"bad\"; do you mean \"party.bad\"?"},
	{B, W "party.bad: true } }\n", "p/rules/b.yaml:1:53: error: \"party.bad\" belongs to one party: ask it inside any_party"},
	{B, W "any_owner: { flag: true } } }\n", "p/rules/b.yaml:1:53: error: \"any_owner\" can be asked only inside a party's"},
	{B, W "any_party: { any_hit: { flag: true } } } }\n", "p/rules/b.yaml:1:66: error: \"any_hit\" cannot be asked inside"},
	{B, W "color: blue } }\n", "p/rules/b.yaml:1:60: error: no symbol \"blue\" in the domain color"},
	{B, W "color: RED } }\n", "p/rules/b.yaml:1:60: error: no symbol \"RED\" in the domain color; write \"red\""},
	{B, W "color: [] } }\n", "p/rules/b.yaml:1:60: error: an empty list: no symbol can be in it"},
	{B, W "color: { one_of: [red] } } }\n", "p/rules/b.yaml:1:62: error: a condition on symbols has no key \"one_of\""},
	{B, W "flag: yes } }\n", "p/rules/b.yaml:1:59: error: must be true or false"},
	{B, W "value: 5 } }\n", "p/rules/b.yaml:1:60: error: \"5\" is no comparison with a number"},
	{B, W "value: \"> x\" } }\n", "p/rules/b.yaml:1:60: error: \"> x\" is no comparison with a number"},
	{B, W "value: \"> 5, < 5\" } }\n", "p/rules/b.yaml:1:60: error: an empty range"},
	{B, W "value: \"< 0\" } }\n", "p/rules/b.yaml:1:51: error: this can never hold: no value of \"value\""},
	{B, W "as_of: \"> 2021-13-01\" } }\n", "p/rules/b.yaml:1:60: error: \"> 2021-13-01\" is no comparison with a date"},
	{B, W "words: x } }\n", "p/rules/b.yaml:1:53: error: \"words\" is text, which is carried along and never matched"},
	{B, W "path: [\"a b\"] } }\n", "p/rules/b.yaml:1:60: error: \"a b\" is no path"},
	{B, W "not: { value: \"> 5\" } } }\n", "p/rules/b.yaml:1:60: error: a comparison cannot stand under \"not\""},
	{B, W "any: [] } }\n", "p/rules/b.yaml:1:58: error: \"any\" needs a list of conditions"},
	{B, W "not: {} } }\n", "p/rules/b.yaml:1:58: error: a condition must be a mapping"},
	{B, W "color: { any_of: [red], none_of: [red] } } }\n", "p/rules/b.yaml:1:53: error: this can never hold"},
	{B, W "color: red, all: [{ color: green }] } }\n", "p/rules/b.yaml:1:51: error: this can never hold: no value of \"color\""},
	{B, W "color: red, any: [{ color: green }, { color: green, flag: true }] } }\n", "p/rules/b.yaml:1:51: error: this can never hold"},
	{B, W "colors: { all_of: [red], none_of: [red, green] } } }\n", "p/rules/b.yaml:1:53: error: this can never hold"},
	{B, W "path: .a, all: [{ path: { none_of: .a } }] } }\n", "p/rules/b.yaml:1:51: error: this can never hold"},
	{B, W "any_party: { bad: true, all: [{ bad: false }] } } }\n", "p/rules/b.yaml:1:64: error: this can never hold"},
	{B, R "decision.outcome: REFER } }\n", "p/rules/b.yaml:1:76: error: \"decision.outcome\" is known only after the outcome"},

	/* rules */
	{B, "- { kind: warning, cite: c, text: t }\n", "p/rules/b.yaml:1:3: error: a rule needs an id"},
	{B, "- { id: r, kind: warning, cite: c, text: t }\n", "p/rules/b.yaml:1:9: error: the id \"r\" is taken already, at p/rules/a.yaml:4"},
	{B, "- { id: x, kind: warnings, cite: c, text: t }\n", "p/rules/b.yaml:1:18: error: no kind \"warnings\"; do you mean \"warning\"?"},
	{B, "- { id: x, kind: warning, text: t }\n", "p/rules/b.yaml:1:9: error: no citation: the rule needs \"cite\""},
	{B, "- { id: x, kind: warning, cite: c, text: t, policy: REFER }\n",
	 "p/rules/b.yaml:1:45: error: a rule of kind warning has no key \"policy\""},
	{B, "- { id: x, kind: warning, cite: c, text: t, from: 2021-01-01, to: 2021-01-01 }\n", "p/rules/b.yaml:1:67: error: never in force"},
	{B, "- { id: x, kind: warning, cite: c, text: t, from: 2021-01-01, to: 2021-02-01,\n"
	    "    stays: [{ from: 2020-01-01, to: 2022-01-01, cite: s }] }\n",
	 "p/rules/b.yaml:2:12: error: never in force: the stays leave no day of it"},
	{B, "- { id: x, kind: warning, cite: c, text: t, amendment: zzzzz }\n", "p/rules/b.yaml:1:56: error: no amendment \"zzzzz\""},
	{B, "- { id: x, kind: warning, cite: c, text: t, confidence: sure }\n", "p/rules/b.yaml:1:57: error: confidence is"},
	{B, "- { id: x, kind: warning, cite: c, text: t, jurisdiction: EUR }\n", "p/rules/b.yaml:1:59: error: no symbol \"EUR\""},
	{B, "- { id: x, kind: requirement, cite: c, reason: NS }\n", "p/rules/b.yaml:1:9: error: a rule of kind requirement needs \"authority\""},
	{B, "- { id: x, kind: requirement, cite: c, authority: BIS, reason: XX }\n", "p/rules/b.yaml:1:64: error: no symbol \"XX\""},
	{B, R "flag: true }, allows: [APR] }\n", "p/rules/b.yaml:1:99: error: \"APR\" is no exception and covers none"},
	{B, R "flag: true }, review: NEVER }\n", "p/rules/b.yaml:1:98: error: no review policy \"NEVER\""},
	{B, "- { id: x, kind: exception, cite: c, exception: LVS }\n", "p/rules/b.yaml:1:9: error: overcomes nothing: no \"overcomes\""},
	{B, "- { id: x, kind: exception, cite: c, exception: LVS, overcomes: [AT] }\n", "p/rules/b.yaml:1:9: error: overcomes nothing: no requirement"},
	{B, "- { id: x, kind: exception, cite: c, exception: LVS, overcomes: [NS], claimed_by: [flag] }\n",
	 "p/rules/b.yaml:1:84: error: \"flag\" is no fact"},
	{B, "- { id: x, kind: exclusion, cite: c, excludes: { rules: [zz*] } }\n", "p/rules/b.yaml:1:9: error: excludes nothing: \"zz*\""},
	{B, "- { id: x, kind: restriction, cite: c, bars: [] }\n", "p/rules/b.yaml:1:46: error: bars nothing"},
	{B, "- { id: x, kind: review, cite: c }\n", "p/rules/b.yaml:1:9: error: a rule of kind review needs \"policy\""},

	/* derive */
	{B, D "set: true }\n", "p/rules/b.yaml:1:9: error: a rule of kind derive needs \"attribute\""},
	{B, D "attribute: flag }\n", "p/rules/b.yaml:1:9: error: a rule of kind derive needs one of"},
	{B, D "attribute: flag, set: true, copy: flag }\n", "p/rules/b.yaml:1:9: error: a rule of kind derive needs one of"},
	{B, D "attribute: value, set: 1 }\n", "p/rules/b.yaml:1:46: error: \"value\" cannot be derived: it is a fact"},
	{B, D "attribute: flag, set: false }\n", "p/rules/b.yaml:1:57: error: a bool is false unless"},
	{B, D "attribute: flag, copy: value }\n", "p/rules/b.yaml:1:58: error: \"value\" has another type or domain than \"flag\""},
	{B, D "attribute: flag, compare: { left: value, op: \"~\", right: 1 } }\n", "p/rules/b.yaml:1:80: error: op must be one of"},
	{B, D "attribute: flag, count: { party: { bad: true } } }\n", "p/rules/b.yaml:1:59: error: a count gives a number"},
	{B, D "attribute: limit, lookup: { table: t, where: { n: value }, take: n } }\n",
	 "p/rules/b.yaml:1:82: error: a lookup cannot join by a column of type number"},
	{B, D "attribute: limit, lookup: { table: t, where: { iso: color }, take: n } }\n",
	 "p/rules/b.yaml:1:87: error: \"color\" has another type or domain than the column \"iso\""},
	{B, D "attribute: limit, lookup: { table: t, where: { iso: to } } }\n",
	 "p/rules/b.yaml:1:61: error: a lookup without \"take\" gives a bool"},
	{B, D "attribute: flag, same: { left: to, right: color } }\n", "p/rules/b.yaml:1:58: error: \"to\" and \"color\" have no symbols in common"},
	{B, D "attribute: flag, set: true, when: { flag: true } }\n",
	 "p/rules/b.yaml:1:71: error: an attribute that depends on itself: flag needs flag"},
	{B, D "attribute: flag, set: true, when: { limit: \"> 1\" } }\n- { id: y, kind: derive, cite: c, attribute: limit, set: 1,\n"
	    "    when: { flag: true } }\n",
	 "p/tables/t.csv:3:1: error: an attribute that depends on itself: flag needs limit, which needs flag"},

	/* a symbol read from a text */
	{"p/more.yaml", "attributes: [{ name: read, type: symbol, domain: color, reads: { fact: words } }]\n",
	 "p/more.yaml:1:64: error: reads needs \"fact\" and \"digits\""},
	{"p/more.yaml", "attributes: [{ name: read, type: symbol, domain: color, reads: { fact: words, digits: 17 } }]\n",
	 "p/more.yaml:1:87: error: digits is a number from 1 to 16"},
	{"p/more.yaml", "attributes: [{ name: read, type: symbol, domain: color, reads: { fact: value, digits: 6 } }]\n",
	 "p/more.yaml:1:72: error: \"value\" must be a fact of type text that sits where the attribute does"},
	{"p/more.yaml", "attributes: [{ name: read, type: bool, reads: { fact: words, digits: 6 } }]\n",
	 "p/more.yaml:1:47: error: only a symbol is read from a text"},
	{"p/more.yaml", "attributes: [{ name: read, type: bool, said: value, reads: { fact: words, digits: 6 } }]\n",
	 "p/more.yaml:1:60: error: an attribute has \"said\" or \"reads\", not both"},

	/* warnings */
	{"p/more.yaml", "attributes: [{ name: idle, type: bool }]\n", "p/more.yaml:1:22: warning: nothing uses the attribute \"idle\""},
	{"p/more.yaml", "attributes: [{ name: idle, type: bool }]\n", "p/more.yaml:1:22: warning: no rule derives the attribute \"idle\""},
	{"p/more.yaml", "facts: [{ name: idle, type: bool }]\n", "p/more.yaml:1:17: warning: nothing uses the fact \"idle\""},
	{"p/more.yaml",
	 "facts: [{ name: kept, type: bool, recorded: true }]\nattributes: [{ name: said, type: bool, said: kept }]\n",
	 "p/more.yaml:2:46: warning: the fact \"kept\" is kept for the record only, and is used here all the same"},
	{"p/tables/u.csv", "a\n", "p/tables/u.csv:1:0: warning: no table has this file"},
	{"p/facts.yml", "facts: []\n", "p/facts.yml:0:0: warning: not read: files of packs end in .yaml"},
};

/* clang-format on */

static struct pq_arena arena;
static struct pq_findings findings;
static struct pq_err err;

static enum pq_status
load(const struct pq_pack_file *files, size_t n)
{
	struct pq_model *model = NULL;

	pq_arena_reset(&arena);
	findings = (struct pq_findings){0};
	err = (struct pq_err){0};
	enum pq_status status = pq_model_load(files, n, &arena, &model, &findings, &err);
	assert_true((status == PQ_OK) == (model != NULL));
	assert_true((status == PQ_OK) == (findings.n_errors == 0));
	return status;
}

static size_t
with(struct pq_pack_file *files, const struct wrong *wrong)
{
	size_t n = N_BASE, at = N_BASE;

	memcpy(files, base, sizeof(base));
	for (size_t i = 0; i < N_BASE; i++) {
		if (strcmp(files[i].path, wrong->file) == 0)
			at = i;
	}
	if (at == N_BASE)
		n++;
	files[at] = (struct pq_pack_file){wrong->file, wrong->text, strlen(wrong->text)};
	return n;
}

static void
format(const struct pq_finding *finding, char *text, size_t size)
{
	snprintf(text, size, "%s:%d:%d: %s: %s", finding->src.file, finding->src.line, finding->src.column,
	         finding->severity == PQ_SEVERITY_ERROR ? "error" : "warning", finding->text);
}

static void
test_base(void **state)
{
	(void)state;
	enum pq_status status = load(base, N_BASE);
	pq_test_print_findings(&findings);
	assert_int_equal(status, PQ_OK);
	assert_int_equal(findings.n, 0);
}

static void
test_wrong(void **state)
{
	size_t failed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		struct pq_pack_file files[N_BASE + 1];
		const struct wrong *wrong = &wrongs[i];
		char text[1024];
		bool found = false;

		size_t n = with(files, wrong);
		(void)load(files, n);
		for (size_t f = 0; f < findings.n && !found; f++) {
			format(&findings.at[f], text, sizeof(text));
			found = strncmp(text, wrong->expect, strlen(wrong->expect)) == 0;
		}
		if (!found) {
			fprintf(stderr, "expected %s\n", wrong->expect);
			pq_test_print_findings(&findings);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

/* Tables and facts that are for people: nothing warns of them, and the rules that a table names are looked for. */
static void
test_for_people(void **state)
{
	static const char more[] = "tables: [{ name: read, file: tables/r.csv, reference: true, rules: by, cite: c,\n"
							   "  columns: { what: { type: text }, by: { type: text } } }]\n"
							   "facts: [{ name: kept, type: bool, recorded: true }]\n";
	static const char rows[] = "what,by\nfirst,w;  r\nsecond,c l*\nthird,?\nfourth,\n";
	static const char wrong[] = "what,by\nfirst,w; q\nsecond,z*\nthird,*\n";
	struct pq_pack_file files[N_BASE + 2];
	char text[256];

	(void)state;
	memcpy(files, base, sizeof(base));
	files[N_BASE] = (struct pq_pack_file){"p/more.yaml", more, sizeof(more) - 1};
	files[N_BASE + 1] = (struct pq_pack_file){"p/tables/r.csv", rows, sizeof(rows) - 1};
	assert_int_equal(load(files, N_BASE + 2), PQ_OK);
	assert_int_equal(findings.n, 0);
	files[N_BASE + 1] = (struct pq_pack_file){"p/tables/r.csv", wrong, sizeof(wrong) - 1};
	assert_int_equal(load(files, N_BASE + 2), PQ_EPARSE);
	assert_int_equal(findings.n, 3);
	format(&findings.at[0], text, sizeof(text));
	assert_string_equal(text, "p/tables/r.csv:2:7: error: no rule \"q\"");
	format(&findings.at[1], text, sizeof(text));
	assert_string_equal(text, "p/tables/r.csv:3:8: error: no rule \"z*\"");
	format(&findings.at[2], text, sizeof(text));
	assert_string_equal(text, "p/tables/r.csv:4:7: error: no rule \"*\"");
}

/* All errors of a run, in the order of files and lines; err has the first. */
static void
test_all_in_order(void **state)
{
	struct pq_pack_file files[N_BASE + 2];

	(void)state;
	size_t n = with(files, &(struct wrong){B, W "color: blue, nothing: true } }\n- word\n", NULL});
	files[n++] = (struct pq_pack_file){"p/a.yaml", "x: 1\n", 5};
	assert_int_equal(load(files, n), PQ_EPARSE);
	assert_int_equal(findings.n_errors, 4);
	assert_string_equal(findings.at[0].src.file, "p/a.yaml");
	assert_int_equal(findings.at[1].src.column, 60);
	assert_int_equal(findings.at[2].src.column, 66);
	assert_int_equal(findings.at[3].src.line, 2);
	assert_string_equal(err.where, "p/a.yaml");
	assert_int_equal(err.line, 1);
}

/* A file that could not be read is one error: what hangs on it is not held against it. */
static void
test_broken_file(void **state)
{
	struct pq_pack_file files[N_BASE + 1];
	char text[256];

	(void)state;
	size_t n = with(files, &(struct wrong){"p/tables/t.csv", "iso,n,p,if\nUS,1,,\nNO,2,.a .b,flag\nSE,2,\xFF,\n", NULL});
	assert_int_equal(load(files, n), PQ_EPARSE);
	assert_int_equal(findings.n, 1);
	format(&findings.at[0], text, sizeof(text));
	assert_string_equal(text, "p/tables/t.csv:4:6: error: not UTF-8");
}

/* ... and rows of other tables do not look alike because the symbols that tell them apart are not known. */
static void
test_broken_domain(void **state)
{
	static const char more[] = "tables: [{ name: u, file: tables/u.csv, reference: true, cite: c,\n"
							   "  columns: { iso: { type: symbol, domain: country }, n: { type: number } } }]\n";
	static const char rows[] = "iso,n\nUS,1\nNO,1\n";
	struct pq_pack_file files[N_BASE + 2];

	(void)state;
	size_t n = with(files, &(struct wrong){"p/more.yaml", more, NULL});
	files[n++] = (struct pq_pack_file){"p/tables/u.csv", rows, sizeof(rows) - 1};
	assert_int_equal(load(files, n), PQ_OK);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(files[i].path, "p/tables/t.csv") == 0)
			files[i] = (struct pq_pack_file){"p/tables/t.csv", "iso,n,p\n\xFF,1,\n", 13};
	}
	assert_int_equal(load(files, n), PQ_EPARSE);
	assert_int_equal(findings.n_errors, 1);
}

/* The counts are of all that was found, not of what is shown. */
static void
test_many_warnings(void **state)
{
	struct pq_pack_file files[N_BASE + 1];
	size_t size = 1 << 20, len = 0;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	len += (size_t)snprintf(text, size, "facts:\n");
	for (int i = 0; i < 1200; i++)
		len += (size_t)snprintf(text + len, size - len, "  - { name: idle%d, type: bool }\n", i);
	size_t n = with(files, &(struct wrong){"p/more.yaml", text, NULL});
	assert_int_equal(load(files, n), PQ_OK);
	free(text);
	assert_int_equal(findings.n_errors, 0);
	assert_int_equal(findings.n_warnings, 1200);
	assert_int_equal(findings.n, 1001);
}

static void
test_many(void **state)
{
	struct pq_pack_file files[N_BASE + 1];
	size_t size = 4 << 20, len = 0;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < 1500; i++)
		len += (size_t)snprintf(text + len, size - len, "- word\n");
	size_t n = with(files, &(struct wrong){B, text, NULL});
	assert_int_equal(load(files, n), PQ_EPARSE);
	free(text);
	assert_int_equal(findings.n_errors, 1500);
	assert_int_equal(findings.n, 1001);
	assert_string_equal(findings.at[1000].text, "1500 errors; only the first 1000 that were found are shown");
}

/* 17 × 16 alternatives are too many, 16 × 16 are not. */
static void
test_alternatives(void **state)
{
	struct pq_pack_file files[N_BASE + 1];

	(void)state;
	for (int first = 16; first <= 17; first++) {
		char text[8192];
		int len = snprintf(text, sizeof(text), W "all: [");
		for (int list = 0; list < 2; list++) {
			len += snprintf(text + len, sizeof(text) - (size_t)len, "{ any: [");
			for (int i = 0; i < (list == 0 ? first : 16); i++)
				len += snprintf(text + len, sizeof(text) - (size_t)len, "{ value: \"!= %d\" },", 1 + i + 100 * list);
			len += snprintf(text + len, sizeof(text) - (size_t)len, "] },");
		}
		snprintf(text + len, sizeof(text) - (size_t)len, "] } }\n");
		size_t n = with(files, &(struct wrong){B, text, NULL});
		assert_int_equal(load(files, n), first == 16 ? PQ_OK : PQ_EPARSE);
		if (first == 17)
			assert_non_null(strstr(findings.at[0].text, "more than 256 alternatives"));
	}
}

static void
test_packs(void **state)
{
	static const char head_q[] = "pack: q\nedition: 2026-01-01\nneeds: [p]\n";
	struct pq_pack_file files[N_BASE + 1];
	struct pq_pack_file turned[N_BASE + 1];

	(void)state;
	memcpy(files, base, sizeof(base));
	files[N_BASE] = (struct pq_pack_file){"q/pack.yaml", head_q, sizeof(head_q) - 1};
	assert_int_equal(load(files, N_BASE + 1), PQ_OK);
	turned[0] = files[N_BASE];
	memcpy(turned + 1, base, sizeof(base));
	assert_int_equal(load(turned, N_BASE + 1), PQ_EPARSE);
	assert_non_null(strstr(findings.at[0].text, "must be given before"));
	assert_int_equal(load(base + 1, N_BASE - 1), PQ_EPARSE);
	assert_non_null(strstr(err.msg, "has no pack.yaml"));
	assert_int_equal(load(NULL, 0), PQ_OK);
}

static int
setup(void **state)
{
	(void)state;
	pq_arena_init(&arena, 64 << 20);
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
		cmocka_unit_test(test_base),         cmocka_unit_test(test_wrong), cmocka_unit_test(test_for_people),
		cmocka_unit_test(test_all_in_order), cmocka_unit_test(test_many),  cmocka_unit_test(test_alternatives),
		cmocka_unit_test(test_packs),        cmocka_unit_test(test_broken_file), cmocka_unit_test(test_broken_domain),
		cmocka_unit_test(test_many_warnings),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

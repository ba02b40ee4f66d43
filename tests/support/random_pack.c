#include "tests/support/random_pack.h"

#include "policy/compile.h"
#include "tests/support/random_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- files ------------------------------------------------------------------------------------------------------- */

static void
begin_file(struct maker *m)
{
	m->room = 1 << 16;
	m->len = 0;
	m->text = pq_arena_alloc(m->arena, m->room);
	if (m->text == NULL)
		abort();
}

static void
end_file(struct maker *m, struct pq_random_pack *pack, const char *path)
{
	pack->files[pack->n++] = (struct pq_pack_file){path, m->text, m->len};
}

/* ---- pack.yaml ------------------------------------------------------------------------------------------------------ */

static void
put_domain(struct maker *m, const char *name, const char *const *symbols)
{
	put(m, "  %s: { symbols: [", name);
	for (size_t i = 0; symbols[i] != NULL; i++)
		put(m, "%s\"%s\"", i > 0 ? ", " : "", symbols[i]);
	put(m, "] }\n");
}

static void
put_domains(struct maker *m)
{
	put(m, "domains:\n");
	put_domain(m, "country", countries);
	put_domain(m, "group", groups);
	put_domain(m, "kind", kinds);
	put_domain(m, "list", lists);
	put_domain(m, "entry", entries);
	put_domain(m, "control", controls);
	put_domain(m, "status", statuses);
	put_domain(m, "role", roles);
	put_domain(m, "deal", deals);
	put_domain(m, "exception", exceptions);
	put_domain(m, "reason", reasons);
	put_domain(m, "authority", authorities);
	put_domain(m, "jurisdiction", laws);
}

static void
put_literal(struct maker *m, char type, const char *const *values)
{
	if (type == 'b')
		put(m, "%s", chance(m, 70) ? "false" : "true");
	else if (type == 'm' && chance(m, 60))
		put(m, "[]");
	else if (type == 'm')
		put_some(m, values);
	else if (chance(m, 30))
		put(m, "none");
	else if (type == 'n')
		put(m, "%s", pick(m, values));
	else
		put(m, "\"%s\"", pick(m, values));
}

/* What silence means: a value, unknown, or lines. */
static void
put_silence(struct maker *m, char type, const char *const *values, char scope, int level, unsigned open)
{
	if (chance(m, 10)) {
		put(m, ", silence: [ { when: ");
		put_condition(m, scope, level, 0);
		put(m, ", value: ");
		if (chance(m, 20))
			put(m, "unknown");
		else
			put_literal(m, type, values);
		put(m, " }");
		if (chance(m, 70)) {
			put(m, ", { value: ");
			if (chance(m, open))
				put(m, "unknown");
			else
				put_literal(m, type, values);
			put(m, " }");
		}
		put(m, " ]");
	} else if (!chance(m, open)) {
		put(m, ", silence: ");
		put_literal(m, type, values);
	} else if (chance(m, 50)) {
		put(m, ", silence: unknown");
	}
}

static const char *
type_name(char type)
{
	switch (type) {
	case 'b': return "bool";
	case 's': return "symbol";
	case 'm': return "symbols";
	case 'n': return "number";
	case 'd': return "date";
	default: return "text";
	}
}

/* `open`: how often silence is unknown, in percent. */
static void
put_fact(struct maker *m, const char *name, char type, const char *domain, const char *const *values, char scope,
         int level, unsigned open)
{
	put(m, "  - { name: %s, type: %s", name, type_name(type));
	if (domain != NULL)
		put(m, ", domain: %s", domain);
	put_silence(m, type, values, scope, level, open);
	if (chance(m, 15) && strcmp(name, "destination") != 0) {
		put(m, ", null_is: ");
		put_literal(m, type, values);
	}
	if (type == 'n' && chance(m, 60))
		put(m, ", min: 0");
	if (type == 'n' && chance(m, 20))
		put(m, ", max: 100");
	if (chance(m, 10) && strcmp(name, "destination") != 0)
		put(m, ", report_as: some_%c", type);
	if (chance(m, 30))
		put(m, ", ask: \"What is %s?\"", name);
	put(m, " }\n");
}

static void
put_facts(struct maker *m)
{
	put(m, "facts:\n");
	put(m, "  - { name: deal, type: symbol, domain: deal, required: true }\n");
	put_fact(m, "origin", 's', "country", countries, 'r', 1, 60);
	put_fact(m, "destination", 's', "country", countries, 'r', 2, 80);
	put_fact(m, "kind", 's', "kind", kinds, 'r', 3, 60);
	put_fact(m, "flag_a", 'b', NULL, NULL, 'r', 4, 70);
	put_fact(m, "flag_b", 'b', NULL, NULL, 'r', 5, 50);
	put_fact(m, "flag_c", 'b', NULL, NULL, 'r', 6, 50);
	put_fact(m, "value", 'n', NULL, amounts, 'r', 7, 60);
	if (chance(m, 50))
		put(m, "  - { name: extra, type: number, silence: [ { copy: value } ] }\n");
	else
		put_fact(m, "extra", 'n', NULL, amounts, 'r', 8, 50);
	put(m, "  - { name: lot, type: %s }\n", chance(m, 50) ? "text" : "symbol, domain: kind");
	put(m, "  - { name: total, type: number, silence: [ { lines: { sum: value, same: lot } } ] }\n");
	put_fact(m, "since", 'd', NULL, days, 'r', 10, 50);
	put_fact(m, "lists", 'm', "list", lists, 'r', 11, 40);
	put(m, "  - { name: item.code, type: code, domain: entry, separator: \"%s\", path: item.part", chance(m, 50) ? "." : "(");
	if (chance(m, 50))
		put(m, ", marks: { prefixes: [\"X-\"], sets: item.foreign }");
	if (chance(m, 50))
		put(m, ", silence: none");
	put(m, " }\n");
	put_fact(m, "item.foreign", 'b', NULL, NULL, 'r', 12, 30);
	put(m, "  - { name: claimed, type: symbols, domain: exception, silence: [] }\n");
	put_fact(m, "residence", 's', "country", countries, 'r', 2, 70);
	put_fact(m, "nationality", 'm', "country", countries, 'r', 2, 70);
	put(m, "  - { name: party.role, type: symbol, domain: role, required: true }\n");
	put_fact(m, "party.country", 's', "country", countries, 'p', 15, 60);
	put_fact(m, "party.flag", 'b', NULL, NULL, 'p', 16, 40);
	put_fact(m, "party.lists", 'm', "list", lists, 'p', 17, 30);
	put_fact(m, "party.size", 'n', NULL, amounts, 'p', 18, 40);
	put_fact(m, "owner.country", 's', "country", countries, 'o', 19, 40);
	put_fact(m, "owner.share", 'n', NULL, amounts, 'o', 20, 40);
	put_fact(m, "hit.done", 'b', NULL, NULL, 'h', 20, 50);
	put_fact(m, "intermediate.country", 's', "country", countries, 'i', 20, 50);
}

static void
put_attributes(struct maker *m)
{
	put(m, "attributes:\n");
	put(m, "  - { name: party.groups, type: symbols, domain: group }\n");
	put(m, "  - { name: party.risky, type: bool, title: a risky party }\n");
	put(m, "  - { name: groups, type: symbols, domain: group, title: groups }\n");
	put(m, "  - { name: controls, type: symbols, domain: control }\n");
	put(m, "  - { name: limit, type: number }\n");
	put(m, "  - { name: listed, type: bool, title: the item is listed }\n");
	put(m, "  - { name: noted, type: bool, title: the item is noted }\n");
	put(m, "  - { name: status, type: symbol, domain: status }\n");
	put(m, "  - { name: sum, type: number }\n");
	put(m, "  - { name: over, type: bool, title: over the limit }\n");
	put(m, "  - { name: n_risky, type: number }\n");
	put(m, "  - { name: home, type: bool }\n");
	put(m, "  - { name: day, type: date }\n");
	put(m, "  - { name: mark, type: bool }\n");
	put(m, "  - { name: more, type: bool }\n");
	put(m, "  - { name: all_lines, type: number }\n");
	put(m, "  - { name: late, type: bool }\n");
}

static void
put_tables(struct maker *m)
{
	put(m, "tables:\n");
	put(m, "  - name: groups\n    file: tables/groups.csv\n    title: Groups\n    cite: 1 ABC 1\n    edition: %s\n", pick(m, days));
	put(m, "    columns:\n      country: { type: symbol, domain: country }\n");
	put(m, "      group: { type: symbols, domain: group }\n");
	put(m, "  - name: items\n    file: tables/items.csv\n    title: Items\n    cite: 1 ABC 2\n    edition: %s\n", pick(m, days));
	put(m, "    columns:\n      entry: { type: symbol, domain: entry }\n      paths: { type: path }\n");
	put(m, "      control: { type: symbol, domain: control }\n      limit: { type: number }\n");
	put(m, "      note_flag: { type: bool }\n      status: { type: symbol, domain: status }\n");
}

static void
put_amendments(struct maker *m)
{
	put(m, "amendments:\n");
	put(m, "  - { id: a1, effective: %s, cite: 90 FR 1 }\n", pick(m, days));
	put(m, "  - id: a2\n    effective: %s\n    cite: 90 FR 2\n    savings:\n      cite: 90 FR 3\n      when: ", pick(m, days));
	put_condition(m, 'r', 21, 0);
	put(m, "\n");
}

static void
put_pack(struct maker *m)
{
	put(m, "pack: rnd\ntitle: A random pack\nedition: 2025-06-01\n");
	put(m, "covers: { from: 2023-12-31, to: %s, grace_days: 100 }\n", chance(m, 80) ? "2026-03-01" : "2025-03-01");
	put(m, "time_zone: UTC\njurisdiction: EAR\n");
	put_domains(m);
	put_facts(m);
	put_attributes(m);
	put_tables(m);
	put_amendments(m);
	put(m, "jurisdictions:\n");
	put(m, "  - { name: EAR, only: SUBJECT_TO_EAR, available: LICENSE_EXCEPTION_AVAILABLE, release_by: residence }\n");
	put(m, "  - { name: ITAR, available: EXEMPTION_AVAILABLE, release_by: nationality }\n");
	put(m, "  - { name: NONE, fixed: NOT_SUBJECT }\n  - { name: OTHER, fixed: REFER }\n");
	put(m, "release: { fact: deal, values: [release], replaces: destination }\nclaims: claimed\n");
}

/* ---- tables --------------------------------------------------------------------------------------------------------- */

/* valid_from, valid_to, amendment, ended_by, if: mostly empty. */
static void
put_validity(struct maker *m)
{
	size_t from = below(m, 3);
	bool begins = chance(m, 15), ends = chance(m, 15);
	const char *brought = chance(m, 6) ? "a2" : chance(m, 4) ? "a1" : "";
	const char *ended = brought[0] == '\0' && chance(m, 8) ? "a2" : "";

	if (brought[0] != '\0' || ended[0] != '\0')
		begins = ends = false;
	put(m, ",%s", begins ? chance(m, 20) ? "?" : days[from] : "");
	put(m, ",%s", ends ? chance(m, 20) ? "?" : days[from + 1 + below(m, 2)] : "");
	put(m, ",%s,%s,%s\n", brought, ended, chance(m, 10) ? chance(m, 50) ? "flag_c" : "!flag_c" : "");
}

static void
put_group_rows(struct maker *m)
{
	put(m, "country,group,valid_from,valid_to,amendment,ended_by,if\n");
	for (size_t c = 0; countries[c] != NULL; c++) {
		if (chance(m, 15))
			continue;
		size_t first = below(m, 4);
		put(m, "%s,", chance(m, 3) ? "?" : countries[c]);
		if (chance(m, 3)) {
			put(m, "?");
		} else {
			put(m, "%s", groups[first]);
			for (size_t g = 0; groups[g] != NULL; g++) {
				if (g != first && chance(m, 20))
					put(m, ";%s", groups[g]);
			}
		}
		put_validity(m);
	}
}

static void
put_cell_paths(struct maker *m, int row)
{
	static const char *const forms[] = {"entire", "", ".a", ".b", ".a.1", ".a.1 .b", ".a.1-.a.2", ".a .a.1.x", "except .a.1",
	                                    "except .b .c", ".b.1 .c", ".a.2"};

	put(m, "%s", forms[(size_t)row % COUNT(forms)]);
}

static void
put_item_rows(struct maker *m)
{
	int n = 4 + (int)below(m, 8), at = (int)below(m, 12);

	put(m, "entry,paths,control,limit,note_flag,status,valid_from,valid_to,amendment,ended_by,if\n");
	for (int i = 0; i < n; i++) {
		put(m, "%s,", chance(m, 6) ? "*" : chance(m, 3) ? "?" : entries[i % 3]);
		put_cell_paths(m, at + i * 5); /* each form once: equal keys are an error */
		put(m, ",%s", chance(m, 3) ? "?" : controls[below(m, 4)]);
		put(m, ",%s", chance(m, 4) ? "?" : chance(m, 15) ? "" : pick(m, amounts));
		put(m, ",%s", chance(m, 3) ? "?" : chance(m, 15) ? "" : chance(m, 60) ? "true" : "false");
		put(m, ",%s", chance(m, 3) ? "?" : chance(m, 15) ? "" : pick(m, statuses));
		put_validity(m);
	}
}

void
pq_random_pack(uint64_t seed, struct pq_arena *arena, struct pq_random_pack *ret)
{
	struct maker m = {.random = {seed}, .arena = arena};

	*ret = (struct pq_random_pack){0};
	begin_file(&m);
	put_pack(&m);
	end_file(&m, ret, "rnd/pack.yaml");
	begin_file(&m);
	put_rules(&m);
	end_file(&m, ret, "rnd/rules/rules.yaml");
	begin_file(&m);
	put_group_rows(&m);
	end_file(&m, ret, "rnd/tables/groups.csv");
	begin_file(&m);
	put_item_rows(&m);
	end_file(&m, ret, "rnd/tables/items.csv");
}

bool
pq_random_image(uint64_t seed, struct pq_arena *arena, struct pq_model **ret_model, struct pq_image **ret_image)
{
	struct pq_random_pack pack;
	struct pq_findings findings = {0};
	const struct pq_blob *blobs;
	struct pq_err err = {0};
	size_t n;

	pq_random_pack(seed, arena, &pack);
	if (pq_model_load(pack.files, pack.n, arena, ret_model, &findings, &err) != PQ_OK)
		return false;
	if (pq_compile(*ret_model, arena, &blobs, &n, &err) != PQ_OK || pq_image_open(blobs, n, ret_image, &err) != PQ_OK) {
		fprintf(stderr, "the pack of seed 0x%llx cannot be compiled: %s\n", (unsigned long long)seed, err.msg);
		abort();
	}
	return true;
}

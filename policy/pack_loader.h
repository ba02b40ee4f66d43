/**
 * Inside of the pack loader: what its files share. Only policy/pack*.c include this.
 *
 * The way of a run (policy/pack.c): read all files; declare domains, attributes, amendments and tables by name; fill
 * domains from the columns that feed them; resolve cells, facts and rules; check the whole. Every fault is a finding
 * and the run goes on: what could not be read is left out or, where others refer to it, kept by name.
 *
 * Memory: everything comes from the caller's arena. Where that ends, pq_ld_alloc() and its kind leave by longjmp() to
 *         pq_model_load(), so that the readers need no error path for it. Nothing here holds memory of another kind
 *         while it calls them.
 */
#ifndef PQ_POLICY_PACK_LOADER_H
#define PQ_POLICY_PACK_LOADER_H

#include <setjmp.h>

#include "policy/csv.h"
#include "policy/pack.h"
#include "policy/pack_yaml.h"

/** Findings of one severity that are told; behind them one line says that there are more. */
#define PQ_LD_MAX_FINDINGS 1000u
/** Alternatives of one condition after `any` and `not` are multiplied out: more is a rule that nobody can check. */
#define PQ_LD_MAX_ALTERNATIVES 256u
/** Names that are searched for the nearest one before an error is told without a proposal: searching takes time. */
#define PQ_LD_MAX_PROPOSALS 50u
/** Paths of one cell or list after ranges are written out. */
#define PQ_LD_MAX_PATHS 1024u

/** A vector in the arena. */
#define PQ_VEC(type)   \
	struct {           \
		type *at;      \
		size_t n, cap; \
	}
/** A pointer to a new, zeroed last element. Earlier pointers into the vector die. */
#define PQ_VEC_PUSH(ld, vec) \
	((vec)->at = pq_ld_grow((ld), (vec)->at, (vec)->n, &(vec)->cap, sizeof(*(vec)->at)), &(vec)->at[(vec)->n++])

/** Text to number, by open addressing. */
struct pq_map_slot {
	const char *key;
	uint32_t hash, value;
};

struct pq_map {
	struct pq_map_slot *slots;
	size_t n, n_slots;
};

struct pq_ld_finding {
	struct pq_finding finding;
	uint32_t file_rank, seq;
};

struct pq_ld_file {
	const struct pq_pack_file *file;
	const char *path;     /* a copy that lives as long as the model */
	const char *name;     /* within the pack: "rules/chart.yaml" */
	struct pq_node *root; /* of YAML; NULL = empty or broken */
	bool used;            /* a table was read from it */
};

struct pq_ld_pack {
	struct pq_ld_file *files;
	size_t n_files;
	struct pq_ld_file *head; /* pack.yaml */
	const struct pq_node *jurisdiction;
	const struct pq_node *covers;
};

struct pq_ld_domain {
	PQ_VEC(const char *) symbols;
	PQ_VEC(struct pq_alias) aliases;
	struct pq_map exact;                  /* symbol as written */
	struct pq_map folded;                 /* lower case, without spaces; symbols and spellings */
	PQ_VEC(const struct pq_node *) decls; /* its declarations in the packs */
	bool broken;                          /* what feeds it could not be read: unknown symbols are no further errors */
};

struct pq_ld_attr {
	const struct pq_node *node; /* its declaration; NULL = built in, or of another one */
	bool used, given;           /* something asks for it; something gives it a value */
	bool broken;
};

struct pq_ld_table {
	const struct pq_node *node;
	const char *file; /* its path; NULL = it was not found */
	struct pq_csv csv;
	uint32_t *header; /* of each cell of a row: column, or a special one below */
	bool broken;
	bool used;
};

/** What stands in `header` for the columns that are no columns of the model. */
enum {
	PQ_SPECIAL_FROM = 0x80000000u,
	PQ_SPECIAL_TO,
	PQ_SPECIAL_EDITION,
	PQ_SPECIAL_CITE,
	PQ_SPECIAL_NOTE,
	PQ_SPECIAL_AMENDMENT,
	PQ_SPECIAL_ENDED_BY,
	PQ_SPECIAL_IF,
	PQ_SPECIAL_UNKNOWN,
};

/** A list of symbols of a path's domain. Copies of a condition share it. */
struct pq_ld_path_list {
	struct pq_indexes symbols;
	uint32_t domain;
};

struct pq_loader {
	struct pq_arena *arena;
	jmp_buf out;
	PQ_VEC(struct pq_ld_finding) findings;
	size_t n_errors, n_warnings;
	size_t n_proposals;
	struct pq_map ranks; /* path to place in the order of files */

	PQ_VEC(struct pq_pack) packs;
	PQ_VEC(struct pq_domain) domains;
	PQ_VEC(struct pq_attr) attrs;
	PQ_VEC(struct pq_table) tables;
	PQ_VEC(struct pq_amendment) amendments;
	PQ_VEC(struct pq_rule) rules;
	PQ_VEC(struct pq_jurisdiction) jurisdictions;
	PQ_VEC(struct pq_profile) profiles;
	PQ_VEC(struct pq_case) cases;

	/* Beside each of the above, what only the loader needs of it. */
	PQ_VEC(struct pq_ld_pack) pack_infos;
	PQ_VEC(struct pq_ld_domain) domain_infos;
	PQ_VEC(struct pq_ld_attr) attr_infos;
	PQ_VEC(struct pq_ld_table) table_infos;
	PQ_VEC(const struct pq_node *) amendment_nodes;
	PQ_VEC(const struct pq_node *) jurisdiction_nodes;
	PQ_VEC(const struct pq_node *) profile_nodes;

	struct pq_map pack_names, domain_names, attr_names, table_names, amendment_names, rule_names, case_names;

	struct pq_model model; /* what is not a list; the lists are moved over at the end */
	const struct pq_node *release, *claims;
	PQ_VEC(struct pq_ld_path_list) path_lists; /* every one there is: they are renumbered once, at the end */
	uint32_t pack;                             /* the one that is being read */
	bool any_broken;                           /* a YAML file could not be read at all */
};

/* ---- pack_util.c: memory, names, findings ------------------------------------------------------------------------ */

void *pq_ld_alloc(struct pq_loader *ld, size_t size);
void *pq_ld_array(struct pq_loader *ld, size_t count, size_t size);
void *pq_ld_grow(struct pq_loader *ld, void *at, size_t n, size_t *cap, size_t size);
const char *pq_ld_strndup(struct pq_loader *ld, const char *text, size_t len);
const char *pq_ld_printf(struct pq_loader *ld, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void pq_ld_no_memory(struct pq_loader *ld);

/** The value of a key, or PQ_NO_INDEX. */
uint32_t pq_map_get(const struct pq_map *map, const char *key);
/** Add a key that must live as long as the map. False: it is there already (and stays as it is). */
bool pq_map_put(struct pq_loader *ld, struct pq_map *map, const char *key, uint32_t value);

void pq_ld_error(struct pq_loader *ld, struct pq_src src, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void pq_ld_warn(struct pq_loader *ld, struct pq_src src, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/** "; do you mean \"...\"?" for the name nearest to `name`, or "". */
const char *pq_ld_propose(struct pq_loader *ld, const char *name, const char *const *names, size_t n);
const char *pq_ld_propose_attr(struct pq_loader *ld, const char *name);

/** Lower case, without spaces: how names are told apart. */
const char *pq_ld_fold(struct pq_loader *ld, const char *text);

struct pq_indexes pq_ld_indexes(struct pq_loader *ld, const uint32_t *at, size_t n);
/** All findings in the order of files and lines, with a line where some were left out. */
void pq_ld_sorted_findings(struct pq_loader *ld, struct pq_findings *ret);

/* ---- pack_read.c: plain values out of nodes; each tells its errors and says whether it has a value --------------- */

/** All keys of the mapping must be in `keys` (ended by NULL). False (told): not a mapping. */
bool pq_ld_keys(struct pq_loader *ld, const struct pq_node *map, const char *what, const char *const *keys);
/** The text of a node; NULL (told) where it is none or empty. */
const char *pq_ld_text(struct pq_loader *ld, const struct pq_node *node, const char *what);
/** The text at a key; `fallback` where the key is absent or wrong. */
const char *pq_ld_text_at(struct pq_loader *ld, const struct pq_node *map, const char *key, const char *fallback);
bool pq_ld_bool_at(struct pq_loader *ld, const struct pq_node *map, const char *key, bool fallback);
int32_t pq_ld_date_at(struct pq_loader *ld, const struct pq_node *map, const char *key, int32_t fallback);
/** A whole number within bounds. */
int32_t pq_ld_int_at(struct pq_loader *ld, const struct pq_node *map, const char *key, int32_t min, int32_t max,
                     int32_t fallback);
/** A text or a list of texts. */
struct pq_strings pq_ld_strings(struct pq_loader *ld, const struct pq_node *node, const char *what);
struct pq_strings pq_ld_strings_at(struct pq_loader *ld, const struct pq_node *map, const char *key);
/** The nodes of a list; of anything else that one node. `ret_n` of them. */
struct pq_node *const *pq_ld_list(const struct pq_node *const *node, size_t *ret_n);
/** Is it plain text, and this? */
bool pq_ld_is(const struct pq_node *node, const char *text);
/** A name of letters, digits, ".", "-" and "_". */
bool pq_ld_is_name(const char *text);

/* ---- pack_domain.c: domains, symbols, literals ------------------------------------------------------------------- */

uint32_t pq_ld_domain_new(struct pq_loader *ld, const char *name, struct pq_src src);
/** The domain named so, or PQ_NO_INDEX (told). */
uint32_t pq_ld_domain(struct pq_loader *ld, const struct pq_node *node);
/** Add a symbol; tells one that differs from another in case or spaces only. Returns its number. */
uint32_t pq_ld_symbol_add(struct pq_loader *ld, uint32_t domain, const char *symbol, struct pq_src src);
/** The symbol written so; PQ_NO_INDEX (told). */
uint32_t pq_ld_symbol(struct pq_loader *ld, uint32_t domain, const char *symbol, struct pq_src src);
/** A symbol or a list of them; false (told) where one is wrong or, unless `empty_ok`, there is none. */
bool pq_ld_symbols(struct pq_loader *ld, uint32_t domain, const struct pq_node *node, bool empty_ok,
                   struct pq_indexes *ret);
/** A value of a type as packs write it; the type is not CODE or TEXT. */
bool pq_ld_literal(struct pq_loader *ld, enum pq_type type, uint32_t domain, const struct pq_node *node,
                   struct pq_literal *ret);

void pq_ld_builtin_domains(struct pq_loader *ld);
void pq_ld_declare_domains(struct pq_loader *ld, const struct pq_node *map);
/** The symbols and spellings that stand in columns. After all tables are read. */
void pq_ld_feed_domains(struct pq_loader *ld);
void pq_ld_feed_spellings(struct pq_loader *ld);
/** Sort the domains of paths and renumber what points to them. */
void pq_ld_sort_paths(struct pq_loader *ld);

/* ---- pack_path.c ------------------------------------------------------------------------------------------------- */

/** ".a.2", "(a)(2)", "a.2" to "a.2"; NULL where it is no path. */
const char *pq_ld_path(struct pq_loader *ld, const char *text, size_t len);
/** A cell of a column of type "path". False (told): wrong. */
bool pq_ld_paths_cell(struct pq_loader *ld, const char *text, struct pq_src src, struct pq_paths *ret);

/* ---- pack_attr.c: facts and attributes --------------------------------------------------------------------------- */

void pq_ld_builtin_attrs(struct pq_loader *ld);
void pq_ld_declare_facts(struct pq_loader *ld, const struct pq_node *list);
void pq_ld_declare_attrs(struct pq_loader *ld, const struct pq_node *list);
/** Names that declarations of facts refer to: paths and marks. Before anything is resolved. */
void pq_ld_link_facts(struct pq_loader *ld);
/** Silence, bounds and the rest that needs symbols. */
void pq_ld_resolve_facts(struct pq_loader *ld);
uint32_t pq_ld_attr_new(struct pq_loader *ld, const char *name, enum pq_type type, uint32_t domain, struct pq_src src);
/** The attribute that a node names, as it stands; PQ_NO_INDEX (told). Marks it used. */
uint32_t pq_ld_attr(struct pq_loader *ld, const struct pq_node *node);
/** Likewise, and it must be seen from `scope`: of the request, of the element itself or of what holds it. */
uint32_t pq_ld_attr_seen(struct pq_loader *ld, const struct pq_node *node, enum pq_scope scope);
/** A mapping { sum: fact, same: fact }. */
bool pq_ld_lines(struct pq_loader *ld, const struct pq_node *node, enum pq_scope scope, uint32_t *ret_sum,
                 uint32_t *ret_same);
/** May the value of `from` be that of `to`? Told at `src` where not. */
bool pq_ld_copies(struct pq_loader *ld, uint32_t from, uint32_t to, struct pq_src src);

/* ---- pack_table.c ------------------------------------------------------------------------------------------------ */

void pq_ld_declare_tables(struct pq_loader *ld, const struct pq_node *list);
void pq_ld_resolve_tables(struct pq_loader *ld);
/** The table of that name, PQ_NO_INDEX (told). */
uint32_t pq_ld_table(struct pq_loader *ld, const struct pq_node *node);
/** Its column, PQ_NO_INDEX (told). */
uint32_t pq_ld_column(struct pq_loader *ld, uint32_t table, const struct pq_node *node);
/** The cell of a column in a row of the CSV, trimmed; rows count from 1 (0 is the header). */
const char *pq_ld_csv_cell(struct pq_loader *ld, uint32_t table, uint32_t column, size_t row, struct pq_src *ret_src);
/** Without spaces at its ends; may be `text` itself. */
const char *pq_ld_trim(struct pq_loader *ld, const char *text);
/** The next piece of `*at`, trimmed, between `separator`s; a space stands for any white space. NULL: none is left. */
const char *pq_ld_piece(struct pq_loader *ld, const char **at, char separator);

/* ---- pack_cond.c ------------------------------------------------------------------------------------------------- */

/** Where a condition stands: which attributes it may name. */
struct pq_ld_place {
	enum pq_scope scope; /* REQUEST, or the element that it is about */
	bool inside;         /* inside of a quantifier: bare names are the element's */
	bool after_outcome;  /* decision.* may be asked */
};

/** NULL = always. False (told): *ret is "always" all the same. */
bool pq_ld_condition(struct pq_loader *ld, const struct pq_node *node, struct pq_ld_place place, struct pq_dnf *ret);
struct pq_dnf pq_ld_always(struct pq_loader *ld);
/** "<=" and the like, the whole word. */
bool pq_ld_comparison(const char *word, enum pq_cmp *ret);
/** The element that a word of a quantifier names ("party"); false: none. */
bool pq_ld_element(const char *word, enum pq_scope *ret);

/* ---- pack_dnf.c: conditions as they are written, and their alternatives ------------------------------------------ */

enum pq_ld_expr_kind { PQ_EXPR_COND, PQ_EXPR_AND, PQ_EXPR_OR, PQ_EXPR_NOT };

struct pq_ld_expr {
	enum pq_ld_expr_kind kind;
	struct pq_cond cond;               /* COND; without `inner` */
	struct pq_ld_expr *inner;          /* COND of a quantifier */
	PQ_VEC(struct pq_ld_expr *) items; /* AND, OR; NOT: one */
	struct pq_src src;
};

/** Multiply out. False (told): it can never hold, has too many alternatives or negates what has no opposite. */
bool pq_ld_multiply(struct pq_loader *ld, const struct pq_ld_expr *expr, struct pq_dnf *ret);

/* ---- pack_decl.c: heads, amendments, jurisdictions, releases, claims, cases -------------------------------------- */

void pq_ld_pack_head(struct pq_loader *ld, struct pq_ld_pack *info);
void pq_ld_resolve_heads(struct pq_loader *ld);
void pq_ld_declare_amendments(struct pq_loader *ld, const struct pq_node *list);
void pq_ld_resolve_amendments(struct pq_loader *ld);
void pq_ld_declare_jurisdictions(struct pq_loader *ld, const struct pq_node *list);
void pq_ld_resolve_jurisdictions(struct pq_loader *ld);
void pq_ld_resolve_release(struct pq_loader *ld);
/** The amendment of that id, PQ_NO_INDEX (told). */
uint32_t pq_ld_amendment(struct pq_loader *ld, const char *id, struct pq_src src);
void pq_ld_cases(struct pq_loader *ld, const struct pq_ld_file *file);

/* ---- pack_profile.c ---------------------------------------------------------------------------------------------- */

void pq_ld_declare_profiles(struct pq_loader *ld, const struct pq_node *list);
/** Their values, which need symbols. */
void pq_ld_resolve_profiles(struct pq_loader *ld);

/* ---- pack_rule.c, pack_kind.c, pack_derive.c --------------------------------------------------------------------- */

/** A rule with nothing in it but defaults. */
struct pq_rule pq_ld_rule_blank(struct pq_loader *ld, const char *id, enum pq_kind kind, struct pq_src src);
/** Add it to the model. False (told): the id is taken. */
bool pq_ld_rule_add(struct pq_loader *ld, const struct pq_rule *rule);
void pq_ld_rules(struct pq_loader *ld, const struct pq_node *list);
/** What a pack's `covers` and savings clauses say, as rules. */
void pq_ld_made_rules(struct pq_loader *ld, uint32_t pack);
/** The keys of all rules and of this kind, ended by NULL. */
const char *const *pq_ld_rule_keys(enum pq_kind kind);
/** The keys of its own kind. */
void pq_ld_rule_kind(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule);
void pq_ld_rule_derive(struct pq_loader *ld, const struct pq_node *node, struct pq_rule *rule);

/* ---- pack_check.c, pack_overlap.c, pack_cycle.c ------------------------------------------------------------------ */

void pq_ld_check(struct pq_loader *ld);
void pq_ld_check_overlaps(struct pq_loader *ld);
void pq_ld_check_cycles(struct pq_loader *ld);

#endif

/**
 * The images of a revision, byte by byte: private to the compiler and the evaluator (docs/store-format.md, "Images").
 *
 * A revision is a fixed set of sections, each an array of one record type behind a 48-byte head. Records refer to each
 * other by index and to strings by offset, so that the bytes are the same wherever they are mapped. All integers are
 * little-endian, as the machines are that Pratique runs on; pq_image_open() refuses to run on another.
 *
 * Evaluation by levels: an attribute of level L depends on attributes and conditions of lower levels only. At each
 * level first the attributes get their values, then the conditions (`dnf`s) of that level are matched, in spaces: a
 * space is the conditions of one scope and level, matched together by bit vectors, one bit an alternative. Where the
 * rules are very many their space is sparse: its bitmaps are made of blocks, and equal blocks are stored once.
 */
#ifndef PQ_POLICY_PROGRAM_H
#define PQ_POLICY_PROGRAM_H

#include "policy/model.h"
#include "policy/terms.h"

#include <string.h>

/** Bumped when any record below changes; a store of another version is refused. */
#define PQ_PROGRAM_VERSION 6

struct pq_section_head {
	char magic[4];      /* "PQIM" */
	uint32_t section;   /* enum pq_section */
	uint32_t version;   /* PQ_PROGRAM_VERSION */
	uint32_t stride;    /* bytes of a record */
	uint64_t count;     /* records */
	uint8_t zero[24];
};
_Static_assert(sizeof(struct pq_section_head) == 48, "the payload behind the head must be aligned to 64 bytes");

/* A run of records in some section. */
struct pq_span {
	uint32_t first, n;
};

struct pq_p_meta {
	uint32_t release_fact;         /* attribute, or PQ_NO_INDEX */
	struct pq_span release_values; /* lists: symbols */
	uint32_t release_replaces;
	uint32_t claim_fact;
	uint32_t domain_jurisdiction, domain_outcome, domain_authority, domain_reason, domain_exception;
	uint32_t n_levels;
	uint32_t role_attr;            /* "party.role", or PQ_NO_INDEX */
	uint32_t main_space, post_space;
	uint32_t scope_attrs[PQ_SCOPE_COUNT]; /* attributes of the scope */
	uint32_t scope_facts[PQ_SCOPE_COUNT]; /* of these the facts and paths, which have the first slots */
	uint32_t scope_words[PQ_SCOPE_COUNT]; /* 64-bit words of one side (sure or possible) of all its sets */
	uint32_t scope_dnfs[PQ_SCOPE_COUNT];
	uint32_t max_space_words;
	uint32_t names_mask, attr_names_mask; /* slots - 1 of the two hash sections */
	uint32_t n_requirements;
	uint32_t exception_words, reason_words, requirement_words, attr_words;
	struct pq_span exceptions;     /* lists: the main rules that are exceptions, in their order */
};

struct pq_p_pack {
	uint32_t name, title, time_zone;
	int32_t edition, covers_from, covers_to, grace_days;
	struct pq_span gaps; /* lists: strings */
};

struct pq_p_domain {
	uint32_t name;
	struct pq_span symbols;
	uint32_t words;      /* of a set */
	uint32_t other;      /* symbol for texts that are none, or PQ_NO_INDEX */
};

/* Hash slots: open addressing, linear probing; string 0 = empty. Keys are folded to lower case. */
struct pq_p_name {
	uint32_t hash, domain, string, symbol;
};

struct pq_p_attr {
	uint32_t name, title, ask, report_as; /* strings; report_as 0 = none */
	uint32_t pack;
	uint8_t type, scope, is_fact, required;
	uint8_t has_null_is, has_min, has_max, single; /* single: at most one value (bool, symbol) */
	char separator;
	uint8_t null_none, changeable, digits; /* digits: of the text in `said` that are a symbol; 0 = none are read */
	uint32_t domain;
	uint32_t slot;            /* within its scope */
	uint32_t word;            /* first word of its set within the scope's words */
	uint32_t words;
	uint32_t level;
	uint32_t pad3;
	int64_t min, max;
	int64_t null_number;
	struct pq_span null_symbols;  /* lists */
	struct pq_span silences;
	struct pq_span contributions; /* in the order in which they count */
	struct pq_span boundaries;    /* numbers: where conditions tell values apart */
	uint32_t path, mark_attr;
	struct pq_span marks;         /* lists: strings */
	uint32_t distinct;            /* words: the symbols that conditions or tables tell apart; PQ_NO_INDEX = all */
	struct pq_span path_lookups;  /* path: lists of contributions that join a table by it */
	struct pq_span said;          /* lists: the facts of which a bool tells whether one is said */
	uint32_t depends;             /* words over attributes: what it depends on, itself included */
};

struct pq_p_silence {
	uint32_t dnf;             /* PQ_NO_INDEX = always */
	uint8_t unknown, none, pad[2];
	struct pq_span symbols;   /* lists */
	int64_t number;
	uint32_t copy, lines_sum, lines_same, pad2;
};

struct pq_p_table {
	uint32_t name, title, cite, pack;
	int32_t edition;
	struct pq_span gaps, columns, rows;
};

struct pq_p_column {
	uint32_t name, domain;
	uint8_t type, pad[3];
	/* An index of rows by symbol, for columns that a lookup joins by: lists [first + s] to [first + s + 1] bound the
	   rows of symbol s in the lists from `index_rows`; rows with "*" or "?" follow behind the last symbol's. */
	uint32_t index;           /* PQ_NO_INDEX = none */
	uint32_t index_rows;
};

enum { PQ_CELL_NONE = 1, PQ_CELL_DOUBTFUL = 2, PQ_CELL_ANY = 4 };

struct pq_p_cell {
	uint8_t flags, paths_mode, pad[2];
	uint32_t pad2;
	struct pq_span items;     /* lists: symbols, or strings of paths */
	int64_t number;
};

struct pq_p_row {
	int32_t from, to, edition;
	uint8_t from_doubtful, to_doubtful, pad[2];
	uint32_t saved_by, saved_end; /* attributes, or PQ_NO_INDEX */
	struct pq_span ifs;       /* lists: attribute * 2 + negated */
	uint32_t cells;           /* the first */
	uint32_t table, cite, note, file;
	int32_t line;
};

struct pq_p_key {
	uint32_t column, attr;
};

struct pq_p_only {
	uint32_t column;
	struct pq_span symbols;   /* lists */
};

struct pq_p_term {
	int64_t times;
	uint32_t attr, pad;
};

/* One derive or jurisdiction rule as a source of an attribute's value. */
struct pq_p_contribution {
	uint32_t rule, dnf;       /* dnf PQ_NO_INDEX = always */
	uint8_t derive, cmp, none, scope;
	uint32_t left, right;
	struct pq_span symbols;   /* lists */
	uint32_t pad0;
	int64_t number;
	uint32_t table, take;
	struct pq_span keys, onlys, terms;
	uint32_t inner;           /* count: dnf */
	uint32_t pad;
};

struct pq_p_cond {
	uint8_t op, scope, pad[2];
	uint32_t attr;
	union {
		struct pq_span symbols; /* lists */
		struct pq_span ranges;  /* PQ_OP_RANGE */
	};
	uint32_t inner;           /* dnf of a quantifier */
};

struct pq_p_alt {
	struct pq_span conds;
	uint32_t dnf;
};

struct pq_p_dnf {
	struct pq_span alts;
	uint32_t space, slot;     /* slot: within its scope */
	uint32_t owner;           /* rule it is the `when` of, or PQ_NO_INDEX */
	uint8_t scope, pad[3];
};

enum pq_col_kind { PQ_COL_ANY, PQ_COL_NONE, PQ_COL_RANGE, PQ_COL_KINDS };

/* Of the bitmaps of a sparse space: as many alternatives as a cache line has bits. */
#define PQ_BLOCK_WORDS 8u
#define PQ_BLOCK_ALTS (64u * PQ_BLOCK_WORDS)

struct pq_p_block {
	uint64_t words[PQ_BLOCK_WORDS];
};

/* The first two blocks of a revision that has any. */
enum { PQ_BLOCK_ZEROS, PQ_BLOCK_ONES };

/*
 * One column of a space. Bitmaps lie behind each other in the section words, `space.words` each: number 0 is the base
 * (ANY, RANGE: alternatives that do not mention the attribute; NONE: empty), number 1 their AND over all symbols of the
 * domain, number 2 their OR, then one for each symbol mentioned (ANY, NONE) or each elementary interval (RANGE).
 *
 * In a sparse space a bitmap is `said.n` numbers of blocks in the section blocks, for the blocks from `said.first` on:
 * in all others the column says nothing. A summary has a bit for each block of the space: it is not all zeros.
 */
struct pq_p_col {
	uint32_t attr;
	uint8_t kind, pad[3];
	uint32_t map;             /* ANY, NONE: lists: symbol → number of its bitmap */
	struct pq_span boundaries;/* RANGE: numbers; a value in interval i is >= boundary i - 1 and < boundary i */
	uint32_t summary;         /* sparse: words: the summaries of its bitmaps; PQ_NO_INDEX = it has none */
	uint64_t bits;            /* the first word, or number of a block */
	struct pq_span said;      /* sparse: blocks */
};

struct pq_p_quant {
	uint8_t op, scope, pad[2];
	uint32_t inner;           /* dnf */
	uint64_t users;           /* words, or blocks: the alternatives that have this condition */
	struct pq_span said;      /* sparse: blocks */
};

/* An entry of a block's list is a column, or a quantifier with this bit. */
#define PQ_BLOCK_QUANT UINT32_C(0x80000000)

struct pq_p_space {
	uint8_t scope, pad[3];
	uint32_t level;
	struct pq_span alts;
	uint32_t words;
	struct pq_span cols;      /* those of request scope first */
	uint32_t n_request_cols;
	struct pq_span quants;
	uint32_t blocks;          /* of a sparse space; 0: it is not */
	uint32_t block_lists;     /* sparse: lists: where each block's list begins, and where the last ends */
	uint32_t summary_words;
};

/* Sets of exceptions and reasons are runs of words over their domain; PQ_NO_INDEX = no such set. */
struct pq_p_rule {
	uint32_t id, title, note, confidence, cite, file;
	int32_t line, from, to;
	uint32_t pack, text;
	uint32_t jurisdiction;    /* symbol under which it counts; PQ_NO_INDEX = any */
	uint32_t label;           /* requirement, obligation */
	uint32_t bar_label;       /* restriction, allows: how the bar is shown */
	uint8_t kind, policy, overcomes_all, considered_always;
	uint32_t dnf, unless;     /* PQ_NO_INDEX: none */
	uint32_t authority, reason;
	uint32_t requirement;     /* requirement: its number among the requirements */
	uint32_t bars;            /* words: the exceptions that a restriction, or the allows of a requirement, bars */
	struct pq_span spares;    /* lists: strings: the names that a bar of "all but" spares */
	uint8_t bars_mode, has_allows, pad[2]; /* PQ_BARS_... */
	uint32_t allows;          /* requirement: words: the exceptions that can overcome it */
	uint32_t exception, shown_as;
	uint32_t overcomes;       /* exception: words over reasons */
	struct pq_span claimed_by;/* lists: attributes */
	uint32_t claims;          /* exception: words: the symbols that claim it */
	uint32_t excludes;        /* exclusion: words over the numbers of requirements */
	uint32_t obligation;
	uint32_t conditions;      /* string: the rule's conditions for people */
};

struct pq_p_jurisdiction {
	uint32_t symbol, release_by;
	uint8_t fixed, only, available, pad;
};

struct pq_p_assumption {
	uint32_t attr, none;
	struct pq_span symbols;   /* lists */
	int64_t number;
};

struct pq_p_profile {
	uint32_t name, title, pack;
	struct pq_span assumptions;
};

struct pq_p_case {
	uint32_t json, len, source, pack;
};

struct pq_p_range {
	int64_t lo, hi;
};

/* The sections, in the order of their keys. */
#define PQ_SECTION_MAP(X)                                   \
	X(STRINGS, strings, char)                               \
	X(META, meta, struct pq_p_meta)                         \
	X(LISTS, lists, uint32_t)                               \
	X(NUMBERS, numbers, int64_t)                            \
	X(WORDS, words, uint64_t)                               \
	X(PACKS, packs, struct pq_p_pack)                       \
	X(DOMAINS, domains, struct pq_p_domain)                 \
	X(SYMBOLS, symbols, uint32_t)                           \
	X(NAMES, names, struct pq_p_name)                       \
	X(ATTRS, attrs, struct pq_p_attr)                       \
	X(ATTR_NAMES, attr_names, struct pq_p_name)             \
	X(ATTR_ORDER, attr_order, uint32_t)                     \
	X(SILENCES, silences, struct pq_p_silence)              \
	X(CONTRIBUTIONS, contributions, struct pq_p_contribution) \
	X(KEYS, keys, struct pq_p_key)                          \
	X(ONLYS, onlys, struct pq_p_only)                       \
	X(TERMS, terms, struct pq_p_term)                       \
	X(TABLES, tables, struct pq_p_table)                    \
	X(COLUMNS, columns, struct pq_p_column)                 \
	X(ROWS, rows, struct pq_p_row)                          \
	X(CELLS, cells, struct pq_p_cell)                       \
	X(DNFS, dnfs, struct pq_p_dnf)                          \
	X(ALTS, alts, struct pq_p_alt)                          \
	X(CONDS, conds, struct pq_p_cond)                       \
	X(RANGES, ranges, struct pq_p_range)                    \
	X(SPACES, spaces, struct pq_p_space)                    \
	X(COLS, cols, struct pq_p_col)                          \
	X(QUANTS, quants, struct pq_p_quant)                    \
	X(RULES, rules, struct pq_p_rule)                       \
	X(MAIN_RULES, main_rules, uint32_t)                     \
	X(POST_RULES, post_rules, uint32_t)                     \
	X(JURISDICTIONS, jurisdictions, struct pq_p_jurisdiction) \
	X(PROFILES, profiles, struct pq_p_profile)              \
	X(ASSUMPTIONS, assumptions, struct pq_p_assumption)     \
	X(CASES, cases, struct pq_p_case)                       \
	X(BLOCKS, blocks, uint32_t)                             \
	X(POOL, pool, struct pq_p_block)

enum pq_section {
#define X(NAME, name, type) PQ_SECTION_##NAME,
	PQ_SECTION_MAP(X)
#undef X
	PQ_SECTION_COUNT
};

/** An open image: pointers into the blobs. */
struct pq_program {
#define X(NAME, name, type)  \
	const type *name;        \
	size_t n_##name;
	PQ_SECTION_MAP(X)
#undef X
};

/** The key of a section's blob: "img.07.symbols". */
void pq_section_key(enum pq_section section, char *buf, size_t size);

/** Up to 8 bytes of a name as one number, ASCII letters folded to lower case. */
static inline uint64_t
pq_name_word(const char *text, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t word = 0;

	if (len >= 8) {
		memcpy(&word, text, 8);
	} else if (len >= 4) { /* two halves that may have bytes in common */
		uint32_t first, last;
		memcpy(&first, text, 4);
		memcpy(&last, text + len - 4, 4);
		word = first | (uint64_t)last << (8 * (len - 4));
	} else if (len > 0) { /* the first, the middle and the last byte, which are all there are */
		word = (unsigned char)text[0] | (uint64_t)(unsigned char)text[len / 2] << (8 * (len / 2)) |
		       (uint64_t)(unsigned char)text[len - 1] << (8 * (len - 1));
	}
	/* Of each byte the highest bit: is it above 'Z', is it 'A' or above (both of its lower seven bits), is it ASCII? */
	uint64_t low = word & (ones * 0x7f);
	uint64_t above = low + ones * (0x7f - 'Z'), from = low + ones * (0x80 - 'A');
	return word | (((from ^ above) & ~word & (ones * 0x80)) >> 2);
}

/** A hash of the bytes folded to lower case, seeded with the domain (or scope). */
static inline uint32_t
pq_name_hash(uint32_t seed, const char *text, size_t len)
{
	uint64_t hash = (seed + UINT64_C(0x9e3779b97f4a7c15)) * (len + UINT64_C(0xff51afd7ed558ccd));

	for (size_t i = 0; i < len; i += 8) {
		hash = (hash ^ pq_name_word(text + i, len - i)) * UINT64_C(0xc4ceb9fe1a85ec53);
		hash ^= hash >> 29;
	}
	return (uint32_t)(hash ^ (hash >> 32));
}

#endif

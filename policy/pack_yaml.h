/**
 * YAML as packs use it: one document of mappings, lists and plain text, kept as a tree that knows its places.
 *
 * What the packs do not need is refused, not guessed: anchors and aliases, tags, several documents, duplicate keys,
 * keys that are not text. Scalars are text and nothing else: `NO` is Norway, `600` a series, `on` a word.
 */
#ifndef PQ_POLICY_PACK_YAML_H
#define PQ_POLICY_PACK_YAML_H

#include "policy/arena.h"
#include "policy/model.h"
#include "policy/status.h"

/** Bounds of one file: well above what a person writes, low enough that a hostile file ends soon. */
#define PQ_YAML_MAX_BYTES ((size_t)16 << 20)
#define PQ_YAML_MAX_DEPTH 64
#define PQ_YAML_MAX_NODES 2000000u

enum pq_node_kind { PQ_NODE_TEXT, PQ_NODE_LIST, PQ_NODE_MAP };

struct pq_node {
	enum pq_node_kind kind;
	bool quoted;            /* TEXT: written in quotes or as a block */
	const char *text;       /* TEXT: terminated, UTF-8, without NUL inside */
	struct pq_node **items; /* LIST: its nodes; MAP: keys and values by turns */
	size_t n;               /* of `items` */
	struct pq_src src;      /* of the first character */
};

/**
 * Read one document.
 *
 * Ownership: *ret_root lives in `arena` and does not point into `text`; it is NULL for a document without content.
 *            `file` must live as long as the tree, which points to it.
 * Fails:     PQ_EPARSE with the place of the first fault (err.where = file), PQ_ELIMIT, PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_yaml_parse(const char *file, const char *text, size_t len, struct pq_arena *arena,
                                         struct pq_node **ret_root, struct pq_err *err);

/** The value of a key in a mapping, or NULL. */
struct pq_node *pq_node_get(const struct pq_node *map, const char *key);

#endif

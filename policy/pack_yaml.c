#include "policy/pack_yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Keys of one mapping beyond which duplicates are looked for by sorting rather than by comparing all pairs. */
#define FEW_KEYS 16

/** A collection that is not closed yet. Its nodes wait on the stack of the reader until their number is known. */
struct open_node {
	struct pq_node *node;
	size_t first; /* of its nodes on the stack */
};

struct reader {
	yaml_parser_t parser;
	const char *file;
	struct pq_arena *arena;
	struct pq_err *err;
	struct open_node open[PQ_YAML_MAX_DEPTH];
	size_t depth;
	struct pq_node **stack; /* malloc'ed */
	size_t n_stack, cap_stack;
	size_t n_nodes;
	struct pq_node *root;
	bool seen_document;
};

struct pq_node *
pq_node_get(const struct pq_node *map, const char *key)
{
	for (size_t i = 0; i + 1 < map->n; i += 2) {
		if (strcmp(map->items[i]->text, key) == 0)
			return map->items[i + 1];
	}
	return NULL;
}

static enum pq_status
fail(struct reader *reader, enum pq_status status, yaml_mark_t mark, const char *msg)
{
	return pq_fail_at(reader->err, status, reader->file, (int)mark.line + 1, (int)mark.column + 1, "%s", msg);
}

static enum pq_status
no_memory(struct reader *reader)
{
	return pq_fail(reader->err, PQ_ENOMEM, "%s: out of memory", reader->file);
}

/** What libyaml says of a fault, with its own words and the place of the problem. */
static enum pq_status
scan_failed(struct reader *reader)
{
	yaml_parser_t *parser = &reader->parser;
	const char *problem = parser->problem != NULL ? parser->problem : "not YAML";
	const char *context = parser->context != NULL ? parser->context : "";
	int line = (int)parser->problem_mark.line + 1, column = (int)parser->problem_mark.column + 1;

	if (parser->error == YAML_MEMORY_ERROR)
		return no_memory(reader);
	if (parser->error == YAML_READER_ERROR) {
		/* The reader knows the byte only; the mark is that of the last token. */
		return pq_fail_at(reader->err, PQ_EPARSE, reader->file, (int)parser->mark.line + 1, 0, "%s (byte %zu)", problem,
		                  parser->problem_offset);
	}
	return pq_fail_at(reader->err, PQ_EPARSE, reader->file, line, column, "%s%s%s", problem,
	                  context[0] != '\0' ? ", " : "", context);
}

static int
compare_keys(const void *a, const void *b)
{
	const struct pq_node *x = *(struct pq_node *const *)a, *y = *(struct pq_node *const *)b;
	int order = strcmp(x->text, y->text);

	if (order != 0)
		return order;
	if (x->src.line != y->src.line)
		return x->src.line < y->src.line ? -1 : 1;
	return x->src.column < y->src.column ? -1 : x->src.column > y->src.column;
}

static enum pq_status
duplicate_key(struct reader *reader, const struct pq_node *key)
{
	return pq_fail_at(reader->err, PQ_EPARSE, reader->file, key->src.line, key->src.column,
	                  "the key \"%s\" stands here twice", key->text);
}

static enum pq_status
check_keys(struct reader *reader, const struct pq_node *map)
{
	size_t n = map->n / 2;

	if (n <= FEW_KEYS) {
		for (size_t i = 0; i < n; i++) {
			for (size_t j = 0; j < i; j++) {
				if (strcmp(map->items[2 * i]->text, map->items[2 * j]->text) == 0)
					return duplicate_key(reader, map->items[2 * i]);
			}
		}
		return PQ_OK;
	}
	struct pq_node **keys = malloc(n * sizeof(struct pq_node *));
	if (keys == NULL)
		return no_memory(reader);
	for (size_t i = 0; i < n; i++)
		keys[i] = map->items[2 * i];
	qsort(keys, n, sizeof(struct pq_node *), compare_keys);
	enum pq_status status = PQ_OK;
	for (size_t i = 1; i < n && status == PQ_OK; i++) {
		if (strcmp(keys[i - 1]->text, keys[i]->text) == 0)
			status = duplicate_key(reader, keys[i]);
	}
	free(keys);
	return status;
}

/** Is the next node of the innermost collection a key? */
static bool
at_key(const struct reader *reader)
{
	if (reader->depth == 0)
		return false;
	const struct open_node *open = &reader->open[reader->depth - 1];
	return open->node->kind == PQ_NODE_MAP && (reader->n_stack - open->first) % 2 == 0;
}

static enum pq_status
push(struct reader *reader, struct pq_node *node)
{
	if (reader->depth == 0) {
		reader->root = node;
		return PQ_OK;
	}
	if (reader->n_stack == reader->cap_stack) {
		size_t cap = reader->cap_stack == 0 ? 256 : reader->cap_stack * 2;
		struct pq_node **stack = realloc(reader->stack, cap * sizeof(struct pq_node *));
		if (stack == NULL)
			return no_memory(reader);
		reader->stack = stack;
		reader->cap_stack = cap;
	}
	reader->stack[reader->n_stack++] = node;
	return PQ_OK;
}

static enum pq_status
new_node(struct reader *reader, enum pq_node_kind kind, yaml_mark_t mark, struct pq_node **ret)
{
	if (++reader->n_nodes > PQ_YAML_MAX_NODES)
		return fail(reader, PQ_ELIMIT, mark, "too many nodes in one file");
	if (kind != PQ_NODE_TEXT && at_key(reader))
		return fail(reader, PQ_EPARSE, mark, "a key must be text");
	struct pq_node *node = pq_arena_alloc(reader->arena, sizeof(*node));
	if (node == NULL)
		return no_memory(reader);
	node->kind = kind;
	node->src = (struct pq_src){reader->file, (int)mark.line + 1, (int)mark.column + 1};
	*ret = node;
	return PQ_OK;
}

static enum pq_status
add_text(struct reader *reader, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct pq_node *node = NULL;

	if (memchr(text, '\0', len) != NULL)
		return fail(reader, PQ_EPARSE, event->start_mark, "a NUL character in a text");
	enum pq_status status = new_node(reader, PQ_NODE_TEXT, event->start_mark, &node);
	if (status != PQ_OK)
		return status;
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text = pq_arena_strndup(reader->arena, text, len);
	if (node->text == NULL)
		return no_memory(reader);
	return push(reader, node);
}

static enum pq_status
open_collection(struct reader *reader, enum pq_node_kind kind, yaml_mark_t mark)
{
	struct pq_node *node = NULL;

	if (reader->depth == PQ_YAML_MAX_DEPTH)
		return fail(reader, PQ_ELIMIT, mark, "nested too deeply");
	enum pq_status status = new_node(reader, kind, mark, &node);
	if (status != PQ_OK)
		return status;
	reader->open[reader->depth++] = (struct open_node){node, reader->n_stack};
	return PQ_OK;
}

static enum pq_status
close_collection(struct reader *reader)
{
	struct open_node *open = &reader->open[--reader->depth];
	struct pq_node *node = open->node;

	node->n = reader->n_stack - open->first;
	node->items = pq_arena_array(reader->arena, node->n, sizeof(struct pq_node *));
	if (node->items == NULL)
		return no_memory(reader);
	if (node->n != 0)
		memcpy(node->items, reader->stack + open->first, node->n * sizeof(struct pq_node *));
	reader->n_stack = open->first;
	if (node->kind == PQ_NODE_MAP) {
		enum pq_status status = check_keys(reader, node);
		if (status != PQ_OK)
			return status;
	}
	return push(reader, node);
}

static enum pq_status
take_event(struct reader *reader, const yaml_event_t *event)
{
	yaml_mark_t mark = event->start_mark;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (reader->seen_document)
			return fail(reader, PQ_EPARSE, mark, "a second document in one file");
		reader->seen_document = true;
		return PQ_OK;
	case YAML_ALIAS_EVENT:
		return fail(reader, PQ_EPARSE, mark, "an alias (*name): write the thing out");
	case YAML_SCALAR_EVENT:
		if (event->data.scalar.anchor != NULL)
			return fail(reader, PQ_EPARSE, mark, "an anchor (&name): write the thing out where it is used");
		if (event->data.scalar.tag != NULL)
			return fail(reader, PQ_EPARSE, mark, "a tag (!name): packs have none");
		return add_text(reader, event);
	case YAML_SEQUENCE_START_EVENT:
		if (event->data.sequence_start.anchor != NULL)
			return fail(reader, PQ_EPARSE, mark, "an anchor (&name): write the thing out where it is used");
		if (event->data.sequence_start.tag != NULL)
			return fail(reader, PQ_EPARSE, mark, "a tag (!name): packs have none");
		return open_collection(reader, PQ_NODE_LIST, mark);
	case YAML_MAPPING_START_EVENT:
		if (event->data.mapping_start.anchor != NULL)
			return fail(reader, PQ_EPARSE, mark, "an anchor (&name): write the thing out where it is used");
		if (event->data.mapping_start.tag != NULL)
			return fail(reader, PQ_EPARSE, mark, "a tag (!name): packs have none");
		return open_collection(reader, PQ_NODE_MAP, mark);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_collection(reader);
	default:
		return PQ_OK;
	}
}

static enum pq_status
read_events(struct reader *reader)
{
	for (;;) {
		yaml_event_t event;

		if (!yaml_parser_parse(&reader->parser, &event))
			return scan_failed(reader);
		bool end = event.type == YAML_STREAM_END_EVENT || event.type == YAML_NO_EVENT;
		enum pq_status status = take_event(reader, &event);
		yaml_event_delete(&event);
		if (status != PQ_OK || end)
			return status;
	}
}

enum pq_status
pq_yaml_parse(const char *file, const char *text, size_t len, struct pq_arena *arena, struct pq_node **ret_root,
              struct pq_err *err)
{
	struct reader reader = {.file = file, .arena = arena, .err = err};

	if (len > PQ_YAML_MAX_BYTES)
		return pq_fail_at(err, PQ_ELIMIT, file, 0, 0, "larger than %zu bytes", PQ_YAML_MAX_BYTES);
	if (!yaml_parser_initialize(&reader.parser))
		return no_memory(&reader);
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
	enum pq_status status = read_events(&reader);
	yaml_parser_delete(&reader.parser);
	free(reader.stack);
	if (status != PQ_OK)
		return status;
	/* An empty document is one plain scalar of no length to libyaml. */
	if (reader.root != NULL && reader.root->kind == PQ_NODE_TEXT && !reader.root->quoted &&
	    reader.root->text[0] == '\0')
		reader.root = NULL;
	*ret_root = reader.root;
	return PQ_OK;
}

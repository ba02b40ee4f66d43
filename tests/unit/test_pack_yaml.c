/* YAML of packs: text stays text, places are kept, and what packs do not need is refused. */
#include "policy/pack_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct pq_arena arena;
static struct pq_err err;

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

static enum pq_status
parse(const char *text, struct pq_node **ret)
{
	return pq_yaml_parse("p/f.yaml", text, strlen(text), &arena, ret, &err);
}

static void
test_tree(void **state)
{
	struct pq_node *root;

	(void)state;
	assert_int_equal(parse("a: [x, 'y z']\nb:\n  c: \"1\"\n", &root), PQ_OK);
	assert_int_equal(root->kind, PQ_NODE_MAP);
	assert_int_equal(root->n, 4);
	const struct pq_node *a = pq_node_get(root, "a"), *b = pq_node_get(root, "b");
	assert_int_equal(a->kind, PQ_NODE_LIST);
	assert_int_equal(a->n, 2);
	assert_string_equal(a->items[1]->text, "y z");
	assert_true(a->items[1]->quoted);
	assert_false(a->items[0]->quoted);
	assert_int_equal(a->items[1]->src.line, 1);
	assert_int_equal(a->items[1]->src.column, 8);
	assert_string_equal(a->items[1]->src.file, "p/f.yaml");
	const struct pq_node *c = pq_node_get(b, "c");
	assert_string_equal(c->text, "1");
	assert_int_equal(c->src.line, 3);
	assert_int_equal(c->src.column, 6);
	assert_null(pq_node_get(root, "c"));
}

static void
test_words_are_text(void **state)
{
	static const char *const words[] = {"NO", "on", "off", "yes", "0600", "1e3", "~", "2026-01-01", "D:5"};
	struct pq_node *root;

	(void)state;
	assert_int_equal(parse("- NO\n- on\n- off\n- yes\n- 0600\n- 1e3\n- ~\n- 2026-01-01\n- D:5\n", &root), PQ_OK);
	assert_int_equal(root->n, sizeof(words) / sizeof(words[0]));
	for (size_t i = 0; i < root->n; i++) {
		assert_int_equal(root->items[i]->kind, PQ_NODE_TEXT);
		assert_string_equal(root->items[i]->text, words[i]);
	}
}

static void
test_empty(void **state)
{
	struct pq_node *root = &(struct pq_node){0};

	(void)state;
	assert_int_equal(parse("", &root), PQ_OK);
	assert_null(root);
	root = &(struct pq_node){0};
	assert_int_equal(parse("# nothing but a comment\n", &root), PQ_OK);
	assert_null(root);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *text;
		int line, column;
		const char *msg;
	} refused[] = {
		{"a: &x 1\n", 1, 4, "anchor"},
		{"a: &x [1]\n", 1, 4, "anchor"},
		{"b: 1\na: *x\n", 2, 4, "alias"},
		{"a: !!int 1\n", 1, 4, "tag"},
		{"a: !x {b: 1}\n", 1, 4, "tag"},
		{"a: 1\n---\nb: 2\n", 2, 1, "second document"},
		{"a: 1\nb: 2\na: 3\n", 3, 1, "twice"},
		{"[a]: 1\n", 1, 1, "key must be text"},
		{"{b: 1}: 1\n", 1, 1, "key must be text"},
		{"a: \"x\\0y\"\n", 1, 4, "NUL"},
		{"a: [1, 2\nb: 3\n", 2, 2, "did not find"},
		{"a: b: c\n", 1, 5, "mapping values are not allowed"},
		{"a:\n\t- b\n", 2, 1, "cannot start any token"},
	};
	struct pq_node *root = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(parse(refused[i].text, &root), PQ_EPARSE);
		assert_non_null(strstr(err.msg, refused[i].msg));
		if (err.line != refused[i].line || err.column != refused[i].column)
			fail_msg("%s: refused at %d:%d: %s", refused[i].text, err.line, err.column, err.msg);
		assert_string_equal(err.where, "p/f.yaml");
		assert_null(root);
	}
}

static void
test_not_utf8(void **state)
{
	struct pq_node *root = NULL;

	(void)state;
	assert_int_equal(pq_yaml_parse("p/f.yaml", "a: \xFF\n", 5, &arena, &root, &err), PQ_EPARSE);
	assert_non_null(strstr(err.msg, "UTF-8"));
}

/* Duplicates are also found in mappings large enough to be sorted for it. */
static void
test_many_keys(void **state)
{
	char text[4096];
	size_t len = 0;
	struct pq_node *root;

	(void)state;
	for (int i = 0; i < 40; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "key%d: x\n", i);
	assert_int_equal(parse(text, &root), PQ_OK);
	assert_int_equal(root->n, 80);
	snprintf(text + len, sizeof(text) - len, "key7: x\n");
	assert_int_equal(parse(text, &root), PQ_EPARSE);
	assert_int_equal(err.line, 41);
}

static void
test_depth(void **state)
{
	char text[2 * 100 + 1];
	struct pq_node *root = NULL;

	(void)state;
	for (int depth = PQ_YAML_MAX_DEPTH; depth <= PQ_YAML_MAX_DEPTH + 1; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		text[2 * depth] = '\0';
		assert_int_equal(parse(text, &root), depth == PQ_YAML_MAX_DEPTH ? PQ_OK : PQ_ELIMIT);
	}
}

static void
test_memory(void **state)
{
	struct pq_node *root = NULL;

	(void)state;
	for (size_t limit = 0; limit < 1024; limit += 16) {
		struct pq_arena small;
		pq_arena_init(&small, limit);
		const char *text = "a: [x, y]\nb: {c: d}\n";
		enum pq_status status = pq_yaml_parse("p/f.yaml", text, strlen(text), &small, &root, &err);
		assert_true(status == PQ_OK || status == PQ_ENOMEM);
		pq_arena_release(&small);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(test_words_are_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_utf8, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "policy/pack_loader.h"

#include <string.h>

bool
pq_ld_is(const struct pq_node *node, const char *text)
{
	return node != NULL && node->kind == PQ_NODE_TEXT && !node->quoted && strcmp(node->text, text) == 0;
}

bool
pq_ld_is_name(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		char c = *text;
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_')
			return false;
	}
	return true;
}

static size_t
count_names(const char *const *names)
{
	size_t n = 0;

	while (names[n] != NULL)
		n++;
	return n;
}

bool
pq_ld_keys(struct pq_loader *ld, const struct pq_node *map, const char *what, const char *const *keys)
{
	if (map->kind != PQ_NODE_MAP) {
		pq_ld_error(ld, map->src, "%s must be a mapping", what);
		return false;
	}
	for (size_t i = 0; i < map->n; i += 2) {
		const char *key = map->items[i]->text;
		size_t j = 0;
		while (keys[j] != NULL && strcmp(keys[j], key) != 0)
			j++;
		if (keys[j] == NULL) {
			pq_ld_error(ld, map->items[i]->src, "%s has no key \"%s\"%s", what, key,
			            pq_ld_propose(ld, key, keys, count_names(keys)));
		}
	}
	return true;
}

const char *
pq_ld_text(struct pq_loader *ld, const struct pq_node *node, const char *what)
{
	if (node->kind != PQ_NODE_TEXT) {
		pq_ld_error(ld, node->src, "%s must be text", what);
		return NULL;
	}
	if (node->text[0] == '\0') {
		pq_ld_error(ld, node->src, "%s is empty", what);
		return NULL;
	}
	return node->text;
}

const char *
pq_ld_text_at(struct pq_loader *ld, const struct pq_node *map, const char *key, const char *fallback)
{
	const struct pq_node *node = pq_node_get(map, key);

	if (node == NULL)
		return fallback;
	const char *text = pq_ld_text(ld, node, key);
	return text != NULL ? text : fallback;
}

bool
pq_ld_bool_at(struct pq_loader *ld, const struct pq_node *map, const char *key, bool fallback)
{
	const struct pq_node *node = pq_node_get(map, key);

	if (node == NULL)
		return fallback;
	if (pq_ld_is(node, "true") || pq_ld_is(node, "false"))
		return node->text[0] == 't';
	pq_ld_error(ld, node->src, "%s must be true or false", key);
	return fallback;
}

int32_t
pq_ld_date_at(struct pq_loader *ld, const struct pq_node *map, const char *key, int32_t fallback)
{
	const struct pq_node *node = pq_node_get(map, key);
	int32_t date;

	if (node == NULL)
		return fallback;
	if (node->kind == PQ_NODE_TEXT && pq_date_parse(node->text, strlen(node->text), &date))
		return date;
	pq_ld_error(ld, node->src, "%s must be a date that exists, YYYY-MM-DD, 1900 to 2199", key);
	return fallback;
}

int32_t
pq_ld_int_at(struct pq_loader *ld, const struct pq_node *map, const char *key, int32_t min, int32_t max,
             int32_t fallback)
{
	const struct pq_node *node = pq_node_get(map, key);
	int64_t number;

	if (node == NULL)
		return fallback;
	if (node->kind == PQ_NODE_TEXT && pq_number_parse(node->text, strlen(node->text), &number) &&
	    number % PQ_NUMBER_SCALE == 0 && number / PQ_NUMBER_SCALE >= min && number / PQ_NUMBER_SCALE <= max)
		return (int32_t)(number / PQ_NUMBER_SCALE);
	pq_ld_error(ld, node->src, "%s must be a whole number from %d to %d", key, min, max);
	return fallback;
}

struct pq_node *const *
pq_ld_list(const struct pq_node *const *node, size_t *ret_n)
{
	if ((*node)->kind == PQ_NODE_LIST) {
		*ret_n = (*node)->n;
		return (*node)->items;
	}
	*ret_n = 1;
	return (struct pq_node *const *)node;
}

struct pq_strings
pq_ld_strings(struct pq_loader *ld, const struct pq_node *node, const char *what)
{
	size_t n;
	struct pq_node *const *items = pq_ld_list(&node, &n);
	struct pq_strings strings = {pq_ld_array(ld, n, sizeof(char *)), 0};

	for (size_t i = 0; i < n; i++) {
		const char *text = pq_ld_text(ld, items[i], what);
		if (text != NULL)
			strings.at[strings.n++] = text;
	}
	return strings;
}

struct pq_strings
pq_ld_strings_at(struct pq_loader *ld, const struct pq_node *map, const char *key)
{
	const struct pq_node *node = pq_node_get(map, key);

	return node != NULL ? pq_ld_strings(ld, node, key) : (struct pq_strings){NULL, 0};
}

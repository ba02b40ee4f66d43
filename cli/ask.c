#include "cli/ask.h"

#include <stdlib.h>
#include <string.h>

enum pq_status
pq_ask_init(struct pq_ask *ask, struct pq_err *err)
{
	json_t *root = json_object();

	if (root == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory");
	*ask = (struct pq_ask){.root = root, .request = root};
	return PQ_OK;
}

enum pq_status
pq_ask_read(struct pq_ask *ask, const char *name, const char *json, size_t len, struct pq_err *err)
{
	json_error_t error;
	json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	if (root == NULL)
		return pq_fail_at(err, PQ_EPARSE, name, error.line > 0 ? error.line : 1, error.column > 0 ? error.column : 1,
		                  "%s", error.text);
	json_t *request = json_object_get(root, "request");
	if (!json_is_object(root) || (request != NULL && !json_is_object(request))) {
		json_decref(root);
		return pq_fail_at(err, PQ_EINVAL, name, 0, 0, "a request is a JSON object");
	}
	json_decref(ask->root);
	*ask = (struct pq_ask){.root = root, .request = request != NULL ? request : root};
	return PQ_OK;
}

void
pq_ask_release(struct pq_ask *ask)
{
	json_decref(ask->root);
	*ask = (struct pq_ask){0};
}

/* ---- where a fact stands in the form ----------------------------------------------------------------------------- */

/* Set `name` in `object`, if something of that name or of its group stands there already. */
static bool
set_where_it_stands(json_t *object, const char *name, json_t *value, int *ret)
{
	const char *dot = strchr(name, '.');

	if (!json_is_object(object))
		return false;
	if (json_object_get(object, name) != NULL) {
		*ret = json_object_set(object, name, value);
		return true;
	}
	if (dot == NULL)
		return false;
	char group[64];
	if ((size_t)(dot - name) >= sizeof(group))
		return false;
	memcpy(group, name, (size_t)(dot - name));
	group[dot - name] = '\0';
	json_t *inner = json_object_get(object, group);
	if (!json_is_object(inner))
		return false;
	if (!set_where_it_stands(inner, dot + 1, value, ret))
		*ret = json_object_set(inner, dot + 1, value);
	return true;
}

/* The object `name` in the request, made where it is missing. NULL: something else stands there, or no memory. */
static json_t *
group_of(json_t *request, const char *name)
{
	json_t *group = json_object_get(request, name);

	if (group == NULL && json_object_set_new(request, name, json_object()) == 0)
		group = json_object_get(request, name);
	return json_is_object(group) ? group : NULL;
}

/* The object of the form that a fact goes into where nothing of its name stands yet, and its name there. */
static json_t *
home_of(json_t *request, const char *name, bool top, const char **ret_name)
{
	static const char *const groups[] = {"item", "screening"};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		size_t len = strlen(groups[i]);
		if (strncmp(name, groups[i], len) == 0 && name[len] == '.') {
			*ret_name = name + len + 1;
			return group_of(request, groups[i]);
		}
	}
	*ret_name = name;
	return top ? request : group_of(request, "facts");
}

/* Steals `value`, which may be NULL. `top`: a member of the request itself rather than of its `facts`. */
static enum pq_status
set_fact(struct pq_ask *ask, const char *flag, const char *name, bool top, json_t *value, struct pq_err *err)
{
	int failed = -1;

	if (value == NULL)
		return pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "the value is not UTF-8");
	if (!set_where_it_stands(ask->request, name, value, &failed) &&
	    !set_where_it_stands(json_object_get(ask->request, "facts"), name, value, &failed)) {
		const char *short_name;
		json_t *home = home_of(ask->request, name, top, &short_name);
		failed = home != NULL ? json_object_set(home, short_name, value) : -1;
	}
	json_decref(value);
	return failed == 0 ? PQ_OK : pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "%.100s cannot be set in this request", name);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static json_t *
number_value(const char *text, size_t len)
{
	int64_t number;

	if (!pq_number_parse(text, len, &number))
		return NULL;
	if (number % PQ_NUMBER_SCALE == 0)
		return json_integer(number / PQ_NUMBER_SCALE);
	char copy[64];
	if (len >= sizeof(copy))
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return json_real(strtod(copy, NULL));
}

static json_t *
list_value(const char *text, size_t len, char separator)
{
	json_t *list = json_array();

	while (list != NULL && len > 0) {
		const char *end = memchr(text, separator, len);
		size_t part = end != NULL ? (size_t)(end - text) : len;
		if (json_array_append_new(list, json_stringn(text, part)) != 0) {
			json_decref(list);
			return NULL;
		}
		text += part + (end != NULL);
		len -= part + (end != NULL);
	}
	return list;
}

static bool
is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

/*
 * A value as written in a flag: null, true, false, a number, "a text", a list (a,b or a,), or else a text. Nothing at
 * all is the empty list.
 */
static json_t *
any_value(const char *text, size_t len, char separator)
{
	if (is_word(text, len, "null"))
		return json_null();
	if (is_word(text, len, "true"))
		return json_true();
	if (is_word(text, len, "false"))
		return json_false();
	if (len >= 2 && text[0] == '"' && text[len - 1] == '"')
		return json_stringn(text + 1, len - 2);
	if (len == 0 || memchr(text, separator, len) != NULL)
		return list_value(text, len, separator);
	json_t *number = number_value(text, len);
	return number != NULL ? number : json_stringn(text, len);
}

enum pq_status
pq_ask_text(struct pq_ask *ask, const char *flag, const char *fact, const char *value, struct pq_err *err)
{
	if (value[0] == '\0')
		return pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "is empty; leave it out for silence");
	/* The day may stand beside the request, too. */
	if (strcmp(fact, "as_of") == 0 && ask->root != ask->request)
		json_object_del(ask->root, fact);
	if (strcmp(value, "null") == 0)
		return set_fact(ask, flag, fact, true, json_null(), err);
	return set_fact(ask, flag, fact, true, json_string(value), err);
}

enum pq_status
pq_ask_number(struct pq_ask *ask, const char *flag, const char *fact, const char *value, struct pq_err *err)
{
	if (strcmp(value, "null") == 0)
		return set_fact(ask, flag, fact, true, json_null(), err);
	json_t *number = number_value(value, strlen(value));
	if (number == NULL)
		return pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "\"%.60s\" is no number (digits, at most 4 decimals)", value);
	return set_fact(ask, flag, fact, true, number, err);
}

enum pq_status
pq_ask_bool(struct pq_ask *ask, const char *fact, bool value, struct pq_err *err)
{
	return set_fact(ask, fact, fact, true, json_boolean(value), err);
}

/* NAME=VALUE apart. False where there is no name. */
static bool
split(const char *text, size_t len, char *name, size_t size, const char **ret_value, size_t *ret_len)
{
	const char *equal = memchr(text, '=', len);

	if (equal == NULL || equal == text || (size_t)(equal - text) >= size)
		return false;
	memcpy(name, text, (size_t)(equal - text));
	name[equal - text] = '\0';
	*ret_value = equal + 1;
	*ret_len = len - (size_t)(equal + 1 - text);
	return true;
}

enum pq_status
pq_ask_fact(struct pq_ask *ask, const char *assignment, struct pq_err *err)
{
	char name[PQ_MAX_STRING + 1];
	const char *value;
	size_t len;

	if (!split(assignment, strlen(assignment), name, sizeof(name), &value, &len))
		return pq_fail_at(err, PQ_EINVAL, "--fact", 0, 0, "\"%.60s\" is not NAME=VALUE", assignment);
	return set_fact(ask, "--fact", name, false, any_value(value, len, ','), err);
}

enum pq_status
pq_ask_assume(struct pq_ask *ask, const char *assignment, struct pq_err *err)
{
	char name[PQ_MAX_STRING + 1];
	const char *text;
	size_t len;
	int failed = -1;

	if (!split(assignment, strlen(assignment), name, sizeof(name), &text, &len))
		return pq_fail_at(err, PQ_EINVAL, "--assume", 0, 0, "\"%.60s\" is not FACT=VALUE", assignment);
	json_t *assume = group_of(ask->request, "assume");
	json_t *value = any_value(text, len, ',');
	if (value == NULL)
		return pq_fail_at(err, PQ_EINVAL, "--assume", 0, 0, "the value is not UTF-8");
	if (assume != NULL && !set_where_it_stands(assume, name, value, &failed))
		failed = json_object_set(assume, name, value);
	json_decref(value);
	if (failed != 0)
		return pq_fail_at(err, PQ_EINVAL, "--assume", 0, 0, "%.100s cannot be set in this request", name);
	return PQ_OK;
}

enum pq_status
pq_ask_profile(struct pq_ask *ask, const char *name, struct pq_err *err)
{
	if (!ask->fresh_profile && json_object_set_new(ask->request, "profile", json_array()) != 0)
		return pq_fail(err, PQ_ENOMEM, "no memory");
	ask->fresh_profile = true;
	if (json_array_append_new(json_object_get(ask->request, "profile"), json_string(name)) != 0)
		return pq_fail_at(err, PQ_EINVAL, "--profile", 0, 0, "the name is not UTF-8");
	return PQ_OK;
}

enum pq_status
pq_ask_near_misses(struct pq_ask *ask, const char *number, struct pq_err *err)
{
	json_t *value = number != NULL ? number_value(number, strlen(number)) : json_true();

	if (value == NULL || json_object_set_new(ask->request, "near_misses", value) != 0)
		return pq_fail_at(err, PQ_EINVAL, "--near-misses", 0, 0, "\"%.60s\" is no whole number from 0 to %d",
		                  number != NULL ? number : "", PQ_MAX_NEAR_MISSES);
	return PQ_OK;
}

enum pq_status
pq_ask_party(struct pq_ask *ask, const char *assignments, struct pq_err *err)
{
	json_t *party = json_object();
	const char *text = assignments;

	while (*text != '\0') {
		char name[PQ_MAX_STRING + 1];
		const char *value;
		size_t len = strcspn(text, ","), value_len;
		if (!split(text, len, name, sizeof(name), &value, &value_len)) {
			json_decref(party);
			return pq_fail_at(err, PQ_EINVAL, "--party", 0, 0, "\"%.*s\" is not NAME=VALUE", (int)(len < 60 ? len : 60),
			                  text);
		}
		if (json_object_get(party, name) != NULL) {
			json_decref(party);
			return pq_fail_at(err, PQ_EINVAL, "--party", 0, 0, "says %.60s twice", name);
		}
		if (json_object_set_new(party, name, any_value(value, value_len, ';')) != 0) {
			json_decref(party);
			return pq_fail_at(err, PQ_EINVAL, "--party", 0, 0, "%.60s is not UTF-8", name);
		}
		text += len + (text[len] == ',');
	}
	if (!ask->fresh_party && json_object_set_new(ask->request, "parties", json_array()) != 0) {
		json_decref(party);
		return pq_fail(err, PQ_ENOMEM, "no memory");
	}
	ask->fresh_party = true;
	if (json_array_append_new(json_object_get(ask->request, "parties"), party) != 0)
		return pq_fail(err, PQ_ENOMEM, "no memory");
	return PQ_OK;
}

enum pq_status
pq_ask_via(struct pq_ask *ask, const char *country, struct pq_err *err)
{
	json_t *value = strcmp(country, "null") == 0 ? json_null() : json_string(country);

	if (!ask->fresh_via && json_object_set_new(ask->request, "intermediate", json_array()) != 0) {
		json_decref(value);
		return pq_fail(err, PQ_ENOMEM, "no memory");
	}
	ask->fresh_via = true;
	if (json_array_append_new(json_object_get(ask->request, "intermediate"), value) != 0)
		return pq_fail_at(err, PQ_EINVAL, "--via", 0, 0, "the value is not UTF-8");
	return PQ_OK;
}

enum pq_status
pq_ask_request(const struct pq_ask *ask, struct pq_arena *arena, struct pq_request *ret_request, struct pq_err *err)
{
	char *text = json_dumps(ask->root, JSON_COMPACT);

	if (text == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory");
	enum pq_status status = pq_request_from_json(text, strlen(text), arena, ret_request, err);
	free(text);
	return status;
}

#include "policy/request_json.h"

#include "policy/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Objects in objects: "conveyance.owner.country" is far; what is deeper is a mistake. */
#define DEPTH_MAX 4

/* A double holds 15 decimal digits for sure: 11 before the point leave 4 behind it. */
#define REAL_MAX 1e11

void
pq_json_where(const struct pq_json_place *place, char *buf, size_t size)
{
	size_t used;

	if (size == 0)
		return;
	buf[0] = '\0';
	if (place == NULL)
		return;
	pq_json_where(place->up, buf, size);
	used = strlen(buf);
	if (place->name == NULL)
		snprintf(buf + used, size - used, "[%zu]", place->index);
	else
		snprintf(buf + used, size - used, "%s%.100s", used > 0 ? "." : "", place->name);
}

enum pq_status
pq_json_fail(const struct pq_json_reader *r, enum pq_status status, const struct pq_json_place *place, const char *fmt,
             ...)
{
	char where[PQ_ERR_WHERE_MAX];
	char msg[PQ_ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	pq_json_where(place, where, sizeof(where));
	return pq_fail_at(r->err, status, where, 0, 0, "%s", msg);
}

const char *
pq_json_kind(const json_t *value)
{
	if (value == NULL)
		return "nothing";
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_NULL:
		return "null";
	}
	return "something else";
}

enum pq_status
pq_json_parse(const char *json, size_t len, json_t **ret, struct pq_err *err)
{
	json_error_t error;

	if (len > PQ_REQUEST_JSON_MAX)
		return pq_fail(err, PQ_ELIMIT, "the text has %zu bytes, more than %zu", len, PQ_REQUEST_JSON_MAX);
	bool no_memory;
	json_t *root = pq_json_load(json, len, PQ_JSON_FLAGS, &error, &no_memory);
	if (root == NULL) {
		if (no_memory)
			return pq_fail(err, PQ_ENOMEM, "no memory to read the JSON text");
		return pq_fail_at(err, PQ_EPARSE, "JSON", error.line > 0 ? error.line : 1, error.column > 0 ? error.column : 1,
		                  "%s", error.text);
	}
	*ret = root;
	return PQ_OK;
}

enum pq_status
pq_json_text(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *value,
             struct pq_text *ret)
{
	if (!json_is_string(value))
		return pq_json_fail(r, PQ_EINVAL, place, "must be a string, not %s", pq_json_kind(value));
	size_t len = json_string_length(value);
	if (memchr(json_string_value(value), '\0', len) != NULL)
		return pq_json_fail(r, PQ_EINVAL, place, "has a NUL character (\\u0000)");
	if (len > PQ_MAX_STRING)
		return pq_json_fail(r, PQ_ELIMIT, place, "has %zu bytes; a string may have %d", len, PQ_MAX_STRING);
	char *copy = pq_arena_strndup(r->arena, json_string_value(value), len);
	if (copy == NULL)
		return pq_json_fail(r, PQ_ENOMEM, place, "no memory");
	*ret = (struct pq_text){copy, len};
	return PQ_OK;
}

static enum pq_status
read_real(const struct pq_json_reader *r, const struct pq_json_place *place, double real, int64_t *ret)
{
	char text[64];
	int64_t number;

	if (fabs(real) >= REAL_MAX)
		return pq_json_fail(r, PQ_EINVAL, place, "is too large to be exact; write it without decimals or exponent");
	snprintf(text, sizeof(text), "%.4f", real);
	if (!pq_number_parse(text, strlen(text), &number) || strtod(text, NULL) != real)
		return pq_json_fail(r, PQ_EINVAL, place, "has more than 4 decimals");
	*ret = number;
	return PQ_OK;
}

static enum pq_status
read_texts(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *list, struct pq_value *ret)
{
	size_t n = json_array_size(list);
	enum pq_status status;

	if (n > PQ_MAX_SET)
		return pq_json_fail(r, PQ_ELIMIT, place, "has %zu values; a list may have %d", n, PQ_MAX_SET);
	struct pq_text *texts = pq_arena_array(r->arena, n, sizeof(*texts));
	if (texts == NULL)
		return pq_json_fail(r, PQ_ENOMEM, place, "no memory");
	for (size_t i = 0; i < n; i++) {
		struct pq_json_place element = {place, NULL, i};
		if ((status = pq_json_text(r, &element, json_array_get(list, i), &texts[i])) != PQ_OK)
			return status;
	}
	*ret = (struct pq_value){.kind = PQ_VALUE_TEXTS, .texts = texts, .n_texts = n};
	return PQ_OK;
}

static enum pq_status
read_value(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *value, struct pq_value *ret)
{
	enum pq_status status;
	struct pq_value read = {.kind = PQ_VALUE_UNKNOWN};

	switch (json_typeof(value)) {
	case JSON_NULL:
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		read.kind = PQ_VALUE_BOOL;
		read.boolean = json_is_true(value);
		break;
	case JSON_INTEGER:
		read.kind = PQ_VALUE_NUMBER;
		if (__builtin_mul_overflow((int64_t)json_integer_value(value), (int64_t)PQ_NUMBER_SCALE, &read.number))
			return pq_json_fail(r, PQ_EINVAL, place, "is out of range");
		break;
	case JSON_REAL:
		read.kind = PQ_VALUE_NUMBER;
		if ((status = read_real(r, place, json_real_value(value), &read.number)) != PQ_OK)
			return status;
		break;
	case JSON_STRING:
		read.kind = PQ_VALUE_TEXT;
		if ((status = pq_json_text(r, place, value, &read.text)) != PQ_OK)
			return status;
		break;
	case JSON_ARRAY:
		if ((status = read_texts(r, place, value, &read)) != PQ_OK)
			return status;
		break;
	case JSON_OBJECT:
		return pq_json_fail(r, PQ_EINVAL, place, "must be a single value, not an object");
	}
	*ret = read;
	return PQ_OK;
}

static bool
grow(const struct pq_json_reader *r, struct pq_json_facts *facts)
{
	if (facts->n < facts->size)
		return true;
	size_t size = facts->size > 0 ? facts->size * 2 : 8;
	struct pq_fact *at = pq_arena_array(r->arena, size, sizeof(*at));
	if (at == NULL)
		return false;
	if (facts->n > 0)
		memcpy(at, facts->at, facts->n * sizeof(*at));
	facts->at = at;
	facts->size = size;
	return true;
}

static enum pq_status
add_one(const struct pq_json_reader *r, const struct pq_json_place *place, struct pq_json_facts *facts,
        const char *name, size_t len, const json_t *value)
{
	struct pq_fact fact = {.name = {name, len}};
	enum pq_status status = read_value(r, place, value, &fact.value);

	if (status != PQ_OK)
		return status;
	for (size_t i = 0; i < facts->n; i++)
		if (facts->at[i].name.len == len && memcmp(facts->at[i].name.at, name, len) == 0)
			return pq_json_fail(r, PQ_EINVAL, place, "says %s a second time", name);
	if (facts->n == PQ_MAX_FACTS)
		return pq_json_fail(r, PQ_ELIMIT, place, "is one fact too many; a place may have %d", PQ_MAX_FACTS);
	if (!grow(r, facts))
		return pq_json_fail(r, PQ_ENOMEM, place, "no memory");
	facts->at[facts->n++] = fact;
	return PQ_OK;
}

static enum pq_status
add_nested(const struct pq_json_reader *r, const struct pq_json_place *place, struct pq_json_facts *facts,
           const char *prefix, const char *key, json_t *value, int depth)
{
	enum pq_status status;
	const char *name =
		prefix != NULL ? pq_arena_printf(r->arena, "%s.%s", prefix, key) : pq_arena_strndup(r->arena, key, strlen(key));

	if (name == NULL)
		return pq_json_fail(r, PQ_ENOMEM, place, "no memory");
	size_t len = strlen(name);
	if (key[0] == '\0')
		return pq_json_fail(r, PQ_EINVAL, place, "has no name");
	if (len > PQ_MAX_STRING)
		return pq_json_fail(r, PQ_ELIMIT, place, "has a name of %zu bytes; it may have %d", len, PQ_MAX_STRING);
	if (!json_is_object(value))
		return add_one(r, place, facts, name, len, value);
	if (depth == DEPTH_MAX)
		return pq_json_fail(r, PQ_EINVAL, place, "is nested too deeply");

	const char *member;
	json_t *inner;
	json_object_foreach(value, member, inner)
	{
		struct pq_json_place at = {place, member, 0};
		if ((status = add_nested(r, &at, facts, name, member, inner, depth + 1)) != PQ_OK)
			return status;
	}
	return PQ_OK;
}

enum pq_status
pq_json_add(const struct pq_json_reader *r, const struct pq_json_place *place, struct pq_json_facts *facts,
            const char *prefix, const char *key, const json_t *value)
{
	/* json_object_foreach wants its object writable; nothing is written. */
	return add_nested(r, place, facts, prefix, key, (json_t *)(uintptr_t)value, 0);
}

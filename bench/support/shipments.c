#include "bench/support/shipments.h"

#include "bench/support/random.h"
#include "policy/decide.h"
#include "policy/image_private.h"
#include "policy/request.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DECISION_BYTES ((size_t)64 << 20)
#define DEPTH_MAX 32 /* of values in values: one that names itself ends there */

struct maker {
	const struct pq_image *image;
	const char *path;
	struct bench_random random;
	json_t *named;
	json_t *request;  /* the one under construction */
	const char *form; /* its name */
	int depth;
	int32_t today;
	enum pq_status status; /* the first fault */
	struct pq_err *err;
};

static json_t *expand(struct maker *m, json_t *value);

static json_t *
fault(struct maker *m, const char *what, const char *name)
{
	if (m->status == PQ_OK)
		m->status = pq_fail_at(m->err, PQ_EINVAL, m->path, 0, 0, "%s: %s %s", m->form, what, name);
	return NULL;
}

/* ---- what is drawn ---- */

/* One of [[weight, value, ...], ...]: the pair, borrowed. */
static json_t *
draw(struct maker *m, json_t *pairs)
{
	size_t sum = 0;

	for (size_t i = 0; i < json_array_size(pairs); i++) {
		json_t *weight = json_array_get(json_array_get(pairs, i), 0);
		if (json_array_size(json_array_get(pairs, i)) < 2 || !json_is_integer(weight) || json_integer_value(weight) < 0)
			return fault(m, "a list of [weight, value] is wrong:", "a whole weight and a value belong to each");
		sum += (size_t)json_integer_value(weight);
	}
	if (sum == 0)
		return fault(m, "a list of [weight, value] is wrong:", "it has no weights");
	size_t at = bench_random_below(&m->random, sum);
	for (size_t i = 0;; i++) {
		json_t *pair = json_array_get(pairs, i);
		size_t weight = (size_t)json_integer_value(json_array_get(pair, 0));
		if (at < weight)
			return pair;
		at -= weight;
	}
}

static json_t *
one(struct maker *m, json_t *pairs)
{
	json_t *pair = draw(m, pairs);

	return pair != NULL ? expand(m, json_array_get(pair, 1)) : NULL;
}

static json_t *
named(struct maker *m, json_t *name)
{
	json_t *value = json_is_string(name) ? json_object_get(m->named, json_string_value(name)) : NULL;

	return value != NULL ? expand(m, value) : fault(m, "$named: nothing is named", json_string_value(name));
}

/* A fact that was left out is left out here too. */
static json_t *
said(struct maker *m, json_t *name)
{
	return json_is_string(name) ? json_deep_copy(json_object_get(m->request, json_string_value(name)))
	                            : fault(m, "$fact:", "a name is wanted");
}

static json_t *
symbol(struct maker *m, json_t *fact)
{
	const struct pq_program *p = &m->image->p;

	for (size_t i = 0; json_is_string(fact) && i < p->n_attrs; i++) {
		const char *name = pq_string(m->image, p->attrs[i].name);
		if (strcmp(name, json_string_value(fact)) != 0 || p->attrs[i].domain == PQ_NO_INDEX)
			continue;
		struct pq_span symbols = p->domains[p->attrs[i].domain].symbols;
		uint32_t at = p->symbols[symbols.first + bench_random_below(&m->random, symbols.n)];
		return json_string(pq_string(m->image, at));
	}
	return fault(m, "$symbol: the store knows no symbols of", json_is_string(fact) ? json_string_value(fact) : "it");
}

static json_t *
between(struct maker *m, json_t *bounds)
{
	json_int_t low = json_integer_value(json_array_get(bounds, 0)),
			   high = json_integer_value(json_array_get(bounds, 1));
	size_t doublings = 0;

	if (low < 1 || high < low || high > INT32_MAX)
		return fault(m, "$between:", "two whole numbers are wanted, from 1, the lower first");
	for (json_int_t at = low; at < high; at *= 2)
		doublings++;
	json_int_t base = low << bench_random_below(&m->random, doublings);
	json_int_t drawn = base + (json_int_t)bench_random_below(&m->random, (size_t)base);
	return json_integer(drawn < high ? drawn : high);
}

static json_t *
day(struct maker *m, json_t *days)
{
	char text[16];

	if (!json_is_integer(days) || json_integer_value(days) < 1)
		return fault(m, "$day:", "a number of days is wanted");
	pq_date_format(m->today - (int32_t)bench_random_below(&m->random, (size_t)json_integer_value(days)), text,
	               sizeof(text));
	return json_string(text);
}

static json_t *
list(struct maker *m, json_t *pairs, json_t *of)
{
	json_t *pair = draw(m, pairs), *made = json_array();

	for (json_int_t n = json_integer_value(json_array_get(pair, 1)); n > 0 && m->status == PQ_OK; n--) {
		json_t *value = expand(m, of);
		if (value != NULL)
			json_array_append_new(made, value);
	}
	return made;
}

/* ---- the form ---- */

static json_t *
expand_members(struct maker *m, json_t *object, json_t *made)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		json_t *member = expand(m, value);
		if (member != NULL)
			json_object_set_new(made, key, member);
	}
	return made;
}

static json_t *
expand_elements(struct maker *m, json_t *array)
{
	json_t *made = json_array();

	for (size_t i = 0; i < json_array_size(array); i++) {
		json_t *value = expand(m, json_array_get(array, i));
		if (value != NULL)
			json_array_append_new(made, value);
	}
	return made;
}

static json_t *
expand_word(struct maker *m, const char *word, json_t *value, json_t *object)
{
	if (strcmp(word, "$one") == 0)
		return one(m, value);
	if (strcmp(word, "$named") == 0)
		return named(m, value);
	if (strcmp(word, "$fact") == 0)
		return said(m, value);
	if (strcmp(word, "$symbol") == 0)
		return symbol(m, value);
	if (strcmp(word, "$between") == 0)
		return between(m, value);
	if (strcmp(word, "$day") == 0)
		return day(m, value);
	if (strcmp(word, "$list") == 0)
		return list(m, value, json_object_get(object, "of"));
	return strcmp(word, "$silent") == 0 ? NULL : fault(m, "there is no word", word);
}

/* A new value; NULL where the member is left out, or there is a fault. */
static json_t *
expand(struct maker *m, json_t *value)
{
	json_t *made;

	if (value == NULL || ++m->depth > DEPTH_MAX)
		return fault(m, "a value", value == NULL ? "is missing" : "is in itself");
	const char *word = json_object_iter_key(json_object_iter(value));
	if (word != NULL && word[0] == '$')
		made = expand_word(m, word, json_object_get(value, word), value);
	else if (json_is_object(value))
		made = expand_members(m, value, json_object());
	else if (json_is_array(value))
		made = expand_elements(m, value);
	else
		made = json_deep_copy(value);
	m->depth--;
	return made;
}

static enum pq_status
read_request(struct maker *m, struct pq_arena *arena, struct pq_arena *scratch, struct pq_request *ret)
{
	char *text = json_dumps(m->request, JSON_COMPACT);
	char *kept = text != NULL ? pq_arena_strndup(arena, text, strlen(text)) : NULL;
	struct pq_decision decision;
	struct pq_err err = {0};

	free(text);
	if (kept == NULL)
		return pq_fail(m->err, PQ_ENOMEM, "no memory for the shipments");
	pq_arena_reset(scratch);
	enum pq_status status = pq_request_from_json(kept, strlen(kept), arena, ret, &err);
	if (status == PQ_OK)
		status = pq_decide(m->image, ret, scratch, &decision, NULL, NULL, &err);
	if (status != PQ_OK)
		return pq_fail_at(m->err, status, m->path, 0, 0, "%s: %s: %s: %.200s", m->form, err.where, err.msg, kept);
	return PQ_OK;
}

static enum pq_status
make_shipment(struct maker *m, json_t *forms, size_t number, struct pq_arena *arena, struct pq_arena *scratch,
              struct bench_request *ret)
{
	m->form = "forms";
	m->depth = 0;
	json_t *form = draw(m, forms);
	const char *name = json_string_value(json_array_get(form, 1));
	if (m->status == PQ_OK && (name == NULL || !json_is_object(json_array_get(form, 2))))
		fault(m, "a form is wrong:", "a weight, a name and a request are wanted");
	if (m->status != PQ_OK)
		return m->status;
	m->form = name;
	m->request = json_object();
	expand_members(m, json_array_get(form, 2), m->request);
	*ret = (struct bench_request){.name = pq_arena_printf(arena, "shipment %zu, %s", number, name), .shipment = true};
	enum pq_status status = m->status == PQ_OK ? read_request(m, arena, scratch, &ret->request) : m->status;
	json_decref(m->request);
	ret->simple = bench_is_simple(m->image, &ret->request);
	return status;
}

enum pq_status
bench_shipments_add(const struct pq_image *image, const char *path, size_t n, uint64_t seed, struct pq_arena *arena,
                    struct bench_requests *requests, struct pq_err *err)
{
	json_error_t error;
	json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	struct maker m = {
		.image = image, .path = path, .random = {seed}, .named = json_object_get(file, "named"), .err = err};
	struct bench_request *at = pq_arena_array(arena, requests->n + n + 1, sizeof(*at));
	struct pq_arena scratch;

	if (file == NULL)
		return pq_fail_at(err, error.line < 0 ? PQ_EIO : PQ_EPARSE, path, error.line < 0 ? 0 : error.line, 0, "%s",
		                  error.text);
	pq_arena_init(&scratch, DECISION_BYTES);
	m.today = bench_latest_edition(image);
	if (at == NULL)
		m.status = pq_fail(err, PQ_ENOMEM, "no memory for the shipments");
	else if (requests->n > 0)
		memcpy(at, requests->at, requests->n * sizeof(*at));
	for (size_t i = 0; m.status == PQ_OK && i < n; i++)
		m.status = make_shipment(&m, json_object_get(file, "forms"), i, arena, &scratch, &at[requests->n + i]);
	pq_arena_release(&scratch);
	json_decref(file);
	if (m.status == PQ_OK) {
		requests->at = at;
		requests->n += n;
	}
	return m.status;
}

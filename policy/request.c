#include "policy/request.h"

#include "policy/request_json.h"

#include <string.h>

/* What is read from one request object besides the facts of the whole: see docs/request.md. */

/* A list of elements. `null` is refused: "none given" would turn what is unknown into "there is none". For owners and
   hits it says that the fact of that name is unknown, where the packs have one. */
static enum pq_status
check_list(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *list, size_t max)
{
	if (json_is_null(list))
		return pq_json_fail(r, PQ_EINVAL, place,
		                    "cannot be null: leave it out, or give elements whose members are null where unknown");
	if (!json_is_array(list))
		return pq_json_fail(r, PQ_EINVAL, place, "must be a list, not %s", pq_json_kind(list));
	if (json_array_size(list) > max)
		return pq_json_fail(r, PQ_ELIMIT, place, "has %zu elements; it may have %zu", json_array_size(list), max);
	return PQ_OK;
}

enum pq_status
pq_json_check_object(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *object)
{
	if (json_is_null(object))
		return pq_json_fail(r, PQ_EINVAL, place,
		                    "cannot be null: leave it out, or give its members null where unknown");
	if (!json_is_object(object))
		return pq_json_fail(r, PQ_EINVAL, place, "must be an object, not %s", pq_json_kind(object));
	return PQ_OK;
}

/* All members as facts under their own names, but the member `skip`. */
static enum pq_status
add_members(const struct pq_json_reader *r, const struct pq_json_place *place, json_t *object, const char *skip,
            struct pq_json_facts *facts)
{
	const char *key;
	json_t *value;
	enum pq_status status = pq_json_check_object(r, place, object);

	if (status != PQ_OK)
		return status;
	json_object_foreach(object, key, value)
	{
		struct pq_json_place at = {place, key, 0};
		if (skip != NULL && strcmp(key, skip) == 0)
			continue;
		if ((status = pq_json_add(r, &at, facts, NULL, key, value)) != PQ_OK)
			return status;
	}
	return PQ_OK;
}

static struct pq_facts
done(const struct pq_json_facts *facts)
{
	return (struct pq_facts){facts->at, facts->n};
}

/* Elements that are nothing but facts: owners, hits, intermediate countries (there a string is the country). */
static enum pq_status
read_elements(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *list, size_t max,
              const char *string_is, const struct pq_facts **ret, size_t *ret_n)
{
	enum pq_status status = check_list(r, place, list, max);

	if (status != PQ_OK)
		return status;
	size_t n = json_array_size(list);
	struct pq_facts *elements = pq_arena_array(r->arena, n, sizeof(*elements));
	if (elements == NULL)
		return pq_json_fail(r, PQ_ENOMEM, place, "no memory");
	for (size_t i = 0; i < n; i++) {
		json_t *element = json_array_get(list, i);
		struct pq_json_place at = {place, NULL, i};
		struct pq_json_facts facts = {0};
		if (string_is != NULL && (json_is_string(element) || json_is_null(element)))
			status = pq_json_add(r, &at, &facts, NULL, string_is, element);
		else
			status = add_members(r, &at, element, NULL, &facts);
		if (status != PQ_OK)
			return status;
		elements[i] = done(&facts);
	}
	*ret = elements;
	*ret_n = n;
	return PQ_OK;
}

static enum pq_status
read_parties(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *list,
             struct pq_request *request)
{
	enum pq_status status = check_list(r, place, list, PQ_MAX_PARTIES);

	if (status != PQ_OK)
		return status;
	size_t n = json_array_size(list);
	struct pq_party *parties = pq_arena_array(r->arena, n, sizeof(*parties));
	if (parties == NULL)
		return pq_json_fail(r, PQ_ENOMEM, place, "no memory");
	for (size_t i = 0; i < n; i++) {
		json_t *party = json_array_get(list, i);
		struct pq_json_place at = {place, NULL, i};
		struct pq_json_place owners_at = {&at, "owners", 0};
		struct pq_json_facts facts = {0};
		if ((status = add_members(r, &at, party, "owners", &facts)) != PQ_OK)
			return status;
		json_t *owners = json_object_get(party, "owners");
		if (owners != NULL && json_is_null(owners))
			status = pq_json_add(r, &owners_at, &facts, NULL, "owners", owners);
		else if (owners != NULL)
			status = read_elements(r, &owners_at, owners, PQ_MAX_OWNERS, NULL, &parties[i].owners, &parties[i].n_owners);
		if (status != PQ_OK)
			return status;
		parties[i].facts = done(&facts);
	}
	request->parties = parties;
	request->n_parties = n;
	return PQ_OK;
}

/* What is said of an item: "eccn" is the fact item.eccn. The value of a line is a fact of the whole name. */
static enum pq_status
add_item_member(const struct pq_json_reader *r, const struct pq_json_place *at, const char *key, json_t *value,
                struct pq_json_facts *facts)
{
	bool bare = strcmp(key, "value_usd") == 0;

	return pq_json_add(r, at, facts, bare ? NULL : "item", key, value);
}

static enum pq_status
read_line(const struct pq_json_reader *r, const struct pq_json_place *place, json_t *line, struct pq_facts *ret)
{
	const char *key;
	json_t *value;
	struct pq_json_facts facts = {0};
	enum pq_status status = pq_json_check_object(r, place, line);

	if (status != PQ_OK)
		return status;
	json_object_foreach(line, key, value)
	{
		struct pq_json_place at = {place, key, 0};
		if (strcmp(key, "lines") == 0)
			return pq_json_fail(r, PQ_EINVAL, &at, "cannot stand in a line");
		if (strcmp(key, "facts") == 0)
			status = add_members(r, &at, value, NULL, &facts);
		else
			status = add_item_member(r, &at, key, value, &facts);
		if (status != PQ_OK)
			return status;
	}
	*ret = done(&facts);
	return PQ_OK;
}

static enum pq_status
read_lines(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *list,
           struct pq_request *request)
{
	enum pq_status status = check_list(r, place, list, PQ_MAX_LINES);

	if (status != PQ_OK)
		return status;
	size_t n = json_array_size(list);
	struct pq_facts *lines = pq_arena_array(r->arena, n, sizeof(*lines));
	if (lines == NULL)
		return pq_json_fail(r, PQ_ENOMEM, place, "no memory");
	for (size_t i = 0; i < n; i++) {
		struct pq_json_place at = {place, NULL, i};
		if ((status = read_line(r, &at, json_array_get(list, i), &lines[i])) != PQ_OK)
			return status;
	}
	request->lines = lines;
	request->n_lines = n;
	return PQ_OK;
}

static enum pq_status
read_item(const struct pq_json_reader *r, const struct pq_json_place *place, json_t *item, struct pq_request *request,
          struct pq_json_facts *facts)
{
	const char *key;
	json_t *value;
	enum pq_status status = pq_json_check_object(r, place, item);

	if (status != PQ_OK)
		return status;
	json_object_foreach(item, key, value)
	{
		struct pq_json_place at = {place, key, 0};
		if (strcmp(key, "lines") == 0)
			status = read_lines(r, &at, value, request);
		else
			status = add_item_member(r, &at, key, value, facts);
		if (status != PQ_OK)
			return status;
	}
	return PQ_OK;
}

static enum pq_status
read_screening(const struct pq_json_reader *r, const struct pq_json_place *place, json_t *screening,
               struct pq_request *request, struct pq_json_facts *facts)
{
	const char *key;
	json_t *value;
	enum pq_status status = pq_json_check_object(r, place, screening);

	if (status != PQ_OK)
		return status;
	json_object_foreach(screening, key, value)
	{
		struct pq_json_place at = {place, key, 0};
		if (strcmp(key, "hits") == 0 && !json_is_null(value))
			status = read_elements(r, &at, value, PQ_MAX_HITS, NULL, &request->hits, &request->n_hits);
		else
			status = pq_json_add(r, &at, facts, "screening", key, value);
		if (status != PQ_OK)
			return status;
	}
	return PQ_OK;
}

static enum pq_status
read_query(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *value,
           struct pq_request *request)
{
	if (json_is_null(value))
		return PQ_OK;
	if (!json_is_string(value) || json_string_length(value) != strlen("jurisdiction_only") ||
	    strcmp(json_string_value(value), "jurisdiction_only") != 0)
		return pq_json_fail(r, PQ_EINVAL, place, "must be \"jurisdiction_only\" or left out");
	request->jurisdiction_only = true;
	return PQ_OK;
}

/* How many near misses are looked for: a number, or true for as many as fit on a page. */
static enum pq_status
read_near_misses(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *value,
                 struct pq_request *request)
{
	if (json_is_boolean(value)) {
		request->near_misses = json_is_true(value) ? PQ_NEAR_MISSES_USUAL : 0;
		return PQ_OK;
	}
	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > PQ_MAX_NEAR_MISSES)
		return pq_json_fail(r, PQ_EINVAL, place, "must be a whole number from 0 to %d, or true (%d)", PQ_MAX_NEAR_MISSES,
		                    PQ_NEAR_MISSES_USUAL);
	request->near_misses = (unsigned)json_integer_value(value);
	return PQ_OK;
}

static enum pq_status
read_assume(const struct pq_json_reader *r, const struct pq_json_place *place, json_t *value,
            struct pq_request *request)
{
	struct pq_json_facts facts = {0};
	enum pq_status status = add_members(r, place, value, NULL, &facts);

	if (status == PQ_OK)
		request->assume = done(&facts);
	return status;
}

/* One name of a profile, or a list of them. */
static enum pq_status
read_profiles(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *value,
              struct pq_request *request)
{
	bool one = json_is_string(value);
	enum pq_status status = one ? PQ_OK : check_list(r, place, value, PQ_MAX_PROFILES);

	if (status != PQ_OK)
		return status;
	size_t n = one ? 1 : json_array_size(value);
	struct pq_text *names = pq_arena_array(r->arena, n, sizeof(*names));
	if (names == NULL)
		return pq_json_fail(r, PQ_ENOMEM, place, "no memory");
	for (size_t i = 0; i < n; i++) {
		struct pq_json_place at = {place, NULL, i};
		status = pq_json_text(r, one ? place : &at, one ? value : json_array_get(value, i), &names[i]);
		if (status != PQ_OK)
			return status;
	}
	request->profiles = names;
	request->n_profiles = n;
	return PQ_OK;
}

static enum pq_status
read_member(const struct pq_json_reader *r, const struct pq_json_place *at, const char *key, json_t *value,
            struct pq_request *request, struct pq_json_facts *facts)
{
	if (strcmp(key, "as_of") == 0)
		return PQ_OK; /* read before */
	if (strcmp(key, "query") == 0)
		return read_query(r, at, value, request);
	if (strcmp(key, "item") == 0)
		return read_item(r, at, value, request, facts);
	if (strcmp(key, "screening") == 0)
		return read_screening(r, at, value, request, facts);
	if (strcmp(key, "parties") == 0)
		return read_parties(r, at, value, request);
	if (strcmp(key, "intermediate") == 0)
		return read_elements(r, at, value, PQ_MAX_INTERMEDIATES, "country", &request->intermediates,
		                     &request->n_intermediates);
	if (strcmp(key, "near_misses") == 0)
		return read_near_misses(r, at, value, request);
	if (strcmp(key, "assume") == 0)
		return read_assume(r, at, value, request);
	if (strcmp(key, "profile") == 0)
		return read_profiles(r, at, value, request);
	if (strcmp(key, "facts") == 0)
		return add_members(r, at, value, NULL, facts);
	return pq_json_add(r, at, facts, NULL, key, value);
}

static enum pq_status
read_date(const struct pq_json_reader *r, const struct pq_json_place *at, const json_t *value, int32_t *ret)
{
	if (!json_is_string(value))
		return pq_json_fail(r, PQ_EINVAL, at, "must be a date written \"YYYY-MM-DD\", not %s", pq_json_kind(value));
	if (!pq_date_parse(json_string_value(value), json_string_length(value), ret))
		return pq_json_fail(r, PQ_EINVAL, at, "\"%.40s\" is no date between 1900-01-01 and 2199-12-31 (YYYY-MM-DD)",
		                    json_string_value(value));
	return PQ_OK;
}

/* The day may stand in the request, beside it, or in both if they agree. */
static enum pq_status
read_as_of(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *inside,
           const json_t *beside, int32_t *ret)
{
	struct pq_json_place in = {place, "as_of", 0};
	struct pq_json_place by = {NULL, "as_of", 0};
	int32_t first, second;
	enum pq_status status;

	if (inside == NULL && beside == NULL)
		return pq_json_fail(r, PQ_EINVAL, &by, "is missing: there is no answer without the day of the transaction");
	if (inside != NULL && (status = read_date(r, &in, inside, &first)) != PQ_OK)
		return status;
	if (beside != NULL && (status = read_date(r, &by, beside, &second)) != PQ_OK)
		return status;
	if (inside != NULL && beside != NULL && first != second)
		return pq_json_fail(r, PQ_EINVAL, &by, "differs from the as_of inside the request");
	*ret = inside != NULL ? first : second;
	return PQ_OK;
}

enum pq_status
pq_json_request(const struct pq_json_reader *r, json_t *root, struct pq_request *ret)
{
	static const struct pq_json_place wrapped = {NULL, "request", 0};
	const struct pq_json_place *place = NULL;
	const json_t *beside = NULL;
	json_t *object = root;
	struct pq_request request = {0};
	struct pq_json_facts facts = {0};
	const char *key;
	json_t *value;
	enum pq_status status;

	if (!json_is_object(root))
		return pq_fail(r->err, PQ_EINVAL, "a request is a JSON object, not %s", pq_json_kind(root));
	if (json_object_get(root, "request") != NULL) {
		place = &wrapped;
		object = json_object_get(root, "request");
		beside = json_object_get(root, "as_of");
		if ((status = pq_json_check_object(r, place, object)) != PQ_OK)
			return status;
	}
	if ((status = read_as_of(r, place, json_object_get(object, "as_of"), beside, &request.as_of)) != PQ_OK)
		return status;
	json_object_foreach(object, key, value)
	{
		struct pq_json_place at = {place, key, 0};
		if ((status = read_member(r, &at, key, value, &request, &facts)) != PQ_OK)
			return status;
	}
	request.facts = done(&facts);
	*ret = request;
	return PQ_OK;
}

enum pq_status
pq_request_from_json(const char *json, size_t len, struct pq_arena *arena, struct pq_request *ret_request,
                     struct pq_err *err)
{
	struct pq_json_reader r = {arena, err};
	json_t *root;
	enum pq_status status = pq_json_parse(json, len, &root, err);

	if (status != PQ_OK)
		return status;
	status = pq_json_request(&r, root, ret_request);
	json_decref(root);
	return status;
}

#include "policy/request_json.h"

#include <string.h>

static enum pq_status
read_strings(const struct pq_json_reader *r, const json_t *expected, const struct pq_json_place *place,
             const char *name, const char ***ret, size_t *ret_n)
{
	struct pq_json_place at = {place, name, 0};
	const json_t *list = json_object_get(expected, name);
	enum pq_status status;

	if (list == NULL) {
		*ret = NULL;
		*ret_n = 0;
		return PQ_OK;
	}
	if (!json_is_array(list))
		return pq_json_fail(r, PQ_EINVAL, &at, "must be a list of strings, not %s", pq_json_kind(list));
	size_t n = json_array_size(list);
	const char **strings = pq_arena_array(r->arena, n, sizeof(*strings));
	if (strings == NULL)
		return pq_json_fail(r, PQ_ENOMEM, &at, "no memory");
	for (size_t i = 0; i < n; i++) {
		struct pq_json_place element = {&at, NULL, i};
		struct pq_text text;
		if ((status = pq_json_text(r, &element, json_array_get(list, i), &text)) != PQ_OK)
			return status;
		strings[i] = text.at;
	}
	*ret = strings;
	*ret_n = n;
	return PQ_OK;
}

static enum pq_status
check_expected_names(const struct pq_json_reader *r, const struct pq_json_place *place, json_t *expected)
{
	/* The last four are hints for the reader. A misspelt name would otherwise assert nothing without a word. */
	static const char *const known[] = {
		"outcome", "exceptions_available", "exceptions_barred", "review_policy", "obligations", "missing_facts",
		"rules",   "moot_facts",           "warnings",          "note"};
	const char *key;
	json_t *value;

	json_object_foreach(expected, key, value)
	{
		struct pq_json_place at = {place, key, 0};
		bool found = false;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found = found || strcmp(key, known[i]) == 0;
		if (!found)
			return pq_json_fail(r, PQ_EINVAL, &at, "is nothing that a case can expect");
	}
	return PQ_OK;
}

static enum pq_status
read_verdict(const struct pq_json_reader *r, const struct pq_json_place *place, const json_t *expected,
             struct pq_expected *ret)
{
	struct pq_json_place outcome_at = {place, "outcome", 0};
	struct pq_json_place policy_at = {place, "review_policy", 0};
	const json_t *outcome = json_object_get(expected, "outcome"), *policy = json_object_get(expected, "review_policy");
	struct pq_text text;
	enum pq_status status;

	if (!json_is_string(outcome))
		return pq_json_fail(r, PQ_EINVAL, &outcome_at, "must be the name of an outcome");
	if ((status = pq_json_text(r, &outcome_at, outcome, &text)) != PQ_OK)
		return status;
	if (!pq_outcome_parse(text.at, &ret->outcome))
		return pq_json_fail(r, PQ_EINVAL, &outcome_at, "\"%.60s\" is no outcome", text.at);
	if (policy == NULL || json_is_null(policy))
		return PQ_OK;
	ret->has_policy = true;
	if (!json_is_string(policy))
		return pq_json_fail(r, PQ_EINVAL, &policy_at, "must be the name of a review policy or null");
	if ((status = pq_json_text(r, &policy_at, policy, &text)) != PQ_OK)
		return status;
	if (!pq_policy_parse(text.at, &ret->policy))
		return pq_json_fail(r, PQ_EINVAL, &policy_at, "\"%.60s\" is no review policy", text.at);
	return PQ_OK;
}

static enum pq_status
read_expected(const struct pq_json_reader *r, json_t *root, struct pq_expected *ret)
{
	struct pq_json_place place = {NULL, "expected", 0};
	json_t *object = json_object_get(root, "expected");
	struct pq_expected expected = {0};
	enum pq_status status;

	if (object == NULL)
		return pq_json_fail(r, PQ_EINVAL, &place, "is missing");
	if ((status = pq_json_check_object(r, &place, object)) != PQ_OK ||
	    (status = check_expected_names(r, &place, object)) != PQ_OK ||
	    (status = read_verdict(r, &place, object, &expected)) != PQ_OK ||
	    (status = read_strings(r, object, &place, "exceptions_available", &expected.available,
	                           &expected.n_available)) != PQ_OK ||
	    (status = read_strings(r, object, &place, "exceptions_barred", &expected.barred, &expected.n_barred)) !=
	        PQ_OK ||
	    (status = read_strings(r, object, &place, "obligations", &expected.obligations, &expected.n_obligations)) !=
	        PQ_OK ||
	    (status = read_strings(r, object, &place, "missing_facts", &expected.missing, &expected.n_missing)) != PQ_OK)
		return status;
	*ret = expected;
	return PQ_OK;
}

static enum pq_status
read_case(const struct pq_json_reader *r, json_t *root, struct pq_case_text *ret)
{
	struct pq_json_place id_at = {NULL, "id", 0};
	struct pq_json_place request_at = {NULL, "request", 0};
	struct pq_case_text read = {0};
	struct pq_text id;
	enum pq_status status;

	if (!json_is_object(root))
		return pq_fail(r->err, PQ_EINVAL, "a case is a JSON object, not %s", pq_json_kind(root));
	if (json_object_get(root, "id") == NULL)
		return pq_json_fail(r, PQ_EINVAL, &id_at, "is missing");
	if ((status = pq_json_text(r, &id_at, json_object_get(root, "id"), &id)) != PQ_OK)
		return status;
	if (id.len == 0)
		return pq_json_fail(r, PQ_EINVAL, &id_at, "is empty");
	if (json_object_get(root, "request") == NULL)
		return pq_json_fail(r, PQ_EINVAL, &request_at, "is missing");
	if ((status = pq_json_request(r, root, &read.request)) != PQ_OK ||
	    (status = read_expected(r, root, &read.expected)) != PQ_OK)
		return status;
	read.id = id.at;
	*ret = read;
	return PQ_OK;
}

enum pq_status
pq_case_from_json(const char *json, size_t len, struct pq_arena *arena, struct pq_case_text *ret_case,
                  struct pq_err *err)
{
	struct pq_json_reader r = {arena, err};
	json_t *root;
	enum pq_status status = pq_json_parse(json, len, &root, err);

	if (status != PQ_OK)
		return status;
	status = read_case(&r, root, ret_case);
	json_decref(root);
	return status;
}

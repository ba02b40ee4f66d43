#include "policy/json_text.h"

#include <stdlib.h>

static _Thread_local bool failed;

static void *
allocate(size_t size)
{
	void *block = malloc(size);

	failed |= block == NULL;
	return block;
}

/* Before there are threads. What jansson allocated otherwise is freed all the same: free() is as before. */
__attribute__((constructor)) static void
watch_allocations(void)
{
	json_set_alloc_funcs(allocate, free);
}

json_t *
pq_json_load(const char *text, size_t len, size_t flags, json_error_t *ret_fault, bool *ret_no_memory)
{
	failed = false;
	json_t *json = json_loadb(text, len, flags, ret_fault);

	*ret_no_memory = failed;
	if (!failed)
		return json;
	json_decref(json);
	return NULL;
}

char *
pq_json_dump(const json_t *json, size_t flags)
{
	failed = false;
	char *text = json_dumps(json, flags);

	if (!failed)
		return text;
	free(text);
	return NULL;
}

/**
 * Reading and writing JSON, with running out of memory told from all else.
 *
 * jansson passes over allocations that fail while it reads or writes: characters are lost, and it reports a fault of the
 * text, or none. So whether one failed is noted here.
 *
 * Threads: any.
 */
#ifndef PQ_POLICY_JSON_TEXT_H
#define PQ_POLICY_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * json_loadb(). NULL: *ret_no_memory says whether for want of memory; if not, *ret_fault is jansson's.
 * Ownership: the caller's, json_decref().
 */
json_t *pq_json_load(const char *text, size_t len, size_t flags, json_error_t *ret_fault, bool *ret_no_memory);

/** json_dumps(). NULL, also of a NULL `json`: no memory. Ownership: the caller's, free(). */
char *pq_json_dump(const json_t *json, size_t flags);

#endif

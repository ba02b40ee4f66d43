/*
 * Any bytes as files of a pack. The input is cut at lines "=== path": what follows is that file of the pack "p"; what
 * stands before the first is p/pack.yaml. So one input can be wrong in YAML, in CSV and in what the files say of each other.
 */
#include "policy/pack.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Enough for one file of each kind and some more. */
#define MAX_FILES 16
#define MAX_PATH 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *
find_mark(const char *at, const char *end)
{
	for (; end - at >= 4; at++) {
		if (memcmp(at, "=== ", 4) == 0)
			return at;
	}
	return end;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pq_pack_file files[MAX_FILES];
	char paths[MAX_FILES][MAX_PATH] = {"p/pack.yaml"};
	const char *at = (const char *)data, *end = at + size, *mark = find_mark(at, end);
	size_t n = 0;

	files[n++] = (struct pq_pack_file){paths[0], at, (size_t)(mark - at)};
	while (mark != end && n < MAX_FILES) {
		const char *line = memchr(mark, '\n', (size_t)(end - mark));
		size_t len = line != NULL ? (size_t)(line - mark) - 4 : 0;
		if (line == NULL || len + 3 > MAX_PATH || memchr(mark, '\0', (size_t)(line - mark)) != NULL)
			break;
		memcpy(paths[n], "p/", 2);
		memcpy(paths[n] + 2, mark + 4, len);
		mark = find_mark(line + 1, end);
		files[n] = (struct pq_pack_file){paths[n], line + 1, (size_t)(mark - line - 1)};
		n++;
	}

	struct pq_arena arena;
	struct pq_model *model = NULL;
	struct pq_findings findings = {0};
	struct pq_err err;
	pq_arena_init(&arena, (size_t)64 << 20);
	enum pq_status status = pq_model_load(files, n, &arena, &model, &findings, &err);
	if (status != PQ_OK && status != PQ_EPARSE && status != PQ_ENOMEM)
		abort();
	if ((status == PQ_OK) != (model != NULL) || (status == PQ_EPARSE && findings.n_errors == 0))
		abort();
	pq_arena_release(&arena);
	return 0;
}

/* Any bytes as a CSV file: read or refused, and what is read lies within what was given. */
#include "policy/csv.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pq_arena arena;
	struct pq_csv csv;
	struct pq_err err;
	size_t bytes = 0;

	pq_arena_init(&arena, (size_t)64 << 20);
	if (pq_csv_parse("f.csv", (const char *)data, size, &arena, &csv, &err) == PQ_OK) {
		for (size_t i = 0; i < csv.n; i++) {
			for (size_t j = 0; j < csv.rows[i].n; j++) {
				const struct pq_csv_cell *cell = &csv.rows[i].cells[j];
				bytes += cell->len;
				if (strlen(cell->text) != cell->len || cell->line < 1 || cell->column < 1)
					abort();
			}
		}
		if (bytes > size)
			abort();
	} else if (err.line < 1 || err.column < 1) {
		abort();
	}
	pq_arena_release(&arena);
	return 0;
}

#include "server/tidy.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

/* Bytes of memory of our own that are in use; 0 = not known. */
static size_t
own_bytes(void)
{
	unsigned long size, resident, shared;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL)
		return 0;
	int n = fscanf(file, "%lu %lu %lu", &size, &resident, &shared);
	fclose(file);
	return n == 3 && resident > shared ? (resident - shared) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

bool
pq_tidy_look(struct pq_tidy *tidy)
{
	size_t now = own_bytes(), before = tidy->before;

	tidy->before = now;
	if (tidy->least == 0 || now < tidy->least)
		tidy->least = now;
	/* Nothing to gain; or in the middle of a rush, which takes again what is given back. */
	if (now <= tidy->least + PQ_TIDY_BYTES || now > before + PQ_TIDY_BYTES / 8) {
		tidy->wait = tidy->pause = 0;
		return false;
	}
	if (tidy->wait > 0) {
		tidy->wait--;
		return false;
	}
	malloc_trim(0);
	tidy->before = own_bytes();
	/* What is in use cannot be given back: ask less and less often. */
	tidy->pause = now - tidy->before >= PQ_TIDY_BYTES / 2 ? 1 : tidy->pause == 0 ? 2 : tidy->pause * 2;
	if (tidy->pause > PQ_TIDY_LOOKS_MAX)
		tidy->pause = PQ_TIDY_LOOKS_MAX;
	tidy->wait = tidy->pause;
	return true;
}

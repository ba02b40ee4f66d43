#include "server/settle.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Of a segment that may not be written the pages are the file's own, so that letting go of them is no loss. Those with
 * relocations lie in segments that are writable, whatever was made of their pages afterwards.
 */
static void
let_go(const struct dl_phdr_info *info, const ElfW(Phdr) *segment, uintptr_t page)
{
	uintptr_t first = (info->dlpi_addr + segment->p_vaddr) & ~(page - 1);
	uintptr_t end = (info->dlpi_addr + segment->p_vaddr + segment->p_filesz + page - 1) & ~(page - 1);

	(void)madvise((void *)first, end - first, MADV_DONTNEED); /* advice: a refusal costs memory and nothing else */
}

static int
visit(struct dl_phdr_info *info, size_t size, void *page)
{
	(void)size;
	/* The program itself is left: a debugger may have written to it. */
	if (info->dlpi_name[0] == '\0')
		return 0;
	for (ElfW(Half) i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0 && segment->p_filesz > 0)
			let_go(info, segment, *(uintptr_t *)page);
	}
	return 0;
}

void
pq_settle_memory(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)malloc_trim(0);
	(void)dl_iterate_phdr(visit, &page);
}

#include "policy/pack_loader.h"

void
pq_ld_check(struct pq_loader *ld)
{
	(void)ld;
}

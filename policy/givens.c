#include "policy/givens.h"

#include <string.h>

void
pq_givens_pool_init(struct pq_givens_pool *pool)
{
	*pool = (struct pq_givens_pool){0};
	pq_arena_init(&pool->arena, SIZE_MAX);
}

void
pq_givens_pool_release(struct pq_givens_pool *pool)
{
	pq_arena_release(&pool->arena);
}

static bool
make(struct pq_arena *arena, size_t slots, struct pq_givens *ret)
{
	struct pq_givens givens = {
		.at = pq_arena_array(arena, slots + 1, sizeof(*givens.at)),
		.said = pq_arena_array(arena, slots / 64 + 1, sizeof(*givens.said)),
	};

	if (givens.at == NULL || givens.said == NULL)
		return false;
	*ret = givens;
	return true;
}

bool
pq_givens_take(struct pq_givens_pool *pool, const struct pq_image *image, enum pq_scope scope, struct pq_arena *arena,
               struct pq_givens *ret)
{
	size_t slots = image->meta->scope_facts[scope];

	if (pool == NULL || pool->scopes[scope].taken == PQ_GIVENS_POOL)
		return make(arena, slots, ret);
	pool->scopes[scope].slots = slots;
	if (pool->scopes[scope].taken == pool->scopes[scope].n) {
		if (!make(&pool->arena, slots, &pool->scopes[scope].at[pool->scopes[scope].n]))
			return false;
		pool->scopes[scope].n++;
	}
	*ret = pool->scopes[scope].at[pool->scopes[scope].taken++];
	return true;
}

static void
clean(const struct pq_givens *givens, size_t slots)
{
	for (size_t w = 0; w <= slots / 64; w++) {
		for (uint64_t left = givens->said[w]; left != 0; left &= left - 1)
			givens->at[w * 64 + (size_t)__builtin_ctzll(left)] = (struct pq_given){0};
		givens->said[w] = 0;
	}
}

void
pq_givens_return(struct pq_givens_pool *pool)
{
	for (int scope = 0; scope < PQ_SCOPE_COUNT; scope++) {
		for (; pool->scopes[scope].taken > 0; pool->scopes[scope].taken--)
			clean(&pool->scopes[scope].at[pool->scopes[scope].taken - 1], pool->scopes[scope].slots);
	}
}

#include "policy/build.h"

#include <stdio.h>
#include <string.h>

void
pq_section_key(enum pq_section section, char *buf, size_t size)
{
	static const char *const names[] = {
#define X(NAME, name, type) #name,
		PQ_SECTION_MAP(X)
#undef X
	};

	snprintf(buf, size, "img.%02d.%s", (int)section, names[section]);
}

static size_t
stride_of(enum pq_section section)
{
	static const size_t strides[] = {
#define X(NAME, name, type) sizeof(type),
		PQ_SECTION_MAP(X)
#undef X
	};

	return strides[section];
}

void *
pq_build_alloc(struct pq_builder *b, size_t n, size_t size)
{
	void *at = pq_arena_array(b->arena, n > 0 ? n : 1, size);

	if (at == NULL)
		b->oom = true;
	return at;
}

/* Where records go when memory is out; large enough for the largest run that is appended before anyone looks. */
static _Thread_local uint64_t scratch[4096];

void *
pq_build_append(struct pq_builder *b, enum pq_section section, size_t n, uint32_t *ret_first)
{
	struct pq_vec *vec = &b->sections[section];

	vec->stride = stride_of(section);
	if (ret_first != NULL)
		*ret_first = (uint32_t)vec->n;
	if (b->oom || vec->n + n > UINT32_MAX / 2) {
		b->oom = true;
		return n * vec->stride <= sizeof(scratch) ? scratch : NULL;
	}
	if (vec->n + n > vec->cap) {
		size_t cap = vec->cap > 0 ? vec->cap : 256;
		while (cap < vec->n + n)
			cap *= 2;
		void *at = pq_arena_array(b->arena, cap, vec->stride);
		if (at == NULL) {
			b->oom = true;
			return n * vec->stride <= sizeof(scratch) ? scratch : NULL;
		}
		if (vec->n > 0)
			memcpy(at, vec->at, vec->n * vec->stride);
		vec->at = at;
		vec->cap = cap;
	}
	void *first = (char *)vec->at + vec->n * vec->stride;
	vec->n += n;
	return first;
}

void *
pq_build_at(struct pq_builder *b, enum pq_section section, uint32_t index)
{
	struct pq_vec *vec = &b->sections[section];

	if (index >= vec->n)
		return scratch;
	return (char *)vec->at + (size_t)index * vec->stride;
}

static bool
grow_string_slots(struct pq_builder *b)
{
	size_t n = b->n_string_slots > 0 ? b->n_string_slots * 2 : 4096;
	uint32_t *slots = pq_arena_array(b->arena, n, sizeof(*slots));
	const char *pool = b->sections[PQ_SECTION_STRINGS].at;

	if (slots == NULL) {
		b->oom = true;
		return false;
	}
	for (size_t i = 0; i < b->n_string_slots; i++) {
		if (b->string_slots[i] == 0)
			continue;
		const char *text = pool + b->string_slots[i] - 1;
		size_t at = pq_name_hash(0, text, strlen(text)) & (n - 1);
		while (slots[at] != 0)
			at = (at + 1) & (n - 1);
		slots[at] = b->string_slots[i];
	}
	b->string_slots = slots;
	b->n_string_slots = n;
	return true;
}

uint32_t
pq_build_stringn(struct pq_builder *b, const char *text, size_t len)
{
	if (b->sections[PQ_SECTION_STRINGS].n == 0)
		pq_build_append(b, PQ_SECTION_STRINGS, 1, NULL); /* offset 0 is "" */
	if (text == NULL || len == 0 || b->oom)
		return 0;
	if (b->n_strings * 2 >= b->n_string_slots && !grow_string_slots(b))
		return 0;

	size_t mask = b->n_string_slots - 1;
	size_t at = pq_name_hash(0, text, len) & mask;
	for (; b->string_slots[at] != 0; at = (at + 1) & mask) {
		const char *known = (const char *)b->sections[PQ_SECTION_STRINGS].at + b->string_slots[at] - 1;
		if (strncmp(known, text, len) == 0 && known[len] == '\0')
			return b->string_slots[at] - 1;
	}
	uint32_t first;
	char *copy = pq_build_append(b, PQ_SECTION_STRINGS, len + 1, &first);
	if (copy == NULL || b->oom)
		return 0;
	memcpy(copy, text, len);
	b->string_slots[at] = first + 1;
	b->n_strings++;
	return first;
}

uint32_t
pq_build_string(struct pq_builder *b, const char *text)
{
	return pq_build_stringn(b, text, text != NULL ? strlen(text) : 0);
}

struct pq_span
pq_build_list(struct pq_builder *b, const uint32_t *at, size_t n)
{
	struct pq_span span = {0, 0};

	if (n == 0)
		return span;
	uint32_t *copy = pq_build_append(b, PQ_SECTION_LISTS, n, &span.first);
	if (copy == NULL || b->oom)
		return (struct pq_span){0, 0};
	memcpy(copy, at, n * sizeof(*at));
	span.n = (uint32_t)n;
	return span;
}

struct pq_span
pq_build_strings(struct pq_builder *b, const struct pq_strings *strings)
{
	struct pq_span span = {0, 0};

	if (strings->n == 0)
		return span;
	uint32_t *offsets = pq_build_alloc(b, strings->n, sizeof(*offsets));
	if (offsets == NULL)
		return span;
	for (size_t i = 0; i < strings->n; i++)
		offsets[i] = pq_build_string(b, strings->at[i]);
	return pq_build_list(b, offsets, strings->n);
}

uint32_t
pq_build_words(struct pq_builder *b, size_t n)
{
	uint32_t first;

	pq_build_append(b, PQ_SECTION_WORDS, n, &first);
	return first;
}

void
pq_build_set_bit(struct pq_builder *b, uint32_t first_word, size_t bit)
{
	struct pq_vec *vec = &b->sections[PQ_SECTION_WORDS];

	if (b->oom || first_word + bit / 64 >= vec->n)
		return;
	((uint64_t *)vec->at)[first_word + bit / 64] |= UINT64_C(1) << (bit % 64);
}

#include "policy/pack_loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names longer than this are not compared for a proposal. */
#define PROPOSE_MAX 64

void
pq_ld_no_memory(struct pq_loader *ld)
{
	longjmp(ld->out, PQ_ENOMEM);
}

void *
pq_ld_alloc(struct pq_loader *ld, size_t size)
{
	void *block = pq_arena_alloc(ld->arena, size);

	if (block == NULL)
		pq_ld_no_memory(ld);
	return block;
}

void *
pq_ld_array(struct pq_loader *ld, size_t count, size_t size)
{
	void *block = pq_arena_array(ld->arena, count, size);

	if (block == NULL)
		pq_ld_no_memory(ld);
	return block;
}

void *
pq_ld_grow(struct pq_loader *ld, void *at, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return at;
	size_t more = *cap == 0 ? 8 : *cap * 2;
	void *block = pq_ld_array(ld, more, size);
	if (n != 0)
		memcpy(block, at, n * size);
	*cap = more;
	return block;
}

const char *
pq_ld_strndup(struct pq_loader *ld, const char *text, size_t len)
{
	const char *copy = pq_arena_strndup(ld->arena, text, len);

	if (copy == NULL)
		pq_ld_no_memory(ld);
	return copy;
}

static const char *__attribute__((format(printf, 2, 0))) vprintf_in(struct pq_loader *ld, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		return "";
	char *text = pq_ld_alloc(ld, (size_t)len + 1);
	vsnprintf(text, (size_t)len + 1, fmt, ap);
	return text;
}

const char *
pq_ld_printf(struct pq_loader *ld, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const char *text = vprintf_in(ld, fmt, ap);
	va_end(ap);
	return text;
}

struct pq_indexes
pq_ld_indexes(struct pq_loader *ld, const uint32_t *at, size_t n)
{
	struct pq_indexes list = {pq_ld_array(ld, n, sizeof(uint32_t)), n};

	if (n != 0)
		memcpy(list.at, at, n * sizeof(uint32_t));
	return list;
}

/* FNV-1a: keys are short and ours. */
static uint32_t
hash_text(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

static struct pq_map_slot *
find_slot(struct pq_map_slot *slots, size_t n_slots, const char *key, uint32_t hash)
{
	for (size_t i = hash & (n_slots - 1);; i = (i + 1) & (n_slots - 1)) {
		struct pq_map_slot *slot = &slots[i];
		if (slot->key == NULL || (slot->hash == hash && strcmp(slot->key, key) == 0))
			return slot;
	}
}

uint32_t
pq_map_get(const struct pq_map *map, const char *key)
{
	if (map->n_slots == 0)
		return PQ_NO_INDEX;
	const struct pq_map_slot *slot = find_slot(map->slots, map->n_slots, key, hash_text(key));
	return slot->key == NULL ? PQ_NO_INDEX : slot->value;
}

bool
pq_map_put(struct pq_loader *ld, struct pq_map *map, const char *key, uint32_t value)
{
	if ((map->n + 1) * 4 > map->n_slots * 3) {
		size_t more = map->n_slots == 0 ? 16 : map->n_slots * 2;
		struct pq_map_slot *slots = pq_ld_array(ld, more, sizeof(*slots));
		for (size_t i = 0; i < map->n_slots; i++) {
			const struct pq_map_slot *slot = &map->slots[i];
			if (slot->key != NULL)
				*find_slot(slots, more, slot->key, slot->hash) = *slot;
		}
		map->slots = slots;
		map->n_slots = more;
	}
	uint32_t hash = hash_text(key);
	struct pq_map_slot *slot = find_slot(map->slots, map->n_slots, key, hash);
	if (slot->key != NULL)
		return false;
	*slot = (struct pq_map_slot){key, hash, value};
	map->n++;
	return true;
}

const char *
pq_ld_fold(struct pq_loader *ld, const char *text)
{
	char *folded = pq_ld_alloc(ld, strlen(text) + 1);
	size_t n = 0;

	for (; *text != '\0'; text++) {
		char c = *text;
		if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
			continue;
		folded[n++] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
	return folded;
}

/* ---- findings ---------------------------------------------------------------------------------------------------- */

static void
add_finding(struct pq_loader *ld, enum pq_severity severity, struct pq_src src, const char *fmt, va_list ap)
{
	size_t *count = severity == PQ_SEVERITY_ERROR ? &ld->n_errors : &ld->n_warnings;

	if (++*count > PQ_LD_MAX_FINDINGS)
		return;
	const char *text = vprintf_in(ld, fmt, ap);
	struct pq_ld_finding *last = PQ_VEC_PUSH(ld, &ld->findings);
	last->finding = (struct pq_finding){severity, src, text};
	last->file_rank = pq_map_get(&ld->ranks, src.file);
	last->seq = (uint32_t)ld->findings.n;
}

void
pq_ld_error(struct pq_loader *ld, struct pq_src src, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_finding(ld, PQ_SEVERITY_ERROR, src, fmt, ap);
	va_end(ap);
}

void
pq_ld_warn(struct pq_loader *ld, struct pq_src src, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_finding(ld, PQ_SEVERITY_WARNING, src, fmt, ap);
	va_end(ap);
}

static int
compare_findings(const void *a, const void *b)
{
	const struct pq_ld_finding *x = a, *y = b;

	if (x->file_rank != y->file_rank)
		return x->file_rank < y->file_rank ? -1 : 1;
	if (x->finding.src.line != y->finding.src.line)
		return x->finding.src.line < y->finding.src.line ? -1 : 1;
	if (x->finding.src.column != y->finding.src.column)
		return x->finding.src.column < y->finding.src.column ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

void
pq_ld_sorted_findings(struct pq_loader *ld, struct pq_findings *ret)
{
	size_t n = ld->findings.n;
	struct pq_findings findings = {pq_ld_array(ld, n + 2, sizeof(struct pq_finding)), n, ld->n_errors, ld->n_warnings};

	if (n != 0)
		qsort(ld->findings.at, n, sizeof(struct pq_ld_finding), compare_findings);
	for (size_t i = 0; i < n; i++)
		findings.at[i] = ld->findings.at[i].finding;
	/* The last lines, about no place. */
	if (ld->n_errors > PQ_LD_MAX_FINDINGS) {
		findings.at[findings.n++] =
			(struct pq_finding){PQ_SEVERITY_ERROR,
		                        {"", 0, 0},
		                        pq_ld_printf(ld, "%zu errors; only the first %u that were found are shown",
		                                     ld->n_errors, PQ_LD_MAX_FINDINGS)};
	}
	if (ld->n_warnings > PQ_LD_MAX_FINDINGS) {
		findings.at[findings.n++] =
			(struct pq_finding){PQ_SEVERITY_WARNING,
		                        {"", 0, 0},
		                        pq_ld_printf(ld, "%zu warnings; only the first %u that were found are shown",
		                                     ld->n_warnings, PQ_LD_MAX_FINDINGS)};
	}
	*ret = findings;
}

/* ---- proposals --------------------------------------------------------------------------------------------------- */

/** Levenshtein's distance between folded names, both at most PROPOSE_MAX long. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[PROPOSE_MAX + 1];
	size_t n_b = strlen(b);

	for (size_t j = 0; j <= n_b; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n_b; j++) {
			size_t cost = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
			row[j] = least < cost ? least : cost;
		}
	}
	return row[n_b];
}

const char *
pq_ld_propose(struct pq_loader *ld, const char *name, const char *const *names, size_t n)
{
	size_t len = strlen(name), best_distance = len / 3 + 1;
	const char *best = NULL;

	if (len == 0 || len > PROPOSE_MAX || ld->n_proposals >= PQ_LD_MAX_PROPOSALS)
		return "";
	ld->n_proposals++;
	const char *folded = pq_ld_fold(ld, name);
	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(names[i]);
		if (other > PROPOSE_MAX || (other > len ? other - len : len - other) > best_distance)
			continue;
		size_t d = distance(folded, pq_ld_fold(ld, names[i]));
		if (d < best_distance || (d == best_distance && best == NULL)) {
			best = names[i];
			best_distance = d;
		}
	}
	return best == NULL ? "" : pq_ld_printf(ld, "; do you mean \"%s\"?", best);
}

const char *
pq_ld_propose_attr(struct pq_loader *ld, const char *name)
{
	const char **names = pq_ld_array(ld, ld->attrs.n, sizeof(char *));

	/* A bare name of an element's attribute is the commonest slip. */
	for (size_t i = 0; i < ld->attrs.n; i++) {
		const char *dot = strchr(ld->attrs.at[i].name, '.');
		if (dot != NULL && strcmp(dot + 1, name) == 0)
			return pq_ld_printf(ld, "; do you mean \"%s\"?", ld->attrs.at[i].name);
		names[i] = ld->attrs.at[i].name;
	}
	return pq_ld_propose(ld, name, names, ld->attrs.n);
}

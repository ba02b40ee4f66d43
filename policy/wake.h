/**
 * What must be computed anew when something changes: a graph over the attributes and spaces of a revision.
 *
 * The nodes are the attributes (but those of the decision) and the spaces (but that after the outcome) in the order of
 * evaluation, so that what a node wakes always comes after it. Made when an image is opened. Private to policy/.
 */
#ifndef PQ_POLICY_WAKE_H
#define PQ_POLICY_WAKE_H

#include "policy/arena.h"
#include "policy/image.h"
#include "policy/status.h"

/** A run of numbers in one of the lists of a pq_wake. */
struct pq_wake_run {
	uint32_t first, n;
};

/* The nodes of a set that lie in one of its words. Most sets have few: only words that are not zero are kept. */
struct pq_wake_part {
	uint64_t nodes;
	uint32_t word;
};

struct pq_wake {
	struct pq_arena arena;      /* of all that follows */
	uint32_t n_nodes, words;    /* words of a set of nodes */
	uint32_t *nodes;            /* node: attribute, or PQ_WAKE_SPACE + space */
	uint32_t *node_of_attr;     /* PQ_NO_INDEX: has none */
	struct pq_wake_run *by_value; /* by attribute: the nodes that read its value, in `parts` */
	struct pq_wake_run *by_given; /* by attribute: the nodes that read what the request says of it */
	struct pq_wake_run *by_dnf;   /* by condition; those of a sparse space, which nothing reads, are left out */
	struct pq_wake_part *parts;
	uint32_t sparse_first, sparse_n;
	uint64_t *by_scope[PQ_SCOPE_COUNT]; /* that read how many elements of a scope there are, and those of the scope */
	uint64_t *by_lines;         /* that read the other lines of the request */
	uint64_t *by_table;         /* by table: that join it */
	struct pq_wake_run *dates;  /* by table: in `days`, ascending: where the validity of rows changes */
	int32_t *days;
	struct pq_wake_run *cols;   /* by attribute: in `col_list`, its columns in all spaces */
	uint32_t *col_list;
	unsigned char *claims;      /* by attribute: what is said of it tells whether exceptions are considered */
};

#define PQ_WAKE_SPACE UINT32_C(0x80000000)

/**
 * Make the graph of an image whose sections are open. Ends with pq_wake_free().
 * Fails: PQ_ENOMEM; PQ_EFORMAT: the image's order of evaluation contradicts itself.
 */
PQ_MUST_USE enum pq_status pq_wake_new(const struct pq_image *image, struct pq_wake **ret, struct pq_err *err);
void pq_wake_free(struct pq_wake *wake);

static inline void
pq_wake_join(uint64_t *to, const uint64_t *from, uint32_t words)
{
	for (uint32_t i = 0; i < words; i++)
		to[i] |= from[i];
}

static inline void
pq_wake_parts(uint64_t *to, const struct pq_wake *wake, const struct pq_wake_run *run)
{
	const struct pq_wake_part *part = wake->parts + run->first, *end = part + run->n;

	for (; part < end; part++)
		to[part->word] |= part->nodes;
}

/** Who reads the condition becomes dirty. */
static inline void
pq_wake_by_dnf(uint64_t *to, const struct pq_wake *wake, uint32_t dnf)
{
	pq_wake_parts(to, wake, &wake->by_dnf[dnf < wake->sparse_first ? dnf : dnf - wake->sparse_n]);
}

/** Who reads the value of the attribute. */
static inline void
pq_wake_by_value(uint64_t *to, const struct pq_wake *wake, uint32_t attr)
{
	pq_wake_parts(to, wake, &wake->by_value[attr]);
}

/** Who reads what is said of it. */
static inline void
pq_wake_by_given(uint64_t *to, const struct pq_wake *wake, uint32_t attr)
{
	pq_wake_parts(to, wake, &wake->by_given[attr]);
}

#endif

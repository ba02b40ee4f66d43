/** An open image as the evaluator sees it. Private to policy/. */
#ifndef PQ_POLICY_IMAGE_PRIVATE_H
#define PQ_POLICY_IMAGE_PRIVATE_H

#include "policy/image.h"
#include "policy/program.h"
#include "policy/wake.h"

struct pq_image {
	struct pq_program p;
	const struct pq_p_meta *meta;
	struct pq_rule_ref *rules;  /* one a rule */
	const char **texts;         /* string lists of the inspection calls: parallel to p.lists */

	/* What the evaluator would have to look for in every decision, found once (image_index.c). */
	uint32_t *main_slots;       /* by main rule: the slot of its condition */
	uint32_t *post_slots;       /* by post rule: likewise, and of its `unless` (or PQ_NO_INDEX) */
	uint32_t *unless_slots;
	uint32_t *exception_rules;  /* main rules that are exceptions, in their order */
	size_t n_exception_rules;
	uint32_t *col_order;        /* the columns of request scope of each space, the widest first, where its columns are */
	struct pq_span *quant_words; /* by quantifier: the words in which its users lie */
	struct pq_span *col_words;  /* by column: the words of its bitmaps in which it says anything */
	uint32_t *required;         /* facts that must be said, by scope: required_at[scope] to required_at[scope + 1] */
	size_t required_at[PQ_SCOPE_COUNT + 1];
	uint32_t *fact_attrs;       /* facts and paths by slot: those of a scope from fact_attrs_at[scope] on */
	size_t fact_attrs_at[PQ_SCOPE_COUNT];
	uint32_t *path_codes;       /* codes of the request that have a path */
	size_t n_path_codes;
	struct pq_wake *wake;
};

/** Fill the lists above; false: out of memory. What there is already is released by pq_image_close(). */
bool pq_image_index(struct pq_image *image);

static inline const char *
pq_string(const struct pq_image *image, uint32_t offset)
{
	return image->p.strings + offset;
}

#endif

/** An open image as the evaluator sees it. Private to policy/. */
#ifndef PQ_POLICY_IMAGE_PRIVATE_H
#define PQ_POLICY_IMAGE_PRIVATE_H

#include "policy/image.h"
#include "policy/program.h"

struct pq_image {
	struct pq_program p;
	const struct pq_p_meta *meta;
	struct pq_rule_ref *rules;  /* one a rule */
	const char **texts;         /* string lists of the inspection calls: parallel to p.lists */
};

static inline const char *
pq_string(const struct pq_image *image, uint32_t offset)
{
	return image->p.strings + offset;
}

#endif

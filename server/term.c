#include "server/term.h"

#include <stdlib.h>

static struct pq_term *
new_term(struct pq_revision_publisher *publisher)
{
	struct pq_term *term = calloc(1, sizeof(*term));

	if (term == NULL)
		return NULL;
	term->publisher = publisher;
	term->holders = 1;
	return term;
}

struct pq_term *
pq_term_adopt(struct pq_term **newest, struct pq_revision_publisher *publisher)
{
	struct pq_term *term = *newest;
	uint64_t generation = atomic_load_explicit(&publisher->generation, memory_order_acquire);

	if (generation == (term != NULL ? term->view.generation : 0))
		return term;
	if (term != NULL && term->holders == 1) {
		pq_encoder_forget(&term->encoder);
	} else {
		struct pq_term *next = new_term(publisher);
		if (next == NULL)
			return term;
		if (term != NULL)
			term->holders--;
		*newest = term = next;
	}
	pq_revision_adopt(publisher, &term->view);
	return term;
}

struct pq_term *
pq_term_hold(struct pq_term *term)
{
	term->holders++;
	return term;
}

void
pq_term_release(struct pq_term *term)
{
	if (term == NULL || --term->holders > 0)
		return;
	pq_encoder_release(&term->encoder);
	pq_revision_leave(term->publisher, &term->view);
	free(term);
}

/*
 * Narrowing the window of days for which an answer stands. The day comes into an evaluation in three places only: the
 * validity of table rows (lookup.c), the conditions on as_of, of which the validity of rules is made (match.c), and
 * attributes that are computed from it (values.c). Where none of them would have told another day in the window from
 * the day of the request, the evaluation takes the same steps on both.
 */
#include "policy/eval.h"
#include "policy/window.h"

/* Days before `day` and days from it on are told apart. */
static void
split(struct pq_eval *ev, int64_t day)
{
	struct pq_window *w = ev->window;

	if (day <= ev->request->as_of && day > w->from)
		w->from = (int32_t)day;
	else if (day > ev->request->as_of && day < w->until)
		w->until = (int32_t)day;
}

void
pq_window_row(struct pq_eval *ev, const struct pq_p_row *row)
{
	if (ev->window == NULL)
		return;
	if (!row->from_doubtful)
		split(ev, row->from);
	else if (row->edition != PQ_DATE_MIN)
		split(ev, row->edition);
	if (!row->to_doubtful)
		split(ev, row->to);
	else if (row->edition != PQ_DATE_MIN)
		split(ev, (int64_t)row->edition + 1);
}

static bool
differ(const uint64_t *a, const uint64_t *b, const uint64_t *may, uint32_t words)
{
	uint64_t found = 0;

	for (uint32_t i = 0; i < words; i++)
		found |= (a[i] ^ b[i]) & may[i];
	return found != 0;
}

void
pq_window_range(struct pq_eval *ev, const int64_t *boundaries, uint32_t n, const uint64_t *intervals, uint32_t words,
                uint32_t at, const uint64_t *may)
{
	const uint64_t *own = intervals + (size_t)at * words;

	/* The nearest interval on either side in which an alternative that may hold is in force otherwise than now. */
	for (uint32_t i = at; i > 0 && boundaries[i - 1] > ev->window->from; i--) {
		if (differ(own, intervals + (size_t)(i - 1) * words, may, words)) {
			split(ev, boundaries[i - 1]);
			break;
		}
	}
	for (uint32_t i = at; i < n && boundaries[i] < ev->window->until; i++) {
		if (differ(own, intervals + (size_t)(i + 1) * words, may, words)) {
			split(ev, boundaries[i]);
			break;
		}
	}
}

void
pq_window_blocks(struct pq_eval *ev, const struct pq_p_col *col, uint32_t at, uint32_t block, const uint64_t *may)
{
	const int64_t *boundaries = ev->p->numbers + col->boundaries.first;
	const uint32_t *numbers = ev->p->blocks + col->bits + 3 * (size_t)col->said.n + (block - col->said.first);
	const struct pq_p_block *pool = ev->p->pool;
	const uint64_t *own = pool[numbers[(size_t)at * col->said.n]].words;

	for (uint32_t i = at; i > 0 && boundaries[i - 1] > ev->window->from; i--) {
		if (differ(own, pool[numbers[(size_t)(i - 1) * col->said.n]].words, may, PQ_BLOCK_WORDS)) {
			split(ev, boundaries[i - 1]);
			break;
		}
	}
	for (uint32_t i = at; i < col->boundaries.n && boundaries[i] < ev->window->until; i++) {
		if (differ(own, pool[numbers[(size_t)(i + 1) * col->said.n]].words, may, PQ_BLOCK_WORDS)) {
			split(ev, boundaries[i]);
			break;
		}
	}
}

static bool
from_day(const struct pq_eval *ev, const struct pq_p_contribution *c)
{
	switch ((enum pq_derive)c->derive) {
	case PQ_DERIVE_COPY: return c->left == PQ_ATTR_AS_OF;
	case PQ_DERIVE_COMPARE: return c->left == PQ_ATTR_AS_OF || c->right == PQ_ATTR_AS_OF;
	case PQ_DERIVE_LOOKUP:
		for (uint32_t i = 0; i < c->keys.n; i++) {
			if (ev->p->keys[c->keys.first + i].attr == PQ_ATTR_AS_OF)
				return true;
		}
		return false;
	case PQ_DERIVE_SUM:
		for (uint32_t i = 0; i < c->terms.n; i++) {
			if (ev->p->terms[c->terms.first + i].attr == PQ_ATTR_AS_OF)
				return true;
		}
		return false;
	case PQ_DERIVE_SET:
	case PQ_DERIVE_COUNT:
	case PQ_DERIVE_SAME:
	case PQ_DERIVE_LINES: break;
	}
	return false;
}

/* A value made of the day itself is another each day; what is done with it afterwards is not followed. */
static void
day_alone(struct pq_eval *ev)
{
	split(ev, ev->request->as_of);
	split(ev, (int64_t)ev->request->as_of + 1);
}

void
pq_window_source(struct pq_eval *ev, const struct pq_p_contribution *c)
{
	if (ev->window != NULL && from_day(ev, c))
		day_alone(ev);
}

void
pq_window_silence(struct pq_eval *ev, const struct pq_p_silence *s)
{
	if (ev->window != NULL && s->copy == PQ_ATTR_AS_OF)
		day_alone(ev);
}

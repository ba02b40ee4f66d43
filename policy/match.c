/*
 * Matching: all conditions of a space at once, by bit vectors, word by word. Of a word what is allowed lies side by side
 * (image_cells.c); a word of which nothing was touched since is what it was, and only alternatives that are not what they
 * were change the truth of a condition.
 */
#include "policy/eval.h"

#include <string.h>

/* One space at one place. */
struct matching {
	struct pq_eval *ev;
	const struct pq_p_space *space;
	struct pq_where where;
	struct pq_element *element;
	uint32_t first_word; /* of the space among the words of all spaces */
	bool by_element;     /* other elements than the request have a part in it */
};

static inline bool
bit_of(const uint64_t *set, uint32_t bit)
{
	return set[bit / 64] >> (bit % 64) & 1;
}

static inline void
clear_bit(uint64_t *set, uint32_t bit)
{
	set[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}

static inline struct pq_bits
and_cells(const struct pq_bits *cells, struct pq_span run, struct pq_bits word)
{
	const struct pq_bits *cell = cells + run.first, *end = cell + run.n;

	for (; end - cell >= 4 && word.may != 0; cell += 4) {
		word.may &= cell[0].may & cell[1].may & cell[2].may & cell[3].may;
		word.must &= cell[0].must & cell[1].must & cell[2].must & cell[3].must;
	}
	for (; cell < end && word.may != 0; cell++) {
		word.may &= cell->may;
		word.must &= cell->must;
	}
	if (word.may == 0)
		word.must = 0;
	return word;
}

static struct pq_bits
all_of_word(const struct matching *m, uint32_t w)
{
	uint64_t all = pq_image_last_word(m->space, w);

	return (struct pq_bits){.may = all, .must = all};
}

static struct pq_bits
and_quants(const struct matching *m, uint32_t w, struct pq_bits word)
{
	const struct pq_eval *ev = m->ev;
	struct pq_span quants = ev->image->runs[m->first_word + w].quants;

	for (uint32_t i = quants.first; i < quants.first + quants.n && word.may != 0; i++) {
		const struct pq_p_quant *quant = &ev->p->quants[ev->image->word_quants[i]];
		uint64_t users = ev->p->words[quant->users + w];
		if ((word.may & users) == 0)
			continue;
		enum pq_tri tri = pq_quantified(ev, &m->where, quant->op, quant->scope, quant->inner);
		if (tri != PQ_T)
			word.must &= ~users;
		if (tri == PQ_F)
			word.may &= ~users;
	}
	return word;
}

static struct pq_bits
match_word(const struct matching *m, uint32_t w)
{
	const struct pq_word_runs *runs = &m->ev->image->runs[m->first_word + w];
	struct pq_bits word;

	if (!m->by_element) {
		word = and_cells(m->ev->req.cells, runs->of[PQ_SCOPE_REQUEST], all_of_word(m, w));
	} else {
		word = m->ev->outer[m->first_word + w];
		for (int scope = PQ_SCOPE_REQUEST + 1; scope < PQ_SCOPE_COUNT && word.may != 0; scope++) {
			if (runs->of[scope].n > 0)
				word = and_cells(m->where.at[scope]->cells, runs->of[scope], word);
		}
	}
	return and_quants(m, w, word);
}

/* ---- where it is asked how long the answer stands ---- */

static bool
asks_day(const struct pq_p_col *col)
{
	return col->attr == PQ_ATTR_AS_OF && col->kind == PQ_COL_RANGE;
}

/* Where the word keeps what the column allows; NULL: the column says nothing of it. */
static struct pq_bits *
cell_of(const struct matching *m, uint32_t col, uint32_t w)
{
	struct pq_span places = m->ev->image->columns[col].cells;

	for (uint32_t i = places.first; i < places.first + places.n; i++) {
		if (m->ev->image->cells[i].word == m->first_word + w)
			return &m->ev->req.cells[m->ev->image->cells[i].cell];
	}
	return NULL;
}

/*
 * What may hold of a word whatever the columns of days from the `first` on say. The columns of days before it hold: two
 * conditions that are both false now would else hide each other's days.
 */
static uint64_t
match_without_days(struct matching *m, uint32_t first, uint32_t w, struct pq_bits *kept)
{
	struct pq_bits *cells = m->ev->req.cells, *at, outer = m->ev->outer[m->first_word + w];

	for (uint32_t i = first; i < m->space->n_request_cols; i++) {
		at = asks_day(&m->ev->p->cols[m->space->cols.first + i]) ? cell_of(m, m->space->cols.first + i, w) : NULL;
		if (at == NULL)
			continue;
		kept[i] = *at;
		*at = (struct pq_bits){UINT64_MAX, UINT64_MAX};
	}
	if (m->by_element)
		m->ev->outer[m->first_word + w] =
			and_cells(cells, m->ev->image->runs[m->first_word + w].of[PQ_SCOPE_REQUEST], all_of_word(m, w));
	uint64_t may = match_word(m, w).may;
	m->ev->outer[m->first_word + w] = outer;
	for (uint32_t i = first; i < m->space->n_request_cols; i++) {
		at = asks_day(&m->ev->p->cols[m->space->cols.first + i]) ? cell_of(m, m->space->cols.first + i, w) : NULL;
		if (at != NULL)
			*at = kept[i];
	}
	return may;
}

/* Only what may hold without the day tells days apart. */
static void
narrow_window(struct matching *m)
{
	struct pq_eval *ev = m->ev;
	struct pq_bits *kept = pq_arena_array(ev->arena, m->space->n_request_cols + 1, sizeof(*kept));

	ev->oom |= kept == NULL;
	for (uint32_t i = 0; kept != NULL && i < m->space->n_request_cols; i++) {
		uint32_t index = m->space->cols.first + i;
		const struct pq_p_col *col = &ev->p->cols[index];
		if (!asks_day(col))
			continue;
		const int64_t *boundaries = ev->p->numbers + col->boundaries.first;
		int64_t day = ev->request->as_of;
		uint32_t at = 0;
		while (at < col->boundaries.n && boundaries[at] <= day)
			at++;
		const uint64_t *intervals = ev->p->words + col->bits + 3 * (size_t)m->space->words;
		for (uint32_t w = 0; w < m->space->words; w++)
			ev->scratch[w] = match_without_days(m, i, w, kept);
		pq_window_range(m->ev, boundaries, col->boundaries.n, intervals, m->space->words, at, ev->scratch);
	}
}

/* ---- from alternatives to conditions ---- */

static uint64_t
bits_between(uint32_t first, uint32_t end)
{
	uint64_t below = end == 64 ? UINT64_MAX : (UINT64_C(1) << end) - 1;

	return below & ~((UINT64_C(1) << first) - 1);
}

/* A condition is as true as its truest alternative. `within`: of its alternatives those in the word `w`. */
static uint8_t
truth_of(const struct matching *m, const struct pq_p_dnf *dnf, uint32_t w, uint64_t *ret_within)
{
	const struct pq_bits *words = m->element->matched + m->first_word;
	uint32_t first = dnf->alts.first - m->space->alts.first, end = first + dnf->alts.n;
	uint64_t must = 0, may = 0;

	for (uint32_t i = first / 64; i * 64 < end; i++) {
		uint64_t bits = bits_between(i == first / 64 ? first % 64 : 0, end - i * 64 < 64 ? end - i * 64 : 64);
		must |= words[i].must & bits;
		may |= words[i].may & bits;
		if (i == w)
			*ret_within = bits;
	}
	return must != 0 ? PQ_T : may != 0 ? PQ_U : PQ_F;
}

static void
wake_readers(struct pq_eval *ev, uint32_t dnf)
{
	pq_wake_by_dnf(ev->dirty, ev->image->wake, dnf);
}

/* Which main rules may hold, kept up with their conditions. */
static void
note_main(struct pq_eval *ev, uint32_t slot, bool open)
{
	const struct pq_span *of = &ev->image->main_of_slot[slot];

	for (uint32_t i = of->first; i < of->first + of->n; i++) {
		uint32_t rule = ev->image->main_of[i];
		clear_bit(ev->main_open, rule);
		ev->main_open[rule / 64] |= (uint64_t)open << (rule % 64);
	}
}

/* The conditions of the alternatives of a word that are not what they were; what hangs on these is dirty. */
static void
spread(const struct matching *m, uint32_t w, uint64_t changed)
{
	struct pq_eval *ev = m->ev;
	const struct pq_p_alt *alts = ev->p->alts + m->space->alts.first + (size_t)w * 64;

	for (uint64_t within = 0; changed != 0; changed &= ~within) {
		uint32_t index = alts[__builtin_ctzll(changed)].dnf;
		const struct pq_p_dnf *dnf = &ev->p->dnfs[index];
		uint8_t truth = truth_of(m, dnf, w, &within);
		if (m->element->tri[dnf->slot] == truth)
			continue;
		m->element->tri[dnf->slot] = truth;
		if (m->element == &ev->req)
			note_main(ev, dnf->slot, truth != PQ_F);
		wake_readers(ev, index);
	}
}

/* Where it is told what open conditions hang on, that may be something else now. */
static void
wake_open(const struct matching *m)
{
	const struct pq_bits *words = m->element->matched + m->first_word;
	uint32_t last = PQ_NO_INDEX;

	for (uint32_t w = 0; w < m->space->words; w++) {
		for (uint64_t left = words[w].may & ~words[w].must; left != 0; left &= left - 1) {
			uint32_t index = m->ev->p->alts[m->space->alts.first + w * 64 + (uint32_t)__builtin_ctzll(left)].dnf;
			if (index != last && m->element->tri[m->ev->p->dnfs[index].slot] == PQ_U)
				wake_readers(m->ev, index);
			last = index;
		}
	}
}

/* ---- spaces ---- */

/* Is what a word is made of perhaps not what it was? */
static bool
is_touched(const struct matching *m, uint32_t word)
{
	if (m->ev->image->runs[word].quants.n > 0 || bit_of(m->element->touched, word))
		return true;
	if (!m->by_element)
		return false;
	const struct pq_element *party = m->where.at[PQ_SCOPE_PARTY];
	return bit_of(m->ev->moved, word) || bit_of(m->ev->decision.touched, word) ||
	       (party != NULL && bit_of(party->touched, word));
}

static void
match_element(struct matching *m, struct pq_element *element)
{
	struct pq_eval *ev = m->ev;
	struct pq_bits *matched = element->matched + m->first_word;
	bool any = false;

	m->element = element;
	if (ev->window != NULL)
		narrow_window(m);
	for (uint32_t w = 0; w < m->space->words; w++) {
		ev->changed[w] = 0;
		if (!is_touched(m, m->first_word + w))
			continue;
		struct pq_bits word = match_word(m, w);
		ev->changed[w] = (matched[w].may ^ word.may) | (matched[w].must ^ word.must);
		matched[w] = word;
		any |= ev->changed[w] != 0;
		clear_bit(element->touched, m->first_word + w);
	}
	for (uint32_t w = 0; any && w < m->space->words; w++)
		spread(m, w, ev->changed[w]);
	if (!ev->quiet)
		wake_open(m);
}

/* What the request allows of the words, which is the same for every element. */
static void
match_outer(const struct matching *m)
{
	struct pq_eval *ev = m->ev;

	for (uint32_t w = 0; w < m->space->words; w++) {
		uint32_t word = m->first_word + w;
		clear_bit(ev->moved, word);
		if (!bit_of(ev->req.touched, word))
			continue;
		struct pq_bits now = and_cells(ev->req.cells, ev->image->runs[word].of[PQ_SCOPE_REQUEST], all_of_word(m, w));
		if (now.may != ev->outer[word].may || now.must != ev->outer[word].must)
			ev->moved[word / 64] |= UINT64_C(1) << (word % 64);
		ev->outer[word] = now;
		clear_bit(ev->req.touched, word);
	}
}

/* All elements that the words are matched at have seen what this one allows of them. */
static void
clear_touched(const struct matching *m, struct pq_element *element)
{
	for (uint32_t w = 0; w < m->space->words; w++)
		clear_bit(element->touched, m->first_word + w);
}

static void
match_owners(struct matching *m)
{
	struct pq_eval *ev = m->ev;

	for (size_t i = 0; i < ev->n_parties; i++) {
		m->where.at[PQ_SCOPE_PARTY] = &ev->parties[i];
		for (size_t k = 0; k < ev->parties[i].n_owners; k++) {
			m->where.at[PQ_SCOPE_OWNER] = &ev->parties[i].owners[k];
			match_element(m, m->where.at[PQ_SCOPE_OWNER]);
		}
		clear_touched(m, &ev->parties[i]);
	}
}

/* What a decision says is put in by the caller, and so is not chosen by anybody else. */
static void
choose_decision(struct pq_eval *ev)
{
	for (uint32_t attr = PQ_ATTR_DECISION_OUTCOME; attr <= PQ_ATTR_DECISION_SOLE; attr++)
		pq_choose(ev, &ev->decision, attr);
}

static void
match_elements(struct matching *m)
{
	struct pq_eval *ev = m->ev;

	switch ((enum pq_scope)m->space->scope) {
	case PQ_SCOPE_REQUEST:
		match_element(m, &ev->req);
		return;
	case PQ_SCOPE_DECISION:
		match_element(m, &ev->decision);
		return;
	case PQ_SCOPE_OWNER:
		match_owners(m);
		return;
	case PQ_SCOPE_PARTY:
	case PQ_SCOPE_HIT:
	case PQ_SCOPE_INTERMEDIATE: {
		size_t n;
		struct pq_element *elements = pq_elements(ev, &m->where, m->space->scope, &n);
		for (size_t i = 0; i < n; i++) {
			m->where.at[m->space->scope] = &elements[i];
			match_element(m, &elements[i]);
		}
		return;
	}
	case PQ_SCOPE_COUNT:
		return;
	}
}

void
pq_match_space(struct pq_eval *ev, uint32_t index)
{
	const struct pq_p_space *space = &ev->p->spaces[index];
	struct matching m = {
		.ev = ev, .space = space, .where = pq_where_request(ev), .first_word = ev->image->space_word[index]};

	if (space->blocks > 0) {
		pq_match_sparse(ev, space);
		return;
	}
	m.by_element = space->scope != PQ_SCOPE_REQUEST;
	if (space->level + 1 == ev->image->meta->n_levels)
		choose_decision(ev);
	if (m.by_element)
		match_outer(&m);
	match_elements(&m);
	if (m.by_element)
		clear_touched(&m, &ev->decision);
}

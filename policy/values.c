/* Values of attributes: facts with what their silence means, and what derive rules make of them. */
#include "policy/eval.h"

#include <string.h>

/* ---- unknowns ---- */

int
pq_var_of(struct pq_eval *ev, struct pq_element *element, uint32_t attr)
{
	uint32_t slot = ev->p->attrs[attr].slot;

	if (ev->quiet)
		return -1;
	if (element->var[slot] >= 0)
		return element->var[slot];
	if (ev->n_vars == PQ_MAX_VARS)
		return -1;
	ev->vars[ev->n_vars] = (struct pq_var){.attr = attr, .row = PQ_NO_INDEX, .element = element};
	element->var[slot] = (int16_t)ev->n_vars;
	return (int)ev->n_vars++;
}

int
pq_row_var(struct pq_eval *ev, uint32_t row)
{
	if (ev->quiet)
		return -1;
	for (size_t i = 0; i < ev->n_row_vars; i++) {
		if (ev->vars[ev->row_vars[i]].row == row)
			return (int)ev->row_vars[i];
	}
	if (ev->n_vars == PQ_MAX_VARS)
		return -1;
	ev->vars[ev->n_vars] = (struct pq_var){.attr = PQ_NO_INDEX, .row = row};
	ev->row_vars[ev->n_row_vars++] = (uint32_t)ev->n_vars;
	return (int)ev->n_vars++;
}

struct pq_mask
pq_value_deps(struct pq_eval *ev, const struct pq_where *where, uint32_t attr)
{
	if (ev->quiet)
		return (struct pq_mask){.overflow = true};
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	struct pq_element *element = where->at[a->scope];
	struct pq_mask deps = element->vals[a->slot].deps;

	if (element->vals[a->slot].open)
		pq_mask_add(&deps, pq_var_of(ev, element, attr));
	return deps;
}

const struct pq_linear *
pq_linear_of(struct pq_eval *ev, const struct pq_where *where, uint32_t attr)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	struct pq_element *element = where->at[a->scope];
	struct pq_val *val = &element->vals[a->slot];

	if (ev->quiet)
		return NULL;
	if (val->linear != NULL || !val->open)
		return val->linear;
	int var = pq_var_of(ev, element, attr);
	struct pq_linear *linear = var < 0 ? NULL : pq_arena_alloc(ev->arena, sizeof(*linear));
	ev->oom |= var >= 0 && linear == NULL;
	if (linear == NULL)
		return NULL;
	linear->n = 1;
	linear->terms[0].var = (uint16_t)var;
	linear->terms[0].factor = 1;
	return val->linear = linear;
}

static void
add_sample(struct pq_eval *ev, struct pq_var *var, int64_t value)
{
	size_t lo = 0, hi = var->n_samples;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (var->samples[mid] < value)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < var->n_samples && var->samples[lo] == value)
		return;
	if (var->n_samples == PQ_MAX_SAMPLES) {
		var->dropped = true;
		return;
	}
	if (var->n_samples == var->cap_samples) {
		size_t cap = var->cap_samples > 0 ? var->cap_samples * 2 : 32;
		int64_t *more = pq_arena_array(ev->arena, cap, sizeof(*more));
		if (more == NULL) {
			ev->oom = true;
			return;
		}
		if (var->n_samples > 0)
			memcpy(more, var->samples, var->n_samples * sizeof(*more));
		var->samples = more;
		var->cap_samples = cap;
	}
	memmove(var->samples + lo + 1, var->samples + lo, (var->n_samples - lo) * sizeof(*var->samples));
	var->samples[lo] = value;
	var->n_samples++;
}

/* The sign of the form changes where a variable passes -(rest) / factor; the others are taken at zero meanwhile. */
void
pq_note_threshold(struct pq_eval *ev, const struct pq_linear *linear)
{
	for (size_t i = 0; linear != NULL && i < linear->n; i++) {
		struct pq_var *var = &ev->vars[linear->terms[i].var];
		int64_t at = -linear->constant / linear->terms[i].factor;
		add_sample(ev, var, at - 1);
		add_sample(ev, var, at);
		add_sample(ev, var, at + 1);
	}
}

/* A number that may come from several sources: the value itself is tried for each unknown number behind it. */
static void
note_value(struct pq_eval *ev, const struct pq_mask *deps, int64_t at)
{
	for (size_t i = 0; i < ev->n_vars; i++) {
		struct pq_var *var = &ev->vars[i];
		if (!(deps->w[i / 64] >> (i % 64) & 1) || var->attr == PQ_NO_INDEX)
			continue;
		enum pq_type type = ev->p->attrs[var->attr].type;
		if (type != PQ_TYPE_NUMBER && type != PQ_TYPE_DATE)
			continue;
		add_sample(ev, var, at - 1);
		add_sample(ev, var, at);
		add_sample(ev, var, at + 1);
	}
}

void
pq_note_boundaries(struct pq_eval *ev, const struct pq_where *where, uint32_t attr)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	const struct pq_linear *linear = pq_linear_of(ev, where, attr);

	if (linear == NULL) {
		struct pq_mask deps = pq_value_deps(ev, where, attr);
		for (uint32_t i = 0; i < a->boundaries.n; i++)
			note_value(ev, &deps, ev->p->numbers[a->boundaries.first + i]);
	}
	for (uint32_t i = 0; linear != NULL && i < a->boundaries.n; i++) {
		struct pq_linear shifted = *linear;
		shifted.constant -= ev->p->numbers[a->boundaries.first + i];
		pq_note_threshold(ev, &shifted);
	}
}

static bool
is_number(const struct pq_p_attr *a)
{
	return a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE;
}

/* ---- candidates: what one source would make of an attribute ---- */

static void
candidate_reset(struct pq_candidate *c, uint32_t words)
{
	if (words == 1) {
		c->sure[0] = c->poss[0] = 0;
	} else if (words > 1) {
		memset(c->sure, 0, words * sizeof(*c->sure));
		memset(c->poss, 0, words * sizeof(*c->poss));
	}
	c->number_state = PQ_NUMBER_NONE;
	c->number = 0;
	c->may_none = false;
	c->linear = NULL;
	c->deps = (struct pq_mask){0};
}

/* Where nobody asks what a value hangs on, nothing is noted. */
static inline void
join_deps(const struct pq_eval *ev, struct pq_candidate *to, const struct pq_mask *from)
{
	if (!ev->quiet)
		pq_mask_join(&to->deps, from);
}

/* Likewise where it hangs on an open condition. */
static inline void
join_open(struct pq_eval *ev, const struct pq_where *where, struct pq_candidate *to, uint32_t dnf)
{
	if (ev->quiet)
		return;
	struct pq_mask deps = pq_dnf_deps(ev, where, dnf);
	pq_mask_join(&to->deps, &deps);
}

static void
put_symbol(struct pq_candidate *c, uint32_t symbol)
{
	c->sure[symbol / 64] |= UINT64_C(1) << (symbol % 64);
	c->poss[symbol / 64] |= UINT64_C(1) << (symbol % 64);
}

static void
put_literal(const struct pq_eval *ev, struct pq_candidate *c, const struct pq_p_attr *a, bool none, struct pq_span symbols,
            int64_t number)
{
	if (none) {
		c->may_none = true;
		return;
	}
	if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE) {
		c->number_state = PQ_NUMBER_KNOWN;
		c->number = number;
		return;
	}
	for (uint32_t i = 0; i < symbols.n; i++)
		put_symbol(c, ev->p->lists[symbols.first + i]);
}

static void
put_everything(const struct pq_eval *ev, struct pq_candidate *c, const struct pq_p_attr *a)
{
	if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE) {
		c->number_state = PQ_NUMBER_UNKNOWN;
		return;
	}
	if (a->domain == PQ_NO_INDEX)
		return;
	uint32_t n = ev->p->domains[a->domain].symbols.n;
	memset(c->poss, 0xff, n / 64 * sizeof(*c->poss));
	if (n % 64 != 0)
		c->poss[n / 64] = (UINT64_C(1) << (n % 64)) - 1;
}

static void
put_val(struct pq_eval *ev, const struct pq_where *where, struct pq_candidate *c, const struct pq_p_attr *target,
        uint32_t from)
{
	const struct pq_p_attr *a = &ev->p->attrs[from];
	const struct pq_val *val = pq_val_at(ev, where, from);
	uint32_t words = a->words < target->words ? a->words : target->words;

	for (uint32_t i = 0; i < words; i++)
		c->poss[i] |= val->poss[i];
	for (uint32_t i = 0; i < words && !a->single; i++)
		c->sure[i] |= val->sure[i];
	if (a->single && !val->may_none) { /* one value only is surely in a set made of it */
		uint64_t seen = 0;
		for (uint32_t i = 0; i < words; i++)
			seen += (uint64_t)__builtin_popcountll(val->poss[i]);
		for (uint32_t i = 0; i < words && seen == 1; i++)
			c->sure[i] |= val->poss[i];
	}
	c->may_none = val->may_none && (target->single || a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE);
	c->number_state = val->number_state;
	c->number = val->number;
	if (val->number_state == PQ_NUMBER_UNKNOWN)
		c->linear = pq_linear_of(ev, where, from);
	c->deps = pq_value_deps(ev, where, from);
}

/* ---- numbers ---- */

static bool
linear_add(struct pq_linear *to, const struct pq_linear *from, int64_t times)
{
	to->constant += from->constant * times;
	for (size_t i = 0; i < from->n; i++) {
		size_t k = 0;
		while (k < to->n && to->terms[k].var != from->terms[i].var)
			k++;
		if (k == PQ_MAX_LINEAR)
			return false;
		if (k == to->n) {
			to->terms[to->n].var = from->terms[i].var;
			to->terms[to->n++].factor = 0;
		}
		to->terms[k].factor += from->terms[i].factor * times;
	}
	for (size_t i = 0; i < to->n; i++) {
		if (to->terms[i].factor == 0)
			to->terms[i--] = to->terms[--to->n];
	}
	return true;
}

static void
put_sum(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_contribution *c, struct pq_candidate *out)
{
	struct pq_linear form = {0};
	bool linear = true, unknown = false;

	for (uint32_t i = 0; i < c->terms.n; i++) {
		const struct pq_p_term *term = &ev->p->terms[c->terms.first + i];
		const struct pq_val *val = pq_val_at(ev, where, term->attr);
		struct pq_mask deps = pq_value_deps(ev, where, term->attr);
		pq_mask_join(&out->deps, &deps);
		out->may_none |= val->may_none;
		if (val->number_state == PQ_NUMBER_NONE) {
			out->may_none = true;
			out->number_state = PQ_NUMBER_NONE;
			return;
		}
		if (val->number_state == PQ_NUMBER_KNOWN) {
			form.constant += val->number * term->times;
			continue;
		}
		unknown = true;
		const struct pq_linear *part = pq_linear_of(ev, where, term->attr);
		linear = linear && part != NULL && linear_add(&form, part, term->times);
	}
	out->number_state = unknown ? PQ_NUMBER_UNKNOWN : PQ_NUMBER_KNOWN;
	out->number = form.constant;
	if (unknown && linear) {
		struct pq_linear *kept = pq_arena_alloc(ev->arena, sizeof(*kept));
		ev->oom |= kept == NULL;
		if (kept != NULL)
			*kept = form;
		out->linear = kept;
	}
}

static bool
holds(enum pq_cmp cmp, int64_t left, int64_t right)
{
	switch (cmp) {
	case PQ_CMP_LT: return left < right;
	case PQ_CMP_LE: return left <= right;
	case PQ_CMP_GT: return left > right;
	case PQ_CMP_GE: return left >= right;
	case PQ_CMP_EQ: return left == right;
	case PQ_CMP_NE: return left != right;
	}
	return false;
}

static void
put_tri(struct pq_candidate *c, enum pq_tri tri)
{
	if (tri != PQ_F)
		c->poss[0] |= UINT64_C(1) << PQ_BOOL_TRUE;
	if (tri != PQ_T)
		c->poss[0] |= UINT64_C(1) << PQ_BOOL_FALSE;
}

static void
put_compare(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_contribution *c, struct pq_candidate *out)
{
	const struct pq_val *left = pq_val_at(ev, where, c->left);
	struct pq_val literal = {.number = c->number, .number_state = PQ_NUMBER_KNOWN};
	const struct pq_val *right = c->right != PQ_NO_INDEX ? pq_val_at(ev, where, c->right) : &literal;

	out->deps = pq_value_deps(ev, where, c->left);
	if (c->right != PQ_NO_INDEX) {
		struct pq_mask more = pq_value_deps(ev, where, c->right);
		pq_mask_join(&out->deps, &more);
	}
	if (left->number_state == PQ_NUMBER_NONE || right->number_state == PQ_NUMBER_NONE) {
		put_tri(out, PQ_F);
		return;
	}
	bool may_none = left->may_none || right->may_none;
	if (left->number_state == PQ_NUMBER_KNOWN && right->number_state == PQ_NUMBER_KNOWN) {
		put_tri(out, !holds(c->cmp, left->number, right->number) ? PQ_F : may_none ? PQ_U : PQ_T);
		return;
	}
	put_tri(out, PQ_U);
	struct pq_linear form = {0}, constant = {0};
	const struct pq_linear *l = &constant, *r = &constant;
	if (left->number_state == PQ_NUMBER_UNKNOWN)
		l = pq_linear_of(ev, where, c->left);
	else
		form.constant += left->number;
	if (right->number_state == PQ_NUMBER_UNKNOWN)
		r = pq_linear_of(ev, where, c->right);
	else
		form.constant -= right->number;
	if (l != NULL && r != NULL && linear_add(&form, l, 1) && linear_add(&form, r, -1)) {
		pq_note_threshold(ev, &form);
		return;
	}
	if (left->number_state == PQ_NUMBER_KNOWN)
		note_value(ev, &out->deps, left->number);
	if (right->number_state == PQ_NUMBER_KNOWN)
		note_value(ev, &out->deps, right->number);
}

static void
put_count(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_contribution *c, struct pq_candidate *out)
{
	size_t n;
	struct pq_element *elements = pq_elements(ev, where, c->scope, &n);
	struct pq_where inside = *where;

	out->number_state = PQ_NUMBER_KNOWN;
	for (size_t i = 0; i < n; i++) {
		inside.at[c->scope] = &elements[i];
		enum pq_tri tri = pq_dnf_truth(ev, &inside, c->inner);
		if (tri == PQ_T)
			out->number += PQ_NUMBER_SCALE;
		if (tri != PQ_U)
			continue;
		out->number_state = PQ_NUMBER_UNKNOWN;
		struct pq_mask deps = pq_dnf_deps(ev, &inside, c->inner);
		pq_mask_join(&out->deps, &deps);
	}
}

static void
put_same(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_contribution *c, struct pq_candidate *out)
{
	struct pq_candidate left = {0}, right = {0};
	uint64_t words[4][64];
	const struct pq_p_attr *a = &ev->p->attrs[c->left];
	const struct pq_p_attr *wide = a;
	bool sure = false, poss = false;

	if (a->words > 64 || ev->p->attrs[c->right].domain != a->domain) {
		put_tri(out, PQ_F);
		return;
	}
	memset(words, 0, sizeof(words));
	left.sure = words[0], left.poss = words[1], right.sure = words[2], right.poss = words[3];
	put_val(ev, where, &left, wide, c->left);
	put_val(ev, where, &right, wide, c->right);
	for (uint32_t i = 0; i < a->words; i++) {
		sure |= (left.sure[i] & right.sure[i]) != 0;
		poss |= (left.poss[i] & right.poss[i]) != 0;
	}
	put_tri(out, sure ? PQ_T : poss ? PQ_U : PQ_F);
	out->deps = left.deps;
	pq_mask_join(&out->deps, &right.deps);
}

static bool
same_given(const struct pq_p_attr *a, const struct pq_given *left, const struct pq_given *right)
{
	if (left->state != PQ_SAID || right->state != PQ_SAID)
		return false;
	if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE)
		return left->number == right->number;
	if (left->n_symbols != right->n_symbols ||
	    (left->n_symbols > 0 && memcmp(left->symbols, right->symbols, left->n_symbols * sizeof(*left->symbols)) != 0))
		return false;
	if (a->type != PQ_TYPE_TEXT)
		return true; /* of a code the entry counts, not the paragraph */
	return left->text.len == right->text.len && memcmp(left->text.at, right->text.at, left->text.len) == 0;
}

/* The sum of a fact over the lines that are alike; a line that is like no other is alone. */
static void
put_lines(struct pq_eval *ev, struct pq_candidate *out, uint32_t sum, uint32_t same)
{
	const struct pq_p_attr *s = &ev->p->attrs[sum], *k = &ev->p->attrs[same];
	const struct pq_given *own = ev->lines[ev->line].at;

	out->number_state = PQ_NUMBER_KNOWN;
	for (size_t i = 0; i < ev->n_lines; i++) {
		const struct pq_given *line = ev->lines[i].at;
		if (i != ev->line && !same_given(k, &own[k->slot], &line[k->slot]))
			continue;
		if (line[s->slot].state == PQ_SAID) {
			out->number += line[s->slot].number;
			continue;
		}
		out->number_state = PQ_NUMBER_UNKNOWN;
		pq_mask_add(&out->deps, i == ev->line ? pq_var_of(ev, &ev->req, sum) : -1);
	}
	/* Assumed for the line decided: the rest is what was said. */
	if (own[s->slot].state == PQ_SAID)
		return;
	int var = pq_var_of(ev, &ev->req, sum);
	if (var < 0)
		return;
	struct pq_linear form = {.constant = out->number, .n = 1};
	form.terms[0].var = (uint16_t)var;
	form.terms[0].factor = 1;
	if (out->deps.overflow)
		return;
	if (ev->vars[var].assumed) {
		out->number += ev->vars[var].number;
		out->number_state = PQ_NUMBER_KNOWN;
		out->deps = (struct pq_mask){0};
		return;
	}
	struct pq_linear *kept = pq_arena_alloc(ev->arena, sizeof(*kept));
	ev->oom |= kept == NULL;
	if (kept != NULL)
		*kept = form;
	out->linear = kept;
}

/* ---- facts ---- */

static void
put_assumed(const struct pq_eval *ev, struct pq_candidate *c, const struct pq_p_attr *a, const struct pq_var *var)
{
	if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE) {
		c->number_state = PQ_NUMBER_KNOWN;
		c->number = var->number;
	} else if (var->in != NULL) {
		put_everything(ev, c, a);
		for (uint32_t i = 0; i < a->words; i++) {
			c->poss[i] &= ~var->out[i];
			c->sure[i] |= var->in[i];
		}
	} else if (var->symbol != PQ_NO_INDEX) {
		put_symbol(c, var->symbol);
	}
}

/* The fact is unknown: what is assumed for it at the moment, or everything. */
static void
put_unknown(struct pq_eval *ev, struct pq_element *element, uint32_t attr, struct pq_candidate *c, bool *open)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	int16_t var = element->var[a->slot];

	if (!ev->quiet && var >= 0 && ev->vars[var].assumed) {
		put_assumed(ev, c, a, &ev->vars[var]);
		*open = *open || ev->vars[var].partly;
		return;
	}
	put_everything(ev, c, a);
	*open = true;
}

static void
put_given(struct pq_candidate *c, const struct pq_p_attr *a, const struct pq_given *given)
{
	if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE) {
		c->number_state = PQ_NUMBER_KNOWN;
		c->number = given->number;
		return;
	}
	for (uint32_t i = 0; i < given->n_symbols; i++)
		put_symbol(c, given->symbols[i]);
}

/* Join alternatives: the value is that of one of them, it is not known of which. */
static void
accumulate(const struct pq_eval *ev, struct pq_candidate *acc, const struct pq_candidate *c, const struct pq_p_attr *a,
           bool first)
{
	for (uint32_t i = 0; i < a->words; i++) {
		acc->sure[i] = first ? c->sure[i] : acc->sure[i] & c->sure[i];
		acc->poss[i] |= c->poss[i];
	}
	join_deps(ev, acc, &c->deps);
	if (first) {
		acc->number_state = c->number_state;
		acc->number = c->number;
		acc->may_none = c->may_none;
		acc->linear = c->linear;
		return;
	}
	acc->may_none |= c->may_none;
	if (!is_number(a))
		return;
	acc->may_none |= c->number_state == PQ_NUMBER_NONE || acc->number_state == PQ_NUMBER_NONE;
	acc->linear = NULL;
	if (c->number_state == PQ_NUMBER_NONE)
		return;
	if (acc->number_state == PQ_NUMBER_NONE) {
		acc->number_state = c->number_state;
		acc->number = c->number;
	} else if (acc->number_state != c->number_state || acc->number != c->number) {
		acc->number_state = PQ_NUMBER_UNKNOWN;
	}
}

static bool
same_mask(const struct pq_mask *a, const struct pq_mask *b)
{
	return a->overflow == b->overflow && memcmp(a->w, b->w, sizeof(a->w)) == 0;
}

/* False: the value, and what it hangs on, is what it was. */
static bool
store(const struct pq_eval *ev, const struct pq_p_attr *a, struct pq_val *val, const struct pq_candidate *c)
{
	struct pq_mask deps = ev->quiet ? (struct pq_mask){0} : c->deps;
	uint64_t any = 0, differs = 0;
	bool may_none = c->may_none || (is_number(a) && c->number_state == PQ_NUMBER_NONE);

	for (uint32_t i = 0; i < a->words; i++) {
		differs |= (val->sure[i] ^ c->sure[i]) | (val->poss[i] ^ c->poss[i]);
		val->sure[i] = c->sure[i];
		val->poss[i] = c->poss[i];
		any |= c->poss[i];
	}
	if (a->single && a->words > 0) /* nothing possible is "no value" */
		may_none |= any == 0;
	differs |= val->number_state != c->number_state || val->number != c->number || val->may_none != may_none;
	differs |= !ev->quiet && (val->linear != c->linear || !same_mask(&val->deps, &deps));
	val->number_state = c->number_state;
	val->number = c->number;
	val->linear = c->linear;
	val->deps = deps;
	val->may_none = may_none;
	return differs != 0;
}

static void
silence_candidate(struct pq_eval *ev, const struct pq_where *where, uint32_t attr, const struct pq_p_silence *s,
                  struct pq_candidate *c, bool *open)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];

	candidate_reset(c, a->words);
	pq_window_silence(ev, s);
	if (s->unknown)
		put_unknown(ev, where->at[a->scope], attr, c, open);
	else if (s->copy != PQ_NO_INDEX)
		put_val(ev, where, c, a, s->copy);
	else if (s->lines_sum != PQ_NO_INDEX)
		put_lines(ev, c, s->lines_sum, s->lines_same);
	else
		put_literal(ev, c, a, s->none, s->symbols, s->number);
}

static void
silent_value(struct pq_eval *ev, const struct pq_where *where, uint32_t attr, struct pq_candidate *acc,
             struct pq_candidate *c, bool *open, bool *own)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	bool first = true;

	for (uint32_t i = 0; i < a->silences.n; i++) {
		const struct pq_p_silence *s = &ev->p->silences[a->silences.first + i];
		enum pq_tri tri = pq_dnf_truth(ev, where, s->dnf);
		if (tri == PQ_F)
			continue;
		silence_candidate(ev, where, attr, s, c, open);
		accumulate(ev, acc, c, a, first);
		if (tri == PQ_T) {
			*own = first && s->unknown;
			return;
		}
		first = false;
		join_open(ev, where, acc, s->dnf);
	}
	candidate_reset(c, a->words);
	put_unknown(ev, where->at[a->scope], attr, c, open);
	accumulate(ev, acc, c, a, first);
	*own = first;
}

/* The path comes with the code: as far as the request tells it, or as far as it is assumed. */
static void
path_value(struct pq_eval *ev, struct pq_element *element, uint32_t code, const struct pq_given *given)
{
	const struct pq_p_attr *c = &ev->p->attrs[code];
	const struct pq_p_attr *a = &ev->p->attrs[c->path];
	const struct pq_p_domain *domain = &ev->p->domains[a->domain];
	const struct pq_val *code_val = &element->vals[c->slot];
	struct pq_val *val = &element->vals[a->slot];
	int16_t var = element->var[a->slot];
	bool none = true;

	for (uint32_t i = 0; i < c->words; i++)
		none &= code_val->poss[i] == 0;
	memset(val->sure, 0, a->words * sizeof(*val->sure));
	memset(val->poss, 0, a->words * sizeof(*val->poss));
	val->open = val->own_unknown = false;
	val->deps = (struct pq_mask){0};
	val->path_unknown = code_val->open;
	val->path_complete = none;
	val->path = given->state == PQ_SAID ? given->text : (struct pq_text){"", 0};
	if (none)
		return;
	if (code_val->open) {
		struct pq_candidate all = {.sure = val->sure, .poss = val->poss};
		put_everything(ev, &all, a);
		pq_mask_add(&val->deps, pq_var_of(ev, element, code));
		return;
	}
	if (!ev->quiet && var >= 0 && ev->vars[var].assumed) {
		val->path = ev->vars[var].path;
		val->path_complete = true;
	}
	for (uint32_t s = 0; s < domain->symbols.n; s++) {
		const char *listed = pq_string(ev->image, ev->p->symbols[domain->symbols.first + s]);
		size_t len = strlen(listed);
		size_t common = len < val->path.len ? len : val->path.len;
		if (memcmp(listed, val->path.at, common) != 0)
			continue;
		uint64_t bit = UINT64_C(1) << (s % 64);
		if (len == 0 || len == val->path.len || (len < val->path.len && val->path.at[len] == '.')) {
			val->sure[s / 64] |= bit;
			val->poss[s / 64] |= bit;
		} else if (!val->path_complete && len > val->path.len && (val->path.len == 0 || listed[val->path.len] == '.')) {
			val->poss[s / 64] |= bit;
		}
	}
	val->open = val->own_unknown = !val->path_complete;
}

static bool
fact_changed(struct pq_eval *ev, struct pq_element *element, uint32_t code, const struct pq_given *given, bool changed)
{
	const struct pq_p_attr *a = &ev->p->attrs[code];

	if (a->type != PQ_TYPE_CODE || a->path == PQ_NO_INDEX)
		return changed;
	path_value(ev, element, code, given);
	return true; /* the path may be another */
}

/*
 * Most facts are one symbol or number that is said, or what an unconditional silence means: they become a value without
 * being weighed against anything.
 */
struct plain {
	enum { EVERYTHING, NOTHING, ONE } kind;
	uint32_t symbol; /* or PQ_NO_INDEX */
	int64_t number;
};

static bool
plain_literal(struct plain *ret, const uint32_t *symbols, uint32_t n, int64_t number)
{
	if (n > 1)
		return false;
	*ret = (struct plain){ONE, n == 1 ? symbols[0] : PQ_NO_INDEX, number};
	return true;
}

/* What silence means where that is certain; an assumption is no plain value. */
static bool
plain_silence(struct pq_eval *ev, const struct pq_where *where, uint32_t attr, struct plain *ret)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	const struct pq_p_silence *s = ev->p->silences + a->silences.first, *end = s + a->silences.n;
	enum pq_tri tri = PQ_F;

	while (s < end && (tri = pq_dnf_truth(ev, where, s->dnf)) == PQ_F)
		s++;
	if (tri == PQ_U)
		return false;
	if (s == end || s->unknown) {
		int16_t var = where->at[a->scope]->var[a->slot];
		*ret = (struct plain){EVERYTHING, PQ_NO_INDEX, 0};
		return ev->quiet || var < 0 || !ev->vars[var].assumed;
	}
	if (s->copy != PQ_NO_INDEX || s->lines_sum != PQ_NO_INDEX)
		return false;
	if (s->none) {
		*ret = (struct plain){NOTHING, PQ_NO_INDEX, 0};
		return true;
	}
	return plain_literal(ret, ev->p->lists + s->symbols.first, s->symbols.n, s->number);
}

static bool
is_plain(struct pq_eval *ev, const struct pq_where *where, uint32_t attr, const struct pq_given *given,
         struct plain *ret)
{
	if (given->state == PQ_SAID)
		return plain_literal(ret, given->symbols, given->n_symbols, given->number);
	return given->state == PQ_SILENT && plain_silence(ev, where, attr, ret);
}

static uint64_t
everything_word(const struct pq_eval *ev, const struct pq_p_attr *a, uint32_t word)
{
	uint32_t n = ev->p->domains[a->domain].symbols.n - word * 64;

	return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

/* Like store(). */
static bool
store_plain(const struct pq_eval *ev, const struct pq_p_attr *a, struct pq_val *val, const struct plain *plain)
{
	bool open = plain->kind == EVERYTHING, number = is_number(a);
	enum pq_number_state state = !number || plain->kind == NOTHING ? PQ_NUMBER_NONE
	                             : open                            ? PQ_NUMBER_UNKNOWN
	                                                               : PQ_NUMBER_KNOWN;
	bool may_none = plain->kind == NOTHING;
	uint64_t differs = 0, any = 0;

	for (uint32_t i = 0; open && i < a->words; i++) {
		uint64_t poss = everything_word(ev, a, i);
		differs |= val->sure[i] | (val->poss[i] ^ poss);
		val->sure[i] = 0;
		val->poss[i] = poss;
		any |= poss;
	}
	for (uint32_t i = 0; !open && i < a->words; i++) {
		uint64_t word = plain->symbol / 64 == i ? UINT64_C(1) << (plain->symbol % 64) : 0;
		differs |= (val->sure[i] ^ word) | (val->poss[i] ^ word);
		val->sure[i] = val->poss[i] = word;
		any |= word;
	}
	may_none |= a->single && a->words > 0 && any == 0; /* nothing possible is "no value" */
	int64_t value = state == PQ_NUMBER_KNOWN ? plain->number : 0;
	differs |= val->number_state != state || val->number != value || val->may_none != may_none || val->open != open;
	if (!ev->quiet) {
		struct pq_mask nothing = {0};
		differs |= val->linear != NULL || !same_mask(&val->deps, &nothing);
	}
	val->number_state = state;
	val->number = value;
	val->linear = NULL;
	val->deps = (struct pq_mask){0};
	val->may_none = may_none;
	val->open = val->own_unknown = open;
	return differs != 0;
}

/* Like store(): a value that is known, of which everything possible is sure. */
static bool
store_known(const struct pq_eval *ev, const struct pq_p_attr *a, struct pq_val *val, const struct pq_known *known)
{
	struct pq_mask nothing = {0};
	uint64_t differs = 0;

	for (uint32_t i = 0; i < a->words; i++) {
		differs |= (val->sure[i] ^ known->set[i]) | (val->poss[i] ^ known->set[i]);
		val->sure[i] = val->poss[i] = known->set[i];
	}
	enum pq_number_state state = known->has_number ? PQ_NUMBER_KNOWN : PQ_NUMBER_NONE;
	differs |= val->number_state != state || val->number != known->number || val->may_none != known->none;
	if (!ev->quiet)
		differs |= val->linear != NULL || !same_mask(&val->deps, &nothing);
	val->number_state = state;
	val->number = known->number;
	val->may_none = known->none;
	val->linear = NULL;
	val->deps = nothing;
	return differs != 0;
}

static bool
fact_value(struct pq_eval *ev, const struct pq_where *where, uint32_t attr, struct pq_candidate *acc,
           struct pq_candidate *scratch)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	struct pq_element *element = where->at[a->scope];
	const struct pq_given *given = &element->given[a->slot];
	struct pq_val *val = &element->vals[a->slot];
	bool open = false, own = given->state == PQ_SAID_UNKNOWN;

	candidate_reset(acc, a->words);
	if (given->opened) {
		put_unknown(ev, element, attr, acc, &open);
		acc->may_none |= given->or_none;
	} else if (given->state == PQ_SAID) {
		put_given(acc, a, given);
	} else if (given->state == PQ_SILENT) {
		silent_value(ev, where, attr, acc, scratch, &open, &own);
	} else if (a->has_null_is && given->named_by == 0) {
		put_literal(ev, acc, a, a->null_none, a->null_symbols, a->null_number);
	} else {
		put_unknown(ev, element, attr, acc, &open);
	}
	bool changed = store(ev, a, val, acc) || val->open != open;
	val->open = open;
	val->own_unknown = own;
	return fact_changed(ev, element, attr, given, changed);
}

/* ---- derived attributes ---- */

static void
source_candidate(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_contribution *c,
                 const struct pq_p_attr *a, struct pq_candidate *out)
{
	candidate_reset(out, a->words);
	pq_window_source(ev, c);
	switch ((enum pq_derive)c->derive) {
	case PQ_DERIVE_SET: put_literal(ev, out, a, c->none, c->symbols, c->number); return;
	case PQ_DERIVE_COPY: put_val(ev, where, out, a, c->left); return;
	case PQ_DERIVE_LOOKUP: pq_lookup(ev, where, c, a, out); return;
	case PQ_DERIVE_SUM: put_sum(ev, where, c, out); return;
	case PQ_DERIVE_COMPARE: put_compare(ev, where, c, out); return;
	case PQ_DERIVE_COUNT: put_count(ev, where, c, out); return;
	case PQ_DERIVE_SAME: put_same(ev, where, c, out); return;
	case PQ_DERIVE_LINES: put_lines(ev, out, c->left, c->right); return;
	}
}

static bool
candidate_uncertain(const struct pq_p_attr *a, const struct pq_candidate *c)
{
	size_t n = 0;

	if (is_number(a))
		return c->number_state == PQ_NUMBER_UNKNOWN || (c->may_none && c->number_state != PQ_NUMBER_NONE);
	for (uint32_t i = 0; i < a->words; i++) {
		if (!a->single && c->poss[i] != c->sure[i])
			return true;
		n += (size_t)__builtin_popcountll(c->poss[i]);
	}
	return a->single && (n > 1 || (n == 1 && c->may_none));
}

/* A bool is true if one of its sources says so. */
static void
derive_bool(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_attr *a, struct pq_candidate *acc,
            struct pq_candidate *c)
{
	enum pq_tri result = PQ_F;

	for (uint32_t i = 0; i < a->contributions.n; i++) {
		const struct pq_p_contribution *source = &ev->p->contributions[a->contributions.first + i];
		enum pq_tri when = pq_dnf_truth(ev, where, source->dnf);
		if (when == PQ_F)
			continue;
		source_candidate(ev, where, source, a, c);
		bool can = c->poss[0] >> PQ_BOOL_TRUE & 1;
		bool must = can && !(c->poss[0] >> PQ_BOOL_FALSE & 1) && !c->may_none;
		enum pq_tri value = must ? PQ_T : can ? PQ_U : PQ_F;
		if (value == PQ_F)
			continue;
		result = pq_or(result, pq_and(when, value));
		if (result == PQ_T)
			break;
		if (when == PQ_U)
			join_open(ev, where, acc, source->dnf);
		join_deps(ev, acc, &c->deps);
	}
	if (result == PQ_T)
		acc->deps = (struct pq_mask){0};
	put_tri(acc, result);
}

/* A set is the union of what its sources say. */
static void
derive_union(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_attr *a, struct pq_candidate *acc,
             struct pq_candidate *c)
{
	for (uint32_t i = 0; i < a->contributions.n; i++) {
		const struct pq_p_contribution *source = &ev->p->contributions[a->contributions.first + i];
		enum pq_tri when = pq_dnf_truth(ev, where, source->dnf);
		if (when == PQ_F)
			continue;
		source_candidate(ev, where, source, a, c);
		for (uint32_t w = 0; w < a->words; w++) {
			acc->sure[w] |= when == PQ_T ? c->sure[w] : 0;
			acc->poss[w] |= c->poss[w];
		}
		if (when == PQ_U)
			join_open(ev, where, acc, source->dnf);
		if (!ev->quiet && candidate_uncertain(a, c))
			pq_mask_join(&acc->deps, &c->deps);
	}
}

/* Of single-valued attributes the first source that applies and has a value counts. */
static void
derive_first(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_attr *a, struct pq_candidate *acc,
             struct pq_candidate *c)
{
	bool first = true;

	for (uint32_t i = 0; i < a->contributions.n; i++) {
		const struct pq_p_contribution *source = &ev->p->contributions[a->contributions.first + i];
		enum pq_tri when = pq_dnf_truth(ev, where, source->dnf);
		if (when == PQ_F)
			continue;
		source_candidate(ev, where, source, a, c);
		bool empty = is_number(a) && c->number_state == PQ_NUMBER_NONE;
		uint64_t any = is_number(a);
		for (uint32_t w = 0; w < a->words; w++)
			any |= c->poss[w];
		empty |= any == 0;
		bool can_miss = empty || c->may_none;
		c->may_none = false;
		if (!empty)
			accumulate(ev, acc, c, a, first);
		else
			join_deps(ev, acc, &c->deps);
		first &= empty;
		if (when == PQ_T && !can_miss)
			return;
		if (when == PQ_U)
			join_open(ev, where, acc, source->dnf);
	}
	acc->may_none = true;
}

/* The words are not cleared. */
static struct pq_candidate
make_candidate(uint64_t *words, uint32_t n)
{
	return (struct pq_candidate){.sure = words, .poss = words + n};
}

/* The symbol that the first digits of a text are; what stands between digits is passed over. */
static void
put_digits(const struct pq_eval *ev, const struct pq_where *where, const struct pq_p_attr *a, struct pq_candidate *out)
{
	const struct pq_p_attr *fact = &ev->p->attrs[ev->p->lists[a->said.first]];
	const struct pq_given *given = &where->at[a->scope]->given[fact->slot];
	char digits[PQ_MAX_DIGITS];
	size_t n = 0;

	for (size_t i = 0; given->state == PQ_SAID && i < given->text.len && n < a->digits; i++) {
		if (given->text.at[i] >= '0' && given->text.at[i] <= '9')
			digits[n++] = given->text.at[i];
	}
	uint32_t symbol = n == a->digits ? pq_find_symbol(ev->image, a->domain, digits, n) : PQ_NO_INDEX;
	if (symbol == PQ_NO_INDEX)
		out->may_none = true;
	else
		put_symbol(out, symbol);
}

/* Whatever it is made of. */
static bool
compute(struct pq_eval *ev, const struct pq_where *where, uint32_t attr)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	struct pq_val *val = &where->at[a->scope]->vals[a->slot];
	uint64_t words[4 * 64];
	uint32_t n = a->words;
	uint64_t *at = words;
	if (n > 64 && (at = pq_arena_array(ev->arena, 4 * (size_t)n, sizeof(*at))) == NULL) {
		ev->oom = true;
		return true;
	}
	struct pq_candidate acc = make_candidate(at, n), scratch = make_candidate(at + 2 * (size_t)n, n);
	if (a->is_fact)
		return fact_value(ev, where, attr, &acc, &scratch);
	candidate_reset(&acc, n);
	val->open = false;
	if (a->digits > 0) {
		put_digits(ev, where, a, &acc);
		return store(ev, a, val, &acc);
	}
	if (a->said.n > 0) {
		enum pq_tri said = PQ_F;
		for (uint32_t i = 0; i < a->said.n; i++) {
			uint32_t fact = ev->p->lists[a->said.first + i];
			said = pq_or(said, where->at[a->scope]->given[ev->p->attrs[fact].slot].state == PQ_SAID ? PQ_T : PQ_F);
		}
		put_tri(&acc, said);
		return store(ev, a, val, &acc);
	}
	if (a->type == PQ_TYPE_BOOL)
		derive_bool(ev, where, a, &acc, &scratch);
	else if (a->type == PQ_TYPE_SYMBOLS)
		derive_union(ev, where, a, &acc, &scratch);
	else
		derive_first(ev, where, a, &acc, &scratch);
	if (!ev->quiet && !candidate_uncertain(a, &acc))
		acc.deps = (struct pq_mask){0};
	return store(ev, a, val, &acc);
}

static bool
compute_day(const struct pq_eval *ev, struct pq_val *val)
{
	bool changed = val->number_state != PQ_NUMBER_KNOWN || val->number != ev->request->as_of;

	val->number_state = PQ_NUMBER_KNOWN;
	val->number = ev->request->as_of;
	val->may_none = false;
	return changed;
}

bool
pq_value_compute(struct pq_eval *ev, const struct pq_where *where, uint32_t attr)
{
	const struct pq_p_attr *a = &ev->p->attrs[attr];
	struct pq_val *val = &where->at[a->scope]->vals[a->slot];
	const struct pq_join *sole = ev->image->sole_joins[attr];
	struct pq_known known;
	struct plain plain;

	if (a->type == PQ_TYPE_PATH || a->type == PQ_TYPE_TEXT)
		return false;
	if (attr == PQ_ATTR_AS_OF)
		return compute_day(ev, val);
	if (sole != NULL && pq_lookup_known(ev, where, sole, a, &known)) {
		val->open = false;
		return store_known(ev, a, val, &known);
	}
	const struct pq_given *given = a->is_fact ? &where->at[a->scope]->given[a->slot] : NULL;
	if (given != NULL && !given->opened && is_plain(ev, where, attr, given, &plain)) {
		bool changed = store_plain(ev, a, val, &plain);
		return fact_changed(ev, where->at[a->scope], attr, given, changed);
	}
	return compute(ev, where, attr);
}

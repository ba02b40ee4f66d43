/*
 * The search over completions of the unknown facts: split the first unknown that the outcome may depend on, and look
 * again, until the outcome is settled everywhere.
 */
#include "tests/oracle/internal.h"

#include <stdlib.h>
#include <string.h>

/* Depth of the search: no more unknowns than this are assumed at once. */
#define MAX_DEPTH 64
/* Times that the search starts over because a branch brought more values to try. */
#define MAX_ROUNDS 4

struct leaf {
	enum pq_outcome best, worst;
	bool settled;          /* all completions of it give `best`, or all are REFER or worse */
	uint32_t law;
	struct or_set usable;
	size_t n;
	uint32_t *ids;         /* what was assumed ... */
	const char **keys;     /* ... to be what, ... */
	struct or_value *sets; /* ... and of sets, what is in them, and may be */
};

struct search {
	struct or_world *w;
	struct leaf *leaves;
	size_t n_leaves, room;
	bool exact;
	enum pq_outcome best, worst; /* before anything is assumed */
	struct or_node root;
	struct or_deps split;
	uint32_t path[MAX_DEPTH];
	size_t depth; /* of `path`: unknowns of which something is assumed */
	size_t level; /* of the evaluation: sets may be split more than once */
};

static struct pq_arena levels[MAX_DEPTH + 1];

static struct pq_arena *
arena_of(size_t level)
{
	if (levels[level].limit == 0)
		pq_arena_init(&levels[level], (size_t)1 << 30);
	pq_arena_reset(&levels[level]);
	return &levels[level];
}

static bool
is_settled(enum pq_outcome best, enum pq_outcome worst)
{
	return best == worst || best >= PQ_OUTCOME_REFER;
}

static void
add_leaf(struct search *s, const struct or_node *node)
{
	struct or_world *w = s->w;

	if (s->n_leaves == s->room) {
		struct leaf *more = or_alloc(w->keep, s->room = s->room * 4 + 4, sizeof(*more));
		if (s->n_leaves > 0)
			memcpy(more, s->leaves, s->n_leaves * sizeof(*more));
		s->leaves = more;
	}
	struct leaf *leaf = &s->leaves[s->n_leaves++];
	*leaf = (struct leaf){.best = node->best, .worst = node->worst, .settled = is_settled(node->best, node->worst)};
	leaf->law = PQ_NO_INDEX;
	for (uint32_t i = 0; i < node->jurisdiction->may.n && or_value_certain(node->jurisdiction); i++) {
		if (or_set_has(node->jurisdiction->may, i) && or_jurisdiction(w->model, i) != NULL)
			leaf->law = i;
	}
	size_t n = w->model->domain_exception == PQ_NO_INDEX ? 0 : w->model->domains[w->model->domain_exception].n_symbols;
	leaf->usable = (struct or_set){or_alloc(w->keep, n / 64 + 1, sizeof(uint64_t)), n};
	for (size_t i = 0; i < node->n_exceptions; i++) {
		if (node->exceptions[i].usable.is == OR_TRUE)
			or_set_add(leaf->usable, node->exceptions[i].symbol);
	}
	leaf->n = s->depth;
	leaf->ids = or_alloc(w->keep, s->depth, sizeof(*leaf->ids));
	leaf->keys = or_alloc(w->keep, s->depth, sizeof(*leaf->keys));
	leaf->sets = or_alloc(w->keep, s->depth, sizeof(*leaf->sets));
	for (size_t i = 0; i < s->depth; i++) {
		const char *key = w->unknowns[s->path[i]].key;
		leaf->ids[i] = s->path[i];
		leaf->sets[i] = w->unknowns[s->path[i]].value;
		leaf->keys[i] = pq_arena_strndup(w->keep, key, strlen(key));
		if (leaf->keys[i] == NULL)
			or_die("out of memory");
	}
}

static uint32_t
first_unknown(const struct or_world *w, const struct or_deps *deps)
{
	uint32_t first = PQ_NO_INDEX;

	for (uint32_t i = 0; i < w->n_unknowns; i++) {
		if (!or_deps_has(deps, i) || (w->unknowns[i].assigned && !w->unknowns[i].partly))
			continue;
		if (first == PQ_NO_INDEX || or_unknown_compare(&w->unknowns[i], &w->unknowns[first]) < 0)
			first = i;
	}
	return first;
}

/* What the parent computed stays true where the unknown just assumed had no part in it. */
static void
inherit(struct or_world *w, const struct or_memo *parent, uint32_t id)
{
	for (size_t i = 0; i < w->n_slots; i++) {
		if (parent->state[i] == 2 && !or_deps_has(&parent->values[i].why, id)) {
			w->memo.state[i] = 2;
			w->memo.values[i] = parent->values[i];
		}
	}
	for (size_t r = 0; r < w->model->n_rules; r++) {
		if (parent->held[r] && !or_deps_has(&parent->holds[r].why, id)) {
			w->memo.held[r] = true;
			w->memo.holds[r] = parent->holds[r];
		}
	}
}

static void explore(struct search *s, const struct or_memo *parent, uint32_t id);
static bool look(struct search *s, const struct or_memo *parent, uint32_t id, struct or_node *ret);
static void go_on(struct search *s, const struct or_node *node);

/* ---- sets: too many to try, so they are split by their members ------------------------------------------------------ */

static bool
set_is_open(const struct or_value *v)
{
	return or_set_count(v->may) > or_set_count(v->sure);
}

/* From now on the set is `from` with `member` (PQ_NO_INDEX: and nothing else). */
static void
assume_set(struct or_world *w, uint32_t id, const struct or_value *from, uint32_t member)
{
	struct or_unknown *u = &w->unknowns[id];
	struct pq_arena *scratch = w->scratch;

	w->scratch = w->keep;
	u->value = or_value_empty(w, u->attr);
	w->scratch = scratch;
	or_set_join(u->value.sure, from->sure);
	if (member != PQ_NO_INDEX)
		or_set_add(u->value.sure, member);
	or_set_join(u->value.may, member != PQ_NO_INDEX ? from->may : u->value.sure);
	u->assigned = true;
	u->partly = set_is_open(&u->value);
	u->key[0] = '\0';
}

/*
 * "B is in it", "not B, but C", ..., "none of these", the other members left open. Members that settle the outcome
 * whatever else is in the set go first: without them less is left to be split.
 */
static void
split_set(struct search *s, uint32_t id)
{
	struct or_world *w = s->w;
	struct or_memo own = w->memo;
	struct pq_arena *scratch = w->scratch;
	struct or_unknown before = w->unknowns[id];
	struct or_value left;
	struct or_node node;

	assume_set(w, id, before.assigned ? &before.value : &(struct or_value){.form = OR_MANY}, PQ_NO_INDEX);
	left = w->unknowns[id].value;
	left.may = (struct or_set){or_alloc(w->keep, left.may.n / 64 + 1, sizeof(uint64_t)), left.may.n};
	if (before.assigned)
		or_set_join(left.may, before.value.may);
	else
		or_set_fill(left.may);
	if (!before.assigned)
		s->path[s->depth++] = id;
	s->level++;
	for (int settled = 1; settled >= 0; settled--) {
		for (uint32_t i = 0; i < left.may.n; i++) {
			if (!or_set_has(left.may, i) || or_set_has(left.sure, i))
				continue;
			assume_set(w, id, &left, i);
			if (!look(s, &own, id, &node) || (settled && !is_settled(node.best, node.worst)))
				continue;
			go_on(s, &node);
			left.may.bits[i / 64] &= ~((uint64_t)1 << i % 64);
		}
	}
	assume_set(w, id, &left, PQ_NO_INDEX);
	explore(s, &own, id);
	s->level--;
	if (!before.assigned)
		s->depth--;
	w->unknowns[id] = before;
	w->memo = own;
	w->scratch = scratch;
}

static void
split(struct search *s, uint32_t id)
{
	struct or_world *w = s->w;
	struct or_memo own = w->memo;
	struct pq_arena *scratch = w->scratch;
	struct or_candidate *candidates;
	size_t n = or_candidates(w, id, &candidates);

	s->path[s->depth++] = id;
	s->level++;
	for (size_t i = 0; i < n; i++) {
		struct or_unknown *u = &w->unknowns[id];
		u->assigned = true;
		u->value = candidates[i].value;
		u->present = candidates[i].present;
		memcpy(u->key, candidates[i].key, sizeof(u->key));
		explore(s, &own, id);
		w->unknowns[id].assigned = false;
	}
	s->level--;
	s->depth--;
	w->memo = own;
	w->scratch = scratch;
}

/* Evaluate with what is assumed now; `id` is what was assumed last. False: the bound is reached. */
static bool
look(struct search *s, const struct or_memo *parent, uint32_t id, struct or_node *ret)
{
	struct or_world *w = s->w;

	if (s->n_leaves == OR_MAX_LEAVES) {
		s->exact = false;
		return false;
	}
	or_world_forget(w, arena_of(s->level));
	if (parent != NULL)
		inherit(w, parent, id);
	or_evaluate(w, ret);
	return true;
}

static void
go_on(struct search *s, const struct or_node *node)
{
	struct or_world *w = s->w;

	if (is_settled(node->best, node->worst)) {
		add_leaf(s, node);
		return;
	}
	if (w->settled_only) {
		w->left = true;
		w->left_by = node->split;
		return;
	}
	uint32_t id = first_unknown(w, &node->split);
	if (id == PQ_NO_INDEX || s->level == MAX_DEPTH) {
		/* Nothing is left to split: the packs themselves do not know, and a person must look. */
		struct or_node referred = *node;
		s->exact &= id == PQ_NO_INDEX;
		referred.best = referred.worst = PQ_OUTCOME_REFER;
		add_leaf(s, &referred);
		return;
	}
	if (!w->unknowns[id].is_row && w->model->attrs[w->unknowns[id].attr].type == PQ_TYPE_SYMBOLS)
		split_set(s, id);
	else
		split(s, id);
}

static void
explore(struct search *s, const struct or_memo *parent, uint32_t id)
{
	struct or_node node;

	if (!look(s, parent, id, &node))
		return;
	if (parent == NULL) {
		s->best = node.best;
		s->worst = node.worst;
		s->split = node.split;
		s->root = node;
	}
	go_on(s, &node);
}

/* ---- comparing leaves --------------------------------------------------------------------------------------------- */

/* Is there a symbol that is in the one and cannot be in the other? */
static bool
sets_conflict(const struct or_value *a, const struct or_value *b)
{
	for (uint32_t i = 0; i < a->may.n; i++) {
		if ((or_set_has(a->sure, i) && !or_set_has(b->may, i)) || (or_set_has(b->sure, i) && !or_set_has(a->may, i)))
			return true;
	}
	return false;
}

/* Do the two assume different things of the unknown that is the i-th in `a`? */
static bool
conflict_in(const struct leaf *a, size_t i, const struct leaf *b)
{
	for (size_t k = 0; k < b->n; k++) {
		if (b->ids[k] == a->ids[i])
			return a->sets[i].form == OR_MANY ? sets_conflict(&a->sets[i], &b->sets[k]) : strcmp(a->keys[i], b->keys[k]) != 0;
	}
	return false;
}

/* The one unknown of which the two assume different things; PQ_NO_INDEX if they differ in none or in several. */
static uint32_t
only_conflict(const struct leaf *a, const struct leaf *b)
{
	uint32_t conflict = PQ_NO_INDEX;

	for (size_t i = 0; i < a->n; i++) {
		if (!conflict_in(a, i, b))
			continue;
		if (conflict != PQ_NO_INDEX)
			return PQ_NO_INDEX;
		conflict = a->ids[i];
	}
	return conflict;
}

static bool
is_available(enum pq_outcome outcome)
{
	return outcome == PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE || outcome == PQ_OUTCOME_EXEMPTION_AVAILABLE;
}

static bool
needs_licence(const struct leaf *leaf)
{
	return is_available(leaf->best) || leaf->best == PQ_OUTCOME_LICENSE_REQUIRED;
}

/* Whose licence it is, is part of the answer. */
static bool
laws_differ(const struct leaf *a, const struct leaf *b)
{
	return a->law != b->law && needs_licence(a) && needs_licence(b);
}

/* From REFER on a person must act whichever it is. */
static bool
outcomes_differ(const struct leaf *a, const struct leaf *b)
{
	if (laws_differ(a, b))
		return true;
	return a->best != b->best && (a->best < PQ_OUTCOME_REFER || b->best < PQ_OUTCOME_REFER);
}

/* Is a licence needed at all? */
static bool
needs_differ(const struct leaf *a, const struct leaf *b)
{
	if (laws_differ(a, b))
		return true;
	return outcomes_differ(a, b) && !(needs_licence(a) && needs_licence(b));
}

static bool
usables_differ(const struct leaf *a, const struct leaf *b)
{
	if (outcomes_differ(a, b))
		return true;
	if (a->best >= PQ_OUTCOME_REFER && b->best >= PQ_OUTCOME_REFER)
		return false;
	for (uint32_t i = 0; i < a->usable.n; i++) {
		if (or_set_has(a->usable, i) != or_set_has(b->usable, i))
			return true;
	}
	return false;
}

typedef bool differ_fn(const struct leaf *a, const struct leaf *b);

static bool
find_missing(const struct search *s, differ_fn *differ, bool *missing)
{
	bool any = false;

	for (size_t i = 0; i < s->n_leaves; i++) {
		for (size_t j = i + 1; j < s->n_leaves; j++) {
			if (!differ(&s->leaves[i], &s->leaves[j]))
				continue;
			uint32_t id = only_conflict(&s->leaves[i], &s->leaves[j]);
			if (id == PQ_NO_INDEX)
				continue;
			missing[id] = true;
			any = true;
		}
	}
	return any;
}

static bool
any_pair(const struct search *s, differ_fn *differ)
{
	for (size_t i = 0; i < s->n_leaves; i++) {
		for (size_t j = i + 1; j < s->n_leaves; j++) {
			if (differ(&s->leaves[i], &s->leaves[j]))
				return true;
		}
	}
	return false;
}

/* ---- the outcome of all leaves ------------------------------------------------------------------------------------ */

static void
conclude(struct search *s, struct or_found *ret)
{
	const struct leaf *first = &s->leaves[0];
	bool settled = s->exact, equal = true, severe = true;

	*ret = (struct or_found){.searched = s->n_leaves > 1, .best = first->best, .worst = first->worst, .exact = s->exact, .usable = first->usable};
	ret->missing = or_alloc(s->w->keep, OR_MAX_UNKNOWNS, sizeof(*ret->missing));
	for (size_t i = 0; i < s->n_leaves; i++) {
		const struct leaf *leaf = &s->leaves[i];
		ret->best = leaf->best < ret->best ? leaf->best : ret->best;
		ret->worst = leaf->worst > ret->worst ? leaf->worst : ret->worst;
		settled &= leaf->settled;
		equal &= leaf->best == first->best;
		severe &= leaf->best >= PQ_OUTCOME_REFER;
		for (size_t word = 0; word < leaf->usable.n / 64 + 1; word++)
			ret->usable.bits[word] &= leaf->usable.bits[word];
	}
	if (!s->exact) {
		ret->best = s->best;
		ret->worst = s->worst;
	}
	bool laws = any_pair(s, laws_differ);
	if (s->exact && severe && !laws) {
		ret->outcome = ret->best;
		return;
	}
	bool unusable = equal && is_available(first->best) && or_set_count(ret->usable) == 0;
	if (settled && equal && !unusable && !laws) {
		ret->outcome = first->best;
		return;
	}
	ret->outcome = PQ_OUTCOME_NEEDS_INFORMATION;
}

/* Asked first is what is unknown now; what is unknown only if another unknown turns out so or so is left for later. */
static void
drop_later_questions(struct or_world *w, bool *missing)
{
	bool *now = or_alloc(w->keep, w->n_unknowns, sizeof(*now));
	bool any = false;
	size_t n = w->n_unknowns;

	or_world_forget(w, w->keep);
	for (uint32_t id = 0; id < n; id++) {
		now[id] = missing[id] && or_is_unknown_now(w, &w->unknowns[id]);
		any |= now[id];
	}
	for (uint32_t id = 0; id < n && any; id++)
		missing[id] = now[id];
}

static void
name_missing(struct search *s, struct or_found *found)
{
	bool by_outcome = found->best != found->worst || !found->exact || !is_available(found->best);
	bool need_is_open = false, any = false;

	/* While it is open whether a licence is needed, nothing is asked about exceptions. */
	for (size_t i = 0; i < s->n_leaves; i++)
		need_is_open |= s->leaves[i].best <= PQ_OUTCOME_NO_LICENSE_REQUIRED;
	if (need_is_open)
		any = find_missing(s, needs_differ, found->missing);
	if (!any)
		any = find_missing(s, by_outcome ? outcomes_differ : usables_differ, found->missing);
	/* The search ended before it met a difference: all that it would have split. */
	for (uint32_t id = 0; id < s->w->n_unknowns && !any && !found->exact; id++)
		found->missing[id] = or_deps_has(&s->split, id);
	drop_later_questions(s->w, found->missing);
	for (uint32_t id = 0; id < s->w->n_unknowns; id++)
		found->by_row |= found->missing[id] && s->w->unknowns[id].is_row;
	if (found->by_row)
		found->outcome = PQ_OUTCOME_REFER;
}

static size_t
count_levels(const struct or_world *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_unknowns; i++)
		n += w->unknowns[i].n_levels;
	return n;
}

void
or_search(struct or_world *w, struct or_found *ret)
{
	struct search s = {.w = w, .exact = true};
	size_t before;
	int rounds = 0;

	do {
		before = count_levels(w);
		s.n_leaves = 0;
		s.exact = true;
		explore(&s, NULL, PQ_NO_INDEX);
		if (w->left)
			return;
	} while (count_levels(w) != before && ++rounds < MAX_ROUNDS);
	struct or_set first = s.leaves[0].usable;
	s.leaves[0].usable = (struct or_set){or_alloc(w->keep, first.n / 64 + 1, sizeof(uint64_t)), first.n};
	or_set_join(s.leaves[0].usable, first);
	conclude(&s, ret);
	ret->is_root = is_settled(s.best, s.worst);
	ret->root = s.root;
	s.leaves[0].usable = first;
	if (ret->outcome == PQ_OUTCOME_NEEDS_INFORMATION)
		name_missing(&s, ret);
}

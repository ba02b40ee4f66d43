/* Single conditions, where it is asked why, and what they hang on; matching does all of a space at once (match.c). */
#include "policy/eval.h"

struct pq_where
pq_where_request(struct pq_eval *ev)
{
	struct pq_where where = {0};

	where.at[PQ_SCOPE_REQUEST] = &ev->req;
	where.at[PQ_SCOPE_DECISION] = &ev->decision;
	return where;
}

struct pq_element *
pq_elements(const struct pq_eval *ev, const struct pq_where *where, enum pq_scope scope, size_t *ret_n)
{
	switch (scope) {
	case PQ_SCOPE_PARTY:
		*ret_n = ev->n_parties;
		return ev->parties;
	case PQ_SCOPE_HIT:
		*ret_n = ev->n_hits;
		return ev->hits;
	case PQ_SCOPE_INTERMEDIATE:
		*ret_n = ev->n_intermediates;
		return ev->intermediates;
	case PQ_SCOPE_OWNER:
		if (where->at[PQ_SCOPE_PARTY] != NULL) {
			*ret_n = where->at[PQ_SCOPE_PARTY]->n_owners;
			return where->at[PQ_SCOPE_PARTY]->owners;
		}
		break;
	case PQ_SCOPE_REQUEST:
	case PQ_SCOPE_DECISION:
	case PQ_SCOPE_COUNT:
		break;
	}
	*ret_n = 0;
	return NULL;
}

enum pq_tri
pq_quantified(const struct pq_eval *ev, const struct pq_where *where, enum pq_op op, enum pq_scope scope,
              uint32_t inner)
{
	uint32_t slot = ev->p->dnfs[inner].slot;
	size_t n;
	const struct pq_element *elements = pq_elements(ev, where, scope, &n);
	enum pq_tri some = PQ_F, every = PQ_T;

	for (size_t i = 0; i < n; i++) {
		enum pq_tri tri = elements[i].tri[slot];
		some = pq_or(some, tri);
		every = pq_and(every, tri);
	}
	return op == PQ_OP_EXISTS ? some : op == PQ_OP_EVERY ? every : pq_not(some);
}

static enum pq_tri
symbols_truth(const struct pq_eval *ev, const struct pq_p_attr *a, const struct pq_val *val, struct pq_span symbols)
{
	const uint32_t *list = ev->p->lists + symbols.first;
	size_t sure = 0, poss = 0, all = 0;

	for (uint32_t i = 0; i < symbols.n; i++) {
		uint64_t bit = UINT64_C(1) << (list[i] % 64);
		poss += (val->poss[list[i] / 64] & bit) != 0;
		sure += !a->single && (val->sure[list[i] / 64] & bit) != 0;
	}
	if (poss == 0)
		return PQ_F;
	if (!a->single)
		return sure > 0 ? PQ_T : PQ_U;
	for (uint32_t w = 0; w < a->words; w++)
		all += (size_t)__builtin_popcountll(val->poss[w]);
	return !val->may_none && poss == all ? PQ_T : PQ_U;
}

static enum pq_tri
range_truth(const struct pq_eval *ev, const struct pq_val *val, struct pq_span ranges)
{
	if (val->number_state == PQ_NUMBER_UNKNOWN)
		return PQ_U;
	if (val->number_state == PQ_NUMBER_NONE)
		return PQ_F;
	for (uint32_t i = 0; i < ranges.n; i++) {
		const struct pq_p_range *range = &ev->p->ranges[ranges.first + i];
		if (val->number >= range->lo && val->number <= range->hi)
			return val->may_none ? PQ_U : PQ_T;
	}
	return PQ_F;
}

enum pq_tri
pq_cond_truth(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_cond *cond)
{
	if (cond->inner != PQ_NO_INDEX)
		return pq_quantified(ev, where, cond->op, cond->scope, cond->inner);
	const struct pq_p_attr *a = &ev->p->attrs[cond->attr];
	const struct pq_val *val = pq_val_at(ev, where, cond->attr);
	switch ((enum pq_op)cond->op) {
	case PQ_OP_NONE:
		return pq_not(symbols_truth(ev, a, val, cond->symbols));
	case PQ_OP_RANGE:
		return range_truth(ev, val, cond->ranges);
	case PQ_OP_ANY:
	case PQ_OP_ALL:
	case PQ_OP_EXISTS:
	case PQ_OP_EVERY:
	case PQ_OP_ABSENT:
		break;
	}
	return symbols_truth(ev, a, val, cond->symbols);
}

enum pq_tri
pq_dnf_truth(const struct pq_eval *ev, const struct pq_where *where, uint32_t dnf)
{
	if (dnf == PQ_NO_INDEX)
		return PQ_T;
	return where->at[ev->p->dnfs[dnf].scope]->tri[ev->p->dnfs[dnf].slot];
}

static struct pq_mask
cond_deps(struct pq_eval *ev, const struct pq_where *where, const struct pq_p_cond *cond)
{
	struct pq_mask deps = {0};

	if (cond->inner == PQ_NO_INDEX) {
		if (cond->op == PQ_OP_RANGE)
			pq_note_boundaries(ev, where, cond->attr);
		return pq_value_deps(ev, where, cond->attr);
	}
	size_t n;
	struct pq_element *elements = pq_elements(ev, where, cond->scope, &n);
	struct pq_where inside = *where;
	for (size_t i = 0; i < n; i++) {
		inside.at[cond->scope] = &elements[i];
		if (pq_dnf_truth(ev, &inside, cond->inner) != PQ_U)
			continue;
		struct pq_mask more = pq_dnf_deps(ev, &inside, cond->inner);
		pq_mask_join(&deps, &more);
	}
	return deps;
}

struct pq_mask
pq_dnf_deps(struct pq_eval *ev, const struct pq_where *where, uint32_t index)
{
	struct pq_mask deps = {0};

	if (index == PQ_NO_INDEX)
		return deps;
	if (ev->quiet)
		return (struct pq_mask){.overflow = true};
	const struct pq_p_dnf *dnf = &ev->p->dnfs[index];
	for (uint32_t i = 0; i < dnf->alts.n; i++) {
		const struct pq_p_alt *alt = &ev->p->alts[dnf->alts.first + i];
		enum pq_tri tri = PQ_T;
		for (uint32_t c = 0; c < alt->conds.n && tri != PQ_F; c++)
			tri = pq_and(tri, pq_cond_truth(ev, where, &ev->p->conds[alt->conds.first + c]));
		if (tri != PQ_U)
			continue;
		for (uint32_t c = 0; c < alt->conds.n; c++) {
			const struct pq_p_cond *cond = &ev->p->conds[alt->conds.first + c];
			if (pq_cond_truth(ev, where, cond) != PQ_U)
				continue;
			struct pq_mask more = cond_deps(ev, where, cond);
			pq_mask_join(&deps, &more);
		}
	}
	return deps;
}

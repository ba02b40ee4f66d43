#include "policy/wake.h"

#include "policy/image_private.h"

#include <stdlib.h>
#include <string.h>

struct maker {
	const struct pq_program *p;
	const struct pq_p_meta *meta;
	struct pq_arena *arena;
	struct pq_wake *w;
	uint32_t *node_of_space;
	uint64_t *by_value, *by_given, *by_dnf; /* sets of nodes */
	uint32_t node;  /* whose readings are noted */
	bool oom;
};

static void *
alloc(struct maker *m, size_t n, size_t size)
{
	void *at = pq_arena_array(m->arena, n + 1, size);

	m->oom |= at == NULL;
	return at;
}

static void
add(struct maker *m, uint64_t *set)
{
	set[m->node / 64] |= UINT64_C(1) << (m->node % 64);
}

static void
reads_value(struct maker *m, uint32_t attr)
{
	if (attr != PQ_NO_INDEX)
		add(m, m->by_value + (size_t)attr * m->w->words);
}

static bool
is_sparse(const struct pq_wake *w, uint32_t dnf)
{
	return dnf >= w->sparse_first && dnf - w->sparse_first < w->sparse_n;
}

static uint64_t *
nodes_of_dnf(const struct maker *m, uint32_t dnf)
{
	return m->by_dnf + (size_t)(dnf < m->w->sparse_first ? dnf : dnf - m->w->sparse_n) * m->w->words;
}

static void
reads_dnf(struct maker *m, uint32_t dnf)
{
	if (dnf != PQ_NO_INDEX && !is_sparse(m->w, dnf))
		add(m, nodes_of_dnf(m, dnf));
}

/* ---- the nodes, in the order of evaluation ---- */

static void
make_nodes(struct maker *m)
{
	struct pq_wake *w = m->w;
	uint32_t attr = 0, space = 0;

	w->nodes = alloc(m, m->p->n_attrs + m->p->n_spaces, sizeof(*w->nodes));
	w->node_of_attr = alloc(m, m->p->n_attrs, sizeof(*w->node_of_attr));
	m->node_of_space = alloc(m, m->p->n_spaces, sizeof(*m->node_of_space));
	if (m->oom)
		return;
	memset(w->node_of_attr, 0xff, m->p->n_attrs * sizeof(*w->node_of_attr));
	memset(m->node_of_space, 0xff, m->p->n_spaces * sizeof(*m->node_of_space));
	for (uint32_t level = 0; level + 1 < m->meta->n_levels; level++) {
		for (; attr < m->p->n_attr_order && m->p->attrs[m->p->attr_order[attr]].level == level; attr++) {
			w->node_of_attr[m->p->attr_order[attr]] = w->n_nodes;
			w->nodes[w->n_nodes++] = m->p->attr_order[attr];
		}
		for (; space < m->p->n_spaces && m->p->spaces[space].level == level; space++) {
			m->node_of_space[space] = w->n_nodes;
			w->nodes[w->n_nodes++] = PQ_WAKE_SPACE | space;
		}
	}
	w->words = (w->n_nodes + 63) / 64;
}

static void
find_sparse(struct maker *m)
{
	m->w->sparse_first = (uint32_t)m->p->n_dnfs;
	for (uint32_t i = 0; i < m->p->n_spaces; i++) {
		const struct pq_p_space *space = &m->p->spaces[i];
		if (space->blocks == 0)
			continue;
		m->w->sparse_first = m->p->alts[space->alts.first].dnf;
		m->w->sparse_n = m->p->alts[space->alts.first + space->alts.n - 1].dnf - m->w->sparse_first + 1;
	}
}

/* A set of nodes for each of `n`, while the graph is made. */
static uint64_t *
make_nodes_by(struct maker *m, size_t n)
{
	uint64_t *sets = calloc(n * m->w->words + 1, sizeof(*sets));

	m->oom |= sets == NULL;
	return sets;
}

static void
make_sets(struct maker *m)
{
	struct pq_wake *w = m->w;
	size_t words = w->words;

	find_sparse(m);
	m->by_value = make_nodes_by(m, m->p->n_attrs);
	m->by_given = make_nodes_by(m, m->p->n_attrs);
	m->by_dnf = make_nodes_by(m, m->p->n_dnfs - w->sparse_n);
	w->by_table = alloc(m, m->p->n_tables * words, sizeof(uint64_t));
	w->by_lines = alloc(m, words, sizeof(uint64_t));
	for (int scope = 0; scope < PQ_SCOPE_COUNT; scope++)
		w->by_scope[scope] = alloc(m, words, sizeof(uint64_t));
	w->claims = alloc(m, m->p->n_attrs, 1);
}

/* ---- who reads what ---- */

static void
reads_lines(struct maker *m, uint32_t sum, uint32_t same)
{
	add(m, m->w->by_lines);
	/* What is said counts here, not what its silence means. */
	add(m, m->by_given + (size_t)sum * m->w->words);
	add(m, m->by_given + (size_t)same * m->w->words);
}

static void
note_silences(struct maker *m, const struct pq_p_attr *a)
{
	for (uint32_t i = 0; i < a->silences.n; i++) {
		const struct pq_p_silence *s = &m->p->silences[a->silences.first + i];
		reads_dnf(m, s->dnf);
		if (s->unknown)
			continue;
		reads_value(m, s->copy);
		if (s->lines_sum != PQ_NO_INDEX)
			reads_lines(m, s->lines_sum, s->lines_same);
	}
}

static void
note_lookup(struct maker *m, const struct pq_p_contribution *c)
{
	const struct pq_p_table *table = &m->p->tables[c->table];

	for (uint32_t i = 0; i < c->keys.n; i++)
		reads_value(m, m->p->keys[c->keys.first + i].attr);
	for (uint32_t r = 0; r < table->rows.n; r++) {
		const struct pq_p_row *row = &m->p->rows[table->rows.first + r];
		for (uint32_t i = 0; i < row->ifs.n; i++)
			reads_value(m, m->p->lists[row->ifs.first + i] / 2);
		reads_value(m, row->saved_by);
		reads_value(m, row->saved_end);
	}
	add(m, m->w->by_table + (size_t)c->table * m->w->words);
}

static void
note_source(struct maker *m, const struct pq_p_contribution *c)
{
	reads_dnf(m, c->dnf);
	switch ((enum pq_derive)c->derive) {
	case PQ_DERIVE_SET:
		return;
	case PQ_DERIVE_COPY:
		reads_value(m, c->left);
		return;
	case PQ_DERIVE_COMPARE:
	case PQ_DERIVE_SAME:
		reads_value(m, c->left);
		reads_value(m, c->right);
		return;
	case PQ_DERIVE_LINES:
		reads_lines(m, c->left, c->right);
		return;
	case PQ_DERIVE_LOOKUP:
		note_lookup(m, c);
		return;
	case PQ_DERIVE_SUM:
		for (uint32_t i = 0; i < c->terms.n; i++)
			reads_value(m, m->p->terms[c->terms.first + i].attr);
		return;
	case PQ_DERIVE_COUNT:
		reads_dnf(m, c->inner);
		add(m, m->w->by_scope[c->scope]);
		return;
	}
}

static void
note_attr(struct maker *m, uint32_t attr)
{
	const struct pq_p_attr *a = &m->p->attrs[attr];

	if (a->scope != PQ_SCOPE_REQUEST)
		add(m, m->w->by_scope[a->scope]);
	add(m, m->by_given + (size_t)attr * m->w->words);
	if (a->type == PQ_TYPE_CODE && a->path != PQ_NO_INDEX) /* a path is computed with its code */
		add(m, m->by_given + (size_t)a->path * m->w->words);
	for (uint32_t i = 0; i < a->said.n; i++)
		add(m, m->by_given + (size_t)m->p->lists[a->said.first + i] * m->w->words);
	note_silences(m, a);
	for (uint32_t i = 0; i < a->contributions.n; i++)
		note_source(m, &m->p->contributions[a->contributions.first + i]);
}

static void
note_space(struct maker *m, const struct pq_p_space *space)
{
	if (space->scope != PQ_SCOPE_REQUEST)
		add(m, m->w->by_scope[space->scope]);
	for (uint32_t i = 0; i < space->cols.n; i++)
		reads_value(m, m->p->cols[space->cols.first + i].attr);
	for (uint32_t i = 0; i < space->quants.n; i++) {
		const struct pq_p_quant *quant = &m->p->quants[space->quants.first + i];
		reads_dnf(m, quant->inner);
		add(m, m->w->by_scope[quant->scope]);
	}
}

/* A path is computed with its code. */
static void
join_paths(struct maker *m)
{
	struct pq_wake *w = m->w;

	for (uint32_t i = 0; i < m->p->n_attrs; i++) {
		const struct pq_p_attr *a = &m->p->attrs[i];
		if (a->type == PQ_TYPE_CODE && a->path != PQ_NO_INDEX)
			pq_wake_join(m->by_value + (size_t)i * w->words, m->by_value + (size_t)a->path * w->words, w->words);
	}
}

static bool
is_forward(const struct maker *m)
{
	const struct pq_wake *w = m->w;

	for (uint32_t i = 0; i < m->p->n_attrs; i++) {
		uint32_t node = w->node_of_attr[i];
		for (uint32_t n = 0; node != PQ_NO_INDEX && n <= node; n++) {
			if (m->by_value[(size_t)i * w->words + n / 64] >> (n % 64) & 1)
				return false;
		}
	}
	for (uint32_t i = 0; i < m->p->n_dnfs; i++) {
		if (is_sparse(w, i))
			continue;
		uint32_t node = m->node_of_space[m->p->dnfs[i].space];
		for (uint32_t n = 0; node != PQ_NO_INDEX && n <= node; n++) {
			if (nodes_of_dnf(m, i)[n / 64] >> (n % 64) & 1)
				return false;
		}
	}
	return true;
}

/* ---- days and columns ---- */

static int32_t *
sort_days(int32_t *days, uint32_t n, uint32_t *ret_n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = kept;
		while (at > 0 && days[at - 1] > days[i])
			at--;
		if (at > 0 && days[at - 1] == days[i])
			continue;
		int32_t day = days[i];
		memmove(days + at + 1, days + at, (kept - at) * sizeof(*days));
		days[at] = day;
		kept++;
	}
	*ret_n = kept;
	return days;
}

/* The first days of a new state: of rows that begin or end, and the days around an edition, where doubt begins or ends. */
static void
make_dates(struct maker *m)
{
	struct pq_wake *w = m->w;
	uint32_t n = 0;

	w->dates = alloc(m, m->p->n_tables, sizeof(*w->dates));
	w->days = alloc(m, 4 * m->p->n_rows, sizeof(*w->days));
	for (uint32_t t = 0; t < m->p->n_tables && !m->oom; t++) {
		const struct pq_p_table *table = &m->p->tables[t];
		uint32_t first = n, kept;
		for (uint32_t r = 0; r < table->rows.n; r++) {
			const struct pq_p_row *row = &m->p->rows[table->rows.first + r];
			const int32_t days[] = {row->from, row->to, row->edition, row->edition != PQ_DATE_MIN ? row->edition + 1 : PQ_DATE_MIN};
			for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
				/* Rows of a table mostly share their days: what was just noted is not noted again. */
				if (days[i] != PQ_DATE_MIN && days[i] != PQ_DATE_MAX && (n == first || w->days[n - 1] != days[i]))
					w->days[n++] = days[i];
			}
		}
		sort_days(w->days + first, n - first, &kept);
		w->dates[t] = (struct pq_wake_run){first, kept};
		n = first + kept;
	}
}

static void
make_cols(struct maker *m)
{
	struct pq_wake *w = m->w;
	uint32_t n = 0;

	w->cols = alloc(m, m->p->n_attrs, sizeof(*w->cols));
	w->col_list = alloc(m, m->p->n_cols, sizeof(*w->col_list));
	for (uint32_t a = 0; a < m->p->n_attrs && !m->oom; a++) {
		w->cols[a].first = n;
		for (uint32_t c = 0; c < m->p->n_cols; c++) {
			if (m->p->cols[c].attr == a)
				w->col_list[n++] = c;
		}
		w->cols[a].n = n - w->cols[a].first;
	}
}

static void
note_claims(struct maker *m)
{
	if (m->meta->claim_fact != PQ_NO_INDEX)
		m->w->claims[m->meta->claim_fact] = 1;
	for (uint32_t i = 0; i < m->meta->exceptions.n; i++) {
		const struct pq_p_rule *rule = &m->p->rules[m->p->lists[m->meta->exceptions.first + i]];
		for (uint32_t k = 0; k < rule->claimed_by.n; k++)
			m->w->claims[m->p->lists[rule->claimed_by.first + k]] = 1;
	}
}

/* ---- sets as they are kept ---- */

static size_t
count_parts(const struct maker *m, const uint64_t *sets, size_t n)
{
	size_t parts = 0;

	for (size_t i = 0; i < n * m->w->words; i++)
		parts += sets[i] != 0;
	return parts;
}

static struct pq_wake_run *
keep_sets(struct maker *m, const uint64_t *sets, size_t n, uint32_t *at)
{
	struct pq_wake_run *runs = alloc(m, n, sizeof(*runs));

	for (size_t i = 0; runs != NULL && i < n; i++) {
		runs[i].first = *at;
		for (uint32_t word = 0; word < m->w->words; word++) {
			uint64_t nodes = sets[i * m->w->words + word];
			if (nodes != 0)
				m->w->parts[(*at)++] = (struct pq_wake_part){nodes, word};
		}
		runs[i].n = *at - runs[i].first;
	}
	return runs;
}

static void
keep_all(struct maker *m)
{
	size_t n_attrs = m->p->n_attrs, n_dnfs = m->p->n_dnfs - m->w->sparse_n;
	uint32_t at = 0;

	m->w->parts = alloc(m, count_parts(m, m->by_value, n_attrs) + count_parts(m, m->by_given, n_attrs) +
	                       count_parts(m, m->by_dnf, n_dnfs), sizeof(*m->w->parts));
	if (m->oom)
		return;
	m->w->by_value = keep_sets(m, m->by_value, n_attrs, &at);
	m->w->by_given = keep_sets(m, m->by_given, n_attrs, &at);
	m->w->by_dnf = keep_sets(m, m->by_dnf, n_dnfs, &at);
}

static enum pq_status
make_graph(struct maker *m, struct pq_err *err)
{
	struct pq_wake *w = m->w;

	make_nodes(m);
	if (!m->oom)
		make_sets(m);
	make_dates(m);
	make_cols(m);
	if (m->oom)
		return pq_fail(err, PQ_ENOMEM, "out of memory while opening images");
	for (m->node = 0; m->node < w->n_nodes; m->node++) {
		if (w->nodes[m->node] & PQ_WAKE_SPACE)
			note_space(m, &m->p->spaces[w->nodes[m->node] & ~PQ_WAKE_SPACE]);
		else
			note_attr(m, w->nodes[m->node]);
	}
	join_paths(m);
	note_claims(m);
	if (!is_forward(m))
		return pq_fail(err, PQ_EFORMAT, "the images' order of evaluation contradicts itself");
	keep_all(m);
	return m->oom ? pq_fail(err, PQ_ENOMEM, "out of memory while opening images") : PQ_OK;
}

static enum pq_status
fill(const struct pq_image *image, struct pq_wake *w, struct pq_err *err)
{
	struct maker m = {.p = &image->p, .meta = image->meta, .arena = &w->arena, .w = w};
	enum pq_status status = make_graph(&m, err);

	free(m.by_value);
	free(m.by_given);
	free(m.by_dnf);
	return status;
}

enum pq_status
pq_wake_new(const struct pq_image *image, struct pq_wake **ret, struct pq_err *err)
{
	struct pq_wake *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return pq_fail(err, PQ_ENOMEM, "out of memory while opening images");
	pq_arena_init(&w->arena, SIZE_MAX);
	enum pq_status status = fill(image, w, err);
	if (status != PQ_OK) {
		pq_wake_free(w);
		return status;
	}
	*ret = w;
	return PQ_OK;
}

void
pq_wake_free(struct pq_wake *wake)
{
	if (wake == NULL)
		return;
	pq_arena_release(&wake->arena);
	free(wake);
}

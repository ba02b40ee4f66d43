/*
 * Values that the law treats alike. Each value gets a signature: what every condition and every row says of it, with the
 * value itself as "self". The only ways in which an evaluation looks at a symbol or a path are the lists of conditions,
 * the cells of rows and what rules set; all of them are in the signature, so equal signatures mean equal steps.
 */
#include "policy/classes.h"

#include "policy/eval.h"

#include <string.h>

/* Two independent hashes: 128 bits, so that no two signatures agree by chance. */
struct signature {
	uint64_t a, b;
};

struct value {
	uint32_t symbol;         /* PQ_NO_INDEX: not of the domain */
	const char *path;        /* of a code, with dots; NULL = the fact is no code */
	bool alone;
};

struct classes {
	const struct pq_image *image;
	const struct pq_program *p;
	struct pq_arena *arena;
	const struct pq_p_attr *fact;
	uint32_t domain, path_attr;
	int32_t since;           /* rows that ended before do not matter */
	bool *used;              /* by column: a lookup joins by it, filters by it or takes it */
	bool *by_path;           /* by column: a lookup joins it with the path of the code */
};

static void
mix(struct signature *s, uint64_t word)
{
	s->a = (s->a ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	s->a ^= s->a >> 29;
	s->b = (s->b + word) * UINT64_C(0xd6e8feb86659fd93);
	s->b ^= s->b >> 32;
}

static bool
has(const struct classes *c, struct pq_span list, uint32_t symbol)
{
	for (uint32_t i = 0; i < list.n; i++) {
		if (c->p->lists[list.first + i] == symbol)
			return true;
	}
	return false;
}

/* ---- paths ---- */

enum { COVERS = 1, BELOW = 2 };

/* Is the listed path the value's or above it, or below it? */
static int
relation(const char *listed, const char *path)
{
	size_t l = strlen(listed), n = strlen(path), common = l < n ? l : n;

	if (memcmp(listed, path, common) != 0)
		return 0;
	if (l == 0 || l == n || (l < n && path[l] == '.'))
		return COVERS;
	return l > n && (n == 0 || listed[n] == '.') ? BELOW : 0;
}

static void
mix_path(struct signature *s, const char *path)
{
	for (const char *at = path; *at != '\0'; at++)
		mix(s, (unsigned char)*at);
	mix(s, UINT64_C(1) << 43);
}

static void
mix_path_cell(const struct classes *c, struct signature *s, const struct pq_p_cell *cell, const struct value *value)
{
	bool below = false;

	mix(s, cell->paths_mode);
	for (uint32_t i = 0; cell->paths_mode != PQ_PATHS_ALL && i < cell->items.n; i++) {
		const char *listed = pq_string(c->image, c->p->lists[cell->items.first + i]);
		int is = relation(listed, value->path);
		uint64_t parts = listed[0] != '\0';
		for (const char *at = listed; *at != '\0'; at++)
			parts += *at == '.';
		if (is == COVERS)
			mix(s, parts);
		below |= is == BELOW;
	}
	if (!below)
		return;
	/* The path may turn out longer: what it may be is the same only for the same path among the same cells. */
	mix_path(s, value->path);
	for (uint32_t i = 0; i < cell->items.n; i++)
		mix_path(s, pq_string(c->image, c->p->lists[cell->items.first + i]));
}

/* ---- rows ---- */

static void
mix_cell(const struct classes *c, struct signature *s, uint32_t row, uint32_t number, const struct pq_p_cell *cell,
         const struct value *value)
{
	const struct pq_p_column *column = &c->p->columns[number];

	mix(s, cell->flags);
	if (c->by_path[number]) {
		mix_path_cell(c, s, cell, value);
		return;
	}
	mix(s, (uint64_t)cell->number);
	mix(s, cell->paths_mode);
	mix(s, cell->items.n);
	bool named = column->domain == c->domain && has(c, cell->items, value->symbol);
	if (named && cell->items.n > 1) {
		mix(s, UINT64_C(1) << 40 | row); /* the row itself: those it names together may be exchanged in it */
		return;
	}
	for (uint32_t i = 0; i < cell->items.n; i++)
		mix(s, named ? UINT64_C(1) << 41 : c->p->lists[cell->items.first + i]);
}

/* Does the row say anything of the value: name it, or tell paths apart for whatever symbol? */
static bool
speaks(const struct classes *c, const struct pq_p_table *table, const struct pq_p_row *row, const struct value *value)
{
	bool column_of_domain = false, path = false;

	if (row->to <= c->since && !row->to_doubtful && row->saved_end == PQ_NO_INDEX)
		return false;
	for (uint32_t k = 0; k < table->columns.n; k++) {
		const struct pq_p_column *column = &c->p->columns[table->columns.first + k];
		const struct pq_p_cell *cell = &c->p->cells[row->cells + k];
		if (!c->used[table->columns.first + k])
			continue;
		path |= c->by_path[table->columns.first + k] && cell->paths_mode != PQ_PATHS_ALL;
		if (column->domain != c->domain)
			continue;
		column_of_domain = true;
		if (has(c, cell->items, value->symbol) || (cell->flags & (PQ_CELL_ANY | PQ_CELL_DOUBTFUL)) != 0)
			return true;
	}
	return value->path != NULL && path && !column_of_domain;
}

static void
mix_rows(const struct classes *c, struct signature *s, const struct value *value)
{
	for (uint32_t r = 0; r < c->p->n_rows; r++) {
		const struct pq_p_row *row = &c->p->rows[r];
		const struct pq_p_table *table = &c->p->tables[row->table];
		if (!speaks(c, table, row, value))
			continue;
		mix(s, row->table);
		mix(s, (uint64_t)(uint32_t)(row->from > c->since ? row->from : c->since) << 32 | (uint32_t)row->to);
		mix(s, (uint64_t)row->from_doubtful << 1 | row->to_doubtful);
		if (row->from_doubtful || row->to_doubtful)
			mix(s, (uint64_t)(uint32_t)row->edition);
		mix(s, (uint64_t)row->saved_by << 32 | row->saved_end);
		for (uint32_t i = 0; i < row->ifs.n; i++)
			mix(s, c->p->lists[row->ifs.first + i]);
		for (uint32_t k = 0; k < table->columns.n; k++) {
			uint32_t column = table->columns.first + k;
			if (c->used[column])
				mix_cell(c, s, r, column, &c->p->cells[row->cells + k], value);
		}
	}
}

/* ---- conditions, and what rules set ---- */

static void
mix_cond(const struct classes *c, struct signature *s, const struct pq_p_cond *cond, const struct value *value)
{
	if (cond->inner != PQ_NO_INDEX || cond->op == PQ_OP_RANGE)
		return;
	if (value->path != NULL && cond->attr == c->path_attr) {
		const struct pq_p_domain *paths = &c->p->domains[c->p->attrs[c->path_attr].domain];
		int found = 0;
		for (uint32_t k = 0; k < cond->symbols.n; k++) {
			uint32_t symbol = c->p->lists[cond->symbols.first + k];
			found |= relation(pq_string(c->image, c->p->symbols[paths->symbols.first + symbol]), value->path);
		}
		mix(s, (uint64_t)(found & COVERS));
		if (found & BELOW)
			mix_path(s, value->path);
	} else if (c->p->attrs[cond->attr].domain == c->domain) {
		mix(s, has(c, cond->symbols, value->symbol));
	}
}

/* The alternative cannot hold where the fact is the value: then nothing else in it matters. */
static bool
excludes(const struct classes *c, const struct pq_p_alt *alt, const struct value *value)
{
	for (uint32_t i = 0; i < alt->conds.n; i++) {
		const struct pq_p_cond *cond = &c->p->conds[alt->conds.first + i];
		if (cond->inner == PQ_NO_INDEX && cond->op != PQ_OP_RANGE && &c->p->attrs[cond->attr] == c->fact &&
		    has(c, cond->symbols, value->symbol) == (cond->op == PQ_OP_NONE))
			return true;
	}
	return false;
}

static void
mix_conds(const struct classes *c, struct signature *s, const struct value *value)
{
	for (uint32_t i = 0; i < c->p->n_alts; i++) {
		const struct pq_p_alt *alt = &c->p->alts[i];
		if (excludes(c, alt, value))
			continue;
		mix(s, UINT64_C(1) << 42 | i);
		for (uint32_t k = 0; k < alt->conds.n; k++)
			mix_cond(c, s, &c->p->conds[alt->conds.first + k], value);
	}
	for (uint32_t i = 0; i < c->p->n_contributions; i++) {
		const struct pq_p_contribution *source = &c->p->contributions[i];
		for (uint32_t k = 0; source->derive == PQ_DERIVE_LOOKUP && k < source->onlys.n; k++) {
			const struct pq_p_only *only = &c->p->onlys[source->onlys.first + k];
			uint32_t column = c->p->tables[source->table].columns.first + only->column;
			if (c->p->columns[column].domain == c->domain)
				mix(s, has(c, only->symbols, value->symbol));
		}
	}
}

/* A value that a rule, silence, a profile or the packs' `release` gives by name is alone. */
static void
find_literals(const struct classes *c, struct value *value)
{
	for (uint32_t i = 0; i < c->p->n_attrs; i++) {
		const struct pq_p_attr *a = &c->p->attrs[i];
		if (a->domain != c->domain)
			continue;
		value->alone |= has(c, a->null_symbols, value->symbol);
		for (uint32_t k = 0; k < a->silences.n; k++)
			value->alone |= has(c, c->p->silences[a->silences.first + k].symbols, value->symbol);
		for (uint32_t k = 0; k < a->contributions.n; k++)
			value->alone |= has(c, c->p->contributions[a->contributions.first + k].symbols, value->symbol);
	}
	for (uint32_t i = 0; i < c->p->n_assumptions; i++)
		value->alone |= c->p->attrs[c->p->assumptions[i].attr].domain == c->domain &&
		                has(c, c->p->assumptions[i].symbols, value->symbol);
	value->alone |= c->p->domains[c->domain].other == value->symbol;
	const struct pq_p_meta *meta = c->image->meta;
	value->alone |= meta->release_fact != PQ_NO_INDEX && c->p->attrs[meta->release_fact].domain == c->domain &&
	                has(c, meta->release_values, value->symbol);
}

/* ---- what the request says ---- */

static bool
facts_say(const struct classes *c, const struct pq_facts *facts, uint32_t symbol)
{
	for (size_t i = 0; i < facts->n; i++) {
		const struct pq_value *v = &facts->at[i].value;
		if (v->kind == PQ_VALUE_TEXT && pq_find_symbol(c->image, c->domain, v->text.at, v->text.len) == symbol)
			return true;
		for (size_t k = 0; v->kind == PQ_VALUE_TEXTS && k < v->n_texts; k++) {
			if (pq_find_symbol(c->image, c->domain, v->texts[k].at, v->texts[k].len) == symbol)
				return true;
		}
	}
	return false;
}

static bool
request_says(const struct classes *c, const struct pq_request *request, uint32_t symbol)
{
	bool found = facts_say(c, &request->facts, symbol) || facts_say(c, &request->assume, symbol);

	for (size_t i = 0; i < request->n_lines; i++)
		found |= facts_say(c, &request->lines[i], symbol);
	for (size_t i = 0; i < request->n_hits; i++)
		found |= facts_say(c, &request->hits[i], symbol);
	for (size_t i = 0; i < request->n_intermediates; i++)
		found |= facts_say(c, &request->intermediates[i], symbol);
	for (size_t i = 0; i < request->n_parties; i++) {
		found |= facts_say(c, &request->parties[i].facts, symbol);
		for (size_t k = 0; k < request->parties[i].n_owners; k++)
			found |= facts_say(c, &request->parties[i].owners[k], symbol);
	}
	return found;
}

/* ---- values ---- */

/* "3B001.a.2" is 3B001 and "a.2", "VIII(a)(2)" VIII and "a.2". */
static bool
read_value(const struct classes *c, const char *text, struct value *ret)
{
	size_t len = strlen(text), n = 0;
	const char *rest = c->fact->type == PQ_TYPE_CODE ? memchr(text, c->fact->separator, len) : NULL;
	size_t symbol_len = rest != NULL ? (size_t)(rest - text) : len;

	*ret = (struct value){.symbol = pq_find_symbol(c->image, c->domain, text, symbol_len)};
	if (c->fact->type != PQ_TYPE_CODE)
		return true;
	char *path = pq_arena_alloc(c->arena, len - symbol_len + 1);
	if (path == NULL)
		return false;
	for (const char *at = text + symbol_len; *at != '\0'; at++) {
		bool separates = *at == '.' || *at == '(' || *at == ')';
		if (!separates)
			path[n++] = *at;
		else if (n > 0 && path[n - 1] != '.')
			path[n++] = '.';
	}
	if (n > 0 && path[n - 1] == '.')
		n--;
	path[n] = '\0';
	ret->path = path;
	return true;
}

static bool
sign(const struct classes *c, const char *text, const struct pq_request *said, struct signature *ret, bool *ret_alone)
{
	struct signature s = {1, 2};
	struct value value;

	if (!read_value(c, text, &value))
		return false;
	if (value.symbol == PQ_NO_INDEX) {
		*ret_alone = true;
		return true;
	}
	find_literals(c, &value);
	value.alone |= request_says(c, said, value.symbol);
	if (!value.alone) {
		mix_rows(c, &s, &value);
		mix_conds(c, &s, &value);
	}
	*ret = s;
	*ret_alone = value.alone;
	return true;
}

/* The columns that lookups use; what no lookup uses is for people. */
static bool
find_used(struct classes *c)
{
	c->used = pq_arena_array(c->arena, c->p->n_columns + 1, sizeof(*c->used));
	c->by_path = pq_arena_array(c->arena, c->p->n_columns + 1, sizeof(*c->by_path));
	if (c->used == NULL || c->by_path == NULL)
		return false;
	for (uint32_t i = 0; i < c->p->n_contributions; i++) {
		const struct pq_p_contribution *source = &c->p->contributions[i];
		if (source->derive != PQ_DERIVE_LOOKUP)
			continue;
		uint32_t first = c->p->tables[source->table].columns.first;
		for (uint32_t k = 0; k < source->keys.n; k++) {
			const struct pq_p_key *key = &c->p->keys[source->keys.first + k];
			c->used[first + key->column] = true;
			c->by_path[first + key->column] |= key->attr == c->path_attr;
		}
		for (uint32_t k = 0; k < source->onlys.n; k++)
			c->used[first + c->p->onlys[source->onlys.first + k].column] = true;
		if (source->take != PQ_NO_INDEX)
			c->used[first + source->take] = true;
	}
	return true;
}

static const struct pq_p_attr *
find_fact(const struct pq_image *image, const char *name)
{
	for (size_t i = 0; i < image->p.n_attrs; i++) {
		const struct pq_p_attr *a = &image->p.attrs[i];
		if (a->is_fact && a->scope == PQ_SCOPE_REQUEST && a->domain != PQ_NO_INDEX &&
		    strcmp(pq_string(image, a->name), name) == 0)
			return a;
	}
	return NULL;
}

enum pq_status
pq_image_classes_of(const struct pq_image *image, const char *fact, const struct pq_texts *values,
                    const struct pq_request *said, int32_t since, struct pq_arena *arena, size_t **ret,
                    struct pq_err *err)
{
	struct classes c = {
	    .image = image, .p = &image->p, .arena = arena, .fact = find_fact(image, fact), .since = since};

	if (c.fact == NULL)
		return pq_fail_at(err, PQ_EINVAL, fact, 0, 0, "is no fact of the request with symbols or codes");
	c.domain = c.fact->domain;
	c.path_attr = c.fact->type == PQ_TYPE_CODE ? c.fact->path : PQ_NO_INDEX;
	size_t *at = pq_arena_array(arena, values->n + 1, sizeof(*at));
	struct signature *signatures = pq_arena_array(arena, values->n + 1, sizeof(*signatures));
	bool *alone = pq_arena_array(arena, values->n + 1, sizeof(*alone));
	if (at == NULL || signatures == NULL || alone == NULL || !find_used(&c))
		return pq_fail(err, PQ_ENOMEM, "out of memory");
	for (size_t i = 0; i < values->n; i++) {
		if (!sign(&c, values->at[i], said, &signatures[i], &alone[i]))
			return pq_fail(err, PQ_ENOMEM, "out of memory");
		at[i] = i;
		for (size_t k = 0; k < i && !alone[i]; k++) {
			if (!alone[k] && signatures[k].a == signatures[i].a && signatures[k].b == signatures[i].b) {
				at[i] = at[k];
				break;
			}
		}
	}
	*ret = at;
	return PQ_OK;
}

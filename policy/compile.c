#include "policy/compile.h"

#include "policy/build.h"

#include <stdio.h>
#include <string.h>

/* ---- names ---- */

struct name {
	uint32_t seed, symbol;
	const char *text;
};

/* Emit a hash of names; slots are a power of two, at most half full. Returns slots - 1. */
static uint32_t
emit_names(struct pq_builder *b, enum pq_section section, const struct name *names, size_t n)
{
	size_t n_slots = 64;

	while (n_slots < n * 2)
		n_slots *= 2;
	pq_build_append(b, section, n_slots, NULL);
	for (size_t i = 0; i < n && !b->oom; i++) {
		size_t len = strlen(names[i].text);
		uint32_t hash = pq_name_hash(names[i].seed, names[i].text, len);
		uint32_t string = pq_build_string(b, names[i].text);
		for (size_t at = hash & (n_slots - 1);; at = (at + 1) & (n_slots - 1)) {
			struct pq_p_name *slot = pq_build_at(b, section, (uint32_t)at);
			if (slot->string == 0) {
				*slot = (struct pq_p_name){hash, names[i].seed, string, names[i].symbol};
				break;
			}
		}
	}
	return (uint32_t)n_slots - 1;
}

static void
emit_domains(struct pq_builder *b)
{
	const struct pq_model *model = b->model;
	size_t n_names = 0;

	for (size_t d = 0; d < model->n_domains; d++)
		n_names += model->domains[d].n_symbols + model->domains[d].n_aliases;
	struct name *names = pq_build_alloc(b, n_names, sizeof(*names));
	if (names == NULL)
		return;
	n_names = 0;
	for (size_t d = 0; d < model->n_domains; d++) {
		const struct pq_domain *domain = &model->domains[d];
		struct pq_p_domain record = {.name = pq_build_string(b, domain->name)};
		uint32_t *symbols = pq_build_append(b, PQ_SECTION_SYMBOLS, domain->n_symbols, &record.symbols.first);
		record.symbols.n = (uint32_t)domain->n_symbols;
		record.words = (record.symbols.n + 63) / 64;
		record.other = domain->other;
		for (size_t i = 0; i < domain->n_symbols && !b->oom; i++) {
			symbols[i] = pq_build_string(b, domain->symbols[i]);
			if (domain->symbols[i][0] != '\0')
				names[n_names++] = (struct name){(uint32_t)d, (uint32_t)i, domain->symbols[i]};
		}
		for (size_t i = 0; i < domain->n_aliases; i++) {
			if (domain->aliases[i].name[0] != '\0')
				names[n_names++] = (struct name){(uint32_t)d, domain->aliases[i].symbol, domain->aliases[i].name};
		}
		*(struct pq_p_domain *)pq_build_append(b, PQ_SECTION_DOMAINS, 1, NULL) = record;
	}
	b->meta.names_mask = emit_names(b, PQ_SECTION_NAMES, names, n_names);
}

/* ---- attributes ---- */

static uint32_t
dnf_or_always(const struct pq_builder *b, const struct pq_dnf *dnf, const struct pq_rule *rule)
{
	return pq_build_dnf_index(b, dnf, rule);
}

static struct pq_span
emit_silences(struct pq_builder *b, const struct pq_attr *attr)
{
	struct pq_span span = {(uint32_t)b->sections[PQ_SECTION_SILENCES].n, (uint32_t)attr->n_silence};

	for (size_t i = 0; i < attr->n_silence; i++) {
		const struct pq_silence *s = &attr->silence[i];
		struct pq_p_silence record = {
		    .dnf = dnf_or_always(b, &s->when, NULL),
		    .unknown = s->unknown,
		    .none = s->value.none,
		    .symbols = pq_build_list(b, s->value.symbols.at, s->value.symbols.n),
		    .number = s->value.number,
		    .copy = s->copy,
		    .lines_sum = s->lines_sum,
		    .lines_same = s->lines_same,
		};
		*(struct pq_p_silence *)pq_build_append(b, PQ_SECTION_SILENCES, 1, NULL) = record;
	}
	return span;
}

static void
emit_lookup(struct pq_builder *b, const struct pq_lookup *lookup, struct pq_p_contribution *out)
{
	out->table = lookup->table;
	out->take = lookup->take;
	out->keys = (struct pq_span){(uint32_t)b->sections[PQ_SECTION_KEYS].n, (uint32_t)lookup->n_keys};
	for (size_t i = 0; i < lookup->n_keys; i++) {
		struct pq_p_key *key = pq_build_append(b, PQ_SECTION_KEYS, 1, NULL);
		*key = (struct pq_p_key){lookup->keys[i].column, lookup->keys[i].attr};
	}
	out->onlys = (struct pq_span){(uint32_t)b->sections[PQ_SECTION_ONLYS].n, (uint32_t)lookup->n_onlys};
	for (size_t i = 0; i < lookup->n_onlys; i++) {
		const struct pq_lookup_only *only = &lookup->onlys[i];
		struct pq_p_only record = {only->column, pq_build_list(b, only->symbols.at, only->symbols.n)};
		*(struct pq_p_only *)pq_build_append(b, PQ_SECTION_ONLYS, 1, NULL) = record;
	}
}

static void
emit_contribution(struct pq_builder *b, uint32_t index)
{
	const struct pq_rule *rule = &b->model->rules[index];
	struct pq_p_contribution out = {
	    .rule = index,
	    .dnf = dnf_or_always(b, &rule->when, rule),
	    .derive = (uint8_t)rule->derive,
	    .cmp = (uint8_t)rule->cmp,
	    .none = rule->set.none,
	    .scope = (uint8_t)rule->scope,
	    .left = rule->left,
	    .right = rule->right,
	    .number = rule->set.number,
	    .table = PQ_NO_INDEX,
	    .take = PQ_NO_INDEX,
	    .inner = PQ_NO_INDEX,
	};

	switch (rule->derive) {
	case PQ_DERIVE_SET:
		out.symbols = pq_build_list(b, rule->set.symbols.at, rule->set.symbols.n);
		break;
	case PQ_DERIVE_LOOKUP:
		emit_lookup(b, &rule->lookup, &out);
		break;
	case PQ_DERIVE_SUM:
		out.terms = (struct pq_span){(uint32_t)b->sections[PQ_SECTION_TERMS].n, (uint32_t)rule->n_terms};
		for (size_t i = 0; i < rule->n_terms; i++) {
			struct pq_p_term *term = pq_build_append(b, PQ_SECTION_TERMS, 1, NULL);
			*term = (struct pq_p_term){.times = rule->terms[i].times, .attr = rule->terms[i].attr};
		}
		break;
	case PQ_DERIVE_COUNT:
		out.inner = pq_build_dnf_index(b, rule->inner, NULL);
		break;
	case PQ_DERIVE_COPY:
	case PQ_DERIVE_COMPARE:
	case PQ_DERIVE_SAME:
	case PQ_DERIVE_LINES:
		break;
	}
	*(struct pq_p_contribution *)pq_build_append(b, PQ_SECTION_CONTRIBUTIONS, 1, NULL) = out;
}

static struct pq_span
emit_boundaries(struct pq_builder *b, uint32_t attr)
{
	struct pq_span span = {(uint32_t)b->sections[PQ_SECTION_NUMBERS].n, 0};

	for (uint32_t i = 0; i < b->sections[PQ_SECTION_COLS].n && !b->oom; i++) {
		const struct pq_p_col *col = pq_build_at(b, PQ_SECTION_COLS, i);
		if (col->attr != attr || col->kind != PQ_COL_RANGE)
			continue;
		for (uint32_t k = 0; k < col->boundaries.n && !b->oom; k++) {
			int64_t value = *(int64_t *)pq_build_at(b, PQ_SECTION_NUMBERS, col->boundaries.first + k);
			*(int64_t *)pq_build_append(b, PQ_SECTION_NUMBERS, 1, NULL) = value;
			span.n++;
		}
	}
	return span;
}

/* The lookups that join a table by this path: where the paths that can be told apart are found. */
static struct pq_span
emit_path_lookups(struct pq_builder *b, uint32_t attr)
{
	size_t n_contributions = b->sections[PQ_SECTION_CONTRIBUTIONS].n;
	uint32_t *found = pq_build_alloc(b, n_contributions, sizeof(*found));
	size_t n = 0;

	for (uint32_t i = 0; found != NULL && i < n_contributions; i++) {
		const struct pq_p_contribution *c = pq_build_at(b, PQ_SECTION_CONTRIBUTIONS, i);
		for (uint32_t k = 0; k < c->keys.n; k++) {
			if (((struct pq_p_key *)pq_build_at(b, PQ_SECTION_KEYS, c->keys.first + k))->attr == attr) {
				found[n++] = i;
				break;
			}
		}
	}
	return pq_build_list(b, found, n);
}

static void
fill_attr(struct pq_builder *b, uint32_t index, uint32_t slot, struct pq_p_attr *out)
{
	const struct pq_attr *a = &b->model->attrs[index];

	*out = (struct pq_p_attr){
	    .name = pq_build_string(b, a->name),
	    .title = pq_build_string(b, a->title),
	    .ask = pq_build_string(b, a->ask),
	    .report_as = pq_build_string(b, a->report_as),
	    .pack = a->pack,
	    .type = (uint8_t)a->type,
	    .scope = (uint8_t)a->scope,
	    .is_fact = a->is_fact,
	    .required = a->required,
	    .has_null_is = a->has_null_is,
	    .has_min = a->has_min,
	    .has_max = a->has_max,
	    .single = a->type == PQ_TYPE_BOOL || a->type == PQ_TYPE_SYMBOL || a->type == PQ_TYPE_CODE,
	    .separator = a->separator,
	    .null_none = a->null_is.none,
	    .changeable = !a->fixed,
	    .domain = a->domain,
	    .level = b->attr_level[index],
	    .min = a->min,
	    .max = a->max,
	    .null_number = a->null_is.number,
	    .null_symbols = pq_build_list(b, a->null_is.symbols.at, a->null_is.symbols.n),
	    .silences = emit_silences(b, a),
	    .path = a->type == PQ_TYPE_CODE || a->type == PQ_TYPE_PATH ? a->path : PQ_NO_INDEX,
	    .mark_attr = a->type == PQ_TYPE_CODE ? a->mark_attr : PQ_NO_INDEX,
	    .marks = pq_build_strings(b, &a->marks),
	    .said = pq_build_list(b, a->said.at, a->said.n),
	    .digits = a->digits,
	    .distinct = PQ_NO_INDEX,
	};
	out->words = a->domain != PQ_NO_INDEX ? (uint32_t)((b->model->domains[a->domain].n_symbols + 63) / 64) : 0;
	out->slot = slot;
	out->word = b->meta.scope_words[a->scope];
	b->meta.scope_words[a->scope] += out->words;
}

static bool
has_given(const struct pq_attr *a)
{
	return a->is_fact || a->type == PQ_TYPE_PATH;
}

/* Facts and paths first: what a request says of an element is an array of these alone. */
static uint32_t *
assign_attr_slots(struct pq_builder *b)
{
	uint32_t *slots = pq_build_alloc(b, b->model->n_attrs, sizeof(*slots));

	for (int pass = 0; slots != NULL && pass < 2; pass++) {
		for (size_t i = 0; i < b->model->n_attrs; i++) {
			const struct pq_attr *a = &b->model->attrs[i];
			if (has_given(a) != (pass == 0))
				continue;
			slots[i] = b->meta.scope_attrs[a->scope]++;
			b->meta.scope_facts[a->scope] += pass == 0;
		}
	}
	return slots;
}

static void
emit_attrs(struct pq_builder *b)
{
	const struct pq_model *model = b->model;
	struct name *names = pq_build_alloc(b, model->n_attrs, sizeof(*names));
	uint32_t *slots = assign_attr_slots(b);

	if (names == NULL || slots == NULL)
		return;
	for (size_t i = 0; i < model->n_attrs && !b->oom; i++) {
		const struct pq_attr *a = &model->attrs[i];
		struct pq_p_attr record;
		fill_attr(b, (uint32_t)i, slots[i], &record);
		record.depends = pq_build_attr_depends(b, (uint32_t)i);
		record.contributions.first = (uint32_t)b->sections[PQ_SECTION_CONTRIBUTIONS].n;
		record.contributions.n = (uint32_t)b->attr_rules[i].n;
		for (size_t k = 0; k < b->attr_rules[i].n; k++)
			emit_contribution(b, b->attr_rules[i].at[k]);
		if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE)
			record.boundaries = emit_boundaries(b, (uint32_t)i);
		*(struct pq_p_attr *)pq_build_append(b, PQ_SECTION_ATTRS, 1, NULL) = record;
		/* Facts are found by their name without the prefix of their element. */
		size_t prefix = a->scope == PQ_SCOPE_REQUEST ? 0 : strlen(pq_scope_name(a->scope)) + 1;
		names[i] = (struct name){(uint32_t)a->scope, (uint32_t)i, a->name + prefix};
		if (a->scope == PQ_SCOPE_PARTY && strcmp(a->name + prefix, "role") == 0)
			b->meta.role_attr = (uint32_t)i;
	}
	b->meta.attr_names_mask = emit_names(b, PQ_SECTION_ATTR_NAMES, names, model->n_attrs);
	for (size_t i = 0; i < model->n_attrs && !b->oom; i++) {
		if (model->attrs[i].type != PQ_TYPE_PATH)
			continue;
		struct pq_span lookups = emit_path_lookups(b, (uint32_t)i);
		((struct pq_p_attr *)pq_build_at(b, PQ_SECTION_ATTRS, (uint32_t)i))->path_lookups = lookups;
	}
	/* The order of evaluation: by level, then by number. */
	for (uint32_t level = 0; level <= b->main_level && !b->oom; level++) {
		for (size_t i = 0; i < model->n_attrs; i++) {
			if (b->attr_level[i] == level && model->attrs[i].scope != PQ_SCOPE_DECISION)
				*(uint32_t *)pq_build_append(b, PQ_SECTION_ATTR_ORDER, 1, NULL) = (uint32_t)i;
		}
	}
}

/* ---- the symbols of a fact that conditions and tables tell apart ---- */

struct flow {
	uint32_t from, to;
};

static void
mark_all(struct pq_builder *b, uint64_t **sets, uint32_t attr)
{
	const struct pq_domain *domain = &b->model->domains[b->model->attrs[attr].domain];

	for (size_t i = 0; sets[attr] != NULL && i < domain->n_symbols; i++)
		sets[attr][i / 64] |= UINT64_C(1) << (i % 64);
}

static void
mark_lookup(struct pq_builder *b, uint64_t **sets, const struct pq_lookup *lookup)
{
	const struct pq_table *table = &b->model->tables[lookup->table];

	for (size_t r = 0; r < table->n_rows; r++) {
		for (size_t k = 0; k < table->rows[r].n_ifs; k++)
			mark_all(b, sets, table->rows[r].ifs[k].attr);
	}
	for (size_t k = 0; k < lookup->n_keys; k++) {
		uint64_t *set = sets[lookup->keys[k].attr];
		for (size_t r = 0; set != NULL && r < table->n_rows; r++) {
			const struct pq_cell *cell = &table->rows[r].cells[lookup->keys[k].column];
			for (size_t i = 0; i < cell->value.symbols.n; i++)
				set[cell->value.symbols.at[i] / 64] |= UINT64_C(1) << (cell->value.symbols.at[i] % 64);
		}
	}
}

static void
mark_conds(struct pq_builder *b, uint64_t **sets)
{
	for (uint32_t i = 0; i < b->sections[PQ_SECTION_CONDS].n; i++) {
		const struct pq_p_cond *cond = pq_build_at(b, PQ_SECTION_CONDS, i);
		if (cond->inner != PQ_NO_INDEX || sets[cond->attr] == NULL)
			continue;
		for (uint32_t k = 0; k < cond->symbols.n; k++) {
			uint32_t symbol = *(uint32_t *)pq_build_at(b, PQ_SECTION_LISTS, cond->symbols.first + k);
			sets[cond->attr][symbol / 64] |= UINT64_C(1) << (symbol % 64);
		}
	}
}

static size_t
mark_sources(struct pq_builder *b, uint64_t **sets, struct flow *flows)
{
	const struct pq_model *model = b->model;
	size_t n = 0;

	for (size_t i = 0; i < model->n_rules; i++) {
		const struct pq_rule *rule = &model->rules[i];
		if (rule->kind != PQ_KIND_DERIVE)
			continue;
		if (rule->derive == PQ_DERIVE_LOOKUP)
			mark_lookup(b, sets, &rule->lookup);
		if (rule->derive == PQ_DERIVE_SAME) {
			mark_all(b, sets, rule->left);
			mark_all(b, sets, rule->right);
		}
		if (rule->derive == PQ_DERIVE_COPY && sets[rule->left] != NULL && sets[rule->attr] != NULL)
			flows[n++] = (struct flow){rule->left, rule->attr};
	}
	for (size_t i = 0; i < model->n_attrs; i++) {
		for (size_t k = 0; k < model->attrs[i].n_silence; k++) {
			uint32_t copy = model->attrs[i].silence[k].copy;
			if (copy != PQ_NO_INDEX && sets[copy] != NULL && sets[i] != NULL)
				flows[n++] = (struct flow){copy, (uint32_t)i};
		}
	}
	return n;
}

static size_t
max_flows(const struct pq_model *model)
{
	size_t n = model->n_rules;

	for (size_t i = 0; i < model->n_attrs; i++)
		n += model->attrs[i].n_silence;
	return n;
}

static void
run_flows(struct pq_builder *b, uint64_t **sets, const struct flow *flows, size_t n)
{
	for (bool changed = true; changed;) {
		changed = false;
		for (size_t i = 0; i < n; i++) {
			const struct pq_attr *from = &b->model->attrs[flows[i].from], *to = &b->model->attrs[flows[i].to];
			size_t words = (b->model->domains[from->domain].n_symbols + 63) / 64;
			for (size_t w = 0; from->domain == to->domain && w < words; w++) {
				uint64_t joined = sets[flows[i].from][w] | sets[flows[i].to][w];
				changed |= joined != sets[flows[i].from][w];
				sets[flows[i].from][w] = joined;
			}
		}
	}
}

static void
emit_distinct(struct pq_builder *b)
{
	const struct pq_model *model = b->model;
	uint64_t **sets = pq_build_alloc(b, model->n_attrs, sizeof(*sets));
	struct flow *flows = pq_build_alloc(b, max_flows(model), sizeof(*flows));

	if (b->oom)
		return;
	for (size_t i = 0; i < model->n_attrs; i++) {
		const struct pq_attr *a = &model->attrs[i];
		if (a->domain != PQ_NO_INDEX && a->type != PQ_TYPE_PATH)
			sets[i] = pq_build_alloc(b, (model->domains[a->domain].n_symbols + 63) / 64, sizeof(**sets));
	}
	if (b->oom)
		return;
	mark_conds(b, sets);
	run_flows(b, sets, flows, mark_sources(b, sets, flows));
	for (size_t i = 0; i < model->n_attrs && !b->oom; i++) {
		const struct pq_attr *a = &model->attrs[i];
		/* Which exceptions a claim covers is a matter of their names; which parties a role is shown for, too. */
		if (sets[i] == NULL || !a->is_fact || i == model->claim_fact)
			continue;
		uint32_t words = (uint32_t)((model->domains[a->domain].n_symbols + 63) / 64), first;
		uint64_t *copy = pq_build_append(b, PQ_SECTION_WORDS, words, &first);
		if (b->oom)
			return;
		memcpy(copy, sets[i], words * sizeof(*copy));
		((struct pq_p_attr *)pq_build_at(b, PQ_SECTION_ATTRS, (uint32_t)i))->distinct = first;
	}
}

/* ---- tables ---- */

static struct pq_p_cell
make_cell(struct pq_builder *b, const struct pq_cell *cell, enum pq_type type)
{
	struct pq_p_cell out = {.number = cell->value.number};

	out.flags = (uint8_t)((cell->doubtful ? PQ_CELL_DOUBTFUL : 0) | (cell->any ? PQ_CELL_ANY : 0) |
	                      (cell->value.none ? PQ_CELL_NONE : 0));
	if (type == PQ_TYPE_PATH) {
		struct pq_strings paths = {cell->paths.at, cell->paths.n};
		out.paths_mode = (uint8_t)cell->paths.mode;
		out.items = pq_build_strings(b, &paths);
	} else if (type == PQ_TYPE_TEXT) {
		uint32_t text = pq_build_string(b, cell->text);
		out.items = pq_build_list(b, &text, 1);
	} else {
		out.items = pq_build_list(b, cell->value.symbols.at, cell->value.symbols.n);
	}
	return out;
}

static uint32_t
saved_attr(const struct pq_model *model, uint32_t amendment)
{
	return amendment == PQ_NO_INDEX ? PQ_NO_INDEX : model->amendments[amendment].saved;
}

static void
emit_row(struct pq_builder *b, const struct pq_table *table, uint32_t table_index, const struct pq_row *row)
{
	struct pq_p_row out = {
	    .from = row->from,
	    .to = row->to,
	    .edition = row->edition,
	    .from_doubtful = row->from_doubtful,
	    .to_doubtful = row->to_doubtful,
	    .saved_by = saved_attr(b->model, row->amendment),
	    .saved_end = saved_attr(b->model, row->ended_by),
	    .table = table_index,
	    .cite = pq_build_string(b, row->cite),
	    .note = pq_build_string(b, row->note),
	    .file = pq_build_string(b, row->src.file),
	    .line = row->src.line,
	};
	uint32_t *ifs = pq_build_alloc(b, row->n_ifs, sizeof(*ifs));

	for (size_t i = 0; ifs != NULL && i < row->n_ifs; i++)
		ifs[i] = row->ifs[i].attr * 2 + row->ifs[i].negated;
	out.ifs = pq_build_list(b, ifs, ifs != NULL ? row->n_ifs : 0);
	struct pq_p_cell *cells = pq_build_append(b, PQ_SECTION_CELLS, table->n_columns, &out.cells);
	for (size_t c = 0; cells != NULL && !b->oom && c < table->n_columns; c++)
		cells[c] = make_cell(b, &row->cells[c], table->columns[c].type);
	*(struct pq_p_row *)pq_build_append(b, PQ_SECTION_ROWS, 1, NULL) = out;
}

static bool
cell_has(const struct pq_cell *cell, uint32_t symbol)
{
	for (size_t i = 0; i < cell->value.symbols.n; i++) {
		if (cell->value.symbols.at[i] == symbol)
			return true;
	}
	return false;
}

/* Rows by symbol, then those of every symbol ("*", "?"), for the columns that a single symbol can be joined by. */
static void
emit_column_index(struct pq_builder *b, const struct pq_table *table, size_t c, uint32_t first_row, struct pq_p_column *out)
{
	size_t n_symbols = b->model->domains[table->columns[c].domain].n_symbols;
	uint32_t *starts = pq_build_alloc(b, n_symbols + 2, sizeof(*starts));
	uint32_t *rows = pq_build_alloc(b, table->n_rows * 4 + 16, sizeof(*rows));
	size_t cap = table->n_rows * 4 + 16, n = 0;

	if (b->oom)
		return;
	for (size_t r = 0; r < table->n_rows; r++) {
		if (table->rows[r].cells[c].value.symbols.n > 4)
			return; /* rows with long sets: no index, they are walked */
	}
	for (uint32_t s = 0; s <= n_symbols; s++) {
		starts[s] = (uint32_t)n;
		for (size_t r = 0; r < table->n_rows && n < cap; r++) {
			const struct pq_cell *cell = &table->rows[r].cells[c];
			bool every = cell->any || cell->doubtful;
			if (s < n_symbols ? !every && cell_has(cell, s) : every)
				rows[n++] = first_row + (uint32_t)r;
		}
	}
	starts[n_symbols + 1] = (uint32_t)n;
	struct pq_span at = pq_build_list(b, starts, n_symbols + 2);
	out->index = at.first;
	pq_build_append(b, PQ_SECTION_LISTS, n, &out->index_rows);
	if (!b->oom && n > 0)
		memcpy(pq_build_at(b, PQ_SECTION_LISTS, out->index_rows), rows, n * sizeof(*rows));
}

static void
emit_tables(struct pq_builder *b)
{
	const struct pq_model *model = b->model;

	for (size_t t = 0; t < model->n_tables && !b->oom; t++) {
		const struct pq_table *table = &model->tables[t];
		struct pq_p_table out = {
		    .name = pq_build_string(b, table->name),
		    .title = pq_build_string(b, table->title),
		    .cite = pq_build_string(b, table->cite),
		    .pack = table->pack,
		    .edition = table->edition,
		    .gaps = pq_build_strings(b, &table->gaps),
		};
		out.rows = (struct pq_span){(uint32_t)b->sections[PQ_SECTION_ROWS].n, (uint32_t)table->n_rows};
		for (size_t r = 0; r < table->n_rows && !b->oom; r++)
			emit_row(b, table, (uint32_t)t, &table->rows[r]);
		out.columns = (struct pq_span){(uint32_t)b->sections[PQ_SECTION_COLUMNS].n, (uint32_t)table->n_columns};
		for (size_t c = 0; c < table->n_columns && !b->oom; c++) {
			const struct pq_column *column = &table->columns[c];
			struct pq_p_column record = {
			    .name = pq_build_string(b, column->name),
			    .domain = column->domain,
			    .type = (uint8_t)column->type,
			    .index = PQ_NO_INDEX,
			};
			if (!table->reference && (column->type == PQ_TYPE_SYMBOL || column->type == PQ_TYPE_SYMBOLS))
				emit_column_index(b, table, c, out.rows.first, &record);
			*(struct pq_p_column *)pq_build_append(b, PQ_SECTION_COLUMNS, 1, NULL) = record;
		}
		*(struct pq_p_table *)pq_build_append(b, PQ_SECTION_TABLES, 1, NULL) = out;
	}
}

/* ---- rules ---- */

static bool
names_cover(const struct pq_strings *names, const char *exception)
{
	for (size_t i = 0; i < names->n; i++) {
		if (pq_exception_covers(names->at[i], exception))
			return true;
	}
	return false;
}

/* A set over the exceptions: those that the names cover, or (inverted) all others. */
static uint32_t
exception_set(struct pq_builder *b, const struct pq_strings *names, bool inverted)
{
	uint32_t first = pq_build_words(b, b->meta.exception_words);

	if (b->model->domain_exception == PQ_NO_INDEX)
		return first;
	const struct pq_domain *domain = &b->model->domains[b->model->domain_exception];
	for (size_t i = 0; i < domain->n_symbols; i++) {
		if (names_cover(names, domain->symbols[i]) != inverted)
			pq_build_set_bit(b, first, i);
	}
	return first;
}

static uint32_t
claim_set(struct pq_builder *b, const char *exception)
{
	const struct pq_domain *domain = &b->model->domains[b->model->domain_exception];
	uint32_t first = pq_build_words(b, b->meta.exception_words);

	for (size_t i = 0; i < domain->n_symbols; i++) {
		if (pq_exception_covers(domain->symbols[i], exception) || pq_exception_covers(exception, domain->symbols[i]))
			pq_build_set_bit(b, first, i);
	}
	return first;
}

static bool
id_covers(const char *pattern, const char *id)
{
	size_t len = strlen(pattern);

	if (len > 0 && pattern[len - 1] == '*')
		return strncmp(pattern, id, len - 1) == 0;
	return strcmp(pattern, id) == 0;
}

static uint32_t
excludes_set(struct pq_builder *b, const struct pq_rule *rule)
{
	const struct pq_model *model = b->model;
	uint32_t first = pq_build_words(b, b->meta.requirement_words);

	for (size_t i = 0; i < model->n_rules; i++) {
		const struct pq_rule *other = &model->rules[i];
		if (other->kind != PQ_KIND_REQUIREMENT)
			continue;
		bool excluded = rule->excludes_all;
		/* "all" means the law of the exclusion: a rule of the ITAR says nothing about requirements of the EAR. */
		if (excluded && rule->jurisdiction != PQ_NO_INDEX && other->jurisdiction != rule->jurisdiction)
			excluded = false;
		for (size_t k = 0; k < rule->excludes_reasons.n; k++)
			excluded |= rule->excludes_reasons.at[k] == other->reason;
		for (size_t k = 0; k < rule->excludes_rules.n; k++)
			excluded |= id_covers(rule->excludes_rules.at[k], other->id);
		if (excluded)
			pq_build_set_bit(b, first, b->requirement_of[i]);
	}
	return first;
}

static uint32_t
reason_set(struct pq_builder *b, const struct pq_rule *rule)
{
	size_t n = b->model->domain_reason != PQ_NO_INDEX ? b->model->domains[b->model->domain_reason].n_symbols : 0;
	uint32_t first = pq_build_words(b, b->meta.reason_words);

	for (size_t i = 0; i < n && rule->overcomes_all; i++)
		pq_build_set_bit(b, first, i);
	for (size_t i = 0; i < rule->overcomes.n; i++)
		pq_build_set_bit(b, first, rule->overcomes.at[i]);
	return first;
}

static uint32_t
join_strings(struct pq_builder *b, const struct pq_strings *strings, const char *separator)
{
	size_t len = 1;

	for (size_t i = 0; i < strings->n; i++)
		len += strlen(strings->at[i]) + strlen(separator);
	char *text = pq_build_alloc(b, len, 1);
	if (text == NULL)
		return 0;
	for (size_t i = 0; i < strings->n; i++) {
		if (i > 0)
			strcat(text, separator);
		strcat(text, strings->at[i]);
	}
	return pq_build_string(b, text);
}

/* How a bar is shown when the pack does not say: "all", "all but A, B" or the names. */
static uint32_t
bar_label(struct pq_builder *b, const char *label, const struct pq_bars *bars)
{
	if (label != NULL && label[0] != '\0')
		return pq_build_string(b, label);
	if (bars->mode == PQ_BARS_ALL || (bars->mode == PQ_BARS_ALL_BUT && bars->names.n == 0))
		return pq_build_string(b, "all");
	uint32_t names = join_strings(b, &bars->names, ", ");
	if (bars->mode != PQ_BARS_ALL_BUT || b->oom)
		return names;
	const char *joined = (const char *)b->sections[PQ_SECTION_STRINGS].at + names;
	return pq_build_string(b, pq_arena_printf(b->arena, "all but %s", joined));
}

static void
fill_bars(struct pq_builder *b, const struct pq_rule *rule, struct pq_p_rule *out)
{
	struct pq_bars bars = rule->bars;
	const char *label = rule->label;

	if (rule->kind == PQ_KIND_REQUIREMENT) {
		if (!rule->has_allows)
			return;
		bars.mode = rule->allows.n > 0 ? PQ_BARS_ALL_BUT : PQ_BARS_ALL;
		bars.names = rule->allows;
		label = rule->allows_label;
		out->has_allows = 1;
		out->allows = exception_set(b, &rule->allows, false);
	}
	struct pq_strings nothing = {NULL, 0};
	out->bars_mode = (uint8_t)bars.mode;
	out->bar_label = bar_label(b, label, &bars);
	if (bars.mode == PQ_BARS_LIST)
		out->bars = exception_set(b, &bars.names, false);
	else
		out->bars = exception_set(b, bars.mode == PQ_BARS_ALL_BUT ? &bars.names : &nothing, true);
	if (bars.mode == PQ_BARS_ALL_BUT)
		out->spares = pq_build_strings(b, &bars.names);
}

static void
fill_rule(struct pq_builder *b, size_t index, struct pq_p_rule *out)
{
	const struct pq_rule *rule = &b->model->rules[index];
	bool derives = rule->kind == PQ_KIND_DERIVE || rule->kind == PQ_KIND_JURISDICTION;

	*out = (struct pq_p_rule){
	    .id = pq_build_string(b, rule->id),
	    .title = pq_build_string(b, rule->title),
	    .note = pq_build_string(b, rule->note),
	    .confidence = pq_build_string(b, rule->confidence),
	    .cite = join_strings(b, &rule->cites, "; "),
	    .file = pq_build_string(b, rule->src.file),
	    .line = rule->src.line,
	    .from = rule->from,
	    .to = rule->to,
	    .pack = rule->pack,
	    .text = pq_build_string(b, rule->text),
	    .jurisdiction = derives ? PQ_NO_INDEX : rule->jurisdiction,
	    .label = pq_build_string(b, rule->label),
	    .kind = (uint8_t)rule->kind,
	    .policy = (uint8_t)rule->policy,
	    .overcomes_all = rule->overcomes_all,
	    .considered_always = rule->considered_always,
	    .dnf = dnf_or_always(b, &rule->when, rule),
	    .unless = rule->has_unless_shown ? pq_build_dnf_index(b, &rule->unless_shown, NULL) : PQ_NO_INDEX,
	    .authority = derives ? PQ_NO_INDEX : rule->authority,
	    .reason = rule->reason,
	    .requirement = PQ_NO_INDEX,
	    .bars = PQ_NO_INDEX,
	    .allows = PQ_NO_INDEX,
	    .overcomes = PQ_NO_INDEX,
	    .claims = PQ_NO_INDEX,
	    .excludes = PQ_NO_INDEX,
	    .exception = PQ_NO_INDEX,
	    .obligation = pq_build_string(b, rule->obligation),
	    .conditions = pq_build_conditions_text(b, rule),
	};
	switch (rule->kind) {
	case PQ_KIND_REQUIREMENT:
		out->requirement = b->requirement_of[index];
		fill_bars(b, rule, out);
		break;
	case PQ_KIND_RESTRICTION:
		fill_bars(b, rule, out);
		break;
	case PQ_KIND_EXCLUSION:
		out->excludes = excludes_set(b, rule);
		break;
	case PQ_KIND_EXCEPTION: {
		const char *name = b->model->domains[b->model->domain_exception].symbols[rule->exception];
		out->exception = rule->exception;
		out->shown_as = pq_build_string(b, rule->shown_as != NULL && rule->shown_as[0] != '\0' ? rule->shown_as : name);
		out->overcomes = reason_set(b, rule);
		out->claims = claim_set(b, name);
		out->claimed_by = pq_build_list(b, rule->claimed_by.at, rule->claimed_by.n);
		break;
	}
	case PQ_KIND_DERIVE:
	case PQ_KIND_JURISDICTION:
	case PQ_KIND_PROHIBITION:
	case PQ_KIND_REFER:
	case PQ_KIND_REVIEW:
	case PQ_KIND_OBLIGATION:
	case PQ_KIND_WARNING:
	case PQ_KIND_COUNT:
		break;
	}
}

/* An opened image would else look at every rule for them. */
static void
list_exceptions(struct pq_builder *b)
{
	uint32_t *list = pq_build_alloc(b, b->model->n_rules + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; list != NULL && i < b->model->n_rules; i++) {
		if (b->model->rules[i].kind == PQ_KIND_EXCEPTION)
			list[n++] = (uint32_t)i;
	}
	b->meta.exceptions = pq_build_list(b, list, n);
}

static void
emit_rules(struct pq_builder *b)
{
	const struct pq_model *model = b->model;

	for (size_t i = 0; i < model->n_rules && !b->oom; i++) {
		struct pq_p_rule record;
		fill_rule(b, i, &record);
		*(struct pq_p_rule *)pq_build_append(b, PQ_SECTION_RULES, 1, NULL) = record;
		switch (model->rules[i].kind) {
		case PQ_KIND_DERIVE:
		case PQ_KIND_JURISDICTION:
			break;
		case PQ_KIND_REVIEW:
		case PQ_KIND_OBLIGATION:
		case PQ_KIND_WARNING:
			*(uint32_t *)pq_build_append(b, PQ_SECTION_POST_RULES, 1, NULL) = (uint32_t)i;
			break;
		default:
			*(uint32_t *)pq_build_append(b, PQ_SECTION_MAIN_RULES, 1, NULL) = (uint32_t)i;
			break;
		}
	}
	list_exceptions(b);
}

static void
number_requirements(struct pq_builder *b)
{
	const struct pq_model *model = b->model;

	b->requirement_of = pq_build_alloc(b, model->n_rules, sizeof(*b->requirement_of));
	for (size_t i = 0; b->requirement_of != NULL && i < model->n_rules; i++)
		b->requirement_of[i] =
		    model->rules[i].kind == PQ_KIND_REQUIREMENT ? b->meta.n_requirements++ : PQ_NO_INDEX;
	b->meta.requirement_words = (b->meta.n_requirements + 63) / 64;
	if (model->domain_exception != PQ_NO_INDEX)
		b->meta.exception_words = (uint32_t)(model->domains[model->domain_exception].n_symbols + 63) / 64;
	if (model->domain_reason != PQ_NO_INDEX)
		b->meta.reason_words = (uint32_t)(model->domains[model->domain_reason].n_symbols + 63) / 64;
}

/* ---- the rest ---- */

static void
emit_packs(struct pq_builder *b)
{
	const struct pq_model *model = b->model;

	for (size_t i = 0; i < model->n_packs; i++) {
		const struct pq_pack *pack = &model->packs[i];
		struct pq_p_pack record = {
		    .name = pq_build_string(b, pack->name),
		    .title = pq_build_string(b, pack->title),
		    .time_zone = pq_build_string(b, pack->time_zone),
		    .edition = pack->edition,
		    .covers_from = pack->covers_from,
		    .covers_to = pack->covers_to,
		    .grace_days = pack->grace_days,
		    .gaps = pq_build_strings(b, &pack->gaps),
		};
		*(struct pq_p_pack *)pq_build_append(b, PQ_SECTION_PACKS, 1, NULL) = record;
	}
	for (size_t i = 0; i < model->n_jurisdictions; i++) {
		const struct pq_jurisdiction *j = &model->jurisdictions[i];
		struct pq_p_jurisdiction *out = pq_build_append(b, PQ_SECTION_JURISDICTIONS, 1, NULL);
		*out = (struct pq_p_jurisdiction){j->symbol, j->release_by, (uint8_t)j->fixed, (uint8_t)j->only,
		                                  (uint8_t)j->available, 0};
	}
	for (size_t i = 0; i < model->n_profiles; i++) {
		const struct pq_profile *profile = &model->profiles[i];
		struct pq_p_profile record = {
		    .name = pq_build_string(b, profile->name),
		    .title = pq_build_string(b, profile->title),
		    .pack = profile->pack,
		    .assumptions = {(uint32_t)b->sections[PQ_SECTION_ASSUMPTIONS].n, (uint32_t)profile->n},
		};
		for (size_t k = 0; k < profile->n; k++) {
			const struct pq_literal *value = &profile->assumptions[k].value;
			struct pq_p_assumption one = {
			    .attr = profile->assumptions[k].attr,
			    .none = value->none,
			    .symbols = pq_build_list(b, value->symbols.at, value->symbols.n),
			    .number = value->number,
			};
			*(struct pq_p_assumption *)pq_build_append(b, PQ_SECTION_ASSUMPTIONS, 1, NULL) = one;
		}
		*(struct pq_p_profile *)pq_build_append(b, PQ_SECTION_PROFILES, 1, NULL) = record;
	}
	for (size_t i = 0; i < model->n_cases; i++) {
		const struct pq_case *one = &model->cases[i];
		const char *source = pq_arena_printf(b->arena, "%s:%d", one->src.file, one->src.line);
		struct pq_p_case record = {pq_build_stringn(b, one->json, one->len), (uint32_t)one->len,
		                           pq_build_string(b, source), one->pack};
		*(struct pq_p_case *)pq_build_append(b, PQ_SECTION_CASES, 1, NULL) = record;
	}
}

static void
fill_meta(struct pq_builder *b)
{
	const struct pq_model *model = b->model;

	b->meta.release_fact = model->release_fact;
	b->meta.release_values = pq_build_list(b, model->release_values.at, model->release_values.n);
	b->meta.release_replaces = model->release_replaces;
	b->meta.claim_fact = model->claim_fact;
	b->meta.domain_jurisdiction = model->domain_jurisdiction;
	b->meta.domain_outcome = model->domain_outcome;
	b->meta.domain_authority = model->domain_authority;
	b->meta.domain_reason = model->domain_reason;
	b->meta.domain_exception = model->domain_exception;
	b->meta.n_levels = b->main_level + 2;
	*(struct pq_p_meta *)pq_build_append(b, PQ_SECTION_META, 1, NULL) = b->meta;
}

static enum pq_status
seal_blobs(struct pq_builder *b, const struct pq_blob **ret_blobs, size_t *ret_n, struct pq_err *err)
{
	static const size_t strides[] = {
#define X(NAME, name, type) sizeof(type),
		PQ_SECTION_MAP(X)
#undef X
	};
	struct pq_blob *blobs = pq_build_alloc(b, PQ_SECTION_COUNT, sizeof(*blobs));

	for (int s = 0; s < PQ_SECTION_COUNT && !b->oom; s++) {
		const struct pq_vec *vec = &b->sections[s];
		size_t len = sizeof(struct pq_section_head) + vec->n * strides[s];
		char *key = pq_build_alloc(b, 40, 1);
		unsigned char *data = pq_build_alloc(b, len, 1);
		if (b->oom)
			break;
		pq_section_key((enum pq_section)s, key, 40);
		struct pq_section_head head = {
		    .magic = "PQIM",
		    .section = (uint32_t)s,
		    .version = PQ_PROGRAM_VERSION,
		    .stride = (uint32_t)strides[s],
		    .count = vec->n,
		};
		memcpy(data, &head, sizeof(head));
		if (vec->n > 0)
			memcpy(data + sizeof(head), vec->at, vec->n * strides[s]);
		blobs[s] = (struct pq_blob){key, data, len};
	}
	if (b->oom)
		return pq_fail(err, PQ_ENOMEM, "out of memory while compiling");
	*ret_blobs = blobs;
	*ret_n = PQ_SECTION_COUNT;
	return PQ_OK;
}

enum pq_status
pq_compile(const struct pq_model *model, struct pq_arena *arena, const struct pq_blob **ret_blobs, size_t *ret_n,
           struct pq_err *err)
{
	return pq_compile_sparse_from(model, PQ_SPARSE_FROM, arena, ret_blobs, ret_n, err);
}

enum pq_status
pq_compile_sparse_from(const struct pq_model *model, size_t sparse_from, struct pq_arena *arena,
                       const struct pq_blob **ret_blobs, size_t *ret_n, struct pq_err *err)
{
	struct pq_builder b = {.model = model, .arena = arena, .err = err, .sparse_from = sparse_from};

	b.meta.role_attr = PQ_NO_INDEX;
	pq_build_string(&b, ""); /* offset 0 */
	enum pq_status status = pq_build_levels(&b);
	if (status != PQ_OK)
		return status;
	number_requirements(&b);
	pq_build_depends(&b);
	emit_domains(&b);
	pq_build_spaces(&b);
	emit_attrs(&b);
	emit_distinct(&b);
	emit_tables(&b);
	emit_rules(&b);
	emit_packs(&b);
	fill_meta(&b);
	return seal_blobs(&b, ret_blobs, ret_n, err);
}

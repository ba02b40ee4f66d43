#include "tests/property/values.h"

#include <stdlib.h>
#include <string.h>

/* The last part of a path that no pack lists. */
#define NOBODYS "zzz"
/* Sets of two are tried where there are no more symbols than this. */
#define MAX_PAIRED 24

static void *
must(void *block)
{
	if (block == NULL)
		abort();
	return block;
}

static struct pq_text
text(const char *at)
{
	return (struct pq_text){at, strlen(at)};
}

static void
add(struct pq_values *list, struct pq_value value, struct pq_arena *arena)
{
	if (list->n == list->room) {
		struct pq_value *more = must(pq_arena_array(arena, list->room = list->room * 2 + 16, sizeof(*more)));
		if (list->n > 0)
			memcpy(more, list->at, list->n * sizeof(*more));
		list->at = more;
	}
	list->at[list->n++] = value;
}

/* ---- codes ---------------------------------------------------------------------------------------------------------- */

/* "VIII" and "h.1" are VIII(h)(1); "9A610" and "x" are 9A610.x. */
static const char *
code_text(const struct pq_attr *attr, const char *symbol, const char *path, struct pq_arena *arena)
{
	if (path[0] == '\0')
		return symbol;
	if (attr->separator != '(')
		return must(pq_arena_printf(arena, "%s%c%s", symbol, attr->separator, path));
	const char *all = symbol;
	while (path[0] != '\0') {
		size_t len = strcspn(path, ".");
		all = must(pq_arena_printf(arena, "%s(%.*s)", all, (int)len, path));
		path += len + (path[len] == '.');
	}
	return all;
}

const char *
pq_whole_code(const struct pq_attr *attr, const char *code, struct pq_arena *arena)
{
	const char *form = attr->separator == '(' ? "%s(%s)" : "%s.%s";

	if (attr->path == PQ_NO_INDEX)
		return code;
	return must(pq_arena_printf(arena, form, code, NOBODYS));
}

static void
add_code(struct pq_values *list, const struct pq_attr *attr, const char *symbol, const char *path, const char *known,
         struct pq_arena *arena)
{
	const char *code = code_text(attr, symbol, path, arena);
	size_t len = strlen(known);

	/* Below what is known, not only beginning with the same letters. */
	if (strncmp(code, known, len) != 0 || (len > 0 && code[len] != '\0' && strchr(".(", code[len]) == NULL))
		return;
	code = pq_whole_code(attr, code, arena);
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->at[i].text.at, code) == 0)
			return;
	}
	add(list, (struct pq_value){.kind = PQ_VALUE_TEXT, .text = text(code)}, arena);
}

static bool
has_symbol(const struct pq_cell *cell, uint32_t symbol)
{
	for (size_t i = 0; i < cell->value.symbols.n; i++) {
		if (cell->value.symbols.at[i] == symbol)
			return true;
	}
	return cell->any || cell->doubtful;
}

/* The paths of rows that may be about the symbol. */
static void
add_row_codes(struct pq_values *list, const struct pq_model *model, const struct pq_attr *attr, uint32_t symbol,
              const char *known, struct pq_arena *arena)
{
	const char *name = model->domains[attr->domain].symbols[symbol];

	for (size_t t = 0; t < model->n_tables; t++) {
		const struct pq_table *table = &model->tables[t];
		for (size_t c = 0; c < table->n_columns; c++) {
			if (table->columns[c].domain != attr->domain)
				continue;
			for (size_t p = 0; p < table->n_columns; p++) {
				if (table->columns[p].type != PQ_TYPE_PATH)
					continue;
				for (size_t r = 0; r < table->n_rows; r++) {
					const struct pq_paths *paths = &table->rows[r].cells[p].paths;
					if (!has_symbol(&table->rows[r].cells[c], symbol))
						continue;
					for (size_t i = 0; i < paths->n; i++)
						add_code(list, attr, name, paths->at[i], known, arena);
				}
			}
		}
	}
}

static void
add_codes(struct pq_values *list, const struct pq_model *model, const struct pq_attr *attr, const char *known,
          struct pq_arena *arena)
{
	const struct pq_domain *domain = &model->domains[attr->domain];
	const struct pq_domain *paths = attr->path != PQ_NO_INDEX ? &model->domains[model->attrs[attr->path].domain] : NULL;

	for (uint32_t s = 0; s < domain->n_symbols; s++) {
		const char *name = domain->symbols[s];
		if (known[0] != '\0' && strncmp(known, name, strlen(name)) != 0)
			continue;
		add_code(list, attr, name, "", known, arena);
		for (size_t i = 0; paths != NULL && known[0] != '\0' && i < paths->n_symbols; i++)
			add_code(list, attr, name, paths->symbols[i], known, arena);
		if (paths != NULL)
			add_row_codes(list, model, attr, s, known, arena);
	}
	/* The known path itself, and nothing that is listed below it. */
	const char *whole = known[0] != '\0' ? pq_whole_code(attr, known, arena) : NULL;
	if (whole != NULL)
		add(list, (struct pq_value){.kind = PQ_VALUE_TEXT, .text = text(whole)}, arena);
}

/* ---- symbols, numbers, days ------------------------------------------------------------------------------------------ */

static struct pq_value
set_of(const struct pq_domain *domain, const size_t *at, size_t n, struct pq_arena *arena)
{
	struct pq_text *texts = must(pq_arena_array(arena, n + 1, sizeof(*texts)));

	for (size_t i = 0; i < n; i++)
		texts[i] = text(domain->symbols[at[i]]);
	return (struct pq_value){.kind = PQ_VALUE_TEXTS, .texts = texts, .n_texts = n};
}

static void
add_sets(struct pq_values *list, const struct pq_domain *domain, struct pq_random *random, struct pq_arena *arena)
{
	size_t n = domain->n_symbols;

	add(list, set_of(domain, NULL, 0, arena), arena);
	for (size_t i = 0; i < n; i++)
		add(list, set_of(domain, &i, 1, arena), arena);
	for (size_t i = 0; i < n && n <= MAX_PAIRED; i++) {
		for (size_t k = i + 1; k < n; k++)
			add(list, set_of(domain, (size_t[]){i, k}, 2, arena), arena);
	}
	for (size_t tries = 0; n >= 2 && tries < 24; tries++) {
		size_t first = pq_random_below(random, n), step = 1 + pq_random_below(random, n - 1);
		size_t many = n > 2 && tries % 2 == 0 ? 3 : 2;
		size_t at[3] = {first, (first + step) % n, (first + 2 * step) % n};
		add(list, set_of(domain, at, at[2] == at[0] ? 2 : many, arena), arena);
	}
	list->enough = n <= MAX_PAIRED;
}

static void
add_number(struct pq_values *list, const struct pq_attr *attr, int64_t number, struct pq_arena *arena)
{
	if (number < (attr->has_min ? attr->min : 0) || (attr->has_max && number > attr->max) ||
	    number > INT64_C(100000000000) * PQ_NUMBER_SCALE)
		return;
	for (size_t i = 0; i < list->n; i++) {
		if (list->at[i].number == number)
			return;
	}
	add(list, (struct pq_value){.kind = PQ_VALUE_NUMBER, .number = number}, arena);
}

/* Are there sums in which numbers are multiplied? They turn at numbers that nobody writes. */
static bool
has_multiples(const struct pq_model *model)
{
	for (size_t r = 0; r < model->n_rules; r++) {
		const struct pq_rule *rule = &model->rules[r];
		for (size_t t = 0; rule->kind == PQ_KIND_DERIVE && rule->derive == PQ_DERIVE_SUM && t < rule->n_terms; t++) {
			if (model->attrs[rule->terms[t].attr].is_fact && rule->terms[t].times != 1 && rule->terms[t].times != -1)
				return true;
		}
	}
	return false;
}

static void
add_numbers(struct pq_values *list, const struct pq_random_request_form *form, const struct pq_attr *attr,
            const int64_t *others, size_t n_others, struct pq_arena *arena)
{
	list->enough = !has_multiples(form->model);
	add_number(list, attr, attr->has_min ? attr->min : 0, arena);
	add_number(list, attr, attr->has_max ? attr->max : INT64_C(10000000000) * PQ_NUMBER_SCALE, arena);
	for (size_t i = 0; i < form->n_numbers; i++) {
		for (int64_t d = -1; d <= 1; d++) {
			add_number(list, attr, form->numbers[i] + d, arena);
			for (size_t k = 0; k < n_others; k++)
				add_number(list, attr, form->numbers[i] - others[k] + d, arena);
		}
	}
}

static void
add_days(struct pq_values *list, const struct pq_random_request_form *form, struct pq_arena *arena)
{
	for (size_t i = 0; i < form->n_dates; i++) {
		for (int64_t d = -1; d <= 1; d++) {
			char *day = must(pq_arena_alloc(arena, 16));
			if (form->dates[i] + d < -25567 || form->dates[i] + d > 84005)
				continue;
			pq_date_format((int32_t)(form->dates[i] + d), day, 16);
			add(list, (struct pq_value){.kind = PQ_VALUE_TEXT, .text = text(day)}, arena);
		}
	}
}

/* ---- all of them ------------------------------------------------------------------------------------------------------ */

static void
choose(struct pq_values *list, size_t most, struct pq_random *random)
{
	if (list->n <= most)
		return;
	for (size_t i = 0; i < most; i++) {
		size_t other = i + pq_random_below(random, list->n - i);
		struct pq_value value = list->at[i];
		list->at[i] = list->at[other];
		list->at[other] = value;
	}
	list->n = most;
	list->enough = false;
}

void
pq_values_of(const struct pq_random_request_form *form, uint32_t attr, const char *known, const int64_t *others,
             size_t n_others, size_t most, struct pq_random *random, struct pq_arena *arena, struct pq_values *ret)
{
	const struct pq_model *model = form->model;
	const struct pq_attr *a = &model->attrs[attr];
	const struct pq_domain *domain = a->domain != PQ_NO_INDEX ? &model->domains[a->domain] : NULL;

	*ret = (struct pq_values){.enough = true};
	switch (a->type) {
	case PQ_TYPE_BOOL:
		for (int b = 0; b < 2; b++)
			add(ret, (struct pq_value){.kind = PQ_VALUE_BOOL, .boolean = b}, arena);
		break;
	case PQ_TYPE_SYMBOL:
		for (size_t i = 0; i < domain->n_symbols; i++)
			add(ret, (struct pq_value){.kind = PQ_VALUE_TEXT, .text = text(domain->symbols[i])}, arena);
		break;
	case PQ_TYPE_SYMBOLS: add_sets(ret, domain, random, arena); break;
	case PQ_TYPE_NUMBER: add_numbers(ret, form, a, others, n_others, arena); break;
	case PQ_TYPE_DATE: add_days(ret, form, arena); break;
	case PQ_TYPE_CODE: add_codes(ret, model, a, known, arena); break;
	case PQ_TYPE_PATH:
	case PQ_TYPE_TEXT:
	case PQ_TYPE_COUNT: break;
	}
	choose(ret, most, random);
}

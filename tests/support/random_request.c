#include "tests/support/random_request.h"

#include "tests/support/random.h"

#include <stdlib.h>
#include <string.h>

static void *
must(void *block)
{
	if (block == NULL)
		abort();
	return block;
}

/* ---- the numbers of a model ---------------------------------------------------------------------------------------- */

struct numbers {
	int64_t *at;
	size_t n, room;
	struct pq_arena *arena;
};

static void
add(struct numbers *list, int64_t number)
{
	if (number == INT64_MIN || number == INT64_MAX || number == PQ_DATE_MIN || number == PQ_DATE_MAX)
		return;
	for (size_t i = 0; i < list->n; i++) {
		if (list->at[i] == number)
			return;
	}
	if (list->n == list->room) {
		int64_t *more = must(pq_arena_array(list->arena, list->room = list->room * 2 + 16, sizeof(*more)));
		if (list->n > 0)
			memcpy(more, list->at, list->n * sizeof(*more));
		list->at = more;
	}
	list->at[list->n++] = number;
}

static void
add_dnf(const struct pq_model *model, const struct pq_dnf *dnf, struct numbers *numbers, struct numbers *dates)
{
	for (size_t i = 0; dnf != NULL && i < dnf->n; i++) {
		for (size_t j = 0; j < dnf->conjs[i].n; j++) {
			const struct pq_cond *cond = &dnf->conjs[i].conds[j];
			add_dnf(model, cond->inner, numbers, dates);
			for (size_t k = 0; cond->op == PQ_OP_RANGE && k < cond->n_ranges; k++) {
				struct numbers *to = model->attrs[cond->attr].type == PQ_TYPE_DATE ? dates : numbers;
				add(to, cond->ranges[k].lo);
				add(to, cond->ranges[k].hi);
			}
		}
	}
}

static void
add_tables(const struct pq_model *model, struct numbers *numbers, struct numbers *dates)
{
	for (size_t t = 0; t < model->n_tables; t++) {
		const struct pq_table *table = &model->tables[t];
		for (size_t r = 0; r < table->n_rows; r++) {
			add(dates, table->rows[r].from);
			add(dates, table->rows[r].to);
			add(dates, table->rows[r].edition);
			for (size_t c = 0; c < table->n_columns; c++) {
				const struct pq_cell *cell = &table->rows[r].cells[c];
				bool date = table->columns[c].type == PQ_TYPE_DATE;
				if ((table->columns[c].type == PQ_TYPE_NUMBER || date) && !cell->value.none && !cell->doubtful)
					add(date ? dates : numbers, cell->value.number);
			}
		}
	}
}

void
pq_random_request_form(const struct pq_model *model, struct pq_arena *arena, struct pq_random_request_form *ret)
{
	struct numbers numbers = {.arena = arena}, dates = {.arena = arena};

	add(&numbers, 0);
	for (size_t r = 0; r < model->n_rules; r++) {
		const struct pq_rule *rule = &model->rules[r];
		add_dnf(model, &rule->when, &numbers, &dates);
		add(&dates, rule->from);
		add(&dates, rule->to);
		for (size_t s = 0; s < rule->n_stays; s++) {
			add(&dates, rule->stays[s].from);
			add(&dates, rule->stays[s].to);
		}
		if (rule->kind == PQ_KIND_DERIVE && rule->derive == PQ_DERIVE_COMPARE && rule->right == PQ_NO_INDEX)
			add(model->attrs[rule->left].type == PQ_TYPE_DATE ? &dates : &numbers, rule->set.number);
	}
	add_tables(model, &numbers, &dates);
	for (size_t i = 0; i < model->n_amendments; i++)
		add(&dates, model->amendments[i].effective);
	add(&dates, 19800);
	*ret = (struct pq_random_request_form){model, numbers.at, numbers.n, dates.at, dates.n};
}

/* ---- values --------------------------------------------------------------------------------------------------------- */

struct maker {
	const struct pq_random_request_form *form;
	struct pq_random random;
	struct pq_arena *arena;
	unsigned given;   /* how often a fact is said, in percent */
	unsigned null;    /* how often it is said to be unknown */
	bool values_only; /* what is said stays said */
};

static struct pq_text
text(const char *at)
{
	return (struct pq_text){at, strlen(at)};
}

/* What conditions and rows list of a path: mostly something near it. */
static const char *
random_path(struct maker *m, uint32_t path)
{
	const struct pq_model *model = m->form->model;
	static const char *const others[] = {"a", "b", "a.1", "a.2", "a.1.x", "b.1", "c", "d"};

	if (path != PQ_NO_INDEX && model->domains[model->attrs[path].domain].n_symbols > 0 &&
	    pq_random_chance(&m->random, 50)) {
		const struct pq_domain *domain = &model->domains[model->attrs[path].domain];
		return domain->symbols[pq_random_below(&m->random, domain->n_symbols)];
	}
	return others[pq_random_below(&m->random, sizeof(others) / sizeof(others[0]))];
}

static struct pq_text
random_code(struct maker *m, const struct pq_attr *attr)
{
	const struct pq_domain *domain = &m->form->model->domains[attr->domain];
	const char *symbol = domain->symbols[pq_random_below(&m->random, domain->n_symbols)];
	const char *mark = "";

	if (attr->marks.n > 0 && pq_random_chance(&m->random, 20))
		mark = attr->marks.at[0];
	if (attr->path == PQ_NO_INDEX || pq_random_chance(&m->random, 15))
		return text(must(pq_arena_printf(m->arena, "%s%s", mark, symbol)));
	const char *path = random_path(m, attr->path);
	const char *form = attr->separator == '(' ? "%s%s(%s)" : "%s%s.%s";
	return text(must(pq_arena_printf(m->arena, form, mark, symbol, path)));
}

static int64_t
near(struct maker *m, const int64_t *numbers, size_t n, int64_t unit)
{
	int64_t at = numbers[pq_random_below(&m->random, n)];

	return at + ((int64_t)pq_random_below(&m->random, 3) - 1) * unit;
}

static struct pq_value
random_number(struct maker *m, const struct pq_attr *attr)
{
	struct pq_value v = {.kind = PQ_VALUE_NUMBER};

	v.number = near(m, m->form->numbers, m->form->n_numbers, 1);
	if (attr->has_min && v.number < attr->min)
		v.number = attr->min;
	if (attr->has_max && v.number > attr->max)
		v.number = attr->max;
	return v;
}

static int32_t
random_day(struct maker *m)
{
	int64_t day = near(m, m->form->dates, m->form->n_dates, 1);

	return day < -25567 ? -25567 : day > 84005 ? 84005 : (int32_t)day;
}

static struct pq_value
random_date(struct maker *m)
{
	char *buf = must(pq_arena_alloc(m->arena, 16));

	pq_date_format(random_day(m), buf, 16);
	return (struct pq_value){.kind = PQ_VALUE_TEXT, .text = text(buf)};
}

static struct pq_value
random_symbol(struct maker *m, const struct pq_domain *domain)
{
	const char *symbol = domain->symbols[pq_random_below(&m->random, domain->n_symbols)];

	return (struct pq_value){.kind = PQ_VALUE_TEXT, .text = text(symbol)};
}

static struct pq_value
random_symbols(struct maker *m, const struct pq_domain *domain)
{
	size_t n = pq_random_below(&m->random, 3);
	struct pq_text *texts = must(pq_arena_array(m->arena, n, sizeof(*texts)));
	size_t first = pq_random_below(&m->random, domain->n_symbols);

	if (n > domain->n_symbols)
		n = domain->n_symbols;
	for (size_t i = 0; i < n; i++)
		texts[i] = text(domain->symbols[(first + i) % domain->n_symbols]);
	return (struct pq_value){.kind = PQ_VALUE_TEXTS, .texts = texts, .n_texts = n};
}

/* A text that an attribute reads: often one of the attribute's symbols, with points between and digits behind. */
static struct pq_value
random_text(struct maker *m, const struct pq_attr *attr)
{
	const struct pq_model *model = m->form->model;
	const char *words = pq_random_chance(&m->random, 50) ? "one" : "two";

	for (uint32_t a = 0; a < model->n_attrs; a++) {
		const struct pq_attr *reader = &model->attrs[a];
		if (reader->digits == 0 || &model->attrs[reader->said.at[0]] != attr || !pq_random_chance(&m->random, 70))
			continue;
		const struct pq_domain *domain = &model->domains[reader->domain];
		const char *symbol = domain->symbols[pq_random_below(&m->random, domain->n_symbols)];
		int head = (int)pq_random_below(&m->random, strlen(symbol) + 1);
		words = must(pq_arena_printf(m->arena, "%.*s.%s%s", head, symbol, symbol + head,
		                             pq_random_chance(&m->random, 50) ? "" : " 4000"));
	}
	return (struct pq_value){.kind = PQ_VALUE_TEXT, .text = text(words)};
}

static struct pq_value
random_value(struct maker *m, const struct pq_attr *attr)
{
	const struct pq_domain *domain = attr->domain == PQ_NO_INDEX ? NULL : &m->form->model->domains[attr->domain];

	switch (attr->type) {
	case PQ_TYPE_BOOL: return (struct pq_value){.kind = PQ_VALUE_BOOL, .boolean = pq_random_chance(&m->random, 50)};
	case PQ_TYPE_NUMBER: return random_number(m, attr);
	case PQ_TYPE_DATE: return random_date(m);
	case PQ_TYPE_SYMBOL: return random_symbol(m, domain);
	case PQ_TYPE_SYMBOLS: return random_symbols(m, domain);
	case PQ_TYPE_CODE: return (struct pq_value){.kind = PQ_VALUE_TEXT, .text = random_code(m, attr)};
	case PQ_TYPE_TEXT: return random_text(m, attr);
	case PQ_TYPE_PATH:
	case PQ_TYPE_COUNT: break;
	}
	return (struct pq_value){.kind = PQ_VALUE_UNKNOWN};
}

struct pq_value
pq_random_value(const struct pq_random_request_form *form, uint32_t attr, struct pq_random *random,
                struct pq_arena *arena)
{
	struct maker m = {.form = form, .random = *random, .arena = arena};
	struct pq_value value = random_value(&m, &form->model->attrs[attr]);

	*random = m.random;
	return value;
}

/* ---- requests ------------------------------------------------------------------------------------------------------- */

static bool
has_values(const struct pq_model *model, const struct pq_attr *attr)
{
	return attr->domain == PQ_NO_INDEX || model->domains[attr->domain].n_symbols > 0;
}

bool
pq_is_mark(const struct pq_model *model, uint32_t attr)
{
	for (size_t a = 0; a < model->n_attrs; a++) {
		if (model->attrs[a].type == PQ_TYPE_CODE && model->attrs[a].mark_attr == attr)
			return true;
	}
	return false;
}

static struct pq_facts
random_facts(struct maker *m, enum pq_scope scope, unsigned given)
{
	const struct pq_model *model = m->form->model;
	struct pq_fact *facts = must(pq_arena_array(m->arena, model->n_attrs, sizeof(*facts)));
	size_t skip = scope == PQ_SCOPE_REQUEST ? 0 : strlen(pq_scope_name(scope)) + 1;
	size_t n = 0;

	for (size_t a = 0; a < model->n_attrs; a++) {
		const struct pq_attr *attr = &model->attrs[a];
		if (!attr->is_fact || attr->scope != scope || attr->type == PQ_TYPE_PATH || !has_values(model, attr) ||
		    pq_is_mark(model, (uint32_t)a))
			continue;
		if (!attr->required && !pq_random_chance(&m->random, given))
			continue;
		facts[n].name = text(attr->name + skip);
		if (!attr->required && pq_random_chance(&m->random, m->null))
			facts[n].value = (struct pq_value){.kind = PQ_VALUE_UNKNOWN};
		else
			facts[n].value = random_value(m, attr);
		n++;
	}
	return (struct pq_facts){facts, n};
}

static const struct pq_facts *
random_elements(struct maker *m, enum pq_scope scope, size_t n)
{
	struct pq_facts *elements = must(pq_arena_array(m->arena, n, sizeof(*elements)));

	for (size_t i = 0; i < n; i++)
		elements[i] = random_facts(m, scope, m->given);
	return elements;
}

void
pq_random_request(const struct pq_random_request_form *form, uint64_t seed, struct pq_arena *arena,
                  struct pq_request *ret)
{
	struct maker m = {.form = form, .random = {seed}, .arena = arena};
	struct pq_request request = {0};

	m.given = 70 + (unsigned)pq_random_below(&m.random, 30);
	m.null = (unsigned)pq_random_below(&m.random, 8);
	request.as_of = random_day(&m);
	request.jurisdiction_only = pq_random_chance(&m.random, 2);
	request.facts = random_facts(&m, PQ_SCOPE_REQUEST, m.given);
	if (pq_random_chance(&m.random, 8)) {
		struct pq_facts *lines = must(pq_arena_array(arena, 3, sizeof(*lines)));
		request.n_lines = 1 + pq_random_below(&m.random, 3);
		for (size_t i = 0; i < request.n_lines; i++)
			lines[i] = random_facts(&m, PQ_SCOPE_REQUEST, 10);
		request.lines = lines;
	}
	request.n_parties = pq_random_below(&m.random, 3);
	struct pq_party *parties = must(pq_arena_array(arena, request.n_parties, sizeof(*parties)));
	for (size_t i = 0; i < request.n_parties; i++) {
		parties[i].facts = random_facts(&m, PQ_SCOPE_PARTY, m.given);
		parties[i].n_owners = pq_random_chance(&m.random, 30) ? 1 + pq_random_below(&m.random, 2) : 0;
		parties[i].owners = random_elements(&m, PQ_SCOPE_OWNER, parties[i].n_owners);
	}
	request.parties = parties;
	request.n_hits = pq_random_chance(&m.random, 20) ? 1 + pq_random_below(&m.random, 2) : 0;
	request.hits = random_elements(&m, PQ_SCOPE_HIT, request.n_hits);
	request.n_intermediates = pq_random_chance(&m.random, 20) ? 1 + pq_random_below(&m.random, 2) : 0;
	request.intermediates = random_elements(&m, PQ_SCOPE_INTERMEDIATE, request.n_intermediates);
	*ret = request;
}

/* ---- changes of a request ------------------------------------------------------------------------------------------- */

static uint32_t
find_fact(const struct pq_model *model, enum pq_scope scope, struct pq_text name)
{
	size_t skip = scope == PQ_SCOPE_REQUEST ? 0 : strlen(pq_scope_name(scope)) + 1;

	for (uint32_t a = 0; a < model->n_attrs; a++) {
		const struct pq_attr *attr = &model->attrs[a];
		if (attr->is_fact && attr->scope == scope && attr->type != PQ_TYPE_PATH && has_values(model, attr) &&
		    strlen(attr->name + skip) == name.len && memcmp(attr->name + skip, name.at, name.len) == 0)
			return a;
	}
	return PQ_NO_INDEX;
}

static bool
has_name(const struct pq_fact *facts, size_t n, struct pq_text name)
{
	for (size_t i = 0; i < n; i++) {
		if (facts[i].name.len == name.len && memcmp(facts[i].name.at, name.at, name.len) == 0)
			return true;
	}
	return false;
}

/* One more fact, whichever; nothing if it is there already. */
static size_t
add_fact(struct maker *m, enum pq_scope scope, struct pq_fact *facts, size_t n)
{
	const struct pq_model *model = m->form->model;
	uint32_t a = (uint32_t)pq_random_below(&m->random, model->n_attrs);
	const struct pq_attr *attr = &model->attrs[a];
	size_t skip = scope == PQ_SCOPE_REQUEST ? 0 : strlen(pq_scope_name(scope)) + 1;

	if (!attr->is_fact || attr->scope != scope || attr->type == PQ_TYPE_PATH || !has_values(model, attr) ||
	    has_name(facts, n, text(attr->name + skip)) || pq_is_mark(model, a))
		return n;
	facts[n] = (struct pq_fact){text(attr->name + skip), random_value(m, attr)};
	return n + 1;
}

static struct pq_facts
change_facts(struct maker *m, enum pq_scope scope, const struct pq_facts *base)
{
	const struct pq_model *model = m->form->model;
	struct pq_fact *facts = must(pq_arena_array(m->arena, base->n + 3, sizeof(*facts)));
	size_t n = 0;

	for (size_t i = 0; i < base->n; i++) {
		uint32_t a = find_fact(model, scope, base->at[i].name);
		facts[n] = base->at[i];
		if (a == PQ_NO_INDEX || !pq_random_chance(&m->random, m->given)) {
			n++;
			continue;
		}
		const struct pq_attr *attr = &model->attrs[a];
		size_t how = m->values_only ? 100 : pq_random_below(&m->random, 100);
		if (how < 25 && !attr->required)
			continue;
		if (how < 40 && !attr->required)
			facts[n].value = (struct pq_value){.kind = PQ_VALUE_UNKNOWN};
		else
			facts[n].value = random_value(m, attr);
		n++;
	}
	for (int tries = 0; tries < 3; tries++)
		n = add_fact(m, scope, facts, n);
	return (struct pq_facts){facts, n};
}

static const struct pq_facts *
change_elements(struct maker *m, enum pq_scope scope, const struct pq_facts *base, size_t n)
{
	struct pq_facts *elements = must(pq_arena_array(m->arena, n, sizeof(*elements)));

	for (size_t i = 0; i < n; i++)
		elements[i] = change_facts(m, scope, &base[i]);
	return elements;
}

static void
change(const struct pq_random_request_form *form, const struct pq_request *base, uint64_t seed, bool values_only,
       struct pq_arena *arena, struct pq_request *ret)
{
	struct maker m = {.form = form, .random = {seed}, .arena = arena, .values_only = values_only};
	struct pq_request request = *base;
	struct pq_party *parties = must(pq_arena_array(arena, base->n_parties, sizeof(*parties)));

	m.given = (unsigned)pq_random_below(&m.random, 40);
	if (pq_random_chance(&m.random, 25))
		request.as_of += (int32_t)pq_random_below(&m.random, 400) - 200;
	if (pq_random_chance(&m.random, 10))
		request.as_of = random_day(&m);
	if (pq_random_chance(&m.random, 2))
		request.jurisdiction_only = !request.jurisdiction_only;
	request.facts = change_facts(&m, PQ_SCOPE_REQUEST, &base->facts);
	request.lines = change_elements(&m, PQ_SCOPE_REQUEST, base->lines, base->n_lines);
	for (size_t i = 0; i < base->n_parties; i++) {
		const struct pq_party *party = &base->parties[i];
		parties[i].facts = change_facts(&m, PQ_SCOPE_PARTY, &party->facts);
		parties[i].owners = change_elements(&m, PQ_SCOPE_OWNER, party->owners, party->n_owners);
		parties[i].n_owners = party->n_owners;
	}
	request.parties = parties;
	request.hits = change_elements(&m, PQ_SCOPE_HIT, base->hits, base->n_hits);
	request.intermediates = change_elements(&m, PQ_SCOPE_INTERMEDIATE, base->intermediates, base->n_intermediates);
	*ret = request;
}

void
pq_random_change(const struct pq_random_request_form *form, const struct pq_request *base, uint64_t seed,
                 struct pq_arena *arena, struct pq_request *ret)
{
	change(form, base, seed, false, arena, ret);
}

void
pq_random_change_values(const struct pq_random_request_form *form, const struct pq_request *base, uint64_t seed,
                        struct pq_arena *arena, struct pq_request *ret)
{
	change(form, base, seed, true, arena, ret);
}

/* ---- as a text ------------------------------------------------------------------------------------------------------ */

static const char *
value_text(const struct pq_value *v, struct pq_arena *arena)
{
	char number[32];
	const char *list = "[";

	switch (v->kind) {
	case PQ_VALUE_UNKNOWN: return "null";
	case PQ_VALUE_BOOL: return v->boolean ? "true" : "false";
	case PQ_VALUE_NUMBER: pq_number_format(v->number, number, sizeof(number)); return pq_arena_printf(arena, "%s", number);
	case PQ_VALUE_TEXT: return pq_arena_printf(arena, "\"%.*s\"", (int)v->text.len, v->text.at);
	case PQ_VALUE_TEXTS: break;
	}
	for (size_t i = 0; i < v->n_texts; i++)
		list = pq_arena_printf(arena, "%s%s\"%.*s\"", list, i > 0 ? ", " : "", (int)v->texts[i].len, v->texts[i].at);
	return pq_arena_printf(arena, "%s]", list);
}

static const char *
facts_text(const char *so_far, const char *head, const struct pq_facts *facts, struct pq_arena *arena)
{
	so_far = pq_arena_printf(arena, "%s\n%s {", so_far, head);
	for (size_t i = 0; i < facts->n; i++) {
		const struct pq_fact *f = &facts->at[i];
		so_far = pq_arena_printf(arena, "%s%s\"%.*s\": %s", so_far, i > 0 ? ", " : "", (int)f->name.len, f->name.at,
		                         value_text(&f->value, arena));
	}
	return pq_arena_printf(arena, "%s}", so_far);
}

const char *
pq_request_text(const struct pq_request *request, struct pq_arena *arena)
{
	char day[16];

	pq_date_format(request->as_of, day, sizeof(day));
	const char *all = pq_arena_printf(arena, "as_of %s%s", day, request->jurisdiction_only ? ", jurisdiction only" : "");
	all = facts_text(all, "facts", &request->facts, arena);
	for (size_t i = 0; i < request->n_lines; i++)
		all = facts_text(all, "line", &request->lines[i], arena);
	for (size_t i = 0; i < request->n_parties; i++) {
		all = facts_text(all, "party", &request->parties[i].facts, arena);
		for (size_t k = 0; k < request->parties[i].n_owners; k++)
			all = facts_text(all, "    owner", &request->parties[i].owners[k], arena);
	}
	for (size_t i = 0; i < request->n_hits; i++)
		all = facts_text(all, "hit", &request->hits[i], arena);
	for (size_t i = 0; i < request->n_intermediates; i++)
		all = facts_text(all, "intermediate", &request->intermediates[i], arena);
	return all;
}

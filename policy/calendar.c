/*
 * The calendar of a value: for each date on which anything in the revision begins or ends, what is different from the
 * day before where the fact has this value and all others are open. There is one party, owner, hit and stop on the way,
 * open as well, but of this value: a calendar of a country is that of dealings with this country alone.
 */
#include "policy/calendar.h"

#include "policy/decide_parts.h"

#include <string.h>

struct day {
	uint64_t *sure;      /* the sets of the request's attributes */
	uint8_t *rules;      /* by rule: can it apply? */
};

struct run {
	const struct pq_image *image;
	struct pq_arena *arena;
	uint32_t attr, symbol;
	struct pq_change *at;
	size_t n, cap;
	bool oom;
};

static void
add(struct run *run, struct pq_change change)
{
	if (run->n == run->cap) {
		size_t cap = run->cap > 0 ? run->cap * 2 : 256;
		struct pq_change *at = pq_arena_array(run->arena, cap, sizeof(*at));
		if (at == NULL) {
			run->oom = true;
			return;
		}
		if (run->n > 0)
			memcpy(at, run->at, run->n * sizeof(*at));
		run->at = at;
		run->cap = cap;
	}
	run->at[run->n++] = change;
}

/* ---- rows ---- */

static bool
row_names(const struct run *run, const struct pq_p_row *row)
{
	const struct pq_program *p = &run->image->p;
	const struct pq_p_table *table = &p->tables[row->table];
	uint32_t domain = p->attrs[run->attr].domain;

	for (uint32_t c = 0; c < table->columns.n; c++) {
		const struct pq_p_cell *cell = &p->cells[row->cells + c];
		if (p->columns[table->columns.first + c].domain != domain)
			continue;
		for (uint32_t i = 0; i < cell->items.n; i++) {
			if (p->lists[cell->items.first + i] == run->symbol)
				return true;
		}
	}
	return false;
}

/* "country_groups: KH, D:5": the table and the symbols of the row. */
static const char *
row_words(struct run *run, const struct pq_p_row *row)
{
	const struct pq_program *p = &run->image->p;
	const struct pq_p_table *table = &p->tables[row->table];
	const char *text = pq_string(run->image, table->name);
	bool first = true;

	for (uint32_t c = 0; c < table->columns.n && text != NULL; c++) {
		const struct pq_p_column *column = &p->columns[table->columns.first + c];
		const struct pq_p_cell *cell = &p->cells[row->cells + c];
		if (column->domain == PQ_NO_INDEX || column->type == PQ_TYPE_BOOL || cell->items.n != 1)
			continue;
		const char *symbol = pq_string(run->image, p->symbols[p->domains[column->domain].symbols.first +
		                                                      p->lists[cell->items.first]]);
		text = pq_arena_printf(run->arena, "%s%s %s", text, first ? ":" : ",", symbol);
		first = false;
	}
	return text;
}

static void
add_row(struct run *run, const struct pq_p_row *row, int32_t date, enum pq_change_kind kind)
{
	struct pq_change change = {
	    .date = date,
	    .kind = kind,
	    .subject = row_words(run, row),
	    .value = "",
	    .cite = pq_string(run->image, row->cite),
	    .source = pq_arena_printf(run->arena, "%s:%d", pq_string(run->image, row->file), row->line),
	};

	if (change.subject == NULL || change.source == NULL)
		run->oom = true;
	else
		add(run, change);
}

static void
add_rows(struct run *run, int32_t date)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < run->image->p.n_rows && !run->oom; i++) {
			const struct pq_p_row *row = &run->image->p.rows[i];
			if ((pass == 0 ? row->from : row->to) != date || !row_names(run, row))
				continue;
			add_row(run, row, date, pass == 0 ? PQ_CHANGE_ROW_BEGINS : PQ_CHANGE_ROW_ENDS);
		}
	}
}

/* ---- attributes and rules ---- */

static void
compare_sets(struct run *run, int32_t date, const struct day *before, const struct day *after)
{
	const struct pq_program *p = &run->image->p;

	for (int pass = 0; pass < 2; pass++) {
		const uint64_t *without = pass == 0 ? before->sure : after->sure;
		const uint64_t *with = pass == 0 ? after->sure : before->sure;
		for (size_t i = 0; i < p->n_attrs && !run->oom; i++) {
			const struct pq_p_attr *a = &p->attrs[i];
			for (uint32_t w = 0; a->scope == PQ_SCOPE_REQUEST && w < a->words; w++) {
				for (uint64_t left = with[a->word + w] & ~without[a->word + w]; left != 0; left &= left - 1) {
					uint32_t symbol = w * 64 + (uint32_t)__builtin_ctzll(left);
					if (a->type == PQ_TYPE_BOOL && symbol == PQ_BOOL_FALSE)
						continue;
					add(run, (struct pq_change){
					             .date = date,
					             .kind = pass == 0 ? PQ_CHANGE_GAINS : PQ_CHANGE_LOSES,
					             .subject = pq_string(run->image, a->name),
					             .value = pq_string(run->image,
					                                p->symbols[p->domains[a->domain].symbols.first + symbol]),
					             .cite = "",
					             .source = "",
					         });
				}
			}
		}
	}
}

static void
compare_rules(struct run *run, int32_t date, const struct day *before, const struct day *after)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < run->image->p.n_rules && !run->oom; i++) {
			if (before->rules[i] == after->rules[i] || after->rules[i] != (pass == 0))
				continue;
			const struct pq_rule_ref *rule = pq_image_rule(run->image, i);
			const char *source = pq_arena_printf(run->arena, "%s:%d", rule->file, rule->line);
			if (source == NULL)
				run->oom = true;
			add(run, (struct pq_change){.date = date,
			                            .kind = pass == 0 ? PQ_CHANGE_RULE_BEGINS : PQ_CHANGE_RULE_ENDS,
			                            .subject = rule->id,
			                            .value = "",
			                            .cite = rule->cite,
			                            .source = source,
			                            .title = rule->title});
		}
	}
}

/* What surely holds of single-valued attributes is their only possible value. */
static void
keep_sure(const struct pq_eval *ev, uint64_t *out)
{
	for (size_t i = 0; i < ev->p->n_attrs; i++) {
		const struct pq_p_attr *a = &ev->p->attrs[i];
		if (a->scope != PQ_SCOPE_REQUEST)
			continue;
		const struct pq_val *val = &ev->req.vals[a->slot];
		size_t n = 0;
		for (uint32_t w = 0; w < a->words; w++)
			n += (size_t)__builtin_popcountll(val->poss[w]);
		for (uint32_t w = 0; w < a->words; w++)
			out[a->word + w] = !a->single ? val->sure[w] : n == 1 && !val->may_none ? val->poss[w] : 0;
	}
}

/* The rules that are matched after the outcome, whatever that is. */
static void
look_after(struct pq_eval *ev, uint8_t *rules)
{
	const struct pq_program *p = ev->p;

	for (uint32_t attr = PQ_ATTR_DECISION_OUTCOME; attr <= PQ_ATTR_DECISION_SOLE; attr++) {
		const struct pq_p_attr *a = &p->attrs[attr];
		struct pq_val *val = &ev->decision.vals[a->slot];
		memset(val->sure, 0, a->words * sizeof(*val->sure));
		memset(val->poss, 0, a->words * sizeof(*val->poss));
		for (uint32_t s = 0; a->domain != PQ_NO_INDEX && s < p->domains[a->domain].symbols.n; s++)
			val->poss[s / 64] |= UINT64_C(1) << (s % 64);
		val->may_none = a->single;
	}
	for (uint32_t space = 0; ev->image->meta->post_space != PQ_NO_INDEX && space < p->n_spaces; space++) {
		if (p->spaces[space].level + 1 == ev->image->meta->n_levels)
			pq_match_space(ev, space);
	}
	for (uint32_t i = 0; ev->image->meta->post_space != PQ_NO_INDEX && i < p->n_post_rules; i++) {
		const struct pq_p_rule *rule = &p->rules[p->post_rules[i]];
		rules[p->post_rules[i]] = ev->decision.tri[p->dnfs[rule->dnf].slot] != PQ_F;
	}
}

static bool
look(struct run *run, struct pq_eval *ev, struct pq_request *request, int32_t date, struct day *ret)
{
	struct pq_outcome_range range = {0};

	ret->sure = pq_arena_array(run->arena, (size_t)run->image->meta->scope_words[PQ_SCOPE_REQUEST] + 1, sizeof(*ret->sure));
	ret->rules = pq_arena_array(run->arena, run->image->p.n_rules + 1, 1);
	range.usable = pq_arena_array(run->arena, (size_t)run->image->meta->exception_words + 1, sizeof(*range.usable));
	if (ret->sure == NULL || ret->rules == NULL || range.usable == NULL)
		return false;
	request->as_of = date;
	ev->stale = true;
	pq_forget_unknowns(ev);
	pq_evaluate(ev, &range);
	keep_sure(ev, ret->sure);
	for (size_t i = 0; i < ev->n_active; i++)
		ret->rules[ev->active[i].rule] = 1;
	look_after(ev, ret->rules);
	return !ev->oom;
}

static enum pq_status
find_value(const struct pq_image *image, const char *fact, const char *value, struct run *run, struct pq_err *err)
{
	for (uint32_t i = 0; i < image->p.n_attrs; i++) {
		const struct pq_p_attr *a = &image->p.attrs[i];
		if (!a->is_fact || a->scope != PQ_SCOPE_REQUEST || strcmp(pq_string(image, a->name), fact) != 0)
			continue;
		if (a->type != PQ_TYPE_SYMBOL && a->type != PQ_TYPE_SYMBOLS)
			break;
		run->attr = i;
		run->symbol = pq_find_symbol(image, a->domain, value, strlen(value));
		if (run->symbol == PQ_NO_INDEX)
			return pq_fail_at(err, PQ_EINVAL, fact, 0, 0, "\"%.80s\" is not a known %s", value,
			                  pq_string(image, image->p.domains[a->domain].name));
		return PQ_OK;
	}
	return pq_fail_at(err, PQ_EINVAL, fact, 0, 0, "is no fact of the request whose values are symbols");
}

/* Everything may be, but for what the calendar is of. Other facts of the request with its domain (where it comes from,
 * whose citizen a person is) are as silence has them: open, they would bring the changes of all other values. */
static void
open_facts(const struct run *run, struct pq_element *element)
{
	for (uint32_t i = 0; i < run->image->p.n_attrs; i++) {
		const struct pq_p_attr *a = &run->image->p.attrs[i];
		if (!a->is_fact || a->scope != element->scope || a->type == PQ_TYPE_TEXT)
			continue;
		bool same = a->domain == run->image->p.attrs[run->attr].domain && a->type == run->image->p.attrs[run->attr].type;
		struct pq_given *given = &element->given[a->slot];
		if (i == run->attr || (same && element->scope != PQ_SCOPE_REQUEST))
			*given = (struct pq_given){.state = PQ_SAID, .n_symbols = 1, .symbols = &run->symbol};
		else if (!same) /* said, whatever it is */
			*given = (struct pq_given){
			    .state = PQ_SAID, .text = {"", 0}, .opened = true, .or_none = a->type != PQ_TYPE_BOOL};
		if (given->state != PQ_SILENT)
			pq_note_said(element->said, a->slot);
	}
}

static bool
set_up(const struct run *run, struct pq_eval *ev)
{
	if (!pq_eval_one_each(ev))
		return false;
	open_facts(run, &ev->req);
	open_facts(run, &ev->parties[0]);
	open_facts(run, &ev->parties[0].owners[0]);
	open_facts(run, &ev->hits[0]);
	open_facts(run, &ev->intermediates[0]);
	return true;
}

enum pq_status
pq_calendar_of(const struct pq_image *image, const char *fact, const char *value, int32_t from, int32_t to,
               struct pq_arena *arena, struct pq_calendar *ret, struct pq_err *err)
{
	struct run run = {.image = image, .arena = arena};
	const struct pq_facts nothing = {0};
	const struct pq_party party = {.owners = &nothing, .n_owners = 1};
	struct pq_request request = {.parties = &party,
	                             .n_parties = 1,
	                             .hits = &nothing,
	                             .n_hits = 1,
	                             .intermediates = &nothing,
	                             .n_intermediates = 1};
	struct pq_eval ev = {.image = image, .p = &image->p, .request = &request, .arena = arena};
	struct pq_dates dates;

	enum pq_status status = find_value(image, fact, value, &run, err);
	if (status == PQ_OK)
		status = pq_image_dates(image, from, to, arena, &dates, err);
	if (status != PQ_OK)
		return status;
	if (!set_up(&run, &ev))
		return pq_fail(err, PQ_ENOMEM, "out of memory");
	for (size_t i = 0; i < dates.n && !run.oom; i++) {
		struct day before, after;
		if (!look(&run, &ev, &request, dates.at[i] - 1, &before) || !look(&run, &ev, &request, dates.at[i], &after))
			return pq_fail(err, PQ_ENOMEM, "out of memory");
		add_rows(&run, dates.at[i]);
		compare_sets(&run, dates.at[i], &before, &after);
		compare_rules(&run, dates.at[i], &before, &after);
	}
	if (run.oom)
		return pq_fail(err, PQ_ENOMEM, "out of memory");
	*ret = (struct pq_calendar){run.at, run.n};
	return PQ_OK;
}

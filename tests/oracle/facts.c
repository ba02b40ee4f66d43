/* What the request says, and what its silence means. */
#include "tests/oracle/internal.h"

#include <string.h>

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* ---- what is given -------------------------------------------------------------------------------------------- */

/* The name of a fact within its element: without "party." and its kind. */
static const char *
bare_name(const struct pq_attr *attr)
{
	size_t len = strlen(pq_scope_name(attr->scope));

	return len == 0 || attr->scope == PQ_SCOPE_DECISION ? attr->name : attr->name + len + 1;
}

static const struct pq_value *
find(const struct pq_facts *facts, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < facts->n; i++) {
		if (facts->at[i].name.len == len && memcmp(facts->at[i].name.at, name, len) == 0)
			return &facts->at[i].value;
	}
	return NULL;
}

static bool
says_code_of(const struct or_world *w, uint32_t mark, int line)
{
	for (size_t c = 0; c < w->model->n_attrs; c++) {
		const struct pq_attr *code = &w->model->attrs[c];
		if (code->type == PQ_TYPE_CODE && code->mark_attr == mark && code->scope == PQ_SCOPE_REQUEST &&
		    find(&w->request->lines[line], code->name) != NULL)
			return true;
	}
	return false;
}

const struct pq_value *
or_given(const struct or_world *w, uint32_t attr, struct or_at at, int line)
{
	const struct pq_attr *a = &w->model->attrs[attr];
	const struct pq_request *request = w->request;
	const struct pq_value *value = NULL;

	switch (a->scope) {
	case PQ_SCOPE_PARTY: return find(&request->parties[at.party].facts, bare_name(a));
	case PQ_SCOPE_OWNER: return find(&request->parties[at.party].owners[at.owner], bare_name(a));
	case PQ_SCOPE_HIT: return find(&request->hits[at.hit], bare_name(a));
	case PQ_SCOPE_INTERMEDIATE: return find(&request->intermediates[at.intermediate], bare_name(a));
	case PQ_SCOPE_REQUEST:
	case PQ_SCOPE_DECISION:
	case PQ_SCOPE_COUNT: break;
	}
	if (line < 0)
		line = w->line;
	if (line >= 0)
		value = find(&request->lines[line], a->name);
	/* A line that says its own code does not take over the mark of the request's code. */
	if (value == NULL && line >= 0 && says_code_of(w, attr, line))
		return NULL;
	return value != NULL ? value : find(&request->facts, a->name);
}

/* ---- codes ---------------------------------------------------------------------------------------------------- */

uint32_t
or_symbol(const struct pq_model *model, uint32_t domain, struct pq_text text)
{
	while (text.len > 0 && text.at[0] == ' ') {
		text.at++;
		text.len--;
	}
	while (text.len > 0 && text.at[text.len - 1] == ' ')
		text.len--;
	uint32_t symbol = pq_domain_find(&model->domains[domain], text.at, text.len);
	return symbol != PQ_NO_INDEX ? symbol : model->domains[domain].other;
}

static bool
begins_with(struct pq_text text, const char *prefix)
{
	size_t len = strlen(prefix);

	if (text.len < len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (lower(text.at[i]) != lower(prefix[i]))
			return false;
	}
	return true;
}

/* ".h.1", "(H)(1)" and "h.1" are one path. */
static const char *
normal_path(struct pq_arena *arena, const char *text, size_t len)
{
	char *path = or_alloc(arena, len + 1, 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bool separator = text[i] == '.' || text[i] == '(' || text[i] == ')' || text[i] == ' ';
		if (!separator)
			path[n++] = lower(text[i]);
		else if (n > 0 && path[n - 1] != '.')
			path[n++] = '.';
	}
	while (n > 0 && path[n - 1] == '.')
		path[--n] = '\0';
	return path;
}

struct or_code
or_split_code(struct pq_arena *arena, const struct pq_model *model, uint32_t attr, struct pq_text text)
{
	const struct pq_attr *a = &model->attrs[attr];
	struct or_code code = {0};

	for (size_t i = 0; i < a->marks.n && !code.marked; i++) {
		size_t len = strlen(a->marks.at[i]);
		if (begins_with(text, a->marks.at[i]) && text.len > len) {
			code.marked = true;
			text.at += len;
			text.len -= len;
		}
	}
	const char *end = memchr(text.at, a->separator, text.len);
	size_t len = end == NULL ? text.len : (size_t)(end - text.at);
	code.symbol = or_symbol(model, a->domain, (struct pq_text){text.at, len});
	/* A text that is no code at all has no path either. */
	bool is_other = code.symbol != PQ_NO_INDEX && code.symbol == model->domains[a->domain].other;
	code.path = is_other ? "" : normal_path(arena, text.at + len, text.len - len);
	return code;
}

/* ---- values --------------------------------------------------------------------------------------------------- */

struct or_value
or_unknown_value(struct or_world *w, uint32_t attr, struct or_at at, int line)
{
	uint32_t id = or_unknown_fact(w, attr, at, line);
	struct or_value v;

	v = w->unknowns[id].assigned ? w->unknowns[id].value : or_value_anything(w, attr);
	if (!w->unknowns[id].assigned || w->unknowns[id].partly)
		or_deps_add(&v.why, id);
	return v;
}

static void
add_symbol(struct or_world *w, uint32_t attr, struct pq_text text, struct or_value *to)
{
	uint32_t symbol = or_symbol(w->model, w->model->attrs[attr].domain, text);

	or_set_add(to->may, symbol);
	if (to->form == OR_MANY)
		or_set_add(to->sure, symbol);
}

static struct or_value
given_value(struct or_world *w, uint32_t attr, const struct pq_value *given)
{
	const struct pq_attr *a = &w->model->attrs[attr];
	struct or_value v = or_value_empty(w, attr);
	int32_t date = 0;

	if (a->type == PQ_TYPE_CODE) {
		or_set_add(v.may, or_split_code(w->scratch, w->model, attr, given->text).symbol);
	} else if (a->type == PQ_TYPE_BOOL) {
		or_set_add(v.may, given->boolean ? PQ_BOOL_TRUE : PQ_BOOL_FALSE);
	} else if (a->type == PQ_TYPE_NUMBER) {
		or_add_number(&v, given->number);
	} else if (a->type == PQ_TYPE_DATE) {
		if (pq_date_parse(given->text.at, given->text.len, &date))
			or_add_number(&v, date);
	} else if (a->type == PQ_TYPE_SYMBOL) {
		add_symbol(w, attr, given->text, &v);
	} else if (a->type == PQ_TYPE_SYMBOLS) {
		if (given->kind == PQ_VALUE_TEXT)
			add_symbol(w, attr, given->text, &v);
		for (size_t i = 0; given->kind == PQ_VALUE_TEXTS && i < given->n_texts; i++)
			add_symbol(w, attr, given->texts[i], &v);
	}
	return v;
}

/* What one line of `silence` makes of the fact. */
static struct or_value
silence_value(struct or_world *w, uint32_t attr, const struct pq_silence *line, struct or_at at)
{
	if (line->unknown)
		return or_unknown_value(w, attr, at, -1);
	if (line->copy != PQ_NO_INDEX) {
		const struct or_value *from = or_attr(w, line->copy, at);
		struct or_value v = or_value_empty(w, attr);
		or_value_alternative(w, &v, from, true);
		v.why = from->why;
		return v;
	}
	if (line->lines_sum != PQ_NO_INDEX)
		return or_lines(w, attr, line->lines_sum, line->lines_same, at);
	return or_value_literal(w, attr, &line->value);
}

/* The lines in their order: the first whose `when` surely holds ends the list of what the fact may be. */
static struct or_value
silent_value(struct or_world *w, uint32_t attr, struct or_at at)
{
	const struct pq_attr *a = &w->model->attrs[attr];
	struct or_value v = or_value_empty(w, attr);
	bool first = true;

	for (size_t i = 0; i <= a->n_silence; i++) {
		struct or_verdict when = i < a->n_silence ? or_dnf(w, &a->silence[i].when, at) : or_known(true);
		if (when.is == OR_FALSE)
			continue;
		struct or_value one = i < a->n_silence ? silence_value(w, attr, &a->silence[i], at)
		                                       : or_unknown_value(w, attr, at, -1);
		or_value_alternative(w, &v, &one, first);
		first = false;
		if (!or_value_certain(&one))
			or_deps_join(&v.why, &one.why);
		if (when.is == OR_TRUE)
			break;
		or_deps_join(&v.why, &when.why);
	}
	return v;
}

/* A bool that a mark before a code sets. */
static bool
is_marked(struct or_world *w, uint32_t attr, struct or_at at)
{
	for (uint32_t c = 0; c < w->model->n_attrs; c++) {
		const struct pq_attr *code = &w->model->attrs[c];
		if (code->type != PQ_TYPE_CODE || code->mark_attr != attr)
			continue;
		const struct pq_value *given = or_given(w, c, or_at_scope(at, code->scope), -1);
		if (given != NULL && given->kind == PQ_VALUE_TEXT && or_split_code(w->scratch, w->model, c, given->text).marked)
			return true;
	}
	return false;
}

/*
 * A path is as much as the code says of it, possibly more; it is an unknown fact of its own. While the code itself is an
 * unknown fact, the path hangs on that.
 */
static struct or_value
path_value(struct or_world *w, uint32_t attr, struct or_at at)
{
	uint32_t code = w->model->attrs[attr].path;
	const struct pq_value *given = or_given(w, code, at, -1);
	struct or_value v = {.form = OR_PATH, .path = ""};

	if (given != NULL && given->kind == PQ_VALUE_TEXT) {
		v.path = or_split_code(w->scratch, w->model, code, given->text).path;
	} else {
		const struct or_value *of = or_attr(w, code, at);
		uint32_t code_id = or_unknown_fact(w, code, at, -1);
		if (!or_value_may_exist(of)) {
			v.path = NULL;
			return v;
		}
		if (of->may_none)
			v.why = of->why; /* there may be no path at all */
		if (or_deps_has(&of->why, code_id)) {
			or_deps_add(&v.why, code_id);
			return v;
		}
	}
	uint32_t id = or_unknown_fact(w, attr, at, -1);
	if (w->unknowns[id].assigned)
		return w->unknowns[id].value;
	or_deps_add(&v.why, id);
	return v;
}

/* "The request says something of it": a value for one of these facts. */
struct or_value
or_said(struct or_world *w, uint32_t attr, struct or_at at)
{
	const struct pq_indexes *facts = &w->model->attrs[attr].said;
	struct or_verdict said = or_known(false);

	for (size_t i = 0; i < facts->n; i++) {
		const struct pq_value *given = or_given(w, facts->at[i], at, -1);
		if ((given != NULL && given->kind != PQ_VALUE_UNKNOWN) || is_marked(w, facts->at[i], at))
			said = or_known(true);
	}
	return or_value_of(w, &said);
}

/* "The symbol that the first digits of a text are." */
struct or_value
or_read(struct or_world *w, uint32_t attr, struct or_at at)
{
	const struct pq_attr *a = &w->model->attrs[attr];
	const struct pq_value *given = or_given(w, a->said.at[0], at, -1);
	char *digits = or_alloc(w->scratch, a->digits + 1u, 1);
	size_t n = 0;

	if (given == NULL || given->kind != PQ_VALUE_TEXT)
		return or_value_none(w, attr);
	for (const char *c = given->text.at; c < given->text.at + given->text.len && n < a->digits; c++) {
		if (strchr("0123456789", *c) != NULL && *c != '\0')
			digits[n++] = *c;
	}
	uint32_t symbol = n < a->digits ? PQ_NO_INDEX : pq_domain_find(&w->model->domains[a->domain], digits, n);
	if (symbol == PQ_NO_INDEX)
		return or_value_none(w, attr);
	struct or_value v = or_value_empty(w, attr);
	or_set_add(v.may, symbol);
	return v;
}

struct or_value
or_fact(struct or_world *w, uint32_t attr, struct or_at at)
{
	const struct pq_attr *a = &w->model->attrs[attr];
	struct or_value v;

	if (a->type == PQ_TYPE_PATH)
		return path_value(w, attr, at);
	if (a->type == PQ_TYPE_TEXT)
		return or_value_none(w, attr);
	if (a->type == PQ_TYPE_BOOL && is_marked(w, attr, at)) {
		v = or_value_empty(w, attr);
		or_set_add(v.may, PQ_BOOL_TRUE);
		return v;
	}
	const struct pq_value *given = or_given(w, attr, at, -1);
	if (given == NULL)
		return silent_value(w, attr, at);
	if (given->kind != PQ_VALUE_UNKNOWN)
		return given_value(w, attr, given);
	return a->has_null_is ? or_value_literal(w, attr, &a->null_is) : or_unknown_value(w, attr, at, -1);
}

bool
or_is_unknown_now(struct or_world *w, const struct or_unknown *u)
{
	const struct pq_attr *a = &w->model->attrs[u->attr];
	const struct pq_value *given;

	if (u->is_row || (w->replaced && u->attr == w->model->release_replaces))
		return true;
	if (a->type == PQ_TYPE_PATH) {
		const struct or_value *code = or_attr(w, a->path, u->at);
		return or_value_may_exist(code) && !or_deps_has(&code->why, or_unknown_fact(w, a->path, u->at, -1));
	}
	given = or_given(w, u->attr, u->at, -1);
	if (given != NULL)
		return given->kind == PQ_VALUE_UNKNOWN;
	for (size_t i = 0; i < a->n_silence; i++) {
		enum or_truth when = or_dnf(w, &a->silence[i].when, u->at).is;
		if (when != OR_FALSE)
			return when == OR_TRUE && a->silence[i].unknown;
	}
	return true;
}

/* ---- sums over the lines of the request ------------------------------------------------------------------------ */

static bool
same_text(const struct pq_model *model, uint32_t attr, const struct pq_value *a, const struct pq_value *b)
{
	const struct pq_attr *of = &model->attrs[attr];

	if (a->kind != b->kind)
		return false;
	if (a->kind == PQ_VALUE_NUMBER)
		return a->number == b->number;
	if (a->kind != PQ_VALUE_TEXT)
		return a->kind == PQ_VALUE_BOOL && a->boolean == b->boolean;
	if (of->type == PQ_TYPE_SYMBOL)
		return or_symbol(model, of->domain, a->text) == or_symbol(model, of->domain, b->text);
	return a->text.len == b->text.len && memcmp(a->text.at, b->text.at, a->text.len) == 0;
}

/* A line whose `same` is not said is on its own. */
static bool
is_same_line(struct or_world *w, uint32_t same, struct or_at at, int line)
{
	const struct pq_value *own = or_given(w, same, at, -1);
	const struct pq_value *other = or_given(w, same, at, line);

	return own != NULL && other != NULL && same_text(w->model, same, own, other);
}

/*
 * What the lines say, not what their silence means. What this line does not say is an unknown fact; what another does not
 * say nobody can complete here.
 */
struct or_value
or_lines(struct or_world *w, uint32_t result, uint32_t sum, uint32_t same, struct or_at at)
{
	const struct pq_value *own = or_given(w, sum, at, -1);
	struct or_value v = or_value_empty(w, result);

	if (own != NULL && own->kind == PQ_VALUE_NUMBER)
		or_add_number(&v, own->number);
	else
		v = or_unknown_value(w, sum, at, -1);
	for (int line = 0; line < (int)w->request->n_lines; line++) {
		if (line == w->line || !is_same_line(w, same, at, line))
			continue;
		const struct pq_value *given = or_given(w, sum, at, line);
		if (given != NULL && given->kind == PQ_VALUE_NUMBER)
			v.number += given->number;
		else
			v.n_numbers = 2;
	}
	return v;
}

/* From names and texts to attributes and symbols: the only place where strings of a request are looked at. */
#include "policy/eval.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
pq_violate(struct pq_violation_list *v, const char *where, struct pq_text name, const char *reason, const char *fmt, ...)
{
	char text[PQ_ERR_MSG_MAX];
	va_list ap;

	if (v->n == v->cap) {
		size_t cap = v->cap > 0 ? v->cap * 2 : 16;
		struct pq_violation *at = pq_arena_array(v->arena, cap, sizeof(*at));
		if (at == NULL) {
			v->oom = true;
			return;
		}
		if (v->n > 0)
			memcpy(at, v->at, v->n * sizeof(*at));
		v->at = at;
		v->cap = cap;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	int len = name.len < 100 ? (int)name.len : 100;
	char *field = pq_arena_printf(v->arena, "%s%s%.*s", where, where[0] != '\0' && len > 0 ? "." : "", len,
	                              name.at != NULL ? name.at : "");
	char *description = pq_arena_strndup(v->arena, text, strlen(text));
	if (field == NULL || description == NULL) {
		v->oom = true;
		return;
	}
	v->at[v->n++] = (struct pq_violation){field, reason, description};
}

/* `known` has as many bytes as the text and one more, if only because other strings follow it. */
static bool
same_folded(const char *known, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		if (pq_name_word(known + i, len - i) != pq_name_word(text + i, len - i))
			return false;
	}
	return known[len] == '\0';
}

static uint32_t
find_name(const struct pq_image *image, const struct pq_p_name *slots, uint32_t mask, uint32_t seed, const char *text,
          size_t len)
{
	uint32_t hash = pq_name_hash(seed, text, len);

	for (uint32_t at = hash & mask; slots[at].string != 0; at = (at + 1) & mask) {
		if (slots[at].hash == hash && slots[at].domain == seed && len < image->p.n_strings - slots[at].string &&
		    same_folded(pq_string(image, slots[at].string), text, len))
			return slots[at].symbol;
	}
	return PQ_NO_INDEX;
}

uint32_t
pq_find_symbol(const struct pq_image *image, uint32_t domain, const char *text, size_t len)
{
	while (len > 0 && text[0] == ' ') {
		text++;
		len--;
	}
	while (len > 0 && text[len - 1] == ' ')
		len--;
	return find_name(image, image->p.names, image->meta->names_mask, domain, text, len);
}

/* ---- one value ---- */

struct binding {
	const struct pq_image *image;
	const struct pq_p_attr *attr;
	const struct pq_fact *fact;
	const char *where;
	struct pq_arena *arena;
	struct pq_violation_list *violations;
	const struct pq_givens *all; /* the givens of the element */
	struct pq_given *given;
};

static void
wrong(struct binding *b, const char *reason, const char *description)
{
	pq_violate(b->violations, b->where, b->fact->name, reason, "%s", description);
}

static void
wrong_type(struct binding *b, const char *expected)
{
	pq_violate(b->violations, b->where, b->fact->name, "WRONG_TYPE", "must be %s", expected);
}

static bool
set_symbols(struct binding *b, const uint32_t *symbols, uint32_t n)
{
	uint32_t *copy = pq_arena_array(b->arena, n > 0 ? n : 1, sizeof(*copy));

	if (copy == NULL) {
		b->violations->oom = true;
		return false;
	}
	memcpy(copy, symbols, n * sizeof(*copy));
	b->given->symbols = copy;
	b->given->n_symbols = n;
	b->given->state = PQ_SAID;
	return true;
}

/** The symbol of a text; `whole` is what the request says, for the message. */
static bool
find_or_violate(struct binding *b, struct pq_text text, struct pq_text whole, uint32_t *ret)
{
	if (text.len > PQ_MAX_STRING) {
		wrong(b, "TOO_LONG", "is longer than 512 bytes");
		return false;
	}
	uint32_t symbol = pq_find_symbol(b->image, b->attr->domain, text.at, text.len);
	if (symbol == PQ_NO_INDEX)
		symbol = b->image->p.domains[b->attr->domain].other;
	if (symbol == PQ_NO_INDEX) {
		pq_violate(b->violations, b->where, b->fact->name, "UNKNOWN_SYMBOL", "\"%.*s\" is not a known %s",
		           whole.len < 80 ? (int)whole.len : 80, whole.at,
		           pq_string(b->image, b->image->p.domains[b->attr->domain].name));
		return false;
	}
	*ret = symbol;
	return true;
}

static void
bind_symbol(struct binding *b)
{
	uint32_t symbol;

	if (b->fact->value.kind != PQ_VALUE_TEXT) {
		wrong_type(b, "one symbol, as a string");
		return;
	}
	if (find_or_violate(b, b->fact->value.text, b->fact->value.text, &symbol))
		set_symbols(b, &symbol, 1);
}

static void
bind_symbols(struct binding *b)
{
	const struct pq_value *value = &b->fact->value;
	const struct pq_text *texts = value->kind == PQ_VALUE_TEXT ? &value->text : value->texts;
	size_t n = value->kind == PQ_VALUE_TEXT ? 1 : value->n_texts;
	uint32_t symbols[PQ_MAX_SET];
	uint32_t n_symbols = 0;

	if (value->kind != PQ_VALUE_TEXT && value->kind != PQ_VALUE_TEXTS) {
		wrong_type(b, "a list of symbols");
		return;
	}
	if (n > PQ_MAX_SET) {
		wrong(b, "TOO_MANY", "has more than 64 values");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!find_or_violate(b, texts[i], texts[i], &symbols[n_symbols]))
			return;
		n_symbols++;
	}
	set_symbols(b, symbols, n_symbols);
}

static void
bind_number(struct binding *b)
{
	const struct pq_p_attr *a = b->attr;
	int64_t number = b->fact->value.number;
	char bound[32];

	if (b->fact->value.kind != PQ_VALUE_NUMBER) {
		wrong_type(b, "a number");
		return;
	}
	if (a->has_min && number < a->min) {
		pq_number_format(a->min, bound, sizeof(bound));
		pq_violate(b->violations, b->where, b->fact->name, "OUT_OF_RANGE", "must not be below %s", bound);
		return;
	}
	if (a->has_max && number > a->max) {
		pq_number_format(a->max, bound, sizeof(bound));
		pq_violate(b->violations, b->where, b->fact->name, "OUT_OF_RANGE", "must not be above %s", bound);
		return;
	}
	/* Sums over all lines, times small factors, must stay far from overflow. */
	if (number > INT64_MAX / 1000000 || number < INT64_MIN / 1000000) {
		wrong(b, "OUT_OF_RANGE", "is too large");
		return;
	}
	b->given->number = number;
	b->given->state = PQ_SAID;
}

static void
bind_date(struct binding *b)
{
	int32_t date;

	if (b->fact->value.kind != PQ_VALUE_TEXT ||
	    !pq_date_parse(b->fact->value.text.at, b->fact->value.text.len, &date)) {
		wrong(b, "WRONG_TYPE", "must be a date that exists, as YYYY-MM-DD");
		return;
	}
	b->given->number = date;
	b->given->state = PQ_SAID;
}

static void
bind_text(struct binding *b)
{
	if (b->fact->value.kind == PQ_VALUE_TEXT) {
		if (b->fact->value.text.len > PQ_MAX_STRING) {
			wrong(b, "TOO_LONG", "is longer than 512 bytes");
			return;
		}
		b->given->text = b->fact->value.text;
	}
	b->given->state = PQ_SAID;
}

/* A path in the form of the tables: parts in lower case, joined by dots: "(h)(1)" and ".H.1" are "h.1". */
static bool
fold_path(struct binding *b, const char *text, size_t len, struct pq_text *ret)
{
	char *out = pq_arena_alloc(b->arena, len + 1);
	size_t n = 0;
	bool boundary = false;

	if (out == NULL) {
		b->violations->oom = true;
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '.' || c == '(' || c == ')' || c == ' ') {
			boundary = true;
			continue;
		}
		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c + 32);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
		/* A part is a letter or letters, or a number: "a1" is a slip of the pen for "a.1" and no paragraph. */
		bool digit = c >= '0' && c <= '9';
		if (!boundary && n > 0 && digit != (out[n - 1] >= '0' && out[n - 1] <= '9'))
			return false;
		if (boundary && n > 0)
			out[n++] = '.';
		boundary = false;
		out[n++] = (char)c;
	}
	*ret = (struct pq_text){out, n};
	return true;
}

static bool
starts_folded(const struct pq_text *text, const char *prefix, size_t len)
{
	if (text->len < len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char a = text->at[i], c = prefix[i];
		if ((a >= 'A' && a <= 'Z' ? a + 32 : a) != (c >= 'A' && c <= 'Z' ? c + 32 : c))
			return false;
	}
	return true;
}

static void
take_marks(struct binding *b, struct pq_text *text)
{
	const struct pq_p_attr *a = b->attr;

	for (uint32_t i = 0; i < a->marks.n; i++) {
		const char *mark = pq_string(b->image, b->image->p.lists[a->marks.first + i]);
		size_t len = strlen(mark);
		if (!starts_folded(text, mark, len) || a->mark_attr == PQ_NO_INDEX)
			continue;
		text->at += len;
		text->len -= len;
		struct binding marked = *b;
		marked.attr = &b->image->p.attrs[a->mark_attr];
		marked.given = &b->all->at[marked.attr->slot];
		pq_note_said(b->all->said, marked.attr->slot);
		uint32_t yes = PQ_BOOL_TRUE;
		set_symbols(&marked, &yes, 1);
		return;
	}
}

static void
bind_code(struct binding *b)
{
	struct pq_text text = b->fact->value.text;
	struct pq_text path;
	uint32_t symbol;

	if (b->fact->value.kind != PQ_VALUE_TEXT) {
		wrong_type(b, "a code, as a string");
		return;
	}
	if (text.len > PQ_MAX_STRING) {
		wrong(b, "TOO_LONG", "is longer than 512 bytes");
		return;
	}
	take_marks(b, &text);
	size_t cut = 0;
	while (cut < text.len && text.at[cut] != b->attr->separator)
		cut++;
	if (!find_or_violate(b, (struct pq_text){text.at, cut}, b->fact->value.text, &symbol))
		return;
	/* A text that is no code at all has no path either. */
	if (symbol == b->image->p.domains[b->attr->domain].other)
		cut = text.len;
	bool folded = fold_path(b, text.at + cut, text.len - cut, &path);
	if (!folded && b->image->p.domains[b->attr->domain].other != PQ_NO_INDEX) {
		path = (struct pq_text){"", 0}; /* free words are taken here: what is behind the symbol is no path */
	} else if (!folded) {
		wrong(b, "WRONG_TYPE", "has a paragraph of an unknown form");
		return;
	}
	if (set_symbols(b, &symbol, 1))
		b->given->text = path;
}

static void
bind_bool(struct binding *b)
{
	uint32_t symbol = b->fact->value.boolean ? PQ_BOOL_TRUE : PQ_BOOL_FALSE;

	if (b->fact->value.kind != PQ_VALUE_BOOL)
		wrong_type(b, "true or false");
	else
		set_symbols(b, &symbol, 1);
}

static void
bind_value(struct binding *b)
{
	switch ((enum pq_type)b->attr->type) {
	case PQ_TYPE_BOOL: bind_bool(b); return;
	case PQ_TYPE_SYMBOL: bind_symbol(b); return;
	case PQ_TYPE_SYMBOLS: bind_symbols(b); return;
	case PQ_TYPE_NUMBER: bind_number(b); return;
	case PQ_TYPE_DATE: bind_date(b); return;
	case PQ_TYPE_CODE: bind_code(b); return;
	case PQ_TYPE_TEXT: bind_text(b); return;
	case PQ_TYPE_PATH:
	case PQ_TYPE_COUNT: break;
	}
}

void
pq_bind(const struct pq_image *image, const struct pq_facts *facts, enum pq_scope scope, const char *where,
        const struct pq_givens *givens, struct pq_arena *arena, struct pq_violation_list *violations)
{
	if (facts->n > PQ_MAX_FACTS) {
		pq_violate(violations, where, (struct pq_text){"", 0}, "TOO_MANY", "has more than %d facts", PQ_MAX_FACTS);
		return;
	}
	for (size_t i = 0; i < facts->n; i++) {
		const struct pq_fact *fact = &facts->at[i];
		uint32_t attr = fact->name.len <= PQ_MAX_STRING
		                    ? find_name(image, image->p.attr_names, image->meta->attr_names_mask, (uint32_t)scope,
		                                fact->name.at, fact->name.len)
		                    : PQ_NO_INDEX;
		if (attr == PQ_NO_INDEX || !image->p.attrs[attr].is_fact || image->p.attrs[attr].type == PQ_TYPE_PATH) {
			pq_violate(violations, where, fact->name, "UNKNOWN_FACT", "the packs declare no such fact");
			continue;
		}
		struct binding b = {
		    .image = image,
		    .attr = &image->p.attrs[attr],
		    .fact = fact,
		    .where = where,
		    .arena = arena,
		    .violations = violations,
		    .all = givens,
		    .given = &givens->at[image->p.attrs[attr].slot],
		};
		if (b.given->state != PQ_SILENT) {
			wrong(&b, "DUPLICATE", "is given twice");
			continue;
		}
		pq_note_said(givens->said, b.attr->slot);
		if (fact->value.kind == PQ_VALUE_UNKNOWN)
			b.given->state = PQ_SAID_UNKNOWN;
		else
			bind_value(&b);
		/* What is wrong has been told; it is not missing as well. */
		if (b.given->state == PQ_SILENT)
			b.given->state = PQ_SAID_UNKNOWN;
	}
}

void
pq_bind_required(const struct pq_image *image, enum pq_scope scope, const char *where, const struct pq_given *given,
                 struct pq_violation_list *violations)
{
	for (size_t i = image->required_at[scope]; i < image->required_at[scope + 1]; i++) {
		const struct pq_p_attr *a = &image->p.attrs[image->required[i]];
		if (given[a->slot].state != PQ_SILENT)
			continue;
		const char *name = pq_string(image, a->name);
		size_t prefix = scope == PQ_SCOPE_REQUEST ? 0 : strlen(pq_scope_name(scope)) + 1;
		pq_violate(violations, where, (struct pq_text){name + prefix, strlen(name + prefix)}, "MISSING",
		           "is required");
	}
}

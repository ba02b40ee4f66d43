/*
 * A decision as bytes. Messages are written from their last field to their first. Places of rules are given in a walk
 * before, in the order in which a reader meets them.
 */
#include "server/codec.h"

#include <stdlib.h>
#include <string.h>

/* Of a first buffer: most answers fit. */
#define OUT_BYTES ((size_t)16 << 10)

enum wire { VARINT = 0, BYTES = 2 };

/* ---- bytes, backwards ------------------------------------------------------------------------------------------- */

static bool
grow(struct pq_out *out, size_t more)
{
	size_t cap = out->cap > 0 ? out->cap : OUT_BYTES;

	while (cap - out->len < more) {
		if (cap > SIZE_MAX / 4)
			goto out;
		cap *= 2;
	}
	uint8_t *bytes = malloc(cap);
	if (bytes == NULL)
		goto out;
	if (out->len > 0)
		memcpy(bytes + cap - out->len, out->bytes + out->cap - out->len, out->len);
	free(out->bytes);
	out->bytes = bytes;
	out->cap = cap;
	return true;
out:
	out->failed = true;
	return false;
}

/* Room for `n` bytes before what is written; NULL = no memory, which is remembered. */
static inline uint8_t *
room(struct pq_out *out, size_t n)
{
	if (out->failed || (out->cap - out->len < n && !grow(out, n)))
		return NULL;
	out->len += n;
	return out->bytes + out->cap - out->len;
}

static inline size_t
varint_size(uint64_t value)
{
	size_t n = 1;

	while (value >= 0x80) {
		value >>= 7;
		n++;
	}
	return n;
}

static inline void
put_varint(struct pq_out *out, uint64_t value)
{
	uint8_t *at = room(out, varint_size(value));

	if (at == NULL)
		return;
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at = (uint8_t)value;
}

static inline void
put_tag(struct pq_out *out, unsigned field, enum wire wire)
{
	put_varint(out, (uint64_t)field << 3 | wire);
}

static inline void
put_bytes(struct pq_out *out, const void *bytes, size_t len)
{
	uint8_t *at = room(out, len);

	if (at != NULL)
		memcpy(at, bytes, len);
}

/* A number, an enum or a flag; zero is not sent. */
static inline void
put_number(struct pq_out *out, unsigned field, uint64_t value)
{
	if (value == 0)
		return;
	put_varint(out, value);
	put_tag(out, field, VARINT);
}

static inline void
put_text_always(struct pq_out *out, unsigned field, const char *text)
{
	size_t len = strlen(text);

	put_bytes(out, text, len);
	put_varint(out, len);
	put_tag(out, field, BYTES);
}

/* A text; an empty one is not sent. */
static inline void
put_text(struct pq_out *out, unsigned field, const char *text)
{
	if (text != NULL && text[0] != '\0')
		put_text_always(out, field, text);
}

/* The message that was written since `mark` becomes field `field` of the one around it. */
static inline void
put_message(struct pq_out *out, unsigned field, size_t mark)
{
	put_varint(out, out->len - mark);
	put_tag(out, field, BYTES);
}

/* ---- rules ------------------------------------------------------------------------------------------------------ */

void
pq_cited_reset(struct pq_cited *cited)
{
	for (size_t i = 0; i < cited->n; i++)
		cited->places[cited->rules[i]->index] = 0;
	cited->n = 0;
	cited->failed = false;
}

void
pq_cited_forget(struct pq_cited *cited)
{
	if (cited->places != NULL)
		memset(cited->places, 0, cited->size * sizeof(*cited->places));
	cited->n = 0;
	cited->failed = false;
}

void
pq_cited_release(struct pq_cited *cited)
{
	free(cited->places);
	free(cited->rules);
	*cited = (struct pq_cited){0};
}

/* Room for the rule of number `index`; a rule has one number, so that no more rules than numbers are cited. */
static bool
widen(struct pq_cited *cited, uint32_t index)
{
	size_t size = cited->size > 0 ? cited->size : 1024;

	while (size <= index)
		size *= 2;
	uint32_t *places = realloc(cited->places, size * sizeof(*places));
	if (places == NULL)
		return false;
	cited->places = places;
	memset(places + cited->size, 0, (size - cited->size) * sizeof(*places));
	const struct pq_rule_ref **rules = realloc(cited->rules, size * sizeof(*rules));
	if (rules == NULL)
		return false;
	cited->rules = rules;
	cited->size = size;
	return true;
}

static void
cite(struct pq_cited *cited, const struct pq_rule_ref *rule)
{
	if (rule == NULL || cited->failed)
		return;
	if (rule->index >= cited->size && !widen(cited, rule->index)) {
		cited->failed = true;
		return;
	}
	if (cited->places[rule->index] != 0)
		return;
	cited->rules[cited->n++] = rule;
	cited->places[rule->index] = (uint32_t)cited->n;
}

#define CITE_EACH(cited, array, n)      \
	for (size_t i_ = 0; i_ < (n); i_++) \
	cite(cited, (array)[i_].rule)

static void
cite_decision(struct pq_cited *cited, const struct pq_decision *d)
{
	cite(cited, d->policy_rule);
	CITE_EACH(cited, d->requirements, d->n_requirements);
	for (size_t i = 0; i < d->n_prohibitions; i++)
		cite(cited, d->prohibitions[i]);
	CITE_EACH(cited, d->available, d->n_available);
	CITE_EACH(cited, d->barred, d->n_barred);
	CITE_EACH(cited, d->obligations, d->n_obligations);
	CITE_EACH(cited, d->warnings, d->n_warnings);
	for (size_t i = 0; i < d->n_rules; i++)
		cite(cited, d->rules[i]);
	CITE_EACH(cited, d->near_misses, d->n_near_misses);
	for (size_t i = 0; i < d->n_parts; i++)
		cite_decision(cited, &d->parts[i]);
}

static void
put_reference(struct pq_out *out, unsigned field, const struct pq_cited *cited, const struct pq_rule_ref *rule)
{
	if (rule == NULL)
		return;
	size_t mark = out->len;
	put_number(out, 1, cited->places[rule->index] - 1);
	put_message(out, field, mark);
}

static void
put_places(struct pq_out *out, unsigned field, const struct pq_cited *cited, const struct pq_rule_ref *const *rules,
           size_t n)
{
	size_t mark = out->len;

	if (n == 0)
		return;
	for (size_t i = n; i-- > 0;)
		put_varint(out, cited->places[rules[i]->index] - 1);
	put_message(out, field, mark);
}

static void
put_rule(struct pq_out *out, const struct pq_rule_ref *rule)
{
	char from[16], to[16];

	pq_date_format(rule->from, from, sizeof(from));
	pq_date_format(rule->to, to, sizeof(to));
	put_number(out, 12, rule->index);
	put_text(out, 11, rule->confidence);
	put_text(out, 10, rule->note);
	put_text(out, 9, to);
	put_text(out, 8, from);
	put_number(out, 7, rule->line > 0 ? (uint64_t)rule->line : 0);
	put_text(out, 6, rule->file);
	put_text(out, 5, rule->pack);
	put_text(out, 4, rule->cite);
	put_text(out, 3, rule->title);
	put_number(out, 2, (uint64_t)rule->kind + 1);
	put_text(out, 1, rule->id);
}

const struct pq_rule_bytes *
pq_encode_rule(struct pq_encoder *encoder, const struct pq_rule_ref *rule)
{
	struct pq_out out = {0};

	if (rule->index >= encoder->n_rules) {
		size_t n = (size_t)rule->index + 256;
		struct pq_rule_bytes *rules = realloc(encoder->rules, n * sizeof(*rules));
		if (rules == NULL)
			return NULL;
		memset(rules + encoder->n_rules, 0, (n - encoder->n_rules) * sizeof(*rules));
		encoder->rules = rules;
		encoder->n_rules = n;
	}
	struct pq_rule_bytes *ret = &encoder->rules[rule->index];
	if (ret->bytes != NULL)
		return ret;
	put_rule(&out, rule);
	uint8_t *bytes = out.failed ? NULL : malloc(out.len + 1);
	if (bytes != NULL) {
		memcpy(bytes, pq_out_start(&out), out.len);
		*ret = (struct pq_rule_bytes){bytes, out.len};
	}
	free(out.bytes);
	return bytes != NULL ? ret : NULL;
}

/* ---- decisions -------------------------------------------------------------------------------------------------- */

/* Declares `x`, from the last element to the first, and `mark`, where its message ends. */
#define BACKWARDS(type, x, array, n)           \
	for (size_t i_ = (n), mark = 0; i_-- > 0;) \
		for (const type *x = &(array)[i_]; x != NULL && (mark = out->len, true); x = NULL)

static void
put_tail(struct pq_out *out, const struct pq_cited *cited, const struct pq_decision *d)
{
	BACKWARDS(struct pq_violation, fault, d->violations, d->n_violations)
	{
		put_text(out, 3, fault->description);
		put_text(out, 2, fault->reason);
		put_text(out, 1, fault->field);
		put_message(out, 20, mark);
	}
	BACKWARDS(struct pq_near_miss, near, d->near_misses, d->n_near_misses)
	{
		put_reference(out, 5, cited, near->rule);
		put_number(out, 4, (uint64_t)near->outcome);
		put_text(out, 3, near->to);
		put_text(out, 2, near->from);
		put_text(out, 1, near->name);
		put_message(out, 19, mark);
	}
	BACKWARDS(struct pq_assumed, assumed, d->assumed, d->n_assumed)
	{
		put_text(out, 3, assumed->source);
		put_text(out, 2, assumed->value);
		put_text(out, 1, assumed->name);
		put_message(out, 18, mark);
	}
	put_places(out, 17, cited, d->rules, d->n_rules);
	BACKWARDS(struct pq_notice, warning, d->warnings, d->n_warnings)
	{
		put_text(out, 3, warning->source);
		put_reference(out, 2, cited, warning->rule);
		put_text(out, 1, warning->text);
		put_message(out, 16, mark);
	}
}

static void
put_missing(struct pq_out *out, unsigned field, const struct pq_missing *facts, size_t n)
{
	BACKWARDS(struct pq_missing, fact, facts, n)
	{
		put_text(out, 2, fact->question);
		put_text(out, 1, fact->name);
		put_message(out, field, mark);
	}
}

static void
put_spares(struct pq_out *out, const char *const *names)
{
	size_t mark = out->len, n = 0;

	if (names == NULL)
		return;
	while (names[n] != NULL)
		n++;
	while (n-- > 0)
		put_text_always(out, 1, names[n]);
	put_message(out, 4, mark);
}

static void
put_closed(struct pq_out *out, const struct pq_cited *cited, const struct pq_decision *d)
{
	BACKWARDS(struct pq_duty, duty, d->obligations, d->n_obligations)
	{
		put_reference(out, 3, cited, duty->rule);
		put_text(out, 2, duty->label);
		put_text(out, 1, duty->name);
		put_message(out, 13, mark);
	}
	BACKWARDS(struct pq_barred, barred, d->barred, d->n_barred)
	{
		put_spares(out, barred->spares);
		put_reference(out, 3, cited, barred->rule);
		put_text(out, 2, barred->reason);
		put_text(out, 1, barred->name);
		put_message(out, 12, mark);
	}
	BACKWARDS(struct pq_usable, usable, d->available, d->n_available)
	{
		put_reference(out, 2, cited, usable->rule);
		put_text(out, 1, usable->name);
		put_message(out, 11, mark);
	}
}

static void
put_decision(struct pq_encoder *encoder, const struct pq_cited *cited, const struct pq_decision *d)
{
	struct pq_out *out = &encoder->out;

	if (encoder->day != d->as_of || encoder->date[0] == '\0') {
		pq_date_format(d->as_of, encoder->date, sizeof(encoder->date));
		encoder->day = d->as_of;
	}
	put_tail(out, cited, d);
	put_missing(out, 15, d->moot, d->n_moot);
	put_missing(out, 14, d->missing, d->n_missing);
	put_closed(out, cited, d);
	put_places(out, 10, cited, d->prohibitions, d->n_prohibitions);
	BACKWARDS(struct pq_requirement, requirement, d->requirements, d->n_requirements)
	{
		put_number(out, 5, requirement->certain);
		put_text(out, 4, requirement->label);
		put_text(out, 3, requirement->reason);
		put_text(out, 2, requirement->authority);
		put_reference(out, 1, cited, requirement->rule);
		put_message(out, 9, mark);
	}
	put_reference(out, 8, cited, d->policy_rule);
	put_number(out, 7, (uint64_t)d->policy);
	put_text(out, 6, d->jurisdiction);
	put_text(out, 5, encoder->date);
	put_number(out, 4, d->exact);
	put_number(out, 3, (uint64_t)d->worst);
	put_number(out, 2, (uint64_t)d->best);
	put_number(out, 1, (uint64_t)d->outcome);
}

/* The parts below a decision, each followed by its own. */
static void
put_parts(struct pq_encoder *encoder, const struct pq_cited *cited, const struct pq_decision *d, uint32_t depth)
{
	struct pq_out *out = &encoder->out;

	for (size_t i = d->n_parts; i-- > 0;) {
		put_parts(encoder, cited, &d->parts[i], depth + 1);
		size_t part = out->len;
		put_decision(encoder, cited, &d->parts[i]);
		put_message(out, 3, part);
		put_number(out, 2, depth);
		put_text(out, 1, d->part_names[i]);
		put_message(out, 2, part);
	}
}

/* Fields 1 and 2 of a DecideResponse and of a DecidedItem alike. */
static void
put_whole(struct pq_encoder *encoder, const struct pq_cited *cited, const struct pq_decision *decision)
{
	put_parts(encoder, cited, decision, 1);
	size_t mark = encoder->out.len;
	put_decision(encoder, cited, decision);
	put_message(&encoder->out, 1, mark);
}

static enum pq_status
finish(const struct pq_encoder *encoder, const uint8_t **ret, size_t *ret_len)
{
	if (encoder->out.failed)
		return PQ_ENOMEM;
	*ret = pq_out_start(&encoder->out);
	*ret_len = encoder->out.len;
	return PQ_OK;
}

static void
put_answerer(struct pq_out *out, const struct pq_answerer *by)
{
	put_number(out, 4, by->age_s);
	put_number(out, 3, (uint64_t)by->activated_s);
	put_number(out, 2, by->sequence);
	put_text(out, 1, by->digest);
}

enum pq_status
pq_encode_answerer(struct pq_encoder *encoder, const struct pq_answerer *by, const uint8_t **ret, size_t *ret_len)
{
	encoder->out.len = 0;
	encoder->out.failed = false;
	put_answerer(&encoder->out, by);
	return finish(encoder, ret, ret_len);
}

enum pq_status
pq_encode_response(struct pq_encoder *encoder, const struct pq_decision *decision, const struct pq_answerer *by,
                   const uint8_t **ret, size_t *ret_len)
{
	struct pq_out *out = &encoder->out;
	struct pq_cited *cited = &encoder->cited;

	out->len = 0;
	out->failed = false;
	pq_cited_reset(cited);
	cite_decision(cited, decision);
	if (cited->failed)
		return PQ_ENOMEM;
	put_answerer(out, by);
	put_message(out, 4, 0);
	for (size_t i = cited->n; i-- > 0;) {
		const struct pq_rule_bytes *rule = pq_encode_rule(encoder, cited->rules[i]);
		if (rule == NULL)
			return PQ_ENOMEM;
		put_bytes(out, rule->bytes, rule->len);
		put_varint(out, rule->len);
		put_tag(out, 3, BYTES);
	}
	put_whole(encoder, cited, decision);
	return finish(encoder, ret, ret_len);
}

enum pq_status
pq_encode_result(struct pq_encoder *encoder, const struct pq_decision *decision, struct pq_cited *cited,
                 const uint8_t **ret, size_t *ret_len)
{
	encoder->out.len = 0;
	encoder->out.failed = false;
	cite_decision(cited, decision);
	if (cited->failed)
		return PQ_ENOMEM;
	put_whole(encoder, cited, decision);
	put_message(&encoder->out, 1, 0);
	return finish(encoder, ret, ret_len);
}

void
pq_encoder_forget(struct pq_encoder *encoder)
{
	pq_cited_forget(&encoder->cited);
	for (size_t i = 0; i < encoder->n_rules; i++)
		free(encoder->rules[i].bytes);
	free(encoder->rules);
	encoder->rules = NULL;
	encoder->n_rules = 0;
}

void
pq_encoder_release(struct pq_encoder *encoder)
{
	pq_encoder_forget(encoder);
	pq_cited_release(&encoder->cited);
	free(encoder->out.bytes);
	*encoder = (struct pq_encoder){0};
}

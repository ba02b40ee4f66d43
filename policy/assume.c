/* Assumptions: what a request or its profiles say for the facts that are silent, and which of it was used. */
#include "policy/decide_parts.h"

#include <stdio.h>
#include <string.h>

static const enum pq_scope element_scopes[] = {PQ_SCOPE_PARTY, PQ_SCOPE_OWNER, PQ_SCOPE_HIT, PQ_SCOPE_INTERMEDIATE};

static enum pq_scope
scope_of(const struct pq_text *name, size_t *ret_prefix)
{
	for (size_t i = 0; i < sizeof(element_scopes) / sizeof(element_scopes[0]); i++) {
		const char *word = pq_scope_name(element_scopes[i]);
		size_t len = strlen(word);
		if (name->len > len && memcmp(name->at, word, len) == 0 && name->at[len] == '.') {
			*ret_prefix = len + 1;
			return element_scopes[i];
		}
	}
	*ret_prefix = 0;
	return PQ_SCOPE_REQUEST;
}

/* Codes and texts are what a transaction is about: nobody knows them without asking. */
static void
refuse_codes(const struct pq_assumptions *as, const struct pq_image *image, struct pq_violation_list *violations)
{
	for (size_t i = 0; i < image->p.n_attrs; i++) {
		const struct pq_p_attr *a = &image->p.attrs[i];
		const char *name = pq_string(image, a->name);
		bool code = a->is_fact && (a->type == PQ_TYPE_CODE || a->type == PQ_TYPE_TEXT);
		if (code && a->scope < PQ_SCOPE_DECISION && as->given[a->scope].at[a->slot].state == PQ_SAID)
			pq_violate(violations, "assume", (struct pq_text){name, strlen(name)}, "WRONG_TYPE",
			           "a code or a text cannot be assumed");
	}
}

/* What the request itself assumes: bound like facts, one by one, into the givens of its scope. */
static void
bind_own(struct pq_assumptions *as, const struct pq_image *image, const struct pq_facts *assume, struct pq_arena *arena,
         struct pq_violation_list *violations)
{
	if (assume->n > PQ_MAX_FACTS) {
		pq_violate(violations, "assume", (struct pq_text){"", 0}, "TOO_MANY", "has more than %d facts", PQ_MAX_FACTS);
		return;
	}
	for (size_t i = 0; i < assume->n; i++) {
		size_t prefix;
		struct pq_fact fact = assume->at[i];
		enum pq_scope scope = scope_of(&fact.name, &prefix);
		char where[32];
		if (fact.value.kind == PQ_VALUE_UNKNOWN) {
			pq_violate(violations, "assume", fact.name, "WRONG_TYPE", "an assumption needs a value");
			continue;
		}
		snprintf(where, sizeof(where), "assume%s%s", prefix > 0 ? "." : "", prefix > 0 ? pq_scope_name(scope) : "");
		fact.name.at += prefix;
		fact.name.len -= prefix;
		struct pq_facts one = {&fact, 1};
		pq_bind(image, &one, scope, where, &as->given[scope], arena, violations);
	}
	refuse_codes(as, image, violations);
}

static void
take_profile(struct pq_assumptions *as, const struct pq_image *image, const struct pq_p_profile *profile, uint16_t source)
{
	for (uint32_t i = 0; i < profile->assumptions.n; i++) {
		const struct pq_p_assumption *one = &image->p.assumptions[profile->assumptions.first + i];
		const struct pq_p_attr *a = &image->p.attrs[one->attr];
		struct pq_given *given = &as->given[a->scope].at[a->slot];
		if (given->state != PQ_SILENT)
			continue; /* said by the request itself, or by a profile named before */
		*given = (struct pq_given){
		    .state = PQ_SAID,
		    .n_symbols = one->symbols.n,
		    .symbols = image->p.lists + one->symbols.first,
		    .number = one->number,
		};
		pq_note_said(as->given[a->scope].said, a->slot);
		as->source[a->scope][a->slot] = source;
	}
}

static const struct pq_p_profile *
find_profile(const struct pq_image *image, const struct pq_text *name)
{
	for (size_t i = 0; i < image->p.n_profiles; i++) {
		const char *known = pq_string(image, image->p.profiles[i].name);
		if (strlen(known) == name->len && memcmp(known, name->at, name->len) == 0)
			return &image->p.profiles[i];
	}
	return NULL;
}

bool
pq_assume_bind(struct pq_assumptions *as, const struct pq_image *image, const struct pq_request *request,
               struct pq_arena *arena, struct pq_violation_list *violations)
{
	*as = (struct pq_assumptions){0};
	if (request->assume.n == 0 && request->n_profiles == 0)
		return true;
	as->any = true;
	for (int scope = 0; scope < PQ_SCOPE_DECISION; scope++) {
		size_t n = image->meta->scope_facts[scope];
		as->given[scope].at = pq_arena_array(arena, n + 1, sizeof(struct pq_given));
		as->given[scope].said = pq_arena_array(arena, n / 64 + 1, sizeof(uint64_t));
		as->source[scope] = pq_arena_array(arena, n + 1, sizeof(uint16_t));
		as->used[scope] = pq_arena_array(arena, n + 1, 1);
		if (as->given[scope].at == NULL || as->given[scope].said == NULL || as->source[scope] == NULL || as->used[scope] == NULL)
			return false;
	}
	bind_own(as, image, &request->assume, arena, violations);
	if (request->n_profiles > PQ_MAX_PROFILES) {
		pq_violate(violations, "profile", (struct pq_text){"", 0}, "TOO_MANY", "more than %d", PQ_MAX_PROFILES);
		return true;
	}
	for (size_t i = 0; i < request->n_profiles; i++) {
		const struct pq_p_profile *profile = find_profile(image, &request->profiles[i]);
		if (profile == NULL)
			pq_violate(violations, "profile", (struct pq_text){"", 0}, "UNKNOWN_PROFILE",
			           "\"%.*s\" is not declared by any pack", request->profiles[i].len < 80 ? (int)request->profiles[i].len : 80,
			           request->profiles[i].at);
		else
			take_profile(as, image, profile, (uint16_t)(profile - image->p.profiles + 1));
	}
	return true;
}

void
pq_assume_fill(struct pq_assumptions *as, const struct pq_image *image, enum pq_scope scope,
               const struct pq_givens *givens)
{
	const struct pq_givens *assumed = &as->given[scope];

	for (size_t w = 0; as->any && w <= image->meta->scope_facts[scope] / 64; w++) {
		for (uint64_t left = assumed->said[w] & ~givens->said[w]; left != 0; left &= left - 1) {
			size_t slot = w * 64 + (size_t)__builtin_ctzll(left);
			if (assumed->at[slot].state != PQ_SAID)
				continue;
			givens->at[slot] = assumed->at[slot];
			pq_note_said(givens->said, (uint32_t)slot);
			as->used[scope][slot] = 1;
		}
	}
}

static const char *
words_of(const struct pq_image *image, const struct pq_p_attr *a, const struct pq_given *given, struct pq_arena *arena)
{
	char buf[40];
	const char *text = "";

	if (a->type == PQ_TYPE_NUMBER || a->type == PQ_TYPE_DATE) {
		if (a->type == PQ_TYPE_DATE)
			pq_date_format((int32_t)given->number, buf, sizeof(buf));
		else
			pq_number_format(given->number, buf, sizeof(buf));
		return pq_arena_strndup(arena, buf, strlen(buf));
	}
	if (a->domain == PQ_NO_INDEX)
		return pq_arena_strndup(arena, given->text.at != NULL ? given->text.at : "", given->text.len);
	for (uint32_t i = 0; i < given->n_symbols && text != NULL; i++) {
		uint32_t symbol = image->p.domains[a->domain].symbols.first + given->symbols[i];
		const char *name = pq_string(image, image->p.symbols[symbol]);
		text = i == 0 ? name : pq_arena_printf(arena, "%s, %s", text, name);
	}
	return text;
}

bool
pq_assume_echo(const struct pq_assumptions *as, const struct pq_image *image, struct pq_arena *arena,
               struct pq_decision *ret)
{
	if (!as->any)
		return true;
	ret->assumed = pq_arena_array(arena, image->p.n_attrs, sizeof(*ret->assumed));
	if (ret->assumed == NULL)
		return false;
	for (size_t i = 0; i < image->p.n_attrs; i++) {
		const struct pq_p_attr *a = &image->p.attrs[i];
		if (!a->is_fact || a->scope >= PQ_SCOPE_DECISION || !as->used[a->scope][a->slot])
			continue;
		uint16_t source = as->source[a->scope][a->slot];
		struct pq_assumed one = {
		    .name = pq_string(image, a->name),
		    .value = words_of(image, a, &as->given[a->scope].at[a->slot], arena),
		    .source = source > 0 ? pq_string(image, image->p.profiles[source - 1].name) : "",
		};
		if (one.value == NULL)
			return false;
		ret->assumed[ret->n_assumed++] = one;
	}
	return true;
}

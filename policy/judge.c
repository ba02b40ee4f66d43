#include "policy/decision.h"
#include "policy/model.h"
#include "policy/request.h"

#include <string.h>

/* Texts compared here are names of exceptions and obligations: "GOV(b)(2)(ii)", "EEI(758.1(b)(3))". */

/* "all but A,B,C": more names than any rule spares. */
#define SPARES_MAX 32

struct verdict {
	struct pq_arena *arena;
	const char *text; /* a line for each field that differs; NULL = none */
	bool failed;
};

static void
differ(struct verdict *verdict, const char *field, const char *expected, const char *got)
{
	const char *text =
		pq_arena_printf(verdict->arena, "%s%s%s: expected %s, got %s", verdict->text != NULL ? verdict->text : "",
	                    verdict->text != NULL ? "\n" : "", field, expected, got);

	verdict->failed = true;
	if (text != NULL)
		verdict->text = text;
}

/* ---- sets of names ---------------------------------------------------------------------------------------------- */

struct names {
	const char **at;
	size_t n;
};

static bool
has(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->at[i], name) == 0)
			return true;
	return false;
}

static bool
within(const struct names *inner, const struct names *outer)
{
	for (size_t i = 0; i < inner->n; i++)
		if (!has(outer, inner->at[i]))
			return false;
	return true;
}

static const char *
join(struct pq_arena *arena, const struct names *names)
{
	const char *text = "";

	for (size_t i = 0; i < names->n; i++) {
		const char *longer = pq_arena_printf(arena, "%s%s%s", text, i > 0 ? ", " : "", names->at[i]);
		if (longer == NULL)
			return "(no memory to say)";
		text = longer;
	}
	return names->n > 0 ? text : "none";
}

static void
compare_sets(struct verdict *verdict, const char *field, const struct names *expected, const struct names *got)
{
	if (!within(expected, got) || !within(got, expected))
		differ(verdict, field, join(verdict->arena, expected), join(verdict->arena, got));
}

/* The name of an obligation is what stands before the first parenthesis. */
static const char *
before_parenthesis(struct pq_arena *arena, const char *text)
{
	size_t len = strcspn(text, "(");

	while (len > 0 && text[len - 1] == ' ')
		len--;
	return pq_arena_strndup(arena, text, len);
}

/* ---- what is barred --------------------------------------------------------------------------------------------- */

static bool
bars_all(const struct pq_barred *barred)
{
	return barred->spares == NULL && strcmp(barred->name, "all") == 0;
}

/* Does a bar under this name, "LVS" or "LVS, GBS", bar the whole exception? */
static bool
list_bars(const char *names, const char *exception)
{
	for (;;) {
		char name[PQ_MAX_STRING + 1];
		size_t len = strcspn(names, ",");
		if (len > 0 && len < sizeof(name)) {
			memcpy(name, names, len);
			name[len] = '\0';
			if (pq_exception_covers(name, exception))
				return true;
		}
		if (names[len] == '\0')
			return false;
		names += len + 1;
		names += strspn(names, " ");
	}
}

/* Does this entry of the decision alone bar the whole exception? */
static bool
entry_bars(const struct pq_barred *barred, const char *name)
{
	if (bars_all(barred))
		return true;
	if (barred->spares == NULL)
		return list_bars(barred->name, name);
	for (size_t i = 0; barred->spares[i] != NULL; i++)
		if (pq_exception_covers(barred->spares[i], name) || pq_exception_covers(name, barred->spares[i]))
			return false;
	return true;
}

static bool
decision_bars(const struct pq_decision *decision, const char *name)
{
	for (size_t i = 0; i < decision->n_barred; i++)
		if (entry_bars(&decision->barred[i], name) || strcmp(decision->barred[i].name, name) == 0)
			return true;
	return false;
}

static bool
text_barred(const struct pq_decision *decision, const char *text)
{
	for (size_t i = 0; i < decision->n_barred; i++)
		if (bars_all(&decision->barred[i]) || strcmp(decision->barred[i].name, text) == 0)
			return true;
	return false;
}

/*
 * A name without a paragraph stands for all paragraphs that have conditions of their own: it is barred where two of
 * them or more are, and none can be used.
 */
static bool
slices_barred(const struct pq_decision *decision, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < decision->n_available; i++) {
		if (pq_exception_covers(name, decision->available[i].name))
			return false;
	}
	for (size_t i = 0; i < decision->n_barred; i++)
		n += decision->barred[i].spares == NULL && pq_exception_covers(name, decision->barred[i].name);
	return n >= 2;
}

static bool
symbol_barred(const struct pq_decision *decision, const char *name)
{
	/* "all", "exemptions (126.1(a))": names of no single exception, which an "all but" does not contain. */
	if (strcmp(name, "all") == 0 || strchr(name, ' ') != NULL)
		return text_barred(decision, name);
	if (decision_bars(decision, name))
		return true;
	return slices_barred(decision, name);
}

/* The last "(...)" of a name goes, and `tail` takes its place: GOV(b)(2)(i), (ii) -> GOV(b)(2)(ii). */
static const char *
replace_last_group(struct pq_arena *arena, const char *name, const char *tail)
{
	const char *last = strrchr(name, '(');

	return pq_arena_printf(arena, "%.*s%s", (int)(last != NULL ? (size_t)(last - name) : strlen(name)), name, tail);
}

/* "GOV(b)(2)(i),(ii)" is two names. False when memory is out or there are too many. */
static bool
split_names(struct pq_arena *arena, const char *text, const char **names, size_t *ret_n)
{
	size_t n = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, ",");
		const char *start = text;
		text += len + (text[len] == ',');
		while (len > 0 && *start == ' ')
			start++, len--;
		while (len > 0 && start[len - 1] == ' ')
			len--;
		if (len == 0)
			continue;
		const char *name = pq_arena_strndup(arena, start, len);
		if (name != NULL && name[0] == '(' && n > 0)
			name = replace_last_group(arena, names[n - 1], name);
		if (name == NULL || n == SPARES_MAX)
			return false;
		names[n++] = name;
	}
	*ret_n = n;
	return true;
}

/* Does the entry spare nothing but what is named (or what another entry bars again)? */
static bool
spares_only(const struct pq_decision *decision, const struct pq_barred *barred, const char **names, size_t n)
{
	for (size_t i = 0; barred->spares[i] != NULL; i++) {
		bool named = decision_bars(decision, barred->spares[i]);
		for (size_t k = 0; k < n && !named; k++)
			named = pq_exception_covers(names[k], barred->spares[i]);
		if (!named)
			return false;
	}
	return true;
}

static bool
all_but_barred(const struct pq_decision *decision, struct pq_arena *arena, const char *list)
{
	const char *names[SPARES_MAX];
	size_t n;

	if (!split_names(arena, list, names, &n))
		return false;
	for (size_t i = 0; i < decision->n_barred; i++) {
		const struct pq_barred *barred = &decision->barred[i];
		if (bars_all(barred) || (barred->spares != NULL && spares_only(decision, barred, names, n)))
			return true;
	}
	return false;
}

/* `expected` is "SYMBOL: reason"; only the symbol counts. */
static bool
barred_as_expected(const struct pq_decision *decision, struct pq_arena *arena, const char *expected)
{
	size_t len = strcspn(expected, ":");

	while (len > 0 && expected[len - 1] == ' ')
		len--;
	const char *symbol = pq_arena_strndup(arena, expected, len);
	if (symbol == NULL)
		return false;
	if (strncmp(symbol, "all but ", 8) == 0)
		return all_but_barred(decision, arena, symbol + 8);
	return symbol_barred(decision, symbol);
}

static bool
names_init(struct names *names, struct pq_arena *arena, size_t n)
{
	names->at = pq_arena_array(arena, n, sizeof(*names->at));
	names->n = n;
	return names->at != NULL;
}

static void
judge_barred(struct verdict *verdict, const struct pq_expected *expected, const struct pq_decision *decision)
{
	struct names got;

	if (!names_init(&got, verdict->arena, decision->n_barred)) {
		verdict->failed = true;
		return;
	}
	for (size_t i = 0; i < got.n; i++)
		got.at[i] = decision->barred[i].name;
	for (size_t i = 0; i < expected->n_barred; i++)
		if (!barred_as_expected(decision, verdict->arena, expected->barred[i]))
			differ(verdict, "exceptions_barred", expected->barred[i], join(verdict->arena, &got));
}

static void
judge_available(struct verdict *verdict, const struct pq_expected *expected, const struct pq_decision *decision)
{
	struct names got;

	if (!names_init(&got, verdict->arena, decision->n_available)) {
		verdict->failed = true;
		return;
	}
	for (size_t i = 0; i < got.n; i++)
		got.at[i] = decision->available[i].name;
	compare_sets(verdict, "exceptions_available", &(struct names){expected->available, expected->n_available}, &got);
}

static void
judge_obligations(struct verdict *verdict, const struct pq_expected *expected, const struct pq_decision *decision)
{
	struct names want, got;
	bool whole = names_init(&want, verdict->arena, expected->n_obligations) &&
	             names_init(&got, verdict->arena, decision->n_obligations);

	for (size_t i = 0; whole && i < want.n; i++)
		whole = (want.at[i] = before_parenthesis(verdict->arena, expected->obligations[i])) != NULL;
	for (size_t i = 0; whole && i < got.n; i++)
		whole = (got.at[i] = before_parenthesis(verdict->arena, decision->obligations[i].name)) != NULL;
	if (whole)
		compare_sets(verdict, "obligations", &want, &got);
	else
		verdict->failed = true;
}

static void
judge_missing(struct verdict *verdict, const struct pq_expected *expected, const struct pq_decision *decision)
{
	struct names got;

	if (!names_init(&got, verdict->arena, decision->n_missing)) {
		verdict->failed = true;
		return;
	}
	for (size_t i = 0; i < got.n; i++)
		got.at[i] = decision->missing[i].name;
	compare_sets(verdict, "missing_facts", &(struct names){expected->missing, expected->n_missing}, &got);
}

const char *
pq_case_judge(const struct pq_expected *expected, const struct pq_decision *decision, struct pq_arena *arena)
{
	struct verdict verdict = {.arena = arena};

	if (expected->outcome != decision->outcome)
		differ(&verdict, "outcome", pq_outcome_name(expected->outcome), pq_outcome_name(decision->outcome));
	if (expected->has_policy && expected->policy != decision->policy)
		differ(&verdict, "review_policy", pq_policy_name(expected->policy),
		       decision->policy == PQ_POLICY_NONE ? "none" : pq_policy_name(decision->policy));
	judge_available(&verdict, expected, decision);
	judge_barred(&verdict, expected, decision);
	judge_obligations(&verdict, expected, decision);
	if (expected->outcome == PQ_OUTCOME_NEEDS_INFORMATION)
		judge_missing(&verdict, expected, decision);
	if (verdict.failed && verdict.text == NULL)
		return "no memory to judge the case";
	return verdict.text;
}

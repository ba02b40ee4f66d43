#include "policy/analyse_parts.h"
#include "policy/calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
pq_analysis_name(enum pq_analysis_kind kind)
{
	static const char *const names[PQ_ANALYSIS_COUNT] = {
#define X(NAME, name) [PQ_ANALYSIS_##NAME] = name,
		PQ_ANALYSIS_MAP(X)
#undef X
	};

	return names[kind];
}

void *
pq_an_alloc(struct pq_an *an, size_t count, size_t size)
{
	void *block = pq_arena_array(an->arena, count > 0 ? count : 1, size);

	if (block == NULL)
		an->oom = true;
	return block;
}

void
pq_an_report(struct pq_an *an, enum pq_analysis_kind kind, struct pq_src src, const char *fmt, ...)
{
	va_list ap;
	char text[2048];

	if (an->oom)
		return;
	an->result.counts[kind]++;
	if (an->n_found == PQ_ANALYSIS_MAX_FINDINGS)
		return;
	if (an->n_found == an->cap_found) {
		size_t cap = an->cap_found > 0 ? an->cap_found * 2 : 64;
		struct pq_an_finding *at = pq_an_alloc(an, cap, sizeof(*at));
		if (at == NULL)
			return;
		if (an->n_found > 0)
			memcpy(at, an->found, an->n_found * sizeof(*at));
		an->found = at;
		an->cap_found = cap;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	const char *kept = pq_arena_printf(an->arena, "%s: %s", pq_analysis_name(kind), text);
	if (kept == NULL) {
		an->oom = true;
		return;
	}
	an->found[an->n_found++] = (struct pq_an_finding){{PQ_SEVERITY_WARNING, src, kept}, kind};
}

bool
pq_an_excludes(const struct pq_an *an, uint32_t exclusion, uint32_t requirement)
{
	const struct pq_p_rule *rule = &an->p->rules[exclusion];

	return rule->kind == PQ_KIND_EXCLUSION &&
	       pq_bit(an->p->words + rule->excludes, an->p->rules[requirement].requirement);
}

const char *
pq_an_days(struct pq_an *an, int64_t lo, int64_t hi)
{
	char from[16] = "", to[16] = "";
	const char *text;

	if (lo > PQ_DATE_MIN && lo < PQ_DATE_MAX)
		pq_date_format((int32_t)lo, from, sizeof(from));
	if (hi > PQ_DATE_MIN && hi < PQ_DATE_MAX - 1)
		pq_date_format((int32_t)hi, to, sizeof(to));
	if (from[0] == '\0' && to[0] == '\0')
		return "on all days";
	if (lo == hi)
		text = pq_arena_printf(an->arena, "on %s", from);
	else if (to[0] == '\0')
		text = pq_arena_printf(an->arena, "from %s on", from);
	else if (from[0] == '\0')
		text = pq_arena_printf(an->arena, "up to %s", to);
	else
		text = pq_arena_printf(an->arena, "from %s to %s", from, to);
	return text != NULL ? text : "";
}

static void
find_all(struct pq_an *an)
{
	an->result.n_alternatives = an->p->n_alts;
	pq_an_cells(an);
	pq_an_shadowed(an);
	pq_an_contradictions(an);
	pq_an_never_usable(an);
	pq_an_unspoken(an);
}

static void
finish(struct pq_an *an)
{
	size_t n = an->n_found, total = 0;
	struct pq_finding *at = pq_an_alloc(an, n + 1, sizeof(*at));

	for (size_t i = 0; at != NULL && i < n; i++)
		at[i] = an->found[i].finding;
	for (size_t i = 0; i < PQ_ANALYSIS_COUNT; i++)
		total += an->result.counts[i];
	const char *more =
		total > n ? pq_arena_printf(an->arena, "%zu findings; only the first %zu are shown", total, n) : "";
	if (at == NULL || more == NULL) {
		an->oom = true;
		return;
	}
	if (total > n)
		at[n++] = (struct pq_finding){PQ_SEVERITY_WARNING, {"", 0, 0}, more};
	an->result.findings = (struct pq_findings){at, n, 0, total};
}

enum pq_status
pq_analyse(const struct pq_model *model, const struct pq_image *image, struct pq_arena *arena, struct pq_analysis *ret,
           struct pq_err *err)
{
	struct pq_an an = {.model = model, .image = image, .p = &image->p, .arena = arena};
	struct pq_dates dates;
	enum pq_status status = pq_image_dates(image, PQ_DATE_MIN + 1, PQ_DATE_MAX, arena, &dates, err);

	if (status != PQ_OK)
		return status;
	an.dates = dates.at;
	an.n_dates = dates.n;
	pq_arena_init(&an.scratch, PQ_AN_SCRATCH_BYTES);
	find_all(&an);
	finish(&an);
	pq_arena_release(&an.scratch);
	if (an.oom)
		return pq_fail(err, PQ_ENOMEM, "out of memory while packs were analysed");
	*ret = an.result;
	return PQ_OK;
}

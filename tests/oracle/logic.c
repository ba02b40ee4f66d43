/* Three-valued logic (Kleene's) that remembers what the unknown rests on. */
#include "tests/oracle/internal.h"

void
or_deps_add(struct or_deps *deps, uint32_t id)
{
	deps->bits[id / 64] |= (uint64_t)1 << id % 64;
}

bool
or_deps_has(const struct or_deps *deps, uint32_t id)
{
	return deps->bits[id / 64] >> id % 64 & 1;
}

void
or_deps_join(struct or_deps *deps, const struct or_deps *more)
{
	for (size_t i = 0; i < OR_MAX_UNKNOWNS / 64; i++)
		deps->bits[i] |= more->bits[i];
}

struct or_verdict
or_known(bool is)
{
	return (struct or_verdict){.is = is ? OR_TRUE : OR_FALSE};
}

struct or_verdict
or_unknown(const struct or_deps *why)
{
	return (struct or_verdict){.is = OR_UNKNOWN, .why = *why};
}

struct or_verdict
or_not(struct or_verdict a)
{
	if (a.is != OR_UNKNOWN)
		a.is = a.is == OR_TRUE ? OR_FALSE : OR_TRUE;
	return a;
}

/* `end` is the value that settles it: false for AND, true for OR. */
static void
combine(struct or_verdict *to, const struct or_verdict *more, enum or_truth end)
{
	if (to->is == end)
		return;
	if (more->is == end) {
		if (to->is == OR_UNKNOWN)
			to->why = (struct or_deps){0};
		to->is = end;
	} else if (more->is == OR_UNKNOWN) {
		to->is = OR_UNKNOWN;
		or_deps_join(&to->why, &more->why);
	}
}

void
or_and(struct or_verdict *to, const struct or_verdict *more)
{
	combine(to, more, OR_FALSE);
}

void
or_or(struct or_verdict *to, const struct or_verdict *more)
{
	combine(to, more, OR_TRUE);
}

#include "policy/model.h"

#include <string.h>

uint32_t
pq_model_attr(const struct pq_model *model, const char *name)
{
	for (size_t i = 0; i < model->n_attrs; i++) {
		if (strcmp(model->attrs[i].name, name) == 0)
			return (uint32_t)i;
	}
	return PQ_NO_INDEX;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Not strncasecmp(): that one asks the locale. */
static bool
same_name(const char *name, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '\0' || lower(name[i]) != lower(text[i]))
			return false;
	}
	return name[len] == '\0';
}

uint32_t
pq_domain_find(const struct pq_domain *domain, const char *name, size_t len)
{
	for (size_t i = 0; i < domain->n_symbols; i++) {
		if (same_name(domain->symbols[i], name, len))
			return (uint32_t)i;
	}
	for (size_t i = 0; i < domain->n_aliases; i++) {
		if (same_name(domain->aliases[i].name, name, len))
			return domain->aliases[i].symbol;
	}
	return PQ_NO_INDEX;
}

bool
pq_exception_covers(const char *name, const char *exception)
{
	size_t len = strlen(name);

	return strncmp(name, exception, len) == 0 && (exception[len] == '\0' || exception[len] == '(');
}

/** Is `upper` the path itself or one above it? An empty path is above every other. */
static bool
at_or_above(const char *upper, const char *path)
{
	size_t len = strlen(upper);

	return len == 0 || (strncmp(upper, path, len) == 0 && (path[len] == '\0' || path[len] == '.'));
}

enum pq_path_relation
pq_path_relate(const char *listed, const char *known)
{
	if (at_or_above(listed, known))
		return PQ_PATH_COVERS;
	return at_or_above(known, listed) ? PQ_PATH_BELOW : PQ_PATH_APART;
}

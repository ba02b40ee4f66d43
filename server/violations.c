#include "server/violations.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Texts of clients are shown with what is not printable ASCII replaced: they end in logs and terminals. */
static void
printable(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++) {
		if (*c < 0x20 || *c >= 0x7f)
			*c = '?';
	}
}

static size_t
format(const struct pq_path *path, char *buf, size_t size)
{
	if (path == NULL || path->name == NULL)
		return 0;
	size_t len = format(path->up, buf, size);
	if (len >= size - 1)
		return size - 1;

	int n = snprintf(buf + len, size - len, "%s%s", len > 0 ? "." : "", path->name);
	len += n > 0 ? (size_t)n : 0;
	if (path->index >= 0 && len < size - 1) {
		n = snprintf(buf + len, size - len, "[%ld]", path->index);
		len += n > 0 ? (size_t)n : 0;
	}
	if (path->key != NULL && len < size - 1) {
		int shown = path->key_len > 64 ? 64 : (int)path->key_len;
		n = snprintf(buf + len, size - len, "[\"%.*s\"]", shown, path->key);
		len += n > 0 ? (size_t)n : 0;
	}
	return len < size - 1 ? len : size - 1;
}

void
pq_path_format(const struct pq_path *path, const char *name, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	len = format(path, buf, size);
	if (name != NULL && len < size - 1)
		snprintf(buf + len, size - len, "%s%s", len > 0 ? "." : "", name);
	printable(buf);
}

void
pq_violations_add(struct pq_violations *violations, const struct pq_path *path, const char *name, const char *reason,
                  const char *fmt, ...)
{
	char field[PQ_ERR_WHERE_MAX], text[PQ_ERR_MSG_MAX];
	va_list ap;

	if (pq_violations_full(violations))
		return;
	pq_path_format(path, name, field, sizeof(field));
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printable(text);

	struct pq_violation *violation = &violations->at[violations->n];
	violation->field = pq_arena_strndup(violations->arena, field, strlen(field));
	violation->description = pq_arena_strndup(violations->arena, text, strlen(text));
	violation->reason = reason;
	if (violation->field == NULL || violation->description == NULL)
		violations->no_memory = true;
	else
		violations->n++;
}

#include "policy/status.h"

#include <stdio.h>
#include <string.h>

const char *
pq_status_text(enum pq_status status)
{
	static const char *const texts[] = {
#define X(name, text) text,
		PQ_STATUS_MAP(X)
#undef X
	};

	if ((size_t)status >= sizeof(texts) / sizeof(texts[0]))
		return "unknown status";
	return texts[status];
}

static enum pq_status
fill(struct pq_err *err, enum pq_status status, const char *where, int line, int column, const char *fmt, va_list ap)
{
	if (err == NULL)
		return status;
	/* `where` and the arguments may point into *err itself (wrapping an error on its way up). */
	char msg[PQ_ERR_MSG_MAX];
	char place[PQ_ERR_WHERE_MAX];

	vsnprintf(msg, sizeof(msg), fmt, ap);
	snprintf(place, sizeof(place), "%s", where != NULL ? where : "");
	err->status = status;
	err->line = line;
	err->column = column;
	memcpy(err->where, place, sizeof(place));
	memcpy(err->msg, msg, sizeof(msg));
	return status;
}

enum pq_status
pq_fail(struct pq_err *err, enum pq_status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, status, NULL, 0, 0, fmt, ap);
	va_end(ap);
	return status;
}

enum pq_status
pq_fail_at(struct pq_err *err, enum pq_status status, const char *where, int line, int column, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, status, where, line, column, fmt, ap);
	va_end(ap);
	return status;
}

void
pq_err_format(const struct pq_err *err, char *buf, size_t size)
{
	if (err->where[0] == '\0')
		snprintf(buf, size, "%s", err->msg);
	else if (err->line == 0)
		snprintf(buf, size, "%s: %s", err->where, err->msg);
	else if (err->column == 0)
		snprintf(buf, size, "%s:%d: %s", err->where, err->line, err->msg);
	else
		snprintf(buf, size, "%s:%d:%d: %s", err->where, err->line, err->column, err->msg);
}

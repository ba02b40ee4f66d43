#include "server/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A line up to PIPE_BUF bytes goes into a pipe in one piece, whatever other threads write. */
#define LINE_MAX_BYTES 4096

static enum pq_log_level threshold = PQ_LOG_INFO;

static const char *const words[] = {
#define X(name, word) word,
	PQ_LOG_LEVEL_MAP(X)
#undef X
};

void
pq_log_set_level(enum pq_log_level level)
{
	threshold = level;
}

bool
pq_log_level_parse(const char *word, enum pq_log_level *ret)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i]) == 0) {
			*ret = (enum pq_log_level)i;
			return true;
		}
	}
	return false;
}

bool
pq_log_enabled(enum pq_log_level level)
{
	return level >= threshold;
}

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	bool full;
};

static void
put(struct line *line, const char *bytes, size_t len)
{
	if (line->full || len > sizeof(line->text) - 3 - line->len) {
		line->full = true;
		return;
	}
	memcpy(line->text + line->len, bytes, len);
	line->len += len;
}

static void
put_quoted(struct line *line, const char *text)
{
	put(line, "\"", 1);
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
		char escape[8];
		if (*c == '"' || *c == '\\') {
			escape[0] = '\\';
			escape[1] = (char)*c;
			put(line, escape, 2);
		} else if (*c < 0x20 || *c == 0x7f) {
			snprintf(escape, sizeof(escape), "\\u%04x", *c);
			put(line, escape, 6);
		} else {
			put(line, (const char *)c, 1);
		}
	}
	put(line, "\"", 1);
}

static void
put_field(struct line *line, const struct pq_log_field *field)
{
	size_t before = line->len;
	char number[24];

	put(line, line->len > 1 ? "," : "", line->len > 1 ? 1 : 0);
	put_quoted(line, field->name);
	put(line, ":", 1);
	if (field->text != NULL) {
		put_quoted(line, field->text);
	} else {
		int len = snprintf(number, sizeof(number), "%lld", (long long)field->number);
		put(line, number, (size_t)len);
	}
	if (line->full)
		line->len = before; /* the line stays JSON */
}

static void
now(char *buf, size_t size)
{
	struct timespec time;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &time);
	gmtime_r(&time.tv_sec, &utc);
	size_t len = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(buf + len, size - len, ".%06ldZ", time.tv_nsec / 1000);
}

void
pq_log(enum pq_log_level level, const char *event, const struct pq_log_field *fields)
{
	struct line line;
	char time[40];

	if (!pq_log_enabled(level))
		return;
	line.len = 0;
	line.full = false;
	put(&line, "{", 1);
	now(time, sizeof(time));
	put_field(&line, &(struct pq_log_field)PQ_LOG_TEXT("time", time));
	put_field(&line, &(struct pq_log_field)PQ_LOG_TEXT("level", words[level]));
	put_field(&line, &(struct pq_log_field)PQ_LOG_TEXT("event", event));
	for (; fields->name != NULL && !line.full; fields++)
		put_field(&line, fields);
	memcpy(line.text + line.len, "}\n", 2);
	/* Nowhere to tell that the log cannot be written. */
	ssize_t written = write(STDERR_FILENO, line.text, line.len + 2);
	(void)written;
}

/*
 * Any bytes as the files of roles and of tokens, and as the name or token that a caller shows. The input is cut at bytes
 * 0xff, which no text holds: roles, tokens, what is shown. Who has which role is read here once more, line by line, and
 * must be the same: a role that no line gives would let a stranger in.
 *
 * fuzz: -max_len=8192
 */
#include "server/access.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct part {
	const char *text;
	size_t len;
};

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static struct part
next_part(const uint8_t **at, const uint8_t *end)
{
	const uint8_t *mark = *at < end ? memchr(*at, 0xff, (size_t)(end - *at)) : NULL;
	struct part part = {(const char *)*at, (size_t)((mark != NULL ? mark : end) - *at)};

	*at = mark != NULL ? mark + 1 : end;
	return part;
}

static int
file_of(const struct part *part, char path[64])
{
	int fd = memfd_create("access", MFD_CLOEXEC);

	must(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, part->text, part->len) == (ssize_t)part->len);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

/* The next word that is ended by a blank or the end of the line. */
static struct part
word_of(struct part *line)
{
	while (line->len > 0 && strchr(" \t\r", line->text[0]) != NULL)
		line->text++, line->len--;
	struct part word = {line->text, 0};
	while (word.len < line->len && strchr(" \t\r", word.text[word.len]) == NULL)
		word.len++;
	line->text += word.len;
	line->len -= word.len;
	return word;
}

static bool
is(const struct part *part, const char *text)
{
	return part->len == strlen(text) && memcmp(part->text, text, part->len) == 0;
}

/* The roles that a file, which was taken, gives to whom its lines name as `key`. */
static unsigned
roles_in(struct part file, const char *key, size_t key_len, bool folded)
{
	unsigned roles = PQ_ROLES_NONE;

	while (file.len > 0) {
		const char *end = memchr(file.text, '\n', file.len);
		struct part line = {file.text, end != NULL ? (size_t)(end - file.text) : file.len};
		size_t whole = line.len + (end != NULL);
		struct part role = word_of(&line);
		file.text += whole;
		file.len -= whole;
		if (role.len == 0 || role.text[0] == '#')
			continue;
		while (line.len > 0 && strchr(" \t\r", line.text[0]) != NULL)
			line.text++, line.len--;
		while (line.len > 0 && strchr(" \t\r", line.text[line.len - 1]) != NULL)
			line.len--;
		bool same = line.len == key_len &&
		            (folded ? strncasecmp(line.text, key, key_len) == 0 : memcmp(line.text, key, key_len) == 0);
		if (same)
			roles |= is(&role, "decide")      ? PQ_ROLE_DECIDE
			         : is(&role, "publish")   ? PQ_ROLE_PUBLISH
			         : is(&role, "replicate") ? PQ_ROLE_REPLICATE
			         : is(&role, "admin")     ? PQ_ROLE_ADMIN
			                                  : PQ_ROLES_NONE;
	}
	return roles;
}

static void
check_names(const struct pq_access *access, const struct part *roles, const struct part *shown)
{
	static const struct {
		enum pq_name_kind kind;
		const char *prefix;
	} kinds[] = {{PQ_NAME_DNS, "dns:"}, {PQ_NAME_URI, "uri:"}, {PQ_NAME_CN, "cn:"}};
	char *key = malloc(shown->len + 8);

	must(key != NULL);
	must(pq_access_of_everybody(access) == roles_in(*roles, "*", 1, false));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t prefix = strlen(kinds[i].prefix);
		memcpy(key, kinds[i].prefix, prefix);
		memcpy(key + prefix, shown->text, shown->len);
		unsigned expected = shown->len > 0 ? roles_in(*roles, key, prefix + shown->len, false) : PQ_ROLES_NONE;
		must(pq_access_of_name(access, kinds[i].kind, shown->text, shown->len) == expected);
	}
	free(key);
}

static void
check_token(const struct pq_access *access, const struct part *tokens, const struct part *shown)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1];

	SHA256((const uint8_t *)shown->text, shown->len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	must(pq_access_of_token(access, shown->text, shown->len) == roles_in(*tokens, hex, strlen(hex), true));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data;
	struct part roles = next_part(&at, data + size), tokens = next_part(&at, data + size);
	struct part shown = {(const char *)at, (size_t)(data + size - at)};
	char roles_path[64], tokens_path[64];
	int roles_fd = file_of(&roles, roles_path), tokens_fd = file_of(&tokens, tokens_path);
	struct pq_access *access = NULL;
	struct pq_err err = {0};

	if (pq_access_open(roles_path, tokens_path, &access, &err) == PQ_OK) {
		check_names(access, &roles, &shown);
		check_token(access, &tokens, &shown);
		pq_access_release(access);
	} else {
		must(access == NULL && err.msg[0] != '\0' && err.where[0] != '\0');
	}
	close(roles_fd);
	close(tokens_fd);
	return 0;
}

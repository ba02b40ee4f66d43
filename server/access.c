#include "server/access.h"

#include "server/limits.h"
#include "server/log.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct name {
	enum pq_name_kind kind;
	const char *text;
	size_t len;
	unsigned roles;
};

struct token {
	uint8_t digest[SHA256_DIGEST_LENGTH];
	unsigned roles;
};

struct pq_access {
	_Atomic(unsigned) holders;
	struct pq_arena arena; /* of the texts */
	unsigned everybody;
	struct name *names; /* sorted */
	size_t n_names;
	struct token *tokens;
	size_t n_tokens;
};

static const char *const words[PQ_ROLE_COUNT] = {
#define X(name, word) [PQ_ROLE_NUMBER_##name] = word,
	PQ_ROLE_MAP(X)
#undef X
};

static const char *const prefixes[] = {[PQ_NAME_DNS] = "dns:", [PQ_NAME_URI] = "uri:", [PQ_NAME_CN] = "cn:"};

void
pq_roles_format(unsigned roles, char *ret, size_t size)
{
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < PQ_ROLE_COUNT && len < size; i++) {
		if ((roles & 1u << i) != 0)
			len += (size_t)snprintf(ret + len, size - len, "%s%s", len > 0 ? " or " : "", words[i]);
	}
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* A line of a file: its role, and what follows it, without the blanks around. */
struct line {
	const char *path;
	int number;
	unsigned role;
	const char *rest;
	size_t rest_len;
};

typedef enum pq_status take_fn(struct pq_access *access, const struct line *line, struct pq_err *err);

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static enum pq_status
read_role(struct line *line, const char *text, size_t len, struct pq_err *err)
{
	size_t word = 0;

	while (word < len && !is_blank(text[word]))
		word++;
	for (size_t i = 0; i < PQ_ROLE_COUNT; i++) {
		if (strlen(words[i]) == word && memcmp(words[i], text, word) == 0)
			line->role = 1u << i;
	}
	if (line->role == PQ_ROLES_NONE)
		return pq_fail_at(err, PQ_EINVAL, line->path, line->number, 0,
		                  "\"%.*s\" is no role: write decide, publish, replicate or admin", word > 40 ? 40 : (int)word,
		                  text);
	while (word < len && is_blank(text[word]))
		word++;
	line->rest = text + word;
	line->rest_len = len - word;
	return PQ_OK;
}

/* Each line that says something. */
static enum pq_status
read_lines(struct pq_access *access, const char *path, const char *text, take_fn *take, struct pq_err *err)
{
	int number = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, "\n"), whole = len + (text[len] == '\n');
		const char *start = text;
		struct line line = {.path = path, .number = ++number};
		text += whole;
		while (len > 0 && is_blank(start[0]))
			start++, len--;
		while (len > 0 && is_blank(start[len - 1]))
			len--;
		if (len == 0 || start[0] == '#')
			continue;
		enum pq_status status = read_role(&line, start, len, err);
		if (status == PQ_OK)
			status = take(access, &line, err);
		if (status != PQ_OK)
			return status;
	}
	return PQ_OK;
}

static enum pq_status
too_many(const struct line *line, struct pq_err *err)
{
	return pq_fail_at(err, PQ_EINVAL, line->path, line->number, 0, "has more than %d entries",
	                  PQ_SERVER_ACCESS_ENTRIES);
}

static enum pq_status
take_name(struct pq_access *access, const struct line *line, struct pq_err *err)
{
	if (line->rest_len == 1 && line->rest[0] == '*') {
		access->everybody |= line->role;
		return PQ_OK;
	}
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t prefix = strlen(prefixes[i]);
		if (line->rest_len <= prefix || memcmp(line->rest, prefixes[i], prefix) != 0)
			continue;
		if (access->n_names == PQ_SERVER_ACCESS_ENTRIES)
			return too_many(line, err);
		access->names[access->n_names++] =
			(struct name){(enum pq_name_kind)i, line->rest + prefix, line->rest_len - prefix, line->role};
		return PQ_OK;
	}
	return pq_fail_at(err, PQ_EINVAL, line->path, line->number, 0,
	                  "\"%.*s\" is no name: write dns:NAME, uri:URI, cn:NAME or *",
	                  line->rest_len > 80 ? 80 : (int)line->rest_len, line->rest);
}

static int
digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

static enum pq_status
take_token(struct pq_access *access, const struct line *line, struct pq_err *err)
{
	bool good = line->rest_len == 2 * SHA256_DIGEST_LENGTH;
	struct token token = {.roles = line->role};

	for (size_t i = 0; good && i < SHA256_DIGEST_LENGTH; i++) {
		int high = digit(line->rest[2 * i]), low = digit(line->rest[2 * i + 1]);
		good = high >= 0 && low >= 0;
		if (good)
			token.digest[i] = (uint8_t)(high << 4 | low);
	}
	/* The text is not repeated: it may be the token itself. */
	if (!good)
		return pq_fail_at(err, PQ_EINVAL, line->path, line->number, 0,
		                  "what follows the role is no SHA-256 in 64 hexadecimal digits");
	for (size_t i = 0; i < access->n_tokens; i++) {
		if (memcmp(access->tokens[i].digest, token.digest, sizeof(token.digest)) == 0) {
			access->tokens[i].roles |= token.roles;
			return PQ_OK;
		}
	}
	if (access->n_tokens == PQ_SERVER_ACCESS_ENTRIES)
		return too_many(line, err);
	access->tokens[access->n_tokens++] = token;
	return PQ_OK;
}

static int
compare_names(const void *left, const void *right)
{
	const struct name *a = left, *b = right;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->text, b->text, a->len);
}

/* Sort the names, and join the lines of one. */
static void
join_names(struct pq_access *access)
{
	size_t n = 0;

	qsort(access->names, access->n_names, sizeof(*access->names), compare_names);
	for (size_t i = 0; i < access->n_names; i++) {
		if (n > 0 && compare_names(&access->names[n - 1], &access->names[i]) == 0)
			access->names[n - 1].roles |= access->names[i].roles;
		else
			access->names[n++] = access->names[i];
	}
	access->n_names = n;
}

static enum pq_status
read_file(struct pq_access *access, const char *path, mode_t forbidden, take_fn *take, struct pq_err *err)
{
	const char *text;

	if (path == NULL)
		return PQ_OK;
	enum pq_status status = pq_secret_file_read(path, forbidden, &access->arena, &text, err);
	return status == PQ_OK ? read_lines(access, path, text, take, err) : status;
}

enum pq_status
pq_access_open(const char *roles, const char *tokens, struct pq_access **ret_access, struct pq_err *err)
{
	struct pq_access *access = calloc(1, sizeof(*access));

	if (access == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for roles");
	atomic_init(&access->holders, 1);
	pq_arena_init(&access->arena, 2 * PQ_SERVER_SECRET_BYTES + 4096 +
	                                  PQ_SERVER_ACCESS_ENTRIES * (sizeof(struct name) + sizeof(struct token)));
	access->names = pq_arena_array(&access->arena, PQ_SERVER_ACCESS_ENTRIES, sizeof(*access->names));
	access->tokens = pq_arena_array(&access->arena, PQ_SERVER_ACCESS_ENTRIES, sizeof(*access->tokens));
	enum pq_status status = PQ_OK;
	if (access->names == NULL || access->tokens == NULL)
		status = pq_fail(err, PQ_ENOMEM, "no memory for roles");
	if (status == PQ_OK)
		status = read_file(access, roles, S_IWGRP | S_IWOTH, take_name, err);
	if (status == PQ_OK)
		status = read_file(access, tokens, S_IRWXO | S_IWGRP, take_token, err);
	if (status != PQ_OK) {
		pq_access_release(access);
		return status == PQ_ENOMEM ? PQ_ENOMEM : PQ_EINVAL;
	}
	join_names(access);
	*ret_access = access;
	return PQ_OK;
}

struct pq_access *
pq_access_hold(struct pq_access *access)
{
	atomic_fetch_add_explicit(&access->holders, 1, memory_order_relaxed);
	return access;
}

void
pq_access_release(struct pq_access *access)
{
	if (access == NULL || atomic_fetch_sub_explicit(&access->holders, 1, memory_order_acq_rel) > 1)
		return;
	pq_arena_release(&access->arena);
	free(access);
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

unsigned
pq_access_of_everybody(const struct pq_access *access)
{
	return access->everybody;
}

unsigned
pq_access_of_name(const struct pq_access *access, enum pq_name_kind kind, const char *name, size_t len)
{
	const struct name key = {.kind = kind, .text = name, .len = len};
	const struct name *found = bsearch(&key, access->names, access->n_names, sizeof(key), compare_names);

	return found != NULL ? found->roles : PQ_ROLES_NONE;
}

bool
pq_access_has_tokens(const struct pq_access *access)
{
	return access->n_tokens > 0;
}

unsigned
pq_access_of_token(const struct pq_access *access, const char *token, size_t len)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	unsigned roles = PQ_ROLES_NONE;

	SHA256((const unsigned char *)token, len, digest);
	/* All are compared, each wholly: the time tells nothing of which came near. */
	for (size_t i = 0; i < access->n_tokens; i++) {
		unsigned same = CRYPTO_memcmp(digest, access->tokens[i].digest, sizeof(digest)) == 0;
		roles |= access->tokens[i].roles & (0u - same);
	}
	return roles;
}

/* ---- the table that holds now ----------------------------------------------------------------------------------- */

static void
stamp(const struct pq_access_publisher *publisher, struct pq_file_stamp ret[2])
{
	ret[0] = publisher->roles != NULL ? pq_file_stamp(publisher->roles) : (struct pq_file_stamp){0};
	ret[1] = publisher->tokens != NULL ? pq_file_stamp(publisher->tokens) : (struct pq_file_stamp){0};
}

enum pq_status
pq_access_publisher_init(struct pq_access_publisher *publisher, const char *roles, const char *tokens,
                         struct pq_err *err)
{
	*publisher = (struct pq_access_publisher){.roles = roles, .tokens = tokens};
	atomic_init(&publisher->generation, 1);
	stamp(publisher, publisher->stamps);
	pthread_mutex_init(&publisher->lock, NULL);
	return roles != NULL || tokens != NULL ? pq_access_open(roles, tokens, &publisher->current, err) : PQ_OK;
}

void
pq_access_publisher_release(struct pq_access_publisher *publisher)
{
	pq_access_release(publisher->current);
	publisher->current = NULL;
	pthread_mutex_destroy(&publisher->lock);
}

/* Under the lock. */
static void
read_again(struct pq_access_publisher *publisher)
{
	struct pq_access *access;
	struct pq_err err = {0};
	char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX];

	if (pq_access_open(publisher->roles, publisher->tokens, &access, &err) != PQ_OK) {
		pq_err_format(&err, text, sizeof(text));
		PQ_LOG(PQ_LOG_ERROR, "roles_refused", PQ_LOG_TEXT("error", text));
		return;
	}
	PQ_LOG(PQ_LOG_INFO, "roles_reloaded", PQ_LOG_NUMBER("names", access->n_names),
	       PQ_LOG_NUMBER("tokens", access->n_tokens));
	pq_access_release(publisher->current);
	publisher->current = access;
	atomic_fetch_add_explicit(&publisher->generation, 1, memory_order_release);
}

void
pq_access_refresh(struct pq_access_publisher *publisher)
{
	struct pq_file_stamp now[2];

	if (publisher->roles == NULL && publisher->tokens == NULL)
		return;
	pthread_mutex_lock(&publisher->lock);
	/* Before they are read: what changes meanwhile is read again. */
	stamp(publisher, now);
	if (!pq_file_stamp_equal(&now[0], &publisher->stamps[0]) || !pq_file_stamp_equal(&now[1], &publisher->stamps[1])) {
		memcpy(publisher->stamps, now, sizeof(now));
		read_again(publisher);
	}
	pthread_mutex_unlock(&publisher->lock);
}

const struct pq_access *
pq_access_adopt(struct pq_access_publisher *publisher, struct pq_access_view *view)
{
	if (atomic_load_explicit(&publisher->generation, memory_order_acquire) == view->generation)
		return view->access;
	pthread_mutex_lock(&publisher->lock);
	pq_access_release(view->access);
	view->access = publisher->current != NULL ? pq_access_hold(publisher->current) : NULL;
	view->generation = atomic_load_explicit(&publisher->generation, memory_order_relaxed);
	pthread_mutex_unlock(&publisher->lock);
	return view->access;
}

void
pq_access_view_release(struct pq_access_view *view)
{
	pq_access_release(view->access);
	*view = (struct pq_access_view){0};
}

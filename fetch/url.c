#include "fetch/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define LETTERS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static enum pq_status
bad(const struct pq_url *url, const char *what, struct pq_err *err)
{
	return pq_fail_at(err, PQ_EINVAL, url->text, 0, 0, "%s", what);
}

bool
pq_url_is_loopback(const char *host)
{
	char name[256];
	struct in_addr address;
	size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	if (len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	if (strcmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

static bool
port_is_sound(const char *port)
{
	size_t len = strspn(port, DIGITS);

	return len > 0 && len <= 5 && port[len] == '\0' && strtoul(port, NULL, 10) >= 1 && strtoul(port, NULL, 10) <= 65535;
}

/* A name, an IPv4 address or [an IPv6 address], with or without a port. */
static bool
host_is_sound(const char *host)
{
	const char *end;

	if (host[0] == '[') {
		size_t len = strspn(host + 1, DIGITS "abcdefABCDEF:.");

		if (len == 0 || host[1 + len] != ']')
			return false;
		end = host + len + 2;
	} else {
		size_t len = strspn(host, LETTERS DIGITS "-._");

		if (len == 0 || host[0] == '-' || host[0] == '.')
			return false;
		end = host + len;
	}
	return *end == '\0' || (*end == ':' && port_is_sound(end + 1));
}

/* The host before the first slash; what follows, from the slash on, into *ret_rest. */
static enum pq_status
take_host(struct pq_url *url, const char *rest, const char **ret_rest, struct pq_err *err)
{
	size_t len = strcspn(rest, "/");

	if (len >= sizeof(url->host))
		return bad(url, "has too long a host", err);
	memcpy(url->host, rest, len);
	url->host[len] = '\0';
	*ret_rest = rest + len;
	return PQ_OK;
}

/* "a/b" without ".", ".." and empty parts, of these characters. */
static bool
path_is_sound(const char *path, const char *accepted)
{
	if (path[strspn(path, accepted)] != '\0')
		return false;
	for (;;) {
		size_t len = strcspn(path, "/");

		if (len == 0 || (len == 1 && path[0] == '.') || (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[len] == '\0')
			return true;
		path += len + 1;
	}
}

static enum pq_status
parse_file(struct pq_url *url, const char *rest, struct pq_err *err)
{
	if (rest[0] != '/')
		return bad(url, "names no folder: write file:///ABSOLUTE/FOLDER", err);
	strcpy(url->path, rest);
	return PQ_OK;
}

static enum pq_status
parse_http(struct pq_url *url, const char *rest, struct pq_err *err)
{
	enum pq_status status = take_host(url, rest, &rest, err);

	if (status != PQ_OK)
		return status;
	if (!host_is_sound(url->host))
		return bad(url, "names no host", err);
	if (rest[0] != '\0' && !path_is_sound(rest + 1, LETTERS DIGITS "/-._~%!$&'()*+,;=:@"))
		return bad(url, "has a path that cannot be asked for", err);
	strcpy(url->path, rest);
	return PQ_OK;
}

static enum pq_status
parse_s3(struct pq_url *url, const char *rest, struct pq_err *err)
{
	enum pq_status status = take_host(url, rest, &rest, err);
	size_t len = strlen(url->host);

	if (status != PQ_OK)
		return status;
	if (len < 3 || len > 63 || strspn(url->host, LOWER DIGITS ".-") != len)
		return bad(url, "names no bucket: 3 to 63 small letters, digits, dots and dashes", err);
	if (rest[0] != '\0' && !path_is_sound(rest + 1, LETTERS DIGITS "/-._~"))
		return bad(url, "has a prefix with other characters than letters, digits and /-._~", err);
	strcpy(url->path, rest[0] != '\0' ? rest + 1 : "");
	return PQ_OK;
}

static enum pq_status
parse_oci(struct pq_url *url, const char *rest, struct pq_err *err)
{
	enum pq_status status = take_host(url, rest, &rest, err);

	if (status != PQ_OK)
		return status;
	if (!host_is_sound(url->host))
		return bad(url, "names no host", err);
	if (strchr(rest, '@') != NULL)
		return bad(url, "names a digest; revisions are found by a tag", err);
	const char *tag = strchr(rest, ':');
	size_t len = tag != NULL ? (size_t)(tag - rest) : strlen(rest);

	if (len < 2)
		return bad(url, "names no repository: write oci://HOST/REPOSITORY:TAG", err);
	memcpy(url->path, rest + 1, len - 1);
	url->path[len - 1] = '\0';
	if (len > 256 || !path_is_sound(url->path, LOWER DIGITS "/-._"))
		return bad(url, "names no repository: small letters, digits and /-._, up to 255", err);
	if (tag == NULL) {
		strcpy(url->tag, "latest");
		return PQ_OK;
	}
	size_t tag_len = strlen(++tag);

	if (tag_len == 0 || tag_len >= sizeof(url->tag) || strspn(tag, LETTERS DIGITS "-._") != tag_len || tag[0] == '.' ||
	    tag[0] == '-')
		return bad(url, "has no tag after the colon: letters, digits and -._, up to 128", err);
	strcpy(url->tag, tag);
	return PQ_OK;
}

static const struct scheme {
	const char *prefix;
	enum pq_url_kind kind;
	bool tls;
	enum pq_status (*parse)(struct pq_url *url, const char *rest, struct pq_err *err);
} schemes[] = {
	{"file://", PQ_URL_FILE, false, parse_file}, {"https://", PQ_URL_HTTP, true, parse_http},
	{"http://", PQ_URL_HTTP, false, parse_http}, {"s3://", PQ_URL_S3, true, parse_s3},
	{"oci://", PQ_URL_OCI, true, parse_oci},     {"oci+http://", PQ_URL_OCI, false, parse_oci},
};

/* What holds for all: no blanks, no passwords, no queries. */
static enum pq_status
check_text(const char *text, const char *rest, bool is_file, struct pq_err *err)
{
	const char *slash = strchr(rest, '/');
	const char *at = strchr(rest, '@');

	/* Before anything is said that repeats the text. */
	if (!is_file && at != NULL && (slash == NULL || at < slash))
		return pq_fail(err, PQ_EINVAL, "a URL holds a name or password before its host; they belong into credentials");
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
		if (*c < 0x20 || *c == 0x7f || (!is_file && (*c == ' ' || *c >= 0x80)))
			return pq_fail(err, PQ_EINVAL, "a URL holds blanks or control characters");
	if (!is_file && strpbrk(rest, "?#") != NULL)
		return pq_fail(err, PQ_EINVAL, "a URL has a query or a fragment; there is nothing that they could mean");
	return PQ_OK;
}

enum pq_status
pq_url_parse(const char *text, bool allow_http, struct pq_url *ret_url, struct pq_err *err)
{
	const struct scheme *scheme = schemes, *end = schemes + sizeof(schemes) / sizeof(schemes[0]);
	struct pq_url *url;
	size_t len = strlen(text);

	while (scheme < end && strncmp(text, scheme->prefix, strlen(scheme->prefix)) != 0)
		scheme++;
	if (scheme == end)
		return pq_fail(err, PQ_EINVAL,
		               "\"%.40s\" is no place for revisions: file://, https://, s3:// or oci:// is expected", text);
	if (len > PQ_URL_BYTES_MAX)
		return pq_fail(err, PQ_ELIMIT, "a URL has %zu bytes; at most %u are taken", len, PQ_URL_BYTES_MAX);
	const char *rest = text + strlen(scheme->prefix);
	enum pq_status status = check_text(text, rest, scheme->kind == PQ_URL_FILE, err);

	if (status != PQ_OK)
		return status;
	url = calloc(1, sizeof(*url));
	if (url == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for a URL");
	url->kind = scheme->kind;
	url->tls = scheme->tls;
	strcpy(url->text, text);
	/* A slash at the end says nothing, but for the folder of all folders. */
	for (len = strlen(url->text); len > strlen(scheme->prefix) + 1 && url->text[len - 1] == '/'; len--)
		url->text[len - 1] = '\0';
	status = scheme->parse(url, url->text + strlen(scheme->prefix), err);
	if (status == PQ_OK && !url->tls && (url->kind == PQ_URL_HTTP || url->kind == PQ_URL_OCI) && !allow_http &&
	    !pq_url_is_loopback(url->host))
		status = bad(url, "is not encrypted and reaches another machine; that must be asked for", err);
	if (status == PQ_OK)
		*ret_url = *url;
	free(url);
	return status;
}

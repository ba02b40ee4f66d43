#include "server/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define UNIX_PREFIX "unix:"

static enum pq_status
parse_unix(const char *text, const char *flag, struct pq_address *ret, struct pq_err *err)
{
	const char *path = text + strlen(UNIX_PREFIX);
	struct sockaddr_un name;

	/* "unix:///run/x" is the same path written as a URI. */
	if (strncmp(path, "///", 3) == 0)
		path += 2;
	if (path[0] == '\0')
		return pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "\"%.100s\" has no path", text);
	if (strlen(path) >= sizeof(name.sun_path))
		return pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "the path of a socket may have %zu bytes, this one has %zu",
		                  sizeof(name.sun_path) - 1, strlen(path));
	snprintf(ret->path, sizeof(ret->path), "%s", path);
	snprintf(ret->target, sizeof(ret->target), "%s%s", UNIX_PREFIX, path);
	return PQ_OK;
}

static bool
parse_port(const char *text, unsigned *ret)
{
	char *end;

	if (text[0] < '0' || text[0] > '9' || strlen(text) > 5)
		return false;
	*ret = (unsigned)strtoul(text, &end, 10);
	return *end == '\0' && *ret <= 65535;
}

/* Is the host an address, and does only this machine reach it? */
static bool
parse_host(char *host, size_t size, bool *ret_v6, bool *ret_loopback)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (strcmp(host, "localhost") == 0)
		snprintf(host, size, "127.0.0.1");
	if (inet_pton(AF_INET, host, &v4) == 1) {
		*ret_v6 = false;
		*ret_loopback = ntohl(v4.s_addr) >> 24 == 127;
		return true;
	}
	if (inet_pton(AF_INET6, host, &v6) == 1) {
		*ret_v6 = true;
		*ret_loopback = IN6_IS_ADDR_LOOPBACK(&v6);
		return true;
	}
	return false;
}

static enum pq_status
parse_tcp(const char *text, bool public_allowed, const char *flag, struct pq_address *ret, struct pq_err *err)
{
	const char *colon = strrchr(text, ':');
	char host[64];
	unsigned port;
	bool v6, loopback;

	if (colon == NULL || !parse_port(colon + 1, &port))
		return pq_fail_at(err, PQ_EINVAL, flag, 0, 0,
		                  "\"%.100s\" is no address: write unix:/path, 127.0.0.1:PORT or [::1]:PORT", text);
	size_t len = (size_t)(colon - text);
	bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
	if (bracketed) {
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return pq_fail_at(err, PQ_EINVAL, flag, 0, 0, "\"%.100s\" is no address", text);
	memcpy(host, text, len);
	host[len] = '\0';
	if (!parse_host(host, sizeof(host), &v6, &loopback) || v6 != bracketed)
		return pq_fail_at(err, PQ_EINVAL, flag, 0, 0,
		                  "\"%.63s\" is no numeric address (an IPv6 address stands in brackets)", host);
	if (!loopback && !public_allowed)
		return pq_fail_at(err, PQ_EINVAL, flag, 0, 0,
		                  "%s can be reached by other machines, and calls are not both encrypted and authenticated: "
		                  "listen on loopback or a Unix socket, add --tls-client-ca, or add --insecure-public",
		                  host);
	ret->reachable = !loopback;
	snprintf(ret->target, sizeof(ret->target), v6 ? "[%s]:%u" : "%s:%u", host, port);
	return PQ_OK;
}

enum pq_status
pq_address_parse(const char *text, bool public_allowed, const char *flag, struct pq_address *ret, struct pq_err *err)
{
	struct pq_address address = {0};
	enum pq_status status;

	if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
		status = parse_unix(text, flag, &address, err);
	else
		status = parse_tcp(text, public_allowed, flag, &address, err);
	if (status == PQ_OK)
		*ret = address;
	return status;
}

/* Does somebody answer on the socket? */
static bool
is_live(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return true;
	memcpy(name.sun_path, path, strnlen(path, sizeof(name.sun_path) - 1));
	int result = connect(fd, (const struct sockaddr *)&name, sizeof(name));
	/* A full backlog (EAGAIN) is a listener too; only a refusal shows that there is none. */
	bool live = result == 0 || errno != ECONNREFUSED;
	close(fd);
	return live;
}

enum pq_status
pq_address_clear(const struct pq_address *address, struct pq_err *err)
{
	struct stat info;

	if (address->path[0] == '\0' || lstat(address->path, &info) != 0)
		return PQ_OK;
	if (!S_ISSOCK(info.st_mode))
		return pq_fail_at(err, PQ_EIO, address->path, 0, 0, "exists and is no socket");
	if (is_live(address->path))
		return pq_fail_at(err, PQ_EIO, address->path, 0, 0, "another process listens on it");
	if (unlink(address->path) != 0 && errno != ENOENT)
		return pq_fail_at(err, PQ_EIO, address->path, 0, 0, "is stale and cannot be removed: %s", strerror(errno));
	return PQ_OK;
}

/* "127.0.0.1:80" and "[::1]:80" have been parsed, so nothing of this can fail. */
static socklen_t
socket_name(const struct pq_address *address, struct sockaddr_storage *ret)
{
	struct sockaddr_un *local = (struct sockaddr_un *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	char host[PQ_ADDRESS_TEXT];

	memset(ret, 0, sizeof(*ret));
	if (address->path[0] != '\0') {
		local->sun_family = AF_UNIX;
		memcpy(local->sun_path, address->path, strnlen(address->path, sizeof(local->sun_path) - 1));
		return sizeof(*local);
	}
	const char *colon = strrchr(address->target, ':');
	bool bracketed = address->target[0] == '[';
	snprintf(host, sizeof(host), "%.*s", (int)(colon - address->target) - (bracketed ? 2 : 0),
	         address->target + bracketed);
	in_port_t port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (bracketed) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = port;
		inet_pton(AF_INET6, host, &v6->sin6_addr);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = port;
	inet_pton(AF_INET, host, &v4->sin_addr);
	return sizeof(*v4);
}

static int
port_of(int fd)
{
	struct sockaddr_storage name = {0};
	socklen_t len = sizeof(name);

	if (getsockname(fd, (struct sockaddr *)&name, &len) != 0)
		return 0;
	return ntohs(name.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&name)->sin6_port
	                                        : ((struct sockaddr_in *)&name)->sin_port);
}

enum pq_status
pq_address_listen(struct pq_address *address, int *ret_fd, struct pq_err *err)
{
	struct sockaddr_storage name;
	socklen_t len = socket_name(address, &name);
	int on = 1, fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		goto out;
	/* A port whose last connections are still closing is free; two listeners on one port are not allowed. */
	if (name.ss_family != AF_UNIX && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		goto out;
	if (bind(fd, (const struct sockaddr *)&name, len) != 0 || listen(fd, SOMAXCONN) != 0)
		goto out;
	pq_address_bound(address, port_of(fd));
	*ret_fd = fd;
	return PQ_OK;
out:;
	int error = errno;
	if (fd >= 0)
		close(fd);
	return pq_fail_at(err, PQ_EIO, address->target, 0, 0, "cannot be listened on: %s", strerror(error));
}

void
pq_address_bound(struct pq_address *address, int port)
{
	struct stat info;

	if (address->path[0] == '\0') {
		char *colon = strrchr(address->target, ':');
		snprintf(colon, sizeof(address->target) - (size_t)(colon - address->target), ":%d", port);
	} else if (lstat(address->path, &info) == 0) {
		address->device = info.st_dev;
		address->inode = info.st_ino;
	}
}

void
pq_address_unlink(const struct pq_address *address)
{
	struct stat info;

	if (address->path[0] != '\0' && address->inode != 0 && lstat(address->path, &info) == 0 &&
	    info.st_dev == address->device && info.st_ino == address->inode)
		unlink(address->path);
}

#include "server/notify.h"

#include "server/log.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void
pq_notify(const char *path, const char *state)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	size_t len = path != NULL ? strlen(path) : 0;
	int fd = -1, error = 0;

	if (len == 0)
		return;
	if (len >= sizeof(name.sun_path)) {
		error = ENAMETOOLONG;
	} else {
		memcpy(name.sun_path, path, len);
		if (path[0] == '@')
			name.sun_path[0] = '\0';
		socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&name, size) < 0)
			error = errno;
	}
	if (error != 0)
		PQ_LOG(PQ_LOG_WARN, "notify_failed", PQ_LOG_TEXT("socket", path), PQ_LOG_TEXT("error", strerror(error)));
	if (fd >= 0)
		close(fd);
}

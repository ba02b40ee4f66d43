#include "server/merge.h"

#include "server/guard.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* A number of a descriptor. Made when it is first added and kept, so that its lock may be taken at any time. */
struct connection {
	pthread_mutex_t lock;
	_Atomic(bool) merged; /* belongs to a connection that was added */
	bool stuck;           /* the socket was full; nothing is collected until all is sent */
	bool listed;          /* stands among the stuck ones of a thread, which tries it again */
	uint8_t *bytes;       /* PQ_MERGE_BYTES of them; NULL = none wait */
	size_t sent, len;     /* [sent, len) wait */
};

static _Atomic(struct connection *) connections[PQ_MERGE_DESCRIPTORS];
static _Thread_local struct pq_merge *collecting;

/* ---- the system calls ------------------------------------------------------------------------------------------- */

static ssize_t
real_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return syscall(SYS_sendmsg, fd, message, flags);
}

static struct connection *
find(int fd)
{
	if (fd < 0 || fd >= PQ_MERGE_DESCRIPTORS)
		return NULL;
	struct connection *connection = atomic_load_explicit(&connections[fd], memory_order_acquire);
	if (connection == NULL || !atomic_load_explicit(&connection->merged, memory_order_acquire))
		return NULL;
	return connection;
}

/* ---- under the connection's lock -------------------------------------------------------------------------------- */

static void
drop_bytes(struct connection *connection)
{
	if (collecting == NULL || collecting->n_spare == PQ_MERGE_DRAIN || connection->bytes == NULL)
		free(connection->bytes);
	else
		collecting->spare[collecting->n_spare++] = connection->bytes;
	connection->bytes = NULL;
	connection->sent = connection->len = 0;
	connection->stuck = false;
}

/* Offer what waits to the socket. True: nothing waits any more. */
static bool
push(struct connection *connection, int fd)
{
	while (connection->sent < connection->len) {
		struct iovec bytes = {connection->bytes + connection->sent, connection->len - connection->sent};
		struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
		ssize_t n = real_sendmsg(fd, &message, MSG_NOSIGNAL);
		if (n >= 0) {
			connection->sent += (size_t)n;
		} else if (errno == EAGAIN) {
			connection->stuck = true;
			return false;
		} else if (errno != EINTR) {
			break; /* the connection is broken, and gRPC will see it by itself */
		}
	}
	drop_bytes(connection);
	return true;
}

static uint8_t *
new_bytes(struct pq_merge *merge)
{
	return merge->n_spare > 0 ? merge->spare[--merge->n_spare] : malloc(PQ_MERGE_BYTES);
}

/* Copy a message behind what waits. False: it has to be sent. */
static bool
collect(struct connection *connection, int fd, const struct msghdr *message, size_t size)
{
	struct pq_merge *merge = collecting;

	if (merge == NULL || connection->stuck || message->msg_controllen > 0 || size > PQ_MERGE_BYTES)
		return false;
	if (connection->len + size > PQ_MERGE_BYTES && !push(connection, fd))
		return false;
	if (connection->bytes == NULL) {
		if (merge->n == PQ_MERGE_DRAIN || (connection->bytes = new_bytes(merge)) == NULL)
			return false;
		merge->fds[merge->n++] = fd;
	}
	for (size_t i = 0; i < message->msg_iovlen; i++) {
		memcpy(connection->bytes + connection->len, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
		connection->len += message->msg_iov[i].iov_len;
	}
	return true;
}

/* ---- what libgrpc calls ----------------------------------------------------------------------------------------- */

__attribute__((used, visibility("default"))) ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct connection *connection = find(fd);
	size_t size = 0;
	ssize_t ret;

	if (connection == NULL)
		return real_sendmsg(fd, message, flags);
	for (size_t i = 0; i < message->msg_iovlen; i++)
		size += message->msg_iov[i].iov_len;
	pthread_mutex_lock(&connection->lock);
	if (collect(connection, fd, message, size)) {
		ret = (ssize_t)size;
	} else if (push(connection, fd)) {
		ret = real_sendmsg(fd, message, flags);
	} else {
		errno = EAGAIN;
		ret = -1;
	}
	int error = errno;
	pthread_mutex_unlock(&connection->lock);
	errno = error;
	return ret;
}

__attribute__((used, visibility("default"))) int
shutdown(int fd, int how)
{
	struct connection *connection = find(fd);

	if (connection != NULL) {
		pthread_mutex_lock(&connection->lock);
		push(connection, fd);
		pthread_mutex_unlock(&connection->lock);
	}
	return (int)syscall(SYS_shutdown, fd, how);
}

__attribute__((used, visibility("default"))) int
close(int fd)
{
	struct connection *connection = find(fd);

	pq_guard_forget(fd);
	if (connection != NULL) {
		pthread_mutex_lock(&connection->lock);
		push(connection, fd);
		drop_bytes(connection);
		atomic_store_explicit(&connection->merged, false, memory_order_release);
		pthread_mutex_unlock(&connection->lock);
	}
	return (int)syscall(SYS_close, fd);
}

/* ---- for the server --------------------------------------------------------------------------------------------- */

bool
pq_merge_add(int fd)
{
	if (fd < 0 || fd >= PQ_MERGE_DESCRIPTORS)
		return false;
	struct connection *connection = atomic_load_explicit(&connections[fd], memory_order_acquire);
	if (connection == NULL) {
		/* One thread has the open descriptor `fd`, so no other makes this one at the same time. */
		connection = calloc(1, sizeof(*connection));
		if (connection == NULL)
			return false;
		pthread_mutex_init(&connection->lock, NULL);
		atomic_store_explicit(&connections[fd], connection, memory_order_release);
	}
	atomic_store_explicit(&connection->merged, true, memory_order_release);
	return true;
}

void
pq_merge_collect(struct pq_merge *merge)
{
	collecting = merge;
}

void
pq_merge_pause(void)
{
	collecting = NULL;
}

/* The descriptor shall be tried again. Under its lock. */
static void
list(struct pq_merge *merge, struct connection *connection, int fd)
{
	if (merge->n_stuck == merge->stuck_size) {
		size_t size = merge->stuck_size > 0 ? merge->stuck_size * 2 : 64;
		int *stuck = realloc(merge->stuck, size * sizeof(*stuck));
		if (stuck == NULL)
			return; /* it goes out with the next thing that is sent there */
		merge->stuck = stuck;
		merge->stuck_size = size;
	}
	merge->stuck[merge->n_stuck++] = fd;
	connection->listed = true;
}

/* Try a descriptor, that is closed perhaps, or another connection's by now. */
static void
try(struct pq_merge *merge, int fd, bool from_list)
{
	struct connection *connection = atomic_load_explicit(&connections[fd], memory_order_acquire);

	pthread_mutex_lock(&connection->lock);
	bool done = !atomic_load_explicit(&connection->merged, memory_order_relaxed) || connection->len == 0 ||
	            push(connection, fd);
	if (from_list)
		connection->listed = false;
	if (!done && !connection->listed)
		list(merge, connection, fd);
	pthread_mutex_unlock(&connection->lock);
}

void
pq_merge_flush(struct pq_merge *merge)
{
	size_t n = merge->n_stuck;

	assert(collecting == NULL);
	/* So that buffers come back to this thread. Nothing is collected: try() only sends. */
	collecting = merge;
	merge->n_stuck = 0;
	for (size_t i = 0; i < n; i++)
		try(merge, merge->stuck[i], true); /* those that stay move to the front */
	for (size_t i = 0; i < merge->n; i++)
		try(merge, merge->fds[i], false);
	merge->n = 0;
	collecting = NULL;
}

void
pq_merge_release(struct pq_merge *merge)
{
	pq_merge_flush(merge);
	while (merge->n_spare > 0)
		free(merge->spare[--merge->n_spare]);
	free(merge->stuck);
	*merge = (struct pq_merge){0};
}

#include "server/guard.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Made when its number is first added and kept, so that its lock may be taken at any time. */
struct connection {
	pthread_mutex_t lock;
	_Atomic(bool) guarded; /* belongs to a connection that was added */
	bool broken;           /* it is read no more */
	_Atomic(size_t) unfinished; /* bytes of it that are in the sum */
	struct pq_guard_frames frames;
};

static _Atomic(struct connection *) connections[PQ_GUARD_DESCRIPTORS];
static _Atomic(size_t) n_guarded;
static _Atomic(uint64_t) broken[PQ_GUARD_BURDEN + 1], n_unfinished;
static _Atomic(size_t) room = SIZE_MAX, unfinished;
static _Atomic(int) highest = -1; /* the highest number that was ever added */

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct connection *
find(int fd)
{
	if (fd < 0 || fd >= PQ_GUARD_DESCRIPTORS)
		return NULL;
	struct connection *connection = atomic_load_explicit(&connections[fd], memory_order_acquire);
	if (connection == NULL || !atomic_load_explicit(&connection->guarded, memory_order_acquire))
		return NULL;
	return connection;
}

/* Put what the connection holds now into the sum. Under its lock. */
static size_t
account(struct connection *connection, size_t now)
{
	size_t before = atomic_exchange_explicit(&connection->unfinished, now, memory_order_relaxed);

	if (now == before)
		return 0;
	return atomic_fetch_add_explicit(&unfinished, now - before, memory_order_relaxed) + now - before;
}

/* Break off the connection that holds most. No lock is held. */
static void
make_room(void)
{
	struct connection *largest = NULL;
	size_t most = 0;
	int fd = -1, n = atomic_load_explicit(&highest, memory_order_relaxed);

	for (int i = 0; i <= n; i++) {
		struct connection *connection = find(i);
		size_t bytes = connection != NULL ? atomic_load_explicit(&connection->unfinished, memory_order_relaxed) : 0;
		if (bytes > most) {
			largest = connection;
			most = bytes;
			fd = i;
		}
	}
	if (largest == NULL)
		return;
	pthread_mutex_lock(&largest->lock);
	/* Under its lock it is not closed, so the number is not another's. gRPC sees the end, and closes it. */
	if (atomic_load_explicit(&largest->guarded, memory_order_acquire) && !largest->broken) {
		largest->broken = true;
		account(largest, 0);
		syscall(SYS_shutdown, fd, SHUT_RDWR);
		atomic_fetch_add_explicit(&n_unfinished, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&largest->lock);
}

/* Look at the `n` bytes that came into the message's buffers. */
static bool
is_good(struct connection *connection, const struct msghdr *message, size_t n)
{
	enum pq_guard_verdict verdict = PQ_GUARD_GOOD;
	int64_t now = now_ms();

	for (size_t i = 0; i < message->msg_iovlen && n > 0 && verdict == PQ_GUARD_GOOD; i++) {
		size_t len = message->msg_iov[i].iov_len < n ? message->msg_iov[i].iov_len : n;
		verdict = pq_guard_follow(&connection->frames, message->msg_iov[i].iov_base, len, now);
		n -= len;
	}
	connection->broken = verdict != PQ_GUARD_GOOD;
	if (connection->broken)
		atomic_fetch_add_explicit(&broken[verdict], 1, memory_order_relaxed);
	return !connection->broken;
}

__attribute__((used, visibility("default"))) ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
	struct connection *connection = find(fd);

	if (connection == NULL)
		return syscall(SYS_recvmsg, fd, message, flags);
	pthread_mutex_lock(&connection->lock);
	ssize_t n = connection->broken ? 0 : syscall(SYS_recvmsg, fd, message, flags);
	int error = errno;
	if (connection->broken || (n > 0 && !is_good(connection, message, (size_t)n))) {
		n = -1;
		error = ECONNRESET;
	}
	size_t all = account(connection, connection->broken ? 0 : connection->frames.unfinished);
	pthread_mutex_unlock(&connection->lock);
	if (all > atomic_load_explicit(&room, memory_order_relaxed))
		make_room();
	errno = error;
	return n;
}

bool
pq_guard_add(int fd)
{
	if (fd < 0 || fd >= PQ_GUARD_DESCRIPTORS)
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
	pthread_mutex_lock(&connection->lock);
	connection->broken = false;
	connection->frames = (struct pq_guard_frames){.paid_ms = now_ms()};
	if (!atomic_exchange_explicit(&connection->guarded, true, memory_order_acq_rel))
		atomic_fetch_add_explicit(&n_guarded, 1, memory_order_relaxed);
	pthread_mutex_unlock(&connection->lock);
	for (int n = atomic_load_explicit(&highest, memory_order_relaxed); n < fd;)
		if (atomic_compare_exchange_weak_explicit(&highest, &n, fd, memory_order_relaxed, memory_order_relaxed))
			break;
	return true;
}

void
pq_guard_forget(int fd)
{
	struct connection *connection = find(fd);

	if (connection == NULL)
		return;
	pthread_mutex_lock(&connection->lock);
	if (atomic_exchange_explicit(&connection->guarded, false, memory_order_acq_rel))
		atomic_fetch_sub_explicit(&n_guarded, 1, memory_order_relaxed);
	account(connection, 0);
	pq_guard_frames_release(&connection->frames);
	pthread_mutex_unlock(&connection->lock);
}

void
pq_guard_set_room(size_t bytes)
{
	atomic_store_explicit(&room, bytes, memory_order_relaxed);
}

size_t
pq_guard_open(void)
{
	return atomic_load_explicit(&n_guarded, memory_order_relaxed);
}

struct pq_guard_counts
pq_guard_counts(void)
{
	return (struct pq_guard_counts){
		.headers = atomic_load_explicit(&broken[PQ_GUARD_HEADERS], memory_order_relaxed),
		.burden = atomic_load_explicit(&broken[PQ_GUARD_BURDEN], memory_order_relaxed),
		.unfinished = atomic_load_explicit(&n_unfinished, memory_order_relaxed),
	};
}

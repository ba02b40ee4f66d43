#include "server/accept.h"

#include "server/guard.h"
#include "server/log.h"
#include "server/merge.h"
#include "server/server.h"

#include <errno.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* When descriptors or memory are out, connections wait in the backlog for so long before the next try. */
#define PAUSE_MS 50

static void
hand_over(struct pq_acceptor *acceptor, int fd, bool admin)
{
	struct pq_server *server = acceptor->server;
	struct pq_worker *worker = &server->workers[admin ? server->n_shards : acceptor->next];
	grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
	int on = 1;

	/* An answer is one write, so there is nothing to wait for. Fails on a Unix socket, which never waits. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!admin)
		acceptor->next = (acceptor->next + 1) % server->n_shards;
	if (server->options->guard && !pq_guard_add(fd)) {
		close(fd);
		grpc_server_credentials_release(credentials);
		return;
	}
	if (server->options->merge_replies)
		(void)pq_merge_add(fd); /* or its answers are sent one by one */
	grpc_server_add_channel_from_fd(worker->grpc, fd, credentials);
	grpc_server_credentials_release(credentials);
}

/* Most clients have begun to speak by now; a new connection that has said nothing yet, or half, is watched. */
static void
take(struct pq_acceptor *acceptor, int fd, bool admin)
{
	const struct pq_options *options = acceptor->server->options;
	enum pq_preface preface = pq_preface_of(fd);

	/* An address of administration is for whoever ends the trouble. */
	if (!admin && options->max_connections > 0 && pq_guard_open() >= options->max_connections)
		preface = PQ_PREFACE_WRONG;
	if (preface == PQ_PREFACE_WHOLE)
		hand_over(acceptor, fd, admin);
	else if (preface == PQ_PREFACE_PARTIAL)
		pq_handshakes_add(acceptor->handshakes, fd, admin);
	else
		close(fd);
}

/* All that wait on one address. False: nothing can be accepted for the moment. */
static bool
accept_all(struct pq_acceptor *acceptor, size_t listener)
{
	for (;;) {
		int fd = accept4(acceptor->fds[listener], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take(acceptor, fd, acceptor->admin[listener]);
			continue;
		}
		switch (errno) {
		case EAGAIN:
			return true;
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM:
			PQ_LOG(PQ_LOG_WARN, "accept", PQ_LOG_TEXT("error", strerror(errno)));
			return false;
		default: /* of the connection, which is gone again, or EINTR */
			break;
		}
	}
}

static bool
watch(int epoll, int *fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, *fd, &event) == 0;
}

/* False: the acceptor ends. */
static bool
see(struct pq_acceptor *acceptor, void *what)
{
	const struct timespec pause = {0, PAUSE_MS * 1000000};
	int *listener = what, fd;
	bool admin;

	if (what == &acceptor->wake)
		return false;
	for (size_t i = 0; i < acceptor->n_fds; i++) {
		if (listener != &acceptor->fds[i])
			continue;
		if (!accept_all(acceptor, i))
			nanosleep(&pause, NULL);
		return true;
	}
	if (pq_handshakes_see(acceptor->handshakes, what, &fd, &admin))
		hand_over(acceptor, fd, admin);
	return true;
}

static void *
run(void *context)
{
	struct pq_acceptor *acceptor = context;

	for (;;) {
		struct epoll_event event; /* one at a time: what it does may close the connection of another */
		int n = epoll_wait(acceptor->handshakes->epoll, &event, 1, pq_handshakes_expire(acceptor->handshakes));
		if (n == 1 && !see(acceptor, event.data.ptr))
			return NULL;
	}
}

/* What the thread waits for. */
static bool
prepare(struct pq_acceptor *acceptor)
{
	acceptor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	acceptor->handshakes = malloc(sizeof(*acceptor->handshakes));
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (acceptor->handshakes != NULL)
		pq_handshakes_init(acceptor->handshakes, epoll, acceptor->server->options->handshake_timeout_s * 1000);
	else if (epoll >= 0)
		close(epoll);
	bool good = acceptor->wake >= 0 && acceptor->handshakes != NULL && epoll >= 0 && watch(epoll, &acceptor->wake);
	for (size_t i = 0; good && i < acceptor->n_fds; i++)
		good = watch(epoll, &acceptor->fds[i]);
	return good;
}

bool
pq_acceptor_start(struct pq_acceptor *acceptor, struct pq_server *server)
{
	acceptor->server = server;
	if (server->options->max_buffer_bytes > 0)
		pq_guard_set_room(server->options->max_buffer_bytes);
	acceptor->running = prepare(acceptor) && pthread_create(&acceptor->thread, NULL, run, acceptor) == 0;
	return acceptor->running;
}

void
pq_acceptor_end(struct pq_acceptor *acceptor)
{
	if (acceptor->running) {
		eventfd_write(acceptor->wake, 1);
		pthread_join(acceptor->thread, NULL);
	}
	acceptor->running = false;
	if (acceptor->handshakes != NULL) {
		pq_handshakes_close_all(acceptor->handshakes);
		if (acceptor->handshakes->epoll >= 0)
			close(acceptor->handshakes->epoll);
		free(acceptor->handshakes);
	}
	acceptor->handshakes = NULL;
	if (acceptor->wake > 0)
		close(acceptor->wake);
	acceptor->wake = 0;
	for (size_t i = 0; i < acceptor->n_fds; i++)
		close(acceptor->fds[i]);
	acceptor->n_fds = 0;
}

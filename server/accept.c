#include "server/accept.h"

#include "server/log.h"
#include "server/merge.h"
#include "server/server.h"

#include <errno.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
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
	if (server->options->merge_replies)
		(void)pq_merge_add(fd); /* or its answers are sent one by one */
	grpc_server_add_channel_from_fd(worker->grpc, fd, credentials);
	grpc_server_credentials_release(credentials);
}

/* All that wait on one address. False: nothing can be accepted for the moment. */
static bool
accept_all(struct pq_acceptor *acceptor, size_t listener)
{
	for (;;) {
		int fd = accept4(acceptor->fds[listener], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			hand_over(acceptor, fd, acceptor->admin[listener]);
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

static void *
run(void *context)
{
	struct pq_acceptor *acceptor = context;
	struct pollfd fds[2 * PQ_SERVER_LISTEN_MAX + 1];
	const struct timespec pause = {0, PAUSE_MS * 1000000};

	fds[0] = (struct pollfd){.fd = acceptor->wake, .events = POLLIN};
	for (size_t i = 0; i < acceptor->n_fds; i++)
		fds[i + 1] = (struct pollfd){.fd = acceptor->fds[i], .events = POLLIN};
	for (;;) {
		if (poll(fds, acceptor->n_fds + 1, -1) < 0)
			continue;
		if (fds[0].revents != 0)
			return NULL;
		for (size_t i = 1; i <= acceptor->n_fds; i++) {
			if (fds[i].revents != 0 && !accept_all(acceptor, i - 1))
				nanosleep(&pause, NULL);
		}
	}
}

bool
pq_acceptor_start(struct pq_acceptor *acceptor, struct pq_server *server)
{
	acceptor->server = server;
	acceptor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (acceptor->wake < 0) {
		acceptor->wake = 0;
		return false;
	}
	acceptor->running = pthread_create(&acceptor->thread, NULL, run, acceptor) == 0;
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
	if (acceptor->wake > 0)
		close(acceptor->wake);
	acceptor->wake = 0;
	for (size_t i = 0; i < acceptor->n_fds; i++)
		close(acceptor->fds[i]);
	acceptor->n_fds = 0;
}

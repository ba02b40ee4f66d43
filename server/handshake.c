#include "server/handshake.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* RFC 9113, sections 3.4, 4.1 and 6.5: the preface, then a frame's head: length (24 bits), type, flags, stream. */
static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define MAGIC_BYTES (sizeof(magic) - 1)
#define HEAD_BYTES 9
#define SETTINGS 4
/* Of a frame, as long as this side has not allowed more. */
#define FRAME_BYTES_MAX 16384

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum pq_preface
pq_preface_of(int fd)
{
	uint8_t at[MAGIC_BYTES + HEAD_BYTES];
	ssize_t n = recv(fd, at, sizeof(at), MSG_PEEK | MSG_DONTWAIT);
	int ready = 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? PQ_PREFACE_PARTIAL : PQ_PREFACE_WRONG;
	if (n == 0 || memcmp(at, magic, (size_t)n < MAGIC_BYTES ? (size_t)n : MAGIC_BYTES) != 0)
		return PQ_PREFACE_WRONG;
	if ((size_t)n < sizeof(at))
		return PQ_PREFACE_PARTIAL;
	size_t len = (size_t)at[MAGIC_BYTES] << 16 | (size_t)at[MAGIC_BYTES + 1] << 8 | at[MAGIC_BYTES + 2];
	if (at[MAGIC_BYTES + 3] != SETTINGS || len > FRAME_BYTES_MAX || ioctl(fd, FIONREAD, &ready) != 0)
		return PQ_PREFACE_WRONG;
	return (size_t)ready >= sizeof(at) + len ? PQ_PREFACE_WHOLE : PQ_PREFACE_PARTIAL;
}

void
pq_handshakes_init(struct pq_handshakes *handshakes, int epoll, unsigned timeout_ms)
{
	*handshakes = (struct pq_handshakes){.epoll = epoll, .timeout_ms = timeout_ms};
	for (size_t i = 0; i < PQ_SERVER_HANDSHAKES; i++) {
		handshakes->all[i].next = handshakes->spare;
		handshakes->spare = &handshakes->all[i];
	}
}

/* Watch it no more; its descriptor. */
static int
take_out(struct pq_handshakes *handshakes, struct pq_handshake *handshake)
{
	if (handshake->previous != NULL)
		handshake->previous->next = handshake->next;
	else
		handshakes->oldest = handshake->next;
	if (handshake->next != NULL)
		handshake->next->previous = handshake->previous;
	else
		handshakes->newest = handshake->previous;
	handshakes->n--;
	handshake->next = handshakes->spare;
	handshakes->spare = handshake;
	epoll_ctl(handshakes->epoll, EPOLL_CTL_DEL, handshake->fd, NULL);
	return handshake->fd;
}

void
pq_handshakes_add(struct pq_handshakes *handshakes, int fd, bool admin)
{
	if (handshakes->spare == NULL)
		close(take_out(handshakes, handshakes->oldest));
	struct pq_handshake *handshake = handshakes->spare;
	/* Edges: what has come stays unread, and would be told again and again. */
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = handshake};

	if (epoll_ctl(handshakes->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		close(fd);
		return;
	}
	handshakes->spare = handshake->next;
	*handshake =
		(struct pq_handshake){.fd = fd, .admin = admin, .previous = handshakes->newest, .until = now_ms() + handshakes->timeout_ms};
	if (handshakes->newest != NULL)
		handshakes->newest->next = handshake;
	else
		handshakes->oldest = handshake;
	handshakes->newest = handshake;
	handshakes->n++;
}

bool
pq_handshakes_see(struct pq_handshakes *handshakes, struct pq_handshake *handshake, int *ret_fd,
                  bool *ret_admin)
{
	enum pq_preface preface = pq_preface_of(handshake->fd);

	if (preface == PQ_PREFACE_PARTIAL)
		return false;
	bool admin = handshake->admin;
	int fd = take_out(handshakes, handshake);
	if (preface == PQ_PREFACE_WRONG) {
		close(fd);
		return false;
	}
	*ret_fd = fd;
	*ret_admin = admin;
	return true;
}

int
pq_handshakes_expire(struct pq_handshakes *handshakes)
{
	int64_t now = now_ms();

	if (handshakes->timeout_ms == 0)
		return -1;
	while (handshakes->oldest != NULL && handshakes->oldest->until <= now)
		close(take_out(handshakes, handshakes->oldest));
	return handshakes->oldest != NULL ? (int)(handshakes->oldest->until - now) : -1;
}

void
pq_handshakes_close_all(struct pq_handshakes *handshakes)
{
	while (handshakes->oldest != NULL)
		close(take_out(handshakes, handshakes->oldest));
}

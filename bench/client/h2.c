#include "bench/client/h2.h"

#include "bench/support/stats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_HEAD 9
#define FRAME_MAX 16384 /* of a payload, unless another size is agreed on; it is not */
#define IN_BYTES ((size_t)1 << 18)
#define OUT_BYTES ((size_t)4 << 20)
#define WINDOW_START 65535
#define WINDOW_GIVE (1 << 30)

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW_UPDATE = 8 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* ---- writing ---- */

static void
put(struct h2 *h2, const void *bytes, size_t len)
{
	if (h2->out_max - h2->out_len < len) {
		h2->gone = true; /* the peer takes nothing and more was asked of us than is sensible to keep */
		return;
	}
	memcpy(h2->out + h2->out_len, bytes, len);
	h2->out_len += len;
}

static void
put_head(struct h2 *h2, size_t len, uint8_t type, uint8_t flags, uint32_t id)
{
	uint8_t head[FRAME_HEAD] = {
		(uint8_t)(len >> 16), (uint8_t)(len >> 8),  (uint8_t)len,       type,       flags,
		(uint8_t)(id >> 24),  (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id,
	};

	put(h2, head, sizeof(head));
}

static void
put_number(struct h2 *h2, uint32_t number)
{
	uint32_t big = htonl(number);

	put(h2, &big, sizeof(big));
}

static void
put_setting(struct h2 *h2, uint16_t name, uint32_t value)
{
	uint16_t big = htons(name);

	put(h2, &big, sizeof(big));
	put_number(h2, value);
}

static void
give_window(struct h2 *h2, uint32_t more)
{
	put_head(h2, 4, WINDOW_UPDATE, 0, 0);
	put_number(h2, more);
}

/* A field that enters no table: its name by number of the static table, or in letters. */
static void
field(struct h2 *h2, unsigned name, const char *letters, const char *value)
{
	uint8_t *at = h2->headers + h2->headers_len;

	if (letters != NULL) {
		*at++ = 0;
		*at++ = (uint8_t)strlen(letters);
		at = (uint8_t *)memcpy(at, letters, strlen(letters)) + strlen(letters);
	} else if (name < 15) {
		*at++ = (uint8_t)name;
	} else {
		*at++ = 15;
		*at++ = (uint8_t)(name - 15);
	}
	*at++ = (uint8_t)strlen(value);
	at = (uint8_t *)memcpy(at, value, strlen(value)) + strlen(value);
	h2->headers_len = (size_t)(at - h2->headers);
}

static void
make_headers(struct h2 *h2, const char *address, const char *path)
{
	enum { AUTHORITY = 1, METHOD_POST = 3, PATH = 4, SCHEME_HTTP = 6, CONTENT_TYPE = 31 };

	h2->headers[0] = 0x80 | METHOD_POST;
	h2->headers[1] = 0x80 | SCHEME_HTTP;
	h2->headers_len = 2;
	field(h2, PATH, NULL, path);
	field(h2, AUTHORITY, NULL, address);
	field(h2, CONTENT_TYPE, NULL, "application/grpc");
	field(h2, 0, "te", "trailers");
}

uint32_t
h2_begin(struct h2 *h2, const uint8_t *frame, size_t len, bool end)
{
	size_t frames = (len + FRAME_MAX - 1) / FRAME_MAX, room = h2->headers_len + len + (frames + 1) * FRAME_HEAD;

	if (h2->gone || h2->open >= H2_STREAMS_MAX || h2->window < (int64_t)len || h2->out_max - h2->out_len < room)
		return 0;
	uint32_t id = h2->next_id;
	h2->next_id += 2;
	put_head(h2, h2->headers_len, HEADERS, END_HEADERS | (end && len == 0 ? END_STREAM : 0), id);
	put(h2, h2->headers, h2->headers_len);
	for (size_t at = 0; at < len; at += FRAME_MAX) {
		size_t part = len - at < FRAME_MAX ? len - at : FRAME_MAX;
		put_head(h2, part, DATA, end && at + part == len ? END_STREAM : 0, id);
		put(h2, frame + at, part);
	}
	h2->window -= (int64_t)len;
	h2->open++;
	h2->streams[(id / 2) % H2_STREAMS_MAX] = (struct h2_stream){.begun = bench_now()};
	return id;
}

void
h2_reset(struct h2 *h2, uint32_t id)
{
	enum { CANCEL = 8 };

	put_head(h2, 4, RST_STREAM, 0, id);
	put_number(h2, CANCEL);
	h2->open--;
}

void
h2_flush(struct h2 *h2)
{
	while (h2->out_at < h2->out_len) {
		ssize_t n = send(h2->fd, h2->out + h2->out_at, h2->out_len - h2->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			h2->gone |= errno != EAGAIN;
			break;
		}
		h2->out_at += (size_t)n;
	}
	memmove(h2->out, h2->out + h2->out_at, h2->out_len - h2->out_at);
	h2->out_len -= h2->out_at;
	h2->out_at = 0;
}

/* ---- reading ---- */

static void
ended(struct h2 *h2, uint32_t id, enum h2_end end)
{
	if (h2->open > 0)
		h2->open--;
	if (h2->on_end != NULL)
		h2->on_end(h2, &h2->streams[(id / 2) % H2_STREAMS_MAX], end);
}

static void
received(struct h2 *h2, const uint8_t *head, size_t len)
{
	const uint8_t *payload = head + FRAME_HEAD;
	uint8_t type = head[3], flags = head[4];
	uint32_t id = ((uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8]) & 0x7fffffff;
	struct h2_stream *stream = &h2->streams[(id / 2) % H2_STREAMS_MAX];

	if (type == DATA) {
		stream->bytes += len;
		h2->received += (int64_t)len;
	} else if (type == SETTINGS && !(flags & ACK)) {
		put_head(h2, 0, SETTINGS, ACK, 0);
	} else if (type == PING && !(flags & ACK)) {
		put_head(h2, len, PING, ACK, 0);
		put(h2, payload, len);
	} else if (type == WINDOW_UPDATE && id == 0) {
		h2->window += (payload[0] & 0x7f) << 24 | payload[1] << 16 | payload[2] << 8 | payload[3];
	} else if (type == GOAWAY) {
		h2->gone = true;
	} else if (type == RST_STREAM) {
		ended(h2, id, H2_RESET);
	}
	if ((type == HEADERS || type == DATA) && (flags & END_STREAM))
		ended(h2, id, stream->bytes > 0 ? H2_ANSWERED : H2_REFUSED);
}

static void
take_frames(struct h2 *h2)
{
	size_t at = 0;

	while (h2->in_len - at >= FRAME_HEAD) {
		const uint8_t *head = h2->in + at;
		size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
		if (h2->in_len - at < FRAME_HEAD + len)
			break;
		received(h2, head, len);
		at += FRAME_HEAD + len;
	}
	memmove(h2->in, h2->in + at, h2->in_len - at);
	h2->in_len -= at;
	if (h2->received > WINDOW_GIVE / 2) {
		give_window(h2, (uint32_t)h2->received);
		h2->received = 0;
	}
}

void
h2_read(struct h2 *h2)
{
	for (;;) {
		size_t room = IN_BYTES - h2->in_len;
		ssize_t n = recv(h2->fd, h2->in + h2->in_len, room, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			h2->gone |= n == 0 || errno != EAGAIN;
			return;
		}
		h2->in_len += (size_t)n;
		take_frames(h2);
		if ((size_t)n < room)
			return;
	}
}

/* ---- connecting ---- */

static int
dial(const char *address, int receive_buffer)
{
	char host[64];
	const char *colon = strrchr(address, ':');
	struct sockaddr_in to = {.sin_family = AF_INET};
	int one = 1;

	if (colon == NULL || (size_t)(colon - address) >= sizeof(host))
		return -1;
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = '\0';
	to.sin_port = htons((uint16_t)atoi(colon + 1));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (receive_buffer > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fd >= 0 && (inet_pton(AF_INET, host, &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

bool
h2_connect(struct h2 *h2, const char *address, const char *path, uint32_t stream_window, int receive_buffer)
{
	enum { SETTING_PUSH = 2, SETTING_WINDOW = 4 };
	void (*on_end)(struct h2 *, const struct h2_stream *, enum h2_end) = h2->on_end;
	void *context = h2->context;

	memset(h2, 0, sizeof(*h2));
	h2->on_end = on_end;
	h2->context = context;
	h2->fd = -1;
	if (strlen(address) > 100 || strlen(path) > 100)
		return false;
	h2->fd = dial(address, receive_buffer);
	h2->in = malloc(IN_BYTES);
	h2->out = malloc(OUT_BYTES);
	h2->out_max = OUT_BYTES;
	if (h2->fd < 0 || h2->in == NULL || h2->out == NULL) {
		h2_close(h2);
		return false;
	}
	h2->next_id = 1;
	h2->window = WINDOW_START;
	make_headers(h2, address, path);
	put(h2, preface, sizeof(preface) - 1);
	put_head(h2, 12, SETTINGS, 0, 0);
	put_setting(h2, SETTING_PUSH, 0);
	put_setting(h2, SETTING_WINDOW, stream_window);
	give_window(h2, WINDOW_GIVE);
	h2_flush(h2);
	return !h2->gone;
}

void
h2_close(struct h2 *h2)
{
	if (h2->fd >= 0)
		close(h2->fd);
	h2->fd = -1;
	free(h2->in);
	free(h2->out);
	h2->in = h2->out = NULL;
	h2->open = 0;
}

#include "server/guard.h"

#include <stdlib.h>
#include <string.h>

/* RFC 9113, sections 3.4 and 6; a message of gRPC: a flag, four bytes of length, the message. */
#define PREFACE_BYTES 24
#define MESSAGE_HEAD_BYTES 5
enum { DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, AWAY, WINDOW, CONTINUATION };
#define END_STREAM 1
#define ACK 1

/* ---- what frames cost ------------------------------------------------------------------------------------------- */

/* Below 0 it pays. */
static int
cost_of(uint8_t type, uint8_t flags, uint32_t len)
{
	switch (type) {
	case HEADERS:
		return -1;
	case DATA:
		return len > 0 ? -1 : flags & END_STREAM ? 0 : 1;
	case RESET:
		return PQ_GUARD_RESET;
	case SETTINGS:
		return flags & ACK ? 0 : 1;
	case PING:
		return flags & ACK ? 0 : PQ_GUARD_PING;
	case WINDOW:
		return 0; /* one for each piece of an answer */
	default:
		return 1;
	}
}

static bool
pays(struct pq_guard_frames *frames, int cost, int64_t now_ms)
{
	if (cost <= 0) {
		frames->spent = frames->spent + cost > 0 ? frames->spent + cost : 0;
		return true;
	}
	int64_t since_ms = now_ms - frames->paid_ms;
	int64_t back = since_ms >= PQ_GUARD_CREDIT ? PQ_GUARD_CREDIT : since_ms * PQ_GUARD_CREDIT_A_SECOND / 1000;
	frames->spent = frames->spent > back ? frames->spent - back : 0;
	frames->paid_ms = now_ms;
	frames->spent += cost;
	return frames->spent <= PQ_GUARD_CREDIT;
}

/* ---- messages on their way -------------------------------------------------------------------------------------- */

static struct pq_guard_message *
find_message(struct pq_guard_frames *frames, uint32_t stream)
{
	for (size_t i = 0, seen = 0; seen < frames->n_messages && i < PQ_GUARD_MESSAGES; i++) {
		if (frames->messages[i].stream == stream)
			return &frames->messages[i];
		seen += frames->messages[i].stream != 0;
	}
	return NULL;
}

static struct pq_guard_message *
add_message(struct pq_guard_frames *frames, uint32_t stream)
{
	if (frames->messages == NULL)
		frames->messages = calloc(PQ_GUARD_MESSAGES, sizeof(*frames->messages));
	for (size_t i = 0; frames->messages != NULL && i < PQ_GUARD_MESSAGES; i++) {
		if (frames->messages[i].stream != 0)
			continue;
		frames->messages[i].stream = stream;
		frames->n_messages++;
		return &frames->messages[i];
	}
	return NULL;
}

static void
drop_message(struct pq_guard_frames *frames, struct pq_guard_message *message)
{
	if (message == NULL)
		return;
	frames->unfinished -= message->bytes;
	frames->n_messages--;
	*message = (struct pq_guard_message){0};
}

/* The next bytes of DATA. A message that is whole holds nothing: it is the server's then. */
static void
follow_message(struct pq_guard_frames *frames, const uint8_t *bytes, size_t len)
{
	struct pq_guard_message *message = frames->message;

	while (message != NULL && len > 0) {
		size_t n = 1;
		if (message->n_head < MESSAGE_HEAD_BYTES) {
			message->left = message->n_head == 0 ? 0 : message->left << 8 | *bytes;
			message->n_head++;
		} else {
			n = message->left < len ? message->left : len;
			message->left -= (uint32_t)n;
		}
		message->bytes += n;
		frames->unfinished += n;
		bytes += n;
		len -= n;
		if (message->n_head == MESSAGE_HEAD_BYTES && message->left == 0) {
			frames->unfinished -= message->bytes;
			message->bytes = 0;
			message->n_head = 0;
		}
	}
}

static void
begin_message(struct pq_guard_frames *frames, uint8_t type, uint8_t flags, uint32_t stream)
{
	frames->message = NULL;
	if (type != DATA && type != RESET)
		return;
	struct pq_guard_message *message = frames->n_messages > 0 ? find_message(frames, stream) : NULL;
	if (type == RESET || flags & END_STREAM) /* most calls are one frame of data, of which nothing needs to be kept */
		drop_message(frames, message);
	else
		frames->message = message != NULL ? message : add_message(frames, stream);
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static enum pq_guard_verdict
see_head(struct pq_guard_frames *frames, int64_t now_ms)
{
	const uint8_t *head = frames->head;
	uint8_t type = head[3], flags = head[4];
	uint32_t stream = (uint32_t)(head[5] & 0x7f) << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];

	frames->left = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
	frames->n_head = 0;
	if (type == HEADERS)
		frames->headers = 0;
	if (type == HEADERS || type == CONTINUATION) {
		frames->headers += frames->left;
		if (frames->headers > PQ_GUARD_HEADER_BYTES)
			return PQ_GUARD_HEADERS;
	}
	begin_message(frames, type, flags, stream);
	return pays(frames, cost_of(type, flags, frames->left), now_ms) ? PQ_GUARD_GOOD : PQ_GUARD_BURDEN;
}

enum pq_guard_verdict
pq_guard_follow(struct pq_guard_frames *frames, const uint8_t *bytes, size_t len, int64_t now_ms)
{
	while (len > 0) {
		bool greets = frames->preface < PREFACE_BYTES;
		size_t skip = greets ? PREFACE_BYTES - (size_t)frames->preface : frames->left;
		if (skip > len)
			skip = len;
		if (greets) {
			frames->preface = (uint8_t)(frames->preface + skip);
		} else {
			follow_message(frames, bytes, skip);
			frames->left -= (uint32_t)skip;
		}
		bytes += skip;
		len -= skip;
		while (len > 0 && frames->left == 0 && frames->n_head < sizeof(frames->head)) {
			frames->head[frames->n_head++] = *bytes++;
			len--;
		}
		if (frames->n_head < sizeof(frames->head))
			continue;
		enum pq_guard_verdict verdict = see_head(frames, now_ms);
		if (verdict != PQ_GUARD_GOOD)
			return verdict;
	}
	return PQ_GUARD_GOOD;
}

void
pq_guard_frames_release(struct pq_guard_frames *frames)
{
	free(frames->messages);
	*frames = (struct pq_guard_frames){0};
}

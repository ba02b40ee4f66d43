/*
 * Writes the body of a gRPC call for one request: the frame's head of five bytes and the DecideRequest. For load
 * generators that send a file.
 */
#include "cli/remote_convert.h"
#include "policy/request.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
fail(const struct pq_err *err)
{
	char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX];

	pq_err_format(err, text, sizeof(text));
	fprintf(stderr, "request_body: %s\n", text);
	return 1;
}

static int
write_frame(const Pratique__V1__DecideRequest *message, struct pq_arena *arena)
{
	size_t len = pratique__v1__decide_request__get_packed_size(message);
	uint8_t *frame = pq_arena_alloc(arena, 5 + len);
	uint32_t big_endian = htonl((uint32_t)len);

	if (frame == NULL)
		return 1;
	memcpy(frame + 1, &big_endian, sizeof(big_endian)); /* the first byte is 0: not compressed */
	pratique__v1__decide_request__pack(message, frame + 5);
	return fwrite(frame, 1, 5 + len, stdout) == 5 + len && fflush(stdout) == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	static char json[PQ_REQUEST_JSON_MAX + 1];
	struct pq_arena arena;
	struct pq_request request;
	Pratique__V1__DecideRequest *message;
	struct pq_err err = {0};

	if (argc != 1) {
		fprintf(stderr, "%s <request.json >body: a request form (docs/request.md) as the body of a gRPC call\n",
		        argv[0]);
		return 2;
	}
	size_t len = fread(json, 1, sizeof(json), stdin);
	pq_arena_init(&arena, 16 * PQ_REQUEST_JSON_MAX);
	int code;
	if (pq_request_from_json(json, len, &arena, &request, &err) != PQ_OK ||
	    pq_request_to_message(&request, &arena, &message, &err) != PQ_OK)
		code = fail(&err);
	else
		code = write_frame(message, &arena);
	pq_arena_release(&arena);
	return code;
}

/*
 * The codec of the hot messages against protobuf-c, on the bytes of a DecideRequest as anybody may send them: both take the
 * same request or the plain decoder leaves it to the other, and where the request has an answer, both write the same bytes.
 */
#include "tests/support/codec_check.h"
#include "tests/support/small_law.h"

#include <stdint.h>
#include <stdlib.h>

#define ARENA_BYTES ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Made once, and kept: what an encoder holds from one answer to the next is under test too. */
	static struct pq_arena law, arena;
	static struct pq_image *image;
	static struct pq_encoder encoder;
	struct pq_request request;
	struct pq_decision decision;
	struct pq_err err = {0};
	bool plain;

	if (image == NULL) {
		pq_arena_init(&law, (size_t)256 << 20);
		pq_arena_init(&arena, ARENA_BYTES);
		image = small_law_open(&law);
	}
	pq_arena_reset(&arena);
	if (codec_check_request(data, size, &arena, &request, &plain) &&
	    pq_decide(image, &request, &arena, &decision, NULL, NULL, &err) == PQ_OK)
		codec_check_decision(&encoder, &decision, &arena);
	return 0;
}

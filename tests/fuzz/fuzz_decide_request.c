/*
 * The bytes of a DecideRequest, as anybody may send them. What is accepted must survive the way back through the client's
 * side: the same number of facts, and accepted again.
 */
#include "cli/remote_convert.h"
#include "server/convert.h"

#include <stdint.h>
#include <stdlib.h>

#define ARENA_BYTES ((size_t)64 << 20)

static size_t
count(const struct pq_request *request)
{
	size_t n = request->facts.n + request->assume.n + request->n_profiles + request->near_misses;

	for (size_t i = 0; i < request->n_lines; i++)
		n += request->lines[i].n;
	for (size_t i = 0; i < request->n_hits; i++)
		n += request->hits[i].n;
	for (size_t i = 0; i < request->n_intermediates; i++)
		n += request->intermediates[i].n;
	for (size_t i = 0; i < request->n_parties; i++) {
		n += request->parties[i].facts.n;
		for (size_t j = 0; j < request->parties[i].n_owners; j++)
			n += request->parties[i].owners[j].n;
	}
	return n;
}

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static void
there_and_back(const struct pq_request *request, struct pq_arena *arena)
{
	Pratique__V1__DecideRequest *message;
	struct pq_violations violations = {.arena = arena};
	struct pq_request again;
	struct pq_demand demand;

	if (pq_request_to_message(request, arena, &message, NULL) != PQ_OK)
		return;
	size_t len = pratique__v1__decide_request__get_packed_size(message);
	uint8_t *bytes = malloc(len + 1);
	must(bytes != NULL);
	pratique__v1__decide_request__pack(message, bytes);
	enum pq_status status = pq_request_decode(bytes, len, arena, &again, &demand, &violations);
	must(status == PQ_OK || status == PQ_ENOMEM);
	must(status != PQ_OK || count(&again) == count(request));
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pq_arena arena;
	pq_arena_init(&arena, ARENA_BYTES);
	struct pq_violations violations = {.arena = &arena};
	struct pq_request request;
	struct pq_demand demand;

	enum pq_status status = pq_request_decode(data, size, &arena, &request, &demand, &violations);
	must(status == PQ_OK || pq_violations_any(&violations) || status == PQ_ENOMEM);
	if (status == PQ_OK)
		there_and_back(&request, &arena);
	pq_arena_release(&arena);
	return 0;
}

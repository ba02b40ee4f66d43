/*
 * Writes requests as gRPC frames, one after the other, as far as the evaluator answers them, in a shuffled order: the
 * packs' own cases with random ones made of them, or shipments as a platform sends them.
 *
 *   all        the cases and random ones
 *   simple     of these: one answer (neither several lines nor a release to a person), and nothing unknown that has to be
 *              searched
 *   shipments  instead of these, as many shipments, read from SHIPMENTS
 *   largest    instead of these, one request of as many lines as a request may have
 */
#include "bench/support/random.h"
#include "bench/support/requests.h"
#include "bench/support/shipments.h"
#include "bench/support/store.h"
#include "cli/remote_convert.h"
#include "policy/decide.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS_BYTES ((size_t)1 << 30)
#define SCRATCH_BYTES ((size_t)256 << 20)
#define LINES 1000

static int
fail(const struct pq_err *err)
{
	char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX];

	pq_err_format(err, text, sizeof(text));
	fprintf(stderr, "bodies: %s\n", text);
	return 1;
}

static enum pq_status
write_frame(const struct pq_request *request, struct pq_arena *arena, struct pq_err *err)
{
	Pratique__V1__DecideRequest *message;
	enum pq_status status = pq_request_to_message(request, arena, &message, err);

	if (status != PQ_OK)
		return status;
	size_t len = pratique__v1__decide_request__get_packed_size(message);
	uint8_t *frame = pq_arena_alloc(arena, 5 + len);
	uint32_t big_endian = htonl((uint32_t)len);
	if (frame == NULL)
		return PQ_ENOMEM;
	memcpy(frame + 1, &big_endian, sizeof(big_endian)); /* the first byte is 0: not compressed */
	pratique__v1__decide_request__pack(message, frame + 5);
	if (fwrite(frame, 1, 5 + len, stdout) != 5 + len)
		return pq_fail(err, PQ_EIO, "standard output cannot be written");
	return PQ_OK;
}

static bool
is_simple(const struct bench_request *request, const struct pq_decision *decision)
{
	bool searched = decision->n_missing + decision->n_moot > 0 || decision->best != decision->worst || !decision->exact;

	return request->simple && !searched;
}

static enum pq_status
write_all(const struct pq_image *image, const struct bench_requests *requests, bool simple, struct pq_arena *scratch,
          struct pq_err *err)
{
	size_t *order = calloc(requests->n + 1, sizeof(*order)), written = 0;
	struct bench_random random = {1};
	enum pq_status status = order != NULL ? PQ_OK : PQ_ENOMEM;

	for (size_t i = 0; order != NULL && i < requests->n; i++) {
		size_t other = bench_random_below(&random, i + 1);
		order[i] = order[other];
		order[other] = i;
	}
	for (size_t k = 0; status == PQ_OK && k < requests->n; k++) {
		const struct pq_request *request = &requests->at[order[k]].request;
		struct pq_decision decision;
		pq_arena_reset(scratch);
		/* Cases of requests that are refused are no load that a server is measured by. */
		if (pq_decide(image, request, scratch, &decision, NULL, NULL, NULL) != PQ_OK)
			continue;
		if (simple && !is_simple(&requests->at[order[k]], &decision))
			continue;
		status = write_frame(request, scratch, err);
		written++;
	}
	fprintf(stderr, "%zu bodies of %zu requests\n", written, requests->n);
	free(order);
	return status;
}

/* Of a line: what the request says of its item. */
static struct pq_facts
item_facts(const struct pq_request *request, struct pq_arena *arena)
{
	struct pq_fact *at = pq_arena_alloc(arena, (request->facts.n + 1) * sizeof(*at));
	size_t n = 0;

	for (size_t i = 0; at != NULL && i < request->facts.n; i++)
		if (request->facts.at[i].name.len > 5 && memcmp(request->facts.at[i].name.at, "item.", 5) == 0)
			at[n++] = request->facts.at[i];
	return (struct pq_facts){at, n};
}

/* A thousand lines with the items of the plain cases in turn, in the transaction of the first of them. */
static enum pq_status
write_largest(const struct bench_requests *requests, struct pq_arena *scratch, struct pq_err *err)
{
	static struct pq_facts lines[LINES];
	struct pq_request request = {0};
	size_t n = 0;

	for (size_t i = 0; n < LINES && requests->n > 0; i = (i + 1) % requests->n) {
		struct pq_facts facts = item_facts(&requests->at[i].request, scratch);
		if (!requests->at[i].simple || facts.n == 0)
			continue;
		if (n == 0)
			request = requests->at[i].request;
		lines[n++] = facts;
	}
	request.lines = lines;
	request.n_lines = n;
	return write_frame(&request, scratch, err);
}

static enum pq_status
write_part(const struct pq_image *image, const char *part, size_t n, const char *shipments, struct pq_arena *arena,
           struct pq_arena *scratch, struct pq_err *err)
{
	struct bench_requests requests = {0};

	if (strcmp(part, "shipments") == 0) {
		enum pq_status status = bench_shipments_add(image, shipments, n, 1, arena, &requests, err);
		return status == PQ_OK ? write_all(image, &requests, false, scratch, err) : status;
	}
	enum pq_status status = bench_requests_make(image, n, 1, arena, &requests, err);
	if (status != PQ_OK)
		return status;
	if (strcmp(part, "largest") == 0)
		return write_largest(&requests, scratch, err);
	return write_all(image, &requests, strcmp(part, "simple") == 0, scratch, err);
}

int
main(int argc, char **argv)
{
	struct bench_store store;
	struct pq_arena arena, scratch;
	struct pq_err err = {0};

	if (argc != 4 && argc != 5) {
		fprintf(stderr,
		        "%s STORE N all|simple|largest|shipments [SHIPMENTS] >file: the cases and N random requests, or N "
		        "shipments, as gRPC frames\n",
		        argv[0]);
		return 2;
	}
	if (bench_store_open(argv[1], &store, &err) != PQ_OK)
		return fail(&err);
	pq_arena_init(&arena, REQUESTS_BYTES);
	pq_arena_init(&scratch, SCRATCH_BYTES);
	enum pq_status status = write_part(store.image, argv[3], strtoull(argv[2], NULL, 10),
	                                   argc == 5 ? argv[4] : BENCH_SHIPMENTS, &arena, &scratch, &err);
	int code = status == PQ_OK && fflush(stdout) == 0 ? 0 : fail(&err);
	pq_arena_release(&scratch);
	pq_arena_release(&arena);
	bench_store_close(&store);
	return code;
}

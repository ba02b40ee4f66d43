/*
 * Our own floor: the server as it is, with a Decide that reads nothing, decides nothing and answers the bytes of a file.
 * It stands in for server/handle_decide.c in the program pratiqued_constant, which is never installed.
 */
#include "server/rpc.h"

#include "server/worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define REPLY_MAX ((size_t)4 << 20)

static uint8_t bytes[REPLY_MAX];
static size_t len;

static void
read_reply(void)
{
	const char *path = getenv("BENCH_REPLY");
	FILE *file = path != NULL ? fopen(path, "rb") : NULL;

	if (file == NULL) {
		fprintf(stderr, "pratiqued_constant: BENCH_REPLY must name the file of the reply\n");
		exit(2);
	}
	len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
}

void
pq_handle_decide(struct pq_worker *worker, const struct pq_bytes *in, int *state, struct pq_reply *ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)worker, (void)in, (void)state;
	pthread_once(&once, read_reply);
	ret->code = GRPC_STATUS_OK;
	ret->payload = grpc_slice_from_static_buffer(bytes, len);
	ret->details = grpc_empty_slice();
}

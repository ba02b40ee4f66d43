/*
 * Opening a store from arbitrary bytes: once as they are, and once with a trailer that fits them, so that what the
 * fuzzer makes of the pages gets past the digest and reaches the check of the pages, and LMDB if that lets it through.
 */
#include "storage/pages.h"
#include "storage/store.h"
#include "storage/trailer.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A store that opens must be readable to its last byte. */
static void
read_all(const struct pq_store *store)
{
	size_t n;
	const struct pq_blob *blobs = pq_store_blobs(store, &n);
	volatile uint8_t sink = 0;

	for (size_t i = 0; i < n; i++) {
		const uint8_t *bytes = blobs[i].data;

		if (pq_store_get(store, blobs[i].key, NULL) != blobs[i].data)
			abort();
		for (size_t at = 0; at < blobs[i].len; at++)
			sink ^= bytes[at];
	}
	(void)sink;
}

static void
open_bytes(const uint8_t *data, size_t size)
{
	struct pq_store *store = NULL;
	struct pq_err err = {.status = PQ_OK};
	char path[64];
	int fd = memfd_create("store", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	enum pq_status status = pq_store_open(path, 0, NULL, &store, &err);

	if (status == PQ_OK)
		read_all(store);
	else if (err.status != status || err.msg[0] == '\0' || strcmp(err.where, path) != 0)
		abort();
	pq_store_free(store);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pq_trailer trailer = {.version = PQ_STORE_FORMAT_VERSION};
	uint8_t *forged;

	open_bytes(data, size);
	if (size < PQ_TRAILER_BYTES)
		return 0;
	/* Whole pages, as the writer would have them, and a trailer in the place of the rest. */
	trailer.length = size / PQ_PAGE_BYTES_MIN * PQ_PAGE_BYTES_MIN;
	forged = malloc(trailer.length + PQ_TRAILER_BYTES);
	if (forged == NULL || EVP_Digest(data, trailer.length, trailer.digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
	memcpy(forged, data, trailer.length);
	pq_trailer_encode(&trailer, forged + trailer.length);
	open_bytes(forged, trailer.length + PQ_TRAILER_BYTES);
	free(forged);
	return 0;
}

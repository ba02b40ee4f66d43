#include "bench/support/store.h"

#include "cli/packs.h"
#include "policy/pack.h"

#include <stdio.h>
#include <sys/stat.h>

#define STORE "build/bench/us.mdb"

/* Warnings of the packs are told by `pratique check`; here only errors matter. */
static void
print_errors(const struct pq_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++) {
		const struct pq_finding *finding = &findings->at[i];
		if (finding->severity == PQ_SEVERITY_ERROR)
			fprintf(stderr, "%s:%d: %s\n", finding->src.file, finding->src.line, finding->text);
	}
}

static enum pq_status
seal(const char *path, struct pq_err *err)
{
	char *dirs[] = {"rules/us", "rules/us-ear", "rules/us-itar"};
	struct pq_build build;
	FILE *nowhere = fopen("/dev/null", "w");

	if (nowhere == NULL)
		return pq_fail(err, PQ_EIO, "/dev/null cannot be opened");
	pq_build_init(&build);
	enum pq_status status = pq_build_load(&build, dirs, sizeof(dirs) / sizeof(dirs[0]), nowhere, err);
	if (status == PQ_EPARSE)
		print_errors(&build.findings);
	if (status == PQ_OK)
		status = pq_build_compile(&build, err);
	if (status == PQ_OK) {
		mkdir("build", 0777);
		mkdir("build/bench", 0777);
		status = pq_store_seal(path, build.blobs, build.n_blobs, NULL, err);
	}
	pq_build_release(&build);
	fclose(nowhere);
	return status;
}

enum pq_status
bench_store_open(const char *path, struct bench_store *ret, struct pq_err *err)
{
	struct bench_store opened = {0};
	enum pq_status status = PQ_OK;
	size_t n;

	if (path == NULL) {
		path = STORE;
		status = seal(path, err);
	}
	if (status == PQ_OK)
		status = pq_store_open(path, 0, NULL, &opened.store, err);
	if (status != PQ_OK)
		return status;
	const struct pq_blob *blobs = pq_store_blobs(opened.store, &n);
	status = pq_image_open(blobs, n, &opened.image, err);
	if (status != PQ_OK) {
		pq_store_free(opened.store);
		return status;
	}
	pq_digest_hex(pq_store_digest(opened.store), opened.digest);
	*ret = opened;
	return PQ_OK;
}

void
bench_store_close(struct bench_store *store)
{
	pq_image_close(store->image);
	pq_store_free(store->store);
	*store = (struct bench_store){0};
}

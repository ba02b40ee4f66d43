/*
 * Manifests, which come from publishers, registries, web servers and buckets: any bytes as one. What is taken is written
 * back as it was stated; and a signature is good exactly where the trusted key would have made it.
 *
 * fuzz: -max_len=5000
 */
#include "storage/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made for this test and trusted nowhere else. */
static const char private_key[] = "-----BEGIN PRIVATE KEY-----\n"
								  "MC4CAQAwBQYDK2VwBCIEIBEdKtTCdJyu+FxcliqWgy6hhkBs8+2E4ak7TRE8v1LW\n"
								  "-----END PRIVATE KEY-----\n";
static const char public_key[] = "-----BEGIN PUBLIC KEY-----\n"
								 "MCowBQYDK2VwAyEAha/fJRTwQjScIboIXpzwG0ijGWDueNS+4q8MP+FnHv4=\n"
								 "-----END PUBLIC KEY-----\n";

static struct pq_key *key;
static struct pq_trust *trust;

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static int
file_of(const char *text, char path[64])
{
	int fd = memfd_create("key", MFD_CLOEXEC);

	must(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static void
load_keys(void)
{
	char path[64];
	const char *const paths[] = {path};
	int fd = file_of(private_key, path);

	must(pq_key_load(path, &key, NULL) == PQ_OK);
	close(fd);
	fd = file_of(public_key, path);
	must(pq_trust_load(paths, 1, &trust, NULL) == PQ_OK);
	close(fd);
}

/* Ed25519 signs equal bytes equally, so there is one good signature, and we can make it. */
static void
check_signatures(const struct pq_manifest *manifest)
{
	struct pq_manifest made = *manifest;
	struct pq_err err = {0};
	char id[PQ_KEY_ID_BYTES];
	bool good = false;

	made.n_signatures = 0;
	must(pq_manifest_sign(&made, key, NULL) == PQ_OK);
	must(pq_manifest_verify(&made, trust, "made", id, NULL) == PQ_OK && strcmp(id, pq_key_id(key)) == 0);
	for (size_t i = 0; i < manifest->n_signatures; i++) {
		const struct pq_signature *signature = &manifest->signatures[i];
		good = good || (strcmp(signature->key_id, pq_key_id(key)) == 0 &&
		                memcmp(signature->bytes, made.signatures[0].bytes, PQ_SIGNATURE_BYTES) == 0);
	}
	must((pq_manifest_verify(manifest, trust, "given", NULL, &err) == PQ_OK) == good);
	must(good || (err.status == PQ_EFAILED && err.msg[0] != '\0'));
	must(pq_manifest_verify(manifest, NULL, "given", id, NULL) == PQ_OK && id[0] == '\0');
}

static void
check_merging(const struct pq_manifest *manifest)
{
	struct pq_manifest into = *manifest;

	must(!pq_manifest_merge(&into, manifest, NULL));
	into.n_signatures = 0;
	pq_manifest_merge(&into, manifest, trust);
	must(into.n_signatures <= 1 && pq_manifest_same_statement(&into, manifest));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pq_manifest manifest, again;
	struct pq_err err = {0};
	char text[PQ_MANIFEST_BYTES_MAX + 1];
	size_t len;

	if (key == NULL)
		load_keys();
	if (pq_manifest_parse((const char *)data, size, "given", &manifest, &err) != PQ_OK) {
		must(err.msg[0] != '\0' && strcmp(err.where, "given") == 0);
		return 0;
	}
	must(pq_manifest_format(&manifest, text, &len, NULL) == PQ_OK);
	const char *line = memchr(text, '\n', len);
	must(line != NULL && size >= (size_t)(line + 1 - text) && memcmp(text, data, (size_t)(line + 1 - text)) == 0);
	must(pq_manifest_parse(text, len, "again", &again, NULL) == PQ_OK);
	must(pq_manifest_same_statement(&manifest, &again) && again.n_signatures == manifest.n_signatures);
	check_signatures(&manifest);
	check_merging(&manifest);
	return 0;
}

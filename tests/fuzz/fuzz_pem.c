/*
 * Any bytes as PEM: the server's certificate and its key, the authorities of its clients, keys that sign and keys that
 * are trusted. The input is cut at bytes 0xff: certificate, key, authorities.
 *
 * fuzz: -max_len=16384
 */
#include "server/pem.h"
#include "storage/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static char *
next_text(const uint8_t **at, const uint8_t *end)
{
	const uint8_t *mark = *at < end ? memchr(*at, 0xff, (size_t)(end - *at)) : NULL;
	size_t len = (size_t)((mark != NULL ? mark : end) - *at);
	char *text = malloc(len + 1);

	must(text != NULL);
	memcpy(text, *at, len);
	text[len] = '\0';
	*at = mark != NULL ? mark + 1 : end;
	return text;
}

static void
refused(const struct pq_err *err, const char *where)
{
	must(err->status != PQ_OK && err->msg[0] != '\0' && strcmp(err->where, where) == 0);
}

static void
check_keys(const uint8_t *data, size_t size)
{
	int fd = memfd_create("pem", MFD_CLOEXEC);
	char path[64];
	const char *const paths[] = {path};
	struct pq_key *key = NULL;
	struct pq_trust *trust = NULL;
	struct pq_err err = {0};
	uint8_t signature[PQ_SIGNATURE_BYTES];

	must(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (pq_key_load(path, &key, &err) == PQ_OK) {
		must(strlen(pq_key_id(key)) == PQ_KEY_ID_BYTES - 1);
		must(pq_key_sign(key, "law", 3, signature, &err) == PQ_OK);
		pq_key_free(key);
	} else {
		refused(&err, path);
	}
	err = (struct pq_err){0};
	if (pq_trust_load(paths, 1, &trust, &err) == PQ_OK) {
		must(pq_trust_count(trust) >= 1);
		for (size_t i = 0; i < pq_trust_count(trust); i++)
			must(strlen(pq_trust_id(trust, i)) == PQ_KEY_ID_BYTES - 1);
		pq_trust_free(trust);
	} else {
		refused(&err, path);
	}
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *end = data + size;
	char *cert = next_text(&at, end), *key = next_text(&at, end), *authorities = next_text(&at, end);
	struct pq_err err = {0};
	int64_t not_after = 0;

	if (pq_pem_check_pair("cert", cert, "key", key, &not_after, &err) != PQ_OK)
		must(err.msg[0] != '\0' && (strcmp(err.where, "cert") == 0 || strcmp(err.where, "key") == 0));
	err = (struct pq_err){0};
	if (pq_pem_check_authorities("ca", authorities, &err) != PQ_OK)
		refused(&err, "ca");
	check_keys(data, size);
	free(cert);
	free(key);
	free(authorities);
	return 0;
}

/**
 * What a registry holds of a revision, and says. Internal to fetch/.
 *
 * A revision is an OCI image manifest whose layers are snapshots and whose annotation holds the signed manifest
 * (docs/distribution.md). All that is read here comes from outside.
 */
#ifndef PQ_FETCH_OCI_ARTIFACT_H
#define PQ_FETCH_OCI_ARTIFACT_H

#include "fetch/limits.h"
#include "storage/manifest.h"

#define PQ_OCI_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define PQ_OCI_ARTIFACT_TYPE "application/vnd.pratique.revision.v1"
#define PQ_OCI_CONFIG_TYPE "application/vnd.oci.empty.v1+json"
#define PQ_OCI_LAYER_TYPE "application/vnd.pratique.snapshot.v1+zstd"
/** Annotations: the signed manifest as text; of a layer with differences, the digest of the base's store. */
#define PQ_OCI_MANIFEST_KEY "pratique.manifest"
#define PQ_OCI_BASE_KEY "pratique.base"
/** The config, which says nothing: "{}", and its digest. */
#define PQ_OCI_CONFIG "{}"
#define PQ_OCI_CONFIG_HEX "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

struct pq_oci_layer {
	char digest[PQ_DIGEST_HEX_BYTES]; /* of the blob */
	char base[PQ_DIGEST_HEX_BYTES];   /* "" for a whole store */
	uint64_t size;                    /* of the blob, in bytes */
};

struct pq_oci_artifact {
	char text[PQ_MANIFEST_BYTES_MAX + 1]; /* the signed manifest */
	size_t text_len;
	char store[PQ_DIGEST_HEX_BYTES]; /* the store that it names */
	size_t n_layers;
	struct pq_oci_layer layers[PQ_PUSH_BASES_MAX + 1];
};

/**
 * Read the JSON of an artifact. Layers of other types, and more layers than we push, are passed over.
 * Fails: PQ_ECORRUPT (not an artifact of ours, or a wrong one: err says in what), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_oci_artifact_parse(const char *json, size_t len, const char *where,
                                                 struct pq_oci_artifact *ret_artifact, struct pq_err *err);

/** The JSON of an artifact, to be freed by free(); the same for equal artifacts. Fails: PQ_ENOMEM. */
PQ_MUST_USE enum pq_status pq_oci_artifact_format(const struct pq_oci_artifact *artifact,
                                                  const struct pq_manifest *manifest, char **ret_json,
                                                  struct pq_err *err);

/** What a registry wants before it answers: the parts of a header WWW-Authenticate. */
struct pq_oci_challenge {
	enum { PQ_OCI_BASIC, PQ_OCI_BEARER } scheme;
	char realm[1024]; /* Bearer: the URL that gives tokens */
	char service[256];
	char scope[512];
};

/** Read a challenge. Fails: PQ_EFAILED (neither Basic nor Bearer, or not a sound one). */
PQ_MUST_USE enum pq_status pq_oci_challenge_parse(const char *text, const char *where,
                                                  struct pq_oci_challenge *ret_challenge, struct pq_err *err);

/** Read the answer of a token server; *ret_token is to be freed. Fails: PQ_ECORRUPT, PQ_ENOMEM. */
PQ_MUST_USE enum pq_status pq_oci_token_parse(const char *json, size_t len, const char *where, char **ret_token,
                                              struct pq_err *err);

#endif

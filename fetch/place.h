/**
 * A place where revisions lie, of whichever kind. Internal to fetch/.
 *
 * The kinds differ in how the pointer and the snapshots are named and asked for; what is made of them is in fetcher.c and
 * push.c.
 */
#ifndef PQ_FETCH_PLACE_H
#define PQ_FETCH_PLACE_H

#include "fetch/fetcher.h"
#include "fetch/http.h"
#include "fetch/oci_artifact.h"
#include "fetch/url.h"

/** Bytes of a snapshot's name, with the final NUL: HEX.mdb.zst, or HEX.from.HEX.zst. */
#define PQ_SNAPSHOT_NAME_BYTES (2 * PQ_DIGEST_HEX_BYTES + 16)
/** The name of the pointer in a folder. */
#define PQ_POINTER_NAME "latest.manifest"

/** A snapshot that is put into a place. */
struct pq_place_object {
	char name[PQ_SNAPSHOT_NAME_BYTES];
	char base[PQ_DIGEST_HEX_BYTES]; /* "" for a whole store */
	int fd;
	const char *path;
	uint64_t size;
	uint8_t digest[PQ_DIGEST_BYTES]; /* of the snapshot's bytes */
};

struct pq_place;

struct pq_place_ops {
	/** The pointer's text, and the mark it has now; unchanged where it has `known` ("": nothing is known). */
	enum pq_status (*poll)(struct pq_place *place, const char *known, char ret_text[PQ_MANIFEST_BYTES_MAX + 1],
	                       size_t *ret_len, char ret_mark[PQ_MARK_BYTES], bool *ret_changed, struct pq_err *err);
	/** A snapshot from a byte on; the place may begin earlier. PQ_ENOTFOUND where there is none. */
	enum pq_status (*get)(struct pq_place *place, const char *store, const char *base, uint64_t from,
	                      pq_http_take_fn *take, void *ctx, struct pq_err *err);
	/** Put a snapshot; one that is there already is left alone. NULL: the kind cannot. */
	enum pq_status (*put)(struct pq_place *place, const struct pq_place_object *object, bool *ret_was_there,
	                      struct pq_err *err);
	/** Point to a manifest whose snapshots have been put. */
	enum pq_status (*point)(struct pq_place *place, const struct pq_manifest *manifest, const char *text, size_t len,
	                        struct pq_err *err);
};

struct pq_place {
	const struct pq_place_ops *ops;
	const struct pq_fetch_options *options;
	const struct pq_fetch_watch *watch;
	struct pq_url url;
	struct pq_http *http;              /* NULL for a folder */
	char site[PQ_URL_BYTES_MAX + 300]; /* HTTP, S3: what names are appended to; OCI: https://HOST/v2/REPOSITORY */
	struct pq_s3_key s3;               /* id NULL: requests are not signed */
	char region[101];
	struct pq_oci_artifact *artifact; /* OCI: what was seen last, or is being put together */
	char *bearer;                     /* OCI: the token; NULL: none yet */
	bool login;                       /* OCI: the registry wants name and password themselves */
};

/** Fails: as pq_fetcher_open(). The place is released with pq_place_release() whatever came out. */
PQ_MUST_USE enum pq_status pq_place_init(struct pq_place *place, const char *url,
                                         const struct pq_fetch_options *options, struct pq_err *err);
void pq_place_release(struct pq_place *place);

/** The name of a snapshot; `base` NULL or "": of the whole store. Digests in hexadecimal. */
void pq_snapshot_name(const char *store, const char *base, char ret_name[PQ_SNAPSHOT_NAME_BYTES]);

/**
 * The mark of a pointer: its ETag, or, where there is none, the digest of its text. Fails: PQ_ENOMEM (SHA-256).
 */
PQ_MUST_USE enum pq_status pq_mark_of(const char *etag, const char *text, size_t len, char ret_mark[PQ_MARK_BYTES],
                                      struct pq_err *err);

/** The ETag in a mark, or NULL where it holds none. */
const char *pq_mark_etag(const char *mark);

extern const struct pq_place_ops pq_place_folder;
extern const struct pq_place_ops pq_place_site; /* can only be read */
extern const struct pq_place_ops pq_place_bucket;
extern const struct pq_place_ops pq_place_registry;

#endif

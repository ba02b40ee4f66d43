/**
 * The images of a revision: the compiled packs, read in place.
 *
 * The compiler writes them as blobs, storage/ keeps the blobs in a sealed file and maps them, and this header gives them
 * back their meaning. Nothing is copied: an open image points into the blobs.
 */
#ifndef PQ_POLICY_IMAGE_H
#define PQ_POLICY_IMAGE_H

#include "policy/blob.h"
#include "policy/decision.h"
#include "policy/status.h"
#include "policy/terms.h"

struct pq_image;

/**
 * Open the images of one revision. The blobs must have been proved whole (storage/ checks their digest); what is
 * checked here are kinds, versions and sizes, so that a revision of another time is refused with a clear error.
 *
 * Ownership: *ret_image is the caller's, pq_image_close() ends it; the blobs must outlive it.
 * Fails:     PQ_EFORMAT, PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_image_open(const struct pq_blob *blobs, size_t n, struct pq_image **ret_image,
                                         struct pq_err *err);

/** NULL is allowed. */
void pq_image_close(struct pq_image *image);

/* ---- what `pratique inspect` shows ------------------------------------------------------------------------------ */

struct pq_image_pack {
	const char *name, *title, *time_zone;
	int32_t edition, covers_from, covers_to, grace_days;
	const char *const *gaps;
	size_t n_gaps;
};

struct pq_image_table {
	const char *name, *title, *cite, *pack;
	int32_t edition;
	size_t n_rows;
	const char *const *gaps;
	size_t n_gaps;
};

struct pq_image_attr {
	const char *name, *title, *ask, *pack, *domain;
	enum pq_type type;
	enum pq_scope scope;
	bool is_fact, required;
};

struct pq_image_counts {
	size_t packs, domains, symbols, attrs, facts, tables, rows, rules, alternatives, cases, bitmap_bytes;
};

void pq_image_counts(const struct pq_image *image, struct pq_image_counts *ret);
/* Each `i` counts from 0 below the number that pq_image_counts() gives. Strings live as long as the image. */
void pq_image_pack(const struct pq_image *image, size_t i, struct pq_image_pack *ret);
void pq_image_table(const struct pq_image *image, size_t i, struct pq_image_table *ret);
void pq_image_attr(const struct pq_image *image, size_t i, struct pq_image_attr *ret);
const struct pq_rule_ref *pq_image_rule(const struct pq_image *image, size_t i);
/** The rule's conditions as written out by the compiler, for people; lines ended by "\n". */
const char *pq_image_rule_text(const struct pq_image *image, size_t i);
/** The case as written: a JSON object of `*ret_len` bytes, and where it stands ("us-ear/cases/chart.jsonl:3"). */
const char *pq_image_case(const struct pq_image *image, size_t i, size_t *ret_len, const char **ret_source);

#endif

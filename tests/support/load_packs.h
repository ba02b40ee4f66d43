/**
 * Packs from disk for tests: plain files, in the order in which they are given.
 */
#ifndef PQ_TESTS_SUPPORT_LOAD_PACKS_H
#define PQ_TESTS_SUPPORT_LOAD_PACKS_H

#include "policy/pack.h"

/**
 * Read all files of one pack's folder ("rules/us-ear", relative to the working directory) and of its folders, sorted.
 *
 * Ownership: *ret_files, its paths ("us-ear/pack.yaml") and texts live in `arena`.
 * Fails:     PQ_EIO (err names the file), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_test_read_packs(const char *const *dirs, size_t n, struct pq_arena *arena,
                                              struct pq_pack_file **ret_files, size_t *ret_n, struct pq_err *err);

/**
 * Load the packs of these folders, and print every finding to the standard error.
 *
 * Ownership: the model lives in `arena`.
 * Fails:     as pq_model_load() and pq_test_read_packs(); the reason is printed.
 */
PQ_MUST_USE enum pq_status pq_test_load_packs(const char *const *dirs, size_t n, struct pq_arena *arena,
                                              struct pq_model **ret_model);

/** Print findings as "file:line:column: error: text". */
void pq_test_print_findings(const struct pq_findings *findings);

#endif

/**
 * A law for tests of the server: three countries, one requirement, one exception, one prohibition, compiled and sealed.
 *
 *   to BB   a licence of OFFICE for reason ANY (CASE_BY_CASE), or exception SMALL up to 100 USD
 *   to AA, CC   no licence; to BB and CC the duty REPORT
 *   any party on the list BLACK: PROHIBITED
 *   deemed_export: decided for each citizenship
 */
#ifndef PQ_TESTS_TINY_STORE_H
#define PQ_TESTS_TINY_STORE_H

/** Seal it at `path`; aborts the test program with a message when that fails. */
void tiny_store_seal(const char *path);

/**
 * Edition `n` of it, from 1, with a digest of its own. Answers show it: tiny.law and tiny.bb are cited as "Law 1 of N" and
 * "Law 2 of N", and an odd edition reviews by POLICY_OF_DENIAL.
 */
void tiny_store_seal_edition(const char *path, unsigned n);

#endif

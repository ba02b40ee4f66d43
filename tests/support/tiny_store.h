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

/** The same law under a title of its own: for each `n` a store of another digest. */
void tiny_store_seal_edition(const char *path, unsigned n);

#endif

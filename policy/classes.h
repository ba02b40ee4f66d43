/**
 * Which values of a fact the law treats alike: values that nothing in a revision tells apart get the same answers, but
 * for their own names. For `pratique grid`, which decides one of each class.
 */
#ifndef PQ_POLICY_CLASSES_H
#define PQ_POLICY_CLASSES_H

#include "policy/calendar.h"
#include "policy/facts.h"

/**
 * The class of each value, as the index of the first value of its class.
 *
 * Two values are in one class only if exchanging them throughout the packs gives the same packs: they stand in the same
 * lists of every condition that they do not rule out, and the rows that name them say the same; of codes, too, what is
 * said of the paths above and below theirs. A value that a rule sets or that `said`, a request whose facts are held
 * fixed, mentions is alone. Only answers as of `since` and later are meant. Sound, and not always as coarse as could be.
 *
 * Ownership: *ret, an array of values->n, lives in `arena`.
 * Fails:     PQ_EINVAL (no fact of the whole request with symbols or codes), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_image_classes_of(const struct pq_image *image, const char *fact,
                                               const struct pq_texts *values, const struct pq_request *said,
                                               int32_t since, struct pq_arena *arena, size_t **ret,
                                               struct pq_err *err);

#endif

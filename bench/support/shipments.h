/**
 * Shipments as a logistics platform would send them, drawn from a file of forms and weights (bench/shipments.json).
 *
 * The file is an object with `forms`, a list of [weight, name, request form], and `named`, an object of values that
 * forms may use. In them an object with one of these members stands for what is drawn anew each time:
 *
 *   $one      [[weight, value], ...]: one of them
 *   $named    a name: that value of `named`
 *   $fact     a name: what this request has said for that member already
 *   $symbol   a fact: any symbol that the store knows for it, each as often as the next
 *   $between  [low, high]: a whole number, each doubling as often as the next
 *   $day      n: one of the last n days up to the latest edition of a pack
 *   $list     [[weight, n], ...] with `of`: a list of n values
 *   $silent   true: the member is left out
 */
#ifndef PQ_BENCH_SHIPMENTS_H
#define PQ_BENCH_SHIPMENTS_H

#include "bench/support/requests.h"

/** Where the forms are, from the root of the tree. */
#define BENCH_SHIPMENTS "bench/shipments.json"

/**
 * Put `n` shipments behind the requests that `requests` has. Equal files, seeds and images give equal shipments.
 * Each is decided once, so that no shipment is left which the store refuses.
 *
 * Ownership: as bench_requests_make().
 * Fails:     PQ_EIO, PQ_EPARSE (the file), PQ_EINVAL (a form: err names it and its fault; a request that the store
 *            refuses), PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status bench_shipments_add(const struct pq_image *image, const char *path, size_t n, uint64_t seed,
                                               struct pq_arena *arena, struct bench_requests *requests,
                                               struct pq_err *err);

#endif

/**
 * The hot messages without protobuf-c: a DecideRequest straight from its bytes to facts, a decision straight to the bytes
 * of its answer.
 *
 * protobuf-c and convert.h are the reference. The decoder takes only what is plain (fields in order, each once, nothing
 * that is wrong or unknown) and leaves all else to them, so that it never refuses anything itself; the encoder writes the
 * bytes that protobuf-c would. tests/fuzz/fuzz_codec.c holds both against each other.
 *
 * Threads: an encoder belongs to one thread at a time.
 */
#ifndef PQ_SERVER_CODEC_H
#define PQ_SERVER_CODEC_H

#include "policy/arena.h"
#include "policy/decision.h"
#include "policy/facts.h"
#include "policy/status.h"
#include "server/demand.h"

#include <stdint.h>

/**
 * Read the bytes of a DecideRequest that is plain. False: it is not, or memory is out; pq_request_decode() says which.
 *
 * Ownership: *ret_request points into `data` and `arena`; texts are not terminated.
 */
PQ_MUST_USE bool pq_request_decode_plain(const uint8_t *data, size_t len, struct pq_arena *arena,
                                         struct pq_request *ret_request, struct pq_demand *ret_demand);

/** Bytes that are written from their end to their start, so that a message's length is known when it is written. */
struct pq_out {
	uint8_t *bytes; /* `cap` of them; what is written are the last `len` */
	size_t cap, len;
	bool failed; /* memory is out; `len` stays where it was */
};

static inline const uint8_t *
pq_out_start(const struct pq_out *out)
{
	return out->bytes != NULL ? out->bytes + out->cap - out->len : (const uint8_t *)"";
}

/** Rules that one reply cites, each once, in the order in which they were first cited. Start with zeroes. */
struct pq_cited {
	uint32_t *places; /* by the rule's number in its revision: its place in the reply + 1; 0 = not cited */
	const struct pq_rule_ref **rules;
	size_t n;
	size_t size; /* of both arrays */
	bool failed; /* memory is out */
};

/** Cite none. The rules that were cited must still be there. */
void pq_cited_reset(struct pq_cited *cited);
/** The same, and they may be gone with their revision. */
void pq_cited_forget(struct pq_cited *cited);
void pq_cited_release(struct pq_cited *cited);

/** A rule as it stands in every reply that cites it. */
struct pq_rule_bytes {
	uint8_t *bytes; /* NULL = not written yet */
	size_t len;
};

/** What a thread keeps between replies: its buffer, and the rules of one revision as bytes. Start with zeroes. */
struct pq_encoder {
	struct pq_out out;
	struct pq_cited cited;       /* of a reply to one request */
	struct pq_rule_bytes *rules; /* by number; grows with what is cited */
	size_t n_rules;
	int32_t day; /* that `date` shows */
	char date[16];
};

/** Forget the rules: what comes is about another revision. */
void pq_encoder_forget(struct pq_encoder *encoder);
void pq_encoder_release(struct pq_encoder *encoder);

/**
 * The bytes of a DecideResponse.
 * Ownership: *ret points into the encoder, until its next use. Fails: PQ_ENOMEM.
 */
PQ_MUST_USE enum pq_status pq_encode_response(struct pq_encoder *encoder, const struct pq_decision *decision,
                                              const struct pq_answerer *by, const uint8_t **ret, size_t *ret_len);

/** The bytes of a Revision. Ownership, failures: as above. */
PQ_MUST_USE enum pq_status pq_encode_answerer(struct pq_encoder *encoder, const struct pq_answerer *by,
                                              const uint8_t **ret, size_t *ret_len);

/**
 * The bytes of a DecideResult of a batch, whose rules are collected in `cited`, which the caller keeps.
 * Ownership, failures: as above.
 */
PQ_MUST_USE enum pq_status pq_encode_result(struct pq_encoder *encoder, const struct pq_decision *decision,
                                            struct pq_cited *cited, const uint8_t **ret, size_t *ret_len);

/** The bytes of a Rule; they live until pq_encoder_forget(). NULL: no memory. */
const struct pq_rule_bytes *pq_encode_rule(struct pq_encoder *encoder, const struct pq_rule_ref *rule);

#endif

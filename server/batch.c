#include "server/batch.h"

#include "server/server.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of fields in BatchDecideRequest and -Response, and in StreamDecideRequest and -Response alike. */
enum { REQUESTS = 1, MIN_REVISION = 2, MAX_AGE_S = 3, RESULTS = 1, RULES = 2, REVISION = 3, ERROR = 2, CODE = 1 };

/* Requests between two looks at the clock, where each has one line: some microseconds. */
#define BETWEEN_LOOKS 4
/* Of the answer at first; it doubles. */
#define OUT_BYTES ((size_t)64 << 10)
/* A tag and a length. */
#define HEAD_BYTES 12

/* ---- the answer, forwards --------------------------------------------------------------------------------------- */

static bool
ensure(struct pq_batch *batch, size_t more)
{
	size_t cap = batch->cap > 0 ? batch->cap : OUT_BYTES;

	if (batch->cap - batch->len >= more)
		return true;
	while (cap - batch->len < more)
		cap *= 2;
	uint8_t *out = realloc(batch->out, cap);
	if (out == NULL) {
		batch->failed = true;
		return false;
	}
	batch->out = out;
	batch->cap = cap;
	return true;
}

static size_t
write_varint(uint8_t *at, uint64_t value)
{
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		at[n++] = (uint8_t)(value | 0x80);
	at[n++] = (uint8_t)value;
	return n;
}

/* A field of bytes whose number is below 16. */
static void
append(struct pq_batch *batch, unsigned field, const void *bytes, size_t len)
{
	if (!ensure(batch, len + HEAD_BYTES))
		return;
	batch->out[batch->len++] = (uint8_t)(field << 3 | PQ_WIRE_BYTES);
	batch->len += write_varint(batch->out + batch->len, len);
	memcpy(batch->out + batch->len, bytes, len);
	batch->len += len;
}

/* A result that says why there is none: what the call would have ended with, had it been alone. */
static void
append_error(struct pq_batch *batch, struct pq_reply *reply)
{
	uint8_t code[2] = {CODE << 3 | PQ_WIRE_VARINT, (uint8_t)reply->code}, head[HEAD_BYTES];
	const uint8_t *status = GRPC_SLICE_START_PTR(reply->details);
	size_t len = GRPC_SLICE_LENGTH(reply->details);

	if (len == 0) { /* no memory for more */
		status = code;
		len = sizeof(code);
	}
	head[0] = ERROR << 3 | PQ_WIRE_BYTES;
	size_t head_len = 1 + write_varint(head + 1, len);
	if (ensure(batch, len + 2 * HEAD_BYTES)) {
		batch->out[batch->len++] = RESULTS << 3 | PQ_WIRE_BYTES;
		batch->len += write_varint(batch->out + batch->len, head_len + len);
		memcpy(batch->out + batch->len, head, head_len);
		memcpy(batch->out + batch->len + head_len, status, len);
		batch->len += head_len + len;
	}
	grpc_slice_unref(reply->details);
	grpc_slice_unref(reply->payload);
}

/* The rules that the last result brought: what they will take. */
static void
count_rules(struct pq_batch *batch, struct pq_encoder *encoder)
{
	for (; batch->n_counted < batch->cited.n; batch->n_counted++) {
		const struct pq_rule_bytes *rule = pq_encode_rule(encoder, batch->cited.rules[batch->n_counted]);
		if (rule == NULL)
			batch->failed = true;
		else
			batch->rule_bytes += rule->len + HEAD_BYTES;
	}
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

static void
refuse_item(struct pq_batch *batch, struct pq_worker *worker, const char *why)
{
	struct pq_reply reply;

	pq_reply_refuse(&reply, &worker->arena, GRPC_STATUS_RESOURCE_EXHAUSTED, PQ_REASON_LIMIT_EXCEEDED, NULL, 0, "%s",
	                why);
	append_error(batch, &reply);
}

static const char too_long[] = "the answer to the whole batch would be too long: ask in smaller batches";

static bool
fits(const struct pq_batch *batch, size_t more)
{
	return batch->len + batch->rule_bytes + more <= PQ_SERVER_BATCH_BYTES;
}

/* The next request of the batch. False: there is none. */
static bool
next_item(struct pq_batch *batch, struct pq_bytes *ret)
{
	struct pq_wire_field field;

	while (pq_wire_next(&batch->left, &field) == PQ_WIRE_FIELD) {
		if (field.number != REQUESTS)
			continue;
		*ret = (struct pq_bytes){field.data, field.len};
		return true;
	}
	return false;
}

/* Decide or refuse a request, or go on with one that is large; how many parts it had. */
static size_t
do_item(struct pq_batch *batch, struct pq_worker *worker, const struct pq_bytes *in, int64_t end)
{
	struct pq_encoder *encoder = &batch->stand.term->encoder;
	struct pq_decision decision;
	struct pq_reply reply;
	const uint8_t *result;
	size_t len;

	if (batch->large == NULL && !fits(batch, 0)) {
		refuse_item(batch, worker, too_long);
		return 0;
	}
	enum pq_progress progress =
		batch->large != NULL
			? pq_large_step(&batch->large, end, &decision, &reply)
			: pq_decide_bytes(worker, &batch->stand, in, end, &batch->large, NULL, &decision, &reply);
	if (progress == PQ_REFUSED)
		append_error(batch, &reply);
	if (progress != PQ_DECIDED)
		return 0;
	if (pq_encode_result(encoder, &decision, &batch->cited, &result, &len) != PQ_OK) {
		batch->failed = true;
		return 0;
	}
	count_rules(batch, encoder);
	if (fits(batch, len))
		append(batch, RESULTS, result, len);
	else
		refuse_item(batch, worker, too_long);
	return decision.n_parts;
}

/* How many requests there are, and what the batch asks of the law; false: the bytes are no batch. */
static bool
look_over(const struct pq_bytes *in, size_t *ret_n, struct pq_demand *ret_demand)
{
	struct pq_wire wire = {in->data, in->data + in->len};
	struct pq_wire_field field;
	enum pq_wire_result result;
	size_t n_unknown = 0;

	*ret_n = 0;
	*ret_demand = (struct pq_demand){0};
	while ((result = pq_wire_next(&wire, &field)) == PQ_WIRE_FIELD) {
		if (field.number > MAX_AGE_S && ++n_unknown > PQ_SERVER_UNKNOWN_FIELDS)
			return false;
		if (field.number <= MAX_AGE_S && field.type != (field.number == REQUESTS ? PQ_WIRE_BYTES : PQ_WIRE_VARINT))
			return false;
		if (field.number == REQUESTS)
			++*ret_n;
		else if (field.number == MIN_REVISION)
			ret_demand->min_revision = field.value;
		else if (field.number == MAX_AGE_S)
			ret_demand->max_age_s = (uint32_t)field.value;
	}
	return result == PQ_WIRE_END;
}

bool
pq_batch_begin(struct pq_batch *batch, struct pq_worker *worker, const struct pq_bytes *in, struct pq_reply *ret)
{
	size_t max = worker->server->options->max_batch_items, n;

	if (!look_over(in, &n, &batch->demand)) {
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_INVALID_ARGUMENT, PQ_REASON_INVALID_REQUEST, NULL, 0,
		                "cannot be read: it is no batch of requests");
	} else if (n > max) {
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_RESOURCE_EXHAUSTED, PQ_REASON_LIMIT_EXCEEDED, NULL, 0,
		                "the batch has %zu requests; %zu are allowed", n, max);
	} else {
		batch->in = *in;
		batch->left = (struct pq_wire){in->data, in->data + in->len};
		batch->n_done = batch->len = 0;
		batch->n_counted = batch->rule_bytes = 0;
		batch->failed = false;
		pq_cited_forget(&batch->cited);
		return true;
	}
	pq_worker_reset_arena(worker);
	return false;
}

static enum pq_progress
finish(struct pq_batch *batch, struct pq_worker *worker, struct pq_reply *ret)
{
	struct pq_encoder *encoder = &batch->stand.term->encoder;
	struct pq_answerer by = pq_stand_answerer(&batch->stand);
	const uint8_t *revision;
	size_t len;

	for (size_t i = 0; i < batch->cited.n && !batch->failed; i++) {
		const struct pq_rule_bytes *rule = pq_encode_rule(encoder, batch->cited.rules[i]);
		append(batch, RULES, rule->bytes, rule->len);
	}
	if (pq_encode_answerer(encoder, &by, &revision, &len) == PQ_OK)
		append(batch, REVISION, revision, len);
	else
		batch->failed = true;
	pq_cited_reset(&batch->cited);
	pq_batch_drop(batch);
	if (batch->failed) {
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_RESOURCE_EXHAUSTED, PQ_REASON_LIMIT_EXCEEDED, NULL, 0,
		                "no memory for the answer");
		pq_worker_reset_arena(worker);
		return PQ_REFUSED;
	}
	/* The buffer goes with the reply: it is large, and copying it would cost as much as making it. */
	ret->code = GRPC_STATUS_OK;
	ret->message[0] = '\0';
	ret->details = grpc_empty_slice();
	ret->payload = grpc_slice_new(batch->out, batch->len, free);
	batch->out = NULL;
	batch->cap = batch->len = 0;
	return PQ_DECIDED;
}

/* Take a stand for the whole batch. PQ_DECIDED: it has one. */
static enum pq_progress
take_stand(struct pq_batch *batch, struct pq_worker *worker, uint64_t *ret_sequence, struct pq_reply *ret)
{
	struct pq_stand stand;
	enum pq_fit fit =
		pq_stand_take(worker, &stand, ret) ? pq_stand_fit(worker, &stand, &batch->demand, true, ret) : PQ_FIT_NOT;

	if (fit == PQ_FIT) {
		batch->stand = stand;
		pq_term_hold(stand.term);
		return PQ_DECIDED;
	}
	pq_worker_reset_arena(worker);
	*ret_sequence = batch->demand.min_revision;
	return fit == PQ_FIT_LATER ? PQ_BEHIND : PQ_REFUSED;
}

enum pq_progress
pq_batch_step(struct pq_batch *batch, struct pq_worker *worker, uint64_t *ret_sequence, struct pq_reply *ret)
{
	int64_t end = pq_slice_end();
	struct pq_bytes item = {0};
	size_t since = 0;

	if (batch->stand.term == NULL) {
		enum pq_progress taken = take_stand(batch, worker, ret_sequence, ret);
		if (taken != PQ_DECIDED)
			return taken;
	}
	while (!batch->failed && (batch->large != NULL || next_item(batch, &item))) {
		since += 1 + do_item(batch, worker, &item, end);
		if (batch->large != NULL)
			return PQ_UNFINISHED;
		batch->n_done++;
		pq_worker_reset_arena(worker);
		if (since >= BETWEEN_LOOKS) {
			if (pq_slice_is_over(end) && batch->left.at != batch->left.end)
				return PQ_UNFINISHED;
			since = 0;
		}
	}
	return finish(batch, worker, ret);
}

void
pq_batch_drop(struct pq_batch *batch)
{
	pq_large_drop(batch->large);
	batch->large = NULL;
	pq_term_release(batch->stand.term);
	batch->stand.term = NULL;
}

void
pq_batch_release(struct pq_batch *batch)
{
	pq_batch_drop(batch);
	free(batch->out);
	pq_cited_release(&batch->cited);
	*batch = (struct pq_batch){0};
}

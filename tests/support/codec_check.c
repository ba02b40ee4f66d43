#include "tests/support/codec_check.h"

#include "server/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "codec and reference differ: %s\n", what);
	abort();
}

static bool
same_text(struct pq_text a, struct pq_text b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static bool
same_value(const struct pq_value *a, const struct pq_value *b)
{
	bool same = a->kind == b->kind && a->boolean == b->boolean && a->number == b->number &&
	            same_text(a->text, b->text) && a->n_texts == b->n_texts;

	for (size_t i = 0; same && i < a->n_texts; i++)
		same = same_text(a->texts[i], b->texts[i]);
	return same;
}

static void
must_facts(const struct pq_facts *a, const struct pq_facts *b, const char *where)
{
	must(a->n == b->n, where);
	for (size_t i = 0; i < a->n; i++) {
		must(same_text(a->at[i].name, b->at[i].name), where);
		must(same_value(&a->at[i].value, &b->at[i].value), where);
	}
}

static void
must_lists(const struct pq_facts *a, size_t n_a, const struct pq_facts *b, size_t n_b, const char *where)
{
	must(n_a == n_b, where);
	for (size_t i = 0; i < n_a; i++)
		must_facts(&a[i], &b[i], where);
}

static void
must_requests(const struct pq_request *a, const struct pq_request *b)
{
	must(a->as_of == b->as_of && a->jurisdiction_only == b->jurisdiction_only && a->near_misses == b->near_misses,
	     "numbers of the request");
	must_facts(&a->facts, &b->facts, "facts of the request");
	must_facts(&a->assume, &b->assume, "assume");
	must_lists(a->lines, a->n_lines, b->lines, b->n_lines, "lines");
	must_lists(a->hits, a->n_hits, b->hits, b->n_hits, "hits");
	must_lists(a->intermediates, a->n_intermediates, b->intermediates, b->n_intermediates, "intermediates");
	must(a->n_parties == b->n_parties, "parties");
	for (size_t i = 0; i < a->n_parties; i++) {
		must_facts(&a->parties[i].facts, &b->parties[i].facts, "a party");
		must_lists(a->parties[i].owners, a->parties[i].n_owners, b->parties[i].owners, b->parties[i].n_owners,
		           "owners");
	}
	must(a->n_profiles == b->n_profiles, "profiles");
	for (size_t i = 0; i < a->n_profiles; i++)
		must(same_text(a->profiles[i], b->profiles[i]), "profiles");
}

bool
codec_check_request(const uint8_t *data, size_t len, struct pq_arena *arena, struct pq_request *ret_request,
                    bool *ret_plain)
{
	struct pq_request ours, theirs;
	struct pq_demand our_demand, their_demand;
	struct pq_violations violations = {.arena = arena};
	bool plain = pq_request_decode_plain(data, len, arena, &ours, &our_demand);
	enum pq_status status = pq_request_decode(data, len, arena, &theirs, &their_demand, &violations);

	must(!plain || status == PQ_OK || status == PQ_ENOMEM, "the reference refuses what the plain decoder takes");
	if (plain && status == PQ_OK) {
		must_requests(&ours, &theirs);
		must(our_demand.min_revision == their_demand.min_revision && our_demand.max_age_s == their_demand.max_age_s,
		     "how new the law has to be");
	}
	*ret_plain = plain;
	if (status != PQ_OK)
		return false;
	*ret_request = theirs;
	return true;
}

/* Of the fields that a Revision has, 0 to all are there by turns, and their numbers are short and long. */
static void
draw_answerer(const struct pq_decision *decision, struct pq_answerer *ret)
{
	static const uint64_t numbers[] = {0, 1, 127, 128, 1700000000, UINT32_MAX, INT64_MAX};
	const size_t n = sizeof(numbers) / sizeof(numbers[0]);
	size_t draw = (size_t)decision->as_of + decision->n_rules;

	ret->digest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	ret->sequence = numbers[draw % n];
	ret->activated_s = (int64_t)numbers[draw / n % n];
	ret->age_s = (uint32_t)numbers[(draw + draw / n) % n];
}

static uint8_t *
pack(const ProtobufCMessage *message, size_t *ret_len, struct pq_arena *arena)
{
	*ret_len = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = pq_arena_alloc(arena, *ret_len + 1);
	must(bytes != NULL, "memory is out");
	protobuf_c_message_pack(message, bytes);
	return bytes;
}

/* A result of a batch is the first two fields of the answer, in a message of its own. */
static void
check_result(struct pq_encoder *encoder, const struct pq_decision *decision, Pratique__V1__DecideResponse *message,
             struct pq_arena *arena)
{
	struct pq_cited cited = {0};
	const uint8_t *ours;
	size_t len, expected_len;

	message->n_rules = 0;
	message->revision = NULL;
	uint8_t *expected = pack(&message->base, &expected_len, arena);
	must(pq_encode_result(encoder, decision, &cited, &ours, &len) == PQ_OK, "a result is not encoded");
	must(len > expected_len && len <= expected_len + 6, "length of a result");
	must(ours[0] == 0x0a && memcmp(ours + len - expected_len, expected, expected_len) == 0, "bytes of a result");
	pq_cited_release(&cited);
}

void
codec_check_decision(struct pq_encoder *encoder, const struct pq_decision *decision, struct pq_arena *arena)
{
	Pratique__V1__DecideResponse *message;
	struct pq_answerer by;
	const uint8_t *ours;
	size_t len, expected_len;

	draw_answerer(decision, &by);
	must(pq_decision_to_message(decision, &by, arena, &message) == PQ_OK, "the reference has no message");
	uint8_t *expected = pack(&message->base, &expected_len, arena);
	must(pq_encode_response(encoder, decision, &by, &ours, &len) == PQ_OK, "an answer is not encoded");
	must(len == expected_len, "length of an answer");
	must(memcmp(ours, expected, len) == 0, "bytes of an answer");
	expected = pack(&message->revision->base, &expected_len, arena);
	must(pq_encode_answerer(encoder, &by, &ours, &len) == PQ_OK, "a revision is not encoded");
	must(len == expected_len && memcmp(ours, expected, len) == 0, "bytes of a revision");
	check_result(encoder, decision, message, arena);
}

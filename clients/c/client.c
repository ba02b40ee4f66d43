/* Decides a scenario with pratiqued: one transaction, a batch and a stream. See README.md beside this file. */
#include "call.h"
#include "proto_json.h"

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "pratique/v1/batch.pb-c.h"
#include "pratique/v1/decision.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE "/pratique.v1.DecisionService/"

/* ---- what is printed ---- */

/* OUTCOME_REFER of the enum Outcome is REFER. */
static const char *
short_name(const ProtobufCEnumDescriptor *descriptor, const char *prefix, int value)
{
	const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(descriptor, value);

	return found != NULL ? found->name + strlen(prefix) : "?";
}

static const char *
outcome(Pratique__V1__Outcome value)
{
	return short_name(&pratique__v1__outcome__descriptor, "OUTCOME_", (int)value);
}

static const char *
cite(Pratique__V1__Rule **rules, size_t n_rules, const Pratique__V1__RuleRef *ref)
{
	return ref != NULL && ref->index < n_rules ? rules[ref->index]->cite : "?";
}

static void
show_decision(const Pratique__V1__Decision *d, Pratique__V1__Rule **rules, size_t n_rules)
{
	printf("  %s under %s as of %s\n", outcome(d->outcome), d->jurisdiction, d->as_of);
	if (d->outcome == PRATIQUE__V1__OUTCOME__OUTCOME_NEEDS_INFORMATION)
		printf("  between %s and %s\n", outcome(d->best), outcome(d->worst));
	if (d->review_policy != PRATIQUE__V1__REVIEW_POLICY__REVIEW_POLICY_UNSPECIFIED)
		printf("  review policy: %s\n",
		       short_name(&pratique__v1__review_policy__descriptor, "REVIEW_POLICY_", (int)d->review_policy));
	for (size_t i = 0; i < d->n_requirements; i++) {
		const Pratique__V1__Requirement *r = d->requirements[i];
		printf("  %s %s %s: %s\n", r->certain ? "requires" : "may require", r->authority, r->reason,
		       cite(rules, n_rules, r->rule));
	}
	for (size_t i = 0; i < d->n_available; i++)
		printf("  available %s: %s\n", d->available[i]->name, cite(rules, n_rules, d->available[i]->rule));
	for (size_t i = 0; i < d->n_missing; i++)
		printf("  missing %s: %s\n", d->missing[i]->name, d->missing[i]->question);
	for (size_t i = 0; i < d->n_warnings; i++)
		printf("  warning: %s\n", d->warnings[i]->text);
}

/* True: it has this reason, which is for programs. */
static bool
show_detail(const Google__Protobuf__Any *any, const char *reason)
{
	bool has = false;
	const char *slash = strrchr(any->type_url, '/'), *name = slash != NULL ? slash + 1 : any->type_url;

	if (strcmp(name, "google.rpc.ErrorInfo") == 0) {
		Google__Rpc__ErrorInfo *info = google__rpc__error_info__unpack(NULL, any->value.len, any->value.data);
		if (info != NULL)
			printf("  reason %s\n", info->reason);
		has = info != NULL && strcmp(info->reason, reason) == 0;
		google__rpc__error_info__free_unpacked(info, NULL);
	} else if (strcmp(name, "google.rpc.BadRequest") == 0) {
		Google__Rpc__BadRequest *bad = google__rpc__bad_request__unpack(NULL, any->value.len, any->value.data);
		for (size_t i = 0; bad != NULL && i < bad->n_field_violations; i++)
			printf("  field %s: %s\n", bad->field_violations[i]->field, bad->field_violations[i]->description);
		google__rpc__bad_request__free_unpacked(bad, NULL);
	}
	return has;
}

static bool
show_status(int code, const char *message, const Google__Rpc__Status *status, const char *reason)
{
	bool has = false;

	printf("  refused %d: %s\n", code, message);
	for (size_t i = 0; status != NULL && i < status->n_details; i++)
		has |= show_detail(status->details[i], reason);
	return has;
}

/* True: the call failed for this reason. */
static bool
show_failure(const struct call_status *status, const char *reason)
{
	Google__Rpc__Status *rich = google__rpc__status__unpack(NULL, status->n_details, status->details);
	bool has = status->code != GRPC_STATUS_OK && show_status((int)status->code, status->message, rich, reason);

	google__rpc__status__free_unpacked(rich, NULL);
	return has;
}

static void
show_results(Pratique__V1__DecideResult **results, size_t n, Pratique__V1__Rule **rules, size_t n_rules)
{
	for (size_t i = 0; i < n; i++) {
		printf("  [%zu]\n", i);
		if (results[i]->result_case == PRATIQUE__V1__DECIDE_RESULT__RESULT_DECIDED)
			show_decision(results[i]->decided->decision, rules, n_rules);
		else
			show_status(results[i]->error->code, results[i]->error->message, results[i]->error, "");
	}
}

/* ---- one transaction ---- */

/* The last answer to Decide; NULL: it was refused. */
static Pratique__V1__DecideResponse *answered;

static void
on_decided(const unsigned char *bytes, size_t len)
{
	answered = pratique__v1__decide_response__unpack(NULL, len, bytes);
}

static bool
says_any(const json_t *told, json_t *answer)
{
	const char *key;
	json_t *value;

	json_object_foreach(answer, key, value) {
		if (json_object_get(told, key) != NULL)
			return true;
	}
	return false;
}

/* What is missing is named. Whoever knows it is asked; here the scenario knows. */
static bool
tell_missing(json_t *told, const json_t *answers, const Pratique__V1__Decision *decision)
{
	json_t *more = json_object();

	for (size_t i = 0; i < decision->n_missing; i++) {
		json_t *answer = json_object_get(answers, decision->missing[i]->name);
		if (answer == NULL || says_any(told, answer))
			continue;
		printf("  told %s\n", decision->missing[i]->name);
		json_object_update(more, answer);
	}
	bool any = json_object_size(more) > 0;
	json_object_update(told, more);
	json_decref(more);
	return any;
}

/* The server is behind. Another one may not be; or older law will do, if whoever asks says so. */
static bool
take_less(json_t *told, json_t *otherwise)
{
	json_t *revision = json_object_get(told, "min_revision");

	if (otherwise == NULL || json_equal(revision, otherwise))
		return false;
	printf("  asked again for revision %lld\n", (long long)json_integer_value(otherwise));
	json_object_set(told, "min_revision", otherwise);
	return true;
}

static bool
decide_once(struct client *client, json_t *told, const json_t *step)
{
	ProtobufCMessage *request = proto_json_read(&pratique__v1__decide_request__descriptor, told);
	struct call_status status;
	bool more = false;

	if (request == NULL)
		exit(1);
	answered = NULL;
	client_call(client, SERVICE "Decide", &request, 1, on_decided, &status);
	if (show_failure(&status, "REVISION_NOT_REACHED"))
		more = take_less(told, json_object_get(step, "else_min_revision"));
	if (answered != NULL) {
		show_decision(answered->decision, answered->rules, answered->n_rules);
		if (json_object_get(told, "min_revision") != NULL)
			printf("  by revision %llu\n", (unsigned long long)answered->revision->sequence);
		more = tell_missing(told, json_object_get(step, "answers"), answered->decision);
	}
	pratique__v1__decide_response__free_unpacked(answered, NULL);
	protobuf_c_message_free_unpacked(request, NULL);
	call_status_free(&status);
	return more;
}

static void
decide(struct client *client, const json_t *step)
{
	json_t *told = json_copy(json_object_get(step, "decide"));

	while (decide_once(client, told, step))
		;
	json_decref(told);
}

/* ---- many ---- */

static void
on_batch(const unsigned char *bytes, size_t len)
{
	Pratique__V1__BatchDecideResponse *answer = pratique__v1__batch_decide_response__unpack(NULL, len, bytes);

	if (answer != NULL)
		show_results(answer->results, answer->n_results, answer->rules, answer->n_rules);
	pratique__v1__batch_decide_response__free_unpacked(answer, NULL);
}

static void
on_frame(const unsigned char *bytes, size_t len)
{
	Pratique__V1__StreamDecideResponse *answer = pratique__v1__stream_decide_response__unpack(NULL, len, bytes);

	printf("  frame\n");
	if (answer != NULL)
		show_results(answer->results, answer->n_results, answer->rules, answer->n_rules);
	pratique__v1__stream_decide_response__free_unpacked(answer, NULL);
}

/* Each member of `frames` is the list of requests of one message. */
static void
decide_many(struct client *client, const char *method, const ProtobufCMessageDescriptor *descriptor,
            const json_t *frames, answer_fn *answer)
{
	size_t n = json_array_size(frames);
	ProtobufCMessage **messages = calloc(n + 1, sizeof(ProtobufCMessage *));
	struct call_status status;

	for (size_t i = 0; messages != NULL && i < n; i++) {
		json_t *message = json_pack("{s:O}", "requests", json_array_get(frames, i));
		messages[i] = proto_json_read(descriptor, message);
		json_decref(message);
		if (messages[i] == NULL)
			exit(1);
	}
	if (messages == NULL)
		exit(1);
	client_call(client, method, messages, n, answer, &status);
	show_failure(&status, "");
	call_status_free(&status);
	for (size_t i = 0; i < n; i++)
		protobuf_c_message_free_unpacked(messages[i], NULL);
	free(messages);
}

static void
ask(struct client *client, const json_t *step)
{
	json_t *batch = json_object_get(step, "batch"), *stream = json_object_get(step, "stream");

	printf("%s\n", json_string_value(json_object_get(step, "name")));
	if (json_object_get(step, "decide") != NULL) {
		decide(client, step);
	} else if (batch != NULL) {
		json_t *frames = json_pack("[O]", batch);
		decide_many(client, SERVICE "BatchDecide", &pratique__v1__batch_decide_request__descriptor, frames, on_batch);
		json_decref(frames);
	} else if (stream != NULL) {
		decide_many(client, SERVICE "StreamDecide", &pratique__v1__stream_decide_request__descriptor, stream, on_frame);
	}
}

int
main(int argc, char **argv)
{
	static const char *const names[] = {"--ca", "--cert", "--key"};
	const char *flags[3] = {NULL, NULL, NULL}, *plain[2] = {NULL, NULL};
	size_t n_plain = 0, i;
	struct client client;
	json_error_t error;
	json_t *step;

	for (int at = 1; at < argc; at++) {
		for (i = 0; i < 3 && strcmp(argv[at], names[i]) != 0; i++)
			;
		if (i < 3 && at + 1 < argc)
			flags[i] = argv[++at];
		else if (n_plain < 2)
			plain[n_plain++] = argv[at];
	}
	if (n_plain < 2) {
		fprintf(stderr, "usage: client TARGET SCENARIO [--ca FILE [--cert FILE --key FILE]]\n");
		return 2;
	}
	json_t *scenario = json_load_file(plain[1], 0, &error);
	if (scenario == NULL) {
		fprintf(stderr, "%s:%d: %s\n", plain[1], error.line, error.text);
		return 1;
	}
	if (!client_open(&client, plain[0], flags[0], flags[1], flags[2]))
		return 1;
	client.seconds = json_number_value(json_object_get(scenario, "deadline_seconds"));
	json_array_foreach(json_object_get(scenario, "steps"), i, step)
		ask(&client, step);
	client_close(&client);
	json_decref(scenario);
	return 0;
}

/* What the replicas of a server run. */
#include "cli/channel.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "server/link.h"

#include "pratique/v1/replication.pb-c.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define METHOD "/pratique.v1.ReplicationService/ListReplicas"
#define DEFAULT_TIMEOUT_MS 30000

typedef Pratique__V1__ListReplicasResponse Response;

/* How it stands to what is in force at the server. */
static const char *
state_of(const Pratique__V1__Replica *replica, uint64_t active)
{
	if (replica->sequence == 0)
		return "empty";
	return replica->sequence == active ? "current" : replica->sequence < active ? "behind" : "ahead";
}

static int
print_json(const Pratique__V1__Replica *replica, uint64_t active)
{
	json_t *object = json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:s, s:s}", "name", replica->name, "sequence",
	                           (json_int_t)replica->sequence, "digest", replica->digest, "state",
	                           state_of(replica, active), "age_s", (json_int_t)replica->age_s, "reported_s",
	                           (json_int_t)replica->reported_s, "version", replica->version, "error", replica->error);
	char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;

	if (text != NULL)
		puts(text);
	else
		pq_cli_say("what a replica says of itself cannot be printed");
	int code = text != NULL ? PQ_EXIT_OK : PQ_EXIT_FAILED;
	free(text);
	json_decref(object);
	return code;
}

/* Columns, but for names that are longer; the error is last, for it may be long. */
static void
print_line(const Pratique__V1__Replica *replica, uint64_t active)
{
	pq_cli_put(stdout, replica->name);
	printf("%*s  %8" PRIu64 "  ", strlen(replica->name) < 24 ? 24 - (int)strlen(replica->name) : 0, "", replica->sequence);
	pq_cli_put_n(stdout, replica->digest, strnlen(replica->digest, 16));
	printf("%*s  %-7s  %6" PRIu32 "  %6" PRIu32 "  ", 16 - (int)strnlen(replica->digest, 16), "",
	       state_of(replica, active), replica->age_s, replica->reported_s);
	pq_cli_put(stdout, replica->version);
	if (replica->error[0] != '\0') {
		fputs("  ", stdout);
		pq_cli_put(stdout, replica->error);
	}
	putchar('\n');
}

static int
print(const Response *response, bool json)
{
	int code = PQ_EXIT_OK;

	if (!json && response->n_replicas == 0)
		puts("no replicas");
	else if (!json)
		printf("%-24s  %8s  %-16s  %-7s  %6s  %6s  %s\n", "NAME", "SEQUENCE", "DIGEST", "STATE", "AGE", "SEEN",
		       "VERSION  ERROR");
	for (size_t i = 0; i < response->n_replicas && code == PQ_EXIT_OK; i++) {
		if (json)
			code = print_json(response->replicas[i], response->sequence);
		else
			print_line(response->replicas[i], response->sequence);
	}
	return code;
}

static enum pq_status
ask(const char *server, const struct pq_channel_access *access, int timeout_ms, ProtobufCMessage **ret_answer,
    struct pq_err *err)
{
	Pratique__V1__ListReplicasRequest request = PRATIQUE__V1__LIST_REPLICAS_REQUEST__INIT;
	struct pq_channel channel;
	struct pq_link *link;
	enum pq_status status = pq_channel_open(&channel, server, access, err);

	if (status != PQ_OK)
		return status;
	status = pq_link_over(channel.channel, server, channel.authorization[0] != '\0' ? channel.authorization : NULL,
	                      &link, err);
	if (status == PQ_OK) {
		status = pq_link_ask(link, METHOD, &request.base, &pratique__v1__list_replicas_response__descriptor,
		                     timeout_ms > 0 ? timeout_ms : DEFAULT_TIMEOUT_MS, NULL, ret_answer, err);
		pq_link_free(link);
	}
	pq_channel_close(&channel);
	return status;
}

int
pq_cmd_replicas(int argc, char **argv)
{
	enum { SERVER, TIMEOUT, JSON };
	static const struct pq_flag table[] = {
		{"server", 0, PQ_FLAG_VALUE}, {"timeout", 0, PQ_FLAG_VALUE}, {"json", 0, PQ_FLAG_PLAIN}, {0}};
	struct pq_flags options = {0};
	ProtobufCMessage *answer;
	const char *server = NULL;
	struct pq_err err = {0};
	int timeout_ms = 0;
	bool json = false;

	for (int option; (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		if (option == SERVER)
			server = options.value;
		else if (option == JSON)
			json = true;
		else if (!pq_flags_timeout(options.value, &timeout_ms))
			return pq_cli_usage(argv[0], "--timeout: \"%.60s\" " PQ_FLAGS_TIMEOUT, options.value);
	}
	if (options.stop)
		return options.code;
	if (server == NULL)
		return pq_cli_usage(argv[0], "say with --server whose replicas are meant");
	if (optind < argc)
		return pq_cli_usage(argv[0], "\"%.60s\" is too much", argv[optind]);
	int code = pq_flags_access(&options, argv[0], server);
	if (code != PQ_EXIT_OK)
		return code;
	grpc_init();
	code = ask(server, &options.access, timeout_ms, &answer, &err) == PQ_OK ? PQ_EXIT_OK : pq_cli_fail(&err);
	if (code == PQ_EXIT_OK) {
		code = print((const Response *)answer, json);
		protobuf_c_message_free_unpacked(answer, NULL);
	}
	grpc_shutdown_blocking();
	return code;
}

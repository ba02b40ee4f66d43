/* The flags about following: some are for servers, some for places, all for replicas. */
#include "server/options.h"

#include "fetch/url.h"
#include "server/follow.h"

#include <stdlib.h>
#include <string.h>

/* A flag that was given, and whether it is for servers, places, or both. */
struct given {
	const char *flag;
	bool given, server, place;
};

static enum pq_status
check_place(const char *from, struct pq_err *err)
{
	struct pq_url *url = malloc(sizeof(*url));
	struct pq_err why = {0};

	if (url == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for a URL");
	enum pq_status status = pq_url_parse(from, false, url, &why);
	free(url);
	if (status == PQ_OK)
		return PQ_OK;
	/* What is wrong with it is said of the flag; the URL itself, where it is named, follows. */
	return pq_fail_at(err, PQ_EINVAL, "--follow", 0, 0, "%s%s%s", why.where, why.where[0] != '\0' ? ": " : "", why.msg);
}

/* How a server is reached: encrypted, or on this machine, or at least without a secret. */
static enum pq_status
check_server(const struct pq_options *options, struct pq_err *err)
{
	const char *follow = options->follow;
	bool local = strncmp(follow, "unix:", 5) == 0;

	if ((options->follow_cert == NULL) != (options->follow_key == NULL))
		return pq_fail_at(err, PQ_EINVAL, options->follow_cert != NULL ? "--follow-cert" : "--follow-key", 0, 0,
		                  "certificate and key go together: --follow-cert and --follow-key");
	if (options->follow_cert != NULL && options->follow_ca == NULL)
		return pq_fail_at(err, PQ_EINVAL, "--follow-cert", 0, 0, "needs --follow-ca, the authorities of the publisher");
	if (options->follow_ca != NULL && local)
		return pq_fail_at(err, PQ_EINVAL, "--follow-ca", 0, 0, "is for TLS, which no Unix socket speaks here");
	if (options->follow_token != NULL && options->follow_ca == NULL && !local && !pq_url_is_loopback(follow))
		return pq_fail_at(err, PQ_EINVAL, "--follow-token", 0, 0,
		                  "the token would go to %.100s for all to read: add --follow-ca", follow);
	return PQ_OK;
}

enum pq_status
pq_options_check_follow(const struct pq_options *options, struct pq_err *err)
{
	bool follows = options->follow != NULL, place = follows && pq_follow_is_place(options->follow);
	const struct given flags[] = {
		{"--replica-name", options->replica_name != NULL, true, true},
		{"--max-staleness", options->max_staleness_s > 0, true, true},
		{"--follow-ca", options->follow_ca != NULL, true, true},
		{"--follow-cert", options->follow_cert != NULL, true, false},
		{"--follow-key", options->follow_key != NULL, true, false},
		{"--follow-token", options->follow_token != NULL, true, false},
		{"--follow-credentials", options->follow_credentials != NULL, false, true},
		{"--poll-interval", options->poll_interval_s != PQ_SERVER_POLL, false, true},
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (!flags[i].given || (follows && (place ? flags[i].place : flags[i].server)))
			continue;
		return pq_fail_at(err, PQ_EINVAL, flags[i].flag, 0, 0, "%s",
		                  !follows ? "is for replicas (--follow)"
		                  : place  ? "is for following a server; what a place asks for stands in --follow-credentials"
		                           : "is for following a place (https://, s3://, oci://, file://)");
	}
	if (!follows)
		return PQ_OK;
	return place ? check_place(options->follow, err) : check_server(options, err);
}

#include "server/admit.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define AUTHORIZATION "authorization"
#define BEARER "Bearer "

/* What a caller shows of itself. */
struct caller {
	unsigned roles;
	bool known;       /* by a verified certificate or a token of the table */
	bool wrong_token; /* one that the table does not have */
	bool unverified;  /* over TLS that asks for certificates, and yet without one: this should not be possible */
};

static unsigned
roles_of_property(const struct pq_access *access, const grpc_auth_context *context, const char *property,
                  enum pq_name_kind kind)
{
	grpc_auth_property_iterator at = grpc_auth_context_find_properties_by_name(context, property);
	const grpc_auth_property *found;
	unsigned roles = PQ_ROLES_NONE;

	while ((found = grpc_auth_property_iterator_next(&at)) != NULL)
		roles |= pq_access_of_name(access, kind, found->value, found->value_length);
	return roles;
}

static void
look_at_certificate(const struct pq_server *server, const struct pq_access *access, grpc_call *call,
                    struct caller *caller)
{
	if (server->tls == NULL || !pq_tls_mutual(server->tls))
		return;
	grpc_auth_context *context = grpc_call_auth_context(call);
	if (context == NULL)
		return; /* a plain connection, over a Unix socket */
	grpc_auth_property_iterator transport =
		grpc_auth_context_find_properties_by_name(context, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
	const grpc_auth_property *type = grpc_auth_property_iterator_next(&transport);
	bool over_tls = type != NULL && strcmp(type->value, GRPC_SSL_TRANSPORT_SECURITY_TYPE) == 0;
	bool authenticated = over_tls && grpc_auth_context_peer_is_authenticated(context) != 0;
	caller->unverified = over_tls && !authenticated;
	if (authenticated) {
		caller->known = true;
		if (access != NULL)
			caller->roles |= roles_of_property(access, context, GRPC_PEER_DNS_PROPERTY_NAME, PQ_NAME_DNS) |
			                 roles_of_property(access, context, GRPC_PEER_URI_PROPERTY_NAME, PQ_NAME_URI) |
			                 roles_of_property(access, context, GRPC_X509_CN_PROPERTY_NAME, PQ_NAME_CN);
	}
	grpc_auth_context_release(context);
}

static void
look_at_token(const struct pq_access *access, const grpc_metadata_array *metadata, struct caller *caller)
{
	const size_t prefix = strlen(BEARER);

	for (size_t i = 0; i < metadata->count; i++) {
		const grpc_metadata *entry = &metadata->metadata[i];
		if (grpc_slice_str_cmp(entry->key, AUTHORIZATION) != 0)
			continue;
		const char *value = (const char *)GRPC_SLICE_START_PTR(entry->value);
		size_t len = GRPC_SLICE_LENGTH(entry->value);
		unsigned roles = PQ_ROLES_NONE;
		if (len > prefix && strncasecmp(value, BEARER, prefix) == 0)
			roles = pq_access_of_token(access, value + prefix, len - prefix);
		if (roles == PQ_ROLES_NONE)
			caller->wrong_token = true;
		else
			caller->known = true;
		caller->roles |= roles;
	}
}

static void
refuse(struct pq_worker *worker, enum pq_rpc_index index, const struct caller *caller, struct pq_reply *ret)
{
	char needed[PQ_ROLES_TEXT];

	pq_roles_format(pq_rpcs[index].roles, needed, sizeof(needed));
	if (caller->unverified)
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_UNAUTHENTICATED, PQ_REASON_UNAUTHENTICATED, NULL, 0,
		                "a client certificate is needed");
	else if (caller->wrong_token)
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_UNAUTHENTICATED, PQ_REASON_UNAUTHENTICATED, NULL, 0,
		                "the token in the metadata \"" AUTHORIZATION "\" is not known here");
	else if (!caller->known)
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_UNAUTHENTICATED, PQ_REASON_UNAUTHENTICATED, NULL, 0,
		                "this needs the role %s, and the caller shows neither a certificate nor a token", needed);
	else
		pq_reply_refuse(ret, &worker->arena, GRPC_STATUS_PERMISSION_DENIED, PQ_REASON_ROLE_MISSING, NULL, 0,
		                "this needs the role %s, which the caller does not have", needed);
	pq_arena_reset(&worker->arena);
}

bool
pq_admit_look(struct pq_worker *worker, enum pq_rpc_index index, grpc_call *call, const grpc_metadata_array *metadata,
              struct pq_reply *ret)
{
	struct pq_server *server = worker->server;
	unsigned needed = pq_rpcs[index].roles;
	struct caller caller = {0};

	if (needed == PQ_ROLES_EVERYBODY)
		return true;
	const struct pq_access *access = pq_access_adopt(&server->access, &worker->access);
	look_at_certificate(server, access, call, &caller);
	if (access == NULL && !caller.unverified)
		return true; /* without roles, whoever is let to the listener may ask */
	if (access != NULL) {
		caller.roles |= pq_access_of_everybody(access);
		if (pq_access_has_tokens(access))
			look_at_token(access, metadata, &caller);
	}
	/* A token that is wrong is refused, whatever else the caller has: it was meant to say who it is. */
	if ((caller.roles & needed) != 0 && !caller.wrong_token && !caller.unverified)
		return true;
	refuse(worker, index, &caller, ret);
	return false;
}

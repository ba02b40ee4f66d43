#include "server/listen.h"

#include "server/server.h"

#include <grpc/grpc_security.h>
#include <unistd.h>

static enum pq_status
listen_plain(struct pq_server *server, struct pq_address *address, bool admin, struct pq_err *err)
{
	struct pq_acceptor *acceptor = &server->acceptor;
	enum pq_status status = pq_address_clear(address, err);

	if (status == PQ_OK)
		status = pq_address_listen(address, &acceptor->fds[acceptor->n_fds], err);
	if (status == PQ_OK)
		acceptor->admin[acceptor->n_fds++] = admin;
	return status;
}

static enum pq_status
add_port(struct pq_server *server, struct pq_worker *worker, const struct pq_address *address, struct pq_err *err)
{
	grpc_server_credentials *credentials = pq_tls_credentials(server->tls);

	if (credentials == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for %s", address->target);
	int port = grpc_server_add_http2_port(worker->grpc, address->target, credentials);
	grpc_server_credentials_release(credentials);
	if (port == 0)
		return pq_fail_at(err, PQ_EIO, address->target, 0, 0, "cannot be listened on");
	return PQ_OK;
}

static enum pq_status
listen_encrypted(struct pq_server *server, struct pq_address *address, bool admin, struct pq_err *err)
{
	size_t first = admin ? server->n_shards : 0, end = admin ? server->n_workers : server->n_shards;
	int fd;

	/* Ports that are shared can be taken by any process of this user. So the port is taken alone first: that fails where
	 * another has it, and finds one where any will do. */
	enum pq_status status = pq_address_listen(address, &fd, err);
	if (status != PQ_OK)
		return status;
	close(fd);
	for (size_t i = first; i < end && status == PQ_OK; i++)
		status = add_port(server, &server->workers[i], address, err);
	return status;
}

static enum pq_status
listen_on(struct pq_server *server, const struct pq_address *from, size_t n, bool admin, struct pq_err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct pq_address *address = &server->addresses[server->n_addresses];
		bool encrypted = server->tls != NULL && from[i].path[0] == '\0';
		*address = from[i];
		enum pq_status status =
			encrypted ? listen_encrypted(server, address, admin, err) : listen_plain(server, address, admin, err);
		if (status != PQ_OK)
			return status;
		server->n_addresses++;
	}
	return PQ_OK;
}

enum pq_status
pq_listen(struct pq_server *server, struct pq_err *err)
{
	const struct pq_options *options = server->options;
	enum pq_status status = listen_on(server, options->listen, options->n_listen, false, err);

	if (status == PQ_OK)
		status = listen_on(server, options->admin_listen, options->n_admin_listen, true, err);
	return status;
}

#include "server/metrics_http.h"

#include "server/log.h"
#include "server/server.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT "text/plain; charset=utf-8"
#define METRICS "text/plain; version=0.0.4; charset=utf-8"

/* Scrapes come every few seconds, from one or two places. */
#define CONNECTIONS 16
#define TIMEOUT_S 10
#define CONNECTION_BYTES ((size_t)16 << 10)

static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned code, const char *type, char *body, size_t len,
       enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(len, body, mode);
	enum MHD_Result result;

	if (response == NULL) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
answer_text(struct MHD_Connection *connection, unsigned code, const char *text)
{
	return answer(connection, code, TEXT, (char *)text, strlen(text), MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result
answer_metrics(struct MHD_Connection *connection, struct pq_server *server)
{
	char *body = NULL;
	size_t len;
	FILE *out = open_memstream(&body, &len);

	if (out == NULL)
		return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
	pq_metrics_write(server, out);
	if (fclose(out) != 0) {
		free(body);
		return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
	}
	return answer(connection, MHD_HTTP_OK, METRICS, body, len, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result
on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
           const char *upload, size_t *upload_len, void **state)
{
	static char seen;
	struct pq_server *server = context;

	(void)version;
	(void)upload;
	/* Called first with the head alone; an answer then would cut off what a client still sends. */
	if (*state == NULL) {
		*state = &seen;
		return MHD_YES;
	}
	if (*upload_len > 0) {
		*upload_len = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(connection, server);
	if (strcmp(url, "/livez") == 0)
		return answer_text(connection, MHD_HTTP_OK, "alive\n");
	if (strcmp(url, "/readyz") != 0)
		return answer_text(connection, MHD_HTTP_NOT_FOUND, "there are /metrics, /livez and /readyz\n");
	if (pq_server_is_ready(server))
		return answer_text(connection, MHD_HTTP_OK, "serving\n");
	return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "not serving\n");
}

enum pq_status
pq_metrics_http_start(struct pq_server *server, struct pq_err *err)
{
	int fd;

	if (server->options->n_metrics_listen == 0)
		return PQ_OK;
	server->metrics_address = server->options->metrics_listen;
	enum pq_status status = pq_address_clear(&server->metrics_address, err);
	if (status == PQ_OK)
		status = pq_address_listen(&server->metrics_address, &fd, err);
	if (status != PQ_OK)
		return status;
	server->http =
		MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, fd,
	                     MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S,
	                     MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_END);
	if (server->http != NULL)
		return PQ_OK;
	close(fd);
	return pq_fail(err, PQ_ENOMEM, "no thread for the metrics");
}

void
pq_metrics_http_stop(struct pq_server *server)
{
	if (server->http != NULL)
		MHD_stop_daemon(server->http);
	server->http = NULL;
	pq_address_unlink(&server->metrics_address);
}

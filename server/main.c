#include "server/server.h"

#include "server/log.h"
#include "server/notify.h"
#include "server/settle.h"
#include "server/tidy.h"

#include <errno.h>
#include <grpc/support/log.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Seconds between two looks at the files of certificates, roles and tokens. */
#define REFRESH_SECONDS 1
#define GRPC_LINES_A_SECOND 10

/* Exit codes; the help text explains them. */
enum {
	EXIT_ENDED = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_STORE = 3,
	EXIT_LISTEN = 4,
	EXIT_SECOND_SIGNAL = 5,
	EXIT_ACCESS = 6
};

/* For the handler of the second signal alone; set before that handler is installed. */
static const struct pq_server *running;

static void
on_second_signal(int number)
{
	(void)number;
	pq_server_unlink(running);
	_exit(EXIT_SECOND_SIGNAL);
}

/*
 * What gRPC says of a call may quote its metadata, which are the caller's, so only the place is told. Of handshakes and
 * ports the text is told, too. Callers can make it say something with each call: a few lines a second will do.
 */
static void
log_grpc(gpr_log_func_args *args)
{
	static const char *const plain[] = {"ssl_transport_security.cc", "security_handshaker.cc", "chttp2_server.cc"};
	static _Atomic(int64_t) second;
	static _Atomic(int) lines;
	const char *file = strrchr(args->file, '/') != NULL ? strrchr(args->file, '/') + 1 : args->file;
	bool quotes = true;
	struct timespec now;
	char place[96];

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (atomic_exchange(&second, (int64_t)now.tv_sec) != (int64_t)now.tv_sec)
		atomic_store(&lines, 0);
	if (args->severity < GPR_LOG_SEVERITY_ERROR || atomic_fetch_add(&lines, 1) >= GRPC_LINES_A_SECOND)
		return;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		quotes = quotes && strcmp(file, plain[i]) != 0;
	snprintf(place, sizeof(place), "%s:%d", file, args->line);
	PQ_LOG(PQ_LOG_WARN, "grpc", PQ_LOG_TEXT("source", place), PQ_LOG_TEXT("message", quotes ? "" : args->message));
}

static int
complain(const char *event, const struct pq_err *err, int code)
{
	char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX];

	pq_err_format(err, text, sizeof(text));
	PQ_LOG(PQ_LOG_ERROR, event, PQ_LOG_TEXT("error", text));
	return code;
}

/* A failure here is no reason to end: the server listens. */
static void
tell_ready(const struct pq_server *server, int fd)
{
	const char *targets[2 * PQ_SERVER_LISTEN_MAX + 1];
	size_t n = 0;

	for (; n < server->n_addresses; n++)
		targets[n] = server->addresses[n].target;
	if (server->http != NULL)
		targets[n++] = server->metrics_address.target;
	for (size_t i = 0; i < n; i++)
		PQ_LOG(PQ_LOG_INFO, "listening", PQ_LOG_TEXT("address", targets[i]));
	if (fd < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (dprintf(fd, "%s\n", targets[i]) < 0) {
			PQ_LOG(PQ_LOG_WARN, "ready_fd", PQ_LOG_TEXT("error", strerror(errno)));
			break;
		}
	}
	close(fd);
}

/* The revision to begin with; NULL: a directory in which none is active yet. */
static enum pq_status
open_law(const struct pq_options *options, struct pq_keeper **ret_keeper, struct pq_revision **ret_revision,
         struct pq_err *err)
{
	if (options->data != NULL)
		return pq_keeper_open(options, ret_keeper, ret_revision, err);
	enum pq_status status = pq_revision_open_known(options->store, options->verified_cache, ret_revision, err);
	if (status == PQ_OK)
		PQ_LOG(PQ_LOG_INFO, "revision", PQ_LOG_TEXT("store", options->store),
		       PQ_LOG_TEXT("digest", pq_revision_digest(*ret_revision)),
		       PQ_LOG_NUMBER("bytes", pq_revision_size(*ret_revision)),
		       PQ_LOG_TEXT("verified", pq_revision_verified(*ret_revision)));
	return status;
}

static int
code_of_start(enum pq_status status)
{
	return status == PQ_EIO ? EXIT_LISTEN : status == PQ_EINVAL ? EXIT_ACCESS : EXIT_FAILED;
}

/*
 * Until a signal asks to end: files that changed are looked for, at once when SIGHUP says that they did, and memory is
 * given back.
 */
static int
wait_for_end(struct pq_server *server, const sigset_t *awaited, struct pq_tidy *tidy)
{
	const struct timespec tick = {REFRESH_SECONDS, 0};

	for (;;) {
		int number = sigtimedwait(awaited, NULL, &tick);
		if (number > 0 && number != SIGHUP)
			return number;
		pq_server_refresh(server);
		pq_tidy_look(tidy);
		if (number == SIGHUP)
			PQ_LOG(PQ_LOG_INFO, "refreshed", PQ_LOG_NUMBER("signal", number));
	}
}

static int
serve(const struct pq_options *options, const sigset_t *ending)
{
	struct pq_revision *revision;
	struct pq_keeper *keeper = NULL;
	struct pq_server *server;
	struct pq_err err = {0};
	struct pq_tidy tidy = {0};
	sigset_t awaited = *ending;

	if (open_law(options, &keeper, &revision, &err) != PQ_OK)
		return complain("store_failed", &err, EXIT_STORE);
	enum pq_status status = pq_server_start(options, revision, keeper, &server, &err);
	if (status != PQ_OK)
		pq_keeper_free(keeper);
	if (status != PQ_OK)
		return complain("start_failed", &err, code_of_start(status));
	pq_tidy_look(&tidy); /* what is needed before anybody asks: a rush may be the first to come */
	tell_ready(server, options->ready_fd);
	PQ_LOG(PQ_LOG_INFO, "ready", PQ_LOG_NUMBER("shards", server->n_workers));
	pq_settle_memory();
	pq_notify(getenv("NOTIFY_SOCKET"), "READY=1");

	sigaddset(&awaited, SIGHUP);
	int number = wait_for_end(server, &awaited, &tidy);
	PQ_LOG(PQ_LOG_INFO, "ending", PQ_LOG_NUMBER("signal", number));
	pq_notify(getenv("NOTIFY_SOCKET"), "STOPPING=1");
	running = server;
	struct sigaction action = {.sa_handler = on_second_signal};
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	pthread_sigmask(SIG_UNBLOCK, ending, NULL);
	int64_t took = pq_server_end(server);
	pq_keeper_free(keeper);
	PQ_LOG(PQ_LOG_INFO, "ended", PQ_LOG_NUMBER("milliseconds", took));
	return EXIT_ENDED;
}

/*
 * With epoll all queues of the process share one set of descriptors, so that one shard's thread wakes for another's
 * connections and hands them on. With poll each shard looks at its own, which costs the more the more there are.
 */
static void
choose_polling(const struct pq_options *options)
{
	if (options->shards > 1)
		setenv("GRPC_POLL_STRATEGY", "poll", 0);
}

int
main(int argc, char **argv)
{
	struct pq_options options;
	struct pq_err err = {0};
	sigset_t ending;

	if (pq_options_parse(argc, argv, getenv, &options, &err) != PQ_OK) {
		char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX];
		pq_err_format(&err, text, sizeof(text));
		fprintf(stderr, "pratiqued: %s\n", text);
		return EXIT_USAGE;
	}
	if (options.list_flags) {
		pq_options_list(stdout);
		return fflush(stdout) == 0 ? EXIT_ENDED : EXIT_FAILED;
	}
	if (options.help || options.version) {
		fputs(options.help ? pq_options_help : "pratiqued " PQ_VERSION "\n", stdout);
		return fflush(stdout) == 0 ? EXIT_ENDED : EXIT_FAILED;
	}
	pq_log_set_level(options.log_level);
	choose_polling(&options);
	gpr_set_log_function(log_grpc);

	/* Before the first thread, which inherits it: signals are for the main thread, and a broken pipe is no reason to die. */
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ending, NULL);
	sigset_t hangup;
	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &hangup, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* A file that may not grow is refused like a full disk. */
	signal(SIGXFSZ, SIG_IGN);
	return serve(&options, &ending);
}

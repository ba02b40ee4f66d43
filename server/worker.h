/**
 * A worker, or shard: a thread with a gRPC server and a completion queue of its own, that takes calls, has them handled,
 * and sends the answers. A connection belongs to one worker as long as it lives.
 *
 * Everything of a worker but `server` and `finished` belongs to its own thread, so nothing of it is locked. A tag on the
 * queue is a `struct pq_tag`, which says itself what to do.
 */
#ifndef PQ_SERVER_WORKER_H
#define PQ_SERVER_WORKER_H

#include "server/backdesk.h"
#include "server/merge.h"
#include "server/metrics.h"
#include "server/rpc.h"
#include "server/term.h"

#include <pthread.h>

struct pq_server;
struct pq_frames;
struct pq_large;
struct pq_stream;
struct pq_supply;
struct pq_unary;
struct pq_upload;

/** Calls with work to do, in order. Start with pq_jobs_init(). */
struct pq_jobs {
	struct pq_frames *first, **end;
	size_t n;
};

/** A unary call whose handler did not finish. */
struct pq_later {
	struct pq_large *large; /* what is done of it; NULL: it waits for the revision */
	uint64_t behind;        /* of this sequence; 0 = it does not */
	gpr_timespec deadline;  /* of the monotonic clock */
	struct pq_bytes bytes; /* of the message, and what keeps them if not the message itself */
	grpc_slice copy;
	gpr_timespec began;
};

struct pq_tag {
	void (*on)(struct pq_tag *tag, bool ok);
};

struct pq_worker {
	struct pq_server *server;
	grpc_server *grpc;
	unsigned places;             /* a set of 1 << enum pq_rpc_place: which methods it answers */
	void *methods[PQ_RPC_COUNT]; /* as gRPC knows them; NULL = it does not answer this one */
	grpc_completion_queue *queue;
	pthread_t thread;
	struct pq_arena arena; /* scratch of the handler that runs */
	struct pq_term *term;        /* the newest; NULL = none yet. By server/stand.h */
	struct pq_access_view access;
	struct pq_unary *unaries; /* of all methods, and of those that do not exist */
	size_t n_unaries;
	struct pq_stream *streams; /* open or posted; a list */
	size_t n_streams;
	struct pq_upload *uploads;  /* open or posted; a list */
	struct pq_supply *supplies; /* open or posted; a list */
	struct pq_frames *frames;    /* calls of batches and frames, open or posted; a list */
	struct pq_jobs jobs;         /* those of them that are under work, PQ_SERVER_JOBS at most: the first goes next */
	struct pq_jobs waiting;      /* those that wait to be */
	struct pq_jobs behind;       /* those that wait for a revision, PQ_SERVER_BEHIND at most */
	struct pq_large *large;      /* what a handler has begun and not finished */
	uint64_t asked_sequence;     /* that a handler's call has to wait for; 0 = none */
	struct pq_large *spare;      /* for the next of these; a list */
	size_t n_spare;
	size_t frame_bytes;          /* that they hold */
	uint64_t state;              /* of the server, as the streams were told */
	bool ending;                 /* this worker has seen that the server ends */
	bool down;                   /* its queue is shut down: no batch may be started any more */
	struct pq_tag on_down;
	struct pq_merge merge;
	struct pq_job *_Atomic finished; /* jobs that came back; the last one first */
	size_t n_waiting; /* jobs that are away, calls and watches that wait for what other threads do */
	unsigned events;  /* since nothing was there to do */
	unsigned unsent;  /* of them, since the answers were last sent */
	unsigned unworked; /* of them, since the last slice of a batch */
	struct pq_rpc_counts counts[PQ_RPC_COUNT];
	_Atomic(uint64_t) outcomes[PQ_OUTCOME_COUNT]; /* of decisions */
	_Atomic(uint64_t) unimplemented;              /* calls of methods that do not exist */
	const grpc_metadata_array *asked;             /* of the call that is handled, for the log; NULL = none */
};

/**
 * Prepare a worker, its queue and its gRPC server, for the methods of `places` (1 << enum pq_rpc_place, or-ed) and those
 * that are answered everywhere. False: no memory, nothing to release.
 */
bool pq_worker_init(struct pq_worker *worker, struct pq_server *server, unsigned places);

/** Does the worker answer this method? */
bool pq_worker_answers(const struct pq_worker *worker, enum pq_rpc_index index);

/** Start the gRPC server, and the thread, which posts its calls. False: no thread. */
bool pq_worker_start(struct pq_worker *worker);

/**
 * Begin to end a worker that has a thread: once its gRPC server is down, the thread shuts its queue down. It must be the
 * thread itself, for a call that is gone for gRPC may still be in its handler, and a batch on a queue that is shut down
 * aborts the program.
 */
void pq_worker_end(struct pq_worker *worker);

/** After pq_worker_end(): returns when the thread has ended. */
void pq_worker_join(struct pq_worker *worker);

/** After pq_worker_join(), or without a start. */
void pq_worker_release(struct pq_worker *worker);

/* ---- for the files of this layer ------------------------------------------------------------------------------- */

/**
 * The bytes of a message in one piece, until both `in` and *ret_copy are gone. False: it is compressed, which this server
 * does not take, for a small message may unpack to gigabytes.
 */
bool pq_worker_bytes(grpc_byte_buffer *in, struct pq_bytes *ret, grpc_slice *ret_copy);

/**
 * The same within the method's bounds. False: *ret is the refusal. *ret_copy is to be unreferenced in either case; what
 * was taken of worker->arena the caller gives back.
 */
bool pq_worker_read(struct pq_worker *worker, enum pq_rpc_index index, grpc_byte_buffer *in, struct pq_bytes *ret_bytes,
                    grpc_slice *ret_copy, struct pq_reply *ret);

/** Count a message that was answered or refused, and log it. `began` is when it was begun, of the monotonic clock. */
void pq_worker_count(struct pq_worker *worker, enum pq_rpc_index index, const struct pq_reply *reply, size_t bytes,
                     gpr_timespec began);

/** Count a call that begins. */
void pq_worker_began(struct pq_worker *worker, enum pq_rpc_index index);

/**
 * Count the end of a call that is no single message: a stream or a batch, from `began` on. Those of single messages are
 * counted by pq_worker_count().
 */
void pq_worker_ended(struct pq_worker *worker, enum pq_rpc_index index, grpc_status_code code, gpr_timespec began);

/** Count a call that was not let in, and log it. */
void pq_worker_count_refused(struct pq_worker *worker, enum pq_rpc_index index, const struct pq_reply *reply);

/**
 * Have a message handled; arena, bounds, deadline, counts and log included. False, of unary methods alone: it is not
 * finished, and *ret_later, with `in`, is for pq_frames_adopt().
 */
bool pq_worker_handle(struct pq_worker *worker, enum pq_rpc_index index, grpc_byte_buffer *in, gpr_timespec deadline,
                      int *state, struct pq_reply *ret, struct pq_later *ret_later);

/** Leave the arena empty, and give back what is more than a worker keeps. */
void pq_worker_reset_arena(struct pq_worker *worker);

/**
 * The worker sees that the server ends: posted calls come back undone, at once and in each worker. It tells its streams,
 * the first time.
 */
void pq_worker_see_end(struct pq_worker *worker);

/** Hand a job back to its worker. Any thread; not after the worker has been joined. */
void pq_worker_give_back(struct pq_job *job);

/** Post the first calls; later ones post themselves again. */
void pq_unary_post_all(struct pq_worker *worker);
bool pq_unary_init_all(struct pq_worker *worker);
void pq_unary_release_all(struct pq_worker *worker);

/** Post a call of a stream method. */
void pq_stream_post(struct pq_worker *worker, enum pq_rpc_index index);
/** Tell all open streams that the server's state changed. */
void pq_stream_change_all(struct pq_worker *worker);
/** Free what was only posted. */
void pq_stream_release_all(struct pq_worker *worker);

/** Post a call of a method with batches or frames. */
void pq_frames_post(struct pq_worker *worker, enum pq_rpc_index index);
/** See which of the calls that wait for a revision need not any more. */
void pq_frames_look(struct pq_worker *worker);
/** Go on with a unary call in slices, or when its revision has come. Takes over the call, its message, its metadata (another array is left) and `later`. */
void pq_frames_adopt(struct pq_worker *worker, enum pq_rpc_index index, grpc_call *call, grpc_byte_buffer *in,
                     grpc_metadata_array *metadata, const struct pq_later *later);
/** Do a slice of the first call's work; there must be one among worker->jobs. */
void pq_frames_work(struct pq_worker *worker);
/** The server ends: read no more frames. */
void pq_frames_end_all(struct pq_worker *worker);
/** Free what was only posted. */
void pq_frames_release_all(struct pq_worker *worker);

void pq_jobs_init(struct pq_jobs *jobs);

/** Post a call of the method that publishes, and of the one that sends snapshots. Free what was only posted. */
void pq_upload_post(struct pq_worker *worker);
void pq_upload_release_all(struct pq_worker *worker);
void pq_supply_post(struct pq_worker *worker);
void pq_supply_release_all(struct pq_worker *worker);

#endif

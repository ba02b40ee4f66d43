/**
 * A connection to another server, for methods that are not hot: one message out, or many; one back, or many.
 *
 * A connection that is made here is not encrypted, and no proxy is asked.
 *
 * Threads: a link and its calls belong to one thread at a time.
 * Fails:   err names the address in `where` and has the server's words in `msg`.
 *              PQ_EINVAL     INVALID_ARGUMENT, or the address is none
 *              PQ_ENOTFOUND  NOT_FOUND
 *              PQ_ELIMIT     RESOURCE_EXHAUSTED
 *              PQ_EIO        UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED
 *              PQ_ECORRUPT   DATA_LOSS
 *              PQ_EFORMAT    UNIMPLEMENTED: what answers does not speak this API; an answer that cannot be read
 *              PQ_EFAILED    any other refusal
 *              PQ_ENOMEM
 */
#ifndef PQ_SERVER_LINK_H
#define PQ_SERVER_LINK_H

#include "policy/status.h"

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>
#include <stdatomic.h>
#include <stdbool.h>

struct pq_link;
struct pq_link_call;
struct pq_link_access;

/**
 * Prepare a connection; nothing is sent yet.
 *
 * `access` (server/link_access.h) may be NULL: a plain connection. It must outlive the link, which remembers its files.
 * Ownership: *ret_link is the caller's. `address` is copied. Fails: as pq_link_access_read().
 */
PQ_MUST_USE enum pq_status pq_link_new(const char *address, const struct pq_link_access *access,
                                       struct pq_link **ret_link, struct pq_err *err);

/** Have the files of its access changed since they were read, or since this last said so? */
bool pq_link_is_outdated(struct pq_link *link);

/**
 * The same over a channel of the caller's. `authorization`, the value of that metadata, is shown with each call; NULL: none.
 * Ownership: channel and authorization are borrowed until pq_link_free().
 */
PQ_MUST_USE enum pq_status pq_link_over(grpc_channel *channel, const char *address, const char *authorization,
                                        struct pq_link **ret_link, struct pq_err *err);
/** After its calls have been freed. Accepts NULL. */
void pq_link_free(struct pq_link *link);

/**
 * Begin a call of `method` ("/package.Service/Method").
 *
 * `timeout_ms` is for the whole call; 0: none. `stop`, which may be NULL, makes every wait end soon once it is true.
 * Ownership: *ret_call is the caller's. `method` must live as long as the call.
 */
PQ_MUST_USE enum pq_status pq_link_begin(struct pq_link *link, const char *method, int timeout_ms,
                                         const _Atomic(bool) *stop, struct pq_link_call **ret_call, struct pq_err *err);
/** Cancels what is not finished. Accepts NULL. */
void pq_link_call_free(struct pq_link_call *call);

/** Send a message, and wait until the next may be sent; `last`: none will be. */
PQ_MUST_USE enum pq_status pq_link_send(struct pq_link_call *call, const ProtobufCMessage *message, bool last,
                                        struct pq_err *err);

/** Has the server ended the call already, as far as has been heard? What is sent then is lost; receiving tells why. */
bool pq_link_call_over(const struct pq_link_call *call);

/**
 * Wait for the next message.
 *
 * `wait_ms`: no longer than this; 0: as long as the call may take.
 * Out:   *ret_message, the caller's, to be freed by protobuf_c_message_free_unpacked(); NULL: the call ended well.
 * Fails: PQ_EIO too where the time has passed or `stop` is true.
 */
PQ_MUST_USE enum pq_status pq_link_receive(struct pq_link_call *call, const ProtobufCMessageDescriptor *descriptor,
                                           int wait_ms, ProtobufCMessage **ret_message, struct pq_err *err);

/** A message, and the answer to it. */
PQ_MUST_USE enum pq_status pq_link_ask(struct pq_link *link, const char *method, const ProtobufCMessage *request,
                                       const ProtobufCMessageDescriptor *descriptor, int timeout_ms,
                                       const _Atomic(bool) *stop, ProtobufCMessage **ret_message, struct pq_err *err);

#endif

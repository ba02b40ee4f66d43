/**
 * Status codes and the error object of every fallible function in Pratique.
 *
 * Convention: a fallible function returns `enum pq_status` and takes `struct pq_err *err` last. On failure it fills
 * *err and leaves its ret_* parameters untouched; on success it leaves *err untouched. `err` may be NULL where the
 * caller does not want the text. Failing never allocates.
 */
#ifndef PQ_POLICY_STATUS_H
#define PQ_POLICY_STATUS_H

#include <stdarg.h>
#include <stddef.h>

/* One table feeds the enum and the names. */
#define PQ_STATUS_MAP(X)                                                  \
	X(OK, "ok")                                                           \
	X(EINVAL, "invalid argument")            /* the caller's input */     \
	X(ENOMEM, "out of memory")               /* or an arena's bound */    \
	X(EIO, "input/output error")             /* the system refused */     \
	X(ENOTFOUND, "not found")                                             \
	X(EPARSE, "cannot be parsed")            /* packs, JSON, CSV */       \
	X(EFORMAT, "unknown format or version")  /* a store of another time */\
	X(ECORRUPT, "corrupt")                   /* a digest does not match */\
	X(ELIMIT, "limit exceeded")              /* a named bound */          \
	X(EFAILED, "failed")                     /* cases failed, checks */

enum pq_status {
#define X(name, text) PQ_##name,
	PQ_STATUS_MAP(X)
#undef X
};

#define PQ_MUST_USE __attribute__((warn_unused_result))

/** Longest message an error carries, in bytes with the final NUL; longer ones are cut. */
#define PQ_ERR_MSG_MAX 512
/** Longest file or field name an error carries. */
#define PQ_ERR_WHERE_MAX 256

struct pq_err {
	enum pq_status status;
	int line;                     /* 1-based; 0 = not about a line */
	int column;                   /* 1-based; 0 = not known */
	char where[PQ_ERR_WHERE_MAX]; /* file, field or flag that is wrong; "" = none */
	char msg[PQ_ERR_MSG_MAX];
};

/** The short text of a status, never NULL. */
const char *pq_status_text(enum pq_status status);

/** Fill *err (when not NULL) and return `status`, so that a caller can write `return pq_fail(err, PQ_EINVAL, ...)`. */
enum pq_status pq_fail(struct pq_err *err, enum pq_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** As pq_fail, naming the file or field and the place in it (0 where unknown). */
enum pq_status pq_fail_at(struct pq_err *err, enum pq_status status, const char *where, int line, int column,
                          const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/** Write "where:line:column: msg" (without the parts that are unknown) into buf, always terminated. */
void pq_err_format(const struct pq_err *err, char *buf, size_t size);

#endif

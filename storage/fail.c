#include "storage/fail.h"

#include <errno.h>
#include <lmdb.h>
#include <string.h>

enum pq_status
pq_fail_errno(struct pq_err *err, int number, const char *path, const char *what)
{
	enum pq_status status = number == ENOENT ? PQ_ENOTFOUND : number == ENOMEM ? PQ_ENOMEM : PQ_EIO;

	return pq_fail_at(err, status, path, 0, 0, "%s: %s", what, strerror(number));
}

static enum pq_status
status_of_lmdb(int code)
{
	switch (code) {
	case MDB_NOTFOUND:
		return PQ_ENOTFOUND;
	case MDB_KEYEXIST:
		return PQ_EINVAL;
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
		return PQ_EFORMAT;
	case MDB_INVALID:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
		return PQ_ECORRUPT;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case MDB_CURSOR_FULL:
	case MDB_PAGE_FULL:
	case MDB_BAD_VALSIZE:
		return PQ_ELIMIT;
	default:
		return PQ_EIO;
	}
}

enum pq_status
pq_fail_lmdb(struct pq_err *err, int code, const char *path, const char *what)
{
	if (code > 0)
		return pq_fail_errno(err, code, path, what);
	return pq_fail_at(err, status_of_lmdb(code), path, 0, 0, "%s: %s", what, mdb_strerror(code));
}

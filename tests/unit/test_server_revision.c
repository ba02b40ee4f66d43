/*
 * Revisions under workers: what is adopted, and when it goes.
 *
 * ctest: labels=tsan
 */
#include "server/revision.h"
#include "tests/support/tiny_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/pratique-test-XXXXXX";
static char store[64];

static int
setup(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(store, sizeof(store), "%s/tiny.mdb", folder);
	tiny_store_seal(store);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(store);
	return rmdir(folder);
}

static struct pq_revision *
open_store(void)
{
	struct pq_revision *revision;
	struct pq_err err = {0};

	if (pq_revision_open(store, &revision, &err) != PQ_OK) {
		fprintf(stderr, "%s: %s\n", err.where, err.msg);
		abort();
	}
	return revision;
}

static void
test_open(void **state)
{
	struct pq_revision *revision = open_store();
	struct pq_err err = {0};

	(void)state;
	assert_int_equal(strlen(pq_revision_digest(revision)), 64);
	assert_true(pq_revision_size(revision) > 1000);
	assert_non_null(pq_revision_image(revision));
	pq_revision_release(revision);
	pq_revision_release(NULL);
	assert_int_equal(pq_revision_open("/no/such/store", &revision, &err), PQ_ENOTFOUND);
}

static void
test_adopt(void **state)
{
	struct pq_revision_publisher publisher;
	struct pq_revision_view view = {0};
	struct pq_revision *first = open_store(), *second = open_store();
	struct pq_evaluator *evaluator, *again;
	struct pq_err err = {0};

	(void)state;
	pq_revision_publisher_init(&publisher);
	pq_revision_publish(&publisher, first);
	assert_ptr_equal(pq_revision_adopt(&publisher, &view), first);
	assert_ptr_equal(pq_revision_adopt(&publisher, &view), first);
	assert_int_equal(pq_revision_evaluator(&view, &evaluator, &err), PQ_OK);
	assert_int_equal(pq_revision_evaluator(&view, &again, &err), PQ_OK);
	assert_ptr_equal(again, evaluator);
	pq_revision_publish(&publisher, second);
	/* The view keeps the first alive until it looks again. */
	assert_int_equal(strlen(pq_revision_digest(first)), 64);
	assert_ptr_equal(pq_revision_adopt(&publisher, &view), second);
	/* That of the first went with it. */
	assert_null(view.evaluator);
	assert_int_equal(pq_revision_evaluator(&view, &evaluator, &err), PQ_OK);
	pq_revision_publisher_release(&publisher);
	assert_int_equal(strlen(pq_revision_digest(second)), 64);
	pq_revision_view_release(&view);
}

struct reader {
	pthread_t thread;
	struct pq_revision_publisher *publisher;
	_Atomic(bool) *stop;
	size_t adopted;
};

static void *
read_on(void *context)
{
	struct reader *reader = context;
	struct pq_revision_view view = {0};
	const struct pq_revision *last = NULL;

	while (!atomic_load(reader->stop)) {
		const struct pq_revision *revision = pq_revision_adopt(reader->publisher, &view);
		/* Touch it: a revision that is gone would be seen by the sanitizers. */
		if (pq_revision_digest(revision)[63] == '\0' || pq_revision_size(revision) == 0)
			abort();
		struct pq_evaluator *evaluator;
		if (pq_revision_evaluator(&view, &evaluator, NULL) != PQ_OK)
			abort();
		reader->adopted += revision != last;
		last = revision;
	}
	pq_revision_view_release(&view);
	return NULL;
}

static void
test_eight_readers(void **state)
{
	struct pq_revision_publisher publisher;
	struct reader readers[8] = {0};
	_Atomic(bool) stop = false;

	(void)state;
	pq_revision_publisher_init(&publisher);
	pq_revision_publish(&publisher, open_store());
	for (size_t i = 0; i < 8; i++) {
		readers[i].publisher = &publisher;
		readers[i].stop = &stop;
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
	}
	for (int i = 0; i < 200; i++)
		pq_revision_publish(&publisher, open_store());
	atomic_store(&stop, true);
	for (size_t i = 0; i < 8; i++)
		pthread_join(readers[i].thread, NULL);
	pq_revision_publisher_release(&publisher);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_eight_readers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

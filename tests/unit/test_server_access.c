/*
 * Tables of roles and tokens, and how they are taken again when their files change.
 */
#include "server/access.h"
#include "server/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* SHA-256 of "abc", FIPS 180-2. */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

struct files {
	char folder[64], roles[96], tokens[96];
};

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static int
setup(void **state)
{
	struct files *files = calloc(1, sizeof(*files));

	if (files == NULL)
		return -1;
	snprintf(files->folder, sizeof(files->folder), "/tmp/pratique-test-XXXXXX");
	if (mkdtemp(files->folder) == NULL)
		return -1;
	snprintf(files->roles, sizeof(files->roles), "%s/roles", files->folder);
	snprintf(files->tokens, sizeof(files->tokens), "%s/tokens", files->folder);
	*state = files;
	return 0;
}

static int
teardown(void **state)
{
	struct files *files = *state;

	unlink(files->roles);
	unlink(files->tokens);
	int left = rmdir(files->folder);
	free(files);
	return left;
}

static unsigned
of(const struct pq_access *access, enum pq_name_kind kind, const char *name)
{
	return pq_access_of_name(access, kind, name, strlen(name));
}

static void
test_names(void **state)
{
	struct files *files = *state;
	struct pq_access *access;
	struct pq_err err = {0};

	write_file(files->roles, "# all\r\n\n decide\tdns:b.example \npublish dns:b.example\nadmin cn:Jo Smith\r\n"
	                         "replicate uri:spiffe://x/y\ndecide dns:a.example");
	assert_int_equal(pq_access_open(files->roles, NULL, &access, &err), PQ_OK);
	assert_int_equal(of(access, PQ_NAME_DNS, "b.example"), PQ_ROLE_DECIDE | PQ_ROLE_PUBLISH);
	assert_int_equal(of(access, PQ_NAME_DNS, "a.example"), PQ_ROLE_DECIDE);
	assert_int_equal(of(access, PQ_NAME_CN, "Jo Smith"), PQ_ROLE_ADMIN);
	assert_int_equal(of(access, PQ_NAME_URI, "spiffe://x/y"), PQ_ROLE_REPLICATE);
	/* Kind and whole name count. */
	assert_int_equal(of(access, PQ_NAME_CN, "b.example"), PQ_ROLES_NONE);
	assert_int_equal(of(access, PQ_NAME_DNS, "b.exampl"), PQ_ROLES_NONE);
	assert_int_equal(of(access, PQ_NAME_DNS, "b.example."), PQ_ROLES_NONE);
	assert_int_equal(of(access, PQ_NAME_DNS, "B.example"), PQ_ROLES_NONE);
	assert_int_equal(pq_access_of_everybody(access), PQ_ROLES_NONE);
	assert_false(pq_access_has_tokens(access));
	pq_access_release(access);

	write_file(files->roles, "decide *\npublish *\n");
	assert_int_equal(pq_access_open(files->roles, NULL, &access, &err), PQ_OK);
	assert_int_equal(pq_access_of_everybody(access), PQ_ROLE_DECIDE | PQ_ROLE_PUBLISH);
	pq_access_release(access);
}

static void
test_tokens(void **state)
{
	struct files *files = *state;
	struct pq_access *access;
	struct pq_err err = {0};

	write_file(files->tokens, "decide " ABC "\nadmin " ABC "\n");
	assert_int_equal(pq_access_open(NULL, files->tokens, &access, &err), PQ_OK);
	assert_true(pq_access_has_tokens(access));
	assert_int_equal(pq_access_of_token(access, "abc", 3), PQ_ROLE_DECIDE | PQ_ROLE_ADMIN);
	assert_int_equal(pq_access_of_token(access, "abd", 3), PQ_ROLES_NONE);
	assert_int_equal(pq_access_of_token(access, "abc", 2), PQ_ROLES_NONE);
	assert_int_equal(pq_access_of_token(access, "", 0), PQ_ROLES_NONE);
	pq_access_release(access);
}

static void
test_wrong(void **state)
{
	static const struct {
		const char *text;
		int line;
		bool tokens;
	} rows[] = {
		{"decide", 1, false},      {"\n\ndecide x", 3, false}, {"decide dns:", 1, false},
		{"decide **", 1, false},   {"Decide dns:a", 1, false}, {"decide dns:a\nany dns:b", 2, false},
		{"decide", 1, true},       {"decide abc", 1, true},    {"decide " ABC "0", 1, true},
		{"decide x" ABC, 1, true}, {"decide *", 1, true},
		{"decide xa7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 1, true},
	};
	struct files *files = *state;
	struct pq_access *access = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pq_err err = {0};
		const char *path = rows[i].tokens ? files->tokens : files->roles;
		write_file(path, rows[i].text);
		if (pq_access_open(rows[i].tokens ? NULL : path, rows[i].tokens ? path : NULL, &access, &err) != PQ_EINVAL)
			fail_msg("accepted: %s", rows[i].text);
		assert_string_equal(err.where, path);
		assert_int_equal(err.line, rows[i].line);
		/* A line of tokens may hold one by mistake. */
		assert_null(rows[i].tokens ? strstr(err.msg, "abc") : NULL);
	}
	assert_null(access);
}

static void
test_changes(void **state)
{
	struct files *files = *state;
	struct pq_access_publisher publisher;
	struct pq_access_view view = {0};
	struct pq_err err = {0};

	write_file(files->tokens, "decide " ABC "\n");
	assert_int_equal(pq_access_publisher_init(&publisher, NULL, files->tokens, &err), PQ_OK);
	const struct pq_access *first = pq_access_adopt(&publisher, &view);
	assert_int_equal(pq_access_of_token(first, "abc", 3), PQ_ROLE_DECIDE);
	pq_access_refresh(&publisher);
	assert_ptr_equal(pq_access_adopt(&publisher, &view), first);

	/* What is wrong changes nothing, nor does a file that is gone. */
	write_file(files->tokens, "decide nonsense\n");
	pq_access_refresh(&publisher);
	assert_ptr_equal(pq_access_adopt(&publisher, &view), first);
	unlink(files->tokens);
	pq_access_refresh(&publisher);
	assert_ptr_equal(pq_access_adopt(&publisher, &view), first);

	write_file(files->tokens, "publish " ABC "\n");
	pq_access_refresh(&publisher);
	assert_int_equal(pq_access_of_token(pq_access_adopt(&publisher, &view), "abc", 3), PQ_ROLE_PUBLISH);
	pq_access_view_release(&view);
	pq_access_publisher_release(&publisher);
}

static void
test_words(void **state)
{
	char text[PQ_ROLES_TEXT];

	(void)state;
	pq_roles_format(PQ_ROLE_PUBLISH | PQ_ROLE_ADMIN, text, sizeof(text));
	assert_string_equal(text, "publish or admin");
	pq_roles_format(PQ_ROLES_ANY, text, sizeof(text));
	assert_string_equal(text, "decide or publish or replicate or admin");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

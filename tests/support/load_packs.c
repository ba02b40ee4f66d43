#include "tests/support/load_packs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Folders within folders beyond which something is wrong with the tree. */
#define MAX_DEPTH 8

struct files {
	struct pq_arena *arena;
	struct pq_err *err;
	struct pq_pack_file *at; /* malloc'ed while it grows */
	size_t n, cap;
};

static enum pq_status
io_failed(struct files *files, const char *path)
{
	return pq_fail_at(files->err, PQ_EIO, path, 0, 0, "%s", strerror(errno));
}

static enum pq_status
read_file(struct files *files, const char *path, const char *name)
{
	FILE *file = fopen(path, "rb");
	struct stat st;

	if (file == NULL || fstat(fileno(file), &st) != 0) {
		enum pq_status status = io_failed(files, path);
		if (file != NULL)
			fclose(file);
		return status;
	}
	size_t size = (size_t)st.st_size;
	char *data = pq_arena_alloc(files->arena, size);
	char *copy = pq_arena_strndup(files->arena, name, strlen(name));
	bool whole = data != NULL && copy != NULL && fread(data, 1, size, file) == size;
	fclose(file);
	if (!whole)
		return pq_fail(files->err, PQ_EIO, "%s: cannot be read whole", path);
	if (files->n == files->cap) {
		size_t cap = files->cap == 0 ? 64 : files->cap * 2;
		struct pq_pack_file *at = realloc(files->at, cap * sizeof(*at));
		if (at == NULL)
			return pq_fail(files->err, PQ_ENOMEM, "out of memory");
		files->at = at;
		files->cap = cap;
	}
	files->at[files->n++] = (struct pq_pack_file){copy, data, size};
	return PQ_OK;
}

static enum pq_status
read_folder(struct files *files, const char *path, const char *name, int depth)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);
	enum pq_status status = PQ_OK;

	if (n < 0)
		return io_failed(files, path);
	for (int i = 0; i < n; i++) {
		char below[4096], below_name[4096];
		struct stat st;

		snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name);
		snprintf(below_name, sizeof(below_name), "%s/%s", name, entries[i]->d_name);
		if (status != PQ_OK || entries[i]->d_name[0] == '.') {
			/* hidden, or too late */
		} else if (stat(below, &st) != 0) {
			status = io_failed(files, below);
		} else if (S_ISDIR(st.st_mode)) {
			if (depth < MAX_DEPTH)
				status = read_folder(files, below, below_name, depth + 1);
		} else {
			status = read_file(files, below, below_name);
		}
		free(entries[i]);
	}
	free(entries);
	return status;
}

enum pq_status
pq_test_read_packs(const char *const *dirs, size_t n, struct pq_arena *arena, struct pq_pack_file **ret_files,
                   size_t *ret_n, struct pq_err *err)
{
	struct files files = {.arena = arena, .err = err};
	enum pq_status status = PQ_OK;

	for (size_t i = 0; i < n && status == PQ_OK; i++) {
		char path[4096];
		size_t len = strlen(dirs[i]);

		while (len > 1 && dirs[i][len - 1] == '/')
			len--;
		snprintf(path, sizeof(path), "%.*s", (int)len, dirs[i]);
		const char *slash = strrchr(path, '/');
		status = read_folder(&files, path, slash != NULL ? slash + 1 : path, 0);
	}
	struct pq_pack_file *kept = status == PQ_OK ? pq_arena_array(arena, files.n, sizeof(*kept)) : NULL;
	if (status == PQ_OK && kept == NULL)
		status = pq_fail(err, PQ_ENOMEM, "out of memory");
	if (status == PQ_OK) {
		if (files.n != 0)
			memcpy(kept, files.at, files.n * sizeof(*kept));
		*ret_files = kept;
		*ret_n = files.n;
	}
	free(files.at);
	return status;
}

void
pq_test_print_findings(const struct pq_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++) {
		const struct pq_finding *finding = &findings->at[i];
		fprintf(stderr, "%s:%d:%d: %s: %s\n", finding->src.file, finding->src.line, finding->src.column,
		        finding->severity == PQ_SEVERITY_ERROR ? "error" : "warning", finding->text);
	}
}

enum pq_status
pq_test_load_packs(const char *const *dirs, size_t n, struct pq_arena *arena, struct pq_model **ret_model)
{
	struct pq_pack_file *files;
	size_t n_files;
	struct pq_findings findings = {0};
	struct pq_err err = {0};
	char text[1024];
	enum pq_status status = pq_test_read_packs(dirs, n, arena, &files, &n_files, &err);

	if (status == PQ_OK) {
		status = pq_model_load(files, n_files, arena, ret_model, &findings, &err);
		pq_test_print_findings(&findings);
	}
	if (status != PQ_OK) {
		pq_err_format(&err, text, sizeof(text));
		fprintf(stderr, "%s\n", text);
	}
	return status;
}

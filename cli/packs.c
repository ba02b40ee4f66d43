#include "cli/packs.h"

#include "cli/cli.h"
#include "cli/verdict.h"
#include "policy/compile.h"
#include "storage/files.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* One file of a pack. The largest table of the US packs has a third of a MB. */
#define PACK_FILE_BYTES_MAX ((size_t)64 << 20)
#define PACKS_MAX 64

/* A folder given on the command line, and the name that its pack has by it. */
struct folder {
	const char *path;   /* as given */
	const char *name;   /* "us-ear" */
	const char *prefix; /* what stands before the name in messages: "rules/" */
};

struct gathered {
	struct pq_pack_file *at;
	size_t n, size;
};

void
pq_build_init(struct pq_build *build)
{
	*build = (struct pq_build){0};
	pq_arena_init(&build->arena, PQ_CLI_PACKS_BYTES);
}

void
pq_build_release(struct pq_build *build)
{
	pq_image_close(build->image);
	pq_arena_release(&build->arena);
}

/* "." and "rules/.." have no name of their own: ask the system for it. */
static enum pq_status
name_folder(struct pq_arena *arena, const char *path, struct folder *ret, struct pq_err *err)
{
	char resolved[PATH_MAX];
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	const char *given = pq_arena_strndup(arena, path, len);
	if (given == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory");
	const char *slash = strrchr(given, '/');
	const char *name = slash != NULL ? slash + 1 : given;
	const char *prefix = pq_arena_strndup(arena, given, (size_t)(name - given));
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || name[0] == '\0') {
		if (realpath(given, resolved) == NULL)
			return pq_fail_at(err, PQ_ENOTFOUND, path, 0, 0, "no such folder");
		slash = strrchr(resolved, '/');
		name = pq_arena_strndup(arena, slash + 1, strlen(slash + 1));
		prefix = pq_arena_strndup(arena, resolved, (size_t)(slash + 1 - resolved));
	}
	if (name == NULL || prefix == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory");
	if (name[0] == '\0')
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "is no folder of a pack");
	*ret = (struct folder){given, name, prefix};
	return PQ_OK;
}

static bool
add_file(struct pq_arena *arena, struct gathered *files, struct pq_pack_file file)
{
	if (files->n == files->size) {
		size_t size = files->size > 0 ? files->size * 2 : 64;
		struct pq_pack_file *at = pq_arena_array(arena, size, sizeof(*at));
		if (at == NULL)
			return false;
		if (files->n > 0)
			memcpy(at, files->at, files->n * sizeof(*at));
		files->at = at;
		files->size = size;
	}
	files->at[files->n++] = file;
	return true;
}

static enum pq_status
read_folder(struct pq_arena *arena, const struct folder *folder, struct gathered *files, struct pq_err *err)
{
	const char *const *names;
	size_t n;
	enum pq_status status = pq_files_list(folder->path, arena, &names, &n, err);

	for (size_t i = 0; status == PQ_OK && i < n; i++) {
		struct pq_pack_file file = {.path = pq_arena_printf(arena, "%s/%s", folder->name, names[i])};
		const char *path = pq_arena_printf(arena, "%s/%s", folder->path, names[i]);
		if (file.path == NULL || path == NULL)
			return pq_fail(err, PQ_ENOMEM, "no memory");
		status = pq_files_read(path, PACK_FILE_BYTES_MAX, arena, &file.data, &file.len, err);
		if (status == PQ_OK && !add_file(arena, files, file))
			return pq_fail(err, PQ_ENOMEM, "no memory");
	}
	return status;
}

static const char *
prefix_of(const struct folder *folders, size_t n, const char *file)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(folders[i].name);
		if (strncmp(folders[i].name, file, len) == 0 && (file[len] == '/' || file[len] == '\0'))
			return folders[i].prefix;
	}
	return "";
}

static void
print_findings(const struct pq_findings *findings, const struct folder *folders, size_t n_folders, FILE *out)
{
	for (size_t i = 0; i < findings->n; i++) {
		const struct pq_finding *finding = &findings->at[i];
		const char *file = finding->src.file != NULL ? finding->src.file : "";
		pq_cli_put(out, prefix_of(folders, n_folders, file));
		pq_cli_put(out, file);
		if (finding->src.line > 0)
			fprintf(out, ":%d", finding->src.line);
		if (finding->src.line > 0 && finding->src.column > 0)
			fprintf(out, ":%d", finding->src.column);
		fputs(finding->severity == PQ_SEVERITY_ERROR ? ": error: " : ": warning: ", out);
		pq_cli_put(out, finding->text);
		fputc('\n', out);
	}
}

static enum pq_status
gather(struct pq_arena *arena, char *const *dirs, size_t n_dirs, struct folder *folders, struct gathered *files,
       struct pq_err *err)
{
	enum pq_status status;

	if (n_dirs > PACKS_MAX)
		return pq_fail(err, PQ_ELIMIT, "%zu folders are more than the %d packs of one store", n_dirs, PACKS_MAX);
	for (size_t i = 0; i < n_dirs; i++) {
		if ((status = name_folder(arena, dirs[i], &folders[i], err)) != PQ_OK)
			return status;
		for (size_t k = 0; k < i; k++)
			if (strcmp(folders[k].name, folders[i].name) == 0)
				return pq_fail_at(err, PQ_EINVAL, dirs[i], 0, 0, "a pack of the name %s was given before",
				                  folders[i].name);
		if ((status = read_folder(arena, &folders[i], files, err)) != PQ_OK)
			return status;
	}
	return PQ_OK;
}

enum pq_status
pq_build_load(struct pq_build *build, char *const *dirs, size_t n_dirs, FILE *out, struct pq_err *err)
{
	struct folder folders[PACKS_MAX];
	struct gathered files = {0};
	enum pq_status status = gather(&build->arena, dirs, n_dirs, folders, &files, err);

	if (status != PQ_OK)
		return status;
	status = pq_model_load(files.at, files.n, &build->arena, &build->model, &build->findings, err);
	print_findings(&build->findings, folders, n_dirs, out);
	return status;
}

void
pq_build_print_findings(const struct pq_findings *findings, char *const *dirs, size_t n_dirs, FILE *out)
{
	struct folder folders[PACKS_MAX];
	struct pq_err err;
	struct pq_arena arena;
	size_t n = 0;

	pq_arena_init(&arena, PQ_CLI_PACKS_BYTES);
	while (n < n_dirs && n < PACKS_MAX && name_folder(&arena, dirs[n], &folders[n], &err) == PQ_OK)
		n++;
	print_findings(findings, folders, n, out);
	pq_arena_release(&arena);
}

enum pq_status
pq_build_compile(struct pq_build *build, struct pq_err *err)
{
	enum pq_status status = pq_compile(build->model, &build->arena, &build->blobs, &build->n_blobs, err);

	if (status != PQ_OK)
		return status;
	return pq_image_open(build->blobs, build->n_blobs, &build->image, err);
}

/* Run the cases of an image. Returns the number of failures. */
static size_t
run_cases(const struct pq_image *image, FILE *out, size_t *ret_n)
{
	struct pq_image_counts counts;
	struct pq_source source;
	struct pq_arena arena;
	size_t failed = 0;

	pq_image_counts(image, &counts);
	pq_source_use_image(&source, image);
	pq_arena_init(&arena, PQ_CLI_DECISION_BYTES);
	for (size_t i = 0; i < counts.cases; i++) {
		struct pq_verdict verdict;
		const char *place;
		size_t len;
		const char *json = pq_image_case(image, i, &len, &place);
		pq_arena_reset(&arena);
		pq_verdict_run(&source, json, len, &arena, &verdict);
		if (verdict.passed)
			continue;
		failed++;
		pq_verdict_print(&verdict, place, out);
	}
	pq_arena_release(&arena);
	pq_source_close(&source);
	*ret_n = counts.cases;
	return failed;
}

size_t
pq_build_cases(const struct pq_build *build, FILE *out, size_t *ret_n)
{
	return run_cases(build->image, out, ret_n);
}

enum pq_status
pq_packs_prove(void *ctx, const struct pq_store *store, struct pq_err *err)
{
	struct pq_image *image;
	size_t n_blobs, n;
	const struct pq_blob *blobs = pq_store_blobs(store, &n_blobs);
	enum pq_status status = pq_image_open(blobs, n_blobs, &image, err);

	if (status != PQ_OK)
		return status;
	size_t failed = run_cases(image, ctx, &n);
	pq_image_close(image);
	if (failed > 0)
		return pq_fail_at(err, PQ_EFAILED, pq_store_path(store), 0, 0, "%zu of the packs' %zu cases failed", failed, n);
	return PQ_OK;
}

#include "policy/pack_loader.h"

#include <stdlib.h>
#include <string.h>

/* The keys of a file of declarations that is not pack.yaml. */
static const char *const decl_keys[] = {"domains",       "facts",   "attributes", "tables", "amendments",
                                        "jurisdictions", "release", "claims",     "profiles", "note",   NULL};

/* ---- files and packs --------------------------------------------------------------------------------------------- */

static bool
ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), n_end = strlen(end);

	return n > n_end && strcmp(name + n - n_end, end) == 0;
}

static bool
is_rules(const char *name)
{
	return strncmp(name, "rules/", 6) == 0 && ends_with(name, ".yaml");
}

/** pack.yaml or its like: *.yaml in the pack's folder itself. */
static bool
is_decls(const char *name)
{
	return strchr(name, '/') == NULL && ends_with(name, ".yaml");
}

static bool
is_cases(const char *name)
{
	return strncmp(name, "cases/", 6) == 0 && ends_with(name, ".jsonl");
}

static int
compare_files(const void *a, const void *b)
{
	return strcmp(((const struct pq_ld_file *)a)->path, ((const struct pq_ld_file *)b)->path);
}

/** Begin the pack of that name. */
static void
new_pack(struct pq_loader *ld, const char *name)
{
	struct pq_src src = {pq_ld_printf(ld, "%s/pack.yaml", name), 1, 1};

	if (!pq_map_put(ld, &ld->pack_names, name, (uint32_t)ld->packs.n))
		pq_ld_error(ld, src, "the pack \"%s\" is given twice", name);
	*PQ_VEC_PUSH(ld, &ld->packs) = (struct pq_pack){.name = name,
	                                                .title = "",
	                                                .edition = PQ_DATE_MIN,
	                                                .covers_from = PQ_DATE_MIN,
	                                                .covers_to = PQ_DATE_MAX,
	                                                .jurisdiction = PQ_NO_INDEX,
	                                                .time_zone = "UTC",
	                                                .src = src};
	(void)PQ_VEC_PUSH(ld, &ld->pack_infos);
}

/** Sort the files into packs, and those of each pack by name. */
static void
take_files(struct pq_loader *ld, const struct pq_pack_file *files, size_t n_files)
{
	struct pq_ld_file *taken = pq_ld_array(ld, n_files, sizeof(*taken));
	size_t first = 0, rank = 0;

	while (first < n_files) {
		const char *slash = strchr(files[first].path, '/');
		size_t len = slash != NULL ? (size_t)(slash - files[first].path) + 1 : 0, end = first;

		/* A file outside of any pack makes one without pack.yaml, and that is told. */
		new_pack(ld, pq_ld_strndup(ld, files[first].path, len != 0 ? len - 1 : strlen(files[first].path)));
		do {
			const char *path = pq_ld_strndup(ld, files[end].path, strlen(files[end].path));
			taken[end] = (struct pq_ld_file){.file = &files[end], .path = path, .name = path + len};
			end++;
		} while (end < n_files && len != 0 && strncmp(files[end].path, files[first].path, len) == 0);
		struct pq_ld_pack *info = &ld->pack_infos.at[ld->packs.n - 1];
		*info = (struct pq_ld_pack){.files = taken + first, .n_files = end - first};
		qsort(info->files, info->n_files, sizeof(*taken), compare_files);
		for (size_t i = 0; i < info->n_files; i++) {
			if (!pq_map_put(ld, &ld->ranks, info->files[i].path, (uint32_t)rank++))
				pq_ld_error(ld, (struct pq_src){info->files[i].path, 0, 0}, "this file is given twice");
			if (strcmp(info->files[i].name, "pack.yaml") == 0)
				info->head = &info->files[i];
		}
		first = end;
	}
}

static void
parse_yaml(struct pq_loader *ld, struct pq_ld_file *file)
{
	struct pq_err err;
	enum pq_status status = pq_yaml_parse(file->path, file->file->data, file->file->len, ld->arena, &file->root, &err);

	if (status == PQ_ENOMEM)
		pq_ld_no_memory(ld);
	if (status == PQ_OK)
		return;
	/* What is missing now may stand there: names that are not found are no further errors. */
	ld->any_broken = true;
	pq_ld_error(ld, (struct pq_src){file->path, err.line, err.column}, "%s", err.msg);
}

static void
parse_files(struct pq_loader *ld)
{
	for (size_t p = 0; p < ld->packs.n; p++) {
		struct pq_ld_pack *info = &ld->pack_infos.at[p];
		if (info->head == NULL)
			pq_ld_error(ld, ld->packs.at[p].src, "the pack \"%s\" has no pack.yaml", ld->packs.at[p].name);
		for (size_t i = 0; i < info->n_files; i++) {
			struct pq_ld_file *file = &info->files[i];
			if (is_decls(file->name) || is_rules(file->name))
				parse_yaml(ld, file);
			else if (ends_with(file->name, ".yml"))
				pq_ld_warn(ld, (struct pq_src){file->path, 0, 0}, "not read: files of packs end in .yaml");
		}
	}
}

/* ---- declarations, one key after the other over all packs -------------------------------------------------------- */

typedef void declare_fn(struct pq_loader *ld, const struct pq_node *node);

static void
check_decl_keys(struct pq_loader *ld)
{
	for (size_t p = 0; p < ld->packs.n; p++) {
		const struct pq_ld_pack *info = &ld->pack_infos.at[p];
		for (size_t i = 0; i < info->n_files; i++) {
			const struct pq_ld_file *file = &info->files[i];
			if (is_decls(file->name) && file != info->head && file->root != NULL)
				(void)pq_ld_keys(ld, file->root, "a file of declarations", decl_keys);
		}
	}
}

static void
for_each(struct pq_loader *ld, const char *key, declare_fn *declare)
{
	for (uint32_t p = 0; p < ld->packs.n; p++) {
		ld->pack = p;
		for (size_t i = 0; i < ld->pack_infos.at[p].n_files; i++) {
			const struct pq_ld_file *file = &ld->pack_infos.at[p].files[i];
			if (!is_decls(file->name) || file->root == NULL || file->root->kind != PQ_NODE_MAP)
				continue;
			const struct pq_node *node = pq_node_get(file->root, key);
			if (node != NULL)
				declare(ld, node);
		}
	}
}

static void
take_release(struct pq_loader *ld, const struct pq_node *node)
{
	if (ld->release != NULL) {
		pq_ld_error(ld, node->src, "release is said already, at %s:%d", ld->release->src.file, ld->release->src.line);
		return;
	}
	ld->release = node;
}

static void
take_claims(struct pq_loader *ld, const struct pq_node *node)
{
	if (ld->claims != NULL) {
		pq_ld_error(ld, node->src, "claims is said already, at %s:%d", ld->claims->src.file, ld->claims->src.line);
		return;
	}
	ld->claims = node;
}

static void
declare_all(struct pq_loader *ld)
{
	check_decl_keys(ld);
	for_each(ld, "domains", pq_ld_declare_domains);
	for_each(ld, "jurisdictions", pq_ld_declare_jurisdictions);
	for_each(ld, "facts", pq_ld_declare_facts);
	for_each(ld, "attributes", pq_ld_declare_attrs);
	for_each(ld, "amendments", pq_ld_declare_amendments);
	for_each(ld, "tables", pq_ld_declare_tables);
	for_each(ld, "release", take_release);
	for_each(ld, "claims", take_claims);
	for_each(ld, "profiles", pq_ld_declare_profiles);
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void
read_rules(struct pq_loader *ld)
{
	for (uint32_t p = 0; p < ld->packs.n; p++) {
		ld->pack = p;
		for (size_t i = 0; i < ld->pack_infos.at[p].n_files; i++) {
			const struct pq_ld_file *file = &ld->pack_infos.at[p].files[i];
			if (is_rules(file->name) && file->root != NULL)
				pq_ld_rules(ld, file->root);
		}
		pq_ld_made_rules(ld, p);
	}
}

static void
read_cases(struct pq_loader *ld)
{
	for (uint32_t p = 0; p < ld->packs.n; p++) {
		ld->pack = p;
		for (size_t i = 0; i < ld->pack_infos.at[p].n_files; i++) {
			if (is_cases(ld->pack_infos.at[p].files[i].name))
				pq_ld_cases(ld, &ld->pack_infos.at[p].files[i]);
		}
	}
}

/** Move the lists over to the model. */
static void
finish_model(struct pq_loader *ld)
{
	struct pq_model *model = &ld->model;

	for (size_t i = 0; i < ld->domains.n; i++) {
		struct pq_domain *domain = &ld->domains.at[i];
		const struct pq_ld_domain *info = &ld->domain_infos.at[i];
		domain->symbols = info->symbols.at;
		domain->n_symbols = info->symbols.n;
		domain->aliases = info->aliases.at;
		domain->n_aliases = info->aliases.n;
	}
	model->packs = ld->packs.at;
	model->n_packs = ld->packs.n;
	model->domains = ld->domains.at;
	model->n_domains = ld->domains.n;
	model->attrs = ld->attrs.at;
	model->n_attrs = ld->attrs.n;
	model->tables = ld->tables.at;
	model->n_tables = ld->tables.n;
	model->amendments = ld->amendments.at;
	model->n_amendments = ld->amendments.n;
	model->rules = ld->rules.at;
	model->n_rules = ld->rules.n;
	model->jurisdictions = ld->jurisdictions.at;
	model->n_jurisdictions = ld->jurisdictions.n;
	model->profiles = ld->profiles.at;
	model->n_profiles = ld->profiles.n;
	model->cases = ld->cases.at;
	model->n_cases = ld->cases.n;
}

static void
load(struct pq_loader *ld, const struct pq_pack_file *files, size_t n_files)
{
	take_files(ld, files, n_files);
	parse_files(ld);
	pq_ld_builtin_domains(ld);
	pq_ld_builtin_attrs(ld);
	for (uint32_t p = 0; p < ld->packs.n; p++) {
		ld->pack = p;
		pq_ld_pack_head(ld, &ld->pack_infos.at[p]);
	}
	declare_all(ld);
	pq_ld_feed_domains(ld);
	pq_ld_feed_spellings(ld);
	pq_ld_resolve_heads(ld);
	pq_ld_link_facts(ld);
	pq_ld_resolve_tables(ld);
	pq_ld_resolve_facts(ld);
	pq_ld_resolve_amendments(ld);
	pq_ld_resolve_jurisdictions(ld);
	pq_ld_resolve_release(ld);
	pq_ld_resolve_profiles(ld);
	read_rules(ld);
	read_cases(ld);
	pq_ld_check(ld);
	pq_ld_sort_paths(ld);
	finish_model(ld);
}

/* The loader is the caller's variable, so that what longjmp() finds in it is what the readers left there. */
static enum pq_status
run(struct pq_loader *ld, const struct pq_pack_file *files, size_t n_files, struct pq_model **ret_model,
    struct pq_findings *ret_findings)
{
	if (setjmp(ld->out) != 0)
		return PQ_ENOMEM;
	load(ld, files, n_files);
	struct pq_findings findings;
	pq_ld_sorted_findings(ld, &findings);
	struct pq_model *model = pq_ld_alloc(ld, sizeof(*model));
	*model = ld->model;
	*ret_findings = findings;
	if (ld->n_errors != 0)
		return PQ_EPARSE;
	*ret_model = model;
	return PQ_OK;
}

enum pq_status
pq_model_load(const struct pq_pack_file *files, size_t n_files, struct pq_arena *arena, struct pq_model **ret_model,
              struct pq_findings *ret_findings, struct pq_err *err)
{
	struct pq_loader ld = {
		.arena = arena,
		.model = {.release_fact = PQ_NO_INDEX, .release_replaces = PQ_NO_INDEX, .claim_fact = PQ_NO_INDEX},
	};
	struct pq_findings findings = {0};
	enum pq_status status = run(&ld, files, n_files, ret_model, &findings);

	if (status == PQ_ENOMEM)
		return pq_fail(err, PQ_ENOMEM, "out of memory while packs were read");
	*ret_findings = findings;
	if (status == PQ_OK)
		return PQ_OK;
	for (size_t i = 0; i < findings.n; i++) {
		const struct pq_finding *finding = &findings.at[i];
		if (finding->severity == PQ_SEVERITY_ERROR) {
			return pq_fail_at(err, PQ_EPARSE, finding->src.file, finding->src.line, finding->src.column, "%s",
			                  finding->text);
		}
	}
	return pq_fail(err, PQ_EPARSE, "the packs have errors");
}

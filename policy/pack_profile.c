/* Profiles: what a platform always knows, stated once and by name. */
#include "policy/pack_loader.h"

#include <string.h>

static const char *const profile_keys[] = {"name", "title", "note", "assume", NULL};

void
pq_ld_declare_profiles(struct pq_loader *ld, const struct pq_node *list)
{
	if (list->kind != PQ_NODE_LIST) {
		pq_ld_error(ld, list->src, "profiles must be a list");
		return;
	}
	for (size_t i = 0; i < list->n; i++) {
		const struct pq_node *decl = list->items[i];
		if (!pq_ld_keys(ld, decl, "a profile", profile_keys))
			continue;
		const struct pq_node *name_node = pq_node_get(decl, "name");
		const char *name = name_node != NULL ? pq_ld_text(ld, name_node, "name") : NULL;
		if (name == NULL || !pq_ld_is_name(name)) {
			pq_ld_error(ld, decl->src, "a profile needs a name of letters, digits, \".\", \"-\" and \"_\"");
			continue;
		}
		for (size_t k = 0; k < ld->profiles.n; k++) {
			if (strcmp(ld->profiles.at[k].name, name) == 0)
				pq_ld_error(ld, name_node->src, "the profile \"%s\" is declared already, at %s:%d", name,
				            ld->profiles.at[k].src.file, ld->profiles.at[k].src.line);
		}
		*PQ_VEC_PUSH(ld, &ld->profiles) = (struct pq_profile){.name = name,
		                                                      .title = pq_ld_text_at(ld, decl, "title", ""),
		                                                      .pack = ld->pack,
		                                                      .src = name_node->src};
		*PQ_VEC_PUSH(ld, &ld->profile_nodes) = pq_node_get(decl, "assume");
	}
}

static void
resolve(struct pq_loader *ld, struct pq_profile *profile, const struct pq_node *map)
{
	if (map == NULL || map->kind != PQ_NODE_MAP || map->n == 0) {
		pq_ld_error(ld, map != NULL ? map->src : profile->src, "\"assume\" must be a mapping from facts to values");
		return;
	}
	profile->assumptions = pq_ld_array(ld, map->n / 2, sizeof(*profile->assumptions));
	for (size_t i = 0; i < map->n; i += 2) {
		const struct pq_node *name = map->items[i], *value = map->items[i + 1];
		uint32_t fact = pq_ld_attr(ld, name);
		if (fact == PQ_NO_INDEX)
			continue;
		const struct pq_attr *attr = &ld->attrs.at[fact];
		if (!attr->is_fact || attr->type == PQ_TYPE_CODE || attr->type == PQ_TYPE_PATH || attr->type == PQ_TYPE_TEXT) {
			pq_ld_error(ld, name->src, "\"%s\" cannot be assumed: only facts that are no code, path or text", attr->name);
			continue;
		}
		struct pq_assumption *out = &profile->assumptions[profile->n];
		*out = (struct pq_assumption){.attr = fact, .src = name->src};
		profile->n += pq_ld_literal(ld, attr->type, attr->domain, value, &out->value) && !out->value.none;
	}
}

void
pq_ld_resolve_profiles(struct pq_loader *ld)
{
	for (size_t i = 0; i < ld->profiles.n; i++)
		resolve(ld, &ld->profiles.at[i], ld->profile_nodes.at[i]);
}

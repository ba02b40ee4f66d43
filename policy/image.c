#include "policy/image.h"

#include "policy/image_private.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const struct pq_blob *
find_blob(const struct pq_blob *blobs, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(blobs[i].key, key) == 0)
			return &blobs[i];
	}
	return NULL;
}

/* Check one section and give its payload. */
static enum pq_status
open_section(const struct pq_blob *blobs, size_t n, enum pq_section section, size_t stride, const void **ret_at,
             size_t *ret_n, struct pq_err *err)
{
	char key[40];
	struct pq_section_head head;

	pq_section_key(section, key, sizeof(key));
	const struct pq_blob *blob = find_blob(blobs, n, key);
	if (blob == NULL)
		return pq_fail_at(err, PQ_EFORMAT, key, 0, 0, "the store has no such section");
	if (blob->len < sizeof(head))
		return pq_fail_at(err, PQ_EFORMAT, key, 0, 0, "the section is shorter than its head");
	memcpy(&head, blob->data, sizeof(head));
	if (memcmp(head.magic, "PQIM", 4) != 0 || head.section != (uint32_t)section)
		return pq_fail_at(err, PQ_EFORMAT, key, 0, 0, "the section does not begin with its head");
	if (head.version != PQ_PROGRAM_VERSION)
		return pq_fail_at(err, PQ_EFORMAT, key, 0, 0, "the images are of version %u, this program reads version %u",
		                  head.version, PQ_PROGRAM_VERSION);
	if (head.stride != stride || head.count > (blob->len - sizeof(head)) / stride)
		return pq_fail_at(err, PQ_EFORMAT, key, 0, 0, "the section's records do not fit its size");
	*ret_at = (const char *)blob->data + sizeof(head);
	*ret_n = head.count;
	return PQ_OK;
}

/* Of a rule's reference. */
enum { NOT_MADE, BEING_MADE, MADE };

static void
fill_rule_ref(const struct pq_image *image, size_t i)
{
	const struct pq_p_rule *rule = &image->p.rules[i];

	image->rules[i] = (struct pq_rule_ref){
	    .id = pq_string(image, rule->id),
	    .title = pq_string(image, rule->title),
	    .cite = pq_string(image, rule->cite),
	    .file = pq_string(image, rule->file),
	    .note = pq_string(image, rule->note),
	    .confidence = pq_string(image, rule->confidence),
	    .pack = pq_string(image, image->p.packs[rule->pack].name),
	    .kind = rule->kind,
	    .line = rule->line,
	    .from = rule->from,
	    .to = rule->to,
	    .index = (uint32_t)i,
	};
}

static enum pq_status
open_sections(const struct pq_blob *blobs, size_t n, struct pq_program *p, struct pq_err *err)
{
	enum pq_status status;

#define X(NAME, name, type)                                                                                       \
	{                                                                                                             \
		const void *at;                                                                                           \
		status = open_section(blobs, n, PQ_SECTION_##NAME, sizeof(type), &at, &p->n_##name, err);                  \
		if (status != PQ_OK)                                                                                      \
			return status;                                                                                        \
		p->name = at;                                                                                             \
	}
	PQ_SECTION_MAP(X)
#undef X
	if (p->n_meta != 1 || p->n_strings == 0)
		return pq_fail(err, PQ_EFORMAT, "the images have no description of themselves");
	return PQ_OK;
}

/* Lists of strings are lists of offsets; the inspection calls hand out pointers. Made once, for the lists they use. */
static void
fill_texts(struct pq_image *image, struct pq_span span)
{
	for (uint32_t i = 0; i < span.n; i++)
		image->texts[span.first + i] = pq_string(image, image->p.lists[span.first + i]);
}

enum pq_status
pq_image_open(const struct pq_blob *blobs, size_t n, struct pq_image **ret_image, struct pq_err *err)
{
	static const uint16_t one = 1;

	if (*(const uint8_t *)&one != 1)
		return pq_fail(err, PQ_EFORMAT, "images are little-endian and this machine is not");
	struct pq_image *image = calloc(1, sizeof(*image));
	if (image == NULL)
		return pq_fail(err, PQ_ENOMEM, "out of memory while opening images");
	enum pq_status status = open_sections(blobs, n, &image->p, err);
	if (status != PQ_OK) {
		pq_image_close(image);
		return status;
	}
	image->meta = image->p.meta;
	image->rules = calloc(image->p.n_rules + 1, sizeof(*image->rules));
	image->rule_made = calloc(image->p.n_rules + 1, sizeof(*image->rule_made));
	image->texts = calloc(image->p.n_lists + 1, sizeof(*image->texts));
	if (image->rules == NULL || image->rule_made == NULL || image->texts == NULL || !pq_image_index(image)) {
		pq_image_close(image);
		return pq_fail(err, PQ_ENOMEM, "out of memory while opening images");
	}
	status = pq_wake_new(image, &image->wake, err);
	if (status == PQ_OK && !pq_image_index_mentions(image))
		status = pq_fail(err, PQ_ENOMEM, "out of memory while opening images");
	if (status != PQ_OK) {
		pq_image_close(image);
		return status;
	}
	for (size_t i = 0; i < image->p.n_packs; i++)
		fill_texts(image, image->p.packs[i].gaps);
	for (size_t i = 0; i < image->p.n_tables; i++)
		fill_texts(image, image->p.tables[i].gaps);
	*ret_image = image;
	return PQ_OK;
}

void
pq_image_close(struct pq_image *image)
{
	if (image == NULL)
		return;
	free(image->rules);
	free((void *)image->rule_made);
	free(image->texts);
	free(image->main_slots);
	free(image->post_slots);
	free(image->unless_slots);
	free(image->required);
	free(image->fact_attrs);
	free(image->path_codes);
	free(image->mark_codes);
	pq_image_free_rules(image);
	pq_image_free_cells(image);
	pq_image_free_joins(image);
	pq_image_free_mentions(image);
	pq_wake_free(image->wake);
	free(image);
}

void
pq_image_counts(const struct pq_image *image, struct pq_image_counts *ret)
{
	const struct pq_program *p = &image->p;

	*ret = (struct pq_image_counts){
	    .packs = p->n_packs,
	    .domains = p->n_domains,
	    .symbols = p->n_symbols,
	    .attrs = p->n_attrs,
	    .tables = p->n_tables,
	    .rows = p->n_rows,
	    .rules = p->n_rules,
	    .alternatives = p->n_alts,
	    .cases = p->n_cases,
	    .bitmap_bytes = p->n_words * sizeof(uint64_t),
	};
	for (size_t i = 0; i < p->n_attrs; i++)
		ret->facts += p->attrs[i].is_fact;
}

void
pq_image_pack(const struct pq_image *image, size_t i, struct pq_image_pack *ret)
{
	const struct pq_p_pack *pack = &image->p.packs[i];

	*ret = (struct pq_image_pack){
	    .name = pq_string(image, pack->name),
	    .title = pq_string(image, pack->title),
	    .time_zone = pq_string(image, pack->time_zone),
	    .edition = pack->edition,
	    .covers_from = pack->covers_from,
	    .covers_to = pack->covers_to,
	    .grace_days = pack->grace_days,
	    .gaps = image->texts + pack->gaps.first,
	    .n_gaps = pack->gaps.n,
	};
}

void
pq_image_table(const struct pq_image *image, size_t i, struct pq_image_table *ret)
{
	const struct pq_p_table *table = &image->p.tables[i];

	*ret = (struct pq_image_table){
	    .name = pq_string(image, table->name),
	    .title = pq_string(image, table->title),
	    .cite = pq_string(image, table->cite),
	    .pack = pq_string(image, image->p.packs[table->pack].name),
	    .edition = table->edition,
	    .n_rows = table->rows.n,
	    .gaps = image->texts + table->gaps.first,
	    .n_gaps = table->gaps.n,
	};
}

void
pq_image_attr(const struct pq_image *image, size_t i, struct pq_image_attr *ret)
{
	const struct pq_p_attr *attr = &image->p.attrs[i];

	*ret = (struct pq_image_attr){
	    .name = pq_string(image, attr->name),
	    .title = pq_string(image, attr->title),
	    .ask = pq_string(image, attr->ask),
	    .pack = attr->pack < image->p.n_packs ? pq_string(image, image->p.packs[attr->pack].name) : "",
	    .domain = attr->domain != PQ_NO_INDEX ? pq_string(image, image->p.domains[attr->domain].name) : "",
	    .type = attr->type,
	    .scope = attr->scope,
	    .is_fact = attr->is_fact,
	    .required = attr->required,
	};
}

const struct pq_rule_ref *
pq_image_rule(const struct pq_image *image, size_t i)
{
	_Atomic(uint8_t) *made = &image->rule_made[i];
	uint8_t none = NOT_MADE;

	if (atomic_load_explicit(made, memory_order_acquire) == MADE)
		return &image->rules[i];
	/* One of several threads makes it, within some dozen instructions; the others wait for that. */
	if (atomic_compare_exchange_strong_explicit(made, &none, BEING_MADE, memory_order_acquire, memory_order_acquire)) {
		fill_rule_ref(image, i);
		atomic_store_explicit(made, MADE, memory_order_release);
	}
	while (atomic_load_explicit(made, memory_order_acquire) != MADE)
		;
	return &image->rules[i];
}

const char *
pq_image_rule_text(const struct pq_image *image, size_t i)
{
	return pq_string(image, image->p.rules[i].conditions);
}

const char *
pq_image_case(const struct pq_image *image, size_t i, size_t *ret_len, const char **ret_source)
{
	const struct pq_p_case *one = &image->p.cases[i];

	*ret_len = one->len;
	*ret_source = pq_string(image, one->source);
	return pq_string(image, one->json);
}

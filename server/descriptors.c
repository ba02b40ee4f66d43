#include "server/descriptors.h"

#include "server/wire.h"

#include <stdlib.h>
#include <string.h>

/* Memory for the index: names of some hundred symbols. */
#define INDEX_BYTES ((size_t)4 << 20)
/* Nested types are a few levels deep; the set is our own. */
#define NESTING_MAX 16

/* Field numbers of google/protobuf/descriptor.proto. */
enum {
	SET_FILE = 1,
	FILE_NAME = 1,
	FILE_PACKAGE = 2,
	FILE_DEPENDENCY = 3,
	FILE_MESSAGE = 4,
	FILE_ENUM = 5,
	FILE_SERVICE = 6,
	FILE_EXTENSION = 7,
	ANY_NAME = 1,
	MESSAGE_FIELD = 2,
	MESSAGE_NESTED = 3,
	MESSAGE_ENUM = 4,
	MESSAGE_EXTENSION = 6,
	MESSAGE_ONEOF = 8,
	ENUM_VALUE = 2,
	SERVICE_METHOD = 2,
};

enum symbol_kind { SYMBOL_OTHER, SYMBOL_MESSAGE, SYMBOL_SERVICE };

struct symbol {
	const char *name;
	int file;
	enum symbol_kind kind;
};

struct file {
	const char *name;
	struct pq_descriptor_file bytes;
};

struct pq_descriptors {
	struct pq_arena arena;
	struct file *files;
	size_t n_files;
	struct symbol *symbols; /* sorted by name */
	size_t n_symbols, room;
	const char **services;
	size_t n_services;
	bool no_memory, malformed;
};

static struct pq_wire
bytes_of(const struct pq_wire_field *field)
{
	return (struct pq_wire){field->data, field->data + field->len};
}

/* The next field of the message that is a text, a message or bytes. */
static bool
next(struct pq_descriptors *d, struct pq_wire *wire, struct pq_wire_field *ret)
{
	for (;;) {
		switch (pq_wire_next(wire, ret)) {
		case PQ_WIRE_FIELD:
			if (ret->type == PQ_WIRE_BYTES)
				return true;
			break;
		case PQ_WIRE_END:
			return false;
		case PQ_WIRE_MALFORMED:
			d->malformed = true;
			return false;
		}
	}
}

static const char *
text(struct pq_descriptors *d, const struct pq_wire_field *field)
{
	const char *copy = pq_arena_strndup(&d->arena, (const char *)field->data, field->len);

	d->no_memory |= copy == NULL;
	return copy != NULL ? copy : "";
}

static const char *
name_in(struct pq_descriptors *d, struct pq_wire wire, uint32_t number)
{
	struct pq_wire_field field;

	while (next(d, &wire, &field)) {
		if (field.number == number)
			return text(d, &field);
	}
	return "";
}

static const char *
joined(struct pq_descriptors *d, const char *scope, const char *name)
{
	const char *full = pq_arena_printf(&d->arena, "%s%s%s", scope, scope[0] != '\0' ? "." : "", name);

	d->no_memory |= full == NULL;
	return full != NULL ? full : "";
}

static void
add_symbol(struct pq_descriptors *d, const char *name, int file, enum symbol_kind kind)
{
	if (d->n_symbols == d->room) {
		size_t room = d->room > 0 ? 2 * d->room : 256;
		struct symbol *symbols = realloc(d->symbols, room * sizeof(*symbols));
		if (symbols == NULL) {
			d->no_memory = true;
			return;
		}
		d->symbols = symbols;
		d->room = room;
	}
	d->symbols[d->n_symbols++] = (struct symbol){name, file, kind};
}

/* The symbol of a message in which only its name counts: a field, a value, a method. */
static void
add_plain(struct pq_descriptors *d, const struct pq_wire_field *field, const char *scope, int file)
{
	add_symbol(d, joined(d, scope, name_in(d, bytes_of(field), ANY_NAME)), file, SYMBOL_OTHER);
}

static void
add_enum(struct pq_descriptors *d, const struct pq_wire_field *of, const char *scope, int file)
{
	struct pq_wire wire = bytes_of(of);
	struct pq_wire_field field;

	add_plain(d, of, scope, file);
	/* Values are symbols beside their enum, not below it. */
	while (next(d, &wire, &field)) {
		if (field.number == ENUM_VALUE)
			add_plain(d, &field, scope, file);
	}
}

static void
add_message(struct pq_descriptors *d, const struct pq_wire_field *of, const char *scope, int file, unsigned depth)
{
	struct pq_wire wire = bytes_of(of);
	struct pq_wire_field field;
	const char *full = joined(d, scope, name_in(d, wire, ANY_NAME));

	if (depth > NESTING_MAX) {
		d->malformed = true;
		return;
	}
	add_symbol(d, full, file, SYMBOL_MESSAGE);
	while (next(d, &wire, &field)) {
		if (field.number == MESSAGE_FIELD || field.number == MESSAGE_ONEOF || field.number == MESSAGE_EXTENSION)
			add_plain(d, &field, full, file);
		else if (field.number == MESSAGE_NESTED)
			add_message(d, &field, full, file, depth + 1);
		else if (field.number == MESSAGE_ENUM)
			add_enum(d, &field, full, file);
	}
}

static void
add_service(struct pq_descriptors *d, const struct pq_wire_field *of, const char *scope, int file)
{
	struct pq_wire wire = bytes_of(of);
	struct pq_wire_field field;
	const char *full = joined(d, scope, name_in(d, wire, ANY_NAME));

	add_symbol(d, full, file, SYMBOL_SERVICE);
	d->n_services++;
	while (next(d, &wire, &field)) {
		if (field.number == SERVICE_METHOD)
			add_plain(d, &field, full, file);
	}
}

static void
add_file(struct pq_descriptors *d, int file)
{
	const struct pq_descriptor_file *bytes = &d->files[file].bytes;
	struct pq_wire wire = {bytes->data, bytes->data + bytes->len};
	struct pq_wire_field field;
	const char *package = name_in(d, wire, FILE_PACKAGE);

	d->files[file].name = name_in(d, wire, FILE_NAME);
	while (next(d, &wire, &field)) {
		switch (field.number) {
		case FILE_MESSAGE:
			add_message(d, &field, package, file, 0);
			break;
		case FILE_ENUM:
			add_enum(d, &field, package, file);
			break;
		case FILE_SERVICE:
			add_service(d, &field, package, file);
			break;
		case FILE_EXTENSION:
			add_plain(d, &field, package, file);
			break;
		}
	}
}

static int
by_name(const void *left, const void *right)
{
	return strcmp(((const struct symbol *)left)->name, ((const struct symbol *)right)->name);
}

static void
index_set(struct pq_descriptors *d, const uint8_t *set, size_t len)
{
	struct pq_wire wire = {set, set + len};
	struct pq_wire_field field;
	size_t n = 0;

	while (next(d, &wire, &field))
		n += field.number == SET_FILE;
	d->files = pq_arena_array(&d->arena, n, sizeof(*d->files));
	if (d->files == NULL) {
		d->no_memory = true;
		return;
	}
	wire = (struct pq_wire){set, set + len};
	while (next(d, &wire, &field)) {
		if (field.number == SET_FILE)
			d->files[d->n_files++].bytes = (struct pq_descriptor_file){field.data, field.len};
	}
	for (size_t i = 0; i < d->n_files; i++)
		add_file(d, (int)i);
	if (d->n_symbols > 0)
		qsort(d->symbols, d->n_symbols, sizeof(*d->symbols), by_name);

	d->services = pq_arena_array(&d->arena, d->n_services, sizeof(*d->services));
	d->no_memory |= d->services == NULL;
	size_t k = 0;
	for (size_t i = 0; i < d->n_symbols && !d->no_memory; i++) {
		if (d->symbols[i].kind == SYMBOL_SERVICE)
			d->services[k++] = d->symbols[i].name;
	}
}

enum pq_status
pq_descriptors_new(const uint8_t *set, size_t len, struct pq_descriptors **ret, struct pq_err *err)
{
	struct pq_descriptors *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return pq_fail(err, PQ_ENOMEM, "no memory for the descriptors");
	pq_arena_init(&d->arena, INDEX_BYTES);
	index_set(d, set, len);
	if (!d->no_memory && !d->malformed) {
		*ret = d;
		return PQ_OK;
	}
	enum pq_status status = d->malformed ? PQ_EFORMAT : PQ_ENOMEM;
	pq_descriptors_free(d);
	return pq_fail(err, status, "the descriptor set cannot be read");
}

void
pq_descriptors_free(struct pq_descriptors *d)
{
	if (d == NULL)
		return;
	free(d->symbols);
	pq_arena_release(&d->arena);
	free(d);
}

int
pq_descriptors_file(const struct pq_descriptors *d, const char *name)
{
	for (size_t i = 0; i < d->n_files; i++) {
		if (strcmp(d->files[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static const struct symbol *
find(const struct pq_descriptors *d, const char *name)
{
	const struct symbol key = {name, 0, SYMBOL_OTHER};

	return d->n_symbols > 0 ? bsearch(&key, d->symbols, d->n_symbols, sizeof(key), by_name) : NULL;
}

int
pq_descriptors_symbol(const struct pq_descriptors *d, const char *name)
{
	const struct symbol *symbol = find(d, name);

	return symbol != NULL ? symbol->file : -1;
}

bool
pq_descriptors_is_message(const struct pq_descriptors *d, const char *name)
{
	const struct symbol *symbol = find(d, name);

	return symbol != NULL && symbol->kind == SYMBOL_MESSAGE;
}

static int
find_file(const struct pq_descriptors *d, const struct pq_wire_field *name)
{
	for (size_t i = 0; i < d->n_files; i++) {
		if (strlen(d->files[i].name) == name->len && memcmp(d->files[i].name, name->data, name->len) == 0)
			return (int)i;
	}
	return -1;
}

static bool
is_among(const struct pq_descriptor_file *files, size_t n, const struct pq_descriptor_file *file)
{
	for (size_t i = 0; i < n; i++) {
		if (files[i].data == file->data)
			return true;
	}
	return false;
}

size_t
pq_descriptors_closure(const struct pq_descriptors *d, int file, struct pq_descriptor_file *ret)
{
	size_t n = 0;

	ret[n++] = d->files[file].bytes;
	/* What is appended here is looked at in its turn. */
	for (size_t i = 0; i < n; i++) {
		struct pq_wire wire = {ret[i].data, ret[i].data + ret[i].len};
		struct pq_wire_field field;
		while (pq_wire_next(&wire, &field) == PQ_WIRE_FIELD) {
			if (field.number != FILE_DEPENDENCY || field.type != PQ_WIRE_BYTES)
				continue;
			int import = find_file(d, &field);
			if (import >= 0 && !is_among(ret, n, &d->files[import].bytes))
				ret[n++] = d->files[import].bytes;
		}
	}
	return n;
}

size_t
pq_descriptors_n_files(const struct pq_descriptors *d)
{
	return d->n_files;
}

const char *const *
pq_descriptors_services(const struct pq_descriptors *d, size_t *ret_n)
{
	*ret_n = d->n_services;
	return d->services;
}

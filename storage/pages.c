#include "storage/pages.h"

#include "policy/blob.h"
#include "storage/limits.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The layout of LMDB's file format (data version 1, 64-bit), as far as a sealed store uses it. */
#define LMDB_MAGIC 0xBEEFC0DEu
#define LMDB_DATA_VERSION 1u
#define NO_PAGE UINT64_MAX
#define META_PAGES 2u

#define P_BRANCH 0x01
#define P_LEAF 0x02
#define P_OVERFLOW 0x04
#define P_META 0x08
#define F_BIGDATA 0x01 /* of a node: its data is the number of an overflow page */

#define NODE_HEADER_BYTES 8u

/* 65,536 keys of 200 bytes make four levels; LMDB itself stops at 32. */
#define DEPTH_MAX 8u

#define LENGTH_BYTES 8u /* the blob's length, at the end of its value */

/** A page's header: 16 bytes, then offsets of nodes (branch, leaf), the meta, or the value (overflow). */
struct page {
	uint64_t number;
	uint16_t pad;
	uint16_t flags;
	union {
		struct {
			uint16_t lower, upper; /* where the free space starts and ends */
		};
		uint32_t run; /* pages of an overflow run */
	};
};

struct db {
	uint32_t pad; /* of the free list's: the page size */
	uint16_t flags;
	uint16_t depth;
	uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct meta {
	uint32_t magic, version;
	uint64_t address, map_bytes;
	struct db free_list, main;
	uint64_t last_page, transaction;
};

/** A node's header: data size (leaf) or child page (branch), low word first. The key follows, then a leaf's page. */
struct node {
	uint16_t low, high, flags, key_len;
};

_Static_assert(sizeof(struct page) == PQ_PAGE_HEADER_BYTES, "LMDB's page header has 16 bytes");
_Static_assert(sizeof(struct db) == 48 && sizeof(struct meta) == 136, "LMDB's meta has 136 bytes");
_Static_assert(sizeof(struct node) == NODE_HEADER_BYTES, "LMDB's node header has 8 bytes");

struct walk {
	const uint8_t *base;
	uint32_t page_bytes;
	uint64_t page_count;
	uint16_t depth;
	uint64_t branch_pages, leaf_pages, overflow_pages, entries; /* seen so far */
	uint8_t *used;                                              /* a bit a page: seen so far */
	const uint8_t *last_key;
	size_t last_key_len;
	uint64_t at; /* the page being looked at, for the message */
};

uint64_t
pq_value_bytes(uint64_t len, uint32_t page_bytes)
{
	uint64_t pages = (PQ_PAGE_HEADER_BYTES + len + LENGTH_BYTES + page_bytes - 1) / page_bytes;

	return pages * page_bytes - PQ_PAGE_HEADER_BYTES;
}

void
pq_value_fill(void *value, uint64_t value_bytes, const void *data, uint64_t len)
{
	char *bytes = value;

	if (len > 0)
		memcpy(bytes, data, len);
	memset(bytes + len, 0, value_bytes - LENGTH_BYTES - len);
	memcpy(bytes + value_bytes - LENGTH_BYTES, &len, LENGTH_BYTES);
}

uint64_t
pq_value_blob_len(const void *value, uint64_t value_bytes)
{
	uint64_t len;

	memcpy(&len, (const char *)value + value_bytes - LENGTH_BYTES, LENGTH_BYTES);
	return len;
}

static struct page
page_header(const uint8_t *at)
{
	struct page page;

	memcpy(&page, at, sizeof(page));
	return page;
}

/* NULL when the page at `at` is a meta page of a file like ours; else what is wrong. */
static const char *
read_meta(const uint8_t *at, uint64_t number, struct meta *ret_meta)
{
	struct page page = page_header(at);

	memcpy(ret_meta, at + PQ_PAGE_HEADER_BYTES, sizeof(*ret_meta));
	if (page.number != number || page.flags != P_META || ret_meta->magic != LMDB_MAGIC)
		return "it is not a meta page of LMDB";
	if (ret_meta->version != LMDB_DATA_VERSION)
		return "it is of another version of LMDB's file format";
	uint32_t page_bytes = ret_meta->free_list.pad;
	if (page_bytes < PQ_PAGE_BYTES_MIN || page_bytes > PQ_PAGE_BYTES_MAX || (page_bytes & (page_bytes - 1)) != 0)
		return "it has a page size that no seal uses";
	return NULL;
}

uint64_t
pq_pages_expected_bytes(const uint8_t *start, uint64_t len)
{
	const uint64_t need = PQ_PAGE_HEADER_BYTES + sizeof(struct meta);
	struct meta first;
	struct meta second;

	if (len < need || read_meta(start, 0, &first) != NULL)
		return 0;
	uint32_t page_bytes = first.free_list.pad;
	/* A file that ends before its second meta page promises at least that one. */
	if (len < page_bytes + need || read_meta(start + page_bytes, 1, &second) != NULL)
		return (uint64_t)META_PAGES * page_bytes;
	if (second.last_page > PQ_STORE_FILE_BYTES_MAX / page_bytes)
		return 0;
	return (second.last_page + 1) * page_bytes;
}

static const char *
check_metas(struct walk *walk, uint64_t len, struct meta *ret_meta)
{
	struct meta first;
	const char *why = read_meta(walk->base, 0, &first);

	if (why != NULL)
		return why;
	walk->page_bytes = first.free_list.pad;
	walk->page_count = len / walk->page_bytes;
	if (len % walk->page_bytes != 0 || walk->page_count < META_PAGES + 2)
		return "the file is not made of whole pages";
	walk->at = 1;
	why = read_meta(walk->base + walk->page_bytes, 1, ret_meta);
	if (why != NULL)
		return why;
	/* The one transaction of a seal is number 1, which LMDB writes to page 1; page 0 stays as it was created. */
	if (first.transaction != 0 || ret_meta->transaction != 1 || ret_meta->free_list.pad != first.free_list.pad)
		return "the file was written by more than one transaction";
	if (ret_meta->free_list.root != NO_PAGE)
		return "the file has free pages";
	if (ret_meta->main.flags != 0 || ret_meta->main.depth == 0 || ret_meta->main.depth > DEPTH_MAX)
		return "its tree is of a kind that no seal makes";
	if (ret_meta->last_page != walk->page_count - 1)
		return "it counts more or fewer pages than the file has";
	walk->depth = ret_meta->main.depth;
	return NULL;
}

static bool
all_zero(const uint8_t *at, uint64_t len)
{
	return len == 0 || (at[0] == 0 && memcmp(at, at + 1, len - 1) == 0);
}

/* Take `n` pages from `first` on for one use; false where one of them has another. */
static bool
take_pages(struct walk *walk, uint64_t first, uint64_t n)
{
	for (uint64_t page = first; page < first + n; page++) {
		uint8_t bit = (uint8_t)(1u << page % 8);

		if ((walk->used[page / 8] & bit) != 0)
			return false;
		walk->used[page / 8] |= bit;
	}
	return true;
}

static const char *
check_value(struct walk *walk, uint64_t number, uint64_t value_bytes)
{
	walk->at = number;
	if (number < META_PAGES || number >= walk->page_count)
		return "a value lies outside of the file";
	const uint8_t *at = walk->base + number * walk->page_bytes;
	struct page page = page_header(at);

	if (page.number != number || page.flags != P_OVERFLOW || page.pad != 0)
		return "a value lies on a page of another kind";
	if (page.run == 0 || page.run > walk->page_count - number)
		return "a value reaches beyond the file";
	if (value_bytes != (uint64_t)page.run * walk->page_bytes - PQ_PAGE_HEADER_BYTES)
		return "a value does not fill its pages";
	uint64_t len = pq_value_blob_len(at + PQ_PAGE_HEADER_BYTES, value_bytes);

	/* The first test keeps the second from overflowing. */
	if (len > value_bytes - LENGTH_BYTES || pq_value_bytes(len, walk->page_bytes) != value_bytes)
		return "a blob's length does not fit its value";
	if (!all_zero(at + PQ_PAGE_HEADER_BYTES + len, value_bytes - LENGTH_BYTES - len))
		return "a value's padding is not zero";
	if (!take_pages(walk, number, page.run))
		return "a value lies on pages that are in use";
	walk->overflow_pages += page.run;
	return NULL;
}

static const char *
check_key(struct walk *walk, const uint8_t *key, size_t len)
{
	if (len == 0 || len > PQ_BLOB_KEY_MAX || memchr(key, '\0', len) != NULL)
		return "a key is empty, too long, or has a zero byte";
	if (walk->last_key != NULL) {
		size_t shorter = len < walk->last_key_len ? len : walk->last_key_len;
		int order = memcmp(walk->last_key, key, shorter);

		if (order > 0 || (order == 0 && walk->last_key_len >= len))
			return "the keys are not in order";
	}
	walk->last_key = key;
	walk->last_key_len = len;
	return NULL;
}

static const char *check_tree(struct walk *walk, uint64_t number, uint16_t level);

/* The node at `offset` of a page; `end` is the page's end. */
static const char *
check_node(struct walk *walk, const uint8_t *page, uint16_t offset, uint16_t level)
{
	bool leaf = level == walk->depth;
	struct node node;
	uint64_t child;

	if (offset + NODE_HEADER_BYTES > walk->page_bytes)
		return "an entry lies outside of its page";
	memcpy(&node, page + offset, sizeof(node));
	const uint8_t *key = page + offset + NODE_HEADER_BYTES;

	if (offset + NODE_HEADER_BYTES + node.key_len + (leaf ? sizeof(child) : 0) > walk->page_bytes)
		return "an entry reaches beyond its page";
	if (!leaf) {
		child = node.low | (uint64_t)node.high << 16 | (uint64_t)node.flags << 32;
		return check_tree(walk, child, level + 1);
	}
	if (node.flags != F_BIGDATA)
		return "a value is not on pages of its own";
	const char *why = check_key(walk, key, node.key_len);

	if (why != NULL)
		return why;
	walk->entries++;
	memcpy(&child, key + node.key_len, sizeof(child));
	return check_value(walk, child, node.low | (uint64_t)node.high << 16);
}

/* One branch or leaf page and all below it; recursion is as deep as the tree, DEPTH_MAX at most. */
static const char *
check_tree(struct walk *walk, uint64_t number, uint16_t level)
{
	bool leaf = level == walk->depth;

	walk->at = number;
	if (number < META_PAGES || number >= walk->page_count)
		return "the tree points outside of the file";
	if (!take_pages(walk, number, 1))
		return "the tree reaches it twice";
	*(leaf ? &walk->leaf_pages : &walk->branch_pages) += 1;

	const uint8_t *at = walk->base + number * walk->page_bytes;
	struct page page = page_header(at);

	if (page.number != number || page.pad != 0 || page.flags != (leaf ? P_LEAF : P_BRANCH))
		return "it is of another kind than the tree has there";
	if (page.lower < PQ_PAGE_HEADER_BYTES || page.lower % 2 != 0 || page.lower > page.upper ||
	    page.upper > walk->page_bytes)
		return "its free space is out of bounds";
	size_t count = (page.lower - PQ_PAGE_HEADER_BYTES) / 2;

	if (count < (leaf ? 1 : 2))
		return "it has too few entries";
	for (size_t i = 0; i < count; i++) {
		uint16_t offset;

		memcpy(&offset, at + PQ_PAGE_HEADER_BYTES + i * 2, sizeof(offset));
		if (offset < page.upper || offset % 2 != 0)
			return "an entry lies in its free space";
		const char *why = check_node(walk, at, offset, level);

		if (why != NULL)
			return why;
		walk->at = number;
	}
	return NULL;
}

static const char *
check_counts(struct walk *walk, const struct meta *meta)
{
	walk->at = 1;
	if (walk->branch_pages != meta->main.branch_pages || walk->leaf_pages != meta->main.leaf_pages ||
	    walk->overflow_pages != meta->main.overflow_pages || walk->entries != meta->main.entries)
		return "it counts other pages or entries than the tree has";
	if (META_PAGES + walk->branch_pages + walk->leaf_pages + walk->overflow_pages != walk->page_count)
		return "the tree does not use every page once";
	if (walk->entries > PQ_STORE_BLOBS_MAX)
		return "it has more blobs than a store may have";
	return NULL;
}

enum pq_status
pq_pages_check(const uint8_t *base, uint64_t len, const char *path, struct pq_err *err)
{
	struct walk walk = {.base = base};
	struct meta meta;

	if (len < (uint64_t)META_PAGES * PQ_PAGE_BYTES_MIN)
		return pq_fail_at(err, PQ_EFORMAT, path, 0, 0, "is too small for a sealed store: %" PRIu64 " bytes", len);
	const char *why = check_metas(&walk, len, &meta);

	if (why == NULL) {
		walk.used = calloc(walk.page_count / 8 + 1, 1);
		if (walk.used == NULL)
			return pq_fail_at(err, PQ_ENOMEM, path, 0, 0, "cannot be checked: out of memory");
		why = check_tree(&walk, meta.main.root, 1);
	}
	if (why == NULL)
		why = check_counts(&walk, &meta);
	free(walk.used);
	if (why != NULL)
		return pq_fail_at(err, PQ_EFORMAT, path, 0, 0,
		                  "is whole, but not as this program seals a store: page %" PRIu64 ": %s", walk.at, why);
	return PQ_OK;
}

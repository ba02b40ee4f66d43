#include "policy/pack_loader.h"

#include <string.h>

static bool
is_part_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

const char *
pq_ld_path(struct pq_loader *ld, const char *text, size_t len)
{
	char *path = pq_ld_alloc(ld, len + 1);
	size_t n = 0;
	bool between = true; /* parts: a separator was seen, or nothing yet */
	bool open = false;   /* a parenthesis */

	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (is_part_char(c)) {
			if (between && n != 0)
				path[n++] = '.';
			between = false;
			/* Paths are told apart without regard to case, in requests too. */
			path[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
		} else if (c == '.' && !open && (!between || i == 0)) {
			between = true;
		} else if (c == '(' && !open) {
			open = between = true;
		} else if (c == ')' && open && !between) {
			open = false;
			between = true;
			if (i + 1 < len && text[i + 1] != '(' && text[i + 1] != '.')
				return NULL;
		} else {
			return NULL;
		}
	}
	bool ends_well = len != 0 && (is_part_char(text[len - 1]) || text[len - 1] == ')');
	return n != 0 && !open && ends_well ? path : NULL;
}

static size_t
last_part(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot == NULL ? 0 : (size_t)(dot - path) + 1;
}

static bool
parse_count(const char *text, uint32_t *ret)
{
	uint32_t value = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 6)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint32_t)(*text - '0');
	}
	*ret = value;
	return true;
}

static bool
same_alphabet(char a, char b)
{
	return (a >= 'a' && b >= 'a' && a <= 'z' && b <= 'z') || (a >= 'A' && b >= 'A' && a <= 'Z' && b <= 'Z');
}

/** The ends of a range over the last part, both numbers or both single letters. */
static bool
range_ends(const char *first, const char *last, uint32_t *ret_lo, uint32_t *ret_hi, bool *ret_letters)
{
	if (parse_count(first, ret_lo) && parse_count(last, ret_hi)) {
		*ret_letters = false;
		return *ret_lo <= *ret_hi;
	}
	if (strlen(first) != 1 || strlen(last) != 1 || !same_alphabet(first[0], last[0]))
		return false;
	*ret_letters = true;
	*ret_lo = (unsigned char)first[0];
	*ret_hi = (unsigned char)last[0];
	return *ret_lo <= *ret_hi;
}

struct path_list {
	PQ_VEC(const char *) paths;
};

/** One word of a cell: a path, or two with "-" between. */
static bool
add_word(struct pq_loader *ld, struct path_list *list, const char *word, struct pq_src src)
{
	const char *dash = strchr(word, '-');
	size_t len = dash == NULL ? strlen(word) : (size_t)(dash - word);
	const char *first = pq_ld_path(ld, word, len);
	const char *last = dash == NULL ? first : pq_ld_path(ld, dash + 1, strlen(dash + 1));
	uint32_t lo, hi;
	bool letters;

	if (first == NULL || last == NULL) {
		pq_ld_error(ld, src, "\"%s\" is no path: write .a.2 or (a)(2), with a space between two", word);
		return false;
	}
	if (dash == NULL) {
		*PQ_VEC_PUSH(ld, &list->paths) = first;
		return true;
	}
	size_t stem = last_part(first);
	if (stem != last_part(last) || strncmp(first, last, stem) != 0 ||
	    !range_ends(first + stem, last + stem, &lo, &hi, &letters)) {
		pq_ld_error(ld, src, "\"%s\" is no range: its ends differ in the last part only, numbers or letters, rising",
		            word);
		return false;
	}
	if (hi - lo >= PQ_LD_MAX_PATHS) {
		pq_ld_error(ld, src, "the range \"%s\" has more than %u paths", word, PQ_LD_MAX_PATHS);
		return false;
	}
	for (uint32_t i = lo; i <= hi; i++) {
		*PQ_VEC_PUSH(ld, &list->paths) = letters ? pq_ld_printf(ld, "%.*s%c", (int)stem, first, (char)i)
		                                         : pq_ld_printf(ld, "%.*s%u", (int)stem, first, i);
	}
	return true;
}

bool
pq_ld_paths_cell(struct pq_loader *ld, const char *text, struct pq_src src, struct pq_paths *ret)
{
	struct path_list list = {0};
	const char *word;
	bool good = true, except = false;

	*ret = (struct pq_paths){.mode = PQ_PATHS_ALL};
	if (text[0] == '\0' || strcmp(text, "entire") == 0)
		return true;
	while ((word = pq_ld_piece(ld, &text, ' ')) != NULL) {
		if (strcmp(word, "except") == 0 && !except && list.paths.n == 0)
			except = true;
		else
			good &= add_word(ld, &list, word, src);
		if (list.paths.n > PQ_LD_MAX_PATHS) {
			pq_ld_error(ld, src, "more than %u paths in one cell", PQ_LD_MAX_PATHS);
			return false;
		}
	}
	if (good && list.paths.n == 0) {
		pq_ld_error(ld, src, "\"except\" names no path");
		good = false;
	}
	*ret = (struct pq_paths){except ? PQ_PATHS_EXCEPT : PQ_PATHS_LIST, list.paths.at, list.paths.n};
	return good;
}

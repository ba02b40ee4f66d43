/*
 * pratique grid: every destination × every classification × every date, decided, and written so that a later change
 * shows which cells moved.
 *
 * A line of the output is a classification on a date with a number: that of its row of answers over all destinations,
 * in their order. Rows of answers are written once, a letter a destination. From the second date on only
 * classifications whose row differs from the date before are written.
 */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/source.h"
#include "policy/calendar.h"
#include "policy/request.h"
#include "storage/files.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GRID_ARENA ((size_t)1 << 30)

/* Outcome and review policy as one letter; capitals let the goods go or do not, see the head of the output. */
static char
letter(const struct pq_decision *d)
{
	switch (d->outcome) {
	case PQ_OUTCOME_NOT_SUBJECT: return '-';
	case PQ_OUTCOME_SUBJECT_TO_EAR: return '=';
	case PQ_OUTCOME_NO_LICENSE_REQUIRED: return '.';
	case PQ_OUTCOME_EXEMPTION_AVAILABLE: return 'e';
	case PQ_OUTCOME_LICENSE_EXCEPTION_AVAILABLE: return 'x';
	case PQ_OUTCOME_NEEDS_INFORMATION: return '?';
	case PQ_OUTCOME_REFER: return '!';
	case PQ_OUTCOME_LICENSE_REQUIRED: return (char)('A' + d->policy);
	case PQ_OUTCOME_PROHIBITED: return '#';
	case PQ_OUTCOME_NONE:
	case PQ_OUTCOME_COUNT: break;
	}
	return '*';
}

struct grid {
	const struct pq_image *image;
	struct pq_arena keep;      /* lists, rows of answers */
	struct pq_arena scratch;   /* one decision */
	struct pq_texts destinations, codes;
	struct pq_dates dates;
	struct pq_request base;
	char **rows;               /* distinct rows of answers */
	size_t n_rows, cap_rows;
	uint32_t *last;            /* by classification: its row on the date before, + 1 */
	EVP_MD_CTX *sha;
	FILE *out;
	size_t cells;
};

static void
put(struct grid *g, const char *text)
{
	EVP_DigestUpdate(g->sha, text, strlen(text));
	fputs(text, g->out);
}

/* The facts of the profile, with the three that vary. */
static enum pq_status
decide_cell(struct grid *g, const char *code, const char *destination, int32_t date, char *ret, struct pq_err *err)
{
	struct pq_request request = g->base;
	struct pq_decision decision;

	pq_arena_reset(&g->scratch);
	size_t n = g->base.facts.n + 2;
	struct pq_fact *facts = pq_arena_array(&g->scratch, n, sizeof(*facts));
	if (facts == NULL)
		return pq_fail(err, PQ_ENOMEM, "out of memory");
	memcpy(facts, g->base.facts.at, g->base.facts.n * sizeof(*facts));
	facts[n - 2] = (struct pq_fact){
	    {"item.eccn", strlen("item.eccn")}, {.kind = PQ_VALUE_TEXT, .text = {code, strlen(code)}}};
	facts[n - 1] = (struct pq_fact){
	    {"destination", strlen("destination")}, {.kind = PQ_VALUE_TEXT, .text = {destination, strlen(destination)}}};
	request.facts = (struct pq_facts){facts, n};
	request.as_of = date;
	enum pq_status status = pq_decide(g->image, &request, &g->scratch, &decision, NULL, NULL, err);
	if (status == PQ_OK)
		*ret = letter(&decision);
	return status;
}

static uint32_t
row_number(struct grid *g, const char *row)
{
	for (size_t i = 0; i < g->n_rows; i++) {
		if (strcmp(g->rows[i], row) == 0)
			return (uint32_t)i;
	}
	if (g->n_rows == g->cap_rows) {
		size_t cap = g->cap_rows > 0 ? g->cap_rows * 2 : 1024;
		char **rows = pq_arena_array(&g->keep, cap, sizeof(*rows));
		if (rows == NULL)
			return UINT32_MAX;
		if (g->n_rows > 0)
			memcpy(rows, g->rows, g->n_rows * sizeof(*rows));
		g->rows = rows;
		g->cap_rows = cap;
	}
	char *copy = pq_arena_strndup(&g->keep, row, strlen(row));
	if (copy == NULL)
		return UINT32_MAX;
	g->rows[g->n_rows] = copy;
	char head[32];
	snprintf(head, sizeof(head), "row %zu ", g->n_rows);
	put(g, head);
	put(g, copy);
	put(g, "\n");
	return (uint32_t)g->n_rows++;
}

static enum pq_status
run_date(struct grid *g, int32_t date, struct pq_err *err)
{
	char text[16], *row = malloc(g->destinations.n + 1);

	if (row == NULL)
		return pq_fail(err, PQ_ENOMEM, "out of memory");
	pq_date_format(date, text, sizeof(text));
	put(g, "date ");
	put(g, text);
	put(g, "\n");
	enum pq_status status = PQ_OK;
	for (size_t c = 0; c < g->codes.n && status == PQ_OK; c++) {
		for (size_t d = 0; d < g->destinations.n && status == PQ_OK; d++)
			status = decide_cell(g, g->codes.at[c], g->destinations.at[d], date, &row[d], err);
		if (status != PQ_OK)
			break;
		row[g->destinations.n] = '\0';
		g->cells += g->destinations.n;
		uint32_t number = row_number(g, row);
		if (number == UINT32_MAX) {
			status = pq_fail(err, PQ_ENOMEM, "out of memory");
		} else if (g->last[c] != number + 1) {
			char line[200];
			snprintf(line, sizeof(line), "%s %u\n", g->codes.at[c], number);
			put(g, line);
			g->last[c] = number + 1;
		}
	}
	free(row);
	return status;
}

static enum pq_status
prepare(struct grid *g, const char *profile, int32_t from, int32_t until, struct pq_err *err)
{
	const char *data;
	size_t len;

	enum pq_status status = pq_files_read(profile, PQ_REQUEST_JSON_MAX, &g->keep, &data, &len, err);
	if (status == PQ_OK)
		status = pq_request_from_json(data, len, &g->keep, &g->base, err);
	if (status == PQ_OK)
		status = pq_image_symbols_of(g->image, "destination", &g->keep, &g->destinations, err);
	if (status == PQ_OK)
		status = pq_image_codes_of(g->image, "item.eccn", &g->keep, &g->codes, err);
	if (status == PQ_OK)
		status = pq_image_dates(g->image, from, until, &g->keep, &g->dates, err);
	if (status != PQ_OK)
		return status;
	g->last = pq_arena_array(&g->keep, g->codes.n + 1, sizeof(*g->last));
	if (g->last == NULL)
		return pq_fail(err, PQ_ENOMEM, "out of memory");
	put(g, "# - not subject, . no licence required, x exception, e exemption, ? needs information, ! refer, # prohibited,\n"
	       "# A to H licence required: policy none, generally approved, presumption of approval, case by case, as stated,\n"
	       "# presumption of denial, generally denied, policy of denial\n# destinations");
	for (size_t i = 0; i < g->destinations.n; i++) {
		put(g, " ");
		put(g, g->destinations.at[i]);
	}
	put(g, "\n");
	return PQ_OK;
}

static enum pq_status
run_all(struct grid *g, int32_t from, struct pq_err *err)
{
	enum pq_status status = run_date(g, from, err);

	for (size_t i = 0; i < g->dates.n && status == PQ_OK; i++) {
		if (g->dates.at[i] != from)
			status = run_date(g, g->dates.at[i], err);
	}
	return status;
}

static void
report(struct grid *g, const struct timespec *begin)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n_digest = 0;
	struct timespec end;

	EVP_DigestFinal_ex(g->sha, digest, &n_digest);
	clock_gettime(CLOCK_MONOTONIC, &end);
	double seconds = (double)(end.tv_sec - begin->tv_sec) + (double)(end.tv_nsec - begin->tv_nsec) / 1e9;
	fprintf(stderr, "%zu cells: %zu destinations x %zu classifications x %zu dates, %zu distinct rows, %.1f s\nsha256 ",
	        g->cells, g->destinations.n, g->codes.n, g->destinations.n * g->codes.n > 0 ? g->cells / (g->destinations.n * g->codes.n) : 0,
	        g->n_rows, seconds);
	for (unsigned int i = 0; i < n_digest; i++)
		fprintf(stderr, "%02x", digest[i]);
	fputc('\n', stderr);
}

static int
run_grid(const char *store, const char *profile, const char *out, int32_t from, int32_t until)
{
	struct pq_source source = {0};
	struct grid g = {0};
	struct pq_err err = {0};
	struct timespec begin;

	if (pq_source_open_store(&source, store, &err) != PQ_OK)
		return pq_cli_fail(&err);
	g.image = source.image;
	g.out = out != NULL ? fopen(out, "w") : stdout;
	if (g.out == NULL) {
		pq_source_close(&source);
		pq_cli_say("%s: cannot be written", out);
		return PQ_EXIT_FAILED;
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	pq_arena_init(&g.keep, GRID_ARENA);
	pq_arena_init(&g.scratch, PQ_CLI_DECISION_BYTES);
	g.sha = EVP_MD_CTX_new();
	enum pq_status status = PQ_OK;
	if (g.sha == NULL || EVP_DigestInit_ex(g.sha, EVP_sha256(), NULL) != 1)
		status = pq_fail(&err, PQ_ENOMEM, "out of memory");
	if (status == PQ_OK)
		status = prepare(&g, profile, from, until, &err);
	if (status == PQ_OK)
		status = run_all(&g, from, &err);
	int code = status == PQ_OK ? PQ_EXIT_OK : pq_cli_fail(&err);
	if (status == PQ_OK)
		report(&g, &begin);
	if (out != NULL && fclose(g.out) != 0)
		code = PQ_EXIT_FAILED;
	EVP_MD_CTX_free(g.sha);
	pq_arena_release(&g.keep);
	pq_arena_release(&g.scratch);
	pq_source_close(&source);
	return code;
}

int
pq_cmd_grid(int argc, char **argv)
{
	enum { STORE, OUT, SINCE, UNTIL };
	static const struct pq_flag table[] = {{"store", 0, true}, {"output", 'o', true}, {"since", 0, true},
	                                       {"until", 0, true}, {0}};
	struct pq_flags options = {0};
	const char *store = NULL, *out = NULL;
	int32_t from = 0, until = PQ_DATE_MAX;
	bool since = false;

	for (int option; (option = pq_flags_next(&options, argc, argv, table)) >= 0;) {
		if (option == STORE)
			store = options.value;
		if (option == OUT)
			out = options.value;
		int32_t *date = option == SINCE ? &from : option == UNTIL ? &until : NULL;
		if (date != NULL && !pq_date_parse(options.value, strlen(options.value), date))
			return pq_cli_usage(argv[0], "\"%s\" is no date that exists, YYYY-MM-DD", options.value);
		since |= option == SINCE;
	}
	if (options.stop)
		return options.code;
	if (store == NULL || !since || argc - optind != 1)
		return pq_cli_usage(argv[0], "name the store, the first day and a request: --store FILE --since DATE REQUEST.json");
	return run_grid(store, argv[optind], out, from, until);
}

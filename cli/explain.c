#include "cli/cli.h"
#include "cli/html.h"
#include "cli/page.h"
#include "cli/question.h"
#include "policy/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
write_html(const struct pq_question *question, FILE *out)
{
	pq_html_print(&question->request, &question->decision, question->digest, question->image, out);
}

/* The file is written whole beside its place and then put there, so that nobody reads half a page. */
static int
write_file(const struct pq_question *question, struct pq_arena *arena)
{
	const char *path = question->own;
	char *beside = pq_arena_printf(arena, "%s.XXXXXX", path);

	if (beside == NULL) {
		pq_cli_say("no memory");
		return PQ_EXIT_FAILED;
	}
	mode_t mask = umask(0); /* a temporary file is private; the page is as any other file */
	umask(mask);
	int fd = mkstemp(beside);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (out == NULL) {
		pq_cli_say("%s: cannot be written: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return PQ_EXIT_FAILED;
	}
	write_html(question, out);
	bool failed = ferror(out) != 0;
	failed |= fchmod(fd, 0666 & ~mask) != 0;
	failed |= fclose(out) != 0;
	if (!failed && rename(beside, path) == 0)
		return PQ_EXIT_OK;
	pq_cli_say("%s: cannot be written: %s", path, strerror(errno));
	unlink(beside);
	return PQ_EXIT_FAILED;
}

static int
print(const struct pq_question *question, struct pq_arena *arena)
{
	if (question->own != NULL && strcmp(question->own, "-") == 0) {
		write_html(question, stdout);
		return PQ_EXIT_OK;
	}
	pq_page_print(&question->request, &question->decision, question->digest, true, stdout);
	pq_page_print_answerer(question->by, stdout);
	return question->own != NULL ? write_file(question, arena) : PQ_EXIT_OK;
}

int
pq_cmd_explain(int argc, char **argv)
{
	static const struct pq_flag html = {"html", 0, true};

	return pq_question_run(argc, argv, &html, PQ_NEAR_MISSES_USUAL, print);
}

/*
 * The command line of `pratique`, for the commands that only read: nothing is written, no server is asked. The input is
 * cut at its zeros. Words that begin with @ stand for files that are there: @law a store, @cases a file of cases,
 * @request a request; no other file of the machine can be named. Exit codes are those of docs/request.md, and whatever
 * was said, nothing in the output drives the terminal.
 *
 * fuzz: -max_len=2048
 */
#include "cli/cli.h"
#include "tests/support/tiny_store.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS_MAX 48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char a_request[] =
	"{\"as_of\":\"2026-03-02\",\"request\":{\"transaction_type\":\"export\","
	"\"destination\":\"BB\",\"value_usd\":50,\"parties\":[{\"role\":\"end_user\",\"country\":\"BB\","
	"\"lists\":[]}]}}";
static const char some_cases[] =
	"{\"id\":\"a\",\"as_of\":\"2026-03-02\",\"request\":{\"transaction_type\":\"export\",\"destination\":\"BB\","
	"\"value_usd\":50,\"parties\":[{\"role\":\"end_user\",\"lists\":[]}]},"
	"\"expected\":{\"outcome\":\"LICENSE_EXCEPTION_AVAILABLE\"}}\n"
	"{\"id\":\"b\",\"as_of\":\"2026-03-02\",\"request\":{},\"expected\":{\"outcome\":\"REFER\"}}\n";

/* What a word stands for, and its path. */
static struct {
	const char *word;
	char path[32];
} files[] = {{.word = "@law"}, {.word = "@cases"}, {.word = "@request"}};

static const char *const commands[] = {"decide", "explain",   "cases", "calendar", "inspect",
                                       "verify", "revisions", "help",  "version"};

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static void
name_file(size_t i, int fd)
{
	must(fd >= 0);
	snprintf(files[i].path, sizeof(files[i].path), "/proc/self/fd/%d", fd);
}

static void
make_text(size_t i, const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	name_file(i, fd);
}

static void
make_files(void)
{
	char folder[] = "/tmp/pq-fuzz-XXXXXX", path[64];

	must(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/law.mdb", folder);
	tiny_store_seal(path);
	name_file(0, open(path, O_RDONLY | O_CLOEXEC));
	must(unlink(path) == 0 && rmdir(folder) == 0);
	make_text(1, some_cases);
	make_text(2, a_request);
	int null = open("/dev/null", O_RDONLY);
	must(null >= 0 && dup2(null, STDIN_FILENO) == STDIN_FILENO);
	close(null);
}

/* Is it an option that asks a server or writes a file, however much it is cut short? */
static bool
is_barred(const char *word)
{
	size_t len = strcspn(word, "=");

	if (len < 3 || strncmp(word, "--", 2) != 0)
		return false;
	return strncmp("--server", word, len) == 0 || strncmp("--html", word, len) == 0;
}

/* A word that names a file, or a copy that can name none; the caller's to free. */
static char *
confine(const char *word)
{
	const char *value = word[0] == '-' && strchr(word, '=') != NULL ? strchr(word, '=') + 1 : word;
	char *copy;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (strcmp(value, files[i].word) == 0) {
			must(asprintf(&copy, "%.*s%s", (int)(value - word), word, files[i].path) >= 0);
			return copy;
		}
	}
	copy = strdup(word);
	must(copy != NULL);
	for (char *at = copy; *at != '\0'; at++) {
		if (*at == '/')
			*at = '_';
	}
	return copy;
}

static void
check_output(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		must(((unsigned char)text[i] >= 0x20 && text[i] != 0x7f) || text[i] == '\n');
	free(text);
}

static void
run(int argc, char **argv)
{
	FILE *real_out = stdout, *real_err = stderr;
	char *out, *err;
	size_t out_len, err_len;

	stdout = open_memstream(&out, &out_len);
	stderr = open_memstream(&err, &err_len);
	must(stdout != NULL && stderr != NULL);
	optind = 0;
	int code = pq_cli_main(argc, argv);
	must(fclose(stdout) == 0 && fclose(stderr) == 0);
	stdout = real_out;
	stderr = real_err;
	must(code >= PQ_EXIT_OK && code <= PQ_EXIT_INVALID);
	/* Whoever fails says why, but for cases that fail, of which the output tells. */
	must(code == PQ_EXIT_OK || err_len > 0 || out_len > 0);
	must(code != PQ_EXIT_USAGE || err_len > 0);
	check_output(out, out_len);
	check_output(err, err_len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, *words[WORDS_MAX + 2] = {"pratique"};
	int n = 1;
	bool barred = false;

	if (files[0].path[0] == '\0')
		make_files();
	if (size == 0)
		return 0;
	text = malloc(size);
	must(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	words[n++] = strdup(commands[data[0] % (sizeof(commands) / sizeof(commands[0]))]);
	for (const char *at = text; at < text + size - 1 && n <= WORDS_MAX; at += strlen(at) + 1) {
		barred = barred || is_barred(at);
		words[n++] = confine(at);
	}
	/* getopt_long() moves the words about. */
	char *moved[WORDS_MAX + 2];
	memcpy(moved, words, sizeof(moved));
	if (!barred)
		run(n, moved);
	for (int i = 1; i < n; i++)
		free(words[i]);
	free(text);
	return 0;
}

/*
 * A main for fuzz targets without libFuzzer, so that every ordinary test run feeds them their corpus and they cannot
 * rot. Besides each file itself it tries damaged copies of it (cut short, bytes changed), the same ones every time:
 * PQ_FUZZ_MUTATIONS a file, 64 unless set.
 *
 * Usage: fuzz_NAME CORPUS...   (files, or folders of files; a folder that does not exist is an empty corpus)
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long inputs;

static void
die(const char *what)
{
	fprintf(stderr, "fuzz_replay: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* A copy of exactly `size` bytes on the heap, so that ASan sees the first byte read past it. */
static void
feed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size != 0 ? size : 1);

	if (copy == NULL)
		die("malloc");
	if (size != 0)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	inputs++;
}

/* xorshift64: any sequence will do, it only has to be the same one on every machine. */
static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
feed_damaged(const uint8_t *data, size_t size, unsigned long mutations)
{
	uint64_t state = 0x9e3779b97f4a7c15u ^ size;
	uint8_t *copy = malloc(size);

	if (copy == NULL)
		die("malloc");
	for (unsigned long i = 0; i < mutations; i++) {
		size_t kept = i % 2 == 0 ? size : (size_t)(next_random(&state) % size);
		uint64_t changes = 1 + next_random(&state) % 4;

		memcpy(copy, data, size);
		for (uint64_t c = 0; kept != 0 && c < changes; c++)
			copy[next_random(&state) % kept] = (uint8_t)next_random(&state);
		feed(copy, kept);
	}
	free(copy);
}

static void
replay_file(const char *path, unsigned long mutations)
{
	FILE *file = fopen(path, "rb");
	struct stat st;

	if (file == NULL || fstat(fileno(file), &st) != 0)
		die(path);
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size != 0 ? size : 1);
	if (data == NULL || fread(data, 1, size, file) != size)
		die(path);
	fclose(file);

	/* Named before it is fed: the last name printed is the input on which a target dies. */
	printf("%s\n", path);
	fflush(stdout);
	feed(data, size);
	if (size != 0)
		feed_damaged(data, size, mutations);
	free(data);
}

static void
replay_folder(const char *path, unsigned long mutations)
{
	struct dirent **names;
	int count = scandir(path, &names, NULL, alphasort);

	if (count < 0)
		die(path);
	for (int i = 0; i < count; i++) {
		char *file;

		if (names[i]->d_name[0] != '.') {
			if (asprintf(&file, "%s/%s", path, names[i]->d_name) < 0)
				die("asprintf");
			replay_file(file, mutations);
			free(file);
		}
		free(names[i]);
	}
	free(names);
}

int
main(int argc, char **argv)
{
	const char *wish = getenv("PQ_FUZZ_MUTATIONS");
	unsigned long mutations = wish != NULL ? strtoul(wish, NULL, 10) : 64;

	feed((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) != 0) {
			if (errno != ENOENT)
				die(argv[i]);
			continue;
		}
		if (S_ISDIR(st.st_mode))
			replay_folder(argv[i], mutations);
		else
			replay_file(argv[i], mutations);
	}
	printf("%lu inputs replayed\n", inputs);
	return 0;
}

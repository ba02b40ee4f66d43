/** Inside of the random packs: text, words and conditions. Only tests/support/random_*.c include this. */
#ifndef PQ_TESTS_RANDOM_WORDS_H
#define PQ_TESTS_RANDOM_WORDS_H

#include "policy/arena.h"
#include "tests/support/random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/** The file that is being written, and chance. */
struct maker {
	struct pq_random random;
	struct pq_arena *arena;
	char *text;
	size_t len, room;
	int n_rules;
	bool symbols_only; /* no comparisons: under `not` */
};

void put(struct maker *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t below(struct maker *m, size_t n);
bool chance(struct maker *m, unsigned percent);

/* Lists of words end with NULL. */
extern const char *const countries[];
extern const char *const groups[];
extern const char *const kinds[];
extern const char *const lists[];
extern const char *const entries[];
extern const char *const controls[];
extern const char *const statuses[];
extern const char *const roles[];
extern const char *const deals[];
extern const char *const paths[];
extern const char *const exceptions[];
extern const char *const reasons[];
extern const char *const authorities[];
extern const char *const laws[];
extern const char *const outcomes[];
extern const char *const policies[];
extern const char *const days[];
extern const char *const amounts[];

const char *pick(struct maker *m, const char *const *words);
/** "[a, b]": some of the words, at least one and each once. */
void put_some(struct maker *m, const char *const *words);

/* Attributes have levels: a condition for level n asks only for lower ones. */
enum { AFTER_JURISDICTION = 50, AFTER_DECISION = 60 };

/** A mapping of conditions for an element of `scope` ('r' = the request, 'p', 'o', 'h', 'i'), nested `depth` deep. */
void put_condition(struct maker *m, char scope, int level, int depth);
/** All rules of the pack. */
void put_rules(struct maker *m);

#endif

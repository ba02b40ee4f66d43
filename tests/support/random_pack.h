/**
 * Random packs: the files of one small pack, as text, that the loader accepts. They use every type of attribute, form
 * of condition, quantifier, form of derive rule, kind of rule, form of silence, and stays, amendments, savings clauses
 * and doubtful cells.
 */
#ifndef PQ_TESTS_RANDOM_PACK_H
#define PQ_TESTS_RANDOM_PACK_H

#include "policy/arena.h"
#include "policy/image.h"
#include "policy/model.h"
#include "policy/pack.h"

#define PQ_RANDOM_PACK_FILES 8

struct pq_random_pack {
	struct pq_pack_file files[PQ_RANDOM_PACK_FILES];
	size_t n;
};

/** Equal seeds give equal packs. The text lives in `arena`. */
void pq_random_pack(uint64_t seed, struct pq_arena *arena, struct pq_random_pack *ret);

/**
 * Load and compile the pack of a seed. False: the loader refuses it (a condition that can never hold, ...). The model lives
 * in `arena`, *ret_image ends with pq_image_close(). Aborts where a pack that was loaded cannot be compiled.
 */
bool pq_random_image(uint64_t seed, struct pq_arena *arena, struct pq_model **ret_model, struct pq_image **ret_image);

#endif

#include "server/replicas.h"

#include "server/limits.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	char name[129], digest[65], error[257], version[33];
	uint64_t sequence;
	uint32_t age_s;
	int64_t at_s;
};

struct pq_replicas {
	pthread_mutex_t lock;
	struct entry entries[PQ_SERVER_REPLICAS_MAX]; /* by name */
	size_t n;
};

struct pq_replicas *
pq_replicas_new(void)
{
	struct pq_replicas *replicas = calloc(1, sizeof(*replicas));

	if (replicas != NULL)
		pthread_mutex_init(&replicas->lock, NULL);
	return replicas;
}

void
pq_replicas_free(struct pq_replicas *replicas)
{
	if (replicas == NULL)
		return;
	pthread_mutex_destroy(&replicas->lock);
	free(replicas);
}

static void
forget(struct pq_replicas *replicas, size_t i)
{
	replicas->n--;
	memmove(&replicas->entries[i], &replicas->entries[i + 1], (replicas->n - i) * sizeof(replicas->entries[0]));
}

static void
forget_silent(struct pq_replicas *replicas, int64_t now_s)
{
	size_t longest = 0;

	for (size_t i = replicas->n; i-- > 0;) {
		if (now_s - replicas->entries[i].at_s > PQ_SERVER_REPLICA_S)
			forget(replicas, i);
	}
	for (size_t i = 1; i < replicas->n; i++)
		longest = replicas->entries[i].at_s < replicas->entries[longest].at_s ? i : longest;
	if (replicas->n == PQ_SERVER_REPLICAS_MAX)
		forget(replicas, longest);
}

/* The entry of a name, made where there is none. */
static struct entry *
entry_of(struct pq_replicas *replicas, const char *name)
{
	size_t i = 0;
	char cut[sizeof(replicas->entries[0].name)];

	snprintf(cut, sizeof(cut), "%s", name);
	while (i < replicas->n && strcmp(replicas->entries[i].name, cut) < 0)
		i++;
	struct entry *entry = &replicas->entries[i];
	if (i == replicas->n || strcmp(entry->name, cut) != 0) {
		memmove(entry + 1, entry, (replicas->n - i) * sizeof(*entry));
		memcpy(entry->name, cut, sizeof(cut));
		replicas->n++;
	}
	return entry;
}

void
pq_replicas_note(struct pq_replicas *replicas, const Pratique__V1__Replica *replica, int64_t now_s)
{
	pthread_mutex_lock(&replicas->lock);
	forget_silent(replicas, now_s);
	struct entry *entry = entry_of(replicas, replica->name);
	snprintf(entry->digest, sizeof(entry->digest), "%s", replica->digest);
	snprintf(entry->error, sizeof(entry->error), "%s", replica->error);
	snprintf(entry->version, sizeof(entry->version), "%s", replica->version);
	entry->sequence = replica->sequence;
	entry->age_s = replica->age_s;
	entry->at_s = now_s;
	pthread_mutex_unlock(&replicas->lock);
}

static char *
text(struct pq_arena *arena, const char *from)
{
	return pq_arena_strndup(arena, from, strlen(from));
}

static Pratique__V1__Replica *
message_of(const struct entry *entry, int64_t now_s, struct pq_arena *arena)
{
	Pratique__V1__Replica *message = pq_arena_alloc(arena, sizeof(*message));

	if (message == NULL)
		return NULL;
	pratique__v1__replica__init(message);
	message->name = text(arena, entry->name);
	message->digest = text(arena, entry->digest);
	message->error = text(arena, entry->error);
	message->version = text(arena, entry->version);
	message->sequence = entry->sequence;
	message->age_s = entry->age_s;
	message->reported_s = (uint32_t)(now_s > entry->at_s ? now_s - entry->at_s : 0);
	bool whole = message->name != NULL && message->digest != NULL && message->error != NULL && message->version != NULL;
	return whole ? message : NULL;
}

enum pq_status
pq_replicas_list(struct pq_replicas *replicas, int64_t now_s, struct pq_arena *arena,
                 Pratique__V1__Replica ***ret_list, size_t *ret_n)
{
	size_t n = 0;

	pthread_mutex_lock(&replicas->lock);
	Pratique__V1__Replica **list = pq_arena_array(arena, replicas->n, sizeof(*list));
	bool good = list != NULL;
	for (size_t i = 0; i < replicas->n && good; i++) {
		if (now_s - replicas->entries[i].at_s > PQ_SERVER_REPLICA_S)
			continue;
		list[n] = message_of(&replicas->entries[i], now_s, arena);
		good = list[n++] != NULL;
	}
	pthread_mutex_unlock(&replicas->lock);
	if (!good)
		return PQ_ENOMEM;
	*ret_list = list;
	*ret_n = n;
	return PQ_OK;
}

size_t
pq_replicas_lags(struct pq_replicas *replicas, int64_t now_s, struct pq_replica_lag *ret)
{
	size_t n = 0;

	pthread_mutex_lock(&replicas->lock);
	for (size_t i = 0; i < replicas->n; i++) {
		const struct entry *entry = &replicas->entries[i];
		int64_t silent_s = now_s > entry->at_s ? now_s - entry->at_s : 0;
		if (silent_s > PQ_SERVER_REPLICA_S)
			continue;
		ret[n] = (struct pq_replica_lag){.sequence = entry->sequence, .seconds = silent_s + entry->age_s};
		memcpy(ret[n++].name, entry->name, sizeof(entry->name));
	}
	pthread_mutex_unlock(&replicas->lock);
	return n;
}

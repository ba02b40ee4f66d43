/*
 * Deciding the grid. A cell is decided on the first day and then on the first day on which its answer need not stand
 * any more (policy/window.h), and cells that the law treats alike are decided once (policy/classes.h); so the work
 * grows with what the law tells apart, not with the number of cells. A sample of cells is decided in full beside it.
 * Threads take rows.
 */
#include "cli/cli.h"
#include "cli/grid.h"
#include "policy/window.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ---- */

static uint64_t
hash_of(const char *text, size_t len)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
	hash = (hash ^ (hash >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return hash ^ (hash >> 32);
}

static bool
grow(struct pq_grid_texts *t)
{
	size_t cap = t->cap > 0 ? t->cap * 2 : 1024;
	const char **at = pq_arena_array(t->arena, cap, sizeof(*at));
	uint64_t *hashes = pq_arena_array(t->arena, cap, sizeof(*hashes));
	uint32_t *slots = pq_arena_array(t->arena, 2 * cap, sizeof(*slots));

	if (at == NULL || hashes == NULL || slots == NULL)
		return false;
	for (size_t i = 0; i < t->n; i++) {
		size_t slot = t->hashes[i] % (2 * cap);
		at[i] = t->at[i];
		hashes[i] = t->hashes[i];
		while (slots[slot] != 0)
			slot = (slot + 1) % (2 * cap);
		slots[slot] = (uint32_t)i + 1;
	}
	t->at = at;
	t->hashes = hashes;
	t->slots = slots;
	t->cap = cap;
	t->n_slots = 2 * cap;
	return true;
}

bool
pq_grid_text(struct pq_grid_texts *t, const char *text, size_t len, uint32_t *ret)
{
	uint64_t hash = hash_of(text, len);

	if (t->n == t->cap && !grow(t))
		return false;
	size_t slot = hash % t->n_slots;
	for (; t->slots[slot] != 0; slot = (slot + 1) % t->n_slots) {
		uint32_t i = t->slots[slot] - 1;
		if (t->hashes[i] == hash && strlen(t->at[i]) == len && memcmp(t->at[i], text, len) == 0) {
			*ret = i;
			return true;
		}
	}
	const char *copy = pq_arena_strndup(t->arena, text, len);
	if (copy == NULL)
		return false;
	t->at[t->n] = copy;
	t->hashes[t->n] = hash;
	*ret = (uint32_t)t->n++;
	t->slots[slot] = *ret + 1;
	return true;
}

/* ---- answers ---- */

/* What a cell's answer is held to be: what a case expects of one. */
static const char *
words_of(const struct pq_decision *d, struct pq_arena *arena)
{
	const char *text = pq_outcome_name(d->outcome);

	if (d->policy != PQ_POLICY_NONE)
		text = pq_arena_printf(arena, "%s; review %s", text, pq_policy_name(d->policy));
	for (size_t i = 0; i < d->n_available && text != NULL; i++)
		text = pq_arena_printf(arena, "%s%s%s", text, i == 0 ? "; by " : ", ", d->available[i].name);
	for (size_t i = 0; i < d->n_missing && text != NULL; i++)
		text = pq_arena_printf(arena, "%s%s%s", text, i == 0 ? "; missing " : ", ", d->missing[i].name);
	for (size_t i = 0; i < d->n_obligations && text != NULL; i++)
		text = pq_arena_printf(arena, "%s%s%s", text, i == 0 ? "; duties " : ", ", d->obligations[i].label);
	if (text != NULL && !d->exact)
		text = pq_arena_printf(arena, "%s; inexact", text);
	return text;
}

/* ---- workers ---- */

struct shared {
	struct pq_grid *grid;
	struct pq_grid_work *work;
	pthread_mutex_t lock;       /* of the answers, and of what follows */
	enum pq_status status;
	struct pq_err err;
	atomic_size_t next;         /* row, over all parts */
	atomic_bool stop;
	bool checking;              /* the second round */
};

struct worker {
	struct shared *shared;
	struct pq_arena keep, scratch;
	struct pq_grid_step *steps; /* of one cell, as long as there are days */
	size_t decisions, checked;
	struct pq_evaluator *evaluator;
	pthread_t thread;
};

static enum pq_status
number_of(struct worker *w, const char *text, uint32_t *ret, struct pq_err *err)
{
	pthread_mutex_lock(&w->shared->lock);
	bool ok = text != NULL && pq_grid_text(&w->shared->grid->answers, text, strlen(text), ret);
	pthread_mutex_unlock(&w->shared->lock);
	return ok ? PQ_OK : pq_fail(err, PQ_ENOMEM, "the grid needs more memory than it may have");
}

/* The parties of the scenario, each with the column's value in one fact more. */
static bool
make_parties(struct worker *w, const struct pq_grid_part *part, size_t column, struct pq_request *request)
{
	struct pq_party *parties = pq_arena_array(&w->scratch, request->n_parties + 1, sizeof(*parties));

	for (size_t i = 0; parties != NULL && i < request->n_parties; i++) {
		size_t n = request->parties[i].facts.n;
		struct pq_fact *facts = pq_arena_array(&w->scratch, n + 1, sizeof(*facts));
		if (facts == NULL)
			return false;
		if (n > 0)
			memcpy(facts, request->parties[i].facts.at, n * sizeof(*facts));
		facts[n] = (struct pq_fact){{part->party_fact, strlen(part->party_fact)},
		                            part->columns[column].facts.at[0].value};
		parties[i] = request->parties[i];
		parties[i].facts = (struct pq_facts){facts, n + 1};
	}
	request->parties = parties;
	return parties != NULL;
}

/* The facts of the scenario, over them those of the column and the row. */
static enum pq_status
make_request(struct worker *w, const struct pq_grid_part *part, size_t row, size_t column, struct pq_request *ret,
             struct pq_err *err)
{
	const struct pq_facts *own = &part->columns[column].facts;
	const char *code = part->rows.at[row];
	struct pq_fact *facts = pq_arena_array(&w->scratch, part->base.facts.n + own->n + 1, sizeof(*facts));
	size_t n = 0;

	if (facts == NULL)
		return pq_fail(err, PQ_ENOMEM, "the grid needs more memory than it may have");
	for (size_t i = 0; i < part->base.facts.n; i++) {
		const struct pq_fact *fact = &part->base.facts.at[i];
		bool hidden = false;
		for (size_t k = 0; k < own->n; k++)
			hidden |= fact->name.len == own->at[k].name.len &&
			          memcmp(fact->name.at, own->at[k].name.at, fact->name.len) == 0;
		if (!hidden)
			facts[n++] = *fact;
	}
	for (size_t k = 0; k < own->n; k++)
		facts[n++] = own->at[k];
	facts[n++] = (struct pq_fact){{part->row_fact, strlen(part->row_fact)},
	                              {.kind = PQ_VALUE_TEXT, .text = {code, strlen(code)}}};
	*ret = part->base;
	ret->facts = (struct pq_facts){facts, n};
	if (part->party_fact != NULL && !make_parties(w, part, column, ret))
		return pq_fail(err, PQ_ENOMEM, "the grid needs more memory than it may have");
	return PQ_OK;
}

static enum pq_status
decide_on(struct worker *w, const struct pq_grid_part *part, size_t row, size_t column, int32_t day,
          uint32_t *ret_answer, int32_t *ret_until, struct pq_err *err)
{
	struct pq_request request;
	struct pq_decision decision;
	struct pq_window window;

	pq_arena_reset(&w->scratch);
	enum pq_status status = make_request(w, part, row, column, &request, err);
	if (status != PQ_OK)
		return status;
	request.as_of = day;
	if (ret_until != NULL)
		status = pq_evaluator_window(w->evaluator, &request, &w->scratch, &decision, &window, err);
	else
		status = pq_decide(w->shared->work->image, &request, &w->scratch, &decision, NULL, NULL, err);
	if (status == PQ_EINVAL && err->where[0] != '\0')
		return number_of(w, pq_arena_printf(&w->scratch, "REFUSED; %s", err->where), ret_answer, err);
	if (status != PQ_OK)
		return status;
	if (ret_until != NULL)
		*ret_until = window.until;
	return number_of(w, words_of(&decision, &w->scratch), ret_answer, err);
}

static enum pq_status
decide_cell(struct worker *w, const struct pq_grid_part *part, size_t row, size_t column, struct pq_err *err)
{
	const struct pq_dates *dates = &w->shared->grid->dates;
	size_t n = 0;

	for (size_t i = 0; i < dates->n;) {
		uint32_t answer;
		int32_t until = PQ_DATE_MAX;
		enum pq_status status = decide_on(w, part, row, column, dates->at[i], &answer, &until, err);
		if (status != PQ_OK)
			return status;
		w->decisions++;
		if (n == 0 || w->steps[n - 1].answer != answer)
			w->steps[n++] = (struct pq_grid_step){dates->at[i], answer};
		while (i < dates->n && dates->at[i] < until)
			i++;
	}
	struct pq_grid_step *steps = pq_arena_array(&w->keep, n + 1, sizeof(*steps));
	if (steps == NULL)
		return pq_fail(err, PQ_ENOMEM, "the grid needs more memory than it may have");
	memcpy(steps, w->steps, n * sizeof(*steps));
	*pq_grid_at(part, row, column) = (struct pq_grid_cell){steps, n};
	return PQ_OK;
}

/* The cell itself on every day, without trusting any class, window or kept state. */
static enum pq_status
check_cell(struct worker *w, const struct pq_grid_part *part, size_t row, size_t column, struct pq_err *err)
{
	const struct pq_dates *dates = &w->shared->grid->dates;
	const struct pq_grid_cell *cell = pq_grid_at(part, row, column);

	for (size_t i = 0, step = 0; i < dates->n; i++) {
		uint32_t answer;
		enum pq_status status = decide_on(w, part, row, column, dates->at[i], &answer, NULL, err);
		if (status != PQ_OK)
			return status;
		w->checked++;
		while (step + 1 < cell->n && cell->at[step + 1].from <= dates->at[i])
			step++;
		if (answer == cell->at[step].answer)
			continue;
		char day[16];
		pq_date_format(dates->at[i], day, sizeof(day));
		return pq_fail(err, PQ_EFAILED, "%s, %s, %s: decided by itself it has another answer on %s",
		               part->name, part->rows.at[row], part->columns[column].name, day);
	}
	return PQ_OK;
}

static enum pq_status
decide_row(struct worker *w, size_t number, bool checking, struct pq_err *err)
{
	const struct pq_grid *grid = w->shared->grid;
	const struct pq_grid_work *work = w->shared->work;
	size_t p = 0, first = 0, row = number;

	while (row >= grid->parts[p].rows.n) {
		first += grid->parts[p].rows.n * grid->parts[p].n_columns;
		row -= grid->parts[p++].rows.n;
	}
	const struct pq_grid_part *part = &grid->parts[p];
	first += row * part->n_columns;
	for (size_t c = 0; c < part->n_columns; c++) {
		/* All: one of each class, and its like take it over. A sample: the cells themselves. */
		bool wanted = work->every == 1 ? part->row_class[row] == row && part->column_class[c] == c
		                               : (first + c) % work->every == 0;
		enum pq_status status = PQ_OK;
		if (checking)
			status = (first + c) % work->check == 0 ? check_cell(w, part, row, c, err) : PQ_OK;
		else if (wanted)
			status = decide_cell(w, part, row, c, err);
		if (status != PQ_OK)
			return status;
	}
	return PQ_OK;
}

static void *
run(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->shared;
	size_t rows = 0;

	for (size_t p = 0; p < s->grid->n_parts; p++)
		rows += s->grid->parts[p].rows.n;
	for (size_t row; !atomic_load(&s->stop) && (row = atomic_fetch_add(&s->next, 1)) < rows;) {
		struct pq_err err = {0};
		enum pq_status status = decide_row(w, row, s->checking, &err);
		if (status == PQ_OK)
			continue;
		pthread_mutex_lock(&s->lock);
		if (s->status == PQ_OK) {
			s->status = status;
			s->err = err;
		}
		pthread_mutex_unlock(&s->lock);
		atomic_store(&s->stop, true);
	}
	return NULL;
}

static enum pq_status
start(struct shared *s, struct worker *workers, size_t n, struct pq_err *err)
{
	size_t started = 0;

	for (; started < n; started++) {
		if (pthread_create(&workers[started].thread, NULL, run, &workers[started]) != 0) {
			atomic_store(&s->stop, true);
			break;
		}
	}
	for (size_t i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	if (started < n)
		return pq_fail(err, PQ_EIO, "%zu threads cannot be started", n);
	if (s->status != PQ_OK && err != NULL)
		*err = s->err;
	return s->status;
}

/* What one of a class is decided to be, all of it are; cells that are not in the sample stay undecided. */
static void
spread(struct pq_grid *grid, struct pq_grid_work *work)
{
	for (size_t p = 0; p < grid->n_parts; p++) {
		const struct pq_grid_part *part = &grid->parts[p];
		for (size_t r = 0; r < part->rows.n; r++) {
			for (size_t c = 0; c < part->n_columns; c++) {
				if (work->every == 1)
					*pq_grid_at(part, r, c) = *pq_grid_at(part, part->row_class[r], part->column_class[c]);
				work->cells += pq_grid_at(part, r, c)->n > 0 ? grid->dates.n : 0;
			}
		}
	}
}

enum pq_status
pq_grid_decide(struct pq_grid *grid, struct pq_grid_work *work, struct pq_err *err)
{
	struct shared s = {.grid = grid, .work = work, .status = PQ_OK};
	size_t n = work->threads;
	struct worker *workers = pq_arena_array(&grid->arena, n + 1, sizeof(*workers));

	for (size_t i = 0; workers != NULL && i < n; i++) {
		workers[i].shared = &s;
		workers[i].steps = pq_arena_array(&grid->arena, grid->dates.n + 1, sizeof(*workers[i].steps));
		if (workers[i].steps == NULL)
			workers = NULL;
	}
	if (workers == NULL)
		return pq_fail(err, PQ_ENOMEM, "the grid needs more memory than it may have");
	enum pq_status status = PQ_OK;
	for (size_t i = 0; i < n && status == PQ_OK; i++)
		status = pq_evaluator_new(work->image, &workers[i].evaluator, err);
	pthread_mutex_init(&s.lock, NULL);
	for (size_t i = 0; i < n; i++) {
		pq_arena_init(&workers[i].keep, PQ_GRID_BYTES);
		pq_arena_init(&workers[i].scratch, PQ_CLI_DECISION_BYTES);
	}
	grid->answers.arena = &grid->arena;
	if (status == PQ_OK)
		status = start(&s, workers, n, err);
	if (status == PQ_OK)
		spread(grid, work);
	if (status == PQ_OK && work->check > 0 && work->every == 1) {
		s.checking = true;
		atomic_store(&s.next, 0);
		status = start(&s, workers, n, err);
	}
	for (size_t i = 0; i < n; i++) {
		work->decisions += workers[i].decisions;
		work->checked += workers[i].checked;
		pq_evaluator_free(workers[i].evaluator);
		pq_arena_release(&workers[i].scratch);
	}
	/* The steps of the cells stay where the workers put them. */
	for (size_t i = 0; i < n; i++)
		grid->kept[grid->n_kept++] = workers[i].keep;
	pthread_mutex_destroy(&s.lock);
	return status;
}

void
pq_grid_release(struct pq_grid *grid)
{
	for (size_t i = 0; i < grid->n_kept; i++)
		pq_arena_release(&grid->kept[i]);
	grid->n_kept = 0;
	pq_arena_release(&grid->arena);
}

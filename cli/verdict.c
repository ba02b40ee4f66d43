#include "cli/verdict.h"

#include "cli/cli.h"
#include "policy/request.h"

#include <string.h>

static const char *
error_text(struct pq_arena *arena, const struct pq_err *err)
{
	char text[PQ_ERR_MSG_MAX + PQ_ERR_WHERE_MAX + 32];

	pq_err_format(err, text, sizeof(text));
	const char *copy = pq_arena_strndup(arena, text, strlen(text));
	return copy != NULL ? copy : "no memory";
}

/* Every field that is wrong, a line each; the error itself where no field is named. */
static const char *
refusal_text(struct pq_arena *arena, const struct pq_violation *violations, size_t n, const struct pq_err *err)
{
	const char *text = NULL;

	for (size_t i = 0; i < n; i++) {
		const char *longer = pq_arena_printf(arena, "%s%s%s: %s", text != NULL ? text : "", text != NULL ? "\n" : "",
		                                     violations[i].field, violations[i].description);
		if (longer == NULL)
			break;
		text = longer;
	}
	return text != NULL ? text : error_text(arena, err);
}

void
pq_verdict_run(struct pq_source *source, const char *json, size_t len, struct pq_arena *arena, struct pq_verdict *ret)
{
	struct pq_verdict verdict = {0};
	struct pq_case_text read;
	const struct pq_violation *violations;
	size_t n_violations;
	struct pq_err err = {0};

	if (pq_case_from_json(json, len, arena, &read, &err) != PQ_OK) {
		verdict.text = error_text(arena, &err);
		*ret = verdict;
		return;
	}
	verdict.id = read.id;
	enum pq_status status =
		pq_source_decide(source, &read.request, arena, &verdict.decision, &violations, &n_violations, &err);
	if (status != PQ_OK) {
		verdict.text = refusal_text(arena, violations, n_violations, &err);
		verdict.unreachable = source->remote != NULL && status == PQ_EIO;
		*ret = verdict;
		return;
	}
	verdict.has_decision = true;
	verdict.text = pq_case_judge(&read.expected, &verdict.decision, arena);
	verdict.passed = verdict.text == NULL;
	*ret = verdict;
}

void
pq_verdict_print(const struct pq_verdict *verdict, const char *place, FILE *out)
{
	fputs("FAIL ", out);
	pq_cli_put(out, verdict->id != NULL ? verdict->id : "(unreadable)");
	fputs(" (", out);
	pq_cli_put(out, place);
	fputs(")\n", out);
	for (const char *line = verdict->text; line != NULL && *line != '\0';) {
		size_t len = strcspn(line, "\n");
		fputs("     ", out);
		pq_cli_put_n(out, line, len);
		fputc('\n', out);
		line += len + (line[len] == '\n');
	}
}

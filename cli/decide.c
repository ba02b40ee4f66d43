#include "cli/cli.h"
#include "cli/page.h"
#include "cli/question.h"
#include "policy/request.h"

#include <inttypes.h>
#include <string.h>

/* A member more, of a revision that is in an order. */
static void
print_json(const char *json, const struct pq_answerer *by)
{
	if (by->sequence == 0)
		puts(json);
	else
		printf("%.*s,\"revision\":{\"digest\":\"%s\",\"sequence\":%" PRIu64 ",\"activated_s\":%" PRId64
		       ",\"age_s\":%" PRIu32 "}}\n",
		       (int)strlen(json) - 1, json, by->digest, by->sequence, by->activated_s, by->age_s);
}

static int
print(const struct pq_question *question, struct pq_arena *arena)
{
	if (question->own == NULL) {
		pq_page_print(&question->request, &question->decision, question->digest, false, stdout);
		pq_page_print_answerer(question->by, stdout);
		return PQ_EXIT_OK;
	}
	const char *json = pq_decision_to_json(&question->decision, arena);
	if (json == NULL) {
		pq_cli_say("no memory to write the decision");
		return PQ_EXIT_FAILED;
	}
	print_json(json, question->by);
	return PQ_EXIT_OK;
}

int
pq_cmd_decide(int argc, char **argv)
{
	static const struct pq_flag json = {"json", 0, false};

	return pq_question_run(argc, argv, &json, 0, print);
}

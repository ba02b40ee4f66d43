#include "cli/cli.h"
#include "cli/page.h"
#include "cli/question.h"
#include "policy/request.h"

static int
print(const struct pq_question *question, struct pq_arena *arena)
{
	if (question->own == NULL) {
		pq_page_print(&question->request, &question->decision, question->digest, false, stdout);
		return PQ_EXIT_OK;
	}
	const char *json = pq_decision_to_json(&question->decision, arena);
	if (json == NULL) {
		pq_cli_say("no memory to write the decision");
		return PQ_EXIT_FAILED;
	}
	puts(json);
	return PQ_EXIT_OK;
}

int
pq_cmd_decide(int argc, char **argv)
{
	static const struct pq_flag json = {"json", 0, false};

	return pq_question_run(argc, argv, &json, 0, print);
}

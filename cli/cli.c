#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
	const char *usage;
};

/* How a server is reached, in the help of most commands that ask one. */
#define ACCESS_FLAGS                                                                       \
	"  --tls-ca FILE        reach it by TLS; it is vouched for by these authorities (PEM)\n" \
	"  --tls-cert FILE, --tls-key FILE\n"                                                  \
	"                       show it this certificate\n"                                    \
	"  --token-file FILE    show it the token in the first line of this file\n"
/* Where revisions are, in the help of what works on them. */
#define WHERE_FLAGS                                                                          \
	"  --data DIR           a revision directory; no server may be running on it\n"          \
	"  --server ADDRESS     or a server: what it has of --admin-listen, 127.0.0.1:8301,\n"   \
	"                       unix:/run/pratique-admin/admin.sock\n"                           \
	"  --timeout MS         wait this long for each of its answers (30000; where it\n"       \
	"                       verifies a revision, 600000)\n" ACCESS_FLAGS
#define TRUST_FLAGS                                                                         \
	"  --trust FILE         public keys whose signatures count in the directory;\n"         \
	"                       repeatable. Without it unsigned revisions are taken, too. A\n"   \
	"                       server trusts what it was started with\n"
#define BY_FLAG "  --by NAME            who does it, for the journal (your user name)\n"

/* How places are reached, in the help of fetch and push. */
#define PLACE_FLAGS                                                                     \
	"  --credentials FILE  names and passwords: Docker's config.json is such a file;\n" \
	"                      AWS_ACCESS_KEY_ID and so on go before it\n"                  \
	"  --ca FILE           authorities to trust instead of the system's (PEM)\n"        \
	"  --s3-endpoint URL, --s3-region NAME\n"                                           \
	"                      where the bucket is, if not at Amazon's us-east-1\n"         \
	"  --allow-http        http:// to other machines, too\n"                            \
	"\n"                                                                                \
	"oci+http:// and http:// reach this machine without TLS. docs/distribution.md\n"

static const struct command commands[] = {
	{"check", pq_cmd_check, "read packs and report every fault in them",
     "pratique check [--no-cases] [--analyse] [--dates] [--strict] DIR...\n"
     "\n"
     "Reads the packs in the folders, in this order, and prints each fault as\n"
     "FILE:LINE:COLUMN: error: TEXT. Packs without faults are compiled in memory and\n"
     "their own cases run.\n"
     "\n"
     "  --no-cases   only read them\n"
     "  --cases      run their cases (the default)\n"
     "  --analyse    look for rules that others shadow, that contradict each other, for\n"
     "               exceptions that can never be used, and pairs of item and place of\n"
     "               which no rule speaks; takes seconds\n"
     "  --dates      print every day on which a row or rule begins or ends\n"
     "  --strict     warnings and findings fail, too\n"},
	{"compile", pq_cmd_compile, "compile packs into a sealed store",
     "pratique compile DIR... -o FILE\n"
     "\n"
     "Compiles the packs, runs their own cases, and seals the store. A store whose\n"
     "cases fail is not sealed; FILE is written whole or not at all.\n"
     "\n"
     "  -o, --output FILE   the store to write\n"},
	{"inspect", pq_cmd_inspect, "show what a store holds",
     "pratique inspect FILE [--rule ID]... [--attrs] [--tables] [--rules] [--json]\n"
     "\n"
     "Without a selection: digest, size, packs with their editions and gaps, counts.\n"
     "\n"
     "  --rule ID   the rule of this id, with its conditions; repeatable\n"
     "  --attrs     every attribute; facts with the question they stand for\n"
     "  --tables    every table with edition, rows and gaps\n"
     "  --rules     every rule, a line each\n"
     "  --json      one JSON object instead\n"},
	{"decide", pq_cmd_decide, "decide a transaction",
     "pratique decide (--store FILE | --server ADDRESS) [REQUEST.json | -] [FLAGS]\n"
     "\n"
     "The request is read from a file, from standard input (-), or from flags; flags\n"
     "go before what the file says. Nothing is assumed that you do not say: what is\n"
     "left out is silent, and the packs say what silence means. The day is required.\n"
     "\n"
     "  --store FILE         decide here, with this sealed store\n"
     "  --server ADDRESS     ask a server: 127.0.0.1:8300, unix:/run/pratique.sock\n"
     "  --timeout MS         wait this long for the server (10000)\n"
     "  --min-revision N     the server must have revision N or a later one; one that\n"
     "                       follows another waits for it\n"
     "  --max-age AGE        what it knows of the revision in force must not be older:\n"
     "                       30s, 5m, 2h, 1d\n"
     ACCESS_FLAGS
     "  --json               print the decision as one line of JSON\n"
     "\n"
     "  --as-of DATE         day of the transaction, YYYY-MM-DD\n"
     "  --type T             export, reexport, transfer, deemed_export, ...\n"
     "  --item ECCN          9A610.x, EAR99\n"
     "  --usml CATEGORY      'VIII(h)(1)'\n"
     "  --kind K             commodity, software, object_code, technology, ...\n"
     "  --from COUNTRY, --to COUNTRY, --via COUNTRY (repeatable)\n"
     "  --value USD          value of the line\n"
     "  --end-use U          civil, military, nuclear, ...\n"
     "  --regime R           EAR or ITAR, where you claim one\n"
     "  --party F=V,F=V...   a party, repeatable: role=end_user,country=KH,\n"
     "                       military_end_user=false; a list is written a;b, an\n"
     "                       empty one as nothing: lists=\n"
     "  --fact NAME=VALUE    any other fact, repeatable: a number, true, false, null\n"
     "                       (said to be unknown), a text, a list a,b or a,\n"
     "  --screened, --no-screened\n"
     "                       whether all parties were screened\n"
     "  --query jurisdiction_only\n"
     "                       ask only which law applies\n"
     "\n"
     "  --assume FACT=VALUE  what holds wherever the fact is not said, repeatable:\n"
     "                       party.military_end_user=false\n"
     "  --profile NAME       assumptions that the packs name so, repeatable\n"
     "  --near-misses[=N]    look for up to N (12) facts that would change the answer\n"
     "\n"
     "Exit codes: 0 answered (whatever the answer), 1 failed, 2 usage, 3 the request\n"
     "was refused.\n"},
	{"explain", pq_cmd_explain, "decide, and show everything the answer rests on",
     "pratique explain (--store FILE | --server ADDRESS) [REQUEST.json | -] [FLAGS]\n"
     "                 [--html FILE]\n"
     "\n"
     "Takes what decide takes, and prints the whole page: the facts as given, each line\n"
     "with its reasons, near misses, and every rule with the days it is in force.\n"
     "\n"
     "  --html FILE          write a page to read, print and file, too; it needs nothing\n"
     "                       but itself. With - it goes to standard output, alone\n"
     "\n"
     "All other flags and the exit codes are those of decide.\n"},
	{"cases", pq_cmd_cases, "run cases and judge the answers",
     "pratique cases (--store FILE | --server ADDRESS) FILE.jsonl... [--json]\n"
     "\n"
     "Each line of a file is a case: id, as_of, request, expected (docs/request.md).\n"
     "Prints each failure and the count; exits with 1 if any case failed.\n"
     "\n"
     "  --store FILE       decide here, with this sealed store\n"
     "  --server ADDRESS   ask a server\n"
     "  --timeout MS       wait this long for each answer (10000)\n"
     "  --tls-ca FILE, --tls-cert FILE, --tls-key FILE, --token-file FILE\n"
     "                     as of decide\n"
     "  --json             a line of JSON a case: id, passed, decision\n"},
	{"calendar", pq_cmd_calendar, "the dates on which something changes, and what",
     "pratique calendar --store FILE (--to COUNTRY | --fact NAME=VALUE)\n"
     "                  [--since DATE] [--until DATE]\n"
     "\n"
     "Prints every date on which a table row about the country begins or ends, what\n"
     "follows from it is different, or a rule can or cannot apply any more, where\n"
     "everything else is open.\n"
     "\n"
     "  --store FILE         the sealed store\n"
     "  --to COUNTRY         the destination\n"
     "  --fact NAME=VALUE    or any other fact that is a symbol\n"
     "  --since DATE         from this day on\n"
     "  --until DATE         before this day\n"},
	{"grid", pq_cmd_grid, "decide everything on every day, and say what moved",
     "pratique grid --store FILE --since DATE [--until DATE] [-o FILE] SCENARIO.json...\n"
     "pratique grid --store FILE --against FILE [--moved FILE] SCENARIO.json...\n"
     "\n"
     "Decides each scenario for every classification and every destination, on the\n"
     "first day and on each later day on which something in the law changes, and\n"
     "writes the record of it; or says which cells have another answer than in one.\n"
     "\n"
     "  --store FILE       decide with this sealed store\n"
     "  --since DATE       the first day\n"
     "  --until DATE       the day after the last\n"
     "  -o, --output FILE  write the record there instead of to standard output\n"
     "  --against FILE     a record to compare with; its days count\n"
     "  --moved FILE       write the whole list of moved cells there\n"
     "  --every N          only each Nth cell (with --against)\n"
     "  --check N          decide each Nth cell on every single day, too, and fail if\n"
     "                     that gives another answer (997; 0: none)\n"
     "  --threads N        as many as there are processors unless said\n"
     "\n"
     "A scenario is a file with as_of and request, as of a case, and title, rows (a\n"
     "code fact), columns (a fact of symbols), only (some of its values), parties (a\n"
     "fact of each party that has the column's value, too) and special (columns with\n"
     "facts of their own). Exits with 1 where a cell moved.\n"},
	{"fetch", pq_cmd_fetch, "get the newest revision from where it lies",
     "pratique fetch URL -o FILE [--manifest FILE] [--trust FILE]... [FLAGS]\n"
     "\n"
     "Gets the store that the place points to: file:///DIR, https://HOST/PATH,\n"
     "s3://BUCKET/PREFIX, oci://HOST/REPOSITORY:TAG. FILE is written whole or not at\n"
     "all; what an interrupted run left in FILE.part is used.\n"
     "\n"
     "  -o, --output FILE   the store to write; what it held is the base of differences\n"
     "  --manifest FILE     write the manifest there, too\n"
     "  --trust FILE        public keys (PEM), one of which must have signed; repeatable.\n"
     "                      Without it signatures are not verified\n"
     "  --after N           refuse sequences up to N\n"
     "  --base FILE         a store that is held, for differences\n"
     "  --mark FILE         remember there what was fetched, and say \"unchanged\" next time\n" PLACE_FLAGS},
	{"push", pq_cmd_push, "put a revision where others get it from",
     "pratique push TARGET STORE MANIFEST [--base FILE]... [FLAGS]\n"
     "\n"
     "Puts a store and its manifest into file:///DIR, s3://BUCKET/PREFIX or\n"
     "oci://HOST/REPOSITORY:TAG: first the content, last what points to it.\n"
     "\n"
     "  --base FILE         an older store that receivers hold: its differences are\n"
     "                      pushed, too; repeatable\n"
     "  --level N           of compression, 1 to 19 (12)\n"
     "  --force             although a sequence that is not lower is there\n" PLACE_FLAGS},
	{"keygen", pq_cmd_keygen, "make a pair of keys to sign revisions with",
     "pratique keygen -o PREFIX\n"
     "\n"
     "Writes PREFIX.key, the private key, which only its owner may read, and PREFIX.pub,\n"
     "the public one. Neither may exist.\n"
     "\n"
     "  -o, --output PREFIX   the names of both, without their endings\n"},
	{"sign", pq_cmd_sign, "state which place a store takes, and sign it",
     "pratique sign --key FILE --sequence N [--note TEXT] STORE -o MANIFEST\n"
     "pratique sign --key FILE --manifest MANIFEST [-o MANIFEST]\n"
     "\n"
     "Makes the manifest of a sealed store, or adds a signature to one.\n"
     "\n"
     "  --key FILE            the private key that signs\n"
     "  --sequence N          the place among the revisions: higher than all before\n"
     "  --manifest MANIFEST   a manifest that gets one signature more; it is written\n"
     "                        anew, unless -o names another\n"
     "  --note TEXT           a line for people\n"
     "  -o, --output FILE     the manifest to write\n"},
	{"verify", pq_cmd_verify, "verify a manifest, and the store it speaks of",
     "pratique verify --trust FILE... MANIFEST [STORE]\n"
     "\n"
     "  --trust FILE   public keys, one or more in a file; repeatable. One good signature\n"
     "                 of one of them is enough\n"},
	{"revisions", pq_cmd_revisions, "list the revisions of a directory or a server",
     "pratique revisions (--data DIR | --server ADDRESS) [--json]\n"
     "\n"
     "Prints a line for each revision: sequence, digest, when it was stated, how many have\n"
     "signed it, whether it is active or planned, and its note.\n"
     "\n" WHERE_FLAGS
     "  --json               a line of JSON each\n"},
	{"publish", pq_cmd_publish, "put a revision into a directory or a server",
     "pratique publish (--data DIR | --server ADDRESS) (STORE | PACKS...)\n"
     "                 [--activate | --at TIME] [FLAGS]\n"
     "\n"
     "Takes a sealed store, or folders of packs, which are compiled and sealed; verifies\n"
     "it, runs its own cases, and records it. A directory is made if it is not there. A\n"
     "server asks for the role publish, and for --activate and --at also for admin.\n"
     "\n" WHERE_FLAGS TRUST_FLAGS BY_FLAG
     "  --manifest M         the signed manifest of the store\n"
     "  --key FILE           sign here, with this private key\n"
     "  --sequence N         its place (the next)\n"
     "  --note TEXT          a line for people\n"
     "  --activate           activate it at once\n"
     "  --at TIME            plan its activation: 2026-11-24T16:30:00Z\n"},
	{"activate", pq_cmd_activate, "make a revision the active one",
     "pratique activate (--data DIR | --server ADDRESS) SEQUENCE [FLAGS]\n"
     "pratique activate --data DIR --due [FLAGS]\n"
     "\n"
     "The sequence must be higher than the active one; see rollback. A server asks for\n"
     "the role admin.\n"
     "\n" WHERE_FLAGS TRUST_FLAGS BY_FLAG
     "  --due                carry out the plans whose time has come; a server does so by\n"
     "                       itself\n"
     "  --note TEXT          a remark for the journal\n"},
	{"schedule", pq_cmd_schedule, "plan an activation, or take the plan back",
     "pratique schedule (--data DIR | --server ADDRESS) SEQUENCE (--at TIME | --cancel)\n"
     "                  [FLAGS]\n"
     "\n"
     "A server asks for the role admin.\n"
     "\n" WHERE_FLAGS TRUST_FLAGS BY_FLAG
     "  --at TIME            when, in UTC: 2026-11-24T16:30:00Z\n"
     "  --cancel             take the plan back\n"
     "  --note TEXT          a remark for the journal\n"},
	{"rollback", pq_cmd_rollback, "go back to the content of an earlier revision",
     "pratique rollback (--data DIR | --server ADDRESS) SEQUENCE [FLAGS]\n"
     "pratique rollback (--data DIR | --server ADDRESS) --manifest M [FLAGS]\n"
     "\n"
     "A rollback is a new sequence with the old content, and signed like any other; it is\n"
     "activated at once. A server asks for the role admin, and where it is signed or\n"
     "published alone also for publish.\n"
     "\n" WHERE_FLAGS TRUST_FLAGS BY_FLAG
     "  --key FILE           sign it here, with this private key\n"
     "  --draft FILE         only write its manifest, to be signed elsewhere\n"
     "  --manifest M         the manifest that was signed elsewhere\n"
     "  --no-activate        only publish it\n"
     "  --note TEXT          a line for people\n"},
	{"prune", pq_cmd_prune, "forget old revisions",
     "pratique prune (--data DIR | --server ADDRESS) --keep N [FLAGS]\n"
     "\n"
     "Forgets all but the N highest sequences, the active revision and planned ones, and\n"
     "deletes what no revision needs any more. A server asks for the role admin, and keeps\n"
     "one or more.\n"
     "\n" WHERE_FLAGS BY_FLAG
     "  --keep N             how many stay\n"},
	{"journal", pq_cmd_journal, "who did what with the revisions, and when",
     "pratique journal (--data DIR | --server ADDRESS) [--after ID] [--max N] [--json]\n"
     "\n" WHERE_FLAGS
     "  --after ID           only records after this one\n"
     "  --max N              at most so many\n"
     "  --json               a line of JSON each\n"},
	{"replicas", pq_cmd_replicas, "what the replicas of a server run",
     "pratique replicas --server ADDRESS [--json]\n"
     "\n"
     "Prints a line for each replica that reported to the server within ten minutes: its\n"
     "name; sequence and digest of the revision that it serves; whether that is the one in\n"
     "force at the server (current, behind, ahead, empty); seconds since it last knew\n"
     "itself up to date (AGE) and since it last reported (SEEN); its program's version; and\n"
     "why it does not serve a newer one. A server asks for the role replicate or admin.\n"
     "\n"
     "  --server ADDRESS     the server that they follow\n"
     "  --timeout MS         wait this long for the answer (30000)\n" ACCESS_FLAGS
     "  --json               a line of JSON each\n"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *
find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

void
pq_cli_put_n(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		unsigned char next = i + 1 < len ? (unsigned char)text[i + 1] : 0;
		bool control = (c < 0x20 && c != '\n') || c == 0x7f;
		/* 0xc2 0x80 to 0xc2 0x9f are the control characters beyond ASCII. */
		if (c == 0xc2 && next >= 0x80 && next <= 0x9f) {
			control = true;
			i++;
		}
		fputc(control ? '?' : c, out);
	}
}

void
pq_cli_put(FILE *out, const char *text)
{
	pq_cli_put_n(out, text, strlen(text));
}

void
pq_cli_say(const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fputs("pratique: ", stderr);
	pq_cli_put(stderr, text);
	fputc('\n', stderr);
}

int
pq_cli_fail(const struct pq_err *err)
{
	char text[PQ_ERR_MSG_MAX + PQ_ERR_WHERE_MAX + 32];

	pq_err_format(err, text, sizeof(text));
	pq_cli_say("%s", text);
	return PQ_EXIT_FAILED;
}

int
pq_cli_usage(const char *command, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pq_cli_say("%s", text);
	fprintf(stderr, "Try: pratique help%s%s\n", command != NULL ? " " : "", command != NULL ? command : "");
	return PQ_EXIT_USAGE;
}

void
pq_cli_help(const char *name)
{
	const struct command *command = name != NULL ? find(name) : NULL;

	if (command != NULL) {
		fputs(command->usage, stdout);
		return;
	}
	puts("pratique: what licence does this transaction need?\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("  pratique %-9s  %s\n", commands[i].name, commands[i].summary);
	puts("  pratique help [COMMAND]\n  pratique version");
}

static int
run(int argc, char **argv)
{
	if (argc < 2)
		return pq_cli_usage(NULL, "say what to do");
	const char *name = argv[1];
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		if (argc > 2 && find(argv[2]) == NULL)
			return pq_cli_usage(NULL, "there is no command \"%s\"", argv[2]);
		pq_cli_help(argc > 2 ? argv[2] : NULL);
		return PQ_EXIT_OK;
	}
	if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
		puts("pratique " PQ_VERSION);
		return PQ_EXIT_OK;
	}
	const struct command *command = find(name);
	if (command == NULL)
		return pq_cli_usage(NULL, "there is no command \"%s\"", name);
	return command->run(argc - 1, argv + 1);
}

int
pq_cli_main(int argc, char **argv)
{
	int code = run(argc, argv);

	/* An answer that could not be written is no answer. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		pq_cli_say("standard output: %s", strerror(errno));
		return code != PQ_EXIT_OK ? code : PQ_EXIT_FAILED;
	}
	return code;
}

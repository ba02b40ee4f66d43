/**
 * A decision: the answer to one request, with everything that it rests on.
 *
 * Ownership: the structures live in the arena given to pq_decide(), the strings there or in the image of the revision.
 * Lifetime:  until the arena is reset or the image is closed, whichever comes first.
 * Source:    docs/packs.md, "How a decision is made".
 */
#ifndef PQ_POLICY_DECISION_H
#define PQ_POLICY_DECISION_H

#include "policy/facts.h"
#include "policy/terms.h"

/** A rule as a decision shows it. Equal rules are the same pointer within one decision. */
struct pq_rule_ref {
	const char *id;
	const char *title;
	const char *cite;       /* all its citations, joined by "; " */
	const char *file;       /* "us-ear/rules/chart.yaml" */
	const char *note;
	const char *confidence;
	const char *pack;
	enum pq_kind kind;
	int32_t line;
	int32_t from, to;       /* [from, to); open ends PQ_DATE_MIN, PQ_DATE_MAX */
	uint32_t index;         /* of the rule in its revision */
};

/** A licence requirement that holds. */
struct pq_requirement {
	const struct pq_rule_ref *rule;
	const char *authority;  /* "BIS" */
	const char *reason;     /* "NS" */
	const char *label;      /* "NS Column 2" */
	bool certain;           /* false: only some completions of the unknown facts have it */
};

struct pq_usable {
	const char *name;       /* "STA(c)(1)", "GOV" */
	const struct pq_rule_ref *rule;
};

/** What was considered and is closed. */
struct pq_barred {
	const char *name;       /* "LVS"; "all"; "all but GOV(b)(2)"; "exemptions (126.1(a))" */
	const char *reason;     /* what bars it, for people: a citation or the condition that is not met */
	const struct pq_rule_ref *rule; /* the restriction or requirement that bars, or the exception that is not met */
	const char *const *spares; /* only with "all but": what is not barred; terminated by NULL. NULL: bars `name` alone */
};

struct pq_duty {
	const char *name;       /* "EEI" */
	const char *label;      /* "EEI(758.1(b)(3))" */
	const struct pq_rule_ref *rule;
};

struct pq_missing {
	const char *name;       /* "item.paragraph", "parties.end_user.military_end_user" */
	const char *question;   /* for a person; "" = none in the packs */
};

struct pq_notice {
	const char *text;
	const struct pq_rule_ref *rule; /* NULL: about a table row, or a paragraph that no table names */
	const char *source;     /* file:line of the row; else "" */
};

/** An assumption that was made for a silent fact. */
struct pq_assumed {
	const char *name;       /* "party.military_end_user" */
	const char *value;      /* "false" */
	const char *source;     /* the profile's name; "" = the request's own `assume` */
};

/** One change of one fact that would give another outcome; found by trying it. */
struct pq_near_miss {
	const char *name;       /* of the fact, where it stands: "end_use", "parties.end_user.lists" */
	const char *from, *to;  /* values, for people */
	enum pq_outcome outcome;
	/* What makes the difference: the rule that forbids, requires or closes then, the exception that is usable then, or
	 * the prohibition, referral or requirement that does not count any more. NULL: no single rule. */
	const struct pq_rule_ref *rule;
};

struct pq_decision {
	enum pq_outcome outcome;
	enum pq_outcome best, worst;   /* the ends over all completions of what is unknown; equal to outcome when certain */
	bool exact;                    /* false: the search for what is missing stopped at its bound */
	int32_t as_of;
	const char *jurisdiction;      /* "EAR"; "" = it is not certain */
	enum pq_policy policy;         /* NONE unless a licence is required and a review rule speaks of it */
	const struct pq_rule_ref *policy_rule;

	struct pq_requirement *requirements;
	size_t n_requirements;
	const struct pq_rule_ref **prohibitions; /* and referrals: the rules behind PROHIBITED and REFER */
	size_t n_prohibitions;
	struct pq_usable *available;
	size_t n_available;
	struct pq_barred *barred;
	size_t n_barred;
	struct pq_duty *obligations;
	size_t n_obligations;
	struct pq_missing *missing;    /* with NEEDS_INFORMATION: the facts that change the outcome */
	size_t n_missing;
	struct pq_missing *moot;       /* unknown, but the outcome stands whatever they are */
	size_t n_moot;
	struct pq_notice *warnings;
	size_t n_warnings;
	const struct pq_rule_ref **rules; /* every rule that counted, in the order of the packs, each once */
	size_t n_rules;

	struct pq_assumed *assumed;
	size_t n_assumed;
	struct pq_near_miss *near_misses; /* of a blocked outcome those that improve it, of a clean one those that worsen it */
	size_t n_near_misses;
	const struct pq_violation *violations; /* of a line that was refused while others were decided */
	size_t n_violations;

	/* Several lines or nationalities: the parts that the answer was joined from (none when there is one part only). */
	struct pq_decision *parts;
	const char **part_names;       /* "lines[0]", "person.citizenship CN" */
	size_t n_parts;
};

#endif

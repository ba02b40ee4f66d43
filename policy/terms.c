#include "policy/terms.h"

#include <stdio.h>
#include <string.h>

static const char *const outcome_names[] = {
#define X(name) #name,
	PQ_OUTCOME_MAP(X)
#undef X
};

static const char *const policy_names[] = {
#define X(name) #name,
	PQ_POLICY_MAP(X)
#undef X
};

static const char *const type_names[] = {
#define X(name, word) word,
	PQ_TYPE_MAP(X)
#undef X
};

static const char *const scope_names[] = {
#define X(name, word) word,
	PQ_SCOPE_MAP(X)
#undef X
};

static const char *const kind_names[] = {
#define X(name, word) word,
	PQ_KIND_MAP(X)
#undef X
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *
name_of(const char *const *names, size_t count, size_t index, size_t first)
{
	return index >= first && index < count ? names[index] : "";
}

static bool
parse_word(const char *const *names, size_t count, size_t first, const char *word, size_t *ret)
{
	for (size_t i = first; i < count; i++) {
		if (strcmp(names[i], word) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

const char *
pq_outcome_name(enum pq_outcome outcome)
{
	return name_of(outcome_names, COUNT(outcome_names), outcome, 1);
}

const char *
pq_policy_name(enum pq_policy policy)
{
	return name_of(policy_names, COUNT(policy_names), policy, 1);
}

const char *
pq_type_name(enum pq_type type)
{
	return name_of(type_names, COUNT(type_names), type, 0);
}

const char *
pq_scope_name(enum pq_scope scope)
{
	return name_of(scope_names, COUNT(scope_names), scope, 0);
}

const char *
pq_kind_name(enum pq_kind kind)
{
	return name_of(kind_names, COUNT(kind_names), kind, 0);
}

bool
pq_outcome_parse(const char *name, enum pq_outcome *ret)
{
	size_t i;

	if (!parse_word(outcome_names, COUNT(outcome_names), 1, name, &i))
		return false;
	*ret = (enum pq_outcome)i;
	return true;
}

bool
pq_policy_parse(const char *name, enum pq_policy *ret)
{
	size_t i;

	if (!parse_word(policy_names, COUNT(policy_names), 1, name, &i))
		return false;
	*ret = (enum pq_policy)i;
	return true;
}

bool
pq_type_parse(const char *name, enum pq_type *ret)
{
	size_t i;

	if (!parse_word(type_names, COUNT(type_names), 0, name, &i))
		return false;
	*ret = (enum pq_type)i;
	return true;
}

bool
pq_kind_parse(const char *name, enum pq_kind *ret)
{
	size_t i;

	if (!parse_word(kind_names, COUNT(kind_names), 0, name, &i))
		return false;
	*ret = (enum pq_kind)i;
	return true;
}

/* Days from civil date and back, by eras of 400 years that begin on 1 March (proleptic Gregorian calendar). */
static int32_t
days_from_civil(int year, int month, int day)
{
	year -= month <= 2;
	int era = (year >= 0 ? year : year - 399) / 400;
	int year_of_era = year - era * 400;
	int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static void
civil_from_days(int32_t days, int *year, int *month, int *day)
{
	int z = days + 719468;
	int era = (z >= 0 ? z : z - 146096) / 146097;
	int day_of_era = z - era * 146097;
	int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int shifted = (5 * day_of_year + 2) / 153;

	*day = day_of_year - (153 * shifted + 2) / 5 + 1;
	*month = shifted + (shifted < 10 ? 3 : -9);
	*year = year_of_era + era * 400 + (*month <= 2);
}

static bool
digits(const char *text, size_t len, int *ret)
{
	int value = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (text[i] - '0');
	}
	*ret = value;
	return true;
}

bool
pq_date_parse(const char *text, size_t len, int32_t *ret)
{
	static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day;

	if (len != 10 || text[4] != '-' || text[7] != '-' || !digits(text, 4, &year) || !digits(text + 5, 2, &month) ||
	    !digits(text + 8, 2, &day))
		return false;
	if (year < 1900 || year > 2199 || month < 1 || month > 12 || day < 1)
		return false;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (day > month_days[month - 1] + (month == 2 && leap))
		return false;
	*ret = days_from_civil(year, month, day);
	return true;
}

void
pq_date_format(int32_t date, char *buf, size_t size)
{
	int year, month, day;

	if (date == PQ_DATE_MIN || date == PQ_DATE_MAX) {
		snprintf(buf, size, "%s", "");
		return;
	}
	civil_from_days(date, &year, &month, &day);
	snprintf(buf, size, "%04d-%02d-%02d", year, month, day);
}

bool
pq_number_parse(const char *text, size_t len, int64_t *ret)
{
	size_t i = 0;
	bool negative = len > 0 && text[0] == '-';
	int64_t value = 0;
	int scale = PQ_NUMBER_SCALE;
	size_t whole = 0, fraction = 0;

	for (i = negative; i < len && text[i] >= '0' && text[i] <= '9'; i++, whole++) {
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text[i] - '0', &value))
			return false;
	}
	if (__builtin_mul_overflow(value, (int64_t)PQ_NUMBER_SCALE, &value))
		return false;
	if (i < len && text[i] == '.') {
		for (i++; i < len && text[i] >= '0' && text[i] <= '9'; i++, fraction++) {
			scale /= 10;
			if (scale == 0)
				return false;
			if (__builtin_add_overflow(value, (int64_t)(text[i] - '0') * scale, &value))
				return false;
		}
		if (fraction == 0)
			return false;
	}
	if (i != len || whole == 0)
		return false;
	*ret = negative ? -value : value;
	return true;
}

void
pq_number_format(int64_t number, char *buf, size_t size)
{
	uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	unsigned fraction = (unsigned)(magnitude % PQ_NUMBER_SCALE);
	const char *sign = number < 0 ? "-" : "";
	unsigned long long whole = magnitude / PQ_NUMBER_SCALE;

	if (fraction == 0) {
		snprintf(buf, size, "%s%llu", sign, whole);
		return;
	}
	int places = 4;
	while (fraction % 10 == 0) {
		fraction /= 10;
		places--;
	}
	snprintf(buf, size, "%s%llu.%0*u", sign, whole, places, fraction);
}

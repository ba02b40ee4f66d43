# Checks a page in Prometheus' text format, and prints each sample as "name{labels} value". What is wrong goes to standard
# error, and makes it exit with 1.

function wrong(what) {
	print FILENAME ":" FNR ": " what ": " $0 >"/dev/stderr"
	failed = 1
}

# The family that a sample belongs to.
function family_of(name, base) {
	base = name
	if (type[name] == "" && sub(/_(bucket|sum|count)$/, "", base) && type[base] == "histogram")
		return base
	return name
}

/^# HELP / {
	if ($3 !~ /^[a-zA-Z_:][a-zA-Z0-9_:]*$/ || NF < 4)
		wrong("no HELP")
	if ($3 in help)
		wrong("a second HELP")
	help[$3] = 1
	current = $3
	next
}

/^# TYPE / {
	if ($3 != current)
		wrong("TYPE without its HELP before it")
	if ($4 !~ /^(counter|gauge|histogram)$/ || NF != 4)
		wrong("no such type")
	type[$3] = $4
	next
}

{
	if (!match($0, /^[a-zA-Z_:][a-zA-Z0-9_:]*/)) {
		wrong("no sample")
		next
	}
	name = substr($0, 1, RLENGTH)
	rest = substr($0, RLENGTH + 1)
	labels = ""
	if (match(rest, /^\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\["\\n])*",?)*\}/)) {
		labels = substr(rest, 1, RLENGTH)
		rest = substr(rest, RLENGTH + 1)
	}
	if (rest !~ /^ [-+]?([0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?|Inf|NaN)$/) {
		wrong("no value")
		next
	}
	value = substr(rest, 2) + 0
	family = family_of(name)
	if (family != current)
		wrong("a sample outside of its family")
	if (type[family] == "counter" && family !~ /_total$/)
		wrong("a counter whose name does not end with _total")
	if ((name labels) in seen)
		wrong("a second sample of one name")
	seen[name labels] = 1
	if (type[family] == "histogram")
		histogram(family, name, labels, value)
	print name labels " " substr(rest, 2)
}

# Buckets grow, end with +Inf, and the count is that of the last.
function histogram(family, name, labels, value, key) {
	if (name == family "_bucket") {
		key = labels
		sub(/,?le="[^"]*"/, "", key)
		if (key == "{}")
			key = ""
		if ((family key) in below && value < below[family key])
			wrong("a bucket with fewer than the one before")
		below[family key] = value
		top[family key] = labels ~ /le="\+Inf"/
	} else if (name == family "_count") {
		if (!top[family labels] || below[family labels] != value)
			wrong("a count that is not the bucket of +Inf")
	} else if (name != family "_sum")
		wrong("no sample of a histogram")
}

END {
	if (FNR == 0) {
		print "nothing to read" >"/dev/stderr"
		failed = 1
	}
	exit failed
}
